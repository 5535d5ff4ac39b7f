/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls.c - the server side of TLS with OpenSSL: the shared object tls.so. Worker: load() with
 * all privilege before the lock, everything else locked. System calls once locked: those of
 * relay/tls_session.c.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>

#include "base/macros.h"
#include "relay/tls_session.h"

/* There is nobody to ask. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static int load_files(SSL_CTX *ctx, const struct tls_options *o, char *err)
{
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, o->certificate) != 1)
		return snprintf(err, TLS_ERROR_MAX, "TLSCertificate=%s: %s", o->certificate,
		                tls_session_reason()),
		       -EINVAL;
	if (SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return snprintf(err, TLS_ERROR_MAX, "TLSKey=%s: %s", o->key, tls_session_reason()),
		       -EINVAL;
	return 0;
}

static int load(const struct tls_options *o, struct tls_context **ret, char *err)
{
	SSL_CTX *ctx;
	int r;

	tls_session_grow_heap();
	ctx = tls_session_context(TLS_server_method());
	if (!ctx) {
		snprintf(err, TLS_ERROR_MAX, "cannot initialise OpenSSL: %s", tls_session_reason());
		return -ENOMEM;
	}
	r = load_files(ctx, o, err);
	if (r == 0 && !tls_session_versions(ctx, o->min_version)) {
		snprintf(err, TLS_ERROR_MAX, "cannot set TLS up: %s", tls_session_reason());
		r = -EINVAL;
	}
	if (r < 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret = (struct tls_context *)ctx;
	return 0;
}

static struct layer *accept_session(struct tls_context *c, int fd)
{
	struct layer *l = tls_session_new((SSL_CTX *)c, fd);

	if (l)
		SSL_set_accept_state(tls_session_ssl(l));
	return l;
}

extern const struct tls_api tls_api;
__attribute__((visibility("default"))) const struct tls_api tls_api = {
	.abi = TLS_ABI,
	.load = load,
	.accept = accept_session,
	.handshake = tls_session_handshake,
	.error = tls_session_error,
	.describe = tls_session_describe,
};
