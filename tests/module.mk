# SPDX-License-Identifier: BSD-2-Clause
# A test program prints TAP on standard output, or is a Check program (they print TAP to $CK_TAP_LOG_FILE_NAME), or is a script
# that does; exit 77 or "# SKIP" is a skip. Folders add theirs:
#   TESTS += $(B)/tests/unit/test_x         run by `make check` in this order
#   BENCHES += $(B)/tests/bench/bench_x     run by `make bench`
TESTS :=
BENCHES :=
include $(wildcard tests/*/module.mk)
