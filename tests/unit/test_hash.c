/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stored passwords. The hashes were made by perl's crypt() and python's hashlib; one is the example
 * of RFC 7677. Links auth/hash.c, auth/scramkey.c; loads libcrypt.
 */
#include "tests/unit/test.h"

#include "auth/hash.h"
#include "auth/scramkey.h"

#include <errno.h>

#define SALT "F5Jx5fExrKuPp53xLKQ..1"

static const struct auth_options hashed = {1, {{"passwords", "hashed"}}}, plain;
static char err[AUTH_ERROR_MAX], warning[AUTH_ERROR_MAX];
static const char *typed;

/* Of "open sesame". */
static const char *const good[] = {
	"$y$j9T$" SALT "$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A",
	"$y$j75$" SALT "$b9ipOqv8PnW5AVU85r73I0FOIAcGICbbCril3UpGHU0",
	"$gy$j9T$" SALT "$1bPectyYMONFH17KwNrSqs6RjZgy/cr2jMERkzhGIs3",
	"$6$saltsalt$e/5XKibXPLqVcfjpD.ouauaJrAOL5V0uo80Lt7n7EbRdRiCx3HbQ90yjOHr.G0T.mx79PEMRy8nmtr"
	"0qSYhQp1",
	"$6$rounds=6000$saltsalt$0ZYPH0QeRGKB0aP27HIUoTEvAsJysv9G.WdJg.uYWGODi6iJy70NwKiAAh5kci5Ynz"
	"Iyu8TfCUftHaJNdmj6R.",
	"$5$saltsalt$yrhPKxCqiWcCE9h0g86j6Ugz7SDFdFm.BjU.d8RaQnC",
	"$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW",
	"SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$zFuK0LLTd7QL5BPwE9y67ays8/"
	"a4CC4uja7+QnaP2EQ=:vjZUa961pBnSxOfN65HhpzC4x054xWo0ftpxxphkHOU=",
	"SCRAM$SCRAM-SHA-256$4096$MDEyMzQ1Njc4OWFiY2RlZg==$zFuK0LLTd7QL5BPwE9y67ays8/"
	"a4CC4uja7+QnaP2EQ=$vjZUa961pBnSxOfN65HhpzC4x054xWo0ftpxxphkHOU=",
	"SCRAM$SCRAM-SHA-512$4096$MDEyMzQ1Njc4OWFiY2RlZg==$zDE639doAwdhBo0QJeUxYwMbKx9qtNKJTXW4E+"
	"zcbsOy5WPxkLg8d4XhR+jRBTE5pd+vX08jk2LgWPj0qzhdmA==$"
	"9TuLP57dKXNhpfSzZTk7iqc5ylvNqyLd3pMlzL7hz8rri0Tuo0ZzSal8AIfLE7fghDXOmhsZCp9z5KjtC7ypZQ==",
	"SCRAM$SCRAM-SHA3-512$4096$MDEyMzQ1Njc4OWFiY2RlZg==$ekpOg4oR75m9nb2pdloQx+"
	"yVJvjMSLDhaBnnsUcUo1yliZ/T1E5HA42O2+IWmiA8uUPOJRseDVolo/msNGQ8rA==$"
	"5kijJogk4Dwfwat6LOkXuU9TxX8/gn5Lcq4U/geOx+pSy1MxkypAdFTpEmq+XRs/WW2uIJz/"
	"UTyFnBK6s7x9OA==",
};

/* Not taken: other kinds, too much work, damaged. */
static const char *const bad[] = {
	"",
	"open sesame",
	"$",
	"$y$",
	"ab/G8gtZdMwak",
	"$1$saltsalt$Yo6tRKYGO/jWyb1etwHDS/",
	"*",
	"!",
	"$6$saltsalt$short",
	"$6$rounds=2000001$saltsalt$0ZYPH0QeRGKB0aP27HIUoTEvAsJysv9G.WdJg.uYWGODi6iJy70NwKiAAh5kci5"
	"YnzIyu8TfCUftHaJNdmj6R.",
	"$6$rounds=99999999999999999999$saltsalt$0ZYPH0QeRGKB0aP27HIUoTEvAsJysv9G.WdJg.uYWGODi6iJy7"
	"0NwKiAAh5kci5YnzIyu8TfCUftHaJNdmj6R.",
	"$6$rounds=-1$saltsalt$0ZYPH0QeRGKB0aP27HIUoTEvAsJysv9G.WdJg.uYWGODi6iJy70NwKiAAh5kci5YnzIy"
	"u8TfCUftHaJNdmj6R.",
	"$2b$31$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW",
	"$2b$5$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW",
	"$y$jFT$" SALT "$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A",
	"$y$j9T.$" SALT "$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A",
	"$y$j9T$" SALT "$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A ",
	"$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D",
	"SCRAM-SHA-256$1000001:MDEyMzQ1Njc4OWFiY2RlZg==$zFuK0LLTd7QL5BPwE9y67ays8/"
	"a4CC4uja7+QnaP2EQ=:vjZUa961pBnSxOfN65HhpzC4x054xWo0ftpxxphkHOU=",
	"SCRAM-SHA-256$0:MDEyMzQ1Njc4OWFiY2RlZg==$zFuK0LLTd7QL5BPwE9y67ays8/"
	"a4CC4uja7+QnaP2EQ=:vjZUa961pBnSxOfN65HhpzC4x054xWo0ftpxxphkHOU=",
	"SCRAM-SHA-512$4096:MDEyMzQ1Njc4OWFiY2RlZg==$zFuK0LLTd7QL5BPwE9y67ays8/"
	"a4CC4uja7+QnaP2EQ=:vjZUa961pBnSxOfN65HhpzC4x054xWo0ftpxxphkHOU=",
	"SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$zFuK:vjZUa961pBnSxOfN65HhpzC4x054xWo0ftpxxphkH"
	"OU=",
	"SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$zFuK0LLTd7QL5BPwE9y67ays8/"
	"a4CC4uja7+QnaP2EQ=:vjZUa961pBnSxOfN65HhpzC4x054xWo0ftpxxphkHOU=:",
	"SCRAM-SHA-256$4096:MDEy*zQ1Njc4OWFiY2RlZg==$zFuK0LLTd7QL5BPwE9y67ays8/"
	"a4CC4uja7+QnaP2EQ=:vjZUa961pBnSxOfN65HhpzC4x054xWo0ftpxxphkHOU=",
};

static bool check(const struct auth_attempt *a, const void *password, size_t len)
{
	(void)a;
	return len == strlen(typed) && memcmp(password, typed, len) == 0;
}

static void warn(const struct auth_attempt *a, const char *text)
{
	(void)a;
	snprintf(warning, sizeof(warning), "%s", text);
}

static bool matches(const struct auth_options *options, const char *stored, const char *password)
{
	struct auth_attempt a = {.options = options,
	                         .password = password,
	                         .password_len = strlen(password),
	                         .check = check,
	                         .warn = warn};

	typed = password;
	warning[0] = '\0';
	return hash_check(&a, stored, strlen(stored));
}

TEST(hashed)
{
	CHECK_EQ(hash_open(&hashed, err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		test_note("%s", good[i]);
		CHECK(hash_is_one(good[i]));
		CHECK(matches(&hashed, good[i], "open sesame"));
		CHECK(!matches(&hashed, good[i], "open sesam"));
		CHECK(!matches(&hashed, good[i], good[i]));
		CHECK_STR(warning, "");
	}
}

TEST(not_a_hash)
{
	CHECK_EQ(hash_open(&hashed, err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		test_note("%s", bad[i]);
		CHECK(!hash_is_one(bad[i]));
		CHECK(!matches(&hashed, bad[i], "open sesame"));
		CHECK(!matches(&hashed, bad[i], bad[i]));
		CHECK_EQ(warning[0] != '\0', bad[i][0] != '\0');
	}
}

TEST(half_a_scram_key)
{
	char text[256];

	snprintf(text, sizeof(text), "%s", good[7]);
	text[strlen(text) - 3] ^= 1; /* the server's key only */
	CHECK(hash_is_one(text));
	CHECK(!matches(&hashed, text, "open sesame"));
}

TEST(rfc_7677)
{
	struct scramkey key;

	CHECK(scramkey_parse("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZ"
	                     "kBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
	                     &key));
	CHECK_EQ(key.iterations, 4096);
	CHECK(scramkey_matches(&key, "pencil", 6));
	CHECK(!scramkey_matches(&key, "pencil", 5));
	CHECK(!scramkey_matches(&key, "", 0));
}

/* A hash that was seen lets nobody in, whatever the configuration. */
TEST(plain)
{
	CHECK_EQ(hash_open(&plain, err), 0);
	CHECK(matches(&plain, "$ecret", "$ecret"));
	CHECK(matches(&plain, "$y$not a hash", "$y$not a hash"));
	CHECK(!matches(&plain, "", ""));
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		CHECK(!matches(&plain, good[i], good[i]));
}

TEST(made_here)
{
	static const char *const kinds[] = {"yescrypt", "scram"};
	char one[HASH_MAX], two[HASH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		CHECK_EQ(hash_make(kinds[i], "Ünïcode \"'|", one, err), 0);
		CHECK_EQ(hash_make(kinds[i], "Ünïcode \"'|", two, err), 0);
		CHECK(strcmp(one, two) != 0); /* salted */
		CHECK(hash_is_one(one));
		CHECK(matches(&hashed, one, "Ünïcode \"'|"));
		CHECK(!matches(&hashed, one, "Unicode \"'|"));
	}
	CHECK_EQ(hash_make("md5", "x", one, err), -EINVAL);
}

TEST(option)
{
	const struct auth_options wrong = {1, {{"passwords", "Hashed"}}};

	CHECK_EQ(hash_open(&wrong, err), -EINVAL);
	CHECK_STR(err, "passwords= is 'plain' or 'hashed'");
}
