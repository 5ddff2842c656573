"""A disk that does not give out one association's files holds up no other, and nothing is forgotten."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from shared.dicom.filemeta import read_meta
from shared.events import AssociationClosed
from shared.journal import Association, Journal, Publisher
from shared.journal.association import FACTS
from shared.recovery import files
from shared.store import Store
from tests.components.receiver import ListBus

CONTENT = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
META = read_meta(CONTENT)
OLD = META.sop_instance_uid.encode()


def put(journal: Journal, number: int) -> Association:
    """An association that has brought one instance and ended."""
    new = f"1.2.3.{10_000 + number}".ljust(len(OLD), "1")
    association = journal.association("A", "B", "")
    dataset = CONTENT[META.dataset :].replace(OLD, new.encode())
    association.store(META.sop_class_uid, new, META.transfer_syntax_uid, [dataset])
    association.close()
    return association


def closed(bus: ListBus) -> set[str]:
    return {event.association for event in bus.events() if isinstance(event, AssociationClosed)}


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    journal = Journal(store, "test")
    yield journal
    journal.close()


@pytest.mark.parametrize("step", ["take", "settle"])
def test_one_that_fails_holds_up_no_other(journal: Journal, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, *good = (put(journal, n) for n in range(20))
    bus = ListBus()
    publisher = Publisher(journal, bus)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(bad, step, fail)
        with pytest.raises(OSError, match="Input/output error"):
            asyncio.run(publisher.flush())
    assert closed(bus) == {each.facts.id for each in good}
    assert journal.associations() == [bad]
    asyncio.run(publisher.flush())
    assert bad.facts.id in closed(bus)
    assert journal.associations() == []


def test_one_that_cannot_be_recovered_is_tried_again(journal: Journal) -> None:
    bad, good = put(journal, 1), put(journal, 2)
    facts = journal.folder / bad.facts.id / FACTS
    content = facts.read_text()
    facts.write_text("{")
    journal.close()
    heir = Journal(journal.store, "heir")
    bus = ListBus()
    assert heir.recover() == 1
    facts.write_text(content)
    assert heir.recover() == 1
    asyncio.run(Publisher(heir, bus).flush())
    assert closed(bus) == {bad.facts.id, good.facts.id}
    assert not journal.folder.exists()
    assert heir.recover() == 0
    heir.close()


def test_a_folder_of_which_nothing_could_be_recovered_is_let_go_for_others(journal: Journal) -> None:
    bad = put(journal, 1)
    facts = journal.folder / bad.facts.id / FACTS
    content = facts.read_text()
    facts.write_text("{")
    journal.close()
    heir, other = Journal(journal.store, "heir"), Journal(journal.store, "other")
    assert heir.recover() == 0
    facts.write_text(content)
    assert other.recover() == 1
    heir.close()
    other.close()


async def test_publishing_goes_on_while_nothing_can_be_recovered(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise OSError(5, "Input/output error")

    association = put(journal, 1)
    monkeypatch.setattr(journal, "recover", fail)
    bus = ListBus()
    running = asyncio.create_task(Publisher(journal, bus, every=0.05).run())
    async with asyncio.timeout(60):
        while association.facts.id not in closed(bus):
            await asyncio.sleep(0.02)
    running.cancel()


def test_what_a_backup_has_of_a_journal_is_published_where_it_comes_back(journal: Journal, tmp_path: Path) -> None:
    """What was owed when it was made was acknowledged, and nobody will send it again."""
    owed = put(journal, 1)
    back = tmp_path / "back"
    for path in files.walk(journal.store.root):
        copy = back / path.relative_to(journal.store.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    bus = ListBus()
    there = Journal(Store(back), "test")
    assert there.recover() == 1
    asyncio.run(Publisher(there, bus).flush())
    assert closed(bus) == {owed.facts.id}
    there.close()
