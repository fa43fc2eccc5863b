// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <math.h>
#include <sys/stat.h>

#include "../tap.h"
#include "../../runtime/nn/graph_impl.h"
#include "nn/onnx.pb-c.h"
#include "node_tests.h"

#define DATA   "/usr/share/libonnx-testdata/data/"
#define MAX_IO 16

static const char *const all_folders[] = { DATA "node", DATA "pytorch-converted", DATA "pytorch-operator", DATA "simple", NULL };

/* As ONNX's backend tests have it. */
#define RTOL 1e-3
#define ATOL 1e-7

static int skipped;

struct test {
	const struct nn_engine *engine;
	const char *folder, *name;
	void *data;
	size_t bytes;
	Onnx__ModelProto *model;
};

static void *read_whole(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	void *data;

	if (!f)
		return NULL;
	if (fstat(fileno(f), &st)) {
		fclose(f);
		return NULL;
	}
	data = malloc((size_t)st.st_size + 1);
	*bytes = data ? fread(data, 1, (size_t)st.st_size, f) : 0;
	fclose(f);
	return data;
}

/* @kind is "input" or "output": 1, 0: no such file, -1: it cannot be read. */
static int read_pb(const struct test *t, int set, const char *kind, uint32_t i, struct nn_tensor *out, struct smartssd_error *err)
{
	char path[1024];
	size_t bytes;
	void *data;
	int ret;

	snprintf(path, sizeof(path), "%s/%s/test_data_set_%d/%s_%u.pb", t->folder, t->name, set, kind, i);
	data = read_whole(path, &bytes);
	if (!data)
		return 0;
	ret = nn_tensor_parse(data, bytes, out, err);
	free(data);
	return ret ? -1 : 1;
}

static void free_tensors(struct nn_tensor *t, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		free(t[i].name);
		free(t[i].data);
	}
}

static bool same_dims(const struct nn_dims *a, const struct nn_dims *b)
{
	return a->n == b->n && !memcmp(a->d, b->d, a->n * sizeof(*a->d));
}

/* NULL, or what differs. */
static const char *compare(const struct nn_tensor *want, const struct nn_tensor *type, const void *got, char text[200])
{
	uint64_t n = (uint64_t)nn_count(&want->dims);

	if (want->type != type->type || !same_dims(&want->dims, &type->dims))
		return "type or shape differ";
	if (want->type != NN_F4)
		return memcmp(want->data, got, n * nn_type_bytes(want->type)) ? "integers differ" : NULL;
	for (uint64_t i = 0; i < n; i++) {
		float a = ((const float *)got)[i], b = ((const float *)want->data)[i];

		if (a == b || (isnan(a) && isnan(b)) || fabs((double)a - b) <= ATOL + RTOL * fabs((double)b))
			continue;
		snprintf(text, 200, "element %llu is %.9g instead of %.9g", (unsigned long long)i, (double)a, (double)b);
		return text;
	}
	return NULL;
}

static int run_graph(const struct test *t, const struct nn_graph *g, int set, const struct nn_tensor *in, const char *const *names, uint32_t nr_in,
		     char text[200], struct smartssd_error *err)
{
	const void *values[MAX_IO] = { NULL };
	void *out[MAX_IO] = { NULL };
	int ret = 0;

	if (g->nr_outputs > MAX_IO || g->nr_inputs > MAX_IO)
		return -E2BIG;
	for (uint32_t i = 0; i < g->nr_inputs; i++)
		for (uint32_t j = 0; j < nr_in; j++)
			if (!strcmp(names[j], g->tensors[g->inputs[i]].name))
				values[i] = in[j].data;
	for (uint32_t i = 0; i < g->nr_outputs; i++) {
		uint64_t bytes;

		if (nn_size(g->tensors[g->outputs[i]].type, &g->tensors[g->outputs[i]].dims, NULL, &bytes) || !(out[i] = nn_alloc(bytes)))
			ret = -ENOMEM;
		else
			memset(out[i], 0xa5, bytes);
	}
	if (!ret)
		ret = t->engine->run(t->engine->ctx, g, values, out, err);
	for (uint32_t i = 0; i < g->nr_outputs && !ret; i++) {
		struct nn_tensor want = { 0 };
		const char *wrong;

		if (read_pb(t, set, "output", i, &want, err) < 1) {
			snprintf(text, 200, "output_%u.pb is missing", i);
			ret = -ENOENT;
			break;
		}
		wrong = compare(&want, &g->tensors[g->outputs[i]], out[i], text);
		if (wrong) {
			if (wrong != text)
				snprintf(text, 200, "output %u: %s", i, wrong);
			ret = -EDOM;
		}
		free_tensors(&want, 1);
	}
	for (uint32_t i = 0; i < g->nr_outputs; i++)
		free(out[i]);
	return ret;
}

/* One data set: 0, -EOPNOTSUPP: why is in @err, else a failure that @text describes. */
static int run_set(const struct test *t, int set, char text[200], struct smartssd_error *err)
{
	const Onnx__GraphProto *pb = t->model->graph;
	struct nn_tensor in[MAX_IO] = { 0 }, fixed[MAX_IO];
	const char *names[MAX_IO];
	uint32_t nr = 0, nr_fixed = 0;
	struct nn_graph *g = NULL;
	int ret = 0;

	for (size_t i = 0; i < pb->n_input && nr < MAX_IO; i++) {
		int got = read_pb(t, set, "input", nr, &in[nr], err);

		if (got < 1)
			break; /* an initializer, or of a type that cannot be read: then the model cannot be either */
		names[nr] = pb->input[i]->name;
		if (nr) {
			fixed[nr_fixed] = in[nr];
			fixed[nr_fixed++].name = (char *)names[nr];
		}
		nr++;
	}
	if (!t->engine->constants)
		ret = nn_graph_parse(t->data, t->bytes, 0, &g, err);
	if (t->engine->constants || ret == -EOPNOTSUPP)
		ret = nn_graph_parse_fixed(t->data, t->bytes, 0, fixed, nr_fixed, &g, err);
	if (ret && ret != -EOPNOTSUPP)
		snprintf(text, 200, "%.190s", err->text);
	if (!ret) {
		snprintf(text, 200, "engine failed: ");
		ret = run_graph(t, g, set, in, names, nr, text, err);
		if (ret && ret != -EOPNOTSUPP && ret != -EDOM && ret != -ENOENT)
			snprintf(text, 200, "%d: %.180s", ret, err->text);
	}
	nn_graph_free(g);
	free_tensors(in, nr);
	return ret;
}

static void run_test(const struct test *t)
{
	struct smartssd_error err = { "" };
	char text[200] = "", path[1024], what[256];
	int ret = 0, set;
	struct stat st;

	for (set = 0; !ret; set++) {
		snprintf(path, sizeof(path), "%s/%s/test_data_set_%d", t->folder, t->name, set);
		if (stat(path, &st))
			break;
		ret = run_set(t, set, text, &err);
	}
	snprintf(what, sizeof(what), "%s %s", t->engine->name, t->name);
	if (ret == -EOPNOTSUPP) {
		/* One line of TAP */
		for (char *p = err.text; (p = strchr(p, '\n'));)
			*p = ';';
		tap_skip(what, err.text);
		skipped++;
	} else if (!set) {
		tap_ok(0, "%s: no data", what);
	} else {
		tap_ok(!ret, "%s%s%s", what, ret ? ": " : "", ret ? text : "");
	}
}

static bool wanted(const char *name)
{
	const char *only = getenv("NN_NODE_TEST");

	return !only || strstr(name, only);
}

static int is_test(const struct dirent *e)
{
	return e->d_name[0] != '.' && wanted(e->d_name);
}

/* Returns how many there were, -1: no such folder. */
static int run_folder(const char *folder, const struct nn_engine *engine)
{
	struct dirent **list;
	int nr = scandir(folder, &list, is_test, alphasort), ran = 0;

	if (nr < 0)
		return -1;
	for (int i = 0; i < nr; i++) {
		struct test t = { .engine = engine, .folder = folder, .name = list[i]->d_name };
		char path[1024];
		bool ours = false;

		snprintf(path, sizeof(path), "%s/%s/model.onnx", folder, t.name);
		t.data = read_whole(path, &t.bytes);
		t.model = t.data ? onnx__model_proto__unpack(NULL, t.bytes, t.data) : NULL;
		for (size_t n = 0; t.model && t.model->graph && n < t.model->graph->n_node; n++)
			ours |= nn_op_find(t.model->graph->node[n]->op_type) != NN_OP_NONE;
		if (ours) {
			run_test(&t);
			ran++;
		}
		if (t.model)
			onnx__model_proto__free_unpacked(t.model, NULL);
		free(t.data);
		free(list[i]);
	}
	free(list);
	return ran;
}

int nn_node_main(int argc, char **argv, const struct nn_engine *engine)
{
	const char *const *folders = argc > 1 ? (const char *const *)argv + 1 : all_folders;
	int found = 0, ran = 0;
	char text[200];

	for (; *folders; folders++) {
		int nr = run_folder(*folders, engine);

		if (nr < 0 && argc > 1)
			tap_ok(0, "%s can be read", *folders);
		found += nr >= 0;
		ran += nr > 0 ? nr : 0;
	}
	if (!found && argc == 1) {
		printf("1..0 # SKIP no ONNX test data: apt-get install libonnx-testdata\n");
		return 77;
	}
	/* A loader that refuses everything would skip everything. */
	if (argc == 1 && !getenv("NN_NODE_TEST")) {
		tap_ok(ran - skipped >= engine->least, "%s: %d of %d tests are run, not skipped; at least %d are to be", engine->name, ran - skipped,
		       ran, engine->least);
		if (engine->enough) {
			bool good = engine->enough(engine->ctx, text);

			tap_ok(good, "%s: %s", engine->name, text);
		}
	}
	return tap_done();
}
