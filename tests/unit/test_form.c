/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/form.c and wire/json.c: what a browser sends of a person, and what it is told of sessions.
 */
#include "tests/unit/test.h"

#include <errno.h>

#include "wire/form.h"
#include "wire/json.h"

static void check_field(const char *body, const char *name, int result, const char *value)
{
	char ret[16] = "";

	test_note("%s in \"%s\"", name, body);
	CHECK_EQ(form_field(body, strlen(body), name, ret, sizeof(ret)), result);
	if (result == 0)
		CHECK_STR(ret, value);
}

TEST(form)
{
	check_field("username=john&password=pw", "username", 0, "john");
	check_field("username=john&password=pw", "password", 0, "pw");
	check_field("a=b=c", "a", 0, "b=c");
	check_field("a=&b", "a", 0, "");
	check_field("a=&b", "b", 0, "");
	check_field("&&a=1&", "a", 0, "1");
	check_field("a=x+y%20z%2B%26%3d", "a", 0, "x y z+&=");
	check_field("a=%c3%A4", "a", 0, "\xc3\xa4");
	check_field("user%6Eame=x", "username", 0, "x");
	check_field("a=123456789012345", "a", 0, "123456789012345");
	check_field("a=1234567890123456", "a", -EMSGSIZE, NULL);
	check_field("", "a", -ENOENT, NULL);
	check_field("aa=1&A=2&b=a", "a", -ENOENT, NULL);
	check_field("a%=1&a%6=2&%", "a", -ENOENT, NULL);
	check_field("a=1&a=2", "a", -EBADMSG, NULL);
	check_field("a=1&%61", "a", -EBADMSG, NULL);
	check_field("a=%", "a", -EBADMSG, NULL);
	check_field("a=%4&b=1", "a", -EBADMSG, NULL);
	check_field("a=%4g", "a", -EBADMSG, NULL);
	check_field("a=%00", "a", -EBADMSG, NULL);
}

static void check_basic(const char *value, int result, const char *user, const char *password)
{
	char u[8] = "", p[8] = "";

	test_note("%s", value);
	CHECK_EQ(form_basic(value, strlen(value), u, sizeof(u), p, sizeof(p)), result);
	if (result == 0) {
		CHECK_STR(u, user);
		CHECK_STR(p, password);
	}
}

TEST(basic)
{
	static char large[4096] = "Basic ";

	check_basic("Basic am9objpwdw==", 0, "john", "pw");
	check_basic("basic   am9objpwdw==", 0, "john", "pw");
	check_basic("Basic am9objo=", 0, "john", "");
	check_basic("Basic OnA6dzo=", 0, "", "p:w:"); /* only the first colon counts */
	check_basic("Basic MTIzNDU2NzoxMjM0NTY3", 0, "1234567", "1234567");
	check_basic("Basic MTIzNDU2Nzg6MQ==", -EMSGSIZE, NULL, NULL);
	check_basic("Basic MToxMjM0NTY3OA==", -EMSGSIZE, NULL, NULL);
	check_basic("Basic", -ENOENT, NULL, NULL);
	check_basic("Bearer am9objpwdw==", -ENOENT, NULL, NULL);
	check_basic("Basic ", -EBADMSG, NULL, NULL);
	check_basic("Basic am9obg==", -EBADMSG, NULL, NULL); /* no colon */
	check_basic("Basic am9objpwdw=", -EBADMSG, NULL, NULL);
	check_basic("Basic am9objpwdw==x", -EBADMSG, NULL, NULL);
	check_basic("Basic am8AaG46cHc=", -EBADMSG, NULL, NULL); /* a zero byte */
	memset(large + 6, 'A', sizeof(large) - 7);
	check_basic(large, -EMSGSIZE, NULL, NULL);
}

static void check_json(const char *text, const char *expected)
{
	char buf[128];
	struct json j = {.data = buf, .size = sizeof(buf)};

	json_text(&j, text);
	CHECK(!j.full);
	CHECK_MEM(buf, j.len, expected, strlen(expected));
}

TEST(json)
{
	char buf[8];
	struct json j = {.data = buf, .size = sizeof(buf)};

	check_json("", "\"\"");
	check_json("a b", "\"a b\"");
	check_json("\"\\\n\x7f/", "\"\\u0022\\u005c\\u000a\\u007f/\"");
	check_json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
	           "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	check_json("\xc3(\xff\xed\xa0\x80", "\"\\ufffd(\\ufffd\\ufffd\\ufffd\\ufffd\"");
	check_json("\xe2\x82", "\"\\ufffd\\ufffd\"");
	json_number(&j, 1234567);
	CHECK(!j.full && j.len == 7);
	json_raw(&j, "ab"); /* does not fit, and so nothing after it does */
	CHECK(j.full && j.len == 7);
	json_raw(&j, "a");
	CHECK(j.full && j.len == 7);
	CHECK_MEM(buf, j.len, "1234567", 7);
}
