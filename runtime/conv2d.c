// SPDX-License-Identifier: BSD-2-Clause
/*
 * The conv2d operator: plan (conv2d_plan.h) -> command lists -> results.
 *
 *   weights  file -> READ, or host -> COPY  -> BO "weights" [coefficients | w as in the file]
 *   x        file -> READ, or host -> COPY  -> arena [x | y | status]
 *   RUN for each tile, as soon as its input is there; COPY of finished rows to the caller's y; COPY of all status words
 *
 * Transfers to the card form a chain: each waits for the one two before it. So the first tiles' data come first, one is always queued behind
 * the running one, and "all transfers up to number k" is said with two dependencies, k and k - 1.
 *
 * Two arenas: while the card computes job j, job j + 1 is already being read.
 */
#include <stdio.h>

#include "../kernels/conv2d/conv2d.h"
#include "conv2d_layer.h"
#include "op.h"

#define ARENA_BYTES   (8ull << 20)   /* enough for 2.5 ms of reading; what is allocated must also be cleared */
#define ARENA_MOST    (512ull << 20) /* where small parts of an image would read many rows twice */
#define ARENA_LEAST   (256ull << 10)
#define PART_ALIGN    4096 /* parts of a BO start at multiples of it: pages, and any block size */
#define WEIGHTS_PIECE (1u << 20)

/* In the order of names[] */
enum {
	ARG_X,
	ARG_W,
	ARG_COEF,
	ARG_Y,
	ARG_STATUS,
	ARG_FIRST_FILTER,
	ARG_FILTERS,
	ARG_GROUP_FILTERS,
	ARG_CHANNELS,
	ARG_IN_H,
	ARG_IN_W,
	ARG_BAND_ROW,
	ARG_BAND_ROWS,
	ARG_KERNEL_H,
	ARG_KERNEL_W,
	ARG_STRIDE,
	ARG_DILATION,
	ARG_PAD_TOP,
	ARG_PAD_LEFT,
	ARG_OUT_W,
	ARG_OUT_ROW,
	ARG_OUT_ROWS,
	ARG_OUT_COL,
	ARG_OUT_COLS,
	ARG_X_PITCH,
	ARG_X_STRIDE,
	ARG_X_SKEW,
	ARG_X_MASK,
	ARG_Y_PITCH,
	ARG_X_ZERO,
	ARG_Y_ZERO,
	ARG_FLAGS,
	ARG_CLIP_LO,
	ARG_CLIP_HI,
	ARG_NR
};

static const char *const names[ARG_NR] = {
	"x", "w", "coef", "y", "status",
	"first_filter", "filters", "group_filters", "channels", "in_h", "in_w", "band_row", "band_rows",
	"kernel_h", "kernel_w", "stride", "dilation", "pad_top", "pad_left", "out_w", "out_row", "out_rows", "out_col",
	"out_cols", "x_pitch", "x_stride", "x_skew", "x_mask", "y_pitch", "x_zero", "y_zero", "flags", "clip_lo", "clip_hi",
};

/* One of the two jobs in flight. */
struct flight {
	struct smartssd_op_job job;
	struct smartssd_bo arena;
	struct conv2d_region region;
	struct conv2d_program program;
	uint32_t *tiles;	   /* of the i-th RUN: its step in the program, ... */
	uint32_t *commands;	   /* ... its command, ... */
	uint32_t *status;	   /* ... and the words it left */
	uint8_t *seen;		   /* blocks of x that loads brought */
	uint8_t *staging;	   /* x from host memory, in pieces that are not contiguous there */
};

struct conv2d_call {
	struct smartssd_op op;
	const struct smartssd_conv2d *what;
	uint8_t *y;
	struct smartssd_op_source x, w;
	struct smartssd_op_kernel kernel;
	struct conv2d_plan plan;
	struct smartssd_bo weights;
	int32_t *coef;
	uint64_t coef_bytes;
	uint64_t w_start;    /* block-aligned file offset of the first weight's block ... */
	uint64_t w_at;	     /* ... where it is in the BO ... */
	uint64_t w_bytes;    /* ... and how many bytes of whole blocks all weights take */
	uint8_t *w_seen;
	uint64_t y_at, status_at; /* in an arena */
	uint32_t *zeros;
	struct conv2d_extents extents;
	struct flight flights[2];
	int chain[2];	     /* the last two transfers of the list that is being built, or -1 */
	uint64_t done;	     /* tiles */
};

/* @cmd: what smartssd_list_... returned, an error. */
static int cannot_extend(struct conv2d_call *c, struct smartssd_list *list, int cmd)
{
	return smartssd_fail(c->op.err, cmd, "a list of %u commands cannot be extended: %s", smartssd_list_count(list),
			     strerror(-cmd));
}

/* Take @cmd (or an error) as the next transfer. */
static int link_transfer(struct conv2d_call *c, struct smartssd_list *list, int cmd)
{
	if (cmd < 0)
		return cannot_extend(c, list, cmd);
	if (c->chain[1] >= 0)
		smartssd_list_depend(list, cmd, c->chain[1]);
	c->chain[1] = c->chain[0];
	c->chain[0] = cmd;
	return 0;
}

static void after_transfers(struct conv2d_call *c, struct smartssd_list *list, int cmd)
{
	for (int i = 0; i < 2; i++)
		if (c->chain[i] >= 0)
			smartssd_list_depend(list, cmd, c->chain[i]);
}

/* Extents as READs of at most SMARTSSD_MAX_EXTENTS each. */
static int add_reads(struct conv2d_call *c, struct smartssd_list *list, uint32_t file, uint32_t bo)
{
	int ret = 0;

	for (uint32_t at = 0, nr; at < c->extents.nr && !ret; at += nr) {
		nr = (uint32_t)min_u64(c->extents.nr - at, SMARTSSD_MAX_EXTENTS);
		ret = link_transfer(c, list, smartssd_list_read(list, file, bo, c->extents.ext + at, nr, c->what->io_flags));
	}
	return ret;
}

static int no_memory(struct conv2d_call *c)
{
	return smartssd_fail(c->op.err, -ENOMEM, "no host memory for the command lists of a convolution");
}

/* Weights of filters [filter, filter + filters). */
static int add_weights(struct conv2d_call *c, struct smartssd_list *list, uint32_t filter, uint32_t filters)
{
	const struct conv2d_layer *l = &c->plan.layer;
	uint64_t each = (uint64_t)l->group_channels * l->kernel_h * l->kernel_w, from = filter * each, bytes = filters * each,
		 start, end;

	if (!c->w.file)
		return link_transfer(c, list,
				     smartssd_list_copy_to(list, c->weights.bo, c->w_at + from, (const uint8_t *)c->w.data + from,
							   bytes));
	start = align_down(c->what->w.array.offset + from, c->w.align);
	end = align_up(c->what->w.array.offset + from + bytes, c->w.align);
	c->extents.nr = 0;
	if (conv2d_add_blocks(&c->extents, c->w_seen, start, start - c->w_start, end - start, c->w.align))
		return no_memory(c);
	for (uint32_t i = 0; i < c->extents.nr; i++)
		c->extents.ext[i].bo_offset += c->w_at;
	return add_reads(c, list, c->w.file, c->weights.bo);
}

static int add_coef(struct conv2d_call *c, struct smartssd_list *list)
{
	return link_transfer(c, list, smartssd_list_copy_to(list, c->weights.bo, 0, c->coef, c->coef_bytes));
}

/* x from host memory: rows of each channel to their slots. */
static int stage_rows(struct conv2d_call *c, struct flight *f, struct smartssd_list *list, const struct conv2d_step *load)
{
	const struct conv2d_layer *l = &c->plan.layer;
	const struct conv2d_region *r = &f->region;
	uint64_t bytes = (uint64_t)load->rows * l->in_w;

	if (!f->staging)
		f->staging = malloc(c->plan.x_bytes);
	if (!f->staging)
		return no_memory(c);
	for (uint32_t ch = r->channel; ch < r->channel_end; ch++)
		memcpy(f->staging + (ch - r->channel) * r->slot,
		       (const uint8_t *)c->x.data + conv2d_x_at(l, load->image, ch, load->row), bytes);
	return link_transfer(c, list, smartssd_list_copy_to(list, f->arena.bo, 0, f->staging, r->x_bytes));
}

static int add_load(struct conv2d_call *c, struct flight *f, struct smartssd_list *list, const struct conv2d_step *load)
{
	const struct conv2d_layer *l = &c->plan.layer;
	const struct conv2d_region *r = &f->region;
	uint64_t start, end;

	if (c->x.file) {
		if (conv2d_load_extents(&c->plan, r, load, f->seen, &c->extents) < 0)
			return no_memory(c);
		return add_reads(c, list, c->x.file, f->arena.bo);
	}
	if (!r->flat)
		return stage_rows(c, f, list, load);
	start = conv2d_x_at(l, load->image, r->channel, 0);
	end = conv2d_x_at(l, load->image + load->images - 1, r->channel_end, 0);
	return link_transfer(c, list,
			     smartssd_list_copy_to(list, f->arena.bo, start - r->file_start, (const uint8_t *)c->x.data + start,
						   end - start));
}

static uint64_t tile_macs(const struct conv2d_layer *l, const struct conv2d_step *t)
{
	return (uint64_t)t->filters * t->rows * t->cols * l->group_channels * l->kernel_h * l->kernel_w;
}

static int add_tile(struct conv2d_call *c, struct flight *f, struct smartssd_list *list, uint32_t step, uint32_t number)
{
	const struct conv2d_layer *l = &c->plan.layer;
	const struct conv2d_step *t = &f->program.steps[step];
	const struct conv2d_region *r = &f->region;
	struct smartssd_op_kernel *k = &c->kernel;
	struct conv2d_x_address x;
	uint64_t each = (uint64_t)l->group_channels * l->kernel_h * l->kernel_w, y_from;
	uint32_t image = t->image - r->image, filter = t->filter - r->filter, timeout;
	int cmd;

	conv2d_x_address(&c->plan, r, t, &x);
	y_from = ((uint64_t)image * (r->filter_end - r->filter) + filter) * r->y_pitch + (uint64_t)(t->row - r->row) * l->out_w;
	smartssd_op_pointer(k, ARG_X, f->arena.bo, x.offset, x.bytes);
	smartssd_op_pointer(k, ARG_W, c->weights.bo,
			    c->w_at + (c->w.file ? c->what->w.array.offset - c->w_start : 0) + t->filter * each,
			    t->filters * each);
	smartssd_op_pointer(k, ARG_COEF, c->weights.bo, (uint64_t)t->filter * CONV2D_COEF_WORDS * 4,
			    (uint64_t)t->filters * CONV2D_COEF_WORDS * 4);
	smartssd_op_pointer(k, ARG_Y, f->arena.bo, c->y_at + y_from, r->y_bytes - y_from);
	smartssd_op_pointer(k, ARG_STATUS, f->arena.bo, c->status_at + (uint64_t)number * KERNEL_STATUS_WORDS * 4,
			    KERNEL_STATUS_WORDS * 4);
	smartssd_op_scalar(k, ARG_FIRST_FILTER, t->filter);
	smartssd_op_scalar(k, ARG_FILTERS, t->filters);
	smartssd_op_scalar(k, ARG_OUT_ROW, t->row);
	smartssd_op_scalar(k, ARG_OUT_ROWS, t->rows);
	smartssd_op_scalar(k, ARG_OUT_COL, t->col);
	smartssd_op_scalar(k, ARG_OUT_COLS, t->cols);
	smartssd_op_scalar(k, ARG_BAND_ROW, x.band_row);
	smartssd_op_scalar(k, ARG_BAND_ROWS, x.band_rows);
	smartssd_op_scalar(k, ARG_X_PITCH, x.pitch);
	smartssd_op_scalar(k, ARG_X_STRIDE, x.stride);
	smartssd_op_scalar(k, ARG_X_SKEW, x.skew);
	smartssd_op_scalar(k, ARG_X_MASK, x.mask);
	smartssd_op_scalar(k, ARG_Y_PITCH, (uint32_t)r->y_pitch);

	/* One multiply-accumulate per clock at 100 MHz is the slowest kernel that counts as alive. */
	timeout = (uint32_t)(10000 + tile_macs(l, t) / 100000);
	cmd = smartssd_list_run(list, k->mask, k->args, k->nr, timeout);
	if (cmd < 0)
		return cannot_extend(c, list, cmd);
	after_transfers(c, list, cmd);
	f->tiles[number] = step;
	f->commands[number] = (uint32_t)cmd;
	return 0;
}

/* Finished output rows to the caller's y. */
static int add_flush(struct conv2d_call *c, struct flight *f, struct smartssd_list *list, const struct conv2d_step *s)
{
	const struct conv2d_layer *l = &c->plan.layer;
	const struct conv2d_region *r = &f->region;
	uint64_t plane = (uint64_t)l->out_h * l->out_w, filters = r->filter_end - r->filter;
	/* All rows: then filters, and images when the region has all filters, lie one behind another on both sides. */
	bool whole = s->rows == l->out_h;
	uint64_t pieces = whole ? (filters == l->filters ? 1 : s->images) : s->images * filters;
	uint64_t bytes = whole ? s->images * filters * plane / pieces : (uint64_t)s->rows * l->out_w;
	int first = -1;

	for (uint64_t i = 0; i < pieces; i++) {
		uint64_t image = whole ? i : i / filters, filter = whole ? 0 : i % filters;
		uint64_t from =
			((s->image - r->image + image) * filters + filter) * r->y_pitch + (uint64_t)(s->row - r->row) * l->out_w;
		uint64_t to = ((s->image + image) * l->filters + r->filter + filter) * plane + (uint64_t)s->row * l->out_w;
		int cmd = smartssd_list_copy_from(list, c->y + to, f->arena.bo, c->y_at + from, bytes);

		if (cmd < 0)
			return cannot_extend(c, list, cmd);
		if (first < 0) {
			smartssd_list_barrier(list, cmd); /* all tiles so far */
			first = cmd;
		} else {
			smartssd_list_depend(list, cmd, first);
		}
	}
	return 0;
}

static int build_job(struct conv2d_call *c, struct flight *f, uint64_t job, bool weights)
{
	struct smartssd_list *list = f->job.list;
	uint64_t status_bytes;
	uint32_t number = 0, pending = 0, pending_from = 0;
	int ret, cmd;

	smartssd_list_clear(list);
	c->chain[0] = c->chain[1] = -1;
	conv2d_region(&c->plan, job, &f->region);
	ret = conv2d_program(&c->plan, &f->region, weights, &f->program);
	if (ret)
		return no_memory(c);
	if (f->seen)
		memset(f->seen, 0, div_up(c->plan.x_bytes / c->x.align, 8) + 1);
	status_bytes = (uint64_t)f->program.tiles * KERNEL_STATUS_WORDS * 4;
	ret = link_transfer(c, list, smartssd_list_copy_to(list, f->arena.bo, c->status_at, c->zeros, status_bytes));
	if (!ret && weights)
		ret = add_coef(c, list);
	for (uint32_t i = 0; i < f->program.nr && !ret; i++) {
		const struct conv2d_step *s = &f->program.steps[i];

		switch (s->kind) {
		case CONV2D_WEIGHTS:
			/* Small weights come in one go, with the first filters. */
			if (s->filter < pending_from)
				break;
			pending = s->filters;
			if (c->w_bytes <= WEIGHTS_PIECE)
				pending = c->plan.layer.filters;
			pending_from = s->filter + pending;
			ret = add_weights(c, list, s->filter, pending);
			break;
		case CONV2D_LOAD:
			ret = add_load(c, f, list, s);
			break;
		case CONV2D_TILE:
			ret = add_tile(c, f, list, i, number++);
			break;
		default:
			ret = add_flush(c, f, list, s);
			break;
		}
	}
	if (ret)
		return ret;
	cmd = smartssd_list_copy_from(list, f->status, f->arena.bo, c->status_at, status_bytes);
	if (cmd < 0)
		return cannot_extend(c, list, cmd);
	smartssd_list_barrier(list, cmd);
	return 0;
}

/* "tile 3 (image 0, filters 0-63, rows 16-31, columns 0-55)" */
static void name_tile(const struct flight *f, uint32_t number, char *text, size_t bytes)
{
	const struct conv2d_step *t = &f->program.steps[f->tiles[number]];

	snprintf(text, bytes, "tile %u (image %u, filters %u-%u, rows %u-%u, columns %u-%u)", number, t->image, t->filter,
		 t->filter + t->filters - 1, t->row, t->row + t->rows - 1, t->col, t->col + t->cols - 1);
}

static int check_status(struct conv2d_call *c, struct flight *f)
{
	static const char *const buffers[] = { "x", "w", "coef", "y" };
	char tile[128];

	for (uint32_t i = 0; i < f->program.tiles; i++) {
		const uint32_t *status = f->status + (uint64_t)i * KERNEL_STATUS_WORDS;
		unsigned long long cu = f->job.results[f->commands[i]].detail;

		if (status[0] == KERNEL_OK)
			continue;
		name_tile(f, i, tile, sizeof(tile));
		switch (status[0]) {
		case 0:
			return smartssd_fail(c->op.err, -EIO,
					     "conv2d %s: compute unit %llu signalled completion but never ran: its results are void; "
					     "reset it (smartssd_cu_reset)",
					     tile, cu);
		case KERNEL_BAD_SHAPE:
			return smartssd_fail(c->op.err, -EIO,
					     "conv2d %s: the kernel on compute unit %llu refused its arguments (check %u, detail %u): the "
					     "xclbin's kernel and this library are of different versions",
					     tile, cu, status[1], status[2]);
		case KERNEL_BAD_RANGE:
			return smartssd_fail(
				c->op.err, -EIO,
				"conv2d %s: the kernel on compute unit %llu would have left buffer %s: the xclbin's kernel and "
				"this library are of different versions",
				tile, cu, status[1] < ARRAY_SIZE(buffers) ? buffers[status[1]] : "?");
		default:
			return smartssd_fail(c->op.err, -EIO,
					     "conv2d %s: the kernel on compute unit %llu left an unknown status %u", tile, cu,
					     status[0]);
		}
	}
	return 0;
}

/* Wait for a flight, judge it, report progress. */
static int land(struct conv2d_call *c, struct flight *f)
{
	char tile[128], text[sizeof(c->op.err->text)];
	uint32_t failed;
	int ret;

	if (!f->job.flying)
		return 0;
	ret = smartssd_op_wait(&c->op, &f->job, &failed);
	if (ret) {
		for (uint32_t i = 0; c->op.err && i < f->program.tiles; i++)
			if (f->commands[i] == failed) {
				name_tile(f, i, tile, sizeof(tile));
				memcpy(text, c->op.err->text, sizeof(text));
				smartssd_fail(c->op.err, ret, "conv2d %s: %s", tile, text);
			}
		return ret;
	}
	ret = check_status(c, f);
	if (ret)
		return ret;
	c->done += f->program.tiles;
	return smartssd_op_progress(&c->op, c->done, c->plan.tiles);
}

/* Coefficients and all weights by themselves, when several jobs need them: there are no dependencies between jobs. */
static int weights_first(struct conv2d_call *c)
{
	struct smartssd_list *list = c->flights[0].job.list;
	uint32_t failed;
	int ret;

	c->chain[0] = c->chain[1] = -1;
	ret = add_coef(c, list);
	if (!ret)
		ret = add_weights(c, list, 0, c->plan.layer.filters);
	if (!ret)
		ret = smartssd_op_submit(&c->op, &c->flights[0].job);
	if (!ret)
		ret = smartssd_op_wait(&c->op, &c->flights[0].job, &failed);
	return ret;
}

static int run_jobs(struct conv2d_call *c)
{
	int ret = smartssd_op_progress(&c->op, 0, c->plan.tiles);

	if (!ret && c->plan.jobs > 1)
		ret = weights_first(c);
	for (uint64_t job = 0; job < c->plan.jobs && !ret; job++) {
		struct flight *f = &c->flights[job % 2];

		ret = land(c, f);
		if (!ret)
			ret = build_job(c, f, job, c->plan.jobs == 1);
		if (!ret)
			ret = smartssd_op_submit(&c->op, &f->job);
	}
	for (uint64_t i = 0; i < 2 && !ret; i++)
		ret = land(c, &c->flights[(c->plan.jobs + i) % 2]);
	c->op.report.tiles = (uint32_t)c->plan.tiles;
	return ret;
}

static void fill_coef(struct conv2d_call *c)
{
	const struct smartssd_conv2d *what = c->what;

	for (uint32_t m = 0; m < c->plan.layer.filters; m++) {
		int32_t *coef = c->coef + (uint64_t)m * CONV2D_COEF_WORDS;
		float mult = (what->x_scale * what->w_scale[what->w_scales > 1 ? m : 0]) / what->y_scale;

		coef[CONV2D_COEF_BIAS] = what->bias ? what->bias[m] : 0;
		coef[CONV2D_COEF_ZERO] = what->w_zero[what->w_zeros > 1 ? m : 0];
		memcpy(&coef[CONV2D_COEF_MULT], &mult, sizeof(mult));
	}
}

/* The arguments that are the same for all tiles. */
static void fill_scalars(struct conv2d_call *c)
{
	const struct conv2d_layer *l = &c->plan.layer;
	const struct smartssd_conv2d *what = c->what;
	struct smartssd_op_kernel *k = &c->kernel;

	smartssd_op_scalar(k, ARG_GROUP_FILTERS, l->group_filters);
	smartssd_op_scalar(k, ARG_CHANNELS, l->group_channels);
	smartssd_op_scalar(k, ARG_IN_H, l->in_h);
	smartssd_op_scalar(k, ARG_IN_W, l->in_w);
	smartssd_op_scalar(k, ARG_KERNEL_H, l->kernel_h);
	smartssd_op_scalar(k, ARG_KERNEL_W, l->kernel_w);
	smartssd_op_scalar(k, ARG_STRIDE, l->stride_h | l->stride_w << 16);
	smartssd_op_scalar(k, ARG_DILATION, l->dilation_h | l->dilation_w << 16);
	smartssd_op_scalar(k, ARG_PAD_TOP, l->pad_top);
	smartssd_op_scalar(k, ARG_PAD_LEFT, l->pad_left);
	smartssd_op_scalar(k, ARG_OUT_W, l->out_w);
	smartssd_op_scalar(k, ARG_X_ZERO, (uint32_t)what->x_zero);
	smartssd_op_scalar(k, ARG_Y_ZERO, (uint32_t)what->y_zero);
	smartssd_op_scalar(k, ARG_FLAGS, (what->x.array.type == SMARTSSD_I1 ? CONV2D_X_SIGNED : 0) |
					 (what->w.array.type == SMARTSSD_I1 ? CONV2D_W_SIGNED : 0) |
					 (what->y_type == SMARTSSD_I1 ? CONV2D_Y_SIGNED : 0));
	smartssd_op_scalar(k, ARG_CLIP_LO, (uint32_t)what->clip[0]);
	smartssd_op_scalar(k, ARG_CLIP_HI, (uint32_t)what->clip[1]);
}

/* Weights' place on the card, and the host memory of the flights. */
static int prepare_weights(struct conv2d_call *c)
{
	const struct smartssd_array *w = &c->what->w.array;

	c->coef_bytes = (uint64_t)c->plan.layer.filters * CONV2D_COEF_WORDS * 4;
	c->coef = malloc(c->coef_bytes);
	c->w_at = align_up(c->coef_bytes, PART_ALIGN);
	c->w_start = c->w.file ? align_down(w->offset, c->w.align) : 0;
	c->w_bytes = c->w.file ? align_up(w->offset + w->bytes, c->w.align) - c->w_start : w->bytes;
	if (c->w.file)
		c->w_seen = calloc(1, c->w_bytes / c->w.align / 8 + 1);
	if (!c->coef || (c->w.file && !c->w_seen))
		return no_memory(c);
	fill_coef(c);
	return smartssd_op_bo(&c->op, c->w_at + c->w_bytes, "the weights", &c->weights);
}

static int prepare_flight(struct conv2d_call *c, struct flight *f)
{
	uint64_t tiles = c->plan.job_tiles;

	f->tiles = malloc(tiles * sizeof(*f->tiles));
	f->commands = malloc(tiles * sizeof(*f->commands));
	f->status = malloc(tiles * KERNEL_STATUS_WORDS * 4);
	if (c->x.file)
		f->seen = malloc(div_up(c->plan.x_bytes / c->x.align, 8) + 1);
	if (!f->tiles || !f->commands || !f->status || (c->x.file && !f->seen) || smartssd_list_create(&f->job.list))
		return no_memory(c);
	return smartssd_op_bo(&c->op, c->status_at + tiles * KERNEL_STATUS_WORDS * 4, "input and output tiles", &f->arena);
}

static void free_flight(struct conv2d_call *c, struct flight *f)
{
	smartssd_op_job_free(&c->op, &f->job);
	if (f->arena.bo)
		smartssd_bo_destroy(c->op.dev, f->arena.bo);
	free(f->program.steps);
	free(f->tiles);
	free(f->commands);
	free(f->status);
	free(f->seen);
	free(f->staging);
	*f = (struct flight){ 0 };
}

/* The smallest arena up to @most with which few rows are read twice. */
static int plan_arenas(struct conv2d_call *c, const struct conv2d_layer *layer, uint64_t most)
{
	struct conv2d_limits limits = { .cus = c->kernel.cus, .arena_bytes = min_u64(ARENA_BYTES, most) };
	uint64_t once = conv2d_x_at(layer, layer->images, 0, 0);
	int ret;

	for (;;) {
		ret = conv2d_plan(layer, &limits, &c->plan, c->op.err);
		if (limits.arena_bytes == most || (ret && ret != -ENOMEM) || (!ret && c->plan.loaded <= once + once / 32))
			return ret;
		limits.arena_bytes = min_u64(limits.arena_bytes * 2, most);
	}
}

/* Plan for the memory that is free, and with less when it turns out to be in pieces. */
static int prepare_arenas(struct conv2d_call *c, const struct conv2d_layer *layer)
{
	struct smartssd_query query;
	uint64_t most, slack;
	int ret = smartssd_query(c->op.dev, &query);

	if (ret)
		return smartssd_fail(c->op.err, ret, "the card does not answer a query: %s", strerror(-ret));
	/* The two parts behind x are aligned, and so is the BO. */
	slack = 3 * max_u64(PART_ALIGN, query.bo_align);
	for (most = min_u64(query.ddr_free / 2, ARENA_MOST);; most /= 2) {
		most -= min_u64(most, slack);
		ret = plan_arenas(c, layer, most);
		if (ret)
			return ret;
		c->y_at = align_up(c->plan.x_bytes, PART_ALIGN);
		c->status_at = align_up(c->y_at + c->plan.y_bytes, PART_ALIGN);
		for (uint64_t i = 0; i < min_u64(c->plan.jobs, 2) && !ret; i++)
			ret = prepare_flight(c, &c->flights[i]);
		if (ret != -ENOMEM || most < ARENA_LEAST)
			return ret;
		free_flight(c, &c->flights[0]);
		free_flight(c, &c->flights[1]);
	}
}

static int prepare(struct conv2d_call *c)
{
	struct conv2d_layer layer;
	int ret = conv2d_layer(c->what, &layer, c->op.err);

	if (!ret)
		ret = smartssd_op_check_flags(c->op.err, c->what->io_flags);
	if (!ret)
		ret = smartssd_op_kernel(&c->op, "conv2d", names, ARG_NR, &c->kernel);
	if (!ret)
		ret = smartssd_op_source_open(&c->op, &c->what->x, "x", &c->x);
	if (!ret)
		ret = smartssd_op_source_open(&c->op, &c->what->w, "w", &c->w);
	if (ret)
		return ret;
	layer.x_align = c->x.align;
	layer.x_offset = c->x.file ? c->what->x.array.offset : 0;
	c->plan.layer = layer;
	ret = prepare_weights(c);
	if (!ret)
		ret = prepare_arenas(c, &layer);
	if (ret)
		return ret;
	fill_scalars(c);
	c->zeros = calloc(c->plan.job_tiles, KERNEL_STATUS_WORDS * 4);
	c->op.report.host_only_bytes = (c->x.file ? c->what->x.array.bytes : 0) + (c->w.file ? c->what->w.array.bytes : 0);
	return c->zeros ? 0 : no_memory(c);
}

int smartssd_conv2d(struct smartssd_device *dev, const struct smartssd_conv2d *op, void *y, struct smartssd_report *report,
		    const struct smartssd_progress *progress, struct smartssd_error *err)
{
	struct conv2d_call c = { .what = op, .y = y };
	int ret = smartssd_op_begin(&c.op, dev, progress, err);

	if (ret)
		return ret;
	ret = prepare(&c);
	if (!ret)
		ret = run_jobs(&c);
	free_flight(&c, &c.flights[0]);
	free_flight(&c, &c.flights[1]);
	ret = smartssd_op_end(&c.op, ret, report);
	if (c.weights.bo)
		smartssd_bo_destroy(dev, c.weights.bo);
	smartssd_op_source_close(&c.op, &c.x);
	smartssd_op_source_close(&c.op, &c.w);
	free(c.coef);
	free(c.zeros);
	free(c.w_seen);
	free(c.extents.ext);
	return ret;
}
