/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/show.h - connections as a table or as JSON, on stdout. In xproxyctl.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "session/live.h"

/* What one control socket told about its connection: from somebody else's process, so anything may
 * be in the strings. "" and 0: not known. */
struct connection {
	struct live_socket socket;
	bool answered;
	char display[128], user[128], peer[128], client[256], transport[64], upstream[512];
	char encoder[32], compressor[32], module[64], unit[128], server[64];
	uint64_t since, uptime;       /* seconds */
	uint64_t bytes_in, bytes_out; /* from and to the client */
	uint64_t latency_msec;        /* of the client */
	uint64_t pid, worker_pid;
};

/* "5s" "12min" "3h 20min" "4d 2h"; "999" "1.2K" "35M" */
void show_age(uint64_t seconds, char *buf, size_t size);
void show_bytes(uint64_t bytes, char *buf, size_t size);

/* Fits the terminal, if stdout is one. */
void show_table(const struct connection *list, size_t n);

/* A JSON string with its quotes. What is not UTF-8 becomes U+FFFD. */
void show_json_string(const char *text);
void show_json(const struct connection *list, size_t n);
