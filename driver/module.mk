# SPDX-License-Identifier: BSD-2-Clause
# driver/core: compiled into the module and, here, for user space.
CORE_SRC := $(wildcard driver/core/*.c)
CORE_OBJ := $(CORE_SRC:%.c=$(B)/%.o)
CORE_SAN := $(CORE_SRC:%.c=$(B)/san/%.o)
