/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What xproxyctl makes of units, IDs, records and numbers. Links ctl/.
 */
#include "ctl/find.h"
#include "ctl/journal.h"
#include "ctl/openmetrics.h"

#include "tests/unit/test.h"

#include <unistd.h>

TEST(peer_of_a_unit)
{
	static const char *const cases[][2] = {
		{"xpra proxy connection (192.0.2.1:5000)", "192.0.2.1:5000"},
		{"xpra proxy (test) ([2001:db8::1]:5000)", "[2001:db8::1]:5000"},
		{"xpra proxy (PID 12/UID 1000)", "PID 12/UID 1000"},
		{"127.0.0.1:36204", "127.0.0.1:36204"},
		{"[::1]:36204", "[::1]:36204"},
		{"PID 12/UID 0", "PID 12/UID 0"},
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

TEST(login_results)
{
	CHECK_EQ(login_result_of("auth"), LOGIN_AUTH);
	CHECK_EQ(login_result_of("upstream-refused"), LOGIN_UPSTREAM);
	CHECK_EQ(login_result_of("timeout"), LOGIN_TIMEOUT);
	CHECK_EQ(login_result_of(""), LOGIN_OTHER);
	CHECK_EQ(login_result_of("nonsense"), LOGIN_OTHER);
	for (size_t i = 0; i < LOGIN_RESULTS; i++)
		CHECK(login_result_name((enum login_result)i));
}

TEST(openmetrics)
{
	const uint64_t values[] = {1, 3, 100, 1001};
	const struct metric_label label = {"unit", "a\\x2d\"b\"\n"};
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	metric_family(f, "x_live_bytes", METRIC_GAUGE, "bytes", "Help.");
	metric_sample(f, "x_live_bytes", METRIC_GAUGE, NULL, 7);
	metric_family(f, "x_logins", METRIC_COUNTER, NULL, "More.");
	metric_sample(f, "x_logins", METRIC_COUNTER, &label, UINT64_MAX);
	metric_family(f, "x_seconds", METRIC_HISTOGRAM, "seconds", "Last.");
	metric_histogram(f, "x_seconds", values, ARRAY_SIZE(values));
	metric_end(f);
	fclose(f);
	CHECK_STR(text, "# HELP x_live_bytes Help.\n"
	                "# TYPE x_live_bytes gauge\n"
	                "# UNIT x_live_bytes bytes\n"
	                "x_live_bytes 7\n"
	                "# HELP x_logins More.\n"
	                "# TYPE x_logins counter\n"
	                "x_logins_total{unit=\"a\\\\x2d\\\"b\\\"\\n\"} 18446744073709551615\n"
	                "# HELP x_seconds Last.\n"
	                "# TYPE x_seconds histogram\n"
	                "# UNIT x_seconds seconds\n"
	                "x_seconds_bucket{le=\"0.001\"} 1\n"
	                "x_seconds_bucket{le=\"0.005\"} 2\n"
	                "x_seconds_bucket{le=\"0.01\"} 2\n"
	                "x_seconds_bucket{le=\"0.025\"} 2\n"
	                "x_seconds_bucket{le=\"0.05\"} 2\n"
	                "x_seconds_bucket{le=\"0.1\"} 3\n"
	                "x_seconds_bucket{le=\"0.25\"} 3\n"
	                "x_seconds_bucket{le=\"0.5\"} 3\n"
	                "x_seconds_bucket{le=\"1.0\"} 3\n"
	                "x_seconds_bucket{le=\"+Inf\"} 4\n"
	                "x_seconds_count 4\n"
	                "x_seconds_sum 1.105\n"
	                "# EOF\n");
	free(text);
}
