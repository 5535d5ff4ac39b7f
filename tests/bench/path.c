/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/path.c - xproxy-encode as a worker uses it, on all scenes: what is added to the way
 * of a draw, from a packet's lz4 to the picture that answers it. The other end of its socket,
 * base/frame.h; what came is kept, and looked at afterwards as a client would (path-client.c).
 */
#include "tests/bench/path.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <lz4.h>
#include <math.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"

#define FPS 30
#define WINDOW_ID 7
#define READY_MSEC 10000
#define QUIET_MSEC 1500 /* without a word after the last draw: it is refreshed by then */
#define REFRESH_MSEC 8000
#define DECODE_USEC 5000 /* of the client that we play */
#define ROUND_USEC 20000
#define MEDIAN_MSEC 12.0 /* added by us; and what only one draw in 20 may take longer than */
#define P95_MSEC 25.0
#define BYTES_SHARE 5.0  /* a film has so many times fewer bytes than as lz4 */
#define CPU_PERCENT 35.0 /* of a core, with a film */
#define LIKENESS_DB 38.0 /* of red, green and blue, during a film */

static double now_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- the process ----------------------------------------------------------------------------- */

/* It does not run as root: the guard starts it as the worker's user. */
static int become_nobody(void)
{
	const struct passwd *who = geteuid() == 0 ? getpwnam("nobody") : NULL;

	if (geteuid() != 0)
		return 0;
	if (!who || setgroups(0, NULL) < 0 || setresgid(who->pw_gid, who->pw_gid, who->pw_gid) < 0)
		return -EPERM;
	return setresuid(who->pw_uid, who->pw_uid, who->pw_uid);
}

static void start_child(int socket, int memory)
{
	char path[PATH_MAX], program[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n < 0)
		_exit(127);
	path[n] = 0;
	snprintf(program, sizeof(program), "%s/xproxy-encode", dirname(path));
	/* Away from 3 and 4 first: either may be the other's. */
	socket = fcntl(socket, F_DUPFD_CLOEXEC, 10);
	memory = fcntl(memory, F_DUPFD_CLOEXEC, 10);
	if (become_nobody() == 0 && dup2(socket, 3) == 3 && dup2(memory, 4) == 4)
		execl(program, "xproxy-encode", NULL);
	_exit(127);
}

static double child_cpu_msec(const struct path *p)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(p->pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
		return NAN;
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int send_message(struct path *p, struct frame f)
{
	struct pollfd out = {.fd = p->fd, .events = POLLOUT};
	int r;

	f.wid = WINDOW_ID;
	f.freed = p->picture;
	while ((r = frame_send(p->fd, &f)) == -EAGAIN)
		if (poll(&out, 1, 1000) <= 0)
			return -ETIMEDOUT;
	return r;
}

/* All that a present client of 3.1 takes. */
static int set_up(struct path *p, char *const names[])
{
	static char *const usual[] = {"x264", "jpeg", "webp", NULL};
	unsigned both = CSC_BIT(CSC_YUV420P) | CSC_BIT(CSC_YUV444P), n = 0;
	struct frame f = {.type = FRAME_SETUP,
	                  .setup = {.codings = CODING_BIT(CODING_MAX_) - 1,
	                            .pixels = PIXEL_BIT(PIXEL_MAX_) - 1,
	                            .lz4 = true,
	                            .h264_high = true,
	                            .wishes = {.auto_refresh = true}}};

	f.setup.csc[CODING_H264] = both;
	f.setup.csc[CODING_VP8] = CSC_BIT(CSC_YUV420P);
	for (char *const *name = *names ? names : usual; *name && n < FRAME_ENCODERS_MAX; name++)
		snprintf(f.setup.encoders[n++], FRAME_NAME_MAX, "%s", *name);
	return send_message(p, f);
}

static int start(struct path *p, char *const names[])
{
	_cleanup_close_ int theirs = -1;
	int fds[2], r;

	p->memory_fd = frame_memory_new();
	if (p->memory_fd < 0)
		return p->memory_fd;
	p->memory = frame_memory_map(p->memory_fd);
	if (!p->memory || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	p->fd = fds[0];
	theirs = fds[1];
	frame_ring_init(&p->in, 0, FRAME_IN_BYTES);
	p->pid = fork();
	if (p->pid == 0)
		start_child(theirs, p->memory_fd);
	if (p->pid < 0)
		return -errno;
	r = set_up(p, names);
	if (r < 0)
		return r;
	return 0;
}

static void stop(struct path *p)
{
	int status = 0;

	if (p->fd >= 0)
		close(p->fd); /* it ends by itself then */
	if (p->pid > 0)
		(void)waitpid(p->pid, &status, 0);
	if (status != 0)
		printf("  xproxy-encode ended with %s %d\n",
		       WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (p->memory)
		munmap(p->memory, FRAME_MEMORY);
	if (p->memory_fd >= 0)
		close(p->memory_fd);
	for (unsigned i = 0; i < p->kept_count; i++)
		free(p->kept[i].data);
	for (unsigned i = 0; i < FRAMES_MAX; i++)
		free(p->draws[i].packed);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void answered(struct path *p, uint64_t upto)
{
	double now = now_msec(), cpu = child_cpu_msec(p) + cpu_msec();

	for (; p->answered < upto && p->answered < p->sent; p->answered++) {
		p->draws[p->answered].msec = now - p->draws[p->answered].began;
		p->draws[p->answered].cpu += cpu;
	}
}

static int handle_picture(struct path *p, const struct frame *f)
{
	const struct frame_picture *i = &f->picture;
	struct kept *k = &p->kept[p->kept_count];
	struct frame shown = {.type = FRAME_SHOWN,
	                      .number = f->number,
	                      .shown = {.decode_usec = DECODE_USEC, .round_usec = ROUND_USEC}};

	if (i->offset > FRAME_MEMORY || i->len > FRAME_MEMORY - i->offset)
		return -EBADMSG;
	if (i->last && i->answers)
		answered(p, i->answers);
	if (f->number)
		p->picture = f->number;
	if (i->len == 0)
		return 0;
	if (p->kept_count == KEPT_MAX || !(k->data = malloc(i->len)))
		return -ENOMEM;
	memcpy(k->data, p->memory + i->offset, i->len);
	k->picture = *i;
	k->taken = f->taken;
	p->kept_count++;
	if (p->answered < p->count)
		p->bytes += i->len;
	p->codings |= CODING_BIT(i->coding);
	return send_message(p, shown);
}

/* Whatever comes until then. 1: something has come last. */
static int listen_until(struct path *p, double until, enum frame_type wanted)
{
	struct pollfd in = {.fd = p->fd, .events = POLLIN};
	struct frame f;
	int r, came = 0;

	for (;;) {
		while ((r = frame_receive(p->fd, &f)) == 0) {
			frame_ring_give(&p->in, f.taken);
			if (f.type == FRAME_PICTURE && (r = handle_picture(p, &f)) < 0)
				return r;
			p->held += f.type == FRAME_HELD;
			came |= f.type == FRAME_PICTURE;
			if (f.type == wanted)
				return 1;
		}
		if (r != -EAGAIN)
			return r;
		if (now_msec() >= until)
			return came;
		(void)poll(&in, 1, (int)ceil(until - now_msec()));
	}
}

/* ---- draws ----------------------------------------------------------------------------------- */

/* As a server sends it: the damaged rectangle, without gaps, by lz4. Before time counts. */
static int pack(struct path *p, struct scene *scene, unsigned n, uint8_t *pixels, uint8_t *cut)
{
	struct draw *d = &p->draws[n];
	size_t stride = (size_t)scene->w * 4;
	int size;

	scene_frame(scene, n, pixels, stride, &d->r);
	for (unsigned y = 0; y < d->r.h; y++)
		memcpy(cut + (size_t)y * d->r.w * 4, pixels + (d->r.y + y) * stride + d->r.x * 4,
		       (size_t)d->r.w * 4);
	size = (int)(d->r.w * d->r.h * 4);
	d->packed = malloc((size_t)LZ4_compressBound(size));
	if (!d->packed)
		return -ENOMEM;
	d->packed_len =
		LZ4_compress_default((const char *)cut, d->packed, size, LZ4_compressBound(size));
	p->lz4_bytes += (uint64_t)d->packed_len;
	return 0;
}

static int draw(struct path *p, unsigned n)
{
	struct draw *d = &p->draws[n];
	struct frame f = {.type = FRAME_DRAW, .number = n + 1};
	int size = (int)(d->r.w * d->r.h * 4), r;

	d->began = now_msec();
	d->cpu = -child_cpu_msec(p) - cpu_msec();
	while ((r = frame_ring_take(&p->in, n + 1, (uint64_t)size, &f.draw.offset)) == -EAGAIN) {
		r = listen_until(p, now_msec() + 2, FRAME_READY);
		if (r < 0 || now_msec() - d->began > 1000)
			return r < 0 ? r : -ETIMEDOUT;
	}
	if (r < 0)
		return r;
	if (LZ4_decompress_safe(d->packed, (char *)p->memory + f.draw.offset, d->packed_len,
	                        size) != size)
		return -EBADMSG;
	f.draw.stride = d->r.w * 4;
	f.draw.x = (uint16_t)d->r.x;
	f.draw.y = (uint16_t)d->r.y;
	f.draw.w = (uint16_t)d->r.w;
	f.draw.h = (uint16_t)d->r.h;
	f.draw.format = PIXEL_BGRX;
	f.draw.wire_bytes = (uint32_t)d->packed_len;
	p->sent++;
	return send_message(p, f);
}

static int play(struct path *p, unsigned w, unsigned h)
{
	struct frame size = {.type = FRAME_WINDOW, .window = {(uint16_t)w, (uint16_t)h}};
	double next, began, end;
	int r;

	r = listen_until(p, now_msec() + READY_MSEC, FRAME_READY);
	if (r <= 0)
		return r < 0 ? r : -ETIMEDOUT;
	r = send_message(p, size);
	next = began = now_msec();
	p->cpu = -child_cpu_msec(p);
	for (unsigned n = 0; n < p->count && r >= 0; n++) {
		r = draw(p, n);
		next += 1000.0 / FPS;
		if (r >= 0)
			r = listen_until(p, next, FRAME_READY);
	}
	p->cpu = (p->cpu + child_cpu_msec(p)) / (now_msec() - began) * 100;
	end = now_msec() + REFRESH_MSEC;
	while (r >= 0 && now_msec() < end &&
	       (r = listen_until(p, now_msec() + QUIET_MSEC, FRAME_READY)) > 0)
		;
	return r;
}

/* ---- what became of it ----------------------------------------------------------------------- */

static void report(const struct path *p, enum scene_kind k)
{
	double msec[FRAMES_MAX], cpu[FRAMES_MAX];
	char what[64], least[16];
	unsigned n = 0;

	for (unsigned i = 0; i < p->answered; i++) {
		msec[n] = p->draws[i].msec;
		cpu[n++] = p->draws[i].cpu;
	}
	printf("%s: %u draws, %u answered, %u of them merged; %u pictures of", scene_name(k),
	       p->count, p->answered, p->held, p->kept_count);
	for (int c = 0; c < CODING_MAX_; c++)
		if (p->codings & CODING_BIT(c))
			printf(" %s", coding_name((enum coding)c));
	printf("; %.0f %% of a core\n  first picture %.1f ms; %.1f kB a draw, lz4 %.1f kB; ",
	       p->cpu, p->draws[0].msec, (double)p->bytes / 1e3 / p->count,
	       (double)p->lz4_bytes / 1e3 / p->count);
	printf("RGB at least %s dB during it; at the end: %s\n", decibels(p->worst, least),
	       p->undecoded ? "not decoded"
	       : p->same    ? "the same"
	                    : "NOT the same");
	/* What others on the machine do not change much, unlike the time that passes. */
	printf("  processor time until the answer, ours too: median %.2f ms, p95 %.2f ms\n",
	       quantile(cpu, n, 0.5), quantile(cpu, n, 0.95));
	snprintf(what, sizeof(what), "%s, added to a draw, median", scene_name(k));
	judge(what, p->answered < p->count ? INFINITY : quantile(msec, n, 0.5), true, MEDIAN_MSEC,
	      " ms");
	snprintf(what, sizeof(what), "%s, added to a draw, p95", scene_name(k));
	judge(what, p->answered < p->count ? INFINITY : quantile(msec, n, 0.95), true, P95_MSEC,
	      " ms");
	snprintf(what, sizeof(what), "%s, differs at the end", scene_name(k));
	judge(what, !p->same, true, 0, "");
	if (k != SCENE_VIDEO)
		return;
	judge("video, bytes, lz4's to ours", (double)p->lz4_bytes / (double)p->bytes, false,
	      BYTES_SHARE, " x");
	judge("video, processor", p->cpu, true, CPU_PERCENT, " %");
	judge("video, RGB, the worst h264 picture",
	      p->worst_video > 0 ? 10 * log10(255 * 255 / p->worst_video) : 0, false, LIKENESS_DB,
	      " dB");
}

static int run_scene(enum scene_kind k, unsigned w, unsigned h, unsigned frames,
                     char *const names[])
{
	static struct path p;
	_cleanup_free_ uint8_t *pixels = calloc(h, (size_t)w * 4), *cut = calloc(h, (size_t)w * 4);
	struct scene scene;
	int r;

	p = (struct path){.count = frames, .fd = -1, .memory_fd = -1};
	r = scene_init(&scene, k, w, h);
	for (unsigned n = 0; n < frames && r == 0; n++)
		r = pixels && cut ? pack(&p, &scene, n, pixels, cut) : -ENOMEM;
	if (r == 0)
		r = start(&p, names);
	if (r == 0)
		r = play(&p, w, h);
	if (r >= 0)
		r = path_look(&p, &scene);
	if (r >= 0)
		report(&p, k);
	else
		printf("%s: after %u draws and %u pictures: %s\n", scene_name(k), p.sent,
		       p.kept_count, strerror(-r));
	stop(&p);
	scene_free(&scene);
	return r < 0 ? r : 0;
}

int bench_path(unsigned w, unsigned h, unsigned frames, char *const names[])
{
	double load = NAN;
	int r = 0;

	(void)getloadavg(&load, 1);
	printf("%ux%u, %u draws, %d a second, each by lz4 as servers send it; load %.1f\n", w, h,
	       frames, FPS, load);
	for (int k = 0; k < SCENE_MAX_; k++) {
		int one = run_scene((enum scene_kind)k, w, h, frames, names);

		r = r ?: one;
	}
	return r;
}
