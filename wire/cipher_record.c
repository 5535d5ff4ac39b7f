/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Worker, locked: records between plain and encrypted, as the bytes come. No record is ever whole
 * in here: what is kept between two calls is less than a block. No system calls.
 */
#include "wire/cipher.h"

#include <errno.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t whole_blocks(size_t n)
{
	return n & ~(size_t)(CIPHER_BLOCK - 1);
}

static unsigned pad_len(uint32_t plain, unsigned granularity)
{
	return granularity - plain % granularity;
}

/* Begins the padding of a record with that many plain bytes. */
static void begin_body(struct cipher *c, uint32_t plain)
{
	bool pads = c->mode == CIPHER_CBC;

	c->plain_left = plain;
	/* Not known yet: 16 bytes are a part of 32. */
	c->pad_left = pads ? pad_len(plain, c->granularity ? c->granularity : 16) : 0;
	c->pad_value = c->padding == CIPHER_PKCS7 ? (uint8_t)c->pad_left : ' ';
	c->pad_tells = c->granularity == 0 && plain % 32 < 16;
	c->pad_wrong = 0;
	c->stage = CIPHER_AT_BODY;
}

/* The padding of a record tells how long it is, where the two granularities differ. */
static void learn_granularity(struct cipher *c, uint8_t first)
{
	if (!c->pad_tells)
		return;
	c->pad_tells = false;
	c->granularity = first == c->pad_left + 16 ? 32 : 16;
	c->pad_left += c->granularity - 16;
	c->pad_value = (uint8_t)c->pad_left;
}

/* One part of the next record at in. The bytes it took, -EAGAIN if there are too few. */
static int64_t read_header(struct cipher *c, const uint8_t *in, size_t len, uint8_t **out,
                           const char **ret_why)
{
	struct header h;
	int r = header_parse(in, len, &h, ret_why);

	if (r < 0)
		return r;
	if (!(h.flags & HEADER_CIPHER)) {
		*ret_why = "unencrypted packet dropped";
		return -EPROTO;
	}
	if (!c->stream && h.size <= CIPHER_BLOCK) {
		*ret_why = "an encrypted packet without content";
		return -EBADMSG;
	}
	h.flags &= (uint8_t)~HEADER_CIPHER;
	if (!c->stream)
		h.size -= CIPHER_BLOCK;
	begin_body(c, h.size);
	if (!c->stream)
		c->stage = CIPHER_AT_IV;
	header_build(*out, &h);
	*out += HEADER_LEN;
	return HEADER_LEN;
}

static int64_t read_body(struct cipher *c, uint8_t *in, size_t len, uint8_t **out,
                         const char **ret_why)
{
	size_t n = (size_t)c->plain_left + c->pad_left, plain;

	/* The last block waits for its padding: a record is not whole before that is right. */
	if (len < n)
		n = c->mode == CIPHER_CBC ? whole_blocks(least(len, c->plain_left - 1)) : len;
	if (n == 0)
		return -EAGAIN;
	cipher_crypt(c, in, in, n);
	plain = least(n, c->plain_left);
	c->plain_left -= (uint32_t)plain;
	if (n > plain)
		learn_granularity(c, in[plain]);
	/* All of it, whatever the first wrong byte is. */
	for (size_t i = plain; i < n; i++)
		c->pad_wrong |= in[i] ^ c->pad_value;
	c->pad_left -= (unsigned)(n - plain);
	if (c->pad_wrong) {
		*ret_why = "encryption padding error - wrong key?";
		return -EBADMSG;
	}
	memmove(*out, in, plain);
	*out += plain;
	if (c->plain_left == 0 && c->pad_left == 0)
		c->stage = CIPHER_AT_HEADER;
	return (int64_t)n;
}

static int64_t read_part(struct cipher *c, uint8_t *in, size_t len, uint8_t **out,
                         const char **ret_why)
{
	switch (c->stage) {
	case CIPHER_AT_HEADER:
		return len > 0 ? read_header(c, in, len, out, ret_why) : -EAGAIN;
	case CIPHER_AT_IV:
		if (len < CIPHER_BLOCK)
			return -EAGAIN;
		cipher_set_iv(c, in);
		c->stage = CIPHER_AT_BODY;
		return CIPHER_BLOCK;
	case CIPHER_AT_BODY:
		return read_body(c, in, len, out, ret_why);
	case CIPHER_BROKEN:
	default:
		*ret_why = "nothing can be decrypted after an error";
		return -EBADMSG;
	}
}

int cipher_decrypt(struct cipher *c, uint8_t *buf, size_t len, size_t *ret_len,
                   const char **ret_why)
{
	uint8_t *in = buf, *out = buf;
	int64_t n;

	memcpy(buf, c->held, c->held_len);
	len += c->held_len;
	c->held_len = 0;
	while ((n = read_part(c, in, len, &out, ret_why)) > 0) {
		in += n;
		len -= (size_t)n;
	}
	*ret_len = (size_t)(out - buf);
	if (n != -EAGAIN) {
		c->stage = CIPHER_BROKEN;
		return (int)n;
	}
	memcpy(c->held, in, len);
	c->held_len = len;
	return 0;
}

/* Fills c->held up to `want` bytes; true: they are there. */
static bool gather(struct cipher *c, const uint8_t **in, size_t *len, size_t want)
{
	size_t n = least(want - c->held_len, *len);

	memcpy(c->held + c->held_len, *in, n);
	c->held_len += n;
	*in += n;
	*len -= n;
	return c->held_len == want;
}

/* A whole header: the bytes it became, or a negative errno. */
static int write_header(struct cipher *c, uint8_t *out)
{
	struct header h;
	int r = header_parse(c->held, HEADER_LEN, &h, NULL);

	if (r < 0)
		return r;
	begin_body(c, h.size);
	h.flags |= HEADER_CIPHER;
	c->held_len = 0;
	if (c->stream) {
		header_build(out, &h);
		return HEADER_LEN;
	}
	h.size += CIPHER_BLOCK;
	if (h.size > HEADER_SIZE_MAX)
		return -EMSGSIZE;
	header_build(out, &h);
	c->make_iv(out + HEADER_LEN);
	cipher_set_iv(c, out + HEADER_LEN);
	return HEADER_LEN + CIPHER_BLOCK;
}

/* The last bytes of a CBC record, with their padding. */
static size_t write_tail(struct cipher *c, uint8_t *out)
{
	size_t n = c->held_len + c->pad_left;

	memcpy(out, c->held, c->held_len);
	memset(out + c->held_len, c->pad_value, c->pad_left);
	cipher_crypt(c, out, out, n);
	c->held_len = 0;
	return n;
}

/* Payload bytes, whole blocks of them with CBC, and what is over into c->held. */
static size_t write_body(struct cipher *c, const uint8_t **in, size_t *len, uint8_t *out,
                         size_t room)
{
	size_t n = least(least(*len, c->plain_left), room), left = *len;

	if (c->mode == CIPHER_CBC) {
		n = whole_blocks(n);
		if (c->held_len > 0 || n == 0) {
			size_t want = least(CIPHER_BLOCK, c->held_len + c->plain_left);
			bool block = gather(c, in, len, want) && want == CIPHER_BLOCK;

			c->plain_left -= (uint32_t)(left - *len);
			if (!block)
				return 0;
			cipher_crypt(c, out, c->held, CIPHER_BLOCK);
			c->held_len = 0;
			return CIPHER_BLOCK;
		}
	}
	cipher_crypt(c, out, *in, n);
	*in += n;
	*len -= n;
	c->plain_left -= (uint32_t)n;
	return n;
}

int cipher_encrypt(struct cipher *c, const uint8_t *in, size_t len, uint8_t *out, size_t size,
                   size_t *ret_taken, size_t *ret_len)
{
	const uint8_t *start = in;
	size_t n = 0;
	int r = 0;

	/* Room for a header with an IV, or for a last block and its padding, at every step: what
	 * has been taken is then never left without its end. */
	while (r >= 0 && len > 0 && size - n >= CIPHER_ROOM) {
		if (c->stage == CIPHER_AT_HEADER) {
			r = gather(c, &in, &len, HEADER_LEN) ? write_header(c, out + n) : 0;
			n += r > 0 ? (size_t)r : 0;
			continue;
		}
		n += write_body(c, &in, &len, out + n, size - n - 32);
		if (c->plain_left == 0) {
			n += write_tail(c, out + n);
			c->stage = CIPHER_AT_HEADER;
		}
	}
	*ret_taken = (size_t)(in - start);
	*ret_len = n;
	return r < 0 ? r : 0;
}
