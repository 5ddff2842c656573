"""`fiona monitor`: how it is with everything that is looked at, and how heartbeats fare."""

from typing import Annotated

import typer

from cli.client import Client
from cli.failure import Failure
from cli.output import Column, Json, listing, moment

COLUMNS: tuple[Column, ...] = (
    ("State", "state"),
    ("What", "check"),
    ("Which", "subject"),
    ("Since", moment("since")),
    ("Detail", "detail"),
    ("Looked at", moment("looked_at")),
)
HEARTBEATS: tuple[Column, ...] = (
    ("Sent", moment("sent_at")),
    ("Outcome", lambda item: item["outcome"] or "under way"),
    ("Seconds", "seconds"),
    ("Received", moment("received_at")),
    ("Indexed", moment("indexed_at")),
    ("Routed", moment("routed_at")),
    ("De-identified", moment("anonymized_at")),
    ("Delivered", moment("delivered_at")),
    ("Detail", "detail"),
)


def monitor(
    heartbeats: Annotated[bool, typer.Option("--heartbeats", help="The last heartbeats instead.")] = False,
    failing: Annotated[bool, typer.Option("--failing", help="Only what has failed.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the monitor has found, the worst first; exit code 1 when something has failed."""
    with Client() as client:
        if heartbeats:
            return listing(client.get("/monitor/heartbeats", limit=20)["items"], HEARTBEATS, as_json, "no heartbeats")
        items = list(client.items("/monitor", state="failing" if failing else None))
    listing(items, COLUMNS, as_json, "nothing has failed" if failing else "the monitor has not looked yet")
    if failed := sum(each["state"] == "failing" for each in items):
        raise Failure(f"{failed} of what is looked at has failed")
    return None
