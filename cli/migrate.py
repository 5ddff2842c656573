"""`fiona migrate`: the database brought to this version's schema, once, before the services of this version start."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failure import Code, Failure
from cli.output import Json, out, remark, show_json

if TYPE_CHECKING:
    from shared.settings import Settings


def migrate(
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for the database.")] = 60,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 when there is work.")] = False,
    as_json: Json = False,
) -> None:
    """Bring the database to the schema of this version, with the gateway's variables; no service needs to run.

    Services do it themselves when they start, unless FIONA_MIGRATE=false has them wait for this. As often as you like,
    and by several at once: one does it. There is no way back but the backup.
    """
    from shared.database import DatabaseUnavailable
    from shared.settings import Settings

    try:
        before, after = asyncio.run(_migrate(Settings(), wait, check))
    except DatabaseUnavailable as error:
        raise Failure(f"the database cannot be brought to this version ({error})", Code.UNREACHABLE) from error
    if as_json:
        show_json({"before": before, "after": after, "changed": before != after, "check": check})
    elif before == after:
        out().print(f"the schema is of this version already ({after})")
    elif check:
        out().print(f"the schema has to be brought from {before or 'nothing'} to {after}")
    else:
        out().print(f"the schema was brought from {before or 'nothing'} to {after}")
    if check and before != after:
        raise typer.Exit(Code.FAILED)


async def _migrate(settings: "Settings", wait: float, check: bool) -> tuple[str | None, str]:
    """The revisions before and after (or, only asked, the one that it should have)."""
    from shared.database import Database, DatabaseUnavailable
    from shared.migrations import head, version

    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database())
    deadline = time.monotonic() + wait
    try:
        while True:
            try:
                async with database.reading() as session:
                    before = await (await session.connection()).run_sync(version)
                if not check:
                    await database.migrate()
                return before, head()
            except DatabaseUnavailable as error:
                if time.monotonic() > deadline:
                    raise
                remark(f"waiting for the database ({error})")
                await asyncio.sleep(2)
    finally:
        await database.close()
