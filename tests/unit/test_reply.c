/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/reply.c: every byte of each kind of answer, as x2goclient and python-x2go read it.
 */
#include "broker/reply.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/unit/test.h"

#define AUTHID "0123abcd"
#define PEM "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
#define SESSION "12|bob-50-1_stRxterm_dp24|50|127.0.0.1|S|t|c|192.0.2.1|1|2\n"
#define HEAD(status, type)                                                                 \
	"HTTP/1.1 " status "\r\nContent-Type: " type "; charset=utf-8\r\nContent-Length: " \
	"%zu\r\nCache-Control: no-store\r\nX-Content-Type-Options: "                       \
	"nosniff\r\nConnection: close\r\n\r\n"

static struct x2go_start start;
static struct choice choice;
static struct reply reply;
static char *got;

static void prepare(enum x2go_frontend frontend, enum x2go_task task)
{
	start = (struct x2go_start){.request = {.frontend = frontend, .task = task}};
	snprintf(start.request.task_name, sizeof(start.request.task_name), "%s",
	         task == X2GO_LIST     ? "listprofiles"
	         : task == X2GO_SELECT ? "selectsession"
	                               : "");
	choice = (struct choice){.host = {.name = "srv", .address = "127.0.0.1", .port = 2202},
	                         .available = true};
	reply = (struct reply){.start = &start,
	                       .user = "bob",
	                       .authid = AUTHID,
	                       .choice = &choice,
	                       .pem = "",
	                       .order = "",
	                       .pubkeys = ""};
}

static void write_it(const char *list)
{
	size_t len = 0;
	FILE *f;

	free(got);
	got = NULL;
	f = open_memstream(&got, &len);
	CHECK_EQ(reply_write(&reply, list, f), 0);
	CHECK(fclose(f) == 0);
	CHECK_EQ(strlen(got), len);
}

/* All of it. */
static void says(const char *list, const char *format, const char *body)
{
	char *expected = NULL;

	write_it(list);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	CHECK(asprintf(&expected, format, strlen(body)) > 0);
#pragma GCC diagnostic pop
	CHECK(strlen(got) == strlen(expected) + strlen(body));
	CHECK(strncmp(got, expected, strlen(expected)) == 0);
	CHECK_STR(got + strlen(expected), body);
	free(expected);
}

static void says_plain(const char *list, const char *body)
{
	says(list, HEAD("200 OK", "text/plain"), body);
}

static void says_json(const char *status, const char *body)
{
	says("", status, body);
}

#define OK_JSON HEAD("200 OK", "text/json")

TEST(plain_list)
{
	prepare(X2GO_PLAIN, X2GO_LIST);
	says_plain("[one]\nname=\"One\"\n\n",
	           "AUTHID:" AUTHID
	           "\nAccess granted\nSTART_USER_SESSIONS\n\n[one]\nname=\"One\"\n\n\n"
	           "END_USER_SESSIONS\n");
	says_plain("", "AUTHID:" AUTHID "\nAccess granted\nSTART_USER_SESSIONS\n\n\n"
	               "END_USER_SESSIONS\n");
	start.setup.live_event_usec = 5 * USEC_PER_SEC;
	reply.authid = "";
	says_plain("", "Access granted\nSTART_CLIENT_CONFIG\nevents=true\nliveevent=5\n"
	               "END_CLIENT_CONFIG\nSTART_USER_SESSIONS\n\n\nEND_USER_SESSIONS\n");
}

/* "SERVER:" is never first, and what there is of sessions is last. */
TEST(plain_select)
{
	prepare(X2GO_PLAIN, X2GO_SELECT);
	says_plain("", "AUTHID:" AUTHID "\nAccess granted\nSERVER:127.0.0.1:2202\n");
	reply.authid = "";
	choice.sessions = (char[]){""};
	says_plain("", "Access granted\nSERVER:127.0.0.1:2202\n");
	reply.authid = AUTHID;
	reply.pem = PEM;
	says_plain("", "AUTHID:" AUTHID "\nAccess granted\nSERVER:127.0.0.1:2202\n" PEM);
	choice.sessions = (char[]){SESSION SESSION};
	says_plain("", "AUTHID:" AUTHID "\nAccess granted\nSERVER:127.0.0.1:2202\n" PEM
	               "SESSION_INFO:" SESSION SESSION);
	CHECK(!strchr(strstr(got, "\r\n\r\n") + 4, '\r'));
}

TEST(plain_denied)
{
	for (int task = X2GO_NONE; task < X2GO_TASK_MAX_; task++) {
		prepare(X2GO_PLAIN, (enum x2go_task)task);
		reply.denied = true;
		reply.choice = NULL;
		reply.pem = PEM;
		says_plain("[secret]\n", "AUTHID:" AUTHID "\nAccess denied\n");
	}
	reply.authid = "";
	says_plain("", "Access denied\n");
}

TEST(plain_rest)
{
	char text[33000];

	prepare(X2GO_PLAIN, X2GO_NONE);
	says_plain("", "AUTHID:" AUTHID "\nAccess granted\n");
	prepare(X2GO_PLAIN, X2GO_SETPASS);
	says_plain("", "AUTHID:" AUTHID "\nAccess granted\nPASSWORD CHANGED: FAILED\n");
	reply.password_changed = true;
	says_plain("", "AUTHID:" AUTHID "\nAccess granted\nPASSWORD CHANGED: OK\n");
	prepare(X2GO_PLAIN, X2GO_EVENT);
	says_plain("", "AUTHID:" AUTHID "\nAccess granted\n");
	reply.order = "SUSPEND bob-50-1_stRxterm_dp24";
	says_plain("", "AUTHID:" AUTHID "\nAccess granted\nSUSPEND bob-50-1_stRxterm_dp24\n");
	prepare(X2GO_PLAIN, X2GO_TESTCON);
	reply.authid = "";
	snprintf(text, sizeof(text), "Access granted\nOK\n%32768s\n", "");
	says_plain("", text);
}

TEST(json_list)
{
	static const char body[] =
		"{\"auth-status\":\"Access granted\",\"next-authid\":\"" AUTHID "\","
		"\"profiles\":{\"one\":{\"host\":[\"h\"],\"rootless\":true}},"
		"\"task\":\"listprofiles\"}\n";

	prepare(X2GO_JSON, X2GO_LIST);
	reply.profiles = json_pack("{s:{s:b, s:[s]}}", "one", "rootless", 1, "host", "h");
	says_json(OK_JSON, body);
	says_json(OK_JSON, body); /* they are still ours */
	json_decref(reply.profiles);
}

TEST(json_select)
{
	prepare(X2GO_JSON, X2GO_SELECT);
	reply.authid = "";
	says_json(OK_JSON, "{\"auth-status\":\"Access granted\",\"selected_session\":{\"port\":"
	                   "\"2202\",\"server\":\"127.0.0.1\"},\"task\":\"selectsession\"}\n");
	reply.key_taken = true;
	choice.sessions = (char[]){""};
	says_json(OK_JSON, "{\"auth-status\":\"Access granted\",\"selected_session\":{"
	                   "\"authentication_pubkey\":\"ACCEPTED\",\"port\":\"2202\",\"server\":"
	                   "\"127.0.0.1\"},\"task\":\"selectsession\"}\n");
	reply.key_taken = false;
	reply.pem = "K\n";
	choice.sessions = (char[]){SESSION};
	says_json(OK_JSON,
	          "{\"auth-status\":\"Access granted\",\"selected_session\":{\"key\":\"K\\n\","
	          "\"port\":\"2202\",\"server\":\"127.0.0.1\",\"session_info\":"
	          "\"12|bob-50-1_stRxterm_dp24|50|127.0.0.1|S|t|c|192.0.2.1|1|2\\n\"},"
	          "\"task\":\"selectsession\"}\n");
}

TEST(json_rest)
{
	prepare(X2GO_JSON, X2GO_NONE);
	says_json(OK_JSON, "{\"auth-status\":\"Access granted\",\"next-authid\":\"" AUTHID
	                   "\",\"task\":\"\"}\n");
	snprintf(start.request.task_name, sizeof(start.request.task_name), "\"\\</x>\xc3\xa4");
	reply.authid = "";
	says_json(OK_JSON,
	          "{\"auth-status\":\"Access granted\",\"task\":\"\\\"\\\\</x>\xc3\xa4\"}\n");
	prepare(X2GO_JSON, X2GO_SETPASS);
	reply.authid = "";
	says_json(OK_JSON, "{\"auth-status\":\"Access granted\",\"password-changed\":false,"
	                   "\"task\":\"\"}\n");
	prepare(X2GO_JSON, X2GO_EVENT);
	reply.authid = "";
	says_json(OK_JSON, "{\"auth-status\":\"Access granted\",\"task\":\"\"}\n");
	reply.order = "TERMINATE x";
	says_json(OK_JSON, "{\"auth-status\":\"Access granted\",\"order\":\"TERMINATE x\","
	                   "\"task\":\"\"}\n");
}

/* python-x2go looks at the status. */
TEST(json_denied)
{
	prepare(X2GO_JSON, X2GO_SELECT);
	reply.denied = true;
	reply.choice = NULL;
	says_json(HEAD("403 Forbidden", "text/json"),
	          "{\"auth-status\":\"Access denied\",\"next-authid\":\"" AUTHID
	          "\",\"task\":\"selectsession\"}\n");
}

TEST(others)
{
	prepare(X2GO_PUBKEYS, X2GO_NONE);
	reply.authid = "";
	says_plain("", "");
	reply.pubkeys = "command=\"/x\",restrict ssh-ed25519 AAAA b\n";
	says_plain("", reply.pubkeys);
	prepare(X2GO_UCCS, X2GO_LIST);
	reply.profiles = json_pack("{s:s}", "Name", "xproxy");
	says_json(OK_JSON, "{\"Name\":\"xproxy\"}\n");
	json_decref(reply.profiles);
	free(got);
	got = NULL;
}

/* No answer at all rather than half of one. */
TEST(no_utf8)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	prepare(X2GO_JSON, X2GO_NONE);
	start.request.task_name[0] = '\xff';
	CHECK_EQ(reply_write(&reply, "", f), -ENOMEM);
	CHECK(fclose(f) == 0 && len == 0);
	free(text);
}
