/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls_ocsp.h - what an authority says of our certificate, for clients that ask (RFC 6066 8).
 * Private to tls.so: who includes this links OpenSSL.
 */
#pragma once

#include <openssl/ssl.h>

/* Reads a response in DER form, before the lock, and gives it to that one of n contexts whose
 * certificate it is about. NULL, or why it is not used: static text. */
const char *tls_ocsp_staple(SSL_CTX *const contexts[], size_t n, const char *path);
