// SPDX-License-Identifier: BSD-2-Clause
/*
 * The input: does it fit the model, and in what form does it go where?
 *
 *   the source's type is the model's      the card reads it as it is
 *   bytes for a model that takes floats   as it is, through the PACK layer's table (the table has scale, mean and deviation in it);
 *                                         without a table, and for layers of the graph on the host, it becomes floats on the host
 */
#include <stdio.h>

#include "exec.h"

static enum nn_type source_type(uint32_t type)
{
	static const enum nn_type types[] = {
		[SMARTSSD_U1] = NN_U1, [SMARTSSD_I1] = NN_I1, [SMARTSSD_I4] = NN_I4, [SMARTSSD_I8] = NN_I8, [SMARTSSD_F4] = NN_F4,
	};

	return type < ARRAY_SIZE(types) ? types[type] : NN_NONE;
}

/* "[N, 3, 224, 224]" */
static void shape_text(char *out, size_t room, uint32_t n, const uint64_t *shape, bool any)
{
	size_t used = (size_t)snprintf(out, room, "[%s", any ? "N" : "");

	for (uint32_t i = any ? 1 : 0; i < n && used < room; i++)
		used += (size_t)snprintf(out + used, room - used, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
	if (used < room)
		snprintf(out + used, room - used, "]");
}

static int check_shape(const struct smartssd_session *s, const struct smartssd_array *array, const struct nn_value *v, struct smartssd_error *err)
{
	uint64_t want[NN_MAX_DIMS] = { 0 };
	char have[128], expect[128];
	bool same = array->ndim == v->dims.n;

	for (uint32_t i = 0; i < v->dims.n; i++)
		want[i] = (uint64_t)v->dims.d[i];
	for (uint32_t i = 1; i < v->dims.n && same; i++)
		same = array->shape[i] == want[i];
	if (same)
		return 0;
	shape_text(have, sizeof(have), array->ndim, array->shape, false);
	shape_text(expect, sizeof(expect), v->dims.n, want, true);
	return smartssd_fail(err, -EINVAL, "the input has shape %s, but model '%.80s' takes %s as '%.80s'", have, s->program->name, expect, v->name);
}

static int check_type(struct smartssd_session *s, uint32_t type, const struct nn_value *v, struct smartssd_error *err)
{
	enum nn_type given = source_type(type);
	bool bytes = given == NN_U1 || given == NN_I1, floats = v->type == NN_F4;
	const char *or = "";

	if (given == v->type || (floats && bytes && s->program->nr_mean))
		return 0;
	if (floats && s->program->nr_mean)
		or = ", or bytes (u1, i1)";
	else if (floats && bytes)
		or = "; bytes are for inputs [N, C, H, W] or [N, C] of at most four channels; give it values (f4)";
	return smartssd_fail(err, -EINVAL, "the input holds elements of type %s, but model '%.80s' takes %s%s", smartssd_type_name(type),
			     s->program->name, nn_type_name(v->type), or);
}

int exec_source_check(struct smartssd_session *s, const struct smartssd_source *source, uint64_t images, struct smartssd_error *err)
{
	const struct nn_program *p = s->program;
	const struct nn_value *v = &p->values[p->inputs[0]];
	const struct smartssd_array *array = &source->array;
	uint64_t each = (uint64_t)nn_count(&v->dims) / s->unit, need;
	bool bytes, floats = v->type == NN_F4;
	int ret = check_shape(s, array, v, err);

	if (!ret)
		ret = check_type(s, array->type, v, err);
	if (ret)
		return ret;
	if (source->fd < 0 && !source->data)
		return smartssd_fail(err, -EINVAL, "the input: neither a file (fd) nor host memory (data)");
	if (!array->shape[0])
		return smartssd_fail(err, -EINVAL, "the input holds no image: its first dimension is 0");
	if (!images || images > array->shape[0])
		return smartssd_fail(err, -EINVAL, "%llu images asked for, the input has %llu", (unsigned long long)images,
				     (unsigned long long)array->shape[0]);
	if (images % s->unit)
		return smartssd_fail(err, -EINVAL,
				     "the input has %llu images, but model '%.80s' was exported for %u at a time: give a multiple of that, or export it "
				     "with a batch of 1 (or a dynamic one)",
				     (unsigned long long)images, p->name, s->unit);
	if (__builtin_mul_overflow(images, each * smartssd_type_bytes(array->type), &need) || need > array->bytes)
		return smartssd_fail(err, -EINVAL, "the input has %llu bytes, too few for %llu images", (unsigned long long)array->bytes,
				     (unsigned long long)images);
	bytes = floats && array->type != SMARTSSD_F4;
	s->convert = false;
	memcpy(s->pack, p->layers, p->nr_layers * sizeof(*s->pack));
	for (uint32_t l = 0; l < p->nr_layers; l++) {
		if (p->layers[l].kind != NN_LAYER_PACK)
			continue;
		s->pack[l].pack.is_float = floats && !bytes;
		/* i1 is read by tables that begin at 0 = byte 0x00, as the bytes are; there are none for it when the model takes floats. */
		if (bytes && (!p->layers[l].lut_bytes || array->type != SMARTSSD_U1))
			s->convert = true;
	}
	for (uint32_t l = 0; l < p->nr_layers && s->convert; l++)
		if (p->layers[l].kind == NN_LAYER_PACK)
			s->pack[l].pack.is_float = true;
	s->image_bytes = each * (s->convert ? 4 : smartssd_type_bytes(array->type));
	s->source = source;
	return 0;
}

/* The source's bytes of the group's images. */
static uint64_t source_bytes(const struct smartssd_session *s)
{
	const struct nn_value *v = &s->program->values[s->program->inputs[0]];

	return (uint64_t)nn_count(&v->dims) / s->unit * smartssd_type_bytes(s->source->array.type);
}

int exec_source_raw(struct exec_worker *w)
{
	const struct smartssd_session *s = w->s;
	const struct smartssd_source *from = s->source;
	uint64_t each = source_bytes(s), bytes = w->images * each;
	int ret = 0;

	if (w->raw_there)
		return 0;
	if (!w->raw)
		w->raw = malloc(s->batch * s->input_bytes);
	if (!w->raw)
		return exec_no_memory(&w->err, "the input");
	if (from->fd < 0) {
		memcpy(w->raw, (const uint8_t *)from->data + w->image * each, bytes);
	} else {
		ret = smartssd_read_all(from->fd, w->raw, bytes, from->array.offset + w->image * each);
		w->host_read_bytes += bytes;
	}
	if (ret)
		return smartssd_fail(&w->err, ret, "images %llu to %llu cannot be read: %s", (unsigned long long)w->image,
				     (unsigned long long)w->image + w->images - 1, strerror(-ret));
	w->raw_there = true;
	return 0;
}

int exec_source_plain(struct exec_worker *w)
{
	const struct smartssd_session *s = w->s;
	const struct nn_program *p = s->program;
	const struct nn_value *v = &p->values[p->inputs[0]];
	uint64_t bytes = w->images * source_bytes(s), channels, plane;
	float *to;
	int ret;

	if (w->input_there)
		return 0;
	ret = exec_source_raw(w);
	if (ret)
		return ret;
	to = exec_plain(w, p->inputs[0]);
	if (!to)
		return exec_no_memory(&w->err, "the input");
	w->input_there = true;
	if (source_type(s->source->array.type) == v->type) {
		memcpy(to, w->raw, bytes);
		return 0;
	}
	/* [N][C][plane] */
	channels = v->dims.n > 1 ? (uint64_t)v->dims.d[1] : 1;
	plane = max_u64((uint64_t)nn_count(&v->dims) / (uint64_t)v->dims.d[0] / channels, 1);
	for (uint64_t i = 0; i < bytes; i++) {
		uint32_t c = (uint32_t)(i / plane % channels);
		float byte = s->source->array.type == SMARTSSD_I1 ? (float)(int8_t)w->raw[i] : (float)w->raw[i];

		c = c < p->nr_mean ? c : p->nr_mean - 1;
		to[i] = (byte * p->input_scale - p->mean[c]) / p->std[c];
	}
	return 0;
}
