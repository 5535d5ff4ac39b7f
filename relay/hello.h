/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/hello.h - what a hello says that a proxy must know, and the hello it sends on. Worker.
 *
 * ("hello", {capabilities}): hop-by-hop keys (encoders, compressors, digests, encryption, mmap,
 * aliases) are replaced by what both ends of the proxy can do, everything else passes as it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rpc.h"
#include "relay/cipher_caps.h"
#include "relay/leg.h"
#include "wire/token.h"

#define HELLO_HOPS_MAX 4 /* proxies in a row; more is a loop */

struct hello {
	char version[32];
	unsigned major; /* of version, 0 unknown */
	char username[RPC_NAME_MAX];
	char client_type[64];
	char display[RPC_NAME_MAX];         /* only if it was a string or a number */
	char session_display[RPC_NAME_MAX]; /* session {display}, newest clients */
	char session_name[RPC_NAME_MAX];    /* session {name}, session-name */
	char session_uuid[RPC_NAME_MAX];
	char request[64];                /* "" for an ordinary client */
	char connect_test[RPC_NAME_MAX]; /* what connect_test_request wants echoed */
	unsigned encoders, compressors;  /* what the peer decodes */
	unsigned digests, salt_digests;  /* DIGEST_BIT()s */
	bool has_digests;
	bool challenge;    /* the key is there: it insists on one */
	bool has_response; /* challenge_response is there */
	bool no_connect;   /* connect: false */
	bool echoes_sid;
	unsigned ssl_upgrade; /* it can go over to TLS when told to; 0: no */
	bool start_new_session;
	unsigned hops; /* proxies it came through */
	struct cipher_caps cipher;
};

/* Finds the capabilities of a decoded main record that must be a hello: r is left just inside the
 * dict. 0; -EPROTO another packet; other negative errno: malformed. */
int hello_open(struct token_reader *r, enum encoder encoder, const uint8_t *payload, size_t len);

/* Reads the facts. ret_response (may be NULL) gets the answer to a challenge, if there is one.
 * 0, or a negative errno for a malformed packet or an absurd value. */
int hello_parse(const uint8_t *payload, size_t len, enum encoder encoder, struct hello *ret,
                struct rpc_response *ret_response);

enum hello_shape {
	SHAPE_AS_IS,
	SHAPE_NEST,    /* a flat peer (<= 4.x) talks to one that wants dictionaries (>= 6.0) */
	SHAPE_FLATTEN, /* the reverse */
};

struct hello_edit {
	enum encoder from, to; /* how it is encoded, how it shall be */
	bool to_server;
	enum hello_shape shape;
	unsigned encoders, compressors; /* to announce */
	const char *proxy_version; /* the receiver compares it with its own: the other peer's */
	const char *proxy_host;    /* our host name */
	unsigned hops;             /* to announce */
	/* to_server only */
	bool own_digests;    /* we answer the server's challenge; else the client's lists pass */
	bool keep_challenge; /* the client answers: its challenge_* keys pass */
	const struct rpc_response *answer; /* our answer, or NULL */
	const char *username;              /* replaces the client's, NULL or "": as it is */
	const char *remote_display;        /* likewise for display */
	int compression_level;             /* -1: as it is */
	/* How we decrypt what the receiver sends, NULL: it does not encrypt; the modes allowed. */
	const struct cipher_params *cipher;
	unsigned cipher_modes;
};

/* Writes the whole record for the edited hello to buf. 0 and *ret_len, or a negative errno. */
int hello_rewrite(const uint8_t *payload, size_t len, const struct hello_edit *e, void *buf,
                  size_t size, size_t *ret_len);
