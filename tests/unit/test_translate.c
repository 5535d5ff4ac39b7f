/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/translate.c: packets between peers that share no encoder.
 */
#include "tests/unit/token_dump.h"

#include <errno.h>

#include "relay/translate.h"
#include "tests/unit/packet_text.h"

static uint8_t in[65536], out[262144];
static size_t out_len;

static struct translation to_new = {.from = CLASSIC, .to = PLUS, .to_server = true, .to_major = 6};
static struct translation to_old = {.from = PLUS, .to = CLASSIC, .to_major = 3};

static int translate_bytes(const uint8_t *data, size_t len, const struct translation *t,
                           size_t size)
{
	uint8_t *copy = malloc(len ? len : 1), *made = malloc(size ? size : 1);
	struct header h;
	int r;

	memcpy(copy, data, len);
	out_len = 99;
	r = translate_packet(copy, len, t, made, size, &out_len);
	free(copy);
	if (r == 0) {
		CHECK(out_len <= size && out_len <= sizeof(out));
		memcpy(out, made, out_len);
	}
	free(made);
	if (r < 0 || out_len == 0)
		return r;
	CHECK_EQ(header_parse(out, out_len, &h, NULL), 0);
	CHECK_EQ(h.flags, t->to | t->flags);
	CHECK_EQ(h.size, out_len - HEADER_LEN);
	CHECK(dump(t->to, out + HEADER_LEN, h.size, true, dump_buf));
	return r;
}

/* The translated packet as dump() shows it; "" if there is none. */
static const char *translated(const char *text, const struct translation *t)
{
	test_note("%.190s", text);
	CHECK_EQ(translate_bytes(in, packet_text(t->from, text, in, sizeof(in)), t, sizeof(out)),
	         0);
	return out_len == 0 ? "" : dump_buf;
}

TEST(binary_items)
{
	static const struct {
		const char *name;
		unsigned item;
	} binary[] = {
		{"draw", 7},
		{"cursor", 9},
		{"cursor", 8},
		{"window-icon", 5},
		{"sound-data", 2},
		{"send-file", 6},
		{"send-file-chunk", 3},
		{"print", 2},
		{"screenshot", 5},
		{"webcam-frame", 6},
		{"clipboard-contents", 6},
		{"clipboard-token", 7},
		{"challenge", 1},
	};
	char text[200], want[200];

	for (size_t i = 0; i < ARRAY_SIZE(binary); i++)
		for (unsigned item = 1; item < 12; item++) {
			size_t n = (size_t)snprintf(text, sizeof(text), "['%s'", binary[i].name);
			bool is =
				item == binary[i].item ||
				(strcmp(binary[i].name, "cursor") == 0 && (item == 8 || item == 9));

			for (unsigned k = 1; k < item; k++)
				n += (size_t)snprintf(text + n, sizeof(text) - n, ", %u", k);
			snprintf(text + n, sizeof(text) - n, ", 'abc', 'x']");
			snprintf(want, sizeof(want), " %s'abc'", is ? "b" : "t");
			CHECK(strstr(translated(text, &to_new), want));
		}
}

TEST(draw)
{
	CHECK_STR(translated("['draw', 1, 0, 0, 2, 2, 'png', b'abc', 5, 0, {'rgb_format': 'RGB'}]",
	                     &to_new),
	          " [ t'draw' 1 0 0 2 2 t'png' b'abc' 5 0 { t'rgb_format' t'RGB' ] ]");
	CHECK_STR(translated("['draw', 1, 0, 0, 2, 2, 'png', '', 5]",
	                     &to_new), /* its data came as a chunk */
	          " [ t'draw' 1 0 0 2 2 t'png' b'' 5 ]");
	CHECK_STR(translated("['draw', 1, 0, 0, 2, 2, 'scroll', [[1, 'a']], 5]", &to_new),
	          " [ t'draw' 1 0 0 2 2 t'scroll' [ [ 1 t'a' ] ] 5 ]");
	CHECK_STR(translated("['draw', 1, 0, 0, 2, 2, 'png', b'\\xff\\x00', 5]", &to_old),
	          " [ s'draw' 1 0 0 2 2 s'png' s'\\ff\\00' 5 ]");
	CHECK_STR(translated("['draw', 1, 0, 0, 2, 2, 'png', 'abc', 5]", &to_old),
	          " [ s'draw' 1 0 0 2 2 s'png' s'abc' 5 ]");
}

TEST(plain_items)
{
	CHECK_STR(translated("['focus', 1, ['shift'], 'caf\\xc3\\xa9', b'\\xff']", &to_new),
	          " [ t'focus' 1 [ t'shift' ] t'caf\\c3\\a9' b'\\ff' ]");
	CHECK_STR(translated("['x']", &to_new), " [ t'x' ]");
	/* The newest servers refuse none and floats at the top, and only there. */
	CHECK_STR(translated("['x', none, 1.5, -2.75, [none, 1.5], {'a': none}, true]", &to_new),
	          " [ t'x' t'' 1 -2 [ none 1.50000 ] { t'a' none ] true ]");
	CHECK_STR(translated("['x', 10000000000000000000.0, -10000000000000000000.0]", &to_new),
	          " [ t'x' 0 0 ]");
}

/* A 6.5 client sends its key codes here and not in its hello; 3.1.3 wants them flat. */
TEST(keymap)
{
	CHECK_STR(translated("['keymap-changed', {'keymap': {'layout': 'us', 'keycodes': [1], "
	                     "'sync': true}, 'x': 1}, 2]",
	                     &to_old),
	          " [ s'keymap-changed' { s'xkbmap_layout' s'us' s'xkbmap_keycodes' [ 1 ] "
	          "s'keyboard_sync' true s'x' 1 ] 2 ]");
	CHECK_STR(translated("['keymap-changed', {'xkbmap_layout': 'us', 'x': 1}]", &to_new),
	          " [ t'keymap-changed' { t'xkbmap_layout' t'us' t'x' 1 t'keymap' { t'layout' "
	          "t'us' ] ] ]");
}

TEST(not_finite)
{
	/* rencode's float32: infinity and not a number */
	static const uint8_t odd[] = {0xc3, 0x81, 'x', 66, 0x7f, 0x80, 0, 0, 66, 0x7f, 0xc0, 0, 0};

	CHECK_EQ(translate_bytes(odd, sizeof(odd), &to_new, sizeof(out)), 0);
	CHECK_STR(dump_buf, " [ t'x' 0 0 ]");
}

TEST(renames)
{
	static const char *const pairs[][2] = {
		{"file-send", "send-file"},
		{"file-send-chunk", "send-file-chunk"},
		{"file-ack-chunk", "ack-file-chunk"},
		{"file-data-request", "send-data-request"},
		{"file-data-response", "send-data-response"},
		{"file-request", "request-file"},
		{"file-open-url", "open-url"},
		{"print-file", "print"},
		{"printer-file", "print"},
		{"connection-close", "disconnect"},
		{"ping-echo", "ping_echo"},
		{"window-draw", "draw"},
		{"window-draw-ack", "damage-sequence"},
		{"window-destroy", "lost-window"},
		{"audio-data", "sound-data"},
		{"logging-event", "logging"},
		{"draw", "draw"},
		{"anything", "anything"},
	};
	struct translation unknown = to_old;
	char text[100], want[100];

	unknown.to_major = 0;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		snprintf(text, sizeof(text), "['%s', 1]", pairs[i][0]);
		snprintf(want, sizeof(want), " [ s'%s' 1 ]", pairs[i][1]);
		CHECK_STR(translated(text, &to_old), want);
		CHECK_STR(translated(text, &unknown), want);
		/* but not for those who know them */
		snprintf(want, sizeof(want), " [ t'%s' 1 ]", pairs[i][0]);
		CHECK_STR(translated(text, &to_new), want);
	}
}

/* A renamed packet's binary items are those of its old name. */
TEST(renamed_binary)
{
	struct translation t = {.from = CLASSIC, .to = PLUS, .to_major = 5};

	CHECK_STR(translated("['file-send-chunk', 1, 2, 'data', 'x']", &t),
	          " [ t'send-file-chunk' 1 2 b'data' t'x' ]");
}

TEST(unknown_to_old)
{
	CHECK_STR(translated("['encodings', {'encodings': {}}]", &to_old), "");
	CHECK_STR(translated("['encoding-set', {}]", &to_old), "");
	CHECK_STR(translated("['ssl-upgrade', {}]", &to_old), "");
	CHECK_STR(translated("['encodings', {'a': 1}]", &to_new), " [ t'encodings' { t'a' 1 ] ]");
}

TEST(flags)
{
	struct translation t = to_old;

	t.flags = HEADER_FLUSH;
	CHECK_STR(translated("['x', 1]", &t), " [ s'x' 1 ]"); /* the header is checked there */
}

TEST(malformed)
{
	static const char *const bad[] = {"{'x': 1}", "'x'",     "5",          "[]",
	                                  "[1, 2]",   "[['x']]", "['a\\x0ab']"};
	char text[200];
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		test_note("%s", bad[i]);
		CHECK_EQ(translate_bytes(in, packet_text(PLUS, bad[i], in, sizeof(in)), &to_old,
		                         sizeof(out)),
		         -EBADMSG);
		CHECK_EQ(translate_challenge(in, packet_text(PLUS, bad[i], in, sizeof(in)), PLUS,
		                             PLUS, NULL, 0, out, sizeof(out), &out_len) < 0,
		         i < 4);
	}
	snprintf(text, sizeof(text), "['%065d']", 1);
	CHECK_EQ(translate_bytes(in, packet_text(PLUS, text, in, sizeof(in)), &to_old, sizeof(out)),
	         -EBADMSG);
	snprintf(text, sizeof(text), "['%064d']", 1);
	CHECK_EQ(translate_bytes(in, packet_text(PLUS, text, in, sizeof(in)), &to_old, sizeof(out)),
	         0);
	len = packet_text(PLUS, "['x', 'abc', [1, {'a': 'b'}], none, 2]", in, sizeof(in));
	for (size_t n = 0; n < len; n++)
		CHECK_EQ(translate_bytes(in, n, &to_old, sizeof(out)), -EBADMSG);
	CHECK_EQ(translate_bytes(in, len, &to_old, sizeof(out)), 0);
	for (size_t size = out_len; size-- > 0;)
		CHECK_EQ(translate_bytes(in, len, &to_old, size), -ENOBUFS);
}

static const char *challenge(const char *text, enum encoder from, enum encoder to)
{
	size_t len = packet_text(from, text, in, sizeof(in));

	test_note("%.190s", text);
	CHECK_EQ(translate_challenge(in, len, from, to, NULL, 0, out, sizeof(out), &out_len), 0);
	return dump(to, out + HEADER_LEN, out_len - HEADER_LEN, true, dump_buf);
}

TEST(challenge)
{
	static const char text[] = "['challenge', 'salt', {'encryption': {'iv': 'x'}}, "
				   "'hmac+sha512', 'xor', 'prompt']";

	CHECK_STR(challenge(text, PLUS, PLUS),
	          "[ t'challenge' t'salt' 0{ ] t'hmac+sha512' t'xor' t'prompt' ]");
	CHECK_STR(challenge(text, PLUS, CLASSIC),
	          "[ s'challenge' s'salt' s'' s'hmac+sha512' s'xor' s'prompt' ]");
	CHECK_STR(challenge(text, CLASSIC, PLUS),
	          "[ t'challenge' b'salt' 0{ ] t'hmac+sha512' t'xor' t'prompt' ]");
	CHECK_STR(challenge("['challenge', b'\\xff', '', none]", BENCODE, PLUS),
	          "[ t'challenge' b'\\ff' 0{ ] t'' ]");
	CHECK_STR(challenge("['challenge']", BENCODE, BENCODE), "[ s'challenge' ]");
}

TEST(golden_challenge)
{
	size_t len;
	uint8_t *data = test_load("tests/data/rencode-challenge-3.1.bin", &len);

	CHECK_EQ(translate_challenge(data, len, CLASSIC, PLUS, NULL, 0, out, sizeof(out), &out_len),
	         0);
	CHECK(dump(PLUS, out + HEADER_LEN, out_len - HEADER_LEN, true, dump_buf));
	CHECK(strstr(dump_buf, "{ ] t'hmac+sha512' t'hmac+sha512' t'password' ]"));
	for (size_t n = 0; n < len; n++) {
		uint8_t *cut = malloc(n + 1);

		memcpy(cut, data, n);
		CHECK_EQ(translate_challenge(cut, n, CLASSIC, PLUS, NULL, 0, out, sizeof(out),
		                             &out_len),
		         -EBADMSG);
		free(cut);
	}
	CHECK_EQ(translate_challenge(data, len, CLASSIC, PLUS, NULL, 0, out, 20, &out_len),
	         -ENOBUFS);
	free(data);
}

static const enum encoder encoders[] = {PLUS, CLASSIC, BENCODE};

static void check_mutant(const uint8_t *data, size_t len)
{
	static unsigned variant;
	struct translation t = {.to = encoders[variant % 3], .to_major = variant / 3 % 2 ? 6 : 3};

	variant++;
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		t.from = encoders[i];
		(void)translate_bytes(data, len, &t, 8 * len + 200);
		if (translate_challenge(data, len, t.from, t.to, NULL, 0, out, 8 * len + 200,
		                        &out_len) == 0)
			CHECK(out_len <= 8 * len + 200);
	}
}

TEST(mutations)
{
	static const char *const files[] = {
		"tests/data/rencode-draw-3.1.bin",
		"tests/data/rencodeplus-draw-6.5.bin",
		"tests/data/rencodeplus-challenge-6.5.bin",
		"tests/data/rencodeplus-new-window-6.5.bin",
		"tests/data/bencode-damage-sequence-5.0.bin",
		"tests/data/bencode-logging-3.1.bin",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		size_t len;
		uint8_t *data = test_load(files[i], &len);

		test_mutate_every(1 + len / 120, data, len, check_mutant);
		free(data);
	}
}
