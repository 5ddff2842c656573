"""`fiona member`: what people are in a project; the project `*` is every one."""

from typing import Annotated

import typer

from cli.client import Client, segment
from cli.output import Column, Json, listing, moment, record, remark

app = typer.Typer(help="Members of a project (or of '*', every one): add, list, remove.", no_args_is_help=True)

COLUMNS: tuple[Column, ...] = (
    ("Login", "login"),
    ("Name", "name"),
    ("Roles", "roles"),
    ("Sites", lambda member: member["sites"] or "all"),
    ("From", "origin"),
    ("By", "granted_by"),
    ("Since", moment("created_at")),
)
Project = Annotated[str, typer.Argument(metavar="PROJECT", help="Or '*': every one.")]
Login = Annotated[str, typer.Argument(metavar="LOGIN")]


@app.command()
def add(
    project: Project,
    login: Login,
    role: Annotated[list[str], typer.Option(help="owner, data_manager, data_entry or controller; may be repeated.")],
    site: Annotated[list[str] | None, typer.Option(help="A data access group; may be repeated; none: all.")] = None,
    as_json: Json = False,
) -> None:
    """Say what somebody is in a project, in place of what they were."""
    with Client() as client:
        record(client.put(f"{_members(project)}/{segment(login)}", {"roles": role, "sites": site or []}), as_json)


@app.command("list")
def list_members(project: Project, as_json: Json = False) -> None:
    """List the members of a project."""
    with Client() as client:
        listing(client.items(_members(project)), COLUMNS, as_json, "no members")


@app.command()
def remove(project: Project, login: Login) -> None:
    """Take somebody out of a project."""
    with Client() as client:
        client.delete(f"{_members(project)}/{segment(login)}")
    remark(f"{login} is no member any more")


def _members(project: str) -> str:
    return "/members" if project == "*" else f"/projects/{segment(project)}/members"
