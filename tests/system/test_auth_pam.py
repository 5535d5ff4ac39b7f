# SPDX-License-Identifier: GPL-2.0-or-later
"""pam: the machine's accounts, by real PAM modules. /etc/pam.d and the accounts are copies of this test's own."""
import crypt
import functools
import os
import shutil
import stat
import subprocess
import time

import harness as h
import secure
import xpranet as x

SECONDS = 60
FAILED = "authentication failed"
ERROR = "authentication error; cannot access sessions"


@functools.lru_cache(None)
def world():
    """Services and accounts. alice and bob: password "pw"; bob's account is changed by the tests."""
    if not h.PRIVATE:
        raise h.Skip("needs root and namespaces of its own: PAM services and accounts")
    if h.ASAN:
        raise h.Skip("the sanitizer's crypt() crashes where libcrypt is loaded later, as pam_unix does")
    shutil.copytree("/etc/pam.d", "/run/pam.d")
    subprocess.run(["mount", "--bind", "/run/pam.d", "/etc/pam.d"], check=True)
    with open(os.path.join(h.ROOT_DIR, "units", "pam.d", "xproxy"), encoding="utf8") as f:
        service("xproxy", f.read())
    for user in ("alice", "bob"):
        shadow(user)


def service(name, text):
    with open(f"/etc/pam.d/{name}", "w", encoding="utf8") as f:
        f.write(text)


def shadow(user, hashed=None, changed=None, most="", expires=""):
    hashed = hashed or crypt.crypt("pw", crypt.mksalt(crypt.METHOD_SHA512, rounds=1000))
    changed = changed or int(time.time()) // 86400
    h._own_line("/etc/shadow", user, f"{user}:{hashed}:{changed}:0:{most}:7::{expires}:")


def needs_world(f):
    @functools.wraps(f)
    def run(*a):
        world()
        h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)
        return f(*a)
    return run


@h.each("pam", "sys", "pam:service=xproxy", "pam(service=xproxy,check-account=yes)")
@needs_world
def test_password(spec):
    secure.accepted(*secure.log_in(spec, "alice", "pw"))
    for user, password in (("alice", "pwx"), ("nosuch", "pw"), ("root", "pw")) if spec == "pam" else (("alice", "p"),):
        secure.refused(*secure.log_in(spec, user, password), FAILED, rf"{user}.*wrong password or unknown user \(pam\)")


@needs_world
def test_unix_socket():
    """Is protected too; and there is no remote host."""
    witness = pam_witness()
    conn = h.spawn(h.conf("pam(service=witness)"), kind="unix")
    p = conn.peer.login(secure.hello("alice"), "pw")
    secure.accepted(conn, p)
    assert "rhost= " in lines(witness)[0], lines(witness)


@needs_world
def test_unprotected():
    """The password is not even asked for."""
    conn = secure.start("pam", secure=False)
    conn.peer.hello(secure.hello("alice"))
    secure.refused(conn, conn.peer.read_packet(5), "authentication requires a secure connection, such as ssl",
                   "pam: .*unprotected transport: use TLS")


def pam_witness():
    """A service that writes down what it has been told, and when."""
    out = h.make_file("witness.txt", "")
    script = h.make_file("witness", "#!/bin/sh\necho \"type=$PAM_TYPE user=$PAM_USER rhost=$PAM_RHOST tty=$PAM_TTY "
                         f"service=$PAM_SERVICE\" >>{out}\n", 0o755)
    service("witness", "".join(f"{kind} required pam_exec.so {script}\n" for kind in ("auth", "account", "session", "password"))
            + "auth optional pam_echo.so some words\nauth required pam_unix.so\nauth required pam_unix.so\n"
            "account required pam_unix.so\n")
    return out


def lines(path):
    with open(path, encoding="utf8") as f:
        return f.read().splitlines()


@needs_world
def test_what_pam_is_told():
    """Who asks from where; no session is opened. What two modules ask for is the same password."""
    witness = pam_witness()
    secure.accepted(*secure.log_in("pam(service=witness)", "alice", "pw"))
    said = "user=alice rhost=127.0.0.1 tty=xproxy service=witness"
    assert lines(witness) == [f"type=auth {said}", f"type=account {said}"], lines(witness)


@needs_world
def test_deny():
    service("deny", "auth required pam_deny.so\naccount required pam_permit.so\n")
    secure.refused(*secure.log_in("pam(service=deny)", "alice", "pw"), FAILED, r"alice.*unknown user \(pam\)")
    service("deny", "auth required pam_permit.so\naccount required pam_deny.so\n")
    secure.refused(*secure.log_in("pam(service=deny)", "alice", "pw"), FAILED, "pam: the account may not be used: ")
    secure.accepted(*secure.log_in("pam(service=deny,check-account=no)", "alice", "pw"))


# Debian's common-account turns what pam_unix says of an account into a plain "Authentication failure".
@h.each("locked", "account expired", "account expired, in words", "password expired", "must be changed")
@needs_world
def test_account(what):
    """The right password of an account that may not be used."""
    right = crypt.crypt("pw", crypt.mksalt(crypt.METHOD_SHA512, rounds=1000))
    how, said = {
        "locked": ({"hashed": "!" + right}, "wrong password or unknown user"),
        "account expired": ({"expires": "10"}, "pam: the account may not be used: Authentication failure"),
        "account expired, in words": ({"expires": "10"}, "pam: the account may not be used: User account has expired"),
        "password expired": ({"changed": 10, "most": "5"}, "pam: the account may not be used: Authentication token is no longer valid"),
        "must be changed": ({"changed": "0"}, "pam: the account may not be used: Authentication token is no longer valid"),
    }[what]
    shadow("bob", **how)
    service("strict", "auth required pam_unix.so\naccount required pam_unix.so\n")
    secure.refused(*secure.log_in("pam(service=strict)" if "words" in what else "pam", "bob", "pw"), FAILED, said)


@needs_world
def test_empty_password():
    """Of an account without a password."""
    h._own_line("/etc/shadow", "bob", "bob::20000:0::7:::")
    conn, p = secure.log_in("pam", "bob", "x")
    secure.refused(conn, p, FAILED, "wrong password")
    conn, p = secure.log_in("pam", "bob", "")
    secure.refused(conn, p, FAILED, "bob")


@needs_world
def test_hangs():
    """A module that does not come back is ended with the login; the log names pam."""
    service("hang", "auth required pam_exec.so /bin/sleep 61\nauth required pam_permit.so\n")
    conn, p = secure.log_in("pam(service=hang)", "alice", "pw", Limits={"LoginTimeout": "2s"})
    assert "login timeout" in x.texts(p)[1], x.texts(p)
    assert conn.wait() == 3
    conn.logged("module pam was given up")


@needs_world
def test_broken_module():
    """A service whose module is not there lets nobody in."""
    service("broken", "auth required pam_nosuch.so\naccount required pam_permit.so\n")
    conn, p = secure.log_in("pam(service=broken)", "alice", "pw")
    assert p.name == "disconnect", x.texts(p)
    conn.logged("module pam")


@h.each("pam(service=nosuch)|no /etc/pam.d/nosuch: make it", "pam(service=../shadow)|the name of a file in /etc/pam.d",
        "pam(check-account=maybe)|check-account= is yes or no", "pam(servise=login)|no option 'servise'; it takes: service")
@needs_world
def test_configuration(case):
    spec, said = case.split("|")
    secure.refused(*secure.log_in(spec, "alice", "pw"), ERROR, said, rc=2)
    r = h.ctl("check", conf_path=h.conf(spec))
    assert said in r.stdout + r.stderr and r.returncode != 0, r


@needs_world
def test_shadow_is_what_is_asked():
    """No setuid helper has to run: the process reads the file itself."""
    mode = os.stat("/usr/sbin/unix_chkpwd").st_mode if os.path.exists("/usr/sbin/unix_chkpwd") else 0
    fake = h.make_file("chkpwd", "#!/bin/sh\nexit 1\n", stat.S_IMODE(mode) or 0o755)
    subprocess.run(["mount", "--bind", fake, "/usr/sbin/unix_chkpwd"], check=True)
    h.defer(subprocess.run, ["umount", "/usr/sbin/unix_chkpwd"])
    secure.accepted(*secure.log_in("pam", "alice", "pw"))
