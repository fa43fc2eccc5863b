// SPDX-License-Identifier: BSD-2-Clause
/* What both operators need; op.h has the terms. */
#include <stdio.h>

#include "op.h"

static int compare_spans(const void *a, const void *b)
{
	const struct smartssd_span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Sort and join what overlaps. */
static void join_spans(struct smartssd_spans *s)
{
	uint32_t to = 0;

	if (!s->nr)
		return;
	qsort(s->span, s->nr, sizeof(s->span[0]), compare_spans);
	for (uint32_t i = 1; i < s->nr; i++) {
		if (s->span[i].start <= s->span[to].end)
			s->span[to].end = max_u64(s->span[to].end, s->span[i].end);
		else
			s->span[++to] = s->span[i];
	}
	s->nr = to + 1;
}

int smartssd_spans_add(struct smartssd_spans *s, uint64_t start, uint64_t end)
{
	int ret = 0;

	if (s->nr == s->room) {
		join_spans(s);
		if (s->nr >= s->room / 2)
			ret = smartssd_grow(&s->span, &s->room, s->room + 1ull, 256, sizeof(*s->span));
		if (ret)
			return ret;
	}
	s->span[s->nr++] = (struct smartssd_span){ start, end };
	return 0;
}

double smartssd_spans_seconds(struct smartssd_spans *s)
{
	uint64_t sum = 0;

	join_spans(s);
	for (uint32_t i = 0; i < s->nr; i++)
		sum += s->span[i].end - s->span[i].start;
	return (double)sum * 1e-9;
}

int smartssd_op_begin(struct smartssd_op *op, struct smartssd_device *dev, const struct smartssd_progress *progress,
		      struct smartssd_error *err)
{
	int ret;

	*op = (struct smartssd_op){ .dev = dev, .progress = progress, .err = err, .start_ns = smartssd_now() };
	ret = smartssd_counters(dev, SMARTSSD_COUNT_FILE, &op->before);
	if (ret)
		smartssd_fail(err, ret, "the card does not tell its counters: %s", strerror(-ret));
	return ret;
}

int smartssd_op_end(struct smartssd_op *op, int ret, struct smartssd_report *report)
{
	struct smartssd_counters *now = &op->report.bytes;
	const struct smartssd_counters *before = &op->before;

	if (!ret && report) {
		ret = smartssd_counters(op->dev, SMARTSSD_COUNT_FILE, now);
		if (ret)
			smartssd_fail(op->err, ret, "the card does not tell its counters: %s", strerror(-ret));
		now->ssd_to_card -= before->ssd_to_card;
		now->card_to_ssd -= before->card_to_ssd;
		now->host_to_card -= before->host_to_card;
		now->card_to_host -= before->card_to_host;
		now->bounce_read -= before->bounce_read;
		now->bounce_write -= before->bounce_write;
		now->reads -= before->reads;
		now->writes -= before->writes;
		now->runs -= before->runs;
		now->jobs -= before->jobs;
		now->cu_faults -= before->cu_faults;
		op->report.read_seconds = smartssd_spans_seconds(&op->reads);
		op->report.compute_seconds = smartssd_spans_seconds(&op->runs);
		op->report.seconds = (double)(smartssd_now() - op->start_ns) * 1e-9;
		if (!ret)
			*report = op->report;
	}
	free(op->reads.span);
	free(op->runs.span);
	return ret;
}

int smartssd_op_progress(struct smartssd_op *op, uint64_t done, uint64_t total)
{
	if (op->progress && op->progress->step && op->progress->step(op->progress->ctx, done, total))
		return smartssd_fail(op->err, -ECANCELED, "stopped after %llu of %llu tiles", (unsigned long long)done,
				     (unsigned long long)total);
	return 0;
}

int smartssd_op_submit(struct smartssd_op *op, struct smartssd_op_job *job)
{
	uint32_t nr = smartssd_list_count(job->list), bad;
	int ret;

	if (job->room < nr) {
		free(job->results);
		job->results = malloc(nr * sizeof(*job->results));
		job->room = job->results ? nr : 0;
		if (!job->results)
			return smartssd_fail(op->err, -ENOMEM, "no memory for the results of %u commands", nr);
	}
	ret = smartssd_submit(op->dev, job->list, &job->id, &bad);
	if (ret)
		return smartssd_explain_submit(op->err, job->list, ret, bad);
	job->flying = true;
	op->report.jobs++;
	op->report.commands += nr;
	return 0;
}

/* Note when commands ran and which way data went. */
static int take_results(struct smartssd_op *op, const struct smartssd_op_job *job)
{
	int ret = 0;

	for (uint32_t i = 0; i < job->list->nr_cmds && !ret; i++) {
		const struct smartssd_result *r = &job->results[i];
		uint32_t what = job->list->cmds[i].op;

		if (!r->start_ns || r->end_ns < r->start_ns)
			continue;
		if (what == SMARTSSD_OP_READ) {
			ret = smartssd_spans_add(&op->reads, r->start_ns, r->end_ns);
			if (op->report.peer_reason == SMARTSSD_PEER_OK && !r->status)
				op->report.peer_reason = r->path;
		} else if (what == SMARTSSD_OP_RUN) {
			ret = smartssd_spans_add(&op->runs, r->start_ns, r->end_ns);
		}
	}
	return ret ? smartssd_fail(op->err, ret, "no memory for the times of commands") : 0;
}

int smartssd_op_wait(struct smartssd_op *op, struct smartssd_op_job *job, uint32_t *failed)
{
	struct smartssd_outcome outcome;
	uint32_t first;
	int ret;

	*failed = UINT32_MAX;
	if (!job->flying)
		return 0;
	ret = smartssd_wait(op->dev, job->id, SMARTSSD_DEADLINE_NEVER, &outcome, job->results, job->room);
	job->flying = false;
	if (ret)
		return smartssd_fail(op->err, ret, "waiting for a job failed: %s", strerror(-ret));
	if (outcome.status) {
		first = outcome.first_error;
		*failed = first;
		return smartssd_explain_command(op->err, job->list, outcome.status, first,
						first < job->room ? &job->results[first] : NULL);
	}
	return take_results(op, job);
}

void smartssd_op_job_free(struct smartssd_op *op, struct smartssd_op_job *job)
{
	/* The job may still write into the caller's memory. */
	if (job->flying)
		smartssd_wait(op->dev, job->id, SMARTSSD_DEADLINE_NEVER, NULL, NULL, 0);
	job->flying = false;
	smartssd_list_destroy(job->list);
	free(job->results);
	*job = (struct smartssd_op_job){ 0 };
}

int smartssd_op_source_open(struct smartssd_op *op, const struct smartssd_source *source, const char *name,
			    struct smartssd_op_source *out)
{
	struct smartssd_file file;
	uint64_t end;
	int ret;

	*out = (struct smartssd_op_source){ .align = 1, .data = source->data };
	if (source->fd < 0) {
		if (!source->data)
			return smartssd_fail(op->err, -EINVAL, "%s: neither a file (fd) nor host memory (data)", name);
		return 0;
	}
	ret = smartssd_file_register(op->dev, source->fd, &file);
	if (ret == -EOPNOTSUPP)
		return smartssd_fail(op->err, ret, "%s: the card reads from regular files and block devices only", name);
	if (ret == -EACCES)
		return smartssd_fail(op->err, ret,
				     "%s: its descriptor is O_DIRECT, and the embedded card may not open the file again without; open it "
				     "without O_DIRECT",
				     name);
	if (ret)
		return smartssd_fail(op->err, ret, "%s: its file cannot be registered: %s", name, strerror(-ret));
	if (__builtin_add_overflow(source->array.offset, source->array.bytes, &end) || end > file.bytes) {
		smartssd_file_unregister(op->dev, file.file);
		return smartssd_fail(op->err, -EINVAL,
				     "%s: its file has %llu bytes, too few for %llu bytes of elements from offset %llu", name,
				     (unsigned long long)file.bytes, (unsigned long long)source->array.bytes,
				     (unsigned long long)source->array.offset);
	}
	out->file = file.file;
	/* Without a usable block size any will do: then data is bounced anyway. */
	out->align = file.io_align && !(file.io_align & (file.io_align - 1)) ? file.io_align : 512;
	out->data = NULL;
	return 0;
}

void smartssd_op_source_close(struct smartssd_op *op, struct smartssd_op_source *source)
{
	if (source->file)
		smartssd_file_unregister(op->dev, source->file);
	source->file = 0;
}

int smartssd_op_kernel(struct smartssd_op *op, const char *name, const char *const *names, uint32_t nr,
		       struct smartssd_op_kernel *out)
{
	struct smartssd_cu_info cu;
	struct smartssd_arg_info arg;
	uint32_t found = 0, i;
	uint64_t seen = 0;

	*out = (struct smartssd_op_kernel){ .mask = smartssd_find_kernel(op->dev, name), .nr = nr };
	if (!out->mask)
		return smartssd_fail(op->err, -ENOEXEC,
				     "no kernel %s on the card: load an xclbin that has it, such as this project's kernels.xclbin (`smartssd "
				     "xclbin load`)",
				     name);
	out->cus = (uint32_t)__builtin_popcountll(out->mask);
	if (smartssd_cu_info(op->dev, (uint32_t)__builtin_ctzll(out->mask), &cu))
		return smartssd_fail(op->err, -ENOEXEC, "compute unit of kernel %s cannot be queried", name);
	for (uint32_t a = 0; a < cu.nr_args; a++) {
		if (smartssd_arg_info(op->dev, cu.index, a, &arg))
			return smartssd_fail(op->err, -ENOEXEC, "argument %u of kernel %s cannot be queried", a, name);
		if (arg.kind == SMARTSSD_ARG_BOUND)
			continue;
		for (i = 0; i < nr; i++)
			if (!strncmp((const char *)arg.name, names[i], sizeof(arg.name)))
				break;
		if (i == nr || seen >> i & 1)
			return smartssd_fail(op->err, -ENOEXEC,
					     "kernel %s of the loaded xclbin has an argument %.60s that this library does not know: it "
					     "is of another version; load the kernels.xclbin that came with the library",
					     name, (char *)arg.name);
		seen |= 1ull << i;
		out->args[i].index = a;
		found++;
	}
	for (i = 0; i < nr && found < nr; i++)
		if (!(seen >> i & 1))
			return smartssd_fail(op->err, -ENOEXEC,
					     "kernel %s of the loaded xclbin has no argument %s: it is of another version; load the "
					     "kernels.xclbin that came with the library",
					     name, names[i]);
	return 0;
}

int smartssd_op_bo(struct smartssd_op *op, uint64_t bytes, const char *what, struct smartssd_bo *out)
{
	int ret = smartssd_bo_create(op->dev, bytes, out);

	if (ret)
		out->bo = 0;
	if (ret == -ENOMEM)
		return smartssd_fail(
			op->err, ret,
			"no %llu bytes of card memory in one piece for %s: free BOs, or use a card with more (emu:ddr=...)",
			(unsigned long long)bytes, what);
	if (ret)
		return smartssd_fail(op->err, ret, "card memory for %s (%llu bytes): %s", what, (unsigned long long)bytes,
				     strerror(-ret));
	return 0;
}

int smartssd_op_check_flags(struct smartssd_error *err, uint32_t io_flags)
{
	if (io_flags & ~(SMARTSSD_CMD_PEER_REQUIRE | SMARTSSD_CMD_PEER_OFF))
		return smartssd_fail(err, -EINVAL, "io_flags 0x%x: only SMARTSSD_CMD_PEER_REQUIRE or SMARTSSD_CMD_PEER_OFF",
				     io_flags);
	if (io_flags == (SMARTSSD_CMD_PEER_REQUIRE | SMARTSSD_CMD_PEER_OFF))
		return smartssd_fail(err, -EINVAL, "io_flags: a peer path cannot be required and switched off at once");
	return 0;
}
