/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xproxy-tunnel.c - TLS and WebSocket towards a session's server, for the worker of one connection.
 *
 * The worker is locked before it is known which session it will serve, and knows plain sockets
 * only. So the guard starts this program with a socket that the session's user has connected, and
 * with one end of a socket pair, whose other end becomes the worker's upstream. It runs as the
 * worker's user, reads what files it needs, locks itself up, does the handshakes, says how that
 * went, and copies bytes until either side ends. base/tunnel.h: what it is given.
 *
 * System calls once locked: base/syscalls.h, SYSCALLS_TUNNEL.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/sandbox.h"
#include "base/tunnel.h"
#include "relay/flow.h"
#include "relay/tls_client.h"
#include "relay/wsclient.h"

#define LINGER_USEC (1 * USEC_PER_SEC) /* for the last bytes, once the worker is gone */
#define QUIET_MSEC 2000                /* then memory is given back */

struct tunnel {
	struct tunnel_job job;
	char *files; /* what follows the job */
	size_t files_len;
	struct tls_client_options tls;
	struct tls_context *context;
	struct leg inner, net;
	struct flow up, down; /* from the worker, to it */
	uint64_t linger_usec; /* USEC_INFINITY: the worker is there */
};

/* To the guard, as a line. */
static void say(const char *what, const char *detail)
{
	char line[TLS_ERROR_MAX + 64];
	int n = snprintf(line, sizeof(line), "%s%s\n", what, detail);

	(void)!write(STDERR_FILENO, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static _Noreturn void give_up(const char *what, const char *detail)
{
	say(what, detail);
	_exit(1);
}

/* ---- before the lock ---- */

static bool is_string(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* The job and the files, and that they are what they say. */
static int read_job(struct tunnel *t)
{
	struct tls_pem *parts[TUNNEL_FILES_] = {
		[TUNNEL_CA] = &t->tls.ca,
		[TUNNEL_CRL] = &t->tls.crl,
		[TUNNEL_CERT] = &t->tls.certificate,
		[TUNNEL_KEY] = &t->tls.key,
	};
	struct stat st;
	size_t at = 0;

	if (pread(TUNNEL_JOB, &t->job, sizeof(t->job), 0) != sizeof(t->job) ||
	    fstat(TUNNEL_JOB, &st) < 0 ||
	    (uint64_t)st.st_size > sizeof(t->job) + TUNNEL_FILES_ * (uint64_t)TUNNEL_FILE_MAX ||
	    !is_string(t->job.host, sizeof(t->job.host)) ||
	    !is_string(t->job.authority, sizeof(t->job.authority)) ||
	    !is_string(t->job.path, sizeof(t->job.path)))
		return -EBADMSG;
	t->files_len = (size_t)st.st_size - sizeof(t->job);
	t->files = malloc(t->files_len + 1);
	if (!t->files ||
	    pread(TUNNEL_JOB, t->files, t->files_len, sizeof(t->job)) != (ssize_t)t->files_len)
		return -EBADMSG;
	for (size_t i = 0; i < TUNNEL_FILES_; i++) {
		if (t->job.size[i] > t->files_len - at)
			return -EBADMSG;
		*parts[i] = (struct tls_pem){t->files + at, t->job.size[i]};
		at += t->job.size[i];
	}
	t->tls.host = t->job.host;
	t->tls.unverified = t->job.unverified;
	t->tls.any_name = t->job.any_name;
	return at == t->files_len ? 0 : -EBADMSG;
}

static int prepare(struct tunnel *t)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};

	(void)prctl(PR_SET_NAME, "xproxy-tunnel");
	/* Signals are for the guard; a whole control group may get them. */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)signal(signals[i], SIG_IGN);
	t->inner = (struct leg){.name = "worker", .fd = TUNNEL_INNER};
	t->net = (struct leg){.name = "server", .fd = TUNNEL_NET};
	t->linger_usec = USEC_INFINITY;
	if (close_range(TUNNEL_JOB + 1, ~0U, 0) < 0 ||
	    fcntl(TUNNEL_NET, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ||
	    fcntl(TUNNEL_INNER, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ||
	    flow_init(&t->up, &t->inner, &t->net, FLOW_BATCH_TCP) < 0 ||
	    flow_init(&t->down, &t->net, &t->inner, FLOW_WINDOW) < 0)
		return -errno;
	return read_job(t);
}

static int lock_down(void)
{
	int r = sandbox_drop(getuid(), getgid());

	if (r == 0)
		r = sandbox_limits();
	return r < 0 ? r : sandbox_lock(SANDBOX_TUNNEL);
}

/* ---- the handshakes ---- */

static void start_tls(struct tunnel *t)
{
	struct layer *l = tls_client_new(t->context, &t->tls, t->net.fd);
	char err[TLS_ERROR_MAX];
	int r;

	if (!l)
		give_up("TLS handshake: ", "no memory, or no such server name");
	while ((r = tls_client_handshake(l, err)) == -EAGAIN) {
		struct leg waiting = {.fd = t->net.fd};

		if (l->blocked(l))
			waiting.layer = l;
		r = leg_wait(&waiting, t->inner.fd, -1, t->job.deadline_usec);
		if (r == 0)
			give_up("TLS handshake: ", "no answer within ConnectTimeout");
		if (r < 0)
			_exit(0); /* nobody is interested any more */
	}
	if (r < 0)
		give_up(err, "");
	t->net.layer = l;
	tls_client_forget(t->context);
}

static void start_websocket(struct tunnel *t)
{
	static struct leg below; /* the leg has another layer now */
	char err[WSCLIENT_ERROR_MAX] = "";
	struct layer *l;
	int r;

	below = t->net;
	r = wsclient_open(&below, t->job.authority, t->job.path, t->inner.fd, t->job.deadline_usec,
	                  &l, err);
	if (r == -EPIPE && !err[0])
		_exit(0);
	if (r < 0)
		give_up(err, "");
	t->net.layer = l;
}

/* ---- the copying ---- */

static bool can_read(const struct flow *f)
{
	return !f->eof && (f->end < f->window || (f->sent > 0 && f->sent == f->ready));
}

/* A flow whose reader is gone. */
static void abandon(struct flow *f)
{
	flow_drop(f, flow_available(f));
	f->eof = f->shut = true;
}

static void advance(struct flow *f)
{
	int r = 1;

	while (r > 0 && !f->shut && (flow_available(f) > 0 || flow_has_output(f))) {
		flow_pass(f, flow_available(f));
		r = flow_write(f);
	}
	if (r < 0)
		abandon(f);
	if (f->eof && !f->shut && !flow_has_output(f)) {
		leg_shutdown(f->to);
		f->shut = true;
	}
}

static void receive(struct tunnel *t, struct flow *f)
{
	ssize_t n = flow_read(f);

	if (n >= 0 || n == -EAGAIN || n == -ENOBUFS)
		return;
	f->eof = true;
	if (f == &t->up)
		return;
	if (t->linger_usec == USEC_INFINITY)
		say("connection lost: ", f->from->fault ? f->from->fault : strerror((int)-n));
	abandon(&t->up);
}

static bool unread(const struct flow *f)
{
	return can_read(f) && leg_unread(f->from);
}

static short events(const struct flow *in, const struct flow *out)
{
	short want = can_read(in) ? POLLIN : 0;

	if ((!out->shut && flow_has_output(out)) || (want && leg_blocked(in->from)))
		want |= POLLOUT;
	return want;
}

static void turn(struct tunnel *t)
{
	struct pollfd p[] = {
		{.fd = t->inner.fd, .events = events(&t->up, &t->down)},
		{.fd = t->net.fd, .events = events(&t->down, &t->up)},
	};
	bool used = t->up.high > FLOW_KEEP || t->down.high > FLOW_KEEP;
	int n, msec = used ? QUIET_MSEC : -1;

	/* What has hung up says so for ever. The worker's end must be noticed all the same. */
	if (!p[0].events && t->linger_usec != USEC_INFINITY)
		p[0].fd = -1;
	if (!p[1].events)
		p[1].fd = -1;
	if (t->linger_usec != USEC_INFINITY)
		msec = poll_timeout_msec(t->linger_usec);
	if (unread(&t->down))
		msec = 0;
	n = poll(p, ARRAY_SIZE(p), msec);
	if (n == 0 && used && msec > 0) {
		flow_release(&t->up);
		flow_release(&t->down);
	}
	if (p[0].revents & (POLLHUP | POLLERR) && t->linger_usec == USEC_INFINITY) {
		t->linger_usec = now_usec() + LINGER_USEC;
		abandon(&t->down);
	}
	if (p[0].revents && can_read(&t->up))
		receive(t, &t->up);
	if ((p[1].revents || unread(&t->down)) && can_read(&t->down))
		receive(t, &t->down);
}

int main(void)
{
	static struct tunnel t; /* in .bss */
	char err[TLS_ERROR_MAX];
	int r = prepare(&t);

	if (r < 0)
		give_up("xproxy-tunnel: ", "this is started by xproxy-conn");
	if (t.job.tls && tls_client_load(&t.tls, &t.context, err) < 0)
		give_up(err, "");
	explicit_bzero(t.files, t.files_len);
	close(TUNNEL_JOB);
	r = lock_down();
	if (r < 0)
		give_up("xproxy-tunnel: cannot lock itself: ", strerror(-r));
	if (t.job.tls)
		start_tls(&t);
	if (t.job.websocket)
		start_websocket(&t);
	say(TUNNEL_READY, "");
	while (!(t.up.shut && t.down.shut) && now_usec() < t.linger_usec) {
		advance(&t.up);
		advance(&t.down);
		turn(&t);
	}
	_exit(0);
}
