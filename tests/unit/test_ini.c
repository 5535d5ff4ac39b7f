/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * INI files: what configparser makes of the same text is tests/system/test_profiles.py's business.
 */
#include "broker/ini.h"

#include "tests/unit/test.h"

#include <errno.h>

static char seen[4096];
static struct ini_error error;
static int stop_at;

static int take(void *data, const struct ini_entry *entry, struct ini_error *e)
{
	size_t n = strlen(seen);

	CHECK_EQ(e->line, entry->line);
	CHECK(data == seen);
	if (stop_at > 0 && --stop_at == 0) {
		snprintf(e->text, sizeof(e->text), "stopped");
		return -EXDEV;
	}
	if (entry->key)
		snprintf(seen + n, sizeof(seen) - n, "%u %s|%s|%s;", entry->line, entry->section,
		         entry->key, entry->value);
	else
		snprintf(seen + n, sizeof(seen) - n, "%u [%s];", entry->line, entry->section);
	return 0;
}

static int read_len(const char *text, size_t len)
{
	char *copy = malloc(len + 1); /* exact, for ASan */
	int r;

	seen[0] = '\0';
	memcpy(copy, text, len);
	copy[len] = 'x';
	r = ini_read(copy, len, take, seen, &error);
	free(copy);
	return r;
}

static void is(const char *text, const char *expected)
{
	test_note("%.100s", text);
	CHECK_EQ(read_len(text, strlen(text)), 0);
	CHECK_STR(seen, expected);
}

static void refused(const char *text, unsigned line, const char *why)
{
	test_note("%.100s", text);
	CHECK_EQ(read_len(text, strlen(text)), -EBADMSG);
	CHECK_EQ(error.line, line);
	if (!strstr(error.text, why))
		CHECK_STR(error.text, why);
}

TEST(assignments)
{
	is("", "");
	is("\n \n# nothing\n;[nothing]\n", "");
	is("[a]", "1 [a];");
	is("[a]\nk=v", "1 [a];2 a|k|v;");
	is("[a]\nk = v \t\n", "1 [a];2 a|k|v;");
	is("[a]\n\t k \t:\t v w\n", "1 [a];2 a|k|v w;");
	is("[a]\nk=\nl=x\n", "1 [a];2 a|k|;3 a|l|x;");
	is("[a]\nk=a=b:c # d ; e\n", "1 [a];2 a|k|a=b:c # d ; e;");
	is("[a]\nk:a=b\n", "1 [a];2 a|k|a=b;");
	is("[a]\nk l = v\n", "1 [a];2 a|k l|v;");
	is("[a]\nk=v\n[b]\nk=w\n[a]\n", "1 [a];2 a|k|v;3 [b];4 b|k|w;5 [a];");
	is("[a]\nK=\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n",
	   "1 [a];2 a|K|\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80;");
}

TEST(ends_of_lines)
{
	is("[a]\r\nk=v\r\n\r\nl=w\r\n", "1 [a];2 a|k|v;4 a|l|w;");
	is("[a]\rk=v\r\rl=w\r", "1 [a];2 a|k|v;4 a|l|w;");
	is("[a]\rk=v\n\rl=w", "1 [a];2 a|k|v;4 a|l|w;");
}

TEST(headers)
{
	is("[a] # b", "1 [a];");
	is("[a] [b]", "1 [a] [b];");
	is("[[a]]", "1 [[a]];");
	is("[ a ]", "1 [ a ];");
	is("  [a]\n k=v", "1 [a];2 a|k|v;");
	is("[a]\n[]=v", "1 [a];2 a|[]|v;");
	is("[a]\n[b=v", "1 [a];2 a|[b|v;");
	refused("[]", 1, "before the first");
	refused("[a]\n[b\n", 2, "neither");
}

TEST(values_of_several_lines)
{
	is("[a]\nk=v\n w\n\tx\nl=y", "1 [a];2 a|k|v\nw\nx;5 a|l|y;");
	is("[a]\nk=\n v,\n w", "1 [a];2 a|k|\nv,\nw;");
	is("[a]\nk=v\n\n \n w\n\n\nl=x\n", "1 [a];2 a|k|v\n\n\nw;8 a|l|x;");
	is("[a]\nk=v\n# no\n ; no\n w", "1 [a];2 a|k|v\nw;");
	is("[a]\nk=v\n [b]\n c=d\n", "1 [a];2 a|k|v\n[b]\nc=d;");
	is("[a]\n  k=v\n  l=w\n k=x\n  y\n", "1 [a];2 a|k|v;3 a|l|w;4 a|k|x\ny;");
	is("[a]\r\nk=v\r\n\r\n w", "1 [a];2 a|k|v\n\nw;");
	is("[a]\n  [b]\n   k=v", "1 [a];2 [b];3 b|k|v;");
}

TEST(refused)
{
	refused("k=v", 1, "before the first");
	refused("# x\n\nk=v\n[a]", 3, "before the first");
	refused("[a]\nk", 2, "neither");
	refused("[a]\n=v", 2, "no key");
}

TEST(text)
{
	refused("[a]\nk=\x01", 2, "control");
	refused("[a]\n#\x7f", 2, "control");
	refused("[a]\n\nk=\xc3", 3, "UTF-8");
	CHECK_EQ(read_len("[a]\nk=\0v", 8), -EBADMSG);
	CHECK_EQ(error.line, 2);
}

TEST(the_taker_says_no)
{
	for (int i = 1; i <= 4; i++) {
		static const unsigned lines[] = {1, 2, 4, 5};

		stop_at = i;
		CHECK_EQ(read_len("[a]\nk=v\n w\n[b]\nl=w\n\n", 20), -EXDEV);
		CHECK_EQ(error.line, lines[i - 1]);
		CHECK_STR(error.text, "stopped");
	}
	stop_at = 0;
}

static void no_crash(const uint8_t *data, size_t len)
{
	read_len((const char *)data, len);
}

TEST(anything)
{
	static const char text[] =
		"[DEFAULT]\r\nk = v\n\n  [x]\n# c\nhost: a (b:22),\n\tc\n[\xc3\xa4]\n";

	test_mutate(text, sizeof(text) - 1, no_crash);
}
