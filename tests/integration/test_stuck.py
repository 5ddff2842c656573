"""What waits for longer than it should, by what the tables of either database say."""

from datetime import timedelta
from typing import Any

from prometheus_client import REGISTRY
from sqlalchemy import update

from services.monitor.probes import Ground, stuck
from services.monitor.probes.journal import Journal
from services.monitor.readings import Reading
from services.monitor.settings import MonitorSettings
from shared.bus.embedded import EmbeddedBus
from shared.database import Database
from shared.service import Context
from shared.service.health import Health
from shared.settings import Settings
from shared.store import Store
from shared.switches import Switches
from shared.tables import Study
from shared.tables.base import now

LONG_AGO = now() - timedelta(days=30)


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
