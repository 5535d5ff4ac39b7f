/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * without.c - in the place of relay/transcode*.c: the program as it would be if it could not
 * transcode. For `make bench BENCH=without`, which compares it with the one that can, and is not
 * asked to.
 */
#include <errno.h>
#include <stddef.h>

#include "base/clock.h"
#include "relay/transcode.h"

struct transcode *transcode_new(const struct config *config, int memory_fd)
{
	(void)config, (void)memory_fd;
	return NULL;
}

int transcode_offer(struct worker *w, enum encoder encoder, const uint8_t **payload, size_t *len,
                    void *buf, size_t size)
{
	(void)w, (void)encoder, (void)payload, (void)len, (void)buf, (void)size;
	return 0;
}

void transcode_begin(struct worker *w)
{
	(void)w;
}

bool transcode_active(const struct worker *w)
{
	(void)w;
	return false;
}

int transcode_look(struct worker *w, const struct header *h, const char **ret_why)
{
	(void)w, (void)h, (void)ret_why;
	return -EAGAIN;
}

int transcode_edit(struct worker *w, const char **ret_why)
{
	(void)w, (void)ret_why;
	return -EAGAIN;
}

void transcode_passed(struct worker *w)
{
	(void)w;
}

int transcode_client(struct worker *w, const char *name, struct token_reader *r)
{
	(void)w, (void)name, (void)r;
	return 0;
}

bool transcode_ready(const struct worker *w, const struct flow *f)
{
	(void)w, (void)f;
	return false;
}

void transcode_write(struct worker *w, struct flow *f)
{
	(void)w, (void)f;
}

int transcode_fd(const struct worker *w)
{
	(void)w;
	return -1;
}

bool transcode_reads(const struct worker *w)
{
	(void)w;
	return false;
}

void transcode_receive(struct worker *w)
{
	(void)w;
}

uint64_t transcode_tick(struct worker *w, uint64_t now_usec)
{
	(void)w, (void)now_usec;
	return USEC_INFINITY;
}
