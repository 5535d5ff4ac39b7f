/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From stored text to a record. Links session/record.c, uri.c, base/config*.c. What needs root is
 * skipped without it.
 */
#include "session/record.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

static struct record r;
static char warnings[2048];
static unsigned warned;

static void collect(const char *text)
{
	size_t n = strlen(warnings);

	snprintf(warnings + n, sizeof(warnings) - n, "%s\n", text);
	warned++;
}

static void reset(void)
{
	warnings[0] = '\0';
	warned = 0;
}

TEST(sessions)
{
	reset();
	record_set_sessions(&r, " :10 ,, tcp://u:secret@h:1/ ,name=:12,", collect);
	CHECK_EQ(warned, 0);
	CHECK(r.listed);
	CHECK_EQ(r.count, 3);
	CHECK_STR(r.sessions[0].display, ":10");
	CHECK_STR(r.sessions[1].password, "secret");
	CHECK_STR(r.sessions[2].name, "name");
	record_set_sessions(&r, "", collect);
	CHECK_EQ(r.count, 0);
	CHECK(r.listed);
}

TEST(bad_sessions_are_left_out)
{
	reset();
	record_set_sessions(&r, "tcp://u:secret@h:99999,:10,quic://h,hunter2", collect);
	CHECK_EQ(r.count, 1);
	CHECK_EQ(warned, 3);
	CHECK(strstr(warnings, "session 1 of the list"));
	CHECK(strstr(warnings, "session 3 of the list"));
	CHECK(!strstr(warnings, "secret"));
	CHECK(!strstr(warnings, "hunter2"));
	record_set_sessions(&r, "quic://h", NULL);
	CHECK_EQ(r.count, 0);
}

TEST(profiles_of_x2go_are_none)
{
	char text[4096] = ":10,office=x2go://h/";
	size_t n = strlen(text);

	reset();
	record_set_sessions(
		&r, "x2go://h:22/MATE?a=b, office = x2go://g,o=x2go://,n=:11, n2=x2go://%zz",
		collect);
	CHECK_EQ(r.count, 1); /* "office " is no name, and that is for broker/rows.c to say */
	CHECK_EQ(warned, 1);
	CHECK_STR(r.sessions[0].name, "n");
	reset();
	memset(text + n, 'x', 3000); /* longer than any session may be */
	snprintf(text + n + 3000, sizeof(text) - n - 3000, ",:11");
	record_set_sessions(&r, text, collect);
	CHECK_EQ(r.count, 2);
	CHECK_EQ(warned, 0);
	CHECK_STR(r.sessions[1].display, ":11");
	record_set_sessions(&r, "o=x2go://h", collect);
	CHECK(r.listed);
	CHECK_EQ(r.count, 0);
	CHECK_EQ(warned, 0);
	record_set_sessions(&r, "tcp://h:1/?a=x2go://h", collect); /* an option of a session */
	CHECK_EQ(warned, 0);
}

TEST(many_and_long_sessions)
{
	static char text[8192];

	reset();
	for (int i = 0; i < RECORD_SESSIONS_MAX + 5; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ":%d,", i);
	record_set_sessions(&r, text, collect);
	CHECK_EQ(r.count, RECORD_SESSIONS_MAX);
	CHECK_EQ(warned, 1);
	reset();
	memset(text, 'a', 4000);
	memcpy(text + 4000, ",:1", 4);
	record_set_sessions(&r, text, collect);
	CHECK_EQ(r.count, 1);
	CHECK_EQ(warned, 1);
}

TEST(options)
{
	reset();
	record_set_options(&r, "compression_level=3; lz4=no;rencodeplus=True;password=a=b ;",
	                   collect);
	CHECK_EQ(warned, 0);
	CHECK_EQ(r.options.compression_level, 3);
	CHECK_EQ(r.options.lz4, TRISTATE_NO);
	CHECK_EQ(r.options.rencodeplus, TRISTATE_YES);
	CHECK(r.options.has_password);
	CHECK_STR(r.options.password, "a=b ");
	record_set_options(&r, "", collect);
	CHECK_EQ(r.options.compression_level, -1);
	CHECK_EQ(r.options.lz4, TRISTATE_UNSET);
	CHECK(!r.options.has_password);
	CHECK_STR(r.options.password, "");
	record_set_options(&r, "compression=0", collect);
	CHECK_EQ(r.options.compression_level, 0);
	CHECK_EQ(warned, 0);
}

TEST(bad_options)
{
	static char text[2000];

	reset();
	record_set_options(&r, "compression_level=10;lz4=perhaps;secret1;=x;frob=secret2;zlib=1",
	                   collect);
	CHECK_EQ(r.options.compression_level, -1);
	CHECK_EQ(r.options.lz4, TRISTATE_UNSET);
	CHECK_EQ(warned, 6);
	CHECK(strstr(warnings, "'frob'"));
	CHECK(strstr(warnings, "'zlib' has no effect"));
	CHECK(!strstr(warnings, "secret"));
	reset();
	snprintf(text, sizeof(text), "password=%0*d", 300, 7);
	record_set_options(&r, text, collect);
	CHECK(!r.options.has_password);
	CHECK_EQ(warned, 1);
	snprintf(text, sizeof(text), "password=%0*d", 1900, 7);
	record_set_options(&r, text, collect);
	CHECK(!r.options.has_password);
	CHECK_EQ(warned, 2);
}

TEST(environment)
{
	static const char expected[] = "LANG=de_DE.UTF-8\0LC_ALL=C\0TZ=Europe/Berlin\0";

	reset();
	record_set_env(&r, "LANG=de_DE.UTF-8;LC_ALL=C;TZ=Europe/Berlin", collect);
	CHECK_EQ(warned, 0);
	CHECK_MEM(r.env, sizeof(expected), expected, sizeof(expected));
	record_set_env(&r,
	               "LD_PRELOAD=/x;PATH=/x;LC_=1;LC_a=1;LANG;=1;TZ=/etc/shadow;TZ=:/x;LANG=../x",
	               collect);
	CHECK_EQ(warned, 9);
	CHECK_EQ(r.env[0], 0);
}

TEST(long_environment)
{
	static char text[8192];
	size_t n = 0;

	reset();
	for (int i = 0; i < 8; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "LC_A=%0*d;", 400, i);
	record_set_env(&r, text, collect);
	CHECK(warned > 0);
	while (r.env[n])
		n += strlen(r.env + n) + 1;
	CHECK(n < sizeof(r.env));
}

TEST(wipe)
{
	static const struct record zero;

	record_set_sessions(&r, "tcp://a:secret@h:1/,tcp://b:secret@h:x", NULL);
	record_set_options(&r, "password=secret", NULL);
	record_wipe(&r);
	CHECK(!memmem(&r, sizeof(r), "secret", 6));
	CHECK(memcmp(&r.options, &zero.options, sizeof(r.options)) == 0);
}

/* ---- identities ---- */

static struct config c;
static struct identity id;
static char err[RPC_TEXT_MAX];

static int resolve(const char *username, const char *uid, const char *gid)
{
	int error;

	test_note("user '%s' uid '%s' gid '%s'", username, uid, gid);
	config_defaults(&c);
	id = (struct identity){0};
	error = identity_resolve(&c, username, uid, gid, &id, err);
	config_free(&c);
	return error;
}

TEST(identity_without_root)
{
	if (geteuid() == 0)
		return;
	CHECK_EQ(resolve("root", "0", "0"), 0);
	CHECK_EQ(id.uid, getuid());
	CHECK_EQ(id.gid, getgid());
	CHECK(id.runtime_dir[0] == '/');
}

TEST(identity)
{
	const struct passwd *daemon = getpwnam("daemon");

	if (geteuid() != 0 || !daemon)
		return;
	CHECK_EQ(resolve("daemon", "", ""), 0);
	CHECK_EQ(id.uid, daemon->pw_uid);
	CHECK_EQ(id.gid, daemon->pw_gid);
	CHECK_STR(id.name, "daemon");
	CHECK(strstr(id.runtime_dir, "/run/user/"));
	CHECK_EQ(resolve("whoever", "daemon", ""), 0);
	CHECK_EQ(id.gid, daemon->pw_gid);
	CHECK_EQ(resolve("whoever", "54321", "54322"), 0);
	CHECK_EQ(id.uid, 54321);
	CHECK_EQ(id.gid, 54322);
	CHECK_STR(id.name, "");
	CHECK_STR(id.home, "");
	CHECK_STR(id.runtime_dir, "/run/user/54321");
	CHECK_EQ(resolve("whoever", "54321", ""), 0); /* the default group */
	CHECK_EQ(id.gid, getgrnam("nogroup")->gr_gid);
	CHECK_EQ(resolve("no-such-user", "", ""), 0);
	CHECK_STR(id.name, "nobody");
	CHECK_EQ(resolve("", "", ""), 0);
	CHECK_STR(id.name, "nobody");
	CHECK_EQ(resolve("", "daemon", "nobody"), 0);
	if (!getgrnam("nobody"))
		CHECK_EQ(id.gid, getgrnam("nogroup")->gr_gid);
}

TEST(identity_refused)
{
	if (geteuid() != 0)
		return;
	CHECK_EQ(resolve("root", "", ""), -EPERM);
	CHECK_EQ(resolve("x", "0", "1"), -EPERM);
	CHECK_EQ(resolve("x", "root", ""), -EPERM);
	CHECK_EQ(resolve("x", "1", "0"), -EPERM);
	CHECK_EQ(resolve("x", "00", "1"), -EPERM);
	CHECK_EQ(resolve("x", "no-such-user", ""), -ENOENT);
	CHECK(strstr(err, "no-such-user"));
	CHECK_EQ(resolve("x", "1", "no-such-group"), -ENOENT);
	CHECK(strstr(err, "no-such-group"));
	CHECK_EQ(resolve("x", "4294967295", ""), -ENOENT); /* (uid_t)-1 */
	CHECK_EQ(resolve("x", "4294967296", ""), -ENOENT); /* would be 0 if cut */
	CHECK_EQ(resolve("x", "-1", ""), -ENOENT);
	CHECK_EQ(resolve("x", "1", "18446744073709551616"), -ENOENT);
}
