"""Compares a REDCap project with the gateway, record by record, and owes again what it lacks when that is wanted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.redcap.client import Redcap
from services.redcap.comparing import BOTH, GATEWAY, REDCAP, Difference, Expected, of_instances, of_records
from services.redcap.definition import fitness
from services.redcap.definition.lacking import Lack, Unfit
from services.redcap.definition.schema import Schema
from services.redcap.mapping import Mapping as Names
from services.redcap.owed import KINDS, owe, unpark
from services.redcap.tokens import INCOMING
from services.redcap.writing.gathering import Gatherer
from services.redcap.writing.imaging import SENT
from services.redcap.writing.instances import found_there, ours
from services.redcap.writing.lines import written
from shared.database import Database
from shared.tables import Participant, Project, RedcapDifference, RedcapOwed, RedcapTarget, Series, Study, Transfer
from shared.tables.base import new_id, now

AT_ONCE = 100
"""Records of one export."""

Debt = tuple[str, str]
"""Kind and subject of what could be owed."""

DEFINITION = "definition"
"""The kind of a difference that is no record's."""


@dataclass(frozen=True)
class Sides:
    """What is compared of a target: kinds of its instruments, and which fields of each kind beside the keys."""

    record_kind: str
    instruments: Mapping[str, str]
    checked: Mapping[str, Sequence[str | None]]


def sides(target: str, names: Names) -> Sides:
    """The table of what is compared."""
    if target == INCOMING:
        incoming = names.incoming
        return Sides(
            "study",
            {incoming.series_instrument: "series", incoming.transfers_instrument: "transfer"},
            {"series": [incoming.series.files], "transfer": [incoming.transfers.complete]},
        )
    return Sides("participant", {names.project.instrument: "imaging"}, {})


class Comparison:
    """Of one REDCap project."""

    def __init__(
        self, database: Database, gatherer: Gatherer, redcap: Redcap, schema: Schema, target: str, why_not: str
    ) -> None:
        self._why_not = why_not
        self._database = database
        self._gatherer = gatherer
        self._redcap = redcap
        self._schema = schema
        self._target = target
        self._sides = sides(target, gatherer.mapping)

    async def lacks(self) -> list[Lack]:
        """What its definition lacks of all that may have to be written."""
        async with self._database.reading() as session:
            project = await session.get(Project, self._target)
        with_images = [each for each in project.events if each not in project.events_without_images] if project else []
        return fitness.lacks(self._target, self._gatherer.mapping, self._schema, with_images)

    async def differences(self) -> list[Difference]:
        """All of them. Raises Away and Refused."""
        there = {str(row[self._schema.record]) for row in await self._redcap.records([self._schema.record])}
        async with self._database.reading() as session:
            here = await self._records(session)
            gone = await self._withdrawn(session)
        found = [self._defined_otherwise(lack) for lack in await self.lacks()]
        for records in _portions(sorted(here)):
            found += await self._of(records)
        found += [
            replace(each, what="consent was withdrawn here") if each.subject in gone else each
            for each in of_records(self._sides.record_kind, here, there)
        ]
        strangers = sorted(there - set(here)) if self._target != INCOMING else []
        for records in _portions(strangers):
            found += of_instances(self._sides.instruments, [], {}, found_there(await self._rows(records), self._schema))
        return found

    def _defined_otherwise(self, lack: Lack) -> Difference:
        """What is lacking, and whether it will be added."""
        will = f"it is not added: {self._why_not}" if self._why_not else "it is added when it is needed, or by sync"
        what = f"{lack.what}; {will}" if lack.addition is not None else lack.what
        return Difference(DEFINITION, self._target or "incoming", GATEWAY, what[:300])

    async def _records(self, session: AsyncSession) -> list[str]:
        if self._target == INCOMING:
            return list(await session.scalars(select(Study.study_instance_uid).where(Study.arrived_at.is_not(None))))
        in_force = Participant.withdrawn_at.is_(None)
        return list(
            await session.scalars(select(Participant.name).where(Participant.project == self._target, in_force))
        )

    async def _withdrawn(self, session: AsyncSession) -> set[str]:
        """Participants who are not to be there any more."""
        mine = Participant.project == self._target, Participant.withdrawn_at.is_not(None)
        return set(await session.scalars(select(Participant.name).where(*mine)))

    async def _of(self, records: Sequence[str]) -> list[Difference]:
        there = found_there(await self._rows(records), self._schema)
        found: list[Difference] = []
        expected: list[Expected] = []
        async with self._database.reading() as session:
            for kind, subject in await self._debts(session, records):
                try:
                    expected += await self._expected(session, kind, subject)
                except Unfit as error:
                    found.append(Difference(kind, subject, GATEWAY, str(error)[:300]))
            mine = await ours(session, self._target, records)
        unfit = {(each.kind, each.subject) for each in found}
        both_ways = of_instances(self._sides.instruments, expected, mine, there)
        return found + [each for each in both_ways if each.side != REDCAP or (each.kind, each.subject) not in unfit]

    async def _rows(self, records: Sequence[str]) -> list[dict[str, object]]:
        """Keys and what is compared, as far as they are defined there."""
        names = self._gatherer.mapping
        fields = {self._schema.record, names.project.imaging.uid, *names.incoming.transfers.model_dump().values()}
        fields |= {names.incoming.series.uid, names.incoming.series.files}
        return await self._redcap.records(sorted(name for name in fields if name in self._schema.fields), records)

    async def _debts(self, session: AsyncSession, records: Sequence[str]) -> list[Debt]:
        if self._target == INCOMING:
            series = select(Series.series_instance_uid).where(
                Series.study_instance_uid.in_(records), Series.revision > 0
            )
            transfers = select(Transfer.id).where(Transfer.study_instance_uid.in_(records))
            return [("series", uid) for uid in await session.scalars(series)] + [
                ("transfer", identity) for identity in await session.scalars(transfers.order_by(Transfer.requested_at))
            ]
        sent = select(Transfer.id).where(
            Transfer.project == self._target, Transfer.participant.in_(records), Transfer.state.in_(SENT)
        )
        return [("imaging", identity) for identity in await session.scalars(sent.order_by(Transfer.requested_at))]

    async def _expected(self, session: AsyncSession, kind: str, subject: str) -> list[Expected]:
        owed = RedcapOwed(project=self._target, kind=kind, subject=subject, final=False)
        checked = [name for name in self._sides.checked.get(kind, ()) if name is not None]
        return [
            Expected(kind, subject, line, written(line, self._schema, self._gatherer.mapping), checked)
            for line in await self._gatherer.lines(session, self._schema, owed)
            if line.instrument is not None
        ]


async def keep(
    session: AsyncSession, target: str, comparison: str | None, found: Sequence[Difference], repair: bool
) -> None:
    """The report, in place of the one before; what REDCap lacks is owed again when that is wanted."""
    await session.execute(delete(RedcapDifference).where(RedcapDifference.project == target))
    rows = [
        {"id": new_id(), "project": target, "kind": each.kind, "subject": each.subject, "side": each.side}
        | {"what": each.what, "found_at": now()}
        for each in found
    ]
    if rows:
        await session.execute(insert(RedcapDifference), rows)
    if repair:
        for kind, subjects in _lacking(found).items():
            await owe(session, target, kind, subjects)
        await unpark(session, target)
    row = await session.get_one(RedcapTarget, target, with_for_update=True)
    row.compared_at = now()
    if comparison is not None:
        row.compared = comparison
    if row.comparison == comparison:
        row.comparison, row.repair = None, False


def _lacking(found: Sequence[Difference]) -> dict[str, list[str]]:
    lacking: dict[str, list[str]] = {}
    for each in found:
        if each.side in (GATEWAY, BOTH) and each.kind in KINDS:
            lacking.setdefault(each.kind, []).append(each.subject)
    return lacking


def _portions(records: Sequence[str]) -> Iterator[Sequence[str]]:
    return (records[start : start + AT_ONCE] for start in range(0, len(records), AT_ONCE))
