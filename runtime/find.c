// SPDX-License-Identifier: BSD-2-Clause
/* Where the files are that belong to this build or installation: the embedded card's own search, for every name of ours. */
#include <unistd.h>

#include "../tools/card/card.h"
#include "private.h"

int smartssd_find_file(const char *name, char *path, size_t bytes)
{
	/* a name of ours, perhaps in a folder of ours; nothing that leads out */
	if (!*name || *name == '/' || strstr(name, ".."))
		return -EINVAL;
	return card_find_file(name, R_OK, path, bytes);
}
