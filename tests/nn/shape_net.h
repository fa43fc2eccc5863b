/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that have shapes and no weights: all that a planner looks at. ResNet-50, VGG-16 and MobileNetV2 as lowering makes them, and random small ones.
 */
#ifndef TESTS_NN_SHAPE_NET_H
#define TESTS_NN_SHAPE_NET_H

#include "../../runtime/nn/program.h"

/* "resnet50", "vgg16", "mobilenetv2" */
struct nn_program *shape_net(const char *name, enum nn_shell shell);
/* A chain of about @layers layers, with residuals unless @chain; pieces on the host now and then when @pieces. */
struct nn_program *shape_net_random(uint32_t layers, bool chain, bool pieces);

/* Parts, for nets by hand; each returns its output. */
struct nn_program *shape_net_new(const char *name, enum nn_shell shell);
uint32_t shape_net_input(struct nn_program *p, uint32_t c, uint32_t h, uint32_t w);
/* @unfold: kernel of the first convolution, along the columns; 1: none */
uint32_t shape_net_pack(struct nn_program *p, uint32_t in, uint32_t unfold, uint32_t stride, uint32_t pad);
uint32_t shape_net_conv(struct nn_program *p, uint32_t in, uint32_t filters, uint32_t kernel, uint32_t stride, uint32_t residual);
uint32_t shape_net_depthwise(struct nn_program *p, uint32_t in, uint32_t stride);
uint32_t shape_net_pool(struct nn_program *p, uint32_t in, uint32_t kernel, uint32_t stride, bool average);
uint32_t shape_net_piece(struct nn_program *p, uint32_t in); /* ReLU on the host */
void shape_net_output(struct nn_program *p, uint32_t value);

#endif
