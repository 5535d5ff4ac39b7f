/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/draw.h - draw packets, and what clients answer: read, checked, written. Worker. Pure.
 *
 * ("draw", wid, x, y, w, h, coding, data, sequence, rowstride, {options}); "window-draw" since 6.5.
 * Source: xpra-protocol 8.3.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/frame.h"
#include "wire/packet.h"

/* A server's draw. */
struct draw {
	uint32_t wid;
	int64_t sequence;
	int32_t x, y, w, h; /* as it says; sane only if `rgb` */
	uint8_t flush;
	bool rgb; /* pixels that can be taken: all below is set, and true of each other */
	enum pixel_format format;
	uint32_t stride;
	enum compressor compressor; /* of the pixels themselves: NONE, LZ4 or ZLIB */
	const uint8_t *data;        /* into the packet; NULL: it came as a chunk */
	size_t data_len;
};

/* Reads whose a draw is and where: wid, x, y, w and h, from after its name. 0 or -EBADMSG. */
int draw_read_place(struct token_reader *r, struct draw *ret);

/* Reads the items of a draw, from after its name. chunk_len: bytes of the chunk that stands for its
 * pixels, 0: none. 0; -EBADMSG: it is not one at all. A draw that is one, but whose pixels cannot
 * be taken (another coding, alpha, sizes that do not fit each other or are over the limits of
 * base/frame.h), has !rgb. */
int draw_read(struct token_reader *r, size_t chunk_len, struct draw *ret);

/* Whether so many bytes of pixels, decompressed, are what the draw says. */
static inline size_t draw_bytes(const struct draw *d)
{
	return (size_t)d->stride * (size_t)d->h;
}

/* The pixels into out (draw_bytes() bytes). data: as in the packet or the chunk. 0 or -EBADMSG:
 * there are not exactly as many. */
int draw_pixels(const struct draw *d, struct decompressor *z, const uint8_t *data, size_t len,
                uint8_t *out);

/* What the client is sent for a picture of the encoder's: a chunk and a main record, or for
 * CODING_SCROLL a main record alone. name: DRAW_NAME, or the newer one if the server uses that.
 * data: p->len bytes. 0 and *ret_len, or -ENOBUFS. */
#define DRAW_NAME "draw"
#define DRAW_NAME_NEW "window-draw"
int draw_write(enum encoder encoder, const char *name, uint32_t wid, int64_t sequence,
               const struct frame_picture *p, const uint8_t *data, void *buf, size_t size,
               size_t *ret_len);
#define DRAW_OVERHEAD 1024 /* bytes of buf beyond p->len that are always enough */

/* What acknowledges a draw: peers of 6.5 on can be told to have but the newer names, and later ones
 * put what is in it in another order. */
enum draw_ack_form {
	ACK_DAMAGE_SEQUENCE, /* ("damage-sequence", sequence, wid, w, h, decode_usec, text) */
	ACK_WINDOW_DRAW,     /* ("window-draw-ack", likewise) */
	ACK_WINDOW,          /* ("window-ack", wid, w, h, sequence, decode_usec, text) */
	ACK_MAX_,
};
/* Which one has this name; ACK_MAX_: none. */
enum draw_ack_form draw_ack_parse(const char *name);

struct draw_ack {
	int64_t sequence;
	uint32_t wid;
	int32_t w, h;
	int64_t decode_usec; /* 0 skipped, negative: it failed */
};
/* From after its name. 0; -EBADMSG: it is not one, but ret->sequence is what it says, 0: nothing.
 */
int draw_ack_read(struct token_reader *r, enum draw_ack_form form, struct draw_ack *ret);
int draw_ack_write(enum encoder encoder, enum draw_ack_form form, const struct draw_ack *a,
                   void *buf, size_t size, size_t *ret_len);

/* (name, all windows, now): the server sends everything again. name: REFRESH_NAME, or the newer
 * one if the server has newer names. */
#define REFRESH_NAME "buffer-refresh"
#define REFRESH_NAME_NEW "window-refresh"
int draw_refresh_write(enum encoder encoder, const char *name, void *buf, size_t size,
                       size_t *ret_len);
