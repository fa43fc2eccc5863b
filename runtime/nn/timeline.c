// SPDX-License-Identifier: BSD-2-Clause
/*
 * Trace events for Perfetto and chrome://tracing: complete events ("X") with times in microseconds since the run began; a process for each card, in it
 * threads for reads, copies, the host's layers and each compute unit. What overlaps within one of these, such as the reads of both slots, is given
 * further threads, because events of one thread must not overlap.
 */
#include <stdio.h>

#include "../whole.h"
#include "exec.h"

static int compare_events(const void *a, const void *b)
{
	const struct exec_event *x = a, *y = b;

	if (x->card != y->card)
		return x->card < y->card ? -1 : 1;
	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* A JSON string: what is not printable ASCII or well-formed beyond it (names from a model may be anything) becomes '?'. */
static void put_string(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else
			fputc(c < 0x20 || c >= 0x7f ? '?' : c, f);
	}
	fputc('"', f);
}

static void put_metadata(FILE *f, const char *kind, uint32_t pid, uint32_t tid, const char *name)
{
	fprintf(f, "{\"ph\": \"M\", \"name\": \"%s\", \"pid\": %u, \"tid\": %u, \"args\": {\"name\": ", kind, pid, tid);
	put_string(f, name);
	fputs("}},\n", f);
}

static void thread_name(const struct exec_card *card, uint32_t thread, uint32_t lane, char *out, size_t room)
{
	static const char *const names[] = { "reads SSD -> card", "copies", "host" };
	struct smartssd_cu_info cu;
	char more[16] = "";

	if (lane)
		snprintf(more, sizeof(more), " (%u)", lane + 1);
	if (thread < EXEC_TRACK_CU)
		snprintf(out, room, "%s%s", names[thread], more);
	else if (!smartssd_cu_info(card->dev, thread - EXEC_TRACK_CU, &cu))
		snprintf(out, room, "CU %u: %.63s%s", thread - EXEC_TRACK_CU, (const char *)cu.name, more);
	else
		snprintf(out, room, "CU %u%s", thread - EXEC_TRACK_CU, more);
}

static void put_event(FILE *f, const struct smartssd_session *s, const struct exec_event *e, uint32_t tid)
{
	static const char *const kinds[] = { "read", "copy", "host", "run" };
	uint32_t kind = e->thread < EXEC_TRACK_CU ? e->thread : 3;

	fprintf(f, "{\"ph\": \"X\", \"cat\": \"%s\", \"name\": ", kinds[kind]);
	if (e->layer != NN_NOWHERE)
		put_string(f, s->program->layers[e->layer].name);
	else
		fprintf(f, "\"%s\"", kinds[kind]);
	fprintf(f, ", \"pid\": %u, \"tid\": %u, \"ts\": %.3f, \"dur\": %.3f, \"args\": {\"first_image\": %llu, \"images\": %u", e->card + 1u, tid,
		e->start > s->start_ns ? (double)(e->start - s->start_ns) / 1e3 : 0, (double)(e->end - e->start) / 1e3,
		(unsigned long long)e->image, e->images);
	if (e->layer != NN_NOWHERE)
		fprintf(f, ", \"layer\": %u", e->layer);
	else
		fprintf(f, ", \"bytes\": %llu", (unsigned long long)e->bytes);
	fputs("}},\n", f);
}

/* Events of one card and thread, in order of their starts. */
static int put_track(FILE *f, const struct smartssd_session *s, const struct exec_event *e, uint64_t nr)
{
	const struct exec_card *card = &s->cards[e->card];
	uint64_t *busy = NULL; /* until when each lane is */
	uint32_t lanes = 0, room = 0, lane;
	char name[128];

	for (uint64_t i = 0; i < nr; i++) {
		for (lane = 0; lane < lanes && busy[lane] > e[i].start; lane++)
			;
		if (lane == lanes) {
			if (smartssd_grow(&busy, &room, lanes + 1ull, 4, sizeof(*busy))) {
				free(busy);
				return -ENOMEM;
			}
			lanes++;
			thread_name(card, e->thread, lane, name, sizeof(name));
			put_metadata(f, "thread_name", e->card + 1u, e->thread * 256u + lane + 1, name);
		}
		busy[lane] = e[i].end;
		put_event(f, s, &e[i], e->thread * 256u + lane + 1);
	}
	free(busy);
	return 0;
}

static int put_all(FILE *f, const struct smartssd_session *s, const struct exec_event *events, uint64_t nr)
{
	uint64_t next;
	char name[256];
	int ret = 0;

	fputs("[\n", f);
	for (uint32_t c = 0; c < s->nr_cards; c++) {
		snprintf(name, sizeof(name), "card %u (%.200s)", c, smartssd_uri(s->cards[c].dev));
		put_metadata(f, "process_name", c + 1, 0, name);
	}
	for (uint64_t i = 0; i < nr && !ret; i = next) {
		for (next = i; next < nr && events[next].card == events[i].card && events[next].thread == events[i].thread; next++)
			;
		ret = put_track(f, s, events + i, next - i);
	}
	/* The last one has no comma behind it. */
	fprintf(f, "{\"ph\": \"M\", \"name\": \"trace\", \"pid\": 0, \"tid\": 0, \"args\": {\"model\": ");
	put_string(f, s->program->name);
	fputs("}}\n]\n", f);
	return ret;
}

int smartssd_session_timeline(struct smartssd_session *s, const char *path, struct smartssd_error *err)
{
	struct exec_event *all;
	struct smartssd_whole w;
	uint64_t nr = 0;
	char *text = NULL;
	size_t bytes = 0;
	FILE *f;
	int ret;

	if (!s->options.timeline)
		return smartssd_fail(err, -EINVAL, "%s: this session keeps no timeline (smartssd_session_options.timeline)", path);
	for (uint32_t i = 0; i < s->nr_workers; i++)
		nr += s->workers[i].nr_events;
	all = malloc((nr + 1) * sizeof(*all));
	f = all ? open_memstream(&text, &bytes) : NULL;
	if (!f) {
		free(all);
		return exec_no_memory(err, "the timeline");
	}
	nr = 0;
	for (uint32_t i = 0; i < s->nr_workers; i++) {
		if (s->workers[i].nr_events)
			memcpy(all + nr, s->workers[i].events, s->workers[i].nr_events * sizeof(*all));
		nr += s->workers[i].nr_events;
	}
	qsort(all, nr, sizeof(*all), compare_events);
	ret = put_all(f, s, all, nr);
	if (fclose(f) && !ret)
		ret = -ENOMEM;
	free(all);
	if (ret) {
		free(text);
		return exec_no_memory(err, "the timeline");
	}
	ret = smartssd_whole_begin(&w, path, err);
	if (!ret) {
		ret = smartssd_whole_end(&w, smartssd_whole_write(&w, text, bytes));
		if (ret)
			smartssd_fail(err, ret, "%s: the timeline cannot be written: %s", path, strerror(-ret));
	}
	free(text);
	return ret;
}
