/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/x2go-probe.c - what the X2Go broker does with its State=, one thing at a time: gives a key
 * for one login, or sweeps them, with a program for an agent, which gets USER TASK LINE FILE as
 * x2gobroker-agent does; notes what a client reports, and prints what that is told.
 *
 *   x2go-probe offer STATE AGENT USER FILE LIFETIME EXPIRY PUBKEY    prints the private key
 *   x2go-probe sweep STATE AGENT SECONDS-FROM-NOW
 *   x2go-probe event STATE USER SESSION EVENT
 */
#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macros.h"
#include "broker/event.h"
#include "broker/key.h"

extern char **environ;

static int run_agent(void *arg, const struct x2go_setup *s, const struct key_target *t,
                     const char *task, const char *const *args, char *err, size_t err_size)
{
	const char *const argv[] = {arg, t->user, task, args[0], args[1], NULL};
	int status, r;
	pid_t pid;

	(void)s;
	r = posix_spawn(&pid, arg, NULL, NULL, (char *const *)argv, environ);
	if (r != 0 || waitpid(pid, &status, 0) != pid) {
		snprintf(err, err_size, "cannot run it");
		return -EIO;
	}
	snprintf(err, err_size, "status %d", status);
	return status == 0 ? 0 : -EREMOTEIO;
}

static int offer(char **argv, char *err, size_t err_size)
{
	struct x2go_setup setup = {.key_lifetime_usec = strtoul(argv[6], NULL, 10) * USEC_PER_SEC};
	struct key_target target = {.agent = X2GO_AGENT_LOCAL};
	const struct key_request q = {.setup = &setup,
	                              .user = "bob",
	                              .address = "192.0.2.1",
	                              .server = "localhost",
	                              .login = argv[4],
	                              .pubkey = argv[8],
	                              .expiry = keyline_expiry_of(argv[7]),
	                              .targets = {&target},
	                              .count = 1};
	char pem[KEYLINE_PEM_MAX];
	int r;

	snprintf(setup.state, sizeof(setup.state), "%s", argv[2]);
	snprintf(target.user, sizeof(target.user), "%s", argv[4]);
	snprintf(target.file, sizeof(target.file), "%s", argv[5]);
	/* As if it were earlier by what a key is allowed to live longer. */
	r = key_offer(&q, wall_usec() - 60 * USEC_PER_SEC, run_agent, argv[3], pem, err, err_size);
	fputs(pem, stdout);
	return r;
}

static int event(char **argv, char *err, size_t err_size)
{
	struct x2go_request q = {.task = X2GO_EVENT, .server = "tsa", .command = "xterm"};
	char order[EVENT_ORDER_MAX] = "";
	int r;

	snprintf(q.user, sizeof(q.user), "%s", argv[3]);
	snprintf(q.sid, sizeof(q.sid), "%s", argv[4]);
	snprintf(q.event, sizeof(q.event), "%s", argv[5]);
	r = event_record(argv[2], &q, "192.0.2.1", wall_usec(), err, err_size);
	if (r == 0)
		r = event_take_order(argv[2], &q, order, err, err_size);
	puts(order);
	return r;
}

int main(int argc, char **argv)
{
	struct key_swept swept;
	char err[256] = "";
	int r = -EINVAL;

	if (argc == 9 && strcmp(argv[1], "offer") == 0) {
		r = offer(argv, err, sizeof(err));
	} else if (argc == 6 && strcmp(argv[1], "event") == 0) {
		r = event(argv, err, sizeof(err));
	} else if (argc == 5 && strcmp(argv[1], "sweep") == 0) {
		r = key_sweep(argv[2], wall_usec() + strtoul(argv[4], NULL, 10) * USEC_PER_SEC,
		              now_usec() + 10 * USEC_PER_SEC, run_agent, argv[3], &swept, err,
		              sizeof(err));
		if (r == 0)
			printf("removed %u failed %u kept %u\n", swept.removed, swept.failed,
			       swept.kept);
	}
	if (r < 0)
		fprintf(stderr, "%s: %s\n", strerrorname_np(-r), err);
	return r < 0;
}
