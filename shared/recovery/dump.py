"""A copy of the database as it was at one moment, while everybody goes on working in it, and the way back."""

import asyncio
import os
import re
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.engine import URL

from shared.database import Database

SSL_MODES = {"true": "require", "1": "require"}


class DumpError(Exception):
    """The database cannot be copied or put back; says why in one line."""


def name_of(url: URL) -> str:
    """What the copy is called in its folder."""
    return "database.sqlite" if url.get_backend_name() == "sqlite" else "database.dump"


async def dump(database: Database, target: Path) -> None:
    """Write a consistent copy; PostgreSQL's by pg_dump, which must not be older than the server."""
    if database.sqlite:
        await asyncio.to_thread(_copy_sqlite, _sqlite_file(database.url), target)
    else:
        await _program("pg_dump", database.url, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
        await asyncio.to_thread(sync_file, target)


async def load(database: Database, source: Path) -> None:
    """Put a copy into an empty database; DumpError, and nothing is changed, when it is not empty."""
    if database.sqlite:
        file = _sqlite_file(database.url)
        if file.exists():
            raise DumpError(f"{file} is there already")
        file.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_copy_sqlite, source, file)
        return
    async with database.engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    if tables:
        raise DumpError("the database is not empty")
    await _program(
        "pg_restore", database.url, "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error",
        source=source,
    )  # fmt: skip


def _sqlite_file(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise DumpError("a database in memory has no copy")
    return Path(url.database)


def _copy_sqlite(source: Path, target: Path) -> None:
    """By SQLite's own way to copy a database in use."""
    if not source.exists():
        raise DumpError("there is no database yet")
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(draft)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")
    sync_file(draft)
    draft.rename(target)


def sync_file(file: Path) -> None:
    """Have a file's content on disk."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


async def _program(name: str, url: URL, *arguments: str, source: Path | None = None) -> None:
    target = [f"--dbname={url.database}"]
    target += [f"--host={url.host}"] if url.host else []
    target += [f"--port={url.port}"] if url.port else []
    target += [f"--username={url.username}"] if url.username else []
    process = await asyncio.create_subprocess_exec(
        _found(name), *target, "--no-password", *arguments, *([str(source)] if source else []),
        env={**os.environ, **_secrets(url)},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    if process.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines()
        raise DumpError(f"{name}: {lines[0] if lines else f'exit code {process.returncode}'}")


def _secrets(url: URL) -> Mapping[str, str]:
    """What must stand in no list of processes, and the URL's word on TLS."""
    found = {"PGPASSWORD": url.password} if url.password else {}
    if mode := url.query.get("ssl"):
        found["PGSSLMODE"] = SSL_MODES.get(str(mode), str(mode))
    if authority := url.query.get("sslrootcert"):
        found["PGSSLROOTCERT"] = str(authority)
    return found


def _found(name: str) -> str:
    """The newest that Debian has, else the one in PATH."""
    folders = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(folders, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))], default=None)
    if found := str(newest) if newest else shutil.which(name):
        return found
    raise DumpError(f"{name} is not installed (Debian: postgresql-client)")
