/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/encryption.h - AES on the client's leg, and towards the session's server. Worker.
 *
 * A layer like TLS, on top of what is there already: from the first hello on, records reach the
 * flows in plain and leave them in plain, and are encrypted in between. Every hello of the client
 * brings new keys for both directions: its capabilities say how it decrypts what we send; ours, in
 * the challenge or hello that answers it, how we decrypt what it sends then.
 *
 * Who has the key can read and write both directions; nothing else is proven by it, and bytes that
 * are changed on the way are not noticed. That is xpra's design. See README.md, threat model.
 */
#pragma once

#include "relay/cipher_caps.h"
#include "relay/worker.h"

#define ENCRYPTION_KEY_MAX 4096 /* bytes of a key file */
#define ENCRYPTION_DESCRIPTION_MAX 32

/* What [Listen] says of it, with the key: *ret is NULL if this socket has none. Reads a file that
 * only root may read and maps all the memory it will use: before the lock. 0, or -EINVAL with err
 * (RPC_TEXT_MAX). */
int encryption_load(const struct config *config, struct encryption **ret, char *err);

/* The same for --check-config, with a line on stderr. */
int encryption_check(const struct config *config);

/* The client has sent a hello, of record_bytes at the front of w->up: if it wants to encrypt, both
 * directions have new keys from now on. 0, or negative: over, the client has been told. */
int encryption_accept(struct worker *w, size_t record_bytes);

/* Memory for the other leg, before the lock: the guard says later whether it is needed. NULL: there
 * is none. */
struct encryption *encryption_map(void);

/* Why this client must not go on in clear; NULL: it may. */
const char *encryption_missing(const struct worker *w);

/* Whether the client's leg is encrypted. */
bool encryption_active(const struct worker *w);

/* What the client must be told with the answer to its last hello, and the modes that are allowed;
 * NULL: nothing, its leg is not encrypted. */
const struct cipher_params *encryption_announced(const struct worker *w, unsigned *ret_modes);

/* The same, appended to an open dictionary. challenge: it is item 2 of one. */
void encryption_write_caps(const struct worker *w, struct token_writer *tw, bool challenge);

/* "AES-256-CBC", or "". */
void encryption_describe(const struct worker *w, char buf[ENCRYPTION_DESCRIPTION_MAX]);

/* ---- towards the session's server, if the session has encryption= ---- */

/* A server has been connected: nothing is encrypted yet. The key moves here out of w->upstream. */
void encryption_server_connected(struct worker *w);

/* For a hello to the server: new keys for what it answers, announced in *edit. 0, or -EPROTO: it
 * has said more than what is to be answered. */
int encryption_server_offer(struct worker *w, struct hello_edit *edit);

/* Whether the server has to begin to encrypt, and has not; whether it does. */
bool encryption_server_pending(const struct worker *w);
bool encryption_server_active(const struct worker *w);

/* What is undecided in w->down is encrypted, and so is all that follows. */
void encryption_server_open(struct worker *w);

/* The server's challenge or hello has these capabilities ("" if it says no version): new keys for
 * what it is sent. 0, or negative with why. */
int encryption_server_accept(struct worker *w, const struct cipher_caps *caps, const char *version,
                             char *why, size_t size);

/* ---- both legs; e may be NULL ---- */

/* No hello is to come: the key is wiped. */
void encryption_forget_key(struct encryption *e);

/* Gives back the memory that nothing is using. */
void encryption_trim(struct encryption *e);
