"""What was sent is taken back: asked of every destination it went to, counted, and done when nothing is left anywhere.

Whatever is to be sent of a study under the same UIDs waits until then: a deletion must never meet its successor.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.router import removals
from services.router.locks import hold
from services.router.transfers import request_missing
from shared.events import (
    AssignmentEnded,
    Event,
    RemovalAnswered,
    WithdrawalAnswered,
    WithdrawalCompleted,
    WithdrawalConfirmed,
    WithdrawalRequested,
    WithdrawalRetried,
)
from shared.tables import Assignment, Removal, Transfer, TransferPart, Withdrawal, WithdrawalPart
from shared.tables.base import now
from shared.transfers import STOPPED, leaving


async def end(session: AsyncSession, withdrawal: Withdrawal, assignments: Sequence[Assignment]) -> list[Event]:
    """End assignments because of a withdrawal: what is told of that, and what was sent because of them is to leave."""
    for each in assignments:
        each.ended_at, each.ended_by, each.waits_for = now(), withdrawal.id, None
    await session.flush()
    ended = [
        AssignmentEnded(
            assignment=each.id,
            study_instance_uid=each.study_instance_uid,
            project=each.project,
            withdrawal=withdrawal.id,
        )
        for each in assignments
    ]
    asked = await take_back(session, withdrawal, await to_take_back(session, [each.id for each in assignments]))
    return [*ended, *asked]


async def take_back(
    session: AsyncSession, withdrawal: Withdrawal, transfers: Sequence[Transfer]
) -> list[WithdrawalRequested]:
    """Stop these transfers, and ask for all of them at each of their destinations."""
    for transfer in transfers:
        transfer.state, transfer.finished_at = "cancelled", now()
    session.add(withdrawal)
    await session.flush()
    asked = await _destinations(session, transfers)
    session.add_all(
        WithdrawalPart(
            withdrawal=withdrawal.id,
            transfer=transfer.id,
            destination=destination,
            project=transfer.project,
            study_instance_uid=transfer.study_instance_uid,
        )
        for transfer, destination in asked
    )
    return [
        WithdrawalRequested(withdrawal=withdrawal.id, transfer=transfer.id, destination=destination)
        for transfer, destination in asked
    ]


async def _destinations(session: AsyncSession, transfers: Iterable[Transfer]) -> list[tuple[Transfer, str]]:
    """Where parts of these transfers were to go."""
    by_id = {transfer.id: transfer for transfer in transfers}
    part = TransferPart.transfer, TransferPart.destination
    rows = await session.execute(select(*part).where(TransferPart.transfer.in_(by_id)).distinct().order_by(*part))
    return [(by_id[transfer], destination) for transfer, destination in rows]


async def to_take_back(session: AsyncSession, assignments: Sequence[str]) -> list[Transfer]:
    """The transfers of these assignments of which nobody has taken back anything yet."""
    query = (
        select(Transfer)
        .where(Transfer.assignment.in_(assignments), Transfer.state.not_in(STOPPED))
        .order_by(Transfer.id)
        .with_for_update()
    )
    return list(await session.scalars(query))


async def answered(session: AsyncSession, event: WithdrawalAnswered) -> list[Event]:
    """Note what has become of a part."""
    withdrawal, part = await _held(session, event)
    if part.state == "asked":
        part.state, part.answered_at = event.outcome, now()
        part.instances, part.withdrawn = event.instances, event.withdrawn
        part.target_study_instance_uid, part.why = event.target_study_instance_uid, event.reason or None
    return [*await settle_all(session, withdrawal), *await _go_on(session, part)]


async def confirmed(session: AsyncSession, event: WithdrawalConfirmed) -> list[Event]:
    """A person has done by hand what no program could."""
    withdrawal, part = await _held(session, event)
    if part.state == "by_hand":
        part.state = "confirmed"
    return [*await settle_all(session, withdrawal), *await _go_on(session, part)]


async def retried(session: AsyncSession, event: WithdrawalRetried) -> list[Event]:
    """Ask the destination once more for what was left to a person, unless that person has done it meanwhile."""
    withdrawal, part = await _held(session, event)
    if part.state != "by_hand":
        return []
    part.state, part.answered_at = "asked", None
    asked = WithdrawalRequested(
        withdrawal=part.withdrawal, transfer=part.transfer, destination=part.destination, attempt=event.attempt
    )
    return [asked, *await settle(session, withdrawal)]


async def _held(
    session: AsyncSession, event: WithdrawalAnswered | WithdrawalConfirmed | WithdrawalRetried
) -> tuple[Withdrawal, WithdrawalPart]:
    """The withdrawal and its part, under the lock of the study: nobody begins to wait for it unseen."""
    part = await session.get_one(WithdrawalPart, (event.withdrawal, event.transfer, event.destination))
    await hold(session, part.study_instance_uid)
    withdrawal = await session.get_one(Withdrawal, event.withdrawal, with_for_update=True)
    await session.refresh(part)
    return withdrawal, part


async def removed(session: AsyncSession, event: RemovalAnswered) -> list[Event]:
    """A service has removed what is its own; one that nobody waits for is noted, too."""
    withdrawal = await session.get_one(Withdrawal, event.withdrawal, with_for_update=True)
    row = await session.get(Removal, (event.withdrawal, event.service))
    if row is None:
        row = Removal(withdrawal=event.withdrawal, service=event.service)
        session.add(row)
    row.removed, row.left, row.answered_at = event.removed, event.left, now()
    return await settle(session, withdrawal)


async def settle_all(session: AsyncSession, withdrawal: Withdrawal) -> list[Event]:
    """This one, and a withdrawal of the same participant's consent that may have waited for it."""
    events = await settle(session, withdrawal)
    waiting = select(Withdrawal).where(
        Withdrawal.project == withdrawal.project,
        Withdrawal.participant == withdrawal.participant,
        Withdrawal.kind == "consent",
        Withdrawal.state != "done",
        Withdrawal.id != withdrawal.id,
    )
    for each in await session.scalars(waiting.with_for_update()):
        events += await settle(session, each)
    return events


async def settle(session: AsyncSession, withdrawal: Withdrawal) -> list[Event]:
    """See how far a withdrawal has come."""
    await session.flush()
    if withdrawal.state == "done":
        return []
    states = await _states(session, withdrawal)
    if "asked" in states:
        withdrawal.state = "under_way"
        return []
    if withdrawal.kind == "consent" and (asked := await removals.wanting(session, withdrawal)) is not None:
        withdrawal.state = "under_way"
        return asked
    if "by_hand" in states:
        withdrawal.state = "by_hand"
        return []
    withdrawal.state, withdrawal.finished_at = "done", now()
    brought = select(WithdrawalPart.transfer).where(
        WithdrawalPart.withdrawal == withdrawal.id, WithdrawalPart.instances > 0
    )
    await session.execute(update(Transfer).where(Transfer.id.in_(brought)).values(state="withdrawn"))
    return await _of_no_use(session, withdrawal)


async def _of_no_use(session: AsyncSession, withdrawal: Withdrawal) -> list[Event]:
    """What a correction has taken back goes from here, too: a consent asks for that itself, and so does an end.

    No consent would find it: the study may be in another project by then, under another name.
    """
    if withdrawal.kind not in ("correction", "cancel"):
        return []
    mine = select(WithdrawalPart.transfer).where(WithdrawalPart.withdrawal == withdrawal.id).distinct()
    transfers = tuple(await session.scalars(mine.order_by(WithdrawalPart.transfer)))
    completed = WithdrawalCompleted(withdrawal=withdrawal.id, project=withdrawal.project, transfers=transfers)
    return [completed] if transfers else []


async def _states(session: AsyncSession, withdrawal: Withdrawal) -> set[str]:
    """Of its parts; a consent's also of what earlier corrections have still to take back of the participant."""
    mine = WithdrawalPart.withdrawal == withdrawal.id
    if withdrawal.kind == "consent":
        of_participant = select(Transfer.id).where(
            Transfer.project == withdrawal.project, Transfer.participant == withdrawal.participant
        )
        mine = WithdrawalPart.transfer.in_(of_participant)
    return set(await session.scalars(select(WithdrawalPart.state).where(mine).distinct()))


async def _go_on(session: AsyncSession, part: WithdrawalPart) -> list[Event]:
    """Ask for what of the study has waited, when nothing of it is to leave any more; the caller holds its lock."""
    waiting = await session.scalar(
        select(Assignment).where(
            Assignment.study_instance_uid == part.study_instance_uid,
            Assignment.project == part.project,
            Assignment.in_force,
            Assignment.waits_for.is_not(None),
        )
    )
    if waiting is None:
        return []
    waiting.waits_for = await leaving(session, part.study_instance_uid, part.project)
    return [*await request_missing(session, waiting, waiting.reason)]
