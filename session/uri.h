/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/uri.h - where a session is, as users write it. Pure functions, guard and xproxyctl.
 *
 *   :10   10   socket:///path   /path   tcp://[user[:password]@]host[:port][/display]
 * tcp:host:port[:display] name=URI gives it a name that a client can ask for
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define URI_TEXT_MAX 512

enum uri_scheme {
	URI_DISPLAY, /* a local display of the user: display is ":10", or "wayland-1" */
	URI_SOCKET,  /* path */
	URI_TCP,     /* host, port, display */
};

struct uri {
	enum uri_scheme scheme;
	char name[128]; /* "" if none was given */
	char host[256]; /* IPv6 without brackets */
	char port[16];  /* number or service; default 14500 */
	char path[256];
	char display[128];
	char username[256]; /* percent-decoded */
	char password[256]; /* secret: wipe */
	bool has_username, has_password;
};

/* 0; -EINVAL unparsable or control characters; -EPROTONOSUPPORT a scheme of another version (ssl,
 * ws, wss, ssh, vsock, quic...); -EMSGSIZE a part is too long. err (URI_TEXT_MAX bytes) says what,
 * never showing a password. */
int uri_parse(const char *text, struct uri *ret, char *err);

/* The URI without its password and name, for logs, lists and error texts. */
void uri_print(const struct uri *u, char *buf, size_t size);

/* Whether a client that asks for `wish` means this one: its name, its full URI (with or without
 * user and password), or, for displays, "10", ":10". */
bool uri_matches(const struct uri *u, const char *wish);
