/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * User names in DNs and filters. Links auth/ldap_name.c.
 */
#include "tests/unit/test.h"

#include "auth/ldap_name.h"

#include <errno.h>

static char out[64];

static void escaped(const char *name, const char *expected)
{
	CHECK_EQ(ldap_name_escape(name, out, sizeof(out)), 0);
	CHECK_STR(out, expected);
}

TEST(escapes)
{
	escaped("", "");
	escaped("alice", "alice");
	escaped("a.b-c_d@E9", "a.b-c_d@E9");
	escaped("a,b", "a\\2cb");
	escaped("*)(uid=*", "\\2a\\29\\28uid\\3d\\2a");
	escaped(" #\\\"+;<>", "\\20\\23\\5c\\22\\2b\\3b\\3c\\3e");
	escaped("\xc3\xbc", "\\c3\\bc");
	escaped("\x01\x7f\xff", "\\01\\7f\\ff");
}

TEST(room)
{
	char small[5];

	CHECK_EQ(ldap_name_escape("a*", small, sizeof(small)), 0);
	CHECK_STR(small, "a\\2a");
	CHECK_EQ(ldap_name_escape("ab*", small, sizeof(small)), -E2BIG);
	CHECK_EQ(ldap_name_fill("12345", "", "", true, small, sizeof(small)), -E2BIG);
	CHECK_EQ(ldap_name_fill("1234", "", "", true, small, sizeof(small)), 0);
	CHECK_EQ(ldap_name_fill("%username", "12345", "", false, small, sizeof(small)), -E2BIG);
	CHECK_EQ(ldap_name_fill("%username", "1234", "", false, small, sizeof(small)), 0);
	CHECK_EQ(ldap_name_fill("1234%username", "", "", false, small, sizeof(small)), 0);
}

static void filled(const char *template, bool escape, const char *expected)
{
	CHECK_EQ(ldap_name_fill(template, "a,%domain", "x.org", escape, out, sizeof(out)), 0);
	CHECK_STR(out, expected);
}

TEST(templates)
{
	filled("cn=%username, o=%domain", true, "cn=a\\2c\\25domain, o=x.org");
	filled("%username@%domain", false, "a,%domain@x.org"); /* not filled in again */
	filled("%user%username%", true, "%usera\\2c\\25domain%");
	filled("(|(uid=%username)(mail=%username))", true,
	       "(|(uid=a\\2c\\25domain)(mail=a\\2c\\25domain))");
	CHECK(ldap_name_is_dn("cn=%username"));
	CHECK(!ldap_name_is_dn("%username@%domain"));
}
