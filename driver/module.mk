# SPDX-License-Identifier: BSD-2-Clause
# driver/core: compiled into the module and, here, for user space.
CORE_SRC := $(wildcard driver/core/*.c)
CORE_OBJ := $(CORE_SRC:%.c=$(B)/%.o)
CORE_SAN := $(CORE_SRC:%.c=$(B)/san/%.o)

# The module, for several kernels from one tree: each gets a folder of links to the sources in build/, where its objects are made.
#   make kmod          for Debian's 6.1 and 6.12 and the guest's debug kernel
#   make kmod-debug    for the guest kernel of that name; likewise kmod-plain
#   make kmod-6.1      for Debian's headers of that series; likewise kmod-6.12
#   make kmod-sparse   checked by sparse
KMOD_SRC := Kbuild $(wildcard driver/*.[ch] driver/core/*.[ch]) uapi/smartssd.h
KMOD_FLAGS ?= W=1

# $(1): name. Which kernel's build folder?
kmod_kernel = $(if $(filter debug plain,$(1)),$(shell tools/vm/build-kernel.sh $(1) --path)/build,$\
	$(lastword $(sort $(wildcard /usr/src/linux-headers-$(1).*-amd64))))

$(B)/kmod-%/smartssd.ko: $(KMOD_SRC)
	@test -d "$(call kmod_kernel,$*)" || { echo "kmod: no kernel '$*' to build for; 'tools/vm/build-kernel.sh debug' (or plain)" \
		"builds the guest's, 'apt-get install linux-headers-amd64' gets Debian's" >&2; exit 1; }
	@for f in $(KMOD_SRC); do mkdir -p $(@D)/$$(dirname $$f) && ln -sfn $(CURDIR)/$$f $(@D)/$$f; done
	@find $(@D) -xtype l -delete
	+$(MAKE) -C $(call kmod_kernel,$*) M=$(abspath $(@D)) $(KMOD_FLAGS) modules
	@touch $@

kmod-debug kmod-plain kmod-6.1 kmod-6.12: kmod-%: $(B)/kmod-%/smartssd.ko
kmod: kmod-6.1 kmod-6.12 kmod-debug

# sparse sees each file; a warning is an error.
kmod-sparse: $(KMOD_SRC)
	rm -rf $(B)/kmod-sparse
	mkdir -p $(B)/kmod-sparse
	cp -rL Kbuild driver uapi $(B)/kmod-sparse/
	$(MAKE) -C $(call kmod_kernel,6.12) M=$(abspath $(B)/kmod-sparse) C=2 CF="-Wsparse-error" modules

.PHONY: kmod kmod-debug kmod-plain kmod-6.1 kmod-6.12 kmod-sparse
