"""Identities whose time is over are removed: of studies that nobody assigned, and of those of archived projects.

The catalogue keeps the study under its UID and the patient under a hash. The images are not touched, nor is the series
JSON beside them: they hold who it is for as long as they are kept.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer.clock import Clock
from services.indexer.places import safe_name
from services.indexer.settings import IndexerSettings
from shared.crypto import Vault
from shared.database import try_lock
from shared.events import Event, IdentitiesRemoved
from shared.store import Store
from shared.tables import Assignment, PatientIdentity, Project, Study, StudyIdentity

AT_ONCE = 100


async def forget(
    session: AsyncSession, settings: IndexerSettings, clock: Clock, vault: Vault, store: Store
) -> Sequence[Event]:
    """Some of what is due, by either rule; without a rule nothing is."""
    events: list[Event] = []
    for reason, due in _rules(settings, clock).items():
        gone, identities = await _forget_some(session, store, vault, due)
        if gone:
            events.append(IdentitiesRemoved(studies=tuple(gone), identities=identities, reason=reason))
    return events


async def _forget_some(
    session: AsyncSession, store: Store, vault: Vault, due: ColumnElement[bool]
) -> tuple[list[str], int]:
    """Some studies of which that is true; and how many people are not known any more."""
    query = (
        select(Study.study_instance_uid, Study.patient, StudyIdentity.details)
        .join(StudyIdentity, StudyIdentity.study_instance_uid == Study.study_instance_uid)
        .where(due)
        .order_by(Study.last_seen_at)
        .limit(AT_ONCE)
    )
    gone, patients = [], set[str]()
    for uid, patient, details in (await session.execute(query)).all():
        if not await try_lock(session, "indexer", uid):
            continue
        _unlink(store, uid, json.loads(vault.decrypt(details)).get("PatientID", ""))
        gone.append(uid)
        patients.add(patient)
    return gone, await _remove(session, gone, patients) if gone else 0


async def forget_removed(
    session: AsyncSession, store: Store, vault: Vault, before: datetime
) -> tuple[Sequence[str], int]:
    """Identities of some studies whose files left the archive before a moment; which, and of how many people."""
    return await _forget_some(session, store, vault, Study.removed_at < before)


def _rules(settings: IndexerSettings, clock: Clock) -> dict[str, ColumnElement[bool]]:
    """Reason -> which studies are due; only the rules that somebody has set."""
    rules: dict[str, ColumnElement[bool]] = {}
    in_force = Assignment.study_instance_uid == Study.study_instance_uid, Assignment.in_force
    if (days := settings.unassigned_identity_days) is not None:
        old = Study.last_seen_at < clock.now() - timedelta(days=days)
        rules["unassigned"] = and_(old, ~exists().where(*in_force))
    if (days := settings.archived_identity_days) is not None:
        over = and_(
            Project.state.in_(("archived", "deleted")), Project.archived_at < clock.now() - timedelta(days=days)
        )
        mine = Project.name == Assignment.project
        needed = exists().where(*in_force, ~exists().where(mine, over).correlate(Assignment))
        rules["archived"] = and_(exists().where(*in_force), ~needed)
    return rules


async def _remove(session: AsyncSession, studies: list[str], patients: set[str]) -> int:
    """Studies' identities, and those patients' that no study is left of; how many of the latter."""
    await session.execute(delete(StudyIdentity).where(StudyIdentity.study_instance_uid.in_(studies)))
    await session.execute(update(Study).where(Study.study_instance_uid.in_(studies)).values(accession_hash=None))
    known = exists().where(
        Study.patient == PatientIdentity.id, StudyIdentity.study_instance_uid == Study.study_instance_uid
    )
    gone = await session.execute(
        delete(PatientIdentity).where(PatientIdentity.id.in_(patients), ~known).returning(PatientIdentity.id),
        execution_options={"synchronize_session": False},
    )
    return len(gone.all())


def _unlink(store: Store, study_uid: str, patient_id: str) -> None:
    """The links under the PatientID, and the folder that is called so when it has no other."""
    folder = store / f"participants/{safe_name(patient_id)}"
    if not folder.is_dir():
        return
    for link in folder.iterdir():
        if link.is_symlink() and link.readlink().name == study_uid:
            link.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
