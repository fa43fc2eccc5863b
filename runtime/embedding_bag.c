// SPDX-License-Identifier: BSD-2-Clause
/*
 * The embedding_bag operator. Bags are cut into tiles, a tile is one job:
 *
 *   rows     file -> READ of their blocks, or host -> gathered, COPY   -> arena [rows | indices, offsets, weights, status | y]
 *   the rest host -> COPY
 *   RUN on byte positions of the gathered rows (row_pitch 1); COPY of y and status to the host
 *
 * Several jobs are in flight: while one computes, the next reads, and the host sorts the indices of the one after.
 *
 * A table that is small against what would be read in pieces goes to the card once and is indexed there ("resident").
 */
#include "../kernels/embedding_bag/embedding_bag.h"
#include "bag_plan.h"
#include "op.h"

#define FLIGHTS	      3
#define ARENA_BYTES   (12ull << 20)
#define TILE_LOOKUPS  32768
#define LEAST_LOOKUPS 2048 /* of a tile, unless there are fewer in all */
#define RESIDENT_TILE 262144
#define PART_ALIGN    4096

/* In the order of names[] */
enum {
	ARG_TABLE, ARG_INDEX, ARG_OFFSET, ARG_WEIGHT, ARG_Y, ARG_STATUS,
	ARG_FORMAT, ARG_DIM, ARG_ROW_PITCH, ARG_ROWS, ARG_BAGS, ARG_LOOKUPS, ARG_MODE, ARG_FLAGS, ARG_NR
};

static const char *const names[ARG_NR] = {
	"table", "index", "offset", "weight", "y", "status",
	"format", "dim", "row_pitch", "rows", "bags", "lookups", "mode", "flags",
};

/* A tile in flight. */
struct flight {
	struct smartssd_op_job job;
	struct smartssd_bo arena;
	struct bag_gather gather;
	uint8_t *meta; /* indices, offsets, weights, status: what is copied to the card */
	uint64_t meta_room;
	uint8_t *rows; /* rows from host memory */
	uint64_t rows_room;
	uint64_t bag, bag_end;
	uint32_t run; /* command */
	uint32_t status[KERNEL_STATUS_WORDS];
};

struct bag_call {
	struct smartssd_op op;
	const struct smartssd_embedding_bag *what;
	float *y;
	struct smartssd_op_source table;
	struct smartssd_op_kernel kernel;
	struct bag_table rows;
	uint32_t dim;
	bool resident;
	struct smartssd_bo resident_bo;
	uint64_t resident_at; /* of row 0 in it */
	struct bag_limits limits;
	uint64_t arena_bytes, nr_flights, tiles, done;
	struct flight flights[FLIGHTS];
};

static int check_table(struct bag_call *c)
{
	/* Elements of the array behind those of a row, and how many of a row's are in one of the others */
	static const struct {
		const char *name, *what;
		uint32_t type, behind, in_one;
	} formats[] = {
		[SMARTSSD_ROWS_FP32] = { "fp32", "", SMARTSSD_F4, 0, 1 },
		[SMARTSSD_ROWS_FP16] = { "fp16", "", SMARTSSD_F2, 0, 1 },
		[SMARTSSD_ROWS_INT8] = { "int8-rowwise", "dim bytes and behind them 8 of scale and bias", SMARTSSD_U1, 8, 1 },
		[SMARTSSD_ROWS_INT4] = { "int4-rowwise", "dim / 2 bytes and behind them 4 of scale and bias", SMARTSSD_U1, 4, 2 },
	};
	const struct smartssd_array *a = &c->what->table.array;
	struct smartssd_error *err = c->op.err;
	uint32_t format = c->what->format;
	uint64_t row_bytes, bytes;

	if (format >= ARRAY_SIZE(formats))
		return smartssd_fail(err, -EINVAL, "row format %u; SMARTSSD_ROWS_FP32, _FP16, _INT8 or _INT4 can be", format);
	if (a->type != formats[format].type)
		return smartssd_fail(err, -EINVAL, "a table of format %s holds %s elements, this one %s", formats[format].name,
				     smartssd_type_name(formats[format].type), smartssd_type_name(a->type));
	if (a->ndim != 2)
		return smartssd_fail(err, -EINVAL, "the table has %u dimensions; it must have 2: [rows][dim]", a->ndim);
	if (formats[format].behind && a->shape[1] <= formats[format].behind)
		return smartssd_fail(err, -EINVAL, "rows of %llu bytes; an %s row has %s", (unsigned long long)a->shape[1], formats[format].name,
				     formats[format].what);
	if (a->shape[1] == 0 || a->shape[1] > EMB_MAX_DIM / formats[format].in_one + formats[format].behind)
		return smartssd_fail(err, -EINVAL, "rows of %llu elements; 1 to %d can be", (unsigned long long)(a->shape[1] - formats[format].behind) * formats[format].in_one,
				     EMB_MAX_DIM);
	c->dim = (uint32_t)(a->shape[1] - formats[format].behind) * formats[format].in_one;
	row_bytes = a->shape[1] * smartssd_type_bytes(a->type);
	if (__builtin_mul_overflow(a->shape[0], row_bytes, &bytes) || bytes >> 62 || bytes != a->bytes)
		return smartssd_fail(err, -EINVAL, "the table's %llu bytes are not %llu rows of %llu bytes",
				     (unsigned long long)a->bytes, (unsigned long long)a->shape[0],
				     (unsigned long long)row_bytes);
	c->rows = (struct bag_table){ .offset = a->offset, .rows = a->shape[0], .row_bytes = (uint32_t)row_bytes };
	return 0;
}

static int check_bags(struct bag_call *c)
{
	const struct smartssd_embedding_bag *what = c->what;
	struct smartssd_error *err = c->op.err;
	int ret;

	if (!what->offsets || (what->lookups && !what->indices))
		return smartssd_fail(err, -EINVAL, "no %s given", what->offsets ? "indices" : "offsets");
	if (what->lookups > INT64_MAX / 16 || what->bags > INT64_MAX / 16)
		return smartssd_fail(err, -EINVAL, "%llu lookups in %llu bags do not fit memory", (unsigned long long)what->lookups,
				     (unsigned long long)what->bags);
	if (what->mean > 1)
		return smartssd_fail(err, -EINVAL, "mean is %u; 0 (sum) or 1 (mean) can be", what->mean);
	if (what->mean && what->per_sample_weights)
		return smartssd_fail(err, -EINVAL, "per_sample_weights go with sum only: a weighted mean is not defined");
	ret = bag_check_offsets(what->offsets, what->bags, what->lookups, err);
	if (ret)
		return ret;
	for (uint64_t i = 0; i < what->lookups; i++)
		if ((uint64_t)what->indices[i] >= c->rows.rows) /* negative ones too */
			return smartssd_fail(err, -ERANGE, "indices[%llu] is %lld; the table has rows 0 to %lld",
					     (unsigned long long)i, (long long)what->indices[i], (long long)c->rows.rows - 1);
	return 0;
}

static int no_memory(struct bag_call *c)
{
	return smartssd_fail(c->op.err, -ENOMEM, "no host memory for the indices of a tile");
}

/* Is it less to move the whole table once? */
static bool want_resident(const struct bag_call *c, uint64_t ddr_free)
{
	uint64_t table = c->what->table.array.bytes, pieces;

	if (!c->what->lookups || c->rows.rows > UINT32_MAX || table > ddr_free / 2)
		return false;
	if (__builtin_mul_overflow(c->what->lookups, bag_row_span(&c->rows), &pieces))
		return true;
	/* Pieces overlap with computing and are each read once per tile: the whole must be clearly less. */
	return c->table.file ? table <= pieces / 4 : table <= pieces;
}

static int load_table(struct bag_call *c)
{
	uint64_t start = align_down(c->rows.offset, c->rows.align);
	uint64_t bytes = align_up(c->rows.offset + c->what->table.array.bytes, c->rows.align) - start;
	struct smartssd_extent whole = { start, 0, bytes };
	struct smartssd_op_job *job = &c->flights[0].job;
	uint32_t failed;
	int ret = smartssd_op_bo(&c->op, bytes, "the table", &c->resident_bo), cmd;

	if (ret)
		return ret;
	c->resident_at = c->rows.offset - start;
	if (c->table.file)
		cmd = smartssd_list_read(job->list, c->table.file, c->resident_bo.bo, &whole, 1, c->what->io_flags);
	else
		cmd = smartssd_list_copy_to(job->list, c->resident_bo.bo, 0, c->table.data, bytes);
	if (cmd < 0)
		return no_memory(c);
	if (c->table.file)
		c->op.report.host_only_bytes += bytes;
	ret = smartssd_op_submit(&c->op, job);
	return ret ? ret : smartssd_op_wait(&c->op, job, &failed);
}

/* Tiles, and arenas for them. */
static int prepare_tiles(struct bag_call *c)
{
	const struct smartssd_embedding_bag *what = c->what;
	struct bag_limits *l = &c->limits;
	struct smartssd_query query;
	uint64_t most = 0, end, free_bytes;
	int ret = smartssd_query(c->op.dev, &query);

	if (ret)
		return smartssd_fail(c->op.err, ret, "the card does not answer a query: %s", strerror(-ret));
	c->resident = want_resident(c, query.ddr_free);
	free_bytes = query.ddr_free - (c->resident ? align_up(what->table.array.bytes, query.bo_align) : 0);
	l->lookup_bytes = 8 + (c->resident ? 0 : bag_row_span(&c->rows));
	l->bag_bytes = 4 + (uint64_t)c->dim * 4;
	l->bags = EMB_MAX_BAGS;
	l->lookups = min_u64(max_u64(what->lookups / 8, LEAST_LOOKUPS), c->resident ? RESIDENT_TILE : TILE_LOOKUPS);
	l->bytes = min_u64(ARENA_BYTES, free_bytes / (FLIGHTS + 1));
	for (uint64_t bag = 0; bag < what->bags; bag = end) {
		end = bag_tile_end(l, what->offsets, bag, what->bags);
		most = max_u64(most, bag_tile_bytes(l, (uint64_t)(what->offsets[end] - what->offsets[bag]), end - bag));
		c->tiles++;
	}
	/*
	 * Bags that are large against card memory leave room for fewer flights. In the worst case even one may not fit; what a bag really
	 * needs is seen when its turn comes.
	 */
	most += 4 * PART_ALIGN + c->rows.align;
	c->nr_flights = min_u64(c->tiles, FLIGHTS);
	free_bytes = free_bytes / 16 * 15;
	while (c->nr_flights > 1 && most > free_bytes / c->nr_flights)
		c->nr_flights--;
	c->arena_bytes = align_up(most, PART_ALIGN);
	if (c->nr_flights == 1)
		c->arena_bytes = min_u64(c->arena_bytes, align_down(free_bytes, PART_ALIGN));
	for (uint64_t i = 0; i < c->nr_flights; i++) {
		struct flight *f = &c->flights[i];

		if (smartssd_list_create(&f->job.list))
			return no_memory(c);
		ret = smartssd_op_bo(&c->op, c->arena_bytes, "a tile of rows", &f->arena);
		if (ret)
			return ret;
	}
	return 0;
}

/* READs of the gathered rows; those beyond what one job can take run by themselves, first. */
static int read_rows(struct bag_call *c, struct flight *f, int run_deps[2], uint32_t *nr_deps)
{
	const struct smartssd_extent *ext = f->gather.ext;
	uint32_t left = f->gather.nr, failed;
	int ret, cmd;

	*nr_deps = 0;
	c->op.report.host_only_bytes += f->gather.bytes;
	for (uint32_t nr; left; left -= nr, ext += nr) {
		nr = (uint32_t)min_u64(left, SMARTSSD_MAX_EXTENTS);
		cmd = smartssd_list_read(f->job.list, c->table.file, f->arena.bo, ext, nr, c->what->io_flags);
		if (cmd < 0)
			return no_memory(c);
		if (left <= 2 * SMARTSSD_MAX_EXTENTS) {
			run_deps[(*nr_deps)++] = cmd;
			continue;
		}
		ret = smartssd_op_submit(&c->op, &f->job);
		if (!ret)
			ret = smartssd_op_wait(&c->op, &f->job, &failed);
		if (ret)
			return ret;
		smartssd_list_clear(f->job.list);
	}
	return 0;
}

static int reserve(uint8_t **data, uint64_t *room, uint64_t bytes)
{
	if (bytes <= *room)
		return 0;
	free(*data);
	*data = malloc(bytes);
	*room = *data ? bytes : 0;
	return *data ? 0 : -ENOMEM;
}

/* Rows from host memory, packed. */
static int copy_rows(struct bag_call *c, struct flight *f, int run_deps[2], uint32_t *nr_deps)
{
	const struct bag_gather *g = &f->gather;

	if (reserve(&f->rows, &f->rows_room, g->bytes))
		return no_memory(c);
	for (uint32_t i = 0; i < g->nr; i++)
		memcpy(f->rows + g->ext[i].bo_offset, (const uint8_t *)c->table.data + g->ext[i].file_offset, g->ext[i].bytes);
	run_deps[0] = smartssd_list_copy_to(f->job.list, f->arena.bo, 0, f->rows, g->bytes);
	*nr_deps = 1;
	return run_deps[0] < 0 ? no_memory(c) : 0;
}

static int build_job(struct bag_call *c, struct flight *f)
{
	const struct smartssd_embedding_bag *what = c->what;
	struct smartssd_list *list = f->job.list;
	struct smartssd_op_kernel *k = &c->kernel;
	uint64_t first = (uint64_t)what->offsets[f->bag], lookups = (uint64_t)what->offsets[f->bag_end] - first,
		 bags = f->bag_end - f->bag;
	uint64_t meta_at, offset_at, weight_at, status_at, meta_bytes, y_at, y_bytes = bags * c->dim * 4;
	int deps[2], ret = 0, copy, run, cmd;
	uint32_t nr_deps = 0, *words;

	smartssd_list_clear(list);
	f->gather.bytes = 0;
	f->gather.nr = 0;
	if (!c->resident) {
		ret = bag_gather(&c->rows, what->indices + first, lookups, &f->gather);
		if (ret == -ENOMEM)
			return no_memory(c);
	}
	meta_at = align_up(f->gather.bytes, PART_ALIGN);
	offset_at = lookups * 4;
	weight_at = offset_at + (bags + 1) * 4;
	status_at = weight_at + (what->per_sample_weights ? lookups * 4 : 0);
	meta_bytes = status_at + KERNEL_STATUS_WORDS * 4;
	y_at = align_up(meta_at + meta_bytes, PART_ALIGN);
	if (ret || lookups > UINT32_MAX || y_at + y_bytes > c->arena_bytes)
		return smartssd_fail(c->op.err, -ENOMEM,
				     "bag %llu with its %llu rows needs %llu bytes of card memory at once, and %llu are free for a "
				     "tile: split the bag, free BOs, or use a card with more memory (emu:ddr=...)",
				     (unsigned long long)f->bag, (unsigned long long)lookups,
				     (unsigned long long)(y_at + y_bytes), (unsigned long long)c->arena_bytes);

	if (reserve(&f->meta, &f->meta_room, meta_bytes))
		return no_memory(c);
	words = (uint32_t *)f->meta;
	for (uint64_t i = 0; i < lookups; i++)
		words[i] = c->resident ? (uint32_t)what->indices[first + i] : f->gather.position[i];
	words += lookups;
	for (uint64_t b = 0; b <= bags; b++)
		words[b] = (uint32_t)((uint64_t)what->offsets[f->bag + b] - first);
	if (what->per_sample_weights)
		memcpy(f->meta + weight_at, what->per_sample_weights + first, lookups * 4);
	memset(f->meta + status_at, 0, KERNEL_STATUS_WORDS * 4);

	/* Rows first: they may need jobs of their own. */
	if (f->gather.nr)
		ret = c->table.file ? read_rows(c, f, deps, &nr_deps) : copy_rows(c, f, deps, &nr_deps);
	if (ret)
		return ret;
	copy = smartssd_list_copy_to(list, f->arena.bo, meta_at, f->meta, meta_bytes);
	if (copy < 0)
		return no_memory(c);

	if (c->resident)
		smartssd_op_pointer(k, ARG_TABLE, c->resident_bo.bo, c->resident_at, what->table.array.bytes);
	else
		smartssd_op_pointer(k, ARG_TABLE, f->arena.bo, 0, f->gather.bytes);
	smartssd_op_pointer(k, ARG_INDEX, f->arena.bo, meta_at, lookups * 4);
	smartssd_op_pointer(k, ARG_OFFSET, f->arena.bo, meta_at + offset_at, (bags + 1) * 4);
	smartssd_op_pointer(k, ARG_WEIGHT, f->arena.bo, meta_at + weight_at, what->per_sample_weights ? lookups * 4 : 0);
	smartssd_op_pointer(k, ARG_Y, f->arena.bo, y_at, y_bytes);
	smartssd_op_pointer(k, ARG_STATUS, f->arena.bo, meta_at + status_at, KERNEL_STATUS_WORDS * 4);
	smartssd_op_scalar(k, ARG_FORMAT, what->format);
	smartssd_op_scalar(k, ARG_DIM, c->dim);
	smartssd_op_scalar(k, ARG_ROW_PITCH, c->resident ? c->rows.row_bytes : 1);
	smartssd_op_scalar(k, ARG_ROWS, (uint32_t)min_u64(c->resident ? c->rows.rows : f->gather.bytes, UINT32_MAX));
	smartssd_op_scalar(k, ARG_BAGS, (uint32_t)bags);
	smartssd_op_scalar(k, ARG_LOOKUPS, (uint32_t)lookups);
	smartssd_op_scalar(k, ARG_MODE, what->mean ? EMB_MEAN : EMB_SUM);
	smartssd_op_scalar(k, ARG_FLAGS, what->per_sample_weights ? EMB_WEIGHTED : 0);
	/* One element per clock at 100 MHz is the slowest kernel that counts as alive. */
	run = smartssd_list_run(list, k->mask, k->args, k->nr, (uint32_t)min_u64(10000 + lookups * c->dim / 100000, UINT32_MAX));
	if (run < 0)
		return no_memory(c);
	f->run = (uint32_t)run;
	smartssd_list_depend(list, run, copy);
	for (uint32_t i = 0; i < nr_deps; i++)
		smartssd_list_depend(list, run, deps[i]);
	cmd = smartssd_list_copy_from(list, c->y + f->bag * c->dim, f->arena.bo, y_at, y_bytes);
	if (cmd >= 0)
		ret = smartssd_list_depend(list, cmd, run);
	cmd = cmd < 0 ? cmd : smartssd_list_copy_from(list, f->status, f->arena.bo, meta_at + status_at, sizeof(f->status));
	return cmd < 0 || ret ? no_memory(c) : smartssd_list_depend(list, cmd, run);
}

static int check_status(struct bag_call *c, const struct flight *f)
{
	const uint32_t *s = f->status;
	unsigned long long cu = f->job.results[f->run].detail, from = f->bag, to = f->bag_end - 1;

	switch (s[0]) {
	case KERNEL_OK:
		return 0;
	case 0:
		return smartssd_fail(c->op.err, -EIO,
				     "embedding_bag, bags %llu-%llu: compute unit %llu signalled completion but never ran: its results are "
				     "void; reset it (smartssd_cu_reset)",
				     from, to, cu);
	case KERNEL_BAD_INDEX:
		return smartssd_fail(c->op.err, -EIO,
				     "embedding_bag, bags %llu-%llu: the kernel on compute unit %llu found index %u at position %u out of "
				     "range, though it was checked: card memory was changed meanwhile",
				     from, to, cu, s[2], s[1]);
	case KERNEL_BAD_SHAPE:
	case KERNEL_BAD_RANGE:
		return smartssd_fail(c->op.err, -EIO,
				     "embedding_bag, bags %llu-%llu: the kernel on compute unit %llu refused its arguments (status %u, "
				     "detail %u, %u): the xclbin's kernel and this library are of different versions",
				     from, to, cu, s[0], s[1], s[2]);
	default:
		return smartssd_fail(c->op.err, -EIO,
				     "embedding_bag, bags %llu-%llu: the kernel on compute unit %llu left an unknown status %u",
				     from, to, cu, s[0]);
	}
}

static int land(struct bag_call *c, struct flight *f)
{
	char text[sizeof(c->op.err->text)];
	uint32_t failed;
	int ret;

	if (!f->job.flying)
		return 0;
	ret = smartssd_op_wait(&c->op, &f->job, &failed);
	if (ret && failed == f->run && c->op.err) {
		memcpy(text, c->op.err->text, sizeof(text));
		return smartssd_fail(c->op.err, ret, "embedding_bag, bags %llu-%llu: %s", (unsigned long long)f->bag,
				     (unsigned long long)f->bag_end - 1, text);
	}
	if (!ret)
		ret = check_status(c, f);
	if (ret)
		return ret;
	c->done++;
	return smartssd_op_progress(&c->op, c->done, c->tiles);
}

static int run_tiles(struct bag_call *c)
{
	int ret = smartssd_op_progress(&c->op, 0, c->tiles);
	uint64_t tile = 0, bag = 0;

	if (!ret && c->resident)
		ret = load_table(c);
	while (bag < c->what->bags && !ret) {
		struct flight *f = &c->flights[tile++ % c->nr_flights];

		ret = land(c, f);
		if (ret)
			break;
		f->bag = bag;
		f->bag_end = bag_tile_end(&c->limits, c->what->offsets, bag, c->what->bags);
		bag = f->bag_end;
		ret = build_job(c, f);
		if (!ret)
			ret = smartssd_op_submit(&c->op, &f->job);
	}
	for (uint64_t i = 0; i < c->nr_flights && !ret; i++)
		ret = land(c, &c->flights[(tile + i) % c->nr_flights]);
	c->op.report.tiles = (uint32_t)c->tiles;
	return ret;
}

static int prepare(struct bag_call *c)
{
	int ret = smartssd_op_check_flags(c->op.err, c->what->io_flags);

	if (!ret)
		ret = check_table(c);
	if (!ret)
		ret = check_bags(c);
	if (!ret)
		ret = smartssd_op_kernel(&c->op, "embedding_bag", names, ARG_NR, &c->kernel);
	if (!ret)
		ret = smartssd_op_source_open(&c->op, &c->what->table, "table", &c->table);
	if (ret)
		return ret;
	c->rows.align = c->table.align;
	if (!c->table.file)
		c->rows.offset = 0;
	return prepare_tiles(c);
}

int smartssd_embedding_bag(struct smartssd_device *dev, const struct smartssd_embedding_bag *op, float *y,
			   struct smartssd_report *report, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	struct bag_call c = { .what = op, .y = y };
	int ret = smartssd_op_begin(&c.op, dev, progress, err);

	if (ret)
		return ret;
	ret = prepare(&c);
	if (!ret)
		ret = run_tiles(&c);
	for (int i = 0; i < FLIGHTS; i++) {
		struct flight *f = &c.flights[i];

		smartssd_op_job_free(&c.op, &f->job);
		bag_gather_free(&f->gather);
		if (f->arena.bo)
			smartssd_bo_destroy(dev, f->arena.bo);
		free(f->meta);
		free(f->rows);
	}
	ret = smartssd_op_end(&c.op, ret, report);
	if (c.resident_bo.bo)
		smartssd_bo_destroy(dev, c.resident_bo.bo);
	smartssd_op_source_close(&c.op, &c.table);
	return ret;
}
