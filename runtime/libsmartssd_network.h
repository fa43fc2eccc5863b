/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libsmartssd: whole networks. An int8 ONNX model is compiled for cards, and run on images that lie on their drives:
 *
 *   smartssd_network_compile()  -> struct smartssd_network -> smartssd_network_save()   as `smartssd compile`
 *   smartssd_network_open()     <- the .ssp file
 *   smartssd_session_open()     a network on cards, its weights loaded; smartssd_session_run() as often as there are images
 *
 * (What quantises a model is `smartssd quantize`.) Documentation/examples/classify.c is a whole program.
 *
 * Errors are those of libsmartssd.h: 0 or -errno, and a text in struct smartssd_error, which may be NULL. Nothing is printed.
 * Ownership: what open, compile and load give is the caller's until close. Texts in the structs below live as long as their network or session does.
 * Threads: a network does not change once it is made; any number of threads and sessions may use it. A session belongs to one thread at a time.
 */
#ifndef LIBSMARTSSD_NETWORK_H
#define LIBSMARTSSD_NETWORK_H

#include "libsmartssd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- networks ---- */

struct smartssd_network;

#define SMARTSSD_OVERLAY_FLAT 0
#define SMARTSSD_OVERLAY_DFX  1

/* How a model is compiled. Zeros are the defaults, and so is NULL in the place of all of them. */
struct smartssd_compile_options {
	uint32_t cards;	     /* that will run it; 0: 1 */
	uint32_t batch;	     /* images at a time where the model leaves its batch open; 0: 1 */
	uint32_t shell;	     /* SMARTSSD_OVERLAY_*: what the cards' FPGAs are loaded with */
	double host_macs_s;  /* int8 multiplications a second of a host that takes part; 0: it does only what the card cannot do */
};

/*
 * Compile a quantised model (QDQ or QLinear form, opset 10 to 17). What no kernel can do is done by the host; smartssd_network_layer() says what and why.
 * -ENOENT, ...: the file; -EBADMSG: it is no ONNX model; -EOPNOTSUPP: an operator that is not known, named; -E2BIG: too large for the cards.
 */
int smartssd_network_compile(const char *onnx, const struct smartssd_compile_options *options, struct smartssd_network **out, struct smartssd_error *err);
/* To a .ssp file, whole or not at all. */
int smartssd_network_save(const struct smartssd_network *network, const char *path, struct smartssd_error *err);
/* From a .ssp file. -EBADMSG: damaged, or none. With SMARTSSD_NETWORK_WEIGHTS the weights are read, too, and their checksum compared; else only cards read them. */
#define SMARTSSD_NETWORK_WEIGHTS 1
int smartssd_network_open(const char *path, uint32_t flags, struct smartssd_network **out, struct smartssd_error *err);
void smartssd_network_close(struct smartssd_network *network);

struct smartssd_network_info {
	const char *name;	/* the model's */
	const char *plan;	/* one sentence: what the planner decided, and why */
	const char *xclbin;	/* what its cards must be loaded with: a name for smartssd_find_file() */
	const char *kernel;	/* one of the kernels in it, for smartssd_find_kernel(): is it loaded? */
	uint32_t shell;		/* SMARTSSD_OVERLAY_* */
	uint32_t cards;		/* that it was planned for ... */
	uint32_t spread;	/* ... 0: images over cards, 1: layers over cards */
	uint32_t inputs, outputs, layers, on_card; /* on_card: of the layers */
	uint32_t batch;		/* images that the model takes at a time: their number must be a multiple; usually 1 */
	uint64_t weights_bytes, macs; /* macs: multiply-accumulates of one image */
	double modelled_seconds; /* of an image of a stream on the planned cards, as hardware; 0: not modelled */
};
void smartssd_network_info(const struct smartssd_network *network, struct smartssd_network_info *out);

/* The model's input, which has to be the only one (else -EOPNOTSUPP), or output @i (-ERANGE) for @images images: array.bytes is the memory that it takes. */
struct smartssd_tensor {
	const char *name;
	struct smartssd_array array; /* [images][...]; type SMARTSSD_* as in .npy files; offset 0 */
	/* Input of floats: 1 to 4 when it also takes bytes, value = (byte * scale - mean[c]) / std[c], one mean for all channels or one each; else 0 */
	uint32_t means;
	float scale, mean[4], std[4];
};
int smartssd_network_input(const struct smartssd_network *network, uint64_t images, struct smartssd_tensor *out);
int smartssd_network_output(const struct smartssd_network *network, uint32_t i, uint64_t images, struct smartssd_tensor *out);

/* Layer @i of info.layers, in order of execution; -ERANGE */
struct smartssd_layer {
	const char *name;	/* the ONNX node that does the main work */
	const char *kind;	/* "input", "conv", "depthwise", "pool", "add"; "graph": a piece of the model that only the host can do */
	const char *output;	/* the ONNX tensor that it makes; of a piece "" */
	const char *why;	/* one sentence: why it is where it is */
	uint32_t on_host;
	uint32_t card;		/* which of info.cards, with layers spread over cards */
	uint64_t macs;
};
int smartssd_network_layer(const struct smartssd_network *network, uint32_t i, struct smartssd_layer *out);

/* ---- sessions ---- */

struct smartssd_session;

/* Zeros are the defaults. */
struct smartssd_session_options {
	uint32_t batch;		 /* images of a job; 0: 1. More use a card better and need more of its memory */
	uint32_t verify;	 /* 1: recompute each layer with the reference from the card's own inputs of that layer, and compare: slow */
	uint32_t timeline;	 /* 1: keep what smartssd_session_timeline() writes, 48 bytes for each command */
	uint32_t io_flags;	 /* SMARTSSD_CMD_PEER_* */
	uint32_t run_timeout_ms; /* a kernel that takes longer hangs; 0: 10 s and what one multiplication per cycle at 100 MHz takes */
	struct smartssd_progress progress; /* in images; called from the thread that runs the session */
};

/*
 * @nr cards (1 to 48) with the network's xclbin loaded (else -ENOEXEC) get memory (else -ENOSPC) and weights. The network and the devices must live as long as the
 * session; @options may be NULL.
 */
int smartssd_session_open(struct smartssd_device *const *devices, uint32_t nr, const struct smartssd_network *network,
			  const struct smartssd_session_options *options, struct smartssd_session **out, struct smartssd_error *err);
void smartssd_session_close(struct smartssd_session *session);

/* The first difference that verification found. */
struct smartssd_difference {
	uint32_t found;	      /* 0: none */
	uint32_t layer;
	uint64_t image, index; /* index: in the layer's output of that image, in the order of the ONNX tensor */
	int32_t card, reference; /* both values */
};

struct smartssd_layer_time {
	uint64_t runs;
	double seconds; /* sum of its runs */
};

struct smartssd_session_report {
	uint64_t images;
	double seconds;			/* wall clock */
	double read_seconds, compute_seconds; /* of it: at least one READ, one RUN was under way (on an emulated card: of the emulation) */
	double modelled_seconds;	/* of an image of a stream on these cards, as hardware; 0: not modelled */
	struct smartssd_counters bytes;	/* of all cards, over the call; loading the weights is part of the first one ... */
	struct smartssd_counters weights; /* ... and this much of it */
	uint64_t host_only_bytes;	/* input that the host-only way would move over the host link */
	uint64_t host_read_bytes;	/* input that the host read itself, for layers that it ran: also over the host link, in no card's counters */
	uint32_t jobs, commands;
	uint32_t peer_reason;		/* SMARTSSD_PEER_OK, or why data was bounced */
	uint32_t cards;			/* that run layers */
	uint32_t lost;			/* of these: gone, or given up */
	uint32_t faults;		/* compute units that hung, crashed, or said that they were done and were not, and were reset */
	uint32_t redone;		/* images computed anew because of that */
	uint32_t host_images;		/* images for which the host did layers of cards that were lost */
	uint64_t lost_cards;		/* a bit for each of the session's devices */
	uint64_t verified;		/* values compared */
	struct smartssd_difference difference;
	const struct smartssd_layer_time *layers; /* info.layers of them; the session's, until its next run */
};

/*
 * Run the network on the first @images images of @source: an array [N][...] of the input's type, or of bytes where it takes them; in a file on the drive, which the
 * cards read by themselves, or in host memory. @outputs[i]: memory for output i (smartssd_network_output()), one for each. @report may be NULL.
 *
 * What a card does wrong does not end the run, and the result is the same bytes:
 *   a compute unit hangs, crashes, or completes without having run: it is reset, and the job's images are computed anew
 *   a card is gone, its compute units cannot be reset, or this is its third fault: it is lost; another card does its images, or the host when there is none.
 *   With layers spread over cards the host does the lost card's layers.
 * -EINVAL, -EOPNOTSUPP: the source does not fit the model. -EIO: the drive reported a media error, or a kernel refused its arguments, both named.
 * -ECANCELED: the progress function wanted it. After an error the outputs are undefined, and the session can be used again. A difference that verification
 * finds is no error: report.difference.
 */
int smartssd_session_run(struct smartssd_session *session, const struct smartssd_source *source, uint64_t images, void *const *outputs,
			 struct smartssd_session_report *report, struct smartssd_error *err);

/* What happened when in the last run, as trace events JSON for Perfetto and chrome://tracing. A file, whole or not at all. */
int smartssd_session_timeline(struct smartssd_session *session, const char *path, struct smartssd_error *err);

#ifdef __cplusplus
}
#endif

#endif
