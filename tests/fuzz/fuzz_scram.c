/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What SCRAM reads of others, in four lines: records as a user's line has them, the user's name,
 * the client's two messages. The corpus has exchanges that succeed. Only records that are there
 * let anybody in. Includes auth/scram.c; links auth/scramkey.c.
 */
#define auth_module scram_module /* auth/sqlite.c, which is linked too, has one of this name */
#include "auth/scram.c"

#include "ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(char *line[4])
{
	static struct exchange x;
	struct scramkey key;
	bool known = choose_record(line[0], strlen(line[0]), &nettle_sha256, &key);

	x = (struct exchange){.fake = !known};
	x.key = known ? key : (struct scramkey){.hash = &nettle_sha256, .salt_len = FAKE_SALT};
	ENSURE(x.key.hash == &nettle_sha256 && x.key.salt_len <= sizeof(x.key.salt));
	snprintf(x.nonce, sizeof(x.nonce), "%s", "ABCDEFGHIJKLMNOPQRSTUVWX");
	/* as in begin() and scram_verify() */
	if (!*line[1] || strlen(line[1]) >= AUTH_USERNAME_MAX || strlen(line[2]) >= MESSAGE_MAX ||
	    strlen(line[3]) >= MESSAGE_MAX || read_first(&x, line[2], line[1]) == AUTH_NO)
		return;
	ENSURE(strncmp(x.first, "n=", 2) == 0 && strstr(x.first, ",r="));
	ENSURE(finish(&x, line[3]) == AUTH_NO || (known && x.stage == SERVER_FINAL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), *rest = copy, *line[4], none[] = "";

	ENSURE(copy);
	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	for (size_t i = 0; i < 4; i++) {
		line[i] = strsep(&rest, "\n");
		if (!line[i])
			line[i] = none;
	}
	run(line);
	free(copy);
	return 0;
}
