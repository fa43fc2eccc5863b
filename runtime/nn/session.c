// SPDX-License-Identifier: BSD-2-Clause
/* Sessions: what is made once for a program on its cards: kernels found, weights loaded, memory of the slots. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "exec.h"

/* ---- weights ---- */

int exec_weights(struct smartssd_session *s, struct smartssd_error *err)
{
	const struct nn_program *p = s->program;
	int ret = 0;

	pthread_mutex_lock(&s->weights_lock);
	if (!s->weights && p->weights) {
		s->weights = p->weights;
	} else if (!s->weights) {
		if (posix_memalign((void **)&s->weights, 64, max_u64(p->weights_bytes, 64)))
			s->weights = NULL;
		s->own_weights = s->weights;
		ret = s->weights ? smartssd_read_all(s->weights_fd, s->weights, p->weights_bytes, p->weights_offset) : -ENOMEM;
		if (ret) {
			smartssd_fail(err, ret, "the weights cannot be read to the host: %s", strerror(-ret));
			if (s->own_weights)
				free(s->weights);
			s->weights = NULL;
			s->own_weights = false;
		}
	}
	pthread_mutex_unlock(&s->weights_lock);
	return ret;
}

static bool on_card(const struct smartssd_session *s, const struct nn_layer *layer, uint32_t card)
{
	return layer->kind != NN_LAYER_GRAPH && layer->place == NN_ON_CARD && (!s->program->spread || layer->card % s->nr_cards == card);
}

static void extend(uint64_t *from, uint64_t *to, uint64_t at, uint64_t bytes)
{
	if (!bytes)
		return;
	*from = min_u64(*from, at);
	*to = max_u64(*to, at + bytes);
}

/* What of the weights a card's layers use. */
static void weights_range(const struct smartssd_session *s, uint32_t card, uint64_t *from, uint64_t *to)
{
	*from = UINT64_MAX;
	*to = 0;
	for (uint32_t i = 0; i < s->program->nr_layers; i++) {
		const struct nn_layer *l = &s->program->layers[i];

		if (!on_card(s, l, card))
			continue;
		extend(from, to, l->w_at, l->w_bytes);
		extend(from, to, l->coef_at, l->coef_bytes);
		extend(from, to, l->lut_at, l->lut_bytes);
	}
	if (!*to)
		*from = 0;
}

static int load_weights(struct smartssd_session *s, struct exec_card *card, struct smartssd_op *op)
{
	const struct nn_program *p = s->program;
	struct smartssd_source source = { .array = { .offset = p->weights_offset, .bytes = p->weights_bytes }, .fd = s->weights_fd, .data = p->weights };
	struct smartssd_op_source file = { 0 };
	struct smartssd_op_job job = { 0 };
	struct smartssd_extent ext;
	uint64_t from, to, start, end;
	uint32_t failed;
	int ret, cmd;

	weights_range(s, card->number, &from, &to);
	if (to > p->weights_bytes)
		return smartssd_fail(op->err, -EINVAL, "the program's layers use %llu bytes of weights, it has %llu", (unsigned long long)to,
				     (unsigned long long)p->weights_bytes);
	card->weights_from = from;
	if (from == to)
		return 0;
	ret = smartssd_op_source_open(op, &source, "the weights", &file);
	if (ret)
		return ret;
	start = file.file ? align_down(p->weights_offset + from, file.align) : p->weights_offset + from;
	end = file.file ? align_up(p->weights_offset + to, file.align) : p->weights_offset + to;
	card->weights_at = p->weights_offset + from - start;
	ext = (struct smartssd_extent){ start, 0, end - start };
	ret = smartssd_op_bo(op, end - start, "the weights", &card->weights);
	if (!ret && smartssd_list_create(&job.list))
		ret = exec_no_memory(op->err, "a command list");
	if (!ret) {
		cmd = file.file ? smartssd_list_read(job.list, file.file, card->weights.bo, &ext, 1, s->options.io_flags) :
				  smartssd_list_copy_to(job.list, card->weights.bo, 0, p->weights + from, to - from);
		if (cmd < 0)
			ret = smartssd_fail(op->err, cmd, "the weights cannot be loaded: %s", strerror(-cmd));
	}
	if (!ret)
		ret = smartssd_op_submit(op, &job);
	if (!ret)
		ret = smartssd_op_wait(op, &job, &failed);
	smartssd_op_job_free(op, &job);
	smartssd_op_source_close(op, &file);
	return ret;
}

/* ---- cards ---- */

static int find_kernels(struct smartssd_session *s, struct exec_card *card, struct smartssd_op *op)
{
	const struct nn_program *p = s->program;
	const char *names[SMARTSSD_MAX_ARGS], *file = p->shell == NN_SHELL_DFX ? "overlay-dfx.xclbin" : "overlay-flat.xclbin";
	char text[sizeof(op->err->text)];
	struct nn_arguments a;
	int ret;

	for (uint32_t l = 0; l < p->nr_layers; l++) {
		const struct nn_layer *layer = &p->layers[l];
		uint32_t nr = 0;

		if (!on_card(s, layer, card->number) || card->kernel[layer->kind].nr)
			continue;
		if (nn_layer_arguments(p, layer, &s->memory, s->batch, 0, nn_layer_rows(p, layer), &a))
			return smartssd_fail(op->err, -EINVAL, "layer '%.100s' has no rows", layer->name);
		for (uint32_t i = 0; i < a.nr_pointers; i++)
			names[nr++] = a.pointer[i];
		for (uint32_t i = 0; i < a.nr_scalars; i++)
			names[nr++] = a.scalar[i];
		ret = smartssd_op_kernel(op, a.kernel, names, nr, &card->kernel[layer->kind]);
		if (!ret)
			continue;
		if (op->err)
			memcpy(text, op->err->text, sizeof(text));
		return smartssd_fail(op->err, ret, "%s: networks need the kernels of %s: %.300s", smartssd_uri(card->dev), file,
				     op->err ? text : "");
	}
	return 0;
}

/* A slot's memory: activations, inputs, status words; @slot (may be NULL): where each is. */
static uint64_t slot_bytes(const struct smartssd_session *s, const struct exec_card *card, struct exec_slot *slot)
{
	uint64_t at = align_up(s->memory.card_bytes, 4096);

	for (uint32_t i = 0; i < s->sides && card->packs; i++) {
		if (slot)
			slot->input[i].at = at;
		at += align_up(s->side_bytes + 2 * EXEC_ALIGN, 4096);
	}
	if (slot)
		slot->status_at = at;
	return at + max_u64((uint64_t)s->program->nr_layers * EXEC_STATUS, EXEC_STATUS);
}

static uint32_t slots_of_card(const struct smartssd_session *s)
{
	return s->program->spread ? s->nr_workers : NN_SLOTS;
}

/* Bytes that a card needs in all; UINT64_MAX: more than there are. */
static uint64_t card_bytes(const struct smartssd_session *s, const struct exec_card *card)
{
	uint64_t from, to, need;

	weights_range(s, card->number, &from, &to);
	if (__builtin_mul_overflow(align_up(slot_bytes(s, card, NULL), 4096), (uint64_t)slots_of_card(s), &need) ||
	    __builtin_add_overflow(need, align_up(to - from, 4096) + 2 * 4096, &need))
		return UINT64_MAX;
	return need;
}

static int too_small(const struct smartssd_session *s, const struct exec_card *card, uint64_t ddr_free, struct smartssd_error *err)
{
	uint64_t from, to;

	weights_range(s, card->number, &from, &to);
	return smartssd_fail(err, -ENOSPC,
			     "model '%.80s' does not fit the memory of %s: %llu bytes of weights and %u times %llu of activations and input "
			     "(%u image%s each), %llu are free: %s",
			     s->program->name, smartssd_uri(card->dev), (unsigned long long)(to - from), slots_of_card(s),
			     (unsigned long long)slot_bytes(s, card, NULL), s->batch, s->batch == 1 ? "" : "s", (unsigned long long)ddr_free,
			     s->batch > s->unit ? "use a smaller batch" : "use a card with more memory, or plan it for several cards");
}

/*
 * How much is read ahead: what is worth it, or less, or nothing, so that all cards have memory for it. Whether they have any for the rest is said before
 * anything is read.
 */
static int share_memory(struct smartssd_session *s, struct smartssd_error *err)
{
	uint64_t group = s->batch * s->input_bytes;

	/* Each slot may have a job and a read ahead under way on one card. */
	s->sides = 2 * slots_of_card(s) <= SMARTSSD_MAX_JOBS ? 2 : 1;
	s->side_bytes = max_u64(align_up(EXEC_AHEAD + group, 4096), group);
	for (uint32_t c = 0; c < s->nr_cards; c++) {
		struct exec_card *card = &s->cards[c];
		struct smartssd_query query;
		int ret = card->used ? smartssd_query(card->dev, &query) : 0;

		if (ret == -ENODEV)
			atomic_store(&card->lost, true);
		else if (ret)
			return smartssd_fail(err, ret, "%s does not answer a query: %s", smartssd_uri(card->dev), strerror(-ret));
		if (ret || !card->used)
			continue;
		while (card_bytes(s, card) > query.ddr_free) {
			if (s->side_bytes > group)
				s->side_bytes = max_u64(s->side_bytes / 2, group);
			else if (s->sides == 2)
				s->sides = 1;
			else
				return too_small(s, card, query.ddr_free, err);
		}
	}
	return 0;
}

/* A card that goes away meanwhile is lost like one that goes in mid-run. */
static int open_card(struct smartssd_session *s, struct exec_card *card, struct smartssd_error *err)
{
	struct smartssd_counters now;
	struct smartssd_op op;
	int ret;

	if (!card->used || atomic_load(&card->lost))
		return 0;
	ret = smartssd_op_begin(&op, card->dev, NULL, err);
	if (!ret)
		ret = find_kernels(s, card, &op);
	if (!ret)
		ret = load_weights(s, card, &op);
	if (!ret)
		ret = smartssd_counters(card->dev, SMARTSSD_COUNT_FILE, &now);
	if (!ret)
		exec_add_counters(&s->weights_count, &now, &op.before);
	smartssd_op_end(&op, ret, NULL);
	if (ret != -ENODEV)
		return ret;
	atomic_store(&card->lost, true);
	return 0;
}

/* ---- workers ---- */

static int open_slot(const struct smartssd_session *s, struct exec_slot *slot, struct smartssd_error *err)
{
	struct smartssd_op op = { .dev = slot->card->dev, .err = err };
	uint64_t bytes = slot_bytes(s, slot->card, slot);
	int ret;

	memcpy(slot->kernel, slot->card->kernel, sizeof(slot->kernel));
	slot->build = calloc(1, sizeof(*slot->build));
	if (!slot->build || smartssd_list_create(&slot->job.list) || smartssd_list_create(&slot->ahead.list))
		return exec_no_memory(err, "a command list");
	ret = smartssd_op_bo(&op, bytes, "activations", &slot->bo);
	if (ret == -ENODEV) {
		atomic_store(&slot->card->lost, true);
		return 0;
	}
	return ret == -ENOMEM ? -ENOSPC : ret;
}

static int open_worker(struct smartssd_session *s, struct exec_worker *w, uint32_t number, struct smartssd_error *err)
{
	const struct nn_program *p = s->program;
	int ret = 0;

	w->s = s;
	w->home = number % s->nr_cards;
	w->slots = calloc(s->nr_cards, sizeof(*w->slots));
	w->place = calloc(p->nr_layers + 1ull, 1);
	w->valid = calloc(p->nr_values + 1ull, sizeof(*w->valid));
	w->plain = calloc(p->nr_values + 1ull, sizeof(*w->plain));
	w->status = calloc(p->nr_layers + 1ull, EXEC_STATUS);
	w->times = calloc(p->nr_layers + 1ull, sizeof(*w->times));
	if (!w->slots || !w->place || !w->valid || !w->plain || !w->status || !w->times)
		return exec_no_memory(err, "a worker");
	for (uint32_t c = 0; c < s->nr_cards && !ret; c++) {
		w->slots[c].card = &s->cards[c];
		if (s->cards[c].used && !atomic_load(&s->cards[c].lost) && (p->spread || c == w->home))
			ret = open_slot(s, &w->slots[c], err);
	}
	return ret;
}

static void close_worker(struct smartssd_session *s, struct exec_worker *w)
{
	for (uint32_t c = 0; c < s->nr_cards && w->slots; c++) {
		struct exec_slot *slot = &w->slots[c];
		struct smartssd_op op = { .dev = s->cards[c].dev };

		smartssd_op_job_free(&op, &slot->job);
		smartssd_op_job_free(&op, &slot->ahead);
		for (uint32_t i = 0; i < s->nr_cards; i++)
			if (slot->import[i])
				smartssd_bo_destroy(s->cards[c].dev, slot->import[i]);
		if (slot->bo.bo)
			smartssd_bo_destroy(s->cards[c].dev, slot->bo.bo);
		if (slot->build) {
			free(slot->build->touches);
			free(slot->build->first);
			free(slot->build->layer);
			free(slot->build->reach);
		}
		free(slot->build);
	}
	for (uint32_t v = 0; w->plain && v < s->program->nr_values; v++)
		free(w->plain[v]);
	free(w->slots);
	free(w->place);
	free(w->valid);
	free(w->plain);
	free(w->status);
	free(w->times);
	free(w->arena);
	free(w->staging);
	free(w->raw);
	free(w->events);
}

/* ---- sessions ---- */

static int check(struct smartssd_device *const *devices, uint32_t nr, const struct nn_program *p, int weights_fd,
		 const struct smartssd_session_options *options, struct smartssd_error *err)
{
	if (!nr || nr > NN_MAX_CARDS || !devices)
		return smartssd_fail(err, -EINVAL, "%u cards: 1 to %u can run one model", nr, NN_MAX_CARDS);
	if (options->batch > INT32_MAX)
		return smartssd_fail(err, -EINVAL, "a batch of %u images is too large", options->batch);
	if (p->nr_inputs != 1)
		return smartssd_fail(err, -EOPNOTSUPP, "model '%.80s' has %u inputs: models with exactly one can be run", p->name, p->nr_inputs);
	if (weights_fd < 0 && !p->weights && p->weights_bytes)
		return smartssd_fail(err, -EINVAL, "model '%.80s': neither a file with the weights nor the weights in memory", p->name);
	return smartssd_op_check_flags(err, options->io_flags);
}

static int prepare(struct smartssd_session *s, struct smartssd_device *const *devices, struct smartssd_error *err)
{
	const struct nn_program *p = s->program;
	const struct nn_value *in = &p->values[p->inputs[0]];
	uint32_t used = 0;
	int ret;

	if (!in->plain)
		return smartssd_fail(err, -EOPNOTSUPP, "model '%.80s': its input is of card format", p->name);
	s->unit = nn_program_batch(p);
	if (s->unit > INT32_MAX || __builtin_mul_overflow((uint32_t)div_up(s->options.batch, s->unit), s->unit, &s->batch))
		return smartssd_fail(err, -EINVAL, "a batch of %u images is too large", s->options.batch);
	s->input_bytes = (uint64_t)nn_count(&in->dims) / s->unit * nn_type_bytes(in->type);
	ret = nn_memory_plan(p, s->batch, s->options.verify, &s->memory);
	if (ret)
		return smartssd_fail(err, ret, "the memory of model '%.80s' cannot be laid out for %u images at once: %s", p->name, s->batch,
				     strerror(-ret));
	s->has_parts = calloc(p->nr_values + 1ull, 1);
	s->pack = calloc(p->nr_layers + 1ull, sizeof(*s->pack));
	s->times = calloc(p->nr_layers + 1ull, sizeof(*s->times));
	s->cards = calloc(s->nr_cards, sizeof(*s->cards));
	if (!s->has_parts || !s->pack || !s->times || !s->cards)
		return exec_no_memory(err, "a session");
	for (uint32_t v = 0; v < p->nr_values; v++)
		if (p->values[v].whole != NN_NONE_VALUE)
			s->has_parts[p->values[v].whole] = true;
	for (uint32_t c = 0; c < s->nr_cards; c++) {
		s->cards[c].dev = devices[c];
		s->cards[c].number = c;
		pthread_mutex_init(&s->cards[c].mend, NULL);
		for (uint32_t l = 0; l < p->nr_layers; l++) {
			s->cards[c].used |= on_card(s, &p->layers[l], c);
			s->cards[c].packs |= on_card(s, &p->layers[l], c) && p->layers[l].kind == NN_LAYER_PACK;
		}
		used += s->cards[c].used;
	}
	/* Spread: one group in each card, and one being read. */
	s->nr_workers = p->spread ? used + 1 : NN_SLOTS * s->nr_cards;
	ret = share_memory(s, err);
	for (uint32_t c = 0; c < s->nr_cards && !ret; c++)
		ret = open_card(s, &s->cards[c], err);
	s->workers = ret ? NULL : calloc(s->nr_workers, sizeof(*s->workers));
	if (!ret && !s->workers)
		ret = exec_no_memory(err, "a session");
	for (uint32_t i = 0; i < s->nr_workers && !ret; i++)
		ret = open_worker(s, &s->workers[i], i, err);
	return ret;
}

int nn_session_open(struct smartssd_device *const *devices, uint32_t nr, const struct nn_program *program, int weights_fd,
		    const struct smartssd_session_options *options, struct smartssd_session **out, struct smartssd_error *err)
{
	pthread_condattr_t attr;
	struct smartssd_session *s;
	int ret = check(devices, nr, program, weights_fd, options, err);

	*out = NULL;
	if (ret)
		return ret;
	s = calloc(1, sizeof(*s));
	if (!s)
		return exec_no_memory(err, "a session");
	s->program = program;
	s->options = *options;
	s->options.batch = options->batch ? options->batch : 1;
	s->options.verify = options->verify != 0;
	s->nr_cards = nr;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->weights_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->cond, &attr);
	pthread_condattr_destroy(&attr);
	s->weights_fd = weights_fd < 0 ? -1 : fcntl(weights_fd, F_DUPFD_CLOEXEC, 3);
	if (weights_fd >= 0 && s->weights_fd < 0)
		ret = smartssd_fail(err, -errno, "the model's file: %s", strerror(errno));
	if (!ret)
		ret = prepare(s, devices, err);
	if (ret)
		smartssd_session_close(s);
	else
		*out = s;
	return ret;
}

void smartssd_session_close(struct smartssd_session *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; s->workers && i < s->nr_workers; i++)
		close_worker(s, &s->workers[i]);
	for (uint32_t c = 0; s->cards && c < s->nr_cards; c++) {
		if (s->cards[c].weights.bo)
			smartssd_bo_destroy(s->cards[c].dev, s->cards[c].weights.bo);
		pthread_mutex_destroy(&s->cards[c].mend);
	}
	if (s->weights_fd >= 0)
		close(s->weights_fd);
	if (s->own_weights)
		free(s->weights);
	free(s->reads.span);
	free(s->runs.span);
	free(s->workers);
	free(s->redo);
	free(s->cards);
	free(s->pack);
	free(s->times);
	free(s->has_parts);
	free(s->memory.offset);
	pthread_cond_destroy(&s->cond);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->weights_lock);
	free(s);
}
