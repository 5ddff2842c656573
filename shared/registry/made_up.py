"""Participants that a project makes up: for a patient, the same one for ever; for a person who asks, the next one.

One at a time within a project: whoever makes one holds the project's lock until the transaction ends, so that two
routers (or a router and a person) are never given the same. Names that a coupling list has given to somebody whose
images are still to come are taken, too.
"""

import secrets
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import select, union, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.crypto import Vault
from shared.database import insert_new, lock
from shared.registry.auto_ids import AutoIdPattern, BadPattern, parse
from shared.registry.expressions import fits
from shared.registry.participants import ensure_participant, is_withdrawn
from shared.tables import Assignment, AutoId, AutoIdCounter, CouplingEntry, Participant, Project, Study
from shared.tables.base import now

TRIES = 20
"""How many random names are drawn before it is said that (nearly) all are taken, as in the original."""

AT_ONCE = 100


class NoAutoId(Exception):
    """The project cannot make up a participant; the text is for people and free of PHI."""


async def participant_of(session: AsyncSession, vault: Vault, project: Project, patient: str, site: str = "") -> str:
    """The project's participant for a patient (`patients.id`), made up when the patient is new to the project."""
    await lock(session, "auto-id", project.name)
    name = await known_participant(session, vault, project.name, patient)
    if name is None:
        name = await next_participant(session, project, site)
    await insert_new(session, AutoId, [_row(vault, project.name, patient, name)])
    return name


async def known_participant(session: AsyncSession, vault: Vault, project: str, patient: str) -> str | None:
    """The participant that the patient would be given again; None: a new one would be made up.

    As whom all of the patient's studies are in the project, by whatever means, counts more than what was made up once:
    a person may have corrected that. Somebody who has withdrawn consent stays the one who has.
    """
    made = await session.get(AutoId, (project, vault.hash("auto-id", project, patient)))
    if made is not None and await is_withdrawn(session, project, made.name):
        return made.name
    assigned = await _assigned_before(session, project, patient)
    return assigned or (made.name if made is not None else None)


async def keep(session: AsyncSession, vault: Vault, project: str, name: str, patients: Iterable[str]) -> None:
    """These patients are the participant from now on, whatever was made up for them before."""
    await lock(session, "auto-id", project)
    rows = [_row(vault, project, patient, name) for patient in sorted(set(patients))]
    await insert_new(session, AutoId, rows)
    theirs = AutoId.project == project, AutoId.identity.in_([row["identity"] for row in rows])
    await session.execute(update(AutoId).where(*theirs).values(name=name))


def _row(vault: Vault, project: str, patient: str, name: str) -> dict[str, Any]:
    identity = vault.hash("auto-id", project, patient)
    return {"project": project, "identity": identity, "name": name, "created_at": now()}


async def next_participant(session: AsyncSession, project: Project, site: str = "", by: str = "") -> str:
    """A participant of nobody yet, made up and written down."""
    await lock(session, "auto-id", project.name)
    await lock(session, "coupling", project.name)  # a list that is just being taken has its names before we look
    pattern = _pattern(project)
    if pattern.needs_site and not site:
        raise NoAutoId("the project's auto-ids name the site, and none was said")
    while True:
        name = await (_numbered if pattern.last_number else _drawn)(session, project.name, pattern, site)
        if not fits(project.participant_pattern, name):
            for_site = f" for the site {site}" if site else ""
            raise NoAutoId(f"the project's auto-ids do not fit its naming pattern{for_site}")
        if await ensure_participant(session, project.name, name, origin="auto", site=site, by=by):
            return name
        # Somebody was just adding a participant of that name: it is theirs.


def _pattern(project: Project) -> AutoIdPattern:
    if not project.auto_id_pattern:
        raise NoAutoId("the project has no auto-ids")
    try:
        return parse(project.auto_id_pattern)
    except BadPattern:
        raise NoAutoId("the project's auto-id pattern is not understood") from None


async def _numbered(session: AsyncSession, project: str, pattern: AutoIdPattern, site: str) -> str:
    """By the next running number whose name nobody has; names that people gave are passed over."""
    await insert_new(session, AutoIdCounter, [{"project": project, "last": 0}])
    counter = await session.get_one(AutoIdCounter, project, populate_existing=True)
    numbers = iter(range(counter.last + 1, (pattern.last_number or 0) + 1))
    while some := {pattern.render(project, site, each, secrets.choice): each for each in islice(numbers, AT_ONCE)}:
        if name := await _first_free(session, project, list(some)):
            counter.last = some[name]
            await session.flush()
            return name
    raise NoAutoId("the project's running numbers are used up: make the auto-id pattern wider")


async def _drawn(session: AsyncSession, project: str, pattern: AutoIdPattern, site: str) -> str:
    def names() -> Iterator[str]:
        while True:
            yield pattern.render(project, site, 0, secrets.choice)

    if name := await _first_free(session, project, list(islice(names(), TRIES))):
        return name
    raise NoAutoId(f"no free auto-id found in {TRIES} tries: make the auto-id pattern wider")


async def _first_free(session: AsyncSession, project: str, names: list[str]) -> str | None:
    there = select(Participant.name).where(Participant.project == project, Participant.name.in_(names))
    listed = select(CouplingEntry.participant).where(
        CouplingEntry.project == project, CouplingEntry.participant.in_(names)
    )
    taken = set(await session.scalars(union(there, listed)))
    return next((name for name in names if name not in taken), None)


async def _assigned_before(session: AsyncSession, project: str, patient: str) -> str | None:
    """The one participant as which the patient's other studies are in the project."""
    others = (
        select(Assignment.participant)
        .join(Study, Study.study_instance_uid == Assignment.study_instance_uid)
        .where(Study.patient == patient, Assignment.project == project, Assignment.in_force)
        .distinct()
        .limit(2)
    )
    found = list(await session.scalars(others))
    return found[0] if len(found) == 1 else None
