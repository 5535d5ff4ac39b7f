/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_option.c - session options, from records and URIs. Links session/option.c.
 */
#include "session/option.h"

#include "base/config.h"
#include "tests/unit/test.h"
static struct session_options o;
static char warnings[2048];

static void collect(const char *text)
{
	size_t n = strlen(warnings);

	snprintf(warnings + n, sizeof(warnings) - n, "%s\n", text);
}

static void set(const char *name, const char *value)
{
	warnings[0] = '\0';
	session_option_set(&o, name, value, collect);
}

TEST(values)
{
	session_options_clear(&o);
	CHECK_EQ(o.compression_level, -1);
	set("ssl-server-verify-mode", "none");
	CHECK(o.ssl_unverified);
	set("ssl-server-verify-mode", "Required");
	CHECK(!o.ssl_unverified);
	set("ssl-check-hostname", "no");
	CHECK(o.ssl_any_name);
	set("ssl-check-hostname", "1");
	CHECK(!o.ssl_any_name);
	set("ssl-ca-certs", "/etc/ca.pem");
	CHECK_STR(o.ssl_ca_certs, "/etc/ca.pem");
	set("ssl-ca-certs", "default");
	CHECK_STR(o.ssl_ca_certs, "");
	set("proxy-type", "SOCKS5");
	CHECK_EQ(o.via, VIA_SOCKS5);
	set("proxy-type", "http");
	CHECK_EQ(o.via, VIA_HTTP);
	set("proxy-port", "3128");
	CHECK_STR(o.via_port, "3128");
	set("password", "a\nb");
	CHECK(o.has_password);
	CHECK_STR(o.password, "a\nb");
	set("lz4", "off");
	CHECK_EQ(o.lz4, TRISTATE_NO);
	set("encryption", "AES");
	CHECK_EQ(o.encryption, ENCRYPTION_CBC);
	set("encryption", "aes-gcm");
	CHECK_EQ(o.encryption, ENCRYPTION_GCM);
	set("encryption", "no");
	CHECK_EQ(o.encryption, 0);
	set("encryption-keyfile", "~/key");
	CHECK_STR(o.encryption_keyfile, "~/key");
	CHECK_STR(warnings, "");
}

/* It is remembered that something was asked for. */
TEST(encryption_refused)
{
	static const char *const cases[] = {"", "yes", "DES", "AES-ECB", "AES-", "AES-CBC "};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		test_note("encryption=%s", cases[i]);
		session_options_clear(&o);
		set("encryption", cases[i]);
		CHECK_EQ(o.encryption, SESSION_ENCRYPTION_BAD);
		CHECK_STR(warnings, "bad value of the session option 'encryption'\n");
	}
}

TEST(refused)
{
	static const char *const cases[][2] = {
		{"ssl-server-verify-mode", "perhaps"},
		{"ssl-check-hostname", ""},
		{"ssl-cert", "/a\nb"},
		{"proxy-type", "socks4"},
		{"proxy-port", "0"},
		{"proxy-port", "65536"},
		{"proxy-port", "1x"},
		{"proxy-port", "000000000000000000001"},
		{"proxy-host", "a\r\nb"},
		{"proxy-username", "a\x7f"},
		{"compression", "10"},
		{"lz4", "maybe"},
	};
	struct session_options before;
	char long_text[300];

	session_options_clear(&o);
	before = o;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		test_note("%s=%s", cases[i][0], cases[i][1]);
		set(cases[i][0], cases[i][1]);
		CHECK(strstr(warnings, "bad value of the session option '"));
		CHECK(memcmp(&o, &before, sizeof(o)) == 0);
	}
	memset(long_text, 's', sizeof(long_text));
	long_text[256] = '\0';
	set("password", long_text);
	CHECK(strstr(warnings, "bad value"));
	CHECK(!strstr(warnings, "sss"));
	CHECK(memcmp(&o, &before, sizeof(o)) == 0);
	set("yaml", "1");
	CHECK_STR(warnings, "the session option 'yaml' has no effect here\n");
	set("colour", "red");
	CHECK_STR(warnings, "unknown session option 'colour'\n");
	session_option_set(&o, "colour", "red", NULL);
}

TEST(of_a_uri)
{
	session_options_clear(&o);
	warnings[0] = '\0';
	session_options_of_uri(&o, "", collect);
	session_options_of_uri(&o, "ssl-ca-certs=%2Fa%20b&proxy-host=h&&password=%26%3D%2",
	                       collect);
	CHECK_STR(warnings, "");
	CHECK_STR(o.ssl_ca_certs, "/a b");
	CHECK_STR(o.via_host, "h");
	CHECK_STR(o.password, "&=%2");
	session_options_of_uri(&o, "secret&=x&proxy%2Dhost=g&ssl-cert=%0a&x=%00", collect);
	CHECK_STR(o.via_host, "g");
	CHECK_STR(o.ssl_cert, "");
	CHECK(!strstr(warnings, "secret"));
	CHECK(strstr(warnings, "bad value of the session option 'ssl-cert'"));
}
