// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compute units: RUNs wait in one queue per kernel, in the order in which they became ready,
 * whoever submitted them; a free CU takes the first that may run on it. The end of a run is noticed
 * by interrupt, by polling (CUs without one), or by the watchdog, which also looks for lost
 * interrupts long before it calls a run overdue. A CU that hung and ends after all is found by the
 * same means, and is as good as new.
 *
 * Registers sleep (ring.c), so all of this is process context under cu_lock. Tasks that end are
 * collected and reported after it is dropped: what depended on them may be queued here at once.
 */
#include <linux/capability.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "shell.h"
#include "trace.h"

/* How often the watchdog looks at a CU that has an interrupt, or hangs. */
#define LOST_IRQ_NS (500 * NSEC_PER_MSEC)
#define POLL_MIN_US 20
#define POLL_MAX_US 5000
#define START_TRIES 10

static unsigned int run_timeout_ms = 10000;
module_param(run_timeout_ms, uint, 0644);
MODULE_PARM_DESC(run_timeout_ms,
		 "when a RUN without a time-out of its own is called hung (default 10000)");

static u64 run_timeout_ns(u32 timeout_ms)
{
	if (!timeout_ms)
		timeout_ms = max(READ_ONCE(run_timeout_ms), 1u);
	return timeout_ms * (u64)NSEC_PER_MSEC;
}

static void cu_release_held(struct smartssd_cu *cu)
{
	while (cu->nr_held)
		smartssd_buf_put(cu->held[--cu->nr_held]);
	kfree(cu->held);
	cu->held = NULL;
}

/* The CU's run is over, for whatever reason. */
static void cu_end(struct smartssd_dev *sd, struct smartssd_cu *cu, int status, u32 state,
		   struct list_head *done)
{
	struct smartssd_task *task = cu->running;
	struct smartssd_client *client = task->job->client;

	lockdep_assert_held(&sd->cu_lock);
	cu->running = NULL;
	cu->state = state;
	task->result.status = status;
	if (!status) {
		cu->runs++;
		smartssd_count(client, SMARTSSD_STAT_RUNS, 1);
	} else if (status == -EIO || status == -ETIMEDOUT) {
		smartssd_count(client, SMARTSSD_STAT_CU_FAULTS, 1);
	}
	if (state == SMARTSSD_CU_HUNG) {
		cu->held = task->run.bufs;
		cu->nr_held = task->run.nr_bufs;
		task->run.bufs = NULL;
		task->run.nr_bufs = 0;
	}
	trace_smartssd_cu_done(sd->id, cu->index, task->job->id, task->index,
			       ktime_get_ns() - task->result.start_ns, status);
	list_add_tail(&task->link, done);
}

static void task_fail(struct smartssd_task *task, int status, struct list_head *done)
{
	task->result.status = status;
	list_move_tail(&task->link, done);
}

static void tasks_report(struct list_head *done)
{
	struct smartssd_task *task, *next;

	list_for_each_entry_safe(task, next, done, link) {
		list_del_init(&task->link);
		smartssd_task_done(task);
	}
}

/* When must the watchdog look again? */
static void watch_arm(struct smartssd_dev *sd)
{
	u64 now = ktime_get_ns(), next = U64_MAX;
	u32 i;

	lockdep_assert_held(&sd->cu_lock);
	for (i = 0; i < sd->nr_cus; i++) {
		if (sd->cus[i].state == SMARTSSD_CU_HUNG)
			next = min(next, now + LOST_IRQ_NS);
		if (!sd->cus[i].running)
			continue;
		next = min3(next, sd->cus[i].deadline_ns,
			    now + (sd->cus[i].polled ? 0 : LOST_IRQ_NS));
	}
	if (next == U64_MAX || smartssd_lost(sd))
		return;
	mod_delayed_work(system_long_wq, &sd->watch,
			 next > now ? nsecs_to_jiffies(next - now) + 1 : 0);
}

static int cu_start(struct smartssd_dev *sd, struct smartssd_cu *cu, struct smartssd_task *task)
{
	int ret, i;

	task->result.start_ns = ktime_get_ns();
	task->result.detail = cu->index;
	for (i = 0; i < START_TRIES; i++) {
		ret = smartssd_cu_start(&sd->bus, cu->desc, task->run.regs, task->run.nr_regs);
		if (ret != -EBUSY)
			break;
		usleep_range(100, 200);
	}
	if (ret == -ENODEV)
		smartssd_set_gone(sd);
	if (ret == -EBUSY) {
		dev_err_ratelimited(&sd->pdev->dev, "CU %u (%s) does not take a start\n", cu->index,
				    cu->desc->name);
		cu->state = SMARTSSD_CU_HUNG;
	}
	if (ret) {
		task->result.start_ns = 0;
		return ret;
	}
	cu->running = task;
	cu->state = SMARTSSD_CU_BUSY;
	cu->deadline_ns = ktime_get_ns() + run_timeout_ns(task->run.timeout_ms);
	return 0;
}

/* CUs of a kernel that are free, and those that live. */
static void kernel_masks(struct smartssd_dev *sd, u32 kernel, u64 *idle, u64 *alive, u64 *all)
{
	u32 i;

	*idle = 0;
	*alive = 0;
	*all = 0;
	for (i = 0; i < sd->nr_cus; i++) {
		if (sd->cus[i].desc->kernel != kernel)
			continue;
		*all |= 1ull << i;
		if (sd->cus[i].state == SMARTSSD_CU_IDLE)
			*idle |= 1ull << i;
		if (sd->cus[i].state == SMARTSSD_CU_IDLE || sd->cus[i].state == SMARTSSD_CU_BUSY)
			*alive |= 1ull << i;
	}
}

/* Give waiting RUNs to free CUs. One that no living CU may take fails rather than waits forever. */
static void kernel_start(struct smartssd_dev *sd, u32 kernel, struct list_head *done)
{
	struct smartssd_task *task, *next;
	u64 idle, alive, all;
	u32 cu;
	int ret;

	kernel_masks(sd, kernel, &idle, &alive, &all);
	list_for_each_entry_safe(task, next, &sd->run_queue[kernel], link) {
		ret = -EBUSY;
		while (ret == -EBUSY && (task->run.cu_mask & idle)) {
			cu = __ffs64(task->run.cu_mask & idle);
			list_del_init(&task->link);
			ret = cu_start(sd, &sd->cus[cu], task);
			if (ret) {
				list_add_tail(&task->link, &next->link);
				kernel_masks(sd, kernel, &idle, &alive, &all);
			}
			idle &= ~(1ull << cu);
		}
		if (ret == -ENODEV)
			task_fail(task, ret, done);
		else if (ret && !(task->run.cu_mask & alive))
			task_fail(task, -EIO, done);
		else if (!idle && alive == all)
			break;
	}
}

static void cus_start(struct smartssd_dev *sd, struct list_head *done)
{
	u32 k;

	lockdep_assert_held(&sd->cu_lock);
	for (k = 0; sd->info && k < sd->info->nr_kernels; k++)
		if (!list_empty(&sd->run_queue[k]))
			kernel_start(sd, k, done);
	watch_arm(sd);
}

void smartssd_cus_queue(struct smartssd_task *task)
{
	struct smartssd_dev *sd = task->job->client->sd;
	LIST_HEAD(done);

	mutex_lock(&sd->cu_lock);
	/* Of a card that was removed there are no queues any more. */
	if (smartssd_lost(sd)) {
		task_fail(task, -ENODEV, &done);
	} else if (READ_ONCE(task->job->canceled)) {
		task_fail(task, -ECANCELED, &done);
	} else {
		list_add_tail(&task->link, &sd->run_queue[task->run.kernel]);
		cus_start(sd, &done);
	}
	mutex_unlock(&sd->cu_lock);
	tasks_report(&done);
}

/* A hung CU: has it ended after all? Then nobody writes to what it held any more. */
static void cu_look_late(struct smartssd_dev *sd, struct smartssd_cu *cu)
{
	u32 state = SMARTSSD_CU_IDLE;
	int ret = smartssd_cu_finish(&sd->bus, cu->desc);

	if (!ret && sd->shell->cu_crashed) {
		ret = sd->shell->cu_crashed(sd, cu->index);
		state = SMARTSSD_CU_CRASHED;
	}
	if (ret < 0)
		smartssd_set_gone(sd);
	if (ret != 1)
		return;
	dev_info_ratelimited(&sd->pdev->dev, "CU %u (%s), which hung, has %s\n", cu->index,
			     cu->desc->name, state == SMARTSSD_CU_IDLE ? "ended" : "crashed");
	cu->state = state;
	cu_release_held(cu);
}

static void cu_look(struct smartssd_dev *sd, struct smartssd_cu *cu, bool status,
		    struct list_head *done)
{
	bool overdue;
	int ret;

	if (cu->state == SMARTSSD_CU_HUNG)
		cu_look_late(sd, cu);
	if (!cu->running)
		return;
	/* First the time, then the CU: what ended in time has ended. */
	overdue = ktime_get_ns() >= cu->deadline_ns;
	ret = smartssd_cu_finish(&sd->bus, cu->desc);
	if (ret == 1) {
		cu_end(sd, cu, 0, SMARTSSD_CU_IDLE, done);
		return;
	}
	if (!ret && (status || overdue) && sd->shell->cu_crashed) {
		ret = sd->shell->cu_crashed(sd, cu->index);
		if (ret == 1) {
			dev_err_ratelimited(&sd->pdev->dev, "CU %u (%s) crashed\n", cu->index,
					    cu->desc->name);
			cu_end(sd, cu, -EIO, SMARTSSD_CU_CRASHED, done);
			return;
		}
	}
	if (ret < 0) {
		smartssd_set_gone(sd);
	} else if (overdue) {
		dev_err_ratelimited(&sd->pdev->dev, "CU %u (%s) hangs\n", cu->index,
				    cu->desc->name);
		cu_end(sd, cu, -ETIMEDOUT, SMARTSSD_CU_HUNG, done);
	}
}

void smartssd_cus_service(struct smartssd_dev *sd, u64 mask, bool status)
{
	LIST_HEAD(done);
	u32 i;

	mutex_lock(&sd->cu_lock);
	for (i = 0; i < sd->nr_cus && !smartssd_lost(sd); i++)
		if (mask >> i & 1)
			cu_look(sd, &sd->cus[i], status, &done);
	if (!smartssd_lost(sd))
		cus_start(sd, &done);
	mutex_unlock(&sd->cu_lock);
	tasks_report(&done);
}

/*
 * How long may a polled CU wait for the next look: an eighth of the time it has been running. 0: no
 * polled CU runs.
 */
static u32 poll_interval(struct smartssd_dev *sd, u64 *mask)
{
	u64 now = ktime_get_ns(), us = 0, longest = 0;
	u32 i;

	*mask = 0;
	mutex_lock(&sd->cu_lock);
	for (i = 0; i < sd->nr_cus; i++) {
		struct smartssd_cu *cu = &sd->cus[i];

		if (!cu->running || !cu->polled)
			continue;
		*mask |= 1ull << i;
		us = div_u64(now - cu->running->result.start_ns, 8 * NSEC_PER_USEC);
		us = clamp_t(u64, us, POLL_MIN_US, POLL_MAX_US);
		longest = longest ? min(longest, us) : us;
	}
	mutex_unlock(&sd->cu_lock);
	return longest;
}

void smartssd_cus_watch(struct work_struct *work)
{
	struct smartssd_dev *sd = container_of(work, struct smartssd_dev, watch.work);
	u64 mask, looked = 0, now;
	u32 us;

	while (!smartssd_lost(sd)) {
		/* All CUs now and then, polled ones often in between. */
		now = ktime_get_ns();
		if (now - looked >= LOST_IRQ_NS) {
			smartssd_cus_service(sd, ~0ull, true);
			looked = now;
		}
		us = poll_interval(sd, &mask);
		if (!us)
			return;
		usleep_range(us, us + us / 2);
		smartssd_cus_service(sd, mask, false);
	}
}

static void abort_running(struct smartssd_dev *sd, int error, struct list_head *done)
{
	u32 i;

	for (i = 0; i < sd->nr_cus; i++) {
		struct smartssd_cu *cu = &sd->cus[i];

		/*
		 * A card that is there must not go on writing into memory that the next driver
		 * hands out, which one that hangs may do, too. The hardware cannot be stopped from
		 * here; nobody uses its memory until it is bound again.
		 */
		if ((cu->running || cu->state == SMARTSSD_CU_HUNG) && sd->shell->cu_reset &&
		    !READ_ONCE(sd->gone))
			sd->shell->cu_reset(sd, i);
		if (cu->running)
			cu_end(sd, cu, error, SMARTSSD_CU_HUNG, done);
	}
}

/* Nobody waits for what @client runs any more: others need not wait for the time-out it chose. */
static void hurry_running(struct smartssd_dev *sd, struct smartssd_client *client)
{
	u64 latest = ktime_get_ns() + run_timeout_ns(0);
	u32 i;

	for (i = 0; i < sd->nr_cus; i++) {
		struct smartssd_cu *cu = &sd->cus[i];

		if (cu->running && cu->running->job->client == client)
			cu->deadline_ns = min(cu->deadline_ns, latest);
	}
	watch_arm(sd);
}

void smartssd_cus_abort(struct smartssd_dev *sd, struct smartssd_client *client, int error)
{
	struct smartssd_task *task, *next;
	LIST_HEAD(done);
	u32 k;

	mutex_lock(&sd->cu_lock);
	if (client)
		hurry_running(sd, client);
	else
		abort_running(sd, error, &done);
	for (k = 0; sd->info && k < sd->info->nr_kernels; k++)
		list_for_each_entry_safe(task, next, &sd->run_queue[k], link)
			if (!client || task->job->client == client)
				task_fail(task, error, &done);
	mutex_unlock(&sd->cu_lock);
	tasks_report(&done);
}

bool smartssd_cus_sound(struct smartssd_dev *sd)
{
	bool sound = true;
	u32 i;

	mutex_lock(&sd->cu_lock);
	for (i = 0; i < sd->nr_cus; i++)
		sound &= sd->cus[i].state == SMARTSSD_CU_IDLE ||
			 sd->cus[i].state == SMARTSSD_CU_BUSY;
	mutex_unlock(&sd->cu_lock);
	return sound;
}

static void assign_vectors(struct smartssd_dev *sd)
{
	u32 i, v;

	for (v = 0; v < sd->nr_vectors; v++)
		sd->vectors[v].cu_mask = v ? 0 : ~0ull; /* the shell speaks for all */
	for (i = 0; i < sd->nr_cus; i++) {
		struct smartssd_cu *cu = &sd->cus[i];

		cu->polled = true;
		if (cu->desc->irq == ~0u || sd->ring_vectors < 2)
			continue;
		/* The card computes with what it has, whatever we could get of it. */
		v = 1 + cu->desc->irq % (sd->ring_vectors - 1);
		if (v >= sd->nr_vectors)
			continue;
		cu->polled = false;
		sd->vectors[v].cu_mask |= 1ull << i;
	}
}

int smartssd_cus_replace(struct smartssd_dev *sd, struct smartssd_xclbin_info *info)
{
	struct smartssd_xclbin_info *old_info = sd->info;
	struct list_head *queues = NULL, *old_queues = sd->run_queue;
	struct smartssd_cu *cus = NULL, *old_cus = sd->cus;
	u32 i, old_nr = sd->nr_cus;

	lockdep_assert_held_write(&sd->xclbin_lock);
	if (info) {
		cus = kvcalloc(info->nr_cus, sizeof(*cus), GFP_KERNEL);
		queues = kvcalloc(info->nr_kernels, sizeof(*queues), GFP_KERNEL);
		if ((info->nr_cus && !cus) || (info->nr_kernels && !queues)) {
			kvfree(cus);
			kvfree(queues);
			return -ENOMEM;
		}
		for (i = 0; i < info->nr_cus; i++) {
			cus[i].desc = &info->cus[i];
			cus[i].index = i;
		}
		for (i = 0; i < info->nr_kernels; i++)
			INIT_LIST_HEAD(&queues[i]);
	}
	mutex_lock(&sd->cu_lock);
	sd->info = info;
	sd->cus = cus;
	sd->run_queue = queues;
	sd->nr_cus = info ? info->nr_cus : 0;
	assign_vectors(sd);
	mutex_unlock(&sd->cu_lock);
	/* Programming, or the resets of remove, ended whatever the old CUs did. */
	for (i = 0; i < old_nr; i++)
		cu_release_held(&old_cus[i]);
	kvfree(old_cus);
	kvfree(old_queues);
	smartssd_xclbin_free(old_info);
	return 0;
}

/* ---- interrupts ---- */

static irqreturn_t irq_thread(int irq, void *data)
{
	struct smartssd_vector *vector = data;

	/* A spurious one finds no CU that has ended; a crashed CU says so in the shell's status. */
	smartssd_cus_service(vector->sd, READ_ONCE(vector->cu_mask), true);
	return IRQ_HANDLED;
}

void smartssd_irq_cleanup(struct smartssd_dev *sd)
{
	u32 i;

	for (i = 0; i < sd->nr_vectors; i++)
		free_irq(pci_irq_vector(sd->pdev, i), &sd->vectors[i]);
	if (sd->nr_vectors)
		pci_free_irq_vectors(sd->pdev);
	sd->nr_vectors = 0;
}

int smartssd_irq_setup(struct smartssd_dev *sd)
{
	u32 want = min_t(u32, sd->ring_vectors, SMARTSSD_MAX_VECTORS);
	int nr, ret;

	if (!want)
		return 0;
	nr = pci_alloc_irq_vectors(sd->pdev, 1, want, PCI_IRQ_MSIX);
	if (nr < 0) {
		dev_warn(&sd->pdev->dev, "no MSI-X vectors (%d): CUs are polled\n", nr);
		return 0;
	}
	while (sd->nr_vectors < nr) {
		struct smartssd_vector *vector = &sd->vectors[sd->nr_vectors];

		vector->sd = sd;
		vector->index = sd->nr_vectors;
		snprintf(vector->name, sizeof(vector->name), "smartssd%d-%u", sd->id,
			 vector->index);
		ret = request_threaded_irq(pci_irq_vector(sd->pdev, vector->index), NULL,
					   irq_thread, IRQF_ONESHOT, vector->name, vector);
		if (ret)
			goto cleanup;
		sd->nr_vectors++;
	}
	return 0;

cleanup:
	if (sd->nr_vectors)
		smartssd_irq_cleanup(sd);
	else
		pci_free_irq_vectors(sd->pdev);
	return ret;
}

/* ---- calls ---- */

int smartssd_ioctl_cu_info(struct smartssd_call *call)
{
	struct smartssd_cu_info *arg = call->arg;
	struct smartssd_dev *sd = call->client->sd;
	struct smartssd_cu *cu;
	int ret = -ENOENT;

	if (arg->pad)
		return -EINVAL;
	down_read(&sd->xclbin_lock);
	mutex_lock(&sd->cu_lock);
	if (arg->index < sd->nr_cus) {
		cu = &sd->cus[array_index_nospec(arg->index, sd->nr_cus)];
		arg->nr_args = cu->desc->nr_args;
		arg->state = cu->state;
		arg->base = cu->desc->base;
		arg->runs = cu->runs;
		arg->control = cu->desc->control;
		memcpy(arg->name, cu->desc->name, sizeof(arg->name));
		ret = 0;
	}
	mutex_unlock(&sd->cu_lock);
	up_read(&sd->xclbin_lock);
	return ret ? ret : smartssd_respond(call);
}

int smartssd_ioctl_arg_info(struct smartssd_call *call)
{
	struct smartssd_arg_info *arg = call->arg;
	struct smartssd_dev *sd = call->client->sd;
	const struct smartssd_cu_arg *a;
	const struct smartssd_cu_desc *desc;
	int ret = -ENOENT;

	if (arg->pad)
		return -EINVAL;
	down_read(&sd->xclbin_lock);
	desc = arg->cu < sd->nr_cus ? &sd->info->cus[array_index_nospec(arg->cu, sd->nr_cus)] :
				      NULL;
	if (desc && arg->index < desc->nr_args) {
		a = &sd->info->args[desc->first_arg +
				    array_index_nospec(arg->index, desc->nr_args)];
		arg->kind = a->kind;
		arg->offset = a->offset;
		arg->bytes = a->bytes;
		arg->bound_of = a->bound_of;
		memcpy(arg->name, a->name, sizeof(arg->name));
		memcpy(arg->type, a->type, sizeof(arg->type));
		ret = 0;
	}
	up_read(&sd->xclbin_lock);
	return ret ? ret : smartssd_respond(call);
}

static int cu_reset(struct smartssd_dev *sd, struct smartssd_cu *cu, struct smartssd_client *client,
		    struct list_head *done)
{
	int ret;

	lockdep_assert_held(&sd->cu_lock);
	if (cu->running && cu->running->job->client != client && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	ret = sd->shell->cu_reset(sd, cu->index);
	if (ret == -ENODEV) {
		smartssd_set_gone(sd);
		return ret;
	}
	if (cu->running)
		cu_end(sd, cu, -EIO, ret ? SMARTSSD_CU_CRASHED : SMARTSSD_CU_IDLE, done);
	cu->state = ret ? SMARTSSD_CU_CRASHED : SMARTSSD_CU_IDLE;
	cu_release_held(cu);
	cus_start(sd, done);
	return ret;
}

int smartssd_ioctl_cu_reset(struct smartssd_call *call)
{
	struct smartssd_id *arg = call->arg;
	struct smartssd_dev *sd = call->client->sd;
	LIST_HEAD(done);
	int ret = -ENOENT;
	u32 cu;

	down_read(&sd->xclbin_lock);
	mutex_lock(&sd->cu_lock);
	if (arg->id < sd->nr_cus) {
		cu = array_index_nospec(arg->id, sd->nr_cus);
		ret = sd->shell->cu_reset ? cu_reset(sd, &sd->cus[cu], call->client, &done) :
					    -EOPNOTSUPP;
	}
	mutex_unlock(&sd->cu_lock);
	up_read(&sd->xclbin_lock);
	tasks_report(&done);
	return ret;
}
