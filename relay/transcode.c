/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/transcode.c - the encoder as the worker sees it: agreed on, told of windows and wishes,
 * watched, given up. Worker. System calls: mmap before the lock; sendmsg, close.
 */
#include <errno.h>
#include <stdio.h>
#include <syslog.h>

#include "base/macros.h"
#include "relay/abilities.h"
#include "relay/transcode_state.h"

#define QUEUE_USEC (25 * USEC_PER_MSEC) /* how often the encoder hears of a queue that stays */
#define START_USEC (10 * USEC_PER_SEC)  /* for libraries and drivers; draws pass meanwhile */
/* A draw is held for as long as the way to the client is full, and while that is clear for moments
 * only: until it was not sent for so long, it is not sent at all. A limit of the bandwidth is spent
 * in advance, by a minute at most: encode/pace.c. */
#define HELD_USEC (5 * USEC_PER_SEC)
#define LIMITED_USEC (60 * USEC_PER_SEC)

struct transcode *transcode_new(const struct config *config, int memory_fd)
{
	static struct transcode t; /* in .bss: not touched where it is not used */

	if (config->encode_encoders.count == 0 || memory_fd < 0)
		return NULL;
	t.memory = frame_memory_map(memory_fd);
	if (!t.memory)
		return NULL;
	t.fd = -1;
	frame_ring_init(&t.in, 0, FRAME_IN_BYTES);
	return &t;
}

bool transcode_active(const struct worker *w)
{
	return w->transcode && w->transcode->state >= STATE_IDLE;
}

int transcode_offer(struct worker *w, enum encoder encoder, const uint8_t **payload, size_t *len,
                    void *buf, size_t size)
{
	struct rpc m = {.type = RPC_ENCODER};
	struct transcode *t = w->transcode;
	enum abilities known;
	int r;

	if (!t || (t->state != STATE_OFF && t->state != STATE_OFFERED))
		return 0;
	known = abilities_read(*payload, *len, encoder, &t->setup);
	if (known == ABILITIES_NONE)
		return 0;
	t->later = known == ABILITIES_LATER;
	if (t->fd < 0) {
		r = worker_ask(w, &m, &t->fd, now_usec() + 10 * USEC_PER_SEC);
		if (r < 0)
			return r;
		if (t->fd < 0) /* the guard has said why */
			return 0;
	}
	if (abilities_hide(*payload, *len, encoder, buf, size, len) < 0)
		return 0;
	*payload = buf;
	t->state = STATE_OFFERED;
	return 0;
}

void transcode_begin(struct worker *w)
{
	struct transcode *t = w->transcode;

	if (!t || t->state != STATE_OFFERED)
		return;
	t->state = STATE_IDLE;
	t->sequence = SEQUENCE_BASE;
	t->setup.lz4 = true;
	for (size_t i = 0; i < w->config->encode_encoders.count && i < FRAME_ENCODERS_MAX; i++)
		snprintf(t->setup.encoders[i], FRAME_NAME_MAX, "%s",
		         w->config->encode_encoders.items[i]);
}

/* ---- the end of the encoder ---- */

/* Everything that the server waits for is acknowledged, as skipped, and all of it is asked for
 * again: nothing that the encoder had is missed. */
void transcode_lose(struct worker *w, const char *why)
{
	struct transcode *t = w->transcode;

	if (t->state == STATE_LOST || t->state == STATE_OFF)
		return;
	worker_log(w, LOG_WARNING, "no more transcoding on this connection: %s", why);
	t->state = STATE_LOST;
	t->amends = true;
	t->waiting_count = 0;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	snprintf(w->stats->encoder_lost, sizeof(w->stats->encoder_lost), "%s", why);
}

int transcode_say(struct worker *w, struct frame *f)
{
	struct transcode *t = w->transcode;
	int r;

	f->freed = t->freed;
	r = frame_send(t->fd, f);
	if (r < 0 && r != -EAGAIN)
		transcode_lose(w, "the encoder has ended");
	else if (r < 0 && f->type != FRAME_QUEUE &&
	         (f->type != FRAME_SHOWN || f->shown.decode_usec < 0))
		transcode_lose(w, "the encoder does not read what it is told");
	return r;
}

void transcode_tell_size(struct worker *w, const struct window *x)
{
	struct frame f = {.type = FRAME_WINDOW, .wid = x->wid, .window = {.w = x->w, .h = x->h}};

	if (w->transcode->state == STATE_ON && x->ordinary)
		(void)transcode_say(w, &f);
}

/* A packet that says how large a window is, or that it is gone. True: it is one. */
bool transcode_note_window(struct worker *w, const char *name, struct token_reader *r)
{
	struct transcode *t = w->transcode;
	struct frame f = {.type = FRAME_LOST};
	const struct window *x = windows_take(&t->windows, name, r, &f.wid);

	if (x)
		transcode_tell_size(w, x);
	if (f.wid) {
		transcode_settle_all(w, f.wid);
		if (t->state == STATE_ON)
			(void)transcode_say(w, &f);
	}
	return x || f.wid;
}

int transcode_client(struct worker *w, const char *name, struct token_reader *r)
{
	struct transcode *t = w->transcode;
	enum draw_ack_form form = draw_ack_parse(name);
	struct frame f = {.type = FRAME_TUNE};
	struct draw_ack a;
	int n;

	if (form != ACK_MAX_) {
		t->ack = form; /* the server knows the one that the client has chosen */
		n = draw_ack_read(r, form, &a);
		/* One that is malformed is still of its draw, which the server knows only if it is
		 * its own; without a number it is of none. */
		return transcode_take_ack(w, &a) || (n < 0 && a.sequence == 0);
	}
	/* What it chooses among, or says now or again that it takes, is hidden from the server,
	 * which would refuse the one and believe the other. */
	if (t->later && strcmp(name, "encoding-config") == 0)
		t->later = !abilities_config(r, &t->setup);
	if (strcmp(name, "encoding") == 0 || strcmp(name, "encoding-config") == 0)
		return 1;
	if (transcode_note_window(w, name, r))
		return 0;
	if (!abilities_wish(name, r, &t->setup.wishes))
		return 0;
	f.wishes = t->setup.wishes;
	if (t->state == STATE_ON)
		(void)transcode_say(w, &f);
	return strcmp(name, "bandwidth-limit") ==
	       0; /* ours to keep: the server sees another link */
}

/* ---- time ---- */

/* How the way to the client is, while it is not clear. */
static void tell_queue(struct worker *w, uint64_t now)
{
	struct transcode *t = w->transcode;
	const struct flow *d = &w->down;
	struct frame f = {.type = FRAME_QUEUE};

	f.queue.bytes = d->inject_len - d->inject_sent + d->ready - d->sent;
	if (f.queue.bytes == 0)
		t->queue_since_usec = 0;
	else if (t->queue_since_usec == 0)
		t->queue_since_usec = now;
	else if (now >= t->queue_since_usec + QUEUE_USEC)
		t->full_usec = now;
	if (f.queue.bytes == 0 ? !t->queue_told : now < t->queue_usec + QUEUE_USEC)
		return;
	if (t->queue_since_usec)
		f.queue.age_usec = (uint32_t)(now - t->queue_since_usec);
	t->queue_usec = now;
	t->queue_told = f.queue.bytes > 0;
	(void)transcode_say(w, &f);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* When the encoder will be late with this one. */
static uint64_t late_usec(const struct transcode *t, const struct owed *o)
{
	/* Who has no room for answers cannot complain of their absence. */
	uint64_t since = later(o->sent_usec, t->busy_usec);

	if (!o->answered)
		return since + FRAME_LATE_USEC;
	if (!o->held || o->settled)
		return USEC_INFINITY;
	return later(since, t->full_usec) + HELD_USEC +
	       (t->setup.wishes.bandwidth_bits ? LIMITED_USEC : 0);
}

uint64_t transcode_tick(struct worker *w, uint64_t now)
{
	struct transcode *t = w->transcode;
	uint64_t next = USEC_INFINITY;

	if (!t || (t->state != STATE_STARTING && t->state != STATE_ON))
		return next;
	if (t->state == STATE_STARTING) {
		next = t->since_usec + START_USEC;
		if (now >= next)
			transcode_lose(w, "the encoder does not start");
		return next; /* if it is lost: now, for the server to hear of it */
	}
	tell_queue(w, now);
	if (t->waiting_count > 0)
		t->busy_usec = now;
	if (t->queue_told)
		next = t->queue_usec + QUEUE_USEC;
	for (unsigned i = 0; i < t->owed_count && t->state == STATE_ON; i++) {
		uint64_t late = late_usec(t, transcode_owed(t, i));

		if (now >= late)
			transcode_lose(w, transcode_owed(t, i)->answered
			                          ? "the encoder keeps what it was given"
			                          : "the encoder was late");
		else if (late < next)
			next = late;
	}
	return t->state == STATE_LOST ? now : next;
}
