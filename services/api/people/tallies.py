"""Failed sign-ins, counted per account and per address by all replicas together, before the password is looked at."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.problems import Problem
from shared.moments import older
from shared.tables import SignInTally
from shared.tables.base import now

WINDOW: Final = timedelta(minutes=15)


class Limit(NamedTuple):
    """So many failures of one within the window."""

    key: str
    failures: int


async def count(session: AsyncSession, limits: Sequence[Limit]) -> None:
    """Count an attempt as failed until it is not; a problem when there were too many, whoever it is.

    Counted first: of many at once, no more than the limit get to try.
    """
    moment = now()
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    over = older(SignInTally.since, WINDOW, moment)
    rows = [{"key": each.key, "failures": 1, "since": moment} for each in sorted(limits)]
    fresh = insert(SignInTally).values(rows)
    counted = fresh.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "failures": case((over, 1), else_=SignInTally.failures + 1),
            "since": case((over, moment), else_=SignInTally.since),
        },
    ).returning(SignInTally.key, SignInTally.failures, SignInTally.since)
    allowed = {each.key: each.failures for each in limits}
    late = [row.since for row in await session.execute(counted) if row.failures > allowed[row.key]]
    if late:
        seconds = max(1, int((max(late) + WINDOW - moment).total_seconds()) + 1)
        raise Problem("too-many-attempts", headers={"Retry-After": str(seconds)})


async def forgive(session: AsyncSession, account: str, others: Sequence[str]) -> None:
    """It was the right one: the account's failures are forgotten; elsewhere this attempt was none."""
    await session.execute(delete(SignInTally).where(SignInTally.key == account))
    less = update(SignInTally).where(SignInTally.key.in_(others), SignInTally.failures > 0)
    await session.execute(less.values(failures=SignInTally.failures - 1))
    old = select(SignInTally.key).where(older(SignInTally.since, WINDOW)).with_for_update(skip_locked=True)
    await session.execute(delete(SignInTally).where(SignInTally.key.in_(old.limit(1000))))
