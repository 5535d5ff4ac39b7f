/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_token_value.c - strings compared and converted, and what counts as true.
 */
#include "tests/unit/test.h"
#include "wire/token.h"

#include <errno.h>

static struct token string(enum token_type type, const char *s, size_t len)
{
	return (struct token){.type = type, .data = (const uint8_t *)s, .len = len};
}

TEST(strings)
{
	const struct token none = {.type = TOKEN_NONE}, empty = {.type = TOKEN_STRING};
	struct token t;
	uint8_t buf[4];
	char text[4] = "-";
	size_t n = 99;

	for (enum token_type type = TOKEN_STRING; type <= TOKEN_BYTES; type++) {
		t = string(type, "abcd", 3);
		CHECK(token_equals(&t, "abc") && !token_equals(&t, "ab") &&
		      !token_equals(&t, "abd"));
		CHECK_EQ(token_to_bytes(&t, buf, 2, &n), -EMSGSIZE);
		CHECK_EQ(token_to_bytes(&t, buf, 3, &n), 0);
		CHECK_MEM(buf, n, "abc", 3);
		CHECK_EQ(token_to_cstr(&t, text, 3), -EMSGSIZE);
		CHECK_EQ(token_to_cstr(&t, text, 4), 0);
		CHECK_STR(text, "abc");
	}
	for (const char *s = "\x01\x1f\x7f\n\t"; *s; s++) {
		t = string(TOKEN_TEXT, s, 1);
		CHECK_EQ(token_to_cstr(&t, text, 4), -EINVAL);
	}
	t = string(TOKEN_BYTES, "a\0b", 3);
	CHECK_EQ(token_to_cstr(&t, text, 4), -EINVAL);
	CHECK_EQ(token_to_cstr(&none, text, 4), -EINVAL);
	CHECK_EQ(token_to_cstr(&empty, text, 0), -EMSGSIZE);
	CHECK_STR(text, "abc");
	CHECK_EQ(token_to_cstr(&empty, text, 1), 0);
	CHECK(text[0] == 0 && token_equals(&empty, "") && !token_equals(&none, ""));
	CHECK_EQ(token_to_bytes(&empty, buf, 0, &n), 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(token_to_bytes(&none, buf, 4, &n), -EINVAL);
	/* Text is Latin-1 in UTF-8 clothes, other strings are what they are. */
	t = string(TOKEN_TEXT, "\x00\x7f\xc2\x80\xc3\xbf", 6);
	CHECK_EQ(token_to_bytes(&t, buf, 4, &n), 0);
	CHECK_MEM(buf, n, "\x00\x7f\x80\xff", 4);
	CHECK_EQ(token_to_bytes(&t, buf, 3, &n), -EMSGSIZE);
	t.type = TOKEN_STRING;
	CHECK_EQ(token_to_bytes(&t, buf, 4, &n), -EMSGSIZE);
	t = string(TOKEN_TEXT, "\xc4\x80", 2);
	CHECK_EQ(token_to_bytes(&t, buf, 4, &n), -EINVAL);
	t = string(TOKEN_TEXT, "\xff", 1);
	CHECK_EQ(token_to_bytes(&t, buf, 4, &n), -EINVAL);
}

TEST(truth)
{
	static const struct {
		const char *hex;
		int want;
	} rows[] = {
		{"43", 1},
		{"44", 0},
		{"45", 0},
		{"00", 0},
		{"01", 1},
		{"46", 1},
		{"3d39393939393939393939393939393939393939397f", 1},
		{"2c0000000000000000", 0},
		{"2c8000000000000000", 0},
		{"2c3ff0000000000000", 1},
		{"80", 0},
		{"8130", 0},
		{"8131", 1},
		{"824e6f", 0},
		{"836f4666", 0},
		{"8546616c7365", 0},
		{"352f66616c7365", 0},
		{"8161", 1},
		{"83796573", 1},
		{"836f6e65", 1},
		{"826f6e", 1},
		{"c0", 0},
		{"c100", 1},
		{"c1c100", 1},
		{"3b7f", 0},
		{"3b00c000 7f", 1},
		{"66", 0},
		{"678044", 0},
		{"678043", 1},
		{"67816144", 1},
		{"67302f00", 0},
		{"68816143 8044", 0},          /* {a: true, "": false} */
		{"698044 816143 c101c102", 0}, /* the first decides, all is consumed */
		{"67c0 43", 1},                /* a key that is a list */
		{"67c18144 43", 1},
		{"67 80 66", 0},     /* {"": {}} */
		{"67 80 678044", 1}, /* {"": {"": false}}: not empty */
		{"67 80 c20144", 1},
		{"3c 80 3c 8161 43 7f 01 02 7f", 1},
		{"c1", -EBADMSG},
		{"c2c1", -EBADMSG},
		{"c201", -EBADMSG},
		{"67", -EBADMSG},
		{"6780", -EBADMSG},
		{"6780c1", -EBADMSG},
		{"68 8043 81", -EBADMSG},
		{"67 8161 c1", -EBADMSG},
		{"67c1", -EBADMSG},
		{"67 7f", -EBADMSG},
	};
	struct token_reader r;
	struct token t;
	uint8_t data[64];
	bool got;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_note("%s", rows[i].hex);
		data[0] = 0xc2; /* in a list with something after it */
		n = 1 + test_unhex(rows[i].hex, data + 1, sizeof(data) - 1);
		if (rows[i].want >= 0)
			data[n++] = 0x2b;
		token_reader_init(&r, ENCODER_RENCODEPLUS, data, n);
		CHECK_EQ(token_read(&r, &t), 1);
		CHECK_EQ(token_read(&r, &t), 1);
		got = false;
		CHECK_EQ(token_truth(&r, &t, &got), rows[i].want < 0 ? rows[i].want : 0);
		CHECK_EQ(got, rows[i].want > 0);
		if (rows[i].want < 0)
			continue;
		CHECK_EQ(token_read(&r, &t), 1);
		CHECK_EQ(t.integer, 43);
		CHECK_EQ(token_read(&r, &t), 1);
		CHECK_EQ(token_truth(&r, &t, &got), -EINVAL); /* END */
	}
}
