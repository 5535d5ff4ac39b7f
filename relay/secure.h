/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/secure.h - whether this socket speaks TLS, and the handshake. Worker.
 */
#pragma once

#include "relay/tls.h"
#include "relay/worker.h"

/* What [Listen] says of TLS, loaded: *ret_api and *ret_context are NULL if this socket has none.
 * Reads files that only root may read: before the lock. -EINVAL with err (TLS_ERROR_MAX), or 0;
 * then, if there is a context, err is "" or what to warn of, and *ret_kernel is
 * whether the filter has to be the one with which OpenSSL can give the kernel its keys. */
int secure_load(const struct config *config, const struct tls_api **ret_api,
                struct tls_context **ret_context, bool *ret_kernel, char *err);

/* The same for --check-config, with a line on stderr. */
int secure_check(const struct config *config);

/* The client's first byte, which stays in the socket, says TLS and this socket has it. */
bool secure_wanted(const struct worker *w);

/* The handshake, within the deadline; then the client's leg has the layer. 0, or negative: over. */
int secure_client(struct worker *w, uint64_t deadline_usec);

/* After the handshake: the names of the client's certificate, which TLSClientCA= has verified; what
 * they are allowed to do is the caller's business. As tls_api.name: 0 with a text in *ret, else ""
 * and -ENODATA (no TLS, or it has shown no certificate, which TLSVerifyClient=optional allows),
 * -ENOENT (index is past the last such name), -EMSGSIZE (it is longer than size - 1 bytes). */
int secure_certificate(const struct worker *w, enum tls_name kind, unsigned index, char *ret,
                       size_t size);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384", or "". */
void secure_describe(const struct worker *w, char buf[TLS_DESCRIPTION_MAX]);

/* Whether what it speaks may go on: in TLS that ends here or, if no certificate is wanted, at a
 * trusted front end, or without. */
bool secure_enough(const struct worker *w);

/* Why this client must not go on in clear; NULL: it may. */
const char *secure_missing(const struct worker *w);
