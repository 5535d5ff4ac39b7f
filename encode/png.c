/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/png.c - png by libspng, never with a loss. Encoder process, locked. System calls: mmap,
 * brk (memory).
 */
#include <libyuv/convert_from_argb.h>
#include <spng.h>

#include "base/macros.h"
#include "encode/csc.h"
#include "encode/soft.h"

#define FIRST_BYTES ((size_t)256 << 10)

struct png {
	uint8_t row[FRAME_SIDE_MAX * 3];
	uint8_t *data; /* of the largest picture so far */
	size_t len, size;
};

static size_t caps(struct encoder_caps *ret, size_t max)
{
	if (max > 0)
		*ret = (struct encoder_caps){.coding = CODING_PNG, .lossless = true};
	return max > 0;
}

static void png_done(void *enc)
{
	struct png *p = enc;

	if (!p)
		return;
	free(p->data);
	free(p);
}

static int png_begin(const struct encoder_params *params, void **ret, char why[ENCODER_WHY_MAX])
{
	struct png *p;

	if (params->coding != CODING_PNG)
		return soft_fail(why, -EOPNOTSUPP, "not a coding of png");
	p = calloc(1, sizeof(*p));
	if (!p)
		return soft_fail(why, -ENOMEM, "out of memory");
	*ret = p;
	return 0;
}

/* The library's way to get rid of bytes. */
static int put(spng_ctx *lib, void *user, void *data, size_t len)
{
	struct png *p = user;

	(void)lib;
	if (p->size - p->len < len) {
		size_t size = p->size > 0 ? p->size : FIRST_BYTES;
		uint8_t *more;

		while (size - p->len < len)
			size *= 2;
		more = realloc(p->data, size);
		if (!more)
			return SPNG_EMEM;
		p->data = more;
		p->size = size;
	}
	memcpy(p->data + p->len, data, len);
	p->len += len;
	return 0;
}

static int write_rows(struct png *p, spng_ctx *lib, const struct picture *in)
{
	int r = spng_encode_image(lib, NULL, 0, SPNG_FMT_PNG,
	                          SPNG_ENCODE_PROGRESSIVE | SPNG_ENCODE_FINALIZE);

	for (unsigned y = 0; y < in->h && r == 0; y++) {
		/* libyuv's ARGB is B G R A in memory, its RAW is R G B */
		ARGBToRAW(in->pixels + (size_t)y * in->stride, (int)in->stride, p->row, in->w * 3,
		          in->w, 1);
		r = spng_encode_row(lib, p->row, (size_t)in->w * 3);
	}
	return r == SPNG_EOI ? 0 : r == SPNG_EMEM ? -ENOMEM : -EIO;
}

static int png_picture(void *enc, const struct picture *in, struct encoded *ret)
{
	struct spng_ihdr head = {.width = in->w,
	                         .height = in->h,
	                         .bit_depth = 8,
	                         .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
	struct png *p = enc;
	spng_ctx *lib;
	int r = -EIO;

	if (!soft_picture_ok(in))
		return -EINVAL;
	lib = spng_ctx_new(SPNG_CTX_ENCODER);
	if (!lib)
		return -ENOMEM;
	p->len = 0;
	/* rows as what differs from the row above: to try all ways of the format takes four times
	 * as long for a few percent, none of them makes many times the bytes */
	if (spng_set_png_stream(lib, put, p) == 0 && spng_set_ihdr(lib, &head) == 0 &&
	    spng_set_option(lib, SPNG_IMG_COMPRESSION_LEVEL, 1) == 0 &&
	    spng_set_option(lib, SPNG_FILTER_CHOICE, SPNG_FILTER_CHOICE_UP) == 0)
		r = write_rows(p, lib, in);
	spng_ctx_free(lib);
	if (r == 0)
		*ret = (struct encoded){p->data, p->len, true, true};
	return r;
}

static int png_tune(void *enc, const struct encoder_quality *q)
{
	(void)enc;
	(void)q;
	return 0;
}

const struct encoder encoder = {
	.abi = ENCODER_ABI,
	.name = "png",
	.load = csc_load,
	.caps = caps,
	.open = png_begin,
	.encode = png_picture,
	.tune = png_tune,
	.close = png_done,
	.device = soft_device,
};
