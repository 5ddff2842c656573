"""`fiona project`: who studies are for, and where they go."""

from typing import Annotated

import typer

from cli import applications, life
from cli.client import Client, segment
from cli.data_protection import report
from cli.escrow import export_key, open_key
from cli.output import Column, Json, listing, record

app = typer.Typer(help="Projects, from the application to the end.", no_args_is_help=True)

COLUMNS: tuple[Column, ...] = (
    ("Project", "name"),
    ("Description", "description"),
    ("Participants", "participant_pattern"),
    ("Events", lambda project: project.get("events") or "any"),
    ("Destinations", "destinations"),
    ("Profile", "profile"),
    ("State", "state"),
    ("Approval ends", "ends_on"),
    ("Active", "active"),
)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="5 to 20 letters, digits, _ or -.")],
    destination: Annotated[list[str], typer.Option(help="Where its studies go; may be repeated.")],
    description: Annotated[str, typer.Option(help="For people.")] = "",
    participants: Annotated[
        str, typer.Option(metavar="REGEX", help="How its participants are named; the whole name has to fit.")
    ] = ".+",
    example: Annotated[str, typer.Option(help="A name that fits, for whoever is told how they are named.")] = "",
    auto_ids: Annotated[str, typer.Option(metavar="PATTERN", help="How it makes up participants, as P-{n:4}.")] = "",
    auto_id_aet: Annotated[
        str | None, typer.Option(metavar="AET", help="What is sent to this AE title is assigned by itself.")
    ] = None,
    event: Annotated[list[str] | None, typer.Option(help="A visit that it knows; may be repeated; none: any.")] = None,
    profile: Annotated[str, typer.Option(help="A built-in profile; see `fiona profile`.")] = "basic",
    as_json: Json = False,
) -> None:
    """Add a project."""
    body = {
        "name": name,
        "description": description,
        "participant_pattern": participants,
        "participant_example": example,
        "auto_id_pattern": auto_ids,
        "auto_id_aet": auto_id_aet,
        "events": event or [],
        "destinations": destination,
        "profile": profile,
    }
    with Client() as client:
        record(client.post("/projects", body), as_json)


@app.command("list")
def list_projects(as_json: Json = False) -> None:
    """List the projects."""
    with Client() as client:
        listing(client.items("/projects"), COLUMNS, as_json, "no projects; add one with `fiona project add`")


@app.command()
def show(name: str, as_json: Json = False) -> None:
    """Show a project and how far its studies have come."""
    with Client() as client:
        record(client.get(f"/projects/{segment(name)}"), as_json)


@app.command("set")
def set_project(
    name: str,
    description: Annotated[str | None, typer.Option(help="For people.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether it takes studies.")] = None,
    participants: Annotated[
        str | None, typer.Option(metavar="REGEX", help="How participants to come are named.")
    ] = None,
    example: Annotated[str | None, typer.Option(help="A name that fits, for whoever is told; '': none.")] = None,
    auto_ids: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="How it makes up participants; '': not any more.")
    ] = None,
    auto_id_aet: Annotated[
        str | None, typer.Option(metavar="AET", help="What is sent to this AE title is assigned by itself; '': none.")
    ] = None,
    event: Annotated[list[str] | None, typer.Option(help="All visits that it knows; may be repeated.")] = None,
    destination: Annotated[list[str] | None, typer.Option(help="Where studies to come go; may be repeated.")] = None,
    profile: Annotated[str | None, typer.Option(help="A built-in profile, if it has none of its own.")] = None,
    as_json: Json = False,
) -> None:
    """Change a project; what is not said stays."""
    wish = {
        "description": description,
        "active": active,
        "participant_pattern": participants,
        "participant_example": example,
        "auto_id_pattern": auto_ids,
        "auto_id_aet": auto_id_aet or None,
        "events": event or None,
        "destinations": destination or None,
        "profile": profile,
    }
    taken_away = ["auto_id_aet"] if auto_id_aet == "" else []
    if all(value is None for value in wish.values()) and not taken_away:
        raise typer.BadParameter("say what is to be different")
    with Client() as client:
        record(client.patch(f"/projects/{segment(name)}", wish, null=taken_away), as_json)


for command in (*applications.COMMANDS, *life.COMMANDS):
    app.command(command.__name__)(command)
app.command("key")(export_key)
app.command("open-key")(open_key)
app.command("report")(report)
