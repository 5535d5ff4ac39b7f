/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Children that become the user: the drop, connecting, the control socket's life. As root with the
 * account daemon, else as oneself. Links session/, base/.
 */
#include "session/asuser.h"

#include "base/clock.h"
#include "base/macros.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char base[] = "/tmp/xproxy-asuser.XXXXXX";
static struct config config;
static struct identity user;
static struct asuser_target target;
static struct uri uri;
static const struct session_options options; /* none */

__attribute__((constructor)) static void set_up(void)
{
	char err[CONFIG_ERROR_MAX], setting[200];

	if (!mkdtemp(base) || chmod(base, 0777) < 0)
		abort();
	setenv("XPRA_SOCKET_HOSTNAME", "testhost", 1);
	config_defaults(&config);
	snprintf(setting, sizeof(setting), "Sessions.SocketDirs=/nonexistent/x");
	if (config_override(&config, setting, err) < 0)
		abort();
	snprintf(setting, sizeof(setting), "Sessions.SocketDirs=%s/sub", base);
	if (config_override(&config, setting, err) < 0 ||
	    config_override(&config, "Sessions.ConnectTimeout=2s", err) < 0 ||
	    identity_resolve(&config, "daemon", "", "", &user, err) < 0)
		abort();
}

__attribute__((destructor)) static void tear_down(void)
{
	char sub[100];

	snprintf(sub, sizeof(sub), "%s/sub", base);
	rmdir(sub);
	rmdir(base);
	config_free(&config);
}

static int connect_to(const char *text, int abort_fd)
{
	char err[URI_TEXT_MAX];

	test_note("%s", text);
	CHECK_EQ(uri_parse(text, &uri, err), 0);
	int fd = asuser_connect(&config, &user, &uri, &options, abort_fd, &target);

	asuser_reap(&target);
	return fd;
}

/* In a child: 0 if the drop holds. */
static int drop_and_look(void)
{
	char line[200];
	bool caps = true;
	FILE *f;

	if (asuser_drop(&user) < 0 || getuid() != user.uid || geteuid() != user.uid)
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || setuid(0) == 0)
		return 2;
	f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "Cap", 3) == 0 && strncmp(line, "CapBnd", 6) != 0)
			caps = caps && strstr(line, "0000000000000000");
	if (!f || fclose(f) != 0)
		return 3;
	return caps ? 0 : 4;
}

TEST(drop)
{
	struct identity root = user;
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(drop_and_look());
	waitpid(child, &status, 0);
	CHECK_EQ(status, 0);
	root.uid = 0;
	CHECK_EQ(asuser_drop(&root), -EPERM);
	if (getuid() == 0) {
		root = user;
		root.gid = 0;
		CHECK_EQ(asuser_drop(&root), -EPERM);
	}
}

/* A listener on the loopback; the URI of its port. */
static int listen_tcp(int family, char text[64])
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in *sa4 = (struct sockaddr_in *)&sa;
	socklen_t len = sizeof(sa);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET)
		*sa4 = (struct sockaddr_in){.sin_family = AF_INET,
		                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, family == AF_INET ? sizeof(*sa4) : len) < 0)
		return -1;
	CHECK_EQ(listen(fd, 5), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	if (family ==
	    AF_INET) /* where localhost is ::1 first, that refuses and the next is tried */
		snprintf(text, 64, "tcp://localhost:%u", ntohs(sa4->sin_port));
	else
		snprintf(text, 64, "tcp://[::1]:%u", ntohs(sa.sin6_port));
	return fd;
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	CHECK_EQ(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void connects_tcp(int family)
{
	char text[64];
	int listen_fd = listen_tcp(family, text), fd;

	if (listen_fd < 0) /* no IPv6 here */
		return;
	fd = connect_to(text, -1);
	CHECK(fd >= 0);
	CHECK_STR(target.err, "");
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	CHECK_EQ(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_EQ(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 10);
	CHECK_EQ(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 3);
	CHECK_EQ(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 5);
	CHECK_EQ(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 90000);
	close(fd);
	close(listen_fd);
}

TEST(tcp)
{
	connects_tcp(AF_INET);
	connects_tcp(AF_INET6);
}

TEST(tcp_refused)
{
	uint64_t start = now_usec();

	CHECK_EQ(connect_to("tcp://bob:secret@127.0.0.1:1", -1), -ECONNREFUSED);
	CHECK_STR(target.err, "connect to tcp://bob@127.0.0.1:1: Connection refused");
	CHECK(now_usec() - start < USEC_PER_SEC);
	CHECK_EQ(connect_to(":proxy-1", -1), -ELOOP);
	CHECK_EQ(connect_to("/run/x/host-proxy-1", -1), -ELOOP);
	CHECK_EQ(connect_to(":4242424", -1), -ENOENT);
	CHECK_STR(target.err, "connect to :4242424: no live session there");
}

/* A unix listener whose backlog is full: connecting to it waits. */
static void fill(const char *path, int fds[3])
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	for (int i = 0; i < 3; i++)
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(fds[0], (struct sockaddr *)&sa, sizeof(sa)), 0);
	CHECK_EQ(chmod(path, 0777), 0);
	CHECK_EQ(listen(fds[0], 0), 0);
	CHECK_EQ(connect(fds[1], (struct sockaddr *)&sa, sizeof(sa)), 0);
	CHECK(connect(fds[2], (struct sockaddr *)&sa, sizeof(sa)) < 0);
}

TEST(given_up)
{
	char path[100];
	int fds[3], pair[2];
	uint64_t start;

	snprintf(path, sizeof(path), "%s/full", base);
	fill(path, fds);
	start = now_usec();
	CHECK_EQ(connect_to(path, -1), -ETIMEDOUT);
	CHECK(now_usec() - start >= USEC_PER_SEC);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	close(pair[1]);
	start = now_usec();
	CHECK_EQ(connect_to(path, pair[0]), -ECANCELED);
	CHECK(now_usec() - start < USEC_PER_SEC);
	close(pair[0]);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	unlink(path);
	CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
}

/* Whether path disappears within a second. */
static bool vanishes(const char *path)
{
	for (int i = 0; i < 100 && access(path, F_OK) == 0; i++)
		usleep(10000);
	return access(path, F_OK) != 0;
}

TEST(control_socket)
{
	struct locate_only only;
	struct asuser_scan scan;
	char path[LOCATE_PATH_MAX], again[LOCATE_PATH_MAX], err[RPC_TEXT_MAX];
	struct uri found[4];
	int keep_fd, keep2_fd, fd, peer_fd;
	pid_t child, child2;
	struct stat st;

	fd = asuser_control_socket(&config, &user, 4711, path, &keep_fd, &child, err);
	test_note("%s", err);
	CHECK(fd >= 0);
	CHECK_STR(path + strlen(base), "/sub/testhost-proxy-4711");
	CHECK_EQ(stat(path, &st), 0);
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_EQ(st.st_mode & 07777, 0600);
	CHECK_EQ(st.st_uid, user.uid);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	peer_fd = locate_connect_path(path, user.uid, USEC_PER_SEC);
	CHECK(peer_fd >= 0);
	close(peer_fd);
	asuser_scan(&config, &user, &scan);
	CHECK_EQ(asuser_sessions(&scan, found, 4, &only), 0); /* not a session */
	CHECK_EQ(only.fd, -1);
	asuser_scan_end(&scan);
	asuser_scan_end(&scan); /* again: nothing */
	CHECK_EQ(asuser_sessions(&scan, found, 4, &only), 0);
	CHECK_EQ(waitpid(-1, NULL, WNOHANG), 0); /* the control socket's child is all there is */

	/* While somebody answers, the name is taken. */
	CHECK_EQ(asuser_control_socket(&config, &user, 4711, again, &keep2_fd, &child2, err),
	         -EADDRINUSE);
	CHECK(strstr(err, "Address already in use") && strstr(err, "/nonexistent/x: No such file"));

	kill(child, SIGTERM);
	kill(child, SIGINT);
	usleep(50000);
	CHECK_EQ(access(path, F_OK), 0);
	close(keep_fd);
	CHECK(vanishes(path));
	CHECK_EQ(waitpid(child, NULL, 0), child);
	close(fd);
}

TEST(stale_control_socket)
{
	char path[LOCATE_PATH_MAX], again[LOCATE_PATH_MAX], err[RPC_TEXT_MAX];
	int keep_fd, keep2_fd, fd;
	pid_t child, child2;

	fd = asuser_control_socket(&config, &user, 4712, path, &keep_fd, &child, err);
	CHECK(fd >= 0);
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	close(fd);
	close(keep_fd);
	CHECK_EQ(access(path, F_OK), 0);
	fd = asuser_control_socket(&config, &user, 4712, again, &keep2_fd, &child2, err);
	CHECK(fd >= 0);
	CHECK_STR(again, path);
	close(fd);
	close(keep2_fd);
	CHECK(vanishes(path));
	CHECK_EQ(waitpid(child2, NULL, 0), child2);
}
