"""What people say of a project, whether they apply for one, make one or change one: checked in one place."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from deidentification.profiles import BUILT_IN
from services.api.answers import Shape
from services.api.needs import EventName, Expression, Line, Name, Participant
from services.api.problems import FieldError, invalid
from shared.mail import ADDRESS
from shared.registry.auto_ids import parse
from shared.registry.auto_ids import problem as auto_id_problem
from shared.registry.expressions import fits


def _built_in(name: str) -> str:
    if name not in BUILT_IN:
        raise ValueError(f"there are: {', '.join(sorted(BUILT_IN))}")
    return name


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("names something twice")
    return names


def _address(text: str) -> str:
    if text and not ADDRESS.fullmatch(text):
        raise ValueError("not a mail address")
    return text


def _folder(text: str) -> str:
    if ".." in text.split("/"):
        raise ValueError("leads upwards")
    return text


ONCE: Final[dict[str, Any]] = {"uniqueItems": True}

BuiltIn = Annotated[str, Field(max_length=40, json_schema_extra={"enum": sorted(BUILT_IN)}), AfterValidator(_built_in)]
"""The name of a built-in profile."""

Events = Annotated[
    list[EventName], Field(max_length=200, description="empty: any", json_schema_extra=ONCE), AfterValidator(_each_once)
]
Destinations = Annotated[list[Name], Field(max_length=20, json_schema_extra=ONCE), AfterValidator(_each_once)]
MailAddress = Annotated[
    str, Field(max_length=254, json_schema_extra={"pattern": f"^({ADDRESS.pattern})?$"}), AfterValidator(_address)
]
"""It may be empty."""

Folder = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f\\]*$",
        json_schema_extra={"pattern": r"^(?!(.*/)?\.\.(/|$))[^\x00-\x1f\x7f\\]*$"},
    ),
    AfterValidator(_folder),
]
EndProvision = Literal["delete", "anonymise"]
Option = Literal["radiology", "pathology", "redcap-only", "data-from-home"]
Options = Annotated[list[Option], Field(max_length=4, json_schema_extra=ONCE), AfterValidator(_each_once)]
Approval = Annotated[str, Field(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""The number of an ethics committee's (REK) approval."""

Word = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")]

PEOPLE: Final = {
    "organisation": "Example Hospital",
    "pi_name": "Kari Olsen",
    "pi_mail": "kari.olsen@example.org",
    "manager_name": "Ola Hansen",
    "manager_mail": "ola.hansen@example.org",
}
SHAPE: Final[dict[str, Any]] = {
    "description": "A brain cohort",
    "participant_pattern": r"ABCD-\d{4}",
    "participant_example": "ABCD-0017",
    "events": ["baseline", "year1"],
    "events_without_images": [],
    "end_provision": "delete",
    "options": ["radiology"],
}


class ProjectFields(Shape):
    """What is said of a project whoever says it."""

    description: str = Field(default="", max_length=200)
    organisation: Line = ""
    pi_name: Line = ""
    pi_mail: MailAddress = Field(default="", description="who is reminded, and confirms the last export")
    manager_name: Line = Field(default="", description="the data manager")
    manager_mail: MailAddress = ""
    participant_pattern: Expression = Field(
        default=".+", description="a participant's whole name has to fit this regular expression"
    )
    participant_example: Participant | Literal[""] = Field(default="", description="a name that fits the pattern")
    events: Events = Field(default=[])
    events_without_images: Events = Field(default=[], description="those of its events that are not assigned to")
    end_provision: EndProvision = Field(default="delete", description="what becomes of its data after the end")
    options: Options = Field(default=[], description="what it is for")


class Storage(Shape):
    """Where a project's data go beside its destinations."""

    pathology_folder: Folder = Field(default="", description="where slides of this project are imported from")
    tsd_group: Word = ""
    tsd_id: Word = ""
    tsd_user: Word = ""
    tsd_folder: Folder = ""


def check_together(values: Mapping[str, Any]) -> None:
    """A problem that says where, unless what is said of a project fits together."""
    example, events = values["participant_example"], values["events"]
    starts_on: date | None = values.get("starts_on")
    ends_on: date | None = values.get("ends_on")
    found = (
        (
            bool(example) and not fits(values["participant_pattern"], example),
            FieldError(loc=["body", "participant_example"], msg="does not fit the pattern", type="pattern"),
        ),
        (
            not set(values["events_without_images"]) <= set(events),
            FieldError(loc=["body", "events_without_images"], msg="names what is no event", type="unknown"),
        ),
        (
            starts_on is not None and ends_on is not None and ends_on <= starts_on,
            FieldError(loc=["body", "ends_on"], msg="is not after the start", type="order"),
        ),
    )
    if errors := [error for wrong, error in found if wrong]:
        raise invalid(*errors)


def check_auto_ids(name: str, participant_pattern: str, pattern: str, aet: str | None) -> None:
    """A problem when the project would make up participants that it does not take, or is to and cannot."""
    if pattern and (why := auto_id_problem(pattern, name, participant_pattern)) is not None:
        raise invalid(FieldError(loc=["body", "auto_id_pattern"], msg=why, type="not_usable"))
    if aet is not None and not pattern:
        raise invalid(FieldError(loc=["body", "auto_id_aet"], msg="needs auto_id_pattern", type="not_usable"))
    if aet is not None and parse(pattern).needs_site:
        msg = (
            "nobody says the site of what is sent to an AE title, and auto_id_pattern names it: make a rule with a site"
        )
        raise invalid(FieldError(loc=["body", "auto_id_aet"], msg=msg, type="not_usable"))
