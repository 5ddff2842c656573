"""A study that comes back under a StudyInstanceUID that a project gave: made of what was sent as one participant, it
can be that one's and nobody else's there, whoever says so. What is a pseudonym in it stays only then (ADR 30).
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables import Assignment, Transfer

NOT_THERE: Final = "the study it is derived from is not in the project any more"
OTHERS: Final = "the study it is derived from belongs to another participant"
SENT_OTHERWISE: Final = "it was, or may have been, made of what was sent as another participant"


@dataclass(frozen=True)
class Returned:
    """Whose the original is in the project now, and as whom it has ever been sent."""

    owner: str | None
    sent_as: frozenset[str]

    def refusal(self, participant: str, patient_id: str) -> str | None:
        """Why it cannot be this participant's; None: it can. Its PatientID decides when several are possible."""
        if self.owner is None:
            return NOT_THERE
        if participant != self.owner:
            return OTHERS
        sure = self.sent_as == {participant} or patient_id.strip() == participant
        return None if sure else SENT_OTHERWISE


async def came_back(session: AsyncSession, study_uid: str, project: str) -> Returned | None:
    """What is known of the study as one that came back to the project; None: it is none."""
    query = select(Transfer.study_instance_uid, Transfer.participant).where(
        Transfer.target_study_instance_uid == study_uid,
        Transfer.study_instance_uid != study_uid,
        Transfer.project == project,
    )
    sent = (await session.execute(query.distinct())).all()
    if not sent:
        return None
    owner = select(Assignment.participant).where(
        Assignment.study_instance_uid.in_({study for study, _ in sent}),
        Assignment.project == project,
        Assignment.in_force,
    )
    return Returned(await session.scalar(owner.limit(1)), frozenset(participant for _, participant in sent))
