/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_nvenc_parts.c - encode/slots.c between processes, encode/nvenc_settings.c. The
 * rest of encode-nvenc.so: tests/system/test_nvenc.py.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "encode/nvenc.h"
#include "encode/slots.h"

static char folder[32];

static void make_folder(unsigned files)
{
	char path[64];

	snprintf(folder, sizeof(folder), "/tmp/xproxy-slots-XXXXXX");
	CHECK(mkdtemp(folder));
	for (unsigned i = 0; i < files; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/%u", folder, i);
		f = fopen(path, "w");
		CHECK(f);
		fclose(f);
		CHECK_EQ(chmod(path, 0444), 0);
	}
}

static void remove_folder(void)
{
	char path[64];

	for (unsigned i = 0; i < SLOTS_MAX + 8; i++) {
		snprintf(path, sizeof(path), "%s/%u", folder, i);
		unlink(path);
	}
	CHECK_EQ(rmdir(folder), 0);
}

TEST(no_folder_is_no_limit)
{
	static struct slots s;
	int slot = 7;

	slots_open(&s, "/nonexistent/folder");
	CHECK_EQ(s.count, 0);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(slots_take(&s, &slot), 0);
		CHECK_EQ(slot, -1);
		slots_give(&s, slot);
	}
	slots_close(&s);
}

TEST(slots_are_taken_once)
{
	static struct slots s, other;
	int a, b, c;

	make_folder(2);
	slots_open(&s, folder);
	slots_open(&other, folder);
	CHECK_EQ(s.count, 2);
	CHECK_EQ(slots_take(&s, &a), 0);
	CHECK_EQ(slots_take(&s, &b), 0); /* not the same again */
	CHECK(a != b && a >= 0 && b >= 0);
	CHECK_EQ(slots_take(&s, &c), -EAGAIN);
	CHECK_EQ(c, -1);
	CHECK_EQ(slots_take(&other, &c), -EAGAIN);
	slots_give(&s, a);
	CHECK_EQ(slots_take(&other, &c), 0);
	CHECK_EQ(slots_take(&s, &a), -EAGAIN);
	slots_give(&other, c);
	slots_give(&s, b);
	slots_close(&s);
	slots_close(&other);
	remove_folder();
}

TEST(who_dies_gives_back)
{
	static struct slots s;
	int slot, ready[2];
	char byte;
	pid_t pid;

	make_folder(1);
	CHECK_EQ(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		slots_open(&s, folder);
		byte = slots_take(&s, &slot) == 0 ? 'y' : 'n';
		_exit(write(ready[1], &byte, 1) == 1 ? pause() : 1);
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	CHECK_EQ(byte, 'y');
	slots_open(&s, folder);
	CHECK_EQ(slots_take(&s, &slot), -EAGAIN);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(slots_take(&s, &slot), 0);
	slots_give(&s, slot);
	slots_close(&s);
	close(ready[0]);
	close(ready[1]);
	remove_folder();
}

TEST(more_files_than_slots)
{
	static struct slots s;

	make_folder(SLOTS_MAX + 4);
	slots_open(&s, folder);
	CHECK_EQ(s.count, SLOTS_MAX);
	slots_close(&s);
	remove_folder();
}

TEST(rates)
{
	struct nvenc_can can = {.custom_vbv = true};
	NV_ENC_RC_PARAMS rc = {.enableLookahead = 1, .averageBitRate = 5, .enableAQ = 1};

	nvenc_rate(&rc, &(struct encoder_quality){.quality = 60}, &can);
	CHECK_EQ(rc.rateControlMode, NV_ENC_PARAMS_RC_CONSTQP);
	CHECK_EQ(rc.constQP.qpInterP, 21);
	CHECK_EQ(rc.constQP.qpIntra, 21);
	CHECK_EQ(rc.enableLookahead + rc.averageBitRate + rc.enableAQ, 0);
	nvenc_rate(&rc, &(struct encoder_quality){.quality = 0}, &can);
	CHECK_EQ(rc.constQP.qpInterP, 50);
	nvenc_rate(&rc, &(struct encoder_quality){.quality = 255}, &can);
	CHECK_EQ(rc.constQP.qpInterP, 1);
	nvenc_rate(&rc, &(struct encoder_quality){.quality = 100, .max_kbps = 6000}, &can);
	CHECK_EQ(rc.rateControlMode, NV_ENC_PARAMS_RC_VBR);
	CHECK_EQ(rc.targetQuality, 1); /* 0 would be: as the driver likes */
	CHECK_EQ(rc.maxBitRate, 6000000);
	CHECK_EQ(rc.vbvBufferSize, 200000);
	nvenc_rate(&rc, &(struct encoder_quality){.max_kbps = UINT32_MAX, .fps = 60}, &can);
	CHECK_EQ(rc.maxBitRate, UINT32_MAX);
	can.custom_vbv = false;
	nvenc_rate(&rc, &(struct encoder_quality){.quality = 50, .max_kbps = 6000}, &can);
	CHECK_EQ(rc.vbvBufferSize, 0);
}

TEST(what_fits)
{
	const struct nvenc_can can = {.there = true,
	                              .min_w = 64,
	                              .min_h = 48,
	                              .max_w = 4096,
	                              .max_h = 4096,
	                              .max_blocks = 8192};
	const struct nvenc_can nothing = {0};
	const struct {
		uint16_t w, h;
		enum csc csc;
		int r;
	} cases[] = {
		{64, 48, CSC_YUV420P, 0},
		{62, 48, CSC_YUV420P, -EOPNOTSUPP},
		{64, 46, CSC_YUV420P, -EOPNOTSUPP},
		{1920, 1088, CSC_YUV420P, 0}, /* 8160 blocks */
		{1920, 1104, CSC_YUV420P, -EOPNOTSUPP},
		{4098, 64, CSC_YUV420P, -EOPNOTSUPP},
		{65, 48, CSC_YUV420P, -EOPNOTSUPP},
		{64, 49, CSC_YUV420P, -EOPNOTSUPP},
		{64, 48, CSC_YUV444P, -EOPNOTSUPP},
		{UINT16_MAX, UINT16_MAX, CSC_YUV420P, -EOPNOTSUPP},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct encoder_params p = {.w = cases[i].w, .h = cases[i].h, .csc = cases[i].csc};

		test_note("%ux%u", p.w, p.h);
		CHECK_EQ(nvenc_fits(&can, &p), cases[i].r);
		CHECK_EQ(nvenc_fits(&nothing, &p), -EOPNOTSUPP);
	}
}
