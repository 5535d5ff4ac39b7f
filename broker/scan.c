/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/scan.c - which of some servers answer at all. xproxy-x2gobroker, without privilege.
 *
 * Names are looked up by threads of the C library's, as a resolver that does not answer would take
 * longer than all of this may. What they have not found out by the end they may still write to: it
 * is left to them, and goes with the process.
 * System calls: socket, connect, getsockopt, poll, clone; those of name lookup.
 */
#include "broker/scan.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/macros.h"

#define ADDRESSES_MAX 3                  /* of a name */
#define LOOKUP_USEC (10 * USEC_PER_MSEC) /* between looks at how far the threads are */

struct look {
	struct look *next; /* of the first in an array: see abandoned */
	struct scan_target *target;
	char host[256], port[8]; /* whoever has asked may be gone before the thread is */
	struct gaicb lookup;
	bool looking;
	int fds[ADDRESSES_MAX];
};

/* Arrays that threads may still have a part of. */
static struct look *abandoned;

static const struct addrinfo by_name = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
static const struct addrinfo by_number = {.ai_family = AF_UNSPEC,
                                          .ai_socktype = SOCK_STREAM,
                                          .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};

static void close_all(struct look *l)
{
	for (size_t i = 0; i < ADDRESSES_MAX; i++) {
		cleanup_close_fd(l->fds + i);
		l->fds[i] = -1;
	}
}

static void connect_all(struct look *l, const struct addrinfo *list)
{
	size_t n = 0;

	for (const struct addrinfo *a = list; a && n < ADDRESSES_MAX; a = a->ai_next) {
		int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		                a->ai_protocol);

		if (fd < 0)
			continue;
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			l->target->up = true;
		else if (errno == EINPROGRESS)
			l->fds[n++] = take_fd(&fd);
		cleanup_close_fd(&fd);
	}
}

static void begin(struct look *l)
{
	struct addrinfo *list = NULL;
	struct gaicb *lookups[] = {&l->lookup};
	int r = getaddrinfo(l->host, l->port, &by_number, &list);

	if (r == 0) {
		connect_all(l, list);
		freeaddrinfo(list);
		return;
	}
	l->lookup = (struct gaicb){
		.ar_name = l->host,
		.ar_service = l->port,
		.ar_request = &by_name,
	};
	l->looking = r == EAI_NONAME && getaddrinfo_a(GAI_NOWAIT, lookups, 1, NULL) == 0;
}

/* Connects to what a name was found to be. */
static void look_up(struct look *l)
{
	int r = l->looking ? gai_error(&l->lookup) : EAI_INPROGRESS;

	if (r == EAI_INPROGRESS)
		return;
	l->looking = false;
	if (r == 0) {
		connect_all(l, l->lookup.ar_result);
		freeaddrinfo(l->lookup.ar_result);
	}
}

static void answer(struct look *l, size_t i)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(l->fds[i], SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0)
		l->target->up = true;
	cleanup_close_fd(l->fds + i);
	l->fds[i] = -1;
}

static bool is_pending(const struct look *l)
{
	bool open = l->looking;

	for (size_t i = 0; i < ADDRESSES_MAX; i++)
		open |= l->fds[i] >= 0;
	return open && !l->target->up;
}

/* Whether nobody waits for it, as another of its group is up. */
static bool is_spared(const struct look *l, const struct look *looks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (looks[i].target->up && looks[i].target->group == l->target->group)
			return true;
	return false;
}

/* One round: waits until something happens. False: there is nothing more to wait for. */
static bool wait_round(struct look *looks, size_t n, struct pollfd *fds, uint64_t until)
{
	bool looking = false, pending = false;
	uint64_t soon = now_usec() + LOOKUP_USEC;

	for (size_t i = 0; i < n; i++)
		look_up(looks + i);
	for (size_t i = 0; i < n; i++) {
		if (looks[i].target->up)
			close_all(looks + i);
		if (is_pending(looks + i) && !is_spared(looks + i, looks, n)) {
			pending = true;
			looking |= looks[i].looking;
		}
		for (size_t j = 0; j < ADDRESSES_MAX; j++)
			fds[i * ADDRESSES_MAX + j] = (struct pollfd){looks[i].fds[j], POLLOUT, 0};
	}
	if (!pending || now_usec() >= until)
		return false;
	if (poll(fds, n * ADDRESSES_MAX,
	         poll_timeout_msec(looking && soon < until ? soon : until)) < 0)
		return errno == EINTR;
	for (size_t i = 0; i < n * ADDRESSES_MAX; i++)
		if (fds[i].fd >= 0 && fds[i].revents)
			answer(looks + i / ADDRESSES_MAX, i % ADDRESSES_MAX);
	return true;
}

/* Whether no thread has it any more. */
static bool end(struct look *l)
{
	close_all(l);
	if (l->looking && gai_cancel(&l->lookup) == EAI_NOTCANCELED)
		return false;
	if (l->looking && gai_error(&l->lookup) == 0)
		freeaddrinfo(l->lookup.ar_result);
	return true;
}

void scan_run(struct scan_target *targets, size_t n, uint64_t deadline_usec)
{
	uint64_t until = now_usec() + SCAN_USEC;
	struct look *looks = calloc(n ? n : 1, sizeof(*looks));
	_cleanup_free_ struct pollfd *fds = calloc(n ? n : 1, ADDRESSES_MAX * sizeof(*fds));
	bool ours = true;

	for (size_t i = 0; i < n; i++)
		targets[i].up = targets[i].known = false;
	n = !looks || !fds ? 0 : n > SCAN_MAX ? SCAN_MAX : n;
	until = until < deadline_usec ? until : deadline_usec;
	for (size_t i = 0; i < n; i++) {
		struct look *l = looks + i;

		l->target = targets + i;
		for (size_t j = 0; j < ADDRESSES_MAX; j++)
			l->fds[j] = -1;
		snprintf(l->host, sizeof(l->host), "%s", targets[i].host);
		snprintf(l->port, sizeof(l->port), "%u", targets[i].port);
		begin(l);
	}
	while (wait_round(looks, n, fds, until))
		;
	for (size_t i = 0; i < n; i++) {
		targets[i].known = !is_pending(looks + i) || now_usec() >= until;
		ours &= end(looks + i);
	}
	if (ours) {
		free(looks);
		return;
	}
	looks->next = abandoned;
	abandoned = looks;
}
