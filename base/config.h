/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/config.h - /etc/xproxy/xproxy.conf and conf.d, read afresh by every connection.
 *
 * INI as systemd writes it: [Section], Key=Value, # and ; comments on lines of their own, a
 * trailing backslash joins lines. A list repeats its key; the first value replaces the built-in
 * default. An empty value brings the default back, for lists (most are empty by default) and
 * scalars alike. Anything unknown or unreadable stops with file, line and what was expected.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/netaddr.h"

#define CONFIG_FILE "/etc/xproxy/xproxy.conf"
#define CONFIG_TLS_CERTIFICATE "/etc/xproxy/tls/cert.pem" /* if they are there */
#define CONFIG_TLS_KEY "/etc/xproxy/tls/key.pem"
#define CONFIG_LIST_MAX 16
#define CONFIG_ERROR_MAX 512
#define CONFIG_FILE_MAX ((size_t)1 << 20)  /* bytes of one file */
#define CONFIG_LINE_MAX ((size_t)64 << 10) /* bytes of one line, joined */

struct config_list {
	size_t count;
	char *items[CONFIG_LIST_MAX];
	char *origins[CONFIG_LIST_MAX]; /* "FILE:LINE" of each, for messages; NULL: built in */
};

/* What a peer may speak, as bits of listen_transports; some of them are what it does speak. */
enum config_transport {
	TRANSPORT_TCP = 1 << 0, /* the xpra protocol as it is, on TCP, unix or vsock sockets */
	TRANSPORT_TLS = 1 << 1, /* the same inside TLS; and what else is allowed */
	TRANSPORT_WEBSOCKET = 1 << 2, /* the same inside WebSocket messages */
	TRANSPORT_HTTP = 1 << 3,      /* files, or another web server; never xpra itself */
};

/* Modes of AES, as bits of listen_encryption. */
enum config_encryption {
	ENCRYPTION_CBC = 1 << 0,
	ENCRYPTION_GCM = 1 << 1,
	ENCRYPTION_CFB = 1 << 2,
	ENCRYPTION_CTR = 1 << 3,
	ENCRYPTION_ALL = (1 << 4) - 1,
};

enum config_registry {
	REGISTRY_AUTH,   /* the list the auth module has for the user, else a scan of the user's
	                    sockets */
	REGISTRY_SOCKET, /* always a scan */
	REGISTRY_MODULE, /* what sessions_registry_module has */
};

struct config {
	bool behind_sshd; /* --ssh, no key of a file: the connection is sshd's, its user is logged
	                     in */
	/* [Listen] */
	unsigned listen_transports;      /* Transports= */
	unsigned listen_tls_min_version; /* 12 or 13 */
	unsigned listen_encryption;      /* Encryption=: ENCRYPTION_*; 0: none */
	bool listen_require_tls;
	bool listen_kernel_tls;                  /* KernelTLS=: it encrypts, if it can */
	bool listen_tls_client_optional;         /* TLSVerifyClient=optional */
	bool listen_http_backend_proxy_protocol; /* it is sent a header */
	bool listen_chooser;                     /* Chooser=: our page at / of the HTML5 client */
	bool listen_http_sessions;               /* HTTPSessions=: lists for xpra's own page */
	bool listen_forwarded_for;  /* ForwardedFor=: X-Forwarded-For of listen_trusted_proxies */
	bool listen_proxy_protocol; /* ProxyProtocol=: every connection begins with such a header */
	struct config_list listen_tls_certificates;   /* TLSCertificate=: PEM files, never none */
	struct config_list listen_tls_keys;           /* TLSKey=: theirs, in the same order */
	struct config_list listen_tls_ocsp_responses; /* TLSOCSPResponse=: DER files */
	char *listen_tls_client_ca;  /* TLSClientCA=: PEM; "": clients need no certificate */
	char *listen_tls_client_crl; /* TLSClientCRL= */
	struct netaddr_list listen_trusted_proxies; /* TrustedProxies=: who may send one */
	char *listen_encryption_key_file;           /* "": not set */
	char *listen_http_backend; /* HTTPBackend=: "host:port" or a path; "": none */
	char *listen_html_root;    /* HTMLRoot= */
	struct config_list listen_allowed_origins; /* AllowedOrigins=: "https://host", "*" */
	char *listen_user; /* User=: who the process that reads the network runs as, when root */
	/* [Auth] */
	struct config_list auth_modules; /* Module=, one spec each; checked by auth/chain.c */
	/* [Sessions] */
	enum config_registry sessions_registry;
	char *sessions_registry_module;          /* a spec as in Module=, or "" */
	struct config_list sessions_socket_dirs; /* unexpanded; each starts with '/', '~' or '$' */
	char *sessions_default_user;             /* a name or a number; not looked up yet */
	char *sessions_default_group;
	uint64_t sessions_connect_timeout_usec;
	/* [Relay] */
	uint64_t relay_ping_interval_usec; /* 0: no pings */
	uint64_t relay_ping_timeout_usec;  /* 0: never */
	uint64_t relay_idle_timeout_usec;  /* 0: never */
	/* [Encode] */
	struct config_list encode_encoders; /* Encoders=, by name, in order; none: no transcoding */
	/* [X2Go], as base/x2go.h explains them */
	char *x2go_profiles; /* Profiles=: a path, "auth", or "": no broker */
	char *x2go_user, *x2go_state, *x2go_authid_file;
	char *x2go_agent_command, *x2go_agent_user, *x2go_authorized_keys;
	unsigned x2go_agent, x2go_agent_hostkeys, x2go_authid; /* enums of base/x2go.h */
	bool x2go_require_authid, x2go_verify_address, x2go_ignore_primary_group;
	bool x2go_portscan, x2go_load_check, x2go_autologin, x2go_password_change;
	uint64_t x2go_authid_timeout_usec, x2go_authid_grace_usec;
	uint64_t x2go_agent_timeout_usec, x2go_load_age_usec;
	uint64_t x2go_key_lifetime_usec, x2go_events_usec;
	/* [Limits] */
	uint64_t limits_login_timeout_usec; /* never 0 */
	uint64_t limits_challenge_timeout_usec;
	uint64_t limits_hello_size_bytes;
	uint64_t limits_max_failures; /* MaxFailures=; 0: nobody is refused */
	uint64_t limits_failure_window_usec;
	uint64_t limits_penalty_max_usec;
	struct netaddr_list limits_penalty_exempt; /* PenaltyExempt= */

	uint64_t assigned; /* config.c's own: one bit per key that something has set */
};

/* What Encoders= may name, until NULL. */
extern const char *const config_encoders[];

/* Clients have to show a certificate. */
static inline bool config_wants_certificate(const struct config *c)
{
	return c->listen_tls_client_ca[0] && !c->listen_tls_client_optional;
}

/* Clients have to use TLS, which those need who have to show a certificate. */
static inline bool config_wants_tls(const struct config *c)
{
	return c->listen_require_tls || config_wants_certificate(c);
}

/* The built-in defaults: no file at all is a valid configuration except that Module= must be set.
 * What c held before is not freed. 0 or -ENOMEM. */
int config_defaults(struct config *c);

/* Starts from the defaults, then reads `file` (NULL: CONFIG_FILE, which may be missing) and, in
 * name order, what ends in .conf in the folder file.d. c is all zero or was loaded before: then its
 * old values are freed. 0, or a negative errno with err = "FILE:LINE: what is wrong, what is
 * expected"; err never holds a value of Auth.Module. Either way c can be given to config_free(). */
int config_load(struct config *c, const char *file, char err[CONFIG_ERROR_MAX]);

/* Applies one "Section.Key=VALUE" from the command line, after config_load(), as one more line of a
 * file: lists grow. Same errors, with "command line" instead of the file. */
int config_override(struct config *c, const char *assignment, char err[CONFIG_ERROR_MAX]);

/* Reads a file's text into c; name is for errors. text is len bytes and one more that may be
 * written, and is overwritten. For config_load(), tests and the fuzzer. */
int config_parse_text(struct config *c, const char *name, char *text, size_t len,
                      char err[CONFIG_ERROR_MAX]);

/* Values as a file would have them: "5s", "2min 30s", "1500ms", "0", a bare number is seconds;
 * "16M" (K, M, G are powers of 1024). -EINVAL: not one; -ERANGE: too large for 64 bits. */
int config_parse_usec(const char *text, uint64_t *ret);
int config_parse_bytes(const char *text, uint64_t *ret);

/* Wipes what may hold a password: options of modules. They are empty from then on. */
void config_forget_secrets(const struct config *c);

/* Wipes and frees; c is all zero afterwards. */
void config_free(struct config *c);
