/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/hosts_rule.c - see auth/hosts_rule.h. Guard or checker; no system calls.
 */
#include "auth/hosts_rule.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 256
#define LINE_MAX_BYTES 8192

struct question {
	struct hosts_client *client; /* NULL: words are daemons */
	char *err;
};

__attribute__((format(printf, 2, 3))) static int fail(char *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, AUTH_ERROR_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ---- one pattern ---- */

/* "192.0.2.0/255.255.255.0" as "192.0.2.0/24". */
static bool prefix_of_mask(const char *word, char *ret, size_t size)
{
	const char *slash = strchr(word, '/');
	struct in_addr mask;
	uint32_t bits;
	int n;

	if (!slash || inet_pton(AF_INET, slash + 1, &mask) != 1)
		return false;
	bits = ntohl(mask.s_addr);
	n = __builtin_popcount(bits);
	if (n < 32 && bits << n != 0) /* ones after a zero */
		return false;
	snprintf(ret, size, "%.*s/%d", (int)(slash - word), word, n);
	return true;
}

/* "[2001:db8::]/32" without the brackets. */
static bool without_brackets(const char *word, char *ret, size_t size)
{
	const char *end = strchr(word, ']');

	if (word[0] != '[' || !end)
		return false;
	snprintf(ret, size, "%.*s%s", (int)(end - word - 1), word + 1, end + 1);
	return true;
}

static bool as_range(const char *word, struct netaddr_range *ret)
{
	char plain[WORD_MAX + 4];

	if (netaddr_parse_range(word, ret) == 0)
		return true;
	return (prefix_of_mask(word, plain, sizeof(plain)) ||
	        without_brackets(word, plain, sizeof(plain))) &&
	       netaddr_parse_range(plain, ret) == 0;
}

static bool in_range(const struct netaddr_range *range, const struct hosts_client *c)
{
	struct netaddr_list one = {.count = 1, .ranges[0] = *range};

	return netaddr_listed(&one, &c->net);
}

static bool is_only(const char *word, const char *letters)
{
	return word[strspn(word, letters)] == '\0';
}

/* An enum hosts_name; 0 too if it is not needed. */
static int find_name(const char *word, struct hosts_client *c, bool needed, const char **ret,
                     char *err)
{
	*ret = "";
	if (!c->name)
		return fail(err,
		            "'%.64s' needs the names of hosts: set dns=yes, or write addresses",
		            word);
	return needed ? c->name(c, ret, err) : 0;
}

static int match_name(const char *word, struct hosts_client *c, bool needed, char *err)
{
	const char *name;
	size_t n = strlen(word), len;
	int r = find_name(word, c, needed, &name, err);

	if (r != HOSTS_KNOWN)
		return r < 0 ? r : 0;
	len = strlen(name);
	if (word[0] == '.')
		return len > n && strcasecmp(name + len - n, word) == 0;
	return fnmatch(word, name, FNM_CASEFOLD) == 0;
}

static int match_wildcard(const char *word, struct hosts_client *c, bool needed, char *err)
{
	static const struct {
		const char *word;
		int name;
	} names[] = {
		{"KNOWN", HOSTS_KNOWN},
		{"UNKNOWN", HOSTS_UNKNOWN},
		{"PARANOID", HOSTS_PARANOID},
	};
	const char *name;

	if (strcmp(word, "ALL") == 0)
		return 1;
	if (strcmp(word, "LOCAL") == 0) {
		if (c->net.family == AF_UNIX || netaddr_loopback(&c->net))
			return 1;
		if (!c->name || !needed)
			return 0;
		int r = c->name(c, &name, err);

		return r < 0 ? r : r == HOSTS_KNOWN && !strchr(name, '.');
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(word, names[i].word) == 0) {
			int r = find_name(word, c, needed, &name, err);

			return r < 0 ? r : needed && r == names[i].name;
		}
	return -ENOENT;
}

static int match_client(const char *word, struct hosts_client *c, bool needed, char *err)
{
	struct netaddr_range range;
	size_t n = strlen(word);
	int r = match_wildcard(word, c, needed, err);

	if (r != -ENOENT)
		return r;
	if (as_range(word, &range))
		return in_range(&range, c);
	if (is_only(word, "0123456789.") && word[n - 1] == '.' && word[0] != '.')
		return c->net.family == AF_INET && strncmp(c->address, word, n) == 0;
	if (is_only(word, "0123456789.*?") && strpbrk(word, "*?"))
		return c->net.family == AF_INET && fnmatch(word, c->address, 0) == 0;
	if (is_only(word, "0123456789./"))
		return fail(err, "'%.64s' is no address or network", word);
	if (is_only(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*?"))
		return match_name(word, c, needed, err);
	return fail(err, "'%.64s' is nothing that xproxy knows of hosts_access(5)", word);
}

static int match_daemon(const char *word, char *err)
{
	static const char *const names[] = {"ALL", "xproxy", "xpra"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		if (strncmp(word, names[i], n) == 0 && word[n] == '@')
			return fail(err, "'%.64s': addresses of ours are not told apart", word);
		if (strcmp(word, names[i]) == 0)
			return 1;
	}
	return 0;
}

/* ---- lists ---- */

/* a EXCEPT b EXCEPT c is a EXCEPT (b EXCEPT c): what counts is in how many of these it is, from
 * the first on and until it is not. */
static int match_list(const char *p, const char *end, const struct question *q, bool needed)
{
	bool found = false, all = true;
	int depth = 0;

	for (;;) {
		char word[WORD_MAX];
		const char *start;
		bool last, except;
		int r = 0;

		while (p < end && strchr(" \t\r,", *p))
			p++;
		start = p;
		while (p < end && !strchr(" \t\r,", *p))
			p++;
		last = p == start;
		if ((size_t)(p - start) >= sizeof(word))
			return fail(q->err, "has a word of more than %d letters", WORD_MAX - 1);
		snprintf(word, sizeof(word), "%.*s", (int)(p - start), start);
		except = strcasecmp(word, "EXCEPT") == 0;
		if (last || except) {
			all = all && found;
			depth += all;
			found = false;
			if (last)
				return depth % 2;
			continue;
		}
		r = q->client ? match_client(word, q->client, needed && all && !found, q->err)
		              : match_daemon(word, q->err);
		if (r < 0)
			return r;
		found |= r;
	}
}

int hosts_list(const char *list, struct hosts_client *c, bool needed, char *err)
{
	const struct question q = {.client = c, .err = err};

	return match_list(list, list + strlen(list), &q, needed);
}

/* ---- files ---- */

/* The end of a part of a rule: a ':' that is not in brackets, or the end. */
static const char *part_end(const char *p, const char *end)
{
	int depth = 0;

	for (; p < end && (*p != ':' || depth > 0); p++)
		depth += *p == '[' ? 1 : *p == ']' && depth > 0 ? -1 : 0;
	return p;
}

/* What stands after the list of clients: ALLOW and DENY say what the rule is. */
static int read_options(const char *p, const char *end, enum hosts_answer match, char *err)
{
	while (p < end) {
		const char *stop = part_end(p, end);
		char word[32];

		while (p < stop && strchr(" \t\r", *p))
			p++;
		snprintf(word, sizeof(word), "%.*s", (int)(stop - p), p);
		word[strcspn(word, " \t\r")] = '\0';
		if (strcasecmp(word, "allow") == 0)
			match = HOSTS_ALLOW;
		else if (strcasecmp(word, "deny") == 0)
			match = HOSTS_DENY;
		else if (word[0])
			return fail(err,
			            "'%s': of the options of hosts_options(5) there are only ALLOW "
			            "and DENY here",
			            word);
		p = stop < end ? stop + 1 : end;
	}
	return (int)match;
}

static int read_rule(const char *p, const char *end, enum hosts_answer match,
                     struct hosts_client *c, bool needed, char *err)
{
	const struct question daemons = {.err = err}, clients = {.client = c, .err = err};
	const char *first = part_end(p, end), *second;
	int r, answer;

	if (p == end || *p == '#' || strspn(p, " \t\r") >= (size_t)(end - p))
		return HOSTS_SILENT;
	if (first == end)
		return fail(err, "has no ':' between daemons and clients");
	r = match_list(p, first, &daemons, true);
	if (r <= 0)
		return r;
	second = part_end(first + 1, end);
	r = match_list(first + 1, second, &clients, needed);
	if (r < 0)
		return r;
	answer = read_options(second < end ? second + 1 : end, end, match, err);
	return answer < 0 || r ? answer : HOSTS_SILENT;
}

int hosts_rules(const char *text, size_t len, const char *name, enum hosts_answer match,
                struct hosts_client *c, bool needed, char *err)
{
	const char *end = text + len;
	int answer = HOSTS_SILENT;

	for (size_t number = 1; text < end;) {
		char line[LINE_MAX_BYTES], why[AUTH_ERROR_MAX];
		size_t n = 0, first = number;
		bool more = true;
		int r;

		while (more && text < end) { /* a backslash at the end of a line joins the next */
			const char *stop = memchr(text, '\n', (size_t)(end - text));
			size_t k = (size_t)((stop ? stop : end) - text);

			if (k > sizeof(line) - 1 - n || memchr(text, '\0', k))
				return fail(err, "%.100s:%zu: is too long, or has a NUL byte",
				            auth_path_tail(name), number);
			memcpy(line + n, text, k);
			n += k;
			text = stop ? stop + 1 : end;
			number++;
			more = n > 0 && line[n - 1] == '\\';
			n -= more;
		}
		line[n] = '\0';
		r = read_rule(line, line + n, match, c, needed && answer == HOSTS_SILENT, why);
		if (r < 0) {
			snprintf(err, AUTH_ERROR_MAX, "%s:%zu: %.130s", auth_path_tail(name), first,
			         why);
			return r;
		}
		if (answer == HOSTS_SILENT)
			answer = r;
	}
	return answer;
}
