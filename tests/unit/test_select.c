/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a profile says about its servers and agents, as far as it decides where a user goes.
 */
#include "broker/select.h"

#include "tests/unit/test.h"

#include "broker/inquiry.h"
#include "tests/unit/agent_rig.h"

#define TAIL "|d|c|ip|1|2|d|bob|39|3|-1|-1\n"

static const char file[] = "[DEFAULT]\n"
			   "host = tsa (127.0.0.1:2201), tsb (127.0.0.2:2201), tsc\n"
			   "[plain]\n"
			   "[own]\n"
			   "broker-agent-query-mode = ssh\n"
			   "broker-agent-hostkey-policy = WarningPolicy\n"
			   "[none]\n"
			   "broker-agent-query-mode = NONE\n"
			   "[shadow]\n"
			   "command = SHADOW\n"
			   "[scanned]\n"
			   "host = tsa (127.0.0.1:1)\n"
			   "broker-portscan-x2goservers = true\n";

static struct profiles *profiles;
static char err[AGENT_ERROR_MAX];

static const struct profile *begin(const char *id)
{
	profiles_free(profiles);
	if (profiles_parse(file, sizeof(file) - 1, "file", "", &profiles, err, sizeof(err)) < 0)
		test_fail(__FILE__, __LINE__, "%s", err);
	inquiry_forget();
	rig_begin(X2GO_AGENT_LOCAL);
	rig_remove("listsessions");
	CHECK(profiles_find(profiles, id));
	return profiles_find(profiles, id);
}

TEST(agents)
{
	struct agent a;
	const struct profile *p = begin("plain");

	rig_setup.agent = X2GO_AGENT_LOCAL;
	rig_setup.hostkeys = X2GO_HOSTKEYS_ACCEPT_NEW;
	select_agent(p, &rig_setup, 7, &a);
	CHECK(a.setup == &rig_setup && a.deadline_usec == 7);
	CHECK_EQ(a.mode, X2GO_AGENT_LOCAL);
	CHECK_EQ(a.hostkeys, X2GO_HOSTKEYS_ACCEPT_NEW);
	select_agent(profiles_find(profiles, "own"), &rig_setup, 7, &a);
	CHECK_EQ(a.mode, X2GO_AGENT_SSH);
	CHECK_EQ(a.hostkeys, X2GO_HOSTKEYS_ANY);
	select_agent(profiles_find(profiles, "none"), &rig_setup, 7, &a);
	CHECK_EQ(a.mode, X2GO_AGENT_NONE);
}

TEST(session)
{
	const struct profile *p = begin("plain");
	struct standing s;
	struct choice c;

	rig_write("listsessions", "1|s|50|tsb|S" TAIL "1|r|50|tsa|R" TAIL);
	CHECK_EQ(select_server(p, &rig_agent, "bob", &c, err, sizeof(err)), 0);
	CHECK(c.available && c.agent);
	CHECK_STR(c.host.name, "tsb");
	CHECK_STR(c.host.address, "127.0.0.2");
	CHECK_EQ(c.host.port, 2201);
	CHECK_STR(c.via, "127.0.0.2");
	CHECK_STR(c.sessions, "1|s|50|127.0.0.2|S" TAIL "1|r|50|127.0.0.1|R" TAIL);
	free(c.sessions);
	CHECK_EQ(select_status(p, &rig_agent, "bob", &s, err, sizeof(err)), 0);
	CHECK(s.known && s.suspended == 1 && s.running == 1);
	CHECK_STR(s.status, "S");
	CHECK_STR(s.host.name, "tsb");
	inquiry_forget();
	rig_write("listsessions", "1|r|50|tsc|R" TAIL);
	CHECK_EQ(select_status(p, &rig_agent, "bob", &s, err, sizeof(err)), 0);
	CHECK_STR(s.status, "R");
	CHECK_STR(s.host.name, "tsc");
	inquiry_forget();
	rig_remove("listsessions");
	CHECK_EQ(select_status(p, &rig_agent, "bob", &s, err, sizeof(err)), 0);
	CHECK(s.known && !s.status);
	CHECK_STR(s.host.name, "tsa");
}

/* Somebody else's desktop is where it is, and no agent is asked. */
TEST(shadow)
{
	const struct profile *p = begin("shadow");
	struct choice c;

	rig_write("listsessions", "1|s|50|tsb|S" TAIL);
	CHECK_EQ(select_server(p, &rig_agent, "bob", &c, err, sizeof(err)), 0);
	CHECK(c.available && !c.agent);
	CHECK_STR(c.host.name, "tsa");
	CHECK_STR(c.sessions, "");
	free(c.sessions);
	CHECK(!rig_exists("argv"));
}

TEST(portscan)
{
	const struct profile *p = begin("scanned");
	struct choice c;

	CHECK_EQ(select_server(p, &rig_agent, "bob", &c, err, sizeof(err)), 0);
	CHECK(!c.available && !c.agent);
	CHECK_STR(c.host.address, "127.0.0.1");
	free(c.sessions);
	profiles_free(profiles);
	profiles = NULL;
}
