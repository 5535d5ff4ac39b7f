/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/memory.h - which encoder a target spoke last time, so that the next connection guesses
 * right.
 *
 * One symbolic link per target in the runtime directory ($RUNTIME_DIRECTORY as systemd sets it,
 * else /run/xproxy, or $XDG_RUNTIME_DIR/xproxy when not root), its name a hash of user and URI, its
 * content the encoder's name: written and read in one atomic call each. A hint only: wrong, missing
 * or unwritable costs one more connection to the server.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#define MEMORY_UNKNOWN UINT32_MAX

/* enum encoder, or MEMORY_UNKNOWN. */
uint32_t memory_recall(uid_t uid, const char *uri);
void memory_store(uid_t uid, const char *uri, uint32_t encoder);
