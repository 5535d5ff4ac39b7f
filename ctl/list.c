/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/list.c - `xproxyctl list`.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/ctl.h"
#include "ctl/find.h"
#include "ctl/show.h"

int command_list(const struct ctl *ctl)
{
	struct connections all;
	size_t n = 0;

	if (ctl->args[0])
		return usage_error("list takes no ID");
	if (connections_find(&ctl->config, &all) < 0) {
		connections_free(&all);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < all.count; i++)
		if (!all.items[i].foreign &&
		    (!ctl->user || connection_has_user(&all.items[i], ctl->user)))
			all.items[n++] = all.items[i];
	if (ctl->json)
		show_json(all.items, n);
	else if (n > 0)
		show_table(all.items, n);
	else
		puts("No connections.");
	if (!ctl->json)
		show_sockets(&all.units);
	connections_free(&all);
	return EXIT_SUCCESS;
}
