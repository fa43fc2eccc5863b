// SPDX-License-Identifier: BSD-2-Clause
/*
 * The planner of conv2d. Its programs are played on a model: an arena whose bytes remember which byte of the file they hold. The
 * judge of a tile is the kernel's own check.
 */
#include "../../kernels/conv2d/conv2d_check.h"
#include "../../runtime/conv2d_layer.h"
#include "runtime_test.h"

/* What is played, and what has been seen so far. */
struct play {
	struct conv2d_plan plan;
	uint64_t arena_bytes;
	uint32_t *arena;   /* of byte i: file offset + 1, 0: nothing; only in small layers */
	uint8_t *outputs;  /* [n][m][oh][ow]: how often computed */
	uint8_t *flushed;  /* [n][m][oh]: how often copied */
	uint64_t computed, copied; /* elements, rows */
	uint64_t read_bytes;
	bool small;
};

static char what[400];

static void describe(const struct conv2d_layer *l, uint64_t arena)
{
	snprintf(what, sizeof(what),
		 "x %ux%ux%ux%u w %ux%ux%ux%u stride %u,%u dilation %u,%u pad %u,%u out %ux%u offset %llu align %llu arena %llu",
		 l->images, l->channels, l->in_h, l->in_w, l->filters, l->group_channels, l->kernel_h, l->kernel_w, l->stride_h,
		 l->stride_w, l->dilation_h, l->dilation_w, l->pad_top, l->pad_left, l->out_h, l->out_w,
		 (unsigned long long)l->x_offset, (unsigned long long)l->x_align, (unsigned long long)arena);
}

/* Each ck_assert sends a message to the parent process, which is slow in inner loops. */
#define must(expr)                                           \
	do {                                                 \
		if (!(expr))                                 \
			ck_abort_msg("%s; %s", #expr, what); \
	} while (0)

static void play_load(struct play *p, const struct conv2d_region *r, const struct conv2d_step *s, uint8_t *seen,
		      struct conv2d_extents *extents)
{
	const struct conv2d_layer *l = &p->plan.layer;
	uint64_t file_bytes = l->x_offset + conv2d_x_at(l, l->images, 0, 0);

	must(s->image >= r->image && s->image + s->images <= r->image_end && s->images > 0);
	must(s->row >= r->in_row && s->row + s->rows <= r->in_row_end && s->rows > 0);
	if (l->x_align == 1) {
		/* Host memory: all rows of the region at once. */
		must(s->row == r->in_row && s->row + s->rows == r->in_row_end);
		if (p->small)
			for (uint32_t n = s->image; n < s->image + s->images; n++)
				for (uint32_t c = r->channel; c < r->channel_end; c++)
					for (uint64_t i = 0; i < (uint64_t)s->rows * l->in_w; i++) {
						uint64_t from = l->x_offset + conv2d_x_at(l, n, c, s->row) + i;
						uint64_t to = r->flat ? from - r->file_start : (c - r->channel) * r->slot + i;

						must(to < r->x_bytes);
						p->arena[to] = (uint32_t)from + 1;
					}
		return;
	}
	must(conv2d_load_extents(&p->plan, r, s, seen, extents) >= 0);
	must(extents->nr <= SMARTSSD_MAX_EXTENTS);
	for (uint32_t i = 0; i < extents->nr; i++) {
		const struct smartssd_extent *e = &extents->ext[i];

		must(e->bytes > 0 && (e->file_offset | e->bo_offset | e->bytes) % l->x_align == 0);
		must(e->bo_offset + e->bytes <= r->x_bytes);
		must(e->file_offset < file_bytes && e->file_offset + e->bytes < file_bytes + l->x_align);
		p->read_bytes += e->bytes;
		if (p->small)
			for (uint64_t b = 0; b < e->bytes; b++) {
				must(p->arena[e->bo_offset + b] == 0);
				p->arena[e->bo_offset + b] = (uint32_t)(e->file_offset + b) + 1;
			}
	}
}

static struct conv2d_tile kernel_tile(const struct conv2d_plan *p, const struct conv2d_region *r, const struct conv2d_step *s,
				      const struct conv2d_x_address *x)
{
	const struct conv2d_layer *l = &p->layer;

	return (struct conv2d_tile){
		.first_filter = s->filter, .filters = s->filters, .group_filters = l->group_filters, .channels = l->group_channels,
		.in_h = l->in_h, .in_w = l->in_w, .band_row = x->band_row, .band_rows = x->band_rows,
		.kernel_h = l->kernel_h, .kernel_w = l->kernel_w, .stride = l->stride_h | l->stride_w << 16,
		.dilation = l->dilation_h | l->dilation_w << 16, .pad_top = l->pad_top, .pad_left = l->pad_left,
		.out_w = l->out_w, .out_row = s->row, .out_rows = s->rows, .out_col = s->col, .out_cols = s->cols,
		.x_pitch = x->pitch, .x_stride = x->stride, .x_skew = x->skew, .x_mask = x->mask, .y_pitch = (uint32_t)r->y_pitch,
		.clip_hi = 255,
	};
}

static void play_tile(struct play *p, const struct conv2d_region *r, const struct conv2d_step *s)
{
	const struct conv2d_layer *l = &p->plan.layer;
	struct conv2d_x_address x;
	struct conv2d_tile t;
	uint64_t y_from = ((uint64_t)(s->image - r->image) * (r->filter_end - r->filter) + s->filter - r->filter) * r->y_pitch +
			  (uint64_t)(s->row - r->row) * l->out_w;
	uint32_t detail, first, groups;

	must(s->image >= r->image && s->image < r->image_end && s->filter >= r->filter && s->filter + s->filters <= r->filter_end);
	must(s->row >= r->row && s->row + s->rows <= r->row_end);
	conv2d_x_address(&p->plan, r, s, &x);
	must(x.offset + x.bytes <= p->plan.x_bytes);
	must(y_from < r->y_bytes);
	t = kernel_tile(&p->plan, r, s, &x);
	must(conv2d_check(&t, x.bytes, (uint64_t)s->filters * l->group_channels * l->kernel_h * l->kernel_w, s->filters * 12ull,
			  r->y_bytes - y_from, &detail) == KERNEL_OK);
	p->computed += (uint64_t)s->filters * s->rows * s->cols;
	if (!p->small)
		return;
	first = s->filter / l->group_filters * l->group_channels;
	groups = (s->filter + s->filters - 1) / l->group_filters - s->filter / l->group_filters + 1;
	for (uint32_t c = 0; c < groups * l->group_channels && t.rows; c++) {
		/* The window's place in the image */
		uint32_t row = t.band_row + (uint32_t)(t.window / t.in_w), col = (uint32_t)(t.window % t.in_w);

		for (uint32_t i = 0; i < t.rows; i++)
			for (int side = 0; side < 2; side++) {
				uint64_t at = x.offset + conv2d_channel(&t, c) + t.window + (uint64_t)i * t.in_w +
					      (side ? t.cols - 1 : 0);
				uint64_t from = l->x_offset + conv2d_x_at(l, s->image, first + c, row + i) + col +
						(side ? t.cols - 1 : 0);

				must(p->arena[at] == from + 1);
			}
	}
	for (uint32_t f = s->filter; f < s->filter + s->filters; f++)
		for (uint32_t oh = s->row; oh < s->row + s->rows; oh++)
			for (uint32_t ow = s->col; ow < s->col + s->cols; ow++)
				p->outputs[(((uint64_t)s->image * l->filters + f) * l->out_h + oh) * l->out_w + ow]++;
}

/* Rows that leave must be complete. */
static void play_flush(struct play *p, const struct conv2d_region *r, const struct conv2d_step *s)
{
	const struct conv2d_layer *l = &p->plan.layer;

	must(s->row >= r->row && s->row + s->rows <= r->row_end && s->rows > 0 && s->image + s->images <= r->image_end);
	p->copied += (uint64_t)s->images * s->rows * (r->filter_end - r->filter);
	for (uint32_t n = s->image; p->small && n < s->image + s->images; n++)
		for (uint32_t f = r->filter; f < r->filter_end; f++)
			for (uint32_t oh = s->row; oh < s->row + s->rows; oh++) {
				uint64_t row = ((uint64_t)n * l->filters + f) * l->out_h + oh;

				p->flushed[row]++;
				for (uint32_t ow = 0; ow < l->out_w; ow++)
					must(p->outputs[row * l->out_w + ow] == 1);
			}
}

static void play_job(struct play *p, uint64_t job, struct conv2d_program *program, struct conv2d_extents *extents)
{
	const struct conv2d_layer *l = &p->plan.layer;
	bool weights = p->plan.jobs == 1;
	uint32_t commands = 3, have_weights = 0, tiles = 0;
	uint64_t extent_sum = 0;
	struct conv2d_region r;
	uint8_t *seen;

	conv2d_region(&p->plan, job, &r);
	must(r.x_bytes <= p->plan.x_bytes && r.y_bytes <= p->plan.y_bytes);
	must(r.image < r.image_end && r.image_end <= l->images && r.filter < r.filter_end && r.filter_end <= l->filters);
	must(conv2d_program(&p->plan, &r, weights, program) == 0);
	must(program->tiles <= p->plan.job_tiles);
	seen = calloc(1, r.x_bytes / l->x_align / 8 + 1);
	if (p->small)
		memset(p->arena, 0, p->plan.x_bytes * sizeof(p->arena[0]));
	for (uint32_t i = 0; i < program->nr; i++) {
		const struct conv2d_step *s = &program->steps[i];

		switch (s->kind) {
		case CONV2D_WEIGHTS:
			must(weights && s->filter == have_weights);
			have_weights += s->filters;
			commands++;
			break;
		case CONV2D_LOAD:
			play_load(p, &r, s, seen, extents);
			extent_sum += extents->nr;
			commands++;
			break;
		case CONV2D_TILE:
			must(!weights || s->filter + s->filters <= have_weights);
			play_tile(p, &r, s);
			commands++;
			tiles++;
			break;
		default:
			play_flush(p, &r, s);
			commands += s->rows == l->out_h ? 1 : r.filter_end - r.filter;
			break;
		}
	}
	must(tiles == program->tiles);
	must(commands <= SMARTSSD_MAX_CMDS);
	must(extent_sum <= SMARTSSD_MAX_JOB_EXTENTS);
	must(!weights || have_weights == l->filters);
	free(seen);
}

/* Play all jobs. Returns 0 or what the planner said. */
static int play(const struct conv2d_layer *l, uint64_t arena, uint32_t cus, struct conv2d_plan *out)
{
	struct conv2d_limits limits = { .arena_bytes = arena, .cus = cus };
	struct conv2d_program program = { 0 };
	struct conv2d_extents extents = { 0 };
	uint64_t outputs = (uint64_t)l->images * l->filters * l->out_h * l->out_w, rows = outputs / l->out_w;
	struct smartssd_error err = { "" };
	struct play p = { .arena_bytes = arena };
	int ret;

	describe(l, arena);
	ret = conv2d_plan(l, &limits, &p.plan, &err);
	if (ret) {
		must(err.text[0] && (ret == -ENOMEM || ret == -EINVAL));
		return ret;
	}
	/* The budget holds for all three parts of an arena. */
	must(p.plan.x_bytes + p.plan.y_bytes + p.plan.job_tiles * 16ull <= arena);
	must(p.plan.x_bytes <= UINT32_MAX);
	p.small = p.plan.x_bytes < 8 << 20 && outputs < 8 << 20 && l->x_offset + conv2d_x_at(l, l->images, 0, 0) < UINT32_MAX;
	if (p.small) {
		p.arena = calloc(p.plan.x_bytes, sizeof(p.arena[0]));
		p.outputs = calloc(1, outputs);
		p.flushed = calloc(1, rows);
	}
	for (uint64_t job = 0; job < p.plan.jobs; job++)
		play_job(&p, job, &program, &extents);
	must(p.computed == outputs);
	must(p.copied == rows);
	for (uint64_t i = 0; p.small && i < outputs; i++)
		must(p.outputs[i] == 1);
	for (uint64_t i = 0; p.small && i < rows; i++)
		must(p.flushed[i] == 1);
	/* A job with all rows reads no block twice: what there is, and the torn blocks at both ends. */
	if (l->x_align > 1 && p.plan.job_rows == l->out_h && p.plan.job_filters == l->filters)
		must(p.read_bytes <= conv2d_x_at(l, l->images, 0, 0) + p.plan.jobs * 2 * l->x_align);
	free(p.arena);
	free(p.outputs);
	free(p.flushed);
	free(program.steps);
	free(extents.ext);
	*out = p.plan;
	out->tiles = p.read_bytes; /* for whoever wants to judge it */
	return 0;
}

/* A layer through the operator's own checks; false when it makes no sense. */
static bool make_layer(struct conv2d_layer *l, uint32_t n, uint32_t c, uint32_t h, uint32_t w, uint32_t m, uint32_t kh,
		       uint32_t kw, uint32_t sh, uint32_t sw, uint32_t dh, uint32_t dw, uint32_t pt, uint32_t pl, uint32_t pb,
		       uint32_t pr, uint32_t group)
{
	static const float scale = 0.5f;
	static const int32_t zero;
	struct smartssd_conv2d op = {
		.x.array = { .type = SMARTSSD_U1, .ndim = 4, .shape = { n, c, h, w }, .bytes = (uint64_t)n * c * h * w },
		.w.array = { .type = SMARTSSD_I1,
			     .ndim = 4,
			     .shape = { m, c / group, kh, kw },
			     .bytes = (uint64_t)m * (c / group) * kh * kw },
		.x_scale = 1,
		.w_scale = &scale,
		.w_scales = 1,
		.w_zero = &zero,
		.w_zeros = 1,
		.y_scale = 1,
		.y_type = SMARTSSD_U1,
		.stride = { sh, sw },
		.pad = { pt, pl, pb, pr },
		.dilation = { dh, dw },
		.group = group,
		.clip = { 0, 255 },
	};

	return conv2d_layer(&op, l, NULL) == 0;
}

static void random_layer(struct conv2d_layer *l)
{
	do {
		uint32_t group = random_in(0, 2) ? 1 : random_in(1, 12), per = random_in(0, 3) ? random_in(1, 8) : random_in(1, 60);
		uint32_t filters = group * (random_in(0, 3) ? random_in(1, 8) : random_in(1, 40));
		uint32_t h = random_in(0, 3) ? random_in(1, 40) : random_in(1, 200),
			 w = random_in(0, 3) ? random_in(1, 40) : random_in(1, 200);

		if (make_layer(l, random_in(1, 4), group * per, h, w, filters, random_in(1, 7), random_in(1, 7), random_in(1, 3),
			       random_in(1, 3), random_in(1, 3), random_in(1, 3), random_in(0, 9), random_in(0, 9),
			       random_in(0, 9), random_in(0, 9), group))
			break;
	} while (1);
	l->x_align = random_in(0, 3) ? 512 : random_in(0, 1) ? 1 : 4096;
	l->x_offset = l->x_align == 1 ? 0 : random_in(0, 3) ? 128 : random_in(0, 10000);
}

START_TEST(random_layers)
{
	uint32_t played = 0, refused = 0, split = 0;

	random_seed("plan");
	for (int i = 0; i < 600; i++) {
		struct conv2d_layer l;
		struct conv2d_plan plan;
		uint64_t arena = random_in(0, 1) ? 4 << 20 : 1u << random_in(13, 18);

		random_layer(&l);
		if (play(&l, arena, random_in(1, 4), &plan)) {
			/* Only a small arena is a reason: one output row of one filter, all channels of its group. */
			uint64_t rows = min_u64((uint64_t)(l.kernel_h - 1) * l.dilation_h + 1, l.in_h);

			must(l.group_channels * (rows * l.in_w + 2 * l.x_align) + 2 * l.x_align + 3 * l.out_w + 4096 > arena);
			refused++;
			continue;
		}
		played++;
		split += plan.job_rows < l.out_h || plan.job_filters < l.filters;
	}
	printf("# %u played, %u of them with images in parts, %u refused\n", played, split, refused);
	ck_assert_uint_ge(played, 300);
	ck_assert_uint_ge(split, 15);
}
END_TEST

/* Layers of real networks, and extreme ones. */
static const struct {
	uint32_t shape[16]; /* N C H W  M KH KW  stride  dilation  pad  group */
	double most_read; /* bytes read, relative to the input */
} known[] = {
	{ { 1, 3, 224, 224, 64, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3, 1 }, 1.01 },
	{ { 8, 64, 56, 56, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 1.01 },
	{ { 1, 64, 56, 56, 256, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1 }, 1.01 },
	{ { 1, 512, 7, 7, 512, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 1.05 },
	{ { 1, 2048, 7, 7, 512, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1 }, 1.02 },
	{ { 1, 256, 14, 14, 256, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1 }, 1.02 },
	{ { 1, 96, 112, 112, 96, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 96 }, 1.01 },   /* depthwise */
	{ { 1, 1024, 7, 7, 1024, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1024 }, 1.03 },
	{ { 1, 3, 2160, 3840, 64, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3, 1 }, 1.08 },   /* a picture */
	{ { 1, 3, 12000, 12000, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 1.10 },
	{ { 1000, 3, 8, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 1.05 },       /* many tiny images */
	{ { 1, 1, 1, 300000, 4, 1, 9, 1, 1, 1, 1, 0, 4, 0, 4, 1 }, 1.01 },     /* one long row: split in columns */
	{ { 1, 64, 4, 60000, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 1.6 },
	{ { 1, 32768, 2, 2, 3, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1 }, 1.01 },      /* the most terms */
	{ { 1, 1, 8, 8, 2, 3, 3, 1, 1, 1000, 1000, 1000, 1000, 1000, 1000, 1 }, 80 }, /* mostly padding; one block */
	{ { 1, 1, 5, 5, 1, 1, 1, 1, 1, 1, 1, 20, 20, 20, 20, 1 }, 80 },        /* tiles of nothing but padding */
	{ { 1, 20000, 16, 16, 20000, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 20000 }, 1.01 },
	{ { 1, 3, 64, 64, 5000, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 1.3 },
};

START_TEST(known_layers)
{
	const uint32_t *s = known[_i].shape;
	struct conv2d_layer l;
	struct conv2d_plan plan;
	double read;

	ck_assert(make_layer(&l, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14],
			     s[15]));
	l.x_align = 512;
	l.x_offset = 128;
	ck_assert_int_eq(play(&l, 64 << 20, 1, &plan), 0);
	read = (double)plan.tiles / (double)conv2d_x_at(&l, l.images, 0, 0);
	ck_assert_msg(read <= known[_i].most_read, "%s: reads %.3f of the input", what, read);
	/* With little memory in more jobs, the same outputs. */
	ck_assert_int_eq(play(&l, 16 << 20, 2, &plan), 0);
}
END_TEST

START_TEST(refusals)
{
	struct conv2d_layer l;
	struct conv2d_plan plan;
	struct smartssd_error err;
	struct conv2d_limits limits = { .arena_bytes = 64 << 20, .cus = 1 };

	/* The window of one output: 601 x 601 bytes. */
	ck_assert(make_layer(&l, 1, 1, 700, 700, 1, 3, 3, 1, 1, 300, 300, 0, 0, 0, 0, 1));
	ck_assert_int_eq(conv2d_plan(&l, &limits, &plan, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "dilation"));
	/* One row of all channels: 64 * 3 * 4000 bytes. */
	ck_assert(make_layer(&l, 1, 64, 100, 4000, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1));
	limits.arena_bytes = 700000;
	ck_assert_int_eq(conv2d_plan(&l, &limits, &plan, &err), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(err.text, "ddr="));
	limits.arena_bytes = 900000;
	ck_assert_int_eq(conv2d_plan(&l, &limits, &plan, &err), 0);
}
END_TEST

/* Loads are cut up where that lets computing start early, and not where the pieces would be tiny. */
START_TEST(overlap)
{
	struct conv2d_layer l;
	struct conv2d_plan plan;
	struct conv2d_limits limits = { .arena_bytes = 64 << 20, .cus = 1 };

	ck_assert(make_layer(&l, 1, 3, 1024, 1024, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1));
	l.x_align = 512;
	ck_assert_int_eq(conv2d_plan(&l, &limits, &plan, NULL), 0);
	ck_assert_uint_ge(l.in_h / plan.load_rows, 8);
	ck_assert_uint_ge((uint64_t)plan.load_rows * l.in_w * l.channels, 200 << 10);
	ck_assert_uint_ge(l.out_h / plan.flush_rows, 4);
	ck_assert(make_layer(&l, 1, 512, 14, 14, 512, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1));
	l.x_align = 512;
	ck_assert_int_eq(conv2d_plan(&l, &limits, &plan, NULL), 0);
	ck_assert_uint_eq(plan.load_rows, 14);
	/* Tiles are fewer than units only when the layer is tiny. */
	limits.cus = 4;
	ck_assert(make_layer(&l, 1, 64, 56, 56, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1));
	ck_assert_int_eq(conv2d_plan(&l, &limits, &plan, NULL), 0);
	ck_assert_uint_ge(plan.tiles, 4);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, random_layers);
	tcase_add_loop_test(tests, known_layers, 0, ARRAY_SIZE(known));
	tcase_add_test(tests, refusals);
	tcase_add_test(tests, overlap);
}

int main(void)
{
	return run_suite("plan", fill);
}
