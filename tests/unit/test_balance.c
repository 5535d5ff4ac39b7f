/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which server gets the next session: what agents say of them, what is remembered of that, and who
 * is picked.
 */
#include "broker/balance.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "broker/load.h"
#include "tests/unit/test.h"

#define LOAD "loadavgXX:390\nmemAvail:22920\nmyMemAvail:23001\nnumCPU:2\ntypeCPU:2597\n"

static struct balance three[3];

static void reset(void)
{
	three[0] = (struct balance){.name = "tsc", .usable = true};
	three[1] = (struct balance){.name = "tsa", .usable = true};
	three[2] = (struct balance){.name = "tsb.example", .usable = true};
}

TEST(sessions)
{
	reset();
	CHECK_EQ(balance_read_sessions("tsb 3\ntsc\t12\nother 1\n\ntsa 0", three, 3, "self"), 0);
	CHECK_EQ(three[0].busy, 12);
	CHECK_EQ(three[1].busy, 0);
	CHECK_EQ(three[2].busy, 3);
	CHECK_EQ(balance_read_sessions("", three, 3, "self"), 0);
	CHECK_EQ(three[0].busy, 0);
	/* As SQLite has it; and more that is not it. */
	CHECK_EQ(balance_read_sessions("tsa", three, 3, "self"), -EBADMSG);
	CHECK_EQ(balance_read_sessions("tsa 1x\n", three, 3, "self"), -EBADMSG);
	CHECK_EQ(balance_read_sessions(" 1\n", three, 3, "self"), -EBADMSG);
	CHECK_EQ(balance_read_sessions("tsa -1\n", three, 3, "self"), -EBADMSG);
	CHECK_EQ(balance_read_sessions("tsa 99999999999999999999\n", three, 3, "self"), -EBADMSG);
	CHECK_EQ(balance_read_sessions("tsa\n1\n", three, 3, "self"), -EBADMSG);
}

TEST(shares)
{
	reset();
	CHECK_EQ(balance_read_shares("10:tsa\n90:tsb\nnoise\n", three, 3, "self"), 0);
	CHECK_EQ(three[0].busy, 0);
	CHECK_EQ(three[1].busy, 10);
	CHECK_EQ(three[2].busy, 90);
	CHECK_EQ(balance_read_shares("\n", three, 3, "self"), 0);
	CHECK_EQ(three[2].busy, 0);
	CHECK_EQ(balance_read_shares("noise\n", three, 3, "self"), -EBADMSG);
	CHECK_EQ(balance_read_shares("10:\n", three, 3, "self"), -EBADMSG);
	CHECK_EQ(balance_read_shares(":tsa\n", three, 3, "self"), -EBADMSG);
}

/* As x2gobroker reckons: int((memAvail / 1000) * numCPU * typeCPU * 100 / loadavgXX). */
TEST(factor)
{
	CHECK_EQ(balance_factor(LOAD), 30524);
	CHECK_EQ(balance_factor("loadavgXX:1\nmemAvail:0\nmyMemAvail:1000\nnumCPU:1\ntypeCPU:5\n"),
	         500);
	CHECK_EQ(balance_factor("loadavgXX:0\nmemAvail:1\nnumCPU:1\ntypeCPU:5000\n"), 0);
	CHECK_EQ(balance_factor("loadavgXX:1\nmemAvail:1000\nnumCPU:1\n"), 0);
	CHECK_EQ(balance_factor("loadavgXX:x\nmemAvail:1000\nnumCPU:1\ntypeCPU:5\n"), 0);
	CHECK_EQ(balance_factor(""), 0);
	CHECK(balance_factor("loadavgXX:1\nmemAvail:1000000000\nnumCPU:1000000000\n"
	                     "typeCPU:1000000000") > UINT64_MAX / 2);
}

TEST(least)
{
	reset();
	CHECK_EQ(balance_least(three, 3), 1); /* all are equal: by name */
	three[1].busy = 1;
	CHECK_EQ(balance_least(three, 3), 2);
	three[2].usable = false;
	CHECK_EQ(balance_least(three, 3), 0);
	three[0].usable = three[1].usable = false;
	CHECK_EQ(balance_least(three, 3), -1);
	/* (busy + 1) / factor: 3/300, 5/1000, 1/90 */
	reset();
	three[0].busy = 2, three[0].factor = 300;
	three[1].busy = 4, three[1].factor = 1000;
	three[2].busy = 0, three[2].factor = 90;
	CHECK_EQ(balance_least(three, 3), 1);
	three[1].factor = 0; /* nothing is known of it */
	CHECK_EQ(balance_least(three, 3), 0);
	three[0].usable = three[2].usable = false;
	CHECK_EQ(balance_least(three, 3), 1);
}

TEST(any)
{
	unsigned seen[3] = {0};

	reset();
	three[1].usable = false;
	for (int i = 0; i < 200; i++) {
		int at = balance_any(three, 3);

		CHECK(at >= 0 && at < 3);
		seen[at]++;
	}
	CHECK_EQ(seen[1], 0);
	CHECK(seen[0] > 30 && seen[2] > 30);
	three[0].usable = three[2].usable = false;
	CHECK_EQ(balance_any(three, 3), -1);
}

static char folder[64];

static void write_loads(const char *text)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/loads", folder);
	f = fopen(path, "w");
	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void remove_folder(void)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/loads", folder);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(folder), 0); /* nothing else is left in it */
}

TEST(remembered)
{
	struct load two[] = {{"a", 22, true, 500}, {"b", 23, true, 0}}, other = {"c", 22, true, 7};
	struct load asked[] = {{"c", 22, 0, 0}, {"b", 23, 0, 0}, {"a", 22, 0, 0}, {"a", 23, 0, 0}};

	snprintf(folder, sizeof(folder), "/tmp/test-loads-XXXXXX");
	CHECK(mkdtemp(folder));
	load_recall(folder, UINT64_C(300000000), asked, 4);
	CHECK(!asked[0].known && !asked[1].known && !asked[2].known && !asked[3].known);
	CHECK_EQ(load_remember(folder, UINT64_C(300000000), two, 2), 0);
	CHECK_EQ(load_remember(folder, UINT64_C(300000000), &other, 1), 0);
	load_recall(folder, UINT64_C(300000000), asked, 4);
	CHECK(asked[0].known && asked[0].factor == 7);
	CHECK(asked[1].known && asked[1].factor == 0);
	CHECK(asked[2].known && asked[2].factor == 500);
	CHECK(!asked[3].known);
	two[0].factor = 600;
	CHECK_EQ(load_remember(folder, UINT64_C(300000000), two, 1), 0);
	load_recall(folder, UINT64_C(300000000), asked, 4);
	CHECK_EQ(asked[2].factor, 600);
	remove_folder();
	CHECK(load_remember("/nonexistent", 0, two, 2) < 0);
}

TEST(forgotten)
{
	struct load asked[] = {
		{"old", 22, 0, 0}, {"new", 22, 0, 0}, {"future", 22, 0, 0}, {"down", 22, 0, 0}};
	char text[500];
	long long now = (long long)time(NULL);

	snprintf(folder, sizeof(folder), "/tmp/test-loads-XXXXXX");
	CHECK(mkdtemp(folder));
	snprintf(text, sizeof(text),
	         "noise\nold 22 5 %lld\nnew 22 6 %lld\nfuture 22 7 %lld\ndown 22 0 %lld\n",
	         now - 301, now - 200, now + 1000, now - 40);
	write_loads(text);
	load_recall(folder, UINT64_C(300000000), asked, 4);
	CHECK(!asked[0].known);
	CHECK(asked[1].known && asked[1].factor == 6);
	CHECK(!asked[2].known && !asked[3].known);
	remove_folder();
}
