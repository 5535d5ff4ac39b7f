/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls_names.h - the names in a certificate as text. Private to tls.so: who includes this
 * links OpenSSL.
 */
#pragma once

#include <openssl/x509.h>

#include "relay/tls.h"

/* As tls_api.name, of any certificate. */
int tls_names_get(const X509 *x, enum tls_name kind, unsigned index, char *ret, size_t size);

/* Whether all of them can be shown as text: tls_names_get() has no -EBADMSG for any. */
bool tls_names_clean(const X509 *x);
