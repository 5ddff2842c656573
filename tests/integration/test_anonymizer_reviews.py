"""The anonymizer's handler on both databases, with an engine that answers as told: profiles, reviews, what is kept."""

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import pytest
from sqlalchemy import func, select

from deidentification import Deidentified
from deidentification.dataset.encoding import EXPLICIT_LE
from deidentification.pixels.findings import Box, Findings, FrameFinding
from deidentification.profiles import BUILT_IN, Profile, digest, write_profile
from deidentification.review import KeptRow
from services.anonymizer import handlers as anonymizer
from services.anonymizer.batch import Outcome, Work
from services.anonymizer.workers import Done, Workers
from shared.crypto import Vault
from shared.database import Database
from shared.events import Event, SeriesAnonymized, TransferFailed, TransferRequested
from shared.handlers import Retry
from shared.manifest import read_manifest
from shared.store import Store
from shared.tables import (
    Assignment,
    CountedPart,
    Instance,
    KeptAttribute,
    Project,
    ProjectProfile,
    QuarantinedInstance,
    QuarantineReview,
    ReviewedInstance,
    Series,
    Study,
    Transfer,
)

VAULT = Vault(b"k" * 32)
STUDY, SERIES = "1.2.3", "1.2.3.4"
INSTANCES = tuple(f"{SERIES}.{number}" for number in range(4))
STRICT = BUILT_IN["basic"].model_copy(update={"name": "strict", "description": "ours"})
FOUND = Findings(
    read=1,
    changed=1,
    frames=(FrameFinding((1,), (Box(1, 2, 3, 4, 0.9, "text", "Hansen"),)),),
    before=b"PNG with Hansen",
    after=b"PNG without",
)

Answer = Callable[[str], Outcome]


def passes(uid: str, findings: Findings | None = None) -> Outcome:
    new = f"2.25.{uid.rpartition('.')[2]}7"
    result = Deidentified(
        study_instance_uid="2.25.1",
        series_instance_uid="2.25.2",
        sop_instance_uid=new,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        modality="CT",
        path=PurePath(f"{new}.dcm"),
        size=3,
        actions={},
        elements=(),
        encoding=EXPLICIT_LE,
        findings=None,
    )
    return Outcome(uid, result, findings=findings)


def stays(uid: str, rule: str = "text-in-pixels") -> Outcome:
    return Outcome(uid, reason=f"stays here [{rule}]", where="(7FE0,0010)", rule=rule)


def left_out(uid: str) -> Outcome:
    return Outcome(uid, reason="left out [drop]", rule="drop", left_out=True)


class Told(Workers):
    """Workers that write what they are told, and remember what they were given."""

    def __init__(self, answer: Answer = passes) -> None:
        self.answer = answer
        self.works: list[Work] = []

    async def run(self, work: Work) -> Done:
        self.works.append(work)
        outcomes = [self.answer(uid) for uid, _ in work.sources]
        passed = [outcome.result for outcome in outcomes if outcome.result is not None]
        work.target.mkdir(parents=True, exist_ok=True)
        for result in passed:
            (work.target / result.path).write_bytes(b"new")
        return Done(outcomes, [KeptRow("(0008,0060)", "Modality", "CS", "CT", len(passed))] if passed else [])


@pytest.fixture
async def archived(database: Database) -> Database:
    async with database.session() as session:
        session.add_all(
            Project(name=name, encrypted_key=VAULT.encrypt(b"p" * 32), destinations=["research"])
            for name in ("PROJECT", "SECOND")
        )
        session.add(Study(study_instance_uid=STUDY, patient="p"))
        await session.flush()
        session.add(Series(series_instance_uid=SERIES, study_instance_uid=STUDY))
        await session.flush()
        session.add_all(
            Instance(
                sop_instance_uid=uid,
                series_instance_uid=SERIES,
                study_instance_uid=STUDY,
                sop_class_uid="1",
                transfer_syntax_uid="1",
                path=f"archive/{uid}.dcm",
                size=1,
                association="a",
                revision=1,
            )
            for uid in INSTANCES
        )
    return database


def requested(**changes: object) -> TransferRequested:
    fields: dict[str, object] = {
        "transfer": "t1", "parts": 1, "project": "PROJECT", "participant": "P001", "event": "baseline",
        "destinations": ("research",), "profile": "basic", "study_instance_uid": STUDY,
        "series_instance_uid": SERIES, "revision": 1, "instances": 4, **changes,
    }  # fmt: skip
    return TransferRequested.model_validate(fields)


async def anonymize(database: Database, store: Store, workers: Workers, **changes: object) -> Event:
    (event,) = await anonymizer.anonymize(requested(**changes), database, store, VAULT, workers)
    return event


async def done(database: Database, store: Store, workers: Workers, **changes: object) -> SeriesAnonymized:
    event = await anonymize(database, store, workers, **changes)
    assert isinstance(event, SeriesAnonymized)
    return event


async def reviewed(
    database: Database, review: str, decision: str, rules: dict[str, str], transfer: str = "t1"
) -> dict[str, object]:
    """A review of instances of `transfer`, and the transfer `of <review>` that it asks for."""
    async with database.session() as session:
        if await session.get(Assignment, "a") is None:
            session.add(
                Assignment(
                    id="a", study_instance_uid=STUDY, project="PROJECT", participant="P", event="e", reason="person"
                )
            )
            await session.flush()
        session.add(
            QuarantineReview(
                id=review, transfer=transfer, project="PROJECT", decision=decision, reason=b"", reviewer="R"
            )
        )
        session.add_all(
            ReviewedInstance(
                transfer=transfer,
                sop_instance_uid=uid,
                review=review,
                series_instance_uid=SERIES,
                revision=1,
                rule=rule,
            )
            for uid, rule in rules.items()
        )
        session.add(
            Transfer(
                id=f"of {review}",
                assignment="a",
                study_instance_uid=STUDY,
                project="PROJECT",
                participant="P",
                event="e",
                reason=f"review {review}",
                review=review,
            )
        )
    return {"transfer": f"of {review}", "review": review, "instances": len(rules)}


async def quarantine(database: Database, transfer: str = "t1") -> dict[str, tuple[str, str, str]]:
    async with database.reading() as session:
        rows = await session.scalars(select(QuarantinedInstance).where(QuarantinedInstance.transfer == transfer))
        return {row.sop_instance_uid: (row.rule, row.reason, row.where) for row in rows}


async def kept(database: Database, project: str = "PROJECT") -> int:
    async with database.reading() as session:
        total = select(func.sum(KeptAttribute.count)).where(KeptAttribute.project == project)
        return await session.scalar(total) or 0


def given(work: Work) -> list[str]:
    return [uid for uid, _ in work.sources]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".sealed"
    }


async def test_written_quarantined_and_left_out_are_all_that_was_asked_for(archived: Database, store: Store) -> None:
    answers: tuple[Callable[[str], Outcome], ...] = (passes, stays, left_out, passes)
    answer = dict(zip(INSTANCES, answers, strict=True))
    event = await done(archived, store, Told(lambda uid: answer[uid](uid)))
    assert (event.instances, event.quarantined, event.left_out) == (2, 1, 1)
    assert await quarantine(archived) == {
        INSTANCES[1]: ("text-in-pixels", "stays here [text-in-pixels]", "(7FE0,0010)")
    }
    assert len(read_manifest(store, event.manifest).instances) == 2
    assert await kept(archived) == 2


@pytest.mark.parametrize("answer", [left_out, stays])
async def test_a_part_of_which_nothing_is_written_has_its_manifest(
    archived: Database, store: Store, answer: Answer
) -> None:
    event = await done(archived, store, Told(answer))
    assert (event.instances, event.quarantined + event.left_out) == (0, 4)
    assert read_manifest(store, event.manifest).instances == ()
    assert event.target_study_instance_uid.startswith("2.25.")
    assert await kept(archived) == 0


async def test_the_built_in_profile_by_its_name(archived: Database, store: Store) -> None:
    workers = Told()
    event = await done(archived, store, workers)
    basic = BUILT_IN["basic"]
    assert workers.works[0].profile == basic
    assert (event.profile_version, event.profile_digest) == (basic.version, digest(basic))


async def own(database: Database, content: str, version: int, project: str = "PROJECT") -> None:
    async with database.session() as session:
        row = ProjectProfile(project=project, version=version, name="strict", content=content, digest="of the api")
        session.add(row)


async def test_the_projects_own_profile_by_its_version(archived: Database, store: Store) -> None:
    other: Profile = STRICT.model_copy(update={"name": "other"})
    await own(archived, write_profile(other), 1)
    await own(archived, write_profile(STRICT), 2)
    await own(archived, write_profile(other), 2, "SECOND")
    workers = Told()
    event = await done(archived, store, workers, profile="strict", profile_version=2)
    assert workers.works[0].profile == STRICT
    assert (event.profile_version, event.profile_digest) == ("2", digest(STRICT))
    await done(archived, store, workers, profile="strict", profile_version=1)
    assert workers.works[1].profile == other


@pytest.mark.parametrize("content", ["", "name: [", "name: strict\nbase: basic\nHansen: 1\n", "- Hansen^Kari"])
async def test_a_profile_that_cannot_be_read_fails_the_transfer_without_quoting_it(
    archived: Database, store: Store, content: str
) -> None:
    await own(archived, content, 1)
    workers = Told()
    event = await anonymize(archived, store, workers, profile="strict", profile_version=1)
    assert isinstance(event, TransferFailed)
    assert event.reason.startswith("version 1 of the project's profile cannot be read")
    assert "Hansen" not in event.reason
    assert workers.works == []


async def test_a_profile_that_is_not_there_fails_the_transfer(archived: Database, store: Store) -> None:
    event = await anonymize(archived, store, Told(), profile="strict", profile_version=7)
    assert event == TransferFailed(transfer="t1", reason="the project has no version 7 of its profile", refused=0)


async def test_a_release_takes_the_reviewed_instances_and_waives_their_rules(archived: Database, store: Store) -> None:
    rules = {INSTANCES[0]: "text-in-pixels", INSTANCES[2]: "gate-name"}
    workers = Told()
    event = await done(archived, store, workers, **await reviewed(archived, "r1", "release", rules))
    assert given(workers.works[0]) == [INSTANCES[0], INSTANCES[2]]
    assert workers.works[0].released == {uid: frozenset({rule}) for uid, rule in rules.items()}
    assert (event.instances, event.transfer) == (2, "of r1")


async def test_a_repeat_waives_nothing(archived: Database, store: Store) -> None:
    workers = Told()
    rules = {INSTANCES[1]: "text-in-pixels"}
    await done(archived, store, workers, **await reviewed(archived, "r1", "repeat", rules))
    assert given(workers.works[0]) == [INSTANCES[1]]
    assert workers.works[0].released == {}


async def test_what_cannot_be_waived_is_not(archived: Database, store: Store) -> None:
    workers = Told()
    rules = {INSTANCES[0]: "truncated", INSTANCES[1]: "gate-id"}
    await done(archived, store, workers, **await reviewed(archived, "r1", "release", rules))
    assert workers.works[0].released == {INSTANCES[1]: frozenset({"gate-id"})}


async def test_releases_add_up_until_it_is_repeated(archived: Database, store: Store) -> None:
    async def released(review: str, decision: str, rule: str, transfer: str) -> frozenset[str]:
        workers = Told()
        asked = await reviewed(archived, review, decision, {INSTANCES[0]: rule}, transfer)
        await done(archived, store, workers, **asked)
        return workers.works[0].released.get(INSTANCES[0], frozenset())

    assert await released("r1", "release", "text-in-pixels", "t1") == {"text-in-pixels"}
    assert await released("r2", "release", "gate-name", "of r1") == {"text-in-pixels", "gate-name"}
    assert await released("r3", "repeat", "gate-id", "of r2") == frozenset()
    assert await released("r4", "release", "gate-date", "of r3") == {"gate-date"}


async def test_another_review_of_the_same_series_is_not_mixed_in(archived: Database, store: Store) -> None:
    first = await reviewed(archived, "r1", "release", {INSTANCES[0]: "burned-in"})
    second = await reviewed(archived, "r2", "release", {INSTANCES[1]: "burned-in"})
    workers = Told()
    await done(archived, store, workers, **first)
    await done(archived, store, workers, **second)
    assert [given(work) for work in workers.works] == [[INSTANCES[0]], [INSTANCES[1]]]
    assert [set(work.released) for work in workers.works] == [{INSTANCES[0]}, {INSTANCES[1]}]


async def test_a_review_that_names_what_the_catalogue_does_not_have_waits(archived: Database, store: Store) -> None:
    asked = await reviewed(archived, "r1", "release", {INSTANCES[0]: "burned-in", "1.9": "burned-in"})
    with pytest.raises(Retry, match="1 instances of 2"):
        await anonymize(archived, store, Told(), **asked)


async def test_every_delivery_again_leaves_the_same(archived: Database, store: Store) -> None:
    def answer(uid: str) -> Outcome:
        return stays(uid) if uid == INSTANCES[0] else passes(uid, FOUND)

    first = await done(archived, store, Told(answer))
    files, rows = contents(store.root), await quarantine(archived)
    assert await done(archived, store, Told(answer)) == first
    assert (contents(store.root), await quarantine(archived), await kept(archived)) == (files, rows, 3)


async def test_what_is_in_quarantine_stays_there_when_it_would_pass_the_second_time(
    archived: Database, store: Store
) -> None:
    """A process that was slow once is fast the next time; a reviewer may have decided in between."""
    first = await done(archived, store, Told(lambda uid: stays(uid, "timeout") if uid == INSTANCES[3] else passes(uid)))
    workers = Told()
    second = await done(archived, store, workers)
    assert given(workers.works[0]) == list(INSTANCES[:3])
    assert (second.instances, second.quarantined) == (first.instances, first.quarantined) == (3, 1)
    assert (await quarantine(archived))[INSTANCES[3]][0] == "timeout"


async def test_a_released_instance_counts_among_what_is_left_and_projects_apart(
    archived: Database, store: Store
) -> None:
    await done(archived, store, Told(lambda uid: stays(uid) if uid == INSTANCES[0] else passes(uid)))
    assert await kept(archived) == 3
    await done(archived, store, Told(), **await reviewed(archived, "r1", "release", {INSTANCES[0]: "burned-in"}))
    await done(archived, store, Told(), transfer="t9", project="SECOND")
    assert (await kept(archived), await kept(archived, "SECOND")) == (4, 4)
    async with archived.reading() as session:
        assert await session.scalar(select(func.count()).select_from(CountedPart)) == 3


async def test_findings_are_files_and_what_was_read_is_sealed(archived: Database, store: Store) -> None:
    nothing = Findings(read=3)
    await done(archived, store, Told(lambda uid: passes(uid, FOUND if uid == INSTANCES[1] else nothing)))
    folder = store / f"review/t1/{SERIES}/1"
    assert {path.name for path in folder.iterdir()} == {
        "2.25.07.json", "2.25.27.json", "2.25.37.json", "2.25.17.json", "2.25.17.after.png", "2.25.17.sealed",
    }  # fmt: skip
    assert (folder / "2.25.17.after.png").read_bytes() == FOUND.after
    told = json.loads((folder / "2.25.17.json").read_text())
    assert told["changed"] == 1
    assert "Hansen" not in json.dumps(told)
    assert b"Hansen" not in (folder / "2.25.17.sealed").read_bytes()
    sealed: dict[str, Any] = json.loads(VAULT.decrypt((folder / "2.25.17.sealed").read_bytes()))
    assert sealed["findings"]["frames"][0]["boxes"][0]["text"] == "Hansen"
    assert b64decode(sealed["before"]) == FOUND.before
