/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/encoders.c - `xproxyctl encoders`: what Encoders= could name, whether it can be used here,
 * and how well it does. As its caller, who may not have access to a device that the proxy has.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/config.h"
#include "base/macros.h"
#include "base/table.h"
#include "ctl/ctl.h"
#include "ctl/probe.h"
#include "ctl/show.h"

static const int widths[] = {10, 15, 8, 10, 8, 10, 30};

static const char *csc_name(const struct encoder_caps *c)
{
	return !c->video ? "" : c->csc == CSC_YUV444P ? " 4:4:4" : " 4:2:0";
}

static double mean(const struct probe *p, double (*of)(const struct probe *p, unsigned i))
{
	double sum = 0;

	for (unsigned i = 0; i < p->count; i++)
		sum += of(p, i);
	return p->count > 0 ? sum / p->count : 0;
}

static double msec_of(const struct probe *p, unsigned i)
{
	return p->pictures[i].usec / 1000.0;
}

static double bytes_of(const struct probe *p, unsigned i)
{
	return p->pictures[i].bytes;
}

static double worst_psnr(const struct probe *p)
{
	double worst = p->count > 0 ? p->pictures[0].psnr : PROBE_UNKNOWN;

	for (unsigned i = 1; i < p->count; i++)
		worst = p->pictures[i].psnr < worst ? p->pictures[i].psnr : worst;
	return worst;
}

static void print_probe(const char *name, const struct probe *p)
{
	char coding[32], open[16] = "-", msec[16] = "-", bytes[16] = "-", psnr[16] = "n/a";
	char note[ENCODER_WHY_MAX];
	const char *const cells[] = {name, coding, open, msec, bytes, psnr, note};

	snprintf(coding, sizeof(coding), "%s%s", coding_name(p->caps.coding), csc_name(&p->caps));
	snprintf(note, sizeof(note), "%s", p->why[0] ? p->why : p->device);
	if (p->count > 0) {
		double worst = worst_psnr(p);

		snprintf(open, sizeof(open), "%.1f", p->open_usec / 1000.0);
		snprintf(msec, sizeof(msec), "%.1f", mean(p, msec_of));
		snprintf(bytes, sizeof(bytes), "%.0f", mean(p, bytes_of));
		if (worst >= PROBE_EXACT)
			snprintf(psnr, sizeof(psnr), "exact");
		else if (worst > PROBE_UNKNOWN)
			snprintf(psnr, sizeof(psnr), "%.1f dB", worst);
	}
	table_row(cells, widths, ARRAY_SIZE(cells));
}

static void print_list(const char *name, bool thorough, const struct probe_list *list)
{
	static const int plain[] = {10, 60};
	char codings[256] = "";
	const char *const cells[] = {name, list->usable ? codings : list->why};

	if (thorough && list->usable) {
		for (unsigned i = 0; i < list->count; i++)
			print_probe(name, &list->items[i]);
		return;
	}
	for (unsigned i = 0; i < list->count; i++) {
		const struct probe *p = &list->items[i];
		size_t n = strlen(codings);

		snprintf(codings + n, sizeof(codings) - n, "%s%s%s%s", n > 0 ? ", " : "",
		         coding_name(p->caps.coding), csc_name(&p->caps),
		         p->caps.lossless ? " (can be lossless)" : "");
	}
	table_row(cells, plain, ARRAY_SIZE(cells));
}

static void print_json_probe(const struct probe *p, bool thorough)
{
	printf("{\"coding\": \"%s\", \"csc\": %s, \"lossless\": %s", coding_name(p->caps.coding),
	       !p->caps.video               ? "null"
	       : p->caps.csc == CSC_YUV444P ? "\"YUV444P\""
	                                    : "\"YUV420P\"",
	       p->caps.lossless ? "true" : "false");
	if (thorough) {
		printf(", \"quality\": %u, \"error\": ", p->quality);
		show_json_string(p->why);
		fputs(", \"device\": ", stdout);
		show_json_string(p->device);
		printf(", \"open_usec\": %" PRIu32 ", \"pictures\": [", p->open_usec);
		for (unsigned i = 0; i < p->count; i++) {
			printf("%s{\"usec\": %" PRIu32 ", \"bytes\": %" PRIu32 ", \"psnr\": ",
			       i > 0 ? ", " : "", p->pictures[i].usec, p->pictures[i].bytes);
			if (p->pictures[i].psnr > PROBE_UNKNOWN)
				printf("%.2f}", p->pictures[i].psnr);
			else
				fputs("null}", stdout);
		}
		fputs("]", stdout);
	}
	fputs("}", stdout);
}

static void print_json(const char *name, bool thorough, bool first, const struct probe_list *list)
{
	printf("%s\n  {\"encoder\": \"%s\", \"usable\": %s, \"why\": ", first ? "[" : ",", name,
	       list->usable ? "true" : "false");
	show_json_string(list->why);
	fputs(", \"codings\": [", stdout);
	for (unsigned i = 0; i < list->count; i++) {
		if (i > 0)
			fputs(", ", stdout);
		print_json_probe(&list->items[i], thorough);
	}
	fputs("]}", stdout);
}

static bool went_well(const struct probe_list *list)
{
	for (unsigned i = 0; i < list->count; i++)
		if (list->items[i].why[0])
			return false;
	return !list->ended;
}

int command_encoders(const struct ctl *ctl)
{
	static const char *const heads[] = {"Encoder",
	                                    "Makes",
	                                    "Open ms",
	                                    "Picture ms",
	                                    "Bytes",
	                                    "Likeness",
	                                    "Runs on, or what is wrong"};
	const char *why = NULL;
	const struct decoder *decoder = ctl->probe ? decoder_find(&why) : NULL;
	bool well = true;

	if (ctl->args[0])
		return usage_error("encoders takes --probe and --json, and no argument");
	if (why)
		fprintf(stderr, "xproxyctl: pictures are not compared: %s\n", why);
	if (ctl->probe && !ctl->json) {
		table_row(heads, widths, ARRAY_SIZE(heads));
		table_rule(widths, ARRAY_SIZE(widths));
	}
	fflush(stdout); /* or the child would have it too */
	for (const char *const *name = config_encoders; *name; name++) {
		struct probe_list list;
		int r = probe_encoder(*name, ctl->probe, decoder, &list);

		if (r < 0) {
			fprintf(stderr, "xproxyctl: %s: %s\n", *name, strerror(-r));
			return EXIT_FAILURE;
		}
		well = went_well(&list) && well;
		if (ctl->json)
			print_json(*name, ctl->probe, name == config_encoders, &list);
		else
			print_list(*name, ctl->probe, &list);
		fflush(stdout);
	}
	if (ctl->json)
		puts("\n]");
	return well ? EXIT_SUCCESS : EXIT_FAILURE;
}
