/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/balance.h - which of several servers gets the next session: what the broker agents say of
 * them, and what follows from that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of a server. */
struct balance {
	const char *name;
	bool usable;
	unsigned busy;   /* sessions, or its share of all of them */
	uint64_t factor; /* how much it can take; 0 unknown */
};

/* Reads what `getservers` answers, "tsa 3" in each line, into busy; 0 for those that it does not
 * name. 0; -EBADMSG: some line has no number (the agent's SQLite has none). self: listing.h. */
int balance_read_sessions(const char *text, struct balance *list, size_t n, const char *self);

/* The same with `findbusyservers`: "66:tsa". -EBADMSG: no such line at all, though that also is
 * what servers without any session look like. */
int balance_read_shares(const char *text, struct balance *list, size_t n, const char *self);

/* What `checkload` answers as a factor, available memory times processors times their speed over
 * the load, as x2gobroker has it; 0: there is no telling. */
uint64_t balance_factor(const char *text);

/* The one that is least busy for what it can take, where any usable one has a factor: then those
 * without do not count; else the one that is least busy. Of equals that whose name comes first. -1:
 * none is usable. */
int balance_least(const struct balance *list, size_t n);

/* Any of those that are usable; -1: none. */
int balance_any(const struct balance *list, size_t n);
