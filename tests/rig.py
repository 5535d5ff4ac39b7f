#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with a real systemd as PID 1, inside this one: util-linux and the kernel's namespaces, nothing to
download. Its disk is this machine's own, below an overlay in memory: what is written there is gone when it is
stopped. It has cgroups of its own, so that limits take effect. A second or two to boot; several at once, by name.

    rig.py start NAME [--bind SRC:DST[:rw]]... [--net private|shared]
    rig.py run   NAME COMMAND...       as a transient unit of the rig: its output, its exit code
    rig.py shell NAME SCRIPT           in its namespaces, but outside its cgroups
    rig.py root  NAME                  a path here that is the rig's /: for cp and make install DESTDIR=
    rig.py reboot NAME
    rig.py stop  NAME
    rig.py why-not                     why there can be none here; exit code 1 if so

Needs root with CAP_SYS_ADMIN and overlayfs, and systemd's package on this machine. $XPROXY_RIG_ROOT: another
directory to take for the disk, for example another distribution's tree. As a module: class Rig.
"""
import argparse
import fcntl
import functools
import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

BASE = "/run/xproxy-rig"
SYSTEMD = "/lib/systemd/systemd"
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "HOME": "/root",
       "LANG": "C.UTF-8"}
# What only disturbs in there: the hardware, the kernel and its settings are this machine's.
MASKED = """console-getty.service getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
    fstrim.timer e2scrub_all.timer man-db.timer systemd-timesyncd.service systemd-networkd.service
    systemd-resolved.service systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket
    systemd-udevd-control.socket systemd-firstboot.service systemd-modules-load.service systemd-sysctl.service
    systemd-journald-audit.socket sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount
    sys-fs-fuse-connections.mount dev-hugepages.mount""".split()
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0),
           "fuse": (10, 229)}


class RigError(Exception):
    pass


def disk():
    return os.environ.get("XPROXY_RIG_ROOT", "/")


@functools.lru_cache(None)
def why_not():
    """Why this machine cannot have a rig; None if it can."""
    if os.geteuid() != 0:
        return "needs root: mounts and cgroups"
    for tool in ("unshare", "nsenter", "mount", "pivot_root"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    for path in (SYSTEMD, "/usr/bin/systemd-run", "/usr/bin/dbus-daemon"):
        if not os.path.exists(disk() + path):
            return f"{path} is not installed"
    try:
        groups = hierarchies()
    except OSError as e:
        return f"cgroups cannot be read: {e}"
    if not groups or not all(os.access(g.here, os.W_OK) for g in groups):
        return "there are no cgroups that may be written to"
    script = (f"mount -t tmpfs none /run && mkdir /run/u /run/w /run/r && mount -t overlay overlay "
              f"-o lowerdir={shlex.quote(disk())},upperdir=/run/u,workdir=/run/w /run/r")
    r = subprocess.run(["unshare", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork", "sh", "-c", script],
                       capture_output=True, text=True, check=False)
    return f"namespaces or overlayfs are missing: {r.stderr.strip()}" if r.returncode else None


# ------------------------------------------------------------------------------- cgroups
class Hierarchy:
    """One mounted tree of cgroups. here: the directory that a rig's group is made in."""

    def __init__(self, controllers, unified, here):
        self.controllers, self.unified, self.here = controllers, unified, here


def hierarchies():
    """Those this process is in. Below its own group; but the one of version 2 at the top, since a group that has
    processes may not hand out controllers."""
    mounts = []
    with open("/proc/self/mountinfo", encoding="utf8") as f:
        for line in f:
            left, right = line.split(" - ")
            kind, _, options = right.split()[:3]
            if kind in ("cgroup", "cgroup2"):
                mounts.append((kind, set(options.split(",")), *left.split()[3:5]))
    found = []
    with open("/proc/self/cgroup", encoding="utf8") as f:
        for line in f:
            _, controllers, group = line.rstrip("\n").split(":", 2)
            for kind, options, root, point in mounts:
                if controllers == "" and kind == "cgroup2":
                    found.append(Hierarchy("", True, point))
                    break
                if controllers and kind == "cgroup" and set(controllers.split(",")) <= options:
                    found.append(Hierarchy(controllers, False, os.path.normpath(
                        os.path.join(point, os.path.relpath(group, root)))))
                    break
    return found


def write(path, text):
    with open(path, "w", encoding="utf8") as f:
        f.write(text)


def make_groups(name):
    for h in hierarchies():
        group = os.path.join(h.here, name)
        os.makedirs(group, exist_ok=True)
        if "cpuset" in h.controllers:
            for key in ("cpuset.cpus", "cpuset.mems"):
                shutil.copyfile(os.path.join(h.here, key), os.path.join(group, key))
        for controller in ("cpu", "memory", "pids", "io") if h.unified else ():
            try:
                write(os.path.join(h.here, "cgroup.subtree_control"), "+" + controller)
            except OSError:
                pass  # another hierarchy has it, or this group is not the root: limits will have no effect


def join_groups(name, pid):
    for h in hierarchies():
        write(os.path.join(h.here, name, "cgroup.procs"), str(pid))


def remove_groups(name):
    for h in hierarchies():
        for folder, _, _ in os.walk(os.path.join(h.here, name), topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # a process is just dying


# ------------------------------------------------------------------------------- the rig
class Rig:
    """binds: [(source, destination, writable)]. net: "private" (a loopback of its own) or "shared" with the caller.
    All methods are the caller's; nothing of this object is inside."""

    def __init__(self, name, binds=(), net="private"):
        self.name, self.binds, self.net = name, list(binds), net
        self.base, self.group = os.path.join(BASE, name), f"xproxy-rig-{name}"

    # ---- life
    def start(self):
        """Boots it, or boots it again after it went down; seconds until systemd says it runs."""
        if self.leader():
            return 0.0
        reason = why_not()
        if reason:
            raise RigError(reason)
        began = time.monotonic()
        os.makedirs(self.base, exist_ok=True)
        if not os.path.ismount(self.base):
            call("mount", "-t", "tmpfs", "-o", "mode=755,size=2g", "xproxy-rig", self.base)
            for d in ("up", "work", "root"):
                os.mkdir(os.path.join(self.base, d))
        make_groups(self.group)
        cmd = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--cgroup", *(["--net"] if self.net == "private" else []),
               "--fork", "--kill-child=SIGKILL", "--propagation", "private", sys.executable, os.path.abspath(__file__),
               "init", self.name, *(f"--bind={':'.join([s, d] + (['rw'] if rw else []))}" for s, d, rw in self.binds)]
        with open(self.path_of("console.log"), "ab") as log:
            outer = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                                     preexec_fn=lambda: join_groups(self.group, 0))
        write(self.path_of("pid"), str(outer.pid))
        self._wait_running(outer, began)
        return time.monotonic() - began

    def _wait_running(self, outer, began):
        moved, state = False, ""
        while time.monotonic() < began + 60:
            if outer.poll() is not None:
                break
            leader = self.leader()
            if leader and not moved:  # unshare(1) waits outside: version 2 wants no processes in an inner group
                for h in hierarchies():
                    write(os.path.join(h.here, "cgroup.procs"), str(outer.pid))
                moved = True
            if leader and comm(leader) == "systemd":
                state = self.shell("systemctl is-system-running", check=False).stdout.strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.05)
        raise RigError(f"rig {self.name} did not boot ({state}):\n{self.console()[-3000:]}")

    def reboot(self):
        self.shell("systemctl reboot", check=False)
        self.wait_down()
        return self.start()

    def wait_down(self, seconds=30):
        """Until it has switched itself off."""
        outer = self._outer()
        deadline = time.monotonic() + seconds
        while outer and alive(outer):
            if time.monotonic() > deadline:
                raise RigError(f"rig {self.name} does not go down:\n{self.console()[-3000:]}")
            time.sleep(0.05)

    def stop(self):
        """Switches it off; nothing of it remains."""
        leader, outer = self.leader(), self._outer()
        try:
            if leader:
                os.kill(leader, signal.SIGRTMIN + 4)
            self.wait_down(10)
        except (RigError, OSError):
            for pid in (self.leader(), outer):
                if pid:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.2)
        if os.path.ismount(self.base):
            call("umount", "-l", self.base)
        shutil.rmtree(self.base, ignore_errors=True)
        remove_groups(self.group)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- what is inside
    def path_of(self, name):
        return os.path.join(self.base, name)

    def console(self):
        with open(self.path_of("console.log"), errors="replace", encoding="utf8") as f:
            return f.read()

    def _outer(self):
        try:
            with open(self.path_of("pid"), encoding="utf8") as f:
                return int(f.read())
        except (OSError, ValueError):
            return None

    def leader(self):
        """The pid, as seen from here, of the rig's PID 1; None if it does not run."""
        outer = self._outer()
        try:
            with open(f"/proc/{outer}/task/{outer}/children", encoding="utf8") as f:
                children = f.read().split()
        except OSError:
            return None
        return int(children[0]) if children and comm(outer) == "unshare" else None

    @property
    def root(self):
        """A path here that is the rig's /."""
        leader = self.leader()
        if not leader:
            raise RigError(f"rig {self.name} is not running")
        return f"/proc/{leader}/root"

    def put(self, path, text, mode=0o644):
        where = self.root + path
        os.makedirs(os.path.dirname(where), exist_ok=True)
        write(where, text)
        os.chmod(where, mode)

    def get(self, path):
        with open(self.root + path, encoding="utf8", errors="replace") as f:
            return f.read()

    def command(self, *cmd):
        """The command line that runs cmd in the rig's namespaces."""
        leader = self.leader()
        if not leader:
            raise RigError(f"rig {self.name} is not running")
        return ["nsenter", "-t", str(leader), "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--net", "--root", "--wd", "--",
                "env", "-i", *(f"{k}={v}" for k, v in ENV.items()), *cmd]

    def shell(self, script, check=True, timeout=60):
        """A script, outside of the rig's cgroups: for looking and for systemctl; CompletedProcess with stdout and
        stderr together."""
        return self._call(self.command("sh", "-c", script), check, timeout)

    def run(self, *cmd, user=None, check=True, timeout=60, input=None):
        """cmd as a transient unit of the rig, waited for; user: as that user, with what a login would set."""
        unit = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", *self._user(user)]
        return self._call(self.command(*unit, "--", *cmd), check, timeout, input)

    def spawn(self, unit, *cmd, user=None, env=None):
        """cmd as a transient unit of that name, which goes on; ends with systemctl stop, or the rig."""
        line = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", *self._user(user),
                *(f"--setenv={k}={v}" for k, v in (env or {}).items())]
        self._call(self.command(*line, "--", *cmd), True, 60)

    def _user(self, name):
        if not name:
            return []
        for line in self.get("/etc/passwd").splitlines():
            if line.startswith(name + ":"):
                uid, _, _, home = line.split(":")[2:6]
                return [f"--uid={name}", f"--setenv=XDG_RUNTIME_DIR=/run/user/{uid}", f"--working-directory={home}"]
        raise RigError(f"rig {self.name}: there is no user {name}")

    def _call(self, cmd, check, timeout, input=None):
        stdin = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                           timeout=timeout, check=False, **stdin)
        if check and r.returncode:
            words = cmd[cmd.index("LANG=C.UTF-8") + 1:]
            raise RigError(f"in rig {self.name}: {shlex.join(words)}: exit code {r.returncode}\n{r.stdout}")
        return r


def call(*cmd):
    subprocess.run(cmd, check=True)


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf8") as f:
            return f.read().strip()
    except OSError:
        return ""


def alive(pid):
    """Whether that process runs; one of ours that has ended is reaped."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except OSError:
        pass
    try:
        with open(f"/proc/{pid}/stat", encoding="utf8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


# ------------------------------------------------------------------------------- inside, before systemd
def init(rig):
    """Runs as PID 1 of the new namespaces: builds the machine's /, and becomes systemd."""
    root = rig.path_of("root")
    call("mount", "-t", "overlay", "overlay", "-o",
         f"lowerdir={disk()},upperdir={rig.path_of('up')},workdir={rig.path_of('work')}", root)
    mount_kernel_trees(root)
    mount_groups(root)
    if not os.path.exists(rig.path_of("prepared")):
        prepare_disk(root, rig.name)
        write(rig.path_of("prepared"), "")
    for source, destination, writable in rig.binds:
        os.makedirs(root + destination, exist_ok=True)
        call("mount", "--bind", source, root + destination)
        if not writable:
            call("mount", "-o", "remount,bind,ro", root + destination)
    loopback_up()
    os.chdir(root)
    call("pivot_root", ".", ".")
    call("umount", "-l", ".")
    os.chdir("/")
    os.execve(SYSTEMD, [SYSTEMD, "--system", "--unit=multi-user.target"], dict(ENV, container="rig"))


def loopback_up():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
    s.close()


def mount_kernel_trees(root):
    call("mount", "-t", "proc", "-o", "nosuid,nodev,noexec", "proc", root + "/proc")
    call("mount", "-t", "sysfs", "-o", "ro,nosuid,nodev,noexec", "sysfs", root + "/sys")
    call("mount", "-t", "tmpfs", "-o", "mode=755,nosuid", "tmpfs", root + "/dev")
    for name, numbers in DEVICES.items():
        os.mknod(f"{root}/dev/{name}", 0o20666, os.makedev(*numbers))
        os.chmod(f"{root}/dev/{name}", 0o666)
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(f"{root}/dev/{name}")
    call("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts", root + "/dev/pts")
    call("mount", "-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "tmpfs", root + "/dev/shm")
    call("mount", "-t", "mqueue", "mqueue", root + "/dev/mqueue")
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"),
                         ("stderr", "fd/2")):
        os.symlink(target, f"{root}/dev/{name}")
    call("mount", "-t", "tmpfs", "-o", "mode=755,nosuid,nodev", "tmpfs", root + "/run")
    call("mount", "-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "tmpfs", root + "/tmp")


def mount_groups(root):
    """The hierarchies of this machine, from the rig's own group down, writable."""
    top = root + "/sys/fs/cgroup"
    groups = hierarchies()
    if all(h.unified for h in groups):
        call("mount", "-t", "cgroup2", "-o", "nosuid,nodev,noexec", "cgroup2", top)
        return
    call("mount", "-t", "tmpfs", "-o", "mode=755,nosuid,nodev,noexec", "tmpfs", top)
    for h in groups:
        name = "unified" if h.unified else h.controllers.removeprefix("name=")
        os.mkdir(f"{top}/{name}")
        if h.unified:
            call("mount", "-t", "cgroup2", "cgroup2", f"{top}/{name}")
        else:
            options = "none,xattr," + h.controllers if "=" in h.controllers else h.controllers
            call("mount", "-t", "cgroup", "-o", options, "cgroup", f"{top}/{name}")
    call("mount", "-o", "remount,ro", top)


def prepare_disk(root, name):
    """Another identity, and none of the services that this machine has enabled."""
    etc = root + "/etc"
    new_id = subprocess.run(["systemd-id128", "new"], capture_output=True, text=True, check=True).stdout
    for file, text in (("machine-id", new_id), ("hostname", f"rig-{name}\n")):
        if os.path.lexists(f"{etc}/{file}"):
            os.unlink(f"{etc}/{file}")
        write(f"{etc}/{file}", text)
    write(f"{etc}/hosts", f"127.0.0.1 localhost rig-{name}\n::1 localhost\n")
    shutil.rmtree(root + "/var/log/journal", ignore_errors=True)
    units = f"{etc}/systemd/system"
    for folder in os.listdir(units):
        if folder.endswith(".wants"):
            shutil.rmtree(f"{units}/{folder}")
    for folder in os.listdir(etc):
        if folder[:2] == "rc" and folder.endswith(".d"):
            shutil.rmtree(f"{etc}/{folder}")
            os.mkdir(f"{etc}/{folder}")
    for unit in MASKED:
        if os.path.lexists(f"{units}/{unit}"):
            os.unlink(f"{units}/{unit}")
        os.symlink("/dev/null", f"{units}/{unit}")
    if os.path.exists(root + "/.dockerenv"):
        os.unlink(root + "/.dockerenv")


# ------------------------------------------------------------------------------- the command line
def bind(text):
    source, destination, *flags = text.split(":")
    return os.path.abspath(source), destination, flags == ["rw"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = p.add_subparsers(dest="action", required=True)
    for action in ("start", "init", "run", "shell", "root", "reboot", "stop", "why-not"):
        sub = actions.add_parser(action)
        if action != "why-not":
            sub.add_argument("name")
        if action in ("start", "init"):
            sub.add_argument("--bind", action="append", type=bind, default=[], metavar="SRC:DST[:rw]")
            sub.add_argument("--net", choices=("private", "shared"), default="private")
        if action in ("run", "shell"):
            sub.add_argument("words", nargs=argparse.REMAINDER)
    a = p.parse_args()
    if a.action == "why-not":
        print(why_not() or "there can be one here")
        return 1 if why_not() else 0
    rig = Rig(a.name, getattr(a, "bind", ()), getattr(a, "net", "private"))
    if a.action == "init":
        init(rig)
    elif a.action == "start":
        print(f"rig {a.name}: up after {rig.start():.2f} s")
    elif a.action == "reboot":
        print(f"rig {a.name}: up again after {rig.reboot():.2f} s")
    elif a.action == "run":
        cmd = rig.command("systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--", *a.words)
        return subprocess.run(cmd, check=False).returncode
    elif a.action == "shell":
        return subprocess.run(rig.command("sh", "-c", " ".join(a.words)), check=False).returncode
    elif a.action == "root":
        print(rig.root)
    else:
        rig.stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RigError as e:
        sys.exit(f"rig.py: {e}")
