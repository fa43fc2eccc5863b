/* SPDX-License-Identifier: BSD-2-Clause */
/* Building ONNX messages by hand, right or wrong ones, of any opset. All memory belongs to the message: proto_free(). */
#ifndef TESTS_NN_PROTO_H
#define TESTS_NN_PROTO_H

#include "../../runtime/nn/graph.h"
#include "nn/onnx.pb-c.h"

Onnx__ModelProto *proto_new(int64_t opset);
void proto_free(Onnx__ModelProto *m);
/* Types are ONNX's numbers: 1 float, 2 uint8, 3 int8, 6 int32, 7 int64, 11 double. Shapes are texts such as "1 3 -1"; "N" is a name instead of a number. */
Onnx__ValueInfoProto *proto_input(Onnx__ModelProto *m, const char *name, int type, const char *shape);
void proto_output(Onnx__ModelProto *m, const char *name);
Onnx__TensorProto *proto_constant(Onnx__ModelProto *m, const char *name, int type, const char *shape, const void *data, size_t bytes);
/* Names of inputs and outputs are separated by spaces; "-" is one that is left out. */
Onnx__NodeProto *proto_node(Onnx__ModelProto *m, const char *op, const char *in, const char *out);
Onnx__AttributeProto *proto_int(Onnx__NodeProto *n, const char *name, int64_t v);
Onnx__AttributeProto *proto_float(Onnx__NodeProto *n, const char *name, float v);
Onnx__AttributeProto *proto_text(Onnx__NodeProto *n, const char *name, const char *v);
Onnx__AttributeProto *proto_ints(Onnx__NodeProto *n, const char *name, const char *list);
/* A tensor of one element. */
Onnx__AttributeProto *proto_tensor(Onnx__NodeProto *n, const char *name, int type, const void *data, size_t bytes);
void proto_set(char **string, const char *value);
/* Through nn_graph_parse(). */
int proto_parse(const Onnx__ModelProto *m, uint32_t batch, struct nn_graph **g, struct smartssd_error *err);
uint8_t *proto_pack(const Onnx__ModelProto *m, size_t *bytes);

#endif
