# SPDX-License-Identifier: BSD-2-Clause
# The OpenCL platform through the ICD loader: test_*.c plain and under AddressSanitizer and UndefinedBehaviorSanitizer; the threads also under
# ThreadSanitizer, in `make tsan`. Foreign clients: clients.sh.
ifneq ($(HAVE_OPENCL),)
OPENCL_TEST_NAMES := $(patsubst tests/opencl/%.c,%,$(wildcard tests/opencl/test_*.c))
OPENCL_TEST_PARTS := tests/opencl/host tests/kernels/suite
OPENCL_TEST_OBJ := $(foreach d,$(B) $(B)/san $(B)/tsan,$(patsubst %.c,$d/%.o,$(wildcard tests/opencl/*.c)))
OPENCL_XCLBINS := $(B)/examples.xclbin $(B)/tests/emu/ek.xclbin $(B)/smartssd-cu

$(OPENCL_TEST_OBJ): CPPFLAGS += $(OPENCL_FLAGS)
# The vendor's header shifts 1 into an int's sign.
$(OPENCL_TEST_OBJ): private SAN += -fno-sanitize=shift

# Sanitizers lose their way in the thread-local memory of a library that comes late: it is there from the start, and the loader finds it loaded.
OPENCL_EARLY = -Wl,--no-as-needed $(B)/$1/libsmartssd-opencl.so -Wl,-rpath,$(abspath $(B)/$1)

$(OPENCL_TEST_NAMES:%=$(B)/tests/opencl/%): %: %.o $(OPENCL_TEST_PARTS:%=$(B)/%.o) | $(B)/opencl/vendors/smartssd.icd $(OPENCL_XCLBINS)
	$(CC) $(LDFLAGS) $^ -lOpenCL -lcheck -lsubunit -lrt -lm -pthread -o $@
$(OPENCL_TEST_NAMES:%=$(B)/san/tests/opencl/%): %: %.o $(OPENCL_TEST_PARTS:%=$(B)/san/%.o) | $(B)/san/opencl/vendors/smartssd.icd $(OPENCL_XCLBINS)
	$(CC) $(SAN) $(LDFLAGS) $^ -lOpenCL $(call OPENCL_EARLY,san) -lcheck -lsubunit -lrt -lm -pthread -o $@

OPENCL_TSAN_TESTS := $(B)/tsan/tests/opencl/test_threads $(B)/tsan/tests/opencl/test_events
$(OPENCL_TSAN_TESTS): %: %.o $(OPENCL_TEST_PARTS:%=$(B)/tsan/%.o) | $(B)/tsan/opencl/vendors/smartssd.icd $(OPENCL_XCLBINS)
	$(CC) -fsanitize=thread $(LDFLAGS) $^ -lOpenCL $(call OPENCL_EARLY,tsan) -lcheck -lsubunit -lrt -lm -pthread -o $@
# In one process, because a fork of Check's would leave the sanitizer's own thread behind.
tsan-opencl: $(OPENCL_TSAN_TESTS)
	export CK_FORK=no ROUNDS=30 SMARTSSD_LIBDIR=$(abspath $(B)) TSAN_OPTIONS="exitcode=66 $$TSAN_OPTIONS"; for t in $^; do $$t || exit; done
tsan: tsan-opencl
.PHONY: tsan-opencl

$(B)/tests/opencl/bench_opencl: $(B)/tests/opencl/bench_opencl.o $(B)/libsmartssd.so | $(B)/opencl/vendors/smartssd.icd $(OPENCL_XCLBINS)
	$(CC) $(LDFLAGS) $< -lOpenCL -L$(B) -lsmartssd -Wl,-rpath,$(abspath $(B)) -o $@
BENCHES += $(B)/tests/opencl/bench_opencl

# What depends on time more than on memory is not under the sanitizers twice.
TESTS += tests/opencl/clients.sh $(OPENCL_TEST_NAMES:%=$(B)/san/tests/opencl/%) $(B)/tests/opencl/test_events $(B)/tests/opencl/test_hosts
# All of them run in a guest, too: tests/e2e/vm-opencl.sh
TEST_DEPS += $(OPENCL_TEST_NAMES:%=$(B)/tests/opencl/%)
endif
