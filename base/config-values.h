/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/config-values.h - the types that values have; for the table of keys only.
 */
#pragma once

#include "base/config-keys.h"

/* Each as config_key.parse; the member of struct config that it fills is behind its name. */
typedef int config_parser(const struct config_key *k, void *field, char *value,
                          struct config_place *p);

config_parser config_take_usec;        /* uint64_t */
config_parser config_take_bytes;       /* uint64_t */
config_parser config_take_count;       /* uint64_t */
config_parser config_take_account;     /* char *: a user or a group */
config_parser config_take_line;        /* struct config_list */
config_parser config_take_dirs;        /* struct config_list */
config_parser config_take_encoders;    /* struct config_list */
config_parser config_take_transports;  /* unsigned: TRANSPORT_* */
config_parser config_take_encryption;  /* unsigned: ENCRYPTION_* */
config_parser config_take_address;     /* char *: "host:port" or a path */
config_parser config_take_origins;     /* struct config_list */
config_parser config_take_bool;        /* bool */
config_parser config_take_path;        /* char * */
config_parser config_take_paths;       /* struct config_list */
config_parser config_take_tls_version; /* unsigned */
config_parser config_take_verify;      /* bool */
config_parser config_take_networks;    /* struct netaddr_list */
config_parser config_take_registry;    /* enum config_registry, and the module */
config_parser config_take_choice;      /* unsigned: which of config_key.words */
config_parser config_take_profiles;    /* char *: a path or "auth" */
config_parser config_take_string;      /* char *: not empty */
