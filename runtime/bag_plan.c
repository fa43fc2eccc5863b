// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rows to blocks. Lookups are sorted by row (radix sort, so the time is linear), which brings out what is wanted twice and which
 * rows share or touch blocks; each lookup then learns where its row will be.
 */
#include "bag_plan.h"

int bag_check_offsets(const int64_t *offsets, uint64_t bags, uint64_t lookups, struct smartssd_error *err)
{
	if (offsets[0] != 0)
		return smartssd_fail(err, -EINVAL, "offsets[0] is %lld, it must be 0", (long long)offsets[0]);
	for (uint64_t b = 0; b < bags; b++)
		if (offsets[b + 1] < offsets[b])
			return smartssd_fail(err, -EINVAL,
					     "offsets[%llu] is %lld, less than offsets[%llu], %lld: offsets must not decrease",
					     (unsigned long long)b + 1, (long long)offsets[b + 1], (unsigned long long)b,
					     (long long)offsets[b]);
	if ((uint64_t)offsets[bags] != lookups)
		return smartssd_fail(err, -EINVAL,
				     "offsets[%llu], the last, is %lld; it must be the number of indices, %llu (bags + 1 offsets are "
				     "needed, PyTorch's include_last_offset)",
				     (unsigned long long)bags, (long long)offsets[bags],
				     (unsigned long long)lookups);
	return 0;
}

#define DIGIT_BITS 11
#define DIGITS	   (1u << DIGIT_BITS)

static int make_room(struct bag_gather *g, uint64_t nr)
{
	if (nr <= g->pairs_room)
		return 0;
	bag_gather_free(g);
	g->pairs = malloc(nr * sizeof(*g->pairs));
	g->other = malloc(nr * sizeof(*g->other));
	g->position = malloc(nr * sizeof(*g->position));
	if (!g->pairs || !g->other || !g->position)
		return -ENOMEM;
	g->pairs_room = nr;
	return 0;
}

void bag_gather_free(struct bag_gather *g)
{
	free(g->ext);
	free(g->position);
	free(g->pairs);
	free(g->other);
	*g = (struct bag_gather){ 0 };
}

static void sort_pairs(struct bag_gather *g, uint64_t nr, uint64_t rows)
{
	for (uint32_t shift = 0; shift < 64 && (rows - 1) >> shift; shift += DIGIT_BITS) {
		uint64_t count[DIGITS] = { 0 }, sum = 0;
		struct bag_pair *swap;

		for (uint64_t i = 0; i < nr; i++)
			count[g->pairs[i].row >> shift & (DIGITS - 1)]++;
		for (uint32_t d = 0; d < DIGITS; d++) {
			uint64_t n = count[d];

			count[d] = sum;
			sum += n;
		}
		for (uint64_t i = 0; i < nr; i++)
			g->other[count[g->pairs[i].row >> shift & (DIGITS - 1)]++] = g->pairs[i];
		swap = g->pairs;
		g->pairs = g->other;
		g->other = swap;
	}
}

static int start_extent(struct bag_gather *g, uint64_t file_offset, uint64_t bytes)
{
	int ret = smartssd_grow(&g->ext, &g->room, g->nr + 1ull, 1024, sizeof(*g->ext));

	if (ret)
		return ret;
	g->ext[g->nr++] = (struct smartssd_extent){ file_offset, g->bytes, bytes };
	g->bytes += bytes;
	return 0;
}

int bag_gather(const struct bag_table *t, const int64_t *indices, uint64_t nr, struct bag_gather *g)
{
	struct smartssd_extent *last;
	int ret = make_room(g, nr);

	g->nr = 0;
	g->bytes = 0;
	if (ret || !nr)
		return ret;
	for (uint64_t i = 0; i < nr; i++)
		g->pairs[i] = (struct bag_pair){ (uint64_t)indices[i], i };
	sort_pairs(g, nr, t->rows);
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t at = t->offset + g->pairs[i].row * t->row_bytes;
		uint64_t start = align_down(at, t->align), end = align_up(at + t->row_bytes, t->align), position;

		last = g->nr ? &g->ext[g->nr - 1] : NULL;
		if (!last || start > last->file_offset + last->bytes) {
			ret = start_extent(g, start, end - start);
			if (ret)
				return ret;
			last = &g->ext[g->nr - 1];
		} else if (end > last->file_offset + last->bytes) {
			g->bytes += end - (last->file_offset + last->bytes);
			last->bytes = end - last->file_offset;
		}
		position = last->bo_offset + (at - last->file_offset);
		if (position >= UINT32_MAX)
			return -EOVERFLOW;
		g->position[g->pairs[i].at] = (uint32_t)position;
	}
	return 0;
}

uint64_t bag_row_span(const struct bag_table *t)
{
	return t->align == 1 ? t->row_bytes : align_up((uint64_t)t->row_bytes + t->align - 1, t->align);
}

uint64_t bag_tile_bytes(const struct bag_limits *limits, uint64_t lookups, uint64_t bags)
{
	return lookups * limits->lookup_bytes + bags * limits->bag_bytes;
}

uint64_t bag_tile_end(const struct bag_limits *limits, const int64_t *offsets, uint64_t bag, uint64_t bags)
{
	uint64_t end = bag + 1;

	while (end < bags && end - bag < limits->bags) {
		uint64_t lookups = (uint64_t)(offsets[end + 1] - offsets[bag]);

		if (lookups > limits->lookups || bag_tile_bytes(limits, lookups, end + 1 - bag) > limits->bytes)
			break;
		end++;
	}
	return end;
}
