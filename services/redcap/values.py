"""From what the gateway knows to what a field in REDCap takes: dates as it checks them, choices by their codes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Day:
    """A date as DICOM writes it (DA)."""

    text: str


@dataclass(frozen=True)
class Clock:
    """A time as DICOM writes it (TM)."""

    text: str


Value = str | int | Day | Clock | datetime | frozenset[str] | None
"""A moment is aware; a set is the ticked codes of a checkbox; None and what is empty leaves the field as it is."""


@dataclass(frozen=True)
class Field:
    """A field as a REDCap project defines it."""

    name: str
    form: str
    kind: str = "text"
    choices: Mapping[str, str] | None = None
    validation: str = ""


class NoChoice(Exception):
    """The field has no choice for the value; the text names the field only."""


def rendered(value: Value, field: Field, coding: Mapping[str, str] | None = None) -> dict[str, str]:
    """The columns that say it, none when there is nothing to say. Raises NoChoice."""
    if field.kind == "checkbox":
        return _ticks(value, field, coding)
    text = _text(value, field.validation)
    if not text:
        return {}
    if coding is not None and text in coding:
        return {field.name: coding[text]}
    return {field.name: text if field.choices is None else _code(text, field)}


def _ticks(value: Value, field: Field, coding: Mapping[str, str] | None) -> dict[str, str]:
    if value is None:
        return {}
    wanted = value if isinstance(value, frozenset) else frozenset({str(value)})
    ticked = {(coding or {}).get(code, code) for code in wanted}
    choices = field.choices or {}
    if not ticked <= choices.keys():
        raise NoChoice(f"{field.name} has no such choice")
    return {f"{field.name}___{code.lower()}": str(int(code in ticked)) for code in choices}


def _code(text: str, field: Field) -> str:
    choices = field.choices or {}
    if text in choices:
        return text
    for code, label in choices.items():
        if label == text:
            return code
    raise NoChoice(f"{field.name} has no such choice")


def _text(value: Value, validation: str) -> str:
    match value:
        case Day():
            return _day(value.text, validation)
        case Clock():
            return _clock(value.text, validation)
        case datetime():
            return value.strftime(_MOMENTS.get(validation.rpartition("_")[0] or validation, "%Y-%m-%d %H:%M"))
        case frozenset():
            return ",".join(sorted(value))
        case None:
            return ""
        case _:
            return "".join(c for c in str(value) if c.isprintable() or c in "\n\t").strip()


_MOMENTS = {"date": "%Y-%m-%d", "datetime": "%Y-%m-%d %H:%M", "datetime_seconds": "%Y-%m-%d %H:%M:%S"}


def _day(text: str, validation: str) -> str:
    """A field that checks dates is given YYYY-MM-DD, another one what stands in the header."""
    found = re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})", text.strip())
    if found is None:
        return ""
    try:
        day = datetime(*map(int, found.groups()))  # type: ignore[arg-type]
    except ValueError:
        return ""
    if validation.startswith("datetime"):
        return day.strftime(_MOMENTS[validation.rpartition("_")[0]])
    return day.strftime("%Y-%m-%d" if validation.startswith("date") else "%Y%m%d")


def _clock(text: str, validation: str) -> str:
    found = re.fullmatch(r"([01]\d|2[0-3]):?([0-5]\d)?:?([0-5]\d|60)?(\.\d*)?", text.strip())
    if found is None:
        return ""
    if not validation.startswith("time"):
        return text.strip()
    hours, minutes, seconds = (part or "00" for part in found.groups()[:3])
    return f"{hours}:{minutes}:{min(int(seconds), 59):02}" if validation == "time_hh_mm_ss" else f"{hours}:{minutes}"
