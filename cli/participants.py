"""`fiona participant`: a project's pseudonyms, before and after there are studies of them."""

from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, listing, moment, record

app = typer.Typer(help="Participants of a project: add, list, show.", no_args_is_help=True)
Site = Annotated[str | None, typer.Option(help="A data access group of the project.")]

COLUMNS: tuple[Column, ...] = (
    ("Participant", "name"),
    ("Site", "site"),
    ("Studies", "studies"),
    ("Origin", "origin"),
    ("By", "created_by"),
    ("Since", moment("created_at")),
    ("Withdrawn", moment("withdrawn_at")),
)


@app.command()
def add(
    project: str,
    name: Annotated[
        str | None, typer.Argument(help="Under the project's naming pattern; without one the project makes it up.")
    ] = None,
    site: Site = None,
    as_json: Json = False,
) -> None:
    """Add a participant, or have the next one made up."""
    with Client() as client:
        record(client.post(_path(project), {"name": name, "site": site}), as_json)


@app.command("list")
def list_participants(project: str, site: Site = None, as_json: Json = False) -> None:
    """List a project's participants, those of one's own site where one is bound to it."""
    with Client() as client:
        listing(client.items(_path(project), site=site), COLUMNS, as_json, "no participants")


@app.command()
def show(project: str, name: str, as_json: Json = False) -> None:
    """Show a participant."""
    with Client() as client:
        record(client.get(f"{_path(project)}/{segment(name)}"), as_json)


def _path(project: str) -> str:
    return f"/projects/{segment(project)}/participants"
