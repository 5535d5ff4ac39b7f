/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any text as what a broker agent answers: sessions, how busy servers are, their load. Each line
 * that a client is told of has one end, is read back as it was written, and holds none of the words
 * that the client looks for. Links broker/listing.c and broker/balance.c.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/balance.h"
#include "broker/listing.h"
#include "tests/fuzz/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"tsa", "tsb.example", "tsc.example", "localhost", "10.0.0.1"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static void check_session(const struct listing_session *s)
{
	int at = listing_match(s->server, s->server_len, names, NAMES, "broker");
	struct listing again;
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	ENSURE(f && at >= -1 && at < (int)NAMES);
	listing_write(f, s, "192.0.2.1", 'S');
	ENSURE(fclose(f) == 0 && size > 0);
	ENSURE(strchr(text, '\n') == text + size - 1);
	ENSURE(!strstr(text, "SERVER:") && !strstr(text, "SESSION_INFO:") &&
	       !strstr(text, "AUTHID:") && !strstr(text, "-----BEGIN"));
	/* One that has become longer by the address may be too long by now. */
	listing_read(text, &again);
	ENSURE(again.count == 1 || size > 1000);
	if (again.count == 1) {
		ENSURE(strcmp(again.sessions[0].id, s->id) == 0 && again.sessions[0].state == 'S');
		ENSURE(again.sessions[0].server_len == strlen("192.0.2.1"));
	}
	ENSURE(s->id[0] && s->id[0] != '-' && !strpbrk(s->id, " ;&|$`'\"\\<>()*?"));
	free(text);
}

static void check_balance(const char *text)
{
	struct balance list[NAMES];

	for (size_t i = 0; i < NAMES; i++)
		list[i] = (struct balance){
			.name = names[i],
			.usable = true,
			.factor = balance_factor(text),
		};
	ENSURE(balance_read_sessions(text, list, NAMES, "broker") >= -EBADMSG);
	ENSURE(balance_least(list, NAMES) >= 0);
	ENSURE(balance_read_shares(text, list, NAMES, "broker") >= -EBADMSG);
	ENSURE(balance_least(list, NAMES) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct listing l;

	ENSURE(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	listing_read(text, &l);
	ENSURE(l.count <= LISTING_MAX);
	for (size_t i = 0; i < l.count; i++) {
		ENSURE(i == 0 || l.sessions[i - 1].state >= l.sessions[i].state); /* S, R */
		check_session(l.sessions + i);
	}
	check_balance(text);
	free(text);
	return 0;
}
