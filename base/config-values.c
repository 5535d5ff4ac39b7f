/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/config-values.c - one small parser for each type of value.
 *
 * Pure: it allocates what a struct config holds and makes no system call.
 */
#include "base/config-values.h"
#include "base/clock.h"
#include "base/macros.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <strings.h>

#define BLANKS CONFIG_BLANKS

int config_fail(struct config_place *p, int error, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (p->line > 0)
		n = snprintf(p->err, CONFIG_ERROR_MAX, "%s:%u: ", p->file, p->line);
	else
		n = snprintf(p->err, CONFIG_ERROR_MAX, "%s: ", p->file);
	if (n >= 0 && n < CONFIG_ERROR_MAX) {
		va_start(ap, fmt);
		vsnprintf(p->err + n, CONFIG_ERROR_MAX - (size_t)n, fmt, ap);
		va_end(ap);
	}
	for (char *c = p->err; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	return error;
}

/* ---- values ---- */

static int fail_value(const struct config_key *k, const char *value, struct config_place *p)
{
	const char *hash = strchr(value, '#');
	bool comment = hash && hash > value && isblank((unsigned char)hash[-1]);

	return config_fail(p, -EINVAL, "%s=: '%.*s' is not valid; expected %s%s", k->name,
	                   SHOWN_MAX, value, k->expected,
	                   comment ? " (a comment needs a line of its own)" : "");
}

static int parse_range(const struct config_key *k, void *field, const char *value,
                       struct config_place *p, int (*parse)(const char *text, uint64_t *ret))
{
	uint64_t n;

	if (parse(value, &n) < 0 || n > k->max || (n < k->min && !(n == 0 && k->zero)))
		return fail_value(k, value, p);
	*(uint64_t *)field = n;
	return 0;
}

int config_take_usec(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	return parse_range(k, field, value, p, config_parse_usec);
}

int config_take_bytes(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	return parse_range(k, field, value, p, config_parse_bytes);
}

/* Digits only: "5K" failures are a mistake. */
int config_take_count(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	if (value[strspn(value, "0123456789")] != '\0')
		return fail_value(k, value, p);
	return parse_range(k, field, value, p, config_parse_bytes);
}

static int replace(char **s, const char *value, struct config_place *p)
{
	char *copy = strdup(value);

	if (!copy)
		return config_fail(p, -ENOMEM, "out of memory");
	free(*s);
	*s = copy;
	return 0;
}

/* A user or group; whether it exists is seen when it is used. */
int config_take_account(const struct config_key *k, void *field, char *value,
                        struct config_place *p)
{
	if (*value == '-' || strlen(value) > 255 || value[strcspn(value, " \t\"'#:/\\")] != '\0')
		return fail_value(k, value, p);
	for (const char *c = value; *c; c++)
		if (iscntrl((unsigned char)*c))
			return fail_value(k, value, p);
	return replace(field, value, p);
}

void config_list_clear(struct config_list *l)
{
	while (l->count > 0) {
		char *item = l->items[--l->count];

		cleanup_wipe_str(&item);
		free(l->origins[l->count]);
		l->items[l->count] = l->origins[l->count] = NULL;
	}
}

static int list_add(const struct config_key *k, struct config_list *l, const char *item,
                    struct config_place *p)
{
	if (l->count == CONFIG_LIST_MAX)
		return config_fail(p, -E2BIG,
		                   "%s=: more than %d values; an empty %s= starts the list again",
		                   k->name, CONFIG_LIST_MAX, k->name);
	l->items[l->count] = strdup(item);
	if (!l->items[l->count])
		return config_fail(p, -ENOMEM, "out of memory");
	/* Without it a later message is only less helpful. */
	if (p->line == 0)
		l->origins[l->count] = p->file ? strdup(p->file) : NULL;
	else if (asprintf(&l->origins[l->count], "%s:%u", p->file, p->line) < 0)
		l->origins[l->count] = NULL;
	l->count++;
	return 0;
}

int config_take_line(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	if (p->first)
		config_list_clear(field);
	return *value ? list_add(k, field, value, p) : 0;
}

/* One word of a value that is a list of words, terminated in place; NULL: no more. */
static char *next_word(char **value)
{
	char *word = *value + strspn(*value, BLANKS);
	size_t len = strcspn(word, BLANKS);

	if (len == 0)
		return NULL;
	*value = word + len;
	if (**value)
		*(*value)++ = '\0';
	return word;
}

int config_take_dirs(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	char *word;
	int r;

	if (p->first)
		config_list_clear(field);
	while ((word = next_word(&value))) {
		if (!strchr("/~$", *word))
			return fail_value(k, word, p);
		r = list_add(k, field, word, p);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool word_in(const char *word, size_t len, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == len && memcmp(word, *list, len) == 0)
			return true;
	return false;
}

const char *const config_encoders[] = {"nvenc", "x264", "openh264", "vp8",
                                       "jpeg",  "webp", "png",      NULL};

int config_take_encoders(const struct config_key *k, void *field, char *value,
                         struct config_place *p)
{
	char *word;
	int r = 0;

	if (p->first)
		config_list_clear(field);
	while (r == 0 && (word = next_word(&value)))
		r = word_in(word, strlen(word), config_encoders) ? list_add(k, field, word, p)
		                                                 : fail_value(k, word, p);
	return r;
}

struct bits {
	const char *name;
	unsigned bits;
};

/* A list of words, each of which stands for bits. */
static int parse_bits(const struct config_key *k, void *field, char *value, struct config_place *p,
                      const struct bits *known)
{
	unsigned bits = p->first ? 0 : *(unsigned *)field;
	const struct bits *b;
	char *word;

	while ((word = next_word(&value))) {
		for (b = known; b->name && strcasecmp(word, b->name) != 0; b++)
			;
		if (!b->name)
			return fail_value(k, word, p);
		bits |= b->bits;
	}
	*(unsigned *)field = bits;
	return 0;
}

int config_take_transports(const struct config_key *k, void *field, char *value,
                           struct config_place *p)
{
	static const struct bits known[] = {
		{"tcp", TRANSPORT_TCP},
		{"tls", TRANSPORT_TLS},
		{"websocket", TRANSPORT_WEBSOCKET},
		{"http", TRANSPORT_HTTP},
		{NULL, 0},
	};

	return parse_bits(k, field, value, p, known);
}

/* As xpra spells them: "AES" leaves the mode to the client. */
int config_take_encryption(const struct config_key *k, void *field, char *value,
                           struct config_place *p)
{
	static const struct bits known[] = {
		{"AES", ENCRYPTION_ALL},     {"AES-CBC", ENCRYPTION_CBC},
		{"AES-GCM", ENCRYPTION_GCM}, {"AES-CFB", ENCRYPTION_CFB},
		{"AES-CTR", ENCRYPTION_CTR}, {NULL, 0},
	};

	return parse_bits(k, field, value, p, known);
}

/* "host:port", "[::1]:80", "/path" or "@name". */
int config_take_address(const struct config_key *k, void *field, char *value,
                        struct config_place *p)
{
	const char *port = strrchr(value, ':');
	uint64_t n;

	if (*value && !strchr("/@", *value) &&
	    (!port || port == value || port[1 + strspn(port + 1, "0123456789")] != '\0' ||
	     config_parse_bytes(port + 1, &n) < 0 || n == 0 || n > UINT16_MAX))
		return fail_value(k, value, p);
	return replace(field, value, p);
}

/* As browsers write them in Origin: "https://host:port", without a path; or "*". */
int config_take_origins(const struct config_key *k, void *field, char *value,
                        struct config_place *p)
{
	char *word;
	int r;

	if (p->first)
		config_list_clear(field);
	while ((word = next_word(&value))) {
		const char *host = strstr(word, "://");

		if (strcmp(word, "*") != 0 && (!host || !host[3] || strchr(host + 3, '/')))
			return fail_value(k, word, p);
		r = list_add(k, field, word, p);
		if (r < 0)
			return r;
	}
	return 0;
}

int config_take_bool(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	static const char *const yes[] = {"yes", "true", "on", "1", NULL};
	static const char *const no[] = {"no", "false", "off", "0", NULL};

	*(bool *)field = word_in(value, strlen(value), yes);
	return *(bool *)field || word_in(value, strlen(value), no) ? 0 : fail_value(k, value, p);
}

int config_take_path(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	bool unset = *value == '\0' && k->fallback[0] == '\0';

	return *value == '/' || unset ? replace(field, value, p) : fail_value(k, value, p);
}

/* One a line, as a path may have blanks. */
int config_take_paths(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	if (*value != '/' && *value != '\0')
		return fail_value(k, value, p);
	return config_take_line(k, field, value, p);
}

int config_take_tls_version(const struct config_key *k, void *field, char *value,
                            struct config_place *p)
{
	if (strcmp(value, "1.2") != 0 && strcmp(value, "1.3") != 0)
		return fail_value(k, value, p);
	*(unsigned *)field = value[2] == '2' ? 12 : 13;
	return 0;
}

int config_take_verify(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	*(bool *)field = strcmp(value, "optional") == 0;
	return *(bool *)field || strcmp(value, "require") == 0 ? 0 : fail_value(k, value, p);
}

int config_take_networks(const struct config_key *k, void *field, char *value,
                         struct config_place *p)
{
	struct netaddr_list *l = field;
	char *word;

	if (p->first)
		l->count = 0;
	while ((word = next_word(&value))) {
		if (l->count == NETADDR_RANGES_MAX)
			return config_fail(
				p, -E2BIG,
				"%s=: more than %d networks; an empty %s= starts the list again",
				k->name, NETADDR_RANGES_MAX, k->name);
		if (netaddr_parse_range(word, &l->ranges[l->count]) < 0)
			return fail_value(k, word, p);
		l->count++;
	}
	return 0;
}

/* auth, socket, or a module with its options: auth/chain.c knows which there are. */
int config_take_registry(const struct config_key *k, void *field, char *value,
                         struct config_place *p)
{
	struct config *c = (struct config *)(void *)((char *)field - k->offset);

	c->sessions_registry = strcmp(value, "auth") == 0     ? REGISTRY_AUTH
	                       : strcmp(value, "socket") == 0 ? REGISTRY_SOCKET
	                                                      : REGISTRY_MODULE;
	return replace(&c->sessions_registry_module,
	               c->sessions_registry == REGISTRY_MODULE ? value : "", p);
}

/* One of the words of the key, as its place among them. */
int config_take_choice(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	for (unsigned i = 0; k->words[i]; i++)
		if (strcmp(value, k->words[i]) == 0) {
			*(unsigned *)field = i;
			return 0;
		}
	return fail_value(k, value, p);
}

/* Where profiles are: "auth" stands for the records of the users alone. */
int config_take_profiles(const struct config_key *k, void *field, char *value,
                         struct config_place *p)
{
	return strcmp(value, "auth") == 0 ? replace(field, value, p)
	                                  : config_take_path(k, field, value, p);
}

/* %h/.x2go/authorized_keys */
int config_take_string(const struct config_key *k, void *field, char *value, struct config_place *p)
{
	return *value ? replace(field, value, p) : fail_value(k, value, p);
}
