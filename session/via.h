/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/via.h - through a SOCKS5 or HTTP proxy. In a child of the guard, as the session's user.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "session/option.h"

/* Asks the proxy at the other end of fd for a connection to host and port, which the proxy
 * resolves. Reads exactly the proxy's replies. 0, or a negative errno with err (RPC_TEXT_MAX). */
int via_connect(int fd, const struct session_options *o, const char *host, const char *port,
                uint64_t deadline_usec, char *err);

/* The two replies, as far as they are here. > 0: as many bytes as the whole reply has, perhaps more
 * than len; -EAGAIN: that cannot be seen yet; -EPROTO: no such reply; -ECONNREFUSED: it says no.
 * err (RPC_TEXT_MAX) says why. RFC 1928 6; RFC 9110 9.3.6. */
ssize_t via_socks_reply(const uint8_t *p, size_t len, char *err);
ssize_t via_http_reply(const uint8_t *p, size_t len, char *err);
