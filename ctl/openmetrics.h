/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/openmetrics.h - numbers as OpenMetrics 1.0 text
 * (https://prometheus.io/docs/specs/om/open_metrics_spec/). In xproxyctl.
 *
 * Only what Prometheus' older text format understands as well, which is what node_exporter's
 * textfile collector reads: counters, gauges and histograms, no comments.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum metric_type {
	METRIC_GAUGE,
	METRIC_COUNTER, /* its samples get the suffix _total */
	METRIC_HISTOGRAM,
};

struct metric_label {
	const char *name, *value; /* the value may be any text */
};

/* Begins a family: HELP, TYPE and, if the name ends in _UNIT, UNIT. help: no newlines. */
void metric_family(FILE *f, const char *name, enum metric_type type, const char *unit,
                   const char *help);

/* One sample of a gauge or counter; label may be NULL. */
void metric_sample(FILE *f, const char *name, enum metric_type type,
                   const struct metric_label *label, uint64_t value);

/* The samples of a histogram of values in milliseconds, shown in seconds. */
void metric_histogram(FILE *f, const char *name, const uint64_t *values_msec, size_t n);

/* "# EOF" */
void metric_end(FILE *f);
