/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_hosts.c - lists and files of hosts, and the module that reads them.
 */
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include "auth/hosts_rule.h"
#include "auth/load.h"

static char err[AUTH_ERROR_MAX];
static unsigned lookups;
static int known = HOSTS_KNOWN;

static int fake_name(struct hosts_client *c, const char **ret, char *why)
{
	(void)c;
	lookups++;
	if (known < 0)
		snprintf(why, AUTH_ERROR_MAX, "the name server is down");
	*ret = known == HOSTS_KNOWN ? "pc1.Example.org" : "";
	return known;
}

static struct hosts_client from(const char *address)
{
	struct hosts_client c = {.address = address};

	c.net.family = strcmp(address, "") == 0    ? AF_UNIX
	               : strchr(address, ':') != 0 ? AF_INET6
	                                           : AF_INET;
	if (*address)
		CHECK_EQ(inet_pton(c.net.family, address, c.net.bytes), 1);
	netaddr_unmap(&c.net);
	return c;
}

static int list(const char *text, const char *address)
{
	struct hosts_client c = from(address);

	test_note("%s for '%s'", text, address);
	return hosts_list(text, &c, true, err);
}

static int named(const char *text)
{
	struct hosts_client c = from("192.0.2.7");

	c.name = fake_name;
	lookups = 0;
	test_note("%s", text);
	return hosts_list(text, &c, true, err);
}

static void refused(const char *text, const char *why)
{
	struct hosts_client nobody = {.address = ""};

	CHECK_EQ(list(text, "192.0.2.7"), -EINVAL);
	if (!strstr(err, why))
		CHECK_STR(err, why);
	CHECK_EQ(hosts_list(text, &nobody, false, err), -EINVAL); /* as when it is opened */
}

TEST(addresses)
{
	CHECK_EQ(list("192.0.2.7", "192.0.2.7"), 1);
	CHECK_EQ(list("192.0.2.7", "192.0.2.70"), 0);
	CHECK_EQ(list("192.0.2.0/24", "192.0.2.7"), 1);
	CHECK_EQ(list("192.0.2.0/255.255.255.0", "192.0.2.7"), 1);
	CHECK_EQ(list("192.0.2.0/255.255.255.252", "192.0.2.7"), 0);
	CHECK_EQ(list("0.0.0.0/0.0.0.0", "192.0.2.7"), 1);
	CHECK_EQ(list("192.0.2.7/255.255.255.255", "192.0.2.7"), 1);
	CHECK_EQ(list("192.0.2.", "192.0.2.7"), 1);
	CHECK_EQ(list("192.0.", "192.0.2.7"), 1);
	CHECK_EQ(list("192.0.", "192.1.2.7"), 0);
	CHECK_EQ(list("192.0.2.?", "192.0.2.7"), 1);
	CHECK_EQ(list("192.0.*.7", "192.0.2.7"), 1);
	CHECK_EQ(list("192.0.2.??", "192.0.2.7"), 0);
	CHECK_EQ(list("10.0.0.0/8, 192.0.2.0/24\t::1", "192.0.2.7"), 1);
	CHECK_EQ(list("2001:db8::/32", "2001:db8::1"), 1);
	CHECK_EQ(list("[2001:db8::]/32", "2001:db8::1"), 1);
	CHECK_EQ(list("[2001:db8::1]", "2001:db8::1"), 1);
	CHECK_EQ(list("2001:db8::/32", "192.0.2.7"), 0);
	CHECK_EQ(list("192.0.2.0/24", "::ffff:192.0.2.7"), 1); /* as peers are told apart */
	CHECK_EQ(list("unix", ""), 1);
	CHECK_EQ(list("unix", "192.0.2.7"), 0);
	CHECK_EQ(list("192.0.2.", ""), 0);
	CHECK_EQ(list("", "192.0.2.7"), 0);
}

TEST(words)
{
	CHECK_EQ(list("ALL", "192.0.2.7"), 1);
	CHECK_EQ(list("ALL", ""), 1);
	CHECK_EQ(list("LOCAL", ""), 1);
	CHECK_EQ(list("LOCAL", "127.1.2.3"), 1);
	CHECK_EQ(list("LOCAL", "::1"), 1);
	CHECK_EQ(list("LOCAL", "192.0.2.7"), 0);
}

TEST(except)
{
	CHECK_EQ(list("ALL EXCEPT 192.0.2.0/24", "192.0.2.7"), 0);
	CHECK_EQ(list("ALL EXCEPT 192.0.2.0/24", "192.0.3.7"), 1);
	CHECK_EQ(list("192.0. EXCEPT 192.0.2. EXCEPT 192.0.2.7", "192.0.2.7"), 1);
	CHECK_EQ(list("192.0. EXCEPT 192.0.2. EXCEPT 192.0.2.7", "192.0.2.8"), 0);
	CHECK_EQ(list("192.0. EXCEPT 192.0.2. EXCEPT 192.0.2.7", "192.0.3.8"), 1);
	CHECK_EQ(list("192.0. EXCEPT 192.0.2. EXCEPT 192.0.2.7", "192.1.3.8"), 0);
	CHECK_EQ(list("10. EXCEPT 192.0.2.7", "192.0.2.7"), 0);
	CHECK_EQ(list("ALL except LOCAL", "127.0.0.1"), 0);
}

TEST(names)
{
	known = HOSTS_KNOWN;
	CHECK_EQ(named("pc1.example.org"), 1);
	CHECK_EQ(named(".example.org"), 1);
	CHECK_EQ(named("example.org"), 0);
	CHECK_EQ(named(".pc1.example.org"), 0);
	CHECK_EQ(named("pc?.*.org"), 1);
	CHECK_EQ(named("KNOWN"), 1);
	CHECK_EQ(named("UNKNOWN"), 0);
	CHECK_EQ(named("LOCAL"), 0);
	CHECK_EQ(named("ALL pc2.example.org"), 1);
	CHECK_EQ(lookups, 0); /* not needed */
	CHECK_EQ(named("10. EXCEPT pc1.example.org"), 0);
	CHECK_EQ(lookups, 0);
	known = HOSTS_PARANOID; /* its name is a lie */
	CHECK_EQ(named("pc1.example.org"), 0);
	CHECK_EQ(named("PARANOID"), 1);
	CHECK_EQ(named("KNOWN"), 0);
	known = HOSTS_UNKNOWN;
	CHECK_EQ(named(".example.org"), 0);
	CHECK_EQ(named("UNKNOWN"), 1);
	known = -EHOSTUNREACH; /* who cannot be looked up is in no list, nor in none */
	CHECK_EQ(named("ALL EXCEPT .example.org"), -EHOSTUNREACH);
	CHECK_EQ(named("LOCAL"), -EHOSTUNREACH);
	known = HOSTS_KNOWN;
}

TEST(what_is_not_known)
{
	refused("pc1.example.org", "dns=yes");
	refused(".example.org", "dns=yes");
	refused("KNOWN", "dns=yes");
	refused("UNKNOWN", "dns=yes");
	refused("PARANOID", "dns=yes");
	refused("ALL pc1.example.org", "dns=yes"); /* although it is not needed */
	refused("user@192.0.2.7", "hosts_access(5)");
	refused("@netgroup", "hosts_access(5)");
	refused("/etc/list", "hosts_access(5)");
	refused("192.0.2.7/33", "no address");
	refused("192.0.2.7/24", "no address"); /* bits behind the prefix */
	refused("192.0.2.0/255.0.255.0", "no address");
	refused("192.0.2", "no address");
	refused("300.0.0.1", "no address");
	refused("[2001:db8::", "hosts_access(5)");
	refused("2001:db8::zz", "hosts_access(5)");
	refused("ALL EXCEPT $(x)", "hosts_access(5)");
}

static int rules(const char *text, const char *address)
{
	struct hosts_client c = from(address);

	test_note("%s", text);
	err[0] = '\0';
	return hosts_rules(text, strlen(text), "hosts.allow", HOSTS_ALLOW, &c, true, err);
}

TEST(files)
{
	CHECK_EQ(rules("", "192.0.2.7"), HOSTS_SILENT);
	CHECK_EQ(rules("# a comment\n\n \t\nxproxy: 192.0.2.7\n", "192.0.2.7"), HOSTS_ALLOW);
	CHECK_EQ(rules("xproxy: 192.0.2.7", "192.0.2.7"), HOSTS_ALLOW);
	CHECK_EQ(rules("xpra:192.0.2.7:\r\n", "192.0.2.7"), HOSTS_ALLOW);
	CHECK_EQ(rules("ALL: ALL", "192.0.2.7"), HOSTS_ALLOW);
	CHECK_EQ(rules("sshd: ALL\nsshd,xproxy: 10.", "192.0.2.7"), HOSTS_SILENT);
	CHECK_EQ(rules("sshd, xproxy : 192.", "192.0.2.7"), HOSTS_ALLOW);
	CHECK_EQ(rules("ALL EXCEPT xproxy: ALL", "192.0.2.7"), HOSTS_SILENT);
	CHECK_EQ(rules("ALL EXCEPT sshd: ALL", "192.0.2.7"), HOSTS_ALLOW);
	CHECK_EQ(rules("xproxy: 192.0.2.7 : DENY\nALL: ALL\n", "192.0.2.7"), HOSTS_DENY);
	CHECK_EQ(rules("xproxy: 10. : DENY\nALL: ALL:allow\n", "192.0.2.7"), HOSTS_ALLOW);
	CHECK_EQ(rules("xproxy: 10. \\\n 192.0.2.7\n", "192.0.2.7"), HOSTS_ALLOW);
	CHECK_EQ(rules("# not \\\nxproxy: ALL\n", "192.0.2.7"), HOSTS_SILENT);
	CHECK_EQ(rules("xproxy: [2001:db8::]/32: deny", "2001:db8::1"), HOSTS_DENY);
	CHECK_EQ(rules("xproxy: [::1] [2001:db8::]/32", "2001:db8::1"), HOSTS_ALLOW);
	/* what others' rules say is not ours to understand */
	CHECK_EQ(rules("sshd: @x : spawn /bin/x\nsshd@10.0.0.1: ALL\nxproxy: ALL", "192.0.2.7"),
	         HOSTS_ALLOW);
}

static void wrong(const char *text, const char *why)
{
	CHECK_EQ(rules(text, "192.0.2.7"), -EINVAL);
	if (!strstr(err, why))
		CHECK_STR(err, why);
}

TEST(files_with_mistakes)
{
	static const char nul[] = "xproxy: AL\0L";
	struct hosts_client c = from("192.0.2.7");
	char longer[10000];

	wrong("xproxy 192.0.2.7", "hosts.allow:1: has no ':'");
	wrong("\n# x\nxproxy: 192.0.2.7: spawn (/bin/mail root)", "hosts.allow:3: 'spawn'");
	wrong("ALL: ALL: twist /bin/x", "hosts.allow:1: 'twist'");
	wrong("ALL: ALL\nALL: .example.org", "hosts.allow:2: '.example.org'"); /* read, always */
	wrong("xproxy: 10. \\\n\\\n  @x\n", "hosts.allow:1: '@x'");
	wrong("xproxy@192.0.2.1: ALL", "hosts.allow:1: 'xproxy@192.0.2.1'");
	CHECK_EQ(hosts_rules(nul, sizeof(nul), "f", HOSTS_ALLOW, &c, true, err), -EINVAL);
	memset(longer, 'a', sizeof(longer));
	CHECK_EQ(hosts_rules(longer, sizeof(longer), "f", HOSTS_ALLOW, &c, true, err), -EINVAL);
	CHECK(strstr(err, "f:1: is too long"));
	memcpy(longer, "ALL: ", 5);
	CHECK_EQ(hosts_rules(longer, 1000, "f", HOSTS_ALLOW, &c, true, err), -EINVAL);
	CHECK(strstr(err, "f:1: has a word"));
}

static void mutated(const uint8_t *data, size_t len)
{
	struct hosts_client c = from("192.0.2.7");
	int r;

	err[0] = '\0';
	r = hosts_rules((const char *)data, len, "f", HOSTS_ALLOW, &c, true, err);
	CHECK((r < 0) == (err[0] != '\0'));
	CHECK(r <= HOSTS_DENY);
}

TEST(mutated_rules)
{
	static const char text[] =
		"# x\nxproxy, sshd: 10. [::1]/128 \\\n EXCEPT LOCAL : DENY\nALL : "
		"192.0.2.0/255.255.255.0 192.*\n";

	test_mutate(text, sizeof(text) - 1, mutated);
}

/* ---- the module ---- */

static int ask(const char *spec, const char *address)
{
	struct auth_instance in = {0};
	struct auth_row row = {0};
	struct auth_attempt a = {.username = "alice"};
	struct hosts_client c = from(address);
	struct peer peer = {.net = c.net};
	int r;

	test_note("%s for '%s'", spec, address);
	snprintf(peer.address, sizeof(peer.address), "%s", address);
	err[0] = '\0';
	r = auth_load(spec, &in, err);
	if (r == 0)
		r = in.module->open(&in.options, err);
	if (r == 0) {
		a.options = &in.options;
		a.peer = &peer;
		r = in.module->verify(&a, &row);
		snprintf(err, sizeof(err), "%s", a.error);
	}
	auth_unload(&in);
	CHECK((r < 0) == (err[0] != '\0'));
	return r;
}

TEST(module)
{
	char allow[] = "/tmp/test_hosts-XXXXXX", deny[] = "/tmp/test_hosts-XXXXXX", spec[256];
	int a = mkstemp(allow), d = mkstemp(deny);

	CHECK(a >= 0 && d >= 0);
	CHECK(dprintf(a, "xproxy: 192.0.2.7\n") > 0 && dprintf(d, "ALL: 192.0. : DENY\n") > 0);
	CHECK_EQ(ask("hosts(allow=192.0.2.0/24)", "192.0.2.7"), 1);
	CHECK_EQ(ask("hosts(allow=192.0.2.0/24)", "192.0.3.7"), 0);
	CHECK_EQ(ask("hosts(deny=192.0.2.0/24)", "192.0.2.7"), 0);
	CHECK_EQ(ask("hosts(deny=192.0.2.0/24)", "192.0.3.7"), 1);
	CHECK_EQ(ask("hosts(allow=192.0.2.7,deny=192.0.2.0/24)", "192.0.2.7"), 1);
	CHECK_EQ(ask("hosts(allow=192.0.2.7,deny=192.0.2.0/24)", "192.0.2.8"), 0);
	CHECK_EQ(ask("hosts(allow=192.0.2.7,deny=192.0.2.0/24)", "192.0.3.8"), 0);
	CHECK_EQ(ask("hosts(allow=\"10.0.0.1, unix\")", ""), 1);
	snprintf(spec, sizeof(spec), "hosts(allow-file=%s,deny-file=%s)", allow, deny);
	CHECK_EQ(ask(spec, "192.0.2.7"), 1);
	CHECK_EQ(ask(spec, "192.0.2.8"), 0);
	CHECK_EQ(ask(spec, "192.1.2.8"), 1);
	snprintf(spec, sizeof(spec), "hosts(deny=192.0.2.7,allow-file=%s)", allow);
	CHECK_EQ(ask(spec, "192.0.2.7"), 0);
	CHECK(dprintf(d, "xproxy: host.example.org\n") > 0);
	snprintf(spec, sizeof(spec), "hosts(deny-file=%s)", deny);
	CHECK_EQ(ask(spec, "192.0.2.7"), -EINVAL);
	CHECK(strstr(err, ":2: 'host.example.org' needs the names of hosts"));
	unlink(allow);
	unlink(deny);
	CHECK_EQ(ask(spec, "192.0.2.7"), -ENOENT);
	CHECK_EQ(ask("hosts(dns=sometimes)", "192.0.2.7"), -EINVAL);
	CHECK_EQ(ask("hosts(allow=nowhere)", "192.0.2.7"), -EINVAL);
}
