// SPDX-License-Identifier: BSD-2-Clause
/* Protobuf's wire format, checked against the message descriptors before protobuf-c allocates anything. */
#include "onnx_impl.h"

#define MAX_DEPTH 32
/* Memory that unpacking may take beside the bytes themselves: this much, and so many times the file. */
#define MEMORY_FREE   (64ull << 20)
#define MEMORY_FACTOR 8
#define FIELD_MEMORY  32 /* protobuf-c notes each field while it parses a message */

struct scan {
	uint64_t memory, limit;
	struct smartssd_error *err;
};

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 70 && *p < end; shift += 7) {
		uint8_t byte = *(*p)++;

		*value |= shift < 64 ? (uint64_t)(byte & 127) << shift : 0;
		if (!(byte & 128))
			return true;
	}
	return false;
}

static int cut_off(struct scan *s, const ProtobufCMessageDescriptor *d)
{
	return nn_fail(s->err, -EBADMSG, "not an ONNX model, or damaged: a %s is cut off or malformed", d->short_name);
}

static int charge(struct scan *s, uint64_t bytes)
{
	s->memory += bytes;
	if (s->memory > s->limit)
		return nn_fail(s->err, -EFBIG, "more (empty) parts than a file of this size can mean: over %llu MB of memory for their bookkeeping",
			       (unsigned long long)(s->limit >> 20));
	return 0;
}

static int scan_message(struct scan *s, const ProtobufCMessageDescriptor *d, const uint8_t *p, const uint8_t *end, int depth)
{
	uint64_t seen = 0;
	int ret = charge(s, d->sizeof_message);

	while (p < end && !ret) {
		const ProtobufCFieldDescriptor *f;
		uint64_t key, length;

		if (!varint(&p, end, &key) || key > UINT32_MAX || !(key >> 3))
			return cut_off(s, d);
		f = protobuf_c_message_descriptor_get_field(d, (unsigned)(key >> 3));
		ret = charge(s, FIELD_MEMORY);
		if (ret)
			return ret;
		switch (key & 7) {
		case 0:
			if (!varint(&p, end, &length))
				return cut_off(s, d);
			continue;
		case 1:
		case 5:
			length = (key & 7) == 1 ? 8 : 4;
			break;
		case 2:
			if (!varint(&p, end, &length))
				return cut_off(s, d);
			break;
		default:
			return cut_off(s, d);
		}
		if (length > (uint64_t)(end - p) || length > INT32_MAX)
			return cut_off(s, d);
		if (f && (key & 7) == 2 && f->type == PROTOBUF_C_TYPE_STRING && memchr(p, 0, length))
			return nn_fail(s->err, -EBADMSG, "a zero byte in the text '%s' of a %s", f->name, d->short_name);
		if (f && (key & 7) == 2 && f->type == PROTOBUF_C_TYPE_MESSAGE) {
			/* Merging copies what was there before: n of them take time n * n. */
			uint64_t bit = f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF ? 1ull << 63 : 1ull << ((f - d->fields) & 63);

			if (f->label != PROTOBUF_C_LABEL_REPEATED && seen & bit)
				return nn_fail(s->err, -EBADMSG, "a %s has its '%s' twice", d->short_name, f->name);
			seen |= bit;
			if (depth == MAX_DEPTH)
				return nn_fail(s->err, -EFBIG, "messages are nested deeper than %d", MAX_DEPTH);
			ret = scan_message(s, f->descriptor, p, p + length, depth + 1);
		}
		p += length;
	}
	return ret;
}

static void *take(void *failed, size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);

	if (!p)
		*(bool *)failed = true;
	return p;
}

static void give_back(void *failed, void *p)
{
	(void)failed;
	free(p);
}

int nn_onnx_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t bytes, ProtobufCMessage **out, struct smartssd_error *err)
{
	struct scan s = { .limit = MEMORY_FREE + MEMORY_FACTOR * (uint64_t)bytes, .err = err };
	bool failed = false;
	ProtobufCAllocator memory = { take, give_back, &failed };
	int ret;

	*out = NULL;
	if (bytes > INT32_MAX)
		return nn_fail(err, -EFBIG, "%zu bytes; protobuf, and so ONNX, has at most 2147483647 in a file", bytes);
	ret = scan_message(&s, type, data, (const uint8_t *)data + bytes, 0);
	if (ret)
		return ret;
	*out = protobuf_c_message_unpack(type, &memory, bytes, data);
	if (*out)
		return 0;
	if (failed)
		return nn_fail(err, -ENOMEM, "no memory for a model of %zu bytes", bytes);
	return nn_fail(err, -EBADMSG, "not an ONNX model, or damaged: a field has the wrong type");
}
