/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/web.c - files and a web server for HTTP clients, and our own pages. web_open() and
 * web_connect() run in the guard, all else in a child of it that has become an unprivileged user:
 * openat2, openat, fstat, getaddrinfo, socket, connect, write.
 */
#include "session/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/module.h"
#include "session/asuser.h"
#include "session/dial.h"
#include "session/locate.h"

#define FILE_USEC (5 * USEC_PER_SEC) /* a disk that sleeps */
#define FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

struct want {
	const struct config *config;
	const struct rpc_web *what;
	const struct peer *client;
};

/* ---- files ---- */

/* What lies outside counts if whoever made the tree could have put it inside. */
static bool is_owners(int root_fd, int fd)
{
	struct stat root, st;

	return fstat(root_fd, &root) == 0 && fstat(fd, &st) == 0 && root.st_uid == st.st_uid;
}

static int open_below(int root_fd, const char *path)
{
	struct open_how how = {.flags = FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	if (fd >= 0)
		return fd;
	if (errno != EXDEV && errno != ENOSYS && errno != EPERM)
		return -errno;
	fd = openat(root_fd, path, FLAGS);
	if (fd < 0)
		return -errno;
	if (is_owners(root_fd, fd))
		return fd;
	close(fd);
	return -EXDEV;
}

static void write_date(time_t t, char buf[32])
{
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(buf, 32, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
		buf[0] = '\0';
}

/* One name; its facts into *ret. */
static int open_name(int root_fd, const char *path, const char *suffix, struct rpc_opened *ret)
{
	char name[RPC_TEXT_MAX + 32];
	_cleanup_close_ int fd = -1;
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	fd = open_below(root_fd, name);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	ret->size = (uint64_t)st.st_size;
	snprintf(ret->etag, sizeof(ret->etag), "%llx.%lx-%llx%s",
	         (unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec,
	         (unsigned long long)st.st_size, suffix);
	write_date(st.st_mtim.tv_sec, ret->modified);
	write_date(time(NULL), ret->date);
	return take_fd(&fd);
}

/* No name in it may begin with a dot: no "..", no hidden files. */
static bool is_clean(const char *path)
{
	return *path == '/' && !strstr(path, "/.");
}

/* Our own pages open the HTML5 client: they are there where it is, and leave another site alone. */
static int open_pages(int html_fd)
{
	struct rpc_opened unused;
	_cleanup_close_ int client_fd = open_name(html_fd, "connect.html", "", &unused);

	return client_fd < 0 ? client_fd : module_open_pages();
}

static int open_file(const void *arg, struct rpc_opened *ret, char *err)
{
	static const struct {
		uint32_t encoding;
		const char *suffix;
	} forms[] = {{WEB_BROTLI, ".br"}, {WEB_GZIP, ".gz"}, {0, ""}};
	const struct want *w = arg;
	const char *root = w->config->listen_html_root, *path = w->what->path;
	_cleanup_close_ int root_fd = -1;
	char name[RPC_TEXT_MAX + 16];
	int fd = -ENOENT;

	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0) {
		snprintf(err, RPC_TEXT_MAX, "HTMLRoot=%.200s: %s", root, strerror(errno));
		return -ENOTDIR;
	}
	if (!is_clean(path))
		return -ENOENT;
	if (w->what->kind == WEB_PAGE) {
		int pages_fd = open_pages(root_fd);

		if (pages_fd < 0)
			return pages_fd;
		close(root_fd);
		root_fd = pages_fd;
	}
	path += strspn(path, "/");
	snprintf(name, sizeof(name), "%s%s", path,
	         *path == '\0' || path[strlen(path) - 1] == '/' ? "index.html" : "");
	for (size_t i = 0; i < ARRAY_SIZE(forms) && fd < 0; i++) {
		if (forms[i].encoding && !(forms[i].encoding & w->what->encodings))
			continue;
		fd = open_name(root_fd, name, forms[i].suffix, ret);
		ret->encoding = forms[i].encoding;
	}
	if (fd < 0)
		snprintf(err, RPC_TEXT_MAX, "%.200s: %s", name, strerror(-fd));
	return fd;
}

int web_open(const struct config *c, const struct identity *id, const struct rpc_web *what,
             struct rpc_opened *ret, char *err)
{
	const struct want w = {.config = c, .what = what};

	return asuser_open(id, open_file, &w, FILE_USEC, -1, ret, err);
}

/* ---- the web server ---- */

/* "host:port" or "[::1]:80" */
static int dial(const char *address, uint64_t timeout_usec, const char **ret_why)
{
	const char *port = strrchr(address, ':');
	bool bracketed = *address == '[' && port > address && port[-1] == ']';
	char host[256];

	snprintf(host, sizeof(host), "%.*s", (int)(port - address) - 2 * bracketed,
	         address + bracketed);
	return dial_tcp(host, port + 1, timeout_usec, ret_why);
}

static void print_address(const struct netaddr *a, int family, char buf[65])
{
	static const uint8_t none[16];

	(void)inet_ntop(family, a->family == family ? a->bytes : none, buf, 65);
}

/* Version 1: what was connected to is named too, if that is known. */
static int introduce(int fd, const struct peer *p)
{
	char line[176] = "PROXY UNKNOWN\r\n", from[65], to[65];
	int family = p->net.family;
	ssize_t n;

	if (family == AF_INET || family == AF_INET6) {
		print_address(&p->net, family, from);
		print_address(&p->local, family, to);
		snprintf(line, sizeof(line), "PROXY %s %s %s %u %u\r\n",
		         family == AF_INET ? "TCP4" : "TCP6", from, to, p->port, p->local_port);
	}
	n = write(fd, line, strlen(line));
	return n == (ssize_t)strlen(line) ? 0 : n < 0 ? -errno : -EIO;
}

static int connect_backend(const void *arg, struct rpc_opened *ret, char *err)
{
	const struct want *w = arg;
	const char *address = w->config->listen_http_backend, *why = NULL;
	uint64_t timeout = w->config->sessions_connect_timeout_usec;
	_cleanup_close_ int fd = -1;
	int r;

	(void)ret;
	r = fd = strchr("/@", *address) ? locate_connect_path(address, (uid_t)-1, timeout)
	                                : dial(address, timeout, &why);
	if (r >= 0 && w->config->listen_http_backend_proxy_protocol)
		r = introduce(fd, w->client);
	if (r >= 0)
		return take_fd(&fd);
	snprintf(err, RPC_TEXT_MAX, "HTTPBackend=%.200s: %.200s", address,
	         why ? why : strerror(-r));
	return r;
}

int web_connect(const struct config *c, const struct identity *id, const struct peer *client,
                int abort_fd, char *err)
{
	const struct want w = {.config = c, .client = client};
	struct rpc_opened unused;

	return asuser_open(id, connect_backend, &w, c->sessions_connect_timeout_usec + USEC_PER_SEC,
	                   abort_fd, &unused, err);
}
