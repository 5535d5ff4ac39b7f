/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xproxy-conn.c - one accepted connection. Runs as root under systemd; the client is fd 0, or fd 3
 * with LISTEN_FDS=1. Or as the user whom sshd has logged in (--ssh): then all of it is that user.
 *
 * It splits at once: the worker owns the client and has no privilege, the guard has the privilege
 * and never sees a byte from the network. Read auth/guard.c and relay/worker.c next.
 */
#include <errno.h>
#include <signal.h>

#include "auth/guard.h"
#include "auth/penalty.h"
#include "base/frame.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/options.h"
#include "base/rpc.h"
#include "base/sandbox.h"
#include "relay/encryption.h"
#include "relay/secure.h"
#include "relay/worker.h"

int main(int argc, char *argv[])
{
	static struct config config; /* in .bss: lives as long as both processes */
	static struct peer peer;
	struct stats *stats;
	int client_fd, frames_fd, pair[2], r;
	pid_t worker;
	uid_t uid;
	gid_t gid;

	r = options_parse(argc, argv, &config);
	if (r == OPTIONS_CHECK)
		return secure_check(&config) < 0 || encryption_check(&config) < 0
		               ? EXIT_CONFIG
		               : guard_check(&config);
	if (r != 0)
		return r < 0 ? EXIT_CONFIG : EXIT_OK;
	r = options_connection(&config, &client_fd, &peer);
	if (r != 0)
		return r > 0 ? EXIT_OK : r == -EPERM ? EXIT_REFUSED : EXIT_CONFIG;
	if (!config.behind_sshd) /* else that is done */
		log_open("xproxy-conn", client_fd);
	(void)signal(SIGPIPE, SIG_IGN);
	if (penalty_turns_away(&config, &peer, client_fd))
		return EXIT_REFUSED;
	stats = stats_map();
	if (!stats || rpc_pair(pair) < 0)
		return log_message(LOG_ERR, "out of memory or file descriptors"), EXIT_INTERNAL;
	frames_fd = config.encode_encoders.count > 0 ? frame_memory_new() : -1;
	r = sandbox_user(config.listen_user, &uid, &gid);
	if (r < 0)
		return log_message(LOG_ERR, "there is no unprivileged user to run as"),
		       EXIT_INTERNAL;
	if (r > 0)
		log_message(LOG_NOTICE,
		            "user '%s' does not exist, using 'nobody': create it with "
		            "systemd-sysusers or useradd, or set [Listen] User=",
		            config.listen_user);
	worker = fork();
	if (worker < 0)
		return log_message(LOG_ERR, "cannot fork: %m"), EXIT_INTERNAL;
	if (worker == 0) {
		close(pair[0]);
		worker_run(&config, &peer, uid, gid, client_fd, pair[1], frames_fd, stats);
	}
	close(pair[1]);
	options_forget_connection(client_fd);
	_exit(guard_run(&config, &peer, stats, pair[0], frames_fd, worker));
}
