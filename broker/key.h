/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/key.h - keys by which a client logs in to a server once: made or taken, put there through
 * the broker agent, and removed again.
 *
 * What is to be removed is written down in State=/keys before it is put anywhere, with all that is
 * needed to do so: neither a crash nor a change of the configuration leaves a key behind. The
 * program that has given a key to a client ends with its answer, so removing is for another one,
 * that a timer starts.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/x2go.h"
#include "broker/keyline.h"

/* A file of keys, and the agent that changes it. */
struct key_target {
	uint32_t agent, hostkeys; /* enum x2go_agent, enum x2go_hostkeys */
	uint32_t port;
	char address[256];
	char user[256];  /* there */
	char file[1024]; /* with %h %u %U %G %% */
};

/* Asks the agent of t for a task, `addauthkey` or `delauthkey`, with its arguments,
 * NULL-terminated. 0: it has said OK; -EREMOTEIO: it has said no, nothing was changed; another
 * negative errno: nobody knows. err says why. */
typedef int (*key_run)(void *arg, const struct x2go_setup *s, const struct key_target *t,
                       const char *task, const char *const *args, char *err, size_t err_size);

#define KEY_TARGETS_MAX 4

struct key_request {
	const struct x2go_setup *setup;
	const char *user, *address; /* who asks the broker, and where from */
	const char *server, *login; /* where the client is sent to, and who it is there */
	const char *pubkey;         /* that the client has sent; "": make one */
	enum keyline_expiry expiry;
	const struct key_target
		*targets[KEY_TARGETS_MAX]; /* the way to the server, and the server */
	size_t count;
};

/* Makes a key, or takes the client's, and puts it everywhere. 0: it is there, and ret_pem holds the
 * private one, to be wiped by the caller, or is "". Else a negative errno with err: -EINVAL the
 * client's key is none; what was put somewhere is removed as soon as somebody sweeps. now:
 * wall_usec(). */
int key_offer(const struct key_request *q, uint64_t now, key_run run, void *arg,
              char ret_pem[KEYLINE_PEM_MAX], char *err, size_t err_size);

/* What is known of a session that has begun: whose client reports it, from where, and what the
 * client says of the session; "" what it does not say. */
struct key_use {
	const char *user, *address;
	const char *server, *login;
};

/* The keys that this client was given for this server have been of use: they are due. Others stay,
 * as the same user may be about to log in to another server. How many, or a negative errno with
 * err. */
int key_done(const char *state, const struct key_use *use, uint64_t now, char *err,
             size_t err_size);

struct key_swept {
	unsigned removed, failed, given_up, kept; /* kept: it is not their time yet */
};

/* Removes the keys that are due, until `deadline` (now_usec()). What fails is tried again later and
 * later, and given up after a week, with a line in the log each time. A server that does not answer
 * is not asked twice. 0, -EALREADY another process is at it, or a negative errno with err. */
int key_sweep(const char *state, uint64_t now, uint64_t deadline, key_run run, void *arg,
              struct key_swept *ret, char *err, size_t err_size);
