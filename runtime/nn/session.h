/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a program (program.h) on one or several cards. One job for each group of images: READ the images from their file to the card, one RUN for each layer in a
 * row, COPY the result out; the host is not woken between layers. Jobs of consecutive groups are in flight at the same time (NN_SLOTS per card), so that
 * group k + 1 is read while group k is computed. Where layers are on the host, a job ends there and the next begins behind.
 *
 *   session  cards with the weights loaded; NN_SLOTS workers per card, each a thread with memory on the card (a slot)
 *   worker   takes the next group of images, whichever it is, and takes it through all layers:
 *   segment  consecutive layers of one place: one job on a card (exec_job.c), or a loop on the host (exec_host.c); at its end only the values that
 *            other places still need are copied
 *
 * session.c: opening, closing; exec.c: workers and groups; exec_job.c, exec_host.c; source.c: the input; lost.c: what goes wrong with a card;
 * timeline.c; verify.c
 */
#ifndef SMARTSSD_RUNTIME_NN_SESSION_H
#define SMARTSSD_RUNTIME_NN_SESSION_H

#include "program.h"

#define NN_SLOTS 2
#define NN_MAX_CARDS 48

/* Where the images of a model's input are: [images][...] of the model's own input type, or bytes (U1, I1) for a float input (see nn_program.input_scale). */
struct nn_source {
	struct smartssd_source array; /* fd on a drive (read by the card), or host memory */
	uint64_t images;
};

struct nn_options {
	uint32_t batch;	      /* images of a job, >= 1 */
	bool verify;	      /* recompute each layer with the reference, from the card's own inputs of that layer, and compare */
	bool timeline;	      /* keep what nn_session_timeline() writes: 48 bytes for each command */
	uint32_t io_flags;    /* SMARTSSD_CMD_PEER_* */
	uint32_t run_timeout_ms; /* a RUN that takes longer hangs; 0: 10 s and what one multiplication per cycle at 100 MHz takes */
	struct smartssd_progress progress; /* called from the thread that runs the session */
};

/* The first difference that verification found. */
struct nn_difference {
	bool found;
	uint32_t layer;
	uint64_t image, index; /* index: in the value, as in the ONNX tensor's order */
	int32_t card, reference; /* both values as the model's type */
};

struct nn_layer_time {
	uint64_t runs;
	double seconds; /* sum of RUNs */
};

struct nn_report {
	struct smartssd_counters bytes; /* of all cards, over the call, weights included */
	struct smartssd_counters weights; /* the part that loading weights took */
	uint64_t images;
	uint64_t host_only_bytes; /* input that the host-only way would move over the host link */
	uint64_t host_read_bytes; /* input that the host read itself, for layers that it ran: also over the host link, in no card's counters */
	uint32_t jobs, commands, cards;
	uint32_t redone;	  /* images computed anew because of a fault or because a card was lost; on the host when no card was left */
	uint32_t faults;	  /* compute units that hung, crashed, or said that they were done and were not, and were reset */
	uint32_t lost;		  /* cards */
	uint32_t peer_reason;
	double seconds, read_seconds, compute_seconds; /* wall clock; at least one READ, one RUN under way (emulated cards: of the emulation) */
	double modelled_seconds;  /* of an image of a stream on these cards, by the planner's model (plan.h: nn_total.seconds); 0: none */
	struct nn_layer_time *layers; /* nr_layers; of the session, do not free */
	uint64_t verified;	  /* values compared */
	struct nn_difference difference;
};

struct nn_session;

/*
 * Open a session of @program on @devices (cards with the program's overlay xclbin loaded, else -ENOEXEC): memory for weights and slots is taken, weights are read
 * from @weights_fd (a .ssp file at program->weights_offset; peer to peer if it is on the drive) or, @weights_fd < 0, copied from program->weights.
 * The program and devices must live as long as the session. -ENOSPC with an explanation when the card's memory does not suffice.
 */
int nn_session_open(struct smartssd_device *const *devices, uint32_t nr, const struct nn_program *program, int weights_fd,
		    const struct nn_options *options, struct nn_session **out, struct smartssd_error *err);
void nn_session_close(struct nn_session *session);

/*
 * Run all images. @outputs[i]: memory for output i of the program, images * its bytes per image, in ONNX layout and type. @report may be NULL.
 * The weights' bytes are in the first run's report. One run at a time.
 *
 * What a card does wrong does not end the run, and the result is the same bytes:
 *   a compute unit hangs, crashes, or completes without having run: it is reset and the job's images are redone (report.faults, report.redone)
 *   a card is gone, its compute units cannot be reset, or this is its third fault: it is lost (report.lost); its images are redone by another
 *   card, by the host when there is none. With layers spread over cards the host takes over the lost card's layers.
 * -EIO: a kernel refused its arguments (named with layer and check), or the drive reported a media error. -EINVAL, -EOPNOTSUPP: the source does not
 * fit the model. -ECANCELED: the progress function wanted it. Verification that finds a difference is no error: report.difference.
 */
int nn_session_run(struct nn_session *session, const struct nn_source *source, void *const *outputs, struct nn_report *report, struct smartssd_error *err);

/*
 * What happened when, of the last nn_session_run(), as trace events JSON (Perfetto, chrome://tracing): one process per card, one thread each for reads,
 * compute units and the host; arguments: layer, bytes, images. Written whole or not at all.
 */
int nn_session_timeline(struct nn_session *session, const char *path, struct smartssd_error *err);

#endif
