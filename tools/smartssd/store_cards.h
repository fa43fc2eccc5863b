/* SPDX-License-Identifier: BSD-2-Clause */
/* The cards of a store's volumes, for the verbs that look up. */
#ifndef SMARTSSD_STORE_CARDS_H
#define SMARTSSD_STORE_CARDS_H

#include "../../runtime/store/store.h"
#include "json.h"

struct store_cards {
	struct smartssd_device *device[STORE_MAX_VOLUMES]; /* of each volume; one may be there twice */
	struct smartssd_device *opened[STORE_MAX_VOLUMES];
	uint32_t peer_reason[STORE_MAX_VOLUMES]; /* of each volume: SMARTSSD_PEER_OK, or why its data goes through host memory */
	uint32_t volumes, nr_opened;
	bool emulated; /* at least one is: seconds are the host's */
};

/*
 * @devices: URIs separated by commas, one for each volume, or one for all (then it is one card); NULL: $SMARTSSD_DEVICE when it is set,
 * else for each volume the card in whose drive it is (/dev/smartssdN), or an embedded card of its own. A namespace, a folder or file on a
 * filesystem on one, is in a card's drive; what is on a device-mapper or md device is not. The kernels are loaded where they are not; an
 * xclbin of somebody else's on a real card stays, and is an error that says what to do. 0, or the exit status, complained.
 */
int store_cards_open(const char *verb, struct store *s, const char *devices, struct store_cards *out);
void store_cards_close(struct store_cards *c);

/* For reports, a line or an element of an array for each volume: where it is, its card, how its data gets there. @lost: engine_lost(). */
void store_cards_text(struct store *s, const struct store_cards *c, uint64_t lost, FILE *to);
void store_cards_json(struct store *s, const struct store_cards *c, uint64_t lost, struct json *j); /* member "volumes" */

#endif
