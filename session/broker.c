/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/broker.c - starts xproxy-x2gobroker and tells it what base/x2go.h has. Guard, privileged;
 * the program is a user of its own, to whom belong the tokens of X2Go's clients and the keys to
 * its servers, and nothing else.
 */
#include "session/broker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/socket.h"
#include "session/record.h"
#include "session/spawn.h"

#define VERDICT_USEC (10 * USEC_PER_SEC) /* it reads a small file, perhaps behind 31 others */

#define TEXT(to, from) snprintf(to, sizeof(to), "%s", from)

static void fill_setup(const struct config *c, struct x2go_setup *s)
{
	if (strcmp(c->x2go_profiles, "auth") != 0)
		TEXT(s->profiles, c->x2go_profiles);
	TEXT(s->state, c->x2go_state);
	TEXT(s->authid_file, c->x2go_authid_file);
	TEXT(s->agent_command, c->x2go_agent_command);
	TEXT(s->agent_user, c->x2go_agent_user);
	TEXT(s->authorized_keys, c->x2go_authorized_keys);
	s->agent = c->x2go_agent;
	s->hostkeys = c->x2go_agent_hostkeys;
	s->authid = c->x2go_authid;
	s->require_authid = c->x2go_require_authid;
	s->verify_address = c->x2go_verify_address;
	s->autologin = c->x2go_autologin;
	s->portscan = c->x2go_portscan;
	s->load_check = c->x2go_load_check;
	s->ignore_primary_group = c->x2go_ignore_primary_group;
	s->password_change = c->x2go_password_change;
	s->agent_timeout_usec = c->x2go_agent_timeout_usec;
	s->authid_timeout_usec = c->x2go_authid_timeout_usec;
	s->authid_grace_usec = c->x2go_authid_grace_usec;
	s->key_lifetime_usec = c->x2go_key_lifetime_usec;
	s->load_age_usec = c->x2go_load_age_usec;
	s->live_event_usec = c->x2go_events_usec;
}

static int find_user(const struct config *c, struct identity *ret, char *err)
{
	char why[RPC_TEXT_MAX];
	int r = identity_resolve(c, c->x2go_user, c->x2go_user, "", ret, why);

	if (r < 0)
		snprintf(err, RPC_TEXT_MAX,
		         "X2Go.User=%.100s: %.200s: create it with systemd-sysusers or useradd",
		         c->x2go_user, why);
	/* Where its keys to the servers are. */
	TEXT(ret->home, c->x2go_state);
	return r;
}

int broker_start(struct broker *b, const struct config *config, struct x2go_start *start, char *err)
{
	_cleanup_close_ int ours = -1, its = -1, out = -1, in = -1;
	struct identity id;
	int pair[2], r = find_user(config, &id, err);

	if (r < 0)
		return r;
	snprintf(err, RPC_TEXT_MAX, "out of file descriptors");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	its = pair[1];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	in = pair[0];
	out = pair[1];
	r = spawn_program(config,
	                  &(struct spawn){.name = "xproxy-x2gobroker",
	                                  .arg = "--answer",
	                                  .identity = &id,
	                                  .fds = (const int[]){its, out, STDERR_FILENO},
	                                  .count = 3},
	                  &b->pid);
	if (r < 0) {
		snprintf(err, RPC_TEXT_MAX, "cannot start xproxy-x2gobroker: %s",
		         r == -ENOENT ? "there is none beside xproxy-conn" : strerror(-r));
		return r;
	}
	fill_setup(config, &start->setup);
	b->fd = take_fd(&ours);
	b->answer_fd = take_fd(&in);
	r = socket_send(b->fd, start, sizeof(*start), -1);
	if (r < 0)
		snprintf(err, RPC_TEXT_MAX, "xproxy-x2gobroker: %s", strerror(-r));
	return r;
}

int broker_verdict(struct broker *b, struct x2go_verdict *ret, char *err)
{
	struct pollfd p = {.fd = b->fd, .events = POLLIN};
	uint64_t deadline = now_usec() + VERDICT_USEC;
	ssize_t n = -EAGAIN;
	int fd;

	while (n == -EAGAIN && now_usec() < deadline)
		if (poll(&p, 1, poll_timeout_msec(deadline)) > 0)
			n = socket_receive(b->fd, ret, sizeof(*ret), &fd);
	if (n == (ssize_t)sizeof(*ret) && memchr(ret->reason, 0, sizeof(ret->reason)))
		return 0;
	snprintf(err, RPC_TEXT_MAX, "xproxy-x2gobroker %s",
	         n == -EAGAIN ? "does not answer" : "has ended; its own message says why");
	return n == -EAGAIN ? -ETIMEDOUT : -EPROTO;
}

int broker_go(struct broker *b, const struct x2go_login *login)
{
	return socket_send(b->fd, login, sizeof(*login), -1);
}

void broker_end(struct broker *b)
{
	if (b->pid <= 0)
		return;
	if (b->fd >= 0)
		close(take_fd(&b->fd));
	if (b->answer_fd >= 0)
		close(take_fd(&b->answer_fd));
	/* It may belong to another user than we do by now, and ends by itself when nobody reads. */
	(void)waitpid(b->pid, NULL, WNOHANG);
	b->pid = 0;
}
