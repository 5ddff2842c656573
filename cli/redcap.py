"""`fiona redcap`: how it is with REDCap, where it differs from the gateway, and mending that."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
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
    """Compare gateway and REDCap now, and list where they differ; 1 when they do, or nothing can be written there."""
    with Client() as client:
        waiting = Waiting(seconds)
        asked = _compare(client, project, waiting, repair=False)
        scope = "project" if project is not None else None
        items = list(client.items("/redcap/differences", project=project, scope=scope))
        listing(items, DIFFERENCES, as_json, "no differences")
        ill = _stuck(item for item in client.items("/redcap") if _name(item) in asked)
        waiting.say(ill)
    if items or ill:
        raise typer.Exit(Code.FAILED)


@app.command()
def sync(project: Project = None, seconds: Seconds = 600) -> None:
    """Compare, and write to REDCap what it lacks; nothing is removed there."""
    with Client() as client:
        waiting = Waiting(seconds)
        _compare(client, project, waiting, repair=True)
        left = wait(lambda: _left(client, project, waiting), seconds, every=1)
    if left != 0:
        what = f"{left} wait for a person" if left else "REDCap has not taken all of it yet"
        raise Failure(f"{what}; `fiona redcap status` says why")
    remark("REDCap has all of it")


class Waiting:
    """For REDCap, and no longer than anything can come of it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = datetime.now(UTC) + timedelta(seconds=seconds)
        self._said: set[tuple[str, str]] = set()

    def say(self, items: Iterable[Item]) -> None:
        """What stands in the way, once."""
        for item in items:
            said = _name(item), str(item["problem"])
            if said not in self._said:
                self._said.add(said)
                remark(": ".join(said))

    def for_these(self, items: Iterable[Item]) -> None:
        """Failure when one of them will not be tried again while we wait."""
        stuck = _stuck(items)
        self.say(stuck)
        if any(datetime.fromisoformat(item["next_try_at"]) > self._until for item in stuck):
            raise Failure("that has to be put right first; `fiona redcap status` says when it is tried again")


def _stuck(items: Iterable[Item]) -> list[Item]:
    """Those that were tried in vain; a problem without another try to come is one of before."""
    return [item for item in items if item["problem"] and item["next_try_at"] is not None]


def _compare(client: Client, project: str | None, waiting: Waiting, *, repair: bool) -> set[str]:
    """Ask for it and wait until it is done; one that somebody asks for meanwhile does as well. Whose it was."""
    body: dict[str, Any] = {"project": project, "repair": repair}
    if project is not None:
        body["scope"] = "project"
    before = {_name(item): item["compared"] for item in client.items("/redcap")}
    asked = {_name(item): item["id"] for item in client.post("/redcap/comparisons", body)["items"]}

    def done() -> bool | None:
        mine = [item for item in client.items("/redcap") if _name(item) in asked]
        left = [item for item in mine if not _done(item, asked[_name(item)], before.get(_name(item)))]
        waiting.for_these(item for item in left if item["comparing"])
        return None if left else True

    if wait(done, waiting.seconds, every=1) is None:
        raise Failure("REDCap was not compared in time; `fiona redcap status` says why")
    return set(asked)


def _done(item: Item, asked: str, before: str | None) -> bool:
    return item["compared"] == asked or (item["compared"] != before and not item["comparing"])


def _left(client: Client, project: str | None, waiting: Waiting) -> int | None:
    """How many wait for a person when nothing else is owed any more; None: something is."""
    mine = [item for item in client.items("/redcap") if project in (None, item["project"])]
    waiting.for_these(item for item in mine if item["owed"] > item["waiting"])
    owed, parked = (sum(item[name] for item in mine) for name in ("owed", "waiting"))
    return parked if owed == parked else None
