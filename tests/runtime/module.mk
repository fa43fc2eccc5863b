# SPDX-License-Identifier: BSD-2-Clause
# Units of libsmartssd, under AddressSanitizer and UndefinedBehaviorSanitizer; test_device with an ioctl() of its own. test_conv2d and
# test_lookup run the operators on the embedded card against kernels/reference.
RUNTIME_UNITS := test_npy test_plan test_bag test_list test_device
RUNTIME_TESTS := $(RUNTIME_UNITS:%=$(B)/tests/runtime/%)
RUNTIME_OPS := $(B)/tests/runtime/test_conv2d $(B)/tests/runtime/test_lookup

.SECONDEXPANSION:
$(RUNTIME_TESTS): $(B)/tests/runtime/%: $(B)/san/tests/runtime/%.o $$(LIB_SAN)
	@mkdir -p $(@D)
	$(CC) $(SAN) $(LDFLAGS) $(RUNTIME_WRAP) $^ $(LIB_LIBS) -lcheck -lsubunit -lrt -lm -o $@

$(B)/tests/runtime/test_device: private RUNTIME_WRAP := -Wl,--wrap=ioctl -Wl,--wrap=mmap -Wl,--wrap=munmap

$(B)/tests/runtime/test_npy: private RUNTIME_WRAP := -Wl,--wrap=open

$(RUNTIME_OPS): %: %.o $(B)/libsmartssd.a $$(REF_OBJ) | $(B)/kernels.xclbin $(B)/smartssd-cu
	$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -lcheck -lsubunit -lrt -lm -o $@

$(B)/tests/runtime/bench_overlap: $(B)/tests/runtime/bench_overlap.o $(B)/libsmartssd.a | $(B)/kernels.xclbin $(B)/smartssd-cu
	$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

TEST_DEPS += $(B)/libsmartssd.so $(B)/libsmartssd.a $(B)/libsmartssd.pc
TESTS += tests/runtime/headers $(RUNTIME_TESTS) $(RUNTIME_OPS)
BENCHES += $(B)/tests/runtime/bench_overlap
