"""REDCap hears of what arrives and is sent: once, whatever crashes, in its own words, and never of a patient."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from services.redcap import handlers
from services.redcap.client import Away, Pace, Redcap, open_http
from services.redcap.mapping import Incoming, Mapping, OneProject
from services.redcap.owed import owe, unpark
from services.redcap.rounds import Rounds
from services.redcap.settings import RedcapSettings
from services.redcap.targets import Targets
from services.redcap.tokens import INCOMING, Tokens
from shared.crypto import Vault
from shared.database import Database, insert_new
from shared.events import (
    RemovalRequested,
    SeriesAnonymized,
    StudyArrived,
    WithdrawalAnswered,
    WithdrawalCompleted,
)
from shared.store import Store
from shared.tables import (
    Participant,
    RedcapDifference,
    RedcapInstance,
    RedcapOwed,
    RedcapResult,
    RedcapTarget,
    Series,
    Study,
    StudyIdentity,
    Transfer,
    Withdrawal,
)
from shared.tables import (
    Project as ProjectRow,
)
from shared.tables.base import now
from tests.components.redcap import Form, RedcapServer, text
from tests.integration.redcap_road import again_at_once, all_paid, done, happened, owed, target
from tests.integration.redcap_setting import (
    INCOMING_TOKEN,
    PHI,
    PROJECT,
    PROJECT_TOKEN,
    REQUESTED,
    SENT,
    SERIES,
    STUDY,
    VAULT,
    add_transfer,
    fill,
    incoming,
    own,
    service,
    token_files,
)

PARTICIPANT = "ABCD-0017"
ON_ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""What does not depend on the kind of database is tried on one."""


@pytest.fixture
def server() -> Any:
    with RedcapServer(incoming(), own()) as running:
        yield running


@pytest.fixture
async def filled(database: Database, store: Store) -> Database:
    await fill(database, store)
    return database


@pytest.fixture
async def rounds(filled: Database, store: Store, server: RedcapServer, tmp_path: Path) -> AsyncIterator[Rounds]:
    async with service(filled, store, server, tmp_path) as made:
        yield made


async def test_a_study_on_its_whole_road(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    await happened(filled, tmp_path)
    await all_paid(rounds)
    assert await owed(filled) == []
    there = server.projects[INCOMING_TOKEN].data
    assert there[STUDY, "", "", 0] == {
        "study_description": "CT Hansen",
        "study_date": "2026-01-05",
        "study_time": "101500.25",
        "study_institution_name": "Haukeland",
        "study_patient_name": VAULT.hash("redcap", "Hansen^Kari"),
        "study_patient_id": VAULT.hash("redcap", "01019012345"),
        "study_aetitle_sender": "CT1",
        "study_aetitle_addressed": "FIONA",
        "study_accession_number": "ACC7734421",
        "study_arrival_date": "2026-01-05 11:15",
        "incoming_studies_complete": "2",
    }
    assert [there[STUDY, "", "series", number]["series_num_files"] for number in (1, 2)] == ["2", "3"]
    assert there[STUDY, "", "series", 1]["series_date"] == "20260105"
    assert there[STUDY, "", "transfers", 1] == {
        "transfer_requested_date": "2026-01-05 11:15",
        "transfer_project_name": "1",
        "transfer_name": "ABCD-0017",
        "transfer_event_name": "Baseline",
        "transfer_date": "2026-01-05 11:17",
        "transfer_error___1": "0",
        "transfer_error___2": "0",
        "transfer_error___3": "0",
        "transfer_mapped_uid": SENT,
        "transfers_complete": "2",
    }
    mine = server.projects[PROJECT_TOKEN].data
    assert mine == {
        ("ABCD-0017", "baseline_arm_1", "", 0): {"first_name": "ABCD-0017", "last_name": "ABCD-0017"},
        ("ABCD-0017", "event_1_arm_1", "imaging", 1): {
            "img_study_instance_uid": SENT,
            "img_event_name": "baseline_arm_1",
            "img_study_date": "2025-11-24",
            "img_study_description": "CT",
            "img_incoming_accession_number": "7f3a",
        },
    }
    assert not any(word in json.dumps(list(mine.items())) for word in (*PHI, STUDY))


async def test_twice_is_once_and_more_goes_beside_it(
    filled: Database, rounds: Rounds, server: RedcapServer, store: Store, tmp_path: Path
) -> None:
    await happened(filled, tmp_path)
    await all_paid(rounds)
    before = {token: dict(project.data) for token, project in server.projects.items()}
    await happened(filled, tmp_path)
    await all_paid(rounds)
    assert {token: project.data for token, project in server.projects.items()} == before
    await add_transfer(filled, store, "t2", SERIES[:1], "quarantined")
    await add_transfer(filled, store, "t3", SERIES[:1], sent="2.25.78")
    tokens = Tokens(RedcapSettings(url=server.url, incoming_token=INCOMING_TOKEN, tokens=tmp_path / "tokens"))
    async with filled.session() as session:
        for transfer in ("t2", "t3"):
            await handlers.completed(done(transfer), session, tokens)
    await all_paid(rounds)
    transfers = [server.projects[INCOMING_TOKEN].data[STUDY, "", "transfers", number] for number in (1, 2, 3)]
    assert [each["transfers_complete"] for each in transfers] == ["2", "1", "2"]
    assert transfers[1]["transfer_error_message"] == "2 in quarantine"
    images = {place[3]: values for place, values in server.projects[PROJECT_TOKEN].data.items() if place[2]}
    assert {number: values["img_study_instance_uid"] for number, values in images.items()} == {1: SENT, 2: "2.25.78"}


@ON_ONE
async def test_what_the_original_or_a_person_has_written_keeps_its_instance(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    there = server.projects[INCOMING_TOKEN].data
    there[STUDY, "", "series", 4] = {"series_instance_uid": SERIES[1], "series_complete": "2"}
    there[STUDY, "", "series", 7] = {"series_instance_uid": "9.9.9"}
    await happened(filled, tmp_path)
    await all_paid(rounds)
    numbers = {values["series_instance_uid"]: place[3] for place, values in there.items() if place[2] == "series"}
    assert numbers == {SERIES[1]: 4, "9.9.9": 7, SERIES[0]: 8}


@ON_ONE
@pytest.mark.parametrize("fault", ["away", "busy", "maintenance", "half"])
async def test_a_redcap_that_is_away_is_owed_and_paid_once(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path, fault: str
) -> None:
    await happened(filled, tmp_path)
    server.mode = fault
    assert await rounds.round() is False
    assert len(await owed(filled)) == 5
    ill = await target(filled)
    assert (ill.failures, ill.held_until) == (1, None)
    assert ill.due_at is not None
    assert INCOMING_TOKEN not in str(ill.problem)
    calls = len(server.calls)
    assert await rounds.round() is False
    assert len(server.calls) == calls
    server.mode = "ok"
    await again_at_once(filled)
    await all_paid(rounds)
    assert await owed(filled) == []
    assert ((await target(filled)).problem, (await target(filled)).failures) == (None, 0)
    counts = [place[2] for place in server.projects[INCOMING_TOKEN].data]
    assert sorted(counts) == ["", "series", "series", "transfers"]


async def test_ended_in_the_middle_of_an_import(
    filled: Database, rounds: Rounds, server: RedcapServer, store: Store, tmp_path: Path
) -> None:
    await happened(filled, tmp_path)
    server.mode = "hold"
    killed = asyncio.create_task(rounds.round())
    assert await asyncio.to_thread(server.held.wait, 120)
    async with Targets(filled, 60).held(INCOMING) as mine:
        assert not mine
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    assert len(await owed(filled)) == 5
    server.mode = "ok"
    server.let_go.set()
    await again_at_once(filled)
    async with service(filled, store, server, tmp_path) as other:
        await all_paid(other)
    assert await owed(filled) == []
    places = sorted(place[2:] for place in server.projects[INCOMING_TOKEN].data)
    assert places == [("", 0), ("series", 1), ("series", 2), ("transfers", 1)]


async def test_who_was_too_slow_lets_nobody_elses_project_go(filled: Database, rounds: Rounds) -> None:
    await rounds.round()
    slow, quick = Targets(filled, 60), Targets(filled, 60)
    async with slow.held(INCOMING) as first:
        async with filled.session() as session:
            await session.execute(update(RedcapTarget).values(held_until=REQUESTED))
        waiting = quick.held(INCOMING)
        assert (first, await waiting.__aenter__()) == (True, True)
    async with Targets(filled, 60).held(INCOMING) as third:
        assert not third
    await waiting.__aexit__(None, None, None)
    assert INCOMING in await slow.open()


async def test_what_happens_while_it_is_paid_is_owed_anew(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    await happened(filled, tmp_path)
    server.mode = "hold"
    paying = asyncio.create_task(rounds.round())
    assert await asyncio.to_thread(server.held.wait, 120)
    await happened(filled, tmp_path)
    server.mode = "ok"
    server.let_go.set()
    await paying
    assert [(each.kind, each.version) for each in await owed(filled)][-2:] == [("study", 2), ("transfer", 4)]
    await all_paid(rounds)
    assert await owed(filled) == []


@ON_ONE
async def test_the_end_of_a_transfer_waits_until_the_router_knows_it(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    async with filled.session() as session:
        await session.execute(update(Transfer).values(state="verifying"))
    await happened(filled, tmp_path)
    await all_paid(rounds)
    assert [each.kind for each in await owed(filled)] == ["imaging", "transfer"]
    async with filled.session() as session:
        await session.execute(update(Transfer).values(state="failed", error="refused by research"))
        await session.execute(update(RedcapOwed).values(due_at=now()))
    await all_paid(rounds)
    assert (await owed(filled), server.projects[PROJECT_TOKEN].data) == ([], {})
    row = server.projects[INCOMING_TOKEN].data[STUDY, "", "transfers", 1]
    assert (row["transfers_complete"], row["transfer_error___2"]) == ("1", "1")


@ON_ONE
async def test_what_was_sent_is_kept_for_when_its_files_are_gone(
    filled: Database, rounds: Rounds, server: RedcapServer, store: Store, tmp_path: Path
) -> None:
    folder = token_files(tmp_path / "tokens", ABCD_study=PROJECT_TOKEN)
    tokens = Tokens(RedcapSettings(url=server.url, tokens=folder))
    manifest = f"{Store.anonymized('t1', SERIES[0], 1)}/manifest.json"
    event = SeriesAnonymized(
        transfer="t1", parts=2, destinations=("research",), project=PROJECT, series_instance_uid=SERIES[0], revision=1,
        target_study_instance_uid=SENT, manifest=manifest, instances=1, quarantined=0,
    )  # fmt: skip
    for _ in range(2):
        await handlers.anonymized(event, filled, store, tokens)
    shutil.rmtree(store / "anonymized")
    await happened(filled, tmp_path)
    await all_paid(rounds)
    image = server.projects[PROJECT_TOKEN].data["ABCD-0017", "event_1_arm_1", "imaging", 1]
    assert (image["img_study_date"], image["img_study_description"]) == ("2025-11-24", "CT")


@ON_ONE
@pytest.mark.parametrize("state", ["cancelled", "withdrawn"])
async def test_what_was_stopped_while_redcap_was_away_is_no_image(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path, state: str
) -> None:
    await happened(filled, tmp_path)
    server.mode = "away"
    await rounds.round()
    async with filled.session() as session:
        await session.execute(update(Transfer).values(state=state))
    server.mode = "ok"
    await again_at_once(filled)
    await all_paid(rounds)
    assert (await owed(filled), server.projects[PROJECT_TOKEN].data) == ([], {})
    assert server.projects[INCOMING_TOKEN].data[STUDY, "", "transfers", 1]["transfers_complete"] == "1"


async def test_what_was_corrected_while_it_waited_stands_where_it_belongs_and_nowhere_else(
    filled: Database, rounds: Rounds, server: RedcapServer, store: Store, tmp_path: Path
) -> None:
    project, right = server.projects[PROJECT_TOKEN], "ABCD-0018"
    imaging = project.forms[1]
    project.forms[1] = Form("imaging", [text("img_study_instance_uid")])
    await happened(filled, tmp_path)
    await all_paid(rounds)
    assert [(each.kind, each.due_at) for each in await owed(filled)] == [("imaging", None)]
    await add_transfer(filled, store, "t2", SERIES)
    tokens = Tokens(RedcapSettings(url=server.url, incoming_token=INCOMING_TOKEN, tokens=tmp_path / "tokens"))
    async with filled.session() as session:
        session.add(Participant(project=PROJECT, name=right))
        await session.execute(update(Transfer).where(Transfer.id == "t1").values(state="withdrawn"))
        await session.execute(update(Transfer).where(Transfer.id == "t2").values(participant=right))
        await handlers.completed(done("t2"), session, tokens)
        await unpark(session, PROJECT)
    project.forms[1] = imaging
    await again_at_once(filled)
    await all_paid(rounds)
    assert await owed(filled) == []
    assert {place[0] for place in project.data} == {right}


@ON_ONE
async def test_who_is_not_in_the_project_any_more_is_not_named(
    filled: Database, rounds: Rounds, server: RedcapServer
) -> None:
    async with filled.session() as session:
        await session.execute(update(Participant).values(withdrawn_at=now()))
        await owe(session, PROJECT, "participant", [PARTICIPANT, "nobody"])
    await all_paid(rounds)
    assert (await owed(filled), server.projects[PROJECT_TOKEN].data) == ([], {})


@ON_ONE
async def test_the_token_of_a_deleted_project_is_left_alone(filled: Database, rounds: Rounds) -> None:
    """Nobody's name is to come back from there: a comparison would list all of them as strangers."""
    async with filled.session() as session:
        await session.execute(update(ProjectRow).where(ProjectRow.name == PROJECT).values(state="deleted"))
    await rounds.round()
    async with filled.reading() as session:
        assert list(await session.scalars(select(RedcapTarget.project))) == [INCOMING]


@ON_ONE
async def test_of_a_study_that_was_forgotten_incoming_hears_nothing_that_it_has_not_heard_before(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    """It may have been sent under the name of somebody who has not withdrawn anything."""
    await happened(filled, tmp_path)
    async with filled.session() as session:
        for table in (Series, StudyIdentity, Study):
            await session.execute(delete(table))
    await all_paid(rounds)
    assert (await owed(filled), server.projects[INCOMING_TOKEN].data) == ([], {})


@ON_ONE
async def test_what_was_taken_back_is_forgotten_and_where_it_stands_is_found_by_a_later_consent(
    filled: Database, rounds: Rounds, tmp_path: Path
) -> None:
    await happened(filled, tmp_path)
    await all_paid(rounds)
    removal = RemovalRequested(withdrawal="w2", project=PROJECT, transfers=("t1",), studies=(STUDY,))
    async with filled.session() as session:
        await insert_new(session, RedcapResult, [{"transfer": "t1", "study_instance_uid": SENT}])
        await owe(session, PROJECT, "imaging", ["t1", "t2"])
        await session.execute(update(Transfer).values(state="withdrawn", target_study_instance_uid=SENT))
        taken_back = WithdrawalCompleted(withdrawal="w1", project=PROJECT, transfers=("t1",))
        await handlers.taken_back(taken_back, session)
        session.add(Withdrawal(id="w2", kind="consent", project=PROJECT, participant="ABCD-0099", state="under_way"))
    assert [each.subject for each in await owed(filled)] == ["t2"]
    async with filled.session() as session:
        assert await session.get(RedcapResult, "t1") is None
        [said] = await handlers.remove(removal, session)
    assert (said.removed["places in REDCap"], said.left["images in REDCap"]) == (1, 1)


@ON_ONE
async def test_of_a_withdrawn_consent_incoming_hears_nothing_that_it_has_not_heard_before(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    await happened(filled, tmp_path)
    async with filled.session() as session:
        await session.execute(update(Participant).values(withdrawn_at=now()))
        await session.execute(update(Transfer).values(state="withdrawn"))
    await all_paid(rounds)
    assert await owed(filled) == []
    places = sorted(place[2:] for place in server.projects[INCOMING_TOKEN].data)
    assert places == [("", 0), ("series", 1), ("series", 2)]


@ON_ONE
async def test_what_was_withdrawn_has_ended_and_is_forgotten(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    await happened(filled, tmp_path)
    await all_paid(rounds)
    tokens = Tokens(RedcapSettings(url=server.url, incoming_token=INCOMING_TOKEN))
    answered = WithdrawalAnswered(
        withdrawal="w1", transfer="t1", destination="research", outcome="withdrawn", instances=4, withdrawn=4
    )
    removal = RemovalRequested(withdrawal="w1", project=PROJECT, transfers=("t1",), studies=(STUDY,))
    theirs = f"instance 1 of imaging in record {PARTICIPANT}: not known here"
    async with filled.session() as session:
        await insert_new(session, RedcapResult, [{"transfer": "t1", "study_instance_uid": SENT}])
        session.add(Withdrawal(id="w1", kind="consent", project=PROJECT, participant=PARTICIPANT, state="under_way"))
        session.add(RedcapOwed(project=PROJECT, kind="participant", subject=PARTICIPANT))
        for subject, what in ((PARTICIPANT, "no such record there"), ("other", theirs), ("other", "not of them")):
            session.add(RedcapDifference(project=PROJECT, kind="x", subject=subject, side="redcap", what=what))
        await session.execute(update(Transfer).values(state="withdrawn"))
        await session.execute(update(Participant).values(withdrawn_at=now()))
        await handlers.withdrawn(answered, session, tokens)
        await session.flush()
        [said] = await handlers.remove(removal, session)
        assert await handlers.remove(removal, session) != [], "whoever waits for an answer gets one"
        await session.execute(update(RedcapOwed).values(due_at=now()))
    assert (said.withdrawal, said.service) == ("w1", "redcap")
    assert said.removed == {
        "studies as they are called there": 1, "places in REDCap": 1, "what REDCap was owed": 1, "differences": 2,
    }  # fmt: skip
    assert said.left == {"records in REDCap": 1, "images in REDCap": 1, "transfers in Incoming": 1}
    await all_paid(rounds)
    assert server.projects[INCOMING_TOKEN].data[STUDY, "", "transfers", 1]["transfers_complete"] == "1"
    async with filled.reading() as session:
        assert await session.get(RedcapResult, "t1") is None
        kept = [*await session.scalars(select(RedcapInstance)), *await session.scalars(select(RedcapDifference))]
    words = [str(getattr(row, column.name)) for row in kept for column in row.__table__.columns]
    assert not [word for word in words if PARTICIPANT in word or word == SENT]


@ON_ONE
async def test_a_participant_is_in_the_group_of_the_site(
    filled: Database, store: Store, server: RedcapServer, tmp_path: Path
) -> None:
    server.projects[PROJECT_TOKEN].groups = {"bergen_group"}
    async with filled.session() as session:
        await session.execute(update(Participant).values(site="Bergen"))
    grouped = Mapping(project=OneProject(groups={"Bergen": "bergen_group"}))
    await happened(filled, tmp_path)
    async with service(filled, store, server, tmp_path, grouped) as rounds:
        await all_paid(rounds)
    assert server.projects[PROJECT_TOKEN].group_of == {PARTICIPANT: "bergen_group"}


@ON_ONE
async def test_a_redcap_that_says_nothing_is_away(filled: Database, tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    mute = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    settings = RedcapSettings(url=f"http://127.0.0.1:{port}/api/", timeout_seconds=1)
    async with mute, open_http(settings) as http:
        redcap = Redcap(http, str(settings.url), PROJECT_TOKEN, Pace(6000))
        with pytest.raises(Away, match="ReadTimeout"):
            await redcap.export("project")


@ON_ONE
async def test_without_redcap_nothing_is_owed(filled: Database, store: Store) -> None:
    tokens = Tokens(RedcapSettings())
    async with filled.session() as session:
        await handlers.study(StudyArrived(study_instance_uid=STUDY, series=2, instances=5), session, tokens)
        await handlers.completed(done(), session, tokens)
    assert await owed(filled) == []


@ON_ONE
async def test_a_project_that_lacks_something_is_told_what_and_left_alone(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    project = server.projects[PROJECT_TOKEN]
    imaging = project.forms[1]
    project.forms[1] = Form("imaging", [text("img_study_instance_uid"), text("img_event_name")])
    await happened(filled, tmp_path)
    await all_paid(rounds)
    (parked,) = await owed(filled)
    assert (parked.project, parked.kind, parked.due_at) == (PROJECT, "imaging", None)
    assert parked.problem == (
        "field img_study_date is not defined; field img_study_description is not defined; "
        "instrument imaging does not repeat at event event_1_arm_1"
    )
    assert project.data == {}
    calls = len(server.calls)
    await all_paid(rounds)
    assert len(server.calls) == calls
    project.forms[1] = imaging
    await happened(filled, tmp_path)
    await all_paid(rounds)
    assert await owed(filled) == []
    assert len(project.data) == 2


@ON_ONE
async def test_what_is_redefined_in_between_is_looked_at_anew(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    """Even a field by which instances are known, for which REDCap cannot be asked any more."""
    await happened(filled, tmp_path)
    await all_paid(rounds)
    transfers = server.projects[INCOMING_TOKEN].forms[2]
    transfers.fields = [field for field in transfers.fields if field["field_name"] != "transfer_name"]
    await happened(filled, tmp_path)
    await all_paid(rounds)
    assert (await target(filled)).problem == "refused with HTTP 400"
    await again_at_once(filled)
    await all_paid(rounds)
    (parked,) = await owed(filled)
    assert (parked.kind, parked.problem) == ("transfer", "field transfer_name is not defined")
    assert (await target(filled)).problem is None


@ON_ONE
async def test_one_bad_row_holds_up_nobody_and_its_value_is_not_told(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    server.projects[INCOMING_TOKEN].forms[0].fields[8]["text_validation_type_or_show_slider_number"] = "integer"
    await happened(filled, tmp_path)
    await all_paid(rounds)
    (parked,) = await owed(filled)
    assert (parked.kind, parked.problem) == ("study", "REDCap does not take it because of study_aetitle_addressed")
    assert len([place for place in server.projects[INCOMING_TOKEN].data if place[2]]) == 3


@ON_ONE
async def test_a_form_that_is_locked_there_holds_up_nobody_else(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    server.projects[INCOMING_TOKEN].locked.add((STUDY, "transfers"))
    await happened(filled, tmp_path)
    await all_paid(rounds)
    (parked,) = await owed(filled)
    assert (parked.kind, parked.problem) == ("transfer", "its form is locked there")
    assert len(server.projects[INCOMING_TOKEN].data) == 3


@ON_ONE
async def test_what_is_too_large_at_once_goes_in_parts(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    details = VAULT.encrypt(json.dumps({"StudyDescription": "x" * 2000}))
    async with filled.session() as session:
        await session.execute(update(StudyIdentity).values(details=details))
    server.at_once = 2000
    await happened(filled, tmp_path)
    await all_paid(rounds)
    (parked,) = await owed(filled)
    assert (parked.kind, parked.problem) == ("study", "it is too large for REDCap")
    assert len([place for place in server.projects[INCOMING_TOKEN].data if place[2]]) == 3


@ON_ONE
async def test_a_row_at_which_redcap_fails_waits_when_the_rest_has_gone(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    """Once it may be REDCap; when it goes on and REDCap answers otherwise, it is the row."""
    server.fails_at = SERIES[1]
    await happened(filled, tmp_path)
    for failures in (1, 2, 3):
        await all_paid(rounds)
        assert (await target(filled)).failures == failures
        assert [each.problem for each in await owed(filled)].count(None) > 0
        await again_at_once(filled)
    await all_paid(rounds)
    (parked,) = await owed(filled)
    assert (parked.kind, parked.subject) == ("series", SERIES[1])
    assert parked.problem == "REDCap fails at it: REDCap answers 500"
    assert (await target(filled)).failures == 0
    server.fails_at, server.mode = "", "away"
    await happened(filled, tmp_path)
    for _ in range(5):
        await again_at_once(filled)
        await all_paid(rounds)
    assert {each.problem for each in await owed(filled)} == {None}, "one that is away is away, however often"


@ON_ONE
async def test_what_goes_wrong_here_holds_up_nobody_else(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with filled.session() as session:
        await session.execute(update(StudyIdentity).values(details=Vault(b"another key of 16").encrypt("{}")))
    monkeypatch.setattr(server.projects[PROJECT_TOKEN], "metadata", lambda: [{"field_label": "no name"}])
    await happened(filled, tmp_path)
    await all_paid(rounds)
    left = {(each.kind, each.problem) for each in await owed(filled)}
    assert left == {("imaging", None), ("study", "it cannot be read here (InvalidTag)")}
    assert (await target(filled, PROJECT)).problem == "unexpected KeyError"
    assert len(server.projects[INCOMING_TOKEN].data) == 3


@ON_ONE
async def test_a_token_that_is_not_taken_is_a_problem_of_that_project_alone(
    filled: Database, rounds: Rounds, server: RedcapServer, tmp_path: Path
) -> None:
    del server.projects[PROJECT_TOKEN]
    await happened(filled, tmp_path)
    await all_paid(rounds)
    assert [each.kind for each in await owed(filled)] == ["imaging"]
    assert (await target(filled, PROJECT)).problem == "the token is not taken, or has not the rights for this"
    assert (await target(filled)).problem is None


@ON_ONE
async def test_the_hash_of_the_original_can_be_had(
    filled: Database, store: Store, server: RedcapServer, tmp_path: Path
) -> None:
    mapping = Mapping(incoming=Incoming(identities="sha256"))
    async with service(filled, store, server, tmp_path, mapping) as rounds:
        await happened(filled, tmp_path)
        await all_paid(rounds)
    row = server.projects[INCOMING_TOKEN].data[STUDY, "", "", 0]
    assert row["study_patient_id"] == sha256(b"01019012345").hexdigest()


@ON_ONE
async def test_small_portions_and_a_place_for_each_in_our_table(
    filled: Database, store: Store, server: RedcapServer, tmp_path: Path
) -> None:
    async with service(filled, store, server, tmp_path, batch_rows=2) as rounds:
        await happened(filled, tmp_path)
        await all_paid(rounds)
    assert max(server.imports) == 2
    async with filled.reading() as session:
        rows = await session.scalars(
            select(RedcapInstance).order_by(RedcapInstance.instrument, RedcapInstance.instance)
        )
        found = [(row.project, row.instrument, row.instance, row.subject) for row in rows]
    assert found == [
        (PROJECT, "imaging", 1, SENT),
        ("", "series", 1, SERIES[0]),
        ("", "series", 2, SERIES[1]),
        ("", "transfers", 1, "t1"),
    ]
