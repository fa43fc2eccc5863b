// SPDX-License-Identifier: BSD-2-Clause
/* Traces: the distribution is Zipf's, the permutation one, the bytes always the same; files go there and back, NumPy reads and writes them, damage is an error. */
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../runtime/runtime_test.h"
#include "../../runtime/store/trace_impl.h"

static char folder[] = "/tmp/test_trace.XXXXXX";
static char path[200];

static const char *in(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

START_TEST(zipf_is_zipf)
{
	static const struct {
		uint64_t n;
		double s;
	} cases[] = { { 1, 1 }, { 2, 1 }, { 10, 1 }, { 10, 0.3 }, { 50, 0.999999 }, { 50, 1.000001 }, { 100, 2.5 }, { 1000, 0.8 }, { 1000, 1 }, { 30, 16 }, { 1000000, 1 } };

	random_seed("zipf_is_zipf");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum { DRAWS = 200000, CELLS = 64 };
		uint64_t n = cases[i].n, state = random_u64(), count[CELLS] = { 0 };
		double p[CELLS] = { 0 }, sum = 0, chi = 0;
		struct zipf *z;
		int cells = 0;

		/* Cells: ranks 0..31 alone, then by powers of two */
#define CELL(k) ((k) < 32 ? (int)(k) : 27 + 63 - __builtin_clzll(k))
		ck_assert_int_eq(zipf_create(n, cases[i].s, &z), 0);
		for (uint64_t k = 0; k < n; k++) {
			p[CELL(k)] += pow((double)k + 1, -cases[i].s);
			sum += pow((double)k + 1, -cases[i].s);
		}
		for (int d = 0; d < DRAWS; d++) {
			uint64_t k = zipf_sample(z, &state);

			ck_assert_uint_lt(k, n);
			count[CELL(k)]++;
		}
		for (int c = 0; c < CELLS; c++) {
			double want = DRAWS * p[c] / sum;

			if (want < 5)
				continue;
			chi += ((double)count[c] - want) * ((double)count[c] - want) / want;
			cells++;
		}
		/* Mean cells - 1, variance 2 (cells - 1): six deviations and something for few cells */
		ck_assert_msg(chi < cells + 6 * sqrt(2.0 * cells) + 12, "n %llu s %g: chi-square %g of %d cells", (unsigned long long)n, cases[i].s, chi, cells);
		zipf_destroy(z);
	}
	{
		struct zipf *z;

		ck_assert_int_eq(zipf_create(0, 1, &z), -EINVAL);
		ck_assert_int_eq(zipf_create(5, 0, &z), -EINVAL);
		ck_assert_int_eq(zipf_create(5, -1, &z), -EINVAL);
		ck_assert_int_eq(zipf_create(5, NAN, &z), -EINVAL);
		ck_assert_int_eq(zipf_create(UINT64_MAX, 1, &z), -EINVAL);
		ck_assert_int_eq(zipf_create(1ull << 48, 0.01, &z), 0);
		for (uint64_t i = 0, state = 3; i < 1000; i++)
			ck_assert_uint_lt(zipf_sample(z, &state), 1ull << 48);
		zipf_destroy(z);
	}
}
END_TEST

START_TEST(permutation)
{
	static bool seen[70000];

	for (uint64_t n = 1; n < 70000; n = n < 70 ? n + 1 : n * 3 + 7) {
		uint64_t moved = 0;

		memset(seen, 0, sizeof(seen));
		for (uint64_t i = 0; i < n; i++) {
			uint64_t to = trace_permute(n, n % 5, i);

			ck_assert_uint_lt(to, n);
			ck_assert(!seen[to]);
			seen[to] = true;
			moved += to > i ? to - i : i - to;
		}
		/* Of a random permutation: n * n / 3 */
		if (n > 1000)
			ck_assert(moved > n * n / 4 && moved < n * n / 2);
	}
	ck_assert_uint_lt(trace_permute(UINT64_MAX, 1, UINT64_MAX - 1), UINT64_MAX);
}
END_TEST

static uint64_t checksum(const struct trace *t)
{
	uint64_t sum = 0;

	for (int64_t i = 0; i < t->offsets[t->queries * t->model.tables]; i++)
		sum = trace_mix(sum + (uint64_t)t->indices[i]) + TRACE_GOLDEN;
	return sum;
}

static void make(const char *model, uint64_t queries, double zipf, uint64_t seed, struct trace *t)
{
	struct trace_make m = { .model = trace_model_by_name(model), .queries = queries, .zipf = zipf, .seed = seed };
	struct smartssd_error err = { "" };

	ck_assert_msg(!trace_make(&m, t, &err), "%s", err.text);
	ck_assert(!trace_check(t, "made", &err));
}

START_TEST(always_the_same)
{
	static const struct {
		const char *model;
		double zipf;
		uint64_t sum;
	} cases[] = { { "rm1", 1.0, 0x803d0f73863de521 }, { "rm3", 0.8, 0xc1c3ecf71efe4e1c }, { "wnd", 0, 0x3f4f020fdbaf7d2f } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct trace t, again, other;

		make(cases[i].model, 50, cases[i].zipf, 42, &t);
		make(cases[i].model, 50, cases[i].zipf, 42, &again);
		make(cases[i].model, 50, cases[i].zipf, 43, &other);
		ck_assert_msg(checksum(&t) == cases[i].sum, "%s: 0x%llx", cases[i].model, (unsigned long long)checksum(&t));
		ck_assert_uint_eq(checksum(&again), cases[i].sum);
		ck_assert_uint_ne(checksum(&other), cases[i].sum);
		trace_free(&t);
		trace_free(&again);
		trace_free(&other);
	}
}
END_TEST

static bool same(const struct trace *a, const struct trace *b)
{
	uint64_t bags = a->queries * a->model.tables;

	return a->queries == b->queries && !memcmp(&a->model, &b->model, sizeof(a->model)) && !memcmp(a->offsets, b->offsets, (bags + 1) * 8) &&
	       !memcmp(a->indices, b->indices, (uint64_t)a->offsets[bags] * 8);
}

START_TEST(there_and_back)
{
	static const char *const names[] = { "rm1", "rm2", "rm3", "ncf", "wnd" };
	static const char *const files[] = { "t.npz", "t" };
	struct smartssd_error err = { "" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		ck_assert(!trace_model_check(trace_model_by_name(names[i]), names[i], &err));
		for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
			struct trace t, back;

			make(names[i], 3, 1, i, &t);
			ck_assert_msg(!trace_save(&t, in(files[f]), &err), "%s", err.text);
			ck_assert_msg(!trace_load(in(files[f]), &back, &err), "%s", err.text);
			ck_assert(same(&t, &back));
			trace_free(&t);
			trace_free(&back);
		}
	}
	ck_assert_ptr_null(trace_model_by_name("rm9"));
}
END_TEST

/* NumPy reads what we write; we read what np.savez() and np.savez_compressed() make of that. */
START_TEST(numpy)
{
	static const char script[] = "import numpy as np, sys\n"
				     "f = sys.argv[1]\n"
				     "z = np.load(f + '/n.npz')\n"
				     "o, i, m = z['offsets'], z['indices'], np.frombuffer(z['model.json'], np.uint8)\n"
				     "assert o.dtype == np.int64 and i.dtype == np.int64 and o[-1] == len(i)\n"
				     "assert (np.load(f + '/n/offsets.npy') == o).all() and (np.load(f + '/n/indices.npy') == i).all()\n"
				     "np.savez(f + '/s.npz', offsets=o, indices=i, model=m)\n"
				     "np.savez_compressed(f + '/c.npz', offsets=o, indices=i, model=m)\n"
				     "np.savez(f + '/i4.npz', offsets=o.astype(np.int32), indices=i, model=m)\n"
				     "np.savez(f + '/far.npz', offsets=o, indices=i + 999999, model=m)\n"
				     "np.savez(f + '/text.npz', offsets=o, indices=i, model=np.array(m.tobytes().decode()))\n"
				     "np.savez(f + '/bytes.npz', offsets=o, indices=i, model=np.array(m.tobytes()))\n"
				     "np.savez(f + '/object.npz', offsets=o, indices=i, model=np.array({'a': m}, dtype=object))\n"
				     "np.savez(f + '/float.npz', offsets=o, indices=i, model=m.astype(np.float32))\n"
				     "np.savez(f + '/none.npz', offsets=o, indices=i)\n";
	static const char *const kinds[] = { "text.npz", "bytes.npz", "object.npz", "float.npz" };
	struct smartssd_error err = { "" };
	char command[400];
	struct trace t, back;
	FILE *f;

	if (system("/usr/bin/python3 -c 'import numpy' 2>/dev/null")) {
		printf("# SKIP numpy: python3-numpy is not installed\n");
		return;
	}
	make("rm1", 4, 1, 9, &t);
	ck_assert(!trace_save(&t, in("n.npz"), &err));
	ck_assert(!trace_save(&t, in("n"), &err));
	f = fopen(in("x.py"), "w");
	fputs(script, f);
	fclose(f);
	snprintf(command, sizeof(command), "/usr/bin/python3 %s/x.py %s", folder, folder);
	ck_assert_int_eq(system(command), 0);
	ck_assert_msg(!trace_load(in("s.npz"), &back, &err), "%s", err.text);
	ck_assert(same(&t, &back));
	trace_free(&back);
	ck_assert_msg(!trace_load(in("c.npz"), &back, &err), "%s", err.text);
	ck_assert(same(&t, &back));
	trace_free(&back);
	ck_assert_int_eq(trace_load(in("i4.npz"), &back, &err), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(err.text, "int64"));
	ck_assert_int_eq(trace_load(in("far.npz"), &back, &err), -ERANGE);
	ck_assert_ptr_nonnull(strstr(err.text, "query 0, table 0, position"));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		ck_assert_msg(trace_load(in(kinds[i]), &back, &err) == -EOPNOTSUPP, "%s: %s", kinds[i], err.text);
		ck_assert_msg(strstr(err.text, "model=np.frombuffer(text.encode(), np.uint8)"), "%s: %s", kinds[i], err.text);
	}
	ck_assert_int_eq(trace_load(in("none.npz"), &back, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "model"));
	trace_free(&t);
}
END_TEST

START_TEST(damage)
{
	struct smartssd_error err = { "" };
	struct trace t, back;
	struct stat st;
	uint8_t *bytes;
	int fd, refused = 0;

	random_seed("damage");
	make("ncf", 5, 1, 1, &t);
	ck_assert(!trace_save(&t, in("d.npz"), &err));
	fd = open(in("d.npz"), O_RDWR);
	ck_assert(!fstat(fd, &st));
	bytes = malloc((size_t)st.st_size);
	ck_assert_int_eq(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	for (int i = 0; i < 200; i++) {
		off_t at = (off_t)(random_u64() % (uint64_t)st.st_size);
		uint8_t flipped = bytes[at] ^ (uint8_t)(1 << random_in(0, 7));

		ck_assert_int_eq(pwrite(fd, &flipped, 1, at), 1);
		err.text[0] = 0;
		if (trace_load(path, &back, &err)) {
			ck_assert_ptr_nonnull(strstr(err.text, path));
			refused++;
		} else {
			/* Times, modes, versions: nothing that matters */
			ck_assert(same(&t, &back));
			trace_free(&back);
		}
		ck_assert_int_eq(pwrite(fd, bytes + at, 1, at), 1);
	}
	ck_assert_int_gt(refused, 100);
	for (int i = 0; i < 100; i++) {
		ck_assert(!ftruncate(fd, (off_t)(random_u64() % (uint64_t)st.st_size)));
		ck_assert_int_ne(trace_load(path, &back, &err), 0);
		ck_assert_int_eq(pwrite(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	}
	close(fd);
	free(bytes);
	trace_free(&t);
	ck_assert_int_eq(trace_load(in("nothing.npz"), &back, &err), -ENOENT);
}
END_TEST

#define GOOD "\"arch_mlp_bot\": \"13-8-4\", \"arch_mlp_top\": [16, 1], \"arch_embedding_size\": \"100-200-300\", \"arch_sparse_feature_size\": 4, \"num_indices_per_lookup\": 7"

START_TEST(configs)
{
	static const struct {
		const char *text;
		int ret;
		const char *says;
	} bad[] = {
		{ "", -EBADMSG, "no JSON" },
		{ "[]", -EBADMSG, "object" },
		{ "{}", -EBADMSG, "arch_embedding_size" },
		{ "{" GOOD ", \"arch_interaction_op\": \"cat\"}", -EOPNOTSUPP, "arch_interaction_op" },
		{ "{" GOOD ", \"arch_interaction_itself\": true}", -EOPNOTSUPP, "arch_interaction_itself" },
		{ "{" GOOD ", \"model_name\": \"a name that is far longer than thirty-one characters\"}", -EBADMSG, "model_name" },
		{ "{" GOOD ", \"arch_mlp_bot\": \"13-4\"}", -EBADMSG, "no JSON" },
		{ "{\"arch_mlp_bot\": \"13-8-5\", \"arch_mlp_top\": \"1\", \"arch_embedding_size\": \"9\", \"arch_sparse_feature_size\": 4, \"num_indices_per_lookup\": 7}", -EBADMSG, "bottom" },
		{ "{\"arch_mlp_bot\": \"13-4\", \"arch_mlp_top\": \"2\", \"arch_embedding_size\": \"9\", \"arch_sparse_feature_size\": 4, \"num_indices_per_lookup\": 7}", -EBADMSG, "top" },
		{ "{\"arch_mlp_bot\": \"13\", \"arch_mlp_top\": \"1\", \"arch_embedding_size\": \"9\", \"arch_sparse_feature_size\": 4, \"num_indices_per_lookup\": 7}", -EBADMSG, "bottom" },
		{ "{\"arch_mlp_bot\": \"13-4\", \"arch_mlp_top\": \"1\", \"arch_embedding_size\": \"9-0\", \"arch_sparse_feature_size\": 4, \"num_indices_per_lookup\": 7}", -EBADMSG, "number 1" },
		{ "{\"arch_mlp_bot\": \"13-4\", \"arch_mlp_top\": \"1\", \"arch_embedding_size\": \"9-\", \"arch_sparse_feature_size\": 4, \"num_indices_per_lookup\": 7}", -EBADMSG, "arch_embedding_size" },
		{ "{\"arch_mlp_bot\": \"13-4\", \"arch_mlp_top\": \"1\", \"arch_embedding_size\": \"99999999999999999999\", \"arch_sparse_feature_size\": 4, \"num_indices_per_lookup\": 7}", -EBADMSG, "number 0" },
		{ "{\"arch_mlp_bot\": \"13-4\", \"arch_mlp_top\": \"1\", \"arch_embedding_size\": \"9\", \"arch_sparse_feature_size\": 4, \"num_indices_per_lookup\": 0}", -EBADMSG, "num_indices_per_lookup" },
		{ "{\"arch_mlp_bot\": \"1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-4\", \"arch_mlp_top\": \"1\", \"arch_embedding_size\": \"9\", \"arch_sparse_feature_size\": 4, \"num_indices_per_lookup\": 1}", -EBADMSG, "arch_mlp_bot" },
	};
	struct smartssd_error err = { "" };
	struct trace_model m, *loaded;
	FILE *f = fopen(in("config.json"), "w");

	fputs("{" GOOD ", \"model_type\": \"dlrm\"}", f);
	fclose(f);
	ck_assert_msg(!trace_model_load(path, &loaded, &err), "%s", err.text);
	ck_assert_uint_eq(loaded->tables, 3);
	ck_assert_uint_eq(loaded->rows[2], 300);
	ck_assert_uint_eq(loaded->dim, 4);
	ck_assert_uint_eq(loaded->lookups, 7);
	ck_assert_uint_eq(loaded->dense, 13);
	ck_assert(loaded->bottom[0] == 8 && loaded->bottom[1] == 4 && !loaded->bottom[2]);
	ck_assert(loaded->top[0] == 16 && loaded->top[1] == 1 && !loaded->top[2]);
	ck_assert_uint_eq(trace_model_interaction(loaded), 4 + 6);
	free(loaded);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err.text[0] = 0;
		ck_assert_int_eq(trace_model_parse(bad[i].text, strlen(bad[i].text), "c", &m, &err), bad[i].ret);
		ck_assert_msg(strstr(err.text, bad[i].says), "%s", err.text);
	}
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, zipf_is_zipf);
	tcase_add_test(tests, permutation);
	tcase_add_test(tests, always_the_same);
	tcase_add_test(tests, there_and_back);
	tcase_add_test(tests, numpy);
	tcase_add_test(tests, damage);
	tcase_add_test(tests, configs);
}

int main(void)
{
	char command[100];
	int ret;

	if (!mkdtemp(folder))
		return 1;
	ret = run_suite("trace", fill);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? 1 : ret;
}
