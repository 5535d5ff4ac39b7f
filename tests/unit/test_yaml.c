/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Packets in yaml: what PyYAML writes is read, what we write is read, everything else is refused.
 */
#include "tests/unit/token_dump.h"

#include "tests/unit/yaml_property.h"

#include <ctype.h>

static uint8_t plus[200000];

static int unfold(const char *yaml, size_t *ret_len)
{
	size_t len = strlen(yaml);
	uint8_t *exact = malloc(len ? len : 1);
	int k;

	memcpy(exact, yaml, len);
	k = yaml_unfold(exact, len, plus, sizeof(plus), ret_len);
	free(exact);
	return k;
}

static const char *read_yaml(const char *yaml)
{
	size_t len;
	int k = unfold(yaml, &len);

	test_note("%s", yaml);
	CHECK_EQ(k, 0);
	return dump(PLUS, plus, len, true, dump_buf);
}

TEST(block_style)
{
	static const struct {
		const char *yaml, *want;
	} rows[] = {
		{"- hello\n- version: '6.6'\n", "[ t'hello' { t'version' t'6.6' ] ]"},
		{"- ping\n- 7880658", "[ t'ping' 7880658 ]"},
		{"- a\n- - b\n  - - c\n    - d\n- e\n", "[ t'a' [ t'b' [ t'c' t'd' ] ] t'e' ]"},
		/* a list may be as far left as the dict it is in */
		{"- x:\n  - 1\n  - 2\n  y:\n    z: 3\n", "[ { t'x' [ 1 2 ] t'y' { t'z' 3 ] ] ]"},
		{"- x:\n    - 1\n  y: 2\n", "[ { t'x' [ 1 ] t'y' 2 ] ]"},
		{"- x:\n    y:\n      z: 1\n- 2\n", "[ { t'x' { t'y' { t'z' 1 ] ] ] 2 ]"},
		{"- ? ''\n  : true\n  a: 1\n", "[ { t'' true t'a' 1 ] ]"},
		{"- ? ''\n  : - h264\n    - vp9\n", "[ { t'' [ t'h264' t'vp9' ] ] ]"},
		{"- ? - 1\n    - 2\n  : b\n", "[ { [ 1 2 ] t'b' ] ]"},
		{"- ? !!python/tuple\n    - 1\n  : b\n", "[ { [ 1 ] t'b' ] ]"},
		{"- 0: 1\n  true: null\n", "[ { 0 1 true none ] ]"},
		{"- a: []\n  b: {}\n- []\n", "[ { t'a' [ ] t'b' { ] ] [ ] ]"},
		{"!!python/tuple\n- a\n- !!python/tuple\n  - b\n- !!python/tuple []\n",
	         "[ t'a' [ t'b' ] [ ] ]"},
		{"- a:   \n    b: c   \n", "[ { t'a' { t'b' t'c' ] ] ]"},
		{"a: b\n", "{ t'a' t'b' ]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_STR(read_yaml(rows[i].yaml), rows[i].want);
}

TEST(flow_style)
{
	static const struct {
		const char *yaml, *want;
	} rows[] = {
		{"[hello, {version: '6.6', a: [1, 2]}]\n",
	         "[ t'hello' { t'version' t'6.6' t'a' [ 1 2 ] ] ]"},
		{"[x, {? [1, 2] : 3, ? ''\n  : 4}]\n", "[ t'x' { [ 1 2 ] 3 t'' 4 ] ]"},
		{"- {b: 3, s: 'x y\n    z'}\n- 1\n", "[ { t'b' 3 t's' t'x y z' ] 1 ]"},
		{"[a b\n  c ,\n\n d\n ]", "[ t'a b c' t'd' ]"},
		{"[-1, a:b, -x, ?y, :z]", "[ -1 t'a:b' t'-x' t'?y' t':z' ]"},
		{"[[], {}, [[]], !!python/tuple [], !!python/tuple [1]]",
	         "[ [ ] { ] [ [ ] ] [ ] [ 1 ] ]"},
		{"[&id001 [1], *id001, {a: *id001}]", "[ [ 1 ] [ 1 ] { t'a' [ 1 ] ] ]"},
		{"[!!binary \"AQI=\", !!binary AQI=]", "[ b'\\01\\02' b'\\01\\02' ]"},
		{"{a : 1}", "{ t'a' 1 ]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_STR(read_yaml(rows[i].yaml), rows[i].want);
}

TEST(scalars)
{
	static const struct {
		const char *yaml, *want;
	} rows[] = {
		{"null", "none"},
		{"true", "true"},
		{"false", "false"},
		{"0", "0"},
		{"-12", "-12"},
		{"340282366920938463463374607431768211455",
	         "340282366920938463463374607431768211455"},
		{"9223372036854775807", "9223372036854775807"},
		{"1.5", "1.50000"},
		{"-0.25", "-0.250000"},
		{"3.", "3.00000"},
		{"1.0e+22", "1.00000e+22"},
		{"1.0e-07", "1.00000e-07"},
		{".inf", "inf"},
		{"-.inf", "-inf"},
		{".nan", "nan"},
		/* Text, to PyYAML or as it would never write anything else. */
		{"08", "t'08'"},
		{"-", NULL},
		{"1e5", "t'1e5'"},
		{"1.0e5", "t'1.0e5'"},
		{"1.0e", "t'1.0e'"},
		{"1.0x", "t'1.0x'"},
		{"1.0.9", "t'1.0.9'"},
		{"1.0e+x", "t'1.0e+x'"},
		{"64bit", "t'64bit'"},
		{"+1", "t'+1'"},
		{"0x10", "t'0x10'"},
		{".5", "t'.5'"},
		{"~", "t'~'"},
		{"yes", "t'yes'"},
		{"nulls", "t'nulls'"},
		{":970.0", "t':970.0'"},
		{"--daemon=no", "t'--daemon=no'"},
		{"a:b#c,d [e]", "t'a:b#c,d [e]'"},
		{"a - b ? c", "t'a - b ? c'"},
		{"two   words", "t'two   words'"},
		{"folded\n  here\n   twice", "t'folded here twice'"},
		{"\xc3\xa9", "t'\\c3\\a9'"},
		{"''", "t''"},
		{"'it''s'", "t'it's'"},
		{"''''''", "t''''"},
		{"'a\n\n  b'", "t'a\\0ab'"},
		{"' a\n  b\n\n\n  c '", "t' a b\\0a\\0ac '"},
		{"'a  b'", "t'a  b'"},
		{"\"a  b\\n\"", "t'a  b\\0a'"},
		{"\"a\\\n  \\ b\\\n  c\"", "t'a bc'"},
		{"\"\\0\\a\\b\\t\\n\\v\\f\\r\\e\\ \\\"\\\\\"",
	         "t'\\00\\07\\08\\09\\0a\\0b\\0c\\0d\\1b \"\\'"},
		{"\"\\N\\_\\L\\P\"", "t'\\c2\\85\\c2\\a0\\e2\\80\\a8\\e2\\80\\a9'"},
		{"\"\\xE9\\u20AC\\U0001F600\\x41\"", "t'\\c3\\a9\\e2\\82\\ac\\f0\\9f\\98\\80A'"},
		{"!!binary |\n  AQID\n  BA==", "b'\\01\\02\\03\\04'"},
		{"!!binary \"\"", "b''"},
		{"!!binary 'AQID\n\n  BAU='", "b'\\01\\02\\03\\04\\05'"},
		{"!!binary\n  AQID", "b'\\01\\02\\03'"},
	};
	char yaml[300], want[300];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(yaml, sizeof(yaml), "- %s\n- x\n", rows[i].yaml);
		snprintf(want, sizeof(want), "[ %s t'x' ]", rows[i].want ? rows[i].want : "");
		if (rows[i].want)
			CHECK_STR(read_yaml(yaml), want);
		else
			CHECK_EQ(unfold(yaml, &(size_t){0}), -EBADMSG);
	}
}

TEST(malformed)
{
	static const char *const rows[] = {
		"",
		"a\n",
		"'a'",
		"\n",
		" ",
		"-",
		"- ",
		"-\n",
		"- a\n-\n- b\n",
		"- a\n\n- b\n",
		"- a\n- b\n\n",
		"# comment\n- a\n",
		"- a #comment\n",
		"- a\n  #comment\n",
		"--- \n- a\n",
		"%YAML 1.1\n",
		"- a\n b\n- c: d\n   e\n f\n",
		"- a\n- b\n c: d\n",
		"- a: b: c\n",
		"- a: - b\n",
		"- a:\n",
		"- a:\n  b:\n",
		"- a:\n- b\n",
		"- a: 1\n    b: 2\n",
		"- a: 1\n b: 2\n",
		" - a\n- b\n",
		"- a\n  - b\n  c\n- : x\n",
		"- ? a\n",
		"- ? a\n  b: c\n",
		"- ? a\n  ? b\n",
		"- ? a\n  : b\n  : c\n",
		"- ?\n",
		"- a: 1\n  b\n",
		"- a: 1\n  b\n   c: 2\n",
		"- a: 1\n  - b\n",
		"- 'a\n  b': 1\n",
		"- 'a'b\n",
		"- 'a",
		"- \"a",
		"- \"\\",
		"- \"\\q\"",
		"- \"\\x4\"",
		"- \"\\x4g\"",
		"- \"\\xe9\"",
		"- \"\\uD800\"",
		"- \"\\U00110000\"",
		"- \"\\\n\n a\"",
		"- \ta\n",
		"- a\tb\n",
		"- 'a\tb'\n",
		"- a\x01\n",
		"- 'a\x7f'\n",
		"- a\r\n",
		"- \xff\n",
		"- '\xc3'\n",
		"- @a\n",
		"- `a\n",
		"- %a\n",
		"- |\n  a\n",
		"- >\n  a\n",
		"- !!binary |-\n  AQID\n",
		"- !!binary >\n  AQID\n",
		"- !!binary |AQID\n",
		"- !!binary AQI\n",
		"- !!binary A===\n",
		"- !!binary AQ=D\n",
		"- !!binary AQI=AQID\n",
		"- !!binary AQ-D\n",
		"- !!binary \"A\\0AA\"\n",
		"- !!binary []\n",
		"- !!binary\n  - a\n",
		"- !!binary\n  a: b\n",
		"- !!python/tuple a\n",
		"- !!python/tuple {}\n",
		"- !!python/tuple\n  a: b\n",
		"- !!python/tuplex []\n",
		"- !!python/tuple[]\n",
		"- !!python/object/apply:os.system\n  - id\n",
		"- !!str a\n",
		"- !a b\n",
		"- ! a\n",
		"- &a b\n",
		"- &id b\n",
		"- &id0 a\n",
		"- &id001\n",
		"- &id001x a\n",
		"- *id001\n",
		"- *id\n",
		"- *\n",
		"- &id001\n  - *id001\n",
		"- &id001 [*id001]\n",
		"- &id001 *id001\n",
		"- &id001 []\n- !!python/tuple *id001\n",
		"- &id001 a: b\n",
		"- &id001 - b\n",
		"- *id001: a\n",
		"- []: a\n",
		"- [] a\n",
		"[a",
		"[a,",
		"[a,]",
		"[,]",
		"[a b: c]",
		"[a: b]",
		"[a]]",
		"[a}",
		"{a}",
		"{a: }",
		"{a: b, }",
		"{a: b: c}",
		"{a: b",
		"{a",
		"{a:",
		"{? a}",
		"{: a}",
		"{a,b}",
		"{a: b]",
		"[- a]",
		"[|\n a]",
		"[a #b]",
		"[a]\n- b\n",
		"a\nb: c\n",
		"- a\nb: c\n",
		"a: b\n- c\n",
		"- [a\n",
		"- 1234567890123456789012345678901234567890123456789012345678901234\n",
		"- 1.000000000000000000000000000000000000000000000000000000000000000000\n",
	};
	size_t len = 99;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_note("row %zu: %s", i, rows[i]);
		CHECK_EQ(unfold(rows[i], &len), -EBADMSG);
		CHECK_EQ(len, 99);
	}
}

TEST(anchors)
{
	CHECK_STR(read_yaml("- &id001\n  - a\n- b: *id001\n  c: &id002\n    ? ''\n    : *id001\n- "
	                    "*id002\n"),
	          "[ [ t'a' ] { t'b' [ t'a' ] t'c' { t'' [ t'a' ] ] ] { t'' [ t'a' ] ] ]");
	CHECK_STR(read_yaml("- &id007 !!python/tuple\n  - &id1023 x\n- *id1023\n- *id007\n"),
	          "[ [ t'x' ] t'x' [ t'x' ] ]");
	CHECK_STR(read_yaml("- &id001 []\n- ? *id001\n  : *id001\n"), "[ [ ] { [ ] [ ] ] ]");
	CHECK_EQ(unfold("- &id1024 a\n", &(size_t){0}), -EMSGSIZE);
	CHECK_EQ(unfold("- *id99999999999999999999\n", &(size_t){0}), -EMSGSIZE);
}

/* Each line is ten times the one before. */
TEST(bombs)
{
	char yaml[4000], *at = yaml;
	size_t len;

	at += sprintf(at, "- &id001 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 2; i < 12; i++) {
		at += sprintf(at, "- &id%03d [", i);
		for (int j = 0; j < 10; j++)
			at += sprintf(at, "%s*id%03d", j ? ", " : "", i - 1);
		at += sprintf(at, "]\n");
	}
	CHECK_EQ(unfold(yaml, &len), -EMSGSIZE);
	/* And deep instead of long. */
	at = yaml;
	at += sprintf(at, "- &id001 [[[[[[[[[[x]]]]]]]]]]\n");
	for (int i = 2; i < 9; i++)
		at += sprintf(at, "- &id%03d [[[[[[[[[[*id%03d]]]]]]]]]]\n", i, i - 1);
	CHECK_EQ(unfold(yaml, &len), -EMSGSIZE);
}

TEST(depth)
{
	char yaml[300];
	size_t len;

	for (unsigned n = 60; n < 70; n++) {
		memset(yaml, '[', n);
		memset(yaml + n, ']', n);
		yaml[2 * n] = '\0';
		test_note("%u", n);
		CHECK_EQ(unfold(yaml, &len), n <= TOKEN_DEPTH_MAX ? 0 : -EMSGSIZE);
		for (unsigned i = 0; i < n; i++)
			memcpy(yaml + 2 * i, "- ", 2);
		memcpy(yaml + 2 * n, "x\n", 3);
		CHECK_EQ(unfold(yaml, &len), n <= TOKEN_DEPTH_MAX ? 0 : -EMSGSIZE);
	}
}

TEST(names)
{
	static const struct {
		const char *yaml, *want;
	} rows[] = {
		{"- ping_echo\n- 1\n", "ping_echo"},
		{"- startup-complete\n", "startup-complete"},
		{"!!python/tuple\n- hello\n", "hello"},
		{"[\"draw\", 1]", "draw"},
		{"- hello", NULL},
		{"- 'hello'\n", NULL},
		{"-  hello\n", NULL},
		{"- hello \n", NULL},
		{"- hello: x\n", NULL},
		{"- \n", NULL},
		{"[hello]", NULL},
		{"[\"hel\\x6co\"]", NULL},
		{"[\"hello", NULL},
		{"-", NULL},
		{"", NULL},
		{"- HELLO\n", NULL},
		{"- 12\n", NULL},
	};
	const uint8_t *name;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int k = yaml_name((const uint8_t *)rows[i].yaml, strlen(rows[i].yaml), &name, &len);

		test_note("%s", rows[i].yaml);
		CHECK_EQ(k, rows[i].want ? 0 : -EBADMSG);
		if (k == 0)
			CHECK_MEM(name, len, rows[i].want, strlen(rows[i].want));
	}
}

static const char *written(const struct token *t)
{
	struct token_writer w;

	token_writer_init(&w, ENCODER_YAML, out_buf, sizeof(out_buf));
	CHECK_EQ(token_write(&w, t), 0);
	CHECK(w.len < sizeof(dump_buf));
	memcpy(dump_buf, out_buf, w.len);
	dump_buf[w.len] = '\0';
	return dump_buf;
}

static const char *written_string(enum token_type type, const char *data)
{
	return written(
		&(struct token){.type = type, .data = (const uint8_t *)data, .len = strlen(data)});
}

TEST(written)
{
	static const struct {
		double value;
		const char *want;
	} floats[] = {{1.5, "1.5"},
	              {1, "1.0"},
	              {1e22, "1.0e+22"},
	              {-2.5e-7, "-2.4999999999999999e-07"},
	              {__builtin_inf(), ".inf"},
	              {-__builtin_inf(), "-.inf"},
	              {__builtin_nan(""), ".nan"}};

	for (size_t i = 0; i < ARRAY_SIZE(floats); i++)
		CHECK_STR(written(&(struct token){.type = TOKEN_FLOAT, .real = floats[i].value}),
		          floats[i].want);
	CHECK_STR(written(&(struct token){.type = TOKEN_NONE}), "null");
	CHECK_STR(written(&(struct token){.type = TOKEN_BOOL}), "false");
	CHECK_STR(written(&(struct token){.type = TOKEN_INT, .integer = -7}), "-7");
	CHECK_STR(written_string(TOKEN_BIGINT, "99999999999999999999"), "99999999999999999999");
	CHECK_STR(written_string(TOKEN_TEXT, "it's: \"a\\b\"\n\x7f"),
	          "\"it's: \\\"a\\\\b\\\"\\x0A\\x7F\"");
	CHECK_STR(written_string(TOKEN_STRING, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
	          "\"\\xE9 \\u20AC \\U0001F600\"");
	CHECK_STR(written_string(TOKEN_STRING, "\xff"), "!!binary \"/w==\"");
	CHECK_STR(written_string(TOKEN_BYTES, "abc"), "!!binary \"YWJj\"");
	CHECK_STR(written_string(TOKEN_BYTES, "ab"), "!!binary \"YWI=\"");
	CHECK_STR(written_string(TOKEN_TEXT, ""), "\"\"");
}

TEST(written_packet)
{
	struct token_writer w;
	char key[200];

	memset(key, 'k', sizeof(key));
	token_writer_init(&w, ENCODER_YAML, out_buf, sizeof(out_buf));
	token_write_list(&w, TOKEN_COUNT_UNKNOWN);
	token_write_text(&w, "hello");
	token_write_dict(&w, 3);
	token_write_text(&w, "a");
	token_write_list(&w, 0);
	token_write_end(&w);
	token_write_list(&w, 1);
	token_write_int(&w, 1);
	token_write_end(&w);
	token_write_dict(&w, 0);
	token_write_end(&w);
	token_write_text_n(&w, key, 101);
	token_write_bool(&w, true);
	token_write_end(&w);
	token_write_int(&w, 2);
	CHECK_EQ(token_write_end(&w), 0);
	key[101] = '\0';
	snprintf(dump_buf, sizeof(dump_buf),
	         "[\"hello\", {\"a\": [], ? [1]: {}, ? \"%s\": true}, 2]", key);
	CHECK_MEM(w.data, w.len, dump_buf, strlen(dump_buf));
	yaml_property_check(w.data, w.len);
	CHECK_EQ(token_write(&w, &(struct token){.type = (enum token_type)99}), -EINVAL);
}

static const char *const goldens[] = {"yaml-hello-client-5.0", "yaml-hello-client-6.5",
                                      "yaml-draw-6.5", "yaml-new-window-6.5", "yaml-ping-echo-6.5"};

static uint8_t *load(const char *name, size_t *ret_len)
{
	char path[100];

	snprintf(path, sizeof(path), "tests/data/%s.bin", name);
	test_note("%s", name);
	return test_load(path, ret_len);
}

TEST(recorded)
{
	uint8_t *data;
	size_t len, n;

	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		data = load(goldens[i], &len);
		CHECK_EQ(yaml_unfold(data, len, plus, sizeof(plus), &n), 0);
		yaml_property_check(data, len);
		free(data);
	}
	data = load("yaml-ping-echo-6.5", &len);
	CHECK_EQ(yaml_unfold(data, len, plus, sizeof(plus), &n), 0);
	CHECK_STR(dump(PLUS, plus, n, true, dump_buf), "[ t'ping_echo' 7879658 0 0 0 -1 t'' ]");
	free(data);
	data = load("yaml-draw-6.5", &len);
	CHECK_EQ(yaml_unfold(data, len, plus, sizeof(plus), &n), 0);
	CHECK(strstr(dump(PLUS, plus, n, true, dump_buf),
	             " 2 54 36 26 t'rgb24' b'\\a0\\0e\\00\\00\\cf\\ff"));
	CHECK(strstr(dump_buf, "' 2 144 { t'flush' 0 t'lz4' 1 t'rgb_format' t'BGRX' t'window-size' "
	                       "[ 184 108 ] ] ]"));
	free(data);
}

/* What others wrote becomes yaml and comes back: the same text and bytes, from rencodeplus. */
TEST(others_in_yaml)
{
	static const struct {
		enum encoder encoder;
		const char *name;
	} rows[] = {{PLUS, "rencodeplus-hello-client-6.5"}, {PLUS, "rencodeplus-new-window-6.5"},
	            {PLUS, "rencodeplus-draw-6.5"},         {PLUS, "rencodeplus-hello-html5"},
	            {CLASSIC, "rencode-hello-client-3.1"},  {CLASSIC, "rencode-draw-3.1"},
	            {BENCODE, "bencode-hello-client-3.1"}};
	size_t len, n, m;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t *data = load(rows[i].name, &len);

		n = translate(rows[i].encoder, data, len, ENCODER_YAML, out_buf);
		CHECK_EQ(yaml_unfold(out_buf, n, plus, sizeof(plus), &m), 0);
		CHECK_STR(dump(PLUS, plus, m, false, dump_buf),
		          dump(rows[i].encoder, data, len, false, dump_buf2));
		free(data);
	}
}

/* What a line is made of, words and numbers aside: "- a: [a, a]". */
static void shape_of(const char *line, size_t len, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < size - 1; i++) {
		bool alnum = isalnum((unsigned char)line[i]);
		bool inside = n > 0 && ret[n - 1] == 'a';

		if (inside && (alnum || strchr("_-+./", line[i])))
			continue;
		ret[n++] = alnum ? 'a' : line[i];
	}
	ret[n] = '\0';
}

/* Whether what follows may belong to it. */
static bool opens(const char *line, size_t len)
{
	return memmem(line, len, ":\n", 2) || memmem(line, len, "- -", 3) ||
	       memchr(line, '&', len) || memchr(line, '?', len) || memchr(line, '!', len);
}

/* Lines of a shape that has been seen twice are left out, but for the first in what another has
 * opened: a hello of all that is in it, in which every bit can be flipped. */
static size_t shorten(char *text, size_t len)
{
	static char shapes[100][200];
	unsigned seen[ARRAY_SIZE(shapes)] = {0};
	size_t kept = 0;
	bool first = true;

	memset(shapes, 0, sizeof(shapes));
	for (size_t at = 0, n; at < len; at += n) {
		const char *end = memchr(text + at, '\n', len - at);
		bool open;
		char shape[200];
		size_t k = 0;

		n = end ? (size_t)(end - text) - at + 1 : len - at;
		open = opens(text + at, n);
		shape_of(text + at, n, shape, sizeof(shape));
		while (shapes[k][0] && strcmp(shapes[k], shape) != 0)
			CHECK(++k < ARRAY_SIZE(shapes));
		strcpy(shapes[k], shape);
		if (++seen[k] > 2 && !open && !first)
			continue;
		first = open;
		memmove(text + kept, text + at, n);
		kept += n;
	}
	return kept;
}

TEST(prefixes_and_mutations)
{
	static const char small[] =
		"- a: &id001\n  - 'x\n\n    y'\n  - \"\\xE9\\\n    \\ b\"\n  ? - 1\n    - -2.5e+1\n"
		"  : *id001\n- !!binary |\n  AQID\n  BA==\n- [p q, {r: [], ? s : null}]\n- "
		"!!python/tuple\n"
		"  - word\n    more\n";
	size_t len, n;

	CHECK_EQ(unfold(small, &len), 0);
	test_mutate(small, strlen(small), yaml_property_check);
	for (n = 0; n < strlen(small); n++)
		yaml_property_check((const uint8_t *)small, n);
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		uint8_t *data = load(goldens[i], &len);

		for (n = 0; n<len; n += len> 1000 ? 37 : 1)
			yaml_property_check(data, n);
		/* The time goes with the square of the length: every bit of a shorter one. */
		if (len > 1000)
			test_mutate_every(len > 5000 ? 101 : 17, data, len, yaml_property_check);
		len = shorten((char *)data, len);
		CHECK_EQ(yaml_unfold(data, len, plus, sizeof(plus), &n), 0);
		test_mutate(data, len, yaml_property_check);
		free(data);
	}
}
