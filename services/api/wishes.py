"""Two people and one study: whoever says it first has it, and the other is told at once.

A wish is a row until the router has decided about it. Its key is the study in the project, and whoever looks at it
holds the study's lock, so that of two wishes at the same moment the second finds the first.
"""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor
from services.api.problems import Problem
from shared.bus import Message
from shared.database import lock
from shared.events import StudyAssigned
from shared.tables import Assignment, AssignmentWish, InboxEntry
from shared.topology import queue


async def hold(session: AsyncSession, study_uid: str) -> None:
    """Be the only one who says something of a study, until the transaction ends."""
    await lock(session, "wish", study_uid)


async def in_force(session: AsyncSession, study_uid: str, project: str) -> Assignment | None:
    """To whom the study belongs in the project."""
    return await session.scalar(
        select(Assignment).where(
            Assignment.study_instance_uid == study_uid, Assignment.project == project, Assignment.in_force
        )
    )


async def undecided(session: AsyncSession, study_uid: str, project: str) -> AssignmentWish | None:
    """What somebody has said of the study in the project, if the router has not decided about it yet."""
    wish = await session.get(AssignmentWish, (study_uid, project), with_for_update=True)
    if wish is None or await session.get(Assignment, wish.assignment) is not None:
        return None
    return None if await handled(session, wish.assignment) else wish


async def keep(session: AsyncSession, wish: AssignmentWish) -> None:
    """Take a wish down in place of the one before it."""
    await session.merge(wish)


def otherwise(who: Actor, there: Assignment | AssignmentWish) -> Problem:
    """The conflict, and to whom the study belongs. Whoever is bound to a site is not told of another's participant."""
    if who.sites_in(there.project):
        return Problem("assigned-otherwise", f"it is assigned already in {there.project}")
    return Problem("assigned-otherwise", f"it is {there.participant} ({there.event}) in {there.project} already")


def same(there: Assignment | AssignmentWish, wish: Collection[str]) -> bool:
    """Whether participant and event are those that are wished for."""
    return (there.participant, there.event) == tuple(wish)


async def handled(session: AsyncSession, assignment: str) -> bool:
    """Whether the router has had the event of an assignment; its message's id follows from the assignment's."""
    event = StudyAssigned(assignment=assignment, study_instance_uid="", project="", participant="")
    return await session.get(InboxEntry, (queue("router", StudyAssigned), Message.of(event).id)) is not None
