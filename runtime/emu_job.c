// SPDX-License-Identifier: BSD-2-Clause
/* Jobs: SUBMIT copies and checks a list whole before anything of it starts; WAIT takes the results of one. */
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "emu_impl.h"

void emu_job_free(struct emu_job *job)
{
	u32 i;

	for (i = 0; i < job->nr; i++)
		emu_cmd_release(&job->cmds[i]);
	smartssd_graph_free(&job->graph);
	free(job->results);
	free(job);
}

/* ---- SUBMIT: check and look up ---- */

/* Released with the command. */
static int find_bo(struct emu *emu, u32 id, struct emu_bo **out)
{
	struct emu_bo *bo;

	pthread_mutex_lock(&emu->lock);
	bo = emu_bo_get(emu, id);
	pthread_mutex_unlock(&emu->lock);
	*out = bo;
	return bo ? 0 : -ENOENT;
}

static int prepare_rw(struct emu *emu, struct emu_cmd *cmd, const struct smartssd_cmd *in, u32 *extents)
{
	struct emu_rw *rw = &cmd->rw;
	bool write = cmd->op == SMARTSSD_OP_WRITE;
	u64 bytes = (u64)in->rw.nr_extents * sizeof(*rw->ext), file_bytes;
	u32 bad;
	int ret;

	*extents += in->rw.nr_extents;
	if (*extents > SMARTSSD_MAX_JOB_EXTENTS)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	rw->file = emu_ids_find(&emu->files, in->rw.file);
	if (rw->file)
		atomic_fetch_add(&rw->file->refs, 1);
	pthread_mutex_unlock(&emu->lock);
	if (!rw->file)
		return -ENOENT;
	ret = find_bo(emu, in->rw.bo, &rw->bo);
	if (ret)
		return ret;
	if (write ? !rw->file->writable : !rw->file->readable)
		return -EBADF;
	if (rw->bo->owner != emu)
		return -EINVAL;

	rw->ext = malloc(bytes);
	rw->origin = malloc(in->rw.nr_extents * sizeof(*rw->origin));
	if (!rw->ext || !rw->origin)
		return -ENOMEM;
	ret = emu_copy_in(rw->ext, in->rw.extents, bytes);
	if (!ret)
		ret = emu_file_bytes(rw->file, &file_bytes);
	if (!ret)
		ret = smartssd_check_extents(rw->ext, in->rw.nr_extents, rw->bo->bytes, file_bytes, write, &bad);
	if (!ret)
		rw->nr = smartssd_merge_extents(rw->ext, in->rw.nr_extents, EMU_IO_MAX, rw->origin);
	return ret;
}

static int prepare_copy(struct emu *emu, struct emu_cmd *cmd, const struct smartssd_cmd *in)
{
	struct emu_copy *c = &cmd->copy;
	int ret = 0;

	c->host = in->copy.host;
	c->src_offset = in->copy.src_offset;
	c->dst_offset = in->copy.dst_offset;
	c->bytes = in->copy.bytes;
	if (cmd->op != SMARTSSD_OP_COPY_TO)
		ret = find_bo(emu, in->copy.src_bo, &c->src);
	if (!ret && cmd->op != SMARTSSD_OP_COPY_FROM)
		ret = find_bo(emu, in->copy.dst_bo, &c->dst);
	if (ret)
		return ret;
	/* smartssd_check_cmd() has seen that the sums do not wrap. */
	if ((c->src && c->src_offset + c->bytes > c->src->bytes) || (c->dst && c->dst_offset + c->bytes > c->dst->bytes))
		return -EINVAL;
	return 0;
}

struct lookup {
	struct emu *emu;
	struct emu_run *run;
};

/* For smartssd_build_regs(); lock held */
static int lookup_bo(void *ctx, u32 id, struct smartssd_range *range)
{
	struct lookup *l = ctx;
	struct emu_bo *bo = emu_bo_get(l->emu, id);

	if (!bo)
		return -ENOENT;
	l->run->bos[l->run->nr_bos++] = bo;
	range->address = bo->address;
	range->bytes = bo->bytes;
	return bo->owner == l->emu ? 0 : -EINVAL;
}

static int prepare_run(struct emu *emu, struct emu_cmd *cmd, const struct smartssd_cmd *in)
{
	struct smartssd_arg args[SMARTSSD_MAX_ARGS];
	struct smartssd_reg regs[SMARTSSD_MAX_REGS];
	struct emu_run *run = &cmd->run;
	struct lookup l = { emu, run };
	u32 nr = in->run.nr_args;
	int ret;

	run->mask = in->run.cu_mask;
	run->timeout_ms = in->run.timeout_ms ? in->run.timeout_ms : EMU_TIMEOUT_MS;
	run->bos = malloc((nr + 1) * sizeof(*run->bos));
	if (!run->bos)
		return -ENOMEM;
	ret = nr ? emu_copy_in(args, in->run.args, nr * sizeof(*args)) : 0;
	if (ret)
		return ret;
	pthread_mutex_lock(&emu->lock);
	ret = emu_cu_check_mask(emu, run->mask);
	if (!ret)
		ret = smartssd_build_regs(emu->xclbin, __builtin_ctzll(run->mask), args, nr, lookup_bo, &l, regs, &run->nr_regs);
	pthread_mutex_unlock(&emu->lock);
	if (ret)
		return ret;
	run->regs = malloc((run->nr_regs + 1) * sizeof(*regs));
	if (!run->regs)
		return -ENOMEM;
	memcpy(run->regs, regs, run->nr_regs * sizeof(*regs));
	return 0;
}

static int prepare(struct emu *emu, struct emu_cmd *cmd, const struct smartssd_cmd *in, u32 *extents)
{
	int ret = smartssd_check_cmd(in, cmd->index);

	if (ret)
		return ret;
	cmd->op = in->op;
	cmd->flags = in->flags;
	switch (in->op) {
	case SMARTSSD_OP_READ:
	case SMARTSSD_OP_WRITE:
		emu_cmd_result(cmd)->detail = ~0ull;
		return prepare_rw(emu, cmd, in, extents);
	case SMARTSSD_OP_RUN:
		return prepare_run(emu, cmd, in);
	default:
		return prepare_copy(emu, cmd, in);
	}
}

/* A job of @nr commands, checked; nothing of it has started. */
static int build(struct emu *emu, const struct smartssd_cmd *cmds, u32 nr, struct emu_job **out, u32 *bad)
{
	struct emu_job *job = calloc(1, sizeof(*job) + nr * sizeof(job->cmds[0]));
	u32 extents = 0, i;
	int ret = 0;

	if (!job)
		return -ENOMEM;
	job->emu = emu;
	job->nr = nr;
	job->results = calloc(nr, sizeof(*job->results));
	if (!job->results)
		ret = -ENOMEM;
	for (i = 0; !ret && i < nr; i++) {
		job->cmds[i].job = job;
		job->cmds[i].index = i;
		ret = prepare(emu, &job->cmds[i], &cmds[i], &extents);
		if (ret)
			*bad = i;
	}
	if (!ret)
		ret = smartssd_graph_init(&job->graph, cmds, nr);
	if (ret) {
		emu_job_free(job);
		return ret;
	}
	*out = job;
	return 0;
}

/* Room for one more job, until it is there. */
static int reserve(struct emu *emu)
{
	int ret = 0;

	pthread_mutex_lock(&emu->lock);
	if (emu->nr_jobs + emu->submitting >= SMARTSSD_MAX_JOBS)
		ret = -EBUSY;
	else
		emu->submitting++; /* from here on the xclbin stays */
	pthread_mutex_unlock(&emu->lock);
	return ret;
}

int emu_submit(struct emu *emu, struct smartssd_submit *arg)
{
	struct smartssd_cmd few[4], *cmds = few;
	struct emu_job *job = NULL;
	u32 nr = arg->nr_cmds;
	int ret;

	arg->bad_cmd = 0xffffffffu;
	arg->job = 0;
	if (arg->flags || !nr || nr > SMARTSSD_MAX_CMDS)
		return -EINVAL;
	ret = reserve(emu);
	if (ret)
		return ret;
	if (nr > 4)
		cmds = malloc(nr * sizeof(*cmds));
	ret = cmds ? emu_copy_in(cmds, arg->cmds, nr * sizeof(*cmds)) : -ENOMEM;
	if (!ret)
		ret = build(emu, cmds, nr, &job, &arg->bad_cmd);
	if (cmds != few)
		free(cmds);

	pthread_mutex_lock(&emu->lock);
	emu->submitting--;
	if (!ret && emu->gone)
		ret = -ENODEV;
	if (!ret) {
		job->id = ++emu->last_id;
		arg->job = job->id;
		emu->jobs[emu->nr_jobs++] = job;
		emu->inflight++;
		smartssd_graph_start(&job->graph, emu_cmd_ready, job);
		emu_progress(emu);
		job = NULL;
	}
	pthread_mutex_unlock(&emu->lock);
	if (job)
		emu_job_free(job);
	return ret;
}

/* ---- a job is done ---- */

void emu_poll_update(struct emu *emu)
{
	bool set = false;
	char byte = 0;
	u32 i;

	if (emu->poll_fd < 0)
		return;
	for (i = 0; !set && i < emu->nr_jobs; i++)
		set = emu->jobs[i]->finished;
	/* Neither can fail: the pipe is ours, with one byte in it or none. Without a writer (see below) no job finishes any more. */
	if (set && !emu->poll_set && emu->poll_writer >= 0)
		emu->poll_set = write(emu->poll_writer, &byte, 1) == 1;
	else if (!set && emu->poll_set)
		emu->poll_set = read(emu->poll_fd, &byte, 1) != 1;
	/* The last finished job was told above; from now on the descriptor also says that there is nobody behind it: POLLHUP. */
	if (emu->gone && !emu->inflight && emu->poll_writer >= 0) {
		close(emu->poll_writer);
		emu->poll_writer = -1;
	}
}

int emu_poll_fd(struct emu *emu)
{
	int fd, ends[2];

	pthread_mutex_lock(&emu->lock);
	if (emu->poll_fd < 0) {
		fd = pipe2(ends, O_CLOEXEC | O_NONBLOCK) ? -errno : ends[0];
		if (fd >= 0) {
			emu->poll_fd = ends[0];
			emu->poll_writer = ends[1];
			emu_poll_update(emu);
			emu_handover(emu);
		}
	} else {
		fd = emu->poll_fd;
	}
	pthread_mutex_unlock(&emu->lock);
	return fd;
}

/* The kernel signals an eventfd without ever blocking; at its limit there is nothing to add. */
static void signal_event(int fd)
{
	u64 one = 1;
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK)) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (poll(&p, 1, 0) != 1)
			return;
	}
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

void emu_job_finish(struct emu_job *job)
{
	struct emu *emu = job->emu;

	job->finished = ++emu->last_finished;
	emu->inflight--;
	emu->count.jobs++;
	emu_poll_update(emu);
	if (emu->event_fd >= 0)
		signal_event(emu->event_fd);
	/* Who waits for it may be asleep, or in card_poll(). */
	pthread_cond_broadcast(&emu->cond);
	emu_nudge(emu);
}

int emu_eventfd(struct emu *emu, struct smartssd_eventfd *arg)
{
	char path[40], what[64];
	int fd = -1, old;
	ssize_t n;

	if (arg->fd < -1)
		return -EBADF;
	if (arg->fd >= 0) {
		fd = fcntl(arg->fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return -errno;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, what, sizeof(what) - 1);
		what[n > 0 ? n : 0] = 0;
		if (strcmp(what, "anon_inode:[eventfd]")) {
			close(fd);
			return -EINVAL;
		}
	}
	pthread_mutex_lock(&emu->lock);
	old = emu->event_fd;
	emu->event_fd = fd;
	emu_handover(emu);
	pthread_mutex_unlock(&emu->lock);
	if (old >= 0)
		close(old);
	return 0;
}

/* ---- WAIT ---- */

/* Place in emu->jobs of the job to take; @id 0: the first that finished, else any; -1: there is none. */
static int find_job(const struct emu *emu, u64 id)
{
	int found = -1;
	u32 i;

	for (i = 0; i < emu->nr_jobs; i++) {
		const struct emu_job *job = emu->jobs[i], *best = found < 0 ? NULL : emu->jobs[found];

		if (id ? job->id == id : !best || (job->finished && (!best->finished || job->finished < best->finished)))
			found = i;
	}
	return found;
}

static int take(struct emu *emu, u32 place, struct smartssd_wait *arg)
{
	struct emu_job *job = emu->jobs[place];
	u32 room = arg->results ? arg->nr_results : 0, i;
	int ret;

	if (room > job->nr)
		room = job->nr;
	ret = room ? emu_copy_out(arg->results, job->results, room * sizeof(*job->results)) : 0;
	if (ret)
		return ret;
	arg->job = job->id;
	arg->nr_results = job->nr;
	arg->first_error = 0xffffffffu;
	arg->done = 0;
	arg->status = 0;
	for (i = 0; i < job->nr; i++) {
		int status = job->results[i].status;

		arg->done += !status;
		if (status && status != -ECANCELED && arg->first_error == 0xffffffffu)
			arg->first_error = i;
		if (!arg->status || arg->first_error == i)
			arg->status = status;
	}
	emu->jobs[place] = emu->jobs[--emu->nr_jobs];
	emu_poll_update(emu);
	emu_job_free(job);
	return 0;
}

static void sleep_until(struct emu *emu, u64 deadline)
{
	struct timespec ts = { deadline / 1000000000u, deadline % 1000000000u };

	if (deadline == EMU_NEVER)
		pthread_cond_wait(&emu->cond, &emu->lock);
	else
		pthread_cond_timedwait(&emu->cond, &emu->lock, &ts);
}

int emu_wait(struct emu *emu, struct smartssd_wait *arg)
{
	bool looked = false;
	int place, ret;
	u64 now;

	if (arg->flags)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	emu->waiting++;
	for (;;) {
		place = find_job(emu, arg->job);
		if (place < 0) {
			ret = emu->gone ? -ENODEV : -ENOENT;
			break;
		}
		if (emu->jobs[place]->finished) {
			ret = take(emu, place, arg);
			break;
		}
		now = emu_now();
		if (now >= arg->deadline_ns && looked) {
			ret = -ETIME;
			break;
		}
		looked = true;
		if (emu->busy && !emu->driving) {
			emu_drive(emu, arg->deadline_ns);
		} else if (now < arg->deadline_ns) {
			/* It leaves the driving to whoever waits. */
			if (emu->engine_drives)
				emu_nudge(emu);
			sleep_until(emu, arg->deadline_ns);
		}
	}
	emu->waiting--;
	emu_handover(emu);
	pthread_mutex_unlock(&emu->lock);
	return ret;
}
