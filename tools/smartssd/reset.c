// SPDX-License-Identifier: BSD-2-Clause
/* smartssd reset: bring compute units back that hang or crashed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../runtime/libsmartssd.h"
#include "commands.h"
#include "options.h"

#define VERB "reset"

static int reset_one(struct smartssd_device *dev, uint32_t cu)
{
	int ret = smartssd_cu_reset(dev, cu);

	if (!ret)
		return 0;
	if (ret == -EPERM)
		complain(VERB, "%s: compute unit %u runs somebody else's command: its own time-out ends it, or root may", smartssd_uri(dev), cu);
	else if (ret == -EOPNOTSUPP)
		complain(VERB, "%s cannot reset single compute units; 'smartssd xclbin load' brings all of them back", smartssd_uri(dev));
	else
		complain(VERB, "%s: compute unit %u: %s", smartssd_uri(dev), cu, strerror(-ret));
	return 1;
}

static int reset(struct smartssd_device *dev, const char *which)
{
	struct smartssd_query q;
	unsigned long cu;
	char *end;
	int ret = smartssd_query(dev, &q);

	if (ret) {
		complain(VERB, "%s does not answer: %s", smartssd_uri(dev), strerror(-ret));
		return 1;
	}
	if (q.features & SMARTSSD_FEATURE_EMBEDDED) {
		complain(VERB, "%s is a card of this process alone and ends with it: there is nothing to reset", smartssd_uri(dev));
		return 2;
	}
	if (!q.nr_cus) {
		complain(VERB, "%s has no compute units: no xclbin is loaded", smartssd_uri(dev));
		return 1;
	}
	if (!strcmp(which, "all")) {
		for (uint32_t i = 0; i < q.nr_cus; i++)
			ret |= reset_one(dev, i);
		return ret;
	}
	cu = strtoul(which, &end, 10);
	if (*which < '0' || *which > '9' || *end || cu >= q.nr_cus) {
		complain(VERB, "'%s' is neither 'all' nor one of the compute units 0 to %u of %s; 'smartssd check' lists them", which,
			 q.nr_cus - 1, smartssd_uri(dev));
		return 2;
	}
	return reset_one(dev, cu);
}

int cmd_reset(int argc, char **argv)
{
	const char *uri = NULL;
	const struct option_spec specs[] = {
		{ "device", OPTION_TEXT, &uri, .meta = "URI", .help = "/dev/smartssdN; default: see smartssd(1)" },
	};
	const struct option_table table = {
		VERB, "CU|all",
		"Make a compute unit usable again that hangs or crashed. What it runs for somebody is stopped.\n"
		"CU: its number, as 'smartssd check' lists it.",
		specs, 1
	};
	struct smartssd_error err = { "" };
	struct smartssd_device *dev;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	if (ret + 1 != argc) {
		complain(VERB, "name one compute unit, or 'all'; 'smartssd check' lists them");
		return 2;
	}
	argv += ret;
	ret = smartssd_open(uri, &dev, &err);
	if (ret) {
		complain(VERB, "%s", *err.text ? err.text : strerror(-ret));
		return 1;
	}
	ret = reset(dev, argv[0]);
	smartssd_close(dev);
	return ret;
}
