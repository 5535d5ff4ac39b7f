/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/encryption.c - AES on the client's leg. Worker: encryption_load() before the lock,
 * everything else locked. System calls once locked: those of relay/encryption_layer.c.
 */
#include <errno.h>
#include <limits.h>

#include "base/macros.h"
#include "base/readfile.h"
#include "relay/encryption_state.h"

_Static_assert(ENCRYPTION_CBC == 1u << CIPHER_CBC && ENCRYPTION_GCM == 1u << CIPHER_GCM &&
                       ENCRYPTION_CFB == 1u << CIPHER_CFB && ENCRYPTION_CTR == 1u << CIPHER_CTR,
               "the configuration's modes are the protocol's");

/* Keys for both directions, from what the peer says of how it decrypts. */
static int renew_keys(struct encryption *e, const struct hello *h, struct cipher_params *theirs)
{
	unsigned granularity = encryption_granularity(&h->cipher, h->client_type, h->version);
	bool pkcs7 = h->cipher.pkcs7 || theirs->padding == CIPHER_PKCS7;
	const struct cipher_params how = {
		.mode = theirs->mode,
		.padding = pkcs7 ? CIPHER_PKCS7 : CIPHER_LEGACY,
		.granularity = granularity,
		.stream = theirs->stream,
	};
	int r;

	theirs->granularity = granularity ? granularity : 32;
	r = encryption_renew_writer(e, theirs);
	return r < 0 ? r : encryption_renew_reader(e, &how);
}

static int refuse(struct worker *w, const char *words)
{
	return worker_fail(w, EXIT_REFUSED, "refused", words, "");
}

int encryption_accept(struct worker *w, size_t record_bytes)
{
	const struct hello *h = &w->client_hello;
	struct encryption *e = w->encryption;
	struct cipher_params theirs;
	char why[RPC_NAME_MAX];

	if (!cipher_caps_offered(&h->cipher))
		return e && e->leg ? refuse(w, "missing encryption tokens") : 0;
	if (!e)
		return refuse(w, "the server does not support encryption on this connection");
	if (cipher_caps_params(&h->cipher, e->modes, &theirs, why, sizeof(why)) < 0)
		return refuse(w, why);
	/* What follows a hello belongs to the keys that its answer brings. */
	if (flow_available(&w->up) > record_bytes || (e->leg && !encryption_at_gap(e)))
		return worker_fail(w, EXIT_PROTOCOL, "protocol", "protocol error",
		                   "packets before the answer to the hello");
	if (renew_keys(e, h, &theirs) < 0)
		return worker_fail(w, EXIT_INTERNAL, "internal", "server error", "internal error");
	if (!e->leg)
		encryption_begin(e, &w->client);
	return 0;
}

const char *encryption_missing(const struct worker *w)
{
	if (!w->encryption || w->encryption->leg || w->local || w->tls || w->front_tls)
		return NULL;
	return "missing encryption tokens";
}

bool encryption_active(const struct worker *w)
{
	return w->encryption && w->encryption->leg;
}

const struct cipher_params *encryption_announced(const struct worker *w, unsigned *ret_modes)
{
	if (!encryption_active(w))
		return NULL;
	*ret_modes = w->encryption->modes;
	return &w->encryption->ours;
}

void encryption_write_caps(const struct worker *w, struct token_writer *tw, bool challenge)
{
	if (encryption_active(w))
		cipher_caps_write(tw, &w->encryption->ours, w->encryption->modes, challenge);
}

void encryption_describe(const struct worker *w, char buf[ENCRYPTION_DESCRIPTION_MAX])
{
	buf[0] = '\0';
	if (encryption_active(w))
		snprintf(buf, ENCRYPTION_DESCRIPTION_MAX, "AES-%u-%s",
		         w->encryption->ours.key_size * 8,
		         cipher_mode_name(w->encryption->ours.mode));
}

/* ---- before the lock ---- */

/* EncryptionKeyFile=, else systemd's credential. */
static const char *find_key(const struct config *c, char *buf, size_t size)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (c->listen_encryption_key_file[0])
		return c->listen_encryption_key_file;
	snprintf(buf, size, "%s/encryption-key", dir ? dir : "");
	return dir && access(buf, F_OK) == 0 ? buf : NULL;
}

int encryption_load(const struct config *c, struct encryption **ret, char *err)
{
	char buf[PATH_MAX], why[READFILE_ERROR_MAX];
	const char *file;
	struct encryption *e;

	*ret = NULL;
	if (!c->listen_encryption)
		return 0;
	file = find_key(c, buf, sizeof(buf));
	if (!file) {
		snprintf(err, RPC_TEXT_MAX,
		         "Encryption= needs a key: set EncryptionKeyFile=, or LoadCredential="
		         "encryption-key:FILE in the unit");
		return -EINVAL;
	}
	e = encryption_map();
	if (!e) {
		snprintf(err, RPC_TEXT_MAX, "no memory for encryption");
		return -EINVAL;
	}
	e->modes = c->listen_encryption;
	if (readfile_key(file, e->key, sizeof(e->key), &e->key_len, why) < 0) {
		snprintf(err, RPC_TEXT_MAX, "EncryptionKeyFile=%.200s: %s", file, why);
		return -EINVAL;
	}
	*ret = e;
	return 0;
}

int encryption_check(const struct config *config)
{
	struct encryption *e;
	char err[RPC_TEXT_MAX];
	int r = encryption_load(config, &e, err);

	if (r < 0)
		fprintf(stderr, "xproxy-conn: %s\n", err);
	return r;
}
