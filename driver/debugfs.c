// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/smartssd/smartssdN/fault: arm a fault of an emulated card. "KIND[:CU[:NTH]]",
 * KIND one of hang, crash, no-irq, wrong, gone, spurious or none; CU default 0; NTH run from now,
 * default 1. For tests only.
 */
#include <linux/debugfs.h>
#include <linux/uaccess.h>

#include "shell.h"

static struct dentry *debugfs_root;

static int fault_parse(char *text, u32 *value)
{
	static const char *const kinds[] = {
		[EMU_FAULT_NONE] = "none",	   [EMU_FAULT_HANG] = "hang",
		[EMU_FAULT_CRASH] = "crash",	   [EMU_FAULT_NO_IRQ] = "no-irq",
		[EMU_FAULT_WRONG] = "wrong",	   [EMU_FAULT_GONE] = "gone",
		[EMU_FAULT_SPURIOUS] = "spurious",
	};
	char *word = strsep(&text, ":");
	u8 cu = 0;
	u16 nth = 1;
	int kind = match_string(kinds, ARRAY_SIZE(kinds), word), ret = 0;

	if (kind < 0)
		return -EINVAL;
	word = strsep(&text, ":");
	if (word)
		ret = kstrtou8(word, 10, &cu);
	word = strsep(&text, ":");
	if (!ret && word)
		ret = kstrtou16(word, 10, &nth);
	if (ret || text || cu >= SMARTSSD_MAX_CUS)
		return -EINVAL;
	*value = kind | cu << 8 | (u32)nth << 16;
	return 0;
}

static ssize_t fault_write(struct file *file, const char __user *user, size_t count, loff_t *pos)
{
	struct smartssd_dev *sd = file->private_data;
	char text[32];
	u32 value;
	int ret;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, count))
		return -EFAULT;
	text[count] = 0;
	ret = fault_parse(strim(text), &value);
	if (ret)
		return ret;
	if (smartssd_lost(sd))
		return -ENODEV;
	sd->shell->fault(sd, value);
	return count;
}

static const struct file_operations fault_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = fault_write,
};

void smartssd_debugfs_init(void)
{
	debugfs_root = debugfs_create_dir("smartssd", NULL);
}

void smartssd_debugfs_exit(void)
{
	debugfs_remove_recursive(debugfs_root);
}

void smartssd_debugfs_add(struct smartssd_dev *sd)
{
	sd->debugfs = debugfs_create_dir(dev_name(&sd->dev), debugfs_root);
	if (sd->shell->fault)
		debugfs_create_file("fault", 0200, sd->debugfs, sd, &fault_fops);
}

/* Waits for writers inside: afterwards nobody uses the ring through here. */
void smartssd_debugfs_remove(struct smartssd_dev *sd)
{
	debugfs_remove_recursive(sd->debugfs);
}
