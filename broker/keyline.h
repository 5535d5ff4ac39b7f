/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/keyline.h - lines for authorized_keys: of keys made here, of keys that clients have made.
 *
 * What a line allows is our word: a terminal, which x2goclient's first look at a server needs, and
 * the forwarding of ports, by which X2Go's screens, sounds and folders travel. Nothing else, and
 * not for long: sshd itself reads when it ends.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define KEYLINE_MAX 3072     /* bytes of a line */
#define KEYLINE_PEM_MAX 4096 /* bytes of a private key */

/* How a line says when it ends: `utc`, which OpenSSH knows since 9.1; `late`, for older ones: they
 * take it for their own time, so it is that of the last time zone; `none`, for those before 7.7. */
enum keyline_expiry {
	KEYLINE_UTC,
	KEYLINE_LATE,
	KEYLINE_NONE,
};

/* "utc", "late", "none"; NULL or anything else: KEYLINE_UTC. */
enum keyline_expiry keyline_expiry_of(const char *word);

struct keyline {
	const char *user,
		*address;  /* of the client, for the comment: what is odd in them becomes '_' */
	uint64_t end_usec; /* wall clock */
	enum keyline_expiry expiry;
};

/* Makes an RSA key of 2048 bits: its line, and the key as x2goclient reads it ("BEGIN RSA PRIVATE
 * KEY"), which the caller wipes. 0 or a negative errno. */
int keyline_make(const struct keyline *k, char ret[KEYLINE_MAX], char ret_pem[KEYLINE_PEM_MAX]);

/* The line for a public key that a client has sent as a line of its own, of which only the key is
 * kept. 0; -EINVAL: it is not exactly one key, of a kind and a length that are good enough. */
int keyline_take(const struct keyline *k, const char *pubkey, char ret[KEYLINE_MAX]);
