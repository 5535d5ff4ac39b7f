# SPDX-License-Identifier: GPL-2.0-or-later
"""The session broker as python-x2go and pyhoca-cli ask it, over http and https."""
import json
import os
import re
import subprocess

import harness as h
import test_sshd
import x2go

SECONDS = 90


def ask(broker, task=None, **fields):
    return broker.post(task, path="/json/", **{"user": "test", **fields})


def pubkey():
    path = os.path.join(h.make_dir(f"pub-{next(h._serial)}"), "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "user@127.0.0.1", "-f", path], check=True)
    return x2go.text(path + ".pub").strip()


def test_tasks():
    """Words and types; the next authid is in every answer and the last one is good once."""
    broker = x2go.Broker()
    answer = ask(broker, password="sweet")
    assert answer.status == 200 and answer.fields["content-type"].startswith("text/json"), (answer, answer.fields)
    assert answer.json["auth-status"] == "Access granted", answer
    for task in ("listprofiles", "listsessions"):
        got = ask(broker, task, authid=answer.json["next-authid"]).json
        assert got["task"] == task and set(got["profiles"]) == {"one", "two"}, got
        one = got["profiles"]["one"]
        assert one["host"] == ["127.0.0.1"] and one["sshport"] == 9 and one["name"] == "Test One" and one["user"] == "bob", one
        assert isinstance(one["fullscreen"], bool) and not {"usebrokerpass", "status"} & set(one), one
        assert got["profiles"]["two"]["user"] == "test", got
        answer = ask(broker, authid=got["next-authid"])
    for key in ("profile_id", "sid"):
        answer = ask(broker, "selectsession", authid=answer.json["next-authid"], **{key: "one"})
        chosen = answer.json["selected_session"]
        assert chosen["server"] == "127.0.0.1" and int(chosen["port"]) == 9, answer


@h.each("password", "user", "authid", "nothing")
def test_refused(what):
    """Only the status counts there."""
    broker = x2go.Broker()
    fields = {"password": {"password": "wrong"}, "user": {"user": "joe", "password": "sweet"}, "authid": {"authid": "x" * 36},
              "nothing": {}}[what]
    for task in (None, "listprofiles", "selectsession"):
        answer = ask(broker, task, profile_id="one", **fields)
        assert answer.status == 401 and "profiles" not in answer.body and "127.0.0.1" not in answer.body, answer


def test_name_of_other_bytes():
    """A module may know somebody by a name that JSON cannot hold: refused as who may not log in, and the log says why."""
    path = os.path.join(h.SCRATCH, "names")
    with open(path, "wb") as f:
        f.write(b"test b\xf6hm\njoe b\xc3\xb6hm\n")
    os.chmod(path, 0o600)
    users = h.multifile(h.line("test", "sweet", ""), h.line("joe", "sweet", ""))
    broker = x2go.Broker(auth=[users[:-1] + f",map-user={path})"])
    for task in ("listprofiles", "selectsession", None):
        answer = ask(broker, task, password="sweet", profile_id="two")
        assert answer.status == 401, answer
    plain = broker.list()
    assert plain.status == 200 and plain.body == "Access denied\n", plain
    broker.logged(r"user 'b\\\S+hm' \(multifile\) is refused: a name has to be UTF-8")
    assert ask(broker, "listprofiles", user="joe", password="sweet").json["profiles"]["two"]["user"] == "böhm"


def test_not_there():
    broker = x2go.Broker(x2go.PROFILES + "\n[secret]\nhost=10.1.2.3\nacl-users-allow=joe\n")
    first = ask(broker, "listprofiles", password="sweet").json
    assert set(first["profiles"]) == {"one", "two"}
    for sid in ("secret", "none", "", "../one"):
        answer = ask(broker, "selectsession", profile_id=sid, password="sweet")
        assert "10.1.2.3" not in answer.body and not answer.json.get("selected_session", {}).get("server") if answer.status == 200 else \
            answer.status in (400, 403, 404), (sid, answer)


@h.each("http", "https")
@h.timeout(90)
def test_python_x2go(scheme):
    broker = x2go.Broker(tls=scheme == "https")
    env = {"REQUESTS_CA_BUNDLE": broker.tls[0]} if broker.tls else {}
    out = x2go.python_x2go(broker.url("/json/"), "print('in', p.broker_simpleauth('test', 'wrong'), list(p.profile_ids))",
                           password="wrong", env=env)
    assert "in False []" in out, out
    out = x2go.python_x2go(broker.url("/json/"), """
assert p.broker_simpleauth('test', 'sweet')
print(json.dumps({'ids': sorted(p.profile_ids), 'one': {k: str(v) for k, v in p.get_profile_config('one').items()},
                  'selected': p.broker_selectsession('one')}))
""", env=env)
    got = json.loads(out.strip().splitlines()[-1])
    assert got["ids"] == ["one", "two"], got
    assert got["one"]["name"] == "Test One" and got["one"]["sshport"] == "9", got
    assert got["selected"]["server"] == "127.0.0.1" and int(got["selected"]["port"]) == 9, got


@h.timeout(60)
def test_python_x2go_strange_certificate():
    broker = x2go.Broker(tls=True)
    try:
        out = x2go.python_x2go(broker.url("/json/"), "print('in', p.broker_simpleauth('test', 'sweet'))")
    except AssertionError as e:
        assert re.search("Failed to connect|certificate", str(e)), e
    else:
        assert "in True" not in out, out


@h.timeout(90)
def test_pyhoca():
    """--list-profiles dies of keys that it does not know."""
    broker = x2go.Broker()
    rc, said = x2go.Pyhoca(broker.url("/json/", "test", "sweet"), "--list-profiles").said()
    assert rc == 0 and "Test One" in said and "Test Two" in said and "Traceback" not in said, said
    _, said = x2go.Pyhoca(broker.url("/json/", "test", "wrong"), "--list-profiles").said()
    assert "Test One" not in said, said


AGENT = """#!/bin/sh
echo "$@" >>%s
case $2 in
addauthkey) echo "$3" >>%s && echo OK ;;
ping | delauthkey) echo OK ;;
listsessions) echo OK ;;
*) exit 1 ;;
esac
"""


def with_agent(believed=True, **more):
    """believed: sshd looks where the agent puts the keys."""
    server = test_sshd.Sshd("")
    said, elsewhere = (h.make_file(f"agent-{what}-{next(h._serial)}", "", 0o666) for what in ("said", "keys"))
    keys = os.path.join(os.path.dirname(server.key), "keys") if believed else elsewhere
    os.chmod(keys, 0o666)
    script = h.make_file(f"agent-{next(h._serial)}", AGENT % (said, keys), 0o755)
    return x2go.Broker(f"[one]\nname=One\nhost=tsa (127.0.0.1:{server.port})\nuser={h.alice.name}\n", Agent="local",
                       AgentCommand=script, **more), said


@h.timeout(60)
def test_own_key():
    """The client's own key is put there, and no private key is ever on the way."""
    broker, said = with_agent(Autologin="yes")
    line = f"no-X11-forwarding,no-pty,no-user-rc {pubkey()}"
    authid = ask(broker, password="sweet").json["next-authid"]
    answer = ask(broker, "selectsession", profile_id="one", pubkey=line, authid=authid)
    chosen = answer.json["selected_session"]
    assert chosen["authentication_pubkey"] == "ACCEPTED" and "key" not in chosen and "PRIVATE" not in answer.body, answer
    added = [one for one in x2go.text(said).splitlines() if " addauthkey " in one]
    assert len(added) == 1 and line.split()[-2] in added[0], added


@h.each("own", "made")
@h.timeout(60)
def test_no_key_for_others(which):
    """A client says as whom it wants to be on the server: the agent is asked for nobody but the profile's user, and who has
    logged in."""
    broker, said = with_agent(Autologin="yes")
    more = {"pubkey": pubkey()} if which == "own" else {}
    answer = ask(broker, "selectsession", profile_id="one", password="sweet", login=h.bob.name, **more)
    chosen = answer.json["selected_session"]
    assert set(chosen) == {"server", "port"} and "PRIVATE" not in answer.body, answer
    assert x2go.text(said) == "", said
    broker.logged("asks for somebody else's session")
    for login in (h.alice.name, ""):
        chosen = ask(broker, "selectsession", profile_id="one", password="sweet", login=login, **more).json["selected_session"]
        assert "key" in chosen or "authentication_pubkey" in chosen, chosen
    before = x2go.text(said)
    ask(broker, "selectsession", profile_id="one", password="sweet", login="test", **more)
    after = x2go.text(said)[len(before):]
    assert "test listsessions" in after and h.alice.name not in after, after


@h.each("own", "made")
@h.timeout(60)
def test_key_that_sshd_does_not_take(which):
    """The agent says OK, which is not enough: the client would sit there with a key that opens nothing."""
    broker, said = with_agent(believed=False, Autologin="yes")
    authid = ask(broker, password="sweet").json["next-authid"]
    more = {"pubkey": pubkey()} if which == "own" else {}
    answer = ask(broker, "selectsession", profile_id="one", authid=authid, **more)
    chosen = answer.json["selected_session"]
    assert "authentication_pubkey" not in chosen and "key" not in chosen and "PRIVATE" not in answer.body, answer
    assert " addauthkey " in x2go.text(said), said
    broker.logged("sshd does not take it: see AuthorizedKeysFile")


@h.each("two lines", "no key", "private", "options", "quote", "unknown type", "shell")
@h.timeout(60)
def test_bad_own_key(what):
    """What is no key of one line is put nowhere."""
    broker, said = with_agent(Autologin="yes")
    good = pubkey()
    line = {"two lines": f"{good}\n{good}", "no key": "hello", "private": "-----BEGIN RSA PRIVATE KEY-----", "options":
            f'command="touch /tmp/canary" {good}', "quote": f"{good} \"x", "unknown type": good.replace("ssh-rsa", "ssh-foo"),
            "shell": f"{good} $(touch /tmp/canary)`touch /tmp/canary`;touch /tmp/canary"}[what]
    answer = ask(broker, "selectsession", profile_id="one", pubkey=line, password="sweet")
    added = [one for one in x2go.text(said).splitlines() if " addauthkey " in one]
    if answer.status == 200 and "ACCEPTED" in answer.body:  # then only of what is harmless: the key itself
        assert len(added) == 1 and "touch" not in added[0] and "command=" not in added[0] and '"x' not in added[0], added
        assert what in ("options", "quote", "shell"), answer
    else:
        assert not added, added
    assert not os.path.exists("/tmp/canary")
