"""`fiona withdrawal`: what is to leave its destinations, what has left, and what a person has to remove."""

from typing import Annotated

import typer

from cli.client import Client, Item, segment
from cli.output import Column, Json, listing, moment, out, record, show_json, table

app = typer.Typer(help="What is to leave its destinations again.", no_args_is_help=True)

COLUMNS: tuple[Column, ...] = (
    ("Id", "id"),
    ("Kind", "kind"),
    ("Project", "project"),
    ("Participant", "participant"),
    ("State", "state"),
    ("Withdrawn", lambda item: f"{item['withdrawn']} of {item['instances']}"),
    ("Requested", moment("requested_at")),
    ("Finished", moment("finished_at")),
    ("Why", "why"),
)
PARTS: tuple[Column, ...] = (
    ("Transfer", "transfer"),
    ("Destination", "destination"),
    ("State", "state"),
    ("StudyInstanceUID there", "target_study_instance_uid"),
    ("Withdrawn", lambda item: f"{item['withdrawn']} of {item['instances']}"),
    ("Why", "why"),
    ("By", "by"),
    ("Note", "note"),
)
REMOVALS: tuple[Column, ...] = (
    ("Service", "service"),
    ("Removed", lambda item: _counts(item["removed"])),
    ("Left", lambda item: _counts(item["left"])),
    ("Answered", moment("answered_at")),
)
Identity = Annotated[str, typer.Argument(metavar="ID")]


@app.command("list")
def list_(
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    state: Annotated[str | None, typer.Option(help="under_way, by_hand, done or refused.")] = None,
    study: Annotated[str | None, typer.Option(metavar="STUDYINSTANCEUID", help="Only of this study.")] = None,
    as_json: Json = False,
) -> None:
    """List withdrawals; `--state by_hand` are those that wait for a person."""
    with Client() as client:
        found = list(client.items("/withdrawals", project=project, state=state, study=study))
    listing(found, COLUMNS, as_json, "no withdrawals")


@app.command()
def show(withdrawal: Identity, as_json: Json = False) -> None:
    """Show a withdrawal, destination by destination."""
    with Client() as client:
        found = client.get(f"/withdrawals/{segment(withdrawal)}")
    _shown(found, as_json)


@app.command()
def done(
    withdrawal: Identity,
    note: Annotated[str, typer.Option(help="How it was removed; kept encrypted.")],
    destination: Annotated[str | None, typer.Option(help="Only at this destination.")] = None,
    transfer: Annotated[str | None, typer.Option(metavar="ID", help="Only of this transfer.")] = None,
    as_json: Json = False,
) -> None:
    """Say that what no program could remove was removed by hand."""
    with Client() as client:
        body = {"note": note, "destination": destination, "transfer": transfer}
        found = client.post(f"/withdrawals/{segment(withdrawal)}/done", body)
    _shown(found, as_json)


@app.command()
def retry(
    withdrawal: Identity,
    destination: Annotated[str | None, typer.Option(help="Only at this destination.")] = None,
    transfer: Annotated[str | None, typer.Option(metavar="ID", help="Only of this transfer.")] = None,
    as_json: Json = False,
) -> None:
    """Have a program try again what is to be removed by hand."""
    with Client() as client:
        body = {"destination": destination, "transfer": transfer}
        found = client.post(f"/withdrawals/{segment(withdrawal)}/retry", body)
    _shown(found, as_json)


def _shown(found: Item, as_json: bool) -> None:
    if as_json:
        return show_json(found)
    parts, removals = found.pop("parts", []), found.pop("removals", [])
    record(found, as_json)
    if parts:
        out().print(table(parts, PARTS, "destinations"))
    if removals:
        out().print(table(removals, REMOVALS, "here"))
    return None


def _counts(counts: Item) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.items() if number) or "nothing"
