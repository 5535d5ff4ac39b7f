/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/encoder.h - starts xproxy-encode for a connection. Guard.
 */
#pragma once

#include "session/carrier.h"

/* Starts it with that memory (base/frame.h); *c is filled, and then read and ended as a carrier's
 * is. Returns the worker's end of its socket, or a negative errno with err (RPC_TEXT_MAX). */
int encoder_start(struct carrier *c, const struct config *config, int memory_fd, char *err);

/* As carrier_read(); and if it was killed, says by what. */
void encoder_read(struct carrier *c);
