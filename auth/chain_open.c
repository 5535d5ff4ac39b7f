/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/chain_open.c - from [Auth] and [Sessions] to modules that can be asked. Guard or checker,
 * privileged. System calls: those of auth/load.c and of the modules.
 */
#include <errno.h>
#include <stdio.h>

#include "auth/chain.h"
#include "auth/username.h"
#include "base/macros.h"

bool chain_waits(const struct config *config)
{
	bool waits = config->sessions_registry == REGISTRY_MODULE &&
	             auth_waits(config->sessions_registry_module);

	for (size_t i = 0; i < config->auth_modules.count; i++)
		waits |= auth_waits(config->auth_modules.items[i]);
	return waits && !config->behind_sshd;
}

static int fail_config(char err[RPC_TEXT_MAX], const char *origin, const char *key, const char *why)
{
	snprintf(err, RPC_TEXT_MAX, "%.200s%s%s: %s", origin ? origin : "", origin ? ": " : "", key,
	         why);
	return -EINVAL;
}

/* One line: alternatives. */
static int open_group(struct chain *c, const char *spec, unsigned group, const char *origin,
                      char err[RPC_TEXT_MAX])
{
	char why[AUTH_ERROR_MAX] = "";

	for (; spec; spec = auth_alternative(spec)) {
		struct auth_instance *in = &c->instances[c->count];
		int r;

		if (c->count == ARRAY_SIZE(c->instances))
			return fail_config(err, origin, "[Auth] Module=", "too many modules");
		r = auth_load(spec, in, why);
		if (r == 0) {
			c->count++;
			in->group = group;
			r = username_check(&in->options, why);
		}
		if (r == 0 && in->module->open)
			r = in->module->open(&in->options, why);
		if (r < 0) {
			(void)fail_config(err, origin, "[Auth] Module=", why);
			return r;
		}
	}
	return 0;
}

static int open_registry(struct chain *c, const char *spec, char err[RPC_TEXT_MAX])
{
	char why[AUTH_ERROR_MAX] = "";
	const char *key = "[Sessions] Registry=";
	int r = auth_load(spec, &c->registry, why);

	if (r == 0 && auth_alternative(spec))
		return fail_config(err, NULL, key, "there can be only one");
	if (r == 0 && !c->registry.module->lookup)
		return fail_config(err, NULL, key, "this module keeps no sessions");
	if (r == 0 && c->registry.module->open)
		r = c->registry.module->open(&c->registry.options, why);
	if (r < 0)
		(void)fail_config(err, NULL, key, why);
	return r;
}

int chain_open(struct chain *c, const struct config *config, char err[RPC_TEXT_MAX])
{
	int r = 0;

	if (config->behind_sshd) {
		c->instances[0].module = &auth_ssh;
		c->count = 1;
	} else if (config->auth_modules.count == 0) {
		snprintf(err, RPC_TEXT_MAX,
		         "no authentication module is configured: set [Auth] Module=, "
		         "for example Module=sqlite(filename=/var/lib/xproxy/users.sdb)");
		return -ENOENT;
	}
	for (size_t i = 0; i < config->auth_modules.count && r == 0 && !config->behind_sshd; i++)
		r = open_group(c, config->auth_modules.items[i], (unsigned)i,
		               config->auth_modules.origins[i], err);
	if (r == 0 && config->sessions_registry == REGISTRY_MODULE)
		r = open_registry(c, config->sessions_registry_module, err);
	return r;
}

void chain_close(struct chain *c)
{
	for (size_t i = 0; i < c->count; i++)
		auth_unload(&c->instances[i]);
	auth_unload(&c->registry);
	explicit_bzero(c, sizeof(*c));
}
