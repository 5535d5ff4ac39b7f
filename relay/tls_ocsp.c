/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/tls_ocsp.c - OCSP responses, stapled. Worker, in tls.so: tls_ocsp_staple() before the lock
 * opens and reads a file; what is called later needs no system call.
 *
 * The authority's signature is the client's to check. That it is the right certificate and not too
 * old is checked here: a client that got a wrong one would give up.
 */
#include "relay/tls_ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "base/macros.h"
#include "relay/tls_session.h"

#define SKEW_SEC 300 /* by which clocks may differ */

static int send_response(SSL *ssl, void *arg)
{
	const ASN1_OCTET_STRING *response = arg;
	int len = ASN1_STRING_length(response);
	unsigned char *copy = OPENSSL_memdup(ASN1_STRING_get0_data(response), (size_t)len);

	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, len); /* which frees it */
	return SSL_TLSEXT_ERR_OK;
}

/* What it says of the certificate; NULL: nothing. */
static OCSP_SINGLERESP *find(OCSP_BASICRESP *basic, const X509 *x)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *one = OCSP_resp_get0(basic, i);
		/* not changed, whatever its type says */
		OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(one);
		ASN1_INTEGER *serial = NULL;

		if (OCSP_id_get0_info(NULL, NULL, NULL, &serial, id) == 1 &&
		    ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(x)) == 0)
			return one;
	}
	return NULL;
}

static const char *staple(SSL_CTX *const contexts[], size_t n, OCSP_RESPONSE *response,
                          OCSP_BASICRESP *basic)
{
	ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
	ASN1_OCTET_STRING *packed = NULL;
	OCSP_SINGLERESP *one = NULL;
	size_t i;

	for (i = 0; i < n && !one; i++)
		one = find(basic, SSL_CTX_get0_certificate(contexts[i]));
	if (!one)
		return "it is about none of the certificates";
	(void)OCSP_single_get0_status(one, NULL, NULL, &from, &until);
	if (!OCSP_check_validity(from, until, SKEW_SEC, -1))
		return "it has expired, or is not valid yet";
	if (!ASN1_item_pack(response, ASN1_ITEM_rptr(OCSP_RESPONSE), &packed))
		return "no memory";
	SSL_CTX_set_tlsext_status_cb(contexts[i - 1], send_response);
	SSL_CTX_set_tlsext_status_arg(contexts[i - 1], packed); /* for good */
	return NULL;
}

const char *tls_ocsp_staple(SSL_CTX *const contexts[], size_t n, const char *path)
{
	BIO *file = BIO_new_file(path, "rb");
	OCSP_RESPONSE *response = file ? d2i_OCSP_RESPONSE_bio(file, NULL) : NULL;
	OCSP_BASICRESP *basic = NULL;
	const char *why = file ? "it is no OCSP response in DER form" : tls_session_reason();

	if (response && OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		why = "the authority has refused to answer";
	else if (response && (basic = OCSP_response_get1_basic(response)))
		why = staple(contexts, n, response, basic);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	BIO_free(file);
	ERR_clear_error();
	return why;
}
