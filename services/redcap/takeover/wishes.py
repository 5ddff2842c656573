"""What the rows of REDCap's tables wish for here: projects, rules, coupling entries, in the gateway's words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.redcap.client import Item
from services.redcap.definition.schema import Schema
from services.redcap.mapping import CouplingColumns, ProjectColumns, RoutingColumns

LISTS = ("events", "events_without_images", "destinations", "options")
FLAGS = ("active",)
TRUE = ("1", "true", "yes", "on")


@dataclass(frozen=True)
class Wish:
    """One: what it is called there, and what it should be here."""

    record: str
    project: str
    values: dict[str, Any]


def projects(rows: Iterable[Item], schema: Schema, columns: ProjectColumns) -> list[Wish]:
    """A project for each row that has a name; what is blank there is not wished for."""
    wishes = []
    for row in rows:
        name = _said(row, schema, columns.name)
        said = {
            field: str(row.get(column) or "").strip() if field in FLAGS else _said(row, schema, column)
            for field, column in columns.fields.items()
        }
        values = {field: _value(field, text) for field, text in said.items() if text}
        if name:
            wishes.append(Wish(_record(row, schema), name, values))
    return wishes


def rules(rows: Iterable[Item], schema: Schema, columns: RoutingColumns) -> list[Wish]:
    """A rule for each row that names a project and somebody; one without a flag is active."""
    wishes = []
    for row in rows:
        said = _all_said(row, schema, columns, "active", "project")
        values: dict[str, Any] = {field: text or None for field, text in said.items()}
        values["event"] = values.get("event") or "Unknown"
        values["active"] = columns.active is None or str(row.get(columns.active, "")).lower() in TRUE
        project = _said(row, schema, columns.project)
        if project and (values.get("patient_id") or values.get("patient_name")):
            wishes.append(Wish(_record(row, schema), project, values))
    return wishes


def entries(rows: Iterable[Item], schema: Schema, columns: CouplingColumns) -> list[Wish]:
    """An entry for each row that names a project, a participant and a study."""
    wishes = []
    for row in rows:
        values = {field: text for field, text in _all_said(row, schema, columns, "project").items() if text}
        project = _said(row, schema, columns.project)
        if project and "participant" in values and values.keys() & {"accession_number", "study_instance_uid"}:
            if "study_instance_uid" in values:
                values.pop("accession_number", None)
            wishes.append(Wish(_record(row, schema), project, values | {"event": values.get("event", "Unknown")}))
    return wishes


def columns_of(columns: ProjectColumns | RoutingColumns | CouplingColumns) -> list[str]:
    """The columns that are read."""
    said = columns.model_dump()
    fields: Mapping[str, str | None] = said.pop("fields", {})
    return [name for name in (*said.values(), *fields.values()) if name is not None]


def _record(row: Item, schema: Schema) -> str:
    return str(row.get(schema.record, ""))


def _all_said(row: Item, schema: Schema, columns: RoutingColumns | CouplingColumns, *but: str) -> dict[str, str]:
    """What the columns of a row say, by the gateway's words for them."""
    named = {field: column for field, column in columns.model_dump().items() if column is not None and field not in but}
    return {field: _said(row, schema, column) for field, column in named.items()}


def _said(row: Item, schema: Schema, column: str | None) -> str:
    """What a column says; of a choice its label, as the original reads it."""
    if column is None:
        return ""
    text = str(row.get(column, "") or "").strip()
    field = schema.fields.get(column)
    return field.choices.get(text, text) if field is not None and field.choices is not None else text


def _value(field: str, text: str) -> Any:
    if field in LISTS:
        return [part.strip() for part in re.split(r"[,;|\n]", text) if part.strip()]
    return text.lower() in TRUE if field in FLAGS else text
