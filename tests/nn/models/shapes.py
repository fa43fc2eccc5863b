#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Draw small pictures of ten classes from a seed, with NumPy alone: what the small network of train_shapes.py is trained and tested on.

    shapes.py N SEED IMAGES.npy [LABELS.npy]      u1 [N][3][32][32] and i4 [N]; image i is of class i % 10
    shapes.py --ppm N SEED FOLDER                 the same as PPM files 00000.ppm ..., for tools that read pictures

A picture is a shape (or a texture) of random size, place, angle and colour on a background of another colour with a gradient, a line across it
half of the time, and noise. RandomState's streams are frozen in NumPy, so a seed gives the same pictures everywhere (up to the last
bit of sin and exp, which the noise drowns).
"""
import os
import sys

import numpy as np

SIDE = 32
NAMES = ["disc", "square", "triangle", "cross", "ring", "star", "moon", "bars", "checks", "dots"]
CLASSES = len(NAMES)


def ramp(distance, blur):
    """1 inside (distance < 0), 0 outside, about a pixel of slope between them."""
    return 1 / (1 + np.exp(np.clip(distance / blur, -30, 30)))


def cover(kind, u, v, r, blur):
    """How much of each pixel the shape covers. u, v: rotated coordinates [n][SIDE][SIDE] about its centre, in pixels; r: its radius [n][1][1]."""
    length = np.hypot(u, v)
    angle = np.arctan2(v, u)
    inside = ramp(length - 1.15 * r, blur)
    if kind == "disc":
        return ramp(length - r, blur)
    if kind == "square":
        return ramp(np.maximum(abs(u), abs(v)) - 0.85 * r, blur)
    if kind == "triangle":
        edges = [u * np.cos(a) + v * np.sin(a) for a in (np.pi / 2, np.pi * 7 / 6, np.pi * 11 / 6)]
        return ramp(np.maximum.reduce(edges) - 0.6 * r, blur)
    if kind == "cross":
        bar = np.minimum(np.maximum(abs(u) - 0.33 * r, abs(v) - 1.1 * r), np.maximum(abs(v) - 0.33 * r, abs(u) - 1.1 * r))
        return ramp(bar, blur)
    if kind == "ring":
        return ramp(abs(length - 0.85 * r) - 0.24 * r, blur)
    if kind == "star":
        return ramp(length - r * (0.8 + 0.42 * np.cos(5 * angle)), blur)
    if kind == "moon":
        return ramp(np.maximum(length - 1.05 * r, 0.95 * r - np.hypot(u - 0.6 * r, v)), blur)
    # Textures: their period follows from the radius, and they end in a disc.
    p = np.pi / (0.42 * r)
    if kind == "bars":
        return inside * ramp(-np.sin(u * p) / p * 2, blur)
    if kind == "checks":
        return inside * ramp(-np.sin(u * p * 0.8) * np.sin(v * p * 0.8) / p * 2, blur)
    return inside * ramp((0.35 - np.cos(u * p * 0.9) * np.cos(v * p * 0.9)) / p * 2, blur)


def draw(n, seed):
    """images u1 [n][3][32][32], labels i4 [n]"""
    rng = np.random.RandomState(seed)
    labels = (np.arange(n) % CLASSES).astype(np.int32)
    images = np.empty((n, 3, SIDE, SIDE), np.uint8)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    for first in range(0, n, 1000):
        # Every class draws the same number of random values, so that image i depends on the seed and i alone (blocks of 1000).
        draws = rng.uniform(size=(1000, 20))
        noise = rng.normal(size=(1000, 3, SIDE, SIDE))
        m = min(1000, n - first)
        d = draws[:m, :, None, None]
        r = 7 + 5 * d[:, 0]
        turn = 2 * np.pi * d[:, 1]
        cx, cy = 16 + 6 * (d[:, 2] - 0.5), 16 + 6 * (d[:, 3] - 0.5)
        u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        v = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        blur = 0.35 + 0.3 * d[:, 4]
        mask = np.empty((m, SIDE, SIDE))
        for c, kind in enumerate(NAMES):
            at = labels[first:first + m] == c
            mask[at] = cover(kind, u[at], v[at], r[at], blur[at])
        back = 40 + 175 * draws[:m, 5:8]
        front = 40 + 175 * draws[:m, 8:11]
        # Colours at least 90 apart, or nobody could see the shape.
        apart = front - back
        far = np.linalg.norm(apart, axis=1, keepdims=True)
        front = back + apart * np.maximum(1, 90 / np.maximum(far, 1))
        tilt = d[:, 11] * 2 * np.pi
        gradient = (np.cos(tilt) * (x - 16) + np.sin(tilt) * (y - 16)) * 1.5 * d[:, 12]
        way = d[:, 13] * np.pi
        line = ramp(abs(np.cos(way) * (x - 16) + np.sin(way) * (y - 16) + 16 * (d[:, 14] - 0.5)) - 0.8, 0.4) * (d[:, 15] < 0.5)
        picture = back[:, :, None, None] + gradient[:, None]
        shade = 40 + 175 * draws[:m, 16:19]
        picture = picture + line[:, None] * (shade[:, :, None, None] - picture) * 0.7
        picture = picture + mask[:, None] * (front[:, :, None, None] - picture)
        picture = picture + noise[:m] * (4 + 14 * d[:, 19:20])
        images[first:first + m] = np.clip(np.rint(picture), 0, 255)
    return images, labels


def main():
    if len(sys.argv) == 5 and sys.argv[1] == "--ppm":
        images, _ = draw(int(sys.argv[2]), int(sys.argv[3]))
        os.makedirs(sys.argv[4], exist_ok=True)
        for i, image in enumerate(images):
            with open(os.path.join(sys.argv[4], "%05d.ppm" % i), "wb") as f:
                f.write(b"P6\n%d %d\n255\n" % (SIDE, SIDE) + image.transpose(1, 2, 0).tobytes())
        return
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    images, labels = draw(int(sys.argv[1]), int(sys.argv[2]))
    np.save(sys.argv[3], images)
    if len(sys.argv) == 5:
        np.save(sys.argv[4], labels)


if __name__ == "__main__":
    main()
