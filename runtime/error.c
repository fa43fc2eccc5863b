// SPDX-License-Identifier: BSD-2-Clause
/* Error texts: what was wrong, where, and what to do. */
#include <stdarg.h>
#include <stdio.h>

#include "private.h"

int smartssd_fail(struct smartssd_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return code;
}

static const struct {
	const char *name;
	const char *text;
	const char *remedy;
} peer_reasons[SMARTSSD_PEER_NR] = {
	[SMARTSSD_PEER_OK] = {
		"ok",
		"data goes peer to peer between SSD and card memory",
		"",
	},
	[SMARTSSD_PEER_NO_KERNEL] = {
		"no-kernel",
		"the running kernel was built without CONFIG_PCI_P2PDMA",
		"boot a kernel with CONFIG_PCI_P2PDMA=y (Debian's 6.1 and 6.12 have it off; `grep P2PDMA /boot/config-$(uname -r)` "
		"shows it)",
	},
	[SMARTSSD_PEER_NO_PROVIDER] = {
		"no-provider",
		"the card's aperture could not be registered for peer DMA",
		"give the aperture BAR an address (BIOS: enable above-4G decoding; then a cold boot), and look for a failed memremap "
		"in the kernel log",
	},
	[SMARTSSD_PEER_NO_SSD] = {
		"no-ssd",
		"no NVMe device sits behind the card's PCIe switch",
		"check with `smartssd list` and `lspci -t` that the SSD half of the drive came up and that the nvme driver is bound to "
		"it",
	},
	[SMARTSSD_PEER_NO_ROUTE] = {
		"no-route",
		"ACS redirect or a root complex that is not known to route peer traffic lies between SSD and card",
		"switch ACS redirect off on the switch's downstream ports (kernel parameter pci=disable_acs_redir=<port>;<port>), or "
		"use an SSD behind the same switch",
	},
	[SMARTSSD_PEER_NOT_SIBLING] = {
		"not-sibling",
		"the file is on a device that has no peer route to this card",
		"put the file on the SSD that is paired with the card: `smartssd list` names it",
	},
	[SMARTSSD_PEER_NO_QUEUE] = {
		"no-queue",
		"the block device does not take peer pages (virtio, dm, md and NVMe multipath heads do not)",
		"use the NVMe namespace or a partition of it directly; for multipath boot with nvme_core.multipath=N",
	},
	[SMARTSSD_PEER_NO_FILESYSTEM] = {
		"no-filesystem",
		"the file's filesystem is not known to pass peer pages on to its block device",
		"keep the file on ext4 or on xfs without a realtime device, or write it to the raw namespace",
	},
	[SMARTSSD_PEER_NO_DIRECT] = {
		"no-direct",
		"the file cannot do direct I/O",
		"use a filesystem with O_DIRECT, and no encryption, compression, inline data or data journalling on this file",
	},
	[SMARTSSD_PEER_OFF] = {
		"off",
		"peer DMA is switched off by the caller or the administrator",
		"drop SMARTSSD_CMD_PEER_OFF (p2p=off), the driver's switch, or peer=off in an emu: URI",
	},
	[SMARTSSD_PEER_UNALIGNED] = {
		"unaligned",
		"an extent is not aligned to the logical block in the file, or to 4 bytes in card memory",
		"read whole blocks (struct smartssd_file.io_align) and skip the surplus bytes in card memory",
	},
};

const char *smartssd_peer_reason_name(uint32_t reason)
{
	return reason < SMARTSSD_PEER_NR ? peer_reasons[reason].name : "unknown";
}

const char *smartssd_peer_reason_text(uint32_t reason)
{
	return reason < SMARTSSD_PEER_NR ? peer_reasons[reason].text : "the driver gave a reason that this library does not know";
}

const char *smartssd_peer_reason_remedy(uint32_t reason)
{
	return reason < SMARTSSD_PEER_NR ? peer_reasons[reason].remedy : "update libsmartssd to the version of the driver";
}

static const char *op_name(const struct smartssd_list *list, uint32_t cmd)
{
	static const char *const names[] = { "command",		 "READ", "WRITE", "COPY to the card", "COPY from the card",
					     "COPY between BOs", "RUN" };
	uint32_t op = cmd < list->nr_cmds ? list->cmds[cmd].op : 0;

	return op < ARRAY_SIZE(names) ? names[op] : names[0];
}

int smartssd_explain_submit(struct smartssd_error *err, const struct smartssd_list *list, int code, uint32_t bad_cmd)
{
	const char *what;

	switch (code) {
	case -ENOENT:
		what = "it names a BO, file or compute unit that does not exist; was another xclbin loaded meanwhile?";
		break;
	case -EBADF:
		what = "the file is not open for this: a READ needs read, a WRITE write access";
		break;
	case -EBUSY:
		return smartssd_fail(err, code, "%u jobs are already in flight on this device: wait for one first",
				     SMARTSSD_MAX_JOBS);
	case -ENODEV:
		return smartssd_fail(err, code,
				     "the card was removed or stopped answering: close the device; after a reset open it again");
	case -ENOMEM:
		return smartssd_fail(err, code, "no host memory for a job of %u commands: submit fewer at a time", list->nr_cmds);
	case -EREMOTEIO:
		what = "a peer path is required and there is none: `smartssd check` names the cause";
		break;
	case -EOVERFLOW:
		what = "an offset and length wrap, or a value does not fit its register";
		break;
	default:
		what = "an offset lies outside of its BO or file, or arguments do not match the kernel";
		break;
	}
	if (bad_cmd == UINT32_MAX)
		return smartssd_fail(err, code, "submit of %u commands refused: %s", list->nr_cmds, strerror(-code));
	return smartssd_fail(err, code, "command %u of %u (%s) refused, nothing was run: %s: %s", bad_cmd, list->nr_cmds,
			     op_name(list, bad_cmd), strerror(-code), what);
}

int smartssd_explain_command(struct smartssd_error *err, const struct smartssd_list *list, int code, uint32_t cmd,
			     const struct smartssd_result *result)
{
	const char *op = op_name(list, cmd);
	bool run = cmd < list->nr_cmds && list->cmds[cmd].op == SMARTSSD_OP_RUN;
	bool copy = cmd < list->nr_cmds && list->cmds[cmd].op >= SMARTSSD_OP_COPY_TO && list->cmds[cmd].op <= SMARTSSD_OP_COPY_BO;
	unsigned long long detail = result ? result->detail : 0;

	if (run && result && !result->start_ns && (code == -EIO || code == -ETIMEDOUT))
		return smartssd_fail(err, code,
				     "%s (command %u) could not start: every compute unit that it may run on hangs or crashed earlier; "
				     "bring them back with smartssd_cu_reset(), or where there is a driver with `smartssd reset all --device "
				     "/dev/smartssdN` or `smartssd xclbin load`",
				     op, cmd);
	switch (code) {
	case -ETIMEDOUT:
		return smartssd_fail(err, code,
				     "%s (command %u) did not end in time: compute unit %llu hangs and is out of service until "
				     "smartssd_cu_reset(), or where there is a driver `smartssd reset %llu --device /dev/smartssdN` or "
				     "`smartssd xclbin load`, brings it back",
				     op, cmd, detail, detail);
	case -EIO:
		if (run)
			return smartssd_fail(err, code,
					     "%s (command %u): compute unit %llu reported a fault (crashed, or was reset while it ran); "
					     "smartssd_cu_reset(), or where there is a driver `smartssd reset %llu --device /dev/smartssdN`, "
					     "brings it back for the next run",
					     op, cmd, detail, detail);
		if (copy)
			return smartssd_fail(err, code,
					     "%s (command %u): card memory did not take or give all of it; the kernel log may say why", op,
					     cmd);
		return smartssd_fail(err, code,
				     "%s (command %u): the drive reported a media error or the file ended early, at extent %llu; see the "
				     "SSD's health with `smartssd list`",
				     op, cmd, detail);
	case -EREMOTEIO:
		return smartssd_fail(err, code, "%s (command %u): a peer path is required, but %s; %s", op, cmd,
				     smartssd_peer_reason_text(result ? result->path : SMARTSSD_PEER_NR),
				     smartssd_peer_reason_remedy(result ? result->path : SMARTSSD_PEER_NR));
	case -EFAULT:
		return smartssd_fail(err, code,
				     "%s (command %u): host memory of the copy is not mapped, or not writable; it must stay until the job "
				     "is done",
				     op, cmd);
	case -ENODEV:
		return smartssd_fail(err, code, "%s (command %u): the card was removed or stopped answering", op, cmd);
	default:
		return smartssd_fail(err, code, "%s (command %u) failed: %s", op, cmd, strerror(-code));
	}
}
