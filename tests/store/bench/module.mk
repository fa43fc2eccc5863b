# SPDX-License-Identifier: BSD-2-Clause
# Lookups against what else could be done. All of it takes about five minutes.
STORE_LOOKUPS := $(B)/tests/store/bench/lookups
$(STORE_LOOKUPS): $(patsubst %,$(B)/tests/store/%.o,bench/lookups bench/way_engine baseline_mmap baseline_uring baseline_pool) $(B)/libsmartssd.a \
		| $(B)/kernels.xclbin $(B)/smartssd-cu
	$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

bench-build: $(STORE_LOOKUPS)
BENCHES += $(patsubst %,tests/store/bench/%,pooling.py larger-than-memory.sh full-size.sh) tests/store/vm-store-bench.sh
