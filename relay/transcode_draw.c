/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/transcode_draw.c - the server's draws, on their way to the encoder. Worker, locked. System
 * calls: sendmsg, madvise.
 */
#include <errno.h>

#include "base/macros.h"
#include "relay/pump.h"
#include "relay/transcode_state.h"

/* What is smaller is a menu, a tooltip or an icon: video gains nothing there. */
#define SIDE_MIN_W 128
#define SIDE_MIN_H 96

/* The window's draws, or (0) all, that the encoder has not answered, or whose pictures wait: what
 * passes must not overtake them. */
static bool is_behind(struct transcode *t, uint32_t wid)
{
	for (unsigned i = 0; i < t->owed_count; i++)
		if ((!wid || transcode_owed(t, i)->wid == wid) && !transcode_owed(t, i)->answered)
			return true;
	for (unsigned i = 0; i < t->waiting_count; i++)
		if (!wid || t->waiting[(t->waiting_first + i) % WAITING_MAX].wid == wid)
			return true;
	return false;
}

int transcode_look(struct worker *w, const struct header *first, const char **ret_why)
{
	uint8_t scratch[PACKET_PEEK] _uninitialized_;
	struct transcode *t = w->transcode;
	struct flow *f = &w->down;
	struct header h = *first;
	const char *name;
	size_t at = 0, len;
	unsigned chunks = 0;
	int r;

	if (t->passing && !(t->unseen && h.index == 0))
		return -EAGAIN;
	while (h.index > 0) {
		at += HEADER_LEN + (size_t)h.size;
		if (++chunks > HEADER_CHUNKS_MAX || flow_want(f, at + PACKET_PEEK) < 0)
			break;
		if (flow_available(f) < at + HEADER_LEN)
			return 0;
		r = header_parse(flow_at(f) + at, flow_available(f) - at, &h, ret_why);
		if (r < 0)
			return -EBADMSG;
	}
	if (h.index > 0) {           /* too large: the draw that follows is looked at without it */
		if (is_behind(t, 0)) /* later it could not wait any more */
			return 0;
		t->passing = t->unseen = true;
		return -EAGAIN;
	}
	r = packet_peek_name(w->decompressor, &h, flow_at(f) + at + HEADER_LEN,
	                     flow_available(f) - at - HEADER_LEN, scratch, &name, &len);
	if (r == -EAGAIN)
		return 0;
	if (r == 0 && windows_server_cares(name, len))
		return 1;
	t->passing = true;
	return -EAGAIN;
}

void transcode_passed(struct worker *w)
{
	w->transcode->passing = w->transcode->unseen = false;
}

static int start(struct worker *w, const struct draw *d)
{
	struct transcode *t = w->transcode;
	struct frame f = {.type = FRAME_SETUP};

	/* The server keeps to what each window's client takes, which may be more than the hello
	 * says. */
	t->setup.pixels |= PIXEL_BIT(d->format);
	f.setup = t->setup;
	t->state = STATE_STARTING;
	t->since_usec = now_usec();
	return transcode_say(w, &f);
}

static bool is_ordinary(struct transcode *t, uint32_t wid)
{
	const struct window *x = windows_find(&t->windows, wid);

	return x && x->ordinary && x->w >= SIDE_MIN_W && x->h >= SIDE_MIN_H;
}

/* How much of [at, at + size) is where windows can be, and where that begins. */
static uint16_t within(int32_t at, int32_t size, uint16_t *ret_at)
{
	int32_t begin = at < 0 ? 0 : at, end = at + size;

	if (end > FRAME_SIDE_MAX)
		end = FRAME_SIDE_MAX;
	*ret_at = (uint16_t)begin;
	return (uint16_t)(end > begin ? end - begin : 0);
}

/* Pictures that the encoder makes before it hears of this show what was there before. */
static void note_spoil(struct transcode *t, const struct spoil *s)
{
	uint64_t told = t->waiting_count > 0 ? t->waiting[t->waiting_first].taken : t->taken;
	unsigned gone = 0;

	while (gone < t->spoils_count && t->spoils[gone].number <= told)
		gone++;
	t->spoils_count -= gone;
	memmove(t->spoils, t->spoils + gone, t->spoils_count * sizeof(t->spoils[0]));
	if (t->spoils_count < SPOILS_MAX)
		t->spoils[t->spoils_count++] = *s;
	else /* more than needed may be sent twice */
		t->spoils[SPOILS_MAX - 1] = (struct spoil){
			.number = s->number, .w = FRAME_SIDE_MAX, .h = FRAME_SIDE_MAX};
}

/* Tells the encoder of a rectangle that it did not see. Of small windows too: they may grow. */
static void spoil(struct worker *w, const struct draw *d)
{
	struct transcode *t = w->transcode;
	const struct window *x = windows_find(&t->windows, d->wid);
	struct frame f = {.type = FRAME_SPOILED, .wid = d->wid};

	if (t->state != STATE_ON || !x || !x->ordinary)
		return;
	f.number = ++t->draws;
	f.draw.w = within(d->x, d->w, &f.draw.x);
	f.draw.h = within(d->y, d->h, &f.draw.y);
	note_spoil(t, &(struct spoil){f.number, f.wid, f.draw.x, f.draw.y, f.draw.w, f.draw.h});
	(void)transcode_say(w, &f);
}

/* The pixels into the ring, and word of them to the encoder. 1; 0: no room now; -EBADMSG. */
static int hand_over(struct worker *w, const struct draw *d, const uint8_t *data, size_t len)
{
	struct transcode *t = w->transcode;
	struct frame f = {.type = FRAME_DRAW, .wid = d->wid, .number = t->draws + 1};
	uint64_t offset;

	if (t->owed_count == DRAWS_MAX) {
		/* Who has not said by now what became of the oldest never will. */
		if (transcode_owed(t, 0)->answered)
			transcode_due(t, transcode_owed(t, 0)->wid, transcode_owed(t, 0)->number);
		return 0;
	}
	if (frame_ring_take(&t->in, t->draws + 1, draw_bytes(d), &offset) < 0)
		return 0;
	if (draw_pixels(d, w->decompressor, data, len, t->memory + offset) < 0) {
		frame_ring_return(&t->in);
		return -EBADMSG;
	}
	t->draws++;
	f.draw = (struct frame_draw){.offset = offset,
	                             .stride = d->stride,
	                             .x = (uint16_t)d->x,
	                             .y = (uint16_t)d->y,
	                             .w = (uint16_t)d->w,
	                             .h = (uint16_t)d->h,
	                             .format = (uint8_t)d->format,
	                             .flush = d->flush,
	                             .wire_bytes = (uint32_t)len};
	(void)transcode_say(w, &f);
	t->owed[(t->owed_first + t->owed_count++) % DRAWS_MAX] =
		(struct owed){.number = t->draws,
	                      .sent_usec = now_usec(),
	                      .wid = d->wid,
	                      .sequence = d->sequence,
	                      .w = d->w,
	                      .h = d->h};
	return 1;
}

/* 1: the encoder has it; 0: not now; -EAGAIN: it passes as it is. */
static int take_draw(struct worker *w, const struct packet *p, struct token_reader *r,
                     const struct header *chunk, const uint8_t *chunk_data)
{
	struct transcode *t = w->transcode;
	bool wanted;
	struct draw d;
	int n;

	if (draw_read(r, chunk->size, &d) < 0)
		return -EAGAIN;
	/* Network-level compression of a chunk of pixels: no server that knows what it does uses
	 * it. */
	wanted = d.rgb && is_ordinary(t, d.wid) && !chunk->compression;
	if (wanted && t->state == STATE_IDLE && !t->later)
		(void)start(w, &d);
	if (wanted && t->state == STATE_ON) {
		n = hand_over(w, &d, d.data ? d.data : chunk_data,
		              d.data ? d.data_len : chunk->size);
		if (n > 0)
			peek_passed(w, &w->down, &p->header);
		if (n >= 0)
			return n;
	}
	/* Another coding, or pixels that are not what they are said to be: the client's matter. */
	if (t->state == STATE_ON && w->down.chunks == 0 && is_behind(t, d.wid))
		return 0;
	spoil(w, &d);
	return -EAGAIN;
}

/* From a server that has but the newer names. */
static int take_new_draw(struct worker *w, const struct packet *p, struct token_reader *r,
                         const struct header *chunk, const uint8_t *chunk_data)
{
	struct transcode *t = w->transcode;

	if (!t->new_names)
		t->ack = ACK_WINDOW_DRAW;
	t->new_names = true;
	return take_draw(w, p, r, chunk, chunk_data);
}

/* A draw of which there is too much to be read passes once all before it has; its first items say
 * where it is. False: not yet. */
static bool pass_huge(struct worker *w, const struct header *h, size_t at)
{
	uint8_t scratch[PACKET_PEEK] _uninitialized_;
	struct transcode *t = w->transcode;
	struct packet p = {.encoder = h->flags & ENCODER_FLAGS,
	                   .payload = flow_at(&w->down) + at + HEADER_LEN,
	                   .len = flow_available(&w->down) - at - HEADER_LEN};
	struct token_reader r;
	char name[65];
	struct draw d;
	int n = 0;

	if (t->state != STATE_ON)
		return true;
	if (p.len < PACKET_PEEK || (w->down.chunks == 0 && is_behind(t, 0)))
		return false;
	if (h->compression) {
		n = decompress_prefix(w->decompressor, h->compression, p.payload, p.len, scratch,
		                      sizeof(scratch), &p.len);
		p.payload = scratch;
	}
	if (n < 0 || edit_open(&p, &r, name, sizeof(name)) < 0)
		transcode_lose(w, "a packet of the server's cannot be read");
	else if (strcmp(name, DRAW_NAME) != 0 && strcmp(name, DRAW_NAME_NEW) != 0)
		return true;
	else if (draw_read_place(&r, &d) < 0)
		transcode_lose(w, "a draw of the server's cannot be read");
	else
		spoil(w, &d);
	return true;
}

static void take_out(struct worker *w, size_t len)
{
	w->stats->draws_bytes += len;
	flow_drop(&w->down, len);
}

int transcode_edit(struct worker *w, const char **ret_why)
{
	struct transcode *t = w->transcode;
	struct flow *f = &w->down;
	struct header h = {0}, chunk = {0};
	struct token_reader r;
	struct packet p;
	const uint8_t *data = NULL;
	size_t at = 0;
	char name[65];
	int n;

	while (header_parse(flow_at(f) + at, flow_available(f) - at, &h, ret_why) == 0 &&
	       h.index > 0) {
		if (h.index == 7) {
			chunk = h;
			data = flow_at(f) + at + HEADER_LEN;
		}
		at += HEADER_LEN + (size_t)h.size;
	}
	n = worker_packet_at(w, f, at, FLOW_RECORD_MAX, SCRATCH_SIZE, &p, ret_why);
	if (n == -EMSGSIZE ? !pass_huge(w, &h, at) : n <= 0)
		return n == -EMSGSIZE ? 0 : n;
	if (n > 0 && edit_open(&p, &r, name, sizeof(name)) == 0) {
		n = -EAGAIN;
		if (strcmp(name, DRAW_NAME) == 0)
			n = take_draw(w, &p, &r, &chunk, data);
		else if (strcmp(name, DRAW_NAME_NEW) == 0)
			n = take_new_draw(w, &p, &r, &chunk, data);
		else
			(void)transcode_note_window(w, name, &r);
		if (n > 0)
			take_out(w, at + p.record_bytes);
		if (n >= 0)
			return n;
	}
	t->passing = true; /* as it is */
	t->unseen = false;
	return 1;
}
