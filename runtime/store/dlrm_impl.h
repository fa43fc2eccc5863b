/* SPDX-License-Identifier: BSD-2-Clause */
/* What dlrm.c, dlrm_weights.c and dlrm_reference.c share. */
#ifndef SMARTSSD_STORE_DLRM_IMPL_H
#define SMARTSSD_STORE_DLRM_IMPL_H

#include "../private.h"
#include "dlrm.h"

struct dlrm_layer {
	uint32_t in, out;
	float *weight; /* [out][in] */
	float *bias;   /* [out] */
	float *packed; /* weight for nn_gemm_f4_packed() */
};

struct dlrm_mlp {
	const char *name; /* "bot_l": of its tensors */
	uint32_t nr;
	struct dlrm_layer layers[TRACE_MAX_LAYERS];
};

struct dlrm {
	struct trace_model model;
	uint32_t interaction; /* numbers that go into top */
	uint32_t widest;      /* of all that a layer gives, and interaction */
	struct dlrm_mlp bottom, top;
};

/* dlrm_weights.c: weight and bias of all layers, which are allocated. */
int dlrm_load(struct dlrm *d, const char *path, struct smartssd_error *err);
void dlrm_seed(struct dlrm *d, uint64_t seed);

#endif
