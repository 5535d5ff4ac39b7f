/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes on a control socket, in two writes: no crash, nobody is stopped without asking, and
 * what comes back is xpra's protocol. Links session/control.c, info.c, wire/.
 */
#include "session/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stats stats;
static struct sockaddr_un address;
static socklen_t address_len = sizeof(address);

static struct control *set_up(void)
{
	const struct control_facts facts = {.stats = &stats, .user = "u", .upstream = ":1"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	address.sun_family = AF_UNIX;
	if (bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &address_len) < 0 || listen(fd, 4) < 0)
		abort();
	return control_new(fd, &facts);
}

static void serve(struct control *c)
{
	struct pollfd fds[CONTROL_FDS_MAX];
	struct rpc_stop stop;

	for (;;) {
		uint64_t deadline = USEC_INFINITY;
		size_t n = control_poll(c, fds, &deadline);

		if (poll(fds, n, 0) <= 0)
			return;
		if (control_serve(c, fds, n, &stop) && strcmp(stop.reason, "server shutdown") != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t answer[1 << 17];
	static struct control *control;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	size_t first = size / 2;
	struct header h;
	ssize_t n;

	if (!control)
		control = set_up();
	if (connect(fd, (struct sockaddr *)&address, address_len) < 0)
		abort();
	serve(control);
	(void)!send(fd, data, first, MSG_NOSIGNAL);
	serve(control);
	(void)!send(fd, data + first, size - first, MSG_NOSIGNAL);
	serve(control);
	n = recv(fd, answer, sizeof(answer), 0);
	if (n > 0 &&
	    (header_parse(answer, (size_t)n, &h, NULL) < 0 || (size_t)n != HEADER_LEN + h.size))
		abort();
	close(fd);
	serve(control);
	return 0;
}
