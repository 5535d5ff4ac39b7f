/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/acl.c - who may have a profile. In xproxy-x2gobroker, without privilege.
 * System calls: those of the name service switch.
 */
#include "broker/acl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <strings.h>

#include "base/macros.h"
#include "broker/profile.h"

#define GROUPS_MAX 4096
#define CLIENT_MAX 96 /* an address and its mask */

/* ---- clients ---- */

/* "/24", "/255.255.255.0" of IPv4; negative: neither. */
static int parse_bits(const char *text, int max)
{
	struct in_addr mask;
	uint32_t rest;
	int bits = 0;

	if (max == 32 && strchr(text, '.') && inet_pton(AF_INET, text, &mask) == 1) {
		rest = ~ntohl(mask.s_addr);
		return (rest & (rest + 1)) != 0 ? -EINVAL : 32 - __builtin_popcount(rest);
	}
	for (; *text >= '0' && *text <= '9' && bits <= max; text++)
		bits = bits * 10 + *text - '0';
	return *text || bits > max ? -EINVAL : bits;
}

/* As netaddr_parse_range(), but bits behind the prefix do not matter, as in x2gobroker. */
static int parse_client(const char *text, size_t len, struct netaddr_range *ret)
{
	char address[CLIENT_MAX], *slash;
	int max, bits;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	slash = strchr(address, '/');
	if (slash)
		*slash++ = '\0';
	max = strchr(address, ':') ? 128 : 32;
	if (strcmp(address, "unix") == 0 || netaddr_parse_range(address, ret) < 0)
		return -EINVAL;
	if (!slash)
		return 0;
	bits = *slash ? parse_bits(slash, max) : -EINVAL;
	if (bits >= 0 && ret->bits < max && max == 128) /* it was IPv4 in IPv6 */
		bits -= 96;
	ret->bits = (uint8_t)bits;
	return bits < 0 ? -EINVAL : 0;
}

static bool is_all(const char *text, size_t len)
{
	return len == 3 && memcmp(text, "ALL", 3) == 0;
}

bool acl_is_client(const char *text, size_t len)
{
	struct netaddr_range range;

	return is_all(text, len) || parse_client(text, len, &range) == 0;
}

static bool is_client(const struct visitor *v, const char *text, size_t len)
{
	struct netaddr_list list = {.count = 1};

	return parse_client(text, len, &list.ranges[0]) == 0 && netaddr_listed(&list, &v->address);
}

/* ---- users and groups ---- */

static bool is_user(const struct visitor *v, const char *text, size_t len)
{
	return strlen(v->user) == len && memcmp(v->user, text, len) == 0;
}

static bool is_group(const struct visitor *v, const char *text, size_t len)
{
	for (size_t i = 0; i < v->groups_count; i++)
		if (strlen(v->groups[i]) == len && memcmp(v->groups[i], text, len) == 0)
			return true;
	return false;
}

static int name_groups(const gid_t *ids, int n, gid_t none, struct visitor *v)
{
	v->groups = calloc((size_t)n, sizeof(v->groups[0]));
	if (!v->groups)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		const struct group *g = ids[i] == none ? NULL : getgrgid(ids[i]);
		char *name;

		if (!g)
			continue;
		name = strdup(g->gr_name);
		if (!name)
			return -ENOMEM;
		v->groups[v->groups_count++] = name;
	}
	return 0;
}

int acl_visitor(const char *user, const char *address, bool ignore_primary, struct visitor *ret)
{
	const gid_t none = (gid_t)-1; /* the one that getgrouplist() is to add */
	const struct passwd *pw = ignore_primary ? NULL : getpwnam(user);
	_cleanup_free_ gid_t *ids = calloc(GROUPS_MAX, sizeof(ids[0]));
	size_t len = strcspn(address, "%"); /* the zone of a link-local one */
	struct netaddr_range range;
	int n = GROUPS_MAX, r;

	*ret = (struct visitor){.user = user};
	if (parse_client(address, len, &range) == 0)
		ret->address = range.first;
	if (!ids)
		return -ENOMEM;
	if (getgrouplist(user, pw ? pw->pw_gid : none, ids, &n) < 0)
		return -E2BIG;
	r = name_groups(ids, n, none, ret);
	if (r < 0)
		acl_leave(ret);
	return r;
}

void acl_leave(struct visitor *v)
{
	for (size_t i = 0; i < v->groups_count; i++)
		free(v->groups[i]);
	free(v->groups);
	*v = (struct visitor){.groups = NULL};
}

/* ---- lists ---- */

enum opinion {
	SAYS_NOTHING,
	ALLOWED,
	DENIED,
};

typedef bool acl_match(const struct visitor *v, const char *text, size_t len);

/* What acl-WHAT-HOW says. */
static const char *get(const struct profile *p, const char *what, const char *how)
{
	char key[32];
	const char *value;

	snprintf(key, sizeof(key), "acl-%s-%s", what, how);
	value = profile_get(p, key);
	return value ? value : "";
}

static bool listed(const char *list, const struct visitor *v, acl_match *match)
{
	size_t len;

	for (const char *p; (p = profile_element(&list, &len));)
		if (is_all(p, len) || match(v, p, len))
			return true;
	return false;
}

/* Whether the two lists are there at all; then also what they say. */
static bool ask(const struct profile *p, const char *what, const struct visitor *v,
                acl_match *match, enum opinion *ret)
{
	const char *allow = get(p, what, "allow"), *deny = get(p, what, "deny"),
		   *order = get(p, what, "order");
	bool allowed = listed(allow, v, match), denied = listed(deny, v, match);

	if (*order == '\0')
		order = get(p, "any", "order");
	*ret = allowed && (!denied || strcasecmp(order, "allow-deny") == 0) ? ALLOWED
	       : denied                                                     ? DENIED
	                                                                    : SAYS_NOTHING;
	return *allow || *deny;
}

bool acl_allows(const struct profile *p, const struct visitor *v)
{
	enum opinion client, user, group;
	bool users, groups;

	if (ask(p, "clients", v, is_client, &client) && client != ALLOWED)
		return false;
	users = ask(p, "users", v, is_user, &user);
	groups = ask(p, "groups", v, is_group, &group);
	if (!users && !groups)
		return true;
	return user == ALLOWED || (user != DENIED && group == ALLOWED);
}
