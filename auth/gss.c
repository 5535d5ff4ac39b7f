/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/gss.c - Kerberos tickets that the client has already (auth-gss.so: gss and kerberos-token).
 * Checker, with the guard's privilege: it reads the keytab and keeps the cache of replays. System
 * calls: those of libgssapi: open, read, write, flock.
 *
 * The client gets a token for our service from its ticket and sends it, XORed, instead of a
 * password. The two modules differ in how xpra's clients write it: kerberos-token is for the
 * service `name@host` and base64, gss for the principal `name/host` and binary. A token is good
 * once, which the replay cache sees to, shared by all connections; and who it is, is the
 * principal's name.
 */
#include "auth/module.h"

#include <errno.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_MAX 8192
#define PATH_LEN_MAX 512

extern const struct auth_module auth_module, auth_kerberos_token;

/* Everything one call needs; closed by acceptor_close(). */
struct acceptor {
	gss_name_t service, client;
	gss_cred_id_t keys;
	gss_ctx_id_t context;
	char *err;
};

static void acceptor_close(struct acceptor *c)
{
	OM_uint32 minor;

	(void)gss_delete_sec_context(&minor, &c->context, GSS_C_NO_BUFFER);
	(void)gss_release_name(&minor, &c->client);
	(void)gss_release_name(&minor, &c->service);
	(void)gss_release_cred(&minor, &c->keys);
}

static void describe(struct acceptor *c, const char *what, OM_uint32 major, OM_uint32 minor)
{
	const struct {
		OM_uint32 code;
		int type;
	} codes[] = {{major, GSS_C_GSS_CODE}, {minor, GSS_C_MECH_CODE}};
	size_t n = (size_t)snprintf(c->err, AUTH_ERROR_MAX, "%s", what);

	for (int i = 0; i < 2; i++) {
		OM_uint32 ignored, more = 0;
		gss_buffer_desc text = GSS_C_EMPTY_BUFFER;

		if (codes[i].code == 0 ||
		    gss_display_status(&ignored, codes[i].code, codes[i].type,
		                       (gss_OID)gss_mech_krb5, &more, &text) != GSS_S_COMPLETE)
			continue;
		if (n < AUTH_ERROR_MAX)
			n += (size_t)snprintf(c->err + n, AUTH_ERROR_MAX - n, ": %.*s",
			                      text.length > 100 ? 100 : (int)text.length,
			                      (const char *)text.value);
		(void)gss_release_buffer(&ignored, &text);
	}
}

/* ---- our keys ---- */

/* Where it is not somebody else's to spoil, as /var/tmp would be. "": libkrb5's own place. */
static void replay_cache(char *ret, size_t size)
{
	const char *dir = getenv("RUNTIME_DIRECTORY");

	if (!dir || !*dir)
		dir = "/run/xproxy";
	if (access(dir, W_OK) == 0)
		snprintf(ret, size, "file2:%s/krb5.rcache2", dir);
	else
		*ret = '\0';
}

static int import_service(struct acceptor *c, const char *service, bool host_based)
{
	gss_buffer_desc name = {.length = strlen(service),
	                        .value = (char *)service}; /* only read */
	OM_uint32 minor, major = gss_import_name(&minor, &name,
	                                         host_based ? GSS_C_NT_HOSTBASED_SERVICE
	                                                    : (gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME,
	                                         &c->service);

	if (major == GSS_S_COMPLETE)
		return 0;
	describe(c, "service=", major, minor);
	return -EINVAL;
}

static int acceptor_open(struct acceptor *c, const struct auth_options *o, bool host_based)
{
	const char *service = auth_option(o, "service", ""),
		   *keytab = auth_option(o, "keytab", NULL);
	char cache[PATH_LEN_MAX];
	gss_key_value_element_desc elements[2];
	gss_key_value_set_desc store = {.count = 0, .elements = elements};
	gss_OID_set_desc krb5 = {.count = 1, .elements = (gss_OID)gss_mech_krb5};
	OM_uint32 major, minor;
	int r;

	if (!strchr(service, host_based ? '@' : '/') || strlen(service) > 200) {
		snprintf(c->err, AUTH_ERROR_MAX, "service= is needed, as clients are told it: %s",
		         host_based ? "xpra@proxy.example.org" : "xpra/proxy.example.org");
		return -EINVAL;
	}
	r = import_service(c, service, host_based);
	if (r < 0)
		return r;
	if (keytab)
		store.elements[store.count++] = (gss_key_value_element_desc){"keytab", keytab};
	replay_cache(cache, sizeof(cache));
	if (*cache)
		store.elements[store.count++] = (gss_key_value_element_desc){"rcache", cache};
	major = gss_acquire_cred_from(&minor, c->service, GSS_C_INDEFINITE, &krb5, GSS_C_ACCEPT,
	                              store.count ? &store : GSS_C_NO_CRED_STORE, &c->keys, NULL,
	                              NULL);
	if (major == GSS_S_COMPLETE)
		return 0;
	describe(c, "a keytab is needed, with a key of that service: keytab=", major, minor);
	return -ENOKEY;
}

/* ---- the client's token ---- */

/* Of a client that has sent nonsense, and of one whose ticket does not hold: both are a no. */
static bool is_no(OM_uint32 major)
{
	OM_uint32 error = GSS_ROUTINE_ERROR(major);

	return error == GSS_S_DEFECTIVE_TOKEN || error == GSS_S_DEFECTIVE_CREDENTIAL ||
	       error == GSS_S_BAD_SIG || error == GSS_S_NO_CRED || error == GSS_S_BAD_MECH ||
	       error == GSS_S_CREDENTIALS_EXPIRED || error == GSS_S_FAILURE ||
	       GSS_SUPPLEMENTARY_INFO(major) != 0;
}

static int accept_token(struct acceptor *c, uint8_t *token, size_t len)
{
	gss_buffer_desc in = {.length = len, .value = token}, out = GSS_C_EMPTY_BUFFER;
	OM_uint32 flags = 0, minor, ignored;
	OM_uint32 major =
		gss_accept_sec_context(&minor, &c->context, c->keys, &in, GSS_C_NO_CHANNEL_BINDINGS,
	                               &c->client, NULL, &out, &flags, NULL, NULL);

	(void)gss_release_buffer(&ignored, &out); /* xpra's clients have no use for an answer */
	if (major == GSS_S_COMPLETE && !(flags & GSS_C_ANON_FLAG))
		return AUTH_YES;
	if (major == GSS_S_COMPLETE || major == GSS_S_CONTINUE_NEEDED) {
		snprintf(c->err, AUTH_ERROR_MAX,
		         "the client's token does not say who it is, or wants an answer first");
		return AUTH_NO;
	}
	describe(c, "the client's token", major, minor);
	return is_no(major) ? AUTH_NO : -EIO;
}

static int name_client(struct acceptor *c, const char *realm, struct auth_row *row)
{
	gss_buffer_desc name = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor, major = gss_display_name(&minor, c->client, &name, NULL);
	const char *at;
	int r = AUTH_YES;

	if (major != GSS_S_COMPLETE) {
		describe(c, "the principal", major, minor);
		return -EIO;
	}
	if (name.length >= sizeof(row->username) || memchr(name.value, '\0', name.length)) {
		snprintf(c->err, AUTH_ERROR_MAX, "the principal's name is too long");
		r = -E2BIG;
	} else {
		memcpy(row->username, name.value, name.length);
		row->username[name.length] = '\0';
		at = strrchr(row->username, '@');
		if (*realm && (!at || strcmp(at + 1, realm) != 0)) {
			snprintf(c->err, AUTH_ERROR_MAX,
			         "%.180s is not of the realm that realm= says", row->username);
			r = AUTH_NO;
		}
	}
	(void)gss_release_buffer(&minor, &name);
	return r;
}

static int decode_base64(const struct auth_attempt *a, uint8_t *ret, size_t *ret_len)
{
	struct base64_decode_ctx b;
	size_t len = TOKEN_MAX;

	base64_decode_init(&b);
	if (a->password_len > TOKEN_MAX ||
	    !base64_decode_update(&b, &len, ret, a->password_len, a->password) ||
	    !base64_decode_final(&b))
		return AUTH_NO;
	*ret_len = len;
	return AUTH_YES;
}

static int verify(struct auth_attempt *a, struct auth_row *ret_row, bool host_based)
{
	struct acceptor c = {.err = a->error};
	struct auth_row row = {0};
	uint8_t token[TOKEN_MAX];
	size_t len = a->password_len;
	int r = AUTH_YES;

	if (!a->password || len == 0 || len > sizeof(token))
		return AUTH_NO;
	memcpy(token, a->password, len);
	if (host_based)
		r = decode_base64(a, token, &len);
	if (r == AUTH_YES) {
		r = acceptor_open(&c, a->options, host_based);
		if (r == 0)
			r = accept_token(&c, token, len);
	}
	if (r == AUTH_YES)
		r = name_client(&c, auth_option(a->options, "realm", ""), &row);
	acceptor_close(&c);
	explicit_bzero(token, sizeof(token));
	if (r != AUTH_YES)
		return r;
	snprintf(row.uid, sizeof(row.uid), "%s", auth_option(a->options, "uid", ""));
	snprintf(row.gid, sizeof(row.gid), "%s", auth_option(a->options, "gid", ""));
	*ret_row = row;
	return AUTH_YES;
}

static int challenge(struct auth_attempt *a, unsigned n, const char *kind, const char *prompt,
                     struct auth_challenge *ret)
{
	if (n > 0)
		return -EPROTO;
	snprintf(ret->digest, sizeof(ret->digest), "%s:%s", kind,
	         auth_option(a->options, "service", ""));
	snprintf(ret->prompt, sizeof(ret->prompt), "%s", prompt);
	return 0;
}

static int open_options(const struct auth_options *o, char *err, bool host_based)
{
	struct acceptor c = {.err = err};
	int r = acceptor_open(&c, o, host_based);

	acceptor_close(&c);
	return r;
}

/* ---- the two of them ---- */

static int binary_challenge(struct auth_attempt *a, unsigned n, struct auth_challenge *ret)
{
	return challenge(a, n, "gss", "GSS token", ret);
}

static int binary_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	return verify(a, ret_row, false);
}

static int binary_open(const struct auth_options *options, char *err)
{
	return open_options(options, err, false);
}

static int token_challenge(struct auth_attempt *a, unsigned n, struct auth_challenge *ret)
{
	return challenge(a, n, "kerberos", "kerberos token", ret);
}

static int token_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	return verify(a, ret_row, true);
}

static int token_open(const struct auth_options *options, char *err)
{
	return open_options(options, err, true);
}

static const char *const token_options[] = {"service", "keytab", "realm", "uid", "gid", NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "gss",
	.flags = AUTH_CHALLENGE | AUTH_OWN | AUTH_WAITS,
	.options = token_options,
	.open = binary_open,
	.challenge = binary_challenge,
	.verify = binary_verify,
};

const struct auth_module auth_kerberos_token = {
	.abi = AUTH_MODULE_ABI,
	.name = "kerberos-token",
	.flags = AUTH_CHALLENGE | AUTH_OWN | AUTH_WAITS,
	.options = token_options,
	.open = token_open,
	.challenge = token_challenge,
	.verify = token_verify,
};
