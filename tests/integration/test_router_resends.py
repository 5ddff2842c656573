"""Once more, on both databases: what is asked for again, and that it is asked for once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from services.router import handlers as router
from services.router import resends
from shared.database import Database
from shared.events import Event, ResendRequested, TransferRequested
from shared.tables import Assignment, Project, Transfer
from shared.tables.base import now
from tests.integration.test_router import STUDY, arrive, assign, assignment
from tests.integration.test_router import catalogue as catalogue


async def resend(database: Database, correction: str = "r1", **scope: Any) -> list[Event]:
    event = ResendRequested(correction=correction, project="PROJECT", after="", **scope)
    async with database.session() as session:
        return await router.again(event, session)


def asked(events: list[Event]) -> list[tuple[str, int, int]]:
    return [(e.series_instance_uid, e.revision, e.instances) for e in events if isinstance(e, TransferRequested)]


async def test_a_study_a_series_or_what_a_transfer_was_asked_for(catalogue: Database) -> None:
    [first] = await assign(catalogue, assignment())
    arrived = await arrive(catalogue, "1.2.3.2", 5)
    async with catalogue.session() as session:
        await router.more(arrived, session)
    every = [("1.2.3.1", 1, 3), ("1.2.3.2", 1, 5)]
    assert asked(await resend(catalogue, study_instance_uid=STUDY)) == every
    assert await resend(catalogue, study_instance_uid=STUDY) == [], "twice is once"
    only_one = {"study_instance_uid": STUDY, "transfer": first.transfer}
    assert asked(await resend(catalogue, "r2", **only_one)) == every[:1]
    assert asked(await resend(catalogue, "r3", study_instance_uid=STUDY, series_instance_uid="1.2.3.2")) == every[1:]
    async with catalogue.reading() as session:
        rows = await session.execute(select(Transfer.reason, Transfer.correction, Transfer.instances))
        assert set(rows.all()) >= {("resend r1", "r1", 8), ("resend r2", "r2", 3), ("resend r3", "r3", 5)}


async def test_all_of_a_project_since_a_day_goes_bit_by_bit(
    catalogue: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resends, "BATCH", 1)
    await assign(catalogue, assignment())
    async with catalogue.session() as session:
        for number, days in ((4, 1), (5, 100)):
            session.add(Assignment(id=f"b{number}", study_instance_uid=f"1.2.{number}", project="PROJECT",
                                   participant="P2", event="e", reason="person"))  # fmt: skip
            await session.flush()
            session.add(Transfer(id=f"u{number}", assignment=f"b{number}", study_instance_uid=f"1.2.{number}",
                                 project="PROJECT", participant="P2", event="e", reason="person",
                                 requested_at=now() - timedelta(days=days)))  # fmt: skip
    since = now() - timedelta(days=10)
    request, rest = await resend(catalogue, since=since)
    assert isinstance(rest, ResendRequested)
    assert (asked([request]), rest.after) == ([("1.2.3.1", 1, 3)], STUDY)
    async with catalogue.session() as session:
        [rest] = await router.again(rest, session)
    assert isinstance(rest, ResendRequested)
    assert rest.after == "1.2.4", "nothing has arrived of it"
    async with catalogue.session() as session:
        assert await router.again(rest, session) == []


async def test_a_closed_project_sends_nothing_again(catalogue: Database) -> None:
    await assign(catalogue, assignment())
    async with catalogue.session() as session:
        (await session.get_one(Project, "PROJECT")).active = False
    assert await resend(catalogue, study_instance_uid=STUDY) == []
