"""No route escapes the audit, and the audit says nothing that names a patient."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from services.api.actor import ProjectRole
from services.api.app import build
from services.api.people.enforcing import permitted
from services.api.query import understood
from services.api.recorder import IMPERSONAL, UNRECORDED, recorded
from services.audit.sealing import Announced, seal
from shared.audit import Record, spool
from shared.audit.head import read_head
from shared.audit.record import ASKED
from shared.database import Database
from shared.store import Store
from tests.people import MANAGER, person
from tests.unit.api.support import Api, kind, patient_rows, running, series_rows, study_rows

PHI = ("Doe^Jane", "Doe", "Jane", "19700102", "12345678901", "P-17", "A-1001")
STUDY = "1.2.826.0.1.3680043.8.498.1"


def kept(store: Store) -> list[Record]:
    return [record for path in spool.waiting(store, 1000) for record in spool.read(path)]


def answered(store: Store) -> list[Record]:
    return [record for record in kept(store) if record.outcome != ASKED]


async def chained(api: Api) -> None:
    """What the audit service does in two seconds."""
    for _ in range(2):
        async with api.context.database.session() as session:
            await seal(session, api.context.store, api.context.vault, Announced())


def test_no_route_escapes() -> None:
    routes = list(iter_route_contexts(build().routes))
    assert len(routes) > 60
    for route in routes:
        if not isinstance(route.original_route, APIRoute):
            assert route.name in UNRECORDED
            continue
        calls = [dependency.call for dependency in route.dependant.dependencies]
        assert calls[:3] == [permitted, recorded, understood], f"{route.name}: who asks is recorded first"


def test_what_is_left_out_exists_and_only_reads() -> None:
    operations = {route.name: route.methods for route in iter_route_contexts(build().routes)}
    assert {name: operations[name] for name in IMPERSONAL} == {name: {"GET"} for name in IMPERSONAL}


async def test_who_sees_a_study_is_recorded_before_it_is_seen(sqlite: Database, tmp_path: Path) -> None:
    async with running(sqlite, tmp_path) as api:
        await api.add(*patient_rows(api.context.vault, "P-17"), *study_rows(api.context.vault, STUDY))
        await api.add(*series_rows(STUDY, f"{STUDY}.1"))
        assert (await api.get(f"/studies/{STUDY}")).status_code == 200
        await api.get(f"/series/{STUDY}.1")
        await api.get("/studies", state="waiting", limit=10)
        await api.get("/counts")
        await api.client.get("/livez")
        await api.client.get("/api/v1/nothing/here")
        one, series, several = answered(api.context.store)
    assert (one.operation, one.method, one.status, one.outcome) == ("show_study", "GET", 200, "done")
    assert (one.study_instance_uid, one.address, one.details) == (STUDY, "127.0.0.1", {})
    assert series.details == {"series_instance_uid": f"{STUDY}.1"}
    assert several.details == {"state": "waiting", "limit": "10", "fields": ["limit", "state"]}


async def test_a_change_is_noted_before_and_after(sqlite: Database, tmp_path: Path) -> None:
    async with running(sqlite, tmp_path) as api:
        await api.project()
        await api.add(*study_rows(api.context.vault, STUDY))
        wish = {"project": "ABCD-study", "participant": "X1"}
        assert (await api.post(f"/studies/{STUDY}/assignments", wish)).status_code == 202
        asked, done = kept(api.context.store)[-2:]
    assert (asked.id, asked.outcome, asked.project) == (done.id, ASKED, None)
    assert (done.project, done.participant, done.study_instance_uid) == ("ABCD-study", "X1", STUDY)
    assert (done.status, done.details) == (202, {"fields": ["participant", "project"]})


async def test_what_is_refused_is_recorded_whatever_it_was(sqlite: Database, tmp_path: Path) -> None:
    async with running(sqlite, tmp_path) as api:
        await api.client.get("/api/v1/counts", headers={"host": "evil.example"})
        await api.client.get("/api/v1/nothing", headers={"sec-fetch-site": "cross-site"})
        await api.by(MANAGER, "GET", "/transfers/4e5a0c5e-1f0f-4b89-8a53-0d7a5b6d0c11/quarantine/1.2.3.4/value")
        refused = answered(api.context.store)
    assert [(each.operation, each.status, each.outcome) for each in refused] == [
        ("none", 421, "refused"),
        ("none", 403, "refused"),
        ("show_value", 403, "refused"),
    ]
    assert refused[2].details["sop_instance_uid"] == "1.2.3.4"


async def test_a_sign_in_that_fails_says_whose_and_never_what_was_typed(sqlite: Database, tmp_path: Path) -> None:
    async with running(sqlite, tmp_path) as api:
        for login in ("K.Olsen ", "MyPassword1!", "mypassword1!", "another"):
            await api.post("/session", {"login": login, "password": "x" * 12})
        known, *others = answered(api.context.store)
    assert (known.operation, known.outcome, known.details["login"]) == ("sign_in", "refused", "k.olsen")
    first, again, other = [each.details["login_hash"] for each in others]
    assert first == again != other, "the same word is seen to be the same"
    assert not any("word" in str(each.details).lower().replace("password'", "") for each in others)


async def test_a_project_that_is_hidden_from_somebody_is_not_hidden_from_the_audit(
    sqlite: Database, tmp_path: Path
) -> None:
    async with running(sqlite, tmp_path) as api:
        await api.project()
        await api.project("OTHER-study")
        for row in person("curious", memberships={"OTHER-study": (ProjectRole.OWNER,)}):
            await api.add(row)
        assert (await api.by("fiona_t_curious", "GET", "/projects/ABCD-study")).status_code == 404
        assert (await api.by("fiona_t_curious", "GET", "/projects/NOT-there")).status_code == 404
        hidden, nothing = [record for record in answered(api.context.store) if record.actor == "curious"]
    assert (hidden.outcome, hidden.status, hidden.project) == ("refused", 404, "ABCD-study")
    assert (nothing.outcome, nothing.status, nothing.project) == ("failed", 404, None)


@pytest.mark.parametrize("word", PHI)
async def test_no_value_of_a_patient_is_told(sqlite: Database, tmp_path: Path, word: str) -> None:
    async with running(sqlite, tmp_path) as api:
        await api.project()
        requests: list[tuple[str, str, Any]] = [
            ("POST", "/studies/search", {"patient_id": word, "accession_number": word, "days": 3}),
            ("POST", "/studies/search", {"patient_id": word, word: word}),
            ("POST", f"/studies/{word}/assignments", {"project": word, "participant": word}),
            ("POST", f"/studies/{STUDY}/assignments", {"project": "ABCD-study", "participant": word}),
            ("POST", "/projects/ABCD-study/coupling", {"entries": [{"accession_number": word, "participant": "X"}]}),
            ("POST", "/projects/ABCD-study/attributes/search", {"text": word}),
            ("PATCH", f"/projects/{word}", {"description": word}),
            ("GET", f"/studies/{word}", None),
            ("GET", f"/projects/{word}/participants", None),
            ("GET", f"/quarantine?project={word}&{word}={word}", None),
            ("GET", f"/assignments/{word}", None),
            ("DELETE", f"/rules/{word}", None),
        ]
        for method, path, body in requests:
            await api.client.request(method, f"/api/v1{path}", json=body)
        records = kept(api.context.store)
    assert len({record.operation for record in records}) >= 9
    for record in records:
        # What we give ourselves may hold any digits.
        told = record.model_dump_json(exclude={"id", "correlation", "at"})
        assert word not in told, told
    searched = [record for record in records if record.operation == "search_studies" and record.status == 200]
    assert searched[0].details == {"fields": ["accession_number", "days", "patient_id"]}


async def test_a_name_in_place_of_a_pseudonym_is_told_by_no_answer(sqlite: Database, tmp_path: Path) -> None:
    """Not before anybody has looked at it, nor where nothing was found by it; a pseudonym is told where it was."""
    typed, path = "Kari Nordmann", "/projects/ABCD-study/participants"
    assign, wish = f"/studies/{STUDY}/assignments", {"project": "ABCD-study"}
    async with running(sqlite, tmp_path) as api:
        await api.project()
        await api.project("OLD-study")
        await api.patch("/projects/OLD-study", {"active": False})
        await api.add(*study_rows(api.context.vault, STUDY), *person("curious"))
        assert (await api.post(assign, {**wish, "participant": "X1"})).status_code == 202
        await api.post(path, {"name": "X2"})
        before = len(answered(api.context.store))
        answers = [
            await api.post(assign, {**wish, "participant": typed}),
            await api.post(assign, {"project": "OLD-study", "participant": typed}),
            await api.post("/projects/OLD-study/participants", {"name": typed}),
            await api.get("/projects/ABCD-study/coupling", participant=typed),
            await api.get("/audit", participant=typed),
            await api.get("/quarantine", transfer="Nordmann"),
            await api.by("", "GET", f"{path}/{typed}"),
            await api.by("fiona_t_curious", "GET", f"{path}/{typed}"),
            await api.by("", "GET", f"/studies?state={typed}"),
        ]
        await api.get(f"{path}/X2")
        assert (await api.post(f"{path}/X2/withdrawal", {"reason": "asked for"})).status_code == 202
        assert (await api.post(f"{path}/X2/withdrawal", {"reason": "asked for"})).status_code == 409
        records = answered(api.context.store)[before:]
        assert not any("Nordmann" in record.model_dump_json() for record in kept(api.context.store))
    assert [each.status_code for each in answers] == [409, 409, 409, 200, 200, 200, 401, 403, 401]
    assert [record.status for record in records[:9]] == [409, 409, 409, 200, 200, 200, 401, 403, 401]
    assert [record.project for record in records[:4]] == ["ABCD-study", "OLD-study", "OLD-study", "ABCD-study"]
    assert [(record.status, record.participant) for record in records[9:]] == [(200, "X2"), (202, "X2"), (409, "X2")]


async def test_what_cannot_be_recorded_is_neither_done_nor_shown(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(sqlite, tmp_path) as api:
        await api.add(*study_rows(api.context.vault, STUDY))

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(spool, "write", full)
        shown = await api.get(f"/studies/{STUDY}")
        made = await api.post("/projects", {"name": "ABCD-study"})
        for answer in (shown, made):
            assert (answer.status_code, kind(answer)) == (503, "audit-unavailable")
            assert answer.headers["retry-after"]
            assert answer.headers["cache-control"] == "no-store"
        monkeypatch.undo()
        assert (await api.get("/projects")).json()["total"] == 0


async def test_the_audit_is_searched_exported_and_verified(sqlite: Database, tmp_path: Path) -> None:
    async with running(sqlite, tmp_path) as api:
        await api.project()
        await api.add(*study_rows(api.context.vault, STUDY))
        for uid in (STUDY, STUDY, f"{STUDY}.9"):
            await api.get(f"/studies/{uid}")
        await chained(api)
        page = (await api.get("/audit", study=STUDY, limit=1)).json()
        assert (page["total"], page["items"][0]["operation"]) == (2, "show_study")
        assert (await api.get("/audit", outcome="failed")).json()["total"] == 1
        assert (await api.get("/audit", project="ABCD-study")).json()["total"] == 1
        later = (await api.get("/audit", since="2100-01-01T00:00:00Z")).json()
        assert later == {"items": [], "total": 0}
        assert (await api.get("/audit", since="2026-01-01")).status_code == 422

        lines = (await api.get("/audit/export", outcome="done")).text.splitlines()
        assert [json.loads(line)["operation"] for line in lines][:2] == ["make_destination", "make_project"]
        table = (await api.get("/audit/export", format="csv")).content.decode("utf-8-sig").splitlines()
        assert table[0].startswith("sequence,at,actor")
        assert len(table) == 1 + 5

        await chained(api)
        whole = (await api.get("/audit/verify")).json()
        assert (whole["sound"], whole["complete"], whole["broken"]) == (True, True, None)
        head = read_head(api.context.store)
        assert head is not None
        assert (whole["sequence"], whole["hash"]) == head
        part = (await api.get("/audit/verify", after=whole["sequence"])).json()
        assert (part["entries"], part["sound"]) == (0, True)
        behind = (await api.get("/audit/verify", head=f"{whole['sequence'] + 1}:{'0' * 64}")).json()
        assert (behind["sound"], behind["damage"]) == (False, "truncated")
