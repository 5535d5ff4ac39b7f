/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/config.c - reads files and lines; what the keys mean is in config-keys.c.
 *
 * Runs before the split, as whoever started the program, and in xproxyctl: open, fstat, read and
 * getdents only. A file is read in one go and cut up in place; the copy is wiped, for Module= may
 * hold a password.
 */
#include "base/config.h"
#include "base/config-keys.h"
#include "base/macros.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>

/* ---- one assignment ---- */

static int reset(struct config *c, size_t i, struct config_place *p)
{
	const struct config_key *k = &config_keys[i];
	char value[64];

	p->first = true;
	snprintf(value, sizeof(value), "%s", k->fallback);
	c->assigned &= ~(UINT64_C(1) << i);
	return k->parse(k, (char *)c + k->offset, value, p);
}

static int assign(struct config *c, size_t i, char *value, struct config_place *p)
{
	const struct config_key *k = &config_keys[i];
	uint64_t bit = UINT64_C(1) << i;
	int r;

	if (*value == '\0')
		return reset(c, i, p);
	p->first = !(c->assigned & bit);
	r = k->parse(k, (char *)c + k->offset, value, p);
	if (r == 0)
		c->assigned |= bit;
	return r;
}

/* ---- names ---- */

/* Edits (insert, drop, change) from a to b, letters' case aside; at least NAME_MAX_LEN if too long.
 */
#define NAME_MAX_LEN 24
static size_t name_distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
			            tolower((unsigned char)b[j - 1]);
			size_t best = diagonal + !same;

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_len];
}

static bool name_is_near(const char *a, const char *b)
{
	return name_distance(a, b) <= 1 + strlen(b) / 4;
}

/* The section's own name from the table, so that pointers compare; NULL with an error: unknown. */
static const char *find_section(const char *name, struct config_place *p)
{
	const char *near = NULL;
	char known[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < config_keys_count; i++)
		if (strcmp(name, config_keys[i].section) == 0)
			return config_keys[i].section;
	for (size_t i = 0; i < config_keys_count; i++) {
		const char *s = config_keys[i].section;

		if (!near && name_is_near(name, s))
			near = s;
		if ((i == 0 || strcmp(s, config_keys[i - 1].section) != 0) && len < sizeof(known))
			len += (size_t)snprintf(known + len, sizeof(known) - len, " [%s]", s);
	}
	if (near)
		config_fail(p, 0, "unknown section [%.*s]; did you mean [%s]?", SHOWN_MAX, name,
		            near);
	else
		config_fail(p, 0, "unknown section [%.*s]; known:%s", SHOWN_MAX, name, known);
	return NULL;
}

/* The key's row, or negative errno with an error. */
static int find_key(const char *section, const char *name, struct config_place *p)
{
	const struct config_key *near = NULL, *elsewhere = NULL;

	/* All others are looked at only when something is wrong: each connection pays for this. */
	for (size_t i = 0; i < config_keys_count; i++)
		if (strcmp(config_keys[i].name, name) == 0 &&
		    strcmp(config_keys[i].section, section) == 0)
			return (int)i;
	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *k = &config_keys[i];
		bool here = strcmp(k->section, section) == 0;

		if (!here && strcasecmp(k->name, name) == 0)
			elsewhere = k;
		if (here && !near && name_is_near(name, k->name))
			near = k;
	}
	if (elsewhere)
		return config_fail(p, -EINVAL, "unknown key '%s' in [%s]; it belongs to [%s]",
		                   elsewhere->name, section, elsewhere->section);
	if (near)
		return config_fail(p, -EINVAL, "unknown key '%.*s' in [%s]; did you mean '%s'?",
		                   SHOWN_MAX, name, section, near->name);
	return config_fail(p, -EINVAL, "unknown key '%.*s' in [%s]", SHOWN_MAX, name, section);
}

/* ---- lines ---- */

/* Removes blanks at both ends of text[0..len) and terminates it, which needs text[len]. */
static char *trim(char *text, size_t len)
{
	while (len > 0 && strchr(CONFIG_BLANKS, text[len - 1]))
		len--;
	text[len] = '\0';
	return text + strspn(text, CONFIG_BLANKS);
}

static bool is_comment(const char *line, const char *end)
{
	while (line < end && isblank((unsigned char)*line))
		line++;
	return line < end && (*line == '#' || *line == ';');
}

/* Takes the next line off *text, joining continued ones to the front in place. Comments between
 * continued lines are left out. NULL: the end, or with r < 0 an error. */
static char *next_line(char **text, char *end, unsigned *line, struct config_place *p, int *r)
{
	char *start = *text, *out = *text;
	bool more = true;

	*r = 0;
	p->line = *line + 1;
	while (more && *text < end) {
		char *in = *text, *eol = memchr(in, '\n', (size_t)(end - in));
		size_t len;

		*text = eol ? eol + 1 : end;
		len = (size_t)((eol ? eol : end) - in);
		++*line;
		if (is_comment(in, in + len)) {
			more = out > start;
			continue;
		}
		if (len > 0 && in[len - 1] == '\r')
			len--;
		more = len > 0 && in[len - 1] == '\\';
		memmove(out, in, len);
		out += len;
		if (more)
			out[-1] = ' ';
		if ((size_t)(out - start) > CONFIG_LINE_MAX) {
			*r = config_fail(p, -E2BIG, "line is longer than %zu KiB",
			                 CONFIG_LINE_MAX >> 10);
			return NULL;
		}
	}
	if (start == end)
		return NULL;
	return trim(start, (size_t)(out - start));
}

static int parse_one(struct config *c, char *line, const char **section, struct config_place *p)
{
	char *equals;
	size_t len = strlen(line);
	int i;

	if (*line == '\0')
		return 0;
	if (*line == '[') {
		if (line[len - 1] != ']')
			return config_fail(p, -EINVAL,
			                   "section without its ']'; expected [Section]");
		*section = find_section(trim(line + 1, len - 2), p);
		return *section ? 0 : -EINVAL;
	}
	equals = strchr(line, '=');
	if (!equals || equals == line)
		return config_fail(p, -EINVAL, "expected Key=Value or [Section]");
	line = trim(line, (size_t)(equals - line));
	if (!*section)
		return config_fail(p, -EINVAL, "key '%.*s' before any [Section]", SHOWN_MAX, line);
	i = find_key(*section, line, p);
	if (i < 0)
		return i;
	return assign(c, (size_t)i, equals + 1 + strspn(equals + 1, CONFIG_BLANKS), p);
}

int config_parse_text(struct config *c, const char *name, char *text, size_t len,
                      char err[CONFIG_ERROR_MAX])
{
	struct config_place p = {.file = name, .err = err};
	const char *section = NULL;
	char *end = text + len, *line;
	unsigned number = 0;
	int r;

	*err = '\0';
	if (memchr(text, '\0', len))
		return config_fail(&p, -EINVAL, "not a text file: it has a zero byte");
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while ((line = next_line(&text, end, &number, &p, &r))) {
		r = parse_one(c, line, &section, &p);
		if (r < 0)
			return r;
	}
	return r;
}

/* ---- files ---- */

/* All of fd, malloc'd with one byte to spare; *ret_len bytes. */
static int read_all(int fd, size_t size_hint, char **ret, size_t *ret_len)
{
	size_t room = (size_hint | 4095) + 1, len = 0;
	char *text = NULL, *bigger;
	ssize_t n;

	for (;;) {
		bigger = realloc(text, room + 1);
		if (!bigger) {
			free(text);
			return -ENOMEM;
		}
		text = bigger;
		do {
			n = read(fd, text + len, room - len);
		} while (n < 0 && errno == EINTR);
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len > CONFIG_FILE_MAX) {
			n = -1;
			errno = EFBIG;
			break;
		}
		if (len == room)
			room *= 2; /* it grew, or has no size */
	}
	if (n < 0) {
		int error = -errno;

		explicit_bzero(text, len);
		free(text);
		return error;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

static int load_file(struct config *c, const char *file, bool optional, char err[CONFIG_ERROR_MAX])
{
	struct config_place p = {.file = file, .err = err};
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	int r;

	if (fd < 0 && errno == ENOENT && optional)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return config_fail(&p, -errno, "cannot open: %s", strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) /* the latter for /dev/null */
		return config_fail(&p, -EINVAL, "not a regular file");
	r = st.st_size > (off_t)CONFIG_FILE_MAX ? -EFBIG
	                                        : read_all(fd, (size_t)st.st_size, &text, &len);
	if (r == -EFBIG)
		return config_fail(&p, r, "larger than %zu KiB", CONFIG_FILE_MAX >> 10);
	if (r < 0)
		return config_fail(&p, r, "cannot read: %s", strerror(-r));
	r = config_parse_text(c, file, text, len, err);
	explicit_bzero(text, len);
	free(text);
	return r;
}

static int is_dropin(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 5 && d->d_name[0] != '.' && strcmp(d->d_name + len - 5, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_dropins(struct config *c, const char *dir, char err[CONFIG_ERROR_MAX])
{
	struct config_place p = {.file = dir, .err = err};
	struct dirent **names = NULL;
	int n, r = 0;

	n = scandir(dir, &names, is_dropin, by_name);
	if (n < 0 && errno != ENOENT && errno != ENOTDIR)
		return config_fail(&p, -errno, "cannot read: %s", strerror(errno));
	for (int i = 0; i < n; i++) {
		char *path = NULL;

		if (r == 0 && asprintf(&path, "%s/%s", dir, names[i]->d_name) < 0)
			r = config_fail(&p, -ENOMEM, "out of memory");
		else if (r == 0)
			r = load_file(c, path, false, err);
		free(path);
		free(names[i]);
	}
	free(names);
	return r;
}

/* ---- for everyone ---- */

int config_defaults(struct config *c)
{
	char err[CONFIG_ERROR_MAX];
	struct config_place p = {.file = "built-in", .err = err};
	int r = 0;

	*c = (struct config){0};
	for (size_t i = 0; i < config_keys_count && r == 0; i++)
		r = reset(c, i, &p);
	return r;
}

int config_load(struct config *c, const char *file, char err[CONFIG_ERROR_MAX])
{
	struct config_place p = {.file = file ? file : CONFIG_FILE, .err = err};
	_cleanup_free_ char *dir = NULL;
	int r;

	*err = '\0';
	config_free(c);
	if (config_defaults(c) < 0 || asprintf(&dir, "%s.d", p.file) < 0)
		return config_fail(&p, -ENOMEM, "out of memory");
	r = load_file(c, p.file, file == NULL, err);
	return r < 0 ? r : load_dropins(c, dir, err);
}

int config_override(struct config *c, const char *assignment, char err[CONFIG_ERROR_MAX])
{
	struct config_place p = {.file = "command line", .err = err};
	_cleanup_wipe_ char *copy = strdup(assignment);
	char *dot, *equals;
	int i;

	*err = '\0';
	if (!copy)
		return config_fail(&p, -ENOMEM, "out of memory");
	equals = strchr(copy, '=');
	dot = equals ? memchr(copy, '.', (size_t)(equals - copy)) : NULL;
	if (!dot)
		return config_fail(&p, -EINVAL, "expected -o Section.Key=VALUE");
	*dot = *equals = '\0';
	if (!find_section(copy, &p))
		return -EINVAL;
	i = find_key(copy, dot + 1, &p);
	if (i < 0)
		return i;
	return assign(c, (size_t)i, trim(equals + 1, strlen(equals + 1)), &p);
}

void config_forget_secrets(const struct config *c)
{
	for (size_t i = 0; i < c->auth_modules.count; i++)
		explicit_bzero(c->auth_modules.items[i], strlen(c->auth_modules.items[i]));
	if (c->sessions_registry_module)
		explicit_bzero(c->sessions_registry_module, strlen(c->sessions_registry_module));
}

void config_free(struct config *c)
{
	config_list_clear(&c->auth_modules);
	config_list_clear(&c->sessions_socket_dirs);
	config_list_clear(&c->listen_allowed_origins);
	config_list_clear(&c->listen_tls_certificates);
	config_list_clear(&c->listen_tls_keys);
	config_list_clear(&c->listen_tls_ocsp_responses);
	free(c->listen_tls_client_ca);
	free(c->listen_tls_client_crl);
	free(c->listen_encryption_key_file);
	free(c->listen_http_backend);
	free(c->listen_html_root);
	free(c->listen_user);
	cleanup_wipe_str(&c->sessions_registry_module);
	free(c->sessions_default_user);
	free(c->sessions_default_group);
	free(c->x2go_profiles);
	free(c->x2go_user);
	free(c->x2go_state);
	free(c->x2go_authid_file);
	free(c->x2go_agent_command);
	free(c->x2go_agent_user);
	free(c->x2go_authorized_keys);
	*c = (struct config){0};
}
