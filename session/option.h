/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/option.h - session options: how a session is connected and spoken to. They come with the
 * user's record, for all sessions, and with a session's URI. Pure. Guard and xproxyctl.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/rpc.h"

/* Warnings go here: an unknown session option, a bad URI in the list, an environment name that is
 * not on the list (LANG LANGUAGE LC_* TZ). text never holds a password. */
typedef void (*record_warn)(const char *text);

/* What stands between this machine and a session's server. */
enum via {
	VIA_NOTHING,
	VIA_SOCKS5, /* RFC 1928, 1929 */
	VIA_HTTP,   /* CONNECT, RFC 9110 9.3.6 */
};

/* A value that is not understood must not become a connection in clear. */
#define SESSION_ENCRYPTION_BAD (~0u)

struct session_options {
	int compression_level; /* -1 unset */
	enum rpc_tristate lz4, rencodeplus;
	char password[256]; /* answers the upstream's challenge; secret */
	bool has_password;

	unsigned encryption; /* xpra's own: one of ENCRYPTION_*, 0 none, SESSION_ENCRYPTION_BAD */
	char encryption_keyfile[256]; /* read with the session user's rights */

	/* ssl, wss. The files are read with the session user's rights. */
	bool ssl_unverified; /* any certificate will do */
	bool ssl_any_name;   /* whatever name it has */
	char ssl_server_hostname[256];
	char ssl_ca_certs[256]; /* "": the system's */
	char ssl_crl[256], ssl_cert[256], ssl_key[256];

	/* every scheme with a host but ssh and vsock */
	enum via via;
	char via_host[256], via_port[16];
	char via_username[256], via_password[256]; /* secret */
};

void session_options_clear(struct session_options *o);

/* One option of xpra's names. What cannot be used is left out with a warning; warn may be NULL. */
void session_option_set(struct session_options *o, const char *name, const char *value,
                        record_warn warn);

/* Those of a URI, "a=b&c=d" with %XX, over the ones there are. */
void session_options_of_uri(struct session_options *o, const char *query, record_warn warn);
