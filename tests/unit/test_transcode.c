/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/transcode*.c against an encoder that says what it is told to. relay/pump.c is included, as
 * its parts are static.
 */
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

static void advance_both(void)
{
	struct worker *w = &rig->w;

	for (int i = 0; i < 3; i++) {
		advance(&pump, &w->up);
		advance(&pump, &w->down);
	}
	rig_drain(rig, &w->up);
	rig_drain(rig, &w->down);
}

static void feed(struct flow *f, const void *data, size_t len)
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

static void say(struct flow *f, const char *text)
{
	feed(f, in, record_text(PLUS, text, in, sizeof(in)));
}

__attribute__((format(printf, 1, 2))) static void server(const char *format, ...)
{
	char text[2000];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	say(&rig->w.down, text);
}

/* Two pixels; sequences are counted from 1. */
static void draw(uint32_t wid, int64_t sequence)
{
	server("['draw', %u, 1, 2, 2, 1, 'rgb24', b'abcdefgh', %lld, 8, {'rgb_format': 'BGRX'}]",
	       wid, (long long)sequence);
}

/* One that is not for the encoder. */
static void draw_png(uint32_t wid, int64_t sequence)
{
	server("['draw', %u, 1, 2, 2, 1, 'png', b'abc', %lld, 0, {}]", wid, (long long)sequence);
}

static void client_ack(int64_t sequence, uint32_t wid, int64_t took)
{
	char text[200];

	snprintf(text, sizeof(text), "['damage-sequence', %lld, %u, 2, 1, %lld, '']",
	         (long long)sequence, wid, (long long)took);
	say(&rig->w.up, text);
}

/* The items of a record, from after its name. */
static void open_record(const uint8_t *data, const struct header *h, struct token_reader *r,
                        char name[65])
{
	struct packet p = {.encoder = h->flags & ENCODER_FLAGS, .payload = data, .len = h->size};

	CHECK_EQ(edit_open(&p, r, name, 65), 0);
}

static void read_server(void)
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

static void read_client(void)
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
static void check_acked(int64_t first, int64_t last)
{
	read_server();
	for (int64_t i = 1; i < DRAWN; i++) {
		test_note("draw %lld", (long long)i);
		CHECK_EQ(acked[i], i >= first && i <= last);
	}
	test_note("%s", "");
}

/* ---- the encoder ---- */

static struct frame told(uint32_t type)
{
	struct frame f;

	do
		CHECK_EQ(frame_receive(encoder, &f), 0);
	while (f.type == FRAME_QUEUE && type != FRAME_QUEUE);
	CHECK_EQ(f.type, type);
	return f;
}

static void told_nothing(void)
{
	struct frame f;

	CHECK_EQ(frame_receive(encoder, &f), -EAGAIN);
}

/* Of a picture, that the client was not sent it. */
static void told_not_shown(uint64_t number)
{
	struct frame f = told(FRAME_SHOWN);

	CHECK_EQ(f.number, number);
	CHECK_EQ(f.shown.decode_usec, FRAME_NOT_SHOWN);
}

static void answer(struct frame f)
{
	CHECK_EQ(frame_send(encoder, &f), 0);
	transcode_receive(&rig->w);
	advance_both();
	read_client();
}

static struct frame picture(uint32_t wid, uint64_t answers)
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

static void hang_up(void)
{
	close(encoder);
	encoder = -1;
	transcode_receive(&rig->w);
	advance_both();
	read_client();
}

/* What is lost with the encoder: the server hears of draws up to `last`, once, and is asked for
 * all; the next draws pass. */
static void check_lost(int64_t last)
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

static void set_up(void)
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
static void begin(void)
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
static void start(void)
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

TEST(shown)
{
	struct frame f;

	start();
	draw(1, 1);
	f = told(FRAME_DRAW);
	CHECK(f.wid == 1 && f.number == 1 && f.draw.offset == 0 && f.draw.stride == 8);
	CHECK(f.draw.x == 1 && f.draw.y == 2 && f.draw.w == 2 && f.draw.h == 1);
	CHECK(f.draw.format == PIXEL_BGRX && f.draw.wire_bytes == 8);
	CHECK_MEM(memory, 8, "abcdefgh", 8);
	read_client();
	CHECK_EQ(passed, 900); /* it does not pass, too */
	answer(picture(1, 1));
	CHECK_EQ(shown, 1);
	check_acked(1, 0); /* not before the client has said so */
	client_ack(ours, 1, 1234);
	check_acked(1, 1);
	CHECK_EQ(usec[1], 1234);
	f = told(FRAME_SHOWN);
	CHECK(f.wid == 1 && f.number == 1 && f.shown.decode_usec == 1234 && f.freed == 1);
	client_ack(ours, 1, 1234); /* again: it is no news, and none for the server */
	client_ack(ours, 1, -1);
	check_acked(1, 1);
	told_nothing();
	CHECK(tc->owed_count == 0 && tc->shown_count == 0 && tc->in.count == 0);
}

TEST(in_several_pictures)
{
	struct frame f;

	start();
	draw(1, 1);
	f = picture(1, 1);
	f.picture.last = false;
	answer(f);
	client_ack(ours, 1, 3);
	check_acked(1, 0);
	answer(picture(1, 1));
	CHECK_EQ(shown, 2);
	client_ack(ours, 1, -7);
	check_acked(1, 1);
	CHECK_EQ(usec[1], -7);
	answer(picture(1, 0)); /* a refresh answers none */
	CHECK_EQ(shown, 3);
	client_ack(ours, 1, 3);
	check_acked(1, 1);
	CHECK(tc->owed_count == 0 && tc->shown_count == 0);
}

TEST(held_then_merged)
{
	start();
	for (int i = 1; i <= 4; i++) {
		draw(1, i);
		if (i < 4)
			answer((struct frame){.type = FRAME_HELD, .wid = 1, .number = (uint64_t)i});
	}
	draw(2, 5);
	check_acked(1, 0);
	answer(picture(1, 4));
	client_ack(ours, 1, 50);
	check_acked(1, 4);
	CHECK(usec[1] == 0 && usec[3] == 0 && usec[4] == 50); /* one measurement, of the last */
	CHECK_EQ(tc->owed_count, 1);                          /* the other window's */
	answer(picture(2, 5));
	client_ack(ours, 2, 50);
	check_acked(1, 5);
	CHECK_EQ(tc->owed_count, 0);
}

TEST(acks_out_of_order)
{
	start();
	for (int i = 1; i <= 3; i++) {
		draw(1, i);
		answer(picture(1, (uint64_t)i));
	}
	client_ack(ours, 1, 30); /* the third: the earlier are below it */
	check_acked(1, 3);
	client_ack(ours - 1, 1, 20);
	client_ack(ours - 2, 1, 10);
	check_acked(1, 3);
	CHECK(tc->owed_count == 0 && tc->shown_count == 0);
}

TEST(nothing_to_show)
{
	struct frame f;

	start();
	draw(1, 1);
	draw(1, 2);
	f = picture(1, 2);
	f.picture.len = 0;
	answer(f);
	check_acked(1, 2);
	CHECK_EQ(shown, 0);
	CHECK_EQ(tc->owed_count, 0);
}

TEST(window_lost)
{
	struct frame f;

	start();
	draw(1, 1);
	draw(1, 2);
	draw(2, 3);
	answer(picture(1, 1)); /* with the client */
	server("['lost-window', 1]");
	(void)told(FRAME_DRAW);
	(void)told(FRAME_DRAW);
	(void)told(FRAME_DRAW);
	f = told(FRAME_LOST);
	CHECK_EQ(f.wid, 1);
	answer(picture(1, 2)); /* on its way when it was lost: not for the client */
	CHECK_EQ(shown, 1);
	CHECK_EQ(tc->freed, 2);
	client_ack(ours, 1, -1); /* the server has forgotten the window */
	check_acked(1, 0);
	CHECK(tc->shown_count == 0);
	answer(picture(2, 3));
	client_ack(ours, 2, 1);
	check_acked(3, 3);
	CHECK(tc->owed_count == 0 && tc->shown_count == 0);
	draw(1, 4); /* of no window: passes */
	read_client();
	CHECK_EQ(passed, 4);
}

/* One picture waits in vain for its window while others are shown. */
TEST(windows_lost_unacknowledged)
{
	start();
	for (int i = 1; i <= 600; i++) {
		uint64_t number = (uint64_t)i;
		uint32_t wid = i % 2 ? 1 : 2;

		draw(wid, 1);
		answer(picture(wid, number));
		CHECK_EQ(shown, i);
		if (wid == 2)
			client_ack(ours, 2, 1);
		else
			server("['lost-window', 1]"),
				server("['new-window', 1, 0, 0, 300, 200, {}, {}]");
		while (recv(encoder, in, sizeof(in), MSG_DONTWAIT) > 0)
			;
	}
	CHECK(tc->owed_count == 0 && tc->shown_count == 0);
}

TEST(encoder_gone)
{
	start();
	for (int i = 1; i <= 5; i++)
		draw(1 + i % 2, i);
	answer(picture(2, 1));
	answer((struct frame){.type = FRAME_HELD, .wid = 1, .number = 2});
	hang_up();
	check_acked(1, 5);
	client_ack(ours, 2, 9); /* ours, still */
	check_lost(5);
}

/* Found by the next draw, and the server need not say more to be told. */
TEST(encoder_gone_unnoticed)
{
	start();
	draw(1, 1);
	close(encoder);
	encoder = -1;
	draw(1, 2);
	check_lost(2);
}

TEST(late)
{
	uint64_t now, next;

	start();
	draw(1, 1);
	draw(1, 2);
	answer((struct frame){.type = FRAME_HELD, .wid = 1, .number = 1});
	now = now_usec();
	next = transcode_tick(&rig->w, now);
	CHECK(next > now && next <= now + FRAME_LATE_USEC);
	CHECK_EQ(tc->state, STATE_ON);
	CHECK_EQ(transcode_tick(&rig->w, next), next); /* and at once again: there is an answer */
	CHECK_EQ(tc->state, STATE_LOST);
	advance_both();
	check_lost(2);
}

/* "It will be in what comes later" is believed for a while, but nothing comes; with a limit of the
 * bandwidth it may take longer, and where the client does not read. */
TEST(held_for_ever)
{
	for (int limited = 0; limited < 2; limited++) {
		uint64_t now, next, most = (limited ? 65 : 5) * USEC_PER_SEC;

		start();
		if (limited) {
			say(&rig->w.up, "['bandwidth-limit', 5000000]");
			(void)told(FRAME_TUNE);
		}
		draw(1, 1);
		draw(2, 2);
		answer((struct frame){.type = FRAME_HELD, .wid = 1, .number = 1, .taken = 2});
		answer((struct frame){.type = FRAME_HELD, .wid = 2, .number = 2, .taken = 2});
		now = now_usec();
		next = transcode_tick(&rig->w, now);
		CHECK(next > now + most - USEC_PER_SEC && next <= now + most);
		CHECK_EQ(transcode_tick(&rig->w, next - 1), next);
		CHECK_EQ(tc->state, STATE_ON);
		answer(picture(2, 2)); /* that one was in something */
		client_ack(ours, 2, 1);
		CHECK_EQ(transcode_tick(&rig->w, next - 1), next);
		/* As if the way had been full until a second ago */
		tc->full_usec = next - USEC_PER_SEC;
		next += most - USEC_PER_SEC;
		CHECK_EQ(transcode_tick(&rig->w, next - 1), next);
		CHECK_EQ(tc->state, STATE_ON);
		CHECK_EQ(transcode_tick(&rig->w, next), next);
		CHECK_EQ(tc->state, STATE_LOST);
		advance_both();
		check_lost(2);
	}
}

TEST(late_to_start)
{
	begin();
	draw(1, 1);
	CHECK(transcode_tick(&rig->w, now_usec() + 9 * USEC_PER_SEC) != USEC_INFINITY);
	CHECK_EQ(tc->state, STATE_STARTING);
	CHECK(transcode_tick(&rig->w, now_usec() + 11 * USEC_PER_SEC) != USEC_INFINITY);
	advance_both();
	read_server();
	CHECK_EQ(tc->state, STATE_LOST);
	CHECK_EQ(refreshes, 1);
	(void)rig_logged(rig);
}

/* Each lie ends the encoder, and nothing of it reaches the client. */
static void lie(struct frame f)
{
	unsigned before = shown;

	answer(f);
	CHECK_EQ(shown, before);
	check_lost(2);
	if (encoder >= 0)
		close(encoder);
	encoder = -1;
}

#define LIE(change)                 \
	do {                        \
		struct frame f;     \
		test_note(#change); \
		start();            \
		draw(1, 1);         \
		draw(1, 2);         \
		pictures = 5;       \
		tc->out_last = 5;   \
		f = picture(1, 1);  \
		change;             \
		lie(f);             \
	} while (0)

TEST(lies)
{
	LIE(f.number = 5);
	LIE(f.number = 0);
	LIE(f.taken = 3);
	LIE(f.picture.answers = 3);
	LIE(f.picture.answers = UINT64_MAX);
	LIE(f.picture.offset = 0);
	LIE(f.picture.offset = FRAME_IN_BYTES - 1);
	LIE(f.picture.offset = FRAME_MEMORY - 3);
	LIE(f.picture.offset = FRAME_MEMORY + 1);
	LIE(f.picture.offset = UINT64_MAX - 2);
	LIE(f.picture.len = FRAME_OUT_BYTES + 1);
	LIE(f.picture.len = FLOW_RECORD_MAX + 1);
	LIE(f.picture.len = UINT64_MAX);
	LIE(f.picture.len = 0; f.picture.answers = 0);
	LIE(f.picture.coding = CODING_MAX_);
	LIE(f.picture.coding = 255);
	LIE(f.picture.coding = CODING_H264); /* not what this client takes */
#define VIDEO(w, h)                                                                    \
	(tc->setup.codings |= CODING_BIT(CODING_H264), f.picture.coding = CODING_H264, \
	 f.picture.coded_w = (w), f.picture.coded_h = (h))
	LIE(VIDEO(f.picture.w, f.picture.h); f.picture.csc = CSC_MAX_);
	LIE(VIDEO(0, 1); tc->setup.scaling = true);
	LIE(VIDEO(1, 0); tc->setup.scaling = true);
	LIE(VIDEO(f.picture.w + 2, f.picture.h); tc->setup.scaling = true);
	LIE(VIDEO(f.picture.w, UINT16_MAX); tc->setup.scaling = true);
	LIE(VIDEO(f.picture.w - 1, f.picture.h); tc->setup.scaling = false); /* nor that */
	LIE(f.picture.format = PIXEL_MAX_);
	LIE(f.picture.csc = CSC_MAX_);
	LIE(f.picture.w = 0);
	LIE(f.picture.h = 0);
	LIE(f.picture.x = FRAME_SIDE_MAX - 1);
	LIE(f.picture.y = FRAME_SIDE_MAX);
	LIE(f.picture.stride = 5 * FRAME_SIDE_MAX);
	LIE(memset(f.picture.encoder, 'x', sizeof(f.picture.encoder)));
	LIE(f.type = FRAME_READY);
	LIE(f.type = FRAME_DRAW);
	LIE(f.type = 0);
	LIE(f.type = UINT32_MAX);
	/* More rectangles than a packet holds */
	LIE((f.picture.coding = CODING_SCROLL, f.picture.len = 4097 * sizeof(struct frame_scroll)));
}

TEST(lies_of_another_size)
{
	start();
	draw(1, 1);
	CHECK_EQ(send(encoder, in, 10, 0), 10);
	transcode_receive(&rig->w);
	advance_both();
	check_lost(1);
}

/* Before it is asked for anything. */
TEST(pictures_too_early)
{
	begin();
	draw(1, 900);
	answer(picture(1, 0));
	CHECK_EQ(tc->state, STATE_LOST);
	CHECK_EQ(shown, 0);
	begin();
	answer((struct frame){.type = FRAME_READY});
	CHECK_EQ(tc->state, STATE_LOST);
	(void)rig_logged(rig);
}

TEST(reports)
{
	struct frame f = {.type = FRAME_REPORT, .wid = 1};

	start();
	memset(&f.report, 'x', sizeof(f.report));
	for (uint32_t wid = 1; wid <= STATS_WINDOWS + 2; wid++) {
		f.wid = wid;
		answer(f);
	}
	f.wid = 1;
	answer(f);
	CHECK_EQ(tc->state, STATE_ON);
	CHECK_EQ(rig->stats.windows[0].wid, 1);
	for (int i = 0; i < STATS_WINDOWS; i++) {
		const struct frame_report *r = &rig->stats.windows[i].report;

		CHECK(memchr(r->encoder, 0, sizeof(r->encoder)) &&
		      memchr(r->device, 0, sizeof(r->device)) && memchr(r->why, 0, sizeof(r->why)));
	}
}

/* What is said of draws of ours never reaches the server, known or not. */
TEST(our_sequences_stay)
{
	start();
	draw(1, 1);
	answer(picture(1, 1));
	client_ack(ours, 2, 77); /* another window: it is ours still */
	CHECK_EQ(told(FRAME_DRAW).wid, 1);
	CHECK_EQ(told(FRAME_SHOWN).wid, 1);
	check_acked(1, 1);
	client_ack(SEQUENCE_BASE + 1, 1, 1);
	check_acked(1, 1);
	client_ack(900, 1, 8); /* one that passed */
	read_server();
	CHECK_EQ(usec[900], 8);
}

/* Nor does what cannot be read of them; what cannot be read of the server's own is the server's. */
TEST(malformed_acks)
{
	static const char *const acks[] = {
		"['damage-sequence', 1073741825, 1, 2]",
		"['damage-sequence', 1073741825]",
		"['damage-sequence', 1073741825, 1, [2, 3], 1, 5, '']",
		"['damage-sequence', 1073741825, 1, -2, 1, 5, '']",
		"['damage-sequence', 1073741825, 0, 2, 1, 5, '']",
		"['damage-sequence', 1073741825, 'x', 2, 1, 5, '']",
		"['damage-sequence', 1073741825.0, 1, 2, 1, 5, '']",
		"['window-ack', 1, -2, 1, 1073741825, 5, '']",
	};
	static const char *const none[] = {
		"['damage-sequence']",
		"['damage-sequence', 'x', 1, 2, 1, 5, '']",
		"['damage-sequence', [1], 1, 2, 1, 5, '']",
		"['window-ack', 1, 2, 1]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(acks); i++) {
		test_note("%s", acks[i]);
		start();
		draw(1, 1);
		answer(picture(1, 1));
		say(&rig->w.up, acks[i]);
		tc->ack = ACK_DAMAGE_SEQUENCE;
		read_server(); /* fails if it sees one of ours */
		if (strncmp(acks[i], "['window", 8) != 0)
			check_acked(1, 1);
		CHECK_EQ(tc->owed_count, 0);
	}
	start();
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		say(&rig->w.up, none[i]);
	CHECK_EQ(rig->to_server.len, 0);
	say(&rig->w.up, "['damage-sequence', 900, 1, -2, 1, 5, '']");
	CHECK(rig->to_server.len > 0);
}

/* With half a record written, or a chunk without its record, pictures wait. */
TEST(only_at_gaps)
{
	uint8_t *big = calloc(1, 10000);
	size_t len, half;

	start();
	memset(big, 'x', 9000);
	draw(1, 1);
	len = record_raw(0, 0, 9, "sound", 5, in);
	len += record_text(PLUS, "['sound-data', 'opus', '', {}]", in + len, sizeof(in) - len);
	/* Cut in its name, it is not known yet whether it will pass: nothing has been written */
	feed(&rig->w.down, in, HEADER_LEN + 5 + HEADER_LEN + 4);
	answer(picture(1, 1));
	CHECK_EQ(shown, 1);
	feed(&rig->w.down, in + HEADER_LEN + 5 + HEADER_LEN + 4,
	     len - (HEADER_LEN + 5 + HEADER_LEN + 4));
	/* Now with the chunk and a part of the record gone */
	draw(1, 2);
	len = record_raw(0, 0, 9, "sound", 5, in);
	half = len + 1000;
	snprintf((char *)big, 40, "['sound-data', 'opus', b'");
	big[strlen((char *)big)] = 'x';
	memcpy(big + 9000, "', {}]", 7);
	len += record_text(PLUS, (const char *)big, in + len, sizeof(in) - len);
	feed(&rig->w.down, in, half);
	CHECK(rig->w.down.chunks != 0 || rig->w.down.record_left > 0);
	answer(picture(1, 2));
	CHECK_EQ(shown, 1);
	CHECK_EQ(tc->waiting_count, 1);
	feed(&rig->w.down, in + half, len - half);
	read_client();
	CHECK_EQ(shown, 2);
	client_ack(ours, 1, 1);
	check_acked(1, 2);
	free(big);
}

/* One that passes waits for what came before it, of its own window. */
TEST(no_overtaking)
{
	struct frame f;

	start();
	draw(1, 1);
	(void)told(FRAME_DRAW);
	draw_png(2, 2);
	read_client();
	CHECK_EQ(passed, 2);
	f = told(FRAME_SPOILED);
	CHECK(f.wid == 2 && f.draw.x == 1 && f.draw.y == 2 && f.draw.w == 2 && f.draw.h == 1);
	draw_png(1, 3);
	read_client();
	CHECK_EQ(passed, 2);
	told_nothing();
	answer(picture(1, 1));
	CHECK_EQ(shown, 1);
	CHECK_EQ(passed, 3); /* read_client() would have seen it first */
	CHECK_EQ(told(FRAME_SPOILED).wid, 1);
	client_ack(ours, 1, 1);
	client_ack(2, 2, 1);
	client_ack(3, 1, 1);
	check_acked(1, 3);
	/* Pixels that lie pass as well: it is the client that is lied to */
	server("['draw', 1, 0, 0, 200, 100, 'rgb24', b'abc', 4, 800, {'rgb_format': 'BGRX'}]");
	read_client();
	CHECK_EQ(passed, 4);
	CHECK_EQ(tc->in.count, 0);
	(void)told(FRAME_SHOWN);
	f = told(FRAME_SPOILED);
	CHECK(f.draw.w == 200 && f.draw.h == 100);
}

/* However often they are looked at, lies that wait take nothing of the ring. */
TEST(lies_that_wait)
{
	start();
	draw(1, 1);
	server("['draw', 1, 0, 0, 2000, 1000, 'rgb24', b'abc', 2, 8000, {'rgb_format': 'BGRX'}]");
	for (int i = 0; i < 300; i++)
		advance_both();
	CHECK_EQ(tc->in.count, 1);
	answer(picture(1, 1));
	CHECK_EQ(passed, 2);
	CHECK_EQ(tc->in.count, 0);
	draw(1, 3);
	CHECK_EQ(tc->owed_count, 2);
	client_ack(ours, 1, 1);
	CHECK_EQ(tc->owed_count, 1);
}

TEST(spoiled_rectangles)
{
	static const struct {
		const char *where;
		uint16_t x, y, w, h;
	} spoils[] = {
		{"0, 0, 300, 200", 0, 0, 300, 200},
		{"-5, -6, 10, 10", 0, 0, 5, 4},
		{"16380, 16383, 10, 10", 16380, 16383, 4, 1},
		{"5, 5, -10, 0", 5, 5, 0, 0},
		{"-16384, -16384, -16384, 16384", 0, 0, 0, 0},
	};

	start();
	for (size_t i = 0; i < ARRAY_SIZE(spoils); i++) {
		struct frame f;

		server("['draw', 1, %s, 'png', b'abc', 2, 0, {}]", spoils[i].where);
		test_note("%s", spoils[i].where);
		f = told(FRAME_SPOILED);
		CHECK_EQ(f.draw.x, spoils[i].x);
		CHECK_EQ(f.draw.y, spoils[i].y);
		CHECK_EQ(f.draw.w, spoils[i].w);
		CHECK_EQ(f.draw.h, spoils[i].h);
	}
	draw(3, 5); /* small, and may grow */
	CHECK_EQ(told(FRAME_SPOILED).wid, 3);
	draw(4, 6); /* a menu */
	told_nothing();
	read_client();
	CHECK_EQ(passed, 6);
}

/* Pixels in a chunk, compressed. */
TEST(chunks)
{
	uint8_t pixels[800], packed[900];
	struct header h = {.index = 7};
	size_t len;
	struct frame f;

	start();
	memset(pixels, 9, sizeof(pixels));
	CHECK_EQ(compress_lz4(pixels, sizeof(pixels), packed, sizeof(packed), &len), 0);
	h.size = (uint32_t)len;
	header_build(in, &h);
	memcpy(in + HEADER_LEN, packed, len);
	len += HEADER_LEN;
	len += record_text(PLUS,
	                   "['draw', 1, 0, 0, 2, 1, 'rgb32', '', 1, 800, {'lz4': 1, "
	                   "'rgb_format': 'BGRX'}]",
	                   in + len, sizeof(in) - len);
	for (size_t at = 0; at < len; at++)
		feed(&rig->w.down, in + at, 1);
	f = told(FRAME_DRAW);
	CHECK_EQ(f.draw.wire_bytes, h.size);
	CHECK_MEM(memory + f.draw.offset, sizeof(pixels), pixels, sizeof(pixels));
	answer(picture(1, 1));
	client_ack(ours, 1, 1);
	check_acked(1, 1);
	/* A chunk of another kind before it, and compressed on the way: not what servers send */
	header_build(in, &(struct header){.index = 7, .size = 20, .compression = 0x11});
	memcpy(in + HEADER_LEN, packed, 20);
	len = HEADER_LEN + 20;
	len += record_text(PLUS,
	                   "['draw', 1, 0, 0, 2, 1, 'rgb32', '', 2, 800, {'lz4': 1, "
	                   "'rgb_format': 'BGRX'}]",
	                   in + len, sizeof(in) - len);
	feed(&rig->w.down, in, len);
	read_client();
	CHECK_EQ(passed, 2);
}

/* More than can be held: it waits before it begins, as then it cannot wait any more. */
TEST(chunk_too_large_to_hold)
{
	const size_t all = FLOW_RECORD_MAX + 65536;
	uint8_t *big = calloc(1, all);
	struct header h = {.index = 7, .size = (uint32_t)(all - HEADER_LEN)};

	start();
	draw(1, 1);
	(void)told(FRAME_DRAW);
	header_build(big, &h);
	feed(&rig->w.down, big, 65536);
	CHECK_EQ(rig->w.down.chunks, 0);
	answer(picture(1, 1));
	CHECK_EQ(shown, 1);
	feed(&rig->w.down, big + 65536, all - 65536);
	CHECK(rig->w.down.chunks != 0);
	answer(picture(2, 0)); /* refreshes, meanwhile */
	answer(picture(1, 0));
	CHECK_EQ(shown, 1);
	say(&rig->w.down,
	    "['draw', 1, 0, 0, 2000, 2000, 'rgb32', '', 2, 8000, {'rgb_format': 'BGRX'}]");
	read_client();
	CHECK_EQ(passed, 2);
	CHECK_EQ(shown, 2); /* the other window's: this one's has been painted over */
	CHECK_EQ(tc->state, STATE_ON);
	CHECK_EQ(told(FRAME_SPOILED).draw.w, 2000);
	told_not_shown(3);
	free(big);
}

static size_t huge_draw(uint8_t *out, size_t size, uint8_t compression)
{
	const size_t pixels = 2000u * 2500 * 4;
	struct header h = {.flags = ENCODER_RENCODEPLUS, .compression = compression};
	uint8_t *raw = calloc(1, size), *zero = calloc(1, pixels);
	struct token_writer w;
	size_t len;

	packet_begin(&w, PLUS, raw, size, "draw");
	for (size_t i = 0; i < 5; i++)
		token_write_int(&w, ((const int[]){1, 7, 8, 2000, 2500})[i]);
	token_write_text(&w, "rgb32");
	token_write_bytes(&w, zero, pixels);
	token_write_int(&w, 2);
	token_write_int(&w, 8000);
	token_write_dict(&w, 1);
	token_write_text(&w, "rgb_format");
	token_write_text(&w, "BGRX");
	CHECK_EQ(packet_end(&w, &len), 0);
	if (compression) {
		CHECK_EQ(compress_lz4(raw + HEADER_LEN, len - HEADER_LEN, out + HEADER_LEN,
		                      size - HEADER_LEN, &len),
		         0);
		h.size = (uint32_t)len;
		header_build(out, &h);
		len += HEADER_LEN;
	} else {
		memcpy(out, raw, len);
	}
	free(raw);
	free(zero);
	return len;
}

/* All in one record, compressed or not: where it is can be seen, and it waits for what is before
 * it. */
TEST(draw_too_large_to_read)
{
	const size_t size = 21000000;
	uint8_t *big = calloc(1, size);

	for (int compressed = 0; compressed < 2; compressed++) {
		size_t len = huge_draw(big, size, compressed ? COMPRESSION_LZ4 : 0);
		size_t first = compressed ? len : 65536;
		struct frame f;

		test_note("%d", compressed);
		start();
		draw(1, 1);
		(void)told(FRAME_DRAW);
		feed(&rig->w.down, big, first);
		CHECK_EQ(flow_available(&rig->w.down), first); /* it has not begun */
		told_nothing();
		f = picture(1, 1);
		CHECK_EQ(frame_send(encoder, &f), 0);
		transcode_receive(&rig->w);
		advance_both();
		CHECK_EQ(tc->shown_count, 1);
		f = told(FRAME_SPOILED);
		CHECK(f.wid == 1 && f.draw.x == 7 && f.draw.y == 8);
		CHECK(f.draw.w == 2000 && f.draw.h == 2500);
		feed(&rig->w.down, big + first, len - first);
		CHECK(rig->to_client.len > len);
		CHECK_EQ(tc->state, STATE_ON);
		draw(2, 3);
		CHECK_EQ(told(FRAME_DRAW).wid, 2); /* it has gone by */
	}
	free(big);
}

/* What the encoder made before it heard of a draw that passes is not painted over it. */
TEST(refresh_behind_a_draw)
{
	struct frame f, old, beside;

	start();
	draw(1, 1);
	answer(picture(1, 1));
	CHECK_EQ(told(FRAME_DRAW).number, 1);
	client_ack(ours, 1, 1);
	(void)told(FRAME_SHOWN);
	old = picture(1, 0);
	old.taken = 1;
	old.picture.x = 2; /* the draw is 2 x 1 at 1, 2 */
	old.picture.y = 2;
	beside = picture(1, 0);
	beside.taken = 1;
	beside.picture.y = 3;
	draw_png(1, 2);
	read_client();
	CHECK_EQ(passed, 2);
	f = told(FRAME_SPOILED);
	CHECK_EQ(f.number, 2);
	answer(old);
	CHECK_EQ(shown, 1);
	told_not_shown(old.number);
	answer(beside);
	CHECK_EQ(shown, 2);
	old.number = beside.number + 1; /* made after it has heard */
	old.taken = 2;
	answer(old);
	CHECK_EQ(shown, 3);
	pictures = old.number;
	CHECK_EQ(tc->freed, old.number);
	/* Held, so that the draw passed; what it was in is not shown, but acknowledged */
	draw(1, 3);
	answer((struct frame){.type = FRAME_HELD, .wid = 1, .number = 3, .taken = 3});
	draw_png(1, 4);
	read_client();
	CHECK_EQ(passed, 4);
	old = picture(1, 3);
	old.picture.x = 1;
	old.picture.y = 2;
	answer(old);
	CHECK_EQ(shown, 3);
	read_server();
	CHECK(acked[1] == 1 && acked[3] == 1);
	CHECK_EQ(tc->owed_count, 0);
}

/* More of them than can be told apart, with an encoder that says nothing: none is forgotten. */
TEST(many_draws_that_pass)
{
	struct frame old;

	start();
	for (int i = 1; i <= 3 * SPOILS_MAX; i++)
		draw_png(i == 1 ? 2 : 1, i);
	old = picture(2, 0);
	old.picture.x = 1;
	old.picture.y = 2;
	answer(old);
	CHECK_EQ(shown, 0);
	for (int i = 1; i <= 3 * SPOILS_MAX; i++)
		CHECK_EQ(told(FRAME_SPOILED).number, i);
	told_not_shown(old.number);
	old = picture(2, 0);
	old.taken = 3 * SPOILS_MAX;
	answer(old);
	CHECK_EQ(shown, 1);
	draw_png(1, 100);
	CHECK_EQ(tc->spoils_count, 1);
}

/* The ring is full: draws wait in the flow, and go on when the encoder gives room. */
TEST(out_of_room)
{
	uint8_t *pixels = calloc(1, 2048 * 4096);
	unsigned n = 0;
	struct frame f;

	start();
	for (int i = 1; i <= 9; i++) {
		header_build(in, &(struct header){.index = 7, .size = 2048 * 4096});
		feed(&rig->w.down, in, HEADER_LEN);
		feed(&rig->w.down, pixels, 2048 * 4096);
		server("['draw', 1, 0, 0, 1024, 2048, 'rgb32', '', %d, 4096, {'rgb_format': "
		       "'BGRX'}]",
		       i);
	}
	while (frame_receive(encoder, &f) == 0)
		n += f.type == FRAME_DRAW;
	CHECK_EQ(n, 8); /* 64 MiB */
	CHECK_EQ(tc->owed_count, 8);
	CHECK(flow_available(&rig->w.down) > 0);
	answer((struct frame){.type = FRAME_HELD, .wid = 1, .number = 1, .taken = 1});
	CHECK_EQ(tc->owed_count, 9);
	CHECK_EQ(flow_available(&rig->w.down), 0);
	f = told(FRAME_DRAW);
	CHECK(f.number == 9 && f.draw.offset == 0);
	CHECK_EQ(tc->state, STATE_ON);
	free(pixels);
}

/* The encoder's pictures wait for a client that does not read, and then it is not late. */
TEST(client_that_does_not_read)
{
	static uint8_t junk[1 << 16];
	uint64_t now;
	int n = 0;

	start();
	draw(1, 1);
	draw(1, 2);
	draw(2, 3);
	while (write(rig->w.client.fd, junk, sizeof(junk)) > 0)
		;
	for (n = 0; transcode_reads(&rig->w); n++) {
		struct frame f = picture(1, 1);

		CHECK_EQ(frame_send(encoder, &f), 0);
		transcode_receive(&rig->w);
		CHECK(n < 1000);
		if (n == 0) {
			advance(&pump, &rig->w.down);
			CHECK_EQ(tc->waiting_count, 0); /* in the flow */
		}
		rig->w.down.inject_len += n == 0 ? INJECT_HIGH : 0;
	}
	CHECK_EQ(tc->waiting_count, WAITING_MAX);
	now = now_usec();
	(void)transcode_tick(&rig->w, now + 100000);
	(void)transcode_tick(&rig->w, now + 10 * FRAME_LATE_USEC);
	CHECK_EQ(tc->state, STATE_ON);
	CHECK(told(FRAME_DRAW).number == 1 && told(FRAME_DRAW).number == 2);
	(void)told(FRAME_DRAW);
	CHECK(told(FRAME_QUEUE).queue.bytes > 0);
	CHECK(told(FRAME_QUEUE).queue.age_usec > 0);
	rig->w.down.inject_len -= INJECT_HIGH;
}

/* A client that never says what became of some draws holds up nothing but these. */
TEST(client_that_does_not_answer)
{
	start();
	draw(2, 1);
	answer(picture(2, 1));
	for (int i = 2; i <= DRAWS_MAX + 100; i++) {
		draw(1, i);
		answer(picture(1, (uint64_t)i));
		CHECK_EQ(shown, i);
		client_ack(ours, 1, 1);
		while (recv(encoder, in, sizeof(in), MSG_DONTWAIT) > 0)
			;
	}
	check_acked(1, DRAWS_MAX + 100);
	CHECK_EQ(tc->owed_count, 0);
	for (int i = 0; i < PICTURES_MAX + 10; i++) {
		answer(picture(1, 0));
		CHECK_EQ(shown, DRAWS_MAX + 100 + i + 1);
	}
}

TEST(wishes)
{
	struct frame f;

	start();
	say(&rig->w.up, "['quality', 55]");
	f = told(FRAME_TUNE);
	CHECK_EQ(f.wishes.quality, 55);
	say(&rig->w.up, "['bandwidth-limit', 5000000]");
	f = told(FRAME_TUNE);
	CHECK(f.wishes.quality == 55 && f.wishes.bandwidth_bits == 5000000);
	say(&rig->w.up, "['encoding', 'h264']");
	say(&rig->w.up, "['configure-window', 1, 0, 0, 310, 210, {}]");
	f = told(FRAME_WINDOW);
	CHECK(f.window.w == 310 && f.window.h == 210);
	told_nothing();
	/* What the server sees of these */
	{
		const struct sink *s = &rig->to_server;
		const char *want[] = {"quality", "configure-window"};
		struct token_reader r;
		struct header h;
		char name[65];
		size_t at = 0;

		for (size_t i = 0; i < ARRAY_SIZE(want); i++, at += HEADER_LEN + h.size) {
			CHECK_EQ(header_parse(s->data + at, s->len - at, &h, NULL), 0);
			open_record(s->data + at + HEADER_LEN, &h, &r, name);
			CHECK_STR(name, want[i]);
		}
		CHECK_EQ(at, s->len);
	}
}
