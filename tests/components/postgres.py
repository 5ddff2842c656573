"""PostgreSQL of one's own: a cluster in a folder, trusted on loopback, as an ordinary user even from root."""

import os
import pwd
import re
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import ClassVar

from tests.components.process import ComponentError, free_port, wait_until
from tests.components.programs import absent, find
from tests.components.server import Server

PROGRAMS = ("initdb", "postgres", "psql", "pg_isready")


def _version(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(folder))]


def bin_folder() -> Path | None:
    """Where the server's programs are: Debian's newest, else where pg_config says, else as in PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    if config := find("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(told.stdout.strip()))
    if postgres := find("postgres"):
        folders.append(Path(postgres).resolve().parent)
    return next((each for each in folders if all((each / name).exists() for name in PROGRAMS)), None)


def missing() -> list[str]:
    """What it needs and this machine has not."""
    return [*(PROGRAMS if bin_folder() is None else ()), *absent("setpriv")]


def _ordinary_user() -> tuple[int, int] | None:
    """Whom to be when we are root, whom the server refuses; None when we are somebody already."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise ComponentError("postgres: no user to run it as")


class PostgreSQL(Server):
    """A cluster whose superuser `postgres` needs no password on loopback; durable unless `fsync=False`.

    `folder` must be reachable by an ordinary user: from root, not below pytest's own tmp_path (mode 0700).
    """

    name: ClassVar[str] = "postgres"
    # "Fast": roll back, disconnect everybody, write a checkpoint, end.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, folder: Path, fsync: bool = True, options: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.user = _ordinary_user()
        self._settings = [
            f"port={self.port}",
            "unix_socket_directories=",
            f"fsync={'on' if fsync else 'off'}",
            f"synchronous_commit={'on' if fsync else 'off'}",
            "max_connections=200",
            *options,
        ]
        self._databases = count(1)

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """SQLAlchemy's, through asyncpg, the database `postgres`."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """SQLAlchemy's, through asyncpg."""
        return f"postgresql+asyncpg://postgres@{self.host}:{self.port}/{database}"

    def command(self) -> list[str]:
        settings = [part for setting in (f"listen_addresses={self.host}", *self._settings) for part in ("-c", setting)]
        return [self._program("postgres"), "-D", str(self.data), *settings]

    def prepare(self) -> None:
        super().prepare()
        if (self.data / "PG_VERSION").exists():
            return
        if self.user is not None:
            os.chown(self.folder, *self.user)
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self._run("initdb", f"--pgdata={self.data}", *options)
        if self.network is not None:
            with (self.data / "pg_hba.conf").open("a") as rules:
                rules.write("host all postgres samenet trust\n")

    def ready(self) -> bool:
        command = [self._program("pg_isready"), "-q", "-h", self.host, "-p", str(self.port)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0

    def stop_immediately(self) -> None:
        """End without a checkpoint, as `pg_ctl stop -m immediate`: the next start recovers from the log."""
        self.process.resume()
        self.process.stop(signal.SIGQUIT)

    def reload(self) -> None:
        """Have it read its configuration again, and return when it has: it is told by a signal."""
        read = "SELECT pg_conf_load_time()"
        before = self.sql(read)
        self.sql("SELECT pg_reload_conf()")
        wait_until(lambda: self.sql(read) != before, 60, "reading the configuration")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run SQL through psql; what it prints, unaligned and without headers."""
        target = ["-h", self.host, "-p", str(self.port), "-U", "postgres", "-d", database]
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *target, "-c", statement)

    def create_database(self, name: str, template: str = "template1") -> str:
        """A new database, empty or a copy of one that nobody is connected to; its URL."""
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url_of(name)

    def fresh_database(self, template: str = "template1") -> str:
        """A new database under a name of its own, empty or a copy; its URL."""
        return self.create_database(f"test_{os.getpid()}_{next(self._databases)}", template)

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self.sql(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def _program(self, name: str) -> str:
        if (folder := bin_folder()) is None:
            raise ComponentError("postgres is not installed")
        return str(folder / name)

    def _run(self, program: str, *arguments: str) -> str:
        user, group = self.user or (None, None)
        done = subprocess.run(
            [self._program(program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            user=user,
            group=group,
            extra_groups=[] if self.user else None,
            check=False,
        )
        if done.returncode != 0:
            raise ComponentError(f"{program}: {done.stderr.strip()}")
        return done.stdout.strip()
