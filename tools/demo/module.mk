# SPDX-License-Identifier: BSD-2-Clause
# `smartssd demo`, and `make demo` that runs it. It compares with kernels/reference, which is linked in.
DEMO_SRC := $(wildcard tools/demo/*.c)
VERB_OBJ += $(DEMO_SRC:%.c=$(B)/%.o) $(REF_OBJ)
VERB_LIBS += -lpng

demo:
	tools/install-packages demo
	$(MAKE) -j$$(nproc) $(B)/smartssd $(B)/smartssd-cu $(B)/kernels.xclbin
	$(B)/smartssd demo

.PHONY: demo
