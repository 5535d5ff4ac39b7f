/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/select.c - where a session profile leads to. xproxy-x2gobroker, without privilege. System
 * calls: those of broker/pool.c.
 */
#include "broker/select.h"

#include <strings.h>

#include "base/macros.h"
#include "broker/pool.h"

struct words {
	const char *word;
	int value;
};

/* Not set, or empty: the fallback. */
static int read_word(const char *text, const struct words *list, size_t n, int fallback)
{
	for (size_t i = 0; text && i < n; i++)
		if (strcasecmp(text, list[i].word) == 0)
			return list[i].value;
	return fallback;
}

void select_agent(const struct profile *p, const struct x2go_setup *setup, uint64_t deadline_usec,
                  struct agent *ret)
{
	static const struct words modes[] = {{"NONE", X2GO_AGENT_NONE},
	                                     {"LOCAL", X2GO_AGENT_LOCAL},
	                                     {"SSH", X2GO_AGENT_SSH}},
				  policies[] = {{"RejectPolicy", X2GO_HOSTKEYS_KNOWN},
	                                        {"AutoAddPolicy", X2GO_HOSTKEYS_ACCEPT_NEW},
	                                        {"WarningPolicy", X2GO_HOSTKEYS_ANY}};

	*ret = (struct agent){.setup = setup, .deadline_usec = deadline_usec};
	ret->mode = (enum x2go_agent)read_word(profile_get(p, "broker-agent-query-mode"), modes,
	                                       ARRAY_SIZE(modes), (int)setup->agent);
	ret->hostkeys =
		(enum x2go_hostkeys)read_word(profile_get(p, "broker-agent-hostkey-policy"),
	                                      policies, ARRAY_SIZE(policies), (int)setup->hostkeys);
}

/* Its servers, and what is to be made of them. */
struct place {
	struct profile_host hosts[POOL_MAX];
	struct server servers[POOL_MAX];
	struct pool pool;
};

static void read_place(const struct profile *p, const struct agent *agent, struct place *ret)
{
	const char *command = profile_get(p, "command");
	size_t n = profile_hosts(p, ret->hosts, POOL_MAX);

	for (size_t i = 0; i < n; i++)
		ret->servers[i] = (struct server){
			.name = ret->hosts[i].name,
			.address = ret->hosts[i].address,
			.port = ret->hosts[i].port,
		};
	ret->pool = (struct pool){
		.servers = ret->servers,
		.count = n,
		.agent = agent,
		.shadow = command && strcasecmp(command, "SHADOW") == 0,
		.portscan = profile_flag(p, "broker-portscan-x2goservers", agent->setup->portscan),
		.load_check = profile_flag(p, "broker-use-load-checker", agent->setup->load_check),
	};
}

int select_server(const struct profile *p, const struct agent *agent, const char *user,
                  struct choice *ret, char *err, size_t err_size)
{
	struct place place;
	struct pool_choice c;
	int r;

	read_place(p, agent, &place);
	r = pool_choose(&place.pool, user, &c, err, err_size);
	if (r < 0) {
		free(c.sessions);
		return r;
	}
	*ret = (struct choice){
		.host = place.hosts[c.server],
		.available = c.available,
		.agent = c.agent,
		.sessions = c.sessions,
	};
	snprintf(ret->via, sizeof(ret->via), "%s", c.via);
	return 0;
}

int select_status(const struct profile *p, const struct agent *agent, const char *user,
                  struct standing *ret, char *err, size_t err_size)
{
	struct place place;
	struct pool_status s;
	int r;

	read_place(p, agent, &place);
	r = pool_look(&place.pool, user, &s, err, err_size);
	if (r < 0)
		return r;
	*ret = (struct standing){
		.known = s.agent,
		.host = place.hosts[s.server],
		.status = s.state == 'S'   ? "S"
	                  : s.state == 'R' ? "R"
	                                   : NULL,
		.suspended = s.suspended,
		.running = s.running,
	};
	return 0;
}
