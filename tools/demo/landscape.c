// SPDX-License-Identifier: BSD-2-Clause
/*
 * A height map seen by a level camera: for each screen column, walk away from the camera and let each step that rises above what
 * is already drawn fill the pixels in between. Sky and clouds first, the lake's mirror last. Drawn at twice the size and averaged.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "landscape.h"

#define SCALE	 2
#define W	 (LANDSCAPE_WIDTH * SCALE)
#define H	 (LANDSCAPE_HEIGHT * SCALE)
#define MAP	 1024 /* height map cells per side */
#define HORIZON	 (0.56f * H)
#define FOCAL	 (1.05f * W)
#define WATER	 22.0f /* level of the lake */
#define EYE	 34.0f
#define FAR	 900.0f

typedef struct {
	float r, g, b;
} color;

struct scene {
	float height[MAP][MAP];
	float light[MAP][MAP]; /* 0 in the shade of another mountain, 1 in the sun */
	color pixel[H][W];
	uint8_t water[H][W];
};

/* Towards the sun: low, ahead of the camera and to the right. */
static const float sun[3] = { 0.30f, 0.17f, 0.85f };
static const color sun_color = { 1.30f, 0.96f, 0.62f };

static color mix(color a, color b, float t)
{
	return (color){ a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t };
}

static color times(color a, float s)
{
	return (color){ a.r * s, a.g * s, a.b * s };
}

static float step(float lo, float hi, float v)
{
	float t = (v - lo) / (hi - lo);

	t = t < 0 ? 0 : t > 1 ? 1 : t;
	return t * t * (3 - 2 * t);
}

static float lattice(int32_t x, int32_t y)
{
	uint32_t h = (uint32_t)x * 0x8da6b343u ^ (uint32_t)y * 0xd8163841u;

	h ^= h >> 15;
	h *= 0x2c1b3c6du;
	h ^= h >> 12;
	h *= 0x297a2d39u;
	h ^= h >> 15;
	return h * (1.0f / 4294967296.0f);
}

/* Smooth noise, 0 .. 1 */
static float noise(float x, float y)
{
	float fx = floorf(x), fy = floorf(y), u = x - fx, v = y - fy;
	int32_t ix = (int32_t)fx, iy = (int32_t)fy;
	float a = lattice(ix, iy), b = lattice(ix + 1, iy), c = lattice(ix, iy + 1), d = lattice(ix + 1, iy + 1);

	u = u * u * u * (u * (u * 6 - 15) + 10);
	v = v * v * v * (v * (v * 6 - 15) + 10);
	return a + (b - a) * u + (c - a) * v + (a - b - c + d) * u * v;
}

static float fractal(float x, float y, int octaves)
{
	float sum = 0, amplitude = 0.5f;

	for (int i = 0; i < octaves; i++) {
		sum += amplitude * noise(x, y);
		/* Turn each octave, so that the lattice does not show. */
		float t = 0.8f * x - 0.6f * y;

		y = 2.03f * (0.6f * x + 0.8f * y) + 17.3f;
		x = 2.03f * t + 31.7f;
		amplitude *= 0.5f;
	}
	return sum;
}

/* Sharp crests */
static float ridges(float x, float y, int octaves)
{
	float sum = 0, amplitude = 0.55f, weight = 1;

	for (int i = 0; i < octaves; i++) {
		float n = 1 - fabsf(2 * noise(x, y) - 1), t = 0.8f * x - 0.6f * y;

		n *= n * weight;
		weight = n * 1.6f > 1 ? 1 : n * 1.6f;
		sum += amplitude * n;
		y = 2.07f * (0.6f * x + 0.8f * y) + 5.1f;
		x = 2.07f * t + 11.9f;
		amplitude *= 0.5f;
	}
	return sum;
}

static void raise_mountains(struct scene *s)
{
	for (int z = 0; z < MAP; z++) {
		for (int x = 0; x < MAP; x++) {
			/* The valley winds away from the camera, which stands at x = MAP / 2, z = 0. */
			float middle = MAP / 2 + 70 * sinf(z * 0.008f + 0.6f);
			float side = fabsf(x - middle) / (70 + 0.13f * z);
			float open = step(0.55f, 2.6f, side), back = step(520, 900, z);
			float shape = ridges(x / 210.0f + 3.7f, z / 210.0f + 1.2f, 7);
			float hills = fractal(x / 60.0f, z / 60.0f + 40, 6);
			float h = 14 + 12 * hills + open * (16 + 125 * shape) + back * (20 + 90 * shape);

			/* Crowns of trees where it is neither high nor under water */
			if (h > WATER + 3 && h < 85)
				h += 1.6f * noise(x * 0.9f, z * 0.9f);
			s->height[z][x] = h;
		}
	}
}

static float height_at(const struct scene *s, float x, float z)
{
	int ix, iz;
	float u, v;

	x = x < 0 ? 0 : x > MAP - 1.01f ? MAP - 1.01f : x;
	z = z < 0 ? 0 : z > MAP - 1.01f ? MAP - 1.01f : z;
	ix = (int)x;
	iz = (int)z;
	u = x - ix;
	v = z - iz;
	return (s->height[iz][ix] * (1 - u) + s->height[iz][ix + 1] * u) * (1 - v) +
	       (s->height[iz + 1][ix] * (1 - u) + s->height[iz + 1][ix + 1] * u) * v;
}

static void cast_shadows(struct scene *s)
{
	for (int z = 0; z < MAP; z++) {
		for (int x = 0; x < MAP; x++) {
			float clear = 1;

			for (float t = 3; t < 260 && clear > 0; t *= 1.09f) {
				float ray = s->height[z][x] + t * sun[1], there = height_at(s, x + t * sun[0], z + t * sun[2]);
				/* A wide sun: half shade where the ray only just passes */
				float gap = (ray - there) / (0.06f * t);

				if (ray > 260)
					break;
				clear = gap < clear ? gap : clear;
			}
			s->light[z][x] = clear < 0 ? 0 : clear;
		}
	}
}

static float towards_sun(float dx, float dy)
{
	float len = sqrtf(dx * dx + dy * dy + 1), norm = sqrtf(sun[0] * sun[0] + sun[1] * sun[1] + sun[2] * sun[2]);
	float dot = (dx * sun[0] + dy * sun[1] + sun[2]) / (len * norm);

	return dot < 0 ? 0 : dot;
}

/* Light of the air alone in direction (dx, dy, 1): what far mountains fade into. */
static color air(float dx, float dy)
{
	static const color zenith = { 0.13f, 0.27f, 0.55f }, low = { 0.62f, 0.66f, 0.74f }, glow = { 1.05f, 0.66f, 0.36f };
	float near_sun = towards_sun(dx, dy), up = dy < 0 ? 0 : dy;

	return mix(mix(low, zenith, 1 - expf(-3.2f * up)), glow, 0.75f * powf(near_sun, 7) * expf(-1.4f * up));
}

static color sky(float dx, float dy)
{
	color c = air(dx, dy);
	float near_sun = towards_sun(dx, dy);

	if (dy > 0.012f) {
		/* Clouds lie in a plane, so that they shrink towards the horizon. */
		float x = dx / (dy + 0.06f), z = 1 / (dy + 0.06f);
		float density = fractal(x * 0.55f + 9, z * 0.42f, 6);
		float cover = step(0.47f, 0.74f, density) * step(0.012f, 0.10f, dy);
		float edge = step(0.44f, 0.60f, density) * (1 - step(0.60f, 0.80f, density));
		color shade = mix((color){ 0.46f, 0.46f, 0.54f }, (color){ 1.10f, 0.92f, 0.78f }, 0.25f + 0.75f * edge);

		shade = mix(shade, (color){ 1.35f, 0.90f, 0.55f }, 0.8f * powf(near_sun, 10) * edge);
		c = mix(c, shade, 0.88f * cover);
	}
	c = mix(c, (color){ 1.5f, 1.2f, 0.8f }, 0.5f * powf(near_sun, 160));
	return mix(c, (color){ 2.0f, 1.9f, 1.6f }, step(0.99972f, 0.99982f, near_sun));
}

static color ground(const struct scene *s, float x, float z, float h, float distance, color haze)
{
	float reach = 0.7f + distance * 0.002f;
	float gx = (height_at(s, x + reach, z) - height_at(s, x - reach, z)) / (2 * reach);
	float gz = (height_at(s, x, z + reach) - height_at(s, x, z - reach)) / (2 * reach);
	float len = sqrtf(gx * gx + gz * gz + 1), steep = 1 / len;
	float norm = sqrtf(sun[0] * sun[0] + sun[1] * sun[1] + sun[2] * sun[2]);
	float facing = (-gx * sun[0] + sun[1] - gz * sun[2]) / (len * norm);
	float rough = noise(x * 1.9f, z * 1.9f), broad = fractal(x / 23, z / 23, 4);
	color grass = mix((color){ 0.13f, 0.17f, 0.05f }, (color){ 0.27f, 0.25f, 0.09f }, broad);
	color forest = mix((color){ 0.03f, 0.07f, 0.035f }, (color){ 0.09f, 0.14f, 0.05f }, rough);
	color rock = mix((color){ 0.20f, 0.18f, 0.17f }, (color){ 0.37f, 0.33f, 0.30f }, 0.5f * rough + 0.5f * broad);
	color c = mix(grass, forest, step(0.40f, 0.60f, broad + 0.10f * rough));
	float sunlit = s->light[(int)z][(int)x] * (facing < 0 ? 0 : facing), bare;

	bare = step(0.80f, 0.62f, steep + 0.12f * (broad - 0.5f)) + 0.9f * step(70, 105, h + 25 * broad);
	c = mix(c, rock, bare > 1 ? 1 : bare);
	c = mix(c, (color){ 0.86f, 0.90f, 0.98f }, step(98, 118, h + 26 * (broad - 0.5f)) * step(0.48f, 0.62f, steep));
	/* A strip of sand along the water */
	c = mix((color){ 0.36f, 0.31f, 0.23f }, c, step(WATER + 0.4f, WATER + 2.2f, h + rough));
	c = (color){ c.r * (0.20f + 2.1f * sunlit * sun_color.r), c.g * (0.25f + 2.1f * sunlit * sun_color.g),
		     c.b * (0.36f + 2.1f * sunlit * sun_color.b) };
	return mix(haze, c, expf(-distance * distance * 9.0e-7f - distance * 0.00022f));
}

static void draw_column(struct scene *s, int column)
{
	float dx = (column - W / 2) / FOCAL;
	int top = H; /* first row that is drawn already */

	for (int row = 0; row < H; row++)
		s->pixel[row][column] = sky(dx, (HORIZON - row) / FOCAL);
	for (float t = 8; t < FAR; t += 0.05f + t * 0.00055f) {
		float x = MAP / 2 + t * dx, z = t, h;
		int row;
		color c;

		if (x < 0 || x >= MAP - 1)
			break;
		h = height_at(s, x, z);
		row = (int)(HORIZON - ((h > WATER ? h : WATER) - EYE) / t * FOCAL);
		if (row >= top)
			continue;
		row = row < 0 ? 0 : row;
		if (h > WATER)
			c = ground(s, x, z, h, t, air(dx, 0.02f));
		for (; top > row; top--) {
			s->water[top - 1][column] = h <= WATER;
			if (h > WATER)
				s->pixel[top - 1][column] = c;
		}
	}
}

/* The lake shows what is above the far shore, broken up by small waves and, looking down steeply, its own dark colour. */
static void draw_water(struct scene *s)
{
	for (int row = (int)HORIZON + 1; row < H; row++) {
		float depth = (EYE - WATER) * FOCAL / (row - HORIZON); /* distance of this row of water */

		for (int column = 0; column < W; column++) {
			float x = (column - W / 2) / FOCAL * depth, wave, glancing;
			int from, side;
			color c;

			if (!s->water[row][column])
				continue;
			wave = fractal(x * 0.55f, depth * 1.3f, 4) - 0.47f;
			from = (int)(2 * HORIZON - row + wave * 46 * SCALE / (1 + depth * 0.012f));
			side = column + (int)(wave * 10 * SCALE / (1 + depth * 0.02f));
			from = from < 0 ? -from : from > (int)HORIZON ? (int)HORIZON : from;
			side = side < 0 ? 0 : side >= W ? W - 1 : side;
			glancing = step(0.62f, 0.0f, (row - HORIZON) / (H - HORIZON));
			c = mix((color){ 0.025f, 0.065f, 0.085f }, s->pixel[from][side], 0.28f + 0.60f * glancing);
			s->pixel[row][column] = c;
		}
	}
}

static float film(float v)
{
	/* A gentle shoulder instead of clipped lights, then display gamma */
	v = v < 0 ? 0 : v;
	v = v * (1 + v * 0.15f) / (0.55f + v);
	v = powf(v > 1 ? 1 : v, 1 / 1.75f);
	return 0.55f * v + 0.45f * v * v * (3 - 2 * v);
}

int landscape_render(uint8_t *rgb)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	raise_mountains(s);
	cast_shadows(s);
	for (int column = 0; column < W; column++)
		draw_column(s, column);
	draw_water(s);
	for (int y = 0; y < LANDSCAPE_HEIGHT; y++) {
		for (int x = 0; x < LANDSCAPE_WIDTH; x++) {
			color sum = { 0 };
			float grain = (lattice(x + 9000, y) - 0.5f) * 5;
			float v[3];

			for (int i = 0; i < SCALE * SCALE; i++) {
				color c = s->pixel[y * SCALE + i / SCALE][x * SCALE + i % SCALE];

				sum = (color){ sum.r + c.r, sum.g + c.g, sum.b + c.b };
			}
			sum = times(sum, 1.0f / (SCALE * SCALE));
			v[0] = sum.r;
			v[1] = sum.g;
			v[2] = sum.b;
			for (int i = 0; i < 3; i++) {
				float out = 255 * film(v[i]) + grain;

				*rgb++ = out < 0 ? 0 : out > 255 ? 255 : (uint8_t)(out + 0.5f);
			}
		}
	}
	free(s);
	return 0;
}
