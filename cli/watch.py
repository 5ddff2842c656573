"""`fiona watch`: what changes in the gateway, line by line, as it changes."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

import typer

from cli.client import Client, Item
from cli.events import following
from cli.output import Json, clean, out, remark

LINES: Final[dict[str, Callable[[Item], str]]] = {
    "study": lambda it: (
        f"{it['study_instance_uid']}: {it['series']} series, {it['instances']} instances, "
        f"{'arrived' if it['arrived'] else 'still arriving'}"
    ),
    "assignment": lambda it: (
        f"{it['study_instance_uid']}: {it['project']} "
        + (f"refused, {it['refused']}" if it["refused"] else f"{it['participant']} {it['event']}")
        + (", ended" if it["ended"] else "")
    ),
    "transfer": lambda it: (
        f"{it['id']}: {it['project']} {it['participant']} {it['event']} {it['state']} | instances {it['instances']}, "
        f"de-identified {it['anonymized']}, quarantined {it['quarantined']}, delivered {it['delivered']}"
        + (f" | {it['error']}" if it["error"] else "")
    ),
    "quarantine": lambda it: f"{it['project']}: {it['open']} wait for a decision",
}
"""What is said of each sort of news."""


def watch(
    project: Annotated[str | None, typer.Option(help="Only of this project, and arrivals.")] = None,
    as_json: Json = False,
) -> None:
    """Say what changes, as it changes, until Ctrl-C: arrivals, assignments, transfers, quarantine.

    No identity is shown. A connection that breaks is taken up again where it was.
    """
    with Client() as client:
        try:
            for sort, data in following(client):
                if sort == "reset":
                    remark("some changes were too long ago to be told")
                elif project in (None, data.get("project", project)):
                    _say(sort, data, as_json)
        except KeyboardInterrupt:
            return


def _say(sort: str, data: Item, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"event": sort, **data}, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    elif sort in LINES:
        out().print(f"{datetime.now():%H:%M:%S} {sort:<10} {clean(LINES[sort](data))}", markup=False)
