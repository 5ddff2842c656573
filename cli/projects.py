"""`fiona project`: who studies are for, and where they go."""

from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, listing, record

app = typer.Typer(help="Projects: add, list, show.", no_args_is_help=True)

COLUMNS: tuple[Column, ...] = (
    ("Project", "name"),
    ("Description", "description"),
    ("Participants", "participant_pattern"),
    ("Events", lambda project: project.get("events") or "any"),
    ("Destinations", "destinations"),
    ("Profile", "profile"),
)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="5 to 20 letters, digits, _ or -.")],
    destination: Annotated[list[str], typer.Option(help="Where its studies go; may be repeated.")],
    description: Annotated[str, typer.Option(help="For people.")] = "",
    participants: Annotated[
        str, typer.Option(metavar="REGEX", help="How its participants are named; the whole name has to fit.")
    ] = ".+",
    event: Annotated[list[str] | None, typer.Option(help="A visit that it knows; may be repeated; none: any.")] = None,
    profile: Annotated[str, typer.Option(help="How its studies are de-identified.")] = "basic",
    as_json: Json = False,
) -> None:
    """Add a project."""
    body = {
        "name": name,
        "description": description,
        "participant_pattern": participants,
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
