/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a program (program.h) on one or several cards: what is behind smartssd_session_*() of libsmartssd_network.h, which has options and reports.
 *
 * One job for each group of images: READ the images from their file to the card, one RUN for each layer in a row, COPY the result out; the host is not
 * woken between layers. Several are in flight (NN_SLOTS per card), and beside them jobs that read the images of later groups. Where layers are on the host, a job
 * ends there and the next begins behind.
 *
 *   session  cards with the weights loaded; NN_SLOTS workers per card, each a thread with memory on the card (a slot)
 *   worker   takes the next group of images, whichever it is, and takes it through all layers:
 *   segment  consecutive layers of one place: one job on a card (exec_job.c), or a loop on the host (exec_host.c); at its end only the values that
 *            other places still need are copied
 *
 * session.c: opening, closing; exec.c: workers and groups; exec_input.c: images to cards; exec_job.c, exec_host.c: segments; source.c: does the input
 * fit the model; lost.c: what goes wrong with a card; timeline.c; verify.c
 */
#ifndef SMARTSSD_RUNTIME_NN_SESSION_H
#define SMARTSSD_RUNTIME_NN_SESSION_H

#include "../libsmartssd_network.h"
#include "program.h"

#define NN_SLOTS 2
#define NN_MAX_CARDS 48

/*
 * smartssd_session_open() for a program: weights are read from @weights_fd (a .ssp file at program->weights_offset; peer to peer if it is on the drive) or,
 * @weights_fd < 0, copied from program->weights. The program and devices must live as long as the session.
 */
int nn_session_open(struct smartssd_device *const *devices, uint32_t nr, const struct nn_program *program, int weights_fd,
		    const struct smartssd_session_options *options, struct smartssd_session **out, struct smartssd_error *err);

#endif
