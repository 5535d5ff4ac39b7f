/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/standin.c - what both libraries share: options, injected errors, the report.
 */
#include "tests/nvenc-standin/standin.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FUNCTIONS_MAX 160
#define INJECTIONS_MAX 16
#define VIOLATIONS_MAX 32
#define NOTES_MAX 64
#define LINE_MAX_ 200

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct standin_options options = {
	.devices = 1, .refusal = 21, .vram = 1024, .api = 0xb1, .max = 4096, .min = 64};
static struct {
	char name[48];
	unsigned nth;
	bool delay;
	unsigned value;
} injections[INJECTIONS_MAX];
static unsigned injection_count;
static struct {
	char name[48]; /* its own copy: whoever called may have been unloaded when this is read */
	unsigned calls;
} functions[FUNCTIONS_MAX];
static unsigned violations, notes, calls;
static char violation_lines[VIOLATIONS_MAX][LINE_MAX_], note_lines[NOTES_MAX][LINE_MAX_];
static FILE *report_file;
static int live[LIVE_MAX_];
static const char *const live_names[LIVE_MAX_] = {
	"contexts", "current", "allocations", "sessions", "buffers", "registered", "mapped"};

static bool parse_option(const char *word)
{
	const struct {
		const char *name;
		unsigned *value;
	} numbers[] = {
		{"devices=", &options.devices},   {"dead=", &options.dead},
		{"sessions=", &options.sessions}, {"refusal=", &options.refusal},
		{"vram=", &options.vram},         {"api=", &options.api},
		{"max=", &options.max},           {"min=", &options.min},
	};
	const struct {
		const char *word;
		bool *value;
	} flags[] = {
		{"no=h264", &options.no_h264},
		{"no=h265", &options.no_h265},
		{"no=444", &options.no_444},
		{"no=rcchange", &options.no_rcchange},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		size_t n = strlen(numbers[i].name);

		if (strncmp(word, numbers[i].name, n) == 0) {
			*numbers[i].value = (unsigned)strtoul(word + n, NULL, 0);
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(word, flags[i].word) == 0) {
			*flags[i].value = true;
			return true;
		}
	if (strncmp(word, "slots=", 6) == 0) {
		snprintf(options.slots, sizeof(options.slots), "%s", word + 6);
		return true;
	}
	return false;
}

static bool parse_injection(const char *word)
{
	const char *colon = strchr(word, ':'), *equals = colon ? strchr(colon, '=') : NULL;
	unsigned i = injection_count;

	if (!equals || i == INJECTIONS_MAX || colon - word >= (long)sizeof(injections[0].name))
		return false;
	memcpy(injections[i].name, word, (size_t)(colon - word));
	injections[i].nth = (unsigned)strtoul(colon + 1, NULL, 10);
	injections[i].delay = equals[1] == '+';
	injections[i].value = (unsigned)strtoul(equals + 1 + injections[i].delay, NULL, 10);
	injection_count++;
	return true;
}

static void parse(void)
{
	const char *text = getenv("NVENC_STANDIN"), *path = getenv("NVENC_STANDIN_REPORT");
	char copy[1024], *save = NULL;

	report_file = path ? fopen(path, "w") : NULL; /* at the end it may be forbidden */
	snprintf(copy, sizeof(copy), "%s", text ? text : "");
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (!parse_option(word) && !parse_injection(word)) {
			fprintf(stderr, "NVENC_STANDIN: what is '%s'?\n", word);
			abort();
		}
}

const struct standin_options *standin_options(void)
{
	pthread_once(&once, parse);
	return &options;
}

static unsigned count_call(const char *name)
{
	calls++;
	for (unsigned i = 0; i < FUNCTIONS_MAX; i++) {
		if (!functions[i].name[0])
			snprintf(functions[i].name, sizeof(functions[i].name), "%s", name);
		if (strcmp(functions[i].name, name) == 0)
			return ++functions[i].calls;
	}
	abort();
}

int standin_call(const char *name)
{
	unsigned nth, msec = 0;
	int status = -1;

	pthread_once(&once, parse);
	pthread_mutex_lock(&lock);
	nth = count_call(name);
	pthread_mutex_unlock(&lock);
	for (unsigned i = 0; i < injection_count; i++) {
		if (strcmp(injections[i].name, name) != 0 ||
		    (injections[i].nth != 0 && injections[i].nth != nth))
			continue;
		if (injections[i].delay)
			msec += injections[i].value;
		else
			status = (int)injections[i].value;
	}
	if (msec > 0)
		nanosleep(&(struct timespec){msec / 1000, msec % 1000 * 1000000}, NULL);
	return status;
}

void standin_violation(const char *format, ...)
{
	va_list ap;

	pthread_mutex_lock(&lock);
	if (violations < VIOLATIONS_MAX) {
		va_start(ap, format);
		vsnprintf(violation_lines[violations], LINE_MAX_, format, ap);
		va_end(ap);
	}
	violations++;
	pthread_mutex_unlock(&lock);
}

void standin_note(const char *format, ...)
{
	va_list ap;

	pthread_mutex_lock(&lock);
	if (notes < NOTES_MAX) {
		va_start(ap, format);
		vsnprintf(note_lines[notes++], LINE_MAX_, format, ap);
		va_end(ap);
	}
	pthread_mutex_unlock(&lock);
}

void standin_live(enum standin_live what, int change)
{
	pthread_mutex_lock(&lock);
	live[what] += change;
	pthread_mutex_unlock(&lock);
}

__attribute__((destructor)) static void report(void)
{
	FILE *f = report_file;

	if (!f)
		return;
	fprintf(f, "calls %u\nviolations %u\n", calls, violations);
	for (unsigned i = 0; i < LIVE_MAX_; i++)
		fprintf(f, "live %s %d\n", live_names[i], live[i]);
	for (unsigned i = 0; i < FUNCTIONS_MAX && functions[i].name[0]; i++)
		fprintf(f, "call %s %u\n", functions[i].name, functions[i].calls);
	for (unsigned i = 0; i < violations && i < VIOLATIONS_MAX; i++)
		fprintf(f, "violation %s\n", violation_lines[i]);
	for (unsigned i = 0; i < notes; i++)
		fprintf(f, "note %s\n", note_lines[i]);
	fclose(f);
}
