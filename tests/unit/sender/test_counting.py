"""When a transfer is whole, and its sums; which instances of a part are next."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from services.sender.clients.protocol import Found, Outgoing
from services.sender.counting import completed, whole
from services.sender.parts import unanswered
from services.sender.records import Record
from shared.scu.statuses import NO_ANSWER, Verdict
from shared.tables.base import now
from shared.tables.sender import Delivery

DAYS = timedelta(days=3)


def delivery(series: str, destination: str, **more: Any) -> Delivery:
    row: dict[str, Any] = {
        "transfer": "t",
        "destination": destination,
        "series_instance_uid": series,
        "revision": 1,
        "parts": 2,
        "destinations": ["pacs", "folder"],
        "quarantined": 0,
        "left_out": 0,
        "delivered": 10,
        "refused": 0,
        "counted": 10,
    }
    return Delivery(**row | more)


def all_four(**more: Any) -> list[Delivery]:
    return [delivery(series, name, **more) for series in ("1", "2") for name in ("pacs", "folder")]


def test_whole_with_the_last_part_at_the_last_destination() -> None:
    parts = all_four()
    assert whole(parts)
    for left_out in range(4):
        assert not whole(parts[:left_out] + parts[left_out + 1 :])
    assert not whole([])


def test_the_sums_are_those_of_one_destination() -> None:
    event = completed(all_four(quarantined=1, left_out=3))
    assert (event.delivered, event.quarantined, event.left_out, event.counted) == (20, 2, 6, 20)


def test_counted_is_what_every_destination_confirms() -> None:
    parts = all_four()
    for part in parts:
        if part.destination == "pacs":
            part.counted = 0
    assert completed(parts).counted == 0


def test_a_destination_confirms_what_was_sent_and_not_what_it_had() -> None:
    sent = frozenset("abc")
    assert Found(frozenset("abcde"), 5).confirms(sent) == 3
    assert Found(frozenset("axyz"), 4).confirms(sent) == 1
    assert Found(None, 5).confirms(sent) == 3
    assert Found(None, 2).confirms(sent) == 2


def record(status: int, tries: int = 1, age: timedelta = timedelta(0)) -> Record:
    return Record(status, tries, now() - age)


def test_later_becomes_refused_after_many_tries_over_a_long_time() -> None:
    assert record(0xA700, 100).settled(DAYS) is Verdict.LATER
    assert record(0xA700, 2, 2 * DAYS).settled(DAYS) is Verdict.LATER
    assert record(0xA700, 100, 2 * DAYS).settled(DAYS) is Verdict.REFUSED
    assert record(0x0000, 100, 2 * DAYS).settled(DAYS) is Verdict.TAKEN


def test_what_was_tried_before_comes_last_and_what_is_settled_not_at_all() -> None:
    files = [Outgoing(Path("x"), "1", "2", uid, "1", "1", 1) for uid in "abcdef"]
    answers = {"a": record(NO_ANSWER, 3), "b": record(0), "c": record(0xA700, 1), "d": record(0xA900)}
    assert [each.sop_instance_uid for each in unanswered(files, answers, DAYS)] == ["e", "f", "c", "a"]
