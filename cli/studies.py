"""`fiona studies`, `fiona study show`: what has arrived, and what waits for somebody to assign it."""

from typing import Annotated

import typer

from cli.client import Client, Item, segment
from cli.failure import Code, Failure
from cli.output import Column, Json, listing, out, record, table

app = typer.Typer(help="One study.", no_args_is_help=True)


def _assigned(study: Item) -> str:
    return ", ".join(
        f"{each['project']} {each['participant']}" if not each.get("refused") else f"{each['project']} refused"
        for each in study.get("assignments") or ()
        if not each.get("ended_at")
    )


def _why(assignment: Item) -> str:
    """An assignment, what made it, and how it stands."""
    waits = f"waits for withdrawal {assignment['waits_for']}" if assignment.get("waits_for") else ""
    ended = "ended" if assignment.get("ended_at") else waits
    stands = f"refused, {assignment['refused']}" if assignment.get("refused") else ended
    said = f"{assignment['project']} {assignment['participant']}".strip(), assignment.get("reason"), stands
    return ": ".join(each for each in said if each)


def _state(study: Item) -> str:
    here = "waiting" if study.get("arrived_at") else "arriving"
    return _assigned(study) or ("removed" if study.get("removed_at") else here)


COLUMNS: tuple[Column, ...] = (
    ("StudyInstanceUID", "study_instance_uid"),
    ("Date", "study_date"),
    ("Modalities", "modalities"),
    ("PatientID", "patient_id"),
    ("Description", "study_description"),
    ("Series", "series"),
    ("Instances", "instances"),
    ("Conflicts", "conflicts"),
    ("State", _state),
)
SERIES: tuple[Column, ...] = (
    ("SeriesInstanceUID", "series_instance_uid"),
    ("Modality", "modality"),
    ("Number", "series_number"),
    ("Description", "description"),
    ("Instances", "instances"),
    ("Arrived", "arrived"),
    ("Types", "classify_types"),
)


def studies(
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that nobody has assigned.")] = False,
    assigned: Annotated[bool, typer.Option("--assigned", help="Only those that belong to a project.")] = False,
    as_json: Json = False,
) -> None:
    """List the studies that have arrived."""
    if waiting and assigned:
        raise Failure("either --waiting or --assigned", Code.USAGE)
    state = "waiting" if waiting else "assigned" if assigned else "all"
    with Client() as client:
        listing(client.items("/studies", state=state), COLUMNS, as_json, "no studies")


@app.command()
def show(study: Annotated[str, typer.Argument(metavar="STUDYINSTANCEUID")], as_json: Json = False) -> None:
    """Show a study and its series."""
    path = f"/studies/{segment(study)}"
    with Client() as client:
        found = client.get(path)
        series = list(client.items(f"{path}/series"))
    if as_json:
        return record({**found, "series_list": series}, as_json)
    record({**found, "assignments": "; ".join(map(_why, found.get("assignments") or ()))}, as_json)
    return out().print(table(series, SERIES))
