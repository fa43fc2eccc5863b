// SPDX-License-Identifier: GPL-2.0-only
/*
 * COPY: host memory <-> BO and BO <-> BO, by the CPU in bounded steps through a buffer of ours. The
 * caller's memory may be a mapping of a file whose pages take for ever to come; so no card waits
 * for it: the half of a step that touches card memory, be it of this card or of another (imported),
 * holds that card's srcu and looks whether it is still there.
 */
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "drv.h"

#define COPY_BYTES SZ_64K
#define COPY_BYTES_MIN SZ_4K

static int buf_copy(struct smartssd_buf *buf, u64 offset, void *host, u64 bytes, bool to_card)
{
	struct smartssd_dev *sd = buf->sd;
	int idx = srcu_read_lock(&sd->srcu);
	int ret = 0;

	if (smartssd_lost(sd))
		ret = -ENODEV;
	else if (to_card)
		memcpy_toio(buf->io + offset, host, bytes);
	else
		memcpy_fromio(host, buf->io + offset, bytes);
	srcu_read_unlock(&sd->srcu, idx);
	return ret;
}

static int copy_step(struct smartssd_task *task, void *host, u64 at, u64 bytes)
{
	void __user *user = u64_to_user_ptr(task->copy.host + at);
	int ret;

	if (task->op == SMARTSSD_OP_COPY_TO) {
		if (copy_from_user(host, user, bytes))
			return -EFAULT;
	} else {
		ret = buf_copy(task->copy.src, task->copy.src_offset + at, host, bytes, false);
		if (ret)
			return ret;
	}
	if (task->op == SMARTSSD_OP_COPY_FROM)
		return copy_to_user(user, host, bytes) ? -EFAULT : 0;
	return buf_copy(task->copy.dst, task->copy.dst_offset + at, host, bytes, true);
}

static int copy_all(struct smartssd_task *task, void *host, u64 step)
{
	u64 bytes = task->copy.bytes, n;
	/* As memmove does: ranges of one BO may overlap. */
	bool down = task->op == SMARTSSD_OP_COPY_BO &&
		    task->copy.dst_offset > task->copy.src_offset;
	int ret;

	while (task->result.bytes < bytes) {
		if (smartssd_lost(task->job->client->sd))
			return -ENODEV;
		if (READ_ONCE(task->job->canceled))
			return -ECANCELED;
		n = min(step, bytes - task->result.bytes);
		ret = copy_step(task, host,
				down ? bytes - task->result.bytes - n : task->result.bytes, n);
		if (ret)
			return ret;
		task->result.bytes += n;
		cond_resched();
	}
	return 0;
}

static int copy_run(struct smartssd_task *task)
{
	struct mm_struct *mm = task->op == SMARTSSD_OP_COPY_BO ? NULL : task->job->mm;
	u64 step = min_t(u64, COPY_BYTES, task->copy.bytes);
	void *host = kmalloc(step, GFP_KERNEL | __GFP_NOWARN);
	int ret;

	if (!host && step > COPY_BYTES_MIN) {
		step = COPY_BYTES_MIN;
		host = kmalloc(step, GFP_KERNEL);
	}
	if (!host)
		return -ENOMEM;
	ret = -EFAULT;
	/* The caller's address space, if it still has one. */
	if (mm && !mmget_not_zero(mm))
		goto free_host;
	if (mm)
		kthread_use_mm(mm);
	ret = copy_all(task, host, step);
	if (mm) {
		kthread_unuse_mm(mm);
		mmput(mm);
	}
free_host:
	kfree(host);
	return ret;
}

void smartssd_copy_work(struct work_struct *work)
{
	struct smartssd_task *task = container_of(work, struct smartssd_task, work);
	struct smartssd_client *client = task->job->client;

	task->result.start_ns = ktime_get_ns();
	task->result.status = copy_run(task);
	if (task->op != SMARTSSD_OP_COPY_FROM)
		smartssd_count(client, SMARTSSD_STAT_HOST_TO_CARD, task->result.bytes);
	if (task->op != SMARTSSD_OP_COPY_TO)
		smartssd_count(client, SMARTSSD_STAT_CARD_TO_HOST, task->result.bytes);
	smartssd_task_done(task);
}
