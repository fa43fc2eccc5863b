# SPDX-License-Identifier: BSD-2-Clause
# Lowering, memory and .ssp files, under AddressSanitizer and UndefinedBehaviorSanitizer; test_lower also without (more networks in its time).
# Included by tests/nn/module.mk.
NN_PROGRAM_SRC := $(wildcard runtime/nn/lower*.c) $(patsubst %,runtime/nn/%.c,weights memory ssp layer layer_run program program_check value quantize_input)
NN_PROGRAM_OBJ := $(NN_PROGRAM_SRC:%.c=$(B)/%.o) $(NN_GRAPH_OBJ) $(filter-out $(B)/runtime/%,$(NN_OBJ))
NN_PROGRAM_SAN := $(NN_PROGRAM_SRC:%.c=$(B)/san/%.o) $(NN_GRAPH_SAN) $(filter-out $(B)/san/runtime/%,$(NN_SAN))
NN_PROGRAM_TESTS := $(B)/tests/nn/test_memory $(B)/tests/nn/test_ssp $(B)/tests/nn/test_lower_san
NN_PROGRAM_PARTS := tests/nn/build_graph tests/kernels/random

$(B)/tests/nn/test_lower $(B)/tests/nn/write_net: %: %.o $(NN_PROGRAM_PARTS:%=$(B)/%.o) $(NN_PROGRAM_OBJ) $$(filter-out $$(NN_OBJ),$$(LIB_OBJ))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(sort $^) $(LIB_LIBS) -lcheck -lsubunit -lrt -lm -o $@

$(B)/tests/nn/test_lower_san: $(B)/san/tests/nn/test_lower.o
$(B)/tests/nn/test_memory: $(B)/san/tests/nn/test_memory.o
$(B)/tests/nn/test_ssp: $(B)/san/tests/nn/test_ssp.o
$(NN_PROGRAM_TESTS): $(NN_PROGRAM_PARTS:%=$(B)/san/%.o) $(NN_PROGRAM_SAN) $$(filter-out $$(NN_SAN),$$(LIB_SAN))
	@mkdir -p $(@D)
	$(CC) $(SAN) $(LDFLAGS) $(sort $^) $(LIB_LIBS) -lcheck -lsubunit -lrt -lm -o $@

# The fuzzer of descriptions; its rule is in tests/fuzz/module.mk.
$(B)/tests/fuzz/fuzz_ssp: $(NN_PROGRAM_PARTS:%=$(B)/san/%.o) $(NN_PROGRAM_SAN) $$(filter-out $$(NN_SAN) $$(CORE_SAN),$$(LIB_SAN))
$(B)/tests/fuzz/fuzz_ssp: private FUZZ_LIBS = $(LIB_LIBS)
# With clang: the sources here see coverage, kernels and the rest of the library are linked as they are.
NN_FUZZ_REST = $(filter $(B)/kernels/nn_%,$(NN_OBJ)) $(filter-out $(NN_OBJ) $(CORE_OBJ),$(LIB_OBJ))
$(B)/fuzz/ssp: $(NN_PROGRAM_PARTS:%=%.c) $(NN_PROGRAM_SRC) $(NN_GRAPH_SRC) $(B)/nn/onnx.pb-c.c $(B)/nn/ssp.pb-c.c $(REF_SRC) $$(NN_FUZZ_REST)
$(B)/fuzz/ssp: private FUZZ_LIBS = $(NN_FUZZ_REST) $(LIB_LIBS)
$(B)/fuzz/ssp: CPPFLAGS += -I$(B)

TESTS += $(B)/tests/nn/test_lower $(NN_PROGRAM_TESTS) tests/nn/compile.sh tests/nn/networks.sh
TEST_DEPS += $(B)/tests/nn/write_net
