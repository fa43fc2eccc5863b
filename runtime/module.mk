# SPDX-License-Identifier: BSD-2-Clause
# libsmartssd: the library, the embedded card in it included.
#   $(B)/libsmartssd.a, $(B)/libsmartssd.so    link with $(LIB_LIBS)
# LIB_OBJ, LIB_SAN: the same as objects, for programs of this tree (they also see what the version script hides).
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib/smartssd
LIB_VERSION := 0.1.0
include runtime/nn/module.mk
include runtime/store/module.mk
include runtime/opencl/module.mk
LIB_LIBS := -luring $(NN_LIBS) $(STORE_LIBS) -ldl -lm -pthread

LIB_SRC := $(wildcard runtime/*.c)
LIB_OBJ = $(LIB_SRC:%.c=$(B)/%.o) $(NN_OBJ) $(STORE_OBJ) $(CARD_OBJ) $(CORE_OBJ)
LIB_SAN = $(LIB_SRC:%.c=$(B)/san/%.o) $(NN_SAN) $(STORE_SAN) $(CARD_SAN) $(CORE_SAN)

.SECONDEXPANSION:
$(B)/libsmartssd.a: $$(LIB_OBJ)
	rm -f $@
	ar rcs $@ $^

# For tests that bring a part of their own.
$(B)/san/libsmartssd.a: $$(LIB_SAN)
	rm -f $@
	ar rcs $@ $^

$(B)/libsmartssd.so.0: $$(LIB_OBJ) runtime/libsmartssd.map
	$(CC) -shared $(LDFLAGS) -Wl,-soname,libsmartssd.so.0 -Wl,--version-script,runtime/libsmartssd.map -Wl,-z,defs \
		$(filter %.o,$^) $(LIB_LIBS) -o $@

$(B)/libsmartssd.so: $(B)/libsmartssd.so.0
	ln -sf libsmartssd.so.0 $@

$(B)/libsmartssd.pc: runtime/module.mk
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' 'includedir=$${prefix}/include' '' 'Name: libsmartssd' \
		'Description: SmartSSDs (an NVMe SSD and an FPGA behind one PCIe switch) from C' 'Version: $(LIB_VERSION)' \
		'Libs: -L$${libdir} -lsmartssd' 'Libs.private: $(LIB_LIBS)' 'Cflags: -I$${includedir}/smartssd/runtime' >$@

all: $(B)/libsmartssd.a $(B)/libsmartssd.so $(B)/libsmartssd.pc

# The headers keep their places to each other: libsmartssd.h includes ../uapi/smartssd.h.
install-runtime: all
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/smartssd/runtime $(DESTDIR)$(PREFIX)/include/smartssd/uapi \
		$(DESTDIR)$(PREFIX)/share/man/man3
	install -m 644 $(B)/libsmartssd.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(B)/libsmartssd.so.0 $(DESTDIR)$(PREFIX)/lib/
	ln -sf libsmartssd.so.0 $(DESTDIR)$(PREFIX)/lib/libsmartssd.so
	install -m 644 $(B)/libsmartssd.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/
	install -m 644 runtime/libsmartssd.h runtime/libsmartssd_network.h runtime/libsmartssd_store.h $(DESTDIR)$(PREFIX)/include/smartssd/runtime/
	install -m 644 uapi/smartssd.h $(DESTDIR)$(PREFIX)/include/smartssd/uapi/
	install -m 644 $(wildcard Documentation/man/*.3) $(DESTDIR)$(PREFIX)/share/man/man3/

.PHONY: install-runtime
