/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/packet.c - records of our own, and the name of somebody else's. Pure.
 */
#include "wire/packet.h"

#include <errno.h>
#include <stddef.h>

#include "base/macros.h"
#include "wire/yaml.h"

#define NAME_MAX_LEN 64

void packet_begin(struct token_writer *w, enum encoder encoder, void *buf, size_t size,
                  const char *name)
{
	bool fits = size >= HEADER_LEN;

	token_writer_init(w, encoder, (uint8_t *)buf + (fits ? HEADER_LEN : 0),
	                  fits ? size - HEADER_LEN : 0);
	token_write_list(w, TOKEN_COUNT_UNKNOWN);
	token_write_text(w, name);
}

int packet_end(struct token_writer *w, size_t *ret_len)
{
	struct header h = {.flags = (uint8_t)w->encoder};
	int r = token_write_end(w);

	if (r < 0)
		return r;
	if (w->len > HEADER_SIZE_MAX)
		return -EMSGSIZE;
	h.size = (uint32_t)w->len;
	header_build(w->data - HEADER_LEN, &h);
	*ret_len = HEADER_LEN + w->len;
	return 0;
}

int packet_disconnect(enum encoder encoder, void *buf, size_t size, const char *reason,
                      const char *text, size_t *ret_len)
{
	struct token_writer w;

	packet_begin(&w, encoder, buf, size, "disconnect");
	token_write_text(&w, reason);
	if (text && *text)
		token_write_text(&w, text);
	return packet_end(&w, ret_len);
}

/* First bytes of rencode and rencodeplus, see xpra-protocol 2.2. */
#define RENCODE_LIST_MARKED 59
#define RENCODE_STRING 128
#define RENCODE_LIST 192

/* The first item of the list, if n bytes of it are enough. */
static int read_name(enum encoder encoder, const uint8_t *data, size_t n, const char **ret,
                     size_t *ret_len)
{
	struct token_reader r _uninitialized_;
	struct token t;

	/* Nearly every packet there is: rencode, a list that begins with a short string. This is
	 * done for each record that is relayed. */
	if (encoder & (ENCODER_RENCODE | ENCODER_RENCODEPLUS) && n > 2 &&
	    (data[0] > RENCODE_LIST || data[0] == RENCODE_LIST_MARKED) &&
	    data[1] > RENCODE_STRING && data[1] < RENCODE_LIST &&
	    n - 2 >= (size_t)data[1] - RENCODE_STRING) {
		*ret = (const char *)data + 2;
		*ret_len = (size_t)data[1] - RENCODE_STRING;
		return 0;
	}
	if (encoder == ENCODER_YAML) {
		if (yaml_name(data, n, &t.data, ret_len) < 0)
			return -EBADMSG;
		*ret = (const char *)t.data;
		return 0;
	}
	token_reader_init(&r, encoder, data, n);
	if (token_read(&r, &t) != 1 || t.type != TOKEN_LIST)
		return -EBADMSG;
	if (token_read(&r, &t) != 1)
		return -EBADMSG;
	if (t.type == TOKEN_INT) {
		*ret = NULL;
		*ret_len = 0;
		return 0;
	}
	if (!token_is_string(&t) || t.len == 0 || t.len > NAME_MAX_LEN)
		return -EBADMSG;
	*ret = (const char *)t.data;
	*ret_len = t.len;
	return 0;
}

int packet_peek_name(struct decompressor *d, const struct header *h, const uint8_t *payload,
                     size_t n, uint8_t scratch[PACKET_PEEK], const char **ret, size_t *ret_len)
{
	size_t enough = h->size < PACKET_PEEK ? h->size : PACKET_PEEK, len = n;
	const uint8_t *data = payload;
	int r = 0;

	if (n > h->size)
		len = n = h->size;
	if (h->compression) {
		r = decompress_prefix(d, h->compression, payload, n, scratch, PACKET_PEEK, &len);
		data = scratch;
	}
	if (r == 0)
		r = read_name((enum encoder)(h->flags & ENCODER_FLAGS), data, len, ret, ret_len);
	if (r < 0)
		return n < enough ? -EAGAIN : -EBADMSG;
	return 0;
}
