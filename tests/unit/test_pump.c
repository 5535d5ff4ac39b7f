/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/pump.c: what its loop is made of. Included, as its parts are static; the whole loop, which
 * needs the system call filter, is in tests/system.
 */
#include "tests/unit/token_dump.h"

#include <signal.h>

#include "tests/unit/packet_text.h"
#include "tests/unit/relay_rig.h"

#include "relay/pump.c"

static struct rig *rig;
static struct pump pump;
static uint8_t in[65536];

static void start(enum encoder client, enum encoder server)
{
	if (!rig) {
		rig = malloc(sizeof(*rig));
		rig_init(rig);
		(void)signal(SIGPIPE, SIG_IGN);
	}
	rig_reset(rig, client, server);
	pump = (struct pump){.w = &rig->w, .linger_usec = USEC_INFINITY};
}

static void say(struct flow *f, const void *data, size_t len)
{
	int fd = f == &rig->w.up ? rig->client_fd : rig->server_fd;

	CHECK_EQ(write(fd, data, len), len);
	receive(&pump, f);
	advance(&pump, f);
	rig_drain(rig, f);
}

static size_t say_text(struct flow *f, enum encoder encoder, const char *text)
{
	size_t len = record_text(encoder, text, in, sizeof(in));

	say(f, in, len);
	return len;
}

static void hang_up(struct flow *f)
{
	int *fd = f == &rig->w.up ? &rig->client_fd : &rig->server_fd;

	CHECK_EQ(shutdown(*fd, SHUT_WR), 0);
	receive(&pump, f);
	advance(&pump, f);
	rig_drain(rig, f);
}

/* The last record a peer has got, as dump() shows it; its bytes before that to *ret_before. */
static const char *last(const struct flow *f, size_t *ret_before)
{
	const struct sink *s = rig_sink(rig, f);
	const char *text = NULL;
	struct header h;

	for (size_t at = 0; at < s->len; at += HEADER_LEN + h.size) {
		CHECK_EQ(header_parse(s->data + at, s->len - at, &h, NULL), 0);
		*ret_before = at;
		text = dump(h.flags & ENCODER_FLAGS, s->data + at + HEADER_LEN, h.size, true,
		            dump_buf);
	}
	return text;
}

TEST(half_close)
{
	size_t len;
	char c;

	start(PLUS, PLUS);
	len = say_text(&rig->w.up, PLUS, "['x', 1]");
	CHECK_EQ(rig->to_server.len, len);
	CHECK_EQ(rig->stats.from_client.bytes, len);
	hang_up(&rig->w.up);
	CHECK(rig->w.up.eof && rig->w.up.shut && !rig->w.down.shut);
	CHECK_STR(rig->w.end.how, "client-close");
	CHECK_EQ(read(rig->server_fd, &c, 1), 0);       /* it has been told */
	len = say_text(&rig->w.down, PLUS, "['y', 1]"); /* and may still answer */
	CHECK_EQ(rig->to_client.len, len);
	hang_up(&rig->w.down);
	CHECK(rig->w.down.shut);
	CHECK_STR(rig->w.end.how, "client-close"); /* the first reason stays */
}

/* A record cut short by the end of its sender arrives as it would have. */
TEST(cut_short)
{
	size_t len;

	start(CLASSIC, PLUS);
	len = record_text(CLASSIC, "['x', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy']", in, sizeof(in));
	say(&rig->w.up, in, len - 5);
	CHECK_EQ(rig->to_server.len, 0);
	hang_up(&rig->w.up);
	CHECK_MEM(rig->to_server.data, rig->to_server.len, in, len - 5);
	CHECK(rig->w.up.shut);
}

TEST(protocol_error)
{
	size_t before, len;

	start(PLUS, CLASSIC);
	rig->w.server.encoders = ENCODERS_ALL;
	len = say_text(&rig->w.up, PLUS, "['x', 1]");
	say(&rig->w.up, "garbage", 7);
	advance(&pump, &rig->w.down);
	rig_drain(rig, &rig->w.down);
	CHECK(pump.closing);
	CHECK_STR(rig->w.end.how, "client-protocol");
	CHECK_EQ(rig->w.end.exit_code, EXIT_PROTOCOL);
	CHECK_STR(last(&rig->w.up, &before),
	          "[ s'disconnect' s'protocol error' s'does not start with 'P'' ]");
	CHECK_EQ(before, len);
	CHECK_STR(last(&rig->w.down, &before),
	          "[ t'disconnect' t'protocol error' t'does not start with 'P'' ]");
	CHECK_EQ(before, 0);
	CHECK(rig->w.up.shut && rig->w.down.shut);
}

/* With a chunk open a disconnect would be taken for the record it belongs to. */
TEST(protocol_error_after_a_chunk)
{
	size_t before;

	start(PLUS, PLUS);
	say(&rig->w.up, in, record_raw(0, 0, 7, "pixels", 6, in));
	say(&rig->w.up, "garbage", 7);
	advance(&pump, &rig->w.down);
	rig_drain(rig, &rig->w.down);
	CHECK_EQ(rig->to_server.len, HEADER_LEN + 6);
	CHECK(rig->w.up.shut && rig->w.down.shut);
	CHECK(strstr(last(&rig->w.down, &before), "t'protocol error'"));
}

/* Nor does anything of what cannot be translated come after the disconnect. */
TEST(untranslatable)
{
	size_t before, len;

	start(CLASSIC, PLUS);
	len = record_raw(CLASSIC, 0, 0, "\xc2\x81x", 3, in);
	len += record_text(CLASSIC, "['after', 1]", in + len, sizeof(in) - len);
	say(&rig->w.up, in, len);
	CHECK_STR(last(&rig->w.up, &before),
	          "[ t'disconnect' t'protocol error' t'a packet cannot be translated' ]");
	CHECK_EQ(before, 0);
	CHECK(rig->w.up.shut);
}

/* Our disconnect waits for the end of the record that is being passed, then nothing follows it. */
TEST(stop_in_a_record)
{
	size_t len, before;

	start(PLUS, PLUS);
	len = record_text(PLUS, "['x', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy']", in, sizeof(in));
	say(&rig->w.down, in, len - 5);
	stop(&pump, EXIT_OK, "stopped", "server shutdown", "");
	stop(&pump, EXIT_PROTOCOL, "other", "other", "reason"); /* once is enough */
	advance(&pump, &rig->w.down);
	rig_drain(rig, &rig->w.down);
	CHECK_EQ(rig->to_client.len, len - 5);
	CHECK(!rig->w.down.shut);
	memcpy(in + len, in, len); /* another record, already on its way */
	say(&rig->w.down, in + len - 5, 5 + len);
	CHECK_STR(last(&rig->w.down, &before), "[ t'disconnect' t'server shutdown' ]");
	CHECK_EQ(before, len);
	CHECK(rig->w.down.shut);
	CHECK_STR(rig->w.end.how, "stopped");
	CHECK_EQ(rig->w.end.exit_code, EXIT_OK);
}

TEST(reader_gone)
{
	size_t len;

	start(PLUS, PLUS);
	close(rig->server_fd);
	rig->server_fd = -1;
	len = record_text(PLUS, "['x']", in, sizeof(in));
	CHECK_EQ(write(rig->client_fd, in, len), len);
	receive(&pump, &rig->w.up);
	advance(&pump, &rig->w.up);
	CHECK(rig->w.up.shut && rig->w.up.eof && rig->w.up.end == 0);
	receive(&pump, &rig->w.down);
	CHECK(rig->w.down.eof);
	CHECK_STR(rig->w.end.how, "upstream-close");
}

/* A translated packet can fill `inject` to its last byte: our own ping must not go behind that. */
TEST(no_room_for_a_ping)
{
	struct flow *f;
	size_t size;
	uint8_t *p;

	start(PLUS, PLUS);
	f = &rig->w.up;
	p = flow_inject_at(f, &size);
	p[0] = 'x';
	flow_injected(f, size - 10);
	edit_ping(&rig->w, f);
	advance(&pump, f); /* writes what the socket takes */
	CHECK(f->inject_len <= FLOW_INJECT_SIZE);
	CHECK(f->pending_len > 0);
	while (f->pending_len > 0) {
		rig_drain(rig, f);
		advance(&pump, f);
	}
	rig_drain(rig, f);
	CHECK(rig->to_server.len > size);
}

/* A slow reader stops the fast side. */
TEST(back_pressure)
{
	static uint8_t zeros[8192];
	struct flow *f;
	struct header h = {.index = 1, .size = HEADER_SIZE_MAX};
	size_t sent = 0;
	ssize_t n;

	start(PLUS, PLUS);
	f = &rig->w.down;
	header_build(in, &h);
	say(f, in, HEADER_LEN);
	for (int i = 0; i < 10000; i++) {
		n = write(rig->server_fd, zeros, sizeof(zeros));
		if (n > 0)
			sent += (size_t)n;
		if (can_read(f))
			receive(&pump, f);
		advance(&pump, f);
		if (n < 0 && !can_read(f))
			break;
	}
	CHECK(!can_read(f));
	CHECK(sent < 4 * FLOW_WINDOW);
	CHECK_EQ(events(f, &rig->w.up) & EPOLLIN, 0);
	CHECK_EQ(events(&rig->w.up, f) & EPOLLOUT, EPOLLOUT);
	while (flow_has_output(f)) {
		rig_drain(rig, f);
		advance(&pump, f);
	}
	CHECK(can_read(f));
}

TEST(timers)
{
	struct worker *w;
	uint64_t now = now_usec();

	start(PLUS, PLUS);
	w = &rig->w;
	CHECK_EQ(next_tick(&pump), USEC_INFINITY);
	rig->config.relay_ping_interval_usec = 5 * USEC_PER_SEC;
	rig->config.relay_ping_timeout_usec = 60 * USEC_PER_SEC;
	rig->config.relay_idle_timeout_usec = 3600 * USEC_PER_SEC;
	w->client.heard_usec = w->server.heard_usec = w->active_usec = now;
	CHECK_EQ(next_tick(&pump), now + 3600 * USEC_PER_SEC);
	w->client.echoes_sid = true;
	pump.next_ping_usec = now + 1;
	CHECK_EQ(next_tick(&pump), now + 1);
	pump.now_usec = now;
	tick(&pump);
	CHECK_EQ(w->down.pending_len, 0);
	pump.now_usec = now + 1;
	tick(&pump);
	CHECK(w->down.pending_len > 0 &&
	      w->up.pending_len == 0); /* only who echoes the source id */
	CHECK_EQ(pump.next_ping_usec, now + 1 + 5 * USEC_PER_SEC);
	pump.next_ping_usec = USEC_INFINITY;
	CHECK_EQ(next_tick(&pump), now + 60 * USEC_PER_SEC);
	pump.now_usec = now + 60 * USEC_PER_SEC;
	tick(&pump);
	CHECK_STR(w->end.reason, "client ping timeout: proxy to client ping timeout");
	start(PLUS, PLUS);
	w->active_usec = now;
	pump.now_usec = now + 3599 * USEC_PER_SEC;
	tick(&pump);
	CHECK(!w->ended);
	pump.now_usec = now + 3600 * USEC_PER_SEC;
	tick(&pump);
	CHECK_STR(w->end.reason, "idle timeout");
	CHECK_EQ(next_tick(&pump), pump.linger_usec);
}
