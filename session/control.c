/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/control.c - serves the :proxy-PID socket. Runs in the guard after it has become the
 * session's user, under its filter: read, recvfrom, sendto, accept4, getsockopt, close,
 * clock_gettime. Allocates nothing after control_new().
 *
 * A client sends one hello with a request, gets one answer and leaves; whoever does not leave is
 * told to, then closed.
 */
#include "session/control.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/macros.h"
#include "session/info.h"
#include "wire/packet.h"
#include "wire/yaml.h"

#define HELLO_BYTES_MAX (64u << 10) /* 3.1.3 sends 3 KiB, 6.x 5 KiB */
#define PLAIN_BYTES_MAX (256u << 10)
#define REPLY_BYTES_MAX (64u << 10)

#define HELLO_USEC (20 * USEC_PER_SEC) /* xpra's SOCKET_TIMEOUT */
#define LEAVE_USEC (5 * USEC_PER_SEC)  /* after an answer */
#define FORCED_USEC (1 * USEC_PER_SEC) /* after a disconnect */

enum client_state {
	CLIENT_FREE, /* all zeroes */
	CLIENT_HELLO,
	CLIENT_ANSWERED,
	CLIENT_LEAVING,
};

struct client {
	enum client_state state;
	int fd;
	uint64_t deadline_usec;
	enum encoder encoder; /* the request's, for everything we send */
	const char *answered; /* "info sent" */
	size_t in_len, out_pos, out_len;
	uint8_t in[HEADER_LEN + HELLO_BYTES_MAX];
	uint8_t out[REPLY_BYTES_MAX];
};

struct control {
	int listen_fd;
	uid_t owner;
	struct control_facts facts;
	struct decompressor *decompressor;
	size_t used; /* no client has ever been in a slot from here on: their pages stay untouched
	              */
	uint8_t plain[PLAIN_BYTES_MAX], unfolded[PLAIN_BYTES_MAX];
	struct client clients[CONTROL_CLIENTS_MAX];
};

struct control *control_new(int listen_fd, const struct control_facts *facts)
{
	struct control *c;
	struct ucred listener;
	socklen_t len = sizeof(listener);

	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c == MAP_FAILED) {
		close(listen_fd);
		return NULL;
	}
	c->listen_fd = listen_fd;
	c->facts = *facts;
	/* We may not be the user yet; the child that called listen() was. */
	c->owner = getsockopt(listen_fd, SOL_SOCKET, SO_PEERCRED, &listener, &len) == 0
	                   ? listener.uid
	                   : 0;
	c->decompressor = decompressor_new();
	return c->decompressor ? c : control_free(c);
}

struct control *control_free(struct control *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->clients[i].state != CLIENT_FREE)
			close(c->clients[i].fd);
	close(c->listen_fd);
	decompressor_free(c->decompressor);
	munmap(c, sizeof(*c));
	return NULL;
}

/* ---- one client: output ---- */

static void client_close(struct client *cl)
{
	close(cl->fd);
	cl->state = CLIENT_FREE;
}

static void client_flush(struct client *cl)
{
	while (cl->out_pos < cl->out_len) {
		ssize_t n = send(cl->fd, cl->out + cl->out_pos, cl->out_len - cl->out_pos,
		                 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			client_close(cl);
			return;
		}
		cl->out_pos += (size_t)n;
	}
	cl->out_pos = cl->out_len = 0;
}

/* Appends what was built behind out_len; r is its result. */
static void client_send(struct client *cl, int r, size_t len, enum client_state next,
                        uint64_t time_usec)
{
	if (r < 0) { /* the last answer is still there, unread: there is no room for more words */
		client_close(cl);
		return;
	}
	cl->out_len += len;
	cl->state = next;
	cl->deadline_usec = now_usec() + time_usec;
	client_flush(cl);
}

static void client_disconnect(struct client *cl, const char *reason, const char *text)
{
	size_t len = 0;
	int r = packet_disconnect(cl->encoder, cl->out + cl->out_len, sizeof(cl->out) - cl->out_len,
	                          reason, text, &len);

	client_send(cl, r, len, CLIENT_LEAVING, FORCED_USEC);
}

/* ---- requests ---- */

enum request {
	REQUEST_NONE,
	REQUEST_INFO,
	REQUEST_VERSION,
	REQUEST_ID,
	REQUEST_STOP,
};

static const struct {
	enum request request;
	const char *name; /* the value of "request" */
	const char
		*legacy; /* the flag that clients had before there was "request" and still send */
	const char *sent;
} requests[] = {
	{REQUEST_INFO, "info", "info_request", "info sent"},
	{REQUEST_STOP, "stop", "stop_request", NULL},
	{REQUEST_VERSION, "version", "version_request", "version sent"},
	{REQUEST_ID, "id", NULL, "id info sent"},
};

struct hello {
	enum request named, flagged;
	bool namespace, challenge;
};

/* One key of the hello; its value's first token has been read. */
static int parse_cap(struct hello *h, struct token_reader *r, const struct token *key,
                     const struct token *value)
{
	bool set = false;
	int error;

	if (token_equals(key, "request")) {
		for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
			if (token_equals(value, requests[i].name))
				h->named = requests[i].request;
		return token_skip(r, value);
	}
	if (token_equals(key, "challenge")) {
		h->challenge = true;
		return token_skip(r, value);
	}
	if (token_equals(key, "info-namespace"))
		return token_truth(r, value, &h->namespace);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (!requests[i].legacy || !token_equals(key, requests[i].legacy))
			continue;
		error = token_truth(r, value, &set);
		h->flagged = set ? requests[i].request : h->flagged;
		return error;
	}
	return token_skip(r, value);
}

/* 0; -ENOMSG it is another packet; negative errno: malformed. */
static int parse_hello(enum encoder encoder, const uint8_t *data, size_t len, struct hello *ret)
{
	struct token_reader r;
	struct token t, value;
	int error;

	*ret = (struct hello){0};
	token_reader_init(&r, encoder, data, len);
	if (token_read(&r, &t) != 1 || t.type != TOKEN_LIST || token_read(&r, &t) != 1)
		return -EBADMSG;
	if (!token_equals(&t, "hello"))
		return -ENOMSG;
	if (token_read(&r, &t) != 1 || t.type != TOKEN_DICT)
		return -EBADMSG;
	while ((error = token_read_pair(&r, &t, &value)) > 0) {
		error = parse_cap(ret, &r, &t, &value);
		if (error < 0)
			break;
	}
	return error;
}

static void client_answer(struct control *c, struct client *cl, enum request request,
                          bool namespace)
{
	struct token_writer w;
	size_t len = 0;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].request == request)
			cl->answered = requests[i].sent;
	packet_begin(&w, cl->encoder, cl->out, sizeof(cl->out), "hello");
	if (request == REQUEST_INFO) {
		info_write(&w, namespace, &c->facts);
	} else if (request == REQUEST_ID) {
		info_write_id(&w, &c->facts);
	} else {
		token_write_dict(&w, 1);
		token_write_text(&w, "version");
		token_write_text(&w, XPROXY_VERSION);
		token_write_end(&w);
	}
	r = packet_end(&w, &len);
	client_send(cl, r, len, CLIENT_ANSWERED, LEAVE_USEC);
}

/* A whole record is in cl->in. Returns 1 to stop the connection. */
static int client_request(struct control *c, struct client *cl, const struct header *h)
{
	const uint8_t *data = cl->in + HEADER_LEN;
	size_t len = h->size;
	enum request request;
	struct hello hello;
	int r = 0;

	if (h->compression) {
		r = decompress(c->decompressor, h->compression, data, len, c->plain,
		               sizeof(c->plain), &len);
		data = c->plain;
	}
	if (r == 0 && cl->encoder == ENCODER_YAML) {
		r = yaml_unfold(data, len, c->unfolded, sizeof(c->unfolded), &len);
		data = c->unfolded;
	}
	if (r == 0)
		r = parse_hello(cl->encoder == ENCODER_YAML ? ENCODER_RENCODEPLUS : cl->encoder,
		                data, len, &hello);
	if (r < 0 && r != -ENOMSG) {
		client_disconnect(cl, "protocol error", "malformed packet");
		return 0;
	}
	request =
		r == 0 ? (hello.named != REQUEST_NONE ? hello.named : hello.flagged) : REQUEST_NONE;
	if (r == 0 && hello.challenge) {
		client_disconnect(cl, "authentication error",
		                  "this socket does not use authentication");
	} else if (request == REQUEST_NONE) {
		client_disconnect(cl, "control command error",
		                  "this socket only handles 'info', 'version' and 'stop' requests");
	} else if (request == REQUEST_STOP) {
		client_disconnect(cl, "server shutdown", "socket request");
		return 1;
	} else {
		client_answer(c, cl, request, hello.namespace);
	}
	return 0;
}

/* ---- one client: input ---- */

/* What has arrived so far, in state HELLO. Returns 1 to stop the connection. */
static int client_parse(struct control *c, struct client *cl)
{
	const char *why = NULL;
	struct header h;
	int r = header_parse(cl->in, cl->in_len, &h, &why);

	if (r == -EAGAIN)
		return 0;
	if (r == -EBADMSG) { /* not a peer of ours: it would not understand an answer */
		client_close(cl);
		return 0;
	}
	if (cl->in_len >= 2)
		cl->encoder = (enum encoder)(cl->in[1] & ENCODER_FLAGS);
	if (r == 0 && (h.flags & HEADER_CIPHER))
		why = "this socket does not use encryption";
	else if (r == 0 && h.index > 0)
		why = "a hello cannot have chunks here";
	else if (r < 0 || h.size > HELLO_BYTES_MAX)
		why = "the request is too big";
	if (why)
		client_disconnect(cl, "protocol error", why);
	else if (cl->in_len >= HEADER_LEN + h.size)
		return client_request(c, cl, &h);
	return 0;
}

static int client_read(struct control *c, struct client *cl)
{
	uint8_t *at = cl->state == CLIENT_HELLO ? cl->in + cl->in_len : cl->in;
	size_t room = sizeof(cl->in) - (size_t)(at - cl->in);
	ssize_t n;

	n = recv(cl->fd, at, room, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		client_close(cl);
		return 0;
	}
	if (cl->state != CLIENT_HELLO) /* what it says after its request does not matter */
		return 0;
	cl->in_len += (size_t)n;
	return client_parse(c, cl);
}

static void client_expire(struct client *cl)
{
	if (cl->state == CLIENT_HELLO)
		client_disconnect(cl, "login timeout", NULL);
	else if (cl->state == CLIENT_ANSWERED)
		client_disconnect(cl, "client exit timeout", cl->answered);
	else
		client_close(cl);
}

/* ---- all of them ---- */

static void accept_one(struct control *c)
{
	struct client *cl = NULL;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int fd;

	fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX && !cl; i++)
		if (c->clients[i].state == CLIENT_FREE)
			cl = &c->clients[i];
	if (!cl || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    (peer.uid != c->owner && peer.uid != 0)) {
		close(fd);
		return;
	}
	if ((size_t)(cl - c->clients) >= c->used)
		c->used = (size_t)(cl - c->clients) + 1;
	cl->state = CLIENT_HELLO;
	cl->fd = fd;
	cl->encoder = ENCODER_RENCODE; /* for a "login timeout" to one that said nothing */
	cl->answered = NULL;
	cl->in_len = cl->out_pos = cl->out_len = 0;
	cl->deadline_usec = now_usec() + HELLO_USEC;
}

size_t control_poll(const struct control *c, struct pollfd *fds, uint64_t *deadline_usec)
{
	size_t n = 0;

	fds[n++] = (struct pollfd){.fd = c->listen_fd, .events = POLLIN};
	for (size_t i = 0; i < c->used; i++) {
		const struct client *cl = &c->clients[i];

		if (cl->state == CLIENT_FREE)
			continue;
		fds[n].fd = cl->fd;
		fds[n].events = POLLIN;
		if (cl->out_pos < cl->out_len)
			fds[n].events |= POLLOUT;
		fds[n++].revents = 0;
		if (cl->deadline_usec < *deadline_usec)
			*deadline_usec = cl->deadline_usec;
	}
	return n;
}

static struct client *find_client(struct control *c, int fd)
{
	for (size_t i = 0; i < c->used; i++)
		if (c->clients[i].state != CLIENT_FREE && c->clients[i].fd == fd)
			return &c->clients[i];
	return NULL;
}

int control_serve(struct control *c, const struct pollfd *fds, size_t n, struct rpc_stop *ret_stop)
{
	uint64_t now = now_usec();
	bool stop = false, waiting = false;

	/* New clients come last: one may get the fd number of a client that is closed here. */
	for (size_t i = 0; i < n; i++) {
		struct client *cl = fds[i].revents ? find_client(c, fds[i].fd) : NULL;

		waiting = waiting || (fds[i].fd == c->listen_fd && fds[i].revents);
		if (cl && (fds[i].revents & POLLOUT))
			client_flush(cl);
		if (cl && cl->state != CLIENT_FREE && (fds[i].revents & ~POLLOUT))
			stop = client_read(c, cl) > 0 || stop;
	}
	for (size_t i = 0; i < c->used; i++)
		if (c->clients[i].state != CLIENT_FREE && c->clients[i].deadline_usec <= now)
			client_expire(&c->clients[i]);
	if (waiting)
		accept_one(c);
	if (!stop)
		return 0;
	*ret_stop = (struct rpc_stop){.reason = "server shutdown", .text = "socket request"};
	return 1;
}
