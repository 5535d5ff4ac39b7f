/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/peek.c and relay/edit.c: which records pass as they are, and what becomes of the others.
 */
#include "tests/unit/token_dump.h"

#include "base/clock.h"
#include "tests/unit/packet_text.h"
#include "tests/unit/relay_rig.h"

#include <zlib.h>

static struct rig *rig;
static uint8_t in[1 << 20];
static size_t in_len;

/* A fresh rig; two tests never see each other's. */
static void start(enum encoder client, enum encoder server)
{
	if (!rig) {
		rig = malloc(sizeof(*rig));
		rig_init(rig);
	}
	rig_reset(rig, client, server);
	rig_logged(rig);
	in_len = 0;
}

static void add(enum encoder encoder, const char *text)
{
	in_len += record_text(encoder, text, in + in_len, sizeof(in) - in_len);
}

static void add_raw(uint8_t flags, uint8_t compression, uint8_t index, const void *payload,
                    size_t len)
{
	in_len += record_raw(flags, compression, index, payload, len, in + in_len);
}

static void add_lz4(enum encoder encoder, const char *text)
{
	uint8_t plain[8192], packed[8192];
	size_t len = packet_text(encoder, text, plain, sizeof(plain)), n;

	CHECK_EQ(compress_lz4(plain, len, packed, sizeof(packed), &n), 0);
	add_raw((uint8_t)encoder, COMPRESSION_LZ4, 0, packed, n);
}

static void add_zlib(uint8_t flags, uint8_t index, const void *plain, size_t len)
{
	static uint8_t packed[200000];
	uLongf n = sizeof(packed);

	CHECK_EQ(compress(packed, &n, plain, len), Z_OK);
	add_raw(flags, 0x01, index, packed, n);
}

static int feed(struct flow *f)
{
	return rig_feed(rig, f, in, in_len, RIG_PIECE);
}

static void check_identical(struct flow *f)
{
	const struct sink *s = rig_sink(rig, f);

	CHECK_EQ(feed(f), 0);
	CHECK_MEM(s->data, s->len, in, in_len);
}

/* The nth record that came out, as dump() shows it; NULL if there are fewer. Its header to *ret. */
static const char *got(const struct flow *f, unsigned nth, struct header *ret)
{
	const struct sink *s = rig_sink(rig, f);
	const uint8_t *p = s->data;
	size_t left = s->len;
	struct header h;

	for (unsigned i = 0; left > 0; i++) {
		CHECK_EQ(header_parse(p, left, &h, NULL), 0);
		CHECK(left >= HEADER_LEN + h.size);
		if (i == nth) {
			if (ret)
				*ret = h;
			return h.index         ? "chunk"
			       : h.compression ? "compressed"
			                       : dump(h.flags & ENCODER_FLAGS, p + HEADER_LEN,
			                              h.size, true, dump_buf);
		}
		p += HEADER_LEN + h.size;
		left -= HEADER_LEN + h.size;
	}
	return NULL;
}

static void add_mixture(void)
{
	static uint8_t pixels[100000];

	for (size_t i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(i * i >> 3);
	add(PLUS, "['draw', 1, 0, 0, 2, 2, 'png', b'abc', 5, 0, {}]");
	add_raw(0, 0, 7, pixels, sizeof(pixels));
	add(PLUS, "['draw', 1, 0, 0, 2, 2, 'rgb24', b'', 6, 0, {}]");
	add_lz4(PLUS, "['new-window', 1, 1, 1, 1, 1, {'aaaaaaaaaaaaaaaaaaaaaa': "
	              "'aaaaaaaaaaaaaaaaaaaaaaaaaaa'}, {}]");
	add_raw(0, COMPRESSION_LZ4, 3, pixels, 500);
	add_raw(0, 0, 9, pixels, 1);
	add_raw(0, 0, 15, pixels, 70000);
	add(PLUS, "['cursor', 'png', 1, 2, 3, 4, 5, 6, 7, b'', 'x']");
	add(PLUS, "[5, 'an alias']");
	add(PLUS, "['ping', 1234]");
	add(PLUS, "['hello-there', {}]");
	add_raw(PLUS | HEADER_FLUSH, 0, 0, "\xc1\x81x", 3);
	add(PLUS, "['']");
	add(PLUS, "['x']");
}

TEST(pass)
{
	start(PLUS, PLUS);
	add_mixture();
	check_identical(&rig->w.down);
	CHECK_EQ(rig->stats.from_server.packets, 10);
	CHECK_EQ(rig->stats.from_server.reencoded, 0);
	CHECK_EQ(rig->stats.server_encoder, PLUS);
	check_identical(&rig->w.up);
	CHECK_EQ(rig->stats.from_client.packets, 10);
	CHECK_EQ(rig->stats.client_encoder, PLUS);
	CHECK_EQ(rig->stats.client_compressor, COMPRESSOR_NONE);
}

/* What has no name that can be seen might be any packet to the receiver. */
TEST(nameless)
{
	start(PLUS, PLUS);
	add_raw(PLUS, 0, 0, "not a packet at all", 19);
	CHECK(rig_feed(rig, &rig->w.down, in, in_len, in_len) < 0);
	CHECK_EQ(rig->to_client.len, 0);
}

TEST(pass_split)
{
	static uint8_t copy[400000];
	unsigned seed = 1;
	size_t len, at;

	start(PLUS, PLUS);
	add_mixture();
	len = in_len;
	memcpy(copy, in, len);
	for (int round = 0; round < 60; round++) {
		test_note("round %d", round);
		start(PLUS, PLUS);
		for (at = 0; at < len;) {
			size_t n;

			seed = seed * 1103515245 + 12345;
			n = (seed >> 16) % (round < 20 ? 40 : round < 40 ? 3000 : 60000) + 1;
			if (n > len - at)
				n = len - at;
			CHECK_EQ(rig_feed(rig, &rig->w.down, copy + at, n, n), 0);
			at += n;
		}
		CHECK_MEM(rig->to_client.data, rig->to_client.len, copy, len);
	}
}

TEST(pass_byte_by_byte)
{
	start(PLUS, PLUS);
	add(PLUS, "['draw', 1, 0, 0, 2, 2, 'png', b'abc', 5, 0, {}]");
	add_raw(0, 0, 7, "pixels", 6);
	add_lz4(PLUS, "['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', "
	              "'aaaaaaaaaaaaaaaaaaaaaaa']");
	add(PLUS, "['x']");
	CHECK_EQ(rig_feed(rig, &rig->w.up, in, in_len, 1), 0);
	CHECK_MEM(rig->to_server.data, rig->to_server.len, in, in_len);
}

/* Passing on does not wait for the rest of a record. */
TEST(pass_early)
{
	start(PLUS, PLUS);
	add(PLUS, "['draw', 1, 0, 0, 2, 2, 'png', b'abc', 5, 0, {}]");
	CHECK_EQ(rig_feed(rig, &rig->w.up, in, 30, 30), 0);
	CHECK_EQ(rig->to_server.len, 30);
	CHECK_EQ(rig->w.up.record_left, in_len - 30);
	CHECK(!flow_at_gap(&rig->w.up));
}

static void add_echo(const char *name, uint64_t ms, const char *sid)
{
	char text[200];

	snprintf(text, sizeof(text), "['%s', %llu, 1, 2, 3, -1, '%s']", name,
	         (unsigned long long)ms, sid);
	add(PLUS, text);
}

TEST(own_echo)
{
	uint64_t now = now_usec() / USEC_PER_MSEC;

	start(PLUS, PLUS);
	add_echo("ping_echo", now - 250, rig->w.sid);
	CHECK_EQ(feed(&rig->w.up), 0);
	CHECK_EQ(rig->to_server.len, 0);
	CHECK(rig->stats.client_latency_usec >= 250000 && rig->stats.client_latency_usec < 2000000);
	CHECK_EQ(rig->stats.server_latency_usec, 0);
	CHECK_EQ(rig->w.active_usec, 0); /* an echo is no activity */
	in_len = 0;
	add_echo("ping-echo", now - 500, rig->w.sid);
	CHECK_EQ(feed(&rig->w.down), 0);
	CHECK_EQ(rig->to_client.len, 0);
	CHECK(rig->stats.server_latency_usec >= 500000 && rig->stats.server_latency_usec < 2000000);
}

TEST(own_echo_absurd)
{
	uint64_t now = now_usec() / USEC_PER_MSEC;

	start(PLUS, PLUS);
	add_echo("ping_echo", now + 60000, rig->w.sid); /* from the future */
	add_echo("ping_echo", INT64_MAX, rig->w.sid);
	add(PLUS, "['ping_echo', -5, 1, 2, 3, -1, '0123456789abcdef0123456789abcdef']");
	add(PLUS, "['ping_echo', 'x', 1, 2, 3, -1, '0123456789abcdef0123456789abcdef']");
	add(PLUS, "['ping_echo', [1], [2, [3]], {}, 3, -1, '0123456789abcdef0123456789abcdef']");
	CHECK_EQ(feed(&rig->w.up), 0);
	CHECK_EQ(rig->to_server.len, 0);
	CHECK_EQ(rig->stats.client_latency_usec, 0);
	if (now > 2000000) {
		in_len = 0;
		add_echo("ping_echo", now - 1500000, rig->w.sid);
		CHECK_EQ(feed(&rig->w.up), 0);
		CHECK_EQ(rig->stats.client_latency_usec, 0);
	}
}

TEST(foreign_echo)
{
	start(PLUS, PLUS);
	add_echo("ping_echo", 5, "");
	add_echo("ping_echo", 5, "0123456789abcdef0123456789abcdee");
	add(PLUS, "['ping_echo', 5, 1, 2, 3, -1]");
	add(PLUS, "['ping_echo']");
	add(PLUS, "['ping_echo', '0123456789abcdef0123456789abcdef', 1, 2, 3, 4, 5]");
	add_raw(PLUS, 0, 0, "\xc4\x89ping_echo\x05", 11); /* cut short */
	add_raw(PLUS, 0, 0, "\xc4\x89ping_echo\xc1", 11);
	add_lz4(PLUS, "['ping_echo', "
	              "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']");
	check_identical(&rig->w.up);
	check_identical(&rig->w.down);
	CHECK_EQ(rig->stats.from_client.reencoded, 0);
}

TEST(info_response)
{
	struct header h;

	start(PLUS, CLASSIC);
	rig->w.client.encoders = ENCODERS_RENCODE | ENCODERS_RENCODEPLUS;
	rig->stats.client_latency_usec = 7000;
	rig->stats.server_latency_usec = 9000;
	add(CLASSIC,
	    "['info-response', {'a': 1, 'proxy': {'b': 2}, [1]: 5, 'c': {'d': ['e']}}, 'more']");
	in[1] |= HEADER_FLUSH;
	CHECK_EQ(feed(&rig->w.down), 0);
	CHECK_STR(got(&rig->w.down, 0, &h),
	          "[ t'info-response' { t'a' 1 t'c' { t'd' [ t'e' ] ] t'proxy' { t'version' "
	          "t'" XPROXY_VERSION
	          "' t'hostname' t'gate' t'latency' { t'client' 7 t'server' 9 ] ] ] ]");
	CHECK_EQ(h.flags, PLUS | HEADER_FLUSH);
	CHECK(!got(&rig->w.down, 1, NULL));
	/* In the other direction it is just a packet. */
	in_len = 0;
	add(PLUS, "['info-response', {'a': 1}]");
	rig->w.server.encoders = ENCODERS_RENCODEPLUS;
	check_identical(&rig->w.up);
}

TEST(info_response_odd)
{
	start(PLUS, PLUS);
	add(PLUS, "['info-response', 5]");
	add(PLUS, "['info-response']");
	add(PLUS, "['info-response', ['a']]");
	add_raw(PLUS, 0, 0, "\xc2\x8dinfo-response\x67\x81", 17);  /* a key cut short */
	add_raw(PLUS, 0, 0, "\xc2\x8dinfo-response\x67\x81k", 18); /* no value */
	add_raw(PLUS, 0, 0, "\xc2\x8dinfo-response\x67\x81k\xc2\x01", 20);
	add_raw(PLUS, 0, 0, "\xc2\x8dinfo-response\x67\xc1\x81", 18);
	add_raw(PLUS, 0, 0, "\xc2\x8dinfo-response\x67\xc0\xc1\x81", 19);
	add_raw(PLUS, 0, 0, "\xc2\x8dinfo-response<\x01\x01", 18);
	check_identical(&rig->w.down);
	CHECK_EQ(rig->stats.from_server.packets, 9);
}

TEST(disconnect)
{
	start(PLUS, PLUS);
	add(PLUS, "['disconnect', 'done', 'really', 5, 'ignored']");
	add(PLUS, "['disconnect', 'second']");
	check_identical(&rig->w.down);
	CHECK(rig->w.ended);
	CHECK_STR(rig->w.end.how, "server-disconnect");
	CHECK_STR(rig->w.end.reason, "done, really");
	start(PLUS, PLUS);
	add(PLUS, "['connection-close', 'bye', 'a\\x0ab', 'c']");
	check_identical(&rig->w.up);
	CHECK_STR(rig->w.end.how, "client-disconnect");
	CHECK_STR(rig->w.end.reason, "bye");
	start(PLUS, PLUS);
	add(PLUS, "['disconnect']");
	check_identical(&rig->w.up);
	CHECK_STR(rig->w.end.reason, "");
}

TEST(disconnect_long)
{
	char text[1400];

	start(PLUS, PLUS);
	snprintf(text, sizeof(text), "['disconnect', '%0255d', '%0255d', '%0255d']", 1, 2, 3);
	add(PLUS, text);
	check_identical(&rig->w.up);
	CHECK_EQ(strlen(rig->w.end.reason), RPC_TEXT_MAX - 1);
	start(PLUS, PLUS);
	snprintf(text, sizeof(text), "['disconnect', '%0256d']", 1);
	add(PLUS, text);
	check_identical(&rig->w.up);
	CHECK_STR(rig->w.end.reason, "");
}

TEST(chunks)
{
	start(PLUS, PLUS);
	for (uint8_t i = 1; i <= 3; i++)
		add_raw(0, 0, i, "abc", 3);
	check_identical(&rig->w.up);
	CHECK(!flow_at_gap(&rig->w.up));
	in_len = 0;
	add_raw(0, 0, 4, "abc", 3);
	CHECK_EQ(feed(&rig->w.up), -EPROTO);
	CHECK_STR(rig->why, "too many raw packets");
	start(PLUS, PLUS);
	add_raw(0, 0, 7, "abc", 3);
	add_raw(0, 0, 7, "abc", 3);
	CHECK_EQ(feed(&rig->w.up), -EPROTO);
	CHECK_STR(rig->why, "the same raw packet twice");
	/* A main record starts the count anew. */
	start(PLUS, PLUS);
	for (int round = 0; round < 3; round++) {
		for (uint8_t i = 1; i <= 3; i++)
			add_raw(0, 0, i, "abc", 3);
		add(PLUS, "['draw', b'', b'', b'']");
	}
	check_identical(&rig->w.up);
	CHECK_EQ(rig->w.up.chunks, 0);
}

TEST(cipher)
{
	start(PLUS, PLUS);
	add_raw(PLUS | HEADER_CIPHER, 0, 0, "abc", 3);
	CHECK_EQ(feed(&rig->w.up), -EPROTO);
	CHECK_STR(rig->why, "encryption was not negotiated");
	start(PLUS, PLUS);
	add_raw(HEADER_CIPHER, 0, 7, "abc", 3);
	CHECK_EQ(feed(&rig->w.down), -EPROTO);
}

TEST(bad_header)
{
	static const char *const bad[] = {"X",
	                                  "P\x80",
	                                  "P\x11",
	                                  "P\x10\x30",
	                                  "P\x10\x01\x10",
	                                  "P\x10\x01\x01",
	                                  "P\x10\x01\0\x20",
	                                  "P\x10\x01\0\0\0\0\0"};
	static const uint8_t lens[] = {1, 2, 2, 3, 4, 4, 5, 8};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		start(PLUS, PLUS);
		add(PLUS, "['x']");
		memcpy(in + in_len, bad[i], lens[i]);
		in_len += lens[i];
		rig->why = "";
		test_note("%zu", i);
		CHECK_EQ(feed(&rig->w.up), -EPROTO);
		CHECK(rig->why[0]);
		CHECK_EQ(rig->to_server.len, in_len - lens[i]); /* what came before is not lost */
	}
}

TEST(translated)
{
	struct header h;

	start(CLASSIC, PLUS);
	add(CLASSIC, "['damage-sequence', 5, 1, 2, 3, 4, '']");
	in[1] |= HEADER_FLUSH;
	add_raw(0, 0, 7, "pixels", 6);
	add(CLASSIC, "['draw', 1, 0, 0, 2, 2, 'png', '', 5, 0, {}]");
	rig->w.client.heard_usec = 5;
	CHECK_EQ(feed(&rig->w.up), 0);
	CHECK_STR(got(&rig->w.up, 0, &h), "[ t'damage-sequence' 5 1 2 3 4 t'' ]");
	CHECK_EQ(h.flags, PLUS | HEADER_FLUSH);
	CHECK_STR(got(&rig->w.up, 1, &h), "chunk");
	CHECK_EQ(h.index, 7);
	CHECK_STR(got(&rig->w.up, 2, &h), "[ t'draw' 1 0 0 2 2 t'png' b'' 5 0 { ] ]");
	CHECK_EQ(rig->stats.from_client.reencoded, 2);
	CHECK_EQ(rig->stats.from_client.packets, 2);
	CHECK_EQ(rig->stats.client_encoder, CLASSIC);
	CHECK(rig->w.active_usec > 0); /* the idle timer sees translated packets */
	in_len = 0;
	add(PLUS, "['file-send-chunk', 1]");
	add(PLUS, "['encodings', {}]");
	add_lz4(PLUS, "['x', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']");
	CHECK_EQ(feed(&rig->w.down), 0);
	CHECK_STR(got(&rig->w.down, 0, NULL), "[ s'send-file-chunk' 1 ]");
	CHECK_STR(got(&rig->w.down, 1, NULL),
	          "[ s'x' s'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' ]");
	CHECK(!got(&rig->w.down, 2, NULL));
	CHECK_EQ(rig->stats.server_compressor, COMPRESSOR_LZ4);
}

TEST(translated_pings)
{
	start(CLASSIC, PLUS);
	add(CLASSIC, "['ping', 5]");
	add(CLASSIC, "['ping_echo', 5, 0, 0, 0, 0, '']");
	CHECK_EQ(feed(&rig->w.up), 0);
	CHECK_EQ(rig->w.active_usec, 0);
	CHECK_STR(got(&rig->w.up, 1, NULL), "[ t'ping_echo' 5 0 0 0 0 t'' ]");
}

TEST(translated_bad)
{
	start(CLASSIC, PLUS);
	add_raw(CLASSIC, 0, 0, "\xc2\x81x", 3); /* an item is missing */
	CHECK_EQ(feed(&rig->w.up), -EBADMSG);
	CHECK_STR(rig->why, "a packet cannot be translated");
	start(CLASSIC, PLUS);
	add(CLASSIC, "[5, 6]"); /* an alias means nothing to the receiver */
	CHECK_EQ(feed(&rig->w.up), -EBADMSG);
	CHECK_STR(rig->why, "a packet without a name");
	start(CLASSIC, PLUS);
	add_raw(ENCODER_YAML, 0, 0, "- !x\n", 5);
	CHECK_EQ(feed(&rig->w.up), -EBADMSG);
	CHECK_STR(rig->why, "failed to parse yaml packet");
	start(CLASSIC, PLUS);
	add_raw(CLASSIC, 0x81, 0, "zstd", 4);
	CHECK_EQ(feed(&rig->w.up), -EOPNOTSUPP);
	CHECK_STR(rig->why, "zstd compression is not supported");
	start(CLASSIC, PLUS);
	add_raw(CLASSIC, 0x21, 0, "lzo", 3);
	CHECK_EQ(feed(&rig->w.up), -EBADMSG);
	CHECK_STR(rig->why, "packet decompression failed");
}

/* Untouched between those of 6.3 and later that have nothing else; older ones' is written again. */
TEST(yaml)
{
	static const char tuple[] = "!!python/tuple\n- focus\n- !!python/tuple []\n";
	static const char lz4[] = "\x0f\0\0\0\xf0\x00- focus\n- [], 3";

	start(CLASSIC, PLUS);
	add_raw(ENCODER_YAML, 0, 0, tuple, sizeof(tuple) - 1);
	CHECK_EQ(feed(&rig->w.up), 0);
	CHECK_STR(got(&rig->w.up, 0, NULL), "[ t'focus' [ ] ]");
	start(CLASSIC, PLUS);
	add_raw(ENCODER_YAML, 0x11, 0, lz4, sizeof(lz4) - 1);
	CHECK_EQ(feed(&rig->w.up), -EBADMSG);
	for (unsigned major = 5; major <= 6; major++) {
		start(ENCODER_YAML, ENCODER_YAML);
		rig->w.client.encoders = rig->w.server.encoders = ENCODERS_YAML;
		rig->w.client.major = major;
		add_raw(ENCODER_YAML, 0, 0, "- focus\n- []\n", 13);
		add_raw(ENCODER_YAML, 0, 0, "- 'hello'\n- {}\n", 15); /* is looked at whole */
		CHECK_EQ(feed(&rig->w.up), 0);
		CHECK_EQ(rig->stats.from_client.packets, 2);
		CHECK_EQ(rig->stats.from_client.reencoded, major == 5);
	}
}

TEST(too_large)
{
	uint8_t header[HEADER_LEN];
	struct header h = {.flags = CLASSIC, .size = FLOW_RECORD_MAX + 1};

	start(CLASSIC, PLUS);
	header_build(header, &h);
	CHECK_EQ(rig_feed(rig, &rig->w.up, header, sizeof(header), 8), -EMSGSIZE);
	CHECK_STR(rig->why, "packet too large");
	start(PLUS, PLUS);
	h.flags = 0;
	h.compression = 0x01; /* an unreadable chunk */
	h.index = 7;
	header_build(header, &h);
	CHECK_EQ(rig_feed(rig, &rig->w.up, header, sizeof(header), 8), -EMSGSIZE);
	CHECK_STR(rig->why, "packet too large");
	start(PLUS, PLUS); /* what just passes has no such limit */
	h = (struct header){.flags = PLUS, .size = HEADER_SIZE_MAX};
	header_build(header, &h);
	CHECK_EQ(rig_feed(rig, &rig->w.up, header, sizeof(header), 8), 0);
	CHECK_EQ(rig_feed(rig, &rig->w.up, (const uint8_t *)"\xc1\x81x", 3, 3), 0);
	memset(in, 0, PACKET_PEEK);
	CHECK_EQ(rig_feed(rig, &rig->w.up, in, PACKET_PEEK, PACKET_PEEK), 0);
	CHECK_EQ(rig->to_server.len, HEADER_LEN + 3 + PACKET_PEEK);
}

/* As large as can be: the window grows, the output is there, and the memory is given back. */
TEST(large_translated)
{
	const size_t len = FLOW_RECORD_MAX - 100;
	uint8_t *big = calloc(1, HEADER_LEN + FLOW_RECORD_MAX), *zeros = calloc(1, len);
	struct token_writer w;
	size_t n;

	start(CLASSIC, PLUS);
	packet_begin(&w, CLASSIC, big, HEADER_LEN + FLOW_RECORD_MAX, "x");
	token_write_bytes(&w, zeros, len);
	CHECK_EQ(packet_end(&w, &n), 0);
	CHECK_EQ(rig_feed(rig, &rig->w.up, big, n, RIG_PIECE), 0);
	CHECK_EQ(rig->stats.from_client.reencoded, 1);
	CHECK(rig->to_server.len > len && rig->to_server.len < len + 100);
	CHECK_EQ(rig->w.up.window, FLOW_WINDOW);
	CHECK_EQ(rig->w.up.inject_high, 0);
	in_len = 0;
	add(CLASSIC, "['x', 1]");
	rig->to_server.len = 0;
	CHECK_EQ(feed(&rig->w.up), 0);
	CHECK_STR(got(&rig->w.up, 0, NULL), "[ t'x' 1 ]");
	free(big);
	free(zeros);
}

TEST(compressor_only)
{
	uint8_t payload[300];
	size_t len = packet_text(PLUS, "['x', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa', 5]", payload,
	                         sizeof(payload));
	struct header h;

	start(PLUS, PLUS); /* lz4 only */
	add_zlib(PLUS, 0, payload, len);
	CHECK_EQ(feed(&rig->w.up), 0);
	CHECK_STR(got(&rig->w.up, 0, &h), "[ t'x' t'aaaaaaaaaaaaaaaaaaaaaaaaaaaa' 5 ]");
	CHECK_EQ(h.flags, PLUS);
	CHECK_EQ(rig->stats.client_compressor, COMPRESSOR_ZLIB);
	/* In the encoder it was in, though the receiver would rather have another. */
	start(PLUS, PLUS);
	rig->w.server.encoder = CLASSIC;
	rig->w.server.encoders = ENCODERS_RENCODE | ENCODERS_RENCODEPLUS;
	add_zlib(PLUS, 0, payload, len);
	CHECK_EQ(feed(&rig->w.up), 0);
	CHECK_STR(got(&rig->w.up, 0, &h), "[ t'x' t'aaaaaaaaaaaaaaaaaaaaaaaaaaaa' 5 ]");
	CHECK_EQ(h.flags, PLUS);
	start(PLUS, PLUS);
	add_raw(PLUS, 0x01, 0, "not zlib", 8);
	CHECK_EQ(feed(&rig->w.up), -EBADMSG);
	CHECK_STR(rig->why, "packet decompression failed");
}

TEST(expanded_chunk)
{
	static uint8_t plain[100000];
	struct header h;

	memset(plain, 'p', sizeof(plain));
	start(PLUS, PLUS);
	add_zlib(0, 7, plain, sizeof(plain));
	add(PLUS, "['draw', 1, 2, 3, 4, 5, 6, b'']");
	CHECK_EQ(rig_feed(rig, &rig->w.down, in, in_len, 50), 0);
	CHECK_STR(got(&rig->w.down, 0, &h), "chunk");
	CHECK(h.index == 7 && h.compression == 0 && h.flags == 0 && h.size == sizeof(plain));
	CHECK_MEM(rig->to_client.data + HEADER_LEN, sizeof(plain), plain, sizeof(plain));
	CHECK_STR(got(&rig->w.down, 1, NULL), "[ t'draw' 1 2 3 4 5 6 b'' ]");
	start(PLUS, PLUS);
	for (uint8_t i = 1; i <= 4; i++)
		add_zlib(0, i, plain, 10);
	CHECK_EQ(feed(&rig->w.down), -EPROTO); /* counted like any other */
	start(PLUS, PLUS);
	add_raw(0, 0x01, 7, "not zlib", 8);
	CHECK_EQ(feed(&rig->w.down), -EBADMSG);
	start(PLUS, PLUS);
	add_zlib(0, 7, plain, 0); /* of nothing: a record cannot be empty */
	CHECK_EQ(feed(&rig->w.down), -EBADMSG);
	start(PLUS, PLUS);
	add_raw(0, 0x81, 7, "zstd", 4);
	CHECK_EQ(feed(&rig->w.down), -EOPNOTSUPP);
}

/* More than any record may be: refused, and nothing written outside. */
TEST(bombs)
{
	uint8_t *zeros = calloc(1, 64 << 20), *packed = malloc(1 << 20);
	uLongf n = 1 << 20;

	CHECK_EQ(compress2(packed, &n, zeros, 64 << 20, 9), Z_OK);
	start(PLUS, PLUS);
	add_raw(0, 0x01, 7, packed, n);
	CHECK_EQ(feed(&rig->w.down), -EMSGSIZE);
	start(PLUS, PLUS);
	add_raw(PLUS, 0x01, 0, packed, n);
	CHECK_EQ(feed(&rig->w.down), -EMSGSIZE);
	CHECK_STR(rig->why, "packet too large after decompression");
	free(zeros);
	free(packed);
}

TEST(second_hello)
{
	start(PLUS, CLASSIC);
	rig->w.shape_down = SHAPE_NEST;
	add(CLASSIC, "['hello', {'version': '3.1.3', 'mmap_file': 'x', 'clipboard': true}]");
	CHECK_EQ(feed(&rig->w.down), 0);
	got(&rig->w.down, 0, NULL);
	CHECK(strstr(dump_buf, " t'version' t'3.1.3'") && !strstr(dump_buf, "mmap"));
	CHECK(strstr(dump_buf, " t'clipboard' { t'' true t'enabled' true ]"));
	start(PLUS, PLUS);
	add_raw(PLUS, 0, 0, "\xc2\x85hello\x05", 8);
	CHECK_EQ(feed(&rig->w.down), -EBADMSG);
	CHECK_STR(rig->why, "the server's hello cannot be rewritten");
}

TEST(dropped)
{
	start(PLUS, PLUS);
	add(PLUS, "['hello', {}]");
	add(PLUS, "['x']");
	add(PLUS, "['ssl-upgrade', {}]");
	CHECK_EQ(feed(&rig->w.up), 0);
	CHECK_STR(got(&rig->w.up, 0, NULL), "[ t'x' ]");
	CHECK(!got(&rig->w.up, 1, NULL));
	CHECK_EQ(rig_logged(rig), 2);
	in_len = 0;
	add(PLUS, "['challenge', b'salt']");
	add(PLUS, "['ssl-upgrade', {}]");
	CHECK_EQ(feed(&rig->w.down), 0);
	CHECK_EQ(rig->to_client.len, 0);
	CHECK_EQ(rig_logged(rig), 2);
	CHECK_EQ(rig->stats.from_server.packets, 2);
	start(PLUS, PLUS); /* a client's is nothing to us */
	add(PLUS, "['challenge', b'salt']");
	check_identical(&rig->w.up);
}

static void add_compressed_echo(void)
{
	char text[2000];

	snprintf(text, sizeof(text), "['ping_echo', 1, 2, 3, 4, 5, '%s', '%01500d']", rig->w.sid,
	         0);
	add_lz4(PLUS, text);
}

/* A name is seen through compression too, and however little of it has come. */
TEST(compressed_names)
{
	start(PLUS, PLUS);
	add_compressed_echo();
	add(PLUS, "['x']");
	CHECK_EQ(rig_feed(rig, &rig->w.up, in, in_len, 1), 0);
	CHECK_STR(got(&rig->w.up, 0, NULL), "[ t'x' ]");
}

TEST(own_ping)
{
	struct header h;

	start(PLUS, CLASSIC);
	edit_ping(&rig->w, &rig->w.down);
	CHECK(rig->w.down.pending_len > 0);
	CHECK_EQ(rig_advance(rig, &rig->w.down), 0);
	CHECK_EQ(rig->w.down.pending_len, 0);
	CHECK(strstr(got(&rig->w.down, 0, &h), " t'0123456789abcdef0123456789abcdef' ]"));
	CHECK_EQ(h.flags, PLUS);
	edit_ping(&rig->w, &rig->w.up);
	h.size = (uint32_t)rig->w.up.pending_len;
	rig->w.up.pending[0] = 'Q';
	edit_ping(&rig->w, &rig->w.up); /* one is enough */
	CHECK(rig->w.up.pending[0] == 'Q' && rig->w.up.pending_len == h.size);
	rig->w.up.pending[0] = 'P';
	CHECK_EQ(rig_advance(rig, &rig->w.up), 0);
	CHECK(strstr(got(&rig->w.up, 0, &h), "[ s'ping' "));
}

/* Our own packet waits for the end of the record, and for the record its chunks belong to. */
TEST(gaps)
{
	struct flow *f;
	size_t at[5];

	start(PLUS, PLUS);
	f = &rig->w.down;
	add(PLUS, "['first']");
	at[0] = in_len;
	add_raw(0, 0, 7, "pixels", 6);
	at[1] = in_len;
	add_raw(0, 0, 8, "pixels", 6);
	at[2] = in_len;
	add(PLUS, "['draw', 1, 2, 3]");
	at[3] = in_len;
	add(PLUS, "['last']");
	CHECK_EQ(rig_feed(rig, f, in, at[0] - 1, RIG_PIECE), 0);
	edit_ping(&rig->w, f);
	CHECK_EQ(rig_advance(rig, f), 0);
	CHECK(f->pending_len > 0); /* in the middle of a record */
	CHECK_EQ(rig_feed(rig, f, in + at[0] - 1, 1, 1), 0);
	CHECK_EQ(f->pending_len, 0);
	CHECK_EQ(rig_feed(rig, f, in + at[0], at[1] - at[0], RIG_PIECE), 0);
	edit_ping(&rig->w, f);
	CHECK_EQ(rig_feed(rig, f, in + at[1], at[2] - at[1], 3), 0);
	CHECK(f->pending_len > 0); /* a chunk is open */
	CHECK_EQ(rig_feed(rig, f, in + at[2], in_len - at[2], 3), 0);
	CHECK_EQ(f->pending_len, 0);
	CHECK_STR(got(f, 0, NULL), "[ t'first' ]");
	CHECK(strncmp(got(f, 1, NULL), "[ t'ping'", 9) == 0);
	CHECK_STR(got(f, 2, NULL), "chunk");
	CHECK_STR(got(f, 3, NULL), "chunk");
	CHECK_STR(got(f, 4, NULL), "[ t'draw' 1 2 3 ]");
	CHECK(strncmp(got(f, 5, NULL), "[ t'ping'", 9) == 0);
	CHECK_STR(got(f, 6, NULL), "[ t'last' ]");
	CHECK(!got(f, 7, NULL));
}

/* Passed, translated and injected records keep their order, however they are split. */
TEST(order)
{
	for (size_t piece = 1; piece < 90; piece += 1 + piece / 8) {
		start(CLASSIC, PLUS);
		rig->w.server.encoders |= ENCODERS_BENCODE;
		add(CLASSIC, "['a', 1]");
		add(BENCODE, "['b', 2]");
		add_raw(0, 0, 3, "chunk", 5);
		add(CLASSIC, "['c', 3, '', '']");
		add(BENCODE, "['d', 4]");
		add(BENCODE, "['ping_echo', 1, 2, 3, 4, 5, '0123456789abcdef0123456789abcdef']");
		add(CLASSIC, "['e', 5]");
		test_note("pieces of %zu", piece);
		CHECK_EQ(rig_feed(rig, &rig->w.up, in, in_len, piece), 0);
		CHECK_STR(got(&rig->w.up, 0, NULL), "[ t'a' 1 ]");
		CHECK_STR(got(&rig->w.up, 1, NULL), "[ s'b' 2 ]");
		CHECK_STR(got(&rig->w.up, 2, NULL), "chunk");
		CHECK_STR(got(&rig->w.up, 3, NULL), "[ t'c' 3 t'' t'' ]");
		CHECK_STR(got(&rig->w.up, 4, NULL), "[ s'd' 4 ]");
		CHECK_STR(got(&rig->w.up, 5, NULL), "[ t'e' 5 ]");
		CHECK(!got(&rig->w.up, 6, NULL));
	}
}

static void check_mutant(const uint8_t *data, size_t len)
{
	static unsigned variant;
	static const enum encoder encoders[] = {PLUS, CLASSIC, BENCODE};
	unsigned v = variant++;
	struct flow *f;

	rig_reset(rig, encoders[v % 3], encoders[v / 3 % 3]);
	f = v & 1 ? &rig->w.up : &rig->w.down;
	edit_ping(&rig->w, f);
	(void)rig_feed(rig, f, data, len, 1 + v % 50);
	(void)rig_logged(rig);
}

TEST(mutations)
{
	static uint8_t golden[4096];
	size_t len;

	start(PLUS, PLUS);
	add(PLUS, "['hello', {'version': '6', 'file': {'size-limit': 5}}]");
	add_raw(0, 0, 1, "ab", 2);
	add_zlib(0, 2, "abcdefgh", 8);
	add(CLASSIC, "['draw', '', '', 1.5, none]");
	add(BENCODE, "['info-response', {'a': 1}]");
	add(PLUS, "['ping_echo', 1, 2, 3, 4, 5, '0123456789abcdef0123456789abcdef']");
	add_lz4(PLUS, "['disconnect', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']");
	len = in_len;
	memcpy(golden, in, len);
	test_mutate(golden, len, check_mutant);
}
