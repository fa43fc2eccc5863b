# SPDX-License-Identifier: BSD-2-Clause
# The packer and reader. The tool under test is `smartssd xclbin` alone, with sanitizers; the walk-through uses the real command.
XCLBIN_SAN = $(XCLBIN_SRC:%.c=$(B)/san/%.o) $(patsubst %,$(B)/san/tools/smartssd/%.o,json options text) $(LIB_SAN)
XCLBIN_TOOL := $(B)/tests/xclbin/smartssd-xclbin

.SECONDEXPANSION:
$(XCLBIN_TOOL): $(B)/san/tests/xclbin/tool_main.o $$(XCLBIN_SAN)
	@mkdir -p $(@D)
	$(CC) $(SAN) $^ -lcrypto $(LIB_LIBS) -o $@

$(B)/tests/xclbin/test_proto: $(B)/san/tests/xclbin/test_proto.o $$(XCLBIN_SAN)
	@mkdir -p $(@D)
	$(CC) $(SAN) $^ -lcrypto $(LIB_LIBS) $(shell pkg-config --libs check) -o $@

# Loads a shared object that was made without sanitizers, so it is without as well.
$(B)/tests/xclbin/call_cu: $(B)/tests/xclbin/call_cu.o $(CORE_OBJ)
	$(CC) $^ -ldl -o $@

$(B)/tests/xclbin/xrt_view: tests/xclbin/xrt_view.cpp
	@mkdir -p $(@D)
	g++ -std=c++17 -Wall -Wextra -Werror -O1 -isystem /usr/include/xrt $< -lxrt_coreutil -luuid -o $@

TEST_DEPS += $(XCLBIN_TOOL) $(B)/tests/xclbin/call_cu $(B)/tests/xclbin/xrt_view
TESTS += $(B)/tests/xclbin/test_proto tests/xclbin/pack.sh tests/xclbin/cpp.sh tests/xclbin/malformed.sh tests/xclbin/xrt.sh tests/xclbin/walkthrough.sh
