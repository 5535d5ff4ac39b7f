#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: what a connection costs, as ratios to something that does the same or nothing at all.

    tests/bench/run.py [--quick] [memory] [start] [bulk] [ping] [oracle] [units] [encode] [without]

Contenders are measured in turns, round by round, and medians are compared: the absolute numbers say more
about the machine than about the program. Uses 127.0.0.1 and a scratch directory; leaves nothing. Exits 0 also
when a target is missed, which is printed as MISSED."""
import argparse
import atexit
import os
import pwd
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import oracle
import typing_latency
import units

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("XPROXY_BUILD") or os.path.join(HERE, "..", "..", "build"))
CONN = os.path.join(BUILD, "xproxy-conn")
TOOLS = os.path.join(BUILD, "bench")
WITHOUT = os.path.join(TOOLS, "xproxy-conn")  # the program, without transcoding built in
PROXYD = "/lib/systemd/systemd-socket-proxyd"
ROOT = os.geteuid() == 0
MB = 1 << 20
USER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.getuid())  # whose sessions they are
AS_USER = {"user": USER.pw_uid, "group": USER.pw_gid, "extra_groups": []} if ROOT else {}
SCRATCH = None
quick = ending = False
missed = []


class Skip(Exception):
    pass


# ------------------------------------------------------------------------------- what runs
procs = []
REMEMBERED = "/run/xproxy" if ROOT else os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"), "xproxy")


def listing(folder):
    return set(os.listdir(folder)) if os.path.isdir(folder) else None


def stat(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None


def descendants(*roots):
    parents = {}
    for entry in os.listdir("/proc"):
        s = stat(entry) if entry.isdigit() else None
        if s and s[0] != "Z":
            parents.setdefault(int(s[1]), []).append(int(entry))
    found, todo = [], list(roots)
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def popen(cmd, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    kw.setdefault("stdout", subprocess.PIPE)
    p = subprocess.Popen(cmd, cwd="/", text=True, start_new_session=True, **kw)
    procs.append(p)
    return p


def end(*which):
    """Ends these (default: all) and whatever they started."""
    mine = list(which) or procs[:]
    pids = descendants(*(p.pid for p in mine))
    for sig in (signal.SIGTERM, signal.SIGKILL):
        for pid in [p.pid for p in mine if p.poll() is None] + pids:
            try:
                os.kill(pid, sig)
            except OSError:
                pass
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            if all(p.poll() is not None for p in mine) and not any(
                    (s := stat(pid)) and s[0] != "Z" for pid in pids):
                break
            time.sleep(0.02)
    for p in mine:
        p.wait()
        procs.remove(p)


def setup():
    global SCRATCH
    if not os.path.exists(CONN):
        sys.exit(f"{CONN} is missing: run make first")
    SCRATCH = tempfile.mkdtemp(prefix="xproxy-bench-")
    before = listing(REMEMBERED)
    atexit.register(teardown, before)
    os.chmod(SCRATCH, 0o755)
    os.mkdir(path("sockets"), 0o700)
    if ROOT:
        os.chown(path("sockets"), USER.pw_uid, USER.pw_gid)
    os.makedirs(TOOLS, exist_ok=True)
    for name, libs in (("peer", ["-lnettle"]), ("splice", []), ("nothing", []), ("rate", [])):
        out = os.path.join(TOOLS, name)
        src = os.path.join(HERE, name + ".c")
        if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(src):
            subprocess.run([os.environ.get("CC", "gcc"), "-O2", "-o", out, src, *libs], check=True)


def teardown(before):
    end()
    after = listing(REMEMBERED)
    if after and before is None:  # what the program remembers of servers that are gone
        shutil.rmtree(REMEMBERED, ignore_errors=True)
    elif after:
        for name in after - before:
            os.unlink(os.path.join(REMEMBERED, name))
    shutil.rmtree(SCRATCH, ignore_errors=True)


def path(name):
    return os.path.join(SCRATCH, name)


def write(name, text, mode=0o644):
    with open(path(name), "w") as f:
        f.write(text)
    os.chmod(path(name), mode)
    return path(name)


def tool(name):
    return os.path.join(TOOLS, name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ready(p, what):
    line = p.stdout.readline()
    if line.strip() != "ready":
        raise RuntimeError(f"{what} did not get ready: {line!r}\n{log_tail()}")
    return p


def log_tail():
    try:
        with open(path("log"), errors="replace") as f:
            return f.read()[-2000:]
    except OSError:
        return ""


def err():
    return open(path("log"), "a")


def listen(*cmd, accept=True):
    """systemd-socket-activate with this behind it: (its address, the process)."""
    if not shutil.which("systemd-socket-activate"):
        raise Skip("systemd-socket-activate is not installed")
    address = f"127.0.0.1:{free_port()}"
    flags = ["--accept", "--inetd"] if accept else []
    with err() as f:
        p = popen(["systemd-socket-activate", *flags, "-l", address, *cmd], stdout=f, stderr=f)
    deadline = time.monotonic() + 5
    while f":{int(address.split(':')[1]):04X} 00000000:0000 0A" not in open("/proc/net/tcp").read():
        if time.monotonic() > deadline or p.poll() is not None:
            raise RuntimeError(f"{cmd[0]} does not listen\n{log_tail()}")
        time.sleep(0.01)
    return address, p


def xproxy(auth, upstream, conn=CONN):
    """The program with this auth (`none` or `multifile`) in front of that socket."""
    spec = auth
    if auth == "multifile":
        users = write("users", f"bench|secret|{USER.pw_uid}|{USER.pw_gid}|socket://{upstream}||\n", 0o600)
        spec = f"multifile(filename={users})"
    # an installed system has the user xproxy; looking in vain for one that is missing costs a millisecond
    conf = write(f"conf-{auth}", f"[Listen]\nUser=nobody\n[Auth]\nModule={spec}\n"
                                 f"[Sessions]\nSocketDirs={path('sockets')}\n")
    return listen(conn, "-c", conf)


def session(*flags):
    """A scripted session, where `none` finds it as well: its socket."""
    where = os.path.join(path("sockets"), f"{socket.gethostname()}-100")
    return where, ready(popen([tool("peer"), "serve", where, *flags], **AS_USER), "the scripted session")


# ------------------------------------------------------------------------------- figures
def quantile(values, q):
    v = sorted(values)
    return v[min(len(v) - 1, int(len(v) * q))]


def title(text):
    print(f"\n{text}", flush=True)


def row(name, text):
    print(f"  {name:<34} {text}", flush=True)


def judge(what, value, target, most=True, unit=""):
    good = value <= target if most else value >= target
    word = "ok" if good else "MISSED"
    print(f"  {what:<34} {value:.2f}{unit}, target {'<=' if most else '>='} {target:g}{unit}: {word}", flush=True)
    if not good:
        missed.append(f"{what}: {value:.2f}{unit}, target {'<=' if most else '>='} {target:g}{unit}")


# ------------------------------------------------------------------------------- memory
FIELDS = ("Pss", "Pss_Anon", "Private_Dirty", "Rss")


def smaps(pid):
    found = dict.fromkeys(FIELDS, 0)
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            k, _, v = line.partition(":")
            if k in FIELDS:
                found[k] = int(v.split()[0])
    return found


def name_of(pid):
    with open(f"/proc/{pid}/comm") as f:
        return f.read().strip()


def status(pid, key):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return 0


def memory(conn=CONN):
    """kB of PSS, of a connection; None: only root can know."""
    n, pss = 200, None
    title(f"memory: {n} idle connections, logged in by multifile to a unix socket, own pings answered")
    upstream, server = session("pings")
    address, listener = xproxy("multifile", upstream, conn)
    clients = ready(popen([tool("peer"), "idle", str(n), address, "bench", "secret"], stdin=subprocess.PIPE),
                    "the clients")
    nothing, nothing_listener = listen(tool("nothing"))
    sockets = [socket.create_connection(("127.0.0.1", int(nothing.split(":")[1]))) for _ in range(n)]
    for s in sockets:
        s.recv(1)
    time.sleep(6)  # one round of the program's own pings
    pids = descendants(listener.pid)
    kinds = {}
    for pid in pids:
        kinds.setdefault(name_of(pid), []).append(pid)
    row("processes", ", ".join(f"{len(v)} {k}" for k, v in sorted(kinds.items())))
    if ROOT:
        total = 0
        for kind, members in sorted(kinds.items()):
            got = [smaps(p) for p in members]
            mean = {k: statistics.mean(g[k] for g in got) for k in FIELDS}
            total += mean["Pss"] * len(members)
            row(kind, f"PSS {mean['Pss']:.0f} kB (anonymous {mean['Pss_Anon']:.0f}), private dirty "
                      f"{mean['Private_Dirty']:.0f}, RSS {mean['Rss']:.0f}, page tables "
                      f"{statistics.mean(status(p, 'VmPTE') for p in members):.0f} kB")
        idle = statistics.mean(smaps(p)["Pss"] for p in descendants(nothing_listener.pid))
        row("a do-nothing program", f"PSS {idle:.0f} kB")
        pss = total / n
        row("one connection", f"PSS {pss:.0f} kB, {pss / idle:.1f} x the do-nothing program")
        judge("PSS of one connection", pss / 1000, 1.6, unit=" MB")
    else:  # the processes are not dumpable: their smaps are root's
        for kind, members in sorted(kinds.items()):
            row(kind, f"anonymous RSS {statistics.mean(status(p, 'RssAnon') for p in members):.0f} kB")
        row("one connection", f"anonymous RSS {sum(status(p, 'RssAnon') for p in pids) / n:.0f} kB (PSS can only "
            "be read by root)")
    for s in sockets:
        s.close()
    end(clients, listener, nothing_listener, server)
    return pss


# ------------------------------------------------------------------------------- start
def start():
    rounds = 100 if quick else 300
    title(f"start: connect() to the first byte upstream, {rounds} interleaved rounds")
    where = os.path.join(path("sockets"), f"{socket.gethostname()}-100")
    contenders = [("a do-nothing program, its first byte", "=" + listen(tool("nothing"))[0])]
    for auth, who in (("none", USER.pw_name), ("multifile", "bench,secret")):
        contenders.append((f"xproxy, {auth}", xproxy(auth, where)[0] + "," + who))
    p = popen([tool("peer"), "start", where, str(rounds), "12000", *(c[1] for c in contenders)],
              stderr=subprocess.STDOUT, **AS_USER)
    lines = [line.split() for line in p.stdout.read().splitlines()]
    if p.wait() != 0 or len(lines) != rounds:
        raise RuntimeError(f"{lines[-1:]}\n{log_tail()}")
    times = [[int(line[i]) / 1e6 for line in lines] for i in range(len(contenders))]
    for (name, _), t in zip(contenders, times):
        row(name, f"p50 {quantile(t, .5):.2f} ms, p90 {quantile(t, .9):.2f} ms")
    for i, auth in ((1, "none"), (2, "multifile")):
        ratio = quantile(times[i], .5) / quantile(times[0], .5)
        if auth == "none":
            judge("xproxy none / do-nothing, p50", ratio, 2, unit=" x")
        else:
            row("xproxy multifile / do-nothing, p50", f"{ratio:.2f} x (with a challenge: one round trip more)")
    end()


# ------------------------------------------------------------------------------- relays
def pin(pids, cpus):
    """Who shares a CPU with whom must not be left to chance: it would decide the result."""
    for pid in pids if cpus else []:
        for task in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(task), cpus)


CPUS = sorted(os.sched_getaffinity(0))
PEERS, ALONE = (CPUS[:-1], CPUS[-1:]) if len(CPUS) > 1 else (None, None)  # bulk: the relay has a CPU to itself
TOGETHER = CPUS[-1:]  # ping: no time is spent on waking another CPU


class Relay:
    """One way to the session: a client of it, and the processes whose time it costs."""

    def __init__(self, name, address, of=None, login=(), itself=False, cpus=(PEERS, ALONE)):
        self.name, self.of, self.itself = name, of, itself
        self.client = ready(popen([tool("peer"), "talk", address, *login], stdin=subprocess.PIPE), name)
        time.sleep(0.2)  # what only the login needed has ended then
        below = descendants(of.pid) if of else []
        self.pids = [of.pid] + below if itself else below
        pin([self.client.pid], cpus[0])
        pin(self.pids, cpus[1])

    def ask(self, line):
        self.client.stdin.write(line + "\n")
        self.client.stdin.flush()
        answer = self.client.stdout.readline().split()
        if not answer:
            raise RuntimeError(f"{self.name}: the client died\n{log_tail()}")
        return [int(x) for x in answer]

    def cpu(self):
        """Nanoseconds on a CPU, user and system, of all threads."""
        total = 0
        for pid in self.pids:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0])
        return total


def haproxy(upstream):
    binary = shutil.which("haproxy") or "/usr/sbin/haproxy"
    if not os.path.exists(binary):
        raise Skip("haproxy is not installed")
    port = free_port()
    conf = write("haproxy.cfg", f"""global
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    server s unix@{upstream}
""")
    with err() as f:
        p = popen([binary, "-db", "-f", conf], stdout=f, stderr=f)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return f"127.0.0.1:{port}", p
        except OSError:
            time.sleep(0.02)
    raise Skip("haproxy did not start")


def proxyd(upstream):
    if not os.path.exists(PROXYD):
        raise Skip(f"{PROXYD} is not installed")
    return listen(PROXYD, upstream, accept=False)


def relays(upstream, names, **kw):
    """{name: Relay}, with a line for each that cannot be had."""
    makers = {
        "direct": lambda: Relay("direct", upstream, **kw),
        "splice": lambda: Relay("splice", *listen(tool("splice"), upstream), **kw),
        "haproxy": lambda: Relay("haproxy", *haproxy(upstream), itself=True, **kw),
        "socket-proxyd": lambda: Relay("socket-proxyd", *proxyd(upstream), itself=True, **kw),
        "xproxy": lambda: Relay("xproxy", *xproxy("multifile", upstream), login=("bench", "secret"), **kw),
        "without": lambda: Relay("without", *xproxy("multifile", upstream, WITHOUT), login=("bench", "secret"), **kw),
    }
    found = {}
    for name in names:
        try:
            found[name] = makers[name]()
        except Skip as e:
            row(name, f"skipped: {e}")
    return found


def bulk(others=(("splice", 0.9), ("haproxy", 1), ("socket-proxyd", 1))):
    """What the program does with a second of a processor, and the least that it has to do as multiples of others."""
    rounds, size = (5, 192 * MB) if quick else (8, 512 * MB)
    title(f"bulk: {rounds} interleaved rounds of {size // MB} MiB each; what the relay itself spends")
    upstream, server = session()
    pin([server.pid], PEERS)
    contenders = relays(upstream, ("xproxy", *(name for name, _ in others)))
    for way in ("down", "up"):
        for record in (65536, 1024):
            per_cpu, speed = {}, {}
            for i in range(rounds):
                order = list(contenders.values())
                for r in order[i % len(order):] + order[:i % len(order)]:
                    before = r.cpu()
                    wall = r.ask(f"{way} {record} {size}")[0]
                    per_cpu.setdefault(r.name, []).append(size / max(1, r.cpu() - before))
                    speed.setdefault(r.name, []).append(size * 1e3 / wall)
            print(f"  {way}, records of {record} bytes")
            for name in contenders:
                row("  " + name, f"{statistics.median(per_cpu[name]):.2f} GB per CPU second "
                                 f"({statistics.median(speed[name]):.0f} MB/s)")
            for name, target in others:
                if name in contenders:
                    ratio = statistics.median(a / b for a, b in zip(per_cpu["xproxy"], per_cpu[name]))
                    judge(f"  {way} {record}: xproxy / {name}", ratio, target, most=False, unit=" x")
    end()


def ping():
    rounds, each = 40, 500
    title(f"ping: {rounds * each} round trips of one small packet each, in turns of {each}, on one CPU")
    upstream, server = session()
    pin([server.pid], TOGETHER)
    contenders = relays(upstream, ("direct", "xproxy", "haproxy", "splice"), cpus=(TOGETHER, TOGETHER))
    times = {name: [] for name in contenders}
    for i in range(rounds):
        order = list(contenders.values())
        for r in order[i % len(order):] + order[:i % len(order)]:
            times[r.name].append([t / 1e3 for t in r.ask(f"ping {each}")])

    def typical(name, q):
        return statistics.median(quantile(t, q) for t in times[name])
    for name in contenders:
        row(name, f"p50 {typical(name, .5):.1f} us, p99 {typical(name, .99):.1f} us")
    for q, word in ((.5, "p50"), (.99, "p99")):
        if "haproxy" in contenders:
            mine, theirs = (typical(n, q) - typical("direct", q) for n in ("xproxy", "haproxy"))
            row(f"added to direct, {word}", f"xproxy {mine:.1f} us, haproxy {theirs:.1f} us")
            ratio = statistics.median(quantile(a, q) / quantile(b, q)
                                      for a, b in zip(times["xproxy"], times["haproxy"]))
            judge(f"{word}: xproxy / haproxy", ratio, 1, unit=" x")
    end()


def activations():
    units.run(sys.modules[__name__], quick)


def refusals():
    oracle.run(sys.modules[__name__], quick)


def encode():
    """Pictures: a program of its own, as it uses the encoders themselves; and what a letter waits for."""
    standin, env = os.path.join(BUILD, "nvenc-standin"), None
    if os.path.isdir(standin):
        row("nvenc", "is the stand-in of the tests: what it makes is right, its times say nothing")
        env = {**os.environ, "LD_LIBRARY_PATH": standin}
    for what, words in (("pictures", "what encoders cost, by themselves, and how good their pictures are"),
                        ("path", "xproxy-encode, 30 draws a second: from a packet's lz4 to a picture")):
        title(f"encode: {words}")
        lines = []
        p = popen([os.path.join(BUILD, "encode-bench"), *(["--frames", "12"] if quick else []), what], env=env)
        for line in p.stdout:
            lines.append(line.strip())
            print(line, end="", flush=True)
        missed.extend(line for line in lines if line.endswith("MISSED"))
        if p.wait() != 0:
            raise RuntimeError(f"encode-bench {what} has failed")
        end(p)
    typing_latency.run(sys.modules[__name__], quick)


def without():
    """Without Encoders=, nothing of transcoding costs anything: next to a program that could not do it."""
    with_it, without_it = memory(), memory(WITHOUT)
    if with_it:
        judge("PSS / without transcoding built in", with_it / without_it, 1.02, unit=" x")
    bulk((("without", 0.98),))


ITEMS = {"memory": memory, "start": start, "bulk": bulk, "ping": ping, "oracle": refusals, "units": activations}
ONLY_BY_NAME = {"encode": encode, "without": without}


def interrupted(*_):
    global ending
    if not ending:  # a second one must not stop the cleaning up
        ending = True
        sys.exit(130)


def main():
    global quick
    a = argparse.ArgumentParser(description="what a connection costs, next to others")
    a.add_argument("items", nargs="*", help=f"of {' '.join(ITEMS)}, all if none is named; or {' '.join(ONLY_BY_NAME)}")
    a.add_argument("--quick", action="store_true", help="40 s instead of minutes")
    o = a.parse_args()
    if set(o.items) - set(ITEMS) - set(ONLY_BY_NAME):
        a.error(f"items are: {' '.join(ITEMS | ONLY_BY_NAME)}")
    quick = o.quick
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, interrupted)
    began = time.monotonic()
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -15)  # for all contenders alike: others disturb less
    except OSError:
        pass
    setup()
    print(f"xproxy bench, {'as root' if ROOT else 'as an ordinary user'}, {os.cpu_count()} CPUs, "
          f"Linux {os.uname().release}")
    for name, f in (ITEMS | ONLY_BY_NAME).items():
        if name not in (o.items or ITEMS):
            continue
        try:
            f()
        except Skip as e:
            row(name, f"skipped: {e}")
        except (RuntimeError, subprocess.SubprocessError, OSError) as e:
            missed.append(f"{name}: could not be measured")
            row(name, f"FAILED: {e}")
        end()
    print(f"\n{len(missed)} MISSED after {time.monotonic() - began:.0f} s" if missed else
          f"\nall targets met after {time.monotonic() - began:.0f} s")
    for m in missed:
        print(f"  {m}")


if __name__ == "__main__":
    main()
