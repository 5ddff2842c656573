"""Tables whose rows have had their time: whose they are, by which column, and what must hold beside the age.

A table stands here when nothing but time decides. What is kept for good, and what its owner clears by itself, is
in ELSEWHERE, so that nobody looks for it in vain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, exists, func, inspect, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from shared.events import RetentionApplied, RetentionEnded
from shared.retention.orders import going
from shared.tables import (
    Assignment,
    AssignmentWish,
    Association,
    InboxEntry,
    JanitorLine,
    JanitorRun,
    Mail,
    PasswordReset,
    SignInTally,
    WebSession,
)

AT_ONCE: Final = 2000
"""Rows of one step."""


@dataclass(frozen=True)
class Aged:
    """Rows of a table that may go when a moment of theirs is past."""

    owner: str
    table: type[Any]
    moment: InstrumentedAttribute[Any]
    days: float | None
    """By default; None: they stay."""
    least: float
    """Days below which nobody may set it."""
    beside: ColumnElement[bool] | None = None
    """What must hold, too."""

    def due(self, before: datetime) -> ColumnElement[bool]:
        """Which rows may go."""
        old = self.moment < before
        return old if self.beside is None else and_(old, self.beside)


AGED: Final[Mapping[str, Aged]] = {
    "inbox": Aged("janitor", InboxEntry, InboxEntry.handled_at, 30, 7),
    "janitor_lines": Aged("janitor", JanitorLine, JanitorLine.at, 90, 1),
    "janitor_runs": Aged("janitor", JanitorRun, JanitorRun.finished_at, 365, 1, JanitorRun.order.is_(None)),
    "associations": Aged("indexer", Association, Association.finished_at, 365, 1),
    "assignment_wishes": Aged(
        "api",
        AssignmentWish,
        AssignmentWish.created_at,
        7,
        1,
        exists().where(Assignment.id == AssignmentWish.assignment),
    ),
    "sessions": Aged("api", WebSession, WebSession.expires_at, 7, 0),
    "password_resets": Aged("api", PasswordReset, PasswordReset.expires_at, 7, 0),
    "sign_in_tallies": Aged("api", SignInTally, SignInTally.since, 7, 1),
    "mails": Aged("registry", Mail, Mail.created_at, 90, 1, Mail.state != "waiting"),
}
"""Table -> what may go of it."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "audit_entries": "kept for good: a chain from which nothing can be taken",
    "coupling_entries": "in force for 14 days (FIONA_API_COUPLING_DAYS), removed 30 days later by the api",
    "changes": "kept for a day by the api",
    "published": "kept for FIONA_PUBLISHED_DAYS by the relay, in case the broker loses what it has confirmed",
    "traces": "kept for 30 days by the router; there are none unless traces are recorded",
    "idempotent_answers": "kept for a day by the api",
    "outbox": "never removed: what is in it is owed; the relay empties it",
    "journal": "never touched: what is in it is owed; the receiver empties it",
    "logs": "on standard output: the platform rotates them",
}
"""What no policy is about, and why."""


async def count_due(session: AsyncSession, name: str, before: datetime) -> int:
    """How many rows may go."""
    aged = AGED[name]
    return await session.scalar(select(func.count()).select_from(aged.table).where(aged.due(before))) or 0


async def remove_some(session: AsyncSession, name: str, before: datetime) -> int:
    """Remove some of them; how many."""
    aged = AGED[name]
    key = inspect(aged.table).primary_key
    some = select(*key).where(aged.due(before)).limit(AT_ONCE)
    gone = await session.execute(
        delete(aged.table).where(tuple_(*key).in_(some)).returning(*key),
        execution_options={"synchronize_session": False},
    )
    return len(gone.all())


async def apply(session: AsyncSession, service: str, event: RetentionEnded) -> list[RetentionApplied]:
    """What a service does about its own tables; nothing about others', and nothing that is no table."""
    aged = AGED.get(event.subject)
    if event.kind != "rows" or aged is None or aged.owner != service:
        return []
    if not await going(session):
        return [answer(event, kept="the janitor was stopped")]
    number = await remove_some(session, event.subject, event.before)
    return [answer(event, removed={"rows": number}, more=number == AT_ONCE)]


def answer(
    event: RetentionEnded,
    *,
    removed: Mapping[str, int] | None = None,
    kept: str = "",
    study: str | None = None,
    more: bool = False,
) -> RetentionApplied:
    """What has become of what was asked for."""
    return RetentionApplied(
        run=event.run,
        kind=event.kind,
        subject=event.subject,
        step=event.step,
        study_instance_uid=study,
        removed=dict(removed or {}),
        kept=kept,
        more=more,
    )
