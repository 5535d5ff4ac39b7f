/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/packet.h - build a whole record from tokens, and look at a packet's name.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/compress.h"
#include "wire/header.h"
#include "wire/token.h"

/* Begins a packet in buf: leaves room for the header, opens the list (count unknown), writes the
 * name. Append items with token_write_*(), then packet_end(). */
void packet_begin(struct token_writer *w, enum encoder encoder, void *buf, size_t size,
                  const char *name);

/* Closes the list and writes the header before it. Returns the record's whole length (the record is
 * at the buf given to packet_begin), or the writer's error. */
int packet_end(struct token_writer *w, size_t *ret_len);

/* ("disconnect", reason[, text]) into buf; 0 and *ret_len, or a negative errno. text "" or NULL:
 * none. */
int packet_disconnect(enum encoder encoder, void *buf, size_t size, const char *reason,
                      const char *text, size_t *ret_len);

#define PACKET_PEEK 256 /* payload bytes that are enough to see any packet's name */

/* The name (item 0) of a main record from the first bytes of its payload: *ret points into payload
 * or scratch (PACKET_PEEK bytes) and is not terminated. 0; -EAGAIN: n bytes are not enough
 * (never when n >= min(header size, PACKET_PEEK)); -EBADMSG: no name there. Names over 64 bytes are
 * -EBADMSG. An integer alias gives *ret NULL and *ret_len 0. */
int packet_peek_name(struct decompressor *d, const struct header *h, const uint8_t *payload,
                     size_t n, uint8_t scratch[PACKET_PEEK], const char **ret, size_t *ret_len);
