"""Who hears what, and how much waits for whoever does not listen."""

import asyncio

import pytest

from services.api.actor import EVERY_PROJECT, Actor, ProjectRole, SystemRole
from services.api.problems import Problem
from services.api.settings import ApiSettings
from services.api.stream import watcher as watching
from services.api.stream.feed import Feed
from services.api.stream.news import News, may_hear
from services.api.stream.watcher import End, Watcher
from shared.database import Database

ALL = Actor("k.olsen", frozenset(SystemRole))
ENTRY = frozenset({ProjectRole.DATA_ENTRY})
CONTROLLER = frozenset({ProjectRole.CONTROLLER})
WAITING = News(1, "study", {})
OURS = News(2, "transfer", {}, frozenset({"ABCD-study"}), {"ABCD-study": "oslo"})
THEIRS = News(3, "transfer", {}, frozenset({"EFGH-study"}))


def system(role: SystemRole) -> Actor:
    return Actor(role.value, frozenset({role}))


@pytest.mark.parametrize(
    ("actor", "hears"),
    [
        (system(SystemRole.ADMINISTRATOR), [1, 2, 3]),
        (system(SystemRole.OPERATOR), [1, 2, 3]),
        (system(SystemRole.AUDITOR), []),
        (Actor("stranger"), []),
        (Actor("everywhere", projects={EVERY_PROJECT: ENTRY}), [1, 2, 3]),
        (Actor("member", projects={"ABCD-study": ENTRY}), [1, 2]),
        (Actor("assigns nothing", projects={"ABCD-study": CONTROLLER}), [2]),
        (Actor("here", projects={"ABCD-study": ENTRY}, sites={"ABCD-study": frozenset({"oslo"})}), [1, 2]),
        (Actor("elsewhere", projects={"ABCD-study": ENTRY}, sites={"ABCD-study": frozenset({"bergen"})}), [1]),
    ],
)
def test_everybody_hears_what_they_may(actor: Actor, hears: list[int]) -> None:
    assert [each.sequence for each in (WAITING, OURS, THEIRS) if may_hear(actor, each)] == hears


async def test_a_slow_reader_is_told_so_and_then_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "GRACE", 0.01)
    opened = asyncio.Event()
    slow: list[Watcher] = []

    async def reads_nothing() -> None:
        slow.append(Watcher(ALL))
        opened.set()
        await asyncio.Event().wait()

    reading = asyncio.create_task(reads_nothing())
    await opened.wait()
    for number in range(watching.WAITING + 10):
        slow[0].offer(News(number, "study", {}))
    assert await slow[0].next() == End("slow"), "what waited is dropped"
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_stream_does_not_last_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LASTS", 0.0)
    assert await Watcher(ALL).next() == End("renew")


async def test_nobody_watches_too_often(sqlite: Database) -> None:
    feed = Feed(sqlite, ApiSettings(streams=3, streams_per_person=2))
    first, second = Actor("first"), Actor("second")
    seats = [feed.enter(first), feed.enter(first)]
    with pytest.raises(Problem, match="too-many-streams"):
        feed.enter(first)
    seats.append(feed.enter(second))
    with pytest.raises(Problem, match="busy"):
        feed.enter(second)
    feed.end("signed-out", "first")
    assert await seats[0].next() == End("signed-out")
    for seat in seats:
        seat.close()
        feed.leave(seat)
    feed.leave(feed.enter(first))
