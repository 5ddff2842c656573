"""A consent withdrawn, on both databases: what ends, what is asked to be removed and when, and what is removed."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification.review import Kept, elements_of
from services.anonymizer import handlers as anonymizer
from services.anonymizer.kept import count_part
from services.indexer import handlers as indexer
from services.router import handlers as router
from services.sender import handlers as sender
from shared.database import Database
from shared.events import (
    AssignmentCorrected,
    AssignmentEnded,
    Event,
    ParticipantWithdrawn,
    RemovalAnswered,
    RemovalRequested,
    TransferRequested,
    WithdrawalAnswered,
    WithdrawalCompleted,
    WithdrawalConfirmed,
    WithdrawalRequested,
    WithdrawalRetried,
)
from shared.registry.made_up import known_participant
from shared.registry.participants import withdraw_participant
from shared.store import Store
from shared.tables import (
    Assignment,
    CountedPart,
    CouplingEntry,
    Destination,
    Instance,
    KeptAttribute,
    Participant,
    Patient,
    QuarantinedInstance,
    RedcapTarget,
    Removal,
    SentInstance,
    Study,
    StudyIdentity,
    Transfer,
    Withdrawal,
    WithdrawalPart,
)
from tests.components.orthanc import Orthanc
from tests.integration.test_router import STUDY, VAULT, assign, assignment, match
from tests.integration.test_router import catalogue as catalogue
from tests.integration.test_router_auto_ids import until_somebody_waits
from tests.integration.test_router_corrections import answer, state_of
from tests.integration.test_sender_handlers import Bench, anonymized
from tests.unit.api.support import Api, kind, patient_rows, running
from tests.unit.sender.builders import Part

SERVICES = ("anonymizer", "indexer", "registry", "sender")
WITHDRAWN = ParticipantWithdrawn(withdrawal="c1", project="PROJECT", participant="P1", removed={"wishes": 1})
TO_NOBODY = AssignmentCorrected(correction="k", assignment="a1", study_instance_uid=STUDY)
TO_P1 = TO_NOBODY.model_copy(update={"becomes": "a2", "project": "PROJECT", "participant": "P1", "event": "Unknown"})


async def withdraw(database: Database) -> list[Event]:
    async with database.session() as session:
        await withdraw_participant(session, "PROJECT", "P1")
    async with database.session() as session:
        return await router.consent_withdrawn(WITHDRAWN, session, VAULT)


async def correct(database: Database, event: AssignmentCorrected) -> WithdrawalRequested:
    """What is asked to leave because of it."""
    async with database.session() as session:
        _, asked = await router.corrected(event, session, VAULT)
    assert isinstance(asked, WithdrawalRequested)
    return asked


async def test_the_whole_way(catalogue: Database) -> None:
    async with catalogue.session() as session:
        accession = VAULT.hash("accession", "ACC1")
        session.add(CouplingEntry(id="c", project="PROJECT", accession_hash=accession, participant="P1", event="e"))
    [first] = await assign(catalogue, assignment("P1"))
    _, asked = await withdraw(catalogue)
    assert isinstance(asked, WithdrawalRequested)
    async with catalogue.session() as session:
        assert await router.consent_withdrawn(WITHDRAWN, session, VAULT) == [], "twice is once"
    assert await match(catalogue) == [], "no list brings a study back"
    assert await assign(catalogue, assignment("P1", "a2")) == []
    async with catalogue.reading() as session:
        assert (await session.get_one(Assignment, "a2")).refused == "the participant's consent was withdrawn"

    answer = WithdrawalAnswered(**asked.model_dump(), outcome="by_hand", instances=3, withdrawn=0, reason="no way")
    async with catalogue.session() as session:
        [removal] = await router.withdrawn(answer, session)
    assert removal == RemovalRequested(
        withdrawal="c1", project="PROJECT", transfers=(first.transfer,), studies=(STUDY,)
    )
    nobody_asked = RemovalAnswered(withdrawal="c1", service="redcap", removed={}, left={"records in REDCap": 1})
    async with catalogue.session() as session:
        assert await router.removed(nobody_asked, session) == []
    for service in SERVICES:
        said = RemovalAnswered(withdrawal="c1", service=service, removed={"things": 2}, left={})
        async with catalogue.session() as session:
            assert await router.removed(said, session) == []
    async with catalogue.session() as session:
        row = await session.get_one(Withdrawal, "c1")
        assert (row.kind, row.state, row.finished_at) == ("consent", "by_hand", None), "a person has to do the rest"
        [gone] = await router.confirmed(WithdrawalConfirmed(**asked.model_dump()), session)
        assert gone == WithdrawalCompleted(withdrawal="c1", project="PROJECT", transfers=(first.transfer,))
        assert (row.state, row.finished_at is not None) == ("done", True)
        found = {each.service: each.removed for each in await session.scalars(select(Removal))}
    assert found == {"api": {"wishes": 1}, "redcap": {}, **{key: {"things": 2} for key in SERVICES}}


async def test_what_is_left_to_a_person_is_known_until_it_has_left(
    catalogue: Database, store: Store, orthanc: Orthanc
) -> None:
    """The destination gets a way to delete when all else is gone: a program still finds what it is to delete."""
    [first] = await assign(catalogue, assignment("P1"))
    bench = Bench(catalogue, store)
    await bench.orthanc(orthanc, "research")
    part = Part(store, transfer=first.transfer, source_series=first.series_instance_uid).ct(2)
    await bench.all(anonymized(part, "research"))
    store.write(f"review/{first.transfer}/1.2.3/1/9.sealed", b"{}")
    _, asked = await withdraw(catalogue)
    assert isinstance(asked, WithdrawalRequested)
    [removal] = await _asked_of_the_sender(bench, asked)
    assert isinstance(removal, RemovalRequested)
    async with catalogue.session() as session:
        said: list[RemovalAnswered] = await sender.remove(removal, session)
    said += await anonymizer.remove(removal, catalogue, store)
    said += [RemovalAnswered(withdrawal="c1", service=each, removed={}) for each in ("indexer", "registry")]
    for each in said:
        async with catalogue.session() as session:
            assert await router.removed(each, session) == []
    assert not (store / f"review/{first.transfer}").exists(), "nobody needs that for it"
    assert await state_of(catalogue, Withdrawal, "c1") == "by_hand"

    way = {"by": "orthanc-rest", "url": orthanc.http_url}
    async with catalogue.session() as session:
        research = await session.get_one(Destination, "research")
        research.config = research.config | {"withdraw": way}
        [again] = await router.retried(WithdrawalRetried(**asked.model_dump() | {"attempt": "b1"}), session)
    assert isinstance(again, WithdrawalRequested)
    assert orthanc.count() == 2
    [gone] = await _asked_of_the_sender(bench, again)
    assert gone == WithdrawalCompleted(withdrawal="c1", project="PROJECT", transfers=(first.transfer,))
    assert isinstance(gone, WithdrawalCompleted)
    assert orthanc.count() == 0
    async with catalogue.session() as session:
        await sender.withdrawn(gone, session)
    await anonymizer.withdrawn(gone, catalogue, store)
    assert await count(catalogue, SentInstance) == 0
    assert not (store / f"anonymized/{first.transfer}").exists()
    async with catalogue.reading() as session:
        row = await session.get_one(WithdrawalPart, ("c1", first.transfer, "research"))
        assert (row.state, row.instances, row.withdrawn) == ("withdrawn", 2, 2)
    assert await state_of(catalogue, Withdrawal, "c1") == "done"


async def _asked_of_the_sender(bench: Bench, asked: WithdrawalRequested) -> list[Event]:
    [answered] = await sender.withdraw(asked, bench.database, bench.store, bench.destinations)
    async with bench.database.session() as session:
        return await router.withdrawn(answered, session)


async def test_nothing_where_there_was_something_takes_nothing_off_the_list(catalogue: Database) -> None:
    """What was known of the deliveries is lost, or was removed by an earlier version."""
    await assign(catalogue, assignment("P1"))
    _, asked = await withdraw(catalogue)
    assert isinstance(asked, WithdrawalRequested)
    await answer(catalogue, asked, "by_hand")
    async with catalogue.session() as session:
        [again, *_] = await router.retried(WithdrawalRetried(**asked.model_dump() | {"attempt": "b1"}), session)
    assert isinstance(again, WithdrawalRequested)
    nothing = WithdrawalAnswered(**again.model_dump(), outcome="withdrawn", instances=0, withdrawn=0)
    async with catalogue.session() as session:
        await router.withdrawn(nothing, session)
    async with catalogue.reading() as session:
        part = await session.get_one(WithdrawalPart, ("c1", asked.transfer, "research"))
    assert (part.state, part.instances, part.target_study_instance_uid) == ("by_hand", 3, "2.25.1")
    assert part.why == "it is not known any more what there was"


async def test_where_redcap_is_told_it_is_waited_for(catalogue: Database) -> None:
    async with catalogue.session() as session:
        session.add(RedcapTarget(project="", configured=True))
        session.add(Participant(project="PROJECT", name="P1"))
    await withdraw(catalogue)
    for service in (*SERVICES, "redcap"):
        async with catalogue.session() as session:
            assert (await session.get_one(Withdrawal, "c1")).state == "under_way"
            await router.removed(RemovalAnswered(withdrawal="c1", service=service, removed={}, left={}), session)
    async with catalogue.reading() as session:
        assert (await session.get_one(Withdrawal, "c1")).state == "done"


async def test_what_was_sent_under_a_wrong_name_goes_too(catalogue: Database) -> None:
    [wrong] = await assign(catalogue, assignment("P2", "a1"))
    _, right = await answer(catalogue, await correct(catalogue, TO_P1))
    assert isinstance(right, TransferRequested)
    _, asked = await withdraw(catalogue)
    assert isinstance(asked, WithdrawalRequested)
    [removal] = await answer(catalogue, asked)
    assert isinstance(removal, RemovalRequested)
    assert set(removal.transfers) == {wrong.transfer, right.transfer}


async def test_what_a_correction_has_still_to_take_back_is_waited_for(catalogue: Database) -> None:
    """Else nobody would know any more what is to leave when its destination is there again."""
    [wrong] = await assign(catalogue, assignment("P2", "a1"))
    asked = await correct(catalogue, TO_P1)
    assert [type(event) for event in await withdraw(catalogue)] == [AssignmentEnded], "nothing is removed here yet"
    assert await state_of(catalogue, Withdrawal, "c1") == "under_way"
    events = await answer(catalogue, asked)
    assert WithdrawalCompleted(withdrawal="k", project="PROJECT", transfers=(wrong.transfer,)) in events
    removal = RemovalRequested(withdrawal="c1", project="PROJECT", transfers=(wrong.transfer,), studies=(STUDY,))
    assert removal in events
    assert len(events) == 2


async def test_what_was_sent_of_a_study_since_as_somebody_elses_stays(catalogue: Database) -> None:
    await assign(catalogue, assignment("P1"))
    async with catalogue.session() as session:
        of = {"study_instance_uid": "9.9", "project": "PROJECT", "participant": "P1", "event": "e"}
        session.add(Assignment(id="b1", reason="person", **of))
        session.add(Withdrawal(id="b3", kind="cancel", project="PROJECT", participant="P1", state="under_way"))
        await session.flush()
        session.add(Transfer(id="b2", assignment="b1", reason="person", state="cancelled", **of))
        await session.flush()
        slow = {"withdrawal": "b3", "transfer": "b2", "destination": "down"}
        session.add(WithdrawalPart(**slow, project="PROJECT", study_instance_uid="9.9"))
    [asked] = [event for event in await withdraw(catalogue) if isinstance(event, WithdrawalRequested)]
    assert await answer(catalogue, asked) == []
    [theirs] = await assign(catalogue, assignment("P2", "a2"))
    *_, removal = await answer(catalogue, WithdrawalRequested(**slow))
    assert isinstance(removal, RemovalRequested)
    assert set(removal.transfers) == {asked.transfer, "b2"}
    assert theirs.transfer not in removal.transfers
    assert set(removal.studies) == {STUDY, "9.9"}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("first", ["answer", "consent"])
async def test_the_last_answer_and_a_consent_at_once_do_not_pass_one_another_unseen(
    catalogue: Database, first: str
) -> None:
    """The study is nobody's by then: no lock of it holds the consent."""
    await assign(catalogue, assignment("P1"))
    asked = await correct(catalogue, TO_NOBODY)
    answered = WithdrawalAnswered(**asked.model_dump(), outcome="withdrawn", instances=3, withdrawn=3)

    async def do(what: str, session: AsyncSession) -> list[Event]:
        if what == "answer":
            return await router.withdrawn(answered, session)
        return await router.consent_withdrawn(WITHDRAWN, session, VAULT)

    async def second() -> list[Event]:
        async with catalogue.session() as session:
            return await do("consent" if first == "answer" else "answer", session)

    async with catalogue.session() as session:
        told = await do(first, session)
        other = asyncio.create_task(second())
        await until_somebody_waits(catalogue)
    told += await other
    assert [event.transfers for event in told if isinstance(event, RemovalRequested)] == [(asked.transfer,)]


async def test_a_participant_of_whom_nothing_was_sent(catalogue: Database) -> None:
    async with catalogue.session() as session:
        session.add(Participant(project="PROJECT", name="P1"))
    [removal] = await withdraw(catalogue)
    assert isinstance(removal, RemovalRequested)
    assert (removal.transfers, removal.studies) == ((), ())


async def count(database: Database, table: type[Any]) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


REMOVAL = RemovalRequested(withdrawal="c1", project="PROJECT", transfers=("t1",), studies=(STUDY,))


async def test_the_indexer_removes_a_study_unless_somebody_needs_it(catalogue: Database, store: Store) -> None:
    for place in (f"archive/scp_{STUDY}/1.dcm", f"raw/{STUDY}/1.2.3.1.json", f"srs/_/{STUDY}/1"):
        store.write(place, b"x")
    store.link("participants/8DISC001/20260105_101500", f"raw/{STUDY}")
    store.link("participants/8DISC001/20270105_101500", "raw/9.9")
    async with catalogue.session() as session:
        study = await session.get_one(Study, STUDY)
        study.study_date, study.study_time = "20260105", "101500"
    await assign(catalogue, assignment("P7"))
    [answer] = await indexer.remove(REMOVAL, catalogue, store, VAULT)
    assert (answer.removed, answer.left) == ({}, {"studies that belong to others": 1})
    async with catalogue.session() as session:
        (await session.get_one(Assignment, "a1")).refused = "for this test"
    [answer] = await indexer.remove(REMOVAL, catalogue, store, VAULT)
    assert answer.removed == {"studies": 1, "instances": 3, "patients": 1, "files": 1}
    for table in (Study, StudyIdentity, Instance, Patient):
        assert await count(catalogue, table) == 0
    left = sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if not path.is_dir())
    assert left == ["participants/8DISC001/20270105_101500"], "another study of the same name"
    [answer] = await indexer.remove(REMOVAL, catalogue, store, VAULT)
    assert answer.removed == {}, "twice is once"


async def test_the_anonymizer_takes_off_what_it_has_counted(database: Database, store: Store) -> None:
    parts = [Part(store).ct(2).write(), Part(store, transfer="t2").ct(1).write()]
    for part in parts:
        kept = Kept()
        for each in part.instances:
            elements, encoding = elements_of(store / each.path)
            kept.remove(elements.items(), encoding)
        rows = [replace(row, count=-row.count) for row in kept.rows()]
        async with database.session() as session:
            await count_part(session, _requested(part), rows)
            session.add(_quarantined(part.transfer))
    store.write("review/t1/1.2.3/1/9.json", b"{}")
    before = await count(database, KeptAttribute)
    [answer] = await anonymizer.remove(REMOVAL, database, store)
    assert answer.left == {}
    assert (answer.removed["instances in quarantine"], answer.removed["de-identified files"]) == (1, 3)
    assert answer.removed["review files"] == 1
    assert not (store / "anonymized/t1").exists()
    assert (store / "anonymized/t2").exists()
    async with database.reading() as session:
        counts = set(await session.scalars(select(KeptAttribute.count)))
        assert list(await session.scalars(select(CountedPart.transfer))) == ["t2"]
        assert list(await session.scalars(select(QuarantinedInstance.transfer))) == ["t2"]
    assert counts == {1}, "what the other has, and no more"
    assert 0 < await count(database, KeptAttribute) <= before
    [answer] = await anonymizer.remove(REMOVAL, database, store)
    assert sum(answer.removed.values()) == 0, "twice is once"
    corrected = WithdrawalCompleted(withdrawal="c2", project="PROJECT", transfers=("t2",))
    await anonymizer.withdrawn(corrected, database, store)
    assert not (store / "anonymized/t2").exists(), "what was sent wrongly has left, and is not kept here"
    assert await count(database, KeptAttribute) == await count(database, QuarantinedInstance) == 0


def _requested(part: Part) -> TransferRequested:
    return TransferRequested(
        transfer=part.transfer, parts=1, project="PROJECT", participant="P1", event="e", destinations=("here",),
        profile="basic", study_instance_uid=STUDY, series_instance_uid=part.source_series, revision=1, instances=2,
    )  # fmt: skip


def _quarantined(transfer: str) -> QuarantinedInstance:
    return QuarantinedInstance(
        transfer=transfer, sop_instance_uid="9", series_instance_uid="1.2.3", revision=1, project="PROJECT", reason="x"
    )


async def test_the_sender_forgets(database: Database) -> None:
    async with database.session() as session:
        for transfer in ("t1", "t2"):
            session.add(
                SentInstance(transfer=transfer, destination="here", sop_instance_uid="1", series_instance_uid="1",
                             revision=1, status=0)
            )  # fmt: skip
    async with database.session() as session:
        [answer] = await sender.remove(REMOVAL, session)
    assert answer.removed == {"deliveries": 0, "answers": 1}
    assert await count(database, SentInstance) == 1


async def test_the_api_marks_the_participant_and_removes_its_own(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path / "store") as api:
        await api.project()
        await _with_coupling(api)
        path = "/projects/ABCD-study/participants/X1/withdrawal"
        assert kind(await api.post(path.replace("X1", "X9"), {"reason": "no"})) == "unknown-participant"
        answer = await api.post(path, {"reason": "Doe^Jane has written a letter"})
        assert answer.status_code == 202, answer.text
        [event] = await api.owed()
        assert isinstance(event, ParticipantWithdrawn)
        assert event.removed == {"coupling entries": 1, "wishes": 0, "reviewed instances": 0, "reviews": 0}
        assert "Doe" not in str(event)
        shown = (await api.client.get(answer.headers["location"])).json()
        assert (shown["state"], shown["kind"], shown["participant"]) == ("pending", "consent", "X1")
        assert kind(await api.post(path, {"reason": "twice"})) == "already-withdrawn"
    assert await count(database, CouplingEntry) == 1


async def test_whoever_is_only_in_a_coupling_list_may_withdraw(database: Database, tmp_path: Path) -> None:
    """Nobody has been examined yet: what comes later is neither theirs nor somebody new's."""
    async with running(database, tmp_path / "store") as api:
        name, vault = "ABCD-study", api.context.vault
        await api.project(auto_id_pattern="A{n:3}", auto_id_aet="ABCD")
        named = [("P-1", "HUS"), ("P-2", None), ("P-3", None)]
        listed = [{"patient_id": pid, "issuer": issuer, "participant": "X1"} for pid, issuer in named]
        answer = await api.post(f"/projects/{name}/coupling", {"entries": listed})
        assert answer.status_code == 201, answer.text
        for issuer in ("HUS", "OUS"):
            await api.add(*patient_rows(vault, "P-3", issuer=issuer))
        await api.add(*patient_rows(vault, "P-2", issuer="HUS"))
        answer = await api.post(f"/projects/{name}/participants/X1/withdrawal", {"reason": "a letter"})
        assert answer.status_code == 202, answer.text
        assert (await api.get(f"/projects/{name}/participants/X1")).json()["withdrawn_at"] is not None
        assert await count(database, CouplingEntry) == 0

        async def known(*patient: str) -> str | None:
            async with database.reading() as session:
                return await known_participant(session, vault, name, vault.hash("patient", *patient))

        theirs = [await known(*patient) for patient in (("P-1", "HUS"), ("P-2", "HUS"), ("P-2", ""), ("P-3", ""))]
        assert theirs == ["X1"] * 4
        others = [await known(*patient) for patient in (("P-1", "OUS"), ("P-3", "HUS"), ("P-3", "OUS"))]
        assert others == [None] * 3, "who of several has that PatientID nobody has said"


async def _with_coupling(api: Api) -> None:
    await api.add(
        Participant(project="ABCD-study", name="X1"),
        CouplingEntry(id="c1", project="ABCD-study", study_instance_uid="1.2", participant="X1"),
        CouplingEntry(id="c2", project="ABCD-study", study_instance_uid="1.3", participant="X2"),
    )
