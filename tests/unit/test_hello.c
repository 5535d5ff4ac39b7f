/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/hello.c: what is read from the hellos of every version, and from nonsense.
 */
#include "tests/unit/test.h"

#include <errno.h>

#include "relay/hello.h"
#include "tests/unit/packet_text.h"
#include "wire/digest.h"

#define PLUS ENCODER_RENCODEPLUS
#define CLASSIC ENCODER_RENCODE
#define BENCODE ENCODER_BENCODE

static uint8_t buf[65536];
static struct rpc_response response;

/* Exact size on the heap: ASan sees a byte too far. */
static int parse_bytes(enum encoder encoder, const uint8_t *data, size_t len, struct hello *ret)
{
	uint8_t *copy = malloc(len ? len : 1);
	int r;

	memcpy(copy, data, len);
	r = hello_parse(copy, len, encoder, ret, &response);
	free(copy);
	return r;
}

static int try_parse(enum encoder encoder, const char *text, struct hello *ret)
{
	test_note("%.190s", text);
	return parse_bytes(encoder, buf, packet_text(encoder, text, buf, sizeof(buf)), ret);
}

static struct hello parse(enum encoder encoder, const char *text)
{
	struct hello h;

	CHECK_EQ(try_parse(encoder, text, &h), 0);
	return h;
}

static struct hello golden(const char *path, enum encoder encoder)
{
	struct hello h;
	size_t len;
	uint8_t *data = test_load(path, &len);
	int r = parse_bytes(encoder, data, len, &h);

	free(data);
	CHECK_EQ(r, 0);
	return h;
}

static void check_31(const struct hello *h)
{
	CHECK_STR(h->version, "3.1.3");
	CHECK_EQ(h->major, 3);
	CHECK_STR(h->username, "root");
	CHECK_STR(h->client_type, "Python3/GObject");
	CHECK_STR(h->request, "info");
	CHECK_STR(h->display, "");
	CHECK_EQ(h->encoders, ENCODERS_BENCODE | ENCODERS_RENCODE);
	CHECK_EQ(h->compressors, COMPRESSORS_ALL);
	CHECK_EQ(h->digests, DIGEST_HMAC_ALL | DIGEST_BIT(DIGEST_XOR) |
	                             DIGEST_BIT(DIGEST_KERBEROS) | DIGEST_BIT(DIGEST_GSS) |
	                             DIGEST_BIT(DIGEST_U2F));
	CHECK_EQ(h->salt_digests, DIGEST_HMAC_ALL & ~DIGEST_BIT(DIGEST_HMAC));
	CHECK(!h->challenge && !h->has_response && !h->no_connect && !h->echoes_sid);
}

TEST(golden)
{
	struct hello h;

	h = golden("tests/data/bencode-hello-client-3.1.bin", BENCODE);
	check_31(&h);
	h = golden("tests/data/rencode-hello-client-3.1.bin", CLASSIC);
	check_31(&h);
	h = golden("tests/data/rencodeplus-hello-client-6.5.bin", PLUS);
	CHECK_STR(h.version, "6.5");
	CHECK_EQ(h.major, 6);
	CHECK_STR(h.client_type, "Python/GTK3");
	CHECK_STR(h.display, "");
	CHECK_EQ(h.encoders, ENCODERS_RENCODEPLUS);
	CHECK_EQ(h.compressors, COMPRESSOR_BIT(COMPRESSOR_LZ4) | COMPRESSOR_BIT(COMPRESSOR_BROTLI));
	CHECK(h.echoes_sid && !h.challenge);
	CHECK_EQ(h.hops, 0);
	h = golden("tests/data/rencodeplus-hello-html5.bin", PLUS);
	CHECK_STR(h.version, "22");
	CHECK_EQ(h.major, 22);
	CHECK_STR(h.client_type, "HTML5");
	CHECK_STR(h.username, "nobody");
	CHECK_EQ(h.encoders, ENCODERS_RENCODEPLUS);
	CHECK(h.echoes_sid); /* network {pings} */
	h = golden("tests/data/rencode-hello-server-3.1.bin", CLASSIC);
	CHECK_STR(h.display, ":1874");
	CHECK_STR(h.session_name, "Xsession, xterm");
	CHECK_EQ(h.encoders, ENCODERS_RENCODE);
	CHECK_EQ(h.digests, DIGEST_BIT(DIGEST_HMAC));
	h = golden("tests/data/rencodeplus-hello-server-6.5.bin", PLUS);
	CHECK_STR(h.version, ""); /* an answer to `id`: (6, 5) */
	CHECK_EQ(h.major, 0);
	CHECK_STR(h.display, ":1926");
}

TEST(texts)
{
	struct hello h =
		parse(PLUS, "['hello', {'version': '10.2', 'username': b'bob', 'client_type': 'X',"
	                    " 'display': ':5', 'session-name': 'n', 'request': 'id',"
	                    " 'connect_test_request': 'abc', 'other': [1, {'a': 2}]}]");

	CHECK_STR(h.version, "10.2");
	CHECK_EQ(h.major, 10);
	CHECK_STR(h.username, "bob");
	CHECK_STR(h.client_type, "X");
	CHECK_STR(h.display, ":5");
	CHECK_STR(h.session_name, "n");
	CHECK_STR(h.request, "id");
	CHECK_STR(h.connect_test, "abc");
}

TEST(odd_texts)
{
	struct hello h;
	char text[400];

	CHECK_STR(parse(PLUS, "['hello', {'display': 100}]").display, "100");
	CHECK_STR(
		parse(PLUS, "['hello', {'display': {'dpi': {'x': 96}, 'display': ':1'}}]").display,
		"");
	CHECK_STR(parse(PLUS, "['hello', {'display': ':1', 'display': {}}]").display, "");
	CHECK_STR(parse(PLUS, "['hello', {'username': 'a\\x0ab'}]").username, "");
	CHECK_STR(parse(PLUS, "['hello', {'username': 'a\\x00b'}]").username, "");
	CHECK_STR(parse(PLUS, "['hello', {'username': none}]").username, "");
	CHECK_STR(parse(PLUS, "['hello', {'username': [1, 2]}]").username, "");
	h = parse(PLUS, "['hello', {'version': '99999999999999999999'}]");
	CHECK(h.major >= 1000 && h.major < 10000);
	h = parse(PLUS, "['hello', {'version': '0123456789012345678901234567890.1'}]");
	CHECK_STR(h.version, ""); /* too long */
	CHECK_EQ(parse(PLUS, "['hello', {'version': 'v3'}]").major, 0);
	snprintf(text, sizeof(text), "['hello', {'username': '%0255d'}]", 7);
	CHECK_EQ(strlen(parse(PLUS, text).username), 255);
	snprintf(text, sizeof(text), "['hello', {'username': '%0256d'}]", 7);
	CHECK_EQ(strlen(parse(PLUS, text).username), 0);
}

TEST(session_and_proxy)
{
	struct hello h = parse(
		PLUS, "['hello', {'session': {'display': 7, 'name': 'n', 'uuid': 'u', 'x': [1],"
		      " 'hops': 9, 'pings': 9, [1]: 2}, 'proxy': {'hops': 3, 'version': '6'}}]");

	CHECK_STR(h.session_display, "7");
	CHECK_STR(h.session_name, "n");
	CHECK_STR(h.session_uuid, "u");
	CHECK_STR(h.display, "");
	CHECK_EQ(h.hops, 3);
	CHECK(!h.echoes_sid);
	CHECK_EQ(parse(CLASSIC, "['hello', {'proxy': true, 'proxy.hops': 2}]").hops, 2);
	CHECK_EQ(parse(BENCODE, "['hello', {'proxy': 1, 'proxy.hops': 2}]").hops, 2);
	CHECK_EQ(parse(PLUS, "['hello', {'proxy.hops': -1}]").hops, 0);
	CHECK_EQ(parse(PLUS, "['hello', {'proxy.hops': '4'}]").hops, 0);
	CHECK_EQ(parse(PLUS, "['hello', {'proxy.hops': 99999999999}]").hops, 255);
	CHECK_EQ(parse(PLUS, "['hello', {'proxy': {'hops': 256, 'display': 'x'}}]").hops, 255);
	CHECK_STR(parse(PLUS, "['hello', {'session': 'text', 'proxy': [1]}]").session_display, "");
}

TEST(pings)
{
	CHECK(parse(PLUS, "['hello', {'ping-echo-sourceid': true}]").echoes_sid);
	CHECK(parse(BENCODE, "['hello', {'ping-echo-sourceid': 1}]").echoes_sid);
	CHECK(parse(PLUS, "['hello', {'ping': 5}]").echoes_sid);
	CHECK(parse(PLUS, "['hello', {'ping': true, 'ping-echo-sourceid': false}]").echoes_sid);
	CHECK(parse(PLUS, "['hello', {'network': {'pings': 5}}]").echoes_sid);
	CHECK(!parse(PLUS, "['hello', {'network': {'pings': 0}, 'ping': false}]").echoes_sid);
	CHECK(!parse(PLUS, "['hello', {'network': {'pings': 'x', 'display': 'x'}}]").echoes_sid);
	CHECK(!parse(PLUS, "['hello', {'ping-echo-sourceid': 'no'}]").echoes_sid);
}

TEST(requests)
{
	static const char *const names[] = {"version", "info", "stop",   "screenshot", "command",
	                                    "print",   "exit", "detach", "event"};
	char text[100];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text), "['hello', {'%s_request': 1}]", names[i]);
		CHECK_STR(parse(BENCODE, text).request, names[i]);
		snprintf(text, sizeof(text), "['hello', {'%s_request': 0}]", names[i]);
		CHECK_STR(parse(BENCODE, text).request, "");
	}
	CHECK_STR(parse(PLUS, "['hello', {'command_request': ['a', 'b']}]").request, "command");
	/* The text is what counts, whichever comes first. */
	CHECK_STR(parse(PLUS, "['hello', {'request': 'id', 'info_request': true}]").request, "id");
	CHECK_STR(parse(PLUS, "['hello', {'info_request': true, 'request': 'id'}]").request, "id");
}

TEST(sets)
{
	struct hello h;

	h = parse(PLUS,
	          "['hello', {'encoders': ['bencode', 'rencode', 'rencodeplus', 'yaml', 7, ['x']],"
	          " 'compressors': ['zlib', 'lz4', 'brotli', 'zstd', 'lzo', {'a': 1}]}]");
	CHECK_EQ(h.encoders, ENCODERS_ALL);
	CHECK_EQ(h.compressors, COMPRESSORS_ALL);
	h = parse(BENCODE, "['hello', {'rencode': 1, 'rencodeplus': 0, 'lz4': 1, 'zlib': 0, "
	                   "'lz4.version': '1'}]");
	CHECK_EQ(h.encoders, ENCODERS_BENCODE | ENCODERS_RENCODE);
	CHECK_EQ(h.compressors, COMPRESSOR_BIT(COMPRESSOR_LZ4));
	h = parse(PLUS,
	          "['hello', {'rencode': {'': true, 'version': [1, 2]}, 'bencode': {'': false},"
	          " 'lz4': {'': true}, 'brotli': {'': false, 'version': '1'}, 'zlib': {'version': "
	          "'1'}}]");
	CHECK_EQ(h.encoders, ENCODERS_RENCODE | ENCODERS_RENCODEPLUS);
	CHECK_EQ(h.compressors, COMPRESSOR_BIT(COMPRESSOR_LZ4) | COMPRESSOR_BIT(COMPRESSOR_ZLIB));
	h = parse(PLUS,
	          "['hello', {'encoders': 'rencode', 'compressors': {'lz4': true}, 'digest': 5}]");
	CHECK_EQ(h.encoders, ENCODERS_RENCODEPLUS); /* it wrote with it */
	CHECK_EQ(h.compressors, 0);
	CHECK_EQ(h.digests, 0); /* a list that we understand nothing of is not a missing one */
	h = parse(PLUS, "['hello', {'digest': ['hmac+sha256', b'xor:tls', 'keycloak', 4, ['hmac']],"
	                " 'salt-digest': ['hmac+sha512', {}]}]");
	CHECK_EQ(h.digests, DIGEST_BIT(DIGEST_HMAC_SHA256) | DIGEST_BIT(DIGEST_XOR) |
	                            DIGEST_BIT(DIGEST_KEYCLOAK));
	CHECK_EQ(h.salt_digests, DIGEST_BIT(DIGEST_HMAC_SHA512));
}

TEST(packet_types)
{
	CHECK(parse(PLUS, "['hello', {'packet-types': ['a', 'ssl-upgrade', 'b']}]").ssl_upgrade);
	CHECK(parse(PLUS, "['hello', {'packet-types': [b'ssl-upgrade']}]").ssl_upgrade);
	CHECK(!parse(PLUS, "['hello', {'packet-types': [['ssl-upgrade'], 'ssl-upgrades', 1]}]")
	               .ssl_upgrade);
	CHECK(!parse(PLUS, "['hello', {'packet-types': 'ssl-upgrade'}]").ssl_upgrade);
	CHECK(!parse(PLUS, "['hello', {'packet-types': {'ssl-upgrade': 1}}]").ssl_upgrade);
	CHECK(!parse(PLUS, "['hello', {'other': ['ssl-upgrade']}]").ssl_upgrade);
}

TEST(flags)
{
	CHECK(parse(PLUS, "['hello', {'challenge': false}]").challenge); /* presence */
	CHECK(parse(PLUS, "['hello', {'connect': false}]").no_connect);
	CHECK(parse(BENCODE, "['hello', {'connect': 0}]").no_connect);
	CHECK(!parse(PLUS, "['hello', {'connect': true}]").no_connect);
	CHECK(!parse(PLUS, "['hello', {}]").no_connect);
	CHECK(parse(PLUS, "['hello', {'start-new-session': {'mode': 'start'}}]").start_new_session);
	CHECK(!parse(PLUS, "['hello', {'start-new-session': {}}]").start_new_session);
	CHECK(!parse(PLUS, "['hello', {'start-new-session': ''}]").start_new_session);
}

TEST(challenge_response)
{
	struct hello h = parse(PLUS, "['hello', {'challenge_response': b'0123', "
	                             "'challenge_client_salt': b'\\xff\\x00'}]");

	CHECK(h.has_response);
	CHECK_MEM(response.response.data, response.response.len, "0123", 4);
	CHECK_MEM(response.client_salt.data, response.client_salt.len, "\xff\0", 2);
	/* HTML5: text of Latin-1 code points */
	h = parse(PLUS, "['hello', {'challenge_response': '0123', 'challenge_client_salt': "
	                "'\\xc3\\xbf\\xc2\\x80z'}]");
	CHECK_MEM(response.client_salt.data, response.client_salt.len, "\xff\x80z", 3);
	h = parse(BENCODE, "['hello', {'challenge_response': '\\xc3\\xbf'}]");
	CHECK_MEM(response.response.data, response.response.len, "\xc3\xbf", 2);
	CHECK_EQ(response.client_salt.len, 0);
	h = parse(PLUS, "['hello', {}]"); /* what was there before is gone */
	CHECK(!h.has_response && response.response.len == 0);
}

TEST(bad_response)
{
	static char text[9000];
	struct hello h;
	uint8_t *copy;
	size_t n;

	CHECK_EQ(try_parse(PLUS, "['hello', {'challenge_response': 5}]", &h), -EINVAL);
	CHECK_EQ(try_parse(PLUS, "['hello', {'challenge_client_salt': ['x']}]", &h), -EINVAL);
	CHECK_EQ(try_parse(PLUS, "['hello', {'challenge_response': '\\xe2\\x82\\xac'}]", &h),
	         -EINVAL);
	snprintf(text, sizeof(text), "['hello', {'challenge_response': b'%08192d'}]", 1);
	CHECK_EQ(try_parse(PLUS, text, &h), 0);
	CHECK_EQ(response.response.len, 8192);
	snprintf(text, sizeof(text), "['hello', {'challenge_response': b'%08193d'}]", 1);
	CHECK_EQ(try_parse(PLUS, text, &h), -EMSGSIZE);
	/* Nobody asks for it: anything goes. */
	n = packet_text(PLUS, "['hello', {'challenge_response': 5, 'challenge_client_salt': none}]",
	                buf, sizeof(buf));
	copy = malloc(n);
	memcpy(copy, buf, n);
	CHECK_EQ(hello_parse(copy, n, PLUS, &h, NULL), 0);
	CHECK(h.has_response);
	free(copy);
}

TEST(not_a_hello)
{
	struct hello h;

	CHECK_EQ(try_parse(PLUS, "['ping', {}]", &h), -EPROTO);
	CHECK_EQ(try_parse(PLUS, "['hello2', {}]", &h), -EPROTO);
	CHECK_EQ(try_parse(PLUS, "[['hello'], {}]", &h), -EPROTO);
	CHECK_EQ(try_parse(PLUS, "[1, {}]", &h), -EPROTO);
	CHECK_EQ(try_parse(PLUS, "[]", &h), -EPROTO);
	CHECK_EQ(try_parse(PLUS, "['hello']", &h), -EBADMSG);
	CHECK_EQ(try_parse(PLUS, "['hello', 1]", &h), -EBADMSG);
	CHECK_EQ(try_parse(PLUS, "['hello', ['version', '3']]", &h), -EBADMSG);
	CHECK_EQ(try_parse(PLUS, "{'hello': {}}", &h), -EBADMSG);
	CHECK_EQ(try_parse(PLUS, "'hello'", &h), -EBADMSG);
	CHECK_EQ(parse_bytes(PLUS, buf, 0, &h), -EBADMSG);
	CHECK_EQ(parse_bytes(ENCODER_YAML, (const uint8_t *)"- hello\n", 8, &h), -EOPNOTSUPP);
	CHECK_EQ(parse_bytes(BENCODE, (const uint8_t *)"le", 2, &h), -EPROTO);
	CHECK_EQ(parse_bytes(BENCODE, (const uint8_t *)"l5:hello", 8, &h), -EBADMSG);
	CHECK_EQ(parse_bytes(BENCODE, (const uint8_t *)"l5:hellod1:ae", 13, &h), -EBADMSG);
}

/* Cut short everywhere, with every kind of value last. */
TEST(cut_short)
{
	static const char *const texts[] = {
		"['hello', {'encoders': ['rencode', ['x']]}]",
		"['hello', {'session': {['x']: ['y'], 'name': 1}}]",
		"['hello', {'lz4': {'': true}}]",
		"['hello', {'connect': {'': 0}}]",
		"['hello', {'info_request': ['x']}]",
		"['hello', {'ping': ['x']}]",
		"['hello', {'challenge_response': 'abc'}]",
		"['hello', {'display': {'a': [1]}}]",
		"['hello', {['key']: 1, 'x': 2}]",
		"['hello', {'session': 5, 'digest': {'a': 1}}]",
	};
	struct hello h;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t len = packet_text(PLUS, texts[i], buf, sizeof(buf));

		test_note("%s", texts[i]);
		CHECK_EQ(parse_bytes(PLUS, buf, len, &h), 0);
		/* The list's own end is not waited for. */
		for (size_t n = 0; n + 1 < len; n++)
			CHECK(parse_bytes(PLUS, buf, n, &h) < 0);
	}
}

static void check_sane(const struct hello *h)
{
	CHECK(memchr(h->version, 0, sizeof(h->version)) &&
	      memchr(h->username, 0, sizeof(h->username)) &&
	      memchr(h->client_type, 0, sizeof(h->client_type)) &&
	      memchr(h->display, 0, sizeof(h->display)) &&
	      memchr(h->request, 0, sizeof(h->request)) &&
	      memchr(h->session_name, 0, sizeof(h->session_name)));
	CHECK(h->encoders && h->encoders <= ENCODERS_ALL);
	CHECK((h->compressors & ~(unsigned)COMPRESSORS_ALL) == 0);
	CHECK((h->digests || h->has_digests) &&
	      (h->digests & ~(DIGEST_BIT(DIGEST_MAX_) - DIGEST_BIT(DIGEST_HMAC_SHA512))) == 0);
	CHECK(h->hops <= 255 && h->major < 10000);
	CHECK(response.response.len <= sizeof(response.response.data));
}

static void check_mutant(const uint8_t *data, size_t len)
{
	static const enum encoder encoders[] = {PLUS, CLASSIC, BENCODE};
	struct hello h;

	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++)
		if (hello_parse(data, len, encoders[i], &h, &response) == 0)
			check_sane(&h);
}

TEST(mutations)
{
	static const char *const files[] = {
		"tests/data/bencode-hello-client-3.1.bin",
		"tests/data/rencode-hello-client-3.1.bin",
		"tests/data/rencodeplus-hello-client-6.5.bin",
		"tests/data/rencodeplus-hello-html5.bin",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		size_t len;
		uint8_t *data = test_load(files[i], &len);

		test_mutate_every(7, data, len, check_mutant);
		free(data);
	}
	for (size_t e = 0; e < 3; e++) {
		static const enum encoder encoders[] = {PLUS, CLASSIC, BENCODE};
		size_t len = packet_text(
			encoders[e],
			"['hello', {'session': {'display': 7, 'name': 'n'}, 'proxy': {'hops': 3},"
			" 'digest': ['xor', 'hmac'], 'lz4': {'': 1}, 'challenge_response': b'xy',"
			" 'info_request': 1, 'ping': 0, 'connect': 0, 'version': '3.1'}]",
			buf, sizeof(buf));

		test_mutate(buf, len, check_mutant);
	}
}
