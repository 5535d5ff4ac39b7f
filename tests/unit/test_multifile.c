/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The multifile text and its module. Links auth/multifile.c, auth/readfile.c.
 */
#include "tests/unit/test.h"

#include "auth/load.h"
#include "auth/multifile.h"

#include <errno.h>
#include <unistd.h>

static char reports[4096];

static void report(void *context, size_t line, const char *why)
{
	size_t n = strlen(reports);

	(void)context;
	snprintf(reports + n, sizeof(reports) - n, "%zu: %s\n", line, why);
}

static int find(const char *text, size_t len, const char *user, struct multifile_entry *e)
{
	char *exact = malloc(len); /* so that ASan sees a byte too far */
	int r;

	if (len > 0)
		memcpy(exact, text, len);
	reports[0] = '\0';
	r = multifile_find(exact, len, user, e, report, NULL);
	for (size_t i = 0; r == 1 && i < MULTIFILE_FIELDS; i++)
		if (e->fields[i].p)
			e->fields[i].p = text + (e->fields[i].p - exact);
	free(exact);
	return r;
}

static void finds(const char *text, const char *user, const char *expected)
{
	struct multifile_entry e;
	char got[512] = "";

	CHECK_EQ(find(text, strlen(text), user, &e), 1);
	for (size_t i = 0; i < MULTIFILE_FIELDS; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s", i ? "|" : "",
		         (int)e.fields[i].len, e.fields[i].len ? e.fields[i].p : "");
	CHECK_STR(got, expected);
}

TEST(fields)
{
	finds("u|p", "u", "u|p|||||");
	finds("u|p\n", "u", "u|p|||||");
	finds("u|", "u", "u||||||");
	finds("u|p|1000", "u", "u|p|1000||||");
	finds("u|p|1000|100", "u", "u|p|1000|100|||");
	finds("u|p|u|g|:10,tcp://h:1/|A=1;B=2|c=3", "u", "u|p|u|g|:10,tcp://h:1/|A=1;B=2|c=3");
	finds("a|x\nu|p|1\nb|y", "u", "u|p|1||||");
	finds("u | p |", "u ", "u | p |||||");
	CHECK_STR(reports, "");
}

TEST(lines)
{
	finds("\n  \t\n# c|c\n   # d|d\n \v\fu|p \t\r\n", "u", "u|p|||||");
	finds("a|b\ru|p\rc|d", "u", "u|p|||||");
	finds("a|b\r\n\r\nu|p\r\n", "u", "u|p|||||");
	CHECK_STR(reports, "");
	finds("a\r\n\rb\nu|p\nc", "u", "u|p|||||");
	CHECK_STR(reports, "1: fewer than 2 fields, USERNAME|PASSWORD\n"
	                   "3: fewer than 2 fields, USERNAME|PASSWORD\n"
	                   "5: fewer than 2 fields, USERNAME|PASSWORD\n");
}

TEST(unknown)
{
	struct multifile_entry e;

	CHECK_EQ(find("", 0, "u", &e), 0);
	CHECK_EQ(find("u|p", 3, "U", &e), 0);
	CHECK_EQ(find("u|p", 3, "", &e), 0);
	CHECK_EQ(find("uu|p", 4, "u", &e), 0);
	CHECK_EQ(find("#u|p", 4, "#u", &e), 0);
	CHECK_STR(reports, "");
}

TEST(bad_lines)
{
	static char big[MULTIFILE_LINE_MAX + 64];
	struct multifile_entry e;
	size_t n = sizeof(big) - 1;

	finds("u|p|1|2|3|4|5|6\nu|ok", "u", "u|ok|||||");
	CHECK_STR(reports, "1: more than 7 fields (a password cannot have a '|')\n");
	finds("|p\nu|ok", "u", "u|ok|||||");
	CHECK_STR(reports, "1: has no user name\n");
	CHECK_EQ(find("u|p\0q\nu|r", 9, "u", &e), 1);
	CHECK_STR(reports, "1: has a NUL byte\n");
	CHECK_MEM(e.fields[1].p, e.fields[1].len, "r", 1);
	memset(big, 'x', n);
	big[1] = '|';
	CHECK_EQ(find(big, n, "x", &e), 0);
	CHECK_STR(reports, "1: longer than 64 KiB\n");
	CHECK_EQ(find(big, MULTIFILE_LINE_MAX, "x", &e), 1);
	CHECK_EQ(e.fields[1].len, MULTIFILE_LINE_MAX - 2);
	big[3] = '|';
	CHECK_EQ(find(big, 4 + 63, "x", &e), 1);
	CHECK_EQ(find(big, 4 + 64, "x", &e), 0);
	CHECK_STR(reports, "1: has a field that is too long\n");
}

TEST(duplicates)
{
	finds("u|one|1\nv|x\nu|two|2\nv|y\nu|three", "u", "u|one|1||||");
	CHECK_STR(reports, "3: this user has an earlier line, which counts\n"
	                   "5: this user has an earlier line, which counts\n");
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	struct multifile_entry e;

	(void)find((const char *)data, len, "u", &e);
}

TEST(mutations)
{
	test_mutate("# x\r\nv|q|1|2\ru|p|1|2|:3|A=B|c=d\n|\nu|p", 38, fuzz_one);
}

/* The module. */

static const char *right;
static char checked[64], warnings[8192];
static int checks;

static bool check(const struct auth_attempt *a, const void *password, size_t len)
{
	(void)a;
	checks++;
	snprintf(checked, sizeof(checked), "%.*s", (int)len, (const char *)password);
	return len == strlen(right) && memcmp(password, right, len) == 0;
}

static void warn(const struct auth_attempt *a, const char *text)
{
	size_t n = strlen(warnings);

	(void)a;
	CHECK(strlen(text) < AUTH_ERROR_MAX);
	snprintf(warnings + n, sizeof(warnings) - n, "%s\n", text);
}

static char path[] = "/tmp/xproxy-test-XXXXXX";

static int verify(const char *text, const char *user, const char *password, struct auth_row *row)
{
	struct auth_options options = {.count = 1, .items[0] = {"filename", path}};
	struct auth_attempt a = {
		.username = user, .options = &options, .check = check, .warn = warn};
	FILE *f = fopen(path, "w");
	int r;

	CHECK(f && fwrite(text, 1, strlen(text), f) == strlen(text) && fclose(f) == 0);
	right = password;
	warnings[0] = '\0';
	checks = 0;
	memset(row, 0, sizeof(*row));
	r = auth_multifile.verify(&a, row);
	CHECK_STR(a.error, "");
	CHECK_EQ(checks, 1); /* whatever the answer */
	return r;
}

TEST(module)
{
	struct auth_row row;
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(verify("u|p|1000|100|:10|A=B|c=d\n", "u", "p", &row), 1);
	CHECK(row.has_sessions);
	CHECK_STR(row.uid, "1000");
	CHECK_STR(row.gid, "100");
	CHECK_STR(row.displays, ":10");
	CHECK_STR(row.env_options, "A=B");
	CHECK_STR(row.session_options, "c=d");
	CHECK_EQ(verify("u|p|1000|100", "u", "p", &row), 1);
	CHECK_STR(row.uid, "1000");
	CHECK_STR(row.gid, "100");
	CHECK_STR(row.displays, "");
	CHECK_EQ(verify("u|p", "u", "p", &row), 1);
	CHECK(row.has_sessions);
	CHECK_EQ(verify("u|p", "u", "q", &row), 0);
	CHECK(!row.has_sessions);
	CHECK_EQ(verify("u|", "u", "", &row), 0);
	CHECK_EQ(verify("v|p", "u", "p", &row), 0);
	CHECK_EQ(verify("v|p", "u", "no such user", &row), 0);
	CHECK_EQ(verify("", "u", "p", &row), 0);
	unlink(path);
}

TEST(warnings)
{
	struct auth_row row;

	CHECK_EQ(verify("s3cr3t\nu|p|s3cr3t|||||x\nu|p\nu|s3cr3t", "u", "p", &row), 1);
	CHECK(strstr(warnings, ":1: line skipped: fewer"));
	CHECK(strstr(warnings, ":2: line skipped: more than 7"));
	CHECK(strstr(warnings, ":4: line skipped: this user has an earlier"));
	CHECK(!strstr(warnings, "s3cr3t"));
	CHECK_EQ(verify("a\nb\nc\nd\ne\nf\ng\nu|p\n", "u", "p", &row), 1);
	CHECK(strstr(warnings, ":5: "));
	CHECK(!strstr(warnings, ":6: "));
	CHECK(strstr(warnings, "2 more lines skipped"));
	unlink(path);
}

TEST(registry)
{
	struct auth_options options = {.count = 1, .items[0] = {"filename", path}};
	struct auth_attempt a = {.username = "u", .options = &options, .warn = warn};
	struct auth_row row = {0};

	CHECK_EQ(verify("v|x\nu||1000|100|:10|A=B|c=d\nu|p|2", "u", "", &row), 0);
	CHECK_EQ(auth_multifile.lookup(&a, &row), 1);
	CHECK(row.has_sessions);
	CHECK_STR(row.uid, "1000");
	CHECK_STR(row.gid, "100");
	CHECK_STR(row.displays, ":10");
	CHECK_STR(row.env_options, "A=B");
	CHECK_STR(row.session_options, "c=d");
	row = (struct auth_row){0};
	a.username = "w";
	CHECK_EQ(auth_multifile.lookup(&a, &row), 0);
	CHECK(!row.has_sessions);
	unlink(path);
	CHECK_EQ(auth_multifile.lookup(&a, &row), -ENOENT);
	CHECK(a.error[0]);
}

TEST(file_errors)
{
	struct auth_options none = {0}, gone = {1, {{"filename", "/nonexistent/x"}}};
	struct auth_row row = {0};
	struct auth_attempt a = {.username = "u", .options = &gone, .check = check};
	char err[AUTH_ERROR_MAX] = "";

	CHECK_EQ(auth_multifile.open(&none, err), -EINVAL);
	CHECK_EQ(auth_multifile.open(&gone, err), -ENOENT);
	CHECK_STR(err, "cannot read /nonexistent/x: No such file or directory");
	CHECK_EQ(auth_multifile.verify(&a, &row), -ENOENT);
	CHECK_STR(a.error, err);
}
