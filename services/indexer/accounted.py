"""Whether the catalogue knows every file that the archive has of a study.

All that an association brought is in the archive when it ends. So where this is true, nobody who has ended can bring
more of the study, whatever was counted: some messages may have been lost with a broker or a database, and what they
spoke of was found again by its files, under another association.
"""

import asyncio
import os

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.store import Store
from shared.tables import Instance, InstanceConflict


async def accounted(session: AsyncSession, store: Store, study: str) -> bool:
    """Never for a study without files. The files are looked at first: what comes later is by somebody who goes on."""
    try:
        files = await asyncio.to_thread(_files, store, study)
    except OSError:
        return False
    catalogued = select(Instance.path).where(Instance.study_instance_uid == study, Instance.removed_at.is_(None))
    conflicts = select(InstanceConflict.path).where(InstanceConflict.study_instance_uid == study)
    return bool(files) and files <= {*(await session.scalars(catalogued)), *(await session.scalars(conflicts))}


def _files(store: Store, study: str) -> set[str]:
    """Store-relative, also those that a journal still owes."""
    folder = f"archive/scp_{study}"
    return {f"{folder}/{name}" for name in os.listdir(store / folder) if name.endswith(".dcm")}
