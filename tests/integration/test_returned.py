"""What comes back under a UID that was given here, on both databases: whose it is, and what of it stays."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import select

from services.anonymizer import handlers as anonymizer
from services.anonymizer.workers import Workers
from services.router import handlers as router
from services.router.returned import OF_ANOTHER
from shared.database import Database
from shared.events import (
    AssignmentCorrected,
    Event,
    ParticipantWithdrawn,
    SeriesAnonymized,
    StudyArrived,
    StudyAssigned,
    TransferRequested,
    WithdrawalAnswered,
    WithdrawalRequested,
)
from shared.manifest import Manifest, ManifestInstance, read_manifest, write_manifest
from shared.registry.participants import WITHDRAWN
from shared.registry.returned import NOT_THERE, OTHERS, SENT_OTHERWISE
from shared.store import Store
from shared.tables import (
    Assignment,
    Instance,
    Participant,
    Patient,
    Project,
    Series,
    Study,
    StudyIdentity,
    Transfer,
    Withdrawal,
)
from shared.tables.base import now
from tests.integration.test_anonymizer import archived as archived
from tests.integration.test_anonymizer import requested
from tests.integration.test_anonymizer import workers as workers
from tests.integration.test_router import STORE, STUDY, VAULT, arrive, assign, assignment
from tests.integration.test_router import catalogue as catalogue
from tests.studies import Study as StudyFiles
from tests.unit.api.support import assignment as in_force
from tests.unit.api.support import kind, running, series_rows, study_rows

SENT, RETURNED = "2.25.77", "1.3.99.1"
"""The study as it was sent; the series that was made of it."""

REASON = f"derived from {STUDY}"


async def send(database: Database, request: TransferRequested, target: str = SENT) -> None:
    """As the anonymizer answers."""
    event = SeriesAnonymized(
        transfer=request.transfer, parts=request.parts, destinations=request.destinations, project=request.project,
        series_instance_uid=request.series_instance_uid, revision=request.revision, target_study_instance_uid=target,
        manifest="m", instances=request.instances, quarantined=0,
    )  # fmt: skip
    async with database.session() as session:
        await router.anonymized(event, session)


async def come_back(
    database: Database, patient_id: str = "P1", study: str = SENT, series: str = RETURNED
) -> list[Event]:
    """Catalogue a derived series as the indexer does, and let the router see it."""
    async with database.session() as session:
        if await session.get(Study, study) is None:
            session.add(Patient(id=f"of {study}"))
            details = VAULT.encrypt(json.dumps({"PatientID": patient_id, "PatientName": patient_id}))
            session.add(StudyIdentity(study_instance_uid=study, accession_number=VAULT.encrypt(""), details=details))
            session.add(Study(study_instance_uid=study, patient=f"of {study}", called_aet="FIONA", arrived_at=now()))
            await session.flush()
        if await session.get(Series, series) is None:
            session.add(Series(series_instance_uid=series, study_instance_uid=study, revision=1))
            await session.flush()
            session.add(
                Instance(
                    sop_instance_uid=f"{series}.1", series_instance_uid=series, study_instance_uid=study,
                    sop_class_uid="1", transfer_syntax_uid="1", path="x", size=1, association="a", revision=1,
                )
            )  # fmt: skip
    return await look(database, study)


async def look(database: Database, study: str = SENT) -> list[Event]:
    async with database.session() as session:
        return list(
            await router.match(StudyArrived(study_instance_uid=study, series=1, instances=1), session, VAULT, STORE)
        )


async def assignments(database: Database, study: str = SENT) -> list[Assignment]:
    async with database.reading() as session:
        mine = select(Assignment).where(Assignment.study_instance_uid == study)
        return list(await session.scalars(mine.order_by(Assignment.created_at)))


async def test_it_goes_the_way_of_its_original(catalogue: Database) -> None:
    [first] = await assign(catalogue, assignment("P1"))
    await send(catalogue, first)
    [request] = await come_back(catalogue)
    assert isinstance(request, TransferRequested)
    assert (request.project, request.participant, request.event) == ("PROJECT", "P1", "Unknown")
    assert (request.study_instance_uid, request.series_instance_uid) == (SENT, RETURNED)
    [there] = await assignments(catalogue)
    assert (there.reason, there.refused) == (REASON, None)
    assert await look(catalogue) == [], "twice is once"
    [late] = await come_back(catalogue, series="1.3.99.2")
    assert isinstance(late, TransferRequested)
    assert late.series_instance_uid == "1.3.99.2"


async def test_of_two_projects_the_uid_tells_which(catalogue: Database) -> None:
    async with catalogue.session() as session:
        session.add(Project(name="SECOND", encrypted_key=b"", destinations=["research"], auto_id_aet="FIONA"))
    [first] = await assign(catalogue, assignment("P1"))
    [second] = await assign(catalogue, assignment("Q7", "a2", "SECOND"))
    await send(catalogue, first)
    await send(catalogue, second, "2.25.78")
    [request] = await come_back(catalogue, "Q7", "2.25.78")
    assert isinstance(request, TransferRequested)
    assert (request.project, request.participant) == ("SECOND", "Q7")
    assert [each.project for each in await assignments(catalogue, "2.25.78")] == ["SECOND"]


async def test_kept_uids_are_more_series_of_the_study_itself(catalogue: Database) -> None:
    [first] = await assign(catalogue, assignment("P1"))
    await send(catalogue, first, STUDY)
    assert await look(catalogue, STUDY) == []
    assert [each.reason for each in await assignments(catalogue, STUDY)] == ["person"]


async def test_another_patient_is_refused(catalogue: Database) -> None:
    [first] = await assign(catalogue, assignment("P1"))
    await send(catalogue, first)
    assert await come_back(catalogue, "P2") == await look(catalogue) == []
    assert [(each.refused, each.participant) for each in await assignments(catalogue)] == [(OF_ANOTHER, "")]


CORRECTIONS: Mapping[str, tuple[dict[str, str], str | None]] = {
    "another event": ({"becomes": "a2", "project": "PROJECT", "participant": "P1", "event": "later"}, None),
    "another participant": ({"becomes": "a2", "project": "PROJECT", "participant": "P2", "event": "e"}, OF_ANOTHER),
    "nobody": ({}, NOT_THERE),
}


@pytest.mark.parametrize("case", CORRECTIONS)
async def test_what_was_derived_is_corrected_with_its_original(catalogue: Database, case: str) -> None:
    to, refused = CORRECTIONS[case]
    [first] = await assign(catalogue, assignment("P1"))
    await send(catalogue, first)
    [second] = await come_back(catalogue)
    assert isinstance(second, TransferRequested)
    await send(catalogue, second)
    async with catalogue.session() as session:
        event = AssignmentCorrected(correction="c1", assignment="a1", study_instance_uid=STUDY, **to)
        events = await router.corrected(event, session, VAULT)
    asked = [each for each in events if isinstance(each, WithdrawalRequested)]
    assert {each.transfer for each in asked} == {first.transfer, second.transfer}
    assert [each for each in events if isinstance(each, StudyArrived)] == [
        StudyArrived(study_instance_uid=SENT, series=0, instances=0)
    ]
    assert await look(catalogue) == [], "it waits, or is refused"
    old, new = await assignments(catalogue)
    assert (old.ended_by, new.refused, new.waits_for) == ("c1", refused, None if refused else "c1")
    if refused:
        return
    sent_again: list[Event] = []
    for each in asked:
        answer = WithdrawalAnswered(**each.model_dump(), outcome="withdrawn", instances=1, withdrawn=1)
        async with catalogue.session() as session:
            sent_again += await router.withdrawn(answer, session)
    requests = [each for each in sent_again if isinstance(each, TransferRequested)]
    assert {(each.study_instance_uid, each.event) for each in requests} == {(STUDY, "later"), (SENT, "later")}


async def test_what_a_person_has_ended_itself_stays_ended(catalogue: Database) -> None:
    [first] = await assign(catalogue, assignment("P1"))
    await send(catalogue, first)
    await come_back(catalogue)
    [there] = await assignments(catalogue)
    async with catalogue.session() as session:
        event = AssignmentCorrected(correction="c1", assignment=there.id, study_instance_uid=SENT)
        await router.corrected(event, session, VAULT)
    assert await look(catalogue) == []
    assert [bool(each.refused) for each in await assignments(catalogue)] == [False, True]


def by_hand(participant: str = "P1", identity: str = "b1", event: str = "Unknown") -> StudyAssigned:
    return StudyAssigned(
        assignment=identity, study_instance_uid=SENT, project="PROJECT", participant=participant, event=event
    )


async def test_a_person_gives_it_to_its_own_participant(catalogue: Database) -> None:
    [first] = await assign(catalogue, assignment("P1"))
    await send(catalogue, first)
    assert await come_back(catalogue, "P1 seg") == []
    [request] = await assign(catalogue, by_hand(event="later"))
    assert (request.study_instance_uid, request.participant, request.event) == (SENT, "P1", "later")
    assert await look(catalogue) == []
    [late] = await come_back(catalogue, series="1.3.99.2")
    assert isinstance(late, TransferRequested)
    assert (late.series_instance_uid, late.participant, late.event) == ("1.3.99.2", "P1", "later")
    assert [(each.reason, each.refused) for each in await assignments(catalogue)] == [
        (REASON, OF_ANOTHER), ("person", None),
    ]  # fmt: skip

    # It goes on like any other: it ends with its original, and follows that.
    to = {"becomes": "a2", "project": "PROJECT", "participant": "P1", "event": "third"}
    async with catalogue.session() as session:
        event = AssignmentCorrected(correction="c1", assignment="a1", study_instance_uid=STUDY, **to)
        await router.corrected(event, session, VAULT)
    assert await look(catalogue) == []
    last = (await assignments(catalogue))[-1]
    assert (last.participant, last.event, last.refused, last.waits_for) == ("P1", "third", None, "c1")


async def test_a_person_gives_it_to_nobody_else(catalogue: Database) -> None:
    [first] = await assign(catalogue, assignment("P1"))
    await send(catalogue, first)
    await come_back(catalogue, "P1 seg")

    async def refused(event: StudyAssigned) -> str | None:
        assert await assign(catalogue, event) == []
        async with catalogue.reading() as session:
            return (await session.get_one(Assignment, event.assignment)).refused

    assert await refused(by_hand("P2")) == OTHERS
    [request] = await assign(catalogue, by_hand("P1", "b2"))
    await send(catalogue, request)
    async with catalogue.session() as session:
        to = {"becomes": "b3", "project": "PROJECT", "participant": "P2", "event": "Unknown"}
        event = AssignmentCorrected(correction="c0", assignment="b2", study_instance_uid=SENT, **to)
        assert await router.corrected(event, session, VAULT) == []
        assert (await session.get_one(Withdrawal, "c0")).why == OTHERS

    async with catalogue.session() as session:
        to = {"becomes": "a2", "project": "PROJECT", "participant": "P2", "event": "Unknown"}
        event = AssignmentCorrected(correction="c1", assignment="a1", study_instance_uid=STUDY, **to)
        asked = await router.corrected(event, session, VAULT)
    assert await refused(by_hand("P1", "b4")) == OTHERS
    assert await refused(by_hand("P2", "b5")) == SENT_OTHERWISE, "its dates have moved by P1's days"
    for each in asked:
        if isinstance(each, WithdrawalRequested):
            answer = WithdrawalAnswered(**each.model_dump(), outcome="withdrawn", instances=1, withdrawn=1)
            async with catalogue.session() as session:
                for sent in await router.withdrawn(answer, session):
                    if isinstance(sent, TransferRequested):
                        second = sent
    await send(catalogue, second)
    assert await refused(by_hand("P2", "b6")) == SENT_OTHERWISE, "who knows of which of the two it was made"
    async with catalogue.session() as session:
        event = AssignmentCorrected(correction="c2", assignment="a2", study_instance_uid=STUDY)
        await router.corrected(event, session, VAULT)
    assert await refused(by_hand("P2", "b7")) == NOT_THERE


async def test_of_two_participants_the_patient_id_tells_which(catalogue: Database) -> None:
    """A person has ended what was derived, and is sorry."""
    [first] = await assign(catalogue, assignment("P2"))
    await send(catalogue, first)
    async with catalogue.session() as session:
        to = {"becomes": "a2", "project": "PROJECT", "participant": "P1", "event": "Unknown"}
        event = AssignmentCorrected(correction="c1", assignment="a1", study_instance_uid=STUDY, **to)
        await router.corrected(event, session, VAULT)
    await come_back(catalogue)
    [there] = await assignments(catalogue)
    async with catalogue.session() as session:
        event = AssignmentCorrected(correction="c2", assignment=there.id, study_instance_uid=SENT)
        await router.corrected(event, session, VAULT)
    await assign(catalogue, by_hand())
    last = (await assignments(catalogue))[-1]
    assert (last.reason, last.participant, last.refused, last.waits_for) == ("person", "P1", None, "c2")


async def test_the_api_takes_it_for_its_own_participant_only(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path / "store") as api:
        await api.project()
        for study, patient_id in ((STUDY, "8DISC001"), (SENT, "ABCD-0017 seg")):
            await api.add(
                *study_rows(api.context.vault, study, patient_id=patient_id), *series_rows(study, f"{study}.1")
            )
        await api.add(original := in_force(STUDY, "ABCD-study", "ABCD-0017"))
        transfer = Transfer(
            id="t1", assignment=original.id, study_instance_uid=STUDY, target_study_instance_uid=SENT,
            project="ABCD-study", participant="ABCD-0017", event="Unknown", reason="person",
        )  # fmt: skip
        await api.add(transfer)
        path, wish = f"/studies/{SENT}/assignments", {"project": "ABCD-study"}
        other = await api.post(path, wish | {"participant": "ABCD-0018"})
        assert (kind(other), other.json()["detail"]) == ("derived-from-another", OTHERS)
        answer = await api.post(path, wish | {"participant": "ABCD-0017"})
        assert answer.status_code == 202, answer.text
        made_up = await api.post(path, wish)
        assert made_up.json()["id"] == answer.json()["id"], "of the pseudonym no participant is made up"
        await api.add(own := in_force(SENT, "ABCD-study", "ABCD-0017"))
        to = wish | {"participant": "ABCD-0018", "reason": "mixed up"}
        assert kind(await api.post(f"/assignments/{own.id}/correction", to)) == "derived-from-another"
        later = wish | {"participant": "ABCD-0017", "event": "later", "reason": "mixed up"}
        assert (await api.post(f"/assignments/{own.id}/correction", later)).status_code == 202


async def test_consent_that_was_withdrawn_holds_for_what_comes_back(catalogue: Database) -> None:
    [first] = await assign(catalogue, assignment("P1"))
    await send(catalogue, first)
    [second] = await come_back(catalogue)
    assert isinstance(second, TransferRequested)
    async with catalogue.session() as session:
        event = ParticipantWithdrawn(withdrawal="w", project="PROJECT", participant="P1")
        events = await router.consent_withdrawn(event, session, VAULT)
        participants = await session.scalars(select(Assignment.study_instance_uid).where(Assignment.ended_by == "w"))
        assert set(participants) == {STUDY, SENT}
    asked = {each.transfer for each in events if isinstance(each, WithdrawalRequested)}
    assert asked == {first.transfer, second.transfer}
    async with catalogue.session() as session:
        (await session.get_one(Participant, ("PROJECT", "P1"))).withdrawn_at = now()
    assert await come_back(catalogue, series="1.3.99.2") == []
    assert (await assignments(catalogue))[-1].refused == WITHDRAWN


async def sent_before(database: Database, store: Store, files: StudyFiles, *uids: str) -> None:
    """An earlier transfer to the participant, under the UID that the archived study comes back with."""
    async with database.session() as session:
        session.add(Study(study_instance_uid=STUDY, patient="p", study_date="20260301"))
        await session.flush()
    await arrive(database, "1.2.3.1", 1)
    said = StudyAssigned(assignment="a0", study_instance_uid=STUDY, project="PROJECT", participant="P001")
    [request] = await assign(database, said)
    await send(database, request, files.study_instance_uid)
    folder = store.anonymized(request.transfer, "1.2.3.1", 1)
    given = ManifestInstance(
        path="x", sop_instance_uid="2.25.1", sop_class_uid="1.2", transfer_syntax_uid="1.2", size=1
    )
    manifest = Manifest(
        study_instance_uid=files.study_instance_uid,
        series_instance_uid="2.25.2",
        instances=(given, *(given.model_copy(update={"sop_instance_uid": uid}) for uid in uids)),
        given=("20260105",),
    )
    write_manifest(store, f"{folder}/manifest.json", manifest)


async def test_the_study_stays_and_what_was_sent_from_here_is_left_out(
    database: Database, store: Store, workers: Workers, archived: StudyFiles
) -> None:
    mine = sorted(path.stem for path in (store / "archive").rglob("*.dcm"))
    await sent_before(database, store, archived, *mine[:2])
    [event] = await anonymizer.anonymize(
        requested(archived, transfer="t9", profile="fiona"), database, store, VAULT, workers
    )
    assert isinstance(event, SeriesAnonymized)
    assert (event.instances, event.left_out, event.quarantined) == (4, 2, 0)
    assert event.target_study_instance_uid == archived.study_instance_uid
    manifest = read_manifest(store, event.manifest)
    assert {"20260105"} <= set(manifest.given), "a day that was moved before"
    assert not {each.sop_instance_uid for each in manifest.instances} & set(mine)


async def test_a_study_of_which_all_was_sent_from_here_keeps_its_name(
    database: Database, store: Store, workers: Workers, archived: StudyFiles
) -> None:
    await sent_before(database, store, archived, *(path.stem for path in (store / "archive").rglob("*.dcm")))
    [event] = await anonymizer.anonymize(
        requested(archived, transfer="t9", profile="fiona"), database, store, VAULT, workers
    )
    assert isinstance(event, SeriesAnonymized)
    assert (event.instances, event.left_out) == (0, 6)
    assert event.target_study_instance_uid == archived.study_instance_uid


async def test_what_is_sent_leaves_word_of_what_will_be_repeated(
    database: Database, store: Store, workers: Workers, archived: StudyFiles, tmp_path: Path
) -> None:
    [event] = await anonymizer.anonymize(requested(archived, profile="fiona"), database, store, VAULT, workers)
    assert isinstance(event, SeriesAnonymized)
    given = read_manifest(store, event.manifest).given
    assert "20251124" in given, "the day, moved by 42"
    assert [value for value in given if value.startswith("2.25.")], "the frame of reference"
