/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/http.h - a client that speaks HTTP: a WebSocket, files, or another web server's. Worker.
 */
#pragma once

#include "relay/worker.h"
#include "wire/http.h"

/* What every answer of ours says, whatever it is. */
#define HTTP_SAFE_FIELDS                      \
	"X-Content-Type-Options: nosniff\r\n" \
	"X-Frame-Options: SAMEORIGIN\r\n"     \
	"Referrer-Policy: no-referrer\r\n"

/* Serves the client's requests, of which the first has begun in w->up, until one asks for a
 * WebSocket of ours. 0: it has one, and *deadline_usec is that of its login; negative: over. */
int http_client(struct worker *w, uint64_t *deadline_usec);

/* Sends an answer. status: "404 Not Found"; fields: header fields, each with its CR LF, or "";
 * text: the body, shown by browsers; keep: whether the connection goes on. 0, or negative: over. */
int http_answer(struct worker *w, const struct http_head *request, const char *status,
                const char *fields, const char *text, bool keep);

/* Asks for a file that a GET or HEAD wants: kind is WEB_FILE or WEB_PAGE. 0: *ret_fd and *ret;
 * -ENOENT there is none, and nothing has been answered; other negative: over. */
int http_open_file(struct worker *w, const struct http_head *request, enum rpc_web_kind kind,
                   const char *path, int *ret_fd, struct rpc_opened *ret);

/* The answer with it; the fd stays the caller's. 0, or negative: over. */
int http_send_file(struct worker *w, const struct http_head *request, enum rpc_web_kind kind,
                   const char *path, int fd, const struct rpc_opened *about, bool keep);

/* Whether it asks for a list of sessions, in a way that this socket's configuration has. */
bool http_sessions_asked(const struct worker *w, const struct http_head *request);

/* The answer to that, which takes a login and ends the connection: always negative. */
int http_sessions(struct worker *w, const struct http_head *request);

/* Whether an X2Go client asks for a session broker, and the answer to that: always negative. */
bool http_broker_asked(const struct worker *w, const struct http_head *request);
int http_broker(struct worker *w, const struct http_head *request);

/* Waits for the body of a request, which then is behind its head in w->up; the head may have moved.
 * How many bytes it has; -ENODATA no length is given, -EBADMSG a malformed one, -EMSGSIZE one over
 * max, -ETIMEDOUT: nothing has been answered, and http_body_status() says what to answer, *ret_why
 * being what is wrong with the request ("no Content-Length"); -ECANCELED: over. */
int http_body(struct worker *w, const struct http_head *request, size_t max);
const char *http_body_status(int error, const char **ret_why);

/* Logs in with a password. 0; -EACCES denied, ret->step says how; -EOPNOTSUPP more than one is
 * asked for; -ECANCELED over; -EPROTO: an internal error. */
int http_login(struct worker *w, const char *username, const char *password, struct rpc *ret);

/* Whether a page of that origin may open a WebSocket here; *ret: which, for the log. */
bool http_origin_allowed(const struct worker *w, const struct http_head *request,
                         struct http_text *ret);

/* Whether who is connected is in TrustedProxies=, and may say whom it speaks for. */
bool http_trusted_front(const struct worker *w);

/* Whether a password may come by this connection as it is: nobody on its way can read it. */
bool http_private(const struct worker *w, const struct http_head *request);

/* Whether a front end has passed it on. */
bool http_forwarded(const struct http_head *request);

/* Whether it can be written into an answer as the host, and port, of a URL. */
bool http_host_valid(struct http_text host);

/* Who the client is, as the front end says in X-Forwarded-For; false: it says nothing. */
bool http_forwarded_for(const struct worker *w, const struct http_head *request,
                        struct rpc_peer *ret);
