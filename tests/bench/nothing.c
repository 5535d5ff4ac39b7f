/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nothing.c - what spawning any program for a connection costs: says one byte as soon as it runs,
 * then sleeps in read() until the peer leaves.
 */
#include <unistd.h>

int main(void)
{
	char c = 'x';

	if (write(0, &c, 1) != 1)
		return 1;
	while (read(0, &c, 1) > 0)
		;
	return 0;
}
