/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The embedded card: the ABI of uapi/smartssd.h served inside this process, on the card model (tools/card) and the driver's own
 * logic (driver/core). It does what the driver does, without a kernel: what the driver gets from PCI, the block layer and
 * interrupts comes from direct calls, io_uring and card_poll().
 *
 * Where the two cannot be equal:
 *  - poll: emu_poll_fd() is the end of a pipe. It says POLLHUP once the card is gone and its jobs have ended, as the driver does, but
 *    never POLLERR with it.
 *  - WAIT is never interrupted by a signal (no EINTR).
 *  - XCLBIN_LOAD needs no privilege: the card belongs to the process.
 *  - A file opened with O_DIRECT is opened anew without, through /proc/self/fd, so that the embedded card can read any piece. Where
 *    this process may not do that (any more), FILE_REGISTER fails with EACCES.
 *  - An embedded card does not survive fork(): the child has neither its threads nor its card and must not use it.
 *
 * Peer to peer is modelled: a READ straight into card memory counts as ssd_to_card although the bytes come through the page
 * cache.
 *
 * Threads: all functions but emu_close() may be called from any thread at any time.
 */
#ifndef SMARTSSD_EMU_H
#define SMARTSSD_EMU_H

#include <stdint.h>
#include "libsmartssd.h"

struct emu;

/*
 * Make a card. @options: what follows "emu:" in a device's URI, see smartssd_open(); NULL or "" for the defaults. 0 or -errno:
 * -EINVAL for an unknown key or a bad value (@err names it and what is valid), else what making the card met.
 */
int emu_open(const char *options, struct emu **out, struct smartssd_error *err);

/*
 * Let go of a card. Commands that have not started are dropped, those that run are waited for: a RUN up to its own deadline,
 * but no longer than two seconds, then its compute unit is stopped. Mappings stay valid until they are unmapped with munmap().
 */
void emu_close(struct emu *emu);

/* ioctl() on the card: 0 or -errno. */
int emu_ioctl(struct emu *emu, unsigned long request, void *arg);

/* Descriptor to poll(), not to read; owned by the card; -errno. */
int emu_poll_fd(struct emu *emu);

/* mmap() and munmap() of a BO at smartssd_bo.mmap_offset, its first @bytes bytes: 0 or -errno. */
int emu_mmap(struct emu *emu, uint64_t mmap_offset, uint64_t bytes, void **out);
int emu_munmap(struct emu *emu, void *map, uint64_t bytes);

#endif
