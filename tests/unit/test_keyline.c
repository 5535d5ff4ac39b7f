/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_keyline.c - lines for authorized_keys. tests/system/test_x2go_key.py shows them
 * to sshd.
 */
#include "broker/keyline.h"

#include <errno.h>

#include "base/clock.h"
#include "tests/unit/test.h"

#define ED25519 "AAAAC3NzaC1lZDI1NTE5AAAAIO4UTw2o1JLLLlnoWfSdwqVCPLqGzvv7l1cpttNnKx9X"
#define LINE "restrict,pty,port-forwarding,expiry-time=\"20261118124640Z\" "

static const struct keyline bob = {
	.user = "bob", .address = "192.0.2.1", .end_usec = UINT64_C(1795006000) * USEC_PER_SEC};
/* Of ssh-keygen. */
static const char *const others[] = {
	"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDHMcrmh"
	"SCcCaoQZvP2X5imA/cspjrnI3DNYYTYxqQMm3VyaCb0Cet6dcHXVbAOGUZqHb3CK9If6o9paNSsmHQk=",
	"ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBOWFPqrT"
	"7zA380v2jk2CvsSqeanqKWD4W85qFY+QJPB/HJIU1uBRcqZI+L7wRnjksyImXIC5VuPZq2T5/5Eq4UHD"
	"l3N78f8DWao2MurW6mjHvRS+ihbENQXIYRWzIDXVgg==",
	"ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAD7DJhG"
	"Xz5no5bH5cI4n5mus2nqU7m0tL4w3LXrrUtZ0Znl0s9E0mszDTr+m41stdcd7/32TgvIH8V0edCAYeU7"
	"zQAB9XVNWoiujgQCfwTcDM/jKTg0wEUk4HP3kwIWyiD5lnbPxqlRt9VWZeUYA+733HYtSosk6RknrT3p"
	"rKeqj6wcRQ==",
	"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQCnNu95W/yHeEw6GcZCXhED7kc53ddPc7rlyNyN5bcs"
	"PF5PtWFhoawx6+eK2x7usw0ZROqLj1LlYas/VPZX4bKa/vNVIaO3Ra19K/WsyEQhX+IHJxZpFTxu0muC"
	"fagxb3wWTEo8J83PF4IcDjh3TX1WF4dzfr8RAGm2UDozAcdB/q9WoUA6d5QMNVe48jYDZ+g73KNqMAOX"
	"+yl9X/LHLAjF8Z3cVPYYR3XKFcBlZvL261jIfR691drjDFbPaKawCosECijitEIqgvDDThAmhVFKZmvP"
	"3fccbgEZDdbgJi5xcTqVu9yNn6ibZ8CIr84Cb6A1584SfcE3leh3b/senfSbhJQaw/+FZ1Lg+BC5sVEY"
	"43mk5G7vg/DJkivQ2yqLjPlCcXg/AV5giCq4l7gsw+PKTfeVf+GUkhfo9MiR9SjPkvWB4mjDudlFe4wj"
	"+wtvlbS/ZdJXJQmL6OzU3C7JFP1lfONblTKwIwegxMwRsZl3Vt0jhOUHtYaY8dSZR3iQTFM=",
};
static const char rsa_1024[] =
	"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC2zpEhA9yAzHNH5yFqrmrUpVJKwafl6O6vjj8bcrsX"
	"7pWzgo8FuAsCZa/sht9uytpxMgEyjPxE4XfJaHCbei138OkEPsdilaGKPW2uIw9WLSYquGz9PCoS4Q64"
	"w6Mm07xLYpQmdicbq0v/Vyf6L2wj2AwMMOdoeTeX7Hf6rNbfGw==";

static char line[KEYLINE_MAX], pem[KEYLINE_PEM_MAX], own[KEYLINE_MAX], weak[KEYLINE_MAX];

/* "ssh-rsa AAAA..." of a line of ours. */
static const char *key_of(const char *text)
{
	const char *key = strstr(text, "ssh-rsa ");

	CHECK(key);
	return key;
}

TEST(made)
{
	char other[KEYLINE_PEM_MAX];

	CHECK_EQ(keyline_make(&bob, line, pem), 0);
	CHECK(strncmp(line, LINE "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ", sizeof(LINE) + 30) == 0);
	CHECK(strlen(line) > 10 && strcmp(line + strlen(line) - 14, " bob@192.0.2.1") == 0);
	CHECK(!strpbrk(line, "\r\n!'\\$`"));
	CHECK(strncmp(pem, "-----BEGIN RSA PRIVATE KEY-----\n", 32) == 0);
	CHECK(strstr(pem, "\n-----END RSA PRIVATE KEY-----\n"));
	CHECK(!strchr(pem, '\r'));
	memcpy(other, pem, sizeof(other));
	CHECK_EQ(keyline_make(&bob, own, pem), 0);
	CHECK(strcmp(own, line) != 0 && strcmp(other, pem) != 0);
}

TEST(expiry)
{
	struct keyline k = bob;

	CHECK_EQ(keyline_expiry_of(NULL), KEYLINE_UTC);
	CHECK_EQ(keyline_expiry_of("utc"), KEYLINE_UTC);
	CHECK_EQ(keyline_expiry_of("whatever"), KEYLINE_UTC);
	k.expiry = keyline_expiry_of("late");
	CHECK_EQ(keyline_take(&k, "ssh-ed25519 " ED25519, line), 0);
	CHECK_STR(line,
	          "restrict,pty,port-forwarding,expiry-time=\"20261119024640\" ssh-ed25519 " ED25519
	          " bob@192.0.2.1");
	k.expiry = keyline_expiry_of("none");
	CHECK_EQ(keyline_take(&k, "ssh-ed25519 " ED25519, line), 0);
	CHECK_STR(line, "restrict,pty,port-forwarding ssh-ed25519 " ED25519 " bob@192.0.2.1");
}

/* It passes through shells, perl and sed. */
TEST(comment)
{
	struct keyline k = bob;

	k.user = "DOM\\b!b'$(x) \xc3\xa4\"\n";
	k.address = "fe80::1%eth0";
	CHECK_EQ(keyline_take(&k, "ssh-ed25519 " ED25519, line), 0);
	CHECK_STR(line, LINE "ssh-ed25519 " ED25519 " DOM_b_b___x______@fe80::1_eth0");
}

TEST(taken)
{
	static const char *const good[] = {
		"ssh-ed25519 " ED25519,
		"ssh-ed25519 " ED25519 " comment",
		"no-X11-forwarding,no-pty,no-user-rc ssh-ed25519 " ED25519 " bob@127.0.0.1",
		"no-pty ssh-ed25519 " ED25519,
	};
	char with[KEYLINE_MAX + 100];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		test_note("%s", good[i]);
		CHECK_EQ(keyline_take(&bob, good[i], line), 0);
		CHECK_STR(line, LINE "ssh-ed25519 " ED25519 " bob@192.0.2.1");
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		test_note("%s", others[i]);
		CHECK_EQ(keyline_take(&bob, others[i], line), 0);
		CHECK(strncmp(line + sizeof(LINE) - 1, others[i], strlen(others[i])) == 0);
	}
	CHECK_EQ(keyline_make(&bob, own, pem), 0);
	CHECK_EQ(keyline_take(&bob, key_of(own), line), 0);
	CHECK_STR(line, own);
	snprintf(with, sizeof(with), "no-X11-forwarding,no-pty,no-user-rc %s", key_of(own));
	CHECK_EQ(keyline_take(&bob, with, line), 0);
	CHECK_STR(line, own);
}

TEST(refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"ssh-ed25519",
		"ssh-ed25519 ",
		"ssh-ed25519  " ED25519,
		" ssh-ed25519 " ED25519,
		"ssh-ed25519 " ED25519 " two words",
		"a b ssh-ed25519 " ED25519,
		"no-pty ssh-ed25519 " ED25519 " two words",
		"command=\"x\" ssh-ed25519 " ED25519,
		"command=\"x y\" ssh-ed25519 " ED25519,
		"ssh-ed25519 " ED25519 "\nssh-ed25519 " ED25519,
		"ssh-ed25519 " ED25519 "\n",
		"ssh-ed25519\t" ED25519,
		"ssh-ed25519 " ED25519 " \x80",
		"ssh-ed25519 " ED25519 " \\",
		"ssh-rsa " ED25519,
		"ecdsa-sha2-nistp256 " ED25519,
		"ssh-dss AAAAB3NzaC1kc3MAAAAA",
		"ssh-ed25519 AAAA",
		"ssh-ed25519 ====",
		"ssh-ed25519 A===",
		"ssh-ed25519 " ED25519 "AAAA",
		"ssh-ed25519 " ED25519 "=",
		"ssh-ed25519 " ED25519 "====",
		"ssh-ed25519 -" ED25519,
		"ssh-ed25519-cert-v01@openssh.com " ED25519,
		"cert-authority ssh-ed25519-cert-v01@openssh.com " ED25519,
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		test_note("%s", bad[i]);
		CHECK_EQ(keyline_take(&bob, bad[i], line), -EINVAL);
	}
	CHECK_EQ(keyline_take(&bob, rsa_1024, line), -EINVAL);
	memset(weak, 'A', sizeof(weak) - 1);
	CHECK_EQ(keyline_take(&bob, weak, line), -EINVAL);
}

static void try_anything(const uint8_t *data, size_t len)
{
	char text[KEYLINE_MAX];
	size_t n = len < sizeof(text) ? len : sizeof(text) - 1;

	memcpy(text, data, n);
	text[n] = '\0';
	if (keyline_take(&bob, text, line) == 0) {
		/* one line, ours but for the key */
		CHECK(strncmp(line, LINE, sizeof(LINE) - 1) == 0);
		CHECK(!strpbrk(line + sizeof(LINE) - 1, "\"\r\n,\\"));
	}
}

TEST(changed)
{
	static const char text[] = "no-pty ssh-ed25519 " ED25519 " bob@127.0.0.1";

	test_mutate(text, sizeof(text) - 1, try_anything);
	CHECK_EQ(keyline_make(&bob, own, pem), 0);
	test_mutate_every(3, key_of(own), strlen(key_of(own)), try_anything);
}
