"""`fiona backup`, `fiona restore`, `fiona republish`: where database and store are; no gateway needs to run."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.failure import Code, Failure
from cli.output import Json, out, remark, show_json

if TYPE_CHECKING:
    from shared.recovery.republish import Republished
    from shared.settings import Settings


@contextmanager
def _failures() -> Iterator[None]:
    from shared.bus import BusUnavailable
    from shared.database import DatabaseUnavailable
    from shared.keys import WrongKey
    from shared.recovery.backup import BackupError
    from shared.recovery.dump import DumpError

    try:
        yield
    except DatabaseUnavailable as error:
        raise Failure(f"the database cannot be reached ({error})", Code.UNREACHABLE) from error
    except BusUnavailable as error:
        raise Failure(f"the bus cannot be reached ({error})", Code.UNREACHABLE) from error
    except WrongKey as error:
        raise Failure(str(error), Code.USAGE) from error
    except (BackupError, DumpError) as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"{error.filename or 'a file'}: {error.strerror}") from error


def backup(
    to: Annotated[Path, typer.Argument(help="A folder that is new or empty, not in the store.")],
    files: Annotated[bool, typer.Option("--files", help="The store's files too, not only the list of them.")] = False,
    since: Annotated[
        Path | None,
        typer.Option(help="An earlier backup beside it: what is unchanged since is linked to it.", exists=True),
    ] = None,
    with_key: Annotated[
        bool, typer.Option("--with-key", help="The master key too: who has the folder then has everything.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy the database as of this moment and list the store, beside the running gateway, with its variables.

    Without the master key nobody can use what is encrypted in it: keep that somewhere else.
    """
    from shared.recovery.backup import make
    from shared.settings import Settings

    with _failures():
        done = asyncio.run(make(Settings(), to, with_files=files, with_key=with_key, before=since))
    if as_json:
        show_json(done.model_dump(mode="json"))
        return
    out().print(f"{done.studies} studies, {done.instances} instances, {done.transfers} transfers", markup=False)
    what = "copied" if files else "listed"
    out().print(f"{done.files} files {what} ({done.bytes} bytes, {done.linked} linked to the one before)", markup=False)
    if not files:
        remark("the files of the store are not in it: copy them after this (see docs/operations.md)")
    if not with_key:
        remark("the master key is not in it: keep a copy of that somewhere else")


def restore(
    backup_folder: Annotated[Path, typer.Argument(metavar="BACKUP", exists=True, file_okay=False)],
    as_json: Json = False,
) -> None:
    """Put a backup back: into an empty database, and into a store of which nothing is overwritten.

    Stop all services first; the broker's virtual host must be new. Instances that came after the backup are found
    again in the archive. Exit code 1 when files of the backup are altered in the store, or missing there and no
    policy has removed them since.
    """
    from shared.recovery.restore import restore as put_back
    from shared.settings import Settings

    with _failures():
        done = asyncio.run(put_back(Settings(), backup_folder))
    if as_json:
        show_json(
            {
                "made_at": done.backup.made_at.isoformat(),
                "files": done.copied,
                "missing": done.missing,
                "altered": done.altered,
                "removed": done.removed,
                "examples": done.examples,
                **_as_json(done.again),
            }
        )
    else:
        out().print(f"as of {done.backup.made_at.isoformat(timespec='seconds')}", markup=False)
        if done.backup.with_files:
            out().print(f"{done.copied} files are in the store", markup=False)
        if done.removed:
            out().print(f"{done.removed} files of the backup were removed by a policy since", markup=False)
        _say(done.again)
    if done.missing or done.altered:
        for path in done.examples:
            remark(path)
        raise Failure(f"{done.missing} files of the backup are missing in the store, {done.altered} are altered")


def republish(
    older_than: Annotated[
        float, typer.Option(help="Seconds: what was published later may just be under way.", min=0)
    ] = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much there is.")] = False,
    as_json: Json = False,
) -> None:
    """Bring everything unfinished on its way again: after the broker has lost its data, or at any time.

    Beside the running gateway, with its variables. What has been handled is recognised and done no second time.
    """
    from shared.settings import Settings

    with _failures():
        done = asyncio.run(_republish(Settings(), timedelta(seconds=older_than), dry_run))
    if as_json:
        show_json({"dry_run": dry_run, **_as_json(done)})
    else:
        _say(done)


async def _republish(settings: "Settings", older_than: timedelta, dry_run: bool) -> "Republished":
    from shared.bus import RetryTiers
    from shared.bus.open import open_bus
    from shared.database import Database
    from shared.recovery.republish import republish as bring_back
    from shared.store import Store

    database = Database(settings.database())
    tiers = RetryTiers(tuple(settings.bus_retry_seconds))
    bus = open_bus(settings.bus(), database, tiers, settings.bus_settling_seconds)
    try:
        await database.migrate()
        return await bring_back(database, Store(settings.data), bus, older_than=older_than, only_look=dry_run)
    finally:
        await bus.close()
        await database.close()


def _as_json(done: "Republished") -> dict[str, Any]:
    return {
        "messages": done.messages,
        "associations": done.associations,
        "studies": done.studies,
        "instances": done.instances,
        "left": done.removed,
        "unreadable": done.unreadable,
    }


def _say(done: "Republished") -> None:
    for name, number in done.messages.items():
        out().print(f"{number} × {name}", markup=False)
    if done.associations:
        out().print(f"{done.associations} associations that never ended", markup=False)
    if done.instances:
        out().print(f"{done.instances} instances of {done.studies} studies that nobody knew", markup=False)
    if done.removed:
        out().print(f"{done.removed} studies that had left the archive by a policy: noted", markup=False)
    for path in done.unreadable:
        remark(f"cannot be read: {path}")
    if not done.anything:
        out().print("nothing is left behind")
