"""`fiona rule`: which studies are taken for a project by themselves."""

from typing import Annotated

import typer

from cli.client import Client, segment
from cli.failure import Code, Failure
from cli.output import Column, Json, listing, out, record
from cli.rule_trial import trial

app = typer.Typer(help="Routing rules: add, list, show, set, move, test, remove.", no_args_is_help=True)
Titles = Annotated[list[str] | None, typer.Option(metavar="AET", help="One; for another, add another rule.")]
Regex = Annotated[
    str | None, typer.Option(metavar="REGEX", help="The whole value has to fit; it becomes the participant.")
]
Attribute = Annotated[
    str | None, typer.Option(metavar="PATH", help="A keyword or tag, as SeriesDescription or (0008,103E).")
]
Value = Annotated[str | None, typer.Option("--matches", metavar="REGEX", help="To be found in the attribute.")]
Site = Annotated[str | None, typer.Option(help="Data access group of participants that it makes.")]

COLUMNS: tuple[Column, ...] = (
    ("ID", "id"),
    ("Project", "project"),
    ("Position", "position"),
    ("Called AET", "called_aet"),
    ("Calling AET", "calling_aet"),
    ("PatientID", "patient_id"),
    ("PatientName", "patient_name"),
    ("Attribute", lambda rule: f"{rule['attribute']} ~ {rule['attribute_value']}" if rule.get("attribute") else ""),
    ("Makes up", "auto_id"),
    ("Active", "active"),
    ("Event", "event"),
)


def _one(titles: list[str] | None) -> str | None:
    """Of several the last would be taken in silence."""
    if titles and len(titles) > 1:
        raise typer.BadParameter("a rule has one AE title of a kind: for another, add another rule")
    return titles[0] if titles else None


@app.command()
def add(
    project: str,
    called: Titles = None,
    calling: Titles = None,
    patient_id: Regex = None,
    patient_name: Regex = None,
    attribute: Attribute = None,
    matches: Value = None,
    auto_id: Annotated[bool, typer.Option("--auto-id", help="The project makes up the participant.")] = False,
    site: Site = None,
    event: Annotated[str, typer.Option(help="The project's word for the visit.")] = "Unknown",
    position: Annotated[int | None, typer.Option(help="Rules are tried in this order; by default the last.")] = None,
    as_json: Json = False,
) -> None:
    """Take studies of this called or calling AE title (any, if none is named) whose identity, and attribute, fit."""
    if patient_id is None and patient_name is None and not auto_id:
        raise typer.BadParameter("say --patient-id or --patient-name: what fits is the participant; or --auto-id")
    if (attribute is None) != (matches is None):
        raise typer.BadParameter("--attribute and --matches belong together")
    body = {
        "project": project,
        "position": position,
        "called_aet": _one(called),
        "calling_aet": _one(calling),
        "patient_id": patient_id,
        "patient_name": patient_name,
        "attribute": attribute,
        "attribute_value": matches,
        "auto_id": auto_id,
        "site": site,
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
    called: Titles = None,
    calling: Titles = None,
    patient_id: Regex = None,
    patient_name: Regex = None,
    attribute: Attribute = None,
    matches: Value = None,
    auto_id: Annotated[bool | None, typer.Option("--auto-id/--no-auto-id", help="Who makes the participant.")] = None,
    site: Site = None,
    event: Annotated[str | None, typer.Option(help="The project's word for the visit.")] = None,
    position: Annotated[int | None, typer.Option(help="Rules are tried in this order.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether it takes studies.")] = None,
    as_json: Json = False,
) -> None:
    """Change a rule for studies to come; what is not said stays, and '' takes a condition away."""
    conditions = {
        "called_aet": _one(called),
        "calling_aet": _one(calling),
        "patient_id": patient_id,
        "patient_name": patient_name,
        "attribute": attribute,
        "attribute_value": matches,
    }
    wish = {"event": event, "position": position, "active": active, "auto_id": auto_id, "site": site, **conditions}
    if all(value is None for value in wish.values()):
        raise typer.BadParameter("say what is to be different")
    taken_away = [key for key, value in conditions.items() if value == ""]
    with Client() as client:
        said = {key: value for key, value in wish.items() if key not in taken_away}
        made = client.patch(f"/rules/{segment(rule)}", said, null=taken_away)
    record(made, as_json)


@app.command()
def move(
    rule: Annotated[str, typer.Argument(metavar="ID")],
    before: Annotated[str | None, typer.Option(metavar="ID", help="To be tried before this one.")] = None,
    first: Annotated[bool, typer.Option("--first", help="Before all others.")] = False,
    last: Annotated[bool, typer.Option("--last", help="After all others.")] = False,
) -> None:
    """Try a rule at another place among those of its project."""
    if [before is not None, first, last].count(True) != 1:
        raise typer.BadParameter("one of --before, --first and --last")
    with Client() as client:
        path = f"/projects/{segment(client.get(f'/rules/{segment(rule)}')['project'])}/rules/order"
        order, tag = client.marked(path)
        others = [each for each in order["rules"] if each != rule]
        if before is not None and before not in others:
            raise Failure(f"{before} is no other rule of the same project", Code.NOT_FOUND)
        place = 0 if first else len(others) if before is None else others.index(before)
        client.put(path, {"rules": [*others[:place], rule, *others[place:]]}, replaces=tag)
    out().print(f"moved {rule} to place {place + 1} of {len(others) + 1}", markup=False)


@app.command()
def remove(rule: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Take a rule away."""
    with Client() as client:
        client.delete(f"/rules/{segment(rule)}")
    out().print(f"removed {rule}", markup=False)


app.command("test")(trial)
app.command("drop", hidden=True)(remove)
