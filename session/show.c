/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/show.c - connections on stdout. In xproxyctl, as its caller.
 */
#include "session/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/macros.h"
#include "base/table.h"

#define GAP 2
#define COLUMN_MIN 8 /* no column is cut to less */

void show_age(uint64_t seconds, char *buf, size_t size)
{
	static const struct {
		unsigned seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	size_t i = 0;
	uint64_t rest;

	while (i + 1 < ARRAY_SIZE(units) && seconds < units[i].seconds)
		i++;
	rest = seconds % units[i].seconds;
	if (i < 2 && rest >= units[i + 1].seconds) /* minutes and seconds need no second part */
		snprintf(buf, size, "%" PRIu64 "%s %" PRIu64 "%s", seconds / units[i].seconds,
		         units[i].name, rest / units[i + 1].seconds, units[i + 1].name);
	else
		snprintf(buf, size, "%" PRIu64 "%s", seconds / units[i].seconds, units[i].name);
}

void show_bytes(uint64_t bytes, char *buf, size_t size)
{
	static const char units[] = "BKMGTPE";
	uint64_t whole = bytes, tenths = 0;
	size_t i = 0;

	while (whole >= 1024) {
		tenths = whole % 1024 * 10 / 1024;
		whole /= 1024;
		i++;
	}
	if (i > 0 && whole < 10)
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "%c", whole, tenths, units[i]);
	else
		snprintf(buf, size, "%" PRIu64 "%c", whole, units[i]);
}

/* ---- table ---- */

static const char *const heads[] = {
	"ID",  "DISPLAY", "USER", "CLIENT",  "TRANSPORT", "UPSTREAM",
	"AGE", "IN",      "OUT",  "LATENCY", "CODEC",     "UNIT",
};
#define COLUMNS ARRAY_SIZE(heads)

struct row {
	char cells[COLUMNS][128];
};

static void set_row(const struct connection *c, struct row *ret)
{
	const char *texts[COLUMNS] = {c->socket.id, c->display,  c->user,    c->peer,
	                              c->transport, c->upstream, NULL,       NULL,
	                              NULL,         NULL,        c->encoder, c->unit};

	for (size_t i = 0; i < COLUMNS; i++)
		snprintf(ret->cells[i], sizeof(ret->cells[i]), "%s",
		         texts[i] && texts[i][0] ? texts[i] : "-");
	if (!c->answered)
		return;
	show_age(c->uptime, ret->cells[6], sizeof(ret->cells[6]));
	show_bytes(c->bytes_in, ret->cells[7], sizeof(ret->cells[7]));
	show_bytes(c->bytes_out, ret->cells[8], sizeof(ret->cells[8]));
	if (c->latency_msec)
		snprintf(ret->cells[9], sizeof(ret->cells[9]), "%" PRIu64 "ms", c->latency_msec);
}

/* 0: do not cut. */
static int terminal_width(void)
{
	struct winsize ws;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 ? ws.ws_col : 0;
}

/* Takes the columns that are too much away from whichever is widest. */
static void fit(int width[COLUMNS], int available)
{
	int total = -GAP;

	for (size_t i = 0; i < COLUMNS; i++)
		total += width[i] + GAP;
	while (available > 0 && total > available) {
		size_t widest = 1;

		for (size_t i = 1; i < COLUMNS; i++) /* the ID stays: it is what `stop` takes */
			if (width[i] > width[widest])
				widest = i;
		if (width[widest] <= COLUMN_MIN)
			return;
		width[widest]--;
		total--;
	}
}

/* Cuts to `width` characters, the last of them a '~'. */
static void cut(char *text, int width)
{
	int n = 0;

	if (table_width(text) <= width)
		return;
	for (; *text; text++) {
		if (((unsigned char)*text & 0xc0) == 0x80)
			continue;
		if (++n == width)
			break;
	}
	text[0] = '~';
	text[1] = '\0';
}

static void print_row(struct row *r, const int width[COLUMNS])
{
	for (size_t i = 0; i < COLUMNS; i++) {
		cut(r->cells[i], width[i]);
		table_cell(r->cells[i], i + 1 < COLUMNS ? width[i] + GAP : 0);
	}
	putchar('\n');
}

void show_table(const struct connection *list, size_t n)
{
	_cleanup_free_ struct row *rows = calloc(n + 1, sizeof(*rows));
	int width[COLUMNS] = {0};

	if (!rows)
		return;
	for (size_t i = 0; i < COLUMNS; i++)
		snprintf(rows[0].cells[i], sizeof(rows[0].cells[i]), "%s", heads[i]);
	for (size_t k = 0; k < n; k++)
		set_row(&list[k], &rows[k + 1]);
	for (size_t k = 0; k <= n; k++)
		for (size_t i = 0; i < COLUMNS; i++)
			if (table_width(rows[k].cells[i]) > width[i])
				width[i] = table_width(rows[k].cells[i]);
	fit(width, terminal_width());
	for (size_t k = 0; k <= n; k++)
		print_row(&rows[k], width);
}

/* ---- JSON ---- */

/* How many bytes the character at p has, 0 if it is no UTF-8 (overlong forms and surrogates
 * included). */
static size_t utf8_len(const unsigned char *p)
{
	size_t n = p[0] < 0x80                   ? 1
	           : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
	           : (p[0] & 0xf0) == 0xe0       ? 3
	           : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
	                                         : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void show_json_string(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	putchar('"');
	while (*p) {
		size_t n = utf8_len(p);

		if (n == 0)
			fputs("\\ufffd", stdout);
		else if (*p == '"' || *p == '\\')
			printf("\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			printf("\\u%04x", *p);
		else
			fwrite(p, 1, n, stdout);
		p += n ? n : 1;
	}
	putchar('"');
}

static void json_text(const char *name, const char *value)
{
	printf(", \"%s\": ", name);
	if (*value)
		show_json_string(value);
	else
		fputs("null", stdout);
}

static void json_number(const char *name, uint64_t value)
{
	printf(", \"%s\": %" PRIu64, name, value);
}

static void json_object(const struct connection *c)
{
	fputs("  {\"id\": ", stdout);
	show_json_string(c->socket.id);
	json_text("socket", c->socket.path);
	json_number("uid", c->socket.uid);
	json_number("pid", (uint64_t)c->socket.pid);
	printf(", \"answered\": %s", c->answered ? "true" : "false");
	if (c->answered) {
		json_text("display", c->display);
		json_text("user", c->user);
		json_text("peer", c->peer);
		json_text("client", c->client);
		json_text("transport", c->transport);
		json_text("upstream", c->upstream);
		json_text("server", c->server);
		json_text("encoder", c->encoder);
		json_text("compressor", c->compressor);
		json_text("module", c->module);
		json_text("unit", c->unit);
		json_number("since", c->since);
		json_number("age", c->uptime);
		json_number("bytes_in", c->bytes_in);
		json_number("bytes_out", c->bytes_out);
		json_number("latency_ms", c->latency_msec);
		json_number("worker_pid", c->worker_pid);
	}
	putchar('}');
}

void show_json(const struct connection *list, size_t n)
{
	putchar('[');
	for (size_t i = 0; i < n; i++) {
		fputs(i ? ",\n" : "\n", stdout);
		json_object(&list[i]);
	}
	fputs(n ? "\n]\n" : "]\n", stdout);
}
