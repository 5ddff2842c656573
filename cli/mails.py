"""`fiona mail`: mails that are owed, and those that a server has refused."""

from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, listing, moment, out, record

app = typer.Typer(help="Mails of the gateway: list, retry, drop.", no_args_is_help=True)
Identity = Annotated[str, typer.Argument(metavar="ID")]

COLUMNS: tuple[Column, ...] = (
    ("Mail", "id"),
    ("State", "state"),
    ("Tries", "tries"),
    ("Next try", moment("next_try_at")),
    ("Written", moment("created_at")),
    ("Sent", moment("sent_at")),
    ("Error", "error"),
)


@app.command("list")
def list_mails(
    state: Annotated[str | None, typer.Option(help="waiting, sent or refused.")] = None, as_json: Json = False
) -> None:
    """List the mails; neither to whom nor what they say."""
    with Client() as client:
        listing(client.items("/mails", state=state), COLUMNS, as_json, "no mails")


@app.command()
def retry(mail: Identity, as_json: Json = False) -> None:
    """Try a mail again now."""
    with Client() as client:
        record(client.post(f"/mails/{segment(mail)}/retry"), as_json)


@app.command()
def drop(mail: Identity) -> None:
    """Give up a mail that was not sent, with its text."""
    with Client() as client:
        client.delete(f"/mails/{segment(mail)}")
    out().print(f"dropped {mail}", markup=False)
