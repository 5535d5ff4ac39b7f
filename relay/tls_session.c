/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls_session.c - a TLS connection as a layer, whichever side of it we are. Worker, in
 * tls.so, and xproxy-tunnel; locked. System calls: read, write, getrandom, getpid.
 */
#include "relay/tls_session.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "base/macros.h"

/* What a connection may ever take from the heap; untouched pages cost nothing. A peer that makes
 * OpenSSL want more ends its own connection. */
#define HEAP_MAX (4 << 20)

struct session {
	struct layer layer; /* first */
	SSL *ssl;
	const char **fault; /* of the leg; may be NULL */
	bool more;          /* the last read ended because its buffer was full */
	bool blocked;       /* the last read wanted to write */
	bool broken;
	char error[128];
};

/* The heap never shrinks, and is as large now as it will ever be: malloc() needs no system call. */
void tls_session_grow_heap(void)
{
	void *p;

	(void)mallopt(M_MMAP_MAX, 0);
	(void)mallopt(M_TRIM_THRESHOLD, INT32_MAX);
	(void)mallopt(M_TOP_PAD, HEAP_MAX);
	p = malloc(HEAP_MAX / 2);
	__asm__ volatile("" : : "r"(p) : "memory"); /* or the pair is optimised away */
	free(p);
}

const char *tls_session_reason(void)
{
	unsigned long e = ERR_peek_error(); /* the first: the others say less and less */
	const char *text =
		ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e)) : ERR_reason_error_string(e);

	return text ? text : "unknown error";
}

SSL_CTX *tls_session_context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	unsigned char byte;

	if (!ctx || RAND_bytes(&byte, 1) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                 SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
	                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* A connection is a process of its own: there is nothing to resume. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	return ctx;
}

bool tls_session_versions(SSL_CTX *ctx, unsigned min_version)
{
	return SSL_CTX_set_min_proto_version(ctx, min_version == 13 ? TLS1_3_VERSION
	                                                            : TLS1_2_VERSION) == 1 &&
	       /* TLS 1.2 with forward secrecy and authenticated encryption only. */
	       SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

/* What a call that moved nothing means: 0, -EAGAIN, or broken. */
static int failed(struct session *s, int ret, bool reading)
{
	int error = errno, e = SSL_get_error(s->ssl, ret);

	s->blocked = reading && e == SSL_ERROR_WANT_WRITE;
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	if (e == SSL_ERROR_ZERO_RETURN)
		return 0;
	s->broken = true;
	snprintf(s->error, sizeof(s->error), "%s", tls_session_reason());
	if (e == SSL_ERROR_SYSCALL)
		return error ? -error : -ECONNRESET;
	return -EPROTO;
}

static ssize_t session_read(struct layer *l, void *buf, size_t len)
{
	struct session *s = (struct session *)l;
	size_t done = 0, n;
	int r = 1;

	if (s->broken)
		return -ECONNRESET;
	/* A record at a time is what OpenSSL gives; a flow wants as much as there is. */
	while (done < len && r > 0) {
		ERR_clear_error();
		r = SSL_read_ex(s->ssl, (char *)buf + done, len - done, &n);
		if (r > 0)
			done += n;
	}
	s->more = done == len;
	s->blocked = false;
	if (s->broken)
		return -EPROTO;
	if (done > 0)
		return (ssize_t)done;
	return failed(s, r, true);
}

static ssize_t session_write(struct layer *l, const void *buf, size_t len)
{
	struct session *s = (struct session *)l;
	size_t done = 0, n;
	int r = 1;

	if (s->broken)
		return -EPIPE;
	while (done < len && r > 0) {
		ERR_clear_error();
		r = SSL_write_ex(s->ssl, (const char *)buf + done, len - done, &n);
		if (r > 0)
			done += n;
	}
	if (done > 0)
		return (ssize_t)done;
	r = failed(s, r, false);
	return r == 0 ? -EPIPE : r;
}

static bool session_unread(const struct layer *l)
{
	return ((const struct session *)l)->more;
}

static bool session_blocked(const struct layer *l)
{
	return ((const struct session *)l)->blocked;
}

static void session_shutdown(struct layer *l)
{
	struct session *s = (struct session *)l;

	if (!s->broken && SSL_is_init_finished(s->ssl))
		(void)SSL_shutdown(s->ssl);
	ERR_clear_error();
}

/* Every message that OpenSSL has read or written. In TLS 1.3 the peer may ask for new keys (RFC
 * 8446 4.6.3), which nobody does before gigabytes; the kernel would go on with the old one, and
 * what it then sends could not be read. */
static void look_at_message(int sent, int version, int type, const void *data, size_t len, SSL *ssl,
                            void *arg)
{
	const uint8_t *p = data;
	struct session *s = arg;

	(void)version;
	if (sent || type != SSL3_RT_HANDSHAKE || len < 5 || p[0] != SSL3_MT_KEY_UPDATE ||
	    p[4] != SSL_KEY_UPDATE_REQUESTED || !BIO_get_ktls_send(SSL_get_wbio(ssl)))
		return;
	s->broken = true;
	if (s->fault)
		*s->fault = "the peer asks for new TLS keys, which the kernel cannot change: "
			    "KernelTLS=no";
}

struct layer *tls_session_new(SSL_CTX *ctx, int fd, const char **fault)
{
	static struct session s; /* a process has one */

	s = (struct session){
		.layer = {session_read, session_write, session_unread, session_blocked,
	                  session_shutdown},
		.ssl = SSL_new(ctx),
		.fault = fault,
	};
	if (s.ssl) {
		SSL_set_msg_callback(s.ssl, look_at_message);
		SSL_set_msg_callback_arg(s.ssl, &s);
	}
	return s.ssl && SSL_set_fd(s.ssl, fd) == 1 ? &s.layer : NULL;
}

SSL *tls_session_ssl(const struct layer *l)
{
	return ((const struct session *)l)->ssl;
}

int tls_session_handshake(struct layer *l)
{
	struct session *s = (struct session *)l;
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(s->ssl);
	if (r == 1) {
		s->more = true; /* it may have read ahead */
		return 1;
	}
	r = failed(s, r, true);
	return r == 0 ? -ECONNRESET : r;
}

const char *tls_session_error(const struct layer *l)
{
	return ((const struct session *)l)->error;
}

void tls_session_describe(const struct layer *l, char buf[TLS_DESCRIPTION_MAX])
{
	const SSL *ssl = ((const struct session *)l)->ssl;

	snprintf(buf, TLS_DESCRIPTION_MAX, "%s %s%s", SSL_get_version(ssl),
	         SSL_get_cipher_name(ssl), BIO_get_ktls_send(SSL_get_wbio(ssl)) ? ", kTLS" : "");
}
