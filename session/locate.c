/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/locate.c - finds and dials local sockets. In the guard's children, as the session's user,
 * and in xproxyctl. Reads directories and /proc/net/unix, stats, connects; creates nothing.
 */
#include "session/locate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/macros.h"
#include "session/choose.h"

#define ABSTRACT_USEC (1 * USEC_PER_SEC)  /* xpra allows an abstract socket this long */
#define SQUATTERS_USEC (2 * USEC_PER_SEC) /* for all abstract names, which anybody can make */
#define PROBE_USEC (USEC_PER_SEC / 2)     /* for "is it alive?" */
#define RETRY_USEC (USEC_PER_SEC / 2)     /* between two tries at a socket nobody listens on yet */
#define STARTING_SEC 30 /* a socket file this young may belong to a starting server */

void locate_hostname(char *buf, size_t size)
{
	const char *name = getenv("XPRA_SOCKET_HOSTNAME");
	char host[65] = "";

	if (!name || !*name || strchr(name, '/')) {
		(void)gethostname(host, sizeof(host) - 1);
		name = host;
	}
	snprintf(buf, size, "%s", *name ? name : "localhost");
}

/* The value of $NAME for this user, or NULL. number is scratch. */
static const char *variable(const struct identity *id, const char *name, size_t len,
                            char number[16])
{
	if (len == 15 && strncmp(name, "XDG_RUNTIME_DIR", len) == 0)
		return id->runtime_dir;
	if (len == 4 && strncmp(name, "HOME", len) == 0)
		return id->home;
	if ((len == 4 && strncmp(name, "USER", len) == 0) ||
	    (len == 8 && strncmp(name, "USERNAME", len) == 0))
		return id->name;
	if (len == 3 && (strncmp(name, "UID", len) == 0 || strncmp(name, "GID", len) == 0)) {
		snprintf(number, 16, "%u", name[0] == 'U' ? id->uid : id->gid);
		return number;
	}
	return NULL;
}

/* False: it has something unknown or empty in it, is too long, or is not absolute. */
static bool expand(const char *text, const struct identity *id, char buf[LOCATE_PATH_MAX])
{
	size_t n = 0, len;
	char number[16];

	while (*text) {
		const char *value = text;

		len = 1;
		if (n == 0 && *text == '~') {
			if (text[1] && text[1] != '/')
				return false;
			value = id->home;
			text++;
		} else if (*text == '$') {
			bool brace = text[1] == '{';
			const char *name = text + 1 + brace;

			len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
			if (brace && name[len] != '}')
				return false;
			value = variable(id, name, len, number);
			text = name + len + brace;
		} else {
			text++;
		}
		if (value != text - 1)
			len = value ? strlen(value) : 0;
		if (len == 0 || n + len + 1 > LOCATE_PATH_MAX)
			return false;
		memcpy(buf + n, value, len);
		n += len;
	}
	while (n > 1 && buf[n - 1] == '/')
		n--;
	buf[n] = '\0';
	return buf[0] == '/';
}

void locate_dirs(const struct config *c, const struct identity *id, struct locate_dirs *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < c->sessions_socket_dirs.count && ret->count < LOCATE_DIRS_MAX; i++) {
		char *dir = ret->items[ret->count];
		bool known = false;

		if (!expand(c->sessions_socket_dirs.items[i], id, dir))
			continue;
		for (size_t j = 0; j < ret->count; j++)
			known = known || strcmp(ret->items[j], dir) == 0;
		if (!known)
			ret->count++;
	}
}

/* Abstract names do not end at a NUL but where the length says. */
static int set_address(const char *path, struct sockaddr_un *ret, socklen_t *ret_len)
{
	size_t len = strlen(path);

	if (len < 2 || len >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret->sun_path, path, len + 1);
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	if (path[0] == '@') {
		ret->sun_path[0] = '\0';
		(*ret_len)--;
	}
	return 0;
}

/* A socket for this path, and the address to connect it to. */
static int new_socket(const char *path, int flags, struct sockaddr_un *ret, socklen_t *ret_len)
{
	int r = set_address(path, ret, ret_len);

	if (r < 0)
		return r;
	r = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	return r < 0 ? -errno : r;
}

static int check_owner(int fd, uid_t owner)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	return owner != (uid_t)-1 && peer.uid != owner ? -EPERM : 0;
}

int locate_connect_path(const char *path, uid_t owner, uint64_t timeout_usec)
{
	struct timeval never = {0}, limit = {.tv_sec = (time_t)(timeout_usec / USEC_PER_SEC),
	                                     .tv_usec = (suseconds_t)(timeout_usec % USEC_PER_SEC)};
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sa;
	socklen_t len;
	int r;

	fd = new_socket(path, 0, &sa, &len);
	if (fd < 0)
		return fd;
	if (timeout_usec == 0)
		return -ETIMEDOUT;
	/* As much as one write of the relay can hold; by default it is less, and writes are cut. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){1 << 20}, sizeof(int));
	/* Only a full backlog makes a local connect wait: this bounds it. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sa, len) < 0)
		return errno == EAGAIN || errno == EINTR ? -ETIMEDOUT : -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &never, sizeof(never)) < 0)
		return -errno;
	r = check_owner(fd, owner);
	return r < 0 ? r : take_fd(&fd);
}

int locate_connect_now(const char *path, uid_t owner)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sa;
	socklen_t len;
	int r;

	fd = new_socket(path, SOCK_NONBLOCK, &sa, &len);
	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&sa, len) < 0)
		return -errno;
	r = check_owner(fd, owner);
	return r < 0 ? r : take_fd(&fd);
}

/* What went wrong so far: the most telling of the errors of all places. */
struct attempt {
	int error;
	bool starting; /* a file is there, young, and nobody listens yet */
};

static void note(struct attempt *a, const char *path, int error)
{
	struct stat st;

	if (error == -ECONNREFUSED && path[0] != '@' && stat(path, &st) == 0 &&
	    (int64_t)st.st_mtime + STARTING_SEC > (int64_t)(wall_usec() / USEC_PER_SEC))
		a->starting = true;
	if (error == -EPERM || (a->error != -EPERM && (error == -EACCES || error == -ETIMEDOUT)))
		a->error = error;
}

static uint64_t time_left(uint64_t deadline_usec)
{
	uint64_t now = now_usec();

	return now < deadline_usec ? deadline_usec - now : 0;
}

/* Anybody may have taken the abstract name and let us wait: that must not cost the other places
 * their time. */
static uint64_t abstract_share(uint64_t left)
{
	return left / 4 < ABSTRACT_USEC ? left / 4 : ABSTRACT_USEC;
}

bool locate_place(const struct locate_dirs *dirs, const char *name, size_t i,
                  char ret[LOCATE_PATH_MAX])
{
	const char *dir = i && dirs->count ? dirs->items[(i - 1) % dirs->count] : NULL;
	char host[128];
	int n;

	if (i > 2 * dirs->count)
		return false;
	locate_hostname(host, sizeof(host));
	if (!dir)
		n = snprintf(ret, LOCATE_PATH_MAX, "@xpra/%s", name);
	else if (i <= dirs->count)
		n = snprintf(ret, LOCATE_PATH_MAX, "%s/%s/socket", dir, name);
	else
		n = snprintf(ret, LOCATE_PATH_MAX, "%s/%s-%s", dir, host, name);
	if (n >= LOCATE_PATH_MAX)
		ret[0] = '\0';
	return true;
}

/* One round over all places. The fd, or -1 and *a. */
static int try_places(const struct locate_dirs *dirs, const struct identity *id, const char *name,
                      uint64_t deadline_usec, struct attempt *a, char path[LOCATE_PATH_MAX])
{
	uint64_t left = time_left(deadline_usec);
	int fd;

	for (size_t i = 0; locate_place(dirs, name, i, path); i++) {
		if (!path[0])
			continue;
		fd = locate_connect_path(path, id->uid, i ? left : abstract_share(left));
		if (fd >= 0)
			return fd;
		note(a, path, fd);
		left = time_left(deadline_usec);
	}
	return -1;
}

/* The name that socket files carry: ":10" is "10". NULL: no name at all, or a proxy's. */
static const char *socket_name(const char *display)
{
	const char *name = display + (display[0] == ':');

	return *name == '\0' || *name == '.' || strchr(name, '/') ? NULL : name;
}

int locate_connect(const struct locate_dirs *dirs, const struct identity *id, const char *display,
                   uint64_t timeout_usec, char ret_path[LOCATE_PATH_MAX])
{
	uint64_t deadline = now_usec() + timeout_usec;
	const char *name = socket_name(display);
	struct uri u = {.scheme = URI_DISPLAY};
	char path[LOCATE_PATH_MAX];

	if (!name)
		return -EINVAL;
	snprintf(u.display, sizeof(u.display), "%s", display);
	if (choose_is_proxy(&u))
		return -ELOOP;
	for (;;) {
		struct attempt a = {.error = -ENOENT};
		int fd = try_places(dirs, id, name, deadline, &a, path);
		uint64_t left = time_left(deadline);

		if (fd >= 0) {
			snprintf(ret_path, LOCATE_PATH_MAX, "%s", path);
			return fd;
		}
		if (!a.starting || left <= RETRY_USEC)
			return a.error;
		(void)poll(NULL, 0, RETRY_USEC / USEC_PER_MSEC);
	}
}

struct found {
	const struct locate_dirs *dirs;
	const struct identity *id;
	struct uri *items;
	size_t count, max;
	struct locate_only *only; /* or NULL */
};

/* `name` as it stands in a file name or after "@xpra/". */
static void consider(struct found *f, const char *name)
{
	uint64_t deadline = now_usec() + PROBE_USEC;
	char text[160], err[URI_TEXT_MAX], path[LOCATE_PATH_MAX];
	struct attempt a = {0};
	struct uri u;
	int fd;

	if (f->count == f->max || strchr(name, '/'))
		return;
	snprintf(text, sizeof(text), "%s", name);
	if (uri_parse(text, &u, err) < 0 || u.scheme != URI_DISPLAY) {
		snprintf(text, sizeof(text), ":%s", name);
		if (uri_parse(text, &u, err) < 0 || u.scheme != URI_DISPLAY)
			return;
	}
	if (choose_is_proxy(&u))
		return;
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->items[i].display, u.display) == 0)
			return;
	fd = try_places(f->dirs, f->id, socket_name(u.display), deadline, &a, path);
	if (fd < 0)
		return;
	f->items[f->count++] = u;
	if (f->only && f->count == 1) {
		f->only->fd = take_fd(&fd);
		memcpy(f->only->path, path, sizeof(path));
		return;
	}
	close(fd);
	if (f->only && f->only->fd >= 0)
		close(take_fd(&f->only->fd));
}

static bool is_socket(int dir_fd, const char *name, uid_t owner)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode) &&
	       (owner == (uid_t)-1 || st.st_uid == owner);
}

static void scan_dir(struct found *f, const char *dir, const char *host)
{
	size_t host_len = strlen(host);
	DIR *d = opendir(dir);
	char sub[300];
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, host, host_len) == 0 && e->d_name[host_len] == '-' &&
		    is_socket(dirfd(d), e->d_name, f->id->uid)) {
			consider(f, e->d_name + host_len + 1);
			continue;
		}
		snprintf(sub, sizeof(sub), "%s/socket", e->d_name);
		if (e->d_name[0] != '.' && is_socket(dirfd(d), sub, f->id->uid))
			consider(f, e->d_name);
	}
	closedir(d);
}

static void scan_abstract(struct found *f)
{
	uint64_t deadline = now_usec() + SQUATTERS_USEC;
	FILE *in = fopen("/proc/net/unix", "re");
	char *line = NULL, *at;
	size_t size = 0;

	if (!in)
		return;
	while (getline(&line, &size, in) > 0 && now_usec() < deadline) {
		line[strcspn(line, "\n")] = '\0';
		at = strstr(line, " @xpra/");
		if (at)
			consider(f, at + strlen(" @xpra/"));
	}
	free(line);
	fclose(in);
}

static int compare(const void *a, const void *b)
{
	const char *x = ((const struct uri *)a)->display, *y = ((const struct uri *)b)->display;
	long long m = strtoll(x + (*x == ':'), NULL, 10), n = strtoll(y + (*y == ':'), NULL, 10);

	if (*x != *y || m == n)
		return strcmp(x, y);
	return m < n ? -1 : 1;
}

size_t locate_sessions(const struct locate_dirs *dirs, const struct identity *id, struct uri *ret,
                       size_t max, struct locate_only *ret_only)
{
	struct found f = {.dirs = dirs, .id = id, .items = ret, .max = max, .only = ret_only};
	char host[128];

	if (ret_only)
		ret_only->fd = -1;
	locate_hostname(host, sizeof(host));
	for (size_t i = 0; i < dirs->count; i++)
		scan_dir(&f, dirs->items[i], host);
	scan_abstract(&f);
	if (f.count > 1) /* glibc asks the kernel for the size of its memory first */
		qsort(ret, f.count, sizeof(*ret), compare);
	return f.count;
}

size_t locate_controls(const struct locate_dirs *dirs, char (*ret)[LOCATE_PATH_MAX], size_t max)
{
	char prefix[140];
	size_t count = 0, len;

	locate_hostname(prefix, sizeof(prefix) - 8);
	len = strlen(prefix);
	len += (size_t)snprintf(prefix + len, sizeof(prefix) - len, "-proxy-");
	for (size_t i = 0; i < dirs->count; i++) {
		DIR *d = opendir(dirs->items[i]);
		struct dirent *e;

		if (!d)
			continue;
		while (count < max && (e = readdir(d)) != NULL) {
			const char *pid = e->d_name + len;

			if (strncmp(e->d_name, prefix, len) != 0 || *pid == '\0' ||
			    pid[strspn(pid, "0123456789")] ||
			    !is_socket(dirfd(d), e->d_name, (uid_t)-1))
				continue;
			if (snprintf(ret[count], LOCATE_PATH_MAX, "%s/%s", dirs->items[i],
			             e->d_name) < LOCATE_PATH_MAX)
				count++;
		}
		closedir(d);
	}
	return count;
}
