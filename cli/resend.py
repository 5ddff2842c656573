"""`fiona resend`: a transfer, a series, a study, or all of a project since a day, once more."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cli.client import Client, Item
from cli.failure import Code, Failure
from cli.output import Json, out, show_json
from shared.settings import Settings

Reason = Annotated[str, typer.Option("--reason", help="Why; kept encrypted.")]


def resend(
    project: str,
    reason: Reason,
    transfer: Annotated[str | None, typer.Option(metavar="ID", help="What this transfer was asked for.")] = None,
    series: Annotated[str | None, typer.Option(metavar="SERIESINSTANCEUID", help="Of the source.")] = None,
    study: Annotated[str | None, typer.Option(metavar="STUDYINSTANCEUID", help="Of the source.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Every study of which a transfer was asked for since this day.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring something to its destinations again, by the profile that the project has now."""
    named = {"transfer": transfer, "series": series, "study": study, "since": _zoned(since)}
    if sum(value is not None for value in named.values()) != 1:
        raise Failure("one of --transfer, --series, --study and --since", Code.USAGE)
    with Client() as client:
        made: Item = client.post("/resends", {"project": project, "reason": reason, **named})
    if as_json:
        show_json(made)
    else:
        out().print(f"asked for: resend {made['id']}; watch it with `fiona transfers --watch`", markup=False)


def _zoned(day: datetime | None) -> str | None:
    """A moment of FIONA_TIMEZONE."""
    return day.replace(tzinfo=ZoneInfo(Settings().timezone)).isoformat() if day else None
