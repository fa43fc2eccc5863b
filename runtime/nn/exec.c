// SPDX-License-Identifier: BSD-2-Clause
/*
 * Workers and groups. A worker is a thread that takes groups and waits for each of their jobs; two workers per card, so that a job is waiting there when the
 * other one is done. It takes several groups that follow one another at once, a turn, and the next turn while it is at this one, whose images are then read ahead
 * (exec_input.c). Nothing but the queue of groups is shared.
 */
#include <stdio.h>
#include <time.h>

#include "exec.h"
#include "plan.h"

#define PROGRESS_NS 100000000ull

int exec_no_memory(struct smartssd_error *err, const char *what)
{
	return smartssd_fail(err, -ENOMEM, "no host memory for %s", what);
}

/* ---- where values are ---- */

bool exec_valid(const struct exec_worker *w, uint32_t value, uint32_t place)
{
	return w->valid[value] >> place & 1;
}

static void each_leaf(struct exec_worker *w, uint32_t value, uint32_t place, bool only)
{
	for (uint32_t v = 0; v < w->s->program->nr_values; v++)
		if (exec_is_leaf(w->s, v) && exec_belongs(w->s, v, value))
			w->valid[v] = EXEC_BIT(place) | (only ? 0 : w->valid[v]);
}

void exec_wrote(struct exec_worker *w, uint32_t value, uint32_t place)
{
	each_leaf(w, value, place, true);
}

void exec_also_valid(struct exec_worker *w, uint32_t value, uint32_t place)
{
	each_leaf(w, value, place, false);
}

bool exec_card_left(const struct smartssd_session *s)
{
	for (uint32_t c = 0; c < s->nr_cards; c++)
		if (s->cards[c].used && !atomic_load(&s->cards[c].lost))
			return true;
	return false;
}

int exec_arena(struct exec_worker *w)
{
	uint64_t bytes = max_u64(w->s->memory.card_bytes, 64);

	if (w->arena)
		return 0;
	if (posix_memalign((void **)&w->arena, 64, bytes)) {
		w->arena = NULL;
		return exec_no_memory(&w->err, "activations");
	}
	/* What lies between a value's channels and its pitch is never undefined. */
	memset(w->arena, 0, bytes);
	return 0;
}

int exec_event(struct exec_worker *w, const struct exec_event *event)
{
	if (!w->s->options.timeline)
		return 0;
	if (smartssd_grow(&w->events, &w->room_events, w->nr_events + 1ull, 256, sizeof(*w->events)))
		return exec_no_memory(&w->err, "the timeline");
	w->events[w->nr_events++] = *event;
	return 0;
}

/* ---- a group ---- */

/* Where each layer runs: a lost card's layers on the host. */
static void set_places(struct exec_worker *w)
{
	const struct smartssd_session *s = w->s;

	w->instead = false;
	for (uint32_t l = 0; l < s->program->nr_layers; l++) {
		const struct nn_layer *layer = &s->program->layers[l];
		uint32_t card = s->program->spread ? layer->card % s->nr_cards : w->home;
		bool on_card = layer->kind != NN_LAYER_GRAPH && layer->place == NN_ON_CARD, lost = on_card && atomic_load(&s->cards[card].lost);

		w->place[l] = on_card && !lost ? (uint8_t)EXEC_CARD(card) : EXEC_HOST;
		w->instead |= lost;
	}
}

static void need_value(const struct smartssd_session *s, uint32_t value, bool *need)
{
	for (uint32_t v = 0; v < s->program->nr_values; v++)
		if (value != NN_NONE_VALUE && exec_is_leaf(s, v) && exec_belongs(s, v, value))
			need[v] = true;
}

/* Values that the host reads in layers from @from on, or that leave the network. */
static void set_need(const struct exec_worker *w, uint32_t from, bool *need)
{
	const struct nn_program *p = w->s->program;

	memset(need, w->s->options.verify, p->nr_values);
	for (uint32_t l = from; l < p->nr_layers; l++)
		for (uint32_t i = 0; w->place[l] == EXEC_HOST && i < exec_nr_in(&p->layers[l]); i++)
			need_value(w->s, exec_in(&p->layers[l], i), need);
	for (uint32_t i = 0; i < p->nr_outputs; i++)
		need_value(w->s, p->outputs[i], need);
}

static int run_group(struct exec_worker *w, bool *need)
{
	const struct smartssd_session *s = w->s;
	uint32_t nr = s->program->nr_layers, to;
	int ret = 0;

	w->image = w->group * s->batch;
	w->images = (uint32_t)min_u64(s->batch, s->images - w->image);
	w->raw_there = w->input_there = false;
	memset(w->valid, 0, s->program->nr_values * sizeof(*w->valid));
	set_places(w);
	for (uint32_t l = 0; l < nr && !ret; l = to) {
		for (to = l + 1; to < nr && w->place[to] == w->place[l] && to - l < EXEC_SEGMENT; to++)
			;
		if (w->place[l] == EXEC_HOST) {
			ret = exec_host_segment(w, l, to);
		} else {
			set_need(w, to, need);
			ret = exec_card_segment(w, &w->slots[w->place[l] - 1], l, to, need);
		}
	}
	if (!ret)
		ret = exec_outputs(w);
	if (!ret && s->options.verify)
		ret = exec_verify(w);
	return ret;
}

/* ---- the queue ---- */

/* The worker's only card is lost and others are there: they do what is left. */
static bool superfluous(const struct exec_worker *w)
{
	return !w->s->program->spread && atomic_load(&w->s->cards[w->home].lost) && exec_card_left(w->s);
}

/*
 * The next turn: what was given back goes first. A worker begins with one group and then doubles, so that computing begins soon; to the end turns become shorter,
 * so that all cards are done at about the same time. Lock held; there is something to take.
 */
static struct exec_turn pop(struct exec_worker *w)
{
	struct smartssd_session *s = w->s;
	struct exec_turn turn, *from;

	if (s->nr_redo) {
		from = &s->redo[s->nr_redo - 1];
		turn = *from;
		turn.nr = min_u64(turn.nr, s->most);
		from->first += turn.nr;
		from->nr -= turn.nr;
		s->nr_redo -= !from->nr;
		return turn;
	}
	turn = (struct exec_turn){ .first = s->next };
	turn.nr = max_u64(min_u64(min_u64(s->most, w->grow), (s->groups - s->next) / (2 * s->nr_workers)), 1);
	s->next += turn.nr;
	w->grow = 2 * turn.nr;
	return turn;
}

static bool something_left(const struct smartssd_session *s)
{
	return s->nr_redo || s->next < s->groups;
}

/* Lock held */
static void push(struct exec_worker *w, struct exec_turn turn)
{
	struct smartssd_session *s = w->s;

	if (!turn.nr)
		return;
	if (smartssd_grow(&s->redo, &s->room_redo, s->nr_redo + 1ull, 16, sizeof(*s->redo))) {
		if (!s->ret)
			s->ret = exec_no_memory(&s->err, "what is to be done again");
		return;
	}
	s->redo[s->nr_redo++] = turn;
}

/*
 * The next group in w->group; false: this worker is done. When it has to wait for the next turn's images: *wait. With nothing to take but groups under way it stays:
 * one of them may come back.
 */
static bool take(struct exec_worker *w, bool *wait)
{
	struct smartssd_session *s = w->s;
	bool stay;

	*wait = false;
	pthread_mutex_lock(&s->lock);
	if (superfluous(w)) {
		push(w, w->turn);
		push(w, w->next);
		w->turn.nr = w->next.nr = 0;
		pthread_cond_broadcast(&s->cond);
	}
	while (!s->ret && s->done < s->groups && !w->turn.nr && !w->next.nr && !something_left(s) && !superfluous(w))
		pthread_cond_wait(&s->cond, &s->lock);
	stay = !s->ret && s->done < s->groups && !superfluous(w);
	if (stay && !w->turn.nr && w->next.nr)
		*wait = true;
	else if (stay && !w->turn.nr)
		w->turn = pop(w);
	pthread_mutex_unlock(&s->lock);
	return stay;
}

static void take_ahead(struct exec_worker *w)
{
	struct smartssd_session *s = w->s;

	pthread_mutex_lock(&s->lock);
	if (s->sides == 2 && !w->next.nr && !s->ret && something_left(s))
		w->next = pop(w);
	pthread_mutex_unlock(&s->lock);
}

/* As far as known, for when the card is gone. */
static void note_counters(struct exec_worker *w)
{
	struct smartssd_counters now;

	for (uint32_t c = 0; c < w->s->nr_cards; c++)
		if (w->slots[c].bo.bo && !smartssd_counters(w->s->cards[c].dev, SMARTSSD_COUNT_FILE, &now))
			w->s->cards[c].last = now;
}

static void give_back(struct exec_worker *w, int ret)
{
	struct smartssd_session *s = w->s;

	pthread_mutex_lock(&s->lock);
	note_counters(w);
	if (!ret) {
		s->done++;
		s->images_done += w->images;
		s->host_images += w->instead ? w->images : 0;
	} else if (ret == EXEC_REDO) {
		s->redone += w->images;
		push(w, (struct exec_turn){ w->group, 1, w->tries });
	} else if (!s->ret) {
		s->ret = ret;
		s->err = w->err;
	}
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

static void *worker_main(void *arg)
{
	struct exec_worker *w = arg;
	struct smartssd_session *s = w->s;
	bool *need = malloc(s->program->nr_values + 1ull), wait;

	while (take(w, &wait)) {
		int ret = need ? 0 : exec_no_memory(&w->err, "a worker");

		if (wait && !ret)
			ret = exec_input_turn(w);
		take_ahead(w);
		if (!ret) {
			w->group = w->turn.first++;
			w->turn.nr--;
			w->tries = w->turn.tries;
			ret = run_group(w, need);
		}
		give_back(w, ret);
	}
	exec_input_drop(w);
	free(need);
	pthread_mutex_lock(&s->lock);
	s->running--;
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- a run ---- */

/* Until all workers are done; the caller hears of progress in between. */
static void watch_workers(struct smartssd_session *s)
{
	const struct smartssd_progress *progress = &s->options.progress;

	pthread_mutex_lock(&s->lock);
	while (s->running) {
		uint64_t done = s->images_done, until = smartssd_now() + PROGRESS_NS;
		struct timespec ts = { (time_t)(until / 1000000000u), (long)(until % 1000000000u) };
		int stop;

		if (!progress->step || s->ret) {
			pthread_cond_wait(&s->cond, &s->lock);
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		stop = progress->step(progress->ctx, done, s->images);
		pthread_mutex_lock(&s->lock);
		if (stop && !s->ret) {
			s->ret = smartssd_fail(&s->err, -ECANCELED, "stopped after %llu of %llu images", (unsigned long long)done,
					       (unsigned long long)s->images);
			pthread_cond_broadcast(&s->cond);
		}
		if (s->running && s->images_done == done)
			pthread_cond_timedwait(&s->cond, &s->lock, &ts);
	}
	pthread_mutex_unlock(&s->lock);
}

static int begin_card(struct smartssd_session *s, struct exec_card *card, struct smartssd_error *err)
{
	struct smartssd_op op;
	int ret;

	card->faults = 0;
	if (!card->used || atomic_load(&card->lost))
		return 0;
	ret = smartssd_op_begin(&op, card->dev, NULL, err);
	if (!ret) {
		card->before = card->last = op.before;
		if (!s->convert)
			ret = smartssd_op_source_open(&op, s->source, "the input", &card->input);
		smartssd_op_end(&op, 0, NULL);
	}
	/* A card that went away between two runs is lost like one that goes in mid-run. */
	if (ret == -ENODEV) {
		atomic_store(&card->lost, true);
		ret = 0;
	}
	return ret;
}

static void begin_worker(struct smartssd_session *s, struct exec_worker *w)
{
	w->turn.nr = w->next.nr = 0;
	w->grow = 1;
	w->nr_events = 0;
	w->host_read_bytes = w->verified = 0;
	w->difference.found = false;
	memset(w->times, 0, s->program->nr_layers * sizeof(*w->times));
	for (uint32_t c = 0; c < s->nr_cards; c++) {
		struct exec_slot *slot = &w->slots[c];

		/* Counters are taken by card, not by worker. */
		slot->op = (struct smartssd_op){ .dev = s->cards[c].dev, .err = &w->err, .start_ns = s->start_ns };
	}
}

void exec_add_counters(struct smartssd_counters *sum, const struct smartssd_counters *now, const struct smartssd_counters *before)
{
	sum->ssd_to_card += now->ssd_to_card - before->ssd_to_card;
	sum->card_to_ssd += now->card_to_ssd - before->card_to_ssd;
	sum->host_to_card += now->host_to_card - before->host_to_card;
	sum->card_to_host += now->card_to_host - before->card_to_host;
	sum->bounce_read += now->bounce_read - before->bounce_read;
	sum->bounce_write += now->bounce_write - before->bounce_write;
	sum->reads += now->reads - before->reads;
	sum->writes += now->writes - before->writes;
	sum->runs += now->runs - before->runs;
	sum->jobs += now->jobs - before->jobs;
	sum->cu_faults += now->cu_faults - before->cu_faults;
}

/* All workers' notes together. */
static int gather(struct smartssd_session *s, struct smartssd_session_report *r)
{
	struct smartssd_spans *from[2], *to[2] = { &s->reads, &s->runs };
	int ret = 0;

	s->reads.nr = s->runs.nr = 0;
	memset(s->times, 0, s->program->nr_layers * sizeof(*s->times));
	for (uint32_t i = 0; i < s->nr_workers; i++) {
		struct exec_worker *w = &s->workers[i];
		const struct smartssd_difference *d = &w->difference;

		for (uint32_t l = 0; l < s->program->nr_layers; l++) {
			s->times[l].runs += w->times[l].runs;
			s->times[l].seconds += w->times[l].seconds;
		}
		r->host_read_bytes += w->host_read_bytes;
		r->verified += w->verified;
		if (d->found && (!r->difference.found || d->image < r->difference.image ||
				 (d->image == r->difference.image && d->layer < r->difference.layer)))
			r->difference = *d;
		for (uint32_t c = 0; c < s->nr_cards; c++) {
			struct smartssd_op *op = &w->slots[c].op;

			from[0] = &op->reads;
			from[1] = &op->runs;
			for (int k = 0; k < 2; k++)
				for (uint32_t n = 0; n < from[k]->nr && !ret; n++)
					ret = smartssd_spans_add(to[k], from[k]->span[n].start, from[k]->span[n].end);
			r->jobs += op->report.jobs;
			r->commands += op->report.commands;
			if (op->report.peer_reason != SMARTSSD_PEER_OK)
				r->peer_reason = op->report.peer_reason;
			smartssd_op_end(op, 0, NULL);
			*op = (struct smartssd_op){ 0 };
		}
	}
	return ret;
}

/* An image of a stream, as the program is placed, by the planner's model; 0: it has none. */
static double modelled(const struct smartssd_session *s)
{
	struct nn_machine machine;
	struct nn_total total;

	nn_machine_default(&machine);
	machine.batch = s->batch;
	return nn_plan_total(s->program, s->nr_cards, &machine, &total) ? 0 : total.seconds;
}

static int fill_report(struct smartssd_session *s, int ret, struct smartssd_session_report *report, struct smartssd_error *err)
{
	struct smartssd_session_report r = { .images = s->images_done, .redone = s->redone, .faults = s->faults, .host_images = s->host_images, .layers = s->times };
	struct smartssd_counters now, zero = { 0 };
	int more;

	more = gather(s, &r);
	r.seconds = (double)(smartssd_now() - s->start_ns) * 1e-9;
	for (uint32_t c = 0; c < s->nr_cards; c++) {
		struct exec_card *card = &s->cards[c];

		smartssd_op_source_close(&(struct smartssd_op){ .dev = card->dev }, &card->input);
		if (!card->used)
			continue;
		r.cards++;
		r.lost += atomic_load(&card->lost);
		r.lost_cards |= (uint64_t)atomic_load(&card->lost) << c;
		if (!smartssd_counters(card->dev, SMARTSSD_COUNT_FILE, &now))
			card->last = now;
		exec_add_counters(&r.bytes, &card->last, &card->before);
	}
	if (!s->counted) {
		r.weights = s->weights_count;
		exec_add_counters(&r.bytes, &r.weights, &zero);
	}
	s->counted = true;
	r.read_seconds = smartssd_spans_seconds(&s->reads);
	r.compute_seconds = smartssd_spans_seconds(&s->runs);
	r.modelled_seconds = modelled(s);
	if (s->source->fd >= 0)
		r.host_only_bytes = s->images * (s->source->array.bytes / s->source->array.shape[0]);
	if (more && !ret)
		ret = exec_no_memory(err, "the report");
	if (report && !ret)
		*report = r;
	return ret;
}

int smartssd_session_run(struct smartssd_session *s, const struct smartssd_source *source, uint64_t images, void *const *outputs,
			 struct smartssd_session_report *report, struct smartssd_error *err)
{
	int ret = exec_source_check(s, source, images, err);

	if (ret)
		return ret;
	s->outputs = outputs;
	s->images = images;
	s->groups = div_up(images, s->batch);
	s->most = exec_input_groups(s);
	s->next = s->done = s->images_done = 0;
	s->nr_redo = s->running = s->redone = s->faults = s->host_images = 0;
	s->ret = 0;
	s->start_ns = smartssd_now();
	for (uint32_t c = 0; c < s->nr_cards && !ret; c++)
		ret = begin_card(s, &s->cards[c], err);
	for (uint32_t i = 0; i < s->nr_workers; i++)
		begin_worker(s, &s->workers[i]);
	for (uint32_t i = 0; i < s->nr_workers && !ret; i++) {
		pthread_mutex_lock(&s->lock);
		s->running++;
		pthread_mutex_unlock(&s->lock);
		ret = -pthread_create(&s->workers[i].thread, NULL, worker_main, &s->workers[i]);
		s->workers[i].started = !ret;
		if (!ret)
			continue;
		pthread_mutex_lock(&s->lock);
		s->running--;
		s->ret = smartssd_fail(&s->err, ret, "no thread for a worker: %s", strerror(-ret));
		pthread_cond_broadcast(&s->cond);
		pthread_mutex_unlock(&s->lock);
	}
	watch_workers(s);
	for (uint32_t i = 0; i < s->nr_workers; i++) {
		if (s->workers[i].started)
			pthread_join(s->workers[i].thread, NULL);
		s->workers[i].started = false;
	}
	if (s->ret) {
		ret = s->ret;
		smartssd_fail(err, ret, "%s", s->err.text);
	}
	return fill_report(s, ret, report, err);
}
