/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/options.h - xproxy-conn's command line and the fds it is started with.
 */
#pragma once

#include "base/config.h"
#include "base/peer.h"

/* Reads the arguments and the configuration. 0: go on; 1: done (--help, --version); OPTIONS_CHECK:
 * only check; negative: wrong, and stderr says what (the log too, when there is no terminal to read
 * it). */
#define OPTIONS_CHECK 2
int options_parse(int argc, char *argv[], struct config *c);

/* The connection: fd 3 if LISTEN_FDS=1 is meant for this process, else fd 0; with --ssh what sshd
 * has made that. 0 with the fd and who is at its other end; 1: there is nothing left to do; -EPERM
 * refused, another negative errno: not started as it must be; stderr says how. */
int options_connection(const struct config *c, int *ret_fd, struct peer *ret_peer);

/* In the guard: closes the connection under every number that inetd gave it. */
void options_forget_connection(int client_fd);
