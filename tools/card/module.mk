# SPDX-License-Identifier: BSD-2-Clause
# The emulated card. The model (CARD_OBJ) is part of libsmartssd, the embedded card; smartssd-cu is the worker process of
# one compute unit; smartssd-card is the model behind QEMU's ivshmem-doorbell.
CARD_SRC := $(addprefix tools/card/,card.c cu_regs.c keeper.c spawn.c fault.c find.c number.c thread.c)
CARD_OBJ := $(CARD_SRC:%.c=$(B)/%.o)
CARD_SAN := $(CARD_SRC:%.c=$(B)/san/%.o)

$(B)/smartssd-cu: $(B)/tools/card/cu_main.o
	$(CC) $(LDFLAGS) $^ -ldl -o $@

$(B)/smartssd-card: $(B)/tools/card/ivshmem.o $(B)/tools/card/ring.o $(CARD_OBJ) $(CORE_OBJ)
	$(CC) $(LDFLAGS) -pthread $^ -ldl -o $@

$(B)/tools/card/find.o $(B)/san/tools/card/find.o: CPPFLAGS += -DLIBDIR='"$(LIBDIR)"'

all: $(B)/smartssd-cu $(B)/smartssd-card
