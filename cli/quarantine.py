"""`fiona quarantine`: what could not be de-identified whole, why, and what a person decides about it."""

from typing import Annotated

import typer

from cli.client import Client, Item, segment
from cli.failure import Code, Failure
from cli.output import Column, Json, listing, moment, out, record, show_json

app = typer.Typer(help="Quarantine: list, show, release, repeat, drop, reviews.", no_args_is_help=True)
Transfer = Annotated[str, typer.Argument(metavar="TRANSFER")]
Project = Annotated[str | None, typer.Option(help="Only of this project.")]
Rule = Annotated[str | None, typer.Option(help="Only what this rule has stopped.")]
Series = Annotated[str | None, typer.Option(metavar="SERIESINSTANCEUID", help="Only of this series.")]
Instances = Annotated[list[str] | None, typer.Argument(metavar="SOPINSTANCEUID", help="These instances.")]
Every = Annotated[bool, typer.Option("--all", help="Everything of the transfer that waits.")]
Reason = Annotated[str, typer.Option(help="Why; kept encrypted.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask again.")]

GROUPS: tuple[Column, ...] = (
    ("Transfer", "transfer"),
    ("Project", "project"),
    ("SeriesInstanceUID", "series_instance_uid"),
    ("Rule", "rule"),
    ("Instances", "quarantined"),
    ("Of", "of"),
    ("Waiting", "open"),
    ("Where", lambda item: item["where"] + (f" and {item['places'] - 1} more" if item["places"] > 1 else "")),
    ("What can be done", "advice"),
)
ITEMS: tuple[Column, ...] = (
    ("SOPInstanceUID", "sop_instance_uid"),
    ("SeriesInstanceUID", "series_instance_uid"),
    ("Rule", "rule"),
    ("Reason", "reason"),
    ("Where", "where"),
    ("Decision", lambda item: item["decision"] or "waiting"),
)
REVIEWS: tuple[Column, ...] = (
    ("Review", "id"),
    ("Transfer", "transfer"),
    ("Project", "project"),
    ("Decision", "decision"),
    ("Instances", "instances"),
    ("By", "reviewer"),
    ("When", moment("created_at")),
    ("Reason", lambda item: item["reason"] or "(for those who review)"),
    ("Then", lambda item: f"{item['next_transfer']} {item['next_state']}" if item["next_transfer"] else ""),
)


@app.command("list")
def list_quarantine(
    project: Project = None,
    transfer: Annotated[str | None, typer.Option(metavar="ID", help="Only of this transfer.")] = None,
    rule: Rule = None,
    series: Series = None,
    every: Annotated[bool, typer.Option("--all", help="Also what somebody has decided about.")] = False,
    instances: Annotated[bool, typer.Option("--instances", help="Each instance, not how often.")] = False,
    as_json: Json = False,
) -> None:
    """Show how often each rule has stopped instances of each series, or each instance."""
    asked = {"project": project, "transfer": transfer, "rule": rule, "series": series}
    path, columns = ("/quarantine", ITEMS) if instances else ("/quarantine/groups", GROUPS)
    with Client() as client:
        found = client.items(path, None, **asked, state="all" if every else "open")
        listing(found, columns, as_json, "nothing waits in quarantine")


@app.command()
def show(
    transfer: Transfer,
    instance: Annotated[str | None, typer.Argument(metavar="SOPINSTANCEUID")] = None,
    value: Annotated[bool, typer.Option("--value", help="What stands there: for those who review.")] = False,
    as_json: Json = False,
) -> None:
    """Show what of a transfer is in quarantine and why; one instance, and with --value what stopped it."""
    path = f"/transfers/{segment(transfer)}/quarantine"
    if value and instance is None:
        raise typer.BadParameter("--value is of one instance")
    with Client() as client:
        if value:
            return record(client.get(f"{path}/{segment(str(instance))}/value"), as_json)
        found = list(client.items(path))
    if instance is None:
        return listing(found, ITEMS, as_json, "nothing of it is in quarantine")
    this = [item for item in found if item["sop_instance_uid"] == instance]
    if not this:
        raise Failure("no such instance of it is in quarantine", Code.NOT_FOUND)
    return record(this[0], as_json)


@app.command()
def release(
    transfer: Transfer,
    reason: Reason,
    instances: Instances = None,
    rule: Rule = None,
    series: Series = None,
    every: Every = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let pass what was stopped: it is de-identified again without that rule, and sent."""
    _decide(transfer, "release", _named(instances, rule, series, every), reason, yes, as_json)


@app.command()
def repeat(
    transfer: Transfer,
    reason: Reason,
    instances: Instances = None,
    rule: Rule = None,
    series: Series = None,
    every: Every = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Try again by the profile that the project has now."""
    _decide(transfer, "repeat", _named(instances, rule, series, every), reason, yes, as_json)


@app.command()
def drop(
    transfer: Transfer,
    reason: Reason,
    instances: Instances = None,
    rule: Rule = None,
    series: Series = None,
    every: Every = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Leave it here for good; the source stays in the archive."""
    _decide(transfer, "drop", _named(instances, rule, series, every), reason, yes, as_json)


@app.command()
def reviews(
    project: Project = None,
    transfer: Annotated[str | None, typer.Option(metavar="ID", help="Only of this transfer.")] = None,
    as_json: Json = False,
) -> None:
    """List what was decided; with the reasons for those who review."""
    with Client() as client:
        listing(client.items("/reviews", project=project, transfer=transfer), REVIEWS, as_json, "no reviews")


def _named(instances: list[str] | None, rule: str | None, series: str | None, every: bool) -> Item:
    """Which instances, as REST is told."""
    if bool(instances) + (rule is not None or series is not None) + every != 1:
        raise typer.BadParameter("say which: SOPINSTANCEUIDs; --rule, --series or both; or --all")
    return {"instances": instances or None, "rule": rule, "series": series, "all": every or None}


def _decide(transfer: str, decision: str, named: Item, reason: str, yes: bool, as_json: bool) -> None:
    with Client() as client:
        if not yes:
            waiting = _waiting(client, transfer, named)
            typer.confirm(f"{decision} {waiting} instances of {transfer}?", abort=True, err=True)
        body = {"decision": decision, "reason": reason, **named}
        made = client.post(f"/transfers/{segment(transfer)}/reviews", body)
    if as_json:
        return show_json(made)
    return out().print(f"{decision}: {made['instances']} instances, review {made['id']}", markup=False)


def _waiting(client: Client, transfer: str, named: Item) -> int:
    if named["instances"]:
        return len(named["instances"])
    asked = {"transfer": transfer, "rule": named["rule"], "series": named["series"], "state": "open"}
    return int(client.get("/quarantine", limit=1, **asked)["total"])
