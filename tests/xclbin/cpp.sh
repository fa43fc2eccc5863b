#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd xclbin pack with kernels in C++: what is taken, what is refused by name, and that it runs. TAP.
. "$(dirname "$0")/tap.sh"
cd "$work"

# A kernel in the vendor's idiom, with everything of C++ that a kernel without the vendor's headers uses.
cat >vadd.cpp <<'EOF'
#include <algorithm>
#include <cstdint>
#include <cstring>
typedef float data_t;
using word = std::uint32_t;
struct pair_t { int a, b; };
static const int K = 1'024;
inline int shared(int x) { static int calls; calls += x; return calls; } /* a group of its own in each object */
namespace detail {
template <int N, typename T> static void load(const T *in, T *buf, int n)
{
	for (int i = 0; i < n && i < N; i++)
		buf[i] = in[i];
}
}
void helper(int (*vadd)(int), int *y) { y[0] = vadd(1); }
extern "C" {
void vadd(const data_t *a, const data_t *b, data_t *out, pair_t *p, word n, bool twice, std::uint64_t big)
{
#pragma HLS INTERFACE m_axi port = a offset = slave bundle = gmem0
#pragma HLS INTERFACE m_axi port = b offset = slave bundle = gmem1
#pragma HLS INTERFACE s_axilite port = n bundle = control
#pragma HLS INTERFACE s_axilite port = return bundle = control
	data_t buf[K];
	detail::load<K>(a, buf, (int)std::min<word>(n, K));
	for (word i = 0; i < n && i < (word)K; i++)
		out[i] = buf[i] + b[i] * (twice ? 2 : 1);
	p->a = shared((int)big);
	p->b = (int)n;
}
}
EOF
sed "s/vadd/vsub/g; s/buf\[i\] + /buf[i] - /" vadd.cpp >vsub.cc
check 'packs two kernels' "$tool" pack -o v.xclbin --kernel vadd.cpp --kernel vsub.cc --cus 2
"$tool" info --json v.xclbin >v.json
cat >expect.py <<'EOF'
import json
x = json.load(open("v.json"))
assert [c["name"] for c in x["cus"]] == ["vadd:vadd_1", "vsub:vsub_1", "vsub:vsub_2"]
for cu in x["cus"]:
    assert [(a["name"], a["kind"], a["offset"], a["bytes"]) for a in cu["args"]] == [("a", "global", 0x10, 8), ("b", "global", 0x1c, 8),
        ("out", "global", 0x28, 8), ("p", "global", 0x34, 8), ("n", "scalar", 0x40, 4), ("twice", "scalar", 0x48, 4), ("big", "scalar", 0x50, 8)], cu
EOF
check 'their arguments' python3 expect.py
cat >run.c <<'EOF'
#include <stdio.h>
#include <libsmartssd.h>

static struct smartssd_error err;

#define MUST(call)                                                                     \
	do {                                                                           \
		if ((call) < 0) {                                                      \
			fprintf(stderr, "line %d: %s\n", __LINE__, err.text);          \
			return 1;                                                      \
		}                                                                      \
	} while (0)

/* a and b in, out and the pair behind them, in one buffer of four pages */
static int run(struct smartssd_device *dev, const char *kernel, float sign)
{
	float a[4] = { 1, 2, 3, 4 }, b[4] = { 10, 20, 30, 40 }, out[4];
	struct smartssd_list *list;
	struct smartssd_bo bo;
	int pair[2], last, next;

	MUST(smartssd_bo_create(dev, 4 * 4096, &bo));
	MUST(smartssd_list_create(&list));
	struct smartssd_arg args[] = {
		{ .index = 0, .bo = bo.bo }, { .index = 1, .bo = bo.bo, .value = 4096 }, { .index = 2, .bo = bo.bo, .value = 8192 },
		{ .index = 3, .bo = bo.bo, .value = 12288 }, { .index = 4, .value = 4 }, { .index = 5, .value = 1 }, { .index = 6, .value = 5 },
	};
	last = smartssd_list_copy_to(list, bo.bo, 0, a, sizeof(a));
	next = smartssd_list_copy_to(list, bo.bo, 4096, b, sizeof(b));
	MUST(smartssd_list_depend(list, next, last));
	last = next;
	next = smartssd_list_run(list, smartssd_find_kernel(dev, kernel), args, 7, 1000);
	MUST(smartssd_list_depend(list, next, last));
	last = next;
	next = smartssd_list_copy_from(list, out, bo.bo, 8192, sizeof(out));
	MUST(smartssd_list_depend(list, next, last));
	next = smartssd_list_copy_from(list, pair, bo.bo, 12288, sizeof(pair));
	MUST(smartssd_list_depend(list, next, last));
	MUST(smartssd_run_list(dev, list, NULL, NULL, 0, &err));
	smartssd_list_destroy(list);
	for (int i = 0; i < 4; i++)
		if (out[i] != a[i] + sign * 2 * b[i])
			return fprintf(stderr, "%s: out[%d] is %g\n", kernel, i, out[i]), 1;
	if (pair[0] != 5 || pair[1] != 4)
		return fprintf(stderr, "%s: pair is %d, %d\n", kernel, pair[0], pair[1]), 1;
	return 0;
}

int main(void)
{
	struct smartssd_device *dev;
	int ret;

	MUST(smartssd_open("emu:", &dev, &err));
	MUST(smartssd_xclbin_load_file(dev, "v.xclbin", &err));
	/* each kernel counts in a static variable of its own, though the function is called the same */
	ret = run(dev, "vadd", 1) || run(dev, "vsub", -1);
	smartssd_close(dev);
	return ret;
}
EOF
check 'a program for them' gcc -D_GNU_SOURCE -I"$root/runtime" run.c "$root/build/libsmartssd.so" -Wl,-rpath,"$root/build" -o run
check 'they compute' env SMARTSSD_LIBDIR="$root/build" ./run
printf '#include <vector>\nextern "C" void vec(int *a, int n) { std::vector<int> v(n, 2); a[0] = v[n - 1]; }\n' >vec.cxx
check 'the standard library is linked in' "$tool" pack -o vec.xclbin --kernel vec.cxx
check 'a declaration with extern "C" is enough' sh -c "printf 'extern \"C\" void late(int *a);\nvoid late(int *a) { a[0] = 1; }\n' >late.cpp && '$tool' pack -o late.xclbin --kernel late.cpp"
printf '#include <stdint.h>\nvoid mixed(int *a) { a[0] = 1; }\n' >mixed.c
printf '#include <algorithm>\nextern "C" void mixed(int *a) { a[0] = std::max(2, 1); }\n' >mixed_fast.cpp
check 'C with a functional version in C++' "$tool" pack -o mixed.xclbin --kernel mixed.c --functional mixed_fast.cpp
check 'C and C++ kernels in one' "$tool" pack -o both.xclbin --kernel mixed.c --kernel vadd.cpp
check '$CXX with options' env CXX='g++ -DX=1' "$tool" pack -o cxx.xclbin --kernel vec.cxx
mkdir one two
cp vadd.cpp one; cp vadd.cpp two
(cd one && "$tool" pack -o ../one.xclbin --kernel vadd.cpp)
(cd two && "$tool" pack -o ../two.xclbin --kernel ../two/vadd.cpp)
check 'the same bytes in another folder' cmp one.xclbin two.xclbin

# refused NAME PATTERN TEXT: the kernel "k" in TEXT
refused() {
	rm -f k.xclbin
	printf '%b' "$3" >k.cpp
	"$tool" pack -o k.xclbin --kernel k.cpp >said 2>&1
	if [ $? = 1 ] && grep -qE -- "$2" said && [ ! -e k.xclbin ] && [ -z "$(ls "$TMPDIR")" ]; then
		result 0 "refused: $1"
	else
		result 1 "refused: $1"
		sed 's/^/# /' said
	fi
}
refused 'not extern "C"' 'k\.cpp:1: kernel k is not extern "C"' 'void k(int *a) { a[0] = 1; }\n'
refused 'a method of that name is not the kernel' "no definition of a function 'k'" 'struct s { void k(int *a) { a[0] = 1; } };\n'
refused 'a reference' 'k\.cpp:1: kernel k, argument 1: is a reference' 'extern "C" void k(int &a) { a = 1; }\n'
refused 'a default value' "argument 'n': has a default value" 'extern "C" void k(int *a, int n = 3) { a[0] = n; }\n'
refused 'hls_stream.h' 'k\.cpp:2: hls_stream\.h: hls::stream is not supported' '#include <stdint.h>\n#include <hls_stream.h>\nextern "C" void k(int *a) {}\n'
refused 'ap_int.h' 'k\.cpp:1: ap_int\.h: ap_int and ap_uint are not supported' '#include "ap_int.h"\nextern "C" void k(ap_uint<32> *a) {}\n'
refused 'a stream' 'argument 1: hls::stream is not supported' 'namespace hls { template <class T> struct stream {}; }\nextern "C" void k(hls::stream<int> &a) {}\n'
refused 'ap_uint' 'argument 2: ap_uint is not supported' 'template <int N> struct ap_uint {};\nextern "C" void k(int *x, ap_uint<512> *a) {}\n'
refused 'another template' 'argument 1: is of a C\+\+ template' 'template <int N> struct wide {};\nextern "C" void k(wide<512> *a) {}\n'
refused 'a class by value' "'s' is a struct, which cannot be passed by value" 'struct s { int x; };\nextern "C" void k(s a) {}\n'
refused 'a stream port' 'axis' 'extern "C" void k(int *a) {\n#pragma HLS INTERFACE axis port=a\n}\n'
refused 'what g++ refuses' 'k\.cpp:1:[0-9]+: error' 'extern "C" void k(int *a) { a[0] = nothing; }\n'
check 'a name that is neither C nor C++' sh -c "'$tool' pack -o x.xclbin --kernel x.c++ 2>&1 | grep -q 'that of a C++ file in .cpp, .cc or .cxx'"
finish
