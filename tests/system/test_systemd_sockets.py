# SPDX-License-Identifier: GPL-2.0-or-later
"""Other sockets than the shipped one, under a real systemd: every file of units/examples, and a user's own pair."""
import glob
import os
import re
import socket
import ssl
import subprocess

import harness as h
import machine
import xpranet
from machine import needs_machine
from test_sshd import Tunnel

SECONDS = 40
EXAMPLES = "/usr/share/doc/xproxy/examples"

def example(m, name, where):
    """Installs this file of the documentation; the socket is stopped, so that the test starts it."""
    m.shell(f"systemctl stop xproxy.socket; install -D -m 644 {EXAMPLES}/{name} {where} && systemctl daemon-reload")
    h.defer(m.shell, f"rm -f {where}; systemctl daemon-reload; systemctl restart xproxy.socket")


def users(m, more=""):
    """bob leads to a scripted session."""
    server = h.Server("3.1.3")
    m.put("/etc/xproxy/users", f"bob|pw|alice|alice|{server.uri}||\n", 0o600)
    m.configure(f"[Auth]\nModule=multifile(filename=/etc/xproxy/users)\n{more}")
    return server


def gets_in(sock, m, status):
    peer = xpranet.Peer(sock, xpranet.RENCODE)
    h.defer(peer.close)
    p = peer.login(xpranet.hello31(username="bob"), "pw")
    assert p.name == "hello", xpranet.texts(p)
    h.eventually(lambda: any(status in m.show(u, "StatusText")["StatusText"] for u in m.units("xproxy*@*")), 3,
                 lambda: [m.show(u, "StatusText") for u in m.units("xproxy*@*")])
    peer.close()
    h.eventually(lambda: not m.units("xproxy*@*"), 5)


@needs_machine
def test_unix_socket(m):
    """Both ways in: the port as well as the unix socket, which another user may connect to."""
    users(m)
    example(m, "unix-socket.conf", "/etc/systemd/system/xproxy.socket.d/unix-socket.conf")
    m.shell("systemctl start xproxy.socket")
    s = socket.socket(socket.AF_UNIX)
    s.connect(f"{m.root}/run/xproxy/socket")
    gets_in(s, m, "(unix, rencode)")
    gets_in(socket.create_connection(("127.0.0.1", 14500)), m, "(tcp, rencode)")


@needs_machine
def test_graphics_cards(m):
    """The service with NVIDIA's nodes, of which there are none here; and the slots that count its sessions."""
    users(m)
    example(m, "nvenc.conf", "/etc/systemd/system/xproxy@.service.d/nvenc.conf")
    m.shell("systemctl start xproxy.socket")
    sock = socket.create_connection(("127.0.0.1", 14500))
    h.eventually(lambda: m.units("xproxy@*"), 5)
    shown = m.show(m.units("xproxy@*")[0], "DeviceAllow", "ProcSubset", "MemoryMax")
    assert "char-nvidia*" in shown["DeviceAllow"] and shown["ProcSubset"] == "all", shown
    assert shown["MemoryMax"] == str(1 << 30), shown
    gets_in(sock, m, "(tcp, rencode)")
    assert m.shell("stat -c '%U %G %a' /run/xproxy/nvenc /run/xproxy/nvenc/[1-8]").stdout.split("\n")[:9] == [
        "root xproxy 750", *["root xproxy 440"] * 8]
    m.run("python3", "-c", "import fcntl; fcntl.flock(open('/run/xproxy/nvenc/8'), fcntl.LOCK_EX | fcntl.LOCK_NB)", user="xproxy")
    assert m.run("python3", "-c", "open('/run/xproxy/nvenc/8')", user="bob", check=False).returncode != 0


@needs_machine
def test_vsock(m):
    users(m)
    try:
        s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    except OSError as e:
        raise h.Skip(f"the kernel has no vsock sockets: {e}") from None
    example(m, "vsock.conf", "/etc/systemd/system/xproxy.socket.d/vsock.conf")
    m.shell("systemctl start xproxy.socket")
    s.settimeout(5)
    try:
        s.connect((1, 14500))  # VMADDR_CID_LOCAL
    except OSError as e:
        raise h.Skip(f"the kernel has no loopback for vsock: {e}") from None
    s.settimeout(None)
    gets_in(s, m, "→ tcp://")


def certificate(m):
    """For localhost, self-signed; its path here."""
    folder = f"{m.root}/etc/xproxy/tls"
    os.makedirs(folder, exist_ok=True)
    r = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/key.pem",
                        "-out", f"{folder}/cert.pem"], capture_output=True, text=True, check=False)
    assert r.returncode == 0, r.stderr
    os.chmod(f"{folder}/key.pem", 0o600)
    return f"{folder}/cert.pem"


@h.needs_tool("openssl")
@needs_machine
def test_tls_443(m):
    """Port 443 takes TLS, and only TLS, and there is no other port."""
    cert = certificate(m)
    users(m, "[Listen]\nRequireTLS=yes\n")
    example(m, "tls-443.conf", "/etc/systemd/system/xproxy.socket.d/tls-443.conf")
    m.shell("systemctl start xproxy.socket")
    context = ssl.create_default_context(cafile=cert)
    gets_in(context.wrap_socket(socket.create_connection(("127.0.0.1", 443)), server_hostname="localhost"), m, "(tls, TLSv1.3 ")
    peer = machine.client(port=443)
    try:
        p = peer.login(xpranet.hello31(username="bob"), "pw")
        raise AssertionError(f"let in without TLS: {p}")
    except (xpranet.PlainText, xpranet.Closed, ConnectionError, AssertionError) as e:
        assert "let in" not in str(e), e
    try:
        socket.create_connection(("127.0.0.1", 14500)).close()
        raise AssertionError("the other port is open as well")
    except ConnectionRefusedError:
        pass


@needs_machine
def test_behind_nginx(m):
    """Debian's nginx has the port and says who the client is; nobody goes around it."""
    if not os.path.exists("/usr/lib/nginx/modules/ngx_stream_module.so"):
        raise h.Skip("nginx with libnginx-mod-stream is not installed")
    users(m, "[Listen]\nProxyProtocol=yes\nTrustedProxies=unix\n")
    example(m, "behind-nginx.conf", "/etc/systemd/system/xproxy.socket.d/behind-nginx.conf")
    example(m, "nginx-stream.conf", "/etc/nginx/modules-enabled/90-xproxy.conf")
    m.shell("systemctl start xproxy.socket nginx.service")
    h.defer(m.shell, "systemctl stop nginx.service; rm -f /run/xproxy.sock")
    peer = machine.log_in(source="127.0.0.77")
    login = m.journal("-u", "xproxy@*", "XPROXY_EVENT=login")[-1]
    assert login["XPROXY_PEER"].startswith("127.0.0.77:"), login
    peer.close()
    r = m.run("python3", "-c", "import socket; socket.socket(socket.AF_UNIX).connect('/run/xproxy.sock')", user="bob", check=False)
    assert "PermissionError" in r.stdout, r.stdout
    h.eventually(lambda: not m.units(), 5)


@needs_machine
def test_second_socket(m):
    """Another port with another configuration, at the same time; neither reads the other's."""
    first, other = users(m), h.Server("3.1.3")
    m.put("/etc/xproxy/lan-users", f"bob|lanpw|bob|bob|{other.uri}||\n", 0o600)
    m.put("/etc/xproxy/lan.conf", "[Auth]\nModule=multifile(filename=/etc/xproxy/lan-users)\n")
    m.shell("cp /usr/lib/systemd/system/xproxy@.service /etc/systemd/system/xproxy-lan@.service")
    h.defer(m.shell, "rm -rf /etc/systemd/system/xproxy-lan*; systemctl daemon-reload")
    h.defer(m.shell, "systemctl stop xproxy-lan.socket")
    example(m, "xproxy-lan.conf", "/etc/systemd/system/xproxy-lan@.service.d/xproxy-lan.conf")
    example(m, "xproxy-lan.socket", "/etc/systemd/system/xproxy-lan.socket")
    m.shell("systemctl start xproxy.socket xproxy-lan.socket")
    gets_in(socket.create_connection(("127.0.0.1", 14500)), m, f"→ tcp://127.0.0.1:{first.port}")
    peer = machine.log_in(password="lanpw", port=14600)
    units = m.units("xproxy-lan@*")
    assert len(units) == 1 and not m.units("xproxy@*"), (units, m.units())
    assert str(other.port) in m.show(units[0], "StatusText")["StatusText"]
    peer.close()
    h.eventually(lambda: not m.units("xproxy*@*"), 5)


def own_session(m, name, number):
    """A scripted one, where this user's are."""
    folder = f"/run/user/{m.uids[name]}/xpra"
    m.shell(f"mkdir -p -m 700 {folder}; chown {name}: {folder}")
    owner = h.User(name, m.uids[name], m.uids[name], "/", "/")
    fd = os.open(m.root + folder, os.O_PATH)  # the user may not look into /proc/PID/root
    h.defer(os.close, fd)
    return h.Server("3.1.3", where=f"/proc/self/fd/{fd}/rig-{m.name}-{number}", user=owner)


@needs_machine
def test_behind_sshd(m):
    """The distribution's sshd, with PAM and its own configuration: alice is in the group, bob is not. No socket of
    ours is needed, the machine's configuration is root's, and the journal has it all."""
    if not os.path.exists("/usr/sbin/sshd"):
        raise h.Skip("openssh-server is not installed")
    m.configure("[Auth]\nModule=fail\n")
    m.shell("chmod 600 /etc/xproxy/xproxy.conf; groupadd -f xpra; usermod -aG xpra alice; ssh-keygen -A")
    example(m, "sshd-xproxy.conf", "/etc/ssh/sshd_config.d/xproxy.conf")
    key = os.path.join(h.make_dir("ssh-key", 0o700), "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with open(key + ".pub", encoding="utf8") as f:
        public = f.read()
    for name, number in (("alice", 10), ("bob", 11)):
        own_session(m, name, number)
        m.put(f"/home/{name}/.ssh/authorized_keys", public, 0o600)
        m.shell(f"chmod 700 /home/{name}/.ssh; chown -R {name}: /home/{name}/.ssh")
    m.shell("/usr/sbin/sshd -t; systemctl start ssh")
    h.defer(m.shell, "systemctl stop ssh; rm -rf /home/*/.ssh")

    def ssh(name, *command):
        return ["ssh", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                "-o", "IdentitiesOnly=yes", "-l", name, "127.0.0.1", *command]
    t = Tunnel(ssh("alice", "xpra _proxy :10"), xpranet.RENCODE)
    p = t.peer.login(xpranet.hello31())
    assert p.name == "hello", xpranet.texts(p)
    listed = m.shell("xproxyctl list").stdout
    assert re.search(r":10\s.*alice\s.*127\.0\.0\.1:\d+.*\sssh\s", listed), listed
    assert not m.units("xproxy@*"), "it is sshd that runs it"
    t.peer.close()
    t.wait()
    assert t.said() == "", t.said()
    for event in ("login", "end"):
        one = h.eventually(lambda: m.journal(f"XPROXY_EVENT={event}", "XPROXY_USER=alice"), 5, f"{event} in the journal")[-1]
        assert one["XPROXY_PEER"].startswith("127.0.0.1:") and one["_UID"] == str(m.uids["alice"]), one
    r = subprocess.run(ssh("bob", "echo a shell"), capture_output=True, text=True, timeout=20, check=False)
    assert (r.returncode, r.stdout) == (0, "a shell\n"), r


@needs_machine
def test_user_pair(m):
    """systemctl --user enable --now xproxy.socket: an ordinary user's own, with that user's sessions only."""
    m.shell("systemctl stop xproxy.socket")
    h.defer(m.shell, "systemctl start xproxy.socket")
    for name, number in (("alice", 10), ("bob", 11)):
        own_session(m, name, number)
    m.put("/home/bob/.config/xproxy/xproxy.conf", "[Auth]\nModule=file(filename=/home/bob/.config/xproxy/password)\n")
    m.put("/home/bob/.config/xproxy/password", "bobpw", 0o600)
    m.shell("chown -R bob: /home/bob/.config")
    out = m.run("systemctl", "--user", "enable", "--now", "xproxy.socket", user="bob").stdout
    h.defer(lambda: m.run("systemctl", "--user", "disable", "--now", "xproxy.socket", user="bob"))
    assert "xproxy.socket" in out, out
    assert m.run("systemctl", "--user", "is-active", "xproxy.socket", user="bob").stdout.strip() == "active"
    peer = machine.log_in(user="anybody", password="bobpw")
    owners = {machine.uid_of(pid) for pid in machine.processes()}
    assert owners == {m.uids["bob"]}, owners
    shown = m.run("systemctl", "--user", "status", "xproxy@*", user="bob", check=False).stdout
    assert "anybody → :11 (tcp, rencode)" in shown, shown
    assert ":11" in m.run("xproxyctl", "list", user="bob").stdout
    assert ":11" not in m.run("xproxyctl", "list", user="alice", check=False).stdout
    assert not m.units(), "it is the machine's systemd that runs it"
    stranger = machine.client()
    p = stranger.login(xpranet.hello31(username="anybody", display=":10"), "bobpw")
    assert p.name == "disconnect" and "':10' not found" in " ".join(xpranet.texts(p)), xpranet.texts(p)
    peer.close()
    h.eventually(lambda: not machine.processes(), 5, machine.processes)
    assert not glob.glob(f"{m.root}/run/user/*/xpra/*-proxy-*")


@h.needs_tool("fail2ban-client")
@needs_machine
@h.timeout(60)
def test_fail2ban(m):
    """The real one, with the example's jail: who goes on for too long is given to the firewall, here a list of ours."""
    users(m, "[Limits]\nMaxFailures=2\nFailureWindow=1s\nPenaltyMax=1s\nPenaltyExempt=192.0.2.1\n")
    example(m, "fail2ban-jail.conf", "/etc/fail2ban/jail.d/xproxy.conf")
    m.shell("rm -f /etc/fail2ban/jail.d/defaults-debian.conf; systemctl start xproxy.socket")
    m.put("/etc/fail2ban/action.d/listing.conf", "[Definition]\nactionban = echo <ip> >>/run/banned\n")
    m.put("/etc/fail2ban/jail.d/zz-test.conf", "[DEFAULT]\nignoreself = false\n[xproxy]\nbanaction = listing\nmaxretry = 4\n")
    m.shell("systemctl restart fail2ban")
    h.defer(m.shell, "systemctl stop fail2ban")
    h.eventually(lambda: "Currently failed" in m.shell("fail2ban-client status xproxy", check=False).stdout, 15,
                 lambda: m.shell("journalctl --no-pager -u fail2ban; cat /var/log/fail2ban.log").stdout[-2000:], 0.3)

    def attempt():
        s = socket.create_connection(("127.0.0.1", 14500), source_address=("127.0.0.77", 0))
        peer = xpranet.Peer(s, xpranet.RENCODE)
        try:
            peer.login(xpranet.hello31(username="bob"), "no")
        except (OSError, xpranet.Closed, xpranet.PlainText):
            pass  # refused already
        peer.close()
        return "127.0.0.77" in m.shell("cat /run/banned", check=False).stdout
    h.eventually(attempt, 25, lambda: m.shell("fail2ban-client status xproxy").stdout)
    assert m.shell("cat /run/banned").stdout.split() == ["127.0.0.77"]


@needs_machine
def test_every_example_is_tried(m):
    """What is in the folder is installed, and used by a test above or of the session broker."""
    there = set(os.listdir(os.path.join(h.ROOT_DIR, "units", "examples")))
    assert set(os.listdir(m.root + EXAMPLES)) == there | {"xproxy.conf"}, "not what was installed"
    tried = set()
    for name in ("test_systemd_sockets.py", "test_systemd_x2go.py"):
        with open(os.path.join(h.HERE, name), encoding="utf8") as f:
            tried |= set(re.findall(r'example\(m, "([^"]+)"', f.read()))
    assert there == tried, f"not tried: {there - tried}"
