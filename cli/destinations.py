"""`fiona destination`: where de-identified studies go."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.client import Client, segment
from cli.dicom.node import Node
from cli.failure import Failure
from cli.output import Column, Json, clean, listing, out, record, show_json

app = typer.Typer(help="Destinations: add, list, show, set, drop, echo.", no_args_is_help=True)

COLUMNS: tuple[Column, ...] = (
    ("Destination", "name"),
    ("Kind", "kind"),
    (
        "Settings",
        lambda item: ", ".join(f"{k}={clean(v)}" for k, v in (item.get("config") or {}).items() if v),
    ),
)


class Kind(StrEnum):
    """What a destination can be."""

    DICOM = "dicom"
    DICOMWEB = "dicomweb"
    FOLDER = "folder"


@app.command()
def add(
    name: str,
    kind: Kind,
    target: Annotated[
        str | None,
        typer.Argument(
            help="dicom: AET@host:port; dicomweb: the root's URL; folder: its path (outbox/NAME by default)."
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any other setting, as calling_aet=FIONA or withdraw.by=orthanc-rest; may be repeated.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a destination."""
    body = {"name": name, "kind": kind.value, "config": {**_target(kind, target), **_settings(setting or [])}}
    with Client() as client:
        record(client.post("/destinations", body), as_json)


@app.command("list")
def list_destinations(as_json: Json = False) -> None:
    """List the destinations."""
    with Client() as client:
        listing(
            client.items("/destinations"),
            COLUMNS,
            as_json,
            "no destinations; add one with `fiona destination add`",
        )


@app.command()
def show(name: str, as_json: Json = False) -> None:
    """Show a destination and all its settings."""
    with Client() as client:
        record(client.get(f"/destinations/{segment(name)}"), as_json)


@app.command("set")
def set_destination(
    name: str,
    setting: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…", help="KEY= alone goes back to the default.")],
    as_json: Json = False,
) -> None:
    """Change settings of a destination; what is not named stays."""
    path = f"/destinations/{segment(name)}"
    with Client() as client:
        config = dict(client.get(path)["config"])
        _merge(config, _settings(setting))
        record(client.patch(path, {"config": config}), as_json)


@app.command()
def drop(name: str) -> None:
    """Take a destination away; 5 while a project names it or a transfer is on its way there."""
    with Client() as client:
        client.delete(f"/destinations/{segment(name)}")
    out().print(f"dropped {name}", markup=False)


@app.command()
def echo(name: str, as_json: Json = False) -> None:
    """Ask a destination whether it is there (C-ECHO, QIDO-RS, or a look at the folder)."""
    with Client() as client:
        answer = client.post(f"/destinations/{segment(name)}/echo")
    if as_json:
        show_json(answer)
    said = f"{name}: {answer.get('detail') or 'no details'} ({answer.get('milliseconds')} ms)"
    if not answer["ok"]:
        raise Failure(said)
    if not as_json:
        out().print(f"ok, {said}", markup=False)


def _target(kind: Kind, target: str | None) -> dict[str, Any]:
    if kind is Kind.FOLDER:
        return {"folder": target} if target else {}
    if not target:
        raise typer.BadParameter("say where: AET@host:port, or the root's URL")
    if kind is Kind.DICOMWEB:
        return {"url": target}
    node = Node.parse(target)
    return {"host": node.host, "port": node.port, "called_aet": node.aet}


def _settings(pairs: list[str]) -> dict[str, Any]:
    """KEY=VALUE pairs; `tls.ca_file=…` reaches into a nested setting."""
    made: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE")
        *outer, last = key.split(".")
        place = made
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = value
    return made


def _merge(config: dict[str, Any], changes: dict[str, Any]) -> None:
    """Settings into settings; an empty one is taken out."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _merge(config[key], value)
        elif value == "":
            config.pop(key, None)
        else:
            config[key] = value
