/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls.c - the server side of TLS with OpenSSL: the shared object tls.so. Worker: load() with
 * all privilege before the lock, everything else locked. System calls once locked: those of
 * relay/tls_session.c.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/macros.h"
#include "relay/tls_session.h"

/* One for each certificate. A connection begins with the first. */
struct tls_context {
	SSL_CTX *items[CONFIG_LIST_MAX];
	size_t count;
};

/* There is nobody to ask. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static int load_files(SSL_CTX *ctx, const struct tls_pair *p, char *err)
{
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, p->certificate) != 1)
		return snprintf(err, TLS_ERROR_MAX, "TLSCertificate=%s: %s", p->certificate,
		                tls_session_reason()),
		       -EINVAL;
	if (SSL_CTX_use_PrivateKey_file(ctx, p->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return snprintf(err, TLS_ERROR_MAX, "TLSKey=%s: %s", p->key, tls_session_reason()),
		       -EINVAL;
	return 0;
}

/* The client has named the host that it wants, RFC 6066 3. One that we do not know is no error: the
 * client sees for itself whom the first certificate is for. */
static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
	const struct tls_context *c = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	for (size_t i = 0; name && i < c->count; i++) {
		X509 *x = SSL_CTX_get0_certificate(c->items[i]);

		if (X509_check_host(x, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1)
			return SSL_set_SSL_CTX(ssl, c->items[i]) ? SSL_TLSEXT_ERR_OK
			                                         : SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	ERR_clear_error();
	return SSL_TLSEXT_ERR_NOACK;
}

/* What a client would speak, RFC 7301. It is what it does speak that counts, so a list without any
 * of ours is no error, as with xpra; a browser that is not given HTTP/2 speaks HTTP/1.1. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *list, unsigned len, void *arg)
{
	static const unsigned char ours[] = "\4xpra\10http/1.1";

	(void)ssl, (void)arg;
	return SSL_select_next_proto((unsigned char **)(uintptr_t)ret, ret_len, ours,
	                             sizeof(ours) - 1, list, len) == OPENSSL_NPN_NEGOTIATED
	               ? SSL_TLSEXT_ERR_OK
	               : SSL_TLSEXT_ERR_NOACK;
}

static int load_pair(const struct tls_options *o, const struct tls_pair *p, SSL_CTX **ret,
                     char *err)
{
	SSL_CTX *ctx = *ret = tls_session_context(TLS_server_method());
	int r;

	if (!ctx) {
		snprintf(err, TLS_ERROR_MAX, "cannot initialise OpenSSL: %s", tls_session_reason());
		return -ENOMEM;
	}
	r = load_files(ctx, p, err);
	if (r == 0 && !tls_session_versions(ctx, o->min_version)) {
		snprintf(err, TLS_ERROR_MAX, "cannot set TLS up: %s", tls_session_reason());
		r = -EINVAL;
	}
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	return r;
}

static int load(const struct tls_options *o, struct tls_context **ret, char *err)
{
	static struct tls_context c; /* a process has one */
	int r = 0;

	tls_session_grow_heap();
	for (c.count = 0; c.count < o->count && r == 0; c.count++)
		r = load_pair(o, &o->pairs[c.count], &c.items[c.count], err);
	if (r < 0) {
		while (c.count > 0)
			SSL_CTX_free(c.items[--c.count]);
		return r;
	}
	if (c.count > 1) {
		SSL_CTX_set_tlsext_servername_callback(c.items[0], choose_certificate);
		SSL_CTX_set_tlsext_servername_arg(c.items[0], &c);
	}
	*ret = &c;
	return 0;
}

static struct layer *accept_session(struct tls_context *c, int fd)
{
	struct layer *l = tls_session_new(c->items[0], fd);

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
