# SPDX-License-Identifier: BSD-2-Clause
# The conformance suite on the kselftest harness. run-uapi runs it on one card; the VM test runs the same programs on the driver.
UAPI_TESTS := $(patsubst tests/uapi/%.c,$(B)/tests/uapi/%,$(filter-out tests/uapi/tk.c,$(wildcard tests/uapi/*.c)))
KSELFTEST = $(shell $(B)/vm/build-kernel.sh debug --path)/selftests

$(B)/tests/uapi/%.o: tests/uapi/%.c $(B)/vm/build-kernel.sh
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -isystem $(KSELFTEST) $(ALL_CFLAGS) -Wno-unused-parameter -Wno-sign-compare -Wno-shadow -Wno-type-limits -c $< -o $@

$(UAPI_TESTS): %: %.o $(B)/libsmartssd.a
	$(CC) $^ -o $@ $(LIB_LIBS) -pthread

$(B)/tests/uapi/tk.xclbin: tests/uapi/tk.c $(B)/smartssd
	@mkdir -p $(@D)
	$(B)/smartssd xclbin pack -o $@ --kernel $<

TEST_DEPS += $(B)/tests/uapi/tk.xclbin
TESTS += $(UAPI_TESTS)
