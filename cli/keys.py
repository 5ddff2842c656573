"""`fiona keys`: another master key, where the database and the store are; no gateway needs to run."""

import asyncio
from typing import Annotated

import typer

from cli.failure import Code, Failure
from cli.output import Json, out, remark, show_json

app = typer.Typer(help="The master key: rotate.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `rotate` a subcommand while it is the only one."""


@app.command()
def rotate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much there is to do.")] = False,
    as_json: Json = False,
) -> None:
    """Seal anew, with FIONA_SECRET_KEY, all that FIONA_SECRET_KEY_OLD has sealed; then look at all of it again.

    Beside the running gateway, with its variables. Interrupted, it is started again. Exit code 1 when something is left
    under an older key, or fits none of the keys.
    """
    from shared.database import DatabaseUnavailable
    from shared.keys import WrongKey
    from shared.rekey import rotate as sealed_anew
    from shared.settings import Settings

    def told(where: str, values: int) -> None:
        if values:
            remark(f"{where}: {values}")

    try:
        done, look = asyncio.run(sealed_anew(Settings(), only_look=dry_run, told=told))
    except WrongKey as error:
        raise Failure(str(error), Code.USAGE) from error
    except DatabaseUnavailable as error:
        raise Failure(f"the database cannot be reached ({error})", Code.UNREACHABLE) from error
    left, unreadable = look.renewed, look.unreadable
    if as_json:
        counts = {"values": look.seen, "renewed": done.renewed, "left": left, "unreadable": unreadable}
        show_json({"dry_run": dry_run} | counts)
    elif dry_run:
        out().print(f"{look.seen} values, {left} to be sealed anew")
    else:
        out().print(f"{done.seen} values, {done.renewed} sealed anew")
        if not left and not unreadable:
            out().print(f"looked at again: all {look.seen} are sealed with the key of today")
            out().print("as soon as every process runs with it, older ones may go")
    if unreadable:
        raise Failure(f"{unreadable} values fit none of the keys")
    if left and not dry_run:
        raise Failure(
            f"{left} values are still under an older key: does every process have the new one? Then once more"
        )
