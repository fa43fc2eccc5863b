// SPDX-License-Identifier: BSD-2-Clause
/*
 * embedding_bag, the HLS source. embedding_bag.h says what it computes, embedding_bag_check.h what it refuses.
 *
 *   load  offset -> offset_buf
 *   for each bag:
 *     sum = 0
 *     for each of its rows:
 *       load     index (in bursts of INDEX_BURST), weight; row bytes -> row_buf
 *       compute  sum[d] += weight * element(row_buf, d)
 *     store  sum (mean: divided by the number of rows) -> y
 *
 * Sizes in bytes; indices, offsets and weights in words. One element per clock in compute.
 */
#include "embedding_bag_check.h"

#define INDEX_BURST 64u

static uint32_t offset_buf[EMB_MAX_BAGS + 1];
static uint32_t index_buf[INDEX_BURST];
static float weight_buf[INDEX_BURST];
static uint8_t row_buf[EMB_ROW_BYTES];
static float sum[EMB_MAX_DIM];

/* Where and why a run stopped. */
struct stop {
	uint32_t code, detail, value;
};

static inline float float_of_bits(uint32_t bits)
{
	union {
		uint32_t i;
		float f;
	} u;

	u.i = bits;
	return u.f;
}

static inline float float_of_half(uint32_t half)
{
	uint32_t sign = (half >> 15) << 31, exponent = half >> 10 & 31, fraction = half & 1023;

	if (exponent == 31)
		return float_of_bits(sign | 0x7f800000u | fraction << 13 | (fraction ? 0x400000u : 0));
	if (exponent == 0) /* a subnormal is fraction * 2^-24; the product is exact, the sign put back after it */
		return sign ? -((float)fraction * 5.9604644775390625e-8f) : (float)fraction * 5.9604644775390625e-8f;
	return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static inline uint32_t word_at(uint32_t at)
{
	return row_buf[at] | (uint32_t)row_buf[at + 1] << 8 | (uint32_t)row_buf[at + 2] << 16 | (uint32_t)row_buf[at + 3] << 24;
}

/* Offsets must not decrease and must span the lookups. */
static void load_offset(const uint32_t *offset, uint32_t bags, uint32_t lookups, struct stop *stop)
{
	uint32_t previous = 0;

LOAD_OFFSET:
	for (uint32_t b = 0; b <= bags; b++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=2 max=4097
#pragma HLS PIPELINE II=1
#endif
		uint32_t value = offset[b];

		if (b > 0 && value < previous && stop->code == KERNEL_OK) {
			stop->code = KERNEL_BAD_SHAPE;
			stop->detail = EMB_CHECK_OFFSETS;
			stop->value = b - 1;
		}
		offset_buf[b] = value;
		previous = value;
	}
	if (stop->code == KERNEL_OK && offset_buf[bags] - offset_buf[0] != lookups) {
		stop->code = KERNEL_BAD_SHAPE;
		stop->detail = EMB_CHECK_LOOKUPS;
		stop->value = 0;
	}
}

static void load_index(const uint32_t *index, const float *weight, uint32_t from, uint32_t count, uint32_t weighted)
{
LOAD_INDEX:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=64
#pragma HLS PIPELINE II=1
#endif
		index_buf[i] = index[from + i];
	}
	if (!weighted)
		return;
LOAD_WEIGHT:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=64
#pragma HLS PIPELINE II=1
#endif
		weight_buf[i] = weight[from + i];
	}
}

static void load_row(const uint8_t *table, uint64_t from, uint32_t bytes)
{
LOAD_ROW:
	for (uint32_t i = 0; i < bytes; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=40 max=16384
#pragma HLS PIPELINE II=1
#endif
		row_buf[i] = table[from + i];
	}
}

static void clear_sum(uint32_t dim)
{
CLEAR_SUM:
	for (uint32_t d = 0; d < dim; d++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=32 max=4096
#pragma HLS PIPELINE II=1
#endif
		sum[d] = 0.0f;
	}
}

/* Each element of sum once per row, so that the loop can be pipelined. */
static void add_row(uint32_t format, uint32_t dim, uint32_t weighted, float weight)
{
	float scale = 0.0f, bias = 0.0f;

	if (format == EMB_INT8) {
		scale = float_of_bits(word_at(dim));
		bias = float_of_bits(word_at(dim + 4));
	} else if (format == EMB_INT4) {
		uint32_t pair = word_at((dim + 1) / 2);

		scale = float_of_half(pair & 0xffff);
		bias = float_of_half(pair >> 16);
	}

ADD_ROW:
	for (uint32_t d = 0; d < dim; d++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=32 max=4096
#pragma HLS PIPELINE II=1
#pragma HLS DEPENDENCE variable=sum inter false
#endif
		float value;

		if (format == EMB_FP32)
			value = float_of_bits(word_at(d * 4));
		else if (format == EMB_FP16)
			value = float_of_half(row_buf[d * 2] | (uint32_t)row_buf[d * 2 + 1] << 8);
		else if (format == EMB_INT4)
			value = (float)(row_buf[d / 2] >> (d % 2 * 4) & 15) * scale + bias;
		else
			value = (float)row_buf[d] * scale + bias;
		sum[d] += weighted ? weight * value : value;
	}
}

static void store_bag(float *y, uint64_t to, uint32_t dim, uint32_t divide, float count)
{
STORE_BAG:
	for (uint32_t d = 0; d < dim; d++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=32 max=4096
#pragma HLS PIPELINE II=1
#endif
		y[to + d] = divide ? sum[d] / count : sum[d];
	}
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=table offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=index offset=direct bundle=gmem1
#pragma HLS interface mode=m_axi port=offset offset=direct bundle=gmem2
#pragma HLS interface mode=m_axi port=weight offset=direct bundle=gmem3
#pragma HLS interface mode=m_axi port=y offset=direct bundle=gmem4
#pragma HLS interface mode=m_axi port=status offset=direct bundle=gmem5
#endif
void embedding_bag(const uint8_t *table, uint64_t table_bytes, const uint32_t *index, uint64_t index_bytes,
		   const uint32_t *offset, uint64_t offset_bytes, const float *weight, uint64_t weight_bytes,
		   float *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
		   uint32_t format, uint32_t dim, uint32_t row_pitch, uint32_t rows, uint32_t bags, uint32_t lookups,
		   uint32_t mode, uint32_t flags)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=table offset=slave bundle=gmem0
#pragma HLS INTERFACE m_axi port=index offset=slave bundle=gmem1
#pragma HLS INTERFACE m_axi port=offset offset=slave bundle=gmem2
#pragma HLS INTERFACE m_axi port=weight offset=slave bundle=gmem3
#pragma HLS INTERFACE m_axi port=y offset=slave bundle=gmem4
#pragma HLS INTERFACE m_axi port=status offset=slave bundle=gmem5
#pragma HLS INTERFACE s_axilite port=table
#pragma HLS INTERFACE s_axilite port=table_bytes
#pragma HLS INTERFACE s_axilite port=index
#pragma HLS INTERFACE s_axilite port=index_bytes
#pragma HLS INTERFACE s_axilite port=offset
#pragma HLS INTERFACE s_axilite port=offset_bytes
#pragma HLS INTERFACE s_axilite port=weight
#pragma HLS INTERFACE s_axilite port=weight_bytes
#pragma HLS INTERFACE s_axilite port=y
#pragma HLS INTERFACE s_axilite port=y_bytes
#pragma HLS INTERFACE s_axilite port=status
#pragma HLS INTERFACE s_axilite port=status_bytes
#pragma HLS INTERFACE s_axilite port=format
#pragma HLS INTERFACE s_axilite port=dim
#pragma HLS INTERFACE s_axilite port=row_pitch
#pragma HLS INTERFACE s_axilite port=rows
#pragma HLS INTERFACE s_axilite port=bags
#pragma HLS INTERFACE s_axilite port=lookups
#pragma HLS INTERFACE s_axilite port=mode
#pragma HLS INTERFACE s_axilite port=flags
#pragma HLS INTERFACE s_axilite port=return
#pragma HLS BIND_STORAGE variable=offset_buf type=ram_2p impl=bram
#pragma HLS ARRAY_PARTITION variable=row_buf type=cyclic factor=4
#endif
	uint32_t weighted = flags & EMB_WEIGHTED;
	uint32_t row_bytes, bag = 0, loaded = 0, burst = 0, at = 0;
	uint64_t to = 0;
	struct stop stop = { KERNEL_OK, 0, 0 };

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	stop.code = embedding_bag_check(index_bytes, offset_bytes, weight_bytes, y_bytes, format, dim, bags, lookups, mode, flags,
					&stop.detail);
	if (stop.code == KERNEL_OK)
		load_offset(offset, bags, lookups, &stop);
	row_bytes = embedding_bag_row_bytes(format, dim);

BAGS:
	while (bag < bags && stop.code == KERNEL_OK) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=4096
#endif
		uint32_t end = offset_buf[bag + 1] - offset_buf[0], count = end - at;

		clear_sum(dim);
ROWS:
		while (at < end && stop.code == KERNEL_OK) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=120
#endif
			uint32_t row;

			if (at == loaded) {
				burst = lookups - at < INDEX_BURST ? lookups - at : INDEX_BURST;
				load_index(index, weight, at, burst, weighted);
				loaded = at + burst;
			}
			row = index_buf[burst - (loaded - at)];
			stop.code = embedding_bag_check_row(row, rows, row_pitch, row_bytes, table_bytes);
			if (stop.code == KERNEL_OK) {
				load_row(table, (uint64_t)row * row_pitch, row_bytes);
				add_row(format, dim, weighted, weight_buf[burst - (loaded - at)]);
				at++;
			} else if (stop.code == KERNEL_BAD_INDEX) {
				stop.detail = at;
				stop.value = row;
			} else {
				stop.detail = EMB_BUFFER_TABLE;
				stop.value = at;
			}
		}
		if (stop.code == KERNEL_OK) {
			store_bag(y, to, dim, mode == EMB_MEAN && count > 0, (float)count);
			to += dim;
			bag++;
		}
	}
	status[1] = stop.detail;
	status[2] = stop.value;
	status[3] = 0;
	status[0] = stop.code;
}
