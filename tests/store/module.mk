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
$(foreach d,$(B)/tests $(B)/san/tests,$(d)/store/crash_store): private STORE_WRAP := \
	-Wl,--wrap=pwrite -Wl,--wrap=fdatasync -Wl,--wrap=fsync -Wl,--wrap=fallocate -Wl,--wrap=clock_gettime
$(foreach d,$(B)/tests $(B)/san/tests,$(d)/store/test_changes): private STORE_WRAP := \
	$(foreach f,pwrite write fdatasync fsync fallocate rename unlinkat,-Wl,--wrap=$(f))
$(foreach d,$(B)/tests $(B)/san/tests,$(d)/store/test_limits): private STORE_WRAP := -Wl,--wrap=fallocate
$(foreach d,$(B)/tests $(B)/san/tests,$(d)/store/test_engine $(d)/store/test_engine_pins): private STORE_WRAP := -Wl,--wrap=smartssd_wait -Wl,--wrap=volume_pread
$(foreach d,$(B)/tests $(B)/san/tests,$(d)/store/test_dlrm): private STORE_WRAP := -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=aligned_alloc

STORE_BENCHES := $(patsubst tests/store/%.c,$(B)/tests/store/%,$(wildcard tests/store/bench_*.c))
$(B)/tests/store/bench_engine: private STORE_WRAP := $(foreach f,list_clear list_read list_run wait,-Wl,--wrap=smartssd_$(f))
$(STORE_BENCHES): %: %.o $(B)/libsmartssd.a | $(B)/kernels.xclbin $(B)/smartssd-cu
	$(CC) $(LDFLAGS) $^ $(STORE_WRAP) $(LIB_LIBS) -o $@

# Under the sanitizers, but what would take long there.
STORE_SLOW := test_trace test_changes crash_volume crash_store
TESTS += $(patsubst %,$(B)/san/tests/store/%,$(filter-out $(STORE_SLOW),$(STORE_TEST_NAMES))) $(STORE_SLOW:%=$(B)/tests/store/%)
TESTS += tests/store/dlrm.sh tests/store/example.sh
BENCHES += $(STORE_BENCHES)
include tests/store/bench/module.mk
