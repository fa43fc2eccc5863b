# SPDX-License-Identifier: BSD-2-Clause
# The emulated card: registers, workers and their ends, the ivshmem transport. Each program also brings its own bitstreams.
CARD_TESTS := $(addprefix $(B)/tests/card/,test_registers test_workers test_ivshmem test_qemu)
CARD_BITS := $(addprefix $(B)/tests/card/,bits.so bits-crash.so bits-hang.so)

$(B)/tests/card/bits-crash.so: BITS_FLAGS := -DCONSTRUCTOR_CRASHES
$(B)/tests/card/bits-hang.so: BITS_FLAGS := -DCONSTRUCTOR_HANGS
$(CARD_BITS): tests/card/bits.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE $(BITS_FLAGS) -O1 -fPIC -shared $< -o $@

# With the sanitizers: the card believes a host and a worker as little as it can, and here is where they show what it got wrong.
$(CARD_TESTS): %: $(B)/san/tests/card/rig.o $(CARD_SAN) $(CORE_SAN) $(CARD_BITS) $(B)/smartssd-cu $(B)/smartssd-card
$(CARD_TESTS): $(B)/tests/card/%: $(B)/san/tests/card/%.o
	$(CC) $(LDFLAGS) $(SAN) -pthread $(filter %.o,$^) $(shell pkg-config --libs check) -ldl -o $@

TESTS += $(CARD_TESTS)
