/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/secure.c - TLS on the client's leg. Worker: secure_load() before the lock, then the front
 * filter. System calls once locked: recvmsg (a peek at one byte), poll, and those of relay/tls.c.
 */
#include "relay/secure.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/module.h"

#define TLS_HANDSHAKE 0x16 /* the first byte of a ClientHello's record, RFC 8446 5.1 */

/* The key of the only or the first certificate: systemd's credential, else the default, else the
 * certificate's own file, which is how xpra keeps them. */
static const char *find_key(const char *certificate, char *buf, size_t size)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	snprintf(buf, size, "%s/tls-key", dir ? dir : "");
	if (dir && access(buf, F_OK) == 0)
		return buf;
	return access(CONFIG_TLS_KEY, F_OK) == 0 ? CONFIG_TLS_KEY : certificate;
}

/* Which key is whose: as they are listed; not listed, those of all but the first are in their own
 * files. buf is for what o points to. 0, or -EINVAL with err. */
static int pair_files(const struct config *c, struct tls_options *o, char *buf, size_t size,
                      char *err)
{
	const struct config_list *certificates = &c->listen_tls_certificates;
	const struct config_list *keys = &c->listen_tls_keys;
	bool unset = keys->count == 1 && strcmp(keys->items[0], CONFIG_TLS_KEY) == 0;

	if (keys->count != certificates->count && !unset) {
		snprintf(err, TLS_ERROR_MAX, "TLSCertificate= has %zu files, TLSKey= has %zu",
		         certificates->count, keys->count);
		return -EINVAL;
	}
	o->count = certificates->count;
	for (size_t i = 0; i < o->count; i++) {
		const char *own = certificates->items[i];

		o->pairs[i].certificate = own;
		o->pairs[i].key = !unset ? keys->items[i] : i == 0 ? find_key(own, buf, size) : own;
	}
	return 0;
}

/* The machine's own certificate: none at all to an ordinary user, who may not use its key. */
static bool is_absent(const struct config *c)
{
	if (c->listen_tls_certificates.count > 1 ||
	    strcmp(c->listen_tls_certificates.items[0], CONFIG_TLS_CERTIFICATE) != 0)
		return false;
	if (access(CONFIG_TLS_CERTIFICATE, F_OK) < 0)
		return errno == ENOENT || (errno == EACCES && geteuid() != 0);
	return geteuid() != 0 && strcmp(c->listen_tls_keys.items[0], CONFIG_TLS_KEY) == 0 &&
	       access(CONFIG_TLS_KEY, R_OK) < 0 && errno == EACCES;
}

static const char *wanted_by(const struct config *c)
{
	return c->listen_require_tls ? "RequireTLS=yes" : "TLSClientCA=";
}

/* Whether TCP sockets can be given TLS keys: it is there, but not for a socket without a peer. */
static bool kernel_has_tls(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && setsockopt(fd, SOL_TCP, TCP_ULP, "tls", 4) < 0 && errno == ENOTCONN;
}

int secure_load(const struct config *c, const struct tls_api **ret_api,
                struct tls_context **ret_context, bool *ret_kernel, char *err)
{
	struct tls_options o = {.min_version = c->listen_tls_min_version,
	                        .ocsp = (const char *const *)c->listen_tls_ocsp_responses.items,
	                        .ocsp_count = c->listen_tls_ocsp_responses.count,
	                        .client_ca = c->listen_tls_client_ca,
	                        .client_crl = c->listen_tls_client_crl,
	                        .client_required = !c->listen_tls_client_optional};
	const char *why = "there is no tls.so beside the program";
	char key[4096];
	const void *symbol;

	*ret_api = NULL;
	*ret_context = NULL;
	*ret_kernel = false;
	if (!(c->listen_transports & TRANSPORT_TLS)) {
		snprintf(err, TLS_ERROR_MAX, "%s needs tls in Transports=", wanted_by(c));
		return config_wants_tls(c) ? -EINVAL : 0;
	}
	if (is_absent(c)) {
		snprintf(err, TLS_ERROR_MAX,
		         "%s needs a certificate: %s is missing, or its key unreadable",
		         wanted_by(c), CONFIG_TLS_CERTIFICATE);
		return config_wants_tls(c) || c->listen_transports == TRANSPORT_TLS ? -EINVAL : 0;
	}
	if (module_load("tls.so", "tls_api", &symbol, NULL, &why) < 0) {
		snprintf(err, TLS_ERROR_MAX, "cannot load TLS: %s", why);
		return -EINVAL;
	}
	*ret_api = symbol;
	if ((*ret_api)->abi != TLS_ABI) {
		snprintf(err, TLS_ERROR_MAX, "tls.so was built for another version of xproxy");
		return -EINVAL;
	}
	if (pair_files(c, &o, key, sizeof(key), err) < 0)
		return -EINVAL;
	o.in_kernel = *ret_kernel = c->listen_kernel_tls && kernel_has_tls();
	return (*ret_api)->load(&o, ret_context, err) < 0 ? -EINVAL : 0;
}

int secure_check(const struct config *config)
{
	const struct tls_api *api;
	struct tls_context *context;
	char err[TLS_ERROR_MAX];
	bool kernel;
	int r = secure_load(config, &api, &context, &kernel, err);

	if (r < 0 || (context && err[0]))
		fprintf(stderr, "xproxy-conn: %s\n", err);
	return r;
}

bool secure_wanted(const struct worker *w)
{
	uint8_t first;
	struct iovec iov = {&first, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	return w->tls_context && !w->client.layer && recvmsg(w->client.fd, &m, MSG_PEEK) == 1 &&
	       first == TLS_HANDSHAKE;
}

int secure_client(struct worker *w, uint64_t deadline_usec)
{
	char what[RPC_TEXT_MAX];
	int r;

	w->client.layer = w->tls =
		w->tls_api->accept(w->tls_context, w->client.fd, &w->client.fault);
	if (!w->tls)
		return worker_end(w, EXIT_INTERNAL, "internal", "no memory for TLS");
	while ((r = w->tls_api->handshake(w->tls)) == -EAGAIN) {
		r = worker_wait_bytes(w, &w->up, deadline_usec);
		if (r == 0)
			return worker_end(w, EXIT_LOGIN_TIMEOUT, "timeout",
			                  "the TLS handshake took longer than LoginTimeout");
		if (r < 0)
			return r;
	}
	if (r == 1) {
		if (secure_certificate(w, TLS_NAME_SUBJECT, 0, what, sizeof(what)) != -ENODATA)
			worker_log(w, LOG_INFO, "certificate of the client: %s", what);
		return 0;
	}
	if (r != -EPROTO)
		return worker_end(w, EXIT_OK, "client-close", "closed during the TLS handshake");
	snprintf(what, sizeof(what), "TLS handshake failed: %s", w->tls_api->error(w->tls));
	worker_end(w, EXIT_PROTOCOL, "protocol", what);
	worker_goodbye(w); /* what it sends in vain must not destroy the alert */
	return -ECANCELED;
}

int secure_certificate(const struct worker *w, enum tls_name kind, unsigned index, char *ret,
                       size_t size)
{
	ret[0] = '\0';
	return w->tls ? w->tls_api->name(w->tls, kind, index, ret, size) : -ENODATA;
}

void secure_describe(const struct worker *w, char buf[TLS_DESCRIPTION_MAX])
{
	buf[0] = '\0';
	if (w->tls)
		w->tls_api->describe(w->tls, buf);
}

bool secure_enough(const struct worker *w)
{
	bool xpra = !w->http && !w->websocket;

	if (w->tls || (w->front_tls && !config_wants_certificate(w->config)))
		return true;
	return (!xpra || w->config->listen_transports & TRANSPORT_TCP) &&
	       (w->local || !config_wants_tls(w->config));
}

const char *secure_missing(const struct worker *w)
{
	if (secure_enough(w))
		return NULL;
	if (!w->websocket)
		return "this server requires SSL: connect with ssl:// instead of tcp://";
	return "this server requires SSL: connect with wss:// instead of ws://";
}
