/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/tunnel.h - what xproxy-tunnel is given: fds with fixed numbers, and a job in a memfd.
 *
 * The job is written by a child that is the session's user, so that files are read with that user's
 * rights, and not trusted: whoever wrote it can only spoil their own connection.
 */
#pragma once

#include <stdint.h>

enum tunnel_fd {
	TUNNEL_NET = 0,   /* connected to the session's server */
	TUNNEL_INNER = 1, /* the other end is the worker's upstream */
	/* 2, stderr: a pipe to the guard. The first line is TUNNEL_READY, or what failed. */
	TUNNEL_JOB = 3,
};

#define TUNNEL_READY "ready"

enum tunnel_file {
	TUNNEL_CA, /* PEM; none: the system's */
	TUNNEL_CRL,
	TUNNEL_CERT,
	TUNNEL_KEY,
	TUNNEL_FILES_,
};

#define TUNNEL_FILE_MAX (1u << 20)

struct tunnel_job {
	uint64_t deadline_usec; /* of the monotonic clock: handshakes are over by then */
	uint32_t tls, websocket;
	uint32_t unverified;          /* any certificate will do */
	uint32_t any_name;            /* it need not be for `host` */
	char host[256];               /* the name or address that the certificate must have */
	char authority[280];          /* Host: of the upgrade */
	char path[132];               /* that it asks for */
	uint32_t size[TUNNEL_FILES_]; /* what follows, in that order; 0: not given */
};
