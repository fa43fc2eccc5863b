// SPDX-License-Identifier: BSD-2-Clause
/* Metadata "smartssd.input" as text; a program may have set a locale whose numbers have commas, so the "C" one is used here. */
#include <locale.h>
#include <math.h>
#include <stdio.h>

#include "quantize_impl.h"

static bool good(float scale, const float *mean, const float *std, uint32_t nr)
{
	bool ok = nr >= 1 && nr <= 4 && isfinite(scale) && scale > 0;

	for (uint32_t i = 0; ok && i < nr; i++)
		ok = isfinite(mean[i]) && isfinite(std[i]) && std[i] > 0;
	return ok;
}

int nn_input_meta_print(char *text, size_t room, float scale, const float *mean, const float *std, uint32_t nr)
{
	locale_t c, before;
	int n;

	if (!good(scale, mean, std, nr))
		return -EINVAL;
	c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
	if (!c)
		return -ENOMEM;
	before = uselocale(c);
	n = snprintf(text, room, "scale=%.9g mean=", (double)scale);
	for (uint32_t i = 0; i < 2 * nr && n >= 0 && (size_t)n < room; i++)
		n += snprintf(text + n, room - (size_t)n, "%s%.9g", i == nr ? " std=" : i ? "," : "", (double)(i < nr ? mean[i] : std[i - nr]));
	uselocale(before);
	freelocale(c);
	return n < 0 || (size_t)n >= room ? -ENOSPC : 0;
}

/* Numbers separated by commas behind @key; how many, 0 when something is wrong. */
static uint32_t numbers(const char **text, const char *key, float *out, uint32_t room, locale_t c)
{
	const char *p = *text;
	uint32_t nr = 0;
	char *end;

	if (strncmp(p, key, strlen(key)))
		return 0;
	p += strlen(key);
	do {
		/* strtof() would skip blanks. */
		if (nr == room || !*p || !strchr("+-.0123456789", *p))
			return 0;
		out[nr++] = strtof_l(p, &end, c);
		if (end == p)
			return 0;
		p = end + (*end == ',');
	} while (*end == ',');
	*text = p;
	return nr;
}

int nn_input_meta_parse(const char *text, float *scale, float mean[4], float std[4], uint32_t *nr_mean)
{
	locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
	uint32_t nr = 0;
	bool ok;

	if (!c)
		return -ENOMEM;
	ok = numbers(&text, "scale=", scale, 1, c) == 1;
	ok = ok && (nr = numbers(&text, " mean=", mean, 4, c)) != 0;
	ok = ok && numbers(&text, " std=", std, 4, c) == nr && !*text;
	freelocale(c);
	if (!ok || !good(*scale, mean, std, nr))
		return -EBADMSG;
	*nr_mean = nr;
	return 0;
}
