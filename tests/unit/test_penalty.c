/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth/penalty-bucket.h"
#include "base/clock.h"

#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEC USEC_PER_SEC

static const struct penalty_rules five = {5, 60 * SEC, 3600 * SEC};

static struct penalty_key key_of(const char *text)
{
	struct netaddr a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	struct penalty_key k;

	inet_pton(a.family, text, a.bytes);
	CHECK(penalty_key_of_address(&a, &k));
	return k;
}

static struct penalty_answer did(struct penalty_bucket *b, const char *who,
                                 enum penalty_event event, uint64_t now)
{
	struct penalty_key k = key_of(who);
	struct penalty_answer a;

	penalty_bucket_apply(b, &k, event, &five, now, &a);
	return a;
}

/* An attempt with a wrong password; what it was answered. */
static struct penalty_answer fail(struct penalty_bucket *b, const char *who, uint64_t now)
{
	struct penalty_answer a = did(b, who, PENALTY_ASK, now);

	return a.verdict == PENALTY_PASS ? did(b, who, PENALTY_WRONG, now) : a;
}

/* ---- the rules ---- */

TEST(refused_after_so_many)
{
	struct penalty_bucket b = {0};
	uint64_t now = 1000 * SEC;

	for (int i = 1; i <= 5; i++) {
		struct penalty_answer a = fail(&b, "192.0.2.7", now + (uint64_t)i * SEC);

		CHECK_EQ(a.begins, i == 5);
		CHECK_EQ(a.left_usec, i == 5 ? 60 * SEC : 0);
	}
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_LOOK, now + 64 * SEC).verdict, PENALTY_REFUSED);
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, now + 64 * SEC).verdict, PENALTY_REFUSED);
	CHECK_EQ(did(&b, "192.0.2.8", PENALTY_LOOK, now + 6 * SEC).verdict, PENALTY_PASS);
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_LOOK, now + 65 * SEC).verdict, PENALTY_PASS);
}

TEST(window)
{
	struct penalty_bucket b = {0};
	uint64_t now = 1000 * SEC;

	for (int i = 0; i < 40; i++) /* four in each */
		CHECK(!fail(&b, "192.0.2.7", now + (uint64_t)i * 15 * SEC).begins);
}

TEST(doubles_up_to_the_longest)
{
	static const unsigned lengths[] = {60, 120, 240, 480, 960, 1920, 3600, 3600, 3600};
	struct penalty_bucket b = {0};
	uint64_t now = 1000 * SEC;

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct penalty_answer a = {0};

		test_note("refusal %zu", i);
		for (int n = 0; n < 5; n++)
			a = fail(&b, "192.0.2.7", now);
		CHECK(a.begins);
		CHECK_EQ(a.left_usec, lengths[i] * SEC);
		now += a.left_usec;
	}
	now += 3600 * SEC;
	for (int n = 0; n < 4; n++)
		CHECK(!fail(&b, "192.0.2.7", now).begins);
	CHECK_EQ(fail(&b, "192.0.2.7", now).left_usec, 60 * SEC);
}

/* Whoever is refused and goes on trying pays nothing for that: it may be a client by itself. */
TEST(attempts_while_refused)
{
	struct penalty_bucket b = {0};
	uint64_t now = 1000 * SEC;

	for (int n = 0; n < 500; n++)
		fail(&b, "192.0.2.7", now);
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_LOOK, now).left_usec, 60 * SEC);
}

/* Who has one account must not use it to go on with the others. */
TEST(success_clears_nothing)
{
	struct penalty_bucket b = {0};
	uint64_t now = 1000 * SEC;

	for (int n = 0; n < 4; n++) {
		CHECK(!fail(&b, "192.0.2.7", now).begins);
		CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, now).verdict, PENALTY_PASS);
		did(&b, "192.0.2.7", PENALTY_RIGHT, now);
	}
	CHECK(fail(&b, "192.0.2.7", now).begins);
}

TEST(success_costs_nothing)
{
	struct penalty_bucket b = {0};

	for (int n = 0; n < 100; n++) {
		CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, 1000 * SEC).verdict, PENALTY_PASS);
		did(&b, "192.0.2.7", PENALTY_RIGHT, 1000 * SEC);
	}
	did(&b, "192.0.2.7", PENALTY_LOOK, 1000 * SEC);
	CHECK_EQ(b.entries[0].key.family, 0);
}

TEST(in_parallel_no_more_than_one_after_the_other)
{
	struct penalty_bucket b = {0};
	uint64_t now = 1000 * SEC;

	for (int n = 0; n < 5; n++)
		CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, now).verdict, PENALTY_PASS);
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, now).verdict, PENALTY_WAIT);
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_LOOK, now).verdict, PENALTY_PASS);
	did(&b, "192.0.2.7", PENALTY_RIGHT, now);
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, now).verdict, PENALTY_PASS);
	for (int n = 0; n < 4; n++) {
		CHECK(!did(&b, "192.0.2.7", PENALTY_WRONG, now).begins);
		CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, now).verdict, PENALTY_WAIT);
	}
	CHECK(did(&b, "192.0.2.7", PENALTY_WRONG, now).begins);
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, now).verdict, PENALTY_REFUSED);
}

/* Who has no lock may look at what is newer than his clock. */
TEST(a_little_later_is_not_absurd)
{
	struct penalty_bucket b = {0};
	uint64_t now = 1000 * SEC;

	did(&b, "192.0.2.7", PENALTY_CRASH, now);
	did(&b, "192.0.2.7", PENALTY_LOOK, now);
	did(&b, "192.0.2.8", PENALTY_ASK, now);
	penalty_entry_expire(&b.entries[0], now - 1000);
	penalty_entry_expire(&b.entries[1], now - 1000);
	CHECK_EQ(b.entries[0].refusals, 1);
	CHECK_EQ(b.entries[1].asked, 1);
}

/* A guard that was killed while its module looked at the password. */
TEST(those_that_never_settle_have_failed)
{
	struct penalty_bucket b = {0};
	uint64_t now = 1000 * SEC;

	for (int n = 0; n < 5; n++)
		did(&b, "192.0.2.7", PENALTY_ASK, now);
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, now + 149 * SEC).verdict, PENALTY_WAIT);
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, now + 151 * SEC).verdict, PENALTY_REFUSED);
}

TEST(timeouts_cost_half_crashes_all)
{
	struct penalty_bucket b = {0};

	for (int n = 0; n < 9; n++)
		CHECK(!did(&b, "192.0.2.7", PENALTY_TIMEOUT, 1000 * SEC).begins);
	CHECK_EQ(did(&b, "192.0.2.7", PENALTY_ASK, 1000 * SEC).verdict, PENALTY_PASS);
	CHECK(did(&b, "192.0.2.7", PENALTY_WRONG, 1000 * SEC).begins);
	CHECK(did(&b, "192.0.2.8", PENALTY_CRASH, 1000 * SEC).begins);
}

TEST(lines_are_few)
{
	struct penalty_bucket b = {0};
	uint64_t now = 1000 * SEC;
	struct penalty_answer a;
	int said = 0;

	did(&b, "192.0.2.7", PENALTY_CRASH, now);
	a = did(&b, "192.0.2.7", PENALTY_CRASH, now + 60 * SEC);
	CHECK_EQ(a.left_usec, 120 * SEC);
	now += 60 * SEC;
	for (unsigned i = 0; i < 119; i++) {
		a = did(&b, "192.0.2.7", PENALTY_LOOK, now + i * SEC);
		said += a.say;
		if (i == 60)
			CHECK_EQ(a.unsaid, 59);
	}
	CHECK_EQ(said, 2);
}

TEST(who_matters_least_makes_room)
{
	struct penalty_bucket b = {0};
	uint64_t now = 1000 * SEC;
	char who[32];

	for (int i = 0; i < PENALTY_WAYS - 1; i++) {
		snprintf(who, sizeof(who), "192.0.2.%d", i);
		did(&b, who, PENALTY_CRASH, now);
	}
	for (int i = 0; i < 1000; i++) { /* strangers with one failure each */
		snprintf(who, sizeof(who), "198.51.%d.%d", i / 250, i % 250);
		CHECK_EQ(fail(&b, who, now + (uint64_t)i).verdict, PENALTY_PASS);
	}
	for (int i = 0; i < PENALTY_WAYS - 1; i++) {
		snprintf(who, sizeof(who), "192.0.2.%d", i);
		CHECK_EQ(did(&b, who, PENALTY_LOOK, now + SEC).verdict, PENALTY_REFUSED);
	}
	/* All of them refused: whose refusal ends first goes. */
	did(&b, "203.0.113.1", PENALTY_CRASH, now + SEC);
	did(&b, "203.0.113.2", PENALTY_CRASH, now + 2 * SEC);
	CHECK_EQ(did(&b, "203.0.113.2", PENALTY_LOOK, now + 3 * SEC).verdict, PENALTY_REFUSED);
	CHECK_EQ(did(&b, "203.0.113.1", PENALTY_LOOK, now + 3 * SEC).verdict, PENALTY_REFUSED);
}

TEST(sources)
{
	static const struct {
		const char *a, *b, *text;
		bool same;
	} cases[] = {
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::/64", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:2::/64", false},
		{"192.0.2.1", "192.0.2.2", "192.0.2.1", false},
		{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "c000:201::", "192.0.2.1", false},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.1", false},
	};
	struct peer vm = {.net.family = AF_VSOCK, .address = "3"};
	struct peer local = {.net.family = AF_UNIX, .local_unix = true, .uid = 1000};
	char text[PENALTY_KEY_TEXT];
	struct penalty_key k;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct penalty_key a = key_of(cases[i].a), b = key_of(cases[i].b);

		CHECK_EQ(penalty_key_same(&a, &b), cases[i].same);
		CHECK_STR(penalty_key_print(&a, text), cases[i].text);
	}
	CHECK(penalty_key_of(&vm, &k));
	CHECK_STR(penalty_key_print(&k, text), "vsock:3");
	CHECK(penalty_key_of(&local, &k));
	CHECK_STR(penalty_key_print(&k, text), "unix uid 1000");
	local.local_unix = false; /* a front end's */
	CHECK(!penalty_key_of(&local, &k));
}

/* ---- the file ---- */

static char path[64];

static int fresh(void)
{
	bool remade = true;
	int fd;

	snprintf(path, sizeof(path), "/tmp/xproxy-penalties-%d", (int)getpid());
	(void)unlink(path);
	CHECK_EQ(penalty_table_open(path, false, &remade), -ENOENT);
	fd = penalty_table_open(path, true, &remade);
	CHECK(fd >= 0);
	CHECK(!remade);
	return fd;
}

static void end(int fd)
{
	close(fd);
	(void)unlink(path);
}

static enum penalty_verdict did_in(int fd, const char *who, enum penalty_event event)
{
	struct penalty_key k = key_of(who);
	struct penalty_answer a;

	CHECK_EQ(penalty_table_apply(fd, &k, event, &five, &a), 0);
	return a.verdict;
}

static void count(void *context, const struct penalty_entry *e)
{
	*(size_t *)context += e->key.family != 0;
}

static size_t sources_in(int fd)
{
	size_t n = 0;

	CHECK_EQ(penalty_table_each(fd, penalty_now(), count, &n), 0);
	return n;
}

TEST(file_keeps_its_size)
{
	struct stat before, after;
	char who[64];
	int fd = fresh();

	CHECK_EQ(fstat(fd, &before), 0);
	CHECK_EQ(before.st_size, 512 + 64 * PENALTY_WAYS * PENALTY_BUCKETS);
	CHECK_EQ(before.st_mode & 0777, 0600);
	for (unsigned i = 0; i < 40000; i++) {
		snprintf(who, sizeof(who), "2001:db8:%x:%x::1", i >> 8, i & 0xff);
		CHECK_EQ(did_in(fd, who, PENALTY_WRONG), PENALTY_PASS);
	}
	CHECK_EQ(fstat(fd, &after), 0);
	CHECK_EQ(after.st_size, before.st_size);
	CHECK_EQ(after.st_blocks, before.st_blocks);
	CHECK(sources_in(fd) > PENALTY_BUCKETS * PENALTY_WAYS * 95 / 100);
	CHECK(sources_in(fd) <= PENALTY_BUCKETS * PENALTY_WAYS);
	end(fd);
}

TEST(clear)
{
	struct penalty_key k = key_of("192.0.2.7");
	int fd = fresh();

	did_in(fd, "192.0.2.7", PENALTY_CRASH);
	did_in(fd, "192.0.2.8", PENALTY_CRASH);
	CHECK_EQ(penalty_table_clear(fd, &k), 1);
	CHECK_EQ(penalty_table_clear(fd, &k), 0);
	CHECK_EQ(did_in(fd, "192.0.2.7", PENALTY_LOOK), PENALTY_PASS);
	CHECK_EQ(did_in(fd, "192.0.2.8", PENALTY_LOOK), PENALTY_REFUSED);
	CHECK_EQ(penalty_table_clear(fd, NULL), 1);
	CHECK_EQ(sources_in(fd), 0);
	end(fd);
}

/* Forty processes, which all find no table, try fifty passwords each from one source. */
TEST(many_processes)
{
	int results[2], passed = 0, fd, status;
	char c;

	end(fresh());
	CHECK_EQ(pipe(results), 0);
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid > 0)
			continue;
		for (int n = 0; n < 50; n++) {
			struct penalty_key k = key_of("192.0.2.7");
			struct penalty_answer a;
			bool remade;

			fd = penalty_table_open(path, true, &remade);
			if (fd < 0 || remade ||
			    penalty_table_apply(fd, &k, PENALTY_ASK, &five, &a) < 0)
				_exit(1);
			if (a.verdict == PENALTY_PASS) {
				(void)!write(results[1], "x", 1);
				usleep(1000);
				if (penalty_table_apply(fd, &k, PENALTY_WRONG, &five, &a) < 0)
					_exit(1);
			}
			close(fd);
		}
		_exit(0);
	}
	for (int i = 0; i < 40; i++) {
		CHECK(wait(&status) > 0);
		CHECK_EQ(status, 0);
	}
	close(results[1]);
	while (read(results[0], &c, 1) == 1)
		passed++;
	close(results[0]);
	CHECK_EQ(passed, 5);
	(void)unlink(path);
}

/* A child that has the lock of the whole file; the parent goes on once it has it. */
static pid_t holder(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ready[2];
	pid_t pid;
	char c;

	CHECK_EQ(pipe(ready), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		int fd = open(path, O_RDWR);

		if (fcntl(fd, F_OFD_SETLK, &l) == 0)
			(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	CHECK_EQ(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

TEST(death_with_the_lock)
{
	int fd = fresh(), status;
	pid_t pid = holder(), killer = fork();

	CHECK(killer >= 0);
	if (killer == 0) {
		usleep(200000);
		_exit(kill(pid, SIGKILL) != 0);
	}
	did_in(fd, "192.0.2.7", PENALTY_CRASH); /* waits until then */
	CHECK_EQ(waitpid(killer, &status, 0), killer);
	CHECK_EQ(status, 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(did_in(fd, "192.0.2.7", PENALTY_LOOK), PENALTY_REFUSED);
	end(fd);
}

TEST(stopped_with_the_lock)
{
	struct penalty_key k = key_of("192.0.2.7");
	uint64_t began = now_usec();
	struct penalty_answer a;
	int fd = fresh();
	pid_t pid = holder();

	CHECK_EQ(penalty_table_apply(fd, &k, PENALTY_WRONG, &five, &a), -EAGAIN);
	CHECK(now_usec() - began < 10 * SEC);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	end(fd);
}

TEST(what_is_no_table_is_made_anew)
{
	static const struct {
		const char *what;
		off_t at, size; /* what is written over, and how long the file is then */
	} cases[] = {
		{"another magic", 0, 0},   {"another version", 16, 0}, {"other buckets", 20, 0},
		{"other entries", 28, 0},  {"cut short", -1, 100000},  {"empty", -1, 1},
		{"too long", -1, 2000000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int again, fd = fresh();
		bool remade;

		test_note("%s", cases[i].what);
		did_in(fd, "192.0.2.7", PENALTY_CRASH);
		if (cases[i].at >= 0)
			CHECK_EQ(pwrite(fd, "\xaa", 1, cases[i].at), 1);
		else
			CHECK_EQ(ftruncate(fd, cases[i].size), 0);
		again = penalty_table_open(path, false, &remade);
		CHECK(again >= 0);
		CHECK(remade);
		CHECK_EQ(sources_in(again), 0);
		did_in(fd, "192.0.2.7", PENALTY_CRASH); /* who had it open has the new one */
		CHECK_EQ(did_in(again, "192.0.2.7", PENALTY_LOOK), PENALTY_REFUSED);
		close(again);
		end(fd);
	}
}

TEST(what_is_no_file)
{
	bool remade;

	end(fresh());
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_EQ(penalty_table_open(path, true, &remade), -EPERM);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(symlink("/etc/passwd", path), 0);
	CHECK_EQ(penalty_table_open(path, true, &remade), -ELOOP);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(mkdir(path, 0700), 0);
	CHECK_EQ(penalty_table_open(path, true, &remade), -EISDIR);
	CHECK_EQ(rmdir(path), 0);
}

/* As on a full disk. */
TEST(no_room)
{
	struct rlimit old, less;
	bool remade;
	int fd;

	end(fresh());
	(void)signal(SIGXFSZ, SIG_IGN);
	CHECK_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
	less = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &less), 0);
	CHECK_EQ(penalty_table_open(path, true, &remade), -EFBIG);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
	fd = penalty_table_open(path, true, &remade);
	CHECK(fd >= 0);
	CHECK(!remade);
	end(fd);
}

/* Bytes of somebody else's in an entry do not refuse anybody for ever. */
TEST(absurd_entries)
{
	struct penalty_bucket b;
	struct penalty_key k = key_of("192.0.2.7");
	struct penalty_answer a;

	memset(&b, 0xff, sizeof(b));
	for (size_t i = 0; i < PENALTY_WAYS; i++)
		b.entries[i].key = k;
	penalty_bucket_apply(&b, &k, PENALTY_ASK, &five, 1000 * SEC, &a);
	CHECK_EQ(a.verdict, PENALTY_PASS);
	CHECK_EQ(b.entries[1].key.family, 0);
}
