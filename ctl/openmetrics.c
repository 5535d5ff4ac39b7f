/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/openmetrics.c - writes OpenMetrics text. In xproxyctl; pure but for the stream.
 */
#include "ctl/openmetrics.h"

#include <inttypes.h>

#include "base/macros.h"

static const char *const types[] = {
	[METRIC_GAUGE] = "gauge",
	[METRIC_COUNTER] = "counter",
	[METRIC_HISTOGRAM] = "histogram",
};

void metric_family(FILE *f, const char *name, enum metric_type type, const char *unit,
                   const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
	if (unit)
		fprintf(f, "# UNIT %s %s\n", name, unit);
}

/* What a label's value may not hold as it is. */
static void print_escaped(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", f);
		else if (*text == '"' || *text == '\\')
			fprintf(f, "\\%c", *text);
		else
			fputc(*text, f);
	}
}

void metric_sample(FILE *f, const char *name, enum metric_type type,
                   const struct metric_label *label, uint64_t value)
{
	fprintf(f, "%s%s", name, type == METRIC_COUNTER ? "_total" : "");
	if (label) {
		fprintf(f, "{%s=\"", label->name);
		print_escaped(f, label->value);
		fputs("\"}", f);
	}
	fprintf(f, " %" PRIu64 "\n", value);
}

void metric_histogram(FILE *f, const char *name, const uint64_t *values_msec, size_t n)
{
	static const struct {
		uint64_t msec;
		const char *le;
	} buckets[] = {
		{1, "0.001"}, {5, "0.005"},  {10, "0.01"}, {25, "0.025"}, {50, "0.05"},
		{100, "0.1"}, {250, "0.25"}, {500, "0.5"}, {1000, "1.0"}, {UINT64_MAX, "+Inf"},
	};
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(buckets); i++) {
		size_t count = 0;

		for (size_t k = 0; k < n; k++)
			count += values_msec[k] <= buckets[i].msec;
		fprintf(f, "%s_bucket{le=\"%s\"} %zu\n", name, buckets[i].le, count);
	}
	for (size_t k = 0; k < n; k++)
		sum += values_msec[k];
	fprintf(f, "%s_count %zu\n", name, n);
	fprintf(f, "%s_sum %" PRIu64 ".%03" PRIu64 "\n", name, sum / 1000, sum % 1000);
}

void metric_end(FILE *f)
{
	fputs("# EOF\n", f);
}
