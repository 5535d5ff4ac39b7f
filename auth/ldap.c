/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/ldap.c - users of a directory server (auth-ldap.so). Checker, with the guard's privilege.
 * System calls: those of libldap and of auth/ldap_options.c: socket, connect, poll, read, write.
 *
 * The password is right if the server takes it for the user's DN. That DN is made of a template,
 * as with xpra, or found: with base=, by a filter. Whatever the client has sent is escaped in both.
 * Nothing is followed to other servers, since that would hand them passwords.
 */
#include <errno.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/ldap_name.h"
#include "auth/ldap_options.h"
#include "auth/module.h"

#define FORMAT "cn=%username, o=%domain" /* xpra's own */

extern const struct auth_module auth_module, auth_ldap3;

struct directory {
	struct ldap_settings s;
	struct auth_attempt *a;
	LDAP *ld;
	char dn[LDAP_TEXT_MAX];
};

/* ---- words ---- */

static int failed(struct directory *d, const char *what, int rc)
{
	char *detail = NULL;

	/* what the library knows, not what a server says */
	if (rc < 0)
		(void)ldap_get_option(d->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &detail);
	snprintf(d->a->error, sizeof(d->a->error), "%.80s: %s: %s%s%.100s", d->s.uri, what,
	         rc == LDAP_REFERRAL ? "it refers to another server: name that one in uri="
	                             : ldap_err2string(rc),
	         detail && *detail ? ": " : "", detail && *detail ? detail : "");
	ldap_memfree(detail);
	return rc == LDAP_TIMEOUT ? -ETIMEDOUT : -EIO;
}

/* Blanks around a name are none to a directory, and would be to whoever gets the name later. */
static bool may_be_asked(const struct auth_attempt *a)
{
	size_t len = strlen(a->username);

	return len > 0 && a->username[0] != ' ' && a->username[len - 1] != ' ';
}

/* ---- the connection ---- */

static int set_options(struct directory *d)
{
	const struct timeval timeout = {.tv_sec = d->s.timeout};
	const int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, client = 0;
	const int tls12 = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
	const struct {
		int option;
		const void *value;
	} options[] = {
		{LDAP_OPT_PROTOCOL_VERSION, &version},
		{LDAP_OPT_RESTART, LDAP_OPT_ON},
		{LDAP_OPT_NETWORK_TIMEOUT, &timeout},
		{LDAP_OPT_TIMEOUT, &timeout},
		{LDAP_OPT_X_TLS_CACERTFILE, d->s.cacert},
		{LDAP_OPT_X_TLS_REQUIRE_CERT, &demand}, /* whatever ldap.conf says */
		{LDAP_OPT_X_TLS_PROTOCOL_MIN, &tls12},
		{LDAP_OPT_X_TLS_NEWCTX, &client}, /* with the above; last */
	};
	int rc = ldap_set_option(d->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF); /* which is NULL */

	for (size_t i = 0; rc == LDAP_SUCCESS && i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].value)
			rc = ldap_set_option(d->ld, options[i].option, options[i].value);
	return rc == LDAP_SUCCESS ? 0 : failed(d, "its settings", LDAP_PARAM_ERROR);
}

static int open_directory(struct directory *d)
{
	int rc = ldap_initialize(&d->ld, d->s.uri), r;

	if (rc != LDAP_SUCCESS)
		return failed(d, "uri=", rc);
	r = set_options(d);
	if (r < 0 || !d->s.starttls)
		return r;
	rc = ldap_start_tls_s(d->ld, NULL, NULL);
	return rc == LDAP_SUCCESS ? 0 : failed(d, "StartTLS", rc);
}

static void close_directory(struct directory *d)
{
	if (d->ld)
		(void)ldap_unbind_ext_s(d->ld, NULL, NULL);
	ldap_options_wipe(&d->s);
}

/* An LDAP result code. Neither may be empty: that would be nobody, who is let in. */
static int bind_as(struct directory *d, const char *dn, const char *password, size_t len)
{
	struct berval credentials = {.bv_len = len, .bv_val = (char *)password}; /* only read */

	if (!*dn || len == 0)
		return LDAP_INVALID_CREDENTIALS;
	return ldap_sasl_bind_s(d->ld, dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL, NULL);
}

static int bind_service(struct directory *d)
{
	int rc = d->s.bind_dn ? bind_as(d, d->s.bind_dn, d->s.password, d->s.password_len)
	                      : LDAP_SUCCESS;

	return rc == LDAP_SUCCESS ? 0 : failed(d, "bind-dn=", rc);
}

static int bind_user(struct directory *d)
{
	int rc = bind_as(d, d->dn, d->a->password, d->a->password_len);

	if (rc == LDAP_SUCCESS)
		return AUTH_YES;
	if (rc == LDAP_INVALID_CREDENTIALS || rc == LDAP_NO_SUCH_OBJECT ||
	    rc == LDAP_INVALID_DN_SYNTAX || rc == LDAP_INAPPROPRIATE_AUTH)
		return AUTH_NO;
	return failed(d, "the user's password", rc);
}

/* ---- entries ---- */

/* An attribute's first value, or all with commas between. 1, 0 for none, negative errno. */
static int copy_values(struct directory *d, LDAPMessage *entry, const char *attribute, bool all,
                       char *ret, size_t size)
{
	struct berval **values = ldap_get_values_len(d->ld, entry, attribute);
	size_t n = 0;
	int r = values && values[0];

	for (size_t i = 0; r > 0 && values[i] && (all || i == 0); i++) {
		size_t len = values[i]->bv_len;

		if (n + len + 2 > size || memchr(values[i]->bv_val, '\0', len)) {
			snprintf(d->a->error, sizeof(d->a->error),
			         "%.80s: a user's %.64s is longer than %zu bytes, or no text",
			         d->s.uri, attribute, size - 1);
			r = -E2BIG;
			break;
		}
		if (i > 0)
			ret[n++] = ',';
		memcpy(ret + n, values[i]->bv_val, len);
		n += len;
		ret[n] = '\0';
	}
	ldap_value_free_len(values);
	return r;
}

/* What must be there, lest another's be taken for it. */
static int copy_needed(struct directory *d, LDAPMessage *entry, const char *attribute, char *ret,
                       size_t size)
{
	int r = attribute ? copy_values(d, entry, attribute, false, ret, size) : 1;

	if (r == 0) {
		snprintf(d->a->error, sizeof(d->a->error), "%.80s: the user's entry has no %.64s",
		         d->s.uri, attribute);
		r = -ENODATA;
	}
	return r;
}

static int read_entry(struct directory *d, LDAPMessage *entry, struct auth_row *row)
{
	char *dn = ldap_get_dn(d->ld, entry);
	int r = dn && strlen(dn) < sizeof(d->dn) ? 1 : -E2BIG;

	if (r > 0)
		snprintf(d->dn, sizeof(d->dn), "%s", dn);
	ldap_memfree(dn);
	if (r > 0)
		r = copy_needed(d, entry, d->s.username_attribute, row->username,
		                sizeof(row->username));
	if (r > 0)
		r = copy_needed(d, entry, d->s.uid_attribute, row->uid, sizeof(row->uid));
	if (r > 0)
		r = copy_needed(d, entry, d->s.gid_attribute, row->gid, sizeof(row->gid));
	if (r > 0 && d->s.sessions_attribute) {
		row->has_sessions = true; /* no value: no sessions */
		r = copy_values(d, entry, d->s.sessions_attribute, true, row->displays,
		                sizeof(row->displays));
		r = r < 0 ? r : 1;
	}
	return r;
}

/* The one entry: 1 with *row and d->dn; 0: there is none; negative errno. */
static int search(struct directory *d, const char *base, int scope, const char *filter,
                  struct auth_row *row)
{
	const char *const names[] = {d->s.username_attribute, d->s.uid_attribute,
	                             d->s.gid_attribute, d->s.sessions_attribute};
	char none[] = LDAP_NO_ATTRS, *wanted[5];
	LDAPMessage *found = NULL;
	size_t n = 0;
	int rc, r;

	for (size_t i = 0; i < 4; i++)
		if (names[i])
			wanted[n++] = (char *)names[i]; /* only read */
	if (n == 0)
		wanted[n++] = none;
	wanted[n] = NULL;
	rc = ldap_search_ext_s(d->ld, base, scope, filter, wanted, 0, NULL, NULL, NULL, 2, &found);
	if (rc == LDAP_SIZELIMIT_EXCEEDED ||
	    (rc == LDAP_SUCCESS && ldap_count_entries(d->ld, found) > 1)) {
		snprintf(d->a->error, sizeof(d->a->error),
		         "%.80s: several entries match that name: filter= has to choose one",
		         d->s.uri);
		r = -ENOTUNIQ;
	} else if (rc != LDAP_SUCCESS) {
		r = failed(d, "search below base=", rc);
	} else {
		LDAPMessage *entry = ldap_first_entry(d->ld, found);

		r = entry ? read_entry(d, entry, row) : 0;
	}
	ldap_msgfree(found);
	return r;
}

static int search_user(struct directory *d, struct auth_row *row)
{
	char filter[LDAP_TEXT_MAX * 2];
	int r = bind_service(d);

	if (r == 0)
		r = ldap_name_fill(d->s.filter, d->a->username, d->s.domain, true, filter,
		                   sizeof(filter));
	return r < 0 ? r : search(d, d->s.base, LDAP_SCOPE_SUBTREE, filter, row);
}

static void fill_ids(const struct directory *d, struct auth_row *row)
{
	if (!row->uid[0])
		snprintf(row->uid, sizeof(row->uid), "%s", d->s.uid);
	if (!row->gid[0])
		snprintf(row->gid, sizeof(row->gid), "%s", d->s.gid);
}

/* ---- the module ---- */

static int find_and_bind(struct directory *d, struct auth_row *row)
{
	int r = search_user(d, row);

	return r > 0 ? bind_user(d) : r;
}

static int bind_directly(struct directory *d, struct auth_row *row)
{
	bool more = d->s.username_attribute || d->s.uid_attribute || d->s.gid_attribute ||
	            d->s.sessions_attribute;
	int r = ldap_name_fill(d->s.format, d->a->username, d->s.domain,
	                       ldap_name_is_dn(d->s.format), d->dn, sizeof(d->dn));

	if (r == 0)
		r = bind_user(d);
	if (r <= 0 || !more)
		return r;
	r = search(d, d->dn, LDAP_SCOPE_BASE, "(objectClass=*)", row);
	return r == 0 ? failed(d, "the user's own entry", LDAP_NO_SUCH_OBJECT) : r;
}

static int verify(struct auth_attempt *a, struct auth_row *ret_row, const char *format)
{
	struct directory d = {.a = a};
	struct auth_row row = {0};
	int r;

	if (!may_be_asked(a) || !a->password || a->password_len == 0)
		return AUTH_NO;
	r = ldap_options_read(a->options, format, &d.s, a->error);
	if (r == 0)
		r = open_directory(&d);
	if (r == 0)
		r = d.s.base ? find_and_bind(&d, &row) : bind_directly(&d, &row);
	if (r > 0) {
		fill_ids(&d, &row);
		*ret_row = row;
	}
	close_directory(&d);
	return r;
}

static int ldap_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	return verify(a, ret_row, FORMAT);
}

static int ldap_lookup(struct auth_attempt *a, struct auth_row *ret_row)
{
	struct directory d = {.a = a};
	struct auth_row row = {0};
	int r = ldap_options_read(a->options, FORMAT, &d.s, a->error);

	if (r == 0 && !d.s.base) {
		snprintf(a->error, sizeof(a->error), "module 'ldap': a registry needs base=");
		r = -EINVAL;
	}
	if (r == 0)
		r = open_directory(&d);
	if (r == 0)
		r = may_be_asked(a) ? search_user(&d, &row) : 0;
	if (r > 0) {
		fill_ids(&d, &row);
		*ret_row = row;
	}
	close_directory(&d);
	return r;
}

static int ldap_open(const struct auth_options *options, char *err)
{
	struct ldap_settings s;
	int r = ldap_options_read(options, FORMAT, &s, err);

	ldap_options_wipe(&s);
	return r;
}

#define OPTIONS                                                                               \
	"uri", "host", "port", "tls", "starttls", "cacert", "encoding", "username_format",    \
		"domain", "base", "filter", "bind-dn", "bind-password", "bind-password-file", \
		"username-attribute", "uid", "gid", "uid-attribute", "gid-attribute",         \
		"sessions-attribute", "timeout"

static const char *const ldap_options[] = {OPTIONS, NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "ldap",
	.flags = AUTH_CHALLENGE | AUTH_CLEAR | AUTH_SECRET | AUTH_WAITS,
	.options = ldap_options,
	.open = ldap_open,
	.verify = ldap_verify,
	.lookup = ldap_lookup,
};

/* ---- xpra's other one, which sends the name as it is: to Active Directory, mostly ---- */

#define LDAP3_FORMAT "%username"

static int ldap3_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	return verify(a, ret_row, LDAP3_FORMAT);
}

static int ldap3_open(const struct auth_options *options, char *err)
{
	struct ldap_settings s = {0};
	int r = -EINVAL;

	if (strcasecmp(auth_option(options, "authentication", "NTLM"), "SIMPLE") != 0)
		snprintf(err, AUTH_ERROR_MAX,
		         "module 'ldap3': only authentication=SIMPLE is there, and has to be "
		         "said: NTLM is broken, SASL is not needed over TLS");
	else if (strcasecmp(auth_option(options, "ssl-validate", "REQUIRED"), "REQUIRED") != 0)
		snprintf(err, AUTH_ERROR_MAX,
		         "module 'ldap3': certificates are always verified: ssl-validate=REQUIRED, "
		         "with cacert=");
	else
		r = ldap_options_read(options, LDAP3_FORMAT, &s, err);
	ldap_options_wipe(&s);
	return r;
}

static const char *const ldap3_options[] = {OPTIONS, "authentication", "ssl-version",
                                            "ssl-validate", NULL};

const struct auth_module auth_ldap3 = {
	.abi = AUTH_MODULE_ABI,
	.name = "ldap3",
	.flags = AUTH_CHALLENGE | AUTH_CLEAR | AUTH_SECRET | AUTH_WAITS,
	.options = ldap3_options,
	.open = ldap3_open,
	.verify = ldap3_verify,
	.lookup = ldap_lookup,
};
