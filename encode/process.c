/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/process.c - the encoder's life: wait, load encoders, lock up, then messages and time.
 * Unprivileged from the start; locked before the first pixel. System calls once locked:
 * base/syscalls.h, SYSCALLS_ENCODE.
 */
#include "encode/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/macros.h"
#include "encode/engine.h"
#include "encode/lock.h"

#define BATCH_USEC 20000              /* of messages, before anything is sent */
#define HUNG_SEC 10                   /* for one round of work: then a library hangs */
#define QUIET_USEC (2 * USEC_PER_SEC) /* then memory is given back */

enum { EXIT_OK, EXIT_USAGE, EXIT_LIE, EXIT_LOCK, EXIT_MEMORY };

/* One line, to whoever has started this. */
static void say(const char *what, const char *detail)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "xproxy-encode: %s%s\n", what, detail);

	(void)!write(STDERR_FILENO, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

/* SIGALRM kills; not by alarm(), which is a system call of its own on some machines only. */
static void watch_over(int sec)
{
	const struct itimerval t = {.it_value.tv_sec = sec};

	(void)setitimer(ITIMER_REAL, &t, NULL);
}

/* The worker reads all the time; when it does not, it is about to end us. */
static int send_frame(void *context, const struct frame *f)
{
	struct pollfd p = {.fd = PROCESS_FD, .events = POLLOUT};
	int r;

	(void)context;
	while ((r = frame_send(PROCESS_FD, f)) == -EAGAIN) {
		watch_over(0);
		(void)poll(&p, 1, -1);
		watch_over(HUNG_SEC);
	}
	return r;
}

static int receive_wait(struct frame *ret)
{
	struct pollfd p = {.fd = PROCESS_FD, .events = POLLIN};
	int r;

	while ((r = frame_receive(PROCESS_FD, ret)) == -EAGAIN)
		(void)poll(&p, 1, -1);
	return r;
}

/* What cannot be loaded is said, and left out. */
static bool load_encoders(struct engine *e)
{
	bool device = false;

	for (size_t i = 0; i < FRAME_ENCODERS_MAX && e->setup.encoders[i][0]; i++) {
		const char *name = e->setup.encoders[i], *why = NULL;
		const struct encoder *encoder = encoder_find(name, &why);
		char text[ENCODER_WHY_MAX] = "", line[FRAME_NAME_MAX + 2];

		snprintf(line, sizeof(line), "%s: ", name);
		if (!encoder) {
			say(line, why);
			continue;
		}
		if (encoder->load(text) < 0) {
			say(line, text);
			continue;
		}
		ladder_add(&e->ladder, encoder);
		device |= encoder->needs_device;
	}
	return device;
}

static int start(struct engine *e)
{
	struct frame f, ready = {.type = FRAME_READY};
	int r = receive_wait(&f);

	if (r == -EPIPE)
		return EXIT_OK; /* it was never needed */
	if (r < 0 || f.type != FRAME_SETUP)
		return say("the first message is not FRAME_SETUP", ""), EXIT_LIE;
	e->memory = frame_memory_map(PROCESS_MEMORY);
	if (!e->memory)
		return say("the shared memory is not as it should be", ""), EXIT_USAGE;
	close(PROCESS_MEMORY);
	e->send = send_frame;
	e->clock = now_usec;
	e->scaler = f.setup.scaling ? scale_find() : NULL;
	if (engine_setup(e, &f.setup) < 0)
		return say(e->why, ""), EXIT_LIE;
	r = lock_down(load_encoders(e));
	if (r < 0)
		return say("cannot lock itself: ", strerror(-r)), EXIT_LOCK;
	if (r > 0)
		say("this kernel has no Landlock; the list of system calls holds", "");
	return send_frame(NULL, &ready) < 0 ? EXIT_OK : -1;
}

/* All that is there, but for BATCH_USEC at most: the newest pixels are encoded, those that they
 * have replaced are not. */
static int receive_all(struct engine *e)
{
	uint64_t until = now_usec() + BATCH_USEC;
	struct frame f;
	int r;

	do {
		r = frame_receive(PROCESS_FD, &f);
		if (r == 0)
			r = engine_handle(e, &f);
		else if (r == -EAGAIN)
			return 0;
	} while (r == 0 && now_usec() < until);
	return r;
}

/* The pages of pictures that the worker has sent on. Those of pixels are the worker's to give back,
 * as it may be writing there. */
static void give_back(struct engine *e)
{
	if (e->out.count > 0)
		return;
	(void)madvise(e->memory + FRAME_IN_BYTES, FRAME_OUT_BYTES, MADV_REMOVE);
	(void)madvise(e->memory, FRAME_MEMORY, MADV_DONTNEED);
}

static int work(struct engine *e)
{
	struct pollfd p = {.fd = PROCESS_FD, .events = POLLIN};
	uint64_t next = 0, quiet = USEC_INFINITY, pictures = 0;
	int r;

	for (;;) {
		/* The worker has gone on without us long before; nobody else may end us. */
		watch_over(HUNG_SEC);
		r = receive_all(e);
		if (r == 0)
			r = engine_run(e, &next);
		if (r < 0)
			return r;
		if (e->pictures != pictures) {
			pictures = e->pictures;
			quiet = now_usec() + QUIET_USEC;
		} else if (quiet <= now_usec()) {
			give_back(e);
			quiet = USEC_INFINITY;
		}
		watch_over(0);
		(void)poll(&p, 1, poll_timeout_msec(next < quiet ? next : quiet));
	}
}

/* Where memory is short, the connection goes on without us. */
static void go_first(void)
{
	_cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "1000", 4);
}

int process_run(void)
{
	static struct engine e; /* in .bss: half a megabyte */
	int r;

	(void)prctl(PR_SET_NAME, "xproxy-encode");
	/* Signals are for the guard; a whole control group may get them. */
	for (int sig = SIGHUP; sig <= SIGTERM; sig++)
		if (sig == SIGHUP || sig == SIGINT || sig == SIGPIPE || sig == SIGTERM)
			(void)signal(sig, SIG_IGN);
	if (fcntl(PROCESS_FD, F_GETFD) < 0 || close_range(PROCESS_MEMORY + 1, ~0U, 0) < 0)
		return say("this is started by xproxy-conn", ""), EXIT_USAGE;
	go_first();
	r = start(&e);
	if (r >= 0)
		return r;
	r = work(&e);
	engine_close(&e); /* what a card was given has to be given back */
	if (r == -EPIPE)
		return EXIT_OK;
	say(e.why[0] ? e.why : strerror(-r), "");
	return r == -EBADMSG ? EXIT_LIE : EXIT_MEMORY;
}
