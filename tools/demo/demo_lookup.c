// SPDX-License-Identifier: BSD-2-Clause
/* Second half of the demo: a recommendation batch, pooled from an embedding table on the drive. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../../kernels/reference/reference.h"
#include "../smartssd/operator.h"
#include "dataset.h"
#include "demo.h"

static int verify(const struct smartssd_source *table, const struct smartssd_embedding_bag *op, const float *y, struct lookup_result *out)
{
	size_t values = op->bags * TABLE_DIM, bytes = table->array.offset + table->array.bytes;
	double *want = malloc(values * sizeof(double)), *bound = malloc(values * sizeof(double)), start = seconds_now();
	void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, table->fd, 0);
	struct ref_embedding_bag ref = {
		.format = REF_FP32, .dim = TABLE_DIM, .rows = table->array.shape[0], .row_pitch = TABLE_DIM * sizeof(float),
		.indices = op->indices, .offsets = op->offsets, .bags = op->bags,
	};
	int ret = 1;

	if (!want || !bound || map == MAP_FAILED) {
		complain(DEMO, "out of memory for the comparison with the reference");
		goto out;
	}
	ref.table = (char *)map + table->array.offset;
	if (ref_embedding_bag(&ref, want, bound) != -1) {
		complain(DEMO, "the reference refuses the batch");
		goto out;
	}
	for (size_t i = 0; i < values; i++) {
		double error = fabs(y[i] - want[i]), share = error == 0 ? 0 : error / bound[i];

		/* Not "error > largest": a NaN must not pass for a small error. */
		if (!(error <= out->largest_error))
			out->largest_error = error;
		if (!(share <= out->worst_share))
			out->worst_share = isnan(share) ? INFINITY : share;
	}
	out->reference_seconds = seconds_now() - start;
	ret = 0;
out:
	if (map != MAP_FAILED)
		munmap(map, bytes);
	free(want);
	free(bound);
	return ret;
}

/* The batch as arrays beside the table, for `smartssd lookup` by hand. */
static int save_batch(struct demo *d, const struct smartssd_embedding_bag *op)
{
	struct smartssd_array i = { .type = SMARTSSD_I8, .ndim = 1, .shape = { op->lookups } };
	struct smartssd_array o = { .type = SMARTSSD_I8, .ndim = 1, .shape = { op->bags + 1 } };
	struct smartssd_error err = { "" };
	char path[4200];

	snprintf(path, sizeof(path), "%s/indices.npy", d->drive_dir);
	if (!smartssd_npy_save(path, &i, op->indices, &err)) {
		snprintf(path, sizeof(path), "%s/offsets.npy", d->drive_dir);
		if (!smartssd_npy_save(path, &o, op->offsets, &err))
			return 0;
	}
	complain(DEMO, "%s", err.text);
	return 1;
}

int demo_lookup(struct demo *d, struct lookup_result *out)
{
	struct smartssd_embedding_bag op = { .table = { .fd = -1 }, .bags = BATCH_BAGS, .lookups = BATCH_BAGS * BAG_LOOKUPS };
	int64_t *indices = malloc(op.lookups * sizeof(*indices)), *offsets = malloc((op.bags + 1) * sizeof(*offsets));
	float *y = malloc(op.bags * TABLE_DIM * sizeof(*y));
	struct smartssd_error err = { "" };
	struct progress bar;
	char path[4200];
	int ret = 1;

	memset(out, 0, sizeof(*out));
	if (!indices || !offsets || !y) {
		complain(DEMO, "out of memory for the batch");
		goto out;
	}
	snprintf(path, sizeof(path), "%s/table.npy", d->drive_dir);
	progress_begin(&bar, "embedding table", d->progress);
	ret = dataset_table(path, d->rows, &out->reused, &(struct smartssd_progress){ demo_step, &bar }, &err);
	progress_end(&bar);
	out->build_seconds = seconds_now() - bar.start;
	if (ret || smartssd_npy_open(path, &op.table.array, &op.table.fd, &err)) {
		complain(DEMO, "%s", err.text);
		ret = 1;
		goto out;
	}
	dataset_batch(d->rows, op.bags, indices, offsets);
	op.format = SMARTSSD_ROWS_FP32;
	op.indices = indices;
	op.offsets = offsets;
	op.io_flags = p2p_flags(d->p2p);
	ret = save_batch(d, &op);
	if (ret)
		goto out;
	out->rows = d->rows;
	out->bags = op.bags;
	out->lookups = op.lookups;
	out->table_bytes = op.table.array.bytes;
	progress_begin(&bar, "lookup", d->progress);
	ret = smartssd_embedding_bag(d->dev, &op, y, &out->report, &(struct smartssd_progress){ demo_step, &bar }, &err);
	progress_end(&bar);
	if (ret) {
		complain(DEMO, "lookup: %s", *err.text ? err.text : strerror(-ret));
		ret = 1;
		goto out;
	}
	ret = verify(&op.table, &op, y, out);
out:
	if (op.table.fd >= 0)
		close(op.table.fd);
	free(indices);
	free(offsets);
	free(y);
	return ret;
}
