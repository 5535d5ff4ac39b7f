/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/fetch.c - see auth/fetch.h. Checker, with its privilege; libcurl does the work. System
 * calls: what libcurl needs: socket, connect, poll, threads for names; those of base/readfile.c.
 */
#include "auth/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/module.h"
#include "base/readfile.h"

#define SECONDS 10L /* for all of it */
#define BODY_MAX (64u << 10)
#define SECRET_FILE_MAX 4096

struct body {
	char *data;
	size_t len;
};

static size_t take(char *p, size_t one, size_t n, void *context)
{
	struct body *b = context;

	(void)one;
	if (n > BODY_MAX - b->len)
		return 0;
	memcpy(b->data + b->len, p, n);
	b->len += n;
	return n;
}

static bool https(const char *url)
{
	return strncmp(url, "https://", 8) == 0 && url[8] && !strpbrk(url, " \t\r\n@");
}

int fetch_check(const char *option, const char *url, const char *cacert, char *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		snprintf(err, AUTH_ERROR_MAX, "libcurl does not start");
		return -EIO;
	}
	if (!https(url)) {
		snprintf(err, AUTH_ERROR_MAX,
		         "%s= has to begin with https://, and has no name or password", option);
		return -EINVAL;
	}
	if (cacert && access(cacert, R_OK) < 0) {
		snprintf(err, AUTH_ERROR_MAX, "cacert=%s: %s", auth_path_tail(cacert),
		         strerror(errno));
		return -errno;
	}
	return 0;
}

static bool set_up(CURL *c, const struct fetch *f, struct body *body, char *why)
{
	bool ok = curl_easy_setopt(c, CURLOPT_URL, f->url) == CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
	                  CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_TIMEOUT, SECONDS) == CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_WRITEDATA, body) == CURLE_OK &&
	          curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why) == CURLE_OK;

	if (ok && f->cacert)
		ok = curl_easy_setopt(c, CURLOPT_CAINFO, f->cacert) == CURLE_OK &&
		     curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK;
	if (ok && f->form)
		ok = curl_easy_setopt(c, CURLOPT_POSTFIELDS, f->form) == CURLE_OK;
	if (ok && f->bearer)
		ok = curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BEARER) == CURLE_OK &&
		     curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, f->bearer) == CURLE_OK;
	if (ok && f->user)
		ok = curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) == CURLE_OK &&
		     curl_easy_setopt(c, CURLOPT_USERNAME, f->user) == CURLE_OK &&
		     curl_easy_setopt(c, CURLOPT_PASSWORD, f->password) == CURLE_OK;
	return ok;
}

static int perform(CURL *c, const struct fetch *f, struct body *body, char *err)
{
	char why[CURL_ERROR_SIZE] = "";
	long status = 0;
	CURLcode rc;

	if (!set_up(c, f, body, why)) {
		snprintf(err, AUTH_ERROR_MAX, "libcurl: cannot be set up");
		return -EIO;
	}
	rc = curl_easy_perform(c);
	if (rc != CURLE_OK) {
		snprintf(err, AUTH_ERROR_MAX, "%.100s: %.130s", f->url,
		         rc == CURLE_WRITE_ERROR ? "the answer is too long"
		         : why[0]                ? why
		                                 : curl_easy_strerror(rc));
		return -EHOSTUNREACH;
	}
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return 0;
	snprintf(err, AUTH_ERROR_MAX, "%.100s answers %ld%s", f->url, status,
	         status == 401 || status == 403  ? ": are client-id= and client-secret= right?"
	         : status >= 300 && status < 400 ? ": redirections are not followed"
	                                         : "");
	return status == 400 ? -EBADMSG : status == 401 || status == 403 ? -EACCES : -EPROTO;
}

int fetch(const struct fetch *f, char **ret, size_t *ret_len, char *err)
{
	struct body body = {.data = malloc(BODY_MAX + 1)};
	CURL *c = curl_easy_init();
	int r = -ENOMEM;

	if (body.data && c)
		r = perform(c, f, &body, err);
	else
		snprintf(err, AUTH_ERROR_MAX, "out of memory");
	curl_easy_cleanup(c);
	if (r < 0) {
		fetch_free(body.data, body.len);
		return r;
	}
	body.data[body.len] = '\0';
	*ret = body.data;
	*ret_len = body.len;
	return 0;
}

void fetch_free(char *body, size_t len)
{
	if (body)
		explicit_bzero(body, len);
	free(body);
}

int fetch_encode(const char *text, char *ret, size_t size, size_t *n)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (; *text; text++) {
		bool as_is = strchr(plain, *text) != NULL;
		size_t left = size - *n;
		int used = as_is ? snprintf(ret + *n, left, "%c", *text)
		                 : snprintf(ret + *n, left, "%%%02X", (unsigned char)*text);

		if ((size_t)used >= left)
			return -E2BIG;
		*n += (size_t)used;
	}
	return 0;
}

int fetch_secret(const struct auth_options *o, const char *option, char ret[FETCH_SECRET_MAX],
                 char *err)
{
	const char *secret = auth_option(o, option, NULL), *file;
	char file_option[64], *text = NULL;
	size_t len = 0, n = 0;
	int r;

	snprintf(file_option, sizeof(file_option), "%s%cfile", option,
	         strchr(option, '_') ? '_' : '-');
	file = auth_option(o, file_option, NULL);
	ret[0] = '\0';
	r = file ? readfile_secret(file, SECRET_FILE_MAX, &text, &len, err) : 0;
	if (r < 0)
		return r;
	if (text)
		text[strcspn(text, "\r\n")] = '\0';
	r = fetch_encode(text ? text : secret ? secret : "", ret, FETCH_SECRET_MAX, &n);
	readfile_free(text, len);
	if (r == 0 && ret[0] && !(secret && file))
		return 0;
	if (r < 0)
		snprintf(err, AUTH_ERROR_MAX, "%s= is too long", option);
	else if (secret && file)
		snprintf(err, AUTH_ERROR_MAX, "%s= and %s= exclude each other", option,
		         file_option);
	else
		snprintf(err, AUTH_ERROR_MAX, "%s= or %s= is missing", option, file_option);
	return -EINVAL;
}
