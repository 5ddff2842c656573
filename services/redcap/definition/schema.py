"""What a REDCap project defines: asked before anything is written, so that what is missing can be named."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from services.redcap.client import Away, Item, Redcap, Refused
from services.redcap.definition.lacking import (
    Designation,
    Lack,
    Repeating,
    Unfit,
    named_whole,
    no_event,
    unique_name,
)
from services.redcap.values import Field

FORM_STATUS = {"0": "Incomplete", "1": "Unverified", "2": "Complete"}
"""What `<instrument>_complete` can say; REDCap adds it to every instrument and does not list it."""

_CHOICES = {"yesno": {"1": "Yes", "0": "No"}, "truefalse": {"1": "True", "0": "False"}}
_CHOSEN = ("radio", "dropdown", "checkbox")


@dataclass(frozen=True)
class Schema:
    """Fields, events, and which instruments are where and repeat where; no events in a classic project."""

    record: str
    longitudinal: bool
    in_production: bool
    fields: Mapping[str, Field]
    events: Mapping[str, str]
    designated: Collection[tuple[str, str]]
    repeating: Collection[tuple[str | None, str]]
    repeating_events: Collection[str]

    def event(self, name: str, arm: int) -> str:
        """The unique name of an event that is called so here, by REDCap's rule for them or by its label. Or Unfit."""
        unique = unique_name(name, arm)
        spaced = unique_name(name.replace("-", " "), arm)
        for candidate in (name, unique, spaced) if named_whole(name) else (name,):
            if candidate in self.events:
                return candidate
        for candidate, label in self.events.items():
            if label.casefold() == name.casefold() and re.search(rf"_arm_{arm}[a-z]?$", candidate):
                return candidate
        raise Unfit(no_event(name, arm))

    def lacks(self, event: str | None, instrument: str | None, fields: Collection[str]) -> list[Lack]:
        """What forbids a line with these fields: at an event, and of an instrument that repeats."""
        if self.longitudinal and event is None:
            return [Lack("the mapping names no event")]
        if self.longitudinal and event not in self.events:
            return [no_event(str(event), 1)]
        found = [Lack(f"field {name} is not defined") for name in fields if name not in self.fields]
        at = event if self.longitudinal else None
        if instrument is not None:
            if instrument not in {field.form for field in self.fields.values()}:
                return [*found, Lack(f"instrument {instrument} is not defined")]
            if (at, instrument) not in self.repeating:
                repeats = Repeating(at, instrument)
                found.append(Lack(f"instrument {instrument} does not repeat{self._at(event)}", repeats))
        for field in (self.fields[name] for name in fields if name in self.fields and name != self.record):
            if instrument is not None and field.form != instrument:
                found.append(Lack(f"field {field.name} is not of instrument {instrument}"))
            elif instrument is None and (at, field.form) in self.repeating:
                found.append(Lack(f"field {field.name} is of an instrument that repeats"))
            if at is not None and (at, field.form) not in self.designated:
                what = f"instrument {field.form} is not designated for event {at}"
                found.append(Lack(what, Designation(at, field.form)))
        if at is not None and at in self.repeating_events:
            found.append(Lack(f"event {at} repeats as a whole"))
        return list(dict.fromkeys(found))

    def _at(self, event: str | None) -> str:
        return f" at event {event}" if self.longitudinal else ""


async def read_schema(redcap: Redcap) -> Schema:
    """Ask for all of it. What does not exist for a classic project is not asked for: that is an error to REDCap."""
    about = await redcap.export("project")
    metadata = await redcap.export("metadata")
    if not isinstance(about, dict) or not isinstance(metadata, list) or not metadata:
        raise Away("what answers there is not REDCap")
    longitudinal = str(about.get("is_longitudinal", "0")) == "1"
    events = await redcap.export("event") if longitudinal else []
    designated = await redcap.export("formEventMapping") if longitudinal else []
    repeats = str(about.get("has_repeating_instruments_or_events", "1")) == "1"
    repeating = await _repeating(redcap) if repeats else []
    in_production = str(about.get("in_production", "1")) == "1"
    return schema_of(longitudinal, metadata, events, designated, repeating, in_production=in_production)


async def _repeating(redcap: Redcap) -> list[Item]:
    """Older ones do not say whether anything repeats: then that nothing does is an error to them."""
    try:
        rows: list[Item] = await redcap.export("repeatingFormsEvents")
        return rows
    except Refused as error:
        if error.status in (401, 403, 404):
            raise
        return []


def schema_of(
    longitudinal: bool,
    metadata: list[Item],
    events: list[Item],
    designated: list[Item],
    repeating: list[Item],
    *,
    in_production: bool = False,
) -> Schema:
    """What the exports mean together."""
    fields = {row["field_name"]: _field(row) for row in metadata}
    for form in {field.form for field in fields.values()}:
        status = f"{form}_complete"
        fields[status] = Field(status, form, "dropdown", FORM_STATUS)
    whole = [row for row in repeating if not row.get("form_name")]
    return Schema(
        record=str(metadata[0]["field_name"]),
        longitudinal=longitudinal,
        in_production=in_production,
        fields=fields,
        events={row["unique_event_name"]: str(row.get("event_name", "")) for row in events},
        designated=frozenset((row["unique_event_name"], row["form"]) for row in designated),
        repeating=frozenset(
            (row.get("event_name") if longitudinal else None, row["form_name"]) for row in repeating if row not in whole
        ),
        repeating_events=frozenset(str(row.get("event_name")) for row in whole),
    )


def _field(row: Mapping[str, Any]) -> Field:
    kind = str(row.get("field_type", "text"))
    choices = _CHOICES.get(kind)
    if kind in _CHOSEN:
        pairs = (pair.partition(",") for pair in str(row.get("select_choices_or_calculations", "")).split("|"))
        choices = {code.strip(): label.strip() for code, comma, label in pairs if comma}
    validation = str(row.get("text_validation_type_or_show_slider_number") or "") if kind == "text" else ""
    return Field(str(row["field_name"]), str(row["form_name"]), kind, choices, validation)
