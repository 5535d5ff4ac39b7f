# SPDX-License-Identifier: GPL-2.0-or-later
"""xproxyctl on a machine with a real systemd: units joined with control sockets, who may stop what, the socket
unit's counters, the journal, and what `check` says of units. A rig of tests/rig.py that shares this process'
network: clients and sessions are here, the program is there."""
import functools
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time

import harness as h
import xpranet as x

sys.path.insert(0, os.path.dirname(h.HERE))
from rig import Rig, RigError, why_not  # noqa: E402

SECONDS = 60
MANY = 200
FAST = 0.3  # seconds that a list of so many may take
PORT, USER_PORT = 14500, 14501
CTL = "/opt/xproxy/xproxyctl"
OWNER, OTHER = ("rigowner", 23001), ("rigother", 23002)

SOCKET = f"""[Socket]
ListenStream=127.0.0.1:{PORT}
Accept=yes
MaxConnections=1024
TriggerLimitIntervalSec=0
[Install]
WantedBy=sockets.target
"""
SERVICE = """[Unit]
Description=xpra proxy connection
CollectMode=inactive-or-failed
[Service]
ExecStart=/opt/xproxy/xproxy-conn
StandardInput=socket
StandardOutput=journal
StandardError=journal
NotifyAccess=main
SuccessExitStatus=3 4 5 6 7 8
TimeoutStopSec=5
MemoryAccounting=yes
CPUAccounting=yes
"""


class Machine:
    """The rig, and a session that everybody's records lead to."""

    def __init__(self):
        self.rig = Rig(f"ctl-{os.getpid()}-{h.SLOT}", [(h.BUILD, "/opt/xproxy", False)], net="shared")
        h.defer_to_end_of_file(self.rig.stop)
        self.rig.start()
        for name, uid in (OWNER, OTHER):
            self.rig.shell(f"useradd -u {uid} -m {name} && install -d -o {name} -m 700 /run/user/{uid}")
        self.rig.shell("id xproxy 2>/dev/null || useradd -r -M xproxy")
        self.units()
        self.rig.shell("systemctl enable --now xproxy.socket")

    def units(self, socket_unit=SOCKET, service=SERVICE):
        self.rig.put("/etc/systemd/system/xproxy.socket", socket_unit)
        self.rig.put("/etc/systemd/system/xproxy@.service", service)
        self.rig.shell("systemctl daemon-reload")

    def sessions(self, srv):
        """john's and mary's session is srv from now on."""
        self.rig.put("/etc/xproxy/users", "".join(f"{name}|pw|{user}|{user}|{srv.uri}\n" for name, user in
                                                 (("john", OWNER[0]), ("mary", OTHER[0]))), 0o600)
        self.rig.put("/etc/xproxy/xproxy.conf",
                     "[Auth]\nModule=multifile(filename=/etc/xproxy/users)\n[Relay]\nPingInterval=0\n", 0o600)

    def ctl(self, *args, user=None, env=()):
        """xproxyctl there; user: one of the two."""
        cmd = ["env", *env, CTL, *map(str, args)]
        if user:
            cmd = ["setpriv", f"--reuid={user[1]}", f"--regid={user[1]}", "--clear-groups", "env",
                   f"XDG_RUNTIME_DIR=/run/user/{user[1]}", f"HOME=/home/{user[0]}", *cmd[1:]]
        return subprocess.run(self.rig.command(*cmd), capture_output=True, text=True, timeout=30 * h.SLACK,
                              stdin=subprocess.DEVNULL)

    def rows(self, *args, user=None):
        r = self.ctl("list", "--json", *args, user=user)
        assert r.returncode == 0 and not r.stderr, (r.returncode, r.stderr)
        return json.loads(r.stdout)

    def alive(self):
        """The units that are there."""
        return self.rig.shell("systemctl list-units --plain --no-legend 'xproxy@*' | cut -d' ' -f1").stdout.split()

    def signal(self, pid, name):
        self.rig.shell(f"kill -{name} {pid}")


@functools.lru_cache(None)
def machine():
    reason = why_not()
    if reason:
        raise h.Skip(f"no machine with systemd: {reason}")
    if not h.PRIVATE:
        raise h.Skip("needs a network of its own: the port and the users are fixed")
    return Machine()


def on_machine(f):
    @functools.wraps(f)
    def run(*a):
        m = machine()
        h.defer(lambda: h.eventually(lambda: not m.alive(), 10, "all units are gone"))
        return f(m, *a)
    return run


def connect(port=PORT):
    """A client that has said nothing yet, as a Peer with the name of its end."""
    s = socket.create_connection(("127.0.0.1", port))
    peer = x.Peer(s)
    peer.name = "%s:%d" % s.getsockname()[:2]
    h.defer(peer.close)
    return peer


def login(m, srv, n=1, name="john", port=PORT):
    """n clients that are logged in, each with its unit known to xproxyctl."""
    peers = []
    for _ in range(n):
        peer = connect(port)
        p = peer.login(x.hello65(username=name), "pw")
        assert p.name == "hello", x.texts(p)
        peer.session = srv.get()
        peers.append(peer)

    def all_there():
        found = {row["peer"]: row for row in m.rows() if row["answered"]}
        return found if all(peer.name in found for peer in peers) else None
    found = h.eventually(all_there, 5, "every control socket answers")
    for peer in peers:
        peer.row = found[peer.name]
    return peers


def connected(m, **kw):
    srv = h.Server()
    m.sessions(srv)
    return login(m, srv, **kw)


# ---- list
@on_machine
def test_list_joins(m):
    """What the socket says and what systemd says, in one row."""
    peer = connected(m)[0]
    row = peer.row
    assert row["unit"] == f"xproxy@{row['unit'].split('@')[1]}" and row["unit"].endswith(f"-{peer.name}.service"), row
    assert row["uid"] == OWNER[1] and row["user"] == "john" and row["state"] == "connected", row
    assert row["pid"] == int(m.rig.shell(f"systemctl show -P MainPID '{row['unit']}'").stdout), row
    assert 100_000 < row["memory_bytes"] < 100_000_000, row
    if "[not set]" in m.rig.shell(f"systemctl show -P CPUUsageNSec '{row['unit']}'").stdout:
        assert "cpu_usec" not in row, row  # the host's cgroups are of version 1 and not as systemd expects them
    else:
        assert 0 < row["cpu_usec"] < 5_000_000, row
    assert row["socket_unit"]["name"] == "xproxy.socket" and row["socket_unit"]["connections"] == 1, row
    assert abs(row["since"] - time.time()) < 20, row
    with open(os.path.join(h.ROOT_DIR, "man", "xproxyctl.1")) as f:
        words = set(re.findall(r"\w+", f.read()))
    assert not {*row, *row["socket_unit"]} - words, f"not in the manual: {({*row, *row['socket_unit']}) - words}"
    text = m.ctl("list").stdout
    assert re.search(r"^ID +DISPLAY +USER .*MEMORY +(CPU +)?UNIT$", text, re.M) and row["unit"] in text, text
    accepted = row["socket_unit"]["accepted"]
    assert f"xproxy.socket: active, 1 connections, {accepted} accepted, 0 refused\n" in text, text


@on_machine
def test_list_login(m):
    """One that has not logged in yet has no socket: root sees it by its unit, nobody else does."""
    peer = connect()
    row = h.eventually(lambda: [r for r in m.rows() if r["peer"] == peer.name], 5, "the unit is listed")[0]
    assert row["state"] == "login" and not row["answered"] and row["pid"] > 1 and row["socket"] is None, row
    assert row["age"] < 20 and row["unit"].endswith(f"-{peer.name}.service"), row
    line = [one for one in m.ctl("list").stdout.split("\n") if one.startswith(f"{row['id']} ")][0]
    assert re.search(rf"{row['id']} +login +- +- +{peer.name} ", line), line
    assert m.rows(user=OWNER) == []
    assert m.rows("--user", "root") == []
    r = m.ctl("info", row["id"])
    assert r.returncode == 1 and "nobody is logged in there yet" in r.stderr, r


@on_machine
def test_list_without_control_socket(m):
    """A connection that could make no socket is in the list all the same, as one that is logged in."""
    srv = h.Server()
    m.sessions(srv)
    m.rig.put("/etc/xproxy/xproxy.conf", m.rig.get("/etc/xproxy/xproxy.conf") + "[Sessions]\nSocketDirs=/nonexistent/x\n")
    peer = connect()
    assert peer.login(x.hello65(username="john"), "pw").name == "hello"
    row = h.eventually(lambda: [r for r in m.rows() if r["peer"] == peer.name and r["state"] == "connected"], 5,
                       lambda: f"listed as connected: {m.rows()}")[0]
    assert row["socket"] is None and row["uid"] == OWNER[1] and row["user"] == "john", row
    assert row["upstream"] == f"tcp://127.0.0.1:{srv.port}", row
    assert [r["id"] for r in m.rows(user=OWNER)] == [row["id"]] and m.rows(user=OTHER) == []
    r = m.ctl("stop", "--user", OWNER[0])
    assert r.returncode == 0 and r.stdout == f"{row['id']} stopped\n", r


@h.timeout(120)
@on_machine
def test_list_of_many(m):
    """200 connections in units in 0.3 s, as root and as their user; with one that is stuck, less than a second more."""
    peers = connected(m, n=MANY)
    ids = {peer.row["id"] for peer in peers}

    def best(user, n=5):
        times = []
        for _ in range(n):
            began = time.monotonic()
            rows = m.rows(user=user)
            times.append(time.monotonic() - began)
        return min(times), {row["id"]: row for row in rows}
    for user in (None, OWNER):
        seconds, rows = best(user)
        assert set(rows) == ids, (user, len(rows), set(rows) ^ ids)
        bad = [row for row in rows.values() if not (row["state"] == "connected" and row["unit"] and row.get("memory_bytes"))]
        assert not bad, (user, len(bad), bad[:2])
        assert seconds < FAST * h.SLACK, f"{user}: {seconds:.3f} s for {MANY} connections"
    frozen = peers[3].row
    m.signal(frozen["pid"], "STOP")
    try:
        for user in (None, OWNER):
            seconds, rows = best(user, 2)
            assert {i for i, row in rows.items() if row["state"] == "stuck"} == {frozen["id"]}
            for key in ("unit", "peer", "user", "upstream", "uid"):
                assert rows[frozen["id"]][key] == frozen[key], f"what systemd knows of it is lost: {key}"
            assert seconds < FAST * h.SLACK + 0.7, f"{user}: {seconds:.3f} s with one that is stuck"
    finally:
        m.signal(frozen["pid"], "CONT")


# ---- stop
@h.each("display", "name", "pid", "unit", "service", "user", "account", "all")
def test_stop(how):
    stop(how)


@on_machine
def stop(m, how):
    """Each way to say which, as root; both peers hear why; it waits until the unit is gone."""
    mine, other = connected(m)[0], login(m, machine_session(m), name="mary")[0]
    row = mine.row
    args = {"display": [row["id"]], "name": [row["id"][1:]], "pid": [row["pid"]], "unit": [row["unit"][:-8]],
            "service": [row["unit"]], "user": ["--user", "john"], "account": ["--user", OWNER[0]], "all": ["--all"]}[how]
    r = m.ctl("stop", *args)
    assert r.returncode == 0 and f"{row['id']} stopped\n" in r.stdout, r
    assert mine.read_end(3) == "server shutdown; socket request"
    left = {one["id"] for one in m.rows()}
    assert left == (set() if how == "all" else {other.row["id"]}), left


def machine_session(m):
    """One more session, for the records from now on."""
    srv = h.Server()
    m.sessions(srv)
    return srv


@on_machine
def test_stop_login(m):
    """One that has not logged in is stopped by systemd."""
    peer = connect()
    row = h.eventually(lambda: [r for r in m.rows() if r["peer"] == peer.name], 5, "the unit is listed")[0]
    r = m.ctl("stop", row["id"])
    assert r.returncode == 0 and r.stdout == f"{row['id']} stopped\n", r
    assert row["unit"] not in m.alive()
    assert "server shutdown" in peer.read_end(3)


@on_machine
def test_stop_stuck(m):
    """One whose guard does not answer is stopped by systemd, in bounded time."""
    peer = connected(m)[0]
    m.signal(peer.row["pid"], "STOP")
    began = time.monotonic()
    r = m.ctl("stop", "--user", "john")
    assert r.returncode == 0 and r.stdout == f"{peer.row['id']} stopped\n", r
    assert time.monotonic() - began < 10 * h.SLACK and peer.row["unit"] not in m.alive()


@on_machine
def test_stop_as_another_user(m):
    """One's own, by its socket; another's is refused in one clear sentence and goes on, whatever it is called by."""
    mine = connected(m)[0]
    for name in (mine.row["id"], mine.row["pid"], mine.row["unit"]):
        r = m.ctl("stop", name, user=OTHER)
        assert r.returncode == 1 and not r.stdout, r
        assert re.fullmatch(rf"xproxyctl: {mine.row['id']} is not stopped: you may not stop it: that takes root, or a polkit "
                            r"rule for org\.freedesktop\.systemd1\.manage-units\n", r.stderr), r.stderr
    for args in (["--all"], ["--user", "john"], ["--user", OWNER[0]]):
        r = m.ctl("stop", *args, user=OTHER)
        assert r.returncode == 3, r
    r = m.ctl("info", mine.row["id"], user=OTHER)
    assert r.returncode == 1 and "another user's" in r.stderr, r
    mine.send_packet("bell", 1)
    mine.session.peer.expect("bell")
    r = m.ctl("stop", mine.row["unit"], user=OWNER)
    assert r.returncode == 0 and mine.read_end(3) == "server shutdown; socket request", r


@on_machine
def test_stop_own_stuck(m):
    """One's own that is stuck in a unit of the system is for root, or polkit, to stop."""
    peer = connected(m)[0]
    m.signal(peer.row["pid"], "STOP")
    try:
        r = m.ctl("stop", peer.row["id"], user=OWNER)
        assert r.returncode == 1 and "you may not stop it" in r.stderr, r
    finally:
        m.signal(peer.row["pid"], "CONT")


@on_machine
def test_socket_of_another_names_a_unit(m):
    """A socket that another user has named after a connection does not get its unit stopped."""
    victim = connected(m)[0]
    name = f"/run/user/{OTHER[1]}/xpra/rig-{m.rig.name}-proxy-{victim.row['pid']}"
    m.rig.shell(f"install -d -o {OTHER[0]} -m 700 /run/user/{OTHER[1]}/xpra")
    script = (f"import socket,time; s = socket.socket(socket.AF_UNIX); s.bind({name!r}); s.listen(8); time.sleep(20)")
    m.rig.shell(f"systemd-run --quiet --collect --unit=liar --uid={OTHER[0]} python3 -c {shlex.quote(script)}")
    h.defer(lambda: m.rig.shell(f"systemctl stop liar; rm -f {name}", check=False))
    h.eventually(lambda: m.rig.shell(f"test -S {name}", check=False).returncode == 0, 5, "the socket")
    other = login(m, machine_session(m), name="mary")[0]  # without one of his, nobody looks there
    r = m.ctl("stop", "--user", OTHER[0])
    assert r.returncode == 0 and r.stdout == f"{other.row['id']} stopped\n", r
    row = [one for one in m.rows() if one["pid"] == victim.row["pid"]]
    assert len(row) == 1 and row[0]["uid"] == OWNER[1] and row[0]["unit"] == victim.row["unit"], row
    victim.send_packet("bell", 1)
    victim.session.peer.expect("bell")


# ---- a user's own manager
@on_machine
def test_user_manager(m):
    """Units of `systemctl --user`: their owner sees them, one that is not logged in too, and may stop them."""
    srv = h.Server()
    home = f"/home/{OWNER[0]}"
    m.rig.put(f"{home}/users", f"john|pw|{OWNER[0]}|{OWNER[0]}|{srv.uri}\n", 0o600)
    m.rig.put(f"{home}/xproxy.conf", f"[Auth]\nModule=multifile(filename={home}/users)\n[Relay]\nPingInterval=0\n")
    m.rig.put(f"{home}/.config/systemd/user/xproxy.socket", SOCKET.replace(str(PORT), str(USER_PORT)))
    m.rig.put(f"{home}/.config/systemd/user/xproxy@.service", SERVICE.replace("xproxy-conn", f"xproxy-conn -c {home}/xproxy.conf"))
    m.rig.shell(f"chown -R {OWNER[0]} {home}; loginctl enable-linger {OWNER[0]}; "
                f"systemctl start user@{OWNER[1]}; systemctl --user -M {OWNER[0]}@ start xproxy.socket")
    h.defer(lambda: m.rig.shell(f"systemctl --user -M {OWNER[0]}@ stop xproxy.socket 'xproxy@*'; "
                                f"loginctl disable-linger {OWNER[0]}; install -d -o {OWNER[0]} -m 700 /run/user/{OWNER[1]}",
                                check=False))
    silent = connect(USER_PORT)
    peer = connect(USER_PORT)
    assert peer.login(x.hello65(username="john"), "pw").name == "hello"
    rows = h.eventually(lambda: found if len(found := {r["peer"]: r for r in m.rows(user=OWNER)}) == 2 and
                        found[peer.name]["answered"] else None, 5, lambda: f"both are listed: {m.rows(user=OWNER)}")
    assert {row["manager"] for row in rows.values()} == {"user"}, rows
    assert rows[silent.name]["state"] == "login" and rows[peer.name]["state"] == "connected", rows
    assert "xproxy.socket: active, 2 connections, 2 accepted, 0 refused" in m.ctl("list", user=OWNER).stdout
    assert m.rows(user=OTHER) == []
    assert [r["peer"] for r in m.rows()] == [peer.name], "root sees the socket"
    r = m.ctl("check", user=OWNER)
    assert re.search(rf"^ok +xproxy.socket: listens on 127.0.0.1:{USER_PORT} \(user manager\), ", r.stdout, re.M), r
    r = m.ctl("stop", "--all", user=OWNER)
    assert r.returncode == 0 and r.stdout.count(" stopped\n") == 2, r
    assert peer.read_end(3) == "server shutdown; socket request"


# ---- metrics
def families(text):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
    return {(s.name, *sorted(s.labels.values())): s.value for f in text_string_to_metric_families(text) for s in f.samples}


@on_machine
def test_metrics(m):
    """States, the socket unit's counters, and how logins went, from the journal."""
    def get(user=None):
        r = m.ctl("metrics", user=user)
        assert r.returncode == 0, r
        return families(r.stdout)
    before = get()
    peer = connected(m)[0]
    wrong = connect()
    wrong.login(x.hello65(username="john"), "not it")
    wrong.read_end(3)
    stranger = connect()
    stranger.send_raw(b"GET / HTTP/1.1\r\n\r\n")
    stranger.read_end(3)
    silent = connect()
    h.eventually(lambda: get()[("xproxy_connections", "login")] == 1, 5, lambda: f"one is not logged in: {get()}")

    def grown(*key):
        return get()[key] - before.get(key, 0)
    h.eventually(lambda: grown("xproxy_logins_total", "auth") == 1 and grown("xproxy_logins_total", "accepted") == 1 and
                 grown("xproxy_logins_total", "protocol") == 1, 5, lambda: f"the journal tells: {get()}")
    now = get()
    assert now[("xproxy_connections", "connected")] == 1 and now[("xproxy_journal_readable",)] == 1, now
    assert grown("xproxy_socket_accepted_total", "xproxy.socket") == 4, now
    assert now[("xproxy_socket_connections", "xproxy.socket")] == 2, now
    assert peer and silent


@on_machine
def test_metrics_do_not_believe_everybody(m):
    """A user who writes records like ours into the journal changes no number of root's; and reads none himself."""
    key = ("xproxy_logins_total", "accepted")
    before = families(m.ctl("metrics").stdout).get(key, 0)
    m.rig.shell(f"printf 'MESSAGE=login: a lie\\nMESSAGE_ID=d33155e5520a462f945f040781b44902\\n' | "
                f"setpriv --reuid={OTHER[1]} --regid={OTHER[1]} --clear-groups logger --journald && journalctl --sync")
    assert "a lie" in m.rig.shell("journalctl MESSAGE_ID=d33155e5520a462f945f040781b44902").stdout, "it was not written"
    assert families(m.ctl("metrics").stdout)[key] == before
    got = families(m.ctl("metrics", user=OTHER).stdout)
    assert got.get(key, 0) in (0, 1) and got[("xproxy_connections", "connected")] == 0, got


# ---- check
def problems(r):
    return re.findall(r"^(warning|error) +(xproxy[^:]+): (.*)$", r.stdout, re.M)


@on_machine
def test_check_good(m):
    m.sessions(h.Server())
    for user in (None, OTHER):
        r = m.ctl("check", user=user)
        assert r.returncode == 0 and not problems(r), r.stdout
        assert f"listens on 127.0.0.1:{PORT} (system manager), for at most 1024 connections\n" in r.stdout, r.stdout
        assert "xproxy@.service: starts /opt/xproxy/xproxy-conn\n" in r.stdout, r.stdout


@h.each("stopped", "disabled", "trigger limit", "failed", "accept", "program", "not installed", "bad unit")
def test_check_finds(case):
    check_finds(case)


@on_machine
def check_finds(m, case):
    """What is wrong with the units, and what to do; and that it is right again afterwards."""
    m.sessions(h.Server())
    h.defer(lambda: (m.units(), m.rig.shell("systemctl reset-failed xproxy.socket; systemctl enable --now xproxy.socket",
                                            check=False), m.rig.shell("systemctl restart xproxy.socket")))
    if case == "stopped":
        m.rig.shell("systemctl stop xproxy.socket")
    if case == "disabled":
        m.rig.shell("systemctl disable xproxy.socket")
    if case in ("trigger limit", "failed"):
        m.units(SOCKET.replace("TriggerLimitIntervalSec=0", "TriggerLimitIntervalSec=60\nTriggerLimitBurst=5"))
        m.rig.shell("systemctl restart xproxy.socket")
    if case == "failed":
        for _ in range(8):
            try:
                connect().close()
            except OSError:
                break
        h.eventually(lambda: m.rig.shell("systemctl is-failed xproxy.socket", check=False).returncode == 0, 5, "it fails")
    if case == "accept":
        m.units(SOCKET.replace("Accept=yes", "Service=xproxy@1.service"))
    if case == "program":
        m.units(service=SERVICE.replace("/opt/xproxy/xproxy-conn", "/opt/xproxy/nothing"))
    if case == "not installed":
        m.rig.shell("systemctl disable --now xproxy.socket; rm /etc/systemd/system/xproxy*; systemctl daemon-reload")
    if case == "bad unit":
        m.units(SOCKET.replace("ListenStream", "Listen"))
    level, what, words = {
        "stopped": ("error", "xproxy.socket", "it is inactive and nobody can connect: systemctl enable --now"),
        "disabled": ("warning", "xproxy.socket", "disabled.*systemctl enable xproxy.socket"),
        "trigger limit": ("warning", "xproxy.socket", "more than 5 connections within 60000 ms.*TriggerLimitIntervalSec=0"),
        "failed": ("error", "xproxy.socket", r"has failed \(trigger-limit-hit\).*systemctl restart"),
        "accept": ("error", "xproxy.socket", "Accept=yes"),
        "program": ("error", "xproxy@.service", "/opt/xproxy/nothing: No such file"),
        "not installed": ("error", "xproxy.socket", "it is not installed.*daemon-reload"),
        "bad unit": ("error", "xproxy.socket", "bad-setting: systemctl status"),
    }[case]
    r = m.ctl("check")
    assert any(p[0] == level and p[1] == what and re.search(words, p[2]) for p in problems(r)), r.stdout
    assert r.returncode == (1 if any(p[0] == "error" for p in problems(r)) else 0), r


def test_rig_errors_are_failures():
    """A rig that cannot boot where one can be is a failure, not a skip."""
    assert issubclass(RigError, Exception) and not issubclass(RigError, h.Skip)
