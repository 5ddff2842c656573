"""Whose a record is, where a request named a transfer or a series and not its study and project."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.audit import Record
from shared.tables import Series, Transfer


async def attributed(session: AsyncSession, records: Sequence[Record]) -> list[Record]:
    """The records, with what the catalogue knows beside what they say; what they say stays."""
    transfers = await _found(
        session,
        select(Transfer.id, Transfer.study_instance_uid, Transfer.project, Transfer.participant),
        Transfer.id,
        _named(records, "transfer"),
    )
    series = await _found(
        session,
        select(Series.series_instance_uid, Series.study_instance_uid),
        Series.series_instance_uid,
        _named(records, "series_instance_uid"),
    )
    return [_with(record, transfers, series) for record in records]


def _with(record: Record, transfers: dict[str, Any], series: dict[str, Any]) -> Record:
    known: dict[str, str] = {}
    if (row := series.get(str(record.details.get("series_instance_uid")))) is not None:
        known["study_instance_uid"] = row[1]
    if (row := transfers.get(str(record.details.get("transfer")))) is not None:
        known |= {"study_instance_uid": row[1], "project": row[2], "participant": row[3]}
    missing = {name: value for name, value in known.items() if getattr(record, name) is None}
    return record.model_copy(update=missing) if missing else record


def _named(records: Sequence[Record], name: str) -> set[str]:
    return {value for record in records if isinstance(value := record.details.get(name), str)}


async def _found(session: AsyncSession, query: Any, key: Any, wanted: set[str]) -> dict[str, Any]:
    if not wanted:
        return {}
    rows = await session.execute(query.where(key.in_(wanted)))
    return {row[0]: row for row in rows}
