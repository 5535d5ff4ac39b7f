# SPDX-License-Identifier: GPL-2.0-or-later
"""What a shell would take for more than a word, in every field that a client of the session broker fills in: it
reaches no shell, here or on the X2Go server, and no file of anybody's. The canary is a file that such a shell makes."""
import os
import re
import urllib.parse

import harness as h
import test_x2go_parallel
import x2go
import x2go_session

SECONDS = 120
CANARY = "/tmp/x2go-canary"
WORDS = [w.format(c=CANARY) for w in (
    "$(touch {c})", "`touch {c}`", ";touch {c};", "|touch {c}", "&touch {c}&", "'; touch {c}; '", '"; touch {c}; "', "\n touch {c}\n",
    "x\rtouch {c}", "> {c}", "../../../..{c}", "{c}", "-oProxyCommand=touch {c}", "--option $(touch {c})", "%h$(touch {c})", "${{IFS}}touch{c}",
    "\\$(touch {c})", "a b $(touch {c}) 'c\" d")]
FIELDS = {
    "listsessions": ("user", "password", "authid"),
    "selectsession": ("user", "password", "authid", "sid", "login", "profile-id", "pubkey"),
    "setpass": ("user", "password", "newpass"),
    "clientevent": ("user", "sid", "event", "server", "client", "login", "cmd", "display", "start", "elapsed", "version", "os"),
    "testcon": ("user",),
}
GOOD = {"user": "test", "password": "sweet", "authid": "", "sid": "one", "login": "bob", "newpass": "n", "event": "CONNECTED",
        "server": "127.0.0.1", "client": "", "cmd": "xterm", "display": "50", "start": "now", "elapsed": "3"}


def no_canary(what, *more):
    for path in (CANARY, x2go.THERE + CANARY, *more):
        if os.path.lexists(path):
            os.unlink(path)
            raise AssertionError(f"{path} was made by {what}")


def encoded(form):
    return "&".join(f"{urllib.parse.quote(k, safe='-')}={urllib.parse.quote(v, safe='')}" for k, v in form.items())


def local_agent():
    """(script, the file with all that it was told, an argument a line)"""
    said = h.make_file(f"agent-said-{next(h._serial)}", "", 0o666)
    return h.make_file(f"agent-{next(h._serial)}", f"""#!/bin/sh
for a; do printf '%s\\0' "$a"; done >>{said}
case $2 in ping | listsessions | addauthkey | delauthkey | suspendsession | findbusyservers*) echo OK ;; *) exit 1 ;; esac
""", 0o755), said


@h.each("/plain/", "/json/")
@h.timeout(120)
def test_every_field(path):
    """Those that look at it, agents among them, get one word or are not asked at all."""
    script, said = local_agent()
    broker = x2go.Broker(users={"test": "sweet"}, Agent="local", AgentCommand=script, Autologin="yes", Events="5s")

    def ask(word, task, fields):
        for field in fields:
            form = {**GOOD, field: word}
            if path == "/json/" and field != "profile-id":
                form["profile-id"] = form["sid"]
            answer = broker.request("POST", path, f"task={task}&{encoded(form)}", Content_Type=x2go.FORM)
            assert answer.status in (200, 400, 401, 403, 404, 413), (task, field, word, answer)

    def ask_all(i):
        for task, fields in FIELDS.items():
            ask(WORDS[i], task, fields)
        for form in ({"task": WORDS[i]}, {WORDS[i]: "1", "task": "listsessions"}):
            broker.request("POST", path, encoded({**form, "user": "test", "password": "sweet"}), Content_Type=x2go.FORM)
    test_x2go_parallel.together(len(WORDS), ask_all)  # each refusal takes a second
    no_canary("one of them")
    told = x2go.text(said).split("\0")
    assert "listsessions" in told and not any(CANARY in one for one in told), told
    control = [line for line in broker.log().splitlines() if re.search("[\x00-\x08\x0b-\x1f\x7f]", line)]
    assert not control, control  # nor does the log have lines that a client wrote
    assert broker.list().granted


@h.timeout(120)
def test_users_of_such_names():
    """Somebody may be called so, and be who he is: still no shell, neither here nor behind ssh."""
    names = [w for w in WORDS if not re.search(r"[\n\r|]", w)]
    s = x2go_session.server()
    broker = x2go_session.broker(x2go_session.profile("autologin=1"), Autologin="yes",
                                      users={**{name: "pw" for name in names}, "bob": "sweet1"})
    for name in names:
        first = broker.list(name, "pw")
        no_canary(name)
        if first.granted:
            broker.select("one", first.authid, name)
            broker.select("one", "", name, "pw", login=name)
        no_canary(name)
        answer = broker.post("selectsession", path="/json/", user=name, password="pw", **{"profile_id": "one"},
                             pubkey=f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== {name}")
        assert answer.status in (200, 400, 401, 403, 404), answer
        no_canary(name)
    assert broker.select("one", "", "bob", "sweet1").key  # that it would have come to an agent
    assert CANARY not in x2go.text(f"{x2go.THERE}/home/bob/.x2go/authorized_keys")
    s.clean()
