/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/abilities.h - what pictures a client takes, and its hello with all but pixels hidden.
 * Worker. Pure.
 *
 * A server that is told of rgb24 and rgb32 alone sends plain pixels, in every version; what was
 * "encoding.proxy.video" works in none. Source: hello-by-version 6, xpra-protocol 8.5.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/frame.h"
#include "wire/token.h"

enum abilities {
	ABILITIES_NONE,
	ABILITIES_LATER, /* pixels; a client without older ways says the rest in "encoding-config"
	                  */
	ABILITIES_KNOWN, /* pixels of a kind we know, and something better */
};

/* Reads a client's whole hello packet, flat or nested, into *ret (all but the encoders' names). */
enum abilities abilities_read(const uint8_t *payload, size_t len, enum encoder encoder,
                              struct frame_setup *ret);

/* The same of a client's "encoding-config", r after the name. True: *setup, which its hello had
 * filled, knows now what it takes. */
bool abilities_config(struct token_reader *r, struct frame_setup *setup);

/* The same packet, in the same encoder and shape, of a client that takes nothing but pixels. 0 and
 * *ret_len, or a negative errno. */
int abilities_hide(const uint8_t *payload, size_t len, enum encoder encoder, void *buf, size_t size,
                   size_t *ret_len);

/* A wish of the client's, by the packet that says so ("quality", "bandwidth-limit", ...): r is
 * after the name. True: *wishes has changed. */
bool abilities_wish(const char *name, struct token_reader *r, struct frame_wishes *wishes);
