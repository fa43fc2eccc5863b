// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn_case.h"
#include "random.h"

static uint8_t *random_buffer(uint64_t bytes)
{
	uint8_t *p = malloc(bytes); /* of 0 bytes: an address that nobody may use */
	uint32_t extreme = random_below(6);

	for (uint64_t i = 0; i < bytes; i++)
		p[i] = extreme == 0 ? (random_below(2) ? 255 : 0) : extreme == 1 ? (random_below(2) ? 127 : 128) : (uint8_t)random_u64();
	return p;
}

void nn_call_buffers(struct nn_call *c)
{
	uint32_t y = c->kernel->buffers - 1;

	for (uint32_t i = 0; i <= y; i++)
		c->p[i] = i == y && c->y_is >= 0 ? c->p[c->y_is] : random_buffer(c->bytes[i]);
	c->status = malloc(c->status_bytes);
	memset(c->status, 0, c->status_bytes);
}

void nn_call_free(struct nn_call *c)
{
	for (uint32_t i = 0; i < c->kernel->buffers; i++)
		if (i + 1 < c->kernel->buffers || c->y_is < 0)
			free(c->p[i]);
	free(c->status);
}

static const char *describe(const struct nn_call *c)
{
	static char text[600];
	int at = snprintf(text, sizeof(text), "SEED=%llu %s(", (unsigned long long)random_seed(), c->kernel->name);

	for (uint32_t i = 0; i < c->kernel->scalars; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%s%#x", i ? "," : "", c->s[i]);
	snprintf(text + at, sizeof(text) - (size_t)at, ")");
	return text;
}

void nn_call_check(struct nn_call *c, uint32_t code, uint32_t detail, const char *what)
{
	static const struct {
		const char *name, *simd;
		int fast;
	} versions[] = { { "HLS", "avx2", 0 }, { "portable", "portable", 1 }, { "avx2", "avx2", 1 }, { "avx512", "avx512", 1 } };
	uint32_t y = c->kernel->buffers - 1;
	uint8_t *before = malloc(c->bytes[y]), *want = malloc(c->bytes[y]);

	memcpy(before, c->p[y], c->bytes[y]);
	memcpy(want, before, c->bytes[y]);
	if (code == KERNEL_OK)
		c->kernel->reference(c, want);
	for (size_t v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
		uint64_t at = 0;

		memcpy(c->p[y], before, c->bytes[y]);
		memset(c->status, 0xee, c->status_bytes);
		setenv("SMARTSSD_SIMD", versions[v].simd, 1);
		c->kernel->run(c, versions[v].fast);
		EXPECT(c->status[0] == code && c->status[1] == detail && !c->status[2] && !c->status[3],
		       "%s, %s: status %u %u %u %u, wanted %u %u; %s", what, versions[v].name, c->status[0], c->status[1], c->status[2],
		       c->status[3], code, detail, describe(c));
		while (at < c->bytes[y] && c->p[y][at] == want[at])
			at++;
		EXPECT(at == c->bytes[y], "%s, %s: y[%llu] is %u, wanted %u (before: %u); %s", what, versions[v].name, (unsigned long long)at,
		       c->p[y][at], want[at], before[at], describe(c));
	}
	memcpy(c->p[y], before, c->bytes[y]);
	free(before);
	free(want);
}

void nn_call_expect(struct nn_call *c, uint32_t code, uint32_t detail, const char *what)
{
	nn_call_buffers(c);
	nn_call_check(c, code, detail, what);
	nn_call_free(c);
}

void nn_call_wrong(const struct nn_kernel *k, const struct nn_wrong *w)
{
	struct nn_call c;

	k->good(&c);
	c.s[w->scalar] = w->value;
	nn_call_expect(&c, KERNEL_BAD_SHAPE, w->check, w->what);
}

void nn_call_short(const struct nn_kernel *k)
{
	struct nn_call c;

	k->good(&c);
	nn_call_expect(&c, KERNEL_OK, 0, "the good call");
	for (uint32_t i = 0; i < k->buffers; i++) {
		k->good(&c);
		c.bytes[i]--;
		nn_call_expect(&c, KERNEL_BAD_RANGE, i, "a byte too short");
		c.bytes[i] = 0;
		nn_call_expect(&c, KERNEL_BAD_RANGE, i, "empty");
	}
}

void nn_call_no_status(const struct nn_kernel *k)
{
	for (int fast = 0; fast < 2; fast++) {
		struct nn_call c;
		uint32_t y = k->buffers - 1;
		uint8_t *before;

		k->good(&c);
		c.status_bytes = 15;
		nn_call_buffers(&c);
		before = malloc(c.bytes[y]);
		memcpy(before, c.p[y], c.bytes[y]);
		k->run(&c, fast);
		for (int i = 0; i < 15; i++)
			ck_assert_int_eq(((uint8_t *)c.status)[i], 0);
		ck_assert_int_eq(memcmp(before, c.p[y], c.bytes[y]), 0);
		free(before);
		nn_call_free(&c);
	}
}

void nn_call_hostile(const struct nn_kernel *k, int rounds)
{
	uint32_t seen[5] = { 0 };

	for (int i = 0; i < rounds; i++) {
		uint32_t changes = random_below(20) ? random_below(4) : k->scalars;
		struct nn_call c;
		uint32_t code, detail;

		k->good(&c);
		for (uint32_t n = 0; n < changes; n++)
			c.s[changes == k->scalars ? n : random_below(k->scalars)] = random_hostile();
		if (random_below(2)) /* room for shapes that the changes made larger */
			for (uint32_t n = 0; n < k->buffers; n++)
				c.bytes[n] += random_below(20000);
		code = k->check(&c, &detail);
		EXPECT(code >= KERNEL_OK && code <= KERNEL_BAD_RANGE, "status %u", code);
		if (code == KERNEL_OK && k->work(&c) > 1e6)
			continue;
		nn_call_expect(&c, code, detail, "hostile call");
		seen[code]++;
	}
	/* The generator must reach all of it. */
	EXPECT(seen[KERNEL_OK] > 20 && seen[KERNEL_BAD_SHAPE] > 20 && seen[KERNEL_BAD_RANGE] > 20, "ok %u shape %u range %u", seen[KERNEL_OK],
	       seen[KERNEL_BAD_SHAPE], seen[KERNEL_BAD_RANGE]);
}

void nn_random_layout(uint32_t rows, uint32_t cols, uint32_t channels, uint32_t *pitch, uint32_t *image)
{
	*pitch = channels + 16 * (random_below(2) ? random_below(4) : 0);
	*image = rows * cols * *pitch + 16 * (random_below(2) ? random_below(5) : 0);
}

uint64_t nn_layout_bytes(uint32_t images, uint32_t rows, uint32_t cols, uint32_t channels, uint32_t pitch, uint32_t image)
{
	return (uint64_t)(images - 1) * image + (uint64_t)(rows * cols - 1) * pitch + channels;
}

float nn_float_of(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, 4);
	return value;
}

uint32_t nn_bits_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, 4);
	return bits;
}

uint32_t nn_random_float(float scale)
{
	static const uint32_t odd[] = { 0x7fc00000, 0xffc00001, 0x7f800000, 0xff800000, 0, 0x80000000, 1, 0x7f7fffff, 0x4b000000, 0xbf800000 };

	if (random_below(8) == 0)
		return odd[random_below(sizeof(odd) / sizeof(odd[0]))];
	if (random_below(6) == 0)
		return nn_bits_of(0.5f); /* ties */
	return nn_bits_of(random_float(0.1f * scale, 2.0f * scale));
}

uint32_t nn_random_clip(uint32_t zero)
{
	uint32_t lo = random_below(3) ? 0 : zero, hi = random_below(3) ? 255 : (uint32_t)random_in((int32_t)lo, 255);

	return lo | hi << 8;
}
