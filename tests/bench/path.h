/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/path.h - what the bench of xproxy-encode keeps of a run.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/frame.h"
#include "tests/bench/encode.h"
#include "tests/bench/scene.h"

#define KEPT_MAX 8192

struct draw {
	struct scene_rect r;
	char *packed;
	int packed_len;
	double began, msec; /* until its answer */
	double cpu;         /* ms of both processes, until then */
};

struct kept {
	struct frame_picture picture;
	uint64_t taken; /* draws that it may show */
	uint8_t *data;
};

struct path {
	pid_t pid;
	int fd, memory_fd;
	uint8_t *memory;
	struct frame_ring in;
	struct draw draws[FRAMES_MAX];
	unsigned count, sent, answered, held;
	uint64_t picture; /* the last one's number */
	struct kept kept[KEPT_MAX];
	unsigned kept_count, codings;
	uint64_t bytes, lz4_bytes; /* until the last draw was answered */
	double cpu;                /* percent of a core */

	/* by path_look() */
	double worst, worst_video; /* mean squares of errors of the worst pictures */
	bool same, undecoded;
};

/* Paints what was kept as a client does, and compares it with the scene. 0 or a negative errno. */
int path_look(struct path *p, struct scene *scene);
