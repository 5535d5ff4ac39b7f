/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_encryption_server.c - AES towards a server: what is announced, learned and
 * refused. Links relay/encryption_server.c.
 */
#include "relay/encryption.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECRET "0123456789abcdef"
#define RECORD_MAX 200

static struct worker w;
static struct encryption *memory;
static int peer;
static struct hello_edit edit;
static char why[RPC_NAME_MAX];

/* A new connection to a server, for a session with this encryption. */
static void dial(unsigned encryption)
{
	int pair[2];

	if (!memory)
		memory = encryption_map();
	CHECK(memory);
	memset(&w, 0, sizeof(w));
	memset(&edit, 0, sizeof(edit));
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	w.server_encryption = memory;
	w.server = (struct leg){.name = "server", .fd = pair[0]};
	peer = pair[1];
	CHECK_EQ(flow_init(&w.down, &w.server, &w.client, FLOW_WINDOW), 0);
	w.upstream.encryption = encryption;
	w.upstream.encryption_key.len = (uint32_t)strlen(SECRET);
	memcpy(w.upstream.encryption_key.data, SECRET, strlen(SECRET));
	encryption_server_connected(&w);
	CHECK_EQ(w.upstream.encryption_key.len, 0);
	CHECK_EQ(w.upstream.encryption_key.data[0], 0);
}

static void hang_up(void)
{
	close(peer);
	close(w.server.fd);
}

/* The server says a record of n bytes, encrypted as we have asked for, padded to granularity. */
static void say(struct cipher *c, size_t n)
{
	uint8_t plain[HEADER_LEN + RECORD_MAX], sealed[sizeof(plain) + 64];
	struct header h = {.size = (uint32_t)n};
	size_t taken, len;

	header_build(plain, &h);
	memset(plain + HEADER_LEN, 'x', n);
	CHECK_EQ(cipher_encrypt(c, plain, HEADER_LEN + n, sealed, sizeof(sealed), &taken, &len), 0);
	CHECK_EQ(write(peer, sealed, len), len);
}

static void hear(size_t n)
{
	CHECK(flow_read(&w.down) > 0);
	if (encryption_server_pending(&w))
		encryption_server_open(&w);
	CHECK_EQ(flow_available(&w.down), HEADER_LEN + n);
	CHECK_EQ(flow_at(&w.down)[HEADER_LEN], 'x');
}

static struct cipher_caps caps_of(const char *mode)
{
	struct cipher_caps c = {.cipher = "AES",
	                        .padding = "PKCS#7",
	                        .iterations = 1000,
	                        .iv_len = CIPHER_BLOCK,
	                        .salt_len = 4};

	snprintf(c.mode, sizeof(c.mode), "%s", mode);
	memcpy(c.iv, "fedcba9876543210", CIPHER_BLOCK);
	memcpy(c.salt, "salt", 4);
	return c;
}

/* What we write is padded as the server pads, whatever else it says of itself. */
static void check_granularity(unsigned granularity, size_t n, const char *version, unsigned padded)
{
	struct cipher_caps caps = caps_of("CBC");
	struct cipher_params theirs;
	struct cipher writer;
	uint8_t buf[64] = {0};

	test_note("padded to %u, %zu bytes, version %s", granularity, n, version);
	dial(ENCRYPTION_CBC);
	CHECK(encryption_server_pending(&w) && !encryption_server_active(&w));
	CHECK_EQ(encryption_server_offer(&w, &edit), 0);
	CHECK_EQ(edit.cipher_modes, ENCRYPTION_CBC);
	theirs = *edit.cipher;
	CHECK(theirs.mode == CIPHER_CBC && theirs.padding == CIPHER_PKCS7 && theirs.stream);
	theirs.granularity = granularity;
	CHECK_EQ(cipher_start_writer(&writer, &theirs, SECRET, strlen(SECRET), NULL), 0);
	say(&writer, n);
	hear(n);
	CHECK(!encryption_server_pending(&w) && encryption_server_active(&w));
	CHECK_EQ(encryption_server_accept(&w, &caps, version, why, sizeof(why)), 0);
	/* What it has said has to be taken before it is asked again. */
	CHECK_EQ(encryption_server_offer(&w, &edit), -EPROTO);
	flow_drop(&w.down, HEADER_LEN + n);
	header_build(buf, &(struct header){.size = 1});
	CHECK_EQ(leg_write(&w.server, buf, HEADER_LEN + 1), HEADER_LEN + 1);
	CHECK_EQ(read(peer, buf, sizeof(buf)), HEADER_LEN + padded);
	CHECK_EQ(encryption_server_offer(&w, &edit), 0);
	CHECK(memcmp(theirs.iv, edit.cipher->iv, sizeof(theirs.iv)) != 0);
	hang_up();
}

TEST(granularity)
{
	check_granularity(32, 1, "", 32); /* its padding tells */
	check_granularity(16, 1, "", 16);
	check_granularity(16, 1, "5.0", 16);
	check_granularity(32, 1, "6.5", 32);
	check_granularity(32, 17, "", 32); /* it does not */
	check_granularity(16, 17, "6.5", 16);
	check_granularity(32, 17, "6.1", 32);
}

TEST(refused)
{
	struct cipher_caps caps = caps_of("CBC");
	struct cipher writer;

	dial(0);
	CHECK(!encryption_server_pending(&w) && !encryption_server_active(&w));
	CHECK_EQ(encryption_server_offer(&w, &edit), 0);
	CHECK(!edit.cipher);
	CHECK_EQ(encryption_server_accept(&w, &caps, "", why, sizeof(why)), 0);
	hang_up();

	dial(ENCRYPTION_CTR);
	CHECK_EQ(encryption_server_offer(&w, &edit), 0);
	CHECK_EQ(encryption_server_accept(&w, &caps, "", why, sizeof(why)), -EPROTO);
	CHECK_EQ(cipher_start_writer(&writer, edit.cipher, SECRET, strlen(SECRET), NULL), -EINVAL);
	w.down.buf[0] = HEADER_MAGIC;
	w.down.end = 1;
	encryption_server_open(&w);
	CHECK_EQ(flow_available(&w.down), 0);
	CHECK_EQ(encryption_server_accept(&w, &caps, "", why, sizeof(why)), -EINVAL);
	CHECK_STR(why, "the server is configured for AES-CTR not AES-CBC as requested by the "
	               "client");
	caps = (struct cipher_caps){0};
	CHECK_EQ(encryption_server_accept(&w, &caps, "", why, sizeof(why)), -EPROTO);
	hang_up();
}

/* Nothing of one connection is left for the next. */
TEST(redial)
{
	struct cipher_params theirs;
	struct cipher writer;

	dial(ENCRYPTION_CBC);
	CHECK_EQ(encryption_server_offer(&w, &edit), 0);
	w.down.buf[0] = HEADER_MAGIC;
	w.down.end = 1;
	encryption_server_open(&w);
	hang_up();
	dial(ENCRYPTION_CBC);
	CHECK(encryption_server_pending(&w) && !w.server.layer);
	CHECK_EQ(encryption_server_offer(&w, &edit), 0);
	theirs = *edit.cipher;
	theirs.granularity = 16;
	CHECK_EQ(cipher_start_writer(&writer, &theirs, SECRET, strlen(SECRET), NULL), 0);
	say(&writer, 5);
	hear(5);
	hang_up();
}
