/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/dburi.h - where a database is, which is a secret as its password is a part of it: `uri=` in
 * the module's options, or `uri-file=` with a file that holds it; a name without a slash is that of
 * a credential of the unit (LoadCredential=).
 */
#pragma once

#include "auth/module.h"

#define DBURI_MAX 4096

/* ret: the URI, to be wiped; what SQLAlchemy needs (`postgresql+psycopg2://`) is left out. 0, or a
 * negative errno with err, which does not quote it. */
int dburi_get(const struct auth_options *options, char ret[DBURI_MAX], char *err);

/* Decodes the %XX of a part of a URI in place. False: it is malformed. */
bool dburi_decode(char *text);
