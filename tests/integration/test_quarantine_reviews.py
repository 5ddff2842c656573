"""Router, anonymizer and sender together: what a reviewer releases, repeats and drops, for two projects at once."""

from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from sqlalchemy import select

from deidentification.profiles import BUILT_IN, write_profile
from deidentification.profiles.model import Selector
from services.anonymizer import handlers as anonymizer
from services.anonymizer.workers import Workers
from services.router import handlers as router
from services.sender import handlers as sender
from services.sender.destinations import Destinations
from services.sender.settings import SenderSettings
from shared.crypto import Vault
from shared.database import Database
from shared.events import Event, QuarantineReviewed, StudyAssigned
from shared.handlers import Handlers
from shared.store import Store
from shared.tables import (
    Destination,
    Instance,
    KeptAttribute,
    Project,
    ProjectProfile,
    QuarantinedInstance,
    QuarantineReview,
    ReviewedInstance,
    Series,
    Study,
    Transfer,
)
from tests.studies import ct_study

VAULT = Vault(b"k" * 32)
BURNED = 2
"""Of three instances of each of the two series, so many say that they have text in their pixels."""


class Gateway:
    """The three services without a bus: every event to all who listen, each of them twice."""

    def __init__(self, database: Database, store: Store, workers: Workers) -> None:
        self.database, self.store, self.workers = database, store, workers
        settings = SenderSettings()
        self.resources: dict[type[Any], Any] = {
            Database: database,
            Store: store,
            Vault: VAULT,
            Workers: workers,
            SenderSettings: settings,
            Destinations: Destinations(database, store, settings),
        }

    async def tell(self, *events: Event) -> None:
        """These, and all that follows from them."""
        waiting = deque(events)
        while waiting:
            event = waiting.popleft()
            for handlers in (router.handlers, anonymizer.handlers, sender.handlers):
                if event.name in handlers.table:
                    first = await self._handle(handlers, event)
                    again = await self._handle(handlers, event)
                    waiting += first
                    assert {each.key() for each in again} <= {each.key() for each in first}

    async def _handle(self, handlers: Handlers, event: Event) -> list[Event]:
        handler = handlers.table[event.name]
        needs = {name: kind for name, kind in handler.needs.items() if kind in self.resources}
        more = {name: self.resources[kind] for name, kind in needs.items()}
        if not handler.transactional:
            return list(await handler.function(event, **more) or ())
        async with self.database.session() as session:
            return list(await handler.function(event, session=session, **more) or ())

    async def assign(self, study: str, project: str) -> Transfer:
        await self.tell(
            StudyAssigned(assignment=f"of {project}", study_instance_uid=study, project=project, participant="P001")
        )
        (transfer,) = await self.transfers(project)
        return transfer

    async def review(self, review: str, transfer: Transfer, decision: Any, *instances: QuarantinedInstance) -> None:
        """As the api commits it."""
        async with self.database.session() as session:
            session.add(
                QuarantineReview(
                    id=review,
                    transfer=transfer.id,
                    project=transfer.project,
                    decision=decision,
                    reason=VAULT.encrypt("seen"),
                    reviewer="R",
                )
            )
            for each in instances:
                fields = ("transfer", "sop_instance_uid", "series_instance_uid", "revision", "rule")
                session.add(ReviewedInstance(review=review, **{name: getattr(each, name) for name in fields}))
        await self.tell(
            QuarantineReviewed(review=review, transfer=transfer.id, decision=decision, instances=len(instances))
        )

    async def transfers(self, project: str) -> list[Transfer]:
        async with self.database.reading() as session:
            wanted = select(Transfer).where(Transfer.project == project).order_by(Transfer.requested_at)
            return list(await session.scalars(wanted))

    async def transfer(self, identity: str) -> Transfer:
        async with self.database.reading() as session:
            return await session.get_one(Transfer, identity)

    async def quarantine(self, transfer: Transfer) -> list[QuarantinedInstance]:
        async with self.database.reading() as session:
            wanted = select(QuarantinedInstance).where(QuarantinedInstance.transfer == transfer.id)
            return list(await session.scalars(wanted.order_by(QuarantinedInstance.sop_instance_uid)))

    async def modalities(self, project: str) -> int:
        """How many instances were counted, by their Modality."""
        async with self.database.reading() as session:
            wanted = (KeptAttribute.project == project, KeptAttribute.path == "(0008,0060)")
            return sum(await session.scalars(select(KeptAttribute.count).where(*wanted)))

    def received(self, project: str) -> set[Path]:
        return set((self.store / f"outbox/{project}").rglob("*.dcm"))


@pytest.fixture
async def gateway(database: Database, store: Store) -> AsyncIterator[Gateway]:
    workers = Workers(count=1, batch=4)
    yield Gateway(database, store, workers)
    workers.close()


@pytest.fixture
async def study(gateway: Gateway, tmp_path: Path) -> str:
    """Two series of three instances in archive and catalogue, and two projects with a folder each."""
    files = ct_study(tmp_path / "source", series=2)
    async with gateway.database.session() as session:
        for name in ("PROJECT", "SECOND"):
            session.add(Project(name=name, encrypted_key=VAULT.encrypt(name[:4] * 8), destinations=[name]))
            session.add(Destination(name=name, kind="folder", config={}))
        session.add(Study(study_instance_uid=files.study_instance_uid, patient="p"))
        await session.flush()
        for path in files.files:
            dataset = dcmread(path)
            if dataset.InstanceNumber <= BURNED:
                dataset.BurnedInAnnotation = "YES"
                dataset.save_as(path)
            place = Store.instance(dataset.StudyInstanceUID, dataset.SOPInstanceUID)
            gateway.store.write(place, path.read_bytes())
            if await session.get(Series, dataset.SeriesInstanceUID) is None:
                session.add(
                    Series(series_instance_uid=dataset.SeriesInstanceUID, study_instance_uid=dataset.StudyInstanceUID)
                )
                await session.flush()
            session.add(
                Instance(
                    sop_instance_uid=dataset.SOPInstanceUID,
                    series_instance_uid=dataset.SeriesInstanceUID,
                    study_instance_uid=dataset.StudyInstanceUID,
                    sop_class_uid=dataset.SOPClassUID,
                    transfer_syntax_uid=dataset.file_meta.TransferSyntaxUID,
                    path=place,
                    size=path.stat().st_size,
                    association="a",
                    revision=1,
                )
            )
    return files.study_instance_uid


async def test_released_dropped_and_another_project_alone(gateway: Gateway, study: str) -> None:
    old, other = await gateway.assign(study, "PROJECT"), await gateway.assign(study, "SECOND")
    assert (old.state, old.error) == ("quarantined", "4 in quarantine")
    assert len(gateway.received("PROJECT")) == len(gateway.received("SECOND")) == 2
    stopped = await gateway.quarantine(old)
    assert {each.rule for each in stopped} == {"burned-in"}
    await gateway.review("r1", old, "release", *stopped[:3])
    assert len(gateway.received("PROJECT")) == 5
    await gateway.review("r2", old, "drop", stopped[3])
    first, new = await gateway.transfers("PROJECT")
    assert (first.state, first.error) == ("completed", "4 reviewed in quarantine: 3 released, 1 dropped")
    assert (new.state, new.review, new.instances, new.error) == ("completed", "r1", 3, None)
    assert await gateway.modalities("PROJECT") == 5
    assert (await gateway.transfer(other.id)).state == "quarantined"
    assert len(gateway.received("SECOND")) == await gateway.modalities("SECOND") == 2
    assert {path.name for path in gateway.received("PROJECT")}.isdisjoint(
        path.name for path in gateway.received("SECOND")
    )


async def test_repeated_in_vain_and_then_by_another_profile(gateway: Gateway, study: str) -> None:
    old = await gateway.assign(study, "PROJECT")
    await gateway.review("r1", old, "repeat", *await gateway.quarantine(old))
    again = (await gateway.transfers("PROJECT"))[1]
    assert (again.state, again.error) == ("quarantined", "4 in quarantine")
    basic = BUILT_IN["basic"]
    lenient = basic.model_copy(
        update={"name": "lenient", "pixels": basic.pixels.model_copy(update={"suspects_pass": True})}
    )
    async with gateway.database.session() as session:
        session.add(
            ProjectProfile(project="PROJECT", version=1, name="lenient", content=write_profile(lenient), digest="")
        )
    await gateway.review("r2", again, "repeat", *await gateway.quarantine(again))
    last = (await gateway.transfers("PROJECT"))[2]
    assert (last.state, last.profile, last.profile_version) == ("completed", "lenient", "1")
    assert last.profile_digest != again.profile_digest
    assert [each.state for each in await gateway.transfers("PROJECT")] == ["completed"] * 3
    assert len(gateway.received("PROJECT")) == 6


async def test_a_series_that_the_profile_leaves_out(gateway: Gateway, study: str) -> None:
    profile = BUILT_IN["basic"].model_copy(update={"name": "one", "drop": (Selector(series_description="axial 1"),)})
    async with gateway.database.session() as session:
        session.add(ProjectProfile(project="PROJECT", version=1, name="one", content=write_profile(profile), digest=""))
    transfer = await gateway.assign(study, "PROJECT")
    assert (transfer.state, transfer.error, transfer.left_out) == ("quarantined", "2 in quarantine", 3)
    await gateway.review("r1", transfer, "drop", *await gateway.quarantine(transfer))
    ended = await gateway.transfer(transfer.id)
    assert (ended.state, ended.instances, ended.left_out) == ("completed", 6, 3)
    assert len(gateway.received("PROJECT")) == 1
