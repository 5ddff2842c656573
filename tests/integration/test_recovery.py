"""After a loss, on both databases: what was published and not handled, what nobody knows of the archive, a backup."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from cli.main import run
from shared.bus import Delivery, Done, Message
from shared.crypto import Vault
from shared.database import Database
from shared.events import AssociationClosed, Event, InstancesReceived, ProjectMoved, RetentionEnded, StudyArrived
from shared.keys import settle_hash_key
from shared.ledger import Relay, add, claim
from shared.ledger.history import forget
from shared.recovery.archive import unknown
from shared.recovery.republish import SILENT, republish
from shared.retention import removals
from shared.store import Store
from shared.tables import Association, Instance, OutboxEntry, PublishedMessage, Series, Study
from shared.tables.base import now
from tests.components.receiver import ListBus, LocalReceiver
from tests.studies import Study as Files
from tests.studies import ct_study
from tests.system.modality import Modality

AT_ONCE = timedelta(0)
KEY = "k" * 32
IN_ORDER = select(OutboxEntry.content).order_by(OutboxEntry.sequence)


async def count(database: Database, table: type) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def owe(database: Database, *events: Event) -> list[Message]:
    messages = [Message.of(event) for event in events]
    async with database.session() as session:
        await add(session, messages)
    return messages


async def test_what_was_published_and_handled_by_nobody_is_owed_again(database: Database, store: Store) -> None:
    bus = ListBus()
    relay = Relay(database, bus)  # type: ignore[arg-type]
    handled, lost = await owe(
        database, *(AssociationClosed(association=f"a{number}", instances=1) for number in range(2))
    )
    unheard = ProjectMoved(project="P", before="applied", after="production")
    [half] = await owe(database, unheard)
    await relay.move()
    assert await count(database, OutboxEntry) == 0
    async with database.session() as session:
        await claim(session, "indexer.association.closed.v1", handled.id)
        await claim(session, "audit.project.moved.v1", half.id)

    looked = await republish(database, store, None, older_than=AT_ONCE, only_look=True)
    assert looked.messages == {"association.closed.v1": 1, "project.moved.v1": 1}
    assert await count(database, OutboxEntry) == 0
    assert not (await republish(database, store, None, older_than=timedelta(hours=1))).anything
    done = await republish(database, store, None, older_than=AT_ONCE)
    assert done.messages == looked.messages
    assert not (await republish(database, store, None, older_than=AT_ONCE)).anything, "owed is not lost"

    await relay.move()
    assert [message.id for message in bus.messages[3:]] == [lost.id, half.id], "they keep their ids"
    async with database.session() as session:
        await claim(session, "indexer.association.closed.v1", lost.id)
        await claim(session, "router.project.moved.v1", half.id)
    assert not (await republish(database, store, None, older_than=AT_ONCE)).anything
    async with database.session() as session:
        await forget(session, now() + timedelta(seconds=1))
    assert await count(database, PublishedMessage) == 0


async def test_what_is_dead_waits_for_a_person(sqlite: Database, store: Store) -> None:
    database = sqlite
    from shared.bus import Bury
    from shared.bus.embedded import EmbeddedBus

    bus = EmbeddedBus(database, poll=0.05)
    await owe(database, StudyArrived(study_instance_uid="1.2", series=1, instances=1))
    await Relay(database, bus).move()

    async def bury(_: Delivery) -> Bury:
        return Bury("never")

    async with bus.consume("router.study.arrived.v1", bury, 1):
        while not await bus.dead():
            pass
    for queue in ("redcap.study.arrived.v1", "audit.study.arrived.v1"):
        async with bus.consume(queue, _done, 1), database.session() as session:
            await claim(session, queue, (await session.scalars(select(PublishedMessage.message))).one())
    assert not (await republish(database, store, bus, older_than=AT_ONCE)).anything
    [letter] = await bus.dead()
    await bus.drop(letter.id)
    assert (await republish(database, store, bus, older_than=AT_ONCE)).messages == {"study.arrived.v1": 1}


async def _done(_: Delivery) -> Done:
    return Done()


async def test_an_association_whose_end_was_lost_ends(sqlite: Database, store: Store) -> None:
    database = sqlite
    async with database.session() as session:
        session.add(Association(id="silent", indexed=3, last_seen_at=now() - SILENT - timedelta(seconds=1)))
        session.add(Association(id="open", indexed=3, last_seen_at=now()))
    assert (await republish(database, store, None, older_than=AT_ONCE)).associations == 1
    async with database.reading() as session:
        [owed] = [Message.from_bytes(row) for row in await session.scalars(IN_ORDER)]
    assert owed.event() == AssociationClosed(association="silent", instances=3)


async def test_an_association_that_a_journal_has_says_its_end_itself(sqlite: Database, store: Store) -> None:
    async with sqlite.session() as session:
        session.add_all(Association(id=id, indexed=3, last_seen_at=now() - 2 * SILENT) for id in ("here", "gone"))
    (store / "journal/receiver-1/here").mkdir(parents=True)
    done = await republish(sqlite, store, None, older_than=AT_ONCE)
    assert (done.associations, await count(sqlite, OutboxEntry)) == (1, 1)


async def test_an_association_without_end_waits_for_what_is_found_of_its_sender(
    received: tuple[LocalReceiver, Files], sqlite: Database, store: Store
) -> None:
    """It may be its own: its count does not agree before that is known. After a restore none needs to be silent."""
    titles = {"mine": "CT7", "another's": "CT8"}
    async with sqlite.session() as session:
        session.add_all(
            Association(id=id, calling_aet=aet, called_aet="FIONA", indexed=2, last_seen_at=now())
            for id, aet in titles.items()
        )
    assert not (await republish(sqlite, store, None, older_than=AT_ONCE, only_look=True)).associations
    done = await republish(sqlite, store, None, older_than=AT_ONCE, silent_for=AT_ONCE)
    assert (done.associations, done.instances) == (2, 6)
    async with sqlite.reading() as session:
        owed = [Message.from_bytes(row).event() for row in await session.scalars(select(OutboxEntry.content))]
    ends = {each.association: each.instances for each in owed if isinstance(each, AssociationClosed)}
    assert {id: ends[id] for id in titles} == {"mine": 8, "another's": 2}


@pytest.fixture
def received(tmp_path: Path) -> tuple[LocalReceiver, Files]:
    """Two series in the archive as the receiver leaves them, of which nobody but the journal's bus was told."""
    study = ct_study(tmp_path / "study", series=2, images=3)
    with LocalReceiver(tmp_path / "store") as receiver:
        with Modality(study.files, receiver.port, aet="CT7") as modality:
            modality.wait_for(6)
        receiver.settled()
    return receiver, study


async def found(database: Database, store: Store) -> Sequence[Event]:
    return [event async for each in unknown(database, store) for event in each.events]


async def test_the_archive_says_itself_what_it_holds(
    received: tuple[LocalReceiver, Files], sqlite: Database, store: Store
) -> None:
    """The same instances as the receiver had published, from the same sender."""
    receiver, study, database = *received, sqlite
    instances, closed = await found(database, store)
    assert isinstance(instances, InstancesReceived)
    assert (instances.calling_aet, instances.called_aet) == ("CT7", "FIONA")
    assert set(instances.instances) == set(receiver.bus.instances())
    assert closed == AssociationClosed(association=instances.association, instances=6)
    assert await found(database, store) == [instances, closed], "found twice it is the same association"

    known, *others = instances.instances
    async with database.session() as session:
        session.add(Study(study_instance_uid=study.study_instance_uid, patient="p"))
        await session.flush()
        session.add(Series(series_instance_uid=known.series_instance_uid, study_instance_uid=study.study_instance_uid))
        await session.flush()
        session.add(Instance(**known.model_dump(exclude={"conflict"}), association="a"))
    instances, _ = await found(database, store)
    assert isinstance(instances, InstancesReceived)
    assert list(instances.instances) == others

    for hours, missing in ((1, others), (-1, [known, *others])):
        async with database.session() as session:
            await session.execute(update(Instance).values(removed_at=now() + timedelta(hours=hours)))
        instances, _ = await found(database, store)
        assert isinstance(instances, InstancesReceived)
        assert set(instances.instances) == set(missing), "what left and was sent again since is known by no row"


async def test_what_a_journal_owes_is_on_its_way(
    received: tuple[LocalReceiver, Files], sqlite: Database, store: Store
) -> None:
    receiver, study, database = *received, sqlite
    owed, torn, *_ = receiver.archived()
    (store / "journal/owed").hardlink_to(owed)
    torn.write_bytes(b"no DICOM")
    [each] = [each async for each in unknown(database, store)]
    assert each.instances == 4
    assert each.unreadable == (f"archive/scp_{study.study_instance_uid}/{torn.name}",)


def environment(patch: pytest.MonkeyPatch, data: Path, url: str | None) -> None:
    patch.setenv("FIONA_DATA", str(data))
    patch.setenv("FIONA_SECRET_KEY", KEY)
    if url:
        patch.setenv("FIONA_DATABASE_URL", url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_there_and_back(
    kind: str,
    received: tuple[LocalReceiver, Files],
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """A backup of a database that knows one message not handled; what came later is in the store only."""
    postgres = request.getfixturevalue("postgres") if kind == "postgresql" else None
    url, other = (postgres.fresh_database(), postgres.fresh_database()) if postgres else (None, None)
    database = Database(url or f"sqlite+aiosqlite:///{store.root / 'fiona.sqlite'}")
    await database.migrate()
    await settle_hash_key(database, Vault(KEY.encode()))
    [waiting] = await owe(database, StudyArrived(study_instance_uid="1.2", series=1, instances=1))
    await Relay(database, ListBus()).move()  # type: ignore[arg-type]
    await database.close()
    (store / "secret.key").write_text("not for anybody")
    environment(monkeypatch, store.root, url)

    assert await _fiona("backup", str(tmp_path / "b1"), "--files") == 0
    assert "the master key is not in it" in capsys.readouterr().err
    kept = [path.name for path in (tmp_path / "b1").rglob("*")]
    assert "backup.json" in kept
    assert not {"secret.key", "fiona.sqlite", "fiona.sqlite-wal"} & set(kept)
    assert (tmp_path / "b1").stat().st_mode & 0o077 == 0
    assert await _fiona("backup", str(tmp_path / "b1")) == 1, "nothing is overwritten"
    second = ["backup", str(tmp_path / "b2"), "--files", "--since", str(tmp_path / "b1"), "--with-key", "--json"]
    assert await _fiona(*second) == 0
    assert json.loads(capsys.readouterr().out)["linked"] >= 6
    assert (tmp_path / "b2/secret.key").read_text().strip() == KEY

    monkeypatch.setenv("FIONA_SECRET_KEY", KEY)
    environment(monkeypatch, tmp_path / "elsewhere", other)
    assert await _fiona("restore", str(tmp_path / "b1"), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["missing"], said["altered"], said["instances"], said["studies"]) == (0, 0, 6, 1)
    assert said["messages"] == {"study.arrived.v1": 1}
    assert await _fiona("restore", str(tmp_path / "b1")) == 1, "the database is not empty any more"
    assert await _fiona("restore", str(tmp_path)) == 1
    capsys.readouterr()
    back = Database(other or f"sqlite+aiosqlite:///{tmp_path / 'elsewhere/fiona.sqlite'}")
    async with back.reading() as session:
        owed = [Message.from_bytes(row) for row in await session.scalars(IN_ORDER)]
    await back.close()
    assert [each.name for each in owed] == ["study.arrived.v1", "instances.received.v1", "association.closed.v1"]
    assert owed[0].id == waiting.id
    assert len(list((tmp_path / "elsewhere/archive").glob("scp_*/*.dcm"))) == 6

    if postgres is None:
        monkeypatch.setenv("FIONA_SECRET_KEY", "another" * 8)
        monkeypatch.setenv("FIONA_DATA", str(tmp_path / "third"))
        assert await _fiona("restore", str(tmp_path / "b1")) == 2, "another master key opens nothing of it"
    else:
        postgres.drop_database(url)
        postgres.drop_database(other)


async def test_what_a_policy_has_removed_since_the_backup_is_not_missed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store has outlived the database, and remembers what has left; what nobody has removed is missing."""
    environment(monkeypatch, store.root, None)
    database = Database(f"sqlite+aiosqlite:///{store.root / 'fiona.sqlite'}")
    await database.migrate()
    await settle_hash_key(database, Vault(KEY.encode()))
    async with database.session() as session:
        session.add_all(Study(study_instance_uid=uid, patient="p", last_seen_at=now()) for uid in ("1.2", "1.3"))
    await database.close()
    files = ("archive/scp_1.2/1.dcm", "archive/scp_1.3/1.dcm", "anonymized/t/1.2.1/1.dcm")
    for file in files:
        store.write(file, b"x")
    assert await _fiona("backup", str(tmp_path / "backup")) == 0
    for file in files:
        (store / file).unlink()
        (store / file).parent.rmdir()
    removals.keep(store, "archive", "1.2", now())
    removals.keep(store, "anonymized", "t", now())
    capsys.readouterr()

    def lose_the_database() -> None:
        for each in store.root.glob("fiona.sqlite*"):
            each.unlink()

    lose_the_database()
    assert await _fiona("restore", str(tmp_path / "backup"), "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["removed"], said["missing"], said["examples"], said["left"]) == (2, 1, [files[1]], 1)
    back = Database(f"sqlite+aiosqlite:///{store.root / 'fiona.sqlite'}")
    async with back.reading() as session:
        owed = [Message.from_bytes(row).event() for row in await session.scalars(IN_ORDER)]
    await back.close()
    assert [(each.kind, each.subject) for each in owed if isinstance(each, RetentionEnded)] == [("missing", "1.2")]
    removals.keep(store, "archive", "1.3", now())
    lose_the_database()
    assert await _fiona("restore", str(tmp_path / "backup")) == 0
    shown = capsys.readouterr().out
    assert "3 files of the backup were removed by a policy since" in shown
    assert "2 studies that had left the archive by a policy: noted" in shown


async def _fiona(*arguments: str) -> int:
    import asyncio

    return await asyncio.to_thread(run, list(arguments))
