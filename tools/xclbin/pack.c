// SPDX-License-Identifier: BSD-2-Clause
/* smartssd xclbin pack */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "xclbin.h"

static const char usage[] =
	"usage: smartssd xclbin pack -o OUT [--platform NAME] [--cflags FLAGS] --kernel FILE [OPTION...] [--kernel FILE ...]\n"
	"Make an xclbin for the emulated card from HLS kernels in C (.c) or C++ (.cpp, .cc, .cxx; extern \"C\"); their argument lists come from the prototypes.\n"
	"  -o, --output FILE             the xclbin (required)\n"
	"  --platform NAME               default " XCLBIN_PLATFORM "\n"
	"  --cflags FLAGS                more options for the compiler ($CC, default gcc; for C++ $CXX, default g++)\n"
	"  --kernel FILE                 a kernel: the function called like the file; what follows, up to the next --kernel, is about it\n"
	"    --name NAME                 the function, when it is not called like the file\n"
	"    --functional FILE           compile this instead (may be repeated): the same function, written for a CPU\n"
	"    --cus N                     compute units, default 1\n"
	"    --control chain|hs          block protocol; default: as the ap_ctrl pragma says, else chain\n"
	"  --help                        this text; more in smartssd-xclbin(1)\n";

enum { OPT_PLATFORM = 256, OPT_CFLAGS, OPT_KERNEL, OPT_NAME, OPT_FUNCTIONAL, OPT_CUS, OPT_CONTROL };

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "platform", required_argument, NULL, OPT_PLATFORM },
	{ "cflags", required_argument, NULL, OPT_CFLAGS },
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "functional", required_argument, NULL, OPT_FUNCTIONAL },
	{ "cus", required_argument, NULL, OPT_CUS },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static volatile sig_atomic_t interrupted;

/* Only noted: the compiler gets the signal as well and ends, and then the work folder is removed on the ordinary way out. */
static void on_signal(int sig)
{
	interrupted = sig;
}

static bool is_name(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	while (isalnum((unsigned char)*s) || *s == '_')
		s++;
	return !*s;
}

static int set_name(struct kernel *k, const char *name, size_t len)
{
	snprintf(k->proto.name, sizeof(k->proto.name), "%.*s", (int)len, name);
	return len < sizeof(k->proto.name) ? 0 : -1;
}

/* The function is called like the file; a name that is none is complained about after the options, because --name may follow. */
static int begin_kernel(struct pack *pack, const char *path)
{
	const char *base = strrchr(path, '/');
	struct kernel *k;
	const char *dot;

	base = base ? base + 1 : path;
	dot = strrchr(base, '.');
	if (!dot || dot == base || (strcmp(dot, ".c") && !xb_is_cpp(base))) {
		xb_report("--kernel %s: the name of a C file ends in .c, that of a C++ file in .cpp, .cc or .cxx", path);
		return -1;
	}
	if (pack->nr_kernels == SMARTSSD_MAX_CUS) {
		xb_report("--kernel %s: more than %u kernels", path, SMARTSSD_MAX_CUS);
		return -1;
	}
	k = &pack->kernels[pack->nr_kernels++];
	k->source = path;
	k->cus = 1;
	k->control = -1;
	set_name(k, base, dot - base);
	return 0;
}

static int kernel_option(struct kernel *k, int c, const char *value)
{
	char *end;

	switch (c) {
	case OPT_NAME:
		if (set_name(k, value, strlen(value)) || !is_name(value)) {
			xb_report("--name %s: not the name of a C function", value);
			return -1;
		}
		return 0;
	case OPT_FUNCTIONAL:
		if (k->nr_functional == MAX_FUNCTIONAL) {
			xb_report("--functional %s: more than %u files for one kernel", value, MAX_FUNCTIONAL);
			return -1;
		}
		k->functional[k->nr_functional++] = value;
		return 0;
	case OPT_CUS:
		k->cus = strtoul(value, &end, 10);
		if (!isdigit((unsigned char)*value) || *end || k->cus < 1 || k->cus > SMARTSSD_MAX_CUS) {
			xb_report("--cus %s: a number from 1 to %u", value, SMARTSSD_MAX_CUS);
			return -1;
		}
		return 0;
	default:
		k->control = !strcmp(value, "chain") ? SMARTSSD_CONTROL_CHAIN : !strcmp(value, "hs") ? SMARTSSD_CONTROL_HS : -1;
		if (k->control < 0) {
			xb_report("--control %s: chain or hs", value);
			return -1;
		}
		return 0;
	}
}

static int set_platform(struct pack *pack, const char *name)
{
	for (const char *c = name; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("_.:-", *c)) {
			xb_report("--platform %s: letters, digits and _ . : - only", name);
			return -1;
		}
	}
	if (!*name || strlen(name) >= SMARTSSD_NAME_LEN) {
		xb_report("--platform %s: 1 to %d characters", name, SMARTSSD_NAME_LEN - 1);
		return -1;
	}
	pack->platform = name;
	return 0;
}

/* What options cannot say one by one. */
static int check_options(const struct pack *pack)
{
	char name[SMARTSSD_NAME_LEN];
	unsigned cus = 0;

	if (!pack->out) {
		xb_report("-o is missing: where the xclbin goes");
		return -1;
	}
	if (!pack->nr_kernels) {
		xb_report("--kernel is missing: the C or C++ file of a kernel");
		return -1;
	}
	for (unsigned i = 0; i < pack->nr_kernels; i++) {
		const struct kernel *k = &pack->kernels[i];

		if (!is_name(k->proto.name)) {
			xb_report("--kernel %s: '%s' is not the name of a C function; say --name NAME", k->source, k->proto.name);
			return -1;
		}
		if (meta_cu_name(k, k->cus, name)) {
			xb_report("--kernel %s: the kernel's name is too long: '%s:%s_%u' must fit %d characters", k->source, k->proto.name,
			     k->proto.name, k->cus, SMARTSSD_NAME_LEN - 1);
			return -1;
		}
		for (unsigned j = 0; j < i; j++) {
			if (!strcmp(k->proto.name, pack->kernels[j].proto.name)) {
				xb_report("kernel %s is given twice; more compute units of one kernel: --cus", k->proto.name);
				return -1;
			}
		}
		cus += k->cus;
	}
	if (cus > SMARTSSD_MAX_CUS) {
		xb_report("%u compute units; a card has at most %u", cus, SMARTSSD_MAX_CUS);
		return -1;
	}
	return 0;
}

/* 0, 1: help was asked for, -1 */
static int parse_options(int argc, char **argv, struct pack *pack)
{
	int c, which = 0;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":ho:", options, &which)) != -1) {
		const char *word = argv[optind - 1];

		switch (c) {
		case 'h':
			fputs(usage, stdout);
			return 1;
		case 'o':
			pack->out = optarg;
			break;
		case OPT_PLATFORM:
			if (set_platform(pack, optarg))
				return -1;
			break;
		case OPT_CFLAGS:
			pack->cflags = optarg;
			break;
		case OPT_KERNEL:
			if (begin_kernel(pack, optarg))
				return -1;
			break;
		case ':':
			xb_report("%s: a value is missing after it", word);
			return -1;
		case '?':
			xb_report("%s: no such option, or short for several; 'smartssd xclbin pack --help' lists them", word);
			return -1;
		default:
			if (!pack->nr_kernels) {
				xb_report("--%s: belongs behind the --kernel that it is about", options[which].name);
				return -1;
			}
			if (kernel_option(&pack->kernels[pack->nr_kernels - 1], c, optarg))
				return -1;
		}
	}
	if (optind < argc) {
		xb_report("'%s': kernels are given with --kernel", argv[optind]);
		return -1;
	}
	return check_options(pack);
}

static int timestamp(uint64_t *out)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	char *end;

	*out = 0;
	if (!text || !*text)
		return 0;
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno) {
		xb_report("SOURCE_DATE_EPOCH=%s: not a number of seconds", text);
		return -1;
	}
	return 0;
}

/* Is the function that will be compiled the one that the HLS source describes? */
static int check_functional(const struct pack *pack, const struct kernel *k)
{
	struct proto *other = xb_alloc(sizeof(*other));
	bool found = false;
	int err = 0;

	for (unsigned i = 0; i < k->nr_functional && !err; i++) {
		char *text;

		err = build_preprocess(pack, k->functional[i], &text);
		if (err)
			break;
		strcpy(other->name, k->proto.name);
		err = proto_scan(text, k->functional[i], other);
		free(text);
		if (err || !other->line)
			continue;
		found = true;
		err = proto_compare(&k->proto, other);
	}
	if (!err && !found) {
		xb_report("kernel %s: %s%s does not define a function of that name", k->proto.name, k->functional[0],
		     k->nr_functional > 1 ? " (nor do the other functional files)" : "");
		err = -1;
	}
	free(other);
	return err;
}

/* Who writes P_bytes next to a pointer P wants its bound. What looks like one and is none is up to the caller: say so. */
static void warn_of_bounds(const struct proto *p)
{
	for (unsigned i = 0; i < p->nr; i++) {
		size_t len = strlen(p->args[i].name);

		for (unsigned j = 0; j < p->nr && p->args[i].pointer; j++) {
			const struct proto_arg *arg = &p->args[j];

			if (strncmp(arg->name, p->args[i].name, len) || strcmp(arg->name + len, "_bytes") || arg->pointer)
				continue;
			if (j != i + 1 || arg->bytes != 8)
				xb_report_at(p->path, arg->line, "kernel %s, argument '%s': warning: the caller sets it; a bound that the driver sets is "
					     "a uint64_t directly behind '%s'", p->name, arg->name, p->args[i].name);
		}
	}
}

static int read_kernel(const struct pack *pack, struct kernel *k)
{
	char *text;
	int err = build_preprocess(pack, k->source, &text);

	if (err)
		return err;
	err = proto_scan(text, k->source, &k->proto);
	free(text);
	if (err)
		return err;
	if (!k->proto.line) {
		xb_report("%s: no definition of a function '%s'; --name NAME says which function is the kernel", k->source, k->proto.name);
		return -1;
	}
	if (k->control >= 0 && k->proto.control >= 0 && k->control != k->proto.control) {
		xb_report("%s: --control %s contradicts the ap_ctrl pragma of kernel %s", k->source, k->control ? "chain" : "hs", k->proto.name);
		return -1;
	}
	warn_of_bounds(&k->proto);
	return k->nr_functional ? check_functional(pack, k) : 0;
}

static int make(struct pack *pack)
{
	struct axlf x = { .platform = pack->platform };
	uint8_t *file;
	size_t bytes;
	void *bits;
	int err = timestamp(&x.timestamp);

	for (unsigned i = 0; i < pack->nr_kernels && !err; i++)
		err = read_kernel(pack, &pack->kernels[i]);
	if (!err)
		err = build_bitstream(pack, &bits, &bytes);
	if (err)
		return err;
	axlf_add(&x, AXLF_BITSTREAM, bits, bytes);
	err = meta_add(&x, pack);
	if (!err && !interrupted) {
		axlf_build(&x, &file, &bytes);
		err = xb_write_file(pack->out, file, bytes);
		free(file);
	}
	axlf_free(&x);
	return err;
}

static char *make_work(void)
{
	const char *tmp = getenv("TMPDIR");
	char *path;

	if (asprintf(&path, "%s/smartssd-xclbin-XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0)
		return NULL;
	if (!mkdtemp(path)) {
		xb_report("%s: cannot make a temporary folder: %s", path, strerror(errno));
		free(path);
		return NULL;
	}
	return path;
}

static void remove_work(char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		unlinkat(dirfd(dir), d->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
	free(path);
}

int cmd_xclbin_pack(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct pack *pack = xb_alloc(sizeof(*pack));
	int err;

	pack->platform = XCLBIN_PLATFORM;
	pack->cflags = "";
	err = parse_options(argc, argv, pack);
	if (err) {
		free(pack);
		return err > 0 ? 0 : 2;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	pack->work = make_work();
	err = -1;
	if (pack->work) {
		err = make(pack);
		remove_work(pack->work);
	}
	free(pack);
	return interrupted ? 128 + interrupted : err ? 1 : 0;
}
