# SPDX-License-Identifier: GPL-2.0-or-later
"""What the system tests stand on: the program started in each of its ways, scripted servers and
clients around it, and the real xpra, headless. Everything made here is undone by end_of_test() or
end_of_file(); a process or socket of the program that outlives its test fails that test."""
import atexit
import ctypes
import fcntl
import functools
import glob
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import xpranet
from xpranet import Peer

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT_DIR = os.path.dirname(os.path.dirname(HERE))
DATA = os.path.join(os.path.dirname(HERE), "data")
BUILD = os.path.abspath(os.environ.get("XPROXY_BUILD") or os.path.join(ROOT_DIR, "build"))
CONN, CTL = os.path.join(BUILD, "xproxy-conn"), os.path.join(BUILD, "xproxyctl")
NO_PROGRAM = not os.path.exists(CONN)
ROOT = os.geteuid() == 0


def _asan():
    try:
        with open(CONN, "rb") as f:
            return b"__asan_init" in f.read()
    except OSError:
        return False


ASAN = _asan()
SLACK = (4 if ASAN else 1) * float(os.environ.get("XPROXY_TEST_SLACK", "1"))

SCRATCH = None       # a directory of this test process only
PRIVATE = False      # in namespaces of our own
SLOT = 0
HOSTNAME = socket.gethostname()


class Skip(Exception):
    pass


def timeout(seconds):
    def mark(f):
        f.timeout = seconds
        return f
    return mark


def each(*cases):
    """The test runs once per case, with the case as its argument. A function says which they are where it takes long to
    find out, and other files import this one."""
    def mark(f):
        f.cases = cases[0] if cases and callable(cases[0]) else [str(c) for c in cases]
        return f
    return mark


def needs_root(f):
    @functools.wraps(f)
    def run(*a):
        if not ROOT:
            raise Skip("needs root: switches users")
        return f(*a)
    return run


def needs_tool(*tools):
    def mark(f):
        @functools.wraps(f)
        def run(*a):
            for t in tools:
                if not shutil.which(t):
                    raise Skip(f"{t} is not installed")
            return f(*a)
        return run
    return mark


class TooLong(AssertionError):
    """Something has taken longer than it may."""


def measures(f):
    """A time that is too long is taken once more, as other tests run beside this one and a fault of ours would come
    again."""
    @functools.wraps(f)
    def run(*a):
        try:
            return f(*a)
        except TooLong as e:
            print(f"# once more: {e}", flush=True)
        end_of_test()
        return f(*a)
    return run


def eventually(check, seconds=5, what="", pause=0.02):
    """check() until it returns something true; that. Fails with `what`."""
    deadline = time.monotonic() + seconds * SLACK
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > deadline:
            words = what() if callable(what) else what
            raise AssertionError(f"not within {seconds * SLACK:g} s: {words or check}")
        time.sleep(pause)


# ------------------------------------------------------------------------------- set-up
class User:
    def __init__(self, name, uid, gid, home, runtime):
        self.name, self.uid, self.gid, self.home, self.runtime = name, uid, gid, home, runtime

    @property
    def sockets(self):
        return os.path.join(self.runtime, "xpra")

    def env(self, **more):
        e = {"HOME": self.home, "USER": self.name, "LOGNAME": self.name, "SHELL": "/bin/sh",
             "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8",
             "XDG_RUNTIME_DIR": self.runtime, "TMPDIR": "/tmp"}
        e.update(more)
        return e

    def popen_as(self):
        """For subprocess: become this user, if we are not."""
        if not ROOT or self.uid == 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


alice = bob = None  # users with sessions; without root both are who we are
ctl_user = None
_made_users = []


def setup(slot, private):
    global SCRATCH, PRIVATE, SLOT, alice, bob
    SLOT, PRIVATE = slot, private
    if private:
        _own_world()
    _subreaper()
    SCRATCH = tempfile.mkdtemp(prefix="xproxy-test-", dir="/tmp")
    os.chmod(SCRATCH, 0o755)
    atexit.register(end_of_file)
    os.environ["HOME"] = make_dir("home")
    os.environ.pop("DISPLAY", None)
    os.environ.pop("NOTIFY_SOCKET", None)
    # A shell without jobs has what runs behind it ignore ^C, and so would all that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.makedirs("/tmp/.X11-unix", exist_ok=True)
    try:
        os.chmod("/tmp/.X11-unix", 0o1777)
    except OSError:
        pass
    if not ROOT:
        me = pwd.getpwuid(os.getuid())
        runtime = make_dir("runtime", 0o700)
        alice = bob = User(me.pw_name, me.pw_uid, me.pw_gid, me.pw_dir, runtime)
        os.environ["XDG_RUNTIME_DIR"] = runtime
    else:
        os.environ["XDG_RUNTIME_DIR"] = make_dir("runtime", 0o700)
        alice, bob = _user("alice", 21001), _user("bob", 21002)
    for u in {alice.name: alice, bob.name: bob}.values():
        make_dir(u.sockets, 0o700, u)


def _own_world():
    """We are root in new mount, network, pid and ipc namespaces: make them usable, private."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # lo up: SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
    s.close()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/run"], check=True)
    os.makedirs("/run/user")
    if not any(p.startswith("/tmp/") for p in (ROOT_DIR, BUILD)):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "none", "/tmp"], check=True)
    for file, mode in (("passwd", 0o644), ("group", 0o644), ("shadow", 0o600)):
        copy = f"/run/test-{file}"
        shutil.copyfile(f"/etc/{file}", copy)
        os.chmod(copy, mode)
        subprocess.run(["mount", "--bind", copy, f"/etc/{file}"], check=True)
    with open("/run/test-hosts", "w") as f:
        f.write(f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost\n")
    subprocess.run(["mount", "--bind", "/run/test-hosts", "/etc/hosts"], check=True)


def _user(name, uid):
    """A user that can own sessions, with a home and a runtime directory."""
    if PRIVATE:
        home = make_dir(f"home-{name}")
        _own_line("/etc/passwd", name, f"{name}:x:{uid}:{uid}:test:{home}:/bin/sh")
        _own_line("/etc/group", name, f"{name}:x:{uid}:")
    else:
        name, uid = f"xpt{name}{SLOT}", uid + 1000 + 10 * SLOT
        home = make_dir(f"home-{name}")
        subprocess.run(["userdel", "-f", name], stderr=subprocess.DEVNULL)
        r = subprocess.run(["useradd", "-M", "-U", "-u", str(uid), "-d", home, "-s", "/bin/sh", name],
                           capture_output=True, text=True)
        if r.returncode:
            raise RuntimeError(f"useradd {name}: {r.stderr}")
        _made_users.append(name)
    os.chown(home, uid, uid)
    runtime = f"/run/user/{uid}"
    os.makedirs("/run/user", exist_ok=True)
    shutil.rmtree(runtime, ignore_errors=True)
    os.mkdir(runtime, 0o700)
    os.chown(runtime, uid, uid)
    return User(name, uid, uid, home, runtime)


def _own_line(file, name, line):
    """Adds a line to our private copy of an accounts file, instead of any that the machine has for name."""
    with open(file) as f:
        lines = [one for one in f.read().splitlines() if not one.startswith(name + ":")]
    with open(file, "w") as f:
        f.write("\n".join(lines + [line]) + "\n")


def make_dir(name, mode=0o755, owner=None):
    path = os.path.join(SCRATCH, name)
    os.makedirs(path, exist_ok=True)
    os.chmod(path, mode)
    if owner and ROOT:
        os.chown(path, owner.uid, owner.gid)
    return path


def make_file(name, content, mode=0o644, owner=None):
    path = os.path.join(SCRATCH, name)
    with open(path, "wb") as f:
        f.write(content.encode() if isinstance(content, str) else content)
    os.chmod(path, mode)
    if owner and ROOT:
        os.chown(path, owner.uid, owner.gid)
    return path


def _subreaper():
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


# ------------------------------------------------------------------------------- ending
_closers = []       # of this test, last first
_file_closers = []  # of this file
_logs = []          # (title, path) whose ends are shown when a test fails


def defer(f, *a):
    _closers.append((f, a))


def defer_to_end_of_file(f, *a):
    _file_closers.append((f, a))


NOISE = re.compile(r"running as root|python2|pyenv|Python versions|xpra for python|^\s*2\.7|sound subsystem|any data|dbus|netifaces"
                   r"|keyboard settings|desktop size|screen \(|DPI|remote logging|running on|^\s*$|Communication attempt|Execing"
                   r"|Control-C|input devices|server uses|xauth|menu|Gtk|'xproxy' does not exist", re.I)


def evidence():
    """The ends of the logs of what the test started, without what is always there."""
    out = ""
    for title, path in _logs[-8:]:
        try:
            with open(path, errors="replace") as f:
                lines = [one for one in f.read()[-6000:].split("\n") if not NOISE.search(one)]
        except OSError:
            continue
        out += "\n--- " + "\n".join([title] + lines[-25:])
    return out


def _run(closers):
    while closers:
        f, a = closers.pop()
        try:
            f(*a)
        except Exception as e:  # noqa: BLE001 - the others still have to run
            print(f"cleaning up: {e}", file=sys.stderr)


def end_of_test():
    global _runtime
    _runtime = None
    """Closes what the test opened; what of the program is still there after that, as text."""
    _run(_closers)
    logs = [path for _, path in _logs]
    _logs.clear()
    deadline = time.monotonic() + 3 * SLACK
    while True:
        for conn in _conns:
            conn.proc.poll()
        reap()
        left = program_processes()
        if not (left or control_sockets()) or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    words = [f"process {pid} {what}" for pid, what in left]
    for path in logs if ASAN else ():
        with open(path, errors="replace") as f:
            words += [line for line in f.read().split("\n") if re.search("Sanitizer|runtime error", line)][:3]
    for pid, _ in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    if left:
        time.sleep(0.2)
        reap()
    for conn in _conns:
        if conn.proc.poll() is not None:
            _popen_pids.discard(conn.proc.pid)
    _conns.clear()
    for u in (alice, bob):  # what it remembers of servers
        shutil.rmtree(os.path.join(u.runtime, "xproxy"), ignore_errors=True)
    if PRIVATE:
        shutil.rmtree("/run/xproxy", ignore_errors=True)
    for path in control_sockets():
        words.append(f"socket {path}")
        try:
            os.unlink(path)
        except OSError:
            pass
    return "; ".join(words)


def detach_mounts(folder):
    """What is mounted below it may be the machine's own, which must not be removed with it."""
    with open("/proc/self/mountinfo") as f:
        points = [line.split()[4] for line in f]
    for point in sorted((p for p in points if p.startswith(folder + "/")), reverse=True):
        subprocess.run(["umount", "-l", point], check=True)


def end_of_file():
    atexit.unregister(end_of_file)
    _run(_closers)
    _run(_file_closers)
    for sig in (signal.SIGTERM, signal.SIGKILL):
        mine = descendants(os.getpid())
        for pid in mine:
            try:
                os.kill(pid, sig)
            except OSError:
                pass
        if mine:
            time.sleep(0.3)
            reap(everything=True)
    for name in _made_users:
        subprocess.run(["userdel", "-f", name], stderr=subprocess.DEVNULL)
        subprocess.run(["groupdel", name], stderr=subprocess.DEVNULL)
    for u in (alice, bob):
        if u and ROOT:
            shutil.rmtree(u.runtime, ignore_errors=True)
    if SCRATCH:
        detach_mounts(SCRATCH)
        shutil.rmtree(SCRATCH, ignore_errors=True)


def reap(everything=False):
    """Collects orphans that were handed to us; not those a Popen waits for."""
    known = set() if everything else _popen_pids
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            s = stat(int(pid))
            if s and s["ppid"] == os.getpid() and s["state"] == "Z" and int(pid) not in known:
                try:
                    os.waitpid(int(pid), os.WNOHANG)
                except OSError:
                    pass


_popen_pids = set()
_conns = []  # of this test


def popen(cmd, **kw):
    p = subprocess.Popen(cmd, **kw)
    _popen_pids.add(p.pid)
    return p


def end_process(p, wait=5):
    """Ends one that we started, politely first; and its group."""
    if p.poll() is None:
        for sig, seconds in ((signal.SIGTERM, wait), (signal.SIGKILL, 5)):
            try:
                os.killpg(p.pid, sig) if os.getpgid(p.pid) == p.pid else p.send_signal(sig)
            except OSError:
                pass
            try:
                p.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
    _popen_pids.discard(p.pid)


# ------------------------------------------------------------------------------- processes
def stat(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            data = f.read()
    except OSError:
        return None
    comm, rest = data[data.index("(") + 1:data.rindex(")")], data[data.rindex(")") + 2:].split()
    return {"comm": comm, "state": rest[0], "ppid": int(rest[1]), "pgrp": int(rest[2])}


def status(pid):
    """/proc/PID/status as a dict."""
    with open(f"/proc/{pid}/status") as f:
        return dict((k, v.strip()) for k, _, v in (line.partition(":") for line in f))


def descendants(pid):
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            s = stat(int(entry))
            if s:
                parents.setdefault(s["ppid"], []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        todo += (below := parents.get(todo.pop(), []))
        found += below
    return found


def program_processes():
    """[(pid, words)] of every live process of the program below us."""
    found = []
    for pid in descendants(os.getpid()):
        s = stat(pid)
        if s and s["state"] != "Z" and s["comm"].startswith("xproxy"):
            found.append((pid, f"{s['comm']} ({s['state']})"))
    return found


def control_sockets():
    """Every :proxy-PID socket file of our users."""
    found = []
    for u in {alice.name: alice, bob.name: bob}.values():
        for d in (u.sockets, os.path.join(u.home, ".xpra"), "/run/xpra"):
            found += glob.glob(os.path.join(glob.escape(d), "*-proxy-*"))
    return found


def rss(pid):
    """Resident kB."""
    return int(status(pid)["VmRSS"].split()[0])


# ------------------------------------------------------------------------------- configuration
_serial = iter(range(1, 1 << 30))


def conf(*modules, **sections):
    """Writes a configuration file; returns its path. conf("none", Limits={"LoginTimeout": "1s"})"""
    lines = ["[Auth]"] + [f"Module={m}" for m in modules]
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        for k, v in keys.items():
            for one in v if isinstance(v, (list, tuple)) else [v]:
                lines.append(f"{k}={one}")
    sections_given = set(sections)
    if "Sessions" not in sections_given:
        lines += ["[Sessions]", "SocketDirs=$XDG_RUNTIME_DIR/xpra"]
    return make_file(f"conf-{next(_serial)}.conf", "\n".join(lines) + "\n")


def multifile(*lines):
    """A multifile users file readable by root (or us) only; its module spec."""
    path = make_file(f"users-{next(_serial)}", "\n".join(lines) + "\n", 0o600)
    return f"multifile(filename={path})"


def line(name, password, uri, user=None, env="", options=""):
    u = user or alice
    return f"{name}|{password}|{u.uid}|{u.gid}|{uri}|{env}|{options}"


# ------------------------------------------------------------------------------- the program
def as_user_default():
    """How scripted tests run the program: as root if we are, else as ourselves."""
    return None if ROOT else alice


class Conn:
    """One xproxy-conn, and the client's end of its connection in .peer."""

    def __init__(self, proc, peer, log):
        self.proc, self.peer, self.log_path = proc, peer, log

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait(self, seconds=5):
        """The exit code; must come in time."""
        try:
            rc = self.proc.wait(seconds * SLACK)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"xproxy-conn did not end within {seconds * SLACK:g} s") from None
        _popen_pids.discard(self.proc.pid)
        return rc

    def logged(self, pattern, seconds=3):
        """The log line that matches; it may take a moment to be written."""
        def look():
            for one in self.log().split("\n"):
                if re.search(pattern, one, re.I):
                    return one
            return None
        try:
            return eventually(look, seconds)
        except AssertionError:
            raise AssertionError(f"no log line matches /{pattern}/; the log:\n{self.log()}") from None

    def processes(self):
        return [self.proc.pid] + [p for p in descendants(self.proc.pid)
                                  if (s := stat(p)) and s["state"] != "Z"]

    def guard(self):
        return self.proc.pid

    def worker(self):
        """The one that reads the network: the process below the guard that holds the connection."""
        def look():
            for pid in self.processes()[1:]:
                held = fds(pid)
                if f"socket:[{self.inode}]" in held.values() or not held and stat(pid)["comm"] == "xproxy-worker":
                    return pid
            return None
        return eventually(look, 3, "no worker process holds the connection")


def fds(pid):
    """{fd: what it is}; nothing for a process that only root may look into."""
    found = {}
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return found
    for fd in names:
        try:
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            pass
    return found


def pair(kind):
    """(ours, the program's): two ends of a connection."""
    if kind == "unix":
        return socket.socketpair()
    family, host = (socket.AF_INET6, "::1") if kind == "tcp6" else (socket.AF_INET, "127.0.0.1")
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen(1)
        ours = socket.create_connection(listener.getsockname()[:2])
        theirs, _ = listener.accept()
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, theirs


_runtime = None


def runtime_directory():
    """What systemd's RuntimeDirectory= would be: the program's memory, one for each test."""
    global _runtime
    _runtime = _runtime or make_dir(f"runtime-{next(_serial)}")
    return _runtime


def program_env(user, theirs=None):
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    if user is None:
        env["RUNTIME_DIRECTORY"] = runtime_directory()
    if user:
        env.update(user.env())
    if theirs is not None and theirs.family != socket.AF_UNIX:
        address = theirs.getpeername()
        env.update(REMOTE_ADDR=address[0], REMOTE_PORT=str(address[1]))
    if ASAN:  # a locked process may not fork for the search for leaks
        env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "detect_leaks=0:use_sigaltstack=0:handle_segv=0:print_legend=0")
    return env


def spawn(conf_path, kind="tcp", user=None, args=(), fd3=False, env=None, encoder=xpranet.RENCODEPLUS,
          how=None):
    """xproxy-conn with one end of a connection as fd 0 (fd3: as LISTEN_FDS=1 does). user: run it as
    this user (default: as root if we are)."""
    user = user or as_user_default()
    ours, theirs = pair(kind)
    log = os.path.join(SCRATCH, f"conn-{next(_serial)}.log")
    cmd = [CONN, "-c", conf_path, *args]
    full_env = program_env(user, theirs)
    full_env.update(env or {})
    full_env = {k: v for k, v in full_env.items() if v is not None}
    kw = dict(user.popen_as() if user else {})
    inode = os.fstat(theirs.fileno()).st_ino
    if fd3:
        full_env["LISTEN_FDS"] = "1"
        # the shell knows its pid, which stays the program's; dup2 to 3 happens in the shell's redirection
        cmd = ["/bin/sh", "-c", f'LISTEN_PID=$$ exec "$@" 3<&{theirs.fileno()} {theirs.fileno()}<&- </dev/null',
               "sh", *cmd]
        kw["pass_fds"] = [theirs.fileno()]
        stdin, stdout = subprocess.DEVNULL, subprocess.DEVNULL
    else:
        stdin = stdout = theirs
    with open(log, "wb") as err:
        proc = popen(cmd, stdin=stdin, stdout=stdout, stderr=err, env=full_env, cwd="/",
                     start_new_session=True, **kw)
    theirs.close()
    peer = Peer(ours, encoder, how)
    conn = Conn(proc, peer, log)
    conn.inode = inode
    _logs.append((" ".join(["xproxy-conn", f"pid {proc.pid}"]), log))
    _conns.append(conn)
    defer(peer.close)
    return conn


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Listener:
    """systemd-socket-activate --accept with the program behind it: one process per connection."""

    def __init__(self, conf_path, address=None, user=None, inetd=True, shared=False, env=None):
        user = user or as_user_default()
        self.port = None if address else free_port()
        self.address = address or f"127.0.0.1:{self.port}"
        self.log_path = os.path.join(SCRATCH, f"listener-{next(_serial)}.log")
        env = {**program_env(user), **(env or {})}
        keep = [x for k in env if k not in ("PATH", "HOME", "USER", "TERM") for x in ("-E", k)]
        cmd = ["systemd-socket-activate", "--accept", *(["--inetd"] if inetd else []), "-l", self.address,
               *keep, CONN, "-c", conf_path]
        with open(self.log_path, "wb") as err:
            self.proc = popen(cmd, stdin=subprocess.DEVNULL, stdout=err, stderr=err, env=env, cwd="/",
                              start_new_session=True, **(user.popen_as() if user else {}))
        eventually(lambda: "Listening on" in self.log(), 10, "systemd-socket-activate listens")
        _logs.append((f"listener {self.address}", self.log_path))
        (defer_to_end_of_file if shared else defer)(end_process, self.proc)
        self._start = 0

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def mark(self):
        """The log from here on is what log_since() shows."""
        self._start = os.path.getsize(self.log_path)

    def log_since(self):
        with open(self.log_path, "rb") as f:
            f.seek(self._start)
            return f.read().decode("utf8", "replace")

    def connect(self, **kw):
        s = (socket.create_connection(("127.0.0.1", self.port)) if self.port else
             _connect_unix(self.address))
        peer = Peer(s, **kw)
        defer(peer.close)
        return peer

    def url(self, user="", password="", display=""):
        who = f"{user}:{password}@" if password else f"{user}@" if user else ""
        return f"tcp://{who}127.0.0.1:{self.port}/{display}"


def _connect_unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return s


def ctl(*args, user=None, conf_path=None, input=None, timeout=20, more_env=None):
    """xproxyctl; the CompletedProcess."""
    cmd = [CTL] + (["-c", conf_path] if conf_path else []) + [str(a) for a in args]
    kw = dict(user.popen_as() if user else {})
    env = dict(user.env() if user else program_env(None), **(more_env or {}))
    return subprocess.run(cmd, capture_output=True, text=True, timeout=timeout * SLACK, env=env, cwd="/",
                          input=input, **kw)


# ------------------------------------------------------------------------------- scripted servers
def as_thread(user, f):
    """f() with this thread's (not the process's) effective ids set to user's."""
    if not ROOT or user is None or user.uid == 0:
        return f()
    libc = ctypes.CDLL(None, use_errno=True)
    setresgid, setresuid = 119, 117  # x86-64; elsewhere fall back to the process-wide calls
    machine = os.uname().machine
    if machine == "aarch64":
        setresgid, setresuid = 149, 147
    if libc.syscall(setresgid, -1, user.gid, -1) or libc.syscall(setresuid, -1, user.uid, -1):
        raise OSError(ctypes.get_errno(), "setresuid")
    try:
        return f()
    finally:
        libc.syscall(setresuid, -1, 0, -1)
        libc.syscall(setresgid, -1, 0, -1)


class Session:
    """One connection that a scripted server has accepted."""

    def __init__(self, peer):
        self.peer = peer
        self.hellos = []   # every client hello, as Packet
        self.first = b""   # raw bytes of the first record
        self.challenge = None

    @property
    def caps(self):
        """The last hello's capabilities, with text keys and values where they are text."""
        return xpranet.texts(self.hellos[-1][1])

    @property
    def raw_caps(self):
        return self.hellos[-1][1]


class Server:
    """A scripted xpra server. version "3.1.3" reads rencode and bencode and answers everything else as
    3.1.3 does (plain text); "5.0" reads all; "6.5" reads rencodeplus and yaml. No version reads the yaml of those before 6.
    only="yaml": it reads nothing else. Greets by itself up to and including the
    server hello, then hands the connection to the test: get()."""

    def __init__(self, version="6.5", where=None, user=None, caps=None, password=None, greet=True,
                 digest="hmac+sha512", salt_digest="hmac+sha512", how=None, before_hello=None, only=None):
        self.only = xpranet.ENCODERS[only] if only else None
        self.version, self.old = version, version.startswith("3")
        self.encoder = xpranet.RENCODE if self.old else xpranet.RENCODEPLUS
        self.caps = caps if caps is not None else (xpranet.server31() if self.old else xpranet.server65())
        self.password, self.greet, self.digest, self.salt_digest = password, greet, digest, salt_digest
        self.how, self.before_hello = how, before_hello
        self.sessions, self.refused, self.accepted, self.problems = [], [], 0, []
        self.changed = threading.Condition()
        self.path = None
        if where is None or where == "tcp":
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
            self.uri = f"tcp://127.0.0.1:{self.port}/"
        elif where == "tcp6":
            self.listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
            self.port = self.listener.getsockname()[1]
            self.uri = f"tcp://[::1]:{self.port}/"
        else:  # a path, or "@abstract"
            self.path, self.uri = where, f"socket://{where}"
            self.listener = socket.socket(socket.AF_UNIX)
            owner = user or alice

            def listen():
                self.listener.bind("\0" + where[1:] if where[0] == "@" else where)
                self.listener.listen(16)
                if where[0] != "@":
                    os.chmod(where, 0o600)
            as_thread(owner, listen)
        defer(self.close)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thread.join(2)
        if self.path and self.path[0] != "@":
            try:
                os.unlink(self.path)
            except OSError:
                pass
        with self.changed:
            for s in self.sessions + self.refused:
                s.peer.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(Peer(sock, self.encoder, self.how))
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, s):
        try:
            ok = not self.greet or (self.greet(self, s) if callable(self.greet) else self._greet(s))
        except (xpranet.Closed, xpranet.Timeout, OSError) as e:
            self.problems.append(e)
            ok = False
        except xpranet.PlainText as e:
            self.problems.append(e)
            ok = False
        with self.changed:
            (self.sessions if ok else self.refused).append(s)
            self.changed.notify_all()
        if not ok:
            s.peer.close()

    def _refuse(self, s, words):
        s.peer.send_raw((": " if self.old else " ").join(["disconnect", words]).encode() + b"\n")
        return False

    def _read_hello(self, s):
        """The next hello, refusing what this version cannot decode."""
        deadline = time.monotonic() + 20
        while len(s.peer.assembler.data) < 8:
            s.peer._fill(deadline)
        flags, level = s.peer.assembler.data[1], s.peer.assembler.data[2]
        bits = flags & xpranet.ENCODER_MASK
        name = {v: k for k, v in xpranet.ENCODERS.items()}.get(bits)
        if self.old and bits & xpranet.RENCODEPLUS:
            return self._refuse(s, "failed to parse bencode packet")
        if self.old and bits & xpranet.YAML:  # its loader needs a PyYAML before 6
            return self._refuse(s, "failed to parse yaml packet")
        if self.only is not None and bits != self.only:
            return self._refuse(s, f"invalid packet encoding: '{name}' decoder is not available")
        if self.version.startswith("6"):
            if level and not level & 0xf0:
                return self._refuse(s, "invalid compression: zlib is not available")
            if bits not in (xpranet.RENCODEPLUS, xpranet.YAML):
                return self._refuse(s, f"invalid packet encoding: '{name}' decoder is not available")
        p = s.peer.read_packet(20)
        if bits == xpranet.YAML:
            if b"python/tuple" in xpranet.decompress(p.raw[8:], p.compression):
                return False  # 5.x and later just close
            s.peer.encoder = xpranet.YAML
        if p.name != "hello":
            self.problems.append(f"expected hello, got {p[:2]!r:.200}")
            return False
        s.hellos.append(p)
        return True

    def _greet(self, s):
        if not self._read_hello(s):
            return False
        for password in ([self.password] if isinstance(self.password, str) else self.password or []):
            salt = os.urandom(64)
            s.challenge = ["challenge", salt, "" if self.old else {}, self.digest, self.salt_digest,
                           "password" if self.old else "password for user 'x'"]
            s.peer.send_packet(*s.challenge)
            if not self._read_hello(s):
                return False
            caps = s.caps
            response, client_salt = s.raw_caps_get("challenge_response"), s.raw_caps_get("challenge_client_salt")
            good = response and client_salt and xpranet.respond(
                self.digest, password, xpranet.combine_salts(self.salt_digest, salt, client_salt)) == response
            if not good:
                self.problems.append(f"bad response {caps.get('challenge_response')!r:.60}")
                time.sleep(0.2)
                s.peer.send_packet("disconnect", "authentication failed")
                return False
        for p in self.before_hello or ():
            s.peer.send_packet(*p)
        s.peer.send_packet("hello", self.caps)
        return True

    def get(self, seconds=10, index=None):
        """The next session that got its hello (or the index-th)."""
        index = getattr(self, "_taken", 0) if index is None else index
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.sessions) > index, seconds * SLACK):
                raise AssertionError(f"no session reached the server; {self.accepted} connections, "
                                     f"problems: {self.problems}")
            self._taken = index + 1
            return self.sessions[index]


def _raw_caps_get(self, key):
    for k, v in self.raw_caps.items():
        if xpranet.text(k) == key:
            return v.encode("latin1") if isinstance(v, str) else v
    return None


Session.raw_caps_get = _raw_caps_get


class Dead:
    """A TCP server that misbehaves: `do(socket)` is called with every connection."""

    def __init__(self, do):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.uri, self.held = f"tcp://127.0.0.1:{self.port}/", []
        defer(self.close)

        def accept():
            while True:
                try:
                    s, _ = self.listener.accept()
                except OSError:
                    return
                self.held.append(s)
                do(s)
        threading.Thread(target=accept, daemon=True).start()

    def close(self):
        self.listener.close()
        for s in self.held:
            s.close()


# ------------------------------------------------------------------------------- a whole path
class Link:
    """Client - program - server, both hellos done. c and s are the two outer Peers."""

    def __init__(self, conn, c, session, hello, server):
        self.conn, self.c, self.session, self.hello, self.server = conn, c, session, hello, server
        self.s = session.peer

    @property
    def caps(self):
        return xpranet.texts(self.hello[1])


def take_keymap(server, caps):
    """What a 6.5 server gets first from an old client: the keymap of its hello once more, in the packet that such a
    server waits for."""
    flat = {xpranet.text(k): v for k, v in caps.items() if xpranet.text(k).startswith("xkbmap_")}
    if not flat:
        return
    p = server.read_packet(5)
    assert p.name == "keymap-changed", f"{xpranet.texts(p)!r:.200}"
    keymap = xpranet.texts(p[1])["keymap"]
    assert {"xkbmap_" + k for k in keymap if "xkbmap_" + k in flat} == set(flat), (list(keymap), list(flat))


def flood(server):
    """It sends pictures from now on, as fast as they are taken, until it is closed."""
    def run():
        try:
            while True:
                server.send_packet("draw", 1, b"x" * 500_000)
        except OSError:
            pass
    threading.Thread(target=run, daemon=True).start()


def link(client="6.5", server="6.5", caps=None, server_caps=None, kind="tcp", options="", uri=None,
         user=None, how=None, args=(), server_how=None, where=None, srv=None, relay=None, tls=None, ws=None,
         **sections):
    """Logs in with multifile, password "pw". relay: keys of [Relay]; default: no pings of our own. tls: the
    client's SSLContext. ws: a WebSocket, with these arguments of Peer.start_websocket()."""
    srv = srv or Server(server, where=where, caps=server_caps, how=server_how)
    sections.setdefault("Relay", relay or {"PingInterval": "0"})
    path = conf(multifile(line("john", "pw", uri or srv.uri, options=options)), **sections)
    old = client.startswith("3")
    conn = spawn(path, kind, user=user, args=args, how=how,
                 encoder=xpranet.RENCODE if old else xpranet.RENCODEPLUS)
    if tls:
        conn.peer.start_tls(tls)
    if ws is not None:
        conn.peer.start_websocket(**ws)
    caps = caps if caps is not None else (xpranet.hello31 if old else xpranet.hello65)(username="john")
    p = conn.peer.login(caps, "pw")
    if p.name != "hello":
        raise AssertionError(f"expected hello, got {xpranet.texts(p)!r:.400}\n{conn.log()}")
    made = Link(conn, conn.peer, srv.get(), p, srv)
    if old and str(srv.version).startswith("6"):
        take_keymap(made.s, caps)
    return made


# ------------------------------------------------------------------------------- hellos
NETWORK_CAPS = ("rencode", "rencodeplus", "bencode", "yaml", "encoders", "compressors", "lz4", "lzo", "zlib", "brotli",
           "zstd", "compression_level", "aliases", "wants_aliases", "flush", "chunks", "websocket.multi-packet", "digest",
           "salt-digest", "network", "packet-types", "mmap", "cipher", "encryption", "challenge", "python-lz4",
           "python-lzo", "proxy", "none", "ping-echo-sourceid")
FORBIDDEN_CAPS = ("cipher", "encryption", "mmap", "aliases", "challenge")


def is_network_cap(key):
    return any(key == n or key.startswith((n + ".", n + "_")) for n in NETWORK_CAPS)


def compare_hellos(sent, got, exempt=()):
    """Every key that is not the network's passed unchanged, and nothing else was added."""
    sent, got = xpranet.texts(xpranet.plain(sent)), xpranet.texts(xpranet.plain(got))
    for k, v in sent.items():
        if not is_network_cap(k) and k not in exempt:
            assert k in got, f"{k} is lost"
            assert got[k] == v, f"{k}: {v!r:.100} became {got[k]!r:.100}"
    added = [k for k in got if k not in sent and not is_network_cap(k)]
    assert not added, f"added: {added}"


# ------------------------------------------------------------------------------- real xpra
QUIET = ["--mdns=no", "--pulseaudio=no", "--speaker=off", "--microphone=off", "--notifications=no",
         "--printing=no", "--webcam=no"]


def have_xpra():
    return bool(shutil.which("xpra") and shutil.which("Xvfb") and shutil.which("xterm"))


def needs_xpra(f):
    @functools.wraps(f)
    def run(*a):
        for t in ("xpra", "Xvfb", "xterm", "xwininfo", "xdotool"):
            if not shutil.which(t):
                raise Skip(f"{t} is not installed")
        return f(*a)
    return run


def free_display(base):
    with open("/proc/net/unix") as f:
        taken = f.read()
    for n in range(base + 1000 * SLOT, base + 1000 * SLOT + 19):  # callers' bases are 20 apart
        if f"/tmp/.X11-unix/X{n}\n" not in taken and not os.path.exists(f"/tmp/.X11-unix/X{n}") and not os.path.exists(f"/tmp/.X{n}-lock"):
            return n
    raise AssertionError("no free display")


class RealServer:
    """`xpra start` of the Debian package with an xterm that keeps what is typed into it."""

    def __init__(self, user=None, display=None, tcp=True, args=(), runtime=None):
        self.user, self.n = user or alice, display or free_display(100)
        if not os.access(self.user.home, os.W_OK):
            raise Skip(f"xpra start needs a home directory to write to; {self.user.home} is none")
        self.display = f":{self.n}"
        self.title = f"HELLO-{self.n}"
        self.typed = os.path.join(make_dir(f"typed-{self.n}", 0o777), "keys")
        self.log_path = os.path.join(SCRATCH, f"server-{self.n}.log")
        self.port = free_port() if tcp else None
        self.xauth = os.path.join(self.user.home, f".Xauthority-{self.n}")
        inner = make_file(f"inner-{self.n}.sh", f"#!/bin/sh\nexec cat > {self.typed}\n", 0o755)
        xvfb = (f"/usr/bin/Xvfb +extension Composite -screen 0 1600x1200x24+32 -nolisten tcp -noreset "
                f"-auth {self.xauth}")
        cmd = ["xpra", "start", self.display, "--daemon=no", "--systemd-run=no",
               f"--start=xterm -T {self.title} -e {inner}", *QUIET, "--dbus-launch=", "--html=off",
               f"--socket-dir={self.user.sockets}", f"--xvfb={xvfb}", *args]
        if tcp:
            cmd.append(f"--bind-tcp=127.0.0.1:{self.port}")
        self.env = self.user.env(XAUTHORITY=self.xauth, XPRA_SOCKET_HOSTNAME=HOSTNAME)
        with open(self.log_path, "wb") as log:
            self.proc = popen(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                              cwd=self.user.home, start_new_session=True, **self.user.popen_as())
        defer_to_end_of_file(self.stop)
        self.shown = (f"xpra start {self.display}", self.log_path)
        _logs.append(self.shown)
        eventually(lambda: "xpra is ready" in self.log(), 40,
                   lambda: f"xpra start: {self.log()[-1500:]}", 0.1)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self):
        end_process(self.proc, 8)

    @property
    def uri(self):
        return f"tcp://127.0.0.1:{self.port}/"

    def geometry(self):
        """(width, height) of the xterm as the session's own X server has it, or None."""
        return window_size(self.display, self.title, self.env, self.user)

    def keys(self):
        try:
            with open(self.typed) as f:
                return f.read()
        except OSError:
            return ""


def window_size(display, title, env, user=None):
    r = subprocess.run(["xwininfo", "-display", display, "-name", title], capture_output=True, text=True,
                       env=dict(env, DISPLAY=display), **(user.popen_as() if user else {}))
    w, h = re.search(r"Width: (\d+)", r.stdout), re.search(r"Height: (\d+)", r.stdout)
    return (int(w.group(1)), int(h.group(1))) if w and h else None


@functools.lru_cache(None)
def client_x():
    """The X server that real clients show their windows on; its display."""
    n = free_display(400)
    log = open(os.path.join(SCRATCH, f"xvfb-{n}.log"), "wb")
    p = popen(["Xvfb", f":{n}", "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset"],
              stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    log.close()
    defer_to_end_of_file(end_process, p)
    eventually(lambda: os.path.exists(f"/tmp/.X11-unix/X{n}"), 10, "Xvfb for clients")
    return f":{n}"


class RealClient:
    """`xpra attach` of the Debian package."""

    def __init__(self, url, *args, env=None):
        self.display = client_x()
        self.log_path = os.path.join(SCRATCH, f"client-{next(_serial)}.log")
        self.env = dict(os.environ, DISPLAY=self.display, LC_ALL="C.UTF-8", XPRA_USER_UUID=f"u{next(_serial)}")
        self.env.update(env or {})
        cmd = ["xpra", "attach", url, *QUIET, "--opengl=no", "--tray=no", "--mmap=no", "--clipboard=no",
               "--bell=no", "--dbus-proxy=no", *args]
        with open(self.log_path, "wb") as log:
            self.proc = popen(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                              start_new_session=True)
        _logs.append((f"xpra attach {url}", self.log_path))
        defer(self.detach)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def _tree(self):
        return subprocess.run(["xwininfo", "-display", self.display, "-root", "-tree"], capture_output=True,
                              text=True, env=self.env).stdout

    def window(self, title):
        """The id of the client's window for a session's window, or None."""
        m = re.search(rf'(0x[0-9a-f]+) "{re.escape(title)}[ "]', self._tree())
        return m.group(1) if m else None

    def attached(self, title, seconds=20):
        """Waits for the session's window on the client's screen; its id."""
        def look():
            if self.proc.poll() is not None:
                raise AssertionError(f"the client ended with {self.proc.returncode}:\n{self.log()[-2000:]}")
            return self.window(title)
        return eventually(look, seconds, lambda: f"a window {title!r} on the client's screen:\n{self.log()[-2000:]}",
                          0.1)

    def _xdo(self, *args):
        r = subprocess.run(["xdotool", *args], capture_output=True, text=True, env=self.env, timeout=20)
        if r.returncode:
            raise AssertionError(f"xdotool {args}: {r.stderr}")

    def type(self, window, text):
        def focus():  # a window that is just being mapped cannot have it yet
            return subprocess.run(["xdotool", "windowfocus", window, "mousemove", "--window", window, "20", "20"],
                                  capture_output=True, env=self.env, timeout=20).returncode == 0
        eventually(focus, 5, f"window {window} takes the focus", 0.1)
        time.sleep(0.1)
        self._xdo("type", "--delay", "30", text)
        self._xdo("key", "Return")

    def resize(self, window, w, h):
        self._xdo("windowsize", window, str(w), str(h))

    def detach(self):
        end_process(self.proc)

    def ended(self, seconds=20):
        """Waits for the client to give up; (exit code, what it printed)."""
        try:
            rc = self.proc.wait(seconds * SLACK)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the client is still there:\n{self.log()[-2000:]}") from None
        _popen_pids.discard(self.proc.pid)
        return rc, self.log()


def xpra(*args, user=None, timeout=20):
    """An xpra command of the Debian package as user; the CompletedProcess, stdout and stderr together."""
    user = user or alice
    if not user.runtime.startswith("/run/user/"):  # the only place where it looks for itself
        args += (f"--socket-dir={user.sockets}", f"--socket-dirs={user.sockets}")
    return subprocess.run(["xpra", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout * SLACK, env=user.env(XPRA_SOCKET_HOSTNAME=HOSTNAME), cwd=user.home,
                          stdin=subprocess.DEVNULL, **user.popen_as())
