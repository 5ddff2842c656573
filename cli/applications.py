"""`fiona application`, and `fiona project apply|approve|reject`: how a project begins."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cli.client import Client, segment
from cli.failure import Code, Failure
from cli.output import Column, Json, listing, moment, out, record

app = typer.Typer(help="Applications for projects: list, show, contract.", no_args_is_help=True)
Identity = Annotated[str, typer.Argument(metavar="APPLICATION")]

COLUMNS: tuple[Column, ...] = (
    ("Application", "id"),
    ("Project", "project"),
    ("State", "state"),
    ("Applicant", "applicant"),
    ("PI", lambda item: item["wish"].get("pi_name")),
    ("Approval", lambda item: item["wish"].get("approval")),
    ("Ends", lambda item: item["wish"].get("ends_on")),
    ("Applied", moment("created_at")),
)


@app.command("list")
def list_applications(
    state: Annotated[str | None, typer.Option(help="applied, approved or rejected.")] = None, as_json: Json = False
) -> None:
    """List the applications."""
    with Client() as client:
        listing(client.items("/applications", state=state), COLUMNS, as_json, "no applications")


@app.command()
def show(application: Identity, as_json: Json = False) -> None:
    """Show an application with all that was asked for."""
    with Client() as client:
        record(client.get(f"/applications/{segment(application)}"), as_json)


@app.command()
def contract() -> None:
    """Print what an applicant has to agree to."""
    with Client() as client:
        out().print(client.get("/contract")["text"], markup=False)


def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="YAML; see docs/projects.md.")],
    agree: Annotated[bool, typer.Option("--agree", help="To the contract, `fiona application contract`.")] = False,
    as_json: Json = False,
) -> None:
    """Apply for a project as a file describes it."""
    if not agree:
        raise typer.BadParameter("read `fiona application contract`, then say --agree")
    with Client() as client:
        agreed = client.get("/contract")["version"]
        record(client.post("/applications", {**_content(file), "agreed": agreed}), as_json)


def approve(
    application: Identity,
    destination: Annotated[list[str], typer.Option(help="Where its studies go; may be repeated.")],
    as_json: Json = False,
) -> None:
    """Make the project that was applied for."""
    with Client() as client:
        body = {"destinations": destination}
        record(client.post(f"/applications/{segment(application)}/approve", body), as_json)


def reject(
    application: Identity,
    reason: Annotated[str, typer.Option(help="For the applicant; no patient's name.")],
    as_json: Json = False,
) -> None:
    """Say no to an application."""
    with Client() as client:
        record(client.post(f"/applications/{segment(application)}/reject", {"reason": reason}), as_json)


def _content(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Failure(f"{file} cannot be read: {type(error).__name__}", Code.USAGE) from error
    if not isinstance(content, dict):
        raise Failure(f"{file} is no mapping", Code.USAGE)
    return {key: str(value) if key in ("starts_on", "ends_on") else value for key, value in content.items()}


COMMANDS = (apply, approve, reject)
"""Those that are called `fiona project …`."""
