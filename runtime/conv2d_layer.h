/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SMARTSSD_RUNTIME_CONV2D_LAYER_H
#define SMARTSSD_RUNTIME_CONV2D_LAYER_H

#include "conv2d_plan.h"

/* Check an operator call and fill in its layer, x_offset and x_align apart. -EINVAL with an explanation. */
int conv2d_layer(const struct smartssd_conv2d *op, struct conv2d_layer *layer, struct smartssd_error *err);

#endif
