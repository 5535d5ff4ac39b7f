# SPDX-License-Identifier: GPL-2.0-or-later
"""Failed logins, and what they cost their source: through real sockets, over all connections."""
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import harness as h
import test_proxyproto
import test_tls
import xpranet as x

SECONDS = 110
TOO_MANY = "too many failed logins, try again later"
REFUSED, AUTH_FAILED = 4, 5
EVERYBODY = "192.0.2.1"  # for PenaltyExempt=: nobody who is here
IPV6_FREEBIND = 78  # an address of a whole network that is routed to this machine
HELLO = x.build(["hello", x.hello65(username="john")])


class Port(h.Listener):
    """The program behind a port of all addresses; john has the password pw, and failures of loopback count too."""

    def __init__(self, modules=None, listen=None, **limits):
        self.server = h.Server()
        self.conf = h.conf(modules or h.multifile(h.line("john", "pw", self.server.uri)), Listen=listen or {},
                           Limits=dict({"PenaltyExempt": EVERYBODY}, **limits), Relay={"PingInterval": "0"})
        port = h.free_port()
        super().__init__(self.conf, address=f"[::]:{port}")
        self.port = port

    def connect(self, source="127.0.0.1", to=None):
        s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        if ":" in source:
            s.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        s.bind((source, 0))
        s.settimeout(20)
        s.connect((to or ("::1" if ":" in source else "127.0.0.1"), self.port))
        peer = x.Peer(s)
        h.defer(peer.close)
        return peer

    def try_login(self, password, source="127.0.0.1", user="john", to=None):
        """"hello", or the words of the refusal."""
        return finish(self.connect(source, to), password, user)

    def turns_away(self, source="127.0.0.1"):
        """Whether the connection is closed as soon as it is there, with a word why."""
        words = self.connect(source).read_end(10 * h.SLACK)
        assert words in ("", f"disconnect: {TOO_MANY}\n"), words
        return words != ""

    def reached(self):
        """How many passwords a module has turned down."""
        return len(re.findall(r"wrong password or unknown user", self.log()))

    def penalties(self):
        r = h.ctl("penalties", "--json", user=h.as_user_default())
        assert r.returncode == 0, r.stderr
        return {p["source"]: p for p in json.loads(r.stdout)}


def finish(peer, password, user="john"):
    try:
        caps = x.hello65(username=user)
        peer.hello(caps)
        p = peer.expect("challenge", "disconnect", timeout=20 * h.SLACK)
        if p.name == "challenge":
            peer.answer(p, caps, password)
            p = peer.read_packet(20 * h.SLACK, skip=("ping",))
    except x.PlainText as e:
        return e.args[0].strip()
    except (x.Closed, OSError) as e:
        return f"closed: {e}"
    finally:
        peer.close()
    return p.name if p.name == "hello" else "; ".join(x.texts(p)[1:])


def all_at_once(works):
    """Runs each in a thread of its own; their results."""
    results = [None] * len(works)

    def run(i):
        results[i] = works[i]()
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(works))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_refused_and_let_in_again():
    """Three wrong passwords, and the right one does not help for two seconds, from there; then for four."""
    port = Port(MaxFailures=3, FailureWindow="2s", PenaltyMax="1h")
    began = time.monotonic()
    wrong = [lambda: port.try_login("no", "127.0.0.5")] * 3
    assert all_at_once(wrong) == ["authentication failed"] * 3
    assert port.turns_away("127.0.0.5")
    assert port.try_login("pw", "127.0.0.6") == "hello"
    shown = port.penalties()
    assert shown["127.0.0.5"]["refusals"] == 1 and shown["127.0.0.5"]["refused_sec"] in (1, 2), shown
    assert "127.0.0.6" not in shown, shown
    h.eventually(lambda: port.try_login("pw", "127.0.0.5") == "hello", 5)
    assert time.monotonic() - began > 2
    assert all_at_once(wrong) == ["authentication failed"] * 3
    assert port.turns_away("127.0.0.5")
    log = port.log()
    assert "penalty: 127.0.0.5 is refused for 2 s: too many failed logins" in log, log
    assert "penalty: 127.0.0.5 is refused for 4 s: too many failed logins" in log, log
    lines = h.eventually(lambda: re.findall(r"refused: user '' from 127\.0\.0\.5:\d+: too many failed logins", port.log()), 2)
    assert len(lines) == 2, lines  # one for each refusal, however many are refused
    assert port.reached() == 6


def test_exit_code():
    conf = h.conf(h.multifile(h.line("john", "pw", ":1")), Limits={"PenaltyExempt": EVERYBODY, "MaxFailures": 1})
    conn = h.spawn(conf)
    assert finish(conn.peer, "no") == "authentication failed"
    assert conn.wait() == AUTH_FAILED
    conn = h.spawn(conf)
    assert conn.peer.read_end() == f"disconnect: {TOO_MANY}\n"
    assert conn.wait() == REFUSED
    assert conn.guard() and "(refused for " in conn.logged("refused: user '' from .*too many")


def test_nothing_in_clear_text_where_only_tls_is_spoken():
    listen = dict(test_tls.listen(), RequireTLS="yes")
    conf = h.conf(h.multifile(h.line("john", "pw", ":1")), Limits={"PenaltyExempt": EVERYBODY, "MaxFailures": 1,
                                                                  "LoginTimeout": "200ms"}, Listen=listen)
    for _ in range(2):
        h.spawn(conf).wait()
    conn = h.spawn(conf)
    assert conn.peer.read_end() == ""
    assert conn.wait() == REFUSED


def test_in_parallel():
    """Sixty have the challenge before the first of them answers: five are checked, the others not."""
    port = Port(FailureWindow="10min")
    caps = x.hello65(username="john")
    peers = [port.connect("127.0.0.5") for _ in range(60)]
    for p in peers:
        p.hello(caps)
    challenges = [p.expect("challenge", timeout=20 * h.SLACK) for p in peers]
    for p, c in zip(peers, challenges):
        p.answer(c, caps, "no")
    words = [p.read_end(20 * h.SLACK) for p in peers]
    assert sorted(words) == ["authentication failed"] * 5 + [TOO_MANY] * 55, words
    h.eventually(lambda: port.reached() == 5, 3, port.log)


def test_many_users_of_one_address():
    """Twenty that have the right password, at the same time, where two failures are too many: they wait for each other."""
    port = Port(MaxFailures=2)
    assert all_at_once([lambda: port.try_login("pw", "127.0.0.5")] * 20) == ["hello"] * 20
    assert port.penalties() == {}


def test_one_account_does_not_pay_for_others():
    """Who logs in with an own account between the attempts gains nothing."""
    port = Port(MaxFailures=3, FailureWindow="10min")
    for _ in range(2):
        assert port.try_login("no", "127.0.0.5") == "authentication failed"
        assert port.try_login("pw", "127.0.0.5") == "hello"
    assert port.try_login("no", "127.0.0.5") == "authentication failed"
    assert port.turns_away("127.0.0.5")


def test_alternatives():
    """Who is known to the second module has not failed; who is known to none, once."""
    server = h.Server()
    port = Port(" || ".join(h.multifile(h.line(name, "pw", server.uri)) for name in ("joan", "john")), MaxFailures=2,
                FailureWindow="10min")
    for _ in range(3):
        assert port.try_login("pw", "127.0.0.5") == "hello"
    assert port.penalties() == {}
    assert port.try_login("no", "127.0.0.5") == "authentication failed"
    assert port.penalties()["127.0.0.5"]["failures"] == 1
    assert port.try_login("no", "127.0.0.5") == "authentication failed"
    assert port.turns_away("127.0.0.5")


def test_leaving_before_the_answer():
    """Who closes without waiting for the denial is counted all the same."""
    port = Port(MaxFailures=2, FailureWindow="10min")
    for _ in range(2):
        p, caps = port.connect("127.0.0.5"), x.hello65(username="john")
        p.hello(caps)
        p.answer(p.expect("challenge"), caps, "no")
        p.close()
    h.eventually(lambda: port.reached() == 2, 5, port.log)
    assert port.turns_away("127.0.0.5")


SETTLED = {  # how a login ends, and the failures that it costs
    "accepted": 0, "denied": 1, "accepted after a fact": 0, "denied after a fact": 1, "left before the answer": 0,
    "left while asked": 1, "timeout while asked": 1, "checker killed": 0, "could not tell": 0,
    "accepted by an alternative": 0, "left before an alternative": 1, "timeout before an alternative": 1,
}


@h.each(*SETTLED)
def test_settled_once(case):
    """Whichever way a login ends, it is paid for once, and no module stays down as being asked."""
    short = {"LoginTimeout": "500ms", "ChallengeTimeout": "500ms"} if "timeout" in case else {}

    def says(body):
        return "exec(command=%s)" % h.make_file(f"script-{next(h._serial)}", f"#!/bin/sh\n{body}\n", 0o755)
    password = "password(value=pw)"
    modules = {"fact": "capability(property=token,value=yes)", "asked": says("sleep 30"), "killed": says("sleep 30"),
               "tell": says("exit 7"), "alternative": f"{says('exit 1')} || {password}"}.get(case.split()[-1], password)
    port = Port(modules, MaxFailures=3, FailureWindow="10min", **short)
    user = h.alice.name

    def once():
        p, caps = port.connect("127.0.0.5"), x.hello65(username=user, token="no" if case.startswith("denied") else "yes")
        seen = len(port.log())
        p.hello(caps)
        if "while asked" in case or case == "checker killed":
            guard = h.eventually(lambda: [pid for pid, _ in h.program_processes() if h.descendants(pid) and any(
                h.stat(c) and h.stat(c)["comm"] == "sleep" for c in h.descendants(pid))], 5, port.log)
            if case == "checker killed":  # the one right above the program
                os.kill(max(guard), signal.SIGKILL)
        elif "fact" not in case and case != "could not tell":
            challenge = p.expect("challenge", timeout=20 * h.SLACK)
            if case.split()[0] in ("accepted", "denied"):
                p.answer(challenge, caps, "pw" if case.startswith("accepted") else "no")
        if case.startswith("left"):
            p.close()
        elif case.startswith("accepted"):
            said = p.read_packet(20 * h.SLACK, skip=("ping",))
            assert "authentication" not in str(x.texts(said)), said
            p.close()
        else:
            assert p.read_end(20 * h.SLACK)
        h.eventually(lambda: re.search(r"\]: (refused|closed|end): ", port.log()[seen:]), 5, port.log)
    if not SETTLED[case]:
        for _ in range(4):
            once()
        h.eventually(lambda: port.penalties() == {}, 2, port.penalties)
        return
    for n in range(1, 3):
        once()
        h.eventually(lambda: port.penalties().get("127.0.0.5", {}).get("failures") == n, 2, port.penalties)
    once()
    h.eventually(lambda: port.penalties()["127.0.0.5"]["refused_sec"] > 0, 2, port.penalties)


def test_exempt():
    """Loopback, unless configured otherwise; who only connects; and with MaxFailures=0 everybody."""
    for limits in ({"PenaltyExempt": "", "MaxFailures": 2}, {"MaxFailures": 0}):
        port = Port(**limits)
        assert all_at_once([lambda p=port: p.try_login("no")] * 6) == ["authentication failed"] * 6
        assert port.try_login("pw") == "hello"
        assert port.penalties() == {}
    port = Port(MaxFailures=1)
    for _ in range(5):
        port.connect("127.0.0.5").close()
    assert port.try_login("pw", "127.0.0.5") == "hello"


def test_timeouts():
    """Two that say nothing are one failure."""
    port = Port(MaxFailures=1, LoginTimeout="300ms")
    for n in range(2):
        assert "login timeout" in port.connect("127.0.0.5").read_end()
        h.eventually(lambda: len(re.findall("refused: .*login timeout", port.log())) == n + 1, 5)
    h.eventually(lambda: port.penalties().get("127.0.0.5", {}).get("refused_sec"), 2)
    assert port.turns_away("127.0.0.5")
    assert port.try_login("pw", "127.0.0.6") == "hello"


def test_crash():
    """A worker that dies before the login: its source is refused at once."""
    conf = h.conf(h.multifile(h.line("john", "pw", ":1")), Limits={"PenaltyExempt": EVERYBODY})
    conn = h.spawn(conf)
    conn.peer.hello(x.hello65(username="john"))
    conn.peer.expect("challenge")
    os.kill(conn.worker(), signal.SIGSEGV)
    conn.logged(r"penalty: 127\.0\.0\.1 is refused for 60 s: a process that read from it has died")
    conn.wait()
    conn = h.spawn(conf)
    assert TOO_MANY in conn.peer.read_end()
    assert conn.wait() == REFUSED


def test_after_the_login():
    """What dies or ends while relaying costs nothing."""
    conf = dict(Limits={"PenaltyExempt": EVERYBODY, "MaxFailures": 1})
    link = h.link(**conf)
    link.conn.logged("login: user")
    os.kill(link.conn.worker(), signal.SIGKILL)
    link.conn.wait()
    h.link(**conf).c.close()


def test_behind_a_front_end():
    """The real client is counted, from any front end; not the front end, nor its other clients."""
    conf = h.conf(h.multifile(h.line("john", "pw", h.Server().uri)), Listen={"ProxyProtocol": "yes"},
                  Limits={"PenaltyExempt": EVERYBODY, "MaxFailures": 2, "FailureWindow": "10min"})

    def attempt(head, password):
        conn = h.spawn(conf)
        conn.peer.sock.sendall(head)
        return conn, finish(conn.peer, password)
    for n in range(2):
        assert attempt(test_proxyproto.v1("2001:db8:1:2::7", family="TCP6", to="::1"), "no")[1] == "authentication failed"
    conn, words = attempt(test_proxyproto.v2("2001:db8:1:2:ffff::8"), "pw")
    assert words == TOO_MANY, words
    assert conn.wait() == REFUSED
    conn.logged(r"refused: user 'john' from \[2001:db8:1:2:ffff::8\]:\d+: too many failed logins, try again later \(refused for")
    conn, words = attempt(test_proxyproto.v2("2001:db8:1:2:ffff::8"), "pw")
    assert words == TOO_MANY and conn.wait() == REFUSED
    assert "refused: user" not in conn.log(), conn.log()  # one line a minute
    assert attempt(test_proxyproto.v2("2001:db8:1:3::8"), "pw")[1] == "hello"
    for _ in range(4):  # its own health checks and the like
        assert attempt(test_proxyproto.LOCAL, "no")[1] == "authentication failed"
    assert attempt(test_proxyproto.LOCAL, "pw")[1] == "hello"


def test_xproxyctl():
    port = Port(MaxFailures=2, FailureWindow="10min")
    for source, n in (("127.0.0.5", 2), ("127.0.0.6", 1), ("::1", 2)):
        assert all_at_once([lambda s=source: port.try_login("no", s)] * n) == ["authentication failed"] * n
    user = h.as_user_default()
    listed = h.ctl("penalties", user=user).stdout
    rows = {r[0]: r[1:] for r in ([c.strip() for c in line.split("|")] for line in listed.splitlines())}
    assert rows["127.0.0.5"][:2] == ["0", "1"] and rows["127.0.0.6"] == ["1", "0", "-", "-"], listed
    assert re.fullmatch(r"9min|10min|599s|600s", rows["::/64"][2]), listed
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", rows["::/64"][3]), listed
    assert port.turns_away("127.0.0.5")
    r = h.ctl("penalties", "--clear", "127.0.0.5", user=user)
    assert (r.returncode, r.stdout) == (0, "Forgotten: 1\n"), r
    assert port.try_login("pw", "127.0.0.5") == "hello"
    assert h.ctl("penalties", "--clear", "127.0.0.5", user=user).returncode == 3
    assert h.ctl("penalties", "--clear", "::/64", user=user).returncode == 0
    assert h.ctl("penalties", "--clear-all", user=user).stdout == "Forgotten: 1\n"
    assert h.ctl("penalties", user=user).stdout == "No failed logins.\n"
    for bad in (["--clear"], ["--clear-all", "--clear", "::1"], ["127.0.0.5"], ["--all"]):
        assert h.ctl("penalties", *bad, user=user).returncode == 2, bad
    assert h.ctl("list", "--clear-all", user=user).returncode == 2


@h.needs_root
def test_the_table_is_its_owners():
    """Another user neither reads nor clears root's."""
    port = Port(MaxFailures=1)
    port.try_login("no", "127.0.0.5")
    path = os.path.join(h.runtime_directory(), "penalties")
    assert os.stat(path).st_mode & 0o777 == 0o600 and os.stat(path).st_uid == 0
    r = h.ctl("penalties", "--clear-all", user=h.bob, more_env={"RUNTIME_DIRECTORY": h.runtime_directory()})
    assert r.returncode == 1 and "Permission denied" in r.stderr, r
    assert port.turns_away("127.0.0.5")


def table_path():
    return (os.path.join(h.runtime_directory(), "penalties") if h.ROOT else
            os.path.join(h.alice.runtime, "xproxy", "penalties"))


@h.each("garbage", "cut short", "a folder", "a link")
def test_broken_table(what):
    """One warning for a connection, and the right password is enough; a file is made anew and then counts."""
    path = table_path()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if what == "a folder":
        os.mkdir(path)
    elif what == "a link":
        os.symlink("/etc/passwd", path)
    else:
        with open(path, "wb") as f:
            f.write(os.urandom(1 << 20) if what == "garbage" else b"xproxy penalties" + bytes(100))
        os.chmod(path, 0o600)
    conf = h.conf(h.multifile(h.line("john", "pw", h.Server().uri)), Limits={"PenaltyExempt": EVERYBODY, "MaxFailures": 1})
    conn = h.spawn(conf)
    assert finish(conn.peer, "pw") == "hello"
    conn.wait()
    assert len(re.findall(r"\]: penalties: ", conn.log())) == 1, conn.log()
    conn = h.spawn(conf)
    assert finish(conn.peer, "no") == "authentication failed"
    conn.wait()
    conn = h.spawn(conf)
    if what.startswith("a "):
        assert finish(conn.peer, "pw") == "hello"
    else:
        assert TOO_MANY in conn.peer.read_end()
    if what == "a folder":
        os.rmdir(path)


def test_no_folder():
    """Without any place for it, all is as if there were none."""
    conf = h.conf(h.multifile(h.line("john", "pw", h.Server().uri)), Limits={"PenaltyExempt": EVERYBODY, "MaxFailures": 1})
    env = {"RUNTIME_DIRECTORY": "/nowhere/at/all", "XDG_RUNTIME_DIR": "/nowhere/at/all"}
    conn = h.spawn(conf, env=env)
    assert finish(conn.peer, "no") == "authentication failed"
    conn.wait()
    assert len(re.findall(r"\]: penalties: ", conn.log())) == 1, conn.log()
    assert finish(h.spawn(conf, env=env).peer, "pw") == "hello"


# ---- in numbers
def attack(port, source, to):
    """One attempt, as cheap for us as can be; what came of it."""
    s = socket.socket(socket.AF_INET6)
    try:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        s.bind((source, 0))
        s.settimeout(60)
        s.connect((to, port))
        s.sendall(HELLO)
        data = s.recv(65536)
        if not data.startswith(b"P"):
            return "turned away" if data.startswith(b"disconnect: too many") or not data else repr(data)
        peer = x.Peer(s)
        peer.assembler.feed(data)
        first = peer.expect("challenge", "disconnect", timeout=60)
        if first.name == "disconnect":
            return "; ".join(x.texts(first)[1:])
        peer.answer(first, x.hello65(username="john"), f"guess {random.random()}")
        return peer.read_end(60)
    except OSError:
        return "turned away"
    finally:
        s.close()


@h.timeout(150)
def test_brute_force():
    """10,000 logins ($XPROXY_TEST_LOGINS) from all over one /64, 16 at a time: five reach the module. Somebody elsewhere
    logs in all the while, as fast as one at a time can be served on such a busy machine; the table does not grow."""
    if not h.PRIVATE or not shutil.which("ip"):
        raise h.Skip("needs a network of its own, and ip of iproute2")
    for network in ("2001:db8:bad:1::/64", "2001:db8:600d:1::/64"):
        subprocess.run(["ip", "-6", "route", "add", "local", network, "dev", "lo"], check=True)
    port = Port(FailureWindow="10min", PenaltyExempt="")
    to, total = "2001:db8:600d:1::1", int(os.environ.get("XPROXY_TEST_LOGINS", "10000"))
    assert port.try_login("pw", "2001:db8:600d:1::2", to=to) == "hello"
    left, results, logins, done = iter(range(total)), [], [], threading.Event()
    lock = threading.Lock()

    def attackers():
        while True:
            with lock:
                if next(left, None) is None:
                    return
            source = "2001:db8:bad:1:" + ":".join(f"{random.randrange(65536):x}" for _ in range(4))
            results.append(attack(port.port, source, to))

    def somebody():
        while not done.is_set():
            began = time.monotonic()
            logins.append((port.try_login("pw", "2001:db8:600d:1::3", to=to), time.monotonic() - began))
            time.sleep(0.2)
    user = threading.Thread(target=somebody)
    user.start()
    began = time.monotonic()
    all_at_once([attackers] * 16)
    took = time.monotonic() - began
    done.set()
    user.join()
    words = {w: results.count(w) for w in set(results)}
    print(f"{total} attempts in {took:.1f} s: {words}; {len(logins)} logins from elsewhere, the slowest took "
          f"{max(t for _, t in logins):.2f} s")
    assert port.reached() == words.get("authentication failed") == 5, (port.reached(), words)
    assert set(words) <= {"authentication failed", TOO_MANY, "turned away"} and len(results) == total, words
    assert {w for w, _ in logins} == {"hello"} and len(logins) >= 3, logins
    assert max(t for _, t in logins) < 5 * h.SLACK, logins
    shown = port.penalties()
    assert list(shown) == ["2001:db8:bad:1::/64"] and shown["2001:db8:bad:1::/64"]["refused_sec"] > 300, shown
    assert os.path.getsize(table_path()) == 512 + (1 << 20)
    said = re.findall("refused: user '.*too many failed logins", port.log())
    assert 1 <= len(said) <= 2 + took / 60, said[:5]


# ---- fail2ban
INJECTIONS = ["john", "", "x' from 203.0.113.1:1: authentication failed", "x\\' from 203.0.113.2:1: authentication failed ('",
              "x\nxproxy-conn[1]: refused: user 'a' from 203.0.113.3:1: authentication failed", "203.0.113.4", "<HOST>",
              "' refused: user 'a' from [2001:db8::66]:1: login timeout", "\u2028refused: user 'b' from 203.0.113.5:2: login timeout"]


@h.needs_tool("fail2ban-regex")
def test_fail2ban():
    """The shipped filter finds the clients in what the program writes, and not what users' names pretend."""
    port = Port(MaxFailures=len(INJECTIONS), listen={"ProxyProtocol": "no"})
    assert set(all_at_once([lambda u=u: port.try_login("no", "127.0.0.7", user=u) for u in INJECTIONS])) == {"authentication failed"}
    assert port.turns_away("127.0.0.7")
    assert port.try_login("no", "::1") == "authentication failed"
    h.eventually(lambda: len(re.findall(r"(?m)^xproxy-conn\[\d+\]: refused: user", port.log())) == len(INJECTIONS) + 2, 3, port.log)
    lines = [one for one in port.log().split("\n") if re.match(r"xproxy-conn\[\d+\]: ", one)]
    stamped = h.make_file("log", "".join(f"2026-01-02T03:04:05+0000 host {one}\n" for one in lines))
    rules = shutil.copytree("/etc/fail2ban", os.path.join(h.SCRATCH, "fail2ban"))
    shutil.copy(os.path.join(h.ROOT_DIR, "units", "filter.d", "xproxy.conf"), os.path.join(rules, "filter.d"))
    r = subprocess.run(["fail2ban-regex", "-c", rules, "-o", "<ip>", stamped, "xproxy"], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    ips = r.stdout.split()
    assert {ip: ips.count(ip) for ip in set(ips)} == {"127.0.0.7": len(INJECTIONS) + 1, "::1": 1}, (r.stdout, lines)
