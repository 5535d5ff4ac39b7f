/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/upgrade.h - from the xpra protocol in clear to TLS on the same connection. Worker.
 */
#pragma once

#include "relay/worker.h"

/* Whether the client, whose hello has been read, can: it says so, and nothing but its socket is in
 * the way. */
bool upgrade_possible(const struct worker *w);

/* Asks it to, in a packet, and does the handshake; what it says next is a hello. 0; -EAGAIN: it
 * has not answered so, and waits in clear as before; -ECANCELED: over, w->end says why. */
int upgrade_client(struct worker *w, uint64_t deadline_usec);
