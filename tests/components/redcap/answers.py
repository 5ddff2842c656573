"""One request of the API and its answer, by content and action."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.components.redcap import design
from tests.components.redcap.project import ApiError, Project

NO_PERMISSION = "You do not have permissions to use the API"
Form = Mapping[str, str]


def answer(projects: Mapping[str, Project], form: Form) -> tuple[str, Any]:
    """What kind of request it was, and its answer as JSON (or a bare text). Raises ApiError."""
    token = form.get("token", "")
    if not re.fullmatch(r"[0-9A-F]{32}", token) or token not in projects:
        raise ApiError(NO_PERMISSION, 403)
    project = projects[token]
    if form.get("format", "xml") != "json" or form.get("returnFormat", "xml") != "json":
        raise ApiError("this server plays JSON only")
    content = form.get("content", "")
    says_so = content in ("arm", "event", "formEventMapping")
    action = form.get("action") or ("import" if "data" in form and not says_so else "export")
    if action not in project.rights:
        raise ApiError(f"ERROR: Insufficient user privileges: You must have 'API {action.title()}' privileges", 403)
    if (content, action) not in ANSWERS:
        raise ApiError('The value of the parameter "content" is not valid')
    return f"{content}.{action}", ANSWERS[content, action](project, form)


def listed(form: Form, name: str) -> list[str]:
    """An array parameter: `name[0]`, `name[1]`, …, or one text with commas."""
    numbered = {
        int(found[1]): value for key, value in form.items() if (found := re.fullmatch(rf"{name}\[(\d+)\]", key))
    }
    return [numbered[number] for number in sorted(numbered)] or [each for each in form.get(name, "").split(",") if each]


def _records(project: Project, form: Form) -> Any:
    _must_be(form, type=("flat",), rawOrLabel=("raw", ""))
    return project.rows(listed(form, "fields"), listed(form, "records"), listed(form, "forms"))


def _import(project: Project, form: Form) -> Any:
    changes = parsed(project, form)
    project.apply(changes)
    records = sorted({place[0] for place, _ in changes})
    return {"count": {"count": len(records)}, "ids": records, "nothing": {}}[form.get("returnContent", "count")]


def parsed(project: Project, form: Form) -> list[Any]:
    """The changes of an import."""
    _must_be(
        form,
        type=("flat",),
        overwriteBehavior=("normal", "overwrite"),
        forceAutoNumber=("false",),
        dateFormat=("YMD", ""),
        returnContent=("count", "ids", "nothing"),
    )
    try:
        rows = json.loads(form["data"])
    except ValueError:
        raise ApiError("The data being imported is not formatted correctly") from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ApiError("The data being imported is not formatted correctly")
    return project.judged(rows, form.get("overwriteBehavior") == "overwrite")


def _must_be(form: Form, **allowed: tuple[str, ...]) -> None:
    for name, values in allowed.items():
        if form.get(name, values[0]) not in values:
            raise ApiError(f'The value of the parameter "{name}" is not valid')


def _delete(project: Project, form: Form) -> Any:
    names = set(listed(form, "records"))
    if not names or names - {place[0] for place in project.data}:
        raise ApiError("One or more of the records provided cannot be deleted because they do not exist")
    project.data = {place: values for place, values in project.data.items() if place[0] not in names}
    return len(names)


def _about(project: Project, _: Form) -> Any:
    return {
        "project_id": 1,
        "project_title": "played",
        "is_longitudinal": int(bool(project.events)),
        "has_repeating_instruments_or_events": int(bool(project.repeating())),
        "record_autonumbering_enabled": 0,
        "in_production": int(project.in_production),
    }


def _events(project: Project, _: Form) -> Any:
    _longitudinal(project, "events")
    return [
        {
            "event_name": label,
            "arm_num": design.arm_of(name),
            "unique_event_name": name,
            "custom_event_label": "",
            "event_id": number,
        }
        for number, (name, label) in enumerate(project.events.items(), 1)
    ]


def _arms(project: Project, _: Form) -> Any:
    _longitudinal(project, "arms")
    return [{"arm_num": number, "name": name} for number, name in project.arms.items()]


def _mapping(project: Project, _: Form) -> Any:
    _longitudinal(project, "form-event mappings")
    return [
        {"arm_num": design.arm_of(event), "unique_event_name": event, "form": form} for event, form in project.mapping()
    ]


def _repeating(project: Project, _: Form) -> Any:
    if not project.repeating():
        raise ApiError("You cannot export repeating instruments and events because the project does not contain any")
    rows = []
    for event, form in project.repeating():
        at = {"event_name": event} if project.events else {}
        rows.append(at | {"form_name": form, "custom_form_label": ""})
    return rows


def _longitudinal(project: Project, what: str) -> None:
    if not project.events:
        raise ApiError(f"You cannot export {what} for classic projects")


def _next_name(project: Project, _: Form) -> Any:
    numbers = [int(place[0]) for place in project.data if place[0].isdecimal()]
    return str(max(numbers, default=0) + 1)


def _metadata(project: Project, form: Form) -> Any:
    fields, forms = listed(form, "fields"), listed(form, "forms")
    return [
        row
        for row in project.metadata()
        if (not fields and not forms) or row["field_name"] in fields or row["form_name"] in forms
    ]


ANSWERS: dict[tuple[str, str], Callable[[Project, Form], Any]] = {
    ("record", "export"): _records,
    ("record", "import"): _import,
    ("record", "delete"): _delete,
    ("metadata", "export"): _metadata,
    ("instrument", "export"): lambda project, _: [
        {"instrument_name": form.name, "instrument_label": form.name} for form in project.forms
    ],
    ("event", "export"): _events,
    ("arm", "export"): _arms,
    ("formEventMapping", "export"): _mapping,
    ("repeatingFormsEvents", "export"): _repeating,
    ("arm", "import"): design.arms,
    ("event", "import"): design.events,
    ("formEventMapping", "import"): design.designations,
    ("repeatingFormsEvents", "import"): design.repeating,
    ("project", "export"): _about,
    ("version", "export"): lambda project, _: "14.5.5",
    ("generateNextRecordName", "export"): _next_name,
}
