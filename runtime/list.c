// SPDX-License-Identifier: BSD-2-Clause
/* Command lists: growable arrays of commands, extents and arguments. */
#include "private.h"

int smartssd_list_create(struct smartssd_list **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void smartssd_list_destroy(struct smartssd_list *list)
{
	if (!list)
		return;
	free(list->cmds);
	free(list->first);
	free(list->extents);
	free(list->args);
	free(list);
}

void smartssd_list_clear(struct smartssd_list *list)
{
	list->nr_cmds = 0;
	list->nr_extents = 0;
	list->nr_args = 0;
}

uint32_t smartssd_list_count(const struct smartssd_list *list)
{
	return list->nr_cmds;
}

/* Extents or arguments moved: set the commands' pointers anew. */
static void fix_pointers(struct smartssd_list *list)
{
	for (uint32_t i = 0; i < list->nr_cmds; i++) {
		struct smartssd_cmd *cmd = &list->cmds[i];

		if (cmd->op == SMARTSSD_OP_READ || cmd->op == SMARTSSD_OP_WRITE)
			cmd->rw.extents = (uintptr_t)(list->extents + list->first[i]);
		else if (cmd->op == SMARTSSD_OP_RUN)
			cmd->run.args = (uintptr_t)(list->args + list->first[i]);
	}
}

static int append(struct smartssd_list *list, const struct smartssd_cmd *cmd, uint32_t first)
{
	uint32_t room = list->room_cmds;
	int ret;

	if (list->nr_cmds == SMARTSSD_MAX_CMDS)
		return -E2BIG;
	ret = smartssd_grow(&list->first, &room, list->nr_cmds + 1, 16, sizeof(*list->first));
	if (!ret)
		ret = smartssd_grow(&list->cmds, &list->room_cmds, list->nr_cmds + 1, 16, sizeof(*list->cmds));
	if (ret)
		return ret;
	list->cmds[list->nr_cmds] = *cmd;
	list->first[list->nr_cmds] = first;
	return (int)list->nr_cmds++;
}

static int append_rw(struct smartssd_list *list, uint32_t op, uint32_t file, uint32_t bo, const struct smartssd_extent *ext,
		     uint32_t nr, uint32_t flags)
{
	struct smartssd_cmd cmd = { .op = op, .flags = flags, .rw = { .file = file, .bo = bo, .nr_extents = nr } };
	struct smartssd_extent *old = list->extents;
	int ret;

	if (nr > SMARTSSD_MAX_EXTENTS || list->nr_extents + nr > SMARTSSD_MAX_JOB_EXTENTS || list->nr_cmds == SMARTSSD_MAX_CMDS)
		return -E2BIG;
	ret = smartssd_grow(&list->extents, &list->room_extents, (uint64_t)list->nr_extents + nr, 16, sizeof(*ext));
	if (ret)
		return ret;
	if (list->extents != old)
		fix_pointers(list);
	cmd.rw.extents = (uintptr_t)(list->extents + list->nr_extents);
	ret = append(list, &cmd, list->nr_extents);
	if (ret >= 0 && nr) {
		memcpy(list->extents + list->nr_extents, ext, nr * sizeof(*ext));
		list->nr_extents += nr;
	}
	return ret;
}

int smartssd_list_read(struct smartssd_list *list, uint32_t file, uint32_t bo, const struct smartssd_extent *ext, uint32_t nr,
		       uint32_t flags)
{
	return append_rw(list, SMARTSSD_OP_READ, file, bo, ext, nr, flags);
}

int smartssd_list_write(struct smartssd_list *list, uint32_t file, uint32_t bo, const struct smartssd_extent *ext, uint32_t nr,
			uint32_t flags)
{
	return append_rw(list, SMARTSSD_OP_WRITE, file, bo, ext, nr, flags);
}

int smartssd_list_copy_to(struct smartssd_list *list, uint32_t bo, uint64_t bo_offset, const void *host, uint64_t bytes)
{
	struct smartssd_cmd cmd = {
		.op = SMARTSSD_OP_COPY_TO,
		.copy = { .host = (uintptr_t)host, .dst_bo = bo, .dst_offset = bo_offset, .bytes = bytes },
	};

	return append(list, &cmd, 0);
}

int smartssd_list_copy_from(struct smartssd_list *list, void *host, uint32_t bo, uint64_t bo_offset, uint64_t bytes)
{
	struct smartssd_cmd cmd = {
		.op = SMARTSSD_OP_COPY_FROM,
		.copy = { .host = (uintptr_t)host, .src_bo = bo, .src_offset = bo_offset, .bytes = bytes },
	};

	return append(list, &cmd, 0);
}

int smartssd_list_copy_bo(struct smartssd_list *list, uint32_t dst, uint64_t dst_offset, uint32_t src, uint64_t src_offset,
			  uint64_t bytes)
{
	struct smartssd_cmd cmd = {
		.op = SMARTSSD_OP_COPY_BO,
		.copy = { .src_bo = src, .dst_bo = dst, .src_offset = src_offset, .dst_offset = dst_offset, .bytes = bytes },
	};

	return append(list, &cmd, 0);
}

int smartssd_list_run(struct smartssd_list *list, uint64_t cu_mask, const struct smartssd_arg *args, uint32_t nr,
		      uint32_t timeout_ms)
{
	struct smartssd_cmd cmd = { .op = SMARTSSD_OP_RUN, .run = { .cu_mask = cu_mask, .nr_args = nr, .timeout_ms = timeout_ms } };
	struct smartssd_arg *old = list->args;
	int ret;

	if (nr > SMARTSSD_MAX_ARGS || list->nr_cmds == SMARTSSD_MAX_CMDS)
		return -E2BIG;
	ret = smartssd_grow(&list->args, &list->room_args, (uint64_t)list->nr_args + nr, 16, sizeof(*args));
	if (ret)
		return ret;
	if (list->args != old)
		fix_pointers(list);
	cmd.run.args = (uintptr_t)(list->args + list->nr_args);
	ret = append(list, &cmd, list->nr_args);
	if (ret >= 0 && nr) {
		memcpy(list->args + list->nr_args, args, nr * sizeof(*args));
		list->nr_args += nr;
	}
	return ret;
}

int smartssd_list_depend(struct smartssd_list *list, int cmd, int on)
{
	uint32_t *dep;

	if (cmd < 0 || (uint32_t)cmd >= list->nr_cmds || on < 0 || on >= cmd)
		return -EINVAL;
	dep = list->cmds[cmd].dep;
	for (int i = 0; i < SMARTSSD_MAX_DEPS; i++) {
		if (dep[i] == (uint32_t)on + 1)
			return 0;
		if (!dep[i]) {
			dep[i] = (uint32_t)on + 1;
			return 0;
		}
	}
	list->cmds[cmd].flags |= SMARTSSD_CMD_BARRIER;
	return 0;
}

int smartssd_list_barrier(struct smartssd_list *list, int cmd)
{
	if (cmd < 0 || (uint32_t)cmd >= list->nr_cmds)
		return -EINVAL;
	list->cmds[cmd].flags |= SMARTSSD_CMD_BARRIER;
	return 0;
}

int smartssd_submit(struct smartssd_device *dev, const struct smartssd_list *list, uint64_t *job, uint32_t *bad_cmd)
{
	struct smartssd_submit arg = {
		.size = sizeof(arg), .cmds = (uintptr_t)list->cmds, .nr_cmds = list->nr_cmds, .bad_cmd = UINT32_MAX,
	};
	int ret = smartssd_ioctl(dev, SMARTSSD_IOC_SUBMIT, &arg);

	if (bad_cmd)
		*bad_cmd = ret ? arg.bad_cmd : UINT32_MAX;
	if (!ret)
		*job = arg.job;
	return ret;
}

int smartssd_run_list(struct smartssd_device *dev, const struct smartssd_list *list, struct smartssd_outcome *out,
		      struct smartssd_result *results, uint32_t nr, struct smartssd_error *err)
{
	struct smartssd_result *own = NULL;
	struct smartssd_outcome outcome;
	uint32_t bad;
	uint64_t job;
	int ret;

	/* Without results of its own an error could not say which path or unit it was. */
	if (!results && err && list->nr_cmds) {
		own = calloc(list->nr_cmds, sizeof(*own));
		if (!own)
			return smartssd_fail(err, -ENOMEM, "no memory for the results of %u commands", list->nr_cmds);
		results = own;
		nr = list->nr_cmds;
	}
	ret = smartssd_submit(dev, list, &job, &bad);
	if (ret) {
		smartssd_explain_submit(err, list, ret, bad);
		goto out;
	}
	ret = smartssd_wait(dev, job, SMARTSSD_DEADLINE_NEVER, &outcome, results, nr);
	if (ret) {
		smartssd_fail(err, ret, "waiting for the job failed: %s", strerror(-ret));
		goto out;
	}
	if (out)
		*out = outcome;
	ret = outcome.status;
	if (ret)
		smartssd_explain_command(err, list, ret, outcome.first_error,
					 outcome.first_error < nr ? &results[outcome.first_error] : NULL);
out:
	free(own);
	return ret;
}
