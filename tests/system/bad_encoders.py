# SPDX-License-Identifier: GPL-2.0-or-later
"""Encoders that are not as they should be, for tests of what happens then."""
import os
import shutil
import subprocess

import harness as h

BAD = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "encode/encoder.h"

static int load(char why[ENCODER_WHY_MAX])
{
	snprintf(why, ENCODER_WHY_MAX, "the moon is in the \033[31mwrong house");
	return LOAD;
}

static size_t caps(struct encoder_caps *ret, size_t max)
{
	ret[0] = (struct encoder_caps){CAPS};
	return max > 0;
}

static int begin(const struct encoder_params *p, void **ret, char why[ENCODER_WHY_MAX])
{
	snprintf(why, ENCODER_WHY_MAX, "not today");
	return OPEN;
}

static int encode(void *enc, const struct picture *in, struct encoded *ret)
{
	*ret = (struct encoded){(const uint8_t *)"nothing", 7, true, false};
	ENCODE;
}

static int tune(void *enc, const struct encoder_quality *q)
{
	return 0;
}

static void done(void *enc)
{
}

const struct encoder encoder = {
	.abi = ABI, .name = NAME, .load = load, .caps = caps, .open = begin, .encode = encode, .tune = tune, .close = done,
};
"""

# A library that refuses (at open), fails, crashes, hangs or makes what is none.
BROKEN = {
    "no memory": dict(begin="-12"),
    "not now": dict(begin="-11"),
    "not this": dict(begin="-95"),
    "fails": dict(encode="return -5"),
    "crashes": dict(encode="abort()"),
    "hangs": dict(encode="for (;;) ;"),
    "garbage": {},
}


def bad(folder, name, load="0", begin="0", encode="return 0", abi="ENCODER_ABI", symbol=None,
        caps=".coding = CODING_JPEG"):
    """An encode-NAME.so that does so."""
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{h.ROOT_DIR}", f"-DLOAD={load}", f"-DOPEN={begin}", f"-DENCODE={encode}",
                    f"-DABI={abi}", f"-DCAPS={caps}", f'-DNAME="{symbol or name}"', "-o", f"{folder}/encode-{name}.so",
                    h.make_file("bad.c", BAD)], check=True)


def with_broken(how):
    """A folder with programs whose x264 is one of these."""
    if not shutil.which("cc"):
        raise h.Skip("cc is not installed")
    folder = h.make_dir(f"broken-{how.replace(' ', '-')}")
    for name in ("xproxy-conn", "xproxy-encode"):
        shutil.copy(os.path.join(os.path.dirname(h.CONN), name), folder)
    bad(folder, "x264", caps=".coding = CODING_H264, .csc = CSC_YUV420P, .video = true, .min_w = 16, .min_h = 16, "
                             ".max_w = 4096, .max_h = 4096", **BROKEN[how])
    return folder
