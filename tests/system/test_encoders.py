# SPDX-License-Identifier: GPL-2.0-or-later
"""xproxyctl encoders: what could make pictures here, whether it does, and what is said of one that does not."""
import functools
import json
import os
import re
import shutil
import subprocess

import harness as h
from bad_encoders import bad

SECONDS = 60
NAMES = ["nvenc", "x264", "openh264", "vp8", "jpeg", "webp", "png"]
LIKENESS = {"x264 YUV420P": 29, "x264 YUV444P": 38, "openh264 YUV420P": 29, "vp8 YUV420P": 28.5, "jpeg": 31, "webp": 29,
            "webp lossless": 100, "png lossless": 100}

# Encoders that are none; what they do at which step is said by the compiler's command line.
def encoders(*args, program=None):
    """(exit code, what it said as JSON by name, stderr)."""
    r = subprocess.run([program or h.CTL, "encoders", "--json", *args], capture_output=True, text=True, timeout=50, check=False)
    said = json.loads(r.stdout)
    assert [one["encoder"] for one in said] == NAMES, said
    return r.returncode, {one["encoder"]: one for one in said}, r.stderr


def of_processor(said):
    return [one for name, one in said.items() if name != "nvenc"]


def test_list():
    """Every name with what it can make, in words and as JSON."""
    code, said, _ = encoders()
    assert code == 0 and all(one["usable"] and not one["why"] for one in of_processor(said)), said
    assert [(c["coding"], c["csc"]) for c in said["x264"]["codings"]] == [("h264", "YUV420P"), ("h264", "YUV444P")]
    assert said["vp8"]["codings"] == [{"coding": "vp8", "csc": "YUV420P", "lossless": False}]
    text = h.ctl("encoders").stdout
    assert re.search(r"^x264 +\| h264 4:2:0, h264 4:4:4 *$", text, re.M), text
    assert re.search(r"^png +\| png \(can be lossless\) *$", text, re.M), text
    assert len(text.splitlines()) >= len(NAMES)


def test_probe():
    """Each makes three pictures that, decoded, are like what they show: as like as it can."""
    code, said, err = encoders("--probe")
    assert code == 0 and not err, (code, said, err)
    found = {}
    for one in of_processor(said):
        for c in one["codings"]:
            key = " ".join(filter(None, (one["encoder"], c["csc"], "lossless" if c["lossless"] else None)))
            assert not c["error"] and len(c["pictures"]) == 3, c
            assert all(p["usec"] > 0 and p["bytes"] > 100 for p in c["pictures"]), c
            found[key] = min(p["psnr"] for p in c["pictures"])
    assert found.keys() == LIKENESS.keys(), found
    assert all(found[key] >= least for key, least in LIKENESS.items()), found
    text = h.ctl("encoders", "--probe").stdout
    assert re.search(r"^x264 +\| h264 4:4:4 +\| [\d.]+ +\| [\d.]+ +\| \d+ +\| [34]\d\.\d dB", text, re.M), text
    assert re.search(r"^png +\| png +\| .*\| exact", text, re.M), text


def test_usage():
    for args in (("x264",), ("--user", "me"), ("--probes",)):
        r = h.ctl("encoders", *args)
        assert r.returncode == 2 and "Try `xproxyctl --help`" in r.stderr, r
    assert h.ctl("list", "--probe").returncode == 2


@functools.lru_cache(None)
def strange():
    """The program beside encoders that are not as they should be."""
    if not shutil.which("cc"):
        raise h.Skip("cc is not installed")
    folder = h.make_dir("strange")
    shutil.copy(h.CTL, folder)
    bad(folder, "nvenc", load="-19")
    bad(folder, "x264", abi="ENCODER_ABI + 1")
    bad(folder, "openh264", symbol="x265")
    bad(folder, "vp8", begin="-11")
    bad(folder, "jpeg", encode="abort()")
    bad(folder, "webp")
    with open(f"{folder}/encode-png.so", "w") as f:
        f.write("not an object\n")
    return folder


def test_strange():
    """What is wrong is said of each, and none ends the command: not one that crashes."""
    folder = strange()
    code, said, err = encoders("--probe", program=f"{folder}/xproxyctl")
    assert code == 1 and "pictures are not compared: there is no probe-decode.so" in err, (code, err)
    usable = [name for name, one in said.items() if one["usable"]]
    assert usable == ["vp8", "webp"], said
    assert said["nvenc"]["why"] == "the moon is in the \x1b[31mwrong house", said["nvenc"]
    for name in ("x264", "openh264"):
        assert said[name]["why"] == f"encode-{name}.so was built for another version of xproxy", said[name]
    assert said["vp8"]["codings"][0]["error"] == "not today", said["vp8"]
    assert said["jpeg"]["why"] == "it crashed: Aborted", said["jpeg"]
    assert "invalid ELF header" in said["png"]["why"] or "file too short" in said["png"]["why"], said["png"]
    assert [p["psnr"] for p in said["webp"]["codings"][0]["pictures"]] == [None] * 3, said["webp"]
    r = subprocess.run([f"{folder}/xproxyctl", "encoders"], capture_output=True, text=True, check=False)
    assert "the moon is in the ?[31mwrong house" in r.stdout, r.stdout


def test_undecodable():
    """Bytes that are no picture are not taken for one."""
    folder = strange()
    decoder = os.path.join(os.path.dirname(h.CTL), "probe-decode.so")
    shutil.copy(decoder, folder)
    try:
        code, said, err = encoders("--probe", program=f"{folder}/xproxyctl")
    finally:
        os.unlink(f"{folder}/probe-decode.so")
    assert code == 1 and not err, (code, err)
    assert said["webp"]["codings"][0]["error"].startswith("its picture cannot be decoded"), said["webp"]


def test_none():
    """Without the package, each is missing, and what brings it is said."""
    folder = h.make_dir("none")
    shutil.copy(h.CTL, folder)
    code, said, _ = encoders(program=f"{folder}/xproxyctl")
    assert code == 0 and not any(one["usable"] for one in said.values()), said
    if not os.path.exists("/usr/lib/xproxy") and not os.path.exists("/usr/local/lib/xproxy"):
        assert all("xproxy-encoders" in one["why"] for one in said.values()), said
