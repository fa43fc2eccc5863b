/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files behind program.h share: value.c, layer.c, layer_run.c, memory.c, program.c, program_check.c, ssp.c, and lowering. */
#ifndef SMARTSSD_RUNTIME_NN_PROGRAM_IMPL_H
#define SMARTSSD_RUNTIME_NN_PROGRAM_IMPL_H

#include "program.h"

/* Sides of an image: NN_PAIR() has 16 bits for each. */
#define NN_MAX_SIDE 65535

/* Rows, columns and channels of a tensor with these dimensions on the card (see struct nn_value); false: it has no card format. */
bool nn_card_layout(const struct nn_dims *dims, uint32_t *images, uint32_t *h, uint32_t *w, uint32_t *c);
/* The same channels at the same places in card memory, though perhaps other dimensions ([N, C, 1, 1] and [N, C])? */
bool nn_same_layout(const struct nn_dims *a, const struct nn_dims *b);

/* A copy of a text from a model or program, which may be anybody's, for messages and terminals: control characters become '?'. NULL: no memory. */
char *nn_printable(const char *text);

static inline uint32_t nn_float_bits(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

/* The value that memory belongs to, and where in its pixels. */
static inline uint32_t nn_value_root(const struct nn_program *program, uint32_t v)
{
	return program->values[v].whole == NN_NONE_VALUE ? v : program->values[v].whole;
}

/* How the constant operand of an addition (w_bytes != 0) lies in the weights: bytes from pixel to pixel (0: one for all) and from image to image. */
void nn_add_constant(const struct nn_program *program, const struct nn_layer *layer, uint32_t *pitch, uint32_t *image);
/*
 * Does the kernel take this layer with the tiles that it has? Values and scalars only: bytes of weights are checked against w_bytes and so on. The
 * layer's value indices must be valid. 0, or -EINVAL with the kernel's reason.
 */
int nn_layer_check(const struct nn_program *program, const struct nn_layer *layer, struct smartssd_error *err);
/*
 * Tiles that fit the buffers, large ones first: right for every layer that any tiles are right for, but not chosen for speed, which is the planner's work. -EINVAL
 * with the kernel's reason: there are none.
 */
int nn_layer_default_tiles(const struct nn_program *program, struct nn_layer *layer, struct smartssd_error *err);

/* The description in a .ssp file alone, with @weights_bytes of weights somewhere: parse and check, as loading does. */
int nn_ssp_parse(const void *description, size_t bytes, uint64_t weights_bytes, struct nn_program **out, struct smartssd_error *err);

#endif
