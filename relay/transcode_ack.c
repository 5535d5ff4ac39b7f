/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/transcode_ack.c - who is owed an acknowledgement: the server one for each of its draws,
 * whatever became of it, when the client has dealt with the picture that holds it. Worker, locked.
 * No system calls.
 */
#include "base/macros.h"
#include "relay/transcode_state.h"

/* One to the server, if there is room for it. */
static bool acknowledge(struct worker *w, const struct owed *o, int64_t decode_usec)
{
	const struct draw_ack a = {.sequence = o->sequence,
	                           .wid = o->wid,
	                           .w = o->w,
	                           .h = o->h,
	                           .decode_usec = decode_usec};
	size_t size, len;
	uint8_t *buf = flow_inject_at(&w->up, &size);

	if (draw_ack_write(w->server.encoder, w->transcode->ack, &a, buf, size, &len) < 0)
		return false;
	flow_injected(&w->up, len);
	return true;
}

static void forget_settled(struct transcode *t)
{
	while (t->owed_count > 0 && transcode_owed(t, 0)->settled &&
	       transcode_owed(t, 0)->answered) {
		t->owed_first = (t->owed_first + 1) % DRAWS_MAX;
		t->owed_count--;
	}
	while (t->shown_count > 0 && transcode_shown(t, 0)->done) {
		t->shown_first = (t->shown_first + 1) % PICTURES_MAX;
		t->shown_count--;
	}
}

/* All of the window's draws up to this one: the last of them with the client's own time. */
static void settle(struct worker *w, uint32_t wid, uint64_t upto, int64_t decode_usec)
{
	struct transcode *t = w->transcode;
	struct owed *last = NULL;

	for (unsigned i = 0; i < t->owed_count; i++) {
		struct owed *o = transcode_owed(t, i);

		if (o->wid != wid || o->number > upto || o->settled)
			continue;
		if (last)
			last->settled = acknowledge(w, last, 0);
		last = o;
	}
	if (last)
		last->settled = acknowledge(w, last, decode_usec);
	forget_settled(t);
}

/* The window is gone, or the encoder: there will be no picture of these. */
void transcode_settle_all(struct worker *w, uint32_t wid)
{
	struct transcode *t = w->transcode;

	for (unsigned i = 0; i < t->owed_count; i++) {
		struct owed *o = transcode_owed(t, i);

		if ((wid && o->wid != wid) || o->settled)
			continue;
		o->settled = wid ? true : acknowledge(w, o, 0);
		o->answered = true;
	}
	/* Clients need not say what became of a draw whose window has gone. */
	for (unsigned i = 0; i < t->shown_count && wid; i++)
		if (transcode_shown(t, i)->wid == wid)
			transcode_shown(t, i)->done = true;
	forget_settled(t);
}

/* The client has dealt with a draw of ours. True: it was one. */
bool transcode_take_ack(struct worker *w, const struct draw_ack *a)
{
	struct transcode *t = w->transcode;
	struct frame f = {.type = FRAME_SHOWN};

	for (unsigned i = 0; i < t->shown_count; i++) {
		struct shown *s = transcode_shown(t, i);
		uint64_t round = now_usec() - s->sent_usec;

		if (s->sequence != a->sequence || s->done)
			continue;
		s->done = true;
		f.wid = s->wid;
		f.number = s->number;
		f.shown.decode_usec = a->decode_usec;
		f.shown.round_usec = round < UINT32_MAX ? (uint32_t)round : UINT32_MAX;
		if (t->state == STATE_ON)
			(void)transcode_say(w, &f);
		if (s->last)
			settle(w, s->wid, s->answers, a->decode_usec);
		forget_settled(t);
		return true;
	}
	return a->sequence > SEQUENCE_BASE && a->sequence <= t->sequence;
}

void transcode_answered(struct transcode *t, uint32_t wid, uint64_t number, bool all_before)
{
	for (unsigned i = 0; i < t->owed_count; i++) {
		struct owed *o = transcode_owed(t, i);

		if (o->number == number || (all_before && o->wid == wid && o->number < number))
			o->answered = true, o->held = !all_before;
	}
	forget_settled(t);
}

void transcode_due(struct transcode *t, uint32_t wid, uint64_t upto)
{
	for (unsigned i = 0; i < t->owed_count; i++) {
		struct owed *o = transcode_owed(t, i);

		if (o->wid == wid && o->number <= upto && !o->settled)
			o->due = t->due = true;
	}
}

void transcode_settle_due(struct worker *w)
{
	struct transcode *t = w->transcode;

	t->due = false;
	for (unsigned i = 0; i < t->owed_count; i++) {
		struct owed *o = transcode_owed(t, i);

		if (o->due && !o->settled)
			o->settled = acknowledge(w, o, 0);
	}
	forget_settled(t);
}
