"""`fiona dead`: messages that failed too often; look, try again, or let go."""

from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, clean, listing, out, record

app = typer.Typer(help="The dead letters: list, show, replay, drop.", no_args_is_help=True)
Letter = Annotated[str, typer.Argument(metavar="ID")]

SHOWN = 3
"""So many of a list in an event are shown."""

COLUMNS: tuple[Column, ...] = (
    ("ID", "id"),
    ("Queue", "queue"),
    ("Event", "event"),
    ("Tries", "tries"),
    ("Reason", "reason"),
)


@app.command("list")
def list_dead(as_json: Json = False) -> None:
    """List them."""
    with Client() as client:
        listing(client.items("/dead"), COLUMNS, as_json, "none: nothing is dead")


@app.command()
def show(letter: Letter, as_json: Json = False) -> None:
    """Show one with its event."""
    with Client() as client:
        found = client.get(f"/dead/{segment(letter)}")
    if as_json:
        return record(found, as_json)
    body = found.pop("body")
    record(found, as_json)
    out().print("the event")
    return record({key: _some(value) for key, value in body.items()}, as_json)


def _some(value: object) -> object:
    """An event's field, and of a long list its length and the first few."""
    if not isinstance(value, list) or len(value) <= SHOWN:
        return value
    return f"{len(value)}, the first of them {clean(value[:SHOWN])}; all of them by --json"


@app.command()
def replay(
    letters: Annotated[list[str] | None, typer.Argument(metavar="ID")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Put them back into their queues."""
    with Client() as client:
        for letter in _chosen(client, letters, every):
            client.post(f"/dead/{segment(letter)}/replay")
            out().print(f"replayed {letter}", markup=False)


@app.command()
def drop(
    letters: Annotated[list[str] | None, typer.Argument(metavar="ID")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Let them go for good."""
    with Client() as client:
        for letter in _chosen(client, letters, every):
            client.delete(f"/dead/{segment(letter)}")
            out().print(f"dropped {letter}", markup=False)


def _chosen(client: Client, letters: list[str] | None, every: bool) -> list[str]:
    if bool(letters) == every:
        raise typer.BadParameter("either IDs or --all")
    return letters or [str(item["id"]) for item in client.items("/dead")]
