// SPDX-License-Identifier: BSD-2-Clause
/* On which volumes tables go that are made: as the user says, or as the trace wants their rows (placement.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/store/statistics.h"
#include "dlrm_verb.h"

/* What is stored, or was when its import stopped, stays where it is. */
static void stays(const struct trace_model *m, const struct store_table *there, uint32_t *where)
{
	for (uint32_t t = 0; t < m->tables; t++) {
		char name[STORE_NAME + 16];

		dlrm_table_name(m, t, name);
		if (!strcmp(name, there->name))
			where[t] = there->shards > 1 ? UINT32_MAX : there->volume;
	}
}

static int find_stored(const struct trace_model *m, struct store *s, uint32_t *where, struct smartssd_error *err)
{
	struct store_unfinished *imports = NULL;
	struct store_table *tables = NULL;
	uint32_t nr = 0, nr_imports = 0;
	int ret = store_list(s, &tables, &nr, err) ?: store_list_imports(s, &imports, &nr_imports, err);

	for (uint32_t t = 0; t < m->tables; t++)
		where[t] = PLACEMENT_OPEN;
	for (uint32_t i = 0; i < nr; i++)
		stays(m, &tables[i], where);
	for (uint32_t i = 0; i < nr_imports; i++)
		stays(m, &imports[i].table, where);
	free(tables);
	free(imports);
	return ret;
}

/* On each volume. */
static uint64_t room(struct store *s)
{
	uint64_t least = UINT64_MAX;

	for (uint32_t v = 0; v < store_volumes(s); v++)
		least = volume_free(store_volume(s, v)) < least ? volume_free(store_volume(s, v)) : least;
	return least;
}

static int plan(const struct dlrm_args *a, const struct trace_model *m, const struct trace *t, struct store *s, struct dlrm_places *out, struct smartssd_error *err)
{
	uint32_t where[TRACE_MAX_TABLES];
	struct placement_budget budget = { .cards = store_volumes(s), .card_bytes = a->store.pin_card << 20, .host_bytes = a->store.pin_host << 20, .flash_bytes = room(s),
					   .batch = (uint32_t)(a->batch < t->queries ? a->batch : t->queries), .where = where };
	struct trace *of_model = malloc(sizeof(*of_model)); /* its own may have other rows and another dim */
	int ret = of_model ? find_stored(m, s, where, err) : -ENOMEM;

	if (!ret) {
		*of_model = *t;
		of_model->model = *m;
		ret = statistics_place(of_model, a->format, &budget, &out->planned, NULL, err);
		/* Volumes may be of different sizes and have other blocks: the import says what does not fit. */
		if (ret == -ENOSPC) {
			budget.flash_bytes = UINT64_MAX;
			ret = statistics_place(of_model, a->format, &budget, &out->planned, NULL, err);
		}
	}
	free(of_model);
	return ret;
}

int dlrm_places_make(const struct dlrm_args *a, const struct trace_model *m, const struct trace *t, struct store *s, struct dlrm_places *out)
{
	struct smartssd_error err = { "" };
	int ret;

	*out = (struct dlrm_places){ 0 };
	if (store_volumes(s) == 1)
		return 0;
	if (a->shard == DLRM_SHARD_TABLE)
		snprintf(out->text, sizeof(out->text), "each whole, on the volume that had the fewest bytes, as --shard table says");
	if (a->shard == DLRM_SHARD_ROW)
		snprintf(out->text, sizeof(out->text), "each row by row over all volumes, as --shard row says");
	if (a->shard != DLRM_SHARD_PLANNED)
		return 0;
	ret = plan(a, m, t, s, out, &err);
	if (ret)
		complain(DLRM_VERB, "tables cannot be placed by the trace: %s; --shard table or --shard row places them without it", *err.text ? err.text : strerror(-ret));
	else
		snprintf(out->text, sizeof(out->text), "by the trace: %s", out->planned.why);
	return ret ? 1 : 0;
}

void dlrm_places_free(struct dlrm_places *p)
{
	placement_free(&p->planned);
}

void dlrm_place(const struct dlrm_args *a, const struct dlrm_places *p, uint32_t table, struct store_import *import)
{
	uint32_t card = p->planned.card ? p->planned.card[table] : UINT32_MAX;
	bool by_row = p->planned.card ? card == UINT32_MAX : a->shard == DLRM_SHARD_ROW;

	import->shard = by_row ? SMARTSSD_SHARD_ROW : SMARTSSD_SHARD_TABLE;
	import->volume = by_row ? UINT32_MAX : card;
}
