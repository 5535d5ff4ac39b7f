/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/form.h - who somebody is, as browsers send it: the fields of an HTML form
 * (application/x-www-form-urlencoded, WHATWG URL 5.1), and HTTP's Basic authentication, RFC 7617.
 */
#pragma once

#include <stddef.h>

/* The value of the field of that name, decoded and terminated, into ret (size bytes). 0; -ENOENT
 * there is none; -EBADMSG it is there twice, an escape is none, or the value holds a zero byte;
 * -EMSGSIZE it does not fit. Nothing is written beyond what an error was found behind: wipe ret. */
int form_field(const char *body, size_t len, const char *name, char *ret, size_t size);

/* The value of an Authorization field, "Basic BASE64": name and password, terminated, each into an
 * array of that size. 0; -ENOENT another scheme; -EBADMSG malformed, without a colon, or with a
 * zero byte; -EMSGSIZE one of them does not fit. */
int form_basic(const char *value, size_t len, char *user, size_t user_size, char *password,
               size_t password_size);
