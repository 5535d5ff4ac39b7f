/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/exec_lookup.c - Registry=exec(...). Checker, privileged, or xproxyctl. System calls: those
 * of base/module.c and auth/program.c.
 */
#include "auth/exec_lookup.h"

#include <errno.h>
#include <stdio.h>

#include "base/module.h"

int exec_lookup(struct auth_attempt *a, struct auth_row *ret_row)
{
	const struct auth_module *m;
	const char *why = "it is not installed";
	const void *symbol = NULL;
	int r = module_load("auth-exec-sessions.so", "auth_module", &symbol, NULL, &why);

	m = symbol;
	if (r == 0 && (m->abi != AUTH_MODULE_ABI || !m->lookup)) {
		r = -ELIBBAD;
		why = "it was built for another version of xproxy";
	}
	if (r == 0)
		return m->lookup(a, ret_row);
	snprintf(a->error, sizeof(a->error), "cannot load auth-exec-sessions.so: %.200s", why);
	return r;
}
