/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/show.c - connections on stdout. In xproxyctl, as its caller.
 */
#include "ctl/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/macros.h"
#include "base/table.h"

#define GAP 2

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

void show_cpu(uint64_t nsec, char *buf, size_t size)
{
	uint64_t hundredths = nsec / 10000000;

	if (hundredths < 1000)
		snprintf(buf, size, "%" PRIu64 ".%02" PRIu64 "s", hundredths / 100,
		         hundredths % 100);
	else
		show_age(hundredths / 100, buf, size);
}

/* ---- table ---- */

enum column {
	ID,
	STATE,
	DISPLAY,
	USER,
	CLIENT,
	TRANSPORT,
	UPSTREAM,
	AGE,
	IN,
	OUT,
	LATENCY,
	CODEC,
	MEMORY,
	CPU,
	UNIT,
	COLUMNS
};

static const struct {
	const char *head;
	int least; /* it is not cut to less */
	int rank;  /* the highest is the first to go where there is no room */
} columns[COLUMNS] = {
	[ID] = {"ID", 128, 0},
	[STATE] = {"STATE", 9, 4},
	[DISPLAY] = {"DISPLAY", 10, 1},
	[USER] = {"USER", 8, 2},
	[CLIENT] = {"CLIENT", 15, 3},
	[TRANSPORT] = {"TRANSPORT", 9, 10},
	[UPSTREAM] = {"UPSTREAM", 12, 6},
	[AGE] = {"AGE", 8, 5},
	[IN] = {"IN", 5, 7},
	[OUT] = {"OUT", 5, 7},
	[LATENCY] = {"LATENCY", 7, 8},
	[CODEC] = {"CODEC", 7, 9},
	[MEMORY] = {"MEMORY", 6, 12},
	[CPU] = {"CPU", 5, 13},
	[UNIT] = {"UNIT", 16, 11},
};

struct row {
	char cells[COLUMNS][128];
};

static void set_cell(struct row *r, enum column i, const char *text)
{
	snprintf(r->cells[i], sizeof(r->cells[i]), "%s", text && text[0] ? text : "-");
}

static void set_row(const struct connection *c, struct row *ret)
{
	const struct unit *u = c->of_unit;
	const char *texts[COLUMNS] = {
		[ID] = c->socket.id,      [STATE] = connection_state_name(c->state),
		[DISPLAY] = c->display,   [USER] = c->user,
		[CLIENT] = c->peer,       [TRANSPORT] = c->transport,
		[UPSTREAM] = c->upstream, [CODEC] = c->encoder,
		[UNIT] = c->unit,
	};

	for (size_t i = 0; i < COLUMNS; i++)
		set_cell(ret, (enum column)i, texts[i]);
	if (c->answered || c->uptime)
		show_age(c->uptime, ret->cells[AGE], sizeof(ret->cells[AGE]));
	if (c->answered) {
		show_bytes(c->bytes_in, ret->cells[IN], sizeof(ret->cells[IN]));
		show_bytes(c->bytes_out, ret->cells[OUT], sizeof(ret->cells[OUT]));
	}
	if (c->latency_msec)
		snprintf(ret->cells[LATENCY], sizeof(ret->cells[LATENCY]), "%" PRIu64 "ms",
		         c->latency_msec);
	if (u && u->memory_bytes != UINT64_MAX)
		show_bytes(u->memory_bytes, ret->cells[MEMORY], sizeof(ret->cells[MEMORY]));
	if (u && u->cpu_nsec != UINT64_MAX)
		show_cpu(u->cpu_nsec, ret->cells[CPU], sizeof(ret->cells[CPU]));
}

/* 0: do not cut. */
static int terminal_width(void)
{
	const char *columns_set = getenv("COLUMNS");
	struct winsize ws;

	if (columns_set && strtol(columns_set, NULL, 10) > 0)
		return (int)strtol(columns_set, NULL, 10);
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 ? ws.ws_col : 0;
}

static int least(enum column i, int width)
{
	return width < columns[i].least ? width : columns[i].least;
}

/* Leaves columns out (width 0) until the others have room for the least that they need. */
static void leave_out(int width[COLUMNS], int available)
{
	for (;;) {
		int total = -GAP;
		size_t last = ID;

		for (size_t i = 0; i < COLUMNS; i++) {
			if (width[i] == 0)
				continue;
			total += least((enum column)i, width[i]) + GAP;
			if (columns[i].rank >= columns[last].rank)
				last = i;
		}
		if (total <= available || last == ID)
			return;
		width[last] = 0;
	}
}

/* Takes the columns that are too much away from whichever is widest. */
static void fit(int width[COLUMNS], int available)
{
	int total = -GAP;

	for (size_t i = 0; i < COLUMNS; i++)
		total += width[i] ? width[i] + GAP : 0;
	while (total > available) {
		size_t widest = ID;

		for (size_t i = 1; i < COLUMNS; i++) /* the ID stays: it is what `stop` takes */
			if (width[i] > least((enum column)i, width[i]) &&
			    (widest == ID || width[i] > width[widest]))
				widest = i;
		if (widest == ID)
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
	size_t last = ID;

	for (size_t i = 0; i < COLUMNS; i++)
		last = width[i] ? i : last;
	for (size_t i = 0; i <= last; i++) {
		if (width[i] == 0)
			continue;
		cut(r->cells[i], width[i]);
		table_cell(r->cells[i], i < last ? width[i] + GAP : 0);
	}
	putchar('\n');
}

/* Whether a column says anything that is not the same for all. */
static bool is_worth_it(enum column i, const struct row *rows, size_t n)
{
	const char *usual = i == STATE ? connection_state_name(CONNECTION_CONNECTED) : "-";

	if (i != STATE && i != MEMORY && i != CPU)
		return true;
	for (size_t k = 0; k < n; k++)
		if (strcmp(rows[k].cells[i], usual) != 0)
			return true;
	return false;
}

void show_table(const struct connection *list, size_t n)
{
	_cleanup_free_ struct row *rows = calloc(n + 1, sizeof(*rows));
	int width[COLUMNS] = {0}, available = terminal_width();

	if (!rows)
		return;
	for (size_t i = 0; i < COLUMNS; i++)
		set_cell(&rows[0], (enum column)i, columns[i].head);
	for (size_t k = 0; k < n; k++)
		set_row(&list[k], &rows[k + 1]);
	for (size_t i = 0; i < COLUMNS; i++)
		for (size_t k = 0; k <= n && is_worth_it((enum column)i, rows + 1, n); k++)
			if (table_width(rows[k].cells[i]) > width[i])
				width[i] = table_width(rows[k].cells[i]);
	if (available > 0) {
		leave_out(width, available);
		fit(width, available);
	}
	for (size_t k = 0; k <= n; k++)
		print_row(&rows[k], width);
}

void show_sockets(const struct units *u)
{
	int width = terminal_width();
	char line[400];

	for (size_t i = 0; i < u->socket_count; i++) {
		const struct socket_unit *s = &u->sockets[i];

		snprintf(line, sizeof(line), "%s: %s, %u connections, %u accepted, %u refused",
		         s->unit.name, s->unit.active, s->connections, s->accepted, s->refused);
		cut(line, width > 0 ? width : (int)sizeof(line));
		table_cell(line, 0);
		putchar('\n');
	}
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

/* What the socket told. */
static void json_session(const struct connection *c)
{
	json_text("display", c->display);
	json_text("client", c->client);
	json_text("transport", c->transport);
	json_text("server", c->server);
	json_text("encoder", c->encoder);
	json_text("compressor", c->compressor);
	json_text("module", c->module);
	json_number("bytes_in", c->bytes_in);
	json_number("bytes_out", c->bytes_out);
	json_number("latency_ms", c->latency_msec);
	json_number("worker_pid", c->worker_pid);
}

/* What systemd told. */
static void json_unit(const struct connection *c)
{
	const struct unit *u = c->of_unit;

	printf(", \"manager\": \"%s\"", u->user ? "user" : "system");
	if (u->memory_bytes != UINT64_MAX)
		json_number("memory_bytes", u->memory_bytes);
	if (u->cpu_nsec != UINT64_MAX)
		json_number("cpu_usec", u->cpu_nsec / 1000);
	if (!c->of_socket)
		return;
	fputs(", \"socket_unit\": {\"name\": ", stdout);
	show_json_string(c->of_socket->unit.name);
	json_number("connections", c->of_socket->connections);
	json_number("accepted", c->of_socket->accepted);
	json_number("refused", c->of_socket->refused);
	putchar('}');
}

static void json_object(const struct connection *c)
{
	fputs("  {\"id\": ", stdout);
	show_json_string(c->socket.id);
	json_text("socket", c->socket.path);
	if (c->socket.uid != (uid_t)-1)
		json_number("uid", c->socket.uid);
	json_number("pid", (uint64_t)c->socket.pid);
	json_text("state", connection_state_name(c->state));
	printf(", \"answered\": %s", c->answered ? "true" : "false");
	if (c->peer[0] || c->answered)
		json_text("peer", c->peer);
	if (c->user[0] || c->answered) {
		json_text("user", c->user);
		json_text("upstream", c->upstream);
	}
	if (c->unit[0] || c->answered)
		json_text("unit", c->unit);
	if (c->since) {
		json_number("since", c->since);
		json_number("age", c->uptime);
	}
	if (c->answered)
		json_session(c);
	if (c->of_unit)
		json_unit(c);
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
