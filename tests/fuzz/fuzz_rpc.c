/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a message between guard and worker, repeated to the right size, with some fds: byte
 * 0 says how many and how long. What is accepted can be read as it is meant. Links base/rpc.c.
 */
#include "base/rpc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/fuzz/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_bytes(int fd, void *data, size_t len, unsigned n_fds)
{
	struct iovec iov = {.iov_base = data, .iov_len = len};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(3 * sizeof(int))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (unsigned i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	}
	ENSURE(sendmsg(fd, &msg, 0) == (ssize_t)len);
}

static void use_bytes(const struct rpc_bytes *b)
{
	static volatile uint8_t sum;

	ENSURE(b->len <= sizeof(b->data));
	for (uint32_t i = 0; i < b->len; i++)
		sum = (uint8_t)(sum + b->data[i]);
}

#define USE(text) ENSURE(strnlen(text, sizeof(text)) < sizeof(text))

static void use(const struct rpc *m)
{
	ENSURE(m->type > 0 && m->type < RPC_TYPE_MAX_);
	if (m->type == RPC_LOGIN) {
		USE(m->login.username);
		USE(m->login.client);
	} else if (m->type == RPC_RESPONSE || m->type == RPC_ANSWERED) {
		use_bytes(&m->response.response);
		use_bytes(&m->response.client_salt);
	} else if (m->type == RPC_SESSION) {
		USE(m->session.display);
		USE(m->session.name);
	} else if (m->type == RPC_ANSWER) {
		use_bytes(&m->answer.server_salt);
	} else if (m->type == RPC_RELAY) {
		USE(m->relay.server);
		USE(m->relay.protocol);
	} else if (m->type == RPC_LOG) {
		USE(m->log.text);
	} else if (m->type == RPC_END) {
		USE(m->end.how);
		USE(m->end.reason);
	} else if (m->type == RPC_STEP) {
		use_bytes(&m->step.salt);
		USE(m->step.prompt);
		USE(m->step.reason);
		USE(m->step.text);
	} else if (m->type == RPC_UPSTREAM) {
		USE(m->upstream.display);
		USE(m->upstream.uri);
		USE(m->upstream.username);
		USE(m->upstream.remote_display);
		USE(m->upstream.socket_path);
		USE(m->upstream.mode);
		ENSURE(m->upstream.encryption_key.len <= RPC_KEY_MAX);
	} else if (m->type == RPC_REFUSED) {
		USE(m->refused.reason);
		USE(m->refused.text);
	} else if (m->type == RPC_STOP) {
		USE(m->stop.reason);
		USE(m->stop.text);
	} else if (m->type == RPC_WEB) {
		USE(m->web.path);
	} else if (m->type == RPC_OPENED) {
		USE(m->opened.etag);
		USE(m->opened.modified);
		USE(m->opened.date);
	} else if (m->type == RPC_LISTED) {
		USE(m->listed.display);
		USE(m->listed.name);
		USE(m->listed.host);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t message[sizeof(struct rpc) + 8];
	static struct rpc got;
	unsigned n_fds = size ? data[0] & 3 : 0;
	bool expect = size && data[0] & 4;
	size_t len = sizeof(struct rpc);
	int fds[2], fd = -1, r;

	ENSURE(rpc_pair(fds) == 0);
	if (size > 0 && data[0] & 8)
		len = len - 8 + (data[0] >> 4);
	for (size_t i = 0; i < len; i++) /* little input makes a whole message */
		message[i] = size > 1 ? data[1 + i % (size - 1)] : 0;
	if (size > 0 && data[0] & 0x80) /* past the first test */
		memcpy(message, &(uint32_t){1 + message[0] % (RPC_TYPE_MAX_ - 1)},
		       sizeof(uint32_t));
	send_bytes(fds[0], message, len, n_fds);
	r = rpc_receive(fds[1], &got, expect ? &fd : NULL);
	ENSURE(r == 0 || (r == -EBADMSG && fd == -1));
	if (r == 0) {
		ENSURE(len == sizeof(got) && n_fds <= (expect ? 1u : 0u) &&
		       (fd >= 0) == (n_fds == 1));
		use(&got);
	}
	if (fd >= 0)
		close(fd);
	close(fds[0]);
	close(fds[1]);
	/* Nothing else was left open: the lowest free number stays the same. */
	fd = dup(2);
	ENSURE(fd == fds[0]);
	close(fd);
	return 0;
}
