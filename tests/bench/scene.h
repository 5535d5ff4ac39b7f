/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/scene.h - what people look at, as pictures that are the same on every machine: for
 * the bench of the encoders and for tests that need a window with something in it. No files, no
 * fonts.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum scene_kind {
	SCENE_TYPE,   /* three characters a frame into a screen full of coloured text */
	SCENE_SCROLL, /* such text, scrolled by one line a frame */
	SCENE_WEB,    /* headings, text and photographs, scrolled by 48 pixels a frame */
	SCENE_DRAG,   /* a window dragged over text, by odd steps */
	SCENE_VIDEO,  /* a film in two thirds of the width and height: pan, noise, an object */
	SCENE_SWITCH, /* another full screen every ten frames; a cursor blinks meanwhile */
	SCENE_MAX_,
};

#define SCENE_SIDE_MIN 128
#define SCENE_SIDE_MAX 8192
#define SCENE_SWITCH_EVERY 10

struct scene_rect {
	unsigned x, y, w, h;
};

struct scene {
	enum scene_kind kind;
	unsigned w, h;
	uint32_t *page, *photo; /* what frames are cut from */
	unsigned page_h, photo_w, photo_h;
	unsigned shown; /* by SCENE_SWITCH: which page is in page, plus 1 */
};

const char *scene_name(enum scene_kind k); /* "type", "scroll", ... */
/* By name, or -EINVAL. */
int scene_parse(const char *name, enum scene_kind *ret);
/* 0, -EINVAL (a side out of bounds) or -ENOMEM. To be freed in any case. */
int scene_init(struct scene *s, enum scene_kind k, unsigned w, unsigned h);
void scene_free(struct scene *s);
/* All of frame n as B G R X, X being 0, into pixels, whose rows are stride bytes apart, a multiple
 * of 4. *ret_damage, if not NULL: what differs from frame n - 1 lies within it. Frames can be had
 * in any order, up to 2^24. */
void scene_frame(struct scene *s, unsigned n, void *pixels, size_t stride,
                 struct scene_rect *ret_damage);
