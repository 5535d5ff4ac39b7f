/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/option.c - session options, from stored text. Pure: runs in the guard and in xproxyctl,
 * no system call.
 */
#include "session/option.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>

#include "base/config.h"
#include "base/macros.h"

static void warning(record_warn warn, const char *before, const char *name, const char *after)
{
	char text[RPC_TEXT_MAX];

	if (!warn)
		return;
	snprintf(text, sizeof(text), "%s session option '%.64s'%s", before, name, after);
	warn(text);
}

/* As xpra reads booleans in options. False: text is none. */
static bool parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = {"1", "yes", "true", "on"};
	static const char *const no[] = {"0", "no", "false", "off"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0)
			return *ret = true, true;
		if (strcasecmp(text, no[i]) == 0)
			return *ret = false, true;
	}
	return false;
}

static bool parse_tristate(const char *text, void *to)
{
	bool yes;

	if (!parse_bool(text, &yes))
		return false;
	*(enum rpc_tristate *)to = yes ? TRISTATE_YES : TRISTATE_NO;
	return true;
}

static bool parse_level(const char *text, void *to)
{
	if (!isdigit((unsigned char)text[0]) || text[1])
		return false;
	*(int *)to = text[0] - '0';
	return true;
}

static bool parse_encryption(const char *text, void *to)
{
	static const struct {
		const char *name;
		unsigned value;
	} values[] = {
		{"AES", ENCRYPTION_CBC}, /* what every version can do */
		{"AES-CBC", ENCRYPTION_CBC},
		{"AES-GCM", ENCRYPTION_GCM},
		{"AES-CFB", ENCRYPTION_CFB},
		{"AES-CTR", ENCRYPTION_CTR},
		{"no", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (strcasecmp(text, values[i].name) == 0)
			return *(unsigned *)to = values[i].value, true;
	*(unsigned *)to = SESSION_ENCRYPTION_BAD;
	return false;
}

static bool parse_verify(const char *text, void *to)
{
	/* To a client "optional" is the same: a server always has a certificate. */
	if (strcasecmp(text, "required") == 0 || strcasecmp(text, "optional") == 0)
		return *(bool *)to = false, true;
	return strcasecmp(text, "none") == 0 ? (*(bool *)to = true) : false;
}

static bool parse_unless(const char *text, void *to)
{
	bool yes;

	if (!parse_bool(text, &yes))
		return false;
	*(bool *)to = !yes;
	return true;
}

static bool parse_via(const char *text, void *to)
{
	if (strcasecmp(text, "socks5") == 0)
		return *(enum via *)to = VIA_SOCKS5, true;
	if (strcasecmp(text, "http") == 0)
		return *(enum via *)to = VIA_HTTP, true;
	return false;
}

static bool parse_port(const char *text, void *to)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > 5 || text[len] || strtoul(text, NULL, 10) == 0 ||
	    strtoul(text, NULL, 10) > UINT16_MAX)
		return false;
	memcpy(to, text, len + 1);
	return true;
}

/* Names, hosts, passwords: whatever fits in 256 bytes and has no control characters, which could
 * end a line of HTTP. */
static bool parse_text(const char *text, void *to)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	if (len >= 256)
		return false;
	memcpy(to, text, len + 1);
	return true;
}

/* Any byte may be in a password. */
static bool parse_password(const char *text, void *to)
{
	size_t len = strlen(text);

	if (len >= 256)
		return false;
	memcpy(to, text, len + 1);
	return true;
}

static bool parse_ca(const char *text, void *to)
{
	return parse_text(strcmp(text, "default") == 0 ? "" : text, to);
}

#define AT(member) offsetof(struct session_options, member)

static const struct option {
	const char *name;
	bool (*parse)(const char *text, void *to);
	size_t at;
} options[] = {
	{"compression_level", parse_level, AT(compression_level)},
	{"compression", parse_level, AT(compression_level)},
	{"lz4", parse_tristate, AT(lz4)},
	{"rencodeplus", parse_tristate, AT(rencodeplus)},
	{"password", parse_password, AT(password)},
	{"encryption", parse_encryption, AT(encryption)},
	{"encryption-keyfile", parse_text, AT(encryption_keyfile)},
	{"ssl-server-verify-mode", parse_verify, AT(ssl_unverified)},
	{"ssl-check-hostname", parse_unless, AT(ssl_any_name)},
	{"ssl-server-hostname", parse_text, AT(ssl_server_hostname)},
	{"ssl-ca-certs", parse_ca, AT(ssl_ca_certs)},
	{"ssl-crl", parse_text, AT(ssl_crl)},
	{"ssl-cert", parse_text, AT(ssl_cert)},
	{"ssl-key", parse_text, AT(ssl_key)},
	{"proxy-type", parse_via, AT(via)},
	{"proxy-host", parse_text, AT(via_host)},
	{"proxy-port", parse_port, AT(via_port)},
	{"proxy-username", parse_text, AT(via_username)},
	{"proxy-password", parse_text, AT(via_password)},
};

void session_options_clear(struct session_options *o)
{
	explicit_bzero(o, sizeof(*o));
	o->compression_level = -1;
}

void session_option_set(struct session_options *o, const char *name, const char *value,
                        record_warn warn)
{
	static const char *const idle[] = {"lzo", "zlib", "rencode", "bencode", "yaml"};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(name, options[i].name) != 0)
			continue;
		if (!options[i].parse(value, (char *)o + options[i].at))
			warning(warn, "bad value of the", name, "");
		else if (strcmp(name, "password") == 0)
			o->has_password = true;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		if (strcmp(name, idle[i]) == 0) {
			warning(warn, "the", name, " has no effect here");
			return;
		}
	warning(warn, "unknown", name, "");
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, tolower((unsigned char)c));

	return c && at ? (int)(at - digits) : -1;
}

/* Undoes %XX in place. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		int high = *text == '%' ? hex_digit(text[1]) : -1;
		int low = high >= 0 ? hex_digit(text[2]) : -1;

		if (low >= 0 && (high || low)) {
			*to++ = (char)(high << 4 | low);
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

void session_options_of_uri(struct session_options *o, const char *query, record_warn warn)
{
	char piece[512];

	while (*query) {
		size_t len = strcspn(query, "&");
		char *eq;

		snprintf(piece, sizeof(piece), "%.*s", (int)len, query);
		query += len + (query[len] == '&');
		eq = strchr(piece, '=');
		if (!eq || eq == piece) {
			if (piece[0] && warn) /* not quoted: it may be a part of a password */
				warn("an option of the session's URI is left out: NAME=VALUE is "
				     "expected");
			continue;
		}
		*eq = '\0';
		unescape(piece);
		unescape(eq + 1);
		session_option_set(o, piece, eq + 1, warn);
	}
	explicit_bzero(piece, sizeof(piece));
}
