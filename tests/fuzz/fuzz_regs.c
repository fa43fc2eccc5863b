// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a compute unit's signature and the arguments of a RUN: a pointer register never gets an address outside of a BO that
 * the caller owns, its bound never reaches past that BO, and nothing is written but the CU's argument registers.
 */
#include "../../driver/core/core.h"
#include "../../driver/core/regs.h"
#include "fuzz.h"

const char *const fuzz_words[] = { NULL };

struct input {
	u8 kinds[16]; /* kind of each argument; 255: no more */
	struct smartssd_arg args[20];
};

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	struct input in;

	memset(&in, 0, sizeof(in));
	memset(in.kinds, 255, sizeof(in.kinds));
	in.kinds[0] = SMARTSSD_ARG_GLOBAL;
	in.kinds[1] = SMARTSSD_ARG_BOUND;
	in.kinds[2] = SMARTSSD_ARG_SCALAR;
	in.kinds[3] = SMARTSSD_ARG_GLOBAL | 0x10;
	in.args[0] = (struct smartssd_arg){ 0, 1, 16, 100 };
	in.args[1] = (struct smartssd_arg){ 2, 0, 12345, 0 };
	in.args[2] = (struct smartssd_arg){ 3, 2, 0, 0 };
	add(&in, offsetof(struct input, args) + 3 * sizeof(in.args[0]));
	/* At the very ends of the BOs, so that a step further is outside. */
	in.args[0] = (struct smartssd_arg){ 0, 1, 65535, 0 };
	in.args[2] = (struct smartssd_arg){ 3, 2, 4095, 1 };
	add(&in, offsetof(struct input, args) + 3 * sizeof(in.args[0]));
	in.args[0] = (struct smartssd_arg){ 0, 1, 0, 65536 };
	in.args[2] = (struct smartssd_arg){ 3, 2, 0, 4096 };
	add(&in, offsetof(struct input, args) + 3 * sizeof(in.args[0]));
	in.kinds[0] = 255;
	add(&in, offsetof(struct input, args));
	in.kinds[0] = SMARTSSD_ARG_SCALAR | 0x10;
	add(&in, offsetof(struct input, args) + sizeof(in.args[0]));
}

/* What the caller owns; above BO 2 nothing, above BO 3 another card's. */
static const struct smartssd_range bos[] = { { 0, 0 }, { 0x100000000, 65536 }, { 0x2000, 4096 } };

static int lookup(void *ctx, u32 bo, struct smartssd_range *range)
{
	fuzz_check(ctx == bos);
	if (bo == 3)
		return -EINVAL;
	if (!bo || bo > 2)
		return -ENOENT;
	*range = bos[bo];
	return 0;
}

static u64 value_of(const struct smartssd_cu_arg *arg, const struct smartssd_reg *regs, u32 nr, bool *found)
{
	u64 value = 0;

	*found = false;
	for (u32 i = 0; i < nr; i++) {
		if (regs[i].offset == arg->offset) {
			value |= regs[i].value;
			*found = true;
		}
		if (arg->bytes == 8 && regs[i].offset == arg->offset + 4)
			value |= (u64)regs[i].value << 32;
	}
	return value;
}

static void check_registers(const struct smartssd_cu_arg *cu_args, u32 nr_cu_args, const struct smartssd_reg *regs, u32 nr)
{
	u32 expected = 0;

	for (u32 a = 0; a < nr_cu_args; a++) {
		const struct smartssd_cu_arg *arg = &cu_args[a];
		bool found;
		u64 value = value_of(arg, regs, nr, &found);

		expected += arg->bytes / 4;
		fuzz_check(found);
		if (arg->kind == SMARTSSD_ARG_GLOBAL) {
			const struct smartssd_range *r = value - bos[1].address < bos[1].bytes ? &bos[1] : &bos[2];
			u64 bound, left = r->bytes - (value - r->address);

			fuzz_check(value - r->address < r->bytes);
			if (a + 1 < nr_cu_args && arg[1].kind == SMARTSSD_ARG_BOUND) {
				bound = value_of(&arg[1], regs, nr, &found);
				fuzz_check(bound && bound <= left);
			}
		}
	}
	fuzz_check(nr == expected);
	for (u32 i = 0; i < nr; i++) {
		fuzz_check(regs[i].offset >= CU_ARGS && regs[i].offset < CU_FILE_BYTES);
		for (u32 j = 0; j < i; j++)
			fuzz_check(regs[j].offset != regs[i].offset);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct smartssd_cu_arg cu_args[16];
	struct smartssd_cu_desc cu = { .nr_args = 0 };
	struct smartssd_xclbin_info info = { .nr_cus = 1, .cus = &cu, .args = cu_args };
	struct smartssd_reg regs[SMARTSSD_MAX_REGS];
	struct input in;
	char words[3] = { 0 };
	u32 nr_args, nr;
	int err;

	if (bytes < sizeof(in.kinds))
		return 0;
	memset(&in, 0, sizeof(in));
	memcpy(&in, data, bytes < sizeof(in) ? bytes : sizeof(in));
	nr_args = (bytes - sizeof(in.kinds)) / sizeof(in.args[0]);
	nr_args = nr_args < 20 ? nr_args : 20;
	memset(cu_args, 0, sizeof(cu_args));
	for (u32 i = 0; i < 16 && in.kinds[i] != 255; i++) {
		struct smartssd_cu_arg *arg = &cu_args[cu.nr_args++];

		*arg = (struct smartssd_cu_arg){ in.kinds[i] % 3, 0x10 + 12 * i, in.kinds[i] & 0x10 ? 4 : 8, ~0u, "", "" };
		/* What the xclbin parser promises of bounds */
		if (arg->kind == SMARTSSD_ARG_BOUND) {
			arg->bytes = 8;
			arg->bound_of = i - 1;
			if (!i || cu_args[i - 1].kind != SMARTSSD_ARG_GLOBAL)
				*arg = (struct smartssd_cu_arg){ SMARTSSD_ARG_SCALAR, arg->offset, 8, ~0u, "", "" };
		}
	}
	err = smartssd_build_regs(&info, in.kinds[0] == 254, in.args, nr_args, lookup, (void *)bos, regs, &nr);
	fuzz_check(!err || err == -EINVAL || err == -ENOENT || err == -EOVERFLOW);
	words[0] = 'a' + cu.nr_args;
	words[1] = 'a' + (nr_args < 4 ? nr_args : 4);
	fuzz_outcome(err, words);
	if (err)
		fuzz_check(!nr);
	else
		check_registers(cu_args, cu.nr_args, regs, nr);
	return 0;
}
