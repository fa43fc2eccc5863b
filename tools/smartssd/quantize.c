// SPDX-License-Identifier: BSD-2-Clause
/* smartssd quantize: an fp32 ONNX model and images like those to come -> an int8 one. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../runtime/nn/quantize.h"
#include "../../runtime/whole.h"
#include "commands.h"
#include "images.h"
#include "json.h"
#include "operator.h"
#include "options.h"
#include "progress.h"

#define VERB	       "quantize"
#define DEFAULT_IMAGES 100

struct quantize_args {
	const char *model, *calibrate, *mean, *std, *scale, *percentile, *output;
	bool as_json;
	unsigned progress;
	uint64_t images;
};

/* What calibration reads: @take images spread evenly over all, so that a folder sorted by class is not cut off after the first classes. */
struct feed {
	struct images *images;
	uint64_t take, at, batch, elements;
};

static int next_input(void *ctx, float *input, struct smartssd_error *err)
{
	struct feed *f = ctx;
	uint64_t nr = images_count(f->images);

	if (f->take - f->at < f->batch)
		return 1;
	for (uint64_t b = 0; b < f->batch; b++, f->at++) {
		int ret = images_read(f->images, (uint64_t)((__uint128_t)f->at * nr / f->take), input + b * f->elements, err);

		if (ret)
			return ret;
	}
	return 0;
}

/* 1 to 4 numbers separated by commas; how many, 0 when complained. */
static uint32_t numbers(const char *option, const char *text, float *out, uint32_t most, bool positive)
{
	const char *p = text;
	uint32_t nr = 0;
	char *end;

	do {
		if (nr == most || !*p || !strchr("+-.0123456789", *p))
			break;
		out[nr] = strtof(p, &end);
		if (end == p || !isfinite(out[nr]) || (positive && out[nr] <= 0))
			break;
		nr++;
		if (!*end)
			return nr;
		p = end + 1;
	} while (*end == ',');
	complain(VERB, "--%s: '%s' is not %s%s%s", option, text, most > 1 ? "1 to 4 numbers" : "a number", positive ? " above 0" : "",
		 most > 1 ? " separated by commas, for example 0.485,0.456,0.406" : "");
	return 0;
}

/* --mean, --std and --scale into the form; 0 or the exit status. */
static int normalisation(const struct quantize_args *a, struct images_form *f)
{
	uint32_t means = 1, stds = 1;

	f->scale = 1.0f / 255;
	f->mean[0] = 0;
	f->std[0] = 1;
	if (a->scale && !numbers("scale", a->scale, &f->scale, 1, true))
		return 2;
	if (a->mean && !(means = numbers("mean", a->mean, f->mean, 4, false)))
		return 2;
	if (a->std && !(stds = numbers("std", a->std, f->std, 4, true)))
		return 2;
	f->nr_mean = means > stds ? means : stds;
	if ((means > 1 && means != f->nr_mean) || (stds > 1 && stds != f->nr_mean)) {
		complain(VERB, "--mean has %u numbers, --std %u; give as many of both, or one of either for all channels", means, stds);
		return 2;
	}
	for (uint32_t i = 1; i < f->nr_mean; i++) {
		f->mean[i] = f->mean[means > 1 ? i : 0];
		f->std[i] = f->std[stds > 1 ? i : 0];
	}
	if (f->nr_mean > 1 && (f->ndim < 1 || f->shape[0] != f->nr_mean)) {
		complain(VERB, "--mean and --std have %u numbers, but the model's input has %llu channels", f->nr_mean,
			 f->ndim ? (unsigned long long)f->shape[0] : 1ull);
		return 2;
	}
	return 0;
}

static void report(const struct quantize_args *a, const struct nn_quantize_report *r, uint64_t images)
{
	struct json j = { .out = stdout };

	if (!a->as_json) {
		printf("%s: %u node%s in int8, %u left in float, %u batch normalisation%s folded, calibrated with %llu image%s\n", a->output, r->quantised,
		       r->quantised == 1 ? "" : "s", r->left, r->folded, r->folded == 1 ? "" : "s", (unsigned long long)images, images == 1 ? "" : "s");
		return;
	}
	json_open(&j, NULL, '{');
	json_text(&j, "output", a->output);
	json_uint(&j, "quantised", r->quantised);
	json_uint(&j, "left", r->left);
	json_uint(&j, "folded", r->folded);
	json_uint(&j, "images", images);
	json_close(&j, '}');
}

static int convert(const struct quantize_args *a, const struct nn_graph *model, double percentile)
{
	const struct nn_tensor *input = model->nr_inputs == 1 ? &model->tensors[model->inputs[0]] : NULL;
	struct images_form form = { 0 };
	struct nn_quantize_report r;
	struct smartssd_error err;
	struct feed feed = { .batch = 1 };
	struct nn_quantize how = { .next = next_input, .ctx = &feed, .percentile = percentile };
	struct nn_graph *out = NULL;
	struct progress bar;
	int ret;

	if (!input || !input->dims.n || input->type != NN_F4) {
		complain(VERB, "%s: the model has %u input%s%s; one is needed, of floats, [batch, ...]", a->model, model->nr_inputs,
			 model->nr_inputs == 1 ? "" : "s", input ? ", of another type or without dimensions" : "");
		return 1;
	}
	form.ndim = input->dims.n - 1;
	for (uint32_t i = 0; i < form.ndim; i++)
		form.shape[i] = (uint64_t)input->dims.d[i + 1];
	ret = normalisation(a, &form);
	if (ret)
		return ret;
	ret = images_open(a->calibrate, &form, &feed.images, &err);
	if (ret) {
		complain(VERB, "--calibrate: %s", err.text);
		return 1;
	}
	feed.batch = (uint64_t)input->dims.d[0];
	feed.take = images_count(feed.images) < a->images ? images_count(feed.images) : a->images;
	feed.elements = (uint64_t)nn_count(&input->dims) / (feed.batch ? feed.batch : 1);
	if (!feed.batch || feed.take < feed.batch) {
		complain(VERB, "--calibrate: %s has %llu image%s, --images allows %llu; the model takes %llu at once", a->calibrate,
			 (unsigned long long)images_count(feed.images), images_count(feed.images) == 1 ? "" : "s", (unsigned long long)a->images,
			 (unsigned long long)feed.batch);
		images_close(feed.images);
		return 1;
	}
	progress_begin(&bar, "calibrating", a->progress == 1);
	how.progress = (struct smartssd_progress){ progress_step, &bar };
	how.expected = feed.take / feed.batch;
	if (images_bytes(feed.images) || a->mean || a->std || a->scale) {
		how.input_scale = form.scale;
		memcpy(how.mean, form.mean, sizeof(how.mean));
		memcpy(how.std, form.std, sizeof(how.std));
		how.nr_mean = form.nr_mean;
	}
	ret = nn_quantize_graph(model, &how, &out, &r, &err);
	progress_end(&bar);
	if (!ret)
		ret = nn_graph_save(out, a->output, &err);
	if (ret)
		complain(VERB, "%s", err.text);
	else
		report(a, &r, r.inputs * feed.batch);
	nn_graph_free(out);
	images_close(feed.images);
	return ret != 0;
}

int cmd_quantize(int argc, char **argv)
{
	struct quantize_args a = { .images = DEFAULT_IMAGES };
	const struct option_spec specs[] = {
		{ "calibrate", OPTION_TEXT, &a.calibrate, .meta = "FOLDER|X.npy", .help = "images like those to come: PNG, PPM, .npy; or one .npy, f4 or u1 [N][C][H][W]",
		  .required = true },
		{ "mean", OPTION_TEXT, &a.mean, .meta = "M[,M,M]", .help = "value = (byte * scale - mean) / std; default 0" },
		{ "std", OPTION_TEXT, &a.std, .meta = "S[,S,S]", .help = "default 1" },
		{ "scale", OPTION_TEXT, &a.scale, .meta = "S", .help = "default 1/255" },
		{ "images", OPTION_COUNT, &a.images, .min = 1, .meta = "N", .help = "calibrate with at most that many, spread over all; default 100" },
		{ "percentile", OPTION_TEXT, &a.percentile, .meta = "P", .help = "of each activation's values that is kept; 100: all; default 99.99" },
		{ "output", OPTION_TEXT, &a.output, .meta = "INT8.onnx", .help = "written whole or not at all", .required = true },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &a.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = { VERB, "MODEL.onnx", "Turn an fp32 ONNX model into an int8 one (QDQ form, opset 13), calibrated with images.", specs,
					    sizeof(specs) / sizeof(specs[0]) };
	struct smartssd_error err;
	struct nn_graph *model;
	float percentile = 0;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	if (argc - ret != 1) {
		complain(VERB, "%s; 'smartssd quantize --help' says more", argc == ret ? "name a model to quantise" : "one model at a time");
		return 2;
	}
	a.model = argv[ret];
	if (a.percentile) {
		if (!numbers("percentile", a.percentile, &percentile, 1, true))
			return 2;
		if (percentile > 100) {
			complain(VERB, "--percentile: '%s' is more than 100", a.percentile);
			return 2;
		}
	}
	if (same_file(a.output, a.model) || same_file(a.output, a.calibrate)) {
		complain(VERB, "--output: %s is %s, which would be lost; name another file", a.output,
			 same_file(a.output, a.model) ? "the model to quantise" : "the array to calibrate with");
		return 2;
	}
	/* Say it before minutes of calibration, not after them. */
	if (smartssd_whole_check(a.output, &err)) {
		complain(VERB, "--output: %s", err.text);
		return 1;
	}
	if (nn_graph_load(a.model, 0, &model, &err)) {
		complain(VERB, "%s", err.text);
		return 1;
	}
	/* 99.99 as a float is not the default; the text is what was meant. */
	ret = convert(&a, model, a.percentile ? strtod(a.percentile, NULL) : 0);
	nn_graph_free(model);
	return ret;
}
