/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/password-probe.c - changes a password as the guard does, and says what became of it.
 *
 *   password-probe SERVICE USER OLD NEW SECONDS
 */
#include <string.h>

#include "auth/password.h"
#include "base/clock.h"
#include "base/macros.h"

int main(int argc, char **argv)
{
	char why[PASSWORD_WHY_MAX];
	struct password_change c;
	int r;

	if (argc != 6)
		return 2;
	c = (struct password_change){.service = argv[1],
	                             .user = argv[2],
	                             .old_password = argv[3],
	                             .new_password = argv[4],
	                             .address = "192.0.2.1"};
	r = password_change(&c, strtoul(argv[5], NULL, 10) * USEC_PER_SEC, why);
	printf("%s: %s\n", r < 0 ? strerrorname_np(-r) : "changed", why);
	return r < 0;
}
