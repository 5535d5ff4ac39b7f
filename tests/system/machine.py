# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with a real systemd (tests/rig.py) on which xproxy is installed as `make install` does it, with two
users; its network is that of the test, so clients of either kind connect to 127.0.0.1."""
import functools
import json
import os
import re
import socket
import subprocess
import sys
import time

import harness as h
import xpranet

sys.path.insert(0, os.path.dirname(h.HERE))
import rig  # noqa: E402 - it lies one folder up

CONF = "/etc/xproxy/xproxy.conf"
DROPIN = "/etc/systemd/system/xproxy.socket.d/test.conf"


class Machine(rig.Rig):
    def install(self):
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        r = subprocess.run(["make", "-C", h.ROOT_DIR, "install", f"B={h.BUILD}", f"DESTDIR={self.root}", "prefix=/usr"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        assert r.returncode == 0, r.stdout
        self.shell("systemd-sysusers && systemd-tmpfiles --create xproxy.conf && journalctl --update-catalog && "
                   "systemctl daemon-reload")

    def add_user(self, name):
        self.shell(f"id {name} >/dev/null 2>&1 || useradd --create-home {name}; usermod -s /bin/sh {name}; "
                   f"mkdir -p /home/{name} && chown {name}: /home/{name} && loginctl enable-linger {name}")
        uid = int(self.shell(f"id -u {name}").stdout)
        h.eventually(lambda: os.path.exists(f"{self.root}/run/user/{uid}/systemd/private"), 20, f"{name}'s own systemd")
        return uid

    def configure(self, text):
        self.put(CONF, text)

    def restart_socket(self, dropin=""):
        """Starts the socket afresh, with these lines in a drop-in."""
        self.put(DROPIN, dropin)
        self.shell("systemctl daemon-reload; systemctl reset-failed; systemctl restart xproxy.socket")

    def units(self, pattern="xproxy@*"):
        out = self.shell(f"systemctl list-units --all --plain --no-legend '{pattern}'").stdout
        return [line.split()[0] for line in out.splitlines() if line.strip()]

    def show(self, unit, *properties):
        out = self.shell(f"systemctl show '{unit}' -p {','.join(properties)}").stdout
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def journal(self, *match):
        """Records as dicts, oldest first."""
        args = " ".join(f"'{m}'" for m in match)
        out = self.shell(f"journalctl --sync; journalctl --no-pager -o json {args}").stdout
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def end_connections(self):
        self.shell("systemctl stop 'xproxy@*'", check=False)
        h.eventually(lambda: not self.units(), 10, lambda: f"units left: {self.units()}")


@functools.lru_cache(None)
def boot():
    """The machine of this test file: booted, installed, alice and bob there, xproxy.socket enabled and started."""
    reason = rig.why_not()
    if reason:
        raise h.Skip(reason)
    if not h.PRIVATE:
        raise h.Skip("needs namespaces of its own, for the port")
    if h.ASAN:
        raise h.Skip("the address sanitizer needs what the unit forbids")
    m = Machine(f"test{os.getpid()}-{h.SLOT}-{time.monotonic_ns() % 1000000}", net="shared")
    h.defer_to_end_of_file(m.stop)
    m.start()
    m.install()
    m.uids = {name: m.add_user(name) for name in ("alice", "bob")}
    m.shell("systemctl enable --now xproxy.socket")
    return m


def needs_machine(f):
    @functools.wraps(f)
    def run(*a):
        return f(boot(), *a)
    run.timeout = getattr(f, "timeout", 60)
    return run


def client(source=None, port=14500, address="127.0.0.1"):
    """A scripted client, connected from this address."""
    s = socket.create_connection((address, port), timeout=20, source_address=(source, 0) if source else None)
    s.settimeout(None)
    peer = xpranet.Peer(s, xpranet.RENCODE)
    h.defer(peer.close)
    return peer


def log_in(user="bob", password="pw", **where):
    """A scripted client that got its hello through."""
    peer = client(**where)
    p = peer.login(xpranet.hello31(username=user), password, timeout=30)
    assert p.name == "hello", xpranet.texts(p)
    return peer


def catching_words(peer):
    """The words of the disconnect that this client gets before its connection ends."""
    while True:
        p = xpranet.texts(peer.read_packet(20))
        if p[0] in ("disconnect", "connection-close"):
            return " ".join(p[1:])


class RealSession:
    """`xpra start` of the machine's user, as a unit of its own there; the harness's RealClient shows it."""

    def __init__(self, m, user, number):
        self.m, self.user, self.n, self.unit = m, user, number, f"session-{user}-{number}"
        self.title = f"HELLO-{user}-{number}"
        xauth = f"/home/{user}/.Xauthority-{number}"
        m.shell("mkdir -p -m 1777 /tmp/.X11-unix")
        m.spawn(self.unit, "xpra", "start", f":{number}", "--daemon=no", "--systemd-run=no",
                f"--start=xterm -T {self.title} -e cat", *h.QUIET, "--dbus-launch=", "--html=off",
                f"--xvfb=/usr/bin/Xvfb +extension Composite -screen 0 1600x1200x24+32 -nolisten tcp -noreset -auth {xauth}",
                user=user, env={"XAUTHORITY": xauth, "LC_ALL": "C.UTF-8"})
        h.eventually(lambda: "xpra is ready" in self.log(), 40, lambda: f"xpra start: {self.log()[-2000:]}", 0.2)

    def log(self):
        return self.m.shell(f"journalctl --no-pager -o cat -u {self.unit}").stdout

    def stop(self):
        self.m.shell(f"systemctl stop {self.unit}", check=False)


def uid_of(pid):
    return int(h.status(pid)["Uid"].split()[0])


def inner_pid(pid):
    """A process of the machine, as the machine numbers it."""
    return int(h.status(pid)["NSpid"].split()[-1])


def processes(name="xproxy"):
    """Live processes whose name begins so, on the machine (and below the test)."""
    return [pid for pid in h.descendants(os.getpid()) if (s := h.stat(pid)) and s["state"] != "Z" and s["comm"].startswith(name)]


def matching(text, pattern):
    return [line for line in text.splitlines() if re.search(pattern, line)]


def name_of_uid_in(m, uid):
    return m.shell(f"id -un {uid}").stdout.strip()
