"""`fiona transfers`: how far studies have come on their way to the research side."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.live import Live

from cli.client import Client, Item, segment
from cli.failure import Failure
from cli.output import Column, Json, listing, moment, out, record, show_json, table

app = typer.Typer(help="Transfers to the research side: state, counts, errors, quarantine.")
STOPPED = ("cancelled", "withdrawn")
FINAL = ("completed", "quarantined", "failed", *STOPPED)

COLUMNS: tuple[Column, ...] = (
    ("Transfer", "id"),
    ("Project", "project"),
    ("Participant", "participant"),
    ("Event", "event"),
    ("Because", "reason"),
    ("State", lambda item: f"{item['state']}, made good" if item.get("made_good_by") else item["state"]),
    ("Instances", "instances"),
    ("De-identified", "anonymized"),
    ("Quarantined", "quarantined"),
    ("Left out", "left_out"),
    ("Delivered", "delivered"),
    ("Refused", "refused"),
    ("Counted", "counted"),
    ("Profile", lambda item: f"{item['profile']} {item['profile_version']}".strip()),
    ("Requested", moment("requested_at")),
    ("Error", "error"),
)
PARTS: tuple[Column, ...] = (
    ("SeriesInstanceUID", "series_instance_uid"),
    ("Revision", "revision"),
    ("Destination", "destination"),
    ("Instances", "instances"),
    ("De-identified", "anonymized"),
    ("Quarantined", "quarantined"),
    ("Left out", "left_out"),
    ("Delivered", "delivered"),
    ("Refused", "refused"),
)
QUARANTINE: tuple[Column, ...] = (
    ("SOPInstanceUID", "sop_instance_uid"),
    ("Rule", "rule"),
    ("Reason", "reason"),
    ("Where", "where"),
    ("Decision", lambda item: item["decision"] or "waiting"),
)


@app.callback(invoke_without_command=True)
def transfers(
    context: typer.Context,
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="requested, anonymizing, sending, verifying, completed, quarantined, failed, cancelled or withdrawn."
        ),
    ] = None,
    study: Annotated[str | None, typer.Option(metavar="STUDYINSTANCEUID", help="Only of this study.")] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Stay until all have ended; exit code 1 unless all are complete, or were stopped."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """List the transfers; with --watch until they have ended."""
    if context.invoked_subcommand is not None:
        return
    with Client() as client:

        def ask() -> list[Item]:
            return list(client.items("/transfers", project=project, state=state, study=study))

        def ended(found: list[Item]) -> bool:
            if not all(item["state"] in FINAL for item in found):
                return False
            assigned = client.items("/studies/search", body={"state": "assigned", "project": project})
            return state is not None or not to_come(found, assigned, project, study)

        found = watched(ask, ended, quiet=as_json) if watch else ask()
    if as_json or not watch:
        listing(found, COLUMNS, as_json, "no transfers")
    if not watch:
        return
    ends = Counter(str(item["state"]) for item in found if item["state"] not in STOPPED)
    if ends.total() != ends["completed"]:
        raise Failure(", ".join(f"{count} {end}" for end, count in sorted(ends.items())))


@app.command()
def show(transfer: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Show a transfer: its parts, and what is in quarantine and why."""
    with Client() as client:
        found = client.get(f"/transfers/{segment(transfer)}")
    if as_json:
        return show_json(found)
    parts, quarantine = found.pop("parts", []), found.pop("quarantine", [])
    record(found, as_json)
    out().print(table(parts, PARTS, "parts"))
    if quarantine:
        out().print(table(quarantine, QUARANTINE, "quarantine"))
    return None


def to_come(found: Iterable[Item], assigned: Iterable[Item], project: str | None, study: str | None) -> bool:
    """Whether an assigned study has instances that no transfer was asked for yet: it is still arriving, or waits."""
    asked: Counter[tuple[str, str]] = Counter()
    for item in found:
        asked[item["study_instance_uid"], item["project"]] += item["instances"]
    return any(
        assignment["waits_for"] or asked[each["study_instance_uid"], assignment["project"]] < each["instances"]
        for each in assigned
        if study in (None, each["study_instance_uid"])
        for assignment in each["assignments"]
        if not assignment["refused"] and not assignment["ended_at"] and project in (None, assignment["project"])
    )


def watched(
    ask: Callable[[], list[Item]], ended: Callable[[list[Item]], bool], quiet: bool, every: float = 1.0
) -> list[Item]:
    """The transfers when none is under way any more; meanwhile shown, live or (no terminal) when they change."""
    console = out()
    if quiet or not console.is_terminal:
        said = ""
        while True:
            found = ask()
            line = _summary(found)
            if line != said and not quiet:
                console.print(line, markup=False)
            said = line
            if ended(found):
                return found
            time.sleep(every)
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            found = ask()
            shown: RenderableType = table(found, COLUMNS) if found else "no transfers yet"
            live.update(shown, refresh=True)
            if ended(found):
                return found
            time.sleep(every)


def _summary(found: list[Item]) -> str:
    states = Counter(str(item["state"]) for item in found)
    sums = {key: sum(item.get(key) or 0 for item in found) for key in ("instances", "anonymized", "delivered")}
    said = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no transfers"
    return f"{said} | instances {sums['instances']}, de-identified {sums['anonymized']}, delivered {sums['delivered']}"
