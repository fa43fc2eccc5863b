// SPDX-License-Identifier: BSD-2-Clause
/*
 * The one inner loop of convolutions and matrix products, for float and for integers:
 *
 *   for each NN_NC columns of c:                          (their part of b fits the L2 cache)
 *     for each NN_KC rows of b: pack NN_KC x NN_NC of b into panels of NN_PANEL columns
 *       for each MR rows of a and c, for each panel:      (MR x NN_PANEL sums in registers)
 *         for each k: sums[r] += a[r][k] * panel[k]
 *
 * Written once with gcc's vectors and compiled for AVX-512, AVX2 and the base instruction set; which one is taken is decided at run time.
 */
#include "graph_impl.h"

#define MR 6

typedef float v16f __attribute__((vector_size(64)));
typedef int32_t v16i __attribute__((vector_size(64)));

#define BODY static inline __attribute__((always_inline)) void

/* Rows r0 .. r0 + mr - 1; mr is a constant where this is inlined. */
BODY block_f4(int mr, int64_t kc, const float *a, int64_t lda, const float *panel, float *c, int64_t ldc, int64_t nc)
{
	v16f sum[MR] = { 0 };

	for (int64_t k = 0; k < kc; k++) {
		v16f b = *(const v16f *)(panel + k * NN_PANEL);

#pragma GCC unroll 6 /* or else sums are in memory */
		for (int r = 0; r < mr; r++)
			sum[r] += a[r * lda + k] * b;
	}
#pragma GCC unroll 6
	for (int r = 0; r < mr; r++) {
		v16f old = { 0 };

		if (nc >= NN_PANEL) {
			memcpy(&old, c + r * ldc, sizeof(old));
			old += sum[r];
			memcpy(c + r * ldc, &old, sizeof(old));
		} else {
			for (int64_t j = 0; j < nc; j++)
				c[r * ldc + j] += sum[r][j];
		}
	}
}

BODY block_i4(int mr, int64_t kc, const int32_t *a, int64_t lda, const int32_t *panel, int64_t *c, int64_t ldc)
{
	v16i sum[MR] = { 0 };

	for (int64_t k = 0; k < kc; k++) {
		v16i b = *(const v16i *)(panel + k * NN_PANEL);

#pragma GCC unroll 6 /* or else sums are in memory */
		for (int r = 0; r < mr; r++)
			sum[r] += a[r * lda + k] * b;
	}
#pragma GCC unroll 6
	for (int r = 0; r < mr; r++)
		for (int j = 0; j < NN_PANEL; j++)
			c[r * ldc + j] += sum[r][j];
}

BODY rows_f4(int64_t m, int64_t kc, const float *a, int64_t lda, const float *panels, float *c, int64_t ldc, int64_t nc)
{
	for (int64_t r = 0; r < m; r += MR) {
		int64_t mr = m - r < MR ? m - r : MR;

		for (int64_t j = 0; j < nc; j += NN_PANEL) {
			const float *panel = panels + j * kc;

			if (mr == MR)
				block_f4(MR, kc, a + r * lda, lda, panel, c + r * ldc + j, ldc, nc - j);
			else
				for (int64_t i = 0; i < mr; i++)
					block_f4(1, kc, a + (r + i) * lda, lda, panel, c + (r + i) * ldc + j, ldc, nc - j);
		}
	}
}

BODY rows_i4(int64_t m, int64_t kc, const int32_t *a, int64_t lda, const int32_t *panels, int64_t *c, int64_t nc)
{
	for (int64_t r = 0; r < m; r += MR) {
		int64_t mr = m - r < MR ? m - r : MR;

		for (int64_t j = 0; j < nc; j += NN_PANEL) {
			const int32_t *panel = panels + j * kc;

			if (mr == MR)
				block_i4(MR, kc, a + r * lda, lda, panel, c + r * NN_NC + j, NN_NC);
			else
				for (int64_t i = 0; i < mr; i++)
					block_i4(1, kc, a + (r + i) * lda, lda, panel, c + (r + i) * NN_NC + j, NN_NC);
		}
	}
}

#define VARIANT(name, attributes)                                                                                                                  \
	attributes static void name##_f4(int64_t m, int64_t kc, const float *a, int64_t lda, const float *panels, float *c, int64_t ldc, int64_t nc) \
	{                                                                                                                                          \
		rows_f4(m, kc, a, lda, panels, c, ldc, nc);                                                                                        \
	}                                                                                                                                          \
	attributes static void name##_i4(int64_t m, int64_t kc, const int32_t *a, int64_t lda, const int32_t *panels, int64_t *c, int64_t nc)      \
	{                                                                                                                                          \
		rows_i4(m, kc, a, lda, panels, c, nc);                                                                                             \
	}

VARIANT(base, )
#ifdef __x86_64__
VARIANT(avx2, __attribute__((target("avx2,fma"))))
VARIANT(avx512, __attribute__((target("avx512f,prefer-vector-width=512"))))
#define CHOOSE(type)                                                                                            \
	(__builtin_cpu_supports("avx512f")				    ? avx512_##type :                     \
	 __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")    ? avx2_##type :                       \
									      base_##type)
#else
#define CHOOSE(type) base_##type
#endif

/* Elements of the panels, of which small products need little. */
static uint64_t panel_elements(int64_t n, int64_t k)
{
	return (uint64_t)(k < NN_KC ? k : NN_KC) * align_up((uint64_t)(n < NN_NC ? n : NN_NC), NN_PANEL);
}

/* @packed: all of b, as nn_pack_f4_all() leaves it; or NULL: pack() fills @panels with each part in its turn. */
static void product_f4(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, nn_pack_f4 pack, const void *ctx, float *panels, const float *packed, float *c, int64_t ldc)
{
	for (int64_t n0 = 0; n0 < n; n0 += NN_NC) {
		int64_t nc = n - n0 < NN_NC ? n - n0 : NN_NC;

		for (int64_t k0 = 0; k0 < k; k0 += NN_KC) {
			int64_t kc = k - k0 < NN_KC ? k - k0 : NN_KC;
			const float *part = packed;

			if (packed) {
				packed += kc * (int64_t)align_up((uint64_t)nc, NN_PANEL);
			} else {
				pack(ctx, panels, k0, kc, n0, nc);
				part = panels;
			}
			CHOOSE(f4)(m, kc, a + k0, lda, part, c + n0, ldc, nc);
		}
	}
}

int nn_gemm_f4(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, nn_pack_f4 pack, const void *ctx, float *c, int64_t ldc)
{
	uint64_t elements = panel_elements(n, k);
	float *panels = nn_alloc(elements * sizeof(*panels));

	if (!panels)
		return -ENOMEM;
	memset(panels, 0, elements * sizeof(*panels));
	product_f4(m, n, k, a, lda, pack, ctx, panels, NULL, c, ldc);
	free(panels);
	return 0;
}

uint64_t nn_packed_elements(int64_t n, int64_t k)
{
	return (uint64_t)k * align_up((uint64_t)n, NN_PANEL);
}

void nn_pack_f4_all(int64_t n, int64_t k, nn_pack_f4 pack, const void *ctx, float *packed)
{
	memset(packed, 0, nn_packed_elements(n, k) * sizeof(*packed));
	for (int64_t n0 = 0; n0 < n; n0 += NN_NC) {
		int64_t nc = n - n0 < NN_NC ? n - n0 : NN_NC;

		for (int64_t k0 = 0; k0 < k; k0 += NN_KC) {
			int64_t kc = k - k0 < NN_KC ? k - k0 : NN_KC;

			pack(ctx, packed, k0, kc, n0, nc);
			packed += kc * (int64_t)align_up((uint64_t)nc, NN_PANEL);
		}
	}
}

void nn_gemm_f4_packed(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *packed, float *c, int64_t ldc)
{
	product_f4(m, n, k, a, lda, NULL, NULL, NULL, packed, c, ldc);
}

#define ROWS 512 /* of c, whose sums are kept at a time */

int nn_gemm_i4(int64_t m, int64_t n, int64_t k, const int32_t *a, int64_t lda, nn_pack_i4 pack, const void *ctx, nn_store_i8 store,
	       const void *store_ctx)
{
	uint64_t elements = panel_elements(n, k);
	int32_t *panels = nn_alloc(elements * sizeof(*panels));
	int64_t *sums = nn_alloc((uint64_t)(m < ROWS ? m : ROWS) * NN_NC * sizeof(*sums));

	if (!panels || !sums) {
		free(panels);
		free(sums);
		return -ENOMEM;
	}
	memset(panels, 0, elements * sizeof(*panels));
	for (int64_t n0 = 0; n0 < n; n0 += NN_NC) {
		int64_t nc = n - n0 < NN_NC ? n - n0 : NN_NC;

		for (int64_t m0 = 0; m0 < m; m0 += ROWS) {
			int64_t mc = m - m0 < ROWS ? m - m0 : ROWS;

			memset(sums, 0, (size_t)mc * NN_NC * sizeof(*sums));
			for (int64_t k0 = 0; k0 < k; k0 += NN_KC) {
				int64_t kc = k - k0 < NN_KC ? k - k0 : NN_KC;

				pack(ctx, panels, k0, kc, n0, nc);
				CHOOSE(i4)(mc, kc, a + m0 * lda + k0, lda, panels, sums, nc);
			}
			for (int64_t r = 0; r < mc; r++)
				store(store_ctx, m0 + r, n0, nc, sums + r * NN_NC);
		}
	}
	free(panels);
	free(sums);
	return 0;
}
