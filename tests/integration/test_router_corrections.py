"""Putting it right, on both databases: what ends, what is taken back, and what waits until that is done."""

from typing import Any

import pytest
from sqlalchemy import select

from services.router import handlers as router
from shared.database import Database
from shared.events import (
    AssignmentCorrected,
    AssignmentEnded,
    Event,
    TransferCancelled,
    TransferCompleted,
    TransferRequested,
    WithdrawalAnswered,
    WithdrawalCompleted,
    WithdrawalConfirmed,
    WithdrawalRequested,
    WithdrawalRetried,
)
from shared.tables import Assignment, CouplingEntry, Project, Transfer, Withdrawal, WithdrawalPart
from tests.integration.test_router import STUDY, VAULT, arrive, assign, assignment, match
from tests.integration.test_router import catalogue as catalogue


def correction(**values: Any) -> AssignmentCorrected:
    to = {"becomes": "a2", "project": "PROJECT", "participant": "P2", "event": "Unknown"} | values
    return AssignmentCorrected(correction="c1", assignment="a1", study_instance_uid=STUDY, **to)


TO_NOBODY = AssignmentCorrected(correction="c1", assignment="a1", study_instance_uid=STUDY)


async def correct(database: Database, event: AssignmentCorrected) -> list[Event]:
    async with database.session() as session:
        return await router.corrected(event, session, VAULT)


async def answer(
    database: Database, request: WithdrawalRequested, outcome: str = "withdrawn", instances: int = 3
) -> list[Event]:
    event = WithdrawalAnswered(
        **request.model_dump(),
        outcome=outcome,
        instances=instances,
        withdrawn=instances if outcome == "withdrawn" else 0,
        target_study_instance_uid="2.25.1",
        reason="" if outcome == "withdrawn" else "the destination has no way to delete",
    )
    async with database.session() as session:
        return await router.withdrawn(event, session)


async def state_of(database: Database, table: type[Any], key: Any) -> Any:
    async with database.reading() as session:
        return (await session.get_one(table, key)).state


async def test_the_new_assignment_is_sent_when_the_old_one_has_left(catalogue: Database) -> None:
    [first] = await assign(catalogue, assignment("P1"))
    ended, asked = await correct(catalogue, correction())
    assert ended == AssignmentEnded(assignment="a1", study_instance_uid=STUDY, project="PROJECT", withdrawal="c1")
    assert asked == WithdrawalRequested(withdrawal="c1", transfer=first.transfer, destination="research")
    assert isinstance(asked, WithdrawalRequested)
    assert await correct(catalogue, correction()) == [], "twice is once"
    async with catalogue.reading() as session:
        old, new = [await session.get_one(Assignment, each) for each in ("a1", "a2")]
        in_force = list(await session.scalars(select(Assignment.id).where(Assignment.in_force)))
    assert (old.in_force, old.ended_by, new.waits_for, in_force) == (False, "c1", "c1", ["a2"])
    assert await state_of(catalogue, Transfer, first.transfer) == "cancelled"

    event = await arrive(catalogue, "1.2.3.2", 2)
    async with catalogue.session() as session:
        assert await router.more(event, session) == [], "what comes meanwhile waits, too"
    late = TransferCompleted(transfer=first.transfer, delivered=3, quarantined=0, counted=3)
    async with catalogue.session() as session:
        await router.completed(late, session)
    assert await state_of(catalogue, Transfer, first.transfer) == "cancelled", "a late end changes nothing"

    gone, *requested = await answer(catalogue, asked)
    assert gone == WithdrawalCompleted(withdrawal="c1", project="PROJECT", transfers=(first.transfer,))
    assert [(e.series_instance_uid, e.participant) for e in requested if isinstance(e, TransferRequested)] == [
        ("1.2.3.1", "P2"),
        ("1.2.3.2", "P2"),
    ]
    assert await state_of(catalogue, Transfer, first.transfer) == "withdrawn"
    assert await state_of(catalogue, Withdrawal, "c1") == "done"
    assert await answer(catalogue, asked) == [], "twice is once"


async def test_what_no_program_can_delete_waits_for_a_person(catalogue: Database) -> None:
    await assign(catalogue, assignment("P1"))
    _, asked = await correct(catalogue, correction())
    assert isinstance(asked, WithdrawalRequested)
    assert await answer(catalogue, asked, "by_hand") == []
    assert await state_of(catalogue, Withdrawal, "c1") == "by_hand"
    async with catalogue.session() as session:
        gone, request = await router.confirmed(WithdrawalConfirmed(**asked.model_dump()), session)
    assert isinstance(gone, WithdrawalCompleted)
    assert isinstance(request, TransferRequested)
    assert request.participant == "P2"
    key = ("c1", asked.transfer, "research")
    assert await state_of(catalogue, WithdrawalPart, key) == "confirmed"
    assert await state_of(catalogue, Withdrawal, "c1") == "done"


async def test_what_no_program_could_delete_is_tried_again(catalogue: Database) -> None:
    await assign(catalogue, assignment("P1"))
    _, asked = await correct(catalogue, correction())
    assert isinstance(asked, WithdrawalRequested)
    await answer(catalogue, asked, "by_hand")
    again = WithdrawalRetried(withdrawal="c1", transfer=asked.transfer, destination="research", attempt="b1")
    async with catalogue.session() as session:
        [request] = await router.retried(again, session)
        assert await router.retried(again, session) == [], "it is under way"
    assert request == asked.model_copy(update={"attempt": "b1"})
    assert request.key() != asked.key(), "no inbox takes it for the first"
    assert isinstance(request, WithdrawalRequested)
    assert await state_of(catalogue, Withdrawal, "c1") == "under_way"
    _, sent = await answer(catalogue, request)
    assert isinstance(sent, TransferRequested)
    assert await state_of(catalogue, Withdrawal, "c1") == "done"


async def test_another_project_has_other_uids_and_need_not_wait(catalogue: Database) -> None:
    async with catalogue.session() as session:
        session.add(Project(name="SECOND", encrypted_key=b"", destinations=["research"]))
    [first] = await assign(catalogue, assignment("P1"))
    _, asked, request = await correct(catalogue, correction(project="SECOND"))
    assert isinstance(request, TransferRequested)
    assert (request.project, request.participant) == ("SECOND", "P2")
    assert isinstance(asked, WithdrawalRequested)
    [gone] = await answer(catalogue, asked)
    assert gone == WithdrawalCompleted(withdrawal="c1", project="PROJECT", transfers=(first.transfer,)), (
        "a consent that is withdrawn in the second project would not find it"
    )


@pytest.mark.parametrize("wrong", [{"participant": "nobody"}, {"project": "NOWHERE"}])
async def test_a_correction_that_cannot_be_ends_nothing(catalogue: Database, wrong: dict[str, str]) -> None:
    [first] = await assign(catalogue, assignment("P1"))
    assert await correct(catalogue, correction(**wrong)) == []
    assert await state_of(catalogue, Withdrawal, "c1") == "refused"
    assert await state_of(catalogue, Transfer, first.transfer) == "requested"
    async with catalogue.reading() as session:
        assert (await session.get_one(Assignment, "a1")).in_force
        assert (await session.get_one(Assignment, "a2")).refused


async def test_what_a_person_has_ended_no_list_begins_again_but_a_person_may(catalogue: Database) -> None:
    async with catalogue.session() as session:
        accession = VAULT.hash("accession", "ACC1")
        session.add(CouplingEntry(id="c", project="PROJECT", accession_hash=accession, participant="P7", event="e"))
    await assign(catalogue, assignment("P7"))
    _, asked = await correct(catalogue, TO_NOBODY)
    assert isinstance(asked, WithdrawalRequested)
    assert await match(catalogue) == []
    assert await assign(catalogue, assignment("P8", "a3")) == [], "it waits for what has to leave"
    _, request = await answer(catalogue, asked)
    assert isinstance(request, TransferRequested)
    assert request.participant == "P8"


async def test_a_transfer_is_cancelled_and_its_assignment_stays(catalogue: Database) -> None:
    [first] = await assign(catalogue, assignment("P1"))
    event = TransferCancelled(correction="c2", transfer=first.transfer)
    async with catalogue.session() as session:
        [asked] = await router.cancelled(event, session)
    assert isinstance(asked, WithdrawalRequested)
    await answer(catalogue, asked, instances=0)
    assert await state_of(catalogue, Transfer, first.transfer) == "cancelled", "nothing had been sent"
    event = TransferCancelled(correction="c3", transfer=first.transfer)
    async with catalogue.session() as session:
        assert await router.cancelled(event, session) == []
    assert await state_of(catalogue, Withdrawal, "c3") == "refused"
    arrived = await arrive(catalogue, "1.2.3.2", 2)
    async with catalogue.session() as session:
        [more] = await router.more(arrived, session)
    assert isinstance(more, TransferRequested)
    assert more.participant == "P1"
