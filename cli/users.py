"""`fiona user`: accounts, and the first of them."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client, segment
from cli.failure import Code, Failure
from cli.output import Column, Json, listing, moment, record, remark
from cli.session import password

app = typer.Typer(
    help="Accounts: add, list, set, disable, enable, password, forgotten, reset, bootstrap.", no_args_is_help=True
)

COLUMNS: tuple[Column, ...] = (
    ("Login", "login"),
    ("Name", "name"),
    ("Mail", "mail"),
    ("From", "origin"),
    ("Roles", lambda user: sorted({*user["system_roles"], *user["mapped_roles"]})),
    ("Disabled", "disabled"),
    ("Last seen", moment("signed_in_at")),
)
Login = Annotated[str, typer.Argument(metavar="LOGIN")]
Role = Annotated[list[str] | None, typer.Option(help="administrator, operator or auditor; may be repeated.")]
Name = Annotated[str | None, typer.Option(help="For people.")]
Mail = Annotated[str | None, typer.Option(help="Where links to set a password go.")]


@app.command()
def add(
    login: Login,
    name: Name = None,
    mail: Mail = None,
    role: Role = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="None yet: it is set later.")] = False,
    as_json: Json = False,
) -> None:
    """Add an account; you are asked for its password (in a pipe it is the first line of stdin)."""
    said = None if no_password else password("Password", confirm=True)
    body = {"login": login, "name": name, "mail": mail, "system_roles": role or [], "password": said}
    with Client() as client:
        record(client.post("/accounts", body), as_json)


@app.command("list")
def list_users(
    disabled: Annotated[bool | None, typer.Option("--disabled/--enabled", help="Only those.")] = None,
    as_json: Json = False,
) -> None:
    """List the accounts."""
    with Client() as client:
        listing(client.items("/accounts", disabled=disabled), COLUMNS, as_json, "no accounts")


@app.command("set")
def set_user(
    login: Login,
    name: Name = None,
    mail: Mail = None,
    role: Role = None,
    no_role: Annotated[bool, typer.Option("--no-role", help="None for the whole gateway.")] = False,
    as_json: Json = False,
) -> None:
    """Change an account; what is not said stays."""
    wish = {"name": name, "mail": mail, "system_roles": [] if no_role else role or None}
    if all(value is None for value in wish.values()):
        raise typer.BadParameter("say what is to be different")
    with Client() as client:
        record(client.patch(f"/accounts/{segment(login)}", wish), as_json)


@app.command()
def disable(login: Login) -> None:
    """Nobody signs in by it any more; its sessions and tokens end."""
    with Client() as client:
        client.patch(f"/accounts/{segment(login)}", {"disabled": True})
    remark(f"{login} is disabled")


@app.command()
def enable(login: Login) -> None:
    """Let it sign in again; its tokens stay revoked."""
    with Client() as client:
        client.patch(f"/accounts/{segment(login)}", {"disabled": False})
    remark(f"{login} is enabled")


@app.command("password")
def set_password(login: Annotated[str | None, typer.Argument(metavar="LOGIN", help="Not you.")] = None) -> None:
    """Change your own password (in a pipe: the old one, the new one), or give somebody else one."""
    with Client() as client:
        if login is not None:
            client.put(f"/accounts/{segment(login)}/password", {"password": password("Password", confirm=True)})
        else:
            old = password("Old password")
            client.post("/session/password", {"old": old, "new": password("New password", confirm=True)})
    remark("changed: other sessions, and all tokens, have ended")


@app.command()
def forgotten(login: Annotated[str, typer.Argument(metavar="LOGIN", help="Or the mail address.")]) -> None:
    """Ask for a mail with which a new password can be set."""
    with Client() as client:
        minutes = client.post("/session/password/forgotten", {"login": login})["minutes"]
    remark(f"if there is such an account, a mail is on its way; it is good for {minutes} minutes: `fiona user reset`")


@app.command()
def reset() -> None:
    """Set a new password with what was mailed (in a pipe: what was mailed, the password)."""
    token = password("What was mailed").strip()
    with Client() as client:
        body = {"token": token.rpartition("#")[2], "password": password("New password", confirm=True)}
        client.post("/session/password/reset", body)
    remark("changed: sign in by `fiona login`")


@app.command()
def bootstrap(
    login: Login,
    password_file: Annotated[
        Path | None, typer.Option(help="Its first line is the password; a file that is not there gets a random one.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="Gets a token, good for 30 days.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Operator and owner of every project, too.")] = False,
    recover: Annotated[bool, typer.Option("--recover", help="Also when there are administrators.")] = False,
) -> None:
    """Make the first administrator, on the machine that has the database: it is asked, not the gateway."""
    options = [
        *(["--password-file", str(password_file)] if password_file else []),
        *(["--token-file", str(token_file)] if token_file else []),
        *(["--everything"] if everything else []),
        *(["--recover"] if recover else []),
    ]
    done = subprocess.run(  # noqa: S603  our own interpreter, no shell
        [sys.executable, "-m", "services.api.people", login, *options], stderr=subprocess.PIPE, text=True, check=False
    )
    said = (done.stderr.strip().splitlines() or ["it has ended"])[-1]
    if done.returncode:
        raise Failure(said, Code(done.returncode) if done.returncode in set(Code) else Code.FAILED)
    remark(f"{said}; `fiona login {login}`")
