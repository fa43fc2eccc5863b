# SPDX-License-Identifier: BSD-2-Clause
# The command from outside. fakesys.so gives it another machine's sysfs and nodes, stopwrite.so stops it in mid-import, badread.so is a drive with a bad
# block; the sanitizer build takes the malformed files.
CLI_SHIMS := $(patsubst %,$(B)/tests/cli/%.so,fakesys stopwrite badread)
$(CLI_SHIMS): $(B)/tests/cli/%.so: tests/cli/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=gnu11 $(WARN) -O2 -fPIC -shared $< -ldl -o $@

TEST_DEPS += $(CLI_SHIMS) $(B)/san/smartssd
TESTS += $(wildcard tests/cli/test_*.sh)

$(B)/tests/cli/test_progress: $(B)/tests/cli/test_progress.o $(B)/tools/smartssd/progress.o
	$(CC) $(LDFLAGS) -Wl,--wrap=isatty,--wrap=clock_gettime $^ -o $@

TESTS += $(B)/tests/cli/test_progress
