# SPDX-License-Identifier: BSD-2-Clause
# The command. Verbs of other folders (tools/xclbin, tools/vm) add their objects to VERB_OBJ and their libraries to VERB_LIBS.
# Expanded when the rule is used, because runtime/ and others are included after this file.
.SECONDEXPANSION:

TOOL_SRC := $(wildcard tools/smartssd/*.c)
TOOL_OBJ := $(TOOL_SRC:%.c=$(B)/%.o)
VERB_LIBS += -lnvme -lz

$(B)/smartssd: $$(TOOL_OBJ) $$(VERB_OBJ) $$(LIB_OBJ) $$(CARD_OBJ) $$(CORE_OBJ)
	$(CC) $(LDFLAGS) -pthread $(sort $^) $(VERB_LIBS) $(LIB_LIBS) -lm -o $@

$(B)/tools/smartssd/main.o $(B)/san/tools/smartssd/main.o: CPPFLAGS += -DVERSION='"$(LIB_VERSION)"'

all: $(B)/smartssd

# The same with the sanitizers, for tests with malformed files. It finds kernels.xclbin by SMARTSSD_LIBDIR.
TOOL_SAN = $(patsubst $(B)/%,$(B)/san/%,$(sort $(TOOL_OBJ) $(VERB_OBJ) $(LIB_OBJ) $(CARD_OBJ) $(CORE_OBJ)))
$(B)/san/smartssd: $$(TOOL_SAN)
	$(CC) $(LDFLAGS) $(SAN) -pthread $^ $(VERB_LIBS) $(LIB_LIBS) -lm -o $@

# What the command and the embedded card need at run time. $(PREFIX) must be the one that they were built with: it is where they look.
install: all install-runtime
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(B)/smartssd $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(B)/smartssd-cu $(B)/smartssd-card $(DESTDIR)$(LIBDIR)/
	install -m 644 $(B)/kernels.xclbin $(B)/overlay-flat.xclbin $(B)/overlay-dfx.xclbin $(DESTDIR)$(LIBDIR)/
	install -m 644 $(wildcard Documentation/man/*.1) $(DESTDIR)$(PREFIX)/share/man/man1/

.PHONY: install
