/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/drive.c - uses an encoder as the encoder process does, a step for each word:
 *
 *   drive ENCODER.so STEP...
 *     caps                              what it can
 *     open=h264,420,320x240[,KEY=N...]  KEY: quality, speed, kbps, fps, simple, high
 *     frames=N[,FILE]                   so many pictures; what went in to FILE.raw, out to FILE
 *     key                               the next one is to be a key frame
 *     tune=QUALITY,KBPS
 *     close, wait                       wait: for a line
 *
 * Each says on a line what came of it. After an error all is closed, as is the rule, and the rest
 * left out; the exit status is 0 all the same.
 */
#include <dlfcn.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encode/encoder.h"
#include "encode/lock.h"

#define STREAMS 4
#define NOBODY 65534
#define PADDING 64

static const struct encoder *encoder;
static struct encoder_params params;
static void *streams[STREAMS];
static unsigned count, frame;
static bool force_key;

/* Letters, a gradient and something that moves. */
static void paint(uint8_t *pixels, uint32_t stride, unsigned n)
{
	for (unsigned y = 0; y < params.h; y++)
		for (unsigned x = 0; x < params.w; x++) {
			uint8_t *p = pixels + (size_t)y * stride + x * 4;
			bool ink = y < params.h / 2 && ((x / 3 * 7 + y / 4 * 5) % 11 < 4);
			bool moves = x / 16 == (n * 2 + y / 16) % 16;

			p[0] = (uint8_t)(ink ? 40 : 220 - x * 60 / params.w);
			p[1] = (uint8_t)(ink ? 30 : 120 + y * 90 / params.h);
			p[2] = (uint8_t)(moves ? 200 : ink ? 20 : 150);
			p[3] = 0; /* X: nobody may take it for alpha */
		}
}

static int open_one(char *text)
{
	char why[ENCODER_WHY_MAX] = "", *save = NULL, *word = strtok_r(text, ",", &save);
	unsigned w = 0, h = 0;
	int r;

	params = (struct encoder_params){.quality = {.quality = 80, .speed = 100, .fps = 30}};
	params.coding = word && strcmp(word, "h265") == 0 ? CODING_H265 : CODING_H264;
	word = strtok_r(NULL, ",", &save);
	params.csc = word && strcmp(word, "444") == 0 ? CSC_YUV444P : CSC_YUV420P;
	word = strtok_r(NULL, ",", &save);
	if (!word || sscanf(word, "%ux%u", &w, &h) != 2)
		exit(2);
	params.w = (uint16_t)w;
	params.h = (uint16_t)h;
	while ((word = strtok_r(NULL, ",", &save))) {
		char *value = strchr(word, '=');
		unsigned n = value ? (unsigned)strtoul(value + 1, NULL, 10) : 0;

		if (strncmp(word, "quality=", 8) == 0)
			params.quality.quality = (uint8_t)n;
		else if (strncmp(word, "speed=", 6) == 0)
			params.quality.speed = (uint8_t)n;
		else if (strncmp(word, "kbps=", 5) == 0)
			params.quality.max_kbps = n;
		else if (strncmp(word, "fps=", 4) == 0)
			params.quality.fps = n;
		else if (strncmp(word, "simple=", 7) == 0)
			params.h264_simple = n;
		else if (strncmp(word, "high=", 5) == 0)
			params.h264_high = n;
		else
			exit(2);
	}
	if (count == STREAMS)
		exit(2);
	r = encoder->open(&params, &streams[count], why);
	printf("open %d %s\n", r, r < 0 ? why : encoder->device(streams[count]));
	count += r >= 0;
	frame = 0;
	return r;
}

static int frames(const char *text)
{
	unsigned n = (unsigned)strtoul(text, NULL, 10);
	uint32_t stride = params.w * 4u + PADDING;
	uint8_t *pixels = calloc(params.h, stride);
	const char *comma = strchr(text, ',');
	FILE *out = comma ? fopen(comma + 1, "ab") : NULL, *raw = NULL;
	char path[512];
	int r = 0;

	if (comma) {
		snprintf(path, sizeof(path), "%s.raw", comma + 1);
		raw = fopen(path, "ab");
	}
	for (unsigned i = 0; i < n && r >= 0; i++) {
		struct picture in = {pixels, stride, params.w, params.h, frame * 33, force_key};
		struct encoded e = {0};

		paint(pixels, stride, frame++);
		r = encoder->encode(streams[count - 1], &in, &e);
		printf("frame %d %zu %s\n", r, e.len, e.key ? "key" : "delta");
		force_key = false;
		if (r >= 0 && out)
			fwrite(e.data, 1, e.len, out);
		for (unsigned y = 0; raw && y < params.h; y++)
			fwrite(pixels + (size_t)y * stride, 4, params.w, raw);
	}
	if (out)
		fclose(out);
	if (raw)
		fclose(raw);
	free(pixels);
	return r;
}

static int show_caps(void)
{
	struct encoder_caps caps[16];
	size_t n = encoder->caps(caps, 16);

	for (size_t i = 0; i < n; i++)
		printf("caps %s %s %dx%d %dx%d\n", caps[i].coding == CODING_H265 ? "h265" : "h264",
		       caps[i].csc == CSC_YUV444P ? "444" : "420", caps[i].min_w, caps[i].min_h,
		       caps[i].max_w, caps[i].max_h);
	return 0;
}

static int lock(void)
{
	int r;

	/* the real one is nobody in particular from its start */
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	                       setresuid(NOBODY, NOBODY, NOBODY) < 0))
		exit(2);
	r = lock_down(encoder->needs_device);
	printf("lock %d\n", r);
	return r;
}

static int tune(const char *text)
{
	struct encoder_quality q = params.quality;
	char *end;
	int r;

	q.quality = (uint8_t)strtoul(text, &end, 10);
	q.max_kbps = (uint32_t)strtoul(end + 1, NULL, 10);
	r = encoder->tune(streams[count - 1], &q);
	printf("tune %d\n", r);
	return r;
}

static int step(char *word)
{
	char line[16];

	if (strncmp(word, "try-", 4) == 0) {
		if (step(word + 4) < 0 && strncmp(word, "try-open", 8) != 0)
			encoder->close(streams[--count]);
		return 0;
	}
	if (strncmp(word, "open=", 5) == 0)
		return open_one(word + 5);
	if (strncmp(word, "frames=", 7) == 0)
		return frames(word + 7);
	if (strncmp(word, "tune=", 5) == 0)
		return tune(word + 5);
	if (strcmp(word, "caps") == 0)
		return show_caps();
	if (strcmp(word, "lock") == 0)
		return lock();
	if (strcmp(word, "wait") == 0)
		return fgets(line, sizeof(line), stdin) ? 0 : -1;
	if (strcmp(word, "key") == 0)
		force_key = true;
	else if (strcmp(word, "close") == 0)
		encoder->close(streams[--count]);
	else
		exit(2);
	return 0;
}

int main(int argc, char **argv)
{
	char why[ENCODER_WHY_MAX] = "";
	void *object = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	encoder = object ? dlsym(object, "encoder") : NULL;
	if (!encoder || encoder->abi != ENCODER_ABI) {
		printf("no encoder: %s\n", dlerror());
		return 1;
	}
	r = encoder->load(why);
	printf("load %d %s\n", r, why);
	for (int i = 2; i < argc && r >= 0; i++)
		r = step(argv[i]);
	while (count > 0)
		encoder->close(streams[--count]);
	encoder->close(NULL);
	printf("end\n");
	return 0;
}
