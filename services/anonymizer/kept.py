"""What is left in what a project was given, value by value and counted: each part of a transfer once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import islice
from typing import TypeVar

from sqlalchemy import Executable, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification.review import KeptRow
from shared.database import insert_new, lock
from shared.events import TransferRequested
from shared.tables import CountedPart, KeptAttribute
from shared.tables.base import now

DISTINCT = 1000
"""So many values of an attribute are told apart in a project; all others are counted as one, NULL."""

BATCH = 500
LONGEST_PATH, LONGEST_KEYWORD, LONGEST_VALUE = 250, 64, 64
REST = ""
"""The hash of NULL."""

Key = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """One value of one attribute, as a row will have it."""

    path: str
    keyword: str
    vr: str
    value: str | None

    @property
    def key(self) -> Key:
        """What tells it from others in a project: path, and hash of the value."""
        return self.path, REST if self.value is None else sha256(self.value.encode()).hexdigest()


async def count_part(session: AsyncSession, event: TransferRequested, rows: Iterable[KeptRow]) -> bool:
    """Add a part's values to those of its project; False, and nothing is added, when that was done before."""
    part = {
        "transfer": event.transfer,
        "series_instance_uid": event.series_instance_uid,
        "revision": event.revision,
    }
    if not await insert_new(session, CountedPart, [part]):
        return False
    await lock(session, "kept", event.project)
    lines = _summed(rows)
    bounded = _summed_rest(lines, await _without_room(session, event.project, lines))
    moment = now()
    values = [
        {
            "project": event.project,
            "path": line.path,
            "value_hash": line.key[1],
            "keyword": line.keyword,
            "vr": line.vr,
            "value": line.value,
            "count": number,
            "first_seen_at": moment,
            "last_seen_at": moment,
        }
        for line, number in bounded.values()
    ]
    statement = _adding(session.get_bind().dialect.name)
    for batch in _batches(values):
        await session.execute(statement, batch)
    return True


async def count_off(session: AsyncSession, project: str, rows: Iterable[KeptRow]) -> int:
    """Take negative counts off a project's; how many values nobody has any more. What was not told apart is NULL's."""
    await lock(session, "kept", project)
    lines = _summed(rows)
    known = await _known(session, project, sorted({path for path, _ in lines}))
    gone = 0
    for line, number in _summed_rest(lines, {key for key in lines if key not in known}).values():
        path, value_hash = line.key
        row = await session.get(KeptAttribute, (project, path, value_hash), with_for_update=True)
        if row is None:
            continue
        row.count += number
        if row.count <= 0:
            await session.delete(row)
            gone += 1
    await session.flush()
    return gone


@cache
def _adding(dialect: str) -> Executable:
    """Insert a row, or add its count to the one that is there."""
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(KeptAttribute)
    return statement.on_conflict_do_update(
        index_elements=["project", "path", "value_hash"],
        set_={
            "count": KeptAttribute.count + statement.excluded.count,
            "last_seen_at": statement.excluded.last_seen_at,
        },
    )


Lines = dict[Key, tuple[Line, int]]


def _summed(rows: Iterable[KeptRow]) -> Lines:
    found: Lines = {}
    for row in rows:
        value = None if row.value is None else _storable(row.value)
        _add(found, Line(row.path[:LONGEST_PATH], row.keyword[:LONGEST_KEYWORD], row.vr[:2], value), row.count)
    return found


def _summed_rest(lines: Lines, without_room: set[Key]) -> Lines:
    found: Lines = {}
    for key, (line, number) in lines.items():
        _add(found, Line(line.path, line.keyword, line.vr, None) if key in without_room else line, number)
    return found


def _add(lines: Lines, line: Line, number: int) -> None:
    first, before = lines.get(line.key, (line, 0))
    lines[line.key] = first, before + number


async def _without_room(session: AsyncSession, project: str, lines: Lines) -> set[Key]:
    """The values that are new to the project and would be more than are told apart; the most frequent have room."""
    values: dict[str, list[Key]] = {}
    for path, value_hash in lines:
        if value_hash != REST:
            values.setdefault(path, []).append((path, value_hash))
    taken = await _taken(session, project, list(values))
    full = [path for path, keys in values.items() if taken.get(path, 0) + len(keys) > DISTINCT]
    known = await _known(session, project, full)
    without: set[Key] = set()
    for path in full:
        new = sorted((key for key in values[path] if key not in known), key=lambda key: _first(lines[key]))
        without.update(new[max(DISTINCT - taken.get(path, 0), 0) :])
    return without


async def _taken(session: AsyncSession, project: str, paths: Sequence[str]) -> dict[str, int]:
    """How many values of these attributes are told apart so far."""
    found: dict[str, int] = {}
    for batch in _batches(paths):
        of_path = KeptAttribute.project == project, KeptAttribute.path.in_(batch), KeptAttribute.value_hash != REST
        query = select(KeptAttribute.path, func.count()).where(*of_path).group_by(KeptAttribute.path)
        found.update((await session.execute(query)).all())
    return found


async def _known(session: AsyncSession, project: str, paths: Sequence[str]) -> set[Key]:
    """The values of these attributes that are told apart so far."""
    found: set[Key] = set()
    for batch in _batches(paths):
        query = select(KeptAttribute.path, KeptAttribute.value_hash)
        rows = await session.execute(query.where(KeptAttribute.project == project, KeptAttribute.path.in_(batch)))
        found |= {(path, value_hash) for path, value_hash in rows}
    return found


def _first(line: tuple[Line, int]) -> tuple[int, str]:
    """What has room before others: the frequent, then by value."""
    return -line[1], line[0].value or ""


def _storable(value: str) -> str:
    """A text that every database takes: PostgreSQL has no NUL, and no half of a surrogate pair."""
    return value.replace("\0", "").encode("utf-8", "replace").decode()[:LONGEST_VALUE]


def _batches(items: Sequence[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
