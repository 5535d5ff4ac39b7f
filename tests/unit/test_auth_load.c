/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Module specs in every spelling, and the modules of auth/simple.c.
 * Links auth/load.c, auth/simple.c, auth/multifile.c, auth/readfile.c.
 */
#include "tests/unit/test.h"

#include "auth/load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static char err[AUTH_ERROR_MAX];

static struct auth_instance load(const char *spec)
{
	struct auth_instance in = {0};

	test_note("%s", spec);
	err[0] = '\0';
	CHECK_EQ(auth_load(spec, &in, err), 0);
	CHECK_STR(err, "");
	test_note("%s", "");
	return in;
}

static void refused(const char *spec, int code, const char *part)
{
	struct auth_instance in = {.storage_len = 12345};

	test_note("%s", spec);
	err[0] = '\0';
	CHECK_EQ(auth_load(spec, &in, err), code);
	CHECK_EQ(in.storage_len, 12345);
	if (!strstr(err, part))
		CHECK_STR(err, part);
	CHECK(!strstr(err, "s3cr3t"));
	test_note("%s", "");
}

static void options_are(const char *spec, const char *name, const char *a, const char *a_value,
                        const char *b, const char *b_value)
{
	struct auth_instance in = load(spec);

	CHECK_STR(in.module->name, name);
	CHECK_EQ(in.options.count, !!a + !!b);
	if (a)
		CHECK_STR(auth_option(&in.options, a, NULL), a_value);
	if (b)
		CHECK_STR(auth_option(&in.options, b, NULL), b_value);
	auth_unload(&in);
	CHECK(!in.storage && !in.module);
	auth_unload(&in);
}

TEST(spellings)
{
	options_are("none", "none", NULL, NULL, NULL, NULL);
	options_are("  none ", "none", NULL, NULL, NULL, NULL);
	options_are("none:", "none", NULL, NULL, NULL, NULL);
	options_are("none,", "none", NULL, NULL, NULL, NULL);
	options_are("none()", "none", NULL, NULL, NULL, NULL);
	options_are("none( )  ", "none", NULL, NULL, NULL, NULL);
	options_are("file:filename=/a", "file", "filename", "/a", NULL, NULL);
	options_are("file:filename=/a,prompt=who?", "file", "filename", "/a", "prompt", "who?");
	options_are("file,filename=/a,prompt=who?", "file", "filename", "/a", "prompt", "who?");
	options_are("file(filename=/a,prompt=who?)", "file", "filename", "/a", "prompt", "who?");
	options_are("file(filename=/a, prompt=)", "file", "filename", "/a", "prompt", "");
	options_are("file:,filename=/a,,", "file", "filename", "/a", NULL, NULL);
}

TEST(values_are_literal)
{
	options_are("password:value=a=b:c(d)", "password", "value", "a=b:c(d)", NULL, NULL);
	options_are("password(value=a=b:c(d))", "password", "value", "a=b:c(d)", NULL, NULL);
	options_are("password(value=))", "password", "value", ")", NULL, NULL);
	options_are("password:value= a ", "password", "value", " a ", NULL, NULL);
	options_are("password:value=\"a\"", "password", "value", "\"a\"", NULL, NULL);
	options_are("password(value=\"a,b\")", "password", "value", "a,b", NULL, NULL);
	options_are("password(value=\"a\"b,c\",prompt=x)", "password", "value", "a\"b,c", "prompt",
	            "x");
	options_are("password(value=\"a)", "password", "value", "\"a", NULL, NULL);
	options_are("password(value=\")", "password", "value", "\"", NULL, NULL);
	options_are("password(value=\"\")", "password", "value", "", NULL, NULL);
}

TEST(refusals)
{
	refused("", -EINVAL, "name of a module");
	refused("(a=b)", -EINVAL, "name of a module");
	refused("../../evil", -EINVAL, "name of a module");
	refused("None", -EINVAL, "name of a module");
	refused("no such", -EINVAL, "name of a module");
	refused("nosuch", -ENOENT, "unknown module 'nosuch'; there are: none allow reject fail");
	refused("nosuch", -ENOENT, " multifile");
	refused("none(", -EINVAL, "end with ')'");
	refused("none(a=b", -EINVAL, "end with ')'");
	refused("none()x", -EINVAL, "end with ')'");
	refused("file:filenam=/x", -EINVAL,
	        "module 'file' has no option 'filenam'; it takes: filename prompt");
	refused("none:=x", -EINVAL, "has no option ''");
	refused("file:filename=/a,filename=/b", -EINVAL, "given twice");
	refused("file:/etc/passwd", -EINVAL, "has no '='");
}

TEST(secrets_are_not_quoted)
{
	refused("password:s3cr3t", -EINVAL, "option 1 has no '='");
	refused("password:valu=s3cr3t", -EINVAL, "it takes: value prompt");
	refused("password:s3cr3t=", -EINVAL, "option 1 is unknown");
	refused("password:value=a,s3cr3t=b", -EINVAL, "option 2 is unknown");
	refused("password(value=s3cr3t", -EINVAL, "end with ')'");
	refused("s3cr3t!", -EINVAL, "name of a module");
}

TEST(limits)
{
	char spec[9000];

	memset(spec, 'a', sizeof(spec));
	spec[sizeof(spec) - 1] = '\0';
	refused(spec, -E2BIG, "longer than");
	spec[33] = '\0';
	refused(spec, -EINVAL, "name of a module");
	spec[32] = '\0';
	refused(spec, -ENOENT, "unknown module");
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	struct auth_instance in = {0};
	char *spec = malloc(len + 1);

	if (len > 0)
		memcpy(spec, data, len);
	spec[len] = '\0';
	if (auth_load(spec, &in, err) == 0)
		auth_unload(&in);
	free(spec);
}

TEST(mutated_specs)
{
	test_mutate("password(value=\"a,b\",prompt=c)", 30, fuzz_one);
	test_mutate("file:filename=/a,prompt=c", 25, fuzz_one);
}

/* A file beside this program, as a module would be. */
static const char *beside(const char *name)
{
	static char path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	CHECK(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	CHECK(slash && strlen(name) < 64);
	memcpy(slash + 1, name, strlen(name) + 1);
	return path;
}

TEST(broken_object)
{
	const char *path = beside("auth-x-broken.so");
	FILE *f = fopen(path, "w");

	if (!f)
		return; /* a read-only build folder */
	fputs("this is no shared object", f);
	fclose(f);
	refused("nosuch", -ENOENT, " x-broken");
	refused("x-broken", -ELIBBAD, "cannot load module 'x-broken'");
	unlink(path);
}

TEST(real_object)
{
	struct auth_instance in, again;

	if (access(beside("auth-sqlite.so"), R_OK) < 0)
		return; /* tests/unit/test_sqlite.c has the module linked */
	in = load("sqlite(filename=/nonexistent/x)");
	CHECK_STR(in.module->name, "sqlite");
	CHECK(in.module->flags & AUTH_CHALLENGE);
	CHECK_EQ(in.module->open(&in.options, err), -ENOENT);
	again = load("sqlite:filename=/y,password_query=SELECT 1");
	CHECK(again.module == in.module);
	auth_unload(&in);
	auth_unload(&again);
	refused("sqlite:file=/y", -EINVAL, "filename password_query sessions_query prompt");
}

/* The modules themselves. The right password is what `expected` holds. */
static struct {
	const char *password;
	size_t len;
	int calls;
} expected;
static char warned[AUTH_ERROR_MAX];

static bool check(const struct auth_attempt *a, const void *password, size_t len)
{
	CHECK(a->username && password);
	expected.calls++;
	return len == expected.len && memcmp(password, expected.password, len) == 0;
}

static void warn(const struct auth_attempt *a, const char *text)
{
	(void)a;
	snprintf(warned, sizeof(warned), "%s", text);
}

static int verify(const char *spec, const char *password, size_t len)
{
	struct auth_instance in = load(spec);
	struct auth_attempt a = {
		.username = "alice", .options = &in.options, .check = check, .warn = warn};
	struct auth_row row = {0};
	int r;

	expected.password = password;
	expected.len = len;
	expected.calls = 0;
	warned[0] = '\0';
	r = in.module->verify(&a, &row);
	CHECK_EQ(r < 0, a.error[0] != '\0');
	CHECK(!row.has_sessions);
	if (!(in.module->flags & AUTH_CHALLENGE))
		CHECK_EQ(expected.calls, 0);
	auth_unload(&in);
	return r;
}

static int open_spec(const char *spec)
{
	struct auth_instance in = load(spec);
	int r = in.module->open ? in.module->open(&in.options, err) : 0;

	CHECK_EQ(r < 0, err[0] != '\0');
	auth_unload(&in);
	return r;
}

TEST(fixed_answers)
{
	struct auth_instance in = load("allow");

	CHECK(in.module->flags & AUTH_CHALLENGE);
	auth_unload(&in);
	CHECK_EQ(verify("none", "", 0), 1);
	CHECK_EQ(verify("allow", "x", 1), 1);
	CHECK_EQ(verify("reject", "x", 1), 0);
	CHECK_EQ(open_spec("fail") < 0, 1);
	CHECK_STR(err, "the 'fail' module always fails");
	CHECK_EQ(verify("fail", "x", 1), 0);
}

TEST(password)
{
	CHECK_EQ(open_spec("password"), -EINVAL);
	CHECK_EQ(open_spec("password:value="), -EINVAL);
	CHECK_EQ(open_spec("password:value=x"), 0);
	CHECK_EQ(verify("password:value=hello", "hello", 5), 1);
	CHECK_EQ(verify("password:value=hello", "hellO", 5), 0);
	CHECK_EQ(verify("password", "", 0), 0);
	CHECK_EQ(expected.calls, 1);
}

TEST(env)
{
	unsetenv("XPRA_PASSWORD");
	CHECK_EQ(open_spec("env"), -ENOENT);
	CHECK(strstr(err, "XPRA_PASSWORD is not set"));
	CHECK_EQ(verify("env", "", 0), 0);
	setenv("XPRA_PASSWORD", "one", 1);
	setenv("OTHER", "two", 1);
	CHECK_EQ(open_spec("env"), 0);
	CHECK_EQ(verify("env", "one", 3), 1);
	CHECK_EQ(verify("env:name=OTHER", "two", 3), 1);
	CHECK_EQ(verify("env(name=OTHER)", "one", 3), 0);
	setenv("OTHER", "", 1);
	CHECK_EQ(open_spec("env(name=OTHER)"), -ENOENT);
	CHECK_EQ(verify("env(name=OTHER)", "", 0), 0);
}

static void write_file(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fwrite(text, 1, len, f) == len && fclose(f) == 0);
}

TEST(file)
{
	char path[] = "/tmp/xproxy-test-XXXXXX", spec[64];
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	close(fd);
	snprintf(spec, sizeof(spec), "file(filename=%s)", path);
	CHECK_EQ(open_spec("file"), -EINVAL);
	CHECK_EQ(open_spec(spec), -ENODATA);
	CHECK_EQ(verify(spec, "", 0), 0);
	write_file(path, "pass\n", 5);
	CHECK_EQ(open_spec(spec), 0);
	CHECK_EQ(verify(spec, "pass\n", 5), 1);
	CHECK_STR(warned, "");
	CHECK_EQ(verify(spec, "pass", 4), 0);
	CHECK(strstr(warned, "newline"));
	write_file(path, "a\0b", 3);
	CHECK_EQ(verify(spec, "a\0b", 3), 1);
	CHECK_EQ(truncate(path, 1 << 20), 0);
	CHECK_EQ(open_spec(spec), 0);
	CHECK_EQ(truncate(path, (1 << 20) + 1), 0);
	CHECK_EQ(verify(spec, "", 0), -EFBIG);
	unlink(path);
	CHECK_EQ(verify(spec, "", 0), -ENOENT);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_EQ(verify(spec, "", 0), -EINVAL);
	unlink(path);
	CHECK_EQ(open_spec("file:filename=/tmp"), -EINVAL);
	CHECK_EQ(open_spec("file:filename=/dev/zero"), -EINVAL);
}
