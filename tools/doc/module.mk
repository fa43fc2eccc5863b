# SPDX-License-Identifier: BSD-2-Clause
# Documentation that is made from sources. `make doc` rewrites it; a test holds the committed copy against it.
doc:
	tools/doc/abi-rst uapi/smartssd.h >Documentation/abi.rst

.PHONY: doc
