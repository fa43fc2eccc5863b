# SPDX-License-Identifier: BSD-2-Clause
# Fuzzers. In `make check`: with gcc's sanitizers and our own mutations, about 1 s of CPU time each. With clang there is also
#   make fuzz [FUZZ_SECONDS=20]    libFuzzer, so long for each target; what it finds stays in $(B)/fuzz/
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PROGRAMS := $(FUZZ:%=$(B)/tests/fuzz/fuzz_%)
FUZZ_PARTS := tests/unit_core/xclbin_builder.c $(CORE_SRC)
$(B)/tests/fuzz/fuzz_npy: $(B)/san/runtime/npy.o $(B)/san/runtime/error.o
$(B)/fuzz/npy: runtime/npy.c runtime/error.c
$(B)/tests/fuzz/fuzz_onnx: $(B)/san/tests/nn/sample.o $(NN_GRAPH_SAN) $(B)/san/runtime/error.o
$(B)/tests/fuzz/fuzz_onnx: private FUZZ_LIBS := $(NN_LIBS) -lm
$(B)/fuzz/onnx: tests/nn/sample.c $(NN_GRAPH_SRC) $(B)/nn/onnx.pb-c.c kernels/reference/mac.c runtime/error.c
$(B)/fuzz/onnx: private FUZZ_LIBS := $(NN_LIBS) -lm
$(B)/fuzz/onnx $(B)/san/tests/fuzz/fuzz_onnx.o: CPPFLAGS += -I$(B)
$(B)/san/tests/fuzz/fuzz_onnx.o: | $(B)/nn/onnx.pb-c.h
FUZZ_TRACE := $(patsubst %,runtime/store/%.c,trace trace_io model zipf npz npz_save) runtime/npy.c runtime/npy_save.c runtime/error.c
$(B)/tests/fuzz/fuzz_trace: $(B)/san/libsmartssd.a
$(B)/tests/fuzz/fuzz_trace: private FUZZ_LIBS = $(LIB_LIBS)
$(B)/fuzz/trace: $(FUZZ_TRACE) $(B)/libsmartssd.a
$(B)/fuzz/trace: private FUZZ_LIBS = $(B)/libsmartssd.a $(LIB_LIBS)
# What these want of the store and below it, with coverage; the rest of the library without.
FUZZ_STORE := $(patsubst %,runtime/store/%.c,volume volume_folder volume_lock volume_object volume_raw volume_slot delta layout rowfmt crc32c rows safetensors store manifest import writer table \
	verify) $(patsubst %,runtime/%.c,npy npy_save whole error)
$(patsubst %,$(B)/tests/fuzz/fuzz_%,store delta safetensors): $(B)/san/libsmartssd.a
$(patsubst %,$(B)/tests/fuzz/fuzz_%,store delta safetensors): private FUZZ_LIBS = $(LIB_LIBS)
$(patsubst %,$(B)/fuzz/%,store delta safetensors): $(FUZZ_STORE) $(B)/libsmartssd.a
$(patsubst %,$(B)/fuzz/%,store delta safetensors): private FUZZ_LIBS = $(B)/libsmartssd.a $(LIB_LIBS)
$(B)/tests/fuzz/fuzz_dlrm: $(B)/san/libsmartssd.a
$(B)/tests/fuzz/fuzz_dlrm: private FUZZ_LIBS = $(LIB_LIBS)
$(B)/fuzz/dlrm: runtime/store/dlrm.c runtime/store/dlrm_weights.c runtime/store/dlrm_reference.c runtime/store/safetensors.c $(B)/libsmartssd.a
$(B)/fuzz/dlrm: private FUZZ_LIBS = $(B)/libsmartssd.a $(LIB_LIBS)
FUZZ_SECONDS ?= 20
CLANG ?= clang

$(FUZZ_PROGRAMS): $(B)/tests/fuzz/%: $(B)/san/tests/fuzz/%.o $(B)/san/tests/fuzz/driver.o $(FUZZ_PARTS:%.c=$(B)/san/%.o)
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $^ $(FUZZ_LIBS)

TESTS += $(FUZZ_PROGRAMS)

# The driver's hook has nothing to do under libFuzzer, which sees coverage itself.
$(FUZZ:%=$(B)/fuzz/%): $(B)/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/outcome.c tests/fuzz/fuzz.h $(FUZZ_PARTS) $(wildcard driver/core/*.h)
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(filter %.c,$^) $(FUZZ_LIBS) -o $@

fuzz: $(FUZZ_PROGRAMS)
	@command -v $(CLANG) >/dev/null || { echo "make fuzz needs clang: apt-get install clang"; exit 1; }
	$(MAKE) $(FUZZ:%=$(B)/fuzz/%)
	@for f in $(FUZZ); do echo "== $$f"; mkdir -p $(B)/fuzz/$$f-seeds $(B)/fuzz/$$f-found; \
		$(B)/tests/fuzz/fuzz_$$f --seeds $(B)/fuzz/$$f-seeds && \
		$(B)/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -artifact_prefix=$(B)/fuzz/crash-$$f- \
			$(B)/fuzz/$$f-found $(B)/fuzz/$$f-seeds >$(B)/fuzz/$$f.log 2>&1 || { tail -40 $(B)/fuzz/$$f.log; exit 1; }; \
		grep '^Done' $(B)/fuzz/$$f.log; done

.PHONY: fuzz
