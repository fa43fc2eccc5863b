/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files between protobuf and the graph share: onnx*.c. nn/onnx.pb-c.h is generated from onnx.proto, see module.mk. */
#ifndef SMARTSSD_RUNTIME_NN_ONNX_IMPL_H
#define SMARTSSD_RUNTIME_NN_ONNX_IMPL_H

#include "graph_impl.h"
#include "nn/onnx.pb-c.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "raw data in ONNX is little-endian, and so is assumed of the machine"
#endif

/* A model in memory, before and after protobuf-c: */
struct nn_reader {
	struct nn_graph *g;
	int64_t opset;
	uint32_t batch;
	const struct nn_tensor *fixed;
	uint32_t nr_fixed;
	uint32_t *slots, nr_slots; /* names: a hash table of tensors, NN_NOWHERE is empty; nr_slots is a power of two */
	struct smartssd_error *err;
};

/*
 * onnx_scan.c: protobuf_c_message_unpack() of untrusted bytes. What makes protobuf-c recurse without end, take quadratic time or much more
 * memory than the file has is refused before: deep nesting, singular messages given twice, floods of empty messages.
 */
int nn_onnx_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t bytes, ProtobufCMessage **out, struct smartssd_error *err);

/* onnx_tensor.c */
int nn_onnx_type(int32_t data_type, enum nn_type *type); /* 0 or -EOPNOTSUPP */
const char *nn_onnx_type_name(int32_t data_type);
int32_t nn_onnx_data_type(enum nn_type type);
/* Type, shape and elements (nn_alloc()) of @pb, which messages call @what. */
int nn_onnx_tensor(const Onnx__TensorProto *pb, const char *what, enum nn_type *type, struct nn_dims *dims, void **data,
		   struct smartssd_error *err);

/* onnx.c: a constant of the reader's own making, its name derived from @base; NN_NOWHERE on lack of memory. */
uint32_t nn_reader_constant(struct nn_reader *r, const char *base, const char *what, enum nn_type type, const struct nn_dims *dims,
			    const void *data);
/* onnx_attrs.c: attributes of @pb into @node, as of opset 13; node->in has room for @room inputs. */
int nn_onnx_attrs(struct nn_reader *r, const Onnx__NodeProto *pb, struct nn_node *node, uint32_t room);
/* Constant: its value. */
int nn_onnx_constant(struct nn_reader *r, const Onnx__NodeProto *pb, const struct nn_node *node, enum nn_type *type, struct nn_dims *dims,
		     void **data);

#endif
