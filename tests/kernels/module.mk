# SPDX-License-Identifier: BSD-2-Clause
# Kernels against the reference; each test program also with the sanitizers (and fewer repetitions).
KERNEL_TESTS := $(patsubst tests/kernels/%.c,%,$(wildcard tests/kernels/test_*.c))
KERNEL_TEST_PROGRAMS := $(KERNEL_TESTS:%=$(B)/tests/kernels/%) $(KERNEL_TESTS:%=$(B)/tests/kernels/%_san)
KERNEL_TEST_PARTS := random suite conv2d_case nn_case $(patsubst tests/kernels/%.c,%,$(wildcard tests/kernels/nn_conv_case.c))

$(KERNEL_TESTS:%=$(B)/tests/kernels/%): %: %.o $(KERNEL_TEST_PARTS:%=$(B)/tests/kernels/%.o) $(KERNEL_OBJ) $(REF_OBJ)
	$(CC) -o $@ $^ $(shell pkg-config --libs check) -lm

$(KERNEL_TESTS:%=$(B)/tests/kernels/%_san): $(B)/tests/kernels/%_san: $(B)/san/tests/kernels/%.o $(KERNEL_TEST_PARTS:%=$(B)/san/tests/kernels/%.o) \
		$(KERNEL_SAN) $(REF_SAN)
	$(CC) $(SAN) -o $@ $^ $(shell pkg-config --libs check) -lm

TESTS += $(KERNEL_TEST_PROGRAMS)

KERNEL_BENCHES := $(patsubst tests/kernels/%.c,$(B)/tests/kernels/%,$(wildcard tests/kernels/bench_*.c))
$(KERNEL_BENCHES): %: %.o $(patsubst %,$(B)/tests/kernels/%.o,$(filter-out suite nn_case,$(KERNEL_TEST_PARTS))) $(KERNEL_OBJ) $(REF_OBJ)
	$(CC) -o $@ $^ -lm

BENCHES += $(KERNEL_BENCHES)

# The same layers through PyTorch, in one run.
$(B)/tests/kernels/bench_nn_conv_torch: tests/kernels/bench_nn_conv.py $(B)/tests/kernels/bench_nn_conv
	printf '#!/bin/sh\nexec tests/kernels/bench_nn_conv.py %s "$$@"\n' $(B)/tests/kernels/bench_nn_conv >$@ && chmod +x $@

BENCHES += $(B)/tests/kernels/bench_nn_conv_torch
include tests/kernels/counted.mk
