/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that a fast version works in: kept from one run to the next, one set for each thread, freed when the thread ends. */
#ifndef KERNELS_SCRATCH_H
#define KERNELS_SCRATCH_H

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#define SCRATCH_PARTS 2

struct scratch {
	void *memory[SCRATCH_PARTS];
	size_t size[SCRATCH_PARTS];
};

static pthread_key_t scratch_key;
static int scratch_key_made;

static void scratch_free(void *mine)
{
	struct scratch *s = mine;

	for (int i = 0; i < SCRATCH_PARTS; i++) {
		free(s->memory[i]);
		s->memory[i] = NULL;
		s->size[i] = 0;
	}
}

static void scratch_make_key(void)
{
	scratch_key_made = !pthread_key_create(&scratch_key, scratch_free);
}

/* At least @bytes, 64-byte aligned, valid until the next call for the same @part; NULL when there is none. Contents are undefined. */
static inline void *scratch_get(int part, size_t bytes)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static _Thread_local struct scratch mine;

	if (bytes > mine.size[part]) {
		pthread_once(&once, scratch_make_key);
		if (!scratch_key_made || pthread_setspecific(scratch_key, &mine))
			return NULL;
		free(mine.memory[part]);
		mine.size[part] = (bytes + 65535) & ~(size_t)65535;
		mine.memory[part] = aligned_alloc(64, mine.size[part]);
		if (!mine.memory[part])
			mine.size[part] = 0;
	}
	return mine.memory[part];
}

#endif
