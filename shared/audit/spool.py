"""Where records wait for the audit service: a file in the store, durable before anybody is answered.

Nobody waits for the chain, nor for the database. Records that come while a file is being written become the next
file together, so that one fsync serves all who ask at once. A file is whole or not there.
"""

import asyncio
import secrets
import time
from pathlib import Path

from shared.audit.record import Record
from shared.store import Store

FOLDER = "audit/spool"


class SpoolUnavailable(Exception):
    """The record cannot be kept, so what it tells of must not happen."""


class Spool:
    """Writes records; made where a loop runs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Record, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, record: Record) -> None:
        """Return when the record is on disk; SpoolUnavailable when it cannot be."""
        kept = asyncio.get_running_loop().create_future()
        self._waiting.append((record, kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await kept

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(write, self._store, [record for record, _ in batch])
                failure = None
            except OSError as error:
                failure = SpoolUnavailable(type(error).__name__)
            for _, kept in batch:
                if kept.done():
                    continue
                if failure is None:
                    kept.set_result(None)
                else:
                    kept.set_exception(failure)


def write(store: Store, records: list[Record]) -> None:
    """Records as one file, after all that are there already."""
    name = f"{time.time_ns():020}-{secrets.token_hex(4)}.jsonl"
    store.write(f"{FOLDER}/{name}", "".join(f"{record.model_dump_json()}\n" for record in records).encode())


def waiting(store: Store, limit: int) -> list[Path]:
    """Files that nobody has taken yet, oldest first."""
    folder = store / FOLDER
    return sorted(folder.glob("[0-9]*.jsonl"))[:limit] if folder.is_dir() else []


def read(path: Path) -> list[Record]:
    """The records of a file; ValueError when it is none of ours."""
    return [Record.model_validate_json(line) for line in path.read_bytes().splitlines()]
