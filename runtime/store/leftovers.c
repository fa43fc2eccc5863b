// SPDX-License-Identifier: BSD-2-Clause
/* What an interrupted change left behind: objects that the manifest does not name. */
#include <stdio.h>

#include "store_impl.h"

/* As part_name() makes them. What somebody else put into a folder is not ours to remove. */
static bool is_part(const char *name)
{
	const char *dot = strchr(name, '.');
	char suffix[6], more;

	return dot && dot > name && dot - name < STORE_NAME && sscanf(dot, ".%*15[0-9].%*2[0-9].%5[a-z]%c", suffix, &more) == 1 &&
	       (!strcmp(suffix, "rows") || !strcmp(suffix, "crc") || !strcmp(suffix, "delta"));
}

struct wanted {
	char (*names)[VOLUME_NAME];
	uint32_t nr, room;
};

/* What @t has on @volume. */
static int want(const struct store *s, uint32_t volume, const struct store_table *t, struct wanted *w)
{
	for (uint32_t shard = 0; shard < t->shards; shard++) {
		if (shard_volume(s, t, shard) != volume)
			continue;
		if (smartssd_grow(&w->names, &w->room, (uint64_t)w->nr + PARTS, 64, sizeof(*w->names)))
			return -ENOMEM;
		for (enum part part = 0; part < PARTS; part++)
			part_name(t, shard, part, w->names[w->nr++]);
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int want_all(const struct store *s, uint32_t volume, struct wanted *w)
{
	const struct manifest *m = &s->manifest;
	int ret = 0;

	for (uint32_t i = 0; i < m->nr && !ret; i++)
		ret = want(s, volume, &m->tables[i], w);
	for (uint32_t i = 0; i < m->nr_pending && !ret; i++)
		ret = want(s, volume, &m->pending[i].table, w);
	if (w->nr)
		qsort(w->names, w->nr, sizeof(*w->names), compare);
	return ret;
}

static int clean(struct store *s, uint32_t volume, struct smartssd_error *err)
{
	struct wanted w = { 0 };
	char(*names)[VOLUME_NAME];
	uint32_t nr, at = 0;
	int ret = volume_list_objects(s->volumes[volume], &names, &nr, err);

	if (ret)
		return ret;
	if (want_all(s, volume, &w))
		ret = smartssd_fail(err, -ENOMEM, "store: out of memory");
	/* Both in the order of names. */
	for (uint32_t i = 0; i < nr && !ret; i++) {
		while (at < w.nr && strcmp(w.names[at], names[i]) < 0)
			at++;
		/* What cannot be removed now is there the next time. */
		if ((at == w.nr || strcmp(w.names[at], names[i])) && is_part(names[i]))
			volume_remove_object(s->volumes[volume], names[i], NULL);
	}
	free(w.names);
	free(names);
	return ret;
}

int store_drop_leftovers(struct store *s, struct smartssd_error *err)
{
	int ret = 0;

	for (uint32_t v = 0; v < s->nr && !ret; v++)
		ret = clean(s, v, err);
	return ret;
}
