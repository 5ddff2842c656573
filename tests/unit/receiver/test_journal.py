"""The journal: nothing acknowledged is lost, nothing else is kept, wherever it is interrupted."""

import asyncio
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from shared import tracing
from shared.bus import BusUnavailable
from shared.dicom.filemeta import read_meta
from shared.events import AssociationClosed, Event, InstancesReceived
from shared.journal import Association, Journal, Kind, Publisher, Refusal
from shared.journal.outcome import REASONS
from shared.settings import Settings
from shared.store import Store
from shared.tracing.export import configure
from tests.components.otlp import Collector
from tests.components.receiver import ListBus

CONTENT = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
META = read_meta(CONTENT)
DATASET = CONTENT[META.dataset :]
OLD = META.sop_instance_uid.encode()


def uid(number: int) -> str:
    """A SOP Instance UID as long as the original's."""
    text = f"1.2.3.{10_000 + number}"
    return text + "1" * (len(OLD) - len(text))


def put(association: Association, number: int, flip: int = 0) -> Any:
    """Store instance `number`, with another last byte if asked."""
    dataset = bytearray(DATASET.replace(OLD, uid(number).encode()))
    dataset[-1] ^= flip
    return association.store(META.sop_class_uid, uid(number), META.transfer_syntax_uid, [dataset[:999], dataset[999:]])


def flush(journal: Journal, bus: ListBus) -> None:
    """Publish all that is owed now."""
    asyncio.run(Publisher(journal, bus).flush())


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    journal = Journal(store, "test")
    yield journal
    journal.close()


@pytest.fixture
def bus() -> ListBus:
    return ListBus()


def owed(journal: Journal) -> list[str]:
    """The names of all files in the journal but locks and facts."""
    files = (journal.store.root / "journal").rglob("*")
    return sorted(p.name for p in files if p.is_file() and p.name not in ("lock", "association.json"))


def test_kept_published_forgotten(journal: Journal, bus: ListBus) -> None:
    with journal.association("CALLING", "CALLED", "10.0.0.1") as association:
        outcomes = [put(association, n) for n in range(3)]
        assert [o.kind for o in outcomes] == [Kind.KEPT] * 3
        assert [o.status for o in outcomes] == [0] * 3
        assert len(owed(journal)) == 3
        flush(journal, bus)
        assert len(bus.messages) == 1
    flush(journal, bus)
    received, closed = bus.events()
    assert isinstance(received, InstancesReceived)
    assert [i.sop_instance_uid for i in received.instances] == [uid(n) for n in range(3)]
    assert outcomes[0].instance == received.instances[0]
    assert closed == AssociationClosed(association=association.facts.id, instances=3)
    assert list(journal.folder.iterdir()) == [journal.folder / "lock"]


def test_an_association_that_brought_nothing_says_nothing(journal: Journal, bus: ListBus) -> None:
    with journal.association("A", "B", "") as first:
        put(first, 1)
    with journal.association("A", "B", ""):
        pass
    with journal.association("A", "B", "") as again:
        assert put(again, 1).kind is Kind.DUPLICATE
        assert again.store(META.sop_class_uid, uid(2), META.transfer_syntax_uid, [b"x"]).status == 0xC000
    flush(journal, bus)
    assert [m.name for m in bus.messages] == ["instances.received.v1", "association.closed.v1"]
    assert list(journal.folder.iterdir()) == [journal.folder / "lock"]


def test_conflicts_are_kept_beside(journal: Journal, bus: ListBus) -> None:
    with journal.association("A", "B", "") as association:
        kinds = [put(association, 1, flip).kind for flip in (0, 1, 2, 1, 0)]
    assert kinds == [Kind.KEPT, Kind.CONFLICT, Kind.CONFLICT, Kind.DUPLICATE, Kind.DUPLICATE]
    flush(journal, bus)
    assert [i.conflict for i in bus.instances()] == [False, True, True]
    assert len({i.path for i in bus.instances()}) == 3


def test_an_error_in_the_chunks_leaves_nothing(journal: Journal) -> None:
    def chunks() -> Iterator[bytes]:
        yield DATASET[:100]
        raise ConnectionError

    with journal.association("A", "B", "") as association, pytest.raises(ConnectionError):
        association.store(META.sop_class_uid, uid(1), META.transfer_syntax_uid, chunks())
    assert owed(journal) == []
    assert not (journal.store.root / "archive").exists()


def test_every_refusal_has_a_reason_that_fits_an_error_comment() -> None:
    assert set(REASONS) == set(Refusal)
    assert all(0 < len(reason) <= 64 for reason in REASONS.values())


def test_a_bus_that_is_away(journal: Journal, bus: ListBus) -> None:
    bus.away = True
    with journal.association("A", "B", "") as association:
        put(association, 1)
    with pytest.raises(BusUnavailable):
        flush(journal, bus)
    assert len(owed(journal)) == 1
    bus.away = False
    flush(journal, bus)
    assert [i.sop_instance_uid for i in bus.instances()] == [uid(1)]
    assert journal.associations() == []


def test_more_than_memory_holds_is_read_from_disk_again(store: Store, bus: ListBus) -> None:
    journal = Journal(store, "test", most_in_memory=3)
    with journal.association("A", "B", "") as one, journal.association("A", "B", "") as two:
        for n in range(10):
            put(one, n)
            put(two, 100 + n)
        flush(journal, bus)
        for n in range(10, 15):
            put(one, n)
    for _ in range(3):
        flush(journal, bus)
    assert sorted(i.sop_instance_uid for i in bus.instances()) == sorted(uid(n) for n in (*range(15), *range(100, 110)))
    closed = [e for e in bus.events() if isinstance(e, AssociationClosed)]
    assert sorted(e.instances for e in closed) == [10, 15]
    assert owed(journal) == []
    journal.close()


def test_replicas_with_the_same_instance_at_once(journal: Journal, bus: ListBus) -> None:
    other = Journal(journal.store, "other")

    def send(which: Journal) -> list[Kind]:
        with which.association("A", "B", "") as association:
            return [put(association, n).kind for n in range(20)]

    with ThreadPoolExecutor(4) as pool:
        kinds = list(pool.map(send, [journal, other, journal, other]))
    for n in range(20):
        assert sorted(k[n] for k in kinds) == [Kind.DUPLICATE] * 3 + [Kind.KEPT]
    flush(journal, bus)
    flush(other, bus)
    assert sorted(i.sop_instance_uid for i in bus.instances()) == sorted(uid(n) for n in range(20))
    other.close()


def test_the_living_are_not_robbed(journal: Journal) -> None:
    other = Journal(journal.store, "other")
    association = journal.association("A", "B", "")
    put(association, 1)
    assert other.recover() == 0
    association.close()
    other.close()


def test_publishing_twice_after_a_crash_between_bus_and_disk(journal: Journal, bus: ListBus) -> None:
    association = journal.association("A", "B", "")
    for n in range(4):
        put(association, n)
    association.settle(association.take(2))
    journal.close()
    heir = Journal(journal.store, "heir")
    assert heir.recover() == 1
    flush(heir, bus)
    assert [i.sop_instance_uid for i in bus.instances()] == [uid(2), uid(3)]
    assert bus.events()[-1] == AssociationClosed(association=association.facts.id, instances=4)
    heir.close()


def test_what_cannot_be_read_any_more_is_set_aside(journal: Journal, bus: ListBus) -> None:
    association = journal.association("A", "B", "")
    put(association, 1)
    put(association, 2)
    journal.close()
    (first, _) = sorted((journal.folder / association.facts.id).glob("*.owed"))
    os.chmod(first, 0o600)
    first.write_bytes(bytes(first.stat().st_size))
    heir = Journal(journal.store, "heir")
    heir.recover()
    flush(heir, bus)
    assert [i.sop_instance_uid for i in bus.instances()] == [uid(2)]
    assert len(list((journal.store.root / "journal" / ".unreadable").iterdir())) == 1
    heir.close()


class PowerCut(BaseException):
    """Ends everything at a chosen call."""


STEPS = ("open", "writev", "rename", "fsync", "link", "mkdir", "unlink")


def cut_at(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """Let nothing that changes the disk happen from the `moment`-th call of any step on."""
    calls = 0

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def step(*arguments: Any, **keywords: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= moment:
                raise PowerCut
            return real(*arguments, **keywords)

        monkeypatch.setattr(os, name, step)

    for name in STEPS:
        wrap(name)


@pytest.mark.parametrize("moment", range(1, 80))
def test_killed_at_any_call(moment: int, store: Store, monkeypatch: pytest.MonkeyPatch, bus: ListBus) -> None:
    journal = Journal(store, "victim")
    acknowledged: list[str] = []
    published_before = ListBus()

    def life() -> None:
        association = journal.association("A", "B", "")
        for n, flip in ((1, 0), (2, 0), (1, 1)):
            put(association, n, flip)
            acknowledged.append(uid(n))
        flush(journal, published_before)
        put(association, 3)
        acknowledged.append(uid(3))
        association.close()
        flush(journal, published_before)

    with monkeypatch.context() as patch:
        cut_at(patch, moment)
        with suppress(PowerCut):
            life()
    os.close(journal._own._descriptor)  # as the kernel does
    heir = Journal(store, "heir")
    heir.recover()
    for _ in range(2):
        flush(heir, bus)
    instances = published_before.instances() + bus.instances()
    published = [i.sop_instance_uid for i in instances]
    assert set(acknowledged) <= set(published)
    assert len(set(published)) <= len(set(acknowledged)) + 1
    archived = {str(p.relative_to(store.root)) for p in (store.root / "archive").rglob("*.dcm")}
    assert {i.path for i in instances} == archived
    for i in instances:
        content = (store.root / i.path).read_bytes()
        assert len(content) == i.size
        assert content[read_meta(content).dataset :][:-1] == DATASET.replace(OLD, i.sop_instance_uid.encode())[:-1]
    assert owed(heir) == []
    assert heir.associations() == []
    heir.close()


def test_the_trace_of_an_association_outlives_the_process(store: Store, bus: ListBus) -> None:
    origin = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    dead = Journal(store, "dead")
    traced, plain = dead.association("A", "B", "", origin), dead.association("A", "B", "")
    for number, association in enumerate((traced, plain)):
        put(association, number)
        facts = json.loads((dead.folder / association.facts.id / "association.json").read_text())
        assert ("traceparent" in facts) is (association is traced)
        # What a later version may have written.
        facts["more"] = "of what this one does not know"
        (dead.folder / association.facts.id / "association.json").write_text(json.dumps(facts))
    dead.close()
    with Collector() as collector:
        end = configure(Settings.model_validate({"otlp_endpoint": collector.url}), ["receiver"])
        journal = Journal(store, "alive")
        assert journal.recover() == 2
        flush(journal, bus)
        journal.close()
        end()
    traces = {_association(message.event()): message.traceparent for message in bus.messages}
    assert tracing.same_trace(traces[traced.facts.id], origin)
    assert not tracing.same_trace(traces[plain.facts.id], origin)
    assert {span.parent for span in collector.trace(origin[3:35])} == {origin[36:52]}


def _association(event: Event) -> str:
    assert isinstance(event, InstancesReceived | AssociationClosed)
    return event.association
