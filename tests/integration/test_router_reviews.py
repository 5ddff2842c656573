"""The router on both databases: profiles of a project, what they leave out, and what a reviewer decides."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from services.router import handlers as router
from shared.crypto import Vault
from shared.database import Database
from shared.events import (
    QuarantineReviewed,
    SeriesAnonymized,
    StudyAssigned,
    TransferCompleted,
    TransferFailed,
    TransferRequested,
)
from shared.handlers import Reject
from shared.tables import (
    Instance,
    Project,
    ProjectProfile,
    QuarantinedInstance,
    QuarantineReview,
    ReviewedInstance,
    Series,
    Study,
    Transfer,
    TransferPart,
)

STUDY, FIRST, SECOND = "1.2.3", "1.2.3.1", "1.2.3.2"
DIGEST = "d" * 64
VAULT = Vault(b"k" * 32)


@pytest.fixture
async def catalogue(database: Database) -> Database:
    """Two projects, of which one has two destinations, and a study of two series of three instances each."""
    async with database.session() as session:
        session.add_all(
            (
                Project(name="PROJECT", encrypted_key=b"", destinations=["research", "archive"]),
                Project(name="SECOND", encrypted_key=b"", destinations=["research"]),
                Study(study_instance_uid=STUDY, patient="p"),
            )
        )
        await session.flush()
        for series in (FIRST, SECOND):
            session.add(Series(series_instance_uid=series, study_instance_uid=STUDY, revision=1))
            await session.flush()
            session.add_all(
                Instance(
                    sop_instance_uid=f"{series}.{number}",
                    series_instance_uid=series,
                    study_instance_uid=STUDY,
                    sop_class_uid="1",
                    transfer_syntax_uid="1",
                    path="x",
                    size=1,
                    association="a",
                    revision=1,
                )
                for number in range(3)
            )
    return database


async def assign(database: Database, project: str = "PROJECT") -> list[TransferRequested]:
    event = StudyAssigned(
        assignment=f"of {project}", study_instance_uid=STUDY, project=project, participant="P1", event="baseline"
    )
    async with database.session() as session:
        return await router.assigned(event, session, VAULT)


async def own_profile(database: Database, version: int, project: str = "PROJECT") -> None:
    async with database.session() as session:
        session.add(ProjectProfile(project=project, version=version, name="strict", content="", digest=DIGEST))


async def anonymized(
    database: Database, request: TransferRequested, *quarantined: str, left_out: int = 0, **more: str
) -> None:
    """What the anonymizer does: rows of quarantine, then the event."""
    async with database.session() as session:
        session.add_all(
            QuarantinedInstance(
                transfer=request.transfer,
                sop_instance_uid=uid,
                series_instance_uid=request.series_instance_uid,
                revision=request.revision,
                project=request.project,
                rule="text-in-pixels",
                reason="a screen save",
            )
            for uid in quarantined
        )
    event = SeriesAnonymized(
        transfer=request.transfer,
        parts=request.parts,
        destinations=request.destinations,
        project=request.project,
        series_instance_uid=request.series_instance_uid,
        revision=request.revision,
        target_study_instance_uid="2.25.1",
        manifest="m",
        instances=request.instances - len(quarantined) - left_out,
        quarantined=len(quarantined),
        left_out=left_out,
        **more,
    )
    for _ in range(2):
        async with database.session() as session:
            await router.anonymized(event, session)


async def complete(database: Database, transfer: str, delivered: int, quarantined: int = 0, left_out: int = 0) -> None:
    event = TransferCompleted(
        transfer=transfer, delivered=delivered, quarantined=quarantined, left_out=left_out, counted=delivered
    )
    for _ in range(2):
        async with database.session() as session:
            await router.completed(event, session)


async def review(
    database: Database, transfer: str, decision: Any, *instances: str, review_id: str = "r1"
) -> list[TransferRequested]:
    """What the api commits, and what the router makes of it: the same when it hears it twice."""
    async with database.session() as session:
        session.add(
            QuarantineReview(
                id=review_id, transfer=transfer, project="PROJECT", decision=decision, reason=b"", reviewer="R"
            )
        )
        session.add_all(
            ReviewedInstance(
                transfer=transfer,
                sop_instance_uid=uid,
                review=review_id,
                series_instance_uid=uid.rpartition(".")[0],
                revision=1,
                rule="text-in-pixels",
            )
            for uid in instances
        )
    event = QuarantineReviewed(review=review_id, transfer=transfer, decision=decision, instances=len(instances))
    async with database.session() as session:
        requested = await router.reviewed(event, session)
    before = await everything(database)
    async with database.session() as session:
        assert await router.reviewed(event, session) == []
    assert await everything(database) == before
    return requested


async def transfer(database: Database, identity: str) -> Transfer:
    async with database.reading() as session:
        return await session.get_one(Transfer, identity)


async def everything(database: Database) -> list[dict[str, object]]:
    async with database.reading() as session:
        rows: list[Transfer | TransferPart] = [
            *await session.scalars(select(Transfer).order_by(Transfer.id)),
            *await session.scalars(select(TransferPart).order_by(TransferPart.id)),
        ]
        return [{name: value for name, value in vars(row).items() if name[0] != "_"} for row in rows]


def told(requests: Sequence[TransferRequested]) -> list[tuple[str, int, int, int]]:
    return [(each.series_instance_uid, each.revision, each.instances, each.parts) for each in requests]


async def in_quarantine(database: Database, *quarantined: str) -> TransferRequested:
    """A transfer of both series that has ended but for these."""
    first, second = await assign(database)
    await anonymized(database, first, *(uid for uid in quarantined if uid.startswith(FIRST)))
    await anonymized(database, second, *(uid for uid in quarantined if uid.startswith(SECOND)))
    await complete(database, first.transfer, 6 - len(quarantined), len(quarantined))
    return first


async def test_a_project_without_a_profile_of_its_own_has_a_built_in_one(catalogue: Database) -> None:
    request, _ = await assign(catalogue)
    assert (request.profile, request.profile_version, request.review) == ("basic", 0, None)
    kept = await transfer(catalogue, request.transfer)
    assert (kept.profile, kept.profile_version, kept.profile_digest, kept.review) == ("basic", "", None, None)


async def test_the_latest_profile_of_the_project_counts(catalogue: Database) -> None:
    for version in (1, 2):
        await own_profile(catalogue, version)
    await own_profile(catalogue, 3, project="SECOND")
    request, _ = await assign(catalogue)
    assert (request.profile, request.profile_version) == ("strict", 2)
    kept = await transfer(catalogue, request.transfer)
    assert (kept.profile, kept.profile_version) == ("strict", "2")
    other, _ = await assign(catalogue, "SECOND")
    assert (other.profile, other.profile_version) == ("strict", 3)


async def test_what_was_applied_is_noted(catalogue: Database) -> None:
    request, _ = await assign(catalogue)
    await anonymized(catalogue, request, profile_version="2026c", profile_digest=DIGEST)
    kept = await transfer(catalogue, request.transfer)
    assert (kept.profile_version, kept.profile_digest) == ("2026c", DIGEST)


async def test_an_anonymizer_of_before_takes_nothing_back(catalogue: Database) -> None:
    await own_profile(catalogue, 1)
    request, _ = await assign(catalogue)
    await anonymized(catalogue, request)
    kept = await transfer(catalogue, request.transfer)
    assert (kept.profile_version, kept.profile_digest) == ("1", None)


async def test_what_the_profile_leaves_out_is_counted_once_and_is_no_failure(catalogue: Database) -> None:
    first, second = await assign(catalogue)
    await anonymized(catalogue, first, left_out=3)
    await anonymized(catalogue, second, left_out=1)
    assert (await transfer(catalogue, first.transfer)).left_out == 4
    await complete(catalogue, first.transfer, 2, left_out=4)
    ended = await transfer(catalogue, first.transfer)
    assert (ended.state, ended.error, ended.left_out) == ("completed", None, 4)


@pytest.mark.parametrize(("delivered", "quarantined", "left_out"), [(2, 1, 2), (3, 1, 3), (6, 0, 1)])
async def test_a_sum_that_is_not_what_was_asked_for_fails(
    catalogue: Database, delivered: int, quarantined: int, left_out: int
) -> None:
    request, _ = await assign(catalogue)
    await complete(catalogue, request.transfer, delivered, quarantined, left_out)
    ended = await transfer(catalogue, request.transfer)
    assert ended.state == "failed"
    assert ended.error == f"asked for 6, accounted for {delivered + quarantined + left_out}"


@pytest.mark.parametrize("decision", ["release", "repeat"])
async def test_what_is_released_or_repeated_is_asked_for_again(catalogue: Database, decision: str) -> None:
    old = await in_quarantine(catalogue, f"{FIRST}.0", f"{FIRST}.1", f"{SECOND}.2")
    assert (await transfer(catalogue, old.transfer)).error == "3 in quarantine"
    await own_profile(catalogue, 1)
    requests = await review(catalogue, old.transfer, decision, f"{FIRST}.0", f"{FIRST}.1", f"{SECOND}.2")
    assert told(requests) == [(FIRST, 1, 2, 2), (SECOND, 1, 1, 2)]
    assert {(each.review, each.profile, each.profile_version) for each in requests} == {("r1", "strict", 1)}
    assert {(each.participant, each.event, each.destinations) for each in requests} == {
        ("P1", "baseline", ("research", "archive"))
    }
    new = await transfer(catalogue, requests[0].transfer)
    assert (new.reason, new.review, new.assignment, new.instances) == ("review r1", "r1", "of PROJECT", 3)
    assert (new.state, new.profile, new.profile_version) == ("requested", "strict", "1")
    ended = await transfer(catalogue, old.transfer)
    words = {"release": "released", "repeat": "repeated"}[decision]
    assert (ended.state, ended.error) == ("completed", f"3 reviewed in quarantine: 3 {words}")


async def test_what_is_dropped_is_done_with(catalogue: Database) -> None:
    old = await in_quarantine(catalogue, f"{FIRST}.0")
    assert await review(catalogue, old.transfer, "drop", f"{FIRST}.0") == []
    ended = await transfer(catalogue, old.transfer)
    assert (ended.state, ended.error) == ("completed", "1 reviewed in quarantine: 1 dropped")
    assert len(await everything(catalogue)) == 1 + 4


async def test_some_wait_on_until_all_are_decided_about(catalogue: Database) -> None:
    old = await in_quarantine(catalogue, f"{FIRST}.0", f"{FIRST}.1", f"{SECOND}.2")
    await review(catalogue, old.transfer, "release", f"{FIRST}.0")
    waiting = await transfer(catalogue, old.transfer)
    assert (waiting.state, waiting.error) == ("quarantined", "2 in quarantine, 1 released")
    await review(catalogue, old.transfer, "drop", f"{FIRST}.1", f"{SECOND}.2", review_id="r2")
    ended = await transfer(catalogue, old.transfer)
    assert (ended.state, ended.error) == ("completed", "3 reviewed in quarantine: 1 released, 2 dropped")


async def test_a_decision_before_the_transfer_has_ended_holds_when_it_ends(catalogue: Database) -> None:
    first, second = await assign(catalogue)
    await anonymized(catalogue, first, f"{FIRST}.0")
    await review(catalogue, first.transfer, "drop", f"{FIRST}.0")
    assert (await transfer(catalogue, first.transfer)).state == "anonymizing"
    await anonymized(catalogue, second)
    await complete(catalogue, first.transfer, 5, 1)
    ended = await transfer(catalogue, first.transfer)
    assert (ended.state, ended.error) == ("completed", "1 reviewed in quarantine: 1 dropped")


async def test_quarantined_again_it_is_reviewed_again(catalogue: Database) -> None:
    old = await in_quarantine(catalogue, f"{FIRST}.0", f"{FIRST}.1")
    (again,) = await review(catalogue, old.transfer, "release", f"{FIRST}.0", f"{FIRST}.1")
    await anonymized(catalogue, again, f"{FIRST}.1")
    await complete(catalogue, again.transfer, 1, 1)
    assert (await transfer(catalogue, again.transfer)).state == "quarantined"
    (third,) = await review(catalogue, again.transfer, "repeat", f"{FIRST}.1", review_id="r2")
    assert told([third]) == [(FIRST, 1, 1, 1)]
    assert (await transfer(catalogue, again.transfer)).state == "completed"
    assert (await transfer(catalogue, old.transfer)).error == "2 reviewed in quarantine: 2 released"


async def test_a_failed_transfer_stays_failed_and_what_it_holds_is_still_released(catalogue: Database) -> None:
    first, _ = await assign(catalogue)
    await anonymized(catalogue, first, f"{FIRST}.0")
    async with catalogue.session() as session:
        await router.failed(TransferFailed(transfer=first.transfer, reason="refused 1", refused=1), session)
    (again,) = await review(catalogue, first.transfer, "release", f"{FIRST}.0")
    assert told([again]) == [(FIRST, 1, 1, 1)]
    ended = await transfer(catalogue, first.transfer)
    assert (ended.state, ended.error) == ("failed", "refused 1")


async def test_another_project_is_not_touched(catalogue: Database) -> None:
    old = await in_quarantine(catalogue, f"{FIRST}.0")
    other, _ = await assign(catalogue, "SECOND")
    await anonymized(catalogue, other, f"{FIRST}.0")
    await complete(catalogue, other.transfer, 5, 1)
    (again,) = await review(catalogue, old.transfer, "release", f"{FIRST}.0")
    assert again.project == "PROJECT"
    assert (await transfer(catalogue, old.transfer)).state == "completed"
    assert (await transfer(catalogue, other.transfer)).state == "quarantined"


async def test_a_reviewed_instance_is_not_asked_for_as_something_new(catalogue: Database) -> None:
    old = await in_quarantine(catalogue, f"{FIRST}.0")
    await review(catalogue, old.transfer, "release", f"{FIRST}.0")
    assert await assign(catalogue) == []


async def test_a_review_of_nothing_known_is_rejected(catalogue: Database) -> None:
    event = QuarantineReviewed(review="r", transfer="nowhere", decision="drop", instances=1)
    with pytest.raises(Reject):
        async with catalogue.session() as session:
            await router.reviewed(event, session)
