/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls_session.h - a TLS connection as a layer, whichever side of it we are. Private to tls.so
 * and xproxy-tunnel: who includes this links OpenSSL.
 */
#pragma once

#include <openssl/ssl.h>

#include "relay/tls.h"

/* What both sides want of OpenSSL; NULL: it cannot be initialised. */
SSL_CTX *tls_session_context(const SSL_METHOD *method);

/* At least TLS 1.2 (12) or 1.3 (13), and the ciphers that we take. */
bool tls_session_versions(SSL_CTX *ctx, unsigned min_version);

/* All memory that will be needed, before the lock. */
void tls_session_grow_heap(void);

/* The first of OpenSSL's errors: the others say less and less. Static text. */
const char *tls_session_reason(void);

/* On a connected, non-blocking socket; a process has one. The side is still to be said. *fault (it
 * may be NULL) is set to a static text when what the peer does cannot be gone on with. NULL: no
 * memory. */
struct layer *tls_session_new(SSL_CTX *ctx, int fd, const char **fault);
SSL *tls_session_ssl(const struct layer *l);

/* As in struct tls_api. */
int tls_session_handshake(struct layer *l);
const char *tls_session_error(const struct layer *l);
void tls_session_describe(const struct layer *l, char buf[TLS_DESCRIPTION_MAX]);
