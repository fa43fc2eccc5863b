// SPDX-License-Identifier: BSD-2-Clause
/* Numbers in options. */
#include "card.h"

bool card_take_number(const char **p, u64 max, const char *ends, u64 *out)
{
	const char *at = *p;
	u64 v = 0;

	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++)
		if (check_mul_overflow(v, (u64)10, &v) || check_add_overflow(v, (u64)(*at - '0'), &v) || v > max)
			return false;
	if (*at && !strchr(ends, *at))
		return false;
	*p = at;
	*out = v;
	return true;
}

bool card_parse_bytes(const char *text, u64 max, u64 *out)
{
	static const char units[] = "KMG";
	u64 v;

	if (!card_take_number(&text, max, units, &v))
		return false;
	if (*text && (text[1] || check_mul_overflow(v, 1ull << 10 * (strchr(units, *text) - units + 1), &v) || v > max))
		return false;
	*out = v;
	return true;
}
