// SPDX-License-Identifier: BSD-2-Clause
/*
 * #pragma HLS INTERFACE [mode=]MODE port=P [bundle=B] [offset=O] ...
 *
 * The modes that make a Vitis kernel: m_axi for pointers, s_axilite for registers, ap_ctrl_hs or ap_ctrl_chain for the function itself. Without pragmas
 * Vitis takes m_axi for every pointer and s_axilite for the rest, and so does this. Options that only tune the hardware (depth, latency, burst
 * lengths) are of no interest here.
 */
#include <ctype.h>
#include <string.h>
#include "xclbin.h"

struct interface {
	char mode[SMARTSSD_NAME_LEN];
	char port[SMARTSSD_NAME_LEN];
	char bundle[SMARTSSD_NAME_LEN];
	char offset[SMARTSSD_NAME_LEN];
};

static bool same(const char *a, const char *b, size_t len)
{
	return strlen(a) == len && !strncasecmp(a, b, len);
}

/* Next word of @p, blanks around '=' dropped ("port = x" is one word); NULL: none left, or longer than @word. */
static const char *next_word(const char *p, char word[2 * SMARTSSD_NAME_LEN])
{
	size_t n = 0;

	while (isspace((unsigned char)*p))
		p++;
	while (*p && n < 2 * SMARTSSD_NAME_LEN - 1) {
		const char *q = p;

		while (isspace((unsigned char)*q))
			q++;
		if (q != p) {
			if (*q != '=' && !(n && word[n - 1] == '='))
				break;
			p = q;
			continue;
		}
		word[n++] = *p++;
	}
	word[n] = 0;
	return n && (!*p || isspace((unsigned char)*p)) ? p : NULL;
}

static int parse(const char *p, struct interface *out)
{
	static const char *const keys[] = { "mode", "port", "bundle", "offset" };
	char *const values[] = { out->mode, out->port, out->bundle, out->offset };
	char word[2 * SMARTSSD_NAME_LEN];

	while ((p = next_word(p, word))) {
		size_t key = strcspn(word, "=");

		if (!word[key]) {
			/* the mode may stand alone; other single words (register, ...) are tuning */
			if (!*out->mode)
				snprintf(out->mode, sizeof(out->mode), "%.63s", word);
			continue;
		}
		for (size_t i = 0; i < 4; i++)
			if (same(keys[i], word, key))
				snprintf(values[i], SMARTSSD_NAME_LEN, "%.63s", word + key + 1);
	}
	return 0;
}

static struct proto_arg *find_arg(struct proto *p, const char *name)
{
	for (unsigned i = 0; i < p->nr; i++)
		if (!strcmp(p->args[i].name, name))
			return &p->args[i];
	return NULL;
}

static int set_control(struct proto *p, const char *mode, const char *path, unsigned line)
{
	int control;

	if (!strcasecmp(mode, "ap_ctrl_hs")) {
		control = SMARTSSD_CONTROL_HS;
	} else if (!strcasecmp(mode, "ap_ctrl_chain")) {
		control = SMARTSSD_CONTROL_CHAIN;
	} else {
		xb_report_at(path, line, "kernel %s: %s: a kernel without start and done cannot be run; ap_ctrl_chain or ap_ctrl_hs", p->name, mode);
		return -1;
	}
	if (p->control >= 0 && p->control != control) {
		xb_report_at(path, line, "kernel %s: %s contradicts an earlier pragma", p->name, mode);
		return -1;
	}
	p->control = control;
	return 0;
}

int pragma_interface(struct proto *p, const char *text, const char *path, unsigned line)
{
	struct interface in = { 0 };
	char word[2 * SMARTSSD_NAME_LEN];
	struct proto_arg *arg;
	bool m_axi;

	text = next_word(text, word);
	if (!text || strcasecmp(word, "HLS"))
		return 0;
	text = next_word(text, word);
	if (!text || strcasecmp(word, "INTERFACE"))
		return 0;
	parse(text, &in);
	if (!*in.mode || !*in.port) {
		xb_report_at(path, line, "kernel %s: an INTERFACE pragma names a mode and a port: m_axi port=x, s_axilite port=n", p->name);
		return -1;
	}
	if (!strncasecmp(in.mode, "ap_ctrl_", 8)) {
		if (strcmp(in.port, "return")) {
			xb_report_at(path, line, "kernel %s: %s belongs to port=return", p->name, in.mode);
			return -1;
		}
		return set_control(p, in.mode, path, line);
	}
	m_axi = !strcasecmp(in.mode, "m_axi");
	if (!m_axi && strcasecmp(in.mode, "s_axilite")) {
		xb_report_at(path, line, "kernel %s: port=%s: '%s' is not supported; m_axi for pointers, s_axilite for scalars", p->name, in.port,
			in.mode);
		return -1;
	}
	if (!m_axi && *in.offset) {
		xb_report_at(path, line, "kernel %s: port=%s: register offsets follow from the argument list; take 'offset=%s' away", p->name, in.port,
			in.offset);
		return -1;
	}
	if (!m_axi && !strcmp(in.port, "return"))
		return 0;
	arg = find_arg(p, in.port);
	if (!arg) {
		xb_report_at(path, line, "kernel %s: port=%s: there is no such argument", p->name, in.port);
		return -1;
	}
	if (!m_axi) {
		arg->s_axilite = true;
		return 0;
	}
	if (!arg->pointer) {
		xb_report_at(path, line, "kernel %s: port=%s: m_axi is for pointers, and this is '%s'", p->name, in.port, arg->type);
		return -1;
	}
	if (*in.offset && strcasecmp(in.offset, "slave")) {
		xb_report_at(path, line, "kernel %s: port=%s: offset=%s is not supported; offset=slave", p->name, in.port, in.offset);
		return -1;
	}
	for (const char *c = in.bundle; *c; c++) {
		if (!isalnum((unsigned char)*c) && *c != '_') {
			xb_report_at(path, line, "kernel %s: port=%s: bundle=%s is not a name", p->name, in.port, in.bundle);
			return -1;
		}
	}
	arg->m_axi = true;
	snprintf(arg->bundle, sizeof(arg->bundle), "%s", in.bundle);
	return 0;
}

int pragma_finish(struct proto *p)
{
	for (unsigned i = 0; i < p->nr; i++) {
		struct proto_arg *arg = &p->args[i];

		if (!arg->pointer)
			continue;
		if (arg->s_axilite && !arg->m_axi) {
			xb_report_at(p->path, arg->line,
				"kernel %s, argument '%s': s_axilite alone makes a register of what it points to; add m_axi port=%s offset=slave",
				p->name, arg->name, arg->name);
			return -1;
		}
		if (!*arg->bundle)
			strcpy(arg->bundle, "gmem");
	}
	return 0;
}
