// SPDX-License-Identifier: BSD-2-Clause
/* smartssd xclbin pack|info */
#include <stdio.h>
#include <string.h>
#include "../smartssd/commands.h"

static const char usage[] = "usage: smartssd xclbin pack|info ...\n";

int cmd_xclbin(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	fputs(usage, stderr);
	return 2;
}
