/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a server's draw, and as what an encoder makes of it: byte 0 chooses the encoder and
 * whether the pixels come as a chunk, byte 1 and 2 say how long the packet is, then it and the
 * chunk. What is taken is within the limits; what is written for it reads back. Links relay/draw.c.
 */
#include "relay/draw.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum encoder encoders[] = {ENCODER_RENCODEPLUS, ENCODER_RENCODE, ENCODER_BENCODE};

/* More would only be slow. */
#define PIXELS_MAX (1u << 20)

static void take_pixels(const struct draw *d, const uint8_t *data, size_t len)
{
	static struct decompressor *z;
	uint8_t *out;

	ENSURE(d->x >= 0 && d->y >= 0 && d->w > 0 && d->h > 0);
	ENSURE(d->x + d->w <= FRAME_SIDE_MAX && d->y + d->h <= FRAME_SIDE_MAX);
	ENSURE(d->format < PIXEL_MAX_ &&
	       d->stride >= (unsigned)d->w * pixel_format_bytes(d->format));
	ENSURE(draw_bytes(d) <= FRAME_IN_BYTES / 2);
	if (draw_bytes(d) > PIXELS_MAX)
		return;
	if (!z)
		z = decompressor_new();
	out = malloc(draw_bytes(d));
	ENSURE(z && out);
	(void)draw_pixels(d, z, data, len, out);
	free(out);
}

/* Any struct that the worker's checks let through. */
static void write_picture(enum encoder e, unsigned how, const uint8_t *data, size_t len)
{
	struct frame_picture p = {0};
	size_t n = len < sizeof(p) ? len : sizeof(p), size, at = 0;
	struct token_reader r;
	struct token t;
	struct header h;
	uint8_t *out;

	memcpy(&p, data, n);
	p.len = len;
	p.coding = (uint8_t)(how % CODING_MAX_);
	p.format %= PIXEL_MAX_;
	p.csc %= CSC_MAX_;
	p.encoder[sizeof(p.encoder) - 1] = '\0';
	p.key = how & 64;
	p.lz4 = how & 128;
	size = DRAW_OVERHEAD + (p.coding == CODING_SCROLL ? 4 : 1) * len;
	out = malloc(size);
	ENSURE(out);
	ENSURE(draw_write(e, DRAW_NAME, 7, 1 << 30, &p, data, out, size, &n) == 0 && n <= size);
	if (p.coding != CODING_SCROLL) {
		ENSURE(header_parse(out, n, &h, NULL) == 0 && h.index == 7 && h.size == len);
		at = HEADER_LEN + len;
	}
	ENSURE(header_parse(out + at, n - at, &h, NULL) == 0 && h.index == 0);
	ENSURE(at + HEADER_LEN + h.size == n);
	token_reader_init(&r, e, out + at + HEADER_LEN, h.size);
	ENSURE(token_read(&r, &t) == 1 && t.type == TOKEN_LIST);
	ENSURE(token_skip(&r, &t) == 0 && token_read(&r, &t) == 0);
	ENSURE(draw_write(e, DRAW_NAME, 7, 1 << 30, &p, data, out, n - 1, &n) < 0);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *chunk;
	struct token_reader r;
	struct draw_ack a;
	size_t len, rest;
	struct token t;
	enum encoder e;
	struct draw d;
	unsigned how;

	if (size < 3)
		return 0;
	how = data[0];
	e = encoders[how % 3];
	len = (size_t)data[1] << 8 | data[2];
	data += 3;
	size -= 3;
	len = len < size ? len : size;
	chunk = data + len;
	rest = size - len;
	token_reader_init(&r, e, data, len);
	if (token_read(&r, &t) > 0 && t.type == TOKEN_LIST && token_read(&r, &t) > 0) {
		for (enum draw_ack_form form = 0; form < ACK_MAX_; form++) {
			struct token_reader copy = r;

			if (draw_ack_read(&copy, form, &a) == 0)
				ENSURE(a.wid > 0 && a.w >= 0 && a.h >= 0);
		}
		if (draw_read(&r, how & 4 ? rest : 0, &d) == 0) {
			ENSURE(d.wid > 0);
			if (d.rgb)
				take_pixels(&d, d.data ? d.data : chunk,
				            d.data ? d.data_len : rest);
		}
	}
	if (rest > 0) /* nothing to show is not written */
		write_picture(e, how / 3 + (how & 192), chunk, rest);
	return 0;
}
