# SPDX-License-Identifier: BSD-2-Clause
# The embedding store: tables on the drives, and lookups in them. Included by runtime/module.mk; part of the library's objects.
#   STORE_OBJ, STORE_SAN: its objects. STORE_LIBS: what to link with.
STORE_LIBS := -ljansson -lz
STORE_SRC := $(wildcard runtime/store/*.c)
STORE_OBJ := $(STORE_SRC:%.c=$(B)/%.o)
STORE_SAN := $(STORE_SRC:%.c=$(B)/san/%.o)
