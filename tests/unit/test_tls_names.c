/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_tls_names.c - names in certificates as text: those of each kind, and those that
 * are none. The certificates are made here and not signed, as nothing of that is looked at.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <openssl/x509v3.h>

#include "relay/tls_names.h"

static X509 *make(void)
{
	X509 *x = X509_new();

	CHECK(x != NULL);
	return x;
}

static void add_subject(X509 *x, int nid, int type, const void *text, int len)
{
	X509_NAME *n = X509_get_subject_name(x);

	CHECK_EQ(X509_NAME_add_entry_by_NID(n, nid, type, text, len, -1, 0), 1);
}

static GENERAL_NAME *general(int type, int asn1, const void *text, int len)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_STRING *s = ASN1_STRING_type_new(asn1);

	CHECK_EQ(ASN1_STRING_set(s, text, len), 1);
	if (type == GEN_OTHERNAME) {
		ASN1_TYPE *value = ASN1_TYPE_new();

		ASN1_TYPE_set(value, asn1, s);
		CHECK_EQ(GENERAL_NAME_set0_othername(g, OBJ_nid2obj(NID_ms_upn), value), 1);
	} else {
		GENERAL_NAME_set0_value(g, type, s);
	}
	return g;
}

static void add_alternatives(X509 *x, GENERAL_NAME **g, size_t n)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	for (size_t i = 0; i < n; i++)
		sk_GENERAL_NAME_push(names, g[i]);
	CHECK_EQ(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND), 1);
	GENERAL_NAMES_free(names);
}

static char text[TLS_NAME_SIZE];

static int get(const X509 *x, enum tls_name kind, unsigned index)
{
	memset(text, 'x', sizeof(text));
	return tls_names_get(x, kind, index, text, sizeof(text));
}

TEST(kinds)
{
	X509 *x = make();
	GENERAL_NAME *names[] = {
		general(GEN_EMAIL, V_ASN1_IA5STRING, "alice@example.org", 17),
		general(GEN_DNS, V_ASN1_IA5STRING, "a.example.org", 13),
		general(GEN_EMAIL, V_ASN1_IA5STRING, "second@example.org", 18),
		general(GEN_URI, V_ASN1_IA5STRING, "xpra:alice", 10),
		general(GEN_OTHERNAME, V_ASN1_UTF8STRING, "alic\xc3\xa9@corp", 11),
	};

	add_subject(x, NID_organizationName, V_ASN1_UTF8STRING, "Ex, \"ample\"", 11);
	add_subject(x, NID_commonName, V_ASN1_UTF8STRING, "J\xc3\xbcrgen", 7);
	add_subject(x, NID_commonName, V_ASN1_PRINTABLESTRING, "alice", 5);
	CHECK_EQ(get(x, TLS_NAME_EMAIL, 0), -ENOENT); /* no alternative names at all */
	CHECK_STR(text, "");
	add_alternatives(x, names, ARRAY_SIZE(names));
	CHECK_EQ(get(x, TLS_NAME_SUBJECT, 0), 0);
	CHECK_STR(text, "CN=alice,CN=J\xc3\xbcrgen,O=Ex\\, \\\"ample\\\"");
	CHECK_EQ(get(x, TLS_NAME_SUBJECT, 1), -ENOENT);
	CHECK_EQ(get(x, TLS_NAME_COMMON, 0), 0);
	CHECK_STR(text, "alice");
	CHECK_EQ(get(x, TLS_NAME_COMMON, 1), 0);
	CHECK_STR(text, "J\xc3\xbcrgen");
	CHECK_EQ(get(x, TLS_NAME_COMMON, 2), -ENOENT);
	CHECK_EQ(get(x, TLS_NAME_EMAIL, 1), 0);
	CHECK_STR(text, "second@example.org");
	CHECK_EQ(get(x, TLS_NAME_EMAIL, 2), -ENOENT);
	CHECK_EQ(get(x, TLS_NAME_DNS, 0), 0);
	CHECK_STR(text, "a.example.org");
	CHECK_EQ(get(x, TLS_NAME_URI, 0), 0);
	CHECK_STR(text, "xpra:alice");
	CHECK_EQ(get(x, TLS_NAME_UPN, 0), 0);
	CHECK_STR(text, "alic\xc3\xa9@corp");
	CHECK(tls_names_clean(x));
	X509_free(x);
}

/* Names that look like another one to who reads up to a zero byte, or that move a terminal's
 * cursor. */
TEST(not_text)
{
	static const struct {
		int type;
		const char *text;
		int len;
	} bad[] = {
		{V_ASN1_UTF8STRING, "alice\0.evil", 11}, {V_ASN1_UTF8STRING, "\0", 1},
		{V_ASN1_UTF8STRING, "alice\n", 6},       {V_ASN1_UTF8STRING, "a\x1b[2J", 5},
		{V_ASN1_UTF8STRING, "a\x7f", 2},         {V_ASN1_UTF8STRING, "a\xc2\x9b", 3},
		{V_ASN1_UTF8STRING, "a\xff", 2},         {V_ASN1_UTF8STRING, "a\xc0\x80", 3},
		{V_ASN1_BMPSTRING, "\0a\0\0", 4},        {V_ASN1_T61STRING, "a\x9b", 2},
		{V_ASN1_UTF8STRING, "alice\xc2", 6},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		X509 *x = make();

		test_note("case %zu", i);
		add_subject(x, NID_commonName, bad[i].type, bad[i].text, bad[i].len);
		CHECK_EQ(get(x, TLS_NAME_COMMON, 0), -EBADMSG);
		CHECK_STR(text, "");
		CHECK_EQ(get(x, TLS_NAME_SUBJECT, 0), -EBADMSG);
		CHECK(!tls_names_clean(x));
		X509_free(x);
	}
}

TEST(not_text_alternatives)
{
	for (enum tls_name kind = TLS_NAME_EMAIL; kind < TLS_NAME_MAX_; kind++)
		for (int i = 0; i < 3; i++) {
			static const char *const bad[] = {"a@b\0.org", "a@b\n.org", "a@b\xff.org"};
			static const int types[] = {[TLS_NAME_EMAIL] = GEN_EMAIL,
			                            [TLS_NAME_DNS] = GEN_DNS,
			                            [TLS_NAME_URI] = GEN_URI,
			                            [TLS_NAME_UPN] = GEN_OTHERNAME};
			int asn1 = kind == TLS_NAME_UPN ? V_ASN1_UTF8STRING : V_ASN1_IA5STRING;
			GENERAL_NAME *names[] = {general(types[kind], asn1, "good", 4),
			                         general(types[kind], asn1, bad[i], 8)};
			X509 *x = make();

			add_alternatives(x, names, ARRAY_SIZE(names));
			CHECK_EQ(get(x, kind, 0), 0);
			CHECK_EQ(get(x, kind, 1), -EBADMSG);
			CHECK_STR(text, "");
			CHECK(!tls_names_clean(x));
			X509_free(x);
		}
}

/* Alternative names twice, which is forbidden, or not decodable. */
TEST(malformed)
{
	X509 *x = make();
	GENERAL_NAME *one[] = {general(GEN_DNS, V_ASN1_IA5STRING, "a", 1)};
	GENERAL_NAME *two[] = {general(GEN_DNS, V_ASN1_IA5STRING, "b", 1)};
	ASN1_OCTET_STRING *junk = ASN1_OCTET_STRING_new();
	X509_EXTENSION *e;

	add_alternatives(x, one, 1);
	add_alternatives(x, two, 1);
	CHECK_EQ(get(x, TLS_NAME_DNS, 0), -EBADMSG);
	CHECK(!tls_names_clean(x));
	X509_free(x);
	x = make();
	CHECK_EQ(ASN1_OCTET_STRING_set(junk, (const unsigned char *)"\x30\x84\xff", 3), 1);
	e = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, junk);
	CHECK_EQ(X509_add_ext(x, e, -1), 1);
	CHECK_EQ(get(x, TLS_NAME_DNS, 0), -EBADMSG);
	CHECK(!tls_names_clean(x));
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(junk);
	X509_free(x);
}

/* Longer than the buffer is an error, never a shorter name. */
TEST(sizes)
{
	X509 *x = make();
	char small[6];

	CHECK_EQ(get(x, TLS_NAME_SUBJECT, 0), -ENOENT); /* an empty one */
	CHECK_EQ(get(x, TLS_NAME_COMMON, 0), -ENOENT);
	CHECK(tls_names_clean(x));
	add_subject(x, NID_commonName, V_ASN1_UTF8STRING, "alice", 5);
	CHECK_EQ(tls_names_get(x, TLS_NAME_COMMON, 0, small, 6), 0);
	CHECK_STR(small, "alice");
	CHECK_EQ(tls_names_get(x, TLS_NAME_COMMON, 0, small, 5), -EMSGSIZE);
	CHECK_STR(small, "");
	CHECK_EQ(tls_names_get(x, TLS_NAME_SUBJECT, 0, small, 6), -EMSGSIZE);
	CHECK_STR(small, "");
	CHECK(tls_names_clean(x));
	X509_free(x);
}
