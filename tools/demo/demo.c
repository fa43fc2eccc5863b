// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../smartssd/commands.h"
#include "../smartssd/operator.h"
#include "dataset.h"
#include "demo.h"
#include "filters.h"

#define DEFAULT_FOLDER "build/demo"
#define DEFAULT_ROWS   (1u << 20)

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

int demo_step(void *ctx, uint64_t done, uint64_t total)
{
	progress_step(ctx, done, total);
	return stopped;
}

/* Where a namespace of @ssd ("nvme0") is mounted and may be written; false when nowhere. */
static bool find_mount(const char *ssd, char *out, size_t room)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	char prefix[64];
	bool found = false;

	if (!f)
		return false;
	snprintf(prefix, sizeof(prefix), "/dev/%sn", ssd);
	while (!found && (m = getmntent(f))) {
		if (strncmp(m->mnt_fsname, prefix, strlen(prefix)) || access(m->mnt_dir, W_OK))
			continue;
		snprintf(out, room, "%s/smartssd-demo", m->mnt_dir);
		found = true;
	}
	endmntent(f);
	return found;
}

static int choose_folders(struct demo *d)
{
	char ssd[33];
	int ret;

	snprintf(ssd, sizeof(ssd), "%.32s", (const char *)d->query.ssd);
	snprintf(d->out_dir, sizeof(d->out_dir), "%s", d->out ?: DEFAULT_FOLDER);
	if (d->drive) {
		snprintf(d->drive_dir, sizeof(d->drive_dir), "%s", d->drive);
		snprintf(d->drive_note, sizeof(d->drive_note), "as said by --drive");
	} else if (d->query.features & SMARTSSD_FEATURE_EMBEDDED) {
		snprintf(d->drive_dir, sizeof(d->drive_dir), DEFAULT_FOLDER);
		snprintf(d->drive_note, sizeof(d->drive_note), "stands for the drive of the emulated card");
	} else if (*ssd && find_mount(ssd, d->drive_dir, sizeof(d->drive_dir))) {
		snprintf(d->drive_note, sizeof(d->drive_note), "on %s, the SSD behind the card's switch", ssd);
	} else {
		snprintf(d->drive_dir, sizeof(d->drive_dir), DEFAULT_FOLDER);
		snprintf(d->drive_note, sizeof(d->drive_note), "%s; mount a filesystem of the card's SSD, or name a folder with --drive",
			 *ssd ? "NOT on the card's SSD: no filesystem of it is mounted that may be written" :
				"NOT on the card's SSD: there is none behind its switch");
	}
	ret = make_folder(d->drive_dir);
	if (ret) {
		complain(DEMO, "%s: %s; name another folder with --drive", d->drive_dir, strerror(-ret));
		return 1;
	}
	ret = make_folder(d->out_dir);
	if (ret) {
		complain(DEMO, "%s: %s; name another folder with --out", d->out_dir, strerror(-ret));
		return 1;
	}
	return 0;
}

static const char *device_note(const struct demo *d)
{
	if (d->device)
		return "as said by --device";
	if (getenv("SMARTSSD_DEVICE"))
		return "as said by $SMARTSSD_DEVICE";
	if (d->query.features & SMARTSSD_FEATURE_EMBEDDED)
		return "there is no /dev/smartssd0";
	return "a card with the driver is there";
}

static void print_ratio(uint64_t link, uint64_t host_only)
{
	char a[32], b[32];

	printf("Host link in all: %s; the host-only way: %s", bytes_text(link, a, sizeof(a)), bytes_text(host_only, b, sizeof(b)));
	if (link)
		printf(", %.1f times as much", (double)host_only / link);
	puts(".");
}

static void print_start(const struct demo *d)
{
	printf("Card    %s (%s; %s)\n", smartssd_uri(d->dev), card_kind(&d->query), device_note(d));
	printf("Drive   %s (%s)\n\n", d->drive_dir, d->drive_note);
	fflush(stdout);
}

static void print_image(const struct demo *d, const struct image_result *r)
{
	printf("1. A picture through %u filters of 7x7, stride 2\n", (unsigned)d->filters);
	printf("  data          %s, %u x %u -> %s/image.npy%s\n", r->source, r->width, r->height, d->drive_dir,
	       r->reused ? " (was there)" : "");
	printf("  computed on   the card (kernel conv2d): %u maps of %u x %u\n", (unsigned)d->filters, r->out_width, r->out_height);
	report_text(&r->report, d->emulated);
	if (r->wrong)
		printf("  reference     DIFFERS in %llu of %llu values\n", (unsigned long long)r->wrong, (unsigned long long)r->values);
	else
		printf("  reference     all %llu values are exactly those of the C reference (host, %.2f s)\n", (unsigned long long)r->values,
		       r->reference_seconds);
	printf("  to look at    %s: the picture, then", r->sheet);
	for (unsigned i = 0; i < d->filters && i < 8; i++)
		printf("%s %s", i ? "," : "", filter_name(i));
	puts(d->filters > 8 ? ", waves\n" : "\n");
	fflush(stdout);
}

static bool lookup_right(const struct lookup_result *r)
{
	return r->worst_share <= 1;
}

static void print_lookup(const struct demo *d, const struct lookup_result *r)
{
	char a[32];

	printf("2. A recommendation batch: %llu bags of %u rows each, wanted after Zipf\n", (unsigned long long)r->bags, BAG_LOOKUPS);
	printf("  data          %s/table.npy: %llu rows of %u floats, %s", d->drive_dir, (unsigned long long)r->rows, TABLE_DIM,
	       bytes_text(r->table_bytes, a, sizeof(a)));
	if (r->reused)
		puts(" (was there)");
	else
		printf(" (made in %.1f s)\n", r->build_seconds);
	printf("  computed on   the card (kernel embedding_bag): %llu rows pooled to %llu vectors\n", (unsigned long long)r->lookups,
	       (unsigned long long)r->bags);
	report_text(&r->report, d->emulated);
	if (lookup_right(r))
		printf("  reference     largest error %.2e, at most %.0f %% of the bound for single precision (host, %.2f s)\n\n", r->largest_error,
		       100 * r->worst_share, r->reference_seconds);
	else
		printf("  reference     DIFFERS: largest error %.2e, %.3g times the bound for single precision\n\n", r->largest_error,
		       r->worst_share);
}

static void print_json(const struct demo *d, const struct image_result *im, const struct lookup_result *lo, bool right)
{
	uint64_t link = host_link_bytes(&im->report) + host_link_bytes(&lo->report);
	uint64_t host_only = im->report.host_only_bytes + lo->report.host_only_bytes;
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_text(&j, "device", smartssd_uri(d->dev));
	json_text(&j, "device_because", device_note(d));
	json_text(&j, "drive", d->drive_dir);
	json_text(&j, "drive_because", d->drive_note);
	json_open(&j, "picture", '{');
	json_text(&j, "source", im->source);
	json_uint(&j, "width", im->width);
	json_uint(&j, "height", im->height);
	json_uint(&j, "filters", d->filters);
	json_bool(&j, "data_reused", im->reused);
	json_text(&j, "sheet", im->sheet);
	report_json(&j, &im->report, d->emulated);
	json_uint(&j, "values", im->values);
	json_uint(&j, "values_wrong", im->wrong);
	json_close(&j, '}');
	json_open(&j, "lookup", '{');
	json_uint(&j, "rows", lo->rows);
	json_uint(&j, "dim", TABLE_DIM);
	json_uint(&j, "bags", lo->bags);
	json_uint(&j, "lookups", lo->lookups);
	json_bool(&j, "data_reused", lo->reused);
	report_json(&j, &lo->report, d->emulated);
	json_real(&j, "largest_error", lo->largest_error);
	json_real(&j, "share_of_bound", lo->worst_share);
	json_close(&j, '}');
	json_uint(&j, "host_link_bytes", link);
	json_uint(&j, "host_only_bytes", host_only);
	json_bool(&j, "right", right);
	json_close(&j, '}');
}

static int run(struct demo *d)
{
	struct image_result *im = calloc(1, sizeof(*im));
	struct lookup_result lo;
	bool right;
	int ret = 1;

	if (!im) {
		complain(DEMO, "out of memory");
		return 1;
	}
	if (!d->as_json)
		print_start(d);
	if (demo_image(d, im))
		goto out;
	if (!d->as_json)
		print_image(d, im);
	if (demo_lookup(d, &lo))
		goto out;
	right = !im->wrong && lookup_right(&lo);
	if (d->as_json) {
		print_json(d, im, &lo, right);
	} else {
		print_lookup(d, &lo);
		print_ratio(host_link_bytes(&im->report) + host_link_bytes(&lo.report),
			    im->report.host_only_bytes + lo.report.host_only_bytes);
	}
	if (!right)
		complain(DEMO, "the card's results differ from the reference");
	ret = !right;
out:
	free(im);
	return ret;
}

int cmd_demo(int argc, char **argv)
{
	struct demo d = { .rows = DEFAULT_ROWS, .filters = FILTERS_DEFAULT };
	const struct option_spec specs[] = {
		{ "image", OPTION_TEXT, &d.image, .meta = "FILE", .help = "a PNG or binary PPM; default: a landscape" },
		{ "device", OPTION_TEXT, &d.device, .meta = "URI", .help = "/dev/smartssdN or emu:...; default: see smartssd(1)" },
		{ "out", OPTION_TEXT, &d.out, .meta = "DIR", .help = "where the pictures go; default " DEFAULT_FOLDER },
		{ "drive", OPTION_TEXT, &d.drive, .meta = "DIR",
		  .help = "folder on the drive for the data; default: on the card's SSD, else " DEFAULT_FOLDER },
		{ "rows", OPTION_COUNT, &d.rows, .min = 1, .max = 1u << 30, .meta = "N", .help = "rows of the embedding table; default 1048576" },
		{ "filters", OPTION_COUNT, &d.filters, .min = 1, .max = FILTERS_MAX, .meta = "N", .help = "1 to 64; default 8" },
		{ "p2p", OPTION_CHOICE, &d.p2p, .choices = P2P_CHOICES, .help = P2P_HELP },
		{ "json", OPTION_FLAG, &d.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &d.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = {
		DEMO, "", "A picture through a filter bank and a recommendation batch from an embedding table, next to the data on the drive.\n"
			  "Results are compared with the C reference; exit status 0: they agree.",
		specs, sizeof(specs) / sizeof(specs[0])
	};
	char path[4096];
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	if (card_open(DEMO, d.device, "conv2d", &d.dev))
		return 1;
	ret = smartssd_query(d.dev, &d.query);
	if (ret) {
		complain(DEMO, "%s does not answer: %s", smartssd_uri(d.dev), strerror(-ret));
	} else if (!smartssd_find_kernel(d.dev, "embedding_bag")) {
		if (smartssd_find_file("kernels.xclbin", path, sizeof(path)))
			snprintf(path, sizeof(path), "kernels.xclbin");
		complain(DEMO, "the xclbin on %s has conv2d but no embedding_bag; 'smartssd xclbin load %s --device %s' replaces it, and "
			       "--device emu: needs none", smartssd_uri(d.dev), path, smartssd_uri(d.dev));
		ret = 1;
	} else {
		d.emulated = d.query.features & SMARTSSD_FEATURE_EMULATED;
		/* Half-written files are taken away before the end. */
		signal(SIGINT, on_signal);
		signal(SIGTERM, on_signal);
		ret = choose_folders(&d) ?: run(&d);
	}
	smartssd_close(d.dev);
	return ret ? 1 : 0;
}
