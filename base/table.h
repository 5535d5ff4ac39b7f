/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/table.h - aligned columns on stdout, of text that nobody vouches for.
 */
#pragma once

#include <stddef.h>

/* How many columns of a terminal: one for each character of UTF-8. text may be NULL. */
int table_width(const char *text);

/* Prints one cell, padded to width. What is in the text must not drive the terminal: control
 * characters, those of 8 bits too, are shown as '?'. */
void table_cell(const char *text, int width);

void table_row(const char *const cells[], const int width[], size_t n);

/* The line below the heads. */
void table_rule(const int width[], size_t n);
