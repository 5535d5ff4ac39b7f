/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls_client.c - the client side of TLS, towards a session's server. xproxy-tunnel:
 * tls_client_load() before the lock, as a user who owns nothing; the rest locked. System calls once
 * locked: those of relay/tls_session.c, madvise.
 */
#include "relay/tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "base/macros.h"
#include "relay/tls_session.h"

static int fail(char *err, const char *what)
{
	snprintf(err, TLS_ERROR_MAX, "%s: %s", what, tls_session_reason());
	return -EINVAL;
}

static BIO *open_pem(const struct tls_pem *p)
{
	ERR_clear_error();
	return BIO_new_mem_buf(p->data, (int)p->size);
}

/* Certificates and revocation lists, however many. */
static int add_trust(X509_STORE *store, const struct tls_pem *p, bool crls, const char *option,
                     char *err)
{
	BIO *bio = open_pem(p);
	STACK_OF(X509_INFO) *infos = bio ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
	int count = 0;

	for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
		const X509_INFO *info = sk_X509_INFO_value(infos, i);

		if (crls ? info->crl && X509_STORE_add_crl(store, info->crl)
		         : info->x509 && X509_STORE_add_cert(store, info->x509))
			count++;
	}
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	BIO_free(bio);
	if (count > 0)
		return 0;
	snprintf(err, TLS_ERROR_MAX, "%s: there is no %s in it", option,
	         crls ? "revocation list" : "certificate");
	return -EINVAL;
}

/* OpenSSL's own folder is read when a certificate is looked for, which is too late. */
static int add_system_trust(SSL_CTX *ctx, char *err)
{
	const char *const files[] = {
		X509_get_default_cert_file(),
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (SSL_CTX_load_verify_file(ctx, files[i]) == 1)
			return 0;
	snprintf(err, TLS_ERROR_MAX,
	         "this machine has no list of certificate authorities (package ca-certificates), "
	         "and there is no ssl-ca-certs");
	return -ENOENT;
}

static int add_certificate(SSL_CTX *ctx, const struct tls_client_options *o, char *err)
{
	BIO *bio = open_pem(&o->certificate);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key;
	int r = x && SSL_CTX_use_certificate(ctx, x) == 1 ? 0 : fail(err, "ssl-cert");

	X509_free(x);
	while (r == 0 && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
			X509_free(x);
			r = fail(err, "ssl-cert");
		}
	BIO_free(bio);
	if (r < 0)
		return r;
	bio = open_pem(&o->key);
	/* With a passphrase there is nobody to ask: the empty one. */
	key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "") : NULL;
	if (!key || SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		r = fail(err, "ssl-key");
	EVP_PKEY_free(key);
	BIO_free(bio);
	return r;
}

static int set_trust(SSL_CTX *ctx, const struct tls_client_options *o, char *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	int r;

	if (o->unverified)
		return 0;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	r = o->ca.size ? add_trust(store, &o->ca, false, "ssl-ca-certs", err)
	               : add_system_trust(ctx, err);
	if (r == 0 && o->crl.size) {
		r = add_trust(store, &o->crl, true, "ssl-crl", err);
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	return r;
}

int tls_client_load(const struct tls_client_options *o, struct tls_context **ret, char *err)
{
	SSL_CTX *ctx = tls_session_context(TLS_client_method());
	int r = ctx && tls_session_versions(ctx, 12) ? 0 : fail(err, "cannot initialise OpenSSL");

	if (r == 0)
		r = set_trust(ctx, o, err);
	if (r == 0 && o->certificate.size)
		r = add_certificate(ctx, o, err);
	if (r < 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	tzset(); /* once, as glibc opens a file for the first conversion of a certificate's date */
	tls_session_grow_heap();
	*ret = (struct tls_context *)ctx;
	return 0;
}

struct layer *tls_client_new(struct tls_context *c, const struct tls_client_options *o, int fd)
{
	struct layer *l = tls_session_new((SSL_CTX *)c, fd, NULL);
	SSL *ssl = l ? tls_session_ssl(l) : NULL;
	uint8_t address[16];
	bool numeric = inet_pton(AF_INET, o->host, address) == 1 ||
	               inet_pton(AF_INET6, o->host, address) == 1;

	if (!ssl)
		return NULL;
	SSL_set_connect_state(ssl);
	/* RFC 6066 3: no addresses. */
	if (!numeric && SSL_set_tlsext_host_name(ssl, o->host) != 1)
		return NULL;
	if (!o->unverified && !o->any_name) {
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		if ((numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), o->host)
		             : SSL_set1_host(ssl, o->host)) != 1)
			return NULL;
	}
	return l;
}

/* What a person can do something about, in our own words. */
static const char *explain(long error)
{
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "it has expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "it is not valid yet";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "it is for another name (ssl-server-hostname says which to expect)";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return "it is self-signed (ssl-ca-certs says whom to believe)";
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "no known authority has signed it (ssl-ca-certs says whom to believe)";
	case X509_V_ERR_CERT_REVOKED:
		return "it has been revoked";
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		return "ssl-crl has no list of its authority";
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return "the list in ssl-crl has expired";
	default:
		return X509_verify_cert_error_string(error);
	}
}

int tls_client_handshake(struct layer *l, char *err)
{
	int r = tls_session_handshake(l);
	const SSL *ssl = tls_session_ssl(l);
	long verified = SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE ? X509_V_OK
	                                                            : SSL_get_verify_result(ssl);

	if (r == 1 || r == -EAGAIN)
		return r;
	if (r != -EPROTO)
		snprintf(err, TLS_ERROR_MAX, "TLS handshake: the server closed the connection");
	else if (verified != X509_V_OK)
		snprintf(err, TLS_ERROR_MAX, "certificate: %s", explain(verified));
	else
		snprintf(err, TLS_ERROR_MAX, "TLS handshake: %s", tls_session_error(l));
	return -EPROTO;
}

void tls_client_forget(struct tls_context *c)
{
	SSL_CTX_set_cert_store((SSL_CTX *)c, X509_STORE_new());
	/* The top of the heap stays: shrinking it takes brk(). */
	(void)malloc_trim(SIZE_MAX / 4);
}
