/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/raw.h - bytes both ways, whatever they are: a client that is another server's. Worker.
 */
#pragma once

#include "relay/worker.h"

/* Passes what w->up holds already, and all that follows, to the server's fd, and back, until both
 * directions have ended: each does by itself. Takes the relay's filter first. w->end says why. */
void raw_run(struct worker *w);
