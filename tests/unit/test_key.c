/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_key.c - keys for one login: what is written down before they are put anywhere,
 * and that they are removed, whatever happens. The agent is a function that remembers.
 */
#include "broker/key.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/state.h"
#include "tests/unit/folder.h"
#include "tests/unit/test.h"

#define SEC USEC_PER_SEC
#define NOW (UINT64_C(1795000000) * SEC)
#define DAY (24 * 3600 * SEC)

static char err[256], pem[KEYLINE_PEM_MAX];
static struct x2go_setup setup;
static struct key_swept swept;
static const struct key_target server = {.agent = X2GO_AGENT_SSH,
                                         .hostkeys = X2GO_HOSTKEYS_KNOWN,
                                         .port = 22,
                                         .address = "tsa.example.org",
                                         .user = "bob",
                                         .file = "%h/.x2go/authorized_keys"},
			       proxy = {.agent = X2GO_AGENT_SSH,
                                        .port = 2222,
                                        .address = "gate.example.org",
                                        .user = "gatebob",
                                        .file = "/etc/keys/%u"};

/* What it was asked, and what it says. */
static char asked[20][KEYLINE_MAX + 1200];
static size_t calls;
static int answers[20];
static bool crash;

static int agent(void *arg, const struct x2go_setup *s, const struct key_target *t,
                 const char *task, const char *const *args, char *why, size_t size)
{
	int r = answers[calls];

	CHECK(arg == &answers && args[0] && args[1] && !args[2]);
	CHECK_STR(s->agent_command, "/the/agent");
	snprintf(asked[calls++], sizeof(asked[0]), "%s %s:%u %s %s", task, t->address, t->port,
	         t->user, args[1]);
	snprintf(why, size, "because");
	if (crash)
		_exit(0);
	return r;
}

static void prepare(void)
{
	folder_begin();
	setup = (struct x2go_setup){.key_lifetime_usec = 120 * SEC, .agent_command = "/the/agent"};
	snprintf(setup.state, sizeof(setup.state), "%s", folder);
	calls = 0;
	memset(answers, 0, sizeof(answers));
	crash = false;
	log_open_fds("test", -1, -1, -1);
}

static int offer_at(const char *user, const char *pubkey, bool by_proxy, const char *host)
{
	const struct key_request q = {
		.setup = &setup,
		.user = user,
		.address = "192.0.2.1",
		.server = host,
		.login = "bob",
		.pubkey = pubkey,
		.targets = {by_proxy ? &proxy : &server, by_proxy ? &server : NULL},
		.count = by_proxy ? 2 : 1};

	return key_offer(&q, NOW, agent, &answers, pem, err, sizeof(err));
}

static int offer(const char *user, const char *pubkey, bool by_proxy)
{
	return offer_at(user, pubkey, by_proxy, "tsa");
}

static int done(const char *address, const char *host, const char *login)
{
	const struct key_use use = {"bob", address, host, login};

	return key_done(setup.state, &use, NOW + SEC, err, sizeof(err));
}

static void sweep(uint64_t now)
{
	calls = 0;
	if (key_sweep(setup.state, now, now_usec() + 10 * SEC, agent, &answers, &swept, err,
	              sizeof(err)) < 0)
		test_fail(__FILE__, __LINE__, "%s", err);
}

static int count_one(void *arg, int dir, const char *name)
{
	(void)dir;
	(void)name;
	++*(unsigned *)arg;
	return 0;
}

static unsigned records(void)
{
	unsigned n = 0;
	int dir = state_open(folder, "keys", err, sizeof(err));

	CHECK(dir >= 0 && state_each(dir, 1000, count_one, &n) == 0);
	close(dir);
	return n;
}

TEST(offered_and_removed)
{
	prepare();
	CHECK_EQ(offer("bob", "", false), 0);
	CHECK(strstr(pem, "BEGIN RSA PRIVATE KEY"));
	CHECK_EQ(calls, 1);
	CHECK_STR(asked[0], "addauthkey tsa.example.org:22 bob %h/.x2go/authorized_keys");
	CHECK_EQ(records(), 1);
	sweep(NOW + 119 * SEC);
	CHECK_EQ(calls, 0);
	CHECK_EQ(swept.kept, 1);
	sweep(NOW + 120 * SEC);
	CHECK_EQ(calls, 1);
	CHECK_STR(asked[0], "delauthkey tsa.example.org:22 bob %h/.x2go/authorized_keys");
	CHECK_EQ(swept.removed, 1);
	CHECK_EQ(records(), 0);
	sweep(NOW + 120 * SEC);
	CHECK_EQ(calls, 0);
}

/* No private key is written down. */
TEST(nothing_secret_on_disk)
{
	char command[300];
	FILE *f;

	prepare();
	CHECK_EQ(offer("bob", "", false), 0);
	snprintf(command, sizeof(command), "grep -rla PRIVATE %s; grep -rlaF '%.40s' %s", folder,
	         strchr(pem, '\n') + 1, folder);
	f = popen(command, "re");
	CHECK(f && fgetc(f) == EOF);
	pclose(f);
}

TEST(key_of_the_client)
{
	char line[KEYLINE_MAX], own[KEYLINE_PEM_MAX];

	prepare();
	CHECK_EQ(keyline_make(&(struct keyline){.user = "x", .address = "y", .end_usec = NOW}, line,
	                      own),
	         0);
	CHECK_EQ(offer("bob", strstr(line, "ssh-rsa"), false), 0);
	CHECK_STR(pem, "");
	CHECK_EQ(calls, 1);
	CHECK_EQ(offer("bob", "ssh-rsa nonsense", false), -EINVAL);
	CHECK(strstr(err, "public key"));
	CHECK_EQ(calls, 1);
	CHECK_EQ(records(), 1);
}

/* Who gets no OK hands out no key. */
TEST(agent_says_no)
{
	prepare();
	answers[0] = -EREMOTEIO;
	CHECK_EQ(offer("bob", "", false), -EREMOTEIO);
	CHECK_STR(pem, "");
	CHECK_STR(err, "because");
	CHECK_EQ(records(), 0);
}

/* It may be there: it is removed soon. */
TEST(agent_is_silent)
{
	prepare();
	answers[0] = -ETIMEDOUT;
	CHECK_EQ(offer("bob", "", false), -ETIMEDOUT);
	CHECK_STR(pem, "");
	CHECK_EQ(records(), 1);
	answers[0] = 0;
	sweep(NOW);
	CHECK_EQ(swept.removed, 1);
}

TEST(second_place_fails)
{
	prepare();
	answers[1] = -EREMOTEIO;
	CHECK_EQ(offer("bob", "", true), -EREMOTEIO);
	CHECK_STR(asked[0], "addauthkey gate.example.org:2222 gatebob /etc/keys/%u");
	CHECK_STR(asked[1], "addauthkey tsa.example.org:22 bob %h/.x2go/authorized_keys");
	CHECK_STR(pem, "");
	memset(answers, 0, sizeof(answers));
	sweep(NOW);
	CHECK_EQ(calls, 1);
	CHECK_STR(asked[0], "delauthkey gate.example.org:2222 gatebob /etc/keys/%u");
}

/* The process dies with the key just put. */
TEST(crash_leaves_none)
{
	int status;
	pid_t pid;

	prepare();
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		crash = true;
		(void)offer("bob", "", false);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_EQ(records(), 1);
	sweep(NOW + 120 * SEC);
	CHECK_EQ(swept.removed, 1);
}

/* Nothing is put where it cannot be written down. */
TEST(no_state_no_key)
{
	prepare();
	CHECK(chmod(folder, 0755) == 0);
	CHECK_EQ(offer("bob", "", false), -EPERM);
	CHECK_EQ(calls, 0);
	CHECK_STR(pem, "");
	CHECK(chmod(folder, 0700) == 0);
}

TEST(later_and_later)
{
	uint64_t now = NOW + 120 * SEC;
	unsigned tries = 0;

	prepare();
	CHECK_EQ(offer("bob", "", false), 0);
	answers[0] = -ETIMEDOUT;
	sweep(now);
	CHECK_EQ(swept.failed, 1);
	sweep(now + 29 * SEC);
	CHECK_EQ(calls, 0);
	sweep(now + 30 * SEC);
	CHECK_EQ(calls, 1);
	sweep(now + 31 * SEC);
	CHECK_EQ(calls, 0);
	sweep(now + 89 * SEC);
	CHECK_EQ(calls, 0);
	sweep(now + 90 * SEC);
	CHECK_EQ(calls, 1);
	for (; records() > 0 && now < NOW + 30 * DAY; now += 30 * SEC) {
		sweep(now);
		tries += (unsigned)calls;
	}
	CHECK(tries > 100 && tries < 200);
	CHECK(now > NOW + 7 * DAY && now < NOW + 8 * DAY);
	CHECK_EQ(swept.given_up, 1);
}

/* With ten keys on a server that is gone, a sweep waits for it once. */
TEST(silent_server_once)
{
	char user[16];

	prepare();
	for (unsigned i = 0; i < 4; i++) {
		snprintf(user, sizeof(user), "u%u", i);
		CHECK_EQ(offer(user, "", false), 0);
	}
	answers[0] = -ETIMEDOUT;
	sweep(NOW + DAY);
	CHECK_EQ(calls, 1);
	CHECK_EQ(swept.kept, 3);
	answers[0] = -EREMOTEIO; /* this one answers */
	sweep(NOW + 2 * DAY);
	CHECK_EQ(calls, 4);
	CHECK_EQ(swept.removed, 3);
}

TEST(until_the_deadline)
{
	prepare();
	CHECK_EQ(offer("bob", "", false), 0);
	calls = 0;
	CHECK_EQ(key_sweep(setup.state, NOW + DAY, now_usec(), agent, &answers, &swept, err,
	                   sizeof(err)),
	         0);
	CHECK_EQ(calls, 0);
	CHECK_EQ(records(), 1);
}

TEST(used)
{
	prepare();
	CHECK_EQ(offer("bob", "", false), 0);
	CHECK_EQ(offer("bob", "", false), 0);
	CHECK_EQ(offer("alice", "", false), 0);
	CHECK_EQ(done("192.0.2.2", "tsa", "bob"), 0);
	CHECK_EQ(done("192.0.2.1", "tsa", "bob"), 2);
	sweep(NOW + SEC);
	CHECK_EQ(swept.removed, 2);
	CHECK_EQ(swept.kept, 1);
}

/* Not that for another server, to which the same user is about to log in at the same place. */
TEST(used_elsewhere)
{
	prepare();
	CHECK_EQ(offer_at("bob", "", true, "tsa"), 0);
	CHECK_EQ(offer_at("bob", "", false, "tsb"), 0);
	CHECK_EQ(done("192.0.2.1", "tsc", "bob"), 0);
	CHECK_EQ(done("192.0.2.1", "tsa", "carol"), 0);
	CHECK_EQ(done("192.0.2.1", "TSA", "bob"), 2); /* on the server, and on the way */
	sweep(NOW + SEC);
	CHECK_EQ(swept.removed, 2);
	CHECK_EQ(swept.kept, 1);
	/* A client that does not say which. */
	CHECK_EQ(offer_at("bob", "", false, "tsa"), 0);
	CHECK_EQ(done("192.0.2.1", "", ""), 2);
	sweep(NOW + SEC);
	CHECK_EQ(swept.removed, 2);
	CHECK_EQ(records(), 0);
}

TEST(one_sweep_at_a_time)
{
	int top, held;

	prepare();
	CHECK_EQ(offer("bob", "", false), 0);
	top = state_open(folder, NULL, err, sizeof(err));
	held = state_lock(top, "sweep-lock", O_CREAT, true);
	CHECK(top >= 0 && held >= 0);
	CHECK_EQ(key_sweep(setup.state, NOW + DAY, now_usec() + SEC, agent, &answers, &swept, err,
	                   sizeof(err)),
	         -EALREADY);
	CHECK_EQ(done("192.0.2.1", "tsa", "bob"), 0);
	close(held);
	close(top);
	sweep(NOW + DAY);
	CHECK_EQ(swept.removed, 1);
}

/* What somebody else has put into the folder is neither followed nor removed; an empty record is.
 */
TEST(foreign_files)
{
	char path[300];
	FILE *f;

	prepare();
	CHECK_EQ(offer("bob", "", false), 0);
	snprintf(path, sizeof(path), "%s/keys/notes", folder);
	f = fopen(path, "w");
	CHECK(f && fclose(f) == 0);
	snprintf(path, sizeof(path), "%s/keys/%064d", folder, 0);
	CHECK(symlink("/etc/passwd", path) == 0);
	calls = 0;
	snprintf(path, sizeof(path), "%s/keys/%064d", folder, 1);
	f = fopen(path, "w");
	CHECK(f && fclose(f) == 0);
	sweep(NOW + DAY);
	CHECK_EQ(swept.removed, 1);
	CHECK_EQ(records(), 2);
}
