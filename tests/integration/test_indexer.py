"""The indexer on both databases: the same catalogue however events come, and arrivals that are right."""

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import config
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase

from services.indexer.classification.rules import load
from services.indexer.clock import Clock
from services.indexer.handlers import close, index
from services.indexer.headers.image import Reader
from services.indexer.settings import IndexerSettings
from services.indexer.ticks import arrive
from shared.crypto import Vault
from shared.database import Database
from shared.events import (
    AssociationClosed,
    Event,
    InstancesReceived,
    ReceivedInstance,
    SeriesArrived,
    StudyArrived,
)
from shared.handlers import Reject, Retry
from shared.store import Store
from shared.tables import (
    Association,
    AssociationInstance,
    Instance,
    InstanceConflict,
    Patient,
    PatientIdentity,
    Series,
    Study,
    StudyIdentity,
)
from shared.tables.base import now
from tests.unit.indexer.samples import PYDICOM, dataset, write

STUDY, SERIES = "1.2.3", "1.2.3.4"


@dataclass
class Indexer:
    """One replica, with a time of its own."""

    database: Database
    store: Store
    reader: Reader
    vault: Vault = field(default_factory=lambda: Vault(b"k" * 32))
    settings: IndexerSettings = field(default_factory=IndexerSettings)
    clock: Clock = field(default_factory=Clock)

    def later(self, seconds: float) -> "Indexer":
        """The same, some time from now."""
        time, since = self.clock.now() + timedelta(seconds=seconds), self.clock.listening_since
        return replace(self, clock=Clock(lambda: time, lambda: time - since))

    async def index(self, event: InstancesReceived) -> list[InstancesReceived]:
        said = await index(event, self.database, self.store, self.vault, self.reader, self.clock)
        return [each for each in said if isinstance(each, InstancesReceived)]

    async def close(self, association: str, instances: int) -> None:
        async with self.database.session() as session:
            await close(AssociationClosed(association=association, instances=instances), session, self.clock)

    async def tick(self) -> list[Event]:
        async with self.database.session() as session:
            return list(await arrive(session, self.settings, self.clock, self.store))

    async def rows(self, table: type[DeclarativeBase]) -> Sequence[Any]:
        async with self.database.reading() as session:
            return (await session.execute(select(table))).scalars().all()

    async def series(self, uid: str = SERIES) -> Series:
        async with self.database.reading() as session:
            return await session.get_one(Series, uid)

    async def study(self, uid: str = STUDY) -> Study:
        async with self.database.reading() as session:
            return await session.get_one(Study, uid)

    def json(self, study: str = STUDY, series: str = SERIES) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.store / f"raw/{study}/{series}.json").read_bytes())
        return content


@pytest.fixture
async def indexer(database: Database, store: Store) -> AsyncIterator[Indexer]:
    """A replica of the indexer."""
    with ThreadPoolExecutor(2) as executor:
        start = now()
        clock = Clock(lambda: start, lambda: timedelta(days=1))
        yield Indexer(database, store, Reader(store, load(), executor, 2), clock=clock)


def make(store: Store, number: int, study: str = STUDY, series: str = SERIES, **attributes: object) -> ReceivedInstance:
    """An instance in the archive, as the receiver leaves it."""
    sop = f"{series}.{number}"
    given = {
        "PatientID": "P1",
        "PatientName": "Ærlig^Åse",
        "AccessionNumber": "ACC",
        "StudyDate": "20240131",
        "StudyTime": "101500",
        "SliceLocation": str(-number),
        "InstanceNumber": number,
    }
    uids = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": sop}
    with config.disable_value_validation():
        made = dataset(**given | uids | attributes)
    return keep(store, made, store.instance(study, sop))


def keep(store: Store, made: Any, path: str, **more: Any) -> ReceivedInstance:
    """Write a dataset into the store."""
    target = store / path
    target.parent.mkdir(parents=True, exist_ok=True)
    write(made, target)
    return ReceivedInstance(
        study_instance_uid=made.StudyInstanceUID,
        series_instance_uid=made.SeriesInstanceUID,
        sop_instance_uid=made.SOPInstanceUID,
        sop_class_uid=made.SOPClassUID,
        transfer_syntax_uid=made.file_meta.TransferSyntaxUID,
        path=path,
        size=target.stat().st_size,
        **more,
    )


def received(*instances: ReceivedInstance, association: str = "a") -> InstancesReceived:
    """The receiver's word for it."""
    return InstancesReceived(
        association=association,
        calling_aet="CT1",
        called_aet="FIONA",
        caller_ip="10.0.0.1",
        instances=instances,
    )


def tree(root: Path) -> dict[str, str]:
    """All links and JSON files below a store."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(root))] = str(path.readlink())
        elif path.suffix == ".json":
            found[str(path.relative_to(root))] = path.read_text()
    return found


async def state(indexer: Indexer) -> dict[str, Any]:
    """Everything that the indexer has written, without times and nonces."""
    found: dict[str, Any] = {"files": tree(indexer.store.root)}
    for table in (Association, Patient, Study, Series, Instance, InstanceConflict, AssociationInstance):
        rows = [
            {
                column.name: getattr(row, column.key)
                for column in table.__table__.columns
                if not column.name.endswith("_at") and column.name != "open_since"
            }
            for row in await indexer.rows(table)
        ]
        found[table.__tablename__] = sorted(rows, key=repr)
    return found


async def test_a_batch_is_catalogued(indexer: Indexer) -> None:
    batch = [make(indexer.store, number) for number in range(1, 4)]
    await indexer.index(received(*batch))

    series, study = await indexer.series(), await indexer.study()
    assert (series.instance_count, series.modality, series.revision) == (3, "MR", 0)
    assert series.open_since is not None
    assert (study.series_count, study.instance_count, study.conflict_count) == (1, 3, 0)
    assert (study.calling_aet, study.called_aet, study.study_date) == ("CT1", "FIONA", "20240131")
    assert study.modalities == ["MR"]
    assert study.patient == indexer.vault.hash("patient", "P1", "")
    assert study.accession_hash == indexer.vault.hash("accession", "ACC")
    assert "MR" in series.classify_types

    (patient,) = await indexer.rows(PatientIdentity)
    assert indexer.vault.decrypt(patient.patient_id) == "P1"
    assert indexer.vault.decrypt(patient.patient_name) == "Ærlig^Åse"
    (identity,) = await indexer.rows(StudyIdentity)
    assert indexer.vault.decrypt(identity.accession_number) == "ACC"
    assert json.loads(indexer.vault.decrypt(identity.details))["PatientName"] == "Ærlig^Åse"

    content = indexer.json()
    assert content["IncomingConnection"] == {
        "AETitleCaller": "CT1",
        "AETitleCalled": "FIONA",
        "CallerIP": "10.0.0.1",
    }
    assert (content["NumFiles"], content["InstanceNumber"]) == ("3", "1")
    assert float(content["SliceLocation"]) == -3
    assert (content["PatientName"], content["Modality"]) == ("Ærlig^Åse", ["MR"])
    link = indexer.store / f"raw/{STUDY}/{SERIES}/{SERIES}.2"
    assert link.is_symlink()
    assert link.resolve() == (indexer.store / batch[1].path).resolve()
    participant = indexer.store / "participants/P1/20240131_101500"
    assert participant.resolve() == (indexer.store / f"raw/{STUDY}").resolve()


async def test_nothing_that_identifies_is_in_the_open_tables(indexer: Indexer) -> None:
    await indexer.index(received(make(indexer.store, 1, StudyDescription="secret", OperatorsName="Nosy^Ned")))
    whole = ""
    async with indexer.database.reading() as session:
        for table in (
            Association,
            AssociationInstance,
            Patient,
            Study,
            Series,
            Instance,
            PatientIdentity,
            StudyIdentity,
        ):
            whole += repr((await session.execute(select(*table.__table__.columns))).all())
    for secret in ("'P1'", "rlig^", "'ACC'", "secret", "Nosy", "20240131101500"):
        assert secret not in whole


async def test_the_same_event_twice_and_overlapping_batches_leave_one_state(indexer: Indexer) -> None:
    batch = [make(indexer.store, number) for number in range(1, 7)]
    await indexer.index(received(*batch))
    once = await state(indexer)
    await indexer.index(received(*batch))
    await indexer.index(received(*batch[2:5]))
    await indexer.index(received(*batch[4:], *batch[:2]))
    assert await state(indexer) == once
    (association,) = await indexer.rows(Association)
    assert association.indexed == 6


async def test_replicas_with_parts_of_the_same_series_at_once(indexer: Indexer) -> None:
    batch = [make(indexer.store, number) for number in range(1, 61)]
    portions = [batch[start : start + 7] for start in range(0, 60, 5)]
    random.Random(5).shuffle(portions)
    await asyncio.gather(
        *(indexer.index(received(*portion, association=f"a{i % 3}")) for i, portion in enumerate(portions))
    )
    series, study = await indexer.series(), await indexer.study()
    assert (series.instance_count, study.instance_count, study.series_count) == (60, 60, 1)
    content = indexer.json()
    assert content["NumFiles"] == "60"
    assert float(content["SliceLocation"]) == -60
    assert len(await indexer.rows(Instance)) == 60
    associations = {row.id: row.indexed for row in await indexer.rows(Association)}
    expected: dict[str, set[str]] = {}
    for i, portion in enumerate(portions):
        expected.setdefault(f"a{i % 3}", set()).update(each.path for each in portion)
    assert associations == {id: len(paths) for id, paths in expected.items()}


async def test_two_studies_in_opposite_order_at_once(indexer: Indexer) -> None:
    one = [make(indexer.store, number, "1.5", "1.5.1") for number in range(1, 9)]
    two = [make(indexer.store, number, "1.6", "1.6.1") for number in range(1, 9)]
    await asyncio.gather(
        *(indexer.index(received(one[i], two[i], association="x")) for i in range(8)),
        *(indexer.index(received(two[i], one[i], association="y")) for i in range(8)),
    )
    assert (await indexer.study("1.5")).instance_count == 8
    assert (await indexer.study("1.6")).instance_count == 8
    assert {row.indexed for row in await indexer.rows(Association)} == {16}


async def test_a_series_arrives_once_it_is_quiet_and_its_association_is_closed(indexer: Indexer) -> None:
    await indexer.index(received(make(indexer.store, 1), make(indexer.store, 2)))
    assert await indexer.later(3600).tick() == []
    await indexer.close("a", 2)
    assert await indexer.later(14).tick() == []
    assert await indexer.later(16).tick() == [
        SeriesArrived(study_instance_uid=STUDY, series_instance_uid=SERIES, revision=1, instances=2, total=2),
        StudyArrived(study_instance_uid=STUDY, series=1, instances=2),
    ]
    assert await indexer.later(60).tick() == []
    assert (await indexer.study()).arrived_at is not None
    assert {row.revision for row in await indexer.rows(Instance)} == {1}


async def test_a_clock_that_was_ahead_for_a_while_holds_nothing_up(indexer: Indexer) -> None:
    ahead = indexer.later(7200)
    await ahead.index(received(make(indexer.store, 1), make(indexer.store, 2)))
    await ahead.close("a", 2)
    assert await indexer.tick() == [], "from now on it is waited for quiet"
    assert await indexer.later(14).tick() == []
    assert len(await indexer.later(16).tick()) == 2


async def test_an_association_of_a_clock_that_was_ahead_is_given_up_no_later(indexer: Indexer) -> None:
    await indexer.index(received(make(indexer.store, 1)))
    make(indexer.store, 2)  # in the archive, and never told of
    await indexer.later(7200).close("a", 5)
    assert await indexer.tick() == []
    assert await indexer.later(599).tick() == []
    assert len(await indexer.later(601).tick()) == 2


async def test_who_began_to_listen_while_a_clock_was_ahead_is_no_more_patient(indexer: Indexer) -> None:
    await indexer.index(received(make(indexer.store, 1), make(indexer.store, 2)))
    await indexer.close("a", 2)
    moment = [indexer.clock.now() + timedelta(hours=2)]
    begun = replace(indexer, clock=Clock(lambda: moment[0], lambda: timedelta(seconds=20)))
    moment[0] -= timedelta(hours=2) - timedelta(seconds=20)
    assert len(await begun.tick()) == 2
    fresh = Clock(lambda: now() - timedelta(hours=2))
    assert fresh.listening_since <= fresh.now(), "it has not begun later than now"


async def test_closed_before_its_instances(indexer: Indexer) -> None:
    batch = [make(indexer.store, number) for number in range(1, 3)]
    await indexer.close("a", 2)
    await indexer.index(received(batch[0]))
    assert await indexer.later(100).tick() == []
    await indexer.index(received(batch[1]))
    assert len(await indexer.later(16).tick()) == 2
    assert await indexer.rows(AssociationInstance) == []


async def test_a_late_instance_makes_a_second_revision_of_only_itself(indexer: Indexer) -> None:
    batch = [make(indexer.store, number) for number in range(1, 4)]
    await indexer.index(received(*batch[:2]))
    await indexer.close("a", 2)
    await indexer.later(16).tick()
    late = indexer.later(100)
    await late.index(received(batch[2], association="b"))
    assert (await indexer.study()).arrived_at is None
    assert (await indexer.series()).open_since is not None
    assert await late.later(60).tick() == []
    await late.close("b", 1)
    assert await late.later(16).tick() == [
        SeriesArrived(study_instance_uid=STUDY, series_instance_uid=SERIES, revision=2, instances=1, total=3),
        StudyArrived(study_instance_uid=STUDY, series=1, instances=3),
    ]
    assert sorted(row.revision for row in await indexer.rows(Instance)) == [1, 1, 2]


async def test_instances_sent_again_count_for_their_association_and_open_nothing(indexer: Indexer) -> None:
    batch = [make(indexer.store, number) for number in range(1, 3)]
    await indexer.index(received(*batch))
    await indexer.close("a", 2)
    await indexer.later(16).tick()
    await indexer.later(20).index(received(*batch, association="b"))
    await indexer.later(20).close("b", 2)
    assert await indexer.later(60).tick() == []
    assert (await indexer.study()).arrived_at is not None
    assert {row.id: (row.indexed, row.finished_at is not None) for row in await indexer.rows(Association)} == {
        "a": (2, True),
        "b": (2, True),
    }


async def test_an_open_association_that_brought_known_instances_holds_the_series(indexer: Indexer) -> None:
    batch = [make(indexer.store, number) for number in range(1, 3)]
    await indexer.index(received(*batch))
    await indexer.close("a", 2)
    await indexer.index(received(batch[0], association="b"))
    assert await indexer.later(60).tick() == []
    await indexer.close("b", 1)
    assert len(await indexer.later(60).tick()) == 2


async def test_redelivery_after_the_end_holds_nothing(indexer: Indexer) -> None:
    batch = [make(indexer.store, number) for number in range(1, 3)]
    await indexer.index(received(*batch))
    await indexer.close("a", 2)
    await indexer.index(received(*batch))
    assert await indexer.rows(AssociationInstance) == []
    assert len(await indexer.later(16).tick()) == 2


async def test_a_count_that_never_agrees_is_given_up(indexer: Indexer) -> None:
    await indexer.index(received(make(indexer.store, 1)))
    make(indexer.store, 2)  # in the archive, and never told of
    await indexer.close("a", 5)
    await indexer.close("a", 3)
    assert (await indexer.rows(Association))[0].announced == 5
    assert await indexer.later(599).tick() == []
    assert len(await indexer.later(601).tick()) == 2


async def test_an_ended_association_holds_nothing_when_all_that_the_archive_has_of_the_study_is_known(
    indexer: Indexer,
) -> None:
    """What was found again by its files counts for another association; what no row knows is still waited for."""
    batch = [make(indexer.store, number) for number in range(1, 5)]
    await indexer.index(received(*batch[:2]))
    await indexer.close("a", 4)
    assert await indexer.later(200).tick() == [], "two files of it are known to nobody"
    await indexer.index(received(batch[2], association="found"))
    await indexer.close("found", 1)
    assert await indexer.later(200).tick() == [], "one still is"
    changed = dataset(StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, SOPInstanceUID=f"{SERIES}.1", EchoTime="9")
    conflict = keep(indexer.store, changed, Store.conflict(STUDY, f"{SERIES}.1", "d" * 64), conflict=True)
    await indexer.index(received(batch[3], conflict, association="found as well"))
    assert await indexer.later(200).tick() == [], "somebody is still bringing"
    await indexer.close("found as well", 2)
    assert await indexer.later(50).tick() == [], "it is looked at after a minute"
    assert await indexer.later(61).tick() == [
        SeriesArrived(study_instance_uid=STUDY, series_instance_uid=SERIES, revision=1, instances=4, total=4),
        StudyArrived(study_instance_uid=STUDY, series=1, instances=4),
    ]


async def test_a_file_that_came_again_after_it_had_left_is_waited_for(indexer: Indexer) -> None:
    """Its row says that it is not there: that it has come again is still to be indexed."""
    batch = [make(indexer.store, number) for number in range(1, 3)]
    await indexer.index(received(*batch))
    async with indexer.database.session() as session:
        (await session.get_one(Instance, batch[1].sop_instance_uid)).removed_at = indexer.clock.now()
    await indexer.close("a", 3)
    assert await indexer.later(200).tick() == []
    (indexer.store / batch[1].path).unlink()
    assert len(await indexer.later(200).tick()) == 2


async def test_a_study_whose_files_cannot_be_listed_is_waited_for(indexer: Indexer) -> None:
    one = make(indexer.store, 1)
    await indexer.index(received(one))
    await indexer.close("a", 2)
    shutil.rmtree((indexer.store / one.path).parent)
    assert await indexer.later(200).tick() == []
    (indexer.store / one.path).parent.mkdir()
    assert await indexer.later(200).tick() == [], "an empty folder says nothing, either"


async def test_an_association_that_is_never_closed_ends_at_the_hard_limit(indexer: Indexer) -> None:
    await indexer.index(received(make(indexer.store, 1)))
    assert await indexer.later(4 * 3600 - 1).tick() == []
    assert len(await indexer.later(4 * 3600).tick()) == 2


async def test_a_count_that_agrees_shortens_the_wait(indexer: Indexer) -> None:
    batch = [make(indexer.store, number, ImagesInAcquisition=2) for number in range(1, 3)]
    await indexer.index(received(batch[0]))
    await indexer.close("a", 1)
    assert await indexer.later(3).tick() == []
    await indexer.index(received(batch[1], association="b"))
    assert await indexer.later(3).tick() == []
    await indexer.close("b", 1)
    assert len(await indexer.later(3).tick()) == 2


async def test_the_study_waits_for_all_its_series(indexer: Indexer) -> None:
    other = "1.2.3.5"
    await indexer.index(received(make(indexer.store, 1), association="a"))
    await indexer.index(received(make(indexer.store, 1, series=other), association="b"))
    await indexer.close("a", 1)
    assert [type(event) for event in await indexer.later(16).tick()] == [SeriesArrived]
    await indexer.close("b", 1)
    assert await indexer.later(17).tick() == [
        SeriesArrived(study_instance_uid=STUDY, series_instance_uid=other, revision=1, instances=1, total=1),
        StudyArrived(study_instance_uid=STUDY, series=2, instances=2),
    ]


async def test_other_bytes_under_one_uid_are_kept_and_flagged(indexer: Indexer) -> None:
    original = make(indexer.store, 1)
    changed = dataset(StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, SOPInstanceUID=f"{SERIES}.1", EchoTime="9")
    conflict = keep(indexer.store, changed, Store.conflict(STUDY, f"{SERIES}.1", "d" * 64), conflict=True)
    for _ in range(2):
        await indexer.index(received(original, conflict))
    await indexer.close("a", 2)
    study = await indexer.study()
    assert (study.instance_count, study.conflict_count) == (1, 1)
    (row,) = await indexer.rows(InstanceConflict)
    assert (row.path, row.sop_instance_uid) == (conflict.path, f"{SERIES}.1")
    assert indexer.json()["NumFiles"] == "1"
    events = await indexer.later(16).tick()
    assert isinstance(events[0], SeriesArrived)
    assert events[0].instances == 1


async def test_a_uid_of_another_study_or_series_is_flagged(indexer: Indexer) -> None:
    await indexer.index(received(make(indexer.store, 1)))
    same_sop = make(indexer.store, 1, study="1.9", series="1.9.1", SOPInstanceUID=f"{SERIES}.1")
    same_series = make(indexer.store, 2, study="1.9", SeriesInstanceUID=SERIES)
    await indexer.index(received(same_sop, same_series, association="b"))
    await indexer.close("b", 2)
    reasons = {row.path: row.reason for row in await indexer.rows(InstanceConflict)}
    assert reasons.keys() == {same_sop.path, same_series.path}
    assert len(await indexer.rows(Study)) == 1
    assert {row.id: row.finished_at is not None for row in await indexer.rows(Association)} == {
        "a": False,
        "b": True,
    }


async def test_an_unreadable_header_is_catalogued_from_its_event_and_filled_later(indexer: Indexer) -> None:
    broken = make(indexer.store, 1)
    (indexer.store / broken.path).write_bytes(b"not DICOM" * 40)
    await indexer.index(received(broken))
    series = await indexer.series()
    assert (series.instance_count, series.header["unreadable"]) == (1, [broken.sop_instance_uid])
    assert (await indexer.study()).accession_hash is None
    await indexer.index(received(make(indexer.store, 2)))
    series, study = await indexer.series(), await indexer.study()
    assert (series.instance_count, series.modality) == (2, "MR")
    assert study.patient == indexer.vault.hash("patient", "P1", "")
    assert study.accession_hash == indexer.vault.hash("accession", "ACC")
    (identity,) = await indexer.rows(StudyIdentity)
    assert json.loads(indexer.vault.decrypt(identity.details))["PatientID"] == "P1"
    assert (indexer.store / f"raw/{STUDY}/{SERIES}/{broken.sop_instance_uid}").is_symlink()


async def test_patients_without_an_id_are_not_one_patient(indexer: Indexer) -> None:
    await indexer.index(received(make(indexer.store, 1, "1.5", "1.5.1", PatientID="", PatientName="A")))
    await indexer.index(received(make(indexer.store, 1, "1.6", "1.6.1", PatientID="", PatientName="B")))
    assert (await indexer.study("1.5")).patient != (await indexer.study("1.6")).patient
    assert (indexer.store / "participants/unknown/20240131_101500").is_symlink()


async def test_a_study_of_two_patients_keeps_the_first(indexer: Indexer) -> None:
    await indexer.index(received(make(indexer.store, 1)))
    await indexer.index(received(make(indexer.store, 2, PatientID="P2")))
    assert (await indexer.study()).patient == indexer.vault.hash("patient", "P1", "")
    assert len(await indexer.rows(Patient)) == 1


async def test_structured_reports_have_a_place_of_their_own(indexer: Indexer) -> None:
    await indexer.index(received(make(indexer.store, 1, Modality="SR", Manufacturer="A/B")))
    (link,) = [path for path in (indexer.store / "srs").rglob("*") if path.is_symlink()]
    assert link.parts[-2:] == (STUDY, f"{SERIES}.1")
    assert link.parts[-3].startswith("A_B~")


async def test_every_file_of_pydicom_is_catalogued(indexer: Indexer) -> None:
    instances = []
    for number, source in enumerate(sorted(PYDICOM.glob("*.dcm"))):
        path = store_path = f"archive/scp_{STUDY}/{number}.dcm"
        (indexer.store / path).parent.mkdir(parents=True, exist_ok=True)
        (indexer.store / path).write_bytes(source.read_bytes())
        instances.append(
            ReceivedInstance(
                study_instance_uid=STUDY,
                series_instance_uid=f"{STUDY}.{number % 7}",
                sop_instance_uid=f"{STUDY}.{number % 7}.{number}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                path=store_path,
                size=source.stat().st_size,
            )
        )
    await indexer.index(received(*instances))
    study = await indexer.study()
    assert (study.instance_count, study.series_count) == (len(instances), 7)


async def test_hostile_values_fit_into_the_tables(indexer: Indexer) -> None:
    long = "x" * 300
    await indexer.index(
        received(
            make(
                indexer.store,
                1,
                SeriesDescription=long,
                Manufacturer=long,
                StationName=long,
                PatientID="../../" + "🧠" * 100,
                StudyTime="1" * 60,
                Modality="MODALITYTHATISTOOLONG",
            )
        )
    )
    assert (await indexer.series()).instance_count == 1
    root = (indexer.store.root).resolve()
    assert all(path.resolve().is_relative_to(root) for path in root.rglob("*"))


async def test_what_leads_out_of_the_store_is_rejected(indexer: Indexer) -> None:
    good = make(indexer.store, 1)
    for bad in (
        good.model_copy(update={"path": "../outside.dcm"}),
        good.model_copy(update={"series_instance_uid": "../x"}),
    ):
        with pytest.raises(Reject):
            await indexer.index(received(bad))


async def test_a_file_that_is_not_there_is_tried_again(indexer: Indexer) -> None:
    gone = make(indexer.store, 1)
    (indexer.store / gone.path).unlink()
    with pytest.raises(Retry):
        await indexer.index(received(gone))
    async with indexer.database.reading() as session:
        assert (await session.execute(select(func.count()).select_from(Series))).scalar_one() == 0


async def test_a_file_that_is_not_there_costs_its_neighbours_nothing(indexer: Indexer) -> None:
    """They are catalogued; what is missing is an event of its own, with tries of its own."""
    there, gone, also = (make(indexer.store, number) for number in (1, 2, 3))
    bytes_of_it = (indexer.store / gone.path).read_bytes()
    (indexer.store / gone.path).unlink()
    [later] = await indexer.index(received(there, gone, also))
    assert later == received(gone)
    assert (await indexer.series()).instance_count == 2
    with pytest.raises(Retry, match="FileNotFoundError"):
        await indexer.index(later)
    (indexer.store / gone.path).write_bytes(bytes_of_it)
    assert await indexer.index(later) == []
    assert (await indexer.series()).instance_count == 3
