/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/runtime.h - the folder for what is kept between connections and forgotten with a reboot.
 */
#pragma once

#include <stddef.h>

/* The path of a file of that name in $RUNTIME_DIRECTORY; else, for root, in /run/xproxy; else in
 * $XDG_RUNTIME_DIR/xproxy. The folder is made if it can be. 0; -ENOENT: there is no such folder for
 * this user; -EMSGSIZE. */
int runtime_path(const char *name, char *buf, size_t size);
