"""`fiona send`: files by C-STORE to the gateway or to another node, and, if wished, to a project at once."""

from pathlib import Path
from typing import Annotated

import typer

from cli.dicom.node import Node
from cli.failure import Code, Failure
from cli.output import Json


def send(
    paths: Annotated[list[Path] | None, typer.Argument(exists=True, metavar="PATH", help="Files and folders.")] = None,
    patient: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Again: all studies of this PatientID; - reads it from stdin."),
    ] = None,
    last: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, help="Again: all studies of the last so many days.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="AET@HOST:PORT", help="The gateway by default.")] = None,
    calling: Annotated[str, typer.Option("--from", metavar="AET", help="Our own AE title.")] = "FIONA_CLI",
    project: Annotated[str | None, typer.Option(help="Assign what was sent to this project.")] = None,
    participant: Annotated[str | None, typer.Option(metavar="ID", help="The project's pseudonym.")] = None,
    event: Annotated[str, typer.Option(help="The project's word for the visit.")] = "Unknown",
    as_json: Json = False,
) -> None:
    """Send DICOM files; exit code 1 when any was refused."""
    if sum(map(bool, (paths, patient, last))) != 1:
        raise Failure("say what to send: either PATHs, or --patient, or --last", Code.USAGE)
    if project and to:
        raise Failure("--project is for what is sent to the gateway itself: leave out --to", Code.USAGE)
    if participant and not project:
        raise Failure("--participant needs --project", Code.USAGE)
    node = Node.parse(to) if to else None
    from cli.sending import Wish, perform

    perform(Wish(paths or (), patient, last, node, calling, project, participant, event), as_json)
