# SPDX-License-Identifier: BSD-2-Clause
# The embedded card by itself: Check tests under ASan and UBSan, many threads under TSan, and what a launch costs.
EMU_SRC := $(wildcard runtime/emu*.c)
EMU_TEST := $(addprefix tests/emu/,main.c open.c job.c io.c share.c fault.c util.c)

# objects with ThreadSanitizer
$(B)/tsan/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -fsanitize=thread -c $< -o $@

$(B)/tsan/tools/card/find.o: CPPFLAGS += -DLIBDIR='"$(LIBDIR)"'

$(B)/tests/emu/test_emu: $(EMU_TEST:%.c=$(B)/san/%.o) $(EMU_SRC:%.c=$(B)/san/%.o) $(CARD_SAN) $(CORE_SAN)
	@mkdir -p $(@D)
	$(CC) $(SAN) -Wl,--wrap=pread,--wrap=pwrite $^ -lcheck -lsubunit -lrt $(LIB_LIBS) -o $@

$(B)/tests/emu/test_threads: $(patsubst %.c,$(B)/tsan/%.o,tests/emu/threads.c tests/emu/clone.c tests/emu/util.c $(EMU_SRC)) \
		$(CARD_SRC:%.c=$(B)/tsan/%.o) $(CORE_SRC:%.c=$(B)/tsan/%.o)
	@mkdir -p $(@D)
	$(CC) -fsanitize=thread -Wl,--wrap=clone $^ -lcheck -lsubunit -lrt $(LIB_LIBS) -o $@

$(B)/tests/bench/bench_launch: $(B)/tests/bench/bench_launch.o $(B)/libsmartssd.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

$(B)/tests/emu/ek.xclbin: tests/emu/ek.c tests/emu/noop.c $(B)/smartssd
	@mkdir -p $(@D)
	$(B)/smartssd xclbin pack -o $@ --kernel tests/emu/ek.c --cus 2 --kernel tests/emu/noop.c

TESTS += $(B)/tests/emu/test_emu $(B)/tests/emu/test_threads
BENCHES += $(B)/tests/bench/bench_launch
TEST_DEPS += $(B)/tests/emu/ek.xclbin $(B)/smartssd-cu
