/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rate.c - connections per second: rate PORT COUNT AT-ONCE. Each client connects to 127.0.0.1,
 * has nothing to say, and waits until the other side has closed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE_MAX 256

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct pollfd dial(int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	                         .sin_port = htons((unsigned short)port),
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct pollfd p = {.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN};

	if (connect(p.fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror("rate: connect");
		exit(1);
	}
	shutdown(p.fd, SHUT_WR);
	return p;
}

int main(int argc, char *argv[])
{
	int port = argc == 4 ? atoi(argv[1]) : 0, count = argc == 4 ? atoi(argv[2]) : 0;
	int at_once = argc == 4 ? atoi(argv[3]) : 0, live = 0, left;
	struct pollfd peers[AT_ONCE_MAX];
	double began = now();
	char buf[512];

	if (port <= 0 || count <= 0 || at_once <= 0 || at_once > AT_ONCE_MAX) {
		fprintf(stderr, "usage: rate PORT COUNT AT-ONCE\n");
		return 2;
	}
	for (left = count; left > 0 || live > 0;) {
		while (left > 0 && live < at_once) {
			peers[live++] = dial(port);
			left--;
		}
		if (poll(peers, (nfds_t)live, 10000) <= 0) {
			fprintf(stderr, "rate: nothing happens\n");
			return 1;
		}
		for (int i = live - 1; i >= 0; i--) {
			if (!peers[i].revents || read(peers[i].fd, buf, sizeof(buf)) > 0)
				continue;
			close(peers[i].fd);
			peers[i] = peers[--live];
		}
	}
	printf("%.2f\n", count / (now() - began));
	return 0;
}
