"""Every operation, asked by every role: allowed or refused as the table says, and nothing that it does not list."""

from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from services.api.actor import Actor, ProjectRole, Scope, SystemRole
from services.api.app import build
from services.api.judging import projects_of
from services.api.people.enforcing import NOT_THERE
from services.api.permissions import PERMISSIONS, Rule, Where
from services.api.stream import watcher
from shared.database import Database
from shared.tables import Correction, QuarantineReview, RoutingRule, Transfer
from tests.people import person
from tests.unit.api.support import Api, assignment, kind, running

HERE, ELSEWHERE = "ABCD-study", "OTHER-study"
REFUSED = {"not-signed-in": 401, "forbidden": 403}


class Asking(NamedTuple):
    """Somebody with one role, in one place."""

    token: str
    role: SystemRole | ProjectRole | None
    place: str = ""


EVERYBODY = [
    Asking("", None),
    *(Asking(f"fiona_t_{role}", role) for role in SystemRole),
    *(Asking(f"fiona_t_{role}-here", role, HERE) for role in ProjectRole),
    *(Asking(f"fiona_t_{role}-elsewhere", role, ELSEWHERE) for role in ProjectRole),
]


@cache
def schema() -> dict[str, Any]:
    """The api's."""
    return build().openapi()


def routes() -> Iterator[tuple[str, str, str]]:
    """Operation, method and path of each."""
    for path, methods in schema()["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], method.upper(), path


def expected(rule: Rule, asking: Asking) -> str:
    """The kind of the problem by which it is refused; empty: it is not."""
    if rule.where is Where.PUBLIC:
        return ""
    if asking.role is None:
        return "not-signed-in"
    if rule.where is Where.SELF:
        return ""
    if asking.role not in rule.roles or (asking.place and rule.where is Where.GATEWAY):
        return "forbidden"
    return NOT_THERE.get(rule.where, "") if asking.place == ELSEWHERE else ""


@pytest.fixture(autouse=True)
def streams_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is streamed is read to its end here."""
    monkeypatch.setattr(watcher, "LASTS", 0.0)


@pytest.fixture
async def api(sqlite: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(sqlite, tmp_path / "store", stow_networks="") as api:
        await api.project(HERE)
        await api.post("/projects", {"name": ELSEWHERE, "destinations": ["here"]})
        taken = assignment("1.2.3", HERE)
        taken.id = "a1"
        await api.add(
            taken,
            Transfer(
                id="t1", assignment=taken.id, study_instance_uid="1.2.3", project=HERE, participant="X1",
                event="Unknown", reason="person",
            ),
            Correction(id="c1", kind="cancel", project=HERE, reason=api.context.vault.encrypt("why")),
            QuarantineReview(id="r1", transfer="t1", project=HERE, decision="drop", reason=b"", reviewer="x"),
            *(RoutingRule(id=f"rule-{number}", project=HERE) for number in range(len(EVERYBODY))),
        )  # fmt: skip
        for asking in EVERYBODY[1:]:
            login = asking.token.removeprefix("fiona_t_")
            system = (asking.role,) if isinstance(asking.role, SystemRole) else ()
            member = {asking.place: (asking.role,)} if isinstance(asking.role, ProjectRole) else {}
            await api.add(*person(login, *system, memberships=member))
        yield api


def filled(path: str, rule: Rule, number: int) -> str:
    """A path to what is there: the project, its transfer, review, and one rule for each who asks."""
    known: dict[Where, str] = {
        Where.TRANSFER: "t1",
        Where.REVIEW: "r1",
        Where.RULE: f"rule-{number}",
        Where.ASSIGNMENT: "a1",
        Where.CORRECTION: "c1",
    }
    values = {
        "name": HERE if rule.where is Where.PROJECT else "basic",
        "identity": known.get(rule.where, "00000000-0000-0000-0000-000000000000"),
        **dict.fromkeys(("uid", "sop", "study"), "9.9"),
        "login": "nobody.there",
        "version": "1",
        "participant": "X1",
        "provider": "none",
        "switch": "send",
    }
    return path.format(**{name: value for name, value in values.items() if f"{{{name}" in path})


async def ask(api: Api, method: str, path: str, rule: Rule, token: str) -> httpx.Response:
    body = {"project": HERE} if rule.where is Where.BODY else {}
    return await api.by(token, method, f"/../..{path}", body if method in ("POST", "PUT", "PATCH") else None)


def said(answer: httpx.Response) -> str:
    return kind(answer) if answer.status_code >= 400 and "problem" in answer.headers["content-type"] else ""


def test_every_operation_is_listed_and_nothing_else() -> None:
    assert sorted(name for name, _, _ in routes()) == sorted(PERMISSIONS)
    built = [each.original_route for each in iter_route_contexts(build().routes)]
    assert sorted(each.name for each in built if isinstance(each, APIRoute)) == sorted(PERMISSIONS), "one is hidden"


async def test_every_operation_by_every_role(api: Api) -> None:
    wrong = []
    for name, method, path in routes():
        rule = PERMISSIONS[name]
        not_there = NOT_THERE.get(rule.where)
        for number, asking in enumerate(EVERYBODY):
            answer = await ask(api, method, filled(path, rule, number), rule, asking.token)
            wanted, found = expected(rule, asking), said(answer)
            refused = found in REFUSED or found == not_there
            right = found == wanted if wanted else not refused
            if not right or answer.status_code != REFUSED.get(found, answer.status_code):
                wrong.append((name, asking, wanted, found, answer.status_code))
    assert wrong == []


async def test_every_operation_without_its_scope(api: Api) -> None:
    wrong = []
    for scope in Scope:
        others = tuple(each for each in Scope if each is not scope)
        await api.add(*person(f"not-{scope.name.lower()}", *SystemRole, token=f"fiona_t_not-{scope}", scopes=others))
    for name, method, path in routes():
        rule = PERMISSIONS[name]
        if rule.scope is not None:
            answer = await ask(api, method, filled(path, rule, 0), rule, f"fiona_t_not-{rule.scope}")
            if said(answer) != "forbidden" or rule.scope not in answer.json()["detail"]:
                wrong.append((name, answer.text))
    assert wrong == []


def test_of_which_projects_a_list_shows_rows() -> None:
    member = Actor("a", projects={HERE: frozenset({ProjectRole.OWNER}), ELSEWHERE: frozenset({ProjectRole.DATA_ENTRY})})
    assert projects_of(member, ProjectRole.OWNER) == frozenset({HERE})
    assert projects_of(member, ProjectRole.CONTROLLER) == frozenset()
    everywhere = Actor("a", projects={"*": frozenset({ProjectRole.OWNER}), HERE: frozenset({ProjectRole.DATA_ENTRY})})
    assert projects_of(everywhere, ProjectRole.OWNER) is None
    assert projects_of(everywhere, ProjectRole.DATA_ENTRY) == frozenset({HERE})
    assert projects_of(Actor("a", frozenset({SystemRole.OPERATOR})), SystemRole.OPERATOR) is None
