/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/pump.h - the parts of the relay that its files share: what to do with each record.
 */
#pragma once

#include "relay/worker.h"

/* Marks as many bytes as possible as passable, up to the first record that needs work, or the first
 * gap if a packet of our own waits for one. */
enum scan {
	SCAN_MORE,  /* all that is here has been marked, or more is needed to decide */
	SCAN_HOLD,  /* the record at f->ready needs work, once what is marked has been written */
	SCAN_GAP,   /* our own packet goes here */
	SCAN_ERROR, /* not the xpra protocol: *ret_why says what */
};
enum scan peek_scan(struct worker *w, struct flow *f, const char **ret_why);

/* Counts a record that has passed or has been dealt with. */
void peek_passed(struct worker *w, struct flow *f, const struct header *h);

/* Works on the record that peek_scan() held: translates, rewrites, swallows or lets pass. 1: done;
 * 0: it is not all here yet; negative: the connection cannot go on, *ret_why says why. */
int edit_record(struct worker *w, struct flow *f, const char **ret_why);

/* Opens a packet and reads its name: r is after it. 0 or a negative errno. */
int edit_open(const struct packet *p, struct token_reader *r, char *name, size_t size);

/* Our own ("ping", ms, wall ms, sid) into f->pending. */
void edit_ping(struct worker *w, struct flow *f);
