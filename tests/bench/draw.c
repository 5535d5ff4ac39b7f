/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/draw.c - pages of text and photographs. Tests and bench; pure.
 */
#include "tests/bench/draw.h"

#include <string.h>

#include "tests/bench/glyphs.h"

const struct theme dark = {0x1d1f21, {0xd0d0d0, 0x81a2be, 0xb5bd68, 0xde935f, 0xcc6666, 0xb294bb}};
const struct theme light = {0xffffff, {0x202020, 0x0000c0, 0x007000, 0xa04000, 0xc00000, 0x700080}};

static const char *const words[] = {
	"the",   "of",     "and",    "window", "return", "static",  "int",     "for",
	"if",    "client", "server", "packet", "screen", "update",  "0x1f",    "length",
	"void",  "const",  "stride", "pixels", "Colour", "draws",   "1920",    "buffer",
	"Frame", "queue",  "while",  "break",  "struct", "session", "encode",  "key",
	"a",     "to",     "in",     "is",     "NULL",   "offset",  "quality", "region",
};
#define WORDS (sizeof(words) / sizeof(words[0]))
static const char *const marks[] = {"", "", "", ",", ".", ";", "()", " =", " {", ":", " +", "->"};

/* ---- chance ---------------------------------------------------------------------------------- */

uint32_t hash(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t x = a * 0x9e3779b1u ^ (b + 0x7f4a7c15u) * 0x85ebca6bu ^ c * 0xc2b2ae35u;

	x ^= x >> 15;
	x *= 0x2c1b3c6du;
	x ^= x >> 12;
	x *= 0x297a2d39u;
	return x ^ x >> 15;
}

static unsigned roll(uint64_t *lcg, unsigned sides)
{
	*lcg = *lcg * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*lcg >> 33) % sides;
}

const char *random_word(uint32_t number)
{
	return words[number % WORDS];
}

/* ---- text ------------------------------------------------------------------------------------ */

void fill(const struct canvas *c, unsigned x, unsigned y, unsigned w, unsigned h, uint32_t colour)
{
	for (unsigned j = y; j < y + h && j < c->h; j++)
		for (unsigned i = x; i < x + w && i < c->w; i++)
			c->pixels[j * c->stride + i] = colour;
}

static uint32_t blend(uint32_t under, uint32_t over, unsigned coverage)
{
	uint32_t ret = 0;

	for (unsigned shift = 0; shift < 24; shift += 8) {
		unsigned u = under >> shift & 255, o = over >> shift & 255;

		ret |= (u * (255 - coverage) + o * coverage + 127) / 255 << shift;
	}
	return ret;
}

void draw_char(const struct canvas *c, unsigned x, unsigned y, unsigned zoom, char letter,
               uint32_t ink)
{
	const uint8_t(*cell)[GLYPH_W] = glyph_coverage(letter);

	if (x + GLYPH_W * zoom > c->w)
		return;
	for (unsigned j = 0; j < GLYPH_H * zoom && y + j < c->h; j++) {
		for (unsigned i = 0; i < GLYPH_W * zoom; i++) {
			uint32_t *p = &c->pixels[(y + j) * c->stride + x + i];
			unsigned coverage = cell[j / zoom][i / zoom];

			if (coverage)
				*p = blend(*p, ink, coverage);
		}
	}
}

unsigned draw_word(const struct canvas *c, unsigned x, unsigned y, unsigned zoom, const char *word,
                   uint32_t ink)
{
	for (; *word; word++, x += GLYPH_W * zoom)
		draw_char(c, x, y, zoom, *word, ink);
	return x;
}

/* A line of a program, or of an essay: that is neither indented nor coloured. */
static void draw_line(const struct canvas *c, unsigned x, unsigned y, unsigned w,
                      const struct theme *t, bool program, uint32_t seed)
{
	uint64_t lcg = seed;
	unsigned end = x + w;

	(void)roll(&lcg, 2);
	if (roll(&lcg, 8) == 0)
		return;
	if (program) {
		end = x + w / 3 + roll(&lcg, w / 2);
		x += roll(&lcg, 5) * 4 * GLYPH_W;
	}
	for (;;) {
		const char *word = random_word(roll(&lcg, WORDS));
		const char *mark = marks[roll(&lcg, sizeof(marks) / sizeof(marks[0]))];
		unsigned ink = program && roll(&lcg, 5) < 2 ? 1 + roll(&lcg, 5) : 0;

		if (x + (strlen(word) + strlen(mark)) * GLYPH_W > end)
			return;
		x = draw_word(c, x, y, 1, word, t->ink[ink]);
		x = draw_word(c, x, y, 1, program ? mark : "", t->ink[0]) + GLYPH_W;
	}
}

void draw_text(const struct canvas *c, const struct theme *t, uint32_t seed)
{
	fill(c, 0, 0, c->w, c->h, t->paper);
	for (unsigned y = 0; y < c->h; y += LINE)
		draw_line(c, MARGIN, y, c->w - 2 * MARGIN, t, true, hash(seed, y, 1));
}

/* ---- photographs ----------------------------------------------------------------------------- */

/* Smooth noise with a value each `cell` pixels, a power of 2; 0 to 255. */
static unsigned noise(unsigned x, unsigned y, unsigned cell, uint32_t seed)
{
	unsigned cx = x / cell, cy = y / cell, fx = x % cell, fy = y % cell;
	unsigned top =
		(hash(cx, cy, seed) & 255) * (cell - fx) + (hash(cx + 1, cy, seed) & 255) * fx;
	unsigned low = (hash(cx, cy + 1, seed) & 255) * (cell - fx) +
	               (hash(cx + 1, cy + 1, seed) & 255) * fx;

	return (top * (cell - fy) + low * fy) / (cell * cell);
}

static unsigned clamp(int v)
{
	return v < 0 ? 0 : v > 255 ? 255 : (unsigned)v;
}

/* Large shapes, smaller ones, grain; the colours change slowly only. */
static uint32_t photo_pixel(unsigned x, unsigned y, uint32_t seed)
{
	int luma = (int)(noise(x, y, 128, seed) * 5 + noise(x, y, 32, seed + 1) * 2 +
	                 noise(x, y, 8, seed + 2)) /
	           8;
	int red = (int)noise(x, y, 64, seed + 3) - 128, blue = (int)noise(x, y, 64, seed + 4) - 128;
	int grain = (int)(hash(x, y, seed + 5) % 5) - 2;

	luma += grain;
	return clamp(luma + red / 3) << 16 | clamp(luma - red / 6 - blue / 12) << 8 |
	       clamp(luma + blue / 3);
}

void draw_photo(const struct canvas *c, unsigned x, unsigned y, unsigned w, unsigned h,
                uint32_t seed)
{
	for (unsigned j = 0; j < h && y + j < c->h; j++)
		for (unsigned i = 0; i < w && x + i < c->w; i++)
			c->pixels[(y + j) * c->stride + x + i] = photo_pixel(i, j, seed);
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* A heading, and a photograph beside text, which changes sides. */
static void draw_section(const struct canvas *c, unsigned y, uint32_t seed)
{
	unsigned photo_w = c->w / 4, left = seed & 1 ? MARGIN : c->w - photo_w - MARGIN;
	unsigned text_x = seed & 1 ? photo_w + 4 * MARGIN : 4 * MARGIN, x = 4 * MARGIN;
	uint64_t lcg = seed;

	fill(c, 0, y, c->w, 44, 0xe8eef8);
	for (int i = 0; i < 4; i++)
		x = draw_word(c, x, y + 9, 2, random_word(roll(&lcg, WORDS)), 0x204080) +
		    2 * GLYPH_W;
	draw_photo(c, left, y + 60, photo_w, SECTION * 2 / 3, seed);
	for (unsigned j = y + 60; j + LINE <= y + SECTION - 20; j += LINE)
		draw_line(c, text_x, j, c->w - photo_w - 8 * MARGIN, &light, false,
		          hash(seed, j, 2));
}

void draw_web(const struct canvas *c, uint32_t seed)
{
	fill(c, 0, 0, c->w, c->h, light.paper);
	for (unsigned y = 0; y < c->h; y += SECTION)
		draw_section(c, y, hash(seed, 0, 3) + y / SECTION);
}
