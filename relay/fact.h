/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/fact.h - what the client has said or shown, for modules that ask for it. Worker.
 *
 *   capability:NAME    a string, number or truth of its hello; "a.b" is also b of the dictionary a
 *   certificate:KIND   the one name of this kind in its TLS certificate: cn, email, dns, uri, upn;
 *                      dn is all of the subject
 *   header:NAME        a field of the request that its WebSocket began with, or of the request
 *                      for a list of sessions
 */
#pragma once

#include "relay/worker.h"
#include "wire/http.h"

/* Keeps the head of a request, for the life of the login. */
void fact_keep_head(const struct http_head *h, const uint8_t *data);

/* The login is over: wipes that head, which may hold passwords and cookies. */
void fact_forget(void);

/* What the guard asked for (*m is a STEP of kind FACT) becomes the FACT that answers. */
void fact_answer(struct worker *w, struct rpc *m);
