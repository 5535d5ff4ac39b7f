/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/webp.c - webp by libwebp; without loss at quality 100. Encoder process, locked. System
 * calls: mmap, brk (memory).
 */
#include <webp/encode.h>

#include "base/macros.h"
#include "encode/soft.h"

struct webp {
	struct encoder_quality quality;
	WebPMemoryWriter out; /* keeps its memory from picture to picture */
};

static int load(char why[ENCODER_WHY_MAX])
{
	(void)why;
	return 0;
}

static size_t caps(struct encoder_caps *ret, size_t max)
{
	if (max > 0)
		*ret = (struct encoder_caps){.coding = CODING_WEBP,
		                             .max_w = WEBP_MAX_DIMENSION,
		                             .max_h = WEBP_MAX_DIMENSION,
		                             .lossless = true};
	return max > 0;
}

static void webp_done(void *enc)
{
	struct webp *w = enc;

	if (!w)
		return;
	WebPMemoryWriterClear(&w->out);
	free(w);
}

static int webp_begin(const struct encoder_params *p, void **ret, char why[ENCODER_WHY_MAX])
{
	struct webp *w;

	if (p->coding != CODING_WEBP)
		return soft_fail(why, -EOPNOTSUPP, "not a coding of webp");
	w = calloc(1, sizeof(*w));
	if (!w)
		return soft_fail(why, -ENOMEM, "out of memory");
	w->quality = p->quality;
	WebPMemoryWriterInit(&w->out);
	*ret = w;
	return 0;
}

static bool configure(const struct encoder_quality *q, WebPConfig *c)
{
	int quality = soft_percent(q->quality);

	if (!WebPConfigPreset(c, WEBP_PRESET_DEFAULT, (float)quality))
		return false;
	if (quality == 100)
		return WebPConfigLosslessPreset(c, 0); /* the fastest: others take seconds */
	/* 0 to 2 of the library's 6: a picture of a whole screen takes 30 ms even so */
	c->method = q->speed >= 67 ? 0 : q->speed >= 34 ? 1 : 2;
	return true;
}

static int webp_picture(void *enc, const struct picture *in, struct encoded *ret)
{
	struct webp *w = enc;
	WebPConfig config;
	WebPPicture from;
	bool ok;

	if (!soft_picture_ok(in) || in->w > WEBP_MAX_DIMENSION || in->h > WEBP_MAX_DIMENSION)
		return -EINVAL;
	if (!configure(&w->quality, &config) || !WebPPictureInit(&from))
		return -EIO;
	from.use_argb = config.lossless;
	from.width = in->w;
	from.height = in->h;
	w->out.size = 0;
	from.writer = WebPMemoryWrite;
	from.custom_ptr = &w->out;
	ok = WebPPictureImportBGRX(&from, in->pixels, (int)in->stride) &&
	     WebPEncode(&config, &from);
	WebPPictureFree(&from);
	if (!ok)
		return from.error_code == VP8_ENC_ERROR_OUT_OF_MEMORY ? -ENOMEM : -EIO;
	*ret = (struct encoded){w->out.mem, w->out.size, true, config.lossless};
	return 0;
}

static int webp_tune(void *enc, const struct encoder_quality *q)
{
	struct webp *w = enc;

	w->quality = *q;
	return 0;
}

const struct encoder encoder = {
	.abi = ENCODER_ABI,
	.name = "webp",
	.load = load,
	.caps = caps,
	.open = webp_begin,
	.encode = webp_picture,
	.tune = webp_tune,
	.close = webp_done,
	.device = soft_device,
};
