/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/wipe.h - forgetting what the login needed, and giving its memory back: a connection is quiet
 * for hours, and there may be hundreds.
 */
#pragma once

#include <stddef.h>

/* Zeroes the bytes; whole pages of them are the kernel's again. Only for private memory that began
 * as zeroes: of .bss, of the heap or of an anonymous mapping. Keeps errno. */
void wipe_pages(void *p, size_t len);

/* The same for what functions that have returned have left on the stack. */
void wipe_stack(void);
