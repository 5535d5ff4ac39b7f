/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/worker.h - the process that reads the network: what it holds, from the first byte to the
 * last.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "base/peer.h"
#include "base/rpc.h"
#include "base/stats.h"
#include "relay/flow.h"
#include "relay/hello.h"
#include "relay/leg.h"
#include "wire/compress.h"

#define SCRATCH_SIZE FLOW_RECORD_MAX
#define HELLO_DECODED_MAX \
	(8u << 20) /* a first hello after decompression; real ones are < 128 KiB */

/* Exit codes, as interface.md promises them. */
enum {
	EXIT_OK = 0,
	EXIT_INTERNAL = 1,
	EXIT_CONFIG = 2,
	EXIT_LOGIN_TIMEOUT = 3,
	EXIT_REFUSED = 4,
	EXIT_AUTH = 5,
	EXIT_NO_SESSION = 6,
	EXIT_UPSTREAM = 7,
	EXIT_PROTOCOL = 8,
};

struct encryption;
struct transcode;

struct worker {
	const struct config *config;
	struct stats *stats;
	int guard_fd, epoll_fd;
	bool stderr_ok; /* fd 2 is not the connection itself */
	bool local;     /* the client is on a unix socket: nobody else can listen */
	bool near;      /* the client is on this machine, as far as is known */
	bool trusted;   /* it is in TrustedProxies= */
	bool front_tls; /* the client uses TLS, which ends at such a front end: so says its header
	                 */
	char host[65];
	char sid[33]; /* source id of our own pings */

	const struct tls_api *tls_api; /* NULL: not on this socket */
	struct tls_context *tls_context;
	struct layer *tls;                    /* the client uses it */
	bool http;                            /* it speaks HTTP: no packets of ours */
	bool forwarded;                       /* a trusted web server sent its HTTP fields */
	bool private;                         /* such a front end has it over TLS, and says so */
	bool websocket;                       /* it did, and speaks xpra now */
	struct encryption *encryption;        /* of the client's leg; NULL: not on this socket */
	struct encryption *server_encryption; /* of the other; used if the session says so */
	struct transcode *transcode;          /* NULL: not on this socket */

	struct leg client, server;
	struct flow up, down; /* client to server, server to client */
	uint64_t active_usec; /* when the client last sent anything but pings */
	struct decompressor *decompressor;
	uint8_t *scratch; /* one decompressed record, SCRATCH_SIZE; with yaml two halves */

	struct hello client_hello, server_hello;
	size_t hello_bytes; /* the client's last hello, still at the front of `up` */
	struct rpc_upstream upstream;
	bool banner; /* text may precede what its server says */
	enum hello_shape shape_up, shape_down;

	bool ended; /* end is final: the first reason stays */
	struct rpc_end end;
};

/* A main record, decompressed. payload points into the flow or into scratch. */
struct packet {
	struct header header;
	enum encoder encoder; /* of payload: what was yaml is rencodeplus now */
	const uint8_t *payload;
	size_t len;
	size_t record_bytes; /* header and payload as they are in the flow */
};

/* Becomes the worker for a connected client: drops to uid and gid, locks, talks, relays, and does
 * not return. frames_fd: memory shared with an encoder, -1: none. */
_Noreturn void worker_run(const struct config *config, const struct peer *peer, uid_t uid,
                          gid_t gid, int client_fd, int guard_fd, int frames_fd,
                          struct stats *stats);

/* What comes before everything else with ProxyProtocol=yes: a front end's header, of which the
 * guard is told. 0: the client's first byte is next. Negative: over, w->end says why. */
int front_read(struct worker *w, uint64_t deadline_usec);

/* Everything up to and including the server's hello to the client. 0: relay now. Negative: over,
 * w->end says why. */
int login_run(struct worker *w);

/* The first half of it: a client that may have a session. 0 or negative as above. */
int login_client(struct worker *w);
/* The second: the session's server, found, connected and greeted. */
int login_server(struct worker *w);

/* The client's next hello, within the deadline, into w->client_hello; it stays in the flow. */
int login_read_hello(struct worker *w, uint64_t deadline_usec);
/* Takes the client's hello out of `up`, with the answer to a challenge that it may hold. */
void login_drop_hello(struct worker *w);
/* What a server's hello becomes for the client: fills shape, encoders, compressors, hops. */
void login_hello_edit(const struct worker *w, struct hello_edit *e);

/* Relays until the end; w->end says why. */
void pump_run(struct worker *w);

/* The whole main record at the front of f, decoded. 1: *ret is set; 0: not all here yet (room has
 * been made for it); negative: malformed (-EBADMSG), too large (-EMSGSIZE), not to be decompressed
 * (-EOPNOTSUPP). limit and decoded_max are bytes. Chunks (index > 0) are -EPROTO. *ret_why: static
 * text on errors. */
int worker_packet(struct worker *w, struct flow *f, size_t limit, size_t decoded_max,
                  struct packet *ret, const char **ret_why);
/* The same, so many bytes after the front. */
int worker_packet_at(struct worker *w, struct flow *f, size_t at, size_t limit, size_t decoded_max,
                     struct packet *ret, const char **ret_why);

/* What the peer that has sent this hello reads. Who writes yaml has nothing better. */
unsigned worker_encoders(const struct packet *p, const struct hello *h);

/* Waits for that packet from f->from until the deadline, while the other leg and the guard are
 * watched. 1, 0 (timeout), -EPIPE (f->from closed), -ECONNRESET, or the errors above. A word from
 * the guard ends the worker's work: -ECANCELED, w->end is set. */
int worker_wait_packet(struct worker *w, struct flow *f, size_t limit, size_t decoded_max,
                       uint64_t deadline_usec, struct packet *ret, const char **ret_why);

/* Waits until f->from can be read. 1, 0 (timeout), or -ECANCELED: over, w->end is set. */
int worker_wait_bytes(struct worker *w, struct flow *f, uint64_t deadline_usec);

/* The first two items of a disconnect packet, "" where there is none; further ones are appended to
 * the second. False: it is another packet.
 */
bool worker_disconnect_words(const struct packet *p, char words[2][RPC_NAME_MAX]);

/* Asks the guard and waits for its answer, watching the client. 0: *m is now the answer. Negative:
 * over. */
int worker_ask(struct worker *w, struct rpc *m, int *ret_fd, uint64_t deadline_usec);

/* Why it is over, unless that is known already; and tell the client: a disconnect packet, or plain
 * text while its encoder is unknown, nothing while it speaks HTTP. text may be "". Always returns
 * -ECANCELED. */
int worker_fail(struct worker *w, int exit_code, const char *how, const char *reason,
                const char *text);

/* Gives the peers half a second to read our last words and close, and before that as long to the
 * client of a WebSocket to close that. */
void worker_goodbye(struct worker *w);

/* As worker_fail, without a word to the client. detail is for the log. */
int worker_end(struct worker *w, int exit_code, const char *how, const char *detail);

/* Gives back the memory that nothing is using: after the login, and whenever it is quiet. */
void worker_trim(struct worker *w);

/* A line for the log, through the guard. */
void worker_log(struct worker *w, int priority, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
