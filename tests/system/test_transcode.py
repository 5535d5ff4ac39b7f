# SPDX-License-Identifier: GPL-2.0-or-later
"""Transcoding with real peers: what the client shows is what the session's window has, and how little came of it."""
import itertools
import os
import re
import shutil
import subprocess
import time

import harness as h
from scenes import BUILD, Scene

SECONDS = 140
_serial = itertools.count()

# xproxy-encode's environment is empty, as it has to be: somebody else says where the driver is.
LAUNCHER = r"""
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	char *const argv[] = {"xproxy-encode", NULL};

	setenv("LD_LIBRARY_PATH", STANDIN, 1);
	setenv("NVENC_STANDIN_REPORT", REPORT, 1);
	execv(ENCODE, argv);
	return 1;
}
"""


def with_standin():
    """A folder with programs whose encoder finds the stand-in for NVIDIA's driver; its report is written there."""
    standin = os.path.join(os.path.abspath(BUILD), "nvenc-standin")
    if not os.path.exists(f"{standin}/libcuda.so.1"):
        raise h.Skip("the stand-in for NVIDIA's driver has not been built")
    if not shutil.which("cc"):
        raise h.Skip("cc is not installed")
    folder = h.make_dir(f"nvenc-{next(_serial)}", 0o777)
    shutil.copy(h.CONN, folder)
    subprocess.run(["cc", f'-DSTANDIN="{standin}"', f'-DREPORT="{folder}/report"',
                    f'-DENCODE="{os.path.dirname(h.CONN)}/xproxy-encode"', "-o", f"{folder}/xproxy-encode",
                    h.make_file("launcher.c", LAUNCHER)], check=True)
    return folder


@h.needs_xpra
@h.timeout(60)
@h.each("x264", "openh264", "vp8", "x264 jpeg webp png")
def test_video(encoders):
    """A video becomes one, and is exactly the session's once it stands still."""
    s = Scene("video", encoders)
    time.sleep(3)
    info = s.info()
    assert info.get("encoder") == encoders.split()[0], info
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()


@h.needs_xpra
@h.timeout(90)
def test_slow_link():
    """The user's limit leaves too little for a video of full size: the client is sent a smaller one, enlarges it, and
    has in the end what the session has. Who wishes for none gets none."""
    s = Scene("video", "x264 jpeg", client_args=("--bandwidth-limit=250Kbps", "--min-quality=90",
                                                    "--auto-refresh-delay=4"))
    time.sleep(3)

    def smaller():
        i = s.info()
        return i if "size" in i and not i["region"].startswith(i["size"]) else None
    info = h.eventually(smaller, 40, lambda: f"no smaller video: {s.info()}", 0.5)
    assert info["coding"] == "h264" and info["csc"] == "YUV420P", info
    w, height = (int(n) for n in info["size"].split("x"))
    full = [int(n) for n in re.match(r"(\d+)x(\d+)", info["region"]).groups()]
    assert w * 3 <= full[0] * 2 and height * 3 <= full[1] * 2, info
    before = s.sent()[1]
    time.sleep(4)
    rate = (s.sent()[1] - before) * 8 / 4
    assert rate < 300000, f"{rate / 1000:.0f} kbit/s"
    quality = s.lossy()
    assert 15 < quality < 40, f"{quality:.1f} dB: not the same picture, or not a smaller one"
    s.same_when_quiet(40)
    s.no_complaint()


@h.needs_xpra
@h.timeout(60)
def test_slow_link_in_full_size():
    s = Scene("video", "x264 jpeg", client_args=("--bandwidth-limit=250Kbps", "--min-quality=90", "--video-scaling=0"))
    videos = 0
    for _ in range(15):  # between them what is beside it has its turn, and takes its time
        time.sleep(1)
        info = s.info()
        assert info.get("region", "").startswith(info.get("size", "")), info
        videos += info.get("coding") == "h264"
    assert videos >= 3, info
    s.no_complaint()


@h.needs_xpra
@h.timeout(60)
@h.each("x264", "openh264", "vp8", "nvenc")
def test_video_quality(encoder):
    """What the client shows of a video, before anything is refreshed; and how little of it came."""
    conn = f"{with_standin()}/xproxy-conn" if encoder == "nvenc" else None
    s = Scene("video", encoder, client_args=("--auto-refresh-delay=0",), conn=conn)
    time.sleep(2)
    before = s.sent()
    time.sleep(3)
    after = s.sent()
    raw, sent = (a - b for a, b in zip(after, before))
    assert raw > 1000000 and sent > 0, (before, after)
    assert sent * 5 <= raw, f"{sent} bytes of video for {raw} of lz4"
    quality = s.lossy()
    assert quality >= 38, f"{quality:.1f} dB"
    s.no_complaint()


@h.needs_xpra
@h.timeout(60)
@h.each("type: x264 jpeg", "scroll: x264 jpeg", "type: vp8", "scroll: openh264", "scroll: nvenc")
def test_text(case):
    scene, encoders = case.split(": ")
    conn = f"{with_standin()}/xproxy-conn" if encoders == "nvenc" else None
    s = Scene(scene, encoders, conn=conn)
    time.sleep(2)
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()


@h.needs_xpra
@h.timeout(90)
def test_nvenc():
    """A session, by the stand-in for NVIDIA's driver: its pictures, and nothing left over in it."""
    folder = with_standin()
    s = Scene("video", "nvenc jpeg", conn=f"{folder}/xproxy-conn")
    time.sleep(4)
    info = s.info()
    assert info.get("encoder") == "nvenc" and "Stand-in" in info["device"], info
    s.freeze()
    s.same_when_quiet()
    s.no_complaint()
    s.client.detach()
    report = h.eventually(lambda: open(f"{folder}/report").read() if os.path.exists(f"{folder}/report") else "", 5,
                          "the stand-in's report")
    live = dict(re.findall(r"^live (\S+) (\d+)$", report, re.M))
    assert "violations 0\n" in report and not any(int(n) for n in live.values()), report


@h.needs_xpra
@h.timeout(60)
def test_typing():
    """Into an xterm, while a video plays beside it."""
    s = Scene("video", "x264 jpeg", size="320x240")
    s.client.type(s.client.window(s.server.title), "the quick brown fox")
    h.eventually(lambda: "the quick brown fox" in s.server.keys(), 5, "typing arrives")
