/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/uri.h - where a session is, as users write it. Pure functions, guard and xproxyctl.
 *
 *   :10   10   socket:///path   /path   tcp://[user[:password]@]host[:port][/display][?options]
 *   tcp:host:port[:display]   the same with ssl, ws, wss   vsock://cid:port[/display]
 *   ssh://[user@]host[:port][/display]
 *   name=URI gives it a name that a client can ask for
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define URI_TEXT_MAX 512

enum uri_scheme {
	URI_DISPLAY, /* a local display of the user: display is ":10", or "wayland-1" */
	URI_SOCKET,  /* path */
	URI_TCP,     /* host, port, display */
	URI_SSL,     /* the same in TLS */
	URI_WS,      /* in WebSocket frames */
	URI_WSS,     /* in WebSocket frames in TLS */
	URI_SSH,     /* what `xpra _proxy display` says there */
	URI_VSOCK,   /* host: a context id, or "hypervisor" (0), "local" (1), "host" (2); port */
};

struct uri {
	enum uri_scheme scheme;
	char name[128]; /* "" if none was given */
	char host[256]; /* IPv6 without brackets */
	char port[16];  /* number or service; the scheme's default */
	char path[256];
	char display[128];
	char username[256]; /* percent-decoded */
	char password[256]; /* secret: wipe */
	char query[512];    /* NAME=VALUE&..., still escaped: session options; may hold secrets */
	bool has_username, has_password;
};

/* 0; -EINVAL unparsable or control characters; -EPROTONOSUPPORT a scheme that is not dialled (quic,
 * rfb...); -EMSGSIZE a part is too long. err (URI_TEXT_MAX bytes) says what,
 * never showing a password. */
int uri_parse(const char *text, struct uri *ret, char *err);

/* The URI without its password, options and name, for logs, lists and error texts. */
void uri_print(const struct uri *u, char *buf, size_t size);

/* Whether a client that asks for `wish` means this one: its name, its full URI (with or without
 * user and password), or, for displays, "10", ":10". */
bool uri_matches(const struct uri *u, const char *wish);

/* How it is reached, in a word: "socket", "tcp", "ssl", "ws", "wss", "ssh", "vsock". */
const char *uri_mode(const struct uri *u);

/* Whether it has a host and a port. */
bool uri_is_network(const struct uri *u);

/* "10", "10.0" */
bool uri_is_display_number(const char *text, size_t len);
