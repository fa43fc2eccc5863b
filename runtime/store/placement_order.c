// SPDX-License-Identifier: BSD-2-Clause
/* Rows by falling count: a radix sort, 16 bits at a time, as far as there are counts. Stable, so that equal ones stay in the order of their numbers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "placement.h"

#define DIGIT 65536

int placement_hottest(const uint64_t *row_counts, uint64_t rows, uint64_t *order)
{
	uint64_t *other, *start, largest = 0, *from = order, *to;

	for (uint64_t r = 0; r < rows; r++) {
		order[r] = r;
		if (row_counts && row_counts[r] > largest)
			largest = row_counts[r];
	}
	if (!largest)
		return 0;
	other = rows > SIZE_MAX / sizeof(*other) ? NULL : malloc(rows * sizeof(*other));
	start = malloc((DIGIT + 1) * sizeof(*start));
	if (!other || !start) {
		free(other);
		free(start);
		return -ENOMEM;
	}
	to = other;
	for (int shift = 0; shift < 64 && largest >> shift; shift += 16) {
		uint64_t *swap = from;

		memset(start, 0, (DIGIT + 1) * sizeof(*start));
		/* Falling: the largest digit comes first. */
		for (uint64_t i = 0; i < rows; i++)
			start[DIGIT - (row_counts[from[i]] >> shift & (DIGIT - 1))]++;
		for (uint32_t d = 1; d <= DIGIT; d++)
			start[d] += start[d - 1];
		for (uint64_t i = 0; i < rows; i++)
			to[start[DIGIT - 1 - (row_counts[from[i]] >> shift & (DIGIT - 1))]++] = from[i];
		from = to;
		to = swap;
	}
	if (from != order)
		memcpy(order, from, rows * sizeof(*order));
	free(other);
	free(start);
	return 0;
}
