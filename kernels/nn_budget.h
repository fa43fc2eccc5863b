/* SPDX-License-Identifier: BSD-2-Clause */
/* The overlay's kernels together against what the shell leaves free. What does not fit does not compile. Kernel by kernel: kernels/budget.c */
#ifndef KERNELS_NN_BUDGET_H
#define KERNELS_NN_BUDGET_H

#include "nn.h"
#include "nn_add/nn_add_cycles.h"
#include "nn_conv/nn_conv_cycles.h"
#include "nn_depthwise/nn_depthwise_cycles.h"
#include "nn_pack/nn_pack_cycles.h"
#include "nn_pool/nn_pool_cycles.h"

/* UG1382: free for kernels; and NN_PIXELS of an overlay for this shell */
#define NN_FLAT_DSP    1959u
#define NN_FLAT_BRAM   618u
#define NN_FLAT_URAM   120u
#define NN_FLAT_PIXELS 7u
#define NN_DFX_DSP     1341u
#define NN_DFX_BRAM    646u
#define NN_DFX_URAM    104u
#define NN_DFX_PIXELS  4u

#define NN_OVERLAY_DSP(pixels)	(NN_CONV_DSP(pixels) + NN_DEPTHWISE_DSP + NN_POOL_DSP + NN_ADD_DSP + NN_PACK_DSP)
#define NN_OVERLAY_BRAM(pixels) (NN_CONV_BRAM(pixels) + NN_DEPTHWISE_BRAM + NN_POOL_BRAM + NN_ADD_BRAM + NN_PACK_BRAM)
#define NN_OVERLAY_URAM		(NN_CONV_URAM + NN_DEPTHWISE_URAM + NN_POOL_URAM + NN_ADD_URAM + NN_PACK_URAM)

_Static_assert(NN_OVERLAY_DSP(NN_FLAT_PIXELS) <= NN_FLAT_DSP, "the overlay needs more DSP than the flat shell leaves free: fewer NN_PIXELS");
_Static_assert(NN_OVERLAY_BRAM(NN_FLAT_PIXELS) <= NN_FLAT_BRAM, "the overlay needs more BRAM36 than the flat shell leaves free: smaller buffers");
_Static_assert(NN_OVERLAY_URAM <= NN_FLAT_URAM, "the overlay needs more URAM than the flat shell leaves free: smaller buffers");
_Static_assert(NN_OVERLAY_DSP(NN_DFX_PIXELS) <= NN_DFX_DSP, "the overlay needs more DSP than the DFX shell leaves free: fewer NN_PIXELS");
_Static_assert(NN_OVERLAY_BRAM(NN_DFX_PIXELS) <= NN_DFX_BRAM, "the overlay needs more BRAM36 than the DFX shell leaves free: smaller buffers");
_Static_assert(NN_OVERLAY_URAM <= NN_DFX_URAM, "the overlay needs more URAM than the DFX shell leaves free: smaller buffers");

#endif
