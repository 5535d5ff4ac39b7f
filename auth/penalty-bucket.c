/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/penalty-bucket.c - what failures cost: a few sources, what is known of them, and an event.
 * Guard and xproxyctl. Pure: no system calls. What is in a bucket may be any bytes.
 */
#include "auth/penalty-bucket.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"

#define ASKED_USEC (150 * USEC_PER_SEC) /* longer than a module takes; its guard is dead then */
#define SAID_USEC (60 * USEC_PER_SEC)   /* between two lines about one source */
#define SLACK_USEC (10 * USEC_PER_SEC)
#define SANE_USEC (86400 * USEC_PER_SEC) /* no time is further away: PenaltyMax= of a day, ... */
#define REFUSALS_MAX 32

_Static_assert(sizeof(struct penalty_entry) == 64 && sizeof(struct penalty_bucket) == 512,
               "a file format");

/* ---- whom ---- */

bool penalty_key_of_address(const struct netaddr *a, struct penalty_key *ret)
{
	struct netaddr plain = *a;

	netaddr_unmap(&plain);
	*ret = (struct penalty_key){.family = (uint8_t)plain.family};
	if (plain.family != AF_INET && plain.family != AF_INET6)
		return false;
	memcpy(ret->prefix, plain.bytes, plain.family == AF_INET ? 4 : 8);
	return true;
}

bool penalty_key_of(const struct peer *peer, struct penalty_key *ret)
{
	uint32_t number;

	if (penalty_key_of_address(&peer->net, ret))
		return true;
	if (peer->local_unix)
		number = peer->uid;
	else if (peer->net.family == AF_VSOCK)
		number = (uint32_t)strtoul(peer->address, NULL, 10);
	else
		return false;
	memcpy(ret->prefix, &number, sizeof(number));
	return true;
}

const char *penalty_key_print(const struct penalty_key *k, char buf[PENALTY_KEY_TEXT])
{
	uint8_t address[16] = {0};
	uint32_t number;

	memcpy(&number, k->prefix, sizeof(number));
	memcpy(address, k->prefix, sizeof(k->prefix));
	buf[0] = '\0';
	if (k->family == AF_UNIX)
		snprintf(buf, PENALTY_KEY_TEXT, "unix uid %u", number);
	else if (k->family == AF_VSOCK)
		snprintf(buf, PENALTY_KEY_TEXT, "vsock:%u", number);
	else
		inet_ntop(k->family, address, buf, PENALTY_KEY_TEXT);
	if (k->family == AF_INET6)
		snprintf(buf + strlen(buf), PENALTY_KEY_TEXT - strlen(buf), "/64");
	return buf;
}

bool penalty_key_same(const struct penalty_key *a, const struct penalty_key *b)
{
	return a->family == b->family && memcmp(a->prefix, b->prefix, sizeof(a->prefix)) == 0;
}

/* ---- one entry ---- */

/* Counts towards a refusal, and begins it when that is due. Who is refused has nothing counted. */
static void charge(struct penalty_entry *e, uint64_t score, const struct penalty_rules *rules,
                   uint64_t now, struct penalty_answer *ret)
{
	uint64_t limit = rules->failures * PENALTY_FAILURE_SCORE, length = rules->window_usec;

	if (e->refused_usec > now)
		return;
	if (e->score == 0)
		e->window_usec = now + rules->window_usec;
	e->score += (uint32_t)score;
	if (e->score < limit)
		return;
	for (unsigned n = 0; n < e->refusals && length < rules->longest_usec; n++)
		length *= 2;
	if (length > rules->longest_usec)
		length = rules->longest_usec;
	ret->begins = true;
	ret->left_usec = length;
	e->refused_usec = now + length;
	e->forget_usec = e->refused_usec + rules->longest_usec;
	if (e->refusals < REFUSALS_MAX)
		e->refusals++;
	e->score = 0;
	e->window_usec = e->said_usec = 0;
	e->unsaid = 0;
}

/* Whether this could have been written at that time, or before it; who only looks has no lock, so
 * that somebody may have written just after it. */
static bool is_sane(const struct penalty_entry *e, uint64_t now)
{
	now += SLACK_USEC;
	return e->window_usec <= now + SANE_USEC && e->asked_usec <= now + ASKED_USEC &&
	       e->refused_usec <= now + SANE_USEC && e->forget_usec <= now + 2 * SANE_USEC &&
	       e->said_usec <= now && e->refusals <= REFUSALS_MAX &&
	       e->score < PENALTY_FAILURES_MAX * PENALTY_FAILURE_SCORE;
}

/* Drops what is over. What only the entry's own configuration knows is not touched here: sockets
 * with different ones share the table. */
void penalty_entry_expire(struct penalty_entry *e, uint64_t now)
{
	if (!is_sane(e, now))
		e->key.family = 0;
	if (e->window_usec <= now)
		e->score = 0;
	if (e->forget_usec <= now)
		e->refusals = 0;
	if (e->key.family == 0 ||
	    (e->score == 0 && e->asked == 0 && e->refusals == 0 && e->refused_usec <= now))
		*e = (struct penalty_entry){0};
}

/* The more, the longer it has to be kept: refused sources most of all, then those that were. */
static uint64_t matters(const struct penalty_entry *e, uint64_t now)
{
	uint64_t until = e->asked ? e->asked_usec : e->window_usec, kind = 1;

	if (e->key.family == 0)
		return 0;
	if (e->refused_usec > now) {
		until = e->refused_usec;
		kind = 3;
	} else if (e->refusals > 0) {
		until = e->forget_usec;
		kind = 2;
	}
	return kind << 60 | until >> 4;
}

static struct penalty_entry *find(struct penalty_bucket *b, const struct penalty_key *key)
{
	for (size_t i = 0; i < PENALTY_WAYS; i++)
		if (penalty_key_same(&b->entries[i].key, key))
			return &b->entries[i];
	return NULL;
}

static struct penalty_entry *make_room(struct penalty_bucket *b, const struct penalty_key *key,
                                       uint64_t now)
{
	struct penalty_entry *least = &b->entries[0];

	for (size_t i = 1; i < PENALTY_WAYS; i++)
		if (matters(&b->entries[i], now) < matters(least, now))
			least = &b->entries[i];
	*least = (struct penalty_entry){.key = *key};
	return least;
}

static void refuse(struct penalty_entry *e, uint64_t now, struct penalty_answer *ret)
{
	ret->verdict = PENALTY_REFUSED;
	ret->left_usec = e->refused_usec - now;
	ret->say = e->said_usec == 0 || now >= e->said_usec + SAID_USEC;
	ret->unsaid = ret->say ? e->unsaid : 0;
	e->unsaid = ret->say ? 0 : e->unsaid + (e->unsaid < UINT32_MAX);
	if (ret->say)
		e->said_usec = now;
}

/* One more module may be asked if the source is not refused, and would not be if all those that are
 * being asked now said no: attempts in parallel are no more than one after the other. */
static void ask(struct penalty_entry *e, const struct penalty_rules *rules, uint64_t now,
                struct penalty_answer *ret)
{
	uint64_t limit = rules->failures * PENALTY_FAILURE_SCORE;

	if (e->score + (uint64_t)e->asked * PENALTY_FAILURE_SCORE >= limit) {
		ret->verdict = PENALTY_WAIT;
		return;
	}
	e->asked++;
	e->asked_usec = now + ASKED_USEC;
}

void penalty_bucket_apply(struct penalty_bucket *b, const struct penalty_key *key,
                          enum penalty_event event, const struct penalty_rules *rules, uint64_t now,
                          struct penalty_answer *ret)
{
	struct penalty_entry *e;

	*ret = (struct penalty_answer){.verdict = PENALTY_PASS};
	for (size_t i = 0; i < PENALTY_WAYS; i++)
		penalty_entry_expire(&b->entries[i], now);
	e = find(b, key);
	if (!e && (event == PENALTY_LOOK || event == PENALTY_RIGHT))
		return;
	if (!e)
		e = make_room(b, key, now);
	if (e->asked > 0 &&
	    e->asked_usec <= now) { /* of guards that were killed: never in favour */
		charge(e, (uint64_t)e->asked * PENALTY_FAILURE_SCORE, rules, now, ret);
		e->asked = 0;
	}
	if ((event == PENALTY_RIGHT || event == PENALTY_WRONG) && e->asked > 0)
		e->asked--;
	if (event == PENALTY_WRONG)
		charge(e, PENALTY_FAILURE_SCORE, rules, now, ret);
	else if (event == PENALTY_TIMEOUT)
		charge(e, PENALTY_TIMEOUT_SCORE, rules, now, ret);
	else if (event == PENALTY_CRASH)
		charge(e, rules->failures * PENALTY_FAILURE_SCORE, rules, now, ret);
	if (e->refused_usec > now && (event == PENALTY_LOOK || event == PENALTY_ASK))
		refuse(e, now, ret);
	else if (event == PENALTY_ASK)
		ask(e, rules, now, ret);
	penalty_entry_expire(e, now); /* a login that succeeded leaves nothing */
}
