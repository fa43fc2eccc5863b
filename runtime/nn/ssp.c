// SPDX-License-Identifier: BSD-2-Clause
/*
 * .ssp files, little-endian:
 *
 *      0  "SMARTSSP"
 *      8  u32 version (2), u32 bytes of this header (4096)
 *     16  u64 offset (4096) and u64 bytes of the description
 *     32  u64 offset (a multiple of 4096) and u64 bytes of the weights, with which the file ends
 *     48  SHA-256 of the description
 *     80  zeros
 *   4096  the description: message Program of ssp.proto; zeros behind it; then the weights
 */
#include <endian.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../whole.h"
#include "nn/ssp.pb-c.h"
#include "program_impl.h"

#define MAGIC	"SMARTSSP"
#define VERSION 2u
#define PAGE	4096u
#define HASH	32u
/* Memory that unpacking may take beyond the description's own size; what a description can ask for is limited by it. */
#define UNPACK_BYTES (64ull << 20)
#define UNPACK_TIMES 16u

struct header {
	char magic[8];
	uint32_t version, header_bytes;
	uint64_t offset, bytes, weights_offset, weights_bytes;
	uint8_t sha256[HASH];
	uint8_t zero[PAGE - 80];
};
_Static_assert(sizeof(struct header) == PAGE, "header");

static int sha256(const void *data, uint64_t bytes, uint8_t out[HASH])
{
	return EVP_Digest(data, bytes, out, NULL, EVP_sha256(), NULL) ? 0 : -EIO;
}

/* Fields of the same name and type in program.h and ssp.proto: N numbers, P pairs. */
#define CONV_FIELDS(N, P)                                                                                                                  \
	N(groups) N(channels) N(filters) P(kernel) P(stride) P(dilation) P(pad) P(out) N(x_zero) N(zero) N(lo) N(hi) N(residual) N(v_mult) \
	N(r_mult) N(r_zero) N(sum_zero) N(sum_lo) N(sum_hi) P(pool) P(pool_stride) P(pool_pad) P(pool_out) N(macs) N(tile_rows)            \
	N(tile_filters) N(tile_channels) N(w_stationary)
#define DEPTHWISE_FIELDS(N, P)                                                                                                     \
	P(kernel) P(stride) P(dilation) P(pad) P(out) N(x_zero) N(zero) N(lo) N(hi) N(macs) N(tile_rows) N(tile_channels)
#define POOL_FIELDS(N, P)                                                                                                          \
	N(average) N(count_pad) P(kernel) P(stride) P(dilation) P(pad) P(pad_end) P(out) N(x_zero) N(zero) N(lo) N(hi) N(mult) N(tile_channels)
#define ADD_FIELDS(N, P)  N(a_zero) N(b_zero) N(zero) N(lo) N(hi) N(a_mult) N(b_mult)
#define PACK_FIELDS(N, P) N(is_float) N(scale) N(zero) N(outside) N(kernel) N(stride) N(pad)
#define VALUE_FIELDS(N)   N(plain) N(type) N(images) N(h) N(w) N(c) N(channels) N(scale) N(zero) N(whole) N(at)
#define LAYER_FIELDS(N)   N(out) N(w_at) N(w_bytes) N(coef_at) N(coef_bytes) N(lut_at) N(lut_bytes) N(place) N(card)

/* ---- saving ---- */

#define PUT(f)	    to->f = from->f;
#define PUT_PAIR(f) to->n_##f = 2, to->f = (uint32_t *)from->f;

static void put_conv(NnSsp__Conv *to, const struct nn_conv_layer *from)
{
	CONV_FIELDS(PUT, PUT_PAIR)
}

static void put_depthwise(NnSsp__Depthwise *to, const struct nn_depthwise_layer *from)
{
	DEPTHWISE_FIELDS(PUT, PUT_PAIR)
}

static void put_pool(NnSsp__Pool *to, const struct nn_pool_layer *from)
{
	POOL_FIELDS(PUT, PUT_PAIR)
}

static void put_add(NnSsp__Add *to, const struct nn_add_layer *from)
{
	ADD_FIELDS(PUT, PUT_PAIR)
}

static void put_pack(NnSsp__Pack *to, const struct nn_pack_layer *from)
{
	PACK_FIELDS(PUT, PUT_PAIR)
}

/* A layer with all that it may point to. */
struct saved_layer {
	NnSsp__Layer layer;
	NnSsp__Conv conv;
	NnSsp__Depthwise depthwise;
	NnSsp__Pool pool;
	NnSsp__Add add;
	NnSsp__Pack pack;
	NnSsp__Piece piece;
};

struct saved {
	NnSsp__Program program;
	NnSsp__Value *values, **value_list;
	struct saved_layer *layers;
	NnSsp__Layer **layer_list;
	ProtobufCBinaryData *graphs;
	uint8_t hash[HASH];
};

static void save_value(NnSsp__Value *to, const struct nn_value *from)
{
	nn_ssp__value__init(to);
	VALUE_FIELDS(PUT)
	to->name = from->name;
	to->n_dims = from->dims.n;
	to->dims = (int64_t *)from->dims.d;
}

static void save_layer(struct saved_layer *s, const struct nn_layer *from)
{
	NnSsp__Layer *to = &s->layer;

	nn_ssp__layer__init(to);
	LAYER_FIELDS(PUT)
	to->name = from->name;
	to->fused = from->fused;
	to->why = from->why;
	to->why_host = from->why_host;
	to->n_in = 2;
	to->in = (uint32_t *)from->in;
	switch (from->kind) {
	case NN_LAYER_CONV:
		nn_ssp__conv__init(to->conv = &s->conv);
		put_conv(to->conv, &from->conv);
		break;
	case NN_LAYER_DEPTHWISE:
		nn_ssp__depthwise__init(to->depthwise = &s->depthwise);
		put_depthwise(to->depthwise, &from->depthwise);
		break;
	case NN_LAYER_POOL:
		nn_ssp__pool__init(to->pool = &s->pool);
		put_pool(to->pool, &from->pool);
		break;
	case NN_LAYER_ADD:
		nn_ssp__add__init(to->add = &s->add);
		put_add(to->add, &from->add);
		break;
	case NN_LAYER_PACK:
		nn_ssp__pack__init(to->pack = &s->pack);
		put_pack(to->pack, &from->pack);
		break;
	default:
		nn_ssp__piece__init(to->piece = &s->piece);
		s->piece.graph = from->graph.graph;
		s->piece.n_in = from->graph.nr_in;
		s->piece.in = from->graph.in;
		s->piece.n_out = from->graph.nr_out;
		s->piece.out = from->graph.out;
	}
}

static void saved_free(struct saved *s, uint32_t graphs)
{
	for (uint32_t i = 0; s->graphs && i < graphs; i++)
		free(s->graphs[i].data);
	free(s->graphs);
	free(s->values);
	free(s->value_list);
	free(s->layers);
	free(s->layer_list);
}

static int describe(const struct nn_program *p, struct saved *s, struct smartssd_error *err)
{
	NnSsp__Program *to = &s->program;
	int ret = 0;

	memset(s, 0, sizeof(*s));
	nn_ssp__program__init(to);
	s->values = calloc(p->nr_values + 1ull, sizeof(*s->values));
	s->value_list = calloc(p->nr_values + 1ull, sizeof(*s->value_list));
	s->layers = calloc(p->nr_layers + 1ull, sizeof(*s->layers));
	s->layer_list = calloc(p->nr_layers + 1ull, sizeof(*s->layer_list));
	s->graphs = calloc(p->nr_graphs + 1ull, sizeof(*s->graphs));
	if (!s->values || !s->value_list || !s->layers || !s->layer_list || !s->graphs)
		return smartssd_fail(err, -ENOMEM, "no memory for the description of the program");
	for (uint32_t i = 0; i < p->nr_values; i++)
		save_value(s->value_list[i] = &s->values[i], &p->values[i]);
	for (uint32_t i = 0; i < p->nr_layers; i++) {
		save_layer(&s->layers[i], &p->layers[i]);
		s->layer_list[i] = &s->layers[i].layer;
	}
	for (uint32_t i = 0; i < p->nr_graphs && !ret; i++) {
		void *data = NULL;

		ret = nn_graph_serialize(p->graphs[i], &data, &s->graphs[i].len, err);
		s->graphs[i].data = data;
	}
	if (!ret && sha256(p->weights ? p->weights : (const void *)"", p->weights_bytes, s->hash))
		ret = smartssd_fail(err, -EIO, "libcrypto has no SHA-256");
	to->name = p->name;
	to->shell = p->shell;
	to->cards = p->cards;
	to->spread = p->spread;
	to->decision = p->decision;
	to->n_values = p->nr_values;
	to->values = s->value_list;
	to->n_layers = p->nr_layers;
	to->layers = s->layer_list;
	to->n_graphs = p->nr_graphs;
	to->graphs = s->graphs;
	to->n_inputs = p->nr_inputs;
	to->inputs = p->inputs;
	to->n_outputs = p->nr_outputs;
	to->outputs = p->outputs;
	to->input_scale = p->input_scale;
	to->n_mean = to->n_std = p->nr_mean;
	to->mean = (float *)p->mean;
	to->std = (float *)p->std;
	to->weights_sha256 = (ProtobufCBinaryData){ HASH, s->hash };
	return ret;
}

static int write_file(const char *path, const struct header *h, const uint8_t *description, const struct nn_program *p, struct smartssd_error *err)
{
	static const uint8_t zeros[PAGE];
	uint64_t end = PAGE + le64toh(h->bytes), weights_at = le64toh(h->weights_offset);
	struct smartssd_whole w;
	int ret = smartssd_whole_begin(&w, path, err);

	if (ret)
		return ret;
	ret = smartssd_whole_write(&w, h, sizeof(*h));
	ret = ret ? ret : smartssd_whole_write(&w, description, le64toh(h->bytes));
	ret = ret ? ret : smartssd_whole_write(&w, zeros, weights_at - end);
	ret = ret ? ret : smartssd_whole_write(&w, p->weights, p->weights_bytes);
	ret = smartssd_whole_end(&w, ret);
	if (ret == -ENOSPC || ret == -EDQUOT)
		return smartssd_fail(err, ret, "%s: no room for the %llu bytes of the program; nothing was written: make room there, or write it elsewhere", path,
				     (unsigned long long)(weights_at + p->weights_bytes));
	return ret ? smartssd_fail(err, ret, "%s: cannot be written: %s", path, strerror(-ret)) : 0;
}

int nn_ssp_save(const struct nn_program *program, const char *path, struct smartssd_error *err)
{
	struct header h = { MAGIC, htole32(VERSION), htole32(PAGE), htole64(PAGE) };
	struct saved s;
	uint8_t *data = NULL;
	uint64_t bytes;
	int ret;

	if (program->weights_bytes && !program->weights)
		return smartssd_fail(err, -EINVAL, "the program's weights are not in memory: load it with its weights to save it");
	ret = describe(program, &s, err);
	if (!ret) {
		bytes = protobuf_c_message_get_packed_size(&s.program.base);
		if (bytes > INT32_MAX)
			ret = smartssd_fail(err, -EFBIG, "the description of the program has %llu bytes: what the host computes is more than 2 GiB",
					    (unsigned long long)bytes);
	}
	if (!ret) {
		data = malloc(bytes + 1);
		ret = data ? 0 : smartssd_fail(err, -ENOMEM, "no memory for the description of the program");
	}
	if (!ret) {
		protobuf_c_message_pack(&s.program.base, data);
		h.bytes = htole64(bytes);
		h.weights_offset = htole64(align_up(PAGE + bytes, PAGE));
		h.weights_bytes = htole64(program->weights_bytes);
		ret = sha256(data, bytes, h.sha256) ? smartssd_fail(err, -EIO, "libcrypto has no SHA-256") : write_file(path, &h, data, program, err);
	}
	free(data);
	saved_free(&s, program->nr_graphs);
	return ret;
}

/* ---- loading ---- */

struct budget {
	uint64_t left;
};

static void *take(void *ctx, size_t bytes)
{
	struct budget *b = ctx;

	/* Every block costs something, also an empty one. */
	if (bytes > b->left || b->left - bytes < 32)
		return NULL;
	b->left -= bytes + 32;
	return malloc(bytes ? bytes : 1);
}

static void give(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

#define GET(f)	    to->f = from->f;
#define GET_PAIR(f)                                                    \
	if (from->n_##f != 2)                                          \
		return -EBADMSG;                                       \
	to->f[0] = from->f[0], to->f[1] = from->f[1];

static int get_conv(struct nn_conv_layer *to, const NnSsp__Conv *from)
{
	CONV_FIELDS(GET, GET_PAIR)
	return 0;
}

static int get_depthwise(struct nn_depthwise_layer *to, const NnSsp__Depthwise *from)
{
	DEPTHWISE_FIELDS(GET, GET_PAIR)
	return 0;
}

static int get_pool(struct nn_pool_layer *to, const NnSsp__Pool *from)
{
	POOL_FIELDS(GET, GET_PAIR)
	return 0;
}

static int get_add(struct nn_add_layer *to, const NnSsp__Add *from)
{
	ADD_FIELDS(GET, GET_PAIR)
	return 0;
}

static int get_pack(struct nn_pack_layer *to, const NnSsp__Pack *from)
{
	PACK_FIELDS(GET, GET_PAIR)
	return 0;
}

static int get_text(char **to, const char *from)
{
	*to = nn_printable(from ? from : "");
	return *to ? 0 : -ENOMEM;
}

static int get_list(uint32_t **to, uint32_t *nr, const uint32_t *from, size_t n)
{
	if (n > UINT32_MAX / 8)
		return -EBADMSG;
	*to = calloc(n + 1, sizeof(**to));
	if (!*to)
		return -ENOMEM;
	if (n)
		memcpy(*to, from, n * sizeof(**to));
	*nr = (uint32_t)n;
	return 0;
}

static int get_value(struct nn_value *to, const NnSsp__Value *from)
{
	VALUE_FIELDS(GET)
	if (from->n_dims > NN_MAX_DIMS || from->type > NN_BOOL)
		return -EBADMSG;
	to->dims.n = (uint32_t)from->n_dims;
	for (uint32_t i = 0; i < to->dims.n; i++)
		to->dims.d[i] = from->dims[i];
	return get_text(&to->name, from->name);
}

static int get_layer(struct nn_layer *to, const NnSsp__Layer *from)
{
	int ret;

	to->kind = NN_LAYER_KINDS; /* so that it can be freed at any time */
	LAYER_FIELDS(GET)
	if (from->n_in != 2 || from->place > NN_ON_HOST ||
	    !!from->conv + !!from->depthwise + !!from->pool + !!from->add + !!from->pack + !!from->piece != 1)
		return -EBADMSG;
	to->in[0] = from->in[0];
	to->in[1] = from->in[1];
	ret = get_text(&to->name, from->name);
	ret = ret ? ret : get_text(&to->fused, from->fused);
	ret = ret ? ret : get_text(&to->why, from->why);
	ret = ret ? ret : get_text(&to->why_host, from->why_host);
	if (ret)
		return ret;
	if (from->conv) {
		to->kind = NN_LAYER_CONV;
		return get_conv(&to->conv, from->conv);
	}
	if (from->depthwise) {
		to->kind = NN_LAYER_DEPTHWISE;
		return get_depthwise(&to->depthwise, from->depthwise);
	}
	if (from->pool) {
		to->kind = NN_LAYER_POOL;
		return get_pool(&to->pool, from->pool);
	}
	if (from->add) {
		to->kind = NN_LAYER_ADD;
		return get_add(&to->add, from->add);
	}
	if (from->pack) {
		to->kind = NN_LAYER_PACK;
		return get_pack(&to->pack, from->pack);
	}
	to->kind = NN_LAYER_GRAPH;
	to->graph.graph = from->piece->graph;
	ret = get_list(&to->graph.in, &to->graph.nr_in, from->piece->in, from->piece->n_in);
	return ret ? ret : get_list(&to->graph.out, &to->graph.nr_out, from->piece->out, from->piece->n_out);
}

static int get_program(struct nn_program *to, const NnSsp__Program *from, struct smartssd_error *err)
{
	int ret;

	to->shell = from->shell > NN_SHELL_DFX ? NN_SHELL_DFX + 1 : from->shell;
	to->cards = from->cards;
	to->spread = from->spread;
	to->input_scale = from->input_scale;
	if (from->n_mean != from->n_std || from->n_mean > 4 || from->n_values > UINT32_MAX / 2 || from->n_layers > UINT32_MAX / 2 ||
	    from->n_graphs > UINT32_MAX / 2)
		return -EBADMSG;
	to->nr_mean = (uint32_t)from->n_mean;
	for (uint32_t i = 0; i < to->nr_mean; i++) {
		to->mean[i] = from->mean[i];
		to->std[i] = from->std[i];
	}
	to->values = calloc(from->n_values + 1, sizeof(*to->values));
	to->layers = calloc(from->n_layers + 1, sizeof(*to->layers));
	to->graphs = calloc(from->n_graphs + 1, sizeof(*to->graphs));
	ret = to->values && to->layers && to->graphs ? 0 : -ENOMEM;
	ret = ret ? ret : get_text(&to->name, from->name);
	ret = ret ? ret : get_text(&to->decision, from->decision);
	ret = ret ? ret : get_list(&to->inputs, &to->nr_inputs, from->inputs, from->n_inputs);
	ret = ret ? ret : get_list(&to->outputs, &to->nr_outputs, from->outputs, from->n_outputs);
	for (size_t i = 0; i < from->n_values && !ret; i++)
		ret = get_value(&to->values[to->nr_values++], from->values[i]);
	for (size_t i = 0; i < from->n_layers && !ret; i++)
		ret = get_layer(&to->layers[to->nr_layers++], from->layers[i]);
	for (size_t i = 0; i < from->n_graphs && !ret; i++) {
		ret = nn_graph_parse(from->graphs[i].data, from->graphs[i].len, 0, &to->graphs[i], err);
		if (ret)
			return ret; /* with a text */
		to->nr_graphs++;
	}
	return ret;
}

static int parse(const void *data, size_t bytes, struct nn_program *p, uint8_t weights_hash[HASH], struct smartssd_error *err)
{
	struct budget budget = { UNPACK_BYTES + UNPACK_TIMES * bytes };
	ProtobufCAllocator allocator = { take, give, &budget };
	NnSsp__Program *from = nn_ssp__program__unpack(&allocator, bytes, data);
	int ret;

	if (!from)
		return smartssd_fail(err, -EBADMSG, "its description is not one");
	if (err)
		err->text[0] = '\0';
	ret = get_program(p, from, err);
	if (!ret && from->weights_sha256.len != HASH)
		ret = -EBADMSG;
	if (!ret)
		memcpy(weights_hash, from->weights_sha256.data, HASH);
	nn_ssp__program__free_unpacked(from, &allocator);
	if (ret == -ENOMEM)
		return smartssd_fail(err, ret, "no memory for it");
	if (ret && err && !err->text[0])
		smartssd_fail(err, ret, "its description has lists of impossible lengths or unknown numbers");
	return ret;
}

int nn_ssp_parse(const void *description, size_t bytes, uint64_t weights_bytes, struct nn_program **out, struct smartssd_error *err)
{
	struct nn_program *p = calloc(1, sizeof(*p));
	uint8_t hash[HASH];
	int ret = p ? parse(description, bytes, p, hash, err) : smartssd_fail(err, -ENOMEM, "no memory for it");

	if (!ret) {
		p->weights_bytes = weights_bytes;
		ret = nn_program_check(p, err);
	}
	if (ret)
		nn_program_free(p);
	*out = ret ? NULL : p;
	return ret;
}

static int read_header(int fd, uint64_t file_bytes, struct header *h, struct smartssd_error *err)
{
	int ret;

	if (file_bytes < PAGE)
		return smartssd_fail(err, -EBADMSG, "it has %llu bytes: not a .ssp file, or cut off", (unsigned long long)file_bytes);
	ret = smartssd_read_all(fd, h, PAGE, 0);
	if (ret)
		return smartssd_fail(err, ret, "%s", strerror(-ret));
	if (memcmp(h->magic, MAGIC, 8))
		return smartssd_fail(err, -EBADMSG, "not a .ssp file; `smartssd compile` writes those");
	if (le32toh(h->version) != VERSION)
		return smartssd_fail(err, -EOPNOTSUPP, "its format has version %u, this program reads version %u: compile the model again", le32toh(h->version),
				     VERSION);
	h->offset = le64toh(h->offset);
	h->bytes = le64toh(h->bytes);
	h->weights_offset = le64toh(h->weights_offset);
	h->weights_bytes = le64toh(h->weights_bytes);
	if (le32toh(h->header_bytes) != PAGE || h->offset != PAGE || h->bytes > INT32_MAX || h->bytes > file_bytes - PAGE ||
	    h->weights_offset % PAGE || h->weights_offset < PAGE + h->bytes)
		return smartssd_fail(err, -EBADMSG, "its header contradicts itself");
	if (h->weights_offset > file_bytes || h->weights_bytes != file_bytes - h->weights_offset)
		return smartssd_fail(err, -EBADMSG, "it should have %llu bytes of weights from byte %llu on, but ends at %llu: copy it again",
				     (unsigned long long)h->weights_bytes, (unsigned long long)h->weights_offset, (unsigned long long)file_bytes);
	return 0;
}

static int load_weights(int fd, struct nn_program *p, const uint8_t hash[HASH], struct smartssd_error *err)
{
	uint8_t own[HASH];
	int ret;

	/* In card memory order already; the alignment is that of what reads it. */
	p->weights = aligned_alloc(PAGE, align_up(p->weights_bytes + 1, PAGE));
	if (!p->weights)
		return smartssd_fail(err, -ENOMEM, "no memory for its weights");
	ret = smartssd_read_all(fd, p->weights, p->weights_bytes, p->weights_offset);
	if (ret)
		return smartssd_fail(err, ret, "%s", strerror(-ret));
	if (sha256(p->weights, p->weights_bytes, own) || memcmp(own, hash, HASH))
		return smartssd_fail(err, -EBADMSG, "its weights are damaged (SHA-256 differs): copy it again, or compile the model again");
	return 0;
}

static int load(int fd, bool weights, struct nn_program **out, struct smartssd_error *err)
{
	uint8_t hash[HASH], *data = NULL;
	struct nn_program *p = NULL;
	struct header h;
	struct stat st;
	int ret = fstat(fd, &st) ? -errno : 0;

	if (ret)
		return smartssd_fail(err, ret, "%s", strerror(-ret));
	if (!S_ISREG(st.st_mode))
		return smartssd_fail(err, -EBADMSG, "not a regular file");
	ret = read_header(fd, (uint64_t)st.st_size, &h, err);
	if (ret)
		return ret;
	p = calloc(1, sizeof(*p));
	data = malloc(h.bytes + 1);
	if (!p || !data) {
		ret = smartssd_fail(err, -ENOMEM, "no memory for it");
		goto out;
	}
	ret = smartssd_read_all(fd, data, h.bytes, PAGE);
	if (ret) {
		smartssd_fail(err, ret, "%s", strerror(-ret));
		goto out;
	}
	ret = sha256(data, h.bytes, hash) || memcmp(hash, h.sha256, HASH)
		      ? smartssd_fail(err, -EBADMSG, "its description is damaged (SHA-256 differs): copy it again, or compile the model again")
		      : parse(data, h.bytes, p, hash, err);
	p->weights_offset = h.weights_offset;
	p->weights_bytes = h.weights_bytes;
	ret = ret ? ret : nn_program_check(p, err);
	ret = ret || !weights ? ret : load_weights(fd, p, hash, err);
out:
	free(data);
	if (ret)
		nn_program_free(p);
	else
		*out = p;
	return ret;
}

int nn_ssp_load(const char *path, bool weights, struct nn_program **out, int *fd, struct smartssd_error *err)
{
	struct smartssd_error why = { "" };
	int file = smartssd_open_read(path), ret;

	*out = NULL;
	if (file < 0)
		return smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
	ret = load(file, weights, out, &why);
	if (ret)
		smartssd_fail(err, ret, "%s: %s", path, why.text);
	if (ret || !fd)
		close(file);
	else
		*fd = file;
	return ret;
}
