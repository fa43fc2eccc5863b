# SPDX-License-Identifier: BSD-2-Clause
# What programs need beside runtime/nn/*.c: the generated code of ssp.proto, the kernels' fast versions and references for layers on the
# host, libcrypto for SHA-256. Included at the end of runtime/nn/module.mk, after kernels/module.mk.
NN_HOST_UNITS := $(foreach k,$(OVERLAY),$(patsubst %,$k/%,$(call OVERLAY_FAST,$k)))
NN_OBJ += $(B)/nn/ssp.pb-c.o $(NN_HOST_UNITS:%=$(B)/kernels/%.o) $(B)/kernels/reference/nn_ref.o $(B)/kernels/reference/nn_conv_ref.o
NN_SAN += $(B)/san/nn/ssp.pb-c.o $(NN_HOST_UNITS:%=$(B)/san/kernels/%.o) $(B)/san/kernels/reference/nn_ref.o $(B)/san/kernels/reference/nn_conv_ref.o
NN_LIBS += -lcrypto

$(B)/nn/ssp.pb-c.c: runtime/nn/ssp.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=$(<D) --c_out=$(@D) $(<F)
$(B)/nn/ssp.pb-c.h: $(B)/nn/ssp.pb-c.c

$(B)/runtime/nn/ssp.o $(B)/san/runtime/nn/ssp.o: CPPFLAGS += -I$(B)
$(B)/runtime/nn/ssp.o $(B)/san/runtime/nn/ssp.o: | $(B)/nn/ssp.pb-c.h
$(B)/nn/ssp.pb-c.o: $(B)/nn/ssp.pb-c.c
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c $< -o $@
$(B)/san/nn/ssp.pb-c.o: $(B)/nn/ssp.pb-c.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(SAN) -c $< -o $@
