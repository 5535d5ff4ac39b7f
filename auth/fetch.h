/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/fetch.h - one request to a server of identities. Part of auth-oauth.so and
 * auth-keycloak.so.
 */
#pragma once

#include <stddef.h>

#define FETCH_SECRET_MAX 768

struct auth_options;

struct fetch {
	const char *url;             /* https:// */
	const char *cacert;          /* instead of the system's; NULL */
	const char *form;            /* sent by POST; NULL: GET */
	const char *user, *password; /* HTTP basic; NULL */
	const char *bearer;          /* a token instead; NULL */
};

/* Whether such requests can be made: the library, the URL, cacert. 0, or a negative errno with err
 * (AUTH_ERROR_MAX bytes). */
int fetch_check(const char *option, const char *url, const char *cacert, char *err);

/* The body of an answer 200, to be given back to fetch_free(). Anything else, another server than
 * the certificate says, a redirection, too much, too late: a negative errno with err, which has
 * nothing of what was sent; -EBADMSG if the server finds the request at fault (400), -EACCES if who
 * asks (401, 403). */
int fetch(const struct fetch *f, char **ret, size_t *ret_len, char *err);

/* Wipes and frees. */
void fetch_free(char *body, size_t len);

/* Appends text as a form's value: 0, or -E2BIG. *n is how much of ret is used. */
int fetch_encode(const char *text, char *ret, size_t size, size_t *n);

/* The secret that the proxy shows: the option, or what is in the file that OPTION-file= or
 * OPTION_file= names; encoded. 0, or a negative errno with err: none, too long, not readable. */
int fetch_secret(const struct auth_options *o, const char *option, char ret[FETCH_SECRET_MAX],
                 char *err);
