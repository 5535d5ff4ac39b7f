# SPDX-License-Identifier: GPL-2.0-or-later
"""Database servers of a test file's own, in its scratch folder: started once, ended with the file."""
import functools
import glob
import os
import pwd
import shutil
import subprocess

import harness as h

PASSWORD = "p@ss/w:rd%"  # what has a meaning in a URI
ESCAPED = "p%40ss%2Fw%3Ard%25"
# xpra's, but for the length of what it has no right to say is short.
TABLE = ("CREATE TABLE users (username VARCHAR(255) NOT NULL, password {0}, uid VARCHAR(63), gid VARCHAR(63), "
         "displays {0}, env_options {0}, session_options {0})")


def run(*cmd, **kw):
    r = subprocess.run(cmd, capture_output=True, text=True, timeout=120, **kw)
    if r.returncode:
        raise RuntimeError(f"{' '.join(cmd)}: {r.stdout[-300:]}{r.stderr[-300:]}")
    return r.stdout


@functools.cache
def certificates():
    """A folder with ca.pem, other.pem (of another authority), server.pem and server.key, for localhost and 127.0.0.1."""
    where = h.make_dir("tls")
    for ca in "ca", "other":
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", f"{where}/{ca}.key", "-out", f"{where}/{ca}.pem", "-subj", f"/CN={ca}")
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        f"{where}/server.key", "-out", f"{where}/server.csr", "-subj", "/CN=localhost")
    ext = h.make_file("tls/ext", f"subjectAltName=DNS:localhost,DNS:{h.HOSTNAME},IP:127.0.0.1\n")
    run("openssl", "x509", "-req", "-in", f"{where}/server.csr", "-CA", f"{where}/ca.pem", "-CAkey", f"{where}/ca.key",
        "-CAcreateserial", "-days", "2", "-extfile", ext, "-out", f"{where}/server.pem")
    return where


def _owner(*names):
    """The account for a server: root may be none."""
    for name in names if h.ROOT else ():
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    return pwd.getpwuid(os.getuid())


def _become(account):
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if h.ROOT else {}


def _folder(name, account):
    where = h.make_dir(name, 0o755)
    for one in "server.pem", "server.key", "ca.pem":
        shutil.copy(f"{certificates()}/{one}", where)
    for one in [where] + glob.glob(where + "/*"):
        if h.ROOT:
            os.chown(one, account.pw_uid, account.pw_gid)
    os.chmod(where + "/server.key", 0o600)
    return where


def _start(cmd, account, ready, log):
    with open(log, "wb") as out:
        p = h.popen(cmd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", start_new_session=True,
                    **_become(account))
    h.defer_to_end_of_file(h.end_process, p)

    def check():
        if p.poll() is not None:
            with open(log) as f:
                raise RuntimeError(f"{cmd[0]} ended: {f.read()[-2000:]}")
        return ready()
    h.eventually(check, 30, f"{cmd[0]} answers")
    return p


class Database:
    """.uri (TCP, TLS with the right authority), .local (its unix socket), .module, .port, .sql(text)"""

    def fill(self, *rows):
        """Rows in a new table of users."""
        self.sql(f"DROP TABLE IF EXISTS users; {self.table}; GRANT SELECT ON users TO xproxy")
        self.add(*rows)

    def add(self, *rows):
        values = ", ".join("(" + ", ".join("NULL" if v is None else "'" + self.quote(v) + "'" for v in r) + ")"
                           for r in rows)
        if rows:
            self.sql(f"INSERT INTO users VALUES {values}")

    def quote(self, text):
        return text.replace("'", "''")

    def spec(self, uri=None, **options):
        more = "".join(f',{k}="{v}"' for k, v in options.items())
        return f'{self.module}(uri="{uri or self.uri}"{more})'


class Postgres(Database):
    module, scheme, table = "pgsql", "postgresql", TABLE.format("TEXT")

    def __init__(self):
        binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not binaries:
            raise h.Skip("PostgreSQL is not installed")
        self.bin = binaries[-1]
        account = _owner("postgres", "nobody")
        where = self.where = _folder(f"pgsql-{next(h._serial)}", account)
        data, self.port = where + "/data", h.free_port()
        run(self.bin + "/initdb", "-D", data, "-U", "postgres", "-A", "trust", "--auth-host=scram-sha-256", "-N",
            "-E", "UTF8", "--no-locale", cwd="/", **_become(account))
        cmd = [self.bin + "/postgres", "-D", data, "-k", where, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
               "-c", "ssl=on", "-c", f"ssl_cert_file={where}/server.pem", "-c", f"ssl_key_file={where}/server.key",
               "-c", "fsync=off"]
        with open(data + "/pg_hba.conf", "w") as f:
            f.write("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        self.process = _start(cmd, account, lambda: self.answers(), where + "/log")
        self.sql(f"CREATE ROLE xproxy LOGIN PASSWORD '{PASSWORD}'")
        self.uri = self.at(f"127.0.0.1:{self.port}")
        self.local = f"postgresql:///postgres?host={where}&port={self.port}&user=postgres"

    def at(self, host, authority="ca", user="xproxy"):
        tls = f"?sslmode=verify-full&sslrootcert={certificates()}/{authority}.pem"
        return f"postgresql://{user}:{ESCAPED}@{host}/postgres{tls}"

    def answers(self):
        return subprocess.run([self.bin + "/pg_isready", "-h", self.where, "-p", str(self.port)],
                              capture_output=True).returncode == 0

    def sql(self, text):
        return run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.where, "-p", str(self.port),
                   "-U", "postgres", "-d", "postgres", input=text)


class MariaDB(Database):
    module, scheme, table = "mysql", "mysql", TABLE.format("MEDIUMTEXT")

    def __init__(self):
        if not (shutil.which("mariadbd") or os.path.exists("/usr/sbin/mariadbd")):
            raise h.Skip("MariaDB is not installed")
        account = _owner("mysql", "nobody")
        where = self.where = _folder(f"mysql-{next(h._serial)}", account)
        self.port = h.free_port()
        run("mariadb-install-db", "--no-defaults", f"--datadir={where}/data", "--skip-test-db",
            "--auth-root-authentication-method=normal", "--skip-name-resolve", cwd="/", **_become(account))
        self.socket = where + "/sock"
        cmd = ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={where}/data", f"--socket={self.socket}",
               f"--port={self.port}", "--bind-address=127.0.0.1", f"--ssl-ca={where}/ca.pem",
               f"--ssl-cert={where}/server.pem", f"--ssl-key={where}/server.key", f"--pid-file={where}/pid",
               "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"]
        self.process = _start(cmd, account, lambda: self.answers(), where + "/log")
        self.sql(f"CREATE DATABASE xpra CHARACTER SET utf8mb4; "
                 f"CREATE USER xproxy@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL", "mysql")
        self.uri = self.at(f"127.0.0.1:{self.port}")
        self.local = f"mysql://root@/xpra?unix_socket={self.socket}"

    def at(self, host, authority="ca", user="xproxy"):
        return f"mysql://{user}:{ESCAPED}@{host}/xpra?ssl_ca={certificates()}/{authority}.pem"

    def answers(self):
        return subprocess.run(["mariadb-admin", "--no-defaults", f"--socket={self.socket}", "-u", "root", "ping"],
                              capture_output=True).returncode == 0

    def quote(self, text):
        return super().quote(text).replace("\\", "\\\\")

    def sql(self, text, database="xpra"):
        return run("mariadb", "--no-defaults", "-N", "-B", f"--socket={self.socket}", "-u", "root", database,
                   input=text)


@functools.cache
def database(module):
    return {"pgsql": Postgres, "mysql": MariaDB}[module]()
