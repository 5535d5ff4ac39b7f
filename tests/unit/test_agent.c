/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Broker agents, here and by ssh with a real sshd: what reaches them, what does not, and what
 * becomes of those that do not answer as they should.
 */
#include "tests/unit/test.h"

#include "tests/unit/agent_rig.h"

#define KEY_LINE                                                                                \
	"restrict,pty,port-forwarding,from=\"192.0.2.1,2001:db8::1\",expiry-time=\"20271231\" " \
	"ssh-rsa AAAAB3NzaC1yc2E/+AAA== bob@192.0.2.1"
#define KEY_FILE "%h/.x2go/authorized_keys"

static char *output;
static char err[AGENT_ERROR_MAX];

static int run(const char *user, const char *task, const char *first, const char *second)
{
	const char *const args[] = {first, second, NULL};

	free(output);
	return agent_run(&rig_agent, "127.0.0.1", rig_port, user, task, args, &output, err,
	                 sizeof(err));
}

/* What a call must look like to the agent, whatever there is on the way. */
static void check_calls(void)
{
	rig_write("listsessions", "one\ntwo\n");
	CHECK_EQ(run("b-o_b.1@x+y", "listsessions", NULL, NULL), 0);
	CHECK_STR(output, "one\ntwo\n");
	CHECK_STR(err, "");
	CHECK_EQ(run("bob", "suspendsession", "bob-50-1795158914_stRxterm_dp24", NULL), 0);
	CHECK_STR(output, "");
	CHECK_EQ(run("bob", "addauthkey", KEY_LINE, KEY_FILE), 0);
	CHECK_EQ(run("bob", "delauthkey", KEY_LINE, "/etc/x/%u"), 0);
	CHECK_STR(rig_read("argv"), "<b-o_b.1@x+y><listsessions>\n"
	                            "<bob><suspendsession><bob-50-1795158914_stRxterm_dp24>\n"
	                            "<bob><addauthkey><" KEY_LINE "><" KEY_FILE ">\n"
	                            "<bob><delauthkey><" KEY_LINE "></etc/x/%u>\n");
}

/* What must not get anywhere. */
static void check_refusals(void)
{
	static const char *const nasty[] = {
		"",
		"-x",
		"a b",
		"a;touch %s/canary",
		"$(touch %s/canary)",
		"`touch %s/canary`",
		"a|b",
		"a&b",
		"a>%s/canary",
		"a'b",
		"a\"b\"",
		"a\\b",
		"a\nb",
		"a\tb",
		"a*",
		"a!b",
		"~",
		"{a,b}",
		"#a",
		"a\x80",
		"a^b",
		"a[b]",
		"a(b)",
		"a?",
		"a<b",
		"a'; touch %s/canary; '",
		"\xc3\xa4",
		"a\rb",
		"a=b;c",
	};
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(nasty); i++) {
		snprintf(text, sizeof(text), "%s", nasty[i]);
		if (strstr(nasty[i], "%s")) {
			size_t at = (size_t)(strstr(nasty[i], "%s") - nasty[i]);

			snprintf(text, sizeof(text), "%.*s%s%s", (int)at, nasty[i], rig,
			         nasty[i] + at + 2);
		}
		test_note("%s", text);
		CHECK_EQ(run(text, "listsessions", NULL, NULL), -EINVAL);
		CHECK(!output && err[0] && !strpbrk(err, "\n\t\r"));
		CHECK_EQ(run("bob", text, NULL, NULL), -EINVAL);
		CHECK_EQ(run("bob", "suspendsession", text, NULL), -EINVAL);
		CHECK_EQ(run("bob", "terminatesession", text, NULL), -EINVAL);
		CHECK_EQ(run("bob", "addauthkey", KEY_LINE, text), -EINVAL);
		if (strcmp(text, "a b") != 0 && strcmp(text, "a\"b\"") != 0)
			CHECK_EQ(run("bob", "addauthkey", text, KEY_FILE), -EINVAL);
	}
	test_note("%s", "");
	CHECK_EQ(run("bob", "suspendsession", NULL, NULL), -EINVAL);
	CHECK_EQ(run("bob", "addauthkey", KEY_LINE, NULL), -EINVAL);
	CHECK_EQ(run("bob", "rm", NULL, NULL), -EINVAL);
	CHECK(!rig_exists("argv"));
	CHECK(!rig_exists("canary"));
}

TEST(local_calls)
{
	rig_begin(X2GO_AGENT_LOCAL);
	check_calls();
}

TEST(local_refusals)
{
	rig_begin(X2GO_AGENT_LOCAL);
	check_refusals();
}

TEST(answers)
{
	rig_begin(X2GO_AGENT_LOCAL);
	CHECK_EQ(run("bare", "ping", NULL, NULL), 0);
	CHECK_STR(output, "");
	CHECK_EQ(run("okay", "ping", NULL, NULL), -EPROTO);
	CHECK_EQ(run("bad", "ping", NULL, NULL), -EPROTO);
	CHECK(strstr(err, "no such \\x22user\\x22\\x0a\\x1b[1m"));
	CHECK_EQ(run("fail", "ping", NULL, NULL), -EIO);
	CHECK_EQ(run("dies", "ping", NULL, NULL), -EIO);
	CHECK_EQ(run("zero", "ping", NULL, NULL), -EBADMSG);
	CHECK_EQ(run("loud", "ping", NULL, NULL), -E2BIG);
	CHECK(!output);
}

/* A command with arguments of its own, and commands that are none. */
TEST(commands)
{
	char agent[200];

	rig_begin(X2GO_AGENT_LOCAL);
	snprintf(agent, sizeof(agent), "%.199s", rig_setup.agent_command);
	snprintf(rig_setup.agent_command, sizeof(rig_setup.agent_command),
	         "/usr/bin/env -u HOME %s", agent);
	CHECK_EQ(run("bob", "ping", NULL, NULL), 0);
	CHECK_STR(rig_read("argv"), "<bob><ping>\n");
	snprintf(rig_setup.agent_command, sizeof(rig_setup.agent_command), "/nonexistent");
	CHECK_EQ(run("bob", "ping", NULL, NULL), -EPROTO);
	CHECK(strstr(err, "cannot be run: No such file"));
	snprintf(rig_setup.agent_command, sizeof(rig_setup.agent_command), "agent");
	CHECK_EQ(run("bob", "ping", NULL, NULL), -EINVAL);
	snprintf(rig_setup.agent_command, sizeof(rig_setup.agent_command), "/x;reboot");
	CHECK_EQ(run("bob", "ping", NULL, NULL), -EINVAL);
	snprintf(rig_setup.agent_command, sizeof(rig_setup.agent_command), "/a b c d e f g h i");
	CHECK_EQ(run("bob", "ping", NULL, NULL), -EINVAL);
	rig_agent.mode = X2GO_AGENT_NONE;
	CHECK_EQ(run("bob", "ping", NULL, NULL), -EOPNOTSUPP);
}

/* Nothing of it is left, nor of what it has started. */
TEST(too_late)
{
	uint64_t begin;
	pid_t sleeper;

	rig_begin(X2GO_AGENT_LOCAL);
	rig_remove("sleeper");
	rig_setup.agent_timeout_usec = 400 * USEC_PER_MSEC;
	begin = now_usec();
	CHECK_EQ(run("slow", "ping", NULL, NULL), -ETIMEDOUT);
	CHECK(now_usec() - begin >= 400 * USEC_PER_MSEC && now_usec() - begin < 3 * USEC_PER_SEC);
	sleeper = (pid_t)strtol(rig_read("sleeper"), NULL, 10);
	CHECK(sleeper > 1);
	for (int i = 0; i < 100 && kill(sleeper, 0) == 0; i++)
		usleep(20000); /* whoever adopts it has to notice */
	CHECK_EQ(kill(sleeper, 0), -1);
	rig_setup.agent_timeout_usec = 0;
	rig_agent.deadline_usec = now_usec() - 1;
	CHECK_EQ(run("slow", "ping", NULL, NULL), -ETIMEDOUT);
}

TEST(side_by_side)
{
	struct agent_call calls[AGENT_CALLS_MAX + 1];
	uint64_t begin;

	rig_begin(X2GO_AGENT_LOCAL);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		calls[i] = (struct agent_call){.user = "late", .task = "ping"};
	calls[1].user = "-";
	calls[2].user = "bad";
	begin = now_usec();
	agent_run_all(&rig_agent, calls, 6);
	CHECK(now_usec() - begin < 6 * 600 * USEC_PER_MSEC);
	for (size_t i = 0; i < 6; i++) {
		CHECK_EQ(calls[i].result, i == 1 ? -EINVAL : i == 2 ? -EPROTO : 0);
		CHECK_EQ(!calls[i].output, i == 1 || i == 2);
		free(calls[i].output);
	}
	rig_agent.mode = X2GO_AGENT_NONE; /* not as many processes */
	agent_run_all(&rig_agent, calls, ARRAY_SIZE(calls));
	CHECK_EQ(calls[0].result, -EOPNOTSUPP);
	CHECK_EQ(calls[AGENT_CALLS_MAX].result, -E2BIG);
	agent_run_all(&rig_agent, calls, 0);
}

/* ---- by ssh ---- */

TEST(ssh_without_a_key)
{
	rig_begin(X2GO_AGENT_SSH);
	rig_port = 22;
	CHECK_EQ(run("bob", "ping", NULL, NULL), -ENOKEY);
	rig_port = 0;
}

TEST(ssh_forced_command)
{
	rig_begin(X2GO_AGENT_SSH);
	rig_start_sshd();
	check_calls();
	/* The script has lost the exit code. */
	CHECK_EQ(run("bad", "ping", NULL, NULL), -EPROTO);
	CHECK(strstr(err, "no such \\x22user\\x22"));
}

TEST(ssh_shell)
{
	rig_begin(X2GO_AGENT_SSH);
	rig_start_sshd();
	rig_authorize(false);
	check_calls();
	CHECK_EQ(run("fail", "ping", NULL, NULL), -EIO);
}

TEST(ssh_refusals)
{
	static const char *const addresses[] = {
		"", "-oProxyCommand=touch", "a b", "a;b", "u@h", "ssh://h", "$(x)", "h/", "a%b"};

	rig_begin(X2GO_AGENT_SSH);
	rig_start_sshd();
	check_refusals();
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		free(output);
		CHECK_EQ(agent_run(&rig_agent, addresses[i], 22, "bob", "ping", NULL, &output, err,
		                   sizeof(err)),
		         -EINVAL);
	}
	CHECK_EQ(agent_run(&rig_agent, "h", 0, "bob", "ping", NULL, &output, err, sizeof(err)),
	         -EINVAL);
	CHECK_EQ(agent_run(&rig_agent, "h", 65536, "bob", "ping", NULL, &output, err, sizeof(err)),
	         -EINVAL);
	snprintf(rig_setup.agent_user, sizeof(rig_setup.agent_user), "-oX");
	CHECK_EQ(run("bob", "ping", NULL, NULL), -EINVAL);
}

TEST(ssh_host_keys)
{
	char known[4096], *changed;

	rig_begin(X2GO_AGENT_SSH);
	rig_start_sshd();
	rig_remove("a state/.ssh/known_hosts");
	rig_agent.hostkeys = X2GO_HOSTKEYS_KNOWN;
	CHECK_EQ(run("bob", "ping", NULL, NULL), -EPROTO);
	CHECK(strstr(err, "Host key verification failed"));
	CHECK(!rig_exists("argv"));
	rig_agent.hostkeys = X2GO_HOSTKEYS_ACCEPT_NEW;
	CHECK_EQ(run("bob", "ping", NULL, NULL), 0);
	rig_agent.hostkeys = X2GO_HOSTKEYS_KNOWN;
	CHECK_EQ(run("bob", "ping", NULL, NULL), 0);
	/* Now it is another's. */
	rig_remove("other");
	rig_make_key("other", "ed25519");
	snprintf(known, sizeof(known), "[127.0.0.1]:%u %s", rig_port, rig_read("other.pub"));
	changed = known;
	rig_write("a state/.ssh/known_hosts", "%s", changed);
	CHECK_EQ(run("bob", "ping", NULL, NULL), -EPROTO);
	rig_agent.hostkeys = X2GO_HOSTKEYS_ACCEPT_NEW;
	CHECK_EQ(run("bob", "ping", NULL, NULL), -EPROTO);
	rig_agent.hostkeys = X2GO_HOSTKEYS_ANY;
	CHECK_EQ(run("bob", "ping", NULL, NULL), 0);
	rig_remove("a state/.ssh/known_hosts");
}

/* Somebody who takes the connection and says nothing. */
TEST(ssh_silence)
{
	unsigned port = 0;
	uint64_t begin = now_usec();
	int fd;

	rig_begin(X2GO_AGENT_SSH);
	rig_start_sshd();
	fd = rig_listen("127.0.0.1", &port, true);
	rig_setup.agent_timeout_usec = 700 * USEC_PER_MSEC;
	free(output);
	CHECK_EQ(agent_run(&rig_agent, "127.0.0.1", port, "bob", "ping", NULL, &output, err,
	                   sizeof(err)),
	         -ETIMEDOUT);
	CHECK(now_usec() - begin < 4 * USEC_PER_SEC);
	close(fd);
	rig_setup.agent_timeout_usec = 5 * USEC_PER_SEC;
	CHECK_EQ(agent_run(&rig_agent, "127.0.0.1", port, "bob", "ping", NULL, &output, err,
	                   sizeof(err)),
	         -EPROTO);
	CHECK(strstr(err, "Connection refused"));
}
