"""A project's arms, events, designations and what repeats, as the API lets them be imported, and who may do it."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.components.redcap.project import ApiError, Project

Form = Mapping[str, str]
COLUMNS = {
    "arm": {"arm_num", "name"},
    "event": {"event_name", "arm_num", "unique_event_name", "day_offset", "offset_min", "offset_max"},
    "formEventMapping": {"arm_num", "unique_event_name", "form"},
    "repeatingFormsEvents": {"event_name", "form_name", "custom_form_label"},
}


def arms(project: Project, form: Form) -> int:
    """Add or rename."""
    rows = _rows(project, form, "arm")
    _adds(form)
    project.arms |= {int(row["arm_num"]): str(row["name"]) for row in rows}
    return len(rows)


def events(project: Project, form: Form) -> int:
    """One without a unique name is a new one, even if there is another with the same label."""
    rows = _rows(project, form, "event")
    _adds(form)
    for row in rows:
        if not str(row.get("event_name", "")).strip() or int(row.get("arm_num", 0)) not in project.arms:
            raise ApiError("The event has no name, or is of an arm that does not exist")
        if unique := row.get("unique_event_name"):
            if unique not in project.events:
                raise ApiError(f"Event '{unique}' does not exist")
            project.events[unique] = row["event_name"]
        else:
            project.designated |= {event: project.forms_at(event) for event in project.events}
            unique = unique_name(row["event_name"], int(row["arm_num"]), project.events)
            project.events[unique] = row["event_name"]
            project.designated[unique] = []
    return len(rows)


def unique_name(label: str, arm: int, there: Mapping[str, str]) -> str:
    """Eighteen characters of it at most; one that is taken gets a letter."""
    stem = re.sub(r"[^a-z0-9_]", "", label.lower().replace(" ", "_"))[:18]
    names = [f"{stem}_arm_{arm}{letter}" for letter in ("", *"bcdefghijklmnopqrstuvwxyz")]
    return next(name for name in names if name not in there)


def designations(project: Project, form: Form) -> int:
    """They replace all that there are."""
    rows = _rows(project, form, "formEventMapping")
    wanted: dict[str, list[str]] = {event: [] for event in project.events}
    for row in rows:
        event, name = row["unique_event_name"], row["form"]
        if event not in project.events or name not in project.names() or int(row["arm_num"]) != arm_of(event):
            raise ApiError("The arm, event or instrument does not exist")
        wanted[event].append(name)
    project.designated = wanted
    return len(rows)


def repeating(project: Project, form: Form) -> int:
    """They replace all that there are; the first one is set up by a person."""
    rows = _rows(project, form, "repeatingFormsEvents", longitudinal=False)
    if not project.repeating():
        raise ApiError("You cannot import repeating instruments and events because the project does not contain any")
    pairs = [(row.get("event_name", ""), row["form_name"]) for row in rows]
    for event, name in pairs:
        if name not in project.names() or (project.events and (event, name) not in project.mapping()):
            raise ApiError(f"Instrument '{name}' is not designated for event '{event}'")
    for each in project.forms:
        each.repeats = [event for event, name in pairs if name == each.name]
    return len(rows)


def arm_of(event: str) -> int:
    """The arm that a unique name ends with."""
    found = re.search(r"_arm_(\d+)[a-z]?$", event)
    return int(found[1]) if found is not None else 0


def _rows(project: Project, form: Form, content: str, *, longitudinal: bool = True) -> list[dict[str, Any]]:
    if "design" not in project.rights:
        rights = "'API Import/Update' privileges and 'Project Design/Setup' privileges"
        raise ApiError(f"ERROR: Insufficient user privileges: You must have {rights} in the project.")
    if longitudinal and not project.events:
        raise ApiError(f"You cannot import {content}s for classic projects")
    if project.in_production:
        raise ApiError("This method is only available for projects in Development status")
    rows = json.loads(form["data"])
    if not rows or any(set(row) - COLUMNS[content] for row in rows):
        raise ApiError("The data being imported is not formatted correctly")
    return list(rows)


def _adds(form: Form) -> None:
    """What deletes everything first is not played."""
    if form.get("override") != "0":
        raise ApiError('The value of the parameter "override" is not valid')
