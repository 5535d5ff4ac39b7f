/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_token_stream.c - tokens in use: nesting, errors, translation, and what must
 * survive real packets with any bit of them changed.
 */
#include "tests/unit/token_dump.h"

static const struct {
	enum encoder encoder;
	const char *name;
} goldens[] = {
	{CLASSIC, "rencode-hello-client-3.1"}, {CLASSIC, "rencode-hello-server-3.1"},
	{CLASSIC, "rencode-challenge-3.1"},    {CLASSIC, "rencode-draw-3.1"},
	{CLASSIC, "rencode-ping-3.1"},         {BENCODE, "bencode-hello-client-3.1"},
	{BENCODE, "bencode-ping-5.0"},         {BENCODE, "bencode-damage-sequence-5.0"},
	{BENCODE, "bencode-logging-3.1"},      {PLUS, "rencodeplus-hello-client-6.5"},
	{PLUS, "rencodeplus-hello-html5"},     {PLUS, "rencodeplus-hello-server-6.5"},
	{PLUS, "rencodeplus-challenge-6.5"},   {PLUS, "rencodeplus-draw-6.5"},
	{PLUS, "rencodeplus-ping-6.5"},        {PLUS, "rencodeplus-new-window-6.5"},
};

static uint8_t *load_golden(size_t i, size_t *ret_len)
{
	char path[100];

	snprintf(path, sizeof(path), "tests/data/%s.bin", goldens[i].name);
	test_note("%s", goldens[i].name);
	return test_load(path, ret_len);
}

TEST(encoder_names)
{
	CHECK_STR(encoder_name(PLUS), "rencodeplus");
	CHECK_STR(encoder_name(CLASSIC), "rencode");
	CHECK_STR(encoder_name(BENCODE), "bencode");
	CHECK_STR(encoder_name(ENCODER_YAML), "yaml");
	CHECK_STR(encoder_name((enum encoder)0x11), "unknown");
}

static int read_nested(enum encoder encoder, const char *open, const char *close, size_t levels)
{
	const size_t n = strlen(open), m = strlen(close);
	uint8_t data[1000], *at = data;

	for (size_t i = 0; i < levels; i++, at += n)
		memcpy(at, open, n);
	*at++ = encoder == BENCODE ? 'l' : 0xc0;
	if (encoder == BENCODE)
		*at++ = 'e';
	for (size_t i = 0; i < levels; i++, at += m)
		memcpy(at, close, m);
	return property_read(encoder, data, (size_t)(at - data));
}

TEST(depth)
{
	static const struct {
		enum encoder encoder;
		const char *open, *close;
	} rows[] = {
		{PLUS, "\xc1", ""},      {PLUS, ";", "\x7f"}, {CLASSIC, "g\x01", ""},
		{PLUS, "<\x01", "\x7f"}, {BENCODE, "l", "e"}, {BENCODE, "di1e", "e"},
	};
	struct token_writer w;
	const struct token list = {.type = TOKEN_LIST};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_note("row %zu", i);
		CHECK_EQ(read_nested(rows[i].encoder, rows[i].open, rows[i].close, 63), 0);
		CHECK_EQ(read_nested(rows[i].encoder, rows[i].open, rows[i].close, 64), -EMSGSIZE);
	}
	token_writer_init(&w, PLUS, out_buf, sizeof(out_buf));
	for (int i = 0; i < TOKEN_DEPTH_MAX; i++)
		CHECK_EQ(token_write_list(&w, TOKEN_COUNT_UNKNOWN), 0);
	CHECK_EQ(token_write(&w, &list), -EMSGSIZE);
	CHECK_EQ(w.len, TOKEN_DEPTH_MAX);
}

TEST(every_prefix_is_malformed)
{
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		uint8_t *data = load_golden(i, &len);

		for (size_t n = 0; n < len; n++)
			CHECK_EQ(property_read(goldens[i].encoder, data, n), -EBADMSG);
		CHECK_EQ(property_read(goldens[i].encoder, data, len), 0);
		free(data);
	}
}

TEST(errors_repeat)
{
	struct token_reader r;
	struct token t = {.type = TOKEN_FLOAT};

	token_reader_init(&r, PLUS, "\xc2\x01\x2d", 3);
	CHECK_EQ(token_read(&r, &t), 1);
	CHECK_EQ(token_read(&r, &t), 1);
	CHECK_EQ(t.integer, 1);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(token_read(&r, &t), -EBADMSG);
	CHECK_EQ(t.integer, 1); /* not touched */
	token_reader_init(&r, ENCODER_YAML, "- a", 3);
	CHECK_EQ(token_read(&r, &t), -EOPNOTSUPP);
	CHECK_EQ(token_read(&r, &t), -EOPNOTSUPP);
	token_reader_init(&r, BENCODE, NULL, 0);
	CHECK_EQ(token_read(&r, &t), -EBADMSG);
}

TEST(skip_and_copy_parts)
{
	static const char data[] = "li1eli2ed1:ali3eeee2:xye"; /* [1, [2, {a: [3]}], "xy"] */
	struct token_reader r;
	struct token_writer w;
	struct token t, outer;

	token_reader_init(&r, BENCODE, data, strlen(data));
	token_writer_init(&w, BENCODE, out_buf, sizeof(out_buf));
	CHECK_EQ(token_read(&r, &outer), 1);
	CHECK_EQ(token_read(&r, &t), 1);
	CHECK_EQ(token_skip(&r, &t), 0); /* a scalar */
	CHECK_EQ(token_read(&r, &t), 1);
	CHECK_EQ(token_copy(&r, &t, &w), 0);
	CHECK_MEM(w.data, w.len, "li2ed1:ali3eeee", 15);
	CHECK_EQ(token_read(&r, &t), 1);
	CHECK(token_equals(&t, "xy"));
	CHECK_EQ(token_read(&r, &t), 1);
	CHECK_EQ(t.type, TOKEN_END);
	CHECK_EQ(token_skip(&r, &t), -EINVAL);
	CHECK_EQ(token_copy(&r, &t, &w), -EINVAL);
	CHECK_EQ(token_read(&r, &t), 0);
	CHECK_EQ(token_skip(&r, &outer), -EINVAL); /* no longer open */
	/* A list left after its first item. */
	token_reader_init(&r, BENCODE, data, strlen(data));
	CHECK_EQ(token_read(&r, &outer), 1);
	CHECK_EQ(token_read(&r, &t), 1);
	CHECK_EQ(token_skip(&r, &outer), 0);
	CHECK_EQ(token_read(&r, &t), 0);
	/* Errors of both sides come through. */
	token_reader_init(&r, BENCODE, data, strlen(data) - 2);
	CHECK_EQ(token_read(&r, &t), 1);
	CHECK_EQ(token_copy(&r, &t, &w), -EBADMSG);
	token_reader_init(&r, BENCODE, data, strlen(data));
	CHECK_EQ(token_read(&r, &t), 1);
	token_writer_init(&w, BENCODE, out_buf, 7);
	CHECK_EQ(token_copy(&r, &t, &w), -ENOBUFS);
}

TEST(write_helpers)
{
	struct token_writer w;

	token_writer_init(&w, PLUS, out_buf, sizeof(out_buf));
	CHECK_EQ(token_write_list(&w, 4), 0);
	CHECK_EQ(token_write_text(&w, "hello"), 0);
	CHECK_EQ(token_write_text_n(&w, NULL, 0), 0);
	CHECK_EQ(token_write_bytes(&w, NULL, 0), 0);
	CHECK_EQ(token_write_dict(&w, TOKEN_COUNT_UNKNOWN), 0);
	CHECK_EQ(token_write_int(&w, -7), 0);
	CHECK_EQ(token_write_bool(&w, true), 0);
	CHECK_EQ(token_write_end(&w), 0);
	CHECK_EQ(token_write_end(&w), 0);
	CHECK_STR(dump(PLUS, w.data, w.len, true, dump_buf), "4[ t'hello' t'' b'' { -7 true ] ]");
	/* Text that is none would end the connection. */
	token_writer_init(&w, PLUS, out_buf, sizeof(out_buf));
	CHECK_EQ(token_write_text(&w, "a\xff"), 0);
	CHECK_STR(dump(PLUS, w.data, w.len, true, dump_buf), "b'a\\ff'");
}

static int write_one(enum encoder encoder, const struct token *t, size_t size)
{
	struct token_writer w;
	int k;

	token_writer_init(&w, encoder, out_buf, size);
	k = token_write(&w, t);
	CHECK_EQ(k, w.error);
	CHECK(k == 0 || w.len == 0);
	CHECK_EQ(token_write_int(&w, 0), k); /* the first error stays */
	return k;
}

TEST(writer_errors)
{
	static const struct {
		enum token_type type;
		const char *data;
		uint32_t count;
		int want;
	} rows[] = {
		{TOKEN_END, "", 0, -EINVAL},
		{TOKEN_BIGINT, "", 0, -EINVAL},
		{TOKEN_BIGINT, "-", 0, -EINVAL},
		{TOKEN_BIGINT, "01", 0, -EINVAL},
		{TOKEN_BIGINT, "123456789012345678901234567890x", 0, -EINVAL},
		{TOKEN_BIGINT, "1234567890123456789012345678901234567890123456789012345678901234",
	         0, -EINVAL},
		{TOKEN_BIGINT, "123456789012345678901234567890123456789012345678901234567890123", 0,
	         0},
		{TOKEN_BIGINT, "12", 0, 0},
		{(enum token_type)99, "", 0, -EINVAL},
		{TOKEN_DICT, "", 0x80000000, -EINVAL},
	};
	struct token t;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_note("row %zu", i);
		t = (struct token){.type = rows[i].type,
		                   .data = (const uint8_t *)rows[i].data,
		                   .len = strlen(rows[i].data),
		                   .count = rows[i].count};
		for (size_t j = 0; j < ARRAY_SIZE(property_encoders); j++)
			CHECK_EQ(write_one(property_encoders[j], &t, 100), rows[i].want);
	}
	test_note("%s", "");
	t = (struct token){.type = TOKEN_INT, .integer = 1000};
	CHECK_EQ(write_one((enum encoder)0x11, &t, 100), -EOPNOTSUPP);
	CHECK_EQ(write_one(PLUS, &t, 2), -ENOBUFS);
	CHECK_EQ(write_one(PLUS, &t, 0), -ENOBUFS);
	CHECK_EQ(write_one(BENCODE, &t, 5), -ENOBUFS);
}

/* Opens a list (or dict) with a count, writes that many integers, ends it. */
static int write_counted(enum encoder encoder, bool dict, uint32_t count, unsigned values)
{
	struct token_writer w;

	token_writer_init(&w, encoder, out_buf, sizeof(out_buf));
	if (dict)
		token_write_dict(&w, count);
	else
		token_write_list(&w, count);
	for (unsigned i = 0; i < values; i++)
		token_write_int(&w, 0);
	return token_write_end(&w);
}

TEST(writer_holds_to_count)
{
	for (size_t i = 0; i < ARRAY_SIZE(property_encoders); i++) {
		const enum encoder e = property_encoders[i];

		CHECK_EQ(write_counted(e, false, 2, 2), 0);
		CHECK_EQ(write_counted(e, false, 2, 1), -EINVAL);
		CHECK_EQ(write_counted(e, false, 2, 3), -EINVAL);
		CHECK_EQ(write_counted(e, false, 0, 1), -EINVAL);
		CHECK_EQ(write_counted(e, false, TOKEN_COUNT_UNKNOWN, 3), 0);
		CHECK_EQ(write_counted(e, true, 1, 2), 0);
		CHECK_EQ(write_counted(e, true, 1, 1), -EINVAL);
		CHECK_EQ(write_counted(e, true, 1, 3), -EINVAL);
		CHECK_EQ(write_counted(e, true, TOKEN_COUNT_UNKNOWN, 2), 0);
		CHECK_EQ(write_counted(e, true, TOKEN_COUNT_UNKNOWN, 3), -EINVAL);
	}
}

static const char *written(enum encoder encoder, struct token t)
{
	struct token_writer w;

	token_writer_init(&w, encoder, out_buf, sizeof(out_buf));
	CHECK_EQ(token_write(&w, &t), 0);
	return dump(encoder, w.data, w.len, true, dump_buf);
}

TEST(conversions)
{
	static const struct {
		double real;
		const char *want;
	} floats[] = {
		{1.9, "1"},
		{-1.9, "-1"},
		{1e300, "9223372036854775807"},
		{-1e300, "-9223372036854775808"},
		{-0x1p63, "-9223372036854775808"},
		{0x1p63, "9223372036854775807"},
		{__builtin_nan(""), "0"},
		{-__builtin_inf(), "0"},
	};
	const struct token good = {
		.type = TOKEN_STRING, .data = (const uint8_t *)"\xc3\xa9", .len = 2};
	const struct token bad = {.type = TOKEN_STRING, .data = (const uint8_t *)"\xc3(", .len = 2};

	for (size_t i = 0; i < ARRAY_SIZE(floats); i++) {
		test_note("%g", floats[i].real);
		CHECK_STR(written(BENCODE,
		                  (struct token){.type = TOKEN_FLOAT, .real = floats[i].real}),
		          floats[i].want);
	}
	test_note("%s", "");
	CHECK_STR(written(BENCODE, (struct token){.type = TOKEN_NONE}), "s''");
	CHECK_STR(written(BENCODE, (struct token){.type = TOKEN_BOOL, .boolean = true}), "1");
	CHECK_STR(written(BENCODE, good), "s'\\c3\\a9'");
	CHECK_STR(written(PLUS, good), "t'\\c3\\a9'");
	CHECK_STR(written(PLUS, bad), "b'\\c3('");
	CHECK_STR(written(CLASSIC, bad), "s'\\c3('");
	CHECK_STR(written(CLASSIC, (struct token){.type = TOKEN_FLOAT, .real = 1e300}), "inf");
}

TEST(goldens_round_trip)
{
	static uint8_t other[sizeof(out_buf)];
	const char *want;
	size_t len, n, m;

	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		const enum encoder from = goldens[i].encoder, to = from == PLUS ? CLASSIC : PLUS;
		uint8_t *data = load_golden(i, &len);

		check_round_trip(from, data, len);
		/* There and back, with only the type of strings changed. */
		want = dump(from, data, len, false, dump_buf);
		n = translate(from, data, len, to, other);
		CHECK_STR(dump(to, other, n, false, dump_buf2), want);
		m = translate(to, other, n, from, out_buf);
		CHECK_STR(dump(from, out_buf, m, false, dump_buf2), want);
		if (from != PLUS) /* where bytes that are UTF-8 come back as text */
			CHECK_MEM(out_buf, m, data, len);
		free(data);
	}
}

TEST(hello_between_peers)
{
	static const char bencoded[] = "l5:hellod7:version5:3.1.37:rencodei1e3:lz4i0e"
				       "10:mmap_tokeni340282366920938463463374607431768211455e"
				       "4:icon3:\x01\xff\x02"
				       "8:encodersl7:rencode7:bencodeee"
				       "e";
	uint8_t plus[300], classic[300];
	size_t n, m;

	n = translate(BENCODE, bencoded, strlen(bencoded), PLUS, plus);
	CHECK_STR(dump(PLUS, plus, n, true, dump_buf),
	          "[ t'hello' { t'version' t'3.1.3' t'rencode' 1 t'lz4' 0 t'mmap_token' "
	          "340282366920938463463374607431768211455 t'icon' b'\\01\\ff\\02' t'encoders' "
	          "[ t'rencode' t'bencode' ] ] ]");
	m = translate(PLUS, plus, n, CLASSIC, classic);
	CHECK_STR(dump(CLASSIC, classic, m, false, dump_buf2),
	          dump(BENCODE, bencoded, strlen(bencoded), false, dump_buf));
	n = translate(CLASSIC, classic, m, BENCODE, out_buf);
	CHECK_MEM(out_buf, n, bencoded, strlen(bencoded));
}

static enum encoder mutated;

static void check_mutation(const uint8_t *data, size_t len)
{
	property_check(mutated, data, len);
}

/* Which bytes are within strings, and not the first or last of one: to the reader all of them are
 * alike. */
static void find_alike(const uint8_t *data, size_t len, bool *ret)
{
	struct token_reader r;
	struct token t;

	memset(ret, 0, len);
	token_reader_init(&r, mutated, data, len);
	while (token_read(&r, &t) > 0)
		if (token_is_string(&t) && t.len > 2)
			memset(ret + (t.data - data) + 1, true, t.len - 2);
}

/* Each single bit, as far as reading alone sees it. */
static void flip_all(uint8_t *data, size_t len)
{
	uint8_t *exact = malloc(len);
	bool *alike = malloc(len);

	memcpy(exact, data, len);
	find_alike(data, len, alike);
	for (size_t i = 0; i < len * 8; i++) {
		if (alike[i / 8])
			continue;
		exact[i / 8] ^= (uint8_t)(1 << i % 8);
		test_note("byte %zu, bit %zu flipped", i / 8, i % 8);
		property_consume(mutated, exact, len, property_read(mutated, exact, len));
		exact[i / 8] = data[i / 8];
	}
	free(alike);
	free(exact);
}

TEST(mutations)
{
	static const char bencoded[] = "l5:hellod3:abci-12eu2:\xc3\xa9li0e0:de1:xee"
				       "i340282366920938463463374607431768211455ee";
	uint8_t plus[200];
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		uint8_t *data = load_golden(i, &len);

		mutated = goldens[i].encoder;
		flip_all(data, len);
		/* With every way back, every 17th byte of a hello: the time goes with the square of
		 * its length. */
		test_mutate_every(len > 1000 ? 17 : 1, data, len, check_mutation);
		free(data);
	}
	mutated = BENCODE;
	test_mutate(bencoded, strlen(bencoded), check_mutation);
	len = test_unhex("cb 3c 81 61 43 c0 44 7f 3b 45 7f 67 80 42 3fc00000 2c 3ff8000000000000"
	                 "3d 39393939393939393939393939393939393939 39 7f 3edf 3fff7f 40ffff7fff"
	                 "41ffffff7fffffffff 332f616263 333ac3a978",
	                 plus, sizeof(plus));
	for (size_t i = 0; i < 2; i++) {
		mutated = i == 0 ? PLUS : CLASSIC;
		test_mutate(plus, len, check_mutation);
	}
}
