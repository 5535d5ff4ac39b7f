/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/connect.c - to a session's server, of any scheme. Runs in a child of the guard, as the
 * session's user, which may be killed at any time. System calls: those of session/locate.c, dial.c
 * and via.c; open, read, memfd_create, write; for ssh socketpair, pipe2, dup2, execve.
 */
#include "session/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/readfile.h"
#include "base/tunnel.h"
#include "session/choose.h"
#include "session/dial.h"
#include "session/via.h"

#define SSH "/usr/bin/ssh"
#define PATH_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:" /* as they are */
#define SSH_USEC_MIN (1 * USEC_PER_SEC) /* its timeout is in seconds */
#define BUFFER_BYTES (1 << 20)          /* one write of the relay fits, as with local sessions */

static const char *explain(int r)
{
	switch (-r) {
	case ENOENT:
		return "no live session there";
	case EPERM:
		return "the socket belongs to another user";
	case ELOOP:
		return "it leads back to a proxy";
	default:
		return strerror(-r);
	}
}

static int dial_host(const struct uri *u, const struct session_options *o, uint64_t deadline_usec,
                     char *err)
{
	static const char *const ports[] = {[VIA_SOCKS5] = "1080", [VIA_HTTP] = "8080"};
	const char *kind = o->via == VIA_HTTP ? "HTTP" : "SOCKS5", *why = NULL, *port;
	_cleanup_close_ int fd = -1;
	uint64_t timeout = deadline_usec - now_usec();
	char text[RPC_TEXT_MAX];
	int r;

	if (o->via == VIA_NOTHING) {
		r = dial_tcp(u->host, u->port, timeout, &why);
		if (r < 0)
			snprintf(err, RPC_TEXT_MAX, "%s", why ? why : explain(r));
		return r;
	}
	port = o->via_port[0] ? o->via_port : ports[o->via];
	fd = dial_tcp(o->via_host, port, timeout, &why);
	r = fd;
	if (fd < 0)
		snprintf(text, sizeof(text), "%s", why ? why : strerror(-fd));
	else
		r = via_connect(fd, o, u->host, u->port, deadline_usec, text);
	if (r < 0) {
		snprintf(err, RPC_TEXT_MAX, "%s proxy %.256s port %s: %.160s", kind, o->via_host,
		         port, text);
		return r;
	}
	return take_fd(&fd);
}

/* ---- files ---- */

static int write_all(int fd, const void *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0)
			return -errno;
		data = (const char *)data + n;
		len -= (size_t)n;
	}
	return 0;
}

/* Where one of the session's files is. */
static int find_file(const struct identity *id, const char *option, const char *file,
                     char path[READFILE_ERROR_MAX], char *err)
{
	bool home = file[0] == '~' && file[1] == '/';

	snprintf(path, READFILE_ERROR_MAX, "%s%s", home ? id->home : "", file + home);
	if (path[0] == '/')
		return 0;
	snprintf(err, RPC_TEXT_MAX, "%s=%s: neither / nor ~/ comes first", option, file);
	return -EINVAL;
}

/* ---- the key of xpra's own encryption ---- */

/* A session that is to be encrypted is not connected without it. */
static int read_key(const struct identity *id, const struct session_options *o,
                    struct connect_result *ret)
{
	char path[READFILE_ERROR_MAX], why[READFILE_ERROR_MAX];
	size_t len;
	int r;

	if (o->encryption == 0 && !o->encryption_keyfile[0])
		return 0;
	if (o->encryption == 0 || o->encryption == SESSION_ENCRYPTION_BAD ||
	    !o->encryption_keyfile[0]) {
		snprintf(ret->err, sizeof(ret->err),
		         "set the session options encryption=AES and encryption-keyfile=FILE "
		         "both, or neither");
		return -EINVAL;
	}
	r = find_file(id, "encryption-keyfile", o->encryption_keyfile, path, ret->err);
	if (r < 0)
		return r;
	r = readfile_key(path, (char *)ret->key.data, sizeof(ret->key.data), &len, why);
	if (r < 0)
		snprintf(ret->err, sizeof(ret->err), "encryption-keyfile: %s%s", why,
		         r == -EACCES ? "; the session's user must be able to" : "");
	else
		ret->key.len = (uint32_t)len;
	return r;
}

/* ---- ssl, ws, wss ---- */

/* Appends one of the session's files to the job, if there is one. */
static int add_file(const struct identity *id, const char *option, const char *file, int job_fd,
                    uint32_t *ret_size, char *err)
{
	char path[READFILE_ERROR_MAX], why[READFILE_ERROR_MAX], *data;
	size_t len;
	int r;

	if (!file[0])
		return 0;
	r = find_file(id, option, file, path, err);
	if (r < 0)
		return r;
	r = readfile_secret(path, TUNNEL_FILE_MAX, &data, &len, why);
	if (r < 0) {
		snprintf(err, RPC_TEXT_MAX, "%s: %s", option, why);
		return r;
	}
	r = write_all(job_fd, data, len);
	*ret_size = (uint32_t)len;
	readfile_free(data, len);
	return r;
}

/* What xproxy-tunnel needs to know, with the files that only this user may be able to read. */
static int make_job(const struct identity *id, const struct uri *u, const struct session_options *o,
                    uint64_t deadline_usec, char *err)
{
	const struct {
		const char *option, *file;
	} files[TUNNEL_FILES_] = {
		[TUNNEL_CA] = {"ssl-ca-certs", o->ssl_ca_certs},
		[TUNNEL_CRL] = {"ssl-crl", o->ssl_crl},
		[TUNNEL_CERT] = {"ssl-cert", o->ssl_cert},
		/* As xpra keeps them: in one file. */
		[TUNNEL_KEY] = {"ssl-key", o->ssl_key[0] ? o->ssl_key : o->ssl_cert},
	};
	const char *open = strchr(u->host, ':') ? "[" : "", *close = *open ? "]" : "";
	struct tunnel_job job = {
		.deadline_usec = deadline_usec,
		.tls = u->scheme == URI_SSL || u->scheme == URI_WSS,
		.websocket = u->scheme == URI_WS || u->scheme == URI_WSS,
		.unverified = o->ssl_unverified,
		.any_name = o->ssl_any_name,
	};
	_cleanup_close_ int fd = memfd_create("xproxy-tunnel", MFD_CLOEXEC);
	size_t colon = u->display[0] == ':';
	int r = fd < 0 ? -errno : write_all(fd, &job, sizeof(job));

	snprintf(job.host, sizeof(job.host), "%s",
	         o->ssl_server_hostname[0] ? o->ssl_server_hostname : u->host);
	/* Where xpra's clients put the display. */
	snprintf(job.path, sizeof(job.path), "/%s",
	         u->display[strspn(u->display, PATH_CHARACTERS)] ? "" : u->display + colon);
	snprintf(job.authority, sizeof(job.authority), "%s%s%s:%s", open, u->host, close, u->port);
	for (size_t i = 0; r == 0 && job.tls && i < TUNNEL_FILES_; i++)
		r = add_file(id, files[i].option, files[i].file, fd, &job.size[i], err);
	if (r == 0 && pwrite(fd, &job, sizeof(job), 0) != sizeof(job))
		r = -EIO;
	if (r == 0)
		return take_fd(&fd);
	if (!err[0])
		snprintf(err, RPC_TEXT_MAX, "%s", strerror(-r));
	return r;
}

/* ---- ssh ---- */

static int make_pairs(struct connect_result *r)
{
	int pair[2], fds[2];

	if (access(SSH, X_OK) < 0) {
		snprintf(r->err, sizeof(r->err), "%s: %s", SSH, strerror(errno));
		return -errno;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r->fd = pair[0];
	r->ssh_fd = pair[1];
	for (size_t i = 0; i < ARRAY_SIZE(pair); i++)
		(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &(int){BUFFER_BYTES}, sizeof(int));
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	r->also_fd = fds[0];
	r->ssh_err_fd = fds[1];
	return 0;
}

/* The far end's command, for a shell of any kind: where xpra's own clients look for it. The display
 * has nothing in it that a shell would take for more than a word: session/uri.c. */
static void far_command(const struct uri *u, char *buf, size_t size)
{
	snprintf(buf, size,
	         "sh -c 'for x in xpra \"$XDG_RUNTIME_DIR/xpra/run-xpra\" /usr/local/bin/xpra "
	         "\"$HOME/.xpra/run-xpra\"; do command -v \"$x\" >/dev/null 2>&1 && "
	         "exec \"$x\" _proxy %s; done; echo \"there is no xpra\" >&2; exit 127'",
	         u->display);
}

void connect_become_ssh(const struct config *c, const struct identity *id, const struct uri *u,
                        struct connect_result *r)
{
	/* Three quarters: it should say so itself before the one who waits for it gives up. */
	uint64_t timeout = c->sessions_connect_timeout_usec / 4 * 3;
	char command[512], home[sizeof(id->home) + 8], user[sizeof(id->name) + 8],
		logname[sizeof(id->name) + 8], runtime[sizeof(id->runtime_dir) + 20], within[40];
	/* Nothing of a terminal, of other connections, or of programs on this side. */
	const char *argv[40] = {SSH,  "-T",
	                        "-x", "-a",
	                        "-o", "BatchMode=yes",
	                        "-o", "StrictHostKeyChecking=yes",
	                        "-o", "ControlMaster=no",
	                        "-o", "ControlPath=none",
	                        "-o", "ClearAllForwardings=yes",
	                        "-o", "PermitLocalCommand=no",
	                        "-o", "ForkAfterAuthentication=no",
	                        "-o", "EscapeChar=none",
	                        "-o", "LogLevel=ERROR",
	                        "-o", within,
	                        "-p", u->port};
	char *const envp[] = {home,
	                      user,
	                      logname,
	                      runtime,
	                      (char *)(uintptr_t) "LANG=C.UTF-8",
	                      (char *)(uintptr_t) "PATH=/usr/local/bin:/usr/bin:/bin",
	                      NULL};
	size_t n = 0;

	far_command(u, command, sizeof(command));
	snprintf(within, sizeof(within), "ConnectTimeout=%llu",
	         (unsigned long long)(timeout < SSH_USEC_MIN ? 1 : timeout / USEC_PER_SEC));
	snprintf(home, sizeof(home), "HOME=%s", id->home[0] ? id->home : "/");
	snprintf(user, sizeof(user), "USER=%s", id->name);
	snprintf(logname, sizeof(logname), "LOGNAME=%s", id->name);
	snprintf(runtime, sizeof(runtime), "XDG_RUNTIME_DIR=%s", id->runtime_dir);
	while (argv[n])
		n++;
	if (u->has_username) {
		argv[n++] = "-l";
		argv[n++] = u->username;
	}
	argv[n++] = "--";
	argv[n++] = u->host;
	argv[n++] = command;
	/* As for the others of the connection: the worker's last words still have to get through.
	 */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	if (dup2(r->ssh_fd, 0) < 0 || dup2(r->ssh_fd, 1) < 0 || dup2(r->ssh_err_fd, 2) < 0)
		return;
	(void)close_range(3, ~0U, 0);
	(void)execve(SSH, (char *const *)(uintptr_t)argv, envp);
}

/* ---- all ---- */

static int connect_local(const struct config *c, const struct identity *id, const struct uri *u,
                         uint64_t timeout, struct connect_result *ret)
{
	struct locate_dirs dirs;

	if (u->scheme == URI_DISPLAY) {
		locate_dirs(c, id, &dirs);
		return locate_connect(&dirs, id, u->display, timeout, ret->path);
	}
	/* Listed by name: its permissions decide; nobody owns an abstract one. */
	snprintf(ret->path, sizeof(ret->path), "%.*s", LOCATE_PATH_MAX - 1, u->path);
	return locate_connect_path(u->path, u->path[0] == '@' ? id->uid : (uid_t)-1, timeout);
}

int connect_session(const struct config *c, const struct identity *id, const struct uri *u,
                    const struct session_options *o, struct connect_result *ret)
{
	uint64_t timeout = c->sessions_connect_timeout_usec, deadline = now_usec() + timeout;
	int r = -ELOOP;

	*ret = (struct connect_result){.fd = -1, .also_fd = -1, .ssh_fd = -1, .ssh_err_fd = -1};
	if (choose_is_proxy(u))
		goto out;
	r = read_key(id, o, ret);
	if (r < 0)
		goto out;
	switch (u->scheme) {
	case URI_DISPLAY:
	case URI_SOCKET:
		r = connect_local(c, id, u, timeout, ret);
		break;
	case URI_TCP:
		r = dial_host(u, o, deadline, ret->err);
		break;
	case URI_SSL:
	case URI_WS:
	case URI_WSS: /* files first: they are quick */
		r = ret->also_fd = make_job(id, u, o, deadline, ret->err);
		if (r >= 0)
			r = dial_host(u, o, deadline, ret->err);
		break;
	case URI_VSOCK:
		r = dial_vsock(u->host, u->port, timeout);
		break;
	case URI_SSH:
		return make_pairs(ret);
	}
	ret->fd = r;
out:
	if (r < 0 && !ret->err[0])
		snprintf(ret->err, sizeof(ret->err), "%s", explain(r));
	return r < 0 ? r : 0;
}
