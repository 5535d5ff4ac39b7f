/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/x264.c - h264 by libx264, 4:2:0 and 4:4:4. Encoder process, locked. System calls: mmap,
 * brk (memory).
 */
#include <stdint.h>
#include <x264.h>

#include "base/macros.h"
#include "encode/csc.h"
#include "encode/soft.h"

/* From here on nothing is looked for that can be left out. Half of what that saves is the entropy
 * coder, which is chosen when a video is opened. */
#define PLAIN_FROM 50
#define UNLIMITED_KBPS 1000000
/* A part of a second, whose worth a single picture may have: more would be a queue on the way to
 * the client, less would make key frames unreadable. */
#define BURST 5

struct x264 {
	x264_t *lib;
	struct encoder_params params;
	struct csc_planes csc;
	int64_t number; /* of the next picture */
	uint8_t left;   /* of the last one's quality */
};

/* What tune() may change. A limit cannot come or go while the library runs, so there is always one:
 * at first so high that nothing comes near it. */
static void set_quality(x264_param_t *x, const struct encoder_quality *q)
{
	bool limited = q->max_kbps > 0 && q->max_kbps < UNLIMITED_KBPS;
	int kbps = limited ? (int)q->max_kbps : UNLIMITED_KBPS;

	x->i_fps_num = soft_fps(q);
	x->i_fps_den = 1;
	x->rc.i_rc_method = X264_RC_CRF;
	x->rc.f_rf_constant = soft_h264_qp(q->quality);
	x->rc.i_vbv_max_bitrate = kbps;
	x->rc.i_vbv_buffer_size = kbps >= BURST ? kbps / BURST : 1;
}

/* The lowest that allows this size this often. By itself the library would believe the limit above,
 * and say the highest. */
static int level_of(const struct encoder_params *p)
{
	int wide = (p->w + 15) / 16, high = (p->h + 15) / 16, blocks = wide * high;
	int longer = wide > high ? wide : high;
	const x264_level_t *l = x264_levels;

	while (l[1].level_idc &&
	       (blocks > l->frame_size || blocks > l->dpb || longer * longer > l->frame_size * 8 ||
	        blocks * (int64_t)soft_fps(&p->quality) > l->mbps))
		l++;
	return l->level_idc;
}

/* What tune() may change of how long a picture takes; how an open encoder searches for motion and
 * codes bits is fixed by the library. It is enough, so that none is opened again for its speed,
 * which would be a key frame of 400 kB: one that was opened for good pictures takes 7.2 ms for one
 * of a 1080p film then instead of 8.9, one that was opened for fast ones 7.1. */
static void set_speed(x264_param_t *x, const struct encoder_quality *q, bool simple)
{
	bool plain = q->speed >= PLAIN_FROM;

	x->analyse.inter = x->analyse.intra = plain ? 0 : X264_ANALYSE_I4x4 | X264_ANALYSE_I8x8;
	x->analyse.b_transform_8x8 = !plain && !simple;
	x->b_deblocking_filter = !plain && !simple;
}

static int set_all(x264_param_t *x, const struct encoder_params *p)
{
	bool plain = p->quality.speed >= PLAIN_FROM;
	const char *profile = p->csc == CSC_YUV444P ? "high444"
	                      : p->h264_simple      ? "baseline"
	                      : p->h264_high        ? "high"
	                                            : "main";

	if (x264_param_default_preset(x, plain ? "ultrafast" : "superfast", "zerolatency") < 0)
		return -EOPNOTSUPP;
	/* Motion between pixels needs three more copies of each reference, 40 MB in 4:4:4 at 1080p,
	 * and a quarter of the time; no scene became smaller by it: on a desktop things move by
	 * pixels. */
	x->analyse.i_subpel_refine = 0;
	x->analyse.i_weighted_pred = 0; /* fades are rare, and it is a copy too */
	x->rc.i_aq_mode = 0;            /* text is what it would take from, 2 dB and more */
	x->i_log_level = X264_LOG_NONE;
	x->i_csp = p->csc == CSC_YUV444P ? X264_CSP_I444 : X264_CSP_I420;
	x->i_width = p->w;
	x->i_height = p->h;
	x->i_bitdepth = 8;
	x->i_level_idc = level_of(p);
	x->i_threads = 1;
	x->b_sliced_threads = 0;
	x->i_bframe = 0;
	x->i_keyint_max = X264_KEYINT_MAX_INFINITE;
	x->i_scenecut_threshold = 0; /* key frames are asked for */
	x->b_repeat_headers = 1;     /* each key frame can be begun with */
	x->b_annexb = 1;
	x->b_vfr_input = 0;
	x->vui.b_fullrange = 0; /* a desktop's colours, converted by csc.c */
	x->vui.i_colorprim = 1;
	x->vui.i_transfer = 13;
	x->vui.i_colmatrix = 6;
	if (p->h264_simple)
		x->b_cabac = 0;
	set_speed(x, &p->quality, p->h264_simple);
	set_quality(x, &p->quality);
	return x264_param_apply_profile(x, profile) < 0 ? -EOPNOTSUPP : 0;
}

static size_t caps(struct encoder_caps *ret, size_t max)
{
	static const enum csc modes[] = {CSC_YUV420P, CSC_YUV444P};
	size_t n = 0;

	for (; n < ARRAY_SIZE(modes) && n < max; n++)
		ret[n] = (struct encoder_caps){.coding = CODING_H264,
		                               .csc = modes[n],
		                               .min_w = SOFT_VIDEO_MIN,
		                               .min_h = SOFT_VIDEO_MIN,
		                               .max_w = SOFT_VIDEO_MAX,
		                               .max_h = SOFT_VIDEO_MAX,
		                               .video = true};
	return n;
}

static void x264_done(void *enc)
{
	struct x264 *x = enc;

	if (!x)
		return;
	if (x->lib)
		x264_encoder_close(x->lib);
	csc_free(&x->csc);
	free(x);
}

static int open_library(struct x264 *x, char why[ENCODER_WHY_MAX])
{
	x264_param_t param;

	if (set_all(&param, &x->params) < 0)
		return soft_fail(why, -EOPNOTSUPP, "libx264 does not know the preset or profile");
	errno = 0;
	x->lib = x264_encoder_open(&param);
	x264_param_cleanup(&param);
	if (!x->lib)
		return soft_fail(why, errno == ENOMEM ? -ENOMEM : -EOPNOTSUPP,
		                 "libx264 refused the parameters");
	return 0;
}

static int x264_begin(const struct encoder_params *p, void **ret, char why[ENCODER_WHY_MAX])
{
	struct x264 *x;
	int r;

	if (p->coding != CODING_H264 || (p->h264_simple && p->csc != CSC_YUV420P))
		return soft_fail(why, -EOPNOTSUPP, "not a coding of x264");
	if (!soft_size_ok(p))
		return soft_fail(why, -EOPNOTSUPP, "not a size for this coding");
	x = calloc(1, sizeof(*x));
	if (!x)
		return soft_fail(why, -ENOMEM, "out of memory");
	x->params = *p;
	r = csc_init(&x->csc, p->csc, p->w, p->h);
	if (r < 0)
		soft_fail(why, r, "out of memory");
	else
		r = open_library(x, why);
	if (r < 0) {
		x264_done(x);
		return r;
	}
	*ret = x;
	return 0;
}

static int x264_picture(void *enc, const struct picture *in, struct encoded *ret)
{
	struct x264 *x = enc;
	x264_picture_t from, to;
	x264_nal_t *nals;
	int count, len, r = csc_convert(&x->csc, in);

	if (r < 0)
		return r;
	x264_picture_init(&from);
	from.i_type = in->force_key ? X264_TYPE_IDR : X264_TYPE_AUTO;
	from.i_pts = x->number++;
	from.img.i_csp = x->params.csc == CSC_YUV444P ? X264_CSP_I444 : X264_CSP_I420;
	from.img.i_plane = 3;
	for (int i = 0; i < 3; i++) {
		from.img.plane[i] = x->csc.planes[i];
		from.img.i_stride[i] = x->csc.stride[i];
	}
	len = x264_encoder_encode(x->lib, &nals, &count, &from, &to);
	if (len <= 0)
		return -EIO; /* 0: it has held the picture back, as it was told not to */
	/* all of a picture's pieces follow each other */
	x->left = soft_h264_quality(to.prop.f_crf_avg);
	*ret = (struct encoded){nals[0].p_payload, (size_t)len, to.b_keyframe, false};
	return 0;
}

static int x264_tune(void *enc, const struct encoder_quality *q)
{
	struct x264 *x = enc;
	x264_param_t param;

	x264_encoder_parameters(x->lib, &param);
	set_speed(&param, q, x->params.h264_simple);
	x->params.quality = *q;
	set_quality(&param, q);
	return x264_encoder_reconfig(x->lib, &param) < 0 ? -EINVAL : 0;
}

static uint8_t x264_left(void *enc)
{
	const struct x264 *x = enc;

	return x->left;
}

const struct encoder encoder = {
	.abi = ENCODER_ABI,
	.name = "x264",
	.load = csc_load,
	.caps = caps,
	.open = x264_begin,
	.encode = x264_picture,
	.tune = x264_tune,
	.close = x264_done,
	.device = soft_device,
	.left = x264_left,
};
