// SPDX-License-Identifier: BSD-2-Clause
/* The declaration scanner: what it takes, what it refuses, and where it says the fault is. */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include "../../tools/xclbin/xclbin.h"

static struct proto proto;

/* Scan @text for kernel "k"; @said receives what went to standard error. */
static int scan(const char *text, char said[1024])
{
	int keep = dup(STDERR_FILENO), fd = memfd_create("said", 0), err;
	ssize_t n;

	fflush(stderr);
	dup2(fd, STDERR_FILENO);
	memset(&proto, 0, sizeof(proto));
	strcpy(proto.name, "k");
	err = proto_scan(text, "k.c", &proto);
	fflush(stderr);
	dup2(keep, STDERR_FILENO);
	close(keep);
	n = pread(fd, said, 1023, 0);
	said[n > 0 ? n : 0] = 0;
	close(fd);
	return err;
}

/* Typedefs as the preprocessor leaves them from stdint.h. */
#define STDINT                                                                                                                   \
	"typedef unsigned char __uint8_t; typedef signed int __int32_t;\n__extension__ typedef unsigned long int __uint64_t;\n" \
	"typedef __uint8_t uint8_t; typedef __int32_t int32_t; typedef unsigned int uint32_t; typedef __uint64_t uint64_t;\n"

static const struct good {
	const char *text;
	const char *args; /* "type name ctype bytes offset;..." */
} good[] = {
	{ "void k(void) { }", "" },
	{ "void k() { }", "" },
	{ "void k(int n) { }", "int n int32_t 4 0x10;" },
	{ STDINT "void k(const float *a, uint64_t a_bytes, uint8_t b, double d, float e) { }",
	  "const float* a float 4 0x10;uint64_t a_bytes uint64_t 8 0x1c;uint8_t b uint8_t 1 0x28;double d double 8 0x30;float e float 4 0x3c;" },
	{ "void k(unsigned n, unsigned long long m, long int l, short s, signed char c, char d, _Bool b) { }",
	  "unsigned n uint32_t 4 0x10;unsigned long long m uint64_t 8 0x18;long int l int64_t 8 0x24;short s int16_t 2 0x30;"
	  "signed char c int8_t 1 0x38;char d int8_t 1 0x40;_Bool b _Bool 1 0x48;" },
	/* qualifiers on either side, restrict in all spellings, attributes */
	{ "void k(float const *restrict const a, volatile int *__restrict b, int c __attribute__((unused))) { }",
	  "float const* a float 4 0x10;volatile int* b int32_t 4 0x1c;int c int32_t 4 0x28;" },
	/* own typedefs, of typedefs, and pointers to structs */
	{ STDINT "typedef uint32_t pixel; typedef pixel pel; typedef struct { int x, y; } point; struct q { int z; };\n"
		 "void k(pel *p, const point *q, struct q *r) { }",
	  "pel* p uint32_t 4 0x10;const point* q void 0 0x1c;struct q* r void 0 0x28;" },
	/* a declaration before, calls of and bodies like it elsewhere, strings and characters that look like code */
	{ "void k(int n);\nstatic const char *s = \"void k(double d) {\"; char c = '\"';\nvoid other(int m) { void k(int); k(m); }\n"
	  "struct s { int k; } v = { 1 };\nvoid k(int n)\n{ int a[2] = { 1, 2 }; }\nvoid last(void) { k(1); }\n",
	  "int n int32_t 4 0x10;" },
	{ "extern void __attribute__((noinline)) k(int n) __attribute__((hot));\n__attribute__((noinline)) void k(int n) { }",
	  "int n int32_t 4 0x10;" },
	{ "int helper(int (*f)(int, char), int a[4], ...) { return 0; }\ntypedef int (*fn)(int);\nvoid k(int n) { }", "int n int32_t 4 0x10;" },
	/* the vendor's pragmas in both spellings, with blanks, in any case */
	{ "void k(int *a, int *b, int n)\n{\n#pragma HLS INTERFACE m_axi port=a offset=slave bundle=left depth=1024\n"
	  "#pragma HLS interface mode=m_axi port = b bundle = right\n#pragma HLS INTERFACE s_axilite port=n bundle=control\n"
	  "#pragma HLS INTERFACE s_axilite port=return bundle=control\n#pragma HLS PIPELINE II=1\n#pragma omp simd\n}\n",
	  "int* a int32_t 4 0x10;int* b int32_t 4 0x1c;int n int32_t 4 0x28;" },
};

START_TEST(test_good)
{
	const struct good *g = &good[_i];
	char said[1024], args[2048] = "";

	ck_assert_msg(!scan(g->text, said), "%s: %s", g->text, said);
	ck_assert_str_eq(said, "");
	ck_assert_uint_ne(proto.line, 0);
	for (unsigned i = 0; i < proto.nr; i++) {
		const struct proto_arg *a = &proto.args[i];

		ck_assert_int_eq(a->pointer, strchr(a->type, '*') != NULL);
		sprintf(args + strlen(args), "%s %s %s %u 0x%x;", a->type, a->name, a->ctype, a->bytes, a->offset);
	}
	ck_assert_str_eq(args, g->args);
}
END_TEST

static const struct bad {
	const char *text;
	const char *said; /* all of this, in this order, '|' between parts */
} bad[] = {
	{ "void k(struct s v) { }", "k.c:1: |argument 'v'|a struct|by value" },
	{ "typedef struct { int x; } point;\n\nvoid k(int n,\n       point v) { }", "k.c:4: |argument 'v'|'point' is a struct|by value" },
	{ "void k(union u v) { }", "k.c:1: |argument 'v'|a union" },
	{ "void k(enum e v) { }", "k.c:1: |argument 'v'|an enum" },
	{ "void k(int (*f)(int)) { }", "k.c:1: |argument 'f'|function pointers" },
	{ "typedef int (*fn)(int);\nvoid k(fn f) { }", "k.c:2: |argument 'f'|'fn' is a function" },
	{ "void k(int a[16]) { }", "k.c:1: |argument 'a'|arrays|write a pointer" },
	{ "void k(int a[]) { }", "k.c:1: |argument 'a'|arrays" },
	{ "typedef int vec[4];\nvoid k(vec a) { }", "k.c:2: |argument 'a'|an array" },
	{ "typedef float v8 __attribute__((vector_size(32)));\nvoid k(v8 a) { }", "k.c:2: |argument 'a'|attributes" },
	{ "typedef int *ip;\nvoid k(ip a) { }", "k.c:2: |argument 'a'|a pointer behind a typedef" },
	{ "void k(int **a) { }", "k.c:1: |argument 'a'|pointer to a pointer" },
	{ "void k(void *a) { }", "k.c:1: |argument 'a'|points to void" },
	{ "void k(long double a) { }", "k.c:1: |argument 'a'|no register" },
	{ "void k(__int128 a) { }", "k.c:1: |argument 'a'|no register" },
	{ "void k(float _Complex a) { }", "k.c:1: |argument 'a'|no register" },
	{ "void k(uint32_t a) { }", "k.c:1: |argument 'a'|'uint32_t' is not known|stdint.h" },
	{ "void k(ap_uint<32> a) { }", "k.c:1: |ap_uint is not supported" },
	{ "void k(int n, ...) { }", "k.c:1: |argument 2|'...'" },
	{ "void k(int, int) { }", "k.c:1: |argument 1|has no name" },
	{ "void k(const float *) { }", "k.c:1: |argument 1|has no name" },
	{ "void k(unsigned int) { }", "k.c:1: |argument 1|has no name" },
	{ "void k(int a,, int b) { }", "k.c:1: |argument 2|missing" },
	{ "int k(int a) { return a; }", "k.c:1: |kernel k must return void" },
	{ "void *k(int a) { return 0; }", "k.c:1: |must return void" },
	{ "static void k(int a) { }", "k.c:1: |kernel k is static" },
	{ "static inline void k(int a) { }", "k.c:1: |kernel k is static" },
	{ "# 7 \"dir/file.h\" 1\n\nvoid k(struct s v) { }", "dir/file.h:8: |argument 'v'" },
	{ "# 1 \"a \\\"b\\\".c\"\nvoid k(int a[1]) { }", "a \"b\".c:1: |argument 'a'" },
	/* pragmas */
	{ "void k(int *a) {\n#pragma HLS INTERFACE m_axi port=b\n}", "k.c:2: |port=b|no such argument" },
	{ "void k(int n) {\n#pragma HLS INTERFACE m_axi port=n\n}", "k.c:2: |port=n|m_axi is for pointers" },
	{ "void k(int *a) {\n#pragma HLS INTERFACE axis port=a\n}", "k.c:2: |port=a|'axis' is not supported" },
	{ "void k(int *a) {\n#pragma HLS INTERFACE m_axi port=a offset=off\n}", "k.c:2: |port=a|offset=off" },
	{ "void k(int *a) {\n#pragma HLS INTERFACE m_axi port=a bundle=x\"y\n}", "k.c:2: |port=a|bundle=x\"y is not a name" },
	{ "void k(int n) {\n#pragma HLS INTERFACE s_axilite port=n offset=0x40\n}", "k.c:2: |port=n|offset=0x40" },
	{ "void k(int *a) {\n#pragma HLS INTERFACE s_axilite port=a\n}", "k.c:1: |argument 'a'|s_axilite alone|m_axi port=a" },
	{ "void k(int n) {\n#pragma HLS INTERFACE ap_ctrl_none port=return\n}", "k.c:2: |ap_ctrl_none" },
	{ "void k(int n) {\n#pragma HLS INTERFACE ap_ctrl_hs port=n\n}", "k.c:2: |port=return" },
	{ "void k(int n) {\n#pragma HLS INTERFACE ap_ctrl_hs port=return\n#pragma HLS INTERFACE ap_ctrl_chain port=return\n}",
	  "k.c:3: |contradicts" },
	{ "void k(int n) {\n#pragma HLS INTERFACE s_axilite\n}", "k.c:2: |names a mode and a port" },
};

START_TEST(test_bad)
{
	char said[1024], parts[256];
	const char *at = said;

	ck_assert_msg(scan(bad[_i].text, said) == -1, "taken: %s", bad[_i].text);
	strcpy(parts, bad[_i].said);
	for (char *part = strtok(parts, "|"); part; part = strtok(NULL, "|")) {
		const char *found = strstr(at, part);

		ck_assert_msg(found, "'%s' is not in '%s'", part, said);
		at = found + strlen(part);
	}
	/* one line, and it begins with the place */
	ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
	ck_assert_int_eq(strncmp(said, bad[_i].said, strcspn(bad[_i].said, "|")), 0);
}
END_TEST

static const char *const absent[] = {
	"", "void k(int n);", "void kk(int n) { }", "int k;", "void other(void) { k(1); }", "#define k(x) x\n", "void k(", "void k(int n) ;{",
};

START_TEST(test_absent)
{
	char said[1024];

	ck_assert_int_eq(scan(absent[_i], said), 0);
	ck_assert_uint_eq(proto.line, 0);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(test_details)
{
	char said[1024];

	ck_assert_int_eq(scan("void k(int *a, int *b)\n{\n#pragma HLS INTERFACE m_axi port=a bundle=left\n"
			      "#pragma HLS INTERFACE ap_ctrl_hs port=return\n}", said), 0);
	ck_assert_str_eq(proto.args[0].bundle, "left");
	ck_assert_str_eq(proto.args[1].bundle, "gmem");
	ck_assert_int_eq(proto.control, SMARTSSD_CONTROL_HS);
	ck_assert_int_eq(scan("void k(int a) { }", said), 0);
	ck_assert_int_eq(proto.control, -1);
}
END_TEST

/* As many arguments as a RUN can have, and one more; names and types as long as the metadata takes, and one longer. */
START_TEST(test_limits)
{
	char text[8192], said[1024], name[66];

	for (unsigned nr = SMARTSSD_MAX_ARGS; nr <= SMARTSSD_MAX_ARGS + 1; nr++) {
		strcpy(text, "void k(");
		for (unsigned i = 0; i < nr; i++)
			sprintf(text + strlen(text), "%sint *a%u", i ? ", " : "", i);
		strcat(text, ") { }");
		ck_assert_int_eq(scan(text, said), nr > SMARTSSD_MAX_ARGS ? -1 : 0);
		if (nr > SMARTSSD_MAX_ARGS)
			ck_assert_ptr_nonnull(strstr(said, "more than 64 arguments"));
		else
			ck_assert_uint_eq(proto.args[63].offset, 0x10 + 63 * 12);
	}
	for (unsigned len = 63; len <= 64; len++) {
		memset(name, 'x', len);
		name[len] = 0;
		sprintf(text, "void k(int %s) { }", name);
		ck_assert_int_eq(scan(text, said), len == 63 ? 0 : -1);
		name[len - 1] = 0; /* and the star */
		sprintf(text, "typedef int %s;\nvoid k(%s *a) { }", name, name);
		ck_assert_int_eq(scan(text, said), len == 63 ? 0 : -1);
	}
}
END_TEST

START_TEST(test_compare)
{
	struct proto *a = malloc(sizeof(*a));
	char said[1024];

	ck_assert_int_eq(scan("void k(int *a, unsigned b) { }", said), 0);
	*a = proto;
	ck_assert_int_eq(scan("typedef unsigned u;\nvoid k(const int *x, u y) { }", said), 0);
	ck_assert_int_eq(proto_compare(a, &proto), 0);
	ck_assert_int_eq(scan("void k(int *a, float b) { }", said), 0);
	ck_assert_int_eq(proto_compare(a, &proto), -1);
	ck_assert_int_eq(scan("void k(int a, unsigned b) { }", said), 0);
	ck_assert_int_eq(proto_compare(a, &proto), -1);
	ck_assert_int_eq(scan("void k(int *a) { }", said), 0);
	ck_assert_int_eq(proto_compare(a, &proto), -1);
	free(a);
}
END_TEST

/* Cut anywhere, any byte changed: it may be refused or not, but the scanner stays inside the text (under AddressSanitizer). */
START_TEST(test_mutations)
{
	const char *seed_text = getenv("SMARTSSD_TEST_SEED");
	unsigned seed = seed_text ? strtoul(seed_text, NULL, 0) : (unsigned)getpid();
	char said[1024];

	printf("# test_mutations: SMARTSSD_TEST_SEED=%u\n", seed);
	fflush(stdout);
	srandom(seed);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t len = strlen(good[i].text);

		for (size_t cut = 0; cut <= len; cut++) {
			char *text = strndup(good[i].text, cut);

			scan(text, said);
			free(text);
		}
		for (unsigned n = 0; n < 500; n++) {
			char *text = strdup(good[i].text);

			for (unsigned m = 0; m < 1 + n % 3; m++)
				text[random() % len] = "(){}[];,*#\"'\\<k \n\xff"[random() % 18];
			scan(text, said);
			free(text);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("xclbin-proto");
	TCase *tc = tcase_create("scanner");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_good, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tc, test_bad, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_loop_test(tc, test_absent, 0, sizeof(absent) / sizeof(absent[0]));
	tcase_add_test(tc, test_details);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_compare);
	tcase_add_test(tc, test_mutations);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
