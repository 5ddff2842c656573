"""The router on both databases: which transfers are asked for, why, and when one is called complete."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select, update

from services.router import handlers as router
from shared.crypto import Vault
from shared.database import Database
from shared.events import (
    SeriesAnonymized,
    SeriesArrived,
    SeriesDelivered,
    StudyArrived,
    StudyAssigned,
    TransferCompleted,
    TransferFailed,
    TransferRequested,
)
from shared.registry.participants import ensure_participant
from shared.store import Store
from shared.tables import (
    Assignment,
    CouplingEntry,
    Instance,
    Participant,
    Patient,
    Project,
    RoutingRule,
    Series,
    Study,
    StudyIdentity,
    Transfer,
)
from shared.tables.base import now

STUDY = "1.2.3"
VAULT = Vault(b"k" * 32)
STORE = Store(Path("/nothing/is/here"))
ACCESSION = VAULT.hash("accession", "ACC1")
PATIENT = VAULT.hash("patient", "8DISC001", "")


@pytest.fixture
async def catalogue(database: Database) -> Database:
    """A project and a study of two series, of which one has arrived."""
    async with database.session() as session:
        session.add(Patient(id=PATIENT))
        details = {"PatientID": "8DISC001", "PatientName": "Doe^Jane"}
        session.add(
            StudyIdentity(
                study_instance_uid=STUDY,
                accession_number=VAULT.encrypt("ACC1"),
                details=VAULT.encrypt(json.dumps(details)),
            )
        )
        session.add(
            Study(
                study_instance_uid=STUDY,
                patient=PATIENT,
                accession_hash=VAULT.hash("accession", "ACC1"),
                calling_aet="CT1",
                called_aet="FIONA",
            )
        )
        session.add(
            Project(name="PROJECT", encrypted_key=b"", destinations=["research"], participant_pattern="(8DISC|P).*")
        )
        await session.flush()
    await arrive(database, "1.2.3.1", 3)
    return database


async def arrive(database: Database, series: str, count: int, revision: int = 1) -> SeriesArrived:
    """Catalogue an arrival as the indexer does."""
    async with database.session() as session:
        if await session.get(Series, series) is None:
            session.add(Series(series_instance_uid=series, study_instance_uid=STUDY, revision=revision))
            await session.flush()
        session.add_all(
            Instance(
                sop_instance_uid=f"{series}.{revision}.{number}",
                series_instance_uid=series,
                study_instance_uid=STUDY,
                sop_class_uid="1",
                transfer_syntax_uid="1",
                path="x",
                size=1,
                association="a",
                revision=revision,
            )
            for number in range(count)
        )
    return SeriesArrived(
        study_instance_uid=STUDY, series_instance_uid=series, revision=revision, instances=count, total=count
    )


def assignment(participant: str = "P1", identity: str = "a1", project: str = "PROJECT") -> StudyAssigned:
    return StudyAssigned(assignment=identity, study_instance_uid=STUDY, project=project, participant=participant)


ARRIVED = StudyArrived(study_instance_uid=STUDY, series=1, instances=3)


async def assign(database: Database, event: StudyAssigned) -> list[TransferRequested]:
    async with database.session() as session:
        return await router.assigned(event, session, VAULT)


async def match(database: Database) -> list[TransferRequested]:
    async with database.session() as session:
        return await router.match(ARRIVED, session, VAULT, STORE)


async def transfers(database: Database) -> list[Transfer]:
    async with database.reading() as session:
        return list(await session.scalars(select(Transfer).order_by(Transfer.requested_at)))


async def test_a_person_assigns_and_what_has_arrived_is_asked_for(catalogue: Database) -> None:
    (request,) = await assign(catalogue, assignment())
    assert (request.series_instance_uid, request.revision, request.instances, request.parts) == ("1.2.3.1", 1, 3, 1)
    assert (request.participant, request.event, request.destinations) == ("P1", "Unknown", ("research",))
    (transfer,) = await transfers(catalogue)
    assert (transfer.reason, transfer.state, transfer.instances) == ("person", "requested", 3)


async def test_asked_twice_is_asked_once(catalogue: Database) -> None:
    assert len(await assign(catalogue, assignment())) == 1
    assert await assign(catalogue, assignment(identity="a2")) == []
    assert len(await transfers(catalogue)) == 1


async def test_an_assigned_study_that_gets_more_series_is_transferred_again(catalogue: Database) -> None:
    await assign(catalogue, assignment())
    event = await arrive(catalogue, "1.2.3.2", 5)
    async with catalogue.session() as session:
        (request,) = await router.more(event, session)
    assert isinstance(request, TransferRequested)
    assert (request.series_instance_uid, request.instances, request.participant) == ("1.2.3.2", 5, "P1")
    assert [transfer.reason for transfer in await transfers(catalogue)] == ["person", "more series"]


async def test_late_instances_of_a_series_are_the_rest_and_no_more(catalogue: Database) -> None:
    await assign(catalogue, assignment())
    event = await arrive(catalogue, "1.2.3.1", 2, revision=2)
    async with catalogue.session() as session:
        (request,) = await router.more(event, session)
    assert isinstance(request, TransferRequested)
    assert (request.revision, request.instances) == (2, 2)


async def test_one_study_in_two_projects_is_two_transfers(catalogue: Database) -> None:
    async with catalogue.session() as session:
        session.add(Project(name="SECOND", encrypted_key=b"", destinations=["research"]))
    await assign(catalogue, assignment())
    await assign(catalogue, assignment(identity="a2", project="SECOND"))
    assert [transfer.project for transfer in await transfers(catalogue)] == ["PROJECT", "SECOND"]


async def test_the_second_who_assigns_differently_is_refused_with_a_reason(catalogue: Database) -> None:
    await assign(catalogue, assignment("P1"))
    assert await assign(catalogue, assignment("P2", "a2")) == []
    async with catalogue.reading() as session:
        refused = await session.get_one(Assignment, "a2")
    assert refused.refused == "assigned to another participant or event already"


async def test_a_participant_is_made_once_and_takes_nothing_after_its_withdrawal(catalogue: Database) -> None:
    await assign(catalogue, assignment())
    async with catalogue.session() as session:
        made = await session.get_one(Participant, ("PROJECT", "P1"))
        assert (made.origin, made.site, made.created_by) == ("person", "", "")
        assert not await ensure_participant(session, "PROJECT", "P1", origin="rule", site="A"), "it is there"
        assert await ensure_participant(session, "PROJECT", "P2", origin="person", site="A", by="kari")
        made.withdrawn_at = now()
        session.add(Project(name="SECOND", encrypted_key=b"", destinations=["research"]))
        await ensure_participant(session, "SECOND", "P3", origin="coupling")
        (await session.get_one(Participant, ("SECOND", "P3"))).withdrawn_at = now()
    assert await assign(catalogue, assignment("P3", "a2", project="SECOND")) == []
    async with catalogue.reading() as session:
        assert (await session.get_one(Assignment, "a2")).refused == "the participant's consent was withdrawn"
        assert (await session.get_one(Participant, ("PROJECT", "P1"))).origin == "person"


async def test_an_identity_is_no_pseudonym(catalogue: Database) -> None:
    """A rule that lets a real name through is stopped by the project's pattern, and the name is not kept."""
    async with catalogue.session() as session:
        session.add(RoutingRule(id="r", project="PROJECT", position=0, active=True, patient_name=".*"))
    assert await match(catalogue) == []
    async with catalogue.reading() as session:
        (refused,) = await session.scalars(select(Assignment))
    assert refused.participant == ""
    assert refused.refused == "the participant does not fit the project's naming pattern"


async def test_a_coupling_entry_claims_by_accession_number_before_any_rule(catalogue: Database) -> None:
    async with catalogue.session() as session:
        session.add(
            CouplingEntry(
                id="c", project="PROJECT", key=ACCESSION, accession_hash=ACCESSION, participant="P7", event="e2"
            )
        )
        session.add(RoutingRule(id="r", project="PROJECT", active=True, called_aet="FIONA", patient_id="8DISC.*"))
    (request,) = await match(catalogue)
    assert (request.participant, request.event) == ("P7", "e2")
    assert [transfer.reason for transfer in await transfers(catalogue)] == ["coupling c"]
    assert await matched(catalogue) == {"c"}


async def matched(database: Database) -> set[str]:
    """The entries that have claimed a study, by what they say themselves."""
    async with database.reading() as session:
        return set(await session.scalars(select(CouplingEntry.id).where(CouplingEntry.matched)))


async def test_an_entry_has_matched_when_an_assignment_names_it_taken_or_refused(catalogue: Database) -> None:
    fields = {"key": ACCESSION, "accession_hash": ACCESSION, "participant": "P7"}
    async with catalogue.session() as session:
        session.add(Project(name="CLOSED", encrypted_key=b"", active=False))
        for identity, project in (("c", "PROJECT"), ("d", "CLOSED"), ("e", "OTHER")):
            session.add(CouplingEntry(id=identity, project=project, **fields))
        session.add(CouplingEntry(id="f", project="PROJECT", key=PATIENT, patient_hash=PATIENT, participant="P7"))
    await assign(catalogue, assignment(participant="P7"))
    assert await matched(catalogue) == set(), "a person has"
    for _ in range(2):
        assert await match(catalogue) == []
        async with catalogue.reading() as session:
            named = set(await session.scalars(select(Assignment.reason).where(Assignment.refused.is_not(None))))
        assert named == {"coupling d", "coupling e"}
        assert await matched(catalogue) == {"d", "e"}, "PROJECT has it already, and of a person"


async def test_a_routing_rule_takes_the_patient_id_as_participant(catalogue: Database) -> None:
    async with catalogue.session() as session:
        session.add(RoutingRule(id="r", project="PROJECT", active=True, called_aet="FIONA", patient_id="8DISC.*"))
    (request,) = await match(catalogue)
    assert request.participant == "8DISC001"
    assert await match(catalogue) == []


async def test_nobody_claims(catalogue: Database) -> None:
    assert await match(catalogue) == []
    assert await transfers(catalogue) == []


def anonymized(request: TransferRequested, instances: int, quarantined: int) -> SeriesAnonymized:
    return SeriesAnonymized(
        transfer=request.transfer,
        parts=1,
        destinations=request.destinations,
        project=request.project,
        series_instance_uid=request.series_instance_uid,
        revision=1,
        target_study_instance_uid="2.25.1",
        manifest="m",
        instances=instances,
        quarantined=quarantined,
    )


def delivered(request: TransferRequested, count: int) -> SeriesDelivered:
    return SeriesDelivered(
        transfer=request.transfer,
        destination="research",
        series_instance_uid=request.series_instance_uid,
        revision=1,
        delivered=count,
        refused=0,
    )


@pytest.mark.parametrize(
    ("passed", "quarantined", "counted", "state"),
    [(3, 0, 3, "completed"), (2, 1, 2, "quarantined"), (0, 3, 0, "quarantined"), (2, 0, 2, "failed")],
)
async def test_complete_is_what_was_counted(
    catalogue: Database, passed: int, quarantined: int, counted: int, state: str
) -> None:
    (request,) = await assign(catalogue, assignment())
    async with catalogue.session() as session:
        await router.anonymized(anonymized(request, passed, quarantined), session)
    assert (await transfers(catalogue))[0].state == "sending"
    async with catalogue.session() as session:
        await router.delivered(delivered(request, passed), session)
    assert (await transfers(catalogue))[0].state == "verifying"
    event = TransferCompleted(transfer=request.transfer, delivered=passed, quarantined=quarantined, counted=counted)
    async with catalogue.session() as session:
        await router.completed(event, session)
    (transfer,) = await transfers(catalogue)
    assert transfer.state == state
    assert transfer.finished_at is not None


async def test_a_transfer_says_what_its_parts_do_where_it_is_least_far(catalogue: Database) -> None:
    async with catalogue.session() as session:
        await session.execute(update(Project).values(destinations=["research", "archive"]))
    await arrive(catalogue, "1.2.3.2", 5)
    first, second = sorted(await assign(catalogue, assignment()), key=lambda each: each.instances)

    async def sums() -> tuple[int, ...]:
        (each,) = await transfers(catalogue)
        return each.anonymized, each.quarantined, each.left_out, each.delivered, each.refused

    assert await sums() == (0, 0, 0, 0, 0)
    async with catalogue.session() as session:
        await router.anonymized(anonymized(first, 2, 1), session)
    assert await sums() == (2, 1, 0, 0, 0)
    async with catalogue.session() as session:
        await router.anonymized(anonymized(second, 4, 0).model_copy(update={"left_out": 1}), session)
        await router.delivered(delivered(first, 2), session)
    assert await sums() == (6, 1, 1, 0, 0), "nothing is at the other destination yet"
    for said in (
        delivered(first, 2).model_copy(update={"destination": "archive"}),
        delivered(second, 3).model_copy(update={"destination": "archive", "refused": 1}),
    ):
        async with catalogue.session() as session:
            await router.delivered(said, session)
    assert await sums() == (6, 1, 1, 2, 0)
    for _ in range(2):
        async with catalogue.session() as session:
            await router.delivered(delivered(second, 4), session)
        assert await sums() == (6, 1, 1, 5, 1)


async def test_events_out_of_order_do_not_undo_an_end(catalogue: Database) -> None:
    (request,) = await assign(catalogue, assignment())
    async with catalogue.session() as session:
        await router.failed(TransferFailed(transfer=request.transfer, reason="refused 1", refused=1), session)
    async with catalogue.session() as session:
        await router.delivered(delivered(request, 2), session)
    (transfer,) = await transfers(catalogue)
    assert (transfer.state, transfer.error) == ("failed", "refused 1")


async def test_a_count_that_fell_short_elsewhere_does_not_undo_a_complete_transfer(catalogue: Database) -> None:
    (request,) = await assign(catalogue, assignment())
    complete = TransferCompleted(transfer=request.transfer, delivered=3, quarantined=0, counted=3)
    async with catalogue.session() as session:
        await router.completed(complete, session)
    async with catalogue.session() as session:
        await router.failed(TransferFailed(transfer=request.transfer, reason="not found", refused=0), session)
    (transfer,) = await transfers(catalogue)
    assert (transfer.state, transfer.error) == ("completed", None)


async def test_a_project_without_destination_shows_a_failed_transfer(catalogue: Database) -> None:
    async with catalogue.session() as session:
        await session.execute(update(Project).values(destinations=[]))
    assert await assign(catalogue, assignment()) == []
    (transfer,) = await transfers(catalogue)
    assert (transfer.state, transfer.error) == ("failed", "the project has no destination")
