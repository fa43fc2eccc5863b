# SPDX-License-Identifier: BSD-2-Clause
# The embedding store.
STORE_TEST_NAMES := $(patsubst tests/store/%.c,%,$(wildcard tests/store/test_*.c) $(wildcard tests/store/crash_*.c))
STORE_LINK = $(STORE_WRAP) $(LIB_LIBS) -lcheck -lsubunit -lrt -lm

.SECONDEXPANSION:
$(STORE_TEST_NAMES:%=$(B)/tests/store/%): %: %.o $(B)/tests/kernels/random.o $(B)/tests/kernels/suite.o $$(REF_OBJ) $(B)/libsmartssd.a | $(B)/kernels.xclbin $(B)/smartssd-cu
	$(CC) $(LDFLAGS) $^ $(STORE_LINK) -o $@
$(STORE_TEST_NAMES:%=$(B)/san/tests/store/%): %: %.o $(B)/san/tests/kernels/random.o $(B)/san/tests/kernels/suite.o $$(REF_SAN) $(B)/san/libsmartssd.a | $(B)/kernels.xclbin $(B)/smartssd-cu
	$(CC) $(SAN) $(LDFLAGS) $^ $(STORE_LINK) -o $@

# They see each write or wait, or fail one.
$(foreach d,$(B)/tests $(B)/san/tests,$(d)/store/test_volume $(d)/store/test_delta): private STORE_WRAP := \
	-Wl,--wrap=pread -Wl,--wrap=pwrite -Wl,--wrap=fdatasync
$(foreach d,$(B)/tests $(B)/san/tests,$(d)/store/test_engine): private STORE_WRAP := -Wl,--wrap=smartssd_wait -Wl,--wrap=volume_pread

STORE_BENCHES := $(patsubst tests/store/%.c,$(B)/tests/store/%,$(wildcard tests/store/bench_*.c))
$(STORE_BENCHES): %: %.o $(B)/libsmartssd.a | $(B)/kernels.xclbin $(B)/smartssd-cu
	$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

# Under the sanitizers, but what would take long there.
STORE_SLOW := test_cache test_trace crash_volume
TESTS += $(patsubst %,$(B)/san/tests/store/%,$(filter-out $(STORE_SLOW),$(STORE_TEST_NAMES))) $(STORE_SLOW:%=$(B)/tests/store/%)
BENCHES += $(STORE_BENCHES)
