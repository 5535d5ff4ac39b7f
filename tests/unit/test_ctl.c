/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What xproxyctl makes of units and IDs. Links ctl/.
 */
#include "ctl/find.h"

#include "tests/unit/test.h"

#include <unistd.h>

TEST(peer_of_a_unit)
{
	static const char *const cases[][2] = {
		{"xpra proxy connection (192.0.2.1:5000)", "192.0.2.1:5000"},
		{"xpra proxy (test) ([2001:db8::1]:5000)", "[2001:db8::1]:5000"},
		{"xpra proxy (PID 12/UID 1000)", "PID 12/UID 1000"},
		{"127.0.0.1:36204", "127.0.0.1:36204"},
		{"xproxy@0.service", ""},
		{"xpra proxy", ""},
		{"xpra) proxy", ""},
		{")", ""},
		{"", ""},
	};
	char buf[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unit_peer(cases[i][0], buf, sizeof(buf));
		CHECK_STR(buf, cases[i][1]);
	}
}

/* What is not an instance of ours must not be taken for one: `stop --all` stops them. */
TEST(socket_of_a_unit)
{
	char buf[64];

	CHECK(unit_socket_name("xproxy@0-127.0.0.1:14500-127.0.0.1:5.service", buf, sizeof(buf)));
	CHECK_STR(buf, "xproxy.socket");
	CHECK(unit_socket_name("xproxy-tls@1.service", buf, sizeof(buf)));
	CHECK_STR(buf, "xproxy-tls.socket");
	CHECK(!unit_socket_name("xproxy.service", buf, sizeof(buf)));
	CHECK(!unit_socket_name("xproxyd@1.service", buf, sizeof(buf)));
	CHECK(!unit_socket_name("ssh@1.service", buf, sizeof(buf)));
	CHECK(!unit_socket_name("", buf, sizeof(buf)));
}

TEST(alive)
{
	struct bus_unit u = {.active = "active"};

	CHECK(unit_is_alive(&u));
	snprintf(u.active, sizeof(u.active), "deactivating");
	CHECK(unit_is_alive(&u));
	snprintf(u.active, sizeof(u.active), "failed");
	CHECK(!unit_is_alive(&u));
	snprintf(u.active, sizeof(u.active), "inactive");
	CHECK(!unit_is_alive(&u));
}

TEST(ids)
{
	struct connection c = {.socket = {.id = ":proxy-12", .pid = 12, .uid = (uid_t)-2},
	                       .state = CONNECTION_CONNECTED,
	                       .user = "john",
	                       .unit = "xproxy@1-2-3.service"};
	static const char *const good[] = {":proxy-12", "proxy-12", "12", "xproxy@1-2-3.service",
	                                   "xproxy@1-2-3"};
	static const char *const bad[] = {"", ":proxy-1", "proxy", "2", "xproxy@1-2", ".service"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		CHECK(connection_has_id(&c, good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(!connection_has_id(&c, bad[i]));
	CHECK(connection_has_user(&c, "john"));
	CHECK(!connection_has_user(&c, "johnny"));
	c.state = CONNECTION_LOGIN;
	CHECK(!connection_has_user(&c, "john"));
	/* a unit that is starting has no process yet */
	snprintf(c.socket.id, sizeof(c.socket.id), "-");
	CHECK(!connection_has_id(&c, ""));
	CHECK(!connection_has_id(&c, "12"));
	CHECK(connection_has_id(&c, "xproxy@1-2-3"));
}
