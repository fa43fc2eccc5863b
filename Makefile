# SPDX-License-Identifier: BSD-2-Clause
# make          library, tool, emulated card, kernels        build/
# make demo     the main job on the embedded card
# make check    every test, the driver in a VM included
# make bench    speed, as ratios
# make tsan     sessions under ThreadSanitizer
# make fuzz     libFuzzer on every parser
# Each folder says in its module.mk what it adds; all objects go to build/.
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

B := build
CC := gcc
# A warning is an error, but not what a newer compiler than Debian 12's has learnt to warn of: that must not keep anybody from building.
WERROR := $(if $(filter 12,$(shell $(CC) -dumpversion)),-Werror)
WARN := -Wall -Wextra $(WERROR) -Wno-missing-field-initializers -Wshadow -Wstrict-prototypes
CFLAGS ?= -O2 -g
CPPFLAGS += -I. -D_GNU_SOURCE
# No fused multiply-add behind our back: results are the same bytes on every machine.
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) -ffp-contract=off -fPIC -pthread -MMD -MP

# Collected from the folders, see tests/module.mk.
TESTS :=
BENCHES :=
TEST_DEPS :=

all:

include driver/module.mk
include kernels/module.mk
include tools/module.mk
include runtime/module.mk
include tests/module.mk

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c $< -o $@

# The same with AddressSanitizer and UndefinedBehaviorSanitizer, for tests and fuzzers. -O1: compiling is most of what they cost.
SAN := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
$(B)/san/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(SAN) -c $< -o $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)

clean:
	rm -rf $(B)

.PHONY: all demo check bench clean
