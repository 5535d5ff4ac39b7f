/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/encode.h - the two halves of the bench of the encoders, and what they share.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/decode.h"

#define FRAMES_MAX 1000

/* Encoders by themselves, and all of xproxy-encode. 0 or a negative errno; a missed target is only
 * printed. names: which encoders, up to NULL; none: all, or those of the default. */
int bench_pictures(unsigned w, unsigned h, unsigned frames, char *const names[]);
int bench_path(unsigned w, unsigned h, unsigned frames, char *const names[]);

/* What --probe looks at pictures with. NULL: there is none, which has been printed. */
const struct decoder *bench_decoder(void);
double cpu_msec(void);                                       /* of this process */
double quantile(const double *values, unsigned n, double q); /* 0 of none */
/* A line that ends with MET or MISSED; most: the target is the most it may be. */
void judge(const char *what, double is, bool most, double target, const char *unit);
/* Mean squares of the errors of two pictures B G R X, rows without gaps. */
void picture_errors(const uint8_t *a, const uint8_t *b, size_t pixels, double *ret_luma,
                    double *ret_rgb);
const char *decibels(double square, char ret[16]);
