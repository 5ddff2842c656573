"""A project's key under a passphrase: brought away from the gateway, and opened without it."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client, segment
from cli.failure import Failure
from cli.output import out
from cli.profile_source import text

PassphraseFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Its first line is the passphrase; without it, you are asked."),
]


def export_key(
    project: str,
    to: Annotated[Path, typer.Option(help="The file; it must not be there yet.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Save a project's key, sealed with a passphrase: for those who manage it. Keep both, and apart."""
    _new(to)
    passphrase = _passphrase(passphrase_file, confirm=True)
    with Client() as client:
        sealed = client.post(f"/projects/{segment(project)}/key", {"passphrase": passphrase})
    _write(to, json.dumps(sealed, indent=2) + "\n")
    out().print(f"the key of {project} is in {to}; `fiona project open-key` opens it", markup=False)


def open_key(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What `fiona project key` has saved.")],
    to: Annotated[Path, typer.Option(help="The key in hexadecimal digits, for `fiona deidentify --key-file`.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Open a sealed key; needs no gateway."""
    _new(to)
    from shared.escrow import EscrowError, unseal

    try:
        project, key = unseal(text(file), _passphrase(passphrase_file, confirm=False))
    except EscrowError as error:
        raise Failure(f"{file} does not open: {error}") from error
    _write(to, key.hex() + "\n")
    out().print(f"the key of {project} is in {to}: whoever has it can make its pseudonyms", markup=False)


def _passphrase(file: Path | None, confirm: bool) -> str:
    if file is not None:
        return text(file).split("\n")[0].rstrip("\r")
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))


def _new(file: Path) -> None:
    if file.exists():
        raise typer.BadParameter(f"{file} is there already")


def _write(file: Path, content: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(content)
