// SPDX-License-Identifier: BSD-2-Clause
/*
 * What arguments does a kernel take? A scanner for the one declaration that matters, in C or C++ that the preprocessor has been over: it knows
 * tokens, nesting, typedefs at file scope, and the parameter list of the kernel's definition. Everything else is skipped; whether the
 * file is right is the compiler's business. What a register file cannot carry is refused by name. Of C++ it knows extern "C", using, types without "struct" in front, and
 * std:: before stdint names.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "xclbin.h"

enum kind { WORD, PUNCT, OTHER, PRAGMA, END };

struct token {
	enum kind kind;
	const char *text;
	unsigned len;
	unsigned line;
	const char *path;
};

/* What a typedef name stands for. */
struct alias {
	const char *name;
	unsigned len;
	const char *ctype; /* one of ctypes[], or NULL */
	const char *what;  /* if NULL: "struct", "a pointer", ... */
};

struct scan {
	struct token *tok;
	size_t nr;
	struct alias *alias;
	size_t nr_alias;
	char **paths; /* of line markers; live as long as the scan */
	size_t nr_paths;
	bool cpp;
	bool declared_c; /* the kernel's name was declared as extern "C" before */
};

static bool is(const struct token *t, const char *text)
{
	return t->kind != END && strlen(text) == t->len && !memcmp(t->text, text, t->len);
}

static bool is_one_of(const struct token *t, const char *const *words)
{
	for (; *words; words++)
		if (is(t, *words))
			return true;
	return false;
}

/* ---- tokens ---- */

static void push(struct scan *s, struct token t)
{
	if (!(s->nr & (s->nr + 1))) {
		s->tok = realloc(s->tok, (2 * s->nr + 2) * sizeof(t));
		if (!s->tok) {
			xb_report("out of memory");
			exit(1);
		}
	}
	s->tok[s->nr++] = t;
}

/* # 12 "file.c" 2 */
static void line_marker(struct scan *s, const char *p, unsigned *line, const char **path)
{
	char *name, *end;
	size_t n = 0;

	*line = strtoul(p, &end, 10);
	p = end + strspn(end, " ");
	if (*p++ != '"')
		return;
	name = xb_alloc(strcspn(p, "\n") + 1);
	for (; *p && *p != '"' && *p != '\n'; p++) {
		if (*p == '\\' && p[1])
			p++;
		name[n++] = *p;
	}
	s->paths = realloc(s->paths, (s->nr_paths + 1) * sizeof(char *));
	if (!s->paths) {
		xb_report("out of memory");
		exit(1);
	}
	*path = s->paths[s->nr_paths++] = name;
}

static void tokenize(struct scan *s, const char *p, const char *path)
{
	unsigned line = 1;
	bool fresh = true; /* at the beginning of a line */

	while (*p) {
		struct token t = { .text = p, .line = line, .path = path };

		if (*p == '\n') {
			line++;
			fresh = true;
			p++;
			continue;
		}
		if (isspace((unsigned char)*p)) {
			p++;
			continue;
		}
		if (*p == '#' && fresh) {
			size_t len = strcspn(p, "\n");
			const char *q = p + 1 + strspn(p + 1, " \t");

			if (isdigit((unsigned char)*q)) {
				line_marker(s, q, &line, &path);
				p += len + (p[len] == '\n');
				continue;
			}
			if (!strncmp(q, "pragma", 6)) {
				t.kind = PRAGMA;
				t.text = q + 6;
				t.len = len - (t.text - p);
				push(s, t);
			}
			p += len;
			continue;
		}
		fresh = false;
		if (isalpha((unsigned char)*p) || *p == '_' || (*p & 0x80)) {
			t.kind = WORD;
			while (isalnum((unsigned char)*p) || *p == '_' || *p == '$' || (*p & 0x80))
				p++;
		} else if (isdigit((unsigned char)*p)) {
			t.kind = OTHER;
			while (isalnum((unsigned char)*p) || *p == '.' || *p == '_' || (s->cpp && *p == '\'' && isalnum((unsigned char)p[1])))
				p++;
		} else if (*p == '"' || *p == '\'') {
			char quote = *p++;

			t.kind = OTHER;
			while (*p && *p != quote && *p != '\n')
				p += *p == '\\' && p[1] ? 2 : 1;
			if (*p == quote)
				p++;
		} else if (!strncmp(p, "...", 3)) {
			t.kind = PUNCT;
			p += 3;
		} else {
			t.kind = PUNCT;
			p++;
		}
		t.len = p - t.text;
		push(s, t);
	}
	push(s, (struct token){ .kind = END, .line = line, .path = path });
}

/* The token behind the bracket that closes the one at @i, or the end. */
static size_t past_bracket(const struct scan *s, size_t i)
{
	unsigned depth = 0;

	for (; s->tok[i].kind != END; i++) {
		const struct token *t = &s->tok[i];

		if (t->kind != PUNCT)
			continue;
		if (strchr("([{", *t->text))
			depth++;
		else if (strchr(")]}", *t->text) && depth && !--depth)
			return i + 1;
	}
	return i;
}

static size_t skip_attributes(const struct scan *s, size_t i)
{
	static const char *const words[] = { "__attribute__", "__attribute", "__asm__", "asm", "__asm", NULL };

	while (is_one_of(&s->tok[i], words) && is(&s->tok[i + 1], "("))
		i = past_bracket(s, i + 1);
	return i;
}

/* ---- types ---- */

static const char *find_alias(const struct scan *s, const struct token *t, const char **what)
{
	/* the last typedef of a name wins; C allows repeating one */
	for (size_t i = s->nr_alias; i--;) {
		if (s->alias[i].len == t->len && !memcmp(s->alias[i].name, t->text, t->len)) {
			*what = s->alias[i].what;
			return s->alias[i].ctype;
		}
	}
	*what = NULL;
	return NULL;
}

/*
 * Base type from the specifiers in tok[from, to): a C type without names of the file's own, or NULL and, in @what, what it is instead ("struct", ...; NULL:
 * unknown, *unknown is the word).
 */
static const char *base_type(const struct scan *s, size_t from, size_t to, const char **what, const struct token **unknown)
{
	unsigned n_char = 0, n_short = 0, n_int = 0, n_long = 0, n_signed = 0, n_unsigned = 0, n_float = 0, n_double = 0, n_bool = 0;
	static const char *const wide[] = { "__int128", "_Complex", "__complex__", "_Float16", "__float128", "_Float128", "_Decimal32",
					    "_Decimal64", "_Decimal128", "_Float64x", "__bf16", NULL };
	static const char *const skip[] = { "const",	  "volatile", "restrict", "__restrict", "__restrict__", "__const", "__volatile__",
					    "__extension__", "register", "extern",   "_Atomic",  NULL };
	const char *type = NULL;

	*what = NULL;
	*unknown = NULL;
	for (size_t i = from; i < to; i++) {
		const struct token *t = &s->tok[i];

		if (is_one_of(t, skip))
			continue;
		if (s->cpp && is(t, "std") && i + 3 < to && is(t + 1, ":") && is(t + 2, ":")) {
			i += 2;
			continue;
		}
		if (is(t, "struct") || is(t, "union") || is(t, "enum")) {
			*what = is(t, "struct") ? "a struct" : is(t, "union") ? "a union" : "an enum";
			return NULL;
		}
		if (is_one_of(t, wide)) {
			*what = "a number type that no register carries";
			return NULL;
		}
		if (is(t, "void"))
			*what = "void";
		else if (is(t, "char"))
			n_char++;
		else if (is(t, "short"))
			n_short++;
		else if (is(t, "int"))
			n_int++;
		else if (is(t, "long"))
			n_long++;
		else if (is(t, "signed") || is(t, "__signed__"))
			n_signed++;
		else if (is(t, "unsigned"))
			n_unsigned++;
		else if (is(t, "float"))
			n_float++;
		else if (is(t, "double"))
			n_double++;
		else if (is(t, "_Bool") || is(t, "bool"))
			n_bool++;
		else if (t->kind == WORD) {
			type = find_alias(s, t, what);
			if (!type && !*what)
				*unknown = t;
			if (!type)
				return NULL;
		} else {
			*unknown = t;
			return NULL;
		}
	}
	if (type || *what)
		return type;
	if (n_double && n_long) {
		*what = "a number type that no register carries";
		return NULL;
	}
	if (n_double)
		return "double";
	if (n_float)
		return "float";
	if (n_bool)
		return "_Bool";
	if (n_char)
		return n_unsigned ? "uint8_t" : "int8_t";
	if (n_short)
		return n_unsigned ? "uint16_t" : "int16_t";
	if (n_long)
		return n_unsigned ? "uint64_t" : "int64_t";
	if (n_int || n_signed || n_unsigned)
		return n_unsigned ? "uint32_t" : "int32_t";
	return NULL;
}

static unsigned type_bytes(const char *ctype)
{
	static const struct {
		const char *name;
		unsigned bytes;
	} sizes[] = { { "int8_t", 1 },	{ "uint8_t", 1 },  { "_Bool", 1 },    { "int16_t", 2 }, { "uint16_t", 2 }, { "int32_t", 4 },
		      { "uint32_t", 4 }, { "int64_t", 8 }, { "uint64_t", 8 }, { "float", 4 },	{ "double", 8 } };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (!strcmp(ctype, sizes[i].name))
			return sizes[i].bytes;
	return 0;
}

static void add_alias(struct scan *s, struct alias a)
{
	s->alias = realloc(s->alias, (s->nr_alias + 1) * sizeof(a));
	if (!s->alias) {
		xb_report("out of memory");
		exit(1);
	}
	s->alias[s->nr_alias++] = a;
}

/* typedef ... ; at file scope, @i behind the word. Returns the index behind the semicolon. */
static size_t read_typedef(struct scan *s, size_t i)
{
	const struct token *name = NULL, *unknown;
	struct alias a = { 0 };
	size_t from = i;

	for (; s->tok[i].kind != END && !is(&s->tok[i], ";"); i++) {
		const struct token *t;
		size_t past = skip_attributes(s, i);

		if (past != i && !a.what && !is(&s->tok[from], "struct"))
			a.what = "a type with attributes"; /* vector_size makes it something else altogether */
		i = past;
		t = &s->tok[i];
		if (t->kind == END || is(t, ";"))
			break;
		if (is(t, "{") || is(t, "(") || is(t, "[")) {
			if (is(t, "(")) {
				a.what = "a function or a pointer to one"; /* int (*name)(...) */
				if (is(&s->tok[i + 1], "*"))
					name = &s->tok[i + 2];
			} else if (is(t, "[")) {
				a.what = "an array";
			}
			i = past_bracket(s, i) - 1;
			continue;
		}
		if (is(t, "*") && !a.what)
			a.what = "a pointer behind a typedef";
		if (t->kind == WORD && !(a.what && is(&s->tok[i - 1], ")")))
			name = t;
	}
	if (!name)
		return i + 1;
	if (!a.what)
		a.ctype = base_type(s, from, name - s->tok, &a.what, &unknown);
	if (!a.ctype && !a.what)
		a.what = "a type that this tool does not know";
	a.name = name->text;
	a.len = name->len;
	add_alias(s, a);
	return i + 1;
}

/* C++, @i behind the word: using NAME = type; */
static size_t read_using(struct scan *s, size_t i)
{
	const struct token *name = &s->tok[i], *unknown;
	struct alias a = { .name = name->text, .len = name->len };
	size_t from = i + 2;

	for (; s->tok[i].kind != END && !is(&s->tok[i], ";"); i++)
		if (is(&s->tok[i], "*") || is(&s->tok[i], "&") || is(&s->tok[i], "<") || is(&s->tok[i], "["))
			a.what = "an alias of something that is no plain number";
	if (name->kind != WORD || !is(name + 1, "="))
		return i + 1;
	if (!a.what)
		a.ctype = base_type(s, from, i, &a.what, &unknown);
	if (!a.ctype && !a.what)
		a.what = "a type that this tool does not know";
	add_alias(s, a);
	return i + 1;
}

/* C++: struct NAME makes NAME a type. @i at the word struct, class, union or enum. */
static void note_tag(struct scan *s, size_t i)
{
	const struct token *t = &s->tok[i], *name = t + 1;

	if (is(t, "enum") && (is(name, "class") || is(name, "struct")))
		name++;
	if (name->kind == WORD && (is(name + 1, "{") || is(name + 1, ":") || is(name + 1, ";")))
		add_alias(s, (struct alias){ .name = name->text, .len = name->len, .what = is(t, "union") ? "a union" : is(t, "enum") ? "an enum" : "a struct" });
}

/* ---- parameters ---- */

static int refuse(const struct token *t, const struct proto *p, const struct token *name, unsigned nr, const char *why)
{
	if (name)
		xb_report_at(t->path, t->line, "kernel %s, argument '%.*s': %s", p->name, (int)name->len, name->text, why);
	else
		xb_report_at(t->path, t->line, "kernel %s, argument %u: %s", p->name, nr + 1, why);
	return -1;
}

/* Join the type's tokens: "const float*". -1: too long. */
static int spell_type(const struct scan *s, size_t from, size_t to, bool pointer, char out[SMARTSSD_NAME_LEN])
{
	static const char *const drop[] = { "restrict", "__restrict", "__restrict__", "register", NULL };
	size_t n = 0;

	for (size_t i = from; i < to; i++) {
		const struct token *t = &s->tok[i];

		if (is_one_of(t, drop))
			continue;
		if (is(t, ":") || (is(t, "std") && i + 1 < to && is(t + 1, ":")))
			continue;
		if (n + !!n + t->len + pointer >= SMARTSSD_NAME_LEN)
			return -1;
		if (n)
			out[n++] = ' ';
		memcpy(out + n, t->text, t->len);
		n += t->len;
	}
	if (pointer)
		out[n++] = '*';
	out[n] = 0;
	return 0;
}

/* A parameter whose type has template arguments; tok[at] is "<". */
static int refuse_template(const struct scan *s, size_t from, size_t at, const struct proto *p)
{
	static const struct {
		const char *type, *why;
	} vendor[] = {
		{ "stream", "hls::stream is not supported: compute units of a card meet in its memory; write a pointer" },
		{ "ap_uint", "ap_uint is not supported; use a stdint type" },
		{ "ap_int", "ap_int is not supported; use a stdint type" },
		{ "ap_fixed", "ap_fixed is not supported; use a stdint type and shift" },
		{ "ap_ufixed", "ap_ufixed is not supported; use a stdint type and shift" },
		{ "ap_axiu", "ap_axiu is of streams, which are not supported; write a pointer" },
		{ "ap_axis", "ap_axis is of streams, which are not supported; write a pointer" },
		{ "vector", "hls::vector is not supported; use a pointer to its element" },
	};

	for (size_t i = 0; at > from && i < sizeof(vendor) / sizeof(vendor[0]); i++)
		if (is(&s->tok[at - 1], vendor[i].type))
			return refuse(&s->tok[from], p, NULL, p->nr, vendor[i].why);
	return refuse(&s->tok[from], p, NULL, p->nr, "is of a C++ template; an argument is of a stdint type, float or double, or a pointer to one");
}

/* One parameter, tok[from, to). */
static int read_param(const struct scan *s, size_t from, size_t to, struct proto *p)
{
	const struct token *first = &s->tok[from], *name = NULL, *unknown;
	struct proto_arg *arg = &p->args[p->nr];
	static const char *const keywords[] = { "const", "volatile", "restrict", "__restrict", "__restrict__", "char",   "short", "int",
						"long",	 "signed",   "unsigned", "float",	 "double",	 "_Bool", "bool", "void",  NULL };
	size_t type_end = to, last_star = 0, stars = 0;
	const char *ctype, *what;
	char text[200];

	if (from == to)
		return refuse(&s->tok[to], p, NULL, p->nr, "is missing between the commas");
	if (is(first, "..."))
		return refuse(first, p, NULL, p->nr, "a kernel cannot take '...'");
	/* the name: the last word before brackets, or the one inside (*name) */
	for (size_t i = from; i < to; i++) {
		const struct token *t = &s->tok[i];

		i = skip_attributes(s, i);
		if (i >= to)
			break;
		t = &s->tok[i];
		if (is(t, "<"))
			return refuse_template(s, from, i, p);
		if (is(t, "&"))
			return refuse(first, p, NULL, p->nr, "is a reference; write a value for what goes in, a pointer for what comes out");
		if (is(t, "="))
			return refuse(first, p, name, p->nr, "has a default value, which nobody who calls it through registers would get; leave it out");
		if (s->cpp && is(t, ":")) /* of a :: */
			continue;
		if (is(t, "(")) {
			if (is(&s->tok[i + 1], "*") && s->tok[i + 2].kind == WORD)
				name = &s->tok[i + 2];
			return refuse(first, p, name, p->nr, "function pointers and other parentheses cannot be passed to a kernel");
		}
		if (is(t, "["))
			return refuse(first, p, name, p->nr, "arrays are not supported here; write a pointer");
		if (is(t, "*")) {
			if (!stars++)
				type_end = i;
			last_star = i;
			continue;
		}
		if (t->kind != WORD)
			return refuse(t, p, name, p->nr, "this tool does not understand the declaration");
		name = t;
	}
	if (!name || name == first || is_one_of(name, keywords) || (stars && (size_t)(name - s->tok) < last_star))
		return refuse(first, p, NULL, p->nr, "has no name; the name is what the xclbin's metadata needs");
	if (!stars)
		type_end = name - s->tok;
	if (stars > 1)
		return refuse(first, p, name, p->nr, "a pointer to a pointer means nothing on the card");
	if (name->len >= sizeof(arg->name))
		return refuse(first, p, name, p->nr, "the name has more than 63 characters");

	memset(arg, 0, sizeof(*arg));
	memcpy(arg->name, name->text, name->len);
	arg->pointer = stars;
	arg->line = first->line;
	if (spell_type(s, from, type_end, stars, arg->type))
		return refuse(first, p, name, p->nr, "the type has more than 63 characters");
	ctype = base_type(s, from, type_end, &what, &unknown);
	if (!ctype && unknown) {
		snprintf(text, sizeof(text), "the type '%.*s' is not known here; stdint types need #include <stdint.h>, bool needs <stdbool.h>",
			 (int)unknown->len, unknown->text);
		return refuse(first, p, name, p->nr, text);
	}
	if (!ctype && !what) {
		snprintf(text, sizeof(text), "'%s' is no type", arg->type);
		return refuse(first, p, name, p->nr, text);
	}
	if (!ctype && stars && strcmp(what, "a struct")) {
		snprintf(text, sizeof(text), "points to %s; use a pointer to a stdint type, float, double or a struct", what);
		return refuse(first, p, name, p->nr, text);
	}
	if (!ctype && !stars) {
		snprintf(text, sizeof(text), "'%s' is %s, which cannot be passed by value; use a stdint type, float or double, or a pointer",
			 arg->type, what);
		return refuse(first, p, name, p->nr, text);
	}
	arg->bytes = ctype ? type_bytes(ctype) : 0;
	snprintf(arg->ctype, sizeof(arg->ctype), "%s", ctype ? ctype : "void");
	p->nr++;
	return 0;
}

/* The list in brackets, tok[open] = "(", tok[close] = ")". */
static int read_params(const struct scan *s, size_t open, size_t close, struct proto *p)
{
	unsigned offset = CU_ARGS;
	size_t from = open + 1;

	p->nr = 0;
	if (from == close || (from + 1 == close && is(&s->tok[from], "void")))
		return 0;
	for (size_t i = from; i <= close; i++) {
		const struct token *t = &s->tok[i];

		if (i < close && (is(t, "(") || is(t, "[") || is(t, "{"))) {
			i = past_bracket(s, i) - 1;
			continue;
		}
		if (i < close && !is(t, ","))
			continue;
		if (p->nr == SMARTSSD_MAX_ARGS) {
			xb_report_at(t->path, t->line, "kernel %s: more than %u arguments", p->name, SMARTSSD_MAX_ARGS);
			return -1;
		}
		if (read_param(s, from, i, p))
			return -1;
		from = i + 1;
	}
	/* The HLS register map: a register of 4 or 8 bytes, and 4 bytes that stay free. */
	for (unsigned i = 0; i < p->nr; i++) {
		struct proto_arg *arg = &p->args[i];

		arg->offset = offset;
		offset += arg->pointer || arg->bytes == 8 ? 12 : 8;
	}
	return 0;
}

/* Specifiers before the kernel's name, tok[from, to). */
static int check_result(const struct scan *s, size_t from, size_t to, const struct proto *p)
{
	const struct token *name = &s->tok[to];
	bool is_void = false;

	for (size_t i = from; i < to; i++) {
		const struct token *t;

		i = skip_attributes(s, i);
		if (i >= to)
			break;
		t = &s->tok[i];
		if (is(t, "static") || is(t, "inline") || is(t, "__inline") || is(t, "__inline__")) {
			xb_report_at(name->path, name->line, "kernel %s is %.*s; only a plain function can be called from outside", p->name,
				(int)t->len, t->text);
			return -1;
		}
		if (is(t, "void"))
			is_void = true;
		else if (!is(t, "extern") && !is(t, "__extension__"))
			is_void = false;
		if (is(t, "*"))
			break;
	}
	if (!is_void) {
		xb_report_at(name->path, name->line, "kernel %s must return void; results go through a pointer argument", p->name);
		return -1;
	}
	return 0;
}

static int read_definition(const struct scan *s, size_t from, size_t name, size_t close, size_t body, struct proto *p)
{
	size_t end = past_bracket(s, body);

	p->line = s->tok[name].line;
	if (check_result(s, from, name, p) || read_params(s, name + 1, close, p))
		return -1;
	for (size_t i = body; i < end; i++) {
		const struct token *t = &s->tok[i];
		char *text;
		int err;

		if (t->kind != PRAGMA)
			continue;
		text = strndup(t->text, t->len);
		if (!text)
			return -1;
		err = pragma_interface(p, text, t->path, t->line);
		free(text);
		if (err)
			return -1;
	}
	return pragma_finish(p);
}

int proto_scan(const char *text, const char *path, struct proto *p)
{
	struct scan s = { 0 };
	size_t from = 0; /* of the declaration at hand */
	unsigned linkage = 0; /* extern "C" { that are open */
	int err = 0;

	s.cpp = xb_is_cpp(path);
	p->path = path;
	p->line = 0;
	p->nr = 0;
	p->control = -1;
	tokenize(&s, text, path);
	for (size_t i = 0; s.tok[i].kind != END && !err;) {
		const struct token *t = &s.tok[i];

		if (is(t, "typedef")) {
			i = from = read_typedef(&s, i + 1);
		} else if (s.cpp && is(t, "using")) {
			i = from = read_using(&s, i + 1);
		} else if (is(t, ";") || t->kind == PRAGMA) {
			from = ++i;
		} else if (s.cpp && is(t, "extern") && is(t + 1, "\"C\"") && is(t + 2, "{")) {
			linkage++;
			from = i += 3;
		} else if (s.cpp && linkage && is(t, "}")) {
			linkage--;
			from = ++i;
		} else if (is(t, "{")) {
			i = past_bracket(&s, i);
			/* "struct s { ... } name" goes on behind the bracket, but a function's body ends a declaration */
			if (!is(&s.tok[i], ";") && s.tok[i].kind != END)
				from = i;
		} else if (t->kind == WORD && t->len == strlen(p->name) && is(t, p->name) && is(&s.tok[i + 1], "(")) {
			size_t close = past_bracket(&s, i + 1);
			size_t body = skip_attributes(&s, close);

			s.declared_c |= linkage || (is(&s.tok[from], "extern") && is(&s.tok[from + 1], "\"C\""));
			if (is(&s.tok[body], "{") && s.cpp && !s.declared_c) {
				p->line = t->line;
				xb_report_at(t->path, t->line, "kernel %s is not extern \"C\": a C++ compiler gives it another name then, and nobody finds it; write extern \"C\" { ... } around it", p->name);
				err = -1;
			} else if (is(&s.tok[body], "{")) {
				err = read_definition(&s, from, i, close - 1, body, p);
				break;
			}
			i = body;
		} else {
			if (s.cpp && (is(t, "struct") || is(t, "class") || is(t, "union") || is(t, "enum")))
				note_tag(&s, i);
			i = is(t, "(") || is(t, "[") ? past_bracket(&s, i) : i + 1;
		}
		if (i >= s.nr)
			break;
	}
	free(s.tok);
	free(s.alias);
	while (s.nr_paths)
		free(s.paths[--s.nr_paths]);
	free(s.paths);
	return err;
}

int proto_compare(const struct proto *a, const struct proto *b)
{
	for (unsigned i = 0; i < a->nr && i < b->nr; i++) {
		const struct proto_arg *x = &a->args[i], *y = &b->args[i];

		if (x->pointer == y->pointer && !strcmp(x->ctype, y->ctype))
			continue;
		xb_report_at(b->path, y->line, "kernel %s, argument %u: '%s %s' here, but '%s %s' in %s:%u", b->name, i + 1, y->type, y->name,
			x->type, x->name, a->path, x->line);
		return -1;
	}
	if (a->nr != b->nr) {
		xb_report_at(b->path, b->line, "kernel %s has %u arguments here, but %u in %s:%u", b->name, b->nr, a->nr, a->path, a->line);
		return -1;
	}
	return 0;
}
