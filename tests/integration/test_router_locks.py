"""Whoever decides about the same studies at once waits for the other, and never both for one another."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import text

from services.router import handlers as router
from services.router.locks import hold
from shared.database import Database
from shared.events import (
    AssignmentCorrected,
    Event,
    ParticipantWithdrawn,
    ProjectMoved,
    ResendRequested,
    StudyAssigned,
    TransferRequested,
)
from shared.handlers import Retry
from tests.integration.test_returned import come_back, look, send
from tests.integration.test_router import STUDY, VAULT, arrive, assign, assignment
from tests.integration.test_router import catalogue as catalogue

DERIVED = "1.0.7"
"""Comes before the study that it was made of."""

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
"""SQLite has one writer."""

Doing = Callable[[Database], Awaitable[Any]]


def handling(handler: Callable[..., Awaitable[Any]], event: Event, *more: Any) -> Doing:
    async def do(database: Database) -> Any:
        with suppress(Retry):  # what it had read was another's to decide
            async with database.session() as session:
                return await handler(event, session, *more)

    return do


async def waiting(database: Database, number: int) -> None:
    """Return when so many wait for a lock."""
    of_ours = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
    query = text(of_ours + "WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()")
    async with asyncio.timeout(60):
        while True:
            async with database.reading() as session:
                if await session.scalar(query) == number:
                    return
            await asyncio.sleep(0.02)


async def at_once(database: Database, *doings: Doing) -> list[Any]:
    """Each of them waits for its first lock, in this order, until all may have theirs."""
    tasks = []
    async with database.session() as holder:
        await hold(holder, STUDY, DERIVED)
        for doing in doings:
            tasks.append(asyncio.ensure_future(doing(database)))
            await waiting(database, len(tasks))
    return await asyncio.gather(*tasks)


async def derived(database: Database) -> None:
    """A study, and another that was made of it; both of P1."""
    [first] = await assign(database, assignment("P1"))
    await send(database, first, DERIVED)
    [_] = await come_back(database, study=DERIVED)


CORRECTED = AssignmentCorrected(
    correction="c1", assignment="a1", study_instance_uid=STUDY, becomes="a2", project="PROJECT", participant="P1",
    event="later",
)  # fmt: skip
CONSENT = ParticipantWithdrawn(withdrawal="c2", project="PROJECT", participant="P1")
BY_HAND = StudyAssigned(assignment="b1", study_instance_uid=DERIVED, project="PROJECT", participant="P1")
RESENT = ResendRequested(correction="c3", project="PROJECT", since=datetime(2020, 1, 1, tzinfo=UTC), after="")
DOINGS = {
    "arrives": lambda database: look(database, DERIVED),
    "consent": handling(router.consent_withdrawn, CONSENT, VAULT),
    "correction": handling(router.corrected, CORRECTED, VAULT),
    "by hand": handling(router.assigned, BY_HAND, VAULT),
    "resend": handling(router.again, RESENT),
}


@pytest.mark.parametrize(("one", "other"), [*combinations(DOINGS, 2)])
async def test_nobody_waits_for_somebody_who_waits_for_them(catalogue: Database, one: str, other: str) -> None:
    await derived(catalogue)
    await at_once(catalogue, DOINGS[one], DOINGS[other])


async def test_what_was_read_before_it_was_held_is_read_again(catalogue: Database) -> None:
    await assign(catalogue, assignment("P1"))
    await arrive(catalogue, "1.2.3.2", 2)
    reopened = handling(router.moved, ProjectMoved(project="PROJECT", before="archived", after="production"))
    _, asked = await at_once(catalogue, DOINGS["correction"], reopened)
    assert not [each for each in asked if isinstance(each, TransferRequested)], "of what was just corrected"
