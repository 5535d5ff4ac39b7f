/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/windows.c - the windows of a session, as the packets tell that pass. Worker, locked. No
 * system calls. Source: xpra-protocol 8.2, 9.2 (names of both generations).
 */
#include "relay/windows.h"

#include "base/frame.h"
#include "base/macros.h"

enum what {
	NOTHING,
	DRAW,
	CREATE,    /* wid, x, y, w, h, {metadata} */
	OTHER,     /* wid, ...: nothing that is transcoded */
	PLACE,     /* wid, x, y, w, h */
	CONFIGURE, /* wid, {geometry: [x, y, w, h], ...} */
	RESIZE,    /* wid, w, h */
	LOST,      /* wid */
};

static const struct {
	const char *name;
	enum what what;
	bool client;
} packets[] = {
	{"draw", DRAW, false},
	{"window-draw", DRAW, false},
	{"new-window", CREATE, false},
	{"window-create", CREATE, false},
	{"new-override-redirect", OTHER, false},
	{"new-tray", OTHER, false},
	{"lost-window", LOST, false},
	{"window-destroy", LOST, false},
	{"window-resized", RESIZE, false},
	{"window-move-resize", PLACE, false},
	{"map-window", PLACE, true},
	{"window-map", PLACE, true},
	{"configure-window", PLACE, true},
	{"window-configure", CONFIGURE, true},
};

static enum what find(const char *name, size_t len, bool client)
{
	for (size_t i = 0; i < ARRAY_SIZE(packets); i++)
		if (packets[i].client == client && strlen(packets[i].name) == len &&
		    memcmp(packets[i].name, name, len) == 0)
			return packets[i].what;
	return NOTHING;
}

bool windows_server_cares(const char *name, size_t len)
{
	return find(name, len, false) != NOTHING;
}

bool windows_client_cares(const char *name, size_t len)
{
	static const char *const answers[] = {
		"damage-sequence", "window-draw-ack", "window-ack",      "encoding",
		"encoding-config", "quality",         "min-quality",     "max-quality",
		"speed",           "min-speed",       "bandwidth-limit",
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		if (strlen(answers[i]) == len && memcmp(answers[i], name, len) == 0)
			return true;
	return find(name, len, true) != NOTHING;
}

struct window *windows_find(struct windows *ws, uint32_t wid)
{
	for (size_t i = 0; i < ws->count; i++)
		if (ws->items[i].wid == wid)
			return &ws->items[i];
	return NULL;
}

/* The numbers that a packet begins with; how many there are, at most max. */
static size_t read_numbers(struct token_reader *r, int64_t *v, size_t max)
{
	struct token t;
	size_t n = 0;

	while (n < max && token_read(r, &t) > 0 && t.type == TOKEN_INT)
		v[n++] = t.integer;
	return n;
}

/* The geometry of a dict, if it has one. How many numbers it has. */
static size_t read_geometry(struct token_reader *r, int64_t v[4])
{
	struct token t, key, value;

	if (token_read(r, &t) <= 0 || t.type != TOKEN_DICT)
		return 0;
	while (token_read_pair(r, &key, &value) > 0) {
		if (token_equals(&key, "geometry") && value.type == TOKEN_LIST)
			return read_numbers(r, v, 4);
		if (token_skip(r, &value) < 0)
			break;
	}
	return 0;
}

/* Newer servers have one packet for all kinds of windows. */
static bool is_ordinary(struct token_reader *r)
{
	struct token t, key, value;
	bool ordinary = true, on;

	if (token_read(r, &t) <= 0 || t.type != TOKEN_DICT)
		return true;
	while (token_read_pair(r, &key, &value) > 0) {
		if (token_truth(r, &value, &on) < 0)
			break;
		if (on && (token_equals(&key, "override-redirect") || token_equals(&key, "tray")))
			ordinary = false;
	}
	return ordinary;
}

static struct window *add(struct windows *ws, uint32_t wid)
{
	struct window *w = windows_find(ws, wid);

	if (w)
		return w;
	if (ws->count == WINDOWS_MAX)
		return NULL;
	w = &ws->items[ws->count++];
	*w = (struct window){.wid = wid};
	return w;
}

const struct window *windows_take(struct windows *ws, const char *name, struct token_reader *r,
                                  uint32_t *ret_lost)
{
	enum what what = find(name, strlen(name), false);
	struct window *w;
	int64_t v[5];
	size_t n, want, at;

	*ret_lost = 0;
	if (what == NOTHING)
		what = find(name, strlen(name), true);
	if (what == NOTHING || what == DRAW)
		return NULL;
	want = what == LOST || what == OTHER ? 1 : what == RESIZE ? 3 : 5;
	n = read_numbers(r, v, what == CONFIGURE ? 1 : want);
	if (what == CONFIGURE && n == 1)
		n += read_geometry(r, v + 1);
	if (n < want || v[0] <= 0 || v[0] > UINT32_MAX)
		return NULL;
	if (what == LOST || what == OTHER) {
		w = windows_find(ws, (uint32_t)v[0]);
		if (!w)
			return NULL;
		*w = ws->items[--ws->count];
		*ret_lost = (uint32_t)v[0];
		return NULL;
	}
	at = want - 2;
	if (v[at] <= 0 || v[at] > FRAME_SIDE_MAX || v[at + 1] <= 0 || v[at + 1] > FRAME_SIDE_MAX)
		return NULL;
	w = what == CREATE ? add(ws, (uint32_t)v[0]) : windows_find(ws, (uint32_t)v[0]);
	if (!w)
		return NULL;
	if (what == CREATE)
		w->ordinary = is_ordinary(r);
	w->w = (uint16_t)v[at];
	w->h = (uint16_t)v[at + 1];
	return w;
}
