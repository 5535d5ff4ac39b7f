/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/rpc.c: every message arrives as it was sent, and nothing else arrives.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/rpc.h"

static int fds[2] = {-1, -1};

static void reopen(void)
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	CHECK_EQ(rpc_pair(fds), 0);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 64; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Sends n bytes at data with n_fds copies of stdin, and receives. */
static int pass(const void *data, size_t len, int n_fds, struct rpc *ret, int *ret_fd)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(8 * sizeof(int))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
		memset(CMSG_DATA(c), 0, (size_t)n_fds * sizeof(int));
	}
	CHECK_EQ(sendmsg(fds[0], &msg, 0), len);
	return rpc_receive(fds[1], ret, ret_fd);
}

static void fill(struct rpc *m, enum rpc_type type)
{
	*m = (struct rpc){.type = type};
}

TEST(round_trip)
{
	static struct rpc m, got;

	reopen();
	for (unsigned type = RPC_PEER; type < RPC_TYPE_MAX_; type++) {
		test_note("type %u", type);
		fill(&m, (enum rpc_type)type);
		CHECK_EQ(rpc_send(fds[0], &m, -1), 0);
		memset(&got, 0xaa, sizeof(got));
		CHECK_EQ(rpc_receive(fds[1], &got, NULL), 0);
		CHECK_MEM(&got, sizeof(got), &m, sizeof(m));
	}
}

TEST(contents)
{
	static struct rpc m, got;

	reopen();
	fill(&m, RPC_LOGIN);
	memset(m.login.username, 'u', RPC_NAME_MAX - 1);
	m.login.digests = 7;
	CHECK_EQ(rpc_send(fds[0], &m, -1), 0);
	CHECK_EQ(rpc_receive(fds[1], &got, NULL), 0);
	CHECK_EQ(strlen(got.login.username), RPC_NAME_MAX - 1);
	CHECK_EQ(got.login.digests, 7);
	fill(&m, RPC_RESPONSE);
	m.response.response.len = RPC_RESPONSE_MAX;
	memset(m.response.response.data, 0xff, RPC_RESPONSE_MAX);
	CHECK_EQ(rpc_send(fds[1], &m, -1), 0);
	CHECK_EQ(rpc_receive(fds[0], &got, NULL), 0);
	CHECK_MEM(&got, sizeof(got), &m, sizeof(m));
	rpc_wipe(&got);
	fill(&m, 0);
	CHECK_MEM(&got, sizeof(got), &m, sizeof(m));
}

TEST(one_fd)
{
	static struct rpc m, got;
	struct stat a, b;
	int fd = -1;

	reopen();
	fill(&m, RPC_UPSTREAM);
	CHECK_EQ(rpc_send(fds[0], &m, fds[0]), 0);
	CHECK_EQ(rpc_receive(fds[1], &got, &fd), 0);
	CHECK(fd >= 0 && fstat(fd, &a) == 0 && fstat(fds[0], &b) == 0 && a.st_ino == b.st_ino);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	CHECK_EQ(rpc_send(fds[0], &m, -1), 0);
	fd = 99;
	CHECK_EQ(rpc_receive(fds[1], &got, &fd), 0);
	CHECK_EQ(fd, -1);
}

TEST(surplus_fds)
{
	static struct rpc m, got;
	int fd = -1, before;

	reopen();
	before = open_fds();
	fill(&m, RPC_UPSTREAM);
	for (int n = 2; n <= 8; n++) {
		test_note("%d fds", n);
		CHECK_EQ(pass(&m, sizeof(m), n, &got, &fd), -EBADMSG);
		CHECK_EQ(fd, -1);
	}
	CHECK_EQ(pass(&m, sizeof(m), 1, &got, NULL), -EBADMSG); /* none was expected */
	CHECK_EQ(pass(&m, 5, 1, &got, &fd), -EBADMSG);
	CHECK_EQ(fd, -1);
	CHECK_EQ(open_fds(), before);
}

TEST(size)
{
	static struct rpc m[2], got;

	reopen();
	fill(&m[0], RPC_LOG);
	CHECK_EQ(pass(m, sizeof(m[0]), 0, &got, NULL), 0);
	CHECK_EQ(pass(m, sizeof(m[0]) - 1, 0, &got, NULL), -EBADMSG);
	CHECK_EQ(pass(m, sizeof(m[0]) + 1, 0, &got, NULL), -EBADMSG);
	CHECK_EQ(pass(m, sizeof(m), 0, &got, NULL), -EBADMSG);
	CHECK_EQ(pass(m, 1, 0, &got, NULL), -EBADMSG);
	CHECK_EQ(pass(m, sizeof(uint32_t), 0, &got, NULL), -EBADMSG);
	CHECK(pass(m, 0, 0, &got, NULL) < 0);
}

TEST(type)
{
	static const uint32_t bad[] = {0, RPC_TYPE_MAX_, RPC_TYPE_MAX_ + 1, 0x100, UINT32_MAX};
	static struct rpc m, got;

	reopen();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fill(&m, 0);
		m.type = bad[i];
		CHECK_EQ(pass(&m, sizeof(m), 0, &got, NULL), -EBADMSG);
	}
}

static void refuse_unterminated(enum rpc_type type, size_t offset, size_t size)
{
	static struct rpc m, got;

	test_note("type %d, string at %zu", type, offset);
	fill(&m, type);
	memset((char *)&m + offset, 'x', size);
	CHECK_EQ(pass(&m, sizeof(m), 0, &got, NULL), -EBADMSG);
	((char *)&m)[offset + size - 1] = '\0';
	CHECK_EQ(pass(&m, sizeof(m), 0, &got, NULL), 0);
}

static void refuse_long(enum rpc_type type, size_t offset, uint32_t max)
{
	const uint32_t bad[] = {max + 1, 0x10000, UINT32_MAX};
	static struct rpc m, got;
	uint32_t ok = max;

	test_note("type %d, bytes at %zu", type, offset);
	fill(&m, type);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy((char *)&m + offset, &bad[i], sizeof(bad[i]));
		CHECK_EQ(pass(&m, sizeof(m), 0, &got, NULL), -EBADMSG);
	}
	memcpy((char *)&m + offset, &ok, sizeof(ok));
	CHECK_EQ(pass(&m, sizeof(m), 0, &got, NULL), 0);
}

#define UNTERMINATED(type, member) \
	refuse_unterminated(type, offsetof(struct rpc, member), sizeof(((struct rpc *)0)->member))
#define LONG(type, member) \
	refuse_long(type, offsetof(struct rpc, member), sizeof(((struct rpc *)0)->member.data))

/* Every string and byte string that is read (REDIAL's are not): a new one is to be added here and
 * in rpc.c. */
TEST(strings)
{
	reopen();
	UNTERMINATED(RPC_LOGIN, login.username);
	UNTERMINATED(RPC_LOGIN, login.client);
	UNTERMINATED(RPC_SESSION, session.display);
	UNTERMINATED(RPC_SESSION, session.name);
	UNTERMINATED(RPC_RELAY, relay.server);
	UNTERMINATED(RPC_RELAY, relay.protocol);
	UNTERMINATED(RPC_LOG, log.text);
	UNTERMINATED(RPC_END, end.how);
	UNTERMINATED(RPC_END, end.reason);
	UNTERMINATED(RPC_STEP, step.prompt);
	UNTERMINATED(RPC_STEP, step.reason);
	UNTERMINATED(RPC_STEP, step.text);
	UNTERMINATED(RPC_UPSTREAM, upstream.display);
	UNTERMINATED(RPC_UPSTREAM, upstream.uri);
	UNTERMINATED(RPC_UPSTREAM, upstream.username);
	UNTERMINATED(RPC_UPSTREAM, upstream.remote_display);
	UNTERMINATED(RPC_UPSTREAM, upstream.socket_path);
	UNTERMINATED(RPC_UPSTREAM, upstream.mode);
	UNTERMINATED(RPC_REFUSED, refused.reason);
	UNTERMINATED(RPC_REFUSED, refused.text);
	UNTERMINATED(RPC_STOP, stop.reason);
	UNTERMINATED(RPC_STOP, stop.text);
	UNTERMINATED(RPC_LISTED, listed.display);
	UNTERMINATED(RPC_LISTED, listed.name);
	UNTERMINATED(RPC_LISTED, listed.host);
}

TEST(byte_strings)
{
	reopen();
	LONG(RPC_RESPONSE, response.response);
	LONG(RPC_RESPONSE, response.client_salt);
	LONG(RPC_ANSWER, answer.server_salt);
	LONG(RPC_ANSWERED, response.response);
	LONG(RPC_ANSWERED, response.client_salt);
	LONG(RPC_STEP, step.salt);
	LONG(RPC_UPSTREAM, upstream.encryption_key);
}

TEST(closed)
{
	static struct rpc m, got;

	reopen();
	fill(&m, RPC_LOG);
	CHECK_EQ(rpc_send(fds[0], &m, -1), 0);
	close(fds[0]);
	fds[0] = -1;
	CHECK_EQ(rpc_receive(fds[1], &got, NULL), 0); /* what was said before still arrives */
	CHECK_EQ(rpc_receive(fds[1], &got, NULL), -EPIPE);
	CHECK_EQ(rpc_send(fds[1], &m, -1), -EPIPE); /* and no SIGPIPE */
	/* Closed with something unread */
	reopen();
	CHECK_EQ(rpc_send(fds[1], &m, -1), 0);
	close(fds[0]);
	fds[0] = -1;
	CHECK_EQ(rpc_receive(fds[1], &got, NULL), -EPIPE);
	CHECK_EQ(rpc_send(-1, &m, -1), -EBADF);
	CHECK_EQ(rpc_receive(-1, &got, NULL), -EBADF);
}
