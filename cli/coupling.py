"""`fiona coupling`: studies that will come, and whose they are."""

from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, listing, moment, out, record

app = typer.Typer(help="A project's coupling list: add, list, drop.", no_args_is_help=True)

COLUMNS: tuple[Column, ...] = (
    ("ID", "id"),
    ("StudyInstanceUID", "study_instance_uid"),
    ("Participant", "participant"),
    ("Event", "event"),
    ("Expires", moment("expires_at")),
)


@app.command()
def add(
    project: str,
    participant: str,
    accession: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="The study's accession number; - reads it from stdin."),
    ] = None,
    study: Annotated[str | None, typer.Option(metavar="STUDYINSTANCEUID", help="Or the study itself.")] = None,
    event: Annotated[str, typer.Option(help="The project's word for the visit.")] = "Unknown",
    days: Annotated[int | None, typer.Option(min=1, help="How long it holds; 14 by default.")] = None,
    as_json: Json = False,
) -> None:
    """Say whose a study will be when it comes."""
    if bool(accession) == bool(study):
        raise typer.BadParameter("either --accession or --study")
    number = typer.get_text_stream("stdin").readline().strip() if accession == "-" else accession
    entry = {"participant": participant, "event": event}
    entry |= {"accession_number": number} if number else {"study_instance_uid": study or ""}
    with Client() as client:
        made = client.post(f"/projects/{segment(project)}/coupling", {"entries": [entry], "expires_days": days})
    if isinstance(made, dict) and "items" in made:
        listing(made["items"], COLUMNS, as_json, "nothing was added")
    else:
        record(made, as_json)


@app.command("list")
def list_coupling(project: str, as_json: Json = False) -> None:
    """List a project's entries (accession numbers are not shown)."""
    with Client() as client:
        listing(client.items(f"/projects/{segment(project)}/coupling"), COLUMNS, as_json, "no entries")


@app.command()
def drop(project: str, entry: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Take an entry off the list."""
    with Client() as client:
        client.delete(f"/projects/{segment(project)}/coupling/{segment(entry)}")
    out().print(f"dropped {entry}", markup=False)
