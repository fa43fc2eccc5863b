// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading NumPy's .npy, format versions 1.0, 2.0 and 3.0 (numpy.lib.format). A file:
 *
 *   "\x93NUMPY", major, minor, header length (2 bytes in version 1, else 4; little-endian), header, elements
 *
 * The header is a Python dict literal with exactly the keys descr, fortran_order and shape, padded with spaces, ended by a newline.
 * All of it is untrusted. What is malformed is -EBADMSG; what is well-formed but not served is -EOPNOTSUPP, and the text says
 * what to type in Python.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "npy.h"

#define MAGIC	   "\x93NUMPY"
#define MAGIC_SIZE 6
#define MAX_HEADER 65535 /* of a plain array it is 118; only structured types have more */

static const struct {
	const char *name, *descr;
	uint32_t bytes;
} types[] = {
	[SMARTSSD_U1] = { "u1", "|u1", 1 }, [SMARTSSD_I1] = { "i1", "|i1", 1 }, [SMARTSSD_I4] = { "i4", "<i4", 4 },
	[SMARTSSD_I8] = { "i8", "<i8", 8 }, [SMARTSSD_F2] = { "f2", "<f2", 2 }, [SMARTSSD_F4] = { "f4", "<f4", 4 },
};

uint32_t smartssd_type_bytes(uint32_t type)
{
	return type < ARRAY_SIZE(types) ? types[type].bytes : 0;
}

const char *smartssd_type_name(uint32_t type)
{
	return type < ARRAY_SIZE(types) && types[type].name ? types[type].name : "?";
}

const char *smartssd_type_descr(uint32_t type)
{
	return types[type].descr;
}

int smartssd_array_bytes(const struct smartssd_array *array, uint64_t *bytes)
{
	*bytes = smartssd_type_bytes(array->type);
	/* First, because the others may be of any size then. */
	for (uint32_t i = 0; i < array->ndim; i++)
		if (!array->shape[i])
			*bytes = 0;
	for (uint32_t i = 0; i < array->ndim && *bytes; i++)
		if (__builtin_mul_overflow(*bytes, array->shape[i], bytes))
			return -EOVERFLOW;
	return 0;
}

/* The scanner: [at, end), never beyond. */
struct scan {
	const char *at, *end;
	struct smartssd_error *err;
};

static void skip_space(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static bool accept(struct scan *s, char c)
{
	skip_space(s);
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static int malformed(struct scan *s, const char *what)
{
	char near[21];
	int n = 0;

	for (const char *p = s->at; p < s->end && n < 20; p++)
		near[n++] = *p >= ' ' && *p < 127 ? *p : '?';
	near[n] = '\0';
	return smartssd_fail(s->err, -EBADMSG, "malformed .npy header: expected %s%s%s%s; write the file again with np.save", what,
			     n ? " at \"" : ", but it ends", near, n ? "\"" : "");
}

static bool word(struct scan *s, const char *text)
{
	size_t n = strlen(text);

	skip_space(s);
	if ((size_t)(s->end - s->at) < n || memcmp(s->at, text, n))
		return false;
	s->at += n;
	return true;
}

/* A quoted string without escapes (NumPy needs none here). */
static int string(struct scan *s, char *out, size_t room, const char *what)
{
	char quote;
	size_t n = 0;

	skip_space(s);
	if (s->at == s->end || (*s->at != '\'' && *s->at != '"'))
		return malformed(s, what);
	quote = *s->at++;
	while (s->at < s->end && *s->at != quote) {
		if (*s->at == '\\' || (unsigned char)*s->at < ' ' || n + 1 == room)
			return malformed(s, what);
		out[n++] = *s->at++;
	}
	if (s->at == s->end)
		return malformed(s, "a closing quote");
	s->at++;
	out[n] = '\0';
	return 0;
}

static int refuse(struct scan *s, const char *descr, const char *why, const char *what_to_do)
{
	return smartssd_fail(s->err, -EOPNOTSUPP, "element type '%s' %s; %s", descr, why, what_to_do);
}

/* A byte order, a letter and digits; times have a unit in brackets too. */
static bool is_descr(const char *descr)
{
	if (!descr[0] || !strchr("<>|=", descr[0]) || !((descr[1] | 32) >= 'a' && (descr[1] | 32) <= 'z'))
		return false;
	descr += 2;
	descr += strspn(descr, "0123456789");
	return !*descr || (*descr == '[' && descr[strlen(descr) - 1] == ']');
}

static int parse_descr(struct scan *s, struct smartssd_array *out)
{
	char descr[32];
	const char *code;
	int ret;

	skip_space(s);
	if (s->at < s->end && *s->at == '[')
		return smartssd_fail(s->err, -EOPNOTSUPP,
				     "a structured (record) array is not supported: save one field of it, np.save(path, "
				     "np.ascontiguousarray(a['field']))");
	ret = string(s, descr, sizeof(descr), "the element type, such as '<f4'");
	if (ret)
		return ret;
	for (uint32_t t = SMARTSSD_U1; t <= SMARTSSD_F4; t++)
		if (!strcmp(descr, types[t].descr) ||
		    (types[t].bytes == 1 && descr[0] == '<' && !strcmp(descr + 1, types[t].name))) {
			out->type = t;
			return 0;
		}
	if (!is_descr(descr))
		return smartssd_fail(s->err, -EBADMSG,
				     "malformed .npy header: '%s' is no element type; write the file again with np.save", descr);
	code = descr + 1;
	if (code[0] == 'O')
		return refuse(s, descr, "is object dtype: the file holds pickled Python objects, not numbers",
			      "convert with a.astype(np.float32) or another number type");
	if (descr[0] == '>')
		return refuse(s, descr, "is big-endian", "convert with a.astype(a.dtype.newbyteorder('<'))");
	if (descr[0] == '=')
		return refuse(s, descr, "has native byte order, which says nothing in a file", "write the file again with np.save");
	if (!strcmp(code, "f8") || !strcmp(code, "f16"))
		return refuse(s, descr, "has more precision than the card computes with", "convert with a.astype(np.float32)");
	if (code[0] == 'b')
		return refuse(s, descr, "is boolean", "convert with a.astype(np.uint8)");
	if (code[0] == 'c')
		return refuse(s, descr, "is complex", "save a.real or a.imag as np.float32");
	if (code[0] == 'i' || code[0] == 'u')
		return refuse(s, descr, "is not supported", "convert with a.astype(np.int32), np.int64, np.int8 or np.uint8");
	return refuse(s, descr, "is not a number type that is supported", "use uint8, int8, int32, int64, float16 or float32");
}

static int parse_shape(struct scan *s, struct smartssd_array *out)
{
	bool comma = true;

	if (!accept(s, '('))
		return malformed(s, "the shape, a tuple such as (3, 4)");
	while (!accept(s, ')')) {
		uint64_t n = 0;

		if (!comma)
			return malformed(s, "',' or ')' in the shape");
		skip_space(s);
		if (s->at == s->end || *s->at < '0' || *s->at > '9')
			return malformed(s, "a size in the shape");
		while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
			if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*s->at - '0'), &n))
				return smartssd_fail(s->err, -EBADMSG,
						     "malformed .npy header: a size in the shape does not fit 64 bits");
			s->at++;
		}
		/* as Python 2 wrote a long */
		if (s->at < s->end && *s->at == 'L')
			s->at++;
		if (out->ndim == SMARTSSD_MAX_DIMS)
			return smartssd_fail(s->err, -EOPNOTSUPP,
					     "the array has more than %d dimensions; a.reshape() it to fewer", SMARTSSD_MAX_DIMS);
		out->shape[out->ndim++] = n;
		comma = accept(s, ',');
	}
	/* (5) is a number in Python, a tuple is (5,) */
	if (out->ndim == 1 && !comma)
		return smartssd_fail(s->err, -EBADMSG,
				     "malformed .npy header: the shape is a number, not a tuple; write the file again with np.save");
	return 0;
}

static int parse_dict(struct scan *s, struct smartssd_array *out)
{
	bool descr = false, order = false, shape = false, fortran = false, comma = true;
	char key[16];
	int ret;

	if (!accept(s, '{'))
		return malformed(s, "'{'");
	while (!accept(s, '}')) {
		if (!comma)
			return malformed(s, "',' or '}'");
		ret = string(s, key, sizeof(key), "the key 'descr', 'fortran_order' or 'shape'");
		if (ret)
			return ret;
		if (!accept(s, ':'))
			return malformed(s, "':'");
		if (!strcmp(key, "descr") && !descr) {
			descr = true;
			ret = parse_descr(s, out);
		} else if (!strcmp(key, "fortran_order") && !order) {
			order = true;
			fortran = word(s, "True");
			if (!fortran && !word(s, "False"))
				ret = malformed(s, "True or False");
		} else if (!strcmp(key, "shape") && !shape) {
			shape = true;
			ret = parse_shape(s, out);
		} else {
			return smartssd_fail(s->err, -EBADMSG,
					     "malformed .npy header: the key '%s' is unknown or there twice; write the file again with "
					     "np.save",
					     key);
		}
		if (ret)
			return ret;
		comma = accept(s, ',');
	}
	skip_space(s);
	if (s->at != s->end)
		return malformed(s, "nothing behind '}'");
	if (!descr || !order || !shape)
		return smartssd_fail(s->err, -EBADMSG,
				     "malformed .npy header: the key '%s' is missing; write the file again with np.save",
				     !descr ? "descr" :
				     !order ? "fortran_order" :
					      "shape");
	if (fortran)
		return smartssd_fail(s->err, -EOPNOTSUPP,
				     "the array is in Fortran order (columns first); save it in C order: np.save(path, "
				     "np.ascontiguousarray(a))");
	return 0;
}

int smartssd_npy_parse(const void *data, size_t bytes, uint64_t file_bytes, struct smartssd_array *out, struct smartssd_error *err)
{
	const uint8_t *p = data;
	struct scan s = { .err = err };
	uint32_t start, length;
	int ret;

	memset(out, 0, sizeof(*out));
	if (bytes > file_bytes)
		bytes = file_bytes;
	if (bytes < MAGIC_SIZE + 4 || memcmp(p, MAGIC, MAGIC_SIZE))
		return smartssd_fail(err, -EBADMSG, "not a .npy file: it does not begin with \\x93NUMPY%s",
				     bytes >= 4 && !memcmp(p, "PK\3\4", 4) ?
					     " (this is an .npz archive: np.load it and np.save one of its arrays)" :
					     "; write it with np.save");
	if (p[6] < 1 || p[6] > 3 || p[7] != 0)
		return smartssd_fail(err, -EOPNOTSUPP, ".npy format version %u.%u; 1.0, 2.0 and 3.0 are known", p[6], p[7]);
	if (p[6] == 1) {
		start = MAGIC_SIZE + 4;
		length = p[8] | (uint32_t)p[9] << 8;
	} else {
		start = MAGIC_SIZE + 6;
		if (bytes < start)
			return smartssd_fail(err, -EBADMSG, "the .npy file is cut off in its header");
		length = p[8] | (uint32_t)p[9] << 8 | (uint32_t)p[10] << 16 | (uint32_t)p[11] << 24;
	}
	if (length > MAX_HEADER)
		return smartssd_fail(err, -EOPNOTSUPP,
				     "the .npy header has %u bytes; that of a plain array of numbers has less than %u", length,
				     MAX_HEADER);
	if (length > bytes - start)
		return smartssd_fail(err, -EBADMSG, "the .npy file is cut off: its header should have %u bytes, %zu are there",
				     length, bytes - start);

	s.at = (const char *)p + start;
	s.end = s.at + length;
	ret = parse_dict(&s, out);
	if (ret)
		goto fail;
	out->offset = start + length;
	if (smartssd_array_bytes(out, &out->bytes)) {
		ret = smartssd_fail(err, -EBADMSG, "malformed .npy header: the shape's product does not fit 64 bits");
		goto fail;
	}
	if (out->bytes > file_bytes - out->offset) {
		ret = smartssd_fail(err, -EBADMSG,
				    "the .npy file is cut off: the header promises %llu bytes of elements, %llu are there; copy or save it "
				    "again",
				    (unsigned long long)out->bytes, (unsigned long long)(file_bytes - out->offset));
		goto fail;
	}
	return 0;
fail:
	memset(out, 0, sizeof(*out));
	return ret;
}

/* Put "path: " before what the parser said. */
static int at_path(struct smartssd_error *err, int ret, const char *path)
{
	char text[sizeof(err->text)];

	if (!err)
		return ret;
	memcpy(text, err->text, sizeof(text));
	return smartssd_fail(err, ret, "%s: %s", path, text);
}

int smartssd_npy_open(const char *path, struct smartssd_array *out, int *fd, struct smartssd_error *err)
{
	uint8_t *head = NULL;
	struct stat st;
	size_t bytes;
	int ret;

	*fd = smartssd_open_read(path);
	if (*fd < 0) {
		ret = -errno;
		return smartssd_fail(err, ret, "%s: %s", path, strerror(-ret));
	}
	if (fstat(*fd, &st)) {
		ret = smartssd_fail(err, -errno, "%s", strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		ret = smartssd_fail(err, -EOPNOTSUPP, "not a regular file");
		goto out;
	}
	bytes = min_u64((uint64_t)st.st_size, MAGIC_SIZE + 6 + MAX_HEADER);
	head = malloc(bytes + 1);
	ret = head ? smartssd_read_all(*fd, head, bytes, 0) : -ENOMEM;
	if (ret)
		smartssd_fail(err, ret, "cannot be read: %s", strerror(-ret));
	else
		ret = smartssd_npy_parse(head, bytes, (uint64_t)st.st_size, out, err);
out:
	free(head);
	if (ret) {
		close(*fd);
		*fd = -1;
		at_path(err, ret, path);
	}
	return ret;
}

int smartssd_npy_load(const char *path, struct smartssd_array *out, void **data, struct smartssd_error *err)
{
	int fd, ret = smartssd_npy_open(path, out, &fd, err);

	*data = NULL;
	if (ret)
		return ret;
	*data = malloc(out->bytes + 1);
	if (!*data)
		ret = smartssd_fail(err, -ENOMEM, "%s: no memory for %llu bytes", path, (unsigned long long)out->bytes);
	else
		ret = smartssd_read_all(fd, *data, out->bytes, out->offset);
	if (ret && *data) {
		smartssd_fail(err, ret, "%s: cannot be read: %s", path, strerror(-ret));
		free(*data);
		*data = NULL;
	}
	close(fd);
	return ret;
}
