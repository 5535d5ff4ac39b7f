/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_username.c - whose login it is.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "auth/username.h"

static char name[AUTH_USERNAME_MAX], why[AUTH_ERROR_MAX];

static struct auth_options one(const char *option, const char *value)
{
	return (struct auth_options){.count = 1, .items[0] = {option, value}};
}

static int check(const char *option, const char *value)
{
	const struct auth_options o = one(option, value);

	why[0] = '\0';
	return username_check(&o, why);
}

TEST(values)
{
	static const char *const yes_or_no[] = {"client-username", "verify-username"};
	static const char *const good[] = {"yes", "No", "TRUE", "false", "on", "off", "1", "0"};
	static const char *const bad[] = {"", "maybe", "2", "yes ", "y"};

	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(good); k++)
			CHECK_EQ(check(yes_or_no[i], good[k]), 0);
		for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
			CHECK_EQ(check(yes_or_no[i], bad[k]), -EINVAL);
			CHECK(strstr(why, yes_or_no[i]) && strstr(why, "yes or no"));
		}
	}
	CHECK_EQ(check("map-user", "strip-domain"), 0);
	CHECK_EQ(check("map-user", "lowercase"), 0);
	CHECK_EQ(check("map-user", "/some/file"), 0);
	CHECK_EQ(check("map-user", "uppercase"), -EINVAL);
	CHECK(strstr(why, "strip-domain, lowercase"));
	CHECK_EQ(check("map-user", ""), -EINVAL);
	CHECK_EQ(check("username", "anything"), 0);
}

static const char *before(const char *option, const char *value, const char *claimed)
{
	const struct auth_options o = one(option, value);

	CHECK_EQ(username_before(&o, claimed, name), 0);
	return name;
}

TEST(before_the_module_is_asked)
{
	const struct passwd *pw = getpwuid(geteuid());

	CHECK_STR(before("prompt", "x", "alice"), "alice");
	CHECK_STR(before("prompt", "x", ""), "");
	CHECK_STR(before("username", "carol", "alice"), "carol");
	CHECK_STR(before("client-username", "yes", "alice"), "alice");
	CHECK(pw);
	CHECK_STR(before("client-username", "no", "alice"), pw->pw_name);
}

TEST(username_wins_over_client_username)
{
	const struct auth_options o = {.count = 2,
	                               .items = {{"username", "carol"}, {"client-username", "no"}}};

	CHECK_EQ(username_before(&o, "alice", name), 0);
	CHECK_STR(name, "carol");
}

static const char *after(const char *option, const char *value, const char *asked,
                         const char *known)
{
	const struct auth_options o = one(option, value);
	int r;

	snprintf(name, sizeof(name), "unchanged");
	why[0] = '\0';
	r = username_after(&o, asked, known, name, why);
	if (r <= 0)
		CHECK(why[0]);
	return r == 1 ? name : r == 0 ? "(no)" : "(error)";
}

TEST(after_its_yes)
{
	CHECK_STR(after("prompt", "x", "alice", ""), "alice");
	CHECK_STR(after("prompt", "x", "alice", "bob"), "bob");
	CHECK_STR(after("prompt", "x", "", "bob"), "bob");
	CHECK_STR(after("client-username", "yes", "alice", "bob"), "alice");
	CHECK_STR(after("verify-username", "yes", "alice", "bob"), "(no)");
	CHECK_STR(after("verify-username", "yes", "bob", "bob"), "bob");
	CHECK_STR(after("verify-username", "yes", "", "bob"), "bob");
	CHECK_STR(after("verify-username", "yes", "alice", ""), "alice");
	CHECK_STR(after("verify-username", "no", "alice", "bob"), "bob");
	CHECK_STR(after("verify-username", "yes", "Bob", "bob"), "(no)");
}

TEST(domains)
{
	static const char *const table[][2] = {
		{"alice@EXAMPLE.ORG", "alice"},
		{"EXAMPLE\\alice", "alice"},
		{"alice", "alice"},
		{"a@b@c", "a@b"},
		{"A\\B\\c", "c"},
		{"@x", "@x"},
		{"x@", "x"},
		{"x\\", "x\\"},
		{"\\x", "x"},
		{"", ""},
		{"A\\b@c", "A\\b"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		test_note("%s", table[i][0]);
		CHECK_STR(after("map-user", "strip-domain", table[i][0], ""), table[i][1]);
		CHECK_STR(after("map-user", "strip-domain", "other",
		                table[i][0][0] ? table[i][0] : ""),
		          table[i][0][0] ? table[i][1] : "other");
	}
	CHECK_STR(after("map-user", "lowercase", "ALICE@Example.Org", ""), "alice@example.org");
	CHECK_STR(after("map-user", "lowercase", "\xc3\x84", ""), "\xc3\x84");
}

TEST(files)
{
	char path[] = "/tmp/test_username-XXXXXX", longer[600];
	int fd = mkstemp(path);
	const char text[] = "# from to\n"
			    "ACME\\alice alice\n"
			    "  bob@example.org\t\tbob  \r\n"
			    "half\n"
			    "carol carol2\n"
			    "carol carol3\n"
			    "#dave dave\n";

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	CHECK_STR(after("map-user", path, "ACME\\alice", ""), "alice");
	CHECK_STR(after("map-user", path, "bob@example.org", ""), "bob");
	CHECK_STR(after("map-user", path, "carol", ""), "carol2");
	CHECK_STR(after("map-user", path, "half", ""), "(no)");
	CHECK_STR(after("map-user", path, "#dave", ""), "(no)");
	CHECK_STR(after("map-user", path, "#", ""), "(no)");
	CHECK_STR(after("map-user", path, "", ""), "(no)");
	CHECK_STR(after("map-user", path, "alice", ""), "(no)");
	CHECK(strstr(why, "not in /tmp/test_username"));
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "eve ", 4);
	longer[sizeof(longer) - 1] = '\n';
	CHECK_EQ(write(fd, longer, sizeof(longer)), sizeof(longer));
	CHECK_STR(after("map-user", path, "eve", ""), "(error)"); /* and not half a name */
	close(fd);
	unlink(path);
	CHECK_STR(after("map-user", path, "carol", ""), "(error)");
	CHECK(strstr(why, "cannot read"));
}
