/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: a list is submitted, a READ or WRITE is complete, a CU is done. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM smartssd

#if !defined(SMARTSSD_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SMARTSSD_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(smartssd_submit,
	TP_PROTO(int card, u64 job, u32 nr_cmds, u32 nr_extents),
	TP_ARGS(card, job, nr_cmds, nr_extents),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, job)
		__field(u32, nr_cmds)
		__field(u32, nr_extents)
	),
	TP_fast_assign(
		__entry->card = card;
		__entry->job = job;
		__entry->nr_cmds = nr_cmds;
		__entry->nr_extents = nr_extents;
	),
	TP_printk("smartssd%d job=%llu cmds=%u extents=%u", __entry->card, __entry->job,
		  __entry->nr_cmds, __entry->nr_extents)
);

TRACE_EVENT(smartssd_io_done,
	TP_PROTO(int card, u64 job, u32 cmd, bool write, u64 requests, u64 bytes, u32 path,
		 int status),
	TP_ARGS(card, job, cmd, write, requests, bytes, path, status),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, job)
		__field(u32, cmd)
		__field(bool, write)
		__field(u64, requests)
		__field(u64, bytes)
		__field(u32, path)
		__field(int, status)
	),
	TP_fast_assign(
		__entry->card = card;
		__entry->job = job;
		__entry->cmd = cmd;
		__entry->write = write;
		__entry->requests = requests;
		__entry->bytes = bytes;
		__entry->path = path;
		__entry->status = status;
	),
	TP_printk("smartssd%d job=%llu cmd=%u %s requests=%llu bytes=%llu path=%u status=%d",
		  __entry->card, __entry->job, __entry->cmd, __entry->write ? "write" : "read",
		  __entry->requests, __entry->bytes, __entry->path, __entry->status)
);

TRACE_EVENT(smartssd_cu_done,
	TP_PROTO(int card, u32 cu, u64 job, u32 cmd, u64 ns, int status),
	TP_ARGS(card, cu, job, cmd, ns, status),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u32, cu)
		__field(u64, job)
		__field(u32, cmd)
		__field(u64, ns)
		__field(int, status)
	),
	TP_fast_assign(
		__entry->card = card;
		__entry->cu = cu;
		__entry->job = job;
		__entry->cmd = cmd;
		__entry->ns = ns;
		__entry->status = status;
	),
	TP_printk("smartssd%d cu=%u job=%llu cmd=%u ns=%llu status=%d", __entry->card, __entry->cu,
		  __entry->job, __entry->cmd, __entry->ns, __entry->status)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
