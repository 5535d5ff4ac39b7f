/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/checkunits.c - the units, for `xproxyctl check`. As its caller; it reads properties only.
 */
#include "ctl/check.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-bus.h>

#include "base/clock.h"
#include "base/macros.h"
#include "ctl/bus.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER "/org/freedesktop/systemd1", SYSTEMD ".Manager"
#define SOCKET "xproxy.socket"
#define SERVICE "xproxy@.service"

struct socket_facts {
	char load[24], active[24], enabled[24], result[32];
	uint64_t trigger_usec;
	uint32_t trigger_burst, max_connections;
};

static const struct bus_field unit_fields[] = {
	{"LoadState", 's', offsetof(struct socket_facts, load), 24},
	{"ActiveState", 's', offsetof(struct socket_facts, active), 24},
	{"UnitFileState", 's', offsetof(struct socket_facts, enabled), 24},
};

static const struct bus_field socket_fields[] = {
	{"Result", 's', offsetof(struct socket_facts, result), 32},
	{"TriggerLimitIntervalUSec", 't', offsetof(struct socket_facts, trigger_usec), 0},
	{"TriggerLimitBurst", 'u', offsetof(struct socket_facts, trigger_burst), 0},
	{"MaxConnections", 'u', offsetof(struct socket_facts, max_connections), 0},
};

/* The object of a unit, loaded if need be. "": there is none. */
static void load(struct sd_bus *bus, const char *unit, char *buf, size_t size)
{
	sd_bus_message *reply = NULL;
	const char *path = "";

	buf[0] = '\0';
	if (sd_bus_call_method(bus, SYSTEMD, MANAGER, "LoadUnit", NULL, &reply, "s", unit) >= 0 &&
	    sd_bus_message_read(reply, "o", &path) > 0)
		snprintf(buf, size, "%s", path);
	sd_bus_message_unref(reply);
}

/* The pairs of an a(ss) property, "Stream 14500", joined. */
static void get_listen(struct sd_bus *bus, const char *path, char *buf, size_t size)
{
	sd_bus_message *m = NULL;
	const char *kind, *address;

	buf[0] = '\0';
	if (sd_bus_get_property(bus, SYSTEMD, path, SYSTEMD ".Socket", "Listen", NULL, &m,
	                        "a(ss)") >= 0 &&
	    sd_bus_message_enter_container(m, 'a', "(ss)") > 0)
		while (sd_bus_message_read(m, "(ss)", &kind, &address) > 0)
			snprintf(buf + strlen(buf), size - strlen(buf), "%s%s", buf[0] ? ", " : "",
			         address);
	sd_bus_message_unref(m);
}

/* The program of a service's ExecStart=. */
static void get_program(struct sd_bus *bus, const char *path, char *buf, size_t size)
{
	sd_bus_message *m = NULL;
	const char *program;

	buf[0] = '\0';
	if (sd_bus_get_property(bus, SYSTEMD, path, SYSTEMD ".Service", "ExecStart", NULL, &m,
	                        "a(sasbttttuii)") >= 0 &&
	    sd_bus_message_enter_container(m, 'a', "(sasbttttuii)") > 0 &&
	    sd_bus_message_enter_container(m, 'r', "sasbttttuii") > 0 &&
	    sd_bus_message_read(m, "s", &program) > 0)
		snprintf(buf, size, "%s", program);
	sd_bus_message_unref(m);
}

static void check_limits(struct check *k, const struct socket_facts *f)
{
	if (f->trigger_usec > 0 && f->trigger_burst > 0)
		check_say(k, CHECK_WARNING, SOCKET,
		          "more than %u connections within %llu ms would stop it for good: set "
		          "TriggerLimitIntervalSec=0 in its [Socket]",
		          f->trigger_burst, (unsigned long long)(f->trigger_usec / USEC_PER_MSEC));
}

static void check_socket(struct check *k, struct sd_bus *bus, const char *manager, const char *path)
{
	struct socket_facts f = {0};
	const struct bus_object object = {path, &f};
	const char *user = strcmp(manager, "user") == 0 ? " --user" : "";
	char listen[512];
	int accept = 0;

	if (bus_get(bus, SYSTEMD ".Unit", unit_fields, ARRAY_SIZE(unit_fields), &object, 1) < 0 ||
	    bus_get(bus, SYSTEMD ".Socket", socket_fields, ARRAY_SIZE(socket_fields), &object, 1) <
	            0) {
		check_say(k, CHECK_ERROR, SOCKET, "systemd does not answer");
		return;
	}
	if (strcmp(f.load, "loaded") != 0) {
		check_say(k, CHECK_ERROR, SOCKET, "%s: systemctl%s status " SOCKET " says more",
		          f.load, user);
		return;
	}
	(void)sd_bus_get_property_trivial(bus, SYSTEMD, path, SYSTEMD ".Socket", "Accept", NULL,
	                                  'b', &accept);
	if (!accept)
		check_say(k, CHECK_ERROR, SOCKET,
		          "it needs Accept=yes: one process for each "
		          "connection");
	get_listen(bus, path, listen, sizeof(listen));
	if (strcmp(f.active, "active") == 0)
		check_say(k, CHECK_OK, SOCKET,
		          "listens on %s (%s manager), for at most %u connections", listen, manager,
		          f.max_connections);
	else if (strcmp(f.active, "failed") == 0)
		check_say(k, CHECK_ERROR, SOCKET,
		          "it has failed (%s) and nobody can connect: systemctl%s restart " SOCKET,
		          f.result, user);
	else
		check_say(k, CHECK_ERROR, SOCKET,
		          "it is %s and nobody can connect: systemctl%s enable --now " SOCKET,
		          f.active, user);
	if (strcmp(f.active, "active") == 0 && strncmp(f.enabled, "enabled", 7) != 0)
		check_say(k, CHECK_WARNING, SOCKET,
		          "it is %s, so it will not listen after a restart of the machine: "
		          "systemctl%s enable " SOCKET,
		          f.enabled[0] ? f.enabled : "not enabled", user);
	check_limits(k, &f);
}

static void check_service(struct check *k, struct sd_bus *bus)
{
	char path[512], program[512] = "";

	load(bus, "xproxy@check.service", path, sizeof(path));
	if (path[0])
		get_program(bus, path, program, sizeof(program));
	if (program[0] == '\0')
		check_say(k, CHECK_ERROR, SERVICE,
		          "it is not installed or starts nothing: see README.md");
	else if (access(program, X_OK) < 0)
		check_say(k, CHECK_ERROR, SERVICE, "its ExecStart=, %s: %s", program,
		          strerror(errno));
	else
		check_say(k, CHECK_OK, SERVICE, "starts %s", program);
}

/* False: this manager does not have the socket. */
static bool check_manager(struct check *k, bool user)
{
	char path[512], state[24] = "";
	const struct bus_field field = {"LoadState", 's', 0, sizeof(state)};
	struct bus_object object = {path, state};
	struct sd_bus *bus;
	bool found;

	if (bus_open(user, &bus) < 0)
		return false;
	load(bus, SOCKET, path, sizeof(path));
	found = path[0] && bus_get(bus, SYSTEMD ".Unit", &field, 1, &object, 1) == 0 &&
	        strcmp(state, "not-found") != 0;
	if (found) {
		check_socket(k, bus, user ? "user" : "system", path);
		check_service(k, bus);
	}
	bus_close(bus);
	return found;
}

void check_units(struct check *k)
{
	struct sd_bus *bus;

	if (geteuid() != 0 && check_manager(k, true))
		return;
	if (check_manager(k, false))
		return;
	if (bus_open(false, &bus) < 0) {
		check_say(
			k, CHECK_SKIPPED, SOCKET,
			"there is no systemd to ask here: see that something accepts connections");
		return;
	}
	bus_close(bus);
	check_say(k, CHECK_ERROR, SOCKET,
	          "it is not installed, so nobody can connect: see README.md, then systemctl "
	          "daemon-reload and systemctl enable --now " SOCKET);
}
