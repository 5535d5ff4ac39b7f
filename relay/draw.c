/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/draw.c - draw packets and their acknowledgements. Worker, locked. No system calls.
 *
 * Every number here is a session's, that is a stranger's: nothing is multiplied before it is
 * bounded, and pixels are only taken when all of them agree. Sources: xpra-protocol 8.3, and
 * transcoding 5 for the limits.
 */
#include "relay/draw.h"

#include <errno.h>

#include "base/macros.h"

#define STRIDE_SLACK 4096 /* bytes a row may have beyond its pixels */

/* The next item as a number in range. 0; -ERANGE; -EBADMSG it is none. */
static int read_int(struct token_reader *r, int64_t min, int64_t max, int64_t *ret)
{
	struct token t;

	if (token_read(r, &t) <= 0)
		return -EBADMSG;
	if (t.type != TOKEN_INT)
		return t.type == TOKEN_LIST || t.type == TOKEN_DICT || t.type == TOKEN_END
		               ? -EBADMSG
		               : -ERANGE;
	*ret = t.integer;
	return t.integer < min || t.integer > max ? -ERANGE : 0;
}

/* {lz4: 1, rgb_format: "BGRX", flush: 2, ...}: false if the pixels are not plain ones. */
static int read_options(struct token_reader *r, struct draw *d, bool *ret_plain)
{
	struct token t, key, value;
	bool format = false, plain = true;
	int n = token_read(r, &t);

	if (n <= 0 || t.type != TOKEN_DICT)
		return -EBADMSG;
	while ((n = token_read_pair(r, &key, &value)) > 0) {
		bool on = !(value.type == TOKEN_INT && value.integer == 0) &&
		          !(value.type == TOKEN_BOOL && !value.boolean);

		if (token_equals(&key, "rgb_format") && token_is_string(&value))
			format = pixel_format_parse((const char *)value.data, value.len,
			                            &d->format) == 0;
		else if (token_equals(&key, "lz4") && on)
			plain &= d->compressor == COMPRESSOR_NONE, d->compressor = COMPRESSOR_LZ4;
		else if (token_equals(&key, "zlib") && on)
			plain &= d->compressor == COMPRESSOR_NONE, d->compressor = COMPRESSOR_ZLIB;
		else if (token_equals(&key, "flush") && value.type == TOKEN_INT)
			d->flush = value.integer < 0     ? 0
			           : value.integer > 255 ? 255
			                                 : (uint8_t)value.integer;
		else if (token_equals(&key, "lzo") || token_equals(&key, "brotli") ||
		         token_equals(&key, "zstd") || token_equals(&key, "delta") ||
		         token_equals(&key, "store") || token_equals(&key, "scaled_size"))
			plain &= !on; /* more than pixels: the client has to see it */
		if (token_skip(r, &value) < 0 && value.type != TOKEN_NONE)
			return -EBADMSG;
	}
	*ret_plain = plain && format;
	return n < 0 ? -EBADMSG : 0;
}

/* Whether all that has been read fits together. */
static bool is_sane(const struct draw *d, int64_t stride)
{
	int64_t row = (int64_t)d->w * pixel_format_bytes(d->format);

	/* What is transparent is left to the client, which paints it over what is below. */
	if (d->format == PIXEL_BGRA || d->format == PIXEL_RGBA)
		return false;
	return d->x >= 0 && d->y >= 0 && d->w > 0 && d->h > 0 && d->x + d->w <= FRAME_SIDE_MAX &&
	       d->y + d->h <= FRAME_SIDE_MAX && stride >= row && stride <= row + STRIDE_SLACK &&
	       stride * d->h <= (int64_t)FRAME_IN_BYTES / 2;
}

/* *ret_plain: all of it can be. */
static int read_place(struct token_reader *r, struct draw *d, bool *ret_plain)
{
	int64_t v[5];

	*ret_plain = true;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		int n = read_int(r, i ? -FRAME_SIDE_MAX : 1, i ? FRAME_SIDE_MAX : UINT32_MAX,
		                 &v[i]);

		if (n == -EBADMSG || (i == 0 && n < 0))
			return -EBADMSG;
		*ret_plain &= n == 0;
		if (n < 0)
			v[i] = 0;
	}
	d->wid = (uint32_t)v[0];
	d->x = (int32_t)v[1];
	d->y = (int32_t)v[2];
	d->w = (int32_t)v[3];
	d->h = (int32_t)v[4];
	return 0;
}

int draw_read_place(struct token_reader *r, struct draw *ret)
{
	bool plain;

	*ret = (struct draw){0};
	return read_place(r, ret, &plain);
}

int draw_read(struct token_reader *r, size_t chunk_len, struct draw *ret)
{
	struct draw d = {0};
	int64_t sequence, stride = 0;
	struct token coding, data;
	bool plain, formatted = false;
	int n;

	if (read_place(r, &d, &plain) < 0)
		return -EBADMSG;
	if (token_read(r, &coding) <= 0 || !token_is_string(&coding) || token_read(r, &data) <= 0)
		return -EBADMSG;
	plain &= token_equals(&coding, "rgb24") || token_equals(&coding, "rgb32");
	if (token_is_string(&data) && data.len > 0 && chunk_len == 0) {
		d.data = data.data;
		d.data_len = data.len;
	} else if (chunk_len == 0 || !token_is_string(&data)) {
		plain = false;
	}
	if (token_skip(r, &data) < 0)
		return -EBADMSG;
	if (read_int(r, INT64_MIN, INT64_MAX, &sequence) < 0)
		return -EBADMSG;
	d.sequence = sequence;
	n = read_int(r, 0, UINT32_MAX, &stride);
	if (n == -EBADMSG || read_options(r, &d, &formatted) < 0)
		return -EBADMSG;
	d.rgb = plain && n == 0 && formatted && is_sane(&d, stride);
	d.stride = d.rgb ? (uint32_t)stride : 0;
	*ret = d;
	return 0;
}

int draw_pixels(const struct draw *d, struct decompressor *z, const uint8_t *data, size_t len,
                uint8_t *out)
{
	size_t want = draw_bytes(d), got;

	if (d->compressor == COMPRESSOR_NONE) {
		/* The last row may end with its last pixel. */
		size_t row = (size_t)d->w * pixel_format_bytes(d->format);

		if (len > want || len < want - d->stride + row)
			return -EBADMSG;
		memcpy(out, data, len);
		memset(out + len, 0, want - len);
		return 0;
	}
	if (decompress(z, d->compressor == COMPRESSOR_LZ4 ? COMPRESSION_LZ4 : 1, data, len, out,
	               want, &got) < 0 ||
	    got != want)
		return -EBADMSG;
	return 0;
}

static void put_int(struct token_writer *w, const char *key, int64_t value)
{
	token_write_text(w, key);
	token_write_int(w, value);
}

static void put_text(struct token_writer *w, const char *key, const char *value)
{
	token_write_text(w, key);
	token_write_text(w, value);
}

static bool is_video(enum coding c)
{
	return c == CODING_H264 || c == CODING_H265 || c == CODING_VP8 || c == CODING_VP9;
}

/* What both generations' decoders want to know: transcoding 1, "What the client must get". */
static void write_options(struct token_writer *w, const struct frame_picture *p)
{
	token_write_dict(w, TOKEN_COUNT_UNKNOWN);
	if (p->coding == CODING_RGB24 || p->coding == CODING_RGB32) {
		put_text(w, "rgb_format", pixel_format_name((enum pixel_format)p->format));
		if (p->lz4)
			put_int(w, "lz4", 1);
	}
	if (is_video((enum coding)p->coding)) {
		put_text(w, "csc", p->csc == CSC_YUV444P ? "YUV444P" : "YUV420P");
		put_int(w, "frame", p->frame);
		token_write_text(w, "full-range");
		token_write_bool(w, false);
		if (p->key)
			put_text(w, "type", "IDR");
		if (p->coded_w != p->w || p->coded_h != p->h) {
			token_write_text(w, "scaled_size");
			token_write_list(w, 2);
			token_write_int(w, p->coded_w);
			token_write_int(w, p->coded_h);
			token_write_end(w);
		}
	}
	if (p->quality)
		put_int(w, "quality", p->quality);
	if (p->flush)
		put_int(w, "flush", p->flush);
	put_text(w, "encoder", p->encoder);
	token_write_end(w);
}

/* A list of rectangles and how far each moves. */
static void write_scroll(struct token_writer *w, const struct frame_picture *p, const uint8_t *data)
{
	token_write_list(w, TOKEN_COUNT_UNKNOWN);
	for (size_t at = 0; at + sizeof(struct frame_scroll) <= p->len;
	     at += sizeof(struct frame_scroll)) {
		struct frame_scroll s;

		memcpy(&s, data + at, sizeof(s));
		token_write_list(w, 6);
		token_write_int(w, s.x);
		token_write_int(w, s.y);
		token_write_int(w, s.w);
		token_write_int(w, s.h);
		token_write_int(w, s.dx);
		token_write_int(w, s.dy);
		token_write_end(w);
	}
	token_write_end(w);
}

int draw_write(enum encoder encoder, const char *name, uint32_t wid, int64_t sequence,
               const struct frame_picture *p, const uint8_t *data, void *buf, size_t size,
               size_t *ret_len)
{
	bool scroll = p->coding == CODING_SCROLL;
	size_t chunk = scroll ? 0 : HEADER_LEN + p->len, len;
	struct header h = {.index = 7, .size = (uint32_t)p->len};
	struct token_writer w;
	int r;

	if (size < chunk)
		return -ENOBUFS;
	packet_begin(&w, encoder, (uint8_t *)buf + chunk, size - chunk, name);
	token_write_int(&w, wid);
	token_write_int(&w, p->x);
	token_write_int(&w, p->y);
	token_write_int(&w, p->w);
	token_write_int(&w, p->h);
	token_write_text(&w, coding_name((enum coding)p->coding));
	if (scroll)
		write_scroll(&w, p, data);
	else
		token_write_bytes(&w, "", 0);
	token_write_int(&w, sequence);
	token_write_int(&w, p->stride);
	write_options(&w, p);
	r = packet_end(&w, &len);
	if (r < 0)
		return r;
	if (!scroll) {
		header_build(buf, &h);
		memcpy((uint8_t *)buf + HEADER_LEN, data, p->len);
	}
	*ret_len = chunk + len;
	return 0;
}

static const char *const ack_names[ACK_MAX_] = {"damage-sequence", "window-draw-ack", "window-ack"};

enum draw_ack_form draw_ack_parse(const char *name)
{
	unsigned form = 0;

	while (form < ACK_MAX_ && strcmp(name, ack_names[form]) != 0)
		form++;
	return (enum draw_ack_form)form;
}

/* What an acknowledgement begins with; false: not all of it is as it should be. */
static bool read_ack(struct token_reader *r, unsigned at, int64_t v[4], int64_t *ret_sequence)
{
	bool sound = true;
	struct token t;

	for (unsigned i = 0; i < 4; i++) {
		if (token_read(r, &t) <= 0)
			return false;
		sound &= t.type == TOKEN_INT;
		v[i] = t.type == TOKEN_INT ? t.integer : 0;
		/* 5.0 is 5 to a server in Python */
		if (t.type == TOKEN_FLOAT && t.real > INT32_MIN && t.real < INT32_MAX)
			v[i] = (int64_t)t.real;
		if (i == at)
			*ret_sequence = v[i];
		if (token_skip(r, &t) < 0)
			return false;
	}
	return sound;
}

int draw_ack_read(struct token_reader *r, enum draw_ack_form form, struct draw_ack *ret)
{
	unsigned at = form == ACK_WINDOW ? 3 : 0; /* the sequence is the last of the four there */
	int64_t v[4], usec;
	const int64_t *rest = at ? v : v + 1;

	*ret = (struct draw_ack){0};
	if (!read_ack(r, at, v, &ret->sequence) || rest[0] < 1 || rest[0] > UINT32_MAX ||
	    rest[1] < 0 || rest[1] > INT32_MAX || rest[2] < 0 || rest[2] > INT32_MAX)
		return -EBADMSG;
	if (read_int(r, INT32_MIN, INT64_MAX, &usec) < 0)
		usec = 0; /* some are floats */
	ret->wid = (uint32_t)rest[0];
	ret->w = (int32_t)rest[1];
	ret->h = (int32_t)rest[2];
	ret->decode_usec = usec;
	return 0;
}

int draw_ack_write(enum encoder encoder, enum draw_ack_form form, const struct draw_ack *a,
                   void *buf, size_t size, size_t *ret_len)
{
	struct token_writer w;

	packet_begin(&w, encoder, buf, size, ack_names[form]);
	if (form != ACK_WINDOW)
		token_write_int(&w, a->sequence);
	token_write_int(&w, a->wid);
	token_write_int(&w, a->w);
	token_write_int(&w, a->h);
	if (form == ACK_WINDOW)
		token_write_int(&w, a->sequence);
	token_write_int(&w, a->decode_usec);
	token_write_text(&w, "");
	return packet_end(&w, ret_len);
}

int draw_refresh_write(enum encoder encoder, const char *name, void *buf, size_t size,
                       size_t *ret_len)
{
	struct token_writer w;

	packet_begin(&w, encoder, buf, size, name);
	token_write_int(&w, -1);
	token_write_int(&w, 0);
	token_write_int(&w, 100);
	token_write_dict(&w, TOKEN_COUNT_UNKNOWN);
	token_write_text(&w, "refresh-now");
	token_write_bool(&w, true);
	token_write_end(&w);
	token_write_dict(&w, TOKEN_COUNT_UNKNOWN);
	token_write_end(&w);
	return packet_end(&w, ret_len);
}
