// SPDX-License-Identifier: BSD-2-Clause
/* The steps of a job, the extents of its loads, and where its tiles find their input. conv2d_plan.h has the terms. */
#include "conv2d_plan.h"

static int add_step(struct conv2d_program *program, const struct conv2d_step *step)
{
	int ret = smartssd_grow(&program->steps, &program->room, program->nr + 1ull, 256, sizeof(*step));

	if (ret)
		return ret;
	program->steps[program->nr++] = *step;
	program->tiles += step->kind == CONV2D_TILE;
	return 0;
}

/* Input rows up to where output rows below @end read; at least the first row of the region. */
static uint32_t rows_needed(const struct conv2d_layer *l, const struct conv2d_region *r, uint32_t end)
{
	int64_t need = (int64_t)(end - 1) * l->stride_h - l->pad_top + (int64_t)(l->kernel_h - 1) * l->dilation_h + 1;

	if (need <= (int64_t)r->in_row)
		return r->in_row + 1;
	return (uint32_t)min_u64((uint64_t)need, r->in_row_end);
}

/* All tiles of output rows [row, row + rows) of one image. */
static int add_tiles(const struct conv2d_plan *p, const struct conv2d_region *r, uint32_t image, uint32_t row, uint32_t rows,
		     bool weights, struct conv2d_program *program)
{
	const struct conv2d_layer *l = &p->layer;
	uint32_t filters, cols;
	int ret;

	for (uint32_t f = r->filter; f < r->filter_end; f += filters) {
		filters = conv2d_filters_from(l, p->tile_filters, f, r->filter_end);
		if (weights && image == r->image && row == r->row) {
			ret = add_step(program, &(struct conv2d_step){ .kind = CONV2D_WEIGHTS, .filter = f, .filters = filters });
			if (ret)
				return ret;
		}
		for (uint32_t col = 0; col < l->out_w; col += cols) {
			cols = (uint32_t)min_u64(p->tile_cols, l->out_w - col);
			ret = add_step(program, &(struct conv2d_step){ .kind = CONV2D_TILE,
								       .image = image,
								       .images = 1,
								       .filter = f,
								       .filters = filters,
								       .row = row,
								       .rows = rows,
								       .col = col,
								       .cols = cols });
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int add_image(const struct conv2d_plan *p, const struct conv2d_region *r, uint32_t image, bool weights,
		     struct conv2d_program *program)
{
	const struct conv2d_layer *l = &p->layer;
	struct conv2d_step load = { .kind = CONV2D_LOAD, .image = image, .images = 1 };
	struct conv2d_step flush = { .kind = CONV2D_FLUSH, .image = image, .images = 1, .row = r->row };
	bool whole = p->load_images > 1; /* loads and flushes take several whole images */
	uint32_t loaded = r->in_row, rows, last;
	int ret = 0;

	if (whole) {
		loaded = r->in_row_end;
		if ((image - r->image) % p->load_images == 0) {
			load.images = (uint32_t)min_u64(p->load_images, r->image_end - image);
			load.row = r->in_row;
			load.rows = r->in_row_end - r->in_row;
			ret = add_step(program, &load);
		}
	}
	for (uint32_t row = r->row; row < r->row_end && !ret; row += rows) {
		rows = (uint32_t)min_u64(p->tile_rows, r->row_end - row);
		while (loaded < rows_needed(l, r, row + rows) && !ret) {
			load.row = loaded;
			load.rows = (uint32_t)min_u64(p->load_rows, r->in_row_end - loaded);
			/* No crumb at the end. */
			if (r->in_row_end - loaded - load.rows < p->load_rows / 2)
				load.rows = r->in_row_end - loaded;
			loaded += load.rows;
			ret = add_step(program, &load);
		}
		if (!ret)
			ret = add_tiles(p, r, image, row, rows, weights, program);
		if (!ret && !whole && (row + rows == r->row_end || row + rows - flush.row >= p->flush_rows)) {
			flush.rows = row + rows - flush.row;
			ret = add_step(program, &flush);
			flush.row = row + rows;
		}
	}
	last = (image - r->image) % p->load_images;
	if (!ret && whole && (last == p->load_images - 1 || image + 1 == r->image_end)) {
		flush.image = image - last;
		flush.images = last + 1;
		flush.rows = r->row_end - r->row;
		ret = add_step(program, &flush);
	}
	return ret;
}

int conv2d_program(const struct conv2d_plan *plan, const struct conv2d_region *region, bool weights, struct conv2d_program *program)
{
	int ret = 0;

	program->nr = 0;
	program->tiles = 0;
	for (uint32_t image = region->image; image < region->image_end && !ret; image++)
		ret = add_image(plan, region, image, weights, program);
	return ret;
}

static int add_extent(struct conv2d_extents *out, uint64_t file_offset, uint64_t bo_offset, uint64_t bytes)
{
	struct smartssd_extent *last = out->nr ? &out->ext[out->nr - 1] : NULL;
	int ret;

	if (last && last->file_offset + last->bytes == file_offset && last->bo_offset + last->bytes == bo_offset) {
		last->bytes += bytes;
		return 0;
	}
	ret = smartssd_grow(&out->ext, &out->room, out->nr + 1ull, 256, sizeof(*out->ext));
	if (ret)
		return ret;
	out->ext[out->nr++] = (struct smartssd_extent){ file_offset, bo_offset, bytes };
	return 0;
}

int conv2d_add_blocks(struct conv2d_extents *out, uint8_t *seen, uint64_t file_offset, uint64_t bo_offset, uint64_t bytes,
		      uint64_t align)
{
	int ret;

	for (uint64_t at = 0; at < bytes; at += align) {
		uint64_t block = (bo_offset + at) / align;

		if (seen[block / 8] >> (block % 8) & 1)
			continue;
		seen[block / 8] |= (uint8_t)(1u << (block % 8));
		ret = add_extent(out, file_offset + at, bo_offset + at, align);
		if (ret)
			return ret;
	}
	return 0;
}

int conv2d_load_extents(const struct conv2d_plan *plan, const struct conv2d_region *r, const struct conv2d_step *load,
			uint8_t *seen, struct conv2d_extents *out)
{
	const struct conv2d_layer *l = &plan->layer;
	uint64_t start, end, to;
	int ret;

	out->nr = 0;
	for (uint32_t n = load->image; n < load->image + load->images; n++)
		for (uint32_t c = r->channel; c < r->channel_end; c++) {
			start = align_down(l->x_offset + conv2d_x_at(l, n, c, load->row), l->x_align);
			end = align_up(l->x_offset + conv2d_x_at(l, n, c, load->row + load->rows), l->x_align);
			if (r->flat)
				to = start - r->file_start;
			else
				to = (c - r->channel) * r->slot + start -
				     align_down(l->x_offset + conv2d_x_at(l, n, c, r->in_row), l->x_align);
			ret = conv2d_add_blocks(out, seen, start, to, end - start, l->x_align);
			if (ret)
				return ret;
		}
	return (int)out->nr;
}

void conv2d_x_address(const struct conv2d_plan *plan, const struct conv2d_region *r, const struct conv2d_step *tile,
		      struct conv2d_x_address *out)
{
	const struct conv2d_layer *l = &plan->layer;
	uint32_t first = tile->filter / l->group_filters * l->group_channels;
	uint32_t end = ((tile->filter + tile->filters - 1) / l->group_filters + 1) * l->group_channels;
	uint64_t at;

	*out = (struct conv2d_x_address){ 0 };
	if (r->flat) {
		at = l->x_offset + conv2d_x_at(l, tile->image, first, 0);
		out->offset = at - r->file_start;
		out->pitch = l->in_h * l->in_w;
		out->bytes = (uint64_t)(end - first) * out->pitch;
		out->band_rows = l->in_h;
	} else {
		at = l->x_offset + conv2d_x_at(l, tile->image, first, r->in_row);
		out->offset = (first - r->channel) * r->slot;
		out->pitch = (uint32_t)r->slot;
		out->bytes = (end - first) * r->slot;
		out->band_row = r->in_row;
		out->band_rows = r->in_row_end - r->in_row;
		out->stride = l->in_h * l->in_w; /* modulo 2^32: only the bits of the mask count */
		out->skew = (uint32_t)(at & (l->x_align - 1));
		out->mask = (uint32_t)(l->x_align - 1);
	}
}
