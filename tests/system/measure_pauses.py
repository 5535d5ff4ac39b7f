# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a client's copy of a window is the session's in the end, however the processes on its way get their turns: each is
stopped for a moment, at random, as on a machine that is busy. By hand: `tests/system/run.py measure_pauses`, several
at once; a minute each, XPROXY_PAUSES= seconds."""
import os
import random
import signal
import time

import harness as h
from scenes import Scene, difference, psnr

SECONDS_ALL = int(os.environ.get("XPROXY_PAUSES", "60"))
STOPPED = 0.01, 0.13  # less than what the worker takes for late
ROUNDS = 4            # in each session


def stop_one(pids):
    pid = random.choice(pids)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(random.uniform(*STOPPED))
    os.kill(pid, signal.SIGCONT)


def check(s):
    """None: the same; else what is wrong."""
    end = time.monotonic() + 6
    while time.monotonic() < end:
        a, b = s.pictures()
        if a == b:
            return None
    if s.has_it():
        print(f"# not on the client's screen: {difference(a, b)}", flush=True)
        return None
    return f"{psnr(a, b):.1f} dB, {difference(a, b)}\n{s.text()}\n{s.listener.log()[-1000:]}"


@h.needs_xpra
@h.timeout(SECONDS_ALL + 60)
def test_pauses():
    wrong, sessions, end = [], 0, time.monotonic() + SECONDS_ALL
    while time.monotonic() < end:
        s = Scene("video", "x264 jpeg webp png")
        sessions += 1
        named = {open(f"/proc/{p}/comm").read().strip(): int(p) for p in h.descendants(s.listener.proc.pid)}
        pids = [named["xproxy-encode"], named["xproxy-worker"], s.client.proc.pid, s.server.proc.pid]
        for _ in range(ROUNDS):
            until = time.monotonic() + 2.5
            while time.monotonic() < until:
                stop_one(pids)
                time.sleep(random.uniform(0, 0.25))
            s.freeze()
            time.sleep(1.2)
            wrong += filter(None, [check(s)])
            s.freeze()
        s.client.detach()
        s.server.stop()
        h.end_process(s.listener.proc)
    assert not wrong, f"{len(wrong)} times in {sessions} sessions:\n" + "\n".join(wrong)
