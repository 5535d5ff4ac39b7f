/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/leg.c - send, receive and wait on one peer's socket. Worker, locked. System calls: read,
 * write, poll, shutdown.
 */
#include "relay/leg.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macros.h"

#define FIRST_PLAIN_YAML 6
#define FIRST_NESTED 5 /* beside the flat keys */

unsigned encoders_bit(enum encoder e)
{
	switch (e) {
	case ENCODER_BENCODE:
		return ENCODERS_BENCODE;
	case ENCODER_RENCODE:
		return ENCODERS_RENCODE;
	case ENCODER_RENCODEPLUS:
		return ENCODERS_RENCODEPLUS;
	case ENCODER_YAML:
		return ENCODERS_YAML;
	default:
		return 0;
	}
}

enum encoder encoders_best(unsigned set)
{
	if (set & ENCODERS_RENCODEPLUS)
		return ENCODER_RENCODEPLUS;
	if (set & ENCODERS_RENCODE)
		return ENCODER_RENCODE;
	return set == ENCODERS_YAML ? ENCODER_YAML : ENCODER_BENCODE;
}

unsigned compressors_offered(unsigned set)
{
	return (set & COMPRESSOR_BIT(COMPRESSOR_LZ4)) ? set & ~COMPRESSOR_BIT(COMPRESSOR_LZO) : set;
}

bool leg_reads(const struct leg *to, const struct leg *from, enum encoder encoder)
{
	return to->encoders & encoders_bit(encoder) &&
	       (encoder != ENCODER_YAML || from->major >= FIRST_PLAIN_YAML);
}

bool leg_is_flat(const struct leg *l)
{
	return !(l->encoders & ENCODERS_RENCODEPLUS) &&
	       (l->encoders != ENCODERS_YAML || l->major < FIRST_NESTED);
}

ssize_t leg_read(struct leg *l, void *buf, size_t len)
{
	ssize_t n;

	if (l->layer)
		return l->layer->read(l->layer, buf, len);
	n = read(l->fd, buf, len);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return n;
}

ssize_t leg_write(struct leg *l, const void *buf, size_t len)
{
	ssize_t n;

	if (l->layer)
		return l->layer->write(l->layer, buf, len);
	n = write(l->fd, buf, len);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return n;
}

bool leg_unread(const struct leg *l)
{
	return l->layer && l->layer->unread(l->layer);
}

bool leg_blocked(const struct leg *l)
{
	return l->layer && l->layer->blocked(l->layer);
}

void leg_shutdown(struct leg *l)
{
	if (l->layer)
		l->layer->shutdown(l->layer);
	(void)shutdown(l->fd, SHUT_WR);
}

int leg_send(struct leg *l, const void *data, size_t len, uint64_t deadline_usec)
{
	const char *p = data;

	while (len > 0) {
		struct pollfd pfd = {.fd = l->fd, .events = POLLOUT};
		ssize_t n = leg_write(l, p, len);

		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		if (n < 0 && n != -EAGAIN)
			return (int)n;
		if (poll(&pfd, 1, poll_timeout_msec(deadline_usec)) == 0)
			return -ETIMEDOUT;
	}
	return 0;
}

int leg_wait(struct leg *l, int hangup_fd, int guard_fd, uint64_t deadline_usec)
{
	if (leg_unread(l))
		return 1;
	for (;;) {
		struct pollfd fds[] = {
			{.fd = l->fd, .events = POLLIN | (leg_blocked(l) ? POLLOUT : 0)},
			{.fd = hangup_fd, .events = POLLRDHUP},
			{.fd = guard_fd, .events = POLLIN},
		};
		int n = poll(fds, ARRAY_SIZE(fds), poll_timeout_msec(deadline_usec));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0) {
			if (now_usec() >= deadline_usec)
				return 0;
			continue;
		}
		if (fds[2].revents)
			return -ECANCELED;
		if (fds[0].revents)
			return 1;
		if (fds[1].revents & (POLLRDHUP | POLLHUP | POLLERR))
			return -EPIPE;
	}
}
