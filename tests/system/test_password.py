# SPDX-License-Identifier: GPL-2.0-or-later
"""A new password by PAM, as the guard has it made: by real modules, on a copy of /etc of this test's own."""
import crypt
import functools
import os
import shutil
import stat
import subprocess
import time

import harness as h

SECONDS = 60
PROBE = os.path.join(h.BUILD, "password-probe")
OLD, NEW = "old-Secret.1", "Quite-different.2"
# What the unit leaves to root.
AS_UNIT = ["setpriv", "--bounding-set=-all,+setuid,+setgid,+kill", "--no-new-privs"]


@functools.lru_cache(None)
def etc():
    if not h.PRIVATE:
        raise h.Skip("needs root and namespaces of its own: PAM services and accounts")
    if h.ASAN:
        raise h.Skip("the sanitizer's crypt() crashes where libcrypt is loaded later, as pam_unix does")
    if not os.path.exists(PROBE):
        raise h.Skip("build/password-probe is not built")
    copy = h.make_dir("etc")
    subprocess.run(["cp", "-a", "/etc/.", copy], check=True)
    shutil.copyfile(os.path.join(h.ROOT_DIR, "units", "pam.d", "xproxy"), f"{copy}/pam.d/xproxy")
    return copy


def service(name, text):
    with open(f"{etc()}/pam.d/{name}", "w", encoding="utf8") as f:
        f.write(text)


def reset(user="alice", password=OLD, first_change=0):
    with open(f"{etc()}/shadow", encoding="utf8") as f:
        lines = [one for one in f.read().splitlines() if not one.startswith(user + ":")]
    hashed = crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA512, rounds=1000))
    today = int(time.time()) // 86400
    with open(f"{etc()}/shadow", "w", encoding="utf8") as f:
        f.write("\n".join(lines + [f"{user}:{hashed}:{today}:{first_change}:99999:7:::"]) + "\n")
    shutil.chown(f"{etc()}/shadow", "root", "shadow")
    os.chmod(f"{etc()}/shadow", 0o640)


def is_password(password, user="alice"):
    with open(f"{etc()}/shadow", encoding="utf8") as f:
        hashed = next(one.split(":")[1] for one in f if one.startswith(user + ":"))
    return crypt.crypt(password, hashed) == hashed


def change(user="alice", old=OLD, new=NEW, name="xproxy", seconds=20, prefix=AS_UNIT):
    start = time.monotonic()
    r = subprocess.run(["unshare", "--mount", "sh", "-ec", f'mount --bind {etc()} /etc; exec "$@"', "sh", *prefix,
                        PROBE, name, user, old, new, str(seconds)],
                       capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert NEW not in r.stdout + r.stderr and OLD not in r.stdout + r.stderr, r
    return r.returncode, r.stdout.strip(), time.monotonic() - start


def changed(*a, **kw):
    r = change(*a, **kw)
    assert r[0] == 0 and r[1].startswith("changed"), r


def refused(word, *a, **kw):
    r = change(*a, **kw)
    assert r[0] == 1 and word in r[1], r
    assert not os.path.exists(f"{etc()}/shadow") or is_password(OLD), "it was changed"
    return r


def test_changed():
    """With Debian's own stack and no more capabilities than the unit has."""
    reset()
    before = os.stat(f"{etc()}/shadow")
    changed()
    assert is_password(NEW) and not is_password(OLD)
    after = os.stat(f"{etc()}/shadow")
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (before.st_uid, before.st_gid, 0o640), after
    assert sorted(os.listdir(etc())) == sorted(set(os.listdir(etc())) - {"nshadow"}), "nshadow is left"
    changed(old=NEW, new=OLD + "x")


def test_wrong_old_one():
    reset()
    refused("EACCES: PAM service 'xproxy', the old password:", old="nonsense")
    refused("EACCES", old="")
    refused("EACCES", new="")


@h.each("short|Ab1|password", "the same||")
def test_policy(spec):
    """What a user may not choose with passwd(1) is refused here too, though root may; the log says why."""
    what, new, word = spec.split("|")
    reset()
    r = refused("EACCES: PAM service 'xproxy', the new password:", new=new or OLD)
    assert "('" in r[1] and word in r[1], (what, r)


def test_too_early():
    """The least number of days between changes counts."""
    reset(first_change=7)
    refused("the new password:")


def test_other_accounts():
    """root's is not changed; others are not known."""
    reset()
    refused("EPERM: root's password", user="root")
    refused("EPERM: there is no such user", user="nosuch")


def test_refusing_service():
    reset()
    service("deny", "auth required pam_permit.so\npassword required pam_deny.so\n")
    refused("EACCES: PAM service 'deny', the new password:", name="deny")
    service("deny", "auth required pam_deny.so\npassword required pam_permit.so\n")
    refused("EACCES: PAM service 'deny', the old password:", name="deny")
    service("deny", "auth required pam_permit.so\npassword required pam_nosuch.so\n")
    refused("PAM service 'deny'", name="deny")


def test_hangs():
    """A module that does not come back is ended."""
    reset()
    service("hang", "auth required pam_permit.so\npassword required pam_exec.so /bin/sleep 63\n")
    r = refused("ETIMEDOUT: PAM has not answered in time", name="hang", seconds=2)
    assert r[2] < 10, r
    h.eventually(lambda: not probes(), 5, "its process is gone")


def probes():
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and comm(pid) == "password-probe"]


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf8") as f:
            return f.read().strip()
    except OSError:
        return ""


def test_crash():
    reset()
    script = h.make_file("crash", "#!/bin/sh\nkill -9 $PPID\n", 0o755)
    service("crash", f"auth required pam_permit.so\npassword required pam_exec.so {script}\n")
    refused("the process that changes passwords has crashed", name="crash")


def test_who_is_told_what():
    """The old password goes where it is asked for; and for whom this is done, and from where."""
    reset()
    out = h.make_file("told", "", 0o666)
    script = h.make_file("tell", f"#!/bin/sh\necho \"$PAM_TYPE $PAM_USER $PAM_RHOST $PAM_TTY $PAM_SERVICE "
                         f"`cat`\" >>{out}\n", 0o755)
    service("tell", f"auth required pam_exec.so expose_authtok {script}\n"
            f"password requisite pam_unix.so sha512\n"
            f"password required pam_exec.so {script}\n")
    changed(name="tell")
    with open(out, encoding="utf8") as f:
        said = f.read().replace("\0", "").splitlines()
    assert said[0] == f"auth alice 192.0.2.1 xproxy tell {OLD}", said
    assert said[-1] == f"password alice 192.0.2.1 xproxy tell ", said
    assert is_password(NEW)


def test_not_root():
    reset()
    refused("EPERM: only root can change passwords",
            prefix=["setpriv", "--reuid", "alice", "--regid", "alice", "--clear-groups"])
