"""A REDCap project: its definition, its data, and what of an import it refuses."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STATUS = "0, Incomplete | 1, Unverified | 2, Complete"
GROUP = "redcap_data_access_group"
RESERVED = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance", GROUP)
VALIDATIONS = {
    "date": r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])",
    "datetime": r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d",
    "datetime_seconds": r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d",
    "time": r"([01]\d|2[0-3]):[0-5]\d",
    "time_hh_mm_ss": r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d",
    "integer": r"[-+]?\d+",
    "number": r"[-+]?\d*\.?\d+",
}

Place = tuple[str, str, str, int]
"""Record, event, repeating instrument and instance; empty and 0 where there is none."""


class ApiError(Exception):
    """An answer that is none."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def text(name: str, validation: str = "", kind: str = "text", choices: str = "") -> dict[str, str]:
    """A field, as a data dictionary has it."""
    return {
        "field_name": name,
        "form_name": "",
        "field_type": kind,
        "field_label": name,
        "select_choices_or_calculations": choices,
        "text_validation_type_or_show_slider_number": validation,
        "identifier": "",
        "required_field": "",
    }


@dataclass
class Form:
    """An instrument; `repeats` at these events, or with "" in a classic project."""

    name: str
    fields: Sequence[dict[str, str]]
    repeats: Sequence[str] = ()


@dataclass
class Project:
    """`events` (unique name: label) make it longitudinal; `designated` says which instruments are where (none: all)."""

    token: str
    forms: list[Form]
    events: dict[str, str] = field(default_factory=dict)
    designated: dict[str, list[str]] = field(default_factory=dict)
    rights: set[str] = field(default_factory=lambda: {"export", "import"})
    data: dict[Place, dict[str, str]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    """Unique names of its data access groups."""
    group_of: dict[str, str] = field(default_factory=dict)
    """Record -> the group that it is in."""
    in_production: bool = False
    arms: dict[int, str] = field(default_factory=lambda: {1: "Arm 1"})
    locked: set[tuple[str, str]] = field(default_factory=set)
    """Records and instruments of them that somebody has locked."""

    @property
    def record(self) -> str:
        """The field that names records: the first of the first instrument."""
        return self.forms[0].fields[0]["field_name"]

    def metadata(self) -> list[dict[str, str]]:
        """The data dictionary."""
        return [each | {"form_name": form.name} for form in self.forms for each in form.fields]

    def fields(self) -> dict[str, dict[str, str]]:
        """All that can be written: the dictionary's and the state of each instrument."""
        listed = {each["field_name"]: each for each in self.metadata()}
        states = {
            f"{form.name}_complete": text(f"{form.name}_complete", kind="dropdown", choices=STATUS)
            | {"form_name": form.name}
            for form in self.forms
        }
        return listed | states

    def names(self) -> list[str]:
        """Its instruments."""
        return [form.name for form in self.forms]

    def forms_at(self, event: str) -> list[str]:
        """The instruments that are designated for an event."""
        return self.designated.get(event, self.names())

    def mapping(self) -> list[tuple[str, str]]:
        """Which instrument is designated for which event."""
        return [(event, form) for event in self.events for form in self.forms_at(event)]

    def repeating(self) -> list[tuple[str, str]]:
        """Event (empty in a classic project) and instrument."""
        return [(event, form.name) for form in self.forms for event in form.repeats]

    def rows(self, fields: Sequence[str], records: Sequence[str], forms: Sequence[str]) -> list[dict[str, Any]]:
        """Flat records: of a row with nothing in it REDCap says nothing."""
        known = self.fields()
        if strange := [name for name in fields if name not in known]:
            listed = ", ".join(f"'{name}'" for name in strange)
            raise ApiError(f'The following values in the parameter "fields" are not valid: {listed}')
        wanted = [
            name
            for name, each in known.items()
            if (not fields and not forms) or name in fields or each["form_name"] in forms
        ]
        if set(wanted) == {self.record}:
            return self._names(records)
        found = []
        for (record, event, instrument, instance), values in sorted(self.data.items()):
            if records and record not in records:
                continue
            mine = {name: values.get(name, "") for name in self._columns(wanted)}
            if not any(value for name, value in mine.items() if name != self.record):
                continue
            row: dict[str, Any] = {self.record: record} if self.record in wanted else {}
            if self.events:
                row["redcap_event_name"] = event
            if self.repeating():
                row["redcap_repeat_instrument"] = instrument
                row["redcap_repeat_instance"] = instance or ""
            found.append(mine | row)
        return found

    def _names(self, records: Sequence[str]) -> list[dict[str, Any]]:
        """The records at their events."""
        places = sorted({place[:2] for place in self.data if not records or place[0] in records})
        at = [{"redcap_event_name": event} if self.events else {} for _, event in places]
        return [{self.record: record} | event for (record, _), event in zip(places, at, strict=True)]

    def _columns(self, names: Iterable[str]) -> list[str]:
        known = self.fields()
        columns = []
        for name in names:
            if known[name]["field_type"] == "checkbox":
                columns += [f"{name}___{code}" for code in choices(known[name])]
            else:
                columns.append(name)
        return columns

    def judged(self, rows: Sequence[Mapping[str, Any]], overwrite: bool) -> list[tuple[Place, dict[str, str]]]:
        """What an import would change; ApiError names everything that is wrong with it."""
        columns = self._columns(self.fields())
        strange = {name for row in rows for name in row if name not in columns and name not in RESERVED}
        if strange:
            names = ", ".join(sorted(strange))
            raise ApiError(f"The following fields were not found in the project as real data fields: {names}")
        errors: list[str] = []
        changes = [self._change(row, overwrite, errors) for row in rows]
        if errors:
            raise ApiError("\n".join(errors))
        return changes

    def _change(self, row: Mapping[str, Any], overwrite: bool, errors: list[str]) -> tuple[Place, dict[str, str]]:
        record = str(row.get(self.record, ""))
        if not record or record != record.strip() or len(record) > 100 or re.search(r"[#&'\"\t]", record):
            raise ApiError(f'"{record}","{self.record}","{record}","This record name is not valid."')

        def wrong(name: str, value: object, why: str) -> None:
            errors.append(f'"{record}","{name}","{value}","{why}"')

        event = str(row.get("redcap_event_name", "") or "")
        if self.events and event not in self.events:
            wrong("redcap_event_name", event, "Invalid redcap_event_name: there is no such event.")
        if not self.events and event:
            wrong("redcap_event_name", event, "This project is not longitudinal.")
        instrument = str(row.get("redcap_repeat_instrument", "") or "")
        number = row.get("redcap_repeat_instance", "") or 0
        instance = int(number) if str(number).isdecimal() else 0
        if instrument and (event, instrument) not in self.repeating():
            wrong(
                "redcap_repeat_instrument",
                instrument,
                "redcap_repeat_instrument must be the unique form name of a Repeating Instrument.",
            )
        if bool(instrument) != bool(instance):
            wrong("redcap_repeat_instance", number, "redcap_repeat_instance cannot have this value here.")
        if (group := str(row.get(GROUP, "") or "")) and group not in self.groups:
            wrong(GROUP, group, "The data access group name does not exist.")
        elif group:
            self.group_of[record] = group
        values = {name: str(value) for name, value in row.items() if name not in RESERVED and name != self.record}
        for name, value in values.items():
            if value or overwrite:
                self._check(name, value, event, instrument, wrong)
                if (record, self.fields()[name.partition("___")[0]]["form_name"]) in self.locked:
                    wrong(name, value, "This field is located on a form that is locked. You must first unlock it.")
        place = record, event, instrument, instance
        return place, {name: value for name, value in values.items() if value or overwrite}

    def _check(self, name: str, value: str, event: str, instrument: str, wrong: Any) -> None:
        stem, ticked, code = name.partition("___")
        definition = self.fields()[stem]
        form = definition["form_name"]
        if self.events and (event, form) not in self.mapping():
            wrong(
                name,
                value,
                f"This field ('{name}') exists on an instrument that is not designated for the event named '{event}'.",
            )
        if not instrument and (event, form) in self.repeating():
            wrong(
                name,
                value,
                f"This field ('{name}') exists on a Repeating Instrument named '{form}'. However, the fields "
                "'redcap_repeat_instance' and/or 'redcap_repeat_instrument' for this row of data have no value.",
            )
        if instrument and form != instrument:
            wrong(name, value, f"This field ('{name}') is not of the repeating instrument '{instrument}'.")
        if not value:
            return
        if ticked:
            if value not in ("0", "1") or code not in choices(definition):
                wrong(name, value, "The value is not a valid category")
        elif definition["field_type"] in ("radio", "dropdown", "yesno", "truefalse"):
            if value not in choices(definition):
                wrong(name, value, f"The value is not a valid category for {name}")
        elif validation := definition["text_validation_type_or_show_slider_number"]:
            stem = re.sub(r"_(ymd|mdy|dmy)$", "", validation)
            if not re.fullmatch(VALIDATIONS[stem], value):
                wrong(name, value, "The value is not of the format that the field asks for")

    def apply(self, changes: Iterable[tuple[Place, dict[str, str]]]) -> None:
        """Write them; a row of a record that is new makes it."""
        for place, values in changes:
            self.data.setdefault(place, {}).update(values)


def choices(definition: Mapping[str, str]) -> list[str]:
    """The codes of a field with choices."""
    if definition["field_type"] in ("yesno", "truefalse"):
        return ["1", "0"]
    pairs = definition["select_choices_or_calculations"].split("|")
    return [pair.partition(",")[0].strip() for pair in pairs if "," in pair]
