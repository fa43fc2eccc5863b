# SPDX-License-Identifier: BSD-2-Clause
# `smartssd xclbin`: the packer and reader.
XCLBIN_SRC := $(wildcard tools/xclbin/*.c)
XCLBIN_OBJ := $(XCLBIN_SRC:%.c=$(B)/%.o)
VERB_OBJ += $(XCLBIN_OBJ)
VERB_LIBS += -lcrypto
