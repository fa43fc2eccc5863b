# SPDX-License-Identifier: BSD-2-Clause
# The VM runner. The guest's init is static: it is alone in the initramfs.
VERB_OBJ += $(patsubst %,$(B)/tools/vm/%.o,vm qemu klog)

VM_FILES := $(B)/vm-init $(B)/vm/build-kernel.sh $(B)/vm/guest.config $(B)/vm/guest-debug.config

$(B)/vm-init: tools/vm/init.c
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -std=gnu11 $(WARN) -O2 -static $< -o $@

$(B)/vm/%: tools/vm/%
	@mkdir -p $(@D)
	cp -p $< $@

vm-files: $(VM_FILES)
all: vm-files

# Guest kernels: built once, outside of the tree.
kernel-debug kernel-plain: kernel-%: $(VM_FILES)
	$(B)/vm/build-kernel.sh $* >/dev/null

.PHONY: vm-files kernel-debug kernel-plain
