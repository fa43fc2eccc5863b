// SPDX-License-Identifier: BSD-2-Clause
/* Gemm, MatMul, MatMulInteger, QLinearMatMul. */
#include "../../kernels/reference/mac.h"
#include "graph_impl.h"

struct matrix {
	const void *data;
	int64_t row, col; /* distance of rows and of columns, in elements */
	enum nn_type type;
	const void *zeros; /* NULL: all 0; of columns */
	bool one_zero;
};

static void pack_f4(const void *ctx, float *panel, int64_t k0, int64_t kc, int64_t n0, int64_t nc)
{
	const struct matrix *b = ctx;

	for (int64_t j0 = 0; j0 < nc; j0 += NN_PANEL)
		for (int64_t j = j0; j < nc && j < j0 + NN_PANEL; j++) {
			const float *from = (const float *)b->data + k0 * b->row + (n0 + j) * b->col;

			for (int64_t k = 0; k < kc; k++)
				panel[j0 * kc + k * NN_PANEL + j - j0] = from[k * b->row];
		}
}

static void pack_i4(const void *ctx, int32_t *panel, int64_t k0, int64_t kc, int64_t n0, int64_t nc)
{
	const struct matrix *b = ctx;

	for (int64_t j = 0; j < nc; j++) {
		int32_t zero = b->zeros ? nn_byte(b->zeros, b->one_zero ? 0 : n0 + j, b->type) : 0;

		for (int64_t k = 0; k < kc; k++)
			panel[j / NN_PANEL * NN_PANEL * kc + k * NN_PANEL + j % NN_PANEL] =
				nn_byte(b->data, (k0 + k) * b->row + (n0 + j) * b->col, b->type) - zero;
	}
}

int nn_op_gemm(const struct nn_call *c)
{
	const struct nn_dims *da = &c->ti[0]->dims, *db = &c->ti[1]->dims, *dy = &c->to[0]->dims;
	const struct nn_attrs *at = c->a;
	int64_t m = dy->d[0], n = dy->d[1], k = da->d[!at->trans_a];
	struct matrix b = { c->in[1], at->trans_b ? 1 : db->d[1], at->trans_b ? db->d[1] : 1, NN_F4, NULL, false };
	const float *from = c->in[0], *bias = c->ti[2] ? c->in[2] : NULL;
	float *y = c->out[0], *a = NULL;
	int ret;

	if (at->trans_a || at->alpha != 1) {
		a = nn_alloc((uint64_t)m * (uint64_t)k * sizeof(*a));
		if (!a)
			return -ENOMEM;
		for (int64_t i = 0; i < m; i++)
			for (int64_t j = 0; j < k; j++)
				a[i * k + j] = at->alpha * from[at->trans_a ? j * m + i : i * k + j];
	}
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++) {
			const struct nn_dims *dc = c->ti[2] ? &c->ti[2]->dims : NULL;
			int64_t cols = dc && dc->n ? dc->d[dc->n - 1] : 1, rows = dc && dc->n > 1 ? dc->d[0] : 1;

			y[i * n + j] = bias && at->beta != 0 ? at->beta * bias[(rows > 1 ? i * cols : 0) + (cols > 1 ? j : 0)] : 0;
		}
	ret = nn_gemm_f4(m, n, k, a ? a : from, k, pack_f4, &b, y, n);
	free(a);
	return ret;
}

/* The matrices of a batch, with broadcasting of what is before them. */
struct batch {
	int64_t n, m, k, cols; /* batches, rows, terms, columns */
	uint32_t dims;
	int64_t d[NN_MAX_DIMS], stride_a[NN_MAX_DIMS], stride_b[NN_MAX_DIMS]; /* strides in matrices */
};

static void set_batch(struct batch *b, const struct nn_dims *da, const struct nn_dims *db, const struct nn_dims *dy)
{
	uint32_t na = da->n > 2 ? da->n - 2 : 0, nb = db->n > 2 ? db->n - 2 : 0;
	int64_t sa = 1, sb = 1;

	*b = (struct batch){ .n = 1, .m = da->n > 1 ? da->d[da->n - 2] : 1, .k = da->d[da->n - 1], .cols = db->n > 1 ? db->d[db->n - 1] : 1 };
	b->dims = na > nb ? na : nb;
	for (uint32_t i = b->dims; i-- > 0;) {
		int64_t x = i + na < b->dims ? 1 : da->d[i + na - b->dims], y = i + nb < b->dims ? 1 : db->d[i + nb - b->dims];

		b->d[i] = dy->d[i];
		b->n *= b->d[i];
		b->stride_a[i] = x == 1 ? 0 : sa;
		b->stride_b[i] = y == 1 ? 0 : sb;
		sa *= x;
		sb *= y;
	}
}

static void batch_at(const struct batch *b, int64_t i, int64_t *a_at, int64_t *b_at)
{
	*a_at = *b_at = 0;
	for (uint32_t d = b->dims; d-- > 0;) {
		*a_at += i % b->d[d] * b->stride_a[d];
		*b_at += i % b->d[d] * b->stride_b[d];
		i /= b->d[d];
	}
}

int nn_op_matmul(const struct nn_call *c)
{
	struct batch all;
	int64_t at_a, at_b;
	float *y = c->out[0];
	int ret = 0;

	set_batch(&all, &c->ti[0]->dims, &c->ti[1]->dims, &c->to[0]->dims);
	memset(y, 0, c->n * sizeof(*y));
	for (int64_t i = 0; i < all.n && !ret; i++) {
		struct matrix b = { .row = all.cols, .col = 1, .type = NN_F4 };

		batch_at(&all, i, &at_a, &at_b);
		b.data = (const float *)c->in[1] + at_b * all.k * all.cols;
		ret = nn_gemm_f4(all.m, all.cols, all.k, (const float *)c->in[0] + at_a * all.m * all.k, all.k, pack_f4, &b,
				 y + i * all.m * all.cols, all.cols);
	}
	return ret;
}

struct sink {
	const struct nn_call *c;
	void *y;
	int64_t cols;
	bool many_a, many_b; /* scales */
	int32_t y_zero, lo, hi;
};

static void store(const void *ctx, int64_t m, int64_t n0, int64_t nc, const int64_t *sum)
{
	const struct sink *s = ctx;

	for (int64_t j = 0; j < nc; j++) {
		int64_t at = m * s->cols + n0 + j;

		if (s->c->node->op == NN_MATMUL_INTEGER) {
			((int32_t *)s->y)[at] = mac_saturate(sum[j]);
		} else {
			float mult = mac_multiplier(((const float *)s->c->in[1])[s->many_a ? m : 0], ((const float *)s->c->in[4])[s->many_b ? n0 + j : 0],
						    *(const float *)s->c->in[6]);

			((uint8_t *)s->y)[at] = (uint8_t)mac_requantise(mac_saturate(sum[j]), mult, s->y_zero, s->lo, s->hi);
		}
	}
}

int nn_op_matmul_int(const struct nn_call *c)
{
	bool q = c->node->op == NN_QLINEAR_MATMUL;
	uint32_t bi = q ? 3 : 1, az = 2, bz = q ? 5 : 3;
	const struct nn_tensor *ta = c->ti[0], *tb = c->ti[bi];
	bool many_zeros = c->ti[az] && nn_count(&c->ti[az]->dims) > 1;
	struct sink s = { .c = c };
	int64_t at_a, at_b;
	struct batch all;
	int32_t *a;
	int ret = 0;

	set_batch(&all, &ta->dims, &tb->dims, &c->to[0]->dims);
	a = nn_alloc((uint64_t)all.m * (uint64_t)all.k * sizeof(*a));
	if (!a)
		return -ENOMEM;
	s.cols = all.cols;
	if (q) {
		s.many_a = nn_count(&c->ti[1]->dims) > 1;
		s.many_b = nn_count(&c->ti[4]->dims) > 1;
		s.y_zero = nn_byte(c->in[7], 0, c->to[0]->type);
		nn_range(c->to[0]->type, &s.lo, &s.hi);
	}
	for (int64_t i = 0; i < all.n && !ret; i++) {
		struct matrix b = { .row = all.cols, .col = 1, .type = tb->type, .zeros = c->ti[bz] ? c->in[bz] : NULL };

		b.one_zero = !c->ti[bz] || nn_count(&c->ti[bz]->dims) == 1;
		batch_at(&all, i, &at_a, &at_b);
		b.data = (const uint8_t *)c->in[bi] + at_b * all.k * all.cols;
		for (int64_t r = 0; r < all.m; r++) {
			int32_t zero = c->ti[az] ? nn_byte(c->in[az], many_zeros ? r : 0, ta->type) : 0;

			for (int64_t k = 0; k < all.k; k++)
				a[r * all.k + k] = nn_byte(c->in[0], (at_a * all.m + r) * all.k + k, ta->type) - zero;
		}
		s.y = (uint8_t *)c->out[0] + i * all.m * all.cols * (q ? 1 : 4);
		ret = nn_gemm_i4(all.m, all.cols, all.k, a, all.k, pack_i4, &b, store, &s);
	}
	free(a);
	return ret;
}
