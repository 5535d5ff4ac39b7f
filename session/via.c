/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/via.c - through a SOCKS5 or HTTP proxy. Runs in a child of the guard, as the session's
 * user, which may be killed at any time. System calls: poll, recv, send.
 */
#include "session/via.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nettle/base64.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/macros.h"
#include "wire/http.h"

enum {
	SOCKS_VERSION = 5,
	SOCKS_NO_AUTH = 0,
	SOCKS_PASSWORD = 2,
	SOCKS_CONNECT = 1,
	SOCKS_IPV4 = 1,
	SOCKS_NAME = 3,
	SOCKS_IPV6 = 4,
};

static int fail(char *err, int r, const char *what)
{
	snprintf(err, RPC_TEXT_MAX, "%s", what);
	return r;
}

static int send_all(int fd, const void *data, size_t len, char *err)
{
	/* Less than any socket's buffer: it does not wait. */
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n == (ssize_t)len ? 0 : fail(err, -EPIPE, "it closed the connection");
}

static int read_exactly(int fd, void *buf, size_t len, uint64_t deadline_usec, char *err)
{
	for (size_t done = 0; done < len;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int r = poll(&p, 1, poll_timeout_msec(deadline_usec));
		ssize_t n;

		if (r == 0)
			return fail(err, -ETIMEDOUT, "no answer within ConnectTimeout");
		n = r > 0 ? recv(fd, (char *)buf + done, len - done, MSG_DONTWAIT) : -1;
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return fail(err, -EPIPE, "it closed the connection");
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return fail(err, -errno, strerror(errno));
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* ---- SOCKS5 ---- */

ssize_t via_socks_reply(const uint8_t *p, size_t len, char *err)
{
	static const char *const errors[] = {
		NULL,
		"general failure",
		"not allowed",
		"network unreachable",
		"host unreachable",
		"connection refused",
		"TTL expired",
		"command not supported",
		"address type not supported",
	};

	if (len > 0 && p[0] != SOCKS_VERSION)
		return fail(err, -EPROTO, "it does not speak SOCKS5");
	if (len > 1 && p[1] != 0) {
		if (p[1] < ARRAY_SIZE(errors))
			return fail(err, -ECONNREFUSED, errors[p[1]]);
		snprintf(err, RPC_TEXT_MAX, "error %u", p[1]);
		return -ECONNREFUSED;
	}
	if (len < 5)
		return -EAGAIN;
	switch (p[3]) {
	case SOCKS_IPV4:
		return 4 + 4 + 2;
	case SOCKS_IPV6:
		return 4 + 16 + 2;
	case SOCKS_NAME:
		return 4 + 1 + p[4] + 2;
	default:
		return fail(err, -EPROTO, "its answer is malformed");
	}
}

/* RFC 1929 */
static int socks_password(int fd, const struct session_options *o, uint64_t deadline_usec,
                          char *err)
{
	size_t user = strlen(o->via_username), password = strlen(o->via_password), n = 0;
	uint8_t m[3 + 2 * 255], reply[2] = {0};
	int r;

	m[n++] = 1;
	m[n++] = (uint8_t)user;
	memcpy(m + n, o->via_username, user);
	n += user;
	m[n++] = (uint8_t)password;
	memcpy(m + n, o->via_password, password);
	n += password;
	r = send_all(fd, m, n, err);
	explicit_bzero(m, sizeof(m));
	if (r == 0)
		r = read_exactly(fd, reply, sizeof(reply), deadline_usec, err);
	if (r == 0 && reply[1] != 0)
		r = fail(err, -EACCES, "it refuses the user name or password");
	return r;
}

static size_t socks_request(const char *host, unsigned port, uint8_t m[4 + 1 + 255 + 2])
{
	size_t n = 0, len = strlen(host);

	m[n++] = SOCKS_VERSION;
	m[n++] = SOCKS_CONNECT;
	m[n++] = 0;
	if (inet_pton(AF_INET, host, m + n + 1) == 1) {
		m[n] = SOCKS_IPV4;
		n += 1 + 4;
	} else if (inet_pton(AF_INET6, host, m + n + 1) == 1) {
		m[n] = SOCKS_IPV6;
		n += 1 + 16;
	} else {
		m[n++] = SOCKS_NAME;
		m[n++] = (uint8_t)len;
		memcpy(m + n, host, len);
		n += len;
	}
	m[n++] = (uint8_t)(port >> 8);
	m[n++] = (uint8_t)port;
	return n;
}

static int connect_socks(int fd, const struct session_options *o, const char *host, unsigned port,
                         uint64_t deadline_usec, char *err)
{
	const uint8_t methods[] = {SOCKS_VERSION, 2, SOCKS_NO_AUTH, SOCKS_PASSWORD};
	const uint8_t only[] = {SOCKS_VERSION, 1, SOCKS_NO_AUTH};
	bool named = o->via_username[0] != '\0';
	uint8_t m[4 + 1 + 255 + 2] = {0};
	ssize_t n;
	int r;

	if (strlen(host) > 255)
		return fail(err, -ENAMETOOLONG, "the host name is too long");
	r = send_all(fd, named ? methods : only, named ? sizeof(methods) : sizeof(only), err);
	if (r == 0)
		r = read_exactly(fd, m, 2, deadline_usec, err);
	if (r == 0 && m[0] != SOCKS_VERSION)
		r = fail(err, -EPROTO, "it does not speak SOCKS5");
	if (r == 0 && m[1] == SOCKS_PASSWORD && named)
		r = socks_password(fd, o, deadline_usec, err);
	else if (r == 0 && m[1] != SOCKS_NO_AUTH)
		r = fail(err, -EACCES, "it wants another kind of authentication");
	if (r == 0)
		r = send_all(fd, m, socks_request(host, port, m), err);
	if (r == 0)
		r = read_exactly(fd, m, 2, deadline_usec, err);
	if (r < 0)
		return r;
	n = via_socks_reply(m, 2, err); /* a refusal may be all there is */
	if (n == -EAGAIN) {
		r = read_exactly(fd, m + 2, 3, deadline_usec, err);
		n = r < 0 ? r : via_socks_reply(m, 5, err);
	}
	return n < 0 ? (int)n : read_exactly(fd, m + 5, (size_t)n - 5, deadline_usec, err);
}

/* ---- HTTP ---- */

ssize_t via_http_reply(const uint8_t *p, size_t len, char *err)
{
	struct http_head h;
	const char *why;
	int r = http_parse_response(p, len, &h, &why);

	if (r < 0)
		return r == -EAGAIN ? r : fail(err, -EPROTO, why);
	if (h.status / 100 == 2)
		return (ssize_t)h.len;
	snprintf(err, RPC_TEXT_MAX, "%s (HTTP status %u)",
	         h.status == 401 || h.status == 407 ? "it refuses the user name or password"
	                                            : "it refuses",
	         h.status);
	return -ECONNREFUSED;
}

static size_t http_request(const struct session_options *o, const char *host, unsigned port,
                           char *buf, size_t size)
{
	const char *open = strchr(host, ':') ? "[" : "", *close = *open ? "]" : "";
	char login[2 * 256 + 1], basic[BASE64_ENCODE_RAW_LENGTH(sizeof(login)) + 1] = "";
	int n;

	if (o->via_username[0]) {
		n = snprintf(login, sizeof(login), "%s:%s", o->via_username, o->via_password);
		base64_encode_raw(basic, (size_t)n, (const uint8_t *)login);
		basic[BASE64_ENCODE_RAW_LENGTH((size_t)n)] = '\0';
	}
	n = snprintf(buf, size, "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n%s%s%s\r\n", open,
	             host, close, port, open, host, close, port,
	             basic[0] ? "Proxy-Authorization: Basic " : "", basic, basic[0] ? "\r\n" : "");
	explicit_bzero(login, sizeof(login));
	explicit_bzero(basic, sizeof(basic));
	return (size_t)n;
}

static int connect_http(int fd, const struct session_options *o, const char *host, unsigned port,
                        uint64_t deadline_usec, char *err)
{
	uint8_t buf[HTTP_HEAD_MAX + 1];
	size_t len = http_request(o, host, port, (char *)buf, sizeof(buf));
	ssize_t n = -EAGAIN;
	int r = send_all(fd, buf, len, err);

	explicit_bzero(buf, len);
	/* A byte at a time: what follows the reply is the server's. */
	for (len = 0; r == 0 && n == -EAGAIN; len++) {
		r = read_exactly(fd, buf + len, 1, deadline_usec, err);
		if (r == 0)
			n = via_http_reply(buf, len + 1, err);
	}
	return r < 0 ? r : n < 0 ? (int)n : 0;
}

int via_connect(int fd, const struct session_options *o, const char *host, const char *port,
                uint64_t deadline_usec, char *err)
{
	const struct servent *service;
	unsigned long number = strtoul(port, NULL, 10);

	if (number == 0) {
		service = getservbyname(port, "tcp");
		if (!service)
			return fail(err, -EINVAL, "the session's port is no known service");
		number = ntohs((uint16_t)service->s_port);
	}
	return o->via == VIA_HTTP
	               ? connect_http(fd, o, host, (unsigned)number, deadline_usec, err)
	               : connect_socks(fd, o, host, (unsigned)number, deadline_usec, err);
}
