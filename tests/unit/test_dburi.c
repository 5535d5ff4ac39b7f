/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a database is. Links auth/dburi.c, base/readfile.c.
 */
#include "tests/unit/test.h"

#include "auth/dburi.h"

#include <errno.h>
#include <unistd.h>

static char uri[DBURI_MAX], err[AUTH_ERROR_MAX];

static int get(const char *name, const char *value)
{
	const struct auth_options o = {1, {{name, value}}};

	uri[0] = err[0] = '\0';
	return dburi_get(&o, uri, err);
}

TEST(option)
{
	static char large[DBURI_MAX + 1];
	const struct auth_options both = {2, {{"uri", "a://b"}, {"uri-file", "/x"}}}, none = {0};

	CHECK_EQ(get("uri", "postgresql://u:p%40@h/d?x=y"), 0);
	CHECK_STR(uri, "postgresql://u:p%40@h/d?x=y");
	CHECK_EQ(get("uri", "mysql+mysqlconnector://u:p+q@h/d"), 0);
	CHECK_STR(uri, "mysql://u:p+q@h/d");
	CHECK_EQ(get("uri", "s3cret"), -EINVAL);
	CHECK(!strstr(err, "s3cret"));
	CHECK_EQ(dburi_get(&both, uri, err), -EINVAL);
	CHECK_EQ(dburi_get(&none, uri, err), -EINVAL);
	memset(large, 'x', DBURI_MAX);
	CHECK_EQ(get("uri", large), -EINVAL);
}

TEST(file)
{
	char path[] = "/tmp/xproxy-test.XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0 && write(fd, "postgresql://h/d\r\nmore\n", 23) == 23);
	close(fd);
	CHECK_EQ(get("uri-file", path), 0);
	CHECK_STR(uri, "postgresql://h/d");
	unsetenv("CREDENTIALS_DIRECTORY");
	CHECK_EQ(get("uri-file", path + 5), -EINVAL);
	CHECK(strstr(err, "credential"));
	setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
	CHECK_EQ(get("uri-file", path + 5), 0);
	CHECK_STR(uri, "postgresql://h/d");
	unlink(path);
	CHECK_EQ(get("uri-file", path), -ENOENT);
}

TEST(decode)
{
	static const char *const bad[] = {"%", "a%4", "%zz", "%00", "x%4g"};
	char text[16] = "p%40%2Fq%25";

	CHECK(dburi_decode(text));
	CHECK_STR(text, "p@/q%");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		test_note("%s", bad[i]);
		snprintf(text, sizeof(text), "%s", bad[i]);
		CHECK(!dburi_decode(text));
	}
}
