// SPDX-License-Identifier: BSD-2-Clause
/* The embedded card: opening, closing, and the way of an ioctl to whoever serves it. */
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "emu_impl.h"

#define DDR_DEFAULT (1ull << 30) /* only what is touched takes host memory */
#define DDR_UNIT    (2ull << 20)
#define DDR_MAX	    (1ull << 40)

/* ---- helpers ---- */

u64 emu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/*
 * The caller's memory is our own, so lists and results are copied plainly: asking the kernel to do it, which would find any
 * wrong pointer, costs more than a whole launch. What can be no memory of a process (NULL and its neighbourhood, the kernel's
 * half) is EFAULT as at the driver.
 */
#define LOWEST	0x10000ull
#define HIGHEST (sizeof(void *) == 8 ? 1ull << 56 : 0xffffffffull)

static bool is_memory(u64 address, u64 bytes)
{
	return address >= LOWEST && bytes <= HIGHEST && address <= HIGHEST - bytes;
}

int emu_copy_in(void *to, u64 from, u64 bytes)
{
	if (!is_memory(from, bytes))
		return -EFAULT;
	memcpy(to, (const void *)(uintptr_t)from, bytes);
	return 0;
}

int emu_copy_out(u64 to, const void *from, u64 bytes)
{
	if (!is_memory(to, bytes))
		return -EFAULT;
	memcpy((void *)(uintptr_t)to, from, bytes);
	return 0;
}

/* ---- options ---- */

#define VALID_KEYS "ddr=SIZE (K, M or G; a multiple of 2M), serial=N, peer=on|off, fault=KIND[:CU[:NTH]]"
#define VALID_FAULTS "hang, crash, no-irq, wrong, gone, spurious; CU below 64, NTH up to 65535"

struct options {
	u64 ddr_bytes;
	u32 serial;
	u32 peer_reason;
	u32 fault;
};

static int __printf(2, 3) refuse(struct smartssd_error *err, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return -EINVAL;
}

static int parse_options(const char *text, struct options *o, struct smartssd_error *err)
{
	char *copy = strdup(text ? text : ""), *rest = copy, *key, *value;
	int ret = copy ? 0 : -ENOMEM;

	while (!ret && (key = strsep(&rest, ","))) {
		const char *number;
		u64 n;

		if (!*key && !rest && key == copy)
			break; /* no options at all */
		value = strchr(key, '=');
		if (value)
			*value++ = 0;
		number = value;
		if (!strcmp(key, "ddr")) {
			if (!value || !card_parse_bytes(value, DDR_MAX, &o->ddr_bytes) || !o->ddr_bytes || o->ddr_bytes % DDR_UNIT)
				ret = refuse(err, "emu: ddr=%s is no card memory size: a multiple of 2M, such as 256M or 4G",
					     value ? value : "");
		} else if (!strcmp(key, "serial")) {
			if (!value || !card_take_number(&number, 0xffffffffu, "", &n))
				ret = refuse(err, "emu: serial=%s is no number from 0 to 4294967295", value ? value : "");
			else
				o->serial = n;
		} else if (!strcmp(key, "peer")) {
			if (value && !strcmp(value, "on"))
				o->peer_reason = SMARTSSD_PEER_OK;
			else if (value && !strcmp(value, "off"))
				o->peer_reason = SMARTSSD_PEER_OFF;
			else
				ret = refuse(err, "emu: peer=%s is neither on nor off", value ? value : "");
		} else if (!strcmp(key, "fault")) {
			if (!value || card_parse_fault(value, &o->fault))
				ret = refuse(err, "emu: fault=%s is no KIND[:CU[:NTH]]; kinds: " VALID_FAULTS,
					     value ? value : "");
		} else {
			ret = refuse(err, "emu: unknown option '%s'; valid are " VALID_KEYS, key);
		}
	}
	free(copy);
	return ret;
}

/* ---- open and close ---- */

static u32 bus_read(void *ctx, u32 addr)
{
	return card_read(ctx, addr);
}

static void bus_write(void *ctx, u32 addr, u32 value)
{
	card_write(ctx, addr, value);
}

static void init_locks(struct emu *emu)
{
	struct emu_worker *workers[] = { &emu->engine, &emu->copier, &emu->io };
	pthread_condattr_t attr;
	size_t i;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&emu->lock, NULL);
	pthread_mutex_init(&emu->mem_lock, NULL);
	pthread_cond_init(&emu->cond, &attr);
	for (i = 0; i < 3; i++) {
		pthread_cond_init(&workers[i]->cond, &attr);
		emu_queue_init(&workers[i]->queue);
	}
	pthread_condattr_destroy(&attr);
	emu_queue_init(&emu->ready);
	emu_queue_init(&emu->runs);
}

/* Also for a card that was never finished. */
static void destroy(struct emu *emu)
{
	if (emu->card)
		card_destroy(emu->card);
	smartssd_ddr_destroy(emu->mem);
	pthread_cond_destroy(&emu->cond);
	pthread_cond_destroy(&emu->engine.cond);
	pthread_cond_destroy(&emu->copier.cond);
	pthread_cond_destroy(&emu->io.cond);
	pthread_mutex_destroy(&emu->lock);
	pthread_mutex_destroy(&emu->mem_lock);
	if (emu->io_wake >= 0)
		close(emu->io_wake);
	free(emu);
}

void emu_put(struct emu *emu)
{
	if (atomic_fetch_sub(&emu->refs, 1) == 1)
		destroy(emu);
}

int emu_open(const char *options, struct emu **out, struct smartssd_error *err)
{
	static atomic_uint serials;
	struct options o = { .ddr_bytes = DDR_DEFAULT, .serial = atomic_fetch_add(&serials, 1) + 1 };
	struct card_config config = { .ddr_fd = -1, .irq = emu_irq };
	struct smartssd_why why = { "" };
	struct emu *emu;
	int ret;

	if (err)
		err->text[0] = 0;
	ret = parse_options(options, &o, err);
	if (ret)
		return ret;
	emu = calloc(1, sizeof(*emu));
	if (!emu)
		return -ENOMEM;
	init_locks(emu);
	atomic_init(&emu->refs, 1);
	emu->peer_reason = o.peer_reason;
	emu->fault = o.fault;
	emu->poll_fd = -1;
	emu->bos.limit = SMARTSSD_MAX_BOS;
	emu->files.limit = SMARTSSD_MAX_FILES;
	emu->poll_writer = -1;
	emu->event_fd = -1;
	emu->io_wake = eventfd(0, EFD_CLOEXEC);
	ret = emu->io_wake < 0 ? -errno : smartssd_ddr_create(o.ddr_bytes, EMU_BO_ALIGN, &emu->mem);
	if (!ret) {
		config.ddr_bytes = o.ddr_bytes;
		config.serial = o.serial;
		config.ctx = emu;
		ret = card_create(&config, &emu->card, &why);
	}
	if (ret) {
		if (err && !err->text[0])
			snprintf(err->text, sizeof(err->text), "emu: cannot make a card with %llu MiB of memory: %s",
				 (unsigned long long)(o.ddr_bytes >> 20), why.text[0] ? why.text : strerror(-ret));
		destroy(emu);
		return ret;
	}
	emu->bus = (struct smartssd_bus){ bus_read, bus_write, emu->card };
	emu->ddr = card_ddr(emu->card);
	emu->ddr_fd = card_ddr_fd(emu->card);
	emu->ddr_bytes = card_ddr_bytes(emu->card);
	*out = emu;
	return 0;
}

/* Let what runs come to its end; a run that does not is stopped. Lock held. */
static void drain(struct emu *emu)
{
	u64 limit = emu_now() + EMU_CLOSE_NS;
	u32 i;

	emu->closing = true;
	emu_cancel_queued(emu, -ECANCELED);
	emu_progress(emu);
	emu_nudge(emu);
	while (emu->inflight) {
		if (emu->busy && emu_now() >= limit) {
			for (i = 0; i < SMARTSSD_MAX_CUS; i++)
				if (emu->cus[i].state == SMARTSSD_CU_BUSY)
					emu_cu_reset(emu, i);
			emu_progress(emu);
		} else if (emu->busy && !emu->driving) {
			emu_drive(emu, limit);
		} else {
			pthread_cond_wait(&emu->cond, &emu->lock);
		}
	}
}

void emu_close(struct emu *emu)
{
	u32 i;

	if (!emu)
		return;
	pthread_mutex_lock(&emu->lock);
	emu->waiting++; /* the engine leaves the driving to us */
	drain(emu);
	pthread_mutex_unlock(&emu->lock);
	emu_worker_stop(emu, &emu->engine);
	emu_worker_stop(emu, &emu->copier);
	emu_io_stop(emu);

	pthread_mutex_lock(&emu->lock);
	atomic_store(&emu->closed, true);
	/* No worker process outlives the close, even when an export keeps the memory. */
	card_write(emu->card, EMU_PROG_CTRL, 0);
	emu_cu_drop_all(emu);
	if (emu->staging)
		emu_bo_put(emu->staging);
	for (i = 0; i < emu->nr_jobs; i++)
		emu_job_free(emu->jobs[i]);
	emu->nr_jobs = 0;
	if (emu->poll_fd >= 0)
		close(emu->poll_fd);
	if (emu->poll_writer >= 0)
		close(emu->poll_writer);
	if (emu->event_fd >= 0)
		close(emu->event_fd);
	pthread_mutex_unlock(&emu->lock);
	emu_forget_objects(emu);
	emu_exports_reap();
	emu_put(emu);
}

/* ---- ioctl ---- */

static int query(struct emu *emu, struct smartssd_query *q)
{
	u64 features = SMARTSSD_FEATURE_PEER | SMARTSSD_FEATURE_USER_PEER | SMARTSSD_FEATURE_DMABUF | SMARTSSD_FEATURE_MMAP |
		       SMARTSSD_FEATURE_CU_RESET | SMARTSSD_FEATURE_PROGRAM | SMARTSSD_FEATURE_EMULATED |
		       SMARTSSD_FEATURE_EMBEDDED;

	if (q->flags)
		return -EINVAL;
	emu_exports_reap();
	/* What a CU held that has ended late is free. */
	pthread_mutex_lock(&emu->lock);
	emu_progress(emu);
	pthread_mutex_unlock(&emu->lock);
	*q = (struct smartssd_query){
		.size = q->size,
		.features = features,
		.ddr_bytes = emu->ddr_bytes,
		.ddr_free = emu_mem_free(emu),
		.aperture_bytes = emu->ddr_bytes,
		.shell = SMARTSSD_SHELL_EMBEDDED,
		.peer_reason = emu->peer_reason,
		.bo_align = EMU_BO_ALIGN,
		.mem_align = EMU_MEM_ALIGN,
		.max_jobs = SMARTSSD_MAX_JOBS,
		.pci = 0xffffffffu,
		.dna = { card_read(emu->card, WIN_DNA_LO), card_read(emu->card, WIN_DNA_MD), card_read(emu->card, WIN_DNA_HI) },
	};
	pthread_mutex_lock(&emu->lock);
	if (emu->xclbin) {
		q->nr_cus = emu->xclbin->nr_cus;
		memcpy(q->uuid, emu->xclbin->uuid, sizeof(q->uuid));
	}
	pthread_mutex_unlock(&emu->lock);
	return 0;
}

static int counters(struct emu *emu, struct smartssd_counters *c)
{
	struct smartssd_counters now;

	if (c->scope != SMARTSSD_COUNT_FILE && c->scope != SMARTSSD_COUNT_CARD)
		return -EOPNOTSUPP;
	/* Each open is a card of its own, so both scopes are the same. */
	pthread_mutex_lock(&emu->lock);
	now = emu->count;
	pthread_mutex_unlock(&emu->lock);
	now.size = c->size;
	now.scope = c->scope;
	*c = now;
	return 0;
}

union args {
	u32 size;
	struct smartssd_query query;
	struct smartssd_cu_info cu_info;
	struct smartssd_arg_info arg_info;
	struct smartssd_xclbin xclbin;
	struct smartssd_bo bo;
	struct smartssd_id id;
	struct smartssd_bo_fd bo_fd;
	struct smartssd_file file;
	struct smartssd_submit submit;
	struct smartssd_wait wait;
	struct smartssd_eventfd eventfd;
	struct smartssd_counters counters;
};

#define NR(request) [_IOC_NR(request)]

/* The first published version of each struct is the present one, so one size says both. */
static const u32 sizes[] = {
	NR(SMARTSSD_IOC_QUERY) = sizeof(struct smartssd_query),
	NR(SMARTSSD_IOC_CU_INFO) = sizeof(struct smartssd_cu_info),
	NR(SMARTSSD_IOC_ARG_INFO) = sizeof(struct smartssd_arg_info),
	NR(SMARTSSD_IOC_XCLBIN_LOAD) = sizeof(struct smartssd_xclbin),
	NR(SMARTSSD_IOC_BO_CREATE) = sizeof(struct smartssd_bo),
	NR(SMARTSSD_IOC_BO_DESTROY) = sizeof(struct smartssd_id),
	NR(SMARTSSD_IOC_BO_EXPORT) = sizeof(struct smartssd_bo_fd),
	NR(SMARTSSD_IOC_BO_IMPORT) = sizeof(struct smartssd_bo_fd),
	NR(SMARTSSD_IOC_FILE_REGISTER) = sizeof(struct smartssd_file),
	NR(SMARTSSD_IOC_FILE_UNREGISTER) = sizeof(struct smartssd_id),
	NR(SMARTSSD_IOC_SUBMIT) = sizeof(struct smartssd_submit),
	NR(SMARTSSD_IOC_WAIT) = sizeof(struct smartssd_wait),
	NR(SMARTSSD_IOC_EVENTFD) = sizeof(struct smartssd_eventfd),
	NR(SMARTSSD_IOC_COUNTERS) = sizeof(struct smartssd_counters),
	NR(SMARTSSD_IOC_CU_RESET) = sizeof(struct smartssd_id),
};

#define NR_CALLS (sizeof(sizes) / sizeof(sizes[0]))

static int locked(struct emu *emu, u32 nr, union args *a)
{
	int ret;

	pthread_mutex_lock(&emu->lock);
	switch (nr) {
	case _IOC_NR(SMARTSSD_IOC_CU_INFO):
		/* The state shown is that of now, also when nobody has looked at the card meanwhile. */
		emu_progress(emu);
		ret = emu_cu_info(emu, &a->cu_info);
		break;
	case _IOC_NR(SMARTSSD_IOC_ARG_INFO):
		ret = emu_arg_info(emu, &a->arg_info);
		break;
	default:
		ret = emu_cu_reset(emu, a->id.id);
		emu_progress(emu);
		break;
	}
	pthread_mutex_unlock(&emu->lock);
	return ret;
}

static int serve(struct emu *emu, u32 nr, union args *a)
{
	switch (nr) {
	case _IOC_NR(SMARTSSD_IOC_QUERY):
		return query(emu, &a->query);
	case _IOC_NR(SMARTSSD_IOC_XCLBIN_LOAD):
		return emu_xclbin_load(emu, &a->xclbin);
	case _IOC_NR(SMARTSSD_IOC_BO_CREATE):
		return emu_bo_create(emu, &a->bo);
	case _IOC_NR(SMARTSSD_IOC_BO_DESTROY):
		return emu_bo_destroy(emu, &a->id);
	case _IOC_NR(SMARTSSD_IOC_BO_EXPORT):
		return emu_bo_export(emu, &a->bo_fd);
	case _IOC_NR(SMARTSSD_IOC_BO_IMPORT):
		return emu_bo_import(emu, &a->bo_fd);
	case _IOC_NR(SMARTSSD_IOC_FILE_REGISTER):
		return emu_file_register(emu, &a->file);
	case _IOC_NR(SMARTSSD_IOC_FILE_UNREGISTER):
		return emu_file_unregister(emu, &a->id);
	case _IOC_NR(SMARTSSD_IOC_SUBMIT):
		return emu_submit(emu, &a->submit);
	case _IOC_NR(SMARTSSD_IOC_WAIT):
		return emu_wait(emu, &a->wait);
	case _IOC_NR(SMARTSSD_IOC_EVENTFD):
		return emu_eventfd(emu, &a->eventfd);
	case _IOC_NR(SMARTSSD_IOC_COUNTERS):
		return counters(emu, &a->counters);
	default:
		return locked(emu, nr, a);
	}
}

/* The card may leave while nothing runs on it that would notice. */
static bool is_gone(struct emu *emu)
{
	bool gone;

	pthread_mutex_lock(&emu->lock);
	if (!emu->gone && card_is_gone(emu->card)) {
		emu_set_gone(emu);
		emu_progress(emu);
	}
	gone = emu->gone;
	pthread_mutex_unlock(&emu->lock);
	return gone;
}

int emu_ioctl(struct emu *emu, unsigned long request, void *arg)
{
	u32 nr = _IOC_NR(request), size, known;
	union args a;
	int ret;

	if (_IOC_TYPE(request) != SMARTSSD_IOC_MAGIC || nr >= NR_CALLS)
		return -ENOTTY;
	if (!arg)
		return -EFAULT;
	known = sizes[nr];
	size = *(const u32 *)arg;
	if (size < known)
		return -EINVAL;
	/* A tail longer than a page is no later version of a struct but garbage. */
	if (size > 4096 || !core_is_zero((const u8 *)arg + known, size - known))
		return -E2BIG;
	/* WAIT takes the results of what the card's leaving ended. */
	if (is_gone(emu) && nr != _IOC_NR(SMARTSSD_IOC_WAIT))
		return -ENODEV;

	memcpy(&a, arg, known);
	ret = serve(emu, nr, &a);
	/* What is refused changes nothing at the caller's, but for SUBMIT, which says because of which command. */
	if (!ret)
		memcpy(arg, &a, known);
	else if (nr == _IOC_NR(SMARTSSD_IOC_SUBMIT))
		((struct smartssd_submit *)arg)->bad_cmd = a.submit.bad_cmd;
	return ret;
}
