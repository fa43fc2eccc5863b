// SPDX-License-Identifier: BSD-2-Clause
/* Sizes: tiles within the kernel's on-chip limits, jobs within an arena. conv2d_plan.h has the terms. */
#include "../kernels/conv2d/conv2d.h"
#include "conv2d_plan.h"

#define TILE_OVERHEAD 65536.0	    /* what starting a run costs, in bytes that card memory could deliver meanwhile */
#define MAX_JOB_STEPS 3000	    /* leaves room below SMARTSSD_MAX_CMDS for copies */
#define MAX_JOB_MACS  4000000000ull /* beyond that, progress would be reported too rarely */
#define LOAD_BYTES    (256u << 10)  /* a READ worth a command of its own */
#define LOAD_PIECE    (16u << 10)   /* and a piece worth a separate NVMe command */
#define FLUSH_BYTES   (1u << 20)
#define FLUSH_PIECE   (32u << 10)

/* Input rows or columns that @out outputs in a row touch, of @size there are. */
static uint64_t window(uint64_t out, uint64_t stride, uint64_t kernel, uint64_t dilation, uint64_t size)
{
	return min_u64((out - 1) * stride + (kernel - 1) * dilation + 1, size);
}

/* Most output rows whose window of @cols columns fits the kernel's input buffer; 0: not even one. */
static uint32_t rows_that_fit(const struct conv2d_layer *l, uint64_t cols)
{
	uint64_t rows = CONV2D_X_BYTES / cols, span = (uint64_t)(l->kernel_h - 1) * l->dilation_h + 1;

	if (rows >= l->in_h)
		return l->out_h;
	if (rows < span)
		return 0;
	return (uint32_t)min_u64((rows - span) / l->stride_h + 1, l->out_h);
}

static uint32_t filter_blocks(const struct conv2d_layer *l, uint32_t size)
{
	if (size < l->group_filters)
		return (uint32_t)(l->filters / l->group_filters * div_up(l->group_filters, size));
	return (uint32_t)div_up(l->filters, size);
}

/* Channels that @filters filters (within one group, or whole groups) read. */
static uint64_t channels_of(const struct conv2d_layer *l, uint32_t filters)
{
	return div_up(filters, l->group_filters) * l->group_channels;
}

/* Card memory traffic of the layer with these tiles; the kernel reads each tile's window and weights once. */
static double tile_cost(const struct conv2d_layer *l, uint32_t filters, uint32_t rows, uint32_t cols, uint32_t cus)
{
	double terms = (double)l->group_channels * l->kernel_h * l->kernel_w;
	double tiles =
		(double)filter_blocks(l, filters) * (double)div_up(l->out_h, rows) * (double)div_up(l->out_w, cols) * l->images;
	double area = (double)window(rows, l->stride_h, l->kernel_h, l->dilation_h, l->in_h) *
		      (double)window(cols, l->stride_w, l->kernel_w, l->dilation_w, l->in_w);
	double rounds = (double)(uint64_t)((tiles + cus - 1) / cus);

	/* Units that have no tile in the last round wait: with few large tiles that costs more than smaller ones do. */
	return rounds * (area * (double)channels_of(l, filters) + filters * terms + TILE_OVERHEAD);
}

/* Try all column splits for tiles of @filters filters. */
static void try_filters(struct conv2d_plan *p, uint32_t filters, uint32_t cus, double *best)
{
	const struct conv2d_layer *l = &p->layer;
	uint32_t pixels = CONV2D_ACC_WORDS / filters;

	for (uint32_t parts = 1;; parts = parts < 16 ? parts + 1 : parts * 5 / 4) {
		uint32_t cols = (uint32_t)div_up(l->out_w, parts), rows;
		double cost;

		rows = cols <= pixels ? rows_that_fit(l, window(cols, l->stride_w, l->kernel_w, l->dilation_w, l->in_w)) : 0;
		rows = (uint32_t)min_u64(rows, pixels / cols);
		if (rows) {
			rows = (uint32_t)div_up(l->out_h, div_up(l->out_h, rows)); /* equal sizes */
			cost = tile_cost(l, filters, rows, cols, cus);
			if (*best < 0 || cost < *best) {
				*best = cost;
				p->tile_filters = filters;
				p->tile_rows = rows;
				p->tile_cols = cols;
			}
		}
		if (cols == 1)
			return;
	}
}

static int pick_tile(struct conv2d_plan *p, uint32_t cus, struct smartssd_error *err)
{
	const struct conv2d_layer *l = &p->layer;
	uint32_t taps = l->kernel_h * l->kernel_w, groups = l->filters / l->group_filters;
	uint32_t most = (uint32_t)min_u64(CONV2D_FILTERS, CONV2D_W_BYTES / taps);
	double best = -1;

	/* Several whole groups (depthwise layers) ... */
	for (uint32_t parts = 1; parts <= groups; parts = parts < 16 ? parts + 1 : parts * 5 / 4) {
		uint64_t filters = div_up(groups, parts) * l->group_filters;

		if (filters <= most)
			try_filters(p, (uint32_t)filters, cus, &best);
	}
	/* ... or a part of one. */
	for (uint32_t parts = 1; parts <= l->group_filters; parts = parts < 16 ? parts + 1 : parts * 5 / 4) {
		uint32_t filters = (uint32_t)div_up(l->group_filters, parts);

		if (filters <= most)
			try_filters(p, filters, cus, &best);
	}
	if (best < 0)
		try_filters(p, 1, cus, &best);
	if (best < 0)
		return smartssd_fail(
			err, -EINVAL,
			"a %u x %u kernel with dilation %u, %u reads a window of more than the %u bytes that the card's kernel "
			"buffers for one channel: use a smaller dilation or kernel",
			l->kernel_h, l->kernel_w, l->dilation_h, l->dilation_w, CONV2D_X_BYTES);
	return 0;
}

/* Fills in what follows from the region's ranges. */
static void derive_region(const struct conv2d_plan *p, struct conv2d_region *r)
{
	const struct conv2d_layer *l = &p->layer;
	int64_t first = (int64_t)r->row * l->stride_h - l->pad_top;
	int64_t last = (int64_t)(r->row_end - 1) * l->stride_h - l->pad_top + (int64_t)(l->kernel_h - 1) * l->dilation_h;
	uint64_t span, start, end;

	r->channel = r->filter / l->group_filters * l->group_channels;
	r->channel_end = ((r->filter_end - 1) / l->group_filters + 1) * l->group_channels;
	r->in_row = (uint32_t)(first < 0 ? 0 : first >= l->in_h ? l->in_h - 1 : first);
	r->in_row_end = (uint32_t)(last < 0 ? 1 : last >= l->in_h ? l->in_h : last + 1);
	if (r->in_row_end <= r->in_row)
		r->in_row_end = r->in_row + 1;

	r->flat = r->row == 0 && r->row_end == l->out_h;
	r->slot = 0;
	r->file_start = 0;
	if (r->flat) {
		/* A few rows that nobody reads are no reason to read in pieces; host memory goes as a whole. */
		if (l->x_align == 1 || (uint64_t)(r->in_row_end - r->in_row) * 8 >= (uint64_t)l->in_h * 7) {
			r->in_row = 0;
			r->in_row_end = l->in_h;
		}
		start = l->x_offset + conv2d_x_at(l, r->image, r->channel, 0);
		end = l->x_offset + conv2d_x_at(l, r->image_end - 1, r->channel_end, 0);
		r->file_start = align_down(start, l->x_align);
		r->x_bytes = align_up(end, l->x_align) - r->file_start;
	} else {
		span = (uint64_t)(r->in_row_end - r->in_row) * l->in_w;
		r->slot = l->x_align == 1 ? span : align_up(span, l->x_align) + l->x_align;
		r->x_bytes = (r->channel_end - r->channel) * r->slot;
	}
	r->y_pitch = (uint64_t)(r->row_end - r->row) * l->out_w;
	r->y_bytes = (uint64_t)(r->image_end - r->image) * (r->filter_end - r->filter) * r->y_pitch;
}

void conv2d_region(const struct conv2d_plan *p, uint64_t job, struct conv2d_region *r)
{
	const struct conv2d_layer *l = &p->layer;
	uint64_t blocks = filter_blocks(l, p->job_filters), bands = div_up(l->out_h, p->job_rows);
	uint64_t block = job % blocks, band = job / blocks % bands, per_group;

	r->image = (uint32_t)(job / blocks / bands * p->job_images);
	r->image_end = (uint32_t)min_u64((uint64_t)r->image + p->job_images, l->images);
	r->row = (uint32_t)(band * p->job_rows);
	r->row_end = (uint32_t)min_u64((uint64_t)r->row + p->job_rows, l->out_h);
	if (p->job_filters < l->group_filters) {
		per_group = div_up(l->group_filters, p->job_filters);
		r->filter = (uint32_t)(block / per_group * l->group_filters + block % per_group * p->job_filters);
	} else {
		r->filter = (uint32_t)(block * p->job_filters);
	}
	r->filter_end = r->filter + conv2d_filters_from(l, p->job_filters, r->filter, l->filters);
	derive_region(p, r);
}

static uint64_t tiles_of(const struct conv2d_plan *p, uint64_t filters, uint64_t rows)
{
	const struct conv2d_layer *l = &p->layer;
	uint64_t blocks;

	if (p->tile_filters < l->group_filters)
		blocks = div_up(filters, l->group_filters) * div_up(min_u64(filters, l->group_filters), p->tile_filters);
	else
		blocks = div_up(filters, p->tile_filters);
	return blocks * div_up(rows, p->tile_rows) * div_up(l->out_w, p->tile_cols);
}

/* Would a job of one image, @filters filters and @rows output rows fit? *x_bytes: what it reads. */
static bool job_fits(const struct conv2d_plan *p, uint64_t arena, uint32_t filters, uint32_t rows, uint64_t *x_bytes)
{
	const struct conv2d_layer *l = &p->layer;
	uint64_t channels = channels_of(l, filters), tiles = tiles_of(p, filters, rows), need;

	if (rows == l->out_h)
		*x_bytes = channels * l->in_h * l->in_w;
	else
		*x_bytes = channels * (window(rows, l->stride_h, l->kernel_h, l->dilation_h, l->in_h) * l->in_w +
				       (l->x_align > 1 ? 2 * l->x_align : 0));
	need = *x_bytes + 2 * l->x_align + (uint64_t)filters * rows * l->out_w + tiles * 16;
	/* Each filter's rows go to the host as a copy of their own when they are not all. */
	return need <= arena && tiles <= MAX_JOB_STEPS &&
	       (rows == l->out_h || (filters <= MAX_JOB_STEPS / 3 && channels <= SMARTSSD_MAX_EXTENTS)) && *x_bytes <= UINT32_MAX;
}

static uint32_t most_rows(const struct conv2d_plan *p, uint64_t arena, uint32_t filters)
{
	uint32_t lo = 0, hi = p->layer.out_h;
	uint64_t x_bytes;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2 + 1;

		if (job_fits(p, arena, filters, mid, &x_bytes))
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

/* One image is too much for a job: take the filters and rows that read the fewest bytes in all. */
static void try_split(struct conv2d_plan *p, uint64_t arena, uint32_t filters, double *best)
{
	const struct conv2d_layer *l = &p->layer;
	uint32_t rows = most_rows(p, arena, filters);
	uint64_t x_bytes, jobs;
	double cost;

	if (!rows)
		return;
	jobs = (uint64_t)filter_blocks(l, filters) * div_up(l->out_h, rows);
	rows = (uint32_t)div_up(l->out_h, div_up(l->out_h, rows));
	if (rows % p->tile_rows) { /* no torn tiles, where that needs no more jobs */
		uint32_t whole = (uint32_t)min_u64(div_up(rows, p->tile_rows) * p->tile_rows, l->out_h);

		if (job_fits(p, arena, filters, whole, &x_bytes))
			rows = whole;
	}
	job_fits(p, arena, filters, rows, &x_bytes);
	cost = (double)jobs * ((double)x_bytes + LOAD_BYTES);
	if (*best < 0 || cost < *best) {
		*best = cost;
		p->job_filters = filters;
		p->job_rows = rows;
	}
}

static int split_image(struct conv2d_plan *p, uint64_t arena, struct smartssd_error *err)
{
	const struct conv2d_layer *l = &p->layer;
	uint32_t groups = l->filters / l->group_filters;
	uint64_t x_bytes;
	double best = -1;

	for (uint32_t parts = 1; parts <= groups; parts = parts < 16 ? parts + 1 : parts * 5 / 4)
		try_split(p, arena, (uint32_t)div_up(groups, parts) * l->group_filters, &best);
	for (uint32_t parts = 1; parts <= l->group_filters; parts = parts < 16 ? parts + 1 : parts * 5 / 4)
		try_split(p, arena, (uint32_t)div_up(l->group_filters, parts), &best);
	if (best < 0)
		try_split(p, arena, 1, &best);
	if (best >= 0)
		return 0;
	job_fits(p, arena, 1, 1, &x_bytes);
	return smartssd_fail(
		err, -ENOMEM,
		"one output row needs %llu bytes of input on the card, and %llu are free for a tile: free BOs, use a card with "
		"more memory (emu:ddr=...), or cut the image into narrower ones",
		(unsigned long long)x_bytes, (unsigned long long)arena);
}

/* Images, filters and rows of a job. */
static int pick_job(struct conv2d_plan *p, uint64_t arena, struct smartssd_error *err)
{
	const struct conv2d_layer *l = &p->layer;
	uint64_t macs, x_bytes, need, tiles, rows, images = l->images;

	macs = (uint64_t)l->filters * l->out_h * l->out_w * l->group_channels * l->kernel_h * l->kernel_w;
	p->job_images = 1;
	p->job_filters = l->filters;
	p->job_rows = l->out_h;
	if (!job_fits(p, arena, l->filters, l->out_h, &x_bytes))
		return split_image(p, arena, err);

	if (macs > MAX_JOB_MACS) {
		rows = div_up(l->out_h, div_up(macs, MAX_JOB_MACS / 2));
		rows = min_u64(div_up(rows, p->tile_rows) * p->tile_rows, l->out_h);
		if (rows * l->stride_h * l->in_w >= LOAD_PIECE && job_fits(p, arena, l->filters, (uint32_t)rows, &x_bytes))
			p->job_rows = (uint32_t)rows;
		return 0;
	}
	tiles = tiles_of(p, l->filters, l->out_h);
	need = x_bytes + (uint64_t)l->filters * l->out_h * l->out_w + tiles * 16;
	images = min_u64(images, max_u64(1, (arena - 2 * l->x_align) / need));
	images = min_u64(images, max_u64(1, MAX_JOB_STEPS / (tiles + 2)));
	images = min_u64(images, max_u64(1, MAX_JOB_MACS / 2 / macs));
	p->job_images = (uint32_t)div_up(l->images, div_up(l->images, images));
	return 0;
}

/* How much a LOAD and a FLUSH take, so that transfers overlap with computing but stay large enough. */
static void pick_steps(struct conv2d_plan *p)
{
	const struct conv2d_layer *l = &p->layer;
	uint64_t rows = p->job_rows == l->out_h ? l->in_h : window(p->job_rows, l->stride_h, l->kernel_h, l->dilation_h, l->in_h);
	uint64_t plane = rows * l->in_w, bytes = plane * channels_of(l, p->job_filters), parts;
	uint64_t out_plane = (uint64_t)p->job_rows * l->out_w;

	p->load_images = 1;
	parts = l->x_align == 1 ? 1 : min_u64(64, min_u64(bytes / LOAD_BYTES, plane / LOAD_PIECE));
	p->load_rows = (uint32_t)div_up(rows, max_u64(1, parts));
	if (p->job_images > 1 && bytes < LOAD_BYTES)
		p->load_images = (uint32_t)min_u64(p->job_images, div_up(LOAD_BYTES, bytes));

	parts = min_u64(min_u64(8, out_plane / FLUSH_PIECE),
			min_u64(out_plane * p->job_filters / FLUSH_BYTES, 1024 / p->job_filters));
	p->flush_rows = (uint32_t)min_u64(div_up(div_up(p->job_rows, max_u64(1, parts)), p->tile_rows) * p->tile_rows, UINT32_MAX);
}

int conv2d_plan(const struct conv2d_layer *layer, const struct conv2d_limits *limits, struct conv2d_plan *p,
		struct smartssd_error *err)
{
	uint64_t blocks;
	int ret;

	*p = (struct conv2d_plan){ .layer = *layer };
	ret = pick_tile(p, limits->cus ? limits->cus : 1, err);
	if (!ret)
		ret = pick_job(p, limits->arena_bytes, err);
	if (ret)
		return ret;
	pick_steps(p);

	blocks = filter_blocks(layer, p->job_filters);
	p->jobs = div_up(layer->images, p->job_images) * div_up(layer->out_h, p->job_rows) * blocks;
	for (uint64_t job = 0; job < p->jobs; job++) {
		struct conv2d_region r;
		uint64_t tiles;

		conv2d_region(p, job, &r);
		tiles = tiles_of(p, r.filter_end - r.filter, r.row_end - r.row) * (r.image_end - r.image);
		p->tiles += tiles;
		p->job_tiles = (uint32_t)max_u64(p->job_tiles, tiles);
		p->loaded += r.x_bytes;
		p->x_bytes = max_u64(p->x_bytes, r.x_bytes);
		p->y_bytes = max_u64(p->y_bytes, r.y_bytes);
	}
	return 0;
}
