# SPDX-License-Identifier: BSD-2-Clause
# REF_OBJ, REF_SAN: the reference, for whoever compares with it (no library needed beyond the C library).
# KERNEL_OBJ, KERNEL_SAN: every kernel twice, as NAME_hls (the HLS source) and NAME_fast, for tests in one program.
# $(B)/kernels.xclbin: the kernels of single operators and of the embedding store, for the emulated card.
# $(B)/overlay-flat.xclbin, overlay-dfx.xclbin: the network overlay for either shell; overlay.xclbin is the first.
# $(B)/kernels/budget: what the overlay needs of either shell's DSP, BRAM and URAM, as a table; does not compile when it is too much.
REF_SRC := $(wildcard kernels/reference/*.c)
REF_OBJ := $(REF_SRC:%.c=$(B)/%.o)
REF_SAN := $(REF_SRC:%.c=$(B)/san/%.o)

CONV2D_FAST := conv2d_fast conv2d_avx2 conv2d_depthwise
EMBEDDING_BAG_FAST := embedding_bag_fast embedding_bag_avx2
# The network overlay. NAME.c is the HLS source, NAME_*.c are the fast version's parts.
OVERLAY := nn_conv nn_depthwise nn_pool nn_add nn_pack
OVERLAY_FAST = $(patsubst kernels/$1/%.c,%,$(wildcard kernels/$1/$1_*.c))
# For OpenCL host programs as they are, without bounds (kernels/adder/adder.h).
EXAMPLE_KERNELS := copy adder bandwidth
KERNEL_UNITS := $(foreach k,$(EXAMPLE_KERNELS),$k/$k) conv2d/conv2d embedding_bag/embedding_bag row_copy/row_copy row_copy/row_copy_fast empty/empty $(CONV2D_FAST:%=conv2d/%) $(EMBEDDING_BAG_FAST:%=embedding_bag/%) \
	$(foreach k,$(OVERLAY),$k/$k $(patsubst %,$k/%,$(call OVERLAY_FAST,$k)))
KERNEL_OBJ := $(KERNEL_UNITS:%=$(B)/kernels/%.o)
KERNEL_SAN := $(KERNEL_UNITS:%=$(B)/san/kernels/%.o)

# Vitis pragmas and loop labels mean nothing to gcc.
HLS_WARN := -Wno-unknown-pragmas -Wno-unused-label
$(KERNEL_OBJ) $(KERNEL_SAN): private WARN += $(HLS_WARN)
$(foreach k,conv2d embedding_bag row_copy empty $(EXAMPLE_KERNELS) $(OVERLAY),$(eval \
	$(B)/kernels/$k/$k.o $(B)/san/kernels/$k/$k.o: private CPPFLAGS += -D$k=$k_hls))
FAST_UNITS = $(foreach d,$(B) $(B)/san,$(2:%=$d/kernels/$1/%.o))
$(call FAST_UNITS,conv2d,$(CONV2D_FAST)): private CPPFLAGS += -Dconv2d=conv2d_fast
$(call FAST_UNITS,embedding_bag,$(EMBEDDING_BAG_FAST)): private CPPFLAGS += -Dembedding_bag=embedding_bag_fast
$(call FAST_UNITS,row_copy,row_copy_fast): private CPPFLAGS += -Drow_copy=row_copy_fast
$(foreach k,$(OVERLAY),$(eval $(call FAST_UNITS,$k,$(call OVERLAY_FAST,$k)): private CPPFLAGS += -D$k=$k_fast))

# The kernels' prototypes and pragmas come from the HLS sources, what runs on the emulated card from the fast versions.
KERNEL_FILES := $(wildcard kernels/*.h kernels/*/*.[ch])
$(B)/kernels.xclbin: $(B)/smartssd $(KERNEL_FILES)
	$(B)/smartssd xclbin pack -o $@ \
		--kernel kernels/conv2d/conv2d.c $(CONV2D_FAST:%=--functional kernels/conv2d/%.c) --cus 2 \
		--kernel kernels/embedding_bag/embedding_bag.c $(EMBEDDING_BAG_FAST:%=--functional kernels/embedding_bag/%.c) --cus 2 \
		--kernel kernels/row_copy/row_copy.c --functional kernels/row_copy/row_copy_fast.c --cus 1 \
		--kernel kernels/empty/empty.c --cus 1

# A card's shell decides how wide nn_conv is. Not packed when it does not fit.
OVERLAY_PACK = $(B)/smartssd xclbin pack -o $@ $1 $(foreach k,$(OVERLAY),--kernel kernels/$k/$k.c \
	$(patsubst %,--functional kernels/$k/%.c,$(call OVERLAY_FAST,$k)) --cus 1)

$(B)/overlay-flat.xclbin: $(B)/smartssd $(B)/kernels/budget $(KERNEL_FILES)
	$(call OVERLAY_PACK,--platform xilinx_u2_gen3x4_xdma_flat_gc_2_202110_1 --cflags -DNN_PIXELS=7)

$(B)/overlay-dfx.xclbin: $(B)/smartssd $(B)/kernels/budget $(KERNEL_FILES)
	$(call OVERLAY_PACK,--platform xilinx_u2_gen3x4_xdma_gc_2_202110_1 --cflags -DNN_PIXELS=4)

$(B)/overlay.xclbin: $(B)/overlay-flat.xclbin
	cp $< $@

$(B)/kernels/budget: $(B)/kernels/budget.o
	$(CC) -o $@ $^

all: $(B)/kernels.xclbin $(B)/overlay.xclbin $(B)/overlay-dfx.xclbin

# Their arguments are unchecked: in an xclbin of their own.
$(B)/examples.xclbin: $(B)/smartssd $(KERNEL_FILES)
	$(B)/smartssd xclbin pack -o $@ $(foreach k,$(EXAMPLE_KERNELS),--kernel kernels/$k/$k.c --cus 2)

all: $(B)/examples.xclbin
