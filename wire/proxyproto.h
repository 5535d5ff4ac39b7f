/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/proxyproto.h - the header with which nginx, haproxy or a load balancer says whom it speaks
 * for: the PROXY protocol, versions 1 (a line of text) and 2 (binary). Source: haproxy's
 * proxy-protocol.txt.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXYPROTO_V1_MAX 107 /* bytes of a line with its CRLF, the specification's limit */
#define PROXYPROTO_MAX 4096   /* bytes of a header; ours: real ones have few hundred */

enum proxyproto_client {
	PROXYPROTO_LOCAL,   /* nobody: the front end's own connection, such as a health check */
	PROXYPROTO_UNKNOWN, /* somebody without an address: not TCP, or not known */
	PROXYPROTO_INET,
	PROXYPROTO_INET6,
};

struct proxyproto {
	size_t len; /* of the header: what follows is the client's */
	enum proxyproto_client client;
	uint8_t address[16]; /* network byte order; INET: the first four */
	uint16_t port;
	bool tls; /* the client speaks TLS with the front end, which ends there */
};

/* Reads a header from the first n bytes at p. 0; -EAGAIN it is not all there and nothing is wrong
 * so far; -EBADMSG it is none, or malformed; -EMSGSIZE it is too long. On the last two *ret_why is
 * a static text that names the rule. More bytes never change a verdict.
 *
 * What tells a client's address is strict: a line follows the specification to the letter, lengths
 * must fit, a CRC32c (type 3) must be right, and so must the field on TLS (type 0x20). Everything
 * else that the specification has (UDP, unix sockets, other types of additional fields) is skipped.
 */
int proxyproto_parse(const uint8_t *p, size_t n, struct proxyproto *ret, const char **ret_why);

/* After -EAGAIN: how many bytes more are certain to be the header's, at least 1. Who reads no more
 * than that never takes a byte of what follows it. */
size_t proxyproto_missing(const uint8_t *p, size_t n);
