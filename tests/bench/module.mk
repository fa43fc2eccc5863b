# SPDX-License-Identifier: BSD-2-Clause
$(B)/tests/bench/reads: $(B)/tests/bench/reads.o $(B)/libsmartssd.a
	$(CC) $^ -o $@ $(LIB_LIBS) -pthread

bench-build: $(B)/tests/bench/reads $(B)/kmod-plain/smartssd.ko
BENCHES += tests/bench/vm-reads.sh

$(B)/tests/bench/bench_card: $(B)/tests/bench/bench_card.o $(B)/libsmartssd.a $(REF_OBJ)
	$(CC) $^ -o $@ $(LIB_LIBS) -lm -pthread

BENCHES += $(B)/tests/bench/bench_card
