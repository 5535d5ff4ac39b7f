/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/abilities.c - what a client says of pictures. Worker, locked. No system calls.
 *
 * One walk serves both directions: every key has a path ("encoding.rgb_formats") that is the same
 * whether it is flat, nested, or half of each, as in 5.x.
 */
#include "relay/abilities.h"

#include <errno.h>
#include <stdio.h>

#include "base/macros.h"
#include "relay/hello.h"

#define PATH_SIZE 96
#define NEST_MAX 4 /* dictionaries in dictionaries that are looked into */

/* ---- reading ---- */

static const struct {
	const char *name;
	enum csc csc;
} cscs[] = {{"YUV420P", CSC_YUV420P}, {"YUV444P", CSC_YUV444P}};

/* Walks a list of strings; calls with each. Consumes the value, whatever it is. */
static int each_text(struct token_reader *r, const struct token *value,
                     void (*take)(const struct token *t, void *arg), void *arg)
{
	struct token t;
	int n;

	if (value->type != TOKEN_LIST)
		return token_skip(r, value);
	while ((n = token_read(r, &t)) > 0 && t.type != TOKEN_END) {
		if (token_is_string(&t))
			take(&t, arg);
		if (token_skip(r, &t) < 0)
			return -EBADMSG;
	}
	return n > 0 ? 0 : -EBADMSG;
}

static void take_coding(const struct token *t, void *arg)
{
	enum coding c;

	if (coding_parse((const char *)t->data, t->len, &c) == 0)
		*(uint32_t *)arg |= CODING_BIT(c);
}

static void take_pixels(const struct token *t, void *arg)
{
	enum pixel_format p;

	if (pixel_format_parse((const char *)t->data, t->len, &p) == 0)
		*(uint32_t *)arg |= PIXEL_BIT(p);
}

static void take_csc(const struct token *t, void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(cscs); i++)
		if (token_equals(t, cscs[i].name))
			*(uint32_t *)arg |= CSC_BIT(cscs[i].csc);
}

static uint8_t percent(const struct token *t)
{
	return t->type != TOKEN_INT || t->integer < 0 ? 0
	       : t->integer > 100                     ? 100
	                                              : (uint8_t)t->integer;
}

/* What is on: true, or a number other than 0. */
static bool is_on(const struct token *t)
{
	return (t->type == TOKEN_BOOL && t->boolean) || (t->type == TOKEN_INT && t->integer);
}

static uint64_t bits(const struct token *t)
{
	return t->type == TOKEN_INT && t->integer > 0 ? (uint64_t)t->integer : 0;
}

static int read_size(struct token_reader *r, const struct token *value, uint16_t *w, uint16_t *h)
{
	uint16_t *to[] = {w, h};
	struct token t;
	size_t i = 0;
	int n;

	if (value->type != TOKEN_LIST)
		return token_skip(r, value);
	while ((n = token_read(r, &t)) > 0 && t.type != TOKEN_END) {
		if (i < 2 && t.type == TOKEN_INT && t.integer > 0 && t.integer <= FRAME_SIDE_MAX)
			*to[i++] = (uint16_t)t.integer;
		if (token_skip(r, &t) < 0)
			return -EBADMSG;
	}
	return n > 0 ? 0 : -EBADMSG;
}

/* Numbers among the client's wishes, by their path. */
static uint8_t *wish(struct frame_wishes *w, const char *name)
{
	const struct {
		const char *name;
		uint8_t *field;
	} wishes[] = {
		{"quality", &w->quality},         {"min-quality", &w->min_quality},
		{"max-quality", &w->max_quality}, {"speed", &w->speed},
		{"min-speed", &w->min_speed},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++)
		if (strcmp(wishes[i].name, name) == 0)
			return wishes[i].field;
	return NULL;
}

static bool is_limit(const char *path)
{
	return strcmp(path, "bandwidth-limit") == 0 ||
	       strcmp(path, "network.bandwidth-limit") == 0 || strcmp(path, "bandwidth.limit") == 0;
}

struct reading {
	struct frame_setup *setup;
	uint32_t all;            /* `encodings`: used if there is no core */
	bool scrolling, scaling; /* said, either way */
	bool unscaled;           /* the user wants all videos in full size */
	bool flat;
	bool lists; /* something was said in `encodings`, as all do that know older ways */
};

/* One value that is no dictionary, or a dictionary that has no more paths below it. Consumes it. */
static int read_one(struct token_reader *r, const char *path, const struct token *value,
                    struct reading *c)
{
	const char *csc = "encoding.full_csc_modes.";
	struct frame_setup *s = c->setup;
	enum coding coding;

	if (strcmp(path, "encodings.core") == 0 || strcmp(path, "encoding.core") == 0)
		return each_text(r, value, take_coding, &s->codings);
	if (strcmp(path, "encodings") == 0 || strcmp(path, "encodings.") == 0)
		return each_text(r, value, take_coding, &c->all);
	if (strcmp(path, "encoding.rgb_formats") == 0 || strcmp(path, "encodings.rgb_formats") == 0)
		return each_text(r, value, take_pixels, &s->pixels);
	if (strncmp(path, csc, strlen(csc)) == 0 &&
	    coding_parse(path + strlen(csc), strlen(path + strlen(csc)), &coding) == 0)
		return each_text(r, value, take_csc, &s->csc[coding]);
	if (strcmp(path, "encoding.video_max_size") == 0)
		return read_size(r, value, &s->video_max_w, &s->video_max_h);
	if (strcmp(path, "encoding.h264.YUV420P.profile") == 0) {
		s->h264_high = token_equals(value, "high");
		s->h264_simple |= token_equals(value, "baseline");
	} else if (strcmp(path, "encoding.h264.cabac") == 0) {
		s->h264_simple |= (value->type == TOKEN_BOOL && !value->boolean) ||
		                  (value->type == TOKEN_INT && value->integer == 0);
	} else if (strcmp(path, "encoding.scrolling") == 0) {
		c->scrolling = true;
		if (is_on(value))
			s->codings |= CODING_BIT(CODING_SCROLL);
	} else if (strcmp(path, "encoding.video_scaling") == 0) {
		c->scaling = true;
		s->scaling = is_on(value);
	} else if (strcmp(path, "encoding.scaling.control") == 0) {
		c->unscaled = !is_on(value); /* the user's --video-scaling=0 */
	} else if (strcmp(path, "auto_refresh_delay") == 0 && value->type == TOKEN_INT) {
		s->wishes.auto_refresh = value->integer > 0;
		s->wishes.refresh_delay_msec =
			value->integer > 0 && value->integer < 60000 ? (uint32_t)value->integer : 0;
	} else if (is_limit(path)) {
		s->wishes.bandwidth_bits = bits(value);
	} else if (strncmp(path, "encoding.", 9) == 0 && wish(&s->wishes, path + 9)) {
		*wish(&s->wishes, path + 9) = percent(value);
	}
	return token_skip(r, value);
}

/* ---- hiding ---- */

static int put_texts(struct token_writer *w, const char *const *texts, size_t n)
{
	token_write_list(w, TOKEN_COUNT_UNKNOWN);
	for (size_t i = 0; i < n; i++)
		token_write_text(w, texts[i]);
	return token_write_end(w);
}

/* Those whose pixels we can read. */
static int copy_formats(struct token_reader *r, const struct token *value, struct token_writer *w)
{
	enum pixel_format p;
	struct token t;
	int n;

	if (value->type != TOKEN_LIST)
		return token_copy(r, value, w);
	token_write_list(w, TOKEN_COUNT_UNKNOWN);
	while ((n = token_read(r, &t)) > 0 && t.type != TOKEN_END) {
		if (token_is_string(&t) && pixel_format_parse((const char *)t.data, t.len, &p) == 0)
			token_write(w, &t);
		if (token_skip(r, &t) < 0)
			return -EBADMSG;
	}
	return n > 0 ? token_write_end(w) : -EBADMSG;
}

static bool is_one_of(const char *path, const char *const *set, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(path, set[i]) == 0)
			return true;
	return false;
}

/* The value of a key that has been written. Consumes what it was. */
static int hide_one(struct token_reader *r, const char *path, const struct token *value,
                    struct token_writer *w)
{
	static const char *const pixels[] = {"rgb24", "rgb32"};
	static const char *const menu[] = {"rgb", "rgb24", "rgb32"};
	static const char *const core[] = {"encodings.core", "encoding.core", "encoding.options"};
	static const char *const all[] = {"encodings", "encodings.", "encodings.all"};
	static const char *const choice[] = {"encoding", "encoding.", "encoding.setting"};
	static const char *const formats[] = {"encoding.rgb_formats", "encodings.rgb_formats"};
	static const char *const off[] = {
		"encoding.rgb_zlib",           "encoding.rgb_lzo",    "encoding.rgb_zstd",
		"encoding.rgb_brotli",         "encoding.rgb24zlib",  "encoding.scrolling",
		"bandwidth-detection",         "bandwidth.detection", "encoding.proxy.video",
		"network.bandwidth-detection",
	};
	static const char *const none[] = {"encoding.supports_delta"};
	bool zero = is_limit(path) || strcmp(path, "encoding.delta_buckets") == 0;
	int r2 = 0;

	if (value->type == TOKEN_LIST && is_one_of(path, core, ARRAY_SIZE(core)))
		r2 = put_texts(w, pixels, ARRAY_SIZE(pixels));
	else if (value->type == TOKEN_LIST && is_one_of(path, all, ARRAY_SIZE(all)))
		r2 = put_texts(w, menu, ARRAY_SIZE(menu));
	else if (token_is_string(value) && is_one_of(path, choice, ARRAY_SIZE(choice)))
		r2 = token_write_text(w, "auto");
	else if (is_one_of(path, formats, ARRAY_SIZE(formats)))
		return copy_formats(r, value, w);
	else if (is_one_of(path, off, ARRAY_SIZE(off)))
		r2 = token_write_bool(w, false);
	else if (is_one_of(path, none, ARRAY_SIZE(none)))
		r2 = put_texts(w, NULL, 0);
	else if (zero)
		r2 = token_write_int(w, 0);
	else if (strcmp(path, "encoding.rgb_lz4") == 0)
		r2 = token_write_bool(w, true);
	else
		return token_copy(r, value, w);
	return r2 < 0 ? r2 : token_skip(r, value);
}

/* ---- the walk ---- */

/* Whether paths of interest go on below this one. */
static bool goes_on(const char *path)
{
	static const char *const prefixes[] = {"encoding", "encodings", "bandwidth", "network"};
	size_t first = strcspn(path, ".");

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strlen(prefixes[i]) == first && memcmp(prefixes[i], path, first) == 0)
			return true;
	return false;
}

/* Through the dict that has been opened, whose own path is `prefix`. w NULL: only reads, into c. */
static int walk(struct token_reader *r, const char *prefix, unsigned depth, struct reading *c,
                struct token_writer *w)
{
	struct token key, value;
	int n;

	while ((n = token_read_pair(r, &key, &value)) > 0) {
		char path[PATH_SIZE] = "";
		int len = -1;

		if (token_is_string(&key))
			len = snprintf(path, sizeof(path), "%s%s%.*s", prefix, *prefix ? "." : "",
			               (int)(key.len < PATH_SIZE ? key.len : PATH_SIZE),
			               (const char *)key.data);
		if (len < 0 || (size_t)len >= sizeof(path))
			path[0] = '\0';
		if (w && (key.type == TOKEN_LIST || key.type == TOKEN_DICT)) {
			n = token_skip(r, &value); /* nobody sends those */
		} else if (value.type == TOKEN_DICT && goes_on(path) && depth < NEST_MAX) {
			if (w) {
				token_write(w, &key);
				token_write_dict(w, TOKEN_COUNT_UNKNOWN);
			}
			n = walk(r, path, depth + 1, c, w);
			if (w && n == 0)
				n = token_write_end(w);
		} else if (w) {
			token_write(w, &key);
			n = hide_one(r, path, &value, w);
		} else {
			c->flat |= depth == 0 && strcmp(path, "encodings.core") == 0;
			c->lists |= strncmp(path, "encodings", 9) == 0;
			n = read_one(r, path, &value, c);
		}
		if (n < 0)
			return n;
	}
	return n;
}

/* What follows from all that was read. */
static bool conclude(const struct reading *c)
{
	const uint32_t rgb = CODING_BIT(CODING_RGB24) | CODING_BIT(CODING_RGB32);
	struct frame_setup *s = c->setup;

	if (!s->codings)
		s->codings = c->all;
	/* Those of 3.x and 4.x know it, and do not say so. */
	if (c->flat && !c->scrolling)
		s->codings |= CODING_BIT(CODING_SCROLL);
	s->scaling = s->scaling && !c->unscaled;
	/* Older than the list of what they decode. */
	for (int i = CODING_H264; i <= CODING_VP9; i++)
		if (s->codings & CODING_BIT(i) && !s->csc[i])
			s->csc[i] = CSC_BIT(CSC_YUV420P);
	return s->codings & rgb && s->codings & ~rgb;
}

enum abilities abilities_read(const uint8_t *payload, size_t len, enum encoder encoder,
                              struct frame_setup *ret)
{
	struct frame_setup s = {.lz4 = true, .wishes.auto_refresh = true};
	struct reading c = {.setup = &s};
	struct token_reader r;
	bool known;

	if (hello_open(&r, encoder, payload, len) < 0 || walk(&r, "", 0, &c, NULL) < 0)
		return ABILITIES_NONE;
	/* Those of 6.x enlarge videos, and do not say so. */
	s.scaling = s.scaling || (!c.flat && !c.scaling);
	known = conclude(&c);
	*ret = s;
	return known ? ABILITIES_KNOWN : s.codings && !c.lists ? ABILITIES_LATER : ABILITIES_NONE;
}

bool abilities_config(struct token_reader *r, struct frame_setup *setup)
{
	struct frame_setup s = *setup;
	struct reading c = {.setup = &s};
	struct token t;

	s.codings = s.pixels = 0;
	memset(s.csc, 0, sizeof(s.csc));
	if (token_read(r, &t) <= 0 || t.type != TOKEN_DICT ||
	    walk(r, "encoding", 1, &c, NULL) < 0 || !conclude(&c))
		return false;
	*setup = s;
	return true;
}

int abilities_hide(const uint8_t *payload, size_t len, enum encoder encoder, void *buf, size_t size,
                   size_t *ret_len)
{
	struct token_writer w;
	struct token_reader r;
	int n = hello_open(&r, encoder, payload, len);

	if (n < 0)
		return n;
	token_writer_init(&w, encoder, buf, size);
	token_write_list(&w, TOKEN_COUNT_UNKNOWN);
	token_write_text(&w, "hello");
	token_write_dict(&w, TOKEN_COUNT_UNKNOWN);
	n = walk(&r, "", 0, NULL, &w);
	if (n < 0)
		return n;
	token_write_end(&w);
	n = token_write_end(&w);
	*ret_len = w.len;
	return n;
}

bool abilities_wish(const char *name, struct token_reader *r, struct frame_wishes *wishes)
{
	uint8_t *field = wish(wishes, name);
	bool limit = strcmp(name, "bandwidth-limit") == 0;
	struct token t;

	if ((!field && !limit) || token_read(r, &t) <= 0)
		return false;
	if (limit)
		wishes->bandwidth_bits = bits(&t);
	else
		*field = percent(&t);
	return true;
}
