// SPDX-License-Identifier: BSD-2-Clause
/*
 * What goes wrong with a card in mid-run. A group's job either succeeds or leaves nothing behind that counts: results leave the card at its end only, so
 * a group can be done anew at any time, anywhere.
 */
#include "exec.h"

int exec_lose(struct smartssd_session *s, struct exec_card *card)
{
	pthread_mutex_lock(&s->lock);
	atomic_store(&card->lost, true);
	/* Whoever waits for a group may now have to leave, or to go on without this card. */
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
	return EXEC_REDO;
}

/*
 * Reset what is out of service: -errno when that does not work. @wrong: the unit that completed without having run (UINT32_MAX: none); it is out of
 * step at most, and may be at work for somebody else already.
 */
static int reset_units(struct exec_card *card, uint32_t wrong, bool *found)
{
	struct smartssd_query query;
	struct smartssd_cu_info cu;
	int ret = smartssd_query(card->dev, &query);

	*found = wrong != UINT32_MAX;
	if (!ret && *found && !smartssd_cu_info(card->dev, wrong, &cu) && cu.state == SMARTSSD_CU_IDLE &&
	    smartssd_cu_reset(card->dev, wrong) == -ENODEV)
		return -ENODEV;
	for (uint32_t i = 0; !ret && i < query.nr_cus; i++) {
		ret = smartssd_cu_info(card->dev, i, &cu);
		if (ret || (cu.state != SMARTSSD_CU_HUNG && cu.state != SMARTSSD_CU_CRASHED))
			continue;
		*found = true;
		ret = smartssd_cu_reset(card->dev, i);
	}
	return ret;
}

/* One at a time: the other slot's job failed because of the same unit, and finds it mended. */
static int mend(struct exec_worker *w, struct exec_card *card, uint32_t wrong)
{
	bool found, give_up;
	int ret;

	pthread_mutex_lock(&card->mend);
	ret = reset_units(card, wrong, &found);
	if (found)
		card->faults++;
	give_up = ret || card->faults > EXEC_FAULTS || ++w->tries > EXEC_TRIES;
	pthread_mutex_unlock(&card->mend);
	if (found) {
		pthread_mutex_lock(&w->s->lock);
		w->s->faults++;
		pthread_mutex_unlock(&w->s->lock);
	}
	return give_up ? exec_lose(w->s, card) : EXEC_REDO;
}

int exec_fault(struct exec_worker *w, struct exec_slot *slot, int ret, uint32_t failed, uint32_t cu)
{
	const struct smartssd_list *list = slot->job.list;
	bool run = failed < list->nr_cmds && list->cmds[failed].op == SMARTSSD_OP_RUN;

	if (ret == -ENODEV)
		return exec_lose(w->s, slot->card);
	if (!ret)
		return mend(w, slot->card, cu);
	if (run && (ret == -ETIMEDOUT || ret == -EIO))
		return mend(w, slot->card, UINT32_MAX);
	return ret;
}
