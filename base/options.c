/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/options.c - command line and inherited fds. Before the split, with all privilege.
 */
#include "base/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/sshd.h"

#define LISTEN_FD 3 /* sd_listen_fds(3) */

static void usage(FILE *f)
{
	fputs("usage: xproxy-conn [-c FILE] [-o Section.Key=VALUE]... [--ssh] [--check-config] "
	      "[--version] [--help]\n"
	      "Serves the one connection it is started with (fd 0, or fd 3 with LISTEN_FDS=1; with "
	      "--ssh sshd's). See xproxy-conn(8).\n",
	      f);
}

static int config_failed(const char *err)
{
	struct stat in, out;
	bool connected = fstat(STDIN_FILENO, &in) == 0 && S_ISSOCK(in.st_mode);
	bool same = connected && fstat(STDERR_FILENO, &out) == 0 && in.st_ino == out.st_ino &&
	            in.st_dev == out.st_dev;

	log_open("xproxy-conn", connected ? STDIN_FILENO : -1);
	if (!same)
		log_record(LOG_ERR, LOG_EVENT_CONFIG, NULL, 0, "%s", err);
	return -EINVAL;
}

/* What [Listen] and [Auth] say is for sockets: here sshd has done all of that. */
static void take_from_sshd(struct config *c)
{
	c->behind_sshd = true;
	c->listen_transports = TRANSPORT_TCP;
	c->listen_require_tls = false;
	c->listen_tls_client_optional = true;
	c->listen_proxy_protocol = false;
	c->listen_encryption = 0;
	c->listen_forwarded_for = false;
	c->limits_max_failures = 0;
}

/* The files, then what the command line adds. */
static int load(struct config *c, const char *file, bool ssh, const char *const overrides[],
                size_t n, char err[CONFIG_ERROR_MAX])
{
	int r = config_load(c, file, err);

	if (r == -EACCES && ssh && !file) { /* the machine's may hold a password */
		config_free(c);
		r = config_defaults(c);
	}
	if (r == 0 && ssh)
		r = config_override(c, "Auth.Module=", err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = config_override(c, overrides[i], err);
	if (r < 0 || !ssh)
		return r;
	take_from_sshd(c);
	if (c->auth_modules.count == 0)
		return 0;
	snprintf(err, CONFIG_ERROR_MAX,
	         "command line: Auth.Module= and --ssh: sshd has logged the user in");
	return -EINVAL;
}

int options_parse(int argc, char *argv[], struct config *c)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"option", required_argument, NULL, 'o'},
		{"check-config", no_argument, NULL, 'C'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{"ssh", no_argument, NULL, 'S'},
		{0},
	};
	const char *file = NULL, *overrides[32];
	size_t n_overrides = 0;
	char err[CONFIG_ERROR_MAX];
	bool check = false, ssh = false;
	int opt, r;

	while ((opt = getopt_long(argc, argv, "c:o:", longs, NULL)) != -1) {
		if (opt == 'c') {
			file = optarg;
		} else if (opt == 'o' && n_overrides < ARRAY_SIZE(overrides)) {
			overrides[n_overrides++] = optarg;
		} else if (opt == 'C') {
			check = true;
		} else if (opt == 'S') {
			ssh = true;
		} else if (opt == 'V') {
			return puts("xproxy-conn " XPROXY_VERSION), 1;
		} else if (opt == 'h') {
			return usage(stdout), 1;
		} else {
			return usage(stderr), -EINVAL;
		}
	}
	if (optind < argc)
		return usage(stderr), -EINVAL;
	r = load(c, file, ssh, overrides, n_overrides, err);
	if (r < 0)
		return config_failed(err);
	return check ? OPTIONS_CHECK : 0;
}

int options_connection(const struct config *c, int *ret_fd, struct peer *ret_peer)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	int r;

	*ret_fd = STDIN_FILENO;
	if (c->behind_sshd)
		return sshd_connection(ret_peer);
	if (fds && pid && strcmp(fds, "1") == 0 && strtol(pid, NULL, 10) == getpid())
		*ret_fd = LISTEN_FD;
	r = peer_from_fd(ret_peer, *ret_fd);
	if (r == -ENOTCONN)
		return 1; /* it left while we were being started */
	if (r < 0)
		fprintf(stderr,
		        "xproxy-conn: fd %d is not a connected stream socket: this is started by "
		        "xproxy.socket, or by systemd-socket-activate --accept\n",
		        *ret_fd);
	return r == -EPERM ? -EINVAL : r;
}

void options_forget_connection(int client_fd)
{
	struct stat client, other;
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool known = fstat(client_fd, &client) == 0;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (known && fd != client_fd && fstat(fd, &other) == 0 &&
		    other.st_dev == client.st_dev && other.st_ino == client.st_ino &&
		    (null_fd < 0 || dup2(null_fd, fd) < 0))
			close(fd);
	if (client_fd > STDERR_FILENO || null_fd < 0)
		close(client_fd);
	else
		(void)dup2(null_fd, client_fd);
	if (null_fd > STDERR_FILENO)
		close(null_fd);
}
