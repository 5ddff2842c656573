"""Seal anew, with the master key of today, all that is sealed with an older one: `fiona keys rotate`.

In small steps, beside running services, as often as one likes: what is done is passed over. Only when it has said
that nothing is left may the older key be forgotten.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlalchemy import and_, inspect, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.audit import Record, spool
from shared.audit.record import Outcome
from shared.crypto import Vault, open_vault
from shared.database import Database
from shared.keys import settle_hash_key
from shared.settings import Settings
from shared.store import Store
from shared.tables import (
    Application,
    AttributeMark,
    Base,
    Correction,
    CouplingEntry,
    IdempotentAnswer,
    Mail,
    PatientIdentity,
    Project,
    QuarantineReview,
    StudyIdentity,
    VaultKey,
    WebSession,
    WithdrawalNote,
)

SEALED: Mapping[type[Base], tuple[str, ...]] = {
    VaultKey: ("sealed",),
    Project: ("encrypted_key",),
    PatientIdentity: ("patient_id", "patient_name"),
    StudyIdentity: ("accession_number", "details"),
    CouplingEntry: ("accession_number", "patient_id"),
    QuarantineReview: ("reason",),
    AttributeMark: ("reason",),
    Mail: ("recipient", "subject", "text"),
    Application: ("reason",),
    IdempotentAnswer: ("answer",),
    Correction: ("reason",),
    WithdrawalNote: ("note",),
    WebSession: ("refresh",),
}
"""Every encrypted column; beside them there are the files `review/**/*.sealed`."""

STEP = 500

Told = Callable[[str, int], None]
"""What is told how many sealed values a table, or the files, have, as soon as they are through."""


def _silent(where: str, values: int) -> None:
    """Nobody watches."""


@dataclass
class Tally:
    """How many values were looked at, sealed anew, and could not be opened with any key."""

    seen: int = 0
    renewed: int = 0
    unreadable: int = 0

    def renew(self, vault: Vault, sealed: bytes | None) -> bytes | None:
        """The value sealed anew; None when there is nothing to do."""
        if sealed is None:
            return None
        self.seen += 1
        try:
            renewed = vault.renewed(sealed)
        except InvalidTag:
            self.unreadable += 1
            return None
        self.renewed += renewed is not None
        return renewed


async def rotate(settings: Settings, *, only_look: bool = False, told: Told = _silent) -> tuple[Tally, Tally]:
    """Seal anew, then look at everything once more: what was done, and what is left to do.

    WrongKey when the master keys are not this database's. The audit is told before and after.
    """
    database, vault, store = Database(settings.database()), open_vault(settings), Store(Path(settings.data))
    done = look = Tally()
    try:
        await database.migrate()
        await settle_hash_key(database, vault)
        if not only_look:
            record = Record(actor=getuser(), actor_kind="terminal", operation="rotate_keys", outcome="asked")
            await asyncio.to_thread(spool.write, store, [record])
            done = await rekey(database, store, vault, told=told)
        look = await rekey(database, store, vault, only_look=True, told=told)
        if not only_look:
            details = {
                "values": done.seen,
                "renewed": done.renewed,
                "left": look.renewed,
                "unreadable": look.unreadable,
            }
            outcome: Outcome = "failed" if look.renewed or look.unreadable else "done"
            ended = record.model_copy(update={"outcome": outcome, "details": details})
            await asyncio.to_thread(spool.write, store, [ended])
        return done, look
    finally:
        await database.close()


async def rekey(
    database: Database, store: Store, vault: Vault, *, only_look: bool = False, told: Told = _silent
) -> Tally:
    """All tables, then all files. `only_look`: nothing is written, `renewed` counts what would be."""
    tally = Tally()
    for table, columns in SEALED.items():
        before = tally.seen
        after: Sequence[Any] | None = None
        while True:
            async with database.reading() if only_look else database.session() as session:
                after = await _step(session, vault, tally, table, columns, after, only_look)
            if after is None:
                break
        told(table.__tablename__, tally.seen - before)
    before = tally.seen
    await asyncio.to_thread(_files, store, vault, tally, only_look)
    told("review/", tally.seen - before)
    return tally


async def _step(
    session: AsyncSession,
    vault: Vault,
    tally: Tally,
    table: type[Base],
    columns: Sequence[str],
    after: Sequence[Any] | None,
    only_look: bool,
) -> Sequence[Any] | None:
    """One transaction: some rows in the order of their key. The last key; None when there are no more."""
    key = inspect(table).primary_key
    rows = select(*key, *(getattr(table, name) for name in columns)).order_by(*key).limit(STEP)
    if after is not None:
        rows = rows.where(tuple_(*key) > tuple_(*after))
    last: Sequence[Any] | None = None
    for row in (await session.execute(rows)).all():
        last = row[: len(key)]
        for name, sealed in zip(columns, row[len(key) :], strict=True):
            renewed = tally.renew(vault, sealed)
            if renewed is not None and not only_look:
                same = and_(*(column == value for column, value in zip(key, last, strict=True)))
                unchanged = getattr(table, name) == sealed
                await session.execute(update(table).where(same, unchanged).values({name: renewed}))
    return last


def _files(store: Store, vault: Vault, tally: Tally, only_look: bool) -> None:
    for path in (store.root / "review").rglob("*.sealed"):
        try:
            renewed = tally.renew(vault, path.read_bytes())
        except FileNotFoundError:
            continue  # it went meanwhile, as consents and policies have it
        if renewed is not None and not only_look:
            store.write(str(path.relative_to(store.root)), renewed)
