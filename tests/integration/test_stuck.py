"""What waits for longer than it should, by what the tables of either database say."""

from datetime import date, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select, update

from services.monitor.probes import Ground, stuck
from services.monitor.probes.journal import Journal
from services.monitor.readings import Reading
from services.monitor.settings import MonitorSettings
from services.router import handlers as router
from shared.bus.embedded import EmbeddedBus
from shared.database import Database
from shared.events import WithdrawalConfirmed, WithdrawalRequested
from shared.registry.projects import open_for_transfers, takes_studies
from shared.service import Context
from shared.service.health import Health
from shared.settings import Settings
from shared.store import Store
from shared.switches import Switches
from shared.tables import Assignment, Project, Study, Transfer, Withdrawal
from shared.tables.base import now
from tests.integration.test_router import STUDY, assign, assignment
from tests.integration.test_router import catalogue as catalogue
from tests.integration.test_router_corrections import answer, correct, correction

LONG_AGO = now() - timedelta(days=30)
DAY = date(2026, 6, 1)
LIVES: dict[str, dict[str, Any]] = {
    "open": {},
    "development": {"state": "development"},
    "begins today": {"starts_on": DAY, "ends_on": DAY + timedelta(days=1)},
    "archived": {"state": "archived"},
    "paused": {"active": False},
    "begins tomorrow": {"starts_on": DAY + timedelta(days=1)},
    "ends today": {"ends_on": DAY},
}


async def looked(database: Database, store: Store) -> dict[str, Reading]:
    """What the monitor reads, by step; those that say something was found."""
    context = Context(Settings(data=store.root), store, EmbeddedBus(database), Health(), database)
    ground = Ground(context, MonitorSettings(), Switches(store))
    readings = await stuck.look(ground, Journal(store.root / "journal"))
    return {each.subject: each for each in readings if each.state != "ok"}


async def as_it_was(database: Database, table: type[Any], **values: Any) -> None:
    """Set all rows to this."""
    async with database.session() as session:
        await session.execute(update(table).values(**values))


async def test_what_a_policy_has_removed_waits_for_nobody(database: Database, store: Store) -> None:
    old = {"patient": "p", "arrived_at": LONG_AGO}
    async with database.session() as session:
        session.add_all(Study(study_instance_uid=uid, **old) for uid in ("1.1", "1.2"))
        session.add(Study(study_instance_uid="1.3", patient="p", arrived_at=now()))
    found = await looked(database, store)
    assert {step: each.detail for step, each in found.items()} == {"assign": "2 studies wait for an assignment"}
    await as_it_was(database, Study, removed_at=now())
    assert await looked(database, store) == {}
    assert REGISTRY.get_sample_value("fiona_monitor_stuck", {"step": "assign"}) == 0


async def test_a_withdrawal_that_nobody_does_by_hand_is_told_with_what_waits_for_it(
    catalogue: Database, store: Store
) -> None:
    await assign(catalogue, assignment("P1"))
    _, asked = await correct(catalogue, correction())
    assert isinstance(asked, WithdrawalRequested)
    await answer(catalogue, asked, "by_hand")
    assert await looked(catalogue, store) == {}, "a person has a day for it"

    await as_it_was(catalogue, Withdrawal, requested_at=LONG_AGO)
    await as_it_was(catalogue, Assignment, created_at=LONG_AGO)
    found = await looked(catalogue, store)
    assert {step: (each.state, each.detail) for step, each in found.items()} == {
        "request": ("warning", "1 assigned studies wait to be sent"),
        "withdraw": ("warning", "1 withdrawals do not come to their end"),
    }
    await as_it_was(catalogue, Project, active=False)
    assert set(await looked(catalogue, store)) == {"withdraw"}, "what is sent waits on purpose; what has to leave, not"
    await as_it_was(catalogue, Project, active=True)
    async with catalogue.session() as session:
        await router.confirmed(WithdrawalConfirmed(**asked.model_dump()), session)
    assert await looked(catalogue, store) == {}


async def test_a_study_that_was_assigned_and_never_asked_for(catalogue: Database, store: Store) -> None:
    mine = {"study_instance_uid": STUDY, "project": "PROJECT", "participant": "P1", "event": "Unknown"}
    async with catalogue.session() as session:
        session.add(Assignment(id="a1", reason="person", created_at=LONG_AGO, **mine))
    assert await looked(catalogue, store) == {}, "it is still arriving: that is told by its series"
    await as_it_was(catalogue, Study, arrived_at=LONG_AGO)
    assert set(await looked(catalogue, store)) == {"request"}
    await as_it_was(catalogue, Project, active=False)
    assert await looked(catalogue, store) == {}, "the project is paused: it waits on purpose"
    await as_it_was(catalogue, Project, active=True)

    async with catalogue.session() as session:
        session.add(Transfer(id="t1", assignment="a1", reason="person", **mine))
    assert await looked(catalogue, store) == {}
    await as_it_was(catalogue, Transfer, requested_at=LONG_AGO)
    assert set(await looked(catalogue, store)) == {"transfer"}, "what becomes of a transfer is another question"


@pytest.mark.parametrize("life", LIVES)
async def test_a_database_knows_as_well_when_a_project_takes_studies(database: Database, life: str) -> None:
    async with database.session() as session:
        session.add(Project(name="PROJECT", encrypted_key=b"", **LIVES[life]))
    async with database.reading() as session:
        taken = await session.scalar(select(Project).where(takes_studies(DAY)))
        project = await session.get_one(Project, "PROJECT")
    assert (taken is not None) == (open_for_transfers(project, DAY) is None) == (life in list(LIVES)[:3])
