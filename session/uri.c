/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/uri.c - reads session URIs. Pure: runs in the guard and in xproxyctl, no system call.
 *
 * The accepted forms are those of xpra 3.1's parse_display_name() and of later versions, minus the
 * transports that are not dialled.
 */
#include "session/uri.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>

#include "base/macros.h"

#define URI_SOCKET_PATH_MAX 107 /* sun_path without its NUL */

/* Every scheme xpra knows and that is not dialled: refused by name. */
static const char *const other_schemes[] = {
	"udp", "quic", "wt", "http", "https", "rfb", "vnc", "rdp", "hyperv", "named-pipe", "wts",
};

/* With the ports that xpra takes when there is none. */
static const struct network {
	const char *name;
	enum uri_scheme scheme;
	const char *port;
} networks[] = {
	{"tcp", URI_TCP, "14500"}, {"xpra", URI_TCP, "14500"}, {"ssl", URI_SSL, "443"},
	{"ws", URI_WS, "80"},      {"wss", URI_WSS, "443"},    {"ssh", URI_SSH, "22"},
	{"vsock", URI_VSOCK, ""},
};

/* A stretch of the text. */
struct span {
	const char *p;
	size_t len;
};

static int fail(char *err, int r, const char *what)
{
	snprintf(err, URI_TEXT_MAX, "%s", what);
	return r;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Copies, optionally undoing %XX. A '%' that is no escape stays. */
static int copy_part(struct span s, bool decode, char *buf, size_t size, const char *what,
                     char *err)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (decode && c == '%' && i + 2 < s.len && hex_digit(s.p[i + 1]) >= 0 &&
		    hex_digit(s.p[i + 2]) >= 0) {
			c = (char)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]));
			i += 2;
		}
		if ((unsigned char)c < 0x20 || c == 0x7f) {
			snprintf(err, URI_TEXT_MAX, "there is a control character in the %s", what);
			return -EINVAL;
		}
		if (n + 1 >= size) {
			snprintf(err, URI_TEXT_MAX, "the %s is too long", what);
			return -EMSGSIZE;
		}
		buf[n++] = c;
	}
	buf[n] = '\0';
	return 0;
}

static bool all_of(struct span s, const char *also)
{
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.p[i]) && !strchr(also, s.p[i]))
			return false;
	return true;
}

bool uri_is_display_number(const char *text, size_t len)
{
	if (len == 0 || !isdigit((unsigned char)text[0]) || text[len - 1] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)text[i]) && text[i] != '.')
			return false;
	return true;
}

static bool is_display_number(struct span s)
{
	return uri_is_display_number(s.p, s.len);
}

static int parse_display(struct span s, struct uri *u, char *err)
{
	bool colon = s.len > 0 && s.p[0] == ':';
	struct span name = {s.p + colon, s.len - colon};

	/* The name becomes a part of a path: no slash, and nothing that starts with a dot. */
	if (!all_of(name, "._-") || name.p[0] == '.' ||
	    (!colon && !is_display_number(name) && strncmp(name.p, "wayland-", 8) != 0))
		return fail(err, -EINVAL, "neither a display, nor a socket's path, nor a URI");
	if (name.len + 2 > sizeof(u->display))
		return fail(err, -EMSGSIZE, "the display is too long");
	u->scheme = URI_DISPLAY;
	snprintf(u->display, sizeof(u->display), "%s%.*s",
	         colon || is_display_number(name) ? ":" : "", (int)name.len, name.p);
	return 0;
}

/* [user[:password]@] at the front of *s; what follows the '@' is left there. */
static int parse_userinfo(struct span *s, size_t at, struct uri *u, char *err)
{
	struct span user = {s->p, at}, password = {NULL, 0};
	const char *colon = memchr(s->p, ':', at);
	int r;

	s->p += at + 1;
	s->len -= at + 1;
	if (colon) {
		user.len = (size_t)(colon - user.p);
		password = (struct span){colon + 1, at - user.len - 1};
	}
	r = copy_part(user, true, u->username, sizeof(u->username), "user name", err);
	if (r < 0)
		return r;
	u->has_username = user.len > 0;
	if (password.len == 0)
		return 0;
	u->has_password = true;
	return copy_part(password, true, u->password, sizeof(u->password), "password", err);
}

static int set_path(struct span s, bool decode, struct uri *u, char *err)
{
	int r = copy_part(s, decode, u->path, sizeof(u->path), "socket's path", err);

	u->scheme = URI_SOCKET;
	if (r < 0)
		return r;
	if (strlen(u->path) > URI_SOCKET_PATH_MAX)
		return fail(err, -EMSGSIZE, "the socket's path is too long");
	if ((u->path[0] != '/' && u->path[0] != '@') || u->path[1] == '\0')
		return fail(err, -EINVAL,
		            "a socket's path must start with '/' (or '@' if it is abstract)");
	return 0;
}

/* PATH, or USER[:PASSWORD]@PATH */
static int parse_socket(struct span s, struct uri *u, char *err)
{
	const char *slash = memchr(s.p, '/', s.len);
	const char *at = memrchr(s.p, '@', slash ? (size_t)(slash - s.p) : s.len);
	int r;

	if (at && s.p[0] != '@') {
		r = parse_userinfo(&s, (size_t)(at - s.p), u, err);
		if (r < 0)
			return r;
	}
	return set_path(s, true, u, err);
}

static bool is_ipv6(struct span s)
{
	const char *zone = memchr(s.p, '%', s.len);
	char buf[INET6_ADDRSTRLEN];
	struct in6_addr a;

	if (zone)
		s.len = (size_t)(zone - s.p);
	if (s.len == 0 || s.len >= sizeof(buf))
		return false;
	memcpy(buf, s.p, s.len);
	buf[s.len] = '\0';
	return inet_pton(AF_INET6, buf, &a) == 1;
}

/* How much of s is the host; what follows is empty or starts with ':'. */
static size_t host_len(struct span s, size_t *ret_skip)
{
	const char *end, *zone;

	*ret_skip = 0;
	if (s.len > 0 && s.p[0] == '[') {
		end = memchr(s.p, ']', s.len);
		*ret_skip = 1;
		return end ? (size_t)(end - s.p) + 1 : 0;
	}
	zone = memchr(s.p, '%', s.len);
	if (zone && is_ipv6(s)) { /* fe80::1%eth0:14500 */
		end = memchr(zone, ':', s.len - (size_t)(zone - s.p));
		return end ? (size_t)(end - s.p) : s.len;
	}
	if (is_ipv6(s))
		return s.len;
	end = memrchr(s.p, ':', s.len);
	if (end && is_ipv6((struct span){s.p, (size_t)(end - s.p)})) /* ::1:14500 */
		return (size_t)(end - s.p);
	end = memchr(s.p, ':', s.len);
	return end ? (size_t)(end - s.p) : s.len;
}

static int set_port(struct span s, struct uri *u, char *err)
{
	unsigned long port;
	int r;

	r = copy_part(s, false, u->port, sizeof(u->port), "port", err);
	if (r < 0)
		return r;
	if (u->port[strspn(u->port, "0123456789")] == '\0') {
		port = strtoul(u->port, NULL, 10);
		/* Those of vsock have 32 bits; the last one means any. */
		if (u->scheme == URI_VSOCK && (port == 0 || port >= UINT32_MAX))
			return fail(err, -EINVAL, "the port must be 1 to 4294967294");
		if (u->scheme != URI_VSOCK && (port == 0 || port > UINT16_MAX))
			return fail(err, -EINVAL, "the port must be 1 to 65535");
		snprintf(u->port, sizeof(u->port), "%lu", port);
	} else if (!all_of(s, "-_+.")) {
		return fail(err, -EINVAL, "the port is neither a number nor a service's name");
	}
	return 0;
}

static int set_remote_display(struct span s, struct uri *u, char *err)
{
	char text[sizeof(u->display) - 1];
	int r;

	while (s.len > 0 && s.p[s.len - 1] == '/')
		s.len--;
	r = copy_part(s, true, text, sizeof(text), "display", err);
	if (r < 0)
		return r;
	snprintf(u->display, sizeof(u->display), "%s%s",
	         is_display_number((struct span){text, strlen(text)}) ? ":" : "", text);
	return 0;
}

/* host[:port[:display]]; the host may be bracketed. */
static int parse_host(struct span s, struct uri *u, char *err)
{
	size_t skip, n = host_len(s, &skip);
	struct span host = {s.p + skip, n - (n ? 2 * skip : 0)}, port;
	const char *colon;
	int r;

	if (skip && (n == 0 || !is_ipv6(host)))
		return fail(err, -EINVAL, "there is no IPv6 address in the brackets");
	if (host.len == 0)
		host = (struct span){"127.0.0.1", 9};
	if (!all_of(host, ".-_:%"))
		return fail(err, -EINVAL, "the host name has a character that none can have");
	r = copy_part(host, false, u->host, sizeof(u->host), "host name", err);
	if (r < 0)
		return r;
	if (n == s.len)
		return 0;
	if (s.p[n] != ':')
		return fail(err, -EINVAL, "only ':PORT' may follow the bracket");
	port = (struct span){s.p + n + 1, s.len - n - 1};
	colon = memchr(port.p, ':', port.len);
	if (colon) { /* tcp:host:port:display */
		struct span display = {colon + 1, port.len - (size_t)(colon + 1 - port.p)};

		port.len = (size_t)(colon - port.p);
		r = set_remote_display(display, u, err);
		if (r < 0)
			return r;
	}
	return port.len ? set_port(port, u, err) : 0;
}

static size_t span_until(struct span s, const char *stops)
{
	size_t i = 0;

	while (i < s.len && !strchr(stops, s.p[i]))
		i++;
	return i;
}

/* ?name=value&... and nothing else: kept as it is, for session_options_of_uri(). */
static int set_query(struct span s, struct uri *u, char *err)
{
	const char *query = memchr(s.p, '?', span_until(s, "#"));

	if (!query)
		return 0;
	s = (struct span){query + 1, s.len - (size_t)(query + 1 - s.p)};
	s.len = span_until(s, "#");
	return copy_part(s, false, u->query, sizeof(u->query), "options after '?'", err);
}

/* What ssh is given as arguments, and the far end's shell as words. */
static int check_ssh(const struct uri *u, char *err)
{
	const char *display = u->display + (u->display[0] == ':');
	struct span user = {u->username, strlen(u->username)}, name = {display, strlen(display)};

	if (u->has_password)
		return fail(err, -EINVAL, "ssh:// takes no password: give the user a key");
	if (u->host[0] == '-' || u->host[0] == '.')
		return fail(err, -EINVAL, "the host name has a character that none can have");
	if (u->has_username && (!all_of(user, "._-+@") || user.p[0] == '-'))
		return fail(err, -EINVAL, "the user name has a character that ssh:// cannot have");
	if (name.len > 0 && (!all_of(name, "._-") || name.p[0] == '.' || name.p[0] == '-'))
		return fail(err, -EINVAL, "the display has a character that ssh:// cannot have");
	return 0;
}

static int check_vsock(const struct uri *u, char *err)
{
	static const char *const names[] = {"hypervisor", "local", "host"};

	if (!u->port[0] || u->port[strspn(u->port, "0123456789")])
		return fail(err, -EINVAL, "vsock:// needs a port number");
	if (u->host[strspn(u->host, "0123456789")] == '\0' && strlen(u->host) <= 10)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(u->host, names[i]) == 0)
			return 0;
	return fail(err, -EINVAL, "the first part of vsock:// is a context's number, or 'host'");
}

static int parse_network(const struct network *n, struct span s, struct uri *u, char *err)
{
	/* A slash ends the authority; '?' and '#' may be part of a password. */
	const char *at = memrchr(s.p, '@', span_until(s, "/"));
	struct span host, display;
	int r;

	u->scheme = n->scheme;
	snprintf(u->port, sizeof(u->port), "%s", n->port);
	if (at) {
		r = parse_userinfo(&s, (size_t)(at - s.p), u, err);
		if (r < 0)
			return r;
	}
	host = (struct span){s.p, span_until(s, "/?#")};
	r = set_query(s, u, err);
	if (r == 0)
		r = parse_host(host, u, err);
	if (r == 0 && host.len < s.len && s.p[host.len] == '/') {
		display = (struct span){s.p + host.len + 1, s.len - host.len - 1};
		display.len = span_until(display, ",?#");
		if (display.len > 0 && !memchr(display.p, '=', display.len))
			r = set_remote_display(display, u, err);
	}
	if (r == 0 && u->scheme == URI_SSH)
		r = check_ssh(u, err);
	if (r == 0 && u->scheme == URI_VSOCK)
		r = check_vsock(u, err);
	return r;
}

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.p, text, s.len) == 0;
}

static int parse_scheme(struct span scheme, struct span rest, bool slashes, struct uri *u,
                        char *err)
{
	if (scheme.len > 5 && strncasecmp(scheme.p, "xpra+", 5) == 0)
		scheme = (struct span){scheme.p + 5, scheme.len - 5};
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
		if (span_is(scheme, networks[i].name)) {
			/* xpra's old ssh:host:10 has the display where others have the port. */
			if (networks[i].scheme == URI_SSH && !slashes)
				return fail(err, -EINVAL, "write ssh://[user@]host[:port]/display");
			return parse_network(&networks[i], rest, u, err);
		}
	if (span_is(scheme, "socket") || span_is(scheme, "unix-domain") || span_is(scheme, "unix"))
		return parse_socket(rest, u, err);
	for (size_t i = 0; i < ARRAY_SIZE(other_schemes); i++)
		if (span_is(scheme, other_schemes[i])) {
			snprintf(err, URI_TEXT_MAX, "this version cannot connect with %s://",
			         other_schemes[i]);
			return -EPROTONOSUPPORT;
		}
	snprintf(err, URI_TEXT_MAX, "unknown scheme '%.*s'",
	         (int)(scheme.len > 32 ? 32 : scheme.len), scheme.p);
	return -EINVAL;
}

static int parse(struct span s, struct uri *u, char *err)
{
	size_t n = span_until(s, ":/@=");
	struct span scheme;
	bool slashes;
	int r;

	if (n > 0 && n < s.len && s.p[n] == '=') { /* name=URI */
		r = copy_part((struct span){s.p, n}, false, u->name, sizeof(u->name), "name", err);
		if (r < 0)
			return r;
		s = (struct span){s.p + n + 1, s.len - n - 1};
		n = span_until(s, ":/@=");
	}
	if (s.len == 0)
		return fail(err, -EINVAL, "there is no URI");
	if (s.p[0] == '/' || s.p[0] == '@')
		return set_path(s, false, u, err);
	if (n == 0 || n == s.len)
		return parse_display(s, u, err);
	scheme = (struct span){s.p, n};
	if ((s.p[n] != ':' && s.p[n] != '/') || !all_of(scheme, "+-."))
		return fail(err, -EINVAL, "neither a display, nor a socket's path, nor a URI");
	s = (struct span){s.p + n + 1, s.len - n - 1};
	/* tcp://, tcp:, and the ancient tcp/ */
	slashes = s.len >= 2 && s.p[0] == '/' && s.p[1] == '/' && s.p[-1] == ':';
	if (slashes)
		s = (struct span){s.p + 2, s.len - 2};
	return parse_scheme(scheme, s, slashes, u, err);
}

int uri_parse(const char *text, struct uri *ret, char *err)
{
	struct uri u = {.scheme = URI_DISPLAY};
	int r;

	err[0] = '\0';
	r = parse((struct span){text, strlen(text)}, &u, err);
	if (r == 0)
		*ret = u;
	explicit_bzero(&u, sizeof(u));
	return r;
}
