# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions behind TLS and ssh, inside the shipped unit: what it takes away is not what they need, and stopping the unit
ends all of it, with both sides told."""
import os

import fronts
import harness as h
import machine
import xpranet
from machine import needs_machine

SECONDS = 40


def ssh_clients():
    return [pid for pid in h.descendants(os.getpid()) if (s := h.stat(pid)) and s["comm"] == "ssh" and s["state"] != "Z"]


def stop(m, server, peer):
    """`systemctl stop` tells both sides; nothing is left."""
    m.shell("systemctl stop 'xproxy@*'")
    assert "server shutdown" in machine.catching_words(peer)
    assert "server shutdown" in machine.catching_words(server.get(index=0).peer)
    h.eventually(lambda: not m.units() and not machine.processes() and not ssh_clients(), 5,
                 lambda: f"left: {m.units()} {machine.processes()} {ssh_clients()}")


@needs_machine
def test_tls(m):
    server = h.Server("3.1.3")
    front = fronts.Front(server.port, fronts.wss())
    with open(fronts.authority(), encoding="utf8") as f:
        m.put("/etc/xproxy/ca.pem", f.read())
    m.put("/etc/xproxy/users", f"bob|pw|alice|alice|wss://127.0.0.1:{front.port}/?ssl-ca-certs=/etc/xproxy/ca.pem||\n", 0o600)
    m.configure("[Auth]\nModule=multifile(filename=/etc/xproxy/users)\n")
    peer = machine.log_in()
    tunnel = [pid for pid in machine.processes("xproxy-tunnel")]
    assert len(tunnel) == 1, machine.processes()
    xproxy = int(m.shell("id -u xproxy").stdout)
    assert machine.uid_of(tunnel[0]) == xproxy, (machine.uid_of(tunnel[0]), xproxy)
    stop(m, server, peer)


@h.needs_tool("ssh", "ssh-keygen")
@needs_machine
def test_ssh(m):
    if not os.path.exists("/usr/sbin/sshd"):
        raise h.Skip("openssh-server is not installed")
    server, port = h.Server("3.1.3"), h.free_port()
    m.put("/opt/relay.py", f"""import os, select, socket
s = socket.create_connection(("127.0.0.1", {server.port}))
while True:
    for fd in select.select([0, s], [], [])[0]:
        data = os.read(0, 65536) if fd == 0 else s.recv(65536)
        if not data:
            raise SystemExit
        if fd == 0:
            s.sendall(data)
        while fd != 0 and data:
            data = data[os.write(1, data):]
""")
    m.shell(f"""umask 077; mkdir -p /run/sshd /home/alice/.ssh; usermod -p '*' alice; cd /home/alice/.ssh; rm -f id_* host*
        ssh-keygen -q -t ed25519 -N '' -f id_ed25519; ssh-keygen -q -t ed25519 -N '' -f /opt/host
        cp id_ed25519.pub authorized_keys; echo "[127.0.0.1]:{port} $(cut -d' ' -f1,2 /opt/host.pub)" > known_hosts
        chown -R alice: /home/alice/.ssh""")
    m.put("/opt/sshd.conf", f"Port {port}\nListenAddress 127.0.0.1\nHostKey /opt/host\nPidFile none\nUsePAM no\n"
          "PasswordAuthentication no\nForceCommand exec /usr/bin/python3 /opt/relay.py\n")
    m.spawn("far-sshd", "/usr/sbin/sshd", "-D", "-e", "-f", "/opt/sshd.conf")
    h.defer(m.shell, "systemctl stop far-sshd")
    h.eventually(lambda: "Server listening" in m.shell("journalctl -o cat --no-pager -u far-sshd").stdout, 10)
    m.put("/etc/xproxy/users", f"bob|pw|alice|alice|ssh://127.0.0.1:{port}/10||\n", 0o600)
    m.configure("[Auth]\nModule=multifile(filename=/etc/xproxy/users)\n")
    peer = machine.log_in()
    ssh = ssh_clients()
    assert len(ssh) == 1 and machine.uid_of(ssh[0]) == m.uids["alice"], ssh
    m.shell("rm /home/alice/.ssh/known_hosts")
    other = machine.client()
    p = other.login(xpranet.hello31(username="bob"), "pw", timeout=30)
    assert xpranet.texts(p[:3]) == ["disconnect", "session not found error", "failed to connect to display"], p
    h.eventually(lambda: m.journal("-u", "xproxy@*", "-g", "connect to ssh://.*Host key verification failed"), 5,
                 lambda: m.shell("journalctl -u 'xproxy@*' -o cat --no-pager | tail -20").stdout)
    stop(m, server, peer)
