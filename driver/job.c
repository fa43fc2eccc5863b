// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs: a submitted list is checked whole, then its commands start as what they depend on ends. A
 * job has two references: one of the open file that lists it until it was waited for, one while
 * anything of it is in flight.
 */
#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "drv.h"
#include "trace.h"

static void job_release(struct kref *ref)
{
	struct smartssd_job *job = container_of(ref, struct smartssd_job, ref);
	struct smartssd_client *client = job->client;
	u32 i;

	if (job->tasks)
		for (i = 0; i < job->nr; i++)
			smartssd_task_release(&job->tasks[i]);
	kvfree(job->tasks);
	smartssd_graph_free(&job->graph);
	smartssd_as_put(&job->as);
	if (job->mm)
		mmdrop(job->mm);
	kfree(job);
	smartssd_client_put(client);
}

static void job_put(struct smartssd_job *job)
{
	kref_put(&job->ref, job_release);
}

/*
 * Nothing of it is in flight any more: only its results are worth keeping. Whoever learns that it
 * is done may load an xclbin at once.
 */
static void job_finish(struct smartssd_job *job)
{
	struct smartssd_client *client = job->client;
	struct smartssd_dev *sd = client->sd;

	smartssd_graph_free(&job->graph);
	smartssd_as_put(&job->as);
	smartssd_count(client, SMARTSSD_STAT_JOBS, 1);
	atomic_dec(&sd->nr_jobs);
	spin_lock(&client->lock);
	job->done = true;
	if (!client->closed) {
		list_add_tail(&job->done_link, &client->done);
		if (client->event)
			smartssd_eventfd_signal(client->event);
	}
	spin_unlock(&client->lock);
	wake_up_all(&client->wait);
	job_put(job);
}

struct ready_ctx {
	struct smartssd_job *job;
	struct list_head *list;
};

static void task_ready(void *p, u32 index, bool canceled)
{
	struct ready_ctx *ctx = p;
	struct smartssd_task *task = &ctx->job->tasks[index];

	task->skip = canceled;
	list_add_tail(&task->link, ctx->list);
}

/*
 * Take @task out of the graph; what became ready is added to @ready. The job may be gone afterwards
 * if nothing did.
 */
static void task_retire(struct smartssd_task *task, struct list_head *ready)
{
	struct smartssd_job *job = task->job;
	struct ready_ctx ctx = { .job = job, .list = ready };
	bool over;

	/* Before anybody can know: who waited for the job finds the card memory free. */
	smartssd_task_release(task);
	spin_lock(&job->lock);
	smartssd_graph_done(&job->graph, task->index, !task->result.status, task_ready, &ctx);
	over = !job->graph.left;
	spin_unlock(&job->lock);
	if (over)
		job_finish(job);
}

static void tasks_start(struct list_head *ready)
{
	struct smartssd_task *task;

	while ((task = list_first_entry_or_null(ready, struct smartssd_task, link))) {
		list_del_init(&task->link);
		if (task->skip || READ_ONCE(task->job->canceled)) {
			task->result.status = -ECANCELED;
			task_retire(task, ready);
		} else if (task->op == SMARTSSD_OP_RUN) {
			smartssd_cus_queue(task);
		} else {
			queue_work(task->job->client->wq, &task->work);
		}
	}
}

void smartssd_task_done(struct smartssd_task *task)
{
	LIST_HEAD(ready);

	if (task->result.start_ns)
		task->result.end_ns = ktime_get_ns();
	task_retire(task, &ready);
	tasks_start(&ready);
}

static int client_reserve(struct smartssd_client *client)
{
	int ret = 0;

	spin_lock(&client->lock);
	if (client->nr_jobs < SMARTSSD_MAX_JOBS)
		client->nr_jobs++;
	else
		ret = -EBUSY;
	spin_unlock(&client->lock);
	return ret;
}

static void client_unreserve(struct smartssd_client *client)
{
	spin_lock(&client->lock);
	client->nr_jobs--;
	spin_unlock(&client->lock);
}

/* Everything that is the caller's is copied here, once. On error *bad is the command's index. */
static int job_copy_in(struct smartssd_job *job, const struct smartssd_cmd *cmds, u32 *bad,
		       u32 *nr_extents)
{
	u32 i;
	int ret;

	job->tasks = kvcalloc(job->nr, sizeof(*job->tasks), GFP_KERNEL_ACCOUNT);
	if (!job->tasks)
		return -ENOMEM;
	for (i = 0; i < job->nr; i++) {
		struct smartssd_task *task = &job->tasks[i];

		task->job = job;
		task->index = i;
		INIT_LIST_HEAD(&task->link);
		ret = smartssd_task_copy_in(task, &cmds[i], nr_extents);
		if (ret) {
			*bad = i;
			return ret;
		}
		cond_resched();
	}
	return smartssd_graph_init(&job->graph, cmds, job->nr);
}

/* Ids become objects, and the job counts as in flight: from here on the xclbin stays. */
static int job_resolve(struct smartssd_job *job, const struct smartssd_cmd *cmds, u32 *bad)
{
	struct smartssd_dev *sd = job->client->sd;
	int ret = 0;
	u32 i;

	down_read(&sd->xclbin_lock);
	if (smartssd_lost(sd))
		ret = -ENODEV;
	for (i = 0; i < job->nr && !ret; i++) {
		ret = smartssd_task_resolve(&job->tasks[i], job->client, &cmds[i]);
		if (ret)
			*bad = i;
		cond_resched();
	}
	if (!ret)
		atomic_inc(&sd->nr_jobs);
	up_read(&sd->xclbin_lock);
	return ret;
}

static struct smartssd_job *job_create(struct smartssd_client *client,
				       const struct smartssd_submit *arg, u32 *bad, u32 *nr_extents)
{
	struct smartssd_cmd *cmds;
	struct smartssd_job *job;
	int ret;

	job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	if (!job)
		return ERR_PTR(-ENOMEM);
	kref_init(&job->ref);
	kref_get(&client->ref);
	job->client = client;
	smartssd_as_get(&job->as);
	job->nr = arg->nr_cmds;
	INIT_LIST_HEAD(&job->link);
	INIT_LIST_HEAD(&job->done_link);
	spin_lock_init(&job->lock);

	cmds = kvmalloc_array(job->nr, sizeof(*cmds), GFP_KERNEL_ACCOUNT);
	ret = cmds ? 0 : -ENOMEM;
	if (!ret && copy_from_user(cmds, u64_to_user_ptr(arg->cmds), job->nr * sizeof(*cmds)))
		ret = -EFAULT;
	if (!ret)
		ret = job_copy_in(job, cmds, bad, nr_extents);
	if (!ret)
		ret = job_resolve(job, cmds, bad);
	kvfree(cmds);
	if (ret) {
		job_put(job);
		return ERR_PTR(ret);
	}
	return job;
}

int smartssd_ioctl_submit(struct smartssd_call *call)
{
	struct smartssd_client *client = call->client;
	struct smartssd_submit *arg = call->arg;
	struct ready_ctx ctx;
	struct smartssd_job *job;
	u32 nr_extents = 0;
	LIST_HEAD(ready);
	int ret;

	if (arg->flags)
		return -EINVAL;
	/*
	 * Everything that follows is copying and looking up, or looks by itself whether the card is
	 * still there.
	 */
	smartssd_leave(call);
	arg->bad_cmd = ~0u;
	arg->job = 0;
	ret = -EINVAL;
	if (!arg->nr_cmds || arg->nr_cmds > SMARTSSD_MAX_CMDS)
		goto refuse;
	ret = client_reserve(client);
	if (ret)
		goto refuse;
	job = job_create(client, arg, &arg->bad_cmd, &nr_extents);
	if (IS_ERR(job)) {
		ret = PTR_ERR(job);
		goto unreserve;
	}

	spin_lock(&client->lock);
	job->id = ++client->next_job;
	spin_unlock(&client->lock);
	arg->job = job->id;
	ret = smartssd_respond(call);
	if (ret) {
		/* The caller cannot learn the id: nothing has started, nothing will. */
		atomic_dec(&client->sd->nr_jobs);
		job_put(job);
		client_unreserve(client);
		return ret;
	}
	trace_smartssd_submit(client->sd->id, job->id, job->nr, nr_extents);

	kref_get(&job->ref); /* one for the list, one for the flight */
	spin_lock(&client->lock);
	list_add_tail(&job->link, &client->jobs);
	spin_unlock(&client->lock);
	ctx = (struct ready_ctx){ .job = job, .list = &ready };
	spin_lock(&job->lock);
	smartssd_graph_start(&job->graph, task_ready, &ctx);
	spin_unlock(&job->lock);
	tasks_start(&ready);
	return 0;

unreserve:
	client_unreserve(client);
refuse:
	/* Best effort: the error that is returned matters more than where it was. */
	(void)smartssd_respond(call);
	return ret;
}

/*
 * The job to be taken: @id or, for 0, the one that ended first. It stays listed until its results
 * are reported, for that may fail. -EAGAIN: not done yet, or somebody else is taking it; -ENOENT
 */
static struct smartssd_job *job_take(struct smartssd_client *client, u64 id)
{
	struct smartssd_job *job = NULL, *j;
	int ret = -ENOENT;

	spin_lock(&client->lock);
	if (!id) {
		job = list_first_entry_or_null(&client->done, struct smartssd_job, done_link);
		if (!job && !list_empty(&client->jobs))
			ret = -EAGAIN;
	} else {
		list_for_each_entry(j, &client->jobs, link) {
			if (j->id != id)
				continue;
			if (j->done && !j->taken)
				job = j;
			else
				ret = -EAGAIN;
			break;
		}
	}
	if (job) {
		job->taken = true;
		list_del_init(&job->done_link);
	}
	spin_unlock(&client->lock);
	return job ? job : ERR_PTR(ret);
}

/* Others may have waited for what becomes of it. */
static void job_taken(struct smartssd_job *job, bool reported)
{
	struct smartssd_client *client = job->client;

	spin_lock(&client->lock);
	if (reported) {
		list_del_init(&job->link);
		client->nr_jobs--;
	} else {
		job->taken = false;
		list_add(&job->done_link, &client->done);
	}
	spin_unlock(&client->lock);
	wake_up_all(&client->wait);
	if (reported)
		job_put(job);
}

static struct smartssd_job *job_wait(struct smartssd_client *client, u64 id, u64 deadline_ns)
{
	struct smartssd_job *job = job_take(client, id);
	s64 left = KTIME_MAX;
	int ret;

	if (job != ERR_PTR(-EAGAIN) || !deadline_ns)
		return job == ERR_PTR(-EAGAIN) ? ERR_PTR(-ETIME) : job;
	if (deadline_ns > KTIME_MAX) {
		ret = wait_event_interruptible(client->wait,
					       (job = job_take(client, id)) != ERR_PTR(-EAGAIN));
	} else {
		left = deadline_ns - ktime_get_ns();
		if (left <= 0)
			return ERR_PTR(-ETIME);
		ret = wait_event_interruptible_hrtimeout(
			client->wait, (job = job_take(client, id)) != ERR_PTR(-EAGAIN),
			ns_to_ktime(left));
	}
	/* The last look may have taken the job although the time was up or a signal came. */
	if (job != ERR_PTR(-EAGAIN))
		return job;
	return ERR_PTR(ret == -ETIME ? -ETIME : -EINTR);
}

static int job_report(struct smartssd_job *job, struct smartssd_call *call)
{
	struct smartssd_wait *arg = call->arg;
	struct smartssd_result __user *out = u64_to_user_ptr(arg->results);
	u32 room = arg->results ? arg->nr_results : 0, i;

	arg->job = job->id;
	arg->nr_results = job->nr;
	arg->first_error = ~0u;
	arg->done = 0;
	arg->status = 0;
	for (i = 0; i < job->nr; i++) {
		const struct smartssd_result *r = &job->tasks[i].result;

		if (!r->status)
			arg->done++;
		else if (r->status != -ECANCELED && arg->first_error == ~0u)
			arg->first_error = i;
		if (!arg->status || arg->first_error == i)
			arg->status = r->status;
		if (i < room && copy_to_user(&out[i], r, sizeof(*r)))
			return -EFAULT;
	}
	return smartssd_respond(call);
}

int smartssd_ioctl_wait(struct smartssd_call *call)
{
	struct smartssd_client *client = call->client;
	struct smartssd_wait *arg = call->arg;
	struct smartssd_job *job;
	int ret;

	if (arg->flags)
		return -EINVAL;
	job = job_wait(client, arg->job, arg->deadline_ns);
	if (IS_ERR(job)) {
		ret = PTR_ERR(job);
		return ret == -ENOENT && smartssd_lost(client->sd) ? -ENODEV : ret;
	}
	ret = job_report(job, call);
	job_taken(job, !ret);
	return ret;
}

int smartssd_ioctl_eventfd(struct smartssd_call *call)
{
	struct smartssd_client *client = call->client;
	struct smartssd_eventfd *arg = call->arg;
	struct eventfd_ctx *ctx = NULL;

	if (arg->fd < -1)
		return -EBADF;
	if (arg->fd != -1) {
		ctx = eventfd_ctx_fdget(arg->fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	spin_lock(&client->lock);
	swap(client->event, ctx);
	spin_unlock(&client->lock);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

void smartssd_jobs_close(struct smartssd_client *client)
{
	struct smartssd_job *job, *next;
	LIST_HEAD(jobs);

	spin_lock(&client->lock);
	client->closed = true;
	list_splice_init(&client->jobs, &jobs);
	list_for_each_entry(job, &jobs, link)
		WRITE_ONCE(job->canceled, true);
	if (client->event)
		eventfd_ctx_put(client->event);
	client->event = NULL;
	spin_unlock(&client->lock);
	smartssd_cus_abort(client->sd, client, -ECANCELED);
	list_for_each_entry_safe(job, next, &jobs, link) {
		list_del_init(&job->link);
		list_del_init(&job->done_link);
		job_put(job);
	}
}
