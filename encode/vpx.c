/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/vpx.c - vp8 by libvpx: what every client has that may not have h264. Encoder process,
 * locked. System calls: mmap, brk (memory); openat, sched_getaffinity (it wants to know how many
 * processors there are, and takes one for an answer when both are refused).
 */
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

#include "base/macros.h"
#include "encode/csc.h"
#include "encode/soft.h"

#define QUANTIZER_WORST 63
/* That of quality 0: pictures are then about as good as those of the others at the same quality. */
#define QUANTIZER_NONE 47
/* Of the library's degrees of haste: below it tries for too long, beyond nothing gets faster. */
#define HASTE_MIN 4
#define HASTE_MAX 12
#define BURST_MSEC 200 /* so much time's worth may a single picture have */

struct vpx {
	vpx_codec_ctx_t lib;
	bool opened;
	vpx_codec_enc_cfg_t config;
	struct csc_planes csc;
	vpx_image_t image;
	vpx_codec_pts_t number; /* of the next picture */
};

static size_t caps(struct encoder_caps *ret, size_t max)
{
	if (max > 0)
		*ret = (struct encoder_caps){.coding = CODING_VP8,
		                             .csc = CSC_YUV420P,
		                             .min_w = SOFT_VIDEO_MIN,
		                             .min_h = SOFT_VIDEO_MIN,
		                             .max_w = SOFT_VIDEO_MAX,
		                             .max_h = SOFT_VIDEO_MAX,
		                             .video = true};
	return max > 0;
}

static void vpx_done(void *enc)
{
	struct vpx *v = enc;

	if (!v)
		return;
	if (v->opened)
		vpx_codec_destroy(&v->lib);
	csc_free(&v->csc);
	free(v);
}

/* One quality throughout; with a limit, as bad as that needs. */
static void set_quality(vpx_codec_enc_cfg_t *c, const struct encoder_quality *q)
{
	unsigned best = (unsigned)(QUANTIZER_NONE * (100 - soft_percent(q->quality)) / 100);
	bool limited = q->max_kbps > 0 && q->max_kbps < INT32_MAX / 1000;

	c->rc_min_quantizer = best;
	c->rc_max_quantizer = limited ? QUANTIZER_WORST : best;
	c->rc_end_usage = limited ? VPX_CBR : VPX_VBR;
	c->rc_target_bitrate = limited ? q->max_kbps : INT32_MAX / 1000;
	c->rc_buf_sz = 2 * BURST_MSEC;
	c->rc_buf_initial_sz = c->rc_buf_optimal_sz = BURST_MSEC;
}

static int haste(const struct encoder_quality *q)
{
	int speed = q->speed < 100 ? q->speed : 100;

	/* negative: exactly this much; positive numbers are only a wish */
	return -(HASTE_MIN + (HASTE_MAX - HASTE_MIN) * speed / 100);
}

static int open_library(struct vpx *v, const struct encoder_params *p)
{
	vpx_codec_enc_cfg_t *c = &v->config;
	vpx_codec_err_t r;

	if (vpx_codec_enc_config_default(vpx_codec_vp8_cx(), c, 0) != VPX_CODEC_OK)
		return -EOPNOTSUPP;
	c->g_w = p->w;
	c->g_h = p->h;
	c->g_threads = 1;
	c->g_lag_in_frames = 0;
	c->g_timebase.num = 1;
	c->g_timebase.den = (int)soft_fps(&p->quality);
	c->g_pass = VPX_RC_ONE_PASS;
	c->g_error_resilient = 0;
	c->rc_dropframe_thresh = 0;
	c->rc_resize_allowed = 0;
	c->kf_mode = VPX_KF_DISABLED; /* they are asked for */
	set_quality(c, &p->quality);
	r = vpx_codec_enc_init(&v->lib, vpx_codec_vp8_cx(), c, 0);
	if (r != VPX_CODEC_OK)
		return r == VPX_CODEC_MEM_ERROR ? -ENOMEM : -EOPNOTSUPP;
	v->opened = true;
	return vpx_codec_control(&v->lib, VP8E_SET_CPUUSED, haste(&p->quality)) == VPX_CODEC_OK
	               ? 0
	               : -EOPNOTSUPP;
}

/* The library's view of our planes. */
static void wrap(struct vpx *v)
{
	v->image = (vpx_image_t){.fmt = VPX_IMG_FMT_I420,
	                         .w = v->csc.w,
	                         .h = v->csc.h,
	                         .d_w = v->csc.w,
	                         .d_h = v->csc.h,
	                         .bit_depth = 8,
	                         .x_chroma_shift = 1,
	                         .y_chroma_shift = 1,
	                         .bps = 12};
	for (int i = 0; i < 3; i++) {
		v->image.planes[i] = v->csc.planes[i];
		v->image.stride[i] = v->csc.stride[i];
	}
}

static int vpx_begin(const struct encoder_params *p, void **ret, char why[ENCODER_WHY_MAX])
{
	struct vpx *v;
	int r;

	if (p->coding != CODING_VP8 || p->csc != CSC_YUV420P)
		return soft_fail(why, -EOPNOTSUPP, "not a coding of vp8");
	if (!soft_size_ok(p))
		return soft_fail(why, -EOPNOTSUPP, "not a size for this coding");
	v = calloc(1, sizeof(*v));
	if (!v)
		return soft_fail(why, -ENOMEM, "out of memory");
	r = csc_init(&v->csc, p->csc, p->w, p->h);
	if (r == 0)
		r = open_library(v, p);
	if (r < 0) {
		vpx_done(v);
		return soft_fail(why, r,
		                 r == -ENOMEM ? "out of memory" : "libvpx refused the parameters");
	}
	wrap(v);
	*ret = v;
	return 0;
}

static int vpx_picture(void *enc, const struct picture *in, struct encoded *ret)
{
	struct vpx *v = enc;
	const vpx_codec_cx_pkt_t *packet;
	vpx_codec_iter_t iter = NULL;
	int r = csc_convert(&v->csc, in);

	if (r < 0)
		return r;
	if (vpx_codec_encode(&v->lib, &v->image, v->number++, 1,
	                     in->force_key ? VPX_EFLAG_FORCE_KF : 0,
	                     VPX_DL_REALTIME) != VPX_CODEC_OK)
		return -EIO;
	*ret = (struct encoded){0};
	while ((packet = vpx_codec_get_cx_data(&v->lib, &iter))) {
		if (packet->kind != VPX_CODEC_CX_FRAME_PKT)
			continue;
		if (ret->data)
			return -EIO; /* one picture in, one out */
		ret->data = packet->data.frame.buf;
		ret->len = packet->data.frame.sz;
		ret->key = packet->data.frame.flags & VPX_FRAME_IS_KEY;
	}
	return ret->data ? 0 : -EIO;
}

static int vpx_tune(void *enc, const struct encoder_quality *q)
{
	struct vpx *v = enc;

	set_quality(&v->config, q);
	if (vpx_codec_enc_config_set(&v->lib, &v->config) != VPX_CODEC_OK)
		return -EINVAL;
	return vpx_codec_control(&v->lib, VP8E_SET_CPUUSED, haste(q)) == VPX_CODEC_OK ? 0 : -EINVAL;
}

static uint8_t vpx_left(void *enc)
{
	struct vpx *v = enc;
	int quantizer;

	if (vpx_codec_control(&v->lib, VP8E_GET_LAST_QUANTIZER_64, &quantizer) != VPX_CODEC_OK)
		return 0;
	if (quantizer >= QUANTIZER_NONE)
		return 1;
	return (uint8_t)(100 - quantizer * 100 / QUANTIZER_NONE);
}

const struct encoder encoder = {
	.abi = ENCODER_ABI,
	.name = "vp8",
	.load = csc_load,
	.caps = caps,
	.open = vpx_begin,
	.encode = vpx_picture,
	.tune = vpx_tune,
	.close = vpx_done,
	.device = soft_device,
	.left = vpx_left,
};
