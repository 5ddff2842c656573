"""What REDCap is owed, as rows: added when something happens, gone when REDCap has taken it, whatever crashes."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import insert_new
from shared.moments import come
from shared.tables import RedcapOwed
from shared.tables.base import now

KINDS = ("study", "series", "transfer", "participant", "imaging")
"""In the order in which they are paid: a record before what hangs on it."""
PUT_OFF = timedelta(minutes=1)
"""Longer nothing is."""


async def owe(
    session: AsyncSession,
    project: str,
    kind: str,
    subjects: Collection[str],
    *,
    final: bool = False,
    after: float = 0,
) -> None:
    """Owe these, in `after` seconds at the earliest; what is owed already is owed anew."""
    due_at = now() + timedelta(seconds=after)
    names = {"project": project, "kind": kind}
    rows = [names | {"subject": subject, "version": 0, "final": final, "due_at": due_at} for subject in subjects]
    await insert_new(session, RedcapOwed, rows)
    for subject in subjects:
        again = {"version": RedcapOwed.version + 1, "due_at": due_at, "problem": None}
        if final:
            again["final"] = True
        this = RedcapOwed.project == project, RedcapOwed.kind == kind, RedcapOwed.subject == subject
        await session.execute(update(RedcapOwed).where(*this).values(again))


def is_due() -> ColumnElement[bool]:
    """What is not put off, and does not wait for a person."""
    return come(RedcapOwed.due_at, PUT_OFF)


async def due(session: AsyncSession, project: str, limit: int) -> list[RedcapOwed]:
    """The next ones."""
    order = case({kind: number for number, kind in enumerate(KINDS)}, value=RedcapOwed.kind)
    mine = RedcapOwed.project == project, is_due()
    query = select(RedcapOwed).where(*mine).order_by(order, RedcapOwed.owed_at, RedcapOwed.subject).limit(limit)
    return list(await session.scalars(query))


async def paid(session: AsyncSession, owed: Iterable[RedcapOwed]) -> None:
    """Forget them, but for what was owed anew meanwhile."""
    for each in owed:
        await session.execute(delete(RedcapOwed).where(_as_seen(each)))


async def postpone(session: AsyncSession, owed: Iterable[RedcapOwed], seconds: float) -> None:
    """Try again later."""
    for each in owed:
        later = now() + timedelta(seconds=seconds)
        await session.execute(update(RedcapOwed).where(_as_seen(each)).values(due_at=later))


async def park(session: AsyncSession, owed: Sequence[tuple[RedcapOwed, str]]) -> None:
    """Let them wait for a person, with the reason; a comparison, or whatever happens to them next, tries again."""
    for each, why in owed:
        await session.execute(update(RedcapOwed).where(_as_seen(each)).values(due_at=None, problem=why[:500]))


async def unpark(session: AsyncSession, project: str) -> None:
    """Try all again that waits for a person."""
    waiting = RedcapOwed.project == project, RedcapOwed.due_at.is_(None)
    await session.execute(update(RedcapOwed).where(*waiting).values(due_at=now(), problem=None))


def _as_seen(owed: RedcapOwed) -> ColumnElement[bool]:
    return and_(
        RedcapOwed.project == owed.project,
        RedcapOwed.kind == owed.kind,
        RedcapOwed.subject == owed.subject,
        RedcapOwed.version == owed.version,
    )
