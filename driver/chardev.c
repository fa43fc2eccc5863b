// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device node: open, close, poll, and the way of a call from user memory to its handler and
 * back.
 *
 * Every argument struct begins with its size as the caller knows it. What the caller does not know
 * yet is zero for the handler; what this driver does not know yet must be zero.
 */
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "shell.h"

#define CLIENT_TASKS 32 /* READs, WRITEs and COPYs of one open file under way at the same time */

static struct workqueue_struct *reaper;

static void client_free(struct smartssd_client *client)
{
	struct smartssd_dev *sd = client->sd;

	if (client->wq)
		destroy_workqueue(client->wq);
	kfree(client);
	put_device(&sd->dev);
	module_put(THIS_MODULE);
}

static void client_reap(struct work_struct *work)
{
	client_free(container_of(work, struct smartssd_client, reap));
}

/*
 * The last one may be a job's that outlived the file, on a worker of the client's own. The module
 * stays until the reaper is through.
 */
static void client_release(struct kref *ref)
{
	struct smartssd_client *client = container_of(ref, struct smartssd_client, ref);

	queue_work(reaper, &client->reap);
}

static void client_release_now(struct kref *ref)
{
	client_free(container_of(ref, struct smartssd_client, ref));
}

void smartssd_client_put(struct smartssd_client *client)
{
	kref_put(&client->ref, client_release);
}

int smartssd_clients_init(void)
{
	reaper = alloc_workqueue("smartssd-reaper", WQ_UNBOUND, 0);
	return reaper ? 0 : -ENOMEM;
}

void smartssd_clients_exit(void)
{
	destroy_workqueue(reaper);
}

static int smartssd_open(struct inode *inode, struct file *file)
{
	struct smartssd_dev *sd = container_of(inode->i_cdev, struct smartssd_dev, cdev);
	struct smartssd_client *client;
	int idx, ret = 0;

	client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);
	if (!client)
		return -ENOMEM;
	kref_init(&client->ref);
	client->sd = sd;
	client->file = file;
	xa_init_flags(&client->bufs, XA_FLAGS_ALLOC1);
	xa_init_flags(&client->srcs, XA_FLAGS_ALLOC1);
	spin_lock_init(&client->lock);
	INIT_LIST_HEAD(&client->jobs);
	INIT_LIST_HEAD(&client->done);
	init_waitqueue_head(&client->wait);
	INIT_WORK(&client->reap, client_reap);
	get_device(&sd->dev);
	__module_get(THIS_MODULE);
	/* Unbound: a task sleeps while its I/O is under way. */
	client->wq = alloc_workqueue("smartssd%d-%d", WQ_UNBOUND, CLIENT_TASKS, sd->id,
				     task_pid_nr(current));
	if (!client->wq) {
		client_free(client);
		return -ENOMEM;
	}

	idx = srcu_read_lock(&sd->srcu);
	if (smartssd_lost(sd)) {
		ret = -ENODEV;
	} else {
		mutex_lock(&sd->clients_lock);
		list_add(&client->link, &sd->clients);
		mutex_unlock(&sd->clients_lock);
		file->private_data = client;
		mod_delayed_work(system_long_wq, &sd->health, 0);
	}
	srcu_read_unlock(&sd->srcu, idx);
	if (ret)
		client_free(client);
	else
		nonseekable_open(inode, file);
	return ret;
}

static int smartssd_close(struct inode *inode, struct file *file)
{
	struct smartssd_client *client = file->private_data;
	struct smartssd_dev *sd = client->sd;
	struct smartssd_buf *buf;
	struct smartssd_src *src;
	unsigned long id;
	int idx;

	mutex_lock(&sd->clients_lock);
	list_del(&client->link);
	mutex_unlock(&sd->clients_lock);
	idx = srcu_read_lock(&sd->srcu);
	smartssd_jobs_close(client);
	srcu_read_unlock(&sd->srcu, idx);
	/* Commands under way have references of their own. */
	xa_for_each(&client->bufs, id, buf)
		smartssd_buf_put(buf);
	xa_destroy(&client->bufs);
	xa_for_each(&client->srcs, id, src)
		smartssd_src_put(src);
	xa_destroy(&client->srcs);
	kref_put(&client->ref, client_release_now);
	return 0;
}

static __poll_t smartssd_poll(struct file *file, poll_table *wait)
{
	struct smartssd_client *client = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &client->wait, wait);
	spin_lock(&client->lock);
	if (!list_empty(&client->done))
		events |= EPOLLIN | EPOLLRDNORM;
	spin_unlock(&client->lock);
	if (smartssd_lost(client->sd))
		events |= EPOLLERR | EPOLLHUP;
	return events;
}

void smartssd_wake_clients(struct smartssd_dev *sd)
{
	struct smartssd_client *client;

	mutex_lock(&sd->clients_lock);
	list_for_each_entry(client, &sd->clients, link)
		wake_up_all(&client->wait);
	mutex_unlock(&sd->clients_lock);
}

void smartssd_unmap_clients(struct smartssd_dev *sd)
{
	struct smartssd_client *client;

	/* A mapping holds its file open, so whoever has one is on the list. */
	mutex_lock(&sd->clients_lock);
	list_for_each_entry(client, &sd->clients, link)
		unmap_mapping_range(client->file->f_mapping, 0, 0, 1);
	mutex_unlock(&sd->clients_lock);
}

static int ioctl_query(struct smartssd_call *call)
{
	struct smartssd_query *arg = call->arg;
	struct smartssd_dev *sd = call->client->sd;
	struct pci_dev *pdev = sd->pdev;

	if (arg->flags)
		return -EINVAL;
	*arg = (struct smartssd_query){ .size = arg->size };
	arg->features = sd->shell->features | SMARTSSD_FEATURE_MMAP | SMARTSSD_FEATURE_DMABUF;
	if (sd->backing != SMARTSSD_BACKING_IO)
		arg->features |= SMARTSSD_FEATURE_PEER;
	if (sd->backing == SMARTSSD_BACKING_PAGES)
		arg->features |= SMARTSSD_FEATURE_USER_PEER;
	arg->ddr_bytes = sd->aperture_bytes;
	arg->ddr_free = sd->aperture_bytes - atomic64_read(&sd->ddr_used);
	arg->aperture_bytes = sd->aperture_bytes;
	arg->shell = sd->shell->id;
	arg->peer_reason = smartssd_peer_card(sd);
	arg->bo_align = PAGE_SIZE;
	arg->mem_align = SMARTSSD_MEM_ALIGN;
	arg->max_jobs = SMARTSSD_MAX_JOBS;
	arg->pci = pci_domain_nr(pdev->bus) << 16 | pdev->bus->number << 8 | pdev->devfn;
	arg->pci_id = (u32)pdev->vendor << 16 | pdev->device;
	memcpy(arg->dna, sd->dna, sizeof(sd->dna));
	smartssd_sibling_name(sd, arg->ssd, sizeof(arg->ssd));
	down_read(&sd->xclbin_lock);
	arg->nr_cus = sd->nr_cus;
	if (sd->info)
		memcpy(arg->uuid, sd->info->uuid, sizeof(arg->uuid));
	up_read(&sd->xclbin_lock);
	return smartssd_respond(call);
}

static int ioctl_counters(struct smartssd_call *call)
{
	struct smartssd_counters *arg = call->arg;
	struct smartssd_stats *stats;
	__u64 *out = &arg->ssd_to_card;
	int i;

	switch (arg->scope) {
	case SMARTSSD_COUNT_FILE:
		stats = &call->client->stats;
		break;
	case SMARTSSD_COUNT_CARD:
		stats = &call->client->sd->stats;
		break;
	default:
		return -EOPNOTSUPP;
	}
	BUILD_BUG_ON(offsetof(struct smartssd_counters, ssd_to_card) +
			     SMARTSSD_STAT_NR * sizeof(__u64) !=
		     sizeof(*arg));
	for (i = 0; i < SMARTSSD_STAT_NR; i++)
		out[i] = atomic64_read(&stats->v[i]);
	return smartssd_respond(call);
}

/*
 * min: the size of the first published version; a later one only grows. always: also when the card
 * is gone.
 */
struct smartssd_op {
	u32 size;
	u32 min;
	bool always;
	int (*handler)(struct smartssd_call *call);
};

#define OP(nr, type, last, anyway, fn)                           \
	[_IOC_NR(nr)] = { .size = sizeof(struct type),           \
			  .min = offsetofend(struct type, last), \
			  .always = anyway,                      \
			  .handler = fn }

static const struct smartssd_op smartssd_ops[] = {
	OP(SMARTSSD_IOC_QUERY, smartssd_query, ssd, false, ioctl_query),
	OP(SMARTSSD_IOC_CU_INFO, smartssd_cu_info, name, false, smartssd_ioctl_cu_info),
	OP(SMARTSSD_IOC_ARG_INFO, smartssd_arg_info, type, false, smartssd_ioctl_arg_info),
	OP(SMARTSSD_IOC_XCLBIN_LOAD, smartssd_xclbin, uuid, false, smartssd_ioctl_xclbin_load),
	OP(SMARTSSD_IOC_BO_CREATE, smartssd_bo, mmap_offset, false, smartssd_ioctl_bo_create),
	OP(SMARTSSD_IOC_BO_DESTROY, smartssd_id, id, false, smartssd_ioctl_bo_destroy),
	OP(SMARTSSD_IOC_BO_EXPORT, smartssd_bo_fd, bytes, false, smartssd_ioctl_bo_export),
	OP(SMARTSSD_IOC_BO_IMPORT, smartssd_bo_fd, bytes, false, smartssd_ioctl_bo_import),
	OP(SMARTSSD_IOC_FILE_REGISTER, smartssd_file, bytes, false, smartssd_ioctl_file_register),
	OP(SMARTSSD_IOC_FILE_UNREGISTER, smartssd_id, id, false, smartssd_ioctl_file_unregister),
	OP(SMARTSSD_IOC_SUBMIT, smartssd_submit, job, false, smartssd_ioctl_submit),
	/* Results of jobs that the card's end has ended are worth having. */
	OP(SMARTSSD_IOC_WAIT, smartssd_wait, status, true, smartssd_ioctl_wait),
	OP(SMARTSSD_IOC_EVENTFD, smartssd_eventfd, fd, false, smartssd_ioctl_eventfd),
	OP(SMARTSSD_IOC_COUNTERS, smartssd_counters, cu_faults, false, ioctl_counters),
	OP(SMARTSSD_IOC_CU_RESET, smartssd_id, id, false, smartssd_ioctl_cu_reset),
};

/* Room for the largest of them on the stack of the call. */
union smartssd_any {
	struct smartssd_query query;
	struct smartssd_cu_info cu;
	struct smartssd_arg_info arg;
	struct smartssd_xclbin xclbin;
	struct smartssd_bo bo;
	struct smartssd_bo_fd bo_fd;
	struct smartssd_file file;
	struct smartssd_submit submit;
	struct smartssd_wait wait;
	struct smartssd_counters counters;
};

/* (sparse cannot follow a lock that is taken in one function and dropped in another.) */
int smartssd_enter(struct smartssd_call *call)
{
	struct smartssd_dev *sd = call->client->sd;

	call->srcu = srcu_read_lock(&sd->srcu);
	__release(&sd->srcu);
	call->inside = true;
	if (!smartssd_lost(sd))
		return 0;
	smartssd_leave(call);
	return -ENODEV;
}

void smartssd_leave(struct smartssd_call *call)
{
	struct smartssd_dev *sd = call->client->sd;

	if (!call->inside)
		return;
	call->inside = false;
	__acquire(&sd->srcu);
	srcu_read_unlock(&sd->srcu, call->srcu);
}

int smartssd_respond(struct smartssd_call *call)
{
	smartssd_leave(call);
	if (copy_to_user(call->user, call->arg, min(call->user_size, call->size)))
		return -EFAULT;
	return 0;
}

int smartssd_id_give(struct smartssd_call *call, struct xarray *ids, u32 limit, u32 *id,
		     void *object)
{
	/* The id is reserved but finds nothing until the caller has been told. */
	int ret = xa_alloc(ids, id, NULL, XA_LIMIT(1, limit), GFP_KERNEL_ACCOUNT);

	if (ret)
		return ret;
	ret = smartssd_respond(call);
	if (ret)
		xa_erase(ids, *id);
	else
		xa_store(ids, *id, object, GFP_KERNEL_ACCOUNT);
	return ret;
}

static long smartssd_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct smartssd_client *client = file->private_data;
	struct smartssd_call call = { .client = client, .user = (void __user *)user };
	const struct smartssd_op *op;
	union smartssd_any any;
	int ret;

	/* The number identifies the call, not the size in it: that differs between versions. */
	if (_IOC_TYPE(cmd) != SMARTSSD_IOC_MAGIC || _IOC_NR(cmd) >= ARRAY_SIZE(smartssd_ops))
		return -ENOTTY;
	op = &smartssd_ops[array_index_nospec(_IOC_NR(cmd), ARRAY_SIZE(smartssd_ops))];
	if (get_user(call.user_size, (u32 __user *)call.user))
		return -EFAULT;
	if (call.user_size < op->min)
		return -EINVAL;
	if (call.user_size > PAGE_SIZE)
		return -E2BIG;
	memset(&any, 0, sizeof(any));
	ret = copy_struct_from_user(&any, op->size, call.user, call.user_size);
	if (ret)
		return ret;
	call.arg = &any;
	call.size = op->size;
	if (op->always)
		return op->handler(&call);

	ret = smartssd_enter(&call);
	if (!ret)
		ret = op->handler(&call);
	smartssd_leave(&call);
	return ret;
}

const struct file_operations smartssd_fops = {
	.owner = THIS_MODULE,
	.open = smartssd_open,
	.release = smartssd_close,
	.unlocked_ioctl = smartssd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = smartssd_mmap,
	.poll = smartssd_poll,
};
