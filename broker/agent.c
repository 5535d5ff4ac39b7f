/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/agent.c - what the broker agent is asked, and how. xproxy-x2gobroker, without privilege.
 *
 * The stock agent, where it is sshd's forced command, cuts what ssh was given at the first
 * semicolon, looks for ".../x2go/x2gobroker-agent " with a blank right behind it and gives the rest
 * to sh: so the path stands there without quotes, and there is no semicolon in anything. Its own
 * calls of sed, tee and sudo have their own ideas of other characters.
 * System calls: those of broker/process.c; access.
 */
#include "broker/agent.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "broker/process.h"

#define SSH "/usr/bin/ssh"
#define ARGV_MAX 48
#define WORDS_MAX 8 /* of AgentCommand= */
#define ARGS_MAX 2
#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
#define NAME_SIGNS PLAIN "@+-"
#define PATH_SIGNS NAME_SIGNS "/"
#define FILE_SIGNS PATH_SIGNS "%"
#define KEY_SIGNS FILE_SIGNS " =,:\""
#define ADDRESS_SIGNS PLAIN ":-"

/* Everything a call's argv points into. */
struct command {
	char agent[sizeof(((struct x2go_setup *)0)->agent_command)];
	const char *words[WORDS_MAX + 1];
	char remote[8192];
	char port[16], timeout[32];
	const char *argv[ARGV_MAX];
	size_t argc;
};

static const struct task {
	const char *name;
	const char *args[ARGS_MAX]; /* the signs that each may have */
} tasks[] = {
	{"ping", {NULL}},
	{"availabletasks", {NULL}},
	{"listsessions", {NULL}},
	{"getservers", {NULL}},
	{"findbusyservers", {NULL}},
	{"checkload", {NULL}},
	{"suspendsession", {NAME_SIGNS}},
	{"terminatesession", {NAME_SIGNS}},
	{"addauthkey", {KEY_SIGNS, FILE_SIGNS}},
	{"delauthkey", {KEY_SIGNS, FILE_SIGNS}},
};

/* Tried in this order. */
static const char *const keys[] = {".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"};

__attribute__((format(printf, 3, 4))) static int fail(struct agent_call *c, int r, const char *fmt,
                                                      ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->err, sizeof(c->err), fmt, ap);
	va_end(ap);
	return r;
}

/* ---- what may be said ---- */

/* A leading '-' would be an option to somebody. */
static bool is_made_of(const char *text, const char *signs)
{
	return text[0] && text[0] != '-' && text[strspn(text, signs)] == '\0';
}

static int refuse(struct agent_call *c, const char *what, const char *text)
{
	char escaped[100];

	log_escape(text, strlen(text), escaped, sizeof(escaped));
	return fail(c, -EINVAL, "%s '%s' will not be told to an agent", what, escaped);
}

static int check(struct agent_call *c)
{
	const struct task *t = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
		if (strcmp(tasks[i].name, c->task) == 0)
			t = tasks + i;
	if (!t)
		return refuse(c, "the task", c->task);
	if (!is_made_of(c->user, NAME_SIGNS))
		return refuse(c, "the user's name", c->user);
	for (size_t i = 0; i < ARGS_MAX && t->args[i]; i++) {
		const char *arg = c->args && (i == 0 || c->args[0]) ? c->args[i] : NULL;

		if (!arg || !is_made_of(arg, t->args[i]))
			return refuse(c, "the argument", arg ? arg : "");
	}
	return 0;
}

static size_t arg_count(const struct agent_call *c)
{
	for (const struct task *t = tasks; t < tasks + ARRAY_SIZE(tasks); t++)
		if (strcmp(t->name, c->task) == 0)
			return t->args[0] ? t->args[1] ? 2 : 1 : 0;
	return 0;
}

/* AgentCommand=, a path and maybe arguments, which may be `sudo -n -g x2gobroker /usr/lib/...`. */
static int read_command(const struct agent *a, struct agent_call *c, struct command *cmd)
{
	char *state = NULL;
	size_t n = 0;

	snprintf(cmd->agent, sizeof(cmd->agent), "%s", a->setup->agent_command);
	if (cmd->agent[0] != '/' || cmd->agent[strspn(cmd->agent, PATH_SIGNS " ")])
		return fail(c, -EINVAL, "the agent's command is not a path");
	for (char *word = strtok_r(cmd->agent, " ", &state); word;
	     word = strtok_r(NULL, " ", &state)) {
		if (n == WORDS_MAX)
			return fail(c, -EINVAL, "the agent's command has too many words");
		cmd->words[n++] = word;
	}
	return 0;
}

/* ---- how it is said ---- */

static void add(struct command *cmd, const char *word)
{
	if (cmd->argc < ARGV_MAX - 1)
		cmd->argv[cmd->argc++] = word;
}

static void add_local(const struct agent_call *c, struct command *cmd)
{
	for (size_t i = 0; cmd->words[i]; i++)
		add(cmd, cmd->words[i]);
	add(cmd, c->user);
	add(cmd, c->task);
	for (size_t i = 0, n = arg_count(c); i < n; i++)
		add(cmd, c->args[i]);
}

/* In words for the far side's shell. What needs no quotes has none, see above; there is no quote in
 * any of it. */
static int write_remote(const struct agent_call *c, struct command *cmd)
{
	struct command local = {0};
	size_t len = 0;

	memcpy(local.words, cmd->words, sizeof(local.words));
	add_local(c, &local);
	for (size_t i = 0; i < local.argc && len < sizeof(cmd->remote); i++) {
		const char *word = local.argv[i], *blank = i > 0 ? " " : "";
		const char *quote = word[strspn(word, PATH_SIGNS)] ? "'" : "";

		len += (size_t)snprintf(cmd->remote + len, sizeof(cmd->remote) - len, "%s%s%s%s",
		                        blank, quote, word, quote);
	}
	return len < sizeof(cmd->remote) ? 0 : -E2BIG;
}

/* Those that there are; how many. Relative names: we are in State= then, whose path may have any
 * characters. */
static size_t add_keys(const char *state, struct command *cmd)
{
	char path[sizeof(((struct x2go_setup *)0)->state) + 32];
	size_t found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		snprintf(path, sizeof(path), "%s/%s", state, keys[i]);
		if (access(path, R_OK) < 0)
			continue;
		found++;
		add(cmd, "-i");
		add(cmd, keys[i]);
	}
	return found;
}

/* Of the system's own settings none but its known hosts count. */
static int add_ssh(const struct agent *a, struct agent_call *c, uint64_t seconds,
                   struct command *cmd)
{
	static const char *const policies[] = {
		[X2GO_HOSTKEYS_KNOWN] = "-oStrictHostKeyChecking=yes",
		[X2GO_HOSTKEYS_ACCEPT_NEW] = "-oStrictHostKeyChecking=accept-new",
		[X2GO_HOSTKEYS_ANY] = "-oStrictHostKeyChecking=no",
	};
	static const char *const options[] = {
		SSH,
		"-F",
		"none",
		"-T",
		"-a",
		"-x",
		"-oBatchMode=yes",
		"-oConnectionAttempts=1",
		"-oPreferredAuthentications=publickey",
		"-oIdentitiesOnly=yes",
		"-oIdentityAgent=none",
		"-oClearAllForwardings=yes",
		"-oEscapeChar=none",
		"-oControlPath=none",
		"-oUpdateHostKeys=no",
		"-oLogLevel=ERROR",
		"-oUserKnownHostsFile=.ssh/known_hosts",
	};

	if (!c->address || !is_made_of(c->address, ADDRESS_SIGNS))
		return refuse(c, "the address", c->address ? c->address : "");
	if (c->port < 1 || c->port > 65535 || !is_made_of(a->setup->agent_user, NAME_SIGNS))
		return fail(c, -EINVAL, "no port, or no user, to ask an agent at");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		add(cmd, options[i]);
	add(cmd, policies[a->hostkeys <= X2GO_HOSTKEYS_ANY ? a->hostkeys : X2GO_HOSTKEYS_KNOWN]);
	if (add_keys(a->setup->state, cmd) == 0)
		return fail(c, -ENOKEY,
		            "there is no key to ask agents with: no .ssh/id_ed25519, "
		            "id_ecdsa or id_rsa in State=");
	snprintf(cmd->timeout, sizeof(cmd->timeout), "-oConnectTimeout=%u",
	         seconds > 60  ? 60
	         : seconds < 1 ? 1
	                       : (unsigned)seconds);
	snprintf(cmd->port, sizeof(cmd->port), "%u", c->port);
	add(cmd, cmd->timeout);
	add(cmd, "-l");
	add(cmd, a->setup->agent_user);
	add(cmd, "-p");
	add(cmd, cmd->port);
	add(cmd, "--");
	add(cmd, c->address);
	if (write_remote(c, cmd) < 0)
		return fail(c, -EINVAL, "too much for an agent to be told");
	add(cmd, cmd->remote);
	return 0;
}

static int make_command(const struct agent *a, struct agent_call *c, uint64_t usec,
                        struct command *cmd)
{
	int r = check(c);

	if (r == 0 && a->mode == X2GO_AGENT_NONE)
		r = fail(c, -EOPNOTSUPP, "there are no agents");
	if (r == 0)
		r = read_command(a, c, cmd);
	if (r < 0)
		return r;
	if (a->mode == X2GO_AGENT_SSH)
		return add_ssh(a, c, usec / USEC_PER_SEC, cmd);
	add_local(c, cmd);
	return 0;
}

/* ---- the answer ---- */

/* The first line is "OK" and nothing else. Its exit code says nothing where it is a forced command,
 * which is run by a script that loses it. */
static int read_answer(struct agent_call *c, struct process *p)
{
	const char *where = c->address ? c->address : "this machine";
	char words[160];
	bool ok = p->output_len >= 2 && memcmp(p->output, "OK", 2) == 0 &&
	          (p->output_len == 2 || p->output[2] == '\n');
	size_t skip = p->output_len > 2 ? 3 : 2;

	while (p->words_len > 0 && strchr("\r\n ", p->words[p->words_len - 1]))
		p->words_len--;
	log_escape(p->words, p->words_len, words, sizeof(words));
	if (p->result == -ETIMEDOUT)
		return fail(c, -ETIMEDOUT, "the agent on %.64s has not answered in time", where);
	if (p->result == -E2BIG)
		return fail(c, -E2BIG, "the agent on %.64s says too much", where);
	if (p->result < 0)
		return fail(c, p->result == -EINTR ? -EIO : p->result, "the agent on %.64s: %s",
		            where, p->result == -EINTR ? "it was killed" : strerror(-p->result));
	if (!ok)
		return fail(c, -EPROTO, "the agent on %.64s has not said OK: '%s'", where, words);
	if (p->result > 0)
		return fail(c, -EIO, "the agent on %.64s has failed, %d: '%s'", where, p->result,
		            words);
	if (memchr(p->output, '\0', p->output_len))
		return fail(c, -EBADMSG, "the agent on %.64s has sent a zero byte", where);
	memmove(p->output, p->output + skip, p->output_len + 1 - skip);
	return 0;
}

void agent_run_all(const struct agent *a, struct agent_call *calls, size_t n)
{
	_cleanup_free_ struct command *commands = calloc(n ? n : 1, sizeof(*commands));
	_cleanup_free_ struct process *list = calloc(n ? n : 1, sizeof(*list));
	uint64_t now = now_usec(), until = a->deadline_usec;

	if (a->setup->agent_timeout_usec && until > now + a->setup->agent_timeout_usec)
		until = now + a->setup->agent_timeout_usec;
	for (size_t i = 0; i < n; i++) {
		calls[i].output = NULL;
		calls[i].err[0] = '\0';
		calls[i].result = -ENOMEM;
	}
	if (!commands || !list)
		return;
	for (size_t i = 0; i < n; i++) {
		struct agent_call *c = calls + i;

		c->result = i < AGENT_CALLS_MAX ? make_command(a, c, until > now ? until - now : 0,
		                                               commands + i)
		                                : fail(c, -E2BIG, "too many agents to ask");
		if (c->result == 0)
			list[i] = (struct process){
				.argv = commands[i].argv,
				.directory = a->setup->state,
			};
	}
	process_run_all(list, n, until);
	for (size_t i = 0; i < n; i++) {
		if (calls[i].result == 0)
			calls[i].result = read_answer(calls + i, list + i);
		if (calls[i].result == 0)
			calls[i].output = list[i].output;
		else
			free(list[i].output);
	}
}

int agent_run(const struct agent *agent, const char *address, unsigned port, const char *user,
              const char *task, const char *const *args, char **ret_output, char *err,
              size_t err_size)
{
	struct agent_call c = {
		.address = agent->mode == X2GO_AGENT_SSH ? address : NULL,
		.port = port,
		.user = user,
		.task = task,
		.args = args,
	};

	agent_run_all(agent, &c, 1);
	*ret_output = c.output;
	snprintf(err, err_size, "%s", c.err);
	return c.result;
}
