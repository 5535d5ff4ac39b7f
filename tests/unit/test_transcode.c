/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/transcode*.c: draws become pictures, and each is acknowledged once.
 */
#include "tests/unit/transcode_rig.h"

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
