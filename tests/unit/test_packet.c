/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Records of our own, and the names of others'. Links wire/packet.c and what it uses.
 */
#include "wire/packet.h"

#include "tests/unit/test.h"

#include <errno.h>

static const enum encoder encoders[] = {ENCODER_BENCODE, ENCODER_RENCODE, ENCODER_RENCODEPLUS};
static uint8_t buf[2048];
static struct decompressor *d;

__attribute__((constructor)) static void set_up(void)
{
	d = decompressor_new();
}

__attribute__((destructor)) static void tear_down(void)
{
	d = decompressor_free(d);
}

/* The name that the record at p has, from the first n payload bytes: "" for an alias. */
static int peek(const uint8_t *p, size_t n, char name[65])
{
	uint8_t scratch[PACKET_PEEK], *payload = malloc(n);
	struct header h;
	const char *found = "?";
	size_t len = 99;
	int r;

	CHECK_EQ(header_parse(p, HEADER_LEN, &h, NULL), 0);
	if (n > 0)
		memcpy(payload, p + HEADER_LEN, n);
	r = packet_peek_name(d, &h, payload, n, scratch, &found, &len);
	CHECK(r == 0 || len == 99);
	if (r == 0) {
		CHECK(len <= 64);
		snprintf(name, 65, "%.*s", (int)len, len ? found : "");
	}
	free(payload);
	return r;
}

TEST(disconnect)
{
	uint8_t expected[64];
	struct token_reader r;
	struct token t;
	size_t len, n;

	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		test_note("%s", encoder_name(encoders[i]));
		CHECK_EQ(packet_disconnect(encoders[i], buf, sizeof(buf), "server error", "why",
		                           &len),
		         0);
		CHECK_EQ(buf[0], 'P');
		CHECK_EQ(buf[1], encoders[i]);
		token_reader_init(&r, encoders[i], buf + HEADER_LEN, len - HEADER_LEN);
		CHECK_EQ(token_read(&r, &t), 1);
		CHECK_EQ(t.type, TOKEN_LIST);
		CHECK(token_read(&r, &t) == 1 && token_equals(&t, "disconnect"));
		CHECK(token_read(&r, &t) == 1 && token_equals(&t, "server error"));
		CHECK(token_read(&r, &t) == 1 && token_equals(&t, "why"));
		CHECK(token_read(&r, &t) == 1 && t.type == TOKEN_END);
		CHECK_EQ(token_read(&r, &t), 0);
		CHECK_EQ(packet_disconnect(encoders[i], buf, sizeof(buf), "done", "", &n), 0);
		CHECK(n < len);
		CHECK_EQ(packet_disconnect(encoders[i], buf, sizeof(buf), "done", NULL, &len), 0);
		CHECK_EQ(n, len);
	}
	CHECK_EQ(packet_disconnect(ENCODER_BENCODE, buf, sizeof(buf), "done", NULL, &len), 0);
	n = test_unhex("5000000000000015 6c 31303a646973636f6e6e656374 343a646f6e65 65", expected,
	               sizeof(expected));
	CHECK_MEM(buf, len, expected, n);
}

TEST(too_small)
{
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		size_t len = 77, full;

		CHECK_EQ(packet_disconnect(encoders[i], buf, sizeof(buf), "reason", "text", &full),
		         0);
		for (size_t size = 0; size < full; size++) {
			uint8_t *exact = malloc(size);

			test_note("%s in %zu bytes", encoder_name(encoders[i]), size);
			CHECK_EQ(
				packet_disconnect(encoders[i], exact, size, "reason", "text", &len),
				-ENOBUFS);
			CHECK_EQ(len, 77);
			free(exact);
		}
	}
	CHECK(packet_disconnect((enum encoder)0x11, buf, sizeof(buf), "reason", NULL,
	                        &(size_t){0}) < 0);
}

TEST(names)
{
	char name[65];
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		struct token_writer w;

		packet_begin(&w, encoders[i], buf, sizeof(buf), "new-window");
		token_write_int(&w, 5);
		CHECK_EQ(packet_end(&w, &len), 0);
		for (size_t n = 0; n <= len - HEADER_LEN; n++) {
			int r = peek(buf, n, name);

			test_note("%s, %zu of %zu bytes", encoder_name(encoders[i]), n,
			          len - HEADER_LEN);
			CHECK(r == 0 || (r == -EAGAIN && n < len - HEADER_LEN));
			if (r == 0)
				CHECK_STR(name, "new-window");
		}
		CHECK_EQ(peek(buf, len - HEADER_LEN, name), 0);
	}
}

static void big_packet(enum encoder encoder, size_t *ret_len)
{
	uint8_t data[1500];
	struct token_writer w;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 / 3);
	packet_begin(&w, encoder, buf, sizeof(buf), "draw");
	token_write_bytes(&w, data, sizeof(data));
	CHECK_EQ(packet_end(&w, ret_len), 0);
}

TEST(peek_is_enough)
{
	char name[65];
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		big_packet(encoders[i], &len);
		CHECK_EQ(peek(buf, PACKET_PEEK, name), 0);
		CHECK_STR(name, "draw");
	}
}

TEST(compressed)
{
	static uint8_t packed[4096];
	char name[65];
	size_t len, n;

	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		struct header h = {.flags = (uint8_t)encoders[i], .compression = COMPRESSION_LZ4};
		struct token_writer w;

		packet_begin(&w, encoders[i], buf, sizeof(buf), "draw");
		for (int k = 0; k < 40; k++)
			token_write_text(&w, "the same again and again");
		CHECK_EQ(packet_end(&w, &len), 0);
		CHECK_EQ(compress_lz4(buf + HEADER_LEN, len - HEADER_LEN, packed + HEADER_LEN,
		                      sizeof(packed) - HEADER_LEN, &n),
		         0);
		h.size = (uint32_t)n;
		header_build(packed, &h);
		CHECK_EQ(peek(packed, n < PACKET_PEEK ? n : PACKET_PEEK, name), 0);
		CHECK_STR(name, "draw");
		CHECK_EQ(peek(packed, 0, name), -EAGAIN);
		packed[HEADER_LEN + 3] = 0xff; /* an absurd size */
		CHECK(peek(packed, n, name) <= 0);
	}
}

/* A record with this flags byte and payload. */
static int peek_hex(uint8_t flags, const char *hex)
{
	struct header h = {.flags = flags};
	uint8_t record[512];
	char name[65];
	size_t n = test_unhex(hex, record + HEADER_LEN, sizeof(record) - HEADER_LEN);

	test_note("%s", hex);
	h.size = (uint32_t)n;
	header_build(record, &h);
	return peek(record, n, name);
}

TEST(odd_names)
{
	char hex[400];

	CHECK_EQ(peek_hex(ENCODER_BENCODE, "6c 69 35 65 65"), 0);          /* li5ee: an alias */
	CHECK_EQ(peek_hex(ENCODER_BENCODE, "6c 65"), -EBADMSG);            /* nothing */
	CHECK_EQ(peek_hex(ENCODER_BENCODE, "6c 30 3a 65"), -EBADMSG);      /* no characters */
	CHECK_EQ(peek_hex(ENCODER_BENCODE, "6c 6c 65 65"), -EBADMSG);      /* a list */
	CHECK_EQ(peek_hex(ENCODER_BENCODE, "35 3a 68656c6c6f"), -EBADMSG); /* no packet */
	CHECK_EQ(peek_hex(ENCODER_BENCODE, "6c 35 3a 6865"), -EBADMSG);    /* cut */
	CHECK_EQ(peek_hex(ENCODER_BENCODE, "ff"), -EBADMSG);
	CHECK_EQ(peek_hex(ENCODER_YAML, "5b 68656c6c6f 5d"), -EBADMSG);
	snprintf(hex, sizeof(hex), "6c 36353a %0130d 65", 0);
	CHECK_EQ(peek_hex(ENCODER_BENCODE, hex), -EBADMSG); /* 65 bytes */
	snprintf(hex, sizeof(hex), "6c 36343a %0*d 65", 128, 0);
	CHECK_EQ(peek_hex(ENCODER_BENCODE, hex), 0);
}

static void check_mutant(const uint8_t *data, size_t len)
{
	uint8_t scratch[PACKET_PEEK];
	const char *name;
	size_t name_len;
	struct header h;
	int r;

	if (header_parse(data, len, &h, NULL) < 0)
		return;
	r = packet_peek_name(d, &h, data + HEADER_LEN, len - HEADER_LEN, scratch, &name, &name_len);
	CHECK(r == 0 || r == -EBADMSG || r == -EAGAIN);
	if (r == -EAGAIN)
		CHECK(len - HEADER_LEN < h.size);
}

TEST(mutations)
{
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		CHECK_EQ(packet_disconnect(encoders[i], buf, sizeof(buf), "server error", "text",
		                           &len),
		         0);
		test_mutate(buf, len, check_mutant);
	}
}
