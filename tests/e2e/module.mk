# SPDX-License-Identifier: BSD-2-Clause
# The driver in a VM. Programs here run in the guest; vm-*.sh boot it. Anything of $(B)/tests/uapi runs there too.
E2E_PROGRAMS := $(patsubst tests/e2e/%.c,$(B)/tests/e2e/%,$(wildcard tests/e2e/*.c))

$(E2E_PROGRAMS): %: %.o $(B)/libsmartssd.a
	$(CC) $^ -o $@ $(LIB_LIBS) -pthread

TEST_DEPS += $(E2E_PROGRAMS) $(B)/kmod-debug/smartssd.ko
TESTS += $(wildcard tests/e2e/vm-*.sh)
