/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What ssh clients ask to be run: as xpra 3.1.3, 5.0.9 and 6.5.3 write it, and everything else.
 * Links base/sshcommand.c.
 */
#include "base/sshcommand.h"

#include "tests/unit/test.h"

static struct sshcommand read_command(const char *text)
{
	struct sshcommand c;

	test_note("%.80s", text ? text : "(none)");
	memset(&c, 0xee, sizeof(c));
	sshcommand_parse(text, &c);
	return c;
}

static void attaches(const char *text, const char *display)
{
	struct sshcommand c = read_command(text);

	CHECK_EQ(c.kind, SSHCOMMAND_ATTACH);
	CHECK_STR(c.display, display);
}

static void is(const char *text, enum sshcommand_kind kind)
{
	struct sshcommand c = read_command(text);

	CHECK_EQ(c.kind, kind);
	CHECK_STR(c.display, "");
}

/* The script of 3.1.3 (ssh as a program), with any subcommand. */
#define SCRIPT_3(what)                                                                       \
	"sh -c 'xpra initenv;if [ -x $XDG_RUNTIME_DIR/xpra/run-xpra ]; then "                \
	"$XDG_RUNTIME_DIR/xpra/run-xpra " what ";elif which \"xpra\" > /dev/null 2>&1; then" \
	" xpra " what ";elif [ -x /usr/local/bin/xpra ]; then /usr/local/bin/xpra " what     \
	";elif [ -x ~/.xpra/run-xpra ]; then ~/.xpra/run-xpra " what                         \
	";else echo \"no run-xpra command found\"; exit 1; fi'"
/* Those of 5.0.9 and 6.5.3. */
#define SCRIPT_5(what)                                                                         \
	"sh -c 'xpra initenv;if command -v \"xpra\" > /dev/null 2>&1; then xpra " what ";elif" \
	" [ -x $XDG_RUNTIME_DIR/xpra/run-xpra ]; then $XDG_RUNTIME_DIR/xpra/run-xpra " what    \
	";else echo \"no run-xpra command found\"; exit 1; fi'"
#define SCRIPT_6(what)                                                                         \
	"sh -c 'if command -v \"xpra\" > /dev/null 2>&1; then xpra " what ";elif [ -x "        \
	"$XDG_RUNTIME_DIR/xpra/run-xpra ]; then $XDG_RUNTIME_DIR/xpra/run-xpra " what ";elif " \
	"[ -x Xpra_cmd.exe ]; then Xpra_cmd.exe " what                                         \
	";else echo \"no xpra command found\"; exit 1; fi'"

TEST(scripts_of_clients)
{
	attaches(SCRIPT_3("_proxy \":10\""), ":10");
	attaches(SCRIPT_3("_proxy \":10.1\""), ":10.1");
	attaches(SCRIPT_3("_proxy"), "");
	attaches(SCRIPT_3("_proxy \"work\" --socket-dir=/tmp/x"), "work");
	attaches(SCRIPT_5("_proxy \":10\""), ":10");
	attaches(SCRIPT_5("_proxy \"--env=SSH_AGENT_UUID=0a1b\" \":10\""), ":10");
	attaches(SCRIPT_6("_proxy \":10\""), ":10");
	is(SCRIPT_3("_proxy_start \":10\" \"--start=xterm\""), SSHCOMMAND_START);
	is(SCRIPT_5("_proxy_start_desktop"), SSHCOMMAND_START);
	is(SCRIPT_6("_proxy_shadow_start"), SSHCOMMAND_START);
}

TEST(commands_of_clients)
{
	attaches("xpra _proxy", "");
	attaches("xpra _proxy :10", ":10");
	attaches("~/.xpra/run-xpra _proxy \":10\"", ":10");
	attaches("\"xpra\" \"_proxy\" \"--socket-dir=/x\" \":10\"", ":10");
	attaches("\"/usr/local/my programs/xpra\" _proxy 10", "10");
	is("xpra _proxy_start", SSHCOMMAND_START);
	is("\"xpra\" \"_proxy_shadow_start\"", SSHCOMMAND_START);
	is("which $XDG_RUNTIME_DIR/xpra/run-xpra", SSHCOMMAND_FIND);
	is("command -v xpra", SSHCOMMAND_FIND);
	is("command", SSHCOMMAND_PROBE);
	is("echo %OS%", SSHCOMMAND_PROBE);
	is("echo $OSTYPE", SSHCOMMAND_PROBE);
}

TEST(none)
{
	attaches(NULL, "");
	attaches("", "");
	attaches(" \n ", "");
	attaches("/usr/libexec/xproxy-conn --ssh", ""); /* Subsystem= below ForceCommand= */
	attaches("xproxy-conn --ssh :10", "");
}

TEST(others)
{
	static const char *const commands[] = {
		"bash",
		"bash -i",
		"sh",
		"sh -c",
		"sh -c ''x",
		"xpra",
		"xpra list",
		"xpra start :10",
		"xpra -d all _proxy :10",
		"_proxy :10",
		"scp -t /tmp",
		"internal-sftp",
		"which xpra; id",
		"id; which xpra",
		"sh -c 'sh -c \"xpra _proxy :1\"'",
		"sh -c id",
		"xpra _proxy ':1",
		"xpra _proxy \":1",
		"'",
		"xpra _proxy a b",
		"xpra _proxy ':1\n:2'",
		"xpra _proxy \"\x1b[2J\"",
		"xpra _proxy '\x7f'",
		"xpra _proxyx",
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		is(commands[i], SSHCOMMAND_OTHER);
}

/* Nothing is expanded: what looks like a command is a display that nobody has. */
TEST(nothing_is_expanded)
{
	attaches("xpra _proxy $DISPLAY", "$DISPLAY");
	attaches("xpra _proxy '`id`'", "`id`");
	attaches("xpra _proxy \"$(id)\"", "$(id)");
	attaches("xpra _proxy $(id)", "$");
	attaches("xpra _proxy \"a\\\"b\\$c\\`d\\\\e\\f\"", "a\"b$c`d\\e\\f");
	attaches("xpra _proxy a\\ b", "a b");
	attaches("xpra _proxy 'a\\b'", "a\\b");
	attaches("xpra _proxy :1; rm -rf /", ":1");
	attaches("xpra _proxy :1&& id", ":1");
	attaches("id; xpra _proxy :1", ":1");
	attaches("xpra _proxy \"\" :1", ":1");
}

TEST(limits)
{
	char text[SSHCOMMAND_MAX + 64], display[256];

	memset(display, 'd', sizeof(display));
	display[sizeof(display) - 1] = '\0';
	snprintf(text, sizeof(text), "xpra _proxy %s", display);
	attaches(text, display);
	snprintf(text, sizeof(text), "xpra _proxy %sx", display);
	is(text, SSHCOMMAND_OTHER);

	memset(text, ' ', sizeof(text));
	memcpy(text, "xpra _proxy :1", 14);
	text[SSHCOMMAND_MAX - 1] = '\0';
	attaches(text, ":1");
	text[SSHCOMMAND_MAX - 1] = ' ';
	text[SSHCOMMAND_MAX] = '\0';
	is(text, SSHCOMMAND_OTHER);
	memset(text, 'x', SSHCOMMAND_MAX - 1);
	text[SSHCOMMAND_MAX - 1] = '\0';
	is(text, SSHCOMMAND_OTHER);
	memcpy(text, "sh -c ", 6);
	is(text, SSHCOMMAND_OTHER);
}
