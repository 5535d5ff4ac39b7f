# SPDX-License-Identifier: GPL-2.0-or-later
"""The session broker for X2Go clients under a real systemd, with the shipped units: on the port of all clients, on its
own, by way of sshd; with an agent that is asked by ssh, as a service that may do next to nothing, or on this machine."""
import functools
import os
import re
import subprocess

import harness as h
import machine
import x2go
from machine import needs_machine
from test_systemd_sockets import certificate, example

SECONDS = 150
STATE = "/var/lib/xproxy-x2go"
PROFILES = "/etc/xproxy/x2go-profiles.conf"
AGENT = "/usr/lib/x2go/x2gobroker-agent"
OWN_KEY = f"{STATE}/.ssh/id_ed25519"


class Broker(x2go.Endpoint):
    """The machine's, at this port."""

    def __init__(self, port=14500, tls=None):
        self.port, self.tls = port, tls


def configure(m, profiles=x2go.PROFILES, listen="", **keys):
    """test (password sweet) may ask; alice is the user of its sessions."""
    m.put("/etc/xproxy/users", "test|sweet|alice|alice|||\n", 0o600)
    if profiles:
        m.put(PROFILES, profiles)
    lines = {"Profiles": PROFILES, "PortScan": "no", **keys}
    m.configure("[Auth]\nModule=multifile(filename=/etc/xproxy/users)\n" + listen + "[X2Go]\n" + "".join(f"{k}={v}\n" for k, v in lines.items()))
    h.defer(m.shell, "systemctl stop xproxy-x2go.socket xproxy-x2go-ssh.socket xproxy-x2go-sweep.timer; rm -rf "
            f"{STATE}/* {STATE}/.ssh; systemctl reset-failed")


def gone(m):
    """The units of all connections: each was one request's."""
    h.eventually(lambda: not m.units("xproxy*@*"), 10, lambda: m.units("xproxy*@*"))


def journal(m):
    return m.shell("journalctl --sync; journalctl --no-pager -o cat -u 'xproxy*' | tail -50").stdout


@needs_machine
def test_example(m):
    """On the port of all clients, with the example's profiles; who the broker is, and what is its own."""
    example(m, "x2go-profiles.conf", PROFILES)
    m.shell("systemctl start xproxy.socket")
    configure(m, profiles=None)
    answer = Broker().list()
    assert answer.granted and list(answer.profiles) == ["desktop", "pool"], (answer, journal(m))
    assert x2go.qsettings(answer)["pool"]["name"] == "Pool/XFCE, all of it", answer
    assert m.shell(f"stat -c '%U %G %a' {STATE}").stdout == "xproxy-x2go xproxy-x2go 700\n"
    assert m.shell("getent passwd xproxy-x2go | cut -d: -f6-").stdout == f"{STATE}:/usr/sbin/nologin\n"
    assert m.shell(f"find {STATE} -mindepth 1 ! -user xproxy-x2go").stdout == ""
    assert m.shell(f"find {STATE} -mindepth 1 -type f").stdout != ""
    assert "x2go: user 'test' from 127.0.0.1:" in journal(m), journal(m)
    assert not Broker().list(password="wrong").granted
    gone(m)


@h.timeout(90)
@h.needs_tool("openssl")
@needs_machine
def test_own_port(m):
    """8443: TLS, X2Go clients and nobody else; the real one takes a profile there."""
    cert = certificate(m)
    configure(m)
    assert m.shell("systemctl is-active xproxy-x2go.socket", check=False).stdout == "inactive\n"
    m.shell("systemctl start xproxy-x2go.socket")
    broker = Broker(8443, (cert, None))
    first = broker.list()
    assert first.granted and list(first.profiles) == ["one", "two"], (first, journal(m))
    assert broker.select("one", first.authid).server == "127.0.0.1:9", journal(m)
    peer = machine.client(port=8443)
    p = b""
    try:
        peer.hello(machine.xpranet.hello31(username="test"))
        p = peer.read_packet(10)
    except (machine.xpranet.PlainText, machine.xpranet.Closed, ConnectionError):
        pass
    assert not p or p.name == "disconnect", p
    seen = h.make_file("own-port.pem", x2go.text(cert))  # its user may not look into /proc/PID/root
    client = x2go.Client(broker.url(user="test"), "--session=Test One", f"--broker-cacertfile={seen}", password="sweet")
    client.logged("Starting connection to server:.*127.0.0.1:9")
    assert not client.crashed()
    client.close()
    gone(m)


@needs_machine
def test_by_sshd(m):
    """What sshd runs has its user's rights, and the kernel says to the service who that is."""
    configure(m, x2go.PROFILES + "[alices]\nhost=h\nacl-users-allow=alice\n[bobs]\nhost=h\nacl-users-allow=bob\n")
    m.shell("systemctl start xproxy-x2go-ssh.socket")
    assert m.shell("stat -c %a /run/xproxy/x2go.sock").stdout == "666\n"
    for user in ("alice", "bob"):
        out = m.run("/usr/libexec/xproxy-x2gobroker", "--user", "test", "--task", "listsessions", user=user).stdout
        answer = x2go.Answer(200, {}, out.encode())
        assert answer.granted and list(answer.profiles) == sorted([f"{user}s", "one", "two"]), (user, out, journal(m))
        assert x2go.qsettings(answer)["two"]["user"] == user, answer
        chosen = m.run("/usr/libexec/xproxy-x2gobroker", "--task", "selectsession", "--sid", "one", "--authid", answer.authid, user=user).stdout
        assert "\nSERVER:127.0.0.1:9\n" in chosen, chosen
    gone(m)


@functools.lru_cache(None)
def agent(m):
    """The real x2gobroker-agent with the real X2Go server, and the distribution's sshd; and alice, who may be logged in."""
    if not os.path.exists(x2go.LAYER):
        raise h.Skip("tests/x2go.sh has not made the layer with an X2Go server")
    if not os.path.exists("/usr/sbin/sshd"):
        raise h.Skip("openssh-server is not installed")
    keep = [f"--exclude=./{p}" for p in ("etc/passwd*", "etc/group*", "etc/shadow*", "etc/gshadow*", "etc/systemd", "etc/init.d", "etc/rc*",
                                         "etc/ld.so.cache", "lib/systemd", "var/lib/dpkg", "var/lib/systemd")]
    subprocess.run(["tar", "-C", m.root, *keep, "--no-same-owner", "-xf", x2go.LAYER], check=True)
    m.shell("ldconfig; for g in x2gobroker x2gobroker-users x2gouser; do groupadd -fr $g; done; id x2gobroker >/dev/null 2>&1 || "
            "useradd -r -m -d /var/lib/x2gobroker -g x2gobroker -s /bin/sh x2gobroker; id x2gouser >/dev/null 2>&1 || "
            f"useradd -r -d /var/lib/x2go -g x2gouser x2gouser; mkdir -p /var/lib/x2go; chown -R x2gouser: /var/lib/x2go; chgrp x2gobroker {AGENT}; "
            f"chmod 4750 {AGENT}; cd /usr/lib/x2go; chgrp x2gouser libx2go-server-db-sqlite3-wrapper; "
            "chmod 2755 libx2go-server-db-sqlite3-wrapper; chown root: /etc/sudoers /etc/sudoers.d /usr/bin/sudo; chmod 4755 /usr/bin/sudo; "
            "ln -sf /proc/mounts /etc/mtab; x2godbadmin --createdb; usermod -p '*' alice; usermod -p '*' x2gobroker")
    m.put("/etc/ssh/sshd_config.d/x2go.conf", "AuthorizedKeysFile %h/.ssh/authorized_keys %h/.x2go/authorized_keys\n")
    m.shell("ssh-keygen -A; systemctl start ssh")
    return m


def log_in(m, key, seconds=20):
    """With that private key, to the machine, as alice."""
    path = h.make_file(f"key-{next(h._serial)}", key, 0o600)
    return subprocess.run(["ssh", "-i", path, "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o",
                           "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-l", "alice", "127.0.0.1", "id -un"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False)


def deployed(m):
    return m.shell("cat /home/alice/.x2go/authorized_keys", check=False).stdout


DESK = "[desk]\nname=Desk\nhost=127.0.0.1\nuser=alice\nbroker-session-autologin=1\n"


def select_key(m):
    """Selects the profile: the key that comes with it works."""
    broker = Broker()
    first = broker.list()
    assert first.granted, (first, journal(m))
    answer = broker.select("desk", first.authid)
    assert answer.server == "127.0.0.1:22" and answer.key, (answer, journal(m))
    gone(m)
    assert "restrict,pty,port-forwarding" in deployed(m), deployed(m)
    r = log_in(m, answer.key)
    assert r.stdout == "alice\n", (r, deployed(m), m.shell("journalctl --no-pager -u ssh | tail -20").stdout)
    return answer.key


@h.timeout(120)
@needs_machine
def test_agent_by_ssh(m):
    """As the manual has it: a key of the broker's own, which the server's administrator fetches; what a client gets is
    good for one login, and the timer removes it when the process that gave it is long gone."""
    agent(m)
    configure(m, DESK, Agent="ssh", KeyLifetime="20s")
    m.shell(f"set -e; runuser -u xproxy-x2go -- ssh-keygen -q -t ed25519 -N '' -f {OWN_KEY}; ssh-keyscan 127.0.0.1 >>{STATE}/.ssh/known_hosts; "
            "mkdir -p -m 700 ~x2gobroker/.ssh; curl -sf http://127.0.0.1:14500/pubkeys/ >>~x2gobroker/.ssh/authorized_keys; "
            "chown -R x2gobroker: ~x2gobroker/.ssh")
    keys = m.shell("cat ~x2gobroker/.ssh/authorized_keys").stdout
    assert re.fullmatch(rf'command="{AGENT}",restrict ssh-ed25519 \S+ \S+\n', keys), keys
    key = select_key(m)
    sweeper = "/etc/systemd/system/xproxy-x2go-sweep.timer.d/often.conf"
    m.put(sweeper, "[Timer]\nOnCalendar=*:*:0/3\nAccuracySec=1s\n")
    h.defer(m.shell, f"rm -rf {os.path.dirname(sweeper)}; systemctl daemon-reload")
    m.shell("systemctl daemon-reload; systemctl start xproxy-x2go-sweep.timer")
    h.eventually(lambda: "ssh-rsa" not in deployed(m), 40, lambda: (deployed(m), journal(m)), 0.3)
    assert log_in(m, key).returncode == 255
    assert m.shell(f"ls {STATE}/keys").stdout == ""
    assert "failed" not in m.show("xproxy-x2go-sweep.service", "ActiveState", "Result")["ActiveState"], journal(m)


@h.timeout(120)
@needs_machine
def test_agent_of_this_machine(m):
    """Which is set-user-ID root, and so needs what the example gives; without it, the service may not run it."""
    agent(m)
    configure(m, DESK, Agent="local", KeyLifetime="60s")
    m.shell("usermod -a -G x2gobroker xproxy-x2go")
    h.defer(m.shell, "gpasswd -d xproxy-x2go x2gobroker")
    broker = Broker()
    answer = broker.select("desk", broker.list().authid)
    assert answer.server == "127.0.0.1:22" and not answer.key, answer
    example(m, "x2go-local-agent.conf", "/etc/systemd/system/xproxy@.service.d/x2go-local-agent.conf")
    m.shell("systemctl start xproxy.socket")
    select_key(m)


@needs_machine
def test_units(m):
    """Those that are made of xproxy@.service are no more exposed than that; and nothing listens that nobody asked for."""
    for name in ("xproxy@", "xproxy-x2go@", "xproxy-x2go-ssh@"):
        unit = f"/usr/lib/systemd/system/{name}.service"
        r = m.shell(f"systemd-analyze security --offline=yes --threshold=26 --no-pager {unit}", check=False)
        assert r.returncode == 0, r.stdout[-600:]
    said = m.shell("cd /usr/lib/systemd/system; systemd-analyze verify --man=no xproxy-x2go*.s* xproxy-x2go*.timer", check=False).stdout
    assert "xproxy" not in said, said
    for one in ("xproxy-x2go.socket", "xproxy-x2go-ssh.socket", "xproxy-x2go-sweep.timer"):
        assert m.shell(f"systemctl is-enabled {one}", check=False).stdout == "disabled\n", one
