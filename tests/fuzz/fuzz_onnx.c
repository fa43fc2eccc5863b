// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as an .onnx file. What is refused comes with words; what is accepted has shapes that fit their limits, can be evaluated, and is the
 * same network after it has been written and read again.
 *
 * Bytes mutated blindly seldom get past protobuf. So an input that begins with 'S' is a recipe: the second byte takes a sample model, the
 * rest says which of its fields become what.
 */
#include <errno.h>
#include <math.h>

#include "../../runtime/nn/graph_impl.h"
#include "../../runtime/whole.h"
#include "../nn/sample.h"
#include "fuzz.h"
#include "nn/onnx.pb-c.h"

#define MAX_WORK   200000u     /* evaluation of larger models is left out: it is slow here, not wrong */
#define MAX_MEMORY (40u << 20) /* of one allocation: folding may take 16 MiB, protobuf-c less than 64 in all */

/* What reading and writing files needs, of which nothing is called here. */
int smartssd_read_all(int fd, void *data, uint64_t bytes, uint64_t offset)
{
	(void)fd, (void)data, (void)bytes, (void)offset;
	abort();
}

int smartssd_whole_begin(struct smartssd_whole *w, const char *path, struct smartssd_error *err)
{
	(void)w, (void)path, (void)err;
	abort();
}

int smartssd_whole_write(struct smartssd_whole *w, const void *data, uint64_t bytes)
{
	(void)w, (void)data, (void)bytes;
	abort();
}

int smartssd_whole_end(struct smartssd_whole *w, int ret)
{
	(void)w, (void)ret;
	abort();
}

void __sanitizer_malloc_hook(const volatile void *p, size_t bytes);
void __sanitizer_malloc_hook(const volatile void *p, size_t bytes)
{
	(void)p;
	fuzz_check(bytes <= MAX_MEMORY);
}

const char *const fuzz_words[] = {
	"Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "ConvInteger",
	"DequantizeLinear", "Div", "Dropout", "Flatten", "Gather", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Identity", "LogSoftmax", "MatMul",
	"MatMulInteger", "MaxPool", "Mul", "Pad", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "ReduceMean", "Relu", "Reshape", "Shape",
	"Slice", "Softmax", "Squeeze", "Sub", "Transpose", "Unsqueeze", "axis", "axes",
	"kernel_shape", "strides", "dilations", "pads", "auto_pad", "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "group", "alpha", "beta", "transA",
	"transB", "epsilon", "to", "min", "max", "value", "mode", "constant", "perm", "keepdims", "ceil_mode", "count_include_pad", "allowzero", "start",
	"end", "starts", "ends", "t0", "t1", "t2", "t3", "t5", "t8", "", "ai.onnx", NULL,
};

/* ---- recipes ---- */

struct recipe {
	const uint8_t *at, *end;
};

static uint32_t take(struct recipe *r)
{
	uint32_t v = 0;

	for (int i = 0; i < 2; i++)
		v = v << 8 | (r->at < r->end ? *r->at++ : 0);
	return v;
}

static int64_t odd_number(uint32_t v, int64_t old)
{
	static const int64_t numbers[] = { 0,	1,	    2,		3,	    4,		5,	   -1,	      -2,	7,	   8,	     10,	11,	   13,
					   14,	18,	    255,	256,	    65535,	65536,	   1 << 20,   INT32_MAX, INT32_MIN, 1ll << 32, 1ll << 40, INT64_MAX, INT64_MIN };

	v %= 40;
	if (v < sizeof(numbers) / sizeof(numbers[0]))
		return numbers[v];
	return (int64_t)((uint64_t)old + v - 32);
}

struct place {
	ProtobufCMessage *message;
	const ProtobufCFieldDescriptor *field;
	size_t element; /* of a repeated field */
};

#define MAX_PLACES 4096

static size_t find_places(ProtobufCMessage *m, struct place *places, size_t nr)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		char *member = (char *)m + f->offset;
		size_t n = f->label == PROTOBUF_C_LABEL_REPEATED ? *(size_t *)((char *)m + f->quantifier_offset) : 1;

		if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF && *(uint32_t *)((char *)m + f->quantifier_offset) != f->id)
			continue;
		for (size_t k = 0; k < n && nr < MAX_PLACES; k++) {
			places[nr++] = (struct place){ m, f, k };
			if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
				ProtobufCMessage *sub = f->label == PROTOBUF_C_LABEL_REPEATED ? (*(ProtobufCMessage ***)member)[k] : *(ProtobufCMessage **)member;

				if (sub)
					nr = find_places(sub, places, nr);
			}
		}
	}
	return nr;
}

static void change_message(struct place *p, char *member, struct recipe *r)
{
	size_t *n = (size_t *)((char *)p->message + p->field->quantifier_offset), other, bytes;
	ProtobufCMessage ***list = (ProtobufCMessage ***)member, *copy;
	uint8_t *packed;

	if (p->field->label != PROTOBUF_C_LABEL_REPEATED || p->field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (!(p->field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && take(r) % 4 == 0 && *(ProtobufCMessage **)member) {
			protobuf_c_message_free_unpacked(*(ProtobufCMessage **)member, NULL);
			*(ProtobufCMessage **)member = NULL;
		}
		return;
	}
	other = take(r) % *n;
	switch (take(r) % 3) {
	case 0: /* exchange */
		copy = (*list)[p->element];
		(*list)[p->element] = (*list)[other];
		(*list)[other] = copy;
		return;
	case 1: /* take out */
		protobuf_c_message_free_unpacked((*list)[p->element], NULL);
		memmove(*list + p->element, *list + p->element + 1, (*n - p->element - 1) * sizeof(**list));
		--*n;
		return;
	default: /* once more */
		bytes = protobuf_c_message_get_packed_size((*list)[p->element]);
		packed = malloc(bytes + 1);
		protobuf_c_message_pack((*list)[p->element], packed);
		copy = protobuf_c_message_unpack(p->field->descriptor, NULL, bytes, packed);
		free(packed);
		*list = realloc(*list, (*n + 1) * sizeof(**list));
		(*list)[(*n)++] = copy;
		return;
	}
}

static void change(struct place *p, struct recipe *r)
{
	static const float floats[] = { 0, 1, -1, 0.5f, 1e-30f, 3e38f, INFINITY, -INFINITY, NAN };
	const ProtobufCFieldDescriptor *f = p->field;
	char *member = (char *)p->message + f->offset;
	bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
	size_t *n = repeated ? (size_t *)((char *)p->message + f->quantifier_offset) : NULL;
	unsigned words = 0;
	int64_t v;

	while (fuzz_words[words])
		words++;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		change_message(p, member, r);
		return;
	}
	if (repeated && f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_BYTES && take(r) % 4 == 0) {
		--*n; /* one number less */
		return;
	}
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		if (repeated)
			member = (char *)(*(int64_t **)member + p->element);
		v = odd_number(take(r), *(int64_t *)member);
		*(int64_t *)member = v;
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		if (repeated)
			member = (char *)(*(int32_t **)member + p->element);
		v = odd_number(take(r), *(int32_t *)member);
		*(int32_t *)member = (int32_t)v;
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		if (repeated)
			member = (char *)(*(float **)member + p->element);
		*(float *)member = floats[take(r) % (sizeof(floats) / sizeof(floats[0]))];
		break;
	case PROTOBUF_C_TYPE_STRING: {
		char **s = repeated ? *(char ***)member + p->element : (char **)member;

		if (*s && *s != f->default_value)
			free(*s);
		*s = strdup(fuzz_words[take(r) % words]);
		break;
	}
	case PROTOBUF_C_TYPE_BYTES: {
		ProtobufCBinaryData *b = repeated ? *(ProtobufCBinaryData **)member + p->element : (ProtobufCBinaryData *)member;

		if (b->len && take(r) % 2)
			b->data[take(r) % b->len] = (uint8_t)take(r);
		else if (b->len)
			b->len -= 1 + take(r) % b->len % 8;
		if ((int64_t)b->len < 0)
			b->len = 0;
		break;
	}
	default:
		return;
	}
	/* A field that was not there is now. */
	if (!repeated && f->quantifier_offset && !(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && f->type != PROTOBUF_C_TYPE_STRING)
		*(protobuf_c_boolean *)((char *)p->message + f->quantifier_offset) = 1;
}

static uint8_t *cook(const uint8_t *data, size_t bytes, size_t *out)
{
	static void *samples[NN_SAMPLES];
	static size_t sizes[NN_SAMPLES];
	static struct place places[MAX_PLACES];
	struct recipe r = { data + 2, data + bytes };
	unsigned s = data[1] % NN_SAMPLES;
	Onnx__ModelProto *m;
	uint8_t *packed;

	if (!samples[s])
		samples[s] = nn_sample_bytes(s, &sizes[s]);
	fuzz_check(samples[s]);
	m = onnx__model_proto__unpack(NULL, sizes[s], samples[s]);
	fuzz_check(m);
	for (int k = 0; k < 8 && r.at < r.end; k++) {
		size_t nr = find_places(&m->base, places, 0);

		if (nr)
			change(&places[take(&r) % nr], &r);
	}
	*out = onnx__model_proto__get_packed_size(m);
	packed = malloc(*out + 1);
	onnx__model_proto__pack(m, packed);
	onnx__model_proto__free_unpacked(m, NULL);
	return packed;
}

/* ---- what must hold ---- */

static bool small_enough(const struct nn_graph *g)
{
	uint64_t work = 0;

	for (uint32_t i = 0; i < g->nr_tensors; i++) {
		uint64_t elements, bytes;

		fuzz_check(!nn_size(g->tensors[i].type, &g->tensors[i].dims, &elements, &bytes));
		fuzz_check(nn_type_bytes(g->tensors[i].type));
		work += elements < MAX_WORK ? elements : MAX_WORK;
	}
	for (uint32_t n = 0; n < g->nr_nodes && work < MAX_WORK; n++) {
		uint64_t w = nn_node_work(g, &g->nodes[n]);

		work += w < MAX_WORK ? w : MAX_WORK;
	}
	return work < MAX_WORK;
}

static void run(const struct nn_graph *g, struct nn_values *v)
{
	struct smartssd_error error = { "" };
	uint64_t random = 88172645463325252ull, bytes;

	fuzz_check(!nn_values_init(v, g, false));
	for (uint32_t i = 0; i < g->nr_inputs; i++) {
		const struct nn_tensor *t = &g->tensors[g->inputs[i]];
		uint8_t *data;

		nn_size(t->type, &t->dims, NULL, &bytes);
		data = nn_alloc(bytes);
		fuzz_check(data);
		for (uint64_t b = 0; b < bytes; b++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			data[b] = t->type == NN_BOOL ? random >> 40 & 1 : (uint8_t)(random >> 40);
		}
		v->value[g->inputs[i]] = data;
		v->owned[g->inputs[i]] = true;
	}
	v->keep = true;
	fuzz_check(!nn_eval(v, NULL, NULL, &error));
}

static void same_again(const struct nn_graph *g)
{
	struct smartssd_error error = { "" };
	struct nn_values v, w;
	struct nn_graph *h;
	size_t bytes;
	void *data;
	int err = nn_graph_serialize(g, &data, &bytes, &error);

	if (err) {
		fuzz_check(err == -EOPNOTSUPP && error.text[0]);
		return;
	}
	err = nn_graph_parse(data, bytes, 0, &h, &error);
	if (err)
		fprintf(stderr, "%s\n", error.text);
	fuzz_check(!err);
	fuzz_check(h->nr_outputs == g->nr_outputs && h->nr_inputs == g->nr_inputs && h->nr_meta == g->nr_meta);
	run(g, &v);
	run(h, &w);
	for (uint32_t i = 0; i < g->nr_outputs; i++) {
		const struct nn_tensor *a = &g->tensors[g->outputs[i]], *b = &h->tensors[h->outputs[i]];
		uint64_t n;

		fuzz_check(a->type == b->type && a->dims.n == b->dims.n && !memcmp(a->dims.d, b->dims.d, a->dims.n * sizeof(a->dims.d[0])));
		nn_size(a->type, &a->dims, NULL, &n);
		fuzz_check(!n || !memcmp(v.value[g->outputs[i]], w.value[h->outputs[i]], n));
	}
	nn_values_free(&v);
	nn_values_free(&w);
	nn_graph_free(h);
	free(data);
}

static void parse(const void *data, size_t bytes)
{
	struct smartssd_error error = { "" };
	struct nn_tensor tensor;
	struct nn_graph *g;
	int err = nn_graph_parse(data, bytes, 2, &g, &error);

	fuzz_outcome(err, error.text);
	if (err) {
		fuzz_check(err == -EBADMSG || err == -EOPNOTSUPP || err == -EFBIG);
		fuzz_check(error.text[0] && memchr(error.text, 0, sizeof(error.text)) && !g);
	} else {
		if (small_enough(g))
			same_again(g);
		nn_graph_free(g);
	}
	err = nn_tensor_parse(data, bytes, &tensor, &error);
	fuzz_check(!err || err == -EBADMSG || err == -EOPNOTSUPP || err == -EFBIG);
	free(tensor.name);
	free(tensor.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	size_t cooked;
	uint8_t *model;

	if (bytes < 2 || data[0] != 'S') {
		parse(data, bytes);
		return 0;
	}
	model = cook(data, bytes, &cooked);
	parse(model, cooked);
	free(model);
	return 0;
}

/* Inputs that once found something new, small ones: a line each, in hexadecimal. Tests run where this path is right. */
#define KEPT "tests/fuzz/onnx.corpus"

static void add_kept(void (*add)(const void *data, size_t bytes))
{
	FILE *f = fopen(KEPT, "r");
	uint8_t data[512];
	char line[1100];

	if (!f)
		fprintf(stderr, "# no " KEPT " here\n");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned byte;
		size_t n = 0;

		while (n < sizeof(data) && sscanf(line + 2 * n, "%2x", &byte) == 1)
			data[n++] = (uint8_t)byte;
		if (n)
			add(data, n);
	}
	if (f)
		fclose(f);
}

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	uint8_t recipe[18] = { 'S' };
	uint32_t random = 1;

	for (unsigned i = 0; i < NN_SAMPLES; i++) {
		size_t bytes;
		void *data = nn_sample_bytes(i, &bytes);

		fuzz_check(data);
		add(data, bytes);
		free(data);
		for (unsigned k = 0; k < 20; k++) {
			recipe[1] = (uint8_t)i;
			for (unsigned j = 2; j < sizeof(recipe); j++)
				recipe[j] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
			add(recipe, 4 + k % (sizeof(recipe) - 4));
		}
	}
	add_kept(add);
}
