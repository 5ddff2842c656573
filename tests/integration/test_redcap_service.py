"""The service as a process has it: idle without REDCap, taking what waits; stopped by a mapping that is wrong."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select

from services.redcap.mapping import MappingError
from services.redcap.service import service
from shared.bus import Message
from shared.bus.embedded import EmbeddedBus
from shared.database import Database
from shared.events import StudyArrived
from shared.service import run
from shared.settings import Settings
from shared.tables import InboxEntry, RedcapOwed, RedcapTarget


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", drain_seconds=1, log_level="ERROR")


async def test_without_redcap_it_takes_what_waits_and_owes_nothing(settings: Settings) -> None:
    database = Database(settings.database())
    await database.migrate()
    async with database.session() as session:
        session.add(RedcapTarget(project="ABCD-study"))
    await EmbeddedBus(database).publish([Message.of(StudyArrived(study_instance_uid="1.2", series=1, instances=1))])
    stop = asyncio.Event()
    running = asyncio.create_task(run([service], settings, stop, signals=False))
    handled = select(func.count()).select_from(InboxEntry).where(InboxEntry.queue.startswith("redcap."))
    async with asyncio.timeout(120):
        while True:
            async with database.reading() as session:
                configured = await session.scalar(select(RedcapTarget.configured))
                if await session.scalar(handled) and not configured:
                    break
            await asyncio.sleep(0.05)
        stop.set()
        await running
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(RedcapOwed)) == 0
    await database.close()


async def test_a_wrong_mapping_stops_the_start(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mapping.yaml").write_text("incoming: {shoe_size: 44}")
    monkeypatch.setenv("FIONA_REDCAP_URL", "https://redcap.example.org/api/")
    monkeypatch.setenv("FIONA_REDCAP_MAPPING", str(tmp_path / "mapping.yaml"))
    with pytest.raises(MappingError, match=r"incoming\.shoe_size"):
        async with asyncio.timeout(120):
            await run([service], settings, signals=False)
