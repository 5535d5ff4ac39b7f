/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/rewrite.c and relay/shape.c: the hello that is sent on.
 */
#include "tests/unit/token_dump.h"

#include <errno.h>

#include "relay/hello.h"
#include "relay/shape.h"
#include "tests/unit/packet_text.h"
#include "wire/digest.h"

#define LZ4 COMPRESSOR_BIT(COMPRESSOR_LZ4)
#define ZLIB COMPRESSOR_BIT(COMPRESSOR_ZLIB)

static uint8_t in[65536], out[262144];
static size_t out_len;
static const char *text_out; /* the rewritten hello, as dump() shows it */

static struct hello_edit edit(enum encoder from, enum encoder to, bool to_server)
{
	return (struct hello_edit){
		.from = from,
		.to = to,
		.to_server = to_server,
		.encoders = ENCODERS_ALL,
		.compressors = LZ4,
		.proxy_version = "5.1",
		.proxy_host = "gate",
		.hops = 1,
		.compression_level = -1,
	};
}

/* Input of the exact size on the heap; output checked to be one whole record. */
static int rewrite_bytes(const uint8_t *data, size_t len, const struct hello_edit *e, size_t size)
{
	uint8_t *copy = malloc(len ? len : 1), *made = malloc(size ? size : 1);
	struct header h;
	int r;

	memcpy(copy, data, len);
	out_len = 0;
	r = hello_rewrite(copy, len, e, made, size, &out_len);
	free(copy);
	if (r == 0) {
		CHECK(out_len <= size && out_len <= sizeof(out));
		memcpy(out, made, out_len);
	}
	free(made);
	if (r < 0)
		return r;
	CHECK_EQ(header_parse(out, out_len, &h, NULL), 0);
	CHECK_EQ(h.flags, e->to);
	CHECK_EQ(h.compression, 0);
	CHECK_EQ(h.index, 0);
	CHECK_EQ(h.size, out_len - HEADER_LEN);
	text_out = dump(e->to, out + HEADER_LEN, h.size, true, dump_buf);
	CHECK(text_out);
	return 0;
}

static void rewrite(const char *text, const struct hello_edit *e)
{
	test_note("%.190s", text);
	CHECK_EQ(rewrite_bytes(in, packet_text(e->from, text, in, sizeof(in)), e, sizeof(out)), 0);
}

static struct hello reparse(const struct hello_edit *e)
{
	struct hello h;

	CHECK_EQ(hello_parse(out + HEADER_LEN, out_len - HEADER_LEN, e->to, &h, NULL), 0);
	return h;
}

static bool has(const char *part)
{
	return strstr(text_out, part) != NULL;
}

static size_t count(const char *part)
{
	size_t n = 0;

	for (const char *p = text_out; (p = strstr(p, part)); p++)
		n++;
	return n;
}

#define HAS(part) CHECK(has(part) || (printf("%s\n", text_out), false))
#define LACKS(part) CHECK(!has(part) || (printf("%s\n", text_out), false))

TEST(whole)
{
	struct hello_edit e = edit(PLUS, PLUS, true);

	rewrite("['hello', {'version': '6.5', 'n': [1, {2: none}], b'b': b'x', 'f': 1.5}]", &e);
	CHECK_STR(text_out,
	          "[ t'hello' { t'version' t'6.5' t'n' [ 1 { 2 none ] ] b'b' b'x' t'f' 1.50000"
	          " t'rencodeplus' true t'rencode' true t'bencode' true t'lz4' true t'zlib' false"
	          " t'brotli' false t'encoders' [ t'rencodeplus' t'rencode' t'bencode' ]"
	          " t'compressors' [ t'lz4' ]"
	          " t'proxy' { t'version' t'5.1' t'xproxy' t'" XPROXY_VERSION
	          "' t'hostname' t'gate'"
	          " t'session-type' t'proxy' t'platform' t'linux' t'hops' 1 ] ] ]");
}

TEST(whole_flat)
{
	struct hello_edit e = edit(BENCODE, CLASSIC, false);

	e.encoders = ENCODERS_RENCODE;
	e.compressors = ZLIB | LZ4;
	e.hops = 2;
	rewrite("['hello', {'version': '3.1.3'}]", &e);
	CHECK_STR(text_out,
	          "[ s'hello' { s'version' s'3.1.3'"
	          " s'rencodeplus' false s'rencode' true s'bencode' false s'lz4' true s'zlib' true"
	          " s'brotli' false s'encoders' [ s'rencode' ] s'compressors' [ s'lz4' s'zlib' ]"
	          " s'proxy' true s'proxy.version' s'5.1' s'proxy.xproxy' s'" XPROXY_VERSION
	          "' s'proxy.hostname' s'gate'"
	          " s'proxy.session-type' s'proxy' s'proxy.platform' s'linux' s'proxy.hops' 2 ] ]");
	CHECK_EQ(reparse(&e).hops, 2);
}

TEST(hop_by_hop)
{
	static const char *const keys[] = {
		"rencode",
		"rencodeplus",
		"bencode",
		"yaml",
		"none",
		"encoders",
		"lz4",
		"lzo",
		"lz0",
		"zlib",
		"brotli",
		"zstd",
		"python-lz4",
		"python-lzo",
		"compressors",
		"aliases",
		"cipher",
		"wants_aliases",
		"encryption",
		"mmap",
		"websocket",
		"proxy",
		"mmap_file",
		"mmap_token",
		"mmap.size",
		"lz4.version",
		"cipher.iv",
		"cipher.mode",
		"mmap_namespace",
		"yaml.version",
		"websocket.multi-packet",
		"cipher.padding.options",
		"proxy.hostname",
		"encryption.iv",
	};
	static const char *const values[] = {"'@'", "{'': '@'}", "['@', {'x': '@'}]", "b'@'", "{}"};
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		for (size_t v = 0; v < ARRAY_SIZE(values); v++)
			for (int to_server = 0; to_server < 2; to_server++) {
				struct hello_edit e = edit(PLUS, PLUS, to_server);
				char quoted[64];

				snprintf(text, sizeof(text),
				         "['hello', {'%s': %s, b'%s': %s, 'z': 1}]", keys[i],
				         values[v], keys[i], values[v]);
				rewrite(text, &e);
				LACKS("'@'");
				snprintf(quoted, sizeof(quoted), "b'%s'", keys[i]);
				LACKS(quoted);
				HAS(" t'z' 1");
			}
}

TEST(not_hop_by_hop)
{
	struct hello_edit e = edit(PLUS, PLUS, true);

	rewrite("['hello', {'mmapx': 1, 'ciphers': 2, 'noned': 3, 'encoders-x': 4, 'proxied': 5, "
	        "6: 'lz4',"
	        " 'username': 'u', 'display': ':7', 'compression_level': 8, 'flush': true, 'ping': "
	        "9}]",
	        &e);
	HAS(" { t'mmapx' 1 t'ciphers' 2 t'noned' 3 t'encoders-x' 4 t'proxied' 5 6 t'lz4' "
	    "t'username' t'u'"
	    " t'display' t':7' t'compression_level' 8 t'flush' true t'ping' 9 t'rencodeplus'");
}

TEST(challenge_keys)
{
	static const char text[] =
		"['hello', {'challenge': true, 'challenge_response': 'r', 'z': 1,"
		" 'challenge_client_salt': '\\xc3\\xbf', 'challenge_padding': b'p'}]";
	struct hello_edit e = edit(PLUS, PLUS, true);

	rewrite(text, &e);
	LACKS("challenge");
	e.keep_challenge = true;
	rewrite(text, &e);
	LACKS("'challenge'");
	HAS("t'challenge_response' b'r'"); /* HTML5's text is bytes now */
	HAS("t'challenge_client_salt' b'\\ff'");
	HAS("t'challenge_padding' b'p'");
	e.to_server = false;
	rewrite(text, &e);
	LACKS("challenge");
}

TEST(challenge_odd)
{
	static char text[9000];
	struct hello_edit e = edit(PLUS, PLUS, true);
	size_t len;

	e.keep_challenge = true;
	rewrite("['hello', {'challenge_response': '\\xe2\\x82\\xac', 'challenge_client_salt': [1, "
	        "2]}]",
	        &e);
	HAS("t'challenge_response' t'\\e2\\82\\ac' t'challenge_client_salt' [ 1 2 ]"); /* the
	                                                                                  server's
	                                                                                  problem */
	snprintf(text, sizeof(text), "['hello', {'challenge_response': '%08193d'}]", 1);
	len = packet_text(PLUS, text, in, sizeof(in));
	CHECK_EQ(rewrite_bytes(in, len, &e, sizeof(out)), -EMSGSIZE);
	e.to = BENCODE;
	rewrite("['hello', {'challenge_response': '\\xc3\\xbf', 'challenge_client_salt': "
	        "b'\\x80'}]",
	        &e);
	HAS("s'challenge_response' s'\\ff' s'challenge_client_salt' s'\\80'");
}

TEST(answer)
{
	struct rpc_response answer = {.response = {2, "\xff\x01"}, .client_salt = {3, "abc"}};
	struct hello_edit e = edit(PLUS, PLUS, true);

	e.answer = &answer;
	rewrite("['hello', {'challenge_response': 'client', 'challenge_client_salt': 'client'}]",
	        &e);
	LACKS("client'");
	HAS("t'challenge_response' b'\\ff\\01' t'challenge_client_salt' b'abc'");
	CHECK(reparse(&e).has_response);
	e.to_server = false; /* not for a client */
	rewrite("['hello', {}]", &e);
	LACKS("challenge");
}

TEST(digests)
{
	static const char text[] =
		"['hello', {'digest': ['u2f', 'xor'], 'salt-digest': ['keycloak'], 'digest.x': 1}]";
	struct hello_edit e = edit(PLUS, PLUS, true);
	struct hello h;

	rewrite(text, &e);
	HAS("t'digest' [ t'u2f' t'xor' ] t'salt-digest' [ t'keycloak' ] t'digest.x' 1");
	e.own_digests = true;
	rewrite(text, &e);
	LACKS("u2f");
	LACKS("keycloak");
	LACKS("xor");
	LACKS("digest.x");
	h = reparse(&e);
	CHECK_EQ(h.digests, DIGEST_HMAC_ALL);
	CHECK_EQ(h.salt_digests, DIGEST_HMAC_ALL);
	e.to_server = false;
	rewrite(text, &e);
	LACKS("digest");
}

TEST(overrides)
{
	static const char text[] =
		"['hello', {'username': 'client', b'username': 'client', 'display': ':9',"
		" 'display': {'dpi': 96}, 'compression_level': 9}]";
	struct hello_edit e = edit(PLUS, PLUS, true);
	struct hello h;

	e.username = e.remote_display = "";
	rewrite(text, &e);
	HAS("{ t'username' t'client' b'username' t'client' t'display' t':9' t'display' { t'dpi' 96 "
	    "]"
	    " t'compression_level' 9 t'rencodeplus'");
	e.username = "bob";
	e.remote_display = ":5";
	e.compression_level = 0;
	rewrite(text, &e);
	LACKS("client");
	LACKS(":9");
	HAS("{ t'display' { t'dpi' 96 ] t'rencodeplus'"); /* geometry is the server's */
	HAS("t'username' t'bob' t'display' t':5' t'compression_level' 0 ]");
	h = reparse(&e);
	CHECK_STR(h.username, "bob");
	CHECK_STR(h.display, ":5");
	e.to_server = false; /* a client gets what the server says */
	rewrite(text, &e);
	HAS("t'username' t'client'");
	HAS("t'compression_level' 9");
	LACKS("bob");
	LACKS(":5");
}

TEST(packet_types)
{
	struct hello_edit e = edit(PLUS, PLUS, true);

	rewrite("['hello', {'packet-types': ['ping', 'ssl-upgrade', b'ssl-upgrade', "
	        "['ssl-upgrade'], 'draw']}]",
	        &e);
	HAS("t'packet-types' [ t'ping' [ t'ssl-upgrade' ] t'draw' ]");
	rewrite("['hello', {'packet-types': 5}]", &e);
	HAS("t'packet-types' 5");
	rewrite("['hello', {'packet-types': []}]", &e);
	HAS("t'packet-types' [ ]");
}

TEST(odd_keys)
{
	struct hello_edit e = edit(PLUS, PLUS, true);

	rewrite("['hello', {['mmap']: {'a': 1}, {'x': 2}: [3], none: 4, 1.5: 5, true: 6, -7: 7}]",
	        &e);
	HAS("{ none 4 1.50000 5 true 6 -7 7 t'rencodeplus'");
	e.to = BENCODE;
	e.encoders = ENCODERS_BENCODE;
	rewrite("['hello', {none: 4, 1.5: true}]", &e);
	HAS("{ s'' 4 1 1 s'rencodeplus' 0 s'rencode' 0 s'bencode' 1");
}

TEST(classic_to_plus_types)
{
	struct hello_edit e = edit(CLASSIC, PLUS, true);

	rewrite("['hello', {'title': '\\xc3\\xa9', 'raw': b'\\xff\\xfe'}]", &e);
	HAS("{ t'title' t'\\c3\\a9' t'raw' b'\\ff\\fe'");
}

TEST(flatten)
{
	struct hello_edit e = edit(PLUS, CLASSIC, true);

	e.shape = SHAPE_FLATTEN;
	rewrite("['hello', {'clipboard': {'enabled': true, 'greedy': false, 'selections': "
	        "['CLIPBOARD']},"
	        " 'notifications': {'enabled': true, 'close': 1, 'actions': 2, 'other': 3},"
	        " 'file': {'enabled': true, 'ask': false, 'ask-timeout': 3600, 'size-limit': "
	        "104857600,"
	        " 'max-file-size': 7, 'chunks': 65536, 'open': true, 'open-ask': true, 'open-url': "
	        "true,"
	        " 'open-url-ask': false, 'printing': true, 'printing-ask': false}}]",
	        &e);
	HAS("{ s'clipboard' true s'clipboard.greedy' false s'clipboard.selections' [ s'CLIPBOARD' ]"
	    " s'notifications' true s'notifications.close' 1 s'notifications.actions' 2 "
	    "s'notifications.other' 3"
	    " s'file-transfer' true s'file-transfer-ask' false s'file-ask-timeout' 3600 "
	    "s'file-size-limit' 100"
	    " s'max-file-size' 7 s'file-chunks' 65536 s'open-files' true s'open-files-ask' true"
	    " s'open-url' true s'open-url-ask' false s'printing' true s'printing-ask' false "
	    "s'rencodeplus'");
	rewrite("['hello', {'audio': {'receive': true, 'decoders': ['mp3']}, 'keymap': {'layout': "
	        "'us',"
	        " 'query_struct': {'rules': 'evdev'}}, 'window': {'frame_sizes': {}}, 'encoding': "
	        "{'': 'auto',"
	        " 'setting': 'auto', 'core': ['png']}, 'encodings': {'': ['rgb'], 'core': "
	        "['rgb24']}, 'x': 1}]",
	        &e);
	HAS("{ s'sound.receive' true s'sound.decoders' [ s'mp3' ] s'xkbmap_layout' s'us'"
	    " s'xkbmap_query_struct' { s'rules' s'evdev' ] s'window.frame_sizes' { ] s'encoding' "
	    "s'auto'"
	    " s'encoding' s'auto' s'encoding.core' [ s'png' ] s'encodings' [ s'rgb' ]"
	    " s'encodings.core' [ s'rgb24' ] s'x' 1 s'rencodeplus'");
}

TEST(flatten_display)
{
	struct hello_edit e = edit(PLUS, BENCODE, true);

	e.shape = SHAPE_FLATTEN;
	rewrite("['hello', {'dpi': {'x': 96, '': 95}, 'display': {'desktop_size': [1, 2], "
	        "'refresh-rate': 60,"
	        " 'dpi': {'x': 1}, '': ':5'}}]",
	        &e);
	HAS("{ s'dpi.x' 96 s'dpi' 95 s'desktop_size' [ 1 2 ] s'refresh-rate' 60 s'display' s':5' "
	    "s'rencodeplus'");
	e.remote_display = ":8";
	rewrite("['hello', {'display': {'display': ':9', 'dpi': 1}}]", &e);
	CHECK_STR(reparse(&e).display, ":8");
	HAS("s'dpi' 1");
	/* Flattening is no way around what must not pass. */
	rewrite("['hello', {'display': {'mmap_file': '@', 'cipher': '@', 'challenge_response': "
	        "'@', 'lz4': '@',"
	        " 'lz4\\x00': '@', 'digestive': 1}, 'lz4\\x00': {'x': '@', '': '@'}, '': {'mmap': "
	        "2}}]",
	        &e);
	LACKS("'@'");
	HAS("{ s'digestive' 1 s'.mmap' 2");
}

TEST(flatten_odd)
{
	struct hello_edit e = edit(PLUS, CLASSIC, false);
	char text[1000];

	e.shape = SHAPE_FLATTEN;
	/* Known as dictionaries to old peers too, and what has no flat name. */
	rewrite("['hello', {'start-new-session': {'mode': 'start'}, 'session': {'name': 'n'},"
	        " 'connection-data': {'a': 1}, 5: {'x': 1}, 'grp': {1: 2, [3]: 4, 'y': 5, none: "
	        "[6]}}]",
	        &e);
	HAS("{ s'start-new-session' { s'mode' s'start' ] s'session' { s'name' s'n' ]"
	    " s'connection-data' { s'a' 1 ] 5 { s'x' 1 ] s'grp.y' 5 s'rencodeplus'");
	snprintf(text, sizeof(text),
	         "['hello', {'%064d': {'%0128d': 1, '%0129d': 2}, '%065d': {'y': 3}}]", 0, 0, 0, 0);
	rewrite(text, &e);
	snprintf(text, sizeof(text), "{ s'%064d.%0128d' 1 s'rencodeplus'", 0, 0);
	HAS(text);
	rewrite("['hello', {'file': {'size-limit': 'much'}, 'audio': {}, 'clipboard': true, "
	        "'keymap': {'x': 1, '': 2}}]",
	        &e);
	HAS("{ s'file-size-limit' s'much' s'clipboard' true s'xkbmap_x' 1 s'keymap' 2 "
	    "s'rencodeplus'");
	rewrite("['hello', {'file': {'size-limit': -1}}]", &e);
	HAS("s'file-size-limit' 0");
}

TEST(nest)
{
	struct hello_edit e = edit(CLASSIC, PLUS, true);

	e.shape = SHAPE_NEST;
	rewrite("['hello', {'clipboard': true, 'clipboard.greedy': false, 'notifications': 1,"
	        " 'notifications.close': 2, 'notifications.actions': 3, 'notifications.other': 4}]",
	        &e);
	HAS("t'clipboard' { t'' true t'enabled' true t'greedy' false ] "
	    "t'notifications' { t'' 1 t'enabled' 1 t'close' 2 t'actions' 3 ]");
	CHECK_EQ(count(" t'clipboard' "), 1);
	CHECK_EQ(count(" t'notifications' "), 1);
	HAS("t'clipboard.greedy' false"); /* the flat keys stay as well */
	rewrite("['hello', {'file-transfer': true, 'file-size-limit': 100, 'max-file-size': 7, "
	        "'open-files': true,"
	        " 'printing': false, 'sound.receive': true, 'sound.': 0, 'xkbmap_layout': 'us',"
	        " 'xkbmap_query_struct': {'a': [1]}, 'keymap': 'x', 'file': 3}]",
	        &e);
	HAS("t'audio' { t'receive' true ] t'keymap' { t'layout' t'us' t'query_struct' { t'a' [ 1 ] "
	    "] ] "
	    "t'file' { t'enabled' true t'size-limit' 104857600 t'max-file-size' 7 t'open' true "
	    "t'printing' false ]");
	CHECK_EQ(count(" t'keymap' "), 1);
	CHECK_EQ(count(" t'file' "), 1);
}

TEST(nest_encodings)
{
	struct hello_edit e = edit(BENCODE, PLUS, true);

	e.shape = SHAPE_NEST;
	rewrite("['hello', {'encodings': ['rgb', 'png'], 'encodings.core': ['rgb24'], 'encoding': "
	        "'auto',"
	        " 'encoding.rgb_lz4': 1}]",
	        &e);
	HAS("t'encodings' { t'' [ t'rgb' t'png' ] t'core' [ t'rgb24' ] ] t'encoding' { t'' t'auto' "
	    "t'setting' "
	    "t'auto' t'rgb_lz4' 1 ]");
	CHECK_EQ(count(" t'encodings' "), 1);
	CHECK_EQ(count(" t'encoding' "), 1);
}

TEST(nest_odd)
{
	struct hello_edit e = edit(PLUS, PLUS, false);

	e.shape = SHAPE_NEST;
	rewrite("['hello', {'clipboard': {'enabled': true}, 'x': 1}]", &e);
	HAS("{ t'clipboard' { t'enabled' true ] t'x' 1 t'rencodeplus'");
	rewrite("['hello', {['x']: [1], 5: {'y': 2}, 'file-size-limit': 'much'}]", &e);
	HAS("t'file' { t'size-limit' t'much' ]");
	rewrite("['hello', {'file-size-limit': -4611686018427387904}]", &e);
	HAS("t'file' { t'size-limit' -4611686018427387904 ]");
	rewrite("['hello', {'file-size-limit': 9223372036854775807}]", &e);
	HAS("t'file' { t'size-limit' 9223372036854775807 ]");
	rewrite("['hello', {'file-size-limit': 2147483646}]", &e);
	HAS("t'file' { t'size-limit' 2251799811588096 ]");
}

/* Flat and back. */
TEST(there_and_back)
{
	struct hello_edit e = edit(CLASSIC, PLUS, true), back = edit(PLUS, CLASSIC, true);
	uint8_t copy[4096];
	size_t len;

	e.shape = SHAPE_NEST;
	back.shape = SHAPE_FLATTEN;
	rewrite("['hello', {'file-size-limit': 100, 'clipboard': true, 'xkbmap_layout': 'us', "
	        "'sound.send': 1}]",
	        &e);
	len = out_len - HEADER_LEN;
	memcpy(copy, out + HEADER_LEN, len);
	CHECK_EQ(rewrite_bytes(copy, len, &back, sizeof(out)), 0);
	HAS("s'clipboard' true s'sound.send' 1 s'xkbmap_layout' s'us' s'file-size-limit' 100 "
	    "s'rencodeplus'");
}

TEST(malformed)
{
	struct hello_edit e = edit(PLUS, PLUS, true);
	size_t len;

	for (int shape = SHAPE_AS_IS; shape <= SHAPE_FLATTEN; shape++) {
		e.shape = (enum hello_shape)shape;
		e.keep_challenge = true;
		len = packet_text(
			PLUS,
			"['hello', {'packet-types': ['a', ['b']], 'mmap': [1], 'file': {'open': "
			"[1], ['x']: 1,"
			" 'size-limit': 5}, 'challenge_response': 'r', ['k']: 1, 'session': {'a': "
			"1},"
			" 'display': {1: {2: 3}}, 'clipboard': 1, 'file-size-limit': [5]}]",
			in, sizeof(in));
		CHECK_EQ(rewrite_bytes(in, len, &e, sizeof(out)), 0);
		for (size_t n = 0; n + 1 < len; n++) {
			test_note("shape %d, cut to %zu of %zu", shape, n, len);
			CHECK(rewrite_bytes(in, n, &e, sizeof(out)) < 0);
		}
		/* And nowhere to put it */
		CHECK_EQ(rewrite_bytes(in, len, &e, sizeof(out)), 0);
		for (size_t size = out_len; size-- > 0;) {
			test_note("shape %d, %zu bytes of room", shape, size);
			CHECK_EQ(rewrite_bytes(in, len, &e, size), -ENOBUFS);
		}
	}
	len = packet_text(PLUS, "['ping', {}]", in, sizeof(in));
	CHECK_EQ(rewrite_bytes(in, len, &e, sizeof(out)), -EPROTO);
	e.to = (enum encoder)0x11;
	len = packet_text(PLUS, "['hello', {}]", in, sizeof(in));
	CHECK_EQ(rewrite_bytes(in, len, &e, sizeof(out)), -EOPNOTSUPP);
}

static bool drop_none(const struct token *name, const struct hello_edit *e)
{
	(void)name;
	(void)e;
	return false;
}

/* On their own they have not been read through before. */
TEST(malformed_shapes)
{
	size_t len = packet_text(
		PLUS, "['hello', {'clipboard': true, ['k']: [1], 'file-size-limit': [5], 'x': {}}]",
		in, sizeof(in));

	for (size_t n = 9; n + 1 < len; n++) {
		uint8_t *copy = malloc(n);
		struct token_reader r;
		struct token_writer w;

		memcpy(copy, in, n);
		test_note("cut to %zu of %zu", n, len);
		CHECK_EQ(hello_open(&r, PLUS, copy, n), 0);
		token_writer_init(&w, PLUS, out, sizeof(out));
		CHECK_EQ(shape_nest(&r, &w), -EBADMSG);
		token_writer_init(&w, PLUS, out, sizeof(out));
		token_write_dict(&w, TOKEN_COUNT_UNKNOWN);
		CHECK_EQ(shape_flatten(&r, &(struct token){.type = TOKEN_TEXT},
		                       &(struct token){.type = TOKEN_DICT}, drop_none, NULL, &w),
		         -EBADMSG);
		free(copy);
	}
}

static const struct {
	const char *path;
	enum encoder encoder;
} goldens[] = {
	{"tests/data/bencode-hello-client-3.1.bin", BENCODE},
	{"tests/data/rencode-hello-client-3.1.bin", CLASSIC},
	{"tests/data/rencodeplus-hello-client-6.5.bin", PLUS},
	{"tests/data/rencodeplus-hello-html5.bin", PLUS},
	{"tests/data/rencode-hello-server-3.1.bin", CLASSIC},
	{"tests/data/rencodeplus-hello-server-6.5.bin", PLUS},
};

static const enum encoder encoders[] = {PLUS, CLASSIC, BENCODE};

/* Whatever the shape and encoder: what the facts were before, they are after. */
TEST(golden)
{
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		struct hello before, after;
		size_t len;
		uint8_t *data = test_load(goldens[i].path, &len);

		CHECK_EQ(hello_parse(data, len, goldens[i].encoder, &before, NULL), 0);
		for (int v = 0; v < 3 * 3 * 2; v++) {
			struct hello_edit e = edit(goldens[i].encoder, encoders[v % 3], v & 1);

			e.shape = (enum hello_shape)(v / 3 % 3);
			test_note("%s, variant %d", goldens[i].path, v);
			CHECK_EQ(rewrite_bytes(data, len, &e, sizeof(out)), 0);
			after = reparse(&e);
			CHECK_STR(after.version, before.version);
			CHECK_STR(after.username, before.username);
			CHECK_STR(after.display, before.display);
			CHECK_STR(after.request, before.request);
			CHECK_EQ(after.encoders, ENCODERS_ALL);
			CHECK_EQ(after.compressors, LZ4);
			CHECK_EQ(after.hops, 1);
			CHECK(!after.challenge && !after.has_response);
			LACKS("'aliases'");
			LACKS("'websocket.multi-packet'");
			LACKS("'lzo'");
		}
		free(data);
	}
}

static void check_mutant(const uint8_t *data, size_t len)
{
	static unsigned variant;
	struct hello_edit e =
		edit(encoders[variant % 3], encoders[variant / 3 % 3], variant / 9 % 2);

	e.shape = (enum hello_shape)(variant / 18 % 3);
	e.keep_challenge = true;
	e.remote_display = ":1";
	variant++;
	/* Most mutations leave it in the encoder it was in. */
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		e.from = encoders[i];
		if (rewrite_bytes(data, len, &e, 65536) == 0 && e.to_server)
			CHECK_EQ(reparse(&e).compressors, LZ4);
	}
}

TEST(mutations)
{
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		size_t len;
		uint8_t *data = test_load(goldens[i].path, &len);

		test_mutate_every(1 + len / 60, data, len, check_mutant);
		free(data);
	}
	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++)
		test_mutate_every(
			2, in,
			packet_text(
				encoders[e],
				"['hello', {'file': {'size-limit': 99999999}, 'file-size-limit': 5,"
				" 'clipboard': {'enabled': 1}, 'sound.send': 1, 'display': {'x': "
				"[1]},"
				" 'packet-types': ['a'], 'challenge_response': 'xy'}]",
				in, sizeof(in)),
			check_mutant);
}
