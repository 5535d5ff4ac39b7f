/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/flow.c - the buffer of one direction. Worker, locked. System calls: madvise, and those of
 * relay/leg.c.
 */
#include "relay/flow.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/macros.h"

static uint8_t *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int flow_init(struct flow *f, struct leg *from, struct leg *to, size_t batch)
{
	*f = (struct flow){.from = from, .to = to, .window = FLOW_WINDOW, .batch = batch};
	f->buf = map(FLOW_SIZE);
	f->inject = map(FLOW_INJECT_SIZE);
	return f->buf && f->inject ? 0 : -ENOMEM;
}

/* Moves what is undecided to the front, so that a record can be whole. */
static void compact(struct flow *f)
{
	if (f->sent == 0 || f->sent < f->ready)
		return;
	memmove(f->buf, f->buf + f->sent, f->end - f->sent);
	f->end -= f->sent;
	f->ready = f->sent = 0;
}

ssize_t flow_read(struct flow *f)
{
	size_t room;
	ssize_t n;

	if (f->end == f->window)
		compact(f);
	if (f->end == f->window)
		return -ENOBUFS;
	room = f->window - f->end < f->batch ? f->window - f->end : f->batch;
	n = leg_read(f->from, f->buf + f->end, room);
	if (n == 0)
		f->eof = true;
	if (n <= 0)
		return n;
	f->end += (size_t)n;
	if (f->end > f->high)
		f->high = f->end;
	return n;
}

int flow_want(struct flow *f, size_t record_bytes)
{
	size_t need = f->ready - f->sent + record_bytes;

	if (record_bytes > FLOW_RECORD_MAX + HEADER_LEN || need > FLOW_SIZE)
		return -EMSGSIZE;
	if (f->sent + need > f->window)
		compact(f);
	if (f->sent + need > FLOW_SIZE) /* not before what is marked has been written */
		return -EMSGSIZE;
	if (f->sent + need > f->window)
		f->window = f->sent + need;
	return 0;
}

static void rewind_if_empty(struct flow *f)
{
	if (f->sent == f->end)
		f->sent = f->ready = f->end = 0;
}

void flow_pass(struct flow *f, size_t n)
{
	f->ready += n;
}

void flow_drop(struct flow *f, size_t n)
{
	f->ready += n;
	f->sent = f->ready;
	rewind_if_empty(f);
}

int flow_write(struct flow *f)
{
	bool injecting = f->inject_sent < f->inject_len;
	const uint8_t *p = injecting ? f->inject + f->inject_sent : f->buf + f->sent;
	size_t len = injecting ? f->inject_len - f->inject_sent : f->ready - f->sent;
	ssize_t n;

	if (len == 0)
		return 1;
	n = leg_write(f->to, p, len);
	if (n < 0)
		return n == -EAGAIN ? 0 : (int)n;
	if (injecting) {
		f->inject_sent += (size_t)n;
		if (f->inject_sent == f->inject_len)
			f->inject_sent = f->inject_len = 0;
	} else {
		f->sent += (size_t)n;
		rewind_if_empty(f);
	}
	return (size_t)n == len;
}

void flow_trim(struct flow *f)
{
	if (f->window > FLOW_WINDOW && f->end <= FLOW_WINDOW) {
		(void)madvise(f->buf + FLOW_WINDOW, FLOW_SIZE - FLOW_WINDOW, MADV_DONTNEED);
		f->window = FLOW_WINDOW;
	}
	if (f->inject_len == 0 && f->inject_high > FLOW_WINDOW) {
		(void)madvise(f->inject, FLOW_INJECT_SIZE, MADV_DONTNEED);
		f->inject_high = 0;
	}
}

void flow_release(struct flow *f)
{
	if (f->end == 0 && f->high > FLOW_KEEP) {
		(void)madvise(f->buf, FLOW_SIZE, MADV_DONTNEED);
		f->window = FLOW_WINDOW;
		f->high = 0;
	}
	if (f->inject_len == 0 && f->inject_high > FLOW_KEEP) {
		(void)madvise(f->inject, FLOW_INJECT_SIZE, MADV_DONTNEED);
		f->inject_high = 0;
	}
}
