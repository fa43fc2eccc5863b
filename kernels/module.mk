# SPDX-License-Identifier: BSD-2-Clause
# REF_OBJ, REF_SAN: the reference, for whoever compares with it (no library needed beyond the C library).
# KERNEL_OBJ, KERNEL_SAN: every kernel twice, as NAME_hls (the HLS source) and NAME_fast, for tests in one program.
# $(B)/kernels.xclbin: the three kernels for the emulated card.
REF_SRC := $(wildcard kernels/reference/*.c)
REF_OBJ := $(REF_SRC:%.c=$(B)/%.o)
REF_SAN := $(REF_SRC:%.c=$(B)/san/%.o)

CONV2D_FAST := conv2d_fast conv2d_avx2 conv2d_depthwise
EMBEDDING_BAG_FAST := embedding_bag_fast embedding_bag_avx2
KERNEL_UNITS := conv2d/conv2d embedding_bag/embedding_bag empty/empty $(CONV2D_FAST:%=conv2d/%) $(EMBEDDING_BAG_FAST:%=embedding_bag/%)
KERNEL_OBJ := $(KERNEL_UNITS:%=$(B)/kernels/%.o)
KERNEL_SAN := $(KERNEL_UNITS:%=$(B)/san/kernels/%.o)

# Vitis pragmas and loop labels mean nothing to gcc.
HLS_WARN := -Wno-unknown-pragmas -Wno-unused-label
$(KERNEL_OBJ) $(KERNEL_SAN): private WARN += $(HLS_WARN)
$(foreach k,conv2d embedding_bag empty,$(eval \
	$(B)/kernels/$k/$k.o $(B)/san/kernels/$k/$k.o: private CPPFLAGS += -D$k=$k_hls))
FAST_UNITS = $(foreach d,$(B) $(B)/san,$(2:%=$d/kernels/$1/%.o))
$(call FAST_UNITS,conv2d,$(CONV2D_FAST)): private CPPFLAGS += -Dconv2d=conv2d_fast
$(call FAST_UNITS,embedding_bag,$(EMBEDDING_BAG_FAST)): private CPPFLAGS += -Dembedding_bag=embedding_bag_fast

# The kernels' prototypes and pragmas come from the HLS sources, what runs on the emulated card from the fast versions.
KERNEL_FILES := $(wildcard kernels/*.h kernels/*/*.[ch])
$(B)/kernels.xclbin: $(B)/smartssd $(KERNEL_FILES)
	$(B)/smartssd xclbin pack -o $@ \
		--kernel kernels/conv2d/conv2d.c $(CONV2D_FAST:%=--functional kernels/conv2d/%.c) --cus 2 \
		--kernel kernels/embedding_bag/embedding_bag.c $(EMBEDDING_BAG_FAST:%=--functional kernels/embedding_bag/%.c) --cus 2 \
		--kernel kernels/empty/empty.c --cus 1

all: $(B)/kernels.xclbin
