/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/sessions.c - what a user who has logged in gets: the record, the choice, the connection, and
 * the answer to its server's challenge. Guard, as root when the service is: as paranoid as
 * auth/guard.c, whose table calls these.
 *
 * System calls: as many as the user database of the machine takes; fork and what
 * session/asuser.c and session/carrier.c do; getrandom.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/random.h>

#include "auth/state.h"
#include "base/macros.h"
#include "session/asuser.h"
#include "session/choose.h"
#include "session/encoder.h"
#include "session/memory.h"
#include "wire/digest.h"

#define DIALS_MAX 4

static const char *warned; /* whose record it is */

static void warn_record(const char *text)
{
	log_message(LOG_WARNING, "user '%s': %s", warned, text);
}

void sessions_begin(struct guard *g)
{
	const struct auth_row *row = &g->outcome->row;
	bool listed = row->has_sessions && g->config->sessions_registry != REGISTRY_SOCKET;
	const char *uid = row->has_sessions && row->uid[0] == '\0'
	                          ? g->config->sessions_default_user
	                          : row->uid;
	char err[RPC_TEXT_MAX];
	int r;

	warned = g->username;
	/* A name the machine does not know has no sockets to scan. */
	r = !listed && geteuid() == 0 && row->uid[0] == '\0' && !getpwnam(g->username) ? -ENOENT
	                                                                               : 0;
	snprintf(err, sizeof(err), "there is no such user on this machine");
	if (r == 0)
		r = identity_resolve(g->config, g->username, uid, row->gid, &g->record.identity,
		                     err);
	g->unknown = r;
	if (r < 0) {
		log_message(LOG_WARNING, "user '%s': %s", g->username, err);
		return;
	}
	if (listed)
		record_set_sessions(&g->record, row->displays, warn_record);
	record_set_options(&g->record, row->session_options, warn_record);
	record_set_env(&g->record, row->env_options, warn_record);
	if (!g->record.listed)
		asuser_scan(g->config, &g->record.identity, &g->scan);
}

int sessions_find(struct guard *g)
{
	int r;

	if (g->unknown < 0) {
		r = guard_refuse(g, g->unknown == -EPERM ? 4 : 6, "authentication error",
		                 g->unknown == -EPERM ? "cannot run proxy instances as root"
		                                      : "cannot access sessions");
		return r < 0 ? r : 1;
	}
	if (!g->record.listed)
		g->record.count = asuser_sessions(&g->scan, g->record.sessions, RECORD_SESSIONS_MAX,
		                                  &g->only);
	return 0;
}

/* The chosen session, connected: by the scan already, as its first look, or now. */
static int dial(struct guard *g, struct asuser_target *target)
{
	const struct session_options *o = &g->record.options;
	int fd = take_fd(&g->only.fd);

	/* The key is still to be read, if there is one. */
	if (fd >= 0 && (o->encryption || o->encryption_keyfile[0])) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0) {
		memcpy(target->path, g->only.path, sizeof(target->path));
		return fd;
	}
	g->carrier.owner = g->username;
	fd = carrier_connect(&g->carrier, g->config, &g->record.identity, &g->session, o,
	                     g->worker_fd, target);
	if (fd < 0)
		asuser_reap(target);
	return fd;
}

static int refuse_session(struct guard *g, const char *why)
{
	log_message(LOG_WARNING, "user '%s': %s", g->username, why);
	return guard_refuse(g, 7, "session not found error", "failed to connect to display");
}

/* Connects the chosen session (unless it is only being asked for) and answers. */
static int send_upstream(struct guard *g, bool connect)
{
	struct rpc m = {.type = RPC_UPSTREAM};
	struct asuser_target target = {0};
	_cleanup_close_ int fd = -1;
	int r;

	if (connect) {
		if (++g->dials > DIALS_MAX)
			return -EPROTO;
		fd = dial(g, &target);
		if (fd == -ECANCELED)
			return -EPIPE;
		if (fd < 0)
			return refuse_session(g, target.err);
	}
	uri_print(&g->session, m.upstream.uri, sizeof(m.upstream.uri));
	snprintf(m.upstream.display, sizeof(m.upstream.display), "%s",
	         g->session.scheme == URI_DISPLAY ? g->session.display : m.upstream.uri);
	/* ssh's user and display are for ssh. */
	if (g->session.scheme != URI_SSH)
		snprintf(m.upstream.username, sizeof(m.upstream.username), "%s",
		         g->session.username);
	if (uri_is_network(&g->session) && g->session.scheme != URI_SSH)
		snprintf(m.upstream.remote_display, sizeof(m.upstream.remote_display), "%s",
		         g->session.display);
	snprintf(m.upstream.socket_path, sizeof(m.upstream.socket_path), "%s", target.path);
	snprintf(m.upstream.mode, sizeof(m.upstream.mode), "%s", uri_mode(&g->session));
	m.upstream.has_password = g->session.has_password || g->record.options.has_password;
	m.upstream.encoder = memory_recall(g->record.identity.uid, m.upstream.uri);
	m.upstream.compression_level = g->record.options.compression_level;
	m.upstream.lz4 = g->record.options.lz4;
	m.upstream.rencodeplus = g->record.options.rencodeplus;
	m.upstream.encryption = g->record.options.encryption;
	m.upstream.encryption_key = target.key;
	r = guard_answer(g, &m, fd);
	rpc_wipe(&m);
	explicit_bzero(&target.key, sizeof(target.key));
	asuser_reap(&target);
	asuser_scan_end(&g->scan);
	if (r == 0 && connect)
		g->due |= DUE_CONNECTED | (g->frames_fd >= 0 ? DUE_ENCODER : 0);
	return r;
}

int sessions_serve_session(struct guard *g, struct rpc *m)
{
	struct rpc_refused refused = {.exit_code = 6};
	size_t chosen;
	int r;

	g->due &= ~(unsigned)DUE_SESSION;
	/* `xpra _proxy :10` connects to that display whatever the hello says. */
	if (g->peer->wish[0])
		snprintf(m->session.display, sizeof(m->session.display), "%s", g->peer->wish);
	r = sessions_find(g);
	if (r != 0)
		return r < 0 ? r : 0;
	r = choose_session(g->record.sessions, g->record.count, &m->session, &chosen, &refused);
	if (r < 0)
		return guard_refuse(g, 6, refused.reason, refused.text);
	g->session = g->record.sessions[chosen];
	session_options_of_uri(&g->record.options, g->session.query, warn_record);
	uri_print(&g->session, g->upstream, sizeof(g->upstream));
	return send_upstream(g, m->session.connect);
}

int sessions_serve_redial(struct guard *g, struct rpc *m)
{
	char err[RPC_TEXT_MAX], where[URI_TEXT_MAX], why[RPC_TEXT_MAX];

	(void)m;
	if (carrier_failed(&g->carrier, err)) {
		uri_print(&g->session, where, sizeof(where));
		snprintf(why, sizeof(why), "connect to %.200s: %.250s", where, err);
		return refuse_session(g, why);
	}
	carrier_end(&g->carrier, false);
	return send_upstream(g, true);
}

/* Once. No fd in the answer: it could not be started, and the session goes on without it. */
int sessions_serve_encoder(struct guard *g, struct rpc *m)
{
	char err[RPC_TEXT_MAX];
	_cleanup_close_ int fd = encoder_start(&g->encoder, g->config, g->frames_fd, err);

	g->encoder.owner = g->username;
	g->due &= ~(unsigned)DUE_ENCODER;
	close(take_fd(&g->frames_fd));
	if (fd < 0)
		log_message(LOG_WARNING, "no transcoding for user '%s': %s", g->username, err);
	return guard_answer(g, m, fd);
}

static bool session_is_private(const struct guard *g)
{
	const struct session_options *o = &g->record.options;

	if (g->session.scheme == URI_SSL || g->session.scheme == URI_WSS)
		return !o->ssl_unverified && !o->ssl_any_name;
	return o->encryption || !uri_is_network(&g->session) || g->session.scheme == URI_SSH;
}

/* The session's server wants a password and we have one: the worker never sees it. */
int sessions_serve_answer(struct guard *g, struct rpc *m)
{
	const char *password =
		g->session.has_password ? g->session.password : g->record.options.password;
	struct rpc reply = {.type = RPC_ANSWERED};
	uint8_t salt[DIGEST_SALT_MAX];
	size_t salt_len, len;
	int r = -EINVAL;

	if (!g->session.has_password && !g->record.options.has_password)
		return -EPROTO;
	if (m->answer.salt_digest == DIGEST_NONE || m->answer.salt_digest >= DIGEST_XOR)
		return guard_refuse(g, 7, "authentication error", "server uses legacy salt digest");
	/* xor would hand the password to whoever is there; a unix socket of the user's is safe
	 * enough, and so is one whose other end has proved who it is, or has to have our key. */
	if (m->answer.digest == DIGEST_NONE || m->answer.digest > DIGEST_XOR ||
	    (m->answer.digest == DIGEST_XOR && !session_is_private(g)))
		return guard_refuse(g, 7, "authentication error",
		                    "server requested a digest that is not supported");
	reply.response.client_salt.len = 32;
	if (getrandom(reply.response.client_salt.data, 32, 0) == 32)
		r = digest_combine_salts(m->answer.salt_digest, m->answer.server_salt.data,
		                         m->answer.server_salt.len, reply.response.client_salt.data,
		                         32, salt, &salt_len);
	if (r == 0)
		r = digest_response(m->answer.digest, password, strlen(password), salt, salt_len,
		                    reply.response.response.data, &len);
	if (r < 0)
		return guard_refuse(g, 7, "authentication error",
		                    "the server's challenge cannot be answered");
	reply.response.response.len = (uint32_t)len;
	r = guard_answer(g, &reply, -1);
	rpc_wipe(&reply);
	explicit_bzero(salt, sizeof(salt));
	return r;
}
