/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_event.c - sessions as clients report them, and orders for them.
 */
#include "broker/event.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/folder.h"
#include "tests/unit/test.h"

#define SEC USEC_PER_SEC
#define NOW (UINT64_C(1795000000) * SEC)
#define ID "bob-50-1795158914_stRxterm_dp24"

static char err[256], order[EVENT_ORDER_MAX];
static struct event_session seen;
static unsigned count;

static void prepare(void)
{
	folder_begin();
	log_open_fds("test", -1, -1, -1);
}

static int report(const char *user, const char *id, const char *event, uint64_t now)
{
	struct x2go_request q = {.task = X2GO_EVENT, .elapsed_sec = 7};

	snprintf(q.user, sizeof(q.user), "%s", user);
	snprintf(q.sid, sizeof(q.sid), "%s", id);
	snprintf(q.event, sizeof(q.event), "%s", event);
	snprintf(q.server, sizeof(q.server), "tsa");
	snprintf(q.login, sizeof(q.login), "bob1");
	return event_record(folder, &q, "192.0.2.1", now, err, sizeof(err));
}

static int take(const char *user, const char *id)
{
	struct x2go_request q = {.task = X2GO_EVENT};

	snprintf(q.user, sizeof(q.user), "%s", user);
	snprintf(q.sid, sizeof(q.sid), "%s", id);
	return event_take_order(folder, &q, order, err, sizeof(err));
}

static int give(const char *id, enum event_order what)
{
	return event_order(folder, id, what, NOW, err, sizeof(err));
}

static void see(void *arg, const struct event_session *s)
{
	(void)arg;
	seen = *s;
	count++;
}

static unsigned known(void)
{
	count = 0;
	CHECK_EQ(event_each(folder, see, NULL, err, sizeof(err)), 0);
	return count;
}

TEST(life_of_a_session)
{
	prepare();
	CHECK_EQ(report("bob", ID, "CONNECTING", NOW), 0);
	CHECK_EQ(known(), 1);
	CHECK_STR(seen.event, "CONNECTING");
	CHECK_EQ(report("bob", ID, "CONNECTED", NOW + SEC), 0);
	CHECK_EQ(report("bob", ID, "ALIVE", NOW + 60 * SEC), 0);
	CHECK_EQ(known(), 1);
	CHECK_STR(seen.event, "ALIVE");
	CHECK_STR(seen.id, ID);
	CHECK_STR(seen.user, "bob");
	CHECK_STR(seen.login, "bob1");
	CHECK_STR(seen.address, "192.0.2.1");
	CHECK_STR(seen.server, "tsa");
	CHECK_EQ(seen.first_usec, NOW);
	CHECK_EQ(seen.last_usec, NOW + 60 * SEC);
	CHECK_EQ(seen.elapsed_sec, 7);
	CHECK_EQ(report("bob", ID, "SUSPENDING", NOW + 61 * SEC), 0);
	CHECK_EQ(report("bob", ID, "FINISHED", NOW + 62 * SEC), 0);
	CHECK_EQ(known(), 0);
	CHECK_EQ(report("bob", ID, "FINISHED", NOW + 62 * SEC), 0);
	CHECK_EQ(report("bob", "", "ALIVE", NOW), -EINVAL);
	CHECK_EQ(report("bob", "a b", "ALIVE", NOW), -EINVAL);
	CHECK_EQ(report("bob", "a\nTERMINATE x", "ALIVE", NOW), -EINVAL);
	CHECK_EQ(report("bob", "a<br>", "ALIVE", NOW), -EINVAL);
	CHECK_EQ(report("bob", "../../../etc/passwd", "ALIVE", NOW), 0); /* just a name */
	CHECK_EQ(known(), 1);
}

TEST(told_once)
{
	prepare();
	CHECK_EQ(give(ID, EVENT_ORDER_SUSPEND), -ENOENT);
	CHECK_EQ(report("bob", ID, "CONNECTED", NOW), 0);
	CHECK_EQ(take("bob", ID), 0);
	CHECK_STR(order, "");
	CHECK_EQ(give(ID, EVENT_ORDER_SUSPEND), 0);
	CHECK_EQ(report("bob", ID, "ALIVE", NOW + SEC), 0);
	CHECK_EQ(take("bob", ID), 1);
	CHECK_STR(order, "SUSPEND " ID);
	CHECK_EQ(take("bob", ID), 0);
	CHECK_STR(order, "");
	CHECK_EQ(give(ID, EVENT_ORDER_SUSPEND), 0);
	CHECK_EQ(give(ID, EVENT_ORDER_TERMINATE), 0); /* another thought */
	CHECK_EQ(take("bob", ID), 1);
	CHECK_STR(order, "TERMINATE " ID);
}

/* Not the next client, which resumes it. */
TEST(client_before_it_was_told)
{
	prepare();
	CHECK_EQ(report("bob", ID, "CONNECTED", NOW), 0);
	CHECK_EQ(give(ID, EVENT_ORDER_TERMINATE), 0);
	CHECK_EQ(report("bob", ID, "CONNECTING", NOW + SEC), 0);
	CHECK_EQ(take("bob", ID), 0);
}

/* Who reports somebody else's session changes nothing of it, and does not get its orders. */
TEST(session_of_another)
{
	prepare();
	CHECK_EQ(report("bob", ID, "CONNECTED", NOW), 0);
	CHECK_EQ(give(ID, EVENT_ORDER_SUSPEND), 0);
	CHECK_EQ(take("eve", ID), 0);
	CHECK_EQ(report("eve", ID, "FINISHED", NOW), 0);
	CHECK_EQ(report("eve", ID, "CONNECTING", NOW), 0);
	CHECK_EQ(take("eve", ID), 0);
	CHECK_EQ(known(), 2);
	CHECK_EQ(take("bob", ID), 1);
}

TEST(bounded)
{
	char id[32];

	prepare();
	for (unsigned i = 0; i < 100; i++) {
		snprintf(id, sizeof(id), "eve-%u", i);
		CHECK_EQ(report("eve", id, "ALIVE", NOW + i * SEC), 0);
	}
	CHECK_EQ(known(), 64);
	CHECK_EQ(report("bob", ID, "ALIVE", NOW), 0);
	CHECK_EQ(known(), 65);
	CHECK_EQ(report("eve", "eve-63", "ALIVE", NOW + 25 * 3600 * SEC), 0);
	CHECK_EQ(report("eve", "eve-new", "ALIVE", NOW + 25 * 3600 * SEC), 0);
	CHECK_EQ(known(), 2);
	CHECK_EQ(event_sweep(folder, NOW + 48 * 3600 * SEC, err, sizeof(err)), 0);
	CHECK_EQ(event_sweep(folder, NOW + 50 * 3600 * SEC, err, sizeof(err)), 2);
	CHECK_EQ(known(), 0);
}

/* Sixteen clients report and ask, and no order is lost or told twice. */
TEST(all_at_once)
{
	pid_t pids[16];
	int status, told = 0;

	prepare();
	CHECK_EQ(report("bob", ID, "CONNECTED", NOW), 0);
	CHECK_EQ(give(ID, EVENT_ORDER_SUSPEND), 0);
	fflush(stdout);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			if (report("bob", ID, "ALIVE", NOW + SEC) < 0)
				_exit(2);
			_exit(take("bob", ID) == 1);
		}
		CHECK(pids[i] > 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		CHECK(waitpid(pids[i], &status, 0) == pids[i] && WIFEXITED(status));
		CHECK(WEXITSTATUS(status) < 2);
		told += WEXITSTATUS(status);
	}
	CHECK_EQ(told, 1);
}

TEST(folder_of_others)
{
	prepare();
	CHECK(chmod(folder, 0711) == 0);
	CHECK_EQ(report("bob", ID, "ALIVE", NOW), -EPERM);
	CHECK(strstr(err, "mode 0700"));
	CHECK(chmod(folder, 0700) == 0);
}
