"""`fiona audit`: who did, saw or was refused what, and whether nobody has changed it since."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli.client import Client
from cli.failure import Failure
from cli.output import Column, Json, listing, moment, out, remark, show_json
from shared.settings import Settings

app = typer.Typer(help="The audit: search, export, verify.", no_args_is_help=True)

COLUMNS: tuple[Column, ...] = (
    ("Nr", "sequence"),
    ("At", moment("at")),
    ("Who", "actor"),
    ("Operation", "operation"),
    ("Outcome", lambda item: f"{item['outcome']} {item['status'] or ''}".strip()),
    ("From", "address"),
    ("Project", "project"),
    ("Participant", "participant"),
    ("Study", "study_instance_uid"),
    ("Details", lambda item: item["details"] or ""),
)
DAMAGE = {
    "changed": "entry {broken} is not as it was written",
    "removed": "entries before {broken} were removed",
    "inserted": "entry {broken} was put there by somebody else",
    "truncated": "entries from {broken} on were cut off",
}

Who = Annotated[str | None, typer.Option(metavar="NAME", help="Who did it.")]
Operation = Annotated[str | None, typer.Option(help="What was done, as the interface calls it.")]
Outcome = Annotated[str | None, typer.Option(help="done, refused, failed or unanswered.")]
Project = Annotated[str | None, typer.Option(metavar="P", help="Only of this project.")]
Study = Annotated[str | None, typer.Option(metavar="UID", help="Only of this study.")]
Participant = Annotated[str | None, typer.Option(metavar="ID", help="Only of this participant.")]
Since = Annotated[datetime | None, typer.Option(help="At or after, in FIONA_TIMEZONE.")]
Until = Annotated[datetime | None, typer.Option(help="Before.")]


@app.command()
def search(
    who: Who = None,
    operation: Operation = None,
    outcome: Outcome = None,
    project: Project = None,
    study: Study = None,
    participant: Participant = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The latest so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Show what fits, latest first."""
    wanted = _wanted(who, operation, outcome, project, study, participant, since, until)
    with Client() as client:
        page = client.get("/audit", limit=limit, **wanted)
    listing(page["items"], COLUMNS, as_json, "nothing of the kind")
    if page["total"] > len(page["items"]):
        remark(f"{len(page['items'])} of {page['total']}")


@app.command()
def export(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="A new file; .csv: CSV, else JSON lines.")],
    who: Who = None,
    operation: Operation = None,
    outcome: Outcome = None,
    project: Project = None,
    study: Study = None,
    participant: Participant = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Write what fits into a file, oldest first."""
    wanted = _wanted(who, operation, outcome, project, study, participant, since, until)
    kind = "csv" if to.suffix.lower() == ".csv" else "jsonl"
    with Client() as client:
        size = client.download("/audit/export", to, format=kind, **wanted)
    out().print(f"{to}: {size} bytes", markup=False)


@app.command()
def verify(
    after: Annotated[int, typer.Option(min=0, help="Entries up to this one were verified before.")] = 0,
    head: Annotated[
        str | None, typer.Option(metavar="NR:HASH", help="What an earlier run, or the log, said that the end was.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk the whole chain; 1 and the first broken entry when it is not whole."""
    entries = 0
    with Client() as client:
        while True:
            part = client.get("/audit/verify", after=after, head=head)
            entries += part["entries"]
            if not part["sound"] or part["complete"]:
                break
            after = part["sequence"]
            remark(f"{entries} entries …")
    part["entries"] = entries
    if as_json:
        show_json(part)
    elif part["sound"]:
        out().print(f"{entries} entries, whole; head {part['sequence']}:{part['hash']}", markup=False)
    if not part["sound"]:
        raise Failure(DAMAGE[part["damage"]].format(**part))


def _wanted(
    who: str | None,
    operation: str | None,
    outcome: str | None,
    project: str | None,
    study: str | None,
    participant: str | None,
    since: datetime | None,
    until: datetime | None,
) -> dict[str, Any]:
    return {
        "actor": who,
        "operation": operation,
        "outcome": outcome,
        "project": project,
        "study": study,
        "participant": participant,
        "since": _moment(since),
        "until": _moment(until),
    }


def _moment(local: datetime | None) -> str | None:
    return None if local is None else local.replace(tzinfo=ZoneInfo(Settings().timezone)).isoformat()
