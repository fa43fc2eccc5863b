# SPDX-License-Identifier: BSD-2-Clause
# A test program prints TAP on standard output, or is a Check program (they print TAP to $CK_TAP_LOG_FILE_NAME), or is a script
# that does; exit 77 or "# SKIP" is a skip. Folders add theirs:
#   TESTS += $(B)/tests/unit/test_x         run by `make check` in this order
#   BENCHES += $(B)/tests/bench/bench_x     run by `make bench`; exit 77: what it compares with is not there
# and what tests need beside themselves: TEST_DEPS += ...
include $(wildcard tests/*/module.mk)

# Guests leave a core idle most of the time, so they run beside the other tests, the longest first.
VMS_LONG := tests/e2e/vm-driver.sh tests/e2e/vm-removal.sh
VMS = $(VMS_LONG) $(filter-out $(VMS_LONG),$(filter tests/e2e/%,$(TESTS)))

check-build: all $(TESTS) $(TEST_DEPS)

check:
	tools/install-packages check
	$(MAKE) kernel-debug
	$(MAKE) -j$$(nproc) check-build
	@$(MAKE) --no-print-directory check-run

# What there is to build and run depends on packages, which `check` may have installed: so each step is a make of its own.
check-run:
	@tests/run $(filter-out tests/e2e/%,$(TESTS)) -- $(VMS)

bench:
	tools/install-packages bench
	$(MAKE) kernel-plain
	$(MAKE) -j$$(nproc) bench-build
	@$(MAKE) --no-print-directory bench-run

bench-build: all $(BENCHES) $(TEST_DEPS)

bench-run:
	@for b in $(BENCHES); do echo "== $$b"; SMARTSSD_LIBDIR=$(CURDIR)/$(B) $$b || [ $$? = 77 ] || exit 1; done

.PHONY: check check-build check-run bench bench-build bench-run
