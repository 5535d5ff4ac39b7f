/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The otp module: the vectors of RFC 4226 and RFC 6238, windows, a code used twice, by one process
 * or many, and files that are not as they should be. The clock is the tests' own, liboath's too.
 * Includes auth/otp.c, as its symbol is every module's; links auth/counter.c, liboath, nettle.
 */
#include "tests/unit/test.h"

#include "auth/otp.c"

#include <sys/wait.h>

/* "12345678901234567890" and its continuations, as the RFCs have them */
#define SHA1_KEY "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
#define SHA256_KEY "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA===="
#define SHA512_KEY                                                     \
	"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3T" \
	"QOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNA="
#define HEX_KEY "3132333435363738393031323334353637383930"

/* It forgets some bytes when a secret in its file is not in hexadecimal. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:liboath";
}

static time_t now;
static char folder[64], state[96], file[96], warned[256];
static struct auth_options options;
static struct auth_attempt attempt;
static struct auth_row row;

time_t time(time_t *ret)
{
	if (ret)
		*ret = now;
	return now;
}

static void warn(const struct auth_attempt *a, const char *text)
{
	(void)a;
	snprintf(warned, sizeof(warned), "%s", text);
}

static void option(const char *name, const char *value)
{
	options.items[options.count].name = name;
	options.items[options.count].value = value;
	options.count++;
}

/* A new folder for state= and users-file=; the options are those given, NULL at the end. */
static void setup(const char *name, ...)
{
	va_list ap;

	snprintf(folder, sizeof(folder), "/tmp/xproxy-test.XXXXXX");
	CHECK(mkdtemp(folder));
	snprintf(state, sizeof(state), "%s/state", folder);
	snprintf(file, sizeof(file), "%s/users.oath", folder);
	options.count = 0;
	va_start(ap, name);
	for (; name; name = va_arg(ap, const char *))
		option(name, va_arg(ap, const char *));
	va_end(ap);
	now = 1000000;
}

static void cleanup(void)
{
	const char *argv[] = {"rm", "-rf", folder, NULL};
	pid_t pid = fork();

	if (pid == 0) {
		execvp("rm", (char *const *)argv);
		_exit(1);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
}

static int try(const char *user, const char *code)
{
	attempt = (struct auth_attempt){
		.username = user,
		.options = &options,
		.password = code,
		.password_len = strlen(code),
		.warn = warn,
	};
	warned[0] = '\0';
	return auth_module.verify(&attempt, &row);
}

static int open_error(const char *part)
{
	char err[AUTH_ERROR_MAX] = "";
	int r = auth_module.open(&options, err);

	if (!strstr(err, part))
		CHECK_STR(err, part);
	return r;
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	CHECK(f && fputs(text, f) >= 0);
	fclose(f);
	CHECK_EQ(chmod(file, 0600), 0);
}

TEST(rfc6238)
{
	static const struct {
		time_t at;
		const char *codes[3];
	} vectors[] = {
		{59, {"94287082", "46119246", "90693936"}},
		{1111111109, {"07081804", "68084774", "25091201"}},
		{1111111111, {"14050471", "67062674", "99943326"}},
		{1234567890, {"89005924", "91819424", "93441116"}},
		{2000000000, {"69279037", "90698825", "38618901"}},
		{20000000000, {"65353130", "77737706", "47863826"}},
	};
	static const char *const hashes[] = {"sha1", "sha256", "sha512"};
	static const char *const keys[] = {SHA1_KEY, SHA256_KEY, SHA512_KEY};

	for (size_t h = 0; h < 3; h++) {
		setup("digits", "8", "algorithm", hashes[h], "secret", keys[h], "state", state,
		      NULL);
		CHECK_EQ(open_error(""), 0);
		for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
			test_note("%s at %ld", hashes[h], (long)vectors[i].at);
			now = vectors[i].at;
			CHECK_EQ(try("alice", vectors[i].codes[(h + 1) % 3]), AUTH_NO);
			CHECK_EQ(try("alice", vectors[i].codes[h]), AUTH_YES);
			CHECK_EQ(try("alice", vectors[i].codes[h]), AUTH_NO);
			CHECK(strstr(warned, "used before"));
		}
		cleanup();
	}
}

TEST(rfc4226)
{
	static const char *const codes[] = {"755224", "287082", "359152", "969429", "338314",
	                                    "254676", "287922", "162583", "399871", "520489"};

	setup("users-file", file, NULL);
	write_file("HOTP alice - " HEX_KEY "\nHOTP bob - " HEX_KEY "\n");
	CHECK_EQ(open_error(""), 0);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		test_note("%zu", i);
		if (i + 2 < ARRAY_SIZE(codes)) /* not yet */
			CHECK_EQ(try("alice", codes[i + 2]), AUTH_NO);
		CHECK_EQ(try("alice", codes[i]), AUTH_YES);
		CHECK_EQ(try("alice", codes[i]), AUTH_NO);
	}
	CHECK_EQ(try("bob", codes[0]), AUTH_YES); /* everybody's own counter */
	CHECK_EQ(try("carol", codes[0]), AUTH_NO);
	CHECK_EQ(try("", codes[0]), AUTH_NO);
	CHECK_EQ(try("alice -", codes[0]), AUTH_NO);
	cleanup();
}

TEST(hotp_window)
{
	setup("users-file", file, "valid-window", "3", NULL);
	write_file("HOTP alice - " HEX_KEY "\n");
	CHECK_EQ(try("alice", "338314"), AUTH_NO);  /* the fifth is too far */
	CHECK_EQ(try("alice", "969429"), AUTH_YES); /* the fourth is not */
	CHECK_EQ(try("alice", "359152"), AUTH_NO);  /* those before it are gone */
	CHECK_EQ(try("alice", "338314"), AUTH_YES);
	cleanup();
}

/* 8 digits at 59 s and at 1111111109 s are the RFC's; 30 seconds before and after, oathtool's. */
TEST(totp_window)
{
	setup("secret", SHA1_KEY, "digits", "8", "valid-window", "1", "state", state, NULL);
	now = 59 + 60;
	CHECK_EQ(try("alice", "94287082"), AUTH_NO);
	now = 59 + 31; /* two steps on */
	CHECK_EQ(try("bob", "94287082"), AUTH_NO);
	now = 59 + 30;
	CHECK_EQ(try("alice", "94287082"), AUTH_YES);
	now = 59 - 30 - 29;
	CHECK_EQ(try("bob", "94287082"), AUTH_YES); /* a clock that is late */
	CHECK_EQ(try("bob", "94287082"), AUTH_NO);
	now = 1111111111;
	CHECK_EQ(try("alice", "14050471"), AUTH_YES);
	CHECK_EQ(try("alice", "07081804"), AUTH_NO); /* older than one that was used */
	now = 1000;
	CHECK_EQ(try("carol", "14050471"), AUTH_NO);
	cleanup();

	setup("secret", SHA1_KEY, "digits", "8", "state", state, NULL);
	now = 60;
	CHECK_EQ(try("alice", "94287082"), AUTH_NO);
	now = 29;
	CHECK_EQ(try("alice", "94287082"), AUTH_NO);
	now = 30;
	CHECK_EQ(try("alice", "94287082"), AUTH_YES);
	cleanup();
}

TEST(totp_in_a_file)
{
	setup("users-file", file, "digits", "8", NULL);
	write_file("# who\nHOTP/T30/8 alice - " HEX_KEY "\nHOTP/T30/8 bob - " HEX_KEY "\n");
	now = 1111111109;
	CHECK_EQ(try("alice", "081804"), AUTH_NO);
	CHECK_EQ(try("alice", "07081804"), AUTH_YES);
	CHECK_EQ(try("alice", "07081804"), AUTH_NO);
	CHECK(strstr(warned, "used before"));
	CHECK_EQ(try("alice", "7081804"), AUTH_NO);
	now = 1111111111;
	CHECK_EQ(try("alice", "14050471"), AUTH_YES);
	CHECK_EQ(try("alice", "07081804"), AUTH_NO);
	CHECK_EQ(try("bob", "14050471"), AUTH_YES);
	cleanup();
}

TEST(no_code)
{
	static const char *const words[] = {"",          "9428708",    "942870820",
	                                    "9428708a",  "-9428708",   " 94287082",
	                                    "94287082 ", "94287082\n", "287082"};

	setup("secret", SHA1_KEY, "digits", "8", "state", state, NULL);
	now = 59;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		test_note("'%s'", words[i]);
		CHECK_EQ(try("alice", words[i]), AUTH_NO);
	}
	CHECK_EQ(try("alice", "94287082"), AUTH_YES);
	cleanup();
}

/* How many of many processes get in with one code. */
static int race(const char *code)
{
	enum { N = 24 };
	int go[2], yes = 0, status;
	char c;

	CHECK_EQ(pipe(go), 0);
	for (int i = 0; i < N; i++)
		if (fork() == 0) {
			close(go[1]);
			(void)!read(go[0], &c, 1);
			_exit(try("alice", code) == AUTH_YES ? 1 : attempt.error[0] ? 2 : 0);
		}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < N; i++) {
		CHECK(wait(&status) > 0);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		yes += WEXITSTATUS(status);
	}
	return yes;
}

TEST(at_the_same_time)
{
	setup("secret", SHA1_KEY, "digits", "8", "state", state, NULL);
	now = 59;
	CHECK_EQ(race("94287082"), 1);
	now = 1111111111;
	CHECK_EQ(race("14050471"), 1);
	CHECK_EQ(race("14050471"), 0);
	cleanup();

	setup("users-file", file, NULL);
	write_file("HOTP alice - " HEX_KEY "\n");
	CHECK_EQ(race("755224"), 1);
	CHECK_EQ(race("287082"), 1);
	cleanup();

	setup("users-file", file, "digits", "8", NULL);
	write_file("HOTP/T30/8 alice - " HEX_KEY "\n");
	now = 59;
	CHECK_EQ(race("94287082"), 1);
	cleanup();
}

TEST(options_that_are_wrong)
{
	static const struct {
		const char *name, *value, *part;
	} cases[] = {
		{"issuer-name", "x", "either secret= "}, {"secret", "s3cr3t!", "not in base32"},
		{"secret", "GEZDGNBV", "too short"},     {"secret", "", "not in base32"},
		{"users-file", "users", "whole path"},
	};
	static const char *const more[][3] = {
		{"digits", "5", "digits="},
		{"digits", "9", "digits="},
		{"digits", "six", "digits="},
		{"valid-window", "21", "valid-window="},
		{"valid-window", "-1", "valid-window="},
		{"valid-window", "", "valid-window="},
		{"algorithm", "md5", "algorithm="},
		{"users-file", "/x", "either secret= "},
		{"state", "relative", "state="},
		{"state", "/nowhere/at/all", "No such file"},
		{"state", "/dev/null", "Not a directory"},
		{"state", "/tmp", "writable by nobody else"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		setup(cases[i].name, cases[i].value, "state", state, NULL);
		if (cases[i].part[0] == 'w')
			options.count = 1;
		CHECK(open_error(cases[i].part) < 0);
		CHECK(try("alice", "000000") < 0 && attempt.error[0]);
		CHECK(!strstr(attempt.error, "s3cr3t"));
		cleanup();
	}
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		test_note("%s=%s", more[i][0], more[i][1]);
		setup("secret", SHA1_KEY, more[i][0], more[i][1], NULL);
		CHECK(open_error(more[i][2]) < 0);
		cleanup();
	}
	setup("users-file", file, "algorithm", "sha256", NULL);
	CHECK(open_error("belong to secret=") < 0);
	cleanup();
	setup("users-file", file, "valid-window", "0", NULL);
	CHECK(open_error("at least 1") < 0);
	cleanup();
}

TEST(files_that_are_wrong)
{
	setup("users-file", file, NULL);
	CHECK(open_error("No such file") < 0);
	CHECK(try("alice", "755224") < 0);
	CHECK(strstr(attempt.error, "users.oath: No such file"));
	write_file("HOTP alice - " HEX_KEY "\n");
	CHECK_EQ(chmod(file, 0640), 0);
	CHECK(open_error("mode 0600") < 0);
	CHECK(try("alice", "755224") < 0);
	CHECK_EQ(chmod(file, 0600), 0);
	CHECK_EQ(try("alice", "755224"), AUTH_YES);
	write_file("HOTP alice 1234 " HEX_KEY "\n");
	CHECK(try("alice", "755224") < 0);
	CHECK(strstr(attempt.error, "has a PIN"));
	write_file("HOTP alice - xyz\n");
	CHECK(try("alice", "755224") <= 0);
	write_file("nonsense\n\nHOTP alice\nHOTP/T alice - 00\n");
	CHECK(try("alice", "755224") <= 0);
	CHECK_EQ(unlink(file), 0);
	CHECK_EQ(mkfifo(file, 0600), 0);
	CHECK(open_error("mode 0600") < 0);
	cleanup();

	setup("secret", SHA1_KEY, "digits", "8", "state", state, NULL);
	now = 59;
	CHECK_EQ(open_error(""), 0);
	CHECK_EQ(chmod(state, 0720), 0);
	CHECK(try("alice", "94287082") < 0);
	CHECK_EQ(chmod(state, 0700), 0);
	CHECK_EQ(rmdir(state), 0);
	CHECK_EQ(try("alice", "94287082"), AUTH_YES);
	cleanup();
}

/* A counter that is damaged keeps its user out. */
TEST(damaged_counter)
{
	uint64_t old;
	char err[AUTH_ERROR_MAX] = "", path[256], name[64];
	int fd;

	setup("state", state, NULL);
	CHECK_EQ(counter_raise(&options, "otp", "alice", 7, &old, err), 1);
	CHECK_EQ(counter_raise(&options, "otp", "alice", 7, &old, err), 0);
	CHECK_EQ(old, 7);
	CHECK_EQ(counter_raise(&options, "otp", "alice", 6, &old, err), 0);
	CHECK_EQ(counter_raise(&options, "u2f", "alice", 6, &old, err), 1);
	CHECK_EQ(counter_raise(&options, "otp", "alice", UINT64_MAX, &old, err), 1);
	CHECK_EQ(counter_raise(&options, "otp", "alice", 0, &old, err), 0);
	CHECK_EQ(old, UINT64_MAX);
	/* of "bob", as sha256sum(1) says */
	snprintf(name, sizeof(name), "otp-81b637d8fcd2c6da6359e6963113a117");
	snprintf(path, sizeof(path), "%s/%s", state, name);
	fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
	CHECK_EQ(counter_raise(&options, "otp", "bob", 1, &old, err),
	         1); /* empty: as good as new */
	CHECK_EQ(pwrite(fd, "x", 1, 3), 1);
	CHECK(counter_raise(&options, "otp", "bob", 2, &old, err) < 0);
	CHECK(strstr(err, "cannot read a counter"));
	CHECK_EQ(ftruncate(fd, 5), 0);
	CHECK(counter_raise(&options, "otp", "bob", 2, &old, err) < 0);
	close(fd);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(symlink("/dev/null", path), 0);
	CHECK(counter_raise(&options, "otp", "bob", 2, &old, err) < 0);
	cleanup();
}
