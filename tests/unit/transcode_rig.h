/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * transcode_rig.h - relay/transcode*.c between scripted peers and an encoder that says what it is
 * told to. relay/pump.c is included, as its parts are static.
 */
#pragma once

#include "tests/unit/test.h"

#include <signal.h>

#define PROPERTY(cond) CHECK(cond)

#include "tests/unit/packet_text.h"
#include "tests/unit/relay_rig.h"

#include "relay/pump.c"
#include "relay/transcode_state.h"

#define PLUS ENCODER_RENCODEPLUS
#define DRAWN 1024 /* sequences of the server's are below that */

static struct rig *rig;
static struct pump pump;
static struct transcode *tc;
static uint8_t *memory; /* as the encoder has it mapped */
static int encoder = -1;
static uint64_t pictures; /* the encoder's numbers */
static uint8_t in[1 << 20];

/* What the peers have got, read up to where. */
static size_t server_at, client_at;
static unsigned acked[DRAWN], refreshes, shown, chunk;
static int64_t usec[DRAWN], passed; /* the last draw of the server's own that the client has */
static int64_t ours;                /* the last of ours: its sequence */

/* ---- both sides ---- */

static inline void advance_both(void)
{
	struct worker *w = &rig->w;

	for (int i = 0; i < 3; i++) {
		advance(&pump, &w->up);
		advance(&pump, &w->down);
	}
	rig_drain(rig, &w->up);
	rig_drain(rig, &w->down);
}

static inline void feed(struct flow *f, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = write(f == &rig->w.up ? rig->client_fd : rig->server_fd, p, len);

		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
		receive(&pump, f);
		advance_both();
	}
}

static inline void say(struct flow *f, const char *text)
{
	feed(f, in, record_text(PLUS, text, in, sizeof(in)));
}

__attribute__((format(printf, 1, 2))) static inline void server(const char *format, ...)
{
	char text[2000];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	say(&rig->w.down, text);
}

/* Two pixels; sequences are counted from 1. */
static inline void draw(uint32_t wid, int64_t sequence)
{
	server("['draw', %u, 1, 2, 2, 1, 'rgb24', b'abcdefgh', %lld, 8, {'rgb_format': 'BGRX'}]",
	       wid, (long long)sequence);
}

/* One that is not for the encoder. */
static inline void draw_png(uint32_t wid, int64_t sequence)
{
	server("['draw', %u, 1, 2, 2, 1, 'png', b'abc', %lld, 0, {}]", wid, (long long)sequence);
}

static inline void client_ack(int64_t sequence, uint32_t wid, int64_t took)
{
	char text[200];

	snprintf(text, sizeof(text), "['damage-sequence', %lld, %u, 2, 1, %lld, '']",
	         (long long)sequence, wid, (long long)took);
	say(&rig->w.up, text);
}

/* The items of a record, from after its name. */
static inline void open_record(const uint8_t *data, const struct header *h, struct token_reader *r,
                               char name[65])
{
	struct packet p = {.encoder = h->flags & ENCODER_FLAGS, .payload = data, .len = h->size};

	CHECK_EQ(edit_open(&p, r, name, 65), 0);
}

static inline void read_server(void)
{
	const struct sink *s = &rig->to_server;
	struct token_reader r;
	struct draw_ack a;
	struct header h;
	char name[65];

	for (; server_at < s->len; server_at += HEADER_LEN + h.size) {
		CHECK_EQ(header_parse(s->data + server_at, s->len - server_at, &h, NULL), 0);
		open_record(s->data + server_at + HEADER_LEN, &h, &r, name);
		refreshes += strcmp(name, "buffer-refresh") == 0;
		if (strcmp(name, "damage-sequence") != 0)
			continue;
		CHECK_EQ(draw_ack_read(&r, ACK_DAMAGE_SEQUENCE, &a), 0);
		CHECK(a.sequence > 0 && a.sequence < DRAWN); /* none of ours */
		acked[a.sequence]++;
		usec[a.sequence] = a.decode_usec;
		CHECK(a.w == 2 && a.h == 1);
	}
}

static inline void read_client(void)
{
	const struct sink *s = &rig->to_client;
	struct token_reader r;
	struct header h;
	struct draw d;
	char name[65];

	for (; client_at < s->len; client_at += HEADER_LEN + h.size) {
		if (s->len - client_at < HEADER_LEN)
			return;
		CHECK_EQ(header_parse(s->data + client_at, s->len - client_at, &h, NULL), 0);
		if (s->len - client_at < HEADER_LEN + h.size)
			return;
		if (h.index > 0) {
			CHECK_EQ(chunk, 0);
			chunk = h.size;
			continue;
		}
		open_record(s->data + client_at + HEADER_LEN, &h, &r, name);
		if (strcmp(name, "draw") == 0) {
			CHECK_EQ(draw_read(&r, chunk, &d), 0);
			if (d.sequence > SEQUENCE_BASE) {
				CHECK_EQ(d.sequence, SEQUENCE_BASE + ++shown);
				ours = d.sequence;
			} else {
				passed = d.sequence;
			}
		}
		chunk = 0;
	}
}

/* The server has heard of draws first..last exactly once, and of no others; and that of all. */
static inline void check_acked(int64_t first, int64_t last)
{
	read_server();
	for (int64_t i = 1; i < DRAWN; i++) {
		test_note("draw %lld", (long long)i);
		CHECK_EQ(acked[i], i >= first && i <= last);
	}
	test_note("%s", "");
}

/* ---- the encoder ---- */

static inline struct frame told(uint32_t type)
{
	struct frame f;

	do
		CHECK_EQ(frame_receive(encoder, &f), 0);
	while (f.type == FRAME_QUEUE && type != FRAME_QUEUE);
	CHECK_EQ(f.type, type);
	return f;
}

static inline void told_nothing(void)
{
	struct frame f;

	CHECK_EQ(frame_receive(encoder, &f), -EAGAIN);
}

/* Of a picture, that the client was not sent it. */
static inline void told_not_shown(uint64_t number)
{
	struct frame f = told(FRAME_SHOWN);

	CHECK_EQ(f.number, number);
	CHECK_EQ(f.shown.decode_usec, FRAME_NOT_SHOWN);
}

static inline void answer(struct frame f)
{
	CHECK_EQ(frame_send(encoder, &f), 0);
	transcode_receive(&rig->w);
	advance_both();
	read_client();
}

static inline struct frame picture(uint32_t wid, uint64_t answers)
{
	memcpy(memory + FRAME_IN_BYTES, "jpeg", 4);
	return (struct frame){.type = FRAME_PICTURE,
	                      .wid = wid,
	                      .number = ++pictures,
	                      .taken = answers,
	                      .picture = {.offset = FRAME_IN_BYTES,
	                                  .len = 4,
	                                  .answers = answers,
	                                  .w = 2,
	                                  .h = 1,
	                                  .coding = CODING_JPEG,
	                                  .last = true,
	                                  .encoder = "jpeg"}};
}

static inline void hang_up(void)
{
	close(encoder);
	encoder = -1;
	transcode_receive(&rig->w);
	advance_both();
	read_client();
}

/* What is lost with the encoder: the server hears of draws up to `last`, once, and is asked for
 * all; the next draws pass. */
static inline void check_lost(int64_t last)
{
	CHECK_EQ(tc->state, STATE_LOST);
	CHECK_EQ(transcode_fd(&rig->w), -1);
	check_acked(1, last);
	CHECK_EQ(refreshes, 1);
	CHECK_EQ(tc->owed_count, 0);
	draw(1, last + 1);
	read_client();
	CHECK_EQ(passed, last + 1);
	client_ack(last + 1, 1, 5);
	check_acked(1, last + 1);
	CHECK_EQ(usec[last + 1], 5);
	CHECK_EQ(rig_logged(rig), 1);
	CHECK_EQ(transcode_tick(&rig->w, now_usec()), USEC_INFINITY);
}

/* ---- the beginning ---- */

static inline void set_up(void)
{
	static char name[] = "x264";
	struct config *c;
	int fd;

	rig = malloc(sizeof(*rig));
	rig_init(rig);
	(void)signal(SIGPIPE, SIG_IGN);
	c = &rig->config;
	fd = frame_memory_new();
	CHECK(!transcode_new(c, fd)); /* not configured */
	c->encode_encoders.items[0] = name;
	c->encode_encoders.count = 1;
	CHECK(!transcode_new(c, -1));
	CHECK(!transcode_new(c, 0));
	tc = transcode_new(c, fd);
	CHECK(tc && tc->fd == -1);
	memory = frame_memory_map(fd);
	CHECK(memory);
	close(fd);
}

/* As after the hellos, and with two windows. */
static inline void begin(void)
{
	uint8_t *mapped;
	int fds[2];

	if (!rig)
		set_up();
	if (encoder >= 0)
		close(encoder);
	if (tc->fd >= 0)
		close(tc->fd);
	rig_reset(rig, PLUS, PLUS);
	pump = (struct pump){.w = &rig->w, .linger_usec = USEC_INFINITY};
	mapped = tc->memory;
	*tc = (struct transcode){.memory = mapped, .state = STATE_OFFERED};
	frame_ring_init(&tc->in, 0, FRAME_IN_BYTES);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	tc->fd = fds[0];
	encoder = fds[1];
	tc->setup.codings = CODING_BIT(CODING_RGB24) | CODING_BIT(CODING_RGB32) |
	                    CODING_BIT(CODING_JPEG) | CODING_BIT(CODING_SCROLL);
	rig->w.transcode = tc;
	CHECK(!transcode_active(&rig->w));
	transcode_begin(&rig->w);
	CHECK(transcode_active(&rig->w));
	pictures = server_at = client_at = 0;
	refreshes = shown = chunk = 0;
	passed = ours = 0;
	memset(acked, 0, sizeof(acked));
	server("['new-window', 1, 0, 0, 300, 200, {}, {}]");
	server("['new-window', 2, 0, 0, 400, 300, {}, {}]");
	server("['new-window', 3, 0, 0, 30, 20, {}, {}]");
	server("['new-override-redirect', 4, 0, 0, 400, 300, {}, {}]");
	told_nothing();
	(void)rig_logged(rig);
}

/* And with an encoder that is ready. Draws of 1 pass before that. */
static inline void start(void)
{
	struct frame f;

	begin();
	draw(1, 900);
	CHECK_EQ(tc->state, STATE_STARTING);
	f = told(FRAME_SETUP);
	CHECK_STR(f.setup.encoders[0], "x264");
	CHECK(f.setup.pixels & PIXEL_BIT(PIXEL_BGRX));
	read_client();
	CHECK_EQ(passed, 900);
	answer((struct frame){.type = FRAME_READY});
	CHECK_EQ(tc->state, STATE_ON);
	f = told(FRAME_WINDOW);
	CHECK(f.wid == 1 && f.window.w == 300 && f.window.h == 200);
	CHECK_EQ(told(FRAME_WINDOW).wid, 2);
	CHECK_EQ(told(FRAME_WINDOW).wid, 3);
	told_nothing();
}
