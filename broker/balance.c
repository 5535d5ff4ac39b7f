/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/balance.c - which of several servers gets the next session. Pure, but for chance;
 * xproxy-x2gobroker, without privilege. System calls: getrandom.
 */
#include "broker/balance.h"

#include <errno.h>
#include <sys/random.h>

#include "base/macros.h"
#include "broker/listing.h"

#define NUMBER_MAX UINT64_C(1000000000) /* whatever it counts, that is enough */
#define NAMES_MAX 256

/* The digits at *p, which goes on behind them. False: none, or too many. */
static bool read_number(const char **p, uint64_t *ret)
{
	const char *digit = *p;

	for (*ret = 0; *digit >= '0' && *digit <= '9'; digit++) {
		*ret = *ret * 10 + (uint64_t)(*digit - '0');
		if (*ret > NUMBER_MAX)
			return false;
	}
	if (digit == *p)
		return false;
	*p = digit;
	return true;
}

static void count(struct balance *list, size_t n, const char *server, size_t len, uint64_t busy,
                  const char *self)
{
	const char *names[NAMES_MAX];
	int at;

	if (n > NAMES_MAX)
		n = NAMES_MAX;
	for (size_t i = 0; i < n; i++)
		names[i] = list[i].name;
	at = listing_match(server, len, names, n, self);
	if (at >= 0)
		list[at].busy = (unsigned)busy;
}

int balance_read_sessions(const char *text, struct balance *list, size_t n, const char *self)
{
	for (size_t i = 0; i < n; i++)
		list[i].busy = 0;
	for (size_t len; *text; text += len + (text[len] == '\n')) {
		size_t server_len = strcspn(text, " \t\r\n");
		const char *p = text + server_len + strspn(text + server_len, " \t");
		uint64_t busy;

		len = strcspn(text, "\n");
		if (len == 0)
			continue;
		if (server_len == 0 || !read_number(&p, &busy) || p != text + len)
			return -EBADMSG;
		count(list, n, text, server_len, busy, self);
	}
	return 0;
}

int balance_read_shares(const char *text, struct balance *list, size_t n, const char *self)
{
	bool good = false, bad = false;

	for (size_t i = 0; i < n; i++)
		list[i].busy = 0;
	for (size_t len; *text; text += len + (text[len] == '\n')) {
		const char *p = text;
		uint64_t busy;

		len = strcspn(text, "\n");
		if (read_number(&p, &busy) && *p == ':' && p + 1 < text + len) {
			count(list, n, p + 1, len - (size_t)(p + 1 - text), busy, self);
			good = true;
		} else if (len > 0) {
			bad = true;
		}
	}
	return bad && !good ? -EBADMSG : 0;
}

/* The number behind "KEY:" at the beginning of a line; 0: there is none. */
static uint64_t value_of(const char *text, const char *key)
{
	size_t key_len = strlen(key);
	uint64_t value;

	while (*text) {
		const char *p = text + key_len + 1;
		size_t len = strcspn(text, "\n");

		if (strncmp(text, key, key_len) == 0 && text[key_len] == ':')
			return read_number(&p, &value) ? value : 0;
		text += len + (text[len] == '\n');
	}
	return 0;
}

uint64_t balance_factor(const char *text)
{
	uint64_t load = value_of(text, "loadavgXX"), memory = value_of(text, "memAvail");
	unsigned __int128 factor;

	if (memory == 0)
		memory = value_of(text, "myMemAvail");
	if (load == 0)
		return 0;
	factor = (unsigned __int128)memory * value_of(text, "numCPU") * value_of(text, "typeCPU") *
	         100 / 1000 / load;
	return factor > UINT64_MAX ? UINT64_MAX : (uint64_t)factor;
}

/* Whether a is to be preferred to b. */
static bool is_better(const struct balance *a, const struct balance *b, bool weighed)
{
	unsigned __int128 x = a->busy, y = b->busy;

	if (weighed) { /* (busy + 1) / factor, without its rounding */
		x = (x + 1) * b->factor;
		y = (y + 1) * a->factor;
	}
	return x != y ? x < y : strcmp(a->name, b->name) < 0;
}

int balance_least(const struct balance *list, size_t n)
{
	bool weighed = false;
	int best = -1;

	for (size_t i = 0; i < n; i++)
		weighed |= list[i].usable && list[i].factor > 0;
	for (size_t i = 0; i < n; i++) {
		if (!list[i].usable || (weighed && list[i].factor == 0))
			continue;
		if (best < 0 || is_better(list + i, list + best, weighed))
			best = (int)i;
	}
	return best;
}

int balance_any(const struct balance *list, size_t n)
{
	unsigned usable = 0;
	uint64_t chance = 0;

	for (size_t i = 0; i < n; i++)
		usable += list[i].usable;
	if (usable == 0)
		return -1;
	/* Without it the first: nothing is to be kept secret here. */
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		chance = 0;
	chance %= usable;
	for (size_t i = 0; i < n; i++)
		if (list[i].usable && chance-- == 0)
			return (int)i;
	return -1;
}
