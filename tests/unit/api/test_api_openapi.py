"""The schema: valid, complete, and the one that was agreed on."""

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from services.api.app import build
from services.api.permissions import PERMISSIONS, Where

OTHER = (
    *(
        "application/dicom+json",
        "application/x-ndjson",
        "application/zip",
        "image/png",
        "text/csv",
        "text/event-stream",
    ),
)
"""What is answered beside JSON."""

EVERYWHERE = {"400", "401", "403", "413", "422", "500", "503"}
"""What every operation may answer; the lines below may name it or not."""

AGREED = """
DELETE /api/v1/dead/{identity} 204 400 404 413 422 500 503
DELETE /api/v1/destinations/{name} 204 404 409 412 428
DELETE /api/v1/mails/{identity} 204 404 409
DELETE /api/v1/members/{login} 204 400 404 413 422 500 503
DELETE /api/v1/projects/{name}/coupling 200 404
DELETE /api/v1/projects/{name}/coupling/uploads/{identity} 200 404
DELETE /api/v1/projects/{name}/coupling/{identity} 204 404
DELETE /api/v1/projects/{name}/members/{login} 204 400 404 413 422 500 503
DELETE /api/v1/rules/{identity} 204 400 404 412 413 422 428 500 503
DELETE /api/v1/session 204 400 413 422 500 503
DELETE /api/v1/tokens/{identity} 204 400 404 413 422 500 503
GET /api/v1/accounts 200 400 413 422 500 503
GET /api/v1/accounts/{login} 200 304 404
GET /api/v1/applications 200
GET /api/v1/applications/{identity} 200 404
GET /api/v1/assignments/{identity} 200 400 404 413 422 500 503
GET /api/v1/audit 200
GET /api/v1/audit/export 200
GET /api/v1/audit/verify 200
GET /api/v1/contract 200
GET /api/v1/contracts/{version} 200 404
GET /api/v1/corrections 200 400 413 422 500 503
GET /api/v1/corrections/{identity} 200 400 404 413 422 500 503
GET /api/v1/counts 200 400 413 422 500 503
GET /api/v1/dead 200 400 413 422 500 503
GET /api/v1/dead/{identity} 200 400 404 413 422 500 503
GET /api/v1/destinations 200 400 413 422 500 503
GET /api/v1/destinations/{name} 200 304 404
GET /api/v1/janitor 200
GET /api/v1/janitor/runs 200
GET /api/v1/janitor/runs/{identity} 200 404
GET /api/v1/janitor/runs/{identity}/findings 200 404
GET /api/v1/janitor/runs/{identity}/lines 200 404
GET /api/v1/mails 200
GET /api/v1/monitor 200
GET /api/v1/monitor/heartbeats 200
GET /api/v1/members 200 400 413 422 500 503
GET /api/v1/profiles 200 400 413 422 500 503
GET /api/v1/profiles/{name} 200 400 404 413 422 500 503
GET /api/v1/projects 200 400 413 422 500 503
GET /api/v1/projects/{name} 200 304 400 404 413 422 500 503
GET /api/v1/projects/{name}/access-requests 200 404
GET /api/v1/projects/{name}/attributes 200 400 403 404 413 422 500 503
GET /api/v1/projects/{name}/attributes/values 200 400 404 413 422 500 503
GET /api/v1/projects/{name}/coupling 200 404
GET /api/v1/projects/{name}/coupling/counts 200 404
GET /api/v1/projects/{name}/coupling/export 200 404
GET /api/v1/projects/{name}/coupling/identities 200 404
GET /api/v1/projects/{name}/coupling/uploads 200 404
GET /api/v1/projects/{name}/events 200 400 404 413 422 500 503
GET /api/v1/projects/{name}/exports 200 404
GET /api/v1/projects/{name}/exports/{identity} 200 404
GET /api/v1/projects/{name}/exports/{identity}/file 200 404 409
GET /api/v1/projects/{name}/leftovers 200 404
GET /api/v1/projects/{name}/members 200 400 404 413 422 500 503
GET /api/v1/projects/{name}/participants 200 400 404 413 422 500 503
GET /api/v1/projects/{name}/participants/{participant} 200 400 404 413 422 500 503
GET /api/v1/projects/{name}/rules/order 200 304 400 404 413 422 500 503
POST /api/v1/projects/{name}/participants 201 400 403 404 409 413 422 500 503
POST /api/v1/rules/test 200 400 404 413 422 500 503
PUT /api/v1/projects/{name}/rules/order 200 400 404 412 413 422 428 500 503
GET /api/v1/projects/{name}/profile 200 304 400 404 413 422 500 503
GET /api/v1/projects/{name}/profile/proposal 200 400 404 413 422 500 503
GET /api/v1/projects/{name}/profile/versions 200 400 404 413 422 500 503
GET /api/v1/projects/{name}/profile/versions/{version} 200 400 404 413 422 500 503
GET /api/v1/projects/{name}/steps 200 404
GET /api/v1/projects/{name}/report 200 404
GET /api/v1/quarantine 200 400 413 422 500 503
GET /api/v1/quarantine/groups 200 400 413 422 500 503
GET /api/v1/redcap 200 400 413 422 500 503
GET /api/v1/redcap/differences 200 400 413 422 500 503
GET /api/v1/reviews 200 400 403 413 422 500 503
GET /api/v1/reviews/{identity} 200 400 403 404 413 422 500 503
GET /api/v1/rules 200 400 413 422 500 503
GET /api/v1/rules/{identity} 200 304 404
GET /api/v1/series/{uid} 200 400 404 413 422 500 503
GET /api/v1/session 200 400 413 422 500 503
GET /api/v1/stream 200 429
GET /api/v1/session/oidc/{provider} 303 404
GET /api/v1/session/oidc/{provider}/callback 303 404 409
GET /api/v1/session/providers 200
GET /api/v1/studies 200 400 413 422 500 503
GET /api/v1/studies/{uid} 200 400 404 413 422 500 503
GET /api/v1/studies/{uid}/files 200 400 404 413 422 500 503
GET /api/v1/studies/{uid}/series 200 400 404 413 422 500 503
GET /api/v1/switches 200
GET /api/v1/tokens 200 400 413 422 500 503
GET /api/v1/transfers 200 400 413 422 500 503
GET /api/v1/transfers/{identity} 200 400 404 413 422 500 503
GET /api/v1/transfers/{identity}/pixels 200 400 404 413 422 500 503
GET /api/v1/transfers/{identity}/pixels/{sop} 200 400 404 413 422 500 503
GET /api/v1/transfers/{identity}/pixels/{sop}/after.png 200 400 404 413 422 500 503
GET /api/v1/transfers/{identity}/pixels/{sop}/before.png 200 400 404 413 422 500 503
GET /api/v1/transfers/{identity}/pixels/{sop}/texts 200 400 404 413 422 500 503
GET /api/v1/transfers/{identity}/quarantine 200 400 404 413 422 500 503
GET /api/v1/transfers/{identity}/quarantine/{sop}/value 200 400 403 404 410 413 422 500 503
PATCH /api/v1/accounts/{login} 200 404 409 412 428
PATCH /api/v1/destinations/{name} 200 404 412 428
GET /api/v1/withdrawals 200 400 413 422 500 503
GET /api/v1/withdrawals/{identity} 200 400 404 413 422 500 503
PATCH /api/v1/projects/{name} 200 400 404 409 412 413 422 428 500 503
PATCH /api/v1/rules/{identity} 200 404 409 412 428
POST /api/v1/accounts 201 400 409 413 422 500 503
POST /api/v1/applications 201 409
POST /api/v1/applications/{identity}/approve 200 404 409
POST /api/v1/applications/{identity}/reject 200 404 409
POST /api/v1/assignments/{identity}/cancel 202 400 404 409 413 422 500 503
POST /api/v1/assignments/{identity}/correction 202 400 403 404 409 413 422 500 503
POST /api/v1/dead/{identity}/replay 204 400 404 413 422 500 503
POST /api/v1/destinations 201 400 409 413 422 500 503
POST /api/v1/destinations/{name}/echo 200 400 404 413 422 500 503
POST /api/v1/janitor/go 200 409
POST /api/v1/janitor/runs 202 409
POST /api/v1/janitor/stop 200
POST /api/v1/mails/{identity}/retry 200 404 409
POST /api/v1/profiles/check 200 400 413 422 500 503
POST /api/v1/profiles/diff 200 400 404 413 422 500 503
POST /api/v1/profiles/explain 200 400 404 413 422 500 503
POST /api/v1/projects 201 400 409 413 422 500 503
POST /api/v1/projects/{name}/access-requests 201 404 409
POST /api/v1/projects/{name}/access-requests/{identity}/decline 200 404 409
POST /api/v1/projects/{name}/access-requests/{identity}/grant 200 404 409
POST /api/v1/projects/{name}/archive 200 404 409 412 428
POST /api/v1/projects/{name}/attributes/marks 200 400 404 413 422 500 503
POST /api/v1/projects/{name}/attributes/search 200 400 404 413 422 500 503
POST /api/v1/projects/{name}/coupling 201 404 409
POST /api/v1/projects/{name}/coupling/csv 200 201 404 409 415
POST /api/v1/projects/{name}/exports 202 404 409
POST /api/v1/projects/{name}/exports/{identity}/confirm 200 404 409
POST /api/v1/projects/{name}/extend 200 404 409 412 428
POST /api/v1/projects/{name}/key 200 400 404 413 422 500 503
POST /api/v1/projects/{name}/leftovers/removed 200 404
POST /api/v1/projects/{name}/produce 200 404 409 412 428
POST /api/v1/projects/{name}/participants/{participant}/withdrawal 202 400 404 409 413 422 500 503
POST /api/v1/projects/{name}/profile/proposal/accept 201 400 404 409 412 413 422 428 500 503
POST /api/v1/redcap/comparisons 202 400 404 413 422 500 503
POST /api/v1/resends 202 400 404 409 413 422 500 503
POST /api/v1/rules 201 400 404 413 422 500 503
POST /api/v1/session/code 200 429
POST /api/v1/session 200 409 429
POST /api/v1/session/password 204 400 409 413 422 429 500 503
POST /api/v1/session/password/forgotten 202 429
POST /api/v1/session/password/reset 204 410 429
POST /api/v1/studies/search 200 400 413 422 500 503
POST /api/v1/studies/{uid}/assignments 200 202 400 403 404 409 413 422 500 503
POST /api/v1/tokens 201 400 404 413 422 500 503
POST /api/v1/transfers/{identity}/cancel 202 400 404 409 413 422 500 503
POST /api/v1/transfers/{identity}/reviews 201 400 404 409 413 422 500 503
POST /api/v1/withdrawals/{identity}/done 200 400 404 409 413 422 500 503
POST /api/v1/withdrawals/{identity}/retry 202 400 404 409 413 422 500 503
POST /dicomweb/studies 200 202 400 406 408 409 413 415 422 500 503
POST /dicomweb/studies/{study} 200 202 400 406 408 409 413 415 422 500 503
PUT /api/v1/accounts/{login}/password 204 400 404 409 413 422 500 503
PUT /api/v1/members/{login} 200 400 404 413 422 500 503
PUT /api/v1/projects/{name}/members/{login} 200 400 404 413 422 500 503
PUT /api/v1/switches/{switch} 200
PUT /api/v1/projects/{name}/profile 201 404 409 412 428
"""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return build().openapi()


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return sorted(
        (f"{method.upper()} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    )


def test_is_valid(schema: dict[str, Any]) -> None:
    validate(schema)


def own(method: str, path: str, *statuses: str) -> str:
    """An operation and what it answers beside what every operation may (a POST: 409 for its key)."""
    keyed = {"409"} if method == "POST" and path.startswith("/api/v1/") else set()
    return " ".join([method, path, *sorted(set(statuses) - EVERYWHERE - keyed)])


def test_is_what_was_agreed_on(schema: dict[str, Any]) -> None:
    found = [own(*name.split(), *each["responses"]) for name, each in operations(schema)]
    assert found == sorted(own(*line.split()) for line in AGREED.split("\n")[1:-1])
    for name, operation in operations(schema):
        assert set(operation["responses"]) >= EVERYWHERE, name


def test_is_the_same_every_time(schema: dict[str, Any]) -> None:
    assert build().openapi() == schema


def test_every_operation_says_what_it_does_and_answers(schema: dict[str, Any]) -> None:
    names = set()
    for name, operation in operations(schema):
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["operationId"] not in names, name
        names.add(operation["operationId"])
        for status, response in operation["responses"].items():
            if status in ("204", "303", "304"):
                assert "content" not in response, name
                continue
            assert response["content"], (name, status)
            for media, content in response["content"].items():
                assert media in OTHER or media == ("application/json" if status < "300" else "application/problem+json")
                assert content["schema"], (name, status)


def test_every_body_has_an_example(schema: dict[str, Any]) -> None:
    models = schema["components"]["schemas"]
    for name, operation in operations(schema):
        bodies = [operation["responses"][s] for s in operation["responses"] if s < "300" and s != "204"]
        bodies += [operation["requestBody"]] if "requestBody" in operation else []
        for content in (content for body in bodies for content in body["content"].values()):
            reference = content["schema"].get("$ref", "").rpartition("/")[2]
            model = models.get(reference, {})
            if "items" in model.get("properties", {}):
                reference = model["properties"]["items"]["items"]["$ref"].rpartition("/")[2]
                model = models[reference]
            assert "example" in content or model.get("examples"), (name, reference)


def test_every_example_fits_its_own_schema(schema: dict[str, Any]) -> None:
    registry = Registry().with_resource("urn:api", Resource.from_contents(schema, DRAFT202012))
    wrong = []
    for name, model in schema["components"]["schemas"].items():
        validator = OAS31Validator({"$ref": f"urn:api#/components/schemas/{name}"}, registry=registry)
        for example in model.get("examples", []):
            wrong += [
                f"{name}: {'/'.join(map(str, error.path))} {error.message}" for error in validator.iter_errors(example)
            ]
    for name, operation in operations(schema):
        bodies = [*operation["responses"].values(), operation.get("requestBody", {})]
        for content in [each for body in bodies for each in body.get("content", {}).values()]:
            schema_here = json.loads(json.dumps(content["schema"]).replace('"#/', '"urn:api#/'))
            validator = OAS31Validator(schema_here, registry=registry)
            given = [each["value"] for each in content.get("examples", {}).values()]
            for example in [*given, *([content["example"]] if "example" in content else [])]:
                wrong += [f"{name}: {error.message}" for error in validator.iter_errors(example)]
    assert wrong == []


def test_every_operation_documents_what_any_may_answer(schema: dict[str, Any]) -> None:
    kinds = {"401": "not-signed-in", "403": "forbidden", "422": "invalid-request", "503": "database-unavailable"}
    for name, operation in operations(schema):
        for status, kind in kinds.items():
            examples = operation["responses"][status]["content"]["application/problem+json"]["examples"]
            assert kind in examples, (name, status)


def test_what_is_edited_says_that_a_version_has_to_be_named(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        [needed] = [each for each in operation.get("parameters", []) if each["name"] == "if-match"] or [{}]
        assert needed.get("required", False) == ("428" in operation["responses"]), name


def test_no_identity_can_stand_in_a_url(schema: dict[str, Any]) -> None:
    allowed = {
        *("uid", "study", "series", "sop", "identity", "name", "transfer", "review", "version", "project"),
        *("limit", "offset", "state", "sort", "rule", "mark", "vr", "path", "accept"),
        *("if-match", "if-none-match", "idempotency-key", "last-event-id", "kind", "scope"),
        *("site", "imaging"),
        *("correction",),
        *("switch",),
        *("event", "matched", "upload", "dry_run", "expires_days", "never"),
        *("actor", "operation", "outcome", "participant", "since", "until", "after", "head", "format"),
        *("if-match", "if-none-match", "login", "account", "disabled", "provider", "code", "iss"),
        *("port", "challenge"),
        *("limit", "offset", "state", "sort", "rule", "mark", "vr", "path", "accept"),
    }
    for name, operation in operations(schema):
        assert {each["name"] for each in operation.get("parameters", [])} <= allowed, name


def test_what_needs_nobody_says_so(schema: dict[str, Any]) -> None:
    open_to_all = {each["operationId"] for _, each in operations(schema) if each.get("security") == []}
    assert open_to_all == {name for name, rule in PERMISSIONS.items() if rule.where is Where.PUBLIC}
