/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/transcode.h - draws that go through the encoder. Worker.
 *
 * The server is told that its client takes nothing but pixels; those of ordinary windows go to the
 * encoder (base/frame.h), in order, and what comes back is sent to the client as draws with numbers
 * of our own. Whatever the encoder merges or drops, the server gets exactly one acknowledgement for
 * each draw of its own: when the client has dealt with the picture that holds it. If the encoder
 * ends, is late or lies, the server is asked for everything again and all draws pass untouched:
 * the client takes pixels too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/frame.h"
#include "relay/worker.h"

struct transcode;

/* Before the lock: maps the memory of Encoders=. NULL: not configured, or not to be had. */
struct transcode *transcode_new(const struct config *config, int memory_fd);

/* Whether this client's hello asks for it, and the guard has started the encoder: then *payload and
 * *len become the hello to be sent on, written to buf. 0, or negative: over. */
int transcode_offer(struct worker *w, enum encoder encoder, const uint8_t **payload, size_t *len,
                    void *buf, size_t size);

/* The server has said hello: from now on. */
void transcode_begin(struct worker *w);

/* Whether draws are looked at. */
bool transcode_active(const struct worker *w);

/* What a record at the front of w->down (whose header is h) and those that belong to it ask for: 1:
 * transcode_edit(); 0: more bytes; -EAGAIN: nothing, it is treated like any other; other negative:
 * not the protocol, *ret_why says why. */
int transcode_look(struct worker *w, const struct header *h, const char **ret_why);

/* Deals with a draw, or a packet about a window. As edit_record(). */
int transcode_edit(struct worker *w, const char **ret_why);

/* A main record of w->down has gone by. */
void transcode_passed(struct worker *w);

/* A packet of the client's, named: 1: it has been dealt with (drop it), answers are in w->up's
 * inject; 0: it passes. r is after the name. */
int transcode_client(struct worker *w, const char *name, struct token_reader *r);

/* Whether there is something of ours for this flow at its next gap; and writes it to its inject.
 */
bool transcode_ready(const struct worker *w, const struct flow *f);
void transcode_write(struct worker *w, struct flow *f);

/* The encoder's socket, -1: none (any more); whether it is to be read. */
int transcode_fd(const struct worker *w);
bool transcode_reads(const struct worker *w);
void transcode_receive(struct worker *w);

/* What time brings: a late encoder, news of the queue for it. Returns when to call again. */
uint64_t transcode_tick(struct worker *w, uint64_t now_usec);
