// SPDX-License-Identifier: BSD-2-Clause
/* smartssd conv2d: a quantised convolution on NumPy files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "commands.h"
#include "operator.h"

#define VERB "conv2d"
#define BYTE_TYPES (TYPE_BIT(SMARTSSD_U1) | TYPE_BIT(SMARTSSD_I1))

struct conv2d_args {
	const char *input, *weight, *bias, *x_scale, *x_zero, *w_scale, *w_zero, *y_scale, *y_zero, *output, *device;
	bool as_json, clip_given;
	unsigned p2p, progress;
	uint64_t group;
	struct smartssd_conv2d op;
	float *w_scales;
	int32_t *bias_data, *w_zeros;
};

static int one_scale(const char *option, const char *text, float *out)
{
	float *values;
	uint32_t nr;
	int ret = scales(VERB, option, text, &values, &nr);

	if (ret)
		return ret;
	*out = values[0];
	free(values);
	if (nr == 1)
		return 0;
	complain(VERB, "--%s: %s holds %u elements, but must hold one", option, text, nr);
	return 1;
}

static int one_zero(const char *option, const char *text, uint32_t type, int32_t *out, uint32_t *given)
{
	int32_t *values;
	uint32_t nr;
	int ret = zero_points(VERB, option, text, type, &values, &nr, given);

	if (ret)
		return ret;
	*out = values[0];
	free(values);
	if (nr == 1)
		return 0;
	complain(VERB, "--%s: %s holds %u elements, but must hold one", option, text, nr);
	return 1;
}

static int per_filter(const char *option, const char *text, uint32_t nr, uint64_t filters)
{
	if (nr == 1 || nr == filters)
		return 0;
	complain(VERB, "--%s: %s holds %u elements, but must hold 1 or %llu, one for each filter of --weight", option, text, nr,
		 (unsigned long long)filters);
	return 1;
}

/* Turn files and texts into the operator's arguments. */
static int gather(struct conv2d_args *a)
{
	const struct operator_input files[] = {
		{ "input", a->input }, { "weight", a->weight }, { "bias", a->bias }, { "x-scale", a->x_scale }, { "x-zero-point", a->x_zero },
		{ "w-scale", a->w_scale }, { "w-zero-point", a->w_zero }, { "y-scale", a->y_scale }, { "y-zero-point", a->y_zero },
	};
	struct smartssd_conv2d *op = &a->op;
	uint32_t given;
	uint64_t nr;
	void *data;
	int ret;

	ret = output_is_apart(VERB, a->output, files, sizeof(files) / sizeof(files[0])) ?:
	      array_open(VERB, "input", a->input, BYTE_TYPES, 4, &op->x) ?:
	      array_open(VERB, "weight", a->weight, BYTE_TYPES, 4, &op->w);
	if (ret)
		return ret;
	if (a->bias) {
		if (array_load(VERB, "bias", a->bias, SMARTSSD_I4, &data, &nr))
			return 1;
		op->bias = a->bias_data = data;
		if (nr != op->w.array.shape[0]) {
			complain(VERB, "--bias: %s holds %llu elements, but --weight has %llu filters", a->bias, (unsigned long long)nr,
				 (unsigned long long)op->w.array.shape[0]);
			return 1;
		}
	}
	ret = one_scale("x-scale", a->x_scale, &op->x_scale) ?: one_scale("y-scale", a->y_scale, &op->y_scale) ?:
	      scales(VERB, "w-scale", a->w_scale, &a->w_scales, &op->w_scales) ?:
	      per_filter("w-scale", a->w_scale, op->w_scales, op->w.array.shape[0]) ?:
	      one_zero("x-zero-point", a->x_zero, op->x.array.type, &op->x_zero, &given) ?:
	      zero_points(VERB, "w-zero-point", a->w_zero, op->w.array.type, &a->w_zeros, &op->w_zeros, &given) ?:
	      per_filter("w-zero-point", a->w_zero, op->w_zeros, op->w.array.shape[0]) ?:
	      one_zero("y-zero-point", a->y_zero, 0, &op->y_zero, &given);
	if (ret)
		return ret;
	op->w_scale = a->w_scales;
	op->w_zero = a->w_zeros;
	/* As in QLinearConv, the type of y is that of its zero point; a plain number is one of x's type. */
	op->y_type = given ?: op->x.array.type;
	if (!zero_point_fits(op->y_zero, op->y_type)) {
		complain(VERB, "--y-zero-point: %d is not a value of %s, the type of the input; a .npy with one element of the wanted type "
			       "makes the output of that type", op->y_zero, smartssd_type_name(op->y_type));
		return 2;
	}
	if (!a->clip_given) {
		op->clip[0] = op->y_type == SMARTSSD_I1 ? -128 : 0;
		op->clip[1] = op->y_type == SMARTSSD_I1 ? 127 : 255;
	} else if (!zero_point_fits(op->clip[0], op->y_type) || !zero_point_fits(op->clip[1], op->y_type)) {
		complain(VERB, "--clip: %d,%d are not both values of %s, the type of the output", op->clip[0], op->clip[1],
			 smartssd_type_name(op->y_type));
		return 2;
	}
	op->group = a->group;
	op->io_flags = p2p_flags(a->p2p);
	return 0;
}

static int convolve(void *ctx, struct smartssd_device *dev, void *y, struct smartssd_report *report, const struct smartssd_progress *progress,
		    struct smartssd_error *err)
{
	return smartssd_conv2d(dev, ctx, y, report, progress, err);
}

static int compute(struct conv2d_args *a)
{
	struct operator_run run = {
		VERB, "conv2d", a->device, a->output, a->progress, a->as_json,
		.y = { .type = a->op.y_type, .ndim = 4 }, .compute = convolve, .ctx = &a->op,
	};
	struct smartssd_error err = { "" };
	int ret = smartssd_conv2d_shape(&a->op, run.y.shape, &err);

	if (!ret)
		return operator_run(&run);
	complain(VERB, "%s", *err.text ? err.text : strerror(-ret));
	return 1;
}

int cmd_conv2d(int argc, char **argv)
{
	struct conv2d_args a = { .group = 1, .op = { .x = { .fd = -1 }, .w = { .fd = -1 }, .stride = { 1, 1 }, .dilation = { 1, 1 } } };
	const struct option_spec specs[] = {
		{ "input", OPTION_TEXT, &a.input, .meta = "X.npy", .help = "u1 or i1 [N][C][H][W]", .required = true },
		{ "weight", OPTION_TEXT, &a.weight, .meta = "W.npy", .help = "u1 or i1 [M][C/group][KH][KW]", .required = true },
		{ "bias", OPTION_TEXT, &a.bias, .meta = "B.npy", .help = "i4 [M], in units of x-scale * w-scale" },
		{ "x-scale", OPTION_TEXT, &a.x_scale, .meta = "S", .help = "scale of the input: a number or .npy", .required = true },
		{ "x-zero-point", OPTION_TEXT, &a.x_zero, .meta = "Z", .help = "its zero point: a number or .npy", .required = true },
		{ "w-scale", OPTION_TEXT, &a.w_scale, .meta = "S", .help = "scale of the weights: a number, or .npy f4 with 1 or M elements",
		  .required = true },
		{ "w-zero-point", OPTION_TEXT, &a.w_zero, .meta = "Z", .help = "their zero point: a number, or .npy with 1 or M elements",
		  .required = true },
		{ "y-scale", OPTION_TEXT, &a.y_scale, .meta = "S", .help = "scale of the output: a number or .npy", .required = true },
		{ "y-zero-point", OPTION_TEXT, &a.y_zero, .meta = "Z", .help = "its zero point: a number (type of the input) or .npy",
		  .required = true },
		{ "stride", OPTION_PAIR, a.op.stride, .min = 1, .max = 65535, .meta = "H,W", .help = "default 1,1" },
		{ "pad", OPTION_QUAD, a.op.pad, .max = 65535, .meta = "T,L,B,R", .help = "top, left, bottom, right; default 0,0,0,0" },
		{ "dilation", OPTION_PAIR, a.op.dilation, .min = 1, .max = 65535, .meta = "H,W", .help = "default 1,1" },
		{ "group", OPTION_COUNT, &a.group, .min = 1, .max = UINT32_MAX, .meta = "G", .help = "default 1" },
		{ "clip", OPTION_RANGE, a.op.clip, &a.clip_given, .meta = "LO,HI",
		  .help = "bounds of the quantised output; a fused ReLU is y-zero-point,HI" },
		{ "output", OPTION_TEXT, &a.output, .meta = "Y.npy", .help = "written whole or not at all", .required = true },
		{ "device", OPTION_TEXT, &a.device, .meta = "URI", .help = "/dev/smartssdN or emu:...; default: see smartssd(1)" },
		{ "p2p", OPTION_CHOICE, &a.p2p, .choices = P2P_CHOICES, .help = P2P_HELP },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &a.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = {
		VERB, "", "Convolve an int8 NCHW array on the card, with the meaning of ONNX QLinearConv.", specs, sizeof(specs) / sizeof(specs[0])
	};
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	ret = gather(&a) ?: compute(&a);
	if (a.op.x.fd >= 0)
		close(a.op.x.fd);
	if (a.op.w.fd >= 0)
		close(a.op.w.fd);
	free(a.bias_data);
	free(a.w_scales);
	free(a.w_zeros);
	return ret;
}
