/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls_names.c - the names in a certificate as text. Worker, in tls.so, locked: what is in a
 * certificate is its owner's choice, within what the authority lets pass. No system calls.
 *
 * A name is compared with others as text later on, so it must be one: a zero byte would end it
 * early, and control characters have no place in it.
 */
#include "relay/tls_names.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/macros.h"

/* To UTF-8. 0, -EBADMSG or -EMSGSIZE. */
static int copy_text(const ASN1_STRING *s, char *ret, size_t size)
{
	const unsigned char *raw = ASN1_STRING_get0_data(s);
	unsigned char *text = NULL;
	int len = ASN1_STRING_to_UTF8(&text, s), r = 0;

	ret[0] = '\0';
	ERR_clear_error();
	if (len < 0)
		return -EBADMSG;
	for (int i = 0; i < len && r == 0; i++)
		if (text[i] < ' ' || text[i] == 0x7f || (text[i] == 0xc2 && text[i + 1] < 0xa0))
			r = -EBADMSG;
	/* ASCII by definition; OpenSSL takes the rest for Latin-1. */
	for (int i = 0; ASN1_STRING_type(s) == V_ASN1_IA5STRING && i < ASN1_STRING_length(s); i++)
		if (raw[i] >= 0x80)
			r = -EBADMSG;
	if (r == 0 && (size_t)len >= size)
		r = -EMSGSIZE;
	if (r == 0) {
		memcpy(ret, text, (size_t)len);
		ret[len] = '\0';
	}
	OPENSSL_free(text);
	return r;
}

/* "CN=alice,OU=users,O=Example": RFC 2253, in UTF-8. Its own escapes would hide what is not text.
 */
static int copy_subject(const X509_NAME *n, char *ret, size_t size)
{
	char any[TLS_NAME_SIZE];
	BIO *bio;
	int len, r = -ENOENT;

	for (int i = 0; i < X509_NAME_entry_count(n); i++)
		if (copy_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(n, i)), any,
		              sizeof(any)) == -EBADMSG)
			return -EBADMSG;
	bio = BIO_new(BIO_s_mem());
	len = bio ? X509_NAME_print_ex(bio, n, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) : -1;
	if (len > 0)
		r = (size_t)len < size && BIO_read(bio, ret, len) == len ? 0 : -EMSGSIZE;
	ret[r == 0 ? len : 0] = '\0';
	BIO_free(bio);
	ERR_clear_error();
	return r;
}

/* From the last, which RFC 2253 writes first. */
static int copy_common_name(const X509_NAME *n, unsigned index, char *ret, size_t size)
{
	for (int i = X509_NAME_entry_count(n) - 1; i >= 0; i--) {
		const X509_NAME_ENTRY *e = X509_NAME_get_entry(n, i);

		if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(e)) == NID_commonName && index-- == 0)
			return copy_text(X509_NAME_ENTRY_get_data(e), ret, size);
	}
	return -ENOENT;
}

/* The text of an alternative name if it is one of that kind; NULL: it is another. */
static const ASN1_STRING *text_of(const GENERAL_NAME *g, enum tls_name kind)
{
	static const int types[] = {
		[TLS_NAME_EMAIL] = GEN_EMAIL,
		[TLS_NAME_DNS] = GEN_DNS,
		[TLS_NAME_URI] = GEN_URI,
		[TLS_NAME_UPN] = GEN_OTHERNAME,
	};

	if (g->type != types[kind])
		return NULL;
	if (kind != TLS_NAME_UPN)
		return g->d.ia5;
	if (OBJ_obj2nid(g->d.otherName->type_id) != NID_ms_upn ||
	    g->d.otherName->value->type != V_ASN1_UTF8STRING)
		return NULL;
	return g->d.otherName->value->value.utf8string;
}

static int copy_alternative(const X509 *x, enum tls_name kind, unsigned index, char *ret,
                            size_t size)
{
	int why, r = -ENOENT;
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &why, NULL);

	ERR_clear_error();
	if (!names)
		return why == -1 ? -ENOENT : -EBADMSG; /* twice, or malformed */
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && r == -ENOENT; i++) {
		const ASN1_STRING *s = text_of(sk_GENERAL_NAME_value(names, i), kind);

		if (s && index-- == 0)
			r = copy_text(s, ret, size);
	}
	GENERAL_NAMES_free(names);
	return r;
}

int tls_names_get(const X509 *x, enum tls_name kind, unsigned index, char *ret, size_t size)
{
	const X509_NAME *subject = X509_get_subject_name(x);

	ret[0] = '\0';
	if (kind == TLS_NAME_SUBJECT)
		return index == 0 ? copy_subject(subject, ret, size) : -ENOENT;
	if (kind == TLS_NAME_COMMON)
		return copy_common_name(subject, index, ret, size);
	return copy_alternative(x, kind, index, ret, size);
}

/* Each name once, however many there are. */
static bool alternatives_clean(const X509 *x)
{
	char any[TLS_NAME_SIZE];
	bool clean;
	int why;
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &why, NULL);

	ERR_clear_error();
	clean = names || why == -1;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		for (enum tls_name kind = TLS_NAME_EMAIL; kind < TLS_NAME_MAX_; kind++) {
			const ASN1_STRING *s = text_of(sk_GENERAL_NAME_value(names, i), kind);

			if (s && copy_text(s, any, sizeof(any)) == -EBADMSG)
				clean = false;
		}
	GENERAL_NAMES_free(names);
	return clean;
}

bool tls_names_clean(const X509 *x)
{
	char any[TLS_NAME_SIZE];

	return tls_names_get(x, TLS_NAME_SUBJECT, 0, any, sizeof(any)) != -EBADMSG &&
	       alternatives_clean(x);
}
