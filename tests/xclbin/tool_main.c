// SPDX-License-Identifier: BSD-2-Clause
/* `smartssd xclbin` alone, with sanitizers: what the tests of this folder run. */
#include "../../tools/smartssd/commands.h"

int main(int argc, char **argv)
{
	return cmd_xclbin(argc, argv);
}
