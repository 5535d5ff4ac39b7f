/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/broker.h - the program that answers X2Go clients. Guard.
 */
#pragma once

#include "base/config.h"
#include "base/rpc.h"
#include "base/x2go.h"

struct broker {
	int fd; /* what it is told; -1: there is none */
	int answer_fd;
	pid_t pid;
};

/* Starts it for one request, as User= of [X2Go]; start->setup is filled in. 0, or a negative errno
 * with err (RPC_TEXT_MAX). */
int broker_start(struct broker *b, const struct config *config, struct x2go_start *start,
                 char *err);

/* What it makes of the request. 0 or a negative errno with err. */
int broker_verdict(struct broker *b, struct x2go_verdict *ret, char *err);

/* Who has logged in: then it answers. 0 or a negative errno. */
int broker_go(struct broker *b, const struct x2go_login *login);

/* Leaves it alone, or ends it; reaps it. */
void broker_end(struct broker *b);
