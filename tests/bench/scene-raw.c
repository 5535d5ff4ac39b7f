/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * scene-raw.c - frames of a scene as raw pixels B G R X, one after the other:
 *
 *	scene-raw SCENE [WIDTHxHEIGHT [COUNT [FIRST]]]
 *	scene-raw web | ffplay -f rawvideo -pixel_format bgr0 -video_size 1920x1080 -
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/scene.h"

int main(int argc, char *argv[])
{
	unsigned w = 1920, h = 1080, count = 40, first = 0;
	enum scene_kind kind;
	struct scene scene;
	uint32_t *pixels;

	if (argc < 2 || argc > 5 || scene_parse(argv[1], &kind) < 0 ||
	    (argc > 2 && sscanf(argv[2], "%ux%u", &w, &h) != 2) ||
	    (argc > 3 && sscanf(argv[3], "%u", &count) != 1) ||
	    (argc > 4 && sscanf(argv[4], "%u", &first) != 1)) {
		fprintf(stderr, "usage: scene-raw type|scroll|web|drag|video|switch "
		                "[WIDTHxHEIGHT [COUNT [FIRST]]]\n");
		return 2;
	}
	if (scene_init(&scene, kind, w, h) < 0 || !(pixels = calloc(w, (size_t)h * 4))) {
		fprintf(stderr, "scene-raw: not that large or small, or no memory\n");
		return 1;
	}
	for (unsigned i = first; i < first + count; i++) {
		scene_frame(&scene, i, pixels, (size_t)w * 4, NULL);
		if (fwrite(pixels, (size_t)w * 4, h, stdout) != h) {
			perror("scene-raw");
			return 1;
		}
	}
	free(pixels);
	scene_free(&scene);
	return fflush(stdout) ? 1 : 0;
}
