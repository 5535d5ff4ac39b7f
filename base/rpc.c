/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/rpc.c - the guard socket: fixed-size messages, checked on receipt.
 *
 * Both processes. System calls: sendmsg, recvmsg, close.
 */
#include "base/rpc.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "base/socket.h"

/* Every array in a message whose contents must be a C string, and every length with its limit. */
struct field {
	enum rpc_type type;
	size_t offset;
	size_t size;      /* 0: no string, but a length of */
	size_t bytes_max; /* at most this */
};

#define STRING(t, member)                                                             \
	{                                                                             \
		t, offsetof(struct rpc, member), sizeof(((struct rpc *)0)->member), 0 \
	}
#define BYTES(t, member)                                                                   \
	{                                                                                  \
		t, offsetof(struct rpc, member), 0, sizeof(((struct rpc *)0)->member.data) \
	}

static const struct field fields[] = {
	STRING(RPC_LOGIN, login.username),
	STRING(RPC_LOGIN, login.client),
	BYTES(RPC_RESPONSE, response.response),
	BYTES(RPC_RESPONSE, response.client_salt),
	STRING(RPC_FACT, fact.text),
	STRING(RPC_SESSION, session.display),
	STRING(RPC_SESSION, session.name),
	STRING(RPC_REDIAL, session.display),
	STRING(RPC_REDIAL, session.name),
	BYTES(RPC_ANSWER, answer.server_salt),
	STRING(RPC_RELAY, relay.server),
	STRING(RPC_RELAY, relay.protocol),
	STRING(RPC_LOG, log.text),
	STRING(RPC_END, end.how),
	STRING(RPC_END, end.reason),
	BYTES(RPC_STEP, step.salt),
	STRING(RPC_STEP, step.own_digest),
	STRING(RPC_STEP, step.prompt),
	STRING(RPC_STEP, step.fact),
	STRING(RPC_STEP, step.reason),
	STRING(RPC_STEP, step.text),
	STRING(RPC_UPSTREAM, upstream.display),
	STRING(RPC_UPSTREAM, upstream.uri),
	STRING(RPC_UPSTREAM, upstream.username),
	STRING(RPC_UPSTREAM, upstream.remote_display),
	STRING(RPC_UPSTREAM, upstream.socket_path),
	STRING(RPC_UPSTREAM, upstream.mode),
	BYTES(RPC_UPSTREAM, upstream.encryption_key),
	STRING(RPC_REFUSED, refused.reason),
	STRING(RPC_REFUSED, refused.text),
	BYTES(RPC_ANSWERED, response.response),
	BYTES(RPC_ANSWERED, response.client_salt),
	STRING(RPC_STOP, stop.reason),
	STRING(RPC_STOP, stop.text),
	STRING(RPC_WEB, web.path),
	STRING(RPC_OPENED, opened.etag),
	STRING(RPC_OPENED, opened.modified),
	STRING(RPC_OPENED, opened.date),
	STRING(RPC_LISTED, listed.display),
	STRING(RPC_LISTED, listed.name),
	STRING(RPC_LISTED, listed.host),
	STRING(RPC_BROKER, broker.request.task_name),
	STRING(RPC_BROKER, broker.request.user),
	STRING(RPC_BROKER, broker.request.authid),
	STRING(RPC_BROKER, broker.request.address),
	STRING(RPC_BROKER, broker.request.sid),
	STRING(RPC_BROKER, broker.request.login),
	STRING(RPC_BROKER, broker.request.pubkey),
	STRING(RPC_BROKER, broker.request.event),
	STRING(RPC_BROKER, broker.request.server),
	STRING(RPC_BROKER, broker.request.client),
	STRING(RPC_BROKER, broker.request.command),
	STRING(RPC_BROKER, broker.request.display),
	STRING(RPC_BROKER, broker.request.start),
	STRING(RPC_BROKER, broker.request.version),
	STRING(RPC_BROKER, broker.request.os),
	STRING(RPC_BROKER, broker.password),
	STRING(RPC_BROKER, broker.new_password),
};

_Static_assert(offsetof(struct rpc_bytes, len) == 0 && offsetof(struct rpc_key, len) == 0,
               "a length comes first");

static bool well_formed(const struct rpc *m)
{
	if (m->type == 0 || m->type >= RPC_TYPE_MAX_)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const uint8_t *at = (const uint8_t *)m + fields[i].offset;
		uint32_t len;

		if (fields[i].type != m->type)
			continue;
		if (fields[i].size > 0 && !memchr(at, 0, fields[i].size))
			return false;
		if (fields[i].size == 0) {
			memcpy(&len, at, sizeof(len));
			if (len > fields[i].bytes_max)
				return false;
		}
	}
	return true;
}

int rpc_pair(int ret_fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0 ? -errno : 0;
}

int rpc_send(int fd, const struct rpc *m, int send_fd)
{
	int r = socket_send(fd, m, sizeof(*m), send_fd);

	return r == -ECONNRESET ? -EPIPE : r;
}

int rpc_receive(int fd, struct rpc *ret, int *ret_fd)
{
	_cleanup_close_ int got = -1;
	ssize_t n = socket_receive(fd, ret, sizeof(*ret), &got);

	if (n == 0 || n == -ECONNRESET)
		return -EPIPE;
	if (n < 0)
		return (int)n;
	if (n != sizeof(*ret) || !well_formed(ret) || (got >= 0 && !ret_fd))
		return -EBADMSG;
	if (ret_fd)
		*ret_fd = take_fd(&got);
	return 0;
}

void rpc_wipe(struct rpc *m)
{
	explicit_bzero(m, sizeof(*m));
}
