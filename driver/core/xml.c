// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The scanner of xml.h. Every loop moves forward and ends at x->end: no text is trusted. */
#include "xml.h"

/* A reference is at most this long, with & and ; ("&#x10ffff;"). */
#define MAX_REFERENCE 10

u32 xml_line(const struct xml *x)
{
	const char *p;
	u32 line = 1;

	for (p = x->begin; p < x->at; p++)
		line += *p == '\n';
	return line;
}

static int bad(const struct xml *x, const char *what)
{
	smartssd_why(x->why, "EMBEDDED_METADATA, line %u: %s", xml_line(x), what);
	return -EBADMSG;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_control(char c)
{
	return ((u8)c < 0x20 && !is_space(c)) || c == 0x7f;
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
	       (u8)c >= 0x80;
}

static bool is_name(char c)
{
	return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static bool starts_with(const struct xml *x, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(x->end - x->at) >= n && !memcmp(x->at, text, n);
}

static bool span_is(const struct xml_span *s, const char *text)
{
	return strlen(text) == s->n && !memcmp(s->p, text, s->n);
}

static bool span_equal(const struct xml_span *a, const struct xml_span *b)
{
	return a->n == b->n && !memcmp(a->p, b->p, a->n);
}

/* Go behind the next @text; false and at the end when there is none. */
static bool skip_past(struct xml *x, const char *text)
{
	while (x->at < x->end) {
		x->at = memchr(x->at, text[0], x->end - x->at);
		if (!x->at) {
			x->at = x->end;
			break;
		}
		if (starts_with(x, text)) {
			x->at += strlen(text);
			return true;
		}
		x->at++;
	}
	return false;
}

static void skip_space(struct xml *x)
{
	while (x->at < x->end && is_space(*x->at))
		x->at++;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* "#65" or "#x41" (@s without & and ;) */
static bool number_reference(const struct xml_span *s, u32 *code)
{
	u32 base = s->n > 1 && s->p[1] == 'x' ? 16 : 10;
	size_t i = base == 16 ? 2 : 1;

	if (i >= s->n)
		return false;
	/* MAX_REFERENCE keeps this within 32 bits. */
	for (*code = 0; i < s->n; i++) {
		u32 d = digit(s->p[i]);

		if (d >= base)
			return false;
		*code = *code * base + d;
	}
	if (*code < 0x20)
		return *code == '\t' || *code == '\n' || *code == '\r';
	return *code <= 0x10ffff && (*code < 0xd800 || *code > 0xdfff) && *code != 0xfffe &&
	       *code != 0xffff;
}

/* The reference that @p begins with: its length, or 0 when it is none. */
static size_t reference(const char *p, const char *end, u32 *code)
{
	static const struct {
		const char *name;
		char c;
	} named[] = {
		{ "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' },
	};
	size_t room = (size_t)(end - p) < MAX_REFERENCE ? (size_t)(end - p) : MAX_REFERENCE;
	const char *semicolon = memchr(p, ';', room);
	struct xml_span s;
	size_t i;

	if (!semicolon)
		return 0;
	s.p = p + 1;
	s.n = semicolon - s.p;
	if (s.n && s.p[0] == '#')
		return number_reference(&s, code) ? s.n + 2 : 0;
	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (span_is(&s, named[i].name)) {
			*code = (u8)named[i].c;
			return s.n + 2;
		}
	}
	return 0;
}

static int scan_name(struct xml *x, struct xml_span *name)
{
	name->p = x->at;
	if (x->at == x->end || !is_name_start(*x->at))
		return bad(x, "a name is missing");
	while (x->at < x->end && is_name(*x->at))
		x->at++;
	name->n = x->at - name->p;
	return 0;
}

static int scan_value(struct xml *x, struct xml_span *value)
{
	char quote;
	size_t n;
	u32 code;

	if (x->at == x->end || (*x->at != '"' && *x->at != '\''))
		return bad(x, "an attribute's value is not in quotes");
	quote = *x->at++;
	value->p = x->at;
	while (x->at < x->end && *x->at != quote) {
		if (*x->at == '<' || is_control(*x->at))
			return bad(x, "a character that an attribute's value must not have");
		n = 1;
		if (*x->at == '&') {
			n = reference(x->at, x->end, &code);
			if (!n)
				return bad(x, "unknown or malformed reference");
		}
		x->at += n;
	}
	if (x->at == x->end)
		return bad(x, "an attribute's value does not end");
	value->n = x->at++ - value->p;
	return 0;
}

static int scan_attr(struct xml *x)
{
	struct xml_attr *attr;
	u32 i;
	int err;

	if (x->nr_attrs == XML_MAX_ATTRS)
		return bad(x, "too many attributes");
	attr = &x->attrs[x->nr_attrs];
	err = scan_name(x, &attr->name);
	if (err)
		return err;
	for (i = 0; i < x->nr_attrs; i++)
		if (span_equal(&x->attrs[i].name, &attr->name))
			return bad(x, "an attribute is given twice");
	skip_space(x);
	if (x->at == x->end || *x->at != '=')
		return bad(x, "an attribute without a value");
	x->at++;
	skip_space(x);
	err = scan_value(x, &attr->value);
	if (!err)
		x->nr_attrs++;
	return err;
}

/* At the name of <name ...> or <name .../> */
static int open_tag(struct xml *x)
{
	const char *before;
	int err;

	if (!x->depth && x->root_seen)
		return bad(x, "a second root element");
	if (x->depth == XML_MAX_DEPTH)
		return bad(x, "elements are nested too deep");
	x->nr_attrs = 0;
	err = scan_name(x, &x->open[x->depth]);
	if (err)
		return err;
	for (;;) {
		before = x->at;
		skip_space(x);
		if (x->at == x->end)
			return bad(x, "a tag does not end");
		if (*x->at == '>') {
			x->at++;
			break;
		}
		if (starts_with(x, "/>")) {
			x->at += 2;
			x->close_next = true;
			break;
		}
		if (before == x->at)
			return bad(x, "a blank is missing in a tag");
		err = scan_attr(x);
		if (err)
			return err;
	}
	x->root_seen = true;
	x->depth++;
	return XML_OPEN;
}

/* At the name of </name> */
static int close_tag(struct xml *x)
{
	struct xml_span name;
	int err = scan_name(x, &name);

	if (err)
		return err;
	skip_space(x);
	if (x->at == x->end || *x->at != '>')
		return bad(x, "a closing tag does not end");
	if (!x->depth || !span_equal(&name, &x->open[x->depth - 1]))
		return bad(x, "a closing tag that closes nothing");
	x->at++;
	x->closed = true;
	return XML_CLOSE;
}

static int skip_comment(struct xml *x)
{
	if (!skip_past(x, "--"))
		return bad(x, "a comment does not end");
	if (x->at == x->end || *x->at != '>')
		return bad(x, "-- inside of a comment");
	x->at++;
	return 0;
}

static int skip_doctype(struct xml *x)
{
	char quote = 0;

	if (x->root_seen)
		return bad(x, "a document type behind the root element");
	for (; x->at < x->end; x->at++) {
		if (quote) {
			if (*x->at == quote)
				quote = 0;
		} else if (*x->at == '"' || *x->at == '\'') {
			quote = *x->at;
		} else if (*x->at == '[') {
			bad(x, "a document type with an internal subset");
			return -EOPNOTSUPP;
		} else if (*x->at == '>') {
			x->at++;
			return 0;
		}
	}
	return bad(x, "a document type does not end");
}

/* Text between tags: anything inside of the root, blanks outside. Zeros may pad the section. */
static int skip_text(struct xml *x)
{
	const char *text = x->at;

	x->at = memchr(text, '<', x->end - text);
	if (!x->at)
		x->at = x->end;
	if (x->depth)
		return 0;
	for (; text < x->at; text++) {
		if (is_space(*text) || (!*text && x->root_seen && x->at == x->end))
			continue;
		x->at = text;
		return bad(x, "text outside of the root element");
	}
	return 0;
}

static int skip_markup(struct xml *x)
{
	if (starts_with(x, "<!--")) {
		x->at += 4;
		return skip_comment(x);
	}
	if (starts_with(x, "<![CDATA[")) {
		if (!x->depth)
			return bad(x, "CDATA outside of the root element");
		return skip_past(x, "]]>") ? 0 : bad(x, "CDATA does not end");
	}
	if (starts_with(x, "<?"))
		return skip_past(x, "?>") ? 0 : bad(x, "a processing instruction does not end");
	if (starts_with(x, "<!DOCTYPE")) {
		x->at += 9;
		return skip_doctype(x);
	}
	return bad(x, "unknown declaration");
}

void xml_init(struct xml *x, const void *data, size_t bytes, struct smartssd_why *why)
{
	memset(x, 0, sizeof(*x));
	x->begin = data;
	x->at = data;
	x->end = x->begin + bytes;
	x->why = why;
	if (starts_with(x, "\xef\xbb\xbf"))
		x->at += 3;
}

int xml_next(struct xml *x)
{
	int err;

	if (x->closed) {
		x->closed = false;
		x->depth--;
	}
	if (x->close_next) {
		x->close_next = false;
		x->closed = true;
		return XML_CLOSE;
	}
	for (;;) {
		err = skip_text(x);
		if (err)
			return err;
		if (x->at == x->end) {
			if (x->depth)
				return bad(x, "an element does not end");
			return x->root_seen ? XML_END : bad(x, "no root element");
		}
		if (x->end - x->at > 1 && (x->at[1] == '!' || x->at[1] == '?')) {
			err = skip_markup(x);
			if (err)
				return err;
			continue;
		}
		x->at++;
		if (x->at < x->end && *x->at == '/') {
			x->at++;
			return close_tag(x);
		}
		return open_tag(x);
	}
}

bool xml_is(const struct xml *x, const char *name)
{
	return x->depth && span_is(&x->open[x->depth - 1], name);
}

/* As UTF-8: number of bytes. */
static u32 encode(u32 code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

int xml_attr(const struct xml *x, const char *name, char *out, size_t room)
{
	const struct xml_span *value = NULL;
	const char *p, *end;
	size_t used = 0;
	int total = 0;
	u32 i;

	for (i = 0; i < x->nr_attrs && !value; i++)
		if (span_is(&x->attrs[i].name, name))
			value = &x->attrs[i].value;
	if (!value)
		return -ENOENT;

	end = value->p + value->n;
	for (p = value->p; p < end;) {
		char bytes[4] = { is_space(*p) ? ' ' : *p };
		u32 n = 1, code;

		if (*p == '&') {
			/* scan_value() has seen that these are sound. */
			p += reference(p, end, &code);
			n = encode(code, bytes);
		} else {
			p++;
		}
		for (i = 0; i < n; i++, total++)
			if (used + 1 < room)
				out[used++] = bytes[i];
	}
	out[used] = 0;
	return total;
}
