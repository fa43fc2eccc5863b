// SPDX-License-Identifier: BSD-2-Clause
/* smartssd xclbin load: put an xclbin on a card, in the place of whatever is there. */
#include <string.h>
#include "../../runtime/libsmartssd.h"
#include "../smartssd/options.h"
#include "../smartssd/text.h"
#include "xclbin.h"

#define VERB "xclbin load"

static int load(struct smartssd_device *dev, const char *path)
{
	struct smartssd_error err = { "" };
	struct smartssd_query q;
	char uuid[UUID_TEXT];
	int ret = smartssd_query(dev, &q);

	if (!ret && q.features & SMARTSSD_FEATURE_EMBEDDED) {
		complain(VERB, "%s is a card of this process alone and ends with it: there is nothing to load for", smartssd_uri(dev));
		return 2;
	}
	if (!ret)
		ret = smartssd_xclbin_load_file(dev, path, &err);
	if (!ret)
		ret = smartssd_query(dev, &q);
	if (ret) {
		complain(VERB, "%s: %s", smartssd_uri(dev), *err.text ? err.text : strerror(-ret));
		return 1;
	}
	printf("%s: %s, %u compute unit%s\n", smartssd_uri(dev), uuid_text(q.uuid, uuid), q.nr_cus, q.nr_cus == 1 ? "" : "s");
	return 0;
}

int cmd_xclbin_load(int argc, char **argv)
{
	const char *uri = NULL;
	const struct option_spec specs[] = {
		{ "device", OPTION_TEXT, &uri, .meta = "URI", .help = "/dev/smartssdN; default: see smartssd(1)" },
	};
	const struct option_table table = {
		VERB, "FILE", "Load an xclbin, in the place of whatever is loaded, for everybody who uses the card. Takes root.", specs, 1
	};
	struct smartssd_error err = { "" };
	struct smartssd_device *dev;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	if (ret + 1 != argc) {
		complain(VERB, "name one xclbin");
		return 2;
	}
	argv += ret;
	ret = smartssd_open(uri, &dev, &err);
	if (ret) {
		complain(VERB, "%s", *err.text ? err.text : strerror(-ret));
		return 1;
	}
	ret = load(dev, argv[0]);
	smartssd_close(dev);
	return ret;
}
