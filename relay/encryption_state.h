/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/encryption_state.h - AES on one leg, whichever side of it we are. Private to encryption*.c.
 * Worker.
 */
#pragma once

#include "relay/encryption.h"

#define ENCRYPTION_IN_SIZE 256 /* for a flow with too little room to decrypt in */

struct encryption {
	struct layer layer; /* first */
	struct leg below;   /* the same socket, with the layers under this one */
	struct leg *leg;    /* NULL: not active yet */
	struct cipher reader, writer;
	struct cipher_params ours; /* how we decrypt, as announced */
	unsigned modes;

	uint8_t in[ENCRYPTION_IN_SIZE]; /* decrypted, not taken yet */
	size_t in_at, in_len;
	int broken; /* what the reader found; told once what was good has been taken */
	bool told;

	/* Encrypted, not out yet; stands for out_taken bytes of what was to be written. */
	uint8_t *out;
	size_t out_at, out_len, out_taken;
	bool out_used; /* its memory has been touched */

	size_t key_len;
	char key[ENCRYPTION_KEY_MAX];
};

/* From now on what is read from leg is decrypted and what is written encrypted. */
void encryption_begin(struct encryption *e, struct leg *leg);

/* Whether nothing of a record, encrypted or decrypted, is in here. */
bool encryption_at_gap(const struct encryption *e);

/* New keys for what we read, for a peer that is told so: mode, padding, granularity (0: it is not
 * known yet) and stream as given. 0 or a negative errno. */
int encryption_renew_reader(struct encryption *e, const struct cipher_params *how);

/* And for what we write, as the peer says that it decrypts. */
int encryption_renew_writer(struct encryption *e, const struct cipher_params *theirs);

/* What a peer pads CBC to, by what it says of itself ("" for what it does not); 0: not known. */
unsigned encryption_granularity(const struct cipher_caps *caps, const char *client_type,
                                const char *version);
