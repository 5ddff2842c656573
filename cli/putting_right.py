"""`fiona reassign`, `cancel` and `withdraw`: what was assigned wrongly, is not wanted, or must not be here."""

from typing import Annotated

import typer

from cli.client import Client, Item, segment
from cli.failure import Code, Failure
from cli.output import Json, out, show_json
from cli.resend import Reason

Study = Annotated[str, typer.Argument(metavar="STUDYINSTANCEUID")]


def reassign(
    study: Study,
    project: Annotated[str, typer.Argument(help="The project that it belongs to.")],
    participant: Annotated[str, typer.Argument(help="The project's pseudonym, e.g. DEMO001.")],
    reason: Reason,
    event: Annotated[str, typer.Option(help="The project's word for the visit.")] = "Unknown",
    wrong: Annotated[str | None, typer.Option("--from", help="The project that it is in now, if another.")] = None,
    as_json: Json = False,
) -> None:
    """Assign a study otherwise: what was sent leaves its destinations, then it is sent as what it is."""
    with Client() as client:
        assignment = in_force(client, study, wrong or project)
        body = {"project": project, "participant": participant, "event": event, "reason": reason}
        made: Item = client.post(f"/assignments/{segment(assignment)}/correction", body)
    _said(made, as_json)


def cancel(
    reason: Reason,
    study: Annotated[str | None, typer.Option(metavar="STUDYINSTANCEUID", help="With --project.")] = None,
    project: Annotated[str | None, typer.Option(help="Where the study is to belong to nobody any more.")] = None,
    transfer: Annotated[str | None, typer.Option(metavar="ID", help="Only this transfer stops.")] = None,
    as_json: Json = False,
) -> None:
    """Stop a transfer, or end an assignment: what was sent leaves its destinations."""
    if (transfer is None) == (study is None or project is None):
        raise Failure("either --transfer, or --study and --project", Code.USAGE)
    with Client() as client:
        if transfer is not None:
            path = f"/transfers/{segment(transfer)}/cancel"
        else:
            path = f"/assignments/{segment(in_force(client, study or '', project or ''))}/cancel"
        made: Item = client.post(path, {"reason": reason})
    _said(made, as_json)


def withdraw(
    project: str,
    participant: Annotated[str, typer.Argument(help="The project's pseudonym.")],
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    as_json: Json = False,
) -> None:
    """Withdraw a participant's consent: everything of them goes, here and at the destinations."""
    if not yes:
        typer.confirm(f"Remove everything of {participant} in {project}, for good?", abort=True)
    with Client() as client:
        path = f"/projects/{segment(project)}/participants/{segment(participant)}/withdrawal"
        made: Item = client.post(path, {"reason": reason})
    _said(made, as_json)


def in_force(client: Client, study: str, project: str) -> str:
    """The id of the assignment of a study in a project."""
    found: Item = client.get(f"/studies/{segment(study)}")
    for each in found["assignments"]:
        if each["project"] == project and not each["refused"] and not each["ended_at"]:
            return str(each["id"])
    raise Failure(f"the study is not assigned in {project}", Code.NOT_FOUND)


def _said(made: Item, as_json: bool) -> None:
    if as_json:
        show_json(made)
    else:
        out().print(f"asked for: see `fiona withdrawal show {made['id']}`", markup=False)
