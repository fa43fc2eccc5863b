// SPDX-License-Identifier: BSD-2-Clause
/*
 * The emulated card: life, the shell's registers, waiting for workers. See card.h for what it is and internal.h for
 * who does what.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "internal.h"

#define DDR_UNIT (2ull << 20)

/* High words of an emulated card's DNA: no real device's, and easy to spot. */
#define DNA_HI 0x454d5500 /* "EMU" */
#define DNA_MD 0x53534431

static u64 last_id; /* atomic */

static int map_shared(struct card *card, const struct card_config *config, struct smartssd_why *why)
{
	struct stat st;
	void *p;

	card->ddr_fd = config->ddr_fd;
	card->ddr_offset = config->ddr_offset;
	if (config->ddr_fd < 0) {
		card->ddr_offset = 0;
		card->own_ddr_fd = true;
		card->ddr_fd = memfd_create("smartssd-ddr", MFD_CLOEXEC);
		if (card->ddr_fd < 0 || ftruncate(card->ddr_fd, config->ddr_bytes)) {
			smartssd_why(why, "card memory of %llu bytes: %s", (unsigned long long)config->ddr_bytes, strerror(errno));
			return -errno;
		}
	} else if (fstat(config->ddr_fd, &st) || (u64)st.st_size < config->ddr_offset + config->ddr_bytes) {
		smartssd_why(why, "the file for the card memory is shorter than the card memory");
		return -EINVAL;
	}
	p = mmap(NULL, config->ddr_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, card->ddr_fd, card->ddr_offset);
	if (p == MAP_FAILED) {
		smartssd_why(why, "mapping the card memory: %s", strerror(errno));
		return -errno;
	}
	card->ddr = p;

	card->common_fd = memfd_create("smartssd-card", MFD_CLOEXEC);
	card->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p = MAP_FAILED;
	if (card->common_fd >= 0 && card->notify_fd >= 0 && !ftruncate(card->common_fd, CU_PAGE))
		p = mmap(NULL, CU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, card->common_fd, 0);
	if (p == MAP_FAILED) {
		smartssd_why(why, "shared page: %s", strerror(errno));
		return -errno;
	}
	card->common = p;
	return 0;
}

static void release(struct card *card)
{
	if (card->common)
		munmap(card->common, CU_PAGE);
	if (card->common_fd >= 0)
		close(card->common_fd);
	if (card->notify_fd >= 0)
		close(card->notify_fd);
	if (card->ddr)
		munmap(card->ddr, card->ddr_bytes);
	if (card->own_ddr_fd && card->ddr_fd >= 0)
		close(card->ddr_fd);
	pthread_mutex_destroy(&card->lock);
	free(card);
}

int card_create(const struct card_config *config, struct card **out, struct smartssd_why *why)
{
	struct card *card;
	u32 i;
	int ret;

	if (!config->ddr_bytes || config->ddr_bytes % DDR_UNIT || config->ddr_bytes > INT64_MAX || config->ddr_offset % CU_PAGE ||
	    config->ddr_offset > INT64_MAX - config->ddr_bytes) {
		smartssd_why(why, "%llu bytes of card memory: must be a multiple of 2 MiB", (unsigned long long)config->ddr_bytes);
		return -EINVAL;
	}
	card = calloc(1, sizeof(*card));
	if (!card) {
		smartssd_why(why, "out of memory");
		return -ENOMEM;
	}
	pthread_mutex_init(&card->lock, NULL);
	card->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	card->ddr_bytes = config->ddr_bytes;
	card->serial = config->serial;
	card->irq = config->irq;
	card->ctx = config->ctx;
	card->ddr_fd = card->common_fd = card->notify_fd = card->bits_fd = -1;
	for (i = 0; i < SMARTSSD_MAX_CUS; i++)
		card->cu[i].pidfd = -1;
	memset(card->cu_of_page, CARD_NO_CU, sizeof(card->cu_of_page));

	ret = card_find_file(CARD_WORKER, X_OK, card->worker_path, sizeof(card->worker_path));
	if (ret)
		smartssd_why(why, "smartssd-cu, the program that runs kernels, is neither beside this program nor in $SMARTSSD_LIBDIR");
	else
		ret = map_shared(card, config, why);
	if (!ret) {
		ret = keeper_start(card);
		if (ret)
			smartssd_why(why, "starting a thread: %s", strerror(-ret));
	}
	if (ret) {
		release(card);
		return ret;
	}
	*out = card;
	return 0;
}

void card_destroy(struct card *card)
{
	if (!card)
		return;
	keeper_stop(card);
	workers_drop(card);
	release(card);
}

void *card_ddr(struct card *card)
{
	return card->ddr;
}

int card_ddr_fd(struct card *card)
{
	return card->ddr_fd;
}

u64 card_ddr_bytes(struct card *card)
{
	return card->ddr_bytes;
}

/* ---- the shell's registers ---- */

/* Drop the lock and raise what the critical section asked for. */
static void unlock_and_raise(struct card *card)
{
	u32 id[SMARTSSD_MAX_CUS + 1], n = 0;
	u64 raise = card->raise;

	if (raise || card->raise_shell) {
		while (raise && !card->gone) {
			id[n++] = card->cu[__builtin_ctzll(raise)].irq;
			raise &= raise - 1;
		}
		if (card->raise_shell && !card->gone)
			id[n++] = EMU_IRQ_SHELL;
		card->raise = 0;
		card->raise_shell = false;
	}
	pthread_mutex_unlock(&card->lock);
	while (n)
		card->irq(card->ctx, id[--n]);
}

/* No worker survives it: a card that is not on the bus does no DMA. The keeper clears up. */
void card_leave(struct card *card)
{
	u32 i;

	__atomic_store_n(&card->gone, true, __ATOMIC_RELEASE);
	for (i = 0; i < card->nr_cus; i++)
		if (card->cu[i].pidfd >= 0)
			syscall(SYS_pidfd_send_signal, card->cu[i].pidfd, SIGKILL, NULL, 0);
	keeper_notify(card);
	card_kick(card);
}

bool card_is_gone(struct card *card)
{
	return __atomic_load_n(&card->gone, __ATOMIC_ACQUIRE);
}

static void program(struct card *card, u32 value)
{
	card->prog_request++;
	workers_drop(card);
	card->request_addr = card->prog_addr;
	card->request_bytes = card->prog_bytes;
	card->programming = value & 1;
	card->prog_status = card->programming ? EMU_PROG_BUSY : EMU_PROG_NONE;
	keeper_notify(card);
}

static void reset_cu(struct card *card, u32 i)
{
	if (i >= card->nr_cus || card->programming)
		return;
	worker_kill(&card->cu[i]);
	cu_power_on(&card->cu[i]);
	card->cu[i].restart = true;
	keeper_notify(card);
}

static u32 cu_status(struct card *card)
{
	struct cu *cu = &card->cu[card->selected];

	if (card->selected >= card->nr_cus)
		return EMU_CU_OK;
	cu_harvest(card, cu);
	return cu->status;
}

static u32 shell_read(struct card *card, u32 addr)
{
	switch (addr) {
	case WIN_DNA_HI:
		return DNA_HI;
	case WIN_DNA_MD:
		return DNA_MD;
	case WIN_DNA_LO:
		return card->serial;
	case EMU_ID:
		return EMU_ID_VALUE;
	case EMU_VERSION:
		return 1;
	case EMU_DDR_BYTES:
		return card->ddr_bytes;
	case EMU_DDR_BYTES + 4:
		return card->ddr_bytes >> 32;
	case EMU_PROG_ADDR:
		return card->prog_addr;
	case EMU_PROG_ADDR + 4:
		return card->prog_addr >> 32;
	case EMU_PROG_BYTES:
		return card->prog_bytes;
	case EMU_PROG_BYTES + 4:
		return card->prog_bytes >> 32;
	case EMU_PROG_STATUS:
		return card->prog_status;
	case EMU_CU_SELECT:
		return card->selected;
	case EMU_CU_STATUS:
		return cu_status(card);
	default:
		return 0;
	}
}

static void set_low(u64 *reg, u32 value)
{
	*reg = (*reg & ~0xffffffffull) | value;
}

static void set_high(u64 *reg, u32 value)
{
	*reg = (*reg & 0xffffffff) | (u64)value << 32;
}

static void shell_write(struct card *card, u32 addr, u32 value)
{
	switch (addr) {
	case EMU_PROG_ADDR:
		set_low(&card->prog_addr, value);
		break;
	case EMU_PROG_ADDR + 4:
		set_high(&card->prog_addr, value);
		break;
	case EMU_PROG_BYTES:
		set_low(&card->prog_bytes, value);
		break;
	case EMU_PROG_BYTES + 4:
		set_high(&card->prog_bytes, value);
		break;
	case EMU_PROG_CTRL:
		program(card, value);
		break;
	case EMU_CU_RESET:
		reset_cu(card, value);
		break;
	case EMU_CU_SELECT:
		card->selected = value;
		break;
	case EMU_FAULT:
		fault_arm(card, value);
		break;
	}
}

static struct cu *decode(struct card *card, u32 addr)
{
	u8 i = card->cu_of_page[addr / CU_FILE_BYTES];

	/* While programming, CUs are being built and nobody's to see. */
	return i == CARD_NO_CU || card->programming ? NULL : &card->cu[i];
}

u32 card_read(struct card *card, u32 addr)
{
	struct cu *cu;
	u32 value;

	pthread_mutex_lock(&card->lock);
	if (card->gone)
		value = ~0u;
	else if (addr >= SMARTSSD_WINDOW_BYTES || addr % 4)
		value = 0;
	else if ((cu = decode(card, addr)))
		value = cu_reg_read(card, cu, addr % CU_FILE_BYTES);
	else
		value = shell_read(card, addr);
	if (card->gone)
		value = ~0u;
	unlock_and_raise(card);
	return value;
}

void card_write(struct card *card, u32 addr, u32 value)
{
	struct cu *cu;

	pthread_mutex_lock(&card->lock);
	if (card->gone || addr >= SMARTSSD_WINDOW_BYTES || addr % 4)
		;
	else if ((cu = decode(card, addr)))
		cu_reg_write(card, cu, addr % CU_FILE_BYTES, value);
	else
		shell_write(card, addr, value);
	unlock_and_raise(card);
}

/* ---- waiting ---- */

void card_wake(struct card *card)
{
	__atomic_add_fetch(&card->common->events, 1, __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&card->common->waiting, 0, __ATOMIC_SEQ_CST))
		cu_futex_wake(&card->common->events);
}

void card_kick(struct card *card)
{
	__atomic_add_fetch(&card->kicks, 1, __ATOMIC_SEQ_CST);
	card_wake(card);
}

/*
 * Kicks that this thread knows of, per card: what makes a kick between a thread's own check and its card_poll() not
 * get lost, for any number of threads. A card beyond the last entry takes the oldest one's place; a thread then
 * sees an old kick again.
 */
#define SEEN_CARDS 8
static __thread struct {
	u64 card;
	u32 kicks;
} seen[SEEN_CARDS];
static __thread u32 seen_next;

static u32 *seen_kicks(const struct card *card)
{
	u32 i;

	for (i = 0; i < SEEN_CARDS; i++)
		if (seen[i].card == card->id)
			return &seen[i].kicks;
	i = seen_next++ % SEEN_CARDS;
	seen[i].card = card->id;
	seen[i].kicks = 0;
	return &seen[i].kicks;
}

/* Look once at every CU. @busy: a worker may have something to say soon. */
static bool look(struct card *card, bool *busy)
{
	bool event = false;
	u32 i;

	*busy = false;
	pthread_mutex_lock(&card->lock);
	if (!card->programming) {
		for (i = 0; i < card->nr_cus; i++) {
			event |= cu_harvest(card, &card->cu[i]);
			*busy |= card->cu[i].running;
		}
	}
	event |= card->raise || card->raise_shell; /* left by the keeper, which raises nothing itself */
	unlock_and_raise(card);
	return event;
}

/* Whether it pays is a system call to ask; a program that pins itself meanwhile is noticed soon enough. */
static bool may_spin(void)
{
	static __thread u32 asked;
	static __thread bool answer;

	if (!(asked++ % 64))
		answer = cu_may_spin();
	return answer;
}

int card_poll(struct card *card, u64 timeout_ns)
{
	u32 *known = seen_kicks(card), events, kicks;
	bool busy, spun = false;
	u64 end = 0, sleep, now;
	struct timespec ts;

	if (timeout_ns && timeout_ns != ~0ull) {
		end = cu_now();
		end = timeout_ns > ~0ull - end ? ~0ull : end + timeout_ns;
	}
	for (;;) {
		events = __atomic_load_n(&card->common->events, __ATOMIC_SEQ_CST);
		kicks = __atomic_load_n(&card->kicks, __ATOMIC_SEQ_CST);
		if (look(card, &busy)) {
			*known = __atomic_load_n(&card->kicks, __ATOMIC_SEQ_CST);
			return 1;
		}
		if (kicks != *known) {
			*known = kicks;
			return 0;
		}
		if (!timeout_ns)
			return 0;
		if (busy && !spun && may_spin()) {
			spun = true;
			if (cu_spin(&card->common->events, events))
				continue;
		}
		/*
		 * Only a worker can damage the page that wakes us; without one running there is no need to look
		 * by the clock.
		 */
		sleep = busy ? CARD_SLICE_NS : ~0ull;
		if (timeout_ns != ~0ull) {
			now = cu_now();
			if (now >= end)
				return 0;
			if (end - now < sleep)
				sleep = end - now;
		}
		ts = (struct timespec){ .tv_sec = sleep / 1000000000, .tv_nsec = sleep % 1000000000 };
		__atomic_store_n(&card->common->waiting, 1, __ATOMIC_SEQ_CST);
		cu_futex_wait(&card->common->events, events, sleep == ~0ull ? NULL : &ts);
	}
}
