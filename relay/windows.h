/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/windows.h - which windows there are, how large, and which are worth transcoding. Worker.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/token.h"

#define WINDOWS_MAX 128 /* those beyond are left alone */

struct window {
	uint32_t wid;
	uint16_t w, h;
	bool ordinary; /* no menu, no tooltip, no tray icon */
};

struct windows {
	struct window items[WINDOWS_MAX];
	size_t count;
};

/* Whether a server's packet of this name is about a window's picture or size; the same of a
 * client's. */
bool windows_server_cares(const char *name, size_t len);
bool windows_client_cares(const char *name, size_t len);

/* A packet of the server's or the client's, from after its name. Returns the window whose size it
 * tells, or NULL. *ret_lost is the window that is gone, or 0. Of a packet that is about no window's
 * size nothing is read. */
const struct window *windows_take(struct windows *ws, const char *name, struct token_reader *r,
                                  uint32_t *ret_lost);

/* NULL: not known. */
struct window *windows_find(struct windows *ws, uint32_t wid);
