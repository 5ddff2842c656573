"""Everything that goes wrong, as application/problem+json (RFC 9457), without a word of the request in it.

A request may carry a patient in any place, its path included; so `instance` names the occurrence (the log has
it too), and errors of validation say where and what, never the value.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from services.api.allowed import allowed
from shared.bus import BusUnavailable
from shared.database import DatabaseUnavailable
from shared.log import logger

log = logger("api")
MEDIA_TYPE = "application/problem+json"

KINDS: Final[dict[str, tuple[int, str]]] = {
    "malformed-request": (400, "The request cannot be read"),
    "not-signed-in": (401, "Sign in, or present a token that is good"),
    "wrong-credentials": (401, "It is not this login with this password"),
    "forbidden": (403, "You may not do this"),
    "no-role": (403, "You are known, but no group of yours gives you a role here"),
    "provider-refused": (401, "The provider does not vouch for this sign-in"),
    "csrf-token-missing": (403, "A page that is signed in by cookie has to say X-CSRF-Token, too"),
    "session-needed": (403, "This is for whoever is signed in, not for a token"),
    "cross-site": (403, "Another site's page may not use this interface"),
    "bound-to-site": (403, "This is of the whole project, and you are bound to sites of it"),
    "other-site": (403, "This is for people of another site"),
    "unknown-route": (404, "There is nothing here"),
    "unknown-study": (404, "There is no such study"),
    "unknown-series": (404, "There is no such series"),
    "unknown-project": (404, "There is no such project"),
    "unknown-participant": (404, "There is no such participant"),
    "unknown-assignment": (404, "There is no such assignment"),
    "unknown-coupling-entry": (404, "There is no such coupling entry"),
    "unknown-coupling-upload": (404, "There is no such upload to the coupling list"),
    "unknown-rule": (404, "There is no such routing rule"),
    "unknown-transfer": (404, "There is no such transfer"),
    "unknown-correction": (404, "There is no such correction"),
    "unknown-quarantined-instance": (404, "No such instance is in quarantine"),
    "unknown-review": (404, "There is no such review"),
    "unknown-finding": (404, "Nothing was found in the pixels of such an instance"),
    "unknown-picture": (404, "There is no such picture"),
    "unknown-profile": (404, "There is no such profile"),
    "unknown-attribute": (404, "No such attribute is left in this project"),
    "unknown-access-request": (404, "There is no such request"),
    "unknown-application": (404, "There is no such application"),
    "unknown-contract": (404, "Nobody has agreed to such a contract"),
    "unknown-export": (404, "There is no such export"),
    "unknown-leftover": (404, "No such study is left over"),
    "unknown-mail": (404, "There is no such mail"),
    "unknown-destination": (404, "There is no such destination"),
    "no-redcap": (404, "No such REDCap project is configured"),
    "unknown-run": (404, "The janitor has no such run"),
    "unknown-dead-letter": (404, "There is no such dead letter"),
    "unknown-account": (404, "There is no such account"),
    "unknown-provider": (404, "There is no such provider"),
    "unknown-member": (404, "They are no such member"),
    "unknown-token": (404, "There is no such token"),
    "method-not-allowed": (405, "This cannot be done here"),
    "not-acceptable": (406, "The answer cannot be given in a form that is accepted"),
    "too-slow": (408, "The request stopped coming"),
    "project-exists": (409, "There is such a project already"),
    "participant-exists": (409, "There is such a participant already"),
    "participant-withdrawn": (409, "The participant's consent was withdrawn"),
    "no-auto-id": (409, "The project cannot make up a participant"),
    "already-asked": (409, "You have asked already"),
    "already-decided": (409, "Somebody has decided already"),
    "contract-changed": (409, "The contract is another one by now"),
    "export-under-way": (409, "An export is being made already"),
    "export-not-there": (409, "The file is not there"),
    "other-file": (409, "The copy is not the file that was made here"),
    "instances-missing": (409, "The file does not hold all that was de-identified"),
    "nothing-reported": (409, "The janitor has not reported yet what it would remove"),
    "janitor-stopped": (409, "The janitor removes nothing: nobody has let it"),
    "mail-sent": (409, "The mail was sent already"),
    "project-closed": (409, "Nothing in this project is changed any more"),
    "project-inactive": (409, "The project is not active"),
    "project-without-destination": (409, "The project has no destination"),
    "destination-in-use": (409, "The destination is in use"),
    "destination-exists": (409, "There is such a destination already"),
    "assigned-otherwise": (409, "The study is assigned otherwise in this project"),
    "derived-from-another": (409, "The study was made of one that is another participant's, or nobody's"),
    "not-in-force": (409, "The assignment is not in force"),
    "correction-open": (409, "Somebody is correcting the assignment already"),
    "nothing-to-correct": (409, "The study is assigned like that already"),
    "transfer-ended": (409, "The transfer has ended already"),
    "still-leaving": (409, "What was sent of the study has to leave its destinations first"),
    "already-withdrawn": (409, "The participant's consent was withdrawn before"),
    "nothing-by-hand": (409, "Nothing of it is to be removed by hand"),
    "coupled-otherwise": (409, "A study is coupled otherwise in this project"),
    "already-reviewed": (409, "Somebody has decided about an instance already"),
    "not-releasable": (409, "What stopped an instance cannot be waived"),
    "profile-of-its-own": (409, "The project has a profile of its own"),
    "nothing-proposed": (409, "The marks ask for nothing that the profile does not do"),
    "login-taken": (409, "Somebody else has this login here"),
    "account-exists": (409, "There is such an account already"),
    "last-administrator": (409, "Nobody would be left who is an administrator and can sign in"),
    "password-elsewhere": (409, "The password is not kept here, but by the directory that the account is from"),
    "key-in-use": (409, "The first request with this Idempotency-Key is still under way"),
    "link-spent": (410, "The link is spent, too old, or none of ours: ask for another"),
    "file-gone": (410, "The file is gone from the archive"),
    "changed-meanwhile": (412, "Somebody has changed it meanwhile"),
    "profile-changed": (412, "Somebody has changed the profile meanwhile"),
    "too-large": (413, "The request is too large"),
    "unsupported-media-type": (415, "The request is of a type that is not taken here"),
    "foreign-host": (421, "The request is meant for another host"),
    "invalid-request": (422, "The request is not valid"),
    "key-of-another-request": (422, "The Idempotency-Key was used for another request"),
    "invalid-coupling-list": (422, "The coupling list is not valid: nothing of it was taken"),
    "invalid-profile": (422, "The profile is not valid"),
    "participant-not-allowed": (422, "The participant does not fit the project's naming pattern"),
    "participant-resembles-patient": (422, "The participant says who the patient is"),
    "event-not-allowed": (422, "The project has no such event"),
    "too-many-streams": (429, "You watch too often at once"),
    "version-required": (428, "Say by If-Match which version is meant"),
    "too-many-attempts": (429, "Too many sign-ins have failed: wait"),
    "internal-error": (500, "Something went wrong here"),
    "wrong-key": (500, "Identities cannot be decrypted: the master key is another"),
    "busy": (503, "Too many requests at once"),
    "receiving-off": (503, "Receiving is switched off"),
    "store-unavailable": (503, "The store cannot be read or written"),
    "database-unavailable": (503, "The database is not available"),
    "audit-unavailable": (503, "What is asked for cannot be recorded, so it is not done"),
    "directory-unavailable": (503, "Whoever could vouch for you cannot be asked"),
    "bus-unavailable": (503, "The bus is not available"),
}
"""Kind -> HTTP status and title. The kind is the last part of `type`."""

GENERIC = {
    400: "malformed-request", 404: "unknown-route", 405: "method-not-allowed", 413: "too-large",
    415: "unsupported-media-type",
}  # fmt: skip
"""What the framework says by a status alone."""

RETRY_AFTER = "5"


class FieldError(BaseModel):
    """One thing that is wrong with a request: where, and what."""

    loc: list[str | int] = Field(description="the way to it, beginning with body, query or path")
    msg: str
    type: str


class ProblemDetails(BaseModel):
    """RFC 9457."""

    type: str = Field(description="urn:fiona:problem:<kind>")
    title: str
    status: int
    detail: str | None = None
    instance: str = Field(description="this one occurrence; the log calls it the same")
    errors: list[FieldError] | None = None


class Problem(Exception):
    """A request that ends in a problem of a kind; the detail must be free of PHI."""

    def __init__(
        self,
        kind: str,
        detail: str | None = None,
        errors: Sequence[FieldError] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail
        self.errors = list(errors) if errors else None
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """HTTP's."""
        return KINDS[self.kind][0]


def invalid(*errors: FieldError) -> Problem:
    """A request that is not valid for reasons that only the data know."""
    return Problem("invalid-request", errors=errors)


def answer(problem: Problem) -> Response:
    """The problem as a response; those that are ours to solve are logged under the same name."""
    status, title = KINDS[problem.kind]
    body = ProblemDetails(
        type=f"urn:fiona:problem:{problem.kind}",
        title=title,
        status=status,
        detail=problem.detail,
        instance=f"urn:uuid:{uuid4()}",
        errors=problem.errors,
    )
    if status >= 500:
        log.warning("problem", kind=problem.kind, status=status, instance=body.instance)
    headers = ({"Retry-After": RETRY_AFTER} if status == 503 else {}) | problem.headers
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, MEDIA_TYPE)


def field_errors(found: Sequence[Any]) -> list[FieldError]:
    """Pydantic's list without values; a name that nobody asked for is a value, too."""
    return [
        FieldError(
            loc=list(each["loc"][:-1] if each["type"] == "extra_forbidden" else each["loc"]),
            msg="holds a field that is not known here" if each["type"] == "extra_forbidden" else each["msg"],
            type=each["type"],
        )
        for each in found
    ]


def from_exception(error: Exception) -> Problem:
    """What an exception means to whoever asked."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            if any(each["type"] == "json_invalid" for each in error.errors()):
                return Problem("malformed-request", "the body is not JSON")
            return Problem("invalid-request", errors=field_errors(error.errors()))
        case HTTPException(__cause__=Problem() as problem):
            # What the guard says while a body is read comes back wrapped.
            return problem
        case HTTPException():
            kind = GENERIC.get(error.status_code)
            return Problem(kind or "internal-error", headers=error.headers)
        case DatabaseUnavailable():
            return Problem("database-unavailable")
        case BusUnavailable():
            return Problem("bus-unavailable")
        case InvalidTag():
            return Problem("wrong-key")
        case _:
            return Problem("internal-error")


def install(app: FastAPI) -> None:
    """Answer every exception that can be foreseen; the guard around the app takes the rest."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = from_exception(error)
        if problem.status == 405 and (methods := allowed(app, request.url.path)) is not None:
            problem.headers["Allow"] = methods
        return answer(problem)

    for kind in (
        Problem, RequestValidationError, HTTPException, DatabaseUnavailable, BusUnavailable, InvalidTag,
    ):  # fmt: skip
        app.add_exception_handler(kind, handle)


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for OpenAPI: one per status, an example per kind."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status, title = KINDS[kind]
        example = {
            "type": f"urn:fiona:problem:{kind}",
            "title": title,
            "status": status,
            "instance": "urn:uuid:0b1f6f3c-6d6c-4d0a-9d8e-0f7c2d5a1b3e",
        }
        empty: dict[str, Any] = {
            "description": title,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}, "examples": {}}},
        }
        there = responses.setdefault(status, empty)
        there["content"][MEDIA_TYPE]["examples"][kind] = {"summary": title, "value": example}
        if title not in there["description"]:
            there["description"] += f"; {title}"
    return responses


def also(operation: dict[str, Any], *kinds: str) -> None:
    """Say of an operation in a finished schema that it may answer so, beside what its route says."""
    responses = operation["responses"]
    for status, said in documented(*kinds).items():
        there = responses.setdefault(str(status), said)
        examples = there["content"][MEDIA_TYPE].setdefault("examples", {})
        for kind, example in said["content"][MEDIA_TYPE]["examples"].items():
            examples.setdefault(kind, example)
    operation["responses"] = dict(sorted(responses.items()))
