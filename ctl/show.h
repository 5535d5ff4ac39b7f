/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/show.h - connections as a table or as JSON, on stdout. In xproxyctl.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ctl/find.h"

/* "5s" "12min" "3h 20min" "4d 2h"; "999B" "1.2K" "35M"; "0.05s" "59s" "12min" */
void show_age(uint64_t seconds, char *buf, size_t size);
void show_bytes(uint64_t bytes, char *buf, size_t size);
void show_cpu(uint64_t nsec, char *buf, size_t size);

/* Fits $COLUMNS or the terminal, if stdout is one: the columns that say least are left out, then
 * the widest are cut. The ID is always there whole. */
void show_table(const struct connection *list, size_t n);

/* One line for each socket unit: what it has accepted. */
void show_sockets(const struct units *u);

/* A JSON string with its quotes. What is not UTF-8 becomes U+FFFD. */
void show_json_string(const char *text);
void show_json(const struct connection *list, size_t n);
