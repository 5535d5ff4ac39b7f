# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the X2Go session broker believe of others: the real clients against a broker that answers what it
is told to, and against Debian's; and a session on the real server without any of the program's."""
import os
import re
import subprocess
import time

import harness as h
import test_sshd
import x2go

SECONDS = 100
GRANTED = "AUTHID:next\nAccess granted\n"
LISTED = (GRANTED + "START_USER_SESSIONS\n\n[one]\nname=\"Test One\"\nhost=127.0.0.1\nsshport=9\nuser=bob\ncommand=TERMINAL\n"
          "usebrokerpass=1\n\nEND_USER_SESSIONS\n")


def broker(select=GRANTED + "SERVER:127.0.0.1:9\n", password="sweet", listed=LISTED):
    def answer(fields):
        if password is not None and fields.get("password") != password and fields.get("authid") != "next":
            return "Access denied\n"
        return {"listsessions": listed, "selectsession": select}.get(fields.get("task"), GRANTED)
    return x2go.Fake(answer)


@h.timeout(60)
def test_wrong_password_then_right():
    """A refusal is 200 and words; the form is there again."""
    fake = broker()
    client = x2go.Client(fake.url(user="test"), "--session=Test One", password="wrong")
    client.press("^(?!X2Go Client)")
    client.log_in("sweet")
    client.logged("Starting connection to server:.*127.0.0.1:9")
    tasks = [(f["task"], f["password"]) for f in fake.asked]
    assert tasks == [("listsessions", "wrong"), ("listsessions", "sweet"), ("selectsession", "sweet")], fake.asked
    assert fake.asked[-1]["authid"] == "next" and fake.asked[-1]["login"] == "bob", fake.asked


@h.timeout(60)
def test_no_auth_offscreen():
    fake = broker(password=None)
    client = x2go.Client(fake.url(user="test"), "--broker-noauth", "--session=Test One", offscreen=True)
    client.logged("Starting connection to server:.*127.0.0.1:9")


@h.each("no SERVER", "SERVER first")
def test_crashes(how):
    """Why the program never answers so. That a crash is seen at all."""
    fake = broker(password=None, select="Access granted\n" if how == "no SERVER" else "SERVER:127.0.0.1:9\nAccess granted\n")
    client = x2go.Client(fake.url(user="test"), "--broker-noauth", "--session=Test One", offscreen=True)
    client.ended()
    assert client.crashed() == "SIGSEGV", client.proc.returncode


@h.timeout(60)
def test_debian():
    oracle = x2go.Oracle(x2go.PROFILES)
    listed = oracle.list()
    assert listed.granted and sorted(listed.profiles) == ["one", "two"], listed
    chosen = oracle.select("one", listed.authid)
    assert chosen.server == "127.0.0.1:9" and chosen.authid != listed.authid, chosen
    assert oracle.select("one", listed.authid).status == 401
    client = x2go.Client(oracle.url(user="test"), "--session=Test One", password="sweet")
    client.logged("Starting connection to server:.*127.0.0.1:9")
    out = x2go.python_x2go(oracle.url("/json/"), "print(p.broker_simpleauth('test', 'sweet'), sorted(p.profile_ids))")
    assert re.search(r"True \['one', 'two'\]", out), out


@h.timeout(150)
def test_real_server():
    """A session, suspended as the broker wishes, resumed by what a broker says of it, and terminated."""
    server = x2go.Server()
    order = [""]
    listed = LISTED.replace("sshport=9", f"sshport={server.port}\nsound=0\nprint=0\nrootless=1").replace("TERMINAL", "xterm")
    config = "START_CLIENT_CONFIG\nevents=true\nliveevent=1\nEND_CLIENT_CONFIG\n"
    info = [""]

    def answer(fields):
        task = fields.get("task")
        return {"listsessions": listed + config, "clientevent": GRANTED + order[0],
                "selectsession": f"{GRANTED}SERVER:127.0.0.1:{server.port}\n{info[0]}"}[task]
    fake = x2go.Fake(answer)

    def client():
        return x2go.Client(fake.url(user="bob"), "--session=Test One", "--add-to-known-hosts", password="sweet1")
    first = client()
    session = server.one()
    first.logged("Starting NX proxy")
    h.eventually(lambda: any(f.get("event") == "ALIVE" for f in fake.asked), 20, lambda: f"ALIVE in {fake.asked}")
    order[0] = f"SUSPEND {session[1]}\n"
    session = server.one("S")
    order[0] = ""
    first.close()
    session[3] = "127.0.0.1"
    info[0] = "SESSION_INFO:" + "|".join(session) + "\n"
    second = client()
    second.choose("resume")
    second.logged("Resuming session with id")
    server.one("R")
    second.window("bob@tsa")
    time.sleep(1)
    order[0] = f"TERMINATE {session[1]}\n"
    server.none()
    events = [f["event"] for f in fake.asked if f["task"] == "clientevent"]
    assert events[:2] == ["CONNECTING", "CONNECTED"] and {"SUSPENDING", "TERMINATING", "FINISHED"} <= set(events), events


@h.each("--broker-ssh-key", "--broker-autologin")
@h.timeout(60)
def test_ssh(how):
    """Over ssh with a key, the broker being a script."""
    script = h.make_file(f"broker-{next(h._serial)}", f"""#!/bin/sh
echo "$@" >>$HOME/asked
case "$*" in
*listsessions*) cat <<'END'
{LISTED}
END
;;
*) cat <<'END'
{GRANTED}SERVER:127.0.0.1:9
END
;;
esac
""", 0o755)
    server = test_sshd.Sshd("")
    home = x2go.home_with_key(server.key)
    more = [f"--broker-ssh-key={home}/.ssh/id_ed25519"] if how == "--broker-ssh-key" else [how]
    client = x2go.Client(server.url().rstrip("/") + script, *more, "--add-to-known-hosts", "--session=Test One", home=home)
    client.logged("Starting connection to server:.*127.0.0.1:9")
    asked = x2go.text(f"{h.alice.home}/asked").splitlines()
    assert asked == [f"--user {h.alice.name} --task listsessions",
                     f"--user {h.alice.name} --task selectsession --sid one --authid next --login bob"], asked
    os.unlink(f"{h.alice.home}/asked")


@h.timeout(60)
def test_real_agent():
    """What the server's agent says over ssh, and that a key it is given lets in."""
    server = x2go.Server()

    def ask(*words):
        return subprocess.run(["ssh", "-i", server.agent_key, "-p", str(server.port), "-o", "StrictHostKeyChecking=no", "-o",
                               "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "x2gobroker@127.0.0.1", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30).stdout
    agent = "/usr/lib/x2go/x2gobroker-agent"
    assert ask(agent, "foo", "ping") == "OK\n"
    assert ask(agent, "bob", "listsessions").startswith("OK\n")
    assert not ask(agent, "daemon", "listsessions").startswith("OK\n")
    public = x2go.text(server.agent_key + ".pub").strip()
    assert ask(f"{agent} bob addauthkey '{public}' '%h/.x2go/authorized_keys'").startswith("OK\n")
    kept = f"{x2go.THERE}/home/bob/.x2go/authorized_keys"
    assert public.split()[1] in x2go.text(kept)
    assert ask(f"{agent} bob delauthkey '{public}' '%h/.x2go/authorized_keys'").startswith("OK\n")
    assert public.split()[1] not in x2go.text(kept)
