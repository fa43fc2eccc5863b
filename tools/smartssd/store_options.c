// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store_options.h"

/* A choice of STORE_POLICIES by its number. */
static enum cache_policy store_policy(unsigned choice)
{
	static const enum cache_policy policies[] = { CACHE_LFU, CACHE_LRU, CACHE_FIFO, CACHE_CLOCK, CACHE_SIEVE, CACHE_S3FIFO };

	return policies[choice];
}

/* As much as is the default, but leaves each card three quarters of its memory. */
static uint64_t default_row_cache(const struct store_cards *c)
{
	uint64_t bytes = (uint64_t)STORE_CACHE_MIB << 20;

	for (uint32_t v = 0; v < c->volumes; v++) {
		struct smartssd_query q;
		uint32_t shared = 0;

		for (uint32_t i = 0; i < c->volumes; i++)
			shared += c->device[i] == c->device[v];
		if (!smartssd_query(c->device[v], &q) && q.ddr_free / 4 / shared < bytes)
			bytes = q.ddr_free / 4 / shared;
	}
	return bytes;
}

/* Data that goes through host memory is an error where a peer path is required, and said where one was hoped for. */
static int say_paths(const char *verb, const struct store_options *o, const struct store_lookups *l)
{
	for (uint32_t v = 0; v < l->cards.volumes; v++) {
		uint32_t reason = l->cards.peer_reason[v];
		const char *remedy = smartssd_peer_reason_remedy(reason);
		bool required = p2p_flags(o->p2p) & SMARTSSD_CMD_PEER_REQUIRE;

		if (reason == SMARTSSD_PEER_OK || p2p_flags(o->p2p) & SMARTSSD_CMD_PEER_OFF)
			continue;
		complain(verb, "%svolume %u, %s, on %s: no peer path%s: %s%s%s", required ? "--p2p require: " : "", v, volume_path(store_volume(l->store, v)),
			 smartssd_uri(l->cards.device[v]), required ? "" : ", its data goes through host memory", smartssd_peer_reason_text(reason), *remedy ? "; " : "", remedy);
		if (required)
			return 1;
	}
	return 0;
}

static int check_usage(const char *verb, const struct store_options *o)
{
	if (o->statistics && !o->pin_card && !o->pin_host) {
		complain(verb, "--statistics: says which rows to pin; --pin-card MIB or --pin-host MIB says how much memory they may take");
		return 2;
	}
	if (!o->statistics && (o->pin_card || o->pin_host)) {
		complain(verb, "--pin-%s: --statistics TRACE says which rows", o->pin_card ? "card" : "host");
		return 2;
	}
	return 0;
}

int store_lookups_open(const char *verb, const struct store_options *o, struct store_lookups *out)
{
	struct engine_options *e = &out->options;
	struct smartssd_error err = { "" };
	int ret;

	*out = (struct store_lookups){
		.options = {
			.row_cache = o->row_cache << 20,
			.policy = store_policy(o->policy),
			.pinned = o->pin_card << 20,
			.pinned_host = o->pin_host << 20,
			.pooled_cache = o->pooled_cache << 20,
			.staging = o->staging << 20,
			.io_flags = p2p_flags(o->p2p),
		},
	};
	ret = check_usage(verb, o) ?: table_store(verb, o->spec, VOLUME_READ, &out->store) ?: store_cards_open(verb, out->store, o->devices, &out->cards) ?: say_paths(verb, o, out);
	if (ret)
		return ret;
	e->devices = out->cards.device;
	if (!o->row_cache_given)
		e->row_cache = default_row_cache(&out->cards);
	ret = engine_create(out->store, e, &out->engine, &err);
	if (ret)
		complain(verb, "%s", *err.text ? err.text : strerror(-ret));
	return ret ? 1 : 0;
}

void store_lookups_close(struct store_lookups *l)
{
	engine_destroy(l->engine);
	store_cards_close(&l->cards);
	if (l->store)
		store_close(l->store);
	*l = (struct store_lookups){ 0 };
}

void store_lookups_lost(const char *verb, const struct store_lookups *l)
{
	uint64_t lost = engine_lost(l->engine);

	for (uint32_t v = 0; v < l->cards.volumes; v++)
		if (lost >> v & 1)
			complain(verb, "card %s was lost: the host read and pooled the rows of volume %u, %s, since: slower, the results are right", smartssd_uri(l->cards.device[v]), v,
				 volume_path(store_volume(l->store, v)));
}
