/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/readfile.h - reads a file that holds secrets, whole, into memory that is wiped.
 */
#pragma once

#include <stddef.h>

#define READFILE_ERROR_MAX 256

/* Reads a regular file of at most max bytes. A pipe or a device is refused without waiting for it.
 * *ret has a NUL after its *ret_len bytes; give it back to readfile_free(). 0, or a negative errno
 * with err (READFILE_ERROR_MAX bytes) saying which file and what is wrong: -EFBIG too large,
 * -EINVAL not a regular file, else what open() or read() said. */
int readfile_secret(const char *file, size_t max, char **ret, size_t *ret_len, char *err);

/* The key of xpra's own encryption, as its peers read it: the file without the ends of lines around
 * it, at most size bytes into ret. As above; -ENODATA nothing is left. */
int readfile_key(const char *file, char *ret, size_t size, size_t *ret_len, char *err);

/* Wipes and frees; data may be NULL. */
void readfile_free(char *data, size_t len);
