/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/glyphs.h - a fixed-width antialiased font that needs no font: letters are strokes,
 * made into coverage by integer arithmetic, so that every machine draws the same pixels.
 */
#pragma once

#include <stdint.h>

#define GLYPH_W 8
#define GLYPH_H 13

/* The coverage of each pixel of c's cell, 0 to 255. What is not printable ASCII, or not drawn here,
 * is a blank. The same memory for the same c, for good. */
const uint8_t (*glyph_coverage(char c))[GLYPH_W];
