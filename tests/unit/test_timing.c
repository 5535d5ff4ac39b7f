/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_timing.c - whether the time that a no takes tells an unknown user from a wrong
 * password: processor time of chain_step() over 10,000 tries, of both kinds in random order.
 *
 * What a client sees is coarser still: the guard says no at full seconds after the question.
 */
#include "tests/unit/test.h"

#include <math.h>
#include <sqlite3.h>
#include <time.h>
#include <unistd.h>

#include "auth/chain.h"
#include "auth/multifile.h"

#define TRIES 10000 /* of both kinds together, of which the slowest tenth of each is left out */
#define USERS 50

extern const struct auth_module auth_module; /* sqlite's: the others are built in */

static struct chain c;
static struct outcome outcome;
static struct peer peer;
static char folder[32], file[64];

static double spent_usec(const struct rpc *request, struct rpc_step *ret)
{
	struct timespec a, b;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	chain_step(&c, request, ret);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	return (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
}

/* A whole login that ends in a no; what the last step of it took. */
static double try_login(const struct auth_module *m, const char *user)
{
	static struct rpc request;
	struct rpc_step step;
	double usec;

	c = (struct chain){.count = 1, .peer = &peer, .outcome = &outcome};
	c.instances[0].module = m;
	c.instances[0].flags = m->flags;
	c.instances[0].options.count = 1;
	c.instances[0].options.items[0].name = "filename";
	c.instances[0].options.items[0].value = file;
	request = (struct rpc){.type = RPC_LOGIN};
	snprintf(request.login.username, sizeof(request.login.username), "%s", user);
	request.login.digests = request.login.salt_digests = DIGEST_HMAC_ALL;
	chain_step(&c, &request, &step);
	CHECK_EQ(step.kind, STEP_CHALLENGE);
	request = (struct rpc){.type = RPC_RESPONSE};
	memset(request.response.response.data, 'a', 128); /* as long as the right one */
	request.response.response.len = 128;
	request.response.client_salt.len = 32;
	usec = spent_usec(&request, &step);
	CHECK_EQ(step.kind, STEP_DENIED);
	return usec;
}

static int compare(const void *x, const void *y)
{
	const double *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

struct sample {
	size_t n;
	double usec[TRIES];
	double mean, variance, median;
};

static void sum_up(struct sample *s)
{
	size_t n = s->n - s->n / 10;

	qsort(s->usec, s->n, sizeof(s->usec[0]), compare);
	s->mean = s->variance = 0;
	s->median = s->usec[s->n / 2];
	for (size_t i = 0; i < n; i++)
		s->mean += s->usec[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		s->variance += (s->usec[i] - s->mean) * (s->usec[i] - s->mean) / (double)(n - 1);
	s->n = n;
}

/* How much longer the unknown user takes, in microseconds, by the medians: a busy machine does not
 * move those. Prints that and Welch's t. */
static double difference(const char *what, const struct auth_module *m)
{
	static struct sample unknown, wrong;
	double t, d;

	unknown.n = wrong.n = 0;
	srandom(1);
	for (int i = 0; i < TRIES + 200; i++) {
		char user[16];
		bool known = random() % 2;
		struct sample *s = known ? &wrong : &unknown;

		snprintf(user, sizeof(user), "%s%02ld", known ? "user" : "abcd", random() % USERS);
		d = try_login(m, user);
		if (i >= 200) /* until all that is cached is */
			s->usec[s->n++] = d;
	}
	sum_up(&unknown);
	sum_up(&wrong);
	t = (unknown.mean - wrong.mean) /
	    sqrt(unknown.variance / (double)unknown.n + wrong.variance / (double)wrong.n);
	d = unknown.median - wrong.median;
	printf("# %s: unknown %.2f us (median %.2f), wrong password %.2f us (median %.2f), "
	       "difference %+.3f us, t = %+.1f\n",
	       what, unknown.mean, unknown.median, wrong.mean, wrong.median, d, t);
	return d;
}

static void make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/test_timing-XXXXXX");
	CHECK(mkdtemp(folder));
}

static void make_multifile(void)
{
	FILE *f;

	make_folder();
	snprintf(file, sizeof(file), "%s/users", folder);
	f = fopen(file, "w");
	CHECK(f);
	for (int i = 0; i < USERS; i++)
		fprintf(f, "user%02d|a password|1000|1000|:10|A=b|c=d\n", i);
	fclose(f);
}

static void make_database(void)
{
	sqlite3 *db;
	char sql[200];

	make_folder();
	snprintf(file, sizeof(file), "%s/users.sdb", folder);
	CHECK_EQ(sqlite3_open(file, &db), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(db,
	                      "CREATE TABLE users (username, password, uid, gid, displays, "
	                      "env_options, session_options); BEGIN",
	                      NULL, NULL, NULL),
	         SQLITE_OK);
	for (int i = 0; i < USERS; i++) {
		snprintf(sql, sizeof(sql),
		         "INSERT INTO users VALUES ('user%02d','a "
		         "password','1000','1000',':10','','')",
		         i);
		CHECK_EQ(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	}
	CHECK_EQ(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* The modules with the mistake that this is about: who is not there is not checked. */
static const struct auth_module *leaky_of;

static bool no_check(const struct auth_attempt *a, const void *password, size_t len)
{
	(void)a;
	(void)password;
	(void)len;
	return false;
}

static int leaky_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	if (strncmp(a->username, "abcd", 4) == 0)
		a->check = no_check;
	return leaky_of->verify(a, ret_row);
}

static const struct auth_module leaky = {
	.name = "leaky",
	.flags = AUTH_CHALLENGE,
	.verify = leaky_verify,
};

/* One check is a microsecond or two; the module may differ by a third of what leaving it out makes.
 * That it is seen at all when it is left out is the other half of the test. */
static void test_module(const char *what, const struct auth_module *m)
{
	char name[32];
	double leak, d = difference(what, m);

	leaky_of = m;
	snprintf(name, sizeof(name), "%s without the check", what);
	leak = difference(name, &leaky);
	CHECK(leak < -0.3);
	CHECK(fabs(d) < -leak / 3);
}

TEST(multifile)
{
	make_multifile();
	test_module("multifile", &auth_multifile);
	unlink(file);
	rmdir(folder);
}

TEST(sqlite)
{
	make_database();
	test_module("sqlite", &auth_module);
	unlink(file);
	rmdir(folder);
}
