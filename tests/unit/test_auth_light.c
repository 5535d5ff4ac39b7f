/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_auth_light.c - the modules that look at where a client comes from and what it
 * has said: peercred, capability, http-header, certificate, ratelimit; and exec, which asks.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/load.h"

static char err[AUTH_ERROR_MAX], warnings[4096];
static struct auth_row row;
static struct auth_attempt a;
static struct peer peer;

static void warn(const struct auth_attempt *attempt, const char *text)
{
	size_t n = strlen(warnings);

	(void)attempt;
	snprintf(warnings + n, sizeof(warnings) - n, "%s\n", text);
}

static int opened(const char *spec)
{
	struct auth_instance in = {0};
	int r;

	err[0] = '\0';
	r = auth_load(spec, &in, err);
	if (r == 0 && in.module->open)
		r = in.module->open(&in.options, err);
	auth_unload(&in);
	return r;
}

static void refused(const char *spec, const char *why)
{
	test_note("%s", spec);
	CHECK(opened(spec) < 0);
	if (!strstr(err, why))
		CHECK_STR(err, why);
	test_note("%s", "");
}

static int ask(const char *spec)
{
	struct auth_instance in = {0};
	int r;

	test_note("%s", spec);
	CHECK_EQ(opened(spec), 0);
	CHECK_EQ(auth_load(spec, &in, err), 0);
	a.options = &in.options;
	a.peer = &peer;
	a.warn = warn;
	a.error[0] = warnings[0] = '\0';
	if (!a.username)
		a.username = "alice";
	row = (struct auth_row){0};
	r = in.module->verify(&a, &row);
	CHECK((r < 0) == (a.error[0] != '\0'));
	auth_unload(&in);
	test_note("%s", "");
	return r;
}

/* ---- peercred ---- */

static void from_unix(uid_t uid, gid_t gid)
{
	peer = (struct peer){.local_unix = true, .uid = uid, .gid = gid, .net.family = AF_UNIX};
}

TEST(peercred)
{
	from_unix(4001, 4002);
	peer.group_count = 2;
	peer.groups[0] = 4002;
	peer.groups[1] = 4003;
	CHECK_EQ(ask("peercred"), 1);
	CHECK_STR(row.uid, "4001");
	CHECK_STR(row.gid, "4002");
	CHECK_STR(row.username, "4001"); /* it has no name on this machine */
	CHECK(!row.has_sessions);
	CHECK_EQ(ask("peercred(uid=4001)"), 1);
	CHECK_EQ(ask("peercred(uid=1:4001:2)"), 1);
	CHECK_EQ(ask("peercred(uid=400)"), 0);
	CHECK_STR(row.username, "");
	CHECK_EQ(ask("peercred(uid=root)"), 0);
	CHECK_EQ(ask("peercred(gid=4002)"), 1);
	CHECK_EQ(ask("peercred(gid=7:4003)"), 1); /* a supplementary one */
	CHECK_EQ(ask("peercred(gid=4004)"), 0);
	CHECK_EQ(ask("peercred(uid=4001,gid=4004)"), 0);
	CHECK_EQ(ask("peercred(uid=4000,gid=4003)"), 0);
	CHECK_EQ(ask("peercred(uid=4001,gid=4003)"), 1);
	CHECK_EQ(ask("peercred:uid=4001"), 1);
}

TEST(peercred_names)
{
	from_unix(0, 0);
	CHECK_EQ(ask("peercred(uid=root)"), 1);
	CHECK_STR(row.username, "root");
	CHECK_EQ(ask("peercred(gid=root)"), 1);
}

TEST(peercred_owner)
{
	from_unix(geteuid(), 4002);
	CHECK_EQ(ask("peercred(uid=4001)"), 1);
	CHECK_EQ(ask("peercred(uid=4001,allow-owner=yes)"), 1);
	CHECK_EQ(ask("peercred(uid=4001,allow-owner=no)"), 0);
}

TEST(peercred_cannot_tell)
{
	peer = (struct peer){.uid = (uid_t)-1, .gid = (gid_t)-1, .net.family = AF_INET};
	CHECK_EQ(ask("peercred"), -EPERM);
	CHECK(strstr(a.error, "unix socket"));
	CHECK_EQ(ask("peercred(uid=4294967294)"), -EPERM);
	from_unix(4001, 4002);
	peer.group_count = -1;
	CHECK_EQ(ask("peercred(gid=4002)"), 1);
	CHECK_EQ(ask("peercred(gid=4003)"), -EPERM);
	CHECK_EQ(ask("peercred(uid=4001)"), 1);
}

TEST(peercred_options)
{
	refused("peercred(uid=nosuchuser)", "'nosuchuser' is neither");
	refused("peercred(gid=nosuchgroup)", "'nosuchgroup' is neither");
	refused("peercred(uid=)", "'' is neither");
	refused("peercred(uid=0:)", "'' is neither");
	refused("peercred(uid=-1)", "'-1' is neither");
	refused("peercred(uid=4294967295)", "is neither");
	refused("peercred(uid=99999999999999999999999)", "is neither");
	refused("peercred(allow-owner=perhaps)", "allow-owner= is yes or no");
	refused("peercred(uids=1)", "has no option 'uids'");
}

/* ---- what it has said ---- */

static void said(const char *fact, bool forwarded)
{
	a = (struct auth_attempt){.facts[0] = fact, .forwarded = forwarded};
}

static void wants_fact(const char *spec, const char *name)
{
	struct auth_instance in = {0};
	char fact[AUTH_FACT_NAME_MAX] = "";

	CHECK_EQ(auth_load(spec, &in, err), 0);
	CHECK(in.module->fact(&in.options, 0, fact));
	CHECK_STR(fact, name);
	CHECK(!in.module->fact(&in.options, 1, fact));
	auth_unload(&in);
}

TEST(capability)
{
	wants_fact("capability(value=x)", "capability:display");
	wants_fact("capability(property=a.b,value=x)", "capability:a.b");
	said("x", false);
	CHECK_EQ(ask("capability(value=x)"), 1);
	CHECK_EQ(ask("capability(value=X)"), 0);
	CHECK_EQ(ask("capability(value=xy)"), 0);
	said("", false);
	CHECK_EQ(ask("capability(value=x)"), 0);
	said(NULL, false);
	CHECK_EQ(ask("capability(value=x)"), 0);
	refused("capability", "needs value=");
	refused("capability(property=x)", "needs value=");
	refused("capability(value=x,property=)", "needs value=");
	refused("capability(value=a,s3cr3t)", "option 2 has no '='");
}

TEST(http_header)
{
	wants_fact("http-header", "header:X-Forwarded-Proto");
	wants_fact("http-header(property=X-User,value=1)", "header:X-User");
	said("https", true);
	CHECK_EQ(ask("http-header"), 1);
	CHECK_EQ(ask("http-header(value=http)"), 0);
	said(NULL, true);
	CHECK_EQ(ask("http-header"), 0);
	said("https", false); /* anybody can say that */
	CHECK_EQ(ask("http-header"), -EPERM);
	CHECK(strstr(a.error, "TrustedProxies="));
	refused("http-header(value=)", "needs value=");
}

TEST(certificate)
{
	static char longer[AUTH_USERNAME_MAX + 1];

	wants_fact("certificate", "certificate:cn");
	wants_fact("certificate(field=email)", "certificate:email");
	said("alice", false);
	CHECK_EQ(ask("certificate"), 1);
	CHECK_STR(row.username, "alice");
	CHECK(!row.has_sessions && !row.uid[0]);
	said(NULL, false);
	CHECK_EQ(ask("certificate"), -EPERM);
	CHECK(strstr(a.error, "no certificate"));
	said("", false);
	CHECK_EQ(ask("certificate"), -EPERM);
	said("/etc/passwd", false);
	CHECK_EQ(ask("certificate"), -EPERM);
	said("a\nb", false);
	CHECK_EQ(ask("certificate"), -EPERM);
	CHECK(strstr(a.error, "no user name"));
	memset(longer, 'a', sizeof(longer) - 1);
	said(longer, false);
	CHECK_EQ(ask("certificate"), -EPERM);
	refused("certificate(field=serial)", "field= is cn, email");
}

TEST(ratelimit)
{
	a = (struct auth_attempt){0};
	CHECK_EQ(ask("ratelimit"), 1);
	CHECK_EQ(ask("ratelimit(max-failures=5,window=60,delay=1,max-delay=8,ipv4-prefix=32,"
	             "ipv6-prefix=128,max-tracked=10000)"),
	         1);
	CHECK(strstr(warnings, "[Limits]"));
	refused("ratelimit(max-tries=3)", "has no option 'max-tries'");
}

TEST(who_waits)
{
	CHECK(!auth_waits("peercred || capability(value=x) || certificate"));
	CHECK(!auth_waits("hosts(allow=ALL)"));
	CHECK(!auth_waits("hosts(allow=ALL,dns=no)"));
	CHECK(auth_waits("hosts(allow=ALL,dns=yes)"));
	CHECK(auth_waits("none || hosts(allow=ALL,dns=yes)"));
	CHECK(auth_waits("exec(command=/bin/true)"));
	CHECK(auth_waits("nosuchmodule"));
	CHECK(!auth_waits("sqlite(filename=/x)"));
	CHECK(!auth_waits("none(dns=yes)")); /* wrong, but not slow */
}

/* ---- exec ---- */

static char script[] = "/tmp/test_auth_light-XXXXXX", spec_text[256];

static const char *program(const char *body, const char *options)
{
	int fd;

	memcpy(script + strlen(script) - 6, "XXXXXX", 6);
	fd = mkstemp(script);
	CHECK(fd >= 0);
	CHECK(dprintf(fd, "#!/bin/sh\n%s\n", body) > 0);
	CHECK_EQ(fchmod(fd, 0755), 0);
	close(fd);
	snprintf(spec_text, sizeof(spec_text), "exec(command=%s%s)", script, options);
	return spec_text;
}

static int run(const char *body, const char *options)
{
	int r = ask(program(body, options));

	unlink(script);
	return r;
}

TEST(exec_answers)
{
	a = (struct auth_attempt){0};
	CHECK_EQ(run("exit 0", ""), 1);
	CHECK_STR(warnings, "");
	CHECK_EQ(run("exit 1", ""), 0);
	CHECK_EQ(run("exit 2", ""), -EIO);
	CHECK(strstr(a.error, "exit code 2"));
	CHECK_EQ(run("kill -9 $$", ""), -EIO);
	CHECK(strstr(a.error, "killed by signal 9"));
	CHECK_EQ(run("no-such-program", ""), -EIO);
	CHECK(strstr(a.error, "exit code 127") && strstr(warnings, "not found"));
	CHECK_EQ(run("exit 0 # ", " arguments"), 1);
	CHECK_EQ(run("[ \"$1\" = a ] && [ \"$2\" = '$(b)' ] && [ $# = 2 ]", " a  $(b) "), 1);
}

TEST(exec_environment)
{
	static const char check[] =
		"[ \"$XPROXY_USER\" = \"x';id\" ] && [ \"$XPROXY_PEER\" = p:1 ] "
		"&& [ \"$XPROXY_ADDRESS\" = p ] && [ \"$XPROXY_SECURE\" = yes ] "
		"&& [ -z \"$XPROXY_PEER_UID$SECRET$HOME\" ] && [ \"$LANG\" = "
		"C.UTF-8 ] && [ `pwd` = / ] && [ `env | wc -l` -le 9 ]";

	CHECK_EQ(setenv("SECRET", "1", 1), 0);
	a = (struct auth_attempt){.username = "x';id", .secure = true};
	peer = (struct peer){.text = "p:1", .address = "p"};
	CHECK_EQ(run(check, ""), 1);
	from_unix(77, 7);
	CHECK_EQ(run("[ \"$XPROXY_PEER_UID\" = 77 ]", ""), 1);
}

TEST(exec_gets_no_fd_and_no_signal_setting)
{
	int fd = fcntl(2, F_DUPFD, 40);

	CHECK_EQ(fd, 40);
	(void)signal(SIGPIPE, SIG_IGN);
	a = (struct auth_attempt){0};
	CHECK_EQ(run("[ -e /proc/$$/fd/2 ] && [ ! -e /proc/$$/fd/40 ]", ""), 1);
	/* 32 and 33 are libc's own; make(1) leaves them ignored */
	CHECK_EQ(run("grep -q 'SigIgn:.0000000[01][08]0000000$' /proc/self/status", ""), 1);
	CHECK_EQ(run("! read x", ""), 1); /* nothing to read */
	CHECK_EQ(run("echo noise; exit 0", ""), 1);
	CHECK_STR(warnings, "");
	close(fd);
}

TEST(exec_password)
{
	a = (struct auth_attempt){.password = "s3 cr'et", .password_len = 8};
	CHECK_EQ(run("[ \"$(cat)\" = \"s3 cr'et\" ]", ",require-challenge=yes"), 1);
	CHECK_EQ(run("[ \"$(cat)\" = other ]", ",require-challenge=yes"), 0);
	CHECK_EQ(run("tr '\\0' ' ' </proc/$$/cmdline | grep -q s3 && exit 0; env | grep -q s3", ""),
	         0);
	CHECK_EQ(run("exit 0", ",require-challenge=yes"), 1); /* who does not read it */
	a.password = NULL;
	CHECK_EQ(run("exit 0", ",require-challenge=yes"), -EPERM);
}

TEST(exec_flags)
{
	struct auth_instance in = {0};

	CHECK_EQ(auth_load("exec(command=/x,require-challenge=yes)", &in, err), 0);
	CHECK_EQ(in.flags, AUTH_WAITS | AUTH_CHALLENGE | AUTH_CLEAR);
	auth_unload(&in);
	CHECK_EQ(auth_load("exec(command=/x,require-challenge=no)", &in, err), 0);
	CHECK_EQ(in.flags, AUTH_WAITS);
	auth_unload(&in);
}

TEST(exec_runs_as_nobody)
{
	char body[128];
	const struct passwd *pw = getpwnam("nobody");

	a = (struct auth_attempt){0};
	if (geteuid() != 0) { /* as ourselves, and as nobody else */
		snprintf(body, sizeof(body), "[ `id -u` = %u ]", geteuid());
		CHECK_EQ(run(body, ""), 1);
		CHECK(opened("exec(command=/bin/true,user=root)") < 0);
		return;
	}
	CHECK(pw);
	snprintf(body, sizeof(body), "[ \"`id -u` `id -G`\" = \"%u %u\" ]", pw->pw_uid, pw->pw_gid);
	CHECK_EQ(run(body, ""), 1);
	CHECK_EQ(run("[ `id -u` = 0 ]", ",user=root"), 1);
	CHECK_EQ(run("[ `id -u` = 0 ]", ""), 0);
}

TEST(exec_words)
{
	a = (struct auth_attempt){0};
	CHECK_EQ(run("printf 'one\\n\\ntw\\033o\\n' >&2; exit 1", ""), 0);
	CHECK(strstr(warnings, " says: 'one'\n") && strstr(warnings, " says: 'tw\\x1bo'\n"));
	CHECK_EQ(run("yes >&2 & yes >&2 & sleep 0.2; kill %1 %2; exit 0", ""), 1);
	CHECK(strlen(warnings) < 2000);
}

TEST(exec_in_time)
{
	a = (struct auth_attempt){0};
	CHECK_EQ(run("sleep 77", ",timeout=1"), -ETIMEDOUT);
	CHECK(strstr(a.error, "has not answered within 1 s"));
	/* what it leaves behind is not waited for */
	CHECK_EQ(run("sleep 2 & exit 0", ",timeout=1s"), 1);
}

/* Also what has left its session, and who has no parent any more. */
TEST(exec_is_ended_with_all)
{
	a = (struct auth_attempt){0};
	CHECK_EQ(run("setsid sleep 20.77 & (sleep 20.77 & sleep 20.77 &); wait", ",timeout=1"),
	         -ETIMEDOUT);
	CHECK_EQ(run("for f in /proc/[0-9]*/cmdline; do case $(tr '\\0' ' ' <$f) in "
	             "'sleep 20.77 ') exit 1; esac; done 2>/dev/null",
	             ""),
	         1);
}

TEST(exec_options)
{
	refused("exec", "needs command=");
	refused("exec(command=true)", "needs command=");
	refused("exec(command=/no/such/program)", "cannot run /no/such/program: No such file");
	refused("exec(command=/etc/passwd)", "cannot run /etc/passwd: Permission denied");
	refused("exec(command=/bin/true ${username})", "XPROXY_USER");
	refused("exec(command=/bin/true,timeout=0)", "timeout= is a number of seconds");
	refused("exec(command=/bin/true,timeout=-1)", "timeout= is a number of seconds");
	refused("exec(command=/bin/true,timeout=x)", "timeout= is a number of seconds");
	refused("exec(command=/bin/true,timeout=4000)", "timeout= is a number of seconds");
	refused("exec(command=/bin/true,require-challenge=x)", "is yes or no");
	refused("exec(command=/bin/true,user=nosuchuser)", "nosuchuser");
	refused("exec(command=/bin/true 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 "
	        "23 "
	        "24 25 26 27 28 29 30 31 32)",
	        "too many words");
}
