/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Finding and dialling sockets, with real ones in a scratch directory. Links session/locate.c,
 * choose.c, uri.c, base/config*.c.
 */
#include "session/locate.h"

#include "base/clock.h"
#include "base/macros.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define SHORT (300 * USEC_PER_MSEC)

static char base[] = "/tmp/xproxy-locate.XXXXXX";
static struct locate_dirs dirs;
static struct identity me;
static char path[LOCATE_PATH_MAX];
static int open_fds[64];
static size_t open_count;

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

__attribute__((constructor)) static void set_up(void)
{
	if (!mkdtemp(base))
		abort();
	setenv("XPRA_SOCKET_HOSTNAME", "testhost", 1);
	me = (struct identity){.uid = getuid(), .gid = getgid()};
}

__attribute__((destructor)) static void tear_down(void)
{
	nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A fresh directory, alone in dirs. */
static void fresh(const char *name)
{
	while (open_count > 0)
		close(open_fds[--open_count]);
	snprintf(dirs.items[0], LOCATE_PATH_MAX, "%s/%s", base, name);
	dirs.count = 1;
	CHECK_EQ(mkdir(dirs.items[0], 0700), 0);
}

/* name is relative to the directory, or "@..." */
static void serve(const char *name, bool listening)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (name[0] == '@') {
		memcpy(sa.sun_path + 1, name + 1, strlen(name) - 1);
		len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	} else {
		snprintf(sa.sun_path, sizeof(sa.sun_path), "%.60s/%.40s", dirs.items[0], name);
	}
	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&sa, len), 0);
	if (listening)
		CHECK_EQ(listen(fd, 16), 0);
	open_fds[open_count++] = fd;
}

static void connects(const char *display, const char *where)
{
	int fd;

	test_note("%s", display);
	path[0] = '\0';
	fd = locate_connect(&dirs, &me, display, SHORT, path);
	CHECK(fd >= 0);
	close(fd);
	CHECK_STR(where[0] == '@' ? path : path + strlen(dirs.items[0]), where);
}

TEST(session_directory)
{
	fresh("a");
	snprintf(path, sizeof(path), "%.80s/10", dirs.items[0]);
	CHECK_EQ(mkdir(path, 0700), 0);
	serve("10/socket", true);
	serve("testhost-10", true);
	connects(":10", "/10/socket");
	connects("10", "/10/socket");
}

TEST(host_socket)
{
	fresh("b");
	serve("testhost-10", true);
	serve("testhost-wayland-1", true);
	connects(":10", "/testhost-10");
	connects("wayland-1", "/testhost-wayland-1");
	CHECK_EQ(locate_connect(&dirs, &me, ":11", SHORT, path), -ENOENT);
	CHECK_EQ(locate_connect(&dirs, &me, ":proxy-10", SHORT, path), -ELOOP);
	CHECK_EQ(locate_connect(&dirs, &me, ":../x", SHORT, path), -EINVAL);
	CHECK_EQ(locate_connect(&dirs, &me, ":", SHORT, path), -EINVAL);
	CHECK_EQ(locate_connect(&dirs, &me, "", SHORT, path), -EINVAL);
}

TEST(abstract_comes_first)
{
	char display[32], name[48];

	fresh("c");
	snprintf(display, sizeof(display), ":9%d", getpid());
	snprintf(name, sizeof(name), "@xpra/9%d", getpid());
	serve(name, true);
	snprintf(path, sizeof(path), "testhost-9%d", getpid());
	serve(path, true);
	snprintf(name, sizeof(name), "@xpra/9%d", getpid());
	connects(display, name);
}

TEST(second_directory)
{
	fresh("d");
	serve("testhost-10", true);
	memcpy(dirs.items[1], dirs.items[0], LOCATE_PATH_MAX);
	snprintf(dirs.items[0], LOCATE_PATH_MAX, "/nonexistent");
	dirs.count = 2;
	CHECK((open_fds[open_count++] = locate_connect(&dirs, &me, ":10", SHORT, path)) >= 0);
}

TEST(dead_socket)
{
	struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
	uint64_t start = now_usec();

	fresh("e");
	serve("testhost-10", false);
	CHECK_EQ(locate_connect(&dirs, &me, ":10", 4 * SHORT, path), -ENOENT);
	CHECK(now_usec() - start >= 2 * SHORT); /* young: its server may be starting */
	snprintf(path, sizeof(path), "%.80s/testhost-10", dirs.items[0]);
	CHECK_EQ(utimensat(AT_FDCWD, path, old, 0), 0);
	start = now_usec();
	CHECK_EQ(locate_connect(&dirs, &me, ":10", 10 * USEC_PER_SEC, path), -ENOENT);
	CHECK(now_usec() - start < SHORT);
}

TEST(starting_server_is_waited_for)
{
	pid_t child;

	fresh("f");
	serve("testhost-10", false);
	child = fork();
	if (child == 0) {
		usleep(200000);
		listen(open_fds[0], 5);
		usleep(3000000);
		_exit(0);
	}
	CHECK((open_fds[open_count++] =
	               locate_connect(&dirs, &me, ":10", 5 * USEC_PER_SEC, path)) >= 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

TEST(foreign_socket)
{
	struct identity other = me;
	char where[LOCATE_PATH_MAX];

	fresh("g");
	serve("testhost-10", true);
	other.uid = me.uid + 1;
	CHECK_EQ(locate_connect(&dirs, &other, ":10", SHORT, path), -EPERM);
	snprintf(where, sizeof(where), "%.80s/testhost-10", dirs.items[0]);
	CHECK_EQ(locate_connect_path(where, me.uid + 1, SHORT), -EPERM);
	CHECK_EQ(locate_connect_now(where, me.uid + 1), -EPERM);
	CHECK((open_fds[open_count++] = locate_connect_now(where, me.uid)) >= 0);
	CHECK((open_fds[open_count++] = locate_connect_path(where, (uid_t)-1, SHORT)) >= 0);
	CHECK((open_fds[open_count++] = locate_connect_path(where, me.uid, SHORT)) >= 0);
}

TEST(connect_path)
{
	char where[200];

	fresh("h");
	snprintf(where, sizeof(where), "%.80s/none", dirs.items[0]);
	CHECK_EQ(locate_connect_path(where, (uid_t)-1, SHORT), -ENOENT);
	memset(where, 'x', sizeof(where));
	where[0] = '/';
	where[108] = '\0';
	CHECK_EQ(locate_connect_path(where, (uid_t)-1, SHORT), -ENAMETOOLONG);
	where[107] = '\0';
	CHECK_EQ(locate_connect_path(where, (uid_t)-1, SHORT), -ENOENT);
	CHECK_EQ(locate_connect_path("", (uid_t)-1, SHORT), -ENAMETOOLONG);
	CHECK_EQ(locate_connect_path("@", (uid_t)-1, SHORT), -ENAMETOOLONG);
}

TEST(full_backlog)
{
	uint64_t start;
	int fd;

	fresh("i");
	serve("testhost-10", true);
	CHECK_EQ(listen(open_fds[0], 0), 0);
	snprintf(path, sizeof(path), "%.80s/testhost-10", dirs.items[0]);
	while ((fd = locate_connect_path(path, (uid_t)-1, 50000)) >= 0)
		open_fds[open_count++] = fd;
	CHECK_EQ(fd, -ETIMEDOUT);
	start = now_usec();
	CHECK_EQ(locate_connect_now(path, me.uid), -EAGAIN);
	CHECK(now_usec() - start < 50000);
	start = now_usec();
	CHECK_EQ(locate_connect(&dirs, &me, ":10", SHORT, path), -ETIMEDOUT);
	CHECK(now_usec() - start < 10 * SHORT);
}

TEST(sessions)
{
	static struct uri found[8];

	fresh("j");
	serve("testhost-10", true);
	serve("testhost-9", true);
	serve("testhost-wayland-1", true);
	serve("testhost-11", false); /* dead */
	serve("testhost-proxy-12", true);
	serve("otherhost-13", true);
	serve("testhost-.x", true);
	snprintf(path, sizeof(path), "%.80s/9", dirs.items[0]);
	CHECK_EQ(mkdir(path, 0700), 0);
	serve("9/socket", true); /* the same display again */
	snprintf(path, sizeof(path), "%.80s/testhost-77", dirs.items[0]);
	CHECK_EQ(mkdir(path, 0700), 0);
	/* Others on this machine may have abstract ones: only ours are compared. */
	CHECK(locate_sessions(&dirs, &me, found, 8, NULL) >= 3);
	CHECK_STR(found[0].display, ":9");
	CHECK_EQ(found[0].scheme, URI_DISPLAY);
	CHECK_STR(found[1].display, ":10");
	CHECK_EQ(locate_sessions(&dirs, &me, found, 1, NULL), 1);
	CHECK_EQ(locate_sessions(&dirs, &me, found, 0, NULL), 0);
}

TEST(controls)
{
	static char found[8][LOCATE_PATH_MAX];

	fresh("k");
	serve("testhost-proxy-12", true);
	serve("testhost-proxy-13", false);
	serve("testhost-proxy-", true);
	serve("testhost-proxy-1x", true);
	serve("testhost-10", true);
	serve("other-proxy-14", true);
	CHECK_EQ(locate_controls(&dirs, found, 8), 2);
	CHECK(strstr(found[0], "/testhost-proxy-1"));
	CHECK_EQ(locate_controls(&dirs, found, 1), 1);
	CHECK_EQ(locate_controls(&dirs, found, 0), 0);
	dirs.count = 0;
	CHECK_EQ(locate_controls(&dirs, found, 8), 0);
}

TEST(directories)
{
	struct identity id = {.uid = 1000,
	                      .gid = 100,
	                      .name = "bob",
	                      .home = "/home/bob",
	                      .runtime_dir = "/run/user/1000"};
	static const char *const items[] = {
		"Sessions.SocketDirs=",
		"Sessions.SocketDirs=$XDG_RUNTIME_DIR/xpra",
		"Sessions.SocketDirs=~/.xpra",
		"Sessions.SocketDirs=/x/$USER-${UID}/$GID/",
		"Sessions.SocketDirs=/home/bob/.xpra",
		"Sessions.SocketDirs=$HOME/y",
		"Sessions.SocketDirs=$NOPE/z",
		"Sessions.SocketDirs=~eve/z",
		"Sessions.SocketDirs=rel",
		"Sessions.SocketDirs=/a/${USER",
		"Sessions.SocketDirs=/a$",
	};
	static const char *const expected[] = {"/run/user/1000/xpra", "/home/bob/.xpra",
	                                       "/x/bob-1000/100", "/home/bob/y"};
	char err[CONFIG_ERROR_MAX];
	struct config c;

	config_defaults(&c);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		(void)config_override(&c, items[i], err); /* it may refuse some by itself */
	locate_dirs(&c, &id, &dirs);
	CHECK_EQ(dirs.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		CHECK_STR(dirs.items[i], expected[i]);
	id.home[0] = id.name[0] = '\0';
	locate_dirs(&c, &id, &dirs);
	CHECK_EQ(dirs.count, 2); /* the runtime dir, and /home/bob/.xpra as it was written */
	config_free(&c);
}
