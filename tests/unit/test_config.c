/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_config.c - configuration: values, lines, files, errors.
 */
#include "base/clock.h"
#include "base/config.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char err[CONFIG_ERROR_MAX];

static int parse(struct config *c, const char *text)
{
	size_t len = strlen(text);
	char *copy = malloc(len + 1);
	int r;

	memcpy(copy, text, len);
	r = config_parse_text(c, "x.conf", copy, len, err);
	free(copy);
	return r;
}

/* text fails with this message. */
static void check_error(const char *text, int error, const char *message)
{
	struct config c;
	int r;

	CHECK_EQ(config_defaults(&c), 0);
	r = parse(&c, text);
	config_free(&c);
	test_note("%.150s", text);
	CHECK_STR(err, message);
	CHECK_EQ(r, error);
	test_note("%s", "");
}

static void check_override(const char *text, int error, const char *message)
{
	struct config c;
	int r;

	CHECK_EQ(config_defaults(&c), 0);
	r = config_override(&c, text, err);
	config_free(&c);
	test_note("%s", text);
	CHECK_STR(err, message);
	CHECK_EQ(r, error);
	test_note("%s", "");
}

TEST(times)
{
	static const struct {
		const char *text;
		int r;
		uint64_t usec;
	} rows[] = {
		{"0", 0, 0},
		{"5", 0, 5 * USEC_PER_SEC},
		{"5s", 0, 5 * USEC_PER_SEC},
		{" 5 sec ", 0, 5 * USEC_PER_SEC},
		{"2min 30s", 0, 150 * USEC_PER_SEC},
		{"2min30s", 0, 150 * USEC_PER_SEC},
		{"1500ms", 0, 1500 * USEC_PER_MSEC},
		{"7us", 0, 7},
		{"1h", 0, 3600 * USEC_PER_SEC},
		{"1 day 1 hour 1 minute 1 second", 0, 90061 * USEC_PER_SEC},
		{"18446744073709551615us", 0, UINT64_MAX},
		{"18446744073709551616us", -ERANGE, 0},
		{"18446744073709551615us 1us", -ERANGE, 0},
		{"18446744073709551615", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"5x", -EINVAL, 0},
		{"5 s m", -EINVAL, 0},
		{"5us usec", -EINVAL, 0},
		{"-5s", -EINVAL, 0},
		{"1.5s", -EINVAL, 0},
		{"5 secondssecondsseconds", -EINVAL, 0},
		{"5se", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t usec = 0;

		test_note("%s", rows[i].text);
		CHECK_EQ(config_parse_usec(rows[i].text, &usec), rows[i].r);
		CHECK(usec == rows[i].usec);
	}
}

TEST(sizes)
{
	static const struct {
		const char *text;
		int r;
		uint64_t bytes;
	} rows[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"4K", 0, 4096},
		{" 16M ", 0, 16 << 20},
		{"16 M", 0, 16 << 20},
		{"1G", 0, 1 << 30},
		{"1T", 0, UINT64_C(1) << 40},
		{"16777216T", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{"1MB", -EINVAL, 0},
		{"1m", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"1M 1K", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bytes = 0;

		test_note("%s", rows[i].text);
		CHECK_EQ(config_parse_bytes(rows[i].text, &bytes), rows[i].r);
		CHECK(bytes == rows[i].bytes);
	}
}

static void check_defaults(const struct config *c)
{
	CHECK_EQ(c->listen_transports,
	         TRANSPORT_TCP | TRANSPORT_TLS | TRANSPORT_WEBSOCKET | TRANSPORT_HTTP);
	CHECK_STR(c->listen_http_backend, "");
	CHECK(!c->listen_http_backend_proxy_protocol && !c->listen_forwarded_for);
	CHECK_STR(c->listen_html_root, "/usr/share/xpra/www");
	CHECK(c->listen_chooser && !c->listen_http_sessions);
	CHECK_EQ(c->listen_allowed_origins.count, 0);
	CHECK(!c->listen_require_tls);
	CHECK_EQ(c->listen_tls_certificates.count, 1);
	CHECK_STR(c->listen_tls_certificates.items[0], CONFIG_TLS_CERTIFICATE);
	CHECK_EQ(c->listen_tls_keys.count, 1);
	CHECK_STR(c->listen_tls_keys.items[0], CONFIG_TLS_KEY);
	CHECK_EQ(c->listen_tls_min_version, 12);
	CHECK_STR(c->listen_user, "xproxy");
	CHECK(!c->listen_proxy_protocol);
	CHECK_EQ(c->listen_encryption, 0);
	CHECK_STR(c->listen_encryption_key_file, "");
	CHECK_EQ(c->listen_trusted_proxies.count, 3);
	CHECK_EQ(c->listen_trusted_proxies.ranges[0].bits, 8);
	CHECK_EQ(c->listen_trusted_proxies.ranges[1].bits, 128);
	CHECK_EQ(c->listen_trusted_proxies.ranges[2].first.family, AF_UNIX);
	CHECK_EQ(c->auth_modules.count, 0);
	CHECK_EQ(c->sessions_registry, REGISTRY_AUTH);
	CHECK_EQ(c->sessions_socket_dirs.count, 3);
	CHECK_STR(c->sessions_socket_dirs.items[0], "$XDG_RUNTIME_DIR/xpra");
	CHECK_STR(c->sessions_socket_dirs.items[1], "/run/xpra");
	CHECK_STR(c->sessions_socket_dirs.items[2], "~/.xpra");
	CHECK_STR(c->sessions_default_user, "nobody");
	CHECK_STR(c->sessions_default_group, "nogroup");
	CHECK_EQ(c->sessions_connect_timeout_usec, 20 * USEC_PER_SEC);
	CHECK_EQ(c->relay_ping_interval_usec, 5 * USEC_PER_SEC);
	CHECK_EQ(c->relay_ping_timeout_usec, 90 * USEC_PER_SEC);
	CHECK_EQ(c->relay_idle_timeout_usec, 0);
	CHECK_EQ(c->limits_login_timeout_usec, 31 * USEC_PER_SEC);
	CHECK_EQ(c->limits_challenge_timeout_usec, 120 * USEC_PER_SEC);
	CHECK_EQ(c->limits_hello_size_bytes, 1 << 20);
	CHECK_EQ(c->limits_max_failures, 5);
	CHECK_EQ(c->limits_failure_window_usec, 60 * USEC_PER_SEC);
	CHECK_EQ(c->limits_penalty_max_usec, 3600 * USEC_PER_SEC);
	CHECK_EQ(c->limits_penalty_exempt.count, 3);
}

static const char everything[] = "\xef\xbb\xbf# comment\n"
				 "; another = one\n"
				 "\n"
				 "[Listen]\n"
				 "Transports=tcp\r\n"
				 "User = proxy \n"
				 "ProxyProtocol=yes\n"
				 "Encryption=AES-CBC\taes-gcm\n"
				 "Encryption=AES-CTR\n"
				 "EncryptionKeyFile=/etc/key\n"
				 "TrustedProxies=10.0.0.0/8\t2001:db8::/32\n"
				 "TrustedProxies=192.0.2.1\n"
				 "HTTPBackend=[::1]:80\n"
				 "HTTPBackendProxyProtocol=yes\n"
				 "HTMLRoot=/srv/www\n"
				 "Chooser=no\nHTTPSessions=yes\n"
				 "AllowedOrigins=https://a:1 *\n"
				 "ForwardedFor=yes\n"
				 "[Auth]\n"
				 "Module=env(name=A B)\n"
				 "  Module=multifile(filename=/etc/x)\n"
				 "[Sessions]\n"
				 "Registry=socket\n"
				 "SocketDirs=/a\t/b\n"
				 "SocketDirs=~/c\n"
				 "DefaultUser=65534\n"
				 "DefaultGroup=users\n"
				 "ConnectTimeout=1500ms\n"
				 "[Relay]\n"
				 "PingInterval=0\n"
				 "PingTimeout=2min \\\n"
				 "# between\n"
				 "  30s\n"
				 "IdleTimeout=1h\n"
				 "[Limits]\n"
				 "LoginTimeout=10\n"
				 "ChallengeTimeout=60s\n"
				 "HelloSize=16M\n"
				 "MaxFailures=0\n"
				 "FailureWindow=5min\n"
				 "PenaltyMax=1d\n"
				 "PenaltyExempt=10.0.0.0/8 unix";

TEST(every_key)
{
	struct config c;

	CHECK_EQ(config_defaults(&c), 0);
	check_defaults(&c);
	CHECK_EQ(parse(&c, everything), 0);
	CHECK_STR(err, "");
	CHECK_EQ(c.listen_transports, TRANSPORT_TCP);
	CHECK_STR(c.listen_user, "proxy");
	CHECK(c.listen_proxy_protocol);
	CHECK_EQ(c.listen_encryption, ENCRYPTION_CBC | ENCRYPTION_GCM | ENCRYPTION_CTR);
	CHECK_STR(c.listen_encryption_key_file, "/etc/key");
	CHECK_EQ(c.listen_trusted_proxies.count, 3);
	CHECK_EQ(c.listen_trusted_proxies.ranges[0].first.bytes[0], 10);
	CHECK_EQ(c.listen_trusted_proxies.ranges[1].first.family, AF_INET6);
	CHECK_EQ(c.listen_trusted_proxies.ranges[2].bits, 32);
	CHECK_STR(c.listen_http_backend, "[::1]:80");
	CHECK(c.listen_http_backend_proxy_protocol && c.listen_forwarded_for);
	CHECK_STR(c.listen_html_root, "/srv/www");
	CHECK(!c.listen_chooser && c.listen_http_sessions);
	CHECK_EQ(c.listen_allowed_origins.count, 2);
	CHECK_STR(c.listen_allowed_origins.items[0], "https://a:1");
	CHECK_EQ(c.auth_modules.count, 2);
	CHECK_STR(c.auth_modules.items[0], "env(name=A B)");
	CHECK_STR(c.auth_modules.items[1], "multifile(filename=/etc/x)");
	CHECK_EQ(c.sessions_registry, REGISTRY_SOCKET);
	CHECK_STR(c.sessions_registry_module, "");
	CHECK_EQ(c.sessions_socket_dirs.count, 3);
	CHECK_STR(c.sessions_socket_dirs.items[0], "/a");
	CHECK_STR(c.sessions_socket_dirs.items[1], "/b");
	CHECK_STR(c.sessions_socket_dirs.items[2], "~/c");
	CHECK_STR(c.sessions_default_user, "65534");
	CHECK_STR(c.sessions_default_group, "users");
	CHECK_EQ(c.sessions_connect_timeout_usec, 1500 * USEC_PER_MSEC);
	CHECK_EQ(c.relay_ping_interval_usec, 0);
	CHECK_EQ(c.relay_ping_timeout_usec, 150 * USEC_PER_SEC);
	CHECK_EQ(c.relay_idle_timeout_usec, 3600 * USEC_PER_SEC);
	CHECK_EQ(c.limits_login_timeout_usec, 10 * USEC_PER_SEC);
	CHECK_EQ(c.limits_challenge_timeout_usec, 60 * USEC_PER_SEC);
	CHECK_EQ(c.limits_hello_size_bytes, 16 << 20);
	CHECK_EQ(c.limits_max_failures, 0);
	CHECK_EQ(c.limits_failure_window_usec, 300 * USEC_PER_SEC);
	CHECK_EQ(c.limits_penalty_max_usec, 86400 * USEC_PER_SEC);
	CHECK_EQ(c.limits_penalty_exempt.count, 2);
	config_free(&c);
	config_free(&c);
}

TEST(empty_value_resets)
{
	struct config c;

	CHECK_EQ(config_defaults(&c), 0);
	CHECK_EQ(parse(&c, everything), 0);
	CHECK_EQ(parse(&c, "[Listen]\nTransports=\nUser=\nProxyProtocol=\nTrustedProxies=\n"
	                   "Encryption=\nEncryptionKeyFile=\n"
	                   "HTTPBackend=\nHTTPBackendProxyProtocol=\nHTMLRoot=\nChooser="
	                   "\nHTTPSessions=\n"
	                   "AllowedOrigins=\nForwardedFor=\n[Auth]"
	                   "\nModule=\n[Sessions]\nRegistry=\n"
	                   "SocketDirs=\nDefaultUser=\nDefaultGroup= \nConnectTimeout=\n"
	                   "[Relay]\nPingInterval=\nPingTimeout=\nIdleTimeout=\n"
	                   "[Limits]\nLoginTimeout=\nChallengeTimeout=\nHelloSize=\n"
	                   "MaxFailures=\nFailureWindow=\nPenaltyMax=\nPenaltyExempt=\n"),
	         0);
	check_defaults(&c);
	/* and a list starts again with the next value */
	CHECK_EQ(parse(&c, "[Sessions]\nSocketDirs=/one\n[Auth]\nModule=none\n"), 0);
	CHECK_EQ(c.sessions_socket_dirs.count, 1);
	CHECK_EQ(c.auth_modules.count, 1);
	config_free(&c);
}

TEST(errors)
{
	check_error("[Listen]\nHTTPBackend=localhost\n", -EINVAL,
	            "x.conf:2: HTTPBackend=: 'localhost' is not valid; expected host:port or the "
	            "path of a unix socket");
	check_error("[Listen]\nHTTPBackend=a:65536\n", -EINVAL,
	            "x.conf:2: HTTPBackend=: 'a:65536' is not valid; expected host:port or the "
	            "path of a unix socket");
	check_error("[Listen]\nHTTPBackend=a:1K\n", -EINVAL,
	            "x.conf:2: HTTPBackend=: 'a:1K' is not valid; expected host:port or the path "
	            "of a unix socket");
	check_error("[Listen]\nHTMLRoot=www\n", -EINVAL,
	            "x.conf:2: HTMLRoot=: 'www' is not valid; expected the path of a directory");
	check_error("[Listen]\nAllowedOrigins=https://a example.org\n", -EINVAL,
	            "x.conf:2: AllowedOrigins=: 'example.org' is not valid; expected origins such "
	            "as https://www.example.org:8443, without a path, or *");
	check_error("[Listen]\nAllowedOrigins=https://a/\n", -EINVAL,
	            "x.conf:2: AllowedOrigins=: 'https://a/' is not valid; expected origins such "
	            "as https://www.example.org:8443, without a path, or *");
	check_error("[Listen]\nRequireTLS=maybe\n", -EINVAL,
	            "x.conf:2: RequireTLS=: 'maybe' is not valid; expected yes or no");
	check_error("[Listen]\nTLSKey=key.pem\n", -EINVAL,
	            "x.conf:2: TLSKey=: 'key.pem' is not valid; expected the path of a PEM file");
	check_error("[Listen]\nEncryption=AES-ECB\n", -EINVAL,
	            "x.conf:2: Encryption=: 'AES-ECB' is not valid; expected AES, or some of "
	            "AES-CBC, AES-GCM, AES-CFB and AES-CTR");
	check_error(
		"[Listen]\nEncryptionKeyFile=key\n", -EINVAL,
		"x.conf:2: EncryptionKeyFile=: 'key' is not valid; expected the path of a file");
	check_error("[Listen]\nTLSMinVersion=1.1\n", -EINVAL,
	            "x.conf:2: TLSMinVersion=: '1.1' is not valid; expected 1.2 or 1.3");
	check_error("[Listen]\nTransports=tpc\n", -EINVAL,
	            "x.conf:2: Transports=: 'tpc' is not valid; expected some of tcp, tls, "
	            "websocket and http");
	check_error(
		"\n\n[Relay]\nPinginterval=5s\n", -EINVAL,
		"x.conf:4: unknown key 'Pinginterval' in [Relay]; did you mean 'PingInterval'?");
	check_error("[Relay]\nModule=none\n", -EINVAL,
	            "x.conf:2: unknown key 'Module' in [Relay]; it belongs to [Auth]");
	check_error("[Relay]\nColour=blue\n", -EINVAL, "x.conf:2: unknown key 'Colour' in [Relay]");
	check_error("[Session]\n", -EINVAL,
	            "x.conf:1: unknown section [Session]; did you mean [Sessions]?");
	check_error("[Video]\n", -EINVAL,
	            "x.conf:1: unknown section [Video]; known: [Listen] [Auth] [Sessions] [Relay] "
	            "[Encode] [X2Go] [Limits]");
	check_error("[]\n", -EINVAL,
	            "x.conf:1: unknown section []; known: [Listen] [Auth] [Sessions] [Relay] "
	            "[Encode] [X2Go] [Limits]");
	check_error("[", -EINVAL, "x.conf:1: section without its ']'; expected [Section]");
	check_error("[Auth", -EINVAL, "x.conf:1: section without its ']'; expected [Section]");
	check_error("Module=x", -EINVAL, "x.conf:1: key 'Module' before any [Section]");
	check_error("[Auth]\nMy secret\n", -EINVAL, "x.conf:2: expected Key=Value or [Section]");
	check_error("[Auth]\n=secret\n", -EINVAL, "x.conf:2: expected Key=Value or [Section]");
	check_error("[Limits]\nMaxFailures=1K\n", -EINVAL,
	            "x.conf:2: MaxFailures=: '1K' is not valid; expected a number from 1 to 10000, "
	            "or 0 for no limit");
	check_error(
		"[Limits]\nFailureWindow=0\n", -EINVAL,
		"x.conf:2: FailureWindow=: '0' is not valid; expected a time such as 20s, 2min or "
		"1500ms, from 1s to 1d");
	check_error("[Limits]\nHelloSize=1K\n", -EINVAL,
	            "x.conf:2: HelloSize=: '1K' is not valid; expected a size from 4K to 16M");
	check_error(
		"[Limits]\nLoginTimeout=0\n", -EINVAL,
		"x.conf:2: LoginTimeout=: '0' is not valid; expected a time such as 20s, 2min or "
		"1500ms, from 100ms to 1d");
	check_error(
		"[Relay]\nPingTimeout=5s # quick\n", -EINVAL,
		"x.conf:2: PingTimeout=: '5s # quick' is not valid; expected a time such as 20s, "
		"2min or 1500ms, from 100ms to 365d, or 0 for never (a comment needs a line of "
		"its own)");
	check_error(
		"[Sessions]\nSocketDirs=/a b\n", -EINVAL,
		"x.conf:2: SocketDirs=: 'b' is not valid; expected directories that begin with /, "
		"~ or $");
	check_error("[Listen]\nProxyProtocol=v2\n", -EINVAL,
	            "x.conf:2: ProxyProtocol=: 'v2' is not valid; expected yes or no");
	check_error(
		"[Listen]\nTrustedProxies=::1 10.0.0.1/8\n", -EINVAL,
		"x.conf:2: TrustedProxies=: '10.0.0.1/8' is not valid; expected networks such as "
		"192.0.2.0/24 or 2001:db8::/32 (all 0 after the prefix), addresses, or unix");
	check_error("[Listen]\nUser=a b\n", -EINVAL,
	            "x.conf:2: User=: 'a b' is not valid; expected a user's name or number");
	check_error("[Listen]\nUser=\x1b[1m\n", -EINVAL,
	            "x.conf:2: User=: '?[1m' is not valid; expected a user's name or number");
}

TEST(overrides)
{
	struct config c;

	CHECK_EQ(config_defaults(&c), 0);
	CHECK_EQ(config_override(&c, "Relay.IdleTimeout= 5min ", err), 0);
	CHECK_EQ(c.relay_idle_timeout_usec, 300 * USEC_PER_SEC);
	CHECK_EQ(config_override(&c, "Auth.Module=password(value=a=b.c)", err), 0);
	CHECK_EQ(config_override(&c, "Auth.Module=none", err), 0);
	CHECK_EQ(c.auth_modules.count, 2);
	CHECK_STR(c.auth_modules.items[0], "password(value=a=b.c)");
	CHECK_EQ(config_override(&c, "Auth.Module=", err), 0);
	CHECK_EQ(c.auth_modules.count, 0);
	CHECK_EQ(config_override(&c, "Sessions.SocketDirs=/x", err), 0);
	CHECK_EQ(c.sessions_socket_dirs.count, 1);
	config_free(&c);

	check_override("", -EINVAL, "command line: expected -o Section.Key=VALUE");
	check_override("Module=a.b", -EINVAL, "command line: expected -o Section.Key=VALUE");
	check_override("Auth.Modul=x", -EINVAL,
	               "command line: unknown key 'Modul' in [Auth]; did you mean 'Module'?");
	check_override("auth.Module=x", -EINVAL,
	               "command line: unknown section [auth]; did you mean [Auth]?");
	check_override("Listen.Transports=htpp", -EINVAL,
	               "command line: Transports=: 'htpp' is not valid; expected some of tcp, tls, "
	               "websocket and http");
}

TEST(yes_or_no)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
	char text[64];
	struct config c;

	CHECK_EQ(config_defaults(&c), 0);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		snprintf(text, sizeof(text), "[Listen]\nProxyProtocol=%s\n", words[i]);
		CHECK_EQ(parse(&c, text), 0);
		CHECK_EQ(c.listen_proxy_protocol, i % 2);
	}
	config_free(&c);
}

TEST(limits)
{
	const size_t len = CONFIG_LINE_MAX + 100;
	char *text = malloc(len + 1);
	struct config c;

	CHECK_EQ(config_defaults(&c), 0);
	for (int i = 0; i < CONFIG_LIST_MAX; i++)
		CHECK_EQ(parse(&c, "[Auth]\nModule=none\n"), 0);
	CHECK_EQ(parse(&c, "[Auth]\nModule=secret\n"), -E2BIG);
	CHECK_STR(err,
	          "x.conf:2: Module=: more than 16 values; an empty Module= starts the list again");

	for (int i = 0; i < NETADDR_RANGES_MAX; i++)
		CHECK_EQ(parse(&c, "[Listen]\nTrustedProxies=::1\n"), 0);
	CHECK_EQ(parse(&c, "[Listen]\nTrustedProxies=::1\n"), -E2BIG);
	CHECK_STR(err, "x.conf:2: TrustedProxies=: more than 64 networks; an empty TrustedProxies= "
	               "starts the list again");

	memset(text, 'x', len);
	memcpy(text, "[Auth]\nModule=", 14);
	CHECK_EQ(config_parse_text(&c, "x.conf", text, len, err), -E2BIG);
	CHECK_STR(err, "x.conf:2: line is longer than 64 KiB");
	for (size_t i = 14; i + 1 < len; i += 2)
		memcpy(text + i, "\\\n", 2);
	memcpy(text, "[Auth]\nModule=", 14);
	CHECK_EQ(config_parse_text(&c, "x.conf", text, len, err), 0); /* all blanks: empty */
	CHECK_EQ(c.auth_modules.count, 0);
	CHECK_EQ(config_parse_text(&c, "x.conf", memcpy(text, "\n\0\n", 4), 3, err), -EINVAL);
	CHECK_STR(err, "x.conf: not a text file: it has a zero byte");
	free(text);
	config_free(&c);
}

static void write_file(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, len), (ssize_t)len);
	close(fd);
}

#define WRITE(path, text) write_file(path, text, strlen(text))

static void load_and_remove(void)
{
	const size_t big = CONFIG_FILE_MAX + 1;
	struct config c = {0};
	char *text = malloc(big);

	CHECK_EQ(config_load(&c, "x.conf", err), -ENOENT);
	CHECK_STR(err, "x.conf: cannot open: No such file or directory");

	WRITE("x.conf", "[Listen]\nUser=a\n[Auth]\nModule=one\n");
	CHECK_EQ(config_load(&c, "x.conf", err), 0);
	CHECK_EQ(mkdir("x.conf.d", 0700), 0);
	WRITE("x.conf.d/10-b.conf", "[Listen]\nUser=b\n[Auth]\nModule=two\n");
	WRITE("x.conf.d/20-c.conf", "[Listen]\nUser=c\n[Auth]\nModule=three");
	WRITE("x.conf.d/30.conf~", "nonsense");
	WRITE("x.conf.d/.conf", "nonsense");
	for (int i = 0; i < 3; i++) /* repeatable: same result, nothing leaked */
		CHECK_EQ(config_load(&c, "x.conf", err), 0);
	CHECK_STR(c.listen_user, "c");
	CHECK_EQ(c.auth_modules.count, 3);
	CHECK_STR(c.auth_modules.items[2], "three");

	WRITE("x.conf.d/15.conf", "[Listen]\nUser\n");
	CHECK_EQ(config_load(&c, "x.conf", err), -EINVAL);
	CHECK_STR(err, "x.conf.d/15.conf:2: expected Key=Value or [Section]");
	unlink("x.conf.d/15.conf");

	memset(text, '\n', big);
	write_file("x.conf", text, big);
	CHECK_EQ(config_load(&c, "x.conf", err), -EFBIG);
	CHECK_STR(err, "x.conf: larger than 1024 KiB");
	write_file("x.conf", text, big - 1);
	CHECK_EQ(config_load(&c, "x.conf", err), 0);
	CHECK_STR(c.listen_user, "c");

	CHECK_EQ(config_load(&c, "/dev/null", err), 0);
	check_defaults(&c);
	CHECK_EQ(config_load(&c, "x.conf.d", err), -EINVAL);
	CHECK_STR(err, "x.conf.d: not a regular file");
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	CHECK_EQ(config_load(&c, "fifo", err), -EINVAL);
	CHECK_EQ(config_load(&c, "/dev/zero", err), -EFBIG);
	config_free(&c);
	free(text);
}

TEST(files)
{
	static const char *const made[] = {"x.conf.d/10-b.conf",
	                                   "x.conf.d/20-c.conf",
	                                   "x.conf.d/30.conf~",
	                                   "x.conf.d/.conf",
	                                   "x.conf.d",
	                                   "x.conf",
	                                   "fifo"};
	char dir[] = "/tmp/test_config.XXXXXX";
	int back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(mkdtemp(dir) && chdir(dir) == 0);
	load_and_remove();
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		CHECK_EQ(remove(made[i]), 0);
	CHECK_EQ(fchdir(back), 0);
	CHECK_EQ(rmdir(dir), 0);
	close(back);
}

/* Whatever the bytes are: no crash, no leak, and an error says where. */
static void check_bytes(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	struct config c;
	int r;

	memcpy(text, data, len);
	CHECK_EQ(config_defaults(&c), 0);
	r = config_parse_text(&c, "f", text, len, err);
	CHECK(r <= 0);
	CHECK((r < 0) == (strncmp(err, "f:", 2) == 0));
	CHECK(c.limits_hello_size_bytes >= 4096 && c.limits_login_timeout_usec > 0);
	config_free(&c);
	free(text);
}

TEST(mutations)
{
	test_mutate(everything, sizeof(everything) - 1, check_bytes);
}
