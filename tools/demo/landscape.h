/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The picture that the demo shows when the user names none: a lake between mountains in evening light, made of noise and a height
 * map, so that the repository holds a program and no binary. The same picture every time.
 */
#ifndef DEMO_LANDSCAPE_H
#define DEMO_LANDSCAPE_H

#include <stdint.h>

#define LANDSCAPE_WIDTH	 1024
#define LANDSCAPE_HEIGHT 768

/* @rgb: WIDTH * HEIGHT * 3 bytes, rows from the top. 0 or -ENOMEM. About a second. */
int landscape_render(uint8_t *rgb);

#endif
