"""What was sent is taken back: asked of every destination it went to, counted, and done when nothing is left anywhere.

Whatever is to be sent of a study under the same UIDs waits until then: a deletion must never meet its successor.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import and_, exists, or_, select, update
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

FORGOTTEN = "it is not known any more what there was"
"""Nothing where there was something before is no answer: what is listed for a person stays listed."""


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
    part, concerned = await _held(session, event)
    if part.state == "asked":
        _note(part, event)
    return [*await _settle_all(session, concerned), *await _go_on(session, part)]


def _note(part: WithdrawalPart, event: WithdrawalAnswered) -> None:
    part.answered_at = now()
    if part.instances and not event.instances and not event.reason:
        part.state, part.why = "by_hand", FORGOTTEN
        return
    part.state, part.instances, part.withdrawn = event.outcome, event.instances, event.withdrawn
    part.target_study_instance_uid, part.why = event.target_study_instance_uid, event.reason or None


async def confirmed(session: AsyncSession, event: WithdrawalConfirmed) -> list[Event]:
    """A person has done by hand what no program could."""
    part, concerned = await _held(session, event)
    if part.state == "by_hand":
        part.state = "confirmed"
    return [*await _settle_all(session, concerned), *await _go_on(session, part)]


async def retried(session: AsyncSession, event: WithdrawalRetried) -> list[Event]:
    """Ask the destination once more for what was left to a person, unless that person has done it meanwhile."""
    part, concerned = await _held(session, event)
    if part.state != "by_hand":
        return []
    part.state, part.answered_at = "asked", None
    asked = WithdrawalRequested(
        withdrawal=part.withdrawal, transfer=part.transfer, destination=part.destination, attempt=event.attempt
    )
    return [asked, *await _settle_all(session, concerned)]


async def _held(
    session: AsyncSession, event: WithdrawalAnswered | WithdrawalConfirmed | WithdrawalRetried
) -> tuple[WithdrawalPart, Sequence[Withdrawal]]:
    """The part, and all that wait for it, under its lock and that of the study: nobody begins to wait for it unseen."""
    part = await session.get_one(WithdrawalPart, (event.withdrawal, event.transfer, event.destination))
    await hold(session, part.study_instance_uid)
    await session.refresh(part, with_for_update=True)
    return part, await _concerned(session, part)


async def _concerned(session: AsyncSession, part: WithdrawalPart) -> Sequence[Withdrawal]:
    """Its own withdrawal, and those of consent that it is `transfers_of`."""
    transfer = await session.get_one(Transfer, part.transfer)
    their_study = exists().where(
        Assignment.ended_by == Withdrawal.id, Assignment.study_instance_uid == part.study_instance_uid
    )
    waiting = and_(
        Withdrawal.kind == "consent",
        Withdrawal.project == part.project,
        or_(Withdrawal.participant == transfer.participant, their_study),
    )
    query = select(Withdrawal).where(or_(Withdrawal.id == part.withdrawal, waiting)).order_by(Withdrawal.id)
    return (await session.scalars(query.with_for_update(), execution_options={"populate_existing": True})).all()


async def wait_for_answers(session: AsyncSession, consent: Withdrawal) -> None:
    """Whoever is just noting an answer that this consent waits for comes first: they have not seen it wait."""
    parts = select(WithdrawalPart).where(WithdrawalPart.transfer.in_(removals.transfers_of(consent)))
    key = WithdrawalPart.withdrawal, WithdrawalPart.transfer, WithdrawalPart.destination
    await session.execute(parts.order_by(*key).with_for_update(), execution_options={"populate_existing": True})


async def removed(session: AsyncSession, event: RemovalAnswered) -> list[Event]:
    """A service has removed what is its own; one that nobody waits for is noted, too."""
    withdrawal = await session.get_one(Withdrawal, event.withdrawal, with_for_update=True)
    row = await session.get(Removal, (event.withdrawal, event.service))
    if row is None:
        row = Removal(withdrawal=event.withdrawal, service=event.service)
        session.add(row)
    row.removed, row.left, row.answered_at = event.removed, event.left, now()
    return await settle(session, withdrawal)


async def _settle_all(session: AsyncSession, withdrawals: Sequence[Withdrawal]) -> list[Event]:
    """See how far each of them has come."""
    settled = [await settle(session, each) for each in withdrawals]
    return [event for events in settled for event in events]


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
    """What was taken back goes from here, too; an end asks for that itself.

    No consent would find what a correction has taken back: the study may be in another project by then, under another
    name. After a consent it is what could not go before, for a person had to remove it.
    """
    if withdrawal.kind == "end":
        return []
    mine = WithdrawalPart.withdrawal == withdrawal.id
    if withdrawal.kind == "consent":
        mine = WithdrawalPart.transfer.in_(removals.transfers_of(withdrawal))
    found = select(WithdrawalPart.transfer).where(mine).distinct()
    transfers = tuple(await session.scalars(found.order_by(WithdrawalPart.transfer)))
    completed = WithdrawalCompleted(withdrawal=withdrawal.id, project=withdrawal.project, transfers=transfers)
    return [completed] if transfers else []


async def _states(session: AsyncSession, withdrawal: Withdrawal) -> set[str]:
    """Of its parts; a consent's of all that is to be removed here then, whoever takes it back."""
    mine = WithdrawalPart.withdrawal == withdrawal.id
    if withdrawal.kind == "consent":
        mine = WithdrawalPart.transfer.in_(removals.transfers_of(withdrawal))
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
