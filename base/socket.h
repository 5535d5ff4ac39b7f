/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/socket.h - how both legs' TCP sockets are set.
 */
#pragma once

/* No Nagle delay; a peer that vanished is noticed: keepalive probes after 10 s as xpra itself sends
 * them, and after 90 s without an acknowledgement (PingTimeout's default) the connection is broken.
 * Sockets that are not TCP are left alone. 0 or a negative errno. */
int socket_tune(int fd);
