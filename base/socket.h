/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/socket.h - how both legs' TCP sockets are set, and messages with an fd beside them.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* No Nagle delay; a peer that vanished is noticed: keepalive probes after 10 s as xpra itself sends
 * them, and after 90 s without an acknowledgement (PingTimeout's default) the connection is broken.
 * Sockets that are not TCP are left alone. 0 or a negative errno. */
int socket_tune(int fd);

/* Sends one message on a SEQPACKET socket, with pass_fd beside it unless it is -1. Never SIGPIPE. 0
 * or a negative errno. */
int socket_send(int fd, const void *data, size_t len, int pass_fd);

/* Receives one message; blocks. The bytes it has, 0 at the end; -EBADMSG if it is longer than len
 * or brings more than one fd; another negative errno. *ret_fd is the fd that came along (CLOEXEC,
 * the caller's), or -1. */
ssize_t socket_receive(int fd, void *data, size_t len, int *ret_fd);
