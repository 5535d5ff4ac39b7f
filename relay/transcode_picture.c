/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/transcode_picture.c - what the encoder has made, on its way to the client. Worker, locked.
 * System calls: recvmsg.
 */
#include <errno.h>

#include "base/macros.h"
#include "relay/transcode_state.h"

#define SCROLLS_MAX 4096 /* of one picture: more than there are rows that could move */

/* Whether what the encoder says can be true. Only its pixels are believed. */
static bool is_sound(const struct transcode *t, const struct frame *f)
{
	const struct frame_picture *p = &f->picture;

	if (t->state != STATE_ON || f->number <= t->out_last || p->answers > t->draws ||
	    p->coding >= CODING_MAX_ || p->format >= PIXEL_MAX_ || p->csc >= CSC_MAX_ ||
	    !(t->setup.codings & CODING_BIT(p->coding)) ||
	    !memchr(p->encoder, 0, sizeof(p->encoder)))
		return false;
	if (p->len == 0)
		return p->answers > 0;
	if (p->offset < FRAME_IN_BYTES || p->offset > FRAME_MEMORY ||
	    p->len > FRAME_MEMORY - p->offset || p->len > FLOW_RECORD_MAX)
		return false;
	if (p->coding >= CODING_H264 &&
	    (p->coded_w == 0 || p->coded_h == 0 || p->coded_w > p->w || p->coded_h > p->h ||
	     (!t->setup.scaling && (p->coded_w != p->w || p->coded_h != p->h))))
		return false;
	/* Rectangles are written out: they must not become more than a client takes. */
	if (p->coding == CODING_SCROLL && p->len > SCROLLS_MAX * sizeof(struct frame_scroll))
		return false;
	return p->w > 0 && p->h > 0 && p->x + p->w <= FRAME_SIDE_MAX &&
	       p->y + p->h <= FRAME_SIDE_MAX && p->stride <= 4 * FRAME_SIDE_MAX + 4096;
}

static void take_report(struct worker *w, const struct frame *f)
{
	struct stats *s = w->stats;
	size_t i = 0;

	while (i < STATS_WINDOWS - 1 && s->windows[i].wid && s->windows[i].wid != f->wid)
		i++;
	s->windows[i] = (struct stats_window){.wid = f->wid, .report = f->report};
	s->windows[i].report.encoder[sizeof(f->report.encoder) - 1] = '\0';
	s->windows[i].report.device[sizeof(f->report.device) - 1] = '\0';
	s->windows[i].report.why[sizeof(f->report.why) - 1] = '\0';
}

static int take_frame(struct worker *w, const struct frame *f)
{
	struct transcode *t = w->transcode;

	if (f->taken > t->draws)
		return -EBADMSG;
	t->taken = f->taken;
	frame_ring_give(&t->in, f->taken);
	switch (f->type) {
	case FRAME_READY:
		if (t->state != STATE_STARTING)
			return -EBADMSG;
		t->state = STATE_ON;
		for (size_t i = 0; i < t->windows.count && t->state == STATE_ON; i++)
			transcode_tell_size(w, &t->windows.items[i]);
		return 0;
	case FRAME_PICTURE:
		if (!is_sound(t, f))
			return -EBADMSG;
		t->out_last = f->number;
		if (f->picture.len == 0) {
			transcode_answered(t, f->wid, f->picture.answers, true);
			transcode_due(t, f->wid, f->picture.answers);
			return 0;
		}
		t->waiting[(t->waiting_first + t->waiting_count++) % WAITING_MAX] = *f;
		if (f->picture.last && f->picture.answers)
			transcode_answered(t, f->wid, f->picture.answers, true);
		return 0;
	case FRAME_HELD:
		transcode_answered(t, f->wid, f->number, false);
		return 0;
	case FRAME_REPORT:
		take_report(w, f);
		return 0;
	default:
		return -EBADMSG;
	}
}

int transcode_fd(const struct worker *w)
{
	return w->transcode ? w->transcode->fd : -1;
}

bool transcode_reads(const struct worker *w)
{
	return w->transcode->waiting_count < WAITING_MAX;
}

void transcode_receive(struct worker *w)
{
	struct transcode *t = w->transcode;
	struct frame f;
	int r = 0;

	while (t->fd >= 0 && transcode_reads(w) && (r = frame_receive(t->fd, &f)) == 0) {
		r = take_frame(w, &f);
		if (r < 0)
			break;
	}
	if (r == -EPIPE)
		transcode_lose(w, "the encoder has ended");
	else if (r < 0 && r != -EAGAIN)
		transcode_lose(w, "the encoder said what cannot be true");
}

bool transcode_ready(const struct worker *w, const struct flow *f)
{
	const struct transcode *t = w->transcode;

	if (!t || t->state < STATE_ON)
		return false;
	return f == &w->down ? t->waiting_count > 0 : t->amends || t->due;
}

/* Who has not said by now what became of the oldest picture never will. */
static void forget_oldest(struct transcode *t)
{
	const struct shown *s = transcode_shown(t, 0);

	if (s->last)
		transcode_due(t, s->wid, s->answers);
	t->shown_first = (t->shown_first + 1) % PICTURES_MAX;
	t->shown_count--;
}

static int show(struct worker *w, const struct frame *f)
{
	struct transcode *t = w->transcode;
	size_t size, len;
	uint8_t *buf = flow_inject_at(&w->down, &size);
	int r = draw_write(w->client.encoder, t->new_names ? DRAW_NAME_NEW : DRAW_NAME, f->wid,
	                   t->sequence + 1, &f->picture, t->memory + f->picture.offset, buf, size,
	                   &len);

	if (r < 0)
		return r;
	flow_injected(&w->down, len);
	w->stats->from_server.injected++;
	w->stats->pictures_bytes += len;
	if (t->shown_count == PICTURES_MAX)
		forget_oldest(t);
	t->shown[(t->shown_first + t->shown_count++) % PICTURES_MAX] =
		(struct shown){.number = f->number,
	                       .answers = f->picture.answers,
	                       .sent_usec = now_usec(),
	                       .sequence = ++t->sequence,
	                       .wid = f->wid,
	                       .last = f->picture.last};
	return 0;
}

/* Whether a draw of the server's own has painted over what a picture shows, since it was made. */
static bool is_stale(const struct transcode *t, const struct frame *f)
{
	const struct frame_picture *p = &f->picture;

	for (unsigned i = 0; i < t->spoils_count; i++) {
		const struct spoil *s = &t->spoils[i];

		if (s->number > f->taken && (s->wid == 0 || s->wid == f->wid) &&
		    p->x < s->x + s->w && s->x < p->x + p->w && p->y < s->y + s->h &&
		    s->y < p->y + p->h)
			return true;
	}
	return false;
}

/* The encoder will send what of it is still so. */
static void leave_out(struct worker *w, const struct frame *f)
{
	struct frame word = {.type = FRAME_SHOWN,
	                     .wid = f->wid,
	                     .number = f->number,
	                     .shown = {.decode_usec = FRAME_NOT_SHOWN}};

	if (f->picture.last)
		transcode_due(w->transcode, f->wid, f->picture.answers);
	(void)transcode_say(w, &word);
}

/* The oldest picture that waits, unless its window is gone. */
static void write_picture(struct worker *w)
{
	struct transcode *t = w->transcode;
	const struct frame f = t->waiting[t->waiting_first];
	bool there = windows_find(&t->windows, f.wid), stale = there && is_stale(t, &f);

	t->waiting_first = (t->waiting_first + 1) % WAITING_MAX;
	t->waiting_count--;
	if (there && !stale && show(w, &f) < 0) {
		transcode_lose(w, "the encoder said what cannot be told the client");
		return;
	}
	t->freed = f.number;
	if (stale)
		leave_out(w, &f);
}

void transcode_write(struct worker *w, struct flow *f)
{
	struct transcode *t = w->transcode;
	size_t size, len;
	uint8_t *buf;

	if (f == &w->down) {
		write_picture(w);
		return;
	}
	transcode_settle_due(w);
	if (!t->amends)
		return;
	t->amends = false;
	transcode_settle_all(w, 0);
	buf = flow_inject_at(f, &size);
	if (draw_refresh_write(w->server.encoder, t->new_names ? REFRESH_NAME_NEW : REFRESH_NAME,
	                       buf, size, &len) == 0)
		flow_injected(f, len);
}
