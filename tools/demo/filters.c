// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "filters.h"

#define MIDDLE (FILTER_SIZE / 2)

typedef float taps[3][FILTER_SIZE][FILTER_SIZE];

static const float brightness[3] = { 0.299f, 0.587f, 0.114f };
static const float red_green[3] = { 0.5f, -0.5f, 0 };
static const float blue_yellow[3] = { -0.25f, -0.25f, 0.5f };

static float gauss(int y, int x, float sigma)
{
	return expf(-(y * y + x * x) / (2 * sigma * sigma));
}

static void gabor(taps out, float angle, float wave, float phase, float sigma)
{
	for (int y = -MIDDLE; y <= MIDDLE; y++) {
		for (int x = -MIDDLE; x <= MIDDLE; x++) {
			float across = x * cosf(angle) + y * sinf(angle);
			float v = gauss(y, x, sigma) * sinf(2 * (float)M_PI * across / wave + phase);

			for (int c = 0; c < 3; c++)
				out[c][y + MIDDLE][x + MIDDLE] = v * brightness[c];
		}
	}
}

static void blob(taps out, const float color[3], float sigma, float surround)
{
	float inner = 0, outer = 0;

	for (int y = -MIDDLE; y <= MIDDLE; y++) {
		for (int x = -MIDDLE; x <= MIDDLE; x++) {
			inner += gauss(y, x, sigma);
			outer += surround > 0 ? gauss(y, x, surround) : 0;
		}
	}
	for (int y = -MIDDLE; y <= MIDDLE; y++) {
		for (int x = -MIDDLE; x <= MIDDLE; x++) {
			float v = gauss(y, x, sigma) / inner - (surround > 0 ? gauss(y, x, surround) / outer : 0);

			for (int c = 0; c < 3; c++)
				out[c][y + MIDDLE][x + MIDDLE] = v * color[c];
		}
	}
}

/* Rounding leaves a small sum where it should be 0, which an even bright surface would show: take it back where that costs least. */
static void balance(int8_t *w, const float *exact, float scale)
{
	int sum = 0;

	for (int i = 0; i < FILTER_TERMS; i++)
		sum += w[i];
	while (sum) {
		int direction = sum > 0 ? -1 : 1, best = -1;
		float least = INFINITY;

		for (int i = 0; i < FILTER_TERMS; i++) {
			float cost = fabsf((w[i] + direction) * scale - exact[i]) - fabsf(w[i] * scale - exact[i]);

			if (cost < least && abs(w[i] + direction) <= 127) {
				least = cost;
				best = i;
			}
		}
		w[best] += direction;
		sum += direction;
	}
}

/* @gain: sum of the weights' absolute values, the largest response to an input within +-1. */
static void quantise(struct filter_bank *bank, unsigned i, taps exact, float gain, int zero_sum)
{
	float *v = &exact[0][0][0], largest = 0, sum = 0;
	int8_t *w = &bank->weight[i][0][0][0];

	if (zero_sum) {
		for (int t = 0; t < FILTER_TERMS; t++)
			sum += v[t];
		for (int t = 0; t < FILTER_TERMS; t++)
			v[t] -= sum / FILTER_TERMS;
	}
	sum = 0;
	for (int t = 0; t < FILTER_TERMS; t++)
		sum += fabsf(v[t]);
	for (int t = 0; t < FILTER_TERMS; t++) {
		v[t] *= gain / sum;
		largest = fabsf(v[t]) > largest ? fabsf(v[t]) : largest;
	}
	bank->scale[i] = largest / 127;
	for (int t = 0; t < FILTER_TERMS; t++)
		w[t] = (int8_t)lrintf(v[t] / bank->scale[i]);
	if (zero_sum)
		balance(w, v, bank->scale[i]);
}

void filter_bank_make(struct filter_bank *bank, unsigned nr)
{
	taps t;

	memset(bank, 0, sizeof(*bank));
	bank->nr = nr < FILTERS_MAX ? nr : FILTERS_MAX;
	for (unsigned i = 0; i < bank->nr; i++) {
		if (i < 4) {
			gabor(t, i * (float)M_PI / 4, 6, 0, 1.9f);
			quantise(bank, i, t, 9.0f, 1);
		} else if (i == 4) {
			blob(t, brightness, 1.0f, 2.2f);
			quantise(bank, i, t, 12.0f, 1);
		} else if (i == 5) {
			blob(t, red_green, 1.5f, 0);
			quantise(bank, i, t, 9.0f, 1);
		} else if (i == 6) {
			blob(t, blue_yellow, 1.5f, 0);
			quantise(bank, i, t, 4.0f, 1);
		} else if (i == 7) {
			blob(t, brightness, 1.5f, 0);
			quantise(bank, i, t, 1.0f, 0);
		} else {
			unsigned set = (i - 8) / 8;

			gabor(t, (i % 8) * (float)M_PI / 8, 3.0f + set * 0.9f, set % 2 ? (float)M_PI / 2 : 0, 1.4f + 0.15f * set);
			quantise(bank, i, t, 9.0f, 1);
		}
	}
}

const char *filter_name(unsigned i)
{
	static const char *const names[8] = { "edges |", "edges \\", "edges -", "edges /", "spots", "red-green", "blue-yellow", "brightness" };

	return i < 8 ? names[i] : "waves";
}
