"""`fiona token`: credentials for programs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, listing, moment, out, remark, show_json

app = typer.Typer(help="Tokens for programs: add, list, revoke.", no_args_is_help=True)

COLUMNS: tuple[Column, ...] = (
    ("Token", "id"),
    ("Name", "name"),
    ("Begins", "prefix"),
    ("Project", lambda token: token["project"] or "all of its owner"),
    ("Scopes", "scopes"),
    ("Until", moment("expires_at")),
    ("Used", moment("used_at")),
    ("Revoked", moment("revoked_at")),
)


@app.command()
def add(
    scope: Annotated[
        list[str], typer.Option(help="read, write, review, operate, admin, audit or dicom:store; may be repeated.")
    ],
    project: Annotated[str | None, typer.Option(help="For this one only.")] = None,
    name: Annotated[str | None, typer.Option(help="For people; else api_<login>, and the project.")] = None,
    days: Annotated[int, typer.Option(min=1, help="How long it is good for.")] = 90,
    to: Annotated[
        Path | None, typer.Option(help="A file for it, which must not be there yet; else it is shown.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token of your own; this once it is shown. Sign in by `fiona login` for it."""
    if to is not None and to.exists():
        raise typer.BadParameter(f"{to} is there already")
    with Client() as client:
        made = client.post("/tokens", {"scopes": scope, "project": project, "name": name, "days": days})
    if to is not None:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(made.pop("token") + "\n")
    if as_json:
        return show_json(made)
    remark(f"{made['name']}, good until {made['expires_at']}")
    return out().print(made.get("token") or f"it is in {to}", markup=False, soft_wrap=True)


@app.command("list")
def list_tokens(
    user: Annotated[str | None, typer.Option(metavar="LOGIN", help="Somebody else's, for administrators.")] = None,
    as_json: Json = False,
) -> None:
    """List your tokens, without their secrets."""
    with Client() as client:
        listing(client.items("/tokens", account=user), COLUMNS, as_json, "no tokens")


@app.command()
def revoke(token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id in the list.")]) -> None:
    """It is good for nothing from now on."""
    with Client() as client:
        client.delete(f"/tokens/{segment(token)}")
    remark("revoked")
