/* SPDX-License-Identifier: BSD-2-Clause */
/* Values as text, the same everywhere. */
#ifndef SMARTSSD_TEXT_H
#define SMARTSSD_TEXT_H

#include <stdint.h>

#define UUID_TEXT 37

/* "01234567-89ab-cdef-0123-456789abcdef"; returns @out */
const char *uuid_text(const uint8_t *uuid, char out[UUID_TEXT]);

#endif
