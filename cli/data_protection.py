"""`fiona project report`: the data-protection report of a project, as JSON or as a page that can be filed."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

from cli.client import Client, Item, segment
from cli.failure import Code, Failure
from cli.output import Column, Json, clean, moment, out, show_json, table
from shared.settings import Settings

PLACES: tuple[Column, ...] = (
    ("Place", lambda place: place["name"] if place["kind"] == "destination" else place["kind"]),
    ("Where", "where"),
    ("Studies", "studies"),
    ("Series", "series"),
    ("Instances", "instances"),
    ("Size", lambda place: size(place["bytes"])),
    ("Since", moment("since")),
    ("Latest", moment("until")),
)
MEMBERS: tuple[Column, ...] = (
    ("Who", "login"),
    ("Name", "name"),
    ("Roles", "roles"),
    ("Sites", lambda each: "all projects" if each["everywhere"] else each["sites"] or "all"),
    ("Since", moment("since")),
)
SEEN: tuple[Column, ...] = (
    ("Who", lambda each: who(each)),
    ("Done", "done"),
    ("Refused", "refused"),
    ("Failed", "failed"),
    ("First", moment("first")),
    ("Last", moment("last")),
    ("Mostly", lambda each: ", ".join(list(each["operations"])[:3])),
)
KINDS: Final = {
    "archive": "As received, with names",
    "anonymized": "De-identified, here",
    "destination": "De-identified, elsewhere",
}
PROVISIONS: Final = {"delete": "deleted", "anonymise": "fully anonymised", "keep": "kept"}


def report(
    project: str,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="A page; a new file.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a project holds of people, where, since when, and who has seen it."""
    with Client() as client:
        found = client.get(f"/projects/{segment(project)}/report")
    if html is not None:
        _write(html, page(found))
    if as_json:
        show_json(found)
    elif html is None:
        _print(found)


def page(found: Item) -> str:
    """The page: self-contained, no script, nothing loaded, fit to be printed."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cli", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": _moment, "size": size, "number": _number, "counted": _counted, "who": who, "clean": clean,
    }  # fmt: skip
    return environment.get_template("data_protection.html").render(
        report=found,
        project=found["project"],
        people=[each for each in found["seen"] if each["actor_kind"] != "service"],
        services=[each for each in found["seen"] if each["actor_kind"] == "service"],
        kinds=KINDS,
        provisions=PROVISIONS,
        zone=Settings().timezone,
    )


def size(count: int | None) -> str:
    """Bytes as people say them."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def who(each: Item) -> str:
    """Somebody, in words."""
    name = each["actor"] or "nobody who was recognised"
    return f"{name} (by token)" if each["actor_kind"] == "token" else str(name)


def _print(found: Item) -> None:
    project, identities, quarantine = found["project"], found["identities"], found["quarantine"]
    screen = out()
    screen.print(f"{project['name']}: {project['state']}, approval {project['approval'] or 'not stated'}", markup=False)
    screen.print(
        f"{found['participants']} participants, {found['withdrawn']} withdrawn; identities of {identities['people']} "
        f"people in {identities['studies']} studies; {identities['coupling_entries']} coupling entries; "
        f"{quarantine['instances']} instances in quarantine, {quarantine['undecided']} undecided",
        markup=False,
    )
    screen.print(table(found["places"], PLACES, "Where it is"))
    screen.print(table(found["members"], MEMBERS, "Who may see it"))
    screen.print(table(found["seen"], SEEN, "Who did, saw or was refused something"))


def _write(path: Path, content: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}", Code.USAGE) from error
    out().print(str(path), markup=False)


def _moment(value: str | None) -> str:
    if not value:
        return "—"
    return datetime.fromisoformat(value).astimezone(ZoneInfo(Settings().timezone)).strftime("%Y-%m-%d %H:%M")


def _counted(count: int, one: str, many: str) -> str:
    return f"{_number(count)} {one if count == 1 else many}"


def _number(value: Any) -> str:
    """With narrow no-break spaces between thousands."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
