// SPDX-License-Identifier: BSD-2-Clause
/*
 * Images to a card. A slot has room for two turns' images: while the groups of one are computed, a job of its own reads those of the next one, in one piece. Thus as
 * many reads are under way as there are slots, and a drive that is slower than the card is never without one. A group whose images were not read ahead (the
 * first one, or one that is done anew) reads them in its own job.
 */
#include <stdio.h>

#include "exec.h"

static struct exec_input *input_of(struct exec_slot *slot)
{
	return &slot->input[slot->side];
}

/* Does a layer on this card read the input from a file? */
static bool from_file(const struct exec_slot *slot)
{
	return slot->bo.bo && slot->card->packs && slot->card->input.file;
}

bool exec_input_there(const struct exec_worker *w, const struct exec_slot *slot)
{
	const struct exec_input *in = &slot->input[slot->side];

	return in->images && w->image >= in->image && w->image + w->images <= in->image + in->images;
}

uint64_t exec_input_at(const struct exec_worker *w, const struct exec_slot *slot)
{
	const struct exec_input *in = &slot->input[slot->side];

	return in->at + in->skew + (w->image - in->image) * w->s->image_bytes;
}

/* Append a READ of whole blocks around @images images from @image on: its index or -errno. */
static int add_read(const struct smartssd_session *s, struct exec_slot *slot, struct smartssd_list *list, struct exec_input *to, uint64_t image, uint64_t images,
		    uint64_t *bytes)
{
	const struct smartssd_op_source *file = &slot->card->input;
	uint64_t from = s->source->array.offset + image * s->image_bytes, start = align_down(from, file->align);
	struct smartssd_extent ext = { start, to->at, align_up(from + images * s->image_bytes, file->align) - start };

	to->skew = from - start;
	to->image = image;
	to->images = images;
	*bytes = ext.bytes;
	return smartssd_list_read(list, file->file, slot->bo.bo, &ext, 1, s->options.io_flags);
}

int exec_input_command(struct exec_worker *w, struct exec_slot *slot, uint64_t *at, uint64_t *bytes)
{
	const struct smartssd_session *s = w->s;
	struct exec_input *to = input_of(slot);
	const uint8_t *data;

	*at = to->at;
	if (slot->card->input.file)
		return add_read(s, slot, slot->job.list, to, w->image, w->images, bytes);
	data = s->convert ? w->plain[s->program->inputs[0]] : (const uint8_t *)s->source->data + w->image * s->image_bytes;
	to->skew = 0;
	to->image = w->image;
	to->images = w->images;
	*bytes = w->images * s->image_bytes;
	return smartssd_list_copy_to(slot->job.list, slot->bo.bo, to->at, data, *bytes);
}

/* ---- ahead ---- */

uint64_t exec_input_groups(const struct smartssd_session *s)
{
	uint64_t group = max_u64(s->batch * s->image_bytes, 1);

	/* The image's type may be smaller than the one that the input was laid out for. */
	return s->sides == 2 ? max_u64(min_u64(s->side_bytes / group, div_up(EXEC_AHEAD, group)), 1) : 1;
}

static uint64_t turn_images(const struct smartssd_session *s, const struct exec_turn *turn)
{
	return min_u64(turn->nr * s->batch, s->images - turn->first * s->batch);
}

int exec_input_ahead(struct exec_worker *w)
{
	struct smartssd_session *s = w->s;
	int ret = 0;

	for (uint32_t c = 0; c < s->nr_cards && !ret; c++) {
		struct exec_slot *slot = &w->slots[c];
		uint64_t bytes;
		int cmd;

		if (!w->next.nr || !from_file(slot) || slot->ahead.flying || slot->input[!slot->side].images || atomic_load(&slot->card->lost))
			continue;
		smartssd_list_clear(slot->ahead.list);
		cmd = add_read(s, slot, slot->ahead.list, &slot->input[!slot->side], w->next.first * s->batch, turn_images(s, &w->next), &bytes);
		ret = cmd < 0 ? smartssd_fail(&w->err, cmd, "a READ cannot be added to a list: %s", strerror(-cmd)) : smartssd_op_submit(&slot->op, &slot->ahead);
		if (ret)
			slot->input[!slot->side].images = 0;
		/* The turn's own jobs will find that out, too. */
		if (ret == -ENODEV) {
			exec_lose(s, slot->card);
			ret = 0;
		}
	}
	return ret;
}

/* "images 4 to 7: what is wrong" */
static int name_images(struct exec_worker *w, int ret, const struct exec_input *in)
{
	char text[sizeof(w->err.text)];

	memcpy(text, w->err.text, sizeof(text));
	return smartssd_fail(&w->err, ret, "images %llu to %llu: %.400s", (unsigned long long)in->image,
			     (unsigned long long)(in->image + in->images - 1), text);
}

/* Of what was read ahead: 0 also when the card is gone, which is found out again by who wants to use it. */
static int wait_ahead(struct exec_worker *w, struct exec_slot *slot)
{
	struct exec_input *in = &slot->input[!slot->side];
	uint32_t failed;
	int ret;

	if (!slot->ahead.flying)
		return 0;
	ret = smartssd_op_wait(&slot->op, &slot->ahead, &failed);
	if (!ret)
		return exec_note(w, slot, &slot->ahead, NULL, in->image, (uint32_t)in->images);
	if (ret != -ENODEV)
		ret = name_images(w, ret, in);
	else
		ret = exec_lose(w->s, slot->card) == EXEC_REDO ? 0 : ret;
	in->images = 0;
	return ret;
}

int exec_input_turn(struct exec_worker *w)
{
	int ret = 0, first = 0;

	for (uint32_t c = 0; c < w->s->nr_cards; c++) {
		struct exec_slot *slot = &w->slots[c];

		ret = wait_ahead(w, slot);
		first = first ? first : ret;
		slot->input[slot->side].images = 0;
		slot->side ^= w->s->sides - 1;
	}
	w->turn = w->next;
	w->next.nr = 0;
	return first;
}

void exec_input_drop(struct exec_worker *w)
{
	for (uint32_t c = 0; c < w->s->nr_cards; c++) {
		struct exec_slot *slot = &w->slots[c];

		/* Without a word: nobody wants it any more. */
		if (slot->ahead.flying)
			smartssd_wait(slot->card->dev, slot->ahead.id, SMARTSSD_DEADLINE_NEVER, NULL, NULL, 0);
		slot->ahead.flying = false;
		slot->input[0].images = slot->input[1].images = 0;
	}
}
