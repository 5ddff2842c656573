"""Events that a REDCap project lacks are added, once, where the token and REDCap allow it; else a person is told."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from services.redcap.mapping import Mapping, OneProject
from services.redcap.rounds import Rounds
from shared.database import Database
from shared.store import Store
from shared.tables import Project, RedcapDifference, RedcapTarget, Transfer
from tests.components.redcap import RedcapServer
from tests.integration.redcap_road import again_at_once, all_paid, happened, owed, target
from tests.integration.redcap_setting import INCOMING_TOKEN, PROJECT, PROJECT_TOKEN, SENT, fill, incoming, own, service

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PARTICIPANT = "ABCD-0017"
FOLLOW_UP = "followup_arm_1"
DESIGN = ["arm.import", "event.import", "formEventMapping.import", "repeatingFormsEvents.import"]


@pytest.fixture
def server() -> Iterator[RedcapServer]:
    with RedcapServer(incoming(), own()) as running:
        running.projects[PROJECT_TOKEN].rights.add("design")
        yield running


@pytest.fixture
async def sent(database: Database, store: Store) -> Database:
    """To an event that REDCap does not have."""
    await fill(database, store)
    async with database.session() as session:
        await session.execute(update(Transfer).values(event="Follow-up"))
        await session.execute(update(Project).values(events=["Baseline", "Follow-up", "Phone"]))
        await session.execute(update(Project).values(events_without_images=["Phone"]))
    return database


@pytest.fixture
async def rounds(sent: Database, store: Store, server: RedcapServer, tmp_path: Path) -> AsyncIterator[Rounds]:
    async with service(sent, store, server, tmp_path) as made:
        yield made


def designed(server: RedcapServer) -> list[str]:
    return [call for call in server.calls if call in DESIGN]


async def compared(database: Database, rounds: Rounds, *, repair: bool = False) -> list[tuple[str, str]]:
    """The report of the project."""
    async with database.session() as session:
        await session.execute(update(RedcapTarget).values(comparison="c", repair=repair))
    await all_paid(rounds)
    async with database.reading() as session:
        found = await session.scalars(select(RedcapDifference).where(RedcapDifference.project == PROJECT))
        return sorted((each.kind, each.what) for each in found)


async def test_an_event_that_is_lacking_is_added_once(
    sent: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    project = server.projects[PROJECT_TOKEN]
    before = set(project.mapping())
    for _ in range(2):
        await happened(sent, tmp_path)
        await all_paid(rounds)
    assert await owed(sent) == []
    assert project.events == {"event_1_arm_1": "Event 1", "baseline_arm_1": "Baseline", FOLLOW_UP: "Follow-up"}
    assert set(project.mapping()) == before | {(FOLLOW_UP, "basis")}
    assert project.repeating() == [("event_1_arm_1", "imaging")]
    assert designed(server) == ["event.import", "formEventMapping.import"]
    assert project.data[PARTICIPANT, FOLLOW_UP, "", 0] == {"first_name": PARTICIPANT, "last_name": PARTICIPANT}
    assert project.data[PARTICIPANT, "event_1_arm_1", "imaging", 1]["img_event_name"] == FOLLOW_UP


async def test_where_images_stand_at_their_own_event_their_instrument_is_added_to_it(
    sent: Database, store: Store, server: RedcapServer, tmp_path: Path
) -> None:
    """In an arm that there was none of, and with another event whose name begins alike."""
    label = "Deadline to return forms"
    async with sent.session() as session:
        await session.execute(update(Transfer).values(event=label))
    project = server.projects[PROJECT_TOKEN]
    project.events["deadline_to_return_arm_2"] = "Deadline to return feedback"
    names = Mapping(project=OneProject(event=None, arm=2))
    async with service(sent, store, server, tmp_path, names) as rounds:
        await happened(sent, tmp_path)
        await all_paid(rounds)
        assert designed(server) == [*DESIGN[:3], "formEventMapping.import", "repeatingFormsEvents.import"]
        await happened(sent, tmp_path)
        await all_paid(rounds)
    assert len(designed(server)) == 5
    assert await owed(sent) == []
    assert project.arms == {1: "Arm 1", 2: "Arm 2"}
    made = "deadline_to_return_arm_2b"
    assert project.events[made] == label
    assert project.forms_at(made) == ["basis", "imaging"]
    assert sorted(project.repeating()) == [(made, "imaging"), ("event_1_arm_1", "imaging")]
    assert project.data[PARTICIPANT, made, "imaging", 1]["img_study_instance_uid"] == SENT


NO_RIGHT = "the token has not the right Project Design and Setup"
PRODUCTION = "the REDCap project is in production, where people define it"


@pytest.mark.parametrize(
    ("allowed", "production", "wanted", "why"),
    [
        (False, False, True, f"; it is not added: {NO_RIGHT}"),
        (True, True, True, f"; it is not added: {PRODUCTION}"),
        (True, False, False, ""),
    ],
)
async def test_where_it_may_not_be_added_a_person_is_told(
    sent: Database,
    store: Store,
    server: RedcapServer,
    tmp_path: Path,
    allowed: bool,
    production: bool,
    wanted: bool,
    why: str,
) -> None:
    project = server.projects[PROJECT_TOKEN]
    project.in_production = production
    if not allowed:
        project.rights.discard("design")
    async with service(sent, store, server, tmp_path, add_events=wanted) as rounds:
        await happened(sent, tmp_path)
        await all_paid(rounds)
        (parked,) = await owed(sent)
        assert (parked.kind, parked.due_at) == ("imaging", None)
        assert parked.problem == f"event {FOLLOW_UP} is not defined{why}"
        assert (await target(sent, PROJECT)).problem is None
        assert designed(server) == []
        assert project.data == {}
        assert len(server.projects[INCOMING_TOKEN].data) == 4, "nobody else is held up"
        project.events[FOLLOW_UP] = "Follow-up"
        await happened(sent, tmp_path)
        await all_paid(rounds)
    assert await owed(sent) == []


async def test_an_answer_that_is_lost_does_not_lead_to_a_second_event(
    sent: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    await happened(sent, tmp_path)
    server.mode = "lost"
    for _ in range(3):
        await all_paid(rounds)
        await again_at_once(sent)
    server.mode = "ok"
    await all_paid(rounds)
    assert await owed(sent) == []
    project = server.projects[PROJECT_TOKEN]
    assert list(project.events.values()) == ["Event 1", "Baseline", "Follow-up"]
    assert len(project.data) == 2


async def test_a_comparison_says_what_would_be_added_and_sync_adds_it(
    sent: Database, rounds: Rounds, server: RedcapServer
) -> None:
    """Before anything is sent there: nothing is owed yet."""
    project = server.projects[PROJECT_TOKEN]
    project.designated["event_1_arm_1"].remove("imaging")
    fields: Any = project.forms[1].fields
    project.forms[1].fields = [field for field in fields if field["field_name"] != "img_study_date"]
    await all_paid(rounds)
    found = await compared(sent, rounds)
    later = "; it is added when it is needed, or by sync"
    assert [what for kind, what in found if kind == "definition"] == [
        f"event {FOLLOW_UP} is not defined{later}",
        "field img_study_date is not defined",
        f"instrument imaging is not designated for event event_1_arm_1{later}",
    ]
    assert designed(server) == []
    project.in_production = True
    assert ("definition", f"event {FOLLOW_UP} is not defined; it is not added: {PRODUCTION}") in await compared(
        sent, rounds
    )
    project.in_production = False
    await compared(sent, rounds, repair=True)
    project.forms[1].fields = fields
    await compared(sent, rounds, repair=True)
    assert FOLLOW_UP in project.events
    assert ("event_1_arm_1", "imaging") in project.mapping()
    assert await compared(sent, rounds) == []
    assert len(designed(server)) == 2


async def test_what_incoming_lacks_is_said_before_anything_arrives(
    database: Database, store: Store, server: RedcapServer, tmp_path: Path
) -> None:
    project = server.projects[INCOMING_TOKEN]
    project.forms[1].repeats = []
    async with service(database, store, server, tmp_path) as rounds:
        await all_paid(rounds)
        async with database.session() as session:
            await session.execute(update(RedcapTarget).values(comparison="c"))
        await all_paid(rounds)
    async with database.reading() as session:
        found = [(each.subject, each.what) for each in await session.scalars(select(RedcapDifference))]
    assert found == [("incoming", "instrument series does not repeat; it is added when it is needed, or by sync")]
