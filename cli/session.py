"""`fiona login`, `logout`, `whoami`: who the commands are from."""

import sys
from typing import Annotated

import typer

from cli import logins, loopback
from cli.client import Client, Item, segment
from cli.failure import Code, Failure
from cli.output import Json, local, out, record, remark


def login(
    name: Annotated[str | None, typer.Argument(metavar="LOGIN", help="Without it, you are asked.")] = None,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="Sign in there (OpenID Connect), by a browser on this machine.")
    ] = None,
) -> None:
    """Sign in for the commands to come; in a pipe the password is the first line of stdin."""
    if provider is not None:
        return _by_browser(provider)
    said = name or str(typer.prompt("Login", err=True))
    with Client() as client:
        me = client.post("/session", {"login": said, "password": password("Password"), "bearer": True})
        logins.save(client.base, me["token"])
    return _said(me)


def _by_browser(provider: str) -> None:
    """The browser signs in and comes back to a port of this machine."""
    with Client() as client, loopback.Loopback() as waiting:
        address = f"{client.base}/api/v1/session/oidc/{segment(provider)}?{waiting.query}"
        remark(f"sign in there, in a browser on this machine: {address}")
        loopback.show(address)
        me = client.post("/session/code", {"code": waiting.wait(), "verifier": waiting.verifier})
        logins.save(client.base, me["token"])
    _said(me)


def _said(me: Item) -> None:
    out().print(f"signed in as {me['login']} until {local(me['expires_at'])}", markup=False)


def logout() -> None:
    """Sign out, and forget it here."""
    with Client() as client:
        client.delete("/session")
        logins.save(client.base, None)
    remark("signed out")


def whoami(as_json: Json = False) -> None:
    """Show who you are there, and what you may."""
    with Client() as client:
        me = client.get("/session")
    if not as_json:
        me["projects"] = [
            f"{each['project']}: {', '.join(each['roles'])}"
            + (f" ({', '.join(each['sites'])})" if each["sites"] else "")
            for each in me["projects"]
        ]
    record(me, as_json)


def password(prompt: str, confirm: bool = False) -> str:
    """Asked for without an echo; in a pipe, the first line of stdin."""
    if not sys.stdin.isatty():
        if said := sys.stdin.readline().rstrip("\r\n"):
            return said
        raise Failure("a password is wanted: it is the first line of standard input", Code.USAGE)
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
