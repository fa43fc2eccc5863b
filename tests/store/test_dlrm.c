// SPDX-License-Identifier: BSD-2-Clause
/* DLRM: single precision against the reference in double, within the bound that it states; what a seed gives; weights from files, good and bad; no memory. */
#include <math.h>
#include <pthread.h>
#include <unistd.h>

#include "../../runtime/store/dlrm.h"
#include "../runtime/runtime_test.h"

static struct smartssd_error err;
static char folder[] = "/tmp/test_dlrm.XXXXXX";

#define OK(call)                                                                          \
	do {                                                                              \
		int ret_ = (call);                                                        \
		ck_assert_msg(ret_ == 0, "%s: %s: %s", #call, strerror(-ret_), err.text); \
	} while (0)

/* ---- memory that ends ---- */

static long allocations_left = -1; /* -1: without end */

static bool none_left(void)
{
	return allocations_left >= 0 && allocations_left-- == 0;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t nr, size_t bytes);
void *__real_aligned_alloc(size_t align, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t nr, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
	return none_left() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t nr, size_t bytes)
{
	return none_left() ? NULL : __real_calloc(nr, bytes);
}

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
	return none_left() ? NULL : __real_aligned_alloc(align, bytes);
}

/* ---- models ---- */

static uint32_t width(void)
{
	return random_in(0, 3) ? random_in(1, 40) : random_in(1, 900); /* above and below the blocks of a product */
}

static struct trace_model random_model(void)
{
	struct trace_model m = { .name = "random", .tables = random_in(0, 3) ? random_in(1, 9) : random_in(1, 40), .dim = random_in(1, 70), .lookups = 1, .dense = width() };
	uint32_t layers = random_in(1, 4);

	for (uint32_t i = 0; i < layers; i++)
		m.bottom[i] = i + 1 < layers ? width() : m.dim;
	layers = random_in(1, 4);
	for (uint32_t i = 0; i < layers; i++)
		m.top[i] = i + 1 < layers ? width() : 1;
	for (uint32_t t = 0; t < m.tables; t++)
		m.rows[t] = random_in(1, 1000);
	return m;
}

/* The one whose numbers NumPy computed. */
static const struct trace_model small = { .name = "small", .tables = 2, .dim = 4, .rows = { 10, 20 }, .lookups = 1, .dense = 3, .bottom = { 5, 4 }, .top = { 6, 1 } };

static float *random_floats(uint64_t nr, float scale)
{
	float *x = malloc((nr + 1) * sizeof(*x));

	for (uint64_t i = 0; i < nr; i++)
		x[i] = ((float)random_in(0, 1 << 24) * 0x1p-23f - 1) * scale;
	return x;
}

static double *doubles(const float *x, uint64_t nr)
{
	double *y = malloc((nr + 1) * sizeof(*y));

	for (uint64_t i = 0; i < nr; i++)
		y[i] = x[i];
	return y;
}

START_TEST(forward_is_within_the_bound)
{
	double worst = 0, loosest = 0;

	random_seed("forward_is_within_the_bound");
	for (int round = 0; round < 60; round++) {
		struct trace_model m = random_model();
		uint64_t queries = random_in(0, 3) ? random_in(1, 8) : random_in(1, 200), bags = m.tables * queries * m.dim;
		float *dense = random_floats(queries * m.dense, 2), *pooled = random_floats(bags, 1), *p = malloc(queries * sizeof(*p));
		double *exact = doubles(pooled, bags), *slack = calloc(bags, sizeof(*slack)), *want = malloc(queries * sizeof(*want)), *bound = malloc(queries * sizeof(*bound));
		struct dlrm *d;

		/* Half of them with bags that are not quite what the reference has. */
		for (uint64_t i = 0; i < bags && round % 2; i++) {
			slack[i] = 1e-5 * (1 + fabs(exact[i]));
			exact[i] += slack[i] * ((double)random_in(0, 2000) / 1000 - 1);
		}
		OK(dlrm_create(&m, NULL, random_u64(), &d, &err));
		OK(dlrm_forward(d, dense, pooled, queries, p, &err));
		OK(dlrm_reference(d, dense, exact, round % 2 ? slack : NULL, queries, want, bound));
		for (uint64_t q = 0; q < queries; q++) {
			double off = fabs((double)p[q] - want[q]);

			if (!(off <= bound[q]))
				ck_abort_msg("%u tables of %u, %u dense: query %llu of %llu is %.9g, not %.9g +- %.3g", m.tables, m.dim, m.dense, (unsigned long long)q,
					     (unsigned long long)queries, (double)p[q], want[q], bound[q]);
			worst = fmax(worst, off / bound[q]);
			if (round % 2 == 0)
				loosest = fmax(loosest, bound[q]);
		}
		dlrm_destroy(d);
		free(dense), free(pooled), free(p), free(exact), free(slack), free(want), free(bound);
	}
	printf("# largest error / bound %.3g; largest bound of a probability %.3g\n", worst, loosest);
	/* It says something, and it is not far from what happens. */
	ck_assert_double_lt(loosest, 1e-3);
	ck_assert_double_gt(worst, 1e-3);
}
END_TEST

START_TEST(a_query_is_the_same_alone_and_among_others)
{
	random_seed("a_query_is_the_same_alone_and_among_others");
	for (int round = 0; round < 12; round++) {
		struct trace_model m = random_model();
		uint64_t queries = random_in(2, 120), bags = m.tables * queries * m.dim;
		float *dense = random_floats(queries * m.dense, 2), *pooled = random_floats(bags, 1), *p = malloc(queries * sizeof(*p)), *one = malloc(m.tables * m.dim * sizeof(*one)), alone;
		struct dlrm *d;

		OK(dlrm_create(&m, NULL, random_u64(), &d, &err));
		OK(dlrm_forward(d, dense, pooled, queries, p, &err));
		for (uint64_t q = 0; q < queries; q++) {
			for (uint32_t t = 0; t < m.tables; t++)
				memcpy(one + t * m.dim, pooled + (t * queries + q) * m.dim, m.dim * sizeof(*one));
			OK(dlrm_forward(d, dense + q * m.dense, one, 1, &alone, &err));
			if (memcmp(&alone, &p[q], sizeof(alone)))
				ck_abort_msg("query %llu of %llu: %.9g alone, %.9g among others", (unsigned long long)q, (unsigned long long)queries, (double)alone, (double)p[q]);
		}
		dlrm_destroy(d);
		free(dense), free(pooled), free(p), free(one);
	}
}
END_TEST

struct client {
	pthread_t thread;
	const struct dlrm *d;
	const float *dense, *pooled;
	float p[300];
};

static void *run_client(void *arg)
{
	struct client *c = arg;

	for (int i = 0; i < 20; i++)
		if (dlrm_forward(c->d, c->dense, c->pooled, 300, c->p, NULL))
			return c;
	return NULL;
}

START_TEST(several_threads_get_the_same)
{
	static struct client clients[4];
	float *dense, *pooled;
	struct dlrm *d;
	void *failed;

	random_seed("several_threads_get_the_same");
	dense = random_floats(300 * small.dense, 1);
	pooled = random_floats(2 * 300 * small.dim, 1);
	OK(dlrm_create(&small, NULL, 3, &d, &err));
	for (int i = 0; i < 4; i++) {
		clients[i].d = d;
		clients[i].dense = dense;
		clients[i].pooled = pooled;
		ck_assert_int_eq(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(clients[i].thread, &failed), 0);
		ck_assert_ptr_null(failed);
		ck_assert_mem_eq(clients[i].p, clients[0].p, sizeof(clients[0].p));
	}
	dlrm_destroy(d);
	free(dense);
	free(pooled);
}
END_TEST

/* ---- seeds; the numbers are of an own program in Python: SplitMix64 in integers, the model in NumPy's doubles ---- */

START_TEST(a_seed_gives_these_numbers)
{
	static const float dense_want[] = { 0x1.11f926p-1f, 0x1.1f55d6p-1f, 0x1.c773bcp-2f, 0x1.48172ep-1f, 0x1.d44356p-1f, 0x1.27978ep-1f };
	static const float row_want[][4] = { { -0x1.c567aep-4f, -0x1.00af24p-3f, 0x1.00a464p-4f, 0x1.8a2566p-3f }, { -0x1.d3f41cp-4f, -0x1.e752e6p-4f, -0x1.9339e6p-5f, 0x1.c97846p-3f } };
	static const double p_want[] = { 0.5558105192875534, 0.5625719093265279 };
	float dense[6], row[4], rows[2][20 * 4], pooled[16], p[2];
	double exact[16], reference[2];
	struct dlrm *d;

	dlrm_seeded_dense(&small, 7, 0, 2, dense);
	ck_assert_mem_eq(dense, dense_want, sizeof(dense));
	dlrm_seeded_dense(&small, 7, 1, 1, dense);
	ck_assert_mem_eq(dense, dense_want + 3, 3 * sizeof(float));
	dlrm_seeded_dense(&small, 7, 0, 2, dense);
	for (uint32_t t = 0; t < 2; t++) {
		dlrm_seeded_rows(&small, 7, t, 9, 1, row);
		ck_assert_mem_eq(row, row_want[t], sizeof(row));
		dlrm_seeded_rows(&small, 7, t, 0, small.rows[t], rows[t]);
		ck_assert_mem_eq(rows[t] + 36, row_want[t], sizeof(row));
		/* Query 0: rows 1 and 3, query 1: row 5 twice */
		for (uint32_t k = 0; k < 4; k++) {
			exact[t * 8 + k] = (double)rows[t][4 + k] + rows[t][12 + k];
			exact[t * 8 + 4 + k] = 2 * (double)rows[t][20 + k];
		}
	}
	for (int i = 0; i < 16; i++)
		pooled[i] = (float)exact[i];
	OK(dlrm_create(&small, NULL, 7, &d, &err));
	OK(dlrm_reference(d, dense, exact, NULL, 2, reference, NULL));
	OK(dlrm_forward(d, dense, pooled, 2, p, &err));
	for (int q = 0; q < 2; q++) {
		ck_assert_double_eq_tol(reference[q], p_want[q], 1e-14);
		ck_assert_double_eq_tol((double)p[q], p_want[q], 1e-6);
	}
	dlrm_destroy(d);
}
END_TEST

START_TEST(the_check_sees_small_mistakes)
{
	/* RM1: one of 80 rows of one table is another one; one dense feature is a tenth larger; a bag is that of another query. */
	const struct trace_model *m = trace_model_by_name("rm1");
	uint64_t bags = m->tables * m->dim;
	float *dense = malloc(2 * m->dense * sizeof(*dense)), *rows = malloc(81 * m->dim * sizeof(*rows)), p[1];
	double *exact = calloc(bags, sizeof(*exact)), want[1], bound[1], off;
	float *pooled = malloc(bags * sizeof(*pooled));
	struct dlrm *d;

	for (uint32_t t = 0; t < m->tables; t++) {
		dlrm_seeded_rows(m, 1, t, 0, 80, rows);
		for (uint32_t i = 0; i < 80 * m->dim; i++)
			exact[t * m->dim + i % m->dim] += rows[i];
	}
	for (uint64_t i = 0; i < bags; i++)
		pooled[i] = (float)exact[i];
	dlrm_seeded_dense(m, 1, 0, 1, dense);
	OK(dlrm_create(m, NULL, 1, &d, &err));
	OK(dlrm_reference(d, dense, exact, NULL, 1, want, bound));
	OK(dlrm_forward(d, dense, pooled, 1, p, &err));
	ck_assert_double_le(fabs((double)*p - *want), *bound);
	dense[77] += 0.1f;
	OK(dlrm_forward(d, dense, pooled, 1, p, &err));
	off = fabs((double)*p - *want);
	ck_assert_msg(off > *bound, "a dense feature: off by %.3g, bound %.3g", off, *bound);
	dense[77] -= 0.1f;
	dlrm_seeded_rows(m, 1, 3, 80, 1, rows);
	dlrm_seeded_rows(m, 1, 3, 5, 1, rows + m->dim);
	for (uint32_t k = 0; k < m->dim; k++)
		pooled[3 * m->dim + k] += rows[k] - rows[m->dim + k];
	OK(dlrm_forward(d, dense, pooled, 1, p, &err));
	off = fabs((double)*p - *want);
	printf("# rm1: bound %.3g; one wrong row: off by %.3g\n", *bound, off);
	ck_assert_msg(off > *bound, "a wrong row: off by %.3g, bound %.3g", off, *bound);
	dlrm_destroy(d);
	free(dense), free(rows), free(exact), free(pooled);
}
END_TEST

START_TEST(what_is_not_finite_stays_so)
{
	float dense[6] = { 1, 2, 3, 1, NAN, 3 }, pooled[16] = { 0 }, p[2], alone;
	struct dlrm *d;

	OK(dlrm_create(&small, NULL, 7, &d, &err));
	OK(dlrm_forward(d, dense, pooled, 2, p, &err));
	OK(dlrm_forward(d, dense, pooled, 1, &alone, &err));
	ck_assert(p[0] == alone && isnan(p[1])); /* no relu makes 0 of it */
	dlrm_destroy(d);
}
END_TEST

/* ---- files ---- */

struct part {
	const char *name, *type, *shape;
	uint64_t bytes;
	const void *data;
};

/* small's tensors as dlrm_create() of seed 7 has them are not to be had from outside: own numbers. */
static float numbers[64];
static const struct part parts[] = {
	{ "bot_l.0.weight", "F32", "[5,3]", 60, numbers }, { "bot_l.0.bias", "F32", "[5]", 20, numbers }, { "bot_l.2.weight", "F32", "[4,5]", 80, numbers },
	{ "bot_l.2.bias", "F32", "[4]", 16, numbers }, { "top_l.0.weight", "F32", "[6,7]", 168, numbers }, { "top_l.0.bias", "F32", "[6]", 24, numbers },
	{ "top_l.2.weight", "F32", "[1,6]", 24, numbers }, { "top_l.2.bias", "F32", "[1]", 4, numbers }, { "emb_l.1.weight", "F32", "[20,4]", 320, NULL },
};

#define NR_PARTS ARRAY_SIZE(parts)

static const char *write_weights(const struct part *p, size_t nr)
{
	static char path[80];
	static const uint8_t zeros[320];
	char header[4096];
	uint64_t at = 0, bytes = 0;
	FILE *f;

	header[bytes++] = '{';
	for (size_t i = 0; i < nr; at += p[i++].bytes)
		bytes += (uint64_t)sprintf(header + bytes, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%llu,%llu]}", i ? "," : "", p[i].name, p[i].type, p[i].shape,
					   (unsigned long long)at, (unsigned long long)(at + p[i].bytes));
	header[bytes++] = '}';
	snprintf(path, sizeof(path), "%s/w.safetensors", folder);
	f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(&bytes, 8, 1, f), 1);
	ck_assert_uint_eq(fwrite(header, 1, bytes, f), bytes);
	for (size_t i = 0; i < nr; i++)
		ck_assert_uint_eq(fwrite(p[i].data ? p[i].data : zeros, 1, p[i].bytes, f), p[i].bytes);
	fclose(f);
	return path;
}

/* The first layer's errors reach the logit by x alone (the bag is 0), and its bias takes nearly all of w * x away again, so that they are most of what is left. */
START_TEST(errors_of_the_bottom_count)
{
	static const struct trace_model m = { .name = "long", .tables = 1, .dim = 1, .rows = { 3 }, .lookups = 1, .dense = 900, .bottom = { 1 }, .top = { 1 } };
	float weights[900], dense[900], pooled = 0, zero = 0, top[2] = { 0.01f, 0.5f }, bias, p;
	const struct part own[] = { { "bot_l.0.weight", "F32", "[1,900]", 3600, weights }, { "bot_l.0.bias", "F32", "[1]", 4, &zero }, { "top_l.0.weight", "F32", "[1,2]", 8, top },
				    { "top_l.0.bias", "F32", "[1]", 4, &bias } };
	double exact = 0, want, bound, worst = 0;
	struct dlrm *d;

	random_seed("errors_of_the_bottom_count");
	for (int round = 0; round < 60; round++) {
		double x = 0;

		for (int i = 0; i < 900; i++) {
			weights[i] = (float)random_in(0, 1 << 24) * 0x1p-24f;
			dense[i] = (float)random_in(0, 1 << 24) * 0x1p-16f;
			x += (double)weights[i] * dense[i];
		}
		bias = (float)(-0.01 * x);
		OK(dlrm_create(&m, write_weights(own, ARRAY_SIZE(own)), 0, &d, &err));
		OK(dlrm_forward(d, dense, &pooled, 1, &p, &err));
		OK(dlrm_reference(d, dense, &exact, NULL, 1, &want, &bound));
		if (!(fabs((double)p - want) <= bound))
			ck_abort_msg("%.9g, not %.9g +- %.3g", (double)p, want, bound);
		worst = fmax(worst, fabs((double)p - want) / bound);
		dlrm_destroy(d);
	}
	printf("# largest error / bound %.3g\n", worst);
	ck_assert_double_gt(worst, 1e-3);
}
END_TEST

static void fill_numbers(void)
{
	for (int i = 0; i < 64; i++) /* with 8 bits: exact in F16 and BF16 */
		numbers[i] = (float)(i * 37 % 101 - 50) / 64;
}

static void from_file(float p[2])
{
	float dense[] = { 1, 0.5f, -2, 3, 0, 1 }, pooled[16];
	struct dlrm *d;

	for (int i = 0; i < 16; i++)
		pooled[i] = (float)(i % 5) - 1.5f;
	OK(dlrm_create(&small, write_weights(parts, NR_PARTS), 0, &d, &err));
	OK(dlrm_forward(d, dense, pooled, 2, p, &err));
	dlrm_destroy(d);
}

START_TEST(weights_from_a_file)
{
	static uint16_t half[64], brain[64];
	struct part other[NR_PARTS];
	float p[2], q[2], dense[] = { 1, 0.5f, -2, 3, 0, 1 }, pooled[16];
	struct dlrm *d;

	fill_numbers();
	from_file(p);
	/* The same in F16 and BF16, which a hand's arithmetic makes: numbers are -50/64 .. 50/64. */
	for (int i = 0; i < 64; i++) {
		uint32_t bits;

		memcpy(&bits, &numbers[i], sizeof(bits));
		brain[i] = (uint16_t)(bits >> 16);
		half[i] = numbers[i] == 0 ? 0 : (uint16_t)(bits >> 31 << 15 | ((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 1023));
	}
	memcpy(other, parts, sizeof(other));
	for (size_t i = 0; i + 1 < NR_PARTS; i++) {
		other[i].type = i % 2 ? "F16" : "BF16";
		other[i].data = i % 2 ? half : brain;
		other[i].bytes /= 2;
	}
	for (int i = 0; i < 16; i++)
		pooled[i] = (float)(i % 5) - 1.5f;
	OK(dlrm_create(&small, write_weights(other, NR_PARTS), 0, &d, &err));
	OK(dlrm_forward(d, dense, pooled, 2, q, &err));
	dlrm_destroy(d);
	ck_assert_mem_eq(p, q, sizeof(p));
	/* NumPy's, in double */
	ck_assert_double_eq_tol((double)p[0], 0.746383948585085, 1e-6);
	ck_assert_double_eq_tol((double)p[1], 0.6561076251832212, 1e-6);
}
END_TEST

START_TEST(bad_weights_are_named)
{
	static const struct {
		size_t at;
		struct part part;
		int code;
		const char *says;
	} cases[] = {
		{ 0, { "bot_l.0.weight", "F32", "[3,5]", 60 }, -EBADMSG, "tensor 'bot_l.0.weight' has the shape [3][5]; of this model it must be [5][3]" },
		{ 1, { "bot_l.0.bias", "F32", "[5,1]", 20 }, -EBADMSG, "tensor 'bot_l.0.bias' has the shape [5][1]; of this model it must be [5]" },
		{ 1, { "bot_l.0.bias", "F32", "[4]", 16 }, -EBADMSG, "tensor 'bot_l.0.bias' has the shape [4]" },
		{ 7, { "top_l.2.bias", "F32", "[]", 4 }, -EBADMSG, "tensor 'top_l.2.bias' has the shape a single number" },
		{ 2, { "bot_l.2.weight", "F64", "[4,5]", 160 }, -EOPNOTSUPP, "tensor 'bot_l.2.weight' is of type F64" },
		{ 2, { "bot_l.2.weight", "I64", "[4,5]", 160 }, -EOPNOTSUPP, "tensor 'bot_l.2.weight' is of type I64" },
		{ 5, { "top_l.1.bias", "F32", "[6]", 24 }, -EOPNOTSUPP, "tensor 'top_l.1.bias' is not one of this model" },
		{ 5, { "top_l.4.bias", "F32", "[6]", 24 }, -EOPNOTSUPP, "top_l.0 to top_l.2" },
		{ 8, { "emb_l.2.weight", "F32", "[20,4]", 320 }, -EOPNOTSUPP, "tensor 'emb_l.2.weight' is not one of this model" },
		{ 8, { "emb_l.01.weight", "F32", "[20,4]", 320 }, -EOPNOTSUPP, "tensor 'emb_l.01.weight'" },
		{ 8, { "emb_l.1.weight", "F32", "[10,8]", 320 }, -EBADMSG, "tensor 'emb_l.1.weight' has the shape [10][8]; of this model it must be [20][4]" },
		{ 8, { "emb_l.1.weight", "U8", "[20,4]", 80 }, -EBADMSG, "must be [20][12]" },
		{ 8, { "v_W_l.0", "F32", "[20]", 80 }, -EOPNOTSUPP, "tensor 'v_W_l.0'" },
	};
	struct part bad[NR_PARTS];
	static float nan_there[64];
	struct dlrm *d;
	char path[100];

	fill_numbers();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(bad, parts, sizeof(bad));
		bad[cases[i].at] = cases[i].part;
		ck_assert_int_eq(dlrm_create(&small, write_weights(bad, NR_PARTS), 0, &d, &err), cases[i].code);
		ck_assert_msg(strstr(err.text, cases[i].says) != NULL, "%s", err.text);
		ck_assert_ptr_null(d);
	}
	/* Each one missing in its turn */
	for (size_t i = 0; i + 1 < NR_PARTS; i++) {
		char says[60];

		memcpy(bad, parts, sizeof(bad));
		bad[i] = bad[NR_PARTS - 1];
		ck_assert_int_eq(dlrm_create(&small, write_weights(bad, NR_PARTS - 1), 0, &d, &err), -ENOENT);
		snprintf(says, sizeof(says), "no tensor '%s', of shape [", parts[i].name);
		ck_assert_msg(strstr(err.text, says) != NULL, "%s", err.text);
	}
	ck_assert_int_eq(dlrm_create(&small, write_weights(parts, 0), 0, &d, &err), -ENOENT);
	/* Not finite, in each type */
	memcpy(nan_there, numbers, sizeof(nan_there));
	nan_there[41] = -INFINITY;
	memcpy(bad, parts, sizeof(bad));
	bad[4].data = nan_there;
	ck_assert_int_eq(dlrm_create(&small, write_weights(bad, NR_PARTS), 0, &d, &err), -EBADMSG);
	ck_assert_msg(strstr(err.text, "tensor 'top_l.0.weight': element 41 of 42 is infinite") != NULL, "%s", err.text);
	memset(nan_there, 0xff, sizeof(nan_there));
	for (int type = 0; type < 3; type++) {
		memcpy(bad, parts, sizeof(bad));
		bad[3] = (struct part){ "bot_l.2.bias", type == 0 ? "F32" : type == 1 ? "F16" : "BF16", "[4]", type ? 8 : 16, nan_there };
		ck_assert_int_eq(dlrm_create(&small, write_weights(bad, NR_PARTS), 0, &d, &err), -EBADMSG);
		ck_assert_msg(strstr(err.text, "tensor 'bot_l.2.bias': element 0 of 4 is not a number") != NULL, "%s", err.text);
	}
	/* No file, no safetensors, one that ends too early */
	snprintf(path, sizeof(path), "%s/none", folder);
	ck_assert_int_eq(dlrm_create(&small, path, 0, &d, &err), -ENOENT);
	ck_assert_int_eq(dlrm_create(&small, folder, 0, &d, &err), -EINVAL);
	ck_assert_int_eq(truncate(write_weights(parts, NR_PARTS), 700), 0);
	snprintf(path, sizeof(path), "%s/w.safetensors", folder);
	ck_assert_int_eq(dlrm_create(&small, path, 0, &d, &err), -EBADMSG);
}
END_TEST

START_TEST(bad_models_are_refused)
{
	struct trace_model m = small;
	struct dlrm *d;

	m.bottom[1] = 5;
	ck_assert_int_eq(dlrm_create(&m, NULL, 0, &d, &err), -EINVAL);
	ck_assert_ptr_null(d);
	m = small;
	m.dense = m.bottom[0] = m.top[0] = TRACE_MAX_WIDTH;
	for (int i = 0; i + 1 < TRACE_MAX_LAYERS; i++)
		m.bottom[i] = m.top[i] = TRACE_MAX_WIDTH;
	m.bottom[TRACE_MAX_LAYERS - 1] = m.dim;
	m.top[TRACE_MAX_LAYERS - 1] = 1;
	ck_assert_int_eq(dlrm_create(&m, NULL, 0, &d, &err), -EFBIG);
	ck_assert_msg(strstr(err.text, "parameters") != NULL, "%s", err.text);
}
END_TEST

START_TEST(without_memory)
{
	float dense[] = { 1, 2, 3 }, pooled[8] = { 0 }, p;
	double exact[8] = { 0 }, want, bound;
	const char *path;
	struct dlrm *d = NULL;
	int failed, ret;

	fill_numbers();
	path = write_weights(parts, NR_PARTS);
	for (failed = 0; failed < 200 && !d; failed++) {
		allocations_left = failed;
		ret = dlrm_create(&small, path, 0, &d, &err);
		allocations_left = -1;
		ck_assert_msg(d ? ret == 0 : ret == -ENOMEM, "allocation %d: %d %s", failed, ret, err.text);
	}
	ck_assert_int_gt(failed, 13); /* itself, three for each of four layers; then it works */
	allocations_left = 0;
	ck_assert_int_eq(dlrm_forward(d, dense, pooled, 1, &p, &err), -ENOMEM);
	for (int i = 0; i < 2; i++) {
		allocations_left = i;
		ck_assert_int_eq(dlrm_reference(d, dense, exact, NULL, 1, &want, &bound), -ENOMEM);
	}
	allocations_left = -1;
	dlrm_destroy(d);
}
END_TEST

static void fill(TCase *t)
{
	tcase_add_test(t, forward_is_within_the_bound);
	tcase_add_test(t, errors_of_the_bottom_count);
	tcase_add_test(t, a_query_is_the_same_alone_and_among_others);
	tcase_add_test(t, several_threads_get_the_same);
	tcase_add_test(t, a_seed_gives_these_numbers);
	tcase_add_test(t, the_check_sees_small_mistakes);
	tcase_add_test(t, what_is_not_finite_stays_so);
	tcase_add_test(t, weights_from_a_file);
	tcase_add_test(t, bad_weights_are_named);
	tcase_add_test(t, bad_models_are_refused);
	tcase_add_test(t, without_memory);
}

int main(void)
{
	char command[64];
	int ret;

	if (!mkdtemp(folder))
		return 1;
	ret = run_suite("dlrm", fill);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) ? 1 : ret;
}
