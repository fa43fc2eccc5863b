/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traces of lookups: for each query and table, the indices of one bag. Models: public shapes of recommendation models (tables x rows x dim x lookups
 * for each table):
 * rm1 8 x 1M x 32 x 80, rm2 32 x 1M x 64 x 120, rm3 10 x 1M x 32 x 20, ncf 4 x 100K x 32 x 1, wnd 27 x 100K x 32 x 1.
 *
 * On disk: a folder of offsets.npy (i8 [queries * tables + 1]), indices.npy (i8), both in the order query, table, position, and model.json; or the
 * same as members of an .npz.
 * np.load() reads what is written. What np.savez() and np.savez_compressed() wrote is read; they cannot write a member model.json, so instead of it
 * model.npy, its text as u1 numbers,
 * is taken too: model=np.frombuffer(json.dumps(m).encode(), np.uint8).
 *
 * model.json is a config.json, in the words of the DLRM benchmark (github.com/facebookresearch/dlrm), as DeepRecSys publishes its models. Lists are
 * numbers with - between them, or
 * JSON arrays; other keys do not matter.
 *
 *   {"model_name": "rm1",                          up to 31 characters; may be missing
 *    "arch_mlp_bot": "128-64-32",                  dense features, then the widths of the bottom MLP's layers; the last one is the dim
 *    "arch_mlp_top": "256-64-1",                   widths of the top MLP's layers, the last one 1; what goes in follows from the interaction
 *    "arch_embedding_size": "1000000-1000000",     rows of each table
 *    "arch_sparse_feature_size": 32,               dim
 *    "num_indices_per_lookup": 80,                 for each table
 *    "arch_interaction_op": "dot"}                 may be missing; "cat" is refused, since something else would be computed
 *
 * Ranks of zipf are spread over the rows by a fixed permutation of the table (a Feistel network over its number of rows), as hot rows are nowhere
 * near each other in practice. It does
 * not depend on the seed: what was learned from one trace holds for another one of the same model.
 */
#ifndef SMARTSSD_STORE_TRACE_H
#define SMARTSSD_STORE_TRACE_H

#include <stdint.h>
#include "../libsmartssd.h"

#define TRACE_MAX_TABLES  1024
#define TRACE_MAX_ROWS	  (1ull << 40)
#define TRACE_MAX_DIM	  4096u
#define TRACE_MAX_LOOKUPS (1u << 20)
#define TRACE_MAX_WIDTH	  65536u
#define TRACE_MAX_LAYERS  15

struct trace_model {
	char name[32];
	uint32_t tables;
	uint32_t dim;
	uint64_t rows[TRACE_MAX_TABLES];
	uint32_t lookups; /* for each table and query */
	/*
	 * MLPs of DLRM: widths that the layers give, 0-terminated. The first layer of bottom takes @dense numbers, its last gives dim; the first of top takes
	 * trace_model_interaction() numbers, its last gives 1. Where the widths are from: model.c.
	 */
	uint32_t dense;
	uint32_t bottom[TRACE_MAX_LAYERS + 1], top[TRACE_MAX_LAYERS + 1];
};

/* The bottom MLP's vector, and one dot product for each pair of vectors (it and one for each table). */
static inline uint32_t trace_model_interaction(const struct trace_model *m)
{
	return m->dim + m->tables * (m->tables + 1) / 2;
}

const struct trace_model *trace_model_by_name(const char *name); /* NULL: no such model */
/* config.json; free(). -EBADMSG, -EOPNOTSUPP name the key. */
int trace_model_load(const char *path, struct trace_model **out, struct smartssd_error *err);

struct trace {
	struct trace_model model;
	uint64_t queries;
	int64_t *offsets; /* [queries * tables + 1] */
	int64_t *indices; /* [offsets[queries * tables]] */
};

struct trace_make {
	const struct trace_model *model;
	uint64_t queries; /* at least 1 */
	double zipf;	  /* exponent, up to ZIPF_MAX_EXPONENT; 0: uniform */
	uint64_t seed;	  /* the same trace on every machine */
	const struct smartssd_progress *progress; /* of lookups; NULL: none */
};

/* trace_free() after 0. -EINVAL, -EOVERFLOW (too many lookups for memory at all), -ENOMEM, -ECANCELED. */
int trace_make(const struct trace_make *make, struct trace *out, struct smartssd_error *err);
/* "x.npz", written whole or not at all, or else a folder, which is made if it is not there; while it is written, it is no trace. */
int trace_save(const struct trace *t, const char *path, struct smartssd_error *err);
/* Everything is checked: offsets, range of every index. -EBADMSG, -ERANGE (an index: query, table, position), -EOPNOTSUPP, -ENOENT, ... */
int trace_load(const char *path, struct trace *out, struct smartssd_error *err);
void trace_free(struct trace *t);

/*
 * Ranks 0..n-1, rank k with a probability proportional to (k + 1)^-exponent: rejection-inversion (W. Hormann, G. Derflinger, 1996). -EINVAL: n is 0
 * or above 2^48, the exponent not
 * above 0 or above ZIPF_MAX_EXPONENT. *state: any number at first, changed by each sample.
 */
#define ZIPF_MAX_EXPONENT 16.0
struct zipf;
int zipf_create(uint64_t n, double exponent, struct zipf **out);
uint64_t zipf_sample(const struct zipf *z, uint64_t *state);
void zipf_destroy(struct zipf *z);

/* A permutation of 0..n-1 by @seed, computed for one value i < n: no table. */
uint64_t trace_permute(uint64_t n, uint64_t seed, uint64_t i);

#endif
