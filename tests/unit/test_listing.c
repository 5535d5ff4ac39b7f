/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lists of sessions as X2Go servers print them: what is read, what is left out, what a client is
 * told of it; and whose name means which server.
 */
#include "broker/listing.h"

#include "tests/unit/test.h"

#define TAIL                                                                                       \
	"|2026-11-20T07:15:14|c4fc2776|127.0.0.1|36339|36340|2026-11-20T07:15:23|bob|39|36341|-1|" \
	"-1"
#define LINE(id, server, state) "4256|" id "|50|" server "|" state TAIL "\n"

static char *written(const struct listing_session *s, const char *address, char state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	CHECK(f);
	listing_write(f, s, address, state);
	CHECK_EQ(fclose(f), 0);
	return text;
}

static size_t count(const char *text)
{
	struct listing l;

	listing_read(text, &l);
	return l.count;
}

TEST(a_line)
{
	struct listing l;
	const struct listing_session *s = l.sessions;
	char *text;

	listing_read(LINE("bob-50-1795158914_stRxterm_dp24", "tsa", "S"), &l);
	CHECK_EQ(l.count, 1);
	CHECK_STR(s->id, "bob-50-1795158914_stRxterm_dp24");
	CHECK_EQ(s->state, 'S');
	CHECK_MEM(s->server, s->server_len, "tsa", 3);
	text = written(s, "192.0.2.1", s->state);
	CHECK_STR(text, LINE("bob-50-1795158914_stRxterm_dp24", "192.0.2.1", "S"));
	free(text);
	text = written(s, "a.example", 'R');
	CHECK_STR(text, LINE("bob-50-1795158914_stRxterm_dp24", "a.example", "R"));
	free(text);
}

/* Of an older server, without an end of the line. */
TEST(shorter_lines)
{
	struct listing l;
	char *text;

	listing_read("1|b-50-1_stDMATE_dp24|50|ts|R|d|c|ip|1|2|d|b|39|3|", &l);
	CHECK_EQ(l.count, 1);
	text = written(l.sessions, "h", 'S');
	CHECK_STR(text, "1|b-50-1_stDMATE_dp24|50|h|S|d|c|ip|1|2|d|b|39|3|\n");
	free(text);
	CHECK_EQ(count("1|b|50|ts|R|d|c|ip|1|2"), 1);
	CHECK_EQ(count("1|b|50|ts|R|d|c|ip|1"), 0);
	CHECK_EQ(count(""), 0);
	CHECK_EQ(count("\n\n"), 0);
}

/* Suspended ones first, else as they came; each once. */
TEST(order)
{
	struct listing l;

	listing_read(LINE("r1", "a", "R") "noise\n" LINE("s1", "a", "S") LINE("r2", "b", "R")
	                     LINE("s2", "b", "S") LINE("s1", "a", "R") LINE("f", "b", "F"),
	             &l);
	CHECK_EQ(l.count, 4);
	CHECK_STR(l.sessions[0].id, "s1");
	CHECK_STR(l.sessions[1].id, "s2");
	CHECK_STR(l.sessions[2].id, "r1");
	CHECK_STR(l.sessions[3].id, "r2");
}

TEST(left_out)
{
	static const char *const lines[] = {
		LINE("", "a", "R"),
		LINE("-x", "a", "R"),
		LINE("a b", "a", "R"),
		LINE("a;reboot", "a", "R"),
		LINE("$(reboot)", "a", "R"),
		LINE("a'b", "a", "R"),
		LINE("x", "", "R"),
		LINE("x", "a", ""),
		LINE("x", "a", "RS"),
		LINE("x", "a", "F"),
		LINE("x", "a", "r"),
		LINE("x", "SERVER:evil", "R"),
		LINE("x", "AUTHID:1", "R"),
		LINE("x", "SESSION_INFO:", "R"),
		LINE("x", "-----BEGIN RSA PRIVATE KEY-----", "R"),
		LINE("x", "Access granted", "R"),
		LINE("x", "SUSPEND y", "R"),
		LINE("x", "TERMINATE y", "R"),
		LINE("x", "a\r", "R"),
		LINE("x", "a\x7f", "R"),
		LINE("x", "a\xc3\xa4", "R"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		test_note("%s", lines[i]);
		CHECK_EQ(count(lines[i]), 0);
	}
	test_note("%s", "");
	CHECK_EQ(count(LINE("x", "a", "R")), 1);
}

TEST(too_long)
{
	static char text[LISTING_MAX * 200 + 4096];
	struct listing l;
	size_t n = 0;

	memset(text, 'a', 300);
	snprintf(text, sizeof(text), "1|%0255d|50|a|S" TAIL "\n", 1);
	CHECK_EQ(count(text), 1);
	snprintf(text, sizeof(text), "1|%0256d|50|a|S" TAIL "\n", 1);
	CHECK_EQ(count(text), 0);
	snprintf(text, sizeof(text), "%01100d" LINE("x", "a", "S"), 1);
	CHECK_EQ(count(text), 0);
	for (int i = 0; i < LISTING_MAX + 5; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "1|x%d|50|a|%c" TAIL "\n", i,
		                      i % 2 ? 'S' : 'R');
	listing_read(text, &l);
	CHECK_EQ(l.count, LISTING_MAX);
	CHECK_EQ(l.sessions[0].state, 'S');
	CHECK_EQ(l.sessions[LISTING_MAX - 1].state, 'R');
}

static int match(const char *server, const char *a, const char *b)
{
	const char *const names[] = {a, b};

	return listing_match(server, strlen(server), names, b ? 2 : 1, "broker.example");
}

TEST(whose_name)
{
	CHECK_EQ(match("tsa", "tsb", "tsa"), 1);
	CHECK_EQ(match("TSA", "tsb", "tsa"), 1);
	CHECK_EQ(match("tsc", "tsb", "tsa"), -1);
	CHECK_EQ(match("tsa", "tsb.example", "tsa.example"), 1);
	CHECK_EQ(match("tsa.example", "tsb", "tsa"), 1);
	CHECK_EQ(match("tsa.example", "tsa.example", "tsa.elsewhere"), 0);
	CHECK_EQ(match("tsa.other", "tsa.example", "tsb.example"), -1);
	/* Either could be meant. */
	CHECK_EQ(match("tsa", "tsa.example", "tsa.elsewhere"), -1);
	CHECK_EQ(match("tsa.example", "tsa", "TSA"), -1);
	/* An address has no domain. */
	CHECK_EQ(match("10.0.0.1", "10.0.0.2", NULL), -1);
	CHECK_EQ(match("10", "10.0.0.2", NULL), -1);
	CHECK_EQ(match("10.0.0.2", "10.0.0.1", "10.0.0.2"), 1);
	CHECK_EQ(match("", "tsa", NULL), -1);
}

TEST(this_machine)
{
	CHECK_EQ(match("broker", "localhost", NULL), 0);
	CHECK_EQ(match("broker.example", "tsa", "localhost"), 1);
	CHECK_EQ(match("broker.other", "localhost", NULL), -1);
	CHECK_EQ(match("localhost", "localhost", NULL), 0);
	CHECK_EQ(match("tsa", "localhost", NULL), -1);
}

static void check_any(const uint8_t *data, size_t len)
{
	static char text[1024];
	struct listing l;

	CHECK(len < sizeof(text));
	memcpy(text, data, len);
	text[len] = '\0';
	listing_read(text, &l);
	for (size_t i = 0; i < l.count; i++) {
		char *line = written(l.sessions + i, "h", 'S');

		CHECK_EQ(count(line), 1);
		free(line);
	}
}

TEST(mutations)
{
	static const char golden[] = LINE("bob-50-1_stRxterm_dp24", "tsa", "S")
		LINE("bob-51-2_stDMATE_dp24", "tsb", "R");

	test_mutate(golden, sizeof(golden) - 1, check_any);
}
