/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/scene.c - the scenes: pages of text and photographs are drawn once, frames are cut
 * from them. Integers only. Tests and bench; pure.
 */
#include "tests/bench/scene.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/draw.h"
#include "tests/bench/glyphs.h"

#define WEB_STEP 48
#define TYPED 3 /* characters a frame */
#define PAN_X 256
#define PAN_Y 128

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
		const char *word = random_word(hash(k / 6, 0, 4));

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
