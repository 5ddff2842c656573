"""`fiona assign`: a study belongs to a project's participant; the verdict is waited for."""

from typing import Annotated

import typer

from cli.client import Client, Item, segment, wait
from cli.failure import Failure
from cli.output import Json, out, show_json

PATIENCE = 60.0
"""Seconds that a verdict may take."""


def assign(
    study: Annotated[str, typer.Argument(metavar="STUDYINSTANCEUID")],
    project: str,
    participant: Annotated[
        str | None,
        typer.Argument(help="The project's pseudonym, e.g. DEMO001; without one the project makes it up."),
    ] = None,
    event: Annotated[str, typer.Option(help="The project's word for the visit.")] = "Unknown",
    as_json: Json = False,
) -> None:
    """Assign a study to a project; its transfer starts by itself."""
    with Client() as client:
        verdict = assigned(client, study, project, participant, event)
    if as_json:
        show_json(verdict)
    else:
        out().print(f"in force: {study} is {project} {verdict.get('participant', '')} ({event})", markup=False)


def assigned(client: Client, study: str, project: str, participant: str | None, event: str) -> Item:
    """The assignment once it is in force; Failure when it is refused, or when nobody decides."""
    body = {"project": project, "participant": participant, "event": event}
    given: Item = client.post(f"/studies/{segment(study)}/assignments", body)
    path = f"/assignments/{segment(str(given['id']))}"

    def decided() -> Item | None:
        answer: Item = client.get(path)
        return None if answer["state"] == "pending" else answer

    verdict = wait(decided, PATIENCE)
    if verdict is None:
        raise Failure(f"no verdict on the assignment after {PATIENCE:.0f} s; is the router running?")
    if verdict["state"] != "in_force":
        raise Failure(f"refused: {verdict.get('refused') or 'no reason was given'}")
    return {**given, "study_instance_uid": study, **{key: value for key, value in verdict.items() if value is not None}}
