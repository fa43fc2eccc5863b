// SPDX-License-Identifier: BSD-2-Clause
/* smartssd xclbin pack|info|load */
#include <string.h>
#include "../smartssd/commands.h"
#include "xclbin.h"

static const char usage[] =
	"usage: smartssd xclbin pack -o OUT --kernel FILE.c [OPTION...]   make an xclbin from HLS C kernels\n"
	"       smartssd xclbin info FILE [--json]                        say what is in one\n"
	"       smartssd xclbin load FILE [--device URI]                  put one on a card\n"
	"'smartssd xclbin pack --help' lists the options; more in smartssd-xclbin(1).\n";

int cmd_xclbin(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "pack"))
		return cmd_xclbin_pack(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "info"))
		return cmd_xclbin_info(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "load"))
		return cmd_xclbin_load(argc - 1, argv + 1);
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc > 1)
		xb_report("'%s': pack, info or load", argv[1]);
	else
		fputs(usage, stderr);
	return 2;
}
