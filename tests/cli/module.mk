# SPDX-License-Identifier: BSD-2-Clause
# The command from outside. fakesys.so gives it another machine's sysfs and nodes, stopwrite.so stops it in mid-import; the sanitizer build takes the malformed files.
$(B)/tests/cli/fakesys.so $(B)/tests/cli/stopwrite.so: $(B)/tests/cli/%.so: tests/cli/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=gnu11 $(WARN) -O2 -fPIC -shared $< -ldl -o $@

TEST_DEPS += $(B)/tests/cli/fakesys.so $(B)/tests/cli/stopwrite.so $(B)/san/smartssd
TESTS += $(wildcard tests/cli/test_*.sh)

$(B)/tests/cli/test_progress: $(B)/tests/cli/test_progress.o $(B)/tools/smartssd/progress.o
	$(CC) $(LDFLAGS) -Wl,--wrap=isatty,--wrap=clock_gettime $^ -o $@

TESTS += $(B)/tests/cli/test_progress
