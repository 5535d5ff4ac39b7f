/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/kerberos.c - passwords of a Kerberos realm (auth-kerberos-password.so). Checker, with the
 * guard's privilege: it reads the keytab. System calls: those of libkrb5: open, read, socket,
 * connect, sendto, recvfrom, poll.
 *
 * That somebody who says to be the KDC takes the password proves nothing: whoever can answer in its
 * place could let everybody in. So the ticket is used, against a key of ours from the keytab, which
 * only the real one has as well. Without such a key nobody gets in.
 */
#include "auth/module.h"

#include <errno.h>
#include <krb5.h>
#include <stdio.h>
#include <string.h>

extern const struct auth_module auth_module;

/* Everything one call needs; closed by realm_close(). */
struct realm {
	krb5_context context;
	krb5_keytab keytab;
	krb5_principal service, user; /* service NULL: any key of the keytab will do */
	krb5_get_init_creds_opt *how;
	krb5_creds credentials;
	char *default_name;
	char *err;
};

static void realm_close(struct realm *r)
{
	if (!r->context)
		return;
	krb5_free_cred_contents(r->context, &r->credentials);
	krb5_get_init_creds_opt_free(r->context, r->how);
	krb5_free_principal(r->context, r->user);
	krb5_free_principal(r->context, r->service);
	if (r->keytab)
		(void)krb5_kt_close(r->context, r->keytab);
	krb5_free_default_realm(r->context, r->default_name);
	krb5_free_context(r->context);
}

static int failed(struct realm *r, const char *what, krb5_error_code code)
{
	const char *text = krb5_get_error_message(r->context, code);

	snprintf(r->err, AUTH_ERROR_MAX, "%s: %.180s", what, text);
	krb5_free_error_message(r->context, text);
	return -EIO;
}

/* `host`, or `host@proxy.example.org`: the latter names one key. */
static int choose_service(struct realm *r, const struct auth_options *o)
{
	const char *service = auth_option(o, "service", ""), *at = strchr(service, '@');
	char name[128];
	krb5_error_code code;

	if (!*service)
		return 0;
	if (at == service || strlen(service) >= sizeof(name)) {
		snprintf(r->err, AUTH_ERROR_MAX, "service= is NAME or NAME@HOST");
		return -EINVAL;
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(service, "@"), service);
	code = krb5_sname_to_principal(r->context, at ? at + 1 : NULL, name, KRB5_NT_SRV_HST,
	                               &r->service);
	return code == 0 ? 0 : failed(r, "service=", code);
}

static int realm_open(struct realm *r, const struct auth_options *o)
{
	const char *keytab = auth_option(o, "keytab", NULL);
	krb5_error_code code = krb5_init_context(&r->context);

	if (code != 0) {
		r->context = NULL;
		snprintf(r->err, AUTH_ERROR_MAX, "krb5.conf: error %ld", (long)code);
		return -EINVAL;
	}
	code = keytab ? krb5_kt_resolve(r->context, keytab, &r->keytab)
	              : krb5_kt_default(r->context, &r->keytab);
	if (code == 0)
		code = krb5_kt_have_content(r->context, r->keytab);
	if (code != 0)
		return failed(r, "a keytab is needed, with a key of this host: keytab=", code);
	if (!auth_option(o, "realm", "")[0]) {
		code = krb5_get_default_realm(r->context, &r->default_name);
		if (code != 0)
			return failed(r, "realm= or krb5.conf's default_realm is needed", code);
	}
	return choose_service(r, o);
}

/* The user's name is one component of a name in the one realm: nobody chooses another, whose KDC
 * may be anybody's. "alice@THE.REALM" is alice. */
static int make_user(struct realm *r, const struct auth_options *o, const char *username,
                     struct auth_row *row)
{
	const char *realm = auth_option(o, "realm", ""), *at = strrchr(username, '@');
	size_t len = strlen(username);
	krb5_error_code code;

	if (!*realm)
		realm = r->default_name;
	if (at && strcmp(at + 1, realm) == 0)
		len = (size_t)(at - username);
	if (len == 0)
		return 0;
	snprintf(row->username, sizeof(row->username), "%.*s", (int)len, username);
	code = krb5_build_principal_ext(r->context, &r->user, (unsigned)strlen(realm), realm,
	                                (unsigned)len, username, 0);
	return code == 0 ? 1 : failed(r, "the user's name", code);
}

/* What the KDC makes of the password. */
static int judge(struct realm *r, krb5_error_code code)
{
	if (code == 0)
		return AUTH_YES;
	if (code == KRB5KDC_ERR_PREAUTH_FAILED || code == KRB5KRB_AP_ERR_BAD_INTEGRITY ||
	    code == KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN || code == KRB5_PREAUTH_FAILED)
		return AUTH_NO;
	(void)failed(r, "Kerberos", code);
	return code == KRB5KDC_ERR_CLIENT_REVOKED || code == KRB5KDC_ERR_KEY_EXP ||
	                       code == KRB5KDC_ERR_NAME_EXP || code == KRB5KDC_ERR_POLICY
	               ? AUTH_NO
	               : -EIO;
}

static int get_ticket(struct realm *r, const char *password)
{
	krb5_error_code code = krb5_get_init_creds_opt_alloc(r->context, &r->how);

	if (code != 0)
		return failed(r, "Kerberos", code);
	/* used once, here */
	krb5_get_init_creds_opt_set_tkt_life(r->how, 300);
	krb5_get_init_creds_opt_set_renew_life(r->how, 0);
	krb5_get_init_creds_opt_set_forwardable(r->how, 0);
	krb5_get_init_creds_opt_set_proxiable(r->how, 0);
	krb5_get_init_creds_opt_set_change_password_prompt(r->how, 0);
	code = krb5_get_init_creds_password(r->context, &r->credentials, r->user, password, NULL,
	                                    NULL, 0, NULL, r->how);
	return judge(r, code);
}

static int verify_ticket(struct realm *r)
{
	krb5_verify_init_creds_opt strict;
	krb5_error_code code;

	krb5_verify_init_creds_opt_init(&strict);
	krb5_verify_init_creds_opt_set_ap_req_nofail(&strict, 1); /* no key, no proof */
	code = krb5_verify_init_creds(r->context, &r->credentials, r->service, r->keytab, NULL,
	                              &strict);
	return code == 0 ? AUTH_YES
	                 : failed(r, "the KDC could not prove who it is with the keytab", code);
}

static int kerberos_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	struct realm r = {.err = a->error};
	struct auth_row row = {0};
	int result;

	if (!a->username[0] || !a->password || a->password_len == 0)
		return AUTH_NO;
	result = realm_open(&r, a->options);
	if (result == 0)
		result = make_user(&r, a->options, a->username, &row);
	if (result > 0)
		result = get_ticket(&r, a->password);
	if (result == AUTH_YES)
		result = verify_ticket(&r);
	realm_close(&r);
	if (result != AUTH_YES)
		return result;
	snprintf(row.uid, sizeof(row.uid), "%s", auth_option(a->options, "uid", ""));
	snprintf(row.gid, sizeof(row.gid), "%s", auth_option(a->options, "gid", ""));
	*ret_row = row;
	return AUTH_YES;
}

static int kerberos_open(const struct auth_options *options, char *err)
{
	struct realm r = {.err = err};
	int result = realm_open(&r, options);

	realm_close(&r);
	return result;
}

static const char *const kerberos_options[] = {"service", "realm", "keytab", "uid", "gid", NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "kerberos-password",
	.flags = AUTH_CHALLENGE | AUTH_CLEAR | AUTH_WAITS,
	.options = kerberos_options,
	.open = kerberos_open,
	.verify = kerberos_verify,
};
