"""What can be done to a chain, and how it is called."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.audit.settling import PATIENCE, settle, unanswered
from shared.audit import Record
from shared.audit.chain import START, Link, damage, entry_hash

KEY = b"k" * 32
AT = datetime(2026, 1, 5, 10, 15, tzinfo=UTC)
Chain = list[dict[str, Any]]


def chain(length: int = 4, key: bytes = KEY) -> Chain:
    entries: Chain = []
    last = START
    for number in range(1, length + 1):
        record = Record(id=f"r{number}", at=AT, operation="show_study", outcome="done")
        entry = record.model_dump() | {"sequence": number, "previous": last.hash}
        entry["hash"] = entry_hash(key, entry)
        last = Link(number, entry["hash"])
        entries.append(entry)
    return entries


def walk(entries: Chain, head: int | None = 4) -> tuple[int, str] | None:
    last = START
    for entry, after in zip(entries, [*entries[1:], None], strict=True):
        if found := damage(KEY, last, entry, after, head):
            return entry["sequence"], found
        last = Link(entry["sequence"], entry["hash"])
    return None


def change(entries: Chain) -> None:
    entries[1]["actor"] = "somebody else"


def change_with_a_hash(entries: Chain) -> None:
    entries[1]["outcome"] = "refused"
    entries[1]["hash"] = entry_hash(b"another key" * 3, entries[1])


def change_the_last(entries: Chain) -> None:
    entries[3]["details"] = {"fields": ["patient_id"]}


def remove(entries: Chain) -> None:
    del entries[1]


def remove_and_renumber(entries: Chain) -> None:
    del entries[1]
    for number, entry in enumerate(entries, 1):
        entry["sequence"] = number


def insert(entries: Chain) -> None:
    forged = Record(operation="x", outcome="done").model_dump()
    entries.insert(1, forged | {"previous": entries[0]["hash"], "hash": "0" * 64})
    for number, entry in enumerate(entries, 1):
        entry["sequence"] = number


def insert_at_the_end(entries: Chain) -> None:
    forged = Record(operation="x", outcome="done").model_dump()
    entries.append(forged | {"sequence": 5, "previous": entries[-1]["hash"], "hash": "0" * 64})


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (change, (2, "changed")),
        (change_with_a_hash, (2, "changed")),
        (change_the_last, (4, "changed")),
        (remove, (3, "removed")),
        (remove_and_renumber, (2, "removed")),
        (insert, (2, "inserted")),
        (insert_at_the_end, (5, "inserted")),
    ],
)
def test_what_was_done_is_named(harm: Callable[[Chain], None], found: tuple[int, str]) -> None:
    entries = chain()
    assert walk(entries) is None
    harm(entries)
    assert walk(entries) == found


def test_without_the_key_no_chain_fits() -> None:
    assert walk(chain(key=b"another key" * 3)) == (1, "changed")


def test_a_moment_has_one_form_in_every_zone() -> None:
    entry = chain(1)[0]
    hashed = entry["hash"]
    entry["at"] = AT.astimezone(datetime.strptime("+0200", "%z").tzinfo)
    assert entry_hash(KEY, entry) == hashed


def test_what_was_asked_and_never_answered_stands_once_it_is_late() -> None:
    asked = Record(operation="assign_study", outcome="asked", at=AT)
    other = Record(operation="add_rule", outcome="asked", at=AT)
    done = other.model_copy(update={"outcome": "done", "status": 201})
    first, second = Path("1"), Path("2")
    files = {first: [asked, other], second: [done]}
    assert settle(files, set(), AT + timedelta(seconds=1)) == ([done], [])
    assert settle(files, {done.id}, AT + timedelta(seconds=2)) == ([], [second])
    late, gone = settle({first: files[first]}, {done.id}, AT + PATIENCE)
    assert ([each.outcome for each in late], gone) == (["unanswered"], [])
    assert settle({first: files[first]}, {done.id, late[0].id}, AT + PATIENCE) == ([], [first])


def test_an_answer_that_comes_very_late_is_an_entry_of_its_own() -> None:
    asked = Record(operation="store", outcome="asked", at=AT)
    done = asked.model_copy(update={"outcome": "done", "status": 200})
    files = {Path("1"): [asked], Path("2"): [done]}
    assert settle(files, {unanswered(asked).id}, AT + PATIENCE) == ([done], [Path("1")])
