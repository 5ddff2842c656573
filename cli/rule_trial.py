"""`fiona rule test`: which rule would take a study, and why the others would not."""

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client, Item
from cli.failure import Code, Failure
from cli.output import Column, Json, listing, remark, show_json

HEADER_BYTES = 8 << 20
"""Of a file's beginning that are sent: the header is in them."""

Title = Annotated[str | None, typer.Option(metavar="AET", help="Only with a file: a study has its own.")]


def _why(rule: Item) -> str:
    return ", ".join(f"{each['condition']} {'fits' if each['fits'] else 'does not fit'}" for each in rule["conditions"])


RULES: tuple[Column, ...] = (
    ("ID", "id"),
    ("Project", "project"),
    ("Position", "position"),
    ("Active", "active"),
    ("Takes it", "matches"),
    ("Because", _why),
)
WINNERS: tuple[Column, ...] = (
    ("Project", "project"),
    ("By", "reason"),
    ("Participant", lambda winner: winner["participant"] or ("made up" if winner["made_up"] else "")),
    ("Event", "event"),
    ("Refused", "refused"),
)


def trial(
    what: Annotated[str, typer.Argument(metavar="STUDYINSTANCEUID|FILE", help="A study that is here, or a file.")],
    called: Title = None,
    calling: Title = None,
    project: Annotated[str | None, typer.Option(help="Only rules of this project.")] = None,
    as_json: Json = False,
) -> None:
    """Try the rules on a study or on a file's header; 1 when no project would take it."""
    body: dict[str, Any] = {"project": project, "called_aet": called, "calling_aet": calling}
    body |= {"header": _header(Path(what))} if Path(what).is_file() else {"study_instance_uid": what}
    with Client() as client:
        found = client.post("/rules/test", body)
    if as_json:
        show_json(found)
    else:
        listing(found["rules"], RULES, False, "no rules", "Rules, in the order in which they are tried")
        listing(found["winners"], WINNERS, False, "no rule takes it", "What would become of it")
    if all(winner["refused"] for winner in found["winners"]):
        raise Failure("no project would take it")


def _header(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(HEADER_BYTES)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}", Code.USAGE) from error
    remark("its header is sent to the gateway, and not kept there")
    return base64.b64encode(content).decode()
