// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading an xclbin: the privileged step, since it says which registers are pointers. The card gets
 * the whole file through card memory, where it can be programmed from here; a card that cannot is
 * believed to hold what the file describes.
 */
#include <linux/capability.h>
#include <linux/io.h>
#include <linux/uaccess.h>

#include "shell.h"

#define UUID_BYTES 16

/*
 * The same UUID as what is loaded, and nothing to repair? Then there is nothing to do, whoever
 * asks.
 */
static bool already_loaded(struct smartssd_dev *sd, const struct smartssd_xclbin *arg, u8 *uuid)
{
	bool same;

	if (arg->bytes < SMARTSSD_XCLBIN_UUID_AT + UUID_BYTES ||
	    copy_from_user(uuid, u64_to_user_ptr(arg->data + SMARTSSD_XCLBIN_UUID_AT), UUID_BYTES))
		return false;
	down_read(&sd->xclbin_lock);
	same = sd->info && !memcmp(sd->info->uuid, uuid, UUID_BYTES) && smartssd_cus_sound(sd);
	up_read(&sd->xclbin_lock);
	return same;
}

static int program(struct smartssd_dev *sd, const void *data, u64 bytes)
{
	struct smartssd_buf *buf;
	int ret;

	if (!sd->shell->program)
		return 0;
	ret = smartssd_buf_create(sd, bytes, &buf);
	if (ret)
		return ret;
	memcpy_toio(buf->io, data, bytes);
	ret = sd->shell->program(sd, buf->address, bytes);
	if (ret == -ETIMEDOUT) {
		/* It may still be reading: nobody else gets this memory, nor this card. */
		sd->staging = buf;
		buf = NULL;
		ret = -ENODEV;
	}
	if (ret == -ENODEV)
		smartssd_set_gone(sd);
	else if (ret)
		ret = -EIO;
	/* From here on there is no old xclbin any more. */
	if (ret)
		smartssd_cus_replace(sd, NULL);
	smartssd_buf_put(buf);
	return ret;
}

static int load(struct smartssd_dev *sd, const void *data, u64 bytes)
{
	struct smartssd_xclbin_info *info;
	struct smartssd_why why = { "" };
	int ret;

	ret = smartssd_xclbin_parse(data, bytes, &info, &why);
	if (ret) {
		dev_dbg(&sd->dev, "xclbin refused: %s\n", why.text);
		return ret;
	}
	down_write(&sd->xclbin_lock);
	/*
	 * A submit counts its job under the lock, so this count is no less than what is in flight.
	 */
	ret = atomic_read(&sd->nr_jobs) ? -EBUSY : 0;
	/* Programming stops what hangs; without it that goes on writing to what it holds. */
	if (!ret && !sd->shell->program && !smartssd_cus_sound(sd))
		ret = -EBUSY;
	if (!ret)
		ret = program(sd, data, bytes);
	if (!ret) {
		ret = smartssd_cus_replace(sd, info);
		if (ret)
			smartssd_cus_replace(sd, NULL);
		else
			info = NULL; /* it is the card's now */
	}
	up_write(&sd->xclbin_lock);
	smartssd_xclbin_free(info);
	return ret;
}

int smartssd_ioctl_xclbin_load(struct smartssd_call *call)
{
	struct smartssd_xclbin *arg = call->arg;
	struct smartssd_dev *sd = call->client->sd;
	u8 uuid[UUID_BYTES];
	void *data;
	int ret;

	if (arg->flags || !arg->bytes || arg->bytes > SMARTSSD_MAX_XCLBIN)
		return -EINVAL;
	/* The caller's memory takes as long as it likes to be read. */
	smartssd_leave(call);
	if (already_loaded(sd, arg, uuid)) {
		memcpy(arg->uuid, uuid, UUID_BYTES);
		return smartssd_respond(call);
	}
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	data = kvmalloc(arg->bytes, GFP_KERNEL_ACCOUNT);
	if (!data)
		return -ENOMEM;
	if (copy_from_user(data, u64_to_user_ptr(arg->data), arg->bytes))
		ret = -EFAULT;
	else
		ret = smartssd_enter(call);
	if (!ret)
		ret = load(sd, data, arg->bytes);
	if (!ret)
		memcpy(arg->uuid, data + SMARTSSD_XCLBIN_UUID_AT, UUID_BYTES);
	kvfree(data);
	return ret ? ret : smartssd_respond(call);
}
