# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a letter takes: from a key that a client sends to the small draw that the session answers with, through the
program as it is and with Encoders=. Alone, and while a film plays in another window. First with scripted peers, which show
what the program adds; then with a real session and client, from the key to what is on the client's screen."""
import json
import os
import queue
import random
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import xpranet as x  # noqa: E402 - it lies in another folder

TEXT, FILM = (1, 1204, 754), (2, 640, 480)  # windows: number, width, height
LETTER = 8, 13
FPS, UNDERWAY = 30, 8
FILM_BEGINS = 1.5  # seconds until it is a video
REST = 0.03, 0.06  # between keys, seconds: faster than anybody types
ENCODINGS = {"core": ["rgb24", "rgb32", "png", "jpeg", "webp", "scroll", "h264"], "rgb_formats": ["BGRX"], "rgb_lz4": True,
             "full_csc_modes": {"h264": ["YUV420P", "YUV444P"]}, "video_max_size": [4096, 4096]}


class Way:
    """A client and a session of the same process, with the program between them."""

    def __init__(self, bench, name, encoders, film):
        self.name, self.film, self.keys, self.letters, self.times, self.codings = name, film, 0, queue.Queue(), [], set()
        self.sequence, self.acks, self.ended, self.lock, self.turn = 0, 0, False, threading.Lock(), threading.Event()
        listener = bench.socket.create_server(("127.0.0.1", 0))
        uri = f"tcp://127.0.0.1:{listener.getsockname()[1]}/"
        users = bench.write(f"users-{name}", f"bench|secret|{bench.USER.pw_uid}|{bench.USER.pw_gid}|{uri}||\n", 0o600)
        conf = bench.write(f"conf-{name}", f"[Listen]\nUser=nobody\n[Auth]\nModule=multifile(filename={users})\n"
                                           f"[Encode]\nEncoders={encoders}\n")
        address, self.program = bench.listen(bench.CONN, "-c", conf)
        host, port = address.split(":")
        self.client = x.Peer(bench.socket.create_connection((host, int(port))))
        greeting = threading.Thread(target=self._greet, args=(listener,))
        greeting.start()
        p = self.client.login(x.hello65(username="bench", encoding=ENCODINGS, encodings={"core": ENCODINGS["core"]}), "secret")
        if p.name != "hello":
            raise RuntimeError(f"no session: {x.texts(p)}\n{bench.log_tail()}")
        greeting.join()
        for run in (self._serve, self._paint):
            threading.Thread(target=self._until_the_end, args=(run,), daemon=True).start()
        for wid, w, h in (TEXT, FILM) if film else (TEXT,):
            self._say("new-window", wid, 0, 0, w, h, {"title": "bench", "window-type": ["NORMAL"]}, {})
            self._draw(wid, 0, 0, w, h, b"\xff" * (w * h * 4))
        if film:
            threading.Thread(target=self._until_the_end, args=(self._play,), daemon=True).start()

    def _until_the_end(self, run):
        try:
            while not self.ended:
                run()
        except (OSError, x.Closed, x.Timeout):
            self.ended = True
            self.letters.put(None)

    # -- the session
    def _greet(self, listener):
        self.server = x.Peer(listener.accept()[0])
        self.server.expect("hello")
        self.server.send_packet("hello", x.server65())

    def _say(self, *packet, **kw):
        with self.lock:
            self.server.send_packet(*packet, **kw)

    def _draw(self, wid, at_x, at_y, w, h, pixels):
        self.sequence += 1
        self._say("draw", wid, at_x, at_y, w, h, "rgb24", pixels, self.sequence, w * 4, {"rgb_format": "BGRX", "flush": 0},
                  chunks=(7,) if len(pixels) > 4096 else (), flush=True)

    def _serve(self):
        p = self.server.read_packet(3600)
        if p.name == "key-action":
            self.keys += 1
            self._draw(TEXT[0], self.keys * LETTER[0] % 1200, self.keys // 150 % 50 * LETTER[1], *LETTER,
                       random.randbytes(2) * (LETTER[0] * LETTER[1] * 2))
        elif p.name == "damage-sequence":
            self.acks += 1

    def _play(self):
        for frame in self.film:
            self.turn.wait()
            time.sleep(1 / FPS)
            if self.sequence - self.acks < UNDERWAY:
                self._draw(FILM[0], 0, 0, FILM[1], FILM[2], frame)

    # -- the client
    def _paint(self):
        p = self.client.read_packet(3600)
        if p.name != "draw":
            return
        if p[1] == TEXT[0] and tuple(p[4:6]) == LETTER:
            self.letters.put(time.perf_counter())
        self.codings.add(x.text(p[6]))
        self.client.send_packet("damage-sequence", p[8], p[1], p[4], p[5], 1000, "")

    def type(self, count):
        if self.film:
            self.turn.set()
            time.sleep(FILM_BEGINS)
        for _ in range(count):
            began = time.perf_counter()
            self.client.send_packet("key-action", TEXT[0], "a", True, [], 97, "a", 38, 0)
            seen = self.letters.get(timeout=10)
            if seen is None:
                raise RuntimeError(f"{self.name}: the connection has ended")
            self.times.append((seen - began) * 1000)
            time.sleep(random.uniform(*REST))
        self.turn.clear()

    def close(self, bench):
        self.ended = True
        self.turn.set()
        for peer in (self.client, self.server):
            peer.shutdown(bench.socket.SHUT_RDWR)
        bench.end(self.program)


def frames(bench):
    wid, w, h = FILM
    out = subprocess.run([os.path.join(bench.BUILD, "scene-raw"), "video", f"{w}x{h}", "60"], capture_output=True,
                         check=True).stdout
    return [out[i * w * h * 4:][:w * h * 4] for i in range(60)]


def judge(bench, passed, transcoded):
    for q, word in ((.5, "p50"), (.95, "p95")):
        bench.judge(f"transcoded - passed, {word}", bench.quantile(transcoded, q) - bench.quantile(passed, q), 5, unit=" ms")


def real(bench, quick):
    """By tests/system/measure_typing.py, as the harness there knows how to start real ones."""
    env = {**os.environ, "XPROXY_BUILD": bench.BUILD, **({"XPROXY_BENCH_QUICK": "1"} if quick else {})}
    p = bench.popen([os.path.join(bench.HERE, "..", "system", "run.py"), "-j1", "measure_typing"], env=env)
    ways, words = [], []
    for line in p.stdout:
        if not line.startswith("{"):
            words.append(line)
            continue
        ways.append(json.loads(line))
        way = ways[-1]
        if len(ways) % 2:
            bench.title(f"encode: typing {'beside a film' if way['film'] else 'alone'}, xpra's own client and session: "
                        f"{len(way['times'])} keys, from each to the screen, in turns")
        coder = way["encoder"].get("encoder")
        bench.row(way["way"], f"p50 {statistics.median(way['times']):.2f} ms, p95 {bench.quantile(way['times'], .95):.2f} ms"
                              + (f"; the film by {coder}" if coder else ""))
        if len(ways) % 2 == 0:
            judge(bench, ways[-2]["times"], way["times"])
    if p.wait() != 0:
        raise RuntimeError("typing with real peers: " + "".join(words)[:2000])
    for line in words:
        if line.startswith("skip"):
            bench.row("real peers", line.strip())
    bench.end(p)


def run(bench, quick):
    rounds, each = (4, 25) if quick else (10, 50)
    for words, film in (("alone", None), ("beside a film", frames(bench))):
        bench.title(f"encode: typing {words}: {rounds * each} keys, from each to its letter, in turns of {each}")
        ways = [Way(bench, "passed", "", film), Way(bench, "transcoded", "x264 jpeg", film)]
        for i in range(rounds):
            for way in ways[::-1 if i % 2 else 1]:
                way.type(each)
        for way in ways:
            bench.row(way.name, f"p50 {statistics.median(way.times):.2f} ms, p95 {bench.quantile(way.times, .95):.2f} ms; "
                                f"the client got {', '.join(sorted(way.codings))}")
        judge(bench, ways[0].times, ways[1].times)
        for way in ways:
            way.close(bench)
    real(bench, quick)
