# SPDX-License-Identifier: GPL-2.0-or-later
"""Users and sessions in real database servers: PostgreSQL and MariaDB, over TLS and unix sockets."""
import os
import socket
import threading
import time

import databases
import harness as h
import xpranet as x

SECONDS = 60
YESCRYPT = "$y$j75$F5Jx5fExrKuPp53xLKQ..1$b9ipOqv8PnW5AVU85r73I0FOIAcGICbbCril3UpGHU0"  # of "open sesame"
SCRAM = ("SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$zFuK0LLTd7QL5BPwE9y67ays8/a4CC4uja7+QnaP2EQ=:"
         "vjZUa961pBnSxOfN65HhpzC4x054xWo0ftpxxphkHOU=")  # of the same


def row(name="john", password="pw", displays=":100", options=""):
    return name, password, str(h.alice.uid), str(h.alice.gid), displays, "", options


def session(n=100):
    return h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-{n}", user=h.alice)


def begin(spec, name="john", kind="tcp", **sections):
    conn = h.spawn(h.conf(spec, **sections), kind=kind)
    conn.hello = x.hello65(username=name)
    if kind == "unix":
        conn.hello["digest"] = ("hmac+sha512", "xor")
    conn.peer.hello(conn.hello)
    return conn


def answer(conn, password, timeout=10):
    conn.peer.answer(conn.peer.expect("challenge", timeout=timeout), conn.hello, password)


def login(spec, name="john", password="pw", timeout=10, **kw):
    conn = begin(spec, name, **kw)
    answer(conn, password, timeout)
    return conn, conn.peer.read_packet(timeout, skip=("ping",))


def entered(conn, packet):
    assert packet.name == "hello", f"expected a hello, got {x.texts(packet)!r:.300}\n{conn.log()}"


def denied(conn, packet, logged, words="authentication failed", rc=5):
    said = "; ".join(map(x.text, packet[1:])) if packet.name == "disconnect" else f"{packet.name} packet"
    assert said == words, f"client was told {said!r}\n{conn.log()}"
    conn.peer.close()
    assert conn.wait() == rc, conn.log()
    line = conn.logged(logged)
    assert databases.PASSWORD not in conn.log() and databases.ESCAPED not in conn.log(), conn.log()
    return line


def all_denied(logged, *attempts, words="authentication failed", timeout=10, **kw):
    """(spec, name, password)...: all at once, as each refusal takes a second."""
    conns = [(begin(spec, name, **kw), password) for spec, name, password in attempts]
    for conn, password in conns:
        answer(conn, password)
    for conn, _ in conns:
        denied(conn, conn.peer.read_packet(timeout), logged, words)


ERROR = "authentication error; cannot access sessions"


@h.each("pgsql", "mysql")
def test_passwords(module):
    """Over TLS with a verified server: each row's password, and it chooses the sessions."""
    db = databases.database(module)
    db.fill(row(), row(password="two", displays=":101"), row("jane", None), row("jill", ""), row("Zoë", "pä55"))
    one, two = session(), session(101)
    entered(*login(db.spec()))
    assert one.get()
    entered(*login(db.spec(), password="two"))
    assert two.get()
    entered(*login(db.spec(db.local)))
    entered(*login(db.spec(), "Zoë", "pä55"))
    all_denied("wrong password or unknown user",
               *[(db.spec(), *one) for one in (("john", "three"), ("john", "None"), ("jane", "None"), ("jill", "None"),
                                               ("nobody", "pw"), ("johnny", "pw"))])


@h.each("pgsql", "mysql")
def test_names_are_data(module):
    db = databases.database(module)
    db.fill(row(), row("o'neil \\ %s $1 ? --", "pw"))
    session()
    entered(*login(db.spec(), "o'neil \\ %s $1 ? --"))
    all_denied("wrong password or unknown user",
               *[(db.spec(), name, "pw") for name in ("' OR '1'='1", "john' -- ", "x' UNION SELECT 'pw' -- ", "john\\",
                                                      "\\' OR 1=1 -- ", "%", "_ohn", "'; DROP TABLE users; -- ")])
    assert db.sql("SELECT count(*) FROM users").strip() == "2"


@h.each("pgsql", "mysql")
def test_registry(module):
    """The password is another module's matter."""
    db = databases.database(module)
    db.fill(row(password=None, displays=":101"), row(password="other"))
    two = session(101)
    registry = {"Sessions": {"Registry": db.spec(), "SocketDirs": "$XDG_RUNTIME_DIR/xpra"}}
    entered(*login("password(value=s3cret)", password="s3cret", **registry))
    assert two.get()
    conn, p = login("password(value=s3cret)", password="s3cret", name="nobody-here", **registry)
    assert p.name == "disconnect", conn.log()
    db.sql("ALTER TABLE users DROP COLUMN displays")
    conn, p = login("password(value=s3cret)", password="s3cret", **registry)
    denied(conn, p, rf"registry {module}: .*displays", ERROR)


@h.each("pgsql", "mysql")
def test_hashed(module):
    """passwords=hashed: asks for the password itself, so not on TCP without TLS."""
    db = databases.database(module)
    db.fill(row(password=YESCRYPT), row("jane", SCRAM), row("jill", "plain"))
    session()
    spec = db.spec(passwords="hashed")
    for name in "john", "jane":
        entered(*login(spec, name, "open sesame", kind="unix"))
    all_denied("wrong password or unknown user", (spec, "john", "open sesam"), (spec, "jane", "open sesam"),
               (spec, "john", YESCRYPT), (spec, "nobody", "open sesame"), (spec, "jill", "plain"), kind="unix")
    conn = begin(spec, "john")
    denied(conn, conn.peer.read_packet(), "unprotected transport",
           "authentication requires a secure connection, such as ssl")
    denied(*login(db.spec(), "john", YESCRYPT), "wrong password")  # not by what was stolen


@h.each("pgsql", "mysql")
def test_server_must_prove_itself(module):
    db = databases.database(module)
    db.fill(row())
    denied(*login(db.spec(db.at(f"127.0.0.1:{db.port}", "other"))), f"module {module} could not tell: .*certificate", ERROR)
    # of another name; and the system's authorities, which do not know this one
    listener = socket.create_server(("127.0.0.2", 0))
    threading.Thread(target=forward, args=(listener, db.port), daemon=True).start()
    port = listener.getsockname()[1]
    denied(*login(db.spec(db.at(f"127.0.0.2:{port}"))), f"module {module} could not tell", ERROR)
    if not os.path.exists("/etc/ssl/certs/ca-certificates.crt"):
        raise h.Skip("there is no ca-certificates.crt")
    with open("/run/test-hosts", "a") as f:
        f.write("127.0.0.1 db.example\n")
    denied(*login(db.spec(db.at("db.example:%d" % db.port).split("?")[0])),
           f"module {module} could not tell: .*(certificate|unable to get local issuer)", ERROR)
    listener.close()


def forward(listener, port):
    while True:
        try:
            a, _ = listener.accept()
        except OSError:
            return
        b = socket.create_connection(("127.0.0.1", port))
        for one, other in ((a, b), (b, a)):
            threading.Thread(target=copy, args=(one, other), daemon=True).start()


def copy(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@h.each("pgsql", "mysql")
def test_down(module):
    """Nobody gets in, and the log says why."""
    db = databases.database(module)
    port = h.free_port()
    denied(*login(db.spec(db.at(f"127.0.0.1:{port}"))), f"module {module} could not tell: .*(refused|connect)", ERROR)
    denied(*login(db.spec(db.uri.replace(databases.ESCAPED, "wrong"))), f"module {module} could not tell: .*xproxy", ERROR)


@h.each("pgsql", "mysql")
def test_hangs(module):
    """The login's time is over when it is over, and the log names the module."""
    db = databases.database(module)
    listener = socket.create_server(("127.0.0.1", 0))
    began = time.monotonic()
    conn = h.spawn(h.conf(db.spec(db.at(f"127.0.0.1:{listener.getsockname()[1]}")),
                          Limits={"LoginTimeout": "2s", "ChallengeTimeout": "2s"}))
    p = conn.peer.login(x.hello65(username="john"), "pw")
    assert p.name == "disconnect" and "timeout" in x.text(p[1]), x.texts(p)
    assert 1.5 < time.monotonic() - began < 6 * h.SLACK
    conn.peer.close()
    conn.wait()
    conn.logged(f"module {module} was given up")
    listener.close()


def test_stuck_statement():
    """A server that is there and does not get done: ten seconds, not the whole of the login's time."""
    slow = {"pgsql": "SELECT pg_sleep(60)::text WHERE $1::text <> ''", "mysql": "SELECT sleep(60) WHERE ? <> ''"}
    began = time.monotonic()
    all_denied("module (pgsql|mysql) could not tell: .*(timeout|max_statement_time|interrupted)",
               *[(databases.database(m).spec(password_query=q), "john", "pw") for m, q in slow.items()],
               words=ERROR, timeout=20)
    assert time.monotonic() - began < 15 * h.SLACK


@h.each("pgsql", "mysql")
def test_what_is_there(module):
    """No table; rows and columns that are too large; many of them."""
    db = databases.database(module)
    db.sql("DROP TABLE IF EXISTS users")
    denied(*login(db.spec()), "there is no (such )?table", ERROR)
    db.fill(row(displays="," * 8191), row("long", displays=":" * 8192), row("huge", displays="x" * 99999),
            row("wide", password="x" * 99999))
    conn, p = login(db.spec())
    assert x.text(p[2]) == "no displays found", x.texts(p)  # in, but there is no session
    conn.peer.close()
    for name in "long", "huge":
        denied(*login(db.spec(), name), "a user's displays is longer than 8191 bytes", ERROR)
    denied(*login(db.spec(), "wide"), "wrong password or unknown" if module == "pgsql" else "password is longer than", "authentication failed" if module == "pgsql" else ERROR)
    db.fill(*[row("many", str(i)) for i in range(1025)])
    denied(*login(db.spec(), "many", "1"), "more than 1024 rows", ERROR)


@h.each("pgsql", "mysql")
def test_only_reads(module):
    db = databases.database(module)
    db.fill(row())
    statement = "DELETE FROM users WHERE username={}" + (" RETURNING password" if module == "pgsql" else "")
    spec = db.spec(db.local, password_query=statement.format("$1" if module == "pgsql" else "?"))
    denied(*login(spec), f"module {module} could not tell: .*(read-only|READ ONLY)", ERROR)
    assert db.sql("SELECT count(*) FROM users").strip() == "1"


@h.each("pgsql", "mysql")
def test_configuration(module):
    """What is wrong is said without what is secret; secrets may be in a file."""
    db = databases.database(module)
    db.fill(row())
    session()
    path = h.make_file("uri", db.uri + "\n", 0o600)
    entered(*login(f"{module}(uri-file={path})"))
    entered(*login(db.spec(password_query="SELECT password FROM users WHERE username=%s")))
    for spec, words in ((f"{module}(uri={db.scheme}://u:s3cret@[h/d)", "the URI is no"),
                        (f"{module}(uri={db.scheme}://u:s3cret%zz@h/d)", "the URI is no"),
                        *([(f"{module}(uri={db.scheme}://u:p@s3cret@127.0.0.1:1/d)", "the URI is no")]
                          if module == "pgsql" else []),
                        (f"{module}(uri=s3cret)", "no '://'"), (module, "uri= or uri-file="),
                        (f"{module}(uri-file=/nonexistent)", "/nonexistent"),
                        (db.spec(passwords="s3cret"), "'plain' or 'hashed'")):
        r = h.ctl("check", conf_path=h.conf(spec))
        assert words in r.stdout and r.returncode == 1 and "s3cret" not in r.stdout, r.stdout
    conn = begin(f"{module}(uri={db.scheme}://u:s3cret@[h/d)")
    denied(conn, conn.peer.read_packet(), "the URI is no", ERROR, 2)
    assert "s3cret" not in conn.log()


def test_users_tool():
    """xproxyctl users postgresql://...: what it writes lets in, and what is in the way is said."""
    db = databases.database("pgsql")
    db.sql("DROP TABLE IF EXISTS users")

    def users(*args, code=0, input=None):
        r = h.ctl("users", db.local, *args, input=input)
        assert r.returncode == code, f"{args}: {r.returncode}\n{r.stdout}{r.stderr}"
        return r.stdout + r.stderr

    assert "xproxyctl users URI create" in users("list", code=1)
    users("create")
    assert "already" in users("create", code=1)
    users("add", "john", "pw", h.alice.uid, h.alice.gid, ":100")
    users("add", "--hash", "jane", "open sesame", h.alice.uid, h.alice.gid, ":100")
    users("add", "--hash=scram", "jill", "-", h.alice.uid, h.alice.gid, ":100", input="open sesame\n")
    assert "--hash" in users("add", "o'neil", "x", "1", "1")
    out = users("list")
    assert "(hash)" in out and "****" in out and "sesame" not in out and "$" not in out, out
    db.sql("GRANT SELECT ON users TO xproxy")
    session()
    entered(*login(db.spec()))
    for name in "jane", "jill":
        entered(*login(db.spec(passwords="hashed"), name, "open sesame", kind="unix"))
        assert "success" in users("authenticate", name, "open sesame")
        users("authenticate", name, "open", code=1)
    users("passwd", "jane", input="another\n")
    assert db.sql("SELECT password FROM users WHERE username='jane'").startswith("$y$"), "not hashed any more"
    assert "success" in users("authenticate", "jane", "another")
    assert "1 row removed" in users("remove", "jane", "another")
    assert "1 row removed" in users("remove", "o'neil")
    users("remove", "jane", code=3)
    db.fill(row())  # as xpra makes it
    assert "now 1" in users("migrate")
    assert "nothing to do" in users("migrate")
    assert "users_username" in db.sql("SELECT indexname FROM pg_indexes WHERE tablename='users'")
