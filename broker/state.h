/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/state.h - small files that many short processes share: one folder for each kind of them,
 * below State=, which is its owner's alone. What a file is about is hashed to its name, so that no
 * name that anybody sends can be a path or mean two things.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_NAME_MAX 65 /* 64 hexadecimal digits */

/* Opens the folder of that name (NULL: State= itself) and makes it if there is none; State= itself
 * is the administrator's to make. An fd for the *at() calls, or a negative errno with err saying
 * what to do: -EPERM it is somebody else's, or others may look into it. */
int state_open(const char *state, const char *folder, char *err, size_t err_size);

/* SHA-256 of the text. */
void state_name(const char *text, char ret[STATE_NAME_MAX]);
bool state_is_name(const char *name);

/* Makes or replaces a file as a whole; whoever reads it sees either. durable: it will be there
 * after the power has gone, too. 0 or a negative errno. */
int state_write(int dir, const char *name, const void *data, size_t len, bool durable);

/* Reads a file of exactly len bytes. 0, -ENOENT, -EBADMSG it has another length, another errno. */
int state_read(int dir, const char *name, void *ret, size_t len);

/* Opens a file of that name and locks it for this process alone, until it is closed. flags: 0,
 * O_CREAT or O_CREAT | O_EXCL. wait: else -EWOULDBLOCK. An fd, or a negative errno. */
int state_lock(int dir, const char *name, int flags, bool wait);

/* Calls f with the names of files, at most that many, until it does not return 0. That, or a
 * negative errno. Files that nobody has finished writing are not among them; old ones of these are
 * removed. */
int state_each(int dir, size_t max, int (*f)(void *arg, int dir, const char *name), void *arg);
