/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Numbers and text for people and programs. Links ctl/show.c, ctl/find.c, base/table.c.
 */
#include "ctl/show.h"

#include "tests/unit/test.h"

#include <unistd.h>

static void age(uint64_t seconds, const char *expected)
{
	char buf[32];

	show_age(seconds, buf, sizeof(buf));
	CHECK_STR(buf, expected);
}

static void bytes(uint64_t n, const char *expected)
{
	char buf[32];

	show_bytes(n, buf, sizeof(buf));
	CHECK_STR(buf, expected);
}

TEST(numbers)
{
	age(0, "0s");
	age(59, "59s");
	age(60, "1min");
	age(3599, "59min");
	age(3600, "1h");
	age(3660, "1h 1min");
	age(86399, "23h 59min");
	age(86400 * 3 + 3600 * 4, "3d 4h");
	age(86400 * 3 + 3599, "3d");
	bytes(0, "0B");
	bytes(1023, "1023B");
	bytes(1024, "1.0K");
	bytes(1536, "1.5K");
	bytes(10240, "10K");
	bytes(1048575, "1023K");
	bytes(UINT64_MAX, "15E");
}

/* What print() writes to stdout. */
static const char *output(void (*print)(const void *), const void *arg)
{
	static char buf[8192];
	int out = dup(STDOUT_FILENO);
	FILE *f = tmpfile();
	size_t n;

	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	print(arg);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	rewind(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	fclose(f);
	return buf;
}

static void print_string(const void *arg)
{
	show_json_string(arg);
}

TEST(json_strings)
{
	static const char *const cases[][2] = {
		{"plain", "\"plain\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"\n\x1b[31m\x7f", "\"\\u000a\\u001b[31m\\u007f\""},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
	         "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"\xff", "\"\\ufffd\""},
		{"\xc3", "\"\\ufffd\""},
		{"\xc0\xaf", "\"\\ufffd\\ufffd\""},            /* overlong */
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""}, /* surrogate */
		{"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
		{"\xe2\x82", "\"\\ufffd\\ufffd\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_STR(output(print_string, cases[i][0]), cases[i][1]);
}

static void print_table(const void *arg)
{
	show_table(arg, 2);
}

static void print_json(const void *arg)
{
	show_json(arg, 2);
}

TEST(rows)
{
	static struct connection list[2] = {
		{.socket = {.id = ":proxy-1"},
	         .state = CONNECTION_CONNECTED,
	         .answered = true,
	         .user = "bob",
	         .peer = "\x1b[2J",
	         .display = ":10",
	         .transport = "tcp",
	         .bytes_in = 2048,
	         .uptime = 61,
	         .latency_msec = 3},
		{.socket = {.id = ":proxy-22", .uid = 7, .pid = 22}, .state = CONNECTION_STUCK},
	};

	CHECK_STR(output(print_table, list), "ID         STATE      DISPLAY  USER  CLIENT  "
	                                     "TRANSPORT  UPSTREAM  AGE   IN    OUT  LATENCY  "
	                                     "CODEC  UNIT\n"
	                                     ":proxy-1   connected  :10      bob   ?[2J    "
	                                     "tcp        -         1min  2.0K  0B   3ms      "
	                                     "-      -\n"
	                                     ":proxy-22  stuck      -        -     -       "
	                                     "-          -         -     -     -    -        "
	                                     "-      -\n");
	CHECK(strstr(output(print_json, list), "\"peer\": \"\\u001b[2J\""));
	CHECK(strstr(output(print_json, list),
	             "{\"id\": \":proxy-22\", \"socket\": null, \"uid\": 7, \"pid\": 22, "
	             "\"state\": \"stuck\", \"answered\": false}"));
}

static void print_one(const void *arg)
{
	show_table(arg, 1);
}

/* The widest line of text; how many lines. */
static size_t widest(const char *text, size_t *ret_lines)
{
	size_t most = 0, lines = 0;

	for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
		lines++;
		most = (size_t)(end - text) > most ? (size_t)(end - text) : most;
	}
	*ret_lines = lines;
	return most;
}

TEST(widths)
{
	static const struct unit unit = {.memory_bytes = 1 << 20, .cpu_nsec = 123456789};
	static struct connection c = {
		.socket = {.id = ":proxy-4194304"},
		.state = CONNECTION_CONNECTED,
		.answered = true,
		.user = "somebody with a long name",
		.peer = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
		.display = "wayland-1",
		.transport = "websocket",
		.upstream = "tcp://session-host-17.example.org:14500/",
		.bytes_in = 123456789,
		.bytes_out = 123456789,
		.uptime = 100000,
		.latency_msec = 1234,
		.encoder = "rencodeplus",
		.unit = "xproxy@1-127.0.0.1:14500-127.0.0.1:56820.service",
		.of_unit = &unit,
	};
	char width[16];
	const char *text;
	size_t lines, natural;

	natural = widest(output(print_one, &c), &lines);
	CHECK(natural > 200 && natural < 300);
	for (int columns = 300; columns >= 14; columns--) {
		snprintf(width, sizeof(width), "%d", columns);
		setenv("COLUMNS", width, 1);
		test_note("%d columns", columns);
		text = output(print_one, &c);
		CHECK(widest(text, &lines) <= (size_t)columns);
		CHECK_EQ(lines, 2);
		CHECK(strstr(text, ":proxy-4194304")); /* what `stop` takes is whole */
		if (columns >= 80) {
			CHECK(strstr(text, "wayland-1"));
			CHECK(strstr(text, "somebod"));
			CHECK(strstr(text, "[2001:db8:1111"));
			CHECK(strstr(text, "1d 3h"));
		}
		CHECK_EQ(strstr(text, c.unit) != NULL && strstr(text, c.upstream) != NULL &&
		                 strstr(text, "websocket") != NULL && strstr(text, "0.12s") != NULL,
		         (size_t)columns >= natural);
	}
	unsetenv("COLUMNS");
}

TEST(cpu)
{
	char buf[32];

	show_cpu(0, buf, sizeof(buf));
	CHECK_STR(buf, "0.00s");
	show_cpu(9999999999, buf, sizeof(buf));
	CHECK_STR(buf, "9.99s");
	show_cpu(61000000000, buf, sizeof(buf));
	CHECK_STR(buf, "1min");
}
