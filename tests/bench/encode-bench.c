/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode-bench.c - what making pictures costs, and how good they are:
 *
 *	encode-bench [--frames N] [--size WxH] [--] pictures|path [ENCODER...]
 *
 * pictures: encoders by themselves. path: the program xproxy-encode, from a packet's lz4 to a
 * picture, at 30 draws a second. Both on all scenes. Exits 0 also when a target is missed.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/encode.h"

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"frames", 1, NULL, 'n'}, {"size", 1, NULL, 's'}, {NULL, 0, NULL, 0}};
	unsigned w = 1920, h = 1080, frames = 0;
	bool path;
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (c == '?' || (c == 's' && sscanf(optarg, "%ux%u", &w, &h) != 2) ||
		    (c == 'n' && (sscanf(optarg, "%u", &frames) != 1 || frames > FRAMES_MAX)))
			return 2;
	path = argv[optind] && strcmp(argv[optind], "path") == 0;
	if (!path && (!argv[optind] || strcmp(argv[optind], "pictures") != 0)) {
		fprintf(stderr, "usage: encode-bench [--frames N] [--size WxH] pictures|path "
		                "[ENCODER...]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = path ? bench_path(w, h, frames ? frames : 90, argv + optind + 1)
	         : bench_pictures(w, h, frames ? frames : 30, argv + optind + 1);
	if (r < 0)
		fprintf(stderr, "encode-bench: %s\n", strerror(-r));
	return r < 0;
}
