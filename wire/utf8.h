/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/utf8.h - what is UTF-8, RFC 3629.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the UTF-8 sequence at p, of at most n bytes (n > 0), and its code point;
 * 0 if it is none: overlong, a surrogate, above U+10FFFF, cut off. */
size_t utf8_next(const uint8_t *p, size_t n, uint32_t *ret);
bool utf8_valid(const uint8_t *data, size_t n);
