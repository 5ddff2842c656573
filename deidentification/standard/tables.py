"""The tables of PS3.15 Annex E as generated from the Standard, read once per process."""

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any


class Option(StrEnum):
    """The options of PS3.15 E.3 by the Standard's own names."""

    SAFE_PRIVATE = "retain-safe-private"
    UIDS = "retain-uids"
    DEVICE = "retain-device-identity"
    INSTITUTION = "retain-institution-identity"
    PATIENT_CHARACTERISTICS = "retain-patient-characteristics"
    FULL_DATES = "retain-full-dates"
    MODIFIED_DATES = "retain-modified-dates"
    DESCRIPTORS = "clean-descriptors"
    STRUCTURED_CONTENT = "clean-structured-content"
    GRAPHICS = "clean-graphics"
    PIXELS = "clean-pixel-data"
    VISUAL_FEATURES = "clean-recognizable-visual-features"


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """One row of E.1-1: an attribute (or pattern), its Basic action and its option columns."""

    tag: str
    name: str
    basic: str
    options: dict[Option, str]


@dataclass(frozen=True, slots=True)
class ConceptRow:
    """One row of E.3.4-1: a structured-report concept, its Basic action and its option columns."""

    name: str
    code: str
    scheme: str
    value_type: str
    basic: str
    options: dict[Option, str]


@dataclass(frozen=True, slots=True)
class SafePrivateRow:
    """One row of E.3.10-1: a private element by group, creator and element byte."""

    group: int
    element: int
    creator: str
    vr: str


def _load(name: str) -> dict[str, Any]:
    text = (files(__package__) / "data" / name).read_text(encoding="utf-8")
    return dict(json.loads(text))


@lru_cache(maxsize=1)
def edition() -> str:
    """The edition of the Standard that the tables come from."""
    return str(_load("attributes.json")["edition"])


def _options(row: dict[str, Any]) -> dict[Option, str]:
    return {Option(name): code for name, code in row["options"].items()}


@lru_cache(maxsize=1)
def attributes() -> tuple[AttributeRow, ...]:
    """Table E.1-1."""
    return tuple(
        AttributeRow(row["tag"], row["name"], row["basic"], _options(row)) for row in _load("attributes.json")["rows"]
    )


@lru_cache(maxsize=1)
def concepts() -> tuple[ConceptRow, ...]:
    """Table E.3.4-1."""
    return tuple(
        ConceptRow(row["name"], row["code"], row["scheme"], row["value_type"], row["basic"], _options(row))
        for row in _load("concepts.json")["rows"]
    )


@lru_cache(maxsize=1)
def safe_private() -> tuple[SafePrivateRow, ...]:
    """Table E.3.10-1."""
    return tuple(
        SafePrivateRow(int(row["tag"][:4], 16), int(row["tag"][6:], 16), row["creator"], row["vr"])
        for row in _load("safe_private.json")["rows"]
    )


@lru_cache(maxsize=1)
def action_codes() -> dict[str, str]:
    """Table E.1-1a: action code -> meaning."""
    return {row["code"]: row["meaning"] for row in _load("action_codes.json")["rows"]}
