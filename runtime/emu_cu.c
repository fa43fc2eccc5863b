// SPDX-License-Identifier: BSD-2-Clause
/*
 * Compute units: which run goes where, how its end is noticed, and who looks.
 *
 * The card raises interrupts only from within card_poll() (or a register access), so somebody has to be there: the thread that
 * waits for a job drives the card itself, which makes a launch one register write and one wake-up. Only when nobody waits does
 * the engine thread drive. It is not woken for each launch but looks by itself for a while, since a launch is mostly followed
 * by a wait at once; it is woken when there is a poll or event descriptor.
 */
#include <time.h>
#include <unistd.h>
#include "emu_impl.h"

#define ENGINE_LOOK_NS	1000000ull
#define ENGINE_LOOKS	10 /* idle ones before it sleeps */

void emu_irq(void *ctx, u32 id)
{
	struct emu *emu = ctx;

	if (id == EMU_IRQ_SHELL)
		atomic_store(&emu->irq_shell, true);
	else
		atomic_fetch_or(&emu->irqs, 1ull << (id % 64));
}

/* ---- runs ---- */

static void drop_held(struct emu_cu *cu)
{
	while (cu->nr_held)
		emu_bo_put(cu->held[--cu->nr_held]);
	free(cu->held);
	cu->held = NULL;
}

/*
 * What @cu runs ends here. The memory it was given stays taken when the run cannot be known to be over: it may still be
 * writing.
 */
static void end_run(struct emu *emu, struct emu_cu *cu, u32 state, int status)
{
	struct emu_cmd *cmd = cu->cmd;

	cu->cmd = NULL;
	cu->state = state;
	emu->busy--;
	if (!status) {
		cu->runs++;
		emu->count.runs++;
	} else if (status == -EIO || status == -ETIMEDOUT) {
		emu->count.cu_faults++;
	}
	if (status == -ETIMEDOUT || status == -ENODEV) {
		cu->held = cmd->run.bos;
		cu->nr_held = cmd->run.nr_bos;
		cmd->run.bos = NULL;
		cmd->run.nr_bos = 0;
	}
	emu_cmd_end(cmd, status);
}

void emu_cu_gone(struct emu *emu)
{
	u32 i;

	for (i = 0; i < SMARTSSD_MAX_CUS; i++)
		if (emu->cus[i].state == SMARTSSD_CU_BUSY)
			end_run(emu, &emu->cus[i], SMARTSSD_CU_HUNG, -ENODEV);
}

/*
 * 1: ended well, 0: goes on, -EIO, -ETIMEDOUT, -ENODEV. A crash raises the CU's interrupt like an end, so the shell is asked,
 * too.
 */
static int look(struct emu *emu, u32 index, u64 now)
{
	u32 status;
	int ret = smartssd_cu_finish(&emu->bus, &emu->xclbin->cus[index]);

	if (!ret) {
		status = smartssd_emu_cu_status(&emu->bus, index);
		if (status == 0xffffffffu)
			ret = -ENODEV;
		else if ((status & 0xff) == EMU_CU_CRASHED)
			ret = -EIO;
	}
	if (!ret && now >= emu->cus[index].deadline)
		ret = -ETIMEDOUT;
	return ret;
}

/* A hung CU: has it ended after all? Then nobody writes to what it held any more. */
static void look_late(struct emu *emu, u32 index)
{
	int ret = look(emu, index, 0);

	if (ret == -ENODEV)
		emu_set_gone(emu);
	if (ret != 1 && ret != -EIO)
		return;
	emu->cus[index].state = ret == 1 ? SMARTSSD_CU_IDLE : SMARTSSD_CU_CRASHED;
	drop_held(&emu->cus[index]);
}

bool emu_cu_service(struct emu *emu, bool event)
{
	bool shell = atomic_load(&emu->irq_shell) && atomic_exchange(&emu->irq_shell, false);
	u64 irqs = atomic_load(&emu->irqs) ? atomic_exchange(&emu->irqs, 0) : 0;
	bool ended = false;
	u64 now;
	u32 i;

	for (i = 0; emu->xclbin && i < emu->xclbin->nr_cus; i++)
		if (emu->cus[i].state == SMARTSSD_CU_HUNG && !emu->gone)
			look_late(emu, i);
	if (!emu->busy)
		return false;
	now = emu_now();
	for (i = 0; i < emu->xclbin->nr_cus; i++) {
		struct emu_cu *cu = &emu->cus[i];
		u32 irq = emu->xclbin->cus[i].irq;
		bool due = now >= cu->look_at;
		int ret;

		if (cu->state != SMARTSSD_CU_BUSY)
			continue;
		/* A CU without interrupt is looked at whenever the card moved. */
		if (!shell && !due && !(irq == 0xffffffffu ? event : irqs >> (irq % 64) & 1))
			continue;
		ret = look(emu, i, now);
		if (!ret) {
			if (due)
				cu->look_at = min_u64(cu->deadline, now + EMU_TICK_NS);
			continue;
		}
		ended = true;
		if (ret == -ENODEV) {
			emu_set_gone(emu);
			break;
		}
		if (ret == 1)
			end_run(emu, cu, SMARTSSD_CU_IDLE, 0);
		else
			end_run(emu, cu, ret == -EIO ? SMARTSSD_CU_CRASHED : SMARTSSD_CU_HUNG, ret);
	}
	return ended;
}

static void start_run(struct emu *emu, u32 index, struct emu_cmd *cmd)
{
	struct smartssd_result *result = emu_cmd_result(cmd);
	struct emu_cu *cu = &emu->cus[index];
	u64 now = emu_now();
	int ret;

	result->start_ns = now;
	result->detail = index;
	ret = smartssd_cu_start(&emu->bus, &emu->xclbin->cus[index], cmd->run.regs, cmd->run.nr_regs);
	if (ret)
		result->start_ns = 0;
	if (ret == -ENODEV) {
		emu_cmd_end(cmd, -ENODEV);
		emu_set_gone(emu);
		return;
	}
	if (ret) {
		/* It runs something that we did not start. Only a reset helps. */
		cu->state = SMARTSSD_CU_HUNG;
		emu_cmd_end(cmd, -EIO);
		return;
	}
	cu->state = SMARTSSD_CU_BUSY;
	cu->cmd = cmd;
	cu->deadline = now + cmd->run.timeout_ms * 1000000ull;
	cu->look_at = min_u64(cu->deadline, now + EMU_TICK_NS);
	emu->busy++;
	if (emu->driving && emu->drive_until > cu->look_at)
		emu_nudge(emu);
}

bool emu_cu_feed(struct emu *emu)
{
	struct emu_cmd **p = &emu->runs.first, *cmd;
	u64 free_cus = 0, sound = 0, all;
	bool any = false;
	u32 i, nr;

	if (!*p)
		return false;
	nr = emu->xclbin->nr_cus;
	all = nr < 64 ? (1ull << nr) - 1 : ~0ull;
	for (i = 0; i < nr; i++) {
		if (emu->cus[i].state == SMARTSSD_CU_IDLE)
			free_cus |= 1ull << i;
		if (emu->cus[i].state <= SMARTSSD_CU_BUSY)
			sound |= 1ull << i;
	}
	while ((cmd = *p)) {
		if (!free_cus && sound == all)
			break;
		if ((cmd->run.mask & sound) && !(cmd->run.mask & free_cus)) {
			p = &cmd->next;
			continue;
		}
		*p = cmd->next;
		if (!*p)
			emu->runs.last = p;
		any = true;
		/* Waiting for a CU that only a reset brings back could last for ever. */
		if (!(cmd->run.mask & sound)) {
			emu_cmd_end(cmd, -EIO);
			continue;
		}
		i = __builtin_ctzll(cmd->run.mask & free_cus);
		free_cus &= ~(1ull << i);
		start_run(emu, i, cmd);
		if (emu->gone)
			break;
	}
	return any;
}

int emu_cu_reset(struct emu *emu, u32 index)
{
	struct emu_cu *cu = &emu->cus[index];
	int ret;

	if (!emu->xclbin || index >= emu->xclbin->nr_cus)
		return -ENOENT;
	/* It may have ended in time. */
	emu_cu_service(emu, false);
	ret = smartssd_emu_cu_reset(&emu->bus, index);
	if (ret == -ENODEV) {
		emu_set_gone(emu);
		return ret;
	}
	drop_held(cu);
	if (cu->state == SMARTSSD_CU_BUSY)
		end_run(emu, cu, SMARTSSD_CU_IDLE, -EIO);
	cu->state = ret ? SMARTSSD_CU_CRASHED : SMARTSSD_CU_IDLE;
	return ret;
}

/* ---- who drives ---- */

void emu_nudge(struct emu *emu)
{
	if (emu->driving)
		card_kick(emu->card);
}

void emu_drive(struct emu *emu, u64 deadline)
{
	u64 now = emu_now();
	bool event;
	u32 i;

	for (i = 0; i < emu->xclbin->nr_cus; i++)
		if (emu->cus[i].state == SMARTSSD_CU_BUSY)
			deadline = min_u64(deadline, emu->cus[i].look_at);
	emu->driving = true;
	emu->drive_until = deadline;
	pthread_mutex_unlock(&emu->lock);
	event = card_poll(emu->card, deadline > now ? deadline - now : 0) > 0;
	pthread_mutex_lock(&emu->lock);
	emu->driving = false;
	/* What PCI tells a driver by a surprise-removal event; else the next look at a register would find it. */
	if (card_is_gone(emu->card))
		emu_set_gone(emu);
	emu_cu_service(emu, event);
	emu_progress(emu);
}

static void *engine_main(void *arg)
{
	struct emu *emu = arg;
	struct emu_worker *w = &emu->engine;
	u32 idle = 0;

	pthread_mutex_lock(&emu->lock);
	while (!w->stop) {
		if (emu->busy && !emu->driving && !emu->waiting) {
			emu->engine_drives = true;
			emu_drive(emu, EMU_NEVER);
			emu->engine_drives = false;
			/* Somebody may have come who wants to drive. */
			if (emu->waiting)
				pthread_cond_broadcast(&emu->cond);
			idle = 0;
		} else if (idle++ < ENGINE_LOOKS) {
			u64 until = emu_now() + ENGINE_LOOK_NS;
			struct timespec ts = { until / 1000000000u, until % 1000000000u };

			pthread_cond_timedwait(&w->cond, &emu->lock, &ts);
		} else {
			emu->engine_sleeps = true;
			pthread_cond_wait(&w->cond, &emu->lock);
			emu->engine_sleeps = false;
			idle = 0;
		}
	}
	pthread_mutex_unlock(&emu->lock);
	return NULL;
}

void emu_handover(struct emu *emu)
{
	if (!emu->busy || emu->driving)
		return;
	if (emu->waiting) {
		pthread_cond_broadcast(&emu->cond);
		return;
	}
	/* Without an engine thread a run still ends, when somebody waits. */
	if (emu_worker_start(&emu->engine, engine_main, emu))
		return;
	if (emu->engine_sleeps || emu->poll_fd >= 0 || emu->event_fd >= 0)
		pthread_cond_signal(&emu->engine.cond);
}

/* ---- xclbin ---- */

void emu_cu_drop_all(struct emu *emu)
{
	u32 i;

	for (i = 0; i < SMARTSSD_MAX_CUS; i++) {
		drop_held(&emu->cus[i]);
		memset(&emu->cus[i], 0, sizeof(emu->cus[i]));
	}
	smartssd_xclbin_free(emu->xclbin);
	emu->xclbin = NULL;
}

static void sleep_us(u32 us)
{
	usleep(us);
}

static bool same_and_sound(struct emu *emu, const struct smartssd_xclbin_info *info)
{
	u32 i;

	emu_progress(emu);
	if (!emu->xclbin || memcmp(emu->xclbin->uuid, info->uuid, sizeof(info->uuid)))
		return false;
	for (i = 0; i < emu->xclbin->nr_cus; i++)
		if (emu->cus[i].state > SMARTSSD_CU_BUSY)
			return false;
	return true;
}

/* Give the card the file and take over what it says; lock held. @info is used up. */
static int program(struct emu *emu, struct smartssd_xclbin_info *info, struct emu_bo *bo, u64 bytes)
{
	u32 status = 0;
	int ret;

	ret = smartssd_emu_program(&emu->bus, bo->address, bytes, sleep_us, &status);
	/* The old workers are gone, whatever came of the new ones. */
	emu_cu_drop_all(emu);
	if (ret) {
		smartssd_xclbin_free(info);
		if (ret == -ETIMEDOUT) {
			/* It may still be reading: nobody else gets this memory, nor this card. */
			emu_bo_ref(bo);
			emu->staging = bo;
			ret = -ENODEV;
		}
		if (ret == -ENODEV)
			emu_set_gone(emu);
		return ret == -ENODEV ? ret : -EIO;
	}
	emu->xclbin = info;
	if (emu->fault) {
		card_write(emu->card, EMU_FAULT, emu->fault);
		emu->fault = 0;
	}
	return 0;
}

int emu_xclbin_load(struct emu *emu, struct smartssd_xclbin *arg)
{
	struct smartssd_xclbin_info *info = NULL;
	struct smartssd_why why;
	struct emu_bo *bo = NULL;
	void *data;
	int ret;

	if (arg->flags || !arg->bytes || arg->bytes > SMARTSSD_MAX_XCLBIN)
		return -EINVAL;
	data = malloc(arg->bytes);
	if (!data)
		return -ENOMEM;
	ret = emu_copy_in(data, arg->data, arg->bytes);
	if (!ret)
		ret = smartssd_xclbin_parse(data, arg->bytes, &info, &why);
	if (ret) {
		free(data);
		return ret;
	}
	memcpy(arg->uuid, info->uuid, sizeof(arg->uuid));

	pthread_mutex_lock(&emu->lock);
	if (same_and_sound(emu, info)) {
		smartssd_xclbin_free(info);
	} else if (emu->inflight || emu->submitting) {
		smartssd_xclbin_free(info);
		ret = -EBUSY;
	} else {
		ret = emu_bo_new(emu, arg->bytes, &bo);
		if (ret) {
			smartssd_xclbin_free(info);
		} else {
			memcpy(emu->ddr + bo->address, data, arg->bytes);
			ret = program(emu, info, bo, arg->bytes);
		}
	}
	pthread_mutex_unlock(&emu->lock);
	if (bo)
		emu_bo_put(bo);
	free(data);
	return ret;
}

/* ---- information ---- */

int emu_cu_check_mask(const struct emu *emu, u64 mask)
{
	u32 nr = emu->xclbin ? emu->xclbin->nr_cus : 0, first, i;

	if (!mask || (nr < 64 && mask >> nr))
		return -ENOENT;
	first = __builtin_ctzll(mask);
	for (i = first; i < nr; i++)
		if ((mask >> i & 1) && emu->xclbin->cus[i].kernel != emu->xclbin->cus[first].kernel)
			return -EINVAL;
	return 0;
}

int emu_cu_info(struct emu *emu, struct smartssd_cu_info *arg)
{
	const struct smartssd_cu_desc *desc;

	if (arg->pad)
		return -EINVAL;
	if (!emu->xclbin || arg->index >= emu->xclbin->nr_cus)
		return -ENOENT;
	desc = &emu->xclbin->cus[arg->index];
	arg->nr_args = desc->nr_args;
	arg->state = emu->cus[arg->index].state;
	arg->base = desc->base;
	arg->runs = emu->cus[arg->index].runs;
	arg->control = desc->control;
	memcpy(arg->name, desc->name, sizeof(arg->name));
	return 0;
}

int emu_arg_info(struct emu *emu, struct smartssd_arg_info *arg)
{
	const struct smartssd_cu_arg *a;

	if (arg->pad)
		return -EINVAL;
	if (!emu->xclbin || arg->cu >= emu->xclbin->nr_cus || arg->index >= emu->xclbin->cus[arg->cu].nr_args)
		return -ENOENT;
	a = &emu->xclbin->args[emu->xclbin->cus[arg->cu].first_arg + arg->index];
	arg->kind = a->kind;
	arg->offset = a->offset;
	arg->bytes = a->bytes;
	arg->bound_of = a->bound_of;
	memcpy(arg->name, a->name, sizeof(arg->name));
	memcpy(arg->type, a->type, sizeof(arg->type));
	return 0;
}
