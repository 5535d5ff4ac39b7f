/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/ldap_options.h - what the options of `ldap` and `ldap3` say. Part of auth-ldap.so.
 */
#pragma once

#include "auth/module.h"

#define LDAP_TEXT_MAX 1024

struct ldap_settings {
	char uri[LDAP_TEXT_MAX]; /* one, or several with blanks between */
	bool starttls;
	int timeout; /* seconds, of each step */
	const char *cacert;
	const char *format; /* of the DN */
	char domain[256];
	const char *base, *filter; /* base NULL: no search, the DN is made of format */
	const char *bind_dn;
	char *password; /* for bind_dn */
	size_t password_len;
	const char *uid, *gid;
	const char *uid_attribute, *gid_attribute, *sessions_attribute, *username_attribute;
};

/* 0, or a negative errno with err (AUTH_ERROR_MAX bytes). To be given back either way. */
int ldap_options_read(const struct auth_options *o, const char *format, struct ldap_settings *ret,
                      char *err);
void ldap_options_wipe(struct ldap_settings *s);
