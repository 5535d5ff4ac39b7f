/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/wsclient.h - the client side of a WebSocket, as a layer above a leg. xproxy-tunnel only.
 */
#pragma once

#include "relay/leg.h"

#define WSCLIENT_ERROR_MAX 256

/* Asks the server at the other end of `below` for a WebSocket, as xpra's own clients do. authority
 * is what follows "Host:". hangup_fd as for leg_wait(). 0 and *ret, which lives in the process and
 * of which there is one; -ETIMEDOUT, -EPIPE (hangup_fd), or another negative errno, all but -EPIPE
 * with err (WSCLIENT_ERROR_MAX). */
int wsclient_open(struct leg *below, const char *authority, const char *path, int hangup_fd,
                  uint64_t deadline_usec, struct layer **ret, char *err);
