"""Participants that projects make up, on both databases: unique, and the same for the same patient; rules that look at
attributes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import func, select, text

from services.router import handlers as router
from shared.crypto import Vault
from shared.database import Database, lock
from shared.events import AssignmentCorrected, ParticipantWithdrawn, StudyArrived, StudyAssigned, TransferRequested
from shared.registry.made_up import NoAutoId, known_participant, next_participant, participant_of
from shared.registry.matching import UNREAD
from shared.registry.participants import WITHDRAWN, ensure_participant, withdraw_participant
from shared.store import Store
from shared.tables import (
    Assignment,
    AutoId,
    CouplingEntry,
    Instance,
    Participant,
    Patient,
    Project,
    RoutingRule,
    Series,
    Study,
    StudyIdentity,
)
from tests.unit.api.support import dicom

VAULT = Vault(b"k" * 32)
TWO_WRITERS = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
"""SQLite has one."""


async def project(database: Database, name: str = "PROJECT", pattern: str = "{project}-{n:3}", **values: Any) -> None:
    row = Project(
        name=name, encrypted_key=b"", destinations=["research"], participant_pattern=".+", auto_id_pattern=pattern
    )
    for field, value in values.items():
        setattr(row, field, value)
    async with database.session() as session:
        session.add(row)


async def study(database: Database, uid: str, patient: str = "PAT-1", called: str = "ABCD", path: str = "x") -> None:
    """A study of one series, which has arrived."""
    hashed = VAULT.hash("patient", patient, "")
    said = {"PatientName": "Doe^Jane", "StudyDescription": "brain", "OperatorsName": "of another series"}
    details = VAULT.encrypt(json.dumps(said | {"PatientID": patient}))
    async with database.session() as session:
        if await session.get(Patient, hashed) is None:
            session.add(Patient(id=hashed))
        session.add(StudyIdentity(study_instance_uid=uid, accession_number=VAULT.encrypt(""), details=details))
        session.add(Study(study_instance_uid=uid, patient=hashed, calling_aet="CT1", called_aet=called))
        await session.flush()
        header = {"SeriesDescription": "t1 ABCD"}
        series = Series(series_instance_uid=f"{uid}.1", study_instance_uid=uid, revision=1, header=header)
        session.add(series)
        await session.flush()
        session.add(
            Instance(
                sop_instance_uid=f"{uid}.1.1",
                series_instance_uid=f"{uid}.1",
                study_instance_uid=uid,
                sop_class_uid="1",
                transfer_syntax_uid="1",
                path=path,
                size=1,
                association="a",
                revision=1,
            )
        )


async def match(database: Database, uid: str, store: Store) -> list[TransferRequested]:
    async with database.session() as session:
        arrived = StudyArrived(study_instance_uid=uid, series=1, instances=1)
        return await router.match(arrived, session, VAULT, store)


async def refused(database: Database, uid: str) -> list[str | None]:
    async with database.reading() as session:
        return list(await session.scalars(select(Assignment.refused).where(Assignment.study_instance_uid == uid)))


async def test_what_is_sent_to_a_projects_title_is_assigned_and_a_patient_stays_the_same(
    database: Database, store: Store
) -> None:
    await project(database, auto_id_aet="ABCD")
    await project(database, "SECOND", "S{mixed:8}{check}", auto_id_aet="ABCD", events=["baseline"])
    await study(database, "1.1", "PAT-1")
    await study(database, "1.2", "PAT-2")
    await study(database, "1.3", "PAT-1")
    await study(database, "1.4", "PAT-3", called="ELSEWHERE")
    made = {uid: await match(database, uid, store) for uid in ("1.1", "1.2", "1.3", "1.4")}
    assert [each.participant for each in made["1.1"]][:1] == ["PROJECT-001"]
    first, second, again = (sorted(each.participant for each in made[uid]) for uid in ("1.1", "1.2", "1.3"))
    assert first == again
    assert not set(first) & set(second)
    assert made["1.1"][1].event == "baseline", "a project of one event"
    assert made["1.4"] == []
    assert await match(database, "1.1", store) == [], "twice is once"
    async with database.reading() as session:
        participants = list(await session.scalars(select(Participant).order_by(Participant.name)))
        assert {each.origin for each in participants} == {"auto"}
        assert len(participants) == 4
        hashes = list(await session.scalars(select(AutoId.identity)))
        assert len(set(hashes)) == 4, "of the same patient, one that no other project's can be compared to"
        reasons = set(await session.scalars(select(Assignment.reason)))
        assert reasons == {"auto ABCD"}


async def test_two_routers_at_once_make_up_different_names_and_one_for_one_patient(
    database: Database, store: Store
) -> None:
    await project(database, auto_id_aet="ABCD")
    for number in range(6):
        await study(database, f"1.{number}", f"PAT-{number % 3}")
    other = Database(database.url.render_as_string(hide_password=False))
    other.migrated = True
    made = await asyncio.gather(
        *(match(database if number % 2 else other, f"1.{number}", store) for number in range(6))
    )
    await other.close()
    names = [request.participant for (request,) in made]
    assert sorted(set(names)) == ["PROJECT-001", "PROJECT-002", "PROJECT-003"]
    assert names[:3] == names[3:]


async def test_numbers_pass_over_what_is_there_and_come_to_an_end(database: Database, store: Store) -> None:
    await project(database, pattern="P{n:1}")
    async with database.session() as session:
        row = await session.get_one(Project, "PROJECT")
        for name in ("P1", "P2", "P5"):
            await ensure_participant(session, "PROJECT", name, origin="coupling")
        assert [await next_participant(session, row) for _ in range(3)] == ["P3", "P4", "P6"]
        await session.delete(await session.get_one(Participant, ("PROJECT", "P6")))
        assert await next_participant(session, row, site="North", by="kari") == "P7", "never the same twice"
        made = await session.get_one(Participant, ("PROJECT", "P7"))
        assert (made.site, made.created_by, made.origin) == ("North", "kari", "auto")
        await next_participant(session, row)
        await next_participant(session, row)
        with pytest.raises(NoAutoId, match="used up"):
            await next_participant(session, row)
    async with database.session() as session:
        session.add(RoutingRule(id="r", project="PROJECT", active=True, calling_aet="CT1", auto_id=True))
    await study(database, "1.1")
    assert await match(database, "1.1", store) == []
    (why,) = await refused(database, "1.1")
    assert why is not None
    assert "used up" in why


async def test_nobody_is_given_a_name_that_a_coupling_list_has_for_somebody_else(
    database: Database, store: Store
) -> None:
    """The images of the list's participants are still to come, so that no participant of the name is there yet."""
    await project(database, pattern="P{n:1}", auto_id_aet="ABCD")
    await project(database, "SECOND", pattern="P{n:1}")
    async with database.session() as session:
        for number, of in ((1, "PROJECT"), (2, "PROJECT"), (3, "SECOND")):
            entry = CouplingEntry(id=f"{number}", project=of, participant=f"P{number}")
            entry.study_instance_uid = f"2.{number}"
            session.add(entry)
    await study(database, "1.1", "PAT-1")
    await study(database, "2.1", "PAT-2", called="ELSEWHERE")
    (auto,) = await match(database, "1.1", store)
    (listed,) = await match(database, "2.1", store)
    assert (auto.participant, listed.participant) == ("P3", "P1")


@TWO_WRITERS
async def test_a_name_that_somebody_is_just_adding_is_theirs(database: Database) -> None:
    """Who adds it has not ended yet: it cannot be seen, only be waited for."""
    await project(database, pattern="P{n:1}")
    async with database.session() as session:
        await ensure_participant(session, "PROJECT", "P1", origin="person")
        made = asyncio.create_task(_next(database))
        await until_somebody_waits(database)
    assert await made == "P2"
    async with database.reading() as session:
        origins = {each.name: each.origin for each in await session.scalars(select(Participant))}
    assert origins == {"P1": "person", "P2": "auto"}


@TWO_WRITERS
async def test_a_list_that_is_just_being_taken_has_its_names(database: Database) -> None:
    """However long a list is, and however far it has come: nobody is made up meanwhile."""
    await project(database, pattern="P{n:1}")
    async with database.session() as session:
        await lock(session, "coupling", "PROJECT")
        made = asyncio.create_task(_next(database))
        await until_somebody_waits(database)
        session.add(CouplingEntry(id="c", project="PROJECT", study_instance_uid="2.1", participant="P1"))
    assert await made == "P2"


async def _next(database: Database) -> str:
    async with database.session() as session:
        return await next_participant(session, await session.get_one(Project, "PROJECT"))


async def until_somebody_waits(database: Database) -> None:
    ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(20):
        while True:
            async with database.reading() as session:
                if await session.scalar(text(ours)):
                    return
            await asyncio.sleep(0.02)


async def test_random_names_are_drawn_so_often_and_no_more(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await project(database, pattern="P{digits:1}")
    drawn: list[str] = []

    def choose(alphabet: str) -> str:
        drawn.append(alphabet)
        return alphabet[len(drawn) % 2]

    monkeypatch.setattr("secrets.choice", choose)
    async with database.session() as session:
        row = await session.get_one(Project, "PROJECT")
        assert {await next_participant(session, row), await next_participant(session, row)} == {"P0", "P1"}
        drawn.clear()
        with pytest.raises(NoAutoId, match="20 tries"):
            await next_participant(session, row)
        assert len(drawn) == 20


async def test_what_a_project_cannot_make_up(database: Database) -> None:
    await project(database, "NONE_", "")
    await project(database, "SITES", "{site:2}{n:3}")
    await project(database, "STRICT", "X{n:3}", participant_pattern="P.*")
    async with database.session() as session:
        for name, why in (("NONE_", "no auto-ids"), ("SITES", "name the site"), ("STRICT", "do not fit")):
            with pytest.raises(NoAutoId, match=why):
                await next_participant(session, await session.get_one(Project, name))
        assert await next_participant(session, await session.get_one(Project, "SITES"), "7") == "07001"
        with pytest.raises(NoAutoId, match="for the site North"):
            await next_participant(session, await session.get_one(Project, "STRICT"), "North")


@pytest.mark.parametrize("before", ["nobody", "made up"])
async def test_whoever_has_withdrawn_consent_is_nobody_new(database: Database, store: Store, before: str) -> None:
    """Whose studies a person had assigned, or corrected: what was made up for them before is forgotten."""
    await project(database, auto_id_aet="ABCD")
    await study(database, "1.1")
    assigned = StudyAssigned(assignment="a", study_instance_uid="1.1", project="PROJECT", participant="OURS")
    if before == "made up":
        (request,) = await match(database, "1.1", store)
        await corrected(database, "1.1", becomes="a", participant="OURS")
        assert request.participant != "OURS"
    else:
        async with database.session() as session:
            await router.assigned(assigned, session, VAULT)
    withdrawn = ParticipantWithdrawn(withdrawal="w", project="PROJECT", participant="OURS")
    async with database.session() as session:
        assert await withdraw_participant(session, "PROJECT", "OURS")
    async with database.session() as session:
        await router.consent_withdrawn(withdrawn, session, VAULT)
    await study(database, "1.2")
    await study(database, "1.3", "PAT-2")
    assert await match(database, "1.2", store) == []
    assert await refused(database, "1.2") == [WITHDRAWN]
    assert len(await match(database, "1.3", store)) == 1, "somebody else"
    await study(database, "1.4")
    other = assigned.model_copy(update={"assignment": "b", "study_instance_uid": "1.4", "participant": "ANOTHER"})
    async with database.session() as session:
        assert await router.assigned(other, session, VAULT) != []
    assert await match(database, "1.2", store) == [], "as whomever a person has assigned another study since"


async def test_what_is_made_up_for_a_patient_follows_a_correction(database: Database, store: Store) -> None:
    """When nothing of the patient is left at the participant who was made up."""
    await project(database, auto_id_aet="ABCD")
    for uid in ("1.1", "1.2"):
        await study(database, uid)
        (made,) = await match(database, uid, store)
    await corrected(database, "1.1", becomes="a", participant="OURS")
    await study(database, "1.3")
    (request,) = await match(database, "1.3", store)
    assert request.participant == made.participant, "one study only was another's"
    for uid in ("1.2", "1.3"):
        await corrected(database, uid, becomes=f"a{uid}", participant="OURS")
    await study(database, "1.4")
    (request,) = await match(database, "1.4", store)
    assert request.participant == "OURS"


async def corrected(database: Database, uid: str, **to: str) -> None:
    """A person has corrected the study's assignment."""
    async with database.session() as session:
        this = Assignment.study_instance_uid == uid, Assignment.in_force
        old = (await session.scalars(select(Assignment).where(*this))).one()
        event = AssignmentCorrected(
            correction=f"c{uid}", assignment=old.id, study_instance_uid=uid, project="PROJECT", event="Unknown", **to
        )
        await router.corrected(event, session, VAULT)


async def test_a_patient_whom_somebody_assigned_keeps_that_name(database: Database, store: Store) -> None:
    await project(database, auto_id_aet="ABCD")
    await study(database, "1.1")
    await study(database, "1.2")
    patient = VAULT.hash("patient", "PAT-1", "")
    assigned = StudyAssigned(assignment="a", study_instance_uid="1.1", project="PROJECT", participant="OURS")
    async with database.session() as session:
        await router.assigned(assigned, session, VAULT)
        assert await known_participant(session, VAULT, "PROJECT", patient) == "OURS"
    (request,) = await match(database, "1.2", store)
    assert request.participant == "OURS"
    async with database.session() as session:
        row = await session.get_one(Project, "PROJECT")
        assert await participant_of(session, VAULT, row, patient) == "OURS"
        assert await known_participant(session, VAULT, "PROJECT", VAULT.hash("patient", "PAT-9", "")) is None
        assert await session.scalar(select(func.count()).select_from(Participant)) == 1


@pytest.mark.parametrize(
    ("attribute", "value", "taken"),
    [
        ("StudyDescription", "^brain$", True),
        ("SeriesDescription", "ABCD", True),
        ("SeriesDescription", "^ABCD", False),
        ("ProtocolName", "p[0-9]", True),
        ("RequestAttributesSequence.ScheduledProcedureStepID", ".", False),
        ("RequestAttributesSequence[0].ScheduledProcedureStepID", "^$", False),
        ("OperatorsName", "^Olsen", True),
    ],
)
async def test_a_rule_that_looks_at_an_attribute(
    sqlite: Database, store: Store, attribute: str, value: str, taken: bool
) -> None:
    """From the identities, from the catalogue, or from the first file of a series: what is empty is not there."""
    path = "archive/scp_1.1/1.1.1.1.dcm"
    await project(sqlite)
    await study(sqlite, "1.1", path=path)
    (store / path).parent.mkdir(parents=True)
    step = Dataset()
    step.ScheduledProcedureStepID = ""
    header: dict[str, Any] = {"ProtocolName": "p7", "RequestAttributesSequence": [step], "OperatorsName": "Olsen^Per"}
    Path(store / path).write_bytes(dicom(**header))
    async with sqlite.session() as session:
        session.add(
            RoutingRule(
                id="r",
                project="PROJECT",
                active=True,
                attribute=attribute,
                attribute_value=value,
                auto_id=True,
                site="North",
            )
        )
    made = await match(sqlite, "1.1", store)
    assert [request.participant for request in made] == (["PROJECT-001"] if taken else [])
    async with sqlite.reading() as session:
        assert list(await session.scalars(select(Participant.site))) == (["North"] if taken else [])


async def test_a_rule_whose_attribute_cannot_be_read_in_time_is_not_passed_over(
    sqlite: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next rule of the project would give it another event; no other project waits for it."""
    path = "archive/scp_1.1/1.1.1.1.dcm"
    await project(sqlite)
    await project(sqlite, "SECOND")
    await study(sqlite, "1.1", path=path)
    (store / path).parent.mkdir(parents=True)
    Path(store / path).write_bytes(dicom(ProtocolName="p7"))
    by_protocol = {"attribute": "ProtocolName", "attribute_value": "^p7", "event": "year1"}
    async with sqlite.session() as session:
        for identity, of, more in (("a", "PROJECT", by_protocol), ("b", "PROJECT", {}), ("c", "SECOND", {})):
            session.add(RoutingRule(id=identity, project=of, active=True, calling_aet="CT1", auto_id=True, **more))
    with monkeypatch.context() as hurried:
        hurried.setattr("shared.dicom.attributes.SECONDS", 0.01)
        assert [request.project for request in await match(sqlite, "1.1", store)] == ["SECOND"]
    assert sorted(await refused(sqlite, "1.1"), key=str) == [None, UNREAD]
    (request,) = await match(sqlite, "1.1", store)
    assert (request.project, request.event) == ("PROJECT", "year1"), "when there is time, it is as it should be"


async def test_a_coupling_list_does_not_call_a_participant_after_the_patient(database: Database, store: Store) -> None:
    await project(database, pattern="")
    await study(database, "1.1")
    async with database.session() as session:
        session.add(CouplingEntry(id="c", project="PROJECT", study_instance_uid="1.1", participant="jane.doe"))
    assert await match(database, "1.1", store) == []
    assert await refused(database, "1.1") == ["the participant resembles the patient's PatientName"]
