# SPDX-License-Identifier: BSD-2-Clause
# Kernels against the reference; each test program also with the sanitizers (and fewer repetitions).
KERNEL_TESTS := $(patsubst tests/kernels/%.c,%,$(wildcard tests/kernels/test_*.c))
KERNEL_TEST_PROGRAMS := $(KERNEL_TESTS:%=$(B)/tests/kernels/%) $(KERNEL_TESTS:%=$(B)/tests/kernels/%_san)
KERNEL_TEST_PARTS := random conv2d_case

$(KERNEL_TESTS:%=$(B)/tests/kernels/%): %: %.o $(KERNEL_TEST_PARTS:%=$(B)/tests/kernels/%.o) $(KERNEL_OBJ) $(REF_OBJ)
	$(CC) -o $@ $^ $(shell pkg-config --libs check) -lm

$(KERNEL_TESTS:%=$(B)/tests/kernels/%_san): $(B)/tests/kernels/%_san: $(B)/san/tests/kernels/%.o $(KERNEL_TEST_PARTS:%=$(B)/san/tests/kernels/%.o) \
		$(KERNEL_SAN) $(REF_SAN)
	$(CC) $(SAN) -o $@ $^ $(shell pkg-config --libs check) -lm

TESTS += $(KERNEL_TEST_PROGRAMS)

$(B)/tests/kernels/bench_kernels: %: %.o $(KERNEL_TEST_PARTS:%=$(B)/tests/kernels/%.o) $(KERNEL_OBJ) $(REF_OBJ)
	$(CC) -o $@ $^ -lm

BENCHES += $(B)/tests/kernels/bench_kernels
