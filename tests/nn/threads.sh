#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Sessions with ThreadSanitizer: those of their tests in which threads and cards meet. A data race ends the program with status 66. In one process, because a
# fork of Check's would leave the sanitizer's own thread behind. A fifth of the images, and half of the faults: __SANITIZE_THREAD__ in test_session.c.
root=$(cd "$(dirname "$0")/../.." && pwd)
export CK_RUN_CASE=threads CK_FORK=no TSAN_OPTIONS="exitcode=66 ${TSAN_OPTIONS:-}"
exec "${SMARTSSD_LIBDIR:-$root/build}/tsan/tests/nn/test_session"
