# SPDX-License-Identifier: BSD-2-Clause
# The OpenCL platform, where its headers are: packages opencl-c-headers, ocl-icd-opencl-dev, libxrt-dev. Included by runtime/module.mk.
#   $(B)/libsmartssd-opencl.so                 the installable client driver, on top of libsmartssd.so.0
#   $(B)/opencl/vendors/smartssd.icd           for OCL_ICD_VENDORS=$(B)/opencl/vendors, which takes it from the build tree
#   $(B)/san/libsmartssd-opencl.so, $(B)/san/opencl/vendors, likewise tsan: with sanitizers, the library inside
# The vendor's header lies beside XRT's own, and includes the standard cl_ext.h as the next one of that name.
OPENCL_INCLUDE := /usr/include/xrt
OPENCL_VENDORS ?= /etc/OpenCL/vendors
OPENCL_FLAGS := -isystem $(OPENCL_INCLUDE)
HAVE_OPENCL := $(and $(wildcard /usr/include/CL/cl_icd.h),$(wildcard $(OPENCL_INCLUDE)/CL/cl_ext_xilinx.h))
OPENCL_SRC := $(wildcard runtime/opencl/*.c)
OPENCL_OBJ := $(OPENCL_SRC:%.c=$(B)/%.o)
OPENCL_SAN := $(OPENCL_SRC:%.c=$(B)/san/%.o)
OPENCL_TSAN := $(OPENCL_SRC:%.c=$(B)/tsan/%.o)
OPENCL_MAP := runtime/opencl/libsmartssd-opencl.map
OPENCL_LINK = $(CC) -shared $(LDFLAGS) -Wl,-soname,libsmartssd-opencl.so -Wl,--version-script,$(OPENCL_MAP) -Wl,-z,nodelete

ifneq ($(HAVE_OPENCL),)
$(OPENCL_OBJ) $(OPENCL_SAN) $(OPENCL_TSAN): CPPFLAGS += $(OPENCL_FLAGS)

$(B)/libsmartssd-opencl.so: $(OPENCL_OBJ) $(OPENCL_MAP) $(B)/libsmartssd.so
	$(OPENCL_LINK) -Wl,-z,defs $(filter %.o,$^) -L$(B) -lsmartssd -pthread -Wl,-rpath,'$$ORIGIN' -o $@

.SECONDEXPANSION:
$(B)/san/libsmartssd-opencl.so: $(OPENCL_SAN) $$(LIB_SAN) $(OPENCL_MAP)
	$(OPENCL_LINK) $(SAN) $(filter %.o,$^) $(LIB_LIBS) -o $@

# Of the library what is threads' affair, with ThreadSanitizer (as tests/nn does it), and the C library's clone() (tests/emu/clone.c).
OPENCL_TSAN_LIB = $(foreach o,$(sort $(LIB_OBJ)),$(if $(filter $(B)/runtime/% $(B)/tools/card/% $(B)/driver/core/%,$o),$(o:$(B)/%=$(B)/tsan/%),$o))
$(B)/tsan/libsmartssd-opencl.so: $(OPENCL_TSAN) $$(OPENCL_TSAN_LIB) $(B)/tsan/tests/emu/clone.o $(OPENCL_MAP)
	$(OPENCL_LINK) -fsanitize=thread -Wl,--wrap=clone $(filter %.o,$^) $(LIB_LIBS) -o $@

# The loader wants the full name.
$(B)/opencl/vendors/smartssd.icd $(B)/san/opencl/vendors/smartssd.icd $(B)/tsan/opencl/vendors/smartssd.icd: $(B)/%opencl/vendors/smartssd.icd: $(B)/%libsmartssd-opencl.so
	@mkdir -p $(@D)
	echo $(abspath $<) >$@

all: $(B)/libsmartssd-opencl.so $(B)/opencl/vendors/smartssd.icd

install-runtime: install-opencl
install-opencl: all
	install -d $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/share/smartssd/vendors
	install -m 755 $(B)/libsmartssd-opencl.so $(DESTDIR)$(PREFIX)/lib/
	install -d $(DESTDIR)$(LIBDIR)
	install -m 644 $(B)/examples.xclbin $(DESTDIR)$(LIBDIR)/
	echo $(PREFIX)/lib/libsmartssd-opencl.so >$(DESTDIR)$(PREFIX)/share/smartssd/vendors/smartssd.icd
	@install -d $(DESTDIR)$(OPENCL_VENDORS) && cp $(DESTDIR)$(PREFIX)/share/smartssd/vendors/smartssd.icd $(DESTDIR)$(OPENCL_VENDORS)/ || \
		echo "no permission to write $(OPENCL_VENDORS)/smartssd.icd: set OCL_ICD_VENDORS=$(PREFIX)/share/smartssd/vendors to use it"

.PHONY: install-opencl
endif
