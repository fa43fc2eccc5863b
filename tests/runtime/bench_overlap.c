// SPDX-License-Identifier: BSD-2-Clause
/*
 * Do reading and computing overlap? A 1x1 convolution over images in a file, with the number of filters for which both take about
 * the same time, because that is where a pipeline that does not overlap loses most (twice the time).
 *
 *   total / max(read, compute)   1.0 is perfect; the target is 1.15
 *
 * Once with the times that READs and RUNs were under way in that very run, and once with what each takes alone: the file read without
 * computing, and the same layer computed from memory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../../runtime/private.h"

#define IMAGES	 96
#define CHANNELS 64
#define SIZE	 112
#define MOST	 64
#define ROUNDS	 5

static struct smartssd_error err;

static int fail(const char *what)
{
	fprintf(stderr, "bench_overlap: %s: %s\n", what, err.text);
	return 1;
}

/* The page cache would answer faster than any drive, and with the CPU that computes: let the drive of this machine answer. */
static void forget(int fd)
{
	if (fd >= 0)
		(void)(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) || posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM));
}

/* Seconds to READ the whole file into card memory, and nothing else; < 0: error. */
static double read_alone(struct smartssd_device *dev, const struct smartssd_source *x)
{
	uint64_t bytes = align_up(x->array.offset + x->array.bytes, 4096);
	struct smartssd_extent whole = { 0, 0, bytes };
	struct smartssd_result result;
	struct smartssd_list *list;
	struct smartssd_file file;
	struct smartssd_bo bo;
	double best = -1;

	if (smartssd_file_register(dev, x->fd, &file) || smartssd_bo_create(dev, bytes, &bo) || smartssd_list_create(&list))
		return -1;
	smartssd_list_read(list, file.file, bo.bo, &whole, 1, 0);
	for (int i = 0; i < ROUNDS; i++) {
		double seconds;

		forget(x->fd);
		if (smartssd_run_list(dev, list, NULL, &result, 1, &err))
			return -1;
		seconds = (double)(result.end_ns - result.start_ns) * 1e-9;
		best = best < 0 || seconds < best ? seconds : best;
	}
	smartssd_list_destroy(list);
	smartssd_bo_destroy(dev, bo.bo);
	smartssd_file_unregister(dev, file.file);
	return best;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

int main(void)
{
	static const float w_scale = 0.01f;
	static const int32_t w_zero;
	struct smartssd_conv2d op = {
		.x_scale = 0.1f,
		.w_scale = &w_scale,
		.w_scales = 1,
		.w_zero = &w_zero,
		.w_zeros = 1,
		.y_scale = 0.5f,
		.y_type = SMARTSSD_U1,
		.stride = { 1, 1 },
		.dilation = { 1, 1 },
		.group = 1,
		.clip = { 0, 255 },
	};
	struct smartssd_array x = { .type = SMARTSSD_U1, .ndim = 4, .shape = { IMAGES, CHANNELS, SIZE, SIZE } };
	struct smartssd_array w = { .type = SMARTSSD_I1, .ndim = 4, .shape = { 1, CHANNELS, 1, 1 }, .bytes = CHANNELS };
	uint64_t x_bytes = (uint64_t)IMAGES * CHANNELS * SIZE * SIZE;
	uint8_t *data = malloc(x_bytes), *y = malloc((uint64_t)IMAGES * MOST * SIZE * SIZE);
	static int8_t weights[MOST * CHANNELS];
	char path[4096], folder[] = "/var/tmp/smartssd-bench-XXXXXX";
	struct smartssd_device *dev;
	struct smartssd_report report, best = { 0 };
	double best_ratio = -1, alone, compute = -1, nearest = -1;
	uint64_t filters = 1;
	int fd;

	setenv("SMARTSSD_LIBDIR", "build", 0);
	if (!data || !y || smartssd_open("emu:ddr=512M", &dev, &err) || smartssd_find_file("kernels.xclbin", path, sizeof(path)) ||
	    smartssd_xclbin_load_file(dev, path, &err))
		return fail("the embedded card");
	for (uint64_t i = 0; i < x_bytes; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	for (int i = 0; i < MOST * CHANNELS; i++)
		weights[i] = (int8_t)(i * 37);
	if (!mkdtemp(folder))
		return fail("a temporary folder");
	snprintf(path, sizeof(path), "%s/x.npy", folder);
	if (smartssd_npy_save(path, &x, data, &err) || smartssd_npy_open(path, &op.x.array, &fd, &err))
		return fail("the input file");
	unlink(path);
	rmdir(folder);
	op.x.fd = fd;
	op.w = (struct smartssd_source){ .array = w, .fd = -1, .data = weights };

	/* Which number of filters makes computing take as long as reading? */
	for (uint64_t m = 1; m <= MOST; m = m < 4 ? m + 1 : m * 3 / 2) {
		double away;

		forget(fd);
		op.w.array.shape[0] = m;
		op.w.array.bytes = m * CHANNELS;
		if (smartssd_conv2d(dev, &op, y, &report, NULL, &err))
			return fail("conv2d");
		away = larger(report.read_seconds / report.compute_seconds, report.compute_seconds / report.read_seconds);
		if (nearest < 0 || away < nearest) {
			nearest = away;
			filters = m;
		}
	}
	op.w.array.shape[0] = filters;
	op.w.array.bytes = filters * CHANNELS;
	for (int i = 0; i < ROUNDS; i++) {
		double ratio;

		forget(fd);
		if (smartssd_conv2d(dev, &op, y, &report, NULL, &err))
			return fail("conv2d");
		ratio = report.seconds / larger(report.read_seconds, report.compute_seconds);
		if (best_ratio < 0 || ratio < best_ratio) {
			best_ratio = ratio;
			best = report;
		}
	}
	alone = read_alone(dev, &op.x);
	if (alone < 0)
		return fail("reading alone");
	op.x.fd = -1;
	op.x.data = data;
	for (int i = 0; i < ROUNDS; i++) {
		if (smartssd_conv2d(dev, &op, y, &report, NULL, &err))
			return fail("conv2d from memory");
		compute = compute < 0 || report.compute_seconds < compute ? report.compute_seconds : compute;
	}
	printf("conv2d 1x1, %d -> %llu channels, %d images of %dx%d, %.0f MB read, %u tiles in %u jobs\n", CHANNELS,
	       (unsigned long long)filters, IMAGES, SIZE, SIZE, (double)best.bytes.ssd_to_card * 1e-6, best.tiles, best.jobs);
	printf("total %.1f ms; under way: read %.1f ms, compute %.1f ms; alone: read %.1f ms, compute %.1f ms\n",
	       best.seconds * 1e3, best.read_seconds * 1e3, best.compute_seconds * 1e3, alone * 1e3, compute * 1e3);
	printf("total / max(read, compute) = %.2f (target <= 1.15)\n", best_ratio);
	printf("total / max(read alone, compute alone) = %.2f; without overlap it would be %.2f\n",
	       best.seconds / larger(alone, compute), (alone + compute) / larger(alone, compute));
	smartssd_close(dev);
	close(fd);
	free(data);
	free(y);
	return 0;
}
