"""What a record says of a request: identifiers, and by which fields something was asked for; never a value else.

A UID and an id that we give are told as they stand. A name (of a participant, a destination, an account) or a number is
told only when the request found what it names: what was not found may be anything that a person has typed, a patient's
name included. What stands in a path was found when something was done, or there was a conflict with it; what a body
says, when it was done; what is looked for by a query is no more than asked for. A project's is one word without spaces,
and told of refusals, too: who was kept from which project is what people ask.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import BaseModel

UNFOUND: Final = (None, 400, 404, 422)
"""None: before the operation nobody knows yet whether it will find what is named."""
CONFLICTS: Final = (409, 412)
UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){3,}")
"""With more components than a date has, and no number of a person has any."""
NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
PROJECT: Final = re.compile(r"[A-Za-z0-9_-]{5,20}")

PLACES: Final = {
    "studies": "study_instance_uid",
    "series": "series_instance_uid",
    "projects": "project",
    "participants": "participant",
    "transfers": "transfer",
    "destinations": "destination",
    "reviews": "review",
    "assignments": "assignment",
}
"""What the segment of a path before a parameter says that the parameter is; another segment speaks for itself."""

PARAMETERS: Final = {"sop": "sop_instance_uid", "login": "account"}
"""What a parameter is by its own name, wherever it stands."""

TOLD: Final = frozenset(
    {
        "project", "participant", "study_instance_uid", "series_instance_uid", "transfer", "destination", "review",
        "assignment", "state", "decision", "limit", "offset",
    }
)  # fmt: skip
"""Fields of a query or a body of which more is told than that they were there."""

OURS: Final = frozenset({"state", "limit", "offset"})
"""Of them, those that take our own words and numbers only."""

LISTED: Final = frozenset({"roles", "system_roles", "scopes"})
"""Fields whose values are lists of our own words."""

WORD: Final = re.compile(r"[a-z_:]{1,20}")


@dataclass(frozen=True)
class Facts:
    """Whose it was, and other identifiers."""

    project: str | None = None
    study: str | None = None
    participant: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def found(route: APIRoute, path: Mapping[str, Any], query: bytes, body: Mapping[str, Any], status: int | None) -> Facts:
    """What may be told of a request that ends with a status (None: it is just beginning)."""
    known = {parameter.alias for parameter in route.dependant.query_params}
    asked = _only(known, dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
    said = _only(fields_of(route), body)
    made = {_last_place(route.path_format): said["name"]} if "name" in said else {}
    done = status is not None and status < 400
    told: dict[str, Any] = {}
    for values, sure in (
        (_only(TOLD | LISTED, asked), False),
        (_only(TOLD | LISTED, said), done),
        (made, done),
        (dict(_placed(route.path_format, path)), done or status in CONFLICTS),
    ):
        for name, value in values.items():
            if (text := _tellable(name, value, status, sure or (done and name in OURS))) is not None:
                told[name] = text
    project, study, participant = (told.pop(key, None) for key in ("project", "study_instance_uid", "participant"))
    if by := sorted({*asked, *said}):
        told["fields"] = by
    return Facts(project, study, participant, told)


def _only(names: Collection[str], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


def fields_of(route: APIRoute) -> frozenset[str]:
    """The fields that the body of a route may have, when it is JSON."""
    if route.body_field is None:
        return frozenset()
    model = route.body_field.field_info.annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return frozenset()
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def _placed(template: str, path: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each parameter of a path, under the name of its place."""
    before = ""
    for segment in template.split("/"):
        if not segment.startswith("{"):
            before = segment
            continue
        name = segment.strip("{}").partition(":")[0]
        if name in path:
            yield PARAMETERS.get(name) or PLACES.get(before, before), str(path[name])


def _last_place(template: str) -> str:
    """What the `name` in a body names: the thing that is made or changed there."""
    segment = next(each for each in reversed(template.split("/")) if not each.startswith("{"))
    return PLACES.get(segment, segment)


def _tellable(name: str, value: Any, status: int | None, sure: bool) -> str | None:
    """A value that a record may carry; None: it may not. `sure`: what it names was found."""
    if name in LISTED and isinstance(value, list) and status not in UNFOUND:
        return " ".join(str(word) for word in value if WORD.fullmatch(str(word)))
    if not isinstance(value, str):
        return None
    if UUID.fullmatch(value) or (UID.fullmatch(value) and len(value) <= 64):
        return value
    if name == "project":
        return value if status not in UNFOUND and PROJECT.fullmatch(value) else None
    return value if sure and NAME.fullmatch(value) else None
