/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * scene-window.c - plays a scene in a window on $DISPLAY, as a program would: only what has changed
 * is drawn, by MIT-SHM.
 *
 *	scene-window [--size WxH] [--fps N] [--first N] [--frames N] [--title T] SCENE
 *
 * SIGUSR1 freezes it on the frame it shows, and another lets it go on. SIGTERM ends it, --frames
 * freezes it after so many. Says on standard output, a line each: "shown N" (its first frame is
 * in the window), "frozen N", "going on after N"; `scene-raw SCENE WxH 1 N` is what is in the
 *window then.
 */
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <X11/extensions/XShm.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/scene.h"

struct player {
	struct scene scene;
	Display *display;
	Window window;
	GC gc;
	XImage *image;
	XShmSegmentInfo shm;
	unsigned frame, last; /* shown now; to stop at */
	int fps;
	bool shown, frozen, ended;
};

static void die(const char *why)
{
	fprintf(stderr, "scene-window: %s\n", why);
	exit(1);
}

/* To whoever waits for it. */
static void say(const struct player *p, const char *what)
{
	printf("%s %u\n", what, p->frame);
	(void)fflush(stdout);
}

static void open_window(struct player *p, const char *title)
{
	XSizeHints hints = {.flags = PMinSize | PMaxSize};
	XClassHint class = {.res_name = (char[]){"scene-window"}, .res_class = (char[]){"Scene"}};
	int screen;

	p->display = XOpenDisplay(NULL);
	if (!p->display)
		die("there is no display");
	screen = DefaultScreen(p->display);
	if (DefaultDepth(p->display, screen) != 24 || !XShmQueryExtension(p->display))
		die("the display must have depth 24 and MIT-SHM");
	p->window = XCreateSimpleWindow(p->display, RootWindow(p->display, screen), 0, 0,
	                                p->scene.w, p->scene.h, 0, 0, 0);
	hints.min_width = hints.max_width = (int)p->scene.w;
	hints.min_height = hints.max_height = (int)p->scene.h;
	XStoreName(p->display, p->window, title);
	XSetWMNormalHints(p->display, p->window, &hints);
	XSetClassHint(p->display, p->window, &class);
	XSelectInput(p->display, p->window, ExposureMask);
	p->gc = XCreateGC(p->display, p->window, 0, NULL);
	p->image = XShmCreateImage(p->display, DefaultVisual(p->display, screen), 24, ZPixmap, NULL,
	                           &p->shm, p->scene.w, p->scene.h);
	if (!p->image || p->image->bits_per_pixel != 32 || p->image->byte_order != LSBFirst)
		die("pixels of the display are not B G R X");
	p->shm.shmid = shmget(IPC_PRIVATE, (size_t)p->image->bytes_per_line * p->scene.h, 0600);
	if (p->shm.shmid < 0)
		die("no shared memory");
	p->shm.shmaddr = p->image->data = shmat(p->shm.shmid, NULL, 0);
	if (p->shm.shmaddr == (char *)-1 || !XShmAttach(p->display, &p->shm))
		die("the shared memory cannot be attached");
	XSync(p->display, False);
	shmctl(p->shm.shmid, IPC_RMID, NULL); /* gone with its last user */
	XMapWindow(p->display, p->window);
}

/* Returns when the X server has read it. */
static void put(const struct player *p, struct scene_rect r)
{
	XShmPutImage(p->display, p->window, p->gc, p->image, (int)r.x, (int)r.y, (int)r.x, (int)r.y,
	             r.w, r.h, False);
	XSync(p->display, False);
}

static void draw(struct player *p, struct scene_rect *ret_damage)
{
	scene_frame(&p->scene, p->frame, p->image->data, (size_t)p->image->bytes_per_line,
	            ret_damage);
}

static void freeze(struct player *p, bool frozen)
{
	p->frozen = frozen;
	say(p, frozen ? "frozen" : "going on after");
}

static void handle_x(struct player *p)
{
	XEvent e;

	while (XPending(p->display)) {
		XNextEvent(p->display, &e);
		if (e.type != Expose || e.xexpose.count > 0)
			continue;
		put(p, (struct scene_rect){0, 0, p->scene.w, p->scene.h});
		if (!p->shown)
			say(p, "shown");
		p->shown = true;
	}
}

static void handle_signal(struct player *p, int fd)
{
	struct signalfd_siginfo s;

	if (read(fd, &s, sizeof(s)) != (ssize_t)sizeof(s))
		return;
	if (s.ssi_signo == SIGUSR1)
		freeze(p, !p->frozen);
	else
		p->ended = true;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static void play(struct player *p, int signals)
{
	struct pollfd fds[] = {{.fd = ConnectionNumber(p->display), .events = POLLIN},
	                       {.fd = signals, .events = POLLIN}};
	int64_t next = now();
	struct scene_rect r;

	draw(p, &r);
	while (!p->ended) {
		int64_t wait = next - now();

		handle_x(p);
		if (!p->shown || p->frozen)
			wait = -1;
		else if (wait < 0)
			wait = 0;
		/* What XSync() has read already wakes no poll(). */
		if (poll(fds, 2, XPending(p->display) ? 0 : (int)wait) < 0 && errno != EINTR)
			die("poll");
		if (fds[1].revents)
			handle_signal(p, signals);
		if (!p->shown || p->frozen || now() < next)
			continue;
		/* A machine that is too slow drops no frames, it shows them later. */
		next = (next + 2000 < now() ? now() : next) + 1000 / p->fps;
		p->frame++;
		draw(p, &r);
		put(p, r);
		if (p->frame == p->last)
			freeze(p, true);
	}
}

static int parse(struct player *p, int argc, char *argv[], const char **title)
{
	static const struct option options[] = {{"size", 1, NULL, 's'},  {"fps", 1, NULL, 'f'},
	                                        {"first", 1, NULL, '1'}, {"frames", 1, NULL, 'n'},
	                                        {"title", 1, NULL, 't'}, {NULL, 0, NULL, 0}};
	unsigned w = 1920, h = 1080, count = 0;
	enum scene_kind kind;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?' || (c == 's' && sscanf(optarg, "%ux%u", &w, &h) != 2))
			return -EINVAL;
		if (c == 'f')
			p->fps = atoi(optarg);
		if (c == '1')
			p->frame = (unsigned)atoi(optarg);
		if (c == 'n')
			count = (unsigned)atoi(optarg);
		if (c == 't')
			*title = optarg;
	}
	p->last = count ? p->frame + count : 0;
	if (optind != argc - 1 || p->fps < 1 || p->fps > 1000 ||
	    scene_parse(argv[optind], &kind) < 0)
		return -EINVAL;
	*title = *title ?: argv[optind];
	return scene_init(&p->scene, kind, w, h);
}

int main(int argc, char *argv[])
{
	struct player p = {.fps = 30};
	const char *title = NULL;
	sigset_t set;
	int signals;

	/* First of all: one that comes before the window must not end it. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (parse(&p, argc, argv, &title) < 0) {
		fprintf(stderr,
		        "usage: scene-window [--size WxH] [--fps N] [--first N] [--frames N] "
		        "[--title T] type|scroll|web|drag|video|switch\n");
		return 2;
	}
	open_window(&p, title);
	play(&p, signals);
	XShmDetach(p.display, &p.shm);
	XDestroyImage(p.image);
	XCloseDisplay(p.display);
	scene_free(&p.scene);
	return 0;
}
