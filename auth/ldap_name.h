/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/ldap_name.h - user names in DNs and filters. Pure functions; part of auth-ldap.so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What cannot be mistaken for syntax stays, every other byte becomes \XX, which is an escape in DNs
 * (RFC 4514) and in filters (RFC 4515) alike. 0, or -E2BIG. */
int ldap_name_escape(const char *name, char *ret, size_t size);

/* The template with %username and %domain filled in, escaped if that is said. 0, or -E2BIG. */
int ldap_name_fill(const char *template, const char *username, const char *domain, bool escape,
                   char *ret, size_t size);

/* Whether a template makes a DN, not what Active Directory takes for one: user@domain. */
bool ldap_name_is_dn(const char *template);
