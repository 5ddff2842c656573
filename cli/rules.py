"""`fiona rule`: which studies are taken for a project by themselves."""

from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, listing, out, record

app = typer.Typer(help="Routing rules: add, list, show, set, drop.", no_args_is_help=True)
Title = Annotated[str | None, typer.Option(metavar="AET")]
Regex = Annotated[
    str | None, typer.Option(metavar="REGEX", help="The whole value has to fit; it becomes the participant.")
]

COLUMNS: tuple[Column, ...] = (
    ("ID", "id"),
    ("Project", "project"),
    ("Position", "position"),
    ("Called AET", "called_aet"),
    ("Calling AET", "calling_aet"),
    ("PatientID", "patient_id"),
    ("PatientName", "patient_name"),
    ("Event", "event"),
)


@app.command()
def add(
    project: str,
    called: Title = None,
    calling: Title = None,
    patient_id: Regex = None,
    patient_name: Regex = None,
    event: Annotated[str, typer.Option(help="The project's word for the visit.")] = "Unknown",
    position: Annotated[int, typer.Option(help="Rules are tried in this order.")] = 0,
    as_json: Json = False,
) -> None:
    """Take studies of these AE titles (any, if none is named) whose PatientID or PatientName fits."""
    if patient_id is None and patient_name is None:
        raise typer.BadParameter("say --patient-id or --patient-name: what fits is the participant")
    body = {
        "project": project,
        "position": position,
        "called_aet": called,
        "calling_aet": calling,
        "patient_id": patient_id,
        "patient_name": patient_name,
        "event": event,
    }
    with Client() as client:
        record(client.post("/rules", body), as_json)


@app.command("list")
def list_rules(
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None, as_json: Json = False
) -> None:
    """List the rules."""
    with Client() as client:
        listing(client.items("/rules", project=project), COLUMNS, as_json, "no rules")


@app.command()
def show(rule: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Show a rule."""
    with Client() as client:
        record(client.get(f"/rules/{segment(rule)}"), as_json)


@app.command("set")
def set_rule(
    rule: Annotated[str, typer.Argument(metavar="ID")],
    called: Title = None,
    calling: Title = None,
    patient_id: Regex = None,
    patient_name: Regex = None,
    event: Annotated[str | None, typer.Option(help="The project's word for the visit.")] = None,
    position: Annotated[int | None, typer.Option(help="Rules are tried in this order.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether it takes studies.")] = None,
    as_json: Json = False,
) -> None:
    """Change a rule for studies to come; what is not said stays, and '' takes a condition away."""
    conditions = {
        "called_aet": called,
        "calling_aet": calling,
        "patient_id": patient_id,
        "patient_name": patient_name,
    }
    wish = {"event": event, "position": position, "active": active, **conditions}
    if all(value is None for value in wish.values()):
        raise typer.BadParameter("say what is to be different")
    taken_away = [key for key, value in conditions.items() if value == ""]
    with Client() as client:
        made = client.patch(f"/rules/{segment(rule)}", {k: v for k, v in wish.items() if v != ""}, null=taken_away)
    record(made, as_json)


@app.command()
def drop(rule: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Take a rule away."""
    with Client() as client:
        client.delete(f"/rules/{segment(rule)}")
    out().print(f"dropped {rule}", markup=False)
