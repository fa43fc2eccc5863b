// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include "text.h"

const char *uuid_text(const uint8_t *uuid, char out[UUID_TEXT])
{
	char *p = out;

	for (int i = 0; i < 16; i++)
		p += sprintf(p, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
	return out;
}
