/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/query.c - asks a control socket. In xproxyctl, with its caller's rights; what comes back
 * is as untrusted as anything from the network.
 */
#include "session/query.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/macros.h"
#include "session/locate.h"
#include "wire/packet.h"

#define ANSWER_BYTES_MAX (1u << 20)
#define VALUE_MAX 4096

static int wait_for(int fd, short events, uint64_t deadline_usec)
{
	struct pollfd p = {.fd = fd, .events = events};
	int r;

	do
		r = poll(&p, 1, poll_timeout_msec(deadline_usec));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

static int send_all(int fd, const uint8_t *data, size_t len, uint64_t deadline_usec)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r = 0;

		if (n < 0 && errno == EAGAIN)
			r = wait_for(fd, POLLOUT, deadline_usec);
		else if (n < 0 && errno != EINTR)
			r = -errno;
		if (r < 0)
			return r;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int read_all(int fd, uint8_t *data, size_t len, uint64_t deadline_usec)
{
	while (len > 0) {
		ssize_t n;
		int r = wait_for(fd, POLLIN, deadline_usec);

		if (r < 0)
			return r;
		n = recv(fd, data, len, MSG_DONTWAIT);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int send_request(int fd, const char *request, uint64_t deadline_usec)
{
	struct token_writer w;
	uint8_t buf[512];
	size_t len;
	int r;

	packet_begin(&w, ENCODER_RENCODEPLUS, buf, sizeof(buf), "hello");
	token_write_dict(&w, 4);
	token_write_text(&w, "info-namespace");
	token_write_bool(&w, true);
	token_write_text(&w, "rencodeplus");
	token_write_bool(&w, true);
	token_write_text(&w, "request");
	token_write_text(&w, request);
	token_write_text(&w, "version");
	token_write_text(&w, XPROXY_VERSION);
	token_write_end(&w);
	r = packet_end(&w, &len);
	return r < 0 ? r : send_all(fd, buf, len, deadline_usec);
}

/* Scalars as text; appends to buf, which may be cut. */
static void append_value(const struct token *t, char *buf, size_t size)
{
	size_t len = strlen(buf);
	char number[64];

	switch (t->type) {
	case TOKEN_BOOL:
		snprintf(number, sizeof(number), "%s", t->boolean ? "true" : "false");
		break;
	case TOKEN_INT:
		snprintf(number, sizeof(number), "%" PRId64, t->integer);
		break;
	case TOKEN_FLOAT:
		snprintf(number, sizeof(number), "%.9g", t->real);
		break;
	case TOKEN_BIGINT:
	case TOKEN_STRING:
	case TOKEN_TEXT:
	case TOKEN_BYTES:
		for (size_t i = 0; i < t->len && len + 1 < size; i++)
			if (t->data[i])
				buf[len++] = (char)t->data[i];
		buf[len] = '\0';
		return;
	case TOKEN_NONE:
	case TOKEN_LIST:
	case TOKEN_DICT:
	case TOKEN_END:
		return;
	}
	snprintf(buf + len, size - len, "%s", number);
}

/* A list's scalars, joined; what is nested in it is left out. Its first token has been read. */
static int join_list(struct token_reader *r, char *buf, size_t size)
{
	const char *comma = "";
	struct token t;

	for (;;) {
		if (token_read(r, &t) != 1)
			return -EBADMSG;
		if (t.type == TOKEN_END)
			return 0;
		if (strlen(buf) + 3 < size)
			snprintf(buf + strlen(buf), size - strlen(buf), "%s", comma);
		comma = ", ";
		append_value(&t, buf, size);
		if (token_skip(r, &t) < 0)
			return -EBADMSG;
	}
}

/* Flattens a dict whose first token has been read. Not recursive: depth is the peer's choice. */
static int flatten(struct token_reader *r, query_field field, void *arg)
{
	char key[QUERY_KEY_MAX] = "", value[VALUE_MAX];
	size_t marks[TOKEN_DEPTH_MAX];
	unsigned depth = 0;
	struct token t;

	marks[0] = 0;
	for (;;) {
		size_t base = marks[depth];

		if (token_read(r, &t) != 1)
			return -EBADMSG;
		if (t.type == TOKEN_END) {
			if (depth-- == 0)
				return 0;
			continue;
		}
		key[base] = '\0';
		append_value(&t, key, sizeof(key));
		if (token_skip(r, &t) < 0 || token_read(r, &t) != 1)
			return -EBADMSG;
		if (t.type == TOKEN_DICT) {
			size_t len = strlen(key);

			if (len > base &&
			    len + 1 < sizeof(key)) /* the key "" is its parent's value */
				key[len++] = '.';
			if (++depth == ARRAY_SIZE(marks))
				return -EBADMSG;
			marks[depth] = len;
			continue;
		}
		value[0] = '\0';
		if (t.type == TOKEN_LIST && join_list(r, value, sizeof(value)) < 0)
			return -EBADMSG;
		append_value(&t, value, sizeof(value));
		if (field)
			field(arg, key, value, t.type == TOKEN_INT || t.type == TOKEN_BOOL);
	}
}

/* 0 hello, 1 disconnect with its words in err. */
static int parse_answer(enum encoder encoder, const uint8_t *data, size_t len, query_field field,
                        void *arg, char err[RPC_TEXT_MAX])
{
	struct token_reader r;
	struct token t;

	token_reader_init(&r, encoder, data, len);
	if (token_read(&r, &t) != 1 || t.type != TOKEN_LIST || token_read(&r, &t) != 1)
		return -EBADMSG;
	if (token_equals(&t, "hello")) {
		if (token_read(&r, &t) != 1 || t.type != TOKEN_DICT)
			return -EBADMSG;
		return flatten(&r, field, arg);
	}
	if (!token_equals(&t, "disconnect") && !token_equals(&t, "connection-close"))
		return -EBADMSG;
	err[0] = '\0';
	while (token_read(&r, &t) == 1 && t.type != TOKEN_END) {
		if (err[0] && strlen(err) + 3 < RPC_TEXT_MAX)
			memcpy(err + strlen(err), ": ", 3);
		append_value(&t, err, RPC_TEXT_MAX);
		if (token_skip(&r, &t) < 0)
			break;
	}
	return 1;
}

static int read_answer(int fd, uint64_t deadline_usec, query_field field, void *arg,
                       char err[RPC_TEXT_MAX])
{
	_cleanup_free_ uint8_t *data = NULL;
	uint8_t raw[HEADER_LEN];
	struct header h;
	int r;

	r = read_all(fd, raw, sizeof(raw), deadline_usec);
	if (r < 0)
		return r;
	if (header_parse(raw, sizeof(raw), &h, NULL) < 0 || h.index || h.compression ||
	    (h.flags & HEADER_CIPHER) || h.size > ANSWER_BYTES_MAX)
		return -EBADMSG;
	data = malloc(h.size);
	if (!data)
		return -ENOMEM;
	r = read_all(fd, data, h.size, deadline_usec);
	if (r < 0)
		return r;
	return parse_answer((enum encoder)(h.flags & ENCODER_FLAGS), data, h.size, field, arg, err);
}

int query_send(const char *path, uid_t owner, const char *request, uint64_t timeout_usec,
               query_field field, void *arg, char err[RPC_TEXT_MAX])
{
	uint64_t deadline = now_usec() + timeout_usec;
	_cleanup_close_ int fd = -1;
	int r;

	err[0] = '\0';
	fd = locate_connect_path(path, owner, timeout_usec);
	r = fd < 0 ? fd : send_request(fd, request, deadline);
	if (r >= 0)
		r = read_answer(fd, deadline, field, arg, err);
	if (r == -ECONNRESET)
		r = -EPIPE;
	if (r == -EBADMSG)
		snprintf(err, RPC_TEXT_MAX, "what it answers is not understood");
	else if (r == -EPIPE)
		snprintf(err, RPC_TEXT_MAX, "it closed the connection");
	else if (r < 0)
		snprintf(err, RPC_TEXT_MAX, "%s", strerror(-r));
	return r;
}
