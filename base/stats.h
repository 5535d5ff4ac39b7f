/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/stats.h - what the worker counts and the guard shows.
 *
 * One shared page, made before the split: the worker writes it, the guard has it read-only and
 * answers `info` from it. Plain counters: a torn read shows a number that is one packet old.
 */
#pragma once

#include <stdint.h>

#include "base/frame.h"

#define STATS_WINDOWS 16 /* that are transcoded; more are not shown */

struct stats_direction {
	uint64_t bytes;     /* read from the sender */
	uint64_t packets;   /* main records */
	uint64_t reencoded; /* main records that were translated, not passed as they came */
	uint64_t injected;  /* packets of our own sent in this direction */
};

/* What the encoder reports of a window. */
struct stats_window {
	uint32_t wid; /* 0: none */
	struct frame_report report;
};

struct stats {
	struct stats_direction from_client; /* client -> upstream */
	struct stats_direction from_server; /* upstream -> client */
	uint32_t client_latency_usec;       /* of the last own ping; 0 unknown */
	uint32_t server_latency_usec;
	uint32_t client_encoder, server_encoder; /* enum encoder each side was last seen to use */
	uint32_t client_compressor, server_compressor; /* enum compressor, likewise */
	uint32_t established;                          /* both hellos are through */
	uint64_t draws_bytes, pictures_bytes; /* of draws taken out for the encoder, and put in */
	char encoder_lost[64];                /* why there is no encoder any more; "" */
	struct stats_window windows[STATS_WINDOWS];
};

/* Pages shared by the processes forked later. NULL: out of memory. */
struct stats *stats_map(void);
/* Takes the calling process's write access away. */
void stats_seal(struct stats *s);
