/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/uri_text.c - session URIs as text again, and whether one is meant. Pure: runs in the
 * guard and in xproxyctl, no system call.
 */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/macros.h"
#include "session/uri.h"

/* Appends, escaping as %XX what would be read as something else. */
static size_t append(char *buf, size_t size, size_t n, const char *text, const char *also)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text; text++) {
		bool plain = isalnum((unsigned char)*text) || (*text && strchr(also, *text));
		char out[3] = {(char)(plain ? *text : '%'), hex[(unsigned char)*text >> 4],
		               hex[(unsigned char)*text & 15]};

		if (n + (plain ? 1 : 3) >= size)
			break;
		memcpy(buf + n, out, plain ? 1 : 3);
		n += plain ? 1 : 3;
	}
	buf[n] = '\0';
	return n;
}

const char *uri_mode(const struct uri *u)
{
	static const char *const modes[] = {
		[URI_DISPLAY] = "socket", [URI_SOCKET] = "socket", [URI_TCP] = "tcp",
		[URI_SSL] = "ssl",        [URI_WS] = "ws",         [URI_WSS] = "wss",
		[URI_SSH] = "ssh",        [URI_VSOCK] = "vsock",
	};

	return modes[u->scheme];
}

bool uri_is_network(const struct uri *u)
{
	return u->scheme != URI_DISPLAY && u->scheme != URI_SOCKET;
}

void uri_print(const struct uri *u, char *buf, size_t size)
{
	const char *d = u->display, *bracket = strchr(u->host, ':') ? "]" : "";
	size_t n = 0;

	if (size == 0)
		return;
	buf[0] = '\0';
	if (u->scheme == URI_DISPLAY) {
		snprintf(buf, size, "%s", d);
		return;
	}
	n = append(buf, size, n, uri_mode(u), "");
	n = append(buf, size, n, "://", ":/");
	if (u->has_username) {
		n = append(buf, size, n, u->username, ".-_~+");
		n = append(buf, size, n, "@", "@");
	}
	if (u->scheme == URI_SOCKET) {
		append(buf, size, n, u->path, "/@ .-_~+:=,");
		return;
	}
	n = append(buf, size, n, *bracket ? "[" : "", "[");
	n = append(buf, size, n, u->host, ".-_:%");
	n = append(buf, size, n, bracket, "]");
	n = append(buf, size, n, ":", ":");
	n = append(buf, size, n, u->port, "-_+.");
	if (!*d)
		return;
	if (*d == ':' && uri_is_display_number(d + 1, strlen(d + 1)))
		d++;
	n = append(buf, size, n, "/", "/");
	append(buf, size, n, d, ".-_~+:!$&'()*;");
}

bool uri_matches(const struct uri *u, const char *wish)
{
	char err[URI_TEXT_MAX];
	struct uri w;
	bool same;

	if (wish[0] == '\0')
		return false;
	if (strcmp(u->name, wish) == 0)
		return true;
	if (uri_parse(wish, &w, err) < 0)
		return false;
	same = w.scheme == u->scheme && strcmp(w.path, u->path) == 0 &&
	       strcasecmp(w.host, u->host) == 0 && strcmp(w.port, u->port) == 0 &&
	       strcmp(w.display, u->display) == 0 &&
	       (!w.has_username || strcmp(w.username, u->username) == 0);
	explicit_bzero(&w, sizeof(w));
	return same;
}
