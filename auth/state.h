/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/state.h - what the guard knows about its one connection. Private to guard.c, sessions.c,
 * front.c, penalty.c and attend.c.
 */
#pragma once

#include "auth/chain.h"
#include "auth/checker.h"
#include "base/config.h"
#include "base/log.h"
#include "base/peer.h"
#include "base/rpc.h"
#include "base/stats.h"
#include "session/asuser.h"
#include "session/broker.h"
#include "session/carrier.h"
#include "session/locate.h"
#include "session/record.h"

/* What may come next. */
enum due {
	DUE_LOGIN = 1 << 0,
	DUE_RESPONSE = 1 << 1,
	DUE_SESSION = 1 << 2,
	DUE_CONNECTED = 1 << 3, /* REDIAL, ANSWER, RELAY */
	DUE_ALWAYS = 1 << 4,    /* LOG, END */
	DUE_PEER = 1 << 5,
	DUE_WEB = 1 << 6,
	DUE_LIST = 1 << 7, /* more of it */
	DUE_FACT = 1 << 8,
	DUE_ENCODER = 1 << 9,
	DUE_BROKER = 1 << 10,                       /* the second one: somebody has logged in */
	DUE_FIRST = DUE_PEER | DUE_WEB | DUE_LOGIN, /* what ends with the login */
};

struct guard {
	const struct config *config;
	const struct peer *peer; /* the client, as far as it is known */
	struct peer behind;      /* the client of a front end, if there is one: peer points to it */
	const char *front;       /* that front end, for the log; NULL: there is none */
	struct stats *stats;     /* read-only here */
	int worker_fd;
	pid_t worker;
	uint64_t since_usec, since_wall_usec;

	unsigned due; /* which requests may come now */
	unsigned dials, remarks;
	char config_error[RPC_TEXT_MAX]; /* a module cannot be used: every login is denied */

	struct chain chain; /* not opened if there is a checker */
	bool waits;         /* there is, once somebody logs in */
	struct checker checker;
	struct outcome *outcome;
	char username[RPC_NAME_MAX], client[RPC_NAME_MAX];
	struct record record;
	int unknown;                 /* negative: there is no such user on this machine */
	struct asuser_scan scan;     /* for sessions, if the record has no list */
	struct locate_only only;     /* of a scanned list */
	size_t listed;               /* sessions that the worker has been told of */
	struct uri session;          /* the chosen one; holds a password */
	struct carrier carrier;      /* of its bytes, if a socket alone does not do */
	struct carrier encoder;      /* of its pictures */
	int frames_fd;               /* memory for that; -1: none */
	char upstream[RPC_TEXT_MAX]; /* it, printable */
	char module[64], unit[128];
	char denied[RPC_NAME_MAX]; /* "authentication failed" and the like, once a login has been
	                              denied */
	bool asked;                /* the table of penalties has a module down as being asked */
	bool accepted;
	bool silent; /* this refusal is one of many: no line */
	unsigned web_requests;
	struct broker broker;       /* answers an X2Go client */
	struct x2go_request wanted; /* by that */
	bool broker_asked;          /* it gets one request */
	bool handed_over;           /* to the web server, or the broker: there will be no session */
	bool relaying;
	uint32_t transport; /* enum config_transport */
	char server[RPC_NAME_MAX], protocol[RPC_NAME_MAX];

	bool ended; /* the worker said why */
	struct rpc_end end;
};

/* One message to the worker, with an fd unless it is -1; and the one that says no. 0 or a negative
 * errno. */
int guard_answer(struct guard *g, const struct rpc *m, int fd);
int guard_refuse(struct guard *g, int exit_code, const char *reason, const char *text);

/* Requests for a session, each when it is due: auth/guard.c. */
int sessions_serve_session(struct guard *g, struct rpc *m);
int sessions_serve_redial(struct guard *g, struct rpc *m);
int sessions_serve_answer(struct guard *g, struct rpc *m);
int sessions_serve_encoder(struct guard *g, struct rpc *m);

/* X2Go: auth/broker.c. */
int broker_serve(struct guard *g, struct rpc *m);

/* Denials take a second from the request on, or two, whatever the cause and however long that took
 * to find: time tells nobody which it was. A worker that leaves ends the wait. */
void guard_delay_failure(struct guard *g, uint64_t since_usec);

/* What a worker may say at any time: LOG, END. 0, or negative: no more; -EPROTO: it is neither. */
int guard_heed(struct guard *g, struct rpc *m);

/* Receives one message of the worker and serves it. Negative: no more. */
int guard_serve(struct guard *g);

/* Once logged in: who the user is on this machine, and what is theirs is looked for from now on.
 * Then, when it is asked for: g->record. 0, or the refusal has been sent: 1, or negative. */
void sessions_begin(struct guard *g);
int sessions_find(struct guard *g);

/* Tells the worker of one of the user's sessions. */
int list_serve(struct guard *g, struct rpc *m);

/* What a front end has said of the client becomes g->peer, once. -EPROTO: not what can be said. */
int front_introduce(struct guard *g, const struct rpc_peer *client);

/* Whether the client may go on; ask: a module is about to be asked, so that penalty_settle() has to
 * follow. 0: it may; 1: its source is refused, and the worker has been told; negative: the worker
 * is gone. Waits while as many modules are being asked for this source as may say no. */
int penalty_admit(struct guard *g, bool ask);

/* What came of it, before anybody else is told. */
void penalty_settle(struct guard *g, const struct rpc_step *step);

/* The connection is over, without a session; crashed: its worker did not end by itself. */
void penalty_finish(struct guard *g, bool crashed);

/* What this socket's configuration lets a client ask of the web: DUE_WEB, or 0. */
unsigned web_due(const struct config *config);

/* Opens what a client has asked for over HTTP and answers, or connects to the web server. */
int web_serve(struct guard *g, struct rpc *m);

/* Gives up all privilege and waits for the worker, whose client is the web server's now. Negative:
 * the worker is gone. */
int web_attend(struct guard *g);

/* Becomes the session's user for good and serves the control socket until the worker is gone. */
void guard_attend(struct guard *g);

/* Reaps the worker, writes the last line of the log. Returns the exit code. */
int guard_finish(struct guard *g);
