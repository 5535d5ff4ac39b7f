# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether time tells a client who exists: logins that are refused, half of them with a name that nobody has and half with
a wrong password, in random order; how long each waits for its answer. A refusal takes a second, so many are under way at
a time."""
import math
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import xpranet as x  # noqa: E402 - it lies in another folder

TRIES, AT_ONCE, USERS = 10000, 150, 20
SEEN = 3.29  # standard errors: once in a thousand by chance


def refused(bench, spec, user):
    """Seconds from the response to the refusal."""
    ours, theirs = socket.socketpair()
    with subprocess.Popen([bench.CONN, "-c", os.path.join(bench.SCRATCH, "oracle.conf"), "-o", f"Auth.Module={spec}"], stdin=theirs,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        theirs.close()
        try:
            peer, caps = x.Peer(ours), x.hello65(username=user)
            peer.hello(caps)
            challenge = peer.expect("challenge", timeout=60)
            peer.answer(challenge, caps, "not this one")
            began = time.perf_counter()
            p = peer.read_packet(60)
            spent = time.perf_counter() - began
            if p.name != "disconnect" or x.text(p[1]) != "authentication failed":
                raise RuntimeError(f"not refused as expected: {x.texts(p)}")
            return spent
        finally:
            ours.close()
            program.wait()


def measure(bench, spec, tries):
    """Two lists of seconds: of names that nobody has, and of wrong passwords."""
    rng, found, failures, lock = random.Random(1), ([], []), [], threading.Lock()
    plan = [(known, f"{'user' if known else 'abcd'}{rng.randrange(USERS):02}") for known in (0, 1) * (tries // 2)]
    rng.shuffle(plan)

    def work():
        while not failures:
            with lock:
                if not plan:
                    return
                known, user = plan.pop()
            try:
                spent = refused(bench, spec, user)
            except (OSError, RuntimeError, x.Timeout, x.Closed) as e:
                failures.append(e)
                return
            with lock:
                found[known].append(spent)
    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise RuntimeError(str(failures[0]))
    return found


def rank_score(a, b):
    """Of Mann and Whitney: how many standard errors the ranks of a and b are apart."""
    ranks = sum(i for i, (_, which) in enumerate(sorted([(v, 0) for v in a] + [(v, 1) for v in b]), 1) if which == 0)
    n, m = len(a), len(b)
    return (ranks - n * (n + m + 1) / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def run(bench, quick):
    tries = TRIES // 10 if quick else TRIES
    bench.title(f"time of a refusal: {tries} logins, unknown users against wrong passwords")
    folder = bench.SCRATCH
    db, text = os.path.join(folder, "oracle.sdb"), os.path.join(folder, "oracle.txt")
    with open(os.path.join(folder, "oracle.conf"), "w", encoding="utf8"):
        pass
    with open(text, "w", encoding="utf8") as f:
        os.chmod(text, 0o600)
        f.writelines(f"user{i:02}|a password|nobody|nogroup|:10||\n" for i in range(USERS))
    ctl = [os.path.join(bench.BUILD, "xproxyctl"), "users", db]
    subprocess.run([*ctl, "create"], check=True, stdout=subprocess.DEVNULL)
    for i in range(USERS):
        subprocess.run([*ctl, "add", f"user{i:02}", "a password"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    for spec in (f"sqlite(filename={db})", f"multifile(filename={text})"):
        name = spec.split("(")[0]
        unknown, wrong = measure(bench, spec, tries)
        z = rank_score(unknown, wrong)
        error = math.sqrt(statistics.variance(unknown) / len(unknown) + statistics.variance(wrong) / len(wrong))
        bench.row(name, f"unknown {statistics.median(unknown) * 1e3:.2f} ms, wrong password "
                  f"{statistics.median(wrong) * 1e3:.2f} ms (medians), difference of means "
                  f"{(statistics.mean(unknown) - statistics.mean(wrong)) * 1e6:+.0f} us, {SEEN * error * 1e6:.0f} us would show")
        bench.judge(f"{name}: rank test, standard errors apart", abs(z), SEEN, unit="")
