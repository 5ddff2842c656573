"""`fiona project …`: a project's life, from production to its end."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, listing, moment, out, record, show_json, table

STEPS: tuple[Column, ...] = (
    ("When", moment("at")),
    ("Step", "kind"),
    ("Detail", "detail"),
    ("By", lambda step: step["by"] or "the clock"),
)
WORK: tuple[Column, ...] = (
    ("Work", "kind"),
    ("State", "state"),
    ("Tries", "tries"),
    ("Next try", moment("next_try_at")),
    ("Error", "error"),
)
EXPORTS: tuple[Column, ...] = (
    ("Export", "id"),
    ("Final", "final"),
    ("State", "state"),
    ("Instances", "instances"),
    ("Held no more", "missing"),
    ("Bytes", "size"),
    ("SHA-256", "sha256"),
    ("Made", moment("made_at")),
    ("Confirmed by", "confirmed_by"),
    ("Why it is gone", lambda export: export["why"] or ""),
)
LEFTOVERS: tuple[Column, ...] = (
    ("Destination", "destination"),
    ("StudyInstanceUID", "study_instance_uid"),
    ("Removed by", "done_by"),
    ("Removed", moment("done_at")),
)
REQUESTS: tuple[Column, ...] = (
    ("Request", "id"),
    ("Who", "person"),
    ("Role", "role"),
    ("State", "state"),
    ("Asked", moment("created_at")),
)
Export = Annotated[str, typer.Argument(metavar="EXPORT")]


def _edit(name: str, verb: str, body: dict[str, str], as_json: bool) -> None:
    """A step that is taken only as the project was seen."""
    with Client() as client:
        _, etag = client.marked(f"/projects/{segment(name)}")
        record(client.post(f"/projects/{segment(name)}/{verb}", body, replaces=etag), as_json)


def produce(name: str, as_json: Json = False) -> None:
    """Let a project go from development to production."""
    _edit(name, "produce", {}, as_json)


def archive(
    name: str,
    reason: Annotated[str, typer.Option(help="For people; no patient's name.")],
    as_json: Json = False,
) -> None:
    """Send a project to the archive before its approval ends: no more transfers or changes."""
    _edit(name, "archive", {"reason": reason}, as_json)


def extend(
    name: str,
    until: Annotated[str, typer.Argument(metavar="YYYY-MM-DD", help="The first day without an approval.")],
    approval: Annotated[str, typer.Option(help="Its number, when it is another one.")] = "",
    as_json: Json = False,
) -> None:
    """Give a project a longer approval; one in the archive takes studies again."""
    _edit(name, "extend", {"ends_on": until, "approval": approval}, as_json)


def steps(name: str, as_json: Json = False) -> None:
    """Show what has happened to a project, and what is being done with it."""
    with Client() as client:
        found = client.get(f"/projects/{segment(name)}/steps", limit=1000)
    if as_json:
        return show_json(found)
    out().print(table(found["items"], STEPS, "steps"))
    if found["work"]:
        out().print(table(found["work"], WORK, "work"))
    return None


def export(name: str, as_json: Json = False) -> None:
    """Ask for a project's data in one file; `exports` says when it is there."""
    with Client() as client:
        record(client.post(f"/projects/{segment(name)}/exports"), as_json)


def exports(name: str, as_json: Json = False) -> None:
    """List a project's exports."""
    with Client() as client:
        listing(client.items(f"/projects/{segment(name)}/exports"), EXPORTS, as_json, "no exports")


def download(name: str, export: Export, to: Annotated[Path, typer.Option(metavar="FILE", help="A new file.")]) -> None:
    """Download an export."""
    with Client() as client:
        size = client.download(f"/projects/{segment(name)}/exports/{segment(export)}/file", to)
    out().print(f"{size} bytes in {to}, SHA-256 {_digest(to)}", markup=False)


def confirm(
    name: str,
    export: Export,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The copy that was downloaded.")],
    missing: Annotated[
        int, typer.Option(min=0, help="How many instances are missing in it, if any are: `exports` says it.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Confirm to have an export, by one's copy of it; after the last one the project's data go from here for good."""
    body = {"sha256": _digest(file), "missing": missing}
    with Client() as client:
        path = f"/projects/{segment(name)}/exports/{segment(export)}/confirm"
        record(client.post(path, body), as_json)


def leftovers(
    name: str,
    done: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="DESTINATION STUDYINSTANCEUID", help="Say that this one was removed."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what of a deleted project has to be removed at its destinations by hand."""
    path = f"/projects/{segment(name)}/leftovers"
    with Client() as client:
        if done:
            body = {"destination": done[0], "study_instance_uid": done[1]}
            record(client.post(f"{path}/removed", body), as_json)
        else:
            listing(client.items(path), LEFTOVERS, as_json, "nothing is left over")


def join(
    name: str,
    role: Annotated[str, typer.Option(help="owner, data_manager, data_entry or controller.")] = "data_entry",
    as_json: Json = False,
) -> None:
    """Ask to work in a project."""
    with Client() as client:
        record(client.post(f"/projects/{segment(name)}/access-requests", {"role": role}), as_json)


def requests(
    name: str,
    state: Annotated[str, typer.Option(help="asked, granted or declined.")] = "asked",
    as_json: Json = False,
) -> None:
    """List who asks to work in a project."""
    with Client() as client:
        path = f"/projects/{segment(name)}/access-requests"
        listing(client.items(path, state=state), REQUESTS, as_json, "nobody asks")


def grant(name: str, request: Annotated[str, typer.Argument(metavar="REQUEST")], as_json: Json = False) -> None:
    """Let somebody in who asks."""
    with Client() as client:
        record(client.post(f"/projects/{segment(name)}/access-requests/{segment(request)}/grant"), as_json)


def decline(name: str, request: Annotated[str, typer.Argument(metavar="REQUEST")], as_json: Json = False) -> None:
    """Do not let somebody in who asks."""
    with Client() as client:
        record(client.post(f"/projects/{segment(name)}/access-requests/{segment(request)}/decline"), as_json)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


COMMANDS = (
    produce, archive, extend, steps, export, exports, download, confirm, leftovers, join, requests, grant, decline,
)  # fmt: skip
"""In the order in which a project meets them; each is called as its function."""
