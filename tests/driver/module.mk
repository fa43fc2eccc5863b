# SPDX-License-Identifier: BSD-2-Clause
TESTS += tests/driver/build.sh tests/driver/doc.sh
