"""What a profile does, said for people: one attribute explained, two profiles compared."""

import re
from typing import Any, Final

from pydantic import Field

from deidentification.profiles import Profile, diff, explain
from deidentification.standard.dictionary import TAGS
from services.api.answers import Shape, example
from services.api.problems import FieldError, invalid

TAG: Final = re.compile(r"\(?([0-9A-Fa-f]{4}),\s?([0-9A-Fa-f]{4})\)?")
CHANGE: dict[str, Any] = {
    "attribute": "SeriesDescription",
    "tag": "(0008,103E)",
    "before": "loses every word that is not known to be harmless",
    "after": "is removed",
}


class Act(Shape):
    """What is done in one place, and why."""

    model_config = example(act="drop", code="X", source="E.1-1", type="3")
    act: str
    code: str = Field(description="action code of PS3.15 E.1-1")
    source: str = Field(description="the column of E.1-1, the profile's own rule, or the reviewed list that decides")
    type: str = Field(description="1, 2 or 3 (1C counts as 1); empty: not known for that SOP class")


class Told(Shape):
    """What a profile does to an attribute."""

    model_config = example(
        attribute="SeriesDescription",
        tag="(0008,103E)",
        vr="LO",
        sentence="SeriesDescription is removed (PS3.15 E.1-1 Basic: X).",
        row="E.1-1 (2026c) Series Description: Basic X, Clean Descriptors C",
        top={"act": "drop", "code": "X", "source": "E.1-1", "type": "3"},
        nested={"act": "drop", "code": "X", "source": "E.1-1", "type": "3"},
    )
    attribute: str
    tag: str
    vr: str
    sentence: str
    row: str = Field(description="of E.1-1, in words; empty: it has none")
    top: Act = Field(description="at the top level of an object")
    nested: Act = Field(description="inside items")


class Change(Shape):
    """One difference between two profiles."""

    model_config = example(**CHANGE)
    attribute: str = Field(description="keyword, or the name of a policy")
    tag: str | None = Field(description="null: a policy")
    before: str
    after: str


def told(profile: Profile, attribute: str, sop_class: str) -> Told:
    """An attribute by keyword or tag; a problem when it is neither."""
    tag = tag_of(attribute)
    if tag is None:
        what = "neither a keyword of the data dictionary nor (gggg,eeee)"
        raise invalid(FieldError(loc=["body", "attribute"], msg=what, type="attribute"))
    found = explain(profile, tag, sop_class)
    return Told(
        attribute=found.keyword,
        tag=written(tag),
        vr=found.vr,
        sentence=found.sentence,
        row=found.row,
        top=Act(act=found.act.name.lower(), code=found.code, source=found.source, type=found.type),
        nested=Act(
            act=found.nested_act.name.lower(),
            code=found.nested_code,
            source=found.nested_source,
            type=found.nested_type,
        ),
    )


def changes(old: Profile, new: Profile, sop_class: str) -> list[Change]:
    """All differences, attributes in tag order before policies."""
    return [
        Change(
            attribute=each.keyword,
            tag=None if each.tag is None else written(each.tag),
            before=each.before,
            after=each.after,
        )
        for each in diff(old, new, sop_class)
    ]


def tag_of(attribute: str) -> int | None:
    """The tag of a keyword, (gggg,eeee) or gggg,eeee."""
    if attribute in TAGS:
        return TAGS[attribute]
    match = TAG.fullmatch(attribute.strip())
    return int("".join(match.groups()), 16) if match else None


def last_tag(path: str) -> int | None:
    """The tag at the end of a path like (0008,1140)>(0008,1155)."""
    return tag_of(path.rpartition(">")[2])


def written(tag: int) -> str:
    """(gggg,eeee)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
