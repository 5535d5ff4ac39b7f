/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/scene.c: the scenes are the same everywhere, and say what has changed.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <nettle/sha2.h>

#include "tests/bench/glyphs.h"
#include "tests/bench/scene.h"

#define W 1920
#define H 1080

static uint32_t *frame(struct scene *s, unsigned n, struct scene_rect *ret_damage)
{
	uint32_t *pixels = malloc((size_t)s->w * s->h * 4);

	CHECK(pixels);
	scene_frame(s, n, pixels, (size_t)s->w * 4, ret_damage);
	return pixels;
}

/* The first 8 bytes. */
static void digest(const uint32_t *pixels, size_t n, char ret[17])
{
	uint8_t sum[8];
	struct sha256_ctx c;

	sha256_init(&c);
	sha256_update(&c, n * sizeof(*pixels), (const uint8_t *)pixels);
	sha256_digest(&c, sizeof(sum), sum);
	for (int i = 0; i < 8; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", sum[i]);
}

/* Whoever changes a scene changes what all numbers of the bench are compared with. */
TEST(pinned)
{
	static const struct {
		const char *name, *first, *twelfth;
	} pins[SCENE_MAX_] = {
		{"type", "d20dc7e7a93eda01", "bcc7026026f2a1a7"},
		{"scroll", "41056219a0b8b673", "8a24df996124fe28"},
		{"web", "f03f387f5f3f6816", "d91288c346b77a12"},
		{"drag", "355c1d99eb3c5274", "03c8edd6ea0483c8"},
		{"video", "b9a6ed22c4a33f30", "da176636cb7ef9bb"},
		{"switch", "5c18df664bc5d739", "91655bf336a2768d"},
	};

	for (int k = 0; k < SCENE_MAX_; k++) {
		struct scene s;
		char sum[17];
		uint32_t *p;

		test_note("%s", pins[k].name);
		CHECK_STR(scene_name((enum scene_kind)k), pins[k].name);
		CHECK_EQ(scene_init(&s, (enum scene_kind)k, W, H), 0);
		p = frame(&s, 0, NULL);
		digest(p, W * H, sum);
		free(p);
		CHECK_STR(sum, pins[k].first);
		p = frame(&s, 12, NULL);
		digest(p, W * H, sum);
		free(p);
		CHECK_STR(sum, pins[k].twelfth);
		scene_free(&s);
	}
}

static bool inside(struct scene_rect r, unsigned x, unsigned y)
{
	return x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h;
}

/* Something changes, all of it inside the damage, and that inside the frame. */
static void check_damage(struct scene *s, unsigned n)
{
	struct scene_rect r;
	uint32_t *before = frame(s, n - 1, NULL), *after = frame(s, n, &r);
	size_t changed = 0;

	test_note("%s %ux%u, frame %u", scene_name(s->kind), s->w, s->h, n);
	CHECK(r.w > 0 && r.h > 0 && r.x + r.w <= s->w && r.y + r.h <= s->h);
	for (unsigned i = 0; i < s->w * s->h; i++) {
		CHECK(after[i] >> 24 == 0);
		if (before[i] == after[i])
			continue;
		CHECK(inside(r, i % s->w, i / s->w));
		changed++;
	}
	CHECK(changed > 0);
	free(before);
	free(after);
}

TEST(damage)
{
	static const unsigned sizes[][2] = {
		{640, 360}, {321, 203}, {SCENE_SIDE_MIN, SCENE_SIDE_MIN}};
	static const unsigned at[] = {1, 2, 9, 10, 11, 47, 300, 100000};

	for (int k = 0; k < SCENE_MAX_; k++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			struct scene s;

			CHECK_EQ(scene_init(&s, (enum scene_kind)k, sizes[i][0], sizes[i][1]), 0);
			for (size_t j = 0; j < ARRAY_SIZE(at); j++)
				check_damage(&s, at[j]);
			scene_free(&s);
		}
	}
}

/* In any order, by any stride; bytes beside the rows stay. */
TEST(order_and_stride)
{
	static uint32_t wide[360][700], all[360][640];

	for (int k = 0; k < SCENE_MAX_; k++) {
		struct scene s, again;

		test_note("%s", scene_name((enum scene_kind)k));
		CHECK_EQ(scene_init(&s, (enum scene_kind)k, 640, 360), 0);
		CHECK_EQ(scene_init(&again, (enum scene_kind)k, 640, 360), 0);
		memset(wide, 0xa5, sizeof(wide));
		for (unsigned n = 0; n < 25; n += 4)
			scene_frame(&s, n, wide, sizeof(wide[0]), NULL);
		scene_frame(&again, 24, all, sizeof(all[0]), NULL);
		for (int y = 0; y < 360; y++) {
			CHECK_MEM(wide[y], sizeof(all[y]), all[y], sizeof(all[y]));
			for (int x = 640; x < 700; x++)
				CHECK_EQ(wide[y][x], 0xa5a5a5a5u);
		}
		scene_free(&s);
		scene_free(&again);
	}
}

TEST(refused)
{
	static const unsigned sides[][2] = {
		{0, 0}, {127, 1080}, {1920, 127}, {8193, 1080}, {1920, 8193}};
	enum scene_kind k = SCENE_MAX_;
	struct scene s;

	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		CHECK_EQ(scene_init(&s, SCENE_WEB, sides[i][0], sides[i][1]), -EINVAL);
		scene_free(&s);
	}
	CHECK_EQ(scene_parse("webs", &k), -EINVAL);
	CHECK_EQ(scene_parse("", &k), -EINVAL);
	CHECK_EQ(k, SCENE_MAX_);
	CHECK_EQ(scene_parse("web", &k), 0);
	CHECK_EQ(k, SCENE_WEB);
}

/* Letters differ from each other, and have soft edges. */
TEST(glyphs)
{
	static const char drawn[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "!\"#'()*+,-./:;<=>[]_{}";

	for (size_t i = 0; i < sizeof(drawn) - 1; i++) {
		const uint8_t *a = (const uint8_t *)glyph_coverage(drawn[i]);
		unsigned soft = 0, ink = 0;

		test_note("%c", drawn[i]);
		for (int j = 0; j < GLYPH_W * GLYPH_H; j++) {
			soft += a[j] > 0 && a[j] < 255;
			ink += a[j] > 127;
		}
		CHECK(soft > 0 && ink > 0);
		for (size_t j = 0; j < i; j++)
			CHECK(memcmp(a, glyph_coverage(drawn[j])[0], GLYPH_W * GLYPH_H) != 0);
	}
	CHECK(glyph_coverage(' ') == glyph_coverage('\n'));
	CHECK(glyph_coverage(' ') == glyph_coverage((char)0xe4));
	for (int i = 0; i < GLYPH_W * GLYPH_H; i++)
		CHECK_EQ(glyph_coverage(' ')[i / GLYPH_W][i % GLYPH_W], 0);
}
