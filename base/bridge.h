/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/bridge.h - two pipes become one socket: an sshd gives its commands a pipe for each
 * direction.
 */
#pragma once

/* Standard input and output become one end of a socket pair. A child, which ends with the
 * connection, moves what comes in by the old input and out by the old output; it has no memory for
 * any of it. Nothing else may have those pipes, or their ends do not show. 0 or a negative errno.
 */
int bridge_pipes(void);
