// SPDX-License-Identifier: BSD-2-Clause
/*
 * Each fault knob of the card, seen through the driver: the right error, in time, and a card that works again after a reset. The last knob takes the
 * card off the bus: from then on everything is ENODEV. Runs in the guest, on card 0 for the repairable ones and card 1 for the last.
 *
 *   faults TK.XCLBIN
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "../tap.h"
#include "../../runtime/libsmartssd.h"

struct card {
	struct smartssd_device *dev;
	struct smartssd_bo bo;
	uint32_t *map;
	int number;
};

static int inject(const struct card *c, const char *spec)
{
	char pattern[128];
	glob_t g;
	int fd, ret = -ENOENT;

	snprintf(pattern, sizeof(pattern), "/sys/kernel/debug/smartssd/smartssd%d/fault", c->number);
	if (glob(pattern, 0, NULL, &g))
		return ret;
	fd = open(g.gl_pathv[0], O_WRONLY);
	if (fd >= 0) {
		ret = write(fd, spec, strlen(spec)) < 0 ? -errno : 0;
		close(fd);
	}
	globfree(&g);
	return ret;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static int open_card(struct card *c, int number, const char *xclbin)
{
	struct smartssd_error err = { "" };
	char uri[32];
	int ret;

	c->number = number;
	snprintf(uri, sizeof(uri), "/dev/smartssd%d", number);
	ret = smartssd_open(uri, &c->dev, &err);
	if (!ret)
		ret = smartssd_xclbin_load_file(c->dev, xclbin, &err);
	if (!ret)
		ret = smartssd_bo_create(c->dev, 4096, &c->bo);
	if (!ret)
		ret = smartssd_bo_map(c->dev, &c->bo, (void **)&c->map);
	if (ret)
		printf("# %s: %s %s\n", uri, strerror(-ret), err.text);
	return ret;
}

/* map[0] += 1 on the card */
static int run_once(struct card *c, uint32_t timeout_ms)
{
	struct smartssd_arg arg[4] = { { .index = 0, .bo = c->bo.bo }, { .index = 2, .bo = c->bo.bo }, { .index = 4, .value = 1 },
				       { .index = 5, .value = 0 } };
	struct smartssd_outcome out;
	struct smartssd_error err;
	struct smartssd_list *list;
	int ret = smartssd_list_create(&list);

	if (ret)
		return ret;
	ret = smartssd_list_run(list, 1, arg, 4, timeout_ms);
	if (ret >= 0)
		ret = smartssd_run_list(c->dev, list, &out, NULL, 0, &err);
	smartssd_list_destroy(list);
	return ret;
}

static uint32_t state(struct card *c)
{
	struct smartssd_cu_info info;

	return smartssd_cu_info(c->dev, 0, &info) ? ~0u : info.state;
}

static void repaired(struct card *c, const char *what)
{
	int ret = smartssd_cu_reset(c->dev, 0);
	uint32_t before = c->map[0];

	tap_ok(!ret, "%s: reset: %s", what, strerror(-ret));
	ret = run_once(c, 0);
	tap_ok(!ret && c->map[0] == before + 1, "%s: and the CU works again: %s", what, strerror(-ret));
}

int main(int argc, char **argv)
{
	struct card c, lost;
	double start;
	uint32_t before;
	int ret;

	if (argc != 2 || open_card(&c, 0, argv[1])) {
		tap_ok(0, "set up");
		return tap_done();
	}
	ret = run_once(&c, 0);
	if (!tap_ok(!ret, "a run without faults: %s", strerror(-ret)))
		return tap_done();

	tap_ok(!inject(&c, "hang"), "arm: hang");
	start = now();
	ret = run_once(&c, 500);
	tap_ok(ret == -ETIMEDOUT && now() - start >= 0.5 && now() - start < 10, "hang: %s after %.1f s", strerror(-ret), now() - start);
	tap_ok(state(&c) == SMARTSSD_CU_HUNG, "hang: state %u", state(&c));
	repaired(&c, "hang");

	tap_ok(!inject(&c, "crash"), "arm: crash");
	start = now();
	ret = run_once(&c, 20000);
	tap_ok(ret == -EIO && now() - start < 10, "crash: %s after %.1f s, not after the time-out", strerror(-ret), now() - start);
	tap_ok(state(&c) == SMARTSSD_CU_CRASHED, "crash: state %u", state(&c));
	repaired(&c, "crash");

	tap_ok(!inject(&c, "no-irq"), "arm: lost interrupt");
	before = c.map[0];
	ret = run_once(&c, 3000);
	tap_ok(!ret && c.map[0] == before + 1, "lost interrupt: the run is found done: %s", strerror(-ret));

	tap_ok(!inject(&c, "wrong"), "arm: completion of a run that never ran");
	before = c.map[0];
	ret = run_once(&c, 3000);
	tap_ok(!ret && c.map[0] == before, "wrong completion: the driver cannot know, the data is untouched (operators find it by their status word)");
	ret = run_once(&c, 3000);
	tap_ok(!ret && c.map[0] == before + 1, "and the next run is right");

	tap_ok(!inject(&c, "spurious"), "arm: spurious interrupt");
	before = c.map[0];
	ret = run_once(&c, 3000);
	tap_ok(!ret && c.map[0] == before + 1, "spurious interrupt: harmless");

	if (open_card(&lost, 1, argv[1])) {
		tap_ok(0, "second card");
		return tap_done();
	}
	tap_ok(!inject(&lost, "gone"), "arm: card gone");
	start = now();
	ret = run_once(&lost, 3000);
	tap_ok(ret == -ENODEV && now() - start < 15, "card gone: %s after %.1f s", strerror(-ret), now() - start);
	ret = run_once(&lost, 3000);
	tap_ok(ret == -ENODEV, "and from then on: %s", strerror(-ret));
	ret = run_once(&c, 0);
	tap_ok(!ret, "the other card does not mind");
	smartssd_close(lost.dev);
	smartssd_close(c.dev);
	return tap_done();
}
