"""A backup: the database as of one moment, a list of the store's files and, if asked for, the files themselves.

The database comes first and the files after it: everything that a row speaks of is there, and what came after the rows
is found in the archive again. The master key is not in it unless somebody asks for that.
"""

import asyncio
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import Database
from shared.migrations import version
from shared.recovery import files
from shared.recovery.dump import dump, name_of
from shared.settings import Settings
from shared.store import sync_folder
from shared.tables import Instance, Study, Transfer
from shared.tables.base import now

FORM: Final = 1
ABOUT: Final = "backup.json"
KEY: Final = "secret.key"
STORE: Final = "store"


class BackupError(Exception):
    """It cannot be made, or is none; says why in one line."""


class Backup(BaseModel):
    """What `backup.json` says; it is written last, so that a folder without it is no backup."""

    model_config = ConfigDict(frozen=True)
    form: int = FORM
    made_at: datetime
    database: str
    schema_version: str
    studies: int
    instances: int
    transfers: int
    files: int
    bytes: int
    with_files: bool
    with_key: bool
    linked: int = 0


async def make(
    settings: Settings, target: Path, *, with_files: bool = False, with_key: bool = False, before: Path | None = None
) -> Backup:
    """Make one in a folder that is new or empty, beside running services; `before` is the folder of an earlier one.

    BackupError, DumpError, OSError or DatabaseUnavailable when it cannot be made.
    """
    await asyncio.to_thread(_prepare, settings, target, before)
    database = Database(settings.database())
    try:
        made_at = now()
        async with database.engine.connect() as connection:
            schema = await connection.run_sync(version)
        if schema is None:
            raise BackupError("the database is empty: no service was ever started with it")
        copy = target / name_of(database.url)
        await dump(database, copy)
        async with database.reading() as session:
            counts = await _counts(session)
    finally:
        await database.close()
    if with_key:
        await asyncio.to_thread(_write_key, settings, target / KEY)
    if with_files:
        older = before / STORE if before is not None else None
        copied = await asyncio.to_thread(files.copy, settings.data, target / STORE, older)
        await asyncio.to_thread(files.write_list, target / STORE, target / files.LIST)
    else:
        copied = await asyncio.to_thread(files.write_list, settings.data, target / files.LIST)
    done = Backup(
        made_at=made_at,
        database=copy.name,
        schema_version=schema,
        files=copied.files,
        bytes=copied.bytes,
        linked=copied.linked,
        with_files=with_files,
        with_key=with_key,
        **counts,
    )
    await asyncio.to_thread(_write, target, done)
    return done


def read(folder: Path) -> Backup:
    """What a backup says of itself; BackupError when it is none, is not whole, or is of a later form."""
    try:
        found = Backup.model_validate_json((folder / ABOUT).read_bytes())
    except FileNotFoundError:
        raise BackupError(f"{folder} is no backup, or one that was not finished") from None
    except ValidationError:
        raise BackupError(f"{folder / ABOUT} is not what this version reads") from None
    if found.form > FORM:
        raise BackupError(f"{folder} was made by a later version")
    return found


def _prepare(settings: Settings, target: Path, before: Path | None) -> None:
    """A folder that only we may enter."""
    if target.exists() and any(target.iterdir()):
        raise BackupError(f"{target} is not empty")
    if target.resolve().is_relative_to(settings.data.resolve()):
        raise BackupError("a backup inside the store would be part of itself")
    if before is not None:
        read(before)
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o700)


async def _counts(session: AsyncSession) -> dict[str, int]:
    """For people who choose among backups; a moment younger than the copy."""
    tables = {"studies": Study, "instances": Instance, "transfers": Transfer}
    return {name: await session.scalar(select(func.count()).select_from(table)) or 0 for name, table in tables.items()}


def _write_key(settings: Settings, target: Path) -> None:
    if settings.secret_key is not None:
        lines = [settings.secret_key, *settings.secret_key_old]
        content = "\n".join(line.get_secret_value() for line in lines)
    else:
        content = (settings.data / KEY).read_text("utf-8").strip()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content + "\n")
        os.fsync(file.fileno())


def _write(target: Path, done: Backup) -> None:
    draft = target / f".{ABOUT}"
    with draft.open("w") as file:
        json.dump(done.model_dump(mode="json"), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(target / ABOUT)
    sync_folder(target)
