/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/probe.h - whether a server takes a key, asked of its sshd.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The key of a line for authorized_keys, for that user at that address: agents say that they have
 * put it there, which does not mean that sshd looks there. Without the private key: sshd says
 * whether one would do before anybody has to prove that it is his (RFC 4252 7). state: a folder for
 * a temporary file. 0 it does; -EACCES it does not; another negative errno: it could not be asked.
 * err says why. deadline_usec: of now_usec(). */
int probe_key(const char *state, const char *address, unsigned port, const char *user,
              const char *line, uint64_t deadline_usec, char *err, size_t err_size);
