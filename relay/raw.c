/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/raw.c - the relay for what is not xpra. Worker, relay filter. System calls: poll, read,
 * write, shutdown, madvise, recvmsg (the guard).
 *
 * As in relay/pump.c, a leg is read while its flow has room, so a slow reader stops the fast side.
 * A direction that has ended leaves the other alone, for as long as that takes: HTTP has requests
 * that are over long before their answers.
 */
#include "relay/raw.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/sandbox.h"

static void abandon(struct flow *f)
{
	f->sent = f->ready = f->end = 0;
	f->eof = f->shut = true;
}

/* Writes all that is there and will be taken; then, after the last of it, the end. */
static void deliver(struct flow *f)
{
	if (f->shut)
		return;
	flow_pass(f, flow_available(f));
	while (flow_has_output(f)) {
		int r = flow_write(f);

		if (r < 0)
			abandon(f);
		if (r <= 0)
			return;
	}
	if (f->eof) {
		leg_shutdown(f->to);
		f->shut = true;
	}
}

static void receive(struct worker *w, struct flow *f)
{
	ssize_t n = flow_read(f);

	if (n > 0) {
		(f == &w->up ? &w->stats->from_client : &w->stats->from_server)->bytes +=
			(uint64_t)n;
		w->active_usec = now_usec();
	} else if (n != -EAGAIN && n != -ENOBUFS) {
		f->eof = true;
	}
}

static bool can_read(const struct flow *f)
{
	return !f->eof && (f->end < f->window || f->sent == f->end);
}

static struct pollfd interest(const struct leg *l, const struct flow *in, const struct flow *out)
{
	struct pollfd p = {.fd = l->fd};

	if (can_read(in))
		p.events = (short)(POLLIN | (leg_blocked(l) ? POLLOUT : 0));
	if (!out->shut && flow_has_output(out))
		p.events |= POLLOUT;
	if (in->eof && out->shut)
		p.fd = -1; /* a hang-up would be reported for ever */
	return p;
}

/* What happened to one leg, or what it still holds. */
static void serve(struct worker *w, const struct pollfd *p, struct flow *in, struct flow *out)
{
	if (can_read(in) && (p->revents || leg_unread(in->from))) {
		receive(w, in);
	} else if (p->revents & (POLLHUP | POLLERR)) {
		in->eof = true;
		abandon(out);
	}
}

/* False: it has ended because of the guard, or of time. */
static bool turn(struct worker *w)
{
	uint64_t idle = w->config->relay_idle_timeout_usec;
	uint64_t deadline = idle ? w->active_usec + idle : USEC_INFINITY;
	struct pollfd fds[] = {
		interest(&w->client, &w->up, &w->down),
		interest(&w->server, &w->down, &w->up),
		{.fd = w->guard_fd, .events = POLLIN},
	};
	bool unread = (can_read(&w->up) && leg_unread(&w->client)) ||
	              (can_read(&w->down) && leg_unread(&w->server));

	if (poll(fds, ARRAY_SIZE(fds), unread ? 0 : poll_timeout_msec(deadline)) < 0)
		return true;
	if (fds[2].revents) {
		worker_end(w, EXIT_OK, "stopped", "server shutdown");
		return false;
	}
	serve(w, &fds[0], &w->up, &w->down);
	serve(w, &fds[1], &w->down, &w->up);
	if (now_usec() < deadline)
		return true;
	worker_end(w, EXIT_OK, "timeout", "idle timeout");
	return false;
}

void raw_run(struct worker *w)
{
	struct stats *s = w->stats;
	char text[128];

	if (sandbox_lock(SANDBOX_RELAY) < 0) {
		worker_end(w, EXIT_INTERNAL, "internal", "cannot load the relay's filter");
		return;
	}
	w->active_usec = now_usec();
	s->from_client.bytes = flow_available(&w->up);
	do {
		deliver(&w->up);
		deliver(&w->down);
	} while (!(w->up.shut && w->down.shut) && turn(w));
	snprintf(text, sizeof(text), "HTTPBackend=, %llu bytes in, %llu out",
	         (unsigned long long)s->from_client.bytes,
	         (unsigned long long)s->from_server.bytes);
	worker_end(w, EXIT_OK, "request", text);
}
