# SPDX-License-Identifier: GPL-2.0-or-later
"""Encoding by NVIDIA's driver, with tests/nvenc-standin in its place: what is made is decoded by ffmpeg, whose own
encoder for these cards shows that the stand-in is one. None of this was ever run on a card."""
import concurrent.futures
import ctypes
import itertools
import os
import re
import shutil
import subprocess

import harness as h

STANDIN = os.path.join(h.BUILD, "nvenc-standin")
ENCODER = os.path.join(h.BUILD, "asan/unit" if h.ASAN else "", "encode-nvenc.so")
EAGAIN, ENOMEM, ENODEV, EOPNOTSUPP, EIO = -11, -12, -19, -95, -5
_serial = itertools.count()


def suppressions():
    """With sanitizers: libx265 does not free all that it has."""
    return h.make_file("lsan", "leak:libx265\n")


class Run:
    """One process that uses an encoder: what it said, and the stand-in's report."""

    def __init__(self, *steps, standin="", encoder=ENCODER, libraries=STANDIN):
        self.report_file = os.path.join(h.SCRATCH, f"report-{next(_serial)}")
        env = dict(os.environ, LD_LIBRARY_PATH=libraries, NVENC_STANDIN=standin,
                   NVENC_STANDIN_REPORT=self.report_file, LSAN_OPTIONS="print_suppressions=0:suppressions=" + suppressions())
        self.process = subprocess.Popen([os.path.join(STANDIN, "drive"), encoder, *steps], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self):
        out, _ = self.process.communicate(timeout=25)
        self.lines = out.strip().split("\n")
        self.rc = self.process.returncode
        self.report = []
        if os.path.exists(self.report_file):
            with open(self.report_file) as f:
                self.report = [line.strip() for line in f]
        return self

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def results(self, step):
        return [int(line.split()[1]) for line in self.lines if line.startswith(step + " ")]

    def failed(self):
        """(step, code) of the first error."""
        for line in self.lines:
            word = line.split()
            if word[0] in ("load", "open", "frame", "tune") and int(word[1]) < 0:
                return word[0], int(word[1])
        return None

    def live(self):
        return {w[1]: int(w[2]) for w in map(str.split, self.report) if w[0] == "live"}

    def calls(self):
        return {w[1]: int(w[2]) for w in map(str.split, self.report) if w[0] == "call"}

    def settings(self):
        return [line for line in self.report if line.startswith("note settings")]

    def complaint(self, contexts=1):
        """What is wrong with how the driver was used, if anything. The process keeps its context."""
        if self.rc != 0 or self.lines[-1] != "end":
            return f"exit {self.rc}: {self.lines}"
        wrong = [line for line in self.report if line.startswith("violation ")]
        left = {k: n for k, n in self.live().items() if n != (contexts if k == "contexts" else 0)}
        return f"{wrong} left {left}: {self.lines}" if wrong or left else None

    def good(self, contexts=1):
        assert not (wrong := self.complaint(contexts)), wrong
        return self


def run(*steps, standin="", **kw):
    return Run(*steps, standin=standin, **kw).end()


def psnr(stream, raw, size, pixels, key="average"):
    """The worst picture's, in dB."""
    with subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", "-r", "30", "-i", stream, "-r", "30", "-f", "rawvideo",
                           "-pix_fmt", "bgr0", "-s", size, "-i", raw, "-lavfi",
                           "sws_flags=accurate_rnd+full_chroma_int+full_chroma_inp;"
                           f"[0:v]format={pixels}[a];[1:v]format={pixels}[b];[a][b]psnr=stats_file=-", "-f", "null", "-"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as p:
        out = p.communicate()[0]
    found = [99.0 if v == "inf" else float(v) for v in re.findall(rf"psnr_{key}:(\S+)", out)]
    assert p.returncode == 0 and found, out
    return min(found), len(found)


def stream_file(name):
    return os.path.join(h.SCRATCH, f"{next(_serial)}-{name}")


# ------------------------------------------------------------------------------- pictures
@h.each("h264,420", "h264,444", "h265,420", "h265,444")
def test_pictures_are_what_was_drawn(kind):
    codec, csc = kind.split(",")
    for size in ("320x240", "322x242"):  # and one whose rows are of no round number
        out = stream_file(f"{csc}.{codec}")
        r = run("caps", f"open={kind},{size}", f"frames=5,{out}", "key", f"frames=2,{out}").good()
        assert "open 0 Stand-in A, GPU 0" in r.lines, r.lines
        kinds = [line.split()[-1] for line in r.lines if line.startswith("frame 0")]
        assert kinds == ["key"] + ["delta"] * 4 + ["key", "delta"], kinds
        worst, n = psnr(out, out + ".raw", size, *(("gbrp", "avg") if csc == "444" else ("yuv420p", "y")))
        assert n == 7 and worst >= 40, f"{kind} {size}: {n} pictures, {worst} dB"


def probe(out, what):
    return subprocess.run(["ffprobe", "-v", "error", "-show_entries", f"stream={what}", "-of", "csv=p=0", out],
                          capture_output=True, text=True, check=True).stdout.strip()


def test_profiles():
    for options, profile in (("simple=1", "Constrained Baseline"), ("high=1", "High"), ("", "Main")):
        out = stream_file("x.h264")
        run(f"open=h264,420,320x240,{options}".rstrip(","), f"frames=2,{out}").good()
        assert probe(out, "profile") == profile
    assert probe(out, "color_range,color_space") == "tv,smpte170m"


def test_quality_and_tuning():
    """More quality is more bytes, at once, without a key frame; a limit becomes one of the driver."""
    r = run("open=h264,420,640x480,quality=90", "frames=2", "tune=20,0", "frames=2", "tune=20,0", "tune=20,3000",
            "frames=1", "tune=90,0", "frames=2").good()
    sizes = [int(line.split()[2]) for line in r.lines if line.startswith("frame 0")]
    keys = [line.split()[-1] for line in r.lines if line.startswith("frame 0")]
    assert keys == ["key"] + ["delta"] * 6, keys
    assert sizes[3] * 3 < sizes[1] and sizes[3] * 3 < sizes[6], sizes
    settings = [" ".join(line.split()[7:]) for line in r.settings()]
    assert settings == ["rc 0 qp 6 target 0 max 0 vbv 0 fps 30/1", "rc 0 qp 41 target 0 max 0 vbv 0 fps 30/1",
                        "rc 1 qp 0 target 41 max 3000000 vbv 100000 fps 30/1",
                        "rc 0 qp 6 target 0 max 0 vbv 0 fps 30/1"], settings
    for speed, preset in ((100, 1), (79, 2), (40, 2), (0, 3)):
        r = run(f"open=h264,420,320x240,speed={speed}").good()
        assert f"preset {preset} tuning 3" in r.settings()[0], r.settings()
    r = run("open=h264,420,320x240", "tune=20,3000", standin="no=rcchange").good()
    assert r.failed() == ("tune", EOPNOTSUPP)


def test_probe_of_xproxyctl():
    """What people are told to try on their cards."""
    if h.ASAN:
        raise h.Skip("with sanitizers the modules lie elsewhere than xproxyctl looks")
    p = subprocess.run([h.CTL, "encoders", "--probe"], capture_output=True, text=True, timeout=20,
                       env=dict(os.environ, LD_LIBRARY_PATH=STANDIN))
    rows = [line.split("|") for line in p.stdout.split("\n") if line.startswith("nvenc")]
    assert [r[1].strip() for r in rows] == [f"{c} {s}" for c in ("h264", "h265") for s in ("4:2:0", "4:4:4")], p.stdout
    for r in rows:
        assert r[6].strip() == "Stand-in A, GPU 0" and float(r[5].split()[0]) > (40 if "4:4:4" in r[1] else 28), p.stdout


# ------------------------------------------------------------------------------- limits and refusals
def test_sizes():
    for size, code in (("4096x4096", 0), ("4098x64", EOPNOTSUPP), ("64x4098", EOPNOTSUPP), ("62x64", EOPNOTSUPP),
                       ("64x62", EOPNOTSUPP), ("321x240", EOPNOTSUPP), ("320x241", EOPNOTSUPP)):
        r = run(f"open=h264,420,{size}").good()
        assert r.results("open") == [code], f"{size}: {r.lines}"
        if code:
            assert r.calls()["nvEncOpenEncodeSessionEx"] == 1, "the GPU was asked what we know"
    assert run("open=h264,444,321x241", "frames=1").good().results("frame") == [0]


def test_what_a_gpu_lacks():
    caps = [line for line in run("caps").good().lines if line.startswith("caps")]
    assert caps == [f"caps {c} {s} 64x64 4096x4096" for c in ("h264", "h265") for s in ("420", "444")], caps
    r = run("caps", "open=h264,444,320x240", standin="no=444 no=h265 max=2000 min=146").good()
    assert [line for line in r.lines if line.startswith("caps")] == ["caps h264 420 146x146 2000x2000"]
    assert r.failed() == ("open", EOPNOTSUPP)
    r = run(standin="no=h264 no=h265").good(contexts=0)
    assert r.failed() == ("load", ENODEV) and "neither" in r.lines[0]


def test_all_gpus_are_tried():
    r = run("open=h264,420,320x240", "frames=1", standin="devices=3 dead=2").good()
    assert "open 0 Stand-in C, GPU 2" in r.lines, r.lines
    r = run(standin="devices=3 dead=3").good(contexts=0)
    assert r.failed() == ("load", ENODEV) and "has no video encoder" in r.lines[0], r.lines
    # memory for one context and one session on each
    r = run("open=h264,420,320x240", "open=h264,420,320x240", "frames=1", "open=h264,420,320x240",
            standin="devices=2 vram=100").good(contexts=2)
    assert r.results("open") == [0, 0, EAGAIN] and "open 0 Stand-in B, GPU 1" in r.lines, r.lines
    r = run(standin="vram=32").good(contexts=0)
    assert r.failed() == ("load", ENOMEM), r.lines
    # one breaks in the middle: never again that one
    r = run("open=h264,420,320x240", "try-frames=3", "open=h264,420,320x240", "frames=2", "close",
            "open=h264,420,320x240", standin="devices=2 nvEncEncodePicture:2=20").good()
    assert r.lines[1:] == ["open 0 Stand-in A, GPU 0", r.lines[2], "frame -19 0 delta", "open 0 Stand-in B, GPU 1",
                           *r.lines[5:7], "open 0 Stand-in B, GPU 1", "end"], r.lines
    r = run("open=h264,420,320x240", "try-frames=3", "open=h264,420,320x240", standin="nvEncEncodePicture:2=20")
    assert r.good(contexts=0).lines[-2].startswith("open -19 "), r.lines


def test_drivers_that_cannot_be_used():
    nothing, half = h.make_dir("no-driver"), h.make_dir("half-a-driver")
    shutil.copy(os.path.join(STANDIN, "libcuda.so.1"), half)
    try:
        ctypes.CDLL("libcuda.so.1")
        real = True
    except OSError:
        real = False
    if not real:
        r = run("caps", libraries=nothing)
        assert r.lines == ["load -19 libcuda.so.1 cannot be loaded: is NVIDIA's driver installed?", "end"], r.lines
        r = run("caps", libraries=half)
        assert r.lines[0].startswith("load -19 libnvidia-encode.so.1 cannot be loaded"), r.lines
    for standin, words in (("api=0xb0", "NVENC 11.0; needed is 11.1, driver 470.57.02"),
                           ("devices=0", "CUDA_ERROR_NO_DEVICE"), ("cuInit:1=803", "CUDA_ERROR_803")):
        r = run("caps", standin=standin).good(contexts=0)
        assert r.failed() == ("load", ENODEV) and words in r.lines[0], r.lines


def test_sessions_of_the_driver_are_shared_by_processes():
    for refusal in (21, 10):
        standin = f"sessions=2 refusal={refusal} slots={h.make_dir(f'sessions-{refusal}')}"
        running = [Run("open=h264,420,320x240", "frames=1", "wait", standin=standin) for _ in range(2)]
        for r in running:
            assert [r.line().split()[1] for _ in range(3)] == ["0"] * 3
        # it cannot even ask what the GPU can, and has hope
        r = run("caps", "open=h264,420,320x240", standin=standin).good()
        assert r.lines[0].startswith("load 0") and r.lines[1] == "caps h264 420 256x128 4096x4096", r.lines
        assert r.failed() == ("open", EAGAIN) and "sessions are taken" in r.lines[2], r.lines
        running.pop().kill()
        assert run("open=h264,420,320x240", "frames=1", standin=standin).good().failed() is None
        running.pop().end()
    r = run("caps", "open=h265,444,320x240", "frames=1", standin="nvEncOpenEncodeSessionEx:1=21").good()
    assert r.failed() is None and len(r.lines) == 5, r.lines


def test_slots_of_the_host():
    if not h.PRIVATE:
        raise h.Skip("needs a /run of its own")
    folder = "/run/xproxy/nvenc"
    os.makedirs(folder)
    for name in ("1", "2"):
        with open(os.path.join(folder, name), "w"):
            pass
    os.mkdir(os.path.join(folder, "not-a-file"))
    running = [Run("open=h264,420,320x240", "frames=1", "wait") for _ in range(2)]
    for r in running:
        assert [r.line().split()[1] for _ in range(3)] == ["0"] * 3
    r = run("open=h264,420,320x240").good()
    assert r.failed() == ("open", EAGAIN) and f"all 2 of {folder} are taken" in r.lines[1], r.lines
    assert "nvEncOpenEncodeSessionEx" not in r.calls(), "the driver was asked all the same"
    running.pop().kill()
    r = run("open=h264,420,320x240", "close", "open=h264,420,320x240", "try-open=h264,420,320x240").good()
    assert r.results("open") == [0, 0, EAGAIN], r.lines
    running.pop().end()
    shutil.rmtree(folder)


def test_it_works_in_the_sandbox():
    """The filter and Landlock for encoders with a device, as far as the stand-in can tell: it has no device."""
    if h.ASAN:
        raise h.Skip("the sanitizer looks for leaks from another process, which the sandbox forbids")
    if h.PRIVATE:
        os.makedirs("/run/xproxy/nvenc")
        with open("/run/xproxy/nvenc/1", "w"):
            pass
    r = run("lock", *STEPS, "close", "open=h264,444,320x240", "frames=2", "tune=20,3000", "frames=1",
            standin="nvEncEncodePicture:2=18").good()
    assert r.failed() is None and len(r.results("frame")) == 6, r.lines
    shutil.rmtree("/run/xproxy/nvenc", ignore_errors=not h.PRIVATE)


# ------------------------------------------------------------------------------- errors
STEPS = ("open=h264,420,320x240", "frames=2", "tune=20,0", "key", "frames=1")
GIVES_BACK = ("cuCtxPopCurrent_v2", "nvEncDestroyEncoder", "nvEncDestroyInputBuffer", "nvEncDestroyBitstreamBuffer")


def expected(function, step, status):
    """What that step is to return when that function of the driver fails so."""
    if function.startswith(("cuCtxCreate", "cuDeviceGet")) and function != "cuDeviceGetCount" and status == 2:
        return ENOMEM
    if function.startswith(("cu", "NvEncodeAPI")) or status in (2, 20):
        return ENODEV
    return EAGAIN if status == 10 else EIO if step == "frame" else EOPNOTSUPP


def inject(function, nth, status):
    r = run(*STEPS, standin=f"{function}:{nth}={status}")
    where = f"{function}:{nth}={status}"
    lost = r.failed() and r.failed()[1] in (ENODEV, ENOMEM) or r.failed() and r.failed()[0] == "load"
    if wrong := r.complaint(contexts=0 if lost else 1):
        return f"{where}: {wrong}"
    if function in GIVES_BACK:
        return f"{where}: {r.lines}" if r.failed() else None
    at_probe = nth == 1 and status == 10 and "nvEncReconfigureEncoder" in r.calls() and r.failed() is None
    if at_probe and function.startswith("nvEnc"):
        return None  # then it is found out later what the GPU can
    if not r.failed():
        if function == "nvEncGetEncodeCaps" and status == 10 or function == "nvEncGetInputFormats" and status == 10:
            return None  # the same, not at the first question
        return f"{where}: nothing failed: {r.lines}"
    step, code = r.failed()
    return None if code == expected(function, step, status) else f"{where}: {step} {code}"


@h.timeout(60)
def test_every_error_at_every_call():
    """All that it ever calls, the first three times each, fails in ways that mean different things: what was opened
    is closed, and the error is the one that says what to do."""
    calls = run(*STEPS).good().calls()
    assert len(calls) > 20, calls
    cases = [(f, n, s) for f, count in calls.items() for n in range(1, min(count, 3) + 1)
             for s in ((2, 8, 10, 20) if "Enc" in f else (2, 719))]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        wrong = [w for w in pool.map(lambda c: inject(*c), cases) if w]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong[:20])


def test_a_busy_driver_is_asked_again():
    for function in ("nvEncEncodePicture", "nvEncLockBitstream", "nvEncLockInputBuffer"):
        for status in (13, 18):
            r = run("open=h264,420,320x240", "frames=3", standin=f"{function}:2={status}").good()
            assert r.failed() is None, r.lines
            r = run("open=h264,420,320x240", "frames=3", standin=f"{function}:0={status}").good()
            assert r.failed() == ("frame", EAGAIN), r.lines
    r = run("open=h264,420,320x240", "frames=3", standin="nvEncEncodePicture:2=17").good()
    assert r.failed() == ("frame", EIO), "a driver that holds pictures back"


# ------------------------------------------------------------------------------- the stand-in
def ffmpeg(*args, standin="", pixels="yuv420p", before=()):
    out = stream_file("f.h264")
    report = out + ".report"
    source = out + ".raw"
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=30", "-frames:v", "6",
                    "-pix_fmt", "bgr0", "-f", "rawvideo", source], check=True)
    p = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *before, "-f", "rawvideo", "-pix_fmt", "bgr0", "-s", "320x240",
                        "-r", "30", "-i", source, *(["-pix_fmt", pixels] if pixels else []), "-c:v", "h264_nvenc", *args, out],
                       env=dict(os.environ, LD_LIBRARY_PATH=STANDIN, NVENC_STANDIN=standin, NVENC_STANDIN_REPORT=report),
                       capture_output=True, text=True, timeout=20)
    with open(report) as f:
        return p, out, f.read()


def test_ffmpeg_takes_the_standin_for_a_driver():
    """Debian's, as it is: the opinion of somebody else who has seen cards."""
    for args, before in ((("-preset", "p1", "-tune", "ull", "-rc", "constqp", "-qp", "18"), ()),
                         (("-preset", "p4", "-tune", "ll", "-cq", "18"), ()),
                         (("-vf", "format=nv12,hwupload_cuda", "-preset", "p1", "-tune", "ull", "-rc", "constqp", "-qp", "18"),
                          ("-init_hw_device", "cuda=c", "-filter_hw_device", "c"))):
        p, out, report = ffmpeg(*args, before=before, pixels=None if before else "yuv420p")
        assert p.returncode == 0, p.stderr
        assert "violations 0\n" in report and not re.search(r"live \w+ [1-9]", report), report
        worst, n = psnr(out, out + ".raw", "320x240", "yuv420p", "y")
        assert n == 6 and worst > 38, f"{args}: {n} pictures, {worst} dB"


def test_ffmpeg_names_the_errors_of_the_standin():
    for standin, words in (("dead=1", "unsupported device (2)"), ("nvEncOpenEncodeSessionEx:1=1", "no encode device (1)"),
                           ("nvEncOpenEncodeSessionEx:1=10", "out of memory (10)"),
                           ("nvEncOpenEncodeSessionEx:1=21", "incompatible client key (21)"),
                           ("api=0xb0", "minimum required Nvidia driver for nvenc is 470.57.02"),
                           ("devices=0", "CUDA_ERROR_NO_DEVICE"), ("max=200", "No capable devices found"),
                           ("no=h264", "No capable devices found"),
                           ("nvEncEncodePicture:2=20", "EncodePicture failed!: generic error (20)")):
        p, _, report = ffmpeg("-preset", "p1", "-tune", "ull", standin=standin)
        assert p.returncode != 0 and words in p.stderr, f"{standin}: {p.stderr}"
        assert "violations 0\n" in report, report


MUTATIONS = (
    ("nvenc.c", "to + plane, pitch, s->w, s->h)", "to + plane, s->w, s->w, s->h)"),  # NV12's colours: a pitch ignored
    ("nvenc.c", "s->buffer_h = (uint16_t)in.height;", "s->buffer_h = s->h;"),
    ("nvenc.c", "memcpy(s->data, lock.bitstreamBufferPtr, lock.bitstreamSizeInBytes);", "s->data = lock.bitstreamBufferPtr;"),
    ("nvenc.c", "unlocked = nvenc.api.nvEncUnlockBitstream(s->session, s->output);", "unlocked = NV_ENC_SUCCESS;"),
    ("nvenc.c", "status = nvenc.api.nvEncUnlockInputBuffer(s->session, s->input);", "status = NV_ENC_SUCCESS;"),
    ("nvenc.c", "api->nvEncDestroyInputBuffer(s->session, s->input);", ";"),
    ("nvenc.c", "api->nvEncDestroyEncoder(s->session);", ";"),
    ("nvenc.c", ".inputTimeStamp = s->pictures,", ".inputTimeStamp = 7,"),
    ("nvenc.c", "p.reInitEncodeParams.encodeConfig = &config;", "config.gopLength = 30; p.reInitEncodeParams.encodeConfig = &config;"),
    ("nvenc_gpu.c", "nvenc_leave(n); /*", "; /*"),
    ("nvenc_gpu.c", ".apiVersion = NVENCAPI_VERSION,", ".apiVersion = 0xb1,"),
    ("nvenc_settings.c", "config->frameIntervalP = 1;", "config->frameIntervalP = 3;"),
    ("nvenc_settings.c", ".tuningInfo = NVENC_TUNING,", ""),
    ("nvenc_settings.c", "h->chromaFormatIDC = full444 ? 3 : 1;", "h->chromaFormatIDC = 1;"),
    ("nvenc_settings.c", "vui->colourMatrix = 6;", "vui->colourMatrix = 1;"),
)


def survives(mutation):
    """Whether a mistake in the encoder stays unseen."""
    file, old, new = mutation
    folder = h.make_dir(f"mutant-{next(_serial)}")
    sources = ("nvenc.c", "nvenc_gpu.c", "nvenc_settings.c", "cuda.c", "slots.c")
    for name in sources:
        with open(os.path.join(h.ROOT_DIR, "encode", name)) as f:
            text = f.read()
        if name == file:
            assert old in text, f"{file} no longer has: {old}"
            text = text.replace(old, new, 1)
        with open(os.path.join(folder, name), "w") as f:
            f.write(text)
    so = os.path.join(folder, "mutant.so")
    subprocess.run(["gcc", "-w", "-O0", "-D_GNU_SOURCE", "-shared", "-fPIC", "-I", h.ROOT_DIR, "-o", so,
                    *(os.path.join(folder, s) for s in sources), "-lyuv"], check=True)
    for csc, pixels, key, enough in (("420", "yuv420p", "y", 38), ("420", "yuv420p", "u", 38), ("444", "gbrp", "avg", 40)):
        out = stream_file(f"{csc}.h264")
        r = run(f"open=h264,{csc},322x242", f"frames=2,{out}", "tune=70,0", f"frames=1,{out}", encoder=so)
        if r.complaint() or r.failed():
            return False
        try:
            if psnr(out, out + ".raw", "322x242", pixels, key)[0] < enough:
                return False
        except AssertionError:
            return False
    return True


@h.timeout(60)
def test_mistakes_are_seen():
    assert survives(("nvenc.c", "ALIGN 32", "ALIGN 32")), "what has no mistake in it is blamed"
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        unseen = [m for m, s in zip(MUTATIONS, pool.map(survives, MUTATIONS)) if s]
    assert not unseen, unseen
