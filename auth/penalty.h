/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/penalty.h - sources that have failed too often are turned away, by all connections.
 */
#pragma once

#include "base/config.h"
#include "base/peer.h"

/* Whether this peer's source is refused at the moment: before anything has been done for it. Then
 * it has been told so, if it is likely to understand, and the log too, if a line is due. Who may be
 * a front end is not judged by its own address. */
bool penalty_turns_away(const struct config *config, const struct peer *peer, int client_fd);
