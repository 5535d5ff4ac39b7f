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

/* The answer to a GET or HEAD for a file of HTMLRoot=. 0, or negative: over. */
int http_send_file(struct worker *w, const struct http_head *request, const char *path, bool keep);

/* Whether a page of that origin may open a WebSocket here; *ret: which, for the log. */
bool http_origin_allowed(const struct worker *w, const struct http_head *request,
                         struct http_text *ret);

/* Whether it can be written into an answer as the host, and port, of a URL. */
bool http_host_valid(struct http_text host);

/* Who the client is, as the front end says in X-Forwarded-For; false: it says nothing. */
bool http_forwarded_for(const struct worker *w, const struct http_head *request,
                        struct rpc_peer *ret);
