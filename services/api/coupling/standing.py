"""A list beside what is in force: what would be new, amended, prolonged, the same, or contradicted. Read only."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.coupling.rows import Flaws
from services.api.coupling.sealing import Keyed, Names
from shared.crypto import Vault
from shared.registry.coupling import accession_key, patient_id_key, portions, studies_named
from shared.registry.participants import WITHDRAWN
from shared.tables import CouplingEntry, Participant, PatientIdentity, Study

OTHERWISE: Final = "an entry in force says otherwise"
ANOTHER: Final = f"{OTHERWISE}; if it is wrong, remove it, and upload the list again"


@dataclass(frozen=True, slots=True)
class Amended:
    """An entry that is to say what it did not say."""

    id: str
    more: Mapping[str, Any]
    """By column."""
    expires_at: datetime | None


@dataclass
class Standing:
    """What becomes of each row, and of the expired entries that are in its way."""

    added: list[Keyed] = field(default_factory=list)
    amended: list[Amended] = field(default_factory=list)
    prolonged: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)


async def compare(
    session: AsyncSession,
    vault: Vault,
    project: str,
    rows: Mapping[str, Keyed],
    at: datetime,
    until: datetime | None,
    flaws: Flaws,
) -> Standing:
    """Conflicts are added to the flaws. What a row leaves out stays as the entry says it."""
    standing = Standing()
    for keys in portions(list(rows)):
        there = await session.execute(
            select(
                CouplingEntry.key,
                CouplingEntry.id,
                CouplingEntry.participant,
                CouplingEntry.event,
                CouplingEntry.expires_at,
                CouplingEntry.accession_hash,
                CouplingEntry.patient_hash,
                CouplingEntry.issuer,
            ).where(CouplingEntry.project == project, CouplingEntry.key.in_(keys))
        )
        new = dict.fromkeys(keys)
        for key, identity, participant, event, expires_at, *names in there:
            if expires_at is not None and expires_at <= at:
                standing.expired.append(identity)
                continue
            del new[key]
            mine, said = rows[key], Names(*names)
            longer = expires_at is not None and (until is None or until > expires_at)
            if (participant, event) != mine.says:
                flaws.add(mine.row.line, "participant", OTHERWISE, identity)
            elif (column := mine.contradicted(said, vault)) is not None:
                flaws.add(mine.row.line, column, ANOTHER, identity)
            elif more := mine.adds(said):
                standing.amended.append(Amended(identity, more, until if longer else expires_at))
            elif longer:
                standing.prolonged.append(identity)
            else:
                standing.unchanged.append(identity)
        standing.added += [rows[key] for key in new]
    return standing


async def check_participants(
    session: AsyncSession,
    vault: Vault,
    project: str,
    rows: Mapping[str, Keyed],
    flaws: Flaws,
    sites: frozenset[str] = frozenset(),
) -> None:
    """None may have withdrawn, and no new one be the PatientID or the accession number of somebody who was examined.

    One that the project has already may: scanners of a study send pseudonyms as PatientIDs. `sites`: they have to be of
    these; a new one will be, where it is one.
    """
    lines: dict[str, int] = {}
    for each in rows.values():
        lines.setdefault(each.row.participant, each.row.line)
    for some in portions(list(lines)):
        mine = Participant.project == project, Participant.name.in_(some)
        found = await session.execute(select(Participant.name, Participant.withdrawn_at, Participant.site).where(*mine))
        there = {row[0]: (row[1], row[2]) for row in found}
        for name, (withdrawn_at, site) in there.items():
            if sites and site not in sites:
                flaws.add(lines[name], "participant", "the participant is of another site")
            elif withdrawn_at is not None:
                flaws.add(lines[name], "participant", WITHDRAWN)
        names = set(some) - set(there)
        if len(sites) > 1:
            for name in sorted(names):
                flaws.add(lines[name], "participant", "is new, and of one of several sites: add the participant first")
        patients = {patient_id_key(vault, name): name for name in names}
        numbers = {accession_key(vault, name): name for name in names}
        for column, hashes, what in (
            (PatientIdentity.patient_id_hash, patients, "PatientID"),
            (Study.accession_hash, numbers, "AccessionNumber"),
        ):
            for hashed in await session.scalars(select(column).where(column.in_(hashes)).distinct()):
                if hashed is None:
                    continue
                why = f"is the {what} of somebody who was examined: it has to be a pseudonym"
                flaws.add(lines[hashes[hashed]], "participant", why)


async def check_consent(session: AsyncSession, project: str, rows: Mapping[str, Keyed], flaws: Flaws) -> None:
    """None may have withdrawn meanwhile; nobody does while the list's lock is held."""
    mine = Participant.project == project, Participant.withdrawn_at.is_not(None)
    withdrawn = set(await session.scalars(select(Participant.name).where(*mine)))
    for each in rows.values() if withdrawn else ():
        if each.row.participant in withdrawn:
            flaws.add(each.row.line, "participant", WITHDRAWN)


async def studies_here(session: AsyncSession, keys: Collection[str]) -> int:
    """How many studies have arrived that these keys name."""
    found: set[str] = set()
    for some in portions(list(keys)):
        found.update(await studies_named(session, some))
    return len(found)
