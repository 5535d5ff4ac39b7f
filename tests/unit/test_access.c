/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/access.c: which requests need a login, are answered to whom, or are refused.
 */
#include "broker/access.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/folder.h"
#include "tests/unit/test.h"

#define NOW (UINT64_C(1795000000) * USEC_PER_SEC)
#define PLACE "192.0.2.1"

static struct x2go_start start;
static struct x2go_verdict verdict;
static struct access access_;

static void prepare(enum x2go_frontend frontend, enum x2go_task task)
{
	folder_begin();
	start = (struct x2go_start){
		.setup = {.authid = X2GO_AUTHID_ROLLING,
	                  .verify_address = 1,
	                  .authid_timeout_usec = 3600 * USEC_PER_SEC},
		.request = {.frontend = frontend, .task = task, .user = "bob"},
		.address = "198.51.100.9",
		.place = PLACE,
	};
	snprintf(start.setup.state, sizeof(start.setup.state), "%s", folder);
}

static enum x2go_verdict_kind judge(void)
{
	memset(&verdict, 0xee, sizeof(verdict));
	memset(&access_, 0xee, sizeof(access_));
	access_judge(&start, NOW, &verdict, &access_);
	CHECK(memchr(verdict.reason, 0, sizeof(verdict.reason)));
	CHECK((verdict.kind == X2GO_DENIED) == (verdict.reason[0] != '\0'));
	return (enum x2go_verdict_kind)verdict.kind;
}

static void give_token(const char *user, const char *place)
{
	char err[256], token[AUTHID_MAX];

	CHECK_EQ(authid_issue(&start.setup, user, place, NOW, NULL, token, err, sizeof(err)), 0);
	snprintf(start.request.authid, sizeof(start.request.authid), "%s", token);
}

TEST(without_a_token)
{
	for (int task = X2GO_NONE; task < X2GO_TASK_MAX_; task++) {
		prepare(X2GO_PLAIN, (enum x2go_task)task);
		CHECK_EQ(judge(), task == X2GO_TESTCON ? X2GO_GRANTED : X2GO_LOGIN);
		CHECK_EQ(access_.nobody, task == X2GO_TESTCON);
		CHECK(!access_.by_token);
		start.request.frontend = X2GO_UCCS;
		CHECK_EQ(judge(), task == X2GO_TESTCON ? X2GO_GRANTED : X2GO_LOGIN);
	}
	prepare(X2GO_PUBKEYS, X2GO_NONE);
	CHECK_EQ(judge(), X2GO_GRANTED);
	CHECK(access_.nobody);
}

TEST(token_is_required)
{
	prepare(X2GO_JSON, X2GO_LIST);
	start.setup.require_authid = 1;
	CHECK_EQ(judge(), X2GO_DENIED);
	CHECK_STR(verdict.reason, "there is no auth-id");
	start.request.task = X2GO_TESTCON;
	CHECK_EQ(judge(), X2GO_GRANTED);
	start.setup.authid = X2GO_AUTHID_NONE;
	start.request.task = X2GO_LIST;
	CHECK_EQ(judge(), X2GO_LOGIN);
}

TEST(with_a_token)
{
	prepare(X2GO_PLAIN, X2GO_LIST);
	give_token("bob", PLACE);
	CHECK_EQ(judge(), X2GO_GRANTED);
	CHECK(access_.by_token && !access_.nobody);
	CHECK_EQ(access_.authid.login_usec, NOW);
	CHECK_EQ(judge(), X2GO_DENIED); /* no grace here */
	CHECK(!access_.by_token);
	CHECK_STR(verdict.reason, "the auth-id was used before");
}

/* Whatever comes with it: a password, a task that needs none. */
TEST(tokens_that_are_no_good)
{
	prepare(X2GO_PLAIN, X2GO_SELECT);
	give_token("carol", PLACE);
	CHECK_EQ(judge(), X2GO_DENIED);
	CHECK_STR(verdict.reason, "the auth-id is another user's");
	snprintf(start.request.authid, sizeof(start.request.authid), "../../etc/passwd");
	CHECK_EQ(judge(), X2GO_DENIED);
	start.setup.state[0] = '\0';
	CHECK_EQ(judge(), X2GO_DENIED);
	/* But where no token counts at all. */
	start.setup.authid = X2GO_AUTHID_NONE;
	CHECK_EQ(judge(), X2GO_LOGIN);
}

/* The address is what a client by way of sshd says of itself; where it is bound to, is not. */
TEST(token_stays_in_its_place)
{
	prepare(X2GO_PLAIN, X2GO_LIST);
	give_token("bob", PLACE);
	snprintf(start.address, sizeof(start.address), PLACE);
	snprintf(start.place, sizeof(start.place), "uid 1000");
	CHECK_EQ(judge(), X2GO_DENIED);
	CHECK_STR(verdict.reason, "the auth-id was given to another address");
	give_token("bob", "uid 1000");
	CHECK_EQ(judge(), X2GO_GRANTED);
	give_token("bob", "uid 1001");
	CHECK_EQ(judge(), X2GO_DENIED);
}

/* A password is changed by who knows it, not by who has a token. */
TEST(new_password)
{
	prepare(X2GO_PLAIN, X2GO_SETPASS);
	give_token("bob", PLACE);
	CHECK_EQ(judge(), X2GO_LOGIN);
	CHECK(access_.by_token); /* its time goes on */
	CHECK_EQ(judge(), X2GO_DENIED);
}

/* One that was given beforehand is no login. */
TEST(preset)
{
	char path[64];
	FILE *f;

	prepare(X2GO_PLAIN, X2GO_LIST);
	snprintf(path, sizeof(path), "%s/preset", folder);
	f = fopen(path, "we");
	CHECK(f && fputs("# first\npreset-token\n", f) >= 0 && fclose(f) == 0 &&
	      chmod(path, 0600) == 0);
	snprintf(start.setup.authid_file, sizeof(start.setup.authid_file), "%s", path);
	start.setup.require_authid = 1;
	snprintf(start.request.authid, sizeof(start.request.authid), "preset-token");
	CHECK_EQ(judge(), X2GO_LOGIN);
	CHECK(!access_.by_token);
	snprintf(start.request.authid, sizeof(start.request.authid), "preset-toke");
	CHECK_EQ(judge(), X2GO_DENIED);
	snprintf(start.setup.authid_file, sizeof(start.setup.authid_file), "%s/none", folder);
	CHECK_EQ(judge(), X2GO_DENIED);
	CHECK_STR(verdict.reason, "auth-ids cannot be checked");
}
