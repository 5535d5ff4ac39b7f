/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/table.c - aligned columns on stdout. In xproxyctl, as its caller. System calls: write.
 */
#include "base/table.h"

#include <stdbool.h>
#include <stdio.h>

int table_width(const char *text)
{
	int n = 0;

	for (; text && *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void table_cell(const char *text, int width)
{
	int pad = width - table_width(text);

	for (; text && *text; text++) {
		unsigned char c = (unsigned char)text[0], next = (unsigned char)text[1];
		bool eight_bit_control = c == 0xc2 && next >= 0x80 && next < 0xa0;

		putchar(c < 0x20 || c == 0x7f || eight_bit_control ? '?' : c);
		text += eight_bit_control;
	}
	for (; pad > 0; pad--)
		putchar(' ');
}

void table_row(const char *const cells[], const int width[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool last = i + 1 == n;

		table_cell(cells[i], last ? 0 : width[i]);
		fputs(last ? "\n" : " | ", stdout);
	}
}

void table_rule(const int width[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (int k = width[i] + (i + 1 < n ? 3 : 0); k > 0; k--)
			putchar('-');
	}
	putchar('\n');
}
