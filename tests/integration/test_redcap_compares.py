"""Gateway and REDCap are compared both ways, over REST, and what REDCap lacks is given to it when that is wanted."""

import shutil
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from services.redcap import handlers, nights
from services.redcap.owed import owe
from services.redcap.rounds import Rounds
from services.redcap.settings import RedcapSettings
from shared.database import Database
from shared.events import RedcapComparisonRequested
from shared.settings import Settings
from shared.store import Store
from shared.tables import Participant, RedcapOwed, RedcapTarget, Series
from shared.tables.base import now
from tests.components.redcap import RedcapServer
from tests.integration.redcap_setting import (
    INCOMING_TOKEN,
    PROJECT,
    PROJECT_TOKEN,
    SENT,
    SERIES,
    STUDY,
    fill,
    incoming,
    own,
    service,
)
from tests.unit.api.support import Api, kind, running

ON_ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""What does not depend on the kind of database is tried on one."""


@pytest.fixture
def server() -> Any:
    with RedcapServer(incoming(), own()) as running:
        yield running


@pytest.fixture
async def rounds(database: Database, store: Store, server: RedcapServer, tmp_path: Path) -> AsyncIterator[Rounds]:
    await fill(database, store)
    async with service(database, store, server, tmp_path) as made:
        yield made


@pytest.fixture
async def api(database: Database, rounds: Rounds, tmp_path: Path) -> AsyncIterator[Api]:
    await rounds.round()
    async with running(database, tmp_path / "api") as made:
        yield made


async def compared(api: Api, rounds: Rounds, **wish: Any) -> list[tuple[str, str, str, str | None]]:
    """Ask for it, do it, and read the report."""
    answer = await api.post("/redcap/comparisons", wish)
    assert answer.status_code == 202, answer.text
    asked = {item["id"] for item in answer.json()["items"]}
    for event in await api.owed():
        if isinstance(event, RedcapComparisonRequested) and event.comparison in asked:
            async with api.context.database.session() as session:
                await handlers.comparison(event, session)
    while await rounds.round():
        pass
    targets = (await api.get("/redcap")).json()["items"]
    assert asked <= {item["compared"] for item in targets}
    items = (await api.get("/redcap/differences")).json()["items"]
    return [(item["kind"], item["subject"], item["side"], item["project"]) for item in items]


async def test_an_empty_redcap_is_filled_and_then_there_is_no_difference(
    api: Api, rounds: Rounds, server: RedcapServer
) -> None:
    missing = [
        ("series", SERIES[0], "gateway", None),
        ("series", SERIES[1], "gateway", None),
        ("study", STUDY, "gateway", None),
        ("transfer", "t1", "gateway", None),
        ("imaging", "t1", "gateway", PROJECT),
        ("participant", "ABCD-0017", "gateway", PROJECT),
    ]
    assert await compared(api, rounds) == missing
    assert server.projects[INCOMING_TOKEN].data == {}
    assert await compared(api, rounds, repair=True) == missing
    assert await compared(api, rounds) == []
    items = (await api.get("/redcap")).json()["items"]
    assert [(item["scope"], item["owed"], item["differences"]) for item in items] == [
        ("incoming", 0, 0),
        ("project", 0, 0),
    ]
    assert len(server.projects[PROJECT_TOKEN].data) == 3


async def test_what_differs_either_way(api: Api, rounds: Rounds, server: RedcapServer, database: Database) -> None:
    await compared(api, rounds, repair=True)
    there, mine = server.projects[INCOMING_TOKEN].data, server.projects[PROJECT_TOKEN].data
    async with database.session() as session:
        await session.execute(update(Series).where(Series.series_instance_uid == SERIES[0]).values(instance_count=9))
        session.add(Participant(project=PROJECT, name="ABCD-0018"))
        session.add(Participant(project=PROJECT, name="ABCD-0019", withdrawn_at=now()))
    there[STUDY, "", "transfers", 1]["transfers_complete"] = "0"
    there["9.9", "", "", 0] = {"study_description": "of another gateway"}
    there[STUDY, "", "series", 5] = {"series_instance_uid": "9.9.9"}
    mine["ABCD-0099", "event_1_arm_1", "", 0] = {"first_name": "x"}
    mine["ABCD-0019", "event_1_arm_1", "", 0] = {"first_name": "withdrawn"}
    mine["ABCD-0017", "event_1_arm_1", "imaging", 2] = {"img_study_instance_uid": "2.25.99"}
    mine["ABCD-0099", "event_1_arm_1", "imaging", 1] = {"img_study_instance_uid": "2.25.98"}
    found = [
        ("series", STUDY, "redcap", None),
        ("series", SERIES[0], "both", None),
        ("study", "9.9", "redcap", None),
        ("transfer", "t1", "both", None),
        ("imaging", "ABCD-0017", "redcap", PROJECT),
        ("imaging", "ABCD-0099", "redcap", PROJECT),
        ("participant", "ABCD-0018", "gateway", PROJECT),
        ("participant", "ABCD-0019", "redcap", PROJECT),
        ("participant", "ABCD-0099", "redcap", PROJECT),
    ]
    assert await compared(api, rounds) == found
    whats = {item["what"] for item in (await api.get("/redcap/differences", scope="incoming")).json()["items"]}
    assert "series_num_files differs" in whats
    assert f"instance 5 of series in record {STUDY}: not known here" in whats
    items = (await api.get("/redcap/differences", project=PROJECT, kind="participant")).json()["items"]
    assert items[1]["what"] == "consent was withdrawn here"
    await compared(api, rounds, repair=True, project=PROJECT, scope="project")
    assert there[STUDY, "", "series", 1]["series_num_files"] == "2"
    await compared(api, rounds, repair=True)
    assert await compared(api, rounds) == [each for each in found if each[2] == "redcap"]
    assert there[STUDY, "", "series", 1]["series_num_files"] == "9"
    assert mine["ABCD-0018", "event_1_arm_1", "", 0] == {"first_name": "ABCD-0018", "last_name": "ABCD-0018"}


@ON_ONE
async def test_what_does_not_fit_any_more_is_not_a_stranger(api: Api, rounds: Rounds, server: RedcapServer) -> None:
    await compared(api, rounds, repair=True)
    transfers = server.projects[INCOMING_TOKEN].forms[2]
    transfers.fields = [field for field in transfers.fields if field["field_name"] != "transfer_name"]
    assert await compared(api, rounds) == [
        ("definition", "incoming", "gateway", None),
        ("transfer", "t1", "gateway", None),
    ]


@ON_ONE
async def test_what_was_sent_long_ago_is_told_by_its_uid_alone(
    api: Api, rounds: Rounds, server: RedcapServer, store: Store
) -> None:
    shutil.rmtree(store / "anonymized")
    await compared(api, rounds, repair=True)
    image = server.projects[PROJECT_TOKEN].data["ABCD-0017", "event_1_arm_1", "imaging", 1]
    assert image == {"img_study_instance_uid": SENT, "img_event_name": "baseline_arm_1"}


@ON_ONE
async def test_a_comparison_waits_for_a_redcap_that_is_away(
    api: Api, rounds: Rounds, server: RedcapServer, database: Database
) -> None:
    server.mode = "maintenance"
    answer = await api.post("/redcap/comparisons", {"scope": "incoming"})
    async with database.session() as session:
        await handlers.comparison((await api.owed())[-1], session)  # type: ignore[arg-type]
    assert await rounds.round() is False
    (item, _) = (await api.get("/redcap")).json()["items"]
    assert item["problem"] == "REDCap answers with a page: closed for maintenance?"
    assert item["next_try_at"] is not None
    server.mode = "ok"
    async with database.session() as session:
        await session.execute(update(RedcapTarget).values(due_at=None))
    await rounds.round()
    (item, _) = (await api.get("/redcap")).json()["items"]
    assert (item["problem"], item["compared"]) == (None, answer.json()["items"][0]["id"])


@ON_ONE
async def test_who_may_only_read_is_compared_all_the_same(
    api: Api, rounds: Rounds, server: RedcapServer, database: Database
) -> None:
    rights = server.projects[PROJECT_TOKEN].rights
    rights.discard("import")
    async with database.session() as session:
        await owe(session, PROJECT, "imaging", ["t1"])
    lacking = [("imaging", "t1", "gateway", PROJECT), ("participant", "ABCD-0017", "gateway", PROJECT)]
    assert await compared(api, rounds, project=PROJECT, scope="project") == lacking
    (_, item) = (await api.get("/redcap")).json()["items"]
    assert (item["owed"], item["waiting"], item["comparing"]) == (1, 0, False)
    assert item["problem"] == "the token may not write: it lacks the right API Import, or is not taken any more"
    assert item["next_try_at"] is not None
    rights.add("import")
    assert await compared(api, rounds, project=PROJECT, scope="project") == [], "what was owed is paid first"
    (_, item) = (await api.get("/redcap")).json()["items"]
    assert (item["owed"], item["problem"]) == (0, None)


@ON_ONE
async def test_who_has_no_redcap_is_told_so(api: Api) -> None:
    assert kind(await api.post("/redcap/comparisons", {"project": "ANOTHER", "scope": "project"})) == "no-redcap"
    assert (await api.get("/redcap/differences", project="ANOTHER")).json() == {"items": [], "total": 0}


@ON_ONE
async def test_every_night_once(api: Api, database: Database) -> None:
    hour = now().astimezone(ZoneInfo("Europe/Oslo")).hour
    for settings in (RedcapSettings(night_hour=(hour + 2) % 24), RedcapSettings(night_hour=hour)):
        async with database.session() as session:
            session.add(RedcapOwed(project="", kind="study", subject=f"1.{settings.night_hour}", problem="no field"))
            await nights.compare_tonight(session, Settings(), settings)
    async with database.reading() as session:
        asked = (await session.scalars(select(RedcapTarget.comparison))).all()
        waiting = (await session.scalars(select(RedcapOwed.problem))).all()
    assert None not in asked
    assert waiting == [None, None]
    async with database.session() as session:
        await session.execute(update(RedcapTarget).values(comparison=None, compared_at=now()))
        await nights.compare_tonight(session, Settings(), RedcapSettings(night_hour=hour))
    async with database.reading() as session:
        assert set(await session.scalars(select(RedcapTarget.comparison))) == {None}
    assert not nights.is_night(datetime(2026, 7, 1, 2, 30, tzinfo=ZoneInfo("UTC")), ZoneInfo("Europe/Oslo"), 3)
