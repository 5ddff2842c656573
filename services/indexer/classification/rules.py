"""Classification rules in the original's format, checked when they are loaded.

A list of `{type, id?, description?, check?: "SeriesLevel", rules: […]}`. The entries of `rules` must all hold:
a condition `{tag, value?, operator?, negate?: "yes", approxLevel?}`, or `{rule: ID}` / `{notrule: ID}` for
another rule that must, or must not, hold. A `tag` is `[keyword]` (or a field of the series JSON),
`[group, element]` or `[group, element, index]`; a `value` may be such a tag too.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from services.indexer.headers.header import keyword_tag

Operator = Literal["regexp", "==", "!=", "<", ">", "contains", "approx", "exist", "notexist"]
SHIPPED = Path(__file__).with_name("classify_rules.json")


class RulesError(ValueError):
    """The rules file cannot be used, and why."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))


def tag_number(reference: Sequence[Any]) -> int | None:
    """The DICOM tag that a reference means; None when it is no DICOM keyword and no pair of numbers."""
    if len(reference) == 1:
        return keyword_tag(str(reference[0]))
    try:
        group, element = (_number(str(part)) for part in reference[:2])
    except ValueError:
        return None
    return group << 16 | element if 0 <= group <= 0xFFFF and 0 <= element <= 0xFFFF else None


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return int(text, 16)


class Condition(_Strict):
    """One comparison of an element with a value."""

    tag: tuple[str, ...] = Field(min_length=1, max_length=3)
    value: str | int | float | list[str | int | float] = ""
    operator: Operator = "regexp"
    negate: Literal["yes", "no"] = "no"
    approx_level: float = Field(default=1e-4, alias="approxLevel", ge=0)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if len(self.tag) > 1 and tag_number(self.tag) is None:
            raise ValueError("tag: group and element must be numbers such as 0x0018")
        if len(self.tag) == 3:
            _number(self.tag[2])
        if self.operator == "regexp" and self.value_tag is None:
            try:
                re.compile(str(self.value))
            except re.error as error:
                raise ValueError(f"value: no regular expression: {error}") from None
        return self

    @cached_property
    def value_tag(self) -> tuple[str, ...] | None:
        """The tag that the value is, if it can be one."""
        if not isinstance(self.value, list) or not 1 <= len(self.value) <= 3:
            return None
        if not all(isinstance(part, str) for part in self.value) or (
            len(self.value) > 1 and tag_number(self.value) is None
        ):
            return None
        return tuple(map(str, self.value))


class Reference(_Strict):
    """Another rule that must hold."""

    rule: str


class NotReference(_Strict):
    """Another rule that must not hold."""

    notrule: str


def _kind(entry: Any) -> str:
    if isinstance(entry, dict):
        return "rule" if "rule" in entry else "notrule" if "notrule" in entry else "condition"
    return "rule" if isinstance(entry, Reference) else "notrule" if isinstance(entry, NotReference) else "condition"


Entry = Annotated[
    Annotated[Condition, Tag("condition")]
    | Annotated[Reference, Tag("rule")]
    | Annotated[NotReference, Tag("notrule")],
    Discriminator(_kind),
]


class Rule(_Strict):
    """A type, and what an image must fulfil to be of it."""

    type: str = Field(min_length=1)
    id: str | None = None
    description: str = ""
    check: Literal["SeriesLevel", "ImageLevel"] = "ImageLevel"
    rules: tuple[Entry, ...]

    def references(self) -> Iterator[str]:
        """The ids of the rules that this one leans on."""
        for entry in self.rules:
            if isinstance(entry, Reference):
                yield entry.rule
            elif isinstance(entry, NotReference):
                yield entry.notrule


class Rules:
    """The rules in their order, and by id."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.by_id = {rule.id: rule for rule in rules if rule.id is not None}
        if len(self.by_id) < sum(rule.id is not None for rule in rules):
            raise RulesError("two rules have the same id")
        for rule in rules:
            for reference in rule.references():
                if reference not in self.by_id:
                    raise RulesError(f"rule {rule.id or rule.type!r} refers to {reference!r}, which does not exist")
        try:
            TopologicalSorter({id: set(rule.references()) for id, rule in self.by_id.items()}).prepare()
        except CycleError as error:
            raise RulesError(f"rules refer to one another in a circle: {' -> '.join(error.args[1])}") from None

    @cached_property
    def tags(self) -> frozenset[int]:
        """Every element that some rule looks at."""
        references = [
            reference
            for rule in self.rules
            for entry in rule.rules
            if isinstance(entry, Condition)
            for reference in (entry.tag, entry.value_tag)
            if reference is not None
        ]
        return frozenset(tag for reference in references if (tag := tag_number(reference)) is not None)


def parse(content: str | bytes) -> Rules:
    """Rules from JSON; RulesError says which entry is wrong."""
    try:
        return Rules(TypeAdapter(list[Rule]).validate_json(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise RulesError(f"classification rules: {place or 'file'}: {first['msg']}") from None


def load(path: Path | None = None) -> Rules:
    """Rules from a file, by default the shipped ones."""
    return parse((path or SHIPPED).read_bytes())
