/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/bus.c - sd-bus. In xproxyctl, as its caller.
 */
#include "ctl/bus.h"

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-bus.h>

#include "base/clock.h"
#include "base/macros.h"

#define CALL_USEC (2 * USEC_PER_SEC)
#define PENDING_MAX 64 /* calls on their way: the system bus refuses the 129th */

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER "/org/freedesktop/systemd1", SYSTEMD ".Manager"

/* sd-bus itself would wait 25 seconds for a bus that accepts and says nothing. */
static int await_ready(struct sd_bus *bus)
{
	uint64_t deadline = now_usec() + CALL_USEC;
	int r;

	while ((r = sd_bus_is_ready(bus)) == 0) {
		uint64_t now = now_usec();

		r = sd_bus_process(bus, NULL);
		if (r == 0 && now >= deadline)
			return -ETIMEDOUT;
		if (r == 0)
			r = sd_bus_wait(bus, deadline - now);
		if (r < 0)
			break;
	}
	return r < 0 ? r : 0;
}

int bus_open(bool user, struct sd_bus **ret)
{
	sd_bus *bus = NULL;
	int r = user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);

	if (r >= 0)
		r = sd_bus_set_method_call_timeout(bus, CALL_USEC);
	if (r >= 0)
		r = await_ready(bus);
	if (r < 0) {
		bus_close(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

void bus_close(struct sd_bus *bus)
{
	sd_bus_close_unref(bus); /* without waiting for what is still to be sent */
}

/* ---- lists ---- */

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* The next row of a(ssssssouso). 1, 0 at its end, or a negative errno. */
static int read_unit(sd_bus_message *m, struct bus_unit *ret)
{
	const char *name, *description, *load, *active, *sub, *following, *path, *type, *job;
	uint32_t id;
	int r = sd_bus_message_read(m, "(ssssssouso)", &name, &description, &load, &active, &sub,
	                            &following, &path, &id, &type, &job);

	if (r <= 0)
		return r;
	copy(ret->name, sizeof(ret->name), name);
	copy(ret->description, sizeof(ret->description), description);
	copy(ret->load, sizeof(ret->load), load);
	copy(ret->active, sizeof(ret->active), active);
	copy(ret->sub, sizeof(ret->sub), sub);
	copy(ret->path, sizeof(ret->path), path);
	return 1;
}

static int read_units(sd_bus_message *m, struct bus_unit **ret, size_t *ret_count)
{
	struct bus_unit *units = NULL;
	size_t count = 0, allocated = 0;
	int r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");

	while (r > 0) {
		if (count == allocated) {
			struct bus_unit *more;

			allocated = allocated ? 2 * allocated : 64;
			more = reallocarray(units, allocated, sizeof(*units));
			r = more ? r : -ENOMEM;
			units = more ? more : units;
		}
		if (r > 0)
			r = read_unit(m, &units[count]);
		count += r > 0;
	}
	if (r < 0) {
		free(units);
		return r;
	}
	*ret = units;
	*ret_count = count;
	return 0;
}

/* A call whose last argument is a list of strings. */
static int list(struct sd_bus *bus, const char *method, bool states, const char *const *texts,
                struct bus_unit **ret, size_t *ret_count)
{
	sd_bus_message *m = NULL, *reply = NULL;
	int r = sd_bus_message_new_method_call(bus, &m, SYSTEMD, MANAGER, method);

	if (r >= 0 && states)
		r = sd_bus_message_append(m, "as", 0);
	if (r >= 0)
		r = sd_bus_message_append_strv(m, (char **)(uintptr_t)texts);
	if (r >= 0)
		r = sd_bus_call(bus, m, CALL_USEC, NULL, &reply);
	if (r >= 0)
		r = read_units(reply, ret, ret_count);
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	return r;
}

int bus_list(struct sd_bus *bus, const char *const *patterns, struct bus_unit **ret,
             size_t *ret_count)
{
	return list(bus, "ListUnitsByPatterns", true, patterns, ret, ret_count);
}

int bus_list_named(struct sd_bus *bus, const char *const *names, struct bus_unit **ret,
                   size_t *ret_count)
{
	return list(bus, "ListUnitsByNames", false, names, ret, ret_count);
}

/* ---- properties ---- */

struct get {
	const struct bus_field *fields;
	size_t field_count, pending;
};

struct get_one {
	struct get *all;
	void *ret;
};

/* The value of one property, or past it. */
static int read_value(sd_bus_message *m, const struct bus_field *f, void *ret)
{
	char type[2] = {f->type, '\0'};
	const char *text;
	int r = sd_bus_message_enter_container(m, 'v', type);

	if (r < 0)
		return r;
	if (f->type == 's') {
		r = sd_bus_message_read_basic(m, 's', &text);
		if (r >= 0)
			copy((char *)ret + f->offset, f->size, text);
	} else {
		r = sd_bus_message_read_basic(m, f->type, (char *)ret + f->offset);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static const struct bus_field *find_field(const struct get *g, const char *name)
{
	for (size_t i = 0; i < g->field_count; i++)
		if (strcmp(g->fields[i].name, name) == 0)
			return &g->fields[i];
	return NULL;
}

/* An answer: a{sv}. An error is that of a unit that is gone by now. */
static int take_properties(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct get_one *one = userdata;
	const struct bus_field *f;
	const char *name;

	(void)error;
	one->all->pending--;
	if (sd_bus_message_is_method_error(m, NULL) ||
	    sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
		return 0;
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		if (sd_bus_message_read_basic(m, 's', &name) <= 0)
			break;
		f = find_field(one->all, name);
		if ((f ? read_value(m, f, one->ret) : sd_bus_message_skip(m, "v")) < 0 ||
		    sd_bus_message_exit_container(m) < 0)
			break;
	}
	return 0;
}

/* Until at most `most` calls are on their way. */
static int await(struct sd_bus *bus, const struct get *g, size_t most, uint64_t deadline_usec)
{
	while (g->pending > most) {
		int r = sd_bus_process(bus, NULL);
		uint64_t now = now_usec();

		if (r == 0 && now >= deadline_usec)
			return -ETIMEDOUT;
		if (r == 0)
			r = sd_bus_wait(bus, deadline_usec - now);
		if (r < 0)
			return r;
	}
	return 0;
}

int bus_get(struct sd_bus *bus, const char *interface, const struct bus_field *fields,
            size_t field_count, const struct bus_object *objects, size_t n)
{
	struct get g = {.fields = fields, .field_count = field_count};
	struct get_one *ones = calloc(n + 1, sizeof(*ones));
	uint64_t deadline = now_usec() + CALL_USEC;
	int r = ones ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r >= 0; i++) {
		ones[i] = (struct get_one){&g, objects[i].ret};
		r = sd_bus_call_method_async(bus, NULL, SYSTEMD, objects[i].path,
		                             "org.freedesktop.DBus.Properties", "GetAll",
		                             take_properties, &ones[i], "s", interface);
		g.pending += r >= 0;
		if (r >= 0)
			r = await(bus, &g, PENDING_MAX, deadline);
	}
	if (r >= 0)
		r = await(bus, &g, 0, deadline);
	if (r < 0)
		sd_bus_close(bus); /* no answer may come to what is freed here */
	free(ones);
	return r < 0 ? r : 0;
}

/* ---- stop ---- */

int bus_stop(struct sd_bus *bus, const char *unit, char err[RPC_TEXT_MAX])
{
	static const char *const denied[] = {
		SD_BUS_ERROR_ACCESS_DENIED,
		SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
		SD_BUS_ERROR_AUTH_FAILED,
	};
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_call_method(bus, SYSTEMD, MANAGER, "StopUnit", &error, NULL, "ss", unit,
	                           "replace");

	if (r < 0)
		snprintf(err, RPC_TEXT_MAX, "%s", error.message ? error.message : strerror(-r));
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++)
		if (r < 0 && sd_bus_error_has_name(&error, denied[i]))
			r = -EACCES;
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}
