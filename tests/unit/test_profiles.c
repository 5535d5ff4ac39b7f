/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Session profiles: the file, the rows of a record, who may have them, what clients are told.
 */
#include "broker/acl.h"
#include "broker/json.h"
#include "broker/profile.h"
#include "broker/profile_private.h"
#include "broker/qsettings.h"

#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

static char err[300];
static struct profiles *all;

static int load(const char *text, const char *rows)
{
	test_note("%.100s / %.80s", text, rows ? rows : "");
	profiles_free(all);
	all = NULL;
	err[0] = '\0';
	return profiles_parse(text, strlen(text), "f", rows, &all, err, sizeof(err));
}

static const struct profile *get(const char *id)
{
	const struct profile *p = profiles_find(all, id);

	CHECK(p);
	return p;
}

/* The only profile of a file. */
static const struct profile *one(const char *keys)
{
	char text[4096];

	snprintf(text, sizeof(text), "[p]\n%s", keys);
	if (load(text, NULL) < 0)
		CHECK_STR(err, "");
	return get("p");
}

static void refused(const char *text, const char *rows, const char *why)
{
	CHECK_EQ(load(text, rows), -EINVAL);
	CHECK_STR(err, why);
}

/* One profile, which is left out; those beside it are not. */
static void left_out(const char *text, const char *rows, const char *why)
{
	char both[8192];

	snprintf(both, sizeof(both), "%s\n[beside]\n", text);
	CHECK_EQ(load(both, rows), 0);
	CHECK_STR(err, why);
	CHECK_EQ(profiles_count(all), 1);
	CHECK(profiles_find(all, "beside"));
}

TEST(keys_are_sorted)
{
	for (size_t i = 1; i < profile_keys_count; i++)
		CHECK(strcmp(profile_keys[i - 1].name, profile_keys[i].name) < 0);
	for (size_t i = 0; i < profile_keys_count; i++) { /* as if they had been in a file */
		char value[64];

		snprintf(value, sizeof(value), "%s",
		         profile_keys[i].fallback ? profile_keys[i].fallback : "");
		test_note("%s", profile_keys[i].name);
		CHECK(!profile_check(profile_keys[i].name, value));
		if (profile_keys[i].fallback)
			CHECK_STR(value, profile_keys[i].fallback);
	}
}

TEST(hard_defaults)
{
	const struct profile *p = one("");

	CHECK_STR(profile_get(p, "command"), "TERMINAL");
	CHECK_STR(profile_get(p, "rootless"), "1");
	CHECK_STR(profile_get(p, "host"), "localhost");
	CHECK_STR(profile_get(p, "user"), "BROKER_USER");
	CHECK_STR(profile_get(p, "acl-any-order"), "deny-allow");
	CHECK_STR(profile_get(p, "export"), "");
	CHECK_STR(profile_get(p, "name"), "p");
	CHECK(!profile_get(p, "usebrokerpass"));
	CHECK(!profile_get(p, "nosuchkey"));
}

TEST(defaults_of_the_file)
{
	CHECK_EQ(load("[DEFAULT]\nwidth=1\nheight=2\nmine=x\n[b]\nheight=3\nother=y\n[a]\nmine=z\n"
	              "[DEFAULT]\ndpi=4\ndefault=x",
	              NULL),
	         0);
	CHECK_EQ(profiles_count(all), 2);
	CHECK_STR(profile_id(profiles_at(all, 0)), "a");
	CHECK_STR(profile_id(profiles_at(all, 1)), "b");
	CHECK_STR(profile_get(get("a"), "width"), "1");
	CHECK_STR(profile_get(get("a"), "height"), "2");
	CHECK_STR(profile_get(get("b"), "height"), "3");
	CHECK_STR(profile_get(get("b"), "mine"), "x");
	CHECK_STR(profile_get(get("a"), "mine"), "z");
	CHECK_STR(profile_get(get("a"), "dpi"), "4");
	CHECK(!profile_get(get("a"), "other"));
	CHECK(!profile_get(get("a"), "default"));
	CHECK(!profiles_find(all, "c"));
}

TEST(types)
{
	const struct profile *p = one("fullscreen=True\nsound=NO\nusekbd=on\nprint=Off\nkdrive=7\n"
	                              "multidisp=00\nmaxdim=\nwidth=0800\nrdpport=\n"
	                              "applications = A , B,,\n C\nhost = a,b (c)\ntype= 1 \n");

	CHECK_STR(profile_get(p, "fullscreen"), "1");
	CHECK_STR(profile_get(p, "sound"), "0");
	CHECK_STR(profile_get(p, "usekbd"), "1");
	CHECK_STR(profile_get(p, "print"), "0");
	CHECK_STR(profile_get(p, "kdrive"), "1");
	CHECK_STR(profile_get(p, "multidisp"), "0");
	CHECK(!profile_get(p, "maxdim"));
	CHECK(!profile_get(p, "rdpport"));
	CHECK_STR(profile_get(p, "width"), "0800");
	CHECK_STR(profile_get(p, "applications"), "A,B,C");
	CHECK_STR(profile_get(p, "host"), "a,b (c)");
	CHECK_STR(profile_get(p, "type"), "1");
	CHECK_STR(profile_get(one("applications=['A', \"B\"]"), "applications"), "A,B");
	CHECK_STR(profile_get(one("applications=[]"), "applications"), "");
}

TEST(not_set)
{
	const struct profile *p = one("width=not-set\nfullscreen=not-set\ncommand=not-set\n"
	                              "host=not-set\nacl-users-allow=not-set\n"
	                              "broker-agent-query-mode=not-set\nown=not-set");
	struct profile_host host;

	CHECK(!profile_get(p, "width"));
	CHECK(!profile_get(p, "fullscreen"));
	CHECK(!profile_get(p, "command"));
	CHECK(!profile_get(p, "own"));
	CHECK(!profile_get(p, "broker-agent-query-mode"));
	CHECK_STR(profile_get(p, "acl-users-allow"), "not-set");
	CHECK_EQ(profile_hosts(p, &host, 1), 0);
}

TEST(desktops)
{
	CHECK_STR(profile_get(one("command=mate\nrootless=1"), "command"), "MATE");
	CHECK_STR(profile_get(one("command=mate\nrootless=1"), "rootless"), "0");
	CHECK_STR(profile_get(one("command=mate"), "rootless"), "0");
	CHECK_STR(profile_get(one("command=xterm"), "command"), "xterm");
	CHECK_STR(profile_get(one("command=xterm"), "rootless"), "1");
	CHECK_STR(profile_get(one("command=KDE\nrootless=not-set"), "rootless"), "0");
}

TEST(flags)
{
	const struct profile *p = one("broker-session-autologin=TRUE\nbroker-use-load-checker=\n"
	                              "broker-portscan-x2goservers=yes\nsound=yes");

	CHECK(profile_flag(p, "broker-session-autologin", false));
	CHECK(profile_flag(p, "broker-use-load-checker", true));
	CHECK(!profile_flag(p, "broker-use-load-checker", false));
	CHECK(!profile_flag(p, "broker-portscan-x2goservers", true)); /* as x2gobroker */
	CHECK(profile_flag(p, "sound", false));
	CHECK(profile_flag(p, "none", true));
}

TEST(hosts)
{
	static const struct {
		const char *text, *name, *address;
		unsigned port;
	} cases[] = {
		{"tsa", "tsa", "tsa", 2200},
		{"tsa (192.0.2.1)", "tsa", "192.0.2.1", 2200},
		{"tsa.example.org (ts_a:23)", "tsa.example.org", "ts_a", 23},
		{"tsa(192.0.2.1:23)", "tsa", "192.0.2.1", 23},
		{"tsa  (2001:db8::1)", "tsa", "2001:db8::1", 2200},
		{"tsa ([2001:db8::1])", "tsa", "2001:db8::1", 2200},
		{"tsa ([2001:db8::1]:23)", "tsa", "2001:db8::1", 23},
		{"tsa (:23)", "tsa", "tsa", 23},
		{"::1", "::1", "::1", 2200},
		{"[::1]", "::1", "::1", 2200},
	};
	static const char *const wrong[] = {
		"a b",
		"a (b c)",
		"(a)",
		"a ()",
		"a (b",
		"a (b) c",
		"a (b:0)",
		"a (b:65536)",
		"a (b:x)",
		"a (b:)",
		"-a",
		"a;b",
		"a ([b:1)",
		"a ([::1]:0)",
		"a ([::1]x)",
		"$(a)",
		"a (1:2:3)",
		"a:22",
		"a (b:999999999999)",
		"[]x",
	};
	struct profile_host h[3];
	char text[400];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), "host=%s\nsshport=2200", cases[i].text);
		CHECK_EQ(profile_hosts(one(text), h, 3), 1);
		CHECK_STR(h[0].name, cases[i].name);
		CHECK_STR(h[0].address, cases[i].address);
		CHECK_EQ(h[0].port, cases[i].port);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(text, sizeof(text), "[p]\nhost=x, %s", wrong[i]);
		CHECK_EQ(load(text, NULL), 0);
		CHECK_EQ(profiles_count(all), 0);
		CHECK(strncmp(err, "f:2: host=x,", 12) == 0);
	}
	CHECK_EQ(profile_hosts(one("host=a, b (c:1), d"), h, 3), 3);
	CHECK_EQ(profile_hosts(one("host=a, b (c:1), d"), h, 2), 2);
	CHECK_STR(h[1].address, "c");
	CHECK_EQ(profile_hosts(one("host="), h, 3), 0);
	CHECK_EQ(profile_hosts(one("sshport=not-set"), h, 3), 1);
	CHECK_EQ(h[0].port, 22);
}

TEST(ids)
{
	static const char *const cases[][2] = {
		{"a.b_c-D9", "a.b_c-D9"},
		{" a ", "a"},
		{"XFCE Desktop", "XFCE-Desktop"},
		{"Zo\xc3\xab/x", "Zo-x"},
		{"General", "_General"},
		{"gENERAL", "_gENERAL"},
		{"[::1", "_-1"},
		{"_x", "_x"},
		{"embedded", "_embedded"},
		{"../x", "_..-x"},
		{"-x", "_-x"},
		{"%47eneral", "_-47eneral"},
	};
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), "[%s]\n", cases[i][0]);
		CHECK_EQ(load(text, NULL), 0);
		CHECK_STR(profile_id(profiles_at(all, 0)), cases[i][1]);
	}
	CHECK_STR(profile_get(profiles_at(all, 0), "name"), "%47eneral");
	memset(text, 'x', sizeof(text));
	memcpy(text, "[", 1);
	memcpy(text + 128, "]", 2);
	CHECK_EQ(load(text, NULL), 0);
	memcpy(text + 128, "x]", 3);
	refused(text, NULL, "f:1: the name of the profile is too long");
}

TEST(errors_name_the_line)
{
	char keys[PROFILE_KEYS_MAX * 8 + 8] = "[a]\n", line[16];

	refused("k=v", NULL, "f:1: this is before the first [section]");
	left_out("[a]\nwidth=x", NULL, "f:2: width=x: it is a number");
	left_out("[a]\nwidth=-1", NULL, "f:2: width=-1: it is a number");
	left_out("[a]\nwidth=1234567890", NULL, "f:2: width=1234567890: it is a number");
	left_out("[a]\nsshport=65536", NULL, "f:2: sshport=65536: it is a port, 1 to 65535");
	left_out("[a]\nsshproxyport=0", NULL, "f:2: sshproxyport=0: it is a port, 1 to 65535");
	refused("[DEFAULT]\n\nsound=maybe", NULL, "f:3: sound=maybe: it is yes or no");
	refused("[a]\nb/c=1", NULL,
	        "f:2: 'b/c': a key is made of letters, digits, '.', '_' and '-'");
	refused("[a]\nk=1\nk=2", NULL, "f:3: k= is there twice");
	refused("[a]\n[b]\n[a]", NULL, "f:3: there is another profile 'a'");
	refused("[a b]\n[a-b]", NULL, "f:2: there is another profile 'a-b'");
	refused("[ ]\n", NULL, "f:1: the profile has no name");
	left_out("[a]\nacl-clients-deny=pc1", NULL,
	         "f:2: acl-clients-deny=pc1: a client is an address, ADDRESS/BITS, or ALL");
	left_out("[a]\nacl-any-order=deny", NULL,
	         "f:2: acl-any-order=deny: it is allow-deny or deny-allow");
	left_out("[a]\nbroker-agent-query-mode=REMOTE", NULL,
	         "f:2: broker-agent-query-mode=REMOTE: it is NONE, LOCAL or SSH");
	CHECK_STR(profile_get(one("broker-agent-hostkey-policy=autoaddpolicy"),
	                      "broker-agent-hostkey-policy"),
	          "autoaddpolicy");
	for (int i = 0; i <= PROFILE_KEYS_MAX; i++) {
		snprintf(line, sizeof(line), "k%d=1\n", i);
		strcat(keys, line);
		if (i + 1 == PROFILE_KEYS_MAX)
			CHECK_EQ(load(keys, NULL), 0);
	}
	refused(keys, NULL, "f:202: a section has more than 200 keys");
}

TEST(bounds)
{
	char *text = malloc(PROFILE_VALUE_MAX + 100);
	size_t n = (size_t)sprintf(text, "[a]\nicon=");

	memset(text + n, 'x', PROFILE_VALUE_MAX + 1);
	text[n + PROFILE_VALUE_MAX] = '\0';
	CHECK_EQ(load(text, NULL), 0);
	text[n + PROFILE_VALUE_MAX] = 'x';
	text[n + PROFILE_VALUE_MAX + 1] = '\0';
	refused(text, NULL, "f:2: icon= is longer than 131072 bytes");
	n = (size_t)sprintf(text, "[a]\n");
	memset(text + n, 'x', PROFILE_KEY_MAX + 1);
	memcpy(text + n + PROFILE_KEY_MAX, "=", 2);
	CHECK_EQ(load(text, NULL), 0);
	memcpy(text + n + PROFILE_KEY_MAX, "x=", 3);
	refused(text, NULL, "f:2: a key is longer than 64 bytes");
	n = 0;
	for (int i = 0; i < PROFILES_MAX; i++)
		n += (size_t)sprintf(text + n, "[a%d]\n", i);
	CHECK_EQ(load(text, NULL), 0);
	CHECK_EQ(profiles_count(all), PROFILES_MAX);
	CHECK_STR(profile_id(get("a999")), "a999");
	memcpy(text + n, "[b]", 4);
	refused(text, NULL, "f:1001: there are more than 1000 profiles");
	n = (size_t)sprintf(text, "[a]\nhost=x");
	for (int i = 1; i < PROFILE_HOSTS_MAX; i++)
		n += (size_t)sprintf(text + n, ",h%d", i);
	CHECK_EQ(load(text, NULL), 0);
	memcpy(text + n, ",y", 3);
	CHECK_EQ(load(text, NULL), 0);
	CHECK_EQ(profiles_count(all), 0);
	CHECK(strstr(err, ": there are too many hosts"));
	profiles_free(all);
	all = NULL;
	free(text);
}

TEST(files)
{
	char path[] = "/tmp/xproxy-profiles-XXXXXX", expected[200];
	int fd = mkstemp(path);

	CHECK(fd >= 0 && write(fd, "[a]\nk\n", 6) == 6);
	CHECK_EQ(profiles_load(path, NULL, &all, err, sizeof(err)), -EINVAL);
	all = NULL;
	snprintf(expected, sizeof(expected),
	         "%s:2: neither a [section] nor an assignment, KEY=VALUE", path);
	CHECK_STR(err, expected);
	CHECK_EQ(ftruncate(fd, 4), 0);
	CHECK_EQ(profiles_load(path, "b=x2go://h", &all, err, sizeof(err)), 0);
	CHECK_EQ(profiles_count(all), 2);
	CHECK_EQ(ftruncate(fd, PROFILES_FILE_MAX + 1), 0);
	profiles_free(all);
	CHECK_EQ(profiles_load(path, NULL, &all, err, sizeof(err)), -EFBIG);
	CHECK(strstr(err, path));
	close(fd);
	unlink(path);
	CHECK_EQ(profiles_load(path, NULL, &all, err, sizeof(err)), -ENOENT);
	CHECK(strstr(err, path));
	CHECK_EQ(profiles_load(NULL, NULL, &all, err, sizeof(err)), 0);
	CHECK_EQ(profiles_count(all), 0);
	CHECK(!profiles_find(all, "a"));
	profiles_free(all);
	CHECK_EQ(profiles_load("", "x2go://h", &all, err, sizeof(err)), 0);
	CHECK_STR(profile_id(profiles_at(all, 0)), "h");
}

TEST(rows)
{
	struct profile_host h;
	const struct profile *p;

	CHECK_EQ(load("[DEFAULT]\nwidth=7\n[a]",
	              ":10, work%20x=x2go://bob@ts.example.org:2222/mate?name=My%2C+work&dpi=9&,\n"
	              "tcp://x2go/y, x2go://h, n=x2go://[2001:db8::1]:23/xterm%20-e%20sh \n,"
	              "o=x2go://[::1],q=x2go://?host=a%20(b:5)%2Cc&broker-session-autologin=1,"
	              "r=x2go://h/?fullscreen=yes&width="),
	         0);
	CHECK_EQ(profiles_count(all), 7);
	p = get("work-x");
	CHECK_STR(profile_get(p, "name"), "My,+work");
	CHECK_STR(profile_get(p, "user"), "bob");
	CHECK_STR(profile_get(p, "command"), "MATE");
	CHECK_STR(profile_get(p, "rootless"), "0");
	CHECK_STR(profile_get(p, "width"), "7");
	CHECK_STR(profile_get(p, "dpi"), "9");
	CHECK_EQ(profile_hosts(p, &h, 1), 1);
	CHECK_STR(h.name, "ts.example.org");
	CHECK_EQ(h.port, 2222);
	CHECK_STR(profile_get(get("h"), "name"), "h");
	CHECK_STR(profile_get(get("h"), "command"), "TERMINAL");
	CHECK_STR(profile_get(get("n"), "command"), "xterm -e sh");
	CHECK_EQ(profile_hosts(get("n"), &h, 1), 1);
	CHECK_STR(h.address, "2001:db8::1");
	CHECK_EQ(h.port, 23);
	CHECK_EQ(profile_hosts(get("o"), &h, 1), 1);
	CHECK_STR(h.name, "::1");
	CHECK_EQ(h.port, 22);
	CHECK_EQ(profile_hosts(get("q"), &h, 1), 1);
	CHECK_EQ(h.port, 5);
	CHECK(profile_flag(get("q"), "broker-session-autologin", false));
	CHECK_STR(profile_get(get("r"), "fullscreen"), "1");
}

TEST(rows_refused)
{
#define RECORD "the user's record, x2go session "
	refused("[a]", "a=x2go://h", RECORD "1: there is another profile 'a'");
	left_out("", "b=x2go://h:x", RECORD "1: sshport=x: it is a port, 1 to 65535");
	refused("", "x2go://", RECORD "1: the profile has no name");
	refused("", "=x2go://h", RECORD "1: the profile has no name");
	refused("", "DEFAULT=x2go://h", RECORD "1: no session can be called DEFAULT");
	refused("", "a=x2go://h?b", RECORD "1: an option is KEY=VALUE");
	refused("", "a=x2go://h?b=%0a", RECORD "1: there is a control character");
	refused("", "a=x2go://h?b=%zz",
	        RECORD "1: a '%' is not followed by two hexadecimal digits");
	refused("", "a=x2go://h?b=%4", RECORD "1: a '%' is not followed by two hexadecimal digits");
	refused("", "a=x2go://h?b=%ff", RECORD "1: this is not UTF-8");
	refused("", "a=x2go://h?host=b", RECORD "1: host= is there twice");
	refused("", "a=x2go://h?a%20b=c",
	        RECORD "1: 'a%20b': a key is made of letters, digits, '.', '_' and '-'");
	refused("", "a=x2go://h(b)", RECORD "1: the host name has a character that none can have");
	refused("", "a=x2go://[::1]x",
	        RECORD "1: there is something wrong with the brackets of the address");
	refused("", "a=x2go://[::1",
	        RECORD "1: there is something wrong with the brackets of the address");
	refused("", "%01=x2go://h", RECORD "1: there is a control character");
	left_out("", "a=x2go://%24x",
	         RECORD "1: host=$x: a host is NAME, NAME (ADDRESS) or NAME (ADDRESS:PORT)");
}

/* ---- who may ---- */

static bool allows(const char *keys, const char *user, const char *groups, const char *address)
{
	char *names[4] = {NULL}, text[100], *state = NULL;
	struct visitor v = {.user = user, .groups = names};
	struct netaddr_range range;
	const struct profile *p = one(keys);

	snprintf(text, sizeof(text), "%s", groups);
	for (char *g = strtok_r(text, " ", &state); g; g = strtok_r(NULL, " ", &state))
		names[v.groups_count++] = g;
	if (*address) {
		CHECK_EQ(netaddr_parse_range(address, &range), 0);
		v.address = range.first;
	}
	test_note("%s: %s, in %s, at %s", keys, user, groups, address);
	return acl_allows(p, &v);
}

TEST(acl_of_users)
{
	CHECK(allows("", "bob", "", ""));
	CHECK(allows("acl-users-allow=", "bob", "", ""));
	CHECK(allows("acl-users-allow=al, bob", "bob", "", ""));
	CHECK(!allows("acl-users-allow=al, bobby, bo", "bob", "", ""));
	CHECK(allows("acl-users-allow=ALL", "bob", "", ""));
	CHECK(!allows("acl-users-allow=all", "bob", "", ""));
	/* to be denied is not needed */
	CHECK(!allows("acl-users-deny=joe", "bob", "", ""));
	CHECK(!allows("acl-users-deny=bob", "bob", "", ""));
	CHECK(!allows("acl-users-allow=bob\nacl-users-deny=ALL", "bob", "", ""));
	CHECK(allows("acl-users-allow=bob\nacl-users-deny=ALL\nacl-users-order=allow-deny", "bob",
	             "", ""));
	CHECK(allows("acl-users-allow=ALL\nacl-users-deny=joe", "bob", "", ""));
	CHECK(!allows("acl-users-allow=ALL\nacl-users-deny=joe", "joe", "", ""));
	CHECK(allows("acl-users-allow=ALL\nacl-users-deny=joe\nacl-users-order=allow-deny", "joe",
	             "", ""));
}

TEST(acl_any_order)
{
	CHECK(allows("acl-users-allow=bob\nacl-users-deny=ALL\nacl-any-order=allow-deny", "bob", "",
	             ""));
	CHECK(!allows("acl-users-allow=bob\nacl-users-deny=ALL\nacl-any-order=allow-deny\n"
	              "acl-users-order=deny-allow",
	              "bob", "", ""));
	CHECK(allows("acl-groups-allow=g\nacl-groups-deny=ALL\nacl-any-order=allow-deny", "bob",
	             "g", ""));
	CHECK(allows("acl-clients-allow=ALL\nacl-clients-deny=ALL\nacl-any-order=Allow-Deny", "bob",
	             "", "192.0.2.1"));
}

TEST(acl_of_groups)
{
	CHECK(allows("acl-groups-allow=g", "bob", "f g", ""));
	CHECK(!allows("acl-groups-allow=g", "bob", "f", ""));
	CHECK(!allows("acl-groups-allow=g", "g", "", ""));
	CHECK(allows("acl-groups-allow=ALL", "bob", "", ""));
	CHECK(!allows("acl-groups-deny=g", "bob", "f", ""));
	CHECK(!allows("acl-groups-allow=ALL\nacl-groups-deny=g", "bob", "g", ""));
	CHECK(allows("acl-groups-allow=ALL\nacl-groups-deny=g\nacl-groups-order=allow-deny", "bob",
	             "g", ""));
	/* users come first */
	CHECK(allows("acl-users-allow=bob\nacl-groups-deny=g", "bob", "g", ""));
	CHECK(!allows("acl-users-deny=bob\nacl-groups-allow=g", "bob", "g", ""));
	CHECK(allows("acl-users-deny=joe\nacl-groups-allow=g", "bob", "g", ""));
	CHECK(!allows("acl-users-allow=joe\nacl-groups-allow=g", "bob", "f", ""));
}

TEST(acl_of_clients)
{
	CHECK(allows("acl-clients-allow=192.0.2.1", "bob", "", "192.0.2.1"));
	CHECK(!allows("acl-clients-allow=192.0.2.1", "bob", "", "192.0.2.2"));
	CHECK(!allows("acl-clients-allow=192.0.2.1", "bob", "", ""));
	CHECK(allows("acl-clients-allow=192.0.2.9/24", "bob", "", "192.0.2.1"));
	CHECK(allows("acl-clients-allow=192.0.2.0/255.255.255.0", "bob", "", "192.0.2.1"));
	CHECK(!allows("acl-clients-allow=192.0.2.0/255.255.255.0", "bob", "", "192.0.3.1"));
	CHECK(allows("acl-clients-allow=2001:db8::/32, 10.0.0.0/8", "bob", "", "2001:db8::1"));
	CHECK(!allows("acl-clients-allow=2001:db8::/32, 10.0.0.0/8", "bob", "", "2001:db9::1"));
	CHECK(allows("acl-clients-allow=::ffff:192.0.2.0/120", "bob", "", "192.0.2.1"));
	CHECK(!allows("acl-clients-allow=::ffff:192.0.2.0/120", "bob", "", "192.0.3.1"));
	CHECK(allows("acl-clients-allow=192.0.2.0/24", "bob", "", "::ffff:192.0.2.1"));
	CHECK(allows("acl-clients-allow=ALL", "bob", "", ""));
	CHECK(!allows("acl-clients-deny=192.0.2.1", "bob", "", "192.0.2.2"));
	CHECK(!allows("acl-clients-allow=ALL\nacl-clients-deny=192.0.2.1", "bob", "", "192.0.2.1"));
	CHECK(allows("acl-clients-allow=ALL\nacl-clients-deny=192.0.2.1", "bob", "", "192.0.2.2"));
	/* before users, who are still asked */
	CHECK(!allows("acl-clients-allow=192.0.2.1\nacl-users-allow=bob", "bob", "", "192.0.2.2"));
	CHECK(!allows("acl-clients-allow=ALL\nacl-users-allow=joe", "bob", "", "192.0.2.2"));
}

TEST(what_a_client_is)
{
	static const char *const good[] = {"ALL",
	                                   "192.0.2.1",
	                                   "0.0.0.0/0",
	                                   "10.1.2.3/8",
	                                   "10.0.0.0/255.0.0.0",
	                                   "::/0",
	                                   "::1",
	                                   "2001:db8::1/128",
	                                   "::ffff:10.0.0.0/104",
	                                   "1.2.3.4/0.0.0.0",
	                                   "1.2.3.4/255.255.255.255"};
	static const char *const bad[] = {"",
	                                  "all",
	                                  "pc1",
	                                  "unix",
	                                  "192.0.2",
	                                  "10/8",
	                                  "1.2.3.4/",
	                                  "1.2.3.4/33",
	                                  "1.2.3.4/-1",
	                                  "::1/129",
	                                  "::1/x",
	                                  "1.2.3.4/255.0.255.0",
	                                  "1.2.3.4/1x",
	                                  "1.2.3.4/99999999999999999999",
	                                  "::1/255.0.0.0",
	                                  "::ffff:1.2.3.4/95",
	                                  "1.2.3.4/1/2",
	                                  "1.2.3.4/0.0.0.x"};
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		test_note("%s", good[i]);
		CHECK(acl_is_client(good[i], strlen(good[i])));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		test_note("%s", bad[i]);
		CHECK(!acl_is_client(bad[i], strlen(bad[i])));
	}
	memset(text, '1', sizeof(text));
	CHECK(!acl_is_client(text, sizeof(text)));
}

static bool in(const struct visitor *v, const char *name)
{
	for (size_t i = 0; i < v->groups_count; i++)
		if (strcmp(v->groups[i], name) == 0)
			return true;
	return false;
}

TEST(visitors)
{
	const struct passwd *pw = getpwuid(getuid());
	const struct group *g = pw ? getgrgid(pw->pw_gid) : NULL;
	char user[100], group[100];
	bool listed = false;
	struct visitor v;

	if (!pw || !g)
		test_fail(__FILE__, __LINE__, "whoever runs this has no account");
	snprintf(user, sizeof(user), "%s", pw->pw_name);
	snprintf(group, sizeof(group), "%s", g->gr_name);
	for (char **m = g->gr_mem; *m; m++)
		listed |= strcmp(*m, user) == 0;
	CHECK_EQ(acl_visitor(user, "192.0.2.1", false, &v), 0);
	CHECK_STR(v.user, user);
	CHECK_EQ(v.address.family, AF_INET);
	CHECK(in(&v, group));
	acl_leave(&v);
	CHECK_EQ(acl_visitor(user, "fe80::1%eth0", true, &v), 0);
	CHECK_EQ(v.address.family, AF_INET6);
	CHECK_EQ(in(&v, group), listed);
	acl_leave(&v);
	CHECK_EQ(acl_visitor("no-such-user-here", "::ffff:192.0.2.1", false, &v), 0);
	CHECK_EQ(v.address.family, AF_INET);
	CHECK_EQ(v.groups_count, 0);
	acl_leave(&v);
	CHECK_EQ(acl_visitor("no-such-user-here", "", false, &v), 0);
	CHECK_EQ(v.address.family, 0);
	acl_leave(&v);
}

/* ---- what clients are told ---- */

static const char *shown(const struct profile *p, const struct profile_extra *extra)
{
	static char *text;
	size_t len;
	FILE *f;

	free(text);
	f = open_memstream(&text, &len);
	CHECK(f);
	qsettings_write(f, p, extra);
	fclose(f);
	return text;
}

static void has_line(const char *text, const char *line)
{
	char found[300];

	snprintf(found, sizeof(found), "\n%s\n", line);
	if (!strstr(text, found))
		test_fail(__FILE__, __LINE__, "no '%s' in: %s", line, text);
}

TEST(qsettings)
{
	const char *t;

	t = shown(one("name=Comma, list; "
	              "\"x\\y\nsound=no\nsshport=23\nbroker-x=1\nacl-users-allow=b\n"
	              "applications=A,B C\nhost=a (b),c\nx1=@Invalid()\nx2=a<br>b\nx3=one\n  "
	              "two\tthree\n"
	              "x4=Zo\xc3\xab"
	              "ab g\nx5=\xf0\x9f\x98\x80\xe2\x82\xac\nx6=@\nuser=\n"),
	          NULL);
	CHECK(strncmp(t, "[p]\n", 4) == 0);
	CHECK(strlen(t) > 2 && strcmp(t + strlen(t) - 2, "\n\n") == 0);
	has_line(t, "name=\"Comma, list; \\x22x\\x5cy\"");
	has_line(t, "sound=0");
	has_line(t, "sshport=23");
	has_line(t, "applications=\"A\", \"B C\"");
	has_line(t, "host=\"a,c\"");
	has_line(t, "x1=\"@@Invalid()\"");
	has_line(t, "x2=\"a\\x3c\\x62r>b\"");
	has_line(t, "x3=\"one\\xatwo\\x9three\"");
	has_line(t, "x4=\"Zo\\xeb\\x61\\x62 g\"");
	has_line(t, "x5=\"\\xd83d\\xde00\\x20ac\"");
	has_line(t, "x6=\"@@\"");
	has_line(t, "user=\"\"");
	has_line(t, "layout=\"\"");
	CHECK(!strstr(t, "acl-") && !strstr(t, "broker-"));
	has_line(shown(one("applications="), NULL), "applications=\"\"");
}

TEST(extras)
{
	struct profile_extra e = {.host = "c",
	                          .status = "S",
	                          .suspended = 2,
	                          .running = 0,
	                          .autologin = true,
	                          .user = "b\xff\xc3\xb6"
	                                  "b"};
	const char *t;

	t = shown(one("host=a,c\nkey=mine\nautologin=0\nstatus=x"), &e);
	has_line(t, "host=\"c\"");
	has_line(t, "status=\"S\"");
	has_line(t, "suspended=2");
	has_line(t, "running=0");
	has_line(t, "autologin=1");
	has_line(t, "user=\"b\\xfffd\\xf6\\x62\"");
	has_line(t, "key=\"\\x3cwill-be-exchanged-during-session-selection>\"");
	CHECK(!strstr(t, "mine") && !strstr(t, "\"x\"") && !strstr(t, "autologin=0"));
	e = (struct profile_extra){.suspended = -1, .running = -1};
	t = shown(one("host=a,c\nkey=mine\nautologin=0\nuser=joe"), &e);
	has_line(t, "host=\"a,c\"");
	has_line(t, "key=\"mine\"");
	has_line(t, "autologin=0");
	has_line(t, "user=\"joe\"");
	CHECK(!strstr(t, "status") && !strstr(t, "suspended"));
	has_line(shown(one(""), &e), "user=\"\"");
}

static const char *json(const struct profile *p, const struct profile_extra *extra)
{
	static char *text;
	json_t *j = profile_json(p, extra);

	CHECK(j);
	free(text);
	text = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT);
	json_decref(j);
	CHECK(text);
	return text;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		test_fail(__FILE__, __LINE__, "no %s in: %s", part, text);
}

TEST(json_values)
{
	const struct profile_extra e = {
		.status = "R", .suspended = 1, .running = 1, .autologin = true, .user = "bob"};
	const char *t = json(one("name=Zo\xc3\xab\nhost=a (b:1),c\nusebrokerpass=1\nunknown=x\n"
	                         "sound=off\nbroker-x=1\nexport=/a:1;/b b:0;C#1,/d;\n"),
	                     &e);

	has(t, "\"name\":\"Zo\xc3\xab\"");
	has(t, "\"host\":[\"a\",\"c\"]");
	has(t, "\"sound\":false");
	has(t, "\"sshport\":22");
	has(t, "\"user\":\"bob\"");
	has(t, "\"autologin\":true");
	has(t, "\"export\":{\"/a\":true,\"/b b\":false,\"/d\":true,\"C\":true}");
	has(t, "\"applications\":[\"TERMINAL\",");
	CHECK(!strstr(t, "unknown") && !strstr(t, "usebrokerpass") && !strstr(t, "status") &&
	      !strstr(t, "suspended") && !strstr(t, "acl") && !strstr(t, "broker"));
	has(json(one(""), NULL), "\"export\":\"\"");
	has(json(one("host="), NULL), "\"host\":[]");
	CHECK(!profile_json(one(""), &(struct profile_extra){.user = "\xff"}));
}

/* ---- anything ---- */

static void no_crash(const uint8_t *data, size_t len)
{
	struct profiles *p = NULL;

	if (profiles_parse((const char *)data, len, "f", "a=x2go://h", &p, err, sizeof(err)) == 0)
		profiles_free(p);
	else
		CHECK(err[0]);
}

static void no_crash_rows(const uint8_t *data, size_t len)
{
	char *rows = strndup((const char *)data, len);
	struct profiles *p = NULL;

	if (profiles_parse("", 0, "f", rows, &p, err, sizeof(err)) == 0)
		profiles_free(p);
	else
		CHECK(err[0]);
	free(rows);
}

TEST(mutations)
{
	static const char text[] = "[DEFAULT]\nsound = yes\nhost: a ([::1]:22),\n\tc\n[\xc3\xa4]\n"
				   "acl-clients-allow=1.2.3.4/24, ::1\nexport=/a:1;\n";
	static const char rows[] =
		":1,a=x2go://u@h:22/c%20d?host=,x2go://[::1]:2/?dpi=9&name=%c3%a4";

	test_mutate(text, sizeof(text) - 1, no_crash);
	test_mutate(rows, sizeof(rows) - 1, no_crash_rows);
}

TEST(all_that_is_left_out)
{
	static const char text[] = "[a]\nhost=h\n[b]\nsshport=x\n[c]\nacl-any-order=sideways\n";
	struct profiles *p = NULL;

	CHECK_EQ(profiles_parse(text, strlen(text), "file", "d=x2go://h:port,e=x2go://h", &p, err,
	                        sizeof(err)),
	         0);
	CHECK_EQ(profiles_count(p), 2);
	CHECK(strncmp(profiles_left_out(p, 0), "file:4: sshport=x: ", 19) == 0);
	CHECK(strncmp(profiles_left_out(p, 1), "file:6: acl-any-order=", 22) == 0);
	CHECK(strstr(profiles_left_out(p, 2), "record, x2go session 1: "));
	CHECK(profiles_left_out(p, 3) == NULL);
	CHECK_STR(err, profiles_left_out(p, 0));
	profiles_free(p);
}
