/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/rpc.h - everything the worker and the guard ever say to each other.
 *
 * One fixed-size struct per message on a SEQPACKET pair, with at most one fd beside it. There is no
 * length to trust: strings are arrays that must hold a NUL, byte strings carry a length that is
 * checked against the array. Whatever breaks that ends the connection; nothing is repaired.
 *
 *   worker asks              guard answers
 *   PEER     a front end's   -         (first, or before the login; only behind a front end)
 *   WEB      a file, or the  OPENED    + fd | REFUSED   (before the login, or instead of it)
 *            web server
 *   LOGIN    who, digests    STEP      challenge | fact | accepted | denied
 *   RESPONSE to a challenge  STEP
 *   FACT     asked for       STEP
 *   LIST     the n-th of     LISTED    | REFUSED         (instead of SESSION: one after the other)
 *            the sessions
 *   SESSION  which display   UPSTREAM  + fd | REFUSED
 *   REDIAL   same, afresh    UPSTREAM  + fd | REFUSED
 *   ANSWER   to the server   ANSWERED  | REFUSED
 *   ENCODER  to be started   ENCODER   + its socket, or none (before the server is greeted)
 *   BROKER   X2Go's: what    OPENED    + fd of the answer | BROKER log in first, and ask again |
 *            is asked for              REFUSED          (before the login, or instead of SESSION)
 *   RELAY    hellos are done -        (the guard becomes the user)
 *   LOG, END                 -
 *   -                        STOP      any time after the split
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/x2go.h"

#define RPC_NAME_MAX 256
#define RPC_TEXT_MAX 512
#define RPC_SALT_MAX 1024
#define RPC_RESPONSE_MAX 8192 /* tokens of OAuth and Kerberos are passwords too */
#define RPC_KEY_MAX 1024
#define RPC_FACT_MAX 8192

enum rpc_type {
	RPC_PEER = 1,
	RPC_LOGIN,
	RPC_RESPONSE,
	RPC_SESSION,
	RPC_REDIAL,
	RPC_ANSWER,
	RPC_RELAY,
	RPC_LOG,
	RPC_END,
	RPC_STEP,
	RPC_UPSTREAM,
	RPC_REFUSED,
	RPC_ANSWERED,
	RPC_STOP,
	RPC_WEB,
	RPC_OPENED,
	RPC_LIST,
	RPC_LISTED,
	RPC_FACT,
	RPC_ENCODER,
	RPC_BROKER,
	RPC_TYPE_MAX_,
};

struct rpc_bytes {
	uint32_t len;
	uint8_t data[RPC_RESPONSE_MAX];
};

/* The key of a session's encryption; empty: none. Secret. */
struct rpc_key {
	uint32_t len;
	uint8_t data[RPC_KEY_MAX];
};

/* Whom the front end speaks for; with LOCAL and UNKNOWN the rest is 0. */
struct rpc_peer {
	uint32_t client; /* enum proxyproto_client */
	uint32_t port;
	uint8_t address[16];
};

/* The client's first hello, as far as the guard needs it. */
struct rpc_login {
	char username[RPC_NAME_MAX];
	char client[RPC_NAME_MAX]; /* "Python/GTK3 3.1.3", for the log and `info` */
	uint32_t digests;          /* set of DIGEST_BIT()s the client offers */
	uint32_t salt_digests;
	uint32_t secure;          /* the transport is protected: clear passwords may pass */
	uint32_t wants_challenge; /* the client insists on one, needed or not */
	uint32_t forwarded;       /* what HTTP says of it was said by a trusted front end */
};

struct rpc_response {
	struct rpc_bytes response;
	struct rpc_bytes client_salt;
};

/* What the client has to say for itself, if the guard has asked. */
struct rpc_fact {
	uint32_t present;
	char text[RPC_FACT_MAX];
};

enum rpc_step_kind {
	STEP_CHALLENGE, /* send it, come back with RESPONSE */
	STEP_FACT,      /* come back with FACT */
	STEP_ACCEPTED,
	STEP_DENIED,
};

struct rpc_step {
	uint32_t kind;
	struct rpc_bytes salt; /* CHALLENGE */
	uint32_t digest;       /* enum digest */
	uint32_t salt_digest;
	char own_digest[RPC_NAME_MAX]; /* the name to send, if it is not digest's own; or "" */
	char prompt[RPC_NAME_MAX];
	char fact[RPC_NAME_MAX];   /* FACT: its name, as relay/fact.h has it */
	char reason[RPC_NAME_MAX]; /* DENIED: what the client is told, first and second item of the
	                            */
	char text[RPC_TEXT_MAX];   /* disconnect packet; text may be "" */
	uint32_t exit_code;
};

struct rpc_session {
	char display[RPC_NAME_MAX]; /* the client's wishes, "" for none; the first that is not empty
	                               counts */
	char name[RPC_NAME_MAX];
	uint32_t connect; /* false: only say which session it would be (no fd) */
};

enum rpc_tristate {
	TRISTATE_UNSET,
	TRISTATE_YES,
	TRISTATE_NO,
};

struct rpc_upstream {
	char display[RPC_TEXT_MAX];  /* as the client may see it */
	char uri[RPC_TEXT_MAX];      /* for logs, without password */
	char username[RPC_NAME_MAX]; /* replaces the client's in the upstream hello, unless "" */
	char remote_display[RPC_NAME_MAX]; /* the URI's /display, for a proxy behind us, or "" */
	char socket_path[RPC_TEXT_MAX];    /* local sessions */
	char mode[RPC_NAME_MAX];           /* "socket", "tcp", "ssl", "ws", "wss", "ssh", "vsock" */
	uint32_t has_password; /* answer a challenge with ANSWER, else pass it to the client */
	uint32_t encoder;      /* what this target spoke last time: enum encoder, ~0 unknown */
	/* SESSION_OPTIONS */
	int32_t compression_level; /* -1 unset */
	uint32_t lz4, rencodeplus; /* enum rpc_tristate */
	uint32_t encryption;       /* one of ENCRYPTION_*; 0: none */
	struct rpc_key encryption_key;
};

struct rpc_refused {
	char reason[RPC_NAME_MAX];
	char text[RPC_TEXT_MAX];
	uint32_t exit_code;
};

struct rpc_answer {
	struct rpc_bytes server_salt;
	uint32_t digest;
	uint32_t salt_digest;
};

struct rpc_relay {
	char server[RPC_NAME_MAX];   /* "3.1.3", the upstream's version */
	uint32_t encoder;            /* what it speaks: remembered for the next connection */
	uint32_t transport;          /* enum config_transport: what the client came by */
	char protocol[RPC_NAME_MAX]; /* "rencode", "TLSv1.3, rencode": how it speaks, for people */
};

struct rpc_log {
	int32_t priority;
	char text[RPC_TEXT_MAX];
};

struct rpc_end {
	char how[RPC_NAME_MAX]; /* "client-close", "upstream-close", "timeout", "protocol", ... */
	char reason[RPC_TEXT_MAX]; /* the words that went over the wire, or the error */
	uint32_t exit_code;
};

struct rpc_stop {
	char reason[RPC_NAME_MAX]; /* "server shutdown" */
	char text[RPC_TEXT_MAX];   /* "socket request", "SIGTERM" */
};

enum rpc_web_kind {
	WEB_FILE,    /* below HTMLRoot=, for reading */
	WEB_PAGE,    /* one of the program's own, for whom HTMLRoot= has the HTML5 client */
	WEB_BACKEND, /* a connection to HTTPBackend=, which ends all other requests */
};

/* What a file is compressed with: bits of what the client takes; one of them, or 0, in an answer.
 */
enum rpc_web_encoding {
	WEB_GZIP = 1 << 0,
	WEB_BROTLI = 1 << 1,
};

struct rpc_web {
	uint32_t kind;           /* enum rpc_web_kind */
	uint32_t encodings;      /* WEB_FILE, WEB_PAGE */
	char path[RPC_TEXT_MAX]; /* the same: decoded, begins with '/' */
};

/* Dates are as HTTP writes them. */
struct rpc_opened {
	uint64_t size; /* bytes; this and the rest for files only */
	uint32_t encoding;
	char etag[64]; /* without its quotes */
	char modified[32];
	char date[32]; /* now */
};

struct rpc_list {
	uint32_t index; /* from 0: the next one each time */
};

/* One of the user's sessions, or none if there are none. */
struct rpc_listed {
	uint32_t count;             /* of all */
	char display[RPC_TEXT_MAX]; /* what a client asks for: never with a password */
	char name[RPC_NAME_MAX];    /* as the record has it, or "" */
	char host[RPC_NAME_MAX];
	uint64_t since_sec; /* when its socket was made, of the wall clock; 0: not known */
};

/* X2Go: once as the client has it; then, if there had to be a login, again with `go`. */
struct rpc_broker {
	uint32_t go;
	struct x2go_request request;     /* the first time */
	char password[RPC_NAME_MAX];     /* go, SETPASS: the old one. Secret */
	char new_password[RPC_NAME_MAX]; /* and the new one. Secret */
};

struct rpc {
	uint32_t type; /* enum rpc_type */
	union {
		struct rpc_peer peer;
		struct rpc_login login;
		struct rpc_response response; /* also the payload of ANSWERED */
		struct rpc_session session;
		struct rpc_answer answer;
		struct rpc_relay relay;
		struct rpc_log log;
		struct rpc_end end;
		struct rpc_step step;
		struct rpc_fact fact;
		struct rpc_upstream upstream;
		struct rpc_refused refused;
		struct rpc_stop stop;
		struct rpc_web web;
		struct rpc_opened opened;
		struct rpc_list list;
		struct rpc_listed listed;
		struct rpc_broker broker;
	};
};

/* The connected pair, CLOEXEC. 0 or a negative errno. */
int rpc_pair(int ret_fds[2]);

/* Sends one message, with send_fd beside it unless it is -1. 0; -EPIPE the other side is gone. */
int rpc_send(int fd, const struct rpc *m, int send_fd);

/* Receives one message; blocks. 0; -EPIPE the other side is gone; -EBADMSG it is malformed: wrong
 * size, unknown type, a string without NUL, a length over its array, more fds than one. *ret_fd
 * (may be NULL: an fd is then malformed) is the fd that came along, or -1; the caller owns it. */
int rpc_receive(int fd, struct rpc *ret, int *ret_fd);

/* Wipes a message that held a response or a password. */
void rpc_wipe(struct rpc *m);
