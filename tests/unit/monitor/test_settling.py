"""A state needs some looks in a row; what flaps is not called well before it is calm."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.monitor.readings import Reading, State, by_limits, lasting
from services.monitor.settling import Known, Rules, gone, is_flapping, settle

START = datetime(2026, 1, 5, 10, tzinfo=UTC)
RULES = Rules(looks=2, flapping=4, calm=timedelta(minutes=10))


def looked(
    said: Sequence[State | None], known: Known | None = None, every: float = 30, start: datetime = START
) -> list[Known | None]:
    """What is known after each look."""
    found = []
    for number, state in enumerate(said):
        at = start + timedelta(seconds=every * number)
        known = settle(known, Reading("destination", "research", state, f"is {state}"), RULES, at)
        found.append(known)
    return found


def states(said: Sequence[State | None]) -> list[State | None]:
    return [None if known is None else known.state for known in looked(said)]


def test_one_look_is_not_enough() -> None:
    assert states(["ok", "failing", "ok", "ok"]) == ["ok", "ok", "ok", "ok"]
    assert states(["ok", "failing", "failing", "ok", "ok"]) == ["ok", "ok", "failing", "failing", "ok"]


def test_of_what_is_new_it_is_hoped_that_it_is_well() -> None:
    assert states(["failing", "failing"]) == ["ok", "failing"]


def test_it_says_since_when_and_in_the_words_of_a_look_that_said_so() -> None:
    first, second, third = looked(["failing", "failing", "ok"])
    assert first is not None
    assert second is not None
    assert third is not None
    assert second.since == START + timedelta(seconds=30)
    assert (third.state, third.since, third.detail) == ("failing", second.since, "is failing")


def test_what_could_not_be_looked_at_stays_as_it_was() -> None:
    assert states([None, "failing", None, "failing", None]) == [None, "ok", "ok", "failing", "failing"]


def test_what_flaps_may_get_worse_but_is_well_only_when_it_is_calm() -> None:
    flapping = looked(["ok", "failing", "failing", "ok", "failing", "ok", "ok", "ok", "ok"])
    last = flapping[-1]
    assert last is not None
    assert is_flapping(last, RULES)
    assert [known and known.state for known in flapping] == ["ok", "ok", *["failing"] * 7]
    calm = looked(["ok"] * 3, last, every=120, start=last.looked_at + timedelta(minutes=6))
    assert [known and known.state for known in calm] == ["failing", "failing", "ok"]


def test_old_changes_are_forgotten() -> None:
    slow = looked(["ok", "failing"] * 6, every=1200)
    assert slow[-1] is not None
    assert not is_flapping(slow[-1], RULES)


def test_what_is_not_there_any_more_is_gone_and_what_was_not_looked_at_is_not() -> None:
    [known] = looked(["ok"])
    assert known is not None
    everything = {known.key: known, ("disk", "store"): known}
    assert gone(everything, frozenset({"destination"}), frozenset()) == [("destination", "research")]
    assert gone(everything, frozenset({"destination"}), frozenset({known.key})) == []


def test_limits_and_spans() -> None:
    assert [by_limits(value, 0.8, 0.9) for value in (0.1, 0.8, 0.9)] == ["ok", "warning", "failing"]
    assert [lasting(seconds) for seconds in (5, 119, 120, 7200, 90000, 259200)] == [
        "5 s", "119 s", "2 min", "2 h", "25 h", "3 d",
    ]  # fmt: skip
