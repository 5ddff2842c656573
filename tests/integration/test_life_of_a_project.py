"""The whole life of a project, from the application to its end, with a clock that is set by hand."""

import json
import zipfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.anonymizer import handlers as anonymizer
from services.anonymizer.workers import Workers
from services.indexer import handlers as indexer
from services.indexer.clock import Clock as IndexerClock
from services.registry import anonymise, held
from services.registry import export as export_of_project
from services.registry import handlers as registry
from services.registry.clock import Clock
from services.registry.gone import KEPT
from services.registry.settings import RegistrySettings
from services.registry.ticks import archive, ask_for_exports, begin, remind
from services.registry.tools import Tools
from services.registry.worker import Worker
from services.router import handlers as router
from services.sender import handlers as sender
from services.sender.destinations import Destinations
from services.sender.settings import SenderSettings
from shared.bus import Message
from shared.crypto import Vault
from shared.database import Database
from shared.events import Event, ParticipantWithdrawn, SeriesArrived, StudyAssigned
from shared.handlers import Handlers
from shared.ledger import add
from shared.registry.participants import withdraw_participant
from shared.store import Store
from shared.tables import (
    Base,
    Instance,
    Mail,
    OutboxEntry,
    Participant,
    Patient,
    PatientIdentity,
    Project,
    Removal,
    Series,
    Study,
    StudyIdentity,
    Transfer,
)
from tests.studies import ACCESSION, PATIENT_ID, PATIENT_NAME, ct_study
from tests.unit.api.support import Api, kind, running

NAME = "ABCD-study"
PERSON = "ABCD-0017"
SECRETS = (PATIENT_ID, PATIENT_NAME, ACCESSION)


class World:
    """All services that take part, without a bus: every event goes to all who listen."""

    def __init__(self, api: Api, workers: Workers) -> None:
        self.api, self.database, self.store = api, api.context.database, api.context.store
        self.vault: Vault = api.context.vault
        self.at = datetime.now(UTC)
        self.clock = Clock(lambda: self.at)
        self.settings = RegistrySettings()
        self.tools = Tools(self.database, self.store, self.vault, self.clock, self.settings, api.context.relay)
        self.worker = Worker(self.tools)
        self.away: dict[Handlers, list[Event]] = {}
        """What waits for services that are down."""
        sending = SenderSettings()
        self.resources: dict[type[Any], Any] = {
            Database: self.database,
            Store: self.store,
            Vault: self.vault,
            Workers: workers,
            SenderSettings: sending,
            Destinations: Destinations(self.database, self.store, sending),
            IndexerClock: IndexerClock(),
        }

    async def tell(self, *events: Event) -> None:
        """These, what is owed, and all that follows."""
        waiting = deque([*await self._owed(), *events])
        while waiting:
            event = waiting.popleft()
            for handlers in (
                router.handlers,
                anonymizer.handlers,
                sender.handlers,
                indexer.handlers,
                registry.handlers,
            ):
                if event.name not in handlers.table:
                    continue
                if handlers in self.away:
                    self.away[handlers].append(event)
                    continue
                handler = handlers.table[event.name]
                more = {name: self.resources[each] for name, each in handler.needs.items() if each in self.resources}
                if not handler.transactional:
                    waiting += await handler.function(event, **more) or ()
                    continue
                async with self.database.session() as session:
                    waiting += await handler.function(event, session=session, **more) or ()

    async def back(self, handlers: Handlers) -> None:
        """A service is up again, and what has waited for it goes on; for the others it comes a second time."""
        await self.tell(*self.away.pop(handlers))

    async def _owed(self) -> list[Event]:
        events = await self.api.owed()
        async with self.database.session() as session:
            await session.execute(delete(OutboxEntry))
        return events

    async def on(self, day: date) -> list[str]:
        """The registry's ticks and works on a day; the names of the events."""
        self.at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        said: list[Event] = []
        for _ in range(2):  # the second round finds nothing to do
            async with self.database.session() as session:
                said += await remind(session, self.vault, self.clock)
            async with self.database.session() as session:
                said += await begin(session, self.clock)
            async with self.database.session() as session:
                said += await archive(session, self.vault, self.clock, self.settings)
            async with self.database.session() as session:
                await ask_for_exports(session, self.clock, self.settings)
        while await self.worker.do_next():
            pass
        async with self.database.session() as session:
            await add(session, [Message.of(event) for event in said])
        names = [event.name for event in await self.api.owed()]
        await self.tell()
        return names

    async def steps(self) -> list[str]:
        answer = await self.api.get(f"/projects/{NAME}/steps")
        return [f"{each['kind']} {each['detail']}".strip() for each in reversed(answer.json()["items"])]

    async def letters(self) -> list[tuple[str, str]]:
        """Subjects and texts of all mails to the PI so far."""
        async with self.database.reading() as session:
            rows = list(await session.scalars(select(Mail).order_by(Mail.created_at, Mail.id)))
        opened = [[self.vault.decrypt(each or b"") for each in (row.recipient, row.subject, row.text)] for row in rows]
        return [(subject, text) for to, subject, text in opened if to == "kari@example.org"]

    async def mails(self) -> list[str]:
        """The subjects of them."""
        return [subject for subject, _ in await self.letters()]

    async def count(self, table: Any, *where: Any) -> int:
        async with self.database.reading() as session:
            return await session.scalar(select(func.count()).select_from(table).where(*where)) or 0

    def sent(self) -> set[Path]:
        return set((self.store / "outbox/here").rglob("*.dcm"))

    async def rows(self, *without: str) -> list[str]:
        """Every row of every table, as text."""
        found = []
        async with self.database.reading() as session:
            for table in Base.metadata.sorted_tables:
                if table.name not in without:
                    found += [f"{table.name}: {tuple(row)}" for row in await session.execute(select(table))]
        return found


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    workers = Workers(count=1, batch=4)
    async with running(database, tmp_path / "store") as api:
        yield World(api, workers)
    workers.close()


async def arrives(world: World, files: list[Path], revision: int = 1) -> SeriesArrived:
    """A series in archive and catalogue, as receiver and indexer leave it."""
    first = dcmread(files[0])
    study, series = first.StudyInstanceUID, first.SeriesInstanceUID
    async with world.database.session() as session:
        if await session.get(Study, study) is None:
            details = json.dumps({"PatientID": PATIENT_ID, "PatientName": PATIENT_NAME})
            sealed = world.vault.encrypt(PATIENT_ID), world.vault.encrypt(PATIENT_NAME)
            await session.merge(Patient(id="p"))
            await session.merge(PatientIdentity(id="p", patient_id=sealed[0], patient_name=sealed[1]))
            session.add(Study(study_instance_uid=study, patient="p", study_date="20260105", study_time="101500"))
            accession = world.vault.encrypt(ACCESSION)
            session.add(
                StudyIdentity(
                    study_instance_uid=study, accession_number=accession, details=world.vault.encrypt(details)
                )
            )
            world.store.link(f"participants/{PATIENT_ID}/20260105_101500", f"raw/{study}")
            await session.flush()
        session.add(Series(series_instance_uid=series, study_instance_uid=study, revision=revision))
        await session.flush()
        for path in files:
            dataset = dcmread(path)
            place = Store.instance(study, dataset.SOPInstanceUID)
            world.store.write(place, path.read_bytes())
            world.store.link(f"{Store.raw_series(study, series)}/{dataset.SOPInstanceUID}", place)
            session.add(
                Instance(
                    sop_instance_uid=dataset.SOPInstanceUID, series_instance_uid=series, study_instance_uid=study,
                    sop_class_uid=dataset.SOPClassUID, transfer_syntax_uid=dataset.file_meta.TransferSyntaxUID,
                    path=place, size=path.stat().st_size, association="a", revision=revision,
                )
            )  # fmt: skip
    return SeriesArrived(
        study_instance_uid=study, series_instance_uid=series, revision=revision, instances=len(files), total=len(files)
    )


async def begun(world: World, provision: str) -> None:
    """An application that was approved and went to production."""
    contract = (await world.api.get("/contract")).json()
    await world.api.post("/destinations", {"name": "here", "kind": "folder"})
    applied = await world.api.post(
        "/applications",
        {
            "project": NAME, "agreed": contract["version"], "organisation": "Example Hospital", "pi_name": "Kari Olsen",
            "pi_mail": "kari@example.org", "approval": "2026/1234", "starts_on": "2026-01-01", "ends_on": "2031-06-30",
            "participant_pattern": r"ABCD-\d{4}", "end_provision": provision, "profile": "basic",
        },
    )  # fmt: skip
    assert applied.status_code == 201, applied.text
    path = f"/applications/{applied.json()['id']}/approve"
    assert (await world.api.post(path, {"destinations": ["here"]})).status_code == 200
    assert (await world.api.post(f"/projects/{NAME}/produce", if_match="*")).status_code == 200


async def extended(world: World, ends_on: str) -> None:
    answer = await world.api.post(f"/projects/{NAME}/extend", {"ends_on": ends_on}, if_match="*")
    assert answer.status_code == 200, answer.text


async def exported(world: World) -> dict[str, Any]:
    items = (await world.api.get(f"/projects/{NAME}/exports")).json()["items"]
    item: dict[str, Any] = items[0]
    return item


def check_bundle(path: Path, images: int, study: str) -> None:
    """It is whole, says what it holds, and names neither the patient nor the source."""
    with zipfile.ZipFile(path) as bundle:
        names = set(bundle.namelist())
        manifest = json.loads(bundle.read("manifest.json"))
        for each in manifest["files"]:
            content = bundle.read(each["path"])
            assert (len(content), sha256(content).hexdigest()) == (each["size"], each["sha256"])
            assert not any(secret.encode() in content for secret in (*SECRETS, study))
        assert names == {each["path"] for each in manifest["files"]} | {"manifest.json", "SHA256SUMS"}
        assert manifest["instances"] == images
        assert sum(name.startswith(f"images/{PERSON}/baseline/") for name in names) == images
        assert bundle.read("participants.csv").decode().splitlines()[1].startswith(f"{PERSON},")
        assert {"events.csv", "transfers.csv", "project.json"} <= names


@pytest.mark.parametrize(
    ("database", "provision"),
    [("sqlite", "delete"), ("sqlite", "anonymise"), ("postgresql", "anonymise")],
    indirect=["database"],
)
async def test_the_whole_life(world: World, tmp_path: Path, provision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await begun(world, provision)
    source = ct_study(tmp_path / "source", series=3)
    study = source.study_instance_uid
    early, late, later = (source.files[start : start + 3] for start in (0, 3, 6))
    await arrives(world, early)
    await world.tell(
        StudyAssigned(assignment="a", study_instance_uid=study, project=NAME, participant=PERSON, event="baseline")
    )
    assert len(world.sent()) == 3

    # Reminders: once each, the last one of those that were missed, and anew when the end is another.
    assert await world.on(date(2030, 12, 29)) == []
    assert await world.on(date(2030, 12, 30)) == ["project.reminded.v1"]
    assert await world.on(date(2030, 12, 31)) == []
    assert await world.on(date(2031, 6, 2)) == ["project.reminded.v1"]
    await extended(world, "2031-12-31")
    assert await world.on(date(2031, 7, 1)) == ["project.reminded.v1"]
    reminded = [step for step in await world.steps() if step.startswith("reminded")]
    assert [step.split(":")[0] for step in reminded] == [
        "reminded 6 months before 2031-06-30",
        "reminded 1 months before 2031-06-30",
        "reminded 6 months before 2031-12-31",
    ]

    # The archive: what arrives waits, and goes when the approval is extended after all.
    assert await world.on(date(2031, 12, 31)) == ["project.moved.v1"]
    await world.tell(await arrives(world, late))
    assert len(world.sent()) == 3
    await extended(world, "2032-01-31")
    await world.tell()
    assert len(world.sent()) == 6
    assert await world.on(date(2032, 1, 31)) == ["project.moved.v1"], "no reminder on the last day"
    await world.tell(await arrives(world, later))
    assert len(world.sent()) == 6

    # A year later: the export, and then nothing until it is confirmed.
    assert await world.on(date(2033, 1, 29)) == []
    assert await world.on(date(2033, 1, 30)) == ["project.exported.v1"]
    assert await world.on(date(2035, 1, 1)) == []
    export = await exported(world)
    assert (export["state"], export["final"], export["instances"], export["missing"]) == ("ready", True, 6, 0)
    path = world.store / Store.export(NAME, export["id"])
    check_bundle(path, 6, study)
    assert (await world.mails())[-1] == f"{NAME}: the data can be downloaded"
    before = {dataset.SOPInstanceUID: dataset for dataset in map(dcmread, world.sent())}
    confirm = f"/projects/{NAME}/exports/{export['id']}/confirm"
    assert kind(await world.api.post(confirm, {"sha256": "0" * 64})) == "other-file"
    answer = await world.api.post(confirm, {"sha256": sha256(path.read_bytes()).hexdigest()})
    assert answer.json()["state"] == "confirmed", answer.text

    # The end, with a crash in the midst of it.
    def breaks(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(anonymise, "_successor", breaks)
        broken.setattr("services.registry.delete.forget_project", breaks)
        for day in (2, 3):  # a deletion waits for the destinations first
            assert "project.moved.v1" not in await world.on(date(2035, 1, day))
    works = (await world.api.get(f"/projects/{NAME}/steps")).json()["work"]
    [work] = [each for each in works if each["kind"] == provision]
    assert (work["state"], work["error"]) == ("waiting", "the disk is full")
    names = [name for day in (5, 6, 7) for name in await world.on(date(2035, 1, day))]
    assert names[-1] == "project.moved.v1"
    await check_nothing_is_left(world, study)
    project = (await world.api.get(f"/projects/{NAME}")).json()
    assert (project["state"], project["participants"], project["studies"]) == ("deleted", 0, 0)
    leftovers = (await world.api.get(f"/projects/{NAME}/leftovers")).json()["items"]
    assert leftovers == [], "the destination could delete"
    new = list(map(dcmread, world.sent()))
    assert not {dataset.SOPInstanceUID for dataset in new} & set(before)
    if provision == "delete":
        assert new == []
        assert await world.count(Transfer) == await world.count(Participant) == 0
    else:
        await check_anonymous(world, before, new)
    assert (await world.mails())[-1] == f"{NAME} is deleted"


async def check_nothing_is_left(world: World, study: str) -> None:
    """Neither of the source nor of the old pseudonym, in no table and no folder of the gateway."""
    for row in await world.rows("outbox"):
        assert study not in row
        assert PERSON not in row
        assert row.partition(":")[0] in {*KEPT, *ALIVE} or NAME not in row, row
    for folder in ("archive", "raw", "participants", "review", "exports"):
        assert [path for path in (world.store / folder).rglob("*") if not path.is_dir()] == []
    assert not list((world.store / "participants").glob("*")), "the folder is called after the patient"
    assert not list((world.store / "archive").glob("*"))
    async with world.database.reading() as session:
        project = await session.get_one(Project, NAME)
    assert world.vault.decrypt_bytes(project.encrypted_key) == b""
    assert await world.count(Patient) == await world.count(PatientIdentity) == await world.count(StudyIdentity) == 0


ALIVE = ("projects", "assignments", "transfers", "participants", "mails", "kept_attributes", "inbox")
"""The tables in which the anonymous project stands, whose name begins as that of the old one."""


async def check_anonymous(world: World, before: dict[str, Any], new: list[Any]) -> None:
    """As many images in a project of its own, and nothing in them that leads back."""
    successor = f"{NAME}-anon"
    assert len(new) == len(before) == 6
    project = (await world.api.get(f"/projects/{successor}")).json()
    assert (project["state"], project["end_provision"], project["participants"], project["transfers"]) == (
        "archived", "keep", 1, {"completed": 1},
    )  # fmt: skip
    old = {str(getattr(each, name)) for each in before.values() for name in ("StudyInstanceUID", "SeriesInstanceUID")}
    old |= {*before, PERSON, *(str(each.FrameOfReferenceUID) for each in before.values())}
    for dataset in new:
        assert (dataset.PatientID, dataset.InstitutionName) == ("ANON0001", successor)
        assert not getattr(dataset, "StudyDate", "") or dataset.StudyDate not in {
            each.StudyDate for each in before.values()
        }
        said = str(dataset)
        assert not any(value in said for value in old)
    assert {bytes(each.PixelData) for each in new} == {bytes(each.PixelData) for each in before.values()}
    rows = await world.rows("outbox", "project_leftovers", "sent_instances", "deliveries", "inbox")
    for row in rows:
        assert not any(value in row for value in old - {PERSON}), row
    async with world.database.reading() as session:
        transfer = await session.scalar(select(Transfer).where(Transfer.project == successor))
    assert transfer is not None
    assert transfer.study_instance_uid == new[0].StudyInstanceUID
    assert await world.on(date(2060, 1, 1)) == [], "it is kept"


async def test_a_project_whose_approval_begins_says_so_once(world: World) -> None:
    await world.api.post("/destinations", {"name": "here", "kind": "folder"})
    day = date(2040, 3, 1)
    for name, starts_on in (("EARLY", "2020-01-01"), ("LATE-study", str(day))):
        answer = await world.api.post("/projects", {"name": name, "destinations": ["here"], "starts_on": starts_on})
        assert answer.status_code == 201, answer.text
    await world.tell()
    assert await world.on(day - timedelta(days=1)) == []
    assert await world.on(day) == ["project.moved.v1"]
    assert await world.on(day + timedelta(days=1)) == []


async def withdrawn(world: World) -> dict[str, Any]:
    """Consent is withdrawn, and all that follows; what the registry has answered."""
    path = f"/projects/{NAME}/participants/{PERSON}/withdrawal"
    answer = await world.api.post(path, {"reason": "asked for by letter"})
    assert answer.status_code == 202, answer.text
    await world.tell()
    found = (await world.api.get(f"/withdrawals/{answer.json()['id']}")).json()
    assert found["state"] == "done"
    [removal] = [each for each in found["removals"] if each["service"] == "registry"]
    return dict(removal["removed"])


async def sent(world: World, folder: Path) -> None:
    """A study of PERSON that the project has."""
    await begun(world, "delete")
    await one_more(world, folder)


async def one_more(world: World, folder: Path, assignment: str = "a", participant: str = PERSON) -> None:
    study = ct_study(folder)
    await arrives(world, study.files)
    said = StudyAssigned(
        assignment=assignment, study_instance_uid=study.study_instance_uid, project=NAME, participant=participant,
        event="e",
    )  # fmt: skip
    await world.tell(said)


async def test_no_export_holds_whoever_has_withdrawn_consent(world: World, tmp_path: Path) -> None:
    await sent(world, tmp_path / "source")
    for _ in range(2):
        assert (await world.api.post(f"/projects/{NAME}/exports")).status_code == 202
        assert await world.on(date(2030, 1, 1)) == ["project.exported.v1"]
    export = await exported(world)
    path = f"/projects/{NAME}/exports/{export['id']}/confirm"
    assert (await world.api.post(path, {"sha256": export["sha256"]})).json()["state"] == "confirmed"
    assert await world.on(date(2031, 6, 30)) == ["project.moved.v1"]
    assert await world.on(date(2032, 6, 29)) == ["project.exported.v1"], "the last one"
    files = list((world.store / f"exports/{NAME}").iterdir())
    assert len(files) == 3

    assert await withdrawn(world) == {"exports": 3}
    items = (await world.api.get(f"/projects/{NAME}/exports")).json()["items"]
    assert [each["state"] for each in items] == ["gone"] * 3
    assert not any(file.exists() for file in files)
    assert "export-gone somebody in it has withdrawn consent" in await world.steps()

    assert await world.on(date(2032, 6, 30)) == ["project.exported.v1"], "the last one, anew"
    export = await exported(world)
    assert (export["state"], export["final"], export["instances"], export["missing"]) == ("ready", True, 0, 0)
    with zipfile.ZipFile(world.store / Store.export(NAME, export["id"])) as bundle:
        assert not any(PERSON.encode() in bundle.read(name) for name in bundle.namelist())

    path = f"/projects/{NAME}/exports/{export['id']}/confirm"
    assert (await world.api.post(path, {"sha256": export["sha256"]})).status_code == 200
    names = [name for day in (1, 2, 3) for name in await world.on(date(2032, 7, day))]
    assert names[-1] == "project.moved.v1"
    assert (await world.api.get(f"/projects/{NAME}")).json()["state"] == "deleted"
    assert await world.count(Removal) == 0


async def test_an_export_of_whoever_withdraws_consent_is_withheld_before_any_destination_answers(
    world: World, tmp_path: Path
) -> None:
    await sent(world, tmp_path / "source")
    assert (await world.api.post(f"/projects/{NAME}/exports")).status_code == 202
    assert await world.on(date(2030, 1, 1)) == ["project.exported.v1"]
    export = await exported(world)
    file = f"/projects/{NAME}/exports/{export['id']}/file"
    assert (await world.api.get(file)).status_code == 200

    event = ParticipantWithdrawn(withdrawal="w", project=NAME, participant=PERSON)
    for _ in range(2):
        await registry.consent_withdrawn(event, world.database, world.store, world.vault)
    refused = await world.api.get(file)
    assert (refused.status_code, refused.json()["detail"]) == (409, "it is gone: somebody in it has withdrawn consent")
    assert (world.store / Store.export(NAME, export["id"])).exists(), "it goes with the rest"


async def test_an_export_counts_an_instance_once_and_leaves_out_what_was_taken_back(
    world: World, tmp_path: Path
) -> None:
    await sent(world, tmp_path / "source")
    for _ in range(2):
        async with world.database.reading() as session:
            study = await session.scalar(select(Transfer.study_instance_uid))
        again = {"project": NAME, "study": study, "reason": "the research PACS has lost it"}
        assert (await world.api.post("/resends", again)).status_code == 202
        await world.tell()
    async with world.database.reading() as session:
        first, *later = await session.scalars(select(Transfer).order_by(Transfer.requested_at))
    for file in (world.store / f"anonymized/{first.id}").rglob("*.dcm"):
        file.unlink()
    assert (await world.api.post(f"/projects/{NAME}/exports")).status_code == 202
    assert await world.on(date(2030, 1, 1)) == ["project.exported.v1"]
    export = await exported(world)
    assert (export["instances"], export["missing"]) == (3, 0), "those of the first transfer are held by the later ones"

    async with world.database.session() as session:  # its destination has not answered yet
        for each in (first, *later):
            (await session.get_one(Transfer, each.id)).state = "cancelled"
    assert (await world.api.post(f"/projects/{NAME}/exports")).status_code == 202
    assert await world.on(date(2030, 1, 2)) == ["project.exported.v1"]
    export = await exported(world)
    assert (export["instances"], export["missing"]) == (0, 0), "it does not belong there"


@pytest.mark.parametrize("provision", ["delete", "anonymise"])
async def test_nothing_goes_of_which_nobody_knew_that_it_was_missing(
    world: World, tmp_path: Path, provision: str
) -> None:
    """The janitor has cleared de-identified files while the project was going on."""
    await begun(world, provision)
    await one_more(world, tmp_path / "source")
    [*_, cleared] = sorted((world.store / "anonymized").rglob("*.dcm"))
    cleared.unlink()
    assert await world.on(date(2031, 6, 30)) == ["project.moved.v1"]
    assert await world.on(date(2032, 6, 29)) == ["project.exported.v1"]
    export = await exported(world)
    assert (export["final"], export["instances"], export["missing"]) == (True, 2, 1)
    subject, text = (await world.letters())[-1]
    assert subject == f"{NAME}: the data can be downloaded"
    assert "not in it: 1 of the images that were de-identified" in text
    assert f"`fiona project confirm {NAME} {export['id']} FILE --missing 1`" in text

    path = f"/projects/{NAME}/exports/{export['id']}/confirm"
    assert kind(await world.api.post(path, {"sha256": export["sha256"]})) == "instances-missing"
    assert await world.on(date(2032, 7, 1)) == []
    assert len(world.sent()) == 3, "nothing has left the destination"
    answer = await world.api.post(path, {"sha256": export["sha256"], "missing": 1})
    assert answer.json()["state"] == "confirmed", answer.text
    assert f"confirmed {export['id']}, 1 instances missing in it" in await world.steps()
    names = [name for day in (2, 3, 4) for name in await world.on(date(2032, 7, day))]
    assert names[-1] == "project.moved.v1"
    if provision == "anonymise":
        assert f"anonymised as {NAME}-anon: 2 instances, 0 left behind, 1 held no more" in await world.steps()


PUT_RIGHT: Mapping[str, tuple[str, dict[str, str], str]] = {
    "correction": (
        "correction",
        {"project": NAME, "participant": "ABCD-0018", "event": "e"},
        "a study in it was assigned wrongly, and was corrected",
    ),
    "cancel": ("cancel", {}, "a study in it was cancelled"),
}


@pytest.mark.parametrize("case", PUT_RIGHT)
async def test_no_export_holds_a_study_that_was_wrong(world: World, tmp_path: Path, case: str) -> None:
    verb, to, why = PUT_RIGHT[case]
    await sent(world, tmp_path / "source")
    asked = f"/projects/{NAME}/exports"
    assert (await world.api.post(asked)).status_code == 202
    assert await world.on(date(2030, 1, 1)) == ["project.exported.v1"]
    await one_more(world, tmp_path / "other", "b", "ABCD-0020")
    assert (await world.api.post(asked)).status_code == 202
    assert await world.on(date(2030, 1, 2)) == ["project.exported.v1"]
    export, before = (await world.api.get(asked)).json()["items"]
    assert (export["instances"], export["why"]) == (2 * before["instances"], None)

    # The destination is away, and it may be for weeks: the export is gone at once.
    world.away[sender.handlers] = []
    answer = await world.api.post("/assignments/b/" + verb, {**to, "reason": "mixed up"})
    assert answer.status_code == 202, answer.text
    await world.tell()
    path = f"{asked}/{export['id']}"
    shown = (await world.api.get(path)).json()
    assert (shown["state"], shown["why"]) == ("gone", why)
    assert not (world.store / Store.export(NAME, export["id"])).exists()
    assert (await world.api.get(asked)).json()["items"][0]["why"] == why
    refused = await world.api.get(f"{path}/file")
    assert (kind(refused), refused.json()["detail"]) == ("export-not-there", f"it is gone: {why}")
    refused = await world.api.post(f"{path}/confirm", {"sha256": export["sha256"]})
    assert (kind(refused), refused.json()["detail"]) == ("export-not-there", f"it is gone: {why}")
    assert (await world.steps())[-1] == f"export-gone {why}"
    told = [subject for subject in await world.mails() if "delete your copies" in subject]
    assert told == [f"{NAME}: please delete your copies of exports"]
    assert (await world.api.get(f"{asked}/{before['id']}/file")).status_code == 200, "it never had the study"

    assert (await world.api.post(asked)).status_code == 202
    assert await world.on(date(2030, 1, 3)) == ["project.exported.v1"]
    assert (await exported(world))["instances"] == before["instances"], "what is to leave is in none"
    await world.back(sender.handlers)
    assert (await world.api.post(asked)).status_code == 202
    assert await world.on(date(2030, 1, 4)) == ["project.exported.v1"]
    export = await exported(world)
    assert export["instances"] == (2 if to else 1) * before["instances"]
    with zipfile.ZipFile(world.store / Store.export(NAME, export["id"])) as bundle:
        people = {name.split("/")[1] for name in bundle.namelist() if name.startswith("images/")}
    assert people == ({PERSON, "ABCD-0018"} if to else {PERSON})
    assert len([subject for subject in await world.mails() if "delete your copies" in subject]) == 1, "twice is once"


async def test_the_last_export_is_made_anew_without_a_study_that_was_wrong(world: World, tmp_path: Path) -> None:
    await sent(world, tmp_path / "source")
    assert await world.on(date(2031, 6, 30)) == ["project.moved.v1"]
    assert await world.on(date(2032, 6, 29)) == ["project.exported.v1"]
    first = await exported(world)
    assert first["instances"] > 0
    assert (await world.api.post("/assignments/a/cancel", {"reason": "of somebody else"})).status_code == 202
    await world.tell()
    assert await world.on(date(2032, 6, 30)) == ["project.exported.v1"]
    export = await exported(world)
    assert (export["final"], export["state"], export["instances"]) == (True, "ready", 0)
    assert export["id"] != first["id"]


async def consent_ends(session: AsyncSession) -> None:
    await withdraw_participant(session, NAME, PERSON)


async def study_is_corrected(session: AsyncSession) -> None:
    await session.execute(update(Transfer).values(state="cancelled"))


@pytest.mark.parametrize("happens", [consent_ends, study_is_corrected])
async def test_an_export_in_the_making_is_made_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[AsyncSession], Awaitable[None]]
) -> None:
    await sent(world, tmp_path / "source")
    assert (await world.api.post(f"/projects/{NAME}/exports")).status_code == 202

    async def meanwhile(session: AsyncSession, project: str) -> list[held.Made]:
        parts = await held.made(session, project)
        async with world.database.session() as other:
            await happens(other)
        return parts

    with monkeypatch.context() as patch:
        patch.setattr(export_of_project, "made", meanwhile)
        assert await world.on(date(2030, 1, 1)) == []
    assert (await exported(world))["state"] == "asked"
    assert await world.on(date(2030, 1, 2)) == ["project.exported.v1"]
    assert (await exported(world))["instances"] == 0
