// SPDX-License-Identifier: BSD-2-Clause
/*
 * Recommendation models by name, and from a config.json.
 *
 * Tables, rows, dims and lookups of all five are those in trace.h. MLP widths:
 *   rm1, rm2, rm3   DLRM-RMC1, -RMC2, -RMC3 of DeepRecSys (U. Gupta et al., arXiv 2001.02772), as its published models/configs/dlrm_rm[123].json
 *                   have them: arch_mlp_bot and
 *                   arch_mlp_top. Dim and lookups are the same there; its rows are 4 M, 500 K and 2 M, where we have 1 M; it concatenates, where we
 *                   compute dot products.
 *   ncf, wnd        top: models/configs/ncf.json (256-256-128-64-64) and wide_and_deep.json (1024-512-256-1). arch_mlp_bot is 512 there, a single
 *                   number: dense features without a layer. Ours: ncf's last layer to 1, and that the features go through one layer, 512 to dim,
 *                   and then a dot interaction, so that one program runs all five.
 */
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../private.h"
#include "trace_impl.h"

#define MAX_CONFIG (1u << 20)
#define MILLION	   1000000

static const struct trace_model models[] = {
	{ .name = "rm1", .tables = 8, .dim = 32, .rows = { [0 ... 7] = MILLION }, .lookups = 80, .dense = 128, .bottom = { 64, 32 }, .top = { 256, 64, 1 } },
	{ .name = "rm2", .tables = 32, .dim = 64, .rows = { [0 ... 31] = MILLION }, .lookups = 120, .dense = 256, .bottom = { 128, 64 }, .top = { 128, 64, 1 } },
	{ .name = "rm3", .tables = 10, .dim = 32, .rows = { [0 ... 9] = MILLION }, .lookups = 20, .dense = 2560, .bottom = { 1024, 256, 32 }, .top = { 512, 256, 1 } },
	{ .name = "ncf", .tables = 4, .dim = 32, .rows = { [0 ... 3] = 100000 }, .lookups = 1, .dense = 512, .bottom = { 32 }, .top = { 256, 256, 128, 64, 64, 1 } },
	{ .name = "wnd", .tables = 27, .dim = 32, .rows = { [0 ... 26] = 100000 }, .lookups = 1, .dense = 512, .bottom = { 32 }, .top = { 1024, 512, 256, 1 } },
};

const struct trace_model *trace_model_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		if (!strcmp(models[i].name, name))
			return &models[i];
	return NULL;
}

static uint32_t last_width(const uint32_t *widths)
{
	uint32_t last = 0;

	for (int i = 0; i < TRACE_MAX_LAYERS && widths[i]; i++)
		last = widths[i];
	return last;
}

int trace_model_check(const struct trace_model *m, const char *where, struct smartssd_error *err)
{
	if (!m->tables || m->tables > TRACE_MAX_TABLES)
		return smartssd_fail(err, -EINVAL, "%s: %u tables; 1 to %u are possible", where, m->tables, TRACE_MAX_TABLES);
	if (!m->dim || m->dim > TRACE_MAX_DIM)
		return smartssd_fail(err, -EINVAL, "%s: rows of %u elements; 1 to %u are possible", where, m->dim, TRACE_MAX_DIM);
	if (!m->lookups || m->lookups > TRACE_MAX_LOOKUPS)
		return smartssd_fail(err, -EINVAL, "%s: %u lookups for each table; 1 to %u are possible", where, m->lookups, TRACE_MAX_LOOKUPS);
	for (uint32_t t = 0; t < m->tables; t++)
		if (!m->rows[t] || m->rows[t] > TRACE_MAX_ROWS)
			return smartssd_fail(err, -EINVAL, "%s: table %u has %llu rows; 1 to %llu are possible", where, t, (unsigned long long)m->rows[t], TRACE_MAX_ROWS);
	if (!m->dense || m->dense > TRACE_MAX_WIDTH)
		return smartssd_fail(err, -EINVAL, "%s: %u dense features; 1 to %u are possible", where, m->dense, TRACE_MAX_WIDTH);
	if (last_width(m->bottom) != m->dim)
		return smartssd_fail(err, -EINVAL, "%s: the bottom MLP's last layer gives %u numbers; it must be the rows' %u", where, last_width(m->bottom), m->dim);
	if (last_width(m->top) != 1)
		return smartssd_fail(err, -EINVAL, "%s: the top MLP's last layer gives %u numbers; it must be 1", where, last_width(m->top));
	return 0;
}

/* ---- config.json ---- */

struct config {
	json_t *json;
	const char *where;
	struct smartssd_error *err;
};

static int missing(const struct config *c, const char *key, const char *what)
{
	return smartssd_fail(c->err, -EBADMSG, "%s: \"%s\" must be %s", c->where, key, what);
}

static int get_number(const struct config *c, const char *key, uint64_t most, uint32_t *out)
{
	const json_t *v = json_object_get(c->json, key);
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 1 || (uint64_t)n > most)
		return smartssd_fail(c->err, -EBADMSG, "%s: \"%s\" must be there, a number from 1 to %llu", c->where, key, (unsigned long long)most);
	*out = (uint32_t)n;
	return 0;
}

static int list_range(const struct config *c, const char *key, uint32_t i, uint64_t most)
{
	return smartssd_fail(c->err, -EBADMSG, "%s: \"%s\": number %u is not from 1 to %llu", c->where, key, i, (unsigned long long)most);
}

/* "1-2-3" or [1, 2, 3]: 1 to @room numbers of 1..@most */
static int get_list(const struct config *c, const char *key, uint64_t most, uint32_t room, uint64_t *out, uint32_t *nr)
{
	const json_t *v = json_object_get(c->json, key);
	const char *text = json_string_value(v);

	*nr = 0;
	if (json_is_array(v)) {
		if (json_array_size(v) > room)
			return smartssd_fail(c->err, -EBADMSG, "%s: \"%s\" has %zu numbers; up to %u are possible", c->where, key, json_array_size(v), room);
		for (; *nr < json_array_size(v); ++*nr) {
			const json_t *e = json_array_get(v, *nr);

			if (!json_is_integer(e) || json_integer_value(e) < 1 || (uint64_t)json_integer_value(e) > most)
				return list_range(c, key, *nr, most);
			out[*nr] = (uint64_t)json_integer_value(e);
		}
	} else if (text && json_string_length(v) == strlen(text)) {
		for (;; text++) {
			uint64_t n = 0;

			if (*nr == room)
				return smartssd_fail(c->err, -EBADMSG, "%s: \"%s\" has more than %u numbers", c->where, key, room);
			for (; *text >= '0' && *text <= '9'; text++)
				if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
					return list_range(c, key, *nr, most);
			if (n < 1 || n > most)
				return list_range(c, key, *nr, most);
			out[(*nr)++] = n;
			if (!*text)
				break;
			if (*text != '-')
				return missing(c, key, "numbers with '-' between them, such as \"128-64-32\"");
		}
	}
	return *nr ? 0 : missing(c, key, "there, numbers with '-' between them, such as \"128-64-32\", or a JSON array of numbers");
}

static int get_widths(const struct config *c, const char *key, uint32_t *first, uint32_t *widths)
{
	uint64_t list[TRACE_MAX_LAYERS + 1];
	uint32_t nr, i = 0;
	int ret = get_list(c, key, TRACE_MAX_WIDTH, TRACE_MAX_LAYERS + !!first, list, &nr);

	if (ret)
		return ret;
	if (first)
		*first = (uint32_t)list[i++];
	while (i < nr)
		*widths++ = (uint32_t)list[i++];
	return 0;
}

static int get_name(const struct config *c, char *out, size_t room)
{
	const json_t *v = json_object_get(c->json, "model_name");
	const char *name = v ? json_string_value(v) : "config";

	if (!name || !*name || strlen(name) >= room || (v && json_string_length(v) != strlen(name)))
		return smartssd_fail(c->err, -EBADMSG, "%s: \"model_name\" must be a text of 1 to %zu characters", c->where, room - 1);
	for (const char *p = name; *p; p++)
		if (*p < ' ' || *p > '~')
			return missing(c, "model_name", "of printable ASCII characters");
	strcpy(out, name);
	return 0;
}

static int from_config(const struct config *c, struct trace_model *out)
{
	const json_t *op = json_object_get(c->json, "arch_interaction_op");
	int ret;

	if (op && (!json_is_string(op) || strcmp(json_string_value(op), "dot")))
		return smartssd_fail(c->err, -EOPNOTSUPP, "%s: \"arch_interaction_op\" must be \"dot\" or missing: nothing else is computed here", c->where);
	if (json_is_true(json_object_get(c->json, "arch_interaction_itself")))
		return smartssd_fail(c->err, -EOPNOTSUPP, "%s: \"arch_interaction_itself\" is not supported: set it to false", c->where);
	ret = get_name(c, out->name, sizeof(out->name));
	if (!ret)
		ret = get_list(c, "arch_embedding_size", TRACE_MAX_ROWS, TRACE_MAX_TABLES, out->rows, &out->tables);
	if (!ret)
		ret = get_number(c, "arch_sparse_feature_size", TRACE_MAX_DIM, &out->dim);
	if (!ret)
		ret = get_number(c, "num_indices_per_lookup", TRACE_MAX_LOOKUPS, &out->lookups);
	if (!ret)
		ret = get_widths(c, "arch_mlp_bot", &out->dense, out->bottom);
	if (!ret)
		ret = get_widths(c, "arch_mlp_top", NULL, out->top);
	/* What remains are sizes that do not fit each other. */
	return ret ? ret : trace_model_check(out, c->where, c->err) ? -EBADMSG : 0;
}

int trace_model_parse(const char *text, size_t bytes, const char *where, struct trace_model *out, struct smartssd_error *err)
{
	struct config c = { .where = where, .err = err };
	json_error_t at;
	int ret;

	memset(out, 0, sizeof(*out));
	c.json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &at);
	if (!c.json)
		return smartssd_fail(err, -EBADMSG, "%s: no JSON, line %d column %d: %.100s", where, at.line, at.column, at.text);
	ret = json_is_object(c.json) ? from_config(&c, out) : smartssd_fail(err, -EBADMSG, "%s: must be a JSON object, {\"arch_mlp_bot\": ...}", where);
	json_decref(c.json);
	return ret;
}

int trace_model_load(const char *path, struct trace_model **out, struct smartssd_error *err)
{
	int ret = 0, fd = smartssd_open_read(path);
	char *text = NULL;
	struct stat st;

	*out = NULL;
	if (fd < 0)
		return smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st))
		ret = smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size > MAX_CONFIG)
		ret = smartssd_fail(err, -EBADMSG, "%s: no model's config.json, which is a file of less than %u bytes", path, MAX_CONFIG);
	if (!ret) {
		text = malloc((size_t)st.st_size + 1);
		*out = malloc(sizeof(**out));
		ret = text && *out ? smartssd_read_all(fd, text, (uint64_t)st.st_size, 0) : -ENOMEM;
		if (ret)
			smartssd_fail(err, ret, "%s: cannot be read: %s", path, strerror(-ret));
	}
	close(fd);
	if (!ret)
		ret = trace_model_parse(text, (size_t)st.st_size, path, *out, err);
	free(text);
	if (ret) {
		free(*out);
		*out = NULL;
	}
	return ret;
}

static void print_list(FILE *f, const char *key, const char *before, uint32_t nr, const uint64_t *rows, const uint32_t *widths)
{
	fprintf(f, " \"%s\": \"%s", key, before);
	for (uint32_t i = 0; i < nr && (rows || widths[i]); i++)
		fprintf(f, "%s%llu", i ? "-" : "", rows ? (unsigned long long)rows[i] : widths[i]);
	fprintf(f, "\",\n");
}

char *trace_model_text(const struct trace_model *m)
{
	json_t *name = json_string(m->name);
	char *text = NULL, *quoted = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL, dense[16];
	size_t bytes;
	FILE *f = quoted ? open_memstream(&text, &bytes) : NULL;

	json_decref(name);
	if (f) {
		snprintf(dense, sizeof(dense), "%u-", m->dense);
		fprintf(f, "{\"model_name\": %s,\n", quoted);
		print_list(f, "arch_mlp_bot", dense, TRACE_MAX_LAYERS, NULL, m->bottom);
		print_list(f, "arch_mlp_top", "", TRACE_MAX_LAYERS, NULL, m->top);
		print_list(f, "arch_embedding_size", "", m->tables, m->rows, NULL);
		fprintf(f, " \"arch_sparse_feature_size\": %u,\n \"num_indices_per_lookup\": %u,\n \"arch_interaction_op\": \"dot\"}\n", m->dim, m->lookups);
		if (fclose(f)) {
			free(text);
			text = NULL;
		}
	}
	free(quoted);
	return text;
}
