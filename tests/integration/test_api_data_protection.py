"""The data-protection report of a project: what is held, where, since when, and who has seen it."""

from pathlib import Path
from typing import Any

from sqlalchemy import update

from cli.data_protection import page, size
from services.audit.sealing import Announced, seal
from shared.audit import Record, spool
from shared.database import Database
from shared.store import Store
from shared.tables import (
    CouplingEntry,
    Instance,
    Participant,
    QuarantinedInstance,
    Transfer,
    TransferPart,
    Withdrawal,
    WithdrawalPart,
)
from shared.tables.base import now
from tests.people import TESTER
from tests.unit.api.support import Api, assignment, kind, patient_rows, running, series_rows, study_rows

STUDIES = ("1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2", "1.2.826.0.1.3680043.8.498.3")
SECRET = "Doe^Jane"


async def fill(api: Api) -> None:
    """Two studies of one patient are the project's, a third is another's; half of it was sent."""
    vault = api.context.vault
    for name in ("ABCD-study", "OTHER-study"):
        await api.project(name)
    await api.add(*patient_rows(vault, "P-1", SECRET), *patient_rows(vault, "P-2", SECRET))
    for uid, patient, project in zip(
        STUDIES, ("P-1", "P-1", "P-2"), ("ABCD-study",) * 2 + ("OTHER-study",), strict=True
    ):
        await api.add(*study_rows(vault, uid, patient_id=patient), *series_rows(uid, f"{uid}.1", 3))
        await api.add(assigned := assignment(uid, project))
        transfer = Transfer(
            id=f"t{uid[-1]}", assignment=assigned.id, study_instance_uid=uid, project=project, participant="X1",
            event="e", reason="person",
        )  # fmt: skip
        part = TransferPart(
            transfer=transfer.id, assignment=assigned.id, series_instance_uid=f"{uid}.1", revision=1, instances=3,
            destination="here", anonymized=2, delivered=2 if uid == STUDIES[0] else None,
        )  # fmt: skip
        await api.add(transfer, part)
        write_files(api, part)
    await api.add(
        Participant(project="ABCD-study", name="X1"),
        Participant(project="ABCD-study", name="X2", withdrawn_at=now()),
        CouplingEntry(id="c1", project="ABCD-study", participant="X1", study_instance_uid=STUDIES[0]),
        CouplingEntry(
            id="c2", project="ABCD-study", participant="X1", study_instance_uid=STUDIES[1], expires_at=now()
        ),
        QuarantinedInstance(
            transfer="t1", sop_instance_uid="1.1", series_instance_uid=f"{STUDIES[0]}.1", revision=1,
            project="ABCD-study", reason="why",
        ),
    )  # fmt: skip


def write_files(api: Api, part: TransferPart) -> None:
    """The de-identified files, with their manifest."""
    folder = Store.anonymized(part.transfer, part.series_instance_uid, part.revision)
    for name in ("manifest.json", *(f"2.25.{number}.dcm" for number in range(part.anonymized or 0))):
        api.context.store.write(f"{folder}/{name}", b"x")


async def told(api: Api) -> None:
    records = [
        Record(
            actor="kari", actor_kind="person", operation="show_study", outcome="done", study_instance_uid=STUDIES[0]
        ),
        Record(actor="kari", actor_kind="person", operation="assign", outcome="done", project="ABCD-study"),
        Record(actor="ola", actor_kind="token", operation="show_value", outcome="refused", details={"transfer": "t2"}),
        Record(actor="per", actor_kind="person", operation="show_study", outcome="done", study_instance_uid=STUDIES[2]),
        Record(
            actor="sender", actor_kind="service", operation="series_delivered", outcome="done", project="ABCD-study"
        ),
    ]
    spool.write(api.context.store, records)
    async with api.context.database.session() as session:
        await seal(session, api.context.store, api.context.vault, Announced())


async def test_what_is_held_where_and_who_has_seen_it(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as api:
        await fill(api)
        await told(api)
        answer = await api.get("/projects/ABCD-study/report")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert kind(await api.get("/projects/NOBODYS/report")) == "unknown-project"
    assert (found["participants"], found["withdrawn"]) == (2, 1)
    assert found["identities"] == {
        "studies": 2, "people": 1, "coupling_entries": 2, "coupling_entries_in_force": 1,
    }  # fmt: skip
    assert found["quarantine"] == {"instances": 1, "undecided": 1}
    counts = [
        (place["kind"], place["name"], place["studies"], place["series"], place["instances"], place["bytes"])
        for place in found["places"]
    ]
    assert counts == [
        ("archive", "archive", 2, 2, 6, 6000),
        ("anonymized", "anonymized", 2, 2, 4, None),
        ("destination", "here", 1, 1, 2, None),
    ]
    assert all(place["since"] and place["until"] for place in found["places"])
    member = found["members"][0]
    assert (member["login"], member["everywhere"], member["sites"]) == (TESTER, True, [])
    seen = {each["actor"]: each for each in found["seen"] if each["actor"] not in ("", TESTER)}
    assert list(seen) == ["kari", "ola", "sender"]
    assert (seen["kari"]["done"], seen["kari"]["operations"]) == (2, {"assign": 1, "show_study": 1})
    assert (seen["ola"]["refused"], seen["ola"]["actor_kind"]) == (1, "token")
    assert SECRET not in answer.text

    html = page(found)
    assert "kari" in html
    assert "ola (by token)" in html
    assert "No approval is stated" in html
    found["project"] |= {"approval": "2026/1", "pi_name": "<b>Kari</b>"}
    assert "&lt;b&gt;Kari&lt;/b&gt;" in page(found)
    assert "The approval has no end" in page(found)


async def test_what_has_left_is_nowhere_and_what_was_sent_twice_is_there_once(
    database: Database, tmp_path: Path
) -> None:
    async with running(database, tmp_path) as api:
        await fill(api)
        await api.add(Withdrawal(id="w", kind="correction", project="ABCD-study", participant="X1", state="done"))
        for id, uid, state in (
            ("again", STUDIES[0], "completed"),
            ("wrong", STUDIES[0], "withdrawn"),
            ("other", STUDIES[1], "withdrawn"),
        ):
            async with database.reading() as session:
                made = (await session.get_one(Transfer, f"t{uid[-1]}")).assignment
            transfer = Transfer(
                id=id, assignment=made, study_instance_uid=uid, project="ABCD-study", participant="X1", event="e",
                reason="person", state=state,
            )  # fmt: skip
            part = TransferPart(
                transfer=id, assignment=made, series_instance_uid=f"{uid}.1", revision=1, instances=3,
                destination="here", anonymized=3, delivered=3,
            )  # fmt: skip
            await api.add(transfer, part)
            if state == "withdrawn":
                left = {"destination": "here", "project": "ABCD-study", "state": state}
                await api.add(WithdrawalPart(withdrawal="w", transfer=id, study_instance_uid=uid, **left))
            else:
                write_files(api, part)
        async with database.session() as session:
            gone = update(Instance).where(Instance.study_instance_uid == STUDIES[1])
            await session.execute(gone.values(removed_at=now()))
        found = (await api.get("/projects/ABCD-study/report")).json()
    counts = {place["name"]: (place["studies"], place["series"], place["instances"]) for place in found["places"]}
    assert counts["here"] == (1, 1, 3), "of 2 + 3 + 3 + 3 that were delivered"
    assert counts["anonymized"] == (2, 2, 7)
    assert counts["archive"] == (1, 1, 3)


async def test_files_that_the_janitor_has_removed_are_not_here(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as api:
        await fill(api)
        for file in (tmp_path / "anonymized/t2").rglob("*.dcm"):
            file.unlink()
        found = (await api.get("/projects/ABCD-study/report")).json()
        [place] = [each for each in found["places"] if each["kind"] == "anonymized"]
        assert (place["studies"], place["series"], place["instances"]) == (1, 1, 2), "manifests stay"
        for file in (tmp_path / "anonymized").rglob("*.dcm"):
            file.unlink()
        found = (await api.get("/projects/ABCD-study/report")).json()
        [place] = [each for each in found["places"] if each["kind"] == "anonymized"]
        assert (place["instances"], place["since"], place["until"]) == (0, None, None)


def test_sizes_as_people_say_them() -> None:
    assert [size(count) for count in (None, 999, 6000, 8_547_483_648, 5 * 10**15)] == [
        "", "999 bytes", "6.0 kB", "8.5 GB", "5000.0 TB",
    ]  # fmt: skip
