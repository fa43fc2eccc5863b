// SPDX-License-Identifier: BSD-2-Clause
/* TensorProto: elements as raw bytes, or in one of several typed fields. */
#include "onnx_impl.h"

static const struct {
	const char *name;
	enum nn_type type;
} types[] = {
	{ "undefined", NN_NONE }, { "float", NN_F4 },	 { "uint8", NN_U1 },	  { "int8", NN_I1 },	   { "uint16", NN_NONE },   { "int16", NN_NONE },
	{ "int32", NN_I4 },	  { "int64", NN_I8 },	 { "string", NN_NONE },	  { "bool", NN_BOOL },	   { "float16", NN_NONE },  { "double", NN_F8 },
	{ "uint32", NN_NONE },	  { "uint64", NN_NONE }, { "complex64", NN_NONE }, { "complex128", NN_NONE }, { "bfloat16", NN_NONE },
};

int nn_onnx_type(int32_t data_type, enum nn_type *type)
{
	*type = (uint32_t)data_type < ARRAY_SIZE(types) ? types[data_type].type : NN_NONE;
	return *type == NN_NONE ? -EOPNOTSUPP : 0;
}

const char *nn_onnx_type_name(int32_t data_type)
{
	return (uint32_t)data_type < ARRAY_SIZE(types) ? types[data_type].name : "a type that ONNX 1.12 does not know";
}

int32_t nn_onnx_data_type(enum nn_type type)
{
	for (uint32_t i = 1; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			return (int32_t)i;
	return 0;
}

static int from_ints(const Onnx__TensorProto *pb, const char *what, enum nn_type type, void *data, struct smartssd_error *err)
{
	int32_t lo = INT32_MIN, hi = INT32_MAX;

	if (type != NN_I4)
		nn_range(type, &lo, &hi);
	for (size_t i = 0; i < pb->n_int32_data; i++) {
		int32_t v = pb->int32_data[i];

		if (v < lo || v > hi)
			return nn_fail(err, -EBADMSG, "%.120s: element %zu is %d, which is no %s", what, i, v, nn_type_name(type));
		if (type == NN_I4)
			((int32_t *)data)[i] = v;
		else
			((uint8_t *)data)[i] = (uint8_t)v;
	}
	return 0;
}

static int read_elements(const Onnx__TensorProto *pb, const char *what, enum nn_type type, uint64_t elements, uint64_t bytes, void *data,
			 struct smartssd_error *err)
{
	size_t typed = type == NN_F4 ? pb->n_float_data : type == NN_I8 ? pb->n_int64_data : type == NN_F8 ? pb->n_double_data : pb->n_int32_data;
	size_t all = pb->n_float_data + pb->n_int32_data + pb->n_int64_data + pb->n_double_data + pb->n_uint64_data + pb->n_string_data;
	int ret = 0;

	if (all != typed || (all && pb->has_raw_data && pb->raw_data.len))
		return nn_fail(err, -EBADMSG, "%.120s: elements of another type than %s, or of two", what, nn_type_name(type));
	if (all || !pb->has_raw_data) {
		if (typed != elements)
			return nn_fail(err, -EBADMSG, "%.120s: %zu elements are there, its shape has %llu", what, typed, (unsigned long long)elements);
		if (type == NN_F4 && typed)
			memcpy(data, pb->float_data, bytes);
		else if (type == NN_I8 && typed)
			memcpy(data, pb->int64_data, bytes);
		else if (type == NN_F8 && typed)
			memcpy(data, pb->double_data, bytes);
		else
			ret = from_ints(pb, what, type, data, err);
	} else {
		if (pb->raw_data.len != bytes)
			return nn_fail(err, -EBADMSG, "%.120s: %zu bytes are there, its shape and type have %llu", what, pb->raw_data.len,
				       (unsigned long long)bytes);
		if (bytes)
			memcpy(data, pb->raw_data.data, bytes);
	}
	for (uint64_t i = 0; i < elements && type == NN_BOOL && !ret; i++)
		((uint8_t *)data)[i] = ((uint8_t *)data)[i] != 0;
	return ret;
}

int nn_onnx_tensor(const Onnx__TensorProto *pb, const char *what, enum nn_type *type, struct nn_dims *dims, void **data,
		   struct smartssd_error *err)
{
	uint64_t elements, bytes;
	int ret;

	*data = NULL;
	if (nn_onnx_type(pb->data_type, type))
		return nn_fail(err, -EOPNOTSUPP, "%.120s: its type is %s; supported are float, uint8, int8, int32, int64 and bool", what,
			       nn_onnx_type_name(pb->data_type));
	if ((pb->has_data_location && pb->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT) || pb->n_external_data)
		return nn_fail(err, -EOPNOTSUPP, "%.120s: its data is in another file (external data); save the model as one file, "
			       "for example with torch.onnx.export(..., external_data=False) or onnx.save(onnx.load(PATH), ONE_FILE)", what);
	if (pb->segment)
		return nn_fail(err, -EOPNOTSUPP, "%.120s: it is stored in segments, which is not supported", what);
	if (pb->n_dims > NN_MAX_DIMS)
		return nn_fail(err, -EFBIG, "%.120s: it has %zu dimensions, more than %d", what, pb->n_dims, NN_MAX_DIMS);
	*dims = (struct nn_dims){ .n = (uint32_t)pb->n_dims };
	for (uint32_t i = 0; i < dims->n; i++)
		dims->d[i] = pb->dims[i];
	ret = nn_size(*type, dims, &elements, &bytes);
	if (ret == -EFBIG)
		return nn_fail(err, ret, "%.120s: it has more than %llu bytes", what, NN_MAX_BYTES);
	if (ret)
		return nn_fail(err, ret, "%.120s: it has a negative dimension", what);
	/* Elements come from the file: nothing is allocated that is not there. */
	if (bytes > 0 && pb->raw_data.len < bytes && elements != pb->n_float_data && elements != pb->n_int32_data && elements != pb->n_int64_data &&
	    elements != pb->n_double_data)
		return nn_fail(err, -EBADMSG, "%.120s: its shape and type have %llu bytes, but %zu bytes, or %zu elements, are there", what,
			       (unsigned long long)bytes, pb->raw_data.len, pb->n_float_data + pb->n_int32_data + pb->n_int64_data + pb->n_double_data);
	*data = nn_alloc(bytes);
	if (!*data)
		return nn_fail(err, -ENOMEM, "%.120s: no memory for %llu bytes", what, (unsigned long long)bytes);
	ret = read_elements(pb, what, *type, elements, bytes, *data, err);
	if (ret) {
		free(*data);
		*data = NULL;
	}
	return ret;
}

int nn_tensor_parse(const void *data, size_t bytes, struct nn_tensor *out, struct smartssd_error *err)
{
	Onnx__TensorProto *pb;
	ProtobufCMessage *message;
	int ret = nn_onnx_unpack(&onnx__tensor_proto__descriptor, data, bytes, &message, err);

	*out = (struct nn_tensor){ .producer = NN_NOWHERE };
	if (ret)
		return ret;
	pb = (Onnx__TensorProto *)message;
	ret = nn_onnx_tensor(pb, pb->name ? pb->name : "the tensor", &out->type, &out->dims, &out->data, err);
	if (!ret) {
		out->owns = true;
		out->name = strdup(pb->name ? pb->name : "");
		if (!out->name) {
			free(out->data);
			ret = nn_fail(err, -ENOMEM, "no memory for a tensor's name");
		}
	}
	if (ret)
		*out = (struct nn_tensor){ .producer = NN_NOWHERE };
	onnx__tensor_proto__free_unpacked(pb, NULL);
	return ret;
}
