// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "reference.h"

uint64_t ref_row_bytes(uint32_t format, uint32_t dim)
{
	switch (format) {
	case REF_FP32:
		return (uint64_t)dim * 4;
	case REF_FP16:
		return (uint64_t)dim * 2;
	case REF_INT4:
		return ((uint64_t)dim + 1) / 2 + 4;
	default:
		return (uint64_t)dim + 8;
	}
}

static double absolute(double v)
{
	return v < 0 ? -v : v;
}

double ref_row_element(uint32_t format, uint32_t dim, const void *row, uint32_t d, double *magnitude)
{
	const uint8_t *bytes = row;
	float value, scale, bias;
	uint16_t half;

	switch (format) {
	case REF_FP32:
		memcpy(&value, bytes + (uint64_t)d * 4, 4);
		break;
	case REF_FP16:
		memcpy(&half, bytes + (uint64_t)d * 2, 2);
		value = mac_half_to_float(half);
		break;
	case REF_INT4:
		memcpy(&half, bytes + (dim + 1) / 2, 2);
		scale = mac_half_to_float(half);
		memcpy(&half, bytes + (dim + 1) / 2 + 2, 2);
		bias = mac_half_to_float(half);
		*magnitude = (bytes[d / 2] >> (d % 2 * 4) & 15) * absolute(scale) + absolute(bias);
		return (double)(bytes[d / 2] >> (d % 2 * 4) & 15) * scale + bias;
	default:
		memcpy(&scale, bytes + dim, 4);
		memcpy(&bias, bytes + dim + 4, 4);
		*magnitude = bytes[d] * absolute(scale) + absolute(bias);
		return (double)bytes[d] * scale + bias;
	}
	*magnitude = absolute(value);
	return value;
}

int64_t ref_embedding_bag(const struct ref_embedding_bag *op, double *y, double *bound)
{
	const double unit = 1.0 / 16777216.0; /* 2^-24: half an ulp of 1 in IEEE single */

	for (uint64_t b = 0; b < op->bags; b++) {
		int64_t begin = op->offsets[b], end = op->offsets[b + 1];
		double count = (double)(end - begin);
		double roundings = count + (op->format == REF_INT8 || op->format == REF_INT4 ? 4 : 2);

		for (int64_t i = begin; i < end; i++)
			if (op->indices[i] < 0 || (uint64_t)op->indices[i] >= op->rows)
				return i;
		for (uint32_t d = 0; d < op->dim; d++) {
			double sum = 0, magnitudes = 0;

			for (int64_t i = begin; i < end; i++) {
				const uint8_t *row = (const uint8_t *)op->table + (uint64_t)op->indices[i] * op->row_pitch;
				double weight = op->per_sample_weights ? op->per_sample_weights[i] : 1.0, magnitude;

				sum += weight * ref_row_element(op->format, op->dim, row, d, &magnitude);
				magnitudes += absolute(weight) * magnitude;
			}
			if (op->mean && end > begin) {
				sum /= count;
				magnitudes /= count;
			}
			y[b * op->dim + d] = sum;
			if (bound)
				bound[b * op->dim + d] = roundings * unit * magnitudes;
		}
	}
	return -1;
}
