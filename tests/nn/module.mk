# SPDX-License-Identifier: BSD-2-Clause
# The graph layer of runtime/nn, under AddressSanitizer and UndefinedBehaviorSanitizer.
NN_TEST_LIB = $(filter-out $(NN_SAN),$(LIB_SAN)) $(NN_GRAPH_SAN)
NN_GRAPH_TESTS := $(B)/tests/nn/test_graph $(B)/tests/nn/test_eval
NN_TEST_PARTS := tests/nn/proto tests/nn/sample kernels/reference/conv2d_ref
NN_NODE_PARTS := tests/nn/node_tests
NN_TEST_OBJ = $(foreach d,$(B) $(B)/san,$(patsubst tests/nn/%.c,$d/tests/nn/%.o,$(wildcard tests/nn/*.c)))

# They see the generated header, too.
$(NN_TEST_OBJ): CPPFLAGS += -I$(B)
$(NN_TEST_OBJ): | $(B)/nn/onnx.pb-c.h

.SECONDEXPANSION:
$(NN_GRAPH_TESTS): $(B)/tests/nn/%: $(B)/san/tests/nn/%.o $(NN_TEST_PARTS:%=$(B)/san/%.o) $$(NN_TEST_LIB)
	@mkdir -p $(@D)
	$(CC) $(SAN) $(LDFLAGS) $^ $(LIB_LIBS) -lcheck -lsubunit -lrt -lm -o $@

$(B)/tests/nn/onnx_node: $(B)/san/tests/nn/onnx_node.o $(NN_NODE_PARTS:%=$(B)/san/%.o) $$(NN_TEST_LIB)
	@mkdir -p $(@D)
	$(CC) $(SAN) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

$(B)/tests/nn/resave: $(B)/san/tests/nn/resave.o $(B)/san/tests/nn/sample.o $$(NN_TEST_LIB)
	@mkdir -p $(@D)
	$(CC) $(SAN) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

TEST_DEPS += $(B)/tests/nn/resave
TESTS += $(NN_GRAPH_TESTS) $(B)/tests/nn/onnx_node tests/nn/checker

include tests/nn/quantize.mk
include tests/nn/lower.mk
include tests/nn/plan.mk

# Sessions on embedded cards: as they are, with AddressSanitizer and UndefinedBehaviorSanitizer, and with ThreadSanitizer (all but the kernels and generated code).
NN_SESSION_PARTS := tests/nn/test_session tests/nn/net tests/kernels/random
NN_SESSION_TESTS := $(B)/tests/nn/test_session $(B)/san/tests/nn/test_session
NN_SESSION_TSAN = $(NN_SESSION_PARTS:%=$(B)/tsan/%.o) $(B)/tsan/tests/emu/clone.o \
	$(foreach o,$(sort $(LIB_OBJ)),$(if $(filter $(B)/runtime/% $(B)/tools/card/% $(B)/driver/core/%,$o),$(o:$(B)/%=$(B)/tsan/%),$o))

$(B)/tests/nn/test_session: $(NN_SESSION_PARTS:%=$(B)/%.o) $$(LIB_OBJ) | $(B)/overlay-flat.xclbin $(B)/smartssd-cu
	$(CC) $(LDFLAGS) $(sort $^) $(LIB_LIBS) -lcheck -lsubunit -lrt -lm -o $@
$(B)/san/tests/nn/test_session: $(NN_SESSION_PARTS:%=$(B)/san/%.o) $$(LIB_SAN) | $(B)/overlay-flat.xclbin $(B)/smartssd-cu
	$(CC) $(SAN) $(LDFLAGS) $(sort $^) $(LIB_LIBS) -lcheck -lsubunit -lrt -lm -o $@

$(NN_SRC:%.c=$(B)/tsan/%.o) $(NN_SESSION_PARTS:%=$(B)/tsan/%.o): CPPFLAGS += -I$(B)
$(NN_SRC:%.c=$(B)/tsan/%.o) $(NN_SESSION_PARTS:%=$(B)/tsan/%.o): | $(B)/nn/onnx.pb-c.h $(B)/nn/ssp.pb-c.h
$(B)/tsan/tests/nn/test_session: $$(NN_SESSION_TSAN) | $(B)/overlay-flat.xclbin $(B)/smartssd-cu
	$(CC) -fsanitize=thread $(LDFLAGS) -Wl,--wrap=clone $^ $(LIB_LIBS) -lcheck -lsubunit -lrt -lm -o $@

# For tests of layers over cards, here and in the VM
$(B)/tests/nn/spread_layers: $(B)/tests/nn/spread_layers.o $$(LIB_OBJ)
	$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -lm -o $@
TEST_DEPS += $(B)/tests/nn/spread_layers

# ONNX's own tests on one. Not under the sanitizers, which onnx_node and the sessions above are.
$(B)/tests/nn/onnx_card: $(B)/tests/nn/onnx_card.o $(NN_NODE_PARTS:%=$(B)/%.o) $$(LIB_OBJ) | $(B)/overlay-flat.xclbin $(B)/smartssd-cu
	$(CC) $(LDFLAGS) $(sort $^) $(LIB_LIBS) -lm -o $@

TESTS += $(NN_SESSION_TESTS) $(B)/tests/nn/onnx_card tests/nn/walkthrough.sh tests/nn/example.sh
BENCHES += tests/nn/bench_networks.sh

# Not in `make check`: the library once more, for ThreadSanitizer.
tsan: $(B)/tsan/tests/nn/test_session
	tests/nn/threads.sh

.PHONY: tsan
