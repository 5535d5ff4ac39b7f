/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/sshd.c - what sshd hands over: two pipes or a socket, the client's address and its command.
 * Before the split, as the user who has logged in. System calls: fstat, write, and those of
 * base/bridge.c.
 */
#include "base/sshd.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/bridge.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/sshcommand.h"

/* Started by another program than sshd, or with a terminal. */
static int misused(const char *words)
{
	fprintf(stderr, "xproxy-conn: %s\n", words);
	return -EINVAL;
}

static int refuse(const struct peer *peer, const char *words)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *user = pw ? pw->pw_name : "";
	const struct log_field fields[] = {{"XPROXY_USER", user}, {"XPROXY_PEER", peer->text}};

	log_record(LOG_NOTICE, LOG_EVENT_REFUSED, fields, ARRAY_SIZE(fields),
	           "refused: user '%s' from %s: %s", user, peer->text, words);
	return -EPERM;
}

/* "192.0.2.1 5000 192.0.2.2 22"; "UNKNOWN" if sshd itself has no socket, which is no reason to
 * refuse.
 */
static void find_peer(const char *connection, struct peer *ret)
{
	char address[64];
	unsigned port;
	struct netaddr_range range;
	bool known = sscanf(connection, "%63s %u", address, &port) == 2 && port <= UINT16_MAX;

	if (known) {
		address[strcspn(address, "%")] = '\0'; /* fe80::1%eth0 */
		known = netaddr_parse_range(address, &range) == 0 && range.first.family != AF_UNIX;
	}
	if (known)
		peer_from_address(ret, &range.first, (uint16_t)port);
	else
		snprintf(ret->text, sizeof(ret->text), "ssh");
	ret->local_unix = true; /* nobody else can listen between sshd and us */
	ret->uid = getuid();
	ret->gid = getgid();
	ret->pid = getppid();
}

/* Whether there is a session to be found: as sshd_connection(). */
static int heed_command(const struct sshcommand *command, const struct peer *peer)
{
	switch (command->kind) {
	case SSHCOMMAND_ATTACH:
		return 0;
	case SSHCOMMAND_FIND:
		puts("xpra"); /* this program will be what that runs */
		return 1;
	case SSHCOMMAND_PROBE:
		return 1;
	case SSHCOMMAND_START:
		return refuse(peer, "this server starts no sessions over ssh: use 'xpra attach'");
	case SSHCOMMAND_OTHER:
	default:
		return refuse(peer, "only 'xpra attach ssh://...' is available to this user");
	}
}

static int take_pipes(void)
{
	struct stat in, out;

	if (fstat(STDIN_FILENO, &in) < 0 || fstat(STDOUT_FILENO, &out) < 0)
		return misused("standard input or output is closed");
	if (S_ISSOCK(in.st_mode))
		return 0;
	if (!S_ISFIFO(in.st_mode) || !S_ISFIFO(out.st_mode))
		return misused("standard input and output have to be sshd's");
	return bridge_pipes() < 0 ? misused("cannot connect to sshd's pipes") : 0;
}

int sshd_connection(struct peer *ret)
{
	const char *connection = getenv("SSH_CONNECTION");
	struct sshcommand command;
	int r;

	if (!connection)
		return misused("--ssh is for sshd, which says by SSH_CONNECTION who the "
		               "client is: see ForceCommand in xproxy-conn(8)");
	if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO))
		return misused("a terminal is not a connection: use 'xpra attach ssh://...', or "
		               "ssh -T");
	log_open_user("xproxy-conn");
	find_peer(connection, ret);
	if (geteuid() == 0)
		return refuse(ret, "sessions of root cannot be reached through a proxy");
	sshcommand_parse(getenv("SSH_ORIGINAL_COMMAND"), &command);
	r = heed_command(&command, ret);
	if (r == 0)
		r = take_pipes();
	snprintf(ret->wish, sizeof(ret->wish), "%s", command.display);
	return r;
}
