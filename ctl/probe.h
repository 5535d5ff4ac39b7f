/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/probe.h - tries an encoder: three pictures, encoded, decoded and compared. In xproxyctl.
 */
#pragma once

#include "ctl/decode.h"
#include "encode/encoder.h"

#define PROBE_W 640
#define PROBE_H 480
#define PROBE_PICTURES 3
#define PROBE_MAX 16       /* codings of one encoder */
#define PROBE_EXACT 100.0  /* a PSNR no other picture has: no difference */
#define PROBE_UNKNOWN -1.0 /* it was not decoded */
#define PROBE_PSNR_MIN 25.0

struct probe {
	struct encoder_caps caps;
	uint8_t quality;
	char why[ENCODER_WHY_MAX]; /* "": it did all it should */
	char device[64];
	uint32_t open_usec;
	unsigned count; /* of pictures that came out */
	struct {
		uint32_t usec, bytes;
		double psnr; /* of red, green and blue, in dB */
	} pictures[PROBE_PICTURES];
};

struct probe_list {
	bool usable;   /* it could be loaded */
	bool ended;    /* it crashed or hung */
	char why[512]; /* if it could not, or crashed */
	unsigned count;
	struct probe items[PROBE_MAX];
};

/* The picture that is tried: text on the left, a gradient on the right, moving. number counts from
 * 0; PROBE_W * PROBE_H pixels B G R X. Always the same bytes. */
void probe_draw(unsigned number, uint8_t *pixels);

/* The likeness of two pictures of that size; PROBE_EXACT: every pixel equal. */
double probe_psnr(const uint8_t *a, const uint8_t *b);

/* What the encoder could be used for and, with `thorough`, how it did. In a process of its own, so
 * that whatever a driver does to it, the caller lives. decoder may be NULL. 0 or a negative errno.
 */
int probe_encoder(const char *name, bool thorough, const struct decoder *decoder,
                  struct probe_list *ret);
