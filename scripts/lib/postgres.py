"""The database: a private PostgreSQL, or an existing server; one database and two roles for each validator."""

import glob
import os
import pwd
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from console import Failure
from process import Process

SERVER_USER = "postgres"
READY_WITHIN_S = 180

# Durable (fsync stays on), sized for a laptop.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "cluster_name": "cybermesh",
}


def _programs():
    """The directory of the newest PostgreSQL server's programs."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(path.split("/")[4]))
    if found:
        return Path(found[-1]).parent
    initdb = shutil.which("initdb")
    if not initdb:
        raise Failure("PostgreSQL's initdb is missing: run ./scripts/setup run")
    return Path(initdb).resolve().parent


@dataclass
class Server:
    """How to reach a server as its superuser: a conninfo string or URI, and what else psql needs to know."""

    dsn: str
    password: str = ""

    def sql(self, statements, database=None, timeout_s=60):
        """Run statements with psql, each in its own transaction. Returns the output, unaligned, fields split by |."""
        script = statements
        if database:
            script = f"\\connect {database}\n{statements}"
        return psql(self.dsn, script, self.password, timeout_s)


def psql(dsn, script, password="", timeout_s=60):
    """Run a psql script; a Failure with the server's words when it fails."""
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    environment["PGCONNECT_TIMEOUT"] = str(timeout_s)
    if password:
        environment["PGPASSWORD"] = password
    try:
        result = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", dsn], input=script, env=environment,
            capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError:
        raise Failure("psql is missing: run ./scripts/setup run") from None
    except subprocess.TimeoutExpired:
        raise Failure(f"the database did not answer within {timeout_s} s") from None
    if result.returncode != 0:
        raise Failure(f"the database refuses: {result.stderr.strip()}")
    return result.stdout


class PrivateServer:
    """A PostgreSQL server of our own, below the run directory."""

    def __init__(self, layout, port):
        self.directory = layout.postgres
        self.data = layout.postgres / "data"
        self.password_file = layout.postgres / "password"
        self.port = port
        self.process = Process("PostgreSQL", layout.pids / "postgres.pid", layout.logs / "postgres.log")
        self.programs = _programs()

    def prepare(self):
        """Make the data directory unless there is one."""
        if (self.data / "PG_VERSION").exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(os.open(self.password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_hex(24) + "\n")
        if os.getuid() == 0:
            self._give_to_server_user()
        result = subprocess.run(
            [*self._as_server_user(), self.programs / "initdb", "-D", self.data, "-U", SERVER_USER, "--encoding=UTF8",
             "--locale=C", "--auth=scram-sha-256", f"--pwfile={self.password_file}"],
            cwd=self._start_directory(), env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False)
        if result.returncode != 0:
            raise Failure(f"initdb failed:\n{result.stdout}{result.stderr}")
        lines = [f"{name} = '{value}'" for name, value in SETTINGS.items()]
        with open(self.data / "postgresql.conf", "a") as config:
            config.write("\n" + "\n".join(lines) + "\n")

    def start(self):
        """Start it; wait_ready() tells when it answers."""
        self.process.start(
            [*self._as_server_user(), self.programs / "postgres", "-D", self.data, "-p", str(self.port)],
            cwd=self._start_directory(), env=self._environment())

    def wait_ready(self):
        end = time.monotonic() + READY_WITHIN_S
        while True:
            self.process.require_alive()
            try:
                self.server().sql("SELECT 1;")
                return
            except Failure as failure:
                if time.monotonic() > end:
                    raise Failure(f"PostgreSQL does not answer after {READY_WITHIN_S} s ({failure}); its log is "
                                  f"{self.process.log_file}, which ends:\n{self.process.log_tail()}") from None
            time.sleep(0.1)

    def server(self):
        """How to reach it."""
        return Server(f"host=127.0.0.1 port={self.port} user={SERVER_USER} dbname=postgres",
                      self.password_file.read_text().strip())

    # PostgreSQL refuses to run as root, so root runs it as the distribution's user for it.

    def _give_to_server_user(self):
        try:
            user = pwd.getpwnam(SERVER_USER)
        except KeyError:
            raise Failure(f"PostgreSQL does not run as root and there is no user {SERVER_USER}: "
                          "run ./scripts/setup run") from None
        for path in (self.directory, self.password_file):
            os.chown(path, user.pw_uid, user.pw_gid)
        self.directory.chmod(0o700)

    def _as_server_user(self):
        if os.getuid() != 0:
            return []
        plain = ["setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--init-groups", "--"]
        # A home directory above may be closed to other users. Then the server keeps the one right to pass through it.
        passing = [*plain[:-1], "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--"]
        for prefix in (plain, passing):
            looked = subprocess.run([*prefix, "ls", self.directory], capture_output=True, check=False)
            if looked.returncode == 0:
                return prefix
        raise Failure(f"user {SERVER_USER}, as whom PostgreSQL runs, cannot enter {self.directory}: "
                      "choose a run directory (--run-dir) below directories that are open to all")

    def _start_directory(self):
        return "/" if os.getuid() == 0 else self.directory

    @staticmethod
    def _environment():
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}


def server_address(server):
    """(host, port) as the client library understands the DSN."""
    host, port = psql(server.dsn, "\\echo :HOST\n\\echo :PORT\n", server.password).split("\n")[:2]
    if host.startswith("/"):
        raise Failure(f"--db must name a TCP address, not the socket directory {host}", 2)
    return host, int(port)


def passfile_password(path):
    """The password in the one line of a libpq password file (host:port:database:user:password)."""
    line = Path(path).read_text().rstrip("\n")
    fields, field, escaped = [], "", False
    for char in line:
        if escaped or char not in "\\:":
            field, escaped = field + char, False
        elif char == "\\":
            escaped = True
        else:
            fields, field = [*fields, field], ""
    if len(fields) != 4 or not field:
        raise Failure(f"{path} is no libpq password file")
    return field


def _literal(text):
    return "'" + text.replace("'", "''") + "'"


@dataclass
class Database:
    """One validator's database, its owner and its reader."""

    name: str
    writer: str
    writer_password: str
    reader: str
    reader_password: str

    @classmethod
    def of_validator(cls, validator, directory):
        """The names that testnet uses and the passwords that it wrote."""
        name = f"cybermesh_{validator}"
        return cls(name, f"{name}_writer", passfile_password(directory / "keys/pgpass"), f"{name}_reader",
                   passfile_password(directory / "keys/pgpass-reader"))

    def reader_dsn(self, host, port):
        """A DSN for any libpq client."""
        return (f"postgresql://{quote(self.reader)}:{quote(self.reader_password)}@"
                f"{'[' + host + ']' if ':' in host else host}:{port}/{quote(self.name)}")


def create_databases(server, databases, owner_mark):
    """Create every database with its roles.

    A database that exists is dropped if its comment says that the same run directory made it; another one is refused.
    """
    names = ", ".join(_literal(database.name) for database in databases)
    existing = server.sql(
        f"SELECT datname || '|' || coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database "
        f"WHERE datname IN ({names});").splitlines()
    for line in existing:
        name, _, mark = line.partition("|")
        if mark != owner_mark:
            raise Failure(f"database {name} exists on that server and was not made by this run directory: "
                          "remove it, or use another server", 2)
    script = [f'DROP DATABASE "{line.partition("|")[0]}";' for line in existing]
    for database in databases:
        script += [f'DROP ROLE IF EXISTS "{role}";' for role in (database.writer, database.reader)] if existing else []
        script += [
            f'CREATE ROLE "{database.writer}" LOGIN PASSWORD {_literal(database.writer_password)};',
            f'CREATE ROLE "{database.reader}" LOGIN PASSWORD {_literal(database.reader_password)};',
            f'GRANT "{database.writer}" TO CURRENT_USER;',
            f'CREATE DATABASE "{database.name}" OWNER "{database.writer}";',
            f'REVOKE CONNECT ON DATABASE "{database.name}" FROM PUBLIC;',
            f'GRANT CONNECT ON DATABASE "{database.name}" TO "{database.reader}";',
            f'ALTER ROLE "{database.reader}" SET default_transaction_read_only = on;',
            f'COMMENT ON DATABASE "{database.name}" IS {_literal(owner_mark)};',
        ]
    server.sql("\n".join(script))
