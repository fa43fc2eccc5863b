// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fault knobs: armed by a write to EMU_FAULT, each fires once. They are the card's, not the xclbin's: one that is armed
 * before programming waits for the CU's first runs.
 */
#include "internal.h"

static void fault_at_once(struct card *card, u32 kind, u32 cu)
{
	if (kind == EMU_FAULT_GONE)
		card_leave(card);
	else if (cu < card->nr_cus && card->cu[cu].irq != ~0u)
		card->raise |= 1ull << cu;
	else
		card->raise_shell = true;
}

void fault_arm(struct card *card, u32 value)
{
	u32 kind = value & 0xff, cu = value >> 8 & 0xff, nth = value >> 16;
	int i;

	if (kind == EMU_FAULT_NONE) {
		memset(card->fault, 0, sizeof(card->fault));
		return;
	}
	if (kind > EMU_FAULT_SPURIOUS || cu >= SMARTSSD_MAX_CUS)
		return;
	if (kind == EMU_FAULT_SPURIOUS || (kind == EMU_FAULT_GONE && !nth)) {
		fault_at_once(card, kind, cu);
		return;
	}
	for (i = 0; i < CARD_MAX_FAULTS; i++) {
		if (card->fault[i].kind == EMU_FAULT_NONE) {
			card->fault[i] = (struct card_fault){ .kind = kind, .cu = cu, .left = nth ? nth : 1 };
			return;
		}
	}
}

u32 fault_fire(struct card *card, u32 cu)
{
	u32 fire = 0;
	int i;

	for (i = 0; i < CARD_MAX_FAULTS; i++) {
		struct card_fault *f = &card->fault[i];

		if (f->kind != EMU_FAULT_NONE && f->cu == cu && !--f->left) {
			fire |= 1u << f->kind;
			f->kind = EMU_FAULT_NONE;
		}
	}
	return fire;
}

int card_parse_fault(const char *spec, u32 *value)
{
	static const char *const names[] = { NULL, "hang", "crash", "no-irq", "wrong", "gone", "spurious" };
	u64 cu = 0, nth = 1;
	u32 kind;
	size_t n = strcspn(spec, ":");
	const char *p = spec + n;

	for (kind = 1; kind <= EMU_FAULT_SPURIOUS; kind++)
		if (strlen(names[kind]) == n && !memcmp(names[kind], spec, n))
			break;
	if (kind > EMU_FAULT_SPURIOUS)
		return -EINVAL;
	if (*p == ':') {
		p++;
		if (!card_take_number(&p, SMARTSSD_MAX_CUS - 1, ":", &cu))
			return -EINVAL;
	}
	if (*p == ':') {
		p++;
		if (!card_take_number(&p, 0xffff, "", &nth))
			return -EINVAL;
	}
	*value = kind | (u32)cu << 8 | (u32)nth << 16;
	return 0;
}
