/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SCRAM: RFC 7677's exchange, messages that are not as they should be, and salts of users that
 * there are not. Whole exchanges by all mechanisms are tests/system/test_auth_scram.py. Includes
 * auth/scram.c, as its symbol is every module's; links auth/scramkey.c, auth/multifile.c,
 * auth/counter.c.
 */
#include "tests/unit/test.h"

#include "auth/scram.c"

#include <sys/stat.h>
#include <unistd.h>

#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define KEYS                                            \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$" \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=" /* of the RFC's password, "pencil" */
#define RECORD "SCRAM$SCRAM-SHA-256$4096$" SALT "$" KEYS
#define NONCE "rOprNGfwEbeRWgbNEkqO"
#define BOTH NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

static char folder[64], state[96], file[96];
static struct auth_options options;
static struct auth_attempt attempt;
static struct auth_row row;
static struct auth_challenge challenge;
static uint64_t memory[AUTH_STATE_MAX / 8];

static void setup(const char *text)
{
	FILE *f;

	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/tmp/xproxy-test.XXXXXX");
		CHECK(mkdtemp(folder));
		snprintf(file, sizeof(file), "%s/users", folder);
		snprintf(state, sizeof(state), "%s/state", folder);
	}
	f = fopen(file, "w");
	CHECK(f && fputs(text, f) >= 0);
	fclose(f);
	options.count = 2;
	options.items[0].name = "filename";
	options.items[0].value = file;
	options.items[1].name = "state";
	options.items[1].value = state;
}

static void begin_as(const char *user)
{
	memset(memory, 0, sizeof(memory));
	attempt = (struct auth_attempt){
		.username = user,
		.options = &options,
		.state = memory,
	};
	challenge = (struct auth_challenge){0};
	CHECK_EQ(scram_challenge(&attempt, 0, &challenge), 0);
	CHECK_STR(challenge.digest, "SCRAM-SHA-256:client-first");
	CHECK_EQ(challenge.salt_len, 0);
}

static int answer(const char *text)
{
	attempt.response = (const uint8_t *)text;
	attempt.response_len = strlen(text);
	attempt.error[0] = '\0';
	return scram_verify(&attempt, &row);
}

/* The server's first message to user. */
static const char *first_to(const char *user)
{
	char message[300];

	begin_as(user);
	snprintf(message, sizeof(message), "n,,n=%s,r=" NONCE, user);
	CHECK_EQ(answer(message), AUTH_MORE);
	challenge = (struct auth_challenge){0};
	CHECK_EQ(scram_challenge(&attempt, 1, &challenge), 0);
	CHECK_STR(challenge.digest, "SCRAM-SHA-256:server-first");
	return (const char *)challenge.salt;
}

TEST(rfc7677)
{
	struct exchange x = {0};
	char signature[64];

	CHECK(scramkey_parse(RECORD, &x.key));
	snprintf(x.first, sizeof(x.first), "n=user,r=" NONCE);
	CHECK(proves(&x, "c=biws,r=" BOTH, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	             "r=" BOTH ",s=" SALT ",i=4096", x.proof));
	to_base64(x.proof, 32, signature);
	CHECK_STR(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	CHECK(!proves(&x, "c=biws,r=" BOTH, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVA=",
	              "r=" BOTH ",s=" SALT ",i=4096", x.proof));
	CHECK(!proves(&x, "c=biws,r=" BOTH, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	              "r=" BOTH ",s=" SALT ",i=4097", x.proof));
	x.fake = true;
	CHECK(!proves(&x, "c=biws,r=" BOTH, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	              "r=" BOTH ",s=" SALT ",i=4096", x.proof));
}

TEST(first_messages)
{
	static const char *const wrong[] = {
		"",
		"n",
		"n,,",
		"n,,n=user",
		"n,,n=user,",
		"n,,n=user,r=",
		"n,,n=user,r=a,b=c",
		"n,,n=user2,r=a",
		"n,,n=use,r=a",
		"n,,n=,r=a",
		"n,a=root,n=user,r=a",
		"p=tls-unique,,n=user,r=a",
		"n,,m=x,n=user,r=a",
		"x,,n=user,r=a",
		"n,,r=a,n=user",
		"n,,n=user,r=a b",
		"n,,n=user,r=\xc3\xa9",
		"n,,n=us=65r,r=a",
	};
	char many[MESSAGE_MAX + 2];

	setup("user|" RECORD "\na,b=c|" RECORD "\n");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		test_note("%s", wrong[i]);
		begin_as("user");
		CHECK_EQ(answer(wrong[i]), AUTH_NO);
	}
	for (size_t n = 300; n < sizeof(many) - 1; n++) {
		memset(many, 'r', n);
		memcpy(many, "n,,n=user,r=", 12);
		many[n] = '\0';
		begin_as("user");
		CHECK_EQ(answer(many), n - 3 < FIRST_MAX ? AUTH_MORE : AUTH_NO);
	}
	begin_as("user");
	CHECK_EQ(answer("y,,n=user,r=a"), AUTH_MORE);
	begin_as("a,b=c");
	CHECK_EQ(answer("n,,n=a=2Cb=3Dc,r=a"), AUTH_MORE);
	begin_as("");
	CHECK_EQ(answer("n,,n=,r=a"), AUTH_NO);
	begin_as("user");
	attempt.response = (const uint8_t *)"n,,n=user,r=a\0b";
	attempt.response_len = 15;
	CHECK_EQ(scram_verify(&attempt, &row), AUTH_NO);
}

TEST(last_messages)
{
	static const char *const formats[] = {
		"%s",
		"c=biws,r=%s",
		"c=biws,r=%s,p=",
		"c=biws,r=%s,p=AAAA",
		"c=eSws,r=%s,p=%s",
		"c=biws,r=%sx,p=%s",
		"c=biws,p=%s,r=%s",
		"c=biws,r=%s,p=%sx",
		"c=biws,r=%s,p=%s=",
		"c=biws,r=%s,p=%s",
	};
	char nonce[128], text[512];

	setup("user|" RECORD "\n");
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		const char *first = first_to("user");

		test_note("%s", formats[i]);
		snprintf(nonce, sizeof(nonce), "%.*s", (int)strcspn(first, ",") - 2, first + 2);
		CHECK_EQ(strncmp(nonce, NONCE, strlen(NONCE)), 0);
		CHECK_EQ(strlen(nonce), strlen(NONCE) + NONCE_TEXT);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), formats[i], nonce,
		         "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
#pragma GCC diagnostic pop
		CHECK_EQ(answer(text), AUTH_NO);
	}
}

/* A known user's salt is the record's; another's is always the same, and nobody else's. */
TEST(users_that_there_are_not)
{
	char one[512], two[512], *salt;

	setup("user|" RECORD "\nplain|password\nother|SCRAM$SCRAM-SHA-512$1$AA==$AA==$AA==\n");
	CHECK(strstr(first_to("user"), ",s=" SALT ",i=4096"));
	snprintf(one, sizeof(one), "%s", first_to("nobody"));
	setup("another|" RECORD "\n"); /* nor do changes of the file change it */
	snprintf(two, sizeof(two), "%s", first_to("nobody"));
	salt = strstr(one, ",s=");
	CHECK(salt);
	CHECK_STR(salt, strstr(two, ",s="));
	CHECK_EQ(strlen(salt), strlen(",s=" SALT ",i=4096"));
	snprintf(two, sizeof(two), "%s", first_to("nobody2"));
	CHECK(strcmp(salt, strstr(two, ",s=")) != 0);
	CHECK(strncmp(one, two, strcspn(one, ",")) != 0); /* the nonce is new */
	setup("plain|password\nother|SCRAM$SCRAM-SHA-512$1$AA==$AA==$AA==\n");
	CHECK(strstr(first_to("plain"), ",i=4096"));
	CHECK(strstr(first_to("other"), ",i=4096"));
}

TEST(options_that_are_wrong)
{
	static const char *const cases[][3] = {
		{"mechanisms", "SCRAM-SHA-1", "mechanisms= is one of"},
		{"mechanisms", "", "mechanisms= is one of"},
		{"iterations", "0", "iterations="},
		{"iterations", "1000000", "iterations="},
		{"iterations", "x", "iterations="},
	};
	char err[AUTH_ERROR_MAX] = "";

	setup("");
	CHECK_EQ(scram_open(&options, err), 0);
	CHECK_STR(err, "");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		test_note("%s=%s", cases[i][0], cases[i][1]);
		setup("");
		options.items[2].name = cases[i][0];
		options.items[2].value = cases[i][1];
		options.count = 3;
		CHECK(scram_open(&options, err) < 0);
		CHECK(strstr(err, cases[i][2]));
	}
	setup("");
	options.items[0].value = "/nowhere/users";
	CHECK(scram_open(&options, err) < 0);
	CHECK(strstr(err, "/nowhere/users"));
	options.items[0].value = "";
	CHECK(scram_open(&options, err) < 0);
	CHECK(strstr(err, "needs filename="));
}
