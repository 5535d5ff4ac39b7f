/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/http.c - requests of HTTP on the shared port, and what becomes of each. Worker, front
 * filter. System calls: those of relay/leg.c, and sendmsg and recvmsg (the guard).
 *
 * A request for a WebSocket with xpra's subprotocol is ours. With HTTPBackend= all others are that
 * server's: the first that is not ours hands the connection over, with every byte that has been
 * read. Else there are files, one request after the other.
 */
#include "relay/http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/fact.h"
#include "relay/raw.h"
#include "relay/secure.h"
#include "relay/websocket.h"
#include "wire/websocket.h"

#define REQUESTS_MAX 100              /* of one connection; browsers open another one */
#define KEEP_USEC (10 * USEC_PER_SEC) /* for a next request to begin */

int http_answer(struct worker *w, const struct http_head *request, const char *status,
                const char *fields, const char *text, bool keep)
{
	uint64_t deadline = now_usec() + w->config->limits_login_timeout_usec;
	bool head = request && http_text_is(request->method, "HEAD");
	char buf[HTTP_HEAD_MAX + 2048];
	int n;

	n = snprintf(buf, sizeof(buf),
	             "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
	             "%zu\r\nCache-Control: no-store\r\n" HTTP_SAFE_FIELDS "%s%s\r\n%s",
	             status, strlen(text), fields, keep ? "" : "Connection: close\r\n",
	             head ? "" : text);
	if (n < 0 || (size_t)n >= sizeof(buf) || leg_send(&w->client, buf, (size_t)n, deadline) < 0)
		return worker_end(w, EXIT_OK, "client-close", "closed during an answer");
	return 0;
}

/* Answers, and ends the connection: what, for the log, is what the client did wrong. */
static int refuse(struct worker *w, const struct http_head *request, int exit_code,
                  const char *status, const char *fields, const char *what)
{
	char text[RPC_TEXT_MAX];

	worker_end(w, exit_code, exit_code == EXIT_PROTOCOL ? "protocol" : "refused", what);
	snprintf(text, sizeof(text), "%s: %s\n", status, what);
	(void)http_answer(w, request, status, fields, text, false);
	leg_shutdown(&w->client);
	worker_goodbye(w);
	return -ECANCELED;
}

/* No head, or none that can be read. */
static int refuse_head(struct worker *w, int error, const char *why)
{
	const char *status = error == -ENAMETOOLONG ? "414 URI Too Long"
	                     : error == -EMSGSIZE   ? "431 Request Header Fields Too Large"
	                     : error == -EPROTO     ? "505 HTTP Version Not Supported"
	                                            : "400 Bad Request";
	char what[RPC_NAME_MAX];

	snprintf(what, sizeof(what), "an HTTP request with %s", why);
	return refuse(w, NULL, EXIT_PROTOCOL, status, "", what);
}

/* The next request's head. 0; a negative errno that http_parse_request() gave, with *ret_why;
 * -ECANCELED: over. */
static int read_head(struct worker *w, unsigned served, uint64_t deadline_usec,
                     struct http_head *ret, const char **ret_why)
{
	uint64_t idle = now_usec() + KEEP_USEC;

	for (;;) {
		bool begun = served == 0 || flow_available(&w->up) > 0;
		int r = http_parse_request(flow_at(&w->up), flow_available(&w->up), ret, ret_why);
		char text[64];
		ssize_t n;

		if (r != -EAGAIN)
			return r;
		r = worker_wait_bytes(w, &w->up,
		                      begun || deadline_usec < idle ? deadline_usec : idle);
		snprintf(text, sizeof(text), "%u HTTP requests", served);
		if (r == 0 && begun)
			return refuse(w, NULL, EXIT_LOGIN_TIMEOUT, "408 Request Timeout", "",
			              "login timeout: an HTTP request that is not whole");
		if (r == 0)
			return worker_end(w, EXIT_OK, "request", text);
		if (r < 0)
			return r;
		n = flow_read(&w->up);
		if (n == 0 || (n < 0 && n != -EAGAIN))
			return begun ? worker_end(w, EXIT_OK, "client-close",
			                          "closed during an HTTP request")
			             : worker_end(w, EXIT_OK, "request", text);
	}
}

/* ---- our WebSocket ---- */

/* Tells the guard who is behind a front end that it trusts. */
static int introduce(struct worker *w, const struct http_head *h)
{
	struct rpc m = {.type = RPC_PEER};

	if (!http_forwarded_for(w, h, &m.peer))
		return 0;
	w->local = w->near = false;
	if (rpc_send(w->guard_fd, &m, -1) < 0)
		return worker_end(w, EXIT_INTERNAL, "guard-gone", "internal error");
	return 0;
}

static int refuse_origin(struct worker *w, const struct http_head *h, struct http_text origin)
{
	char what[RPC_NAME_MAX + 100];

	snprintf(what, sizeof(what),
	         "a web page of %.*s wanted a WebSocket: AllowedOrigins= does not list it",
	         origin.len < RPC_NAME_MAX ? (int)origin.len : RPC_NAME_MAX, origin.data);
	return refuse(w, h, EXIT_REFUSED, "403 Forbidden", "", what);
}

static int upgrade(struct worker *w, const struct http_head *h)
{
	char accept[WEBSOCKET_ACCEPT_LEN + 1], text[256];
	struct http_text origin;
	const char *why = "";
	int r = websocket_check_request(h, &why), n;

	if (r == -EPROTO)
		return refuse(w, h, EXIT_PROTOCOL, "426 Upgrade Required",
		              "Sec-WebSocket-Version: 13\r\n", why);
	if (r < 0)
		return refuse(w, h, EXIT_PROTOCOL,
		              r == -EOPNOTSUPP ? "403 Forbidden" : "400 Bad Request", "", why);
	r = introduce(w, h);
	if (r < 0)
		return r;
	if (!secure_enough(w))
		return refuse(w, h, EXIT_REFUSED, "403 Forbidden", "",
		              "this server requires SSL: connect with wss:// instead of ws://");
	if (!http_origin_allowed(w, h, &origin))
		return refuse_origin(w, h, origin);
	websocket_accept(http_field(h, "Sec-WebSocket-Key"), accept);
	/* In one piece, and the subprotocol at its end: see wire/websocket.h. */
	n = snprintf(text, sizeof(text),
	             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
	             "Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: "
	             "%s\r\n\r\n",
	             accept, WEBSOCKET_PROTOCOL);
	r = leg_send(&w->client, text, (size_t)n, now_usec() + USEC_PER_SEC);
	if (r < 0)
		return worker_end(w, EXIT_OK, "client-close", "closed during an answer");
	fact_keep_head(h, flow_at(&w->up));
	w->forwarded = w->trusted && w->config->listen_forwarded_for;
	w->private = http_forwarded(h) && http_private(w, h);
	explicit_bzero(w->up.buf + w->up.ready, h->len);
	flow_drop(&w->up, h->len);
	w->http = false;
	return websocket_begin(w);
}

/* ---- the web server of HTTPBackend= ---- */

/* h: NULL if there is none that could be read. */
static int hand_over(struct worker *w, const struct http_head *h)
{
	struct rpc m = {.type = RPC_WEB, .web.kind = WEB_BACKEND};
	uint64_t limit = w->config->sessions_connect_timeout_usec + 2 * USEC_PER_SEC;
	int r;

	if (h && introduce(w, h) < 0)
		return -ECANCELED;
	r = worker_ask(w, &m, &w->server.fd, now_usec() + limit);
	if (r < 0)
		return r;
	if (m.type != RPC_OPENED || w->server.fd < 0) {
		worker_log(w, LOG_WARNING, "%s", m.type == RPC_REFUSED ? m.refused.text : "");
		return refuse(w, h, EXIT_UPSTREAM, "502 Bad Gateway", "",
		              "the web server cannot be reached");
	}
	if (fcntl(w->server.fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return worker_end(w, EXIT_INTERNAL, "internal", strerror(errno));
	raw_run(w);
	return -ECANCELED;
}

/* ---- our own pages ---- */

static int redirect(struct worker *w, const struct http_head *h, const char *status)
{
	struct http_text host = http_field(h, "Host");
	char fields[HTTP_HEAD_MAX + 64];

	if (!http_host_valid(host) || h->target.data[0] != '/')
		return refuse(w, h, EXIT_PROTOCOL, "400 Bad Request", "",
		              "an HTTP request without a valid Host");
	snprintf(fields, sizeof(fields), "Location: https://%.*s%.*s\r\n", (int)host.len, host.data,
	         (int)h->target.len, h->target.data);
	(void)http_answer(w, h, status, fields, "This server requires HTTPS.\n", false);
	worker_end(w, EXIT_OK, "request", "redirected to https");
	leg_shutdown(&w->client);
	worker_goodbye(w);
	return -ECANCELED;
}

/* A file, or that there is none. */
static int serve_file(struct worker *w, const struct http_head *h, enum rpc_web_kind kind,
                      const char *path, bool keep)
{
	_cleanup_close_ int fd = -1;
	struct rpc_opened about;
	int r = http_open_file(w, h, kind, path, &fd, &about);

	if (r == -ENOENT)
		return http_answer(w, h, "404 Not Found", "", "404 Not Found\n", keep);
	return r < 0 ? r : http_send_file(w, h, kind, path, fd, &about, keep);
}

/* What is at "/": our own page, where the HTML5 client is, for which that page asks for a password.
 * Who says in the address what the client shall do, knows what to do without the page. */
static int serve_front(struct worker *w, const struct http_head *h, bool keep)
{
	static const char page[] = "/chooser.html";
	_cleanup_close_ int fd = -1;
	struct rpc_opened about;
	int r = -ENOENT;

	if (w->config->listen_chooser && !memchr(h->target.data, '?', h->target.len))
		r = http_open_file(w, h, WEB_PAGE, page, &fd, &about);
	if (r == -ENOENT)
		return serve_file(w, h, WEB_FILE, "/", keep);
	if (r < 0)
		return r;
	if (w->tls_context && !http_private(w, h) && !http_forwarded(h))
		return redirect(w, h, "307 Temporary Redirect");
	return http_send_file(w, h, WEB_PAGE, page, fd, &about, keep);
}

static int serve_path(struct worker *w, const struct http_head *h, bool keep)
{
	static const char own[] = "/xproxy"; /* what the page at "/" is made of */
	char path[RPC_TEXT_MAX];
	int r = http_path(h->target, path, sizeof(path));

	if (r == -ENAMETOOLONG)
		return http_answer(w, h, "414 URI Too Long", "", "414 URI Too Long\n", keep);
	if (r < 0)
		return refuse(w, h, EXIT_PROTOCOL, "400 Bad Request", "",
		              "an HTTP request with a malformed path");
	if (strcmp(path, "/Status") == 0)
		return http_answer(w, h, "200 OK", "", "ready\n", keep);
	if (strcmp(path, "/") == 0)
		return serve_front(w, h, keep);
	if (w->config->listen_chooser && strncmp(path, own, strlen(own)) == 0 &&
	    path[strlen(own)] == '/')
		return serve_file(w, h, WEB_PAGE, path + strlen(own), keep);
	return serve_file(w, h, WEB_FILE, path, keep);
}

/* Whether a request has a body, which nobody here reads. */
static bool has_body(const struct http_head *h)
{
	struct http_text len = http_field(h, "Content-Length");

	return (len.data && !http_text_is(len, "0")) || http_field(h, "Transfer-Encoding").data;
}

/* 0: the next one may come. */
static int serve_request(struct worker *w, const struct http_head *h, unsigned served)
{
	bool keep = h->minor == 1 && !http_list_has(h, "Connection", "close") && !has_body(h) &&
	            served < REQUESTS_MAX;
	bool safe = http_text_is(h->method, "GET") || http_text_is(h->method, "HEAD");
	int r;

	if (!(w->config->listen_transports & TRANSPORT_HTTP))
		return refuse(w, h, EXIT_PROTOCOL, "400 Bad Request", "",
		              "an HTTP request on a socket that takes no HTTP");
	if (h->minor == 1 && http_field_count(h, "Host") != 1)
		return refuse(w, h, EXIT_PROTOCOL, "400 Bad Request", "",
		              "an HTTP request without a valid Host");
	if (!secure_enough(w))
		return redirect(w, h, safe ? "301 Moved Permanently" : "308 Permanent Redirect");
	if (!http_sessions_asked(w, h) && http_broker_asked(w, h))
		return introduce(w, h) < 0 ? -ECANCELED : http_broker(w, h);
	if (w->config->listen_http_backend[0])
		return hand_over(w, h);
	if (http_sessions_asked(w, h))
		return introduce(w, h) < 0 ? -ECANCELED : http_sessions(w, h);
	if (!safe)
		r = http_answer(w, h, "405 Method Not Allowed", "Allow: GET, HEAD\r\n",
		                "405 Method Not Allowed\n", keep);
	else
		r = serve_path(w, h, keep);
	if (r < 0 || keep)
		return r;
	worker_end(w, EXIT_OK, "request", "an HTTP request");
	leg_shutdown(&w->client);
	worker_goodbye(w);
	return -ECANCELED;
}

int http_client(struct worker *w, uint64_t *deadline_usec)
{
	bool backend;
	struct http_head h;
	const char *why = "";
	int r;

	w->http = true;
	backend = w->config->listen_http_backend[0] != '\0' &&
	          w->config->listen_transports & TRANSPORT_HTTP && secure_enough(w);
	for (unsigned served = 0;;) {
		r = read_head(w, served, *deadline_usec, &h, &why);
		if (r == -ECANCELED)
			return r;
		if (r < 0 && backend)
			return hand_over(w, NULL);
		if (r < 0)
			return refuse_head(w, r, why);
		if (w->config->listen_transports & TRANSPORT_WEBSOCKET && websocket_requested(&h) &&
		    (!backend || websocket_check_request(&h, &why) != -EOPNOTSUPP))
			return upgrade(w, &h);
		r = serve_request(w, &h, ++served);
		if (r < 0)
			return r;
		flow_drop(&w->up, h.len);
		*deadline_usec = now_usec() + w->config->limits_login_timeout_usec;
	}
}
