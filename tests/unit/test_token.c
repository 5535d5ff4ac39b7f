/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_token.c - the three encoders: what is read, what is written, what is refused.
 *
 * Streams are compared as one line of text, see token_dump.h. The examples were generated with the
 * real modules (rencode 1.0.6, xpra's rencodeplus and bencode).
 */
#include "tests/unit/token_dump.h"

static void check_pair(const uint8_t *plus, size_t plus_len, const uint8_t *classic,
                       size_t classic_len)
{
	size_t n;

	check_round_trip(PLUS, plus, plus_len);
	check_round_trip(CLASSIC, classic, classic_len);
	n = translate(PLUS, plus, plus_len, CLASSIC, out_buf);
	CHECK_MEM(out_buf, n, classic, classic_len);
	CHECK_STR(dump(PLUS, plus, plus_len, false, dump_buf),
	          dump(CLASSIC, classic, classic_len, false, dump_buf2));
}

TEST(worked_examples)
{
	static const struct {
		const char *dump, *plus, *classic; /* classic NULL: the same */
	} rows[] = {
		{"0", "00", NULL},
		{"1", "01", NULL},
		{"43", "2b", NULL},
		{"44", "3e2c", NULL},
		{"127", "3e7f", NULL},
		{"128", "3f0080", NULL},
		{"255", "3f00ff", NULL},
		{"256", "3f0100", NULL},
		{"32767", "3f7fff", NULL},
		{"32768", "4000008000", NULL},
		{"65535", "400000ffff", NULL},
		{"2147483647", "407fffffff", NULL},
		{"2147483648", "410000000080000000", NULL},
		{"9223372036854775807", "417fffffffffffffff", NULL},
		{"9223372036854775808", "3d393232333337323033363835343737353830387f", NULL},
		{"340282366920938463463374607431768211455",
	         "3d3334303238323336363932303933383436333436333337343630373433313736383231313435"
	         "357f",
	         NULL},
		{"-1", "46", NULL},
		{"-32", "65", NULL},
		{"-33", "3edf", NULL},
		{"-128", "3e80", NULL},
		{"-129", "3fff7f", NULL},
		{"-32768", "3f8000", NULL},
		{"-32769", "40ffff7fff", NULL},
		{"-2147483648", "4080000000", NULL},
		{"-2147483649", "41ffffffff7fffffff", NULL},
		{"-9223372036854775808", "418000000000000000", NULL},
		{"-9223372036854775809", "3d2d393232333337323033363835343737353830397f", NULL},
		{"true", "43", NULL},
		{"false", "44", NULL},
		{"none", "45", NULL},
		{"1.50000", "2c3ff8000000000000", "423fc00000"},
		{"0.100000", "2c3fb999999999999a", "423dcccccd"},
		{"-2.25000", "2cc002000000000000", "42c0100000"},
		{"t''", "80", NULL},
		{"t'a'", "8161", NULL},
		{"t'draw'", "8464726177", NULL},
		{"t'\\c3\\a9'", "82c3a9", NULL},
		{"t'\\e2\\82\\ac'", "83e282ac", NULL},
		{"b''", "302f", "80"},
		{"b'a'", "312f61", "8161"},
		{"b'\\00\\ff'", "322f00ff", "8200ff"},
		{"0[ ]", "c0", NULL},
		{"2[ 1 2 ]", "c20102", NULL},
		{"3[ 1 t'a' b'b' ]", "c3018161312f62", "c30181618162"},
		{"0{ ]", "66", NULL},
		{"1{ t'a' 1 ]", "67816101", NULL},
		{"2{ t'' true t'version' t'1.0' ]", "6880438776657273696f6e83312e30", NULL},
		{"2[ t'hello' 1{ t'version' t'6.5' ] ]", "c28568656c6c6f678776657273696f6e83362e35",
	         NULL},
		{"2[ t'ping' 1234567890123 ]", "c28470696e67410000011f71fb04cb", NULL},
		{"2[ t'disconnect' t'login timeout' ]",
	         "c28a646973636f6e6e6563748d6c6f67696e2074696d656f7574", NULL},
		{"1[ 2[ t'a' 2[ t'b' 0{ ] ] ] ]", "c1c28161c2816266", NULL},
		{"7[ t'damage-sequence' 7 1 640 480 1234 t'' ]",
	         "c78f64616d6167652d73657175656e636507013f02803f01e03f04d280", NULL},
		{"2[ t'hello' 2{ t'version' t'6.5' t'rencodeplus' true ] ]",
	         "c28568656c6c6f688776657273696f6e83362e358b72656e636f6465706c757343", NULL},
		{"2[ 13 1 ]", "c20d01", NULL},
		{"6[ t'challenge' b'\\00\\01\\02\\03' 0{ ] t'hmac+sha512' t'x' t'password' ]",
	         "c6896368616c6c656e6765342f00010203668b686d61632b736861353132817888"
	         "70617373776f7264",
	         "c6896368616c6c656e67658400010203668b686d61632b736861353132817888"
	         "70617373776f7264"},
	};
	uint8_t plus[200], classic[200];
	size_t n, m;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_note("%s", rows[i].dump);
		n = test_unhex(rows[i].plus, plus, sizeof(plus));
		m = test_unhex(rows[i].classic ? rows[i].classic : rows[i].plus, classic,
		               sizeof(classic));
		CHECK_STR(dump(PLUS, plus, n, true, dump_buf), rows[i].dump);
		check_pair(plus, n, classic, m);
	}
}

/* The head, `count` times byte, the tail. */
static size_t build(uint8_t *buf, const char *head, size_t count, uint8_t byte, const char *tail)
{
	size_t n = test_unhex(head, buf, 16);

	memset(buf + n, byte, count);
	n += count;
	return n + test_unhex(tail, buf + n, 16);
}

TEST(fixed_and_long_forms)
{
	static const struct {
		const char *plus, *classic;
		size_t count;
		uint8_t byte;
		const char *tail;
	} rows[] = {
		{"bf", "bf", 63, 'x', ""},          /* text */
		{"36343a", "36343a", 64, 'x', ""},  /* text */
		{"36342f", "36343a", 64, 0xf0, ""}, /* bytes */
		{"36332f", "bf", 63, 0xf0, ""},     /* bytes */
		{"ff", "ff", 63, 0, ""},            /* list */
		{"3b", "3b", 64, 0, "7f"},          /* list */
		{"7e", "7e", 48, 0, ""},            /* dict of 24 */
		{"3c", "3c", 50, 0, "7f"},          /* dict of 25 */
		{"c102", "c102", 0, 0, ""},         /* nested, and closed at once */
		{"c13b", "c13b", 0, 0, "7f"},       /* a marked list in a fixed one */
		{"3bc1013b7f3c", "3bc1013b7f3c", 0, 0, "7f7f"},
	};
	uint8_t plus[200], classic[200];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_note("row %zu", i);
		check_pair(
			plus, build(plus, rows[i].plus, rows[i].count, rows[i].byte, rows[i].tail),
			classic,
			build(classic, rows[i].classic, rows[i].count, rows[i].byte, rows[i].tail));
	}
}

/* A count too big for the fixed form is written marked, by count or not. */
TEST(writer_picks_form)
{
	static const struct {
		uint32_t list, dict;
		const char *hex;
	} rows[] = {
		{63, 0, "ff"},
		{64, 0, "3b"},
		{0, 24, "7e"},
		{0, 25, "3c"},
		{TOKEN_COUNT_UNKNOWN, 0, "3b"},
		{0, TOKEN_COUNT_UNKNOWN, "3c"},
	};
	struct token_writer w;
	uint8_t want[200];
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const bool list = rows[i].list > 0;
		const uint32_t count = list ? rows[i].list : 2 * rows[i].dict;
		const uint32_t values = count > 1000 ? 2 : count;

		test_note("row %zu", i);
		token_writer_init(&w, PLUS, out_buf, sizeof(out_buf));
		CHECK_EQ(list ? token_write_list(&w, rows[i].list)
		              : token_write_dict(&w, rows[i].dict),
		         0);
		for (uint32_t j = 0; j < values; j++)
			CHECK_EQ(token_write_int(&w, 0), 0);
		CHECK_EQ(token_write_end(&w), 0);
		n = build(want, rows[i].hex, values, 0, rows[i].hex[0] == '3' ? "7f" : "");
		CHECK_MEM(w.data, w.len, want, n);
	}
}

TEST(decode_only)
{
	static const struct {
		const char *hex, *plus, *classic; /* NULL: refused */
	} rows[] = {
		{"3e00", "0", "0"},
		{"3f0000", "0", "0"},
		{"4000000001", "1", "1"},
		{"410000000000000001", "1", "1"},
		{"42c0100000", "-2.25000", "-2.25000"},
		{"2cc002000000000000", "-2.25000", "-2.25000"},
		{"3b7f", "[ ]", "[ ]"},
		{"3b01027f", "[ 1 2 ]", "[ 1 2 ]"},
		{"3c7f", "{ ]", "{ ]"},
		{"3c8161017f", "{ t'a' 1 ]", "{ s'a' 1 ]"},
		{"332f616263", "b'abc'", NULL},
		{"333a616263", "t'abc'", "s'abc'"},
		{"30333a616263", "t'abc'", NULL},
		{"303a", "t''", NULL},
		{"302f", "b''", NULL},
		{"67c10102", "1{ 1[ 1 ] 2 ]", "1{ 1[ 1 ] 2 ]"},
		{"c0ff", "0[ ]", "0[ ]"},
		{"82c328", NULL, "s'\\c3('"},
		{"3d3132333435363738393031323334353637387f", "123456789012345678",
	         "123456789012345678"},
		{"3d2d31323334353637383930313233343536377f", "-12345678901234567",
	         "-12345678901234567"},
		{"3d307f", "0", "0"},
		/* The ends of UTF-8's ranges. */
		{"82c280", "t'\\c2\\80'", "s'\\c2\\80'"},
		{"83e0a080", "t'\\e0\\a0\\80'", "s'\\e0\\a0\\80'"},
		{"83ed9fbf", "t'\\ed\\9f\\bf'", "s'\\ed\\9f\\bf'"},
		{"83ee8080", "t'\\ee\\80\\80'", "s'\\ee\\80\\80'"},
		{"84f0908080", "t'\\f0\\90\\80\\80'", "s'\\f0\\90\\80\\80'"},
		{"84f48fbfbf", "t'\\f4\\8f\\bf\\bf'", "s'\\f4\\8f\\bf\\bf'"},
		{"3d2d317f", "-1", "-1"},
	};
	uint8_t data[64];
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got;

		test_note("%s", rows[i].hex);
		n = test_unhex(rows[i].hex, data, sizeof(data));
		got = dump(PLUS, data, n, true, dump_buf);
		CHECK_STR(got ? got : "refused", rows[i].plus ? rows[i].plus : "refused");
		got = dump(CLASSIC, data, n, true, dump_buf);
		CHECK_STR(got ? got : "refused", rows[i].classic ? rows[i].classic : "refused");
	}
}

TEST(bencode_examples)
{
	static const struct {
		const char *text, *dump;
	} rows[] = {
		{"i0e", "0"},
		{"i43e", "43"},
		{"i128e", "128"},
		{"i-1e", "-1"},
		{"i-129e", "-129"},
		{"i2147483648e", "2147483648"},
		{"i9223372036854775807e", "9223372036854775807"},
		{"i-9223372036854775808e", "-9223372036854775808"},
		{"i9223372036854775808e", "9223372036854775808"},
		{"i-9223372036854775809e", "-9223372036854775809"},
		{"i999999999999999999999999999999999999999999999999999999999999999e",
	         "999999999999999999999999999999999999999999999999999999999999999"},
		{"0:", "s''"},
		{"1:a", "s'a'"},
		{"4:draw", "s'draw'"},
		{"2:\xc3\xa9", "s'\\c3\\a9'"},
		{"2:\x01\xff", "s'\\01\\ff'"},
		{"le", "[ ]"},
		{"li1ei2ee", "[ 1 2 ]"},
		{"li1e1:a1:be", "[ 1 s'a' s'b' ]"},
		{"ll1:aedee", "[ [ s'a' ] { ] ]"},
		{"de", "{ ]"},
		{"d1:ai1ee", "{ s'a' 1 ]"},
		{"di1ei2ee", "{ 1 2 ]"},
		{"di0ei1e7:version3:3.1e", "{ 0 1 s'version' s'3.1' ]"},
		{"l5:hellod7:version5:3.1.3ee", "[ s'hello' { s'version' s'3.1.3' ] ]"},
		{"l4:pingi1234567890123ee", "[ s'ping' 1234567890123 ]"},
		{"l10:disconnect13:login timeoute", "[ s'disconnect' s'login timeout' ]"},
		{"d1:ali1eee", "{ s'a' [ 1 ] ]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_note("%s", rows[i].text);
		CHECK_STR(dump(BENCODE, rows[i].text, strlen(rows[i].text), true, dump_buf),
		          rows[i].dump);
		check_round_trip(BENCODE, rows[i].text, strlen(rows[i].text));
	}
	test_note("%s", "u");
	CHECK_STR(dump(BENCODE, "u2:\xc3\xa9", 5, true, dump_buf), "t'\\c3\\a9'");
}

TEST(refused)
{
	static const char *const both[] = {
		"",
		"2d",
		"2e",
		"2f",
		"3a",
		"7f",
		"c1",
		"c17f",
		"677f",
		"6700",
		"67007f",
		"3b",
		"3b00",
		"3c007f",
		"3c00",
		"3c0102037f",
		"3e",
		"3f00",
		"400000",
		"4100000000000000",
		"42000000",
		"2c00000000000000",
		"31",
		"313a",
		"3161",
		"323a61",
		"39393a61",
		"8261",
		"3d7f",
		"3d2d7f",
		"3d2b317f",
		"3d31",
		"3d",
		"3d31327a7f",
		"3d30317f",
		"3d2d307f",
		"39393939393939393939393939393939393939393a61",
		"36",
		"c2c1",
	};
	static const char *const plus[] = {
		"81ff",         "82c080",     "82c1bf",     "83e08080", "83eda080",
		"83edbfbf",     "84f0808080", "84f4908080", "81c3",     "82c3c3",
		"85f888808080", "8180",       "313aff",     "83e28228", "84f7bfbfbf",
	};
	static const char *const bencode[] = {
		"",
		"i",
		"ie",
		"i-e",
		"i-0e",
		"i03e",
		"i-03e",
		"i+1e",
		"i1",
		"i 1e",
		"i1.0e",
		"1",
		"1:",
		":",
		"03:abc",
		"00:",
		"2:a",
		"1/a",
		"u",
		"u1",
		"u1:",
		"u1:\xff",
		"u01:a",
		"ua",
		"l",
		"li1e",
		"d",
		"d1:ae",
		"d1:a",
		"e",
		"x",
		"i1ei2e",
		"lee",
		"0:0:",
		"-1:a",
		"i9999999999999999999999999999999999999999999999999999999999999999e",
		"99999999999999999999999:a",
	};
	uint8_t data[64];
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		test_note("%s", both[i]);
		n = test_unhex(both[i], data, sizeof(data));
		CHECK_EQ(property_read(PLUS, data, n), -EBADMSG);
		CHECK_EQ(property_read(CLASSIC, data, n), -EBADMSG);
	}
	for (size_t i = 0; i < ARRAY_SIZE(plus); i++) {
		test_note("%s", plus[i]);
		n = test_unhex(plus[i], data, sizeof(data));
		CHECK_EQ(property_read(PLUS, data, n), -EBADMSG);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bencode); i++) {
		test_note("%s", bencode[i]);
		CHECK_EQ(property_read(BENCODE, (const uint8_t *)bencode[i], strlen(bencode[i])),
		         -EBADMSG);
	}
}
