/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/certificate.c - `xproxyctl certificate`: a certificate for a first try, signed by its own
 * key. As its caller, who has to be able to write where the configuration looks for it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "ctl/ctl.h"

#define NAMES_MAX 32
#define NAME_SIZE 254 /* of DNS, RFC 1035 */
#define COMMON_NAME_MAX 64
#define SERIAL_BITS 159
#define SKEW_SEC 3600 /* by which clients' clocks may be behind */
#define DAYS 365

struct wanted {
	char names[NAMES_MAX][NAME_SIZE];
	size_t count;
	unsigned days;
};

static bool is_address(const char *name)
{
	uint8_t buf[16];

	return inet_pton(AF_INET, name, buf) == 1 || inet_pton(AF_INET6, name, buf) == 1;
}

/* A host's name, with a wildcard or not, or an address. */
static bool is_name(const char *name)
{
	const char *rest = strncmp(name, "*.", 2) == 0 ? name + 2 : name;

	if (is_address(name))
		return true;
	return *rest && strlen(name) < NAME_SIZE && *rest != '.' && *rest != '-' &&
	       !strstr(rest, "..") &&
	       rest[strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                         "0123456789-._")] == '\0';
}

/* As `hostname -f` has it. */
static void find_own_name(char name[NAME_SIZE])
{
	struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char host[HOST_NAME_MAX + 1] = "";

	(void)gethostname(host, sizeof(host) - 1);
	if (getaddrinfo(host, NULL, &hints, &found) == 0 && found->ai_canonname &&
	    is_name(found->ai_canonname))
		snprintf(name, NAME_SIZE, "%s", found->ai_canonname);
	else
		snprintf(name, NAME_SIZE, "%s", is_name(host) ? host : "localhost");
	if (found)
		freeaddrinfo(found);
}

/* ---- the certificate ---- */

static bool add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *e;
	bool good;

	X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	good = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return good;
}

static bool add_names(X509 *x, const struct wanted *want)
{
	char list[NAMES_MAX * (NAME_SIZE + 5)];
	X509_NAME *subject = X509_get_subject_name(x);
	const char *first = want->names[0];
	size_t n = 0;

	for (size_t i = 0; i < want->count; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s:%s", i > 0 ? "," : "",
		                      is_address(want->names[i]) ? "IP" : "DNS", want->names[i]);
	if (strlen(first) > COMMON_NAME_MAX)
		first = "xproxy";
	return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
	                                  (const unsigned char *)first, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, subject) == 1 &&
	       add_extension(x, NID_subject_alt_name, list);
}

static bool add_serial(X509 *x)
{
	BIGNUM *n = BN_new();
	bool good = n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
	            BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;

	BN_free(n);
	return good;
}

/* For a server and nothing else: who trusts it does not trust what its key may sign. NULL: failed.
 */
static X509 *make(const struct wanted *want, EVP_PKEY *key)
{
	X509 *x = X509_new();

	if (x && X509_set_version(x, X509_VERSION_3) == 1 && add_serial(x) &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -SKEW_SEC) &&
	    X509_time_adj_ex(X509_getm_notAfter(x), (int)want->days, 0, NULL) &&
	    X509_set_pubkey(x, key) == 1 && add_names(x, want) &&
	    add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_extension(x, NID_key_usage, "critical,digitalSignature") &&
	    add_extension(x, NID_ext_key_usage, "serverAuth") &&
	    add_extension(x, NID_subject_key_identifier, "hash") &&
	    X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

/* ---- the files ---- */

static int fail(const char *path, const char *why)
{
	fprintf(stderr, "xproxyctl: %s: %s\n", path, why);
	return EXIT_FAILURE;
}

/* Makes the file, and its folder if that is all that is missing. NULL: it has been said why. */
static FILE *make_file(const char *path, mode_t mode)
{
	char folder[PATH_MAX];
	FILE *f = NULL;
	char *slash;
	int fd;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash && slash > folder) {
		*slash = '\0';
		if (mkdir(folder, 0777) == 0)
			(void)chmod(folder, 0755);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && (fchmod(fd, mode) < 0 || !(f = fdopen(fd, "w")))) {
		close(fd);
		(void)unlink(path);
	}
	if (!f)
		fail(path, errno == EEXIST ? "is there already, and stays as it is: remove it first"
		                           : strerror(errno));
	return f;
}

/* Whatever it is that fails, a file that is not whole does not stay. */
static int finish(FILE *f, const char *path, bool written)
{
	bool synced = fflush(f) == 0 && fsync(fileno(f)) == 0;

	if (fclose(f) == 0 && synced && written)
		return 0;
	(void)unlink(path);
	return fail(path, "cannot be written");
}

static int write_files(const char *certificate, const char *key, X509 *x, EVP_PKEY *pkey)
{
	FILE *f = make_file(key, 0600);
	int code = EXIT_FAILURE;

	if (!f || finish(f, key, PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL) == 1))
		return EXIT_FAILURE;
	f = make_file(certificate, 0644);
	if (f)
		code = finish(f, certificate, PEM_write_X509(f, x) == 1);
	if (code)
		(void)unlink(key); /* ours, and of no use */
	return code;
}

/* ---- the command ---- */

static void explain(const struct wanted *want, const char *certificate, const char *key,
                    const X509 *x)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	bool brackets = strchr(want->names[0], ':') != NULL;
	unsigned len = 0;

	(void)X509_digest(x, EVP_sha256(), digest, &len);
	printf("certificate: %s\nkey: %s\nnames:", certificate, key);
	for (size_t i = 0; i < want->count; i++)
		printf(" %s", want->names[i]);
	printf("\ndays: %u\nSHA-256 fingerprint: ", want->days);
	for (unsigned i = 0; i < len; i++)
		printf("%s%02X", i ? ":" : "", digest[i]);
	printf("\n\n"
	       "No authority has signed it, so clients have to be told to trust it. Copy the\n"
	       "certificate, but never the key, to them:\n"
	       "    xpra attach --ssl-ca-certs=cert.pem ssl://USER@%s%s%s:14500/\n"
	       "Browsers ask whether to trust it: compare the fingerprint.\n",
	       brackets ? "[" : "", want->names[0], brackets ? "]" : "");
}

/* 0, or EXIT_USAGE. */
static int read_wishes(const struct ctl *ctl, struct wanted *want)
{
	char *end = NULL;
	unsigned long days = ctl->days ? strtoul(ctl->days, &end, 10) : DAYS;

	if (ctl->days && (*ctl->days < '0' || *ctl->days > '9' || *end || days < 1 || days > 36500))
		return usage_error("--days takes a number from 1 to 36500");
	want->days = (unsigned)days;
	for (char **name = ctl->args; *name; name++) {
		if (!is_name(*name))
			return usage_error("'%s' is neither a host name nor an address", *name);
		if (want->count == NAMES_MAX)
			return usage_error("more than %d names", NAMES_MAX);
		snprintf(want->names[want->count++], NAME_SIZE, "%s", *name);
	}
	if (want->count == 0)
		find_own_name(want->names[want->count++]);
	return 0;
}

int command_certificate(const struct ctl *ctl)
{
	const char *certificate = ctl->config.listen_tls_certificates.items[0];
	const char *key = ctl->config.listen_tls_keys.items[0];
	static struct wanted want;
	EVP_PKEY *pkey;
	X509 *x = NULL;
	int code = read_wishes(ctl, &want);

	if (code)
		return code;
	if (strcmp(certificate, key) == 0)
		return fail(key, "TLSCertificate= and TLSKey= have to be two files for this");
	if (access(certificate, F_OK) == 0)
		return fail(certificate, "is there already, and stays as it is: remove it first");
	pkey = EVP_EC_gen("P-256");
	if (pkey)
		x = make(&want, pkey);
	if (x)
		code = write_files(certificate, key, x, pkey);
	else
		code = fail(certificate, ERR_reason_error_string(ERR_peek_error()));
	if (code == 0)
		explain(&want, certificate, key, x);
	X509_free(x);
	EVP_PKEY_free(pkey);
	return code;
}
