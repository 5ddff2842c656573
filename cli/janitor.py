"""`fiona janitor`: what has had its time; `fiona doctor`: what does not fit together."""

from typing import Annotated, Any

import typer

from cli.client import Client, Item, segment, wait
from cli.failure import Code, Failure
from cli.output import Column, Json, clean, listing, moment, out, record, remark, show_json

app = typer.Typer(help="Retention: what may go, what went, and the word for it.", no_args_is_help=True)
Run = Annotated[str | None, typer.Argument(metavar="RUN", help="By default the last one.")]
State = Annotated[str | None, typer.Option(help="planned, asked, removed or kept.")]
Seconds = Annotated[float, typer.Option("--timeout", help="How long to wait, in seconds.")]
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

RUNS: tuple[Column, ...] = (
    ("Run", "id"),
    ("Kind", "kind"),
    ("State", "state"),
    ("May go", lambda item: sum(each.get("may_go", 0) for each in item["counts"].values())),
    ("Bytes", lambda item: bytes_(sum(each.get("bytes", 0) for each in item["counts"].values()))),
    ("Removed", lambda item: bytes_(sum(each.get("bytes", 0) for each in item["removed"].values()))),
    ("Findings", lambda item: sum(each.get("findings", 0) for each in item["counts"].values())),
    ("Started", moment("started_at")),
    ("Ended", moment("finished_at")),
)
POLICIES: tuple[Column, ...] = (
    ("Policy", "policy"),
    ("May go", "may_go"),
    ("Bytes", lambda item: bytes_(item["bytes"])),
    ("Why others stay", "kept"),
)
LINES: tuple[Column, ...] = (
    ("Policy", "kind"),
    ("What", "subject"),
    ("State", "state"),
    ("Size", lambda item: bytes_(item["size"])),
    ("Removed", "removed"),
    ("Why", "why"),
)
FINDINGS: tuple[Column, ...] = (
    ("Found", "sort"),
    ("Where", "subject"),
    ("How many", "number"),
    ("What it means", "meaning"),
    ("Healing", "healing"),
)


def bytes_(number: float) -> str:
    """A size as people say it."""
    for unit in UNITS[:-1]:
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} {UNITS[-1]}"


@app.command()
def status(as_json: Json = False) -> None:
    """Whether it removes anything, by which policies, and how full the disks are."""
    with Client() as client:
        item = client.get("/janitor")
    record(item if as_json else _told(item), as_json)


@app.command()
def runs(as_json: Json = False) -> None:
    """List what it has done."""
    with Client() as client:
        listing(client.items("/janitor/runs"), RUNS, as_json, "no janitor has run here")


@app.command("dry-run")
def dry_run(seconds: Seconds = 600, as_json: Json = False) -> None:
    """See what would go by the policies, and why the rest stays; nothing is touched."""
    with Client() as client:
        _shown(_ended(client, "report", seconds), as_json)


@app.command()
def sweep(seconds: Seconds = 3600, as_json: Json = False) -> None:
    """Remove now what may go, instead of waiting for the next run."""
    with Client() as client:
        run = _ended(client, "sweep", seconds)
        _shown(run, as_json)
    if run["state"] != "done":
        raise Failure("it was stopped")


@app.command()
def report(run: Run = None, as_json: Json = False) -> None:
    """Show what a run has found, policy by policy."""
    with Client() as client:
        _shown(_chosen(client, run), as_json)


@app.command()
def lines(run: Run = None, state: State = None, as_json: Json = False) -> None:
    """List each thing that may go by a run, and what became of it."""
    with Client() as client:
        found = client.items(f"/janitor/runs/{segment(_chosen(client, run)['id'])}/lines", state=state)
        listing(found, LINES, as_json, "nothing")


@app.command()
def go(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Let it remove what may go, from now on; only after a dry run."""
    if not yes:
        typer.confirm("Shall the janitor remove what its policies say, from now on?", abort=True, err=True)
    with Client() as client:
        client.post("/janitor/go")
    remark("it removes from now on; `fiona janitor stop` ends that")


@app.command()
def stop() -> None:
    """Let it remove nothing more; it goes on reporting."""
    with Client() as client:
        client.post("/janitor/stop")
    remark("it removes nothing more")


def doctor(
    heal: Annotated[bool, typer.Option("--heal", help="Set going what heals: nothing is ever deleted by it.")] = False,
    seconds: Seconds = 3600,
    as_json: Json = False,
) -> None:
    """Hold files against rows, and say what does not fit and what it means; 1 when anything does not."""
    with Client() as client:
        run = _ended(client, "heal" if heal else "examine", seconds)
        found = list(client.items(f"/janitor/runs/{segment(run['id'])}/findings"))
        listing(found, FINDINGS, as_json, "everything fits together")
    if young := sum(each.get("young", 0) for each in run["counts"].values()):
        remark(f"{young} files were passed over: too young, or still on their way; look again later")
    if found:
        raise typer.Exit(Code.FAILED)


def _told(item: Item) -> Item:
    """What it says of itself, each thing on a line of its own."""
    told = {key: item[key] for key in ("going", "said_by", "said_at", "seen_at")}
    told |= {f"disk of {tree}": _full(disk) for tree, disk in item["disks"].items()}
    told |= {f"policy {name}": _policy(values) for name, values in item["policies"].items()}
    return told | {f"not by policy: {name}": why for name, why in item["elsewhere"].items()}


def _full(disk: Item) -> str:
    ours = f", ours {bytes_(disk['ours'])}" if disk.get("ours") is not None else ""
    return f"{disk['percent']:.1f} % full: {bytes_(disk['used'])} of {bytes_(disk['capacity'])}{ours}"


def _policy(values: Item) -> str:
    return ", ".join(f"{name} {'none' if value is None else clean(value)}" for name, value in values.items())


def _ended(client: Client, kind: str, seconds: float) -> Item:
    """A run that was asked for, when it is over."""
    asked = client.post("/janitor/runs", {"kind": kind})["id"]

    def over() -> Item | None:
        try:
            run: Item = client.get(f"/janitor/runs/{segment(asked)}")
        except Failure as failure:
            if failure.code is Code.NOT_FOUND:
                return None
            raise
        return run if run["state"] != "running" else None

    if (run := wait(over, seconds, every=0.5)) is None:
        raise Failure("it did not end in time: is the janitor running? `fiona janitor runs` shows how far it is")
    return run


def _chosen(client: Client, run: str | None) -> Item:
    if run is not None:
        item: Item = client.get(f"/janitor/runs/{segment(run)}")
        return item
    found = client.get("/janitor/runs", limit=1)["items"]
    if not found:
        raise Failure("no janitor has run here", Code.NOT_FOUND)
    first: Item = found[0]
    return first


def _shown(run: Item, as_json: bool) -> None:
    if as_json:
        return show_json(run)
    rows: list[Any] = [
        {
            "policy": name,
            "may_go": each.get("may_go", 0),
            "bytes": each.get("bytes", 0),
            "kept": [f"{number} × {why}" for why, number in each.get("kept", {}).items()],
        }
        for name, each in run["counts"].items()
    ]
    out().print(f"{run['kind']} {run['id']}: {run['state']}", markup=False)
    return listing(rows, POLICIES, False, "nothing")
