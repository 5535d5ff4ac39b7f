/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What xproxyctl makes of units, IDs, records and numbers. Links ctl/.
 */
#include "ctl/cgroup.h"
#include "ctl/find.h"
#include "ctl/journal.h"
#include "ctl/openmetrics.h"

#include "tests/unit/test.h"

#include <ftw.h>
#include <sys/stat.h>
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

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static char mounts[] = "/tmp/xproxy-cgroup-XXXXXX";

/* A file below `mounts`, with its folders. */
static void put(const char *path, const char *text)
{
	char name[512];
	FILE *f;

	snprintf(name, sizeof(name), "%s/%s", mounts, path);
	for (char *p = strchr(name + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)mkdir(name, 0755);
		*p = '/';
	}
	f = fopen(name, "w");
	CHECK(f);
	fputs(text, f);
	fclose(f);
}

static void group(const char *lines, const char *unit, bool user, uint64_t memory, uint64_t cpu)
{
	struct cgroup found;
	char text[1024];

	test_note("%s", lines);
	snprintf(text, sizeof(text), "%s", lines);
	CHECK_EQ(cgroup_parse(text, mounts, &found), unit != NULL);
	if (!unit)
		return;
	CHECK_STR(found.unit, unit);
	CHECK_EQ(found.user, user);
	CHECK_EQ(found.memory_bytes, memory);
	CHECK_EQ(found.cpu_nsec, cpu);
}

TEST(cgroups)
{
	CHECK(mkdtemp(mounts));
	put("xproxy.slice/xproxy@1.service/memory.current", "1234\n");
	put("xproxy.slice/xproxy@1.service/cpu.stat",
	    "user_usec 1\nusage_usec 77\nsystem_usec 2\n");
	put("memory/s/xproxy@2.service/memory.usage_in_bytes", "5678\n");
	put("cpuacct/s/xproxy@2.service/cpuacct.usage", "99000\n");
	put("cpuacct/cpuacct.usage", "1000000\n");
	put("user.slice/user-1.slice/user@1.service/app.slice/xproxy@3.service/memory.current",
	    "nonsense\n");
	/* version 2 */
	group("0::/xproxy.slice/xproxy@1.service\n", "xproxy@1.service", false, 1234, 77000);
	/* version 1, with and without the processor's */
	group("4:memory:/s/xproxy@2.service\n3:cpu,cpuacct:/s/xproxy@2.service\n"
	      "1:name=systemd:/s/xproxy@2.service\n0::/else\n",
	      "xproxy@2.service", false, 5678, 99000);
	group("4:memory:/s/xproxy@2.service\n3:cpuacct:/\n1:name=systemd:/s/xproxy@2.service\n",
	      "xproxy@2.service", false, 5678, UINT64_MAX);
	group("0::/user.slice/user-1.slice/user@1.service/app.slice/xproxy@3.service\n",
	      "xproxy@3.service", true, UINT64_MAX, UINT64_MAX);
	group("0::/user.slice/user-1.slice/session-1.scope\n", NULL, false, 0, 0);
	group("0::/\n", NULL, false, 0, 0);
	group("0::/.service\n", NULL, false, 0, 0);
	group("", NULL, false, 0, 0);
	group("nonsense\n::\n:\n", NULL, false, 0, 0);
	CHECK_EQ(nftw(mounts, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
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
