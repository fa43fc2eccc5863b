// SPDX-License-Identifier: BSD-2-Clause
/* A kernel with an argument of every type that a register carries, its prototype half made of macros. */
#include "types.h"

#define IN	    const uint32_t *
#define PAIR(t, n)  int##t##_t i##n, uint##t##_t u##n##_

typedef float real;

/* not static: each kernel may have one of that name */
int helper(void)
{
	return 1;
}

void types(uint8_t *out, uint64_t out_bytes, IN in, PAIR(8, 8), PAIR(16, 16), PAIR(32, 32), PAIR(64, 64), real f, double d, bool b)
{
#pragma HLS INTERFACE m_axi port=out bundle=gmem0 offset=slave
#pragma HLS INTERFACE m_axi port=in bundle=gmem1 offset=slave
#pragma HLS INTERFACE s_axilite port=out
#pragma HLS INTERFACE s_axilite port=i8
#pragma HLS INTERFACE s_axilite port=return
	struct types *t = (struct types *)out;

	if (out_bytes < sizeof(*t))
		return;
	t->i64 = i64;
	t->u64_ = u64_;
	t->d = d;
	t->i32 = i32;
	t->u32_ = u32_;
	t->first = in[0];
	/* as bits: an assignment may quieten a NaN on some machines */
	__builtin_memcpy(&t->f, &f, sizeof(f));
	t->i16 = i16;
	t->u16_ = u16_;
	t->i8 = i8;
	t->u8_ = u8_;
	t->b = b;
	t->helper = helper();
}
