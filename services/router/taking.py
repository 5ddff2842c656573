"""A claim becomes an assignment, or is kept with the reason why it was refused."""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.transfers import request_missing
from shared.crypto import Vault
from shared.database import lock
from shared.events import TransferRequested
from shared.registry.coupling import note_match
from shared.registry.made_up import NoAutoId, participant_of
from shared.registry.matching import DERIVED, Candidate, Claim, refusal
from shared.registry.participants import WITHDRAWN, ensure_participant, is_withdrawn
from shared.tables import Assignment, Project, Study, Withdrawal
from shared.tables.base import new_id
from shared.transfers import leaving

ENDED = "a person has ended what the study was assigned to"


async def take(
    session: AsyncSession,
    study_uid: str,
    claim: Claim,
    identity: str | None = None,
    candidate: Candidate | None = None,
    vault: Vault | None = None,
) -> list[TransferRequested]:
    """Assign the study as claimed, or keep the claim as refused. A person's claim has an identity already."""
    there = await in_force(session, study_uid, claim.project)
    if there and claim.auto:
        claim = replace(claim, participant=there.participant, auto=False)
    if there and (there.participant, there.event) == (claim.participant, claim.event):
        return await request_missing(session, there, claim.reason)
    if identity is None and not there and await _ended_before(session, study_uid, claim):
        return await _refuse(session, study_uid, claim, ENDED)
    why = await why_not(session, claim, there, candidate)
    if not why and claim.auto and vault:
        try:
            claim = replace(claim, participant=await _made_up(session, vault, claim, study_uid), auto=False)
        except NoAutoId as none:
            why = str(none)
        why = why or await _withdrawn(session, claim)
    if why:
        return await _refuse(session, study_uid, claim, why, identity)
    assignment = Assignment(
        id=identity or new_id(),
        study_instance_uid=study_uid,
        project=claim.project,
        participant=claim.participant,
        event=claim.event,
        reason=claim.reason,
        waits_for=await leaving(session, study_uid, claim.project),
    )
    await _keep(session, claim, assignment)
    if claim.origin != DERIVED:
        await ensure_participant(session, claim.project, claim.participant, origin=claim.origin, site=claim.site)
    return await request_missing(session, assignment, claim.reason)


async def in_force(session: AsyncSession, study_uid: str, project: str) -> Assignment | None:
    """To whom the study belongs in the project."""
    return await session.scalar(
        select(Assignment).where(
            Assignment.study_instance_uid == study_uid, Assignment.project == project, Assignment.in_force
        )
    )


async def why_not(
    session: AsyncSession, claim: Claim, there: Assignment | None, candidate: Candidate | None = None
) -> str | None:
    """Why the project does not take a claim, as far as it names a participant; `there`: what it has taken already."""
    if there is not None:
        return "assigned to another participant or event already"
    project = await session.get(Project, claim.project)
    return (
        claim.refused
        or refusal(claim, project, candidate.person if candidate else None)
        or await _withdrawn(session, claim)
    )


def as_refused(study_uid: str, claim: Claim, why: str, identity: str | None = None) -> Assignment:
    """The claim without the participant, who may be a name."""
    return Assignment(
        id=identity or new_id(),
        study_instance_uid=study_uid,
        project=claim.project,
        participant="",
        event=claim.event,
        reason=claim.reason,
        refused=why,
    )


async def _refuse(
    session: AsyncSession, study_uid: str, claim: Claim, why: str, identity: str | None = None
) -> list[TransferRequested]:
    """Keep it; what nobody waits for is kept once."""
    row = as_refused(study_uid, claim, why, identity)
    same = select(Assignment.id).where(
        Assignment.study_instance_uid == study_uid,
        Assignment.project == claim.project,
        Assignment.reason == claim.reason,
        Assignment.refused == why,
    )
    if identity is not None or await session.scalar(same) is None:
        await _keep(session, claim, row)
    return []


async def _keep(session: AsyncSession, claim: Claim, assignment: Assignment) -> None:
    session.add(assignment)
    await session.flush()
    if claim.entry is not None:
        await note_match(session, claim.entry)


async def _withdrawn(session: AsyncSession, claim: Claim) -> str | None:
    """Whether consent was withdrawn; until the transaction ends it cannot be withdrawn unseen."""
    if not claim.participant:
        return None
    await lock(session, "participant", claim.project, claim.participant)
    if await is_withdrawn(session, claim.project, claim.participant):
        return WITHDRAWN
    return None


async def _made_up(session: AsyncSession, vault: Vault, claim: Claim, study_uid: str) -> str:
    project = await session.get_one(Project, claim.project)
    study = await session.get_one(Study, study_uid)
    return await participant_of(session, vault, project, study.patient, claim.site)


async def _ended_before(session: AsyncSession, study_uid: str, claim: Claim) -> bool:
    """Whether a person has ended an assignment of the study here: only a person assigns it there again.

    What is derived and has ended with its original follows that, and says itself why it cannot.
    """
    ended = select(Assignment.id).where(
        Assignment.study_instance_uid == study_uid,
        Assignment.project == claim.project,
        Assignment.ended_at.is_not(None),
    )
    if claim.refused:
        return False
    if claim.origin == DERIVED:
        ended = ended.join(Withdrawal, Withdrawal.id == Assignment.ended_by).where(
            Withdrawal.study_instance_uid == study_uid
        )
    return await session.scalar(ended.limit(1)) is not None
