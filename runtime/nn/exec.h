/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session from inside; session.h has the terms.
 *
 * A value lives at the same offset in each arena: in each slot of each card that runs layers, and in the worker's host memory. Where a value (of
 * card format) is valid is a set of places. A value that is a part of another one (channels of a concatenation) is a leaf; so is a value without parts; a
 * value with parts is valid where all of its parts are.
 *
 * Locks: session.lock (queue of groups, report, first error); card.mend (one worker at a time looks after a faulty card); session.weights_lock.
 */
#ifndef SMARTSSD_RUNTIME_NN_EXEC_H
#define SMARTSSD_RUNTIME_NN_EXEC_H

#include <pthread.h>
#include <stdatomic.h>

#include "../../kernels/status.h"
#include "../op.h"
#include "program_impl.h"
#include "session.h"

#define EXEC_HOST     0u	       /* places */
#define EXEC_CARD(n)  ((n) + 1)	       /* place of card n */
#define EXEC_BIT(p)   (1ull << (p))
#define EXEC_REDO     1		       /* the group is to be done anew */
#define EXEC_STATUS   (KERNEL_STATUS_WORDS * 4)
#define EXEC_FAULTS   2		       /* of a card in one run; with the next one it is lost */
#define EXEC_TRIES    4		       /* of a group on cards; then the card is lost */
#define EXEC_SEGMENT  900		       /* layers of a job: with all copies below SMARTSSD_MAX_CMDS */
#define EXEC_ALIGN    65536u	       /* largest block of a file */
#define EXEC_AHEAD    (8u << 20)       /* bytes that a worker reads ahead at once: enough requests for any drive, and some ms of images for when it pauses */

struct exec_card {
	struct smartssd_device *dev;
	uint32_t number;
	bool used;				/* runs layers */
	bool packs;				/* one that reads the model's input is among them */
	struct smartssd_op_kernel kernel[NN_LAYER_KINDS];
	struct smartssd_bo weights;
	uint64_t weights_from;			/* what of the program's weights is at the BO's weights_at ... */
	uint64_t weights_at;
	struct smartssd_op_source input;	/* during a run */
	struct smartssd_counters before, last;	/* last: as far as known, also when the card is gone */
	pthread_mutex_t mend;
	atomic_bool lost;
	uint32_t faults;			/* mend */
};

struct exec_build;

/* Images in a slot. */
struct exec_input {
	uint64_t at;	 /* in the slot's BO */
	uint64_t skew;	 /* of the first image behind it: reads begin with whole blocks */
	uint64_t image;	 /* the first one */
	uint64_t images; /* 0: nothing is there */
};

/* A worker's memory on one card: arena, input, status words of all layers. */
struct exec_slot {
	struct exec_card *card;
	struct smartssd_bo bo;
	struct exec_input input[2]; /* of the turn at hand, and of the one that is read ahead ... */
	uint32_t side;		    /* ... the former is this one */
	uint64_t status_at;
	struct smartssd_op op;
	struct smartssd_op_job job;
	struct smartssd_op_job ahead; /* reads the next turn's images */
	struct exec_build *build;
	struct smartssd_op_kernel kernel[NN_LAYER_KINDS]; /* with this worker's arguments */
	uint32_t import[NN_MAX_CARDS]; /* the same worker's slots on other cards: BO ids on this card, 0: not yet or not possible */
	bool no_import[NN_MAX_CARDS];
};

/* What a job is built with; kept so that its memory is used again. */
struct exec_build {
	struct exec_touch {
		uint64_t from, to;	/* bytes of the slot's BO ... */
		uint32_t root, at, end; /* ... and when it is a value, whose memory it is and which channels of it */
		bool write;
	} *touches;
	uint32_t nr_touches, room_touches;
	uint32_t *first; /* touch of each command, and behind the last one */
	uint32_t *layer; /* of each command, NN_NOWHERE: none */
	uint32_t room_first, room_layer;
	uint64_t *reach; /* rows of @words: which commands each one waits for, also by way of others */
	uint32_t words, room_reach;
};

/* Groups that follow one another, so that their images are read at once. */
struct exec_turn {
	uint64_t first, nr;
	uint32_t tries; /* of a group that is done anew: alone in its turn */
};

struct exec_event {
	uint64_t start, end, bytes, image;
	uint32_t images;
	uint32_t layer; /* NN_NOWHERE: none */
	uint16_t card;
	uint16_t thread; /* EXEC_TRACK_ */
};
enum { EXEC_TRACK_READ, EXEC_TRACK_COPY, EXEC_TRACK_HOST, EXEC_TRACK_CU };

struct exec_worker {
	struct smartssd_session *s;
	uint32_t home;		 /* its card; with layers spread over cards only for the name of its events */
	pthread_t thread;
	bool started;
	struct exec_slot *slots; /* nr_cards, those of cards that it uses have memory */
	struct smartssd_error err;
	struct exec_turn turn, next; /* what is left of the turn at hand; the one whose images are read ahead, nr 0: none */
	uint64_t grow;		 /* groups of the turn after these, at most */
	/* The group at hand */
	uint64_t group;
	uint32_t tries;
	uint64_t image;		 /* first ... */
	uint32_t images;	 /* ... and how many */
	uint8_t *place;		 /* of each layer */
	bool instead;		 /* some of them on the host because a card was lost */
	uint64_t *valid;	 /* of each value: places */
	/* Host memory, made when it is needed */
	uint8_t *arena;		 /* as on the card */
	uint8_t *staging;	 /* values with parts as they come from a card */
	uint8_t *raw;		 /* the group's input as it is in the file */
	bool raw_there, input_there; /* the latter: the model's input, a plain value */
	void **plain;		 /* plain values */
	uint32_t *status;	 /* of all layers */
	/* What it did */
	struct smartssd_layer_time *times;
	struct exec_event *events;
	uint32_t nr_events, room_events;
	uint64_t host_read_bytes, verified;
	struct smartssd_difference difference;
};

struct smartssd_session {
	const struct nn_program *program;
	struct smartssd_session_options options;
	struct nn_memory memory;
	struct exec_card *cards;
	uint32_t nr_cards;
	struct exec_worker *workers;
	uint32_t nr_workers;
	bool *has_parts;	 /* of each value */
	uint32_t unit;		 /* images that the model takes at once */
	uint32_t batch;		 /* images of a job, a multiple of unit */
	uint64_t input_bytes;	 /* of one image, of whatever type sources may be, at most */
	uint64_t side_bytes;	 /* of images in one of a slot's inputs, at least a group's ... */
	uint32_t sides;		 /* ... of which there are 2; 1 when card memory is short: then nothing is read ahead */
	int weights_fd;		 /* ours */
	uint8_t *weights;	 /* on the host, when somebody needed them ... */
	bool own_weights;
	pthread_mutex_t weights_lock;
	struct smartssd_counters weights_count;
	bool counted;		 /* weights_count is in a report */

	/* A run */
	const struct smartssd_source *source;
	struct nn_layer *pack;	 /* the layers, with PACK as this source's type needs it */
	uint64_t image_bytes;	 /* as it goes to a PACK layer */
	bool convert;		 /* the source's bytes become the model's floats on the host */
	uint64_t images, groups;
	void *const *outputs;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint64_t next, done, images_done; /* groups, images */
	uint64_t most;		 /* groups of a turn */
	struct exec_turn *redo;	 /* given back */
	uint32_t nr_redo, room_redo, running;
	int ret;		 /* of the first error; the workers stop */
	struct smartssd_error err;
	uint32_t redone, faults, host_images;
	uint64_t start_ns;
	struct smartssd_layer_time *times;
	struct smartssd_spans reads, runs;
};

/* ---- exec.c ---- */

/* Is @value valid at @place? */
bool exec_valid(const struct exec_worker *w, uint32_t value, uint32_t place);
/* @value was written at @place, and is valid nowhere else. */
void exec_wrote(struct exec_worker *w, uint32_t value, uint32_t place);
void exec_also_valid(struct exec_worker *w, uint32_t value, uint32_t place);
/* Values that a layer reads and writes; NN_NONE_VALUE where it has fewer. */
static inline uint32_t exec_nr_in(const struct nn_layer *layer)
{
	return layer->kind == NN_LAYER_GRAPH ? layer->graph.nr_in : 2;
}

static inline uint32_t exec_in(const struct nn_layer *layer, uint32_t i)
{
	return layer->kind == NN_LAYER_GRAPH ? layer->graph.in[i] : layer->in[i];
}

static inline uint32_t exec_nr_out(const struct nn_layer *layer)
{
	return layer->kind == NN_LAYER_GRAPH ? layer->graph.nr_out : 1;
}

static inline uint32_t exec_out(const struct nn_layer *layer, uint32_t i)
{
	return layer->kind == NN_LAYER_GRAPH ? layer->graph.out[i] : layer->out;
}

/* Of card format, and none of the values that only stand for their parts. */
static inline bool exec_is_leaf(const struct smartssd_session *s, uint32_t value)
{
	return value != NN_NONE_VALUE && !s->program->values[value].plain && !s->has_parts[value];
}

/* Is leaf @leaf @value itself, or a part of it? */
static inline bool exec_belongs(const struct smartssd_session *s, uint32_t leaf, uint32_t value)
{
	return leaf == value || (s->has_parts[value] && s->program->values[leaf].whole == value);
}

bool exec_card_left(const struct smartssd_session *s);
int exec_event(struct exec_worker *w, const struct exec_event *event);
int exec_no_memory(struct smartssd_error *err, const char *what);
/* Host arena; -ENOMEM */
int exec_arena(struct exec_worker *w);
int exec_weights(struct smartssd_session *s, struct smartssd_error *err);
void exec_add_counters(struct smartssd_counters *sum, const struct smartssd_counters *now, const struct smartssd_counters *before);

/* ---- exec_input.c ---- */

/* Are the group's images in the slot? */
bool exec_input_there(const struct exec_worker *w, const struct exec_slot *slot);
/* Append the command to the slot's job that brings them: its index or -errno, and what it writes in the slot's BO. */
int exec_input_command(struct exec_worker *w, struct exec_slot *slot, uint64_t *at, uint64_t *bytes);
/* Where in the slot's BO they begin. */
uint64_t exec_input_at(const struct exec_worker *w, const struct exec_slot *slot);
/* Begin to read the images of w->next. */
int exec_input_ahead(struct exec_worker *w);
/* w->next becomes the turn at hand: wait for its images. */
int exec_input_turn(struct exec_worker *w);
/* Forget what is in the slots; nothing is being read any more. */
void exec_input_drop(struct exec_worker *w);
/* Groups that are worth reading at once. */
uint64_t exec_input_groups(const struct smartssd_session *s);

/* ---- exec_job.c ---- */

/*
 * Layers [from, to) on a card: build the job, run it, judge it. 0, EXEC_REDO, -errno. @need: values that the host needs behind it (a bool for each
 * value).
 */
int exec_card_segment(struct exec_worker *w, struct exec_slot *slot, uint32_t from, uint32_t to, const bool *need);
/* Layers' times and events of @job, which is done; @layers: of its commands, NULL: none. */
int exec_note(struct exec_worker *w, const struct exec_slot *slot, const struct smartssd_op_job *job, const uint32_t *layers, uint64_t image, uint32_t images);
/* Bring @value from wherever it is to the host, by a job of its own. */
int exec_fetch(struct exec_worker *w, uint32_t value);

/* ---- exec_host.c ---- */

int exec_host_segment(struct exec_worker *w, uint32_t from, uint32_t to);
/* Memory of a plain value for all images of a group. */
void *exec_plain(struct exec_worker *w, uint32_t value);
/* Outputs to where the caller wants them. */
int exec_outputs(struct exec_worker *w);

/* ---- source.c ---- */

/* Check the source against the model and prepare the PACK layers. */
int exec_source_check(struct smartssd_session *s, const struct smartssd_source *source, uint64_t images, struct smartssd_error *err);
/* The group's input on the host: as in the file (w->raw), as the model's input (the plain value). */
int exec_source_raw(struct exec_worker *w);
int exec_source_plain(struct exec_worker *w);

/* ---- lost.c ---- */

/*
 * A job on @card failed with @ret (command @failed), or (@ret 0) compute unit @cu completed without having run. EXEC_REDO when the group is to be
 * redone, else @ret: it is not the card's fault.
 */
int exec_fault(struct exec_worker *w, struct exec_slot *slot, int ret, uint32_t failed, uint32_t cu);
/* @card does not answer any more: EXEC_REDO. */
int exec_lose(struct smartssd_session *s, struct exec_card *card);

/* ---- verify.c ---- */

/* All values of the group are in the host arena (memory plan with keep): compare. */
int exec_verify(struct exec_worker *w);

#endif
