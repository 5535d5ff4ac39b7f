/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/probe.c - tries an encoder on a picture of its own. In a child of xproxyctl, with its
 * caller's privilege: libraries and drivers are loaded there, and may crash or hang.
 */
#include "ctl/probe.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/module.h"

#define PIXEL_BYTES ((size_t)PROBE_W * PROBE_H * 4)
#define PATIENCE_SEC 60 /* loading a driver for the first time takes seconds */
#define QUALITY 80
#define SPEED 80

const struct decoder *decoder_find(const char **ret_why)
{
	const struct decoder *d;
	const void *symbol;
	int r = module_load("probe-decode.so", "decoder", &symbol, NULL, ret_why);

	if (r == -ENOENT)
		*ret_why = "there is no probe-decode.so; Debian has it in the package "
			   "xproxy-encoders";
	if (r < 0)
		return NULL;
	d = symbol;
	if (d->abi == DECODER_ABI)
		return d;
	*ret_why = "probe-decode.so was built for another version of xproxy";
	return NULL;
}

/* A character cell of 8 by 16, its strokes made of the hash of where it is in the text. */
static bool ink(unsigned x, unsigned y)
{
	unsigned hash = (x / 8 * 2654435761u) ^ (y / 16 * 2246822519u), cx = x % 8, cy = y % 16;

	hash ^= hash >> 15;
	hash *= 3266489917u;
	hash ^= hash >> 13;
	if (cx == 0 || cx > 6 || cy < 3 || cy > 12 || hash % 6 == 0) /* between characters, words */
		return false;
	return (cx == 1 && (hash & 8)) || (cx == 5 && (hash & 16)) || (cy == 3 && (hash & 32)) ||
	       (cy == 7 && (hash & 64)) || (cy == 12 && (hash & 128)) ||
	       ((hash & 256) && cx == (cy - 2) / 2);
}

static void put(uint8_t *p, unsigned b, unsigned g, unsigned r)
{
	p[0] = (uint8_t)b;
	p[1] = (uint8_t)g;
	p[2] = (uint8_t)r;
	p[3] = 0x5a; /* nobody may look at it */
}

void probe_draw(unsigned number, uint8_t *pixels)
{
	unsigned box = PROBE_W / 2 + 32 + number * 8; /* what moves over the gradient */

	for (unsigned y = 0; y < PROBE_H; y++)
		for (unsigned x = 0; x < PROBE_W; x++) {
			uint8_t *p = pixels + ((size_t)y * PROBE_W + x) * 4;
			unsigned line = (y + number * 16) / 16;

			if (x < PROBE_W / 2 && ink(x, y + number * 16)) /* every fourth in blue */
				put(p, line % 4 ? 32 : 200, 32, 32);
			else if (x < PROBE_W / 2)
				put(p, 244, 248, 250);
			else if (x >= box && x < box + 64 && y >= 200 && y < 264)
				put(p, 40, 90, 220);
			else
				put(p, 255 - y / 2, x * 255 / PROBE_W, (x + y + number * 4) / 5);
		}
}

double probe_psnr(const uint8_t *a, const uint8_t *b)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < PIXEL_BYTES; i++)
		if (i % 4 != 3)
			sum += (uint64_t)((a[i] - b[i]) * (a[i] - b[i]));
	if (sum == 0)
		return PROBE_EXACT;
	return 10 * log10(255.0 * 255.0 * (PROBE_W * PROBE_H * 3.0) / (double)sum);
}

static uint32_t since(uint64_t begin)
{
	return (uint32_t)(now_usec() - begin);
}

/* One picture there and back. False: p->why says what is wrong. */
static bool try_picture(const struct encoder *e, void *enc, const struct decoder *decoder,
                        void *dec, struct probe *p, uint8_t *pixels, uint8_t *seen)
{
	struct picture in = {.pixels = pixels, .stride = PROBE_W * 4, .w = PROBE_W, .h = PROBE_H};
	unsigned n = p->count;
	uint64_t begin;
	struct encoded out;
	int r;

	probe_draw(n, pixels);
	in.pts_msec = n * 33;
	begin = now_usec();
	r = e->encode(enc, &in, &out);
	p->pictures[n].usec = since(begin);
	p->pictures[n].psnr = PROBE_UNKNOWN;
	if (r < 0 || out.len == 0) {
		snprintf(p->why, sizeof(p->why), "no picture: %s",
		         r < 0 ? strerror(-r) : "it holds them back");
		return false;
	}
	p->pictures[n].bytes = (uint32_t)out.len;
	p->count++;
	if (n == 0 && !out.key) {
		snprintf(p->why, sizeof(p->why), "its first picture is not one to begin with");
		return false;
	}
	if (!dec)
		return true;
	r = decoder->decode(dec, out.data, out.len, PROBE_W, PROBE_H, seen);
	if (r < 0) {
		snprintf(p->why, sizeof(p->why), "its picture cannot be decoded: %s", strerror(-r));
		return false;
	}
	p->pictures[n].psnr = probe_psnr(pixels, seen);
	p->caps.lossless = out.lossless;
	if (p->pictures[n].psnr < (out.lossless ? PROBE_EXACT : PROBE_PSNR_MIN)) {
		snprintf(p->why, sizeof(p->why), "its picture shows something else");
		return false;
	}
	return true;
}

static void try_coding(const struct encoder *e, const struct decoder *decoder, struct probe *p)
{
	struct encoder_params params = {.coding = p->caps.coding,
	                                .csc = p->caps.csc,
	                                .w = PROBE_W,
	                                .h = PROBE_H,
	                                .h264_high = true,
	                                .quality = {p->quality, SPEED, 0, 30}};
	void *dec = decoder ? decoder->open(p->caps.coding) : NULL, *enc = NULL;
	_cleanup_free_ uint8_t *pixels = malloc(PIXEL_BYTES), *seen = malloc(PIXEL_BYTES);
	uint64_t begin = now_usec();
	const char *device;

	if (!pixels || !seen)
		snprintf(p->why, sizeof(p->why), "out of memory");
	else if (e->open(&params, &enc, p->why) == 0) {
		p->open_usec = since(begin);
		device = e->device ? e->device(enc) : NULL;
		snprintf(p->device, sizeof(p->device), "%s", device ? device : "");
		while (p->count < PROBE_PICTURES &&
		       try_picture(e, enc, decoder, dec, p, pixels, seen))
			;
		e->close(enc);
	} else if (!p->why[0])
		snprintf(p->why, sizeof(p->why), "it cannot be opened");
	if (dec)
		decoder->close(dec);
}

static void look(const char *name, bool thorough, const struct decoder *decoder,
                 struct probe_list *ret)
{
	struct encoder_caps caps[PROBE_MAX / 2];
	char failed[ENCODER_WHY_MAX] = "";
	const char *why;
	const struct encoder *e = encoder_find(name, &why);
	size_t n;

	if (!e || e->load(failed) < 0) {
		snprintf(ret->why, sizeof(ret->why), "%s", e ? failed : why);
		return;
	}
	ret->usable = true;
	n = e->caps(caps, ARRAY_SIZE(caps));
	for (size_t i = 0; i < n; i++)
		for (int best = 0; best < (caps[i].lossless ? 2 : 1); best++) {
			struct probe *p = &ret->items[ret->count++];

			*p = (struct probe){.caps = caps[i], .quality = best ? 100 : QUALITY};
			if (!thorough)
				break;
			try_coding(e, decoder, p);
			if (p->caps.lossless) /* at any quality */
				break;
		}
}

/* What became of the child, if it did not end well. */
static void judge(int status, struct probe_list *ret)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	ret->usable = false;
	ret->ended = true;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(ret->why, sizeof(ret->why), "it hung for %d seconds", PATIENCE_SEC);
	else
		snprintf(ret->why, sizeof(ret->why), "it crashed: %s",
		         WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it ended");
}

int probe_encoder(const char *name, bool thorough, const struct decoder *decoder,
                  struct probe_list *ret)
{
	struct probe_list *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0, r = 0;
	pid_t pid;

	if (shared == MAP_FAILED)
		return -errno;
	pid = fork();
	if (pid == 0) {
		alarm(PATIENCE_SEC);
		look(name, thorough, decoder, shared);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0)
		r = -errno;
	*ret = *shared;
	if (r == 0)
		judge(status, ret);
	munmap(shared, sizeof(*shared));
	return r;
}
