/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay/encryption.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECRET "0123456789abcdef"

/* A worker whose client encrypts, and the client's own two directions. */
static struct rig {
	struct worker w;
	struct config config;
	char file[64];
	int peer;
	struct cipher reader, writer;
} rig;

static uint8_t plain[300000], sealed[sizeof(plain) + 4096], out[sizeof(plain)];

static size_t records(size_t chunk)
{
	size_t len = 0, i = 0;

	while (len + HEADER_LEN + chunk <= sizeof(plain)) {
		struct header h = {.size = (uint32_t)chunk, .index = i++ % 3 ? 7 : 0};

		header_build(plain + len, &h);
		len += HEADER_LEN;
		for (size_t k = 0; k < chunk; k++)
			plain[len++] = (uint8_t)(k * 31 + i);
	}
	return len;
}

static void write_key(const char *key)
{
	int fd;

	memcpy(rig.file, "/tmp/xproxy-key-XXXXXX", 23);
	fd = mkstemp(rig.file);
	CHECK(fd >= 0 && write(fd, key, strlen(key)) == (ssize_t)strlen(key));
	close(fd);
	rig.config = (struct config){.listen_encryption = ENCRYPTION_ALL,
	                             .listen_encryption_key_file = rig.file};
}

static void setup(enum cipher_mode mode, bool stream)
{
	struct hello *h = &rig.w.client_hello;
	char err[RPC_TEXT_MAX] = "";
	int pair[2], size = 4096, r;
	struct cipher_params theirs = {.mode = mode,
	                               .key_size = 32,
	                               .iterations = 1000,
	                               .padding = CIPHER_PKCS7,
	                               .granularity = 16,
	                               .stream = stream,
	                               .salt_len = 4};
	const struct cipher_params *ours;
	unsigned modes;

	memset(&rig, 0, sizeof(rig));
	write_key("\n" SECRET "\r\n");
	r = encryption_load(&rig.config, &rig.w.encryption, err);
	unlink(rig.file);
	CHECK_STR(err, "");
	CHECK_EQ(r, 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	CHECK_EQ(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	rig.w.config = &rig.config;
	rig.w.client = (struct leg){.name = "client", .fd = pair[0]};
	rig.w.server = (struct leg){.fd = -1};
	rig.w.guard_fd = -1;
	rig.peer = pair[1];
	memcpy(theirs.iv, "fedcba9876543210", 16);
	memcpy(theirs.salt, "salt", 4);
	memcpy(h->version, "6.5", 4);
	h->major = 6;
	h->cipher = (struct cipher_caps){.cipher = "AES",
	                                 .padding = "PKCS#7",
	                                 .pkcs7 = true,
	                                 .has_stream = true,
	                                 .no_stream = !stream,
	                                 .iterations = 1000,
	                                 .iv_len = 16,
	                                 .salt_len = 4};
	snprintf(h->cipher.mode, sizeof(h->cipher.mode), "%s", cipher_mode_name(mode));
	memcpy(h->cipher.iv, theirs.iv, 16);
	memcpy(h->cipher.salt, "salt", 4);
	CHECK_EQ(encryption_accept(&rig.w, 0), 0);
	ours = encryption_announced(&rig.w, &modes);
	CHECK(ours && modes == CIPHER_MODES_ALL && ours->granularity == 16);
	CHECK_EQ(cipher_start_reader(&rig.reader, &theirs, SECRET, strlen(SECRET)), 0);
	CHECK_EQ(cipher_start_writer(&rig.writer, ours, SECRET, strlen(SECRET), NULL) < 0, !stream);
}

static void teardown(void)
{
	close(rig.peer);
	close(rig.w.client.fd);
}

/* What the client says, as the worker reads it `step` bytes at a time. */
static void check_reading(size_t step, size_t cut)
{
	size_t len = records(777), sealed_len, taken, at = 0, got = 0;

	setup(CIPHER_CBC, true);
	CHECK_EQ(cipher_encrypt(&rig.writer, plain, len, sealed, sizeof(sealed), &taken,
	                        &sealed_len),
	         0);
	CHECK_EQ(taken, len);
	while (got < len) {
		size_t want = sizeof(out) - got < step ? sizeof(out) - got : step;
		ssize_t n;

		test_note("step %zu, cut %zu, at %zu", step, cut, got);
		if (at < sealed_len && !leg_unread(&rig.w.client)) {
			n = write(rig.peer, sealed + at,
			          sealed_len - at < cut ? sealed_len - at : cut);
			at += n > 0 ? (size_t)n : 0;
		}
		n = leg_read(&rig.w.client, out + got, want);
		if (n == -EAGAIN)
			continue;
		CHECK(n > 0 && (size_t)n <= want);
		got += (size_t)n;
	}
	CHECK_MEM(out, got, plain, len);
	CHECK(!leg_unread(&rig.w.client));
	shutdown(rig.peer, SHUT_WR);
	CHECK_EQ(leg_read(&rig.w.client, out, 1000), 0);
	teardown();
}

TEST(read_in_any_steps)
{
	static const size_t steps[] = {1, 15, 100, 255, 256, 257, 48000, 300000};
	static const size_t cuts[] = {1, 47, 1000, 100000};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		for (size_t k = i == 0 ? 2 : 0; k < ARRAY_SIZE(cuts); k++)
			check_reading(steps[i], cuts[k]);
}

/* What the worker says, through a socket that takes little at once: what is said to be taken is
 * exactly what has left, and the bytes are right. */
static void check_writing(enum cipher_mode mode, bool stream, size_t drain)
{
	size_t len = records(5000), at = 0, got = 0, made;
	bool refused = false;
	const char *why = "";

	setup(mode, stream);
	while (got < len) {
		ssize_t n = at < len ? leg_write(&rig.w.client, plain + at, len - at) : 0;
		uint8_t buf[CIPHER_HELD_MAX + 70000];
		size_t held = cipher_held(&rig.reader);

		test_note("%s, stream %d, drain %zu, at %zu", cipher_mode_name(mode), stream, drain,
		          at);
		CHECK(n >= 0 || n == -EAGAIN);
		refused |= n == -EAGAIN;
		at += n > 0 ? (size_t)n : 0;
		n = read(rig.peer, buf + held, drain);
		if (n < 0 && errno == EAGAIN)
			continue;
		CHECK(n > 0);
		CHECK_EQ(cipher_decrypt(&rig.reader, buf, (size_t)n, &made, &why), 0);
		memcpy(out + got, buf, made);
		got += made;
		CHECK(got <= len);
	}
	CHECK(refused);
	CHECK_EQ(at, len);
	CHECK_MEM(out, got, plain, len);
	CHECK(cipher_at_gap(&rig.reader));
	encryption_trim(rig.w.encryption);
	teardown();
}

TEST(write_to_a_slow_peer)
{
	for (int mode = 0; mode < CIPHER_MODE_MAX_; mode++)
		for (int stream = 0; stream < 2; stream++)
			check_writing(mode, stream, mode % 2 ? 70000 : 1000);
}

/* What was good before a fault is delivered; the fault is told once by itself. */
TEST(fault)
{
	size_t len, taken, sealed_len;

	setup(CIPHER_CBC, true);
	records(100);
	len = 2 * 108;
	CHECK_EQ(cipher_encrypt(&rig.writer, plain, len, sealed, sizeof(sealed), &taken,
	                        &sealed_len),
	         0);
	sealed[sealed_len - 1] ^= 1;
	CHECK_EQ(write(rig.peer, sealed, sealed_len), sealed_len);
	CHECK_EQ(leg_read(&rig.w.client, out, 1000) >= 108, true);
	CHECK(leg_unread(&rig.w.client));
	CHECK_EQ(leg_read(&rig.w.client, out, 1000), -EBADMSG);
	CHECK_STR(rig.w.client.fault, "encryption padding error - wrong key?");
	CHECK(!leg_unread(&rig.w.client));
	CHECK_EQ(leg_read(&rig.w.client, out, 1000), -EBADMSG);
	teardown();
}

TEST(key_files)
{
	static const struct {
		const char *content, *err;
	} cases[] = {
		{"x", NULL},
		{"\r\n\n\r", "empty"},
		{"", "empty"},
	};
	struct encryption *e;
	char err[RPC_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r;

		test_note("%zu", i);
		write_key(cases[i].content);
		r = encryption_load(&rig.config, &e, err);
		unlink(rig.file);
		CHECK_EQ(r, cases[i].err ? -EINVAL : 0);
		CHECK((e == NULL) == (cases[i].err != NULL));
		CHECK(!cases[i].err || strstr(err, cases[i].err));
	}
	CHECK_EQ(encryption_load(&rig.config, &e, err), -EINVAL);
	CHECK(strstr(err, rig.file) && strstr(err, "No such file"));
	rig.config.listen_encryption_key_file = (char[]){""};
	CHECK_EQ(encryption_load(&rig.config, &e, err), -EINVAL);
	CHECK(strstr(err, "EncryptionKeyFile="));
	rig.config.listen_encryption = 0;
	CHECK_EQ(encryption_load(&rig.config, &e, err), 0);
	CHECK(!e);
}
