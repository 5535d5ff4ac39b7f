/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/translate.c - packets between encoders. Worker, locked. No system calls.
 *
 * Sources: xpra-protocol 2.8 (what receivers require of types), 9.2 (renames), 9.5.
 */
#include "relay/translate.h"

#include <errno.h>

#include "base/macros.h"
#include "relay/hello.h"
#include "relay/shape.h"
#include "wire/packet.h"

#define FIRST_MODERN_MAJOR 6 /* names below are known from here on */

/* Sent under the new name by 6.5 and later even to old peers; same layout. */
static const struct {
	const char *modern, *legacy;
} renames[] = {
	{"file-send", "send-file"},
	{"file-send-chunk", "send-file-chunk"},
	{"file-ack-chunk", "ack-file-chunk"},
	{"file-data-request", "send-data-request"},
	{"file-data-response", "send-data-response"},
	{"file-request", "request-file"},
	{"file-open-url", "open-url"},
	{"print-file", "print"},
	{"printer-file", "print"},
	{"connection-close", "disconnect"},
	{"ping-echo", "ping_echo"},
	{"window-draw", "draw"},
	{"window-draw-ack", "damage-sequence"},
	{"window-map", "map-window"},
	{"window-unmap", "unmap-window"},
	{"window-close", "close-window"},
	{"window-focus", "focus"},
	{"window-raise", "raise-window"},
	{"window-restack", "restack-window"},
	{"window-destroy", "lost-window"},
	{"window-bell", "bell"},
	{"window-eos", "eos"},
	{"window-refresh", "buffer-refresh"},
	{"notification-show", "notify_show"},
	{"notification-close", "notify_close"},
	{"audio-data", "sound-data"},
	{"audio-control", "sound-control"},
	{"clipboard-status", "set-clipboard-enabled"},
	{"logging-event", "logging"},
	{"command-start", "start-command"},
};

/* Old peers have no handler for these, and need none. */
static const char *const unknown_to_old[] = {"encodings", "encoding-set", "ssl-upgrade"};

/* Items that are binary, under the names old peers use: classic encoders do not say so. */
static const struct {
	const char *name;
	unsigned item;
} binary[] = {
	{"draw", 7},
	{"cursor", 8},
	{"cursor", 9},
	{"window-icon", 5},
	{"sound-data", 2},
	{"send-file", 6},
	{"send-file-chunk", 3},
	{"print", 2},
	{"screenshot", 5},
	{"webcam-frame", 6},
	{"challenge", 1},
	{"clipboard-contents", 6},
	{"clipboard-token", 7},
};

static bool is_binary(const char *name, unsigned item)
{
	for (size_t i = 0; i < ARRAY_SIZE(binary); i++)
		if (binary[i].item == item && strcmp(binary[i].name, name) == 0)
			return true;
	return false;
}

/* One top-level item. The newest servers refuse none and floats there. */
static int copy_item(struct token_reader *r, struct token *t, bool bytes, struct token_writer *w)
{
	if (t->type == TOKEN_NONE)
		return token_write_text(w, "");
	if (t->type == TOKEN_FLOAT)
		return token_write_int(w, t->real > -9e18 && t->real < 9e18 ? (int64_t)t->real : 0);
	if (t->type == TOKEN_STRING && bytes)
		t->type = TOKEN_BYTES;
	return token_copy(r, t, w);
}

static bool drop_nothing(const struct token *name, const struct hello_edit *e)
{
	(void)name;
	(void)e;
	return false;
}

/* ("keymap-changed", {capabilities}): in the shape that the receiver's generation has in its hello.
 */
static int copy_keymap(struct token_reader *r, bool flatten, struct token_writer *w)
{
	struct token_reader caps = *r;
	struct token key, value;
	int n;

	token_write_dict(w, TOKEN_COUNT_UNKNOWN);
	while ((n = token_read_pair(r, &key, &value)) > 0) {
		if (flatten && value.type == TOKEN_DICT && token_equals(&key, "keymap")) {
			n = shape_flatten(r, &key, &value, drop_nothing, NULL, w);
		} else if (token_is_string(&key)) {
			token_write(w, &key);
			n = token_copy(r, &value, w);
		} else {
			n = token_skip(r, &value);
		}
		if (n < 0)
			break;
	}
	if (n == 0 && !flatten)
		n = shape_nest(&caps, w);
	return n < 0 ? n : token_write_end(w);
}

int translate_packet(const uint8_t *payload, size_t len, const struct translation *tr, void *buf,
                     size_t size, size_t *ret_len)
{
	const char *name;
	struct token_reader r;
	struct token_writer w;
	struct token t;
	bool nested = encoder_is_modern(tr->from) && !tr->from_flat;
	char own_name[65];
	int n;

	token_reader_init(&r, tr->from, payload, len);
	if (token_read(&r, &t) <= 0 || t.type != TOKEN_LIST || token_read(&r, &t) <= 0 ||
	    token_to_cstr(&t, own_name, sizeof(own_name)) < 0)
		return -EBADMSG;
	name = own_name;
	*ret_len = 0;
	if (tr->to_major < FIRST_MODERN_MAJOR) {
		for (size_t i = 0; i < ARRAY_SIZE(renames); i++)
			if (strcmp(name, renames[i].modern) == 0)
				name = renames[i].legacy;
		for (size_t i = 0; i < ARRAY_SIZE(unknown_to_old); i++)
			if (strcmp(name, unknown_to_old[i]) == 0)
				return 0;
	}
	packet_begin(&w, tr->to, buf, size, name);
	for (unsigned item = 1; (n = token_read(&r, &t)) > 0 && t.type != TOKEN_END; item++) {
		if (item == 1 && t.type == TOKEN_DICT && strcmp(name, "keymap-changed") == 0 &&
		    nested != encoder_is_modern(tr->to))
			n = copy_keymap(&r, nested, &w);
		else
			n = copy_item(&r, &t, is_binary(name, item), &w);
		if (n < 0)
			return n;
	}
	if (n <= 0)
		return n < 0 ? n : -EBADMSG;
	n = packet_end(&w, ret_len);
	if (n == 0)
		((uint8_t *)buf)[1] |= tr->flags;
	return n;
}

/* Item 2 of a challenge; old clients know nothing as a text. */
static void write_cipher(struct token_writer *w, const struct cipher_params *cipher, unsigned modes)
{
	if (!cipher && !encoder_is_modern(w->encoder)) {
		token_write_text(w, "");
		return;
	}
	token_write_dict(w, cipher ? TOKEN_COUNT_UNKNOWN : 0);
	if (cipher)
		cipher_caps_write(w, cipher, modes, true);
	token_write_end(w);
}

int translate_challenge(const uint8_t *payload, size_t len, enum encoder from, enum encoder to,
                        const struct cipher_params *cipher, unsigned cipher_modes, void *buf,
                        size_t size, size_t *ret_len)
{
	struct token_reader r;
	struct token_writer w;
	struct token t;
	int n;

	token_reader_init(&r, from, payload, len);
	if (token_read(&r, &t) <= 0 || t.type != TOKEN_LIST || token_read(&r, &t) <= 0)
		return -EBADMSG;
	packet_begin(&w, to, buf, size, "challenge");
	for (unsigned item = 1; (n = token_read(&r, &t)) > 0 && t.type != TOKEN_END; item++) {
		if (item == 2) {
			n = token_skip(&r, &t);
			write_cipher(&w, cipher, cipher_modes);
		} else {
			n = copy_item(&r, &t, is_binary("challenge", item), &w);
		}
		if (n < 0)
			return n;
	}
	return n > 0 ? packet_end(&w, ret_len) : n < 0 ? n : -EBADMSG;
}
