# SPDX-License-Identifier: GPL-2.0-or-later
"""The installed units, under a real systemd as PID 1: what an administrator does with them and sees of them."""
import glob
import os
import re
import socket
import subprocess
import time

import harness as h
import machine
import websocket
import xpranet
from machine import needs_machine

SECONDS = 80
MULTIFILE = """[Auth]
Module=multifile(filename=/etc/xproxy/users)
"""


def configure(m, users, more=""):
    m.put("/etc/xproxy/users", users, 0o600)
    m.configure(MULTIFILE + more)


def scripted(m, more="", **kw):
    """A scripted session that bob's name and password lead to, as the machine's alice."""
    server = h.Server("3.1.3", **kw)
    configure(m, f"bob|pw|alice|alice|{server.uri}||\n", more)
    return server


@h.needs_xpra
@needs_machine
@h.timeout(90)
def test_attach(m):
    """systemctl enable --now; a real client attaches to a real session; the unit is the user's; its status, its
    journal; and after the detach nothing is left."""
    assert m.shell("systemctl is-enabled xproxy.socket").stdout.strip() == "enabled"
    assert m.shell("systemctl is-active xproxy.socket").stdout.strip() == "active"
    session = machine.RealSession(m, "alice", 150)
    configure(m, "foo|secret|alice|alice|:150||\n")
    client = h.RealClient("tcp://foo:secret@127.0.0.1:14500/")
    client.attached(session.title)
    unit = h.eventually(m.units, 5, "a unit for the connection")[0]
    shown = h.eventually(lambda: (s := m.show(unit, "ActiveState", "SubState", "StatusText", "Slice", "MainPID"))
                         ["StatusText"] and s, 3)
    assert (shown["ActiveState"], shown["SubState"], shown["Slice"]) == ("active", "running", "xproxy.slice"), shown
    assert shown["StatusText"] == "foo → :150 (tcp, rencode)", shown
    assert 'Status: "foo → :150 (tcp, rencode)"' in m.shell(f"systemctl status '{unit}'").stdout
    owners = {machine.uid_of(pid) for pid in machine.processes()}
    assert m.uids["alice"] in owners and 0 not in owners, owners
    main = [pid for pid in machine.processes() if str(machine.inner_pid(pid)) == shown["MainPID"]]
    assert main and machine.uid_of(main[0]) == m.uids["alice"], shown
    control = glob.glob(f"{m.root}/run/user/{m.uids['alice']}/xpra/*-proxy-*")
    assert [os.path.basename(c).rsplit("-", 1)[1] for c in control] == [shown["MainPID"]], control
    for who in (None, "alice"):
        out = m.run("xproxyctl", "list", user=who).stdout
        assert "foo" in out and ":150" in out, out
    out = m.run("xproxyctl", "list", user="bob", check=False).stdout
    assert ":150" not in out, out
    client.detach()
    h.eventually(lambda: not m.units(), 5, lambda: f"units left: {m.units()}")
    assert not machine.processes(), machine.processes()
    assert not glob.glob(f"{m.root}/run/user/*/xpra/*-proxy-*"), "the control socket is still there"
    assert not m.shell("systemctl list-units --failed --no-legend 'xproxy*'").stdout.strip()
    login, end = (m.journal("-u", "xproxy@*", f"XPROXY_EVENT={event}")[-1] for event in ("login", "end"))
    assert login["_SYSTEMD_UNIT"] == end["_SYSTEMD_UNIT"] == unit, (login, end)
    assert login["XPROXY_USER"] == "foo" and login["XPROXY_MODULE"] == "multifile" and login["XPROXY_UPSTREAM"] == ":150", login
    assert re.fullmatch(r"127\.0\.0\.1:\d+", login["XPROXY_PEER"]), login
    assert int(end["XPROXY_BYTES_IN"]) > 1000 and int(end["XPROXY_BYTES_OUT"]) > 1000, end
    assert int(end["XPROXY_DURATION_USEC"]) > 0 and end["XPROXY_END"] and end["MESSAGE_ID"] != login["MESSAGE_ID"], end
    explained = m.shell(f"journalctl --no-pager -x MESSAGE_ID={login['MESSAGE_ID']} -n 1").stdout
    assert "Subject: foo logged in" in explained, explained
    session.stop()


@needs_machine
def test_browsers(m):
    """Within what the unit allows: files, a WebSocket to a session, and another web server, after which the unit is
    the unprivileged user's."""
    def peer():
        p = xpranet.Peer(socket.create_connection(("127.0.0.1", 14500)))
        h.defer(p.close)
        return p
    page = "GET /js/client.js HTTP/1.1\r\nHost: x\r\n\r\n"
    m.shell("mkdir -p /srv/www/js && echo let client > /srv/www/js/client.js && chmod -R a+rX /srv/www")
    server = scripted(m, "[Listen]\nHTMLRoot=/srv/www\n")
    assert websocket.plain_request(peer().sock, page)[::2] == (200, b"let client\n")
    p = peer()
    p.start_websocket()
    assert p.login(xpranet.hello31(username="bob"), "pw").name == "hello"
    server.get()
    site = h.Dead(lambda s: s.sendall(b"HTTP/1.0 200 OK\r\n\r\nthe site"))
    configure(m, "", f"[Listen]\nHTTPBackend=127.0.0.1:{site.port}\n")
    p = peer()
    p.sock.sendall(page.encode())
    assert p.sock.recv(1000).endswith(b"the site")
    unit = next(u for u in m.units() if "http" in m.show(u, "StatusText")["StatusText"])
    shown = m.show(unit, "StatusText", "MainPID")
    assert shown["StatusText"].endswith(f" → 127.0.0.1:{site.port} (http)"), shown
    main = [pid for pid in machine.processes() if str(machine.inner_pid(pid)) == shown["MainPID"]]
    assert main and machine.uid_of(main[0]) == int(m.shell("id -u xproxy").stdout), shown


@needs_machine
def test_catalog(m):
    """Every event has an explanation."""
    known = m.shell("journalctl --list-catalog --no-pager").stdout
    with open(os.path.join(h.ROOT_DIR, "units", "xproxy.catalog"), encoding="utf8") as f:
        ids = re.findall(r"^-- ([0-9a-f]{32})$", f.read(), re.M)
    assert len(ids) >= 5
    for one in ids:
        assert one in known, f"{one} is not in the catalog of the machine"


@needs_machine
def test_slow_login_is_no_failure(m):
    """Who has not logged in yet: an active unit, no pending job; and when the time is up no failed one."""
    scripted(m, "[Limits]\nLoginTimeout=2s\nChallengeTimeout=2s\n")
    peers = [machine.client() for _ in range(5)]
    for p in peers[1:]:
        p.hello(xpranet.hello31(username="bob"))
        assert p.expect("challenge")
    units = h.eventually(lambda: len(u := m.units()) == 5 and u, 5, lambda: m.units())
    shown = [m.show(u, "ActiveState", "SubState", "StatusText") for u in units]
    assert {(s["ActiveState"], s["SubState"]) for s in shown} == {("active", "running")}, shown
    assert sorted(s["StatusText"] for s in shown) == [""] + 4 * ["logging in"], shown
    assert "No jobs" in m.shell("systemctl list-jobs").stdout, m.shell("systemctl list-jobs").stdout
    h.eventually(lambda: not m.units(), 6, lambda: f"after the login timeout: {m.units()}")
    assert not m.shell("systemctl --failed --no-legend").stdout.strip()
    assert not [u for u in units if matching_log(m, f"{u}: Failed")]
    assert peers


def matching_log(m, pattern):
    return machine.matching(m.shell("journalctl --no-pager -o cat -u 'xproxy@*'").stdout, pattern)


@needs_machine
def test_ready(m):
    """READY=1 is sent, at the login and not before: with Type=notify the unit is `activating` until then. (And who leaves
    before is a failed unit, which is why the service has another type.)"""
    server = scripted(m)
    dropin = "/etc/systemd/system/xproxy@.service.d/notify.conf"
    m.put(dropin, "[Service]\nType=notify\nTimeoutStartSec=infinity\n")
    h.defer(m.shell, f"rm {dropin}; systemctl daemon-reload")
    m.shell("systemctl daemon-reload")
    peer = machine.client()
    unit = h.eventually(m.units, 5)[0]
    caps = xpranet.hello31(username="bob")
    peer.hello(caps)
    challenge = peer.expect("challenge")
    assert m.show(unit, "ActiveState", "StatusText") == {"ActiveState": "activating", "StatusText": "logging in"}
    peer.answer(challenge, caps, "pw")
    peer.expect("hello")
    h.eventually(lambda: m.show(unit, "ActiveState")["ActiveState"] == "active", 3)
    assert server.get()
    peer.close()
    h.eventually(lambda: not m.units(), 5)
    machine.client().close()
    h.eventually(lambda: matching_log(m, "Failed with result 'protocol'"), 5)


@needs_machine
def test_wrong_password_is_no_failure(m):
    """A refusal has its line in the journal, and its unit is gone without having failed."""
    scripted(m)
    peer = machine.client()
    p = peer.login(xpranet.hello31(username="bob"), "wrong", timeout=10)
    assert p.name == "disconnect", p
    units = m.units() or [m.journal("-u", "xproxy@*")[-1]["_SYSTEMD_UNIT"]]
    h.eventually(lambda: not m.units(), 5, lambda: m.units())
    refused = m.journal("-u", "xproxy@*", "XPROXY_EVENT=refused")[-1]
    assert refused["XPROXY_USER"] == "bob" and "authentication failed" in refused["MESSAGE"], refused
    assert not m.shell("systemctl list-units --failed --no-legend").stdout.strip()
    assert not matching_log(m, rf"{units[0]}: Failed")


@needs_machine
def test_bad_configuration_fails(m):
    """That one is a failure of the service, and says where."""
    m.configure("[Auth]\nModul=allow\n")
    peer = machine.client()
    peer.read_all(5)
    h.eventually(lambda: not m.units(), 5, lambda: m.units())
    assert matching_log(m, r"xproxy.conf:2"), matching_log(m, "")[-5:]
    assert matching_log(m, r"Failed with result 'exit-code'")


@needs_machine
def test_what_the_unit_gives(m):
    """The directives have taken effect: in the guard before the login, which has the most."""
    server = scripted(m)
    peer = machine.client()
    unit = h.eventually(m.units, 5)[0]
    pid = h.eventually(lambda: [p for p in machine.processes("xproxy-conn") if machine.uid_of(p) == 0], 5)[0]
    s = h.status(pid)
    assert int(s["CapBnd"], 16) == int(s["CapEff"], 16) == 1 << 5 | 1 << 6 | 1 << 7, s  # KILL, SETGID, SETUID
    assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2", s
    worker = h.eventually(lambda: machine.processes("xproxy-worker"), 5)[0]
    assert machine.name_of_uid_in(m, machine.uid_of(worker)) == "xproxy"
    assert int(h.status(worker)["CapEff"], 16) == 0
    with open(f"/proc/{pid}/mountinfo", encoding="utf8") as f:
        assert "hidepid=invisible" in f.read()
    shown = m.show(unit, "TasksCurrent", "MemoryMax", "CollectMode", "LimitCORE")
    assert shown["TasksCurrent"] == "2" and shown["MemoryMax"] == str(256 << 20) and shown["LimitCORE"] == "0", shown
    assert peer.login(xpranet.hello31(username="bob"), "pw").name == "hello", "it does not work in there"
    assert server.get()
    peer.close()


PROBE = """import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    return errno.errorcode[ctypes.get_errno()] if libc.syscall(number, *args) < 0 else 'ok'
def attempt(f, *args):
    try:
        f(*args)
    except OSError as e:
        return errno.errorcode[e.errno]
    return 'ok'
print('io_uring', call(425, 1, 0), 'userfaultfd', call(323, 0), 'unshare', call(272, 0x20000000), 'mount', call(165, 0, 0, 0, 0, 0),
      'netlink', attempt(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW), 'unix', attempt(socket.socket, socket.AF_UNIX),
      'tunable', attempt(os.stat, '/proc/sys/kernel/core_pattern'),
      'setuid', attempt(os.setuid, 65534), 'runtime', attempt(os.listdir, '/run/user'))
"""


@needs_machine
def test_what_the_unit_takes(m):
    """Another program in the same unit tries what the guard must not do, and what it has to; as root there, first."""
    if os.uname().machine != "x86_64":
        raise h.Skip("the probe has the numbers of x86-64's system calls")
    dropin = "/etc/systemd/system/xproxy@.service.d/probe.conf"
    m.put("/usr/local/lib/probe.py", PROBE)
    m.put(dropin, "[Service]\nExecStart=\nExecStart=/usr/bin/python3 -B /usr/local/lib/probe.py\nStandardOutput=socket\n")
    h.defer(m.shell, f"rm {dropin}; systemctl daemon-reload")
    m.shell("systemctl daemon-reload")
    said = b""
    with socket.create_connection(("127.0.0.1", 14500), timeout=20) as s:
        while data := s.recv(4096):
            said += data
    words = said.decode().split()
    assert dict(zip(words[::2], words[1::2])) == {
        "io_uring": "EPERM", "userfaultfd": "EPERM", "unshare": "EPERM", "mount": "EPERM", "netlink": "EAFNOSUPPORT", "unix": "ok",
        "tunable": "ENOENT", "setuid": "ok", "runtime": "ok"}, words


@needs_machine
def test_stop_socket(m):
    """systemctl stop xproxy.socket: nobody new gets in; who is in stays, and can be worked with."""
    server = scripted(m)
    peer = machine.log_in()
    session = server.get()
    m.shell("systemctl stop xproxy.socket")
    try:
        machine.client()
        raise AssertionError("the port is still open")
    except ConnectionRefusedError:
        pass
    time.sleep(0.5)
    session.peer.send_packet("bell", 1, 2, 3, 4, 5, 6, "still here")
    assert "still here" in xpranet.texts(peer.expect("bell"))
    assert len(m.units()) == 1
    m.shell("systemctl start xproxy.socket")
    machine.log_in().close()
    peer.close()


@needs_machine
def test_stop_connections(m):
    """systemctl stop 'xproxy@*': both peers are told, and it does not take long; the socket goes on."""
    server = scripted(m)
    peers = [machine.log_in() for _ in range(3)] + [machine.client()]
    sessions = [server.get() for _ in range(3)]
    h.eventually(lambda: len(m.units()) == 4, 5)
    began = time.monotonic()
    m.shell("systemctl stop 'xproxy@*'")
    took = time.monotonic() - began
    assert took < 3 * h.SLACK, f"it took {took:.1f} s"
    assert not m.units() and not machine.processes(), (m.units(), machine.processes())
    for p in peers[:3] + [s.peer for s in sessions]:
        words = machine.catching_words(p)
        assert "server shutdown" in words, words
    assert not m.shell("systemctl --failed --no-legend").stdout.strip()
    assert not glob.glob(f"{m.root}/run/user/*/xpra/*-proxy-*")
    machine.log_in().close()


@needs_machine
def test_kill_main(m):
    """The guard killed from outside: the unit ends, with its worker and its socket file."""
    scripted(m)
    peer = machine.log_in()
    h.eventually(lambda: glob.glob(f"{m.root}/run/user/*/xpra/*-proxy-*"), 5, "the control socket")
    unit = m.units()[0]
    m.shell(f"systemctl kill --kill-whom=main -s KILL '{unit}'")
    h.eventually(lambda: not m.units() and not machine.processes(), 6, lambda: (m.units(), machine.processes()))
    assert not glob.glob(f"{m.root}/run/user/*/xpra/*-proxy-*"), "the control socket is still there"
    peer.close()


@needs_machine
@h.timeout(90)
def test_reboot(m):
    """The machine restarts: clients are told; it is quick; the socket is there again by itself."""
    server = scripted(m)
    peer = machine.log_in()
    session = server.get()
    began = time.monotonic()
    m.shell("systemctl reboot", check=False)
    words = machine.catching_words(peer)
    assert "server shutdown" in words, words
    assert "server shutdown" in machine.catching_words(session.peer)
    m.wait_down(30)
    took = time.monotonic() - began
    m.start()
    assert took < 10 * h.SLACK, f"going down took {took:.1f} s"
    assert m.shell("systemctl is-active xproxy.socket").stdout.strip() == "active"
    machine.log_in().close()


@needs_machine
def test_verify(m):
    """systemd-analyze verify has nothing to say, in both managers."""
    for folder, user, options in (("system", None, []), ("user", "alice", ["--user"])):
        units = [f"/usr/lib/systemd/{folder}/{u}" for u in ("xproxy.socket", "xproxy@.service")]
        r = m.run("systemd-analyze", *options, "verify", "--man=no", *units, user=user, check=False)
        assert r.returncode == 0 and not r.stdout.strip(), r.stdout


def test_install_and_uninstall():
    """What is installed under any prefix names that prefix, and all of it goes again."""
    top = h.make_dir("destdir")
    make = ["make", "-s", "-C", h.ROOT_DIR, f"B={h.BUILD}", f"DESTDIR={top}", "prefix=/opt/xproxy", "sysconfdir=/opt/etc"]
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    subprocess.run(make + ["install"], check=True, env=env, stdout=subprocess.DEVNULL)
    with open(f"{top}/opt/xproxy/lib/systemd/system/xproxy@.service", encoding="utf8") as f:
        program = re.search(r"^ExecStart=(\S+)", f.read(), re.M).group(1)
    assert os.access(top + program, os.X_OK), program
    subprocess.run(make + ["uninstall"], check=True, env=env, stdout=subprocess.DEVNULL)
    left = [os.path.join(d, f) for d, _, files in os.walk(top) for f in files]
    assert not left, left
