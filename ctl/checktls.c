/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/checktls.c - certificate and key, for `xproxyctl check`. As its caller: a key that only root
 * may read only root can have checked. The order in which they are looked for is that of
 * relay/secure.c.
 */
#include "ctl/check.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/macros.h"

#define CERTIFICATE "TLS certificate"
#define KEY "TLS key"
#define RESPONSE "TLS certificate's OCSP response"
#define AUTHORITY "TLS clients' authority"
#define REVOCATIONS "TLS clients' revocations"
#define SOON_DAYS 14

/* A file that cannot be opened is said to be so. */
static FILE *open_file(struct check *k, const char *what, const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f && errno == EACCES && geteuid() != 0)
		check_say(k, CHECK_SKIPPED, what, "%s may not be read by you; root may", path);
	else if (!f)
		check_say(k, CHECK_ERROR, what, "%s: %s", path, strerror(errno));
	return f;
}

/* "2027-01-31" */
static void print_date(const ASN1_TIME *t, char buf[16])
{
	struct tm tm = {0};

	buf[0] = '\0';
	if (ASN1_TIME_to_tm(t, &tm) == 1)
		(void)strftime(buf, 16, "%Y-%m-%d", &tm);
}

static void check_dates(struct check *k, const char *what, const char *path, unsigned number,
                        const X509 *x)
{
	time_t soon = time(NULL) + (time_t)SOON_DAYS * 86400;
	const ASN1_TIME *begins = X509_get0_notBefore(x), *ends = X509_get0_notAfter(x);
	char date[16];

	print_date(ends, date);
	if (X509_cmp_time(ends, NULL) < 0) {
		check_say(k, CHECK_ERROR, what, "%s: number %u has expired on %s: renew it", path,
		          number, date);
	} else if (X509_cmp_time(begins, NULL) > 0) {
		print_date(begins, date);
		check_say(k, CHECK_ERROR, what,
		          "%s: number %u is not valid before %s: look at the clock", path, number,
		          date);
	} else if (X509_cmp_time(ends, &soon) < 0) {
		check_say(k, CHECK_WARNING, what,
		          "%s: number %u expires on %s: renew it, nothing needs to be restarted",
		          path, number, date);
	} else {
		check_say(k, CHECK_OK, what, "%s: number %u is valid until %s", path, number, date);
	}
}

/* The first of the file, such as the server's own, to be freed. NULL: it has been said why. */
static X509 *check_certificates(struct check *k, const char *what, const char *path)
{
	FILE *f = open_file(k, what, path);
	X509 *first = NULL, *x;
	unsigned number = 0;

	if (!f)
		return NULL;
	while ((x = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
		check_dates(k, what, path, ++number, x);
		if (first)
			X509_free(x);
		else
			first = x;
	}
	fclose(f);
	ERR_clear_error();
	if (!first)
		check_say(k, CHECK_ERROR, what,
		          "%s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
		          path);
	return first;
}

/* Nobody is there to type it. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

/* guess: the configuration names none, and it may be systemd's credential, which only the unit can
 * see. */
static void check_key(struct check *k, const char *path, bool guess, const X509 *certificate)
{
	FILE *f = open_file(k, KEY, path);
	EVP_PKEY *key;
	struct stat st;

	if (!f)
		return;
	key = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
	ERR_clear_error();
	if (!key && guess)
		check_say(k, CHECK_WARNING, KEY,
		          "neither %s nor %s has one: right only if the unit has a credential "
		          "tls-key",
		          CONFIG_TLS_KEY, path);
	else if (!key)
		check_say(k, CHECK_ERROR, KEY,
		          "%s holds no private key in PEM form, or it is encrypted: `openssl pkey "
		          "-in %s` removes that",
		          path, path);
	else if (certificate && X509_check_private_key(certificate, key) != 1)
		check_say(k, CHECK_ERROR, KEY, "%s does not belong to the certificate", path);
	else if (fstat(fileno(f), &st) == 0 && (st.st_mode & S_IROTH))
		check_say(k, CHECK_WARNING, KEY, "%s can be read by everybody: chmod 600 %s", path,
		          path);
	else
		check_say(k, CHECK_OK, KEY, "%s", path);
	ERR_clear_error();
	EVP_PKEY_free(key);
	fclose(f);
}

/* A list that has expired has every client's certificate refused. */
static void check_revocations(struct check *k, const char *path)
{
	FILE *f = open_file(k, REVOCATIONS, path);
	X509_CRL *crl;
	unsigned number = 0;

	if (!f)
		return;
	while ((crl = PEM_read_X509_CRL(f, NULL, NULL, NULL)) != NULL) {
		const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
		bool old = next && X509_cmp_time(next, NULL) < 0;
		char date[16] = "further notice";

		if (next)
			print_date(next, date);
		check_say(k, old ? CHECK_ERROR : CHECK_OK, REVOCATIONS, "%s: number %u %s %s%s",
		          path, ++number, old ? "has expired on" : "is valid until", date,
		          old ? ": get a new one, until then every certificate is refused" : "");
		X509_CRL_free(crl);
	}
	fclose(f);
	ERR_clear_error();
	if (number == 0)
		check_say(k, CHECK_ERROR, REVOCATIONS,
		          "%s holds no list in PEM form (-----BEGIN X509 CRL-----)", path);
}

static void check_response(struct check *k, const char *path)
{
	FILE *f = open_file(k, RESPONSE, path);
	BIO *bio = f ? BIO_new_fp(f, BIO_CLOSE) : NULL;
	OCSP_RESPONSE *response = bio ? d2i_OCSP_RESPONSE_bio(bio, NULL) : NULL;
	OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
	ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
	char date[16] = "further notice";

	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		(void)OCSP_single_get0_status(OCSP_resp_get0(basic, i), NULL, NULL, &from, &until);
		if (until)
			print_date(until, date);
		if (OCSP_check_validity(from, until, 0, -1))
			check_say(k, CHECK_OK, RESPONSE, "%s: valid until %s", path, date);
		else
			check_say(k, CHECK_WARNING, RESPONSE,
			          "%s: was valid until %s, and is not used: fetch a new one", path,
			          date);
	}
	if (f && !basic)
		check_say(k, CHECK_WARNING, RESPONSE,
		          "%s is no OCSP response in DER form, and is not used", path);
	ERR_clear_error();
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	BIO_free(bio);
}

static void check_clients(struct check *k, const struct config *c)
{
	if (c->listen_tls_client_ca[0])
		X509_free(check_certificates(k, AUTHORITY, c->listen_tls_client_ca));
	if (c->listen_tls_client_ca[0] && c->listen_tls_client_crl[0])
		check_revocations(k, c->listen_tls_client_crl);
}

/* Nothing is configured, and nothing is there. */
static bool is_absent(struct check *k, const struct config *c)
{
	bool only = config_wants_tls(c) || c->listen_transports == TRANSPORT_TLS;
	const struct config_list *l = &c->listen_tls_certificates;

	if (l->count > 1 || strcmp(l->items[0], CONFIG_TLS_CERTIFICATE) != 0 ||
	    access(l->items[0], F_OK) == 0 || errno != ENOENT)
		return false;
	check_say(k, only ? CHECK_ERROR : CHECK_SKIPPED, CERTIFICATE, "%s does not exist%s",
	          l->items[0],
	          only ? ", so nobody can connect: make it, or set TLSCertificate="
	               : ": clients cannot use TLS");
	return true;
}

void check_tls(struct check *k, const struct config *c)
{
	const struct config_list *certificates = &c->listen_tls_certificates;
	const struct config_list *keys = &c->listen_tls_keys;
	bool unset = keys->count == 1 && strcmp(keys->items[0], CONFIG_TLS_KEY) == 0;

	if (!(c->listen_transports & TRANSPORT_TLS)) {
		if (config_wants_tls(c))
			check_say(k, CHECK_ERROR, CERTIFICATE, "%s needs tls in Transports=",
			          c->listen_require_tls ? "RequireTLS=yes" : "TLSClientCA=");
		return;
	}
	if (is_absent(k, c))
		return;
	if (!unset && keys->count != certificates->count) {
		check_say(k, CHECK_ERROR, KEY, "TLSCertificate= has %zu files, TLSKey= has %zu",
		          certificates->count, keys->count);
		return;
	}
	for (size_t i = 0; i < certificates->count; i++) {
		const char *own = certificates->items[i];
		X509 *x = check_certificates(k, CERTIFICATE, own);
		bool guess = unset && i == 0 && access(CONFIG_TLS_KEY, F_OK) < 0 && errno == ENOENT;

		check_key(k, guess || (unset && i > 0) ? own : keys->items[i], guess, x);
		X509_free(x);
	}
	for (size_t i = 0; i < c->listen_tls_ocsp_responses.count; i++)
		check_response(k, c->listen_tls_ocsp_responses.items[i]);
	check_clients(k, c);
}
