# SPDX-License-Identifier: GPL-2.0-or-later
"""Behind a real sshd: the program as what sshd runs for a user who has logged in, and the real 3.1.3 client with
ssh://. And what else an ssh client may ask to be run."""
import functools
import hashlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import harness as h
import xpranet as x

SECONDS = 80
SSHD = "/usr/sbin/sshd"
EXAMPLE = os.path.join(h.ROOT_DIR, "units", "examples", "sshd-xproxy.conf")


class Sshd:
    """A real sshd on a port of its own, with keys of its own. settings: its configuration. before: a script that
    runs in a mount namespace of its own first."""

    def __init__(self, settings, key_options="", before=None):
        if not os.path.exists(SSHD) or not shutil.which("ssh"):
            raise h.Skip("openssh-server or openssh-client is not installed")
        if not h.PRIVATE:
            raise h.Skip("needs root and namespaces: sshd logs users in")
        self.port = h.free_port()
        where = h.make_dir(f"sshd-{self.port}")
        self.key = os.path.join(where, "key")
        for key in (self.key, os.path.join(where, "host")):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        with open(self.key + ".pub", encoding="utf8") as f:
            keys = h.make_file(f"sshd-{self.port}/keys", key_options + f.read())
        for user in (h.alice, h.bob):
            h._own_line("/etc/shadow", user.name, f"{user.name}:*:19000:0:99999:7:::")  # without, it is "locked"
        os.makedirs("/run/sshd", exist_ok=True)
        self.log_path = os.path.join(where, "log")
        config = h.make_file(f"sshd-{self.port}/config", f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey {where}/host
AuthorizedKeysFile {keys}
StrictModes no
UsePAM no
PidFile none
MaxSessions 20
{settings}
""")
        cmd = [SSHD, "-D", "-f", config, "-E", self.log_path]
        if before:
            cmd = ["unshare", "--mount", "sh", "-ec", before + '\nexec "$@"', "sh", *cmd]
        self.proc = h.popen(cmd, stdin=subprocess.DEVNULL, start_new_session=True, env={"PATH": os.environ["PATH"]})
        h.defer_to_end_of_file(h.end_process, self.proc)
        h._logs.append((f"sshd {self.port}", self.log_path))
        h.eventually(self._listens, 10, lambda: f"sshd listens: {self.log()}")

    def _listens(self):
        assert self.proc.poll() is None, f"sshd ended: {self.log()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def log(self):
        try:
            with open(self.log_path, encoding="utf8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def ssh(self, *more):
        return ["ssh", "-i", self.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", *more]

    def url(self, display="", user=None):
        return f"ssh://{(user or h.alice).name}@127.0.0.1:{self.port}/{display}"

    def client(self, display="", user=None, **kw):
        return h.RealClient(self.url(display, user), "--ssh=" + " ".join(self.ssh()), **kw)

    def xpra(self, command, *args, display=""):
        """Another command of xpra's than attach: (exit code, what it said)."""
        r = subprocess.run(["xpra", command, self.url(display), "--ssh=" + " ".join(self.ssh()), *args],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=40, check=False, env=dict(os.environ, DISPLAY=h.client_x()))
        return r.returncode, r.stdout

    def run(self, *command, options=(), user=None):
        """ssh with this command line; a client that says nothing. CompletedProcess."""
        return subprocess.run([*self.ssh("-p", str(self.port), *options), "-l", (user or h.alice).name, "127.0.0.1", *command],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)

    def peer(self, *command, options=(), user=None, encoder=x.RENCODEPLUS):
        """A scripted client at the near end of ssh."""
        return Tunnel([*self.ssh("-p", str(self.port), "-T", *options), "-l", (user or h.alice).name, "127.0.0.1", *command],
                      encoder)


class Tunnel:
    """A command whose standard input and output are a connection: .peer is the other end of it."""

    def __init__(self, cmd, encoder, **kw):
        ours, theirs = socket.socketpair()
        self.err_path = os.path.join(h.SCRATCH, f"tunnel-{next(h._serial)}.log")
        with open(self.err_path, "wb") as err:
            self.proc = h.popen(cmd, stdin=theirs, stdout=theirs, stderr=err, start_new_session=True, **kw)
        theirs.close()
        h._logs.append((" ".join(cmd[-3:]), self.err_path))
        self.peer = x.Peer(ours, encoder)
        h.defer(h.end_process, self.proc)
        h.defer(self.peer.close)

    def said(self):
        """What the user of ssh reads."""
        with open(self.err_path, encoding="utf8", errors="replace") as f:
            return f.read()

    def wait(self, seconds=10):
        rc = self.proc.wait(seconds * h.SLACK)
        h._popen_pids.discard(self.proc.pid)
        return rc


@functools.lru_cache(None)
def forced():
    """The example, with the program of the build."""
    with open(EXAMPLE, encoding="utf8") as f:
        text = f.read().replace("/usr/libexec/xproxy-conn", h.CONN).replace("Group xpra", f"User {h.alice.name},{h.bob.name}")
    return Sshd(text)


@functools.lru_cache(None)
def session(n=600, tcp=False):
    return h.RealServer(h.alice, h.free_display(n), tcp=tcp)


def scripted(n, user=None, version="6.5"):
    user = user or h.alice
    return h.Server(version, where=f"{user.sockets}/{h.HOSTNAME}-{n}", user=user)


def listed(*options):
    """What xproxyctl says of alice's connection; its control socket may come a moment after the hello."""
    def ask():
        text = h.ctl("list", *options, user=h.alice).stdout
        return "proxy-" in text and text
    return h.eventually(ask, what="its control socket")


def gone():
    h.eventually(lambda: not h.program_processes(), 5, lambda: f"left: {h.program_processes()}")


def words(client, seconds=20):
    rc, said = client.ended(seconds)
    assert rc != 0, said[-1500:]
    return re.sub(r"\s+", " ", said)


# ---- the real client
@h.needs_xpra
@h.timeout(60)
def test_attach():
    """A window, keys, a new size, a detach; and once more. All of it is the user's; it shows as ssh."""
    s, d = session(), forced()
    client = d.client()
    window = client.attached(s.title)
    client.type(window, "over ssh")
    h.eventually(lambda: "over ssh" in s.keys(), 10, lambda: f"the keys arrive, there is {s.keys()!r}")
    client.resize(window, 700, 450)
    h.eventually(lambda: (g := s.geometry()) and abs(g[0] - 700) < 30, 10, lambda: f"the window's size: {s.geometry()}")
    there = h.program_processes()
    assert {h.status(pid)["Uid"].split()[0] for pid, _ in there} == {str(h.alice.uid)}, there
    line = listed()
    assert re.search(rf"{s.display}\s.*{h.alice.name}\s.*127\.0\.0\.1:\d+.*\sssh\s", line), line
    client.detach()
    gone()
    client = d.client(s.n)
    client.attached(s.title)
    client.detach()
    gone()


@h.needs_xpra
@h.timeout(60)
def test_key_with_a_command():
    """command="..." of one key in authorized_keys instead of ForceCommand."""
    d = Sshd("", f'restrict,command="{h.CONN} --ssh" ')
    s = session()
    client = d.client(s.n)
    window = client.attached(s.title)
    client.type(window, "by one key")
    h.eventually(lambda: "by one key" in s.keys(), 10, lambda: s.keys())
    client.detach()
    gone()


@h.needs_xpra
@h.timeout(90)
def test_two_sessions():
    """None named: they are listed. Named: that one. Another: there is none."""
    first, second, d = session(), session(620), forced()
    said = words(d.client())
    assert f"more than one is available: {first.display}, {second.display}" in said, said[-1500:]
    for s in (second, first):
        client = d.client(s.n)
        client.attached(s.title)
        client.detach()
    said = words(d.client(first.n + 7))
    assert f"display ':{first.n + 7}' not found" in said, said[-1500:]
    gone()
    second.stop()
    session.cache_clear()
    first.stop()


@h.needs_xpra
@h.timeout(60)
@h.each("start", "start-desktop", "shadow")
def test_starts_nothing(command):
    """xpra start ssh://...: refused in words, and nothing has been started."""
    rc, said = forced().xpra(command, "--attach=no", *([] if command == "shadow" else ["--start=xterm"]), display="690")
    assert rc != 0 and "this server starts no sessions over ssh" in said, said[-1500:]
    assert not [p for p in h.descendants(os.getpid()) if "Xvfb" in (h.stat(p) or {"comm": ""})["comm"] and
                b":690" in open(f"/proc/{p}/cmdline", "rb").read()], "it has been started"


@h.needs_xpra
@h.timeout(60)
def test_session_ends():
    """The session goes away: the client is told why, and nothing is left."""
    s = h.RealServer(h.alice, h.free_display(640), tcp=False)
    client = forced().client(s.n)
    client.attached(s.title)
    assert h.xpra("stop", s.display).returncode == 0
    rc, said = client.ended(15)
    assert "server shutdown" in said or "server exit" in said, said[-1500:]
    gone()
    s.stop()


# ---- scripted clients, through the real sshd
LOGIN = {"6.5": (x.RENCODEPLUS, x.hello65), "3.1.3": (x.RENCODE, x.hello31)}


def login(d, *command, hello=None, version="6.5", **kw):
    encoder, make = LOGIN[version]
    t = d.peer(*command, encoder=encoder, **kw)
    return t, t.peer.login(make(**(hello or {})))


@h.each("6.5", "3.1.3")
def test_command_wins(version):
    """The display of the command, not that of the hello, as with `xpra _proxy`."""
    a, b = scripted(701, version=version), scripted(702, version=version)
    shown = {"session": {"display": ":701"}} if version == "6.5" else {"display": ":701"}
    t, p = login(forced(), "xpra _proxy :702", hello=shown, version=version)
    assert p.name == "hello", x.texts(p)
    b.get()
    assert not a.sessions
    t.peer.close()
    gone()


@h.each("subsystem", "subsystem and ForceCommand", "no command")
def test_no_command(how):
    """No display in it: then the hello's counts."""
    scripted(701)
    b = scripted(702)
    if how == "no command":
        d, args, kw = forced(), [], {}
    else:
        d = Sshd(f"Subsystem xpra {h.CONN} --ssh\n" + (f"ForceCommand {h.CONN} --ssh" if "Force" in how else ""))
        args, kw = ["xpra"], {"options": ["-s"]}
    t, p = login(d, *args, hello={"session": {"display": ":702"}}, **kw)
    assert p.name == "hello", x.texts(p)
    b.get()
    t.peer.close()
    gone()


@h.each("none", "own", "another")
def test_name(which):
    """sshd's word counts. 6.5.3 sends the name of the client's machine if the URL has none."""
    scripted(701)
    t, p = login(forced(), "xpra _proxy", hello={"username": {"none": "", "own": h.alice.name, "another": h.bob.name}[which]})
    assert p.name == "hello", x.texts(p)
    info = listed("--json")
    assert re.search(rf'"user": ?"{h.alice.name}"', info) and '"transport": "ssh"' in re.sub(r'": *"', '": "', info), info
    t.peer.close()
    gone()


def test_only_own_sessions():
    """bob's session, and a socket that bob has put where alice's are."""
    scripted(701, h.bob)
    for command in ("xpra _proxy :701", f"xpra _proxy socket://{h.bob.sockets}/{h.HOSTNAME}-701", "xpra _proxy"):
        t, p = login(forced(), command)
        assert p.name == "disconnect" and x.text(p[1]) == "session not found error", x.texts(p)
        t.peer.close()
        assert t.wait() == 6
    t, p = login(forced(), "xpra _proxy", user=h.bob)
    assert p.name == "hello", x.texts(p)
    t.peer.close()
    gone()


def test_words_on_stderr():
    """One line for the user; all of it for the journal."""
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    os.makedirs("/run/systemd/journal", exist_ok=True)
    journal.bind("/run/systemd/journal/socket")
    h.defer(os.unlink, "/run/systemd/journal/socket")
    h.defer(journal.close)
    os.chmod("/run/systemd/journal/socket", 0o666)
    journal.settimeout(5)
    scripted(701)
    t, p = login(forced(), "xpra _proxy :9")
    assert x.text(p[2]) == "display ':9' not found", x.texts(p)
    t.peer.close()
    assert t.wait() == 6
    lines = t.said().splitlines()
    assert len(lines) == 1 and re.fullmatch(r"xproxy-conn\[\d+\]: refused: user 'alice' from 127\.0\.0\.1:\d+: session not "
                                            r"found error: display \\x27:9\\x27 not found", lines[0]), lines
    assert b"XPROXY_EVENT=refused" in (got := journal.recv(9000)) and b"XPROXY_PEER=127.0.0.1:" in got, got
    t, p = login(forced(), "xpra _proxy :701")
    assert p.name == "hello"
    got = journal.recv(9000)
    assert b"XPROXY_EVENT=login" in got and b"XPROXY_MODULE=ssh" in got, got
    t.peer.close()
    t.wait()
    assert b"XPROXY_EVENT=end" in journal.recv(9000)
    assert t.said() == "", t.said()


def test_much_data():
    """Megabytes both ways through sshd's pipes, to a slow reader too; then a half-close: the last words arrive."""
    srv = scripted(701)
    t, p = login(forced(), "xpra _proxy")
    assert p.name == "hello"
    far, sums = srv.get().peer, {}
    blob = os.urandom(1 << 20)

    def send(peer):
        for i in range(24):
            peer.send_packet("logging", i, blob)

    def receive(peer, name, pause):
        digest = hashlib.sha256()
        for i in range(24):
            q = peer.expect("logging", timeout=30)
            assert q[1] == i
            digest.update(q[2])
            time.sleep(pause)
        sums[name] = digest.digest()
    jobs = [threading.Thread(target=f, args=a) for f, a in ((send, (t.peer,)), (send, (far,)), (receive, (far, "up", 0)),
                                                          (receive, (t.peer, "down", 0.02)))]
    for j in jobs:
        j.start()
    for j in jobs:
        j.join(60)
    expected = hashlib.sha256(blob * 24).digest()
    assert sums == {"up": expected, "down": expected}, sums.keys()
    far.send_packet("disconnect", "server shutdown")
    far.shutdown()
    p = t.peer.expect("disconnect")
    assert x.text(p[1]) == "server shutdown"
    t.peer.close()
    gone()


def test_client_killed():
    """ssh is killed: everything ends, and idles cost nothing before that."""
    srv = scripted(701)
    t, p = login(forced(), "xpra _proxy")
    assert p.name == "hello" and srv.get()
    bridge = [pid for pid, what in h.program_processes() if "bridge" in what]
    assert len(bridge) == 1, h.program_processes()

    def ticks():
        with open(f"/proc/{bridge[0]}/stat", encoding="utf8") as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    before = ticks()
    time.sleep(1)
    assert ticks() - before <= 5, "the bridge spins"
    t.proc.kill()
    t.wait()
    gone()


def test_server_stops():
    """xproxyctl stop: the client reads why, ssh ends."""
    scripted(701)
    t, p = login(forced(), "xpra _proxy")
    assert p.name == "hello"
    r = h.ctl("stop", "--all", user=h.alice)
    assert r.returncode == 0, r.stderr
    p = t.peer.expect("disconnect")
    assert x.text(p[1]) == "server shutdown", x.texts(p)
    t.wait()
    gone()


HOSTILE = ["bash -i", "xpra list", "scp -t /tmp", "rsync --server . x", "touch {}", "sh -c 'touch {}'", "$(touch {})",
           "`touch {}`", "xpra _proxy :1; touch {}", "xpra _proxy :1 && touch {}", "xpra _proxy $(touch {})",
           "xpra _proxy '`touch {}`'", "xpra _proxy ':1", "xpra _proxy a b", "xpra _proxy " + "x" * 300,
           "xpra _proxy :1 " + "y" * 20000, "xpra _proxy ':1\n:2'", "\n", "which xpra; touch {}",
           "sh -c 'sh -c \"touch {}\"'", "/x/xproxy-conn --ssh -o Auth.Module=none", "%s%n%s%n"]


@h.timeout(60)
def test_hostile_commands():
    """Nothing of a command is run; it ends at once or waits for a client that never speaks, with words and a code."""
    scripted(701)
    mark = os.path.join(h.make_dir("hostile", 0o777), "mark")
    for command in HOSTILE:
        r = forced().run(command.replace("{}", mark))
        assert not os.path.exists(mark), command
        attach = re.match(r"xpra _proxy (:1[; ]|\$|'`)", command) and "yyy" not in command or command[:2] in ("\n", "/x")
        if attach:  # stdin is at its end: the client has left
            assert r.returncode == 0 and r.stdout == "", (command, r)
        else:
            assert r.returncode == 4, (command, r)
            assert re.fullmatch(r"xproxy-conn\[\d+\]: refused: user 'alice' from 127\.0\.0\.1:\d+: only 'xpra attach ssh://...' is "
                                "available to this user\n", r.stderr), (command, r)
    gone()


def test_sftp_is_not_available():
    """Subsystem sftp beside ForceCommand."""
    d = Sshd(f"Subsystem sftp internal-sftp\nForceCommand {h.CONN} --ssh")
    r = d.run("sftp", options=["-s"])
    assert r.returncode == 4 and r.stdout == "", r  # of a subsystem ssh does not show stderr


def test_questions():
    """What paramiko clients ask first: that there is an xpra, and no more."""
    for command, answer in (("which xpra", "xpra\n"), ("which $XDG_RUNTIME_DIR/xpra/run-xpra", "xpra\n"), ("command", ""),
                            ("command -v xpra", "xpra\n"), ("echo %OS%", ""), ("echo $OSTYPE", "")):
        r = forced().run(command)
        assert (r.returncode, r.stdout, r.stderr) == (0, answer, ""), (command, r)


def test_terminal():
    """ssh -tt, and a site without PermitTTY no."""
    d = Sshd(f"ForceCommand {h.CONN} --ssh")
    r = d.run("xpra _proxy", options=["-tt"])
    said = r.stdout + r.stderr
    assert r.returncode == 2 and "a terminal is not a connection: use 'xpra attach ssh://...', or ssh -T" in said, r


def test_machine_configuration():
    """A configuration that only root can read is not used: defaults. One that can be read is, but for what
    concerns sockets."""
    scripted(701)
    before = ("mount -t tmpfs none /mnt; mkdir /mnt/up /mnt/work; "
              "mount -t overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work none /etc; "
              "for f in passwd group shadow; do mount --bind /run/test-$f /etc/$f; done; "
              "mkdir -p /etc/xproxy; printf '%b' \"$CONF\" > /etc/xproxy/xproxy.conf; chmod $MODE /etc/xproxy/xproxy.conf\n")
    for mode, conf, rc in (("600", "nonsense", None), ("644", "nonsense", 2),
                           ("644", "[Auth]\\nModule=fail\\n[Listen]\\nProxyProtocol=yes\\nRequireTLS=yes\\n"
                                   "Encryption=AES\\nTransports=tls\\n", None)):
        d = Sshd(f"ForceCommand {h.CONN} --ssh", before=f'CONF="{conf}" MODE={mode}\n{before}')
        t, p = d.peer("xpra _proxy"), None
        if rc is None:
            p = t.peer.login(x.hello65())
            assert p.name == "hello", x.texts(p)
            t.peer.close()
        else:
            assert t.wait() == rc and "/etc/xproxy/xproxy.conf:1: " in t.said(), t.said()
    gone()


# ---- without sshd
def direct(*args, user=None, env=None, stdin=subprocess.DEVNULL, **kw):
    e = dict((user or h.alice).env(), SSH_CONNECTION="192.0.2.7 5000 192.0.2.1 22")
    e.update(env or {})
    e = {k: v for k, v in e.items() if v is not None}
    return subprocess.run([h.CONN, *args], stdin=stdin, capture_output=True, text=True, timeout=20, env=e, check=False,
                          **{**(user or h.alice).popen_as(), **kw})


def test_not_sshd():
    """Started by somebody else, with files, and by root."""
    r = direct("--ssh", env={"SSH_CONNECTION": None})
    assert r.returncode == 2 and "--ssh is for sshd" in r.stderr, r
    r = direct("--ssh")
    assert r.returncode == 2 and r.stderr == "xproxy-conn: standard input and output have to be sshd's\n", r
    if h.ROOT:
        r = subprocess.run([h.CONN, "--ssh"], stdin=subprocess.PIPE, capture_output=True, text=True, timeout=10, check=False,
                           env={"SSH_CONNECTION": "192.0.2.7 5000 192.0.2.1 22"})
        assert r.returncode == 4 and "sessions of root cannot be reached" in r.stderr, r


def test_module_cannot_be_named():
    """Module=ssh on a socket, even inside an ssh session, is an error; so is another module with --ssh."""
    env = {"SSH_CONNECTION": "192.0.2.7 5000 192.0.2.1 22"}
    conf = h.conf("ssh")
    os.chmod(conf, 0o644)
    r = direct("-c", conf, "--check-config")
    assert r.returncode == 2 and "unknown module 'ssh'" in r.stderr, r
    conn = h.spawn(conf, env=env, user=h.alice)
    p = conn.peer.login(x.hello65(username=h.alice.name))
    assert p.name == "disconnect" and x.text(p[1]) == "authentication error", x.texts(p)
    assert conn.wait() == 2
    r = direct("--ssh", "-o", "Auth.Module=none")
    assert r.returncode == 2 and "Auth.Module= and --ssh: sshd has logged the user in" in r.stderr, r
    r = direct("--ssh", "--check-config")
    assert r.returncode == 0 and r.stdout == "configuration: ok\n", r


@h.each("192.0.2.7 5000 192.0.2.1 22", "2001:db8::7 5000 2001:db8::1 22", "fe80::7%eth0 5000 fe80::1%eth0 22",
        "UNKNOWN 65535 UNKNOWN 65535", "")
def test_socket(connection):
    """An sshd that gives one socket instead of pipes; and what it says of the client."""
    scripted(701)
    conn = h.spawn(h.conf("none", Sessions={"SocketDirs": h.alice.sockets}), "unix", user=h.alice, args=["--ssh"],
                   env={"SSH_CONNECTION": connection, "SSH_ORIGINAL_COMMAND": "xpra _proxy :701"})
    p = conn.peer.login(x.hello65())
    assert p.name == "hello", x.texts(p)
    there = {what.split()[0] for _, what in h.program_processes()}
    assert "xproxy-bridge" not in there, there
    shown = {"1": "192.0.2.7:5000", "2": "[2001:db8::7]:5000", "f": "[fe80::7]:5000", "U": "ssh", "": "ssh"}[connection[:1]]
    line = listed()
    assert shown in line and " ssh " in line, line
    conn.peer.close()
    assert conn.wait() == 0
