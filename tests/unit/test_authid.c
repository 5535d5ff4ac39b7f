/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_authid.c - tokens: who they let in, when, how often, from how many processes.
 */
#include "broker/authid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/folder.h"
#include "tests/unit/test.h"

#define SEC USEC_PER_SEC
#define NOW (UINT64_C(1795000000) * SEC)
#define PROCESSES 32

static char err[256];
static struct x2go_setup setup;
static struct authid kept;

static void prepare(void)
{
	folder_begin();
	setup = (struct x2go_setup){.authid = X2GO_AUTHID_ROLLING,
	                            .verify_address = 1,
	                            .authid_timeout_usec = 3600 * SEC,
	                            .authid_grace_usec = 10 * SEC};
	snprintf(setup.state, sizeof(setup.state), "%s", folder);
}

static void issue(const char *user, const char *address, uint64_t now, const struct authid *old,
                  char ret[AUTHID_MAX])
{
	err[0] = '\0';
	if (authid_issue(&setup, user, address, now, old, ret, err, sizeof(err)) < 0)
		test_fail(__FILE__, __LINE__, "%s", err);
}

static int check(const char *token, const char *user, const char *address, uint64_t now)
{
	return authid_check(&setup, token, user, address, now, &kept, err, sizeof(err));
}

TEST(token_looks_random)
{
	char a[AUTHID_MAX], b[AUTHID_MAX];

	prepare();
	issue("bob", "192.0.2.1", NOW, NULL, a);
	issue("bob", "192.0.2.1", NOW, NULL, b);
	CHECK_EQ(strlen(a), 64);
	CHECK_EQ(strspn(a, "0123456789abcdef"), 64);
	CHECK(strcmp(a, b) != 0);
}

TEST(rolling)
{
	char a[AUTHID_MAX], b[AUTHID_MAX];

	prepare();
	issue("bob", "192.0.2.1", NOW, NULL, a);
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + SEC), AUTHID_VALID);
	CHECK_EQ(kept.login_usec, NOW);
	issue("bob", "192.0.2.1", NOW + SEC, &kept, b);
	CHECK(strcmp(a, b) != 0);
	/* two requests at once, then a replay */
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + 10 * SEC), AUTHID_VALID);
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + 11 * SEC), AUTHID_INVALID);
	CHECK_EQ(check(b, "bob", "192.0.2.1", NOW + 11 * SEC), AUTHID_VALID);
}

TEST(without_grace)
{
	char a[AUTHID_MAX];

	prepare();
	setup.authid_grace_usec = 0;
	issue("bob", "192.0.2.1", NOW, NULL, a);
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + SEC), AUTHID_VALID);
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + SEC), AUTHID_INVALID);
	/* a process that has looked at the clock before, and asks after */
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW), AUTHID_INVALID);
}

TEST(bound_to_user)
{
	char a[AUTHID_MAX];

	prepare();
	issue("te", "192.0.2.1", NOW, NULL, a);
	CHECK_EQ(check(a, "te_st", "192.0.2.1", NOW), AUTHID_INVALID);
	CHECK_EQ(check(a, "TE", "192.0.2.1", NOW), AUTHID_INVALID);
	CHECK_EQ(check(a, "t", "192.0.2.1", NOW), AUTHID_INVALID);
	CHECK_EQ(check(a, "", "192.0.2.1", NOW), AUTHID_INVALID);
	CHECK_EQ(check(a, "te", "192.0.2.1", NOW), AUTHID_VALID); /* and those have not used it */
	CHECK_EQ(authid_issue(&setup, "", "192.0.2.1", NOW, NULL, a, err, sizeof(err)), -EINVAL);
}

TEST(bound_to_address)
{
	char a[AUTHID_MAX];

	prepare();
	issue("bob", "::ffff:192.0.2.1", NOW, NULL, a);
	CHECK_EQ(check(a, "bob", "192.0.2.2", NOW), AUTHID_INVALID);
	CHECK_EQ(check(a, "bob", "", NOW), AUTHID_INVALID);
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW), AUTHID_VALID);
	CHECK_EQ(check(a, "bob", "::FFFF:c000:201", NOW), AUTHID_VALID);
	issue("bob", "2001:db8:0::1", NOW, NULL, a);
	CHECK_EQ(check(a, "bob", "2001:db8::2", NOW), AUTHID_INVALID);
	CHECK_EQ(check(a, "bob", "2001:DB8::1", NOW), AUTHID_VALID);
	setup.verify_address = 0;
	CHECK_EQ(check(a, "bob", "192.0.2.2", NOW), AUTHID_VALID);
}

TEST(ends_with_the_login)
{
	char a[AUTHID_MAX], b[AUTHID_MAX];

	prepare();
	issue("bob", "192.0.2.1", NOW, NULL, a);
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + 3000 * SEC), AUTHID_VALID);
	issue("bob", "192.0.2.1", NOW + 3000 * SEC, &kept, b);
	CHECK_EQ(check(b, "bob", "192.0.2.1", NOW + 3600 * SEC), AUTHID_INVALID);
	CHECK_EQ(check(b, "bob", "192.0.2.1", NOW + 3599 * SEC), AUTHID_VALID);
	/* the clock was put back by more than clocks are */
	issue("bob", "192.0.2.1", NOW, NULL, a);
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW - 3600 * SEC), AUTHID_INVALID);
	/* the configuration has become stricter */
	setup.authid_timeout_usec = 60 * SEC;
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + 60 * SEC), AUTHID_INVALID);
}

TEST(fixed)
{
	char a[AUTHID_MAX], b[AUTHID_MAX];

	prepare();
	setup.authid = X2GO_AUTHID_STATIC;
	issue("bob", "192.0.2.1", NOW, NULL, a);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + i * 1000 * SEC), AUTHID_VALID);
		issue("bob", "192.0.2.1", NOW + i * 1000 * SEC, &kept, b);
		CHECK_STR(b, a);
	}
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + 3600 * SEC), AUTHID_INVALID);
	setup.authid = X2GO_AUTHID_NONE;
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW), AUTHID_INVALID);
	issue("bob", "192.0.2.1", NOW, NULL, b);
	CHECK_STR(b, "");
}

TEST(what_is_no_token)
{
	static const char *const texts[] = {
		"",
		".",
		"..",
		"../state",
		"authids/00",
		"x",
		"0123456789abcdef",
		"../../../../../../../../../../../../../../etc/passwd/."};
	char a[AUTHID_MAX];

	prepare();
	issue("bob", "192.0.2.1", NOW, NULL, a);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		test_note("%s", texts[i]);
		CHECK_EQ(check(texts[i], "bob", "192.0.2.1", NOW), AUTHID_INVALID);
	}
	a[0] ^= 1;
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW), AUTHID_INVALID);
}

static void write_file(const char *name, const char *text, char *ret, size_t size)
{
	FILE *f;

	snprintf(ret, size, "%s/%s", folder, name);
	f = fopen(ret, "w");
	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

TEST(preset)
{
	char path[sizeof(setup.authid_file)];

	prepare();
	write_file("preset", "# comment\n\n \t# another\n  S3cret-word and more\nsecond\n", path,
	           sizeof(path));
	memcpy(setup.authid_file, path, sizeof(path));
	CHECK_EQ(check("S3cret-word", "bob", "192.0.2.1", NOW), AUTHID_PRESET);
	CHECK_EQ(check("S3cret-word", "eve", "192.0.2.9", NOW), AUTHID_PRESET);
	CHECK_EQ(check("S3cret-wor", "bob", "192.0.2.1", NOW), AUTHID_INVALID);
	CHECK_EQ(check("second", "bob", "192.0.2.1", NOW), AUTHID_INVALID);
	CHECK_EQ(check("#", "bob", "192.0.2.1", NOW), AUTHID_INVALID);
	write_file("preset", "# nothing\n", path, sizeof(path));
	CHECK_EQ(check("", "bob", "192.0.2.1", NOW), AUTHID_INVALID);
	CHECK_EQ(check("#", "bob", "192.0.2.1", NOW), AUTHID_INVALID);
	CHECK(unlink(path) == 0);
	CHECK_EQ(check("x", "bob", "192.0.2.1", NOW), -ENOENT);
	CHECK(strstr(err, "AuthIDFile=: cannot read"));
}

TEST(folder_of_others)
{
	char a[AUTHID_MAX];

	prepare();
	CHECK(chmod(folder, 0750) == 0);
	CHECK_EQ(authid_issue(&setup, "bob", "", NOW, NULL, a, err, sizeof(err)), -EPERM);
	CHECK(strstr(err, "with mode 0700") && strstr(err, folder));
	CHECK(chmod(folder, 0700) == 0);
	snprintf(setup.state, sizeof(setup.state), "%s/none", folder);
	CHECK_EQ(authid_issue(&setup, "bob", "", NOW, NULL, a, err, sizeof(err)), -ENOENT);
	CHECK(strstr(err, "cannot open this folder"));
}

/* ---- what is left ---- */

static size_t files;

static int count_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)ftw;
	files += flag == FTW_F;
	return 0;
}

static size_t count(void)
{
	files = 0;
	CHECK(nftw(folder, count_file, 16, FTW_PHYS) == 0);
	return files;
}

TEST(old_ones_go)
{
	char a[AUTHID_MAX];
	size_t most = 0;

	prepare();
	CHECK(authid_sweep(setup.state, NOW * 2, err, sizeof(err)) >= 0);
	CHECK_EQ(count(), 0);
	/* as many logins as there are in some weeks: what is kept is of the last hour */
	for (unsigned i = 0; i < 6000; i++) {
		issue("bob", "192.0.2.1", NOW + i * 60 * SEC, NULL, a);
		if (i % 500 == 499 && count() > most)
			most = files;
	}
	CHECK(most < 1500);
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + 6000 * 60 * SEC), AUTHID_VALID);
	CHECK(authid_sweep(setup.state, NOW + 6000 * 60 * SEC, err, sizeof(err)) > 0);
	CHECK(count() <= 60);
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + 6000 * 60 * SEC), AUTHID_VALID);
	CHECK(authid_sweep(setup.state, NOW + 6100 * 60 * SEC, err, sizeof(err)) > 0);
	CHECK_EQ(count(), 0);
}

/* Of a client that reports every minute, what is left are the tokens of the last ten seconds. */
TEST(used_ones_go)
{
	char a[AUTHID_MAX];

	prepare();
	CHECK(authid_sweep(setup.state, NOW * 2, err, sizeof(err)) >= 0);
	issue("bob", "192.0.2.1", NOW, NULL, a);
	for (unsigned i = 1; i < 50; i++) {
		CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + i * 60 * SEC), AUTHID_VALID);
		issue("bob", "192.0.2.1", NOW + i * 60 * SEC, &kept, a);
	}
	CHECK(authid_sweep(setup.state, NOW + 49 * 60 * SEC, err, sizeof(err)) > 0);
	CHECK_EQ(count(), 2);
	CHECK_EQ(authid_sweep(setup.state, NOW + 49 * 60 * SEC + 10 * SEC, err, sizeof(err)), 1);
	CHECK_EQ(check(a, "bob", "192.0.2.1", NOW + 50 * 60 * SEC), AUTHID_VALID);
}

/* ---- many at once ---- */

static struct shared {
	unsigned valid, invalid, other, start;
	char token[PROCESSES][AUTHID_MAX];
} * shared;

static void in_processes(void (*f)(unsigned i))
{
	pid_t pids[PROCESSES];
	int status;

	if (!shared)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	shared->valid = shared->invalid = shared->other = shared->start = 0;
	fflush(stdout);
	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			while (!__atomic_load_n(&shared->start, __ATOMIC_ACQUIRE))
				usleep(100);
			f(i);
			_exit(0);
		}
		CHECK(pids[i] > 0);
	}
	__atomic_store_n(&shared->start, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < PROCESSES; i++) {
		CHECK(waitpid(pids[i], &status, 0) == pids[i]);
		CHECK_EQ(status, 0);
	}
}

static void tally(int r)
{
	__atomic_add_fetch(r == AUTHID_VALID     ? &shared->valid
	                   : r == AUTHID_INVALID ? &shared->invalid
	                                         : &shared->other,
	                   1, __ATOMIC_RELAXED);
}

static char contested[AUTHID_MAX];

static void use_contested(unsigned i)
{
	(void)i;
	tally(check(contested, "bob", "192.0.2.1", wall_usec()));
}

/* One token, 32 processes: without a grace one of them gets in, with it all. */
TEST(one_token_for_many)
{
	prepare();
	setup.authid_grace_usec = 0;
	for (int round = 0; round < 20; round++) {
		issue("bob", "192.0.2.1", wall_usec(), NULL, contested);
		in_processes(use_contested);
		CHECK_EQ(shared->valid, 1);
		CHECK_EQ(shared->invalid, PROCESSES - 1);
	}
	setup.authid_grace_usec = 60 * SEC;
	issue("bob", "192.0.2.1", wall_usec(), NULL, contested);
	in_processes(use_contested);
	CHECK_EQ(shared->valid, PROCESSES);
}

/* A client: twenty requests, each with the token of the answer before; then all of its old ones
 * again. */
static void roll(unsigned i)
{
	char user[32], used[20][AUTHID_MAX], token[AUTHID_MAX];
	struct authid old;

	snprintf(user, sizeof(user), "user%u", i % 4); /* several clients of one user */
	if (authid_issue(&setup, user, "192.0.2.1", wall_usec(), NULL, token, err, sizeof(err)) < 0)
		_exit(1);
	for (size_t n = 0; n < ARRAY_SIZE(used); n++) {
		memcpy(used[n], token, AUTHID_MAX);
		tally(authid_check(&setup, token, user, "192.0.2.1", wall_usec(), &old, err,
		                   sizeof(err)));
		if (authid_issue(&setup, user, "192.0.2.1", wall_usec(), &old, token, err,
		                 sizeof(err)) < 0)
			_exit(2);
	}
	for (size_t n = 0; n < ARRAY_SIZE(used); n++)
		if (authid_check(&setup, used[n], user, "192.0.2.1", wall_usec(), &old, err,
		                 sizeof(err)) != AUTHID_INVALID)
			_exit(3);
	memcpy(shared->token[i], token, AUTHID_MAX);
}

TEST(many_clients)
{
	prepare();
	setup.authid_grace_usec = 0;
	in_processes(roll);
	CHECK_EQ(shared->valid, PROCESSES * 20);
	for (unsigned i = 0; i < PROCESSES; i++) {
		char user[32];

		for (unsigned j = 0; j < i; j++)
			CHECK(strcmp(shared->token[i], shared->token[j]) != 0);
		snprintf(user, sizeof(user), "user%u", (i + 1) % 4); /* stolen */
		CHECK_EQ(check(shared->token[i], user, "192.0.2.1", wall_usec()), AUTHID_INVALID);
		snprintf(user, sizeof(user), "user%u", i % 4);
		CHECK_EQ(check(shared->token[i], user, "192.0.2.1", wall_usec()), AUTHID_VALID);
	}
}
