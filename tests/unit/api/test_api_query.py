"""A query is taken as it is meant, or not at all."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from services.api.app import build
from services.api.query import OTHERS_ADD, parameters
from shared.database import Database
from tests.unit.api.support import Api, dicom, kind, multipart, running, stow_type


@pytest.fixture
async def api(sqlite: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(sqlite, tmp_path / "store") as api:
        yield api


def documented() -> dict[str, tuple[str, ...]]:
    """Operation -> the parameters of its query, as the schema has them."""
    operations = [each for ways in build().openapi()["paths"].values() for each in ways.values()]
    return {
        each["operationId"]: tuple(one["name"] for one in each.get("parameters", []) if one["in"] == "query")
        for each in operations
    }


def test_what_is_known_is_what_is_documented() -> None:
    built = [each.original_route for each in iter_route_contexts(build().routes)]
    assert {route.name: sorted(parameters(route)) for route in built if isinstance(route, APIRoute)} == {
        name: sorted(known) for name, known in documented().items()
    }
    assert set(documented()) >= OTHERS_ADD


def test_every_list_is_read_part_by_part() -> None:
    schema = build().openapi()
    known = documented()
    for operation in [each for ways in schema["paths"].values() for each in ways.values()]:
        said = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        model = schema["components"]["schemas"].get(said.get("$ref", "").rpartition("/")[2], {})
        if {"items", "total"} <= model.get("properties", {}).keys():
            assert {"limit", "offset"} <= set(known[operation["operationId"]]), operation["operationId"]


async def wrong(api: Api, path: str) -> list[tuple[Any, ...]]:
    answer = await api.get(path)
    assert kind(answer) == "invalid-request", answer.text
    return [(each["type"], *each["loc"]) for each in answer.json()["errors"]]


async def test_a_filter_that_is_misspelt_does_not_show_everything(api: Api) -> None:
    assert (await api.get("/transfers?state=failed&limit=5")).status_code == 200
    assert await wrong(api, "/transfers?stat=failed&limit=5") == [("extra_forbidden", "query", "stat")]
    [error] = (await api.get("/transfers?stat=failed")).json()["errors"]
    assert error["msg"] == "is not known here; known: project, state, study, correction, limit, offset"
    [error] = (await api.get("/counts?project=ABCD-study")).json()["errors"]
    assert error["msg"] == "is not known here; known: none"
    assert (await api.get("/audit?outcome=done&actor=anna")).status_code == 200, "known by what it depends on"
    assert await wrong(api, "/audit?action=x&who=y") == [
        ("extra_forbidden", "query", "action"),
        ("extra_forbidden", "query", "who"),
    ]
    assert await wrong(api, "/stream?project=ABCD-study") == [("extra_forbidden", "query", "project")]


async def test_of_two_values_none_is_taken(api: Api) -> None:
    assert await wrong(api, "/transfers?state=failed&state=done") == [("repeated", "query", "state")]


@pytest.mark.parametrize("name", ["Doe^Jane", "01017012345", "P-1", "", "x" * 40, "a b"])
async def test_a_name_that_may_be_anything_is_not_repeated(api: Api, name: str) -> None:
    answer = await api.get("/transfers", **{name: "1"})
    [error] = answer.json()["errors"]
    assert error["loc"] == ["query"]
    assert error["msg"].startswith("holds a parameter that is not known here; known: project, ")
    assert not name or name not in answer.text.replace(answer.json()["instance"], "")


async def test_nothing_is_done_that_was_asked_for_so(api: Api) -> None:
    answer = await api.post("/destinations?dry_run=true", {"name": "here", "kind": "folder"})
    assert kind(answer) == "invalid-request"
    assert (await api.get("/destinations")).json()["total"] == 0


async def test_nobody_is_told_what_is_known(api: Api) -> None:
    assert kind(await api.by("", "GET", "/transfers?stat=failed")) == "not-signed-in"


async def test_others_may_add_what_they_like(api: Api) -> None:
    answer = await api.client.post(
        "/dicomweb/studies?charset=utf-8&vendor=x",
        content=multipart([dicom()]),
        headers={"content-type": stow_type()},
    )
    assert answer.status_code == 200
    back = await api.get("/session/oidc/none/callback?code=x&state=y&session_state=z&iss=https://idp.example.org")
    assert kind(back) == "unknown-provider"
