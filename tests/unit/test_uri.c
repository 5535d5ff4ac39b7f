/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Session URIs: what is accepted, what is refused and how, printing and matching. Links
 * session/uri.c and uri_text.c.
 */
#include "session/uri.h"

#include "tests/unit/test.h"

#include <errno.h>

static struct uri u;
static char err[URI_TEXT_MAX];

static int parse(const char *text)
{
	test_note("%s", text);
	u = (struct uri){.host = "untouched"};
	return uri_parse(text, &u, err);
}

static void prints(const char *expected)
{
	char buf[URI_TEXT_MAX], again[URI_TEXT_MAX];
	struct uri v;

	uri_print(&u, buf, sizeof(buf));
	CHECK_STR(buf, expected);
	CHECK_EQ(uri_parse(buf, &v, err), 0);
	uri_print(&v, again, sizeof(again));
	CHECK_STR(again, expected);
}

TEST(displays)
{
	static const char *const cases[][2] = {
		{":10", ":10"},
		{"10", ":10"},
		{":10.0", ":10.0"},
		{"10.1", ":10.1"},
		{"wayland-1", "wayland-1"},
		{":proxy-123", ":proxy-123"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_EQ(parse(cases[i][0]), 0);
		CHECK_EQ(u.scheme, URI_DISPLAY);
		CHECK_STR(u.display, cases[i][1]);
		CHECK_STR(err, "");
		prints(cases[i][1]);
	}
}

TEST(sockets)
{
	CHECK_EQ(parse("socket:///run/xpra/host-10"), 0);
	CHECK_EQ(u.scheme, URI_SOCKET);
	CHECK_STR(u.path, "/run/xpra/host-10");
	prints("socket:///run/xpra/host-10");
	CHECK_EQ(parse("socket:/run/x"), 0);
	CHECK_STR(u.path, "/run/x");
	CHECK_EQ(parse("/run/with space=and%20"), 0);
	CHECK_STR(u.path, "/run/with space=and%20"); /* a bare path is not decoded */
	prints("socket:///run/with space=and%2520");
	CHECK_EQ(parse("socket:///a%20b"), 0);
	CHECK_STR(u.path, "/a b");
	CHECK_EQ(parse("unix-domain:/a"), 0);
	CHECK_STR(u.path, "/a");
	CHECK_EQ(parse("socket://bob:secret@/run/x"), 0);
	CHECK_STR(u.path, "/run/x");
	CHECK_STR(u.username, "bob");
	CHECK_STR(u.password, "secret");
	prints("socket://bob@/run/x");
	CHECK_EQ(parse("@xpra/10"), 0);
	CHECK_STR(u.path, "@xpra/10");
	prints("socket://@xpra/10");
}

struct tcp {
	const char *text, *host, *port, *display, *username, *password, *print;
};

static const struct tcp tcps[] = {
	{"tcp://h", "h", "14500", "", NULL, NULL, "tcp://h:14500"},
	{"tcp://h/", "h", "14500", "", NULL, NULL, "tcp://h:14500"},
	{"tcp://h:1/100", "h", "1", ":100", NULL, NULL, "tcp://h:1/100"},
	{"tcp://h:0010/:7/", "h", "10", ":7", NULL, NULL, "tcp://h:10/7"},
	{"tcp://h:xpra/wayland-1", "h", "xpra", "wayland-1", NULL, NULL, "tcp://h:xpra/wayland-1"},
	{"TCP://Host:1", "Host", "1", "", NULL, NULL, "tcp://Host:1"},
	{"xpra+tcp://h:1", "h", "1", "", NULL, NULL, "tcp://h:1"},
	{"xpra://h:1", "h", "1", "", NULL, NULL, "tcp://h:1"},
	{"tcp://", "127.0.0.1", "14500", "", NULL, NULL, "tcp://127.0.0.1:14500"},
	{"tcp://:9", "127.0.0.1", "9", "", NULL, NULL, "tcp://127.0.0.1:9"},
	{"tcp:h:1", "h", "1", "", NULL, NULL, "tcp://h:1"},
	{"tcp:h:1:10", "h", "1", ":10", NULL, NULL, "tcp://h:1/10"},
	{"tcp:h", "h", "14500", "", NULL, NULL, "tcp://h:14500"},
	{"tcp/h:1/3", "h", "1", ":3", NULL, NULL, "tcp://h:1/3"},
	{"tcp://[::1]:9/1", "::1", "9", ":1", NULL, NULL, "tcp://[::1]:9/1"},
	{"tcp://[::1]", "::1", "14500", "", NULL, NULL, "tcp://[::1]:14500"},
	{"tcp://::1", "::1", "14500", "", NULL, NULL, "tcp://[::1]:14500"},
	{"tcp://fe80::1:14500", "fe80::1", "14500", "", NULL, NULL, "tcp://[fe80::1]:14500"},
	{"tcp://fe80::1%eth0:9", "fe80::1%eth0", "9", "", NULL, NULL, "tcp://[fe80::1%eth0]:9"},
	{"tcp://bob@h:1", "h", "1", "", "bob", NULL, "tcp://bob@h:1"},
	{"tcp://bob:pw@h:1/2", "h", "1", ":2", "bob", "pw", "tcp://bob@h:1/2"},
	{"tcp://b%40c:p%2Fw%3a@h", "h", "14500", "", "b@c", "p/w:", "tcp://b%40c@h:14500"},
	{"tcp://b@c:p?w#@h", "h", "14500", "", NULL, NULL, NULL},
	{"tcp://bob:p@w@h", "h", "14500", "", "bob", "p@w", "tcp://bob@h:14500"},
	{"tcp://bob:p?#w@h", "h", "14500", "", "bob", "p?#w", "tcp://bob@h:14500"},
	{"tcp://:pw@h", "h", "14500", "", NULL, "pw", "tcp://h:14500"},
	{"tcp:bob:pw@h:1:2", "h", "1", ":2", "bob", "pw", "tcp://bob@h:1/2"},
	{"tcp://h:1/2?a=b", "h", "1", ":2", NULL, NULL, "tcp://h:1/2"},
	{"tcp://h:1?a=b", "h", "1", "", NULL, NULL, "tcp://h:1"},
	{"tcp://h:1/opt=val", "h", "1", "", NULL, NULL, "tcp://h:1"},
	{"tcp://h:1/a%2Fb", "h", "1", "a/b", NULL, NULL, "tcp://h:1/a%2Fb"},
	{"tcp://h:1/5%", "h", "1", "5%", NULL, NULL, "tcp://h:1/5%25"},
};

TEST(tcp)
{
	for (size_t i = 0; i < ARRAY_SIZE(tcps); i++) {
		const struct tcp *t = &tcps[i];

		CHECK_EQ(parse(t->text), 0);
		CHECK_EQ(u.scheme, URI_TCP);
		CHECK_STR(u.host, t->host);
		CHECK_STR(u.port, t->port);
		CHECK_STR(u.display, t->display);
		if (!t->print) /* an odd one: only that it is taken */
			continue;
		CHECK_EQ(u.has_username, t->username != NULL);
		CHECK_EQ(u.has_password, t->password != NULL);
		CHECK_STR(u.username, t->username ? t->username : "");
		CHECK_STR(u.password, t->password ? t->password : "");
		prints(t->print);
	}
}

TEST(networks)
{
	static const struct {
		const char *text, *mode, *host, *port, *display, *query, *print;
	} cases[] = {
		{"ssl://h", "ssl", "h", "443", "", "", "ssl://h:443"},
		{"ssl:h:14500:10", "ssl", "h", "14500", ":10", "", "ssl://h:14500/10"},
		{"xpra+ssl://h/", "ssl", "h", "443", "", "", "ssl://h:443"},
		{"ws://h/10", "ws", "h", "80", ":10", "", "ws://h:80/10"},
		{"wss://[::1]/", "wss", "::1", "443", "", "", "wss://[::1]:443"},
		{"wss://h/10?ssl-ca-certs=%2Fa&b=c", "wss", "h", "443", ":10",
	         "ssl-ca-certs=%2Fa&b=c", "wss://h:443/10"},
		{"ssl://h?a=b#c?d", "ssl", "h", "443", "", "a=b", "ssl://h:443"},
		{"ssl://h/?", "ssl", "h", "443", "", "", "ssl://h:443"},
		{"ssh://bob@h/10", "ssh", "h", "22", ":10", "", "ssh://bob@h:22/10"},
		{"ssh://h:2222", "ssh", "h", "2222", "", "", "ssh://h:2222"},
		{"ssh://[fe80::1%eth0]/wayland-1", "ssh", "fe80::1%eth0", "22", "wayland-1", "",
	         "ssh://[fe80::1%eth0]:22/wayland-1"},
		{"vsock://2:14500/", "vsock", "2", "14500", "", "", "vsock://2:14500"},
		{"vsock://2:4294967294", "vsock", "2", "4294967294", "", "",
	         "vsock://2:4294967294"},
		{"vsock://host:14500/10", "vsock", "host", "14500", ":10", "",
	         "vsock://host:14500/10"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_EQ(parse(cases[i].text), 0);
		CHECK_STR(uri_mode(&u), cases[i].mode);
		CHECK(uri_is_network(&u));
		CHECK_STR(u.host, cases[i].host);
		CHECK_STR(u.port, cases[i].port);
		CHECK_STR(u.display, cases[i].display);
		CHECK_STR(u.query, cases[i].query);
		prints(cases[i].print);
	}
	CHECK_EQ(parse(":10"), 0);
	CHECK(!uri_is_network(&u));
	CHECK_STR(uri_mode(&u), "socket");
}

TEST(names)
{
	CHECK_EQ(parse("office=tcp://h:1/"), 0);
	CHECK_STR(u.name, "office");
	CHECK_STR(u.host, "h");
	prints("tcp://h:1");
	CHECK_EQ(parse("my desk=:10"), 0);
	CHECK_STR(u.name, "my desk");
	CHECK_STR(u.display, ":10");
	CHECK_EQ(parse("x=/run/a=b"), 0);
	CHECK_STR(u.name, "x");
	CHECK_STR(u.path, "/run/a=b");
}

TEST(refused)
{
	static const struct {
		int r;
		const char *text;
	} cases[] = {
		{-EINVAL, ""},
		{-EINVAL, ":"},
		{-EINVAL, "name="},
		{-EINVAL, "=:10"},
		{-EINVAL, "office"},
		{-EINVAL, "host:14500"},
		{-EINVAL, "foo://h:1"},
		{-EINVAL, "secret@host"},
		{-EINVAL, ":../../x"},
		{-EINVAL, ":10/../x"},
		{-EINVAL, ":.."},
		{-EINVAL, ":1 0"},
		{-EINVAL, "socket://relative"},
		{-EINVAL, "socket://"},
		{-EINVAL, "socket:///"},
		{-EINVAL, "@"},
		{-EINVAL, "/a\nb"},
		{-EINVAL, "socket:///a%0Ab"},
		{-EINVAL, "socket:///a%00b"},
		{-EINVAL, "tcp://h:0"},
		{-EINVAL, "tcp://h:65536"},
		{-EINVAL, "tcp://h:1 2"},
		{-EINVAL, "tcp://h h"},
		{-EINVAL, "tcp://h\x7f"},
		{-EINVAL, "tcp://[::1"},
		{-EINVAL, "tcp://[h]:1"},
		{-EINVAL, "tcp://[::1]9"},
		{-EINVAL, "tcp://u:p%0aw@h"},
		{-EINVAL, "tcp://h:1/a\tb"},
		{-EPROTONOSUPPORT, "quic://h"},
		{-EPROTONOSUPPORT, "xpra+rfb://h"},
		{-EINVAL, "ssl://h:0"},
		{-EINVAL, "ws://h/a?b=\x01"},
		{-EINVAL, "ssh://bob:secret@h/10"},
		{-EINVAL, "ssh:h:10"},
		{-EINVAL, "ssh://-oProxyCommand=x/10"},
		{-EINVAL, "ssh://-h/10"},
		{-EINVAL, "ssh://-bob@h/10"},
		{-EINVAL, "ssh://b%20b@h/10"},
		{-EINVAL, "ssh://b%24b@h/10"},
		{-EINVAL, "ssh://h/10%20;reboot"},
		{-EINVAL, "ssh://h/$(reboot)"},
		{-EINVAL, "ssh://h/10'"},
		{-EINVAL, "ssh://h/-x"},
		{-EINVAL, "ssh://h/.."},
		{-EINVAL, "vsock://2"},
		{-EINVAL, "vsock://2:0"},
		{-EINVAL, "vsock://2:4294967295"},
		{-EINVAL, "vsock://h:1"},
		{-EINVAL, "vsock://2:xpra"},
		{-EINVAL, "vsock://99999999999:1"},
		{-EMSGSIZE, "tcp://h:12345678901234567890"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_EQ(parse(cases[i].text), cases[i].r);
		CHECK(err[0] != '\0');
		CHECK_STR(u.host, "untouched");
		CHECK(!strstr(err, "secret"));
	}
}

TEST(too_long)
{
	char text[2000];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "tcp://", 6);
	CHECK_EQ(parse(text), -EMSGSIZE);
	memcpy(text, "/aaaaa", 6);
	CHECK_EQ(parse(text), -EMSGSIZE);
	text[200] = '\0'; /* fits the array, not sun_path */
	CHECK_EQ(parse(text), -EMSGSIZE);
	text[107] = '\0';
	CHECK_EQ(parse(text), 0);
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "tcp://bob:aaa", 13);
	memcpy(text + sizeof(text) - 4, "@h", 3);
	CHECK_EQ(parse(text), -EMSGSIZE);
	CHECK_STR(err, "the password is too long");
	memset(text, 'a', sizeof(text) - 1);
	text[0] = ':';
	CHECK_EQ(parse(text), -EMSGSIZE);
	memset(text, 'a', sizeof(text) - 1);
	text[500] = '=';
	CHECK_EQ(parse(text), -EMSGSIZE);
}

TEST(print_cuts)
{
	char buf[12] = "", one[1] = "x";

	CHECK_EQ(parse("tcp://some.host.example:14500/10"), 0);
	uri_print(&u, buf, sizeof(buf));
	CHECK(strlen(buf) < sizeof(buf));
	uri_print(&u, one, 1);
	CHECK_STR(one, "");
}

TEST(matches)
{
	CHECK_EQ(parse("office=:10"), 0);
	CHECK(uri_matches(&u, "10"));
	CHECK(uri_matches(&u, ":10"));
	CHECK(uri_matches(&u, "office"));
	CHECK(!uri_matches(&u, ""));
	CHECK(!uri_matches(&u, "1"));
	CHECK(!uri_matches(&u, ":100"));
	CHECK(!uri_matches(&u, "Office"));
	CHECK(!uri_matches(&u, "tcp://10"));
	CHECK_EQ(parse("tcp://bob:pw@Host:14500/7"), 0);
	CHECK(uri_matches(&u, "tcp://host/7"));
	CHECK(uri_matches(&u, "tcp:host:14500:7"));
	CHECK(uri_matches(&u, "tcp://bob@host/7"));
	CHECK(uri_matches(&u, "tcp://bob:pw@host/7"));
	CHECK(uri_matches(&u, "tcp://bob:other@host/7")); /* no oracle for the password */
	CHECK(!uri_matches(&u, "tcp://eve@host/7"));
	CHECK(!uri_matches(&u, "tcp://host/8"));
	CHECK(!uri_matches(&u, "tcp://host"));
	CHECK(!uri_matches(&u, "tcp://host:1/7"));
	CHECK(!uri_matches(&u, "7"));
	CHECK_EQ(parse("wayland-1"), 0);
	CHECK(uri_matches(&u, "wayland-1"));
	CHECK_EQ(parse("/run/x"), 0);
	CHECK(uri_matches(&u, "socket:///run/x"));
	CHECK(uri_matches(&u, "/run/x"));
	CHECK(!uri_matches(&u, "/run/y"));
	CHECK(!uri_matches(&u, "\n"));
}
