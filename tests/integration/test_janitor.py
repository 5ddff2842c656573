"""The janitor and the owners on both databases: report, word, removal; kills, rivals and what comes again meanwhile."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from stat import S_ISREG
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from services.anonymizer import handlers as anonymizer
from services.indexer import handlers as indexer
from services.indexer.clock import Clock
from services.indexer.leaving import retention
from services.indexer.leaving.taking_away import take_away
from services.janitor import handlers as janitor
from services.janitor import lease
from services.janitor.engine import PHASES, Engine
from services.janitor.lease import LeaseLost
from services.janitor.plan import Page, Tools
from services.janitor.policies import Policies
from services.janitor.settings import JanitorSettings
from services.registry import handlers as registry
from services.sender import handlers as sender
from shared.bus import Message
from shared.bus.embedded import EmbeddedBus
from shared.crypto import Vault
from shared.database import Database
from shared.events import Event, InstancesReceived, RetentionApplied, RetentionEnded
from shared.handlers import Retry
from shared.heartbeat import source as heartbeat_file
from shared.journal import Journal
from shared.ledger import Relay, add
from shared.manifest import Manifest, ManifestInstance, write_manifest
from shared.store import Store
from shared.tables import (
    Assignment,
    AssignmentWish,
    BegunDelivery,
    CountedPart,
    Delivery,
    Heartbeat,
    InboxEntry,
    Instance,
    JanitorFinding,
    JanitorLine,
    JanitorOrder,
    JanitorRun,
    JanitorState,
    OutboxEntry,
    Patient,
    Project,
    ProjectExport,
    SentInstance,
    Series,
    Study,
    Transfer,
    TransferPart,
    Withdrawal,
    WithdrawalPart,
)
from shared.tables.base import new_id, now
from tests.studies import ct_study
from tests.unit.api.support import kind, running

VAULT = Vault(b"k" * 32)
OLD = now() - timedelta(days=100)
TIGHT = {
    "archive": {"quota_gib": 1e-6},
    "anonymized": {"quota_gib": 1e-6, "stopped_days": 7},
    "answers": {"days": 30},
    "identities": {"days": 1},
}
"""Everything that may go has to."""


class Gateway:
    """A store, a database, and owners who answer when the outbox is emptied."""

    def __init__(self, database: Database, store: Store, policies: object = TIGHT) -> None:
        self.database, self.store = database, store
        self.policies = Policies.model_validate(policies)
        settings = JanitorSettings(young_seconds=0, page=3)
        self.tools = Tools(database, store, self.policies, settings)
        self.relay = Relay(database, EmbeddedBus(database))
        self.engine = self.janitor()

    def janitor(self) -> Engine:
        """One more process that would be the janitor."""
        return Engine(self.tools, self.relay)

    async def say(self, *words: str) -> None:
        """What people tell the janitor."""
        async with self.database.session() as session:
            for word in words:
                session.add(JanitorOrder(kind=word, by="tester", created_at=now()))

    async def run(self, engine: Engine | None = None) -> JanitorRun:
        """Step by step until a run has ended, owners answering in between."""
        for _ in range(400):
            await (engine or self.engine).step()
            await self.deliver()
            async with self.database.reading() as session:
                latest = select(JanitorRun).order_by(JanitorRun.started_at.desc(), JanitorRun.id).limit(1)
                run = await session.scalar(latest)
            if run is not None and run.state != "running":
                return run
        raise AssertionError("the run does not end")

    async def owed(self) -> list[Event]:
        """Empty the outbox."""
        async with self.database.session() as session:
            rows = (await session.scalars(select(OutboxEntry).order_by(OutboxEntry.sequence))).all()
            events = [Message.from_bytes(row.content).event() for row in rows]
            await session.execute(delete(OutboxEntry))
        return events

    async def deliver(self) -> None:
        """Let the owners do what they are asked for, and the janitor hear of it."""
        while events := await self.owed():
            for event in events:
                await self.handle(event)

    async def handle(self, event: Event) -> None:
        """What all listeners do."""
        answers: list[Event] = []
        if isinstance(event, RetentionEnded):
            answers += await indexer.expire(event, self.database, self.store, VAULT, Clock())
            answers += await anonymizer.retire(event, self.database, self.store)
            answers += await registry.expire(event, self.database, self.store)
            answers += await janitor.expire(event, self.database, self.store)
        async with self.database.session() as session:
            if isinstance(event, RetentionEnded):
                answers += await sender.expire(event, session, self.store)
            elif isinstance(event, RetentionApplied):
                answers += await janitor.note(event, session, self.policies)
            await add(session, [Message.of(answer) for answer in answers])

    async def lines(self, run: JanitorRun) -> dict[tuple[str, str], JanitorLine]:
        """What may go by a run."""
        async with self.database.reading() as session:
            rows = await session.scalars(select(JanitorLine).where(JanitorLine.run == run.id))
            return {(row.kind, row.subject): row for row in rows}

    async def study(self, uid: str, state: str | None = "completed", counted: int | None = 2) -> None:
        """A study of two instances with its files; assigned and transferred unless `state` is None."""
        for number in (1, 2):
            path = self.store.instance(uid, f"{uid}.1.{number}")
            self.store.write(path, b"x" * 5000)
            os.utime(self.store / path, (OLD.timestamp(), OLD.timestamp()))
            self.store.link(f"raw/{uid}/{uid}.1/{uid}.1.{number}", path)
        self.store.write(f"raw/{uid}/{uid}.1.json", b"{}")
        self.store.link(f"participants/unknown/unknown_unknown_{uid}", f"raw/{uid}")
        async with self.database.session() as session:
            if await session.get(Patient, "p") is None:
                session.add(Patient(id="p"))
                session.add(Project(name="PROJECT", encrypted_key=b"", destinations=["research"]))
            session.add(Study(study_instance_uid=uid, patient="p", last_seen_at=OLD, arrived_at=OLD, instance_count=2))
            await session.flush()
            session.add(Series(series_instance_uid=f"{uid}.1", study_instance_uid=uid, revision=1, instance_count=2))
            await session.flush()
            for number in (1, 2):
                sop = f"{uid}.1.{number}"
                session.add(
                    Instance(sop_instance_uid=sop, series_instance_uid=f"{uid}.1", study_instance_uid=uid,
                             sop_class_uid="1.2", transfer_syntax_uid="1.2", path=self.store.instance(uid, sop),
                             size=5000, association="a", revision=1)
                )  # fmt: skip
            if state is None:
                return
            of = {"study_instance_uid": uid, "project": "PROJECT", "participant": "P", "event": "e", "reason": "person"}
            session.add(Assignment(id=f"a{uid}", **of))
            await session.flush()
            session.add(Transfer(id=f"t{uid}", assignment=f"a{uid}", destinations=["research"], state=state,
                                 instances=2, requested_at=OLD, finished_at=OLD, **of))  # fmt: skip
            await session.flush()
            part = {"transfer": f"t{uid}", "series_instance_uid": f"{uid}.1", "revision": 1, "destination": "research"}
            session.add(TransferPart(assignment=f"a{uid}", instances=2, anonymized=2, delivered=2, **part))
            session.add(Delivery(parts=1, destinations=["research"], target_study_instance_uid="9", delivered=2,
                                 counted=counted, **part))  # fmt: skip
            session.add(BegunDelivery(**part))
            for sop in ("9.1", "9.2"):
                session.add(SentInstance(transfer=f"t{uid}", destination="research", sop_instance_uid=sop,
                                         series_instance_uid=f"{uid}.1", revision=1, status=0))  # fmt: skip
        folder = self.store.anonymized(f"t{uid}", f"{uid}.1", 1)
        files = [
            ManifestInstance(
                path=f"{folder}/{sop}.dcm", sop_instance_uid=sop, sop_class_uid="1.2", transfer_syntax_uid="1.2", size=9
            )
            for sop in ("9.1", "9.2")
        ]
        manifest = Manifest(study_instance_uid="9", series_instance_uid="9.0", instances=tuple(files))
        write_manifest(self.store, f"{folder}/manifest.json", manifest)
        for file in files:
            self.store.write(file.path, b"y" * 3000)

    def files(self, tree: str = "archive") -> set[str]:
        """The files of a tree."""
        return {str(path.relative_to(self.store / tree)) for path in (self.store / tree).rglob("*") if path.is_file()}

    async def gone(self) -> set[str]:
        """The studies of which the catalogue says that their files are gone."""
        async with self.database.reading() as session:
            return set(await session.scalars(select(Study.study_instance_uid).where(Study.removed_at.is_not(None))))


def files_of(*uids: str) -> set[str]:
    return {f"scp_{uid}/{uid}.1.{number}.dcm" for uid in uids for number in (1, 2)}


@pytest.fixture
def gateway(database: Database, store: Store) -> Gateway:
    return Gateway(database, store)


@pytest.fixture
def small(sqlite: Database, store: Store) -> Gateway:
    """For what depends on no kind of database."""
    return Gateway(sqlite, store)


async def test_it_reports_until_a_person_says_go_and_then_removes_what_is_whole(gateway: Gateway) -> None:
    await gateway.study("1.1")
    await gateway.study("1.2", counted=None)
    await gateway.study("1.3", state="failed")
    await gateway.study("1.4", state="sending")
    await gateway.study("1.5", state=None)
    await gateway.study("1.6", state="withdrawn")
    async with gateway.database.session() as session:
        session.add(InboxEntry(queue="q", message="old", handled_at=OLD))
        session.add(InboxEntry(queue="q", message="new", handled_at=now()))
        session.add(Withdrawal(id="w", kind="correction", project="PROJECT", participant="P", state="done"))
        await session.flush()
        session.add(WithdrawalPart(withdrawal="w", transfer="t1.6", destination="research", project="PROJECT",
                                   study_instance_uid="1.6", state="confirmed"))  # fmt: skip
        await session.execute(update(Study).where(Study.study_instance_uid == "1.5").values(last_seen_at=now()))
        session.add(ProjectExport(id="x", project="PROJECT", state="ready", path="exports/x.zip", made_at=OLD))
        session.add(ProjectExport(id="y", project="PROJECT", final=True, state="ready", path="y", made_at=OLD))
    gateway.store.write("exports/x.zip", b"zip")
    before = gateway.files(), gateway.files("anonymized")

    report = await gateway.run()
    assert (report.kind, report.state) == ("report", "done")
    planned = {key: line.state for key, line in (await gateway.lines(report)).items()}
    expected = {
        ("archive", "1.1"), ("anonymized", "t1.1"), ("stopped", "t1.6"), ("answers", "t1.6"), ("rows", "inbox"),
        ("export", "x"), ("settled", "t1.1"),
    }  # fmt: skip
    assert planned == dict.fromkeys(expected, "planned")
    assert (gateway.files(), gateway.files("anonymized")) == before, "nothing is touched before a person has said so"
    why = report.counts["archive"]["kept"]
    assert why == {
        "it is not whole at its destination, as far as that can confirm it": 3,
        "a transfer is under way": 1,
    }
    assert await gateway.engine.step() is False, "its time has not come again"

    await gateway.say("go")
    sweep = await gateway.run()
    assert (sweep.kind, sweep.state) == ("sweep", "done")
    done = await gateway.lines(sweep)
    assert {key: line.state for key, line in done.items()} == dict.fromkeys(expected, "removed")
    assert done["archive", "1.1"].removed == {"files": 2, "bytes": 10000}
    assert done["rows", "inbox"].removed == {"rows": 1}
    assert gateway.files() == files_of("1.2", "1.3", "1.4", "1.5", "1.6")
    assert "t1.1/1.1.1.1/manifest.json" in gateway.files("anonymized"), "by it a withdrawal can still be asked for"
    assert not any(name.startswith("t1.6/") or name == "t1.1/1.1.1.1/9.1.dcm" for name in gateway.files("anonymized"))
    assert gateway.files("exports") == set()
    for place in ("raw/1.1", "participants/unknown/unknown_unknown_1.1"):
        assert not os.path.lexists(gateway.store / place)
    assert (gateway.store / "participants/unknown/unknown_unknown_1.2").exists()
    assert await gateway.gone() == {"1.1"}
    async with gateway.database.reading() as session:
        assert set(await session.scalars(select(InboxEntry.message))) == {"new"}
        assert set(await session.scalars(select(SentInstance.transfer))) == {"t1.2", "t1.3", "t1.4"}
        assert set(await session.scalars(select(Delivery.transfer))) == {"t1.1", "t1.2", "t1.3", "t1.4"}
        assert len((await session.scalars(select(Instance))).all()) == 12, "rows stay"

    await gateway.say("sweep")
    assert await gateway.lines(await gateway.run()) == {}, "twice is once"


async def test_what_failed_and_was_done_again_goes_and_is_counted_once(small: Gateway) -> None:
    """And what is left of an anonymous project only where a policy says so."""
    await small.study("1.1", state="failed")
    await small.study("1.2", state="failed")
    await small.study("1.3")
    async with small.database.session() as session:
        of = {"study_instance_uid": "1.1", "project": "PROJECT", "participant": "P", "event": "e", "reason": "person"}
        session.add(Transfer(id="again", assignment="a1.1", destinations=["research"], state="completed",
                             instances=2, requested_at=OLD + timedelta(days=1), finished_at=OLD, **of))  # fmt: skip
        await session.flush()
        part = {"series_instance_uid": "1.1.1", "revision": 1}
        session.add(TransferPart(transfer="again", assignment="a1.1", instances=2, anonymized=2, delivered=2,
                                 destination="research", **part))  # fmt: skip
        session.add(Project(name="PROJECT-anon", encrypted_key=b"", state="archived", end_provision="keep"))
        await session.execute(update(Transfer).where(Transfer.id == "t1.3").values(project="PROJECT-anon"))
        session.add(CountedPart(transfer="t1.1", **part))
        session.add(CountedPart(transfer="t1.2", series_instance_uid="1.2.1", revision=1))
    await small.say("go")
    run = await small.run()
    lines = {subject: line.state for (kind, subject), line in (await small.lines(run)).items() if kind == "anonymized"}
    assert lines == {"t1.1": "removed"}
    assert run.counts["anonymized"]["kept"] == {
        "it is not completed": 1,
        "its project is anonymous: nothing else is left of it here": 1,
    }
    async with small.database.reading() as session:
        assert set(await session.scalars(select(CountedPart.transfer))) == {"t1.2"}
    left = {name for name in small.files("anonymized") if name.endswith(".dcm")}
    assert {name.partition("/")[0] for name in left} == {"t1.2", "t1.3"}


async def test_whoever_asked_first_keeps_the_files(small: Gateway) -> None:
    await small.study("1.1")
    await small.say("go")
    asked = RetentionEnded(run="r", kind="archive", subject="1.1", before=now() - timedelta(days=30))

    async def answered() -> RetentionApplied:
        [answer] = await indexer.expire(asked, small.database, small.store, VAULT, Clock())
        assert isinstance(answer, RetentionApplied)
        assert small.files() >= files_of("1.1")
        return answer

    async with small.database.session() as session:
        wish = {"study_instance_uid": "1.1", "project": "OTHER", "participant": "P", "event": "e"}
        session.add(AssignmentWish(assignment="new", **wish))
    assert (await answered()).kept == "somebody has just assigned it"
    async with small.database.session() as session:
        await session.execute(delete(AssignmentWish))
    (small.store / "archive/scp_1.1/stranger.dcm").write_bytes(b"?")
    os.utime(small.store / "archive/scp_1.1/stranger.dcm", (0, 0))
    assert "not in the catalogue" in (await answered()).kept
    (small.store / "archive/scp_1.1/stranger.dcm").unlink()
    owed = small.store / "archive/1.owed"
    os.link(small.store / "archive/scp_1.1/1.1.1.1.dcm", owed)
    assert (await answered()).kept == "it is just being received"
    owed.unlink()
    os.utime(small.store / "archive/scp_1.1/1.1.1.1.dcm")
    assert (await answered()).kept == "it was sent again"
    os.utime(small.store / "archive/scp_1.1/1.1.1.1.dcm", (0, 0))
    await small.say("stop")
    assert (await answered()).kept == "the janitor was stopped"


async def test_killed_between_mark_and_removal_it_goes_on(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    await gateway.study("1.1")
    await gateway.say("go")
    asked = RetentionEnded(run="r", kind="archive", subject="1.1", before=now() - timedelta(days=30))

    class Killed(BaseException):
        """As kill -9 does it: nothing after it happens."""

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(retention, "take_away", killed)
    with pytest.raises(Killed):
        await indexer.expire(asked, gateway.database, gateway.store, VAULT, Clock())
    assert await gateway.gone() == {"1.1"}
    assert gateway.files() == files_of("1.1")
    # In between it is sent again: one file while the folder is there, one after it is away.
    monkeypatch.setattr(retention, "take_away", _sends_again(gateway.store))
    [answer] = await indexer.expire(asked, gateway.database, gateway.store, VAULT, Clock())
    assert isinstance(answer, RetentionApplied)
    assert answer.removed == {"files": 1, "bytes": 5000}, "the other one was sent again"
    assert gateway.files() == {"scp_1.1/1.1.1.1.dcm"}
    assert await gateway.gone() == set(), "a part of it is here"
    async with gateway.database.reading() as session:
        here = select(Instance.sop_instance_uid).where(Instance.removed_at.is_(None))
        assert (await session.scalars(here)).all() == ["1.1.1.1"]


def _sends_again(store: Store):  # type: ignore[no-untyped-def]
    def removed(*arguments: object) -> object:
        os.utime(store / "archive/scp_1.1/1.1.1.1.dcm")
        return take_away(*arguments)  # type: ignore[arg-type]

    return removed


async def test_what_another_machine_has_touched_is_asked_of_the_server(
    small: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an NFS client answers: from memory, but for what is opened."""
    await small.study("1.1")
    await small.say("go")
    asked = RetentionEnded(run="r", kind="archive", subject="1.1", before=now() - timedelta(days=30))
    remembered: dict[tuple[int, int], os.stat_result] = {}
    stat = os.stat

    def from_memory(path: Any, **options: Any) -> os.stat_result:
        status = stat(path, **options)
        if not S_ISREG(status.st_mode):
            return status
        return remembered.setdefault((status.st_dev, status.st_ino), status)

    def sent_again(*arguments: Any) -> object:
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(os, "stat", stat)
            os.utime(small.store / "archive/scp_1.1/1.1.1.1.dcm")
        return take_away(*arguments)

    monkeypatch.setattr(retention, "take_away", sent_again)
    monkeypatch.setattr(os, "stat", from_memory)
    monkeypatch.setattr(os, "lstat", lambda path: from_memory(path, follow_symlinks=False))
    [answer] = await indexer.expire(asked, small.database, small.store, VAULT, Clock())
    assert len(remembered) >= 2
    assert isinstance(answer, RetentionApplied)
    assert answer.removed == {"files": 1, "bytes": 5000}
    assert small.files() == {"scp_1.1/1.1.1.1.dcm"}


async def test_what_comes_into_a_folder_that_was_taken_away_is_put_back(
    small: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a receiver that still had the old name in hand, after the folder was looked at."""
    await small.study("1.1")
    await small.say("go")
    asked = RetentionEnded(run="r", kind="archive", subject="1.1", before=now() - timedelta(days=30))

    def late(*arguments: Any) -> object:
        gone = take_away(*arguments)
        (small.store / "archive/.removed/scp_1.1/late.dcm").write_bytes(b"acknowledged")
        return gone

    monkeypatch.setattr(retention, "take_away", late)
    with pytest.raises(Retry):
        await indexer.expire(asked, small.database, small.store, VAULT, Clock())
    monkeypatch.setattr(retention, "take_away", take_away)
    await indexer.expire(asked, small.database, small.store, VAULT, Clock())
    assert small.files() == {"scp_1.1/late.dcm"}
    assert not (small.store / "archive/.removed/scp_1.1").exists()


async def test_of_two_janitors_one_works_and_the_other_takes_over(gateway: Gateway) -> None:
    for number in range(4):
        await gateway.study(f"1.{number}")
    await gateway.say("go")
    first, second = gateway.engine, gateway.janitor()
    steps = [await each.step() for _ in range(4) for each in (first, second)]
    assert steps[1::2] == [False] * 4, "the first one has the lease"
    # Even if one thinks at the same moment more than once that it is: no step is committed twice.
    rushed = await asyncio.gather(*(each.step() for each in (first, second) * 3), return_exceptions=True)
    assert all(isinstance(each, bool | LeaseLost) for each in rushed)
    async with gateway.database.session() as session:
        [run] = (await session.scalars(select(JanitorRun))).all()
        # The first one is killed: its lease runs out.
        await session.execute(update(JanitorState).values(held_until=OLD))
    ended = await gateway.run(second)
    assert (ended.id, ended.state) == (run.id, "done"), "it goes on with the same run"
    assert await gateway.gone() == {f"1.{number}" for number in range(4)}
    assert gateway.files() == set()
    assert await first.step() is False


async def test_a_step_may_take_longer_than_the_lease(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is renewed meanwhile; and where it could not be, whoever has not been overtaken has lost nothing."""
    monkeypatch.setattr(lease, "HELD", timedelta(seconds=3))

    async def held_until() -> datetime:
        async with gateway.database.reading() as session:
            return (await session.scalars(select(JanitorState.held_until))).one() or OLD

    async def long(*_: object) -> Page:
        first = await held_until()
        async with asyncio.timeout(60):
            while await held_until() == first:
                await asyncio.sleep(0.05)
        assert await gateway.janitor().step() is False, "nobody takes over from one who is at work"
        return Page(cursor={"then": 1})

    async def stalled(*_: object) -> Page:
        async with gateway.database.session() as session:
            await session.execute(update(JanitorState).values(held_until=OLD))
        return Page(cursor={"then": 2})

    async def overtaken(*_: object) -> Page:
        async with gateway.database.session() as session:
            await session.execute(update(JanitorState).values(held_until=OLD))
        async with gateway.database.session() as session:
            assert await lease.claim(session, "another", {})
        return Page(cursor={"then": 3})

    for plan, then in ((long, 1), (stalled, 2)):
        monkeypatch.setitem(PHASES, "report", {"phase": plan})
        assert await gateway.engine.step()
        async with gateway.database.reading() as session:
            assert (await session.scalars(select(JanitorRun.cursor))).one() == {"then": then}
    monkeypatch.setitem(PHASES, "report", {"phase": overtaken})
    monkeypatch.setattr(lease, "HELD", timedelta(seconds=60))
    with pytest.raises(LeaseLost):
        await gateway.engine.step()
    async with gateway.database.reading() as session:
        assert (await session.scalars(select(JanitorRun.cursor))).one() == {"then": 2}


async def test_stopped_in_the_middle_it_removes_nothing_more(small: Gateway) -> None:
    for number in range(4):
        await small.study(f"1.{number}")
    await small.say("go")
    while not any(isinstance(event, RetentionEnded) and event.kind == "archive" for event in await _peek(small)):
        await small.engine.step()
    await small.say("stop")
    run = await small.run()
    assert run.state == "stopped"
    assert await small.gone() == set()
    kept = [line.why for (kind, _), line in (await small.lines(run)).items() if kind == "archive"]
    assert kept
    assert set(kept) == {"the janitor was stopped"}


async def _peek(gateway: Gateway) -> Sequence[Event]:
    async with gateway.database.reading() as session:
        return [Message.from_bytes(row).event() for row in await session.scalars(select(OutboxEntry.content))]


async def test_no_more_goes_than_has_to(sqlite: Database, store: Store) -> None:
    gateway = Gateway(sqlite, store, {"archive": {"quota_gib": 65536 / 2**30, "high": 60, "low": 40}})
    for number in range(4):
        await gateway.study(f"1.{number}")
        async with sqlite.session() as session:
            seen = OLD + timedelta(days=number)
            await session.execute(
                update(Study).where(Study.study_instance_uid == f"1.{number}").values(last_seen_at=seen)
            )
    await gateway.say("go")
    run = await gateway.run()
    assert run.counts["archive"]["need"] == pytest.approx(65536 * 0.6, rel=0.01), "8 files of two blocks each"
    assert await gateway.gone() == {"1.0", "1.1", "1.2", "1.3"}, "5000 bytes each are asked for, 8192 are given back"
    async with sqlite.reading() as session:
        disks = await session.scalar(select(JanitorState.disks))
    assert disks is not None
    assert disks["archive"]["percent"] == 100


async def test_what_is_about_to_go_is_counted_as_gone(sqlite: Database, store: Store) -> None:
    gateway = Gateway(sqlite, store, {"archive": {"quota_gib": 65536 / 2**30, "high": 60, "low": 40}})
    for number in range(4):
        await gateway.study(f"1.{number}")
    async with sqlite.session() as session:
        asked = {"run": "before", "state": "asked", "at": now()}
        session.add(JanitorLine(kind="archive", subject="1.9", size=30_000, **asked))
        session.add(JanitorLine(kind="anonymized", subject="t1.9", size=1_000_000, **asked))
        session.add(JanitorLine(kind="archive", subject="1.8", size=1_000_000, **asked | {"at": OLD}))
        ahead = {"at": now() + timedelta(hours=2)}
        session.add(JanitorLine(kind="archive", subject="1.7", size=1_000_000, **asked | ahead))
    run = await gateway.run()
    need = 65536 * 0.6 - 30_000
    assert run.counts["archive"]["need"] == pytest.approx(need, rel=0.01), "what was never answered is lost"


async def test_a_duplicate_in_a_folder_that_goes_is_stored_anew(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = ct_study(tmp_path / "study", images=1)
    [file] = study.files
    journal = Journal(store, "receiver")

    def receive() -> str:
        import pydicom

        with journal.association("CT", "FIONA", "127.0.0.1") as association:
            meta = pydicom.dcmread(file).file_meta
            raw = file.read_bytes()
            start = raw.index(b"\x08\x00\x05\x00")
            outcome = association.store(
                meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID, [raw[start:]]
            )
        return type(outcome).__name__ + str(outcome.status)

    receive()
    [kept] = (store / "archive").rglob("*.dcm")
    os.utime(kept, (0, 0))
    receive()
    assert kept.stat().st_mtime > 0, "sent again: whoever clears the archive sees that"
    os.rename(kept.parent, store / "archive/away")
    receive()
    assert kept.exists(), "and what was just taken away is stored anew"
    utime = os.utime

    def too_late(path: Path) -> None:
        # The name was found; until the file is touched it is somebody else's to remove.
        with kept.open("rb") as found:
            os.rename(kept.parent, store / "archive/away as well")
            utime(found.fileno())

    with monkeypatch.context() as patch:
        patch.setattr(os, "utime", too_late)
        receive()
    assert kept.exists(), "also if that was seen only after it was touched"
    journal.close()


async def test_the_doctor_finds_says_and_heals(gateway: Gateway, tmp_path: Path) -> None:
    store, database = gateway.store, gateway.database
    await gateway.study("1.1")
    await gateway.study("1.2", state=None)
    await gateway.study("1.3")
    (store / "archive/scp_1.1/1.1.1.1.dcm").unlink()
    (store / "archive/scp_1.2/1.2.1.1.dcm").unlink()
    (store / "archive/scp_1.3/1.3.1.1.dcm").write_bytes(b"short")
    study = ct_study(tmp_path / "study", images=2)
    folder = store / f"archive/scp_{study.study_instance_uid}"
    folder.mkdir(parents=True)
    import pydicom

    for file in study.files:
        os.rename(file, folder / f"{pydicom.dcmread(file).SOPInstanceUID}.dcm")
    (folder / "noise.dcm").write_bytes(b"no DICOM")
    store.write("archive/.removed/scp_1.1/x.dcm", b"x")
    forgotten, beat = new_id(), new_id()
    store.write(heartbeat_file(beat), b"waits behind a switch")
    async with database.session() as session:
        session.add(Heartbeat(id=beat))
    for name in (f"anonymized/{forgotten}", f"anonymized/{beat}", f"review/{forgotten}", "exports/PROJECT/x.zip"):
        (store / name).mkdir(parents=True)
        os.utime(store / name, (OLD.timestamp(), OLD.timestamp()))
    for path in (store / "archive").rglob("*.dcm"):
        os.utime(path, (OLD.timestamp(), OLD.timestamp()))

    await gateway.say("examine")
    examined = await gateway.run()
    assert (examined.kind, examined.state) == ("examine", "done")
    async with database.reading() as session:
        rows = (await session.scalars(select(JanitorFinding))).all()
    unknown = {row.subject for row in rows if row.sort == "nobody_knows"}
    assert unknown == {f"anonymized/{forgotten}", f"review/{forgotten}", "exports/PROJECT/x.zip"}
    found = {(row.sort, row.study_instance_uid): row for row in rows if row.sort != "nobody_knows"}
    new = study.study_instance_uid
    assert {key: row.number for key, row in found.items()} == {
        ("row_without_file", "1.1"): 1,
        ("row_without_file", "1.2"): 1,
        ("size_differs", "1.3"): 1,
        ("file_without_row", new): 3,
        ("removal_unfinished", "1.1"): 1,
        ("links_stale", None): 1,
    }, "each link in a part of its own"
    assert "nothing is lost" in found["row_without_file", "1.1"].meaning
    assert "ask the sender" in found["row_without_file", "1.2"].meaning
    assert "1 of them are no DICOM" in found["file_without_row", new].meaning
    assert not any(row.healing for row in rows)
    assert await _peek(gateway) == []

    await gateway.say("heal")
    for _ in range(40):
        await gateway.engine.step()
    events = await gateway.owed()
    [received] = [event for event in events if isinstance(event, InstancesReceived)]
    from services.indexer.classification.rules import load
    from services.indexer.headers.image import Reader

    with ThreadPoolExecutor(1) as executor:
        reader = Reader(store, load(None), executor, 1)
        await indexer.index(received, database, store, VAULT, reader, Clock())
    for event in events:
        if isinstance(event, RetentionEnded) and event.kind == "missing":
            await indexer.expire(event, database, store, VAULT, Clock())
    async with database.reading() as session:
        assert len((await session.scalars(select(Instance).where(Instance.study_instance_uid == new))).all()) == 2
        lost = select(Instance.sop_instance_uid).where(Instance.removed_by == "missing")
        assert set(await session.scalars(lost)) == {"1.1.1.1", "1.2.1.1"}
    assert (folder / "noise.dcm").exists(), "nothing is ever deleted by it"


async def test_what_left_since_the_backup_of_the_database_is_not_lost(gateway: Gateway) -> None:
    """Rows as they were before the sweep; one study has come again after it, and is lost."""
    await gateway.study("1.1")
    await gateway.study("1.2")
    await gateway.run()
    await gateway.say("go")
    await gateway.run()
    assert await gateway.gone() == {"1.1", "1.2"}
    async with gateway.database.session() as session:
        await session.execute(update(Instance).values(removed_at=None, removed_by=None))
        await session.execute(update(Study).values(removed_at=None))
        await session.execute(update(Study).where(Study.study_instance_uid == "1.2").values(last_seen_at=now()))

    await gateway.say("stop", "examine")
    run = await gateway.run()
    async with gateway.database.reading() as session:
        rows = (await session.scalars(select(JanitorFinding).where(JanitorFinding.run == run.id))).all()
    found = {(row.sort, row.study_instance_uid): row.meaning for row in rows if row.study_instance_uid}
    assert set(found) == {("row_of_removed_file", "1.1"), ("row_without_file", "1.2")}
    assert found["row_of_removed_file", "1.1"].startswith(f"nothing is lost: a policy removed them on {now():%Y-%m-%d}")

    await gateway.say("heal")
    await gateway.run()
    async with gateway.database.reading() as session:
        by = (await session.execute(select(Instance.study_instance_uid, Instance.removed_by).distinct())).all()
    assert sorted(map(tuple, by)) == [("1.1", "archive"), ("1.2", "missing")]
    assert await gateway.gone() == {"1.1", "1.2"}


async def test_people_see_a_report_before_they_say_go(sqlite: Database, tmp_path: Path) -> None:
    async with running(sqlite, tmp_path / "store") as api:
        answer = await api.get("/janitor")
        assert (answer.json()["going"], answer.json()["seen_at"]) == (False, None)
        assert "audit_entries" in answer.json()["elsewhere"]
        assert kind(await api.post("/janitor/go")) == "nothing-reported"
        assert kind(await api.post("/janitor/runs", {"kind": "sweep"})) == "janitor-stopped"
        gateway = Gateway(sqlite, Store(tmp_path / "store"))
        await gateway.study("1.1")
        order = (await api.post("/janitor/runs", {"kind": "report"})).json()["id"]
        assert kind(await api.get(f"/janitor/runs/{order}")) == "unknown-run", "it has not begun"
        await gateway.run()
        run = (await api.get(f"/janitor/runs/{order}")).json()
        assert (run["kind"], run["state"], run["counts"]["archive"]["may_go"]) == ("report", "done", 1)
        lines = (await api.get(f"/janitor/runs/{run['id']}/lines", state="planned")).json()
        assert "1.1" in {line["subject"] for line in lines["items"]}
        assert (await api.post("/janitor/go")).json()["going"] is True
        await gateway.run()
        [latest, _] = (await api.get("/janitor/runs")).json()["items"]
        assert latest["removed"]["archive"]["files"] == 2
        assert (await api.get("/janitor/runs", kind="examine")).json()["total"] == 0
        assert (await api.get(f"/janitor/runs/{run['id']}/findings")).json()["items"] == []
        assert (await api.post("/janitor/stop")).json()["said_by"] != ""
        assert (await api.get("/janitor")).json()["disks"]["archive"]["percent"] > 0
