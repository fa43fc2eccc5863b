// SPDX-License-Identifier: BSD-2-Clause
/*
 * A segment of layers on a card, as one job:
 *
 *   COPY   zeros over the status words; values that other places hold, from host memory or (imported) from another card
 *   READ   the images, when there is a PACK layer and they were not read ahead (exec_input.c)
 *   RUN    each layer
 *   COPY   values that the host needs, and all status words
 *
 * Each command says which bytes of the slot it reads and writes; it waits for the earlier commands that it conflicts with, but for none for
 * which it waits anyway by way of another one.
 */
#include <stdio.h>
#include <unistd.h>

#include "exec.h"

static int cannot_extend(struct exec_worker *w, struct smartssd_list *list, int cmd)
{
	return smartssd_fail(&w->err, cmd, "a list of %u commands cannot be extended: %s", smartssd_list_count(list), strerror(-cmd));
}

/* ---- dependencies ---- */

static int begin_list(struct exec_worker *w, struct exec_slot *slot, uint32_t layers)
{
	struct exec_build *b = slot->build;

	smartssd_list_clear(slot->job.list);
	b->nr_touches = 0;
	/* At most: status twice, input, one RUN a layer, one copy in and one out for each value. */
	b->words = (uint32_t)div_up(min_u64(4ull + layers + 2ull * w->s->program->nr_values, SMARTSSD_MAX_CMDS), 64);
	return 0;
}

static int touch(struct exec_build *b, uint64_t from, uint64_t bytes, uint32_t root, uint32_t at, uint32_t end, bool write)
{
	int ret = smartssd_grow(&b->touches, &b->room_touches, b->nr_touches + 1ull, 64, sizeof(*b->touches));

	if (!ret)
		b->touches[b->nr_touches++] = (struct exec_touch){ from, from + bytes, root, at, end, write };
	return ret;
}

static int touch_memory(struct exec_slot *slot, uint64_t from, uint64_t bytes, bool write)
{
	return touch(slot->build, from, bytes, NN_NONE_VALUE, 0, 0, write);
}

/* @all: also what lies beside the value's channels */
static int touch_value(struct exec_worker *w, struct exec_slot *slot, uint32_t value, bool all, bool write)
{
	const struct nn_value *v = &w->s->program->values[value];
	uint32_t root = nn_value_root(w->s->program, value), at = all || v->whole == NN_NONE_VALUE ? 0 : v->at;
	uint32_t channels = all ? w->s->program->values[root].channels : v->channels;

	return touch(slot->build, w->s->memory.offset[root], nn_value_bytes(w->s->program, &w->s->program->values[root], w->images), root, at, at + channels, write);
}

static bool conflict(const struct exec_touch *a, const struct exec_touch *b)
{
	if ((!a->write && !b->write) || a->from >= b->to || b->from >= a->to)
		return false;
	return a->root != b->root || a->root == NN_NONE_VALUE || (a->at < b->end && b->at < a->end);
}

/* Command @cmd (or an error) is appended, and the touches since the last call are its own. */
static int link_command(struct exec_worker *w, struct exec_slot *slot, int cmd, uint32_t first, uint32_t layer)
{
	struct smartssd_list *list = slot->job.list;
	struct exec_build *b = slot->build;
	uint64_t *mine;

	if (cmd < 0)
		return cannot_extend(w, list, cmd);
	if (smartssd_grow(&b->first, &b->room_first, cmd + 2ull, 64, sizeof(*b->first)) ||
	    smartssd_grow(&b->layer, &b->room_layer, cmd + 1ull, 64, sizeof(*b->layer)) ||
	    smartssd_grow(&b->reach, &b->room_reach, (cmd + 1ull) * b->words, 1024, sizeof(*b->reach)))
		return exec_no_memory(&w->err, "a command list");
	b->first[cmd] = first;
	b->first[cmd + 1] = b->nr_touches;
	b->layer[cmd] = layer;
	mine = b->reach + (uint64_t)cmd * b->words;
	memset(mine, 0, b->words * sizeof(*mine));
	for (int c = cmd - 1; c >= 0; c--) {
		bool found = false;

		if (mine[c / 64] >> (c % 64) & 1)
			continue;
		for (uint32_t i = b->first[c]; i < b->first[c + 1] && !found; i++)
			for (uint32_t k = first; k < b->nr_touches && !found; k++)
				found = conflict(&b->touches[i], &b->touches[k]);
		if (!found)
			continue;
		smartssd_list_depend(list, cmd, c);
		mine[c / 64] |= 1ull << (c % 64);
		for (uint32_t i = 0; i < b->words; i++)
			mine[i] |= b->reach[(uint64_t)c * b->words + i];
	}
	return 0;
}

/* ---- values in ---- */

/* The slot's BO of the same worker on card @from, as an id on this one; 0: there is no such way. */
static uint32_t import_slot(struct exec_worker *w, struct exec_slot *slot, uint32_t from)
{
	struct exec_slot *source = &w->slots[from];
	uint64_t bytes;
	int fd;

	if (slot->import[from] || slot->no_import[from])
		return slot->import[from];
	slot->no_import[from] = true;
	if (!source->bo.bo || smartssd_bo_export(source->card->dev, source->bo.bo, &fd))
		return 0;
	if (smartssd_bo_import(slot->card->dev, fd, &slot->import[from], &bytes))
		slot->import[from] = 0;
	else
		slot->no_import[from] = false;
	close(fd);
	return slot->import[from];
}

/* A card that has @value, and from which it can be copied; NULL */
static struct exec_slot *other_card(struct exec_worker *w, struct exec_slot *slot, uint32_t value)
{
	for (uint32_t c = 0; c < w->s->nr_cards; c++)
		if (w->valid[value] & EXEC_BIT(EXEC_CARD(c)) && import_slot(w, slot, c))
			return &w->slots[c];
	return NULL;
}

/*
 * Before the list is built: what cannot come to this card with a command of the segment's own job comes to the host. A part is sent with all of its whole,
 * so that the host must have what this card has of it.
 */
static int fetch_first(struct exec_worker *w, struct exec_slot *slot, uint32_t leaf)
{
	const struct nn_value *values = w->s->program->values;
	uint32_t whole = values[leaf].whole, here = EXEC_CARD(slot->card->number);
	int ret = 0;

	if (whole == NN_NONE_VALUE)
		return exec_valid(w, leaf, EXEC_HOST) || other_card(w, slot, leaf) ? 0 : exec_fetch(w, leaf);
	if (!exec_valid(w, leaf, EXEC_HOST))
		ret = exec_fetch(w, leaf);
	for (uint32_t v = 0; v < w->s->program->nr_values && !ret; v++)
		if (values[v].whole == whole && exec_valid(w, v, here) && !exec_valid(w, v, EXEC_HOST))
			ret = exec_fetch(w, v);
	return ret;
}

static int bring_in(struct exec_worker *w, struct exec_slot *slot, uint32_t leaf)
{
	const struct smartssd_session *s = w->s;
	uint32_t root = nn_value_root(s->program, leaf), here = EXEC_CARD(slot->card->number), first = slot->build->nr_touches;
	uint64_t at = s->memory.offset[root], bytes = nn_value_bytes(s->program, &s->program->values[root], w->images);
	struct exec_slot *from;
	int ret, cmd;

	ret = touch_value(w, slot, leaf, true, true);
	if (ret)
		return exec_no_memory(&w->err, "a command list");
	if (exec_valid(w, leaf, EXEC_HOST)) {
		cmd = smartssd_list_copy_to(slot->job.list, slot->bo.bo, at, w->arena + at, bytes);
	} else {
		from = other_card(w, slot, leaf);
		cmd = from ? smartssd_list_copy_bo(slot->job.list, slot->bo.bo, at, slot->import[from->card->number], at, bytes) : -ENOENT;
	}
	ret = link_command(w, slot, cmd, first, NN_NOWHERE);
	for (uint32_t v = 0; v < s->program->nr_values && !ret; v++)
		if (exec_is_leaf(s, v) && exec_belongs(s, v, root) && (v == leaf || exec_valid(w, v, EXEC_HOST)))
			exec_also_valid(w, v, here);
	return ret;
}

/* Call @each for the leaves that layers [from, to) read and that neither this card has nor these layers make. */
static int for_missing(struct exec_worker *w, struct exec_slot *slot, uint32_t from, uint32_t to,
		       int (*each)(struct exec_worker *, struct exec_slot *, uint32_t))
{
	const struct nn_program *p = w->s->program;
	uint32_t here = EXEC_CARD(slot->card->number);
	bool *made = calloc(p->nr_values, 1);
	int ret = 0;

	if (!made)
		return exec_no_memory(&w->err, "a command list");
	for (uint32_t l = from; l < to && !ret; l++) {
		for (uint32_t i = 0; i < exec_nr_in(&p->layers[l]) && !ret; i++) {
			uint32_t value = exec_in(&p->layers[l], i);

			if (value == NN_NONE_VALUE || p->values[value].plain)
				continue;
			for (uint32_t v = 0; v < p->nr_values && !ret; v++)
				if (exec_is_leaf(w->s, v) && exec_belongs(w->s, v, value) && !made[v] && !exec_valid(w, v, here))
					ret = each(w, slot, v);
		}
		for (uint32_t v = 0; v < p->nr_values; v++)
			if (exec_is_leaf(w->s, v) && exec_belongs(w->s, v, p->layers[l].out))
				made[v] = true;
	}
	free(made);
	return ret;
}

static int add_input(struct exec_worker *w, struct exec_slot *slot)
{
	uint32_t first = slot->build->nr_touches;
	uint64_t at, bytes;
	int cmd;

	if (exec_input_there(w, slot))
		return 0;
	cmd = exec_input_command(w, slot, &at, &bytes);
	if (touch_memory(slot, at, bytes, true))
		return exec_no_memory(&w->err, "a command list");
	return link_command(w, slot, cmd, first, NN_NOWHERE);
}

/* ---- layers ---- */

static uint64_t layer_macs(const struct nn_layer *layer)
{
	return layer->kind == NN_LAYER_CONV ? layer->conv.macs : layer->kind == NN_LAYER_DEPTHWISE ? layer->depthwise.macs : 0;
}

/*
 * The input begins at any byte of the slot: the kernel's pointer is the word before that, and x_skip says how far behind it the first element is.
 * nn_layer_arguments() knows where in the input the run begins.
 */
static void set_input(struct exec_worker *w, struct exec_slot *slot, uint32_t pointer, struct nn_arguments *args, struct smartssd_op_kernel *k)
{
	const struct nn_pointer *p = &args->where[pointer];
	uint64_t from = exec_input_at(w, slot), end = from + w->images * w->s->image_bytes, at;

	from += p->offset;
	for (uint32_t i = 0; i < args->nr_scalars; i++) {
		if (strcmp(args->scalar[i], "x_skip"))
			continue;
		at = align_down(from + args->value[i], NN_LANES);
		args->value[i] = (uint32_t)(from + args->value[i] - at);
		smartssd_op_pointer(k, pointer, slot->bo.bo, at, end - at);
	}
}

static int set_arguments(struct exec_worker *w, struct exec_slot *slot, uint32_t l, struct smartssd_op_kernel *k)
{
	const struct smartssd_session *s = w->s;
	const struct nn_layer *layer = &s->pack[l];
	struct nn_arguments args;
	int ret = nn_layer_arguments(s->program, layer, &s->memory, w->images, 0, nn_layer_rows(s->program, layer), &args);

	if (ret || args.nr_pointers + args.nr_scalars != k->nr)
		return smartssd_fail(&w->err, ret ? ret : -EINVAL, "layer '%s': its arguments cannot be made for %u images", layer->name,
				     w->images);
	for (uint32_t i = 0; i < args.nr_pointers; i++) {
		const struct nn_pointer *p = &args.where[i];
		uint64_t status = slot->status_at + (uint64_t)l * EXEC_STATUS;

		/* A pointer that is not used must point somewhere, too; 0 bytes would mean all that follow. */
		if (p->in == NN_IN_STATUS || (p->in != NN_IN_FILE && !p->bytes))
			smartssd_op_pointer(k, i, slot->bo.bo, status, EXEC_STATUS);
		else if (p->in == NN_IN_WEIGHTS)
			smartssd_op_pointer(k, i, slot->card->weights.bo,
					    slot->card->weights_at + p->offset - slot->card->weights_from, p->bytes);
		else if (p->in == NN_IN_FILE)
			set_input(w, slot, i, &args, k);
		else
			smartssd_op_pointer(k, i, slot->bo.bo, p->offset, p->bytes);
	}
	for (uint32_t i = 0; i < args.nr_scalars; i++)
		smartssd_op_scalar(k, args.nr_pointers + i, args.value[i]);
	return 0;
}

static int add_run(struct exec_worker *w, struct exec_slot *slot, uint32_t l)
{
	const struct nn_layer *layer = &w->s->pack[l];
	struct smartssd_op_kernel *k = &slot->kernel[layer->kind];
	uint32_t first = slot->build->nr_touches, timeout = w->s->options.run_timeout_ms;
	int ret = set_arguments(w, slot, l, k);

	if (ret)
		return ret;
	if (layer->kind == NN_LAYER_PACK)
		ret = touch_memory(slot, exec_input_at(w, slot), w->images * w->s->image_bytes, false);
	for (uint32_t i = 0; i < 2 && !ret; i++)
		if (layer->in[i] != NN_NONE_VALUE && !w->s->program->values[layer->in[i]].plain)
			ret = touch_value(w, slot, layer->in[i], false, false);
	if (!ret)
		ret = touch_value(w, slot, layer->out, false, true);
	if (!ret)
		ret = touch_memory(slot, slot->status_at + (uint64_t)l * EXEC_STATUS, EXEC_STATUS, true);
	if (ret)
		return exec_no_memory(&w->err, "a command list");
	/* One multiply-accumulate per clock at 100 MHz is the slowest kernel that counts as alive. */
	if (!timeout)
		timeout = (uint32_t)min_u64(10000 + layer_macs(layer) / 100000 * w->images, UINT32_MAX);
	ret = link_command(w, slot, smartssd_list_run(slot->job.list, k->mask, k->args, k->nr, timeout), first, l);
	if (!ret)
		exec_wrote(w, layer->out, EXEC_CARD(slot->card->number));
	return ret;
}

/* ---- values out ---- */

/* A part comes with its whole into the staging memory. */
static int bring_out(struct exec_worker *w, struct exec_slot *slot, uint32_t leaf, bool *staged)
{
	const struct smartssd_session *s = w->s;
	uint32_t root = nn_value_root(s->program, leaf), first = slot->build->nr_touches;
	uint64_t at = s->memory.offset[root];
	uint8_t *to = w->arena;
	int cmd;

	if (root != leaf) {
		if (staged[root])
			return 0;
		if (!w->staging)
			w->staging = malloc(s->memory.card_bytes);
		if (!w->staging)
			return exec_no_memory(&w->err, "values from a card");
		staged[root] = true;
		to = w->staging;
	}
	if (touch_value(w, slot, leaf, true, false))
		return exec_no_memory(&w->err, "a command list");
	cmd = smartssd_list_copy_from(slot->job.list, to + at, slot->bo.bo, at, nn_value_bytes(s->program, &s->program->values[root], w->images));
	return link_command(w, slot, cmd, first, NN_NOWHERE);
}

/* The copy is there: a part's channels go to their place in the arena. */
static void take_out(struct exec_worker *w, uint32_t leaf)
{
	const struct smartssd_session *s = w->s;
	const struct nn_value *v = &s->program->values[leaf];
	uint32_t root = nn_value_root(s->program, leaf), pitch = nn_value_pitch(s->program->values, v);
	uint64_t at = s->memory.offset[root] + v->at, pixels = (uint64_t)nn_value_images(s->program, v, w->images) * v->h * v->w;

	if (root != leaf)
		for (uint64_t i = 0; i < pixels; i++, at += pitch)
			memcpy(w->arena + at, w->staging + at, v->channels);
	exec_also_valid(w, leaf, EXEC_HOST);
}

static bool wanted(const struct exec_worker *w, const struct exec_slot *slot, uint32_t value, const bool *need)
{
	return exec_is_leaf(w->s, value) && need[value] && exec_valid(w, value, EXEC_CARD(slot->card->number)) &&
	       !exec_valid(w, value, EXEC_HOST);
}

static int add_outs(struct exec_worker *w, struct exec_slot *slot, const bool *need)
{
	bool *staged = calloc(w->s->program->nr_values, 1);
	int ret = staged ? exec_arena(w) : exec_no_memory(&w->err, "a command list");

	for (uint32_t v = 0; v < w->s->program->nr_values && !ret; v++)
		if (wanted(w, slot, v, need))
			ret = bring_out(w, slot, v, staged);
	free(staged);
	return ret;
}

static void take_outs(struct exec_worker *w, const struct exec_slot *slot, const bool *need)
{
	for (uint32_t v = 0; v < w->s->program->nr_values; v++)
		if (wanted(w, slot, v, need))
			take_out(w, v);
}

/* ---- the job ---- */

static int build(struct exec_worker *w, struct exec_slot *slot, uint32_t from, uint32_t to, const bool *need)
{
	struct smartssd_list *list = slot->job.list;
	uint64_t at = slot->status_at + (uint64_t)from * EXEC_STATUS, bytes = (uint64_t)(to - from) * EXEC_STATUS;
	uint32_t first;
	int ret;

	ret = begin_list(w, slot, to - from);
	memset(w->status + (uint64_t)from * KERNEL_STATUS_WORDS, 0, bytes);
	if (!ret && touch_memory(slot, at, bytes, true))
		return exec_no_memory(&w->err, "a command list");
	/* One list is at work at a time, so that the zeros can be where the words will be. */
	if (!ret)
		ret = link_command(w, slot, smartssd_list_copy_to(list, slot->bo.bo, at, w->status + (uint64_t)from * KERNEL_STATUS_WORDS, bytes),
				   0, NN_NOWHERE);
	if (!ret)
		ret = for_missing(w, slot, from, to, bring_in);
	for (uint32_t l = from; l < to && !ret; l++) {
		if (w->s->program->layers[l].kind == NN_LAYER_PACK)
			ret = add_input(w, slot);
		if (!ret)
			ret = add_run(w, slot, l);
	}
	if (!ret)
		ret = add_outs(w, slot, need);
	first = slot->build->nr_touches;
	if (!ret && touch_memory(slot, at, bytes, false))
		return exec_no_memory(&w->err, "a command list");
	if (!ret)
		ret = link_command(w, slot, smartssd_list_copy_from(list, w->status + (uint64_t)from * KERNEL_STATUS_WORDS, slot->bo.bo, at, bytes),
				   first, NN_NOWHERE);
	return ret;
}

/* "layer 'conv1' (nn_conv, images 4 to 7 on card 0)" */
static void name_run(const struct exec_worker *w, const struct exec_slot *slot, uint32_t layer, char *text, size_t bytes)
{
	static const char *const names[NN_LAYER_KINDS] = { "nn_pack", "nn_conv", "nn_depthwise", "nn_pool", "nn_add", "?" };
	const struct nn_layer *l = &w->s->program->layers[layer];

	snprintf(text, bytes, "layer '%.80s' (%s, images %llu to %llu on card %u)", l->name, names[l->kind], (unsigned long long)w->image,
		 (unsigned long long)w->image + w->images - 1, slot->card->number);
}

static int check_status(struct exec_worker *w, struct exec_slot *slot)
{
	char run[200];

	for (uint32_t i = 0; i < slot->job.list->nr_cmds; i++) {
		uint32_t l = slot->build->layer[i], cu = (uint32_t)slot->job.results[i].detail;
		const uint32_t *status = w->status + (uint64_t)l * KERNEL_STATUS_WORDS;

		if (l == NN_NOWHERE || status[0] == KERNEL_OK)
			continue;
		name_run(w, slot, l, run, sizeof(run));
		switch (status[0]) {
		case 0:
			smartssd_fail(&w->err, -EIO, "%s: compute unit %u signalled completion but never ran", run, cu);
			return exec_fault(w, slot, 0, i, cu);
		case KERNEL_BAD_SHAPE:
			return smartssd_fail(&w->err, -EIO,
					     "%s: the kernel on compute unit %u refused its arguments (check %u, detail %u): the xclbin and this "
					     "library are of different versions, or the program's tiles are too large",
					     run, cu, status[1], status[2]);
		case KERNEL_BAD_RANGE:
			return smartssd_fail(&w->err, -EIO,
					     "%s: the kernel on compute unit %u would have left the buffer of its pointer argument %u (check %u): the "
					     "xclbin and this library are of different versions",
					     run, cu, status[1], status[2]);
		default:
			return smartssd_fail(&w->err, -EIO, "%s: the kernel on compute unit %u left an unknown status %u", run, cu, status[0]);
		}
	}
	return 0;
}

int exec_note(struct exec_worker *w, const struct exec_slot *slot, const struct smartssd_op_job *job, const uint32_t *layers, uint64_t image, uint32_t images)
{
	int ret = 0;

	for (uint32_t i = 0; i < job->list->nr_cmds && !ret; i++) {
		const struct smartssd_result *r = &job->results[i];
		uint32_t layer = layers ? layers[i] : NN_NOWHERE, op = job->list->cmds[i].op;
		struct exec_event e = { r->start_ns, r->end_ns, r->bytes, image, images, layer, (uint16_t)slot->card->number };

		if (!r->start_ns || r->end_ns < r->start_ns)
			continue;
		if (layer != NN_NOWHERE) {
			w->times[layer].runs++;
			w->times[layer].seconds += (double)(r->end_ns - r->start_ns) * 1e-9;
		}
		e.thread = op == SMARTSSD_OP_READ ? EXEC_TRACK_READ : op == SMARTSSD_OP_RUN ? EXEC_TRACK_CU + (uint16_t)r->detail : EXEC_TRACK_COPY;
		ret = exec_event(w, &e);
	}
	return ret;
}

static int submit_and_wait(struct exec_worker *w, struct exec_slot *slot)
{
	char run[200], text[sizeof(w->err.text)];
	uint32_t failed = UINT32_MAX, cu = 0;
	int ret = smartssd_op_submit(&slot->op, &slot->job), ahead;

	/* Behind the job, whose own READ goes first. */
	ahead = ret ? 0 : exec_input_ahead(w);
	if (!ret)
		ret = smartssd_op_wait(&slot->op, &slot->job, &failed);
	if (!ret)
		return ahead;
	if (failed < slot->job.list->nr_cmds) {
		cu = (uint32_t)slot->job.results[failed].detail;
		if (slot->build->layer[failed] != NN_NOWHERE) {
			name_run(w, slot, slot->build->layer[failed], run, sizeof(run));
			memcpy(text, w->err.text, sizeof(text));
			smartssd_fail(&w->err, ret, "%s: %.300s", run, text);
		}
	}
	return exec_fault(w, slot, ret, failed, cu);
}

int exec_card_segment(struct exec_worker *w, struct exec_slot *slot, uint32_t from, uint32_t to, const bool *need)
{
	int ret = for_missing(w, slot, from, to, fetch_first);

	for (uint32_t l = from; l < to && !ret && w->s->convert; l++)
		if (w->s->program->layers[l].kind == NN_LAYER_PACK)
			ret = exec_source_plain(w);
	if (!ret)
		ret = build(w, slot, from, to, need);
	if (!ret)
		ret = submit_and_wait(w, slot);
	if (!ret)
		ret = check_status(w, slot);
	if (!ret)
		ret = exec_note(w, slot, &slot->job, slot->build->layer, w->image, w->images);
	if (!ret)
		take_outs(w, slot, need);
	/* A job that failed leaves nothing behind that counts; what it was to read, least of all. */
	if (ret)
		slot->input[slot->side].images = 0;
	return ret;
}

int exec_fetch(struct exec_worker *w, uint32_t value)
{
	bool *need = calloc(w->s->program->nr_values, 1);
	struct exec_slot *slot = NULL;
	int ret = 0;

	for (uint32_t c = 0; c < w->s->nr_cards && !slot; c++)
		if (w->valid[value] & EXEC_BIT(EXEC_CARD(c)))
			slot = &w->slots[c];
	if (!need || !slot) {
		free(need);
		return slot ? exec_no_memory(&w->err, "a command list") :
			      smartssd_fail(&w->err, -EINVAL, "value '%s' is read before a layer has made it", w->s->program->values[value].name);
	}
	need[value] = true;
	ret = begin_list(w, slot, 0);
	if (!ret)
		ret = add_outs(w, slot, need);
	if (!ret)
		ret = submit_and_wait(w, slot);
	if (!ret)
		ret = exec_note(w, slot, &slot->job, slot->build->layer, w->image, w->images);
	if (!ret)
		take_outs(w, slot, need);
	free(need);
	return ret;
}
