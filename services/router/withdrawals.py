"""What was sent is taken back: asked of every destination it went to, counted, and done when nothing is left anywhere.

Whatever is to be sent of a study under the same UIDs waits until then: a deletion must never meet its successor.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.transfers import request_missing
from shared.database import lock
from shared.events import Event, WithdrawalAnswered, WithdrawalConfirmed, WithdrawalRequested
from shared.tables import Assignment, Transfer, TransferPart, Withdrawal, WithdrawalPart
from shared.tables.base import now
from shared.transfers import STOPPED

OPEN = ("asked", "by_hand")
"""States of a part that has not left yet."""


async def take_back(
    session: AsyncSession, withdrawal: Withdrawal, transfers: Sequence[Transfer]
) -> list[WithdrawalRequested]:
    """Stop these transfers, and ask for all of them at each of their destinations; with none there it is done."""
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
    await session.flush()
    if not asked:
        withdrawal.state, withdrawal.finished_at = "done", now()
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
    withdrawal = await session.get_one(Withdrawal, event.withdrawal, with_for_update=True)
    part = await session.get_one(WithdrawalPart, (event.withdrawal, event.transfer, event.destination))
    if part.state == "asked":
        part.state, part.answered_at = event.outcome, now()
        part.instances, part.withdrawn = event.instances, event.withdrawn
        part.target_study_instance_uid, part.why = event.target_study_instance_uid, event.reason or None
    return await settle(session, withdrawal)


async def confirmed(session: AsyncSession, event: WithdrawalConfirmed) -> list[Event]:
    """A person has done by hand what no program could."""
    withdrawal = await session.get_one(Withdrawal, event.withdrawal, with_for_update=True)
    part = await session.get_one(WithdrawalPart, (event.withdrawal, event.transfer, event.destination))
    if part.state == "by_hand":
        part.state = "confirmed"
    return await settle(session, withdrawal)


async def settle(session: AsyncSession, withdrawal: Withdrawal) -> list[Event]:
    """See how far a withdrawal has come; with the last part, whatever has waited for it goes on."""
    await session.flush()
    if withdrawal.state == "done":
        return []
    states = set(await session.scalars(select(WithdrawalPart.state).where(WithdrawalPart.withdrawal == withdrawal.id)))
    if states & set(OPEN):
        withdrawal.state = "under_way" if "asked" in states else "by_hand"
        return []
    withdrawal.state, withdrawal.finished_at = "done", now()
    brought = select(WithdrawalPart.transfer).where(
        WithdrawalPart.withdrawal == withdrawal.id, WithdrawalPart.instances > 0
    )
    await session.execute(update(Transfer).where(Transfer.id.in_(brought)).values(state="withdrawn"))
    return await _go_on(session, withdrawal)


async def _go_on(session: AsyncSession, withdrawal: Withdrawal) -> list[Event]:
    """Ask for what has waited for this withdrawal, unless it has to wait for another one."""
    query = select(Assignment).where(Assignment.waits_for == withdrawal.id).order_by(Assignment.study_instance_uid)
    requested: list[Event] = []
    for assignment in await session.scalars(query):
        await lock(session, "router", assignment.study_instance_uid)
        await session.refresh(assignment)
        assignment.waits_for = await open_withdrawal(session, assignment.study_instance_uid, assignment.project)
        if assignment.in_force:
            requested += await request_missing(session, assignment, assignment.reason)
    return requested


async def open_withdrawal(session: AsyncSession, study_uid: str, project: str) -> str | None:
    """What has still to leave before something of the study may be sent in this project."""
    query = select(WithdrawalPart.withdrawal).where(
        WithdrawalPart.study_instance_uid == study_uid,
        WithdrawalPart.project == project,
        WithdrawalPart.state.in_(OPEN),
    )
    return await session.scalar(query.limit(1))
