/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/query.c - asks control sockets, all at once: one that is stuck costs no other its answer. In
 * xproxyctl, with its caller's rights; what comes back is as untrusted as anything from the
 * network. System calls: socket, connect, sendto, poll, recvfrom.
 */
#include "ctl/query.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "session/locate.h"

#define ANSWER_BYTES_MAX (1u << 20)
#define VALUE_MAX 4096
#define REQUEST_MAX 512
#define RETRY_USEC (20 * USEC_PER_MSEC) /* between two tries at a full backlog */
#define OTHER_FDS 64

/* ---- the answer ---- */

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
	char words[RPC_TEXT_MAX] = "";
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
	while (token_read(&r, &t) == 1 && t.type != TOKEN_END) {
		if (words[0] && strlen(words) + 3 < sizeof(words))
			memcpy(words + strlen(words), ": ", 3);
		append_value(&t, words, sizeof(words));
		if (token_skip(&r, &t) < 0)
			break;
	}
	log_escape(words, strlen(words), err, RPC_TEXT_MAX); /* it goes to a terminal */
	return 1;
}

/* ---- the question ---- */

static int build_request(const char *request, uint8_t buf[REQUEST_MAX], size_t *ret_len)
{
	struct token_writer w;

	packet_begin(&w, ENCODER_RENCODEPLUS, buf, REQUEST_MAX, "hello");
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
	return packet_end(&w, ret_len);
}

/* ---- one of them ---- */

static void finish(struct query *q, int r)
{
	if (r == -ECONNRESET)
		r = -EPIPE;
	if (r == -EBADMSG)
		snprintf(q->err, sizeof(q->err), "what it answers is not understood");
	else if (r == -EPIPE)
		snprintf(q->err, sizeof(q->err), "it closed the connection");
	else if (r == -ETIMEDOUT)
		snprintf(q->err, sizeof(q->err), "it does not answer");
	else if (r < 0)
		snprintf(q->err, sizeof(q->err), "%s", strerror(-r));
	if (q->fd >= 0)
		close(take_fd(&q->fd));
	free(q->data);
	q->data = NULL;
	q->result = r;
}

/* Connects and asks. Whoever has a full backlog, or too many of our own before it, is tried again.
 */
static void begin(struct query *q, const uint8_t *request, size_t len)
{
	int r;

	q->fd = locate_connect_now(q->path, q->owner);
	if (q->fd == -EAGAIN || q->fd == -EMFILE) {
		q->fd = -1;
		return;
	}
	r = q->fd;
	/* It fits an empty socket's buffer: less than all of it has never been taken. */
	if (r >= 0 && send(q->fd, request, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		r = -EPIPE;
	if (r < 0)
		finish(q, r);
}

/* Whether an answer may begin so. */
static bool is_good(const struct header *h)
{
	return h->index == 0 && h->compression == 0 && !(h->flags & HEADER_CIPHER) &&
	       h->size <= ANSWER_BYTES_MAX;
}

/* Reads what has come. -EAGAIN: more is to come. */
static int read_some(struct query *q)
{
	ssize_t n;

	if (q->got < HEADER_LEN)
		n = recv(q->fd, q->raw + q->got, HEADER_LEN - q->got, MSG_DONTWAIT);
	else
		n = recv(q->fd, q->data + (q->got - HEADER_LEN),
		         HEADER_LEN + q->header.size - q->got, MSG_DONTWAIT);
	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	q->got += (size_t)n;
	if (q->got == HEADER_LEN) {
		if (header_parse(q->raw, sizeof(q->raw), &q->header, NULL) < 0 ||
		    !is_good(&q->header))
			return -EBADMSG;
		q->data = malloc(q->header.size + 1);
		if (!q->data)
			return -ENOMEM;
	}
	if (q->got < HEADER_LEN || q->got < HEADER_LEN + q->header.size)
		return -EAGAIN;
	return parse_answer((enum encoder)(q->header.flags & ENCODER_FLAGS), q->data,
	                    q->header.size, q->field, q->arg, q->err);
}

/* ---- all of them ---- */

/* More than the usual 1024 fds, if we may. */
static void allow_fds(size_t n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= n + OTHER_FDS)
		return;
	limit.rlim_cur = limit.rlim_max < n + OTHER_FDS ? limit.rlim_max : n + OTHER_FDS;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* One turn: those that wait for a place in a backlog, then those that have said something. How many
 * are still to answer; *progress: one of them has done something. */
static size_t turn(struct query *list, size_t n, struct pollfd *fds, uint64_t deadline_usec,
                   const uint8_t *request, size_t len, bool *progress)
{
	bool waiting = false;
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		struct query *q = &list[i];

		if (q->result == -EINPROGRESS && q->fd < 0)
			begin(q, request, len);
		waiting = waiting || (q->result == -EINPROGRESS && q->fd < 0);
		left += q->result == -EINPROGRESS;
		fds[i] = (struct pollfd){.fd = q->fd, .events = POLLIN};
	}
	if (left == 0)
		return 0;
	if (waiting && now_usec() + RETRY_USEC < deadline_usec)
		deadline_usec = now_usec() + RETRY_USEC;
	*progress = poll(fds, n, poll_timeout_msec(deadline_usec)) > 0;
	for (size_t i = 0; *progress && i < n; i++) {
		int r = fds[i].revents ? read_some(&list[i]) : -EAGAIN;

		if (r != -EAGAIN)
			finish(&list[i], r);
	}
	return left;
}

int query_all(struct query *list, size_t n, const char *request, uint64_t quiet_usec,
              uint64_t total_usec)
{
	_cleanup_free_ struct pollfd *fds = calloc(n + 1, sizeof(*fds));
	uint64_t end = now_usec() + total_usec, deadline = now_usec() + quiet_usec;
	uint8_t packet[REQUEST_MAX];
	bool progress = false;
	size_t len = 0;
	int r = fds ? build_request(request, packet, &len) : -ENOMEM;

	if (r < 0)
		return r;
	allow_fds(n);
	for (size_t i = 0; i < n; i++) {
		list[i].fd = -1;
		list[i].result = -EINPROGRESS;
		list[i].err[0] = '\0';
		list[i].data = NULL;
		list[i].got = 0;
	}
	while (turn(list, n, fds, deadline < end ? deadline : end, packet, len, &progress) > 0) {
		if (progress)
			deadline = now_usec() + quiet_usec;
		else if (now_usec() >= (deadline < end ? deadline : end))
			break;
	}
	for (size_t i = 0; i < n; i++)
		if (list[i].result == -EINPROGRESS)
			finish(&list[i], -ETIMEDOUT);
	return 0;
}

int query_send(const char *path, uid_t owner, const char *request, uint64_t timeout_usec,
               query_field field, void *arg, char err[RPC_TEXT_MAX])
{
	struct query q = {.path = path, .owner = owner, .field = field, .arg = arg};
	int r = query_all(&q, 1, request, timeout_usec, timeout_usec);

	if (r < 0) {
		snprintf(err, RPC_TEXT_MAX, "%s", strerror(-r));
		return r;
	}
	snprintf(err, RPC_TEXT_MAX, "%s", q.err);
	return q.result;
}
