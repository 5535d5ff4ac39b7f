/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/encode.c - what each encoder makes of each scene. All in one process, frame by frame,
 * as other work on the machine then disturbs all of them alike; times are of the processor, and
 * compared to lz4 and memcpy of the same frame. What comes out is decoded and compared with what
 * went in.
 */
#include "tests/bench/encode.h"

#include <errno.h>
#include <lz4.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "base/module.h"
#include "ctl/decode.h"
#include "encode/encoder.h"
#include "tests/bench/scene.h"

#define CONTENDERS_MAX 24
#define STILL_EVERY 5   /* frames: each is by itself, fewer say the same */
#define COMPARE_EVERY 5 /* frames: it takes longer than to encode one */
#define QUALITY_VIDEO 60
#define QUALITY_STILL 87
#define TEXT_RATIO 2.5 /* x264's time to lz4's of the same frame, at most, where it is text */

struct contender {
	const struct encoder *encoder;
	struct encoder_caps caps;
	void *enc, *dec;
	char name[32], why[ENCODER_WHY_MAX];
	double msec[FRAMES_MAX], to_lz4[FRAMES_MAX], to_copy[FRAMES_MAX];
	unsigned count, compared;
	uint64_t bytes, first_bytes;
	double luma, rgb; /* squares of errors, means of the pictures compared */
};

struct bench {
	unsigned w, h, frames;
	const struct decoder *decoder;
	struct contender contenders[CONTENDERS_MAX];
	unsigned count;
	uint8_t *pixels, *decoded, *copy;
	char *packed;
	double copy_msec, lz4_msec; /* of this frame */
	double copies[FRAMES_MAX], lz4s[FRAMES_MAX];
	uint64_t lz4_bytes;
};

double cpu_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double quantile(const double *values, unsigned n, double q)
{
	double sorted[FRAMES_MAX];

	if (n == 0)
		return 0;
	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), compare);
	return sorted[(unsigned)((n - 1) * q + 0.5)];
}

void judge(const char *what, double is, bool most, double target, const char *unit)
{
	bool met = most ? is <= target : is >= target;

	printf("  %-34s %.2f%s, target %s %g%s: %s\n", what, is, unit, most ? "<=" : ">=", target,
	       unit, met ? "MET" : "MISSED");
}

const struct decoder *bench_decoder(void)
{
	const void *symbol = NULL;
	const char *why = "it is not there";

	if (module_load("probe-decode.so", "decoder", &symbol, NULL, &why) == 0)
		return symbol;
	printf("  pictures are not compared, for lack of probe-decode.so: %s\n", why);
	return NULL;
}

/* ---- how alike ------------------------------------------------------------------------------- */

/* Mean squares of the errors of two pictures B G R X, rows without gaps. */
void picture_errors(const uint8_t *a, const uint8_t *b, size_t pixels, double *ret_luma,
                    double *ret_rgb)
{
	uint64_t rgb = 0, luma = 0;

	for (size_t i = 0; i < pixels; i++, a += 4, b += 4) {
		int db = a[0] - b[0], dg = a[1] - b[1], dr = a[2] - b[2];
		int y = 29 * db + 150 * dg + 77 * dr;

		rgb += (unsigned)(db * db + dg * dg + dr * dr);
		luma += (unsigned)(y / 16 * (y / 16));
	}
	*ret_luma = (double)luma / 256 / (double)pixels;
	*ret_rgb = (double)rgb / 3 / (double)pixels;
}

const char *decibels(double square, char ret[16])
{
	if (square <= 0)
		snprintf(ret, 16, "exact");
	else
		snprintf(ret, 16, "%.1f", 10 * log10(255 * 255 / square));
	return ret;
}

/* ---- contenders ------------------------------------------------------------------------------ */

static void add(struct bench *b, const char *name)
{
	struct encoder_caps caps[16];
	const char *why;
	char reason[ENCODER_WHY_MAX] = "";
	const struct encoder *e = encoder_find(name, &why);
	size_t n;

	if (!e || e->load(reason) < 0) {
		printf("  %-20s is not there: %s\n", name, e ? reason : why);
		return;
	}
	n = e->caps(caps, ARRAY_SIZE(caps));
	for (size_t i = 0; i < n && b->count < CONTENDERS_MAX; i++) {
		struct contender *c = &b->contenders[b->count++];

		*c = (struct contender){.encoder = e, .caps = caps[i]};
		snprintf(c->name, sizeof(c->name), "%s %s%s", name, coding_name(caps[i].coding),
		         !caps[i].video               ? ""
		         : caps[i].csc == CSC_YUV444P ? " 4:4:4"
		                                      : " 4:2:0");
	}
}

static void begin(struct bench *b, struct contender *c)
{
	uint8_t quality = c->caps.video ? QUALITY_VIDEO : QUALITY_STILL;
	struct encoder_params p = {.coding = c->caps.coding,
	                           .csc = c->caps.csc,
	                           .w = (uint16_t)b->w,
	                           .h = (uint16_t)b->h,
	                           .h264_high = true,
	                           .quality = {.quality = quality, .speed = 100, .fps = 30}};

	c->count = c->compared = 0;
	c->bytes = c->first_bytes = 0;
	c->luma = c->rgb = 0;
	c->why[0] = 0;
	if (c->encoder->open(&p, &c->enc, c->why) < 0) {
		c->enc = NULL;
		return;
	}
	c->why[0] = 0; /* it may be anything then */
	c->dec = b->decoder ? b->decoder->open(c->caps.coding) : NULL;
}

static void finish(const struct bench *b, struct contender *c)
{
	c->encoder->close(c->enc);
	if (c->dec)
		b->decoder->close(c->dec);
	c->enc = c->dec = NULL;
}

static void fail(const struct bench *b, struct contender *c, const char *why)
{
	snprintf(c->why, sizeof(c->why), "%s", why);
	finish(b, c);
}

static void check(struct bench *b, struct contender *c, const struct encoded *out, unsigned n)
{
	double luma, rgb;

	if (!c->dec)
		return;
	if (out->len > 0 && b->decoder->decode(c->dec, out->data, out->len, (uint16_t)b->w,
	                                       (uint16_t)b->h, b->decoded) < 0) {
		fail(b, c, "what it made cannot be decoded");
		return;
	}
	if (n % COMPARE_EVERY != 0)
		return;
	picture_errors(b->pixels, b->decoded, (size_t)b->w * b->h, &luma, &rgb);
	c->luma += luma;
	c->rgb += rgb;
	c->compared++;
}

static void encode(struct bench *b, struct contender *c, unsigned n)
{
	struct picture in = {.pixels = b->pixels,
	                     .stride = b->w * 4,
	                     .w = (uint16_t)b->w,
	                     .h = (uint16_t)b->h,
	                     .pts_msec = n * 1000 / 30};
	struct encoded out = {0};
	double began, msec;

	if (!c->enc || (!c->caps.video && n % STILL_EVERY != 0))
		return;
	began = cpu_msec();
	if (c->encoder->encode(c->enc, &in, &out) < 0) {
		fail(b, c, "it failed");
		return;
	}
	msec = cpu_msec() - began;
	c->msec[c->count] = msec;
	c->to_lz4[c->count] = msec / b->lz4_msec;
	c->to_copy[c->count] = msec / b->copy_msec;
	if (c->count++ == 0)
		c->first_bytes = out.len;
	else
		c->bytes += out.len;
	check(b, c, &out, n);
}

/* ---- a scene --------------------------------------------------------------------------------- */

static void measure_yardsticks(struct bench *b, unsigned n)
{
	int size = (int)(b->w * b->h * 4), len;
	double began = cpu_msec();

	memcpy(b->copy, b->pixels, (size_t)size);
	b->copies[n] = b->copy_msec = cpu_msec() - began;
	began = cpu_msec();
	len = LZ4_compress_default((const char *)b->pixels, b->packed, size,
	                           LZ4_compressBound(size));
	b->lz4s[n] = b->lz4_msec = cpu_msec() - began;
	b->lz4_bytes += (uint64_t)len;
}

/* All but the first frame, which is another matter for a video. */
static void print(const struct contender *c)
{
	unsigned skip = c->count > 1, n = c->count - skip;
	char luma[16] = "-", rgb[16] = "-";

	if (c->why[0] || c->count == 0) {
		printf("  %-20s %s\n", c->name, c->why);
		return;
	}
	if (c->compared > 0) {
		(void)decibels(c->luma / c->compared, luma);
		(void)decibels(c->rgb / c->compared, rgb);
	}
	printf("  %-20s %7.1f %7.1f %7.1f %9.1f %9.1f %7s %7s %6.1f %6.1f\n", c->name,
	       quantile(c->msec + skip, n, 0.5), quantile(c->msec + skip, n, 0.95), c->msec[0],
	       (double)c->bytes / 1e3 / (n > 0 ? n : 1), (double)c->first_bytes / 1e3, luma, rgb,
	       quantile(c->to_lz4 + skip, n, 0.5), quantile(c->to_copy + skip, n, 0.5));
}

static void report(const struct bench *b, enum scene_kind k)
{
	printf("%-7s %14s %7s %7s %7s %9s %9s %7s %7s %6s %6s\n", scene_name(k),
	       "CPU ms:", "median", "p95", "first", "kB each", "kB first", "luma dB", "RGB dB",
	       "x lz4", "x copy");
	printf("  %-20s %7.1f %7.1f %7.1f %9.1f\n", "lz4", quantile(b->lz4s, b->frames, 0.5),
	       quantile(b->lz4s, b->frames, 0.95), b->lz4s[0],
	       (double)b->lz4_bytes / 1e3 / b->frames);
	printf("  %-20s %7.1f %7.1f %7.1f\n", "memcpy", quantile(b->copies, b->frames, 0.5),
	       quantile(b->copies, b->frames, 0.95), b->copies[0]);
	for (unsigned i = 0; i < b->count; i++)
		print(&b->contenders[i]);
	for (unsigned i = 0; i < b->count; i++) {
		const struct contender *c = &b->contenders[i];
		double ratio = quantile(c->to_lz4 + 1, c->count > 1 ? c->count - 1 : 0, 0.5);
		char what[64];

		if (strcmp(c->encoder->name, "x264") != 0 || c->caps.csc != CSC_YUV420P ||
		    (k != SCENE_TYPE && k != SCENE_SCROLL))
			continue;
		snprintf(what, sizeof(what), "%s, %s, time to lz4's", scene_name(k), c->name);
		judge(what, c->why[0] || c->count < 2 ? INFINITY : ratio, true, TEXT_RATIO, " x");
	}
	(void)fflush(stdout);
}

static int run_scene(struct bench *b, enum scene_kind k)
{
	__attribute__((cleanup(scene_free))) struct scene scene;
	int r = scene_init(&scene, k, b->w, b->h);

	if (r < 0)
		return r;
	b->lz4_bytes = 0;
	for (unsigned i = 0; i < b->count; i++)
		begin(b, &b->contenders[i]);
	for (unsigned n = 0; n < b->frames; n++) {
		scene_frame(&scene, n, b->pixels, (size_t)b->w * 4, NULL);
		measure_yardsticks(b, n);
		for (unsigned i = 0; i < b->count; i++)
			encode(b, &b->contenders[i], n);
	}
	report(b, k);
	for (unsigned i = 0; i < b->count; i++)
		finish(b, &b->contenders[i]);
	return 0;
}

static int allocate(struct bench *b)
{
	size_t size = (size_t)b->w * b->h * 4;

	b->pixels = calloc(1, size);
	b->decoded = calloc(1, size);
	b->copy = calloc(1, size);
	b->packed = malloc((size_t)LZ4_compressBound((int)size));
	return b->pixels && b->decoded && b->copy && b->packed ? 0 : -ENOMEM;
}

int bench_pictures(unsigned w, unsigned h, unsigned frames, char *const names[])
{
	static char *const all[] = {"x264", "openh264", "vp8",   "jpeg",
	                            "webp", "png",      "nvenc", NULL};
	static struct bench b;
	int r;

	b = (struct bench){.w = w, .h = h, .frames = frames, .decoder = bench_decoder()};
	printf("%ux%u, %u frames (stills: every %u.), quality %d for video, %d for stills, speed "
	       "100\n",
	       w, h, frames, STILL_EVERY, QUALITY_VIDEO, QUALITY_STILL);
	for (char *const *name = *names ? names : all; *name; name++)
		add(&b, *name);
	r = allocate(&b);
	for (int k = 0; k < SCENE_MAX_ && r == 0; k++)
		r = run_scene(&b, (enum scene_kind)k);
	free(b.pixels);
	free(b.decoded);
	free(b.copy);
	free(b.packed);
	return r;
}
