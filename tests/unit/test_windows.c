/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/windows.c: which windows there are, as the packets tell that pass.
 */
#include "tests/unit/test.h"

#include "base/frame.h"
#include "relay/windows.h"
#include "tests/unit/packet_text.h"

static const enum encoder encoders[] = {ENCODER_RENCODEPLUS, ENCODER_RENCODE, ENCODER_BENCODE};
static enum encoder encoder;
static struct windows windows;
static uint8_t in[4096];
static uint32_t lost;

static const struct window *take(const char *text)
{
	const char *end = strchr(text + 2, '\'');
	struct token_reader r;
	char name[40];

	test_note("%s: %s", encoder_name(encoder), text);
	snprintf(name, sizeof(name), "%.*s", (int)(end - text - 2), text + 2);
	packet_text_open(encoder, text, in, sizeof(in), &r);
	lost = 99;
	return windows_take(&windows, name, &r, &lost);
}

static void check(uint32_t wid, uint16_t w, uint16_t h, bool ordinary)
{
	const struct window *x = windows_find(&windows, wid);

	CHECK(x && x->wid == wid);
	CHECK_EQ(x->w, w);
	CHECK_EQ(x->h, h);
	CHECK_EQ(x->ordinary, ordinary);
}

/* What is not about windows is left to who reads it next. */
TEST(nothing_is_read_of_others)
{
	struct token_reader r;
	struct token t;

	packet_text_open(ENCODER_RENCODEPLUS, "['quality', 55]", in, sizeof(in), &r);
	CHECK(!windows_take(&windows, "quality", &r, &lost));
	CHECK(!windows_take(&windows, "draw", &r, &lost));
	CHECK(token_read(&r, &t) > 0 && t.type == TOKEN_INT && t.integer == 55);
}

TEST(life_of_a_window)
{
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		const struct window *x;

		encoder = encoders[i];
		windows.count = 0;
		CHECK(!windows_find(&windows, 1));
		x = take("['new-window', 1, 10, 20, 300, 200, {'title': 'x'}, {}]");
		CHECK(x && lost == 0 && x == windows_find(&windows, 1));
		check(1, 300, 200, true);
		CHECK(take("['window-create', 2, 0, 0, 30, 20, {'size': [1, 2]}]"));
		check(2, 30, 20, true);
		CHECK(take("['window-resized', 1, 301, 201]"));
		check(1, 301, 201, true);
		CHECK(take("['window-move-resize', 1, 5, 6, 302, 202]"));
		check(1, 302, 202, true);
		CHECK(take("['configure-window', 1, 5, 6, 303, 203, {}]"));
		CHECK(take("['window-configure', 1, {'state': {'a': [1]}, 'geometry': [5, 6, 304,"
		           " 204], 'resize-counter': 1}]"));
		check(1, 304, 204, true);
		CHECK(!take("['window-configure', 1, {'pointer': {'wid': 1}}]"));
		CHECK(!take("['window-configure', 1, {'geometry': [5, 6, 304]}]"));
		CHECK(!take("['window-configure', 1, {'geometry': 5}]"));
		CHECK(!take("['window-configure', 1, 5, 6, 310, 210, {}]"));
		check(1, 304, 204, true);
		CHECK(take("['map-window', 1, 5, 6, 305, 205, {}]"));
		CHECK(take("['window-map', 1, 5, 6, 306, 206, {}]"));
		check(1, 306, 206, true);
		CHECK(!take("['lost-window', 1]"));
		CHECK_EQ(lost, 1);
		CHECK(!windows_find(&windows, 1));
		check(2, 30, 20, true);
		CHECK(!take("['lost-window', 1]"));
		CHECK_EQ(lost, 0);
		CHECK(!take("['window-destroy', 2, {}]"));
		CHECK_EQ(lost, 2);
		CHECK_EQ(windows.count, 0);
	}
}

TEST(not_ordinary)
{
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		encoder = encoders[i];
		windows.count = 0;
		CHECK(!take("['new-override-redirect', 1, 0, 0, 30, 20, {}, {}]"));
		CHECK(lost == 0 && windows.count == 0);
		CHECK(!take("['new-tray', 2, 30, 20, {}]"));
		CHECK_EQ(windows.count, 0);
		CHECK(take("['window-create', 3, 0, 0, 30, 20, {'override-redirect': true}]"));
		check(3, 30, 20, false);
		CHECK(take("['window-create', 3, 0, 0, 30, 20, {'override-redirect': false}]"));
		check(3, 30, 20, true);
		CHECK(take(
			"['window-create', 4, 0, 0, 30, 20, {'a': {'b': []}, 'tray': 1, 'c': 2}]"));
		check(4, 30, 20, false);
		CHECK(take("['window-create', 5, 0, 0, 30, 20, 'x']"));
		CHECK(take("['window-create', 6, 0, 0, 30, 20]"));
		check(6, 30, 20, true);
		/* One that becomes a menu is no window of ours any more */
		CHECK(!take("['new-override-redirect', 6, 0, 0, 30, 20, {}, {}]"));
		CHECK_EQ(lost, 6);
	}
}

TEST(nonsense)
{
	static const char *const packets[] = {
		"['new-window']",
		"['new-window', 7]",
		"['new-window', 7, 0, 0, 10]",
		"['new-window', 'x', 0, 0, 10, 10, {}]",
		"['new-window', 7, 0, 0, 'x', 10, {}]",
		"['new-window', 7, 0, 0, 10, [], {}]",
		"['new-window', 0, 0, 0, 10, 10, {}]",
		"['new-window', -1, 0, 0, 10, 10, {}]",
		"['new-window', 4294967296, 0, 0, 10, 10, {}]",
		"['new-window', 4294967297, 0, 0, 10, 10, {}]",
		"['new-window', 7, 0, 0, 0, 10, {}]",
		"['new-window', 7, 0, 0, 10, 0, {}]",
		"['new-window', 7, 0, 0, -10, 10, {}]",
		"['new-window', 7, 0, 0, 10, -10, {}]",
		"['new-window', 7, 0, 0, 16385, 10, {}]",
		"['new-window', 7, 0, 0, 10, 16385, {}]",
		"['new-window', 7, 0, 0, 65546, 10, {}]",
		"['window-resized', 7, 10, 10]", /* not known */
		"['window-resized', 1, 10]",
		"['window-resized', 1, 10, 0]",
		"['configure-window', 7, 0, 0, 10, 10, {}]",
		"['map-window', 7, 0, 0, 10, 10]",
		"['lost-window']",
		"['lost-window', 7]",
		"['lost-window', -1]",
		"['lost-window', {}]",
		"['draw', 1, 0, 0, 10, 10, 'rgb24', '', 1, 40, {}]",
		"['window-draw', 7, 0, 0, 10, 10, 'rgb24', '', 1, 40, {}]",
		"['other', 7, 0, 0, 10, 10]",
	};

	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++) {
		encoder = encoders[e];
		windows.count = 0;
		CHECK(take("['new-window', 1, 0, 0, 16384, 16384, {}]"));
		for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
			CHECK(!take(packets[i]));
			CHECK_EQ(lost, 0);
			CHECK_EQ(windows.count, 1);
			check(1, 16384, 16384, true);
		}
	}
}

/* Cut short or not a list of pairs: what was read so far counts, and nothing is read beyond. */
TEST(cut_metadata)
{
	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++) {
		size_t len =
			packet_text(encoders[e],
		                    "['window-create', 3, 0, 0, 30, 20, {'x': [1], 'tray': true, "
		                    "'y': 'zzzz'}]",
		                    in, sizeof(in));

		for (size_t n = 0; n < len; n++) {
			uint8_t *copy = malloc(n ? n : 1);
			struct token_reader r;
			struct token t;

			memcpy(copy, in, n);
			windows.count = 0;
			token_reader_init(&r, encoders[e], copy, n);
			if (token_read(&r, &t) > 0 && token_read(&r, &t) > 0)
				(void)windows_take(&windows, "window-create", &r, &lost);
			CHECK(windows.count <= 1 && (windows.count == 0 || lost == 0));
			free(copy);
		}
	}
}

TEST(many)
{
	char text[80];

	encoder = ENCODER_RENCODEPLUS;
	windows.count = 0;
	for (unsigned i = 1; i <= WINDOWS_MAX; i++) {
		snprintf(text, sizeof(text), "['new-window', %u, 0, 0, %u, 10, {}]", i, i);
		CHECK(take(text));
	}
	CHECK(!take("['new-window', 1000, 0, 0, 10, 10, {}]"));
	CHECK(!windows_find(&windows, 1000));
	CHECK(take("['new-window', 5, 0, 0, 77, 10, {}]")); /* known: no room needed */
	check(5, 77, 10, true);
	CHECK(!take("['lost-window', 1]"));
	check(WINDOWS_MAX, WINDOWS_MAX, 10, true);
	CHECK(take("['new-window', 1000, 0, 0, 10, 10, {}]"));
	CHECK_EQ(windows.count, WINDOWS_MAX);
}

TEST(who_cares)
{
	static const char *const server[] = {"draw",
	                                     "window-draw",
	                                     "new-window",
	                                     "window-create",
	                                     "new-override-redirect",
	                                     "new-tray",
	                                     "lost-window",
	                                     "window-destroy",
	                                     "window-resized",
	                                     "window-move-resize"},
				 *const client[] =
					 {"map-window",       "window-map",      "configure-window",
	                                  "window-configure", "damage-sequence", "window-draw-ack",
	                                  "encoding",         "quality",         "min-quality",
	                                  "max-quality",      "speed",           "min-speed",
	                                  "bandwidth-limit"},
				 *const nobody[] = {"",          "dra",         "drawx",   "ping",
	                                            "encodings", "window-drax", "qualitz", "hello"};

	for (size_t i = 0; i < ARRAY_SIZE(server); i++) {
		CHECK(windows_server_cares(server[i], strlen(server[i])));
		CHECK(!windows_client_cares(server[i], strlen(server[i])));
		CHECK(!windows_server_cares(server[i], strlen(server[i]) - 1));
	}
	for (size_t i = 0; i < ARRAY_SIZE(client); i++) {
		CHECK(windows_client_cares(client[i], strlen(client[i])));
		CHECK(!windows_server_cares(client[i], strlen(client[i])));
		CHECK(!windows_client_cares(client[i], strlen(client[i]) - 1));
	}
	for (size_t i = 0; i < ARRAY_SIZE(nobody); i++) {
		CHECK(!windows_server_cares(nobody[i], strlen(nobody[i])));
		CHECK(!windows_client_cares(nobody[i], strlen(nobody[i])));
	}
}
