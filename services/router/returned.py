"""A study that comes back under a StudyInstanceUID that was given here goes the way of the study it was made from.

Of two projects that have one study the UID says which: each has given its own.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.taking import in_force
from shared.crypto import Vault
from shared.events import Event, StudyArrived
from shared.registry.candidates import person_of
from shared.registry.matching import DERIVED, Candidate, Claim
from shared.registry.participants import WITHDRAWN, is_withdrawn
from shared.registry.returned import NOT_THERE, came_back
from shared.tables import Assignment, Study, Transfer

OF_ANOTHER = "its PatientID is not the participant that the study it is derived from belongs to"


async def originals(session: AsyncSession, study_uid: str) -> list[tuple[str, str, str]]:
    """Project, StudyInstanceUID and last participant of what was sent under this UID."""
    query = (
        select(Transfer.project, Transfer.study_instance_uid, Transfer.participant)
        .where(Transfer.target_study_instance_uid == study_uid, Transfer.study_instance_uid != study_uid)
        .order_by(Transfer.requested_at, Transfer.id)
    )
    found = {(project, study): participant for project, study, participant in await session.execute(query)}
    return [(*key, found[key]) for key in sorted(found)]


async def claims(session: AsyncSession, candidate: Candidate, sources: Sequence[tuple[str, str, str]]) -> list[Claim]:
    """For the participant and event of the original as it is assigned now, or why that cannot be.

    The caller holds the originals.
    """
    made = []
    for project, study, participant in sources:
        there = await in_force(session, study, project)
        reason = f"{DERIVED} from {study}"
        if there is not None and await _is_of(session, candidate, there):
            mine = await in_force(session, candidate.study_instance_uid, project)
            same = mine is not None and mine.participant == there.participant
            # A person may have given it another event: that stays, until its original is corrected.
            made.append(Claim(project, there.participant, mine.event if mine and same else there.event, reason))
            continue
        why = OF_ANOTHER
        if there is None:
            why = WITHDRAWN if await is_withdrawn(session, project, participant) else NOT_THERE
        made.append(Claim(project, "", there.event if there else "Unknown", reason, refused=why))
    return made


async def _is_of(session: AsyncSession, candidate: Candidate, original: Assignment) -> bool:
    """Whether what came back is of the original's participant: by its PatientID, or as a person has said before."""
    if original.participant == candidate.patient_id.strip():
        return True
    said = select(Assignment.id).where(
        Assignment.study_instance_uid == candidate.study_instance_uid,
        Assignment.project == original.project,
        Assignment.participant == original.participant,
        Assignment.refused.is_(None),
    )
    return await session.scalar(said.limit(1)) is not None


async def why_not_to(session: AsyncSession, vault: Vault, study_uid: str, project: str, participant: str) -> str | None:
    """Why a person cannot give this participant a study that came back; None: they can, or it is none.

    The caller holds the study and its originals.
    """
    back = await came_back(session, study_uid, project)
    if back is None:
        return None
    return back.refusal(participant, (await person_of(session, vault, study_uid)).patient_id)


async def derived(session: AsyncSession, original: Assignment) -> Sequence[Assignment]:
    """What came back of an assignment's study and is the same participant's. It ends with it."""
    given = select(Transfer.target_study_instance_uid).where(
        Transfer.study_instance_uid == original.study_instance_uid,
        Transfer.project == original.project,
        Transfer.target_study_instance_uid != original.study_instance_uid,
    )
    query = (
        select(Assignment)
        .where(
            Assignment.study_instance_uid.in_(given),
            Assignment.project == original.project,
            Assignment.participant == original.participant,
            Assignment.in_force,
        )
        .order_by(Assignment.study_instance_uid)
    )
    return (await session.scalars(query, execution_options={"populate_existing": True})).all()


async def look_again(session: AsyncSession, ended: Sequence[Assignment]) -> list[Event]:
    """What was derived is claimed anew, by what its original is assigned to now."""
    studies = [await session.get_one(Study, each.study_instance_uid) for each in ended]
    return [
        StudyArrived(
            study_instance_uid=study.study_instance_uid, series=study.series_count, instances=study.instance_count
        )
        for study in studies
        if study.arrived_at is not None
    ]
