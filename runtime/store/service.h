/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lookups from many threads, batched: a batch is closed when it is full, or @delay_us after its oldest request came. Two batches are under way at a time, as the engine can do. The
 * queue is bounded: service_lookup() blocks when it is full, service_try() returns -EAGAIN.
 */
#ifndef SMARTSSD_STORE_SERVICE_H
#define SMARTSSD_STORE_SERVICE_H

#include "engine.h"

struct service;

struct service_options {
	uint32_t delay_us;   /* longest wait for others; 0: what waits is taken at once */
	uint32_t batch_bags; /* bags that make a batch full; a request that is larger is a batch of its own */
	uint32_t queue_bags; /* bags that may wait; then callers do. A request that is larger waits until the queue is empty */
};

/* @e stays the caller's, and outlives the service. -EINVAL: batch_bags or queue_bags is 0. */
int service_create(struct engine *e, const struct service_options *options, struct service **out, struct smartssd_error *err);
/* Answers everything that was taken, turns away who waits for room in the queue, then ends. Nobody calls it any more. */
void service_destroy(struct service *s);
/* One query: @nr requests. Returns when all are answered, as engine_run() does. -ESHUTDOWN: the service ends. */
int service_lookup(struct service *s, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err);
/* The same without blocking at a full queue: -EAGAIN. */
int service_try(struct service *s, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err);

struct service_counts {
	uint64_t requests, refused;  /* refused: -EAGAIN */
	uint64_t batches, full, late; /* why a batch was closed: full, or its time was up */
	uint64_t most_waiting;	      /* bags */
};

void service_counts(struct service *s, struct service_counts *out);

#endif
