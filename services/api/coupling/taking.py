"""A list that is whole goes into force: entries, the upload that brought them, and the event, in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.coupling.sealing import Keyed
from services.api.coupling.standing import Amended, Standing
from shared.bus import Message
from shared.events import CouplingChanged
from shared.ledger import add
from shared.registry.coupling import portions
from shared.tables import CouplingEntry, CouplingUpload
from shared.tables.base import new_id

AT_ONCE = 2000
"""Rows of one statement."""


async def take(
    session: AsyncSession, project: str, standing: Standing, at: datetime, until: datetime | None, who: str
) -> CouplingUpload:
    """Under the lock of the project's list. An upload never makes an entry end earlier."""
    upload = CouplingUpload(
        id=new_id(),
        project=project,
        rows=len(standing.added) + len(standing.amended) + len(standing.prolonged) + len(standing.unchanged),
        added=len(standing.added),
        prolonged=len(standing.prolonged),
        unchanged=len(standing.unchanged),
        expires_at=until,
        created_by=who,
        created_at=at,
    )
    session.add(upload)
    await session.flush()
    for some in portions(standing.expired):
        await session.execute(delete(CouplingEntry).where(CouplingEntry.id.in_(some)))
    await _amend(session, standing.amended, upload.id)
    for some in portions(standing.prolonged):
        await _change(session, some, upload=upload.id, expires_at=until)
    for some in portions(standing.unchanged):
        await _change(session, some, upload=upload.id)
    for rows in portions(standing.added, AT_ONCE):
        values = [_values(each, project, upload.id, at, until) for each in rows]
        await session.execute(insert(CouplingEntry.__table__), values)  # type: ignore[arg-type]
    await add(session, [Message.of(CouplingChanged(project=project, upload=upload.id, after=""))])
    return upload


async def _amend(session: AsyncSession, amended: Sequence[Amended], upload: str) -> None:
    """Those of which the same columns change together; who is removed meanwhile stays away."""
    table = CouplingEntry.__table__
    this = update(table).where(table.c.id == bindparam("entry"))  # type: ignore[arg-type]
    for _, alike in groupby(sorted(amended, key=_columns), _columns):
        for some in portions(list(alike), AT_ONCE):
            values = [{"entry": each.id, "upload": upload, "expires_at": each.expires_at, **each.more} for each in some]
            await session.execute(this, values)


def _columns(each: Amended) -> list[str]:
    return sorted(each.more)


async def _change(session: AsyncSession, identities: Sequence[str], **values: Any) -> None:
    await session.execute(
        update(CouplingEntry).where(CouplingEntry.id.in_(identities)).values(values),
        execution_options={"synchronize_session": False},
    )


def _values(each: Keyed, project: str, upload: str, at: datetime, until: datetime | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "project": project,
        "key": each.key,
        "study_instance_uid": each.row.study_instance_uid,
        "accession_hash": each.accession_hash,
        "accession_number": each.accession_number,
        "patient_hash": each.patient_hash,
        "patient_id": each.patient_id,
        "issuer": each.row.issuer,
        "participant": each.row.participant,
        "event": each.row.event,
        "upload": upload,
        "created_at": at,
        "expires_at": until,
    }
