/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/frame.h - what the worker and the encoder say to each other: pixels one way, pictures the
 * other. The worker alone speaks xpra; the encoder alone touches pixels.
 *
 * Two things are shared: a SOCK_SEQPACKET pair for messages of one size, and a sealed memfd of
 * FRAME_MEMORY bytes, mapped by both before they are locked and costing nothing until touched:
 *
 *   0           FRAME_IN_BYTES        FRAME_MEMORY
 *   |- pixels --|- encoded pictures --|
 *    worker writes   encoder writes
 *
 * Each part is a ring that its writer alone allocates from, contiguous pieces in order, and its
 * reader gives back in order: the encoder by `taken` (all pixels of draws up to this one may be
 * overwritten), the worker by `freed` (the same for pictures). Neither believes the other: what a
 * message says is checked against the rings before a byte is touched, and a lie ends the encoder,
 * never the connection.
 *
 * Each draw gets exactly one answer within FRAME_LATE_USEC, or the worker takes the encoder for
 * hung: a FRAME_PICTURE whose `answers` is at least its number and which is the last for it, or a
 * FRAME_HELD with its number (merged into what comes later; that will have it in its `answers`).
 *
 * FRAME_SPOILED has a number among those of the draws, and `taken` tells of it too: so the worker
 * knows which pictures were made of pixels that are no longer the window's, shows none of them, and
 * says so (FRAME_NOT_SHOWN).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_IN_BYTES ((uint64_t)64 << 20)
#define FRAME_OUT_BYTES ((uint64_t)32 << 20)
#define FRAME_MEMORY (FRAME_IN_BYTES + FRAME_OUT_BYTES)
#define FRAME_ALIGN 64
#define FRAME_LATE_USEC 200000 /* and then a picture's way: nobody is to wait 250 ms */
#define FRAME_SIDE_MAX 16384   /* pixels of a window's or a draw's side */
#define FRAME_PIXELS_MAX ((uint64_t)33500000) /* pixels of a window */
#define FRAME_WINDOWS_MAX 64                  /* windows with a copy of their pixels */
#define FRAME_ENCODERS_MAX 8
#define FRAME_NAME_MAX 16

/* What a picture is coded in; the names are xpra's. */
enum coding {
	CODING_RGB24,
	CODING_RGB32,
	CODING_PNG,
	CODING_JPEG,
	CODING_WEBP,
	CODING_SCROLL, /* data: struct frame_scroll[] */
	CODING_H264,
	CODING_H265,
	CODING_VP8,
	CODING_VP9,
	CODING_MAX_,
};
#define CODING_BIT(c) (1u << (c))

/* Bytes of a pixel in memory order. X: to be ignored. */
enum pixel_format {
	PIXEL_BGRX,
	PIXEL_BGRA,
	PIXEL_RGBX,
	PIXEL_RGBA,
	PIXEL_RGB,
	PIXEL_BGR,
	PIXEL_MAX_,
};
#define PIXEL_BIT(p) (1u << (p))

/* How a video codes colours: 4:2:0 or 4:4:4, both BT.601 limited range. */
enum csc { CSC_YUV420P, CSC_YUV444P, CSC_MAX_ };
#define CSC_BIT(c) (1u << (c))

struct frame_scroll {
	int32_t x, y, w, h, dx, dy; /* the rectangle that moves, and by how much */
};

enum frame_type {
	/* worker to encoder */
	FRAME_SETUP = 1, /* first: what the client takes. Answered by FRAME_READY */
	FRAME_DRAW,
	FRAME_WINDOW,  /* a window's size, as far as known; draws may be larger */
	FRAME_LOST,    /* a window is gone; no more pictures of it are wanted */
	FRAME_SPOILED, /* draw.x, y, w, h of it was changed by what the encoder did not see */
	FRAME_SHOWN,   /* the client has dealt with a picture */
	FRAME_QUEUE,   /* how the way to the client is; also just to say `freed` */
	FRAME_TUNE,    /* the user's wishes have changed */
	/* encoder to worker */
	FRAME_READY,
	FRAME_PICTURE,
	FRAME_HELD,
	FRAME_REPORT, /* about once a second for windows with something new */
};

/* The user's wishes: percent, 0 none. */
struct frame_wishes {
	uint8_t quality, min_quality, max_quality, speed, min_speed;
	bool auto_refresh;
	uint32_t refresh_delay_msec; /* 0: ours */
	uint64_t bandwidth_bits;     /* per second, 0: no limit */
};

struct frame_setup {
	uint32_t codings;                  /* CODING_BIT()s that the client takes */
	uint32_t pixels;                   /* PIXEL_BIT()s of its rgb24 and rgb32 */
	uint32_t csc[CODING_MAX_];         /* CSC_BIT()s, by coding */
	uint16_t video_max_w, video_max_h; /* 0: not said */
	bool lz4;                          /* it takes rgb compressed with lz4 */
	bool h264_simple; /* baseline, no CABAC, no deblocking: decoders in JavaScript */
	bool h264_high;   /* high profile */
	bool scaling;     /* videos may be smaller than what they show */
	struct frame_wishes wishes;
	char encoders[FRAME_ENCODERS_MAX][FRAME_NAME_MAX]; /* Encoders=, in order */
};

struct frame_draw {
	uint64_t offset; /* of the first pixel in the shared memory */
	uint32_t stride;
	uint16_t x, y, w, h;
	uint8_t format;      /* enum pixel_format */
	uint8_t flush;       /* so many more draws belong to the same update */
	uint32_t wire_bytes; /* of it as it came from the server: tells text from photographs */
};

struct frame_window {
	uint16_t w, h;
};

#define FRAME_NOT_SHOWN INT64_MIN /* the client was not sent it */
struct frame_shown {
	int64_t decode_usec; /* negative: it could not be decoded, or FRAME_NOT_SHOWN */
	uint32_t round_usec; /* from our sending to the client's word */
};

struct frame_queue {
	uint64_t bytes;    /* not yet written to the client */
	uint32_t age_usec; /* of the oldest of them */
};

struct frame_picture {
	uint64_t offset, len; /* in the shared memory; len 0: nothing to show, it only answers */
	uint64_t answers;     /* draws of this window up to this one are dealt with; 0: none */
	uint32_t raw_len;     /* with lz4: bytes of the pixels */
	uint32_t stride;      /* rgb only */
	uint32_t frame;       /* video only: 0 for a new encoder, then one more each time */
	uint16_t x, y, w, h;
	uint16_t coded_w, coded_h; /* video only; differs from w, h when scaled */
	uint8_t coding, format, csc, quality;
	bool key, lz4, lossless, last; /* last: no more pictures for these answers */
	uint8_t flush;
	char encoder[FRAME_NAME_MAX];
};

struct frame_report {
	char encoder[FRAME_NAME_MAX], device[32], why[64]; /* why: of the last fallback */
	uint8_t coding, csc, quality, speed;
	uint16_t x, y, w, h;             /* the video region; w 0: none */
	uint16_t coded_w, coded_h;       /* what it is coded in */
	uint32_t fps_milli, encode_usec; /* means of late */
	uint64_t bytes_in, bytes_out, pixels;
	uint32_t pictures, refreshes, scrolls, fallbacks;
};

struct frame {
	uint32_t type;
	uint32_t wid;
	/* Of a DRAW or SPOILED, or of a PICTURE: its own, from 1, rising; of SHOWN, HELD: which. */
	uint64_t number;
	uint64_t taken, freed;
	union {
		struct frame_setup setup;
		struct frame_wishes wishes;
		struct frame_draw draw;
		struct frame_window window;
		struct frame_shown shown;
		struct frame_queue queue;
		struct frame_picture picture;
		struct frame_report report;
	};
};

/* A ring of one writer: where its free space is. Offsets are into the shared memory. */
#define FRAME_PIECES_MAX 256
struct frame_ring {
	uint64_t base, size;
	uint64_t head, tail; /* ever growing positions; head - tail is what is in use */
	struct {
		uint64_t number, end; /* piece `number` is free when tail is at `end` */
	} pieces[FRAME_PIECES_MAX];
	unsigned first, count;
};

void frame_ring_init(struct frame_ring *r, uint64_t base, uint64_t size);
/* Room for len bytes in one piece, named number (rising). 0 and *ret_offset, or -EAGAIN: none now,
 * -EMSGSIZE: never. */
int frame_ring_take(struct frame_ring *r, uint64_t number, uint64_t len, uint64_t *ret_offset);
/* Whether frame_ring_take() would find room. */
bool frame_ring_fits(const struct frame_ring *r, uint64_t len);
/* The piece that was taken last is not needed after all. */
void frame_ring_return(struct frame_ring *r);
/* All pieces up to this number are free. */
void frame_ring_give(struct frame_ring *r, uint64_t number);

/* A sealed memfd of FRAME_MEMORY bytes (neither grows nor shrinks), or a negative errno. */
int frame_memory_new(void);
/* Maps it. NULL: it is not what frame_memory_new() makes, or no memory. */
uint8_t *frame_memory_map(int fd);

/* 0; -EAGAIN it would block; -EPIPE the other side is gone; -EBADMSG not one of ours. Neither
 * waits. */
int frame_send(int fd, const struct frame *f);
int frame_receive(int fd, struct frame *ret);

const char *coding_name(enum coding c);             /* "rgb24", "h264", ... */
const char *pixel_format_name(enum pixel_format p); /* "BGRX", ... */
unsigned pixel_format_bytes(enum pixel_format p);
/* By name and length; -EINVAL: not one of ours. */
int coding_parse(const char *name, size_t len, enum coding *ret);
int pixel_format_parse(const char *name, size_t len, enum pixel_format *ret);
