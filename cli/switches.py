"""`fiona switch`: receiving, de-identifying and sending, off for a while and on again."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, listing, moment, record
from shared.switchable import Switch


class State(StrEnum):
    """How it can stand."""

    ON = "on"
    OFF = "off"


COLUMNS: tuple[Column, ...] = (
    ("Switch", "switch"),
    ("State", "state"),
    ("Reason", "reason"),
    ("Who", "who"),
    ("Since", moment("since")),
)


def switch(
    which: Annotated[Switch | None, typer.Argument(help="Without one: how all of them stand.")] = None,
    state: Annotated[State | None, typer.Argument()] = None,
    reason: Annotated[str, typer.Option(help="Why; needed to switch something off.")] = "",
    as_json: Json = False,
) -> None:
    """Show or turn what the gateway does: receive, anonymise, send. What waits, waits; nothing is lost."""
    if (which is None) != (state is None):
        raise typer.BadParameter("say which, and on or off")
    if state is State.OFF and not reason:
        raise typer.BadParameter("say why, by --reason")
    with Client() as client:
        if which is None or state is None:
            listing(client.items("/switches"), COLUMNS, as_json, "no switches")
        else:
            record(client.put(f"/switches/{segment(which.value)}", {"state": state.value, "reason": reason}), as_json)
