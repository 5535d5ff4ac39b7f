# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a letter takes with a real client and a real session, from the key to the client's screen: through the program
as it is, and with Encoders=. For `make bench BENCH=encode`, which runs it; prints a JSON line for each way."""
import json
import os
import random
import time

import harness as h
from eyes import Eyes
from scenes import Scene

LINE = 60          # letters: no line comes near the terminal's end
REST = 0.12, 0.2   # seconds between keys: a fast typist
ROUNDS, EACH = (3, 30) if os.environ.get("XPROXY_BENCH_QUICK") else (5, 40)


class Way:
    def __init__(self, name, encoders, film):
        self.name, self.film, self.times, self.typed = name, film, [], 0
        self.scene = Scene("video", encoders, size="320x240")
        self.xterm = self.scene.client.window(self.scene.server.title)
        self.eyes = Eyes(self.scene.client.display, self.xterm)
        self.scene.client._xdo("windowmove", self.scene.window, "700", "0")
        self.scene.freeze()

    def turn(self):
        client = self.scene.client
        for window in (self.xterm, self.scene.window):
            client._xdo("windowraise", window)
        client._xdo("windowfocus", self.xterm, "mousemove", "--window", self.xterm, "20", "20")
        if self.film:
            self.scene.freeze()
        self.eyes.look_away(1.5)  # a film is a video then
        self.eyes.press("x")  # the first waits for what has slept
        self.eyes.look_away(0.5)
        for _ in range(EACH):
            self.times.append(self.eyes.press(random.choice("abcdefghijklmnopqrstuvwxyz")) * 1000)
            self.eyes.look_away(random.uniform(*REST))
            self.typed += 1
            if self.typed % LINE == 0:
                client._xdo("key", "Return")
                self.eyes.look_away(0.3)
        if self.film:
            self.scene.freeze()
            time.sleep(0.5)


def measure(film):
    ways = [Way("passed", None, film), Way("transcoded", "x264 jpeg", film)]
    for i in range(ROUNDS):
        for way in ways[::-1 if i % 2 else 1]:
            way.turn()
    for way in ways:
        assert len(way.scene.server.keys()) >= way.typed - LINE, "not all that was typed has arrived"
        print(json.dumps({"film": film, "way": way.name, "times": way.times,
                          "encoder": way.scene.info() if way.name == "transcoded" else {}}), flush=True)


@h.needs_xpra
@h.timeout(400)
def test_alone():
    measure(False)


@h.needs_xpra
@h.timeout(400)
def test_beside_a_film():
    measure(True)
