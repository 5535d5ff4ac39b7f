/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/encryption_server.c - AES towards a session's server, whose client we are. Worker, locked.
 * System calls: those of relay/encryption_layer.c.
 *
 * Our first hello is in clear and says how we decrypt. The server's answer is encrypted so, and
 * says how it decrypts itself. Every further hello and every challenge brings new keys: nothing may
 * be on its way between a question and its answer.
 */
#include <errno.h>

#include "base/macros.h"
#include "relay/encryption_state.h"

_Static_assert(RPC_KEY_MAX <= ENCRYPTION_KEY_MAX, "a session's key has room");

/* The session's encryption, unless it has none. */
static struct encryption *wanted(const struct worker *w)
{
	return w->server_encryption && w->server_encryption->modes ? w->server_encryption : NULL;
}

void encryption_server_connected(struct worker *w)
{
	struct rpc_upstream *u = &w->upstream;
	struct encryption *e = w->server_encryption;

	w->server.layer = NULL;
	w->server.fault = NULL;
	if (e) {
		uint8_t *out = e->out;

		explicit_bzero(e, sizeof(*e));
		e->out = out;
		e->out_used = true;
		e->modes = u->encryption & ENCRYPTION_ALL;
		e->key_len = u->encryption_key.len;
		memcpy(e->key, u->encryption_key.data, e->key_len);
	}
	explicit_bzero(&u->encryption_key, sizeof(u->encryption_key));
}

int encryption_server_offer(struct worker *w, struct hello_edit *edit)
{
	struct encryption *e = wanted(w);
	struct cipher_params how = {.padding = CIPHER_PKCS7, .stream = true};
	int r;

	if (!e)
		return 0;
	if (flow_available(&w->down) > 0 || !encryption_at_gap(e))
		return -EPROTO;
	while (!(e->modes & 1u << how.mode))
		how.mode++;
	how.granularity = e->reader.granularity; /* once its padding has told */
	r = encryption_renew_reader(e, &how);
	edit->cipher = &e->ours;
	edit->cipher_modes = e->modes;
	return r;
}

bool encryption_server_pending(const struct worker *w)
{
	return wanted(w) && !w->server_encryption->leg;
}

bool encryption_server_active(const struct worker *w)
{
	return wanted(w) && w->server_encryption->leg;
}

void encryption_server_open(struct worker *w)
{
	struct encryption *e = w->server_encryption;
	struct flow *f = &w->down;
	size_t made;

	e->broken = cipher_decrypt(&e->reader, f->buf + f->ready, flow_available(f), &made,
	                           &w->server.fault);
	f->end = f->ready + made;
	encryption_begin(e, &w->server);
}

int encryption_server_accept(struct worker *w, const struct cipher_caps *caps, const char *version,
                             char *why, size_t size)
{
	struct encryption *e = wanted(w);
	struct cipher_params theirs;
	unsigned granularity;
	int r;

	if (!e)
		return 0;
	if (!e->leg || !cipher_caps_offered(caps)) {
		snprintf(why, size, "it does not say how it decrypts");
		return -EPROTO;
	}
	r = cipher_caps_params(caps, e->modes, &theirs, why, size);
	if (r < 0)
		return r;
	/* What it does itself tells more than a version, which may be that of another proxy's
	 * server. */
	granularity = e->reader.granularity;
	if (granularity == 0)
		granularity = encryption_granularity(caps, "", version);
	theirs.granularity = granularity ? granularity : 32;
	r = encryption_renew_writer(e, &theirs);
	if (r < 0)
		snprintf(why, size, "cannot derive its key");
	return r;
}
