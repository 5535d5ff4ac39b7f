/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The encoders that run on the processor, as the encoder process uses them, what they make decoded
 * by libavcodec. They are shared objects beside this program, made with the same sanitizers.
 */
#include "ctl/probe.h"
#include "encode/encoder.h"
#include "encode/scale.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Least likeness in dB at quality 80, of all three colours: half as many colours cannot do better
 * on blue text. Measured: 2 dB more. */
static const struct codec {
	const char *name;
	enum coding coding;
	enum csc csc;
	double psnr;
} codecs[] = {
	{"x264", CODING_H264, CSC_YUV420P, 29},        {"x264", CODING_H264, CSC_YUV444P, 38},
	{"openh264", CODING_H264, CSC_YUV420P, 29},    {"vp8", CODING_VP8, CSC_YUV420P, 28.5},
	{"jpeg", CODING_JPEG, CSC_YUV420P, 31},        {"webp", CODING_WEBP, CSC_YUV420P, 29},
	{"png", CODING_PNG, CSC_YUV420P, PROBE_EXACT},
};

static bool is_video(const struct codec *c)
{
	return c->coding >= CODING_H264;
}

static const struct encoder *find(const char *name)
{
	char failed[ENCODER_WHY_MAX] = "";
	const char *why = NULL;
	const struct encoder *e = encoder_find(name, &why);

	test_note("%s: %s", name, why && !e ? why : "");
	CHECK(e);
	CHECK_EQ(e->load(failed), 0);
	return e;
}

static const struct decoder *find_decoder(void)
{
	const char *why = NULL;
	const struct decoder *d = decoder_find(&why);

	test_note("%s", why ? why : "");
	CHECK(d);
	return d;
}

static struct encoder_params params_of(const struct codec *c)
{
	return (struct encoder_params){.coding = c->coding,
	                               .csc = c->csc,
	                               .w = PROBE_W,
	                               .h = PROBE_H,
	                               .quality = {.quality = 80, .speed = 80, .fps = 30}};
}

static void *open_params(const struct encoder *e, const struct encoder_params *p)
{
	char why[ENCODER_WHY_MAX] = "";
	void *enc = NULL;

	CHECK_EQ(e->open(p, &enc, why), 0);
	CHECK(enc);
	return enc;
}

static struct encoded encode(const struct encoder *e, void *enc, unsigned number, bool force_key,
                             uint8_t *pixels)
{
	struct picture in = {pixels, PROBE_W * 4, PROBE_W, PROBE_H, number * 33, force_key};
	struct encoded out = {0};

	probe_draw(number, pixels);
	CHECK_EQ(e->encode(enc, &in, &out), 0);
	CHECK(out.data && out.len > 0);
	return out;
}

/* The number of pictures of the test picture: the same memory for all. */
static uint8_t pixels[PROBE_W * PROBE_H * 4], seen[PROBE_W * PROBE_H * 4];

TEST(names)
{
	static const char *const bad[] = {"",      "X264", "../x264", "x264.so",
	                                  "x 264", "none", "auth",    "abcdefghijklmnop"};
	const char *why;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		why = NULL;
		test_note("%s", bad[i]);
		CHECK(!encoder_find(bad[i], &why));
		CHECK(why && *why);
	}
}

/* One picture in, one out; the first and only the one asked for can be begun with; all are like
 * what they show; and less quality is fewer bytes, from the next picture on. */
static void stream(const struct codec *c)
{
	const struct encoder *e = find(c->name);
	const struct decoder *decoder = find_decoder();
	struct encoder_params p = params_of(c);
	void *enc = open_params(e, &p), *dec = decoder->open(c->coding);
	size_t good = 0, poor = 0;

	CHECK(dec);
	for (unsigned i = 0; i < 16; i++) {
		struct encoder_quality q = {.quality = 15, .speed = 80, .fps = 30};
		struct encoded out;

		test_note("%s, csc %d, picture %u", c->name, c->csc, i);
		if (i == 11)
			CHECK_EQ(e->tune(enc, &q), 0);
		out = encode(e, enc, i, i == 5, pixels);
		CHECK_EQ(out.key, !is_video(c) || i == 0 || i == 5);
		CHECK_EQ(decoder->decode(dec, out.data, out.len, PROBE_W, PROBE_H, seen), 0);
		if (i < 11)
			CHECK(probe_psnr(pixels, seen) >= c->psnr);
		CHECK_EQ(out.lossless, c->coding == CODING_PNG);
		good += i > 6 && i < 11 ? out.len : 0; /* four of each */
		poor += i > 11 ? out.len : 0;
	}
	CHECK(c->coding == CODING_PNG || poor * 4 < good * 3);
	e->close(enc);
	decoder->close(dec);
}

TEST(streams)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++)
		stream(&codecs[i]);
}

TEST(closing_nothing)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++)
		find(codecs[i].name)->close(NULL);
}

/* Every setting that a client's wishes can lead to works. */
TEST(qualities)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		const struct codec *c = &codecs[i];
		const struct encoder *e = find(c->name);

		for (int speed = 0; speed <= 100; speed += 50)
			for (int quality = 1; quality <= 100; quality += 33) {
				struct encoder_params p = params_of(c);
				void *enc;

				test_note("%s, csc %d, quality %d, speed %d", c->name, c->csc,
				          quality, speed);
				p.quality.quality = (uint8_t)quality;
				p.quality.speed = (uint8_t)speed;
				enc = open_params(e, &p);
				encode(e, enc, 0, false, pixels);
				encode(e, enc, 1, false, pixels);
				e->close(enc);
			}
	}
}

/* A limit of a third of what there would be is kept to once it has come, and can go again. */
static void check_limit(const struct codec *c)
{
	const struct encoder *e = find(c->name);
	struct encoder_params p = params_of(c);
	struct encoder_quality limited = p.quality;
	void *enc = open_params(e, &p);
	size_t before = 0, during = 0, after = 0; /* bytes in 10, 30, 10 pictures */

	for (unsigned n = 0; n < 80; n++) {
		struct encoded out;

		test_note("%s, csc %d, picture %u", c->name, c->csc, n);
		if (n == 21)
			limited.max_kbps = (uint32_t)(before * 8 / 1000);
		if (n == 21 || n == 65)
			CHECK_EQ(e->tune(enc, n == 21 ? &limited : &p.quality), 0);
		out = encode(e, enc, n, false, pixels);
		CHECK_EQ(out.key, n == 0);
		before += n >= 11 && n < 21 ? out.len : 0;
		during += n >= 35 && n < 65 ? out.len : 0; /* one second */
		if (n == 20 || n == 64 || n == 79)         /* and it says what that has cost */
			CHECK_EQ(e->left(enc) > 70, n != 64);
		after += n >= 70 ? out.len : 0;
	}
	test_note("%s, csc %d: %zu before, %zu with %u kbit/s, %zu after", c->name, c->csc, before,
	          during, limited.max_kbps, after);
	CHECK(during * 8 < limited.max_kbps * (size_t)1300);
	CHECK(after * 3 > during + during / 2);
	e->close(enc);
}

/* A stream that is opened for one speed, and goes from there to another and nearly back, without a
 * key frame that was not asked for. How large that one is, in the middle. */
static size_t stream_at(const struct codec *c, bool simple, uint8_t from, uint8_t to)
{
	const struct encoder *x264 = find(c->name);
	const struct decoder *decoder = find_decoder();
	struct encoder_params p = params_of(c);
	void *enc, *dec = decoder->open(c->coding);
	size_t bytes = 0;

	CHECK(dec);
	p.h264_simple = simple;
	p.quality.speed = from;
	enc = open_params(x264, &p);
	for (unsigned n = 0; n < 40; n++) {
		struct encoder_quality q = p.quality;
		struct encoded out;

		test_note("csc %d, simple %d, from %u to %u, picture %u", c->csc, simple, from, to,
		          n);
		q.speed = n < 20 ? to : from;
		if (n == 10 || n == 20)
			CHECK_EQ(x264->tune(enc, &q), 0);
		out = encode(x264, enc, n, n == 15, pixels);
		CHECK_EQ(out.key, n == 0 || n == 15);
		bytes = n == 15 ? out.len : bytes;
		CHECK_EQ(decoder->decode(dec, out.data, out.len, PROBE_W, PROBE_H, seen), 0);
		CHECK(probe_psnr(pixels, seen) >= c->psnr);
	}
	x264->close(enc);
	decoder->close(dec);
	return bytes;
}

TEST(speeds_of_x264)
{
	for (size_t i = 0; i < 3; i++) {
		const struct codec *c = &codecs[i == 2];

		/* it does something */
		CHECK(stream_at(c, i == 1, 30, 60) != stream_at(c, i == 1, 30, 40));
		CHECK(stream_at(c, i == 1, 80, 30) != stream_at(c, i == 1, 80, 100));
	}
}

TEST(limits_of_bits)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs) && is_video(&codecs[i]); i++)
		check_limit(&codecs[i]);
}

static void check_refused(const struct encoder *e, const struct encoder_params *p)
{
	char why[ENCODER_WHY_MAX] = "";
	void *enc = NULL;

	test_note("%s, %s, csc %d, %u x %u", e->name, coding_name(p->coding), p->csc, p->w, p->h);
	CHECK_EQ(e->open(p, &enc, why), -EOPNOTSUPP);
	CHECK(!enc && why[0]);
}

TEST(limits_of_size)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		const struct encoder *e = find(codecs[i].name);
		struct encoder_params p = params_of(&codecs[i]);
		struct encoder_caps caps[8];
		size_t n = e->caps(caps, ARRAY_SIZE(caps)), k = 0;

		CHECK_EQ(e->caps(caps, 0), 0);
		while (k < n && (caps[k].coding != p.coding || caps[k].csc != p.csc))
			k++;
		CHECK(k < n);
		CHECK_EQ(caps[k].video, is_video(&codecs[i]));
		p.coding = CODING_SCROLL;
		check_refused(e, &p);
		if (!caps[k].video)
			continue;
		p.coding = caps[k].coding;
		p.w = caps[k].min_w;
		p.h = caps[k].min_h;
		e->close(open_params(e, &p));
		p.w -= 2;
		check_refused(e, &p);
		p.w = (uint16_t)(caps[k].max_w + 2);
		check_refused(e, &p);
		p.w = 320;
		p.h = 0;
		check_refused(e, &p);
		p.h = UINT16_MAX;
		check_refused(e, &p);
		p.h = 241;
		if (p.csc == CSC_YUV420P)
			check_refused(e, &p);
		else
			e->close(open_params(e, &p));
		p.h = 240;
		p.w = 321;
		if (p.csc == CSC_YUV420P)
			check_refused(e, &p);
		p.w = caps[k].max_w;
		p.h = caps[k].max_h;
		e->close(open_params(e, &p));
	}
}

/* Pictures that are not what was agreed are refused before anybody looks at a pixel. */
TEST(lies)
{
	static uint8_t few[64];

	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		const struct encoder *e = find(codecs[i].name);
		struct encoder_params p = params_of(&codecs[i]);
		struct picture ins[] = {
			{NULL, PROBE_W * 4, PROBE_W, PROBE_H, 0, false},
			{few, PROBE_W * 4 - 1, PROBE_W, PROBE_H, 0, false},
			{few, 0, PROBE_W, PROBE_H, 0, false},
			{few, UINT32_MAX, PROBE_W, PROBE_H, 0, false},
			{few, PROBE_W * 4, 0, PROBE_H, 0, false},
			{few, PROBE_W * 4, PROBE_W, 0, 0, false},
			{few, UINT16_MAX * 4, UINT16_MAX, 1, 0, false},
			{few, 16384 * 4, 16384, 16384, 0, false},
			{few, PROBE_W * 4, PROBE_W - 2, PROBE_H, 0, false}, /* videos only */
			{few, PROBE_W * 4, PROBE_W, PROBE_H + 2, 0, false},
		};
		void *enc = open_params(e, &p);

		for (size_t k = 0; k < ARRAY_SIZE(ins) - (is_video(&codecs[i]) ? 0 : 2); k++) {
			struct encoded out;

			test_note("%s, csc %d, lie %zu", codecs[i].name, codecs[i].csc, k);
			CHECK_EQ(e->encode(enc, &ins[k], &out), -EINVAL);
		}
		e->close(enc);
	}
}

/* Pixels whose last one ends where the memory does, rows further apart than they are long: what
 * looks beyond dies. */
static uint8_t *edge_of_memory(unsigned w, unsigned h, uint32_t stride, uint8_t **ret_map,
                               size_t *ret_len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len = (size_t)(h - 1) * stride + w * 4;
	size_t whole = (len + page - 1) / page * page;
	uint8_t *map = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                    -1, 0);
	uint8_t *p;

	CHECK(map != MAP_FAILED);
	CHECK_EQ(mprotect(map + whole, page, PROT_NONE), 0);
	p = map + whole - len;
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 / 3 + i / stride * 5);
	*ret_map = map;
	*ret_len = whole + page;
	return p;
}

static double likeness(const uint8_t *a, uint32_t stride, const uint8_t *b, unsigned w, unsigned h)
{
	uint64_t sum = 0;

	for (unsigned y = 0; y < h; y++)
		for (unsigned x = 0; x < w * 4; x++) {
			int d = a[(size_t)y * stride + x] - b[(size_t)y * w * 4 + x];

			sum += x % 4 != 3 ? (uint64_t)(d * d) : 0;
		}
	return sum == 0 ? PROBE_EXACT : 10 * log10(255.0 * 255 * w * h * 3 / (double)sum);
}

static void check_edge(const struct codec *c, uint16_t w, uint16_t h, double psnr)
{
	const struct encoder *e = find(c->name);
	const struct decoder *decoder = find_decoder();
	struct encoder_params p = params_of(c);
	struct picture in = {.stride = w * 4 + 52u, .w = w, .h = h};
	uint8_t *map, *out_pixels = malloc((size_t)w * h * 4);
	void *enc, *dec = decoder->open(c->coding);
	struct encoded out;
	size_t len;

	test_note("%s, csc %d, %u x %u", c->name, c->csc, w, h);
	in.pixels = edge_of_memory(w, h, in.stride, &map, &len);
	p.w = w;
	p.h = h;
	p.quality.quality = 100;
	enc = open_params(e, &p);
	CHECK(dec && out_pixels);
	CHECK_EQ(e->encode(enc, &in, &out), 0);
	CHECK_EQ(out.lossless, c->coding == CODING_PNG || c->coding == CODING_WEBP);
	CHECK_EQ(decoder->decode(dec, out.data, out.len, w, h, out_pixels), 0);
	CHECK(likeness(in.pixels, in.stride, out_pixels, w, h) >= psnr);
	e->close(enc);
	decoder->close(dec);
	munmap(map, len);
	free(out_pixels);
}

TEST(edges)
{
	static const struct codec png = {"png", CODING_PNG, CSC_YUV420P, 0};
	static const struct codec webp = {"webp", CODING_WEBP, CSC_YUV420P, 0};
	static const struct codec jpeg = {"jpeg", CODING_JPEG, CSC_YUV420P, 0};
	static const uint16_t sizes[] = {1, 2, 3, 15, 16, 17, 63, 131};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
			check_edge(&png, sizes[i], sizes[k], PROBE_EXACT);
			check_edge(&webp, sizes[i], sizes[k], PROBE_EXACT);
			check_edge(&jpeg, sizes[i], sizes[k], 30);
		}
	for (size_t i = 0; i < ARRAY_SIZE(codecs) && is_video(&codecs[i]); i++)
		for (uint16_t w = 16; w <= 34; w += 2) {
			check_edge(&codecs[i], w, 50, 10);
			if (codecs[i].csc == CSC_YUV444P)
				check_edge(&codecs[i], w + 1, 51, 30);
		}
}

/* The profile and the level that the headers of a key frame say. */
static void check_profile(const char *name, const struct encoder_params *p, int profile, int level)
{
	const struct encoder *e = find(name);
	void *enc = open_params(e, p);
	uint8_t *big = calloc((size_t)p->w * p->h, 4);
	struct picture in = {.pixels = big, .stride = p->w * 4u, .w = p->w, .h = p->h};
	struct encoded out;
	size_t i = 0;

	test_note("%s, csc %d, %u x %u, simple %d, high %d", name, p->csc, p->w, p->h,
	          p->h264_simple, p->h264_high);
	CHECK(big);
	CHECK_EQ(e->encode(enc, &in, &out), 0);
	while (i + 8 < out.len && !(out.data[i] == 0 && out.data[i + 1] == 0 &&
	                            out.data[i + 2] == 1 && (out.data[i + 3] & 31) == 7))
		i++;
	CHECK(i + 8 < out.len);
	CHECK_EQ(out.data[i + 4], profile);
	CHECK_EQ(out.data[i + 6], level);
	e->close(enc);
	free(big);
}

TEST(profiles)
{
	struct encoder_params p = params_of(&codecs[0]);

	p.h264_simple = true;
	check_profile("x264", &p, 66, 30);
	check_profile("openh264", &p, 66, 30);
	p.csc = CSC_YUV444P;
	check_refused(find("x264"), &p);
	p.h264_simple = false;
	check_profile("x264", &p, 244, 30);
	p.csc = CSC_YUV420P;
	p.quality.speed = 0;
	check_profile("x264", &p, 77, 30);
	p.h264_high = true;
	check_profile("x264", &p, 100, 30);
	p.w = 1920;
	p.h = 1080;
	check_profile("x264", &p, 100, 40); /* what browsers are told to expect */
	p.quality.max_kbps = 500;
	check_profile("x264", &p, 100, 40);
}

/* After load() none of them needs a file, another process, a thread or the network. A file they
 * may ask for, and go on without. */
static int lock(void)
{
	static const struct {
		uint32_t call, answer;
	} calls[] = {
		{SYS_openat, SECCOMP_RET_ERRNO | EACCES},
#ifdef SYS_open
		{SYS_open, SECCOMP_RET_ERRNO | EACCES},
#endif
		{SYS_clone, SECCOMP_RET_KILL_PROCESS},    {SYS_clone3, SECCOMP_RET_KILL_PROCESS},
		{SYS_socket, SECCOMP_RET_KILL_PROCESS},   {SYS_execve, SECCOMP_RET_KILL_PROCESS},
	};
	struct sock_filter code[2 * ARRAY_SIZE(calls) + 2] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
	struct sock_fprog program = {ARRAY_SIZE(code), code};
	size_t n = 1;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].call,
		                                         0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, calls[i].answer);
	}
	code[n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	                       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0
	               ? 0
	               : -1;
}

TEST(no_files)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		const struct encoder *e = find(codecs[i].name);
		struct encoder_params p = params_of(&codecs[i]);
		int status = -1;
		pid_t pid = fork();

		CHECK(pid >= 0);
		CHECK(!e->needs_device && !e->threads);
		if (pid == 0) {
			void *enc;

			if (lock() < 0)
				_exit(2);
			enc = open_params(e, &p);
			encode(e, enc, 0, false, pixels);
			encode(e, enc, 1, true, pixels);
			e->tune(enc, &p.quality);
			encode(e, enc, 2, false, pixels);
			e->close(enc);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		test_note("%s, csc %d: %s", codecs[i].name, codecs[i].csc,
		          WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
		CHECK_EQ(status, 0);
	}
}

/* The lock above does what the test takes it to do. */
TEST(lock)
{
	int status = -1;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		if (lock() < 0 || open("/", O_RDONLY) >= 0 || errno != EACCES)
			_exit(2);
		socket(AF_UNIX, SOCK_STREAM, 0);
		_exit(3);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* Smaller pictures: what is all one colour stays so, what is half and half becomes both; and
 * nothing is written beyond them. */
TEST(scaler)
{
	static uint8_t from[64 * 48 * 4], to[32 * 24 * 4 + 4], guard[64];
	const struct scaler *s = scale_find();
	struct picture in = {.pixels = from, .stride = 64 * 4, .w = 64, .h = 48};

	CHECK(s);
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = i % (64 * 4) < 32 * 4 ? 200 : 40;
	to[32 * 24 * 4] = 0x5a;
	CHECK_EQ(s->shrink(&in, to, 32, 24), 0);
	CHECK_EQ(to[32 * 24 * 4], 0x5a);
	for (size_t i = 0; i < 32 * 24 * 4; i++)
		CHECK_EQ(to[i], i % (32 * 4) < 16 * 4 ? 200 : 40);
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = i / 4 % 2 ? 200 : 40; /* lines of one pixel are not lost */
	CHECK_EQ(s->shrink(&in, to, 32, 24), 0);
	CHECK(to[400] > 110 && to[400] < 130);
	CHECK_EQ(s->shrink(&in, to, 42, 16), 0); /* neither a half nor the same shape */
	CHECK_EQ(s->shrink(&in, to, 0, 24), -EINVAL);
	CHECK_EQ(s->shrink(&in, to, 32, 0), -EINVAL);
	CHECK_EQ(s->shrink(&in, to, 66, 48), -EINVAL);
	CHECK_EQ(s->shrink(&in, to, 64, 50), -EINVAL);
	in = (struct picture){.pixels = guard, .stride = 64, .w = 64, .h = 48};
	CHECK_EQ(s->shrink(&in, to, 32, 24), -EINVAL);
}

/* The probe says what is wrong with an encoder: here, with one that is none. */
TEST(probe)
{
	const struct decoder *decoder = find_decoder();
	struct probe_list list;

	CHECK_EQ(probe_encoder("nothing", true, decoder, &list), 0);
	CHECK(!list.usable && list.count == 0 && strstr(list.why, "encode-nothing.so"));
	CHECK_EQ(probe_encoder("webp", true, decoder, &list), 0);
	CHECK(list.usable && list.count == 2);
	for (unsigned i = 0; i < list.count; i++) {
		const struct probe *p = &list.items[i];

		CHECK_STR(p->why, "");
		CHECK_EQ(p->count, PROBE_PICTURES);
		CHECK_EQ(p->caps.lossless, i == 1);
		for (unsigned k = 0; k < p->count; k++)
			CHECK_EQ(p->pictures[k].psnr >= PROBE_EXACT, i == 1);
	}
	CHECK_EQ(probe_encoder("x264", true, NULL, &list), 0);
	CHECK(list.usable && list.count == 2 && list.items[1].count == PROBE_PICTURES);
	CHECK(list.items[1].pictures[0].psnr == PROBE_UNKNOWN && !list.items[1].why[0]);
}
