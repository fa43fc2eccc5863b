// SPDX-License-Identifier: BSD-2-Clause
/* Input files for the operators, the same each time: mkdata FOLDER */
#include <stdio.h>
#include <stdlib.h>
#include "../../runtime/libsmartssd.h"

static unsigned int seed = 20260101;

static unsigned int random32(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed ^ seed >> 15;
}

static int save(const char *dir, const char *name, uint32_t type, uint32_t ndim, const uint64_t *shape, const void *data)
{
	struct smartssd_array a = { .type = type, .ndim = ndim };
	struct smartssd_error err = { "" };
	char path[512];
	uint32_t i;

	for (i = 0; i < ndim; i++)
		a.shape[i] = shape[i];
	snprintf(path, sizeof(path), "%s/%s.npy", dir, name);
	if (!smartssd_npy_save(path, &a, data, &err))
		return 0;
	fprintf(stderr, "mkdata: %s\n", err.text);
	return 1;
}

int main(int argc, char **argv)
{
	enum { C = 16, H = 40, W = 44, M = 24, ROWS = 20000, DIM = 32, BAGS = 50, LOOKUPS = 1500 };
	static signed char x[C * H * W], w[M * C * 9];
	static float ws[M], table[ROWS * DIM];
	static int bias[M];
	static long long indices[LOOKUPS], offsets[BAGS + 1];
	uint64_t xs[] = { 1, C, H, W }, wsh[] = { M, C, 3, 3 }, m[] = { M }, ts[] = { ROWS, DIM }, is[] = { LOOKUPS }, os[] = { BAGS + 1 };
	const char *dir = argc > 1 ? argv[1] : ".";
	int i;

	for (i = 0; i < C * H * W; i++)
		x[i] = random32();
	for (i = 0; i < M * C * 9; i++)
		w[i] = random32();
	for (i = 0; i < M; i++) {
		ws[i] = 0.001f + (random32() % 1000) * 1e-6f;
		bias[i] = (int)(random32() % 20001) - 10000;
	}
	for (i = 0; i < ROWS * DIM; i++)
		table[i] = (random32() % 2001) / 1000.0f - 1;
	for (i = 0; i < LOOKUPS; i++)
		indices[i] = random32() % ROWS;
	for (i = 1; i <= BAGS; i++)
		offsets[i] = i == BAGS ? LOOKUPS : offsets[i - 1] + random32() % (LOOKUPS / BAGS);
	return save(dir, "x", SMARTSSD_I1, 4, xs, x) | save(dir, "w", SMARTSSD_I1, 4, wsh, w) | save(dir, "ws", SMARTSSD_F4, 1, m, ws) |
	       save(dir, "b", SMARTSSD_I4, 1, m, bias) | save(dir, "t", SMARTSSD_F4, 2, ts, table) |
	       save(dir, "i", SMARTSSD_I8, 1, is, indices) | save(dir, "o", SMARTSSD_I8, 1, os, offsets);
}
