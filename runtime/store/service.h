/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lookups from many threads, batched: a batch is closed when it is full, or @delay_us after its oldest request came. Two batches are under way at a time, as the engine can do. The
 * queue is bounded: a request is taken when it and the bags that wait are queue_bags at most, or when no bag waits, however large it is. Otherwise service_lookup() blocks until one of
 * that is so, and service_try() returns -EAGAIN. Who blocks has no place in the queue: smaller requests may be taken before a large one.
 */
#ifndef SMARTSSD_STORE_SERVICE_H
#define SMARTSSD_STORE_SERVICE_H

#include "engine.h"

struct service;

struct service_options {
	uint32_t delay_us;   /* longest wait for others; 0: what waits is taken at once */
	uint32_t batch_bags; /* bags that make a batch full; a request that is larger is a batch of its own */
	uint32_t queue_bags; /* bags that may wait; then callers do. A request that is larger is taken when none waits */
};

/* @e stays the caller's, and outlives the service. -EINVAL: batch_bags or queue_bags is 0. */
int service_create(struct engine *e, const struct service_options *options, struct service **out, struct smartssd_error *err);
/* Answers everything that was taken, turns away who waits for room in the queue, then ends. Nobody calls it any more. */
void service_destroy(struct service *s);
/* One query: @nr requests. Returns when all are answered, as engine_run() does. -ESHUTDOWN: the service ends. */
int service_lookup(struct service *s, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err);
/* The same, but -EAGAIN where that would block; then nothing was looked up. */
int service_try(struct service *s, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err);

struct service_counts {
	uint64_t requests, refused;  /* refused: -EAGAIN */
	uint64_t batches, full, late; /* why a batch was closed: full, or its time was up */
	uint64_t most_waiting;	      /* bags; more than queue_bags after a request that was larger */
};

void service_counts(struct service *s, struct service_counts *out);

#endif
