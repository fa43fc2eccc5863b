# SPDX-License-Identifier: BSD-2-Clause
include $(wildcard tools/*/module.mk)
