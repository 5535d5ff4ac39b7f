/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/scene.c - the scenes: pages of text and photographs are drawn once, frames are cut
 * from them. Integers only. Tests and bench; pure.
 */
#include "tests/bench/scene.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/glyphs.h"

#define LINE 15 /* rows of a line of text: odd, as that is hard on halved colours */
#define MARGIN 6
#define SECTION 480 /* rows of a part of a web page, a multiple of WEB_STEP */
#define WEB_STEP 48
#define TYPED 3 /* characters a frame */
#define PAN_X 256
#define PAN_Y 128

/* How a page looks: paper, then ink, plain first. */
struct theme {
	uint32_t paper, ink[6];
};
static const struct theme dark = {0x1d1f21,
                                  {0xd0d0d0, 0x81a2be, 0xb5bd68, 0xde935f, 0xcc6666, 0xb294bb}};
static const struct theme light = {0xffffff,
                                   {0x202020, 0x0000c0, 0x007000, 0xa04000, 0xc00000, 0x700080}};

static const char *const words[] = {
	"the",   "of",     "and",    "window", "return", "static",  "int",     "for",
	"if",    "client", "server", "packet", "screen", "update",  "0x1f",    "length",
	"void",  "const",  "stride", "pixels", "Colour", "draws",   "1920",    "buffer",
	"Frame", "queue",  "while",  "break",  "struct", "session", "encode",  "key",
	"a",     "to",     "in",     "is",     "NULL",   "offset",  "quality", "region",
};
static const char *const marks[] = {"", "", "", ",", ".", ";", "()", " =", " {", ":", " +", "->"};

struct canvas {
	uint32_t *pixels;
	size_t stride; /* pixels */
	unsigned w, h;
};

/* ---- chance ---------------------------------------------------------------------------------- */

static uint32_t hash(uint32_t a, uint32_t b, uint32_t c)
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

/* ---- text ------------------------------------------------------------------------------------ */

static void fill(const struct canvas *c, unsigned x, unsigned y, unsigned w, unsigned h,
                 uint32_t colour)
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

/* Every pixel of the letter as zoom times zoom. */
static void draw_char(const struct canvas *c, unsigned x, unsigned y, unsigned zoom, char letter,
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

static unsigned draw_word(const struct canvas *c, unsigned x, unsigned y, unsigned zoom,
                          const char *word, uint32_t ink)
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
		const char *word = words[roll(&lcg, sizeof(words) / sizeof(words[0]))];
		const char *mark = marks[roll(&lcg, sizeof(marks) / sizeof(marks[0]))];
		unsigned ink = program && roll(&lcg, 5) < 2 ? 1 + roll(&lcg, 5) : 0;

		if (x + (strlen(word) + strlen(mark)) * GLYPH_W > end)
			return;
		x = draw_word(c, x, y, 1, word, t->ink[ink]);
		x = draw_word(c, x, y, 1, program ? mark : "", t->ink[0]) + GLYPH_W;
	}
}

static void draw_text(const struct canvas *c, const struct theme *t, uint32_t seed)
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

static void draw_photo(const struct canvas *c, unsigned x, unsigned y, unsigned w, unsigned h,
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
		x = draw_word(c, x, y + 9, 2, words[roll(&lcg, sizeof(words) / sizeof(words[0]))],
		              0x204080) +
		    2 * GLYPH_W;
	draw_photo(c, left, y + 60, photo_w, SECTION * 2 / 3, seed);
	for (unsigned j = y + 60; j + LINE <= y + SECTION - 20; j += LINE)
		draw_line(c, text_x, j, c->w - photo_w - 8 * MARGIN, &light, false,
		          hash(seed, j, 2));
}

static void draw_web(const struct canvas *c, uint32_t seed)
{
	fill(c, 0, 0, c->w, c->h, light.paper);
	for (unsigned y = 0; y < c->h; y += SECTION)
		draw_section(c, y, hash(seed, 0, 3) + y / SECTION);
}

static void draw_screen(const struct canvas *c, unsigned n)
{
	if (n % 3 == 2)
		draw_web(c, n);
	else
		draw_text(c, n % 3 ? &light : &dark, n);
}

static const char *const names[SCENE_MAX_] = {"type", "scroll", "web", "drag", "video", "switch"};

const char *scene_name(enum scene_kind k)
{
	return names[k];
}

int scene_parse(const char *name, enum scene_kind *ret)
{
	for (int i = 0; i < SCENE_MAX_; i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		*ret = (enum scene_kind)i;
		return 0;
	}
	return -EINVAL;
}

/* Of the window that is dragged, and of the film. */
static struct scene_rect inner(const struct scene *s)
{
	if (s->kind == SCENE_DRAG)
		return (struct scene_rect){0, 0, s->w * 2 / 5, s->h * 2 / 5};
	return (struct scene_rect){s->w / 6, s->h / 6, s->w * 2 / 3, s->h * 2 / 3};
}

static void draw_pages(struct scene *s)
{
	struct canvas c = {s->page, s->w, s->w, s->page_h};
	struct canvas p = {s->photo, s->photo_w, s->photo_w, s->photo_h};

	switch (s->kind) {
	case SCENE_TYPE:
	case SCENE_SCROLL:
		draw_text(&c, &dark, 1);
		break;
	case SCENE_WEB:
		draw_web(&c, 1);
		break;
	case SCENE_DRAG:
		draw_text(&c, &light, 2);
		draw_text(&p, &dark, 3);
		fill(&p, 0, 0, p.w, 24, 0x3060b0);
		(void)draw_word(&p, MARGIN, 5, 1, "Session of the client", 0xffffff);
		break;
	case SCENE_VIDEO:
		draw_web(&c, 2);
		draw_photo(&p, 0, 0, p.w, p.h, 77);
		break;
	case SCENE_SWITCH:
	case SCENE_MAX_:
	default:
		break;
	}
}

int scene_init(struct scene *s, enum scene_kind k, unsigned w, unsigned h)
{
	struct scene_rect r;

	*s = (struct scene){.kind = k, .w = w, .h = h, .page_h = h};
	if (w < SCENE_SIDE_MIN || h < SCENE_SIDE_MIN || w > SCENE_SIDE_MAX || h > SCENE_SIDE_MAX)
		return -EINVAL;
	r = inner(s);
	if (k == SCENE_SCROLL)
		s->page_h = (h / LINE + 40) * LINE;
	if (k == SCENE_WEB)
		s->page_h = (h / SECTION + 3) * SECTION;
	if (k == SCENE_DRAG || k == SCENE_VIDEO) {
		s->photo_w = r.w + (k == SCENE_VIDEO ? PAN_X : 0);
		s->photo_h = r.h + (k == SCENE_VIDEO ? PAN_Y : 0);
		s->photo = calloc((size_t)s->photo_w * s->photo_h, sizeof(*s->photo));
	}
	s->page = calloc((size_t)w * s->page_h, sizeof(*s->page));
	if (!s->page || (s->photo_w && !s->photo))
		return -ENOMEM;
	draw_pages(s);
	return 0;
}

void scene_free(struct scene *s)
{
	free(s->page);
	free(s->photo);
	*s = (struct scene){0};
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void include(struct scene_rect *r, struct scene_rect with)
{
	unsigned right = r->x + r->w, bottom = r->y + r->h;

	if (r->w == 0) {
		*r = with;
		return;
	}
	if (right < with.x + with.w)
		right = with.x + with.w;
	if (bottom < with.y + with.h)
		bottom = with.y + with.h;
	r->x = r->x < with.x ? r->x : with.x;
	r->y = r->y < with.y ? r->y : with.y;
	r->w = right - r->x;
	r->h = bottom - r->y;
}

/* The page from row y on; after its last row comes its first. */
static void copy_page(const struct scene *s, const struct canvas *c, unsigned y)
{
	for (unsigned j = 0; j < s->h; j++)
		memcpy(c->pixels + j * c->stride, s->page + (size_t)((y + j) % s->page_h) * s->w,
		       s->w * sizeof(*s->page));
}

static void copy_photo(const struct scene *s, const struct canvas *c, struct scene_rect to,
                       unsigned x, unsigned y)
{
	for (unsigned j = 0; j < to.h; j++)
		memcpy(c->pixels + (to.y + j) * c->stride + to.x,
		       s->photo + (size_t)(y + j) * s->photo_w + x, to.w * sizeof(*s->photo));
}

/* Where the k-th typed character is: they fill the lower half, again and again. */
static struct scene_rect typed_cell(const struct scene *s, unsigned k)
{
	unsigned columns = (s->w - 2 * MARGIN) / GLYPH_W, rows = s->h / LINE / 2;

	k %= columns * rows;
	return (struct scene_rect){MARGIN + k % columns * GLYPH_W,
	                           (s->h / LINE - rows + k / columns) * LINE, GLYPH_W, GLYPH_H};
}

static void frame_type(const struct scene *s, const struct canvas *c, unsigned n,
                       struct scene_rect *damage)
{
	unsigned cells = (s->w - 2 * MARGIN) / GLYPH_W * (s->h / LINE / 2), end = n * TYPED;

	copy_page(s, c, 0);
	for (unsigned k = end > cells ? end - cells : 0; k <= end; k++) {
		struct scene_rect r = typed_cell(s, k);
		const char *word = words[hash(k / 6, 0, 4) % (sizeof(words) / sizeof(words[0]))];

		fill(c, r.x, r.y, r.w, r.h, k == end ? dark.ink[0] : dark.paper);
		if (k < end && k % 6 < strlen(word))
			draw_char(c, r.x, r.y, 1, word[k % 6], dark.ink[hash(k / 6, 1, 4) % 6]);
		if (k + TYPED >= end)
			include(damage, r);
	}
}

/* To and fro, reflected at the sides. */
static unsigned bounce(unsigned at, unsigned range)
{
	if (range == 0)
		return 0;
	at %= 2 * range;
	return at < range ? at : 2 * range - at;
}

static void frame_drag(const struct scene *s, const struct canvas *c, unsigned n,
                       struct scene_rect *damage)
{
	struct scene_rect r = inner(s);

	copy_page(s, c, 0);
	for (unsigned i = n ? n - 1 : n; i <= n; i++) {
		r.x = bounce(s->w / 5 + 7 * i, s->w - r.w);
		r.y = bounce(s->h / 5 + 3 * i, s->h - r.h);
		include(damage, r);
	}
	copy_photo(s, c, r, 0, 0);
}

static void frame_video(const struct scene *s, const struct canvas *c, unsigned n,
                        struct scene_rect *damage)
{
	struct scene_rect r = inner(s);
	unsigned size = r.h / 3, bx = r.x + bounce(n * 11, r.w - size);
	unsigned by = r.y + bounce(n * 5, r.h - size);

	copy_page(s, c, 0);
	copy_photo(s, c, r, bounce(n * 3, PAN_X), bounce(n, PAN_Y));
	for (unsigned j = 0; j < size; j++) {
		for (unsigned i = 0; i < size; i++) {
			int dx = (int)(2 * i) - (int)size, dy = (int)(2 * j) - (int)size;

			if (dx * dx + dy * dy < (int)(size * size))
				c->pixels[(by + j) * c->stride + bx + i] =
					0xc03020 + (j * 96 / size << 8) + i * 96 / size;
		}
	}
	/* As of a camera: without it a pan would be nothing but motion vectors. */
	for (unsigned j = r.y; j < r.y + r.h; j++) {
		for (unsigned i = r.x; i < r.x + r.w; i++) {
			uint32_t *p = &c->pixels[j * c->stride + i];

			*p ^= hash(i, j, n) & 0x010101;
		}
	}
	*damage = r;
}

static void frame_switch(struct scene *s, const struct canvas *c, unsigned n,
                         struct scene_rect *damage)
{
	unsigned screen = n / SCENE_SWITCH_EVERY;

	if (s->shown != screen + 1)
		draw_screen(&(struct canvas){s->page, s->w, s->w, s->h}, screen);
	s->shown = screen + 1;
	copy_page(s, c, 0);
	*damage = (struct scene_rect){MARGIN, s->h / 2, GLYPH_W, GLYPH_H};
	fill(c, damage->x, damage->y, damage->w, damage->h, n & 1 ? 0x202020 : 0xd0d0d0);
	if (n % SCENE_SWITCH_EVERY == 0)
		*damage = (struct scene_rect){0, 0, s->w, s->h};
}

void scene_frame(struct scene *s, unsigned n, void *pixels, size_t stride,
                 struct scene_rect *ret_damage)
{
	struct canvas c = {pixels, stride / sizeof(uint32_t), s->w, s->h};
	struct scene_rect all = {0, 0, s->w, s->h}, damage = {0};

	switch (s->kind) {
	case SCENE_TYPE:
		frame_type(s, &c, n, &damage);
		break;
	case SCENE_DRAG:
		frame_drag(s, &c, n, &damage);
		break;
	case SCENE_VIDEO:
		frame_video(s, &c, n, &damage);
		break;
	case SCENE_SWITCH:
		frame_switch(s, &c, n, &damage);
		break;
	case SCENE_SCROLL:
	case SCENE_WEB:
	case SCENE_MAX_:
	default:
		copy_page(s, &c, n * (s->kind == SCENE_WEB ? WEB_STEP : LINE) % s->page_h);
		damage = all;
		break;
	}
	if (ret_damage)
		*ret_damage = n ? damage : all;
}
