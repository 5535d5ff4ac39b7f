/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/memory.c - remember a target's encoder. Guard, before it becomes the user.
 */
#include "session/memory.h"

#include <stdio.h>

#include "base/macros.h"
#include "base/runtime.h"
#include "wire/token.h"

static const enum encoder known[] = {ENCODER_BENCODE, ENCODER_RENCODE, ENCODER_RENCODEPLUS};

/* FNV-1a: names must differ, not resist anybody; the URIs are the administrator's. */
static uint64_t hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
	return h;
}

static int path_of(uid_t uid, const char *uri, char *buf, size_t size)
{
	char name[48];

	snprintf(name, sizeof(name), "encoder-%u-%016llx", uid, (unsigned long long)hash(uri));
	return runtime_path(name, buf, size);
}

uint32_t memory_recall(uid_t uid, const char *uri)
{
	char path[256], name[32];
	ssize_t n;

	if (path_of(uid, uri, path, sizeof(path)) < 0)
		return MEMORY_UNKNOWN;
	n = readlink(path, name, sizeof(name) - 1);
	if (n <= 0)
		return MEMORY_UNKNOWN;
	name[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(name, encoder_name(known[i])) == 0)
			return known[i];
	return MEMORY_UNKNOWN;
}

void memory_store(uid_t uid, const char *uri, uint32_t encoder)
{
	char path[256], temporary[300];

	if (encoder == ENCODER_YAML) /* says more of that client: others are better served */
		return;
	if (memory_recall(uid, uri) == encoder || path_of(uid, uri, path, sizeof(path)) < 0)
		return;
	snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
	if (symlink(encoder_name(encoder), temporary) == 0 && rename(temporary, path) < 0)
		(void)unlink(temporary);
}
