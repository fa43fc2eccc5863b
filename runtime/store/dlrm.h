/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DLRM inference without its lookups (M. Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems", 2019): MLPs and feature interaction,
 * on the host. The bags come from an engine (engine.h) or from anywhere else.
 *
 *   x = MLP bottom(dense) [dim], relu behind each layer;   z = [x, dot(v_i, v_j) for i > j], v = x and the tables' bags;   p = sigmoid(MLP top(z)), relu behind each layer but the last
 *
 * Weights: safetensors with the names of a PyTorch DLRM state dict: bot_l.K.weight [out][in], bot_l.K.bias, top_l.K.weight/bias (K = 0, 2, 4, ...), emb_l.T.weight (rows of table T:
 * imported into a store, not read here). F32, F16, BF16. Like PyTorch's load_state_dict(), a tensor that the model does not have is refused.
 */
#ifndef SMARTSSD_STORE_DLRM_H
#define SMARTSSD_STORE_DLRM_H

#include "trace.h"

struct dlrm;

#define DLRM_MAX_PARAMETERS (1ull << 28) /* of both MLPs: 1 GiB as floats, and as much again, packed for products */

/*
 * @weights: path, or NULL: drawn from @seed (U(-1/sqrt(fan in), 1/sqrt(fan in))), the same on every machine. dlrm_destroy() after 0. Errors name the tensor, what was expected and what was
 * found: -ENOENT (no such tensor), -EBADMSG (shape, or a number that is not finite), -EOPNOTSUPP (its type, or a tensor that is not of the model). -EINVAL (@model), -EFBIG, -ENOMEM, ...
 */
int dlrm_create(const struct trace_model *model, const char *weights, uint64_t seed, struct dlrm **out, struct smartssd_error *err);
void dlrm_destroy(struct dlrm *d);
/*
 * @dense [queries][model->dense]; @pooled [tables][queries][dim]; @p [queries]. Any number of threads at once; a query's result does not depend on what else is in the call, nor on the
 * machine (but for exp() of its C library, in double). What grows above the largest float is infinite from there on, so that @p is 0, 1 or NaN. -ENOMEM.
 */
int dlrm_forward(const struct dlrm *d, const float *dense, const float *pooled, uint64_t queries, float *p, struct smartssd_error *err);
/*
 * The same by plain loops in double: the reference. @slack: how far each of dlrm_forward()'s @pooled may be away from the one here; NULL: nothing. @bound (may be NULL): how far its @p may
 * then be away from the one here as long as nothing is infinite, dlrm_reference.c says by which rule. -ENOMEM.
 */
int dlrm_reference(const struct dlrm *d, const float *dense, const double *pooled, const double *slack, uint64_t queries, double *p, double *bound);

/*
 * What a seed gives, the same on every machine. Number i of a stream is k * 2^-24 with the upper 24 bits k of SplitMix64's number i (trace_impl.h); dlrm_weights.c has the streams' first states.
 */
/* Rows of table @t of a seeded model: rows first .. first + nr - 1 as floats. U(-1/sqrt(rows), 1/sqrt(rows)), as the DLRM benchmark draws them. */
void dlrm_seeded_rows(const struct trace_model *model, uint64_t seed, uint32_t t, uint64_t first, uint64_t nr, float *out);
/* Dense features of queries first .. first + nr - 1: U(0, 1). */
void dlrm_seeded_dense(const struct trace_model *model, uint64_t seed, uint64_t first, uint64_t nr, float *out);

#endif
