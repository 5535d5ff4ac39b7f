/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/sshd.h - a connection that comes from sshd, which has logged its user in.
 */
#pragma once

#include "base/peer.h"

/* With --ssh: opens the log, and makes the connection fd 0. *ret is whoever is at its other end,
 * and the session that the client's command names. 0: go on; 1: it was only a question, which has
 * been answered. Negative, with a line on stderr, which the client shows: -EPERM refused, -EINVAL
 * not started as it must be.
 */
int sshd_connection(struct peer *ret);
