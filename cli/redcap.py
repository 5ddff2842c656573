"""`fiona redcap`: how it is with REDCap, where it differs from the gateway, and mending that."""

from typing import Annotated, Any

import typer

from cli.client import Client, Item, wait
from cli.failure import Code, Failure
from cli.output import Column, Json, listing, moment, remark

app = typer.Typer(help="REDCap: how it is, where it differs, and mending that.", no_args_is_help=True)
Project = Annotated[str | None, typer.Option(metavar="PROJECT", help="Its own REDCap project only; by default all.")]
Seconds = Annotated[float, typer.Option("--timeout", help="How long to wait for the comparison, in seconds.")]


def _name(item: Item) -> str:
    return str(item["project"] or item["scope"])


STATUS: tuple[Column, ...] = (
    ("REDCap", _name),
    ("Owed", "owed"),
    ("Waiting", "waiting"),
    ("Waits for", "waits_for"),
    ("Problem", "problem"),
    ("Next try", moment("next_try_at")),
    ("Written", moment("written_at")),
    ("Compared", moment("compared_at")),
    ("Differences", "differences"),
)
DIFFERENCES: tuple[Column, ...] = (
    ("REDCap", _name),
    ("Kind", "kind"),
    ("Subject", "subject"),
    ("Only in", lambda item: "" if item["side"] == "both" else item["side"]),
    ("What", "what"),
)


@app.command()
def status(as_json: Json = False) -> None:
    """What is owed to each REDCap project, and what stands in the way; 1 when anything does."""
    with Client() as client:
        items = list(client.items("/redcap"))
        listing(items, STATUS, as_json, "REDCap is not configured")
    if any(item["problem"] or item["waiting"] for item in items):
        raise typer.Exit(Code.FAILED)


@app.command()
def check(project: Project = None, seconds: Seconds = 600, as_json: Json = False) -> None:
    """Compare gateway and REDCap now, and list where they differ; 1 when they do."""
    with Client() as client:
        _compare(client, project, repair=False, seconds=seconds)
        scope = "project" if project is not None else None
        items = list(client.items("/redcap/differences", project=project, scope=scope))
        listing(items, DIFFERENCES, as_json, "no differences")
    if items:
        raise typer.Exit(Code.FAILED)


@app.command()
def sync(project: Project = None, seconds: Seconds = 600) -> None:
    """Compare, and write to REDCap what it lacks; nothing is removed there."""
    with Client() as client:
        _compare(client, project, repair=True, seconds=seconds)
        left = wait(lambda: _left(client, project), seconds, every=1)
    if left != 0:
        what = f"{left} wait for a person" if left else "REDCap has not taken all of it yet"
        raise Failure(f"{what}; `fiona redcap status` says why")
    remark("REDCap has all of it")


def _compare(client: Client, project: str | None, *, repair: bool, seconds: float) -> None:
    """Ask for it and wait until it is done; one that somebody asks for meanwhile does as well."""
    body: dict[str, Any] = {"project": project, "repair": repair}
    if project is not None:
        body["scope"] = "project"
    before = {_name(item): item["compared"] for item in client.items("/redcap")}
    asked = {_name(item): item["id"] for item in client.post("/redcap/comparisons", body)["items"]}

    def done() -> bool | None:
        mine = [item for item in client.items("/redcap") if _name(item) in asked]
        return all(_done(item, asked[_name(item)], before.get(_name(item))) for item in mine) or None

    if wait(done, seconds, every=1) is None:
        raise Failure("REDCap was not compared in time; `fiona redcap status` says why")


def _done(item: Item, asked: str, before: str | None) -> bool:
    return item["compared"] == asked or (item["compared"] != before and not item["comparing"])


def _left(client: Client, project: str | None) -> int | None:
    """How many wait for a person when nothing else is owed any more; None: something is."""
    mine = [item for item in client.items("/redcap") if project in (None, item["project"])]
    owed, waiting = (sum(item[name] for item in mine) for name in ("owed", "waiting"))
    return waiting if owed == waiting else None
