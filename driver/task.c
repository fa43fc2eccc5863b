// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a command of the caller to a task: checked, copied, with a reference to everything it will
 * use.
 */
#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "drv.h"

static int copy_in_rw(struct smartssd_task *task, const struct smartssd_cmd *cmd, u32 *nr_extents)
{
	u32 nr = cmd->rw.nr_extents;

	*nr_extents += nr;
	if (*nr_extents > SMARTSSD_MAX_JOB_EXTENTS)
		return -EINVAL;
	INIT_WORK(&task->work, smartssd_io_work);
	task->result.detail = ~0ull;
	task->rw.nr = nr;
	task->rw.ext = kvmalloc_array(nr, sizeof(*task->rw.ext), GFP_KERNEL_ACCOUNT);
	if (!task->rw.ext)
		return -ENOMEM;
	if (copy_from_user(task->rw.ext, u64_to_user_ptr(cmd->rw.extents),
			   nr * sizeof(*task->rw.ext)))
		return -EFAULT;
	return 0;
}

static int copy_in_run(struct smartssd_task *task, const struct smartssd_cmd *cmd)
{
	u32 nr = cmd->run.nr_args;

	task->run.args = kmalloc_array(nr + 1, sizeof(*task->run.args), GFP_KERNEL_ACCOUNT);
	if (!task->run.args)
		return -ENOMEM;
	if (copy_from_user(task->run.args, u64_to_user_ptr(cmd->run.args),
			   nr * sizeof(*task->run.args)))
		return -EFAULT;
	return 0;
}

int smartssd_task_copy_in(struct smartssd_task *task, const struct smartssd_cmd *cmd,
			  u32 *nr_extents)
{
	int ret = smartssd_check_cmd(cmd, task->index);

	if (ret)
		return ret;
	task->op = cmd->op;
	task->flags = cmd->flags;
	switch (cmd->op) {
	case SMARTSSD_OP_READ:
	case SMARTSSD_OP_WRITE:
		return copy_in_rw(task, cmd, nr_extents);
	case SMARTSSD_OP_RUN:
		return copy_in_run(task, cmd);
	default:
		INIT_WORK(&task->work, smartssd_copy_work);
		return 0;
	}
}

static int resolve_rw(struct smartssd_task *task, struct smartssd_client *client,
		      const struct smartssd_cmd *cmd)
{
	bool write = cmd->op == SMARTSSD_OP_WRITE;
	struct file *file;
	u32 bad;
	int ret;

	task->rw.src = smartssd_src_find(client, cmd->rw.file);
	task->rw.buf = smartssd_buf_find(client, cmd->rw.bo);
	if (!task->rw.src || !task->rw.buf)
		return -ENOENT;
	file = task->rw.src->file;
	/* Writing at a place of one's choice is not what an appending descriptor is for. */
	if (!(file->f_mode & (write ? FMODE_WRITE : FMODE_READ)) ||
	    (write && (file->f_flags & O_APPEND)))
		return -EBADF;
	if (task->rw.buf->sd != client->sd)
		return -EINVAL;
	ret = write ? smartssd_src_may_write(task->rw.src) : 0;
	if (ret)
		return ret;
	return smartssd_check_extents(task->rw.ext, task->rw.nr, task->rw.buf->bytes,
				      smartssd_src_bytes(task->rw.src), write, &bad);
}

/* One side of a copy that is a BO. core/cmd.c has seen that the sum does not wrap. */
static int resolve_side(struct smartssd_client *client, u32 id, u64 offset, u64 bytes,
			struct smartssd_buf **buf)
{
	*buf = smartssd_buf_find(client, id);
	if (!*buf)
		return -ENOENT;
	return offset + bytes > (*buf)->bytes ? -EINVAL : 0;
}

static int resolve_copy(struct smartssd_task *task, struct smartssd_client *client,
			const struct smartssd_cmd *cmd)
{
	int ret = 0;

	task->copy.host = cmd->copy.host;
	task->copy.src_offset = cmd->copy.src_offset;
	task->copy.dst_offset = cmd->copy.dst_offset;
	task->copy.bytes = cmd->copy.bytes;
	if (cmd->op != SMARTSSD_OP_COPY_TO)
		ret = resolve_side(client, cmd->copy.src_bo, cmd->copy.src_offset, cmd->copy.bytes,
				   &task->copy.src);
	if (!ret && cmd->op != SMARTSSD_OP_COPY_FROM)
		ret = resolve_side(client, cmd->copy.dst_bo, cmd->copy.dst_offset, cmd->copy.bytes,
				   &task->copy.dst);
	if (!ret && cmd->op != SMARTSSD_OP_COPY_BO && !task->job->mm) {
		task->job->mm = current->mm;
		mmgrab(current->mm);
	}
	return ret;
}

struct run_scratch {
	struct smartssd_client *client;
	struct smartssd_task *task;
	struct smartssd_reg regs[SMARTSSD_MAX_REGS];
};

static int run_lookup(void *ctx, u32 bo, struct smartssd_range *range)
{
	struct run_scratch *scratch = ctx;
	struct smartssd_buf *buf = smartssd_buf_find(scratch->client, bo);

	if (!buf)
		return -ENOENT;
	/* At most one per argument: there is room. */
	scratch->task->run.bufs[scratch->task->run.nr_bufs++] = buf;
	if (buf->sd != scratch->client->sd)
		return -EINVAL;
	range->address = buf->address;
	range->bytes = buf->bytes;
	return 0;
}

static int run_mask(struct smartssd_dev *sd, u64 mask, u32 *first)
{
	u32 cu;

	if (!mask || (sd->nr_cus < 64 && mask >> sd->nr_cus))
		return -ENOENT;
	*first = __ffs64(mask);
	for (cu = *first; cu < sd->nr_cus; cu++)
		if ((mask >> cu & 1) && sd->info->cus[cu].kernel != sd->info->cus[*first].kernel)
			return -EINVAL;
	return 0;
}

static int resolve_run(struct smartssd_task *task, struct smartssd_client *client,
		       const struct smartssd_cmd *cmd)
{
	struct smartssd_dev *sd = client->sd;
	struct run_scratch *scratch;
	u32 cu, nr_regs;
	int ret;

	lockdep_assert_held(&sd->xclbin_lock);
	ret = run_mask(sd, cmd->run.cu_mask, &cu);
	if (ret)
		return ret;
	task->run.cu_mask = cmd->run.cu_mask;
	task->run.kernel = sd->info->cus[cu].kernel;
	task->run.timeout_ms = cmd->run.timeout_ms;
	task->run.bufs = kcalloc(cmd->run.nr_args + 1, sizeof(*task->run.bufs), GFP_KERNEL_ACCOUNT);
	scratch = kmalloc(sizeof(*scratch), GFP_KERNEL);
	if (!task->run.bufs || !scratch) {
		ret = -ENOMEM;
		goto out;
	}
	scratch->client = client;
	scratch->task = task;
	ret = smartssd_build_regs(sd->info, cu, task->run.args, cmd->run.nr_args, run_lookup,
				  scratch, scratch->regs, &nr_regs);
	if (ret)
		goto out;
	task->run.nr_regs = nr_regs;
	task->run.regs =
		kmemdup(scratch->regs, nr_regs * sizeof(*scratch->regs), GFP_KERNEL_ACCOUNT);
	if (nr_regs && !task->run.regs)
		ret = -ENOMEM;
out:
	kfree(scratch);
	kfree(task->run.args);
	task->run.args = NULL;
	return ret;
}

int smartssd_task_resolve(struct smartssd_task *task, struct smartssd_client *client,
			  const struct smartssd_cmd *cmd)
{
	switch (cmd->op) {
	case SMARTSSD_OP_READ:
	case SMARTSSD_OP_WRITE:
		return resolve_rw(task, client, cmd);
	case SMARTSSD_OP_RUN:
		return resolve_run(task, client, cmd);
	default:
		return resolve_copy(task, client, cmd);
	}
}

void smartssd_task_release(struct smartssd_task *task)
{
	u32 i;

	switch (task->op) {
	case SMARTSSD_OP_READ:
	case SMARTSSD_OP_WRITE:
		smartssd_src_put(task->rw.src);
		smartssd_buf_put(task->rw.buf);
		kvfree(task->rw.ext);
		memset(&task->rw, 0, sizeof(task->rw));
		break;
	case SMARTSSD_OP_COPY_TO:
	case SMARTSSD_OP_COPY_FROM:
	case SMARTSSD_OP_COPY_BO:
		smartssd_buf_put(task->copy.src);
		smartssd_buf_put(task->copy.dst);
		memset(&task->copy, 0, sizeof(task->copy));
		break;
	case SMARTSSD_OP_RUN:
		for (i = 0; i < task->run.nr_bufs; i++)
			smartssd_buf_put(task->run.bufs[i]);
		kfree(task->run.bufs);
		kfree(task->run.regs);
		kfree(task->run.args);
		memset(&task->run, 0, sizeof(task->run));
		break;
	}
}
