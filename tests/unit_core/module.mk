# SPDX-License-Identifier: BSD-2-Clause
# Unit tests of driver/core, with the sanitizers. xclbin_builder also makes the fuzzers' seeds.
UNIT_CORE := $(patsubst tests/unit_core/%.c,$(B)/tests/unit_core/%,$(wildcard tests/unit_core/test_*.c))
UNIT_CORE_PARTS := $(B)/san/tests/unit_core/xclbin_builder.o

$(UNIT_CORE): $(B)/tests/unit_core/%: $(B)/san/tests/unit_core/%.o $(UNIT_CORE_PARTS) $(CORE_SAN)
	@mkdir -p $(@D)
	$(CC) $(SAN) $(UNIT_CORE_LDFLAGS) -o $@ $^ $(shell pkg-config --libs check) -pthread

# Fails allocations one after the other.
$(B)/tests/unit_core/test_oom: UNIT_CORE_LDFLAGS := -Wl,--wrap=calloc

TESTS += $(UNIT_CORE)
