/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DLRM inference (M. Naumov et al., 2019): bottom MLP over dense features and top MLP on the host, embedding bags by an engine, pairwise dot interaction between.
 *
 *   x = relu MLP(dense)  [dim];   z = [x, dot(v_i, v_j) for i > j], v = x and the tables' bags;   p = sigmoid(relu MLP(z), last layer without relu)
 *
 * Weights: safetensors with the names of a PyTorch DLRM state dict: bot_l.K.weight/bias, top_l.K.weight/bias (K = 0, 2, 4, ...), emb_l.T.weight (imported into the store as table emb_T).
 */
#ifndef SMARTSSD_STORE_DLRM_H
#define SMARTSSD_STORE_DLRM_H

#include "trace.h"

struct dlrm;

/* @weights: path, or NULL: drawn from @seed (U(-1/sqrt(fan in), 1/sqrt(fan in))), the same on every machine. Shapes are checked against @model by name. */
int dlrm_create(const struct trace_model *model, const char *weights, uint64_t seed, struct dlrm **out, struct smartssd_error *err);
void dlrm_destroy(struct dlrm *d);
/* @dense [queries][model->dense]; @pooled [tables][queries][dim]; @p [queries]. @threads share the queries; the result does not depend on them. */
int dlrm_forward(const struct dlrm *d, const float *dense, const float *pooled, uint64_t queries, uint32_t threads, float *p, struct smartssd_error *err);
/* The same by plain loops in double: the reference. */
void dlrm_reference(const struct dlrm *d, const float *dense, const float *pooled, uint64_t queries, double *p);
/* Rows of table @t of a seeded model, the same on every machine: row r as floats. */
void dlrm_seeded_rows(const struct trace_model *model, uint64_t seed, uint32_t t, uint64_t first, uint64_t nr, float *out);

#endif
