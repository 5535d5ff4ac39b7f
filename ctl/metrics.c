/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/metrics.c - `xproxyctl metrics`: what there is to count, for Prometheus.
 */
#include <stdio.h>

#include "base/macros.h"
#include "ctl/ctl.h"
#include "ctl/find.h"
#include "ctl/journal.h"
#include "ctl/openmetrics.h"

/* A gauge or counter with one sample for each value of a label. */
static void one_label(const char *name, enum metric_type type, const char *label,
                      const char *const *values, const uint64_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		metric_sample(stdout, name, type, &(struct metric_label){label, values[i]},
		              numbers[i]);
}

static void print_connections(const struct connections *all)
{
	uint64_t states[CONNECTION_STATES] = {0}, bytes[2] = {0};
	const char *names[CONNECTION_STATES];

	for (size_t i = 0; i < CONNECTION_STATES; i++)
		names[i] = connection_state_name((enum connection_state)i);
	for (size_t i = 0; i < all->count; i++) {
		states[all->items[i].state]++;
		bytes[0] += all->items[i].bytes_in;
		bytes[1] += all->items[i].bytes_out;
	}
	metric_family(stdout, "xproxy_connections", METRIC_GAUGE, NULL,
	              "Connections that are there now.");
	one_label("xproxy_connections", METRIC_GAUGE, "state", names, states, CONNECTION_STATES);
	metric_family(stdout, "xproxy_live_bytes", METRIC_GAUGE, "bytes",
	              "From (in) and to (out) the clients of the connections that are there now; "
	              "falls when one ends.");
	one_label("xproxy_live_bytes", METRIC_GAUGE, "direction",
	          (const char *const[]){"in", "out"}, bytes, 2);
}

static void print_latency(const struct connections *all)
{
	_cleanup_free_ uint64_t *values = calloc(all->count + 1, sizeof(*values));
	size_t n = 0;

	for (size_t i = 0; values && i < all->count; i++)
		if (all->items[i].latency_msec)
			values[n++] = all->items[i].latency_msec;
	metric_family(stdout, "xproxy_client_latency_seconds", METRIC_HISTOGRAM, "seconds",
	              "Round trip of the last ping to each client that is connected now: a "
	              "distribution of this moment, so use it without rate().");
	metric_histogram(stdout, "xproxy_client_latency_seconds", values, n);
}

static void print_sockets(const struct units *u)
{
	static const struct {
		const char *name, *help;
		enum metric_type type;
		size_t offset;
	} families[] = {
		{"xproxy_socket_connections", "Connections of a socket unit now.", METRIC_GAUGE,
	         offsetof(struct socket_unit, connections)},
		{"xproxy_socket_accepted", "Connections that a socket unit has accepted.",
	         METRIC_COUNTER, offsetof(struct socket_unit, accepted)},
		{"xproxy_socket_refused", "Connections over the limits of a socket unit.",
	         METRIC_COUNTER, offsetof(struct socket_unit, refused)},
	};

	for (size_t f = 0; f < ARRAY_SIZE(families) && u->socket_count > 0; f++) {
		metric_family(stdout, families[f].name, families[f].type, NULL, families[f].help);
		for (size_t i = 0; i < u->socket_count; i++) {
			const struct socket_unit *s = &u->sockets[i];
			char unit[sizeof(s->unit.name) + 8];
			uint32_t value;

			/* One's own units may have the names of the system's. */
			snprintf(unit, sizeof(unit), "%s%s", s->user ? "user/" : "", s->unit.name);
			memcpy(&value, (const char *)s + families[f].offset, sizeof(value));
			metric_sample(stdout, families[f].name, families[f].type,
			              &(struct metric_label){"unit", unit}, value);
		}
	}
}

static void print_logins(void)
{
	const char *names[LOGIN_RESULTS];
	struct logins logins;
	int r = journal_logins(&logins);

	metric_family(stdout, "xproxy_journal_readable", METRIC_GAUGE, NULL,
	              "Whether xproxy_logins could be counted.");
	metric_sample(stdout, "xproxy_journal_readable", METRIC_GAUGE, NULL, r >= 0);
	if (r < 0) {
		fprintf(stderr,
		        "xproxyctl: no xproxy_logins: there is no journal that you may read (%s); "
		        "root and the groups adm and systemd-journal may\n",
		        strerror(-r));
		return;
	}
	for (size_t i = 0; i < LOGIN_RESULTS; i++)
		names[i] = login_result_name((enum login_result)i);
	metric_family(stdout, "xproxy_logins", METRIC_COUNTER, NULL,
	              "Logins since the machine was started, as far as the journal goes back.");
	one_label("xproxy_logins", METRIC_COUNTER, "result", names, logins.count, LOGIN_RESULTS);
}

int command_metrics(const struct ctl *ctl)
{
	struct connections all;
	size_t n = 0;

	if (ctl->args[0])
		return usage_error("metrics takes no argument");
	if (connections_find(&ctl->config, &all) < 0) {
		connections_free(&all);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < all.count; i++)
		if (!all.items[i].foreign)
			all.items[n++] = all.items[i];
	all.count = n;
	metric_family(stdout, "xproxy_build_info", METRIC_GAUGE, NULL, "Always 1.");
	metric_sample(stdout, "xproxy_build_info", METRIC_GAUGE,
	              &(struct metric_label){"version", XPROXY_VERSION}, 1);
	print_connections(&all);
	print_latency(&all);
	print_sockets(&all.units);
	print_logins();
	metric_end(stdout);
	connections_free(&all);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE; /* a full disk */
}
