# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package: how it is made, and what its installation, upgrade, removal and purge do to a machine with a
real systemd, to its files and to the connections that are open meanwhile."""
import functools
import os
import re
import socket
import subprocess
import threading

import harness as h
import machine
import xpranet as x

SECONDS = 150
NEXT = "+next"  # of the version that is upgraded to
POLICY = "/usr/sbin/policy-rc.d"


# ---- the packages
def version():
    with open(os.path.join(h.ROOT_DIR, "Makefile")) as f:
        return re.search(r"^VERSION\s*=\s*(\S+)", f.read(), re.M).group(1)


def start_make(name, *args, **more):
    out = h.make_dir(f"deb-{name}")
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **more}
    return out, h.popen(["make", "-C", h.ROOT_DIR, "deb", f"B={out}", *args], env=env, stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def package_of(made):
    """The file that make deb says it made."""
    out, proc = made
    said, _ = proc.communicate(timeout=400)
    assert proc.returncode == 0, said[-3000:]
    file = next(one for one in said.strip().split("\n")[::-1] if not one.startswith("make"))
    assert os.path.dirname(file) == out and sorted(os.listdir(out)) == sorted(map(os.path.basename, all_of(file))), \
        f"{file}: {os.listdir(out)}"
    return file


def modules(file):
    """The other package, which lies beside it."""
    return file.replace("/xproxy_", "/xproxy-modules_")


def encoders(file):
    """The third."""
    return file.replace("/xproxy_", "/xproxy-encoders_")


def all_of(file):
    return file, modules(file), encoders(file)


@functools.lru_cache(None)
def packages():
    """(this version's, a later one's), made at the same time. Of the later one only the number matters: it is not
    optimized, which takes half as long."""
    return tuple(map(package_of, [start_make("this"), start_make("next", f"DEB_VERSION={version()}{NEXT}",
                                                                 DEB_BUILD_OPTIONS="noopt")]))


def needs_debhelper(f):
    return h.needs_tool("dh", "dpkg-buildpackage", "dpkg-deb")(f)


def field(file, name):
    return subprocess.run(["dpkg-deb", "-f", file, name], capture_output=True, text=True, check=True).stdout.strip()


@needs_debhelper
@h.timeout(400)
def test_make_deb():
    """Three packages, of the Makefile's version or the one asked for; nothing of them is left in the tree. The first
    brings no library of the others'; libavcodec, which brings a hundred, is only suggested."""
    before = tree()
    this, later = packages()
    assert tree() == before, tree() ^ before
    assert field(this, "Version") == version()
    assert field(later, "Version") == version() + NEXT
    needed = field(this, "Depends")
    for library in ("libc6 (>= ", "libsqlite3-0", "libnettle8", "libjansson4"):
        assert library in needed, needed
    more = field(modules(this), "Depends")
    assert field(modules(this), "Version") == version() and f"xproxy (= {version()})" in more, more
    for library in ("libldap", "libkrb5-3", "libgssapi-krb5-2"):
        assert library in more and library not in needed, (more, needed)
    codecs = field(encoders(this), "Depends")
    assert field(encoders(this), "Version") == version() and f"xproxy (= {version()})" in codecs, codecs
    for library in ("libx264-", "libopenh264-", "libvpx", "libturbojpeg0", "libwebp", "libspng0", "libyuv0"):
        assert library in codecs and library not in needed + more, (codecs, needed, more)
    assert "libavcodec" not in codecs and "libavcodec" in field(encoders(this), "Suggests"), codecs


def tree():
    found = set()
    for folder, folders, files in os.walk(h.ROOT_DIR):
        folders[:] = [d for d in folders if not d.startswith((".git", "build", "__pycache__"))]
        found |= {os.path.join(folder, f) for f in files}
    return found


@needs_debhelper
@h.timeout(400)
def test_reproducible():
    """The same bytes from another directory at another time."""
    this, _ = packages()
    again = package_of(start_make("again"))
    for one, other in zip(all_of(this), all_of(again)):
        with open(one, "rb") as a, open(other, "rb") as b:
            assert a.read() == b.read(), f"{one} differs: diffoscope says where"


@needs_debhelper
@h.needs_tool("lintian")
@h.timeout(60)
def test_lintian():
    r = subprocess.run(["lintian", "--no-cfg", "--allow-root", "--display-info", "--fail-on", "error,warning,info",
                        *all_of(packages()[0])], capture_output=True, text=True, check=False)
    assert r.returncode == 0 and not r.stdout.strip(), r.stdout + r.stderr


def test_build_dependencies():
    """Debian's list of what it takes to build, and ours."""
    with open(os.path.join(h.ROOT_DIR, "debian", "control")) as f:
        control = f.read().split("\n\n")[0]
    debian = set(re.findall(r"[\w.+-]+-dev\b", control))
    script = 'eval "$(sed -n "/^declare -A packages/,/^)/p" tests/deps.sh)"; echo ${packages[build]}'
    ours = subprocess.run(["bash", "-c", script], cwd=h.ROOT_DIR, capture_output=True, text=True, check=True).stdout.split()
    assert debian == {one for one in ours if one.endswith("-dev")} - {"libc6-dev"}, (debian, ours)


# ---- the machine
@functools.lru_cache(None)
def boot():
    reason = machine.rig.why_not() or (None if h.PRIVATE else "needs namespaces of its own, for the port")
    if reason:
        raise h.Skip(reason)
    binds = [(os.path.dirname(file), where, False) for file, where in zip(packages(), ("/this", "/next"))]
    m = machine.Machine(f"package-{os.getpid()}-{h.SLOT}", binds, net="shared")
    h.defer_to_end_of_file(m.stop)
    m.start()
    # Only costs time here: the index of all manual pages is not asked.
    m.shell("rm -f /var/lib/man-db/auto-update")
    return m


def fresh(policy=0):
    """The machine without the package. policy: what its policy-rc.d says to every start; 0: yes, 101: no."""
    m = boot()
    m.shell("dpkg -P xproxy-encoders xproxy-modules xproxy")
    m.put(POLICY, f"#!/bin/sh\nexit {policy}\n", 0o755)
    return m


def dpkg(m, *args):
    return m.shell("DEBIAN_FRONTEND=noninteractive dpkg " + " ".join(args)).stdout


def ask(m, script):
    """What a command says, whatever its exit code."""
    return m.shell(script, check=False).stdout.strip()


def installed(**kw):
    m = fresh(**kw)
    said = dpkg(m, "-i /this/xproxy_*.deb")
    assert not re.search("warning|error|fail", said, re.I), said
    return m


def configure(m, server):
    """john and jane, password "pw", have the session that server is."""
    m.put("/etc/xproxy/users", "".join(f"{name}|pw|nobody|nogroup|{server.uri}||\n" for name in ("john", "jane")), 0o600)
    m.shell(f"sed -i 's,^.Auth.$,&\\nModule=multifile(filename=/etc/xproxy/users),' {machine.CONF}")


class Login:
    """A client in its session, both scripted."""

    def __init__(self, server):
        self.c, self.s = machine.log_in("john"), server.get().peer

    def works(self):
        """Packets pass, both ways."""
        for sender, reader, word in ((self.c, self.s, "up"), (self.s, self.c, "down")):
            sender.send_packet("focus", word)
            got = reader.expect("focus")
            assert x.text(got[1]) == word, got


class Crowd:
    """One client after the other logs in and leaves, until the end of the with statement."""

    def __enter__(self):
        self.served, self.failures, self.ending = 0, [], threading.Event()
        self.thread = threading.Thread(target=self._come_and_go, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join(20)

    def _come_and_go(self):
        while not self.ending.is_set():
            try:
                with socket.create_connection(("127.0.0.1", 14500)) as s:
                    p = x.Peer(s, x.RENCODE).login(x.hello31(username="jane"), "pw")
                assert p.name == "hello", x.texts(p)
                self.served += 1
            except Exception as e:  # noqa: BLE001 - for the test to judge
                self.failures.append(e)
                return


def programs(m):
    """{pid: its program} of every connection's processes."""
    found = {}
    for line in ask(m, "for p in /proc/[0-9]*; do echo ${p#/proc/} $(readlink $p/exe); done").split("\n"):
        pid, _, exe = line.partition(" ")
        if "xproxy" in exe:
            found[int(pid)] = exe
    return found


# ---- installing
@needs_debhelper
@h.timeout(400)
def test_install():
    """Listening, and refusing everybody until it is configured; files with the rights that they need."""
    m = installed()
    assert ask(m, "systemctl is-enabled xproxy.socket; systemctl is-active xproxy.socket") == "enabled\nactive"
    assert ask(m, "stat -c '%a %U %G' " + machine.CONF) == "640 root root"
    assert ask(m, "stat -c '%a %U %G' /var/lib/xproxy") == "700 root root"
    assert ask(m, "getent passwd xproxy | cut -d: -f6-") == "/:/usr/sbin/nologin"
    assert ask(m, "stat -c '%a %U %G' /var/lib/xproxy-x2go") == "700 xproxy-x2go xproxy-x2go"
    for name, state in (("xproxy-x2go-sweep.timer", "enabled\nactive"), ("xproxy-x2go.socket", "disabled\ninactive"),
                        ("xproxy-x2go-ssh.socket", "disabled\ninactive")):
        assert ask(m, f"systemctl is-enabled {name}; systemctl is-active {name}") == state, name
    assert machine.CONF in ask(m, "dpkg-query -f '${Conffiles}' -W xproxy")
    assert ask(m, "xproxyctl --version") == f"xproxyctl {version()}"
    for page in ("xproxyctl.1", "xproxy.conf.5", "xproxy-x2go-profiles.5", "xproxy-conn.8", "xproxy-tunnel.8", "xproxy-encode.8",
                 "xproxy-x2gobroker.8"):
        assert f"/usr/share/man/man{page[-1]}/{page}.gz" in ask(m, "dpkg -L xproxy").split("\n"), page
    assert "Defined-By: xproxy" in ask(m, "journalctl --dump-catalog d33155e5520a462f945f040781b44902")
    units = ask(m, "dpkg -L xproxy | grep -E '/(systemd/system|systemd/user)/.*[.]' | sed 's,@[.],@x.,'").split()
    for kind, words in (("/system/", "--system"), ("/user/", "--user")):
        some = [os.path.basename(u) for u in units if kind in u]
        said = ask(m, f"XDG_RUNTIME_DIR=/run systemd-analyze verify {words} --recursive-errors=no {' '.join(some)}")
        assert some and not said, said
    peer = machine.client()
    peer.hello(x.hello31(username="john"))
    peer.expect("disconnect")
    h.eventually(lambda: "no authentication module is configured" in ask(m, "journalctl -b"),
                 what="the journal says what to do")
    assert not ask(m, "systemctl --failed --no-legend")


@needs_debhelper
@h.each("policy-rc.d", "preset")
@h.timeout(400)
def test_policy(kind):
    """Nothing listens where the machine's policy is that nothing shall."""
    m = fresh(policy=101 if kind == "policy-rc.d" else 0)
    preset = "/etc/systemd/system-preset/10-none.preset"
    if kind == "preset":
        m.put(preset, "disable *\n")
    dpkg(m, "-i /this/xproxy_*.deb")
    m.shell(f"rm -f {preset}")
    state = ask(m, "systemctl is-enabled xproxy.socket; systemctl is-active xproxy.socket").split()
    assert state == ["enabled" if kind == "policy-rc.d" else "disabled", "inactive"]


@needs_debhelper
@h.timeout(400)
def test_modules():
    """The other package brings the modules that the first does not have, and takes them away again."""
    m = installed()
    spec = "[Auth]\nModule=pam\nModule=ldap(host=ldap.example.org)\n"
    m.put("/etc/xproxy/xproxy.conf.d/ldap.conf", spec)  # nobody is there: that is what the module says
    assert re.search("unknown module 'ldap'; there are: .*; Debian has more in xproxy-modules", ask(m, "xproxyctl check"))
    dpkg(m, "-i /this/xproxy-modules_*.deb")
    said = ask(m, "xproxyctl check")
    assert re.search("^error +module ldap: .*Can't contact", said, re.M) and re.search("^ok +module pam:", said, re.M), said
    dpkg(m, "-P xproxy-modules")
    assert "unknown module 'ldap'" in ask(m, "xproxyctl check")


# ---- upgrading
@needs_debhelper
@h.timeout(400)
def test_upgrade():
    """A connection goes on in the old program, the next one has the new; whoever comes meanwhile is served, and what
    the admin wrote stays."""
    m = installed()
    server = h.Server("3.1.3")
    configure(m, server)
    old = Login(server)
    old.works()
    before, written = programs(m), m.get(machine.CONF)
    port = "systemctl show xproxy.socket -p InvocationID -p ActiveEnterTimestampMonotonic"
    state = ask(m, port)
    assert before and all("deleted" not in exe for exe in before.values()), before

    with Crowd() as crowd:
        said = dpkg(m, "--force-confold -i /next/xproxy_*.deb")
    assert crowd.served > 3 and not crowd.failures, (crowd.served, crowd.failures)
    server.get(index=crowd.served)
    assert ask(m, "dpkg-query -f '${Version}' -W xproxy") == version() + NEXT, said
    old.works()
    assert m.get(machine.CONF) == written and ask(m, "stat -c %a " + machine.CONF) == "640"
    assert ask(m, port) == state, "the socket was closed and opened again"
    h.eventually(lambda: set(programs(m)) == set(before), what=lambda: (before, programs(m)))
    assert all("deleted" in exe for exe in programs(m).values()), programs(m)

    new = Login(server)
    new.works()
    fresh_ones = {pid: exe for pid, exe in programs(m).items() if pid not in before}
    assert fresh_ones and all("deleted" not in exe for exe in fresh_ones.values()), fresh_ones
    assert ask(m, "/usr/libexec/xproxy-conn --version").endswith(version() + NEXT)
    old.works()


@needs_debhelper
@h.timeout(400)
def test_upgrade_leaves_what_is_off():
    """A socket that the admin disabled stays so."""
    m = installed()
    m.shell("systemctl disable --now xproxy.socket")
    dpkg(m, "-i /next/xproxy_*.deb")
    assert ask(m, "systemctl is-enabled xproxy.socket; systemctl is-active xproxy.socket") == "disabled\ninactive"


# ---- and going
WHERE = "/etc /usr /var/lib /var/cache /var/spool /run /lib/systemd"
# The records of dpkg, systemd and those who log; copies of the accounts' files.
NOT_OURS = re.compile(r"/var/(lib/dpkg|log|cache/(man|debconf|ldconfig))(/|$)|/run/(systemd|udev|log|user|dbus)(/|$)"
                      r"|/etc/[\w.-]+-$")


def everything(m):
    """Every file's name, and what the accounts are."""
    names = {one for one in ask(m, f"find {WHERE} -xdev").split("\n") if "xproxy" in one or not NOT_OURS.search(one)}
    accounts = ask(m, "grep . /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/subuid /etc/subgid")
    return names | set(accounts.split("\n"))


@needs_debhelper
@h.timeout(400)
def test_remove_and_purge():
    """Removing ends the connections, with words to the clients, and keeps settings and users; purging leaves the
    machine as if the package had never been there. Then it can come back."""
    m = fresh(policy=101)  # removing is not a question of what may run
    before = everything(m)
    dpkg(m, "-i /this/xproxy_*.deb")
    m.shell("systemctl start xproxy.socket xproxy-x2go.socket xproxy-x2go-ssh.socket xproxy-x2go-sweep.timer")
    server = h.Server("3.1.3")
    configure(m, server)
    m.shell("printf 'secret\\nsecret\\n' | xproxyctl users /var/lib/xproxy/users.sdb create")
    m.put("/etc/xproxy/xproxy.conf.d/own.conf", "[Relay]\nPingInterval=7s\n")
    one = Login(server)
    one.works()

    dpkg(m, "-r xproxy")
    assert "shut" in machine.catching_words(one.c)
    h.eventually(lambda: not programs(m), what=lambda: programs(m))
    assert refused(), "the port is still open"
    units = ask(m, "systemctl list-units --no-legend 'xproxy*'")
    assert not units, units
    for kept in (machine.CONF, "/etc/xproxy/users", "/var/lib/xproxy/users.sdb"):
        assert os.path.exists(m.root + kept), f"{kept} is gone"

    dpkg(m, "-P xproxy")
    left = everything(m) ^ before
    assert not left, sorted(left)
    assert not ask(m, "journalctl --list-catalog | grep -i xproxy")
    assert not ask(m, "systemctl --failed --no-legend")

    m.put(POLICY, "#!/bin/sh\n", 0o755)
    dpkg(m, "-i /this/xproxy_*.deb")
    configure(m, server)
    Login(server).works()


@needs_debhelper
@h.timeout(400)
def test_remove_ends_users_own():
    """A socket that a user has enabled is closed too."""
    m = installed()
    m.add_user("carol")
    m.put("/home/carol/.config/systemd/user/xproxy.socket.d/port.conf", "[Socket]\nListenStream=\nListenStream=14600\n")
    own = "systemctl --user -M carol@"
    m.shell(f"{own} daemon-reload; {own} start xproxy.socket")
    assert not refused(14600)
    dpkg(m, "-P xproxy")
    assert refused(14600)


def refused(port=14500):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False
