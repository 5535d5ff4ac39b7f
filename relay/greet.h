/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/greet.h - what greet.c and challenge.c share. Worker, front filter.
 */
#pragma once

#include "relay/worker.h"

/* Sends the client's hello, which is at the front of `up`, on to the server. answer: ours to the
 * server's challenge, or NULL; client_answers: the client's hello holds one. 0, or negative: over.
 */
int greet_server(struct worker *w, const struct rpc_response *answer, bool client_answers);

/* Ends it: the session cannot be used, detail says why in the log. Something that cannot be:
 * likewise. */
int greet_failed(struct worker *w, const char *detail);
int greet_internal_error(struct worker *w, const char *what);

/* Deals with a challenge of the server and greets it again. 0, or negative: over. */
int greet_answer_challenge(struct worker *w, const struct packet *p);
int greet_relay_challenge(struct worker *w, const struct packet *p);
