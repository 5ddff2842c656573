"""`fiona event`: a project's visits, by the project's own words."""

from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, listing

app = typer.Typer(help="Events of a project: list.", no_args_is_help=True)
COLUMNS: tuple[Column, ...] = (("Event", "name"), ("Images", "imaging"))


@app.callback()
def events() -> None:
    """Events of a project."""


@app.command("list")
def list_events(
    project: str,
    imaging: Annotated[
        bool | None, typer.Option("--imaging/--without-images", help="Only those that images are assigned to, or not.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List a project's events in their order."""
    with Client() as client:
        found = client.items(f"/projects/{segment(project)}/events", imaging=imaging)
        listing(found, COLUMNS, as_json, "no events: the project takes any")
