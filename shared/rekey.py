"""Seal anew, with the master key of today, all that is sealed with an older one: `python -m shared.rekey`.

In small steps, beside running services, as often as one likes: what is done is passed over. Only when it has said
that nothing is left may the older key be forgotten.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlalchemy import and_, inspect, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.crypto import Vault, open_vault
from shared.database import Database
from shared.keys import settle_hash_key
from shared.settings import Settings
from shared.store import Store
from shared.tables import (
    Application,
    AttributeMark,
    Base,
    CouplingEntry,
    Mail,
    PatientIdentity,
    Project,
    QuarantineReview,
    StudyIdentity,
    VaultKey,
)

SEALED: Mapping[type[Base], tuple[str, ...]] = {
    VaultKey: ("sealed",),
    Project: ("encrypted_key",),
    PatientIdentity: ("patient_id", "patient_name"),
    StudyIdentity: ("accession_number", "details"),
    CouplingEntry: ("accession_number",),
    QuarantineReview: ("reason",),
    AttributeMark: ("reason",),
    Mail: ("recipient", "subject", "text"),
    Application: ("reason",),
}
"""Every encrypted column; beside them there are the files `review/**/*.sealed`."""

STEP = 500


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


async def rekey(database: Database, store: Store, vault: Vault) -> Tally:
    """All tables, then all files."""
    tally = Tally()
    for table, columns in SEALED.items():
        after: Sequence[Any] | None = None
        while True:
            async with database.session() as session:
                after = await _step(session, vault, tally, table, columns, after)
            if after is None:
                break
    await asyncio.to_thread(_files, store, vault, tally)
    return tally


async def _step(
    session: AsyncSession,
    vault: Vault,
    tally: Tally,
    table: type[Base],
    columns: Sequence[str],
    after: Sequence[Any] | None,
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
            if (renewed := tally.renew(vault, sealed)) is not None:
                same = and_(*(column == value for column, value in zip(key, last, strict=True)))
                unchanged = getattr(table, name) == sealed
                await session.execute(update(table).where(same, unchanged).values({name: renewed}))
    return last


def _files(store: Store, vault: Vault, tally: Tally) -> None:
    for path in (store.root / "review").rglob("*.sealed"):
        if (renewed := tally.renew(vault, path.read_bytes())) is not None:
            store.write(str(path.relative_to(store.root)), renewed)


async def _main(settings: Settings) -> Tally:
    database, vault = Database(settings.database()), open_vault(settings)
    try:
        await database.migrate()
        await settle_hash_key(database, vault)
        return await rekey(database, Store(Path(settings.data)), vault)
    finally:
        await database.close()


def main() -> int:
    """Do it and say how far it came; 1 when something could not be opened with any of the keys."""
    tally = asyncio.run(_main(Settings()))
    sys.stdout.write(f"{tally.seen} values, {tally.renewed} sealed anew, {tally.unreadable} under an unknown key\n")
    return 1 if tally.unreadable else 0


if __name__ == "__main__":
    sys.exit(main())
