/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/cipher.h"

#include "tests/unit/test.h"

#include <errno.h>

#define SECRET "this is our secret"
#define FIRST "5010000000000007c28470696e6701"
#define SECOND "5010000000000011c78970696e675f6563686f010000000080"

static uint8_t next_iv;

/* 10..1f, 20..2f, ... */
static void make_iv(uint8_t iv[CIPHER_BLOCK])
{
	for (unsigned i = 0; i < CIPHER_BLOCK; i++)
		iv[i] = (uint8_t)(next_iv + i);
	next_iv = (uint8_t)(next_iv + CIPHER_BLOCK);
}

static struct cipher_params params(void)
{
	struct cipher_params p = {.mode = CIPHER_CBC,
	                          .hash = CIPHER_SHA1,
	                          .key_size = 32,
	                          .iterations = 1000,
	                          .padding = CIPHER_PKCS7,
	                          .granularity = 16,
	                          .stream = true,
	                          .salt_len = 64};

	memcpy(p.iv, "0123456789abcdef", CIPHER_BLOCK);
	for (unsigned i = 0; i < 64; i++)
		p.salt[i] = (uint8_t)i;
	next_iv = 0x10;
	return p;
}

/* Protocol 6.8. */
TEST(keys)
{
	static const struct {
		enum cipher_hash hash;
		unsigned iterations;
		const char *salt, *key;
	} known[] = {
		{CIPHER_SHA1, 1000, NULL,
	         "bb346a9623d1fd4f41cb6ba9bbdd4b84534e2cf7adfc84c0473cc9441f9c020e"},
		{CIPHER_SHA1, 10000, NULL,
	         "a2298358e2420a6d8fa382e2727f665c7dda4a93aeecea9e99ad12bf97d7817a"},
		{CIPHER_SHA256, 1000, NULL,
	         "003b1cbc7d2e0d0fb9df3ec3df9e572218bb6eef10af52e7a34bf18e3516c062"},
		{CIPHER_SHA512, 1000, NULL,
	         "a41b222c7583b7022ff2d1815e27d01dc76a0dd7fac551219707e653e2c86405"},
		{CIPHER_SHA1, 1000, "0000000000000000",
	         "62d3ec5b4c8640236351840524422f9be476d9d84a69e81ce86d034271269b29"},
		{CIPHER_SHA1, 10000, "0000000000000000",
	         "e0bc5631c3b4efe96f04fe24d406bb43d30994a42a22b8ac036f9dda7cbf6656"},
	};
	uint8_t key[CIPHER_KEY_MAX], expected[CIPHER_KEY_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		struct cipher_params p = params();

		test_note("%zu", i);
		p.hash = known[i].hash;
		p.iterations = known[i].iterations;
		if (known[i].salt) {
			p.salt_len = strlen(known[i].salt);
			memcpy(p.salt, known[i].salt, p.salt_len);
		}
		for (p.key_size = 16; p.key_size <= 32; p.key_size += 8) {
			CHECK_EQ(cipher_derive(&p, SECRET, strlen(SECRET), key), 0);
			test_unhex(known[i].key, expected, sizeof(expected));
			CHECK_MEM(key, p.key_size, expected, p.key_size);
		}
	}
}

/* What Python's hashlib says: SHA224 and SHA384 are not among the protocol's examples. */
TEST(other_hashes)
{
	struct cipher_params p = params();
	uint8_t key[CIPHER_KEY_MAX], expected[CIPHER_KEY_MAX];

	p.hash = CIPHER_SHA224;
	CHECK_EQ(cipher_derive(&p, SECRET, strlen(SECRET), key), 0);
	test_unhex("c1c0251fb486b0c10e762b9cceb695ddb563573561f65491e7da712bffec177c", expected,
	           sizeof(expected));
	CHECK_MEM(key, 32, expected, 32);
	p.hash = CIPHER_SHA384;
	CHECK_EQ(cipher_derive(&p, SECRET, strlen(SECRET), key), 0);
	test_unhex("07814d9500df14e973f07f0e6e2a0ba81ee17786b63549e4726dcf2481bbe21a", expected,
	           sizeof(expected));
	CHECK_MEM(key, 32, expected, 32);
}

TEST(bounds)
{
	static const struct {
		unsigned iterations, key_size;
		size_t salt_len, secret_len;
		unsigned hash;
		int result;
	} cases[] = {
		{100, 32, 64, 5, 0, 0},       {99, 32, 64, 5, 0, -EINVAL},
		{0, 32, 64, 5, 0, -EINVAL},   {1000001, 32, 64, 5, 0, -EINVAL},
		{100, 0, 64, 5, 0, -EINVAL},  {100, 15, 64, 5, 0, -EINVAL},
		{100, 33, 64, 5, 0, -EINVAL}, {100, 64, 64, 5, 0, -EINVAL},
		{100, 32, 0, 5, 0, -EINVAL},  {100, 32, CIPHER_SALT_MAX, 5, 0, 0},
		{100, 32, 64, 0, 0, -EINVAL}, {100, 32, CIPHER_SALT_MAX + 1, 5, 0, -EINVAL},
		{100, 32, 64, 5, 4, 0},       {100, 32, 64, 5, CIPHER_HASH_MAX_, -EINVAL},
		{100, 32, 1, 1, 0, 0},
	};
	struct cipher c;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cipher_params p = params();

		test_note("%zu", i);
		p.iterations = cases[i].iterations;
		p.key_size = cases[i].key_size;
		p.salt_len = cases[i].salt_len;
		p.hash = cases[i].hash;
		CHECK_EQ(cipher_start_reader(&c, &p, "abcde", cases[i].secret_len),
		         cases[i].result);
		CHECK_EQ(cipher_start_writer(&c, &p, "abcde", cases[i].secret_len, NULL),
		         cases[i].result);
	}
}

TEST(what_cannot_be_started)
{
	struct cipher_params p = params();
	struct cipher c;

	p.granularity = 0;
	CHECK_EQ(cipher_start_reader(&c, &p, "x", 1), 0);
	CHECK_EQ(cipher_start_writer(&c, &p, "x", 1, NULL), -EINVAL);
	p.granularity = 24;
	CHECK_EQ(cipher_start_reader(&c, &p, "x", 1), -EINVAL);
	p = params();
	p.mode = CIPHER_MODE_MAX_;
	CHECK_EQ(cipher_start_reader(&c, &p, "x", 1), -EINVAL);
	p = params();
	p.padding = CIPHER_PADDING_MAX_;
	CHECK_EQ(cipher_start_reader(&c, &p, "x", 1), -EINVAL);
	p = params();
	p.stream = false;
	CHECK_EQ(cipher_start_writer(&c, &p, "x", 1, NULL), -EINVAL);
	CHECK_EQ(cipher_start_writer(&c, &p, "x", 1, make_iv), 0);
}

TEST(names)
{
	for (int i = 0; i < CIPHER_MODE_MAX_; i++)
		CHECK_EQ(cipher_mode_from_name(cipher_mode_name(i), 3), i);
	for (int i = 0; i < CIPHER_HASH_MAX_; i++)
		CHECK_EQ(cipher_hash_from_name(cipher_hash_name(i), strlen(cipher_hash_name(i))),
		         i);
	for (int i = 0; i < CIPHER_PADDING_MAX_; i++)
		CHECK_EQ(cipher_padding_from_name(cipher_padding_name(i), 6), i);
	CHECK_EQ(cipher_mode_from_name("gcm", 3), CIPHER_GCM);
	CHECK_EQ(cipher_mode_from_name("GCMx", 3), CIPHER_GCM);
	CHECK_EQ(cipher_mode_from_name("GCMx", 4), -1);
	CHECK_EQ(cipher_mode_from_name("", 0), -1);
	CHECK_EQ(cipher_hash_from_name("MD5", 3), -1);
	CHECK_EQ(cipher_padding_from_name("ISO", 3), -1);
}

/* Protocol 6.8: P1 and P2, one after the other. */
static const struct example {
	const char *name;
	enum cipher_mode mode;
	unsigned granularity;
	enum cipher_padding padding;
	bool stream;
	const char *frames;
} examples[] = {
	{"CBC 16", CIPHER_CBC, 16, CIPHER_PKCS7, true,
         "50120000000000079614c3e6dc143d00d01fcc5a37acbe4f"
         "50120000000000119a9067992995e8c84619794b5ffe8bfb725cce3f02b0b05045d5d0bc8566ad1a"},
	{"CBC 32", CIPHER_CBC, 32, CIPHER_PKCS7, true,
         "5012000000000007b101597fd635f70d53137f0707a1f3eaa24d8f01143da0605a1d80de2f52c3b5"
         "5012000000000011e8127a4f0e0fb6424ee0408f85c41ab8176669c5978c40aa93097c6a26976774"},
	{"CBC legacy", CIPHER_CBC, 32, CIPHER_LEGACY, true,
         "5012000000000007ed6acd4e9d8fa76da08d749f8a92f263e3af7b817f7f36cfadfc409a9a1fd58a"
         "5012000000000011e4308507a0585f6291bfffe324551b3a27cb3d3f47873cbc5e114cbccc628df5"},
	{"CTR", CIPHER_CTR, 16, CIPHER_PKCS7, true,
         "5012000000000007b6616a82860962"
         "5012000000000011ead89e009fd42408cdb454db287d434351"},
	{"CFB", CIPHER_CFB, 16, CIPHER_PKCS7, true,
         "5012000000000007b6616a82860962"
         "5012000000000011ead89e009fd42408cd29983936c2f37d70"},
	{"GCM", CIPHER_GCM, 32, CIPHER_LEGACY, true,
         "50120000000000075c7d8eff5d4798"
         "5012000000000011862036da97ae99d11dba7440f56c3873bd"},
	{"CBC frame by frame", CIPHER_CBC, 16, CIPHER_PKCS7, false,
         "5012000000000017101112131415161718191a1b1c1d1e1ff549737498692132c6fde8d60981a7b9"
         "5012000000000021202122232425262728292a2b2c2d2e2f"
         "c202a95f4a097431754804f14a4c0a3612818c22818e3079b3f75859932149fc"},
};

static struct cipher_params example_params(const struct example *e)
{
	struct cipher_params p = params();

	p.mode = e->mode;
	p.granularity = e->granularity;
	p.padding = e->padding;
	p.stream = e->stream;
	return p;
}

/* Feeds the reader with pieces of `step` bytes, the first one of `first`; buffers of the exact size
 * each. The plain bytes into out; negative: the error. */
static int64_t read_split(struct cipher *c, const uint8_t *data, size_t len, size_t first,
                          size_t step, uint8_t *out)
{
	size_t total = 0, made;
	const char *why = "";

	for (size_t at = 0, n = first; at < len; at += n, n = step) {
		size_t held = cipher_held(c);
		uint8_t *buf;
		int r;

		n = n > len - at ? len - at : n;
		buf = malloc(held + n);
		CHECK(held < CIPHER_HELD_MAX);
		memset(buf, 0xee, held);
		memcpy(buf + held, data + at, n);
		r = cipher_decrypt(c, buf, n, &made, &why);
		CHECK(made <= held + n);
		memcpy(out + total, buf, made);
		total += made;
		free(buf);
		if (r < 0) {
			CHECK(why[0] != '\0');
			return r;
		}
	}
	return (int64_t)total;
}

/* Likewise for the writer, with room for `room` bytes at once. */
static size_t write_split(struct cipher *c, const uint8_t *data, size_t len, size_t first,
                          size_t step, size_t room, uint8_t *out)
{
	uint8_t *buf = malloc(room);
	size_t total = 0, taken, made;

	for (size_t at = 0, n = first; at < len; at += taken, n = step) {
		n = n > len - at ? len - at : n;
		CHECK_EQ(cipher_encrypt(c, data + at, n, buf, room, &taken, &made), 0);
		CHECK(taken <= n && made <= room);
		CHECK(taken > 0);
		CHECK(taken == n || room - made < CIPHER_ROOM);
		memcpy(out + total, buf, made);
		total += made;
	}
	free(buf);
	return total;
}

TEST(worked_examples)
{
	uint8_t plain[64], frames[128], out[128];
	size_t plain_len = test_unhex(FIRST SECOND, plain, sizeof(plain)), len;
	struct cipher c;

	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		struct cipher_params p = example_params(&examples[i]);

		len = test_unhex(examples[i].frames, frames, sizeof(frames));
		for (size_t first = 1; first <= len; first++) {
			for (size_t step = 1; step <= len; step += first == 1 ? 1 : len - 1) {
				test_note("%s, %zu then %zu", examples[i].name, first, step);
				CHECK_EQ(cipher_start_reader(&c, &p, SECRET, strlen(SECRET)), 0);
				CHECK_EQ(read_split(&c, frames, len, first, step, out), plain_len);
				CHECK_MEM(out, plain_len, plain, plain_len);
				CHECK(cipher_at_gap(&c));
			}
		}
		for (size_t first = 1; first <= plain_len; first++) {
			for (size_t room = CIPHER_ROOM; room < 100; room += 17) {
				size_t step = first % 5 + 1;

				test_note("%s, %zu then %zu, room %zu", examples[i].name, first,
				          step, room);
				next_iv = 0x10;
				CHECK_EQ(cipher_start_writer(&c, &p, SECRET, strlen(SECRET),
				                             make_iv),
				         0);
				CHECK_EQ(write_split(&c, plain, plain_len, first, step, room, out),
				         len);
				CHECK_MEM(out, len, frames, len);
				CHECK(cipher_at_gap(&c));
			}
		}
	}
}

/* The granularity is not known: the first padding that tells decides it. */
TEST(granularity_from_the_padding)
{
	uint8_t plain[64], frames[128], out[128];
	size_t plain_len = test_unhex(FIRST SECOND, plain, sizeof(plain)), len;
	struct cipher c;

	for (size_t i = 0; i < 2; i++) {
		struct cipher_params p = example_params(&examples[i]);

		p.granularity = 0;
		len = test_unhex(examples[i].frames, frames, sizeof(frames));
		for (size_t step = 1; step <= len; step++) {
			test_note("%s, %zu", examples[i].name, step);
			CHECK_EQ(cipher_start_reader(&c, &p, SECRET, strlen(SECRET)), 0);
			CHECK_EQ(read_split(&c, frames, len, step, step, out), plain_len);
			CHECK_MEM(out, plain_len, plain, plain_len);
			CHECK_EQ(c.granularity, examples[i].granularity);
		}
	}
	/* Spaces are 32. */
	struct cipher_params p = example_params(&examples[2]);

	p.granularity = 0;
	len = test_unhex(examples[2].frames, frames, sizeof(frames));
	CHECK_EQ(cipher_start_reader(&c, &p, SECRET, strlen(SECRET)), 0);
	CHECK_EQ(read_split(&c, frames, len, len, len, out), plain_len);
}

/* With the other granularity the stream is out of step at once. */
TEST(wrong_granularity)
{
	uint8_t frames[128], out[128];
	struct cipher c;

	for (size_t i = 0; i < 2; i++) {
		struct cipher_params p = example_params(&examples[i]);
		size_t len = test_unhex(examples[i].frames, frames, sizeof(frames));

		p.granularity = 48 - p.granularity;
		CHECK_EQ(cipher_start_reader(&c, &p, SECRET, strlen(SECRET)), 0);
		CHECK_EQ(read_split(&c, frames, len, len, len, out), -EBADMSG);
		CHECK_EQ(c.stage, CIPHER_BROKEN);
	}
}

TEST(wrong_key)
{
	uint8_t frames[128], out[128];
	const char *why = "";
	struct cipher c;
	size_t made;

	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		struct cipher_params p = example_params(&examples[i]);
		size_t len = test_unhex(examples[i].frames, frames, sizeof(frames));
		int r;

		test_note("%s", examples[i].name);
		CHECK_EQ(cipher_start_reader(&c, &p, "this is not our secret", 22), 0);
		r = cipher_decrypt(&c, frames, len, &made, &why);
		if (p.mode != CIPHER_CBC) { /* nothing to tell it by */
			CHECK_EQ(r, 0);
			continue;
		}
		CHECK_EQ(r, -EBADMSG);
		CHECK_STR(why, "encryption padding error - wrong key?");
		CHECK(made < HEADER_LEN + 7); /* the record is not whole */
		/* and it stays broken */
		made = 1;
		CHECK_EQ(cipher_decrypt(&c, out, 16, &made, &why), -EBADMSG);
		CHECK_EQ(made, 0);
	}
}

/* Each single bit of each example flipped: in the padding or a header it is noticed, elsewhere it
 * changes what is read; it is never the same, and never too much. */
TEST(flipped_bits)
{
	uint8_t plain[64], frames[128], out[256];
	size_t plain_len = test_unhex(FIRST SECOND, plain, sizeof(plain)), len;
	struct cipher c;

	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		struct cipher_params p = example_params(&examples[i]);

		len = test_unhex(examples[i].frames, frames, sizeof(frames));
		for (size_t bit = 0; bit < 8 * len; bit++) {
			int64_t n;

			test_note("%s, byte %zu, bit %zu", examples[i].name, bit / 8, bit % 8);
			frames[bit / 8] ^= (uint8_t)(1u << bit % 8);
			CHECK_EQ(cipher_start_reader(&c, &p, SECRET, strlen(SECRET)), 0);
			n = read_split(&c, frames, len, len, len, out);
			CHECK(n != (int64_t)plain_len || memcmp(out, plain, plain_len) != 0);
			CHECK(n <= (int64_t)len);
			/* The last block is mostly padding: any change there shows. */
			if (p.mode == CIPHER_CBC && bit / 8 >= len - CIPHER_BLOCK)
				CHECK_EQ(n, -EBADMSG);
			frames[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void check_refused(const char *hex, bool stream, int error, const char *expected)
{
	struct cipher_params p = params();
	const char *why = "";
	uint8_t buf[64];
	struct cipher c;
	size_t made = 99, len = test_unhex(hex, buf, sizeof(buf));

	p.stream = stream;
	CHECK_EQ(cipher_start_reader(&c, &p, "x", 1), 0);
	CHECK_EQ(cipher_decrypt(&c, buf, len, &made, &why), error);
	CHECK_STR(why, expected);
	CHECK_EQ(made, 0);
}

TEST(refused)
{
	check_refused(FIRST, true, -EPROTO, "unencrypted packet dropped");
	check_refused("6469", true, -EBADMSG, "does not start with 'P'");
	check_refused("5042", true, -EBADMSG, "unknown protocol flags");
	check_refused("5012000000000000", true, -EBADMSG, "payload size 0");
	check_refused("5012000010000001", true, -EMSGSIZE, "payload size over 256 MiB");
	check_refused("5012000000000010", false, -EBADMSG, "an encrypted packet without content");
}

TEST(writer_takes_records_only)
{
	struct cipher_params p = params();
	uint8_t in[16], out[64];
	struct cipher c;
	size_t taken, made, len = test_unhex("0010000000000007c284", in, sizeof(in));

	CHECK_EQ(cipher_start_writer(&c, &p, "x", 1, make_iv), 0);
	CHECK_EQ(cipher_encrypt(&c, in, len, out, sizeof(out), &taken, &made), -EBADMSG);
	CHECK_EQ(made, 0);
	p.stream = false;
	len = test_unhex("501000000ffffff1", in, sizeof(in));
	CHECK_EQ(cipher_start_writer(&c, &p, "x", 1, make_iv), 0);
	CHECK_EQ(cipher_encrypt(&c, in, len, out, sizeof(out), &taken, &made), -EMSGSIZE);
	/* Too little room: nothing happens. */
	len = test_unhex(FIRST, in, sizeof(in));
	CHECK_EQ(cipher_start_writer(&c, &p, "x", 1, make_iv), 0);
	CHECK_EQ(cipher_encrypt(&c, in, len, out, CIPHER_ROOM - 1, &taken, &made), 0);
	CHECK_EQ(taken + made, 0);
}

/* Main records and chunks of many sizes, one stream. */
static size_t build_records(uint8_t *buf)
{
	static const uint32_t sizes[] = {1,  2,  7,  15, 16, 17, 23,  31,  32,   33,
	                                 40, 47, 48, 49, 63, 64, 100, 255, 1024, 5000};
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct header h = {i % 3 ? 0x18 : 0x00, 0, i % 3 ? 0 : 7, sizes[i]};

		header_build(buf + len, &h);
		len += HEADER_LEN;
		for (uint32_t k = 0; k < sizes[i]; k++)
			buf[len++] = (uint8_t)(k * 31 + i);
	}
	return len;
}

static void round_trip(const struct cipher_params *p, const uint8_t *plain, size_t len)
{
	static uint8_t packed[20000], out[20000];
	static const size_t steps[] = {1, 3, 16, 17, 250, 20000};
	struct cipher c;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		size_t n;

		test_note("%s %s %u, pad %s %u, stream %d, step %zu", cipher_mode_name(p->mode),
		          cipher_hash_name(p->hash), p->key_size, cipher_padding_name(p->padding),
		          p->granularity, p->stream, steps[i]);
		CHECK_EQ(cipher_start_writer(&c, p, SECRET, strlen(SECRET), make_iv), 0);
		n = write_split(&c, plain, len, steps[i], steps[i], CIPHER_ROOM + 7 * i, packed);
		CHECK(cipher_at_gap(&c));
		CHECK_EQ(cipher_start_reader(&c, p, SECRET, strlen(SECRET)), 0);
		CHECK_EQ(read_split(&c, packed, n, steps[i], steps[i], out), len);
		CHECK_MEM(out, len, plain, len);
		CHECK(cipher_at_gap(&c));
	}
}

TEST(round_trips)
{
	static uint8_t plain[20000];
	struct cipher_params p = params();
	size_t len = build_records(plain);

	p.iterations = CIPHER_ITERATIONS_MIN;
	for (unsigned m = 0; m < CIPHER_MODE_MAX_; m++)
		for (unsigned g = 16; g <= 32; g += 16)
			for (unsigned pad = 0; pad < CIPHER_PADDING_MAX_; pad++)
				for (unsigned s = 0; s < 2; s++)
					for (p.key_size = 16; p.key_size <= 32; p.key_size += 8) {
						p.mode = m;
						p.granularity = g;
						p.padding = pad;
						p.stream = s;
						p.hash = (m + g / 16 + pad + s) % CIPHER_HASH_MAX_;
						round_trip(&p, plain, len);
					}
	for (unsigned h = 0; h < CIPHER_HASH_MAX_; h++) {
		p = params();
		p.hash = h;
		round_trip(&p, plain, len);
	}
}

/* The counter of GCM wraps in its last four bytes, that of CTR in all. */
TEST(counters_wrap)
{
	static const enum cipher_mode modes[] = {CIPHER_GCM, CIPHER_CTR};
	static uint8_t zero[160], whole[160], bytes[160];
	struct cipher a, b;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct cipher_params p = params();

		p.mode = modes[i];
		CHECK_EQ(cipher_start_writer(&a, &p, "x", 1, NULL), 0);
		memset(a.chain + 4, 0xff, 12);
		a.chain[15] = 0xfd;
		b = a;
		cipher_crypt(&a, whole, zero, sizeof(zero));
		for (size_t k = 0; k < sizeof(zero); k++)
			cipher_crypt(&b, bytes + k, zero + k, 1);
		CHECK_MEM(whole, sizeof(whole), bytes, sizeof(bytes));
		CHECK_MEM(a.chain, CIPHER_BLOCK, b.chain, CIPHER_BLOCK);
		CHECK_EQ(a.chain[15], 7);
		CHECK_EQ(a.chain[11], modes[i] == CIPHER_GCM ? 0xff : 0);
		/* the third block's counter is the one before the wrap */
		CHECK(memcmp(whole, whole + 16, 16) != 0);
	}
}

TEST(wiped)
{
	static const struct cipher nothing;
	struct cipher_params p = params();
	struct cipher c;

	CHECK_EQ(cipher_start_reader(&c, &p, "x", 1), 0);
	cipher_wipe(&c);
	CHECK(memcmp(&c, &nothing, sizeof(c)) == 0);
	p.iterations = 1;
	memset(&c, 0xee, sizeof(c));
	CHECK_EQ(cipher_start_reader(&c, &p, "x", 1), -EINVAL);
	CHECK(memcmp(&c, &nothing, sizeof(c)) == 0);
}
