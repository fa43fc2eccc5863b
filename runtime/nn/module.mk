# SPDX-License-Identifier: BSD-2-Clause
# Networks: ONNX graphs and what becomes of them. Included by runtime/module.mk.
#   NN_OBJ, NN_SAN: its objects, the generated protobuf code among them. NN_LIBS: what to link with.
# $(B)/nn/onnx.pb-c.[ch] are made from the onnx.proto of libonnx-dev.
NN_LIBS := -lprotobuf-c
NN_SRC := $(wildcard runtime/nn/*.c)
NN_OBJ := $(NN_SRC:%.c=$(B)/%.o) $(B)/nn/onnx.pb-c.o $(B)/kernels/reference/mac.o
NN_SAN := $(NN_SRC:%.c=$(B)/san/%.o) $(B)/san/nn/onnx.pb-c.o $(B)/san/kernels/reference/mac.o
# The graph layer alone (graph.h), for its tests: needs error.o, whole.o and smartssd_read_all() of the library.
NN_GRAPH_SRC := $(wildcard runtime/nn/op_*.c runtime/nn/onnx*.c) $(patsubst %,runtime/nn/%.c,graph infer infer_conv infer_move fold eval gemm)
NN_GRAPH_OBJ := $(NN_GRAPH_SRC:%.c=$(B)/%.o) $(B)/nn/onnx.pb-c.o $(B)/kernels/reference/mac.o
NN_GRAPH_SAN := $(NN_GRAPH_SRC:%.c=$(B)/san/%.o) $(B)/san/nn/onnx.pb-c.o $(B)/san/kernels/reference/mac.o
ONNX_PROTO := /usr/include/onnx/onnx.proto

$(B)/nn/onnx.pb-c.c: $(ONNX_PROTO)
	@mkdir -p $(@D)
	protoc-c --proto_path=$(dir $(ONNX_PROTO)) --c_out=$(@D) $(notdir $(ONNX_PROTO))
$(B)/nn/onnx.pb-c.h: $(B)/nn/onnx.pb-c.c

# Sources say #include "nn/onnx.pb-c.h". The header must be there before the first of them is compiled.
$(NN_OBJ) $(NN_SAN): CPPFLAGS += -I$(B)
$(NN_OBJ) $(NN_SAN): | $(B)/nn/onnx.pb-c.h
$(B)/nn/onnx.pb-c.o: $(B)/nn/onnx.pb-c.c
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c $< -o $@
$(B)/san/nn/onnx.pb-c.o: $(B)/nn/onnx.pb-c.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(SAN) -c $< -o $@

include runtime/nn/ssp.mk
