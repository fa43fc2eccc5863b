// SPDX-License-Identifier: BSD-2-Clause
/*
 * embedding_bag for the emulated card: same prototype, checks and status as the HLS kernel, and a result within the same
 * bound. This file: checks, the loop over bags, and a portable pooling loop. embedding_bag_avx2.c has the fast one.
 */
#include "embedding_bag_fast.h"
#include "../simd.h"

#define CHUNK 64 /* elements that are summed at a time */

static float float_of_half(uint16_t half)
{
	uint32_t bits = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
	float value;

	if (exponent == 0) {
		value = (float)fraction * 0x1p-24f;
		return bits ? -value : value;
	}
	bits |= exponent == 31 ? 0x7f800000u | (fraction ? 0x400000u : 0) : (exponent + 112) << 23;
	bits |= fraction << 13;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* sum[0 .. n) += weight * elements [d, d + n) of the row */
static void add_row(const struct embedding_bag_job *job, const uint8_t *row, uint32_t d, uint32_t n, float weight,
		    float *sum)
{
	float scale, bias, value;
	uint16_t half;

	switch (job->format) {
	case EMB_FP32:
		for (uint32_t i = 0; i < n; i++) {
			memcpy(&value, row + (d + i) * 4, 4);
			sum[i] += weight * value;
		}
		break;
	case EMB_FP16:
		for (uint32_t i = 0; i < n; i++) {
			memcpy(&half, row + (d + i) * 2, 2);
			sum[i] += weight * float_of_half(half);
		}
		break;
	case EMB_INT4:
		memcpy(&half, row + (job->dim + 1) / 2, 2);
		scale = float_of_half(half);
		memcpy(&half, row + (job->dim + 1) / 2 + 2, 2);
		bias = float_of_half(half);
		for (uint32_t i = 0; i < n; i++)
			sum[i] += weight * ((float)(row[(d + i) / 2] >> ((d + i) % 2 * 4) & 15) * scale + bias);
		break;
	default:
		memcpy(&scale, row + job->dim, 4);
		memcpy(&bias, row + job->dim + 4, 4);
		for (uint32_t i = 0; i < n; i++)
			sum[i] += weight * ((float)row[d + i] * scale + bias);
	}
}

static uint32_t pool_portable(const struct embedding_bag_job *job, uint32_t begin, uint32_t end, float divide, float *out,
			      uint32_t *bad)
{
	for (uint32_t d = 0; d < job->dim; d += CHUNK) {
		uint32_t n = job->dim - d < CHUNK ? job->dim - d : CHUNK;
		float sum[CHUNK] = { 0 };

		for (uint32_t i = begin; i < end; i++) {
			uint32_t row = LOAD_ONCE(job->index[i]);

			if (row >= job->good) {
				*bad = row;
				return i;
			}
			add_row(job, job->table + (uint64_t)row * job->row_pitch, d, n, job->weight ? job->weight[i] : 1.0f,
				sum);
		}
		for (uint32_t i = 0; i < n; i++)
			out[d + i] = sum[i] / divide;
	}
	return end;
}

/* First index that does not exist, or whose row would leave the table. */
static uint32_t first_bad(uint32_t rows, uint32_t row_pitch, uint32_t row_bytes, uint64_t table_bytes)
{
	uint64_t fit;

	if (row_bytes > table_bytes)
		return 0;
	if (row_pitch == 0)
		return rows;
	fit = (table_bytes - row_bytes) / row_pitch + 1;
	return fit < rows ? (uint32_t)fit : rows;
}

struct stop {
	uint32_t code, detail, value;
};

static void check_offsets(const uint32_t *offset, uint32_t bags, uint32_t lookups, struct stop *stop)
{
	for (uint32_t b = 0; b < bags; b++) {
		if (offset[b + 1] < offset[b]) {
			*stop = (struct stop){ KERNEL_BAD_SHAPE, EMB_CHECK_OFFSETS, b };
			return;
		}
	}
	if (offset[bags] - offset[0] != lookups)
		*stop = (struct stop){ KERNEL_BAD_SHAPE, EMB_CHECK_LOOKUPS, 0 };
}

void embedding_bag(const uint8_t *table, uint64_t table_bytes, const uint32_t *index, uint64_t index_bytes,
		   const uint32_t *offset, uint64_t offset_bytes, const float *weight, uint64_t weight_bytes, float *y,
		   uint64_t y_bytes, uint32_t *status, uint64_t status_bytes, uint32_t format, uint32_t dim,
		   uint32_t row_pitch, uint32_t rows, uint32_t bags, uint32_t lookups, uint32_t mode, uint32_t flags)
{
	struct stop stop = { KERNEL_OK, 0, 0 };
	embedding_bag_pool *pool = pool_portable;
	struct embedding_bag_job job;
	uint32_t begin = 0, origin;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	stop.code = embedding_bag_check(index_bytes, offset_bytes, weight_bytes, y_bytes, format, dim, bags, lookups, mode,
					flags, &stop.detail);
	if (stop.code == KERNEL_OK)
		check_offsets(offset, bags, lookups, &stop);
	if (stop.code != KERNEL_OK)
		goto report;
#if defined(__x86_64__)
	if (simd_avx2())
		pool = embedding_bag_pool_avx2;
#endif
	job = (struct embedding_bag_job){ .table = table,
					  .index = index,
					  .weight = flags & EMB_WEIGHTED ? weight : NULL,
					  .lookups = lookups,
					  .format = format,
					  .dim = dim,
					  .row_pitch = row_pitch,
					  .row_bytes = embedding_bag_row_bytes(format, dim) };
	job.good = first_bad(rows, row_pitch, job.row_bytes, table_bytes);
	origin = LOAD_ONCE(offset[0]);
	for (uint32_t b = 0; b < bags; b++) {
		/* Checked above, but the buffer may have changed since. */
		uint32_t end = LOAD_ONCE(offset[b + 1]) - origin, at, bad = 0;

		if (end < begin || end > lookups) {
			stop = (struct stop){ KERNEL_BAD_SHAPE, EMB_CHECK_OFFSETS, b };
			break;
		}
		at = pool(&job, begin, end, mode == EMB_MEAN && end > begin ? (float)(end - begin) : 1.0f,
			  y + (uint64_t)b * dim, &bad);
		if (at != end) {
			stop.code = embedding_bag_check_row(bad, rows, row_pitch, job.row_bytes, table_bytes);
			stop.detail = stop.code == KERNEL_BAD_INDEX ? at : EMB_BUFFER_TABLE;
			stop.value = stop.code == KERNEL_BAD_INDEX ? bad : at;
			break;
		}
		begin = end;
	}
report:
	status[1] = stop.detail;
	status[2] = stop.value;
	status[3] = 0;
	status[0] = stop.code;
}
