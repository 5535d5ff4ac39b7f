/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/choose.h - which of the user's sessions the client gets. Pure. Guard.
 */
#pragma once

#include "base/rpc.h"
#include "session/record.h"

/* sessions[0..count) with what the client asked for. 0 and *ret_index, or -ENOENT with the reason
 * and text xpra uses in refused (reason "session not found error"): nothing there             "no
 * displays found" :proxy-* asked for         "invalid display: proxy display" named and not in the
 * list  "display 'X' not found" none named, several        "please specify a display, more than one
 * is available: a, b" Entries that lead back to a proxy (":proxy-PID") are never chosen or listed.
 */
int choose_session(const struct uri *sessions, size_t count, const struct rpc_session *wish,
                   size_t *ret_index, struct rpc_refused *refused);

/* Whether u leads back to a proxy: a display ":proxy-PID", or a socket's path that ends so. */
bool choose_is_proxy(const struct uri *u);
