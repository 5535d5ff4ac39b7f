/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/greet.h - what greet.c and challenge.c share. Worker, front filter.
 */
#pragma once

#include "relay/worker.h"

/* What a server makes of a greeting. */
enum greeting {
	GREETING_HELLO,         /* ours to send on */
	GREETING_CHALLENGE,     /* to be answered */
	GREETING_MISUNDERSTOOD, /* plain text or a closed socket: perhaps the encoder */
};

/* Waits for the server's answer to a greeting; a session with encryption= has it encrypted. enum
 * greeting with *ret, or negative: over. */
int greet_await(struct worker *w, struct packet *ret);

/* Sends the client's hello, which is at the front of `up`, on to the server. answer: ours to the
 * server's challenge, or NULL; client_answers: the client's hello holds one. 0, or negative: over.
 */
int greet_server(struct worker *w, const struct rpc_response *answer, bool client_answers);

/* Ends it: the session cannot be used, detail says why in the log. Something that cannot be:
 * likewise. */
int greet_failed(struct worker *w, const char *detail);
int greet_internal_error(struct worker *w, const char *what);

/* Deals with a challenge of the server and greets it again. 0, or negative: over. */
int greet_take_challenge(struct worker *w, const struct packet *p);
