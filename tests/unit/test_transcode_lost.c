/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/transcode*.c, when the encoder ends, is late, or lies.
 */
#include "tests/unit/transcode_rig.h"

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
