// SPDX-License-Identifier: BSD-2-Clause
/*
 * The keeper: the card's one thread. It programs the card, starts workers and notices when one dies; it is not on
 * the way of a run.
 *
 * It is also the workers' parent: a worker is killed when the thread that made it ends (PR_SET_PDEATHSIG goes by
 * thread, not by process), and this one lives exactly as long as the card.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include "internal.h"

void keeper_notify(struct card *card)
{
	u64 one = 1;

	if (write(card->notify_fd, &one, sizeof(one)) < 0)
		return; /* EAGAIN: there is more than enough to wake it already */
}

/* Reap; @cu has no process after it. */
static u32 worker_bury(struct cu *cu)
{
	u32 death = spawn_reap(cu->pidfd);

	close(cu->pidfd);
	cu->pidfd = -1;
	cu->pid = 0;
	if (death == CARD_REAPED && cu->slot && cu->slot->signal)
		death = cu->slot->signal & 0x7f;
	return death;
}

void worker_kill(struct cu *cu)
{
	if (cu->pidfd >= 0) {
		syscall(SYS_pidfd_send_signal, cu->pidfd, SIGKILL, NULL, 0);
		worker_bury(cu);
	}
	if (cu->slot)
		munmap(cu->slot, sizeof(*cu->slot));
	cu->slot = NULL;
	cu->worker = WORKER_NONE;
	cu->restart = false;
	cu->died = false;
	cu->running = false;
}

void workers_drop(struct card *card)
{
	u32 i;

	/* All at once, then wait: their ends overlap. */
	for (i = 0; i < card->nr_cus; i++)
		if (card->cu[i].pidfd >= 0)
			syscall(SYS_pidfd_send_signal, card->cu[i].pidfd, SIGKILL, NULL, 0);
	for (i = 0; i < card->nr_cus; i++)
		worker_kill(&card->cu[i]);
	card->nr_cus = 0;
	card->raise = 0;
	memset(card->cu_of_page, CARD_NO_CU, sizeof(card->cu_of_page));
	if (card->bits_fd >= 0)
		close(card->bits_fd);
	card->bits_fd = -1;
}

/* ---- starting workers ---- */

/*
 * Start CU @i's worker. Called and left with the lock held, dropped meanwhile: a start takes a millisecond, a
 * register read must not. What was decided before may have been overtaken then; the caller looks again.
 */
static void worker_start(struct card *card, u32 i)
{
	struct cu *cu = &card->cu[i];
	u32 request = card->prog_request;
	struct spawn s = {
		.path = card->worker_path, .ddr_fd = card->ddr_fd, .common_fd = card->common_fd, .notify_fd = card->notify_fd,
		.ddr_offset = card->ddr_offset, .ddr_bytes = card->ddr_bytes,
	};
	struct cu_slot *slot = MAP_FAILED;
	char kernel[SMARTSSD_NAME_LEN];
	int pidfd = -1, ret = -ENOMEM;
	bool stale;
	pid_t pid = 0;

	memcpy(kernel, cu->kernel, sizeof(kernel));
	s.kernel = kernel;
	s.bits_fd = fcntl(card->bits_fd, F_DUPFD_CLOEXEC, 0);
	cu->restart = false;
	pthread_mutex_unlock(&card->lock);

	s.slot_fd = memfd_create("smartssd-cu", MFD_CLOEXEC);
	if (s.slot_fd >= 0 && !ftruncate(s.slot_fd, sizeof(*slot)))
		slot = mmap(NULL, sizeof(*slot), PROT_READ | PROT_WRITE, MAP_SHARED, s.slot_fd, 0);
	if (slot != MAP_FAILED && s.bits_fd >= 0)
		ret = spawn_worker(&s, &pid, &pidfd);
	if (s.bits_fd >= 0)
		close(s.bits_fd);
	if (s.slot_fd >= 0)
		close(s.slot_fd);

	pthread_mutex_lock(&card->lock);
	/* Reset, dropped or reprogrammed meanwhile: this worker is for a CU of yesterday. */
	stale = card->stop || card->gone || card->prog_request != request || cu->worker != WORKER_NONE || cu->restart;
	if (stale && !ret) {
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		spawn_reap(pidfd);
		close(pidfd);
	}
	if ((stale || ret) && slot != MAP_FAILED)
		munmap(slot, sizeof(*slot));
	if (stale)
		return;
	if (ret) {
		cu->worker = WORKER_DEAD;
		cu->died = true;
		cu->death = 0;
		card_wake(card);
		return;
	}
	cu->slot = slot;
	cu->pid = pid;
	cu->pidfd = pidfd;
	cu->worker = WORKER_STARTING;
	cu->deadline = cu_now() + CARD_START_NS;
}

/* Has it loaded its kernel, died, or taken too long? True when something changed. */
static bool worker_look(struct card *card, struct cu *cu)
{
	struct pollfd p = { .fd = cu->pidfd, .events = POLLIN };

	if (cu->pidfd < 0)
		return false;
	if (poll(&p, 1, 0) == 1) {
		cu->death = worker_bury(cu);
		cu->worker = WORKER_DEAD;
		cu->died = true;
		return true;
	}
	if (cu->worker != WORKER_STARTING)
		return false;
	if (__atomic_load_n(&cu->slot->state, __ATOMIC_ACQUIRE) == CU_READY) {
		cu->worker = WORKER_READY;
		cu_dispatch(card, cu); /* it may have been started while the worker was not there yet */
		return true;
	}
	if (cu_now() >= cu->deadline)
		syscall(SYS_pidfd_send_signal, cu->pidfd, SIGKILL, NULL, 0);
	return false;
}

/* ---- programming ---- */

static int seal_bits(const u8 *data, u64 bytes)
{
	int fd = memfd_create("smartssd-bitstream", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	u64 done = 0;

	if (fd < 0)
		return -1;
	while (done < bytes) {
		ssize_t n = write(fd, data + done, bytes - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			goto fail;
		done += n;
	}
	/* Workers map it as code: none may change it under another. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

static void install_cus(struct card *card, const struct smartssd_xclbin_info *info)
{
	u32 i, a;

	card->nr_cus = info->nr_cus;
	for (i = 0; i < info->nr_cus; i++) {
		const struct smartssd_cu_desc *desc = &info->cus[i];
		struct cu *cu = &card->cu[i];

		memset(cu, 0, sizeof(*cu));
		cu->pidfd = -1;
		cu->base = desc->base;
		cu->chain = desc->control == SMARTSSD_CONTROL_CHAIN;
		cu->irq = desc->irq;
		snprintf(cu->kernel, sizeof(cu->kernel), "%.*s", (int)strcspn(desc->name, ":"), desc->name);
		cu->args_end = CU_ARGS;
		for (a = desc->first_arg; a < desc->first_arg + desc->nr_args; a++) {
			u32 first = info->args[a].offset, end = first + info->args[a].bytes, r;

			for (r = first / 4; r < end / 4; r++)
				cu->decoded[r / 32] |= 1u << r % 32;
			if (end > cu->args_end)
				cu->args_end = end;
		}
		cu_power_on(cu);
		cu->restart = true;
		card->cu_of_page[cu->base / CU_FILE_BYTES] = i;
	}
}

/* Carry out the newest request. Lock held, dropped while copying and parsing. */
static void program_begin(struct card *card)
{
	u32 request = card->prog_request, status = EMU_PROG_BAD;
	u64 addr = card->request_addr, bytes = card->request_bytes;
	struct smartssd_xclbin_info *info = NULL;
	struct smartssd_why why = { { 0 } };
	int bits_fd = -1;
	u8 *copy = NULL;

	pthread_mutex_unlock(&card->lock);
	if (!bytes || bytes > SMARTSSD_MAX_XCLBIN || addr > card->ddr_bytes || bytes > card->ddr_bytes - addr)
		goto done;
	copy = malloc(bytes);
	if (!copy)
		goto done;
	memcpy(copy, card->ddr + addr, bytes); /* the host could change it between check and use */
	if (smartssd_xclbin_parse(copy, bytes, &info, &why)) {
		info = NULL;
		goto done;
	}
	status = EMU_PROG_NO_BITS;
	if (info->bits_bytes)
		bits_fd = seal_bits(copy + info->bits_offset, info->bits_bytes);
done:
	free(copy);
	pthread_mutex_lock(&card->lock);
	if (card->prog_request != request || card->gone || card->stop) {
		if (bits_fd >= 0)
			close(bits_fd);
	} else if (bits_fd < 0) {
		card->programming = false;
		card->prog_status = status;
	} else {
		card->bits_fd = bits_fd;
		install_cus(card, info);
	}
	if (info)
		smartssd_xclbin_free(info);
}

/* All workers loaded their kernels: OK. One did not: the bitstream is no good. */
static void program_end(struct card *card)
{
	u32 i;

	for (i = 0; i < card->nr_cus; i++)
		if (card->cu[i].worker == WORKER_DEAD)
			break;
	if (i < card->nr_cus) {
		workers_drop(card);
		card->prog_status = EMU_PROG_NO_BITS;
	} else {
		for (i = 0; i < card->nr_cus; i++)
			if (card->cu[i].worker != WORKER_READY)
				return;
		card->prog_status = EMU_PROG_OK;
	}
	card->programming = false;
}

/* ---- the thread ---- */

static void keeper_work(struct card *card)
{
	u32 i, begun = card->prog_request;
	bool event = false;

	if (card->gone) {
		workers_drop(card);
		return;
	}
	/* Programming was requested and its CUs are not there yet */
	if (card->programming && !card->nr_cus) {
		program_begin(card);
		if (card->prog_request != begun)
			return;
	}
	for (i = 0; i < card->nr_cus; i++) {
		event |= worker_look(card, &card->cu[i]);
		if (card->cu[i].restart)
			worker_start(card, i);
		if (card->prog_request != begun)
			return;
	}
	if (card->programming && card->bits_fd >= 0)
		program_end(card);
	if (event)
		card_wake(card);
}

static void *keeper_main(void *arg)
{
	struct pollfd p[SMARTSSD_MAX_CUS + 1];
	struct card *card = arg;
	u64 count, now, next;
	int n, ms;
	u32 i;

	pthread_mutex_lock(&card->lock);
	while (!card->stop) {
		keeper_work(card);
		p[0] = (struct pollfd){ .fd = card->notify_fd, .events = POLLIN };
		n = 1;
		next = ~0ull;
		for (i = 0; i < card->nr_cus; i++) {
			struct cu *cu = &card->cu[i];

			if (cu->pidfd >= 0)
				p[n++] = (struct pollfd){ .fd = cu->pidfd, .events = POLLIN };
			if (cu->pidfd >= 0 && cu->worker == WORKER_STARTING && cu->deadline < next)
				next = cu->deadline;
		}
		now = cu_now();
		ms = next == ~0ull ? -1 : next > now ? (int)((next - now) / 1000000) + 1 : 1;
		pthread_mutex_unlock(&card->lock);
		/* A pidfd that was closed meanwhile ends poll at worst early: whoever closes one notifies. */
		poll(p, n, ms);
		if (p[0].revents && read(card->notify_fd, &count, sizeof(count)) < 0)
			count = 0;
		pthread_mutex_lock(&card->lock);
	}
	pthread_mutex_unlock(&card->lock);
	return NULL;
}

int keeper_start(struct card *card)
{
	return card_thread(&card->keeper, keeper_main, card);
}

void keeper_stop(struct card *card)
{
	pthread_mutex_lock(&card->lock);
	card->stop = true;
	pthread_mutex_unlock(&card->lock);
	keeper_notify(card);
	pthread_join(card->keeper, NULL);
}
