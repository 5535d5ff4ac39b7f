/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/profile_keys.c - what is known of the keys of a profile, and whether a value can be one of
 * theirs. In xproxy-x2gobroker, without privilege; pure, no system calls.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <strings.h>

#include "base/macros.h"
#include "broker/acl.h"
#include "broker/profile_private.h"

#define TEXT PROFILE_TEXT
#define FLAG PROFILE_FLAG
#define NUMBER PROFILE_NUMBER
#define LIST PROFILE_LIST

/* Fallbacks are x2gobroker's; python-x2go knows those marked. */
const struct profile_key profile_keys[] = {
	{"acl-any-order", TEXT, "deny-allow", false},
	{"acl-clients-allow", LIST, NULL, false},
	{"acl-clients-deny", LIST, NULL, false},
	{"acl-clients-order", TEXT, NULL, false},
	{"acl-groups-allow", LIST, NULL, false},
	{"acl-groups-deny", LIST, NULL, false},
	{"acl-groups-order", TEXT, NULL, false},
	{"acl-users-allow", LIST, NULL, false},
	{"acl-users-deny", LIST, NULL, false},
	{"acl-users-order", TEXT, NULL, false},
	{"applications", LIST, "TERMINAL,WWWBROWSER,MAILCLIENT,OFFICE", true},
	{"autoconnect", FLAG, NULL, true},
	{"autologin", FLAG, NULL, true},
	{"autostart", FLAG, NULL, true},
	{"broker-agent-hostkey-policy", TEXT, NULL, false},
	{"broker-agent-query-mode", TEXT, NULL, false},
	{"clipboard", TEXT, NULL, true},
	{"command", TEXT, "TERMINAL", true},
	{"defsndport", FLAG, "1", true},
	{"directrdp", FLAG, "0", true},
	{"directrdpsettings", TEXT, NULL, true},
	{"directxdmcp", FLAG, NULL, false},
	{"display", NUMBER, NULL, true},
	{"dpi", NUMBER, "96", true},
	{"export", TEXT, "", true},
	{"forwardsshagent", FLAG, NULL, true},
	{"fstunnel", FLAG, "1", true},
	{"fullscreen", FLAG, "0", true},
	{"height", NUMBER, "600", true},
	{"host", LIST, "localhost", true},
	{"icon", TEXT, NULL, true},
	{"iconvfrom", TEXT, "UTF-8", true},
	{"iconvto", TEXT, "UTF-8", true},
	{"kdrive", FLAG, "0", true},
	{"key", TEXT, NULL, true},
	{"krbdelegation", FLAG, NULL, false},
	{"krblogin", FLAG, NULL, true},
	{"layout", TEXT, "", true},
	{"maxdim", FLAG, NULL, true},
	{"mimeboxaction", TEXT, NULL, true},
	{"mimeboxextensions", TEXT, NULL, true},
	{"multidisp", FLAG, "0", true},
	{"name", TEXT, NULL, true},
	{"pack", TEXT, "16m-jpeg", true},
	{"print", FLAG, "1", true},
	{"published", FLAG, NULL, true},
	{"quality", NUMBER, "9", true},
	{"rdpclient", TEXT, NULL, true},
	{"rdpoptions", TEXT, NULL, true},
	{"rdpport", NUMBER, NULL, true},
	{"rdpserver", TEXT, NULL, true},
	{"restoreexports", FLAG, NULL, true},
	{"rootless", FLAG, "1", true},
	{"running", NUMBER, NULL, false},
	{"sessiontitle", TEXT, NULL, true},
	{"setdpi", NUMBER, "0", true},
	{"setsessiontitle", FLAG, NULL, true},
	{"sndport", NUMBER, "4713", true},
	{"sound", FLAG, "1", true},
	{"soundsystem", TEXT, "pulse", true},
	{"soundtunnel", FLAG, "1", true},
	{"speed", NUMBER, "2", true},
	{"sshport", NUMBER, "22", true},
	{"sshproxyautologin", FLAG, NULL, true},
	{"sshproxyhost", TEXT, NULL, true},
	{"sshproxykeyfile", TEXT, NULL, true},
	{"sshproxykrblogin", FLAG, NULL, false},
	{"sshproxyport", NUMBER, "22", true},
	{"sshproxysamekey", FLAG, NULL, false},
	{"sshproxysamepass", FLAG, NULL, true},
	{"sshproxysameuser", FLAG, NULL, true},
	{"sshproxytype", TEXT, NULL, true},
	{"sshproxyuser", TEXT, NULL, true},
	{"startsoundsystem", FLAG, NULL, true},
	{"suspended", NUMBER, NULL, false},
	{"type", TEXT, "auto", true},
	{"uniquehostkeyaliases", FLAG, NULL, true},
	{"usebrokerpass", FLAG, NULL, false},
	{"usebrokerpassforproxy", FLAG, NULL, false},
	{"usebrokeruserforproxy", FLAG, NULL, false},
	{"useexports", FLAG, "1", true},
	{"useiconv", FLAG, "0", true},
	{"usekbd", FLAG, "1", true},
	{"usemimebox", FLAG, NULL, true},
	{"user", TEXT, "BROKER_USER", true},
	{"usesshproxy", FLAG, NULL, true},
	{"variant", TEXT, "", true},
	{"width", NUMBER, "800", true},
	{"xdmcpserver", TEXT, NULL, true},
	{"xinerama", FLAG, "1", true},
};
const size_t profile_keys_count = ARRAY_SIZE(profile_keys);

static int by_name(const void *name, const void *key)
{
	return strcmp(name, ((const struct profile_key *)key)->name);
}

static const struct profile_key *find(const char *name)
{
	return bsearch(name, profile_keys, profile_keys_count, sizeof(profile_keys[0]), by_name);
}

enum profile_type profile_type(const char *key)
{
	const struct profile_key *k = find(key);

	return k ? k->type : PROFILE_TEXT;
}

bool profile_key_in_python(const char *key)
{
	const struct profile_key *k = find(key);

	return k && k->python;
}

/* ---- values ---- */

static bool is_number(const char *value, unsigned long max)
{
	size_t digits = strspn(value, "0123456789");

	return digits > 0 && digits <= 9 && value[digits] == '\0' &&
	       strtoul(value, NULL, 10) <= max;
}

static const char *check_port(const char *value)
{
	return is_number(value, 65535) && strspn(value, "0") < strlen(value)
	               ? NULL
	               : "it is a port, 1 to 65535";
}

/* configparser's words, and numbers, which clients take. */
static const char *check_flag(char *value)
{
	static const char *const words[][2] = {{"true", "false"}, {"yes", "no"}, {"on", "off"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		for (int off = 0; off < 2; off++)
			if (strcasecmp(value, words[i][off]) == 0) {
				memcpy(value, off ? "0" : "1", 2);
				return NULL;
			}
	if (!is_number(value, ULONG_MAX))
		return "it is yes or no";
	memcpy(value, value[strspn(value, "0")] ? "1" : "0", 2);
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

const char *profile_element(const char **at, size_t *ret_len)
{
	const char *p = *at;

	while (*p == ',' || is_blank(*p))
		p++;
	*ret_len = strcspn(p, ",");
	*at = p + *ret_len;
	while (*ret_len > 0 && is_blank(p[*ret_len - 1]))
		--*ret_len;
	return *ret_len > 0 ? p : NULL;
}

/* Without blanks and empty elements, nor brackets and quotes: x2gobroker takes lists of Python's.
 */
static void compact(char *value)
{
	size_t n = strlen(value), len, out = 0;
	const char *at = value, *p;

	if (n > 1 && value[0] == '[' && value[n - 1] == ']') {
		for (size_t i = 0; i < n; i++)
			if (strchr("[]'\"", value[i]))
				value[i] = ' ';
	}
	while ((p = profile_element(&at, &len))) {
		if (out > 0)
			value[out++] = ',';
		memmove(value + out, p, len); /* never beyond `at` */
		out += len;
	}
	value[out] = '\0';
}

static const char *check_hosts(const char *value)
{
	struct profile_host host;
	size_t len, n = 0;

	for (const char *p; (p = profile_element(&value, &len)); n++)
		if (profile_parse_host(p, len, 22, &host) < 0)
			return "a host is NAME, NAME (ADDRESS) or NAME (ADDRESS:PORT)";
	return n > PROFILE_HOSTS_MAX ? "there are too many hosts" : NULL;
}

static const char *check_clients(const char *value)
{
	size_t len;

	for (const char *p; (p = profile_element(&value, &len));)
		if (!acl_is_client(p, len))
			return "a client is an address, ADDRESS/BITS, or ALL";
	return NULL;
}

/* Of those that say how the broker behaves: a word that it does not know must not pass for another.
 */
static const char *check_word(const char *key, const char *value)
{
	static const struct {
		const char *key, *words[3], *error;
	} known[] = {
		{"acl-any-order", {"allow-deny", "deny-allow"}, "it is allow-deny or deny-allow"},
		{"acl-users-order", {"allow-deny", "deny-allow"}, "it is allow-deny or deny-allow"},
		{"acl-groups-order",
	         {"allow-deny", "deny-allow"},
	         "it is allow-deny or deny-allow"},
		{"acl-clients-order",
	         {"allow-deny", "deny-allow"},
	         "it is allow-deny or deny-allow"},
		{"broker-agent-query-mode", {"NONE", "LOCAL", "SSH"}, "it is NONE, LOCAL or SSH"},
		{"broker-agent-hostkey-policy",
	         {"RejectPolicy", "WarningPolicy", "AutoAddPolicy"},
	         "it is RejectPolicy, WarningPolicy or AutoAddPolicy"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known) && *value; i++) {
		if (strcmp(key, known[i].key) != 0)
			continue;
		for (size_t j = 0; j < 3 && known[i].words[j]; j++)
			if (strcasecmp(value, known[i].words[j]) == 0)
				return NULL;
		return known[i].error;
	}
	return NULL;
}

bool profile_is_unset(const char *key, const char *value)
{
	const enum profile_type type = profile_type(key);

	if (*value == '\0')
		return type == PROFILE_FLAG || type == PROFILE_NUMBER;
	return strcmp(value, "not-set") == 0 && strncmp(key, "acl-", 4) != 0;
}

const char *profile_check(const char *key, char *value)
{
	const enum profile_type type = profile_type(key);

	if (profile_is_unset(key, value))
		return NULL;
	if (type == PROFILE_FLAG)
		return check_flag(value);
	if (strcmp(key, "sshport") == 0 || strcmp(key, "sshproxyport") == 0)
		return check_port(value);
	if (type == PROFILE_NUMBER)
		return is_number(value, ULONG_MAX) ? NULL : "it is a number";
	if (type == PROFILE_TEXT)
		return check_word(key, value);
	compact(value);
	if (strcmp(key, "host") == 0)
		return check_hosts(value);
	return strncmp(key, "acl-clients-", 12) == 0 ? check_clients(value) : NULL;
}
