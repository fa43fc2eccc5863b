// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Is a command sound, and which registers does a RUN write? A process that gets a pointer register
 * past these checks could make a trusted kernel read another process's memory, so nothing here
 * trusts a number that it has not compared.
 */
#include "core.h"

#define CMD_FLAGS  (SMARTSSD_CMD_BARRIER | SMARTSSD_CMD_PEER_REQUIRE | SMARTSSD_CMD_PEER_OFF)
#define PEER_FLAGS (SMARTSSD_CMD_PEER_REQUIRE | SMARTSSD_CMD_PEER_OFF)

/*
 * What the union holds behind the members that an op uses must be zero, so that later versions may
 * use it.
 */
#define tail_is_zero(cmd, member)                                                    \
	core_is_zero((const u8 *)(cmd)->reserved + sizeof((cmd)->member),             \
		     sizeof((cmd)->reserved) - sizeof((cmd)->member))

static int check_rw(const struct smartssd_cmd *cmd)
{
	if (!cmd->rw.nr_extents || cmd->rw.nr_extents > SMARTSSD_MAX_EXTENTS)
		return -EINVAL;
	if (cmd->rw.pad || !tail_is_zero(cmd, rw))
		return -EINVAL;
	if ((cmd->flags & PEER_FLAGS) == PEER_FLAGS)
		return -EINVAL;
	return 0;
}

static int check_copy(const struct smartssd_cmd *cmd)
{
	u64 end;

	if (!tail_is_zero(cmd, copy) || !cmd->copy.bytes)
		return -EINVAL;
	if (cmd->op == SMARTSSD_OP_COPY_BO && cmd->copy.host)
		return -EINVAL;
	if (cmd->op == SMARTSSD_OP_COPY_TO && (cmd->copy.src_bo || cmd->copy.src_offset))
		return -EINVAL;
	if (cmd->op == SMARTSSD_OP_COPY_FROM && (cmd->copy.dst_bo || cmd->copy.dst_offset))
		return -EINVAL;
	/* Sides that are not used are zero by now and cannot wrap. */
	if (check_add_overflow((u64)cmd->copy.host, (u64)cmd->copy.bytes, &end) ||
	    check_add_overflow((u64)cmd->copy.src_offset, (u64)cmd->copy.bytes, &end) ||
	    check_add_overflow((u64)cmd->copy.dst_offset, (u64)cmd->copy.bytes, &end))
		return -EOVERFLOW;
	return 0;
}

static int check_run(const struct smartssd_cmd *cmd)
{
	if (cmd->run.nr_args > SMARTSSD_MAX_ARGS || !tail_is_zero(cmd, run))
		return -EINVAL;
	return cmd->run.cu_mask ? 0 : -ENOENT;
}

int smartssd_check_cmd(const struct smartssd_cmd *cmd, u32 index)
{
	u32 i;

	if (cmd->op < SMARTSSD_OP_READ || cmd->op > SMARTSSD_OP_RUN)
		return -EOPNOTSUPP;
	if (cmd->flags & ~CMD_FLAGS)
		return -EINVAL;
	if ((cmd->flags & PEER_FLAGS) && cmd->op != SMARTSSD_OP_READ &&
	    cmd->op != SMARTSSD_OP_WRITE)
		return -EINVAL;
	/* A dependency is index + 1: at most our own index means earlier than us. */
	for (i = 0; i < SMARTSSD_MAX_DEPS; i++)
		if (cmd->dep[i] > index)
			return -EINVAL;

	switch (cmd->op) {
	case SMARTSSD_OP_READ:
	case SMARTSSD_OP_WRITE:
		return check_rw(cmd);
	case SMARTSSD_OP_RUN:
		return check_run(cmd);
	default:
		return check_copy(cmd);
	}
}

/* One or two registers, low word first. */
static void put_reg(struct smartssd_reg *regs, u32 *nr, const struct smartssd_cu_arg *arg,
		    u64 value)
{
	regs[(*nr)++] = (struct smartssd_reg){ arg->offset, (u32)value };
	if (arg->bytes == 8)
		regs[(*nr)++] = (struct smartssd_reg){ arg->offset + 4, (u32)(value >> 32) };
}

/* The part of BO memory that a global argument names: *address, *bytes. */
static int resolve_global(const struct smartssd_arg *in, const struct smartssd_range *range,
			  u64 *address, u64 *bytes)
{
	u64 end;

	if (check_add_overflow((u64)in->value, (u64)in->bytes, &end))
		return -EOVERFLOW;
	if (in->value >= range->bytes || end > range->bytes)
		return -EINVAL;
	*bytes = in->bytes ? in->bytes : range->bytes - in->value;
	if (check_add_overflow(range->address, (u64)in->value, address))
		return -EOVERFLOW;
	return 0;
}

int smartssd_build_regs(const struct smartssd_xclbin_info *info, u32 cu,
			const struct smartssd_arg *args, u32 nr_args,
			int (*lookup)(void *ctx, u32 bo, struct smartssd_range *range),
			void *ctx, struct smartssd_reg *regs, u32 *nr_regs)
{
	const struct smartssd_cu_arg *cu_args;
	u32 i, nr, count, expected = 0;
	u64 seen = 0;
	int err;

	*nr_regs = 0;
	if (cu >= info->nr_cus)
		return -ENOENT;
	cu_args = info->args + info->cus[cu].first_arg;
	nr = info->cus[cu].nr_args;
	for (i = 0; i < nr; i++)
		expected += cu_args[i].kind != SMARTSSD_ARG_BOUND;
	if (nr_args != expected)
		return -EINVAL;

	count = 0;
	for (i = 0; i < nr_args; i++) {
		const struct smartssd_arg *in = &args[i];
		const struct smartssd_cu_arg *arg, *next;
		struct smartssd_range range = { 0, 0 };
		u64 address, bytes;

		if (in->index >= nr || (seen & (1ull << in->index)))
			return -EINVAL;
		/* As many as expected, none twice, no bound: then each one is there. */
		seen |= 1ull << in->index;
		arg = &cu_args[in->index];

		if (arg->kind == SMARTSSD_ARG_SCALAR) {
			if (in->bo || in->bytes)
				return -EINVAL;
			if (arg->bytes < 8 && in->value >> 32)
				return -EOVERFLOW;
			put_reg(regs, &count, arg, in->value);
			continue;
		}
		if (arg->kind != SMARTSSD_ARG_GLOBAL)
			return -EINVAL;

		err = lookup(ctx, in->bo, &range);
		if (err)
			return err;
		err = resolve_global(in, &range, &address, &bytes);
		if (err)
			return err;
		if (arg->bytes < 8 && address >> 32)
			return -EOVERFLOW;
		put_reg(regs, &count, arg, address);

		/* A bound follows directly on its pointer. */
		next = in->index + 1 < nr ? arg + 1 : NULL;
		if (next && next->kind == SMARTSSD_ARG_BOUND && next->bound_of == in->index)
			put_reg(regs, &count, next, bytes);
	}
	*nr_regs = count;
	return 0;
}
