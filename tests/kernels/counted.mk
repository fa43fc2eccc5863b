# SPDX-License-Identifier: BSD-2-Clause
# nn_cycles_flat, nn_cycles_dfx: the cycle models against the loops of the HLS sources, for either shell's NN_PIXELS. counted.awk edits the sources so that
# loops count their turns. Included by tests/kernels/module.mk.
$(B)/tests/kernels/counted/%.c: tests/kernels/counted.awk
	@mkdir -p $(@D)
	awk -f $^ >$@
$(foreach k,$(OVERLAY),$(eval $(B)/tests/kernels/counted/$k.c: kernels/$k/$k.c))

COUNTED = $(B)/tests/kernels/counted/$1
# A shell, its NN_PIXELS
define NN_CYCLES
$(OVERLAY:%=$(call COUNTED,$1)/%.o): $(call COUNTED,$1)/%.o: $(B)/tests/kernels/counted/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) -Ikernels/$$* -include tests/kernels/nn_count.h -D$$*=$$*_counted -DNN_PIXELS=$2 $$(ALL_CFLAGS) $$(HLS_WARN) -c $$< -o $$@
$(call COUNTED,$1)/nn_cycles.o $(call COUNTED,$1)/nn_conv_case.o: $(call COUNTED,$1)/%.o: tests/kernels/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) -DNN_PIXELS=$2 $$(ALL_CFLAGS) -c $$< -o $$@
$(B)/tests/kernels/nn_cycles_$1: $(OVERLAY:%=$(call COUNTED,$1)/%.o) $(call COUNTED,$1)/nn_cycles.o $(call COUNTED,$1)/nn_conv_case.o \
		$(B)/tests/kernels/random.o $(B)/tests/kernels/suite.o $$(REF_OBJ)
	$$(CC) -o $$@ $$^ $$(shell pkg-config --libs check) -lm
TESTS += $(B)/tests/kernels/nn_cycles_$1
endef
$(eval $(call NN_CYCLES,flat,7))
$(eval $(call NN_CYCLES,dfx,4))
