# SPDX-License-Identifier: BSD-2-Clause
# Quantisation and the models that it is shown on. Included by tests/nn/module.mk.
#   $(B)/tests/nn/models/make_model    writes ResNet-50 and others with weights from a seed
#   MODEL_OBJ                          the same for tests that build models in memory (models/model.h); wants NN_OBJ or NN_QUANTIZE_OBJ
NN_QUANTIZE_SRC := $(wildcard runtime/nn/quantize*.c)
NN_QUANTIZE_OBJ = $(NN_QUANTIZE_SRC:%.c=$(B)/%.o) $(NN_GRAPH_OBJ) $(filter-out $(NN_OBJ),$(LIB_OBJ))
MODEL_OBJ := $(B)/tests/nn/models/model.o $(B)/tests/nn/models/qlinear.o

.SECONDEXPANSION:
$(B)/tests/nn/test_quantize: $(B)/san/tests/nn/test_quantize.o $(NN_QUANTIZE_SRC:%.c=$(B)/san/%.o) $$(NN_TEST_LIB)
	@mkdir -p $(@D)
	$(CC) $(SAN) $(LDFLAGS) $^ $(LIB_LIBS) -lcheck -lsubunit -lrt -lm -o $@

$(B)/tests/nn/test_quantize_card: $(B)/san/tests/nn/test_quantize_card.o $(NN_QUANTIZE_SRC:%.c=$(B)/san/%.o) $$(NN_PROGRAM_SAN) $$(filter-out $$(NN_SAN),$$(LIB_SAN))
	@mkdir -p $(@D)
	$(CC) $(SAN) $(LDFLAGS) $(sort $^) $(LIB_LIBS) -lcheck -lsubunit -lrt -lm -o $@

$(B)/tests/nn/no_memory: $(B)/san/tests/nn/no_memory.o $(B)/san/tests/nn/sample.o $(NN_QUANTIZE_SRC:%.c=$(B)/san/%.o) $$(NN_TEST_LIB)
	@mkdir -p $(@D)
	$(CC) $(SAN) $(LDFLAGS) $(foreach f,malloc calloc realloc aligned_alloc strdup,-Wl,--wrap=$f) $^ $(LIB_LIBS) -lm -o $@

$(B)/tests/nn/accuracy $(B)/tests/nn/test_models $(B)/tests/nn/models/make_model: %: %.o $$(NN_QUANTIZE_OBJ)
	$(CC) $(LDFLAGS) $(sort $^) $(LIB_LIBS) -o $@

$(B)/tests/nn/test_models $(B)/tests/nn/models/make_model: $(MODEL_OBJ)

TEST_DEPS += $(B)/tests/nn/accuracy $(B)/tests/nn/models/make_model
TESTS += $(B)/tests/nn/no_memory $(B)/tests/nn/test_quantize $(B)/tests/nn/test_quantize_card $(B)/tests/nn/test_models tests/nn/quantize.sh
