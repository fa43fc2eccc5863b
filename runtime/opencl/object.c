// SPDX-License-Identifier: BSD-2-Clause
/*
 * Handles. The loader follows a handle's first word before we see it, and programs pass handles that were released: so objects lie in slabs of
 * one kind that are never given back, and their dispatch pointer stays. What a handle is can be found out without touching it: is it a
 * slot of a known slab? Then its counts say whether it lives. Slots are used again first in first out, so that a stale handle stays wrong for long.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include "cl_impl.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#define ROOT(at, bytes)	    __lsan_register_root_region(at, bytes)
#define POISON(at, bytes)   __asan_poison_memory_region(at, bytes)
#define UNPOISON(at, bytes) __asan_unpoison_memory_region(at, bytes)
#else
#define ROOT(at, bytes)	    ((void)0)
#define POISON(at, bytes)   ((void)0)
#define UNPOISON(at, bytes) ((void)0)
#endif

#define SLAB_BYTES (64u << 10)
#define SLAB_FIRST 64u	    /* offset of the first slot */
#define MAX_SLABS  (1u << 16) /* entries of the table; three quarters are used */

struct slab {
	enum kind kind;
	uint32_t slot_bytes, nr;
};

static const struct {
	uint32_t bytes;
	void (*destroy)(void *object);
} kinds[KIND_NR] = {
	[KIND_PLATFORM] = { sizeof(struct _cl_platform_id), NULL },
	[KIND_DEVICE] = { sizeof(struct _cl_device_id), NULL },
	[KIND_CONTEXT] = { sizeof(struct _cl_context), context_destroy },
	[KIND_QUEUE] = { sizeof(struct _cl_command_queue), queue_destroy },
	[KIND_MEM] = { sizeof(struct _cl_mem), mem_destroy },
	[KIND_PROGRAM] = { sizeof(struct _cl_program), program_destroy },
	[KIND_KERNEL] = { sizeof(struct _cl_kernel), kernel_destroy },
	[KIND_EVENT] = { sizeof(struct _cl_event), event_destroy },
};

/* Free slots of one kind. */
struct pool {
	pthread_mutex_t lock;
	struct cl_object *first, *last;
};

#define POOL { PTHREAD_MUTEX_INITIALIZER, NULL, NULL }
static struct pool pools[KIND_NR] = { POOL, POOL, POOL, POOL, POOL, POOL, POOL, POOL };
/* Open addressing by slab address; only ever added to. */
static _Atomic(struct slab *) slabs[MAX_SLABS];
static atomic_uint nr_slabs;
static atomic_ullong last_serial;

static uint32_t slab_hash(const struct slab *slab)
{
	return (uint32_t)(((uintptr_t)slab / SLAB_BYTES * 0x9e3779b97f4a7c15ull) >> 48) % MAX_SLABS;
}

static bool slab_known(const struct slab *slab)
{
	const struct slab *at;

	for (uint32_t i = slab_hash(slab); (at = atomic_load_explicit(&slabs[i], memory_order_acquire)); i = (i + 1) % MAX_SLABS)
		if (at == slab)
			return true;
	return false;
}

/* All its slots go to @pool; its lock is held. */
static bool slab_add(struct pool *pool, enum kind kind)
{
	char *area, *start;
	struct slab *slab, *none;
	uint32_t i;

	if (atomic_fetch_add(&nr_slabs, 1) >= MAX_SLABS / 4 * 3) {
		atomic_fetch_sub(&nr_slabs, 1);
		return false;
	}
	area = mmap(NULL, 2 * SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED) {
		atomic_fetch_sub(&nr_slabs, 1);
		return false;
	}
	start = (char *)(((uintptr_t)area + SLAB_BYTES - 1) & ~(uintptr_t)(SLAB_BYTES - 1));
	if (start != area)
		munmap(area, start - area);
	if (start != area + SLAB_BYTES)
		munmap(start + SLAB_BYTES, area + SLAB_BYTES - start);

	ROOT(start, SLAB_BYTES); /* what objects point to is no leak */
	slab = (struct slab *)start;
	slab->kind = kind;
	slab->slot_bytes = (kinds[kind].bytes + 63) & ~63u;
	slab->nr = (SLAB_BYTES - SLAB_FIRST) / slab->slot_bytes;
	for (i = 0; i < slab->nr; i++) {
		struct cl_object *object = (struct cl_object *)(start + SLAB_FIRST + i * slab->slot_bytes);

		object->dispatch = &dispatch_table;
		object->kind = kind;
		if (pool->last)
			pool->last->next_free = object;
		else
			pool->first = object;
		pool->last = object;
		POISON(object + 1, slab->slot_bytes - sizeof(*object));
	}
	for (i = slab_hash(slab);; i = (i + 1) % MAX_SLABS) {
		none = NULL;
		if (atomic_compare_exchange_strong(&slabs[i], &none, slab))
			return true;
	}
}

void *object_new(enum kind kind)
{
	struct pool *pool = &pools[kind];
	struct cl_object *object;

	pthread_mutex_lock(&pool->lock);
	if (!pool->first && !slab_add(pool, kind)) {
		pthread_mutex_unlock(&pool->lock);
		return NULL;
	}
	object = pool->first;
	pool->first = object->next_free;
	if (!pool->first)
		pool->last = NULL;
	object->next_free = NULL;
	pthread_mutex_unlock(&pool->lock);

	UNPOISON(object + 1, kinds[kind].bytes - sizeof(*object));
	object->serial = atomic_fetch_add(&last_serial, 1) + 1;
	atomic_store(&object->users, 0);
	atomic_store(&object->refs, 1);
	return object;
}

void object_publish(void *object)
{
	atomic_store(&((struct cl_object *)object)->users, 1);
}

void object_lend(void *handle)
{
	struct cl_object *object = handle;

	if (!atomic_fetch_add(&object->users, 1))
		object_get(object);
}

static bool add_unless_zero(atomic_uint *count)
{
	unsigned int n = atomic_load(count);

	while (n)
		if (atomic_compare_exchange_weak(count, &n, n + 1))
			return true;
	return false;
}

static bool is_slot(enum kind kind, const void *handle)
{
	const struct slab *slab = (const struct slab *)((uintptr_t)handle & ~(uintptr_t)(SLAB_BYTES - 1));
	uintptr_t at = (uintptr_t)handle % SLAB_BYTES;

	if (!handle || !slab_known(slab) || slab->kind != kind || at < SLAB_FIRST)
		return false;
	at -= SLAB_FIRST;
	return at % slab->slot_bytes == 0 && at / slab->slot_bytes < slab->nr;
}

void *object_hold(enum kind kind, const void *handle)
{
	struct cl_object *object = (struct cl_object *)handle;

	if (!is_slot(kind, handle) || !add_unless_zero(&object->refs))
		return NULL;
	if (atomic_load(&object->users))
		return object;
	object_put(object);
	return NULL;
}

void object_get(void *object)
{
	atomic_fetch_add(&((struct cl_object *)object)->refs, 1);
}

void object_put(void *handle)
{
	struct cl_object *object = handle;
	struct pool *pool = &pools[object->kind];

	if (atomic_fetch_sub(&object->refs, 1) != 1)
		return;
	if (kinds[object->kind].destroy)
		kinds[object->kind].destroy(object);
	memset(object + 1, 0, kinds[object->kind].bytes - sizeof(*object));
	POISON(object + 1, kinds[object->kind].bytes - sizeof(*object));
	pthread_mutex_lock(&pool->lock);
	object->next_free = NULL;
	if (pool->last)
		pool->last->next_free = object;
	else
		pool->first = object;
	pool->last = object;
	pthread_mutex_unlock(&pool->lock);
}

cl_int object_retain(enum kind kind, const void *handle, cl_int invalid)
{
	struct cl_object *object = object_hold(kind, handle);
	bool live;

	if (!object)
		return invalid;
	live = add_unless_zero(&object->users);
	object_put(object);
	return live ? CL_SUCCESS : invalid;
}

cl_int object_release(enum kind kind, const void *handle, cl_int invalid)
{
	struct cl_object *object = object_hold(kind, handle);
	unsigned int n;

	if (!object)
		return invalid;
	n = atomic_load(&object->users);
	while (n && !atomic_compare_exchange_weak(&object->users, &n, n - 1))
		;
	if (n == 1)
		object_put(object);
	object_put(object);
	return n ? CL_SUCCESS : invalid;
}

cl_uint object_users(void *object)
{
	return atomic_load(&((struct cl_object *)object)->users);
}

cl_int info_bytes(const struct info *info, const void *value, size_t bytes)
{
	if (info->out && info->room < bytes)
		return CL_INVALID_VALUE;
	if (info->out && bytes)
		memcpy(info->out, value, bytes);
	if (info->used)
		*info->used = bytes;
	return CL_SUCCESS;
}

cl_int info_text(const struct info *info, const char *text)
{
	return info_bytes(info, text, strlen(text) + 1);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}
