/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls.c - the server side of TLS with OpenSSL: the shared object tls.so. Worker: load() with
 * all privilege before the lock, everything else locked. System calls once locked: those of
 * relay/tls_session.c.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "base/macros.h"
#include "relay/tls_names.h"
#include "relay/tls_ocsp.h"
#include "relay/tls_session.h"

#define CHAIN_MAX 8 /* certificates between a client's and one that is believed */

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

/* Why the client's certificate is refused, and its subject: OpenSSL has forgotten that by the time
 * the handshake has failed. A process has one. */
static char refused[TLS_ERROR_MAX];

static int verify(int good, X509_STORE_CTX *store)
{
	const X509 *x = X509_STORE_CTX_get_current_cert(store);
	char subject[256] = "";

	if (good && X509_STORE_CTX_get_error_depth(store) == 0 && x && !tls_names_clean(x)) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
		snprintf(refused, sizeof(refused),
		         "client certificate: its names are malformed or have control characters");
		return 0;
	}
	if (good)
		return 1;
	if (x)
		(void)tls_names_get(x, TLS_NAME_SUBJECT, 0, subject, sizeof(subject));
	snprintf(refused, sizeof(refused), "client certificate: %s: %s",
	         X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)),
	         subject[0] ? subject : "a subject that is no text or too long");
	return 0;
}

/* Whose certificates are believed. */
static int load_authorities(SSL_CTX *ctx, const struct tls_options *o, char *err)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(o->client_ca);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	X509_LOOKUP *files = X509_STORE_add_lookup(store, X509_LOOKUP_file());

	SSL_CTX_set_client_CA_list(ctx, names); /* browsers offer those that fit */
	if (!names || SSL_CTX_load_verify_file(ctx, o->client_ca) != 1)
		return snprintf(err, TLS_ERROR_MAX, "TLSClientCA=%s: %s", o->client_ca,
		                tls_session_reason()),
		       -EINVAL;
	if (o->client_crl[0]) {
		if (!files || X509_load_crl_file(files, o->client_crl, X509_FILETYPE_PEM) < 1)
			return snprintf(err, TLS_ERROR_MAX, "TLSClientCRL=%s: %s", o->client_crl,
			                tls_session_reason()),
			       -EINVAL;
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
	SSL_CTX_set_verify_depth(ctx, CHAIN_MAX);
	SSL_CTX_set_verify(
		ctx, SSL_VERIFY_PEER | (o->client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
		verify);
	tzset(); /* once, as glibc opens a file for the first conversion of a date */
	return 0;
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
	if (o->in_kernel)
		SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
	r = load_files(ctx, p, err);
	if (r == 0 && !tls_session_versions(ctx, o->min_version)) {
		snprintf(err, TLS_ERROR_MAX, "cannot set TLS up: %s", tls_session_reason());
		r = -EINVAL;
	}
	if (r == 0 && o->client_ca[0])
		r = load_authorities(ctx, o, err);
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
	err[0] = '\0';
	for (size_t i = 0; i < o->ocsp_count; i++) {
		const char *why = tls_ocsp_staple(c.items, c.count, o->ocsp[i]);

		if (why && !err[0])
			snprintf(err, TLS_ERROR_MAX, "TLSOCSPResponse=%s is not used: %s",
			         o->ocsp[i], why);
	}
	if (c.count > 1) {
		SSL_CTX_set_tlsext_servername_callback(c.items[0], choose_certificate);
		SSL_CTX_set_tlsext_servername_arg(c.items[0], &c);
	}
	*ret = &c;
	return 0;
}

static int own_certificate(const struct tls_context *c, char *ret, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	size_t len = 0;

	if (bio && PEM_write_bio_X509(bio, SSL_CTX_get0_certificate(c->items[0])) == 1)
		len = BIO_ctrl_pending(bio);
	if (len == 0 || len > size || BIO_read(bio, ret, (int)len) != (int)len)
		len = 0;
	BIO_free(bio);
	ERR_clear_error();
	return len > 0 ? (int)len : -EMSGSIZE;
}

static struct layer *accept_session(struct tls_context *c, int fd, const char **fault)
{
	struct layer *l = tls_session_new(c->items[0], fd, fault);

	if (l)
		SSL_set_accept_state(tls_session_ssl(l));
	return l;
}

static const char *server_error(const struct layer *l)
{
	return refused[0] ? refused : tls_session_error(l);
}

static int client_name(const struct layer *l, enum tls_name kind, unsigned index, char *ret,
                       size_t size)
{
	const SSL *ssl = tls_session_ssl(l);
	const X509 *x = SSL_get0_peer_certificate(ssl);

	ret[0] = '\0';
	if (!x || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE ||
	    SSL_get_verify_result(ssl) != X509_V_OK)
		return -ENODATA;
	return tls_names_get(x, kind, index, ret, size);
}

extern const struct tls_api tls_api;
__attribute__((visibility("default"))) const struct tls_api tls_api = {
	.abi = TLS_ABI,
	.load = load,
	.certificate = own_certificate,
	.accept = accept_session,
	.handshake = tls_session_handshake,
	.error = server_error,
	.name = client_name,
	.describe = tls_session_describe,
};
