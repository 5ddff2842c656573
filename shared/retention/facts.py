"""What the tables say of studies and transfers, gathered for the decisions in shared.retention.whole."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final, TypeVar

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.events import RetentionLimits
from shared.retention.whole import Assigned, Sent, SentPart, StudyFacts, TransferFacts, superseded
from shared.tables import (
    Assignment,
    AssignmentWish,
    Delivery,
    Instance,
    InstanceConflict,
    Project,
    QuarantinedInstance,
    ReviewedInstance,
    Series,
    Study,
    Transfer,
    TransferPart,
    Withdrawal,
    WithdrawalPart,
)
from shared.transfers import LEAVING

SENT_AGAIN: Final = RetentionLimits(counted=False)
"""What a later transfer must have done for an earlier one that failed to be of no use any more."""

T = TypeVar("T", Study, Assignment, Transfer)


async def facts_of_studies(session: AsyncSession, uids: Collection[str]) -> list[StudyFacts]:
    """Of those studies that the catalogue has, in the order of the UIDs given."""
    studies = {row.study_instance_uid: row for row in await _rows(session, Study, uids)}
    instances = await _instances(session, uids)
    conflicts = await _counted(session, InstanceConflict, uids)
    open_series = await _open_series(session, uids)
    wishes = await _wishes(session, uids)
    withdrawals = await _withdrawals(session, uids)
    assignments: dict[str, list[Assigned]] = defaultdict(list)
    for row in await _rows(session, Assignment, uids):
        if row.refused is None:
            assignments[row.study_instance_uid].append(
                Assigned(row.id, row.in_force, row.waits_for is not None, row.ended_at)
            )
    transfers: dict[str, list[Sent]] = defaultdict(list)
    rows = await _rows(session, Transfer, uids)
    for transfer, sent in zip(rows, await _sent(session, rows), strict=True):
        transfers[transfer.study_instance_uid].append(sent)
    found = []
    for uid in uids:
        if (study := studies.get(uid)) is None:
            continue
        parts = instances.get(uid, {})
        found.append(
            StudyFacts(
                study_instance_uid=uid,
                seen_at=study.last_seen_at,
                arrived=study.arrived_at is not None and not open_series.get(uid),
                removed=study.removed_at is not None,
                unfinished=sum(count for (_, revision), (count, _) in parts.items() if revision is None),
                conflicts=conflicts.get(uid, 0),
                wishes=wishes.get(uid, 0),
                withdrawals=withdrawals.get(uid, 0),
                size=sum(size for _, size in parts.values()),
                parts={(series, r): count for (series, r), (count, _) in parts.items() if r is not None},
                assignments=tuple(assignments[uid]),
                transfers=tuple(transfers[uid]),
            )
        )
    return found


async def facts_of_transfers(session: AsyncSession, ids: Collection[str]) -> list[TransferFacts]:
    """Of those transfers that there are."""
    rows = list(await session.scalars(select(Transfer).where(Transfer.id.in_(ids)).order_by(Transfer.id)))
    named = select(Project).where(Project.name.in_({row.project for row in rows}))
    projects = {project.name: project for project in await session.scalars(named)}
    withdrawals: dict[str, list[str]] = defaultdict(list)
    for transfer, state in await session.execute(
        select(WithdrawalPart.transfer, WithdrawalPart.state).where(WithdrawalPart.transfer.in_(ids))
    ):
        withdrawals[transfer].append(state)
    undecided = await _undecided(session, ids)
    studies = {row.study_instance_uid for row in rows}
    known = set(await session.scalars(select(Study.study_instance_uid).where(Study.study_instance_uid.in_(studies))))
    reviewed = await _reviewed(session, ids)
    later = await _of_same(session, [row for row in rows if row.state == "failed"])
    return [
        TransferFacts(
            sent=sent,
            project=projects[row.project].state if row.project in projects else "deleted",
            anonymous=row.project in projects and projects[row.project].end_provision == "keep",
            superseded=superseded(sent, later.get(row.assignment, ()), SENT_AGAIN),
            withdrawals=tuple(withdrawals[row.id]),
            undecided=undecided.get(row.id, 0),
            siblings=tuple(reviewed.get(row.id, ())),
            known=row.study_instance_uid in known,
        )
        for row, sent in zip(rows, await _sent(session, rows), strict=True)
    ]


async def _of_same(session: AsyncSession, failed: Collection[Transfer]) -> dict[str, list[Sent]]:
    """Assignment -> its completed transfers, of the assignments of transfers that have failed."""
    theirs = Transfer.assignment.in_({row.assignment for row in failed}), Transfer.state == "completed"
    rows = list(await session.scalars(select(Transfer).where(*theirs))) if failed else []
    found: dict[str, list[Sent]] = defaultdict(list)
    for sent in await _sent(session, rows):
        found[sent.assignment].append(sent)
    return found


async def _reviewed(session: AsyncSession, ids: Collection[str]) -> dict[str, list[Sent]]:
    """Transfer -> those that reviews of its quarantine have asked for."""
    query = (
        select(ReviewedInstance.transfer, Transfer.id)
        .join(Transfer, Transfer.review == ReviewedInstance.review)
        .where(ReviewedInstance.transfer.in_(ids))
        .distinct()
    )
    pairs = (await session.execute(query)).all()
    rows = await session.scalars(select(Transfer).where(Transfer.id.in_({sibling for _, sibling in pairs})))
    siblings = {row.id: _of(row, ()) for row in rows}
    found: dict[str, list[Sent]] = {}
    for transfer, sibling in pairs:
        found.setdefault(transfer, []).append(siblings[sibling])
    return found


async def _rows(session: AsyncSession, table: type[T], uids: Collection[str]) -> list[T]:
    query = select(table).where(table.study_instance_uid.in_(uids))
    return list(await session.scalars(query, execution_options={"populate_existing": True}))


async def _instances(
    session: AsyncSession, uids: Collection[str]
) -> dict[str, dict[tuple[str, int | None], tuple[int, int]]]:
    """Study -> (series, revision) -> how many instances, and the bytes of those whose files are here."""
    part = Instance.study_instance_uid, Instance.series_instance_uid, Instance.revision
    here = func.coalesce(func.sum(Instance.size).filter(Instance.removed_at.is_(None)), 0)
    query = select(*part, func.count(), here).where(Instance.study_instance_uid.in_(uids)).group_by(*part)
    found: dict[str, dict[tuple[str, int | None], tuple[int, int]]] = defaultdict(dict)
    for uid, series, revision, count, size in await session.execute(query):
        found[uid][series, revision] = count, int(size)
    return found


async def _counted(session: AsyncSession, table: type[InstanceConflict], uids: Collection[str]) -> dict[str, int]:
    query = select(table.study_instance_uid, func.count()).where(table.study_instance_uid.in_(uids))
    return dict((await session.execute(query.group_by(table.study_instance_uid))).all())


async def _open_series(session: AsyncSession, uids: Collection[str]) -> dict[str, int]:
    mine = Series.study_instance_uid.in_(uids), Series.open_since.is_not(None)
    query = select(Series.study_instance_uid, func.count()).where(*mine).group_by(Series.study_instance_uid)
    return dict((await session.execute(query)).all())


async def _wishes(session: AsyncSession, uids: Collection[str]) -> dict[str, int]:
    """Wishes about which the router has not decided."""
    wish = AssignmentWish.study_instance_uid
    query = (
        select(wish, func.count())
        .outerjoin(Assignment, Assignment.id == AssignmentWish.assignment)
        .where(wish.in_(uids), Assignment.id.is_(None))
        .group_by(wish)
    )
    return dict((await session.execute(query)).all())


async def _withdrawals(session: AsyncSession, uids: Collection[str]) -> dict[str, int]:
    """Withdrawals of the study or of one of its transfers that are not over."""
    mine = WithdrawalPart.study_instance_uid.in_(uids)
    open_yet = or_(WithdrawalPart.state.in_(LEAVING), Withdrawal.state.in_(("under_way", "by_hand")))
    query = (
        select(WithdrawalPart.study_instance_uid, func.count())
        .join(Withdrawal, Withdrawal.id == WithdrawalPart.withdrawal)
        .where(mine, open_yet)
        .group_by(WithdrawalPart.study_instance_uid)
    )
    return dict((await session.execute(query)).all())


async def _undecided(session: AsyncSession, ids: Collection[str]) -> dict[str, int]:
    """Instances in quarantine that no review names."""
    reviewed = and_(
        ReviewedInstance.transfer == QuarantinedInstance.transfer,
        ReviewedInstance.sop_instance_uid == QuarantinedInstance.sop_instance_uid,
    )
    query = (
        select(QuarantinedInstance.transfer, func.count())
        .outerjoin(ReviewedInstance, reviewed)
        .where(QuarantinedInstance.transfer.in_(ids), ReviewedInstance.review.is_(None))
        .group_by(QuarantinedInstance.transfer)
    )
    return dict((await session.execute(query)).all())


async def _sent(session: AsyncSession, transfers: Iterable[Transfer]) -> list[Sent]:
    """The transfers with their parts, in the same order."""
    rows = list(transfers)
    counts = and_(
        Delivery.transfer == TransferPart.transfer,
        Delivery.destination == TransferPart.destination,
        Delivery.series_instance_uid == TransferPart.series_instance_uid,
        Delivery.revision == TransferPart.revision,
    )
    query = (
        select(TransferPart, Delivery.counted)
        .outerjoin(Delivery, counts)
        .where(TransferPart.transfer.in_([row.id for row in rows]))
    )
    parts: dict[str, list[SentPart]] = defaultdict(list)
    for row, counted in await session.execute(query, execution_options={"populate_existing": True}):
        parts[row.transfer].append(
            SentPart(
                series=row.series_instance_uid,
                revision=row.revision,
                destination=row.destination,
                instances=row.instances,
                anonymized=row.anonymized,
                quarantined=row.quarantined,
                left_out=row.left_out,
                delivered=row.delivered,
                refused=row.refused,
                counted=counted,
            )
        )
    return [_of(row, parts[row.id]) for row in rows]


def _of(row: Transfer, parts: Iterable[SentPart]) -> Sent:
    return Sent(
        id=row.id,
        assignment=row.assignment,
        state=row.state,
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        review=row.review is not None,
        destinations=frozenset(row.destinations),
        parts=tuple(parts),
    )
