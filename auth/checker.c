/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/checker.c - the chain in a process of its own, see auth/checker.h. Guard, with its
 * privilege. System calls: fork, setpgid, prctl, poll, sendmsg, recvmsg, kill, wait4; in the
 * process all that modules need.
 */
#include "auth/checker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "auth/state.h"
#include "base/macros.h"

#define EXIT_CONFIG 2
#define LOOKUP_SEC 10

/* The configuration is at fault, or this process is: nobody gets in. */
static void deny_all(struct rpc_step *ret)
{
	*ret = (struct rpc_step){.kind = STEP_DENIED, .exit_code = EXIT_CONFIG};
	snprintf(ret->reason, sizeof(ret->reason), "authentication error");
	snprintf(ret->text, sizeof(ret->text), "cannot access sessions");
}

static int guard_fd; /* in the process: the guard */

/* The guard writes the log: of a process that may be gone by then, journald cannot tell the unit.
 */
static void remark(int priority, const char *text)
{
	struct rpc m = {.type = RPC_LOG, .log.priority = priority};

	snprintf(m.log.text, sizeof(m.log.text), "%s", text);
	(void)rpc_send(guard_fd, &m, -1);
}

static void warn_module(const struct auth_attempt *a, const char *text)
{
	(void)a;
	remark(LOG_WARNING, text);
}

static void log_remark(const struct rpc_log *log)
{
	if (log->priority == LOG_ERR)
		log_record(LOG_ERR, LOG_EVENT_CONFIG, NULL, 0, "%s", log->text);
	else
		log_message(LOG_WARNING, "%s", log->text);
}

static _Noreturn void run(struct guard *g, int fd, pid_t guard)
{
	static struct rpc m;
	struct chain *c = &g->chain;
	char err[RPC_TEXT_MAX] = "";
	int r;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != guard)
		_exit(1);
	for (int sig = SIGHUP; sig <= SIGTERM; sig++)
		(void)signal(sig, SIG_DFL); /* the guard's handlers speak for the guard */
	(void)signal(SIGPIPE, SIG_IGN);
	close(g->worker_fd);
	guard_fd = fd;
	c->warn = warn_module;
	r = chain_open(c, g->config, err);
	if (r < 0)
		remark(LOG_ERR, err);
	while (rpc_receive(fd, &m, NULL) == 0) {
		struct rpc answer = {.type = RPC_STEP};

		if (r < 0) {
			deny_all(&answer.step);
			snprintf(g->outcome->failure, sizeof(g->outcome->failure), "%.*s",
			         AUTH_ERROR_MAX - 1, err);
		} else {
			chain_step(c, &m, &answer.step);
		}
		rpc_wipe(&m);
		if (rpc_send(fd, &answer, -1) < 0)
			break;
		rpc_wipe(&answer);
	}
	_exit(0);
}

static int start(struct guard *g)
{
	pid_t self = getpid();
	int pair[2], r = rpc_pair(pair);

	if (r < 0)
		return r;
	g->checker.pid = fork();
	if (g->checker.pid < 0) {
		r = -errno;
		close(pair[0]);
		close(pair[1]);
		return r;
	}
	if (g->checker.pid == 0) {
		close(pair[0]);
		run(g, pair[1], self);
	}
	(void)setpgid(g->checker.pid, g->checker.pid); /* whichever of us is first */
	close(pair[1]);
	g->checker.fd = pair[0];
	return 0;
}

void checker_end(struct checker *c)
{
	if (c->fd < 0)
		return;
	close(take_fd(&c->fd));
	(void)kill(-c->pid, SIGKILL); /* and what modules have started */
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The worker has spoken while the checker is busy: it may only have remarks, or go. */
static int heed_worker(struct guard *g)
{
	struct rpc m;
	int r = rpc_receive(g->worker_fd, &m, NULL);

	if (r == 0)
		r = guard_heed(g, &m);
	rpc_wipe(&m);
	if (r == -EPIPE) {
		checker_end(&g->checker);
		snprintf(g->outcome->failure, sizeof(g->outcome->failure),
		         "module %s was given up, it had not answered",
		         g->outcome->module[0] ? g->outcome->module : "?");
	}
	return r;
}

static int wait_step(struct guard *g, struct rpc *ret)
{
	struct pollfd fds[] = {{.fd = g->worker_fd, .events = POLLIN},
	                       {.fd = g->checker.fd, .events = POLLIN}};

	for (;;) {
		int r = 0;

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[1].revents) {
			if (rpc_receive(g->checker.fd, ret, NULL) < 0)
				return -ECHILD;
			if (ret->type != RPC_LOG)
				return ret->type == RPC_STEP ? 0 : -ECHILD;
			log_remark(&ret->log);
		}
		if (fds[0].revents)
			r = heed_worker(g);
		if (r < 0)
			return r;
	}
}

int checker_step(struct guard *g, const struct rpc *request, struct rpc_step *ret)
{
	struct rpc answer;
	int r = g->checker.fd < 0 ? start(g) : 0;

	if (r == 0)
		r = rpc_send(g->checker.fd, request, -1) == 0 ? wait_step(g, &answer) : -ECHILD;
	if (r == 0) {
		*ret = answer.step;
	} else if (r == -ECHILD || r == -ENOMEM || r == -EAGAIN || r == -EMFILE) {
		deny_all(ret);
		ret->exit_code = 1;
		snprintf(g->outcome->failure, sizeof(g->outcome->failure),
		         "module %s: the process that asks it %s", g->outcome->module,
		         r == -ECHILD ? "has crashed" : "cannot be started");
		r = 0;
	}
	rpc_wipe(&answer);
	if (r < 0 || (ret->kind != STEP_CHALLENGE && ret->kind != STEP_FACT))
		checker_end(&g->checker);
	return r;
}

int checker_lookup(struct guard *g, char err[RPC_TEXT_MAX])
{
	int status = 0;
	pid_t pid;

	if (!g->waits)
		return g->config_error[0] ? -EINVAL : chain_look_up(&g->chain, err);
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGALRM, SIG_DFL);
		(void)alarm(LOOKUP_SEC);
		close(g->worker_fd);
		g->chain.warn = NULL;
		_exit(chain_open(&g->chain, g->config, err) < 0 ||
		      chain_look_up(&g->chain, err) < 0);
	}
	snprintf(err, RPC_TEXT_MAX, "cannot be looked up");
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && status == 0 ? 0 : -EIO;
}
