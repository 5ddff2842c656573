"""What was taken back is in no export that can be downloaded: neither who withdrew consent, nor a study that was wrong.

The row says first that the file is gone, and why: nobody is given half a file. One that its PI has confirmed as the
last one stays confirmed: what follows from that goes on without the file.
"""

import asyncio
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry import letters
from services.registry.bundle import folder
from shared.crypto import Vault
from shared.database import Database
from shared.events import ParticipantWithdrawn, RemovalRequested, WithdrawalRequested
from shared.registry.life import note_export_gone, tell
from shared.store import Store
from shared.tables import Project, ProjectExport, Transfer, TransferPart, Withdrawal

CONSENT: Final = "somebody in it has withdrawn consent"
WRONG: Final[Mapping[str, str]] = {
    "correction": "a study in it was assigned wrongly, and was corrected",
    "cancel": "a study in it was cancelled",
}
"""By the kind of a withdrawal. A consent says so itself; an end needs none."""

Holds = Callable[[str], bool]
"""Whether a name in an export's file is of what was taken back."""


async def withhold(event: ParticipantWithdrawn, database: Database, store: Store, vault: Vault) -> int:
    """Exports that hold images of a participant are given to nobody from now on; how many have a file still."""
    async with database.reading() as session:
        mine = Transfer.project == event.project, Transfer.participant == event.participant
        holds = await _of(session, and_(*mine), event.participant)
    return await _take_back(event.project, holds, CONSENT, database, store, vault, files=False)


async def take_back_consent(event: RemovalRequested, database: Database, store: Store, vault: Vault) -> int:
    """Their files go, and the clock asks for the last one anew; how many files went."""
    async with database.reading() as session:
        these = Transfer.id.in_(event.transfers)
        names = await session.scalars(select(Transfer.participant).where(these).distinct())
        holds = await _of(session, these, *names)
    return await _take_back(event.project, holds, CONSENT, database, store, vault)


async def _of(session: AsyncSession, transfers: ColumnElement[bool], *participants: str) -> Holds:
    """Whether a name in an export is of participants, or of a study that transfers have sent."""
    sent = await session.scalars(select(Transfer.target_study_instance_uid).where(transfers).distinct())
    return _either(participants, [uid for uid in sent if uid])


def _either(participants: Iterable[str], studies: Iterable[str]) -> Holds:
    folders, wrong = tuple(map(folder, participants)), frozenset(studies)
    return lambda name: name.startswith(folders) or not wrong.isdisjoint(name.split("/"))


async def take_back_study(event: WithdrawalRequested, database: Database, store: Store, vault: Vault) -> int:
    """Exports that hold the study of a transfer that was wrong go at once, whatever its destinations answer.

    All that a project was sent of a study lies under its UID: one that was made of other transfers goes, too.
    """
    async with database.reading() as session:
        withdrawal = await session.get(Withdrawal, event.withdrawal)
        if withdrawal is None or withdrawal.kind not in WRONG:
            return 0
        made = exists().where(TransferPart.transfer == Transfer.id, TransferPart.anonymized > 0)
        row = await session.scalar(select(Transfer).where(Transfer.id == event.transfer, made))
    if row is None:
        return 0
    study = row.target_study_instance_uid
    holds = _either((), (study,)) if study else _either((row.participant,), ())
    return await _take_back(withdrawal.project, holds, WRONG[withdrawal.kind], database, store, vault)


async def _take_back(
    project: str, wrong: Holds, why: str, database: Database, store: Store, vault: Vault, files: bool = True
) -> int:
    """Rows are looked at under their locks: an export that has just been made is ready, or sees what was taken back."""
    async with database.reading() as session:
        ids = await session.scalars(select(ProjectExport.id).where(ProjectExport.project == project))
        places = {each: store / Store.export(project, each) for each in ids}
    holding = {each: file for each, file in places.items() if await asyncio.to_thread(_holds, file, wrong)}
    async with database.session() as session:
        rows = select(ProjectExport).where(ProjectExport.id.in_(holding)).order_by(ProjectExport.id).with_for_update()
        there = [row for row in await session.scalars(rows) if row.state in ("ready", "confirmed")]
        new = [row.id for row in there if await note_export_gone(session, row, why)]
        for row in there:
            if row.state == "ready" or not row.final:
                row.state = "gone"
        if new:
            about = await session.get_one(Project, project)
            await tell(session, vault, about, *letters.taken_back(about, new, why))
    for file in holding.values() if files else ():
        await asyncio.to_thread(file.unlink, missing_ok=True)
    return len(holding)


def _holds(file: Path, wrong: Holds) -> bool:
    """Whether an export has something of such a name; what cannot be read may have."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(map(wrong, archive.namelist()))
    except FileNotFoundError:
        return False
    except zipfile.BadZipFile:
        return True
