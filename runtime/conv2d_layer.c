// SPDX-License-Identifier: BSD-2-Clause
/* Does a convolution layer make sense, and what is its output's shape? Semantics: ONNX QLinearConv. */
#include <math.h>

#include "../kernels/conv2d/conv2d.h"
#include "conv2d_layer.h"

#define MAX_SIZE (1u << 28) /* of one dimension with its padding: coordinates stay within 31 bits */

static int check_array(const struct smartssd_array *a, const char *name, const char *shape, struct smartssd_error *err)
{
	uint64_t bytes = 1;

	if (a->type != SMARTSSD_U1 && a->type != SMARTSSD_I1)
		return smartssd_fail(err, -EINVAL, "%s is %s; a quantised convolution takes uint8 or int8 (u1, i1)", name,
				     smartssd_type_name(a->type));
	if (a->ndim != 4)
		return smartssd_fail(err, -EINVAL, "%s has %u dimensions; it must have 4: %s", name, a->ndim, shape);
	for (int i = 0; i < 4; i++)
		if (a->shape[i] == 0 || a->shape[i] > MAX_SIZE)
			return smartssd_fail(err, -EINVAL, "%s: dimension %d of %s is %llu; 1 to %u can be", name, i, shape,
					     (unsigned long long)a->shape[i], MAX_SIZE);
	for (int i = 0; i < 4; i++)
		if (__builtin_mul_overflow(bytes, a->shape[i], &bytes) || bytes >> 62)
			return smartssd_fail(err, -EINVAL, "%s: the shape's product does not fit 62 bits", name);
	if (a->bytes != bytes)
		return smartssd_fail(err, -EINVAL, "%s: %llu bytes given, its shape has %llu", name, (unsigned long long)a->bytes,
				     (unsigned long long)bytes);
	return 0;
}

static int check_zero(int32_t zero, uint32_t type, const char *name, struct smartssd_error *err)
{
	int32_t low = type == SMARTSSD_I1 ? -128 : 0;

	if (zero < low || zero > low + 255)
		return smartssd_fail(err, -EINVAL, "%s is %d; a zero point of type %s is %d to %d", name, zero,
				     smartssd_type_name(type), low, low + 255);
	return 0;
}

static int check_scale(float scale, const char *name, struct smartssd_error *err)
{
	if (!isfinite(scale) || scale <= 0)
		return smartssd_fail(err, -EINVAL, "%s is %g; a scale is finite and greater than 0", name, (double)scale);
	return 0;
}

static int check_quantisation(const struct smartssd_conv2d *op, uint64_t filters, struct smartssd_error *err)
{
	int32_t low = op->y_type == SMARTSSD_I1 ? -128 : 0;
	int ret;

	if (op->y_type != SMARTSSD_U1 && op->y_type != SMARTSSD_I1)
		return smartssd_fail(err, -EINVAL, "y_type is %u; SMARTSSD_U1 or SMARTSSD_I1 can be", op->y_type);
	if ((ret = check_scale(op->x_scale, "x_scale", err)) || (ret = check_scale(op->y_scale, "y_scale", err)) ||
	    (ret = check_zero(op->x_zero, op->x.array.type, "x_zero", err)) ||
	    (ret = check_zero(op->y_zero, op->y_type, "y_zero", err)))
		return ret;
	if (!op->w_scale || (op->w_scales != 1 && op->w_scales != filters))
		return smartssd_fail(err, -EINVAL, "w_scale has %u entries; 1, or one for each of the %llu filters",
				     op->w_scale ? op->w_scales : 0, (unsigned long long)filters);
	if (!op->w_zero || (op->w_zeros != 1 && op->w_zeros != filters))
		return smartssd_fail(err, -EINVAL, "w_zero has %u entries; 1, or one for each of the %llu filters",
				     op->w_zero ? op->w_zeros : 0, (unsigned long long)filters);
	for (uint32_t i = 0; i < op->w_scales; i++) {
		ret = check_scale(op->w_scale[i], "an entry of w_scale", err);
		if (ret)
			return ret;
		if (!isfinite((op->x_scale * op->w_scale[i]) / op->y_scale))
			return smartssd_fail(err, -EINVAL,
					     "filter %u: x_scale * w_scale / y_scale is not finite in single precision", i);
	}
	for (uint32_t i = 0; i < op->w_zeros; i++) {
		ret = check_zero(op->w_zero[i], op->w.array.type, "an entry of w_zero", err);
		if (ret)
			return ret;
	}
	if (op->clip[0] > op->clip[1] || op->clip[0] < low || op->clip[1] > low + 255)
		return smartssd_fail(err, -EINVAL, "clip is %d..%d; within %d..%d, the range of y's type, and not empty",
				     op->clip[0], op->clip[1], low, low + 255);
	return 0;
}

/* One axis: output size, or 0. */
static uint64_t out_size(uint64_t in, uint64_t pads, uint64_t kernel, uint64_t dilation, uint64_t stride)
{
	uint64_t span = (kernel - 1) * dilation + 1;

	return in + pads < span ? 0 : (in + pads - span) / stride + 1;
}

int conv2d_layer(const struct smartssd_conv2d *op, struct conv2d_layer *l, struct smartssd_error *err)
{
	const uint64_t *x = op->x.array.shape, *w = op->w.array.shape;
	uint64_t terms, out_h, out_w, work;
	int ret;

	*l = (struct conv2d_layer){ .x_align = 1 };
	if ((ret = check_array(&op->x.array, "x", "[N][C][H][W]", err)) ||
	    (ret = check_array(&op->w.array, "w", "[M][C/group][KH][KW]", err)))
		return ret;
	if (op->group == 0 || x[1] % op->group || w[0] % op->group)
		return smartssd_fail(err, -EINVAL, "group %u must divide x's %llu channels and w's %llu filters", op->group,
				     (unsigned long long)x[1], (unsigned long long)w[0]);
	if (w[1] != x[1] / op->group)
		return smartssd_fail(err, -EINVAL, "w has %llu channels per filter; x's %llu channels in %u groups make %llu",
				     (unsigned long long)w[1], (unsigned long long)x[1], op->group,
				     (unsigned long long)(x[1] / op->group));
	for (int i = 0; i < 2; i++) {
		if (op->stride[i] == 0 || op->stride[i] > 65535)
			return smartssd_fail(err, -EINVAL, "stride %u,%u: 1 to 65535 can be", op->stride[0], op->stride[1]);
		if (op->dilation[i] == 0 || op->dilation[i] > 65535)
			return smartssd_fail(err, -EINVAL, "dilation %u,%u: 1 to 65535 can be", op->dilation[0], op->dilation[1]);
	}
	for (int i = 0; i < 4; i++)
		if (op->pad[i] > MAX_SIZE)
			return smartssd_fail(err, -EINVAL, "pad %u,%u,%u,%u: at most %u can be", op->pad[0], op->pad[1],
					     op->pad[2], op->pad[3], MAX_SIZE);
	terms = w[1] * w[2]; /* each at most 2^28 */
	if (terms > CONV2D_MAX_TERMS || terms * w[3] > CONV2D_MAX_TERMS)
		return smartssd_fail(err, -EINVAL,
				     "each output sums %llu x %llu x %llu products; more than %u could overflow the 32-bit accumulator: "
				     "use more groups or a smaller kernel",
				     (unsigned long long)w[1], (unsigned long long)w[2], (unsigned long long)w[3],
				     CONV2D_MAX_TERMS);
	terms *= w[3];
	out_h = out_size(x[2], (uint64_t)op->pad[0] + op->pad[2], w[2], op->dilation[0], op->stride[0]);
	out_w = out_size(x[3], (uint64_t)op->pad[1] + op->pad[3], w[3], op->dilation[1], op->stride[1]);
	if (!out_h || !out_w)
		return smartssd_fail(
			err, -EINVAL,
			"no output: the kernel, %llu x %llu with dilation %u,%u, is larger than the padded image, %llu x %llu",
			(unsigned long long)w[2], (unsigned long long)w[3], op->dilation[0], op->dilation[1],
			(unsigned long long)(x[2] + op->pad[0] + op->pad[2]),
			(unsigned long long)(x[3] + op->pad[1] + op->pad[3]));
	if (out_h > MAX_SIZE || out_w > MAX_SIZE || __builtin_mul_overflow(x[0], w[0], &work) ||
	    __builtin_mul_overflow(work, out_h * out_w, &work) || __builtin_mul_overflow(work, terms, &work) || work >> 62)
		return smartssd_fail(err, -EINVAL, "the layer is too large: its multiplications do not fit 62 bits");
	ret = check_quantisation(op, w[0], err);
	if (ret)
		return ret;
	*l = (struct conv2d_layer){
		.images = (uint32_t)x[0], .channels = (uint32_t)x[1], .in_h = (uint32_t)x[2], .in_w = (uint32_t)x[3],
		.filters = (uint32_t)w[0], .group_filters = (uint32_t)(w[0] / op->group), .group_channels = (uint32_t)w[1],
		.kernel_h = (uint32_t)w[2], .kernel_w = (uint32_t)w[3], .stride_h = op->stride[0], .stride_w = op->stride[1],
		.dilation_h = op->dilation[0], .dilation_w = op->dilation[1], .pad_top = op->pad[0], .pad_left = op->pad[1],
		.out_h = (uint32_t)out_h, .out_w = (uint32_t)out_w, .x_align = 1,
	};
	return 0;
}

int smartssd_conv2d_shape(const struct smartssd_conv2d *op, uint64_t shape[4], struct smartssd_error *err)
{
	struct conv2d_layer layer;
	int ret = conv2d_layer(op, &layer, err);

	if (ret)
		return ret;
	shape[0] = layer.images;
	shape[1] = layer.filters;
	shape[2] = layer.out_h;
	shape[3] = layer.out_w;
	return 0;
}
