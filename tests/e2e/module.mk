# SPDX-License-Identifier: BSD-2-Clause
# The driver in a VM. Programs here run in the guest; vm-*.sh boot it. Anything of $(B)/tests/uapi runs there too.
E2E_PROGRAMS := $(patsubst tests/e2e/%.c,$(B)/tests/e2e/%,$(wildcard tests/e2e/*.c))

$(E2E_PROGRAMS): %: %.o $(B)/libsmartssd.a
	$(CC) $^ -o $@ $(LIB_LIBS) -pthread

# A dma-buf importer, a kernel module of its own
$(B)/kmod-importer/importer.ko: tests/e2e/importer/Kbuild tests/e2e/importer/importer.c
	@mkdir -p $(@D)
	cp tests/e2e/importer/* $(@D)/
	+$(MAKE) -C $(call kmod_kernel,debug) M=$(abspath $(@D)) W=1 modules

TEST_DEPS += $(B)/kmod-importer/importer.ko
TEST_DEPS += $(E2E_PROGRAMS) $(B)/kmod-debug/smartssd.ko
TESTS += $(wildcard tests/e2e/vm-*.sh)
