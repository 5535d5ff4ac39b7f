/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/abilities.c: what clients of every version say of pictures, and their hellos with that
 * hidden.
 */
#include "tests/unit/test.h"

#include <errno.h>

#include "relay/abilities.h"
#include "relay/hello.h"
#include "tests/unit/packet_text.h"

#define PLUS ENCODER_RENCODEPLUS
#define CLASSIC ENCODER_RENCODE
#define BENCODE ENCODER_BENCODE

static const enum encoder encoders[] = {PLUS, CLASSIC, BENCODE};
static const struct {
	const char *path;
	enum encoder encoder;
	uint32_t codings, pixels, h264_csc;
	uint16_t max_w, max_h;
	uint8_t min_quality, min_speed;
	uint32_t refresh;
	bool simple, high, scaling;
} recorded[] = {
	{"tests/data/rencode-hello-desktop-3.1.bin", CLASSIC, 0x3ff, 0x1c, 3, 4096, 4096, 30, 30,
         150, false, true, true},
	{"tests/data/rencodeplus-hello-desktop-5.0.bin", PLUS, 0x3ff, 0x1c, 3, 4096, 4096, 1, 1,
         150, false, true, true},
	{"tests/data/rencodeplus-hello-client-6.5.bin", PLUS, 0x31f, 0x03, 0, 4096, 4096, 1, 1, 150,
         false, false, true},
	{"tests/data/rencodeplus-hello-html5.bin", PLUS, 0x1f, 0x1c, 1, 1024, 768, 10, 50, 500,
         false, true, true},
	{"tests/data/bencode-hello-html5.bin", BENCODE, 0x3f, 0x1c, 1, 1024, 768, 0, 0, 500, true,
         false, true},
};
static uint8_t in[65536], hidden[65536], again[65536];
static size_t hidden_len;

static bool read_bytes(enum encoder encoder, const uint8_t *data, size_t len, struct frame_setup *s)
{
	uint8_t *copy = malloc(len ? len : 1);
	bool takes;

	memcpy(copy, data, len);
	memset(s, 0xee, sizeof(*s));
	takes = abilities_read(copy, len, encoder, s) == ABILITIES_KNOWN;
	free(copy);
	return takes;
}

static bool read_text(enum encoder encoder, const char *text, struct frame_setup *s)
{
	test_note("%s: %.180s", encoder_name(encoder), text);
	return read_bytes(encoder, in, packet_text(encoder, text, in, sizeof(in)), s);
}

TEST(recorded_are_read)
{
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		struct frame_setup s;
		size_t len;
		uint8_t *data = test_load(recorded[i].path, &len);
		bool takes = read_bytes(recorded[i].encoder, data, len, &s);

		free(data);
		test_note("%s", recorded[i].path);
		CHECK(takes && s.lz4);
		CHECK_EQ(s.codings, recorded[i].codings);
		CHECK_EQ(s.pixels, recorded[i].pixels);
		CHECK_EQ(s.csc[CODING_H264], recorded[i].h264_csc);
		CHECK_EQ(s.video_max_w, recorded[i].max_w);
		CHECK_EQ(s.video_max_h, recorded[i].max_h);
		CHECK_EQ(s.h264_simple, recorded[i].simple);
		CHECK_EQ(s.h264_high, recorded[i].high);
		CHECK_EQ(s.scaling, recorded[i].scaling);
		CHECK_EQ(s.wishes.min_quality, recorded[i].min_quality);
		CHECK_EQ(s.wishes.min_speed, recorded[i].min_speed);
		CHECK(s.wishes.auto_refresh);
		CHECK_EQ(s.wishes.refresh_delay_msec, recorded[i].refresh);
		CHECK_EQ(s.wishes.bandwidth_bits, 0);
	}
}

/* ---- hidden, all else as it was ---- */

/* What becomes of a value that is hidden, as packet_text() has it; NULL: it is not. */
static const char *becomes(const char *path)
{
	static const char *const values[][2] = {
		{"encodings", "['rgb', 'rgb24', 'rgb32']"},
		{"encodings.", "['rgb', 'rgb24', 'rgb32']"},
		{"encodings.all", "['rgb', 'rgb24', 'rgb32']"},
		{"encodings.core", "['rgb24', 'rgb32']"},
		{"encoding.core", "['rgb24', 'rgb32']"},
		{"encoding.options", "['rgb24', 'rgb32']"},
		{"encoding", "'auto'"},
		{"encoding.", "'auto'"},
		{"encoding.setting", "'auto'"},
		{"encoding.supports_delta", "[]"},
		{"encoding.delta_buckets", "0"},
		{"encoding.rgb_lz4", "true"},
		{"bandwidth-limit", "0"},
		{"network.bandwidth-limit", "0"},
		{"bandwidth.limit", "0"},
	};
	static const char *const off[] = {"encoding.rgb_zlib",   "encoding.rgb_lzo",
	                                  "encoding.rgb_zstd",   "encoding.rgb_brotli",
	                                  "encoding.rgb24zlib",  "encoding.scrolling",
	                                  "bandwidth-detection", "network.bandwidth-detection",
	                                  "bandwidth.detection", "encoding.proxy.video"};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (strcmp(path, values[i][0]) == 0)
			return values[i][1];
	for (size_t i = 0; i < ARRAY_SIZE(off); i++)
		if (strcmp(path, off[i]) == 0)
			return "false";
	return NULL;
}

static bool is_formats(const char *path)
{
	return strcmp(path, "encoding.rgb_formats") == 0 ||
	       strcmp(path, "encodings.rgb_formats") == 0;
}

static bool is_open(const char *prefix)
{
	return strncmp(prefix, "encoding", 8) == 0 || strncmp(prefix, "bandwidth", 9) == 0 ||
	       strncmp(prefix, "network", 7) == 0;
}

/* Two dictionaries, side by side: the same keys in the same order, and values the same to the byte
 * unless they are hidden. Returns how many are. */
static unsigned compare(struct token_reader *a, struct token_reader *b, const char *prefix)
{
	struct token ka, kb, va, vb;
	uint8_t want[200];
	unsigned n = 0;
	int r;

	while ((r = token_read_pair(a, &ka, &va)) > 0) {
		size_t from_a, from_b, len;
		char path[300];

		CHECK(token_read_pair(b, &kb, &vb) > 0);
		CHECK_EQ(ka.type, kb.type);
		if (token_is_string(&ka)) {
			CHECK_MEM(kb.data, kb.len, ka.data, ka.len);
			snprintf(path, sizeof(path), "%s%s%.*s", prefix, *prefix ? "." : "",
			         (int)ka.len, (const char *)ka.data);
		} else {
			path[0] = '\0';
		}
		test_note("%.180s", path);
		if (va.type == TOKEN_DICT && is_open(path)) {
			CHECK_EQ(vb.type, TOKEN_DICT);
			n += compare(a, b, path);
			continue;
		}
		from_a = a->pos;
		from_b = b->pos;
		CHECK_EQ(token_skip(a, &va), 0);
		CHECK_EQ(token_skip(b, &vb), 0);
		if (becomes(path)) {
			struct token_reader v;
			struct token first;

			len = packet_text(b->encoder, becomes(path), want, sizeof(want));
			token_reader_init(&v, b->encoder, want, len);
			CHECK(token_read(&v, &first) > 0);
			CHECK_EQ(vb.type, first.type);
			CHECK_EQ(vb.boolean, first.boolean);
			CHECK_EQ(vb.integer, first.integer);
			CHECK_MEM(b->data + from_b, b->pos - from_b, want + v.pos, len - v.pos);
			n++;
		} else if (!is_formats(path)) {
			CHECK_EQ(va.type, vb.type);
			CHECK_EQ(va.boolean, vb.boolean);
			CHECK_EQ(va.integer, vb.integer);
			CHECK(memcmp(&va.real, &vb.real, sizeof(va.real)) == 0);
			if (token_is_string(&va))
				CHECK_MEM(vb.data, vb.len, va.data, va.len);
			CHECK_MEM(b->data + from_b, b->pos - from_b, a->data + from_a,
			          a->pos - from_a);
		}
	}
	CHECK_EQ(r, 0);
	CHECK_EQ(token_read_pair(b, &kb, &vb), 0);
	return n;
}

static unsigned check_hidden(enum encoder encoder, const uint8_t *data, size_t len)
{
	struct token_reader a, b;
	struct frame_setup s;
	struct hello h;
	size_t n;

	CHECK_EQ(abilities_hide(data, len, encoder, hidden, sizeof(hidden), &hidden_len), 0);
	CHECK_EQ(hello_parse(hidden, hidden_len, encoder, &h, NULL), 0);
	(void)read_bytes(encoder, hidden, hidden_len, &s);
	CHECK_EQ(s.codings & ~(uint32_t)CODING_BIT(CODING_SCROLL), 3); /* 3.x: not by name */
	CHECK_EQ(abilities_hide(hidden, hidden_len, encoder, again, sizeof(again), &n), 0);
	CHECK_MEM(again, n, hidden, hidden_len);
	for (size_t size = 0; size < hidden_len; size += 1 + size / 50)
		CHECK_EQ(abilities_hide(data, len, encoder, again, size, &n), -ENOBUFS);
	CHECK_EQ(hello_open(&a, encoder, data, len), 0);
	CHECK_EQ(hello_open(&b, encoder, hidden, hidden_len), 0);
	return compare(&a, &b, "");
}

TEST(recorded_are_hidden)
{
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		size_t len;
		uint8_t *data = test_load(recorded[i].path, &len);
		unsigned n = check_hidden(recorded[i].encoder, data, len);

		free(data);
		CHECK(n >= 2);
	}
}

static const char everything[] =
	"['hello', {'version': '6.5', 'quality': 3, 'encodings': ['h264', 'rgb24', 'png'],"
	" 'encodings.core': ['h264', 'rgb24', 'rgb32', 'vp8', 7, ['x']],"
	" 'encoding': {'core': ['h265', 'rgb24'], 'options': ['h264'], '': 'h264', 'setting': "
	"'jpeg',"
	" 'rgb_formats': ['BGRX', 'BGR565', 'r210', 'RGB', 5, ['x']], 'rgb_zlib': true,"
	" 'rgb_lz4': false, 'proxy': {'video': true, 'other': 1}, 'scrolling': true,"
	" 'supports_delta': ['png'], 'delta_buckets': 5, 'h264': {'YUV420P': {'profile': "
	"'baseline'},"
	" 'cabac': false}, 'full_csc_modes': {'h264': ['YUV444P', 'ARGB'], 'none': ['x']},"
	" 'video_max_size': [1920, 1088, 7], 'min-quality': 20, 'max-quality': 101, 'quality': 80,"
	" 'speed': -1, 'min-speed': 'x'}, 'auto_refresh_delay': 250,"
	" 'network': {'bandwidth-limit': 1000000, 'bandwidth-detection': true, 'pings': 1},"
	" 'bandwidth': {'limit': 5, 'detection': true}, 'other': {'encodings': ['h264']}}]";

TEST(every_shape)
{
	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++) {
		struct frame_setup s;
		size_t len;

		CHECK(read_text(encoders[e], everything, &s));
		CHECK_EQ(s.codings, CODING_BIT(CODING_RGB24) | CODING_BIT(CODING_RGB32) |
		                            CODING_BIT(CODING_H264) | CODING_BIT(CODING_H265) |
		                            CODING_BIT(CODING_VP8) | CODING_BIT(CODING_SCROLL));
		CHECK_EQ(s.pixels, PIXEL_BIT(PIXEL_BGRX) | PIXEL_BIT(PIXEL_RGB));
		CHECK_EQ(s.csc[CODING_H264], CSC_BIT(CSC_YUV444P));
		CHECK_EQ(s.csc[CODING_VP8], CSC_BIT(CSC_YUV420P));
		CHECK_EQ(s.csc[CODING_VP9], 0);
		CHECK(s.video_max_w == 1920 && s.video_max_h == 1088);
		CHECK(s.h264_simple && !s.h264_high);
		CHECK(s.wishes.quality == 80 && s.wishes.min_quality == 20 &&
		      s.wishes.max_quality == 100 && s.wishes.speed == 0 &&
		      s.wishes.min_speed == 0);
		CHECK(s.wishes.auto_refresh && s.wishes.refresh_delay_msec == 250);
		CHECK_EQ(s.wishes.bandwidth_bits, 5); /* the last */
		len = packet_text(encoders[e], everything, in, sizeof(in));
		if (encoders[e] != BENCODE) /* which has no bool to compare */
			CHECK_EQ(check_hidden(encoders[e], in, len), 16);
	}
}

/* Only pixels in our formats are left. */
TEST(formats_are_copied)
{
	struct frame_setup s;
	size_t len = packet_text(PLUS,
	                         "['hello', {'encoding.rgb_formats': ['BGR565', 'BGRX', 3, 'r210', "
	                         "[], 'RGB'], 'encodings.rgb_formats': 'x'}]",
	                         in, sizeof(in)),
	       want;

	CHECK_EQ(abilities_hide(in, len, PLUS, hidden, sizeof(hidden), &hidden_len), 0);
	want = packet_text(PLUS,
	                   "['hello', {'encoding.rgb_formats': ['BGRX', 'RGB'], "
	                   "'encodings.rgb_formats': 'x'}]",
	                   again, sizeof(again));
	CHECK_MEM(hidden, hidden_len, again, want);
	CHECK(!read_bytes(PLUS, hidden, hidden_len, &s));
	CHECK_EQ(s.pixels, PIXEL_BIT(PIXEL_BGRX) | PIXEL_BIT(PIXEL_RGB));
}

TEST(who_takes_smaller_videos)
{
	static const struct {
		const char *text;
		bool takes;
	} hellos[] = {
		{"['hello', {'encodings.core': ['rgb24', 'h264']}]", false}, /* 3.x says so */
		{"['hello', {'encodings.core': ['rgb24', 'h264'], 'encoding.video_scaling': 1}]",
	         true},
		{"['hello', {'encodings.core': ['rgb24', 'h264'], 'encoding.video_scaling': true,"
	         " 'encoding.scaling.control': 0}]",
	         false},
		{"['hello', {'encodings.core': ['rgb24', 'h264'], 'encoding.scaling.control': "
	         "false, 'encoding.video_scaling': true}]",
	         false},
		{"['hello', {'encodings.core': ['rgb24', 'h264'], 'encoding.video_scaling': true,"
	         " 'encoding.scaling.control': 50}]",
	         true},
		{"['hello', {'encodings': {'core': ['rgb24', 'h264']}}]", true}, /* 6.x does not */
		{"['hello', {'encodings': {'core': ['rgb24', 'h264']}, 'encoding': "
	         "{'video_scaling': false}}]",
	         false},
		{"['hello', {'encodings': {'core': ['rgb24', 'h264']}, 'encoding': {'scaling': "
	         "{'control': 0}}}]",
	         false},
		{"['hello', {'encodings': {'core': ['rgb24', 'h264']}, 'encoding': "
	         "{'scaling.control': 0}}]",
	         false},
		{"['hello', {'encodings.core': ['rgb24', 'h264'], 'encoding.video_scaling': "
	         "['x']}]",
	         false},
	};
	struct frame_setup s;

	for (size_t i = 0; i < ARRAY_SIZE(hellos); i++) {
		CHECK(read_text(PLUS, hellos[i].text, &s));
		CHECK_EQ(s.scaling, hellos[i].takes);
	}
}

TEST(who_takes_what)
{
	static const struct {
		const char *text;
		bool takes;
		uint32_t codings;
	} hellos[] = {
		{"['hello', {'encodings.core': ['rgb24', 'png']}]", true, 1 | 4 | 32},
		{"['hello', {'encodings.core': ['rgb24', 'png'], 'encoding.scrolling': false}]",
	         true, 1 | 4},
		{"['hello', {'encodings.core': ['rgb24', 'png'], 'encoding.scrolling': 1}]", true,
	         1 | 4 | 32},
		{"['hello', {'encodings': {'core': ['rgb24', 'png']}}]", true, 1 | 4},
		{"['hello', {'encodings': {'core': ['rgb24'], 'scrolling': true}}]", false, 1},
		{"['hello', {'encodings': ['rgb32', 'jpeg', 'h264']}]", true, 2 | 8 | 64},
		{"['hello', {'encodings': {'': ['rgb32', 'jpeg']}}]", true, 2 | 8},
		{"['hello', {'encodings': ['rgb32', 'jpeg'], 'encoding': {'core': ['rgb24']}}]",
	         false, 1},
		{"['hello', {'encodings': ['h264', 'png']}]", false, 4 | 64}, /* no pixels */
		{"['hello', {'encodings': ['rgb24', 'rgb32']}]", false, 3},
		{"['hello', {'encodings': 'rgb24'}]", false, 0},
		{"['hello', {}]", false, 0},
	};
	struct frame_setup s;

	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++)
		for (size_t i = 0; i < ARRAY_SIZE(hellos); i++) {
			CHECK_EQ(read_text(encoders[e], hellos[i].text, &s), hellos[i].takes);
			CHECK_EQ(s.codings, hellos[i].codings);
		}
}

TEST(odd_values)
{
	struct frame_setup s;

	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++) {
		CHECK(read_text(
			encoders[e],
			"['hello', {'encodings': ['rgb24', 'png'], 'encoding.video_max_size': "
			"[0, -5, 'x', [1], 16385, 300], 'auto_refresh_delay': 0, "
			"'bandwidth-limit': -3, 'encoding.h264.cabac': 0, "
			"'encoding.h264.YUV420P.profile': 'high', 'encoding.quality': [1],"
			"'encoding.full_csc_modes.png': 'x', 'encoding.unknown': {'a': 1}, "
			"'auto_refresh_delay2': 1}]",
			&s));
		CHECK(s.video_max_w == 300 && s.video_max_h == 0);
		CHECK(!s.wishes.auto_refresh && s.wishes.bandwidth_bits == 0 &&
		      s.wishes.quality == 0);
		CHECK(s.h264_simple && s.h264_high);
		CHECK(read_text(
			encoders[e],
			"['hello', {'encodings': ['rgb24', 'png'], 'auto_refresh_delay': 60000,"
			" 'encoding': {'a': {'b': {'c': {'d': {'e': 1}}}}}, "
			"'encoding.video_max_size': 5, 'encoding.h264.cabac': 1, "
			"'encodings.core': {'x': 1}}]",
			&s));
		CHECK(s.wishes.auto_refresh && s.wishes.refresh_delay_msec == 0 && !s.h264_simple);
	}
	CHECK(read_text(PLUS,
	                "['hello', {'encodings': ['rgb24', 'png'], 5: {'core': ['h264']}, [1]: 2, "
	                "{1: 2}: [3], true: none, 'auto_refresh_delay': 'x', "
	                "'encoding.h264.cabac': true, 'encoding.scrolling': 0}]",
	                &s));
	CHECK_EQ(s.codings, 1 | 4);
	/* Keys that are no words are not sent on: nobody has any */
	CHECK_EQ(abilities_hide(in,
	                        packet_text(PLUS, "['hello', {[1]: 2, {}: [], 'a': 1}]", in, 900),
	                        PLUS, hidden, sizeof(hidden), &hidden_len),
	         0);
	CHECK_MEM(hidden, hidden_len, again, packet_text(PLUS, "['hello', {'a': 1}]", again, 900));
}

/* A name as long as this is none of ours, and its end is not looked at. */
TEST(long_names)
{
	char text[600];
	struct frame_setup s;

	for (int n = 60; n < 130; n++) {
		snprintf(text, sizeof(text),
		         "['hello', {'encodings': ['rgb24', 'png'], 'encoding': {'%0*d': {'core': "
		         "['h264']}}, 'encodings.core%0*d': ['vp8']}]",
		         n, 0, n, 0);
		CHECK(read_text(PLUS, text, &s));
		CHECK_EQ(s.codings, 1 | 4);
		(void)check_hidden(PLUS, in, packet_text(PLUS, text, in, sizeof(in)));
	}
}

TEST(no_hellos)
{
	static const char *const packets[] = {
		"['hello']", "['hello', []]", "['hallo', {}]", "['hello', 5]", "{}", "5"};
	struct frame_setup s;

	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++)
		for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
			CHECK(!read_text(encoders[e], packets[i], &s));
			CHECK(abilities_hide(in,
			                     packet_text(encoders[e], packets[i], in, sizeof(in)),
			                     encoders[e], hidden, sizeof(hidden), &hidden_len) < 0);
		}
}

static enum encoder mutated;

static void check_any(const uint8_t *data, size_t len)
{
	struct frame_setup s;
	struct hello h;
	size_t n;

	(void)abilities_read(data, len, mutated, &s);
	if (abilities_hide(data, len, mutated, hidden, sizeof(hidden), &hidden_len) < 0)
		return;
	CHECK(hidden_len <= sizeof(hidden));
	CHECK_EQ(abilities_hide(hidden, hidden_len, mutated, again, sizeof(again), &n), 0);
	CHECK_MEM(again, n, hidden, hidden_len);
	(void)hello_parse(hidden, hidden_len, mutated, &h, NULL);
}

TEST(mutations)
{
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		size_t len;
		uint8_t *data = test_load(recorded[i].path, &len);

		mutated = recorded[i].encoder;
		test_mutate_every(23, data, len, check_any);
		free(data);
	}
	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++) {
		size_t len = packet_text(encoders[e], everything, in, sizeof(in));

		mutated = encoders[e];
		test_mutate_every(3, in, len, check_any);
	}
}

/* Clients without older ways load their decoders after the hello. */
TEST(said_later)
{
	static const char *const empty[] = {
		"['hello', {'encoding': {'core': ['rgb24', 'rgb32'], 'rgb_formats': ['BGRX']}}]",
		"['hello', {'encoding': {'core': ['rgb24']}, 'encodings': {'core': ['rgb24']}}]",
		"['hello', {'encodings': ['rgb24']}]",
		"['hello', {'encoding': {'core': []}}]",
	};
	static const enum abilities want[] = {ABILITIES_LATER, ABILITIES_NONE, ABILITIES_NONE,
	                                      ABILITIES_NONE};
	const uint32_t codings = CODING_BIT(CODING_RGB24) | CODING_BIT(CODING_H264);

	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++) {
		struct frame_setup s;
		struct token_reader r;

		for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
			size_t len = packet_text(encoders[e], empty[i], in, sizeof(in));

			CHECK_EQ(abilities_read(in, len, encoders[e], &s), want[i]);
		}
		snprintf(s.encoders[0], sizeof(s.encoders[0]), "x264");
		packet_text_open(encoders[e], "['encoding-config', ['h264']]", in, sizeof(in), &r);
		CHECK(!abilities_config(&r, &s));
		packet_text_open(encoders[e], "['encoding-config', {'core': ['rgb24']}]", in,
		                 sizeof(in), &r);
		CHECK(!abilities_config(&r, &s) && s.codings == 0);
		packet_text_open(encoders[e],
		                 "['encoding-config', {'core': ['rgb24', 'h264', 'x'], 'quality': "
		                 "70, 'rgb_formats': ['BGRX'], 'full_csc_modes': {'h264': "
		                 "['YUV444P']}, 'video_max_size': [800, 600]}]",
		                 in, sizeof(in), &r);
		CHECK(abilities_config(&r, &s));
		CHECK_EQ(s.codings, codings);
		CHECK_EQ(s.pixels, PIXEL_BIT(PIXEL_BGRX));
		CHECK_EQ(s.csc[CODING_H264], CSC_BIT(CSC_YUV444P));
		CHECK(s.wishes.quality == 70 && s.video_max_w == 800 && s.video_max_h == 600);
		CHECK_STR(s.encoders[0], "x264");
	}
}

static bool wish(const char *name, const char *text, struct frame_wishes *w)
{
	struct token_reader r;

	test_note("%s", text);
	packet_text_open(PLUS, text, in, sizeof(in), &r);
	return abilities_wish(name, &r, w);
}

TEST(wishes)
{
	struct frame_wishes w = {0};

	CHECK(wish("quality", "['quality', 70]", &w) && w.quality == 70);
	CHECK(wish("min-quality", "['x', 30]", &w) && w.min_quality == 30);
	CHECK(wish("max-quality", "['x', 300]", &w) && w.max_quality == 100);
	CHECK(wish("speed", "['x', 1]", &w) && w.speed == 1);
	CHECK(wish("min-speed", "['x', -1]", &w) && w.min_speed == 0);
	CHECK(wish("bandwidth-limit", "['x', 8000000000]", &w) && w.bandwidth_bits == 8000000000);
	CHECK(wish("bandwidth-limit", "['x', 0]", &w) && w.bandwidth_bits == 0);
	CHECK(wish("quality", "['x', 'y']", &w) && w.quality == 0);
	CHECK(!wish("encoding", "['x', 5]", &w));
	CHECK(!wish("max-speed", "['x', 5]", &w));
}
