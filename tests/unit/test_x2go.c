/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/x2go.c: requests for a session broker, as x2goclient and python-x2go write them, and what
 * they do not write.
 */
#include "relay/x2go.h"

#include <errno.h>

#include "base/macros.h"
#include "tests/unit/test.h"

static struct x2go_path path;

static void leads_to(const char *text, enum x2go_frontend frontend)
{
	test_note("%s", text);
	CHECK(x2go_path_read(text, &path));
	CHECK_EQ(path.frontend, frontend);
	CHECK(path.backend_known);
}

static void is_unknown(const char *text)
{
	test_note("%s", text);
	CHECK(x2go_path_read(text, &path));
	CHECK(!path.backend_known);
}

static void is_none(const char *text)
{
	test_note("%s", text);
	CHECK(!x2go_path_read(text, &path));
	CHECK_EQ(path.frontend, X2GO_PLAIN); /* what it is if it is the broker's all the same */
	CHECK(path.backend_known);
	CHECK_STR(path.version, "");
}

TEST(paths)
{
	leads_to("/plain", X2GO_PLAIN);
	leads_to("/plain/", X2GO_PLAIN);
	leads_to("/plain/inifile", X2GO_PLAIN);
	leads_to("/plain/inifile/what/ever", X2GO_PLAIN);
	leads_to("/x2gobroker/plain/inifile", X2GO_PLAIN);
	leads_to("/json/", X2GO_JSON);
	leads_to("/json//inifile", X2GO_JSON);
	leads_to("/x2gobroker/json", X2GO_JSON);
	leads_to("/pubkeys/", X2GO_PUBKEYS);
	leads_to("/pubkeys/any", X2GO_PUBKEYS);
	leads_to("/uccs/inifile", X2GO_UCCS);
	CHECK_STR(path.version, "");
	leads_to("/uccs/inifile/api/4", X2GO_UCCS);
	CHECK_STR(path.version, "4");
	leads_to("/uccs/inifile/api/123456789", X2GO_UCCS);
	CHECK_STR(path.version, "1234567");
	leads_to("/plain/inifile/api/4", X2GO_PLAIN);
	CHECK_STR(path.version, "");
	is_unknown("/plain/zeroconf");
	is_unknown("/json/inifil");
	is_unknown("/json/inifiles");
	is_unknown("/uccs/INIFILE");
	is_unknown("/plain/api/4");
	is_none("/");
	is_none("");
	is_none("/plainer");
	is_none("/x2gobroker");
	is_none("/x2gobroker/");
	is_none("/x2gobrokers/plain/");
	is_none("/x2gobroker/x2gobroker/plain/");
	is_none("/jso");
	is_none("/JSON/");
	is_none("plain/");
}

static struct x2go_request q;
static struct x2go_secrets s;

static int read_form(const char *form)
{
	test_note("%.100s", form);
	q = (struct x2go_request){.frontend = X2GO_JSON};
	s = (struct x2go_secrets){0};
	return x2go_form_read(form, strlen(form), &q, &s);
}

TEST(forms_of_clients)
{
	CHECK_EQ(read_form("task=listsessions&user=bob&password=p%26%3D%2B%C3%A4%25%C3%9F%20x&"
	                   "authid="),
	         0);
	CHECK_EQ(q.task, X2GO_LIST);
	CHECK_EQ(q.frontend, X2GO_JSON);
	CHECK_STR(q.user, "bob");
	CHECK_STR(s.password, "p&=+\xc3\xa4%\xc3\x9f x");
	CHECK_STR(q.authid, "");
	CHECK_EQ(read_form("task=selectsession&sid=one&user=bob&password=&authid=0a1b&login=carol"),
	         0);
	CHECK_EQ(q.task, X2GO_SELECT);
	CHECK_STR(q.sid, "one");
	CHECK_STR(q.authid, "0a1b");
	CHECK_STR(q.login, "carol");
	CHECK_EQ(read_form("task=setpass&newpass=N&user=U&password=P&authid=A"), 0);
	CHECK_EQ(q.task, X2GO_SETPASS);
	CHECK_STR(s.new_password, "N");
	CHECK_STR(s.password, "P");
	CHECK_EQ(read_form("task=testcon"), 0);
	CHECK_EQ(q.task, X2GO_TESTCON);
	CHECK_EQ(
		read_form(
			"task=clientevent&user=u&password=p&sid=bob-50-1_stRxterm_dp24&event=ALIVE&"
			"server=srv&client=192.0.2.1&login=bob&cmd=xterm&display=50&"
			"start=20.11.26%2007%3A15%3A16&elapsed=17&version=4.1.2.4&os=linux&"
			"authid="),
		0);
	CHECK_EQ(q.task, X2GO_EVENT);
	CHECK_STR(q.event, "ALIVE");
	CHECK_STR(q.server, "srv");
	CHECK_STR(q.client, "192.0.2.1");
	CHECK_STR(q.command, "xterm");
	CHECK_STR(q.display, "50");
	CHECK_STR(q.start, "20.11.26 07:15:16");
	CHECK_EQ(q.elapsed_sec, 17);
	CHECK_STR(q.version, "4.1.2.4");
	CHECK_STR(q.os, "linux");
}

TEST(forms_of_python)
{
	CHECK_EQ(read_form("user=test&password=sweet"), 0);
	CHECK_EQ(q.task, X2GO_NONE);
	CHECK_EQ(read_form("task=listprofiles&user=test&authid=A"), 0);
	CHECK_EQ(q.task, X2GO_LIST);
	CHECK_STR(q.task_name, "listprofiles");
	CHECK_EQ(read_form("task=selectsession&profile-id=p1&user=test&pubkey=no-pty%2Cno-user-rc+"
	                   "ssh-rsa+"
	                   "AAAA+user%40127.0.0.1&authid=A"),
	         0);
	CHECK_STR(q.sid, "p1");
	CHECK_STR(q.pubkey, "no-pty,no-user-rc ssh-rsa AAAA user@127.0.0.1");
	CHECK_EQ(read_form("sid=a&profile-id=b"), 0);
	CHECK_STR(q.sid, "a");
}

TEST(odd_forms)
{
	CHECK_EQ(read_form(""), 0);
	CHECK_EQ(q.task, X2GO_NONE);
	CHECK_EQ(read_form("task=Listsessions"), 0);
	CHECK_EQ(q.task, X2GO_NONE);
	CHECK_EQ(read_form("&&unknown=%00&=x&task=testcon&"), 0);
	CHECK_EQ(q.task, X2GO_TESTCON);
	CHECK_EQ(read_form("elapsed=-1"), 0);
	CHECK_EQ(q.elapsed_sec, 0);
	CHECK_EQ(read_form("elapsed=+7"), 0); /* a blank */
	CHECK_EQ(q.elapsed_sec, 0);
	CHECK_EQ(read_form("elapsed=7x"), 0);
	CHECK_EQ(q.elapsed_sec, 7);
	CHECK_EQ(read_form("elapsed=99999999999999999999999"), 0);
	CHECK_EQ(q.elapsed_sec, UINT64_MAX);
}

TEST(refused_forms)
{
	static const char *const names[] = {"task",    "user",    "password", "newpass",   "authid",
	                                    "address", "sid",     "login",    "pubkey",    "event",
	                                    "server",  "client",  "cmd",      "display",   "start",
	                                    "elapsed", "version", "os",       "profile-id"};
	static const char *const values[] = {"a%0ab",  "%0d",  "%00", "%1b[2J", "%7f",
	                                     "%01",    "\x01", "%ff", "%c3",    "%ed%a0%80",
	                                     "%c0%80", "%",    "%4",  "%gg"};
	char form[4096], big[3000];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
			snprintf(form, sizeof(form), "%s=%s", names[i], values[k]);
			CHECK_EQ(read_form(form), -EBADMSG);
		}
		snprintf(form, sizeof(form), "%s=a&%s=a", names[i], names[i]);
		CHECK_EQ(read_form(form), -EBADMSG);
		memset(big, 'x', sizeof(big));
		big[sizeof(big) - 1] = '\0';
		snprintf(form, sizeof(form), "%s=%s", names[i], big);
		CHECK_EQ(read_form(form), -EMSGSIZE);
	}
}

/* The longest that fits, and one more. */
TEST(limits)
{
	char form[512];

	snprintf(form, sizeof(form), "user=%255d", 1);
	for (char *p = form; *p; p++)
		if (*p == ' ')
			*p = 'u';
	CHECK_EQ(read_form(form), 0);
	CHECK_EQ(strlen(q.user), sizeof(q.user) - 1);
	snprintf(form, sizeof(form), "user=%0256d", 1);
	CHECK_EQ(read_form(form), -EMSGSIZE);
}
