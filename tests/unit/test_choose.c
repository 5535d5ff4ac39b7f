/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which session a client gets, and xpra's words when it gets none. Links session/choose.c, uri.c.
 */
#include "session/choose.h"

#include "tests/unit/test.h"

#include <errno.h>

static struct uri list[64];
static size_t count, chosen;
static struct rpc_refused refused;

static void sessions(const char *text)
{
	char copy[4096], err[URI_TEXT_MAX], *rest = copy, *one;

	snprintf(copy, sizeof(copy), "%s", text);
	count = 0;
	while ((one = strsep(&rest, ",")) != NULL)
		if (*one)
			CHECK_EQ(uri_parse(one, &list[count++], err), 0);
}

static int choose(const char *display, const char *name)
{
	struct rpc_session wish = {0};

	test_note("display '%s', name '%s'", display, name);
	snprintf(wish.display, sizeof(wish.display), "%s", display);
	snprintf(wish.name, sizeof(wish.name), "%s", name);
	chosen = 99;
	refused = (struct rpc_refused){0};
	return choose_session(list, count, &wish, &chosen, &refused);
}

static void gets(const char *display, const char *name, size_t index)
{
	CHECK_EQ(choose(display, name), 0);
	CHECK_EQ(chosen, index);
}

static void is_refused(const char *display, const char *name, const char *text)
{
	CHECK_EQ(choose(display, name), -ENOENT);
	CHECK_EQ(chosen, 99);
	CHECK_STR(refused.reason, "session not found error");
	CHECK_STR(refused.text, text);
	CHECK_EQ(refused.exit_code, 6);
}

TEST(one)
{
	sessions(":10");
	gets("", "", 0);
	gets("10", "", 0);
	gets(":10", "", 0);
	is_refused("11", "", "display '11' not found");
	is_refused("", "desk", "display 'desk' not found");
	is_refused(":proxy-5", "", "invalid display: proxy display");
	is_refused("proxy-5", "", "invalid display: proxy display");
	is_refused("/run/x/host-proxy-5", "", "invalid display: proxy display");
}

TEST(several)
{
	sessions(":10,desk=tcp://bob:secret@h:1/,socket:///run/x");
	is_refused(
		"", "",
		"please specify a display, more than one is available: :10, desk, socket:///run/x");
	gets("desk", "", 1);
	gets("", "desk", 1);
	gets("tcp://h:1/", "", 1);
	gets("/run/x", "", 2);
	gets("10", "desk", 0); /* the display counts first */
	is_refused("12", "desk", "display '12' not found");
}

TEST(none)
{
	sessions("");
	is_refused("", "", "no displays found");
	is_refused("10", "", "no displays found");
	sessions(":proxy-12,/run/h-proxy-34");
	is_refused("", "", "no displays found");
	is_refused(":proxy-12", "", "no displays found");
}

TEST(proxies_are_left_out)
{
	sessions(":proxy-12,:10,p=/run/xpra/host-proxy-34");
	gets("", "", 1);
	is_refused("p", "", "display 'p' not found");
	is_refused("proxy-12", "", "invalid display: proxy display");
	sessions(":proxy-1,:2,:3");
	is_refused("", "", "please specify a display, more than one is available: :2, :3");
	sessions("/run/my-proxy-server");
	gets("", "", 0);
}

TEST(long_list_is_cut)
{
	char text[4096] = "";

	for (int i = 0; i < 60; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		         "tcp://host%d.example:14500,", i);
	sessions(text);
	CHECK_EQ(choose("", ""), -ENOENT);
	CHECK(strlen(refused.text) < sizeof(refused.text));
	CHECK_STR(refused.text + strlen(refused.text) - 5, ", ...");
}

TEST(long_wish)
{
	char wish[RPC_NAME_MAX];

	sessions(":10");
	memset(wish, 'x', sizeof(wish));
	wish[sizeof(wish) - 1] = '\0';
	CHECK_EQ(choose(wish, ""), -ENOENT);
	CHECK(strlen(refused.text) > 200);
}
