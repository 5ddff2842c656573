"""From single looks to what is so: a state needs some looks in a row, and what flaps is not well until it is calm.

Pure: the clock comes with the reading.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.monitor.readings import ORDER, Reading, State

WINDOW: Final = timedelta(minutes=30)
"""In which changes are counted."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Rules:
    """How soon something is believed."""

    looks: int = 2
    flapping: int = 6
    calm: timedelta = timedelta(minutes=10)


@dataclass(frozen=True)
class Known:
    """All that is known of one thing; `state` is settled, `seen` is what the last `seen_times` looks said."""

    name: str
    subject: str
    state: State
    since: datetime
    detail: str
    value: float | None
    seen: State
    seen_times: int
    looked_at: datetime
    changes: tuple[datetime, ...] = ()
    mailed: State = "ok"
    posted: State = "ok"

    @property
    def key(self) -> Key:
        """What it is called."""
        return self.name, self.subject


def first(reading: Reading, state: State, now: datetime) -> Known:
    """Of what was never seen before it is hoped that it is well, until it has been seen often enough."""
    return Known(
        name=reading.check, subject=reading.subject, state="ok", since=now, detail=reading.detail, value=reading.value,
        seen=state, seen_times=0, looked_at=now,
    )  # fmt: skip


def settle(known: Known | None, reading: Reading, rules: Rules, now: datetime) -> Known | None:
    """What is known after one more look."""
    if reading.state is None:
        return known
    before = known or first(reading, reading.state, now)
    same = before.seen == reading.state
    changes = tuple(each for each in before.changes if now - each < WINDOW) + (() if same else (now,))
    after = replace(
        before,
        seen=reading.state,
        seen_times=before.seen_times + 1 if same else 1,
        changes=changes,
        looked_at=now,
        value=reading.value,
    )
    state = _state(after, rules, now)
    # While a state is believed, its words are those of a look that said so.
    detail = reading.detail if reading.state == state or not before.detail else before.detail
    if state == before.state:
        return replace(after, detail=detail)
    return replace(after, state=state, since=now, detail=reading.detail)


def _state(after: Known, rules: Rules, now: datetime) -> State:
    if after.seen == after.state:
        return after.state
    better = ORDER.index(after.seen) < ORDER.index(after.state)
    if is_flapping(after, rules) and better and now - after.changes[-1] < rules.calm:
        return after.state
    return after.seen if after.seen_times >= rules.looks else after.state


def is_flapping(known: Known, rules: Rules) -> bool:
    """Whether it has gone to and fro too often to be believed."""
    return len(known.changes) >= rules.flapping


def gone(known: Mapping[Key, Known], covered: frozenset[str], seen: frozenset[Key]) -> list[Key]:
    """What is not there any more: a sort of thing was looked at whole, and this one was not among them."""
    return [key for key in known if key[0] in covered and key not in seen]
