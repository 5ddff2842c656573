"""Whoever is bound to a site of a project: every operation, walked. They see and change what is of the site, only."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

import pytest

from services.api.actor import ProjectRole, SystemRole
from services.api.bound import OF_NOBODY, OF_PARTICIPANTS, OF_THE_WHOLE
from services.api.people.actors import actor_of
from services.api.permissions import PERMISSIONS
from services.api.stream.news import as_they_stand, may_hear
from shared.database import Database
from shared.store import Store
from shared.tables import (
    Account,
    Change,
    Correction,
    CouplingEntry,
    KeptAttribute,
    Participant,
    QuarantinedInstance,
    QuarantineReview,
    ReviewedInstance,
    RoutingRule,
    Transfer,
    TransferPart,
    Withdrawal,
    WithdrawalPart,
)
from tests.people import person
from tests.unit.api.support import Api, assignment, kind, patient_rows, running, series_rows, study_rows
from tests.unit.api.test_api_permissions import routes

PROJECT: Final = "ABCD-study"
NORA: Final = "fiona_t_nora"
"""An owner, bound to the north."""
SITES: Final = {"north": "7.7.11", "south": "7.7.22", "": "7.7.33"}
"""Site -> the study of its participant."""

Call = tuple[str, Any]
"""Path below /api/v1 and body, with `{site}` and `{uid}` for whose it is."""

LISTS: Final[dict[str, Call]] = {
    "list_studies": ("/studies", None),
    "search_studies": ("/studies/search", {"accession_number": "ACC-{site}"}),
    "list_participants": (f"/projects/{PROJECT}/participants", None),
    "list_coupling": (f"/projects/{PROJECT}/coupling", None),
    "show_coupling_identities": (f"/projects/{PROJECT}/coupling/identities", None),
    "export_coupling": (f"/projects/{PROJECT}/coupling/export", None),
    "list_transfers": ("/transfers", None),
    "list_quarantine": ("/quarantine?state=all", None),
    "group_quarantine": ("/quarantine/groups?state=all", None),
    "list_reviews": ("/reviews", None),
    "list_corrections": ("/corrections", None),
    "list_withdrawals": ("/withdrawals", None),
}
"""Name what is of the site, and nothing else."""

WHY: Final = {"reason": "because"}
THINGS: Final[dict[str, Call]] = {
    "show_study": ("/studies/{uid}", None),
    "list_series": ("/studies/{uid}/series", None),
    "list_files": ("/studies/{uid}/files", None),
    "show_series": ("/series/{uid}.1", None),
    "show_assignment": ("/assignments/{assignment}", None),
    "show_participant": (f"/projects/{PROJECT}/participants/P-{{site}}", None),
    "show_transfer": ("/transfers/tr-{site}", None),
    "list_quarantine_of_transfer": ("/transfers/tr-{site}/quarantine", None),
    "show_value": ("/transfers/tr-{site}/quarantine/{uid}.1.1/value", None),
    "show_review": ("/reviews/re-{site}", None),
    "list_findings": ("/transfers/tr-{site}/pixels", None),
    "show_finding": ("/transfers/tr-{site}/pixels/{uid}.9", None),
    "show_texts": ("/transfers/tr-{site}/pixels/{uid}.9/texts", None),
    "show_after": ("/transfers/tr-{site}/pixels/{uid}.9/after.png", None),
    "show_before": ("/transfers/tr-{site}/pixels/{uid}.9/before.png", None),
    "show_correction": ("/corrections/co-{site}", None),
    "show_withdrawal": ("/withdrawals/co-{site}", None),
    "try_rules": ("/rules/test", {"study_instance_uid": "{uid}"}),
    # what is changed comes last
    "retry_withdrawal": ("/withdrawals/co-{site}/retry", {}),
    "confirm_withdrawal": ("/withdrawals/co-{site}/done", {"note": "gone"}),
    "decide": ("/transfers/tr-{site}/reviews", {"decision": "repeat", "all": True} | WHY),
    "resend": ("/resends", {"project": PROJECT, "study": "{uid}"} | WHY),
    "cancel_transfer": ("/transfers/tr-{site}/cancel", WHY),
    "add_coupling": (
        f"/projects/{PROJECT}/coupling",
        {"entries": [{"accession_number": "B", "participant": "P-{site}"}]},
    ),
    "remove_coupling": (f"/projects/{PROJECT}/coupling/ce-{{site}}", None),
    "assign": ("/studies/{uid}/assignments", {"project": PROJECT, "participant": "P-{site}"}),
    "correct": ("/assignments/{assignment}/correction", {"project": PROJECT, "participant": "P-north2"} | WHY),
    "cancel_assignment": ("/assignments/{assignment}/cancel", WHY),
    "withdraw_consent": (f"/projects/{PROJECT}/participants/P-{{site}}/withdrawal", WHY),
}
"""Are done for the north, and not there for anybody else."""

APART: Final = {
    *("watch", "show_project", "count_coupling", "add_participant", "upload_coupling"),
    *("list_coupling_uploads", "remove_coupling_upload", "remove_all_coupling"),
}
"""Have a test of their own."""


@asynccontextmanager
async def filled(database: Database, folder: Path) -> AsyncIterator[Api]:
    """An api with something of everything at each site."""
    async with running(database, folder) as api:
        await api.project(PROJECT)
        await api.add(
            *person("nora", sites=("north",), memberships={PROJECT: (ProjectRole.OWNER,)}),
            *person("otto", SystemRole.OPERATOR, sites=("north",), memberships={PROJECT: (ProjectRole.OWNER,)}),
            RoutingRule(id="rule", project=PROJECT, patient_id="PAT.*"),
            KeptAttribute(project=PROJECT, path="(0008,103E)", value_hash="", keyword="X", vr="LO", value="x", count=1),
            Participant(project=PROJECT, name="P-north2", site="north"),
        )
        for site, uid in SITES.items():
            await api.add(*of_site(api, site, uid))
            await seal_finding(api, site, uid)
        yield api


@pytest.fixture
async def api(sqlite: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with filled(sqlite, tmp_path) as api:
        yield api


def assignment_of(site: str) -> str:
    return str(uuid5(NAMESPACE_OID, site))


def of_site(api: Api, site: str, uid: str) -> list[Any]:
    """A participant of the site and one of each thing that can be of a participant."""
    vault, participant = api.context.vault, f"P-{site}"
    taken = assignment(uid, PROJECT, participant)
    taken.id, transfer, correction = assignment_of(site), f"tr-{site}", f"co-{site}"
    part = {"transfer": transfer, "series_instance_uid": f"{uid}.1", "revision": 1}
    of_it = {"project": PROJECT, "study_instance_uid": uid}
    sop = {"transfer": transfer, "series_instance_uid": f"{uid}.1", "revision": 1, "rule": "gate-name"}
    return [
        *patient_rows(vault, f"PAT-{site}"),
        *study_rows(vault, uid, accession=f"ACC-{site}", patient_id=f"PAT-{site}"),
        *series_rows(uid, f"{uid}.1"),
        Participant(project=PROJECT, name=participant, site=site),
        taken,
        Transfer(
            id=transfer, assignment=taken.id, participant=participant, event="Unknown", reason="person", **of_it,
            destinations=["here"], state="failed", instances=2,
        ),
        TransferPart(**part, assignment=taken.id, destination="here", instances=2, anonymized=0, quarantined=2),
        QuarantinedInstance(**sop, sop_instance_uid=f"{uid}.1.1", project=PROJECT, reason="a name", where=""),
        QuarantinedInstance(**sop, sop_instance_uid=f"{uid}.1.2", project=PROJECT, reason="a name", where=""),
        QuarantineReview(
            id=f"re-{site}", transfer=transfer, project=PROJECT, decision="drop", reason=vault.encrypt("x"),
            reviewer="x",
        ),
        ReviewedInstance(**sop, sop_instance_uid=f"{uid}.1.2", review=f"re-{site}"),
        Correction(id=correction, kind="cancel", participant=participant, reason=vault.encrypt("x"), **of_it),
        Withdrawal(id=correction, kind="cancel", participant=participant, state="by_hand", **of_it),
        WithdrawalPart(withdrawal=correction, transfer=transfer, destination="here", state="by_hand", **of_it),
        CouplingEntry(
            id=f"ce-{site}", project=PROJECT, key=f"k-{site}", study_instance_uid=f"{uid}.0", participant=participant,
            event="Unknown", upload="",
        ),
    ]  # fmt: skip


async def seal_finding(api: Api, site: str, uid: str) -> None:
    """What was found in pixels, as the anonymizer leaves it."""
    stem = api.context.store / Store.findings(f"tr-{site}", f"{uid}.1", 1, f"{uid}.9")
    stem.parent.mkdir(parents=True)
    content = json.dumps({"read": 1, "changed": 0, "exempt": False, "masks": [], "frames": []})
    stem.with_name(f"{stem.name}.json").write_text(content)
    stem.with_name(f"{stem.name}.after.png").write_bytes(b"PNG")
    sealed = api.context.vault.encrypt(json.dumps({"findings": json.loads(content), "before": "UE5H"}))
    stem.with_name(f"{stem.name}.sealed").write_bytes(sealed)
    file = api.context.store / f"archive/scp_{uid}/{uid}.1.1.dcm"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"DICM")


def methods() -> dict[str, tuple[str, str]]:
    return {operation: (method, path) for operation, method, path in routes()}


async def call(api: Api, operation: str, wish: Call, site: str, token: str = NORA) -> Any:
    def meant(text: str) -> str:
        return text.replace("{site}", site).replace("{uid}", SITES[site]).replace("{assignment}", assignment_of(site))

    path, body = wish
    asked = json.loads(meant(json.dumps(body))) if body is not None else None
    return await api.by(token, methods()[operation][0], meant(path), asked)


def test_every_operation_of_a_project_says_what_it_is_to_them() -> None:
    ours = {name for name, rule in PERMISSIONS.items() if any(isinstance(each, ProjectRole) for each in rule.roles)}
    assert ours == OF_PARTICIPANTS | OF_THE_WHOLE | OF_NOBODY
    assert len(ours) == len(OF_PARTICIPANTS) + len(OF_THE_WHOLE) + len(OF_NOBODY)
    assert {*LISTS, *THINGS, *APART} == OF_PARTICIPANTS, "all of them are walked"


async def test_lists_and_news_are_of_the_site(database: Database, tmp_path: Path) -> None:
    async with filled(database, tmp_path) as api:
        await lists_name_what_is_of_the_site(api)
        await whoever_runs_the_gateway_is_bound_to_nothing(api)
        await news_are_of_the_site(api)


async def lists_name_what_is_of_the_site(api: Api) -> None:
    for operation, wish in LISTS.items():
        mine = await call(api, operation, wish, "north")
        assert mine.status_code == 200, (operation, mine.text)
        assert "north" in mine.text or SITES["north"] in mine.text, operation
        for other in ("south", ""):
            said = (await call(api, operation, wish, other)).text
            shown = [word for word in (f'P-{other}"', f'-{other}"', SITES[other]) if word in said]
            assert not shown, (operation, other, said)
        everything = await call(api, operation, wish, "south", "fiona_t_k.olsen")
        assert "south" in everything.text or SITES["south"] in everything.text, operation


async def test_things_of_another_site_are_not_there(api: Api) -> None:
    for operation, wish in THINGS.items():
        for other in ("south", ""):
            answer = await call(api, operation, wish, other)
            wanted = ("invalid-request",) if operation == "add_coupling" else ()
            assert kind(answer).startswith("unknown-") or kind(answer) in wanted, (operation, other, answer.text)
            assert f'P-{other}"' not in answer.text
        mine = await call(api, operation, wish, "north")
        assert mine.status_code < 300 or kind(mine) in ("correction-open", "still-leaving"), (operation, mine.text)


async def test_what_is_of_the_whole_project_is_not_theirs(api: Api) -> None:
    values = {"name": PROJECT, "identity": "rule", "participant": "P-north", "version": "1", "login": "nora"}
    for operation in sorted(OF_THE_WHOLE):
        method, path = methods()[operation]
        asked = path.removeprefix("/api/v1").format(**values)
        body = {"project": PROJECT} if method != "GET" else None
        answer = await api.by(NORA, method, asked, body)
        if operation in ("list_redcap", "list_redcap_differences"):
            assert answer.json()["items"] == []
        elif operation == "compare_redcap":
            assert kind(answer) == "no-redcap"
        else:
            assert kind(answer) == "bound-to-site", operation
    assert kind(
        await api.by(NORA, "POST", "/resends", {"project": PROJECT, "since": "2026-01-01T00:00:00Z"} | WHY)
    ) == ("bound-to-site")


async def whoever_runs_the_gateway_is_bound_to_nothing(api: Api) -> None:
    assert (await call(api, "show_transfer", ("/transfers/tr-{site}", None), "south", "fiona_t_otto")).is_success
    assert (await api.by("fiona_t_otto", "GET", "/transfers")).json()["total"] == 3


async def test_numbers_and_lists_are_of_the_site(api: Api) -> None:
    shown = (await api.by(NORA, "GET", f"/projects/{PROJECT}")).json()
    assert (shown["participants"], shown["studies"], shown["transfers"]) == (2, 1, {"failed": 1})
    counts = f"/projects/{PROJECT}/coupling/counts"
    assert (await api.by(NORA, "GET", counts)).json()["entries"] == 1
    made = await api.by(NORA, "POST", f"/projects/{PROJECT}/participants", {"name": "P-new"})
    assert made.json()["site"] == "north"

    header = "AccessionNumber,ProjectName,subjectid,eventname\n"
    uploads = f"/projects/{PROJECT}/coupling/uploads"

    async def upload(rows: str) -> Any:
        headers = {"authorization": f"Bearer {NORA}", "content-type": "text/csv"}
        path = f"/api/v1/projects/{PROJECT}/coupling/csv"
        return await api.client.post(path, content=header + rows, headers=headers)

    refused = await upload(f"A1,{PROJECT},P-south,Unknown\n")
    assert (kind(refused), "another site" in refused.text) == ("invalid-coupling-list", True)
    taken = await upload(f"A1,{PROJECT},P-listed,Unknown\n")
    assert taken.status_code == 201, taken.text
    assert (await api.get(f"/projects/{PROJECT}/participants/P-listed")).json()["site"] == "north"
    everybody = {"entries": [{"accession_number": "C", "participant": "P-south"}]}
    assert (await api.post(f"/projects/{PROJECT}/coupling", everybody)).status_code == 201
    assert [each["created_by"] for each in (await api.by(NORA, "GET", uploads)).json()["items"]] == ["nora"]
    theirs = (await api.get(uploads)).json()["items"][0]["id"]
    assert kind(await api.by(NORA, "DELETE", f"{uploads}/{theirs}")) == "unknown-coupling-upload"
    mine = taken.json()["upload"]
    assert (await api.by(NORA, "DELETE", f"{uploads}/{mine}")).json() == {"removed": 1}
    assert (await api.by(NORA, "DELETE", f"/projects/{PROJECT}/coupling")).json() == {"removed": 1}
    assert (await api.get(f"/projects/{PROJECT}/coupling")).json()["total"] == 3, "the others' are still there"


async def news_are_of_the_site(api: Api) -> None:
    changes = [
        *(Change(sort=sort, subject=uid) for uid in SITES.values() for sort in ("study", "assignment")),
        *(Change(sort=sort, subject=f"tr-{site}") for site in SITES for sort in ("transfer", "quarantine")),
    ]
    await api.add(*changes)
    async with api.context.database.reading() as session:
        news = await as_they_stand(session, changes)
        nora = await actor_of(session, await session.get_one(Account, "nora"))
    heard = [each for each in news if may_hear(nora, each)]
    assert sorted(each.sort for each in heard) == ["assignment", "study", "transfer"]
    assert {each.data.get("study_instance_uid") for each in heard} == {SITES["north"]}
