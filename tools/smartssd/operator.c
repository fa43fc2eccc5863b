// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../runtime/whole.h"
#include "operator.h"
#include "progress.h"
#include "text.h"

uint32_t p2p_flags(unsigned choice)
{
	return choice == 1 ? SMARTSSD_CMD_PEER_REQUIRE : choice == 2 ? SMARTSSD_CMD_PEER_OFF : 0;
}

/* "u1 or i1" */
static const char *types_text(uint32_t types, char *out, size_t room)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t t = SMARTSSD_U1; t <= SMARTSSD_F4; t++)
		if (types & TYPE_BIT(t) && used < room)
			used += snprintf(out + used, room - used, "%s%s", used ? " or " : "", smartssd_type_name(t));
	return out;
}

static int check_array(const char *verb, const char *option, const char *path, uint32_t types, uint32_t ndim,
		       const struct smartssd_array *array)
{
	char text[64];

	if (!(types & TYPE_BIT(array->type))) {
		complain(verb, "--%s: %s holds elements of type %s, but must be of %s", option, path, smartssd_type_name(array->type),
			 types_text(types, text, sizeof(text)));
		return 1;
	}
	if (array->ndim != ndim) {
		complain(verb, "--%s: %s has %u dimensions, but must have %u", option, path, array->ndim, ndim);
		return 1;
	}
	return 0;
}

int array_open(const char *verb, const char *option, const char *path, uint32_t types, uint32_t ndim, struct smartssd_source *out)
{
	struct smartssd_error err = { "" };

	memset(out, 0, sizeof(*out));
	out->fd = -1;
	if (smartssd_npy_open(path, &out->array, &out->fd, &err)) {
		complain(verb, "--%s: %s", option, err.text);
		out->fd = -1;
		return 1;
	}
	if (check_array(verb, option, path, types, ndim, &out->array))
		return 1;
	for (uint32_t i = 0; i < ndim; i++) {
		if (!out->array.shape[i]) {
			complain(verb, "--%s: %s is empty: its dimension %u is 0", option, path, i);
			return 1;
		}
	}
	return 0;
}

int array_load(const char *verb, const char *option, const char *path, uint32_t type, void **out, uint64_t *count)
{
	struct smartssd_error err = { "" };
	struct smartssd_array array;

	*out = NULL;
	if (smartssd_npy_load(path, &array, out, &err)) {
		complain(verb, "--%s: %s", option, err.text);
		return 1;
	}
	*count = array.shape[0];
	if (!check_array(verb, option, path, TYPE_BIT(type), 1, &array))
		return 0;
	free(*out);
	*out = NULL;
	return 1;
}

int array_integers(const char *verb, const char *option, const char *path, int64_t **out, uint64_t *count)
{
	struct smartssd_error err = { "" };
	struct smartssd_array array;
	void *data;

	*out = NULL;
	if (smartssd_npy_load(path, &array, &data, &err)) {
		complain(verb, "--%s: %s", option, err.text);
		return 1;
	}
	if (check_array(verb, option, path, TYPE_BIT(SMARTSSD_I4) | TYPE_BIT(SMARTSSD_I8), 1, &array)) {
		free(data);
		return 1;
	}
	*count = array.shape[0];
	if (array.type == SMARTSSD_I8) {
		*out = data;
		return 0;
	}
	*out = malloc(*count ? *count * sizeof(int64_t) : 1);
	if (!*out) {
		complain(verb, "--%s: out of memory for the %llu elements of %s", option, (unsigned long long)*count, path);
		free(data);
		return 1;
	}
	for (uint64_t i = 0; i < *count; i++)
		(*out)[i] = ((int32_t *)data)[i];
	free(data);
	return 0;
}

/* The values of an option that takes a number or a file: a scalar or one-dimensional array of one of @types, raw. */
static int load_values(const char *verb, const char *option, const char *path, uint32_t types, struct smartssd_array *array, void **data)
{
	struct smartssd_error err = { "" };
	struct stat st;

	if (stat(path, &st) && errno == ENOENT) {
		complain(verb, "--%s: '%s' is neither a number nor a file that is there", option, path);
		return 2;
	}
	if (smartssd_npy_load(path, array, data, &err)) {
		complain(verb, "--%s: %s", option, err.text);
		return 1;
	}
	if (check_array(verb, option, path, types, array->ndim ? 1 : 0, array)) {
		free(*data);
		return 1;
	}
	/* No dimensions: one element. */
	if (!array->ndim)
		array->shape[0] = 1;
	if (!array->shape[0] || array->shape[0] > UINT32_MAX) {
		complain(verb, "--%s: %s holds %llu elements; give one, or one for each filter", option, path,
			 (unsigned long long)array->shape[0]);
		free(*data);
		return 1;
	}
	return 0;
}

int scales(const char *verb, const char *option, const char *text, float **out, uint32_t *count)
{
	struct smartssd_array array;
	float number;
	void *data;
	char *end;
	int ret;

	number = strtof(text, &end);
	if (end != text && !*end) {
		if (!isfinite(number) || number <= 0) {
			complain(verb, "--%s: '%s': a scale must be finite and above 0", option, text);
			return 2;
		}
		*out = malloc(sizeof(float));
		if (!*out) {
			complain(verb, "out of memory");
			return 1;
		}
		**out = number;
		*count = 1;
		return 0;
	}
	ret = load_values(verb, option, text, TYPE_BIT(SMARTSSD_F4), &array, &data);
	if (ret)
		return ret;
	*out = data;
	*count = array.shape[0];
	for (uint32_t i = 0; i < *count; i++) {
		if (!isfinite((*out)[i]) || (*out)[i] <= 0) {
			complain(verb, "--%s: %s: element %u is %g; a scale must be finite and above 0", option, text, i, (*out)[i]);
			free(*out);
			*out = NULL;
			return 1;
		}
	}
	return 0;
}

bool zero_point_fits(int32_t value, uint32_t type)
{
	return type == SMARTSSD_I1 ? value >= -128 && value <= 127 : value >= 0 && value <= 255;
}

int zero_points(const char *verb, const char *option, const char *text, uint32_t type, int32_t **out, uint32_t *count, uint32_t *given)
{
	struct smartssd_array array;
	long number;
	void *data;
	char *end;
	int ret;

	*given = 0;
	errno = 0;
	number = strtol(text, &end, 10);
	if (end != text && !*end) {
		if (errno || number < -128 || number > 255 || (type && !zero_point_fits(number, type))) {
			complain(verb, "--%s: %s is not a value of type %s", option, text, type ? smartssd_type_name(type) : "u1 or i1");
			return 2;
		}
		*out = malloc(sizeof(int32_t));
		if (!*out) {
			complain(verb, "out of memory");
			return 1;
		}
		**out = number;
		*count = 1;
		return 0;
	}
	ret = load_values(verb, option, text, type ? TYPE_BIT(type) : TYPE_BIT(SMARTSSD_U1) | TYPE_BIT(SMARTSSD_I1), &array, &data);
	if (ret)
		return ret;
	*given = array.type;
	*count = array.shape[0];
	*out = malloc(*count * sizeof(int32_t));
	if (!*out)
		complain(verb, "out of memory");
	for (uint32_t i = 0; *out && i < *count; i++)
		(*out)[i] = array.type == SMARTSSD_I1 ? ((int8_t *)data)[i] : ((uint8_t *)data)[i];
	free(data);
	return *out ? 0 : 1;
}

static int load_kernels(const char *verb, struct smartssd_device *dev, const char *kernel, const char *xclbin)
{
	struct smartssd_error err = { "" };
	char path[4096];
	int ret;

	if (smartssd_find_file(xclbin, path, sizeof(path))) {
		complain(verb, "%s is not there: run 'make', or set SMARTSSD_LIBDIR to the folder that has it", xclbin);
		return 1;
	}
	ret = smartssd_xclbin_load_file(dev, path, &err);
	if (ret == -EPERM) {
		complain(verb, "%s has no xclbin loaded, and loading one with kernel %s needs root: run this once with sudo, or 'sudo smartssd "
			       "xclbin load %s --device %s'", smartssd_uri(dev), kernel, path, smartssd_uri(dev));
		return 1;
	}
	if (ret) {
		complain(verb, "%s: %s could not be loaded: %s", smartssd_uri(dev), path, *err.text ? err.text : strerror(-ret));
		return 1;
	}
	if (!smartssd_find_kernel(dev, kernel)) {
		complain(verb, "%s has no kernel %s; run 'make' to build it again", path, kernel);
		return 1;
	}
	return 0;
}

/* What somebody loaded may be in use by others: only who says so takes it away. An embedded card has nobody else. */
static int provide_kernel(const char *verb, struct smartssd_device *dev, const char *kernel, const char *xclbin)
{
	struct smartssd_query q;
	char uuid[UUID_TEXT], path[4096];
	int ret = smartssd_query(dev, &q);

	if (ret) {
		complain(verb, "%s does not answer: %s", smartssd_uri(dev), strerror(-ret));
		return 1;
	}
	if (smartssd_find_kernel(dev, kernel))
		return 0;
	if (q.nr_cus && !(q.features & SMARTSSD_FEATURE_EMBEDDED)) {
		/* The command is to be typed as it is, wherever that may be. */
		if (smartssd_find_file(xclbin, path, sizeof(path)))
			snprintf(path, sizeof(path), "%s", xclbin);
		complain(verb, "%s has no kernel %s: xclbin %s is loaded, perhaps for somebody else; 'smartssd xclbin load "
			       "%s --device %s' replaces it on purpose", smartssd_uri(dev), kernel, uuid_text(q.uuid, uuid), path,
			 smartssd_uri(dev));
		return 1;
	}
	return load_kernels(verb, dev, kernel, xclbin);
}

int card_open_with(const char *verb, const char *uri, const char *kernel, const char *xclbin, struct smartssd_device **out)
{
	struct smartssd_error err = { "" };
	int ret = smartssd_open(uri, out, &err);

	if (ret) {
		complain(verb, "%s", *err.text ? err.text : strerror(-ret));
		return 1;
	}
	ret = provide_kernel(verb, *out, kernel, xclbin);
	if (ret)
		smartssd_close(*out);
	return ret;
}

int card_open(const char *verb, const char *uri, const char *kernel, struct smartssd_device **out)
{
	return card_open_with(verb, uri, kernel, "kernels.xclbin", out);
}

int card_kernel(const char *verb, struct smartssd_device *dev, const char *kernel)
{
	return provide_kernel(verb, dev, kernel, "kernels.xclbin");
}

const char *card_kind(const struct smartssd_query *q)
{
	switch (q->shell) {
	case SMARTSSD_SHELL_EMBEDDED:
		return "the emulated card in this process";
	case SMARTSSD_SHELL_IVSHMEM:
		return "the driver, on an emulated card behind PCI";
	default:
		return "the driver";
	}
}

uint64_t host_link_bytes(const struct smartssd_report *report)
{
	/* A bounced read crosses twice: SSD to host memory (bounce_read), host memory to card (in host_to_card). */
	return report->bytes.host_to_card + report->bytes.card_to_host + report->bytes.bounce_read + report->bytes.bounce_write;
}

const char *report_path(const struct smartssd_report *report)
{
	return report->peer_reason == SMARTSSD_PEER_OK ? "peer" : "bounce";
}

const char *bytes_text(uint64_t bytes, char *out, size_t room)
{
	if (bytes < 1000)
		snprintf(out, room, "%u B", (unsigned)bytes);
	else if (bytes < 1000000)
		snprintf(out, room, "%.1f kB", bytes / 1e3);
	else if (bytes < 1000000000)
		snprintf(out, room, "%.2f MB", bytes / 1e6);
	else
		snprintf(out, room, "%.2f GB", bytes / 1e9);
	return out;
}

void report_text(const struct smartssd_report *report, bool emulated)
{
	const struct smartssd_counters *c = &report->bytes;
	uint64_t link = host_link_bytes(report);
	char a[32], b[32], d[32], e[32];

	if (report->peer_reason == SMARTSSD_PEER_OK)
		printf("  path          peer to peer: SSD -> card%s\n", emulated ? " (emulated)" : "");
	else
		printf("  path          through host memory: %s\n", smartssd_peer_reason_text(report->peer_reason));
	printf("  bytes         SSD->card %s, host->card %s, card->host %s, bounced %s\n", bytes_text(c->ssd_to_card, a, sizeof(a)),
	       bytes_text(c->host_to_card, b, sizeof(b)), bytes_text(c->card_to_host, d, sizeof(d)),
	       bytes_text(c->bounce_read + c->bounce_write, e, sizeof(e)));
	printf("  host link     %s; the host-only way: %s", bytes_text(link, a, sizeof(a)), bytes_text(report->host_only_bytes, b, sizeof(b)));
	if (link && report->host_only_bytes >= link)
		printf(" (%.1f times as much)\n", (double)report->host_only_bytes / link);
	else if (report->host_only_bytes)
		printf(" (%.1f times less: this does not pay here)\n", (double)link / report->host_only_bytes);
	else
		putchar('\n');
	printf("  work          %u tile%s, %u command%s, %u job%s\n", report->tiles, report->tiles == 1 ? "" : "s", report->commands,
	       report->commands == 1 ? "" : "s", report->jobs, report->jobs == 1 ? "" : "s");
	printf("  time          %.3f s, of it reading %.3f s, computing %.3f s%s\n", report->seconds, report->read_seconds,
	       report->compute_seconds, emulated ? " (emulated: no hardware figure)" : "");
}

void report_json(struct json *j, const struct smartssd_report *report, bool emulated)
{
	const struct smartssd_counters *c = &report->bytes;

	json_open(j, "bytes", '{');
	json_uint(j, "ssd_to_card", c->ssd_to_card);
	json_uint(j, "card_to_ssd", c->card_to_ssd);
	json_uint(j, "host_to_card", c->host_to_card);
	json_uint(j, "card_to_host", c->card_to_host);
	json_uint(j, "bounce_read", c->bounce_read);
	json_uint(j, "bounce_write", c->bounce_write);
	json_uint(j, "host_link", host_link_bytes(report));
	json_uint(j, "host_only", report->host_only_bytes);
	json_close(j, '}');
	json_uint(j, "reads", c->reads);
	json_uint(j, "runs", c->runs);
	json_uint(j, "jobs", report->jobs);
	json_uint(j, "commands", report->commands);
	json_uint(j, "tiles", report->tiles);
	json_real(j, "seconds", report->seconds);
	json_real(j, "read_seconds", report->read_seconds);
	json_real(j, "compute_seconds", report->compute_seconds);
	json_bool(j, "emulated", emulated);
	json_text(j, "path", report_path(report));
	json_text(j, "peer_reason", smartssd_peer_reason_name(report->peer_reason));
}

static void print_run(const struct operator_run *run, struct smartssd_device *dev, const struct smartssd_report *report)
{
	struct json j = { .out = stdout };
	struct smartssd_query q = { 0 };
	bool emulated;

	if (smartssd_query(dev, &q))
		q.features = 0;
	emulated = q.features & SMARTSSD_FEATURE_EMULATED;
	if (!run->as_json) {
		printf("%s: %s [", run->output, smartssd_type_name(run->y.type));
		for (uint32_t i = 0; i < run->y.ndim; i++)
			printf("%s%llu", i ? ", " : "", (unsigned long long)run->y.shape[i]);
		putchar(']');
		if (run->count_name)
			printf(", %llu %s", (unsigned long long)run->count, run->count_name);
		printf("\n  card          %s, %s\n", smartssd_uri(dev), card_kind(&q));
		report_text(report, emulated);
		return;
	}
	json_open(&j, NULL, '{');
	json_text(&j, "output", run->output);
	json_text(&j, "type", smartssd_type_name(run->y.type));
	json_open(&j, "shape", '[');
	for (uint32_t i = 0; i < run->y.ndim; i++)
		json_uint(&j, NULL, run->y.shape[i]);
	json_close(&j, ']');
	if (run->count_name)
		json_uint(&j, run->count_name, run->count);
	json_text(&j, "device", smartssd_uri(dev));
	report_json(&j, report, emulated);
	json_close(&j, '}');
}

int output_is_apart(const char *verb, const char *output, const struct operator_input *inputs, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		if (!inputs[i].path || !same_file(output, inputs[i].path))
			continue;
		complain(verb, "--output: %s is the file of --%s, which would be lost; name another file", output, inputs[i].option);
		return 2;
	}
	return 0;
}

static int compute(const struct operator_run *run, struct smartssd_device *dev, void *y)
{
	struct smartssd_error err = { "" };
	struct smartssd_report report;
	struct progress bar;
	int ret;

	progress_begin(&bar, run->verb, run->progress);
	ret = run->compute(run->ctx, dev, y, &report, &(struct smartssd_progress){ progress_step, &bar }, &err);
	progress_end(&bar);
	if (ret)
		complain(run->verb, "%s", *err.text ? err.text : strerror(-ret));
	else if ((ret = smartssd_npy_save(run->output, &run->y, y, &err)))
		complain(run->verb, "--output: %s", *err.text ? err.text : strerror(-ret));
	else
		print_run(run, dev, &report);
	return ret ? 1 : 0;
}

int operator_run(const struct operator_run *run)
{
	uint64_t bytes = smartssd_type_bytes(run->y.type);
	struct smartssd_error err = { "" };
	struct smartssd_device *dev;
	void *y;
	int ret;

	/* Say it before the work, not after it. */
	if (smartssd_whole_check(run->output, &err)) {
		complain(run->verb, "--output: %s", err.text);
		return 1;
	}
	for (uint32_t i = 0; i < run->y.ndim; i++)
		if (__builtin_mul_overflow(bytes, run->y.shape[i], &bytes))
			bytes = SIZE_MAX;
	y = malloc(bytes ?: 1);
	if (!y) {
		complain(run->verb, "the output is too large for this machine's memory");
		return 1;
	}
	ret = card_open(run->verb, run->device, run->kernel, &dev);
	if (!ret) {
		ret = compute(run, dev, y);
		smartssd_close(dev);
	}
	free(y);
	return ret;
}
