/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/draw.h - pages of text and photographs, for scenes. Integers only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE 15 /* rows of a line of text: odd, as that is hard on halved colours */
#define MARGIN 6
#define SECTION 480 /* rows of a part of a web page */

/* How a page looks: paper, then ink, plain first. */
struct theme {
	uint32_t paper, ink[6];
};
extern const struct theme dark, light;

struct canvas {
	uint32_t *pixels;
	size_t stride; /* pixels */
	unsigned w, h;
};

/* Numbers that look like chance, and are always the same. */
uint32_t hash(uint32_t a, uint32_t b, uint32_t c);
const char *random_word(uint32_t number);

void fill(const struct canvas *c, unsigned x, unsigned y, unsigned w, unsigned h, uint32_t colour);
/* Every pixel of the letter as zoom times zoom. What would not fit is left out. */
void draw_char(const struct canvas *c, unsigned x, unsigned y, unsigned zoom, char letter,
               uint32_t ink);
/* Returns where the next letter would be. */
unsigned draw_word(const struct canvas *c, unsigned x, unsigned y, unsigned zoom, const char *word,
                   uint32_t ink);
void draw_photo(const struct canvas *c, unsigned x, unsigned y, unsigned w, unsigned h,
                uint32_t seed);
/* Whole pages: of a program, of the web. */
void draw_text(const struct canvas *c, const struct theme *t, uint32_t seed);
void draw_web(const struct canvas *c, uint32_t seed);
