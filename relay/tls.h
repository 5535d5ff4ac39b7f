/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls.h - TLS as a layer of a leg: what tls.so offers.
 *
 * OpenSSL is a shared object's dependency, not the program's: only a connection whose configuration
 * has a certificate pays for loading it. RFC 8446, RFC 5246; xpra's ssl:// is nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "relay/leg.h"

#define TLS_ABI 6
#define TLS_ERROR_MAX 512
#define TLS_DESCRIPTION_MAX 64

struct tls_pair {
	const char *certificate; /* PEM: the server's, then those that lead to the root */
	const char *key;         /* PEM, not encrypted; may be the same file */
};

struct tls_options {
	/* At least one. A client gets the first that is for the host that it names, else the first.
	 */
	struct tls_pair pairs[CONFIG_LIST_MAX];
	size_t count;
	const char *const *ocsp; /* DER, one for some of the certificates, in any order */
	size_t ocsp_count;
	unsigned min_version;   /* 12 or 13 */
	const char *client_ca;  /* PEM: who signs clients' certificates; "": they are not asked */
	const char *client_crl; /* PEM: what of it has been revoked; "": nothing */
	bool client_required;   /* one without is refused */
	bool in_kernel;         /* it can take the keys, and the filter lets it have them */
};

/* The names in a certificate: the whole subject as RFC 2253 has it ("CN=alice,O=Example"), its
 * common names, and of the subject's alternative names those that may say who somebody is. */
enum tls_name {
	TLS_NAME_SUBJECT,
	TLS_NAME_COMMON,
	TLS_NAME_EMAIL,
	TLS_NAME_DNS,
	TLS_NAME_URI,
	TLS_NAME_UPN, /* Microsoft's user principal name, "alice@example.org" */
	TLS_NAME_MAX_,
};
#define TLS_PEM_SIZE 16384
#define TLS_NAME_SIZE 512 /* bytes that do for all reasonable ones */

struct tls_context;

struct tls_api {
	unsigned abi;
	/* Reads the files, and allocates and initialises all that a handshake needs. After the lock
	 * there is getrandom() and getpid(), and no way to get more memory: the heap is grown here
	 * for good. 0, with err (TLS_ERROR_MAX) "" or what to warn of; negative errno with err:
	 * what is wrong with which file. */
	int (*load)(const struct tls_options *o, struct tls_context **ret, char *err);
	/* The first certificate in PEM form: its length, or -EMSGSIZE. */
	int (*certificate)(const struct tls_context *c, char *ret, size_t size);
	/* The server side on a connected, non-blocking socket, which may set *fault: struct leg has
	 * it. NULL: no memory. */
	struct layer *(*accept)(struct tls_context *c, int fd, const char **fault);
	/* One step. 1: done; -EAGAIN: wait for the socket, see layer.blocked; -EPROTO: failed, an
	 * alert has been sent, tls_api.error says why; another negative errno: the socket broke. */
	int (*handshake)(struct layer *l);
	const char *(*error)(const struct layer *l);
	/* After the handshake: the index-th such name, from 0, of the client's verified
	 * certificate, in UTF-8; never with a zero byte or a control character in it, as a
	 * certificate with such names is refused. 0; -ENODATA: it has shown none; -ENOENT: no more
	 * such names; -EMSGSIZE. On errors *ret is "". */
	int (*name)(const struct layer *l, enum tls_name kind, unsigned index, char *ret,
	            size_t size);
	/* "TLSv1.3 TLS_AES_256_GCM_SHA384", with ", kTLS" if the kernel encrypts */
	void (*describe)(const struct layer *l, char buf[TLS_DESCRIPTION_MAX]);
};
