/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/yaml.h - packets in yaml, the fourth encoder: what PyYAML's dump() writes, and no more.
 *
 * xpra 3.1 - 5.x and 6.3 and later speak it when --packet-encoders leaves nothing better. Its
 * strings are folded, escaped or base64, and a list that occurs twice is written once: tokens
 * cannot point into it. So a packet is turned into rencodeplus first, and then read like any other.
 *
 * Not a library: libyaml allocates for each event, and reads a language that no peer writes, where
 * this reads only what they do. Everything else is malformed: comments, directives, documents,
 * other tags, other anchors than PyYAML's id001, tabs, values left out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define YAML_ANCHORS_MAX 1024 /* id001 to id1023; recorded peers have 17 */

/* The same packet in rencodeplus, with all lists and dicts marked. in and out do not overlap; no
 * allocation, no recursion. A plain scalar is what PyYAML would read if PyYAML wrote it: `null`,
 * `true`, `false`, a decimal integer, a float; else text. !!python/tuple is a list.
 * 0 and *ret_len; -EBADMSG malformed; -EMSGSIZE it does not fit, or is nested deeper than
 * TOKEN_DEPTH_MAX. An alias is a copy, so that size bounds what a short packet can become. */
int yaml_unfold(const uint8_t *in, size_t len, uint8_t *out, size_t size, size_t *ret_len);

/* The first item of the list, from the first n bytes, if it is written as peers write names: plain,
 * or quoted in a flow list, without escapes. *ret points into in. 0, or -EBADMSG: not to be seen
 * here. If lines follow that belong to it, the name has a blank there, and is nobody's. */
int yaml_name(const uint8_t *in, size_t n, const uint8_t **ret, size_t *ret_len);
