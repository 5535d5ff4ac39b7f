/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls_client.h - the client side of TLS, towards a session's server. xproxy-tunnel only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "relay/tls.h"

struct tls_pem { /* the contents of a file; size 0: there is none */
	const char *data;
	size_t size;
};

struct tls_client_options {
	const char *host;           /* the name or address that the certificate must have */
	bool unverified;            /* any certificate will do */
	bool any_name;              /* of any host */
	struct tls_pem ca;          /* whom to believe; none: the system's authorities */
	struct tls_pem crl;         /* of every authority in the chain; none: not looked at */
	struct tls_pem certificate; /* ours, then those that lead to the root */
	struct tls_pem key;
};

/* Before the lock: reads the system's authorities if need be, and takes all memory. 0; negative
 * with err (TLS_ERROR_MAX), which names the session option. */
int tls_client_load(const struct tls_client_options *o, struct tls_context **ret, char *err);

/* On a connected, non-blocking socket. NULL: no memory. */
struct layer *tls_client_new(struct tls_context *c, const struct tls_client_options *o, int fd);

/* As in struct tls_api. After -EPROTO, err (TLS_ERROR_MAX) says at which step and why. */
int tls_client_handshake(struct layer *l, char *err);

/* Nothing of the context is needed any more: gives most of its memory back. */
void tls_client_forget(struct tls_context *c);
