/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer: byte 0 is mode, padding, granularity and stream, byte 1 how the rest is cut. The rest
 * is read as encrypted records, in pieces and at once: the same comes out, never more than went in.
 * Then it is the payload of two records that are written in pieces and must come back. */
#include "tests/fuzz/ensure.h"
#include "wire/cipher.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint8_t ivs;

static void make_iv(uint8_t iv[CIPHER_BLOCK])
{
	memset(iv, ++ivs, CIPHER_BLOCK);
}

static void *exact(size_t n)
{
	void *p = malloc(n ? n : 1);

	ENSURE(p);
	return p;
}

/* All of it in pieces of at most step; *ret_len plain bytes in out (n bytes). */
static int read_all(const struct cipher_params *p, const uint8_t *data, size_t n, size_t step,
                    uint8_t *out, size_t *ret_len)
{
	const char *why = NULL;
	struct cipher c;
	int r = cipher_start_reader(&c, p, "secret", 6);

	ENSURE(r == 0);
	*ret_len = 0;
	for (size_t at = 0, k; at < n && r == 0; at += k) {
		size_t held = cipher_held(&c), made;
		uint8_t *buf;

		k = n - at < step ? n - at : step;
		ENSURE(held < CIPHER_HELD_MAX);
		buf = exact(held + k);
		memcpy(buf + held, data + at, k);
		r = cipher_decrypt(&c, buf, k, &made, &why);
		ENSURE(made <= held + k && *ret_len + made <= at + k);
		memcpy(out + *ret_len, buf, made);
		*ret_len += made;
		free(buf);
	}
	ENSURE(r == 0 || ((r == -EBADMSG || r == -EMSGSIZE || r == -EPROTO) && why && *why));
	return r;
}

/* Appends what cipher_encrypt() makes of data. */
static size_t append(struct cipher *c, const uint8_t *data, size_t n, size_t step, uint8_t *out)
{
	uint8_t *buf = exact(CIPHER_ROOM + step);
	size_t len = 0, taken, made;

	for (size_t at = 0; at < n; at += taken) {
		size_t k = n - at < step ? n - at : step;

		ENSURE(cipher_encrypt(c, data + at, k, buf, CIPHER_ROOM + step, &taken, &made) ==
		       0);
		ENSURE(taken > 0 && taken <= k && made <= CIPHER_ROOM + step);
		memcpy(out + len, buf, made);
		len += made;
	}
	free(buf);
	return len;
}

static void check_round_trip(const struct cipher_params *p, const uint8_t *data, size_t n,
                             size_t step)
{
	struct header h[2] = {{0x10, 0, 0, (uint32_t)n}, {0, 0x11, 5, (uint32_t)(n / 2 + 1)}};
	size_t len = 0, plain_len = 0, got;
	uint8_t *plain = exact(2 * HEADER_LEN + 2 * n), *packed = exact(2 * n + 256), *out;
	struct cipher c;

	for (size_t i = 0; i < 2; i++) {
		header_build(plain + plain_len, &h[i]);
		memcpy(plain + plain_len + HEADER_LEN, data, h[i].size);
		plain_len += HEADER_LEN + h[i].size;
	}
	ENSURE(cipher_start_writer(&c, p, "secret", 6, make_iv) == 0);
	len = append(&c, plain, plain_len, step, packed);
	ENSURE(cipher_at_gap(&c) && len <= plain_len + 2 * CIPHER_ROOM);
	out = exact(len);
	ENSURE(read_all(p, packed, len, step, out, &got) == 0);
	ENSURE(got == plain_len && memcmp(out, plain, got) == 0);
	free(plain);
	free(packed);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct cipher_params p = {.hash = CIPHER_SHA1,
	                          .key_size = 32,
	                          .iterations = CIPHER_ITERATIONS_MIN,
	                          .salt_len = 1};
	size_t step, len, again;
	uint8_t *out, *same;
	int r;

	if (n < 3)
		return 0;
	p.mode = data[0] % CIPHER_MODE_MAX_;
	p.padding = data[0] >> 2 & 1 ? CIPHER_PKCS7 : CIPHER_LEGACY;
	p.granularity = data[0] >> 3 & 1 ? 32 : 16;
	p.stream = data[0] >> 4 & 1;
	p.key_size = 16 + 8 * (data[0] / 32u % 3);
	step = data[1] + 1u;
	data += 2;
	n -= 2;
	check_round_trip(&p, data, n, step);
	if (data[0] & 0x80)
		p.granularity = 0;
	out = exact(n);
	same = exact(n);
	r = read_all(&p, data, n, n, out, &len);
	ENSURE(read_all(&p, data, n, step, same, &again) == r);
	/* Of the record at fault more is there when it came in pieces, but never all. */
	ENSURE(r < 0 || again == len);
	ENSURE(memcmp(out, same, again < len ? again : len) == 0);
	free(out);
	free(same);
	return 0;
}
