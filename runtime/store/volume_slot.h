/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a raw namespace says of itself: block 0, and the two slots behind it (volume.h). All numbers little-endian, all of it untrusted.
 *
 *   byte 0                  struct volume_head, zeros up to VOLUME_ALIGN
 *   VOLUME_ALIGN            slot 0: struct slot_head, JSON behind it
 *   ... + VOLUME_SLOT       slot 1
 *   VOLUME_DATA             objects
 */
#ifndef SMARTSSD_STORE_VOLUME_SLOT_H
#define SMARTSSD_STORE_VOLUME_SLOT_H

#include "volume_impl.h"

#define VOLUME_DATA (VOLUME_ALIGN + 2ull * VOLUME_SLOT)

struct volume_head {
	char magic[8]; /* "SSDSTORE" */
	uint32_t version;
	uint32_t crc; /* CRC-32C of all VOLUME_ALIGN bytes with this 0 */
	uint8_t uuid[16];
	uint64_t slot_bytes; /* VOLUME_SLOT */
};

struct slot_head {
	char magic[8]; /* "SSDSLOT\0" */
	uint8_t uuid[16];
	uint64_t sequence;
	uint64_t bytes; /* of the JSON */
	uint32_t crc;	/* CRC-32C of this struct with crc 0, then of the JSON */
	uint32_t zero;
};

struct slot_object {
	char name[VOLUME_NAME];
	uint64_t offset, bytes;
};

/* Checked: names good and different, places aligned, behind VOLUME_DATA, within the namespace, in ascending order, none into the next. */
struct slot_state {
	uint32_t slot; /* where it was read */
	bool twice;    /* the other slot has the same */
	uint64_t sequence, generation;
	char *text;
	struct slot_object *objects;
	uint32_t nr, room;
};

/* 1: a volume; 0: no magic; -EBADMSG, ... */
int volume_head_read(struct volume *v, struct smartssd_error *err);
/* Makes the namespace an empty volume: durable, and no volume before it is a whole one. */
int volume_head_write(struct volume *v, struct smartssd_error *err);

int slot_load(struct volume *v, struct slot_state *s, struct smartssd_error *err);
/* Durable when it returns 0; else what was there still is. */
int slot_commit(struct volume *v, struct slot_state *s, struct smartssd_error *err);
void slot_free(struct slot_state *s);

#endif
