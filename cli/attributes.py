"""`fiona attributes`: what is left in a project, and what a reviewer says of it."""

from typing import Annotated

import typer

from cli.client import Client, Item, segment
from cli.failure import Code, Failure
from cli.output import Column, Json, listing, moment, out, record, remark, show_json, table
from cli.profiles import CHANGES

app = typer.Typer(help="Attributes that are left: list, show, mark, proposal, accept.", no_args_is_help=True)
VALUES: tuple[Column, ...] = (("Value", lambda item: _value(item["value"])), ("Count", "count"))
COLUMNS: tuple[Column, ...] = (
    ("Path", "path"),
    ("Keyword", "keyword"),
    ("VR", "vr"),
    ("Count", "count"),
    ("Distinct", "distinct"),
    ("Values", lambda item: ", ".join(f"{_value(each['value'])} ({each['count']})" for each in item["values"][:3])),
    ("Last seen", moment("last_seen_at")),
    ("Mark", lambda item: item["mark"]["verdict"] if item["mark"] else ""),
)


@app.command("list")
def list_attributes(
    project: str,
    search: Annotated[str | None, typer.Option(help="Part of a keyword, a tag or a value; - reads stdin.")] = None,
    vr: Annotated[str | None, typer.Option(help="Only of this VR.")] = None,
    mark: Annotated[str, typer.Option(help="must-go, fine, none or all.")] = "all",
    sort: Annotated[str, typer.Option(help="path, count, distinct or last_seen.")] = "path",
    as_json: Json = False,
) -> None:
    """List every attribute that is left in what a project was given, with its most frequent values."""
    text = typer.get_text_stream("stdin").readline().strip() if search == "-" else search
    asked = {"text": text, "vr": vr, "mark": mark, "sort": sort}
    with Client() as client:
        found = client.items(f"/projects/{segment(project)}/attributes/search", body=asked)
        listing(found, COLUMNS, as_json, "nothing")


@app.command()
def show(project: str, path: str, as_json: Json = False) -> None:
    """List every value of an attribute, the most frequent first."""
    with Client() as client:
        found = client.items(f"/projects/{segment(project)}/attributes/values", path=path)
        listing(found, VALUES, as_json, "no values")


@app.command()
def mark(
    project: str,
    path: Annotated[str, typer.Argument(help="As in the list.")],
    reason: Annotated[str, typer.Option(help="Why; kept encrypted.")],
    fine: Annotated[bool, typer.Option("--fine/--must-go", help="It may stay, or it must go.")] = False,
    as_json: Json = False,
) -> None:
    """Say that an attribute must go (or is fine): it becomes part of what is proposed for the profile."""
    body = {
        "path": path,
        "verdict": "fine" if fine else "must-go",
        "reason": reason,
    }
    with Client() as client:
        record(client.post(f"/projects/{segment(project)}/attributes/marks", body), as_json)


@app.command()
def proposal(project: str, as_json: Json = False) -> None:
    """Show what the marks ask of the project's profile, and what that would change."""
    with Client() as client:
        found = client.get(f"/projects/{segment(project)}/profile/proposal")
    if as_json:
        return show_json(found)
    for fault in found["problems"]:
        remark(f"{fault['where']} cannot be followed: {fault['what']}")
    if not found["paths"]:
        return remark("the marks ask for nothing that the profile does not do")
    out().print(table(found["changes"], CHANGES))
    for warning in found["warnings"]:
        remark(f"- {warning}")
    return out().print(found["content"], markup=False, end="", soft_wrap=True)


@app.command()
def accept(
    project: str,
    reason: Annotated[str, typer.Option(help="Why; for people.")] = "attributes that reviewers marked",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    as_json: Json = False,
) -> None:
    """Make what is proposed the next version of the project's profile."""
    path = f"/projects/{segment(project)}/profile/proposal"
    with Client() as client:
        found, etag = client.marked(path)
        if not found["paths"]:
            raise Failure("the marks ask for nothing that the profile does not do", Code.CONFLICT)
        if not yes:
            _show(found)
            typer.confirm(f"make it the next version of the profile of {project}?", abort=True, err=True)
        made = client.post(f"{path}/accept", {"reason": reason}, replaces=etag)
    if as_json:
        return show_json(made)
    return out().print(f"{project} has version {made['version']} of its profile", markup=False)


def _show(found: Item) -> None:
    remark("\n".join(f"{each['attribute']}: {each['before']} -> {each['after']}" for each in found["changes"]))


def _value(value: str | None) -> str:
    return "…" if value is None else value or "(empty)"
